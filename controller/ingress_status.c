/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses in the status of Ingresses; see ingress_status.h. */
#include "ingress_status.h"

#include "kube_service.h"

#include <stdlib.h>

static void
add(json_t *list, const char *key, const char *value, json_t *ports)
{
	json_t *entry = json_pack("{s:s}", key, value);

	if (ports != NULL)
		json_object_set(entry, "ports", ports);
	json_array_append_new(list, entry);
}

/* Adds the addresses of this type of all Nodes. */
static void
add_nodes(struct kube_view *v, const char *type, json_t *list, json_t *ports)
{
	const struct kube_object *const *nodes;
	unsigned n = kube_all(v, KUBE_NODE, &nodes);

	for (unsigned i = 0; i < n; i++) {
		json_t *all = kube_at(nodes[i]->json, "status.addresses"), *a;
		size_t k;

		json_array_foreach(all, k, a) {
			const char *is = kube_text_at(a, "type");
			const char *text = kube_text_at(a, "address");

			if (is != NULL && text != NULL &&
			    strcmp(is, type) == 0)
				add(list, "ip", text, ports);
		}
	}
}

/* {port, protocol} of each port of a Service, by this member. */
static json_t *
ports_of(const struct kube_object *s, const char *member)
{
	json_t *all = kube_at(s->json, "spec.ports"), *p, *out = json_array();
	size_t i;

	json_array_foreach(all, i, p) {
		const char *protocol = kube_text_at(p, "protocol");
		json_int_t n = json_integer_value(json_object_get(p, member));

		if (n != 0)
			json_array_append_new(out, json_pack("{s:I, s:s}",
			    "port", n, "protocol", protocol != NULL ?
			    protocol : "TCP"));
	}
	return out;
}

/* What a load balancer says of itself, without what an Ingress has not. */
static json_t *
from_balancer(const struct kube_object *s)
{
	json_t *all = kube_at(s->json, "status.loadBalancer.ingress"), *e;
	json_t *list;
	size_t i;

	if (!json_is_array(all))
		return NULL;
	list = json_deep_copy(all);
	json_array_foreach(list, i, e)
		json_object_del(e, "ipMode");
	return list;
}

static json_t *
from_external_ips(const struct kube_object *s)
{
	json_t *all = kube_at(s->json, "spec.externalIPs"), *a;
	json_t *ports = ports_of(s, "port"), *list = json_array();
	size_t i;

	json_array_foreach(all, i, a)
		if (json_is_string(a))
			add(list, "ip", json_string_value(a), ports);
	json_decref(ports);
	return list;
}

static json_t *
from_node_port(struct kube_view *v, const struct kube_provider *opt,
    const struct kube_object *s, struct buf *why)
{
	json_t *ports, *list;

	if (opt->no_cluster_scope) {
		buf_puts(why, STR("publishedService: Nodes are not read"));
		return NULL;
	}
	ports = ports_of(s, "nodePort");
	list = json_array();
	add_nodes(v, "ExternalIP", list, ports);
	json_decref(ports);
	return list;
}

static json_t *
from_service(struct kube_view *v, const struct kube_provider *opt,
    const char *name, struct buf *why)
{
	struct str rest = str_c(name), ns, own;
	const struct kube_object *s = NULL;
	const char *type, *host;
	char text[2][256];
	json_t *list;

	if (!str_next(&rest, '/', &ns) || !str_next(&rest, '/', &own) ||
	    rest.n != 0 || ns.n == 0 || own.n == 0 || ns.n > 255 ||
	    own.n > 255) {
		buf_printf(why, "publishedService \"%.200s\" is not "
		    "NAMESPACE/NAME", name);
		return NULL;
	}
	memcpy(text[0], ns.p, ns.n);
	memcpy(text[1], own.p, own.n);
	text[0][ns.n] = text[1][own.n] = '\0';
	if ((s = kube_get(v, KUBE_SERVICE, text[0], text[1])) == NULL) {
		buf_printf(why, "publishedService: Service %s does not exist",
		    name);
		return NULL;
	}
	type = kube_text_at(s->json, "spec.type");
	if (type != NULL && strcmp(type, "LoadBalancer") == 0)
		return from_balancer(s);
	if (type != NULL && strcmp(type, "NodePort") == 0)
		return from_node_port(v, opt, s, why);
	if (!kube_is_external(s))
		return from_external_ips(s);
	list = json_array();
	if ((host = kube_text_at(s->json, "spec.externalName")) != NULL)
		add(list, "hostname", host, NULL);
	return list;
}

json_t *
ingress_status(struct kube_view *v, const struct kube_provider *opt,
    struct buf *why)
{
	bool ip = str_c(opt->status.ip).n != 0;
	bool host = str_c(opt->status.hostname).n != 0;
	json_t *list = NULL;

	if (opt->report_node_ips) {
		list = json_array();
		add_nodes(v, "InternalIP", list, NULL);
		if (json_array_size(list) != 0)
			return list;
		json_decref(list);
		buf_puts(why, STR("reportNodeInternalIPs: no Node has one"));
		return NULL;
	}
	if (str_c(opt->status.published_service).n != 0)
		return from_service(v, opt, opt->status.published_service,
		    why);
	if (!ip && !host)
		return NULL;
	list = json_pack("[{}]");
	if (ip)
		json_object_set_new(json_array_get(list, 0), "ip",
		    json_string(opt->status.ip));
	if (host)
		json_object_set_new(json_array_get(list, 0), "hostname",
		    json_string(opt->status.hostname));
	return list;
}

static bool
text_same(const json_t *a, const json_t *b, const char *key)
{
	return str_eq(str_c(kube_text_at(a, key)),
	    str_c(kube_text_at(b, key)));
}

bool
ingress_status_same(const json_t *a, const json_t *b)
{
	const json_t *x, *y;
	size_t i, k;

	if (json_array_size(a) != json_array_size(b))
		return false;
	json_array_foreach(a, i, x) {
		bool found = false;

		json_array_foreach(b, k, y)
			found |= text_same(x, y, "ip") &&
			    text_same(x, y, "hostname");
		if (!found)
			return false;
	}
	return true;
}
