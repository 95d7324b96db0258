/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small cluster in memory for tests of the Kubernetes providers: objects go
 * in as JSON (with ' for "), what the master would be told comes out as sorted
 * lines of text.
 */
#ifndef KUBE_WORLD_H
#define KUBE_WORLD_H

#include <stddef.h>

/* Options of a provider as JSON; NULL: not configured. Frees the last world. */
void	world_new(const char *ingress, const char *crd);
void	world_free(void);
/* A list of objects, each with its kind, by itself or in another's place. */
void	world_put(const char *objects);
void	world_remove(const char *object);
/* Ends the first list of all kinds. */
void	world_listed(void);
/* Of these alone, by their names. */
void	world_listed_kind(const char *kinds);
/*
 * Everything the master has been told, one line each: R router, S service, M
 * middleware, X transport, O TLS options, B store, C certificate. Valid until
 * the next call.
 */
const char *world_told(void);
/* Records (not commits) since the last call. */
unsigned world_changes(void);
/* What was refused, one line each. */
const char *world_refused(void);

/* The next status to be written, as compact JSON with keys sorted; "" none. */
const char *world_status(void);

/* ' to ", into memory that lives on. */
const char *world_quotes(const char *s);

/* A table of numbered cases of what a provider makes. */
struct world_case {
	const char *number;	/* of the specification */
	const char *options;	/* NULL: none */
	const char *objects;	/* in addition, or in place */
	const char *want;	/* the lines, each ended by \n */
};
void	world_check(const struct world_case *cases, size_t n, int crd,
	    const char *base);

#endif
