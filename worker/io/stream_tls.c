/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams over TLS: moves bytes between the socket and the engine of tls.h.
 *
 *   socket --> st->raw --engine--> st->in      records are opened in place of
 *   iovec --engine--> st->out --> socket       arrival, sealed where they leave
 *
 * The engine takes all input before it asks for more, so st->raw is empty
 * whenever something is received. What the engine wants to say by itself (a
 * ticket, an answer to a key update, an alert) waits in st->out for the next
 * send when one is likely, when there is no fiber to send it, or when the socket
 * is busy.
 */
#include "stream_impl.h"

#include "tls.h"

#include <errno.h>
#include <string.h>

/* Clear bytes sealed into one send: what a large buffer holds when sealed. */
#define SEAL_MAX	((size_t)IOBUF_LARGE)
_Static_assert(TLS_SEALED_MAX(SEAL_MAX) <= IOBUF_LARGE + IOBUF_EXTRA,
    "a sealed large buffer fits a large buffer");

/* ---- Buffers of the engine ---------------------------------------------- */

static int
out_grow(struct tls_io *io, size_t more)
{
	struct stream *st = io->arg;
	struct ring *r = st->s->ring;
	struct iobuf *b = iobuf_get(r, io->out_n + more);

	if (b == NULL)
		return -ENOMEM;
	if (io->out_n > 0)
		memcpy(b->data, io->out, io->out_n);
	iobuf_put(r, st->out);
	st->out = b;
	io->out = b->data;
	io->out_cap = b->cap;
	return 0;
}

/* The engine appends to st->out, which it gets by itself. */
static struct tls_io
io_begin(struct stream *st)
{
	struct tls_io io = { .grow = out_grow, .arg = st };

	if (st->raw != NULL) {
		io.in = st->raw->data + st->raw->head;
		io.in_n = iobuf_len(st->raw);
	}
	if (st->out != NULL) {
		io.out = st->out->data;
		io.out_n = st->out->tail;
		io.out_cap = st->out->cap;
	}
	return io;
}

static void
io_end(struct stream *st, const struct tls_io *io)
{
	if (st->raw != NULL) {
		st->raw->head = st->raw->tail - (uint32_t)io->in_n;
		if (io->in_n == 0)
			stream_drop(st, &st->raw);
	}
	if (st->out != NULL) {
		st->out->tail = (uint32_t)io->out_n;
		if (io->out_n == 0)
			stream_drop(st, &st->out);
	}
}

/* Sends st->out. It is given back in any case. */
static int
out_flush(struct fiber *f, struct stream *st)
{
	struct iovec iov;
	struct iobuf *b = st->out;
	int err;

	if (b == NULL)
		return 0;
	st->out = NULL;
	iov = (struct iovec){ b->data + b->head, iobuf_len(b) };
	err = stream_send_raw(f, st, &iov, 1);
	iobuf_put(st->s->ring, b);
	return err;
}

/* Sends what the engine said by itself, if nobody else is sending. */
static int
out_offer(struct fiber *f, struct stream *st)
{
	return st->s->tx == SOCK_TX_IDLE ? out_flush(f, st) : 0;
}

/* ---- Receiving ------------------------------------------------------------- */

/* More records into st->raw, which is empty. As sock_recv(). */
static int
raw_receive(struct fiber *f, struct stream *st)
{
	int n;

	if (st->flow && st->s->rx == SOCK_RX_IDLE &&
	    (st->raw = iobuf_get(st->s->ring, IOBUF_LARGE)) != NULL)
		return stream_receive_behind(f, st, &st->raw);
	n = sock_recv(f, st->s, &st->raw);
	if (n <= 0)
		return stream_rx_over(st, n);
	st->flow = (size_t)n == st->raw->cap;
	return n + (st->flow ? stream_top_up(st, &st->raw) : 0);
}

/* Whether the engine has anything to tell without more records. */
static bool
has_more(const struct stream *st)
{
	/* The end and a failure may stand behind the last bytes. */
	return iobuf_len(st->raw) > 0 || tls_pending(st->tls) > 0 ||
	    tls_peer_closed(st->tls) || tls_failure(st->tls) != TLS_FAIL_NONE;
}

/*
 * Opens what is there into st->in. Returns the bytes added; 0 when the peer
 * said close_notify (st->eof); -EAGAIN when records are missing.
 */
static int
open_some(struct stream *st, size_t max)
{
	size_t got = 0, want = st->flow && max >= IOBUF_LARGE &&
	    st->in == NULL ? IOBUF_LARGE : 1;
	int n, err;

	for (;;) {
		struct tls_io io;

		if (!has_more(st))
			break;
		if (got == 0 && stream_reserve(st, want) < 0 &&
		    (err = stream_reserve(st, 1)) < 0)
			return err;
		if (iobuf_room(st->in) == 0)
			break;
		io = io_begin(st);
		n = tls_read(st->tls, &io, st->in->data + st->in->tail,
		    iobuf_room(st->in));
		io_end(st, &io);
		if (n <= 0) {
			if (iobuf_len(st->in) == 0)
				stream_drop(st, &st->in);
			if (n == -EAGAIN)
				break;
			/* Clear bytes that came before count first. */
			if (n == 0)
				st->eof = true;
			else if (got == 0)
				return stream_rx_over(st, n);
			else
				st->eof = st->truncated = true;
			return (int)got;
		}
		st->in->tail += (uint32_t)n;
		got += (size_t)n;
	}
	return got > 0 ? (int)got : -EAGAIN;
}

int
stream_tls_fill(struct fiber *f, struct stream *st, size_t max)
{
	int n, err;

	for (;;) {
		/* Bytes are likely to be answered. */
		if ((n = open_some(st, max)) > 0)
			return n;
		if ((err = out_offer(f, st)) < 0 && n == -EAGAIN)
			return err;
		if (n != -EAGAIN)
			return n;
		if ((n = raw_receive(f, st)) < 0)
			return n;
		if (n == 0) {
			/* TCP ended, TLS did not. */
			if (!tls_peer_closed(st->tls))
				st->truncated = true;
			return 0;
		}
	}
}

int
stream_tls_peek(struct stream *st)
{
	int n;

	if (st->eof || st->truncated)
		return 0;
	if (iobuf_len(st->raw) == 0 && st->s->rx == SOCK_RX_READY) {
		n = sock_recv_take(st->s, &st->raw);
		if (n <= 0) {
			(void)stream_rx_over(st, n);
			if (n == 0 && !tls_peer_closed(st->tls))
				st->truncated = true;
			return 0;
		}
	}
	n = open_some(st, 1);
	if (n == -EAGAIN)
		stream_watch(st);	/* nothing for us in it */
	if (n > 0) {
		st->bytes_in += (unsigned)n;
		st->peeked = (uint32_t)n;
	}
	return n > 0 || n == -ENOMEM;
}

/* ---- Sending ------------------------------------------------------------------- */

/* The rest of a vector after `skip` bytes, at most `max` bytes and `m` parts. */
static unsigned
iov_rest(const struct iovec *iov, unsigned n, size_t skip, size_t max,
    struct iovec *ret, unsigned m)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n && k < m && max > 0; i++) {
		size_t len = iov[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len -= skip;
		if (len > max)
			len = max;
		ret[k++] = (struct iovec){ (char *)iov[i].iov_base + skip,
		    len };
		skip = 0;
		max -= len;
	}
	return k;
}

/* Room for the sealed form of n bytes at once, so that nothing is moved. */
static void
out_prepare(struct stream *st, size_t n)
{
	struct ring *r = st->s->ring;

	if (st->out != NULL)
		return;
	if ((st->out = iobuf_get(r, TLS_SEALED_MAX(n))) == NULL)
		st->out = iobuf_get(r, IOBUF_SMALL);
}

void
stream_far(struct stream *st)
{
	st->far = true;
}

/* After a pause TCP begins with few packets again, so small records do, too. */
static void
small_first(struct stream *st)
{
	nsec_t now = ring_now(st->s->ring);

	if (st->sealed_at == 0 || now - st->sealed_at > NSEC_SEC)
		tls_small_first(st->tls, TLS_SMALL_MAX);
	st->sealed_at = now;
}

int
stream_tls_send(struct fiber *f, struct stream *st, const struct iovec *iov,
    unsigned n, size_t total)
{
	size_t done = 0;
	int err;

	if (st->far)
		small_first(st);
	while (done < total) {
		struct iovec part[64];
		size_t left = total - done < SEAL_MAX ? total - done :
		    SEAL_MAX;
		unsigned k = iov_rest(iov, n, done, left, part, 64);
		struct tls_io io;
		ssize_t sealed;

		out_prepare(st, left);
		io = io_begin(st);
		sealed = tls_write(st->tls, &io, part, k);
		io_end(st, &io);
		if (sealed == -ENOBUFS)
			sealed = -ENOMEM;
		if (sealed < 0) {
			(void)out_flush(f, st);	/* an alert, if anything */
			return (int)sealed;
		}
		done += (size_t)sealed;
		if ((err = out_flush(f, st)) < 0)
			return err;
	}
	return 0;
}

int
stream_tls_seal(struct stream *st, struct iovec *iov)
{
	struct tls_io io;
	ssize_t sealed;

	if (st->far)
		small_first(st);
	out_prepare(st, iov->iov_len);
	io = io_begin(st);
	sealed = tls_write(st->tls, &io, iov, 1);
	io_end(st, &io);
	if (sealed < 0)
		return sealed == -ENOBUFS ? -ENOMEM : (int)sealed;
	if ((size_t)sealed < iov->iov_len)
		return -ENOMEM;
	st->sealed = st->out;
	st->out = NULL;
	*iov = (struct iovec){ st->sealed->data + st->sealed->head,
	    iobuf_len(st->sealed) };
	return 0;
}

int
stream_tls_close_notify(struct fiber *f, struct stream *st)
{
	struct tls_io io = io_begin(st);
	int err = tls_close_notify(st->tls, &io), sent;

	io_end(st, &io);
	sent = out_flush(f, st);
	return err < 0 ? err : sent;
}

int
stream_tls_handshake(struct fiber *f, struct stream *st)
{
	for (;;) {
		struct tls_io io = io_begin(st);
		int r = tls_handshake(st->tls, &io), n;

		io_end(st, &io);
		/* The ticket goes with the answer to a request that is here. */
		if (r == 0 && iobuf_len(st->raw) > 0)
			return 0;
		n = out_flush(f, st);
		if (r != -EAGAIN)
			return r < 0 ? r : n;
		if (n < 0)
			return n;
		if ((n = raw_receive(f, st)) == 0)
			st->truncated = true;
		if (n <= 0)
			return n < 0 ? n : -ECONNRESET;
	}
}
