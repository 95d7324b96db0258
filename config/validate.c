/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of single objects; see validate.h. */
#include "validate_impl.h"

#include "addr.h"
#include "log.h"
#include "rule.h"

#include <stdio.h>

#define ROUTER_HEAD_MAX	(4 << 20)	/* bytes */

/* ---- Static part ----------------------------------------------------------- */

static bool
one_of(const char *value, const char *const *words)
{
	for (; *words != NULL; words++)
		if (str_caseeq(str_c(value), str_c(*words)))
			return true;
	return false;
}

/* A file error unless value is NULL or one of the words. */
static void
check_word(struct diags *d, struct place at, const char *key, const char *value,
    const char *const *words)
{
	struct buf all = BUF_INIT;
	const char *near;

	if (value == NULL || one_of(value, words))
		return;
	for (unsigned i = 0; words[i] != NULL; i++)
		buf_printf(&all, "%s%s", i == 0 ? "" : ", ", words[i]);
	near = diag_nearest(str_c(value), words);
	diag_add(d, DIAG_FILE, at, NULL, "%s: \"%s\" is not one of %s%s%s%s",
	    key, value, buf_cstr(&all), near != NULL ? "; did you mean \"" : "",
	    near != NULL ? near : "", near != NULL ? "\"?" : "");
	buf_fini(&all);
}

/* "[host]:port[/tcp|/udp]". */
static const char *
address_problem(const char *address)
{
	struct str s = str_c(address), proto;
	ptrdiff_t slash = str_chr(s, '/'), colon;
	struct addr host;
	uint64_t port;

	if (slash >= 0) {
		proto = str_from(s, (size_t)slash + 1);
		if (str_caseeq(proto, STR("udp")))
			return "UDP is not supported yet";
		if (!str_caseeq(proto, STR("tcp")))
			return "the protocol must be tcp or udp";
		s = str_head(s, (size_t)slash);
	}
	if ((colon = str_rchr(s, ':')) < 0)
		return "a port is missing (\":8000\")";
	if (str_u64(str_from(s, (size_t)colon + 1), &port) < 0 || port == 0 ||
	    port > 65535)
		return "the port must be a number from 1 to 65535";
	s = str_head(s, (size_t)colon);
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_n(s.p + 1, s.n - 2);
	if (s.n != 0 && !str_caseeq(s, STR("localhost")) &&
	    addr_parse(s, &host) < 0)
		return "the host must be an IP address or localhost";
	return NULL;
}

static void
check_cidrs(struct diags *d, const struct entry_point *e,
    const struct strlist *l)
{
	struct cidr c;

	for (unsigned i = 0; i < l->n; i++)
		if (cidr_parse(str_c(l->v[i]), &c) < 0)
			diag_add(d, DIAG_FILE, e->o.place, e->o.name,
			    "trustedIPs: \"%s\" is not an address or range",
			    l->v[i]);
}

/* As Traefik with a resolver that it does not know. */
static void
warn_resolver(struct diags *d, struct place at, const char *kind,
    const char *name, const struct router_tls *tls)
{
	if (tls != NULL && str_c(tls->cert_resolver).n != 0)
		diag_add(d, DIAG_WARNING, at, NULL, "%s %s: certResolver "
		    "\"%s\": certificate resolvers are not supported yet; "
		    "tls.certificates or the default one is used", kind, name,
		    tls->cert_resolver);
}

static void
check_entry_point(struct entry_point *e, struct diags *d)
{
	static const char *const strategies[] = { "keep", "delete", "reject",
	    NULL };
	static const char *const ambiguous[] = { "check", "allow", NULL };
	const char *why = e->address == NULL ? "an address is missing" :
	    address_problem(e->address);

	warn_resolver(d, e->o.place, "entry point", e->o.name, e->tls);
	if (why != NULL)
		diag_add(d, DIAG_FILE, e->o.place, NULL, "entry point %s: "
		    "address: %s", e->o.name, why);
	if (e->http2_max_streams < 0)
		diag_add(d, DIAG_FILE, e->o.place, NULL, "entry point %s: "
		    "maxConcurrentStreams cannot be negative", e->o.name);
	if (e->max_header_bytes < 0 || e->max_header_bytes > 1 << 20)
		diag_add(d, DIAG_FILE, e->o.place, NULL, "entry point %s: "
		    "maxHeaderBytes must be from 0 to 1048576", e->o.name);
	check_word(d, e->o.place, "underscoreHeadersStrategy",
	    e->underscore_strategy, strategies);
	check_word(d, e->o.place, "ambiguousPaths", e->ambiguous_paths,
	    ambiguous);
	check_cidrs(d, e, &e->forwarded.trusted_ips);
	if (e->proxy_protocol != NULL) {
		check_cidrs(d, e, &e->proxy_protocol->trusted_ips);
		if (!e->proxy_protocol->insecure &&
		    e->proxy_protocol->trusted_ips.n == 0)
			diag_add(d, DIAG_FILE, e->o.place, NULL, "entry point "
			    "%s: proxyProtocol needs trustedIPs, or insecure: "
			    "true", e->o.name);
	}
}

/* The word that counts in place of one that is none of the words. */
static void
replace_word(struct diags *d, struct place at, const char *key, char **value,
    const char *const *words, const char *instead)
{
	if (*value == NULL || (*value)[0] == '\0' || one_of(*value, words))
		return;
	diag_add(d, DIAG_WARNING, at, NULL, "%s: \"%s\" is not known; \"%s\" "
	    "is used", key, *value, instead);
	*value = (char *)(size_t)instead;
}

/* What Traefik logs and replaces by its default (proxy.md 1.4). */
static void
check_logs(struct config *c, struct diags *d)
{
	static const char *const formats[] = { "common", "json", NULL };
	static const char *const access_formats[] = { "common", "genericCLF",
	    "json", NULL };
	static const char *const modes[] = { "keep", "drop", NULL };
	static const char *const redacting[] = { "keep", "drop", "redact",
	    NULL };
	struct access_log_config *a = c->access_log;
	enum log_level level;

	replace_word(d, c->log.place, "log.format", &c->log.format, formats,
	    "common");
	if (c->log.level != NULL && log_level_parse(str_c(c->log.level),
	    &level) < 0) {
		diag_add(d, DIAG_WARNING, c->log.place, NULL, "log.level: \"%s\" is not "
		    "one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC; "
		    "ERROR is used", c->log.level);
		c->log.level = (char *)(size_t)"ERROR";
	}
	if (a == NULL)
		return;
	replace_word(d, a->place, "accessLog.format", &a->format,
	    access_formats, "common");
	replace_word(d, a->place, "accessLog.fields.defaultMode",
	    &a->fields.default_mode, modes, "drop");
	replace_word(d, a->place, "accessLog.fields.headers.defaultMode",
	    &a->fields.headers.default_mode, redacting, "drop");
	replace_word(d, a->place, "accessLog.fields.queryParameters."
	    "defaultMode", &a->fields.query.default_mode, modes, "drop");
	for (unsigned i = 0; i < a->fields.names.n; i++)
		replace_word(d, a->fields.names.v[i].place,
		    "accessLog.fields.names", &a->fields.names.v[i].value,
		    redacting, "drop");
	for (unsigned i = 0; i < a->fields.headers.names.n; i++)
		replace_word(d, a->fields.headers.names.v[i].place,
		    "accessLog.fields.headers.names",
		    &a->fields.headers.names.v[i].value, redacting, "drop");
}

static void
check_limit(const struct config *c, const char *key, int64_t value,
    int64_t most, struct diags *d)
{
	if (value < 0 || value > most)
		diag_add(d, DIAG_FILE, c->akkod.place, NULL, "akkod.limits.%s "
		    "must be from 0 (the default) to %lld", key,
		    (long long)most);
}

static void
check_times(const struct config *c, struct diags *d)
{
	const struct akkod_limits *l = &c->akkod.limits;
	const struct { const char *key; nsec_t t; } times[] = {
		{ "handshakeTime", l->handshake },
		{ "firstByteTime", l->first_byte }, { "headTime", l->head },
		{ "bodyGap", l->body }, { "writeGap", l->write },
		{ "tunnelIdle", l->tunnel },
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i].t < 0)
			diag_add(d, DIAG_FILE, c->akkod.place, NULL,
			    "akkod.limits.%s must not be negative",
			    times[i].key);
}

static void
check_kube(const struct kube_provider *k, const char *key, struct diags *d)
{
	if (k == NULL)
		return;
	if (k->endpoint != NULL && k->endpoint[0] != '\0' &&
	    !str_has_prefix(str_c(k->endpoint), STR("https://")) &&
	    !str_has_prefix(str_c(k->endpoint), STR("http://")))
		diag_add(d, DIAG_FILE, k->place, NULL, "providers.%s.endpoint: "
		    "\"%s\" begins with neither https:// nor http://", key,
		    k->endpoint);
	if (k->throttle < 0)
		diag_add(d, DIAG_FILE, k->place, NULL, "providers.%s."
		    "throttleDuration cannot be negative", key);
	/* As Traefik refuses to start the provider. */
	if (k->report_node_ips && (k->no_cluster_scope ||
	    k->status.ip != NULL || k->status.hostname != NULL ||
	    k->status.published_service != NULL))
		diag_add(d, DIAG_FILE, k->place, NULL, "providers.%s."
		    "reportNodeInternalIPs goes neither with ingressEndpoint "
		    "nor with disableClusterScopeResources", key);
}

static bool
bad_version(const struct servers_transport *t)
{
	const struct proxy_to *p = t->proxy_protocol;

	return p != NULL && p->version != 1 && p->version != 2;
}

void
check_static(struct config *c, struct diags *d)
{
	static const char *const ios[] = { "auto", "uring", "epoll", NULL };
	static const char *const records[] = { "own", "openssl", NULL };
	static const char *const syntaxes[] = { "v3", NULL };
	static const char *const providers[] = { "kubernetesgateway",
	    "kubernetescrd", "kubernetes", "kubernetesingressnginx", "swarm",
	    "docker", "file", "redis", "knative", "consul", "consulcatalog",
	    "nomad", "etcd", "ecs", "http", "zookeeper", "rest", NULL };

	for (unsigned i = 0; i < c->entry_points.n; i++)
		check_entry_point(&c->entry_points.v[i], d);
	check_word(d, c->core_place, "core.defaultRuleSyntax", c->default_rule_syntax,
	    syntaxes);
	for (unsigned i = 0; i < c->precedence.n; i++)
		check_word(d, c->providers_place, "providers.precedence",
		    c->precedence.v[i], providers);
	if (c->api_base_path != NULL && c->api_base_path[0] != '/')
		diag_add(d, DIAG_FILE, c->api_place, NULL,
		    "api.basePath: \"%s\" must begin with '/'",
		    c->api_base_path);
	check_word(d, c->akkod.place, "akkod.io", c->akkod.io, ios);
	if (c->akkod.orphan_grace < 0)
		diag_add(d, DIAG_FILE, c->akkod.place, NULL,
		    "akkod.orphanGrace cannot be negative");
	if (c->akkod.tls.small_records_from < 0)
		diag_add(d, DIAG_FILE, c->akkod.place, NULL,
		    "akkod.tls.smallRecordsFrom cannot be negative");
	check_word(d, c->akkod.place, "akkod.tls.records",
	    c->akkod.tls.records, records);
	if (c->akkod.workers < 0 || c->akkod.workers > 64)
		diag_add(d, DIAG_FILE, c->akkod.place, NULL,
		    "akkod.workers must be from 0 (one per CPU) to 64");
	check_limit(c, "connections", c->akkod.limits.connections, 1 << 20, d);
	check_limit(c, "perAddress", c->akkod.limits.per_address, 1 << 20, d);
	check_limit(c, "fibers", c->akkod.limits.fibers, 1 << 16, d);
	check_limit(c, "perServer", c->akkod.limits.per_server, 1 << 16, d);
	check_times(c, d);
	if (c->ping != NULL && (c->ping->terminating_status < 200 ||
	    c->ping->terminating_status > 599))
		diag_add(d, DIAG_FILE, c->ping->place, NULL,
		    "ping.terminatingStatusCode must be from 200 to 599");
	if (c->file != NULL && c->file->filename == NULL &&
	    c->file->directory == NULL)
		diag_add(d, DIAG_FILE, c->file->place, NULL,
		    "providers.file needs a filename or a directory");
	if (bad_version(&c->default_transport))
		diag_add(d, DIAG_FILE, c->default_transport.o.place, NULL,
		    "serversTransport.proxyProtocol: version must be 1 or 2");
	check_kube(c->kube_ingress, "kubernetesIngress", d);
	check_kube(c->kube_crd, "kubernetesCRD", d);
	check_logs(c, d);
}

/* ---- Dynamic part ------------------------------------------------------------ */

#define PRIORITY_MAX	(INT64_MAX - 1000)	/* above: akkod's own routers */

static void
check_router(struct router *r, struct arena *a, struct diags *d)
{
	char why[320];

	warn_resolver(d, r->o.place, "router", r->o.name, r->tls);
	if (r->rule_text == NULL) {
		diag_object(d, &r->o, "router", VERDICT_UNUSABLE,
		    "a rule is missing");
		return;
	}
	if (r->rule_syntax != NULL && strcmp(r->rule_syntax, "v3") != 0) {
		diag_object(d, &r->o, "router", VERDICT_UNUSABLE,
		    "ruleSyntax \"%s\" is not supported: only v3",
		    r->rule_syntax);
		return;
	}
	if (r->priority > PRIORITY_MAX) {
		diag_object(d, &r->o, "router", VERDICT_UNUSABLE,
		    "the priority is above %lld, which is kept for akkod's own",
		    (long long)PRIORITY_MAX);
		return;
	}
	if (r->max_header_bytes < 0 || r->max_header_bytes > ROUTER_HEAD_MAX) {
		diag_object(d, &r->o, "router", VERDICT_UNUSABLE,
		    "maxHeaderBytes is %lld; it must be 0 to %d",
		    (long long)r->max_header_bytes, ROUTER_HEAD_MAX);
		return;
	}
	r->rule = rule_parse(a, str_c(r->rule_text), why, sizeof(why));
	if (r->rule == NULL)
		diag_object(d, &r->o, "router", VERDICT_UNUSABLE, "%s", why);
	else if (r->later != NULL)
		check_later(a, &r->o, VERDICT_UNUSABLE, r->later);
	else if (r->service == NULL)
		diag_object(d, &r->o, "router", VERDICT_BROKEN,
		    "a service is missing");
}

static unsigned
kinds_set(const struct middleware *m)
{
	const void *const kinds[] = { m->add_prefix, m->strip_prefix,
	    m->strip_prefix_regex, m->replace_path, m->replace_path_regex,
	    m->redirect_regex, m->redirect_scheme, m->headers,
	    m->ip_allow_list, m->ip_white_list, m->rate_limit, m->basic_auth,
	    m->forward_auth, m->errors, m->compress, m->grpc_web,
	    m->chain, m->later };
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		n += kinds[i] != NULL;
	return n;
}

static void
check_middleware(struct middleware *m, struct arena *a, struct diags *d)
{
	unsigned n = kinds_set(m);

	if (n == 0)
		diag_object(d, &m->o, "middleware", VERDICT_BROKEN,
		    "no kind is given (such as headers or rateLimit)");
	else if (n > 1)
		diag_object(d, &m->o, "middleware", VERDICT_BROKEN,
		    "more than one kind is given");
	else if (m->later != NULL)
		check_later(a, &m->o, VERDICT_BROKEN, m->later);
	else if (m->rate_limit != NULL && m->rate_limit->later != NULL)
		check_later(a, &m->o, VERDICT_BROKEN, m->rate_limit->later);
}

static void
check_transport(struct servers_transport *t, struct arena *a, struct diags *d)
{
	if (t->later != NULL)
		check_later(a, &t->o, VERDICT_BROKEN, t->later);
	if (bad_version(t))
		diag_object(d, &t->o, "serversTransport", VERDICT_BROKEN,
		    "proxyProtocol: version is %lld; it must be 1 or 2",
		    (long long)t->proxy_protocol->version);
}

/* The diagnostics, in which the reason stands, go before the object does. */
static void
keep_why(struct object *o, struct arena *a)
{
	struct str why;

	if (o->why == NULL)
		return;
	why = arena_dup(a, str_n(o->why, strlen(o->why) + 1));
	o->why = (char *)(size_t)why.p;		/* NULL when memory is short */
}

void
check_dynamic(struct dynamic *dyn, struct arena *a, struct diags *d)
{
	for (unsigned i = 0; i < dyn->routers.n; i++)
		check_router(&dyn->routers.v[i], a, d);
	for (unsigned i = 0; i < dyn->services.n; i++)
		check_service(&dyn->services.v[i], d);
	for (unsigned i = 0; i < dyn->middlewares.n; i++)
		check_middleware(&dyn->middlewares.v[i], a, d);
	for (unsigned i = 0; i < dyn->transports.n; i++)
		check_transport(&dyn->transports.v[i], a, d);
	for (unsigned i = 0; i < dyn->routers.n; i++)
		keep_why(&dyn->routers.v[i].o, a);
	for (unsigned i = 0; i < dyn->services.n; i++)
		keep_why(&dyn->services.v[i].o, a);
	for (unsigned i = 0; i < dyn->middlewares.n; i++)
		keep_why(&dyn->middlewares.v[i].o, a);
	for (unsigned i = 0; i < dyn->transports.n; i++)
		keep_why(&dyn->transports.v[i].o, a);
}
