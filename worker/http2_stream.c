/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams of HTTP/2; see http2_stream.h. */
#include "http2_stream.h"

#include "access_log.h"
#include "conn.h"
#include "http2.h"
#include "http2_tunnel.h"
#include "serve.h"
#include "tunnel.h"
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_BYTES	(64 * 1024)	/* decoded, with 32 per field (A04) */
#define BODY_WINDOW	(64 * 1024)	/* received and not yet taken (A14) */
#define QUEUE_MAX	64		/* streams that wait for a slot */

/* ---- Life ----------------------------------------------------------------- */

struct http2_stream *
http2_stream_new(struct http2 *h, int32_t id)
{
	struct http2_stream *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->x = exchange_get(h->c->w)) == NULL) {
		free(s);
		return NULL;
	}
	s->h = h;
	s->id = id;
	s->x->c = h->c;
	s->head.tls = conn_is_tls(h->c);
	s->next = h->streams;
	s->prev = &h->streams;
	if (s->next != NULL)
		s->next->prev = &s->next;
	h->streams = s;
	return s;
}

/* Gives back what its exchange held, the credit for unread bytes included. */
static void
release(struct http2_stream *s)
{
	struct http2 *h = s->h;
	struct ring *r = h->c->w->ring;
	size_t held = iobuf_len(s->body) + iobuf_len(s->given);

	if (held > 0)
		nghttp2_session_consume_connection(h->link.session, held);
	iobuf_put(r, s->body);
	iobuf_put(r, s->given);
	s->body = s->given = NULL;
	s->out = (struct http2_outgoing){ .dead = true };
	if (s->x != NULL)
		exchange_put(s->x);
	s->x = NULL;
}

void
http2_stream_free(struct http2_stream *s)
{
	release(s);
	if (!s->closed)
		nghttp2_session_set_stream_user_data(s->h->link.session, s->id,
		    NULL);
	*s->prev = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	free(s);
}

void
http2_stream_reset(struct http2_stream *s, uint32_t code)
{
	if (!s->closed)
		nghttp2_submit_rst_stream(s->h->link.session, NGHTTP2_FLAG_NONE,
		    s->id, code);
}

/* ---- The request ------------------------------------------------------------ */

static struct str *
pseudo_field(struct http2_stream *s, struct str name)
{
	if (str_eq(name, STR(":method")))
		return &s->head.method;
	if (str_eq(name, STR(":scheme")))
		return &s->head.scheme;
	if (str_eq(name, STR(":path")))
		return &s->head.path;
	if (str_eq(name, STR(":authority"))) {
		s->head.has_authority = true;
		return &s->head.authority;
	}
	if (!str_eq(name, STR(":protocol")))
		return NULL;
	s->head.has_protocol = true;
	return &s->head.protocol;
}

void
http2_stream_field(struct http2_stream *s, struct str name, struct str value)
{
	struct exchange *x = s->x;
	struct str *pseudo, n;

	/* Counted before anything is kept: small frames can name much. */
	s->head_bytes += (uint32_t)(name.n + value.n + 32);
	if (s->head_bytes > HEAD_BYTES || x->req.fields.n >= FIELDS_RECEIVED)
		s->refusal = HTTP2_HEAD_TOO_LARGE;
	if (s->refusal != HTTP2_ACCEPTED)
		return;
	value = arena_dup(&x->arena, value);
	if (name.n > 0 && name.p[0] == ':') {
		if ((pseudo = pseudo_field(s, name)) == NULL)
			s->refusal = HTTP2_HEAD_MALFORMED;
		else
			*pseudo = value;
		return;
	}
	n = field_canonical_copy(&x->arena, name);
	if (n.p == NULL || value.p == NULL)
		s->refusal = HTTP2_HEAD_TOO_LARGE;
	else if (!field_name_valid(n) || !field_value_valid(value))
		s->refusal = HTTP2_HEAD_MALFORMED;
	else
		(void)fields_push(&x->req.fields, FIELD_OTHER, n, value);
}

/* How long nothing may come: a call of gRPC may be as quiet as a tunnel. */
static nsec_t
body_gap(const struct exchange *x)
{
	return x->req.grpc ? x->w->limits.tunnel_idle_ns :
	    x->w->limits.body_gap_ns;
}

/* Bytes until the next call, which gives their credit back. */
static int
read_body(struct fiber *f, struct exchange *x, struct source *src,
    struct upstream *watch, struct str *ret)
{
	struct http2_stream *s = (struct http2_stream *)((char *)src -
	    offsetof(struct http2_stream, source));
	struct http2 *h = s->h;
	nsec_t before;
	int r = 0;

	if (s->given != NULL) {
		if (!s->closed)
			nghttp2_session_consume(h->link.session, s->id,
			    iobuf_len(s->given));
		else
			nghttp2_session_consume_connection(h->link.session,
			    iobuf_len(s->given));
		iobuf_put(h->c->w->ring, s->given);
		s->given = NULL;
		http2_wake(h);
	}
	if (src->done)
		return 0;
	if (s->owes_continue) {
		static const nghttp2_nv nv = { (uint8_t *)(size_t)":status",
		    (uint8_t *)(size_t)"100", 7, 3, NGHTTP2_NV_FLAG_NONE };

		s->owes_continue = false;
		nghttp2_submit_headers(h->link.session, NGHTTP2_FLAG_NONE,
		    s->id, NULL, &nv, 1, NULL);
		http2_wake(h);
	}
	before = fiber_deadline(f, ring_now(h->c->w->ring) + body_gap(x));
	s->reader = f;
	if (watch != NULL)
		upstream_watch(watch);
	while (r == 0 && s->body == NULL && !s->body_ended) {
		if (s->closed)
			r = -ECONNRESET;
		else if (watch != NULL && upstream_answered(watch))
			r = -EINTR;
		else
			r = fiber_wait(f);
	}
	s->reader = NULL;
	fiber_deadline(f, before);
	if (r < 0)
		return r;
	s->given = s->body;
	s->body = NULL;
	src->done = s->body_ended;
	if (s->given == NULL)
		return 0;
	*ret = str_n((const char *)s->given->data, s->given->tail);
	x->facts.request_bytes += ret->n;
	return 1;
}

/* Whoever waits for its bytes looks again. */
static void
wake_reader(struct http2_stream *s)
{
	if (s->reader != NULL)
		fiber_wake(s->reader);
	if (s->tunnel != NULL)
		tunnel_wake(s->tunnel);
}

bool
http2_stream_listens(const struct http2_stream *s)
{
	return s->x != NULL || s->tunnel != NULL;
}

int
http2_stream_data(struct http2_stream *s, const uint8_t *p, size_t n)
{
	struct ring *r = s->h->c->w->ring;
	struct iobuf *b = s->body, *more;
	size_t have = iobuf_len(b);

	if (b == NULL || iobuf_room(b) < n) {
		/* The window bounds it; nghttp2 has checked that. */
		more = iobuf_get(r, have + n > IOBUF_SMALL ?
		    BODY_WINDOW + n : have + n);
		if (more == NULL)
			return -ENOMEM;
		if (have > 0)
			memcpy(more->data, b->data, have);
		more->tail = (uint32_t)have;
		iobuf_put(r, b);
		s->body = b = more;
	}
	memcpy(b->data + b->tail, p, n);
	b->tail += (uint32_t)n;
	wake_reader(s);
	return 0;
}

void
http2_stream_body_end(struct http2_stream *s)
{
	s->body_ended = true;
	wake_reader(s);
}

/* ---- The answer ---------------------------------------------------------------- */

/* Status, fields, what the codec adds; nghttp2 copies them and folds names. */
static size_t
head_fields(struct http2_stream *s, nghttp2_nv *nv, char status[4],
    char length[24])
{
	struct exchange *x = s->x;
	size_t n = 0;
	int k;

	(void)snprintf(status, 4, "%03u", x->resp.status % 1000);
	nv[n++] = http2_nv(STR(":status"), str_n(status, 3));
	n += http2_put_fields(nv + n, &x->resp.fields);
	if (x->resp.status >= 200 && fields_find(&x->resp.fields,
	    FIELD_DATE) == NULL)
		nv[n++] = http2_nv(STR("date"), str_n(worker_date(x->w), 29));
	if (s->known) {
		k = snprintf(length, 24, "%lld", (long long)x->resp.length);
		nv[n++] = http2_nv(STR("content-length"), str_n(length,
		    (size_t)k));
	}
	return n;
}

static int
submit_head(struct http2_stream *s, bool body)
{
	static nghttp2_nv nv[FIELDS_MAX + 3];	/* used within this call */
	nghttp2_data_provider from = { .source.ptr = &s->out,
	    .read_callback = http2_link_read };
	char status[4], length[24];
	size_t n = head_fields(s, nv, status, length);

	s->submitted = true;
	return nghttp2_submit_response(s->h->link.session, s->id, nv, n,
	    body ? &from : NULL) == 0 ? 0 : -ENOMEM;
}

static int
on_interim(struct fiber *f, struct exchange *x, struct sink *k)
{
	static nghttp2_nv nv[FIELDS_MAX + 3];
	struct http2_stream *s = (struct http2_stream *)((char *)k -
	    offsetof(struct http2_stream, sink));
	char status[4], length[24];

	(void)f;
	(void)x;
	if (s->closed)
		return -ECONNRESET;
	s->known = false;
	nghttp2_submit_headers(s->h->link.session, NGHTTP2_FLAG_NONE, s->id,
	    NULL, nv, head_fields(s, nv, status, length), NULL);
	http2_wake(s->h);
	return 0;
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *k)
{
	struct http2_stream *s = (struct http2_stream *)((char *)k -
	    offsetof(struct http2_stream, sink));

	(void)f;
	x->head_sent = true;
	if (x->upgraded)
		http2_tunnel_agree(x);
	s->known = respond_settle(x);
	s->left = s->known && !x->resp.no_body ? (uint64_t)x->resp.length : 0;
	return 0;
}

/* Until what is pending is framed; a client that takes nothing is cut. */
static int
wait_taken(struct fiber *f, struct http2_stream *s)
{
	struct worker *w = s->h->c->w;
	size_t before = s->out.pending.n;
	nsec_t deadline = fiber_deadline(f, ring_now(w->ring) +
	    w->limits.write_gap_ns);
	int r = 0;

	s->out.waiter = f;
	while (s->out.pending.n > 0 && !s->closed && (r = fiber_wait(f)) == 0)
		if (s->out.pending.n != before) {
			before = s->out.pending.n;
			fiber_deadline(f, ring_now(w->ring) +
			    w->limits.write_gap_ns);
		}
	s->out.waiter = NULL;
	fiber_deadline(f, deadline);
	return s->out.pending.n == 0 ? 0 : r == -ETIMEDOUT ? r : -ECONNRESET;
}

static int
on_body(struct fiber *f, struct exchange *x, struct sink *k, struct str data,
    bool last)
{
	struct http2_stream *s = (struct http2_stream *)((char *)k -
	    offsetof(struct http2_stream, sink));
	int r = 0;

	if (x->resp.no_body)
		data = STR_NONE;
	/* A message is never made to look complete, nor longer (N-09). */
	if (s->known && !x->resp.no_body &&
	    (data.n > s->left || (last && data.n < s->left)))
		return -EPROTO;
	s->left -= s->known && !x->resp.no_body ? data.n : 0;
	if (s->closed)
		return -ECONNRESET;
	s->out.pending = data;
	s->out.last = last && !x->upgraded;
	s->out.trailers = &x->resp.trailers;
	x->complete |= last;
	if (!s->submitted)
		r = submit_head(s, !s->out.last || data.n > 0 ||
		    x->resp.trailers.n > 0);
	else if (data.n > 0 || last)
		(void)nghttp2_session_resume_data(s->h->link.session, s->id);
	if (r == 0)
		r = http2_link_fill(&s->h->link);
	http2_wake(s->h);
	if (r == 0 && s->out.pending.n > 0)
		r = wait_taken(f, s);
	if (r == -ETIMEDOUT)
		x->reason = REASON_CLIENT_STALLED;
	else if (r < 0) {
		x->client_gone = true;
		if (x->reason == REASON_NONE)
			x->reason = REASON_CLIENT_GONE;
	}
	x->facts.response_bytes += data.n;
	return r;
}

/* ---- The fiber ----------------------------------------------------------------- */

static void	start(struct http2_stream *s, const struct h1_error *err);

static void
start_queued(struct http2 *h)
{
	struct http2_stream *s = h->queue;

	if (s == NULL || h->working >= h->slots)
		return;
	h->queue = s->next_queued;
	if (h->queue == NULL)
		h->queue_end = &h->queue;
	h->queued--;
	s->queued = false;
	start(s, NULL);
}

void
http2_stream_leave(struct http2_stream *s)
{
	struct http2 *h = s->h;

	s->f = NULL;
	h->working--;
	if (s->closed)
		http2_stream_free(s);
	else
		release(s);
	if (!h->over)
		start_queued(h);
	http2_wake(h);
}

/* The slot is free again; the client is told what has not been told. */
static void
finish(struct http2_stream *s, int r)
{
	if (r < 0 || !s->x->complete)
		http2_stream_reset(s, s->x->reset_code != 0 ? s->x->reset_code :
		    r == -ETIMEDOUT ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
	else if (!s->body_ended)	/* the rest of it is not wanted */
		http2_stream_reset(s, NGHTTP2_NO_ERROR);
	http2_stream_leave(s);
}

static void
serve_stream(struct fiber *f, void *arg)
{
	struct http2_stream *s = arg;
	struct exchange *x = s->x;
	struct tunnel *tunnel;
	int r;

	fiber_set_object(f, s);
	serve_begin(x, s->h->c);
	r = serve_exchange(f, x);
	if (x->tunnel != NULL && r == 0 && !s->closed) {
		tunnel = x->tunnel;
		exchange_put(x);
		s->x = NULL;
		http2_tunnel_run(f, s, tunnel);
		return;
	}
	tunnel_free(x->tunnel);
	if (x->resp.status == 0 && r < 0)
		x->resp.status = 499;
	access_log_write(x);
	finish(s, r);
}

/* A head that is answered here, such as 431; nothing behind it is asked. */
static void
refuse_stream(struct fiber *f, void *arg)
{
	struct http2_stream *s = arg;
	struct exchange *x = s->x;
	unsigned status = x->resp.status;
	enum reason why = x->reason;
	int r;

	fiber_set_object(f, s);
	serve_begin(x, s->h->c);
	r = respond_text(f, x, status, why, status_text(status));
	access_log_write(x);
	finish(s, r);
}

static void
start(struct http2_stream *s, const struct h1_error *err)
{
	struct http2 *h = s->h;
	struct exchange *x = s->x;

	s->source = (struct source){ .read = read_body,
	    .done = x->req.framing == FRAMING_NONE, .duplex = true };
	s->owes_continue = x->req.expect_continue;
	s->sink = (struct sink){ .interim = on_interim, .head = on_head,
	    .body = on_body };
	x->body = &s->source;
	x->sink = &s->sink;
	if (err != NULL) {
		x->resp.status = err->status;
		x->reason = err->reason;
	}
	s->f = fiber_start(h->c->w->ring, err != NULL ? refuse_stream :
	    serve_stream, s, "stream");
	if (s->f != NULL)
		h->working++;
	else {
		http2_stream_reset(s, NGHTTP2_REFUSED_STREAM);
		release(s);
	}
}

static void
refuse_malformed(struct http2_stream *s)
{
	http2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR);
	release(s);
}

void
http2_stream_head_done(struct http2_stream *s, bool ended)
{
	static const struct h1_error too_large = { 431, REASON_HEAD_TOO_LARGE,
	    NULL };
	struct http2 *h = s->h;
	struct h1_error err = { .status = 0 };
	struct h1_request q;

	s->head.ended = ended;
	s->body_ended = ended;
	if (s->refusal == HTTP2_HEAD_MALFORMED) {
		refuse_malformed(s);
	} else if (s->refusal == HTTP2_HEAD_TOO_LARGE) {
		s->x->req.major = 2;
		start(s, &too_large);
	} else if (h2_parse_request(&q, &s->x->req.fields, &s->head,
	    &err) < 0) {
		s->x->req.major = 2;
		s->x->req.method = s->head.method;
		if (err.status == 0)
			refuse_malformed(s);
		else
			start(s, &err);
	} else {
		serve_take(s->x, &q);
		s->x->req.major = 2;
		if (s->head.has_protocol && http2_tunnel_ask(s->x) < 0) {
			start(s, &too_large);
			return;
		}
		if (h->working < h->slots)
			start(s, NULL);
		else if (h->queued < QUEUE_MAX) {
			s->queued = true;
			*h->queue_end = s;
			h->queue_end = &s->next_queued;
			h->queued++;
		} else {
			http2_stream_reset(s, NGHTTP2_REFUSED_STREAM);
			release(s);
		}
	}
}

static void
leave_queue(struct http2_stream *s)
{
	struct http2 *h = s->h;
	struct http2_stream **p = &h->queue;

	while (*p != s)
		p = &(*p)->next_queued;
	*p = s->next_queued;
	if (*p == NULL)
		h->queue_end = p;
	h->queued--;
	s->queued = false;
}

void
http2_stream_closed(struct http2_stream *s)
{
	s->closed = true;
	if (s->tunnel != NULL) {
		http2_tunnel_closed(s);
		return;
	}
	if (s->queued)
		leave_queue(s);
	if (s->reader != NULL)
		fiber_wake(s->reader);
	if (s->f == NULL)
		http2_stream_free(s);
	else if (s->out.last && s->out.pending.n == 0)
		fiber_wake(s->f);	/* all is said: it ends by itself */
	else
		fiber_cancel(s->f);
}
