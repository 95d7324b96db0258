/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routers to records in the order of their priority, and one mux per entry
 * point for plain and for TLS connections; see compile.h.
 */
#include "compile_hosts.h"
#include "compile_rule.h"

#include "alloc.h"
#include "hash.h"
#include "reason.h"

#include <stdlib.h>

/* A record to be: a router with the entry points on which it is the same. */
struct instance {
	const struct world_router *wr;
	char *name;
	int64_t priority;
	uint32_t *eps;
	unsigned neps;
	uint32_t options;	/* TNONE: plain */
	const char *tls_why;	/* why its TLS options cannot be used, or NULL */
	unsigned rank;		/* of its provider: the lower wins */
	uint32_t index;		/* in the table, once sorted */
};

/* One entry point's lists while the muxes are gathered. */
struct ep_lists {
	struct mux_entry *plain, *tls;
	unsigned nplain, ntls;
};

struct routers {
	struct compiler *c;
	struct instance *v;
	unsigned n, cap;
	struct host_claim **claims;	/* by entry point */
	unsigned *nclaims;
	uint32_t **claim_of;		/* by router, by place in its eps */
	struct str_set *hosts;		/* by router: of TLS routers */
};

static bool
usable(const struct world_router *wr)
{
	return wr->r.o.verdict != VERDICT_UNUSABLE && wr->r.rule != NULL &&
	    wr->neps != 0;
}

/* ---- TLS options ------------------------------------------------------------------------ */

/* What the router asks for, before others have a say. */
static struct host_claim
claim_for(struct routers *rs, const struct world_router *wr,
    const struct str_set *hosts)
{
	struct compiler *c = rs->c;
	const char *name = wr->r.tls->options;
	const struct result *res = str_c(name).n == 0 ? &c->options[0] :
	    compile_options(c, name);
	struct host_claim claim = { .router = wr, .hosts = hosts->v,
	    .nhosts = hosts->n };

	if (res == NULL) {
		claim.broken = true;
		claim.why = world_printf(c->w, "TLS options \"%s\" do not "
		    "exist", name);
		diag_add(c->diags, DIAG_OBJECT, wr->r.o.place,
		    world_printf(c->w, "router %s", wr->r.o.name), "%s",
		    claim.why);
		return claim;
	}
	claim.options = res->index != TNONE ? res->index :
	    (uint32_t)(res - c->options);
	if (res->state == RESULT_BROKEN) {
		claim.broken = true;
		claim.why = world_printf(c->w, "TLS options \"%s\" cannot be "
		    "used: %s", str_c(name).n != 0 ? name : "default",
		    res->why);
	} else if (hosts->n == 0 && claim.options != 0) {
		diag_add(c->diags, DIAG_WARNING, wr->r.o.place,
		    world_printf(c->w, "router %s", wr->r.o.name),
		    "TLS options need a Host in the rule; the default ones "
		    "are used");
		claim.options = 0;
	}
	return claim;
}

static void
gather_claims(struct routers *rs)
{
	struct world *w = rs->c->w;

	for (unsigned i = 0; i < w->nrouters; i++) {
		const struct world_router *wr = &w->routers[i];
		struct host_claim claim;

		if (!usable(wr) || wr->r.tls == NULL)
			continue;
		compile_rule_hosts(wr->r.rule, &rs->hosts[i]);
		claim = claim_for(rs, wr, &rs->hosts[i]);
		rs->claim_of[i] = xcalloc(wr->neps, sizeof(uint32_t));
		for (unsigned k = 0; k < wr->neps; k++) {
			uint32_t ep = wr->eps[k];
			unsigned n = rs->nclaims[ep]++;

			if (n == 0 || (n & (n - 1)) == 0)
				rs->claims[ep] = xreallocarray(rs->claims[ep],
				    n == 0 ? 1 : (size_t)n * 2, sizeof(claim));
			rs->claims[ep][n] = claim;
			rs->claim_of[i][k] = n;
		}
	}
	for (unsigned ep = 0; ep < w->neps; ep++) {
		struct tvec hosts = compile_hosts(rs->c, rs->claims[ep],
		    rs->nclaims[ep]);
		struct tentry_point *t = build_at(rs->c->b,
		    BUILD_ENTRY_POINTS, ep);

		t->tls_hosts = hosts;
		t->tls_expected = rs->nclaims[ep] != 0 ||
		    w->eps[ep].tls != NULL;
	}
}

/* ---- Instances ---------------------------------------------------------------------------- */

/*
 * Who wins at equal priority: the configured order, else Traefik's; built-in
 * routers come last.
 */
static unsigned
rank_of(const struct world *w, const char *provider)
{
	static const char *const usual[] = { "kubernetesgateway",
	    "kubernetescrd", "kubernetes", "file", "embedded" };
	const struct strlist *own = &w->config->precedence;

	for (unsigned i = 0; i < own->n; i++)
		if (strcmp(own->v[i], provider) == 0)
			return i;
	for (unsigned i = 0; own->n == 0 && i < ARRAY_SIZE(usual); i++)
		if (strcmp(usual[i], provider) == 0)
			return i;
	return UINT32_MAX;
}

static struct instance *
new_instance(struct routers *rs, const struct world_router *wr)
{
	struct instance *in;

	if (rs->n == rs->cap) {
		rs->cap = rs->cap == 0 ? 64 : rs->cap * 2;
		rs->v = xreallocarray(rs->v, rs->cap, sizeof(*rs->v));
	}
	in = &rs->v[rs->n++];
	*in = (struct instance){ .wr = wr, .name = wr->r.o.name,
	    .options = TNONE, .priority = wr->r.priority != 0 ?
	    wr->r.priority : (int64_t)str_c(wr->r.rule_text).n,
	    .rank = rank_of(rs->c->w, world_provider(wr->r.o.name)) };
	in->eps = world_alloc(rs->c->w, wr->neps * sizeof(*in->eps));
	return in;
}

/*
 * Usually one; where the settlement gave it other options on some entry point,
 * that one gets a record of its own under Traefik's name.
 */
static void
make_instances(struct routers *rs, unsigned i)
{
	const struct world_router *wr = &rs->c->w->routers[i];
	unsigned first = rs->n;

	for (unsigned k = 0; k < wr->neps; k++) {
		const struct host_claim *claim = rs->claim_of[i] == NULL ?
		    NULL : &rs->claims[wr->eps[k]][rs->claim_of[i][k]];
		uint32_t options = claim != NULL ? claim->options : TNONE;
		const char *why = claim != NULL && claim->broken ?
		    claim->why != NULL ? claim->why : "TLS options cannot be "
		    "used" : NULL;
		struct instance *in = NULL;

		for (unsigned s = first; s < rs->n; s++)
			if (rs->v[s].options == options &&
			    (rs->v[s].tls_why != NULL) == (why != NULL))
				in = &rs->v[s];
		if (in == NULL) {
			in = new_instance(rs, wr);
			in->options = options;
			in->tls_why = why;
			if (rs->n - first > 1)
				in->name = world_printf(rs->c->w,
				    "%s-conflicted-%s",
				    rs->c->w->eps[wr->eps[k]].o.name,
				    wr->r.o.name);
		}
		in->eps[in->neps++] = wr->eps[k];
	}
}

static int
instance_cmp(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* ---- Records ------------------------------------------------------------------------------- */

static bool
refuses(const struct middleware *m)
{
	return m->forward_auth != NULL || m->basic_auth != NULL ||
	    m->ip_allow_list != NULL || m->ip_white_list != NULL;
}

struct owned { char **v; unsigned n; uint32_t *regexps; unsigned nregexps; };

static void
own(struct compiler *c, struct owned *o, const char *name)
{
	if (str_c(name).n == 0)
		return;
	o->v = xreallocarray(o->v, o->n + 1, sizeof(*o->v));
	o->v[o->n++] = compile_lower(c, name);
}

/* What the middlewares mean for the router as a whole. */
static void
apply_auth(struct compiler *c, const struct mw_list *l, struct trouter *t)
{
	struct owned o = { NULL, 0, NULL, 0 };
	struct strlist names;

	for (unsigned i = 0; i < l->n; i++) {
		const struct middleware *m = l->v[i].m;
		const struct mw_forward_auth *f = m->forward_auth;

		if (refuses(m))
			t->access_policy = hash_bytes(m->o.name,
			    strlen(m->o.name), t->access_policy + 1);
		if (m->basic_auth != NULL) {
			t->has_auth = 1;
			own(c, &o, m->basic_auth->header_field);
		}
		if (f == NULL)
			continue;
		t->has_auth = 1;
		own(c, &o, f->header_field);
		for (unsigned k = 0; k < f->auth_response_headers.n; k++)
			own(c, &o, f->auth_response_headers.v[k]);
		if (str_c(f->auth_response_headers_regex).n == 0)
			continue;
		o.regexps = xreallocarray(o.regexps, o.nregexps + 1,
		    sizeof(*o.regexps));
		o.regexps[o.nregexps++] = compile_regexp(c,
		    str_c(f->auth_response_headers_regex));
	}
	names = (struct strlist){ o.v, o.n };
	t->owned = compile_strings(c, &names);
	t->owned_regexps = build_vec(c->b, o.regexps, o.nregexps,
	    sizeof(uint32_t));
	free(o.v);
	free(o.regexps);
}

static void
note_broken(struct compiler *c, const char *name, const char *why,
    bool unusable)
{
	struct compiled *out = c->out;

	if (out->nbroken == 0 || (out->nbroken & (out->nbroken - 1)) == 0)
		out->broken = xreallocarray(out->broken, out->nbroken == 0 ?
		    1 : (size_t)out->nbroken * 2, sizeof(*out->broken));
	out->broken[out->nbroken++] = (struct broken_router){ xstrdup(name),
	    xstrdup(why != NULL ? why : ""), unusable };
}

/* Why the router cannot serve, or NULL with everything filled in. */
static char *
fill_router(struct compiler *c, const struct instance *in, struct trouter *t)
{
	const struct router *r = &in->wr->r;
	struct mw_list mws = { NULL, 0, 0 };
	const struct result *service = compile_service(c, r->service);
	char *why = NULL;
	uint32_t *v;

	if (in->tls_why != NULL)
		return world_printf(c->w, "%s", in->tls_why);
	if (r->o.verdict == VERDICT_BROKEN)
		return r->o.why != NULL ? r->o.why : world_printf(c->w, "?");
	if (compile_mw_list(c, &r->middlewares, &mws, &why) < 0) {
		free(mws.v);
		return why;
	}
	v = xcalloc(mws.n, sizeof(*v));
	for (unsigned i = 0; i < mws.n; i++)
		v[i] = compile_mw_instance(c, &mws.v[i], in->name);
	t->middlewares = build_vec(c->b, v, mws.n, sizeof(*v));
	if (service->state == RESULT_GOOD)
		compile_tree_uses(c, r->service, &mws);
	apply_auth(c, &mws, t);
	free(v);
	free(mws.v);
	if (service->state != RESULT_GOOD)
		return service->why;
	t->service = service->index;
	return NULL;
}

static bool
is_internal(const struct router *r)
{
	/* The demo's services are there to be watched. */
	return r->internal || (r->service != NULL &&
	    strcmp(world_provider(r->service), "internal") == 0 &&
	    strncmp(r->service, "demo", 4) != 0);
}

static void
write_router(struct compiler *c, struct instance *in)
{
	const struct router *r = &in->wr->r;
	struct trouter t = {
		.name = build_cstr(c->b, in->name),
		.rule = build_cstr(c->b, r->rule_text),
		.error = build_cstr(c->b, ""),
		.priority = in->priority,
		.service = TNONE,
		.tls_options = in->options,
		.middlewares = build_vec(c->b, NULL, 0, 1),
		.internal = is_internal(r),
		.access_log = in->wr->access_log,
		.denied_escapes = r->denied_escapes,
		.max_header_bytes = (uint32_t)r->max_header_bytes,
		.metrics_slot = TNONE,
		.owned = build_vec(c->b, NULL, 0, 1),
		.owned_regexps = build_vec(c->b, NULL, 0, 1),
	};
	char *why = fill_router(c, in, &t);

	compile_rule(c, r->rule, &t.rule_first, &t.rule_n);
	if (why != NULL) {
		t.status = TSTATUS_BROKEN;
		t.reason = REASON_ROUTER_BROKEN;
		t.error = build_cstr(c->b, why);
		t.service = TNONE;
		/* Like no other: an ambiguous path never falls open onto it. */
		t.access_policy = hash_bytes(in->name, strlen(in->name), 503);
		note_broken(c, in->name, why, false);
		if (r->o.verdict == VERDICT_OK && in->tls_why == NULL)
			diag_add(c->diags, DIAG_OBJECT, r->o.place,
			    world_printf(c->w, "router %s", in->name), "%s",
			    why);
	}
	if (in->options != TNONE && in->options != 0)
		t.access_policy = hash_bytes(&in->options,
		    sizeof(in->options), t.access_policy + 1);
	in->index = build_add(c->b, BUILD_ROUTERS, &t);
}

/* ---- Muxes --------------------------------------------------------------------------------- */

/* The slices live in the world's arena, the sets' memory is used again. */
static struct str *
keep(struct world *w, const struct str_set *s)
{
	struct str *v = world_alloc(w, s->n * sizeof(*v));

	if (s->n != 0)
		memcpy(v, s->v, s->n * sizeof(*v));
	return v;
}

static void
add_entry(struct mux_entry **v, unsigned *n, const struct mux_entry *e)
{
	if (*n == 0 || (*n & (*n - 1)) == 0)
		*v = xreallocarray(*v, *n == 0 ? 1 : (size_t)*n * 2,
		    sizeof(**v));
	(*v)[(*n)++] = *e;
}

static void
build_muxes(struct routers *rs)
{
	struct compiler *c = rs->c;
	struct ep_lists *lists = xcalloc(c->w->neps, sizeof(*lists));
	struct str_set hosts = { NULL, 0, 0 }, prefixes = { NULL, 0, 0 };

	for (unsigned i = 0; i < rs->n; i++) {
		struct instance *in = &rs->v[i];
		struct mux_entry e;

		compile_rule_index(in->wr->r.rule, &hosts, &prefixes);
		e = (struct mux_entry){ in->index, keep(c->w, &hosts), hosts.n,
		    keep(c->w, &prefixes), prefixes.n };
		for (unsigned k = 0; k < in->neps; k++) {
			struct ep_lists *l = &lists[in->eps[k]];

			if (in->options != TNONE)
				add_entry(&l->tls, &l->ntls, &e);
			else
				add_entry(&l->plain, &l->nplain, &e);
		}
	}
	for (unsigned ep = 0; ep < c->w->neps; ep++) {
		struct ep_lists *l = &lists[ep];
		uint32_t plain = l->nplain == 0 ? TNONE :
		    build_mux(c->b, ep, l->plain, l->nplain);
		uint32_t tls = l->ntls == 0 ? TNONE :
		    build_mux(c->b, ep, l->tls, l->ntls);
		struct tentry_point *t = build_at(c->b, BUILD_ENTRY_POINTS,
		    ep);

		t->plain_mux = plain;
		t->tls_mux = tls;
		free(l->plain);
		free(l->tls);
	}
	free(lists);
	free(hosts.v);
	free(prefixes.v);
}

static int
str_order(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The names the local CA's leaf is for: hosts of TLS routers. */
static void
certificates(struct routers *rs, uint32_t *ret_default)
{
	struct str *v;
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < rs->c->w->nrouters; i++)
		n += rs->hosts[i].n;
	v = xcalloc(n, sizeof(*v));
	n = 0;
	for (unsigned i = 0; i < rs->c->w->nrouters; i++)
		for (unsigned k = 0; k < rs->hosts[i].n; k++)
			v[n++] = rs->hosts[i].v[k];
	if (n != 0)
		qsort(v, n, sizeof(*v), str_order);
	for (unsigned i = 0; i < n; i++)
		if (i == 0 || !str_eq(v[i], v[kept - 1]))
			v[kept++] = v[i];
	compile_certificates(rs->c, v, kept, ret_default);
	free(v);
}

static void
routers_fini(struct routers *rs)
{
	for (unsigned i = 0; i < rs->c->w->neps; i++)
		free(rs->claims[i]);
	for (unsigned i = 0; i < rs->c->w->nrouters; i++) {
		free(rs->claim_of[i]);
		free(rs->hosts[i].v);
	}
	free(rs->claims);
	free(rs->nclaims);
	free(rs->claim_of);
	free(rs->hosts);
	free(rs->v);
}

void
compile_routers(struct compiler *c, uint32_t *ret_default_cert)
{
	struct world *w = c->w;
	struct routers rs = { .c = c };

	rs.claims = xcalloc(w->neps, sizeof(*rs.claims));
	rs.nclaims = xcalloc(w->neps, sizeof(*rs.nclaims));
	rs.claim_of = xcalloc(w->nrouters, sizeof(*rs.claim_of));
	rs.hosts = xcalloc(w->nrouters, sizeof(*rs.hosts));
	gather_claims(&rs);
	for (unsigned i = 0; i < w->nrouters; i++)
		if (usable(&w->routers[i]))
			make_instances(&rs, i);
		else
			note_broken(c, w->routers[i].r.o.name,
			    w->routers[i].r.o.why, true);
	certificates(&rs, ret_default_cert);
	if (rs.n != 0)
		qsort(rs.v, rs.n, sizeof(*rs.v), instance_cmp);
	for (unsigned i = 0; i < rs.n; i++)
		write_router(c, &rs.v[i]);
	build_muxes(&rs);
	c->out->nrouters = rs.n;
	routers_fini(&rs);
}
