/* SPDX-License-Identifier: BSD-2-Clause */
/* The last sink of a response; see http1_sink.h. */
#include "http1_sink.h"

#include "buf.h"
#include "chunked.h"
#include "conn.h"
#include "h1_write.h"
#include "live.h"

#include <assert.h>
#include <errno.h>

/* The client must take bytes now and then, and all before writeTimeout. */
static nsec_t
write_deadline(const struct exchange *x)
{
	nsec_t gap = ring_now(x->c->w->ring) + x->c->w->limits.write_gap_ns;
	nsec_t all;

	if (x->ep == NULL || x->ep->write_timeout_ns <= 0)
		return gap;
	all = clock_add(x->facts.start, x->ep->write_timeout_ns);
	return all < gap ? all : gap;
}

static int
send_iov(struct fiber *f, struct exchange *x, struct iovec *iov, unsigned n)
{
	nsec_t before = fiber_deadline(f, write_deadline(x));
	int r = stream_send(f, &x->c->st, iov, n);

	fiber_deadline(f, before);
	if (r == -ETIMEDOUT)
		x->reason = REASON_CLIENT_STALLED;
	else if (r < 0) {
		x->client_gone = true;
		if (x->reason == REASON_NONE)
			x->reason = REASON_CLIENT_GONE;
	}
	return r;
}

/* Room for a head of n bytes; kept until it is sent. */
static char *
head_space(struct exchange *x, struct http1_sink *k, size_t n)
{
	k->head = iobuf_get(x->c->w->ring, n);
	if (k->head == NULL)
		return NULL;
	k->head->tail = (uint32_t)n;
	return (char *)k->head->data;
}

/* 1xx go out at once; HTTP/1.0 does not know them (H1-R12). */
static int
on_interim(struct fiber *f, struct exchange *x, struct sink *s)
{
	struct http1_sink *k = (struct http1_sink *)s;
	struct h1_out_response a = { .status = x->resp.status,
	    .fields = &x->resp.fields, .minor = 1 };
	struct iovec iov;
	char *p;
	int r;

	if (x->req.minor == 0)
		return 0;
	if ((p = head_space(x, k, h1_response_size(&a))) == NULL)
		return -ENOMEM;
	iov = (struct iovec){ p, h1_write_response(&a, p) };
	r = send_iov(f, x, &iov, 1);
	iobuf_put(x->c->w->ring, k->head);
	k->head = NULL;
	return r;
}

static void
choose_framing(struct exchange *x, struct http1_sink *k)
{
	struct response *a = &x->resp;

	k->known = respond_settle(x);
	k->left = a->no_body || !k->known ? 0 : (uint64_t)a->length;
	if (a->no_body || k->known)
		return;
	k->chunked = x->req.minor >= 1;
	k->until_close = !k->chunked;
	x->close |= k->until_close;
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *s)
{
	struct http1_sink *k = (struct http1_sink *)s;
	struct worker *w = x->c->w;
	struct h1_out_response a = { .status = x->resp.status,
	    .fields = &x->resp.fields, .minor = x->req.minor == 0 ? 0 : 1 };
	char *p;

	(void)f;
	assert(!x->head_sent);
	x->head_sent = true;
	/* What is left of the body could read as a request (H1-C06). */
	if (!x->body->done && x->body->skip != NULL)
		x->body->skip(x, x->body);
	x->close |= !x->body->done || conn_ends(x->c);
	x->close |= x->ep != NULL && conn_worn(x->c, x->ep);
	choose_framing(x, k);
	a.framing = k->chunked ? H1_CHUNKED : H1_NONE;
	a.has_length = k->known;
	a.length = k->known ? (uint64_t)x->resp.length : 0;
	a.close = x->close && x->req.minor >= 1;
	a.keep_alive = !x->close && x->req.minor == 0;
	a.websocket = x->resp.status == 101;
	if (fields_find(&x->resp.fields, FIELD_DATE) == NULL)
		a.date = worker_date(w);
	if ((p = head_space(x, k, h1_response_size(&a))) == NULL)
		return -ENOMEM;
	h1_write_response(&a, p);
	return 0;
}

/* The trailer section behind the last chunk, in the arena. */
static struct str
write_trailers(struct exchange *x)
{
	struct buf b = { .max = 16384 };
	struct str out;

	FIELDS_EACH(&x->resp.trailers, t) {
		buf_puts(&b, field_name(t));
		buf_puts(&b, STR(": "));
		buf_puts(&b, field_value(t));
		buf_puts(&b, STR("\r\n"));
	}
	buf_puts(&b, STR("\r\n"));
	out = arena_dup(&x->arena, buf_str(&b));
	if (buf_failed(&b) || out.p == NULL)	/* the message must end */
		out = STR("\r\n");
	buf_fini(&b);
	return out;
}

static void
add(struct iovec *iov, unsigned *n, const void *p, size_t len)
{
	if (len != 0)
		iov[(*n)++] = (struct iovec){ (void *)(size_t)p, len };
}

static int
on_body(struct fiber *f, struct exchange *x, struct sink *s, struct str data,
    bool last)
{
	struct http1_sink *k = (struct http1_sink *)s;
	struct iovec iov[5];
	struct str trailers;
	char size[20];
	unsigned n = 0;
	int r;

	if (x->resp.no_body)
		data = STR_NONE;
	/* A message is never made to look complete, nor longer (N-09). */
	if (k->known && !x->resp.no_body &&
	    (data.n > k->left || (last && data.n < k->left)))
		return -EPROTO;
	k->left -= k->known && !x->resp.no_body ? data.n : 0;
	if (k->head != NULL)
		add(iov, &n, k->head->data, k->head->tail);
	if (k->chunked && data.n > 0)
		add(iov, &n, size, chunk_head(size, data.n));
	add(iov, &n, data.p, data.n);
	if (k->chunked && last) {
		trailers = x->resp.trailers.n != 0 ? write_trailers(x) :
		    STR("\r\n");
		if (data.n > 0)
			add(iov, &n, "\r\n0\r\n", 5);
		else
			add(iov, &n, "0\r\n", 3);
		add(iov, &n, trailers.p, trailers.n);
	} else if (k->chunked && data.n > 0)
		add(iov, &n, "\r\n", 2);
	x->complete |= last;
	r = n != 0 ? send_iov(f, x, iov, n) : 0;
	iobuf_put(x->c->w->ring, k->head);
	k->head = NULL;
	x->facts.response_bytes += data.n;
	return r;
}

static ssize_t
on_splice(struct fiber *f, struct exchange *x, struct sink *s,
    struct stream *from, size_t n)
{
	struct http1_sink *k = (struct http1_sink *)s;
	struct iobuf *rest;
	ssize_t got;
	int r = 0;

	if (k->head != NULL || !k->known || x->resp.no_body || n > k->left)
		return 0;
	got = stream_splice(f, from, &x->c->st, n, &rest);
	if (got <= 0)
		return got;
	k->left -= (size_t)got;
	x->facts.response_bytes += (size_t)got;
	if (rest != NULL) {
		struct iovec iov = { rest->data, rest->tail };

		r = send_iov(f, x, &iov, 1);
		iobuf_put(x->c->w->ring, rest);
	}
	return r < 0 ? r : got;
}

void
http1_sink_init(struct http1_sink *k, struct exchange *x)
{
	*k = (struct http1_sink){ .s = { .interim = on_interim,
	    .head = on_head, .body = on_body, .splice = on_splice } };
	x->sink = &k->s;
}

int
http1_sink_finish(struct fiber *f, struct exchange *x, struct http1_sink *k)
{
	if (!x->head_sent)	/* a handler forgot to answer: a bug of ours */
		return -EPROTO;
	if (!x->complete)
		return on_body(f, x, &k->s, STR_NONE, true);
	return 0;
}

void
http1_sink_fini(struct http1_sink *k, struct exchange *x)
{
	iobuf_put(x->c->w->ring, k->head);
	k->head = NULL;
}
