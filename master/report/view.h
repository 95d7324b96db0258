/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is served, for those who ask: the world built anew from what is in use,
 * and the published table beside it. The world knows the words and the origin
 * of each object, the table what workers go by.
 *
 * Made by a copy of the master (report.c): nothing here has to be cheap, and
 * nothing changes what serves.
 */
#ifndef VIEW_H
#define VIEW_H

#include "compile.h"
#include "table.h"

#include <jansson.h>

struct master;

struct view {
	const struct master *m;
	struct world *w;
	struct diags diags;	/* of making it */
	struct compiled made;
	struct table t;		/* the published one */
	struct names routers, services;	/* indexes in t by qualified name */
};

/* 0, or -EAGAIN when nothing is published yet, -errno. */
int	view_open(struct master *m, struct view *ret);
void	view_close(struct view *v);

/* "Ingress/shop/front", "file:3:5", or "akkod" for what nobody wrote. */
json_t *view_object(const struct place *p);
/* Everything that is wrong with an object: "router", its qualified name. */
json_t *view_errors(const struct view *v, const char *kind,
	    const struct object *o);
/* "enabled", "warning", "disabled". */
const char *view_status(const struct view *v, const char *kind,
	    const struct object *o, const json_t *errors);
/* "up", "down", "unresolved": as a worker sees a service's server now. */
const char *view_server(const struct view *v, const struct tservice *sv,
	    const struct tserver *s);
/* The index in the table of a service, TNONE when it is not there. */
uint32_t view_service(const struct view *v, const char *name);

#endif
