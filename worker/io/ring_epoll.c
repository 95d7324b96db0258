/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring over epoll, for where io_uring is forbidden. A socket is registered
 * once, edge-triggered for both directions, when it first has to wait (a short
 * connection may never); what is known of its readiness stands in its flags. A
 * send is tried at once, a receive only while bytes may be there: after a
 * receive that did not fill its buffer the socket is drained, and only an event
 * says otherwise. So a proxied request costs two receives and two sends, none
 * of which fails, and a share of an epoll_wait.
 *
 * The kernel never holds memory here: an operation is taken back at once.
 */
#include "ring_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS		256
#define ACCEPT_BURST	16

/* epoll_data: kind in the top byte, then generation and slot, or an id. */
enum { KIND_SOCK = 1, KIND_ACCEPT, KIND_WATCH };

struct epoll_state {
	int fd;
	struct epoll_event events[EVENTS];
};

static uint64_t
tag(unsigned kind, uint32_t gen, uint32_t slot)
{
	return (uint64_t)kind << 56 | (uint64_t)(gen & 0xffffff) << 32 | slot;
}

static struct epoll_state *
state(const struct ring *r)
{
	return r->backend;
}

static int
ep_init(struct ring *r, const struct ring_options *o)
{
	struct epoll_state *e = calloc(1, sizeof(*e));
	int err;

	(void)o;
	if (e == NULL)
		return -ENOMEM;
	if ((e->fd = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		err = -errno;
		free(e);
		return err;
	}
	r->backend = e;
	return 0;
}

static void
ep_fini(struct ring *r)
{
	close(state(r)->fd);
	free(r->backend);
	r->backend = NULL;
}

static int
watch_fd(struct ring *r, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return epoll_ctl(state(r)->fd, op, fd, &ev) == 0 ? 0 : -errno;
}

static void
ep_sock_add(struct sock *s)
{
	s->flags |= SOCK_READABLE | SOCK_WRITABLE;
}

/*
 * From now on events come. Registering reports what is already there, so that
 * nothing is lost between the try before and now. 0 or -errno.
 */
static int
sock_register(struct sock *s)
{
	int err;

	if (s->flags & SOCK_ADDED)
		return 0;
	err = watch_fd(s->ring, EPOLL_CTL_ADD, s->fd, EPOLLIN | EPOLLOUT |
	    EPOLLRDHUP | EPOLLET, tag(KIND_SOCK, s->gen, s->slot));
	if (err == 0)
		s->flags |= SOCK_ADDED;
	return err;
}

/* ---- Receiving ---------------------------------------------------------- */

/*
 * -EAGAIN: nothing there. A short read means that the socket is drained, unless
 * the peer's end was seen: that is still to be read.
 */
static int
rx_try(struct sock *s, void *p, size_t n)
{
	ssize_t got;

	do {
		got = recv(s->fd, p, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		if (errno == EAGAIN)
			s->flags &= ~SOCK_READABLE;
		return -errno;
	}
	if (got > 0 && (size_t)got < n && !(s->flags & SOCK_HUNGUP))
		s->flags &= ~SOCK_READABLE;
	return (int)got;
}

static void
rx_wait(struct sock *s)
{
	int err = sock_register(s);

	if (err < 0)
		sock_rx_done(s, err, NULL);
}

static void
rx_go(struct sock *s)
{
	struct ring *r = s->ring;
	struct iobuf *b = NULL;
	int got;

	if (s->flags & SOCK_RX_POOL) {
		if ((b = iobuf_get(r, IOBUF_SMALL)) == NULL) {
			sock_starve(s);
			return;
		}
		got = rx_try(s, b->data, b->cap);
		if (got > 0)
			b->tail = (uint32_t)got;
		else {
			iobuf_put(r, b);
			b = NULL;
		}
	} else
		got = rx_try(s, s->into, s->into_n);
	if (got == -EAGAIN)
		rx_wait(s);
	else
		sock_rx_done(s, got, b);
}

static void
ep_recv(struct sock *s, bool idle)
{
	/* New and nothing expected: registering tells without a failing try. */
	if (!(s->flags & SOCK_READABLE) || (idle && !(s->flags & SOCK_ADDED)))
		rx_wait(s);
	else
		rx_go(s);
}

static int
ep_recv_now(struct sock *s, void *p, size_t n)
{
	return s->flags & SOCK_READABLE ? rx_try(s, p, n) : -EAGAIN;
}

static bool
ep_nothing_ahead(const struct sock *s)
{
	return (s->flags & SOCK_READABLE) != 0;
}

static void
ep_cancel_rx(struct sock *s)
{
	sock_rx_done(s, -ECANCELED, NULL);
}

/* ---- Sending ------------------------------------------------------------- */

static ssize_t
tx_once(struct sock *s)
{
	struct msghdr msg = { .msg_iov = s->tx_iov,
	    .msg_iovlen = s->tx_n < IOV_MAX ? s->tx_n : IOV_MAX };

	if (s->tx_n == 1)
		return send(s->fd, s->tx_iov->iov_base, s->tx_iov->iov_len,
		    MSG_NOSIGNAL);
	return sendmsg(s->fd, &msg, MSG_NOSIGNAL);
}

/* Sends on until done or the socket is full. */
static void
ep_send(struct sock *s)
{
	bool more = true;
	int err = 0;

	while (more && err == 0 && (s->flags & SOCK_WRITABLE)) {
		ssize_t n = tx_once(s);

		if (n >= 0)
			more = sock_tx_advance(s, (size_t)n);
		else if (errno == EAGAIN)
			s->flags &= ~SOCK_WRITABLE;
		else if (errno != EINTR)
			err = -errno;
	}
	if (more && err == 0)
		err = sock_register(s);
	if (!more || err < 0)
		sock_tx_done(s, err);
}

static void
ep_connect(struct sock *s, const struct sockaddr *sa, socklen_t n)
{
	int err;

	if (connect(s->fd, sa, n) == 0) {
		sock_tx_done(s, 0);
		return;
	}
	if (errno != EINPROGRESS) {
		sock_tx_done(s, -errno);
		return;
	}
	s->flags &= ~(SOCK_READABLE | SOCK_WRITABLE);
	if ((err = sock_register(s)) < 0)
		sock_tx_done(s, err);
}

static void
connect_check(struct sock *s, uint32_t events)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
		err = errno;
	if (err == 0 && (events & (EPOLLERR | EPOLLHUP)))
		err = ECONNRESET;
	sock_tx_done(s, -err);
}

static void
ep_cancel_tx(struct sock *s)
{
	sock_tx_done(s, -ECANCELED);
}

/*
 * Closing one of several descriptors of a connection does not end its being
 * registered: events for the new owner would go on waking this process.
 */
static void
ep_let_go(struct sock *s)
{
	if (s->flags & SOCK_ADDED)
		(void)watch_fd(s->ring, EPOLL_CTL_DEL, s->fd, 0, 0);
	s->flags &= ~SOCK_ADDED;
	s->flags |= SOCK_READABLE | SOCK_WRITABLE;
}

/* ---- Events ------------------------------------------------------------------ */

static void
sock_ready(struct sock *s, uint32_t events)
{
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->flags |= SOCK_READABLE | SOCK_HUNGUP;
	if (events & EPOLLIN)
		s->flags |= SOCK_READABLE;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		s->flags |= SOCK_WRITABLE;
		if (s->tx == SOCK_TX_BUSY) {
			if (s->flags & SOCK_CONNECTING)
				connect_check(s, events);
			else
				ep_send(s);
		}
	}
	if (s->rx == SOCK_RX_ARMED && (s->flags & SOCK_READABLE) &&
	    !(s->flags & SOCK_STARVED))
		rx_go(s);
}

static void
ep_shutdown(struct sock *s)
{
	(void)shutdown(s->fd, SHUT_WR);	/* may be gone already: no matter */
}

static void
ep_reset(struct sock *s)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static void
ep_close(struct ring *r, int fd)
{
	(void)r;
	close(fd);
}

/*
 * Level-triggered: what is left comes again in the next turn, after others.
 * How many are taken at once follows how many were there, so that a lone
 * connection costs no accept that fails.
 */
static void
accept_ready(struct ring *r, uint32_t id)
{
	struct acceptor *a = acceptor_by_id(r, id);

	for (unsigned i = 0; a != NULL && a->armed && i < a->burst; i++) {
		int fd = accept4(a->fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno == EAGAIN) {
			a->burst = 1;
			return;
		}
		if (fd < 0) {
			int err = -errno;

			r->ops->accept_pause(a);
			acceptor_result(a, err);
			return;
		}
		acceptor_result(a, fd);
		/* The function may have stopped it. */
		a = acceptor_by_id(r, id);
	}
	if (a != NULL && a->burst < ACCEPT_BURST)
		a->burst *= 2;
}

static void
ep_accept(struct acceptor *a)
{
	int err = watch_fd(a->ring, EPOLL_CTL_ADD, a->fd, EPOLLIN,
	    tag(KIND_ACCEPT, 0, a->id));

	a->armed = err == 0;
	if (err < 0)
		acceptor_result(a, err);
}

static void
ep_accept_pause(struct acceptor *a)
{
	(void)watch_fd(a->ring, EPOLL_CTL_DEL, a->fd, 0, 0);
	a->armed = false;
}

static void
ep_watch(struct watch *w)
{
	w->armed = watch_fd(w->ring, EPOLL_CTL_ADD, w->fd, EPOLLIN,
	    tag(KIND_WATCH, 0, w->id)) == 0;
}

static void
ep_watch_stop(struct watch *w)
{
	(void)watch_fd(w->ring, EPOLL_CTL_DEL, w->fd, 0, 0);
}

static unsigned
ep_room(struct ring *r)
{
	return iobuf_small_left(r);
}

static void
dispatch(struct ring *r, const struct epoll_event *ev)
{
	uint64_t t = ev->data.u64;
	uint32_t id = (uint32_t)t;
	struct watch *w;
	struct sock *s;

	switch (t >> 56) {
	case KIND_SOCK:
		/* Closed by another event of the same batch: stale. */
		s = sock_by_slot(r, id, (t >> 32) & 0xffffff);
		if (s != NULL)
			sock_ready(s, ev->events);
		break;
	case KIND_ACCEPT:
		accept_ready(r, id);
		break;
	default:
		if ((w = watch_by_id(r, id)) != NULL)
			w->fn(w->arg);
		break;
	}
}

static int
ep_wait(struct ring *r, nsec_t timeout)
{
	struct epoll_state *e = state(r);
	int ms = timeout == NSEC_NEVER ? -1 :
	    timeout > 3600 * NSEC_SEC ? 3600 * 1000 :
	    (int)((timeout + NSEC_MSEC - 1) / NSEC_MSEC);
	int n = epoll_wait(e->fd, e->events, EVENTS, ms);

	r->now = clock_mono();
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	r->stats.completions += (unsigned)n;
	for (int i = 0; i < n; i++)
		dispatch(r, &e->events[i]);
	return 0;
}

const struct ring_ops ring_epoll_ops = {
	.backend = RING_EPOLL,
	.init = ep_init,
	.fini = ep_fini,
	.wait = ep_wait,
	.sock_add = ep_sock_add,
	.recv = ep_recv,
	.recv_now = ep_recv_now,
	.nothing_ahead = ep_nothing_ahead,
	.send = ep_send,
	.connect = ep_connect,
	.cancel_rx = ep_cancel_rx,
	.cancel_tx = ep_cancel_tx,
	.let_go = ep_let_go,
	.shutdown = ep_shutdown,
	.reset = ep_reset,
	.close = ep_close,
	.accept = ep_accept,
	.accept_pause = ep_accept_pause,
	.accept_stop = ep_accept_pause,
	.watch = ep_watch,
	.watch_stop = ep_watch_stop,
	.room = ep_room,
};
