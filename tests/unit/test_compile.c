/* SPDX-License-Identifier: BSD-2-Clause */
/* From a configuration text to a table in which the right router is found. */
#include "compile.h"
#include "load.h"
#include "reason.h"
#include "route.h"
#include "table.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* Everything made from one text; one test, one of these. */
struct made {
	struct config *config;
	struct diags diags;
	struct world *w;
	struct compiled c;
	struct table t;
};

static const char eps[] =
    "entryPoints: {web: {address: ':8000'}, websecure: {address: ':8443'}}\n";

static struct made
make_env(const char *text, const struct compile_env *env)
{
	struct made m = { 0 };
	struct world_part part;
	const char *why = "";

	ck_assert_int_eq(config_load_text("t.yml", str_c(text), &m.config,
	    &m.diags), 0);
	part = (struct world_part){ &m.config->dynamic, "file" };
	m.w = world_make(m.config, &part, 1, &m.diags);
	compile_world(m.w, 7, env, &m.diags, &m.c);
	ck_assert_msg(table_check(m.c.image.p, m.c.image.n, &m.t, &why) == 0,
	    "table_check: %s", why);
	ck_assert_uint_eq(m.t.hdr->generation, 7);
	return m;
}

static struct made
make(const char *body)
{
	static const struct compile_env none;
	char *text = NULL;
	struct made m;

	ck_assert_int_gt(asprintf(&text, "%s%s", eps, body), 0);
	m = make_env(text, &none);
	free(text);
	return m;
}

static void
drop(struct made *m)
{
	compiled_fini(&m->c);
	world_free(m->w);
	config_free(m->config);
	diags_fini(&m->diags);
}

static bool
no_header(void *arg, struct str name, const void **cursor, struct str *ret)
{
	(void)arg;
	(void)name;
	(void)cursor;
	(void)ret;
	return false;
}

/* The name of the router that a GET finds; "" for none. */
static struct str
found(const struct made *m, unsigned ep, bool tls, const char *host,
    const char *path)
{
	const struct tentry_point *e = table_entry_point(&m->t, ep);
	struct addr client = { { 0 } };
	struct route_request q = { .host = str_c(host), .method = STR("GET"),
	    .path = str_c(path), .query = STR(""), .client = &client,
	    .header = no_header };
	struct route_match match = { TNONE, false };
	uint32_t mux = tls ? e->tls_mux : e->plain_mux;

	if (mux == TNONE)
		return STR("");
	ck_assert_int_eq(route_find(&m->t, mux, &q, &match), 0);
	return match.router == TNONE ? STR("") :
	    table_str(&m->t, table_router(&m->t, match.router)->name);
}

static const struct trouter *
router(const struct made *m, const char *name)
{
	for (uint32_t i = 0; i < m->t.hdr->routers.n; i++)
		if (str_eq(table_str(&m->t, table_router(&m->t, i)->name),
		    str_c(name)))
			return table_router(&m->t, i);
	ck_abort_msg("no router %s", name);
	return NULL;
}

START_TEST(rules_find_their_router)
{
	static const struct { const char *host, *path, *want; } cases[] = {
		{ "a.test", "/", "a@file" },
		{ "A.TEST:8000", "/", "a@file" },
		{ "b.test", "/x", "ab@file" },
		{ "c.test", "/x", "ab@file" },
		{ "x.wild.test", "/", "wild@file" },
		{ "y.x.wild.test", "/", "" },
		{ "wild.test", "/", "" },
		{ "other.test", "/exact", "path@file" },
		{ "other.test", "/exact/", "" },
		{ "n.test", "/public", "not@file" },
		{ "n.test", "/private/x", "" },
		{ "morgan.test", "/p", "" },
		{ "morgan.test", "/q", "morgan@file" },
		{ "re.test", "/re", "re@file" },
		{ "deep.test", "/one/two/three", "deep3@file" },
		{ "deep.test", "/one/two", "deep1@file" },
		{ "deep.test", "/zero", "" },
	};
	struct made m = make(
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
	    "  routers:\n"
	    "    a: {rule: Host(`a.test`), service: s, entryPoints: [web]}\n"
	    "    ab: {rule: Host(`b.test`) || Host(`c.test`), service: s, entryPoints: [web]}\n"
	    "    wild: {rule: 'Host(`*.wild.test`)', service: s, entryPoints: [web]}\n"
	    "    path: {rule: Path(`/exact`), service: s, entryPoints: [web]}\n"
	    "    not: {rule: Host(`n.test`) && !PathPrefix(`/private`), service: s, entryPoints: [web]}\n"
	    "    morgan: {rule: 'Host(`morgan.test`) && !(Path(`/p`) || !Method(`GET`))', service: s, entryPoints: [web]}\n"
	    "    re: {rule: 'HostRegexp(`^re\\.test$`) && Path(`/re`)', service: s, entryPoints: [web]}\n"
	    "    deep1: {rule: Host(`deep.test`) && PathPrefix(`/one`), service: s, entryPoints: [web]}\n"
	    "    deep3: {rule: Host(`deep.test`) && PathPrefix(`/one/two/three`), service: s, entryPoints: [web]}\n");

	ck_assert_uint_eq(m.diags.n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str got = found(&m, 0, false, cases[i].host,
		    cases[i].path);

		ck_assert_msg(str_eq(got, str_c(cases[i].want)),
		    "%s%s: got \"%.*s\", want \"%s\"", cases[i].host,
		    cases[i].path, STR_ARG(got), cases[i].want);
	}
	drop(&m);
}
END_TEST

START_TEST(priority_decides)
{
	struct made m = make(
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
	    "  routers:\n"
	    "    short: {rule: PathPrefix(`/`), service: s, entryPoints: [web]}\n"
	    "    long: {rule: PathPrefix(`/aaaaaaaaaaaa`), service: s, entryPoints: [web]}\n"
	    "    low: {rule: 'PathPrefix(`/aaaaaaaaaaaaaaaa`)', priority: -1, service: s, entryPoints: [web]}\n"
	    "    b: {rule: Path(`/tie`), priority: 99, service: s, entryPoints: [web]}\n"
	    "    a: {rule: PathPrefix(`/tie`), priority: 99, service: s, entryPoints: [web]}\n");

	ck_str_is(found(&m, 0, false, "h", "/aaaaaaaaaaaaaaaa"), "long@file");
	ck_str_is(found(&m, 0, false, "h", "/x"), "short@file");
	ck_str_is(found(&m, 0, false, "h", "/tie"), "a@file");
	drop(&m);
}
END_TEST

/* S-517: broken keeps its match, an unusable rule has none. */
START_TEST(broken_keeps_its_match)
{
	struct made m = make(
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
	    "  middlewares: {loop: {chain: {middlewares: [loop]}}}\n"
	    "  routers:\n"
	    "    all: {rule: PathPrefix(`/`), priority: 1, service: s, entryPoints: [web]}\n"
	    "    mw: {rule: Path(`/mw`), service: s, middlewares: [nosuch], entryPoints: [web]}\n"
	    "    loop: {rule: Path(`/loop`), service: s, middlewares: [loop], entryPoints: [web]}\n"
	    "    svc: {rule: Path(`/svc`), service: nosuch, entryPoints: [web]}\n"
	    "    api: {rule: Path(`/api`), service: api@internal, entryPoints: [web]}\n"
	    "    ep: {rule: Path(`/ep`), service: s, entryPoints: [nosuch]}\n"
	    "    bad: {rule: 'Path(`/bad`', service: s, entryPoints: [web]}\n");
	static const char *const broken[] = { "mw", "loop", "svc", "api" };

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		char path[16], name[16];
		const struct trouter *r;

		snprintf(path, sizeof(path), "/%s", broken[i]);
		snprintf(name, sizeof(name), "%s@file", broken[i]);
		ck_str_is(found(&m, 0, false, "h", path), name);
		r = router(&m, name);
		ck_assert_uint_eq(r->status, TSTATUS_BROKEN);
		ck_assert_uint_eq(r->reason, REASON_ROUTER_BROKEN);
		ck_assert_uint_eq(r->service, TNONE);
		ck_assert_uint_gt(r->error.n, 0);
	}
	ck_str_is(found(&m, 0, false, "h", "/ep"), "all@file");
	ck_str_is(found(&m, 0, false, "h", "/bad"), "all@file");
	ck_assert_uint_eq(m.c.nbroken, 6);
	ck_assert_uint_eq(m.c.nrouters, 5);
	drop(&m);
}
END_TEST

/* Proxy.md 2.8 with errata A7, and 1.2: defaults of entry points. */
START_TEST(entry_points_shape_routers)
{
	static const struct compile_env none;
	struct made m = make_env(
	    "entryPoints:\n"
	    "  web: {address: ':8000', http: {middlewares: [first]}}\n"
	    "  alt: {address: ':8001'}\n"
	    "  sec: {address: ':8443', http: {tls: {}}}\n"
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
	    "  middlewares: {first: {addPrefix: {prefix: /f}}, own: {addPrefix: {prefix: /o}}}\n"
	    "  routers:\n"
	    "    multi: {rule: Path(`/m`), service: s, middlewares: [own]}\n"
	    "    one: {rule: Path(`/o`), service: s, entryPoints: [web]}\n",
	    &none);
	const struct trouter *r = router(&m, "web-multi@file");
	const uint32_t *mws = TABLE_VEC(&m.t, r->middlewares, uint32_t);

	ck_assert_uint_eq(r->middlewares.n, 2);
	ck_str_is(table_str(&m.t, table_mw(&m.t, mws[0])->name), "first@file");
	ck_str_is(table_str(&m.t, table_mw(&m.t, mws[1])->name), "own@file");
	ck_str_is(found(&m, 0, false, "h", "/m"), "web-multi@file");
	ck_str_is(found(&m, 1, false, "h", "/m"), "multi@file");
	ck_str_is(found(&m, 2, true, "h", "/m"), "sec-multi@file");
	ck_str_is(found(&m, 2, false, "h", "/m"), "");
	ck_str_is(found(&m, 0, false, "h", "/o"), "one@file");
	ck_str_is(found(&m, 1, false, "h", "/o"), "");
	drop(&m);
}
END_TEST

START_TEST(redirections_have_traefiks_names)
{
	static const struct compile_env none;
	struct made m = make_env(
	    "entryPoints:\n"
	    "  web: {address: ':8000', http: {redirections: {entryPoint: {to: sec}}}}\n"
	    "  alt: {address: ':8001', http: {redirections: {entryPoint: {to: ':9443', permanent: false, priority: 5}}}}\n"
	    "  sec: {address: ':8443', http: {tls: {}}, asDefault: true}\n"
	    "ping: {}\n"
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
	    "  routers: {a: {rule: Path(`/`), service: s}}\n", &none);
	const struct trouter *r = router(&m, "web-to-sec@internal");
	const struct tmw *mw = table_mw(&m.t, TABLE_VEC(&m.t, r->middlewares,
	    uint32_t)[0]);
	const struct tmw_redirect_scheme *to = table_at(&m.t, mw->config);

	ck_str_is(table_str(&m.t, mw->name), "redirect-web-to-sec@internal");
	ck_str_is(table_str(&m.t, to->scheme), "https");
	ck_str_is(table_str(&m.t, to->port), "8443");
	ck_assert_uint_eq(to->permanent, 1);
	ck_assert_int_eq(r->priority, INT64_MAX - 1);
	ck_assert_uint_eq(r->internal, 1);
	ck_assert_int_eq(router(&m, "alt-to-9443@internal")->priority, 5);
	/* Routers without entry points are on the default one only. */
	ck_str_is(found(&m, 2, true, "h", "/"), "a@file");
	ck_str_is(found(&m, 0, false, "h", "/"), "web-to-sec@internal");
	/* Ping opens the entry point traefik, as the last one. */
	ck_assert_uint_eq(m.t.hdr->entry_points.n, 4);
	ck_str_is(found(&m, 3, false, "h", "/ping"), "ping@internal");
	drop(&m);
}
END_TEST

static const struct ttls_host *
tls_host(const struct made *m, unsigned ep, const char *name)
{
	const struct tentry_point *e = table_entry_point(&m->t, ep);

	for (uint32_t i = 0; i < e->tls_hosts.n; i++) {
		const struct ttls_host *h = &TABLE_VEC(&m->t, e->tls_hosts,
		    struct ttls_host)[i];

		if (str_eq(table_str(&m->t, h->name), str_c(name)))
			return h;
	}
	return NULL;
}

static struct str
options_of(const struct made *m, const struct ttls_host *h)
{
	return table_str(&m->t, TABLE_REC(&m->t, tls_options,
	    struct ttls_options, h->options)->name);
}

/* S-407: who disagrees gets the strictest, with all its hosts. */
START_TEST(tls_options_of_one_host_agree)
{
	struct made m = make(
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
	    "  routers:\n"
	    "    plain: {rule: Host(`plain.test`), service: s, tls: {}, entryPoints: [websecure]}\n"
	    "    c1: {rule: 'Host(`conf.test`) && Path(`/1`)', service: s, tls: {options: strict}, entryPoints: [websecure]}\n"
	    "    c2: {rule: '(Host(`conf.test`) || Host(`more.test`)) && Path(`/2`)', service: s, tls: {options: tls13}, entryPoints: [websecure]}\n"
	    "    x: {rule: Host(`x.test`), service: s, tls: {options: tls13}, entryPoints: [websecure]}\n"
	    "    unknown: {rule: Host(`unknown.test`), service: s, tls: {options: nosuch}, entryPoints: [websecure]}\n"
	    "    broken: {rule: Host(`broken.test`), service: s, tls: {options: noca}, entryPoints: [websecure]}\n"
	    "tls:\n"
	    "  options:\n"
	    "    strict: {clientAuth: {clientAuthType: RequireAnyClientCert}}\n"
	    "    tls13: {minVersion: VersionTLS13}\n"
	    "    noca: {clientAuth: {clientAuthType: RequireAndVerifyClientCert}}\n");
	static const struct { const char *host, *options; bool broken; } want[] = {
		{ "plain.test", "default", false },
		{ "conf.test", "strict@file", false },
		{ "more.test", "strict@file", false },
		{ "x.test", "tls13@file", false },
		{ "broken.test", "noca@file", true },
		{ "unknown.test", "default", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct ttls_host *h = tls_host(&m, 1, want[i].host);

		ck_assert_msg(h != NULL, "%s", want[i].host);
		ck_str_is(options_of(&m, h), want[i].options);
		ck_assert_uint_eq(h->broken, want[i].broken);
	}
	ck_assert_uint_eq(router(&m, "c1@file")->tls_options,
	    router(&m, "c2@file")->tls_options);
	ck_assert_uint_eq(router(&m, "broken@file")->status, TSTATUS_BROKEN);
	ck_assert_uint_eq(router(&m, "unknown@file")->status, TSTATUS_BROKEN);
	ck_str_is(found(&m, 1, true, "conf.test", "/2"), "c2@file");
	drop(&m);
}
END_TEST

START_TEST(servers_have_addresses)
{
	struct made m = make(
	    "http:\n"
	    "  services:\n"
	    "    s: {loadBalancer: {servers: [{url: 'https://127.0.0.1'}, {url: 'http://localhost:81/p', preservePath: true},"
	    " {url: 'http://[::1]:82'}, {url: 'http://name.test'}, {url: 'http://127.0.0.9', weight: 0}]}}\n"
	    "  routers: {a: {rule: Path(`/`), service: s, entryPoints: [web]}}\n");
	const struct tservice *s = table_service(&m.t,
	    router(&m, "a@file")->service);
	static const struct { uint16_t port; unsigned addrs; uint8_t scheme;
	    const char *path; } want[] = {
		{ 443, 1, TSCHEME_HTTPS, "" },
		{ 81, 2, TSCHEME_HTTP, "/p" },
		{ 82, 1, TSCHEME_HTTP, "" },
		{ 80, 0, TSCHEME_HTTP, "" },
	};

	ck_assert_uint_eq(s->servers.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct tserver *v = table_server(&m.t,
		    TABLE_VEC(&m.t, s->servers, uint32_t)[i]);

		ck_assert_uint_eq(v->port, want[i].port);
		ck_assert_uint_eq(v->addrs.n, want[i].addrs);
		ck_assert_uint_eq(v->resolved, want[i].addrs != 0);
		ck_assert_uint_eq(v->scheme, want[i].scheme);
		ck_str_is(table_str(&m.t, v->path), want[i].path);
	}
	drop(&m);
}
END_TEST

START_TEST(auth_owns_headers)
{
	struct made m = make(
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}\n"
	    "  middlewares:\n"
	    "    auth: {forwardAuth: {address: 'http://127.0.0.1:4180/check?x=1', authResponseHeaders: [X-User, X-Groups], headerField: X-Name}}\n"
	    "    list: {ipAllowList: {sourceRange: [10.0.0.0/8]}}\n"
	    "    all: {chain: {middlewares: [auth, list]}}\n"
	    "  routers:\n"
	    "    a: {rule: Path(`/a`), service: s, middlewares: [all], entryPoints: [web]}\n"
	    "    b: {rule: Path(`/b`), service: s, middlewares: [auth, list], entryPoints: [web]}\n"
	    "    c: {rule: Path(`/c`), service: s, middlewares: [list], entryPoints: [web]}\n"
	    "    d: {rule: Path(`/d`), service: s, entryPoints: [web]}\n");
	const struct trouter *a = router(&m, "a@file"), *b =
	    router(&m, "b@file"), *c = router(&m, "c@file"), *d =
	    router(&m, "d@file");
	const struct tmw_forward_auth *f;

	ck_assert_uint_eq(a->has_auth, 1);
	ck_assert_uint_eq(c->has_auth, 0);
	ck_assert_uint_eq(a->owned.n, 3);
	ck_str_is(table_str(&m.t, TABLE_VEC(&m.t, a->owned,
	    struct tstr)[1]), "x-user");
	/* A chain is the same as its parts. */
	ck_assert_uint_eq(a->middlewares.n, 2);
	ck_assert_uint_eq(a->access_policy, b->access_policy);
	ck_assert_uint_ne(a->access_policy, c->access_policy);
	ck_assert_uint_ne(c->access_policy, d->access_policy);
	f = table_at(&m.t, table_mw(&m.t, TABLE_VEC(&m.t, a->middlewares,
	    uint32_t)[0])->config);
	ck_str_is(table_str(&m.t, f->target), "/check?x=1");
	ck_assert_uint_eq(table_server(&m.t, f->server)->port, 4180);
	drop(&m);
}
END_TEST

static unsigned
resolve_one(void *arg, struct str name, struct addr out[RESOLVED_MAX])
{
	(void)arg;
	if (!str_eq(name, STR("known.test")))
		return 0;
	ck_assert_int_eq(addr_parse(STR("192.0.2.7"), &out[0]), 0);
	return 1;
}

/* Live-state slots stay with their objects; equal content has an equal hash. */
START_TEST(slots_outlive_generations)
{
	struct registry services, servers, limits;
	struct compile_env env = { .services = &services, .servers = &servers,
	    .limits = &limits, .resolve = resolve_one };
	const char *first =
	    "entryPoints: {web: {address: ':8000'}}\n"
	    "http:\n"
	    "  services: {s: {loadBalancer: {servers: [{url: 'http://known.test:1'}]}}}\n"
	    "  middlewares: {r: {rateLimit: {average: 1}}}\n"
	    "  routers:\n"
	    "    a: {rule: Path(`/a`), service: s, middlewares: [r], entryPoints: [web]}\n"
	    "    b: {rule: Path(`/b`), service: s, middlewares: [r], entryPoints: [web]}\n";
	const char *second =
	    "entryPoints: {web: {address: ':8000'}}\n"
	    "http:\n"
	    "  services: {q: {loadBalancer: {servers: [{url: 'http://known.test:2'}]}},"
	    " s: {loadBalancer: {servers: [{url: 'http://known.test:1'}]}}}\n"
	    "  middlewares: {r: {rateLimit: {average: 1}}}\n"
	    "  routers:\n"
	    "    b: {rule: Path(`/b`), service: s, middlewares: [r], entryPoints: [web]}\n";
	struct made x, y, z;
	uint32_t limit_a, limit_b;

	registry_init(&services, 100);
	registry_init(&servers, 100);
	registry_init(&limits, 100);
	x = make_env(first, &env);
	y = make_env(first, &env);
	z = make_env(second, &env);
	ck_assert_uint_eq(x.c.content_hash, y.c.content_hash);
	ck_assert_uint_ne(x.c.content_hash, z.c.content_hash);
	ck_assert_uint_eq(table_service(&x.t, router(&x, "b@file")->service)
	    ->live_slot, table_service(&z.t, router(&z, "b@file")->service)
	    ->live_slot);
	limit_a = table_mw(&x.t, TABLE_VEC(&x.t, router(&x, "a@file")
	    ->middlewares, uint32_t)[0])->live_id;
	limit_b = table_mw(&x.t, TABLE_VEC(&x.t, router(&x, "b@file")
	    ->middlewares, uint32_t)[0])->live_id;
	ck_assert_uint_ne(limit_a, limit_b);
	ck_assert_uint_eq(table_mw(&z.t, TABLE_VEC(&z.t, router(&z, "b@file")
	    ->middlewares, uint32_t)[0])->live_id, limit_b);
	ck_assert_uint_eq(table_server(&x.t, TABLE_VEC(&x.t, table_service(
	    &x.t, router(&x, "a@file")->service)->servers, uint32_t)[0])
	    ->resolved, 1);
	drop(&x);
	drop(&y);
	drop(&z);
	registry_fini(&services);
	registry_fini(&servers);
	registry_fini(&limits);
}
END_TEST

/* Ten thousand routers must not take time that grows with their square. */
START_TEST(many_routers_are_quick)
{
	static const struct compile_env none;
	struct buf b = BUF_INIT;
	struct made m;
	nsec_t from;

	buf_puts(&b, str_c(eps));
	buf_puts(&b, STR("http:\n  services: {s: {loadBalancer: {servers: "
	    "[{url: 'http://127.0.0.1:1'}]}}}\n  routers:\n"));
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "    r%d: {rule: 'Host(`h%d.test`) && "
		    "PathPrefix(`/p`)', service: s, entryPoints: [web]}\n", i,
		    i);
	m = make_env(buf_cstr(&b), &none);
	buf_fini(&b);
	compiled_fini(&m.c);
	world_free(m.w);
	from = clock_mono();
	m.w = world_make(m.config, &(struct world_part){ &m.config->dynamic,
	    "file" }, 1, &m.diags);
	compile_world(m.w, 2, &none, &m.diags, &m.c);
	from = clock_mono() - from;
	printf("10,000 routers: %.1f ms, %zu bytes\n", (double)from / 1e6,
	    m.c.image.n);
	ck_assert_int_lt(from, 2 * NSEC_SEC);
	ck_assert_uint_eq(m.c.nrouters, 10000);
	drop(&m);
}
END_TEST

/* kubernetes.md, case 150: two providers, one rule, one priority. */
START_TEST(precedence_of_providers)
{
	static const char body[] =
	    "http: {routers: {r: {rule: 'Host(`a.test`)', service: s}}, "
	    "services: {s: {loadBalancer: {servers: [{url: 'http://1.2.3.4'}]"
	    "}}}}\n";
	static const struct { const char *order, *want; } rows[] = {
		{ "", "r@kubernetescrd" },
		{ "providers: {precedence: [kubernetes, kubernetescrd]}\n",
		    "r@kubernetes" },
		{ "providers: {precedence: [file]}\n", "r@file" },
	};
	static const char *const names[] = { "file", "kubernetes",
	    "kubernetescrd" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const struct compile_env none;
		struct world_part parts[3];
		struct made m = { 0 };
		const char *why = "";
		char *text = NULL;

		ck_assert_int_gt(asprintf(&text, "%s%s%s", eps, body,
		    rows[i].order), 0);
		ck_assert_int_eq(config_load_text("t.yml", str_c(text),
		    &m.config, &m.diags), 0);
		for (size_t k = 0; k < 3; k++)
			parts[k] = (struct world_part){ &m.config->dynamic,
			    names[k] };
		m.w = world_make(m.config, parts, 3, &m.diags);
		compile_world(m.w, 7, &none, &m.diags, &m.c);
		ck_assert(table_check(m.c.image.p, m.c.image.n, &m.t, &why) ==
		    0);
		ck_str_is(found(&m, 0, false, "a.test", "/"), rows[i].want);
		drop(&m);
		free(text);
	}
}
END_TEST

/* ---- Services in services --------------------------------------------------- */

#define LB	"{loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}"

/* The record that routers on a service get; NULL when it is broken. */
static const struct tservice *
service(const struct made *m, const char *name)
{
	for (uint32_t i = m->t.hdr->services.n; i-- > 0;)
		if (str_eq(table_str(&m->t, table_service(&m->t, i)->name),
		    str_c(name)))
			return table_service(&m->t, i);
	return NULL;
}

static const struct tchild *
child(const struct made *m, const struct tservice *sv, uint32_t i)
{
	ck_assert_uint_lt(i, sv->children.n);
	return &TABLE_VEC(&m->t, sv->children, struct tchild)[i];
}

START_TEST(services_stand_on_each_other)
{
	struct made m = make(
	    "http:\n"
	    "  services:\n"
	    "    top: {weighted: {services: [{name: w, weight: 30}, {name: a@file, weight: 20}, {name: b, weight: 0}, {name: b, weight: -1}]}}\n"
	    "    w: {highestRandomWeight: {services: [{name: a}, {name: b, weight: 2}]}, middlewares: [h]}\n"
	    "    none: {weighted: {services: [{name: a, weight: 0}]}}\n"
	    "    m: {mirroring: {service: a, mirrors: [{name: b, percent: 7}], maxBodySize: 3}}\n"
	    "    f: {failover: {service: m, fallback: a, errors: {status: ['500-504', '404']}}}\n"
	    "    a: " LB "\n"
	    "    b: " LB "\n"
	    "  middlewares: {h: {addPrefix: {prefix: /h}}}\n");
	const struct tservice *top = service(&m, "top@file"), *w, *none;

	ck_assert_uint_eq(m.diags.n, 0);
	ck_assert_uint_eq(top->kind, TSERVICE_WEIGHTED);
	/* In lowest terms, without those that get nothing. */
	ck_assert_uint_eq(top->children.n, 2);
	ck_assert_uint_eq(child(&m, top, 0)->weight, 3);
	ck_assert_uint_eq(child(&m, top, 1)->weight, 2);
	ck_str_is(table_str(&m.t, child(&m, top, 1)->name), "a@file");
	w = table_service(&m.t, child(&m, top, 0)->service);
	ck_assert_uint_eq(w->kind, TSERVICE_MIDDLEWARES);
	ck_assert_uint_eq(w->middlewares.n, 1);
	w = table_service(&m.t, child(&m, w, 0)->service);
	ck_assert_uint_eq(w->kind, TSERVICE_RANDOM_WEIGHT);
	ck_str_is(table_str(&m.t, w->name), "w@file");
	ck_assert_uint_eq(w->depth, 1);
	ck_assert_uint_eq(top->depth, 3);
	ck_assert_uint_eq(top->below, 5);
	w = service(&m, "m@file");
	ck_assert_uint_eq(w->kind, TSERVICE_MIRRORING);
	ck_assert_uint_eq(w->children.n, 2);
	ck_assert_uint_eq(child(&m, w, 1)->weight, 7);
	ck_assert_uint_eq(w->mirror_body, 1);
	ck_assert_int_eq(w->max_body, 3);
	w = service(&m, "f@file");
	ck_assert_uint_eq(w->kind, TSERVICE_FAILOVER);
	ck_assert_uint_eq(w->statuses.n, 2);
	ck_assert_int_eq(w->max_body, -1);
	none = service(&m, "none@file");
	ck_assert_uint_eq(none->children.n, 0);
	ck_assert_uint_eq(none->below, 0);
	drop(&m);
}
END_TEST

/* Whatever part of it is missing, nobody uses the rest. */
START_TEST(broken_trees)
{
	static const struct { const char *service, *why; } rows[] = {
		{ "{weighted: {services: [{name: a}, {name: nope}]}}",
		    "weighted: service \"nope@file\" does not exist" },
		{ "{weighted: {services: [{name: a, weight: 0}, {name: x}]}}",
		    "weighted: service \"x@file\" is part of itself" },
		{ "{highestRandomWeight: {services: [{name: bad}]}}",
		    "highestRandomWeight: service \"bad@file\" cannot be used: server" },
		{ "{weighted: {services: [{name: a}], healthCheck: {}}}",
		    "weighted: healthCheck needs one of service \"a\" too" },
		{ "{weighted: {services: [{name: back}]}}",
		    "weighted: service \"back@file\" cannot be used: weighted: "
		    "service \"x@file\" is part of itself" },
		{ "{mirroring: {service: a, mirrors: [{name: nope}]}}",
		    "mirroring: service \"nope@file\" does not exist" },
		{ "{mirroring: {service: a, healthCheck: {}}}",
		    "mirroring: healthCheck needs one of service \"a\" too" },
		{ "{failover: {service: a, fallback: b}}",
		    "failover: service \"b@file\" does not exist" },
		{ "{failover: {service: a, fallback: a}}",
		    "failover: service \"a\" needs a healthCheck, or failover "
		    "errors.status" },
		{ "{failover: {service: a, fallback: a, errors: {status: ['500'"
		    "]}, healthCheck: {}}}", "failover: healthCheck needs one "
		    "of service \"a\" too" },
		{ "{failover: {service: a, fallback: a, errors: {status: [five"
		    "]}}}", "failover: errors.status: \"five\" is not a status "
		    "code or range" },
		{ "{loadBalancer: {}, middlewares: [nope]}",
		    "middleware \"nope@file\" does not exist" },
		{ "{loadBalancer: {}, middlewares: [page]}",
		    "middleware \"page@file\" cannot be used: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text;
		struct made m;

		ck_assert_int_gt(asprintf(&text,
		    "http:\n"
		    "  routers: {r: {rule: Path(`/`), service: x, entryPoints: [web]}}\n"
		    "  services:\n"
		    "    x: %s\n"
		    "    back: {weighted: {services: [{name: x}]}}\n"
		    "    bad: {loadBalancer: {servers: [{url: 'ftp://x'}]}}\n"
		    "    a: " LB "\n"
		    "  middlewares: {page: {errors: {status: ['500'], service: x, query: /}}}\n",
		    rows[i].service), 0);
		m = make(text);
		ck_assert_uint_eq(router(&m, "r@file")->status,
		    TSTATUS_BROKEN);
		ck_assert_msg(str_find(table_str(&m.t, router(&m,
		    "r@file")->error), str_c(rows[i].why)) == 0, "%s: %.*s",
		    rows[i].service, STR_ARG(table_str(&m.t, router(&m,
		    "r@file")->error)));
		drop(&m);
		free(text);
	}
}
END_TEST

/* n services, each on the next; and two on each next one. */
START_TEST(deep_and_wide_trees)
{
	static const struct { unsigned n, each; bool good; } rows[] = {
		{ TSERVICE_DEPTH, 1, true },
		{ TSERVICE_DEPTH + 1, 1, false },
		{ 2000, 1, false },
		{ 11, 2, true },
		{ 12, 2, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf b = BUF_INIT;
		struct made m;

		buf_printf(&b, "http: {routers: {r: {rule: Path(`/`), service: "
		    "s%u, entryPoints: [web]}}, services: {s0: " LB,
		    rows[i].n);
		for (unsigned k = 1; k <= rows[i].n; k++) {
			buf_printf(&b, ", s%u: {weighted: {services: [{name: "
			    "s%u}", k, k - 1);
			if (rows[i].each == 2)
				buf_printf(&b, ", {name: s%u}", k - 1);
			buf_puts(&b, STR("]}}"));
		}
		buf_puts(&b, STR("}}\n"));
		m = make(buf_cstr(&b));
		ck_assert_uint_eq(router(&m, "r@file")->status, rows[i].good ?
		    TSTATUS_ENABLED : TSTATUS_BROKEN);
		drop(&m);
		buf_fini(&b);
	}
}
END_TEST

/* What a service's own auth says belongs to nobody else (S-501, S-603). */
START_TEST(middlewares_of_services_count_for_routers)
{
	struct made m = make(
	    "http:\n"
	    "  routers:\n"
	    "    a: {rule: Path(`/a`), service: top, entryPoints: [web]}\n"
	    "    b: {rule: Path(`/b`), service: open, entryPoints: [web]}\n"
	    "  services:\n"
	    "    top: {weighted: {services: [{name: open}, {name: closed}]}}\n"
	    "    open: " LB "\n"
	    "    closed: {loadBalancer: {servers: []}, middlewares: [auth]}\n"
	    "  middlewares: {auth: {forwardAuth: {address: 'http://127.0.0.1:2', authResponseHeaders: [X-User]}}}\n");
	const struct trouter *a = router(&m, "a@file"), *b =
	    router(&m, "b@file");

	ck_assert_uint_eq(a->middlewares.n, 0);
	ck_assert_uint_eq(a->has_auth, 1);
	ck_assert_uint_eq(a->owned.n, 1);
	ck_assert_uint_ne(a->access_policy, b->access_policy);
	ck_assert_uint_eq(b->has_auth, 0);
	drop(&m);
}
END_TEST

UNIT_MAIN("compile", rules_find_their_router, priority_decides,
    precedence_of_providers,
    broken_keeps_its_match, entry_points_shape_routers,
    redirections_have_traefiks_names, tls_options_of_one_host_agree,
    servers_have_addresses, auth_owns_headers, slots_outlive_generations,
    many_routers_are_quick, services_stand_on_each_other, broken_trees,
    deep_and_wide_trees, middlewares_of_services_count_for_routers)
