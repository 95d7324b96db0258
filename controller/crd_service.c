/* SPDX-License-Identifier: BSD-2-Clause */
/* Service entries and TraefikService; see crd_impl.h. */
#include "crd_impl.h"

#include "alloc.h"
#include "kube_names.h"

#include <stdlib.h>

/* What stands in a service entry and is the same in a load balancer. */
static const char *const copied[] = { "passHostHeader", "responseForwarding",
    "healthCheck", "passiveHealthCheck" };

static void
copy(const json_t *from, const char *key, json_t *to)
{
	json_t *v = json_object_get(from, key);

	if (v != NULL && !json_is_null(v))
		json_object_set(to, key, v);
}

/* A numeric port means a number only, a text a name only. */
static bool
find_port(const struct kube_object *service, const json_t *port,
    struct kube_port *ret, struct buf *why)
{
	int64_t number = json_integer_value(port);
	const char *name = json_string_value(port);
	struct buf none = BUF_INIT;
	bool found;

	if (number == 0 && str_c(name).n == 0) {
		buf_printf(why, "Service %s/%s: no port is given",
		    service->ns, service->name);
		return false;
	}
	found = kube_port_find(service, number, name, ret, &none);
	if (!found && number > 0 && kube_is_external(service)) {
		*ret = (struct kube_port){ number, 0, "" };
		found = true;
	}
	if (!found)
		buf_puts(why, buf_str(&none));
	buf_fini(&none);
	return found;
}

static bool
scheme_good(const char *scheme)
{
	static const char *const known[] = { "http", "https", "h2c" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(scheme, known[i]) == 0)
			return true;
	return str_c(scheme).n == 0;
}

/* Why the entry cannot be, as far as it says so itself. */
static bool
entry_good(const json_t *entry, const struct kube_object *service,
    const char **ret_strategy, struct buf *why)
{
	static const char *const known[] = { "wrr", "p2c", "hrw", "leasttime" };
	const char *strategy = kube_text_at(entry, "strategy");
	const char *scheme = kube_text_at(entry, "scheme");
	bool good = false;

	if (str_c(strategy).n == 0 || strcmp(strategy, "RoundRobin") == 0)
		strategy = "wrr";
	*ret_strategy = strategy;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		good |= strcmp(strategy, known[i]) == 0;
	if (!good)
		buf_printf(why, "Service %s/%s: strategy \"%.40s\" is not "
		    "known", service->ns, service->name, strategy);
	else if (scheme != NULL && !scheme_good(scheme))
		buf_printf(why, "Service %s/%s: scheme \"%.40s\" is none of "
		    "http, https, h2c", service->ns, service->name, scheme);
	else if (json_is_object(json_object_get(entry, "healthCheck")) &&
	    !kube_is_external(service))
		buf_printf(why, "Service %s/%s: healthCheck is for Services "
		    "of type ExternalName only", service->ns, service->name);
	return why->n == 0;
}

static json_t *
servers_of(const struct crd *c, const json_t *entry,
    const struct kube_object *service, bool native, struct buf *why)
{
	const json_t *own = json_object_get(entry, "nativeLB");
	struct kube_reach reach = { .opt = c->opt,
	    .scheme = kube_text_at(entry, "scheme"),
	    .native = json_is_boolean(own) ? json_is_true(own) : native,
	    .nodes = json_is_true(json_object_get(entry, "nodePortLB")) };
	struct kube_port port;
	struct buf text = BUF_INIT;
	json_t *servers;

	if (!find_port(service, json_object_get(entry, "port"), &port, why))
		return NULL;
	if (kube_is_external(service) && !c->opt->allow_external_names) {
		buf_printf(why, "Service %s/%s is of type ExternalName, which "
		    "allowExternalNameServices does not allow", service->ns,
		    service->name);
		return NULL;
	}
	servers = kube_servers(c->v, service, &port, &reach, &text);
	if (servers != NULL && json_array_size(servers) == 0 &&
	    !c->opt->allow_empty_services) {
		if (text.n == 0)
			buf_printf(&text, "Service %s/%s has no endpoint",
			    service->ns, service->name);
		json_decref(servers);
		servers = NULL;
	}
	if (servers == NULL)
		buf_puts(why, buf_str(&text));
	else if (text.n != 0)
		kube_refuse(c->out, "%s", buf_cstr(&text));
	buf_fini(&text);
	return servers;
}

static void
add_sticky(const json_t *entry, json_t *to)
{
	json_t *cookie, *sticky = json_deep_copy(json_object_get(entry,
	    "sticky"));

	if (sticky == NULL || json_is_null(sticky)) {
		json_decref(sticky);
		return;
	}
	cookie = json_object_get(sticky, "cookie");
	if (json_is_object(cookie) && json_object_get(cookie, "path") == NULL)
		json_object_set_new(cookie, "path", json_string("/"));
	json_object_set_new(to, "sticky", sticky);
}

/* References of a service entry are made in the Service's namespace. */
static bool
add_refs(const struct crd *c, const json_t *entry,
    const struct kube_object *service, json_t *lb, json_t *value,
    struct buf *why)
{
	const json_t *list = json_object_get(entry, "middlewares");
	const char *transport = kube_text_at(entry, "serversTransport");
	json_t *refs;
	char *key;

	if (str_c(transport).n != 0) {
		if ((key = crd_transport_ref(c, service->ns, transport,
		    why)) == NULL)
			return false;
		json_object_set_new(lb, "serversTransport", json_string(key));
		free(key);
	}
	if (json_array_size(list) == 0)
		return true;
	if ((refs = crd_refs(c, service->ns, list, why)) == NULL)
		return false;
	json_object_set_new(value, "middlewares", refs);
	return true;
}

static json_t *
balancer(const struct crd *c, const json_t *entry,
    const struct kube_object *service, bool native, struct buf *why)
{
	const char *strategy;
	json_t *servers, *lb, *value;

	/* The port comes first among what is told. */
	servers = servers_of(c, entry, service, native, why);
	if (servers == NULL)
		return NULL;
	if (!entry_good(entry, service, &strategy, why)) {
		json_decref(servers);
		return NULL;
	}
	lb = json_pack("{s:o}", "servers", servers);
	value = json_pack("{s:o}", "loadBalancer", lb);
	if (strcmp(strategy, "wrr") != 0)
		json_object_set_new(lb, "strategy", json_string(strategy));
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
		copy(entry, copied[i], lb);
	add_sticky(entry, lb);
	if (!add_refs(c, entry, service, lb, value, why)) {
		json_decref(value);
		return NULL;
	}
	return value;
}

/* Under its own name: namespace, Service and port as written. */
static char *
own_key(const struct kube_object *service, const json_t *port)
{
	if (json_is_string(port))
		return kube_normalf("%s-%s-%s", service->ns, service->name,
		    json_string_value(port));
	return kube_normalf("%s-%s-%lld", service->ns, service->name,
	    (long long)json_integer_value(port));
}

char *
crd_entry(const struct crd *c, const json_t *entry, const char *as,
    bool native, struct buf *why)
{
	const char *kind = kube_text_at(entry, "kind");
	const char *name = kube_text_at(entry, "name"), *ns;
	const struct kube_object *service;
	json_t *value;
	char *key;

	if (kind != NULL && strcmp(kind, "TraefikService") == 0)
		return crd_service_ref(c, entry, why);
	if (str_c(kind).n != 0 && strcmp(kind, "Service") != 0) {
		buf_printf(why, "a service of kind \"%.40s\" is not known",
		    kind);
		return NULL;
	}
	if (str_c(name).n == 0) {
		buf_puts(why, STR("a service has no name"));
		return NULL;
	}
	if ((ns = crd_namespace(c, entry, why)) == NULL)
		return NULL;
	service = kube_get(c->v, KUBE_SERVICE, ns, name);
	if (service == NULL) {
		buf_printf(why, "Service %s/%.253s does not exist", ns, name);
		return NULL;
	}
	if ((value = balancer(c, entry, service, native, why)) == NULL)
		return NULL;
	key = as != NULL ? xstrdup(as) : own_key(service, json_object_get(
	    entry, "port"));
	(void)kube_emit(c->out, CHANGE_SERVICE, key, value);
	return key;
}

json_t *
crd_weighted(const struct crd *c, const json_t *entries, bool native,
    struct buf *why)
{
	json_t *list = json_array(), *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		const json_t *weight = json_object_get(entry, "weight");
		char *key = crd_entry(c, entry, NULL, native, why);

		if (key == NULL) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, json_pack("{s:s, s:I}", "name",
		    key, "weight", json_is_integer(weight) ?
		    json_integer_value(weight) : (json_int_t)1));
		free(key);
	}
	return json_pack("{s:o}", "services", list);
}

/* ---- TraefikService ---------------------------------------------------------- */

static json_t *
weighted(const struct crd *c, const json_t *w, struct buf *why)
{
	json_t *v = crd_weighted(c, json_object_get(w, "services"), false,
	    why);

	if (v == NULL)
		return NULL;
	add_sticky(w, v);
	return json_pack("{s:o}", "weighted", v);
}

static json_t *
mirroring(const struct crd *c, const json_t *m, struct buf *why)
{
	json_t *mirrors = json_object_get(m, "mirrors"), *list, *v, *entry;
	char *key = crd_entry(c, m, NULL, false, why);
	size_t i;

	if (key == NULL)
		return NULL;
	list = json_array();
	v = json_pack("{s:s, s:o}", "service", key, "mirrors", list);
	copy(m, "mirrorBody", v);
	copy(m, "maxBodySize", v);
	free(key);
	json_array_foreach(mirrors, i, entry) {
		json_t *one;

		if ((key = crd_entry(c, entry, NULL, false, why)) == NULL) {
			json_decref(v);
			return NULL;
		}
		one = json_pack("{s:s}", "name", key);
		copy(entry, "percent", one);
		json_array_append_new(list, one);
		free(key);
	}
	return json_pack("{s:o}", "mirroring", v);
}

static json_t *
random_weight(const struct crd *c, const json_t *h, struct buf *why)
{
	json_t *v = crd_weighted(c, json_object_get(h, "services"), false,
	    why);

	return v == NULL ? NULL : json_pack("{s:o}", "highestRandomWeight", v);
}

static json_t *
failover(const struct crd *c, const json_t *f, struct buf *why)
{
	char *main = crd_entry(c, json_object_get(f, "service"), NULL, false,
	    why), *other = NULL;
	json_t *v = NULL;

	if (main != NULL)
		other = crd_entry(c, json_object_get(f, "fallback"), NULL,
		    false, why);
	if (other != NULL) {
		v = json_pack("{s:s, s:s}", "service", main, "fallback",
		    other);
		copy(f, "errors", v);
		v = json_pack("{s:o}", "failover", v);
	}
	free(main);
	free(other);
	return v;
}

void
crd_traefik_service(const struct crd *c)
{
	static const struct {
		const char *key;
		json_t *(*make)(const struct crd *c, const json_t *v,
		    struct buf *why);
	} kinds[] = {
		{ "weighted", weighted }, { "mirroring", mirroring },
		{ "highestRandomWeight", random_weight },
		{ "failover", failover },
	};
	char *key = kube_normalf("%s-%s", c->o->ns, c->o->name);
	struct buf why = BUF_INIT;
	json_t *v = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const json_t *part = json_object_get(c->spec, kinds[i].key);

		if (!json_is_object(part))
			continue;
		v = kinds[i].make(c, part, &why);
		break;
	}
	if (v != NULL)
		(void)kube_emit(c->out, CHANGE_SERVICE, key, v);
	else if (i == ARRAY_SIZE(kinds))
		kube_refuse(c->out, "it is neither weighted, mirroring, "
		    "highestRandomWeight nor failover");
	else
		kube_refuse(c->out, "spec.%s: %s", kinds[i].key,
		    buf_cstr(&why));
	free(key);
	buf_fini(&why);
}
