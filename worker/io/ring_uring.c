/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring over io_uring: one io_uring_enter(2) per turn submits what fibers
 * started and reaps what completed. Receiving is in ring_uring_recv.c.
 *
 * Completions carry kind, generation and slot, never a pointer. A completion of
 * a closed socket finds SOCK_CLOSING and only counts down (U-03, U-04).
 *
 * Rejected: linked timeouts (two entries more per operation), SQPOLL (a second
 * core's work), the minimal wait of Linux 6.12 (it arms a timer for each sleep:
 * 40 us of CPU per proxied request instead of 24, measured).
 */
#include "ring_uring.h"

#include "str.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SQ_ENTRIES	512
/*
 * A turn's completions, and many times SQ_ENTRIES (U-07). More than these are
 * kept by the kernel, which costs time but loses none; the ring's own memory is
 * locked, and a user's limit of that is small (8 MB for all of its rings).
 */
#define CQ_ENTRIES	8192
/* Larger sends complete in pieces, so that their progress is seen. */
#define WAITALL_MAX	(64 * 1024)
#define RETRIES_MAX	1000
/* So many completions in a turn and sends still go directly; see ur_send(). */
#define DIRECT_MAX	8

/* Newer than liburing 2.3. */
#define ENTER_NO_IOWAIT	(1u << 7)
#define FEAT_NO_IOWAIT	(1u << 17)

struct ring_uring_test ring_uring_test;

/* ---- Set-up ------------------------------------------------------------ */

/* The newest way of running first; Linux 6.1 has it. */
static const unsigned setups[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
	IORING_SETUP_COOP_TASKRUN,
	0,
};

static int
queue_init(struct uring_state *u)
{
	unsigned sq = ring_uring_test.sq_entries != 0 ?
	    ring_uring_test.sq_entries : SQ_ENTRIES;
	unsigned cq = ring_uring_test.cq_entries != 0 ?
	    ring_uring_test.cq_entries : CQ_ENTRIES;
	int err = -EINVAL;

	for (size_t i = ring_uring_test.skip_setups; i < ARRAY_SIZE(setups);
	    i++) {
		struct io_uring_params p = {
			.flags = setups[i] | IORING_SETUP_SUBMIT_ALL |
			    IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
			    IORING_SETUP_R_DISABLED,
			.cq_entries = cq,
		};

		err = io_uring_queue_init_params(sq, &u->ring, &p);
		if (err == 0 && !(p.features & IORING_FEAT_EXT_ARG)) {
			io_uring_queue_exit(&u->ring);
			return -EINVAL;
		}
		if (err != -EINVAL)
			return err;
	}
	return err;
}

/*
 * Operations do not pass seccomp, so the ring itself is told what a worker may
 * ask for (U-02): no file is opened, no process touched.
 */
static int
restrict_ring(struct uring_state *u)
{
	static const uint8_t ops[] = { IORING_OP_RECV, IORING_OP_SEND,
	    IORING_OP_SENDMSG, IORING_OP_CONNECT, IORING_OP_ACCEPT,
	    IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL };
	static const uint8_t regs[] = { IORING_REGISTER_ENABLE_RINGS,
	    IORING_UNREGISTER_RING_FDS };
	struct io_uring_restriction res[ARRAY_SIZE(ops) +
	    ARRAY_SIZE(regs) + 1];
	unsigned n = 0;

	memset(res, 0, sizeof(res));
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		res[n].opcode = IORING_RESTRICTION_SQE_OP;
		res[n++].sqe_op = ops[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		res[n].opcode = IORING_RESTRICTION_REGISTER_OP;
		res[n++].register_op = regs[i];
	}
	res[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[n++].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
	return io_uring_register((unsigned)u->ring.ring_fd,
	    IORING_REGISTER_RESTRICTIONS, res, n);
}

static void
state_free(struct ring *r)
{
	struct uring_state *u = state(r);

	/* Leaving the ring first: the kernel lets go of every buffer. */
	io_uring_queue_exit(&u->ring);
	for (unsigned i = 0; i < POSTED_MAX; i++)
		iobuf_put(r, u->posted[i]);
	free(u->br);
	free(u->stash);
	free(u->extra);
	free(u);
	r->backend = NULL;
}

static int
ur_init(struct ring *r, const struct ring_options *o)
{
	struct uring_state *u = calloc(1, sizeof(*u));
	unsigned workers[2] = { 2, 2 };
	int err;

	if (u == NULL)
		return -ENOMEM;
	r->backend = u;
	u->r = r;
	u->doubt_timer.fn = uring_on_doubt;
	u->no_multi = ring_uring_test.no_multi;
	if ((err = queue_init(u)) < 0) {
		free(u);
		return err;
	}
	u->extra = calloc(u->ring.sq.ring_entries, sizeof(*u->extra));
	(void)io_uring_register_iowq_max_workers(&u->ring, workers);
	(void)io_uring_register_ring_fd(&u->ring);
	u->enter_fd = u->ring.enter_ring_fd;
	if (u->enter_fd != u->ring.ring_fd)
		u->enter_flags |= IORING_ENTER_REGISTERED_RING;
	if (u->ring.features & FEAT_NO_IOWAIT)
		u->enter_flags |= ENTER_NO_IOWAIT;
	if (u->extra == NULL)
		err = -ENOMEM;
	else if ((err = uring_buffers_init(r, o)) == 0 &&
	    (err = restrict_ring(u)) == 0 &&
	    (err = io_uring_register((unsigned)u->ring.ring_fd,
	    IORING_REGISTER_ENABLE_RINGS, NULL, 0)) == 0) {
		uring_refill(r);
		return 0;
	}
	state_free(r);
	return err;
}

/* ---- Entering the kernel --------------------------------------------------- */

/*
 * Submits all that is queued and runs what the kernel deferred; sleeps for one
 * completion when `ts` says so (NULL: for ever). Returns 0 or -errno.
 */
static int
enter(struct uring_state *u, unsigned wait_nr,
    const struct __kernel_timespec *ts)
{
	struct io_uring_sq *sq = &u->ring.sq;
	struct io_uring_getevents_arg arg = { .sigmask_sz = _NSIG / 8,
	    .ts = (uint64_t)(uintptr_t)ts };
	unsigned n;
	int err;

	sq->sqe_head = sq->sqe_tail;
	io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	n = sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
	err = io_uring_enter2((unsigned)u->enter_fd, n, wait_nr,
	    u->enter_flags | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
	    (void *)&arg, sizeof(arg));
	return err < 0 ? err : 0;
}

static unsigned
cq_ready(const struct uring_state *u)
{
	return io_uring_cq_ready(&u->ring);
}

/* The next completion, copied, its place free again. */
static struct done
cq_take(struct uring_state *u)
{
	struct io_uring_cq *cq = &u->ring.cq;
	const struct io_uring_cqe *cqe = &cq->cqes[*cq->khead & cq->ring_mask];
	struct done d = { cqe->user_data, cqe->res, cqe->flags };

	io_uring_cq_advance(&u->ring, 1);
	return d;
}

/* Sets the ready completions aside for the next turn. False: no memory. */
static bool
stash_one(struct uring_state *u, const struct done *cqe)
{
	if (u->stash_n == u->stash_cap) {
		unsigned cap = u->stash_cap == 0 ? 256 : 2 * u->stash_cap;
		struct done *p = reallocarray(u->stash, cap,
		    sizeof(*p));

		if (p == NULL)
			return false;
		u->stash = p;
		u->stash_cap = cap;
	}
	u->stash[u->stash_n++] = *cqe;
	return true;
}

/*
 * Never NULL. A full queue is submitted first: enter reads it synchronously,
 * so there is room afterwards, unless the kernel wants its completions reaped
 * (-EBUSY) or is out of memory (-EAGAIN); then a bounded number of tries (S-112,
 * S-113). Completions are only set aside here, the caller is amid something.
 */
struct io_uring_sqe *
uring_sqe(struct ring *r)
{
	struct uring_state *u = state(r);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	for (unsigned tries = 0; sqe == NULL; tries++) {
		struct done cqe;

		assert(tries < RETRIES_MAX);
		(void)enter(u, 0, NULL);
		while (cq_ready(u) > 0) {
			cqe = cq_take(u);
			if (!stash_one(u, &cqe)) {
				r->fatal = -ENOMEM;
				break;
			}
		}
		sqe = io_uring_get_sqe(&u->ring);
	}
	return sqe;
}

static union sqe_extra *
sqe_extra(struct ring *r, const struct io_uring_sqe *sqe)
{
	struct uring_state *u = state(r);

	return &u->extra[sqe - u->ring.sq.sqes];
}

/* ---- Operations ------------------------------------------------------------- */

void
uring_op_begin(struct sock *s, struct io_uring_sqe *sqe, unsigned kind)
{
	sqe->user_data = tag(kind, s->gen, s->slot);
	s->inflight++;
	state(s->ring)->kernel_ops++;
}

/* ---- Sending and the rest ---------------------------------------------------- */

static void
send_queue(struct sock *s)
{
	struct io_uring_sqe *sqe = uring_sqe(s->ring);
	unsigned n = s->tx_n < IOV_MAX ? s->tx_n : IOV_MAX;
	int flags = MSG_NOSIGNAL;
	size_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += s->tx_iov[i].iov_len;
	if (total <= WAITALL_MAX)
		flags |= MSG_WAITALL;
	if (n == 1)
		io_uring_prep_send(sqe, s->fd, s->tx_iov->iov_base,
		    total < INT_MAX ? total : INT_MAX, flags);
	else {
		struct msghdr *msg = &sqe_extra(s->ring, sqe)->msg;

		*msg = (struct msghdr){ .msg_iov = s->tx_iov,
		    .msg_iovlen = n };
		io_uring_prep_sendmsg(sqe, s->fd, msg, (unsigned)flags);
	}
	uring_op_begin(s, sqe, KIND_SEND);
}

/*
 * While little goes on, a send through the queue costs a turn of its own: its
 * completion ends the wait at once. Sent directly, the fiber goes on to arm its
 * next receive and one enter does for both. With many at a time the queue is
 * cheaper.
 */
static void
ur_send(struct sock *s)
{
	struct msghdr msg = { .msg_iov = s->tx_iov,
	    .msg_iovlen = s->tx_n < IOV_MAX ? s->tx_n : IOV_MAX };
	ssize_t n;

	if (state(s->ring)->batch > DIRECT_MAX) {
		send_queue(s);
		return;
	}
	if (s->tx_n == 1)
		n = send(s->fd, s->tx_iov->iov_base, s->tx_iov->iov_len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		sock_tx_done(s, -errno);
	else if (sock_tx_advance(s, n > 0 ? (size_t)n : 0))
		send_queue(s);
	else
		sock_tx_done(s, 0);
}

static void
ur_connect(struct sock *s, const struct sockaddr *sa, socklen_t n)
{
	struct io_uring_sqe *sqe = uring_sqe(s->ring);
	union sqe_extra *e = sqe_extra(s->ring, sqe);

	assert(n <= sizeof(e->sa));
	memcpy(&e->sa, sa, n);
	io_uring_prep_connect(sqe, s->fd, (const struct sockaddr *)&e->sa, n);
	uring_op_begin(s, sqe, KIND_CONNECT);
}

/* Completes only when it failed; the target's own completion tells the rest. */
static void
cancel_tag(struct ring *r, uint64_t target, uint64_t as)
{
	struct io_uring_sqe *sqe = uring_sqe(r);

	io_uring_prep_cancel64(sqe, target, 0);
	if (state(r)->ring.features & IORING_FEAT_CQE_SKIP)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = as;
}

void
uring_cancel_rx(struct sock *s)
{
	cancel_tag(s->ring, tag(KIND_RECV, s->gen, s->slot),
	    tag(KIND_CANCEL, s->gen, s->slot));
}

static void
ur_cancel_tx(struct sock *s)
{
	cancel_tag(s->ring, tag(s->flags & SOCK_CONNECTING ? KIND_CONNECT :
	    KIND_SEND, s->gen, s->slot), tag(KIND_CANCEL, s->gen, s->slot));
}

static void
ur_sock_add(struct sock *s)
{
	s->flags |= SOCK_FRESH;
}

static void
ur_shutdown(struct sock *s)
{
	(void)shutdown(s->fd, SHUT_WR);	/* may be gone already: no matter */
}

static void
ur_reset(struct sock *s)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static void
ur_close(struct ring *r, int fd)
{
	(void)r;
	close(fd);
}

static void
ur_accept(struct acceptor *a)
{
	struct io_uring_sqe *sqe = uring_sqe(a->ring);

	io_uring_prep_multishot_accept(sqe, a->fd, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	sqe->user_data = tag(KIND_ACCEPT, 0, a->id);
	state(a->ring)->kernel_ops++;
	a->armed = true;
}

static void
ur_accept_pause(struct acceptor *a)
{
	cancel_tag(a->ring, tag(KIND_ACCEPT, 0, a->id),
	    tag(KIND_CANCEL, 0, UINT32_MAX));
}

static void complete(struct ring *r, const struct done *cqe);

/*
 * Cancels, and serves what was accepted meanwhile (U-06). Completions of others
 * wait for the next turn: the caller may be anywhere.
 */
static void
ur_accept_stop(struct acceptor *a)
{
	struct ring *r = a->ring;
	struct uring_state *u = state(r);
	const uint64_t mine = tag(KIND_ACCEPT, 0, a->id);
	struct __kernel_timespec ts = { .tv_nsec = 10 * NSEC_MSEC };

	ur_accept_pause(a);
	for (unsigned i = 0; a->armed && i < RETRIES_MAX; i++) {
		(void)enter(u, 1, &ts);
		while (cq_ready(u) > 0) {
			struct done cqe = cq_take(u);

			if (cqe.user_data == mine)
				complete(r, &cqe);
			else if (!stash_one(u, &cqe))
				r->fatal = -ENOMEM;
		}
	}
	/* One that was set aside before. */
	for (unsigned i = 0; i < u->stash_n; i++)
		if (u->stash[i].user_data == mine) {
			struct done cqe = u->stash[i];

			u->stash[i].user_data = 0;
			complete(r, &cqe);
		}
}

/* One shot: a poll that is armed anew tells what is there already. */
static void
ur_watch(struct watch *w)
{
	struct io_uring_sqe *sqe = uring_sqe(w->ring);

	io_uring_prep_poll_add(sqe, w->fd, POLLIN);
	sqe->user_data = tag(KIND_WATCH, 0, w->id);
	state(w->ring)->kernel_ops++;
	w->armed = true;
}

/* Submitted now: the owner is free to close the descriptor next. */
static void
ur_watch_stop(struct watch *w)
{
	cancel_tag(w->ring, tag(KIND_WATCH, 0, w->id),
	    tag(KIND_CANCEL, 0, UINT32_MAX));
	(void)enter(state(w->ring), 0, NULL);
}

/* ---- Completions --------------------------------------------------------------- */

/* Short, large or in vectors beyond IOV_MAX: the rest is sent on. */
static void
on_send(struct sock *s, int res)
{
	bool more = res > 0 && sock_tx_advance(s, (size_t)res);

	if (more && !(s->flags & (SOCK_TX_CANCEL | SOCK_CLOSING))) {
		send_queue(s);
		s->inflight--;	/* the one that ended; never 0 in between */
		return;
	}
	sock_tx_done(s, res < 0 ? res : !more && res > 0 ? 0 :
	    s->flags & SOCK_TX_CANCEL ? -ECANCELED : -EPIPE);
	sock_op_done(s);
}

static void
on_connect(struct sock *s, int res)
{
	sock_tx_done(s, res);
	sock_op_done(s);
}

/*
 * Accepting goes on until the completion without F_MORE; it is armed anew
 * then, also after success (the kernel may end it at any time).
 */
static void
on_accept(struct ring *r, uint32_t id, const struct done *cqe)
{
	struct acceptor *a = acceptor_by_id(r, id);
	bool more = cqe->flags & IORING_CQE_F_MORE;
	int res = cqe->res;

	if (a == NULL || a->fn == NULL) {
		if (res >= 0)
			close(res);
		return;
	}
	if (!more)
		a->armed = false;
	if (res >= 0 || (res != -ECANCELED && res != -EAGAIN &&
	    res != -EINTR && res != -ECONNABORTED))
		acceptor_result(a, res);
	/* The function may have stopped it. */
	a = acceptor_by_id(r, id);
	if (a != NULL && !a->armed && !a->stopped && !a->paused &&
	    !timer_pending(&a->retry))
		ur_accept(a);
}

static void
on_watch(struct ring *r, uint32_t id)
{
	struct watch *w = watch_by_id(r, id);

	if (w == NULL)
		return;
	w->armed = false;
	w->fn(w->arg);
	/* The function may have stopped it. */
	if ((w = watch_by_id(r, id)) != NULL && !w->armed)
		ur_watch(w);
}

static void
complete(struct ring *r, const struct done *cqe)
{
	struct uring_state *u = state(r);
	uint64_t t = cqe->user_data;
	uint32_t id = (uint32_t)t;
	unsigned kind = (unsigned)(t >> 56);
	struct sock *s = NULL;

	if (kind == 0)
		return;		/* set aside and handled already */
	if (kind != KIND_CANCEL && !(cqe->flags & IORING_CQE_F_MORE))
		u->kernel_ops--;
	if (kind <= KIND_CONNECT)
		s = sock_by_slot(r, id, (t >> 32) & 0xffffff);
	switch (kind) {
	case KIND_RECV:
		uring_on_recv(r, s, cqe);
		break;
	case KIND_SEND:
		if (s != NULL)
			on_send(s, cqe->res);
		break;
	case KIND_CONNECT:
		if (s != NULL)
			on_connect(s, cqe->res);
		break;
	case KIND_ACCEPT:
		on_accept(r, id, cqe);
		break;
	case KIND_WATCH:
		if (cqe->res != -ECANCELED)
			on_watch(r, id);
		break;
	default:
		break;
	}
}

static void
reap(struct ring *r)
{
	struct uring_state *u = state(r);
	unsigned n = cq_ready(u), stashed = u->stash_n;

	/* Handling may set more aside, behind these. */
	for (unsigned i = 0; i < stashed; i++) {
		struct done cqe = u->stash[i];

		/* Whoever stops accepting meanwhile looks here as well. */
		u->stash[i].user_data = 0;
		complete(r, &cqe);
	}
	if (stashed > 0) {
		u->stash_n -= stashed;
		memmove(u->stash, u->stash + stashed,
		    u->stash_n * sizeof(*u->stash));
	}
	for (unsigned i = 0; i < n && cq_ready(u) > 0; i++) {
		struct done cqe = cq_take(u);

		complete(r, &cqe);
	}
	u->batch = n + stashed;
	r->stats.completions += u->batch;
}

static int
enter_failed(struct ring *r, int err)
{
	struct uring_state *u = state(r);

	switch (-err) {
	case ETIME:
	case EINTR:
		return 0;
	case EAGAIN:
	case EBUSY:
		/* Reap and try again, but not for ever. */
		return ++u->refused < RETRIES_MAX ? 0 : err;
	default:
		return err;	/* -EBADR: a completion was lost (S-112) */
	}
}

static int
ur_wait(struct ring *r, nsec_t timeout)
{
	struct uring_state *u = state(r);
	struct __kernel_timespec ts = { .tv_sec = timeout / NSEC_SEC,
	    .tv_nsec = timeout % NSEC_SEC };
	bool more = u->stash_n > 0 || cq_ready(u) > 0 ||
	    (*u->ring.sq.kflags & IORING_SQ_CQ_OVERFLOW);
	int err;

	uring_posted_adapt(u);
	uring_refill(r);
	if (timeout == 0 || more)
		err = enter(u, 0, NULL);
	else
		err = enter(u, 1, timeout == NSEC_NEVER ? NULL : &ts);
	r->now = clock_mono();
	if (err == 0)
		u->refused = 0;
	else
		err = enter_failed(r, err);
	if (*u->ring.sq.kflags & IORING_SQ_CQ_OVERFLOW)
		r->stats.overflows++;	/* kept by the kernel: reap goes on */
	reap(r);
	if (*u->ring.cq.koverflow != u->lost) {
		u->lost = *u->ring.cq.koverflow;
		return -EBADR;
	}
	return err;
}

/* Everything is taken back before its memory goes. */
static void
ur_fini(struct ring *r)
{
	struct uring_state *u = state(r);
	struct __kernel_timespec ts = { .tv_nsec = 10 * NSEC_MSEC };
	struct io_uring_sqe *sqe;

	for (struct acceptor *a = r->acceptors; a != NULL; a = a->next)
		a->fn = NULL;
	for (unsigned i = 0; u->kernel_ops > 0 && i < 100; i++) {
		sqe = uring_sqe(r);
		io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY |
		    IORING_ASYNC_CANCEL_ALL);
		sqe->user_data = tag(KIND_CANCEL, 0, UINT32_MAX);
		(void)enter(u, 1, &ts);
		reap(r);
	}
	state_free(r);
}

const struct ring_ops ring_uring_ops = {
	.backend = RING_URING,
	.init = ur_init,
	.fini = ur_fini,
	.wait = ur_wait,
	.sock_add = ur_sock_add,
	.recv = uring_recv,
	.recv_now = uring_recv_now,
	.nothing_ahead = uring_nothing_ahead,
	.send = ur_send,
	.connect = ur_connect,
	.cancel_rx = uring_cancel_rx,
	.cancel_tx = ur_cancel_tx,
	.shutdown = ur_shutdown,
	.reset = ur_reset,
	.close = ur_close,
	.accept = ur_accept,
	.accept_pause = ur_accept_pause,
	.accept_stop = ur_accept_stop,
	.watch = ur_watch,
	.watch_stop = ur_watch_stop,
	.room = uring_room,
};
