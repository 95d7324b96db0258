/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * akkod explain: one request, followed through the table that is served.
 *
 *   explain.c         from the URL to the router, as a worker goes
 *   explain_after.c   its middlewares, service and servers
 *   explain_why.c     rules in words: what matched, what nearly did
 *   explain_login.c   why a login would loop
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "reason.h"
#include "report.h"
#include "route.h"

struct explain {
	const struct view *v;
	const struct table *t;
	struct arena arena;
	/* The request. */
	bool tls;
	uint16_t port;
	struct str authority, host;	/* as received; without the port */
	struct str path, query, method;
	const json_t *headers;		/* of {name, value} */
	struct addr client;
	/* Where it goes. */
	uint32_t ep, mux;
	struct route_request q;
	uint32_t router;		/* TNONE: none */
	json_t *out, *hints;
};

/* A line for the reader; the same one counts once. */
void	explain_hint(struct explain *x, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* What akkod answers itself, and why. */
void	explain_answer(struct explain *x, unsigned status, enum reason r,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The object of the world behind a router of the table; NULL: built in. */
const struct world_router *explain_world_router(const struct explain *x,
	    uint32_t router);

/* "considered": the routers of this host that are not it, and why not. */
void	explain_considered(struct explain *x);
/* Hints for a request that no router takes. */
void	explain_nothing(struct explain *x, bool host_known);
/* What the cluster refused of an object ("Ingress/shop/front"). */
void	explain_notes(struct explain *x, const char *object);
/* "middlewares" and "service", and what comes of them. */
void	explain_after(struct explain *x);
void	explain_login(struct explain *x);

#endif
