/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generation of the table as this worker holds it: the mapped image, the
 * mapped keys, and a count of the exchanges that started with it. The last one
 * to end unmaps it; connections and pools survive every generation.
 */
#ifndef GENERATION_H
#define GENERATION_H

#include "table.h"

struct keys;
struct worker;

struct generation {
	struct table table;
	struct keys *keys;
	unsigned refs;		/* exchanges, plus one while current */
	uint64_t number;
};

/*
 * Maps and checks what came from the master and makes it the current one. The
 * descriptors are closed. 0, or -errno with a reason in *ret_why (static text);
 * the former generation then stays.
 */
int	generation_install(struct worker *w, int table_fd, int keys_fd,
	    const char **ret_why);
/* Finds each listener's entry point in the current table anew. */
void	generation_rebind(struct worker *w);
struct generation *generation_ref(struct generation *g);
void	generation_unref(struct generation *g);

#endif
