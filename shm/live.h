/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live state: the one segment that all workers write. It survives crashes of
 * workers and reloads. Each word has either one writer or is a C11 atomic that
 * is changed by bounded compare-and-swap; nothing here is a pointer, a length
 * or a lock, and every value is checked when it is read (P-17).
 *
 *   header | worker slots | balancers | servers, their loads and failures |
 *   rate-limit buckets
 */
#ifndef LIVE_H
#define LIVE_H

#include "clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_MAGIC	UINT64_C(0x0a6576696c6b6b61)
#define LIVE_ABI	3
/* Two masters may have workers at a time, while one takes over. */
#define WORKERS_MAX	64
#define LIVE_WORKERS	(2 * WORKERS_MAX)
#define LIVE_SERVICES	16384
#define LIVE_SERVERS	65536
#define LIVE_FAILURES	32	/* remembered of a server */
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
	_Atomic int64_t checks;			/* monotonic: it last looked which servers to probe; 0: does not */
};

/* Balancer of a service: whose turn it is. */
struct live_service { _Atomic uint64_t turn; };

/* What the workers have found out about a server; only where it is asked for. */
struct live_server {
	_Atomic uint32_t down;			/* by its health check: 0 or 1 */
	_Atomic uint32_t result;		/* of the last probe: see below */
	_Atomic int64_t probe_at;		/* monotonic: the next one; 0: not planned */
	_Atomic int64_t changed;		/* wall clock: when it went down or up last; 0 */
	_Atomic int64_t down_until;		/* monotonic: requests have failed; 0 */
	_Atomic uint64_t first_byte;		/* ns until the first byte, averaged; 0: unknown */
	_Atomic uint32_t fails;			/* requests in a row */
	_Atomic uint32_t counted;		/* 1: workers count its load */
};

/*
 * Result of a probe: an HTTP status, or one of these and the enum reason for
 * which there is none, what grpc.health.v1 says, or another status of gRPC.
 */
#define LIVE_RESULT_REASON	1000
#define LIVE_RESULT_SERVING	2000
#define LIVE_RESULT_GRPC	3000
#define LIVE_RESULT_TEXT	64

/* Requests that a server has to answer now. One writer each: the worker. */
struct live_load { _Atomic uint16_t in_flight[LIVE_WORKERS]; };

/* When requests failed, in ms of the monotonic clock: the n-th at n % LIVE_FAILURES. */
struct live_failures { _Atomic uint32_t at[LIVE_FAILURES]; };

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
	struct live_load loads[LIVE_SERVERS];
	struct live_failures failures[LIVE_SERVERS];
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

/* A slot gets another server: nothing is known of it. */
void	live_server_reset(struct live *l, uint32_t slot);
/* Requests in flight to a server, of all workers. */
unsigned live_server_load(const struct live *l, uint32_t slot);
/* What a dead worker counted as its own, in worker slots and `servers` servers. */
void	live_worker_reset(struct live *l, unsigned worker, uint32_t servers);
/* A probe's result in words: "answered 500", "upstream-refused". */
const char *live_result_text(uint32_t result, char out[LIVE_RESULT_TEXT]);
/* One answer more came after this time; the average is over about 100. */
void	live_server_timed(struct live_server *s, nsec_t first_byte);
/*
 * A request failed. True when this is one of `most` without a success in between
 * (of the last LIVE_FAILURES where most is larger) within the window.
 */
bool	live_server_failed(struct live *l, uint32_t slot, unsigned most,
	    nsec_t window, nsec_t now);
/* Whether failed requests hold a server down at this time. */
bool	live_server_is_out(const struct live_server *s, nsec_t window,
	    nsec_t now);

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
