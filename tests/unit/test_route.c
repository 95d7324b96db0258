/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the router of a request in a table made by hand. */
#include "route.h"

#include "build.h"
#include "regexp.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

/* ---- A table of routers ------------------------------------------------------ */

struct maker {
	struct builder *b;
	struct mux_entry e[1200];
	unsigned n;
	struct buf image;
	struct table t;
};

static struct maker m;

static void
begin(void)
{
	m.b = build_new();
	m.n = 0;
	m.image = (struct buf)BUF_INIT;
}

/* A router with the steps given; they are one program. */
static void
router(const char *name, const struct trule *steps, unsigned n,
    const struct str *hosts, unsigned nhosts, const struct str *prefixes,
    unsigned nprefixes)
{
	struct tvec none = build_vec(m.b, NULL, 0, 1);
	struct trouter r = { .name = build_cstr(m.b, name),
	    .rule = build_cstr(m.b, ""), .error = build_cstr(m.b, ""),
	    .rule_first = build_count(m.b, BUILD_RULES), .rule_n = n,
	    .service = 0, .tls_options = TNONE, .middlewares = none,
	    .owned = none, .owned_regexps = none };

	for (unsigned i = 0; i < n; i++) {
		struct trule s = steps[i];

		if (s.name.n == 0)
			s.name = build_cstr(m.b, "");
		if (s.text.n == 0)
			s.text = build_cstr(m.b, "");
		(void)build_add(m.b, BUILD_RULES, &s);
	}
	ck_assert_uint_lt(m.n, ARRAY_SIZE(m.e));
	m.e[m.n++] = (struct mux_entry){ build_add(m.b, BUILD_ROUTERS, &r),
	    hosts, nhosts, prefixes, nprefixes };
}

/* One step that decides. */
static struct trule
step(enum trule_op op, const char *name, const char *text)
{
	bool re = op == TRULE_HOST_REGEXP || op == TRULE_PATH_REGEXP ||
	    op == TRULE_HEADER_REGEXP || op == TRULE_QUERY_REGEXP;

	return (struct trule){ .op = op, .yes = TRULE_ACCEPT,
	    .no = TRULE_REJECT, .name = build_cstr(m.b, name),
	    .text = build_cstr(m.b, text),
	    .regexp = re ? build_regexp(m.b, str_c(text)) : TNONE };
}

static void
finish(void)
{
	struct tvec none = build_vec(m.b, NULL, 0, 1);
	struct tstr empty = build_cstr(m.b, "");
	struct ttls_options o = { .name = empty, .ciphers = empty,
	    .groups = empty, .alpn = none, .client_cas = TNONE };
	struct tservice s = { .name = empty, .waiting = empty,
	    .kind = TSERVICE_NOOP,
	    .transport = TNONE, .servers = none, .children = none,
	    .middlewares = none, .statuses = none, .sticky = none,
	    .check = TNONE };
	struct tentry_point e = { .name = empty, .address = empty,
	    .trusted = none, .proxy_trusted = none, .keep_connection = none,
	    .plain_mux = 0,
	    .tls_mux = TNONE, .tls_hosts = none };
	const char *why = "";
	void *exact;

	(void)build_add(m.b, BUILD_TLS_OPTIONS, &o);
	(void)build_add(m.b, BUILD_SERVICES, &s);
	(void)build_add(m.b, BUILD_ENTRY_POINTS, &e);
	ck_assert_uint_eq(build_mux(m.b, 0, m.e, m.n), 0);
	build_finish(m.b, 1, TNONE, &m.image);
	build_free(m.b);
	exact = malloc(m.image.n);
	memcpy(exact, m.image.p, m.image.n);
	ck_assert_msg(table_check(exact, m.image.n, &m.t, &why) == 0,
	    "refused: %s", why);
}

static void
end(void)
{
	free((void *)(size_t)m.t.base);
	buf_fini(&m.image);
}

/* ---- Requests ------------------------------------------------------------------- */

struct ask {
	const char *host, *path, *method, *query, *client;
	const char *const *headers;	/* names and values in turn, NULL */
};

static bool
next_header(void *arg, struct str name, const void **cursor, struct str *ret)
{
	const char *const *at = *cursor != NULL ?
	    (const char *const *)*cursor + 2 : arg;

	for (; at != NULL && *at != NULL; at += 2)
		if (str_caseeq(str_c(*at), name)) {
			*cursor = at;
			*ret = str_c(at[1]);
			return true;
		}
	return false;
}

static int
route(const struct ask *a, struct route_match *ret)
{
	struct addr client = { { 0 } };
	struct route_request q = { .host = str_c(a->host),
	    .method = str_c(a->method != NULL ? a->method : "GET"),
	    .path = str_c(a->path != NULL ? a->path : "/"),
	    .query = str_c(a->query), .client = &client,
	    .header = next_header, .arg = (void *)(size_t)a->headers };

	if (a->client != NULL)
		ck_assert_int_eq(addr_parse(str_c(a->client), &client), 0);
	return route_find(&m.t, 0, &q, ret);
}

static const char *
found(const struct ask *a)
{
	static char name[64];
	struct route_match r;

	ck_assert_int_eq(route(a, &r), 0);
	if (r.router == TNONE)
		return "";
	snprintf(name, sizeof(name), "%.*s", STR_ARG(table_str(&m.t,
	    table_router(&m.t, r.router)->name)));
	return name;
}

/* ---- Tests ------------------------------------------------------------------------ */

START_TEST(host_form)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "a.test", "a.test" }, { "A.Test", "a.test" },
		{ "a.test:8443", "a.test" }, { "a.test.", "a.test" },
		{ "a.test.:80", "a.test" }, { " a.test ", "a.test" },
		{ "[::1]:443", "::1" }, { "[::1]", "::1" }, { "::1", "::1" },
		{ "[2001:DB8::1]", "2001:db8::1" }, { "", "" }, { ":80", "" },
		{ "a:b", "a" }, { "[", "[" }, { "[]", "" }, { ".", "" },
		{ "127.0.0.1:1", "127.0.0.1" },
	};
	char out[256], longest[400];
	struct str s;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_str_is(route_host(str_c(rows[i].in), out), rows[i].out);
	memset(longest, 'a', sizeof(longest));
	s = route_host(str_n(longest, sizeof(longest)), out);
	ck_assert_uint_le(s.n, 255);
}
END_TEST

START_TEST(one_leaf)
{
	static const char *const headers[] = { "X-A", "1", "x-b", "two, three",
	    "X-a", "2", NULL };
	static const struct {
		enum trule_op op;
		const char *name, *text;
		struct ask ask;
		bool want;
	} rows[] = {
		{ TRULE_TRUE, "", "", { .host = "" }, true },
		{ TRULE_HOST, "", "a.test", { .host = "a.test" }, true },
		{ TRULE_HOST, "", "a.test", { .host = "A.test.:80" }, true },
		{ TRULE_HOST, "", "a.test", { .host = "b.a.test" }, false },
		{ TRULE_HOST, "", "a.test", { .host = "" }, false },
		{ TRULE_HOST_WILD, "", "d", { .host = "a.d" }, true },
		{ TRULE_HOST_WILD, "", "d", { .host = "d" }, false },
		{ TRULE_HOST_WILD, "", "d", { .host = "a.b.d" }, false },
		{ TRULE_HOST_WILD, "", "d", { .host = ".d" }, false },
		{ TRULE_HOST_WILD, "", "wild.test", { .host = ".wild.test" },
		    false },
		{ TRULE_HOST_REGEXP, "", "^[a-z]+\\.d$", { .host = "AB.d:1" },
		    true },
		{ TRULE_HOST_REGEXP, "", "^.+$", { .host = "" }, false },
		{ TRULE_HOST_REGEXP, "", "A", { .host = "A" }, false },
		{ TRULE_PATH, "", "/a", { .path = "/a" }, true },
		{ TRULE_PATH, "", "/a", { .path = "/a/" }, false },
		{ TRULE_PATH, "", "/a", { .path = "/A" }, false },
		{ TRULE_PATH, "", "/a%2Fb", { .path = "/a%2Fb" }, true },
		{ TRULE_PATH_PREFIX, "", "/foo", { .path = "/foobar" }, true },
		{ TRULE_PATH_PREFIX, "", "/foo", { .path = "/fo" }, false },
		{ TRULE_PATH_PREFIX, "", "/foo bar", { .path = "/foo bar/x" },
		    true },
		{ TRULE_PATH_REGEXP, "", "b+$", { .path = "/abb" }, true },
		{ TRULE_PATH_REGEXP, "", "^b", { .path = "/b" }, false },
		{ TRULE_METHOD, "", "GET", { .method = "GET" }, true },
		{ TRULE_METHOD, "", "GET", { .method = "get" }, false },
		{ TRULE_HEADER, "X-A", "1", { .headers = headers }, true },
		{ TRULE_HEADER, "X-A", "2", { .headers = headers }, true },
		{ TRULE_HEADER, "X-A", "3", { .headers = headers }, false },
		{ TRULE_HEADER, "X-B", "two", { .headers = headers }, false },
		{ TRULE_HEADER, "Host", "a", { .host = "a" }, false },
		{ TRULE_HEADER_REGEXP, "X-B", "thr", { .headers = headers },
		    true },
		{ TRULE_HEADER_REGEXP, "X-C", ".*", { .headers = headers },
		    false },
		{ TRULE_QUERY, "k", "v", { .query = "k=x&k=v" }, true },
		{ TRULE_QUERY, "k", "v", { .query = "K=v" }, false },
		{ TRULE_QUERY, "k", "v w", { .query = "%6b=v+w" }, true },
		{ TRULE_QUERY, "k", "", { .query = "k" }, true },
		{ TRULE_QUERY, "k", "", { .query = "a=1&k=" }, true },
		{ TRULE_QUERY, "k", "", { .query = "k=v" }, false },
		{ TRULE_QUERY, "k", "", { .query = "" }, false },
		{ TRULE_QUERY_REGEXP, "k", "^v", { .query = "k=xv&k=vx" },
		    true },
		{ TRULE_QUERY_REGEXP, "k", "^v", { .query = "k=xv" }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trule s;
		const char *got;

		begin();
		s = step(rows[i].op, rows[i].name, rows[i].text);
		router("r", &s, 1, NULL, 0, NULL, 0);
		finish();
		got = found(&rows[i].ask);
		ck_assert_msg((got[0] != '\0') == rows[i].want, "row %zu", i);
		end();
	}
}
END_TEST

START_TEST(client_ip)
{
	static const struct { const char *range, *client; bool want; } rows[] = {
		{ "10.0.0.0/8", "10.1.2.3", true },
		{ "10.0.0.0/8", "11.1.2.3", false },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", true },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "2001:db8::/32", "2001:db8:1::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "0.0.0.0/0", "203.0.113.1", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ask a = { .client = rows[i].client };
		struct trule s;

		begin();
		s = step(TRULE_CLIENT_IP, "", "");
		ck_assert_int_eq(cidr_parse(str_c(rows[i].range), &s.cidr), 0);
		router("r", &s, 1, NULL, 0, NULL, 0);
		finish();
		ck_assert_msg((found(&a)[0] != '\0') == rows[i].want,
		    "row %zu", i);
		end();
	}
}
END_TEST

/* The first router of the array that accepts wins, whatever list it is in. */
START_TEST(priority_over_lists)
{
	struct str a_test = STR("a.test"), wild = STR("*.test"),
	    deep = STR("/x/y"), top = STR("/x");
	struct trule s;

	begin();
	s = step(TRULE_PATH_PREFIX, "", "/x/y/z");
	router("0any", &s, 1, NULL, 0, NULL, 0);
	s = step(TRULE_HOST, "", "a.test");
	router("1exact", &s, 1, &a_test, 1, &top, 1);
	s = step(TRULE_HOST_WILD, "", "test");
	router("2wild", &s, 1, &wild, 1, &deep, 1);
	s = step(TRULE_HOST, "", "a.test");
	router("3exact", &s, 1, &a_test, 1, NULL, 0);
	s = step(TRULE_HOST, "", "other.test");
	router("4lies", &s, 1, NULL, 0, NULL, 0);
	router("5rest", NULL, 0, NULL, 0, NULL, 0);
	finish();
	{
		static const struct { struct ask a; const char *want; }
		    rows[] = {
			{ { .host = "a.test", .path = "/x/y/z" }, "0any" },
			{ { .host = "a.test", .path = "/x/y" }, "1exact" },
			{ { .host = "b.test", .path = "/x/y" }, "2wild" },
			{ { .host = "b.test", .path = "/x" }, "5rest" },
			{ { .host = "a.test", .path = "/q" }, "3exact" },
			{ { .host = "a.test", .path = "" }, "3exact" },
			{ { .host = "", .path = "/" }, "5rest" },
			{ { .host = "other.test", .path = "/" }, "4lies" },
		};

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			ck_assert_str_eq(found(&rows[i].a), rows[i].want);
	}
	end();
}
END_TEST

START_TEST(known_hosts)
{
	struct str hosts[] = { STR("a.test"), STR("*.w.test") };
	struct trule s;
	struct route_match r;
	static const struct { const char *host; bool known; } rows[] = {
		{ "a.test", true }, { "A.TEST:1", true }, { "x.w.test", true },
		{ "w.test", false }, { "b.test", false }, { "", false },
	};

	begin();
	s = step(TRULE_PATH, "", "/never");
	router("r", &s, 1, hosts, 2, NULL, 0);
	finish();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ask a = { .host = rows[i].host };

		ck_assert_int_eq(route(&a, &r), 0);
		ck_assert_uint_eq(r.router, TNONE);
		ck_assert_int_eq(r.host_known, rows[i].known);
	}
	/* No mux, no routers. */
	{
		struct route_request q = { .host = STR("a.test") };

		ck_assert_int_eq(route_find(&m.t, TNONE, &q, &r), 0);
		ck_assert_uint_eq(r.router, TNONE);
		ck_assert(!r.host_known);
	}
	end();
}
END_TEST

/* One leaf leads to another: and, or, not. */
START_TEST(programs)
{
	/* Host(a) && (Path(/x) || !Method(POST)) */
	struct trule v[3];
	static const struct { struct ask a; bool want; } rows[] = {
		{ { .host = "a", .path = "/x", .method = "POST" }, true },
		{ { .host = "a", .path = "/y", .method = "POST" }, false },
		{ { .host = "a", .path = "/y", .method = "GET" }, true },
		{ { .host = "b", .path = "/x", .method = "GET" }, false },
	};

	begin();
	v[0] = step(TRULE_HOST, "", "a");
	v[0].yes = 1;
	v[1] = step(TRULE_PATH, "", "/x");
	v[1].no = 2;
	v[2] = step(TRULE_METHOD, "", "POST");
	v[2].yes = TRULE_REJECT;
	v[2].no = TRULE_ACCEPT;
	router("r", v, 3, NULL, 0, NULL, 0);
	finish();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg((found(&rows[i].a)[0] != '\0') == rows[i].want,
		    "row %zu", i);
	end();
}
END_TEST

/* A pattern that gives up is an error, never "no match" (S-609). */
START_TEST(regexp_gives_up)
{
	struct ask a = { .path =
	    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" };
	struct route_match r;
	struct trule s;

	begin();
	s = step(TRULE_PATH_REGEXP, "", "^/(a+)+(a+)+(a+)+$");
	router("r", &s, 1, NULL, 0, NULL, 0);
	router("rest", NULL, 0, NULL, 0, NULL, 0);
	finish();
	ck_assert_int_eq(route(&a, &r), -E2BIG);
	ck_assert_uint_eq(r.router, TNONE);
	end();
}
END_TEST

/* A query too long to be looked at is an error, never "not there". */
START_TEST(query_too_long)
{
	static char query[REGEXP_SUBJECT_MAX + 64] = "k=v&l=";
	struct ask a = { .query = query };
	struct route_match r;
	struct trule s;

	begin();
	s = step(TRULE_QUERY, "k", "v");
	router("r", &s, 1, NULL, 0, NULL, 0);
	router("rest", NULL, 0, NULL, 0, NULL, 0);
	finish();
	memset(query + 6, 'x', REGEXP_SUBJECT_MAX - 6);
	ck_assert_str_eq(found(&a), "r");
	query[REGEXP_SUBJECT_MAX] = 'x';
	ck_assert_int_eq(route(&a, &r), -E2BIG);
	ck_assert_uint_eq(r.router, TNONE);
	end();
}
END_TEST

/*
 * More nested prefixes than a search follows, on the exact host, its wildcard
 * and without a host: the broadest router of the highest priority is still
 * found, from any depth.
 */
#define NESTED	200
START_TEST(nested_prefixes)
{
	static struct str prefixes[NESTED];
	static char texts[NESTED][2 * NESTED + 2];
	struct str hosts[] = { STR("a.test"), STR("*.test") };
	char path[2 * NESTED + 8], want[16];

	begin();
	for (unsigned i = 0; i < NESTED; i++) {
		size_t n = 0;

		for (unsigned k = 0; k <= i; k++)
			n += (size_t)snprintf(texts[i] + n,
			    sizeof(texts[i]) - n, "/d");
		prefixes[i] = str_c(texts[i]);
	}
	/* The broader, the higher the priority, but for one in the middle. */
	for (unsigned list = 0; list < 3; list++)
		for (unsigned i = 0; i < NESTED; i++) {
			struct trule v[2];

			v[0] = step(TRULE_PATH, "", texts[i]);
			snprintf(want, sizeof(want), "%u-%u", list, i);
			router(want, v, 1, list < 2 ? &hosts[list] : NULL,
			    list < 2, &prefixes[i], 1);
		}
	{
		struct trule s = step(TRULE_PATH_PREFIX, "", "/d");

		router("broad", &s, 1, NULL, 0, &prefixes[0], 1);
	}
	finish();
	for (unsigned i = 0; i < NESTED; i++) {
		struct ask a = { .host = "a.test", .path = texts[i] };
		struct ask b = { .host = "b.test", .path = texts[i] };
		struct ask c = { .host = "c", .path = texts[i] };
		struct ask d = { .host = "a.test", .path = path };

		snprintf(want, sizeof(want), "0-%u", i);
		ck_assert_str_eq(found(&a), want);
		snprintf(want, sizeof(want), "1-%u", i);
		ck_assert_str_eq(found(&b), want);
		snprintf(want, sizeof(want), "2-%u", i);
		ck_assert_str_eq(found(&c), want);
		/* Below the deepest prefix, but no path that one names. */
		strcpy(path, texts[i]);
		strcat(path, "-x");
		ck_assert_str_eq(found(&d), "broad");
	}
	end();
}
END_TEST

/* Against trying every rule in turn: the index never hides a router. */
START_TEST(index_hides_nothing)
{
	static const char *const hosts[] = { "a.t", "b.t", "*.t", "*.a.t" };
	static const char *const paths[] = { "/", "/a", "/ab", "/abc", "/b",
	    "/a/b", "/a/b/c" };
	static const char *const ask_hosts[] = { "a.t", "b.t", "c.t", "x.a.t",
	    "t", "" };
	static const char *const ask_paths[] = { "", "/", "/a", "/abx", "/abcd",
	    "/a/b/c", "/a/c", "/b/", "/c" };
	static struct str one_host[64], one_path[64];
	unsigned seed = 1, n = 0;

	begin();
	for (unsigned i = 0; i < 60; i++) {
		const char *h = hosts[(seed = seed * 1103515245 + 12345) / 65536 %
		    4];
		const char *p = paths[(seed = seed * 1103515245 + 12345) / 65536 %
		    7];
		bool with_host = seed / 1024 % 3 != 0;
		struct trule v[2];
		char name[16];

		v[0] = h[0] == '*' ? step(TRULE_HOST_WILD, "", h + 2) :
		    step(TRULE_HOST, "", h);
		v[1] = step(seed & 4096 ? TRULE_PATH : TRULE_PATH_PREFIX, "",
		    p);
		v[0].yes = 1;
		one_host[n] = str_c(h);
		one_path[n] = str_c(p);
		snprintf(name, sizeof(name), "r%u", i);
		router(name, with_host ? v : v + 1, with_host ? 2 : 1,
		    &one_host[n], with_host, &one_path[n], seed / 8192 % 4 != 0);
		n++;
	}
	finish();
	for (size_t i = 0; i < ARRAY_SIZE(ask_hosts); i++)
		for (size_t k = 0; k < ARRAY_SIZE(ask_paths); k++) {
			struct ask a = { .host = ask_hosts[i],
			    .path = ask_paths[k] };
			struct str p = str_c(a.path), h = str_c(a.host), d;
			const char *want = "";
			char name[16];

			d = str_chr(h, '.') > 0 ? str_from(h, (size_t)
			    str_chr(h, '.') + 1) : STR_NONE;
			for (unsigned r = 0; r < 60 && *want == '\0'; r++) {
				const struct trouter *tr = table_router(&m.t,
				    r);
				const struct trule *v = TABLE_REC(&m.t, rules,
				    struct trule, tr->rule_first);
				const struct trule *last = &v[tr->rule_n - 1];
				struct str text = table_str(&m.t, last->text);
				bool ok = last->op == TRULE_PATH ?
				    str_eq(p, text) : str_has_prefix(p, text);

				if (tr->rule_n == 2)
					ok &= str_eq(v[0].op == TRULE_HOST ?
					    h : d, table_str(&m.t,
					    v[0].text));
				if (!ok)
					continue;
				snprintf(name, sizeof(name), "r%u", r);
				want = name;
			}
			ck_assert_str_eq(found(&a), want);
		}
	end();
}
END_TEST

/* By itself: whether it matches, and which step decided. */
START_TEST(one_router_and_why)
{
	struct str hosts[] = { STR("a.test") };
	struct str prefixes[] = { STR("/x") };
	struct addr client = { { 0 } };
	struct route_request q = { .host = STR("a.test"),
	    .method = STR("GET"), .path = STR("/y"), .client = &client,
	    .header = next_header };
	bool members[2] = { false, false };
	struct trule both[2];
	uint32_t why;

	begin();
	both[0] = step(TRULE_HOST, "", "a.test");
	both[0].yes = 1;
	both[1] = step(TRULE_PATH_PREFIX, "", "/x");
	router("both", both, 2, hosts, 1, prefixes, 1);
	router("all", NULL, 0, NULL, 0, NULL, 0);
	finish();
	ck_assert_int_eq(route_try(&m.t, 0, &q, &why), 0);
	ck_assert_uint_eq(why, table_router(&m.t, 0)->rule_first + 1);
	q.path = STR("/x/1");
	ck_assert_int_eq(route_try(&m.t, 0, &q, &why), 1);
	q.host = STR("b.test");
	ck_assert_int_eq(route_try(&m.t, 0, &q, &why), 0);
	ck_assert_uint_eq(why, table_router(&m.t, 0)->rule_first);
	ck_assert_int_eq(route_try(&m.t, 1, &q, &why), 1);
	ck_assert_uint_eq(why, TNONE);
	route_members(&m.t, 0, members);
	ck_assert(members[0] && members[1]);
	route_members(&m.t, TNONE, members);
	end();
}
END_TEST

UNIT_MAIN("route", host_form, one_router_and_why, one_leaf, client_ip, priority_over_lists,
    known_hosts, programs, regexp_gives_up, query_too_long, nested_prefixes,
    index_hides_nothing)
