/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a login would loop; see explain.h. A forward-auth middleware sends the
 * browser to a login (OAuth2 Proxy), which sends it back to /oauth2/callback
 * with a cookie. Two things make that go round for ever: the way back meets the
 * same middleware again, or the cookie is for another host.
 */
#include "explain.h"

#include "alloc.h"
#include "master.h"

#include <stdlib.h>

#define PREFIX		"/oauth2"
#define CALLBACK	"/oauth2/callback"

/* The first forward-auth of a router; TNONE. */
static uint32_t
auth_of(const struct explain *x, uint32_t router)
{
	const struct trouter *r = table_router(x->t, router);
	const uint32_t *v = TABLE_VEC(x->t, r->middlewares, uint32_t);

	for (uint32_t i = 0; i < r->middlewares.n; i++)
		if (table_mw(x->t, v[i])->kind == TMW_FORWARD_AUTH)
			return v[i];
	return TNONE;
}

/* The host of a rule that names one alone. */
static struct str
host_of(const struct explain *x, const struct trouter *r)
{
	struct str host = STR_NONE;

	for (uint32_t i = 0; i < r->rule_n; i++) {
		const struct trule *s = TABLE_REC(x->t, rules, struct trule,
		    r->rule_first + i);

		if (s->op == TRULE_HOST)
			host = table_str(x->t, s->text);
	}
	return host;
}

static bool
is_login_path(const struct explain *x, const struct trouter *r)
{
	for (uint32_t i = 0; i < r->rule_n; i++) {
		const struct trule *s = TABLE_REC(x->t, rules, struct trule,
		    r->rule_first + i);

		if ((s->op == TRULE_PATH_PREFIX || s->op == TRULE_PATH) &&
		    str_has_prefix(table_str(x->t, s->text), STR(PREFIX)))
			return true;
	}
	return false;
}

/* Does the router lead to the login itself: by its path, or its service? */
static bool
is_login(const struct explain *x, uint32_t i)
{
	const struct trouter *r = table_router(x->t, i);

	return auth_of(x, i) == TNONE && (is_login_path(x, r) ||
	    (r->service != TNONE && str_find(table_str(x->t, table_service(
	    x->t, r->service)->name), STR("oauth2")) >= 0));
}

/* The end that both names have in common, two labels at least. */
static struct str
common_domain(struct str a, struct str b)
{
	for (ptrdiff_t dot; (dot = str_chr(a, '.')) >= 0;
	    a = str_from(a, (size_t)dot + 1))
		if (str_eq(a, b) || (b.n > a.n && str_has_suffix(b, a) &&
		    b.p[b.n - a.n - 1] == '.'))
			return a;
	return STR_NONE;
}

static void
cookie_domain(struct explain *x, struct str login)
{
	struct str domain = common_domain(x->host, login);

	if (domain.n != 0)
		explain_hint(x, "the login is at \"%.*s\": its cookie needs the "
		    "domain .%.*s (OAuth2 Proxy: --cookie-domain and "
		    "--whitelist-domain), or \"%.*s\" never gets it and the "
		    "login loops", STR_ARG(login), STR_ARG(domain),
		    STR_ARG(x->host));
	else
		explain_hint(x, "the login is at \"%.*s\", which has no domain "
		    "in common with \"%.*s\": its cookie never comes here and "
		    "the login loops; give this host a router for `/oauth2/`",
		    STR_ARG(login), STR_ARG(x->host));
}

/* Where another host's login is, from any router that leads to it. */
static void
login_elsewhere(struct explain *x)
{
	for (uint32_t i = 0; i < x->t->hdr->routers.n; i++) {
		struct str host = host_of(x, table_router(x->t, i));

		if (host.n != 0 && !str_eq(host, x->host) && is_login(x, i)) {
			cookie_domain(x, host);
			return;
		}
	}
}

void
explain_login(struct explain *x)
{
	uint32_t auth = auth_of(x, x->router);
	struct route_request q = x->q;
	struct route_match m;
	struct str name;

	if (auth == TNONE || str_has_prefix(x->path, STR(PREFIX "/")))
		return;
	name = table_str(x->t, table_mw(x->t, auth)->name);
	q.path = STR(CALLBACK);
	q.method = STR("GET");
	q.query = STR_NONE;
	if (route_find(x->t, x->mux, &q, &m) < 0)
		return;
	if (m.router != TNONE && is_login(x, m.router))
		return;			/* the way back is free */
	if (m.router == TNONE)
		explain_hint(x, "a login through \"%.*s\" that comes back to "
		    "this host finds no router for `/oauth2/`", STR_ARG(name));
	else if (auth_of(x, m.router) != TNONE)
		explain_hint(x, "a login through \"%.*s\" that comes back to "
		    "this host loops: %s meets forward-auth again in router "
		    "\"%.*s\"; missing is a router Host(`%.*s`) && "
		    "PathPrefix(`/oauth2/`) to the login's service, without "
		    "that middleware", STR_ARG(name), CALLBACK,
		    STR_ARG(table_str(x->t, table_router(x->t,
		    m.router)->name)), STR_ARG(x->host));
	login_elsewhere(x);
}
