/* SPDX-License-Identifier: BSD-2-Clause */
/* The wheel of timers, on the simulated clock: hours pass at once. */
#include "ring_impl.h"

#include "str.h"

#include "unit.h"

#include <string.h>

static struct ring *
ring_make(void)
{
	struct ring_options o = { .backend = RING_SIM, .max_socks = 1,
	    .max_fibers = 1, .small_buffers = 1, .large_buffers = 1 };
	struct ring *r = NULL;
	const char *why;

	ck_assert_int_eq(ring_new(&o, &r, &why), 0);
	return r;
}

struct one {
	struct timer t;
	struct ring *r;
	nsec_t fired;		/* 0: not */
	unsigned times;
	struct one *other;
};

static void
on_one(struct timer *t)
{
	struct one *o = (struct one *)(void *)t;

	o->fired = ring_now(o->r);
	o->times++;
}

/* Times around every boundary of the levels, and far beyond the last. */
START_TEST(every_distance)
{
	static const nsec_t ms[] = { 0, 1, 3, 4, 5, 7, 8, 250, 251, 252, 253,
	    255, 256, 257, 260, 300, 511, 512, 1000, 16380, 16384, 16388,
	    30000, 60000, 1048575, 1048576, 1048580, 3600000, 67108864,
	    67108870, 86400000, 4294967296, 4294967300, 8640000000 };
	struct one one[ARRAY_SIZE(ms)];
	struct ring *r = ring_make();

	for (int offset = 0; offset < 5; offset++) {
		nsec_t start;

		r->now += 777 * NSEC_MSEC + 12345;
		ring_turn(r, ring_now(r));
		start = ring_now(r);
		for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
			one[i] = (struct one){ .t.fn = on_one, .r = r };
			timer_set(r, &one[i].t, start + ms[i] * NSEC_MSEC);
			ck_assert(timer_pending(&one[i].t));
		}
		for (int i = 0; i < 100000 && one[ARRAY_SIZE(ms) - 1].times ==
		    0; i++)
			ring_turn(r, NSEC_NEVER);
		for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
			nsec_t late = one[i].fired - start -
			    ms[i] * NSEC_MSEC;

			ck_assert_uint_eq(one[i].times, 1);
			ck_assert(!timer_pending(&one[i].t));
			ck_assert_msg(late >= 0 && late <= 2 * TIMER_TICK,
			    "%lld ms: late by %lld ns", (long long)ms[i],
			    (long long)late);
		}
	}
	ring_free(r);
}
END_TEST

/* Against the plain truth: many timers set, moved and stopped at random. */
START_TEST(random_sets_and_stops)
{
	enum { N = 2000 };
	static struct one one[N];
	static nsec_t want[N];
	struct ring *r = ring_make();
	unsigned seed = 12345;
	nsec_t start = ring_now(r);

	memset(one, 0, sizeof(one));
	for (unsigned i = 0; i < N; i++) {
		one[i].t.fn = on_one;
		one[i].r = r;
		want[i] = 0;
	}
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i, what;

		seed = seed * 1103515245 + 12345;
		i = (seed >> 8) % N;
		what = (seed >> 4) % 4;
		if (what == 0) {
			timer_stop(r, &one[i].t);
			if (one[i].times == 0)
				want[i] = 0;
		} else if (one[i].times == 0) {
			want[i] = ring_now(r) +
			    (nsec_t)(seed % 700000) * NSEC_MSEC / 10;
			timer_set(r, &one[i].t, want[i]);
		}
		if (step % 16 == 0)
			ring_turn(r, ring_now(r) + (nsec_t)(seed % 50) *
			    NSEC_MSEC);
	}
	ring_turn(r, NSEC_NEVER);
	while (wheel_next(r) != NSEC_NEVER)
		ring_turn(r, NSEC_NEVER);
	for (unsigned i = 0; i < N; i++) {
		if (want[i] == 0) {
			ck_assert_uint_eq(one[i].times, 0);
			continue;
		}
		ck_assert_uint_eq(one[i].times, 1);
		ck_assert_int_ge(one[i].fired, want[i]);
		ck_assert_int_le(one[i].fired, want[i] + 60 * NSEC_MSEC);
	}
	ck_assert_int_gt(ring_now(r), start);
	ring_free(r);
}
END_TEST

/* A timer may set itself, stop another that is due at the same time. */
static void
on_again(struct timer *t)
{
	struct one *o = (struct one *)(void *)t;

	if (++o->times < 5)
		timer_set(o->r, t, ring_now(o->r) + 100 * NSEC_MSEC);
}

static void
on_stop_other(struct timer *t)
{
	struct one *o = (struct one *)(void *)t;

	o->times++;
	timer_stop(o->r, &o->other->t);
}

START_TEST(from_inside)
{
	struct ring *r = ring_make();
	struct one again = { .t.fn = on_again, .r = r };
	struct one a = { .t.fn = on_stop_other, .r = r };
	struct one b = { .t.fn = on_stop_other, .r = r, .other = &a };
	nsec_t start = ring_now(r);

	a.other = &b;
	timer_set(r, &again.t, start + 100 * NSEC_MSEC);
	timer_set(r, &a.t, start + 8 * NSEC_MSEC);
	timer_set(r, &b.t, start + 8 * NSEC_MSEC);
	while (again.times < 5)
		ring_turn(r, NSEC_NEVER);
	ck_assert_uint_eq(a.times + b.times, 1);
	ck_assert_int_ge(ring_now(r) - start, 500 * NSEC_MSEC);
	ck_assert_int_le(ring_now(r) - start, 550 * NSEC_MSEC);
	ring_free(r);
}
END_TEST

/* Never inside timer_set(), also when the time has passed; never: stopped. */
START_TEST(past_and_never)
{
	struct ring *r = ring_make();
	struct one o = { .t.fn = on_one, .r = r };

	timer_set(r, &o.t, 0);
	ck_assert_uint_eq(o.times, 0);
	ring_turn(r, NSEC_NEVER);
	ck_assert_uint_eq(o.times, 1);
	timer_set(r, &o.t, ring_now(r) + NSEC_SEC);
	timer_set(r, &o.t, NSEC_NEVER);
	ck_assert(!timer_pending(&o.t));
	timer_stop(r, &o.t);
	for (int i = 0; i < 10; i++)
		ring_turn(r, ring_now(r) + NSEC_SEC);
	ck_assert_uint_eq(o.times, 1);
	ring_free(r);
}
END_TEST

/* Waiting with thousands of far timers wakes rarely, not at every tick. */
START_TEST(far_timers_do_not_wake)
{
	enum { N = 10000 };
	static struct one one[N];
	struct ring *r = ring_make();
	nsec_t end = ring_now(r) + 60 * NSEC_SEC;
	unsigned turns = 0;

	memset(one, 0, sizeof(one));
	for (unsigned i = 0; i < N; i++) {
		one[i].t.fn = on_one;
		one[i].r = r;
		timer_set(r, &one[i].t, end + (nsec_t)i * NSEC_MSEC);
	}
	while (ring_now(r) < end) {
		ring_turn(r, end);
		turns++;
	}
	ck_assert_uint_lt(turns, 100);
	ring_free(r);
}
END_TEST

UNIT_MAIN("timer", every_distance, random_sets_and_stops, from_inside,
    past_and_never, far_timers_do_not_wake)
