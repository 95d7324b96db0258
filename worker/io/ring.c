/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all backends share: slots of sockets, delivery of events, the turn of
 * the loop, and the waiting forms of the operations.
 */
#include "ring_impl.h"

#include "log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIBERS_PER_TURN	256	/* then the world outside is looked at again */

static const struct ring_ops *const backends[] = {
	[RING_URING] = &ring_uring_ops,
	[RING_EPOLL] = &ring_epoll_ops,
};

const char *
ring_backend_name(enum ring_backend b)
{
	static const char *const names[] = {
		[RING_AUTO] = "auto", [RING_URING] = "uring",
		[RING_EPOLL] = "epoll", [RING_SIM] = "sim",
	};

	return (unsigned)b < sizeof(names) / sizeof(names[0]) ? names[b] : "?";
}

static int
ring_try(struct ring *r, enum ring_backend b, const struct ring_options *o)
{
	r->ops = backends[b];
	return r->ops->init(r, o);
}

/*
 * Some seccomp profiles answer io_uring_setup with SIGSYS: a child finds out.
 * 0 when it works there, else -errno.
 */
static int
uring_probe(const struct ring_options *o)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		struct ring *r = calloc(1, sizeof(*r));
		int err = r == NULL ? -ENOMEM : ring_try(r, RING_URING, o);

		_exit(err == 0 ? 0 : -err & 0xff);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		return -EPERM;
	return -WEXITSTATUS(status);
}

static int
ring_choose(struct ring *r, const struct ring_options *o, const char **ret_why)
{
	int err;

	if (o->backend != RING_AUTO) {
		*ret_why = "as configured";
		return ring_try(r, o->backend, o);
	}
	if ((err = uring_probe(o)) == 0 &&
	    (err = ring_try(r, RING_URING, o)) == 0) {
		*ret_why = "io_uring is available";
		return 0;
	}
	*ret_why = err == -EPERM ? "io_uring is forbidden (seccomp or "
	    "kernel.io_uring_disabled)" : err == -ENOSYS ?
	    "the kernel has no io_uring" : err == -ENOMEM ?
	    "no memory for io_uring" : "the kernel's io_uring is too old";
	return ring_try(r, RING_EPOLL, o);
}

int
ring_new(const struct ring_options *o, struct ring **ret, const char **ret_why)
{
	struct ring *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->run_tail = &r->run_head;
	r->max_slots = o->max_socks;
	r->now = clock_mono();
	r->wheel.tick = r->now / TIMER_TICK;
	iobuf_pool_init(r, o);
	if ((r->slots = calloc(o->max_socks, sizeof(*r->slots))) == NULL)
		err = -ENOMEM;
	else if ((err = fiber_pool_init(r, o->max_fibers)) == 0 &&
	    (err = ring_choose(r, o, ret_why)) == 0) {
		*ret = r;
		return 0;
	}
	fiber_pool_fini(r);
	free(r->slots);
	free(r);
	return err;
}

void
ring_free(struct ring *r)
{
	struct acceptor *a;
	struct watch *w;

	if (r == NULL)
		return;
	assert(r->fibers.stats.in_use == 0);
	r->ops->fini(r);
	while ((a = r->acceptors) != NULL) {
		r->acceptors = a->next;
		free(a);
	}
	while ((w = r->watches) != NULL) {
		r->watches = w->next;
		free(w);
	}
	for (uint32_t i = 0; i < r->nslots; i++) {
		if (r->slots[i]->fd >= 0)
			close(r->slots[i]->fd);
		iobuf_put(r, r->slots[i]->rx_buf);
		free(r->slots[i]);
	}
	free(r->slots);
	iobuf_pool_fini(r);
	fiber_pool_fini(r);
	free(r);
}

enum ring_backend
ring_backend(const struct ring *r)
{
	return r->ops->backend;
}

nsec_t
ring_now(const struct ring *r)
{
	return r->now;
}

void
ring_stats(const struct ring *r, struct ring_stats *ret)
{
	*ret = r->stats;
	ret->small_used = r->bufs.used[0];
	ret->large_used = r->bufs.used[1];
}

/* ---- The turn ---------------------------------------------------------- */

static void
deliver_queue(struct ring *r)
{
	/* Delivery may queue more; those wait for the next turn. */
	unsigned n = r->queue_n;
	struct sock *batch[ARRAY_SIZE(r->queue)];

	memcpy(batch, r->queue, n * sizeof(batch[0]));
	r->queue_n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct sock *s = batch[i];

		if (s == NULL)
			continue;
		s->flags &= (uint8_t)~SOCK_QUEUED;
		if (s->fiber != NULL)
			fiber_wake(s->fiber);
		else if (s->notify != NULL)
			s->notify(s);
	}
}

static void
run_fibers(struct ring *r)
{
	struct fiber *f;

	for (unsigned i = 0; i < FIBERS_PER_TURN; i++) {
		if ((f = r->run_head) == NULL)
			break;
		if ((r->run_head = f->next) == NULL)
			r->run_tail = &r->run_head;
		fiber_run(f);
	}
}

void
sock_starve(struct sock *s)
{
	if (!(s->flags & SOCK_STARVED)) {
		s->flags |= SOCK_STARVED;
		s->ring->starved++;
		s->ring->stats.enobufs++;
	}
}

/*
 * Buffers come back only through work of this process, so looking once a turn
 * misses nothing. The scan is long, but starving is rare.
 */
static void
feed_starved(struct ring *r)
{
	if (r->starved == 0 || !r->ops->refill(r))
		return;
	for (uint32_t i = 0; i < r->nslots && r->starved > 0; i++) {
		struct sock *s = r->slots[i];

		if (!(s->flags & SOCK_STARVED))
			continue;
		s->flags &= (uint8_t)~SOCK_STARVED;
		r->starved--;
		if (s->rx == SOCK_RX_ARMED)
			r->ops->feed(s);
	}
}

int
ring_turn(struct ring *r, nsec_t until)
{
	nsec_t next = wheel_next(r), wait = 0;
	int err;

	if (r->run_head == NULL && r->queue_n == 0) {
		if (next > until)
			next = until;
		wait = next == NSEC_NEVER ? NSEC_NEVER : next - r->now;
		if (wait < 0)
			wait = 0;
	}
	err = r->ops->wait(r, wait);
	r->stats.turns++;
	r->now = clock_mono();
	deliver_queue(r);
	wheel_advance(r);
	run_fibers(r);
	feed_starved(r);
	return err < 0 ? err : r->fatal;
}

/* ---- Sockets ---------------------------------------------------------------- */

static struct sock *
slot_take(struct ring *r)
{
	struct sock *s = r->free_socks;

	if (s != NULL) {
		r->free_socks = s->tx_state;
		return s;
	}
	if (r->nslots == r->max_slots ||
	    (s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->slot = r->nslots;
	s->gen = 1;
	r->slots[r->nslots++] = s;
	return s;
}

static void
slot_give(struct sock *s)
{
	struct ring *r = s->ring;

	if (s->flags & SOCK_QUEUED)
		for (unsigned i = 0; i < r->queue_n; i++)
			if (r->queue[i] == s)
				r->queue[i] = NULL;
	if (s->flags & SOCK_STARVED)
		r->starved--;
	if (s->rx_buf != NULL)
		iobuf_put(r, s->rx_buf);
	*s = (struct sock){ .ring = r, .fd = -1, .slot = s->slot,
	    .gen = (s->gen + 1) & 0xffffff, .tx_state = r->free_socks };
	r->free_socks = s;
	r->stats.socks--;
}

struct sock *
sock_new(struct ring *r, int fd)
{
	struct sock *s = slot_take(r);

	if (s == NULL)
		return NULL;
	*s = (struct sock){ .ring = r, .fd = fd, .slot = s->slot,
	    .gen = s->gen };
	r->stats.socks++;
	if (r->ops->sock_add(s) < 0) {
		s->fd = -1;
		slot_give(s);
		return NULL;
	}
	return s;
}

struct sock *
sock_by_slot(struct ring *r, uint32_t slot, uint32_t gen)
{
	struct sock *s;

	if (slot >= r->nslots || (s = r->slots[slot])->gen != gen ||
	    s->fd < 0) {
		r->stats.stale++;
		return NULL;
	}
	return s;
}

/*
 * Queued and delivered in the next turn, so that starting an operation never
 * calls back into its caller; a fiber is woken at once, which only marks it.
 */
void
sock_event(struct sock *s)
{
	struct ring *r = s->ring;

	if (s->flags & SOCK_CLOSING)
		return;
	if (s->fiber != NULL) {
		fiber_wake(s->fiber);
		return;
	}
	if (s->notify == NULL || (s->flags & SOCK_QUEUED))
		return;
	if (r->queue_n == ARRAY_SIZE(r->queue))
		deliver_queue(r);
	s->flags |= SOCK_QUEUED;
	r->queue[r->queue_n++] = s;
}

static void
sock_finish(struct sock *s)
{
	close(s->fd);
	slot_give(s);
}

void
sock_op_done(struct sock *s)
{
	assert(s->inflight > 0);
	s->inflight--;
	if ((s->flags & SOCK_CLOSING) && s->inflight == 0)
		sock_finish(s);
}

void
sock_recv_start(struct sock *s, bool idle)
{
	assert(!(s->flags & SOCK_CLOSING));
	if (s->rx != SOCK_RX_IDLE)
		return;
	s->rx = SOCK_RX_ARMED;
	s->flags |= SOCK_RX_POOL;
	s->ring->ops->recv(s, idle);
}

void
sock_recv_into_start(struct sock *s, void *p, size_t n)
{
	assert(s->rx == SOCK_RX_IDLE && n > 0);
	s->rx = SOCK_RX_ARMED;
	s->flags &= (uint8_t)~SOCK_RX_POOL;
	s->ring->ops->recv_into(s, p, n);
}

int
sock_recv_take(struct sock *s, struct iobuf **ret_buf)
{
	int res = s->rx_res;

	assert(s->rx == SOCK_RX_READY);
	*ret_buf = s->rx_buf;
	s->rx_buf = NULL;
	s->rx = SOCK_RX_IDLE;
	return res;
}

void
sock_send_start(struct sock *s, struct iovec *iov, unsigned n)
{
	assert(s->tx == SOCK_TX_IDLE && !(s->flags & SOCK_CLOSING));
	s->tx = SOCK_TX_BUSY;
	s->ring->ops->send(s, iov, n);
}

void
sock_connect_start(struct sock *s, const struct sockaddr *sa, socklen_t len)
{
	assert(s->tx == SOCK_TX_IDLE);
	s->tx = SOCK_TX_BUSY;
	s->flags |= SOCK_CONNECTING;
	s->ring->ops->connect(s, sa, len);
}

int
sock_send_take(struct sock *s)
{
	assert(s->tx == SOCK_TX_DONE);
	s->tx = SOCK_TX_IDLE;
	s->flags &= (uint8_t)~SOCK_CONNECTING;
	return s->tx_res;
}

void
sock_hold(struct sock *s, struct fiber *f)
{
	s->fiber = f;
	if (s->rx == SOCK_RX_READY || s->tx == SOCK_TX_DONE)
		sock_event(s);
}

/* The fiber that waits holds the socket, at least for this wait. */
static void
hold_for(struct fiber *f, struct sock *s)
{
	if (s->fiber != f)
		s->fiber = f;
}

int
sock_recv(struct fiber *f, struct sock *s, struct iobuf **ret_buf)
{
	int r;

	*ret_buf = NULL;
	hold_for(f, s);
	sock_recv_start(s, false);
	while (s->rx != SOCK_RX_READY)
		if ((r = fiber_wait(f)) < 0)
			return r;	/* stays armed; no memory of ours in it */
	return sock_recv_take(s, ret_buf);
}

int
sock_recv_into(struct fiber *f, struct sock *s, void *p, size_t n)
{
	struct iobuf *none;
	int r;

	hold_for(f, s);
	sock_recv_into_start(s, p, n);
	while (s->rx != SOCK_RX_READY)
		if ((r = fiber_wait(f)) < 0) {
			sock_quiesce(f, s);
			return r;
		}
	return sock_recv_take(s, &none);
}

static int
sock_wait_tx(struct fiber *f, struct sock *s)
{
	int r;

	while (s->tx != SOCK_TX_DONE)
		if ((r = fiber_wait(f)) < 0) {
			sock_quiesce(f, s);
			return r;
		}
	return sock_send_take(s);
}

int
sock_send(struct fiber *f, struct sock *s, struct iovec *iov, unsigned n)
{
	hold_for(f, s);
	sock_send_start(s, iov, n);
	return sock_wait_tx(f, s);
}

int
sock_connect(struct fiber *f, struct sock *s, const struct sockaddr *sa,
    socklen_t len)
{
	hold_for(f, s);
	sock_connect_start(s, sa, len);
	return sock_wait_tx(f, s);
}

void
sock_shutdown(struct sock *s)
{
	(void)shutdown(s->fd, SHUT_WR);	/* may be gone already: no matter */
}

void
sock_close(struct sock *s)
{
	assert(s->tx != SOCK_TX_BUSY);
	assert(s->rx != SOCK_RX_ARMED || (s->flags & SOCK_RX_POOL));
	s->fiber = NULL;
	s->notify = NULL;
	s->flags |= SOCK_CLOSING;
	if (s->inflight == 0) {
		sock_finish(s);
		return;
	}
	/* The kernel holds a reference: FIN must not wait for it. */
	(void)shutdown(s->fd, SHUT_RDWR);
	s->ring->ops->cancel(s);
}

void
sock_abort(struct sock *s)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	sock_close(s);
}

void
sock_quiesce(struct fiber *f, struct sock *s)
{
	hold_for(f, s);
	if (s->inflight > 0) {
		(void)shutdown(s->fd, SHUT_RDWR);
		s->ring->ops->cancel(s);
	}
	while (s->inflight > 0)
		fiber_wait_quiet(f);
	s->tx = SOCK_TX_IDLE;
	if (s->rx == SOCK_RX_ARMED)
		s->rx = SOCK_RX_IDLE;
}

/* ---- Other descriptors ------------------------------------------------------- */

static void
on_accept_retry(struct timer *t)
{
	struct acceptor *a = (struct acceptor *)
	    ((char *)t - offsetof(struct acceptor, retry));

	if (!a->stopped && !a->paused && !a->armed)
		a->ring->ops->accept(a);
}

struct acceptor *
acceptor_start(struct ring *r, int fd, void (*fn)(void *arg, int fd_or_err),
    void *arg)
{
	struct acceptor *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	*a = (struct acceptor){ .ring = r, .fd = fd, .fn = fn, .arg = arg,
	    .id = r->next_id++, .next = r->acceptors,
	    .retry = { .fn = on_accept_retry } };
	r->acceptors = a;
	r->ops->accept(a);
	return a;
}

/* Starved of descriptors or memory: not again before 100 ms (S-107). */
void
acceptor_retry(struct acceptor *a)
{
	timer_set(a->ring, &a->retry, a->ring->now + 100 * NSEC_MSEC);
}

void
acceptor_pause(struct acceptor *a, bool pause)
{
	if (a->paused == pause)
		return;
	a->paused = pause;
	if (pause)
		a->ring->ops->accept_stop(a);
	else if (!a->armed)
		a->ring->ops->accept(a);
}

void
acceptor_stop(struct acceptor *a)
{
	struct acceptor **at = &a->ring->acceptors;

	a->stopped = true;
	a->ring->ops->accept_stop(a);
	timer_stop(a->ring, &a->retry);
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	free(a);
}

struct watch *
watch_start(struct ring *r, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct watch){ .ring = r, .fd = fd, .fn = fn, .arg = arg,
	    .id = r->next_id++, .next = r->watches };
	r->watches = w;
	r->ops->watch(w);
	return w;
}

void
watch_stop(struct watch *w)
{
	struct watch **at = &w->ring->watches;

	w->stopped = true;
	w->ring->ops->watch_stop(w);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	free(w);
}
