/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Idle connections to servers, per worker, last in first out. A parked one has
 * a receive armed: bytes that nobody asked for, or the server's end, close it
 * at once (N-07), so that it is never handed out dead if that is known.
 */
#ifndef POOL_H
#define POOL_H

#include "upstream.h"

struct h2_upstream;
struct pool;

struct pool *pool_new(struct worker *w);
/* Closes all that is idle. */
void	pool_free(struct pool *p);
/* The list of a server; stable for the life of the pool. NULL without memory. */
struct pool_list *pool_list(struct pool *p, uint64_t key);
/* One request more to that server, unless `most` are on their way (S-103). */
bool	pool_enter(struct pool_list *l, unsigned most);
void	pool_leave(struct pool_list *l);
/*
 * Takes the newest usable one for the fiber, NULL when there is none. Where they
 * begin with PROXY headers, it is one that said the same.
 */
struct upstream *pool_take(struct pool_list *l, struct fiber *f,
	    const struct proxy_header *whose);
/*
 * Parks u, or returns false when max_idle are parked already. For one that speaks
 * for a client another makes room, the one that waits the longest.
 */
bool	pool_park(struct pool_list *l, struct upstream *u, unsigned max_idle,
	    nsec_t idle_timeout);
/*
 * Descriptors are short: closes the idle connection of one list that waits the
 * longest, another list each time. False when none is idle.
 */
bool	pool_shed(struct pool *p);

/* ---- HTTP/2: few connections, many calls on each -------------------------- */

/* What a server behind TLS was last seen to speak. */
enum pool_protocol { POOL_UNKNOWN, POOL_HTTP1, POOL_HTTP2 };

enum pool_protocol pool_protocol(const struct pool_list *l);
void	pool_set_protocol(struct pool_list *l, enum pool_protocol p);
/*
 * A connection to one of the addresses that takes one more call, in work or
 * parked; it stays in the list. NULL when there is none.
 */
struct h2_upstream *pool_h2_find(struct pool_list *l, const struct addr *addrs,
	    uint32_t n);
void	pool_h2_add(struct pool_list *l, struct h2_upstream *h);
/* It takes no more calls. */
void	pool_h2_remove(struct h2_upstream *h);
/*
 * How many calls at once the server last said to take on a connection: a new one
 * is held to that until it has spoken itself.
 */
uint32_t pool_h2_limit(const struct pool_list *l);
void	pool_set_h2_limit(struct pool_list *l, uint32_t n);

/*
 * Only one fiber at a time connects to a server whose connections are shared;
 * the others wait for what it finds. pool_dial_join() returns 0 when it is time
 * to look again, or the -errno with which the one failed, and v->why.
 */
struct pool_waiter {
	struct pool_waiter *next;
	struct fiber *f;
	int r;
	enum reason why;
	bool done;
};
bool	pool_dialing(const struct pool_list *l);
void	pool_dial_begin(struct pool_list *l);
void	pool_dial_end(struct pool_list *l, int r, enum reason why);
int	pool_dial_join(struct fiber *f, struct pool_list *l,
	    struct pool_waiter *v);

#endif
