/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Idle connections to servers, per worker, last in first out. A parked one has
 * a receive armed: bytes that nobody asked for, or the server's end, close it
 * at once (N-07), so that it is never handed out dead if that is known.
 */
#ifndef POOL_H
#define POOL_H

#include "upstream.h"

struct pool;

struct pool *pool_new(struct worker *w);
/* Closes all that is idle. */
void	pool_free(struct pool *p);
/* The list of a server; stable for the life of the pool. NULL without memory. */
struct pool_list *pool_list(struct pool *p, uint64_t key);
/* One request more to that server, unless `most` are on their way (S-103). */
bool	pool_enter(struct pool_list *l, unsigned most);
void	pool_leave(struct pool_list *l);
/* Takes the newest usable one for the fiber, NULL when there is none. */
struct upstream *pool_take(struct pool_list *l, struct fiber *f);
/* Parks u, or returns false when max_idle are parked already. */
bool	pool_park(struct pool_list *l, struct upstream *u, unsigned max_idle,
	    nsec_t idle_timeout);
/*
 * Descriptors are short: closes the idle connection of one list that waits the
 * longest, another list each time. False when none is idle.
 */
bool	pool_shed(struct pool *p);
/* Frees a connection that is not in a list. */
void	upstream_free(struct upstream *u);

#endif
