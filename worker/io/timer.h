/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of one worker: a wheel with ticks of 4 ms; setting, moving and
 * stopping cost the same whatever the number of timers. A timer fires at or up
 * to one tick after its time, in the ring's loop, never inside timer_set().
 */
#ifndef TIMER_H
#define TIMER_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>

struct ring;
struct timer;

typedef void (*timer_fn)(struct timer *t);

/* Embedded in its object; zero bytes are a valid stopped timer. */
struct timer {
	struct timer *next, **prev;
	nsec_t at;		/* monotonic */
	timer_fn fn;
};

/* (Re)arms; t->fn must be set. NSEC_NEVER stops it. */
void	timer_set(struct ring *r, struct timer *t, nsec_t at);
void	timer_stop(struct ring *r, struct timer *t);

static inline bool
timer_pending(const struct timer *t)
{
	return t->prev != NULL;
}

#endif
