/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection to a server; see upstream.h. */
#include "upstream.h"

#include "h2_call.h"
#include "pool.h"
#include "tls.h"
#include "worker.h"

#include <errno.h>

/* Shorter bodies are not worth two more system calls. */
#define SPLICE_MIN	(128 * 1024)

enum reason
upstream_reason(int err)
{
	switch (err) {
	case -ECONNREFUSED:
		return REASON_UPSTREAM_REFUSED;
	case -ETIMEDOUT:
		return REASON_UPSTREAM_TIMEOUT;
	case -EBADMSG:
		return REASON_UPSTREAM_MALFORMED;
	case -EMSGSIZE:
		return REASON_UPSTREAM_TOO_LARGE;
	case -ECONNABORTED:
	case -ECANCELED:
		return REASON_CLIENT_GONE;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EADDRNOTAVAIL:
		return REASON_UPSTREAM_UNREACHABLE;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
		return REASON_OVERLOAD;
	default:
		return REASON_UPSTREAM_CLOSED;
	}
}

enum reason
upstream_failure(const struct upstream *u, int err)
{
	/* In TLS 1.3 a refused certificate shows only when the answer is due. */
	if (u->h2 != NULL)
		return u->h2->alert ? REASON_UPSTREAM_TLS_ALERT :
		    upstream_reason(err);
	return u->st.tls != NULL && tls_failure(u->st.tls) == TLS_FAIL_ALERT ?
	    REASON_UPSTREAM_TLS_ALERT : upstream_reason(err);
}

/* ---- Sending --------------------------------------------------------------- */

int
upstream_send_head(struct fiber *f, struct upstream *u,
    const struct h1_out_request *q, struct str body)
{
	size_t n = h1_request_size(q);
	char size[20];
	struct iovec iov[4];
	unsigned k = 0;
	int r;

	if (u->h2 != NULL)
		return h2_call_send_head(u, q);
	if (n == 0)	/* it could split the head */
		return -EINVAL;
	if ((u->out = iobuf_get(u->w->ring, n)) == NULL)
		return -ENOMEM;
	h1_write_request(q, (char *)u->out->data);
	iov[k++] = (struct iovec){ u->out->data, n };
	if (body.n != 0) {
		if (q->framing == H1_CHUNKED)
			iov[k++] = (struct iovec){ size,
			    chunk_head(size, body.n) };
		iov[k++] = (struct iovec){ (void *)(size_t)body.p, body.n };
		if (q->framing == H1_CHUNKED)
			iov[k++] = (struct iovec){ (void *)(size_t)"\r\n", 2 };
	}
	r = stream_send(f, &u->st, iov, k);
	iobuf_put(u->w->ring, u->out);
	u->out = NULL;
	u->sent_all = r == 0 && q->framing == H1_NONE;
	return r;
}

/* What stream_send_start() began: 0, -EINTR when the answer came first. */
static int
wait_sent(struct fiber *f, struct upstream *u)
{
	int r;

	while ((r = stream_send_poll(&u->st)) == -EAGAIN) {
		if (stream_peek(&u->st) != 0)
			r = -EINTR;
		else if ((r = fiber_wait(f)) == 0)
			continue;
		u->broken = true;	/* see send_watching() */
		break;
	}
	return r;
}

/* Over TLS: sealed pieces have bytes of their own, and go one by one. */
static int
send_sealed(struct fiber *f, struct upstream *u, const struct iovec *iov,
    unsigned n)
{
	int r = 0;

	for (unsigned i = 0; i < n; i++) {
		const char *p = iov[i].iov_base;

		for (size_t left = iov[i].iov_len; left > 0 && r == 0;) {
			size_t len = left < IOBUF_LARGE ? left : IOBUF_LARGE;

			if ((r = stream_send_start(&u->st, p, len)) == 0)
				r = wait_sent(f, u);
			p += len;
			left -= len;
		}
	}
	return r;
}

/* A chunk with its line in one record, where there is room to put them together. */
static int
send_sealed_whole(struct fiber *f, struct upstream *u, const struct iovec *iov,
    unsigned n)
{
	struct iovec all = { NULL, 0 };
	struct iobuf *b;
	int r;

	for (unsigned i = 0; i < n; i++)
		all.iov_len += iov[i].iov_len;
	if (n == 1 || (b = iobuf_get(u->w->ring, all.iov_len)) == NULL)
		return send_sealed(f, u, iov, n);
	for (unsigned i = 0; i < n; i++) {
		memcpy(b->data + b->tail, iov[i].iov_base, iov[i].iov_len);
		b->tail += (uint32_t)iov[i].iov_len;
	}
	all.iov_base = b->data;
	r = send_sealed(f, u, &all, 1);
	iobuf_put(u->w->ring, b);
	return r;
}

/* As stream_send(), but an answer that begins meanwhile ends it. */
static int
send_watching(struct fiber *f, struct upstream *u, struct iovec *iov, unsigned n)
{
	struct sock *s = u->st.s;
	int r = 0;

	if (u->st.tls != NULL)
		return send_sealed_whole(f, u, iov, n);
	stream_watch(&u->st);
	sock_send_start(s, iov, n);
	while (s->tx != SOCK_TX_DONE) {
		if (stream_peek(&u->st) != 0 || (r = fiber_wait(f)) < 0)
			break;
	}
	if (s->tx == SOCK_TX_DONE)
		return sock_send_take(s);
	/*
	 * The answer came first. What is in flight is taken back with the
	 * connection at the end: until then nobody touches its memory, as the
	 * client's body is not read any more.
	 */
	u->broken = true;
	return stream_peek(&u->st) != 0 ? -EINTR : r;
}

int
upstream_send_body(struct fiber *f, struct upstream *u, uint8_t framing,
    struct str data, bool last)
{
	/* In flight after -EINTR: not on the stack of this call. */
	struct iovec *iov = u->iov;
	unsigned n = 0;
	int r;

	if (u->h2 != NULL)
		return h2_call_send_body(f, u, data, last);
	if (framing == H1_CHUNKED && data.n > 0)
		iov[n++] = (struct iovec){ u->size, chunk_head(u->size,
		    data.n) };
	if (data.n > 0)
		iov[n++] = (struct iovec){ (void *)(size_t)data.p, data.n };
	if (framing == H1_CHUNKED) {
		struct str end = data.n == 0 ? STR("0\r\n\r\n") :
		    last ? STR("\r\n0\r\n\r\n") : STR("\r\n");

		if (data.n > 0 || last)
			iov[n++] = (struct iovec){ (void *)(size_t)end.p,
			    end.n };
	}
	r = n != 0 ? send_watching(f, u, iov, n) : 0;
	if (r == 0 && last)
		u->sent_all = true;
	return r;
}

/* ---- Receiving ------------------------------------------------------------------ */

void
upstream_watch(struct upstream *u)
{
	if (u->h2 == NULL)	/* the session wakes us */
		stream_watch(&u->st);
}

bool
upstream_answered(struct upstream *u)
{
	return u->h2 != NULL ? h2_call_answered(u->h2) :
	    stream_peek(&u->st) != 0;
}

bool
upstream_has_more(const struct upstream *u)
{
	return u->h2 != NULL ? u->h2->in != NULL || u->h2->ended :
	    stream_has_unread(&u->st);
}

int
upstream_wait(struct fiber *f, struct upstream *u, struct stream *client,
    bool (*ready)(struct upstream *u))
{
	struct ring *ring = u->w->ring;
	bool ending = false;
	int r, peer;

	if (client != NULL)
		stream_watch(client);
	while (!ready(u)) {
		peer = client != NULL ? stream_peek(client) : 0;
		if (peer == -ECONNRESET)
			return -ECONNABORTED;
		if (peer == -EPIPE && !ending) {
			nsec_t soon = ring_now(ring) + 900 * NSEC_MSEC;

			ending = true;
			if (soon < fiber_get_deadline(f))
				fiber_deadline(f, soon);
		}
		if ((r = fiber_wait(f)) < 0)
			return ending && r == -ETIMEDOUT ? -ECONNABORTED : r;
	}
	return 0;
}

/* Until the server sends; without a client to watch, receiving does that. */
static int
wait_answer(struct fiber *f, struct upstream *u, struct stream *client)
{
	if (client == NULL)
		return 0;
	stream_watch(&u->st);
	return upstream_wait(f, u, client, upstream_answered);
}

static int
fill_head(struct fiber *f, struct upstream *u, struct stream *client,
    size_t *ret_n)
{
	struct h1_scan scan = { .response = true };
	struct h1_error err;
	int r;

	for (;;) {
		const struct iobuf *b = u->st.in;

		if (iobuf_len(b) > 0) {
			r = h1_scan(&scan, (const char *)b->data + b->head,
			    iobuf_len(b), &u->limits, &err);
			if (r < 0)
				return err.reason == REASON_UPSTREAM_TOO_LARGE ?
				    -EMSGSIZE : -EBADMSG;
			if (r > 0) {
				*ret_n = (size_t)r;
				return 0;
			}
		} else if ((r = wait_answer(f, u, client)) < 0)
			return r;
		r = stream_fill(f, &u->st, u->limits.head + 1);
		if (r == 0)	/* a cut head is no head */
			return iobuf_len(u->st.in) == 0 ? -EPIPE : -EBADMSG;
		if (r < 0)
			return r;
	}
}

int
upstream_read_head(struct fiber *f, struct upstream *u, struct str method,
    struct stream *client)
{
	size_t n;
	int r;

	if (u->h2 != NULL)
		return h2_call_read_head(f, u, client);
	if ((r = fill_head(f, u, client, &n)) < 0) {
		u->broken = true;
		return r;
	}
	iobuf_put(u->w->ring, u->head);
	if ((u->head = stream_detach(&u->st, n, &r)) == NULL)
		return -ENOMEM;
	r = h1_parse_response(&u->resp, &u->fields, (const char *)
	    u->head->data + u->head->head - n, n, &u->limits, method);
	if (r < 0) {
		u->broken = true;
		return r;
	}
	u->left = u->resp.length;
	chunked_init(&u->chunked);
	buf_reset(&u->trailers);
	u->body_done = u->resp.framing == H1_NONE;
	u->broken |= !u->resp.keep_alive;
	return 0;
}

/* Data up to a known end. */
static int
take_length(struct upstream *u, struct str in, struct str *ret, bool *ret_last)
{
	*ret = str_head(in, u->left < in.n ? (size_t)u->left : in.n);
	u->given = ret->n;
	u->left -= ret->n;
	*ret_last = u->left == 0;
	return 1;
}

static int
take_chunked(struct upstream *u, struct str in, struct str *ret, bool *ret_last)
{
	struct str rest = in, more;
	struct chunked ahead;
	int r = chunked_decode(&u->chunked, &rest, ret, &u->trailers);

	if (r < 0)
		return -EPROTO;
	*ret_last = r == 2;
	if (r != 1)
		*ret = STR_NONE;
	else if (u->chunked.left == 0) {
		/* Is the end behind it already? Then one send carries both. */
		size_t before = u->trailers.n;
		struct str tail = rest;

		ahead = u->chunked;
		if (chunked_decode(&ahead, &tail, &more, &u->trailers) == 2) {
			u->chunked = ahead;
			rest = tail;
			*ret_last = true;
		} else
			u->trailers.n = before;
	}
	u->given = in.n - rest.n;
	return r == 0 ? 0 : 1;
}

static int
body_end(struct upstream *u, struct str *ret, bool *ret_last)
{
	/* Only a clean end is one; a reset or cut TLS is a truncation (R04). */
	if (u->resp.framing != H1_UNTIL_CLOSE || u->st.truncated)
		return -EPROTO;
	*ret = STR_NONE;
	*ret_last = true;
	u->body_done = true;
	return 1;
}

/*
 * As stream_fill(); once the server has been quiet for a moment, -EAGAIN says so
 * and from then on the client is watched, so that one who left does not hold
 * the server (H1-C15).
 */
static int
fill_body(struct fiber *f, struct upstream *u)
{
	nsec_t soon = ring_now(u->w->ring) + 100 * NSEC_MSEC, before;
	int r;

	if (!u->relayed || soon >= fiber_get_deadline(f))
		return stream_fill(f, &u->st, SIZE_MAX);
	before = fiber_deadline(f, u->quiet ? fiber_get_deadline(f) : soon);
	r = u->quiet ? wait_answer(f, u, u->client) : 0;
	if (r == 0)
		r = stream_fill(f, &u->st, SIZE_MAX);
	fiber_deadline(f, before);
	u->quiet = !u->quiet && r == -ETIMEDOUT;
	return u->quiet ? -EAGAIN : r;
}

int
upstream_read_body(struct fiber *f, struct upstream *u, struct str *ret,
    bool *ret_last)
{
	struct stream *st = &u->st;
	int r;

	if (u->h2 != NULL)
		return h2_call_read_body(f, u, ret, ret_last);
	for (;;) {
		stream_consume(st, u->given);
		u->given = 0;
		if (iobuf_len(st->in) > 0) {
			struct str in = { (const char *)st->in->data +
			    st->in->head, iobuf_len(st->in) };

			*ret_last = false;
			if (u->resp.framing == H1_LENGTH)
				r = take_length(u, in, ret, ret_last);
			else if (u->resp.framing == H1_CHUNKED)
				r = take_chunked(u, in, ret, ret_last);
			else {
				*ret = in;
				u->given = in.n;
				r = 1;
			}
			u->broken |= r < 0;
			u->body_done |= r > 0 && *ret_last;
			if (r != 0)
				return r;
			continue;
		}
		r = fill_body(f, u);
		if (r == -EAGAIN) {
			*ret = STR_NONE;
			*ret_last = false;
			return 1;
		}
		if (r == 0)
			return body_end(u, ret, ret_last);
		if (r < 0) {
			u->broken = true;
			return r == -ETIMEDOUT || r == -ECANCELED ||
			    r == -ECONNABORTED ? r : -EPROTO;
		}
	}
}

ssize_t
upstream_splice(struct fiber *f, struct exchange *x, struct upstream *u)
{
	ssize_t n;

	if (u->h2 != NULL || u->resp.framing != H1_LENGTH ||
	    u->resp.length < SPLICE_MIN || u->left == 0)
		return 0;
	stream_consume(&u->st, u->given);
	u->given = 0;
	n = sink_splice(f, x, x->sink, &u->st, u->left < SIZE_MAX ?
	    (size_t)u->left : SIZE_MAX);
	if (n > 0) {
		u->left -= (uint64_t)n;
		u->body_done = u->left == 0;
	}
	u->broken |= n < 0;
	return n;
}

/* ---- The end ------------------------------------------------------------------------- */

void
upstream_done(struct fiber *f, struct upstream *u)
{
	struct ring *r;

	if (u == NULL)
		return;
	r = u->w->ring;
	pool_leave(u->list);
	if (u->h2 == NULL)
		stream_consume(&u->st, u->given);
	u->given = 0;
	iobuf_put(r, u->head);
	u->head = NULL;
	if (u->st.s == NULL) {		/* a call, or a tunnel took it */
		upstream_free(u);
		return;
	}
	if (u->st.s->tx == SOCK_TX_BUSY)
		sock_quiesce(f, u->st.s);
	if (u->sent_all && u->body_done && !u->broken && u->list != NULL &&
	    u->max_idle != 0 && !stream_has_unread(&u->st) && !u->st.eof &&
	    pool_park(u->list, u, u->max_idle, u->idle_timeout))
		return;
	upstream_free(u);
}
