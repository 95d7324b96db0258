/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fibers: a conversation as linear code on a small stack of its own.
 *
 *   free --fiber_start--> runnable --> running --fiber_wait--> waiting
 *    ^                       ^            |                       |
 *    +------ main returns ---|------------+     fiber_wake, deadline, cancel
 *                            +------------------------------------+
 *
 * Only functions whose first parameter is a `struct fiber *` may wait. Nobody
 * destroys a fiber: it is cancelled, its waits then fail for ever with
 * -ECANCELED, and its main function returns by its normal way out.
 * Stacks come from one slab with a guard page below each, last in first out.
 */
#ifndef FIBER_H
#define FIBER_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>

struct fiber;
struct ring;

typedef void (*fiber_main)(struct fiber *f, void *arg);

/* Counters of a worker's fibers, for status and tests. */
struct fiber_stats {
	unsigned in_use, most_in_use, max;
	size_t stack_most;		/* deepest use seen of any stack, bytes */
	unsigned long slow;		/* ran over 2 ms without a wait */
};

/*
 * The pool of a ring: max fibers, made once. 0 or -errno. The slab is virtual
 * memory only until it is used.
 */
int	fiber_pool_init(struct ring *r, unsigned max);
void	fiber_pool_fini(struct ring *r);

/*
 * Makes a fiber that runs fn(f, arg) at the next turn of the loop. `name` is
 * static text for the list of fibers. NULL when the pool is exhausted: the
 * caller leaves its connection parked and tries again later.
 */
struct fiber *fiber_start(struct ring *r, fiber_main fn, void *arg,
	    const char *name);

/* The ring that the fiber runs on. */
struct ring *fiber_ring(const struct fiber *f);

/*
 * Waits until somebody wakes the fiber: a socket of it has an event, or
 * fiber_wake(). Returns 0 then (also spuriously: callers test their
 * condition in a loop), -ETIMEDOUT once the deadline has passed, -ECANCELED
 * after fiber_cancel(). An event that came before the wait is not lost.
 */
int	fiber_wait(struct fiber *f);
/* As above, but neither deadline nor cancel ends it: for reaping completions. */
void	fiber_wait_quiet(struct fiber *f);
/* Lets others run; returns as fiber_wait. */
int	fiber_yield(struct fiber *f);
/* Sleeps until t or -ECANCELED; the deadline is left as it was. */
int	fiber_sleep_until(struct fiber *f, nsec_t t);

/* Absolute, monotonic; NSEC_NEVER for none. Returns the former one. */
nsec_t	fiber_deadline(struct fiber *f, nsec_t t);
nsec_t	fiber_get_deadline(const struct fiber *f);

void	fiber_wake(struct fiber *f);
void	fiber_cancel(struct fiber *f);
bool	fiber_canceled(const struct fiber *f);

/* Free for the conversation's object, for tools that list fibers. */
void	fiber_set_object(struct fiber *f, const void *object);

void	fiber_stats(const struct ring *r, struct fiber_stats *ret);
/* Calls fn for each fiber in use: name, object, waiting since (monotonic). */
void	fiber_each(const struct ring *r, void (*fn)(void *arg, const char *name,
	    const void *object, nsec_t since), void *arg);

#endif
