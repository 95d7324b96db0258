/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live segment under threads, which stand for workers: exact counts, and no
 * race that the thread sanitizer can see (build with --enable-tsan).
 */
#include "live.h"

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define THREADS	4
#define T0	(1000 * NSEC_SEC)

struct share {
	struct live *l;
	unsigned id;
	_Atomic int64_t *now;
	uint64_t passed;
};

static void
run(void *(*fn)(void *), struct live *l, struct share v[THREADS])
{
	static _Atomic int64_t now;
	pthread_t t[THREADS];

	atomic_store(&now, T0);
	for (unsigned i = 0; i < THREADS; i++) {
		v[i] = (struct share){ l, i, &now, 0 };
		ck_assert_int_eq(pthread_create(&t[i], NULL, fn, &v[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}

static struct live *
segment(void)
{
	struct live *l;
	int fd = live_create(&l);

	ck_assert_int_ge(fd, 0);
	close(fd);
	return l;
}

/* All at one instant: exactly the burst passes. */
static void *
take_all(void *arg)
{
	static const struct live_rate rate = { 1, NSEC_SEC, 20000 };
	struct share *s = arg;
	nsec_t wait;
	int r;

	do {
		r = live_rate_take(s->l, 1, 1, &rate, T0, &wait);
		s->passed += r == 0;
	} while (r != -EAGAIN);
	return NULL;
}

START_TEST(burst)
{
	struct live *l = segment();
	struct share v[THREADS];
	uint64_t sum = 0;

	run(take_all, l, v);
	for (unsigned i = 0; i < THREADS; i++)
		sum += v[i].passed;
	ck_assert_uint_eq(sum, 20000);
	live_detach(l);
}
END_TEST

/* A clock that the threads move themselves: what it gave, no more, no less. */
#define STEPS	4000
static void *
take_moving(void *arg)
{
	static const struct live_rate rate = { 1000, NSEC_SEC, 50 };
	struct share *s = arg;
	nsec_t wait, now;
	int r;

	for (unsigned i = 0; i < STEPS; i++) {
		now = atomic_fetch_add(s->now, NSEC_MSEC) + NSEC_MSEC;
		do {
			r = live_rate_take(s->l, 1, 1, &rate, now, &wait);
			s->passed += r >= 0;
		} while (r != -EAGAIN);
	}
	return NULL;
}

START_TEST(moving)
{
	struct live *l = segment();
	struct share v[THREADS];
	uint64_t sum = 0;

	run(take_moving, l, v);
	for (unsigned i = 0; i < THREADS; i++)
		sum += v[i].passed;
	ck_assert_uint_le(sum, 50 + THREADS * STEPS);
	ck_assert_uint_ge(sum, THREADS * STEPS);
	live_detach(l);
}
END_TEST

/* New keys all the time, so that buckets are claimed by several at once. */
static void *
take_keys(void *arg)
{
	static const struct live_rate rate = { 1, NSEC_SEC, 3 };
	struct share *s = arg;
	nsec_t wait;

	for (uint64_t key = 0; key < 2000; key++)
		for (unsigned i = 0; i < 2; i++)
			s->passed += live_rate_take(s->l, 1, key, &rate, T0,
			    &wait) == 0;
	return NULL;
}

START_TEST(keys)
{
	struct live *l = segment();
	struct share v[THREADS];
	uint64_t sum = 0;

	run(take_keys, l, v);
	for (unsigned i = 0; i < THREADS; i++)
		sum += v[i].passed;
	ck_assert_uint_eq(sum, 2000 * 3);
	live_detach(l);
}
END_TEST

/* One writer per slot without a locked instruction; anyone reads. */
static void *
count(void *arg)
{
	struct share *s = arg;
	struct live_worker *w = &s->l->workers[s->id];

	for (unsigned i = 0; i < 20000; i++) {
		live_bump(w->requests, 1);
		(void)live_add(s->l->request_number, 1);
		(void)live_add(s->l->services[0].turn, 1);
		for (unsigned k = 0; k < THREADS && i % 64 == 0; k++)
			s->passed += atomic_load_explicit(&s->l->workers[
			    k].requests, memory_order_relaxed);
	}
	return NULL;
}

START_TEST(counters)
{
	struct live *l = segment();
	struct share v[THREADS];

	run(count, l, v);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_uint_eq(atomic_load(&l->workers[i].requests), 20000);
	ck_assert_uint_eq(atomic_load(&l->request_number), THREADS * 20000);
	ck_assert_uint_eq(atomic_load(&l->services[0].turn), THREADS * 20000);
	live_detach(l);
}
END_TEST

UNIT_MAIN("live_threads", burst, moving, keys, counters)
