/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading YAML by the schema; see reader.h. */
#include "reader.h"

#include "alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#define DEPTH_MAX	64
#define NODES_MAX	4000000	/* visits: aliases cannot multiply beyond */

struct reader {
	yaml_document_t doc;
	struct arena *a;
	struct diags *d;
	const char *file;
	unsigned visits;
	unsigned depth;
	char *object;		/* "router bi", while inside of one */
};

static void *
mem(struct reader *r, size_t n)
{
	void *p = arena_zalloc(r->a, n != 0 ? n : 1);

	if (p == NULL)
		abort();	/* the arena's cap is that of the control plane */
	return p;
}

static char *
copy(struct reader *r, struct str s)
{
	char *p = mem(r, s.n + 1);

	if (s.n != 0)
		memcpy(p, s.p, s.n);
	return p;
}

static struct place
place_of(const struct reader *r, const yaml_node_t *n)
{
	return (struct place){ r->file, (unsigned)n->start_mark.line + 1,
	    (unsigned)n->start_mark.column + 1 };
}

#define problem(r, n, class, ...) \
	diag_add((r)->d, (class), place_of((r), (n)), (r)->object, __VA_ARGS__)

static struct str
scalar(const yaml_node_t *n)
{
	return str_n((const char *)n->data.scalar.value, n->data.scalar.length);
}

static bool
is_null(const yaml_node_t *n)
{
	struct str s;

	if (n->type != YAML_SCALAR_NODE ||
	    n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	s = scalar(n);
	return s.n == 0 || str_eq(s, STR("~")) || str_eq(s, STR("null")) ||
	    str_eq(s, STR("Null")) || str_eq(s, STR("NULL"));
}

static yaml_node_t *
get(struct reader *r, yaml_node_item_t i)
{
	if (++r->visits > NODES_MAX)
		return NULL;
	return yaml_document_get_node(&r->doc, i);
}

/* ---- Scalars --------------------------------------------------------------- */

static bool
read_scalar(struct reader *r, const yaml_node_t *n, const char *want,
    struct str *ret)
{
	if (n->type == YAML_SCALAR_NODE) {
		*ret = scalar(n);
		return true;
	}
	problem(r, n, DIAG_FILE, "expected %s, found a %s", want,
	    n->type == YAML_MAPPING_NODE ? "mapping" : "list");
	return false;
}

static int
parse_bool(struct str s, bool *ret)
{
	*ret = str_caseeq(s, STR("true"));
	return *ret || str_caseeq(s, STR("false")) ? 0 : -EINVAL;
}

static int
parse_int(struct str s, int64_t *ret)
{
	bool minus = s.n > 1 && s.p[0] == '-';
	uint64_t v;

	if (str_u64(minus ? str_from(s, 1) : s, &v) < 0 ||
	    v > (uint64_t)INT64_MAX)
		return -EINVAL;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return 0;
}

static const struct { const char *name; double ns; } units[] = {
	{ "ns", 1 }, { "us", 1e3 }, { "\xc2\xb5s", 1e3 }, { "ms", 1e6 },
	{ "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
};

/* The longest unit that s begins with; its length. */
static size_t
unit_of(struct str s, double *ret)
{
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (str_has_prefix(s, str_c(units[i].name)) &&
		    strlen(units[i].name) > best) {
			best = strlen(units[i].name);
			*ret = units[i].ns;
		}
	return best;
}

int
reader_duration(struct str s, nsec_t *ret)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	double total = 0;
	int64_t sec;

	if (parse_int(s, &sec) == 0) {
		if (sec > INT64_MAX / NSEC_SEC || sec < INT64_MIN / NSEC_SEC)
			return -EINVAL;
		*ret = sec * NSEC_SEC;
		return 0;
	}
	s = str_from(s, minus ? 1 : 0);
	if (s.n == 0)
		return -EINVAL;
	while (s.n > 0) {
		char text[32], *end;
		size_t i = 0, used;
		double unit, v;

		while (i < s.n && i < sizeof(text) - 1 &&
		    ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.')) {
			text[i] = s.p[i];
			i++;
		}
		text[i] = '\0';
		v = strtod(text, &end);
		s = str_from(s, i);
		if (i == 0 || *end != '\0' || (used = unit_of(s, &unit)) == 0)
			return -EINVAL;
		total += v * unit;
		s = str_from(s, used);
	}
	if (total >= 9.2e18)
		return -EINVAL;
	*ret = minus ? -(nsec_t)total : (nsec_t)total;
	return 0;
}

static void
read_typed(struct reader *r, const struct sfield *f, const yaml_node_t *n,
    char *at)
{
	struct str s;
	bool b = false;

	switch ((enum stype)f->type) {
	case S_BOOL:
	case S_TRI:
		if (!read_scalar(r, n, "true or false", &s))
			return;
		if (parse_bool(s, &b) < 0)
			problem(r, n, DIAG_FILE, "%s: \"%.*s\" is neither true "
			    "nor false", f->key, STR_ARG(s));
		else if (f->type == S_BOOL)
			*(bool *)(void *)at = b;
		else
			*(enum tri *)(void *)at = b ? TRI_TRUE : TRI_FALSE;
		return;
	case S_INT:
		if (read_scalar(r, n, "a number", &s) &&
		    parse_int(s, (int64_t *)(void *)at) < 0)
			problem(r, n, DIAG_FILE, "%s: \"%.*s\" is not a whole "
			    "number", f->key, STR_ARG(s));
		return;
	case S_DURATION:
		if (read_scalar(r, n, "a duration such as 10s", &s) &&
		    reader_duration(s, (nsec_t *)(void *)at) < 0)
			problem(r, n, DIAG_FILE, "%s: \"%.*s\" is not a "
			    "duration (10s, 100ms, 1h30m, or seconds)",
			    f->key, STR_ARG(s));
		return;
	default:
		if (read_scalar(r, n, "a text", &s))
			*(char **)(void *)at = copy(r, s);
	}
}

/* ---- Lists -------------------------------------------------------------------- */

/* A list of texts; one text alone is a comma list, as Traefik reads it. */
static void
read_strlist(struct reader *r, const struct sfield *f, const yaml_node_t *n,
    struct strlist *l)
{
	struct str s, item;

	if (n->type == YAML_SCALAR_NODE) {
		for (s = scalar(n); str_next(&s, ',', &item);) {
			char **v = mem(r, (l->n + 1) * sizeof(*v));

			if (l->n != 0)
				memcpy(v, l->v, l->n * sizeof(*v));
			v[l->n++] = copy(r, item);
			l->v = v;
		}
		return;
	}
	if (n->type != YAML_SEQUENCE_NODE) {
		problem(r, n, DIAG_FILE, "%s: expected a list", f->key);
		return;
	}
	l->v = mem(r, (size_t)(n->data.sequence.items.top -
	    n->data.sequence.items.start) * sizeof(*l->v));
	for (yaml_node_item_t *i = n->data.sequence.items.start;
	    i < n->data.sequence.items.top; i++) {
		const yaml_node_t *c = get(r, *i);

		if (c != NULL && read_scalar(r, c, "a text", &s))
			l->v[l->n++] = copy(r, s);
	}
}

static void
read_pairs(struct reader *r, const struct sfield *f, const yaml_node_t *n,
    struct pairlist *l)
{
	struct str s;

	if (n->type != YAML_MAPPING_NODE) {
		problem(r, n, DIAG_FILE, "%s: expected a mapping", f->key);
		return;
	}
	l->v = mem(r, (size_t)(n->data.mapping.pairs.top -
	    n->data.mapping.pairs.start) * sizeof(*l->v));
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
	    p < n->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = get(r, p->key), *v = get(r, p->value);

		if (k == NULL || v == NULL || !read_scalar(r, k, "a name", &s))
			continue;
		l->v[l->n].name = copy(r, s);
		l->v[l->n].place = place_of(r, k);
		if (read_scalar(r, v, "a text", &s))
			l->v[l->n++].value = copy(r, is_null(v) ? STR("") : s);
	}
}

/* ---- Structs ------------------------------------------------------------------- */

static void read_struct(struct reader *r, const struct schema *s,
    const yaml_node_t *n, char *obj);

static void
init(const struct schema *s, const struct reader *r, const yaml_node_t *n,
    char *obj)
{
	if (s->defaults != NULL)
		s->defaults(obj);
	if (s->place != 0)
		*(struct place *)(void *)(obj + s->place) = place_of(r, n);
}

struct any_list { char *v; unsigned n; };

static void
read_list(struct reader *r, const struct sfield *f, const yaml_node_t *n,
    struct any_list *l)
{
	if (n->type != YAML_SEQUENCE_NODE) {
		problem(r, n, DIAG_FILE, "%s: expected a list", f->key);
		return;
	}
	l->v = mem(r, (size_t)(n->data.sequence.items.top -
	    n->data.sequence.items.start) * f->sub->bytes);
	for (yaml_node_item_t *i = n->data.sequence.items.start;
	    i < n->data.sequence.items.top; i++) {
		const yaml_node_t *c = get(r, *i);
		char *obj = l->v + l->n * f->sub->bytes;

		if (c == NULL)
			continue;
		init(f->sub, r, c, obj);
		read_struct(r, f->sub, c, obj);
		l->n++;
	}
}

/* A mapping with free keys: each entry begins with a struct object. */
static void
read_map(struct reader *r, const struct sfield *f, const yaml_node_t *n,
    struct any_list *l)
{
	char *outer = r->object;
	struct str name;

	if (n->type != YAML_MAPPING_NODE) {
		problem(r, n, DIAG_FILE, "%s: expected a mapping of names",
		    f->key);
		return;
	}
	l->v = mem(r, (size_t)(n->data.mapping.pairs.top -
	    n->data.mapping.pairs.start) * f->sub->bytes);
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
	    p < n->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = get(r, p->key), *v = get(r, p->value);
		char *obj = l->v + l->n * f->sub->bytes;

		if (k == NULL || v == NULL || !read_scalar(r, k, "a name",
		    &name))
			continue;
		r->object = xasprintf("%s %.*s", str_has_prefix(str_c(
		    f->sub->what), STR("a ")) ? f->sub->what + 2 :
		    str_has_prefix(str_c(f->sub->what), STR("an ")) ?
		    f->sub->what + 3 : f->sub->what, STR_ARG(name));
		init(f->sub, r, k, obj);
		((struct object *)(void *)obj)->name = copy(r, name);
		if (!is_null(v))
			read_struct(r, f->sub, v, obj);
		free(r->object);
		r->object = outer;
		l->n++;
	}
}

/* A key that the schema knows but akkod does not support yet. */
static void
read_later(struct reader *r, const struct schema *s, const struct sfield *f,
    const yaml_node_t *key, char *obj)
{
	bool object = f->type == S_LATER && s->later != 0;

	problem(r, key, object ? DIAG_OBJECT : DIAG_FILE,
	    "\"%s\" is not supported yet", f->key);
	if (object)
		*(char **)(void *)(obj + s->later) = (char *)(size_t)f->key;
}

static void
read_field(struct reader *r, const struct schema *s, const struct sfield *f,
    const yaml_node_t *key, const yaml_node_t *n, char *obj)
{
	char *at = obj + f->off, *sub;

	if (f->arg != S_NO_ARG)
		*(bool *)(void *)(obj + f->arg) = true;
	switch ((enum stype)f->type) {
	case S_IGNORED:
		return;
	case S_IDLE:
		problem(r, key, DIAG_WARNING, "\"%s\" has no effect yet",
		    f->key);
		return;
	case S_LATER:
	case S_STATIC_LATER:
		read_later(r, s, f, key, obj);
		return;
	case S_STRLIST:
		if (!is_null(n))
			read_strlist(r, f, n, (struct strlist *)(void *)at);
		return;
	case S_PAIRS:
		if (!is_null(n))
			read_pairs(r, f, n, (struct pairlist *)(void *)at);
		return;
	case S_STRUCT:
		if (f->sub->place != 0)
			*(struct place *)(void *)(at + f->sub->place) =
			    place_of(r, key);
		if (!is_null(n))
			read_struct(r, f->sub, n, at);
		return;
	case S_OBJECT:
		sub = *(char **)(void *)at = mem(r, f->sub->bytes);
		init(f->sub, r, key, sub);
		if (!is_null(n) || !f->sub->may_stand_alone)
			read_struct(r, f->sub, n, sub);
		return;
	case S_LIST:
		if (!is_null(n))
			read_list(r, f, n, (struct any_list *)(void *)at);
		return;
	case S_MAP:
		if (!is_null(n))
			read_map(r, f, n, (struct any_list *)(void *)at);
		return;
	default:
		if (!is_null(n))
			read_typed(r, f, n, at);
	}
}

static const struct sfield *
find_field(const struct schema *s, struct str key)
{
	for (unsigned i = 0; i < s->nfields; i++)
		if (str_caseeq(key, str_c(s->fields[i].key)))
			return &s->fields[i];
	return NULL;
}

/* Top-level keys are Traefik's to ignore; "x-..." are the user's own (A1). */
static void
unknown_key(struct reader *r, const struct schema *s, const yaml_node_t *n,
    struct str key)
{
	const char *words[96], *near;
	enum diag_class class = s == &schema_root ? DIAG_WARNING : DIAG_FILE;

	if (class == DIAG_WARNING && str_has_caseprefix(key, STR("x-")))
		return;
	for (unsigned i = 0; i < s->nfields && i < 95; i++) {
		words[i] = s->fields[i].key;
		words[i + 1] = NULL;
	}
	near = diag_nearest(key, words);
	if (near != NULL)
		problem(r, n, class, "unknown key \"%.*s\" in %s; did you mean "
		    "\"%s\"?", STR_ARG(key), s->what, near);
	else
		problem(r, n, class, "unknown key \"%.*s\" in %s",
		    STR_ARG(key), s->what);
}

static bool
seen_before(struct reader *r, const yaml_node_t *map, const yaml_node_pair_t *p,
    struct str key)
{
	for (const yaml_node_pair_t *q = map->data.mapping.pairs.start; q < p;
	    q++) {
		const yaml_node_t *k = yaml_document_get_node(&r->doc, q->key);

		if (k != NULL && k->type == YAML_SCALAR_NODE &&
		    str_eq(scalar(k), key))
			return true;
	}
	return false;
}

static void
read_pair(struct reader *r, const struct schema *s, const yaml_node_t *map,
    const yaml_node_pair_t *p, char *obj)
{
	const yaml_node_t *k = get(r, p->key), *v = get(r, p->value);
	const struct sfield *f;
	struct str key;

	if (k == NULL || v == NULL || !read_scalar(r, k, "a key", &key))
		return;
	if (str_eq(key, STR("<<"))) {	/* merge: what it brings is weaker */
		if (v->type == YAML_MAPPING_NODE)
			read_struct(r, s, v, obj);
		return;
	}
	if (seen_before(r, map, p, key)) {
		problem(r, k, DIAG_FILE, "\"%.*s\" stands here twice",
		    STR_ARG(key));
		return;
	}
	if ((f = find_field(s, key)) == NULL)
		unknown_key(r, s, k, key);
	else
		read_field(r, s, f, k, v, obj);
}

static void
read_struct(struct reader *r, const struct schema *s, const yaml_node_t *n,
    char *obj)
{
	if (n->type != YAML_MAPPING_NODE) {
		problem(r, n, DIAG_FILE, is_null(n) ?
		    "%s cannot be empty" : "%s: expected a mapping", s->what);
		return;
	}
	if (n->data.mapping.pairs.start == n->data.mapping.pairs.top &&
	    !s->may_stand_alone) {
		problem(r, n, DIAG_FILE, "%s cannot be a standalone element",
		    s->what);
		return;
	}
	if (++r->depth > DEPTH_MAX)
		problem(r, n, DIAG_FILE, "nested too deeply");
	else
		/* Merge keys first, so that keys beside them win. */
		for (int pass = 0; pass < 2; pass++)
			for (yaml_node_pair_t *p =
			    n->data.mapping.pairs.start;
			    p < n->data.mapping.pairs.top; p++) {
				const yaml_node_t *k = yaml_document_get_node(
				    &r->doc, p->key);
				bool merge = k->type == YAML_SCALAR_NODE &&
				    str_eq(scalar(k), STR("<<"));

				if (merge == (pass == 0))
					read_pair(r, s, n, p, obj);
			}
	r->depth--;
}

static void
yaml_problem(struct reader *r, const yaml_parser_t *p)
{
	struct place at = { r->file, (unsigned)p->problem_mark.line + 1,
	    (unsigned)p->problem_mark.column + 1 };

	diag_add(r->d, DIAG_FILE, at, NULL, "not YAML: %s%s%s",
	    p->problem != NULL ? p->problem : "unreadable",
	    p->context != NULL ? " " : "",
	    p->context != NULL ? p->context : "");
}

int
reader_read(const struct schema *s, struct arena *a, const char *file,
    struct str text, void *obj, struct diags *d)
{
	struct reader r = { .a = a, .d = d, .file = file };
	unsigned before = d->count[DIAG_FILE];
	yaml_parser_t parser;
	yaml_node_t *root;

	memset(obj, 0, s->bytes);
	if (s->defaults != NULL)
		s->defaults(obj);
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)
	    (text.n != 0 ? text.p : ""), text.n);
	if (!yaml_parser_load(&parser, &r.doc)) {
		yaml_problem(&r, &parser);
		yaml_parser_delete(&parser);
		return -EINVAL;
	}
	root = yaml_document_get_root_node(&r.doc);
	if (root != NULL && !is_null(root))
		read_struct(&r, s, root, obj);
	if (r.visits > NODES_MAX)
		diag_add(d, DIAG_FILE, (struct place){ file, 0, 0 }, NULL,
		    "aliases make the document too large");
	yaml_document_delete(&r.doc);
	yaml_parser_delete(&parser);
	return d->count[DIAG_FILE] > before ? -EINVAL : 0;
}
