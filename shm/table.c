/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proving an image: one description per record type says which of its fields
 * are references and to what; a generic walk checks them all. What a
 * description cannot say (jumps, order, hash slots) is checked by a function
 * of the type. After that readers follow references without looking.
 */
#include "table.h"

#include "hash.h"
#include "reason.h"

#include <errno.h>

enum ttype_id {
	T_NONE, T_U32, T_STR, T_CIDR, T_ADDR, T_PAIR, T_RANGE, T_REWRITE,
	T_LOG_NAME, T_HOST, T_PREFIX, T_TLS_HOST,
	T_ENTRY_POINT, T_MUX, T_ROUTER, T_RULE, T_SERVICE, T_CHILD, T_SERVER, T_MW,
	T_TRANSPORT, T_TLS_OPTIONS, T_CERT, T_CERT_NAME, T_REGEXP,
	T_ACCESS_LOG, T_BLOB, T_STICKY, T_STICKY_KEY, T_CHECK, T_PROBE,
	/* Vectors of uint32_t that are indexes in a section. */
	T_IDX_MW, T_IDX_SERVER, T_IDX_REGEXP, T_IDX_ROUTER,
	T_MW_CONFIG,		/* + enum tmw_kind */
	T_TYPES = T_MW_CONFIG + TMW_KINDS
};

enum kind {
	STR_AT,		/* struct tstr */
	VEC_AT,		/* struct tvec of records of type arg */
	IDX_AT,		/* uint32_t in section arg, or TNONE */
	IDX_MUST	/* uint32_t in section arg */
};

struct tfield { uint16_t off; uint8_t kind, arg; };

struct ttype {
	uint32_t bytes;
	uint8_t nfields;
	const struct tfield *fields;
};

#define F(type, name, kind, arg) { offsetof(struct type, name), kind, arg }
#define S(type, name) F(type, name, STR_AT, 0)
#define V(type, name, t) F(type, name, VEC_AT, t)

static const struct tfield pair_f[] = { S(tpair, name), S(tpair, value) };
static const struct tfield log_name_f[] = { S(tlog_name, name) };
static const struct tfield host_f[] = { S(thost, name),
    V(thost, prefixes, T_PREFIX) };
static const struct tfield prefix_f[] = { S(tprefix, text),
    V(tprefix, routers, T_IDX_ROUTER) };
static const struct tfield tls_host_f[] = { S(ttls_host, name),
    F(ttls_host, options, IDX_MUST, T_TLS_OPTIONS) };
static const struct tfield entry_point_f[] = {
    S(tentry_point, name), S(tentry_point, address),
    V(tentry_point, trusted, T_CIDR),
    V(tentry_point, proxy_trusted, T_CIDR), V(tentry_point, keep_connection, T_STR),
    F(tentry_point, plain_mux, IDX_AT, T_MUX),
    F(tentry_point, tls_mux, IDX_AT, T_MUX),
    F(tentry_point, default_tls_options, IDX_MUST, T_TLS_OPTIONS),
    V(tentry_point, tls_hosts, T_TLS_HOST) };
static const struct tfield mux_f[] = {
    F(tmux, entry_point, IDX_MUST, T_ENTRY_POINT),
    V(tmux, host_slots, T_U32), V(tmux, hosts, T_HOST),
    V(tmux, wild_slots, T_U32), V(tmux, wild_hosts, T_HOST),
    V(tmux, any, T_HOST) };
static const struct tfield router_f[] = { S(trouter, name), S(trouter, rule),
    S(trouter, error), F(trouter, service, IDX_AT, T_SERVICE),
    F(trouter, tls_options, IDX_AT, T_TLS_OPTIONS),
    V(trouter, middlewares, T_IDX_MW), V(trouter, owned, T_STR),
    V(trouter, owned_regexps, T_IDX_REGEXP) };
static const struct tfield rule_f[] = { F(trule, regexp, IDX_AT, T_REGEXP),
    S(trule, name), S(trule, text) };
static const struct tfield service_f[] = { S(tservice, name),
    S(tservice, waiting),
    F(tservice, transport, IDX_AT, T_TRANSPORT),
    V(tservice, servers, T_IDX_SERVER), V(tservice, children, T_CHILD),
    V(tservice, middlewares, T_IDX_MW), V(tservice, statuses, T_RANGE),
    V(tservice, sticky, T_STICKY), F(tservice, check, IDX_AT, T_CHECK) };
static const struct tfield child_f[] = { S(tchild, name),
    F(tchild, service, IDX_MUST, T_SERVICE) };
static const struct tfield sticky_f[] = { S(tsticky, name),
    S(tsticky, attributes), V(tsticky, keys, T_STICKY_KEY) };
static const struct tfield sticky_key_f[] = { S(tsticky_key, plain) };
static const struct tfield check_f[] = {
    F(tcheck, service, IDX_MUST, T_SERVICE), V(tcheck, probes, T_PROBE),
    V(tcheck, headers, T_PAIR), S(tcheck, method), S(tcheck, host) };
static const struct tfield probe_f[] = {
    F(tprobe, server, IDX_MUST, T_SERVER), S(tprobe, target) };
static const struct tfield server_f[] = { S(tserver, url),
    S(tserver, authority), S(tserver, host), S(tserver, path),
    V(tserver, addrs, T_ADDR) };
static const struct tfield mw_f[] = { S(tmw, name) };
static const struct tfield transport_f[] = { S(ttransport, name),
    S(ttransport, server_name), S(ttransport, ciphers),
    V(ttransport, peer_sans, T_STR),
    F(ttransport, root_cas, IDX_AT, T_BLOB),
    F(ttransport, client_cert, IDX_AT, T_CERT) };
static const struct tfield tls_options_f[] = { S(ttls_options, name),
    S(ttls_options, ciphers), S(ttls_options, groups),
    V(ttls_options, alpn, T_STR),
    F(ttls_options, client_cas, IDX_AT, T_BLOB) };
static const struct tfield cert_f[] = { S(tcert, key_text), S(tcert, source),
    V(tcert, chain, T_STR) };
static const struct tfield cert_name_f[] = { S(tcert_name, name),
    F(tcert_name, cert, IDX_MUST, T_CERT) };
static const struct tfield regexp_f[] = { S(tregexp, text) };
static const struct tfield access_log_f[] = {
    V(taccess_log, statuses, T_RANGE), V(taccess_log, fields, T_LOG_NAME),
    V(taccess_log, headers, T_LOG_NAME) };
static const struct tfield blob_f[] = { S(tblob, data) };
static const struct tfield add_prefix_f[] = { S(tmw_add_prefix, prefix) };
static const struct tfield strip_prefix_f[] = {
    V(tmw_strip_prefix, prefixes, T_STR) };
static const struct tfield strip_prefix_regex_f[] = {
    V(tmw_strip_prefix_regex, regexps, T_IDX_REGEXP) };
static const struct tfield replace_path_f[] = { S(tmw_replace_path, path) };
static const struct tfield regex_replace_f[] = {
    F(tmw_regex_replace, regexp, IDX_MUST, T_REGEXP),
    S(tmw_regex_replace, replacement) };
static const struct tfield redirect_scheme_f[] = {
    S(tmw_redirect_scheme, scheme), S(tmw_redirect_scheme, port) };
static const struct tfield headers_f[] = { V(tmw_headers, request, T_PAIR),
    V(tmw_headers, response, T_PAIR), V(tmw_headers, allow_headers, T_STR),
    V(tmw_headers, allow_methods, T_STR), V(tmw_headers, allow_origins, T_STR),
    V(tmw_headers, allow_origin_regexps, T_IDX_REGEXP),
    V(tmw_headers, expose_headers, T_STR),
    V(tmw_headers, allowed_hosts, T_STR),
    V(tmw_headers, hosts_proxy_headers, T_STR),
    V(tmw_headers, ssl_proxy_headers, T_PAIR), S(tmw_headers, frame_options),
    S(tmw_headers, xss_value), S(tmw_headers, csp),
    S(tmw_headers, csp_report_only), S(tmw_headers, public_key),
    S(tmw_headers, referrer_policy), S(tmw_headers, permissions_policy) };
static const struct tfield ip_allow_list_f[] = {
    V(tmw_ip_allow_list, ranges, T_CIDR),
    V(tmw_ip_allow_list, source.excluded, T_CIDR),
    S(tmw_ip_allow_list, source.header) };
static const struct tfield rate_limit_f[] = {
    V(tmw_rate_limit, source.excluded, T_CIDR),
    S(tmw_rate_limit, source.header) };
static const struct tfield basic_auth_f[] = { V(tmw_basic_auth, users, T_PAIR),
    S(tmw_basic_auth, realm), S(tmw_basic_auth, header_field) };
static const struct tfield forward_auth_f[] = {
    F(tmw_forward_auth, server, IDX_MUST, T_SERVER),
    F(tmw_forward_auth, transport, IDX_MUST, T_TRANSPORT),
    S(tmw_forward_auth, target), S(tmw_forward_auth, address),
    V(tmw_forward_auth, response_headers, T_STR),
    F(tmw_forward_auth, response_headers_regexp, IDX_AT, T_REGEXP),
    V(tmw_forward_auth, request_headers, T_STR),
    V(tmw_forward_auth, auth_cookies, T_STR),
    S(tmw_forward_auth, header_field), S(tmw_forward_auth, signin_url) };
static const struct tfield errors_f[] = { V(tmw_errors, status, T_RANGE),
    V(tmw_errors, rewrites, T_REWRITE),
    F(tmw_errors, service, IDX_MUST, T_SERVICE),
    V(tmw_errors, request_headers, T_STR), S(tmw_errors, query) };
static const struct tfield compress_f[] = { V(tmw_compress, excluded, T_STR),
    V(tmw_compress, included, T_STR) };
static const struct tfield grpc_web_f[] = {
    V(tmw_grpc_web, allow_origins, T_STR) };

static const struct tfield str_f[] = { { 0, STR_AT, 0 } };
static const struct tfield idx_mw_f[] = { { 0, IDX_MUST, T_MW } };
static const struct tfield idx_server_f[] = { { 0, IDX_MUST, T_SERVER } };
static const struct tfield idx_regexp_f[] = { { 0, IDX_MUST, T_REGEXP } };
static const struct tfield idx_router_f[] = { { 0, IDX_MUST, T_ROUTER } };

#define TYPE(type, f) { sizeof(struct type), ARRAY_SIZE(f), f }
#define PLAIN(type) { sizeof(type), 0, NULL }
#define CONFIG(k) [T_MW_CONFIG + k]

static const struct ttype types[T_TYPES] = {
	[T_U32] = PLAIN(uint32_t),
	[T_STR] = TYPE(tstr, str_f),
	[T_CIDR] = PLAIN(struct cidr),
	[T_ADDR] = PLAIN(struct addr),
	[T_PAIR] = TYPE(tpair, pair_f),
	[T_RANGE] = PLAIN(struct trange),
	[T_REWRITE] = PLAIN(struct trewrite),
	[T_LOG_NAME] = TYPE(tlog_name, log_name_f),
	[T_HOST] = TYPE(thost, host_f),
	[T_PREFIX] = TYPE(tprefix, prefix_f),
	[T_TLS_HOST] = TYPE(ttls_host, tls_host_f),
	[T_ENTRY_POINT] = TYPE(tentry_point, entry_point_f),
	[T_MUX] = TYPE(tmux, mux_f),
	[T_ROUTER] = TYPE(trouter, router_f),
	[T_RULE] = TYPE(trule, rule_f),
	[T_SERVICE] = TYPE(tservice, service_f),
	[T_CHILD] = TYPE(tchild, child_f),
	[T_SERVER] = TYPE(tserver, server_f),
	[T_MW] = TYPE(tmw, mw_f),
	[T_TRANSPORT] = TYPE(ttransport, transport_f),
	[T_TLS_OPTIONS] = TYPE(ttls_options, tls_options_f),
	[T_CERT] = TYPE(tcert, cert_f),
	[T_CERT_NAME] = TYPE(tcert_name, cert_name_f),
	[T_REGEXP] = TYPE(tregexp, regexp_f),
	[T_ACCESS_LOG] = TYPE(taccess_log, access_log_f),
	[T_BLOB] = TYPE(tblob, blob_f),
	[T_STICKY] = TYPE(tsticky, sticky_f),
	[T_STICKY_KEY] = TYPE(tsticky_key, sticky_key_f),
	[T_CHECK] = TYPE(tcheck, check_f),
	[T_PROBE] = TYPE(tprobe, probe_f),
	[T_IDX_MW] = { 4, 1, idx_mw_f },
	[T_IDX_SERVER] = { 4, 1, idx_server_f },
	[T_IDX_REGEXP] = { 4, 1, idx_regexp_f },
	[T_IDX_ROUTER] = { 4, 1, idx_router_f },
	CONFIG(TMW_ADD_PREFIX) = TYPE(tmw_add_prefix, add_prefix_f),
	CONFIG(TMW_STRIP_PREFIX) = TYPE(tmw_strip_prefix, strip_prefix_f),
	CONFIG(TMW_STRIP_PREFIX_REGEX) = TYPE(tmw_strip_prefix_regex,
	    strip_prefix_regex_f),
	CONFIG(TMW_REPLACE_PATH) = TYPE(tmw_replace_path, replace_path_f),
	CONFIG(TMW_REPLACE_PATH_REGEX) = TYPE(tmw_regex_replace,
	    regex_replace_f),
	CONFIG(TMW_REDIRECT_SCHEME) = TYPE(tmw_redirect_scheme,
	    redirect_scheme_f),
	CONFIG(TMW_REDIRECT_REGEX) = TYPE(tmw_regex_replace, regex_replace_f),
	CONFIG(TMW_HEADERS) = TYPE(tmw_headers, headers_f),
	CONFIG(TMW_IP_ALLOW_LIST) = TYPE(tmw_ip_allow_list, ip_allow_list_f),
	CONFIG(TMW_RATE_LIMIT) = TYPE(tmw_rate_limit, rate_limit_f),
	CONFIG(TMW_BASIC_AUTH) = TYPE(tmw_basic_auth, basic_auth_f),
	CONFIG(TMW_FORWARD_AUTH) = TYPE(tmw_forward_auth, forward_auth_f),
	CONFIG(TMW_ERRORS) = TYPE(tmw_errors, errors_f),
	CONFIG(TMW_COMPRESS) = TYPE(tmw_compress, compress_f),
	CONFIG(TMW_GRPC_WEB) = TYPE(tmw_grpc_web, grpc_web_f),
};

/* The header's sections in the order in which they are proved. */
static const struct { uint16_t off; uint8_t type; } sections[] = {
#define SECTION(name, type) { offsetof(struct table_hdr, name), type }
	SECTION(entry_points, T_ENTRY_POINT), SECTION(muxes, T_MUX),
	SECTION(routers, T_ROUTER), SECTION(rules, T_RULE),
	SECTION(services, T_SERVICE), SECTION(servers, T_SERVER),
	SECTION(middlewares, T_MW), SECTION(transports, T_TRANSPORT),
	SECTION(tls_options, T_TLS_OPTIONS), SECTION(certs, T_CERT),
	SECTION(cert_names, T_CERT_NAME), SECTION(regexps, T_REGEXP),
	SECTION(access_log, T_ACCESS_LOG), SECTION(blobs, T_BLOB),
	SECTION(checks, T_CHECK),
};

struct proof {
	struct table t;
	uint64_t budget;	/* references still to follow: bounds the work */
	const char *why;
};

static bool
bad(struct proof *p, const char *why)
{
	if (p->why == NULL)
		p->why = why;
	return false;
}

static struct tvec
section_of(const struct proof *p, unsigned type)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (sections[i].type == type)
			return *(const struct tvec *)(const void *)
			    (p->t.base + sections[i].off);
	return (struct tvec){ 0, 0 };
}

static bool
span_ok(const struct proof *p, uint32_t off, uint64_t bytes)
{
	return off >= sizeof(struct table_hdr) && off <= p->t.bytes &&
	    bytes <= p->t.bytes - off;
}

static bool check_vec(struct proof *p, struct tvec v, unsigned type);

static bool
check_field(struct proof *p, const uint8_t *rec, const struct tfield *f)
{
	const void *at = rec + f->off;
	const struct tstr *s;
	uint32_t i;

	switch (f->kind) {
	case STR_AT:
		s = at;
		return span_ok(p, s->off, s->n) ||
		    bad(p, "a string reaches out of the image");
	case VEC_AT:
		return check_vec(p, *(const struct tvec *)at, f->arg);
	default:
		i = *(const uint32_t *)at;
		if (i == TNONE && f->kind == IDX_AT)
			return true;
		return i < section_of(p, f->arg).n ||
		    bad(p, "an index is out of range");
	}
}

static bool
check_slots(struct proof *p, struct tvec slots, uint32_t nhosts)
{
	const uint32_t *v = TABLE_VEC(&p->t, slots, uint32_t);
	uint32_t used = 0;

	if ((slots.n & (slots.n - 1)) != 0 || (slots.n == 0 && nhosts != 0))
		return bad(p, "a hash table has an odd size");
	for (uint32_t i = 0; i < slots.n; i++) {
		if (v[i] > nhosts)
			return bad(p, "a hash slot is out of range");
		used += v[i] != 0;
	}
	/* An empty slot ends every search. */
	return used < slots.n || slots.n == 0 || bad(p, "a hash table is full");
}

static bool
check_prefixes(struct proof *p, const struct thost *h)
{
	const struct tprefix *v = TABLE_VEC(&p->t, h->prefixes, struct tprefix);

	if (h->prefixes.n == 0 || v[0].text.n != 0 || v[0].parent != TNONE)
		return bad(p, "a host has no root prefix");
	for (uint32_t i = 1; i < h->prefixes.n; i++) {
		struct str text = table_str(&p->t, v[i].text);
		unsigned depth = 1;

		if (v[i].parent >= i || str_cmp(table_str(&p->t,
		    v[i - 1].text), text) >= 0 || !str_has_prefix(text,
		    table_str(&p->t, v[v[i].parent].text)))
			return bad(p, "prefixes are out of order");
		/* Parents come first, so the way up is proved already. */
		for (uint32_t k = v[i].parent; k != 0; k = v[k].parent)
			depth++;
		if (depth >= TPREFIX_DEPTH)
			return bad(p, "prefixes nest too deeply");
	}
	return true;
}

/* Candidates are merged by index, so a list out of order would hide some. */
static bool
check_ascending(struct proof *p, struct tvec routers)
{
	const uint32_t *v = TABLE_VEC(&p->t, routers, uint32_t);

	for (uint32_t i = 1; i < routers.n; i++)
		if (v[i - 1] >= v[i])
			return bad(p, "routers are out of order");
	return true;
}

/* Entries that begin with a name, searched by halves: `step` bytes each. */
static bool
check_sorted(struct proof *p, struct tvec vec, size_t step)
{
	for (uint32_t i = 1; i < vec.n; i++) {
		const uint8_t *at = p->t.base + vec.off + i * step;

		if (str_cmp(table_str(&p->t, *(const struct tstr *)(const void *)
		    (at - step)), table_str(&p->t, *(const struct tstr *)
		    (const void *)at)) > 0)
			return bad(p, "names are out of order");
	}
	return true;
}

static bool
check_router(struct proof *p, const struct trouter *r)
{
	struct tvec rules = section_of(p, T_RULE);
	const struct trule *v;

	if (r->rule_n > rules.n || r->rule_first > rules.n - r->rule_n)
		return bad(p, "a rule is out of range");
	if (r->status > TSTATUS_BROKEN || r->reason >= REASONS ||
	    (r->status == TSTATUS_ENABLED && r->service == TNONE))
		return bad(p, "a router has no service");
	v = TABLE_VEC(&p->t, rules, struct trule) + r->rule_first;
	for (uint32_t i = 0; i < r->rule_n; i++) {
		bool yes = v[i].yes >= TRULE_ACCEPT ||
		    (v[i].yes > i && v[i].yes < r->rule_n);
		bool no = v[i].no >= TRULE_ACCEPT ||
		    (v[i].no > i && v[i].no < r->rule_n);

		if (!yes || !no || v[i].op >= TRULE_OPS)
			return bad(p, "a rule jumps astray");
	}
	return true;
}

static bool
check_rule(const struct trule *r)
{
	if (r->cidr.bits > 128)
		return false;
	switch (r->op) {
	case TRULE_HOST_REGEXP:
	case TRULE_PATH_REGEXP:
	case TRULE_HEADER_REGEXP:
	case TRULE_QUERY_REGEXP:
		return r->regexp != TNONE;
	default:
		return true;
	}
}

static bool
check_compress(const struct tmw_compress *c)
{
	if (c->nencodings == 0 || c->nencodings > TENCODINGS ||
	    (c->default_encoding != 0xff && c->default_encoding >= TENCODINGS))
		return false;
	for (unsigned i = 0; i < c->nencodings; i++)
		if (c->encodings[i] >= TENCODINGS)
			return false;
	return true;
}

/* A number that would be divided by, or a word that would not be known. */
static bool
check_config(const struct tmw *mw, const void *config)
{
	const struct tmw_rate_limit *l = config;
	const struct tmw_ip_allow_list *ips = config;
	const struct tmw_forward_auth *f = config;

	switch (mw->kind) {
	case TMW_COMPRESS:
		return check_compress(config);
	case TMW_RATE_LIMIT:
		return l->source.kind <= TSOURCE_HOST && l->average >= 0 &&
		    (l->average == 0 || (l->period_ns > 0 && l->burst > 0));
	case TMW_IP_ALLOW_LIST:
		return ips->source.kind <= TSOURCE_HOST;
	case TMW_FORWARD_AUTH:
		return f->trust_forward_header <= TTRI_TRUE;
	default:
		return true;
	}
}

static bool
check_mw(struct proof *p, const struct tmw *mw)
{
	if (mw->kind >= TMW_KINDS)
		return bad(p, "a middleware of unknown kind");
	if (!check_vec(p, (struct tvec){ mw->config, 1 },
	    T_MW_CONFIG + mw->kind))
		return false;
	return check_config(mw, table_at(&p->t, mw->config)) ||
	    bad(p, "a middleware's setting is out of range");
}

static bool
check_access_log(struct proof *p, const struct taccess_log *l)
{
	return (l->format <= TLOG_JSON && l->fields_mode <= TLOG_REDACT &&
	    l->headers_mode <= TLOG_REDACT && l->query_mode <= TLOG_REDACT) ||
	    bad(p, "an access log of unknown form");
}

static bool
check_cidr(struct proof *p, const struct cidr *c)
{
	return c->bits <= 128 || bad(p, "an address range is out of range");
}

static bool
check_service(struct proof *p, const struct tservice *sv)
{
	const struct tsticky *sticky = TABLE_VEC(&p->t, sv->sticky,
	    struct tsticky);

	if (sv->kind >= TSERVICE_KINDS || sv->strategy >= TSTRATEGIES ||
	    (sv->kind == TSERVICE_LOAD_BALANCER && sv->transport == TNONE))
		return bad(p, "a service of unknown kind");
	if (sv->failure_window_ns < 0 ||
	    (sv->failure_window_ns > 0 && sv->failures == 0))
		return bad(p, "a service with an odd health check");
	/* Keys are found by the index of what they stand for. */
	return sv->sticky.n == 0 || (sv->sticky.n == 1 && sticky->keys.n ==
	    (sv->kind == TSERVICE_LOAD_BALANCER ? sv->servers.n :
	    sv->children.n)) ||
	    bad(p, "a sticky service with keys of others");
}

/* It is asked again and again: not without a pause, nor for ever. */
static bool
check_check(struct proof *p, const struct tcheck *c)
{
	return (c->interval_ns > 0 && c->unhealthy_interval_ns > 0 &&
	    c->timeout_ns > 0 && c->status <= 999 && table_service(&p->t,
	    c->service)->transport != TNONE) ||
	    bad(p, "a service with an odd health check");
}

/* Mux, service, server, transport: what routing and balancing count on. */
static bool
check_serving(struct proof *p, const void *rec, unsigned type)
{
	const struct tmux *m = rec;
	const struct tserver *s = rec;
	const struct ttransport *tr = rec;

	switch (type) {
	case T_MUX:
		return check_slots(p, m->host_slots, m->hosts.n) &&
		    check_slots(p, m->wild_slots, m->wild_hosts.n) &&
		    (m->any.n <= 1 || bad(p, "two catch-all hosts"));
	case T_SERVICE:
		return check_service(p, rec);
	case T_CHECK:
		return check_check(p, rec);
	case T_TRANSPORT:
		return tr->proxy_protocol <= 2 ||
		    bad(p, "a PROXY header of unknown version");
	default:
		/* Weights are added up and divided by. */
		return (s->scheme <= TSCHEME_H2C && s->weight != 0) ||
		    bad(p, "a server without weight or scheme");
	}
}

/* What a type demands beyond its references. */
static bool
check_meaning(struct proof *p, const void *rec, unsigned type)
{
	const struct tprefix *prefix = rec;
	const struct tentry_point *e = rec;
	const struct ttls_options *o = rec;
	const struct tlog_name *name = rec;

	switch (type) {
	case T_CIDR:
		return check_cidr(p, rec);
	case T_HOST:
		return check_prefixes(p, rec);
	case T_PREFIX:
		return check_ascending(p, prefix->routers);
	case T_ENTRY_POINT:
		return check_sorted(p, e->tls_hosts,
		    sizeof(struct ttls_host)) &&
		    (e->underscore <= TUNDERSCORE_REJECT ||
		    bad(p, "an entry point with an unknown strategy"));
	case T_ROUTER:
		return check_router(p, rec);
	case T_RULE:
		return check_rule(rec) || bad(p, "a rule lacks its regexp or range");
	case T_MW:
		return check_mw(p, rec);
	case T_MUX:
	case T_SERVICE:
	case T_CHECK:
	case T_SERVER:
	case T_TRANSPORT:
		return check_serving(p, rec, type);
	case T_TLS_OPTIONS:
		return o->client_auth <= TCLIENT_REQUIRE_AND_VERIFY ||
		    bad(p, "an unknown way to ask for client certificates");
	case T_ACCESS_LOG:
		return check_access_log(p, rec);
	case T_LOG_NAME:
		return name->mode <= TLOG_REDACT ||
		    bad(p, "an access log of unknown form");
	default:
		return true;
	}
}

static bool
check_vec(struct proof *p, struct tvec v, unsigned type)
{
	const struct ttype *t = &types[type];

	if (!span_ok(p, v.off, (uint64_t)v.n * t->bytes) || v.off % 8 != 0)
		return bad(p, "a vector reaches out of the image");
	if (p->budget < v.n)
		return bad(p, "the image is too tangled");
	p->budget -= v.n;
	for (uint32_t i = 0; i < v.n; i++) {
		const uint8_t *rec = p->t.base + v.off + (size_t)i * t->bytes;

		for (unsigned k = 0; k < t->nfields; k++)
			if (!check_field(p, rec, &t->fields[k]))
				return false;
		if (!check_meaning(p, rec, type))
			return false;
	}
	return true;
}

static bool
above(struct proof *p, const struct tservice *sv, uint32_t service)
{
	return table_service(&p->t, service)->depth < sv->depth ||
	    bad(p, "services stand in each other");
}

static bool
check_children(struct proof *p, const struct tservice *sv)
{
	const struct tchild *v = TABLE_VEC(&p->t, sv->children, struct tchild);
	bool mirrors = sv->kind == TSERVICE_MIRRORING;
	uint32_t n = sv->children.n;
	uint64_t below = n;

	if (sv->depth > TSERVICE_DEPTH ||
	    (mirrors && n < 1) || (sv->kind == TSERVICE_FAILOVER && n != 2) ||
	    (sv->kind == TSERVICE_MIDDLEWARES && n != 1))
		return bad(p, "a service with too many or too few others");
	for (uint32_t i = 0; i < n; i++) {
		if (!above(p, sv, v[i].service))
			return false;
		below += table_service(&p->t, v[i].service)->below;
		/* Weights are added up and divided by. */
		if (mirrors ? v[i].weight > 100 : v[i].weight == 0)
			return bad(p, "a weight is out of range");
	}
	return (below == sv->below && below <= TSERVICE_BELOW) ||
	    bad(p, "too many services in each other");
}

/* Services in each other, when all that they refer to is proved. */
static bool
check_trees(struct proof *p)
{
	struct tvec all = section_of(p, T_SERVICE);

	for (uint32_t i = 0; i < all.n; i++) {
		const struct tservice *sv = table_service(&p->t, i);
		const uint32_t *mws = TABLE_VEC(&p->t, sv->middlewares,
		    uint32_t);

		if (!check_children(p, sv))
			return false;
		for (uint32_t k = 0; k < sv->middlewares.n; k++) {
			const struct tmw *mw = table_mw(&p->t, mws[k]);
			const struct tmw_errors *e = table_at(&p->t,
			    mw->config);

			if (mw->kind == TMW_ERRORS &&
			    !above(p, sv, e->service))
				return false;
		}
	}
	return true;
}

static bool
check_header(struct proof *p, const struct table_hdr *h, size_t bytes)
{
	if (bytes < sizeof(*h) || h->magic != TABLE_MAGIC)
		return bad(p, "not a table");
	if (h->abi != table_abi || h->hdr_bytes != sizeof(*h))
		return bad(p, "a table of another version");
	if (h->bytes != bytes || bytes % 8 != 0)
		return bad(p, "a table of another size");
	if (h->checksum != hash_bytes((const uint8_t *)h + sizeof(*h),
	    bytes - sizeof(*h), TABLE_MAGIC))
		return bad(p, "the checksum is wrong");
	return true;
}

int
table_check(const void *image, size_t bytes, struct table *ret,
    const char **ret_why)
{
	const struct table_hdr *h = image;
	struct proof p = { .t = { image, bytes, image },
	    .budget = (uint64_t)bytes * 4 };
	bool ok = check_header(&p, h, bytes);

	/* Spans of all sections first: indexes are checked against them. */
	for (size_t i = 0; ok && i < ARRAY_SIZE(sections); i++) {
		struct tvec v = section_of(&p, sections[i].type);

		ok = (span_ok(&p, v.off, (uint64_t)v.n *
		    types[sections[i].type].bytes) && v.off % 8 == 0) ||
		    bad(&p, "a section reaches out of the image");
	}
	for (size_t i = 0; ok && i < ARRAY_SIZE(sections); i++)
		ok = check_vec(&p, section_of(&p, sections[i].type),
		    sections[i].type);
	if (ok && (h->access_log.n > 1 || h->tls_options.n == 0 ||
	    h->tls_records > TRECORDS_OPENSSL || h->tls_small_from_ns < 0 ||
	    (h->default_cert != TNONE && h->default_cert >= h->certs.n)))
		ok = bad(&p, "a section has an impossible size");
	ok = ok && check_sorted(&p, h->cert_names,
	    sizeof(struct tcert_name)) && check_trees(&p);
	if (!ok) {
		*ret_why = p.why;
		return -EPROTO;
	}
	*ret = p.t;
	return 0;
}
