/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving over io_uring. Parked sockets take a buffer only when bytes came,
 * from a small ring of buffers that the kernel picks from. It is refilled at
 * the end of a turn, when the fibers have given their buffers back, and holds
 * no more than lately needed, so that the same few buffers go round and stay in
 * cache.
 *
 * Receives go on by themselves (multishot) while little comes at a time, so that
 * a request costs no submission for them; what comes before it is asked for is
 * kept, a few buffers at most. One that left bytes behind is followed by a
 * single one: bodies are received when and where the reader wants them.
 */
#include "ring_uring.h"

#include "str.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POSTED_MIN	16
#define POSTED_WINDOW	1024	/* turns until it may shrink */
#define GROUP		1
/* A multishot ends after so many bytes; it may be that nobody reads them. */
#define MULTI_BYTES	(32 * 1024)
#define MULTI_BUFFERS	4
#define DOUBT_NS	(100 * NSEC_MSEC)

/* ---- Buffers with the kernel --------------------------------------------- */

void
uring_refill(struct ring *r)
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

int
uring_buffers_init(struct ring *r, const struct ring_options *o)
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
 * How many buffers the kernel has: twice of what one turn lately took, so that
 * few suffice while little goes on and a burst finds enough.
 */
void
uring_posted_adapt(struct uring_state *u)
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

unsigned
uring_room(struct ring *r)
{
	uring_refill(r);
	return state(r)->posted_n;
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
	struct io_uring_sqe *sqe = uring_sqe(s->ring);

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
	uring_op_begin(s, sqe, KIND_RECV);
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

void
uring_recv(struct sock *s, bool idle)
{
	if (!ahead_give(s) && !(s->flags & SOCK_MULTI))
		recv_queue(s, idle);
}

/* Earlier bytes may also stand in a completion that was not looked at. */
bool
uring_nothing_ahead(const struct sock *s)
{
	const struct uring_state *u = state(s->ring);

	return s->rx_more == NULL && !(s->flags & SOCK_LAST) &&
	    (!(s->flags & SOCK_MULTI) || (io_uring_cq_ready(&u->ring) == 0 &&
	    u->stash_n == 0));
}

int
uring_recv_now(struct sock *s, void *p, size_t n)
{
	size_t ahead = ahead_copy(s, p, n);
	ssize_t got;

	if (ahead > 0)
		return (int)ahead;
	if (!uring_nothing_ahead(s))
		return -EAGAIN;
	got = recv(s->fd, p, n, MSG_DONTWAIT);
	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	s->flags &= ~(SOCK_FRESH | SOCK_MORE);
	if ((size_t)got == n)
		s->flags |= SOCK_MORE;
	return (int)got;
}

/* ---- Completions ------------------------------------------------------------ */

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
			uring_cancel_rx(s);
		}
	}
}

void
uring_on_doubt(struct timer *t)
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
		uring_cancel_rx(s);
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

void
uring_on_recv(struct ring *r, struct sock *s, const struct done *cqe)
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
	if (!more && (was & SOCK_STILL) && s->fiber != NULL)
		fiber_wake(s->fiber);
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
