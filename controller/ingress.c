/* SPDX-License-Identifier: BSD-2-Clause */
/* Ingress objects; see ingress.h. */
#include "ingress.h"

#include "alloc.h"
#include "annotation.h"
#include "ingress_status.h"
#include "kube_names.h"
#include "kube_secret.h"
#include "kube_service.h"

#include <stdlib.h>

#define CONTROLLER	"traefik.io/ingress-controller"
#define CLASS_KEY	"kubernetes.io/ingress.class"

struct route { char *key, *rule, *service; };

struct ingress {
	struct kube_view *v;
	const struct kube_provider *opt;
	const struct kube_object *o;
	struct kube_out *out;
	json_t *router;		/* from the annotations */
	struct route *routes;
	unsigned n;
};

/* ---- Class ----------------------------------------------------------------------- */

static bool
class_known(struct kube_view *v, const struct kube_provider *opt,
    const char *name)
{
	const struct kube_object *c;
	const char *controller;

	if (opt->no_class_lookup || opt->no_cluster_scope)
		return false;
	if (str_c(opt->ingress_class).n != 0 &&
	    strcmp(opt->ingress_class, name) != 0)
		return false;
	c = kube_get(v, KUBE_INGRESS_CLASS, "", name);
	controller = c != NULL ? kube_text_at(c->json, "spec.controller") :
	    NULL;
	return controller != NULL && strcmp(controller, CONTROLLER) == 0;
}

static bool
is_ours(struct kube_view *v, const struct kube_provider *opt,
    const struct kube_object *o)
{
	const char *spec = kube_text_at(o->json, "spec.ingressClassName");
	struct str class = str_c(json_string_value(json_object_get(
	    kube_at(o->json, "metadata.annotations"), CLASS_KEY)));

	if (spec != NULL)
		return class_known(v, opt, spec);
	if (str_c(opt->ingress_class).n != 0)
		return str_eq(class, str_c(opt->ingress_class));
	return class.n == 0 || str_eq(class, STR("traefik"));
}

/* ---- Services -------------------------------------------------------------------- */

static void
move(json_t *from, const char *key, json_t *to)
{
	json_t *v = json_object_get(from, key);

	if (v != NULL)
		json_object_set(to, key, v);
}

/* The servers with what the Service's annotations say. */
static json_t *
balancer(json_t *servers, json_t *ann)
{
	json_t *lb = json_pack("{s:o}", "servers", servers), *service;
	json_t *cookie = kube_at(ann, "sticky.cookie");

	if (cookie != NULL && json_object_get(cookie, "path") == NULL)
		json_object_set_new(cookie, "path", json_string("/"));
	move(ann, "passHostHeader", lb);
	move(ann, "serversTransport", lb);
	move(ann, "sticky", lb);
	service = json_pack("{s:o}", "loadBalancer", lb);
	move(ann, "middlewares", service);
	return service;
}

/* NULL with the reason in why. */
static json_t *
resolve(const struct ingress *in, const struct kube_object *service,
    const struct kube_port *port, struct buf *why)
{
	json_t *ann = annotation_service(kube_at(service->json,
	    "metadata.annotations"), why), *servers, *native;
	struct kube_reach reach = { .opt = in->opt };

	if (ann == NULL) {
		struct buf text = *why;

		*why = (struct buf)BUF_INIT;
		buf_printf(why, "Service %s/%s: %.*s", service->ns,
		    service->name, STR_ARG(buf_str(&text)));
		buf_fini(&text);
		return NULL;
	}
	if (json_object_get(ann, "serversTransport") != NULL &&
	    !kube_may_cross(in->opt, in->o->ns)) {
		buf_printf(why, "Service %s/%s: its namespace may not name a "
		    "serversTransport (crossProviderNamespaces)",
		    service->ns, service->name);
		json_decref(ann);
		return NULL;
	}
	native = json_object_get(ann, "nativeLB");
	reach.native = native != NULL ? json_is_true(native) :
	    in->opt->native_lb;
	reach.nodes = json_is_true(json_object_get(ann, "nodePortLB"));
	reach.scheme = kube_text_at(ann, "serversScheme");
	servers = kube_servers(in->v, service, port, &reach, why);
	if (servers != NULL && json_array_size(servers) == 0 &&
	    !in->opt->allow_empty_services) {
		if (why->n == 0)
			buf_printf(why, "Service %s/%s has no endpoint",
			    service->ns, service->name);
		json_decref(servers);
		servers = NULL;
	}
	if (servers == NULL) {
		json_decref(ann);
		return NULL;
	}
	servers = balancer(servers, ann);
	json_decref(ann);
	return servers;
}

/* Builds a backend's service under its name, or `as`; NULL with why. */
static char *
service_of(struct ingress *in, const json_t *backend, const char *as,
    struct buf *why)
{
	const char *name = kube_text_at(backend, "service.name");
	const char *port_name = kube_text_at(backend, "service.port.name");
	int64_t number = json_integer_value(kube_at(backend,
	    "service.port.number"));
	const struct kube_object *service;
	struct kube_port port;
	json_t *value;
	char *key;

	if (json_object_get(backend, "resource") != NULL || name == NULL) {
		buf_puts(why, STR("the backend is no Service"));
		return NULL;
	}
	service = kube_get(in->v, KUBE_SERVICE, in->o->ns, name);
	if (service == NULL) {
		buf_printf(why, "Service %s/%.253s does not exist",
		    in->o->ns, name);
		return NULL;
	}
	if (kube_is_external(service) && !in->opt->allow_external_names) {
		buf_printf(why, "Service %s/%s is of type ExternalName, which "
		    "allowExternalNameServices does not allow",
		    service->ns, service->name);
		return NULL;
	}
	if (!kube_port_find(service, number, port_name, &port, why))
		return NULL;
	key = as != NULL ? xstrdup(as) : str_c(port_name).n != 0 ?
	    kube_normalf("%s-%s-%s", in->o->ns, name, port_name) :
	    kube_normalf("%s-%s-%lld", in->o->ns, name, (long long)number);
	if (kube_emitted(in->out, CHANGE_SERVICE, key))
		return key;
	if ((value = resolve(in, service, &port, why)) == NULL) {
		free(key);
		return NULL;
	}
	(void)kube_emit(in->out, CHANGE_SERVICE, key, value);
	/* An endpoint that was left out is told all the same. */
	if (why->n != 0)
		kube_refuse(in->out, "%s", buf_cstr(why));
	return key;
}

/* ---- Rules ----------------------------------------------------------------------- */

static void
put_call(struct buf *b, const char *matcher, const char *arg)
{
	buf_printf(b, "%s(", matcher);
	kube_quote(b, arg);
	buf_putc(b, ')');
}

/* Whole elements only: "/a" and what is below "/a/". */
static void
put_strict(struct buf *b, const char *path)
{
	size_t n = strlen(path);
	char *p = xasprintf("%.*s", (int)(n > 0 && path[n - 1] == '/' ? n - 1 :
	    n), path), *below;

	if (p[0] == '\0') {
		put_call(b, "PathPrefix", "/");
	} else {
		below = xasprintf("%s/", p);
		buf_putc(b, '(');
		put_call(b, "Path", p);
		buf_puts(b, STR(" || "));
		put_call(b, "PathPrefix", below);
		buf_putc(b, ')');
		free(below);
	}
	free(p);
}

static bool
put_path(const struct ingress *in, const json_t *path, struct buf *b,
    struct buf *why)
{
	static const char *const known[] = { "Path", "PathPrefix",
	    "PathRegexp" };
	const char *text = kube_text_at(path, "path");
	const char *type = kube_text_at(path, "pathType");
	const char *matcher = "PathPrefix";
	bool good = false;

	if (str_c(type).n == 0 || strcmp(type, "ImplementationSpecific") == 0) {
		const char *word = kube_text_at(in->router, "pathMatcher");

		if (str_c(word).n != 0)
			matcher = word;
	} else if (strcmp(type, "Exact") == 0) {
		matcher = "Path";
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		good |= strcmp(matcher, known[i]) == 0;
	if (!good) {
		buf_printf(why, "router.pathmatcher: \"%.60s\" is not one of "
		    "Path, PathPrefix, PathRegexp", matcher);
		return false;
	}
	if (str_c(text).n == 0)
		return true;
	if (b->n != 0)
		buf_puts(b, STR(" && "));
	if (in->opt->strict_prefix && strcmp(matcher, "PathPrefix") == 0)
		put_strict(b, text);
	else
		put_call(b, matcher, text);
	return true;
}

/* ---- Routers --------------------------------------------------------------------- */

static json_t *
router_json(const struct ingress *in, const char *rule, const char *service)
{
	json_t *r = json_pack("{s:s, s:s}", "rule", rule, "service", service);

	move(in->router, "entryPoints", r);
	move(in->router, "middlewares", r);
	move(in->router, "priority", r);
	move(in->router, "tls", r);
	move(in->router, "observability", r);
	/* Any other word means the usual syntax. */
	if (str_eq(str_c(kube_text_at(in->router, "ruleSyntax")), STR("v2")))
		move(in->router, "ruleSyntax", r);
	return r;
}

static void
add_path(struct ingress *in, const char *host, const json_t *path)
{
	struct buf rule = BUF_INIT, why = BUF_INIT;
	const char *text = kube_text_at(path, "path");
	char *service = service_of(in, json_object_get(path, "backend"), NULL,
	    &why);
	struct route *r;

	if (service != NULL) {
		buf_reset(&why);
		if (str_c(host).n != 0)
			put_call(&rule, "Host", host);
		if (put_path(in, path, &rule, &why)) {
			if ((in->n & (in->n - 1)) == 0)
				in->routes = xreallocarray(in->routes,
				    in->n == 0 ? 1 : (size_t)in->n * 2,
				    sizeof(*r));
			r = &in->routes[in->n++];
			r->key = kube_normalf("%s-%s-%s%s", in->o->ns,
			    in->o->name, host != NULL ? host : "",
			    text != NULL ? text : "");
			r->rule = xstrdup(buf_cstr(&rule));
			r->service = xstrdup(service);
		}
	}
	if (why.n != 0)
		kube_refuse(in->out, "%.100s%.200s: %s", host != NULL ? host :
		    "", text != NULL ? text : "", buf_cstr(&why));
	free(service);
	buf_fini(&rule);
	buf_fini(&why);
}

/* Names that collide here get a digest of their rule, all of them. */
static void
emit_routes(struct ingress *in)
{
	struct map seen = { NULL, 0, 0 };

	for (unsigned i = 0; i < in->n; i++) {
		void **count = map_at(&seen, str_c(in->routes[i].key));

		*count = (void *)((size_t)*count + 1);
	}
	for (unsigned i = 0; i < in->n; i++) {
		const struct route *r = &in->routes[i];
		bool collides = (size_t)map_get(&seen, str_c(r->key)) > 1;
		char digest[21], *key;

		kube_digest(r->rule, digest);
		key = collides ? xasprintf("%s-%s", r->key, digest) :
		    xstrdup(r->key);
		(void)kube_emit(in->out, CHANGE_ROUTER, key,
		    router_json(in, r->rule, r->service));
		free(key);
	}
	map_fini(&seen);
	for (unsigned i = 0; i < in->n; i++) {
		free(in->routes[i].key);
		free(in->routes[i].rule);
		free(in->routes[i].service);
	}
	free(in->routes);
}

/* One for the whole provider; what would tune its rule is not used. */
static void
add_default(struct ingress *in, const json_t *backend)
{
	struct buf why = BUF_INIT;
	char *service = service_of(in, backend, "default-backend", &why);
	json_t *r;

	if (service != NULL) {
		r = router_json(in, "PathPrefix(\"/\")", service);
		json_object_set_new(r, "priority", json_integer(INT32_MIN));
		json_object_del(r, "ruleSyntax");
		(void)kube_emit(in->out, CHANGE_ROUTER, "default-router", r);
	} else {
		kube_refuse(in->out, "defaultBackend: %s", buf_cstr(&why));
	}
	free(service);
	buf_fini(&why);
}

/* ---- Certificates ----------------------------------------------------------------- */

/*
 * A Secret that was good keeps its place while it is broken, not when it is
 * gone. Unlike with Traefik those after it are loaded all the same.
 */
static void
add_certificates(struct ingress *in)
{
	json_t *list = kube_at(in->o->json, "spec.tls"), *t;
	size_t i;

	json_array_foreach(list, i, t) {
		const char *name = kube_text_at(t, "secretName");
		struct buf why = BUF_INIT;
		json_t *pair;
		char *key;
		enum kube_found found;

		if (str_c(name).n == 0)
			continue;
		pair = kube_pair(in->v, in->o->ns, name, &found, &why);
		key = xasprintf("%s-%s", in->o->ns, name);
		if (found != KUBE_GONE)
			kube_emit(in->out, CHANGE_CERTIFICATE, key, pair)->
			    keep = found != KUBE_GOOD;
		if (found != KUBE_GOOD)
			kube_refuse(in->out, "spec.tls: %s", buf_cstr(&why));
		free(key);
		buf_fini(&why);
	}
}

/* ---- All --------------------------------------------------------------------------- */

static bool
may_name_others(const struct ingress *in)
{
	if (kube_may_cross(in->opt, in->o->ns) ||
	    (json_object_get(in->router, "middlewares") == NULL &&
	    str_c(kube_text_at(in->router, "tls.options")).n == 0))
		return true;
	kube_refuse(in->out, "its namespace may not name middlewares and TLS "
	    "options of other providers (crossProviderNamespaces)");
	return false;
}

static void
add_rules(struct ingress *in)
{
	json_t *rules = kube_at(in->o->json, "spec.rules"), *rule, *path;
	json_t *backend = kube_at(in->o->json, "spec.defaultBackend");
	size_t i, k;

	if (json_array_size(rules) == 0 && json_is_object(backend))
		add_default(in, backend);
	json_array_foreach(rules, i, rule) {
		json_t *paths = kube_at(rule, "http.paths");
		const char *host = kube_text_at(rule, "host");

		json_array_foreach(paths, k, path)
			add_path(in, host, path);
	}
	emit_routes(in);
}

static void
set_status(const struct ingress *in)
{
	struct buf why = BUF_INIT;
	json_t *want = ingress_status(in->v, in->opt, &why);

	if (why.n != 0)
		kube_refuse(in->out, "%s", buf_cstr(&why));
	if (want != NULL && !ingress_status_same(want, kube_at(in->o->json,
	    "status.loadBalancer.ingress")))
		in->out->status = json_incref(want);
	json_decref(want);
	buf_fini(&why);
}

static bool
in_namespaces(const struct kube_provider *opt, const char *ns)
{
	for (unsigned i = 0; i < opt->namespaces.n; i++)
		if (strcmp(opt->namespaces.v[i], ns) == 0)
			return true;
	return opt->namespaces.n == 0;
}

void
ingress_build(struct kube_view *v, const struct kube_provider *opt,
    const struct kube_object *o, struct kube_out *out)
{
	struct ingress in = { .v = v, .opt = opt, .o = o, .out = out };
	struct buf why = BUF_INIT;

	if (!in_namespaces(opt, o->ns) || !is_ours(v, opt, o))
		return;
	set_status(&in);
	in.router = annotation_router(kube_at(o->json,
	    "metadata.annotations"), &why);
	if (in.router == NULL) {
		kube_refuse(out, "%s", buf_cstr(&why));
	} else if (may_name_others(&in)) {
		add_certificates(&in);
		add_rules(&in);
	}
	json_decref(in.router);
	buf_fini(&why);
}
