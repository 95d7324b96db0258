/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traps of io_uring and epoll, each with a test: multishot that ends,
 * buffers lost or exhausted, late completions, full queues, signals, forbidden
 * system calls, descriptors that run out.
 */
#include "io_test.h"

#include <dirent.h>
#include <liburing.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

/* ---- Buffers ----------------------------------------------------------- */

static unsigned notified, ended;
static size_t received;

static void
on_bytes(struct sock *s)
{
	struct iobuf *b;
	int r = sock_recv_take(s, &b);

	if (r <= 0) {
		/* No buffer comes with an end or an error. */
		ck_assert_ptr_eq(b, NULL);
		ended++;
		sock_close(s);
		return;
	}
	ck_assert_uint_eq(iobuf_len(b), (size_t)r);
	notified++;
	received += (size_t)r;
	iobuf_put(s->ring, b);
	sock_recv_start(s, true);
}

/* Ends of file, resets and closes under data cost no buffer in the long run. */
START_TEST(no_buffer_is_lost)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 64, 40);
		unsigned before = stats(r).small_used;
		int fds[2];

		for (int i = 0; i < 400; i++) {
			struct linger hard = { 1, 0 };
			struct sock *s;

			if (i % 2 == 0)
				pair(fds);
			else
				tcp_pair(fds);
			s = sock_new(r, fds[0]);
			ck_assert_ptr_nonnull(s);
			s->notify = on_bytes;
			sock_recv_start(s, i % 3 == 0);
			if (i % 4 != 0)
				(void)!write(fds[1], "data", 4);
			if (i % 5 == 0)
				turns(r, 1);
			if (i % 8 == 1)
				setsockopt(fds[1], SOL_SOCKET, SO_LINGER,
				    &hard, sizeof(hard));
			if (i % 2 == 0 || s->notify != on_bytes) {
				close(fds[1]);
				turns(r, 2);
				continue;
			}
			/* Ours first, with bytes on their way. */
			if (i % 7 == 0)
				sock_close(s);
			close(fds[1]);
			turns(r, 2);
		}
		turn_until(r, stats(r).socks == 0);
		assert_empty(r, before);
		ring_free(r);
	}
}
END_TEST

/* Takes all buffers, gives them back one by one. */
static void
hoard_main(struct fiber *f, void *arg)
{
	struct iobuf *held[64];
	struct ring *r = fiber_ring(f);
	unsigned n = 0;

	while (n < 64 && (held[n] = iobuf_get(r, 1)) != NULL)
		n++;
	*(unsigned *)arg = n;
	fiber_sleep_until(f, ring_now(r) + 50 * NSEC_MSEC);
	for (; n > 0; n--) {
		fiber_sleep_until(f, ring_now(r) + 2 * NSEC_MSEC);
		iobuf_put(r, held[n - 1]);
	}
}

/* Many receives, few buffers: all are served, in order, without spinning. */
START_TEST(starving_recovers)
{
	enum { N = 64 };
	static int peers[N];

	FOR_REAL(b) {
		struct ring *r = ring_make(b, N, 12);
		unsigned hoarded = 0;
		uint64_t before;

		notified = ended = 0;
		fiber_start(r, hoard_main, &hoarded, "hoard");
		turns(r, 1);
		ck_assert_uint_gt(hoarded, 4);
		for (int k = 0; k < N; k++) {
			struct sock *s;
			int fds[2];

			pair(fds);
			peers[k] = fds[1];
			s = sock_new(r, fds[0]);
			s->notify = on_bytes;
			sock_recv_start(s, true);
			ck_assert_int_eq(write(peers[k], "x", 1), 1);
		}
		turn_until(r, notified == N);
		ck_assert(b == RING_URING || stats(r).enobufs > 0);
		run_until_idle(r);
		/* Quiet again. */
		before = stats(r).turns;
		ring_turn(r, clock_mono() + 30 * NSEC_MSEC);
		ring_turn(r, clock_mono() + 30 * NSEC_MSEC);
		ck_assert_uint_eq(stats(r).turns, before + 2);
		for (int k = 0; k < N; k++)
			close(peers[k]);
		turn_until(r, ended == N);
		ring_free(r);
	}
}
END_TEST

/* No buffer at all for 50 ms: the loop sleeps, it does not spin. */
static void
hoard_all_main(struct fiber *f, void *arg)
{
	struct iobuf *held[64];
	struct ring *r = fiber_ring(f);
	unsigned n = 0;
	bool *go = arg;

	for (;;) {
		struct iobuf *b = iobuf_get(r, 1);

		if (b != NULL)
			held[n++] = b;
		else if (*go)
			break;
		else
			fiber_yield(f);
	}
	fiber_sleep_until(f, ring_now(r) + 50 * NSEC_MSEC);
	while (n > 0)
		iobuf_put(r, held[--n]);
}

START_TEST(starving_does_not_spin)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 32, 8);
		struct sock *s[20];
		int peers[20];
		uint64_t before;
		bool go = false;
		nsec_t start;

		notified = ended = 0;
		fiber_start(r, hoard_all_main, &go, "hoard");
		for (int k = 0; k < 20; k++) {
			int fds[2];

			pair(fds);
			peers[k] = fds[1];
			s[k] = sock_new(r, fds[0]);
			s[k]->notify = on_bytes;
			sock_recv_start(s[k], false);
		}
		/* Those with the kernel are used up one by one. */
		for (int k = 0; k < 20; k++) {
			ck_assert_int_eq(write(peers[k], "x", 1), 1);
			turns(r, 2);
		}
		before = notified;
		ck_assert_uint_lt(before, 20);
		go = true;
		start = clock_mono();
		turns(r, 1);
		before = stats(r).turns;
		while (clock_mono() - start < 45 * NSEC_MSEC)
			ring_turn(r, clock_mono() + 20 * NSEC_MSEC);
		ck_assert_uint_lt(stats(r).turns - before, 20);
		/* One that starves may be closed. */
		for (int k = 0; k < 20; k++)
			if (s[k]->flags & SOCK_STARVED) {
				sock_close(s[k]);
				ended++;
				notified++;
				break;
			}
		turn_until(r, notified == 20);
		run_until_idle(r);
		for (int k = 0; k < 20; k++)
			close(peers[k]);
		turn_until(r, ended == 20);
		assert_empty(r, 8);
		ring_free(r);
	}
}
END_TEST

/* What another connection received is never seen (U-08). */
START_TEST(no_bytes_of_others)
{
	static char secret[IOBUF_SMALL];
	struct iobuf *b;

	memset(secret, 'S', sizeof(secret));
	FOR_REAL(kind) {
		struct ring *r = ring_make(kind, 8, 8);

		for (int i = 0; i < 40; i++) {
			struct sock *s;
			int fds[2];
			bool big = i % 2 == 0;

			pair(fds);
			s = sock_new(r, fds[0]);
			ck_assert_int_eq(write(fds[1], big ? secret : "ok",
			    big ? sizeof(secret) : 2),
			    big ? sizeof(secret) : 2);
			sock_recv_start(s, false);
			turn_until(r, s->rx == SOCK_RX_READY);
			ck_assert_int_gt(sock_recv_take(s, &b), 0);
			ck_assert(big || (iobuf_len(b) == 2 &&
			    memcmp(b->data + b->head, "ok", 2) == 0));
			iobuf_put(r, b);
			sock_close(s);
			close(fds[1]);
			turns(r, 1);
		}
		ring_free(r);
	}
}
END_TEST

/* ---- Late completions ---------------------------------------------------------- */

/* A receive of a closed socket does not meet the new user of the number. */
START_TEST(late_completion)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 8, 16);

		for (int i = 0; i < 50; i++) {
			struct sock *old, *new;
			struct iobuf *buf;
			int fds[2], other[2], was;

			pair(fds);
			old = sock_new(r, fds[0]);
			was = fds[0];
			old->notify = on_bytes;
			sock_recv_start(old, i % 2 == 0);
			if (i % 3 != 0)
				turns(r, 1);
			received = 0;
			ck_assert_int_eq(write(fds[1], "old", 3), 3);
			sock_close(old);
			/* While the kernel may still name it, it is taken. */
			pair(other);
			ck_assert(b == RING_EPOLL || other[0] != was);
			new = sock_new(r, other[0]);
			sock_recv_start(new, false);
			turns(r, 3);
			ck_assert_uint_eq(received, 0);
			ck_assert_int_eq(new->rx, SOCK_RX_ARMED);
			ck_assert_int_eq(write(other[1], "new", 3), 3);
			turn_until(r, new->rx == SOCK_RX_READY);
			ck_assert_int_eq(sock_recv_take(new, &buf), 3);
			ck_assert_int_eq(memcmp(buf->data, "new", 3), 0);
			iobuf_put(r, buf);
			sock_close(new);
			close(fds[1]);
			close(other[1]);
			turns(r, 2);
			ck_assert_uint_eq(stats(r).socks, 0);
		}
		ring_free(r);
	}
}
END_TEST

/* The memory of a ring goes while the kernel still has receives in hand. */
static void
into_nothing(struct sock *s)
{
	(void)s;
	ck_abort_msg("called while the ring is freed");
}

START_TEST(free_with_all_in_flight)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 64, 64);
		struct sockaddr_in sa;
		int l = tcp_listen(&sa, 8), peers[40], w[2];
		static char into[16];

		pair(w);
		ck_assert_ptr_nonnull(acceptor_start(r, l, NULL, NULL));
		ck_assert_ptr_nonnull(watch_start(r, w[0], NULL, NULL));
		for (int i = 0; i < 40; i++) {
			struct sock *s;
			int fds[2];

			pair(fds);
			peers[i] = fds[1];
			s = sock_new(r, fds[0]);
			s->notify = into_nothing;
			if (i == 3)
				sock_recv_into_start(s, into, sizeof(into));
			else
				sock_recv_start(s, true);
			if (i % 9 == 0)
				turns(r, 1);
		}
		ring_free(r);
		for (int i = 0; i < 40; i++) {
			char c;

			ck_assert_int_eq(read(peers[i], &c, 1), 0);
			close(peers[i]);
		}
		close(l);
		close(w[0]);
		close(w[1]);
	}
}
END_TEST

/* ---- Receives that go on -------------------------------------------------------- */

/* Bytes and the end so close together that they are one wake-up. */
START_TEST(end_behind_bytes)
{
	FOR_REAL(b)
		for (int i = 0; i < 12; i++) {
			struct ring *r = ring_make(b, 8, 32);
			struct linger hard = { 1, 0 };
			struct sock *s;
			nsec_t start;
			int fds[2];

			if (i % 3 == 0)
				pair(fds);
			else
				tcp_pair(fds);
			s = sock_new(r, fds[0]);
			s->notify = on_bytes;
			notified = ended = 0;
			sock_recv_start(s, i % 2 == 0);
			turns(r, 1);
			ck_assert_int_eq(write(fds[1], "one", 3), 3);
			turn_until(r, notified == 1);
			ck_assert_int_eq(write(fds[1], "two", 3), 3);
			if (i % 3 == 1)
				setsockopt(fds[1], SOL_SOCKET, SO_LINGER,
				    &hard, sizeof(hard));
			close(fds[1]);
			start = clock_mono();
			turn_until(r, ended == 1);
			ck_assert_int_lt(clock_mono() - start,
			    300 * NSEC_MSEC);
			ring_free(r);
		}
}
END_TEST

/* Nobody reads: the peer cannot fill our buffers, not even byte by byte. */
START_TEST(nobody_reads)
{
	static char big[100000];

	FOR_REAL(b)
		for (int bulk = 0; bulk < 2; bulk++) {
			struct ring *r = ring_make(b, 8, 64);
			struct sock *s;
			struct iobuf *buf;
			unsigned before = stats(r).small_used, sent = 0;
			unsigned got = 0;
			int fds[2];

			tcp_pair(fds);
			s = sock_new(r, fds[0]);
			sock_recv_start(s, true);
			turns(r, 1);
			for (int i = 0; i < 100; i++) {
				ssize_t n = write(fds[1], big, bulk ?
				    sizeof(big) : 1);

				sent += n > 0 ? (unsigned)n : 0;
				turns(r, 1);
				ck_assert_uint_le(stats(r).small_used, before +
				    8);
			}
			/* All of it is there, in order of arrival. */
			while (got < sent) {
				if (s->rx == SOCK_RX_READY) {
					int n = sock_recv_take(s, &buf);

					ck_assert_int_gt(n, 0);
					iobuf_put(r, buf);
					got += (unsigned)n;
				} else {
					sock_recv_start(s, false);
					turns(r, 1);
				}
			}
			ck_assert_uint_eq(got, sent);
			sock_close(s);
			close(fds[1]);
			assert_empty(r, before);
			ring_free(r);
		}
}
END_TEST

/* Each way of receiving, mixed, takes the bytes up where the last one left. */
static void
mixed_main(struct fiber *f, void *arg)
{
	struct sock **two = arg;
	struct ring *r = fiber_ring(f);
	static uint8_t next_out, next_in;
	unsigned total = 0, sent = 0;
	uint8_t mine[700];

	next_out = next_in = 0;
	for (unsigned i = 0; total < 200000; i++) {
		static uint8_t out[3000];
		struct iobuf *b = NULL;
		const uint8_t *p = mine;
		int n;

		for (size_t k = 0; k < sizeof(out); k++)
			out[k] = next_out++;
		if (sent < total + 20000) {
			struct iovec iov = { out, 1 + i * 37 % 2999 };

			next_out = (uint8_t)(next_out - sizeof(out) +
			    iov.iov_len);
			sent += (unsigned)iov.iov_len;
			ck_assert_int_eq(sock_send(f, two[1], &iov, 1), 0);
		} else
			next_out = (uint8_t)(next_out - sizeof(out));
		if (i % 5 == 4)
			fiber_yield(f);
		n = i % 3 == 0 ? sock_recv(f, two[0], &b) : i % 3 == 1 ?
		    sock_recv_into(f, two[0], mine, 1 + i % 700) :
		    sock_recv_now(two[0], mine, 1 + i % 700);
		if (n == -EAGAIN)
			continue;
		ck_assert_int_gt(n, 0);
		if (b != NULL)
			p = b->data + b->head;
		for (int k = 0; k < n; k++)
			if (p[k] != next_in++)
				ck_abort_msg("byte %u of %d", total +
				    (unsigned)k, n);
		total += (unsigned)n;
		iobuf_put(r, b);
		if (sent == total) {	/* or the next waits for ever */
			struct iovec iov = { out, 1 };

			out[0] = next_out++;
			sent++;
			ck_assert_int_eq(sock_send(f, two[1], &iov, 1), 0);
		}
	}
	sock_close(two[0]);
	sock_close(two[1]);
}

START_TEST(mixed_receives)
{
	FOR_REAL(b)
		for (int tiny = 0; tiny < 2; tiny++) {
			struct ring *r;
			struct sock *two[2];
			int fds[2];

			if (tiny) {
				ring_uring_test.sq_entries = 2;
				ring_uring_test.cq_entries = 2;
			}
			r = ring_make(b, 8, 64);
			tcp_pair(fds);
			two[0] = sock_new(r, fds[0]);
			two[1] = sock_new(r, fds[1]);
			fiber_start(r, mixed_main, two, "mixed");
			run_until_idle(r);
			assert_empty(r, 16);
			ring_free(r);
			memset(&ring_uring_test, 0, sizeof(ring_uring_test));
		}
}
END_TEST

/* ---- Full queues ------------------------------------------------------------------- */

/* A tiny ring: every operation meets a full queue, completions overflow. */
START_TEST(tiny_queues)
{
	enum { N = 200 };
	static int peers[N];
	struct ring *r;

	ring_uring_test.sq_entries = 2;
	ring_uring_test.cq_entries = 4;
	r = ring_make(RING_URING, N, 512);
	notified = ended = 0;
	for (int k = 0; k < N; k++) {
		struct sock *s;
		int fds[2];

		pair(fds);
		peers[k] = fds[1];
		s = sock_new(r, fds[0]);
		s->notify = on_bytes;
		sock_recv_start(s, true);
	}
	turns(r, 2);
	for (int round = 1; round <= 3; round++) {
		for (int k = 0; k < N; k++)
			ck_assert_int_eq(write(peers[k], "x", 1), 1);
		turn_until(r, notified == (unsigned)(round * N));
	}
	ck_assert_uint_gt(stats(r).overflows, 0);
	for (int k = 0; k < N; k++)
		close(peers[k]);
	turn_until(r, ended == N);
	assert_empty(r, 128);
	ring_free(r);
	memset(&ring_uring_test, 0, sizeof(ring_uring_test));
}
END_TEST

static unsigned accepted, refused;
static int refusal;

static void
count_accept(void *arg, int fd)
{
	(void)arg;
	if (fd < 0) {
		refused++;
		refusal = fd;
		return;
	}
	accepted++;
	close(fd);
}

/* A multishot accept that the kernel ends (full queue) is taken up again. */
START_TEST(multishot_ends)
{
	enum { N = 120 };
	struct sockaddr_in sa;
	struct acceptor *a;
	struct ring *r;
	int l = tcp_listen(&sa, N), fds[N];

	ring_uring_test.sq_entries = 2;
	ring_uring_test.cq_entries = 2;
	r = ring_make(RING_URING, 8, 16);
	accepted = refused = 0;
	a = acceptor_start(r, l, count_accept, NULL);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			fds[i] = tcp_socket();
			(void)connect(fds[i], (void *)&sa, sizeof(sa));
		}
		turn_until(r, accepted == (unsigned)(round + 1) * N);
		for (int i = 0; i < N; i++)
			close(fds[i]);
	}
	ck_assert_uint_eq(refused, 0);
	acceptor_stop(a);
	close(l);
	ring_free(r);
	memset(&ring_uring_test, 0, sizeof(ring_uring_test));
}
END_TEST

/* One entry that fails does not take the others of its batch with it. */
START_TEST(one_bad_entry)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 8, 16);
		struct sock *bad, *good;
		struct iobuf *buf;
		int fds[2], not_a_socket = open("/dev/null", O_RDWR);

		pair(fds);
		bad = sock_new(r, not_a_socket);
		good = sock_new(r, fds[0]);
		sock_recv_start(bad, false);
		sock_recv_start(good, false);
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		turn_until(r, good->rx == SOCK_RX_READY);
		turn_until(r, bad->rx == SOCK_RX_READY);
		ck_assert_int_eq(sock_recv_take(bad, &buf), -ENOTSOCK);
		ck_assert_int_eq(sock_recv_take(good, &buf), 1);
		iobuf_put(r, buf);
		sock_close(bad);
		sock_close(good);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

/* ---- Signals ------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void
on_signal(int sig)
{
	(void)sig;
	signals++;
}

START_TEST(signals_interrupt)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };

	sigaction(SIGALRM, &sa, NULL);
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 8, 16);
		nsec_t end = clock_mono() + 100 * NSEC_MSEC;
		struct sock *s;
		int fds[2];

		pair(fds);
		s = sock_new(r, fds[0]);
		s->notify = on_bytes;
		notified = 0;
		sock_recv_start(s, true);
		setitimer(ITIMER_REAL, &often, NULL);
		while (clock_mono() < end)
			ck_assert_int_eq(ring_turn(r, end), 0);
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		turn_until(r, notified == 1);
		setitimer(ITIMER_REAL, &never, NULL);
		close(fds[1]);
		ring_free(r);
	}
	ck_assert_int_gt(signals, 20);
}
END_TEST

/* ---- Descriptors run out (S-107) -------------------------------------------------------- */

START_TEST(out_of_descriptors)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 8, 16);
		struct rlimit was, tight;
		struct sockaddr_in sa;
		struct acceptor *a;
		int l = tcp_listen(&sa, 8), fds[3], top = dup(l);
		nsec_t start;
		uint64_t before;

		for (int i = 0; i < 3; i++) {
			fds[i] = tcp_socket();
			(void)connect(fds[i], (void *)&sa, sizeof(sa));
		}
		close(top);
		getrlimit(RLIMIT_NOFILE, &was);
		tight = was;
		tight.rlim_cur = (rlim_t)top;
		accepted = refused = 0;
		a = acceptor_start(r, l, count_accept, NULL);
		setrlimit(RLIMIT_NOFILE, &tight);
		start = clock_mono();
		before = stats(r).turns;
		while (clock_mono() - start < 350 * NSEC_MSEC)
			ck_assert_int_eq(ring_turn(r, start + 350 *
			    NSEC_MSEC), 0);
		/* At most one try per 100 ms, and no spinning between. */
		ck_assert_uint_eq(accepted, 0);
		ck_assert_uint_ge(refused, 2);
		ck_assert_uint_le(refused, 5);
		ck_assert_int_eq(refusal, -EMFILE);
		ck_assert_uint_lt(stats(r).turns - before, 100);
		/* Recovers alone. */
		setrlimit(RLIMIT_NOFILE, &was);
		turn_until(r, accepted == 3);
		acceptor_stop(a);
		for (int i = 0; i < 3; i++)
			close(fds[i]);
		close(l);
		ring_free(r);
	}
}
END_TEST

/* ---- Fairness (S-114) ------------------------------------------------------------------------ */

static unsigned others;
static bool endless_done;

static void
other_main(struct fiber *f, void *arg)
{
	(void)arg;
	while (!endless_done) {
		others++;
		fiber_yield(f);
	}
}

static void
endless_main(struct fiber *f, void *arg)
{
	struct sock *s = arg;
	char piece[16];

	for (int i = 0; i < 5000; i++)
		ck_assert_int_gt(sock_recv_into(f, s, piece, sizeof(piece)),
		    0);
	endless_done = true;
	sock_close(s);
}

START_TEST(endless_input_is_fair)
{
	static char data[100000];

	FOR_REAL(b) {
		struct ring *r = ring_make(b, 8, 16);
		int fds[2];

		others = 0;
		endless_done = false;
		pair(fds);
		ck_assert_int_eq(write(fds[1], data, sizeof(data)),
		    sizeof(data));
		fiber_start(r, endless_main, sock_new(r, fds[0]), "endless");
		fiber_start(r, other_main, NULL, "other");
		run_until_idle(r);
		ck_assert_uint_ge(others, 5000 / 100);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

/* ---- What is forbidden --------------------------------------------------------------------- */

static void
forbid(int call, uint32_t action)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(f), f };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

/* In a child under the filter: 0 when AUTO chose epoll and says why. */
static int
chosen_under(int call, uint32_t action)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct ring_options o = { .backend = RING_AUTO,
		    .max_socks = 8, .max_fibers = 4, .small_buffers = 8,
		    .large_buffers = 2 };
		struct ring *r = NULL;
		const char *why = "";

		forbid(call, action);
		if (ring_new(&o, &r, &why) < 0 ||
		    ring_backend(r) != RING_EPOLL ||
		    strstr(why, "io_uring") == NULL)
			_exit(1);
		ring_turn(r, 0);
		ring_free(r);
		/* Asked for by name, it is an error. */
		o.backend = RING_URING;
		_exit(ring_new(&o, &r, &why) < 0 ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

START_TEST(io_uring_is_forbidden)
{
	static const int calls[] = { __NR_io_uring_setup,
	    __NR_io_uring_register, __NR_io_uring_enter };
	static const uint32_t actions[] = { SECCOMP_RET_ERRNO | EPERM,
	    SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_ERRNO | ENOMEM,
	    SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP };

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++)
		for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
			ck_assert_int_eq(chosen_under(calls[c], actions[i]),
			    0);
}
END_TEST

START_TEST(auto_prefers_io_uring)
{
	struct ring_options o = { .backend = RING_AUTO, .max_socks = 8,
	    .max_fibers = 4, .small_buffers = 8, .large_buffers = 2 };
	struct ring *r = NULL;
	const char *why = NULL;

	ck_assert_int_eq(ring_new(&o, &r, &why), 0);
	ck_assert_int_eq(ring_backend(r), RING_URING);
	ck_assert_ptr_nonnull(why);
	ring_free(r);
}
END_TEST

/* The ring does what a worker needs and nothing else (U-02). */
START_TEST(ring_is_restricted)
{
	struct ring *r = ring_make(RING_URING, 8, 16);
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int found = -1, event = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		char path[64], to[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%.16s",
		    e->d_name);
		if (readlink(path, to, sizeof(to) - 1) > 0 &&
		    strstr(to, "io_uring") != NULL)
			found = atoi(e->d_name);
	}
	closedir(d);
	ck_assert_int_ge(found, 0);
	ck_assert_int_eq((int)syscall(__NR_io_uring_register, found,
	    IORING_REGISTER_EVENTFD, &event, 1), -1);
	ck_assert_int_eq(errno, EACCES);
	ring_free(r);
}
END_TEST

/* ---- No memory from the heap while requests run ------------------------------------------------ */

#ifndef WITH_ASAN
extern void *__libc_malloc(size_t n);
static unsigned long mallocs;

void *
malloc(size_t n)
{
	mallocs++;
	return __libc_malloc(n);
}

static void
pong_main(struct fiber *f, void *arg)
{
	struct sock *s = arg;
	struct iobuf *b;
	int r;

	while ((r = sock_recv(f, s, &b)) > 0) {
		struct iovec iov[2] = { { b->data, 2 },
		    { b->data + 2, (size_t)r - 2 } };

		fiber_deadline(f, ring_now(fiber_ring(f)) + 5 * NSEC_SEC);
		r = sock_send(f, s, iov, 2);
		iobuf_put(fiber_ring(f), b);
	}
	sock_close(s);
}

START_TEST(no_malloc)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 8, 64);
		unsigned long before = 0;
		char in[16];
		int fds[2];

		tcp_pair(fds);
		fiber_start(r, pong_main, sock_new(r, fds[0]), "pong");
		for (int i = 0; i < 300; i++) {
			if (i == 100)
				before = mallocs;
			(void)!write(fds[1], "ping", 4);
			while (read(fds[1], in, sizeof(in)) != 4)
				(void)ring_turn(r, NSEC_NEVER);
		}
		before = mallocs - before;
		ck_assert_uint_eq(before, 0);
		close(fds[1]);
		run_until_idle(r);
		ring_free(r);
	}
}
END_TEST
#endif

UNIT_MAIN("ring traps", no_buffer_is_lost, starving_recovers,
    starving_does_not_spin, no_bytes_of_others, late_completion,
    free_with_all_in_flight, end_behind_bytes, nobody_reads, mixed_receives,
    tiny_queues, multishot_ends, one_bad_entry,
    signals_interrupt, out_of_descriptors, endless_input_is_fair,
    io_uring_is_forbidden, auto_prefers_io_uring, ring_is_restricted,
#ifndef WITH_ASAN
    no_malloc
#else
    auto_prefers_io_uring
#endif
    )
