/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random rules through the whole way - parser, compiler, index, matcher -
 * against reading them one by one as they are written.
 */
#include "compile.h"
#include "load.h"
#include "route.h"
#include "rule.h"
#include "table.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define ROUTERS		30
#define TABLES		60

static uint64_t state = 88172645463325252;

static unsigned
pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 20) % n;
}

/* ---- Rules ---------------------------------------------------------------- */

static const char *const leaves[] = {
	"Host(`a.t`)", "Host(`b.t`)", "Host(`*.t`)", "Host(`*.a.t`)",
	"Host(`*`)", "HostRegexp(`^a`)", "HostRegexp(`t$`)", "Path(`/a`)",
	"Path(`/a/b`)", "Path(`/`)", "PathPrefix(`/`)", "PathPrefix(`/a`)",
	"PathPrefix(`/a/b`)", "PathPrefix(`/ab`)", "PathPrefix(`/a/b/c/d`)",
	"PathRegexp(`b$`)", "Method(`GET`)", "Method(`post`)",
	"Header(`X-A`, `1`)", "HeaderRegexp(`X-A`, `^[12]$`)",
	"Query(`k`, `v`)", "Query(`k`)", "QueryRegexp(`k`, `v`)",
	"ClientIP(`10.0.0.0/8`)",
};

static void
write_rule(struct buf *out, unsigned depth)
{
	unsigned how = depth == 0 ? 0 : pick(6);

	switch (how) {
	case 1:
		buf_putc(out, '!');
		buf_putc(out, '(');
		write_rule(out, depth - 1);
		buf_putc(out, ')');
		return;
	case 2:
	case 3:
		buf_putc(out, '(');
		write_rule(out, depth - 1);
		buf_puts(out, STR(" && "));
		write_rule(out, depth - 1);
		buf_putc(out, ')');
		return;
	case 4:
		buf_putc(out, '(');
		write_rule(out, depth - 1);
		buf_puts(out, STR(" || "));
		write_rule(out, depth - 1);
		buf_putc(out, ')');
		return;
	default:
		buf_printf(out, "%s%s", pick(5) == 0 ? "!" : "",
		    leaves[pick(ARRAY_SIZE(leaves))]);
	}
}

/* ---- Requests ---------------------------------------------------------------- */

struct request {
	const char *host, *path, *method, *header, *query, *client;
};

static const char *const hosts[] = { "a.t", "b.t", "x.t", "x.a.t", "t", "" };
static const char *const paths[] = { "/", "/a", "/a/b", "/ab", "/abc",
    "/a/b/c/d/e", "/b", "/c" };
static const char *const methods[] = { "GET", "POST" };
static const char *const headers[] = { NULL, "1", "2", "3" };
static const char *const queries[] = { "", "k=v", "k", "k=w", "k=xvx&k=" };
static const char *const clients[] = { "10.1.2.3", "11.0.0.1", "::1" };

static struct request
random_request(void)
{
	return (struct request){ hosts[pick(ARRAY_SIZE(hosts))],
	    paths[pick(ARRAY_SIZE(paths))], methods[pick(2)],
	    headers[pick(4)], queries[pick(5)], clients[pick(3)] };
}

static bool
next_header(void *arg, struct str name, const void **cursor, struct str *ret)
{
	const struct request *q = arg;

	if (*cursor != NULL || q->header == NULL || !str_caseeq(name,
	    STR("X-A")))
		return false;
	*cursor = q;
	*ret = str_c(q->header);
	return true;
}

/* A leaf in plain words; few patterns, so that none is needed to match them. */
static bool
leaf_holds(const struct rule *r, const struct request *q)
{
	struct str host = str_c(q->host), path = str_c(q->path);
	struct str arg = r->arg[r->nargs - 1];
	ptrdiff_t dot = str_chr(host, '.');
	struct addr client;

	switch (r->kind) {
	case RULE_HOST:
		if (str_eq(arg, STR("*")))
			return true;
		if (arg.p[0] == '*')
			return dot > 0 && str_eq(str_from(host, (size_t)dot),
			    str_from(arg, 1));
		return str_eq(host, arg);
	case RULE_HOST_REGEXP:
		return arg.p[0] == '^' ? host.n > 0 && host.p[0] == 'a' :
		    host.n > 0 && host.p[host.n - 1] == 't';
	case RULE_PATH:
		return str_eq(path, arg);
	case RULE_PATH_PREFIX:
		return str_has_prefix(path, arg);
	case RULE_PATH_REGEXP:
		return path.p[path.n - 1] == 'b';
	case RULE_METHOD:
		return str_eq(str_c(q->method), arg);
	case RULE_HEADER:
		return q->header != NULL && strcmp(q->header, "1") == 0;
	case RULE_HEADER_REGEXP:
		return q->header != NULL && strcmp(q->header, "3") != 0;
	case RULE_QUERY:
		return r->nargs == 2 ? strcmp(q->query, "k=v") == 0 :
		    strcmp(q->query, "k") == 0 ||
		    strcmp(q->query, "k=xvx&k=") == 0;
	case RULE_QUERY_REGEXP:
		return strchr(q->query, 'v') != NULL;
	case RULE_CLIENT_IP:
		(void)addr_parse(str_c(q->client), &client);
		return addr_is_v4(&client) && client.ip[12] == 10;
	default:
		ck_abort_msg("no leaf");
		return false;
	}
}

static bool
holds(const struct rule *r, const struct request *q)
{
	switch (r->kind) {
	case RULE_NOT:
		return !holds(r->a, q);
	case RULE_AND:
		return holds(r->a, q) && holds(r->b, q);
	case RULE_OR:
		return holds(r->a, q) || holds(r->b, q);
	default:
		return leaf_holds(r, q);
	}
}

/* ---- Tables -------------------------------------------------------------------- */

struct expected { char name[16]; struct rule *rule; int64_t priority; };

/* Higher priority, then the smaller name. */
static const struct expected *
expect(const struct expected *v, const struct request *q)
{
	const struct expected *best = NULL;

	for (unsigned i = 0; i < ROUTERS; i++)
		if (holds(v[i].rule, q) && (best == NULL ||
		    v[i].priority > best->priority ||
		    (v[i].priority == best->priority &&
		    strcmp(v[i].name, best->name) < 0)))
			best = &v[i];
	return best;
}

static void
ask(const struct table *t, const struct expected *v, const char *text)
{
	struct request q = random_request();
	const struct expected *want = expect(v, &q);
	struct addr client;
	struct route_request rq = { .host = str_c(q.host),
	    .method = str_c(q.method), .path = str_c(q.path),
	    .query = str_c(q.query), .client = &client,
	    .header = next_header, .arg = &q };
	struct route_match m;
	struct str got;

	(void)addr_parse(str_c(q.client), &client);
	ck_assert_int_eq(route_find(t, table_entry_point(t, 0)->plain_mux, &rq,
	    &m), 0);
	got = m.router == TNONE ? STR("") : table_str(t, table_router(t,
	    m.router)->name);
	ck_assert_msg(str_eq(got, str_c(want != NULL ? want->name : "")),
	    "%s %s %s?%s: got \"%.*s\", want \"%s\"\n%s", q.method, q.host,
	    q.path, q.query, STR_ARG(got), want != NULL ? want->name : "",
	    text);
}

static void
one_table(void)
{
	static const struct compile_env env;
	struct expected v[ROUTERS];
	struct buf text = BUF_INIT;
	struct diags d = { 0 };
	struct config *c;
	struct world_part part;
	struct world *w;
	struct compiled out;
	struct table t;
	const char *why = "";

	buf_puts(&text, STR("entryPoints: {web: {address: ':80'}}\n"
	    "http:\n  services: {s: {loadBalancer: {}}}\n  routers:\n"));
	for (unsigned i = 0; i < ROUTERS; i++) {
		v[i].priority = 1 + pick(20);
		snprintf(v[i].name, sizeof(v[i].name), "r%u@file", i);
		buf_printf(&text, "    r%u: {service: s, priority: %d, rule: '",
		    i, (int)v[i].priority);
		write_rule(&text, pick(5));
		buf_puts(&text, STR("'}\n"));
	}
	ck_assert_int_eq(config_load_text("t", buf_str(&text), &c, &d), 0);
	ck_assert_uint_eq(d.n, 0);
	for (unsigned i = 0; i < ROUTERS; i++)
		v[i].rule = c->dynamic.routers.v[i].rule;
	part = (struct world_part){ &c->dynamic, "file" };
	w = world_make(c, &part, 1, &d);
	compile_world(w, 1, &env, &d, &out);
	ck_assert_msg(table_check(out.image.p, out.image.n, &t, &why) == 0,
	    "%s", why);
	for (unsigned i = 0; i < 300; i++)
		ask(&t, v, buf_cstr(&text));
	compiled_fini(&out);
	world_free(w);
	config_free(c);
	diags_fini(&d);
	buf_fini(&text);
}

START_TEST(random_tables)
{
	for (unsigned i = 0; i < TABLES; i++)
		one_table();
}
END_TEST

UNIT_MAIN("rule_program", random_tables)
