/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring over io_uring: one io_uring_enter(2) per turn submits what fibers
 * started and reaps what completed. Receives of parked sockets take a buffer
 * only when bytes came, from a small ring of buffers that the kernel picks
 * from. It is refilled at the end of a turn, when the fibers have given their
 * buffers back, and holds no more than lately needed, so that the same few
 * buffers go round and stay in cache.
 *
 * Receives go on by themselves (multishot) while little comes at a time, so that
 * a request costs no submission for them; what comes before it is asked for is
 * kept, a few buffers at most. One that filled a buffer is followed by a single
 * one: bodies are received when and where the reader wants them.
 *
 * Completions carry kind, generation and slot, never a pointer. A completion of
 * a closed socket finds SOCK_CLOSING and only counts down (U-03, U-04).
 *
 * Rejected: linked timeouts (two entries more per operation), SQPOLL (a second
 * core's work), the minimal wait of Linux 6.12 (it arms a timer for each sleep:
 * 40 us of CPU per proxied request instead of 24, measured).
 */
#include "ring_impl.h"

#include "str.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SQ_ENTRIES	512
#define CQ_MIN		4096
#define CQ_MAX		32768
#define POSTED_MIN	16
#define POSTED_MAX	128	/* entries of the buffer ring; power of two */
#define POSTED_WINDOW	1024	/* turns until it may shrink */
#define GROUP		1
/* Larger sends complete in pieces, so that their progress is seen. */
#define WAITALL_MAX	(64 * 1024)
#define RETRIES_MAX	1000
/* So many completions in a turn and sends still go directly; see ur_send(). */
#define DIRECT_MAX	8
/* A multishot ends after so many bytes; it may be that nobody reads them. */
#define MULTI_BYTES	(32 * 1024)
#define MULTI_BUFFERS	4
#define DOUBTS		1024
#define DOUBT_NS	(100 * NSEC_MSEC)

/* Newer than liburing 2.3. */
#define ENTER_NO_IOWAIT	(1u << 7)
#define FEAT_NO_IOWAIT	(1u << 17)

struct ring_uring_test ring_uring_test;

enum { KIND_RECV = 1, KIND_SEND, KIND_CONNECT, KIND_ACCEPT, KIND_WATCH,
    KIND_CANCEL };

/* A completion, copied out of the queue. */
struct done {
	uint64_t user_data;
	int res;
	uint32_t flags;
};

/* Lives until submission only, so one per entry of the submission queue. */
union sqe_extra {
	struct msghdr msg;
	struct sockaddr_storage sa;
};

struct uring_state {
	struct io_uring ring;
	unsigned enter_flags;
	int enter_fd;
	unsigned lost;				/* *koverflow last seen */
	unsigned refused;			/* enters in a row */
	unsigned kernel_ops;			/* all that is in flight */
	unsigned batch;				/* completions of this turn */
	bool no_multi;				/* the kernel cannot limit it */
	struct ring *r;
	struct timer doubt_timer;
	unsigned doubt_n;
	struct doubt { uint32_t slot, gen; } doubt[DOUBTS];
	struct pollfd doubt_polls[DOUBTS];
	struct io_uring_buf_ring *br;
	struct iobuf *posted[POSTED_MAX];	/* by buffer id */
	uint16_t free_ids[POSTED_MAX];
	unsigned posted_n, posted_want, posted_limit;
	unsigned taken, taken_most, window;
	struct done *stash;				/* reaped while stopping an acceptor */
	unsigned stash_n, stash_cap;
	union sqe_extra *extra;
};

static struct uring_state *
state(const struct ring *r)
{
	return r->backend;
}

static uint64_t
tag(unsigned kind, uint32_t gen, uint32_t slot)
{
	return (uint64_t)kind << 56 | (uint64_t)(gen & 0xffffff) << 32 | slot;
}

/* ---- Set-up ------------------------------------------------------------ */

/* The newest way of running first; Linux 6.1 has it. */
static const unsigned setups[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
	IORING_SETUP_COOP_TASKRUN,
	0,
};

/* Two operations per socket may complete while nobody reaps (U-07). */
static unsigned
cq_size(const struct ring_options *o)
{
	unsigned n = CQ_MIN;

	if (ring_uring_test.cq_entries != 0)
		return ring_uring_test.cq_entries;
	while (n < CQ_MAX && n < 2 * o->max_socks)
		n *= 2;
	return n;
}

static int
queue_init(struct uring_state *u, const struct ring_options *o)
{
	unsigned sq = ring_uring_test.sq_entries != 0 ?
	    ring_uring_test.sq_entries : SQ_ENTRIES;
	int err = -EINVAL;

	for (size_t i = ring_uring_test.skip_setups; i < ARRAY_SIZE(setups);
	    i++) {
		struct io_uring_params p = {
			.flags = setups[i] | IORING_SETUP_SUBMIT_ALL |
			    IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
			    IORING_SETUP_R_DISABLED,
			.cq_entries = cq_size(o),
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
refill(struct ring *r)
{
	struct uring_state *u = state(r);
	unsigned want = u->posted_want, added = 0;
	struct iobuf *b;

	while (u->posted_n < want &&
	    (b = iobuf_get(r, IOBUF_SMALL)) != NULL) {
		unsigned short id = u->free_ids[u->posted_n++];

		u->posted[id] = b;
		io_uring_buf_ring_add(u->br, b->data, b->cap, id,
		    io_uring_buf_ring_mask(POSTED_MAX), (int)added++);
	}
	if (added > 0)
		io_uring_buf_ring_advance(u->br, (int)added);
}

static int
buffers_init(struct ring *r, const struct ring_options *o)
{
	struct uring_state *u = state(r);
	struct io_uring_buf_reg reg = { .ring_entries = POSTED_MAX,
	    .bgid = GROUP };
	size_t n = POSTED_MAX * sizeof(struct io_uring_buf);
	void *mem;

	if (posix_memalign(&mem, 4096, n) != 0)
		return -ENOMEM;
	memset(mem, 0, n);
	u->br = mem;
	io_uring_buf_ring_init(u->br);
	reg.ring_addr = (uint64_t)(uintptr_t)mem;
	for (unsigned i = 0; i < POSTED_MAX; i++)
		u->free_ids[i] = (uint16_t)i;
	/* The rest of the pool is for those who hold what they received. */
	u->posted_limit = o->small_buffers / 4;
	if (u->posted_limit > POSTED_MAX)
		u->posted_limit = POSTED_MAX;
	if (u->posted_limit == 0)
		u->posted_limit = 1;
	u->posted_want = u->posted_limit < POSTED_MIN ? u->posted_limit :
	    POSTED_MIN;
	return io_uring_register_buf_ring(&u->ring, &reg, 0);
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

static void on_doubt_timer(struct timer *t);

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
	u->doubt_timer.fn = on_doubt_timer;
	u->no_multi = ring_uring_test.no_multi;
	if ((err = queue_init(u, o)) < 0) {
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
	else if ((err = buffers_init(r, o)) == 0 &&
	    (err = restrict_ring(u)) == 0 &&
	    (err = io_uring_register((unsigned)u->ring.ring_fd,
	    IORING_REGISTER_ENABLE_RINGS, NULL, 0)) == 0) {
		refill(r);
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
static struct io_uring_sqe *
sqe_get(struct ring *r)
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

static void
op_begin(struct sock *s, struct io_uring_sqe *sqe, unsigned kind)
{
	sqe->user_data = tag(kind, s->gen, s->slot);
	s->inflight++;
	state(s->ring)->kernel_ops++;
}

/* ---- Receiving -------------------------------------------------------------- */

/*
 * Tries at once only where bytes are likely: a new connection brings its
 * request, and the last receive may have said that more is there. Otherwise a
 * first try would be wasted (POLL_FIRST).
 */
static void
recv_queue(struct sock *s, bool idle)
{
	struct io_uring_sqe *sqe = sqe_get(s->ring);

	if (s->flags & SOCK_RX_POOL) {
		io_uring_prep_recv(sqe, s->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = GROUP;
		if (!(s->flags & SOCK_MORE) && !state(s->ring)->no_multi) {
			/* optlen of newer headers; older kernels: -EINVAL. */
			sqe->file_index = MULTI_BYTES;
			sqe->ioprio |= IORING_RECV_MULTISHOT;
			s->flags |= SOCK_MULTI;
		}
	} else
		io_uring_prep_recv(sqe, s->fd, s->into, s->into_n, 0);
	if (!(s->flags & SOCK_MORE) && (idle || !(s->flags & SOCK_FRESH)))
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	op_begin(s, sqe, KIND_RECV);
}

/* Moves bytes that came ahead to p. Returns how many, 0 when there are none. */
static size_t
ahead_copy(struct sock *s, void *p, size_t n)
{
	size_t done = 0;
	struct iobuf *b;

	while (done < n && (b = s->rx_more) != NULL) {
		size_t len = iobuf_len(b);

		if (len > n - done)
			len = n - done;
		memcpy((char *)p + done, b->data + b->head, len);
		b->head += (uint32_t)len;
		done += len;
		if (iobuf_len(b) == 0) {
			s->rx_more = b->next;
			iobuf_put(s->ring, b);
		}
	}
	return done;
}

/* Answers a receive from what came ahead. False: there is nothing. */
static bool
ahead_give(struct sock *s)
{
	struct iobuf *b = s->rx_more;

	if (b != NULL && (s->flags & SOCK_RX_POOL)) {
		s->rx_more = b->next;
		b->next = NULL;
		sock_rx_done(s, (int)iobuf_len(b), b);
	} else if (b != NULL)
		sock_rx_done(s, (int)ahead_copy(s, s->into, s->into_n), NULL);
	else if (s->flags & SOCK_LAST) {
		s->flags &= ~SOCK_LAST;
		sock_rx_done(s, s->rx_last, NULL);
	} else
		return false;
	return true;
}

static void
ur_recv(struct sock *s, bool idle)
{
	if (!ahead_give(s) && !(s->flags & SOCK_MULTI))
		recv_queue(s, idle);
}

static int
ur_recv_now(struct sock *s, void *p, size_t n)
{
	struct uring_state *u = state(s->ring);
	size_t ahead = ahead_copy(s, p, n);
	ssize_t got;

	if (ahead > 0)
		return (int)ahead;
	/* Earlier bytes may stand in a completion that was not looked at. */
	if ((s->flags & SOCK_LAST) || ((s->flags & SOCK_MULTI) &&
	    (cq_ready(u) > 0 || u->stash_n > 0)))
		return -EAGAIN;
	got = recv(s->fd, p, n, MSG_DONTWAIT);
	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	s->flags &= ~(SOCK_FRESH | SOCK_MORE);
	if ((size_t)got == n)
		s->flags |= SOCK_MORE;
	return (int)got;
}

/* ---- Sending and the rest ---------------------------------------------------- */

static void
send_queue(struct sock *s)
{
	struct io_uring_sqe *sqe = sqe_get(s->ring);
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
	op_begin(s, sqe, KIND_SEND);
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
	struct io_uring_sqe *sqe = sqe_get(s->ring);
	union sqe_extra *e = sqe_extra(s->ring, sqe);

	assert(n <= sizeof(e->sa));
	memcpy(&e->sa, sa, n);
	io_uring_prep_connect(sqe, s->fd, (const struct sockaddr *)&e->sa, n);
	op_begin(s, sqe, KIND_CONNECT);
}

/* Completes only when it failed; the target's own completion tells the rest. */
static void
cancel_tag(struct ring *r, uint64_t target, uint64_t as)
{
	struct io_uring_sqe *sqe = sqe_get(r);

	io_uring_prep_cancel64(sqe, target, 0);
	if (state(r)->ring.features & IORING_FEAT_CQE_SKIP)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = as;
}

static void
ur_cancel_rx(struct sock *s)
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
	struct io_uring_sqe *sqe = sqe_get(a->ring);

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
	struct io_uring_sqe *sqe = sqe_get(w->ring);

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

static struct iobuf *
buffer_taken(struct uring_state *u, const struct done *cqe)
{
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	struct iobuf *b;

	assert(id < POSTED_MAX && u->posted[id] != NULL);
	b = u->posted[id];
	u->posted[id] = NULL;
	u->free_ids[--u->posted_n] = (uint16_t)id;
	u->taken++;
	b->head = 0;
	b->tail = cqe->res > 0 ? (uint32_t)cqe->res : 0;
	return b;
}

/*
 * A multishot receive may miss the peer's end when it came close behind bytes:
 * kernels until 7.0 take two wake-ups for one, and an end wakes only once. So
 * a tenth of a second after bytes came each such socket is looked at, all of
 * them with one poll(2).
 */
static void
doubts_check(struct ring *r)
{
	struct uring_state *u = state(r);
	unsigned n = u->doubt_n, polls = 0;

	u->doubt_n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct doubt d = u->doubt[i];
		struct sock *s = r->slots[d.slot];

		if (s->gen != d.gen || !(s->flags & SOCK_DOUBT))
			continue;
		if (!(s->flags & SOCK_MULTI) || (s->flags & SOCK_CLOSING)) {
			s->flags &= ~SOCK_DOUBT;
			continue;
		}
		u->doubt[u->doubt_n++] = d;
		u->doubt_polls[polls++] = (struct pollfd){ .fd = s->fd,
		    .events = POLLRDHUP };
	}
	if (polls == 0 || poll(u->doubt_polls, polls, 0) < 0)
		return;
	n = u->doubt_n;
	u->doubt_n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct doubt d = u->doubt[i];
		struct sock *s = r->slots[d.slot];

		if (u->doubt_polls[i].revents == 0) {
			s->flags &= ~SOCK_DOUBT;
			continue;
		}
		u->doubt[u->doubt_n++] = d;
		/* Armed anew it will see the end; see recv_again(). */
		if (!(s->flags & SOCK_ENOUGH)) {
			s->flags |= SOCK_ENOUGH;
			ur_cancel_rx(s);
		}
	}
}

static void
on_doubt_timer(struct timer *t)
{
	struct uring_state *u = (struct uring_state *)(void *)
	    ((char *)t - offsetof(struct uring_state, doubt_timer));

	doubts_check(u->r);
	if (u->doubt_n > 0)
		timer_set(u->r, t, u->r->now + DOUBT_NS);
}

static void
doubt(struct uring_state *u, struct sock *s)
{
	if (s->flags & SOCK_DOUBT)
		return;
	if (u->doubt_n == DOUBTS)
		doubts_check(s->ring);
	if (u->doubt_n == DOUBTS)
		return;		/* all of them at their end: soon gone */
	s->flags |= SOCK_DOUBT;
	u->doubt[u->doubt_n++] = (struct doubt){ s->slot, s->gen };
	if (!timer_pending(&u->doubt_timer))
		timer_set(s->ring, &u->doubt_timer, s->ring->now + DOUBT_NS);
}

/* Keeps what nobody asked for yet, and stops the kernel when it is much. */
static void
ahead_keep(struct sock *s, int res, struct iobuf *b)
{
	struct iobuf **at = &s->rx_more;
	unsigned n = 1;

	if (b == NULL) {
		s->rx_last = res;
		s->flags |= SOCK_LAST;
		return;
	}
	for (; *at != NULL; at = &(*at)->next)
		n++;
	b->next = NULL;
	*at = b;
	if (n >= MULTI_BUFFERS && (s->flags & SOCK_MULTI) &&
	    !(s->flags & SOCK_ENOUGH)) {
		s->flags |= SOCK_ENOUGH;
		ur_cancel_rx(s);
	}
}

/*
 * A receive ended without a result for the reader. If one is asked for, it is
 * started again, in the way that the kernel can.
 */
static void
recv_again(struct sock *s, int res)
{
	if (s->rx != SOCK_RX_ARMED)
		return;
	if (s->flags & SOCK_RX_CANCEL)
		sock_rx_done(s, -ECANCELED, NULL);
	else if (res == -ENOBUFS)
		sock_starve(s);
	else
		recv_queue(s, true);
}

static bool
recv_has_result(struct uring_state *u, const struct sock *s, int res,
    uint32_t was)
{
	if (res == -ENOBUFS)
		return false;
	if (res == -EINVAL && (was & SOCK_MULTI) && !u->no_multi) {
		u->no_multi = true;
		return false;
	}
	/* Ours, for SOCK_ENOUGH; or for a reader that gave up. */
	return res != -ECANCELED || (s->rx == SOCK_RX_ARMED &&
	    (s->flags & SOCK_RX_CANCEL));
}

static void
on_recv(struct ring *r, struct sock *s, const struct done *cqe)
{
	bool more = cqe->flags & IORING_CQE_F_MORE;
	struct iobuf *b = NULL;
	int res = cqe->res;
	uint32_t was;

	/* On every path the buffer goes back to somebody. */
	if (cqe->flags & IORING_CQE_F_BUFFER)
		b = buffer_taken(state(r), cqe);
	if (s == NULL || (s->flags & SOCK_CLOSING) || res <= 0) {
		iobuf_put(r, b);
		b = NULL;
	}
	if (s == NULL)
		return;
	was = s->flags;
	if (!more)
		s->flags &= ~(SOCK_MULTI | SOCK_ENOUGH);
	if (was & SOCK_CLOSING) {
		if (!more)
			sock_op_done(s);
		return;
	}
	s->flags &= ~(SOCK_FRESH | SOCK_MORE);
	if (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY)
		s->flags |= SOCK_MORE;
	if (!more)
		s->inflight--;
	if (!recv_has_result(state(r), s, res, was))
		recv_again(s, res);
	else if (!(was & SOCK_MULTI) && s->rx == SOCK_RX_ARMED)
		sock_rx_done(s, res, b);
	else {
		if (more)
			doubt(state(r), s);
		ahead_keep(s, res, b);
		if (s->rx == SOCK_RX_ARMED)
			(void)ahead_give(s);
	}
}

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
		on_recv(r, s, cqe);
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

/*
 * How many buffers the kernel has: twice of what one turn lately took, so that
 * few suffice while little goes on and a burst finds enough.
 */
static void
posted_adapt(struct uring_state *u)
{
	if (u->taken > u->taken_most)
		u->taken_most = u->taken;
	if (2 * u->taken > u->posted_want)
		u->posted_want = 2 * u->taken < u->posted_limit ?
		    2 * u->taken : u->posted_limit;
	u->taken = 0;
	if (++u->window < POSTED_WINDOW)
		return;
	if (4 * u->taken_most < u->posted_want &&
	    u->posted_want / 2 >= POSTED_MIN)
		u->posted_want /= 2;
	u->window = 0;
	u->taken_most = 0;
}

static unsigned
ur_room(struct ring *r)
{
	refill(r);
	return state(r)->posted_n;
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

	posted_adapt(u);
	refill(r);
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
		sqe = sqe_get(r);
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
	.recv = ur_recv,
	.recv_now = ur_recv_now,
	.send = ur_send,
	.connect = ur_connect,
	.cancel_rx = ur_cancel_rx,
	.cancel_tx = ur_cancel_tx,
	.shutdown = ur_shutdown,
	.reset = ur_reset,
	.close = ur_close,
	.accept = ur_accept,
	.accept_pause = ur_accept_pause,
	.accept_stop = ur_accept_stop,
	.watch = ur_watch,
	.watch_stop = ur_watch_stop,
	.room = ur_room,
};
