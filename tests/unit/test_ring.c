/* SPDX-License-Identifier: BSD-2-Clause */
/* The same conversations on every backend of the ring. */
#include "io_test.h"

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

		ck_assert_uint_eq(iobuf_len(b), (size_t)r);
		e->bytes += (size_t)r;
		r = sock_send(f, e->s, iov, r > 1 ? 2 : 1);
		iobuf_put(fiber_ring(f), b);
		if (r < 0)
			break;
	}
	ck_assert_ptr_eq(b, NULL);
	e->result = r;
	sock_close(e->s);
}

static void
echo_rounds(struct ring *r, int fds[2])
{
	struct echo e = { .result = 99 };
	unsigned before = stats(r).small_used;
	char back[64];

	e.s = sock_new(r, fds[0]);
	ck_assert_ptr_nonnull(e.s);
	ck_assert_ptr_nonnull(fiber_start(r, echo_main, &e, "echo"));
	for (int k = 0; k < 3; k++) {
		ck_assert_int_eq(write(fds[1], "hello", 5), 5);
		turns(r, 5);
		ck_assert_int_eq(read(fds[1], back, sizeof(back)), 5);
		ck_assert_int_eq(memcmp(back, "hello", 5), 0);
	}
	close(fds[1]);
	run_until_idle(r);
	ck_assert_int_eq(e.result, 0);
	ck_assert_uint_eq(e.bytes, 15);
	assert_empty(r, before);
}

START_TEST(echo)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 10, 64);
		int fds[2];

		pair(fds);
		echo_rounds(r, fds);
		tcp_pair(fds);
		echo_rounds(r, fds);
		ring_free(r);
	}
}
END_TEST

/* Older kernels: each step of the ladder works the same. */
START_TEST(older_setups)
{
	for (unsigned skip = 1; skip < 4; skip++) {
		struct ring *r;
		int fds[2];

		ring_uring_test.skip_setups = skip;
		r = ring_make(RING_URING, 10, 64);
		tcp_pair(fds);
		echo_rounds(r, fds);
		ring_free(r);
	}
	ring_uring_test.skip_setups = 0;
	ring_uring_test.no_multi = true;
	{
		struct ring *r = ring_make(RING_URING, 10, 64);
		int fds[2];

		tcp_pair(fds);
		echo_rounds(r, fds);
		ring_free(r);
	}
	ring_uring_test.no_multi = false;
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
	ck_assert_ptr_eq(b, NULL);
	/* Too late is too late, and at once. */
	ck_assert_int_eq(sock_recv(f, e->s, &b), -ETIMEDOUT);
	/* The receive may stay armed: closing takes it back. */
	sock_close(e->s);
}

static void
into_main(struct fiber *f, void *arg)
{
	struct echo *e = arg;
	char mine[16] = "untouched";

	fiber_deadline(f, ring_now(fiber_ring(f)) + 30 * NSEC_MSEC);
	e->result = sock_recv_into(f, e->s, mine, sizeof(mine));
	ck_assert_str_eq(mine, "untouched");
	sock_close(e->s);
}

START_TEST(deadlines)
{
	FOR_REAL(b)
		for (int into = 0; into < 2; into++) {
			struct ring *r = ring_make(b, 10, 64);
			struct echo e = { .result = 99 };
			nsec_t start = clock_mono();
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
			turns(r, 3);
			/* Closed on both sides, slot given back. */
			ck_assert_int_eq(read(fds[1], &c, 1), 0);
			ck_assert_uint_eq(stats(r).socks, 0);
			close(fds[1]);
			ring_free(r);
		}
}
END_TEST

/* A receive given up loses nothing that comes later. */
static void
given_up_main(struct fiber *f, void *arg)
{
	struct echo *e = arg;
	char mine[8];
	struct iobuf *b;
	nsec_t before;

	for (int i = 0; i < 2; i++) {
		before = fiber_deadline(f, ring_now(fiber_ring(f)) +
		    8 * NSEC_MSEC);
		ck_assert_int_eq(i == 0 ? sock_recv(f, e->s, &b) :
		    sock_recv_into(f, e->s, mine, sizeof(mine)), -ETIMEDOUT);
		fiber_deadline(f, before);
		ck_assert_int_eq(write(*(int *)e->s->arg, "data!", 5), 5);
		ck_assert_int_eq(sock_recv(f, e->s, &b), 5);
		ck_assert_int_eq(memcmp(b->data, "data!", 5), 0);
		iobuf_put(fiber_ring(f), b);
	}
	sock_close(e->s);
	e->result = 0;
}

START_TEST(given_up)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 10, 64);
		struct echo e = { .result = 99 };
		int fds[2];

		tcp_pair(fds);
		e.s = sock_new(r, fds[0]);
		e.s->arg = &fds[1];
		fiber_start(r, given_up_main, &e, "given up");
		run_until_idle(r);
		ck_assert_int_eq(e.result, 0);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

START_TEST(canceled)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 10, 64);
		struct echo e = { .result = 99 };
		struct fiber *f;
		int fds[2];

		pair(fds);
		e.s = sock_new(r, fds[0]);
		f = fiber_start(r, echo_main, &e, "echo");
		turns(r, 2);
		fiber_cancel(f);
		run_until_idle(r);
		ck_assert_int_eq(e.result, -ECANCELED);
		turns(r, 2);
		ck_assert_uint_eq(stats(r).socks, 0);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

/* ---- 8 MB to a slow reader: one send, all of it ------------------------------- */

struct big {
	struct sock *s;
	char *data;
	size_t n;
	nsec_t gap;
	int result;
	bool quiesce;
};

static void
big_main(struct fiber *f, void *arg)
{
	struct big *b = arg;
	struct iovec iov[2] = { { b->data, b->n / 2 },
	    { b->data + b->n / 2, b->n - b->n / 2 } };

	if (b->quiesce) {
		struct iobuf *none = NULL;

		(void)none;
		sock_hold(b->s, f);
		sock_recv_start(b->s, true);
		sock_send_start(b->s, iov, 2);
		fiber_sleep_until(f, ring_now(fiber_ring(f)) + 10 * NSEC_MSEC);
		ck_assert_int_eq(b->s->tx, SOCK_TX_BUSY);
		sock_quiesce(f, b->s);
		ck_assert_int_eq(b->s->tx, SOCK_TX_IDLE);
		ck_assert_int_eq(b->s->rx, SOCK_RX_IDLE);
		b->result = 0;
	} else if (b->gap != 0)
		b->result = sock_send_gap(f, b->s, iov, 2, b->gap);
	else
		b->result = sock_send(f, b->s, iov, 2);
	/* The memory is ours again, whatever happened. */
	memset(b->data, 0, b->n);
	sock_close(b->s);
}

static void
big_fill(struct big *b, size_t n)
{
	b->n = n;
	b->data = malloc(n);
	ck_assert_ptr_nonnull(b->data);
	for (size_t k = 0; k < n; k++)
		b->data[k] = (char)(k * 31 >> 3);
}

/* Reads up to `want` bytes, comparing; returns how many there were. */
static size_t
big_read(struct ring *r, int fd, size_t want, nsec_t pause)
{
	static char in[65536];
	size_t got = 0;

	while (got < want) {
		ssize_t n;

		ring_turn(r, ring_now(r) + NSEC_MSEC);
		if (pause > 0)
			usleep((useconds_t)(pause / 1000));
		n = read(fd, in, sizeof(in));
		if (n == 0)
			break;
		if (n < 0)
			continue;
		for (ssize_t k = 0; k < n; k++)
			if (in[k] != (char)((got + (size_t)k) * 31 >> 3))
				ck_abort_msg("byte %zu is wrong",
				    got + (size_t)k);
		got += (size_t)n;
	}
	return got;
}

START_TEST(big_send)
{
	FOR_REAL(b)
		for (int tcp = 0; tcp < 2; tcp++)
			for (int vanish = 0; vanish < 2; vanish++) {
				struct ring *r = ring_make(b, 10, 64);
				struct big x = { .result = 99 };
				int fds[2];

				big_fill(&x, 8 << 20);
				if (tcp)
					tcp_pair(fds);
				else
					pair(fds);
				x.s = sock_new(r, fds[0]);
				fiber_start(r, big_main, &x, "big");
				if (vanish) {
					(void)big_read(r, fds[1], x.n / 4, 0);
					close(fds[1]);
				} else
					ck_assert_uint_eq(big_read(r, fds[1],
					    x.n, 0), x.n);
				run_until_idle(r);
				if (vanish)
					ck_assert_int_lt(x.result, 0);
				else {
					ck_assert_int_eq(x.result, 0);
					close(fds[1]);
				}
				free(x.data);
				ring_free(r);
			}
}
END_TEST

/* A gap bounds the time without progress, not the whole. */
START_TEST(send_gap)
{
	FOR_REAL(b)
		for (int stall = 0; stall < 2; stall++) {
			struct ring *r = ring_make(b, 10, 64);
			struct big x = { .gap = 60 * NSEC_MSEC,
			    .result = 99 };
			nsec_t start = clock_mono();
			int fds[2], small = 32768;

			big_fill(&x, 1 << 20);
			tcp_pair(fds);
			setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small,
			    sizeof(small));
			setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &small,
			    sizeof(small));
			x.s = sock_new(r, fds[0]);
			fiber_start(r, big_main, &x, "gap");
			if (!stall) {
				ck_assert_uint_eq(big_read(r, fds[1], x.n,
				    4 * NSEC_MSEC), x.n);
				ck_assert_int_gt(clock_mono() - start, x.gap);
			}
			run_until_idle(r);
			ck_assert_int_eq(x.result, stall ? -ETIMEDOUT : 0);
			close(fds[1]);
			free(x.data);
			ring_free(r);
		}
}
END_TEST

START_TEST(quiesce)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 10, 64);
		struct big x = { .result = 99, .quiesce = true };
		unsigned before = stats(r).small_used;
		int fds[2];

		big_fill(&x, 8 << 20);
		tcp_pair(fds);
		x.s = sock_new(r, fds[0]);
		fiber_start(r, big_main, &x, "quiesce");
		run_until_idle(r);
		ck_assert_int_eq(x.result, 0);
		assert_empty(r, before);
		close(fds[1]);
		free(x.data);
		ring_free(r);
	}
}
END_TEST

/* ---- Parked sockets ----------------------------------------------------------- */

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

START_TEST(parked_own_nothing)
{
	enum { N = 4800 };
	static int peers[N];

	FOR_REAL(b) {
		struct ring *r = ring_make(b, N, 300);
		unsigned before = stats(r).small_used;

		notified = 0;
		for (int k = 0; k < N; k++) {
			struct sock *s;
			int fds[2];

			pair(fds);
			peers[k] = fds[1];
			s = sock_new(r, fds[0]);
			ck_assert_ptr_nonnull(s);
			s->notify = on_parked;
			sock_recv_start(s, true);
		}
		ck_assert_ptr_eq(sock_new(r, 0), NULL);
		turns(r, 20);
		ck_assert_uint_le(stats(r).small_used, before);
		ck_assert_uint_eq(fibers_in_use(r), 0);
		/* Nothing happens: nothing is done. */
		before = (unsigned)stats(r).turns;
		ring_turn(r, ring_now(r) + 50 * NSEC_MSEC);
		ck_assert_uint_eq(stats(r).turns, before + 1);
		for (int k = 0; k < N; k += 7)
			ck_assert_int_eq(write(peers[k], "x", 1), 1);
		turn_until(r, notified == (N + 6) / 7);
		for (int k = 0; k < N; k++)
			close(peers[k]);
		ring_free(r);
	}
}
END_TEST

/* Changing hands loses nothing. */
static void
takes_main(struct fiber *f, void *arg)
{
	struct echo *e = arg;
	struct iobuf *b;
	int r;

	sock_hold(e->s, f);
	while (e->s->rx != SOCK_RX_READY)
		ck_assert_int_eq(fiber_wait(f), 0);
	r = sock_recv_take(e->s, &b);
	ck_assert_int_gt(r, 0);
	e->bytes += (size_t)r;
	iobuf_put(fiber_ring(f), b);
	/* Armed again, ready before it is parked. */
	sock_recv_start(e->s, false);
	ck_assert_int_eq(write(*(int *)e->s->arg, "more", 4), 4);
	while (e->s->rx != SOCK_RX_READY)
		ck_assert_int_eq(fiber_wait(f), 0);
	sock_hold(e->s, NULL);
}

static void
lends_a_fiber(struct sock *s)
{
	struct echo *e = s->arg == NULL ? NULL : (void *)((char **)s->arg)[1];

	if (e->bytes == 0)
		fiber_start(s->ring, takes_main, e, "takes");
	else
		on_parked(s);
}

START_TEST(changing_hands)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 4, 64);
		struct echo e = { .result = 0 };
		struct { int fd; struct echo *e; } user;
		int fds[2];

		notified = 0;
		pair(fds);
		user.fd = fds[1];
		user.e = &e;
		e.s = sock_new(r, fds[0]);
		e.s->notify = lends_a_fiber;
		e.s->arg = &user;
		sock_recv_start(e.s, true);
		ck_assert_int_eq(write(fds[1], "first", 5), 5);
		turn_until(r, notified == 1);
		ck_assert_uint_eq(e.bytes, 5);
		ck_assert_uint_eq(fibers_in_use(r), 0);
		sock_close(e.s);
		turns(r, 3);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

/* ---- Ends ---------------------------------------------------------------------------- */

START_TEST(close_and_abort)
{
	FOR_REAL(b)
		for (int armed = 0; armed < 2; armed++)
			for (int hard = 0; hard < 2; hard++) {
				struct ring *r = ring_make(b, 4, 64);
				struct sock *s;
				char c;
				int fds[2];

				tcp_pair(fds);
				s = sock_new(r, fds[0]);
				if (armed)
					sock_recv_start(s, true);
				turns(r, 2);
				if (hard)
					sock_abort(s);
				else
					sock_close(s);
				turns(r, 3);
				ck_assert_int_eq(read(fds[1], &c, 1),
				    hard ? -1 : 0);
				if (hard)
					ck_assert_int_eq(errno, ECONNRESET);
				ck_assert_uint_eq(stats(r).socks, 0);
				ck_assert_int_lt(fcntl(fds[0], F_GETFD), 0);
				close(fds[1]);
				ring_free(r);
			}
}
END_TEST

/* The peer's reset, and its half-close after which we can still send. */
static void
peer_main(struct fiber *f, void *arg)
{
	struct echo *e = arg;
	char word[] = "bye";
	struct iovec iov = { word, 3 };
	struct iobuf *b;

	while ((e->result = sock_recv(f, e->s, &b)) > 0)
		iobuf_put(fiber_ring(f), b);
	if (e->result == 0) {
		/* The end stays the end. */
		ck_assert_int_eq(sock_recv(f, e->s, &b), 0);
		ck_assert_int_eq(sock_send(f, e->s, &iov, 1), 0);
		sock_shutdown(e->s);
		iov = (struct iovec){ word, 3 };
		ck_assert_int_eq(sock_send(f, e->s, &iov, 1), -EPIPE);
	}
	sock_close(e->s);
}

START_TEST(the_peer_ends)
{
	FOR_REAL(b)
		for (int reset = 0; reset < 2; reset++) {
			struct ring *r = ring_make(b, 4, 64);
			struct linger hard = { 1, 0 };
			struct echo e = { .result = 99 };
			char in[8];
			int fds[2];

			tcp_pair(fds);
			e.s = sock_new(r, fds[0]);
			fiber_start(r, peer_main, &e, "peer");
			ck_assert_int_eq(write(fds[1], "x", 1), 1);
			turns(r, 2);
			if (reset) {
				setsockopt(fds[1], SOL_SOCKET, SO_LINGER,
				    &hard, sizeof(hard));
				close(fds[1]);
			} else
				shutdown(fds[1], SHUT_WR);
			run_until_idle(r);
			ck_assert_int_eq(e.result, reset ? -ECONNRESET : 0);
			if (!reset) {
				ck_assert_int_eq(read(fds[1], in, 8), 3);
				turns(r, 2);
				ck_assert_int_eq(read(fds[1], in, 8), 0);
				close(fds[1]);
			}
			ring_free(r);
		}
}
END_TEST

/* ---- Accept and connect ---------------------------------------------------------------- */

struct server {
	struct ring *r;
	struct acceptor *a;
	unsigned accepted, failed, stop_at;
	int last_error;
	struct sock *last;
};

static void
on_accept(void *arg, int fd)
{
	struct server *sv = arg;
	int flags;

	if (fd < 0) {
		sv->failed++;
		sv->last_error = fd;
		return;
	}
	flags = fcntl(fd, F_GETFL);
	ck_assert(flags & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	sv->accepted++;
	sv->last = sock_new(sv->r, fd);
	ck_assert_ptr_nonnull(sv->last);
	sock_recv_start(sv->last, true);
	if (sv->accepted == sv->stop_at)
		acceptor_stop(sv->a);
}

struct dial { struct sockaddr_in sa; int result; nsec_t limit; };

static void
connect_main(struct fiber *f, void *arg)
{
	struct dial *d = arg;
	struct sock *s = sock_new(fiber_ring(f), tcp_socket());

	if (d->limit != 0)
		fiber_deadline(f, ring_now(fiber_ring(f)) + d->limit);
	d->result = sock_connect(f, s, (void *)&d->sa, sizeof(d->sa));
	sock_close(s);
}

START_TEST(accept_connect)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 100, 64);
		struct server sv = { .r = r };
		struct dial d = { .result = 99 };
		int fd = tcp_listen(&d.sa, 64), gone;

		sv.a = acceptor_start(r, fd, on_accept, &sv);
		for (unsigned k = 1; k <= 20; k++) {
			fiber_start(r, connect_main, &d, "connect");
			run_until_idle(r);
			ck_assert_int_eq(d.result, 0);
			turn_until(r, sv.accepted == k);
			gone = sv.last->fd;
			sock_close(sv.last);	/* a receive is in flight */
			turns(r, 3);
			ck_assert_int_lt(fcntl(gone, F_GETFD), 0);
		}
		acceptor_stop(sv.a);
		close(fd);
		fiber_start(r, connect_main, &d, "refused");
		run_until_idle(r);
		ck_assert_int_eq(d.result, -ECONNREFUSED);
		ring_free(r);
	}
}
END_TEST

/* Nobody answers: the deadline ends it, and nothing is left behind. */
START_TEST(connect_deadline)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 100, 64);
		struct dial d = { .limit = 50 * NSEC_MSEC, .result = 99 };
		int fd = tcp_listen(&d.sa, 0), fill[4];

		/* A full backlog drops the SYN. */
		for (size_t i = 0; i < ARRAY_SIZE(fill); i++) {
			fill[i] = tcp_socket();
			(void)connect(fill[i], (void *)&d.sa, sizeof(d.sa));
		}
		fiber_start(r, connect_main, &d, "black hole");
		run_until_idle(r);
		ck_assert_int_eq(d.result, -ETIMEDOUT);
		turns(r, 3);
		ck_assert_uint_eq(stats(r).socks, 0);
		for (size_t i = 0; i < ARRAY_SIZE(fill); i++)
			close(fill[i]);
		close(fd);
		ring_free(r);
	}
}
END_TEST

static void
dial_many(const struct sockaddr_in *sa, int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fds[i] = tcp_socket();
		(void)connect(fds[i], (const void *)sa, sizeof(*sa));
	}
}

START_TEST(accept_storm)
{
	enum { N = 500 };
	static int fds[N];

	FOR_REAL(b) {
		struct ring *r = ring_make(b, 2 * N, 64);
		struct server sv = { .r = r };
		struct sockaddr_in sa;
		int fd = tcp_listen(&sa, N);

		sv.a = acceptor_start(r, fd, on_accept, &sv);
		turns(r, 1);
		dial_many(&sa, fds, N);
		turn_until(r, sv.accepted == N);
		ck_assert_uint_eq(sv.failed, 0);
		acceptor_stop(sv.a);
		close(fd);
		for (unsigned i = 0; i < N; i++)
			close(fds[i]);
		ring_free(r);
	}
}
END_TEST

START_TEST(accept_pause_and_stop)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 100, 64);
		struct server sv = { .r = r };
		struct sockaddr_in sa;
		int fd = tcp_listen(&sa, 64), fds[8];
		unsigned meanwhile;

		sv.a = acceptor_start(r, fd, on_accept, &sv);
		turns(r, 2);
		acceptor_pause(sv.a, true);
		turns(r, 3);
		dial_many(&sa, fds, 4);
		turns(r, 5);
		/* io_uring may have taken one that crossed the pause. */
		ck_assert_uint_le(sv.accepted, 1);
		acceptor_pause(sv.a, false);
		turn_until(r, sv.accepted == 4);
		/* Paused and resumed at once. */
		acceptor_pause(sv.a, true);
		acceptor_pause(sv.a, false);
		dial_many(&sa, fds + 4, 2);
		turn_until(r, sv.accepted == 6);
		/* What came before the stop is served or stays queued. */
		dial_many(&sa, fds + 6, 2);
		acceptor_stop(sv.a);
		meanwhile = sv.accepted;
		turns(r, 3);
		ck_assert_uint_eq(sv.accepted, meanwhile);
		for (unsigned i = meanwhile; i < 8; i++)
			ck_assert_int_ge(accept(fd, NULL, NULL), 0);
		/* Stopped from its own function. */
		sv.stop_at = sv.accepted + 1;
		sv.a = acceptor_start(r, fd, on_accept, &sv);
		dial_many(&sa, fds, 3);
		turn_until(r, sv.accepted >= sv.stop_at);
		turns(r, 3);
		ck_assert_uint_le(sv.accepted, sv.stop_at + 2);
		close(fd);
		ring_free(r);
	}
}
END_TEST

/* ---- Watch ------------------------------------------------------------------------------ */

static int watched_fd;
static unsigned watched, watched_stop;
static struct watch *the_watch;

static void
on_watch(void *arg)
{
	char c;

	(void)arg;
	if (++watched == watched_stop)
		watch_stop(the_watch);
	/* One byte only: what is left calls again. */
	ck_assert_int_eq(read(watched_fd, &c, 1), 1);
}

START_TEST(watching)
{
	FOR_REAL(b) {
		struct ring *r = ring_make(b, 4, 64);
		int fds[2];

		pair(fds);
		watched_fd = fds[0];
		watched = watched_stop = 0;
		the_watch = watch_start(r, fds[0], on_watch, NULL);
		for (unsigned k = 1; k <= 3; k++) {
			ck_assert_int_eq(write(fds[1], "xyz", 3), 3);
			turn_until(r, watched == 3 * k);
		}
		turns(r, 3);
		ck_assert_uint_eq(watched, 9);
		watch_stop(the_watch);
		ck_assert_int_eq(write(fds[1], "xy", 2), 2);
		turns(r, 3);
		ck_assert_uint_eq(watched, 9);
		watched_stop = 10;
		the_watch = watch_start(r, fds[0], on_watch, NULL);
		turns(r, 3);
		ck_assert_uint_eq(watched, 10);
		close(fds[0]);
		close(fds[1]);
		ring_free(r);
	}
}
END_TEST

/* ---- The simulated ring: any order, any pieces ----------------------------------------------- */

static void
copy_main(struct fiber *f, void *arg)
{
	struct sock **two = arg;
	struct iobuf *b;
	int r;

	while ((r = sock_recv(f, two[0], &b)) > 0) {
		struct iovec iov = { b->data, (size_t)r };

		r = sock_send(f, two[1], &iov, 1);
		iobuf_put(fiber_ring(f), b);
		ck_assert_int_eq(r, 0);
	}
	ck_assert_int_eq(r, 0);
	sock_close(two[0]);
	sock_shutdown(two[1]);
	sock_close(two[1]);
}

START_TEST(any_order)
{
	enum { PAIRS = 8, BYTES = 40000 };
	static char data[BYTES];

	for (size_t i = 0; i < BYTES; i++)
		data[i] = (char)(i * 7 + i / 251);
	for (uint64_t seed = 0; seed < 100; seed++) {
		/* Few buffers: some starve, all arrive. */
		struct ring *r = ring_make(RING_SIM, 2 * PAIRS, 5);
		struct sock *two[PAIRS][2];
		int fds[PAIRS][2];

		sim_seed(r, seed);
		for (unsigned i = 0; i < PAIRS; i++) {
			for (unsigned k = 0; k < 2; k++) {
				fds[i][k] = sim_open(r);
				two[i][k] = sock_new(r, fds[i][k]);
			}
			sim_rx_pieces(r, fds[i][0], i * 1000);
			sim_peer_sends(r, fds[i][0], data, BYTES - i);
			sim_peer_ends(r, fds[i][0]);
			fiber_start(r, copy_main, two[i], "copy");
		}
		run_until_idle(r);
		for (unsigned i = 0; i < PAIRS; i++) {
			const void *p;

			ck_assert_uint_eq(sim_sent(r, fds[i][1], &p),
			    BYTES - i);
			ck_assert_int_eq(memcmp(p, data, BYTES - i), 0);
			ck_assert(sim_closed(r, fds[i][0]));
			ck_assert(sim_shut(r, fds[i][1]));
		}
		ck_assert_uint_eq(stats(r).socks, 0);
		ck_assert_uint_eq(stats(r).small_used, 0);
		ring_free(r);
	}
}
END_TEST

START_TEST(sim_ends)
{
	struct ring *r = ring_make(RING_SIM, 8, 8);
	struct echo e = { .result = 99 };
	struct big x = { .gap = 50 * NSEC_MSEC, .result = 99 };
	struct server sv = { .r = r };
	int fd = sim_open(r), out = sim_open(r), l = sim_open(r);
	nsec_t start = ring_now(r);

	e.s = sock_new(r, fd);
	fiber_start(r, peer_main, &e, "peer");
	sim_peer_sends(r, fd, "x", 1);
	sim_peer_resets(r, fd, ECONNRESET);
	run_until_idle(r);
	ck_assert_int_eq(e.result, -ECONNRESET);
	/* A send that stalls after 1000 bytes. */
	big_fill(&x, 5000);
	x.s = sock_new(r, out);
	sim_tx_room(r, out, 1000);
	fiber_start(r, big_main, &x, "gap");
	run_until_idle(r);
	ck_assert_int_eq(x.result, -ETIMEDOUT);
	ck_assert_uint_eq(sim_sent(r, out, NULL), 1000);
	ck_assert_int_ge(ring_now(r) - start, x.gap);
	free(x.data);
	/* Accepting fails, and goes on 100 ms later. */
	sv.a = acceptor_start(r, l, on_accept, &sv);
	sim_accepts(r, l, -EMFILE);
	sim_accepts(r, l, -ENFILE);
	start = ring_now(r);
	while (sv.failed < 2)
		ring_turn(r, NSEC_NEVER);
	ck_assert_int_ge(ring_now(r) - start, 100 * NSEC_MSEC);
	acceptor_stop(sv.a);
	ring_free(r);
}
END_TEST

UNIT_MAIN("ring", echo, older_setups, deadlines, given_up, canceled, big_send,
    send_gap, quiesce, parked_own_nothing, changing_hands, close_and_abort,
    the_peer_ends, accept_connect, connect_deadline, accept_storm,
    accept_pause_and_stop, watching, any_order, sim_ends)
