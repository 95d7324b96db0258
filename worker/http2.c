/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/2 connections; see http2.h. */
#include "http2.h"

#include "conn.h"
#include "generation.h"
#include "http2_stream.h"
#include "log.h"
#include "tls.h"
#include "tunnel.h"

#include <errno.h>
#include <stdlib.h>

#define CONNECTION_WINDOW	(1 << 20)	/* request bytes on their way (A14) */
#define STREAMS_DEFAULT		100

/* ---- What the peer sends --------------------------------------------------- */

static void
calm_down(struct http2 *h, const char *what)
{
	char peer[ADDR_TEXT];

	log_limited(LOG_INFO, "entry point %s: HTTP/2 of %s ends: too many %s",
	    h->c->l->name, addr_text(&h->c->peer, peer), what);
	nghttp2_session_terminate_session(h->link.session,
	    NGHTTP2_ENHANCE_YOUR_CALM);
}

/* Frames for these may still have been on their way. */
static bool
reset_by_us(const struct http2 *h, int32_t id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(h->reset_ids); i++)
		if (h->reset_ids[i] == id)
			return true;
	return false;
}

static int
on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *h = arg;

	(void)session;
	if (frame->hd.type != NGHTTP2_RST_STREAM)
		return 0;
	h->reset_ids[h->resets++ % ARRAY_SIZE(h->reset_ids)] =
	    frame->hd.stream_id;
	/* Malformed, by the library's judgement or ours (A02). */
	if (frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR &&
	    !http2_spend(&h->link.budget, HTTP2_MALFORMED, 1,
	    ring_now(h->c->w->ring)))
		calm_down(h, "malformed requests");
	return 0;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct http2 *h = arg;
	struct http2_stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	h->newest = frame->hd.stream_id;
	s = http2_stream_new(h, frame->hd.stream_id);
	if (s == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
	return 0;
}

/* The stream of a request's head; trailers are checked and dropped (H15). */
static struct http2_stream *
stream_of_head(nghttp2_session *session, const nghttp2_frame *frame)
{
	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return NULL;
	return nghttp2_session_get_stream_user_data(session,
	    frame->hd.stream_id);
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	struct http2_stream *s = stream_of_head(session, frame);

	(void)flags;
	(void)arg;
	if (s != NULL)
		http2_stream_field(s, str_n((const char *)name, name_n),
		    str_n((const char *)value, value_n));
	return 0;
}

/* nghttp2 would drop such a field and go on without it. */
static int
on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags, void *arg)
{
	struct http2_stream *s = stream_of_head(session, frame);

	(void)name;
	(void)name_n;
	(void)value;
	(void)value_n;
	(void)flags;
	(void)arg;
	if (s == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	s->refusal = HTTP2_HEAD_MALFORMED;
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct http2_stream *s;

	(void)arg;
	if (frame->hd.type != NGHTTP2_HEADERS &&
	    frame->hd.type != NGHTTP2_DATA)
		return 0;
	s = nghttp2_session_get_stream_user_data(session,
	    frame->hd.stream_id);
	if (s == NULL)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		http2_stream_head_done(s, ended);
	else if (ended)
		http2_stream_body_end(s);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
    size_t n, void *arg)
{
	struct http2_stream *s = nghttp2_session_get_stream_user_data(session,
	    id);

	(void)flags;
	(void)arg;
	/* Nobody reads it any more, but its credit is the connection's. */
	if (s == NULL || !http2_stream_listens(s) ||
	    http2_stream_data(s, p, n) < 0) {
		nghttp2_session_consume_connection(session, n);
		if (s != NULL && http2_stream_listens(s))
			nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE,
			    id, NGHTTP2_INTERNAL_ERROR);
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct http2_stream *s = nghttp2_session_get_stream_user_data(session,
	    id);

	(void)code;
	(void)arg;
	if (s != NULL)
		http2_stream_closed(s);
	return 0;
}

/* ---- The session --------------------------------------------------------------- */

static nghttp2_session_callbacks *
callbacks(void)
{
	static nghttp2_session_callbacks *cb;	/* one for all, never freed */

	if (cb != NULL || nghttp2_session_callbacks_new(&cb) != 0)
		return cb;
	nghttp2_session_callbacks_set_on_frame_send_callback(cb,
	    on_frame_sent);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb,
	    on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(cb,
	    on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb,
	    on_stream_close);
	http2_link_callbacks(cb);
	return cb;
}

static unsigned
slots_of(const struct conn *c)
{
	const struct generation *g = c->w->gen;
	uint32_t n;

	if (g == NULL || c->l->ep == TNONE)
		return STREAMS_DEFAULT;
	n = table_entry_point(&g->table, c->l->ep)->http2_streams;
	return n != 0 ? n : STREAMS_DEFAULT;
}

/* Whether WebSocket may be asked for (RFC 8441). */
static bool
websocket_of(const struct conn *c)
{
	const struct generation *g = c->w->gen;

	return g != NULL && c->l->ep != TNONE &&
	    table_entry_point(&g->table, c->l->ep)->http2_websocket;
}

int
http2_open(struct conn *c)
{
	struct http2 *h = calloc(1, sizeof(*h));
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, slots_of(c) },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 * 1024 },
		{ NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, websocket_of(c) },
	};

	if (h == NULL || callbacks() == NULL || http2_link_options() == NULL ||
	    nghttp2_session_server_new2(&h->link.session, callbacks(), h,
	    http2_link_options()) != 0) {
		free(h);
		return -ENOMEM;
	}
	h->c = c;
	h->slots = slots_of(c);
	h->queue_end = &h->queue;
	h->link.ring = c->w->ring;
	h->link.st = &c->st;
	h->link.frames.left = H2_PREFACE;
	c->h2 = h;
	if (nghttp2_submit_settings(h->link.session, NGHTTP2_FLAG_NONE,
	    settings, ARRAY_SIZE(settings)) != 0 ||
	    nghttp2_session_set_local_window_size(h->link.session,
	    NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0)
		return -ENOMEM;
	return 0;
}

void
http2_free(struct http2 *h)
{
	struct http2_stream *s;

	if (h == NULL)
		return;
	/* Streams that nghttp2 still knew but no fiber served. */
	h->over = true;
	while ((s = h->streams) != NULL) {
		if (s->tunnel != NULL)
			tunnel_end(s->tunnel);
		if (h->streams == s)
			http2_stream_free(s);
	}
	http2_link_fini(&h->link);
	free(h);
}

int
http2_wanted(struct fiber *f, struct conn *c)
{
	static const char preface[4] = "PRI ";
	size_t n;
	int r;

	if (c->st.tls != NULL)
		return str_eq(tls_facts(c->st.tls)->alpn, STR("h2"));
	/* In clear by prior knowledge; no method but this begins so. */
	fiber_deadline(f, ring_now(c->w->ring) + c->w->limits.first_byte_ns);
	for (;;) {
		n = iobuf_len(c->st.in);
		if (n > sizeof(preface))
			n = sizeof(preface);
		if (n == 0 || memcmp(c->st.in->data + c->st.in->head, preface,
		    n) != 0)
			return 0;
		if (n == sizeof(preface))
			return 1;
		if ((r = stream_fill(f, &c->st, IOBUF_SMALL)) <= 0)
			return r < 0 && r != -ETIMEDOUT ? r : 0;
	}
}

/* ---- The loop ---------------------------------------------------------------------- */

void
http2_wake(struct http2 *h)
{
	if (h->f != NULL)
		fiber_wake(h->f);
	else if (!h->over) {
		h->roused = true;
		conn_rouse(h->c);
	}
}

/*
 * HEADERS or DATA on a stream that is over: nghttp2 would ignore them, but only
 * a broken or hostile peer sends them (RFC 9113 5.1).
 */
static bool
stream_over(const struct http2 *h, const struct h2_frame *frame)
{
	return (frame->type == NGHTTP2_HEADERS ||
	    frame->type == NGHTTP2_DATA) && frame->stream > 0 &&
	    frame->stream <= h->newest &&
	    nghttp2_session_find_stream(h->link.session, frame->stream) ==
	    NULL &&
	    !reset_by_us(h, frame->stream);
}

static void
on_frame_head(struct http2_link *l, const struct h2_frame *frame)
{
	struct http2 *h = (struct http2 *)(void *)l;

	if (!http2_spend_frame(&l->budget, frame, ring_now(l->ring)))
		calm_down(h, "frames of one kind");
	else if (stream_over(h, frame))
		nghttp2_session_terminate_session(l->session,
		    NGHTTP2_STREAM_CLOSED);
}

/* All that was received goes to the codec. 0, or -errno when that is the end. */
static int
take_input(struct fiber *f, struct http2 *h)
{
	int r = http2_link_receive(f, &h->link, on_frame_head);

	if (h->link.error != NULL)
		log_limited(LOG_DEBUG, "entry point %s: HTTP/2: %s",
		    h->c->l->name, h->link.error);
	h->link.error = NULL;
	return r;
}

static bool
ended(const struct http2 *h)
{
	if (!http2_link_quiet(&h->link))
		return false;
	return !nghttp2_session_want_read(h->link.session) ||
	    (h->goaway_sent && h->working == 0 && h->queued == 0);
}

/* A second after the warning the last stream is named (two-step GOAWAY). */
static void
say_goaway(struct http2 *h)
{
	if (h->goaway_at == 0 || h->goaway_sent ||
	    ring_now(h->c->w->ring) < h->goaway_at)
		return;
	h->goaway_sent = true;
	nghttp2_submit_goaway(h->link.session, NGHTTP2_FLAG_NONE,
	    nghttp2_session_get_last_proc_stream_id(h->link.session),
	    NGHTTP2_NO_ERROR, NULL, 0);
}

void
http2_drain(struct http2 *h)
{
	if (h->goaway_at != 0)
		return;
	h->goaway_at = ring_now(h->c->w->ring) + NSEC_SEC;
	nghttp2_submit_shutdown_notice(h->link.session);
	http2_wake(h);
}

void
http2_drain_tunnels(struct http2 *h)
{
	for (struct http2_stream *s = h->streams; s != NULL; s = s->next)
		if (s->tunnel != NULL)
			tunnel_drain(s->tunnel);
}

bool
http2_busy(const struct http2 *h)
{
	return h != NULL && h->working > h->quiet;
}

/* Nothing is to be done until something comes. */
static bool
idle(const struct http2 *h)
{
	return !http2_busy(h) && h->queued == 0 &&
	    (h->goaway_at == 0 || h->goaway_sent) &&
	    http2_link_quiet(&h->link);
}

/* Requests and age are bounded, as on HTTP/1 connections (H2-A19). */
static void
retire(struct http2 *h)
{
	const struct conn *c = h->c;
	const struct generation *g = c->w->gen;
	const struct tentry_point *ep;

	if (g == NULL || c->l->ep == TNONE)
		return;
	ep = table_entry_point(&g->table, c->l->ep);
	if (conn_worn(c, ep))
		http2_drain(h);
}

/* What is under way must move; otherwise only the drain has a time. */
static nsec_t
patience(const struct http2 *h)
{
	nsec_t t = NSEC_NEVER;

	if (h->link.sending != NULL)
		t = ring_now(h->c->w->ring) + h->c->w->limits.write_gap_ns;
	if (h->goaway_at != 0 && !h->goaway_sent && h->goaway_at < t)
		t = h->goaway_at;
	return t;
}

/* 0: idle; 1: over in good order; -errno. */
static int
run(struct fiber *f, struct http2 *h)
{
	uint64_t sent = h->c->st.bytes_out;
	int r, in;

	for (;;) {
		in = take_input(f, h);
		say_goaway(h);
		if ((r = http2_link_send(&h->link)) < 0)
			return r;
		if (in < 0)
			return in;
		if (ended(h))
			return 1;
		if (idle(h))
			return 0;
		retire(h);
		fiber_deadline(f, patience(h));
		r = fiber_wait(f);
		if (r == -ETIMEDOUT && (h->link.sending == NULL ||
		    h->c->st.bytes_out != sent))
			r = 0;
		sent = h->c->st.bytes_out;
		if (r < 0)
			return r;
	}
}

/* The connection is lost: every stream's fiber unwinds. */
static void
stop(struct fiber *f, struct http2 *h)
{
	struct http2_stream *next;

	h->over = true;
	for (struct http2_stream *s = h->streams; s != NULL; s = next) {
		next = s->next;
		s->closed = true;
		if (s->reader != NULL)
			fiber_wake(s->reader);
		if (s->f != NULL)
			fiber_cancel(s->f);
		else if (s->tunnel != NULL)
			tunnel_end(s->tunnel);
	}
	while (h->working > 0)
		fiber_wait_quiet(f);
	if (h->c->st.s->tx != SOCK_TX_IDLE)
		sock_quiesce(f, h->c->st.s);
}

int
http2_serve(struct fiber *f, struct conn *c)
{
	struct http2 *h = c->h2;
	int r;

	h->f = f;
	h->roused = false;
	if (c->w->draining)
		http2_drain(h);
	r = run(f, h);
	if (r != 0)
		stop(f, h);
	h->f = NULL;
	return r;
}
