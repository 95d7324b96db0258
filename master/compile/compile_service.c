/* SPDX-License-Identifier: BSD-2-Clause */
/* Services, servers and transports to records; see compile.h. */
#include "compile_impl.h"

#include "alloc.h"
#include "hash.h"
#include "live.h"
#include "names.h"
#include "server_url.h"

#include <errno.h>
#include <stdlib.h>

#define DIAL_TIMEOUT		(30 * NSEC_SEC)	/* proxy.md 1.3 */
#define IDLE_CONN_TIMEOUT	(90 * NSEC_SEC)
#define PING_TIMEOUT		(15 * NSEC_SEC)

/* ---- Transports ------------------------------------------------------------------ */

/* What shapes the TLS of a transport, as one number: one SSL_CTX each. */
static uint64_t
policy_of(const struct compiler *c, const struct ttransport *t)
{
	struct buf b = BUF_INIT;
	uint64_t h;

	buf_puts(&b, build_text(c->b, t->server_name));
	buf_printf(&b, "\n%u %u %u %u %u %u\n", t->insecure_skip_verify,
	    t->system_roots, t->broken, t->root_cas, t->min_version,
	    t->max_version);
	buf_puts(&b, build_text(c->b, t->ciphers));
	if (t->root_cas != TNONE)
		buf_puts(&b, build_text(c->b, ((const struct tblob *)build_at(
		    c->b, BUILD_BLOBS, t->root_cas))->data));
	if (t->client_cert != TNONE)
		buf_put(&b, ((const struct tcert *)build_at(c->b, BUILD_CERTS,
		    t->client_cert))->fingerprint, 32);
	if (t->peer_sans.n != 0)
		/* Strings are kept once: equal offset, equal text. */
		buf_printf(&b, "%u", t->peer_sans.off);
	h = hash_bytes(b.p, b.n, 0);
	buf_fini(&b);
	return h;
}

static void
transport_times(const struct forwarding_timeouts *f, struct ttransport *t)
{
	t->dial_timeout_ns = f != NULL ? f->dial : DIAL_TIMEOUT;
	t->response_header_timeout_ns = f != NULL ? f->response_header : 0;
	t->idle_conn_timeout_ns = f != NULL ? f->idle_conn : IDLE_CONN_TIMEOUT;
	t->read_idle_ns = f != NULL ? f->read_idle : 0;
	t->ping_timeout_ns = f != NULL && f->ping > 0 ? f->ping : PING_TIMEOUT;
}

static char *
transport_tls(struct compiler *c, const struct servers_transport *s,
    struct ttransport *t)
{
	struct buf ciphers = BUF_INIT;
	char *why = NULL;

	if (s->root_cas.n != 0 && (t->root_cas = compile_ca_bundle(c,
	    &s->root_cas, &why)) == TNONE)
		return world_printf(c->w, "rootCAs: %s", why);
	if (s->certificates.n != 0 && (t->client_cert = compile_client_cert(c,
	    s->certificates.v[0].cert_file, s->certificates.v[0].key_file,
	    &why)) == TNONE)
		return world_printf(c->w, "certificates: %s", why);
	if (str_c(s->min_version).n != 0 && (t->min_version =
	    tls_version_by_name(str_c(s->min_version))) == 0)
		return world_printf(c->w, "unknown minVersion \"%s\"",
		    s->min_version);
	if (str_c(s->max_version).n != 0 && (t->max_version =
	    tls_version_by_name(str_c(s->max_version))) == 0)
		return world_printf(c->w, "unknown maxVersion \"%s\"",
		    s->max_version);
	for (unsigned i = 0; i < s->cipher_suites.n; i++) {
		const char *name =
		    tls_cipher_by_name(str_c(s->cipher_suites.v[i]));

		if (name == NULL) {
			buf_fini(&ciphers);
			return world_printf(c->w, "unknown cipher suite "
			    "\"%s\"", s->cipher_suites.v[i]);
		}
		if (name[0] == '\0')
			continue;
		if (ciphers.n != 0)
			buf_putc(&ciphers, ':');
		buf_puts(&ciphers, str_c(name));
	}
	t->ciphers = build_str(c->b, buf_str(&ciphers));
	buf_fini(&ciphers);
	return NULL;
}

static struct ttransport
transport_init(struct compiler *c, const char *name)
{
	return (struct ttransport){
		.name = build_cstr(c->b, name),
		.server_name = build_cstr(c->b, ""),
		.system_roots = 1,
		.root_cas = TNONE,
		.client_cert = TNONE,
		.ciphers = build_cstr(c->b, ""),
		.peer_sans = build_vec(c->b, NULL, 0, 1),
		.max_idle_per_host = 200,
	};
}

static void
build_transport(struct compiler *c, struct servers_transport *s,
    struct result *res)
{
	struct ttransport t = transport_init(c, s->o.name);
	struct tstr san;
	char *why;

	res->state = RESULT_GOOD;
	t.server_name = build_cstr(c->b, s->server_name);
	t.insecure_skip_verify = s->insecure_skip_verify;
	t.system_roots = s->root_cas.n == 0;
	/* Its streams would come from more than one client. */
	t.disable_http2 = s->disable_http2 || s->proxy_protocol != NULL;
	if (s->proxy_protocol != NULL)
		t.proxy_protocol = s->proxy_protocol->version == 1 ? 1 : 2;
	/* Go: 0 means the library's own default, which is 2. */
	t.max_idle_per_host = s->max_idle_conns_per_host < 0 ? 0 :
	    s->max_idle_conns_per_host == 0 ? 2 :
	    s->max_idle_conns_per_host > 65535 ? 65535 :
	    (uint32_t)s->max_idle_conns_per_host;
	transport_times(s->forwarding_timeouts, &t);
	if (str_c(s->peer_cert_uri).n != 0) {
		san = build_cstr(c->b, world_printf(c->w, "uri:%s",
		    s->peer_cert_uri));
		t.peer_sans = build_vec(c->b, &san, 1, sizeof(san));
	}
	if (s->o.verdict != VERDICT_OK) {
		t.broken = 1;
	} else if ((why = transport_tls(c, s, &t)) != NULL) {
		/* Its users answer 500: never without verification. */
		compile_broken(c, &s->o, "serversTransport", res, "%s", why);
		res->state = RESULT_GOOD;
		t.broken = 1;
	}
	t.policy = policy_of(c, &t);
	res->index = build_add(c->b, BUILD_TRANSPORTS, &t);
}

const struct result *
compile_transport(struct compiler *c, const char *name)
{
	uint32_t i = name == NULL ? 0 : names_get(&c->w->transport_names,
	    str_c(name));

	if (i == NAMES_NONE)
		return NULL;
	if (c->transports[i].state == RESULT_NONE)
		build_transport(c, &c->w->transports[i], &c->transports[i]);
	return &c->transports[i];
}

int
compile_client_tls(struct compiler *c, const struct client_tls *tls,
    const char *name, uint32_t *ret, char **ret_why)
{
	struct ttransport t = transport_init(c, name);
	char *ca = tls->ca, *why = NULL;
	struct strlist cas = { &ca, str_c(ca).n != 0 };

	transport_times(NULL, &t);
	t.insecure_skip_verify = tls->insecure_skip_verify;
	t.system_roots = cas.n == 0;
	if (cas.n != 0 && (t.root_cas = compile_ca_bundle(c, &cas, &why)) ==
	    TNONE) {
		*ret_why = world_printf(c->w, "tls.ca: %s", why);
		return -EINVAL;
	}
	if ((str_c(tls->cert).n != 0) != (str_c(tls->key).n != 0)) {
		*ret_why = world_printf(c->w,
		    "tls.cert and tls.key are both needed");
		return -EINVAL;
	}
	if (str_c(tls->cert).n != 0 && (t.client_cert = compile_client_cert(c,
	    tls->cert, tls->key, &why)) == TNONE) {
		*ret_why = world_printf(c->w, "tls.cert: %s", why);
		return -EINVAL;
	}
	t.policy = policy_of(c, &t);
	*ret = build_add(c->b, BUILD_TRANSPORTS, &t);
	return 0;
}

/* ---- Servers ------------------------------------------------------------------------ */

/* Addresses of a host; 0 when its name has none (yet). */
static unsigned
resolve(struct compiler *c, struct str host, struct addr out[RESOLVED_MAX])
{
	if (addr_parse(host, &out[0]) == 0)
		return 1;
	if (str_caseeq(host, STR("localhost"))) {
		(void)addr_parse(STR("127.0.0.1"), &out[0]);
		(void)addr_parse(STR("::1"), &out[1]);
		return 2;
	}
	return c->env->resolve == NULL ? 0 :
	    c->env->resolve(c->env->resolve_arg, host, out);
}

static uint64_t
pool_key(struct compiler *c, const struct server_url *u, uint32_t transport)
{
	const struct ttransport *t = build_at(c->b, BUILD_TRANSPORTS,
	    transport);
	struct { uint64_t host, policy; uint32_t port, scheme; } k;

	memset(&k, 0, sizeof(k));
	k.host = hash_casestr(u->host, 0);
	k.policy = t->policy;
	k.port = u->port;
	k.scheme = (u->tls ? 1 : u->h2c ? 2 : 0) | t->proxy_protocol << 8;
	return hash_bytes(&k, sizeof(k), 0);
}

static uint32_t
server_slot(struct compiler *c, const char *owner, struct str url)
{
	struct buf key = BUF_INIT;
	uint32_t slot;
	bool is_new;

	buf_printf(&key, "%s\n", owner);
	buf_puts(&key, url);
	slot = compile_slot(c, c->env->servers, buf_str(&key), &is_new);
	buf_fini(&key);
	if (slot != TNONE && is_new && c->env->live != NULL)
		live_server_reset(c->env->live, slot);
	return slot;
}

static uint32_t
add_server(struct compiler *c, const struct server_url *u, struct str url,
    uint32_t transport, struct tserver t)
{
	struct addr addrs[RESOLVED_MAX];
	unsigned n = resolve(c, u->host, addrs);

	t.url = build_str(c->b, url);
	t.authority = build_str(c->b, u->authority);
	t.host = build_str(c->b, u->host);
	t.port = u->port;
	t.scheme = u->tls ? TSCHEME_HTTPS : u->h2c ? TSCHEME_H2C :
	    TSCHEME_HTTP;
	t.resolved = n != 0;
	t.addrs = build_vec(c->b, addrs, n, sizeof(*addrs));
	t.pool_key = pool_key(c, u, transport);
	return build_add(c->b, BUILD_SERVERS, &t);
}

const char *
compile_mismatch(const struct compiler *c, bool http2, uint32_t transport)
{
	const struct ttransport *t = build_at(c->b, BUILD_TRANSPORTS,
	    transport);

	/* Also in clear: the wrong header would be worse than none. */
	if (t->proxy_protocol != 0 && t->broken)
		return "its serversTransport is broken";
	return http2 && t->proxy_protocol != 0 ? "HTTP/2 is not spoken where "
	    "the serversTransport has proxyProtocol" : NULL;
}

uint32_t
compile_server(struct compiler *c, struct str url, uint32_t transport,
    int64_t weight, bool preserve_path, const char *slot_name,
    const char **ret_why)
{
	struct server_url u;

	if (server_url_parse(url, &u, ret_why) < 0 ||
	    (*ret_why = compile_mismatch(c, u.h2c, transport)) != NULL)
		return TNONE;
	return add_server(c, &u, url, transport, (struct tserver){
	    .path = build_str(c->b, preserve_path ? u.path : STR("")),
	    .weight = weight > UINT16_MAX ? UINT16_MAX : (uint32_t)weight,
	    .live_slot = server_slot(c, slot_name, url) });
}

uint32_t
compile_server_at(struct compiler *c, const struct server_url *u,
    struct str url, uint32_t transport)
{
	uint32_t i = add_server(c, u, url, transport, (struct tserver){
	    .path = build_cstr(c->b, ""), .weight = 1, .live_slot = TNONE });
	struct tserver *s = build_at(c->b, BUILD_SERVERS, i);

	s->pool_key = ~s->pool_key;
	return i;
}

/* ---- Services ----------------------------------------------------------------------- */

static const struct { const char *name; enum tservice_kind kind; } internals[] = {
	{ "noop@internal", TSERVICE_NOOP },
	{ "ping@internal", TSERVICE_PING },
	{ "readyz@internal", TSERVICE_READYZ },
	{ "demo@internal", TSERVICE_DEMO },
	{ "demo-login@internal", TSERVICE_DEMO_LOGIN },
};

struct tservice
compile_service_init(struct compiler *c, const struct service *s,
    enum tservice_kind kind)
{
	struct tvec none = build_vec(c->b, NULL, 0, 1);

	return (struct tservice){
		.name = build_cstr(c->b, s->o.name),
		.waiting = build_cstr(c->b, NULL),
		.kind = kind,
		.pass_host_header = 1,
		.transport = compile_transport(c, NULL)->index,
		.live_slot = TNONE,
		.metrics_slot = TNONE,
		.servers = none,
		.children = none,
		.middlewares = none,
		.statuses = none,
		.sticky = none,
		.check = TNONE,
	};
}

/* One record per built-in service that is used. */
static const struct result *
internal_service(struct compiler *c, const char *name)
{
	struct result *res = world_alloc(c->w, sizeof(*res));
	const struct service s = { .o.name = (char *)(size_t)name };
	struct tservice t = compile_service_init(c, &s, TSERVICE_NOOP);
	uint32_t have = names_get(&c->internal_names, str_c(name));

	res->state = RESULT_GOOD;
	if ((res->index = have) != NAMES_NONE)
		return res;
	for (size_t i = 0; i < ARRAY_SIZE(internals); i++) {
		if (strcmp(internals[i].name, name) != 0)
			continue;
		t.kind = internals[i].kind;
		t.not_ready = c->w->not_ready;
		t.waiting = build_cstr(c->b, c->w->waiting);
		t.ping_status = c->w->config->ping != NULL ? (uint32_t)
		    c->w->config->ping->terminating_status : 503;
		res->index = build_add(c->b, BUILD_SERVICES, &t);
		(void)names_add(&c->internal_names, str_c(name), res->index);
		return res;
	}
	res->state = RESULT_BROKEN;
	res->why = world_printf(c->w, "service \"%s\" is not supported yet",
	    name);
	return res;
}

static int
build_servers(struct compiler *c, struct service *s, struct tservice *t,
    struct result *res)
{
	const struct load_balancer *lb = s->load_balancer;
	uint32_t *v = xcalloc(lb->servers.n, sizeof(*v));
	unsigned n = 0;
	int r;

	for (unsigned i = 0; i < lb->servers.n; i++) {
		const struct server *sv = &lb->servers.v[i];
		const char *why;

		if (sv->weight <= 0)
			continue;
		v[n] = compile_server(c, str_c(sv->url), t->transport,
		    sv->weight, sv->preserve_path, s->o.name, &why);
		if (v[n] == TNONE) {
			free(v);
			return compile_broken(c, &s->o, "service", res,
			    "server \"%s\": %s", sv->url != NULL ? sv->url :
			    "", why);
		}
		((struct tserver *)build_at(c->b, BUILD_SERVERS,
		    v[n++]))->fenced = sv->fenced;
	}
	t->servers = build_vec(c->b, v, n, sizeof(*v));
	r = compile_balance(c, s, t, v, res);
	free(v);
	return r;
}

static void
build_balancer(struct compiler *c, struct service *s, struct result *res)
{
	const struct load_balancer *lb = s->load_balancer;
	const struct result *tr = compile_transport(c, lb->servers_transport);
	struct tservice t = compile_service_init(c, s, TSERVICE_LOAD_BALANCER);
	bool is_new;

	if (tr == NULL) {
		compile_broken(c, &s->o, "service", res, "serversTransport "
		    "\"%s\" does not exist", lb->servers_transport);
		return;
	}
	t.pass_host_header = lb->pass_host_header != TRI_FALSE;
	t.transport = tr->index;
	t.flush_interval_ns = lb->response_forwarding.flush_interval;
	t.live_slot = compile_slot(c, c->env->services, str_c(s->o.name),
	    &is_new);
	if (build_servers(c, s, &t, res) < 0)
		return;
	res->index = build_add(c->b, BUILD_SERVICES, &t);
	res->state = RESULT_GOOD;
}

/* Deeper ones are not even looked at: each takes some of the stack. */
#define NESTING_MAX	256

static void
build_service(struct compiler *c, struct service *s, struct result *res)
{
	res->index = TNONE;
	if (s->o.verdict != VERDICT_OK) {
		/* The reader has told why. */
		res->state = RESULT_BROKEN;
		res->why = s->o.why;
		return;
	}
	res->state = RESULT_BUSY;
	res->why = world_printf(c->w, "service \"%s\" is part of itself",
	    s->o.name);
	if (++c->nesting > NESTING_MAX)
		compile_broken(c, &s->o, "service", res,
		    "services are nested too deeply");
	else if (s->load_balancer != NULL)
		build_balancer(c, s, res);
	else
		compile_tree(c, s, res);
	if (res->state == RESULT_GOOD && s->middlewares.n != 0)
		compile_tree_middlewares(c, s, res);
	c->nesting--;
}

const struct result *
compile_service(struct compiler *c, const char *name)
{
	uint32_t i = name == NULL ? NAMES_NONE :
	    names_get(&c->w->service_names, str_c(name));
	struct result *res;

	if (i != NAMES_NONE) {
		res = &c->services[i];
		if (res->state == RESULT_NONE)
			build_service(c, &c->w->services[i], res);
		return res;
	}
	if (name != NULL && strcmp(world_provider(name), "internal") == 0)
		return internal_service(c, name);
	res = world_alloc(c->w, sizeof(*res));
	res->state = RESULT_BROKEN;
	res->index = TNONE;
	res->why = name == NULL ? world_printf(c->w, "no service is given") :
	    world_printf(c->w, "service \"%s\" does not exist", name);
	return res;
}
