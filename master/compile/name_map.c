/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to number; see name_map.h. */
#include "name_map.h"

#include "alloc.h"
#include "hash.h"

#include <stdlib.h>

struct name_slot {
	char *name;		/* NULL: free */
	size_t n;
	uint64_t hash;
	uint32_t value;
};

void
names_fini(struct names *m)
{
	for (uint32_t i = 0; i < m->cap && !m->borrows; i++)
		free(m->v[i].name);
	free(m->v);
	*m = (struct names){ .v = NULL };
}

static struct name_slot *
slot_of(const struct names *m, struct str name, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct name_slot *s = &m->v[i];

		if (s->name == NULL || (s->hash == hash &&
		    str_eq(str_n(s->name, s->n), name)))
			return s;
	}
}

uint32_t
names_get(const struct names *m, struct str name)
{
	const struct name_slot *s;

	if (m->cap == 0)
		return NAMES_NONE;
	s = slot_of(m, name, hash_str(name, 0));
	return s->name != NULL ? s->value : NAMES_NONE;
}

static void
resize(struct names *m, uint32_t cap)
{
	struct names old = *m;

	m->cap = cap;
	m->v = xcalloc(m->cap, sizeof(*m->v));
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.v[i].name != NULL)
			*slot_of(m, str_n(old.v[i].name, old.v[i].n),
			    old.v[i].hash) = old.v[i];
	free(old.v);
}

void
names_expect(struct names *m, uint32_t more)
{
	uint32_t cap = m->cap == 0 ? 64 : m->cap;

	while (cap / 2 <= m->n + more && cap < 1u << 30)
		cap *= 2;
	if (cap != m->cap)
		resize(m, cap);
}

uint32_t
names_add(struct names *m, struct str name, uint32_t value)
{
	uint64_t hash = hash_str(name, 0);
	struct name_slot *s;

	if (m->n >= m->cap / 2)
		resize(m, m->cap == 0 ? 64 : m->cap * 2);
	s = slot_of(m, name, hash);
	if (s->name != NULL)
		return s->value;
	if (m->borrows)
		s->name = (char *)(size_t)name.p;
	else
		s->name = xmalloc(name.n + 1);
	if (!m->borrows && name.n != 0)
		memcpy(s->name, name.p, name.n);
	s->n = name.n;
	s->hash = hash;
	s->value = value;
	m->n++;
	return value;
}

/* ---- Registry ------------------------------------------------------------ */

struct registry_use {
	char *name;		/* NULL: the number is free */
	size_t n;
	uint64_t round;
};

void
registry_init(struct registry *r, uint32_t max)
{
	*r = (struct registry){ .max = max };
}

void
registry_fini(struct registry *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		free(r->use[i].name);
	free(r->use);
	free(r->free);
	names_fini(&r->names);
}

void
registry_begin(struct registry *r)
{
	r->round++;
}

/* There are numbers below n. */
static void
reach(struct registry *r, uint32_t n)
{
	if (n <= r->n)
		return;
	if (n > r->cap) {
		r->cap = n > 2 * r->cap ? n : 2 * r->cap;
		r->use = xreallocarray(r->use, r->cap, sizeof(*r->use));
	}
	memset(&r->use[r->n], 0, (n - r->n) * sizeof(*r->use));
	r->n = n;
}

static uint32_t
take(struct registry *r, struct str name, uint32_t i)
{
	r->use[i].name = xmalloc(name.n + 1);
	memcpy(r->use[i].name, name.p, name.n);
	r->use[i].n = name.n;
	r->use[i].round = r->round;
	return names_add(&r->names, name, i);
}

uint32_t
registry_get(struct registry *r, struct str name, bool *ret_new)
{
	uint32_t i = names_get(&r->names, name);

	*ret_new = i == NAMES_NONE;
	if (i != NAMES_NONE) {
		r->use[i].round = r->round;
		return i;
	}
	if (r->nfree != 0) {
		i = r->free[--r->nfree];
	} else if (r->n < r->max) {
		i = r->n;
		reach(r, i + 1);
	} else {
		return NAMES_NONE;
	}
	return take(r, name, i);
}

bool
registry_name(const struct registry *r, uint32_t i, struct str *ret)
{
	if (i >= r->n || r->use[i].name == NULL)
		return false;
	*ret = str_n(r->use[i].name, r->use[i].n);
	return true;
}

void
registry_set(struct registry *r, struct str name, uint32_t i)
{
	uint32_t was = r->n;

	if (i >= r->max || names_get(&r->names, name) != NAMES_NONE ||
	    (i < r->n && r->use[i].name != NULL))
		return;
	reach(r, i + 1);
	/* What was passed over can be given to others, but this cannot. */
	r->free = xreallocarray(r->free, r->n, sizeof(*r->free));
	for (uint32_t k = was; k < i; k++)
		r->free[r->nfree++] = k;
	for (uint32_t k = 0; k < r->nfree; k++)
		if (r->free[k] == i)
			r->free[k--] = r->free[--r->nfree];
	(void)take(r, name, i);
}

void
registry_sweep(struct registry *r)
{
	uint32_t dead = 0;

	for (uint32_t i = 0; i < r->n; i++)
		dead += r->use[i].name != NULL &&
		    r->use[i].round + 2 < r->round;
	/* Open addressing has no cheap removal: the map is made again. */
	if (dead == 0 || dead < r->n / 8)
		return;
	names_fini(&r->names);
	r->free = xreallocarray(r->free, r->n, sizeof(*r->free));
	for (uint32_t i = 0; i < r->n; i++) {
		struct registry_use *u = &r->use[i];

		if (u->name == NULL)
			continue;
		if (u->round + 2 < r->round) {
			free(u->name);
			u->name = NULL;
			r->free[r->nfree++] = i;
		} else {
			(void)names_add(&r->names, str_n(u->name, u->n), i);
		}
	}
}
