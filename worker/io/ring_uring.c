/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring over io_uring: one io_uring_enter(2) per turn submits what fibers
 * started and reaps what completed. Parked receives take their buffer from a
 * small ring of buffers that the kernel picks from; as they are refilled from
 * the top of the free list, the working set stays in cache.
 *
 * Completions carry kind, generation and slot, never a pointer. A completion of
 * a closed socket finds SOCK_CLOSING and only counts down (U-03, U-04).
 */
#include "ring_impl.h"

#include "log.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SQ_ENTRIES	512
#define CQ_ENTRIES	16384
#define POSTED		128	/* buffers with the kernel; power of two */
#define GROUP		1

enum { KIND_RECV = 1, KIND_RECV_INTO, KIND_SEND, KIND_CONNECT, KIND_ACCEPT,
    KIND_WATCH, KIND_CANCEL };

/* Lives until submission only, so one per entry of the submission queue. */
struct sqe_extra {
	union {
		struct msghdr msg;
		struct sockaddr_storage sa;
	};
};

struct uring_state {
	struct io_uring ring;
	struct io_uring_buf_ring *br;
	size_t br_bytes;
	struct iobuf *posted[POSTED];		/* by buffer id */
	unsigned missing;			/* ids without a buffer */
	uint16_t missing_ids[POSTED];
	struct sqe_extra extra[SQ_ENTRIES];
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
	IORING_SETUP_COOP_TASKRUN,
	0,
};

static int
queue_init(struct uring_state *u)
{
	int err = -EINVAL;

	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		struct io_uring_params p = {
			.flags = setups[i] | IORING_SETUP_SUBMIT_ALL |
			    IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
			    IORING_SETUP_R_DISABLED,
			.cq_entries = CQ_ENTRIES,
		};

		err = io_uring_queue_init_params(SQ_ENTRIES, &u->ring, &p);
		if (err == 0 && !(p.features & IORING_FEAT_EXT_ARG)) {
			io_uring_queue_exit(&u->ring);
			return -EINVAL;
		}
		if (err != -EINVAL)
			return err;
	}
	return err;
}

/* liburing 2.3 declares helpers for these two but does not export them. */
static int
ring_register(struct uring_state *u, unsigned op, void *arg, unsigned n)
{
	return syscall(__NR_io_uring_register, u->ring.ring_fd, op, arg, n) < 0 ?
	    -errno : 0;
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
	struct io_uring_restriction res[ARRAY_SIZE(ops) + 2];
	unsigned n = 0;

	memset(res, 0, sizeof(res));
	for (; n < ARRAY_SIZE(ops); n++) {
		res[n].opcode = IORING_RESTRICTION_SQE_OP;
		res[n].sqe_op = ops[n];
	}
	res[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[n++].sqe_flags = IOSQE_BUFFER_SELECT;
	return ring_register(u, IORING_REGISTER_RESTRICTIONS, res, n);
}

static void
post(struct uring_state *u, unsigned id, struct iobuf *b)
{
	u->posted[id] = b;
	io_uring_buf_ring_add(u->br, b->data, b->cap, (unsigned short)id,
	    io_uring_buf_ring_mask(POSTED), 0);
	io_uring_buf_ring_advance(u->br, 1);
}

static bool
refill(struct ring *r)
{
	struct uring_state *u = state(r);
	struct iobuf *b;

	while (u->missing > 0 && (b = iobuf_get(r, IOBUF_SMALL)) != NULL)
		post(u, u->missing_ids[--u->missing], b);
	return u->missing < POSTED;
}

static int
buffers_init(struct ring *r)
{
	struct uring_state *u = state(r);
	struct io_uring_buf_reg reg = { .ring_entries = POSTED,
	    .bgid = GROUP };
	void *mem;
	int err;

	u->br_bytes = POSTED * sizeof(struct io_uring_buf);
	if (posix_memalign(&mem, 4096, u->br_bytes) != 0)
		return -ENOMEM;
	memset(mem, 0, u->br_bytes);
	u->br = mem;
	reg.ring_addr = (uint64_t)(uintptr_t)mem;
	if ((err = io_uring_register_buf_ring(&u->ring, &reg, 0)) < 0)
		return err;
	io_uring_buf_ring_init(u->br);
	for (unsigned i = 0; i < POSTED; i++)
		u->missing_ids[u->missing++] = (uint16_t)(POSTED - 1 - i);
	return 0;
}

static void
ur_fini(struct ring *r)
{
	struct uring_state *u = state(r);

	/* Leaving the ring first: the kernel lets go of every buffer. */
	io_uring_queue_exit(&u->ring);
	for (unsigned i = 0; i < POSTED; i++)
		iobuf_put(r, u->posted[i]);
	free(u->br);
	free(u);
}

static int
ur_init(struct ring *r, const struct ring_options *o)
{
	struct uring_state *u = calloc(1, sizeof(*u));
	unsigned workers[2] = { 2, 2 };
	int err;

	(void)o;
	if (u == NULL)
		return -ENOMEM;
	r->backend = u;
	if ((err = queue_init(u)) < 0) {
		free(u);
		return err;
	}
	(void)io_uring_register_iowq_max_workers(&u->ring, workers);
	if ((err = buffers_init(r)) < 0 || (err = restrict_ring(u)) < 0 ||
	    (err = ring_register(u, IORING_REGISTER_ENABLE_RINGS, NULL,
	    0)) < 0) {
		ur_fini(r);
		return err;
	}
	(void)refill(r);
	return 0;
}

/* ---- Operations ------------------------------------------------------------- */

/*
 * Never fails: a full queue is submitted first. With SUBMIT_ALL and a queue
 * that is read synchronously by enter, room is there afterwards.
 */
static struct io_uring_sqe *
sqe_get(struct ring *r)
{
	struct uring_state *u = state(r);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	for (unsigned tries = 0; sqe == NULL && tries < 1000; tries++) {
		int err = io_uring_submit(&u->ring);

		if (err < 0 && err != -EAGAIN && err != -EBUSY &&
		    err != -EINTR)
			break;
		sqe = io_uring_get_sqe(&u->ring);
	}
	assert(sqe != NULL);
	return sqe;
}

static struct sqe_extra *
sqe_extra(struct ring *r, const struct io_uring_sqe *sqe)
{
	struct uring_state *u = state(r);

	return &u->extra[sqe - u->ring.sq.sqes];
}

static void
ur_recv(struct sock *s, bool idle)
{
	struct io_uring_sqe *sqe = sqe_get(s->ring);

	io_uring_prep_recv(sqe, s->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	/* Known to be empty: a first try would be wasted (POLL_FIRST). */
	if (idle)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->user_data = tag(KIND_RECV, s->gen, s->slot);
	s->inflight++;
}

static void
ur_feed(struct sock *s)
{
	s->inflight--;
	ur_recv(s, true);
}

static void
ur_recv_into(struct sock *s, void *p, size_t n)
{
	struct io_uring_sqe *sqe = sqe_get(s->ring);

	io_uring_prep_recv(sqe, s->fd, p, n, 0);
	sqe->user_data = tag(KIND_RECV_INTO, s->gen, s->slot);
	s->inflight++;
}

static void
ur_send(struct sock *s, struct iovec *iov, unsigned n)
{
	struct io_uring_sqe *sqe = sqe_get(s->ring);
	const int flags = MSG_WAITALL | MSG_NOSIGNAL;
	size_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (n == 1)
		io_uring_prep_send(sqe, s->fd, iov->iov_base, iov->iov_len,
		    flags);
	else {
		struct msghdr *msg = &sqe_extra(s->ring, sqe)->msg;

		*msg = (struct msghdr){ .msg_iov = iov, .msg_iovlen = n };
		io_uring_prep_sendmsg(sqe, s->fd, msg, (unsigned)flags);
	}
	s->tx_n = (uint32_t)total;
	sqe->user_data = tag(KIND_SEND, s->gen, s->slot);
	s->inflight++;
}

static void
ur_connect(struct sock *s, const struct sockaddr *sa, socklen_t n)
{
	struct io_uring_sqe *sqe = sqe_get(s->ring);
	struct sqe_extra *e = sqe_extra(s->ring, sqe);

	assert(n <= sizeof(e->sa));
	memcpy(&e->sa, sa, n);
	io_uring_prep_connect(sqe, s->fd, (const struct sockaddr *)&e->sa, n);
	sqe->user_data = tag(KIND_CONNECT, s->gen, s->slot);
	s->inflight++;
}

static void
cancel_tag(struct ring *r, uint64_t user_data)
{
	struct io_uring_sqe *sqe = sqe_get(r);

	io_uring_prep_cancel64(sqe, user_data, 0);
	sqe->user_data = tag(KIND_CANCEL, 0, 0);
}

static void
ur_cancel(struct sock *s)
{
	if (s->tx == SOCK_TX_BUSY)
		cancel_tag(s->ring, tag(s->flags & SOCK_CONNECTING ?
		    KIND_CONNECT : KIND_SEND, s->gen, s->slot));
	if (s->flags & SOCK_STARVED) {	/* not with the kernel at all */
		s->flags &= (uint8_t)~SOCK_STARVED;
		s->ring->starved--;
		sock_op_done(s);	/* last: may free the slot */
	} else if (s->rx == SOCK_RX_ARMED)
		cancel_tag(s->ring, tag(s->flags & SOCK_RX_POOL ? KIND_RECV :
		    KIND_RECV_INTO, s->gen, s->slot));
}

static int
ur_sock_add(struct sock *s)
{
	(void)s;
	return 0;
}

static void
ur_accept(struct acceptor *a)
{
	struct io_uring_sqe *sqe = sqe_get(a->ring);

	io_uring_prep_multishot_accept(sqe, a->fd, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	sqe->user_data = tag(KIND_ACCEPT, 0, a->id);
	a->armed = true;
}

static int reap(struct ring *r);

/* Cancels and serves what was accepted meanwhile (U-06). */
static void
ur_accept_stop(struct acceptor *a)
{
	struct ring *r = a->ring;

	if (!a->armed)
		return;
	cancel_tag(r, tag(KIND_ACCEPT, 0, a->id));
	for (unsigned i = 0; a->armed && i < 1000; i++) {
		(void)io_uring_submit_and_get_events(&state(r)->ring);
		(void)reap(r);
	}
}

static void
ur_watch(struct watch *w)
{
	struct io_uring_sqe *sqe = sqe_get(w->ring);

	io_uring_prep_poll_add(sqe, w->fd, POLLIN);
	sqe->user_data = tag(KIND_WATCH, 0, w->id);
	w->armed = true;
}

static void
ur_watch_stop(struct watch *w)
{
	if (w->armed)
		cancel_tag(w->ring, tag(KIND_WATCH, 0, w->id));
}

/* ---- Completions --------------------------------------------------------------- */

static struct iobuf *
buffer_taken(struct ring *r, const struct io_uring_cqe *cqe)
{
	struct uring_state *u = state(r);
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	struct iobuf *b, *fresh;

	assert(id < POSTED && u->posted[id] != NULL);
	b = u->posted[id];
	u->posted[id] = NULL;
	b->head = 0;
	b->tail = cqe->res > 0 ? (uint32_t)cqe->res : 0;
	if ((fresh = iobuf_get(r, IOBUF_SMALL)) != NULL)
		post(u, id, fresh);
	else
		u->missing_ids[u->missing++] = (uint16_t)id;
	return b;
}

static void
on_recv(struct ring *r, struct sock *s, const struct io_uring_cqe *cqe)
{
	struct iobuf *b = NULL;

	if (cqe->flags & IORING_CQE_F_BUFFER)
		b = buffer_taken(r, cqe);
	if (s == NULL || (s->flags & SOCK_CLOSING) || cqe->res <= 0) {
		iobuf_put(r, b);
		b = NULL;
	}
	if (s == NULL)
		return;
	if (cqe->res == -ENOBUFS && !(s->flags & SOCK_CLOSING)) {
		sock_starve(s);		/* stays in flight until it is fed */
		return;
	}
	s->rx = SOCK_RX_READY;
	s->rx_res = cqe->res;
	s->rx_buf = b;
	sock_event(s);
	sock_op_done(s);
}

static void
on_send(struct sock *s, const struct io_uring_cqe *cqe)
{
	/* Short despite WAITALL: the peer is gone, the error comes later. */
	s->tx_res = cqe->res < 0 ? cqe->res :
	    (s->flags & SOCK_CONNECTING) || (uint32_t)cqe->res == s->tx_n ?
	    0 : -EPIPE;
	s->tx = SOCK_TX_DONE;
	sock_event(s);
	sock_op_done(s);
}

static void
on_accept(struct ring *r, uint32_t id, const struct io_uring_cqe *cqe)
{
	struct acceptor *a = r->acceptors;
	bool more = cqe->flags & IORING_CQE_F_MORE;

	while (a != NULL && a->id != id)
		a = a->next;
	if (a == NULL) {
		if (cqe->res >= 0)
			close(cqe->res);
		return;
	}
	if (!more)
		a->armed = false;
	if (cqe->res >= 0)
		a->fn(a->arg, cqe->res);
	else if (cqe->res != -ECANCELED && cqe->res != -EAGAIN &&
	    cqe->res != -ECONNABORTED && cqe->res != -EINTR) {
		if (!more)
			acceptor_retry(a);
		a->fn(a->arg, cqe->res);
		return;
	}
	if (!more && !a->stopped && !a->paused && cqe->res != -ECANCELED)
		ur_accept(a);
}

static void
on_watch(struct ring *r, uint32_t id)
{
	for (struct watch *w = r->watches; w != NULL; w = w->next)
		if (w->id == id) {
			w->armed = false;
			ur_watch(w);
			w->fn(w->arg);	/* last: it may stop the watch */
			return;
		}
}

static void
complete(struct ring *r, const struct io_uring_cqe *cqe)
{
	uint64_t t = cqe->user_data;
	uint32_t id = (uint32_t)t;
	struct sock *s = NULL;
	unsigned kind = (unsigned)(t >> 56);

	if (kind <= KIND_CONNECT)
		s = sock_by_slot(r, id, (t >> 32) & 0xffffff);
	switch (kind) {
	case KIND_RECV:
	case KIND_RECV_INTO:
		on_recv(r, s, cqe);
		break;
	case KIND_SEND:
	case KIND_CONNECT:
		if (s != NULL)
			on_send(s, cqe);
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

/* One at a time: a callback may stop an acceptor, which reaps as well. */
static int
reap(struct ring *r)
{
	struct uring_state *u = state(r);
	unsigned n = io_uring_cq_ready(&u->ring);

	for (unsigned i = 0; i < n && io_uring_cq_ready(&u->ring) > 0; i++) {
		struct io_uring_cqe *cqe, copy;

		if (io_uring_peek_cqe(&u->ring, &cqe) < 0)
			break;
		copy = *cqe;
		io_uring_cqe_seen(&u->ring, cqe);
		complete(r, &copy);
	}
	r->stats.completions += n;
	return (int)n;
}

static int
ur_wait(struct ring *r, nsec_t timeout)
{
	struct uring_state *u = state(r);
	struct __kernel_timespec ts = { .tv_sec = timeout / NSEC_SEC,
	    .tv_nsec = timeout % NSEC_SEC };
	struct io_uring_cqe *cqe;
	int err;

	if (timeout == 0)
		err = io_uring_submit_and_get_events(&u->ring);
	else
		err = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1,
		    timeout == NSEC_NEVER ? NULL : &ts, NULL);
	r->now = clock_mono();
	if (*u->ring.sq.kflags & IORING_SQ_CQ_OVERFLOW)
		r->stats.overflows++;	/* kept by the kernel: reap goes on */
	(void)reap(r);
	if (err < 0 && err != -ETIME && err != -EINTR && err != -EAGAIN &&
	    err != -EBUSY)
		return err;		/* -EBADR: a completion was lost (S-112) */
	return 0;
}

const struct ring_ops ring_uring_ops = {
	.backend = RING_URING,
	.init = ur_init,
	.fini = ur_fini,
	.wait = ur_wait,
	.sock_add = ur_sock_add,
	.recv = ur_recv,
	.recv_into = ur_recv_into,
	.send = ur_send,
	.connect = ur_connect,
	.cancel = ur_cancel,
	.accept = ur_accept,
	.accept_stop = ur_accept_stop,
	.watch = ur_watch,
	.watch_stop = ur_watch_stop,
	.feed = ur_feed,
	.refill = refill,
};
