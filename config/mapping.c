/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings and merge keys; see mapping.h. */
#include "mapping.h"

#include "alloc.h"
#include "hash.h"

#include <stdlib.h>

#define MERGE_DEPTH	16

static uint32_t *
slot_of(const struct mapping_reader *r, const struct mapping *m, struct str key)
{
	uint32_t i = (uint32_t)(r->fold ? hash_casestr(key, 0) :
	    hash_str(key, 0)) & (m->nslots - 1);

	for (; m->slots[i] != 0; i = (i + 1) & (m->nslots - 1)) {
		struct str have = m->v[m->slots[i] - 1].key;

		if (r->fold ? str_caseeq(have, key) : str_eq(have, key))
			break;
	}
	return &m->slots[i];
}

static void
grow(const struct mapping_reader *r, struct mapping *m)
{
	m->cap = m->cap == 0 ? 8 : m->cap * 2;
	m->v = xreallocarray(m->v, m->cap, sizeof(*m->v));
	m->nslots = m->cap * 2;
	free(m->slots);
	m->slots = xcalloc(m->nslots, sizeof(*m->slots));
	for (unsigned i = 0; i < m->n; i++)
		*slot_of(r, m, m->v[i].key) = i + 1;
}

static const yaml_node_t *
node(const struct mapping_reader *r, yaml_node_item_t i)
{
	if (*r->budget == 0)
		return NULL;
	--*r->budget;
	return yaml_document_get_node(r->doc, i);
}

/* Entries from `level` on were added by the mapping at hand. */
static void
add(const struct mapping_reader *r, struct mapping *m, const yaml_node_t *k,
    const yaml_node_t *v, unsigned level)
{
	struct str key = str_n(k->data.scalar.value, k->data.scalar.length);
	uint32_t *slot;

	if (m->n == m->cap)
		grow(r, m);
	slot = slot_of(r, m, key);
	if (*slot == 0) {
		m->v[m->n] = (struct mapping_pair){ k, v, key };
		*slot = ++m->n;
	} else if (*slot > level)
		r->problem(r->arg, k, "stands here twice");
}

static bool
is_merge(const yaml_node_t *k)
{
	return k->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    str_eq(str_n(k->data.scalar.value, k->data.scalar.length),
	    STR("<<"));
}

static void gather(const struct mapping_reader *r, const yaml_node_t *map,
    struct mapping *m, unsigned depth);

static void
merge(const struct mapping_reader *r, const yaml_node_t *k,
    const yaml_node_t *v, struct mapping *m, unsigned depth)
{
	if (depth == MERGE_DEPTH) {
		r->problem(r->arg, k, "merges too deeply");
		return;
	}
	if (v->type == YAML_MAPPING_NODE) {
		gather(r, v, m, depth + 1);
		return;
	}
	if (v->type != YAML_SEQUENCE_NODE) {
		r->problem(r->arg, k, "needs a mapping or a list of them");
		return;
	}
	for (yaml_node_item_t *i = v->data.sequence.items.start;
	    i < v->data.sequence.items.top; i++) {
		const yaml_node_t *part = node(r, *i);

		if (part != NULL && part->type == YAML_MAPPING_NODE)
			gather(r, part, m, depth + 1);
		else if (part != NULL)
			r->problem(r->arg, k,
			    "needs a mapping or a list of them");
	}
}

static void
gather(const struct mapping_reader *r, const yaml_node_t *map,
    struct mapping *m, unsigned depth)
{
	const yaml_node_pair_t *from = map->data.mapping.pairs.start;
	const yaml_node_pair_t *to = map->data.mapping.pairs.top;
	unsigned level = m->n;

	/* What stands here wins over what is merged, wherever "<<" stands. */
	for (int pass = 0; pass < 2; pass++)
		for (const yaml_node_pair_t *p = from; p < to; p++) {
			const yaml_node_t *k = node(r, p->key);
			const yaml_node_t *v = node(r, p->value);

			if (k == NULL || v == NULL)
				return;
			if (k->type != YAML_SCALAR_NODE) {
				if (pass == 0)
					r->problem(r->arg, k,
					    "is no key: a text is expected");
			} else if (is_merge(k)) {
				if (pass == 1)
					merge(r, k, v, m, depth);
			} else if (pass == 0)
				add(r, m, k, v, level);
		}
}

void
mapping_gather(const struct mapping_reader *r, const yaml_node_t *map,
    struct mapping *ret)
{
	*ret = (struct mapping){ NULL, 0, 0, NULL, 0 };
	gather(r, map, ret, 0);
}

void
mapping_fini(struct mapping *m)
{
	free(m->v);
	free(m->slots);
}
