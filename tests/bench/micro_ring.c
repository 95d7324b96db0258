/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the ring itself costs: a proxy that looks at nothing. A child plays all
 * clients and all upstreams; the parent moves a request of 100 bytes and an
 * answer of 300 per round, on fibers, and reports its own CPU time and turns
 * of the loop per round.
 *
 *   micro_ring [connections [seconds [requests per second, 0: as many as go]]]
 */
#include "ring.h"

#include "str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CONNS	1024

static unsigned long rounds;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* The proxy on one processor, everybody else on another. */
static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* Two ends of a TCP connection, without delay. */
static void
tcp_pair(int fds[2])
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (bind(l, (void *)&sa, sizeof(sa)) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (void *)&sa, &n) < 0)
		die("listen");
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[1], (void *)&sa, sizeof(sa)) < 0 ||
	    (fds[0] = accept4(l, NULL, NULL, SOCK_NONBLOCK)) < 0)
		die("connect");
	for (int i = 0; i < 2; i++)
		(void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
	close(l);
}

/* Clients ask when they are answered and their time has come. */
static void
child(int (*fds)[2], unsigned n, unsigned rate)
{
	static char out[300], in[4096];
	static unsigned idle[MAX_CONNS];
	struct epoll_event ev[256];
	unsigned idle_n = 0;
	nsec_t gap = rate > 0 ? NSEC_SEC / rate : 0, next = clock_mono();
	int ep = epoll_create1(0);

	pin(1);
	for (unsigned i = 0; i < 2 * n; i++) {
		ev[0] = (struct epoll_event){ .events = EPOLLIN,
		    .data.u32 = i };
		epoll_ctl(ep, EPOLL_CTL_ADD, fds[i][1], &ev[0]);
		if (i % 2 == 0)
			idle[idle_n++] = i;
	}
	for (;;) {
		int k;

		for (; idle_n > 0 && clock_mono() >= next; next += gap)
			(void)!write(fds[idle[--idle_n]][1], out, 100);
		k = epoll_wait(ep, ev, 256, rate > 0 ? 0 : -1);
		for (int j = 0; j < k; j++) {
			unsigned i = ev[j].data.u32;

			if (read(fds[i][1], in, sizeof(in)) <= 0)
				_exit(0);
			if (i % 2 == 0)
				idle[idle_n++] = i;
			else
				(void)!write(fds[i][1], out, 300);
		}
	}
}

static void
proxy_main(struct fiber *f, void *arg)
{
	struct sock **two = arg;
	struct ring *r = fiber_ring(f);

	for (unsigned i = 0;; i = 1 - i) {
		struct iobuf *b;
		struct iovec iov[2];
		int n = sock_recv(f, two[i], &b);

		if (n <= 0)
			break;
		fiber_deadline(f, ring_now(r) + 30 * NSEC_SEC);
		iov[0] = (struct iovec){ b->data, 50 };
		iov[1] = (struct iovec){ b->data + 50, (size_t)n - 50 };
		n = sock_send(f, two[1 - i], iov, 2);
		iobuf_put(r, b);
		if (n < 0)
			break;
		rounds += i;
	}
	sock_close(two[0]);
	sock_close(two[1]);
}

static double
cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void
bench(enum ring_backend backend, unsigned n, int seconds, unsigned rate)
{
	struct ring_options o = { .backend = backend, .max_socks = 2 * n,
	    .max_fibers = n, .small_buffers = 2048, .large_buffers = 4 };
	static int fds[2 * MAX_CONNS][2];
	static struct sock *socks[2 * MAX_CONNS];
	struct ring_stats st, st0;
	struct fiber_stats fs;
	struct ring *r;
	const char *why;
	unsigned long before;
	nsec_t end;
	double cpu;
	pid_t pid;

	for (unsigned i = 0; i < 2 * n; i++)
		tcp_pair(fds[i]);
	if ((pid = fork()) == 0)
		child(fds, n, rate);
	if (ring_new(&o, &r, &why) < 0) {
		printf("%-6s %s\n", ring_backend_name(backend), why);
		return;
	}
	for (unsigned i = 0; i < 2 * n; i++) {
		close(fds[i][1]);
		socks[i] = sock_new(r, fds[i][0]);
	}
	for (unsigned i = 0; i < n; i++)
		fiber_start(r, proxy_main, &socks[2 * i], "proxy");
	for (end = clock_mono() + NSEC_SEC / 2; ring_now(r) < end;)
		(void)ring_turn(r, end);
	ring_stats(r, &st0);
	cpu = cpu_us();
	before = rounds;
	for (end = clock_mono() + seconds * NSEC_SEC; ring_now(r) < end;)
		(void)ring_turn(r, end);
	cpu = cpu_us() - cpu;
	before = rounds - before;
	ring_stats(r, &st);
	fiber_stats(r, &fs);
	printf("%-6s %5u connections  %8.0f/s  %6.2f us CPU/round  "
	    "%5.3f turns/round  stack %zu\n", ring_backend_name(backend), n,
	    (double)before / seconds, cpu / (double)before,
	    (double)(st.turns - st0.turns) / (double)before, fs.stack_most);
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	for (int i = 0; i < 1000 && st.socks > 0; i++) {
		(void)ring_turn(r, clock_mono() + NSEC_MSEC);
		ring_stats(r, &st);
	}
	ring_free(r);
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 64;
	int seconds = argc > 2 ? atoi(argv[2]) : 3;
	unsigned rate = argc > 3 ? (unsigned)atoi(argv[3]) : 0;

	if (n == 0 || n > MAX_CONNS || seconds < 1)
		return 2;
	setlinebuf(stdout);
	pin(0);
	for (int round = 0; round < 3; round++) {
		bench(RING_URING, n, seconds, rate);
		bench(RING_EPOLL, n, seconds, rate);
	}
	return 0;
}
