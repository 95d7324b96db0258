/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams over plain TCP, and what plain and TLS share; see stream.h. Where
 * bytes go when they arrive:
 *
 *   nothing unread, small flow    a buffer that the ring picks becomes st->in
 *   nothing unread, large flow    received into a large buffer, or, when a
 *                                 small one was armed already and came full,
 *                                 moved to a large one that is filled up
 *   something unread, room left   received behind it
 *   something unread, no room     st->in moves to a larger buffer first
 *
 * A flow is large while receives fill whole small buffers.
 */
#include "stream_impl.h"

#include "ring_impl.h"

#include "tls.h"

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

void
stream_drop(struct stream *st, struct iobuf **b)
{
	iobuf_put(st->s->ring, *b);
	*b = NULL;
}

static void
stream_free(struct stream *st)
{
	stream_drop(st, &st->in);
	stream_drop(st, &st->raw);
	stream_drop(st, &st->out);
	stream_drop(st, &st->sealed);
	tls_free(st->tls);
	st->tls = NULL;
}

void
stream_close(struct stream *st)
{
	stream_free(st);
	sock_close(st->s);
	st->s = NULL;
}

void
stream_abort(struct stream *st)
{
	stream_free(st);
	sock_abort(st->s);
	st->s = NULL;
}

/* ---- Receiving ---------------------------------------------------------- */

int
stream_reserve(struct stream *st, size_t need)
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
	/* What is large already doubles, or it would be copied too often. */
	if (len >= IOBUF_LARGE && need < len)
		need = len;
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

int
stream_rx_over(struct stream *st, int res)
{
	if (res == 0) {
		st->eof = true;
		return 0;
	}
	/* These come from the fiber or from us, not from the peer. */
	if (res != -ETIMEDOUT && res != -ECANCELED && res != -ENOMEM)
		st->truncated = true;
	return res;
}

int
stream_top_up(struct stream *st, struct iobuf **at)
{
	struct ring *r = st->s->ring;
	struct iobuf *b = *at, *big;
	size_t len = iobuf_len(b);
	int n;

	if (len < IOBUF_SMALL || len >= IOBUF_LARGE ||
	    (big = iobuf_get(r, IOBUF_LARGE)) == NULL)
		return 0;
	n = sock_recv_now(st->s, big->data + len, IOBUF_LARGE - len);
	if (n <= 0) {
		iobuf_put(r, big);
		return 0;
	}
	memcpy(big->data, b->data + b->head, len);
	big->tail = (uint32_t)len + (uint32_t)n;
	iobuf_put(r, b);
	*at = big;
	return n;
}

/* Takes a buffer of the ring's choice; it becomes st->in or is appended. */
static int
fill_picked(struct fiber *f, struct stream *st, size_t max)
{
	struct ring *r = st->s->ring;
	struct iobuf *b;
	int n = sock_recv(f, st->s, &b), err;

	if (n <= 0)
		return stream_rx_over(st, n);
	st->flow = (size_t)n == b->cap;
	if (iobuf_len(st->in) == 0) {
		stream_drop(st, &st->in);
		st->in = b;
		return st->flow && max >= IOBUF_LARGE ?
		    n + stream_top_up(st, &st->in) : n;
	}
	if ((err = stream_reserve(st, (size_t)n)) == 0) {
		memcpy(st->in->data + st->in->tail, b->data, (size_t)n);
		st->in->tail += (uint32_t)n;
	}
	iobuf_put(r, b);
	return err < 0 ? err : n;
}

int
stream_receive_behind(struct fiber *f, struct stream *st, struct iobuf **at)
{
	struct iobuf *b = *at;
	size_t room = iobuf_room(b);
	int n;

	if (b->tail < IOBUF_LARGE && room > IOBUF_LARGE - b->tail)
		room = IOBUF_LARGE - b->tail;
	n = sock_recv_into(f, st->s, b->data + b->tail, room);
	if (n <= 0) {
		if (iobuf_len(b) == 0)
			stream_drop(st, at);
		return stream_rx_over(st, n);
	}
	b->tail += (uint32_t)n;
	st->flow = n >= IOBUF_SMALL;
	return n;
}

static int
fill_plain(struct fiber *f, struct stream *st, size_t max)
{
	struct ring *r = st->s->ring;

	/* A receive is under way (stream_watch, an ended wait): take that. */
	if (st->s->rx != SOCK_RX_IDLE)
		return fill_picked(f, st, max);
	if (iobuf_len(st->in) > 0) {
		if (iobuf_room(st->in) < ROOM_MIN &&
		    stream_reserve(st, IOBUF_SMALL) < 0)
			return -ENOMEM;
		return stream_receive_behind(f, st, &st->in);
	}
	if (st->flow && max >= IOBUF_LARGE) {
		stream_drop(st, &st->in);
		st->in = iobuf_get(r, IOBUF_LARGE);
		if (st->in != NULL)
			return stream_receive_behind(f, st, &st->in);
	}
	return fill_picked(f, st, max);
}

int
stream_fill(struct fiber *f, struct stream *st, size_t max)
{
	int n;

	if (st->peeked > 0) {
		n = (int)st->peeked;
		st->peeked = 0;
		return n;
	}
	if (iobuf_len(st->in) >= max)
		return -EMSGSIZE;
	if (st->eof)
		return 0;
	n = st->tls != NULL ? stream_tls_fill(f, st, max) :
	    fill_plain(f, st, max);
	if (n > 0)
		st->bytes_in += (unsigned)n;
	return n;
}

void
stream_consume(struct stream *st, size_t n)
{
	if (st->in == NULL && n == 0)
		return;
	assert(n <= iobuf_len(st->in));
	st->in->head += (uint32_t)n;
	if (st->peeked > iobuf_len(st->in))
		st->peeked = (uint32_t)iobuf_len(st->in);
	if (iobuf_len(st->in) == 0)
		stream_drop(st, &st->in);
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
	if (st->peeked > left)
		st->peeked = (uint32_t)left;
	return b;
}

/* ---- Sending --------------------------------------------------------------- */

int
stream_send_raw(struct fiber *f, struct stream *st, struct iovec *iov,
    unsigned n)
{
	if (st->send_gap != 0)
		return sock_send_gap(f, st->s, iov, n, st->send_gap);
	return sock_send(f, st->s, iov, n);
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
	err = st->tls != NULL ? stream_tls_send(f, st, iov, n, total) :
	    stream_send_raw(f, st, iov, n);
	if (err == 0)
		st->bytes_out += total;
	return err;
}

int
stream_send_start(struct stream *st, const void *p, size_t n)
{
	int err;

	assert(st->s->tx == SOCK_TX_IDLE && n <= IOBUF_LARGE);
	st->sending = (struct iovec){ (void *)(size_t)p, n };
	if (st->tls != NULL && (err = stream_tls_seal(st, &st->sending)) < 0)
		return err;
	st->bytes_out += n;
	sock_send_start(st->s, &st->sending, 1);
	return 0;
}

int
stream_send_poll(struct stream *st)
{
	if (st->s->tx == SOCK_TX_BUSY)
		return -EAGAIN;
	stream_drop(st, &st->sealed);
	return sock_send_take(st->s);
}

ssize_t
stream_splice(struct fiber *f, struct stream *from, struct stream *to,
    size_t n, struct iobuf **ret_rest)
{
	ssize_t got;

	*ret_rest = NULL;
	if (from->tls != NULL || to->tls != NULL || from->eof ||
	    iobuf_len(from->in) > 0)
		return 0;
	if ((got = fiber_step(f)) < 0)
		return got;
	got = sock_splice(from->s, to->s, n, ret_rest);
	if (got > 0) {
		from->bytes_in += (size_t)got;
		to->bytes_out += (size_t)got - iobuf_len(*ret_rest);
		/* To wait for the next ones a small receive does. */
		from->flow = false;
	}
	return got;
}

int
stream_shutdown(struct fiber *f, struct stream *st)
{
	int err = st->tls != NULL ? stream_tls_close_notify(f, st) : 0;

	sock_shutdown(st->s);
	return err;
}

int
stream_handshake(struct fiber *f, struct stream *st)
{
	return st->tls != NULL ? stream_tls_handshake(f, st) : 0;
}

/* ---- Looking without waiting ------------------------------------------------- */

void
stream_watch(struct stream *st)
{
	if (!st->eof && st->s->rx == SOCK_RX_IDLE)
		sock_recv_start(st->s, true);
}

int
stream_peek(struct stream *st)
{
	int r = 0;

	if (iobuf_len(st->in) > 0)
		return 1;
	if (st->tls != NULL)
		r = stream_tls_peek(st);
	else if (st->s->rx == SOCK_RX_READY)
		r = st->s->rx_res > 0 ? 1 : stream_rx_over(st, st->s->rx_res);
	if (r > 0)
		return 1;
	if (st->truncated)
		return -ECONNRESET;
	return st->eof ? -EPIPE : 0;
}

/* Puts the bytes of b behind those of *at; b is given back or becomes *at. */
static int
append(struct stream *st, struct iobuf **at, struct iobuf *b)
{
	struct ring *r = st->s->ring;
	struct iobuf *old = *at, *all;
	size_t n = iobuf_len(old);

	if (n == 0) {
		stream_drop(st, at);
		*at = b;
		return 0;
	}
	if ((all = iobuf_get(r, n + iobuf_len(b))) == NULL)
		return -ENOMEM;
	memcpy(all->data, old->data + old->head, n);
	memcpy(all->data + n, b->data + b->head, iobuf_len(b));
	all->tail = (uint32_t)(n + iobuf_len(b));
	iobuf_put(r, old);
	iobuf_put(r, b);
	*at = all;
	return 0;
}

int
stream_settle(struct fiber *f, struct stream *st)
{
	struct sock *s = st->s;
	struct iobuf *b;

	sock_still(f, s);
	while (s->rx == SOCK_RX_READY || sock_has_more(s)) {
		if (s->rx != SOCK_RX_READY)
			sock_recv_start(s, false);
		if (s->rx_res <= 0) {
			/* Behind close_notify nobody reads it any more. */
			if (!st->eof)
				return -EPIPE;
			(void)sock_recv_take(s, &b);
			continue;
		}
		/* Without room it stays where it is. */
		if (append(st, st->tls != NULL ? &st->raw : &st->in,
		    s->rx_buf) < 0)
			return -ENOMEM;
		if (st->tls == NULL)
			st->bytes_in += (unsigned)s->rx_res;
		(void)sock_recv_take(s, &b);
	}
	return 0;
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
	    (st->tls != NULL && tls_pending(st->tls) > 0) ||
	    (st->s->rx == SOCK_RX_READY && st->s->rx_res > 0);
}
