/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing rules: any text is parsed or refused with a message, and pushing the
 * negations down changes no verdict.
 */
#include "rule.h"

#include "hash.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether a leaf holds in the world number `seed`: depends on its text. */
static bool
holds(const struct rule *r, uint64_t seed)
{
	uint64_t h = hash_str(r->arg[0], seed + r->kind);

	if (r->nargs > 1)
		h = hash_str(r->arg[1], h);
	return h & 1;
}

static bool
verdict(const struct rule *r, uint64_t seed)
{
	switch (r->kind) {
	case RULE_NOT:
		return !verdict(r->a, seed);
	case RULE_AND:
		return verdict(r->a, seed) && verdict(r->b, seed);
	case RULE_OR:
		return verdict(r->a, seed) || verdict(r->b, seed);
	default:
		return holds(r, seed);
	}
}

/* After pushing, only leaves are negated, and once. */
static void
assert_pushed(const struct rule *r)
{
	if (r->kind == RULE_NOT)
		assert(r->a->kind > RULE_NOT);
	else if (r->kind < RULE_NOT) {
		assert_pushed(r->a);
		assert_pushed(r->b);
	}
}

static void
assert_leaves(const struct rule *r)
{
	if (r->kind <= RULE_NOT) {
		assert_leaves(r->a);
		if (r->kind != RULE_NOT)
			assert_leaves(r->b);
		return;
	}
	assert(r->nargs >= 1 && r->nargs <= 2 && r->cidr.bits <= 128);
	for (unsigned i = 0; i < r->nargs; i++)
		assert(r->arg[i].n != 0);
	if (r->kind == RULE_PATH || r->kind == RULE_PATH_PREFIX)
		assert(r->arg[0].p[0] == '/');
}

static void
on_host(void *arg, struct str host)
{
	unsigned *n = arg;

	assert(host.n != 0);
	for (size_t i = 0; i < host.n; i++)
		assert(host.p[i] == str_lower(host.p[i]));
	++*n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	char why[320];
	unsigned hosts = 0;
	struct rule *r, *pushed;

	arena_init(&a, 64 << 20);
	why[0] = '\0';
	r = rule_parse(&a, str_n(data, size), why, sizeof(why));
	if (r == NULL)
		assert(why[0] != '\0' && memchr(why, 0, sizeof(why)) != NULL);
	else {
		assert_leaves(r);
		rule_hosts(r, on_host, &hosts);
		pushed = rule_push_not(&a, r);
		assert(pushed != NULL);
		assert_pushed(pushed);
		for (uint64_t seed = 0; seed < 8; seed++)
			assert(verdict(r, seed) == verdict(pushed, seed));
	}
	arena_fini(&a);
	return 0;
}
