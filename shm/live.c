/* SPDX-License-Identifier: BSD-2-Clause */
/* Live state; see live.h. */
#include "live.h"

#include "hash.h"
#include "reason.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBE		16	/* buckets looked at for one key */
#define TRIES		64	/* of one compare-and-swap */
#define AVERAGE_OF	100	/* answers of a server, about */
#define AVERAGE_MAX	((uint64_t)(3600 * NSEC_SEC))
#define CLOCK_LAG	(60 * NSEC_SEC)	/* of a worker that was held up */

int
live_create(struct live **ret)
{
	int fd = memfd_create("akkod-live", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;
	struct live *l;

	if (fd < 0)
		return -errno;
	/*
	 * Sparse: only what is used costs memory. The size stands, so that no
	 * worker can cut it and end the others with SIGBUS.
	 */
	if (ftruncate(fd, sizeof(*l)) < 0 || fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l == MAP_FAILED) {
		err = -errno;
		close(fd);
		return err;
	}
	(void)live_repair(l);
	if (getrandom(&l->seed, sizeof(l->seed), 0) != sizeof(l->seed)) {
		munmap(l, sizeof(*l));
		close(fd);
		return -EIO;
	}
	*ret = l;
	return fd;
}

int
live_attach(int fd, struct live **ret)
{
	struct stat st;
	struct live *l;
	int seals;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* Whoever gave it must not be able to cut it later. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
		return -EPROTO;
	if (st.st_size != sizeof(*l))
		return -EPROTO;
	l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l == MAP_FAILED)
		return -errno;
	if (l->magic != LIVE_MAGIC || l->abi != LIVE_ABI ||
	    l->bytes != sizeof(*l)) {
		munmap(l, sizeof(*l));
		return -EPROTO;
	}
	*ret = l;
	return 0;
}

bool
live_repair(struct live *l)
{
	if (l->magic == LIVE_MAGIC && l->abi == LIVE_ABI &&
	    l->bytes == sizeof(*l))
		return false;
	l->magic = LIVE_MAGIC;
	l->abi = LIVE_ABI;
	l->bytes = sizeof(*l);
	return true;
}

void
live_detach(struct live *l)
{
	if (l != NULL)
		munmap(l, sizeof(*l));
}

/* ---- Servers ------------------------------------------------------------ */

void
live_server_reset(struct live *l, uint32_t slot)
{
	struct live_server *s = &l->servers[slot];

	atomic_store(&s->down, 0);
	atomic_store(&s->result, 0);
	atomic_store(&s->probe_at, 0);
	atomic_store(&s->changed, 0);
	atomic_store(&s->down_until, 0);
	atomic_store(&s->first_byte, 0);
	atomic_store(&s->fails, 0);
	/*
	 * Not its load: requests to the server that had the slot before may
	 * still be under way, and are taken off when they end.
	 */
}

unsigned
live_server_load(const struct live *l, uint32_t slot)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		n += atomic_load_explicit(&l->loads[slot].in_flight[i],
		    memory_order_relaxed);
	return n;
}

void
live_worker_reset(struct live *l, unsigned worker, uint32_t servers)
{
	struct live_worker *w = &l->workers[worker];

	atomic_store(&w->connections, 0);
	atomic_store(&w->in_flight, 0);
	atomic_store(&w->heartbeat, 0);
	atomic_store(&w->checks, 0);
	/* What nobody counts takes no memory: writing would give it some. */
	for (uint32_t i = 0; i < servers && i < LIVE_SERVERS; i++)
		if (atomic_load(&l->servers[i].counted) != 0)
			atomic_store(&l->loads[i].in_flight[worker], 0);
}

void
live_server_timed(struct live_server *s, nsec_t first_byte)
{
	uint64_t t = first_byte > 0 ? (uint64_t)first_byte : 1;
	uint64_t was = atomic_load_explicit(&s->first_byte,
	    memory_order_relaxed);

	/* A sample that two workers write at once may be lost. */
	if (t > AVERAGE_MAX)
		t = AVERAGE_MAX;
	if (was != 0 && was <= AVERAGE_MAX)
		t = (was * (AVERAGE_OF - 1) + t + AVERAGE_OF - 1) / AVERAGE_OF;
	atomic_store_explicit(&s->first_byte, t, memory_order_relaxed);
}

bool
live_server_failed(struct live *l, uint32_t slot, unsigned most, nsec_t window,
    nsec_t now)
{
	struct live_failures *f = &l->failures[slot];
	uint32_t n = atomic_fetch_add(&l->servers[slot].fails, 1);
	uint32_t ms = (uint32_t)(now / NSEC_MSEC), first;
	unsigned kept = most < LIVE_FAILURES ? most : LIVE_FAILURES;

	atomic_store(&f->at[n % LIVE_FAILURES], ms);
	if (n + 1 < most)
		return false;
	first = atomic_load(&f->at[(n + 1 - kept) % LIVE_FAILURES]);
	return (uint64_t)(ms - first) * NSEC_MSEC <= (uint64_t)window;
}

bool
live_server_is_out(const struct live_server *s, nsec_t window, nsec_t now)
{
	int64_t until = atomic_load_explicit(&s->down_until,
	    memory_order_relaxed);

	/* Further ahead than anybody sets it: no value of ours. */
	return until > now && until - now <= window + CLOCK_LAG;
}

const char *
live_result_text(uint32_t result, char out[LIVE_RESULT_TEXT])
{
	static const char *const serving[] = { "UNKNOWN", "SERVING",
	    "NOT_SERVING", "SERVICE_UNKNOWN" };
	uint32_t n = result % 1000;

	if (result < LIVE_RESULT_REASON)
		snprintf(out, LIVE_RESULT_TEXT, "answered %u", n);
	else if (result < LIVE_RESULT_SERVING)
		snprintf(out, LIVE_RESULT_TEXT, "%s",
		    reason_word((enum reason)n));
	else if (result < LIVE_RESULT_GRPC)
		snprintf(out, LIVE_RESULT_TEXT, "answered %s",
		    n < ARRAY_SIZE(serving) ? serving[n] : "?");
	else
		snprintf(out, LIVE_RESULT_TEXT, "answered grpc-status %u", n);
	return out;
}

/* ---- Rate limits -------------------------------------------------------- */

/*
 * A bucket in one word: the time at which it will be full again. Taking a token
 * moves that by the cost of one; what lies further ahead than the whole burst
 * is debt, which is the time to wait. A bucket that is full (its time has
 * passed) is as good as a free one, so nothing needs to expire.
 */
struct cost { nsec_t token, burst, max_delay; };

static struct cost
rate_cost(const struct live_rate *r)
{
	struct cost c;
	__int128_t per_sec = (__int128_t)r->average * NSEC_SEC / r->period_ns;

	c.token = r->period_ns / r->average;
	if (c.token < 1)
		c.token = 1;
	if (c.token > NSEC_NEVER / 8)
		c.token = NSEC_NEVER / 8;
	if (__builtin_mul_overflow(c.token, r->burst, &c.burst) ||
	    c.burst > NSEC_NEVER / 4)
		c.burst = NSEC_NEVER / 4;
	/* Traefik: half a second below one per second, else 1/(2 rate). */
	c.max_delay = per_sec < 1 ? NSEC_SEC / 2 :
	    (nsec_t)(NSEC_SEC / (2 * per_sec));
	return c;
}

/* When it is full; no burst lasts as long as a corrupted value may say. */
static int64_t
full_at(struct live_bucket *b, nsec_t now)
{
	int64_t at = atomic_load(&b->full_at);

	return at > now && at - now > NSEC_NEVER / 2 ? 0 : at;
}

static struct live_bucket *
bucket_find(struct live *l, uint64_t key, nsec_t now)
{
	uint32_t at = (uint32_t)(key & (LIVE_BUCKETS - 1));
	struct live_bucket *oldest = NULL;
	int64_t oldest_at = INT64_MAX, at_b;

	for (unsigned i = 0; i < PROBE; i++) {
		struct live_bucket *b = &l->buckets[(at + i) &
		    (LIVE_BUCKETS - 1)];
		uint64_t have = atomic_load(&b->key), none = 0;

		if (have == key)
			return b;
		if (have == 0) {
			if (atomic_compare_exchange_strong(&b->key, &none,
			    key) || none == key)
				return b;
			have = none;
		}
		at_b = full_at(b, now);
		if (at_b < oldest_at) {
			oldest_at = at_b;
			oldest = b;
		}
	}
	/*
	 * All taken: the one that is full again, or nearest to it, makes room.
	 * What it owes stays, so that a flood of keys forgives nobody and two
	 * workers that do this at once cannot forget a token.
	 */
	for (unsigned i = 0; i < TRIES && oldest != NULL; i++) {
		uint64_t have = atomic_load(&oldest->key);

		if (have == key)
			return oldest;
		if (oldest_at > now + NSEC_SEC * 3600)
			return NULL;
		if (atomic_compare_exchange_strong(&oldest->key, &have, key))
			return oldest;
	}
	return NULL;
}

int
live_rate_take(struct live *l, uint32_t id, uint64_t key,
    const struct live_rate *rate, nsec_t now, nsec_t *ret_wait)
{
	struct cost c = rate_cost(rate);
	uint64_t pair[2] = { id, key };
	uint64_t hash = hash_bytes(pair, sizeof(pair), l->seed) | 1;
	struct live_bucket *b = bucket_find(l, hash, now);

	for (unsigned i = 0; b != NULL && i < TRIES; i++) {
		int64_t was = atomic_load(&b->full_at), at = was;
		nsec_t wait;

		/*
		 * Further ahead than our arithmetic goes and than another
		 * worker's clock may be: a corrupted value, or the debt of a
		 * larger burst before a reload. It is an empty bucket from now
		 * on.
		 */
		if (was < now)
			at = now;
		else if (was - now > c.burst + c.max_delay + CLOCK_LAG)
			at = now + c.burst;
		wait = at + c.token - now - c.burst;
		*ret_wait = wait > 0 ? wait : 0;
		if (wait > c.max_delay) {
			if (at != was)
				(void)atomic_compare_exchange_strong(
				    &b->full_at, &was, at);
			return -EAGAIN;
		}
		if (atomic_compare_exchange_weak(&b->full_at, &was,
		    at + c.token))
			return wait > 0;
	}
	*ret_wait = NSEC_SEC;
	return -ENOMEM;
}
