/* SPDX-License-Identifier: BSD-2-Clause */
/* Generations of the table; see generation.h. */
#include "generation.h"

#include "conn.h"
#include "context.h"
#include "keys.h"
#include "live.h"
#include "memfd.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct generation *
generation_ref(struct generation *g)
{
	g->refs++;
	return g;
}

void
generation_unref(struct generation *g)
{
	if (g == NULL)
		return;
	assert(g->refs > 0);
	if (--g->refs > 0)
		return;
	memfd_unmap(g->table.base, g->table.bytes);
	keys_close(g->keys);
	free(g);
}

/* Names that entry points have from this table on. */
static void
rename_listeners(struct worker *w)
{
	for (struct listener *l = w->listeners; l != NULL; l = l->next)
		if (l->next_name != NULL) {
			free(l->name);
			l->name = l->next_name;
			l->next_name = NULL;
		}
}

/* Entry points move in the table; listeners know them by name. */
void
generation_rebind(struct worker *w)
{
	const struct table *t = &w->gen->table;

	for (struct listener *l = w->listeners; l != NULL; l = l->next) {
		l->ep = TNONE;
		for (uint32_t i = 0; i < t->hdr->entry_points.n; i++)
			if (str_eq(table_str(t, table_entry_point(t, i)->name),
			    str_c(l->name)))
				l->ep = i;
	}
}

static int
generation_open(struct generation *g, int table_fd, int keys_fd,
    const char **ret_why)
{
	const void *image;
	size_t bytes;
	int r;

	*ret_why = "the table cannot be mapped, or is not sealed";
	if ((r = memfd_map(table_fd, &image, &bytes)) < 0)
		return r;
	if ((r = table_check(image, bytes, &g->table, ret_why)) < 0) {
		memfd_unmap(image, bytes);
		return r;
	}
	if ((r = keys_open(keys_fd, &g->keys)) < 0) {
		*ret_why = "the key segment is malformed";
		memfd_unmap(image, bytes);
	}
	return r;
}

int
generation_install(struct worker *w, int table_fd, int keys_fd,
    const char **ret_why)
{
	struct generation *g = calloc(1, sizeof(*g)), *old = w->gen;
	int r;

	*ret_why = "out of memory";
	r = g == NULL ? -ENOMEM : generation_open(g, table_fd, keys_fd, ret_why);
	close(table_fd);
	close(keys_fd);
	if (r < 0) {
		free(g);
		return r;
	}
	g->refs = 1;
	g->number = g->table.hdr->generation;
	w->gen = g;
	generation_unref(old);
	rename_listeners(w);
	generation_rebind(w);
	tls_contexts_own_records(w->tls, g->table.hdr->tls_records ==
	    TRECORDS_OWN);
	atomic_store_explicit(&w->mine->generation, g->number,
	    memory_order_relaxed);
	return 0;
}
