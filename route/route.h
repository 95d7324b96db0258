/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the router of a request in the table, without I/O: host, then the
 * longest known prefix of the path, then the rules of the candidates in order
 * of priority. The worker and `akkod explain` share it.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "addr.h"
#include "arena.h"
#include "table.h"

/* What rules look at. Header values are asked for through the callback. */
struct route_request {
	struct str host;	/* as received, port included */
	struct str method;
	struct str path;	/* path_routing() */
	struct str query;
	const struct addr *client;
	/*
	 * The next value of a header (any case) after *cursor, which starts as
	 * NULL; false at the end.
	 */
	bool (*header)(void *arg, struct str name, const void **cursor,
	    struct str *ret);
	void *arg;
};

struct route_match {
	uint32_t router;	/* index, TNONE: none */
	bool host_known;	/* some router names this host */
};

/* 0 (also when nothing matches), -E2BIG when a regular expression gave up. */
int	route_find(const struct table *t, uint32_t mux,
	    const struct route_request *q, struct route_match *ret);

/*
 * What stands behind us may read an odd path otherwise (path_ambiguous()). 0,
 * -EACCES when a reading of the canonical path would have met another access
 * policy than the router's (S-603), or why that cannot be said.
 */
int	route_readings(struct arena *a, const struct table *t, uint32_t mux,
	    const struct route_request *q, struct str path,
	    const struct trouter *router);

/* The largest head that a router of this host allows; 0: none says more. */
uint32_t route_head_max(const struct table *t, uint32_t mux, struct str host);

/*
 * One router's rule by itself: 1, 0 with the step that decided in *ret_step
 * (TNONE: it has none), or -E2BIG.
 */
int	route_try(const struct table *t, uint32_t router,
	    const struct route_request *q, uint32_t *ret_step);
/* Sets members[i] for every router of a mux. */
void	route_members(const struct table *t, uint32_t mux, bool *members);

/*
 * The canonical host for routing: no port, no brackets, lower case, at most
 * 255 bytes into out; a trailing dot goes.
 */
struct str route_host(struct str host, char out[256]);

/* Compiled once per process and text; NULL when it cannot be compiled. */
struct regexp;
const struct regexp *route_regexp(const struct table *t, uint32_t i);

#endif
