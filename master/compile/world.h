/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world: what all providers say, merged into one picture under qualified
 * names, before it is compiled to a table.
 *
 *   -c file, dynamic part  --+
 *   file provider's files  --+--> qualify names --> entry point models --> world
 *   built-in routers       --+
 *
 * The dynamic part of the -c file and the file provider's files are one
 * provider, "file"; akkod's own objects are "internal"; those of the embedded
 * default are "embedded". References without '@' stay inside the provider of
 * the one who refers. Objects that are wrong are kept with their verdict: the
 * compiler lets them answer 503 (S-517).
 */
#ifndef WORLD_H
#define WORLD_H

#include "diag.h"
#include "model.h"
#include "name_map.h"

/* The dynamic part from one source; borrowed while the world lives. */
struct world_part {
	const struct dynamic *dynamic;
	const char *provider;
};

struct world_router {
	struct router r;	/* a copy; o.name, service and middlewares qualified */
	uint32_t *eps;		/* indexes of entry points, ascending */
	unsigned neps;
	bool access_log;
};

struct world {
	struct arena arena;
	struct entry_point *eps;	/* configured or default ones */
	unsigned neps;
	struct world_router *routers;	/* in no order that matters */
	unsigned nrouters, routers_cap;
	struct service *services;
	unsigned nservices;
	struct middleware *middlewares;
	unsigned nmiddlewares;
	struct servers_transport *transports;	/* [0]: default@internal */
	unsigned ntransports;
	struct tls_options *tls_options;	/* [0]: "default" */
	unsigned ntls_options;
	struct cert_files *certificates;
	unsigned ncertificates;
	const struct cert_files *default_certificate;	/* NULL: none given */
	const struct config *config;
	bool not_ready;		/* the file provider has given nothing yet (errata A2) */
	const char *waiting;	/* "file, kubernetes": who has not; NULL: none */
	bool incomplete;	/* there may be routes that are not known yet */
	/* Indexes in the arrays above by qualified name. */
	struct names ep_names, router_names, service_names, mw_names,
	    transport_names, options_names;
};

/*
 * Merges. `config` gives the static part and must outlive the world, as must
 * the parts. Problems are added to diags; there is always a world.
 */
struct world *world_make(const struct config *config,
	    const struct world_part *parts, unsigned nparts,
	    struct diags *diags);
void	world_free(struct world *w);

/* "name@provider", or name as it is when it has an '@' already. */
char   *world_qualify(struct world *w, const char *name, const char *provider);
/* The part after '@' of a qualified name. */
const char *world_provider(const char *qualified);
/* From the world's arena; never NULL, cleared. */
void   *world_alloc(struct world *w, size_t n);
char   *world_printf(struct world *w, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* The entry points that listen: also the default ones. In world_eps.c. */
void	world_entry_points(struct world *w, struct diags *diags);
/* akkod's own routers, middlewares and services. In world_internal.c. */
void	world_internal(struct world *w, struct diags *diags);
/* Adds one router after qualifying and giving it its entry points. */
void	world_add_router(struct world *w, const struct router *r,
	    const char *provider, struct diags *diags);
void	world_add_middleware(struct world *w, const struct middleware *m,
	    const char *provider, struct diags *diags);

#endif
