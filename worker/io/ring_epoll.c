/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring over epoll, for where io_uring is forbidden. Each socket is
 * registered once for its whole life, edge-triggered for both directions; what
 * is known of its readiness stands in its flags. A send is tried at once, a
 * receive only when an event or a full buffer says that bytes may be there, so
 * a proxied request costs two receives and two sends and nothing that fails.
 */
#include "ring_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

	(void)o;
	if (e == NULL)
		return -ENOMEM;
	if ((e->fd = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		free(e);
		return -errno;
	}
	r->backend = e;
	return 0;
}

static void
ep_fini(struct ring *r)
{
	close(state(r)->fd);
	free(r->backend);
}

static int
ep_sock_add(struct sock *s)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = tag(KIND_SOCK, s->gen, s->slot)
	};

	s->flags |= SOCK_WRITABLE;
	return epoll_ctl(state(s->ring)->fd, EPOLL_CTL_ADD, s->fd, &ev) == 0 ?
	    0 : -errno;
}

static void
rx_ready(struct sock *s, int res)
{
	s->rx = SOCK_RX_READY;
	s->rx_res = res;
	sock_event(s);
}

/*
 * Receives if something may be there. A short read means that the socket is
 * drained, unless the peer's end was seen: that is still to be read.
 */
static void
rx_try(struct sock *s, void *p, size_t n)
{
	ssize_t got;

	do {
		got = recv(s->fd, p, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN) {
		s->flags &= (uint8_t)~SOCK_READABLE;
		return;
	}
	if (got > 0 && (size_t)got < n && !(s->flags & SOCK_HUNGUP))
		s->flags &= (uint8_t)~SOCK_READABLE;
	s->inflight--;
	rx_ready(s, got < 0 ? -errno : (int)got);
}

static void
rx_try_pool(struct sock *s)
{
	struct ring *r = s->ring;
	struct iobuf *b = iobuf_get(r, IOBUF_SMALL);

	if (b == NULL) {
		sock_starve(s);
		return;
	}
	rx_try(s, b->data, b->cap);
	if (s->rx == SOCK_RX_READY && s->rx_res > 0) {
		b->tail = (uint32_t)s->rx_res;
		s->rx_buf = b;
	} else
		iobuf_put(r, b);
}

static void
rx_go(struct sock *s)
{
	if (s->flags & SOCK_RX_POOL)
		rx_try_pool(s);
	else
		rx_try(s, s->into, s->into_n);
}

static void
ep_recv(struct sock *s, bool idle)
{
	(void)idle;
	s->inflight++;
	if (s->flags & SOCK_READABLE)
		rx_try_pool(s);
}

static void
ep_recv_into(struct sock *s, void *p, size_t n)
{
	s->inflight++;
	s->into = p;
	s->into_n = (uint32_t)n;
	if (s->flags & SOCK_READABLE)
		rx_try(s, p, n);
}

static void
tx_done(struct sock *s, int res)
{
	s->tx = SOCK_TX_DONE;
	s->tx_res = res;
	s->inflight--;
	sock_event(s);
}

/* Sends on from tx_state/tx_n until done or the socket is full. */
static void
tx_try(struct sock *s)
{
	struct iovec *iov = s->tx_state;

	while (s->tx_n > 0) {
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = s->tx_n };
		ssize_t sent = s->tx_n == 1 ?
		    send(s->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL) :
		    sendmsg(s->fd, &msg, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			s->flags &= (uint8_t)~SOCK_WRITABLE;
			s->tx_state = iov;
			return;
		}
		if (sent < 0) {
			tx_done(s, -errno);
			return;
		}
		while (s->tx_n > 0 && (size_t)sent >= iov->iov_len) {
			sent -= (ssize_t)iov->iov_len;
			iov++;
			s->tx_n--;
		}
		if (s->tx_n > 0) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= (size_t)sent;
		}
	}
	tx_done(s, 0);
}

static void
ep_send(struct sock *s, struct iovec *iov, unsigned n)
{
	s->inflight++;
	s->tx_state = iov;
	s->tx_n = n;
	if (s->flags & SOCK_WRITABLE)
		tx_try(s);
}

static void
ep_connect(struct sock *s, const struct sockaddr *sa, socklen_t n)
{
	s->inflight++;
	s->flags &= (uint8_t)~(SOCK_WRITABLE | SOCK_READABLE | SOCK_HUNGUP);
	if (connect(s->fd, sa, n) == 0) {
		s->flags |= SOCK_WRITABLE;
		tx_done(s, 0);
	} else if (errno != EINPROGRESS)
		tx_done(s, -errno);
}

static void
connect_check(struct sock *s)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
		err = errno;
	tx_done(s, -err);
}

static void
ep_cancel(struct sock *s)
{
	/* Nothing is with the kernel: the caller's memory is free at once. */
	if (s->flags & SOCK_CLOSING) {
		while (s->inflight > 1)
			s->inflight--;
		sock_op_done(s);
		return;
	}
	s->inflight = 0;
}

static void
sock_ready(struct sock *s, uint32_t events)
{
	/* Registered before connect(2): a hang-up of nothing. */
	if ((events & EPOLLHUP) && s->tx == SOCK_TX_IDLE &&
	    s->rx == SOCK_RX_IDLE && !(events & EPOLLIN)) {
		s->flags |= SOCK_READABLE | SOCK_HUNGUP;
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->flags |= SOCK_READABLE | SOCK_HUNGUP;
	if (events & EPOLLIN)
		s->flags |= SOCK_READABLE;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		s->flags |= SOCK_WRITABLE;
		if (s->tx == SOCK_TX_BUSY) {
			if (s->flags & SOCK_CONNECTING)
				connect_check(s);
			else
				tx_try(s);
		}
	}
	if (s->rx == SOCK_RX_ARMED && (s->flags & SOCK_READABLE))
		rx_go(s);
}

static void
accept_ready(struct acceptor *a)
{
	uint32_t id = a->id;
	struct ring *r = a->ring;

	for (unsigned i = 0; i < ACCEPT_BURST; i++) {
		int fd = accept4(a->fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0) {
			int err = errno;

			r->ops->accept_stop(a);
			acceptor_retry(a);
			a->fn(a->arg, -err);
			return;
		}
		a->fn(a->arg, fd);
		/* The callback may have stopped it. */
		for (a = r->acceptors; a != NULL && a->id != id;)
			a = a->next;
		if (a == NULL || a->paused)
			return;
	}
}

static void
ep_accept(struct acceptor *a)
{
	struct epoll_event ev = { .events = EPOLLIN,
	    .data.u64 = tag(KIND_ACCEPT, 0, a->id) };

	a->armed = epoll_ctl(state(a->ring)->fd, EPOLL_CTL_ADD, a->fd,
	    &ev) == 0;
}

static void
ep_accept_stop(struct acceptor *a)
{
	if (a->armed)
		(void)epoll_ctl(state(a->ring)->fd, EPOLL_CTL_DEL, a->fd, NULL);
	a->armed = false;
}

static void
ep_watch(struct watch *w)
{
	struct epoll_event ev = { .events = EPOLLIN,
	    .data.u64 = tag(KIND_WATCH, 0, w->id) };

	w->armed = epoll_ctl(state(w->ring)->fd, EPOLL_CTL_ADD, w->fd,
	    &ev) == 0;
}

static void
ep_watch_stop(struct watch *w)
{
	if (w->armed)
		(void)epoll_ctl(state(w->ring)->fd, EPOLL_CTL_DEL, w->fd, NULL);
}

static bool
ep_refill(struct ring *r)
{
	return r->bufs.used[0] < r->bufs.max[0];
}

static void
dispatch(struct ring *r, const struct epoll_event *ev)
{
	uint64_t t = ev->data.u64;
	uint32_t id = (uint32_t)t;

	if (t >> 56 == KIND_SOCK) {
		struct sock *s = sock_by_slot(r, id, (t >> 32) & 0xffffff);

		if (s != NULL && !(s->flags & SOCK_CLOSING))
			sock_ready(s, ev->events);
	} else if (t >> 56 == KIND_ACCEPT) {
		for (struct acceptor *a = r->acceptors; a != NULL; a = a->next)
			if (a->id == id) {
				accept_ready(a);
				break;
			}
	} else {
		for (struct watch *w = r->watches; w != NULL; w = w->next)
			if (w->id == id) {
				w->fn(w->arg);
				break;
			}
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
	.recv_into = ep_recv_into,
	.send = ep_send,
	.connect = ep_connect,
	.cancel = ep_cancel,
	.accept = ep_accept,
	.accept_stop = ep_accept_stop,
	.watch = ep_watch,
	.watch_stop = ep_watch_stop,
	.feed = rx_try_pool,
	.refill = ep_refill,
};
