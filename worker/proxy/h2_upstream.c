/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections to HTTP/2 servers; see h2_upstream.h. */
#include "h2_upstream.h"

#include "delivery.h"
#include "h2_call.h"
#include "log.h"
#include "pool.h"
#include "tls.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

/* All calls may wait with a full window: none holds up another. */
#define CONNECTION_WINDOW	(H2_CALLS_MAX * H2_CALL_WINDOW)
#define LAST_WORDS		(100 * NSEC_MSEC)
#define FIBER_PAUSE		(10 * NSEC_MSEC)	/* until one is free */

/* ---- What the server sends ---------------------------------------------------- */

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	(void)session;
	(void)frame;
	h2_call_head_begin(arg);
	return 0;
}

static struct h2_call *
call_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	struct h2_call *c = call_of(session, frame->hd.stream_id);

	(void)flags;
	(void)arg;
	if (c != NULL)
		h2_call_field(c, str_n((const char *)name, name_n),
		    str_n((const char *)value, value_n));
	return 0;
}

static void
malformed(struct h2_call *c)
{
	if (c == NULL)
		return;
	c->malformed = true;
	h2_call_wake(c);
}

/* nghttp2 would drop such a field and go on without it. */
static int
on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	(void)name;
	(void)name_n;
	(void)value;
	(void)value_n;
	(void)flags;
	(void)arg;
	malformed(call_of(session, frame->hd.stream_id));
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int
on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame,
    int error, void *arg)
{
	(void)error;
	(void)arg;
	if (frame->hd.stream_id != 0)
		malformed(call_of(session, frame->hd.stream_id));
	return 0;
}

static uint32_t
calls_allowed(const struct h2_upstream *h)
{
	return nghttp2_session_get_remote_settings(h->link.session,
	    NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

/* No new calls; those under way end on it. */
static void
leave(struct h2_upstream *h)
{
	if (h->list != NULL)
		pool_h2_remove(h);
}

/* Frames that are about the connection. */
static void
on_own_frame(struct h2_upstream *h, const nghttp2_frame *frame)
{
	bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		leave(h);
	if (frame->hd.type == NGHTTP2_PING && ack)
		h->ping_sent = 0;
	if (frame->hd.type == NGHTTP2_SETTINGS && !ack) {
		h->greeted = true;
		if (h->list != NULL)
			pool_set_h2_limit(h->list, calls_allowed(h));
	}
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct h2_upstream *h = arg;
	struct h2_call *c;

	if (frame->hd.stream_id == 0)
		on_own_frame(h, frame);
	if (frame->hd.type != NGHTTP2_HEADERS &&
	    frame->hd.type != NGHTTP2_DATA)
		return 0;
	if ((c = call_of(session, frame->hd.stream_id)) == NULL)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		h2_call_head_end(c, ended);
	else if (ended && c->x != NULL)
		h2_call_body_end(c);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
    size_t n, void *arg)
{
	struct h2_call *c = call_of(session, id);
	int r = 0;

	(void)flags;
	(void)arg;
	if (c != NULL && c->x != NULL && !c->malformed &&
	    (r = h2_call_data(c, p, n)) == 0)
		return 0;
	/* Nobody reads it any more, but its credit is the connection's. */
	nghttp2_session_consume_connection(session, n);
	if (c == NULL || c->x == NULL || c->malformed)
		return 0;
	malformed(c);
	nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id,
	    r == -ENOMEM ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_PROTOCOL_ERROR);
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct h2_call *c = call_of(session, id);

	(void)arg;
	if (c != NULL)
		h2_call_closed(c, code);
	return 0;
}

/* ---- What was sent --------------------------------------------------------------- */

static int
on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2_upstream *h = arg;
	struct h2_call *c;

	if ((frame->hd.type != NGHTTP2_HEADERS &&
	    frame->hd.type != NGHTTP2_DATA) ||
	    (c = call_of(session, frame->hd.stream_id)) == NULL)
		return 0;
	if (c->framed == 0)
		c->framed = h->link.framed;
	c->sent |= (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	return 0;
}

/* A request that the session could not begin, as GOAWAY had come. */
static int
on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame,
    int error, void *arg)
{
	struct h2_call *c;

	(void)error;
	(void)arg;
	if (frame->hd.type == NGHTTP2_HEADERS &&
	    (c = call_of(session, frame->hd.stream_id)) != NULL)
		c->unprocessed = true;
	return 0;
}

/* ---- Life ------------------------------------------------------------------------- */

static nghttp2_session_callbacks *
callbacks(void)
{
	static nghttp2_session_callbacks *cb;	/* one for all, never freed */

	if (cb != NULL || nghttp2_session_callbacks_new(&cb) != 0)
		return cb;
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb,
	    on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(cb,
	    on_invalid_header);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb,
	    on_invalid_frame);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb,
	    on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb,
	    on_frame_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(cb,
	    on_frame_not_sent);
	http2_link_callbacks(cb);
	return cb;
}

static int
greet(struct h2_upstream *h)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_CALL_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 * 1024 },
	};

	if (nghttp2_submit_settings(h->link.session, NGHTTP2_FLAG_NONE,
	    settings, ARRAY_SIZE(settings)) != 0 ||
	    nghttp2_session_set_local_window_size(h->link.session,
	    NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0)
		return -ENOMEM;
	return 0;
}

static void	on_timer(struct timer *t);
static void	on_parked(struct sock *s);

struct h2_upstream *
h2_upstream_new(struct worker *w, struct stream *st, const struct addr *a)
{
	struct h2_upstream *h = calloc(1, sizeof(*h));

	if (h == NULL || callbacks() == NULL || http2_link_options() == NULL ||
	    nghttp2_session_client_new2(&h->link.session, callbacks(), h,
	    http2_link_options()) != 0) {
		free(h);
		return NULL;
	}
	if (greet(h) < 0) {
		nghttp2_session_del(h->link.session);
		free(h);
		return NULL;
	}
	h->w = w;
	h->addr = *a;
	h->tls = st->tls != NULL;
	h->st = *st;
	*st = (struct stream){ .s = NULL };
	h->link.ring = w->ring;
	h->link.st = &h->st;
	h->heard = ring_now(w->ring);
	h->timer.fn = on_timer;
	h->st.s->notify = on_parked;
	h->st.s->arg = h;
	sock_hold(h->st.s, NULL);
	return h;
}

static void
h2_upstream_free(struct h2_upstream *h)
{
	timer_stop(h->w->ring, &h->timer);
	http2_link_fini(&h->link);
	stream_close(&h->st);
	free(h);
}

/* Those whose connection has gone. */
static void
lose_calls(struct h2_upstream *h)
{
	bool undelivered = h->open == 1 && !delivery_complete(h->st.s->fd);
	bool alert = h->st.tls != NULL &&
	    tls_failure(h->st.tls) == TLS_FAIL_ALERT;

	while (h->calls != NULL)
		h2_call_lost(h->calls, undelivered, alert);
}

void
h2_upstream_drop(struct h2_upstream *h)
{
	leave(h);
	lose_calls(h);
	h2_upstream_free(h);
}

bool
h2_upstream_takes(const struct h2_upstream *h)
{
	uint32_t max = h->greeted ? calls_allowed(h) : pool_h2_limit(h->list);

	return h->open < (max < H2_CALLS_MAX ? max : H2_CALLS_MAX) &&
	    nghttp2_session_check_request_allowed(h->link.session) != 0;
}

/* ---- The session --------------------------------------------------------------------- */

static void
on_frame_head(struct http2_link *l, const struct h2_frame *frame)
{
	struct h2_upstream *h = (struct h2_upstream *)(void *)l;

	h->heard = ring_now(l->ring);
	/* Servers of gRPC reset each stream whose client had more to say. */
	if (frame->type == NGHTTP2_RST_STREAM ||
	    http2_spend_frame(&l->budget, frame, h->heard))
		return;
	log_limited(LOG_WARN, "an HTTP/2 server sends too many frames of type "
	    "%u: the connection ends", frame->type);
	leave(h);
	nghttp2_session_terminate_session(l->session,
	    NGHTTP2_ENHANCE_YOUR_CALM);
}

/* When a ping is due, or when its answer is. */
static nsec_t
next_ping(const struct h2_upstream *h)
{
	if (h->ping_sent != 0)
		return clock_add(h->ping_sent, h->ping_timeout);
	return h->read_idle > 0 ? clock_add(h->heard, h->read_idle) :
	    NSEC_NEVER;
}

/* What the server owes us is asked for; silence is an end. */
static int
ping(struct h2_upstream *h)
{
	nsec_t now = ring_now(h->w->ring);

	if (now < next_ping(h))
		return 0;
	if (h->ping_sent != 0)
		return -ETIMEDOUT;
	h->ping_sent = now;
	return nghttp2_submit_ping(h->link.session, NGHTTP2_FLAG_NONE,
	    NULL) == 0 ? 0 : -ENOMEM;
}

/* Over: nothing more to be said or heard. */
static bool
ended(const struct h2_upstream *h)
{
	return http2_link_quiet(&h->link) && ((h->list == NULL &&
	    h->open == 0) || !nghttp2_session_want_read(h->link.session));
}

/* Nothing can be sent any more: what the server said before still counts. */
static void
hear_last_words(struct fiber *f, struct h2_upstream *h)
{
	leave(h);
	fiber_deadline(f, ring_now(h->w->ring) + LAST_WORDS);
	while (http2_link_receive(f, &h->link, on_frame_head) == 0 &&
	    fiber_wait(f) == 0)
		;
}

/* 0: idle; 1: over in good order; -errno. */
static int
run(struct fiber *f, struct h2_upstream *h)
{
	const struct sock *s = h->st.s;
	uint64_t moved = 0;
	nsec_t stalled = NSEC_NEVER;
	int r, in;

	for (;;) {
		in = http2_link_receive(f, &h->link, on_frame_head);
		if (in == 0 && (r = ping(h)) < 0)
			return r;
		r = http2_link_send(&h->link);
		if (r < 0 && in == 0)
			hear_last_words(f, h);
		if (r < 0 || in < 0)
			return r < 0 ? r : in;
		if (ended(h))
			return 1;
		if (h->open == 0 && h->ping_sent == 0 &&
		    http2_link_quiet(&h->link))
			return 0;
		if (h->link.sending == NULL ||
		    moved != h->st.bytes_out + s->tx_sent)
			stalled = ring_now(h->w->ring) +
			    h->w->limits.write_gap_ns;
		moved = h->st.bytes_out + s->tx_sent;
		fiber_deadline(f, h->link.sending != NULL &&
		    stalled < next_ping(h) ? stalled : next_ping(h));
		r = fiber_wait(f);
		if (r == -ETIMEDOUT && (h->link.sending == NULL ||
		    ring_now(h->w->ring) < stalled))
			r = 0;
		if (r < 0)
			return r;
	}
}

/* Idle: a receive and a timer are all that is left. */
static bool
park(struct h2_upstream *h)
{
	struct ring *r = h->w->ring;
	nsec_t now = ring_now(r);

	if (h->list == NULL || !h->keep || h->st.eof || h->st.truncated ||
	    !nghttp2_session_check_request_allowed(h->link.session))
		return false;
	h->idle_until = h->idle_timeout > 0 ? clock_add(now,
	    h->idle_timeout) : NSEC_NEVER;
	timer_set(r, &h->timer, next_ping(h) < h->idle_until ?
	    next_ping(h) : h->idle_until);
	stream_park(&h->st);
	return true;
}

static void
session_main(struct fiber *f, void *arg)
{
	struct h2_upstream *h = arg;
	int r;

	fiber_set_object(f, h);
	sock_hold(h->st.s, f);
	r = run(f, h);
	if (h->link.error != NULL)
		log_limited(LOG_WARN, "HTTP/2 server: %s", h->link.error);
	h->link.error = NULL;
	if (r == 0) {
		h->f = NULL;
		if (park(h))
			return;
	}
	leave(h);
	lose_calls(h);
	/* Nobody knows it now, so nobody wakes it. */
	if (h->st.s->tx != SOCK_TX_IDLE)
		sock_quiesce(f, h->st.s);
	h2_upstream_free(h);
}

int
h2_upstream_wake(struct h2_upstream *h)
{
	struct ring *r = h->w->ring;

	if (h->f != NULL) {
		fiber_wake(h->f);
		return 0;
	}
	timer_stop(r, &h->timer);
	h->f = fiber_start(r, session_main, h, "h2-upstream");
	if (h->f != NULL)
		return 0;
	/* All fibers work: look again in a moment. */
	timer_set(r, &h->timer, ring_now(r) + FIBER_PAUSE);
	return -ENOMEM;
}

/* Something happened on a parked connection: frames, or its end. */
static void
on_parked(struct sock *s)
{
	struct h2_upstream *h = s->arg;

	if (h->f != NULL)
		return;
	if (s->rx == SOCK_RX_READY && s->rx_res <= 0 && h->open == 0)
		h2_upstream_drop(h);
	else
		(void)h2_upstream_wake(h);
}

static void
on_timer(struct timer *t)
{
	struct h2_upstream *h = (struct h2_upstream *)(void *)
	    ((char *)t - offsetof(struct h2_upstream, timer));

	if (h->open == 0 && h->st.s->rx != SOCK_RX_READY &&
	    ring_now(h->w->ring) >= h->idle_until)
		h2_upstream_drop(h);
	else
		(void)h2_upstream_wake(h);
}
