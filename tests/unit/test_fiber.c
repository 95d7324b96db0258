/* SPDX-License-Identifier: BSD-2-Clause */
/* Fibers alone: life, waits, deadlines, cancelling, stacks. */
#include "ring_impl.h"
#include "ring_sim.h"

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ring *
ring_make(unsigned max_fibers)
{
	struct ring_options o = { .backend = RING_SIM, .max_socks = 8,
	    .max_fibers = max_fibers, .small_buffers = 4,
	    .large_buffers = 2 };
	struct ring *r = NULL;
	const char *why;

	ck_assert_int_eq(ring_new(&o, &r, &why), 0);
	return r;
}

static struct fiber_stats
stats(struct ring *r)
{
	struct fiber_stats st;

	fiber_stats(r, &st);
	return st;
}

static void
finish(struct ring *r)
{
	for (int i = 0; stats(r).in_use > 0; i++) {
		ck_assert_int_lt(i, 100000);
		ck_assert_int_eq(ring_turn(r, NSEC_NEVER), 0);
	}
	ring_free(r);
}

/* ---- Order ------------------------------------------------------------------ */

static char order[64];

static void
letter(struct fiber *f, void *arg)
{
	strcat(order, arg);
	fiber_yield(f);
	strcat(order, arg);
}

START_TEST(first_in_first_out)
{
	struct ring *r = ring_make(8);

	static char a[] = "a", b[] = "b", c[] = "c";

	order[0] = '\0';
	fiber_start(r, letter, a, "a");
	fiber_start(r, letter, b, "b");
	fiber_start(r, letter, c, "c");
	finish(r);
	ck_assert_str_eq(order, "abcabc");
}
END_TEST

/* One that only ever yields leaves the world its turn. */
static void
hog(struct fiber *f, void *arg)
{
	while (!*(bool *)arg)
		fiber_yield(f);
}

static void
set_flag(struct timer *t)
{
	((bool *)(void *)(t + 1))[0] = true;
}

START_TEST(yield_is_fair)
{
	struct ring *r = ring_make(8);
	struct { struct timer t; bool stop; } x = { .t.fn = set_flag };

	fiber_start(r, hog, &x.stop, "hog");
	timer_set(r, &x.t, ring_now(r) + 20 * NSEC_MSEC);
	for (int i = 0; i < 100 && !x.stop; i++) {
		ring_turn(r, NSEC_NEVER);
		r->now += NSEC_MSEC;
	}
	ck_assert(x.stop);
	finish(r);
}
END_TEST

/* ---- Waking ------------------------------------------------------------------- */

static int waited[4];

static void
wait_twice(struct fiber *f, void *arg)
{
	(void)arg;
	waited[0]++;
	ck_assert_int_eq(fiber_wait(f), 0);
	waited[0]++;
	ck_assert_int_eq(fiber_wait(f), 0);
	waited[0]++;
}

START_TEST(wake_before_wait_counts)
{
	struct ring *r = ring_make(8);
	struct fiber *f = fiber_start(r, wait_twice, NULL, "w");

	waited[0] = 0;
	fiber_wake(f);		/* before it ever ran */
	ring_turn(r, ring_now(r));
	ck_assert_int_eq(waited[0], 2);
	ring_turn(r, ring_now(r));
	ck_assert_int_eq(waited[0], 2);
	fiber_wake(f);
	fiber_wake(f);		/* twice is once */
	ring_turn(r, ring_now(r));
	ck_assert_int_eq(waited[0], 3);
	finish(r);
}
END_TEST

/* ---- Deadlines ------------------------------------------------------------------ */

static nsec_t ended_at;

static void
sleeper(struct fiber *f, void *arg)
{
	struct ring *r = fiber_ring(f);
	nsec_t start = ring_now(r);

	(void)arg;
	ck_assert_int_eq(fiber_get_deadline(f), NSEC_NEVER);
	fiber_deadline(f, start + 50 * NSEC_MSEC);
	/* The deadline moves away: the wait lasts. */
	ck_assert_int_eq(fiber_deadline(f, start + 200 * NSEC_MSEC),
	    start + 50 * NSEC_MSEC);
	ck_assert_int_eq(fiber_wait(f), -ETIMEDOUT);
	ended_at = ring_now(r) - start;
	/* Passed is passed, also with an event. */
	fiber_wake(f);
	ck_assert_int_eq(fiber_wait(f), -ETIMEDOUT);
	/* Sleeping leaves the deadline alone and ends in time. */
	fiber_deadline(f, NSEC_NEVER);
	start = ring_now(r);
	ck_assert_int_eq(fiber_sleep_until(f, start + 30 * NSEC_MSEC), 0);
	ck_assert_int_ge(ring_now(r) - start, 30 * NSEC_MSEC);
	ck_assert_int_le(ring_now(r) - start, 40 * NSEC_MSEC);
	ck_assert_int_eq(fiber_get_deadline(f), NSEC_NEVER);
	/* Nearer again than the timer that still stands. */
	fiber_deadline(f, ring_now(r) + 3600 * NSEC_SEC);
	fiber_wake(f);
	ck_assert_int_eq(fiber_wait(f), 0);
	start = ring_now(r);
	fiber_deadline(f, start + 8 * NSEC_MSEC);
	ck_assert_int_eq(fiber_wait(f), -ETIMEDOUT);
	ck_assert_int_le(ring_now(r) - start, 20 * NSEC_MSEC);
}

START_TEST(deadlines)
{
	struct ring *r = ring_make(8);

	fiber_start(r, sleeper, NULL, "sleeper");
	finish(r);
	ck_assert_int_ge(ended_at, 200 * NSEC_MSEC);
	ck_assert_int_le(ended_at, 210 * NSEC_MSEC);
}
END_TEST

/* The timer of a fiber that ended does not touch the next one. */
static void
brief(struct fiber *f, void *arg)
{
	(void)arg;
	fiber_deadline(f, ring_now(fiber_ring(f)) + 40 * NSEC_MSEC);
	fiber_wake(f);
	(void)fiber_wait(f);
	fiber_sleep_until(f, ring_now(fiber_ring(f)) + 8 * NSEC_MSEC);
}

static void
patient(struct fiber *f, void *arg)
{
	*(int *)arg = fiber_wait(f);
}

START_TEST(deadline_of_the_dead)
{
	struct ring *r = ring_make(1);
	struct fiber *f;
	int result = 99;

	fiber_start(r, brief, NULL, "brief");
	while (stats(r).in_use > 0)
		ring_turn(r, NSEC_NEVER);
	f = fiber_start(r, patient, &result, "patient");
	ring_turn(r, ring_now(r));
	for (int i = 0; i < 100; i++)
		ring_turn(r, ring_now(r) + 10 * NSEC_MSEC);
	ck_assert_int_eq(result, 99);
	fiber_wake(f);
	finish(r);
	ck_assert_int_eq(result, 0);
}
END_TEST

/* ---- Cancelling -------------------------------------------------------------------- */

static void
canceled_main(struct fiber *f, void *arg)
{
	int *phase = arg;

	*phase = 1;
	ck_assert_int_eq(fiber_wait(f), -ECANCELED);
	ck_assert(fiber_canceled(f));
	/* For ever, and at once, so that cleaning up cannot block. */
	ck_assert_int_eq(fiber_wait(f), -ECANCELED);
	ck_assert_int_eq(fiber_sleep_until(f, NSEC_NEVER), -ECANCELED);
	ck_assert_int_eq(fiber_yield(f), -ECANCELED);
	*phase = 2;
	/* Reaping is not disturbed: only a wake ends it. */
	fiber_wait_quiet(f);
	*phase = 3;
}

START_TEST(canceling)
{
	struct ring *r = ring_make(8);
	int phase = 0;
	struct fiber *f = fiber_start(r, canceled_main, &phase, "c");

	ring_turn(r, ring_now(r));
	ck_assert_int_eq(phase, 1);
	fiber_cancel(f);
	for (int i = 0; i < 10; i++)
		ring_turn(r, ring_now(r) + NSEC_MSEC);
	ck_assert_int_eq(phase, 2);
	fiber_cancel(f);
	fiber_deadline(f, ring_now(r));
	for (int i = 0; i < 10; i++)
		ring_turn(r, ring_now(r) + 10 * NSEC_MSEC);
	ck_assert_int_eq(phase, 2);
	fiber_wake(f);
	finish(r);
	ck_assert_int_eq(phase, 3);
}
END_TEST

/* ---- The pool ------------------------------------------------------------------------- */

static void
stay(struct fiber *f, void *arg)
{
	volatile double d = 1.5;

	(void)arg;
	/* Aligned as the ABI wants it, or this would have crashed. */
	ck_assert_uint_eq((uintptr_t)__builtin_frame_address(0) % 16, 0);
	d *= 2;
	fiber_sleep_until(f, ring_now(fiber_ring(f)) + 10 * NSEC_MSEC);
	ck_assert(d == 3.0);
}

static unsigned listed;

static void
list_one(void *arg, const char *name, const void *object, nsec_t since)
{
	struct ring *r = arg;

	ck_assert_str_eq(name, "stay");
	ck_assert_ptr_eq(object, NULL);
	ck_assert_int_le(since, ring_now(r));
	listed++;
}

START_TEST(pool_has_a_bound)
{
	struct ring *r = ring_make(300);

	for (int round = 0; round < 3; round++) {
		unsigned made = 0;

		while (fiber_start(r, stay, NULL, "stay") != NULL)
			made++;
		ck_assert_uint_eq(made, 300);
		ck_assert_uint_eq(stats(r).in_use, 300);
		listed = 0;
		fiber_each(r, list_one, r);
		ck_assert_uint_eq(listed, 300);
		while (stats(r).in_use > 0)
			ring_turn(r, NSEC_NEVER);
	}
	ck_assert_uint_eq(stats(r).most_in_use, 300);
	/* Last in, first out: one at a time uses one stack. */
	for (int i = 0; i < 5; i++) {
		struct fiber *f = fiber_start(r, stay, NULL, "stay");

		while (stats(r).in_use > 0)
			ring_turn(r, NSEC_NEVER);
		ck_assert_ptr_eq(f, r->fibers.free);
	}
	finish(r);
}
END_TEST

/* ---- Stacks ----------------------------------------------------------------------------- */

static __attribute__((noinline)) unsigned
recurse(unsigned depth)
{
	volatile char frame[1024];

	memset((void *)(uintptr_t)frame, 7, sizeof(frame));
	if (depth > 0)
		return recurse(depth - 1) + (unsigned)frame[depth % 1024];
	return (unsigned)frame[3];
}

static void
deep(struct fiber *f, void *arg)
{
	(void)f;
	*(unsigned *)arg += recurse(30);	/* 30 KB and more */
}

static bool
resident(const struct fiber *f, size_t below_top)
{
	unsigned char vec = 0;
	uintptr_t at = ((uintptr_t)f - below_top) & ~(uintptr_t)4095;

	ck_assert_int_eq(mincore((void *)at, 1, &vec), 0);
	return vec & 1;
}

START_TEST(deep_stacks_are_given_back)
{
	struct ring *r = ring_make(2);
	unsigned sum = 0;
	struct fiber *f = fiber_start(r, deep, &sum, "deep");

	while (stats(r).in_use > 0)
		ring_turn(r, NSEC_NEVER);
	ck_assert_uint_eq(sum, 31 * 7);
	ck_assert_uint_ge(stats(r).stack_most, 30 * 1024);
	ck_assert_uint_lt(stats(r).stack_most, 250 * 1024);
	ck_assert(resident(f, 100));
	ck_assert(!resident(f, 28 * 1024));
	finish(r);
}
END_TEST

static void
shallow(struct fiber *f, void *arg)
{
	(void)f;
	*(unsigned *)arg += recurse(3);
}

START_TEST(depth_is_measured)
{
	struct ring *r = ring_make(2);
	unsigned sum = 0;

	fiber_start(r, shallow, &sum, "shallow");
	while (stats(r).in_use > 0)
		ring_turn(r, NSEC_NEVER);
	ck_assert_uint_ge(stats(r).stack_most, 4 * 1024);
	ck_assert_uint_le(stats(r).stack_most, 14 * 1024);
	finish(r);
}
END_TEST

#ifndef WITH_ASAN
static void
overflow(struct fiber *f, void *arg)
{
	(void)f;
	*(unsigned *)arg += recurse(1000);
}

/* Running over the end meets the guard page, never the neighbour. */
static void
guard_kills(bool mprotect_only)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct ring *r = ring_make(4);
		unsigned sum = 0;

		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		r->fibers.guard_by_mprotect = mprotect_only;
		fiber_start(r, stay, NULL, "stay");
		fiber_start(r, overflow, &sum, "overflow");
		ring_turn(r, NSEC_NEVER);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
}

START_TEST(guard_pages)
{
	guard_kills(false);
	guard_kills(true);
}
END_TEST
#endif

static void
slow(struct fiber *f, void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		nsec_t end = clock_mono() + 4 * NSEC_MSEC;

		while (clock_mono() < end)
			continue;
		fiber_yield(f);
	}
}

START_TEST(slow_ones_are_counted)
{
	struct ring *r = ring_make(4);

	fiber_start(r, slow, NULL, "slow");
	while (stats(r).in_use > 0)
		ring_turn(r, NSEC_NEVER);
	/* The first slow turn starts the timing of each. */
	ck_assert_uint_eq(stats(r).slow, 2);
	finish(r);
}
END_TEST

UNIT_MAIN("fiber", first_in_first_out, yield_is_fair, wake_before_wait_counts,
    deadlines, deadline_of_the_dead, canceling, pool_has_a_bound,
    deep_stacks_are_given_back, depth_is_measured,
#ifndef WITH_ASAN
    guard_pages,
#endif
    slow_ones_are_counted)
