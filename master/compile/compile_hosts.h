/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which TLS options each server name gets on an entry point (proxy.md 5.4).
 * Routers that share a host must agree; where they do not, all of them, with
 * all their hosts, get the strictest of their options (S-407), never the
 * default as Traefik does.
 */
#ifndef COMPILE_HOSTS_H
#define COMPILE_HOSTS_H

#include "compile_impl.h"

/* A TLS router on this entry point. */
struct host_claim {
	const struct world_router *router;
	const struct str *hosts;	/* none: it has no say */
	unsigned nhosts;
	uint32_t options;	/* wanted; then what it gets */
	bool broken;		/* wanted options that cannot be used; then also:
				   that contradict those of another router */
	const char *why;	/* when broken by a contradiction */
};

/* Settles the claims and returns the hosts as struct ttls_host, sorted. */
struct tvec compile_hosts(struct compiler *c, struct host_claim *v,
	    unsigned n);

#endif
