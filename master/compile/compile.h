/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a world to a table image. Everything is compiled anew each time; names
 * are looked up in hash maps and nothing scans a list per router, so ten
 * thousand routers take a few milliseconds.
 *
 *   compile.c          the order of things, entry points, access log
 *   compile_router.c   routers: rules to jump programs, index of each mux
 *   compile_service.c  services, servers, transports
 *   compile_mw.c       middlewares, one function per kind
 *   compile_tls.c      certificates, TLS options, which host gets which
 *
 * What is wrong disables its object and is told in the diagnostics; a router
 * that needs a broken object keeps its match and answers 503 (S-517).
 */
#ifndef COMPILE_H
#define COMPILE_H

#include "addr.h"
#include "buf.h"
#include "keys.h"
#include "name_map.h"
#include "world.h"

#define RESOLVED_MAX	16	/* addresses of one name: struct msg_resolved */

struct cert_store;
struct live;
struct local_ca;

/* What outlives a compilation. All may be absent (akkod check). */
struct compile_env {
	struct live *live;
	struct registry *services, *servers, *limits;	/* live-state slots */
	/* Addresses of a name known so far; asks for those that are not. */
	unsigned (*resolve)(void *arg, struct str name,
	    struct addr out[RESOLVED_MAX]);
	void *resolve_arg;
	struct local_ca *ca;	/* gives the default certificate */
	struct cert_store *certs;	/* what was parsed before */
};

struct broken_router {
	char *name, *why;
	bool unusable;		/* no match at all, else 503 */
};

struct compiled {
	struct buf image;
	struct keys_builder keys;	/* sealed, or wiped by compiled_fini() */
	uint64_t content_hash;
	unsigned nrouters;
	struct broken_router *broken;
	unsigned nbroken;
	nsec_t grace_ns;		/* the longest of any entry point */
	nsec_t accept_grace_ns;
	nsec_t renew_at;		/* wall clock: compile again for certificates */
};

void	compile_world(struct world *w, uint64_t generation,
	    const struct compile_env *env, struct diags *diags,
	    struct compiled *ret);
void	compiled_fini(struct compiled *c);

#endif
