/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What akkod itself adds to the world: a redirecting router per entry point
 * with http.redirections, and ping with readyz beside it (proxy.md 2.4). Names
 * are Traefik's, since logs and dashboards show them.
 */
#include "world.h"

#include "entry_address.h"
#include "rule.h"

#include <assert.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>

#define INTERNAL	"internal"

static char any_host[] = "HostRegexp(`^.+$`)";
/* Others answer challenges, such as cert-manager's solver behind its Ingress. */
static char any_but_acme[] = "HostRegexp(`^.+$`) && "
    "!PathPrefix(`/.well-known/acme-challenge/`)";
static char ping_rule[] = "PathPrefix(`/ping`)";
static char noop[] = "noop@internal", ping_service[] = "ping@internal";
static char ping_name[] = "ping", traefik[] = "traefik";
static char readyz_rule[] = "Path(`/readyz`)", readyz_name[] = "readyz",
    readyz_service[] = "readyz@internal";

/* Runs of other characters than letters and digits become one '-'. */
static char *
normalize(struct world *w, char *s)
{
	char *out = world_alloc(w, strlen(s) + 1), *to = out;
	bool gap = false;

	for (; *s != '\0'; s++) {
		if (!isalnum((unsigned char)*s) && (unsigned char)*s < 0x80) {
			gap = true;
			continue;
		}
		if (gap && to != out)
			*to++ = '-';
		gap = false;
		*to++ = *s;
	}
	*to = '\0';
	return out;
}

/* The port to redirect to: of ":8443" or of another entry point. */
static char *
target_port(struct world *w, const struct entry_point *ep,
    struct diags *diags)
{
	const char *to = ep->redirection->to, *address = to, *why;
	struct sockaddr_storage sa;
	uint32_t target;
	socklen_t n;

	if (str_c(to).n == 0) {
		diag_add(diags, DIAG_WARNING, ep->o.place, ep->o.name,
		    "redirections.entryPoint.to is missing; nothing is "
		    "redirected");
		return NULL;
	}
	if (to[0] != ':') {
		target = names_get(&w->ep_names, str_c(to));
		if (target == NAMES_NONE) {
			diag_add(diags, DIAG_WARNING, ep->o.place, ep->o.name,
			    "redirections.entryPoint.to: there is no entry "
			    "point \"%s\"; nothing is redirected", to);
			return NULL;
		}
		address = w->eps[target].address;
	}
	if (entry_address(str_c(address), &sa, &n, &why) < 0) {
		diag_add(diags, DIAG_WARNING, ep->o.place, ep->o.name,
		    "redirections.entryPoint.to: \"%s\": %s", to, why);
		return NULL;
	}
	return world_printf(w, "%u",
	    ntohs(((struct sockaddr_in *)(void *)&sa)->sin_port));
}

static struct strlist
list_of(struct world *w, char *one)
{
	struct strlist l = { world_alloc(w, sizeof(char *)), 1 };

	l.v[0] = one;
	return l;
}

static void
add_internal(struct world *w, struct router *r, struct diags *diags)
{
	char why[256];

	r->internal = true;
	r->rule = rule_parse(&w->arena, str_c(r->rule_text), why, sizeof(why));
	assert(r->rule != NULL);
	world_add_router(w, r, INTERNAL, diags);
}

static void
redirect(struct world *w, const struct entry_point *ep, struct diags *diags)
{
	const struct redirection *red = ep->redirection;
	char *port = target_port(w, ep, diags);
	struct mw_redirect_scheme *to;
	struct middleware m = { 0 };
	struct router r = { 0 };

	if (port == NULL)
		return;
	to = world_alloc(w, sizeof(*to));
	r.o.name = normalize(w, world_printf(w, "%s-to-%s", ep->o.name,
	    red->to));
	r.o.place = ep->o.place;
	r.entry_points = list_of(w, ep->o.name);
	r.rule_text = ep->allow_acme_bypass ? any_but_acme : any_host;
	r.priority = red->priority != 0 ? red->priority : INT64_MAX - 1;
	r.service = noop;
	m.o.name = world_printf(w, "redirect-%s", r.o.name);
	m.o.place = ep->o.place;
	r.middlewares = list_of(w, m.o.name);
	to->scheme = str_c(red->scheme).n != 0 ? red->scheme :
	    world_printf(w, "https");
	to->port = port;
	to->permanent = red->permanent != TRI_FALSE;
	m.redirect_scheme = to;
	world_add_middleware(w, &m, INTERNAL, diags);
	add_internal(w, &r, diags);
}

/* ping is Traefik's; readyz says whether all providers have spoken. */
static void
ping(struct world *w, struct diags *diags)
{
	const struct ping_config *p = w->config->ping;
	struct router r = { .priority = INT64_MAX };

	if (p == NULL || p->manual_routing)
		return;
	r.entry_points = list_of(w, str_c(p->entry_point).n != 0 ?
	    p->entry_point : traefik);
	r.o.name = ping_name;
	r.rule_text = ping_rule;
	r.service = ping_service;
	add_internal(w, &r, diags);
	r.o.name = readyz_name;
	r.rule_text = readyz_rule;
	r.service = readyz_service;
	add_internal(w, &r, diags);
}

void
world_internal(struct world *w, struct diags *diags)
{
	for (unsigned i = 0; i < w->neps; i++)
		if (w->eps[i].redirection != NULL)
			redirect(w, &w->eps[i], diags);
	ping(w, diags);
}
