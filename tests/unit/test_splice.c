/* SPDX-License-Identifier: BSD-2-Clause */
/* Moving bytes between sockets without copying them. */
#include "io_test.h"

#include <signal.h>

#define MANY	(1 << 20)

struct rig {
	struct ring *r;
	struct sock *from, *to;
	int in, out;		/* the other ends */
	unsigned sent, seen;	/* bytes of the pattern */
};

static unsigned char
pattern(unsigned i)
{
	return (unsigned char)(i * 7 + i / 251);
}

static void
rig_open(struct rig *g, enum ring_backend b)
{
	int a[2], c[2], small = 65536;

	memset(g, 0, sizeof(*g));
	(void)signal(SIGPIPE, SIG_IGN);
	g->r = ring_make(b, 8, 64);
	tcp_pair(a);
	tcp_pair(c);
	g->from = sock_new(g->r, a[0]);
	g->to = sock_new(g->r, c[0]);
	g->in = a[1];
	g->out = c[1];
	(void)setsockopt(c[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	(void)setsockopt(c[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
}

static void
rig_close(struct rig *g)
{
	sock_close(g->from);
	sock_close(g->to);
	close(g->in);
	close(g->out);
	assert_empty(g->r, 16);
	ring_free(g->r);
}

static void
feed(struct rig *g, unsigned n)
{
	static unsigned char text[65536];

	while (n > 0) {
		unsigned k = n < sizeof(text) ? n : (unsigned)sizeof(text);
		ssize_t got;

		for (unsigned i = 0; i < k; i++)
			text[i] = pattern(g->sent + i);
		if ((got = send(g->in, text, k, 0)) < 0)
			return;
		g->sent += (unsigned)got;
		n -= (unsigned)got;
	}
}

static void
check(struct rig *g, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(p[i], pattern(g->seen++));
}

/* Reads all that has come out. */
static void
drain(struct rig *g)
{
	static unsigned char text[65536];
	ssize_t n;

	while ((n = recv(g->out, text, sizeof(text), 0)) > 0)
		check(g, text, (size_t)n);
}

START_TEST(moves)
{
	struct iobuf *rest;
	struct rig g;

	FOR_REAL(b) {
		rig_open(&g, b);
		ck_assert_int_eq(sock_splice(g.from, g.to, 100, &rest), 0);
		feed(&g, 50000);
		ck_assert_int_eq(sock_splice(g.from, g.to, 20000, &rest),
		    20000);
		ck_assert_ptr_null(rest);
		while (g.seen < 20000)
			drain(&g);
		/* What was not asked for is there for a receive. */
		sock_recv_start(g.from, false);
		ck_assert_int_eq(sock_splice(g.from, g.to, 100, &rest), 0);
		turn_until(g.r, g.from->rx == SOCK_RX_READY);
		ck_assert_int_gt(sock_recv_take(g.from, &rest), 0);
		check(&g, rest->data, rest->tail);
		iobuf_put(g.r, rest);
		rig_close(&g);
	}
}
END_TEST

/* Nobody reads: what was taken and not sent is handed over, in order. */
START_TEST(rest_of_a_full_socket)
{
	struct iobuf *rest = NULL;
	struct rig g;

	FOR_REAL(b) {
		unsigned taken = 0;
		ssize_t n;

		rig_open(&g, b);
		for (rest = NULL; rest == NULL; taken += (unsigned)n) {
			ck_assert_uint_lt(taken, 64u << 20);
			feed(&g, MANY);
			n = sock_splice(g.from, g.to, MANY, &rest);
			ck_assert_int_ge(n, 0);
			ck_assert_int_le(n, IOBUF_LARGE);
		}
		while (g.seen < taken - rest->tail)
			drain(&g);
		check(&g, rest->data, rest->tail);
		ck_assert_uint_eq(g.seen, taken);
		iobuf_put(g.r, rest);
		/* The pipe is empty again: the next bytes are the next ones. */
		while ((n = sock_splice(g.from, g.to, MANY, &rest)) == 0)
			feed(&g, 100);
		taken += (unsigned)n;
		while (g.seen < taken - iobuf_len(rest))
			drain(&g);
		if (rest != NULL)
			check(&g, rest->data, rest->tail);
		iobuf_put(g.r, rest);
		rig_close(&g);
	}
}
END_TEST

START_TEST(ends_are_left_to_others)
{
	struct iobuf *rest;
	struct rig g;

	FOR_REAL(b) {
		rig_open(&g, b);
		feed(&g, 10);
		shutdown(g.in, SHUT_WR);
		ck_assert_int_eq(sock_splice(g.from, g.to, 100, &rest), 10);
		ck_assert_int_eq(sock_splice(g.from, g.to, 100, &rest), 0);
		sock_recv_start(g.from, false);
		turn_until(g.r, g.from->rx == SOCK_RX_READY);
		ck_assert_int_eq(sock_recv_take(g.from, &rest), 0);
		rig_close(&g);

		/* One that takes nothing any more: all comes back. */
		rig_open(&g, b);
		feed(&g, 1000);
		ck_assert_int_eq(shutdown(g.to->fd, SHUT_WR), 0);
		ck_assert_int_eq(sock_splice(g.from, g.to, 1000, &rest), 1000);
		ck_assert_uint_eq(rest->tail, 1000);
		check(&g, rest->data, rest->tail);
		iobuf_put(g.r, rest);
		rig_close(&g);
	}
}
END_TEST

/* Without room for a rest nothing is taken. */
START_TEST(no_buffers)
{
	struct iobuf *all[17], *rest;
	unsigned n = 0;
	struct rig g;

	FOR_REAL(b) {
		rig_open(&g, b);
		feed(&g, 1000);
		while ((all[n] = iobuf_get(g.r, IOBUF_LARGE)) != NULL)
			ck_assert_uint_lt(++n, ARRAY_SIZE(all));
		ck_assert_int_eq(sock_splice(g.from, g.to, MANY, &rest), 0);
		while (n > 0)
			iobuf_put(g.r, all[--n]);
		ck_assert_int_eq(sock_splice(g.from, g.to, MANY, &rest), 1000);
		rig_close(&g);
	}
}
END_TEST

UNIT_MAIN("splice", moves, rest_of_a_full_socket, ends_are_left_to_others,
    no_buffers)
