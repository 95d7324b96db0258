/* SPDX-License-Identifier: BSD-2-Clause */
/* YAML documents from events; see document.h. */
#include "document.h"

#include "alloc.h"
#include "hash.h"

#include <stdlib.h>

struct frame {
	int node;
	int key;	/* of a mapping, 0 until it was read */
	bool mapping;
};

struct anchor { char *name; int node; };

struct composer {
	yaml_document_t *doc;
	struct document_problem *problem;
	struct frame stack[DOCUMENT_DEPTH];
	unsigned depth;
	struct anchor *anchors;		/* by hash; slots are a power of two */
	unsigned nanchors, slots;
};

/* ---- Anchors ---------------------------------------------------------------- */

static struct anchor *
anchor_slot(const struct composer *c, const char *name)
{
	uint32_t i = (uint32_t)hash_str(str_c(name), 0) & (c->slots - 1);

	while (c->anchors[i].name != NULL &&
	    strcmp(c->anchors[i].name, name) != 0)
		i = (i + 1) & (c->slots - 1);
	return &c->anchors[i];
}

static void
anchors_grow(struct composer *c)
{
	struct anchor *old = c->anchors;
	unsigned n = c->slots;

	c->slots = n == 0 ? 16 : n * 2;
	c->anchors = xcalloc(c->slots, sizeof(*c->anchors));
	for (unsigned i = 0; i < n; i++)
		if (old[i].name != NULL)
			*anchor_slot(c, old[i].name) = old[i];
	free(old);
}

static void
anchor_set(struct composer *c, const yaml_char_t *text, int node)
{
	const char *name = (const char *)text;
	struct anchor *a;

	if (name == NULL)
		return;
	if ((c->nanchors + 1) * 2 > c->slots)
		anchors_grow(c);
	a = anchor_slot(c, name);
	if (a->name == NULL) {
		a->name = xstrdup(name);
		c->nanchors++;
	}
	a->node = node;
}

static void
anchors_free(struct composer *c)
{
	for (unsigned i = 0; i < c->slots; i++)
		free(c->anchors[i].name);
	free(c->anchors);
}

/* ---- Nodes --------------------------------------------------------------------- */

static bool
bad(struct composer *c, const char *what, yaml_mark_t at)
{
	*c->problem = (struct document_problem){ what, at };
	return false;
}

/* Puts a node where it belongs; the first one is the root. */
static bool
attach(struct composer *c, int node, yaml_mark_t at)
{
	struct frame *f = c->depth > 0 ? &c->stack[c->depth - 1] : NULL;
	int ok = 1;

	if (node == 0)
		return bad(c, "out of memory", at);
	if (f == NULL)
		return true;
	if (!f->mapping)
		ok = yaml_document_append_sequence_item(c->doc, f->node, node);
	else if (f->key == 0)
		f->key = node;
	else {
		ok = yaml_document_append_mapping_pair(c->doc, f->node, f->key,
		    node);
		f->key = 0;
	}
	return ok == 1 || bad(c, "out of memory", at);
}

static void
set_marks(struct composer *c, int node, const yaml_event_t *e)
{
	yaml_node_t *n = yaml_document_get_node(c->doc, node);

	if (n != NULL) {
		n->start_mark = e->start_mark;
		n->end_mark = e->end_mark;
	}
}

static bool
open_node(struct composer *c, int node, const yaml_char_t *anchor,
    const yaml_event_t *e)
{
	set_marks(c, node, e);
	if (!attach(c, node, e->start_mark))
		return false;
	if (c->depth == DOCUMENT_DEPTH)
		return bad(c, "nested too deeply", e->start_mark);
	anchor_set(c, anchor, node);
	c->stack[c->depth++] = (struct frame){ .node = node,
	    .mapping = e->type == YAML_MAPPING_START_EVENT };
	return true;
}

static bool
alias(struct composer *c, const yaml_event_t *e)
{
	const struct anchor *a = c->slots == 0 ? NULL : anchor_slot(c,
	    (const char *)e->data.alias.anchor);

	if (a == NULL || a->name == NULL)
		return bad(c, "found undefined alias", e->start_mark);
	return attach(c, a->node, e->start_mark);
}

static bool
on_event(struct composer *c, const yaml_event_t *e)
{
	int node;

	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return alias(c, e);
	case YAML_SCALAR_EVENT:
		node = yaml_document_add_scalar(c->doc, NULL,
		    e->data.scalar.value, (int)e->data.scalar.length,
		    e->data.scalar.style);
		set_marks(c, node, e);
		anchor_set(c, e->data.scalar.anchor, node);
		return attach(c, node, e->start_mark);
	case YAML_SEQUENCE_START_EVENT:
		node = yaml_document_add_sequence(c->doc, NULL,
		    e->data.sequence_start.style);
		return open_node(c, node, e->data.sequence_start.anchor, e);
	case YAML_MAPPING_START_EVENT:
		node = yaml_document_add_mapping(c->doc, NULL,
		    e->data.mapping_start.style);
		return open_node(c, node, e->data.mapping_start.anchor, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		c->depth--;
		return true;
	default:
		return true;
	}
}

enum document_result
document_read(yaml_parser_t *p, yaml_document_t *ret,
    struct document_problem *problem)
{
	struct composer c = { .doc = ret, .problem = problem };
	enum document_result result = DOCUMENT_OK;
	yaml_event_type_t type;
	yaml_event_t e;

	if (!yaml_document_initialize(ret, NULL, NULL, NULL, 1, 1)) {
		(void)bad(&c, "out of memory", (yaml_mark_t){ 0, 0, 0 });
		return DOCUMENT_BAD;
	}
	do {
		if (!yaml_parser_parse(p, &e)) {
			result = DOCUMENT_NOT_YAML;
			break;
		}
		type = e.type;
		if (type == YAML_STREAM_END_EVENT)
			result = DOCUMENT_END;
		else if (!on_event(&c, &e))
			result = DOCUMENT_BAD;
		yaml_event_delete(&e);
	} while (result == DOCUMENT_OK && type != YAML_DOCUMENT_END_EVENT);
	anchors_free(&c);
	if (result != DOCUMENT_OK)
		yaml_document_delete(ret);
	return result;
}
