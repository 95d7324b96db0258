/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes from one plain socket to another without a copy: through a pipe of the
 * ring, which is empty again when the call returns, so one serves all. Nothing
 * here waits: who finds nothing receives in the usual way, and what the other
 * side does not take at once is handed over to be sent in the usual way.
 */
#include "ring_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void
pipe_close(struct ring *r)
{
	close(r->pipe[0]);
	close(r->pipe[1]);
	r->has_pipe = false;
}

static bool
pipe_open(struct ring *r)
{
	if (r->has_pipe)
		return true;
	if (r->ops->backend == RING_SIM ||
	    pipe2(r->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	/* Above a user's limit it stays at 64 KB, which only costs calls. */
	(void)fcntl(r->pipe[1], F_SETPIPE_SZ, IOBUF_LARGE);
	r->has_pipe = true;
	return true;
}

void
splice_fini(struct ring *r)
{
	if (r->has_pipe)
		pipe_close(r);
}

/* What stayed in the pipe goes to b. False: it is lost, and the pipe gone. */
static bool
pipe_rest(struct ring *r, size_t n, struct iobuf *b)
{
	while (b->tail < n) {
		ssize_t got = read(r->pipe[0], b->data + b->tail, n - b->tail);

		if (got > 0)
			b->tail += (uint32_t)got;
		else if (got == 0 || errno != EINTR) {
			pipe_close(r);
			return false;
		}
	}
	return true;
}

ssize_t
sock_splice(struct sock *from, struct sock *to, size_t n,
    struct iobuf **ret_rest)
{
	const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
	struct ring *r = from->ring;
	ssize_t got, put = 0, k;
	struct iobuf *b;

	*ret_rest = NULL;
	if (from->rx != SOCK_RX_IDLE || to->tx != SOCK_TX_IDLE ||
	    !pipe_open(r) || !r->ops->nothing_ahead(from))
		return 0;
	if (n > IOBUF_LARGE)
		n = IOBUF_LARGE;
	/* Room for a rest is had before there may be one. */
	if ((b = iobuf_get(r, n)) == NULL)
		return 0;
	/* The end and errors are left for a receive to tell. */
	got = splice(from->fd, NULL, r->pipe[1], NULL, n, flags);
	if (got <= 0) {
		iobuf_put(r, b);
		return 0;
	}
	do {
		k = splice(r->pipe[0], NULL, to->fd, NULL,
		    (size_t)(got - put), flags);
		if (k > 0)
			put += k;
	} while (put < got && (k > 0 || (k < 0 && errno == EINTR)));
	if (put < got && pipe_rest(r, (size_t)(got - put), b))
		*ret_rest = b;
	else
		iobuf_put(r, b);
	return put == got || *ret_rest != NULL ? got : -EIO;
}
