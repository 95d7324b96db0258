/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker process: one thread, one ring, everything it owns. It gets its
 * descriptors from the master (inherit.h), its tables by message, and ends
 * when its control socket does.
 */
#ifndef WORKER_H
#define WORKER_H

#include "clock.h"
#include "ring.h"

#include <stdbool.h>

struct access_log;
struct conn;
struct exchange;
struct hasher;
struct generation;
struct live;
struct listener;
struct live_worker;
struct passages;
struct pool;
struct tls_contexts;

/* Bounds that no table sets; each has a test. Counts per worker. */
struct worker_limits {
	unsigned max_conns;		/* client connections */
	unsigned max_fibers;
	unsigned max_per_address;	/* client connections of one address */
	unsigned max_per_server;	/* requests in flight to one server */
	nsec_t tls_handshake_ns;
	nsec_t first_byte_ns;		/* after accept */
	nsec_t head_ns;			/* from the first byte of a head to its end */
	nsec_t body_gap_ns;		/* without a byte of a body */
	nsec_t write_gap_ns;		/* without a byte taken by the client */
	nsec_t tunnel_idle_ns;		/* without a byte either way */
	nsec_t linger_ns;		/* reading on after the last answer */
	size_t linger_bytes;
	size_t arena_bytes;		/* small memory of one exchange */
};

struct worker {
	struct ring *ring;
	struct watch *control;		/* messages of the master */
	const char *why;		/* of the backend in use */
	struct worker_limits limits;
	struct generation *gen;		/* the current one; NULL before the first */
	struct pool *pool;		/* idle upstream connections */
	struct passages *passages;	/* ways to and from other workers */
	struct tls_contexts *tls;	/* SSL contexts by policy */
	struct access_log *access_log;
	struct live *live;		/* shared state of all workers */
	struct live_worker *mine;	/* this worker's slot in it */
	struct exchange *free_exchanges;
	struct hasher *hasher;		/* passwords; NULL: not aside */
	struct clients *clients;	/* connections by address */
	struct fiber *checker;		/* looks after health checks; NULL */
	unsigned probes;		/* under way */
	struct conn *conns;		/* all client connections */
	struct listener *listeners;
	unsigned nconns;
	unsigned copies;		/* fibers that send copies to mirrors */
	size_t kept;			/* bytes of bodies that may be sent again */
	unsigned large_heads;		/* of requests, beyond the usual */
	unsigned unfinished;		/* of them in a handshake or a head */
	unsigned id;			/* 0, 1, ... */
	bool unready;			/* ping says no; set before draining */
	bool draining;
	bool stop;			/* leave the loop */
	int will_fd, heir_fd;		/* see orphan.h; -1 */
	struct watch *heir;
	nsec_t orphan_grace, orphan_until;
	nsec_t drain_until;
	nsec_t drain_idle;		/* how long clients may stay idle then */
	char hostname[65];		/* X-Forwarded-Server */
	char date[32];			/* IMF-fixdate of date_sec */
	int64_t date_sec;
};

/* The date of the current second, 29 bytes; cheap. */
const char *worker_date(struct worker *w);

/* Takes orders from what is now the control socket. */
void	worker_obey(struct worker *w);

/* Entry of the re-executed child; returns its exit status. */
int	worker_main(int argc, char **argv);

#endif
