/* SPDX-License-Identifier: BSD-2-Clause */
/* From a Service to its servers; see kube_service.h. */
#include "kube_service.h"

#include "addr.h"
#include "map.h"

#include <stdlib.h>

json_t *
kube_at(const json_t *json, const char *path)
{
	struct str rest = str_c(path), item;
	char key[64];

	while (json != NULL && str_next(&rest, '.', &item)) {
		if (item.n >= sizeof(key))
			return NULL;
		memcpy(key, item.p, item.n);
		key[item.n] = '\0';
		json = json_object_get(json, key);
	}
	return (json_t *)(size_t)json;
}

const char *
kube_text_at(const json_t *json, const char *path)
{
	return json_string_value(kube_at(json, path));
}

bool
kube_may_cross(const struct kube_provider *opt, const char *ns)
{
	for (unsigned i = 0; i < opt->cross_provider.n; i++)
		if (strcmp(opt->cross_provider.v[i], ns) == 0)
			return true;
	return !opt->cross_provider_set;
}

/* ---- Ports --------------------------------------------------------------------- */

static void
list_ports(const struct kube_object *service, struct buf *why)
{
	json_t *ports = kube_at(service->json, "spec.ports"), *p;
	size_t i;

	if (json_array_size(ports) == 0)
		buf_puts(why, STR("; it has none"));
	json_array_foreach(ports, i, p) {
		const char *name = kube_text_at(p, "name");

		buf_printf(why, "%s%s%s%lld", i == 0 ? "; it has " : ", ",
		    name != NULL ? name : "", name != NULL ? ":" : "",
		    (long long)json_integer_value(kube_at(p, "port")));
	}
}

bool
kube_port_find(const struct kube_object *service, int64_t number,
    const char *name, struct kube_port *ret, struct buf *why)
{
	json_t *ports = kube_at(service->json, "spec.ports"), *p;
	size_t i;

	json_array_foreach(ports, i, p) {
		const char *have = kube_text_at(p, "name");

		*ret = (struct kube_port){
		    json_integer_value(kube_at(p, "port")),
		    json_integer_value(kube_at(p, "nodePort")),
		    have != NULL ? have : "" };
		if ((number != 0 && ret->number == number) ||
		    (str_c(name).n != 0 && strcmp(ret->name, name) == 0))
			return true;
	}
	buf_printf(why, "Service %s/%s has no port ", service->ns,
	    service->name);
	if (str_c(name).n != 0)
		buf_printf(why, "\"%.64s\"", name);
	else
		buf_printf(why, "%lld", (long long)number);
	list_ports(service, why);
	return false;
}

const char *
kube_scheme(const struct kube_port *port)
{
	return port->number == 443 || str_has_prefix(str_c(port->name),
	    STR("https")) ? "https" : "http";
}

bool
kube_is_external(const struct kube_object *service)
{
	const char *type = kube_text_at(service->json, "spec.type");

	return type != NULL && strcmp(type, "ExternalName") == 0;
}

/* ---- Servers ---------------------------------------------------------------------- */

static void
add_server(json_t *list, const char *scheme, const char *host, int64_t port,
    bool fenced)
{
	bool v6 = strchr(host, ':') != NULL && host[0] != '[';
	json_t *s = json_object();

	json_object_set_new(s, "url", json_sprintf(v6 ? "%s://[%s]:%lld" :
	    "%s://%s:%lld", scheme, host, (long long)port));
	if (fenced)
		json_object_set_new(s, "fenced", json_true());
	json_array_append_new(list, s);
}

/* Every InternalIP of every Node. */
static json_t *
node_servers(struct kube_view *v, const struct kube_port *port,
    const struct kube_reach *r, const char *scheme, struct buf *why)
{
	const struct kube_object *const *nodes;
	json_t *list = json_array();
	unsigned n;

	if (r->opt->no_cluster_scope) {
		buf_puts(why, STR("nodes are not read: cluster-wide resources "
		    "are turned off"));
		json_decref(list);
		return NULL;
	}
	n = kube_all(v, KUBE_NODE, &nodes);
	for (unsigned i = 0; i < n; i++) {
		json_t *all = kube_at(nodes[i]->json, "status.addresses"), *a;
		size_t k;

		json_array_foreach(all, k, a) {
			const char *type = kube_text_at(a, "type");
			const char *text = kube_text_at(a, "address");

			if (type != NULL && text != NULL &&
			    strcmp(type, "InternalIP") == 0)
				add_server(list, scheme, text,
				    port->node_port, false);
		}
	}
	if (json_array_size(list) != 0)
		return list;
	buf_puts(why, STR("no Node has an InternalIP"));
	json_decref(list);
	return NULL;
}

/* Addresses that no pod has: the proxy's own host and its neighbours. */
static bool
is_forbidden(const char *text, bool names_allowed)
{
	static const char *const ranges[] = { "0.0.0.0/8", "127.0.0.0/8",
	    "169.254.0.0/16", "224.0.0.0/4", "::/128", "::1/128",
	    "fe80::/10", "ff00::/8" };
	struct addr a;
	struct cidr c;

	if (addr_parse(str_c(text), &a) < 0)
		return !names_allowed;
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (cidr_parse(str_c(ranges[i]), &c) == 0 && cidr_has(&c, &a))
			return true;
	return false;
}

struct gather {
	json_t *list;
	const struct kube_reach *reach;
	const char *scheme;
	struct map seen;	/* addresses */
	const char *refused;	/* an address that is forbidden, or NULL */
};

/* Unset counts as `unset`. */
static bool
condition(const json_t *endpoint, const char *path, bool unset)
{
	const json_t *c = kube_at(endpoint, path);

	return json_is_boolean(c) ? json_is_true(c) : unset;
}

static void
add_endpoint(struct gather *g, const json_t *endpoint, int64_t port)
{
	json_t *all = kube_at(endpoint, "addresses"), *a;
	bool fenced = condition(endpoint, "conditions.terminating", false);
	size_t i;

	if (!condition(endpoint, "conditions.serving", true))
		return;
	json_array_foreach(all, i, a) {
		const char *text = json_string_value(a);
		void **at;

		if (text == NULL)
			continue;
		if (is_forbidden(text, g->reach->opt->allow_external_names)) {
			g->refused = text;
			continue;
		}
		at = map_at(&g->seen, str_c(text));
		if (*at == NULL)
			add_server(g->list, g->scheme, text, port, fenced);
		*at = g;
	}
}

static void
add_slice(struct gather *g, const json_t *slice, const struct kube_port *port)
{
	json_t *ports = kube_at(slice, "ports"), *endpoints, *p, *e;
	int64_t number = 0;
	size_t i;

	json_array_foreach(ports, i, p) {
		const char *name = kube_text_at(p, "name");

		/* No name is another thing than an empty one. */
		if (name == NULL || strcmp(name, port->name) != 0)
			continue;
		number = json_integer_value(kube_at(p, "port"));
		break;
	}
	if (number <= 0)
		return;
	endpoints = kube_at(slice, "endpoints");
	json_array_foreach(endpoints, i, e)
		add_endpoint(g, e, number);
}

static json_t *
slice_servers(struct kube_view *v, const struct kube_object *service,
    const struct kube_port *port, const struct kube_reach *r,
    const char *scheme, struct buf *why)
{
	struct gather g = { .list = json_array(), .reach = r,
	    .scheme = scheme };
	const struct kube_object *const *slices;
	unsigned n = kube_slices(v, service->ns, service->name, &slices);

	for (unsigned i = 0; i < n; i++)
		add_slice(&g, slices[i]->json, port);
	if (g.refused != NULL)
		buf_printf(why, "Service %s/%s: the endpoint %.60s is not "
		    "used: no pod has this address", service->ns,
		    service->name, g.refused);
	map_fini(&g.seen);
	return g.list;
}

json_t *
kube_servers(struct kube_view *v, const struct kube_object *service,
    const struct kube_port *port, const struct kube_reach *r, struct buf *why)
{
	const char *scheme = str_c(r->scheme).n != 0 ? r->scheme :
	    kube_scheme(port);
	const char *type = kube_text_at(service->json, "spec.type");
	const char *ip = kube_text_at(service->json, "spec.clusterIP");
	json_t *list;

	if (r->nodes && type != NULL && strcmp(type, "NodePort") == 0)
		return node_servers(v, port, r, scheme, why);
	if (kube_is_external(service)) {
		const char *host = kube_text_at(service->json,
		    "spec.externalName");

		list = json_array();
		if (host != NULL)
			add_server(list, scheme, host, port->number, false);
		return list;
	}
	if (!r->native)
		return slice_servers(v, service, port, r, scheme, why);
	if (str_c(ip).n == 0 || strcmp(ip, "None") == 0) {
		buf_printf(why, "Service %s/%s has no cluster address",
		    service->ns, service->name);
		return NULL;
	}
	list = json_array();
	add_server(list, scheme, ip, port->number, false);
	return list;
}
