/* SPDX-License-Identifier: BSD-2-Clause */
/* A table with one of everything; see table_make.h. */
#include "table_make.h"

#include "hash.h"
#include "route.h"

static struct tvec
strings(struct builder *b, const char *const *v, unsigned n)
{
	struct tstr t[8];

	for (unsigned i = 0; i < n; i++)
		t[i] = build_cstr(b, v[i]);
	return build_vec(b, t, n, sizeof(t[0]));
}

static struct tvec
cidrs(struct builder *b, const char *text)
{
	struct cidr c = { { 0 }, 0 };

	(void)cidr_parse(str_c(text), &c);
	return build_vec(b, &c, 1, sizeof(c));
}

static struct tvec
pairs(struct builder *b, const char *name, const char *value)
{
	struct tpair p = { build_cstr(b, name), build_cstr(b, value) };

	return build_vec(b, &p, 1, sizeof(p));
}

static struct tvec
indexes(struct builder *b, uint32_t from, unsigned n)
{
	uint32_t v[32];

	for (unsigned i = 0; i < n; i++)
		v[i] = from + i;
	return build_vec(b, v, n, sizeof(v[0]));
}

static struct tvec
none(struct builder *b)
{
	return build_vec(b, NULL, 0, 4);
}

/* ---- Middlewares ----------------------------------------------------------- */

static void
add_mw(struct builder *b, enum tmw_kind kind, const void *config, size_t n)
{
	struct tmw m = { .name = build_cstr(b, "mw@file"), .kind = kind,
	    .config = build_rec(b, config, n), .live_id = 1 };

	(void)build_add(b, BUILD_MIDDLEWARES, &m);
}
#define ADD_MW(b, kind, c) add_mw(b, kind, &(c), sizeof(c))

static struct tsource
source(struct builder *b)
{
	return (struct tsource){ .kind = TSOURCE_HEADER, .depth = 1,
	    .excluded = cidrs(b, "10.0.0.0/8"),
	    .header = build_cstr(b, "X-Key") };
}

static void
paths(struct builder *b)
{
	static const char *const prefixes[] = { "/api", "/v1" };
	struct tmw_add_prefix add = { build_cstr(b, "/add") };
	struct tmw_strip_prefix strip = { strings(b, prefixes, 2), 1, 0 };
	struct tmw_strip_prefix_regex strip_re = { indexes(b, 0, 2) };
	struct tmw_replace_path replace = { build_cstr(b, "/new") };
	struct tmw_regex_replace regex = { .regexp = 1,
	    .replacement = build_cstr(b, "/$1") };
	struct tmw_redirect_scheme scheme = { build_cstr(b, "https"),
	    build_cstr(b, "8443"), 1, 0 };

	ADD_MW(b, TMW_ADD_PREFIX, add);
	ADD_MW(b, TMW_STRIP_PREFIX, strip);
	ADD_MW(b, TMW_STRIP_PREFIX_REGEX, strip_re);
	ADD_MW(b, TMW_REPLACE_PATH, replace);
	ADD_MW(b, TMW_REPLACE_PATH_REGEX, regex);
	ADD_MW(b, TMW_REDIRECT_REGEX, regex);
	ADD_MW(b, TMW_REDIRECT_SCHEME, scheme);
}

static void
headers(struct builder *b)
{
	static const char *const names[] = { "X-A", "X-B" };
	struct tvec list = strings(b, names, 2);
	struct tstr text = build_cstr(b, "text");
	struct tmw_headers h = { .request = pairs(b, "X-R", "1"),
	    .response = pairs(b, "X-S", ""), .allow_headers = list,
	    .allow_methods = list, .allow_origins = list,
	    .allow_origin_regexps = indexes(b, 0, 1), .expose_headers = list,
	    .allowed_hosts = list, .hosts_proxy_headers = list,
	    .ssl_proxy_headers = pairs(b, "X-P", "https"),
	    .frame_options = text, .xss_value = text, .csp = text,
	    .csp_report_only = text, .public_key = text,
	    .referrer_policy = text, .permissions_policy = text };

	ADD_MW(b, TMW_HEADERS, h);
}

static void
limits_and_auth(struct builder *b)
{
	static const char *const names[] = { "X-User", "X-Groups" };
	struct tvec list = strings(b, names, 2);
	struct tmw_ip_allow_list ips = { cidrs(b, "::1/128"), source(b), 403,
	    0 };
	struct tmw_rate_limit rate = { 10, NSEC_SEC, 5, source(b) };
	struct tmw_basic_auth basic = { pairs(b, "ann", "$apr1$x$y"),
	    build_cstr(b, "realm"), build_cstr(b, "X-User"), 1, 0 };
	struct tmw_forward_auth auth = { .server = 0, .transport = 0,
	    .target = build_cstr(b, "/auth?x=1"),
	    .address = build_cstr(b, "http://auth/auth"),
	    .trust_forward_header = TTRI_FALSE, .response_headers = list,
	    .response_headers_regexp = 0, .request_headers = list,
	    .auth_cookies = list, .header_field = build_cstr(b, "X-User"),
	    .signin_url = build_cstr(b, "/in") };

	ADD_MW(b, TMW_IP_ALLOW_LIST, ips);
	ADD_MW(b, TMW_RATE_LIMIT, rate);
	ADD_MW(b, TMW_BASIC_AUTH, basic);
	ADD_MW(b, TMW_FORWARD_AUTH, auth);
}

static void
answers(struct builder *b)
{
	static const char *const types[] = { "text/html" };
	struct trange r = { 500, 599 };
	struct trewrite w = { { 500, 503 }, 502, 0 };
	struct tmw_errors e = { .status = build_vec(b, &r, 1, sizeof(r)),
	    .rewrites = build_vec(b, &w, 1, sizeof(w)), .service = 1,
	    .request_headers = strings(b, types, 1),
	    .query = build_cstr(b, "/{status}") };
	struct tmw_compress c = { .excluded = strings(b, types, 1),
	    .included = none(b), .encodings = { TENCODING_BR, TENCODING_GZIP },
	    .nencodings = 2, .default_encoding = 0xff };
	struct tmw_grpc_web web = { strings(b, types, 1) };

	ADD_MW(b, TMW_ERRORS, e);
	ADD_MW(b, TMW_COMPRESS, c);
	ADD_MW(b, TMW_GRPC_WEB, web);
}

/* ---- Services, TLS, log ------------------------------------------------------ */

static struct tvec
children(struct builder *b, uint32_t first, uint32_t second, unsigned n)
{
	struct tchild c[] = { { build_cstr(b, "first"), first, 3 },
	    { build_cstr(b, "second"), second, 100 } };

	return build_vec(b, c, n, sizeof(c[0]));
}

/* A cookie for each of n servers or children. */
static struct tvec
sticky(struct builder *b, unsigned n)
{
	struct tsticky_key k[3] = { { 1, 2, 3, build_cstr(b, "http://s") } };
	struct tsticky t = { build_cstr(b, "lb"), build_cstr(b, "; Path=/"),
	    { 0, 0 } };

	k[1] = k[2] = k[0];
	k[1].value = UINT64_C(0xb52e7b55edbbb02e);
	t.keys = build_vec(b, k, n, sizeof(k[0]));
	return build_vec(b, &t, 1, sizeof(t));
}

/* The first service's. */
static void
checks(struct builder *b)
{
	struct tprobe p[] = { { 0, 0, build_cstr(b, "/health") },
	    { 1, 1, build_cstr(b, "/") } };
	struct tcheck k = { .service = 0, .status = 200, .grpc = 1,
	    .probes = build_vec(b, p, 2, sizeof(p[0])),
	    .headers = pairs(b, "X-A", "b"), .method = build_cstr(b, "GET"),
	    .host = build_cstr(b, "h.test"), .interval_ns = NSEC_SEC,
	    .unhealthy_interval_ns = NSEC_SEC, .timeout_ns = NSEC_SEC };

	(void)build_add(b, BUILD_CHECKS, &k);
}

/* Services that stand on those of the kinds before. */
static void
stand_on(struct builder *b, struct tservice *s)
{
	struct trange r = { 500, 599 };

	switch (s->kind) {
	case TSERVICE_WEIGHTED:
	case TSERVICE_RANDOM_WEIGHT:
		s->children = children(b, TSERVICE_LOAD_BALANCER,
		    TSERVICE_LOAD_BALANCER, 2);
		s->depth = 1;
		s->below = 2;
		break;
	case TSERVICE_MIRRORING:
		s->children = children(b, TSERVICE_LOAD_BALANCER,
		    TSERVICE_WEIGHTED, 2);
		s->depth = 2;
		s->below = 4;
		break;
	case TSERVICE_FAILOVER:
		s->children = children(b, TSERVICE_MIRRORING,
		    TSERVICE_RANDOM_WEIGHT, 2);
		s->statuses = build_vec(b, &r, 1, sizeof(r));
		s->depth = 3;
		s->below = 8;
		break;
	case TSERVICE_MIDDLEWARES:
		s->children = children(b, TSERVICE_FAILOVER, 0, 1);
		s->middlewares = indexes(b, 0, TMW_KINDS);
		s->depth = 4;
		s->below = 9;
		break;
	default:
		break;
	}
}

static void
services(struct builder *b)
{
	struct addr a = { { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };

	for (unsigned i = 0; i < 3; i++) {
		struct tserver s = { .url = build_cstr(b, "http://s"),
		    .authority = build_cstr(b, "s"), .host = build_cstr(b,
		    "s"), .path = build_cstr(b, ""), .port = 80, .weight = 1,
		    .resolved = 1, .addrs = build_vec(b, &a, 1, sizeof(a)),
		    .live_slot = i };

		(void)build_add(b, BUILD_SERVERS, &s);
	}
	for (unsigned kind = 0; kind < TSERVICE_KINDS; kind++) {
		struct tservice s = { .name = build_cstr(b, "s@file"),
		    .kind = (uint16_t)kind, .transport = 0,
		    .servers = indexes(b, 0, kind == 0 ? 3 : 0),
		    .waiting = build_cstr(b, "kubernetes"),
		    .children = none(b), .middlewares = none(b),
		    .statuses = none(b), .sticky = none(b),
		    .live_slot = kind, .metrics_slot = TNONE,
		    .check = TNONE };

		stand_on(b, &s);
		if (kind == TSERVICE_LOAD_BALANCER) {
			s.sticky = sticky(b, 3);
			s.check = 0;
			s.strategy = TSTRATEGY_LEASTTIME;
			s.failures = 2;
			s.failure_window_ns = NSEC_SEC;
		}
		if (kind == TSERVICE_WEIGHTED)
			s.sticky = sticky(b, 2);
		(void)build_add(b, BUILD_SERVICES, &s);
	}
	checks(b);
}

static void
tls(struct builder *b)
{
	static const char *const alpn[] = { "h2", "http/1.1" };
	static const char *const chain[] = { "leaf", "issuer" };
	static const char *const sans[] = { "dns:s" };
	struct tblob blob = { build_cstr(b, "der") };
	struct tcert cert = { .key_text = build_cstr(b, "a.test,b.test"),
	    .source = build_cstr(b, "a.pem"), .chain = strings(b, chain, 2),
	    .key_type = 1 };
	struct ttls_options o = { .name = build_cstr(b, "default"),
	    .ciphers = build_cstr(b, "X:Y"), .groups = build_cstr(b, "P-256"),
	    .alpn = strings(b, alpn, 2), .client_cas = 0,
	    .client_auth = TCLIENT_REQUIRE_AND_VERIFY };
	struct ttransport t = { .name = build_cstr(b, "default"),
	    .server_name = build_cstr(b, ""), .root_cas = 0, .client_cert = 0,
	    .ciphers = build_cstr(b, ""), .peer_sans = strings(b, sans, 1),
	    .proxy_protocol = 2 };
	struct tcert_name name = { build_cstr(b, "a.test"), 0, 0 };

	(void)build_add(b, BUILD_BLOBS, &blob);
	(void)build_add(b, BUILD_CERTS, &cert);
	(void)build_add(b, BUILD_CERT_NAMES, &name);
	name.name = build_cstr(b, "b.test");
	(void)build_add(b, BUILD_CERT_NAMES, &name);
	(void)build_add(b, BUILD_TLS_OPTIONS, &o);
	(void)build_add(b, BUILD_TLS_OPTIONS, &o);
	(void)build_add(b, BUILD_TRANSPORTS, &t);
}

static void
access_log(struct builder *b)
{
	struct trange r = { 200, 299 };
	struct tlog_name name = { build_cstr(b, "StartUTC"), TLOG_DROP, 0 };
	struct taccess_log l = { .format = TLOG_JSON,
	    .statuses = build_vec(b, &r, 1, sizeof(r)),
	    .fields = build_vec(b, &name, 1, sizeof(name)),
	    .headers = build_vec(b, &name, 1, sizeof(name)) };

	(void)build_add(b, BUILD_ACCESS_LOG, &l);
}

/* ---- Routing -------------------------------------------------------------------- */

/* A program with every step, each leading on at yes and no. */
static void
rules(struct builder *b)
{
	for (unsigned op = 0; op < TRULE_OPS; op++) {
		struct trule r = { .op = op, .yes = op + 1, .no = op + 1,
		    .regexp = op % 2, .name = build_cstr(b, "q"),
		    .text = build_cstr(b, "a.test") };

		(void)cidr_parse(STR("192.0.2.0/24"), &r.cidr);
		if (op + 1 == TRULE_OPS)
			r.yes = r.no = TRULE_ACCEPT;
		(void)build_add(b, BUILD_RULES, &r);
	}
}

static void
routers(struct builder *b)
{
	static const char *const owned[] = { "x-user" };

	for (unsigned i = 0; i < 4; i++) {
		struct trouter r = { .name = build_cstr(b, "r@file"),
		    .rule = build_cstr(b, "Host(`a.test`)"),
		    .error = build_cstr(b, ""), .priority = 10 - (int)i,
		    .rule_first = 0, .rule_n = i == 0 ? TRULE_OPS : 0,
		    .service = i == 3 ? TNONE : i, .tls_options = i % 2,
		    .middlewares = indexes(b, 0, TMW_KINDS),
		    .status = i == 3 ? TSTATUS_BROKEN : TSTATUS_ENABLED,
		    .reason = 1, .metrics_slot = TNONE,
		    .owned = strings(b, owned, 1),
		    .owned_regexps = indexes(b, 0, 1) };

		(void)build_add(b, BUILD_ROUTERS, &r);
	}
}

static void
muxes(struct builder *b)
{
	struct str hosts[] = { STR("a.test"), STR("*.b.test"), STR("c.test") };
	struct str prefixes[] = { STR("/"), STR("/a"), STR("/ab"), STR("/b") };
	struct mux_entry e[] = {
		{ 0, hosts, 2, prefixes, 4 },
		{ 1, hosts + 2, 1, NULL, 0 },
		{ 2, NULL, 0, prefixes, 2 },
		{ 3, NULL, 0, NULL, 0 },
	};

	(void)build_mux(b, 0, e, 4);
	(void)build_mux(b, 1, e, 2);
}

static void
entry_points(struct builder *b)
{
	static const char *const keep[] = { "x-keep" };
	struct ttls_host hosts[] = {
		{ build_cstr(b, "*.b.test"), 1, 0 },
		{ build_cstr(b, "a.test"), 0, 0 },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct tentry_point e = { .name = build_cstr(b, "web"),
		    .address = build_cstr(b, ":80"), .port = 80,
		    .trusted = cidrs(b, "127.0.0.0/8"),
		    .proxy_trusted = cidrs(b, "10.0.0.0/8"), .proxy_protocol = 1,
		    .keep_connection = strings(b, keep, 1), .plain_mux = i,
		    .tls_mux = i == 0 ? 1 : TNONE, .default_tls_options = 0,
		    .tls_hosts = build_vec(b, hosts, 2, sizeof(hosts[0])) };

		(void)build_add(b, BUILD_ENTRY_POINTS, &e);
	}
}

void
table_make(struct buf *out)
{
	struct builder *b = build_new();

	(void)build_regexp(b, STR("^a.*"));
	(void)build_regexp(b, STR("([0-9]+)$"));
	tls(b);
	services(b);
	paths(b);
	headers(b);
	limits_and_auth(b);
	answers(b);
	rules(b);
	routers(b);
	entry_points(b);
	muxes(b);
	access_log(b);
	build_finish(b, 1, 0, out);
	build_free(b);
	((struct table_hdr *)(void *)out->p)->built_wall_ns = 0;
	table_resum(out);
}

void
table_resum(struct buf *image)
{
	struct table_hdr *h = (void *)image->p;

	h->checksum = h->content_hash = hash_bytes(image->p + sizeof(*h),
	    image->n - sizeof(*h), TABLE_MAGIC);
}

/* ---- Use ------------------------------------------------------------------------- */

static uint64_t
use(const struct table *t, struct tstr s)
{
	struct str text = table_str(t, s);

	return hash_str(text, 0);
}

static uint64_t
use_strings(const struct table *t, struct tvec v)
{
	const struct tstr *s = TABLE_VEC(t, v, struct tstr);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < v.n; i++)
		sum += use(t, s[i]);
	return sum;
}

static bool
header(void *arg, struct str name, const void **cursor, struct str *ret)
{
	(void)name;
	if (*cursor != NULL)
		return false;
	*cursor = arg;
	*ret = STR("value");
	return true;
}

static uint64_t
use_routes(const struct table *t)
{
	static const struct str hosts[] = { { "a.test", 6 }, { "x.b.test", 8 },
	    { "c.test:80", 9 }, { "", 0 }, { "[::1]:1", 7 } };
	static const struct str paths[] = { { "/", 1 }, { "/abc", 4 },
	    { "/b/c/d", 6 }, { "*", 1 }, { "", 0 } };
	struct addr client = { { 0 } };
	uint64_t sum = 0;
	int dummy = 0;

	for (uint32_t m = 0; m < t->hdr->muxes.n && m < 8; m++)
		for (unsigned i = 0; i < 25; i++) {
			struct route_request q = { .host = hosts[i / 5],
			    .method = STR("GET"), .path = paths[i % 5],
			    .query = STR("q=&q=1&a.test"), .client = &client,
			    .header = header, .arg = &dummy };
			struct route_match match;

			if (route_find(t, m, &q, &match) == 0 &&
			    match.router != TNONE)
				sum += use(t, table_router(t,
				    match.router)->name);
		}
	return sum;
}

/* As a balancer does: keys by the index of what they stand for. */
static uint64_t
use_balancing(const struct table *t)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->hdr->services.n; i++) {
		const struct tservice *sv = table_service(t, i);
		const struct tsticky *k = TABLE_VEC(t, sv->sticky,
		    struct tsticky);
		bool group = sv->kind != TSERVICE_LOAD_BALANCER;
		uint32_t n = group ? sv->children.n : sv->servers.n;

		for (uint32_t j = 0; sv->sticky.n != 0 && j < n; j++)
			sum += TABLE_VEC(t, k->keys,
			    struct tsticky_key)[j].value;
	}
	for (uint32_t i = 0; i < t->hdr->checks.n; i++) {
		const struct tcheck *k = table_tcheck(t, i);
		const struct tprobe *v = TABLE_VEC(t, k->probes,
		    struct tprobe);

		for (uint32_t j = 0; j < k->probes.n; j++)
			sum += use(t, v[j].target) + use(t, table_server(t,
			    v[j].server)->url) + (uint64_t)(NSEC_SEC /
			    k->interval_ns);
		sum += use(t, table_transport(t, table_service(t,
		    k->service)->transport)->name);
	}
	return sum;
}

uint64_t
table_use(const struct table *t)
{
	uint64_t sum = use_routes(t);

	for (uint32_t i = 0; i < t->hdr->routers.n; i++) {
		const struct trouter *r = table_router(t, i);
		const uint32_t *mws = TABLE_VEC(t, r->middlewares, uint32_t);

		sum += use(t, r->rule) + use(t, r->error) +
		    use_strings(t, r->owned);
		for (uint32_t k = 0; k < r->middlewares.n; k++)
			sum += use(t, table_mw(t, mws[k])->name);
		if (r->service != TNONE)
			sum += use(t, table_service(t, r->service)->name);
	}
	sum += use_balancing(t);
	for (uint32_t i = 0; i < t->hdr->middlewares.n; i++) {
		const struct tmw *m = table_mw(t, i);

		if (m->kind == TMW_HEADERS) {
			const struct tmw_headers *h = table_at(t, m->config);

			sum += use_strings(t, h->allow_headers) +
			    use(t, h->csp);
		}
	}
	for (uint32_t i = 0; i < t->hdr->certs.n; i++)
		sum += use_strings(t, TABLE_REC(t, certs, struct tcert,
		    i)->chain);
	return sum;
}
