/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all backends share: slots of sockets, delivery of events, the turn of
 * the loop, and the waiting forms of the operations.
 *
 * One turn:
 *   wait      backend: submit, sleep, reap; results land in the sockets
 *   deliver   parked sockets' notify functions; fibers were only marked
 *   timers
 *   fibers    first in, first out, within a budget
 *   feed      receives that found no buffer are tried again
 */
#include "ring_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS_PER_CHUNK	64
#define GEN_MASK	0xffffffu	/* what fits in a completion's tag */
#define ACCEPT_RETRY_NS	(100 * NSEC_MSEC)
#define SWEEP_FIRST	(20 * NSEC_MSEC)
#define SWEEP_MOST	NSEC_SEC
#define SWEEP_MANY	16		/* connections of one sweep */

static const struct ring_ops *const backends[] = {
	[RING_URING] = &ring_uring_ops,
	[RING_EPOLL] = &ring_epoll_ops,
	[RING_SIM] = &ring_sim_ops,
};

/* ---- Making a ring ----------------------------------------------------- */

const char *
ring_backend_name(enum ring_backend b)
{
	static const char *const names[] = {
		[RING_AUTO] = "auto", [RING_URING] = "uring",
		[RING_EPOLL] = "epoll", [RING_SIM] = "sim",
	};

	return (unsigned)b < sizeof(names) / sizeof(names[0]) ? names[b] : "?";
}

/*
 * Some seccomp profiles answer io_uring_setup with SIGSYS: a throw-away child
 * finds out, by making the same ring. 0 when it works there, else -errno.
 */
static int
uring_probe(const struct ring_options *o)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return 0;	/* no child to be had: find out without */
	if (pid == 0) {
		struct ring *r = calloc(1, sizeof(*r));
		int err = -ENOMEM;

		(void)prctl(PR_SET_DUMPABLE, 0);	/* SIGSYS dumps core */
		if (r != NULL && iobuf_pool_init(r, o) == 0) {
			r->ops = &ring_uring_ops;
			if ((err = r->ops->init(r, o)) == 0)
				err = r->ops->wait(r, 0);
		}
		_exit(-err & 0xff);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0;
	if (WIFSIGNALED(status))
		return -ENOTSUP;
	return -WEXITSTATUS(status);
}

static const char *
uring_why_not(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "io_uring is forbidden (seccomp or "
		    "kernel.io_uring_disabled)";
	case ENOTSUP:
		return "io_uring kills the process (seccomp)";
	case ENOSYS:
		return "the kernel has no io_uring";
	case ENOMEM:
		return "no memory for io_uring (RLIMIT_MEMLOCK counts all of "
		    "the user's rings)";
	default:
		return "the kernel's io_uring is too old";
	}
}

static int
ring_choose(struct ring *r, const struct ring_options *o, const char **ret_why)
{
	int err;

	if (o->backend == RING_EPOLL || o->backend == RING_SIM) {
		*ret_why = "as configured";
		r->ops = backends[o->backend];
		return r->ops->init(r, o);
	}
	r->ops = &ring_uring_ops;
	if ((err = uring_probe(o)) == 0 && (err = r->ops->init(r, o)) == 0) {
		*ret_why = o->backend == RING_URING ? "as configured" :
		    "io_uring is available";
		return 0;
	}
	*ret_why = uring_why_not(err);
	if (o->backend == RING_URING)
		return err;
	r->ops = &ring_epoll_ops;
	return r->ops->init(r, o);
}

int
ring_new(const struct ring_options *o, struct ring **ret, const char **ret_why)
{
	struct ring *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->queue_tail = &r->queue_head;
	r->starved_tail = &r->starved;
	r->max_slots = o->max_socks;
	r->now = clock_mono();
	*ret_why = "no memory";
	if ((r->slots = calloc(o->max_socks, sizeof(*r->slots))) == NULL)
		err = -ENOMEM;
	else if ((err = iobuf_pool_init(r, o)) == 0 &&
	    (err = fiber_pool_init(r, o->max_fibers)) == 0 &&
	    (err = ring_choose(r, o, ret_why)) == 0) {
		r->wheel.tick = r->now / TIMER_TICK;
		*ret = r;
		return 0;
	}
	fiber_pool_fini(r);
	iobuf_pool_fini(r);
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
	for (uint32_t i = 0; i < r->nslots; i++) {
		r->slots[i]->fiber = NULL;
		r->slots[i]->notify = NULL;
	}
	for (a = r->acceptors; a != NULL; a = a->next)
		a->stopped = true;
	/* Ends what is in flight and waits for it: memory is freed below. */
	r->ops->fini(r);
	for (uint32_t i = 0; i < r->nslots; i++)
		if (r->slots[i]->fd >= 0)
			r->ops->close(r, r->slots[i]->fd);
	while ((a = r->acceptors) != NULL) {
		r->acceptors = a->next;
		free(a);
	}
	while ((w = r->watches) != NULL) {
		r->watches = w->next;
		free(w);
	}
	for (uint32_t i = 0; i < r->nslots; i += SLOTS_PER_CHUNK)
		free(r->slots[i]);
	free(r->slots);
	splice_fini(r);
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
	ret->small_used = r->bufs[0].used;
	ret->large_used = r->bufs[1].used;
}

/* ---- Slots ----------------------------------------------------------------- */

/* Chunks are never moved or freed: pointers to sockets stay good. */
static bool
slots_grow(struct ring *r)
{
	uint32_t left = r->max_slots - r->nslots;
	uint32_t n = left < SLOTS_PER_CHUNK ? left : SLOTS_PER_CHUNK;
	struct sock *chunk;

	if (n == 0 || (chunk = calloc(n, sizeof(*chunk))) == NULL)
		return false;
	for (uint32_t i = n; i-- > 0;) {
		chunk[i].fd = -1;
		chunk[i].slot = r->nslots + i;
		chunk[i].gen = 1;
		chunk[i].next = r->free_socks;
		r->free_socks = &chunk[i];
		r->slots[r->nslots + i] = &chunk[i];
	}
	r->nslots += n;
	return true;
}

struct sock *
sock_new(struct ring *r, int fd)
{
	struct sock *s;

	if (r->free_socks == NULL && !slots_grow(r))
		return NULL;
	s = r->free_socks;
	r->free_socks = s->next;
	*s = (struct sock){ .ring = r, .fd = fd, .slot = s->slot,
	    .gen = s->gen };
	r->stats.socks++;
	r->ops->sock_add(s);
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

static void
starve_end(struct sock *s)
{
	struct ring *r = s->ring;

	if (!(s->flags & SOCK_STARVED))
		return;
	s->flags &= ~SOCK_STARVED;
	if ((*s->starve_prev = s->starve_next) != NULL)
		s->starve_next->starve_prev = s->starve_prev;
	else
		r->starved_tail = s->starve_prev;
}

/* The generation ends here; a socket that is queued is freed when it is met. */
static void
sock_finish(struct sock *s)
{
	struct ring *r = s->ring;

	if (s->fd >= 0) {
		r->ops->close(r, s->fd);
		s->fd = -1;
		s->gen = (s->gen + 1) & GEN_MASK;
		iobuf_put(r, s->rx_buf);
		s->rx_buf = NULL;
		while (s->rx_more != NULL) {
			struct iobuf *b = s->rx_more;

			s->rx_more = b->next;
			iobuf_put(r, b);
		}
	}
	if (s->flags & SOCK_QUEUED)
		return;
	s->next = r->free_socks;
	r->free_socks = s;
	r->stats.socks--;
}

void
sock_op_done(struct sock *s)
{
	assert(s->inflight > 0);
	s->inflight--;
	if ((s->flags & SOCK_CLOSING) && s->inflight == 0)
		sock_finish(s);
}

/* ---- Events ------------------------------------------------------------------ */

/*
 * A fiber is marked at once; a parked socket's function is called later from
 * the loop, so that starting an operation never calls back into its caller.
 */
static void
sock_event(struct sock *s)
{
	struct ring *r = s->ring;

	if (s->fiber != NULL) {
		fiber_wake(s->fiber);
		return;
	}
	if (s->notify == NULL || (s->flags & SOCK_QUEUED))
		return;
	s->flags |= SOCK_QUEUED;
	s->next = NULL;
	*r->queue_tail = s;
	r->queue_tail = &s->next;
}

void
sock_rx_done(struct sock *s, int res, struct iobuf *b)
{
	/* A deadline of ours is what -ETIMEDOUT means above. */
	s->rx_res = res == -ETIMEDOUT ? -ECONNRESET : res;
	s->rx_buf = b;
	s->rx = SOCK_RX_READY;
	s->flags &= ~SOCK_RX_CANCEL;
	if (!(s->flags & SOCK_CLOSING))
		sock_event(s);
}

void
sock_tx_done(struct sock *s, int res)
{
	s->tx_res = res == -ETIMEDOUT && !(s->flags & SOCK_CONNECTING) ?
	    -ECONNRESET : res;
	s->tx = SOCK_TX_DONE;
	s->flags &= ~(SOCK_CONNECTING | SOCK_TX_CANCEL);
	if (!(s->flags & SOCK_CLOSING))
		sock_event(s);
}

bool
sock_tx_advance(struct sock *s, size_t n)
{
	s->tx_sent += n;
	while (s->tx_n > 0 && n >= s->tx_iov->iov_len) {
		n -= s->tx_iov->iov_len;
		s->tx_iov++;
		s->tx_n--;
	}
	if (s->tx_n == 0)
		return false;
	s->tx_iov->iov_base = (char *)s->tx_iov->iov_base + n;
	s->tx_iov->iov_len -= n;
	return true;
}

/* Those that are queued meanwhile wait for the next turn. */
static void
deliver_queue(struct ring *r)
{
	struct sock *s = r->queue_head, *next;

	r->queue_head = NULL;
	r->queue_tail = &r->queue_head;
	for (; s != NULL; s = next) {
		next = s->next;
		s->flags &= ~SOCK_QUEUED;
		if (s->fd < 0)
			sock_finish(s);
		else if (s->fiber != NULL)
			fiber_wake(s->fiber);
		else if (s->notify != NULL &&
		    (s->rx == SOCK_RX_READY || s->tx == SOCK_TX_DONE))
			s->notify(s);
	}
}

void
sock_starve(struct sock *s)
{
	struct ring *r = s->ring;

	r->stats.enobufs++;
	s->flags |= SOCK_STARVED;
	s->starve_next = NULL;
	s->starve_prev = r->starved_tail;
	*r->starved_tail = s;
	r->starved_tail = &s->starve_next;
}

/*
 * First come, first served, no more than there are buffers (S-111). Buffers
 * come back only through work of this process, so that looking once a turn
 * misses nothing.
 */
static void
feed_starved(struct ring *r)
{
	unsigned n = r->starved != NULL ? r->ops->room(r) : 0;

	for (; n > 0 && r->starved != NULL; n--) {
		struct sock *s = r->starved;

		starve_end(s);
		r->ops->recv(s, true);
	}
}

int
ring_turn(struct ring *r, nsec_t until)
{
	nsec_t next = wheel_next(r), wait = 0;
	int err;

	if (r->run_head == NULL && r->later_head == NULL &&
	    r->queue_head == NULL &&
	    (r->starved == NULL || iobuf_small_left(r) == 0)) {
		if (next > until)
			next = until;
		wait = next == NSEC_NEVER ? NSEC_NEVER :
		    next > r->now ? next - r->now : 0;
	}
	err = r->ops->wait(r, wait);
	r->stats.turns++;
	deliver_queue(r);
	wheel_advance(r);
	fiber_run_all(r);
	feed_starved(r);
	return err < 0 ? err : r->fatal;
}

/* ---- Operations ---------------------------------------------------------------- */

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
	assert(!(s->flags & SOCK_CLOSING));
	s->rx = SOCK_RX_ARMED;
	s->flags &= ~SOCK_RX_POOL;
	s->into = p;
	s->into_n = n < INT32_MAX ? n : INT32_MAX;
	s->ring->ops->recv(s, false);
}

int
sock_recv_take(struct sock *s, struct iobuf **ret_buf)
{
	assert(s->rx == SOCK_RX_READY);
	*ret_buf = s->rx_buf;
	s->rx_buf = NULL;
	s->rx = SOCK_RX_IDLE;
	return s->rx_res;
}

int
sock_recv_now(struct sock *s, void *p, size_t n)
{
	int got;

	if (s->rx != SOCK_RX_IDLE)
		return -EAGAIN;
	got = s->ring->ops->recv_now(s, p, n);
	if (got > 0 || got == -EAGAIN)
		return got;
	/* An error is told once by the kernel. */
	if (got < 0)
		sock_rx_done(s, got, NULL);
	return -EAGAIN;
}

void
sock_send_start(struct sock *s, struct iovec *iov, unsigned n)
{
	assert(s->tx == SOCK_TX_IDLE && !(s->flags & SOCK_CLOSING));
	s->tx = SOCK_TX_BUSY;
	s->tx_iov = iov;
	s->tx_n = n;
	s->tx_sent = 0;
	if (sock_tx_advance(s, 0))	/* empty pieces at the start */
		s->ring->ops->send(s);
	else
		sock_tx_done(s, 0);
}

void
sock_connect_start(struct sock *s, const struct sockaddr *sa, socklen_t len)
{
	assert(s->tx == SOCK_TX_IDLE && !(s->flags & SOCK_CLOSING));
	s->tx = SOCK_TX_BUSY;
	s->flags |= SOCK_CONNECTING;
	s->ring->ops->connect(s, sa, len);
}

int
sock_send_take(struct sock *s)
{
	assert(s->tx == SOCK_TX_DONE);
	s->tx = SOCK_TX_IDLE;
	return s->tx_res;
}

void
sock_hold(struct sock *s, struct fiber *f)
{
	s->fiber = f;
	if (s->rx == SOCK_RX_READY || s->tx == SOCK_TX_DONE)
		sock_event(s);
}

/* Asks for the receive's end; it may end with bytes all the same. */
static void
cancel_rx(struct sock *s)
{
	if (s->rx != SOCK_RX_ARMED || (s->flags & SOCK_RX_CANCEL))
		return;
	if (s->flags & SOCK_STARVED) {
		starve_end(s);
		sock_rx_done(s, -ECANCELED, NULL);
		return;
	}
	s->flags |= SOCK_RX_CANCEL;
	s->ring->ops->cancel_rx(s);
}

static void
cancel_tx(struct sock *s)
{
	if (s->tx != SOCK_TX_BUSY || (s->flags & SOCK_TX_CANCEL))
		return;
	s->flags |= SOCK_TX_CANCEL;
	s->ring->ops->cancel_tx(s);
}

/* ---- The same on a fiber --------------------------------------------------------- */

/*
 * The socket is the fiber's for this wait; its former holder has it again
 * afterwards and hears of what it did not see.
 */
static int
wait_begin(struct fiber *f, struct sock *s, struct fiber **ret_was)
{
	int r = fiber_step(f);

	*ret_was = s->fiber;
	if (r == 0)
		s->fiber = f;
	return r;
}

static void
wait_end(struct fiber *f, struct sock *s, struct fiber *was)
{
	if (was != f)
		sock_hold(s, was);
}

int
sock_recv(struct fiber *f, struct sock *s, struct iobuf **ret_buf)
{
	struct fiber *was;
	int r = wait_begin(f, s, &was);

	*ret_buf = NULL;
	if (r < 0)
		return r;
	sock_recv_start(s, false);
	/* Given up, it stays armed: no memory of the caller is in it. */
	while (s->rx != SOCK_RX_READY && (r = fiber_wait(f)) == 0)
		continue;
	if (s->rx == SOCK_RX_READY)
		r = sock_recv_take(s, ret_buf);
	wait_end(f, s, was);
	return r;
}

int
sock_recv_into(struct fiber *f, struct sock *s, void *p, size_t n)
{
	struct fiber *was;
	struct iobuf *none;
	int r = wait_begin(f, s, &was), got;

	if (r < 0)
		return r;
	sock_recv_into_start(s, p, n);
	while (s->rx != SOCK_RX_READY && (r = fiber_wait(f)) == 0)
		continue;
	if (r < 0) {
		cancel_rx(s);
		while (s->rx != SOCK_RX_READY)
			fiber_wait_quiet(f);
	}
	/* Bytes that came after all count more than being late. */
	got = sock_recv_take(s, &none);
	wait_end(f, s, was);
	return got != -ECANCELED || r == 0 ? got : r;
}

static int
wait_tx(struct fiber *f, struct sock *s)
{
	int r = 0, res;

	while (s->tx != SOCK_TX_DONE && (r = fiber_wait(f)) == 0)
		continue;
	if (r < 0) {
		cancel_tx(s);
		while (s->tx != SOCK_TX_DONE)
			fiber_wait_quiet(f);
	}
	res = sock_send_take(s);
	return res != -ECANCELED || r == 0 ? res : r;
}

int
sock_send(struct fiber *f, struct sock *s, struct iovec *iov, unsigned n)
{
	struct fiber *was;
	int r = wait_begin(f, s, &was);

	if (r < 0)
		return r;
	sock_send_start(s, iov, n);
	r = wait_tx(f, s);
	wait_end(f, s, was);
	return r;
}

int
sock_send_gap(struct fiber *f, struct sock *s, struct iovec *iov, unsigned n,
    nsec_t gap)
{
	nsec_t limit = fiber_get_deadline(f), until;
	struct fiber *was;
	uint64_t seen = 0;
	int r = wait_begin(f, s, &was);

	if (r < 0)
		return r;
	sock_send_start(s, iov, n);
	while (s->tx != SOCK_TX_DONE) {
		until = clock_add(s->ring->now, gap);
		fiber_deadline(f, until < limit ? until : limit);
		while (s->tx != SOCK_TX_DONE && (r = fiber_wait(f)) == 0)
			continue;
		if (r != -ETIMEDOUT || s->tx_sent == seen || until >= limit)
			break;
		seen = s->tx_sent;
	}
	/* Already late here: takes the memory back. */
	r = wait_tx(f, s);
	fiber_deadline(f, limit);
	wait_end(f, s, was);
	return r;
}

int
sock_connect(struct fiber *f, struct sock *s, const struct sockaddr *sa,
    socklen_t len)
{
	struct fiber *was;
	int r = wait_begin(f, s, &was);

	if (r < 0)
		return r;
	sock_connect_start(s, sa, len);
	r = wait_tx(f, s);
	wait_end(f, s, was);
	return r;
}

/* ---- Ends -------------------------------------------------------------------------- */

void
sock_shutdown(struct sock *s)
{
	s->ring->ops->shutdown(s);
}

/*
 * The number of the descriptor stays taken until the kernel has let go of all
 * operations that name it: a number that is free is the next accept's, and
 * what was queued for the old connection would meet the new one (U-04).
 */
void
sock_close(struct sock *s)
{
	assert(!(s->flags & SOCK_CLOSING));
	assert(s->tx != SOCK_TX_BUSY);
	assert(s->rx != SOCK_RX_ARMED || (s->flags & SOCK_RX_POOL));
	s->fiber = NULL;
	s->notify = NULL;
	s->flags |= SOCK_CLOSING;
	if (s->rx == SOCK_RX_ARMED)
		cancel_rx(s);
	else if (s->inflight > 0)
		s->ring->ops->cancel_rx(s);	/* one that goes on */
	if (s->inflight == 0)
		sock_finish(s);
}

void
sock_abort(struct sock *s)
{
	s->ring->ops->reset(s);
	sock_close(s);
}

void
sock_quiesce(struct fiber *f, struct sock *s)
{
	struct fiber *was = s->fiber;
	struct iobuf *b;

	s->fiber = f;
	cancel_rx(s);
	cancel_tx(s);
	while (s->rx == SOCK_RX_ARMED || s->tx == SOCK_TX_BUSY)
		fiber_wait_quiet(f);
	if (s->rx == SOCK_RX_READY) {
		(void)sock_recv_take(s, &b);
		iobuf_put(s->ring, b);
	}
	if (s->tx == SOCK_TX_DONE)
		(void)sock_send_take(s);
	s->fiber = was;
}

bool
sock_has_more(const struct sock *s)
{
	return s->rx_more != NULL || (s->flags & SOCK_LAST) != 0;
}

void
sock_still(struct fiber *f, struct sock *s)
{
	struct fiber *was = s->fiber;
	struct iobuf *none;

	assert(s->tx != SOCK_TX_BUSY && !(s->flags & SOCK_CLOSING));
	assert(s->rx != SOCK_RX_ARMED || (s->flags & SOCK_RX_POOL));
	s->fiber = f;
	s->flags |= SOCK_STILL;
	if (s->rx == SOCK_RX_ARMED)
		cancel_rx(s);
	else if (s->inflight > 0)
		s->ring->ops->cancel_rx(s);	/* one that goes on */
	while (s->rx == SOCK_RX_ARMED || s->inflight > 0)
		fiber_wait_quiet(f);
	s->flags &= ~SOCK_STILL;
	if (s->rx == SOCK_RX_READY && s->rx_res == -ECANCELED)
		(void)sock_recv_take(s, &none);
	if (s->ring->ops->let_go != NULL)
		s->ring->ops->let_go(s);
	s->fiber = was;
}

/* ---- Other descriptors ------------------------------------------------------------- */

struct acceptor *
acceptor_by_id(struct ring *r, uint32_t id)
{
	struct acceptor *a = r->acceptors;

	while (a != NULL && a->id != id)
		a = a->next;
	return a;
}

struct watch *
watch_by_id(struct ring *r, uint32_t id)
{
	struct watch *w = r->watches;

	while (w != NULL && w->id != id)
		w = w->next;
	return w;
}

static void
on_accept_retry(struct timer *t)
{
	struct acceptor *a = (struct acceptor *)(void *)
	    ((char *)t - offsetof(struct acceptor, retry));

	if (!a->stopped && !a->paused && !a->armed)
		a->ring->ops->accept(a);
}

static void
sweep_later(struct acceptor *a)
{
	a->sweep_gap = a->sweep_gap == 0 ? SWEEP_FIRST :
	    a->sweep_gap * 2 < SWEEP_MOST ? a->sweep_gap * 2 : SWEEP_MOST;
	timer_set(a->ring, &a->sweep, clock_add(a->ring->now, a->sweep_gap));
}

/*
 * io_uring waits for connections exclusively, and the ring of a worker that was
 * killed does so for some moments more: one that comes then wakes nobody who
 * lives, and would wait until the next.
 */
static void
on_sweep(struct timer *t)
{
	struct acceptor *a = (struct acceptor *)(void *)
	    ((char *)t - offsetof(struct acceptor, sweep));
	int fd;

	sweep_later(a);
	for (int i = 0; i < SWEEP_MANY && a->armed; i++) {
		fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			break;
		a->fn(a->arg, fd);
	}
}

struct acceptor *
acceptor_start(struct ring *r, int fd, void (*fn)(void *arg, int fd_or_err),
    void *arg)
{
	struct acceptor *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	*a = (struct acceptor){ .ring = r, .fd = fd, .fn = fn, .arg = arg,
	    .id = r->next_id++, .next = r->acceptors, .burst = 1,
	    .retry = { .fn = on_accept_retry }, .sweep = { .fn = on_sweep } };
	r->acceptors = a;
	r->ops->accept(a);
	if (ring_backend(r) == RING_URING)
		sweep_later(a);
	return a;
}

/* Starved of descriptors or memory: not again before 100 ms (S-107). */
void
acceptor_result(struct acceptor *a, int fd_or_err)
{
	if (fd_or_err < 0 && !a->stopped)
		timer_set(a->ring, &a->retry, a->ring->now + ACCEPT_RETRY_NS);
	a->fn(a->arg, fd_or_err);
}

void
acceptor_pause(struct acceptor *a, bool pause)
{
	if (a->paused == pause)
		return;
	a->paused = pause;
	if (pause && a->armed)
		a->ring->ops->accept_pause(a);
	else if (!pause && !a->armed && !timer_pending(&a->retry))
		a->ring->ops->accept(a);
}

void
acceptor_stop(struct acceptor *a)
{
	struct acceptor **at = &a->ring->acceptors;

	a->stopped = true;
	if (a->armed)
		a->ring->ops->accept_stop(a);
	timer_stop(a->ring, &a->retry);
	timer_stop(a->ring, &a->sweep);
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

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (w->armed)
		w->ring->ops->watch_stop(w);
	free(w);
}
