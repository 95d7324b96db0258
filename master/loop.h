/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's event loop: level-triggered epoll over a few dozen descriptors
 * plus timers. One thread; a handler may add and remove watches, also its own,
 * and must not block.
 */
#ifndef LOOP_H
#define LOOP_H

#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* A descriptor and who wants to know about it; lives inside its owner. */
struct watch {
	int fd;			/* -1: not watched */
	uint32_t events;	/* EPOLLIN, EPOLLOUT */
	void (*ready)(struct watch *w, uint32_t events);
	void *arg;
};

/* One deadline; lives inside its owner. */
struct timer_at {
	nsec_t at;		/* monotonic; NSEC_NEVER: not set */
	void (*fire)(struct timer_at *t);
	void *arg;
	struct timer_at *next;
	bool linked;
};

#define WATCH_NONE	{ .fd = -1 }

/* Ends the process without memory or epoll. */
struct loop *loop_new(void);
void	loop_free(struct loop *l);
/* 0 or -errno. The descriptor stays the caller's. */
int	loop_add(struct loop *l, struct watch *w, int fd, uint32_t events);
void	loop_change(struct loop *l, struct watch *w, uint32_t events);
/* Before the descriptor is closed. No event of it is delivered any more. */
void	loop_remove(struct loop *l, struct watch *w);
/* Sets or moves the deadline; NSEC_NEVER clears it. */
void	loop_at(struct loop *l, struct timer_at *t, nsec_t at);
/* Waits for one round of events, at most until `until`; runs handlers. */
void	loop_turn(struct loop *l, nsec_t until);

#endif
