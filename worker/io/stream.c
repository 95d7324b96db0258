/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams over plain TCP, and what plain and TLS share; see stream.h. Where
 * bytes go when they arrive:
 *
 *   nothing unread, small flow    a buffer that the ring picks becomes st->in
 *   nothing unread, large flow    received into a large buffer
 *   something unread, room left   received behind it
 *   something unread, no room     st->in moves to a larger buffer first
 *
 * A flow is large while receives fill whole small buffers.
 */
#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Less room than this is not worth a receive of its own. */
#define ROOM_MIN	1024

void
stream_init(struct stream *st, struct sock *s, struct tls_conn *tls)
{
	*st = (struct stream){ .s = s, .tls = tls };
}

static void
in_put(struct stream *st)
{
	iobuf_put(st->s->ring, st->in);
	st->in = NULL;
}

void
stream_close(struct stream *st)
{
	in_put(st);
	iobuf_put(st->s->ring, st->raw);
	st->raw = NULL;
	sock_close(st->s);
	st->s = NULL;
}

/* Makes room for at least `need` bytes behind those unread. 0 or -ENOMEM. */
static int
in_reserve(struct stream *st, size_t need)
{
	struct ring *r = st->s->ring;
	struct iobuf *old = st->in, *b;
	size_t len = iobuf_len(old);

	if (old != NULL && iobuf_room(old) >= need)
		return 0;
	if (old != NULL && old->cap - len >= need) {
		memmove(old->data, old->data + old->head, len);
		old->head = 0;
		old->tail = (uint32_t)len;
		return 0;
	}
	if ((b = iobuf_get(r, len + need)) == NULL)
		return -ENOMEM;
	if (old != NULL) {
		memcpy(b->data, old->data + old->head, len);
		b->tail = (uint32_t)len;
		iobuf_put(r, old);
	}
	st->in = b;
	return 0;
}

/* The peer's side is over: 0 at its end, else the error. */
static int
rx_over(struct stream *st, int res)
{
	if (res == 0) {
		st->eof = true;
		return 0;
	}
	/* -ETIMEDOUT and -ECANCELED come from the fiber, not from the peer. */
	if (res != -ETIMEDOUT && res != -ECANCELED && res != -ENOMEM)
		st->truncated = true;
	return res;
}

/* Takes a buffer of the ring's choice; it becomes st->in or is appended. */
static int
fill_picked(struct fiber *f, struct stream *st)
{
	struct ring *r = st->s->ring;
	struct iobuf *b;
	int n = sock_recv(f, st->s, &b), err;

	if (n <= 0)
		return rx_over(st, n);
	st->flow = (size_t)n == b->cap;
	if (iobuf_len(st->in) == 0) {
		in_put(st);
		st->in = b;
		return n;
	}
	if ((err = in_reserve(st, (size_t)n)) == 0) {
		memcpy(st->in->data + st->in->tail, b->data, (size_t)n);
		st->in->tail += (uint32_t)n;
	}
	iobuf_put(r, b);
	return err < 0 ? err : n;
}

/* Receives behind what is unread. */
static int
fill_behind(struct fiber *f, struct stream *st)
{
	struct iobuf *b = st->in;
	int n = sock_recv_into(f, st->s, b->data + b->tail, iobuf_room(b));

	if (n <= 0) {
		if (iobuf_len(b) == 0)
			in_put(st);
		return rx_over(st, n);
	}
	b->tail += (uint32_t)n;
	st->flow = n >= IOBUF_SMALL;
	return n;
}

static int
fill_plain(struct fiber *f, struct stream *st)
{
	struct ring *r = st->s->ring;

	/* A receive is under way (stream_watch, an ended wait): take that. */
	if (st->s->rx != SOCK_RX_IDLE)
		return fill_picked(f, st);
	if (iobuf_len(st->in) > 0) {
		if (iobuf_room(st->in) < ROOM_MIN &&
		    in_reserve(st, IOBUF_SMALL) < 0)
			return -ENOMEM;
		return fill_behind(f, st);
	}
	if (st->flow) {
		in_put(st);
		st->in = iobuf_get(r, IOBUF_LARGE);
		if (st->in != NULL)
			return fill_behind(f, st);
	}
	return fill_picked(f, st);
}

int
stream_fill(struct fiber *f, struct stream *st, size_t max)
{
	int n;

	if (iobuf_len(st->in) >= max)
		return -EMSGSIZE;
	if (st->eof)
		return 0;
	assert(st->tls == NULL);
	if ((n = fill_plain(f, st)) > 0)
		st->bytes_in += (unsigned)n;
	return n;
}

void
stream_consume(struct stream *st, size_t n)
{
	if (n == 0 && st->in == NULL)
		return;
	assert(n <= iobuf_len(st->in));
	st->in->head += (uint32_t)n;
	if (iobuf_len(st->in) == 0)
		in_put(st);
}

struct iobuf *
stream_detach(struct stream *st, size_t consumed, int *ret_err)
{
	struct iobuf *b = st->in, *rest = NULL;
	size_t left = iobuf_len(b);

	*ret_err = 0;
	if (b == NULL)
		return NULL;
	assert(consumed <= left);
	left -= consumed;
	if (left > 0) {
		if ((rest = iobuf_get(st->s->ring, left)) == NULL) {
			*ret_err = -ENOMEM;
			return NULL;
		}
		memcpy(rest->data, b->data + b->head + consumed, left);
		rest->tail = (uint32_t)left;
	}
	b->head += (uint32_t)consumed;
	b->tail = b->head;
	st->in = rest;
	return b;
}

int
stream_send(struct fiber *f, struct stream *st, struct iovec *iov, unsigned n)
{
	size_t total = 0;
	int err;

	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (total == 0)
		return 0;
	assert(st->tls == NULL);
	if ((err = sock_send(f, st->s, iov, n)) == 0)
		st->bytes_out += total;
	return err;
}

void
stream_watch(struct stream *st)
{
	if (!st->eof && st->s->rx == SOCK_RX_IDLE)
		sock_recv_start(st->s, true);
}

int
stream_peek(struct stream *st)
{
	if (iobuf_len(st->in) > 0)
		return 1;
	if (st->truncated)
		return -ECONNRESET;
	if (st->eof)
		return -EPIPE;
	if (st->s->rx != SOCK_RX_READY)
		return 0;
	if (st->s->rx_res > 0)
		return 1;
	return st->s->rx_res == 0 ? -EPIPE : -ECONNRESET;
}

void
stream_park(struct stream *st)
{
	assert(st->s->notify != NULL);
	sock_hold(st->s, NULL);
	stream_watch(st);
}

bool
stream_has_unread(const struct stream *st)
{
	return iobuf_len(st->in) > 0 || iobuf_len(st->raw) > 0 ||
	    (st->s->rx == SOCK_RX_READY && st->s->rx_res > 0);
}

int
stream_shutdown(struct fiber *f, struct stream *st)
{
	(void)f;	/* TLS waits for its last record */
	sock_shutdown(st->s);
	return 0;
}

int
stream_handshake(struct fiber *f, struct stream *st)
{
	(void)f;
	assert(st->tls == NULL);
	return 0;
}
