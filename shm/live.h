/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live state: the one segment that all workers write. It survives crashes of
 * workers and reloads. Each word has either one writer or is a C11 atomic that
 * is changed by bounded compare-and-swap; nothing here is a pointer, a length
 * or a lock, and every value is checked when it is read (P-17).
 *
 *   header | worker slots | balancers | servers | rate-limit buckets
 */
#ifndef LIVE_H
#define LIVE_H

#include "clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_MAGIC	UINT64_C(0x0a6576696c6b6b61)
#define LIVE_ABI	2
/* Two masters may have workers at a time, while one takes over. */
#define WORKERS_MAX	64
#define LIVE_WORKERS	(2 * WORKERS_MAX)
#define LIVE_SERVICES	16384
#define LIVE_SERVERS	65536
#define LIVE_BUCKETS	(1u << 18)	/* of all rate limits */

/* One writer: the worker in this slot. Read by anyone. */
struct live_worker {
	_Alignas(64) _Atomic uint64_t requests;
	_Atomic uint64_t accepted;
	_Atomic uint64_t connections;		/* open now */
	_Atomic uint64_t in_flight;
	_Atomic uint64_t bytes_in, bytes_out;
	_Atomic uint64_t responses[6];		/* by class, [0] others */
	_Atomic uint64_t handshakes, resumed, handshake_errors;
	_Atomic uint64_t log_dropped;
	_Atomic uint64_t generation;		/* current one */
	_Atomic int64_t heartbeat;		/* monotonic, of the last turn */
};

/* Balancer of a service: whose turn it is. */
struct live_service { _Atomic uint64_t turn; };

struct live_server {
	_Atomic uint32_t in_flight;
	_Atomic uint32_t fails;			/* in a row */
	_Atomic int64_t down_until;		/* monotonic; 0: up */
};

struct live_bucket {
	_Atomic uint64_t key;			/* 0: free */
	_Atomic int64_t full_at;		/* monotonic: when the bucket is full again */
};

struct live {
	uint64_t magic;
	uint32_t abi, bytes_hi;
	uint64_t bytes;
	uint64_t seed;				/* keys hashes; unknown to clients */
	_Atomic uint64_t request_number;	/* RequestCount */
	struct live_worker workers[LIVE_WORKERS];
	struct live_service services[LIVE_SERVICES];
	struct live_server servers[LIVE_SERVERS];
	struct live_bucket buckets[LIVE_BUCKETS];
};

/* Master: a new segment. Returns the descriptor or -errno. */
int	live_create(struct live **ret);
/* Child: maps it and checks header and size. 0, -EPROTO, -errno. */
int	live_attach(int fd, struct live **ret);
void	live_detach(struct live *l);
/*
 * Master: whatever a worker that ran wild wrote over the header, the next one
 * can attach. True when something had to be written.
 */
bool	live_repair(struct live *l);

struct live_rate {
	int64_t average;	/* tokens per period; > 0 */
	int64_t period_ns;
	int64_t burst;		/* >= 1 */
};
/*
 * Takes one token for (id, key) at `now`. 0: pass; 1: pass after *ret_wait;
 * -EAGAIN: refused, *ret_wait is the time until a token would be there;
 * -ENOMEM: no bucket could be had (fails closed: the caller refuses).
 * Exact over all workers: tokens of a bucket are counted in one word.
 */
int	live_rate_take(struct live *l, uint32_t id, uint64_t key,
	    const struct live_rate *rate, nsec_t now, nsec_t *ret_wait);

#define live_add(word, n) \
	atomic_fetch_add_explicit(&(word), (n), memory_order_relaxed)
/* For words with one writer: no locked instruction. */
#define live_bump(word, n) \
	atomic_store_explicit(&(word), atomic_load_explicit(&(word), \
	    memory_order_relaxed) + (n), memory_order_relaxed)

#endif
