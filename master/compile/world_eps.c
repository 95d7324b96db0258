/* SPDX-License-Identifier: BSD-2-Clause */
/* Entry points: those of the file and those that come by themselves; see world.h. */
#include "world.h"

#include "alloc.h"

#include <stdlib.h>

static char http_name[] = "http", http_address[] = ":80";
static char traefik_name[] = "traefik", traefik_address[] = ":8080";

static void
add(struct world *w, const struct entry_point *e, struct diags *diags)
{
	if (names_add(&w->ep_names, str_c(e->o.name), w->neps) != w->neps) {
		diag_add(diags, DIAG_FILE, e->o.place, NULL,
		    "entry point \"%s\" is defined more than once", e->o.name);
		return;
	}
	w->eps = xreallocarray(w->eps, w->neps + 1, sizeof(*w->eps));
	w->eps[w->neps++] = *e;
}

/* Traefik's defaults (proxy.md 1.2). */
static struct entry_point
plain(char *name, char *address)
{
	return (struct entry_point){
		.o.name = name,
		.address = address,
		.timeouts = { .read = -1, .idle = 180 * NSEC_SEC },
		.grace = default_grace(),
		.accept_grace = default_accept_grace(),
	};
}

/* Ping on its usual entry point opens that one. */
static bool
wants_traefik(const struct config *c)
{
	const struct ping_config *p = c->ping;

	return p != NULL && !p->manual_routing && (p->entry_point == NULL ||
	    strcmp(p->entry_point, traefik_name) == 0);
}

void
world_entry_points(struct world *w, struct diags *diags)
{
	const struct config *c = w->config;
	struct entry_point e;

	for (unsigned i = 0; i < c->entry_points.n; i++)
		add(w, &c->entry_points.v[i], diags);
	if (w->neps == 0) {
		e = plain(http_name, http_address);
		add(w, &e, diags);
	}
	if (wants_traefik(c) && names_get(&w->ep_names, str_c(traefik_name)) ==
	    NAMES_NONE) {
		e = plain(traefik_name, traefik_address);
		add(w, &e, diags);
	}
}
