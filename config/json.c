/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading JSON by the schema; see json.h. The values become a document of
 * libyaml, whose marks number its nodes, and the reader walks that.
 */
#include "json.h"

#include "alloc.h"
#include "reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define DEPTH_MAX	64
#define NODES_MAX	1000000

/* Where a node stands: below which, under which key or index. */
struct at {
	unsigned parent;	/* of itself: the root */
	const char *key;	/* NULL: in a list */
	unsigned index;
};

struct maker {
	yaml_document_t doc;
	struct arena *a;
	const char *origin, *path;
	struct at *at;
	unsigned n, cap;
	bool failed;
};

static void
put_path(const struct maker *m, unsigned i, struct buf *out)
{
	const struct at *at = &m->at[i];

	if (at->parent == i) {
		buf_puts(out, str_c(m->path));
		return;
	}
	put_path(m, at->parent, out);
	if (at->key == NULL)
		buf_printf(out, "[%u]", at->index);
	else
		buf_printf(out, "%s%.*s", out->n != 0 ? "." : "",
		    STR_ARG(str_head(str_c(at->key), 128)));
}

static struct place
place_of(void *arg, size_t index)
{
	const struct maker *m = arg;
	struct buf path = BUF_INIT;
	struct str s;

	if (m->n == 0 || (index == 0 && m->path[0] == '\0'))
		return (struct place){ .file = m->origin };
	put_path(m, (unsigned)index, &path);
	s = arena_printf(m->a, "%s: %.*s", m->origin, STR_ARG(buf_str(&path)));
	buf_fini(&path);
	return (struct place){ .file = s.p != NULL ? s.p : m->origin };
}

static unsigned
new_at(struct maker *m, unsigned parent, const char *key, unsigned index)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 32 : m->cap * 2;
		m->at = xreallocarray(m->at, m->cap, sizeof(*m->at));
	}
	m->at[m->n] = (struct at){ parent, key, index };
	return m->n++;
}

static int
mark(struct maker *m, int node, unsigned at)
{
	yaml_node_t *n = node != 0 ? yaml_document_get_node(&m->doc, node) :
	    NULL;

	if (n == NULL)
		m->failed = true;
	else
		n->start_mark.index = at;
	return node;
}

static int
text(struct maker *m, unsigned at, const char *p, size_t n, bool plain)
{
	return mark(m, yaml_document_add_scalar(&m->doc, NULL,
	    (const yaml_char_t *)(p != NULL ? p : ""), (int)n, plain ?
	    YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE), at);
}

static int
scalar(struct maker *m, unsigned at, const json_t *v)
{
	char number[40];
	int n;

	switch (json_typeof(v)) {
	case JSON_STRING:
		return text(m, at, json_string_value(v),
		    json_string_length(v), false);
	case JSON_INTEGER:
		n = snprintf(number, sizeof(number), "%lld",
		    (long long)json_integer_value(v));
		return text(m, at, number, (size_t)n, true);
	case JSON_REAL:
		n = snprintf(number, sizeof(number), "%.17g",
		    json_real_value(v));
		return text(m, at, number, (size_t)n, true);
	case JSON_TRUE:
		return text(m, at, "true", 4, true);
	case JSON_FALSE:
		return text(m, at, "false", 5, true);
	default:
		return text(m, at, "null", 4, true);
	}
}

static int add(struct maker *m, const json_t *v, unsigned at, unsigned depth);

static int
add_object(struct maker *m, const json_t *v, unsigned at, unsigned depth)
{
	int map = mark(m, yaml_document_add_mapping(&m->doc, NULL,
	    YAML_FLOW_MAPPING_STYLE), at);
	const char *key;
	json_t *c;

	json_object_foreach((json_t *)(size_t)v, key, c) {
		unsigned child = new_at(m, at, key, 0);
		int k = text(m, child, key, strlen(key), false);
		int value = add(m, c, child, depth + 1);

		if (m->failed || !yaml_document_append_mapping_pair(&m->doc,
		    map, k, value)) {
			m->failed = true;
			break;
		}
	}
	return map;
}

static int
add_list(struct maker *m, const json_t *v, unsigned at, unsigned depth)
{
	int list = mark(m, yaml_document_add_sequence(&m->doc, NULL,
	    YAML_FLOW_SEQUENCE_STYLE), at);
	size_t i;
	json_t *c;

	json_array_foreach(v, i, c) {
		unsigned child = new_at(m, at, NULL, (unsigned)i);
		int value = add(m, c, child, depth + 1);

		if (m->failed || !yaml_document_append_sequence_item(&m->doc,
		    list, value)) {
			m->failed = true;
			break;
		}
	}
	return list;
}

static int
add(struct maker *m, const json_t *v, unsigned at, unsigned depth)
{
	if (depth > DEPTH_MAX || m->n > NODES_MAX) {
		m->failed = true;
		return 0;
	}
	if (json_is_object(v))
		return add_object(m, v, at, depth);
	if (json_is_array(v))
		return add_list(m, v, at, depth);
	return scalar(m, at, v);
}

int
json_read(const struct schema *s, struct arena *a, const char *origin,
    const char *path, const json_t *value, void *obj, struct diags *d)
{
	struct str kept = arena_printf(a, "%s", origin);
	struct maker m = { .a = a, .path = path };
	int r;

	m.origin = kept.p != NULL ? kept.p : "";
	if (!yaml_document_initialize(&m.doc, NULL, NULL, NULL, 1, 1))
		return -ENOMEM;
	if (value != NULL)
		(void)add(&m, value, new_at(&m, 0, NULL, 0), 0);
	if (m.failed) {
		yaml_document_delete(&m.doc);
		diag_add(d, DIAG_FILE, place_of(&m, 0), NULL, "the value is "
		    "nested too deeply, too large, or no text in UTF-8");
		r = -EINVAL;
	} else {
		r = reader_read_document(s, a, &m.doc, place_of, &m, obj, d);
	}
	free(m.at);
	return r;
}
