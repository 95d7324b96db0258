/* SPDX-License-Identifier: BSD-2-Clause */
/* The live segment and its rate limits, in one process and in several. */
#include "live.h"

#include "hash.h"
#include "reason.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define T0	(1000 * NSEC_SEC)
#define MS	NSEC_MSEC

START_TEST(attach)
{
	struct live *a, *b;
	int fd = live_create(&a), other;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(live_attach(fd, &b), 0);
	ck_assert_ptr_ne(a, b);
	live_bump(a->workers[3].requests, 5);
	ck_assert_uint_eq(atomic_load(&b->workers[3].requests), 5);
	ck_assert_uint_eq(live_add(b->request_number, 2), 0);
	ck_assert_uint_eq(live_add(a->request_number, 1), 2);
	ck_assert_uint_eq(a->seed, b->seed);
	live_detach(b);
	/* Of another layout. */
	a->abi++;
	ck_assert_int_eq(live_attach(fd, &b), -EPROTO);
	a->abi--;
	a->magic ^= 1;
	ck_assert_int_eq(live_attach(fd, &b), -EPROTO);
	a->magic ^= 1;
	a->bytes++;
	ck_assert_int_eq(live_attach(fd, &b), -EPROTO);
	live_detach(a);
	live_detach(NULL);
	close(fd);
	/* Of another size, not sealed, or no descriptor at all. */
	other = memfd_create("other", MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(other, sizeof(struct live)), 0);
	ck_assert_int_eq(live_attach(other, &b), -EPROTO);
	ck_assert_int_eq(ftruncate(other, sizeof(struct live) - 1), 0);
	ck_assert_int_eq(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	ck_assert_int_eq(live_attach(other, &b), -EPROTO);
	close(other);
	ck_assert_int_eq(live_attach(other, &b), -EBADF);
}
END_TEST

static struct live *
segment(void)
{
	struct live *l;
	int fd = live_create(&l);

	ck_assert_int_ge(fd, 0);
	close(fd);
	return l;
}

START_TEST(one_bucket)
{
	/* Two per second, burst 3: a token costs 500 ms, half of it is waited. */
	static const struct live_rate rate = { 2, NSEC_SEC, 3 };
	static const struct { nsec_t at; int want; nsec_t wait; } steps[] = {
		{ 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 },
		{ 0, -EAGAIN, 500 * MS },
		{ 249 * MS, -EAGAIN, 251 * MS },
		{ 250 * MS, 1, 250 * MS },		/* the token of 500 ms */
		{ 500 * MS, -EAGAIN, 500 * MS },
		{ 1000 * MS, 0, 0 },
		{ 1000 * MS, -EAGAIN, 500 * MS },
		{ 9000 * MS, 0, 0 }, { 9000 * MS, 0, 0 }, { 9000 * MS, 0, 0 },
		{ 9000 * MS, -EAGAIN, 500 * MS },	/* never more than burst */
	};
	struct live *l = segment();

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		nsec_t wait = -1;
		int r = live_rate_take(l, 1, 7, &rate, T0 + steps[i].at, &wait);

		ck_assert_msg(r == steps[i].want && wait == steps[i].wait,
		    "step %zu: %d after %lld", i, r, (long long)wait);
	}
	live_detach(l);
}
END_TEST

/* How many of n pass at once. */
static unsigned
passes(struct live *l, uint32_t id, uint64_t key, const struct live_rate *rate,
    nsec_t now, unsigned n)
{
	unsigned got = 0;
	nsec_t wait;

	while (n-- > 0)
		got += live_rate_take(l, id, key, rate, now, &wait) == 0;
	return got;
}

START_TEST(apart)
{
	static const struct live_rate rate = { 1, NSEC_SEC, 4 };
	struct live *l = segment();

	for (uint32_t id = 0; id < 4; id++)
		for (uint64_t key = 0; key < 100; key++)
			ck_assert_uint_eq(passes(l, id, key, &rate, T0, 6), 4);
	live_detach(l);
}
END_TEST

START_TEST(slow_and_odd_rates)
{
	static const struct { struct live_rate rate; unsigned pass; } rows[] = {
		{ { 1, 3600 * NSEC_SEC, 1 }, 1 },
		{ { 1, NSEC_SEC, 1 }, 1 },
		{ { 3, NSEC_SEC, 7 }, 7 },
		{ { 1000000, NSEC_SEC, 10 }, 10 },
		{ { 1, 1, 1 }, 1 },
		/* Nothing overflows. */
		{ { INT64_MAX, 1, INT64_MAX }, 20 },
		{ { INT64_MAX, INT64_MAX, 100 }, 20 },
		{ { 1, INT64_MAX, INT64_MAX }, 2 },
		{ { 10000000000, NSEC_SEC, 1000 }, 20 },
	};
	struct live *l = segment();

	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned n = passes(l, i, 1, &rows[i].rate, T0, 20);

		ck_assert_msg(n >= rows[i].pass && (n == rows[i].pass ||
		    rows[i].rate.average / 4 > rows[i].rate.period_ns),
		    "row %u: %u", i, n);
	}
	live_detach(l);
}
END_TEST

static struct live_bucket *
bucket_in_use(struct live *l)
{
	for (unsigned i = 0; i < LIVE_BUCKETS; i++)
		if (atomic_load(&l->buckets[i].key) != 0)
			return &l->buckets[i];
	return NULL;
}

/* A word that no worker wrote locks nobody out and lets nobody flood (P-17). */
START_TEST(corrupted_words)
{
	static const int64_t words[] = { INT64_MAX, INT64_MIN, -1, 0,
	    T0 + 100 * NSEC_SEC, INT64_MAX / 2 };	/* the clock's lag is 60 s */
	static const struct live_rate rate = { 1, NSEC_SEC, 2 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct live *l = segment();

		ck_assert_uint_eq(passes(l, 1, 1, &rate, T0, 9), 2);
		atomic_store(&bucket_in_use(l)->full_at, words[i]);
		ck_assert_uint_le(passes(l, 1, 1, &rate, T0, 9), 2);
		ck_assert_uint_eq(passes(l, 1, 1, &rate, T0 + NSEC_SEC, 9), 1);
		ck_assert_uint_eq(passes(l, 1, 1, &rate, T0 + 9 * NSEC_SEC,
		    9), 2);
		live_detach(l);
	}
}
END_TEST

/* A reload that lowers the burst leaves no debt that the old one allowed. */
START_TEST(smaller_burst)
{
	static const struct live_rate before = { 1, NSEC_SEC, 1000 },
	    after = { 1, NSEC_SEC, 1 };
	struct live *l = segment();

	ck_assert_uint_eq(passes(l, 1, 1, &before, T0, 2000), 1000);
	ck_assert_uint_eq(passes(l, 1, 1, &after, T0, 10), 0);
	ck_assert_uint_eq(passes(l, 1, 1, &after, T0 + NSEC_SEC, 10), 1);
	live_detach(l);
}
END_TEST

/*
 * More keys in one place than there is room for: the one that owes least gives
 * its bucket away, and what it owes stays in it.
 */
START_TEST(crowded)
{
	static const struct live_rate rate = { 1, NSEC_SEC, 100 };
	struct live *l = segment();
	uint64_t keys[18];
	unsigned n = 0;

	for (uint64_t key = 1; n < ARRAY_SIZE(keys); key++) {
		uint64_t pair[2] = { 1, key };

		if (((hash_bytes(pair, sizeof(pair), l->seed) | 1) &
		    (LIVE_BUCKETS - 1)) == 1)
			keys[n++] = key;
	}
	/* Each owes more than the one before. */
	for (unsigned i = 0; i < 16; i++)
		ck_assert_uint_eq(passes(l, 1, keys[i], &rate, T0, i + 1),
		    i + 1);
	ck_assert_uint_eq(passes(l, 1, keys[16], &rate, T0, 200), 99);
	/* Those who owe most keep their own. */
	ck_assert_uint_eq(passes(l, 1, keys[15], &rate, T0, 200), 84);
	/* Much later all are full again, and there is room. */
	ck_assert_uint_eq(passes(l, 1, keys[17], &rate, T0 + 3000 * NSEC_SEC,
	    200), 100);
	/* A place where all owe hours lets nobody new in. */
	for (unsigned i = 0; i < 16; i++)
		atomic_store(&l->buckets[(1 + i) & (LIVE_BUCKETS - 1)].full_at,
		    T0 + 7200 * NSEC_SEC);
	{
		nsec_t wait;

		ck_assert_int_eq(live_rate_take(l, 1, keys[0], &rate, T0,
		    &wait), -ENOMEM);
		ck_assert_int_eq(wait, NSEC_SEC);
	}
	live_detach(l);
}
END_TEST

#define PROCESSES	4

/* Tokens are counted in one word: all processes together get no more. */
START_TEST(processes)
{
	static const struct live_rate rate = { 10, NSEC_SEC, 500 };
	struct live *l;
	int fd = live_create(&l);
	pid_t pids[PROCESSES];

	ck_assert_int_ge(fd, 0);
	for (unsigned i = 0; i < PROCESSES; i++)
		if ((pids[i] = fork()) == 0) {
			struct live *mine;
			nsec_t wait, now = T0;

			if (live_attach(fd, &mine) < 0)
				_exit(1);
			/* Rounds of ten tokens, each until nothing is left. */
			for (unsigned round = 0; round < 50; round++) {
				int r;

				do {
					r = live_rate_take(mine, 1, 1, &rate,
					    now, &wait);
					if (r == 0)
						(void)live_add(mine->
						    request_number, 1);
				} while (r != -EAGAIN);
				now += NSEC_SEC;
			}
			_exit(0);
		}
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	/* However far apart they ran, nothing was taken twice or lost. */
	ck_assert_uint_eq(l->request_number, 500 + 49 * 10);
	live_detach(l);
	close(fd);
}
END_TEST

/* What is known of a server, and what a dead worker leaves. */
START_TEST(servers)
{
	struct live *l = segment();
	struct live_server *s = &l->servers[7];

	atomic_store(&s->counted, 1);
	live_bump(l->loads[7].in_flight[0], 2);
	live_bump(l->loads[7].in_flight[LIVE_WORKERS - 1], 3);
	live_bump(l->loads[8].in_flight[0], 9);
	ck_assert_uint_eq(live_server_load(l, 7), 5);
	live_bump(l->workers[0].connections, 4);
	atomic_store(&l->workers[0].checks, T0);
	/* Servers from 8 on are not counted by anybody. */
	live_worker_reset(l, 0, 8);
	ck_assert_uint_eq(live_server_load(l, 7), 3);
	ck_assert_uint_eq(live_server_load(l, 8), 9);
	ck_assert_uint_eq(atomic_load(&l->workers[0].connections), 0);
	ck_assert_int_eq(atomic_load(&l->workers[0].checks), 0);
	atomic_store(&s->down, 1);
	atomic_store(&s->probe_at, T0);
	atomic_store(&s->down_until, T0);
	atomic_store(&s->fails, 3);
	live_server_timed(s, MS);
	live_server_reset(l, 7);
	ck_assert_uint_eq(atomic_load(&s->down) + atomic_load(&s->fails) +
	    atomic_load(&s->first_byte), 0);
	ck_assert_int_eq(atomic_load(&s->probe_at) +
	    atomic_load(&s->down_until), 0);
	/* Requests to the server before it are still under way. */
	ck_assert_uint_eq(live_server_load(l, 7), 3);
	live_detach(l);
}
END_TEST

START_TEST(times)
{
	struct live *l = segment();
	struct live_server *s = &l->servers[0];

	live_server_timed(s, 10 * MS);
	ck_assert_uint_eq(atomic_load(&s->first_byte), 10 * MS);
	for (unsigned i = 0; i < 1000; i++)
		live_server_timed(s, 20 * MS);
	ck_assert_uint_gt(atomic_load(&s->first_byte), 19 * MS);
	ck_assert_uint_le(atomic_load(&s->first_byte), 20 * MS);
	/* It never becomes unknown again, whatever is measured. */
	for (unsigned i = 0; i < 10000; i++)
		live_server_timed(s, -5);
	ck_assert_uint_ge(atomic_load(&s->first_byte), 1);
	/* Corrupted: begins anew. */
	atomic_store(&s->first_byte, UINT64_MAX);
	live_server_timed(s, 3 * MS);
	ck_assert_uint_eq(atomic_load(&s->first_byte), 3 * MS);
	live_server_timed(s, INT64_MAX);
	ck_assert_uint_lt(atomic_load(&s->first_byte), 3600 * NSEC_SEC);
	live_detach(l);
}
END_TEST

START_TEST(failures)
{
	struct live *l = segment();
	struct live_server *s = &l->servers[0];
	nsec_t now = T0;

	/* Three within a second, by a window that slides. */
	ck_assert(!live_server_failed(l, 0, 3, NSEC_SEC, now));
	ck_assert(!live_server_failed(l, 0, 3, NSEC_SEC, now += 600 * MS));
	ck_assert(!live_server_failed(l, 0, 3, NSEC_SEC, now += 600 * MS));
	ck_assert(live_server_failed(l, 0, 3, NSEC_SEC, now += 300 * MS));
	atomic_store(&s->fails, 0);
	ck_assert(!live_server_failed(l, 0, 2, NSEC_SEC, now));
	ck_assert(live_server_failed(l, 0, 2, NSEC_SEC, now));
	atomic_store(&s->fails, 0);
	ck_assert(live_server_failed(l, 0, 1, NSEC_SEC, now));
	/* More than are remembered: all of them in a row, the last ones soon. */
	atomic_store(&s->fails, 0);
	for (unsigned i = 1; i < 100; i++)
		ck_assert(!live_server_failed(l, 0, 100, NSEC_SEC, now));
	ck_assert(live_server_failed(l, 0, 100, NSEC_SEC, now));
	/* Out, for as long as somebody can have meant. */
	atomic_store(&s->down_until, now + 5);
	ck_assert(live_server_is_out(s, NSEC_SEC, now));
	ck_assert(!live_server_is_out(s, NSEC_SEC, now + 5));
	atomic_store(&s->down_until, now + 3600 * NSEC_SEC);
	ck_assert(!live_server_is_out(s, NSEC_SEC, now));
	live_detach(l);
}
END_TEST

START_TEST(results)
{
	static const struct { uint32_t result; const char *text; } rows[] = {
		{ 503, "answered 503" },
		{ LIVE_RESULT_REASON + REASON_UPSTREAM_REFUSED,
		    "upstream-refused" },
		{ LIVE_RESULT_REASON + 999, "" },
		{ LIVE_RESULT_SERVING + 2, "answered NOT_SERVING" },
		{ LIVE_RESULT_SERVING + 77, "answered ?" },
		{ LIVE_RESULT_GRPC + 14, "answered grpc-status 14" },
	};
	char text[LIVE_RESULT_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(live_result_text(rows[i].result, text),
		    rows[i].text);
}
END_TEST

UNIT_MAIN("live", attach, one_bucket, apart, slow_and_odd_rates,
    corrupted_words, smaller_burst, crowded, processes, servers, times,
    failures, results)
