/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the redirection of a probe leads. */
#ifndef REDIRECT_H
#define REDIRECT_H

#include "arena.h"

/* Where an answer came from. */
struct redirect_from {
	struct str scheme;
	struct str names[2];	/* what the server was called, and its address */
	struct str target;	/* path and query */
};

/*
 * Path and query to ask for next, in the arena; p NULL: it is no place, or
 * another server's.
 */
struct str redirect_within(struct arena *a, const struct redirect_from *from,
	    struct str location);

#endif
