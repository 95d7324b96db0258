/* SPDX-License-Identifier: BSD-2-Clause */
/* The router of an exchange; see router.h. */
#include "router.h"

#include "conn.h"
#include "hash.h"
#include "path.h"
#include "regexp.h"
#include "route.h"

#include <errno.h>

static bool
next_header(void *arg, struct str name, const void **cursor, struct str *ret)
{
	const struct exchange *x = arg;
	const struct field *f = fields_next(&x->req.fields, name, *cursor);

	if (f == NULL)
		return false;
	*cursor = f;
	*ret = field_value(f);
	return true;
}

/* What rules look at, and where. */
static struct route_request
request(struct exchange *x, struct str path, uint32_t *ret_mux)
{
	*ret_mux = conn_is_tls(x->c) ? x->ep->tls_mux : x->ep->plain_mux;
	return (struct route_request){ .host = x->req.host,
	    .method = x->req.method, .path = path, .query = x->req.query,
	    .client = &x->c->peer, .header = next_header, .arg = x };
}

static int
refuse(struct fiber *f, struct exchange *x, unsigned status, enum reason why)
{
	int r;

	x->close |= status == 400;
	r = respond_text(f, x, status, why, STR_NONE);
	return r < 0 ? r : 1;
}

static int
no_route(struct fiber *f, struct exchange *x, const struct route_match *m)
{
	int r;

	x->close |= x->req.host.n == 0;		/* H1-H08 */
	/* Its router may be among those that are not known yet. */
	if (x->ep->incomplete) {
		(void)fields_set_id(&x->resp.fields, FIELD_RETRY_AFTER,
		    STR("1"));
		r = respond_error(f, x, 503, REASON_NOT_READY,
		    STR("not all routes are known yet"));
		return r < 0 ? r : 1;
	}
	r = respond_error(f, x, 404, m->host_known ? REASON_ROUTE_NONE :
	    REASON_ROUTE_NO_HOST, STR("404 page not found"));
	return r < 0 ? r : 1;
}

/* The options agreed on in the handshake must be those of the router. */
static bool
misdirected(const struct exchange *x, const struct trouter *router)
{
	const struct ttls_options *o;

	if (router->tls_options == TNONE)
		return false;
	o = TABLE_REC(x->t, tls_options, struct ttls_options,
	    router->tls_options);
	return x->c->tls_options != hash_str(table_str(x->t, o->name), 1);
}

int
router_select(struct fiber *f, struct exchange *x)
{
	struct route_match m;
	const struct trouter *router;
	struct str path = path_routing(&x->arena, x->req.path);
	struct route_request q;
	uint32_t mux;
	int r;

	x->facts.path = x->req.path;
	x->facts.query = x->req.query;
	x->facts.has_query = x->req.has_query;
	x->facts.host = x->req.host;
	x->facts.method = x->req.method;
	x->facts.xff = fields_get(&x->req.fields, FIELD_XFF);
	if (path.p == NULL)
		return refuse(f, x, 400, REASON_BAD_PATH);
	q = request(x, path, &mux);
	if (route_find(x->t, mux, &q, &m) < 0)
		return refuse(f, x, 400, REASON_REGEX_LIMIT);
	if (m.router == TNONE)
		return no_route(f, x, &m);
	router = x->router = table_router(x->t, m.router);
	if (!x->ep->ambiguous_allow && path_ambiguous(x->req.path) &&
	    route_readings(&x->arena, x->t, mux, &q, x->req.path,
	    router) < 0)
		return refuse(f, x, 400, REASON_PATH_AMBIGUOUS);
	if (router->status == TSTATUS_BROKEN) {
		r = respond_error(f, x, 503, REASON_ROUTER_BROKEN,
		    STR("Service Unavailable"));
		return r < 0 ? r : 1;
	}
	if (x->c->large_head && x->head_bytes > router->max_header_bytes) {
		x->close = true;
		return refuse(f, x, 431, REASON_HEAD_TOO_LARGE);
	}
	if (path_denied(x->req.path, router->denied_escapes))
		return refuse(f, x, 400, REASON_BAD_PATH);
	if (misdirected(x, router)) {
		r = respond_error(f, x, 421, REASON_MISDIRECTED,
		    STR("Misdirected Request"));
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Authorization and Cookie are how the client proves itself: they stay. */
static bool
is_proof(struct str name)
{
	return str_caseeq(name, STR("Authorization")) ||
	    str_caseeq(name, STR("Cookie"));
}

/* A name as written, and as an application may read it. */
static bool
owned_by_regexp(const struct exchange *x, struct str n)
{
	const uint32_t *re = TABLE_VEC(x->t, x->router->owned_regexps,
	    uint32_t);
	char name[256], folded[256];
	bool odd = n.n <= sizeof(name) && field_has_odd_bytes(n);

	if (x->router->owned_regexps.n == 0)
		return false;
	if (n.n > sizeof(name))	/* what cannot be told apart, too */
		return true;
	memcpy(name, n.p, n.n);
	field_canonicalize(name, n.n);
	if (odd) {
		(void)field_alias_classes(n, folded);
		field_canonicalize(folded, n.n);
	}
	for (uint32_t i = 0; i < x->router->owned_regexps.n; i++) {
		const struct regexp *rx = route_regexp(x->t, re[i]);

		/* What cannot be told apart is not let through. */
		if (rx == NULL || regexp_exec(rx, str_n(name, n.n), 0,
		    NULL) != 0 || (odd && regexp_exec(rx, str_n(folded, n.n),
		    0, NULL) != 0))
			return true;
	}
	return false;
}

/* Identity is for auth alone to say, in any spelling (S-501, S-502). */
static void
strip_owned(struct exchange *x)
{
	const struct tstr *v = TABLE_VEC(x->t, x->router->owned, struct tstr);
	struct fields *fs = &x->req.fields;
	char folded[256];

	fields_remove_classes(fs, CLASS_IDENTITY);
	for (uint32_t i = 0; i < x->router->owned.n; i++) {
		struct str owned = table_str(x->t, v[i]);

		FIELDS_EACH(fs, c)
			if (field_same_spelling(field_name(c), owned) &&
			    !is_proof(field_name(c)))
				c->name_n = 0;
	}
	FIELDS_EACH(fs, c) {
		struct str n = field_name(c);

		if (field_alias_classes(n, folded) & CLASS_IDENTITY)
			c->name_n = 0;
		/* Managed ones are akkod's own words by now. */
		if (c->name_n == 0 || is_proof(n) ||
		    field_classes((enum field_id)c->id) & CLASS_MANAGED)
			continue;
		if (owned_by_regexp(x, n))
			c->name_n = 0;
	}
}

int
router_run(struct fiber *f, struct exchange *x)
{
	const struct trouter *router = x->router;
	struct chain all = { TABLE_VEC(x->t, router->middlewares, uint32_t),
	    router->middlewares.n, router->service };

	if (router->has_auth)
		strip_owned(x);
	return chain_next(f, x, all);
}
