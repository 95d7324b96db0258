/* SPDX-License-Identifier: BSD-2-Clause */
/* The body of an HTTP/1 request; see http1_body.h. */
#include "http1_body.h"

#include "conn.h"
#include "upstream.h"

#include <errno.h>

/* Only now, after auth and with a server ready, is the body asked for (C03). */
static int
send_continue(struct fiber *f, struct exchange *x, struct http1_body *b)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec iov = { (void *)(size_t)line, sizeof(line) - 1 };

	b->owes_continue = false;
	return x->head_sent ? 0 : stream_send(f, &x->c->st, &iov, 1);
}

/*
 * Until when the next bytes must come: an explicit readTimeout is for the whole
 * request, as Traefik's; unset, the body has only to go on.
 */
static nsec_t
read_deadline(const struct exchange *x)
{
	const struct tentry_point *ep = x->ep;

	if (!ep->read_timeout_set)
		return ring_now(x->c->w->ring) + x->c->w->limits.body_gap_ns;
	return ep->read_timeout_ns > 0 ? clock_add(x->facts.start,
	    ep->read_timeout_ns) : NSEC_NEVER;
}

/*
 * A byte now and then is no progress: over the time that a gap may have,
 * BODY_RATE is the least. Only time in which we waited for the client counts.
 */
#define BODY_RATE	256	/* bytes a second */

static int
check_rate(const struct exchange *x, struct http1_body *b, nsec_t start, int got)
{
	nsec_t gap = x->c->w->limits.body_gap_ns;

	b->waited += ring_now(x->c->w->ring) - start;
	b->came += (unsigned)got;
	if (x->ep->read_timeout_set || b->waited < gap)
		return got;
	if (b->came < (uint64_t)(gap / NSEC_MSEC) * BODY_RATE / 1000)
		return -ETIMEDOUT;
	b->waited = 0;
	b->came = 0;
	return got;
}

/* Waits for bytes of the client. 1, 0 at its end, -EINTR for the watched. */
static int
wait_bytes(struct fiber *f, struct exchange *x, struct http1_body *b,
    struct upstream *watch)
{
	struct stream *st = &x->c->st;
	nsec_t start = ring_now(x->c->w->ring);
	nsec_t before = fiber_deadline(f, read_deadline(x));
	int r = 0;

	if (watch != NULL) {
		upstream_watch(watch);
		stream_watch(st);
		while (r == 0 && stream_peek(st) == 0) {
			if (upstream_answered(watch))
				r = -EINTR;
			else
				r = fiber_wait(f);
		}
	}
	if (r == 0)
		r = stream_fill(f, st, SIZE_MAX);
	fiber_deadline(f, before);
	return r > 0 ? check_rate(x, b, start, r) : r;
}

static int
take_length(struct http1_body *b, struct str in, struct str *ret)
{
	*ret = str_head(in, b->left < in.n ? (size_t)b->left : in.n);
	b->given = ret->n;
	b->left -= ret->n;
	b->s.done = b->left == 0;
	return 1;
}

/* As chunked_decode(), and notes what is used of the buffer. */
static int
take_chunked(struct http1_body *b, struct str in, struct str *ret)
{
	struct str rest = in, more;
	int r = chunked_decode(&b->chunked, &rest, ret, NULL);

	/* Behind the data the end may already stand: then it is known now. */
	if (r == 1 && b->chunked.left == 0) {
		struct chunked ahead = b->chunked;
		struct str tail = rest;

		if (chunked_decode(&ahead, &tail, &more, NULL) == 2) {
			b->chunked = ahead;
			rest = tail;
			b->s.done = true;
		}
	}
	b->given = in.n - rest.n;
	b->s.done |= r == 2;
	return r == 2 ? 0 : r;
}

static int
read_body(struct fiber *f, struct exchange *x, struct source *src,
    struct upstream *watch, struct str *ret)
{
	struct http1_body *b = (struct http1_body *)src;
	struct stream *st = &x->c->st;
	int r;

	for (;;) {
		stream_consume(st, b->given);
		b->given = 0;
		if (src->done)
			return 0;
		if (b->owes_continue && (r = send_continue(f, x, b)) < 0)
			return r;
		if (iobuf_len(st->in) > 0) {
			struct str in = { (const char *)st->in->data +
			    st->in->head, iobuf_len(st->in) };

			r = b->is_chunked ? take_chunked(b, in, ret) :
			    take_length(b, in, ret);
			if (r < 0 || (r == 0 && src->done)) {
				stream_consume(st, b->given);
				b->given = 0;
				return r;
			}
			if (r > 0) {
				x->facts.request_bytes += ret->n;
				return 1;
			}
			continue;
		}
		r = wait_bytes(f, x, b, watch);
		if (r <= 0)	/* ended in the middle of the body (F17) */
			return r == 0 ? -ECONNRESET : r;
	}
}

/* A short body that came with its head need not cost the connection. */
static void
skip_body(struct exchange *x, struct source *src)
{
	struct http1_body *b = (struct http1_body *)src;
	size_t have = iobuf_len(x->c->st.in) - b->given;

	if (b->owes_continue || b->is_chunked || b->left > have)
		return;
	b->given += (size_t)b->left;
	b->left = 0;
	src->done = true;
}

void
http1_body_fini(struct http1_body *b, struct exchange *x)
{
	stream_consume(&x->c->st, b->given);
	b->given = 0;
}

void
http1_body_init(struct http1_body *b, struct exchange *x)
{
	*b = (struct http1_body){ .s.read = read_body,
	    .s.skip = skip_body,
	    .is_chunked = x->req.framing == FRAMING_CHUNKED,
	    .left = x->req.length, .owes_continue = x->req.expect_continue };
	chunked_init(&b->chunked);
	b->s.done = x->req.framing == FRAMING_NONE;
	x->body = &b->s;
}
