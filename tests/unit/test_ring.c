/* SPDX-License-Identifier: BSD-2-Clause */
/* The same conversations on every real backend of the ring. */
#include "ring.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static const enum ring_backend real[] = { RING_EPOLL, RING_URING };

static struct ring *
ring_make(enum ring_backend b, unsigned small)
{
	struct ring_options o = { .backend = b, .max_socks = 20100,
	    .max_fibers = 64, .small_buffers = small, .large_buffers = 16 };
	struct ring *r = NULL;
	const char *why;

	ck_assert_int_eq(ring_new(&o, &r, &why), 0);
	ck_assert_int_eq(ring_backend(r), b);
	return r;
}

static void
pair(int fds[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    fds), 0);
}

static struct fiber_stats
fibers(struct ring *r)
{
	struct fiber_stats st;

	fiber_stats(r, &st);
	return st;
}

static void
run_until_idle(struct ring *r)
{
	nsec_t end = clock_mono() + 20 * NSEC_SEC;

	while (fibers(r).in_use > 0) {
		ck_assert_int_eq(ring_turn(r, clock_mono() + NSEC_SEC), 0);
		ck_assert_msg(clock_mono() < end, "a fiber hangs");
	}
}

/* ---- Echo: receive, send, end of file ------------------------------------ */

struct echo { struct sock *s; int result; size_t bytes; };

static void
echo_main(struct fiber *f, void *arg)
{
	struct echo *e = arg;
	struct iobuf *b;
	int r;

	while ((r = sock_recv(f, e->s, &b)) > 0) {
		struct iovec iov[2] = { { b->data, 1 },
		    { b->data + 1, (size_t)r - 1 } };

		e->bytes += (size_t)r;
		r = sock_send(f, e->s, iov, r > 1 ? 2 : 1);
		iobuf_put(fiber_ring(f), b);
		if (r < 0)
			break;
	}
	e->result = r;
	sock_close(e->s);
}

START_TEST(echo)
{
	for (size_t i = 0; i < 2; i++) {
		struct ring *r = ring_make(real[i], 256);
		struct echo e = { .result = 99 };
		char back[64];
		int fds[2];

		pair(fds);
		e.s = sock_new(r, fds[0]);
		ck_assert_ptr_nonnull(e.s);
		ck_assert_ptr_nonnull(fiber_start(r, echo_main, &e, "echo"));
		for (int k = 0; k < 3; k++) {
			ck_assert_int_eq(write(fds[1], "hello", 5), 5);
			for (int t = 0; t < 20; t++)
				ring_turn(r, clock_mono() + NSEC_MSEC);
			ck_assert_int_eq(read(fds[1], back, sizeof(back)), 5);
			ck_assert_int_eq(memcmp(back, "hello", 5), 0);
		}
		close(fds[1]);
		run_until_idle(r);
		ck_assert_int_eq(e.result, 0);
		ck_assert_uint_eq(e.bytes, 15);
		ring_free(r);
	}
}
END_TEST

/* ---- Deadlines and cancelling ----------------------------------------------- */

static void
deadline_main(struct fiber *f, void *arg)
{
	struct echo *e = arg;
	struct iobuf *b;

	fiber_deadline(f, ring_now(fiber_ring(f)) + 30 * NSEC_MSEC);
	e->result = sock_recv(f, e->s, &b);
	/* The receive may stay armed: closing takes it back. */
	sock_close(e->s);
}

static void
into_main(struct fiber *f, void *arg)
{
	struct echo *e = arg;
	char mine[16];

	fiber_deadline(f, ring_now(fiber_ring(f)) + 30 * NSEC_MSEC);
	e->result = sock_recv_into(f, e->s, mine, sizeof(mine));
	sock_close(e->s);
}

START_TEST(deadlines)
{
	for (size_t i = 0; i < 2; i++)
		for (int into = 0; into < 2; into++) {
			struct ring *r = ring_make(real[i], 256);
			struct echo e = { .result = 99 };
			nsec_t start = clock_mono();
			struct ring_stats st;
			char c;
			int fds[2];

			pair(fds);
			e.s = sock_new(r, fds[0]);
			fiber_start(r, into ? into_main : deadline_main, &e,
			    "deadline");
			run_until_idle(r);
			ck_assert_int_eq(e.result, -ETIMEDOUT);
			ck_assert_int_ge(clock_mono() - start, 29 * NSEC_MSEC);
			ck_assert_int_lt(clock_mono() - start, 500 * NSEC_MSEC);
			for (int t = 0; t < 5; t++)
				ring_turn(r, clock_mono() + NSEC_MSEC);
			/* Closed on both sides, slot given back. */
			ck_assert_int_eq(read(fds[1], &c, 1), 0);
			ring_stats(r, &st);
			ck_assert_uint_eq(st.socks, 0);
			close(fds[1]);
			ring_free(r);
		}
}
END_TEST

START_TEST(canceled)
{
	for (size_t i = 0; i < 2; i++) {
		struct ring *r = ring_make(real[i], 256);
		struct echo e = { .result = 99 };
		struct fiber *f;
		int fds[2];

		pair(fds);
		e.s = sock_new(r, fds[0]);
		f = fiber_start(r, echo_main, &e, "echo");
		ring_turn(r, clock_mono());
		fiber_cancel(f);
		run_until_idle(r);
		ck_assert_int_eq(e.result, -ECANCELED);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

/* ---- 8 MB to a slow reader: one send, all of it ------------------------------- */

struct big { struct sock *s; char *data; size_t n; int result; };

static void
big_main(struct fiber *f, void *arg)
{
	struct big *b = arg;
	struct iovec iov[2] = { { b->data, b->n / 2 },
	    { b->data + b->n / 2, b->n - b->n / 2 } };

	b->result = sock_send(f, b->s, iov, 2);
	sock_close(b->s);
}

START_TEST(big_send)
{
	for (size_t i = 0; i < 2; i++)
		for (int vanish = 0; vanish < 2; vanish++) {
			struct ring *r = ring_make(real[i], 256);
			struct big b = { .n = 8 << 20, .result = 99 };
			size_t got = 0;
			static char in[65536];
			int fds[2];

			pair(fds);
			b.data = malloc(b.n);
			for (size_t k = 0; k < b.n; k++)
				b.data[k] = (char)(k * 31 >> 3);
			b.s = sock_new(r, fds[0]);
			fiber_start(r, big_main, &b, "big");
			while (fibers(r).in_use > 0 || got < b.n) {
				ssize_t n;

				ring_turn(r, clock_mono() + NSEC_MSEC);
				n = read(fds[1], in, sizeof(in));
				if (n == 0)
					break;
				if (n > 0)
					ck_assert_int_eq(memcmp(in,
					    b.data + got, (size_t)n), 0);
				got += n > 0 ? (size_t)n : 0;
				if (vanish && got > b.n / 4) {
					close(fds[1]);
					break;
				}
			}
			run_until_idle(r);
			if (vanish)
				ck_assert_int_lt(b.result, 0);
			else {
				ck_assert_int_eq(b.result, 0);
				ck_assert_uint_eq(got, b.n);
				close(fds[1]);
			}
			free(b.data);
			ring_free(r);
		}
}
END_TEST

/* ---- Parked sockets own nothing; starving recovers ------------------------------ */

static unsigned notified;

static void
on_parked(struct sock *s)
{
	struct iobuf *b;

	if (sock_recv_take(s, &b) > 0)
		notified++;
	iobuf_put(s->ring, b);
	sock_recv_start(s, true);
}

START_TEST(parked)
{
	enum { N = 400 };
	static int peers[N];

	for (size_t i = 0; i < 2; i++) {
		struct ring *r = ring_make(real[i], 300);
		struct ring_stats before, st;

		ring_stats(r, &before);
		notified = 0;
		for (int k = 0; k < N; k++) {
			struct sock *s;
			int fds[2];

			pair(fds);
			peers[k] = fds[1];
			s = sock_new(r, fds[0]);
			s->notify = on_parked;
			sock_recv_start(s, true);
		}
		ring_turn(r, clock_mono());
		ring_stats(r, &st);
		ck_assert_uint_eq(st.small_used, before.small_used);
		ck_assert_uint_eq(fibers(r).in_use, 0);
		for (int k = 0; k < N; k++)
			ck_assert_int_eq(write(peers[k], "x", 1), 1);
		for (int t = 0; t < 200 && notified < N; t++)
			ring_turn(r, clock_mono() + NSEC_MSEC);
		ck_assert_uint_eq(notified, N);
		for (int k = 0; k < N; k++)
			close(peers[k]);
		ring_free(r);
	}
}
END_TEST

static void
hoard_main(struct fiber *f, void *arg)
{
	struct iobuf *held[8];
	unsigned n = 0;

	(void)arg;
	/* Take all, give them back one by one. */
	while (n < 8 && (held[n] = iobuf_get(fiber_ring(f), 1)) != NULL)
		n++;
	for (; n > 0; n--) {
		fiber_sleep_until(f, ring_now(fiber_ring(f)) + 2 * NSEC_MSEC);
		iobuf_put(fiber_ring(f), held[n - 1]);
	}
}

START_TEST(starved)
{
	enum { N = 64 };
	static int peers[N];

	for (size_t i = 0; i < 2; i++) {
		struct ring *r = ring_make(real[i], 12);

		notified = 0;
		fiber_start(r, hoard_main, NULL, "hoard");
		ring_turn(r, clock_mono());
		for (int k = 0; k < N; k++) {
			struct sock *s;
			int fds[2];

			pair(fds);
			peers[k] = fds[1];
			s = sock_new(r, fds[0]);
			s->notify = on_parked;
			sock_recv_start(s, true);
			ck_assert_int_eq(write(peers[k], "x", 1), 1);
		}
		for (int t = 0; t < 2000 && notified < N; t++)
			ring_turn(r, clock_mono() + NSEC_MSEC);
		ck_assert_uint_eq(notified, N);
		run_until_idle(r);
		for (int k = 0; k < N; k++)
			close(peers[k]);
		ring_free(r);
	}
}
END_TEST

/* ---- Accept, connect, close with a receive in flight ------------------------------ */

struct server { struct ring *r; unsigned accepted; struct sock *last; };

static void
on_accept(void *arg, int fd)
{
	struct server *sv = arg;

	ck_assert_int_ge(fd, 0);
	sv->accepted++;
	sv->last = sock_new(sv->r, fd);
	sock_recv_start(sv->last, true);
}

static void
connect_main(struct fiber *f, void *arg)
{
	struct sockaddr_in *sa = arg;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sock *s = sock_new(fiber_ring(f), fd);

	sa->sin_zero[0] = (unsigned char)-sock_connect(f, s, (void *)sa,
	    sizeof(*sa));
	sock_close(s);
}

START_TEST(accept_connect)
{
	for (size_t i = 0; i < 2; i++) {
		struct ring *r = ring_make(real[i], 256);
		struct server sv = { .r = r };
		struct sockaddr_in sa = { .sin_family = AF_INET,
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t n = sizeof(sa);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct acceptor *a;
		int gone;

		ck_assert_int_eq(bind(fd, (void *)&sa, sizeof(sa)), 0);
		ck_assert_int_eq(listen(fd, 64), 0);
		getsockname(fd, (void *)&sa, &n);
		a = acceptor_start(r, fd, on_accept, &sv);
		for (unsigned k = 1; k <= 20; k++) {
			fiber_start(r, connect_main, &sa, "connect");
			run_until_idle(r);
			ck_assert_int_eq(sa.sin_zero[0], 0);
			for (int t = 0; t < 50 && sv.accepted < k; t++)
				ring_turn(r, clock_mono() + NSEC_MSEC);
			ck_assert_uint_eq(sv.accepted, k);
			gone = sv.last->fd;
			sock_close(sv.last);	/* a receive is in flight */
			for (int t = 0; t < 3; t++)
				ring_turn(r, clock_mono() + NSEC_MSEC);
			ck_assert_int_lt(fcntl(gone, F_GETFD), 0);
		}
		acceptor_stop(a);
		close(fd);
		fiber_start(r, connect_main, &sa, "refused");
		run_until_idle(r);
		ck_assert_int_eq(sa.sin_zero[0], ECONNREFUSED);
		ring_free(r);
	}
}
END_TEST

/* ---- Watch, timers, pool of fibers ------------------------------------------------- */

static int watched_fd;
static unsigned watched;

static void
on_watch(void *arg)
{
	char c[8];

	(void)arg;
	watched++;
	(void)!read(watched_fd, c, sizeof(c));
}

START_TEST(watching)
{
	for (size_t i = 0; i < 2; i++) {
		struct ring *r = ring_make(real[i], 256);
		struct watch *w;
		int fds[2];

		pair(fds);
		watched_fd = fds[0];
		watched = 0;
		w = watch_start(r, fds[0], on_watch, NULL);
		for (unsigned k = 1; k <= 3; k++) {
			ck_assert_int_eq(write(fds[1], "x", 1), 1);
			for (int t = 0; t < 20 && watched < k; t++)
				ring_turn(r, clock_mono() + NSEC_MSEC);
			ck_assert_uint_eq(watched, k);
		}
		watch_stop(w);
		close(fds[0]);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

enum { TIMERS = 500 };
struct clockwork { struct timer t; nsec_t want, got; struct ring *r; };
static struct clockwork works[TIMERS];
static unsigned fired;

static void
on_timer(struct timer *t)
{
	struct clockwork *c = (struct clockwork *)(void *)t;

	ck_assert_int_eq(c->got, 0);
	c->got = ring_now(c->r);
	fired++;
}

START_TEST(timers)
{
	struct ring *r = ring_make(RING_EPOLL, 64);
	nsec_t start = ring_now(r);

	fired = 0;
	for (unsigned i = 0; i < TIMERS; i++) {
		works[i] = (struct clockwork){ .t.fn = on_timer, .r = r,
		    .want = start + (nsec_t)((i * 7919) % 900) * NSEC_MSEC };
		timer_set(r, &works[i].t, start + 3600 * NSEC_SEC);
		timer_set(r, &works[i].t, works[i].want);
	}
	for (unsigned i = 0; i < TIMERS; i += 10)
		timer_stop(r, &works[i].t);
	while (fired < TIMERS - TIMERS / 10) {
		ring_turn(r, NSEC_NEVER);
		ck_assert_int_lt(clock_mono() - start, 3 * NSEC_SEC);
	}
	for (unsigned i = 0; i < TIMERS; i++) {
		if (i % 10 == 0) {
			ck_assert_int_eq(works[i].got, 0);
			continue;
		}
		ck_assert_int_ge(works[i].got, works[i].want);
		ck_assert_int_le(works[i].got, works[i].want + 60 * NSEC_MSEC);
	}
	ring_free(r);
}
END_TEST

static void
deep_main(struct fiber *f, void *arg)
{
	volatile char big[3000];

	memset((void *)(uintptr_t)big, 1, sizeof(big));
	*(unsigned *)arg += big[5] == 1;
	fiber_sleep_until(f, ring_now(fiber_ring(f)) + 5 * NSEC_MSEC);
	*(unsigned *)arg += (uintptr_t)__builtin_frame_address(0) % 16 == 0;
}

START_TEST(fiber_pool)
{
	struct ring *r = ring_make(RING_EPOLL, 64);
	unsigned done = 0, made = 0;

	for (int round = 0; round < 3; round++) {
		made = 0;
		while (fiber_start(r, deep_main, &done, "deep") != NULL)
			made++;
		ck_assert_uint_eq(made, 64);
		run_until_idle(r);
	}
	ck_assert_uint_eq(done, 2 * 3 * 64);
	ck_assert_uint_eq(fibers(r).most_in_use, 64);
	ring_free(r);
}
END_TEST

UNIT_MAIN("ring", echo, deadlines, canceled, big_send, parked, starved,
    accept_connect, watching, timers, fiber_pool)
