/* SPDX-License-Identifier: BSD-2-Clause */
/* What the load and the server behind the proxies share: one loop. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

/* The first member of everything that waits in the loop. */
struct handler {
	void (*fn)(struct handler *h, uint32_t events);
};

/* Says what failed, with errno, and exits. */
void	die(const char *what) __attribute__((noreturn));

/* Listens on the loopback device; all its sockets join the epoll ep. */
void	origin_start(int ep, uint16_t port);

#endif
