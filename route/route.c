/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the router of a request; see route.h and struct tmux in table.h. */
#include "route.h"

#include "hash.h"
#include "path.h"
#include "query.h"
#include "regexp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- Regular expressions, by text, for the life of the process ----------- */

struct cached { struct cached *next; struct regexp *re; size_t n; char text[]; };
static struct cached *cache[256];

const struct regexp *
route_regexp(const struct table *t, uint32_t i)
{
	struct str text = table_str(t, TABLE_REC(t, regexps, struct tregexp,
	    i)->text);
	struct cached **at = &cache[hash_str(text, 0) & 255], *c;
	char why[128];

	for (c = *at; c != NULL; c = c->next)
		if (str_eq(text, str_n(c->text, c->n)))
			return c->re;
	if ((c = malloc(sizeof(*c) + text.n)) == NULL)
		return NULL;
	memcpy(c->text, text.p, text.n);
	c->n = text.n;
	c->re = regexp_new(text, why, sizeof(why));
	c->next = *at;
	*at = c;
	return c->re;
}

/* ---- Hosts ------------------------------------------------------------------ */

struct str
route_host(struct str host, char out[256])
{
	ptrdiff_t at;
	size_t n;

	host = str_trim(host);
	if (host.n > 0 && host.p[0] == '[') {
		at = str_chr(host, ']');
		host = at > 0 ? str_n(host.p + 1, (size_t)at - 1) : host;
	} else if ((at = str_chr(host, ':')) >= 0 &&
	    str_rchr(host, ':') == at)
		host = str_head(host, (size_t)at);
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	n = host.n < 255 ? host.n : 255;
	for (size_t i = 0; i < n; i++)
		out[i] = str_lower(host.p[i]);
	return str_n(out, n);
}

static const struct thost *
host_find(const struct table *t, struct tvec slots, struct tvec hosts,
    struct str name)
{
	const uint32_t *v = TABLE_VEC(t, slots, uint32_t);
	const struct thost *h = TABLE_VEC(t, hosts, struct thost);
	uint32_t i = (uint32_t)hash_str(name, 0) & (slots.n - 1);

	if (slots.n == 0)
		return NULL;
	for (; v[i] != 0; i = (i + 1) & (slots.n - 1))
		if (str_eq(table_str(t, h[v[i] - 1].name), name))
			return &h[v[i] - 1];
	return NULL;
}

/* The part that "*.d" compares: behind the first, non-empty label. */
static struct str
parent_domain(struct str host)
{
	ptrdiff_t dot = str_chr(host, '.');

	return dot > 0 ? str_from(host, (size_t)dot + 1) : STR_NONE;
}

/* ---- Prefixes ------------------------------------------------------------------ */

/* The longest prefix of the path that the host knows; [0] always is one. */
static uint32_t
prefix_find(const struct table *t, const struct thost *h, struct str path)
{
	const struct tprefix *v = TABLE_VEC(t, h->prefixes, struct tprefix);
	uint32_t lo = 0, hi = h->prefixes.n, i;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (str_cmp(table_str(t, v[mid].text), path) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	/* The greatest text not above the path, or a parent of it. */
	for (i = lo; i != 0; i = v[i].parent)
		if (str_has_prefix(path, table_str(t, v[i].text)))
			break;
	return i;
}

/* ---- Rules ----------------------------------------------------------------------- */

struct match {
	const struct table *t;
	const struct route_request *q;
	struct str host;
};

static int
regexp_test(const struct match *m, const struct trule *r, struct str subject)
{
	const struct regexp *re = route_regexp(m->t, r->regexp);

	return re == NULL ? -E2BIG : regexp_exec(re, subject, 0, NULL);
}

static int
test_header(const struct match *m, const struct trule *r)
{
	struct str name = table_str(m->t, r->name), value;
	const void *cursor = NULL;

	while (m->q->header(m->q->arg, name, &cursor, &value)) {
		int hit = r->op == TRULE_HEADER ?
		    str_eq(value, table_str(m->t, r->text)) :
		    regexp_test(m, r, value);

		if (hit != 0)
			return hit;
	}
	return 0;
}

static int
test_query(const struct match *m, const struct trule *r)
{
	struct str key = table_str(m->t, r->name), rest = m->q->query;
	static char name[REGEXP_SUBJECT_MAX], value[REGEXP_SUBJECT_MAX];
	struct str k, v;

	/* A pair that does not fit must not look like one that is not there. */
	if (rest.n > sizeof(value))
		return -E2BIG;
	while (query_next(&rest, name, value, sizeof(name), &k, &v)) {
		int hit;

		if (!str_eq(k, key))
			continue;
		hit = r->op == TRULE_QUERY ?
		    str_eq(v, table_str(m->t, r->text)) : regexp_test(m, r, v);
		if (hit != 0)
			return hit;
	}
	return 0;
}

static int
rule_test(const struct match *m, const struct trule *r)
{
	const struct route_request *q = m->q;
	struct str text = table_str(m->t, r->text);

	switch ((enum trule_op)r->op) {
	case TRULE_TRUE:
		return 1;
	case TRULE_HOST:
		return m->host.n != 0 && str_eq(m->host, text);
	case TRULE_HOST_WILD:
		return text.n != 0 && str_eq(parent_domain(m->host), text);
	case TRULE_HOST_REGEXP:
		return regexp_test(m, r, m->host);
	case TRULE_PATH:
		return str_eq(q->path, text);
	case TRULE_PATH_PREFIX:
		return str_has_prefix(q->path, text);
	case TRULE_PATH_REGEXP:
		return regexp_test(m, r, q->path);
	case TRULE_METHOD:
		return str_eq(q->method, text);
	case TRULE_HEADER:
	case TRULE_HEADER_REGEXP:
		return test_header(m, r);
	case TRULE_QUERY:
	case TRULE_QUERY_REGEXP:
		return test_query(m, r);
	case TRULE_CLIENT_IP:
		return cidr_has(&r->cidr, q->client);
	case TRULE_OPS:
		break;
	}
	return 0;
}

/*
 * Runs a rule's program; table_check() has proved that it ends. *ret_last is
 * the step that decided.
 */
static int
rule_run(const struct match *m, const struct trouter *router,
    uint32_t *ret_last)
{
	const struct trule *v = TABLE_REC(m->t, rules, struct trule,
	    router->rule_first);
	uint32_t pc = router->rule_n == 0 ? TRULE_ACCEPT : 0;

	while (pc < TRULE_ACCEPT) {
		int hit = rule_test(m, &v[pc]);

		*ret_last = pc;
		if (hit < 0)
			return hit;
		pc = hit != 0 ? v[pc].yes : v[pc].no;
	}
	return pc == TRULE_ACCEPT;
}

/* ---- Candidates -------------------------------------------------------------------- */

/*
 * Lists of router indexes to be merged: one per matching prefix of the exact
 * host, of its wildcard and of rules without a host. None can be left out, or a
 * broader router would take its place.
 */
#define LISTS_MAX	(3 * TPREFIX_DEPTH)
struct lists {
	struct { const uint32_t *v; uint32_t n; } l[LISTS_MAX];
	unsigned n;
};

static void
lists_add(struct lists *ls, const struct table *t, const struct thost *h,
    struct str path)
{
	const struct tprefix *v;
	uint32_t i;

	if (h == NULL)
		return;
	v = TABLE_VEC(t, h->prefixes, struct tprefix);
	for (i = prefix_find(t, h, path); i != TNONE; i = v[i].parent)
		if (v[i].routers.n != 0) {
			assert(ls->n < LISTS_MAX);	/* table_check() */
			ls->l[ls->n].v = TABLE_VEC(t, v[i].routers, uint32_t);
			ls->l[ls->n++].n = v[i].routers.n;
		}
}

/* The smallest index left, which is the highest priority; TNONE at the end. */
static uint32_t
lists_next(struct lists *ls)
{
	uint32_t best = TNONE;

	for (unsigned i = 0; i < ls->n; i++)
		if (ls->l[i].n != 0 && ls->l[i].v[0] < best)
			best = ls->l[i].v[0];
	for (unsigned i = 0; i < ls->n; i++)
		if (ls->l[i].n != 0 && ls->l[i].v[0] == best) {
			ls->l[i].v++;
			ls->l[i].n--;
		}
	return best;
}

static uint32_t
head_max(const struct table *t, const struct thost *h)
{
	const struct tprefix *v;
	uint32_t max = 0;

	if (h == NULL)
		return 0;
	v = TABLE_VEC(t, h->prefixes, struct tprefix);
	for (uint32_t i = 0; i < h->prefixes.n; i++) {
		const uint32_t *r = TABLE_VEC(t, v[i].routers, uint32_t);

		for (uint32_t k = 0; k < v[i].routers.n; k++)
			if (table_router(t, r[k])->max_header_bytes > max)
				max = table_router(t, r[k])->max_header_bytes;
	}
	return max;
}

uint32_t
route_head_max(const struct table *t, uint32_t mux_i, struct str name)
{
	const struct tmux *mux;
	char text[256];
	struct str host = route_host(name, text);
	uint32_t max[3] = { 0 };

	if (mux_i == TNONE)
		return 0;
	mux = TABLE_REC(t, muxes, struct tmux, mux_i);
	max[0] = head_max(t, host_find(t, mux->host_slots, mux->hosts, host));
	max[1] = head_max(t, host_find(t, mux->wild_slots, mux->wild_hosts,
	    parent_domain(host)));
	if (mux->any.n != 0)
		max[2] = head_max(t, TABLE_VEC(t, mux->any, struct thost));
	max[0] = max[0] > max[1] ? max[0] : max[1];
	return max[0] > max[2] ? max[0] : max[2];
}

int
route_find(const struct table *t, uint32_t mux_i, const struct route_request *q,
    struct route_match *ret)
{
	const struct tmux *mux;
	const struct thost *exact, *wild;
	struct lists ls = { .n = 0 };
	char host[256];
	struct match m = { t, q, route_host(q->host, host) };
	uint32_t i, last;
	int hit;

	*ret = (struct route_match){ .router = TNONE };
	if (mux_i == TNONE)
		return 0;
	mux = TABLE_REC(t, muxes, struct tmux, mux_i);
	exact = host_find(t, mux->host_slots, mux->hosts, m.host);
	wild = host_find(t, mux->wild_slots, mux->wild_hosts,
	    parent_domain(m.host));
	ret->host_known = exact != NULL || wild != NULL;
	lists_add(&ls, t, exact, q->path);
	lists_add(&ls, t, wild, q->path);
	if (mux->any.n != 0)
		lists_add(&ls, t, TABLE_VEC(t, mux->any, struct thost),
		    q->path);
	while ((i = lists_next(&ls)) != TNONE) {
		hit = rule_run(&m, table_router(t, i), &last);
		if (hit < 0)
			return hit;
		if (hit > 0) {
			ret->router = i;
			return 0;
		}
	}
	return 0;
}

/* ---- For one router ------------------------------------------------------------------ */

int
route_try(const struct table *t, uint32_t router,
    const struct route_request *q, uint32_t *ret_step)
{
	const struct trouter *r = table_router(t, router);
	char host[256];
	struct match m = { t, q, route_host(q->host, host) };
	uint32_t last = TNONE;
	int hit = rule_run(&m, r, &last);

	*ret_step = last == TNONE ? TNONE : r->rule_first + last;
	return hit;
}

static void
mark_members(const struct table *t, struct tvec hosts, bool *members)
{
	const struct thost *h = TABLE_VEC(t, hosts, struct thost);

	for (uint32_t i = 0; i < hosts.n; i++) {
		const struct tprefix *p = TABLE_VEC(t, h[i].prefixes,
		    struct tprefix);

		for (uint32_t k = 0; k < h[i].prefixes.n; k++)
			for (uint32_t n = 0; n < p[k].routers.n; n++)
				members[TABLE_VEC(t, p[k].routers,
				    uint32_t)[n]] = true;
	}
}

void
route_members(const struct table *t, uint32_t mux_i, bool *members)
{
	const struct tmux *mux;

	if (mux_i == TNONE)
		return;
	mux = TABLE_REC(t, muxes, struct tmux, mux_i);
	mark_members(t, mux->hosts, members);
	mark_members(t, mux->wild_hosts, members);
	mark_members(t, mux->any, members);
}

/* ---- Other readings of a path ---------------------------------------------------------- */

int
route_readings(struct arena *a, const struct table *t, uint32_t mux,
    const struct route_request *q, struct str path,
    const struct trouter *router)
{
	struct route_request other = *q;
	struct str ways[PATH_READINGS];
	struct route_match m;
	int n = path_readings(a, path, ways);

	for (int i = 0; i < n; i++) {
		int r;

		other.path = path_routing(a, ways[i]);
		r = other.path.p == NULL ? -EBADMSG :
		    route_find(t, mux, &other, &m);
		if (r < 0)
			return r;
		if (m.router != TNONE && table_router(t,
		    m.router)->access_policy != router->access_policy)
			return -EACCES;
	}
	return n < 0 ? n : 0;
}
