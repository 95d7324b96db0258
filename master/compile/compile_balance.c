/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a load balancer has beyond its servers: strategy, sticky cookie, health
 * checks; see compile.h. The values of cookies are Traefik's, so that a session
 * that began behind it stays where it is.
 */
#include "compile_impl.h"

#include "alloc.h"
#include "live.h"
#include "server_url.h"
#include "uri.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Sticky ---------------------------------------------------------------------- */

static uint64_t
fnv1(struct str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h * UINT64_C(0x100000001b3)) ^ (uint8_t)s.p[i];
	return h;
}

static uint64_t
sha256_head(struct str s)
{
	uint8_t d[32];
	uint64_t v = 0;

	if (EVP_Digest(s.p, s.n, d, NULL, EVP_sha256(), NULL) != 1)
		abort();
	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | d[i];
	return v;
}

static struct tsticky_key
sticky_key(struct compiler *c, const char *plain)
{
	char hex[17];
	uint64_t fnv = fnv1(str_c(plain));

	snprintf(hex, sizeof(hex), "%llx", (unsigned long long)fnv);
	return (struct tsticky_key){ sha256_head(str_c(plain)), fnv,
	    fnv1(str_c(hex)), build_cstr(c->b, plain) };
}

/* The name as a token; one is made of the service's where none is given. */
static struct tstr
cookie_name(struct compiler *c, const char *name, const char *service)
{
	struct buf all = BUF_INIT;
	struct tstr ret;
	uint8_t d[20];

	if (str_c(name).n == 0) {
		buf_printf(&all, "_TRAEFIK_BACKEND_%s", service);
		if (EVP_Digest(all.p, all.n, d, NULL, EVP_sha1(), NULL) != 1)
			abort();
		buf_reset(&all);
		buf_printf(&all, "_%02x%02x%x", d[0], d[1], d[2] >> 4);
	} else {
		for (; *name != '\0'; name++)
			buf_putc(&all, (*name >= '0' && *name <= '9') ||
			    (str_lower(*name) >= 'a' && str_lower(*name) <=
			    'z') || strchr("!#$%&'*+-.^_`|~", *name) != NULL ?
			    *name : '_');
	}
	ret = build_str(c->b, buf_str(&all));
	buf_fini(&all);
	return ret;
}

/* In the order in which Go writes them. */
static struct tstr
cookie_attributes(struct compiler *c, const struct sticky_cookie *k)
{
	static const char *const sites[] = { "None", "Lax", "Strict" };
	const char *domain = k->domain != NULL ? k->domain : "";
	const char *path = k->path != NULL ? k->path : "/";
	struct buf all = BUF_INIT;
	struct tstr ret;

	if (path[0] != '\0')
		buf_printf(&all, "; Path=%s", path);
	if (domain[0] == '.')
		domain++;
	if (domain[0] != '\0')
		buf_printf(&all, "; Domain=%s", domain);
	if (k->max_age != 0)
		buf_printf(&all, "; Max-Age=%lld", k->max_age < 0 ? 0LL :
		    (long long)k->max_age);
	if (k->http_only)
		buf_puts(&all, STR("; HttpOnly"));
	if (k->secure)
		buf_puts(&all, STR("; Secure"));
	for (size_t i = 0; i < ARRAY_SIZE(sites); i++)
		if (str_caseeq(str_c(k->same_site), str_c(sites[i])))
			buf_printf(&all, "; SameSite=%s", sites[i]);
	ret = build_str(c->b, buf_str(&all));
	buf_fini(&all);
	return ret;
}

struct tvec
compile_sticky(struct compiler *c, const struct sticky *s, const char *service,
    const char *const *names, unsigned n)
{
	struct tsticky_key *keys;
	struct tsticky t;

	if (s == NULL || s->cookie == NULL || n == 0)
		return build_vec(c->b, NULL, 0, 1);
	keys = xcalloc(n, sizeof(*keys));
	for (unsigned i = 0; i < n; i++)
		keys[i] = sticky_key(c, names[i]);
	t = (struct tsticky){
		.name = cookie_name(c, s->cookie->name, service),
		.attributes = cookie_attributes(c, s->cookie),
		.keys = build_vec(c->b, keys, n, sizeof(*keys)),
	};
	free(keys);
	return build_vec(c->b, &t, 1, sizeof(t));
}

/* ---- Health checks --------------------------------------------------------------------- */

/* Path and query of a probe: the configured reference, seen from the server. */
static struct str
probe_target(struct compiler *c, const struct server_url *u, const char *path)
{
	const char *slash = u->path.n == 0 ? "/" : "";
	struct str base = str_c(world_printf(c->w, "http://h%s%.*s", slash,
	    STR_ARG(u->target)));
	struct str all = uri_resolve(&c->w->arena, base, str_c(path));

	return all.p != NULL ? str_from(all, sizeof("http://h") - 1) : all;
}

/* Where a server is asked: its own place, with what the check says instead. */
static void
probe_place(struct compiler *c, const struct health_check *h,
    struct server_url *u)
{
	bool v6 = str_chr(u->host, ':') >= 0;
	bool given = u->port != (u->tls ? 443 : 80);

	if (str_c(h->scheme).n != 0) {
		u->tls = strcmp(h->scheme, "https") == 0;
		u->h2c = strcmp(h->scheme, "h2c") == 0;
		if (!given)
			u->port = u->tls ? 443 : 80;
	}
	if (h->mode != NULL && strcmp(h->mode, "grpc") == 0)
		u->h2c = !u->tls;
	if (h->port == 0)
		return;
	u->port = (uint16_t)h->port;
	u->authority = str_c(world_printf(c->w, v6 ? "[%.*s]:%u" : "%.*s:%u",
	    STR_ARG(u->host), u->port));
}

static int
build_probe(struct compiler *c, struct service *s, const struct tservice *t,
    uint32_t server, struct tprobe *ret, struct result *res)
{
	const struct health_check *h = s->load_balancer->health_check;
	const struct tserver *like = build_at(c->b, BUILD_SERVERS, server);
	uint32_t slot = like->live_slot;
	struct str target, url = str_c(world_printf(c->w, "%.*s",
	    STR_ARG(build_text(c->b, like->url))));
	struct server_url u;
	const char *why;

	(void)server_url_parse(url, &u, &why);
	target = probe_target(c, &u, h->path);
	if (target.p == NULL)
		return compile_broken(c, &s->o, "service", res,
		    "healthCheck.path: \"%s\" does not fit the server \"%.*s\"",
		    h->path != NULL ? h->path : "", STR_ARG(url));
	probe_place(c, h, &u);
	why = compile_mismatch(c, u.h2c || (h->mode != NULL &&
	    strcmp(h->mode, "grpc") == 0), t->transport);
	if (why != NULL)
		return compile_broken(c, &s->o, "service", res,
		    "healthCheck: %s", why);
	*ret = (struct tprobe){
		.server = compile_server_at(c, &u, url, t->transport),
		.live_slot = slot,
		.target = build_str(c->b, target),
	};
	return 0;
}

/* A probe takes some of a worker's time. */
static int64_t
at_least(nsec_t t)
{
	return t > 10 * NSEC_MSEC ? t : 10 * NSEC_MSEC;
}

static int
build_check(struct compiler *c, struct service *s, struct tservice *t,
    const uint32_t *servers, struct result *res)
{
	const struct health_check *h = s->load_balancer->health_check;
	struct tprobe *v = xcalloc(t->servers.n, sizeof(*v));
	struct tcheck k = {
		.service = build_count(c->b, BUILD_SERVICES),
		.status = (uint16_t)h->status,
		.grpc = h->mode != NULL && strcmp(h->mode, "grpc") == 0,
		.follow_redirects = h->follow_redirects,
		.headers = compile_pairs(c, &h->headers),
		.method = build_cstr(c->b, str_c(h->method).n != 0 ?
		    h->method : "GET"),
		.host = build_cstr(c->b, h->hostname),
		.interval_ns = at_least(h->interval),
		.unhealthy_interval_ns = at_least(h->unhealthy_interval),
		.timeout_ns = at_least(h->timeout),
	};
	int r = 0;

	for (uint32_t i = 0; i < t->servers.n && r == 0; i++)
		r = build_probe(c, s, t, servers[i], &v[i], res);
	if (r == 0) {
		k.probes = build_vec(c->b, v, t->servers.n, sizeof(*v));
		t->check = build_add(c->b, BUILD_CHECKS, &k);
	}
	free(v);
	return r;
}

/* ---- Together ------------------------------------------------------------------------ */

static enum tstrategy
strategy_of(const char *word)
{
	static const char *const words[TSTRATEGIES] = { "wrr", "p2c", "hrw",
	    "leasttime" };

	for (unsigned i = 0; i < TSTRATEGIES; i++)
		if (word != NULL && strcmp(word, words[i]) == 0)
			return i;
	return TSTRATEGY_WRR;
}

/* From now on the workers count what each of the servers has to do. */
static void
count_load(struct compiler *c, const struct tservice *t,
    const uint32_t *servers)
{
	for (uint32_t i = 0; i < t->servers.n && c->env->live != NULL; i++) {
		const struct tserver *s = build_at(c->b, BUILD_SERVERS,
		    servers[i]);

		if (s->live_slot < LIVE_SERVERS)
			atomic_store(&c->env->live->servers[
			    s->live_slot].counted, 1);
	}
}

static bool
any_fenced(struct compiler *c, const struct tservice *t,
    const uint32_t *servers)
{
	for (uint32_t i = 0; i < t->servers.n; i++)
		if (((const struct tserver *)build_at(c->b, BUILD_SERVERS,
		    servers[i]))->fenced)
			return true;
	return false;
}

int
compile_balance(struct compiler *c, struct service *s, struct tservice *t,
    const uint32_t *servers, struct result *res)
{
	const struct load_balancer *lb = s->load_balancer;
	const struct passive_health_check *p = lb->passive_health_check;
	const char **urls = xcalloc(lb->servers.n, sizeof(*urls));
	unsigned n = 0;

	/* As many as there are records: the others have no weight. */
	for (unsigned i = 0; i < lb->servers.n; i++)
		if (lb->servers.v[i].weight > 0)
			urls[n++] = lb->servers.v[i].url;
	t->strategy = strategy_of(lb->strategy);
	t->health = lb->health_check != NULL;
	t->sticky = compile_sticky(c, t->strategy != TSTRATEGY_HRW ?
	    lb->sticky : NULL, s->o.name, urls, n);
	free(urls);
	if (p != NULL) {
		t->failure_window_ns = p->failure_window;
		t->failures = (uint32_t)p->max_failed_attempts;
	}
	if (lb->health_check != NULL && build_check(c, s, t, servers,
	    res) < 0)
		return -EINVAL;
	if (t->strategy == TSTRATEGY_P2C || t->strategy ==
	    TSTRATEGY_LEASTTIME)
		count_load(c, t, servers);
	t->by_turns = t->strategy == TSTRATEGY_WRR && t->sticky.n == 0 &&
	    t->check == TNONE && p == NULL && !any_fenced(c, t, servers);
	return 0;
}
