/* SPDX-License-Identifier: BSD-2-Clause */
/* Merging what providers say; see world.h. */
#include "world.h"

#include "alloc.h"
#include "log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *
world_alloc(struct world *w, size_t n)
{
	void *p = arena_zalloc(&w->arena, n != 0 ? n : 1);

	assert(p != NULL);
	return p;
}

char *
world_printf(struct world *w, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	p = world_alloc(w, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

char *
world_qualify(struct world *w, const char *name, const char *provider)
{
	struct str n = str_c(name), p = str_c(provider);
	char *out;

	if (name == NULL)
		return NULL;
	/* Not world_printf(): it is a third of the time for many objects. */
	if (str_chr(n, '@') >= 0)
		p.n = 0;
	out = world_alloc(w, n.n + 1 + p.n + 1);
	memcpy(out, n.p, n.n);
	if (p.n != 0) {
		out[n.n] = '@';
		memcpy(out + n.n + 1, p.p, p.n);
	}
	return out;
}

const char *
world_provider(const char *qualified)
{
	const char *at = strrchr(qualified, '@');

	return at != NULL ? at + 1 : "";
}

/* Room for one more of an array that doubles. */
static void *
grow(void *v, unsigned n, size_t size)
{
	if (n == 0 || (n & (n - 1)) == 0)
		v = xreallocarray(v, n == 0 ? 1 : (size_t)n * 2, size);
	return v;
}

/*
 * The name of an object for its index; false, with a warning, when the first
 * file that named it keeps it (proxy.md 1.5).
 */
static bool
claim(struct world *w, struct names *index, struct object *o,
    const char *kind, const char *provider, uint32_t at, struct diags *diags)
{
	o->name = world_qualify(w, o->name, provider);
	if (names_add(index, str_c(o->name), at) == at)
		return true;
	diag_add(diags, DIAG_WARNING, o->place, o->name, "this %s is defined "
	    "more than once; the first one counts", kind);
	return false;
}

/* ---- Routers ---------------------------------------------------------------- */

static struct strlist
qualify_list(struct world *w, const struct strlist *l, const char *provider)
{
	struct strlist out = { NULL, l->n };

	if (l->n == 0)
		return out;
	out.v = world_alloc(w, l->n * sizeof(*out.v));
	for (unsigned i = 0; i < l->n; i++)
		out.v[i] = world_qualify(w, l->v[i], provider);
	return out;
}

/* "default" is one for all providers. */
static struct router_tls *
qualify_tls(struct world *w, const struct router_tls *tls,
    const char *provider)
{
	struct router_tls *copy = world_alloc(w, sizeof(*copy));

	*copy = *tls;
	if (tls->options != NULL && strcmp(tls->options, "default") != 0)
		copy->options = world_qualify(w, tls->options, provider);
	return copy;
}

static int
index_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The default entry points: those with asDefault, else all but "traefik". */
static unsigned
default_eps(const struct world *w, uint32_t *out)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < w->neps; i++)
		if (w->eps[i].as_default)
			out[n++] = i;
	if (n != 0)
		return n;
	for (uint32_t i = 0; i < w->neps; i++)
		if (strcmp(w->eps[i].o.name, "traefik") != 0)
			out[n++] = i;
	return n;
}

/* Which entry points a router is on; none: it has no match. */
static void
resolve_eps(struct world *w, struct world_router *wr, struct diags *diags)
{
	struct router *r = &wr->r;
	unsigned n = 0;

	wr->eps = world_alloc(w, (r->entry_points.n + w->neps) *
	    sizeof(*wr->eps));
	if (r->entry_points.n == 0)
		n = default_eps(w, wr->eps);
	for (unsigned i = 0; i < r->entry_points.n; i++) {
		const char *name = r->entry_points.v[i];
		uint32_t ep = names_get(&w->ep_names, str_c(name));

		if (ep != NAMES_NONE)
			wr->eps[n++] = ep;
		else
			diag_add(diags, DIAG_OBJECT, r->o.place, world_printf(w,
			    "router %s", r->o.name),
			    "unknown entry point \"%s\"", name);
	}
	qsort(wr->eps, n, sizeof(*wr->eps), index_cmp);
	for (unsigned i = 0; i < n; i++)
		if (wr->neps == 0 || wr->eps[wr->neps - 1] != wr->eps[i])
			wr->eps[wr->neps++] = wr->eps[i];
	if (wr->neps == 0 && r->o.verdict != VERDICT_UNUSABLE)
		diag_object(diags, &r->o, "router", VERDICT_UNUSABLE,
		    "no usable entry point");
}

static void
push_router(struct world *w, const struct world_router *r)
{
	w->routers = grow(w->routers, w->nrouters, sizeof(*w->routers));
	w->routers[w->nrouters++] = *r;
}

/* Does the entry point change the routers on it (proxy.md 2.8)? */
static bool
has_model(const struct entry_point *ep)
{
	return ep->middlewares.n != 0 || ep->tls != NULL ||
	    ep->encoded_characters != NULL ||
	    ep->observability.access_logs != TRI_UNSET ||
	    ep->observability.metrics != TRI_UNSET ||
	    ep->observability.tracing != TRI_UNSET;
}

/* The same seven keys as a set of what is forbidden. */
static uint8_t
denied_escapes(const struct encoded_characters *e)
{
	if (e == NULL)
		return 0;
	return (uint8_t)((e->slash == TRI_FALSE ? 1 : 0) |
	    (e->backslash == TRI_FALSE ? 2 : 0) |
	    (e->nul == TRI_FALSE ? 4 : 0) |
	    (e->semicolon == TRI_FALSE ? 8 : 0) |
	    (e->percent == TRI_FALSE ? 16 : 0) |
	    (e->question == TRI_FALSE ? 32 : 0) |
	    (e->hash == TRI_FALSE ? 64 : 0));
}

static void
apply_model(struct world *w, struct world_router *wr,
    const struct entry_point *ep, const char *provider)
{
	struct router *r = &wr->r;
	struct strlist own = r->middlewares, first;
	/* An internal router's entry point names the operator's objects. */
	const char *from = strcmp(provider, "internal") == 0 ? "file" : provider;

	if (ep->middlewares.n != 0) {
		first = qualify_list(w, &ep->middlewares, from);
		r->middlewares.n = first.n + own.n;
		r->middlewares.v = world_alloc(w, r->middlewares.n *
		    sizeof(char *));
		memcpy(r->middlewares.v, first.v, first.n * sizeof(char *));
		if (own.n != 0)
			memcpy(r->middlewares.v + first.n, own.v,
			    own.n * sizeof(char *));
	}
	if (r->tls == NULL && ep->tls != NULL)
		r->tls = qualify_tls(w, ep->tls, from);
	if (r->observability.access_logs == TRI_UNSET)
		r->observability.access_logs = ep->observability.access_logs;
	r->denied_escapes |= denied_escapes(ep->encoded_characters);
}

static void
finish_router(struct world_router *wr)
{
	wr->access_log = wr->r.observability.access_logs != TRI_FALSE;
}

/*
 * Entry points with a model get a copy of their own, named after them when the
 * router is on several; the others share the plain one (errata A7).
 */
static void
split_by_model(struct world *w, struct world_router *wr, const char *provider)
{
	struct world_router plain = *wr;

	plain.neps = 0;
	plain.eps = world_alloc(w, (wr->neps + 1) * sizeof(*plain.eps));
	for (unsigned i = 0; i < wr->neps; i++) {
		const struct entry_point *ep = &w->eps[wr->eps[i]];
		struct world_router copy = *wr;

		if (!has_model(ep)) {
			plain.eps[plain.neps++] = wr->eps[i];
			continue;
		}
		copy.eps = &wr->eps[i];
		copy.neps = 1;
		if (wr->neps > 1)
			copy.r.o.name = world_printf(w, "%s-%s", ep->o.name,
			    wr->r.o.name);
		apply_model(w, &copy, ep, provider);
		finish_router(&copy);
		push_router(w, &copy);
	}
	finish_router(&plain);
	if (plain.neps != 0 || wr->neps == 0)
		push_router(w, &plain);
}

void
world_add_router(struct world *w, const struct router *r,
    const char *provider, struct diags *diags)
{
	struct world_router wr = { .r = *r };

	if (!claim(w, &w->router_names, &wr.r.o, "router", provider,
	    w->router_names.n, diags))
		return;
	wr.r.service = world_qualify(w, r->service, provider);
	wr.r.middlewares = qualify_list(w, &r->middlewares, provider);
	if (r->tls != NULL)
		wr.r.tls = qualify_tls(w, r->tls, provider);
	resolve_eps(w, &wr, diags);
	split_by_model(w, &wr, provider);
}

/* ---- The other kinds -------------------------------------------------------- */

static void
add_service(struct world *w, const struct service *s, const char *provider,
    struct diags *diags)
{
	struct service copy = *s;

	if (!claim(w, &w->service_names, &copy.o, "service", provider,
	    w->nservices, diags))
		return;
	if (copy.load_balancer != NULL &&
	    copy.load_balancer->servers_transport != NULL) {
		copy.load_balancer = world_alloc(w, sizeof(*copy.load_balancer));
		*copy.load_balancer = *s->load_balancer;
		copy.load_balancer->servers_transport = world_qualify(w,
		    s->load_balancer->servers_transport, provider);
	}
	copy.middlewares = qualify_list(w, &s->middlewares, provider);
	w->services = grow(w->services, w->nservices, sizeof(copy));
	w->services[w->nservices++] = copy;
}

void
world_add_middleware(struct world *w, const struct middleware *m,
    const char *provider, struct diags *diags)
{
	struct middleware copy = *m;

	if (!claim(w, &w->mw_names, &copy.o, "middleware", provider,
	    w->nmiddlewares, diags))
		return;
	if (m->chain != NULL) {
		copy.chain = world_alloc(w, sizeof(*copy.chain));
		copy.chain->middlewares = qualify_list(w,
		    &m->chain->middlewares, provider);
	}
	if (m->errors != NULL) {
		copy.errors = world_alloc(w, sizeof(*copy.errors));
		*copy.errors = *m->errors;
		copy.errors->service = world_qualify(w, m->errors->service,
		    provider);
	}
	w->middlewares = grow(w->middlewares, w->nmiddlewares, sizeof(copy));
	w->middlewares[w->nmiddlewares++] = copy;
}

static void
add_transport(struct world *w, const struct servers_transport *t,
    const char *provider, struct diags *diags)
{
	struct servers_transport copy = *t;

	if (!claim(w, &w->transport_names, &copy.o, "serversTransport",
	    provider, w->ntransports, diags))
		return;
	w->transports = grow(w->transports, w->ntransports, sizeof(copy));
	w->transports[w->ntransports++] = copy;
}

static void
add_options(struct world *w, const struct tls_options *t,
    const char *provider, struct diags *diags)
{
	struct tls_options copy = *t;

	if (strcmp(t->o.name, "default") == 0) {
		/* The place of the built-in one was kept free. */
		if (w->tls_options[0].o.place.line != 0)
			diag_add(diags, DIAG_WARNING, t->o.place, NULL,
			    "TLS options \"default\" are defined more than "
			    "once; the first ones count");
		else
			w->tls_options[0] = copy;
		return;
	}
	if (!claim(w, &w->options_names, &copy.o, "TLS options", provider,
	    w->ntls_options, diags))
		return;
	w->tls_options = grow(w->tls_options, w->ntls_options, sizeof(copy));
	w->tls_options[w->ntls_options++] = copy;
}

static bool
for_default_store(const struct cert_files *c)
{
	if (c->stores.n == 0)
		return true;
	for (unsigned i = 0; i < c->stores.n; i++)
		if (strcmp(c->stores.v[i], "default") == 0)
			return true;
	return false;
}

static void
add_tls(struct world *w, const struct dynamic *d, struct diags *diags)
{
	for (unsigned i = 0; i < d->certificates.n; i++) {
		const struct cert_files *c = &d->certificates.v[i];

		if (!for_default_store(c)) {
			diag_add(diags, DIAG_WARNING, c->place, NULL,
			    "only the store \"default\" is used; this "
			    "certificate is not");
			continue;
		}
		w->certificates = grow(w->certificates, w->ncertificates,
		    sizeof(*c));
		w->certificates[w->ncertificates++] = *c;
	}
	for (unsigned i = 0; i < d->tls_stores.n; i++) {
		const struct tls_store *s = &d->tls_stores.v[i];

		if (strcmp(s->o.name, "default") != 0)
			diag_add(diags, DIAG_WARNING, s->o.place, NULL,
			    "only the store \"default\" is used, not \"%s\"",
			    s->o.name);
		else if (w->default_certificate != NULL)
			diag_add(diags, DIAG_WARNING, s->o.place, NULL,
			    "the default store is defined more than once; the "
			    "first one counts");
		else
			w->default_certificate = s->default_certificate;
	}
}

static void
add_part(struct world *w, const struct world_part *p, struct diags *diags)
{
	const struct dynamic *d = p->dynamic;

	names_expect(&w->service_names, d->services.n);
	names_expect(&w->router_names, d->routers.n);
	for (unsigned i = 0; i < d->services.n; i++)
		add_service(w, &d->services.v[i], p->provider, diags);
	for (unsigned i = 0; i < d->middlewares.n; i++)
		world_add_middleware(w, &d->middlewares.v[i], p->provider,
		    diags);
	for (unsigned i = 0; i < d->transports.n; i++)
		add_transport(w, &d->transports.v[i], p->provider, diags);
	for (unsigned i = 0; i < d->tls_options.n; i++)
		add_options(w, &d->tls_options.v[i], p->provider, diags);
	add_tls(w, d, diags);
	for (unsigned i = 0; i < d->routers.n; i++)
		world_add_router(w, &d->routers.v[i], p->provider, diags);
}

static void
built_in(struct world *w, struct diags *diags)
{
	static char default_name[] = "default";
	struct servers_transport t = w->config->default_transport;

	t.o.name = default_name;
	add_transport(w, &t, "internal", diags);
	w->tls_options = grow(NULL, 0, sizeof(*w->tls_options));
	w->tls_options[0] = (struct tls_options){ .o.name = default_name };
	w->ntls_options = 1;
	(void)names_add(&w->options_names, STR("default"), 0);
}

struct world *
world_make(const struct config *config, const struct world_part *parts,
    unsigned nparts, struct diags *diags)
{
	struct world *w = xcalloc(1, sizeof(*w));

	struct names *all[] = { &w->ep_names, &w->router_names,
	    &w->service_names, &w->mw_names, &w->transport_names,
	    &w->options_names };

	/* They stand in the arena, or in what the world is made of. */
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		all[i]->borrows = true;
	arena_init(&w->arena, SIZE_MAX);
	w->config = config;
	built_in(w, diags);
	world_entry_points(w, diags);
	for (unsigned i = 0; i < nparts; i++)
		add_part(w, &parts[i], diags);
	world_internal(w, diags);
	return w;
}

void
world_free(struct world *w)
{
	if (w == NULL)
		return;
	free(w->eps);
	free(w->routers);
	free(w->services);
	free(w->middlewares);
	free(w->transports);
	free(w->tls_options);
	free(w->certificates);
	names_fini(&w->ep_names);
	names_fini(&w->router_names);
	names_fini(&w->service_names);
	names_fini(&w->mw_names);
	names_fini(&w->transport_names);
	names_fini(&w->options_names);
	arena_fini(&w->arena);
	free(w);
}
