/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated ring; see ring_sim.h. Linked into every worker, chosen only by
 * tests: conversations run on exactly the code that real sockets use. */
#include "ring_sim.h"
#include "ring_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIM_MAX		4096
#define SIM_FD		100000		/* no descriptor of this process */
#define TURN_NS		1000		/* a turn takes a microsecond */
#define ACCEPTS_MAX	64

struct sim_fd {
	uint8_t *rx, *tx;		/* tx: kept for the test */
	size_t rx_n, rx_off, tx_n, rx_piece, tx_room;
	int rx_err, connect_res;
	int accepts[ACCEPTS_MAX];
	unsigned accepts_n, readable;
	bool open, ended, failed, shut, reset;
	struct sock *s;
};

struct sim {
	struct sim_fd *fds[SIM_MAX];
	unsigned n;
	uint64_t seed, random;
};

static struct sim_fd *
sim_at(const struct ring *r, int fd)
{
	struct sim *m = r->backend;

	assert(fd >= SIM_FD && (unsigned)(fd - SIM_FD) < m->n);
	return m->fds[fd - SIM_FD];
}

static void *
grow(void *p, size_t n)
{
	void *q = realloc(p, n > 0 ? n : 1);

	assert(q != NULL);
	return q;
}

/* xorshift64: any sequence does, as long as it repeats. */
static unsigned
sim_random(struct sim *m, unsigned below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (unsigned)(m->random >> 33) % below;
}

/* ---- The test's side ------------------------------------------------------ */

int
sim_open(struct ring *r)
{
	struct sim *m = r->backend;
	struct sim_fd *x = calloc(1, sizeof(*x));

	assert(x != NULL && m->n < SIM_MAX);
	x->open = true;
	x->tx_room = SIZE_MAX;
	m->fds[m->n] = x;
	return SIM_FD + (int)m->n++;
}

bool
sim_closed(const struct ring *r, int fd)
{
	return !sim_at(r, fd)->open;
}

void
sim_peer_sends(struct ring *r, int fd, const void *p, size_t n)
{
	struct sim_fd *x = sim_at(r, fd);

	x->rx = grow(x->rx, x->rx_n + n);
	memcpy(x->rx + x->rx_n, p, n);
	x->rx_n += n;
}

void
sim_peer_ends(struct ring *r, int fd)
{
	sim_at(r, fd)->ended = true;
}

void
sim_peer_resets(struct ring *r, int fd, int err)
{
	struct sim_fd *x = sim_at(r, fd);

	x->failed = true;
	x->rx_err = err;
}

void
sim_rx_pieces(struct ring *r, int fd, size_t n)
{
	sim_at(r, fd)->rx_piece = n;
}

void
sim_tx_room(struct ring *r, int fd, size_t n)
{
	sim_at(r, fd)->tx_room = n;
}

size_t
sim_sent(const struct ring *r, int fd, const void **ret_p)
{
	const struct sim_fd *x = sim_at(r, fd);

	if (ret_p != NULL)
		*ret_p = x->tx;
	return x->tx_n;
}

bool
sim_shut(const struct ring *r, int fd)
{
	return sim_at(r, fd)->shut;
}

bool
sim_was_reset(const struct ring *r, int fd)
{
	return sim_at(r, fd)->reset;
}

void
sim_connects(struct ring *r, int fd, int res)
{
	sim_at(r, fd)->connect_res = res;
}

void
sim_accepts(struct ring *r, int listener, int fd_or_err)
{
	struct sim_fd *x = sim_at(r, listener);

	assert(x->accepts_n < ACCEPTS_MAX);
	x->accepts[x->accepts_n++] = fd_or_err;
}

void
sim_readable(struct ring *r, int fd)
{
	sim_at(r, fd)->readable++;
}

void
sim_seed(struct ring *r, uint64_t seed)
{
	struct sim *m = r->backend;

	m->seed = m->random = seed;
}

/* ---- The ring's side ---------------------------------------------------------- */

static int
sim_init(struct ring *r, const struct ring_options *o)
{
	struct sim *m = calloc(1, sizeof(*m));

	(void)o;
	if (m == NULL)
		return -ENOMEM;
	r->backend = m;
	r->now = 1000 * NSEC_SEC;
	return 0;
}

static void
sim_fini(struct ring *r)
{
	struct sim *m = r->backend;

	for (unsigned i = 0; i < m->n; i++) {
		free(m->fds[i]->rx);
		free(m->fds[i]->tx);
		free(m->fds[i]);
	}
	free(m);
	r->backend = NULL;
}

/* Whole, or with a seed any part of it. */
static size_t
part(struct sim *m, size_t n)
{
	if (m->seed == 0 || n <= 1 || sim_random(m, 2) == 0)
		return n;
	return 1 + sim_random(m, n < 65536 ? (unsigned)n : 65536);
}

static bool
sim_rx(struct sim *m, struct sim_fd *x)
{
	struct sock *s = x->s;
	size_t have = x->rx_n - x->rx_off, n;
	struct iobuf *b = NULL;
	uint8_t *to = s->into;

	if (have == 0 && !x->ended && !x->failed)
		return false;
	if (have == 0) {
		sock_rx_done(s, x->failed ? -x->rx_err : 0, NULL);
		return true;
	}
	n = s->into_n;
	if (s->flags & SOCK_RX_POOL) {
		if ((b = iobuf_get(s->ring, IOBUF_SMALL)) == NULL) {
			sock_starve(s);
			return true;
		}
		to = b->data;
		n = b->cap;
	}
	if (n > have)
		n = have;
	if (x->rx_piece != 0 && n > x->rx_piece)
		n = x->rx_piece;
	n = part(m, n);
	memcpy(to, x->rx + x->rx_off, n);
	x->rx_off += n;
	if (b != NULL)
		b->tail = (uint32_t)n;
	sock_rx_done(s, (int)n, b);
	return true;
}

static bool
sim_tx(struct sim *m, struct sim_fd *x)
{
	struct sock *s = x->s;
	size_t n = s->tx_iov->iov_len;

	if (x->failed || x->shut) {
		sock_tx_done(s, x->failed ? -x->rx_err : -EPIPE);
		return true;
	}
	if (n > x->tx_room)
		n = x->tx_room;
	if (n == 0)
		return false;
	n = part(m, n);
	x->tx = grow(x->tx, x->tx_n + n);
	memcpy(x->tx + x->tx_n, s->tx_iov->iov_base, n);
	x->tx_n += n;
	if (x->tx_room != SIZE_MAX)
		x->tx_room -= n;
	if (!sock_tx_advance(s, n))
		sock_tx_done(s, 0);
	return true;
}

/* Moves what can move on one descriptor. True when something did. */
static bool
sim_step(struct sim *m, struct sim_fd *x)
{
	struct sock *s = x->s;
	bool any = false;

	if (s == NULL)
		return false;
	if (s->tx == SOCK_TX_BUSY && (s->flags & SOCK_CONNECTING)) {
		if (x->connect_res != -EINPROGRESS) {
			sock_tx_done(s, x->connect_res);
			any = true;
		}
	} else if (s->tx == SOCK_TX_BUSY)
		any = sim_tx(m, x);
	if (s->rx == SOCK_RX_ARMED && !(s->flags & SOCK_STARVED))
		any |= sim_rx(m, x);
	return any;
}

static bool
sim_accept_one(struct ring *r, struct acceptor *a)
{
	struct sim_fd *x = sim_at(r, a->fd);
	int fd;

	if (!a->armed || x->accepts_n == 0)
		return false;
	fd = x->accepts[0];
	memmove(x->accepts, x->accepts + 1, --x->accepts_n * sizeof(fd));
	if (fd < 0)
		a->armed = false;
	acceptor_result(a, fd);
	return true;
}

static bool
sim_others(struct ring *r)
{
	bool any = false;

	for (struct acceptor *a = r->acceptors, *next; a != NULL; a = next) {
		next = a->next;
		any |= sim_accept_one(r, a);
	}
	for (struct watch *w = r->watches, *next; w != NULL; w = next) {
		struct sim_fd *x = sim_at(r, w->fd);

		next = w->next;
		if (w->armed && x->readable > 0) {
			x->readable--;
			w->fn(w->arg);
			any = true;
		}
	}
	return any;
}

/* One look at the world; with a seed from anywhere, passing over some. */
static int
sim_wait(struct ring *r, nsec_t timeout)
{
	struct sim *m = r->backend;
	unsigned from = 0;
	bool any = false, passed = false;

	if (m->seed != 0 && m->n > 0)
		from = sim_random(m, m->n);
	for (unsigned i = 0; i < m->n; i++) {
		if (m->seed != 0 && sim_random(m, 4) == 0) {
			passed = true;
			continue;
		}
		if (sim_step(m, m->fds[(from + i) % m->n])) {
			r->stats.completions++;
			any = true;
		}
	}
	any |= sim_others(r);
	if (any || passed)
		r->now += TURN_NS;
	else if (timeout != NSEC_NEVER && timeout > 0)
		r->now += timeout;
	return 0;
}

static void
sim_sock_add(struct sock *s)
{
	sim_at(s->ring, s->fd)->s = s;
}

static void
sim_recv(struct sock *s, bool idle)
{
	(void)s;
	(void)idle;
}

static int
sim_recv_now(struct sock *s, void *p, size_t n)
{
	struct sim *m = s->ring->backend;
	struct sim_fd *x = sim_at(s->ring, s->fd);
	size_t have = x->rx_n - x->rx_off;

	if (have == 0)
		return x->failed ? -x->rx_err : x->ended ? 0 : -EAGAIN;
	if (n > have)
		n = have;
	if (x->rx_piece != 0 && n > x->rx_piece)
		n = x->rx_piece;
	n = part(m, n);
	memcpy(p, x->rx + x->rx_off, n);
	x->rx_off += n;
	return (int)n;
}

static void
sim_send(struct sock *s)
{
	(void)s;
}

static void
sim_connect(struct sock *s, const struct sockaddr *sa, socklen_t n)
{
	(void)s;
	(void)sa;
	(void)n;
}

static void
sim_cancel_rx(struct sock *s)
{
	sock_rx_done(s, -ECANCELED, NULL);
}

static void
sim_cancel_tx(struct sock *s)
{
	sock_tx_done(s, -ECANCELED);
}

static void
sim_shutdown(struct sock *s)
{
	sim_at(s->ring, s->fd)->shut = true;
}

static void
sim_reset(struct sock *s)
{
	sim_at(s->ring, s->fd)->reset = true;
}

static void
sim_close(struct ring *r, int fd)
{
	struct sim_fd *x;

	if (r->backend == NULL)
		return;
	x = sim_at(r, fd);
	x->open = false;
	x->s = NULL;
}

static void
sim_accept(struct acceptor *a)
{
	a->armed = true;
}

static void
sim_accept_stop(struct acceptor *a)
{
	a->armed = false;
}

static void
sim_watch(struct watch *w)
{
	w->armed = true;
}

static void
sim_watch_stop(struct watch *w)
{
	w->armed = false;
}

static unsigned
sim_room(struct ring *r)
{
	return iobuf_small_left(r);
}

const struct ring_ops ring_sim_ops = {
	.backend = RING_SIM,
	.init = sim_init,
	.fini = sim_fini,
	.wait = sim_wait,
	.sock_add = sim_sock_add,
	.recv = sim_recv,
	.recv_now = sim_recv_now,
	.send = sim_send,
	.connect = sim_connect,
	.cancel_rx = sim_cancel_rx,
	.cancel_tx = sim_cancel_tx,
	.shutdown = sim_shutdown,
	.reset = sim_reset,
	.close = sim_close,
	.accept = sim_accept,
	.accept_pause = sim_accept_stop,
	.accept_stop = sim_accept_stop,
	.watch = sim_watch,
	.watch_stop = sim_watch_stop,
	.room = sim_room,
};
