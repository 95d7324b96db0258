/* SPDX-License-Identifier: BSD-2-Clause */
/* IngressRoute; see crd_impl.h. */
#include "crd_impl.h"

#include "alloc.h"
#include "kube_names.h"

#include <stdlib.h>

static void
copy(const json_t *from, const char *key, json_t *to, const char *as)
{
	json_t *v = json_object_get(from, key);

	if (v != NULL && !json_is_null(v))
		json_object_set(to, as, v);
}

static char *
route_key(const struct kube_object *o, const char *match)
{
	char digest[21];

	kube_digest(match, digest);
	return kube_normalf("%s-%s-%s", o->ns, o->name, digest);
}

/* {options, certResolver, domains}; options as {name, namespace} become a key. */
static json_t *
route_tls(const struct crd *c, const json_t *tls, struct buf *why)
{
	const json_t *options = json_object_get(tls, "options");
	const char *name = kube_text_at(options, "name");
	json_t *v = json_object();
	char *key;

	copy(tls, "certResolver", v, "certResolver");
	copy(tls, "domains", v, "domains");
	if (str_c(name).n == 0)
		return v;
	/* "default" means the default options, not those of the namespace. */
	key = strcmp(name, "default") == 0 ? xstrdup(name) :
	    crd_ref(c, c->o->ns, options, why);
	if (key == NULL) {
		json_decref(v);
		return NULL;
	}
	json_object_set_new(v, "options", json_string(key));
	free(key);
	return v;
}

/* The service's key, "" for none at all; NULL with why. */
static char *
route_service(const struct crd *c, const json_t *route, const char *key,
    struct buf *why)
{
	const json_t *list = json_object_get(route, "services");
	json_t *v;

	if (json_array_size(list) == 0)
		return xstrdup("");
	if (json_array_size(list) == 1)
		return crd_entry(c, json_array_get(list, 0), key,
		    c->opt->native_lb, why);
	if ((v = crd_weighted(c, list, c->opt->native_lb, why)) == NULL)
		return NULL;
	(void)kube_emit(c->out, CHANGE_SERVICE, key, json_pack("{s:o}",
	    "weighted", v));
	return xstrdup(key);
}

static json_t *
route_json(const struct crd *c, const json_t *route, const json_t *refs,
    const char *service)
{
	json_t *r = json_object();

	copy(route, "match", r, "rule");
	copy(route, "priority", r, "priority");
	copy(route, "syntax", r, "ruleSyntax");
	copy(route, "observability", r, "observability");
	copy(c->spec, "entryPoints", r, "entryPoints");
	if (service[0] != '\0')
		json_object_set_new(r, "service", json_string(service));
	if (json_array_size(refs) != 0)
		json_object_set(r, "middlewares", (json_t *)(size_t)refs);
	return r;
}

/* False with why: the route does not exist. */
static bool
add_route(const struct crd *c, const json_t *route, const json_t *parents,
    struct buf *why)
{
	const char *match = kube_text_at(route, "match");
	const char *kind = kube_text_at(route, "kind");
	const json_t *tls = json_object_get(c->spec, "tls");
	json_t *refs, *r, *t = NULL;
	char *key, *service;

	if (str_c(kind).n != 0 && strcmp(kind, "Rule") != 0) {
		buf_printf(why, "kind \"%.40s\" is not Rule", kind);
		return false;
	}
	if (str_c(match).n == 0) {
		buf_puts(why, STR("match is empty"));
		return false;
	}
	if ((refs = crd_refs(c, c->o->ns, json_object_get(route,
	    "middlewares"), why)) == NULL)
		return false;
	key = route_key(c->o, match);
	service = route_service(c, route, key, why);
	if (service != NULL && json_is_object(tls))
		t = route_tls(c, tls, why);
	if (why->n == 0) {
		r = route_json(c, route, refs, service);
		if (t != NULL)
			json_object_set(r, "tls", t);
		if (parents != NULL)
			json_object_set(r, "parentRefs",
			    (json_t *)(size_t)parents);
		(void)kube_emit(c->out, CHANGE_ROUTER, key, r);
	}
	json_decref(t);
	json_decref(refs);
	free(key);
	free(service);
	return why->n == 0;
}

/* ---- Parents ----------------------------------------------------------------- */

static void
add_parent(const struct kube_object *parent, json_t *out)
{
	json_t *routes = kube_at(parent->json, "spec.routes"), *route;
	size_t i;

	json_array_foreach(routes, i, route) {
		const char *match = kube_text_at(route, "match");
		char *key;

		if (str_c(match).n == 0)
			continue;
		key = route_key(parent, match);
		json_array_append_new(out, json_string(key));
		free(key);
	}
}

/* The routers of all parents; NULL with why when one is missing. */
static json_t *
parents_of(const struct crd *c, const json_t *list, struct buf *why)
{
	json_t *out = json_array(), *ref;
	size_t i;

	json_array_foreach(list, i, ref) {
		const char *name = kube_text_at(ref, "name");
		const char *ns = crd_namespace(c, ref, why);
		const struct kube_object *parent = ns != NULL && name != NULL ?
		    kube_get(c->v, KUBE_INGRESS_ROUTE, ns, name) : NULL;

		if (parent != NULL) {
			add_parent(parent, out);
			continue;
		}
		if (why->n == 0)
			buf_printf(why, "IngressRoute %s/%.253s does not "
			    "exist", ns, name != NULL ? name : "");
		json_decref(out);
		return NULL;
	}
	return out;
}

/* ---- All ------------------------------------------------------------------------ */

void
crd_route(const struct crd *c)
{
	json_t *routes = json_object_get(c->spec, "routes"), *route;
	const json_t *refs = json_object_get(c->spec, "parentRefs");
	const char *secret = kube_text_at(c->spec, "tls.secretName");
	json_t *parents = NULL;
	struct buf why = BUF_INIT;
	size_t i;

	if (str_c(secret).n != 0)
		crd_certificate(c, secret, NULL);
	if (json_array_size(refs) != 0 && (parents = parents_of(c, refs,
	    &why)) == NULL) {
		kube_refuse(c->out, "spec.parentRefs: %s", buf_cstr(&why));
		buf_fini(&why);
		return;
	}
	json_array_foreach(routes, i, route) {
		buf_reset(&why);
		if (!add_route(c, route, parents, &why))
			kube_refuse(c->out, "spec.routes[%zu]: %s", i,
			    buf_cstr(&why));
	}
	json_decref(parents);
	buf_fini(&why);
}
