/* SPDX-License-Identifier: BSD-2-Clause */
/* A map from bytes to a pointer; see map.h. */
#include "map.h"

#include "alloc.h"
#include "hash.h"

#include <stdlib.h>

struct map_entry {
	struct map_entry *next;
	void *value;
	uint64_t hash;
	size_t n;
	char key[];
};

static struct map_entry **
find(const struct map *m, struct str key, uint64_t hash)
{
	struct map_entry **e = &m->v[hash & (m->cap - 1)];

	while (*e != NULL && ((*e)->hash != hash ||
	    !str_eq(str_n((*e)->key, (*e)->n), key)))
		e = &(*e)->next;
	return e;
}

void *
map_get(const struct map *m, struct str key)
{
	struct map_entry *e = m->cap == 0 ? NULL :
	    *find(m, key, hash_str(key, 0));

	return e != NULL ? e->value : NULL;
}

static void
grow(struct map *m)
{
	struct map_entry **old = m->v;
	unsigned cap = m->cap;

	m->cap = cap == 0 ? 16 : cap * 2;
	m->v = xcalloc(m->cap, sizeof(struct map_entry *));
	for (unsigned i = 0; i < cap; i++)
		while (old[i] != NULL) {
			struct map_entry *e = old[i];
			struct map_entry **to = &m->v[e->hash & (m->cap - 1)];

			old[i] = e->next;
			e->next = *to;
			*to = e;
		}
	free(old);
}

void **
map_at(struct map *m, struct str key)
{
	uint64_t hash = hash_str(key, 0);
	struct map_entry **at, *e;

	if (m->n >= m->cap)
		grow(m);
	at = find(m, key, hash);
	if (*at == NULL) {
		e = xcalloc(1, sizeof(*e) + key.n);
		e->hash = hash;
		e->n = key.n;
		if (key.n != 0)
			memcpy(e->key, key.p, key.n);
		*at = e;
		m->n++;
	}
	return &(*at)->value;
}

void *
map_take(struct map *m, struct str key)
{
	struct map_entry **at, *e;
	void *value;

	if (m->cap == 0)
		return NULL;
	at = find(m, key, hash_str(key, 0));
	if ((e = *at) == NULL)
		return NULL;
	*at = e->next;
	value = e->value;
	free(e);
	m->n--;
	return value;
}

void
map_each(const struct map *m, void (*fn)(void *arg, void *value), void *arg)
{
	for (unsigned i = 0; i < m->cap; i++)
		for (struct map_entry *e = m->v[i]; e != NULL; e = e->next)
			fn(arg, e->value);
}

void
map_fini(struct map *m)
{
	for (unsigned i = 0; i < m->cap; i++)
		while (m->v[i] != NULL) {
			struct map_entry *e = m->v[i];

			m->v[i] = e->next;
			free(e);
		}
	free(m->v);
	*m = (struct map){ NULL, 0, 0 };
}
