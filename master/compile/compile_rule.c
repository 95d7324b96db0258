/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules to jump programs, and what of a rule the index of a mux can use.
 *
 * A program is emitted from its last step to its first, so that the target of
 * each jump exists already: "a && b" emits b, then a with "yes" leading to b.
 * A negation only swaps the two ways out (De Morgan), so it costs no step.
 */
#include "compile_rule.h"

#include "alloc.h"

#include <stdlib.h>

struct emitter {
	struct compiler *c;
	struct trule *v;	/* in reverse order */
	uint32_t n, cap;
};

static uint32_t
emit_leaf(struct emitter *e, const struct rule *r, uint32_t yes, uint32_t no)
{
	static const uint8_t ops[RULE_KINDS] = {
		[RULE_HOST] = TRULE_HOST,
		[RULE_HOST_REGEXP] = TRULE_HOST_REGEXP,
		[RULE_PATH] = TRULE_PATH,
		[RULE_PATH_PREFIX] = TRULE_PATH_PREFIX,
		[RULE_PATH_REGEXP] = TRULE_PATH_REGEXP,
		[RULE_METHOD] = TRULE_METHOD,
		[RULE_HEADER] = TRULE_HEADER,
		[RULE_HEADER_REGEXP] = TRULE_HEADER_REGEXP,
		[RULE_QUERY] = TRULE_QUERY,
		[RULE_QUERY_REGEXP] = TRULE_QUERY_REGEXP,
		[RULE_CLIENT_IP] = TRULE_CLIENT_IP,
	};
	struct builder *b = e->c->b;
	struct str text = r->nargs != 0 ? r->arg[r->nargs - 1] : STR("");
	struct trule t = { .op = ops[r->kind], .yes = yes, .no = no,
	    .regexp = TNONE, .cidr = r->cidr };

	if (r->kind == RULE_HOST && str_eq(text, STR("*"))) {
		t.op = TRULE_TRUE;
		text = STR("");
	} else if (r->kind == RULE_HOST && str_has_prefix(text, STR("*."))) {
		t.op = TRULE_HOST_WILD;
		text = str_from(text, 2);
	}
	switch (r->kind) {
	case RULE_HEADER: case RULE_HEADER_REGEXP:
	case RULE_QUERY: case RULE_QUERY_REGEXP:
		t.name = build_str(b, r->arg[0]);
		/* With one argument a query asks for an empty value. */
		if (r->nargs < 2) {
			text = STR("");
			t.op = TRULE_QUERY;
		}
		break;
	default:
		t.name = build_str(b, STR(""));
	}
	t.text = build_str(b, text);
	if (t.op == TRULE_HOST_REGEXP || t.op == TRULE_PATH_REGEXP ||
	    t.op == TRULE_HEADER_REGEXP || t.op == TRULE_QUERY_REGEXP)
		t.regexp = compile_regexp(e->c, text);
	if (e->n == e->cap) {
		e->cap = e->cap == 0 ? 8 : e->cap * 2;
		e->v = xreallocarray(e->v, e->cap, sizeof(*e->v));
	}
	e->v[e->n] = t;
	return e->n++;
}

/* Returns the entry of the subtree, as an index in reverse order. */
static uint32_t
emit(struct emitter *e, const struct rule *r, uint32_t yes, uint32_t no)
{
	uint32_t second;

	switch (r->kind) {
	case RULE_NOT:
		return emit(e, r->a, no, yes);
	case RULE_AND:
		second = emit(e, r->b, yes, no);
		return emit(e, r->a, second, no);
	case RULE_OR:
		second = emit(e, r->b, yes, no);
		return emit(e, r->a, yes, second);
	default:
		return emit_leaf(e, r, yes, no);
	}
}

static uint32_t
forward(uint32_t target, uint32_t n)
{
	return target >= TRULE_ACCEPT ? target : n - 1 - target;
}

void
compile_rule(struct compiler *c, const struct rule *r, uint32_t *ret_first,
    uint32_t *ret_n)
{
	struct emitter e = { .c = c };

	(void)emit(&e, r, TRULE_ACCEPT, TRULE_REJECT);
	*ret_first = build_count(c->b, BUILD_RULES);
	*ret_n = e.n;
	for (uint32_t i = e.n; i-- > 0;) {
		struct trule t = e.v[i];

		t.yes = forward(t.yes, e.n);
		t.no = forward(t.no, e.n);
		(void)build_add(c->b, BUILD_RULES, &t);
	}
	free(e.v);
}

/* ---- The index ------------------------------------------------------------------------ */

static void
push(struct str_set *s, struct str item)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 8 : s->cap * 2;
		s->v = xreallocarray(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n++] = item;
}

typedef bool leaf_fn(const struct rule *r, struct str *ret);

static bool
host_leaf(const struct rule *r, struct str *ret)
{
	*ret = r->arg[0];
	return r->kind == RULE_HOST && !str_eq(r->arg[0], STR("*"));
}

static bool
prefix_leaf(const struct rule *r, struct str *ret)
{
	*ret = r->arg[0];
	return r->kind == RULE_PATH || r->kind == RULE_PATH_PREFIX;
}

static size_t
shortest(const struct str *v, unsigned n)
{
	size_t least = SIZE_MAX;

	for (unsigned i = 0; i < n; i++)
		if (v[i].n < least)
			least = v[i].n;
	return least;
}

/*
 * Appends texts of which a match needs at least one; false: it needs none, and
 * the set is as before. Either side of an "and" would do; fewer and longer
 * texts leave fewer candidates.
 */
static bool
demand(const struct rule *r, bool negated, leaf_fn *leaf, struct str_set *s)
{
	unsigned from = s->n, mid, na, nb;
	struct str text;
	bool a, b;

	if (r->kind == RULE_NOT)
		return demand(r->a, !negated, leaf, s);
	if (r->kind != RULE_AND && r->kind != RULE_OR) {
		if (negated || !leaf(r, &text))
			return false;
		push(s, text);
		return true;
	}
	a = demand(r->a, negated, leaf, s);
	mid = s->n;
	b = demand(r->b, negated, leaf, s);
	if ((r->kind == RULE_OR) != negated) {
		if (!a || !b)
			s->n = from;
		return a && b;
	}
	na = mid - from;
	nb = s->n - mid;
	if (!a || !b)
		return a || b;
	if (nb < na || (nb == na && shortest(s->v + mid, nb) >
	    shortest(s->v + from, na))) {
		memmove(s->v + from, s->v + mid, nb * sizeof(*s->v));
		s->n = from + nb;
	} else {
		s->n = mid;
	}
	return true;
}

#define INDEX_LINES_MAX	4096	/* of one router: hosts times prefixes */

void
compile_rule_index(const struct rule *r, struct str_set *hosts,
    struct str_set *prefixes)
{
	hosts->n = prefixes->n = 0;
	(void)demand(r, false, host_leaf, hosts);
	(void)demand(r, false, prefix_leaf, prefixes);
	/* Without them the router is only found more often than it must. */
	if ((size_t)hosts->n * prefixes->n > INDEX_LINES_MAX)
		prefixes->n = 0;
}

static void
collect(void *arg, struct str host)
{
	if (!str_eq(host, STR("*")))
		push(arg, host);
}

void
compile_rule_hosts(const struct rule *r, struct str_set *ret)
{
	ret->n = 0;
	rule_hosts(r, collect, ret);
}
