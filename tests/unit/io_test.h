/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of rings share. */
#ifndef IO_TEST_H
#define IO_TEST_H

#include "ring_impl.h"
#include "ring_sim.h"

#include "str.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FOR_REAL(b) \
	for (enum ring_backend b = RING_URING; b <= RING_EPOLL; b++)

static inline struct ring *
ring_make(enum ring_backend b, unsigned socks, unsigned small)
{
	struct ring_options o = { .backend = b, .max_socks = socks,
	    .max_fibers = 64, .small_buffers = small, .large_buffers = 16 };
	struct ring *r = NULL;
	const char *why = "";
	int err = ring_new(&o, &r, &why);

	ck_assert_msg(err == 0, "%s: %s", ring_backend_name(b), why);
	ck_assert_int_eq(ring_backend(r), b);
	return r;
}

static inline void
pair(int fds[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
}

static inline int
tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline int
tcp_listen(struct sockaddr_in *ret, int backlog)
{
	socklen_t n = sizeof(*ret);
	int fd = tcp_socket();

	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(fd, (void *)ret, sizeof(*ret)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (void *)ret, &n), 0);
	return fd;
}

/* Two ends of a TCP connection; fds[0] is meant for the ring. */
static inline void
tcp_pair(int fds[2])
{
	struct sockaddr_in sa;
	int l = tcp_listen(&sa, 8);

	fds[1] = tcp_socket();
	(void)connect(fds[1], (void *)&sa, sizeof(sa));
	while ((fds[0] = accept4(l, NULL, NULL, SOCK_NONBLOCK |
	    SOCK_CLOEXEC)) < 0)
		ck_assert_int_eq(errno, EAGAIN);
	close(l);
}

static inline unsigned
fibers_in_use(struct ring *r)
{
	return r->fibers.stats.in_use;
}

static inline struct ring_stats
stats(struct ring *r)
{
	struct ring_stats st;

	ring_stats(r, &st);
	return st;
}

static inline void
turns(struct ring *r, int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(ring_turn(r, ring_now(r) + NSEC_MSEC), 0);
}

static inline void
run_until_idle(struct ring *r)
{
	nsec_t end = clock_mono() + 20 * NSEC_SEC;

	while (fibers_in_use(r) > 0) {
		ck_assert_int_eq(ring_turn(r, ring_now(r) + NSEC_SEC), 0);
		ck_assert_msg(clock_mono() < end, "a fiber hangs");
	}
}

/* Turns until cond holds. */
#define turn_until(r, cond) do {					\
	nsec_t end_ = clock_mono() + 10 * NSEC_SEC;			\
	while (!(cond)) {						\
		ck_assert_int_eq(ring_turn(r, ring_now(r) +		\
		    5 * NSEC_MSEC), 0);					\
		ck_assert_msg(clock_mono() < end_, "never: %s", #cond);	\
	}								\
} while (0)

/* No socket is left, and no buffer but those that wait in the kernel. */
static inline void
assert_empty(struct ring *r, unsigned small_before)
{
	turns(r, 4);
	ck_assert_uint_eq(stats(r).socks, 0);
	ck_assert_uint_le(stats(r).small_used, small_before);
	ck_assert_uint_eq(stats(r).large_used, 0);
}

#endif
