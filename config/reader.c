/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading YAML by the schema; see reader.h. */
#include "reader.h"

#include "alloc.h"
#include "document.h"
#include "mapping.h"

#include <errno.h>
#include <stdlib.h>

#define DEPTH_MAX	64
#define NODES_MAX	4000000	/* visits: aliases cannot multiply beyond */
#define PROBLEMS_MAX	1000	/* file errors and warnings that are told */

struct reader {
	yaml_document_t doc;
	struct arena *a;
	struct diags *d;
	const char *file;
	reader_place_fn *place;	/* NULL: the marks' own */
	void *place_arg;
	unsigned budget;	/* of visits; 0: the document is too large */
	unsigned problems;
	unsigned depth;
	char *object;		/* "router bi", while inside of one */
	const char *key;	/* whose value is read, or NULL */
};

/* NULL when the arena is full, which ends the reading: see reader_read(). */
static void *
mem(struct reader *r, size_t n)
{
	void *p = arena_zalloc(r->a, n != 0 ? n : 1);

	if (p == NULL)
		r->budget = 0;
	return p;
}

static char *
copy(struct reader *r, struct str s)
{
	char *p = mem(r, s.n + 1);

	if (p == NULL)
		return (char *)(size_t)"";
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	return p;
}

static struct place
place_of(const struct reader *r, const yaml_node_t *n)
{
	if (r->place != NULL)
		return r->place(r->place_arg, n->start_mark.index);
	return (struct place){ r->file, (unsigned)n->start_mark.line + 1,
	    (unsigned)n->start_mark.column + 1 };
}

static void __attribute__((format(printf, 4, 5)))
problem(struct reader *r, const yaml_node_t *n, enum diag_class class,
    const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	/* Aliases may repeat a mistake millions of times. */
	if (class != DIAG_OBJECT && r->problems++ >= PROBLEMS_MAX) {
		r->budget = 0;
		return;
	}
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	diag_add(r->d, class, place_of(r, n), r->object, "%s",
	    buf_cstr(&text));
	buf_fini(&text);
}

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
	if (r->budget == 0)
		return NULL;
	r->budget--;
	return yaml_document_get_node(&r->doc, i);
}

static void
mapping_problem(void *arg, const yaml_node_t *at, const char *text)
{
	struct reader *r = arg;

	if (at->type == YAML_SCALAR_NODE)
		problem(r, at, DIAG_FILE, "\"%.*s\" %s", STR_ARG(scalar(at)),
		    text);
	else
		problem(r, at, DIAG_FILE, "this %s %s", at->type ==
		    YAML_MAPPING_NODE ? "mapping" : "list", text);
}

/* The pairs of a mapping; the caller ends with mapping_fini(). */
static struct mapping
pairs_of(struct reader *r, const yaml_node_t *n, bool fold)
{
	struct mapping_reader mr = { &r->doc, fold, &r->budget,
	    mapping_problem, r };
	struct mapping m;

	mapping_gather(&mr, n, &m);
	return m;
}

/* ---- Scalars --------------------------------------------------------------- */

static bool
read_scalar(struct reader *r, const yaml_node_t *n, const char *want,
    struct str *ret)
{
	if (n->type == YAML_SCALAR_NODE) {
		*ret = scalar(n);
		if (str_chr(*ret, '\0') < 0)
			return true;
		/* C strings would end there, in silence. */
		problem(r, n, DIAG_FILE, "a text cannot hold a NUL byte");
		return false;
	}
	problem(r, n, DIAG_FILE, "%s%sexpected %s, found a %s",
	    r->key != NULL ? r->key : "", r->key != NULL ? ": " : "", want,
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
	case S_PRIVATE:
	case S_TRI:
		if (!read_scalar(r, n, "true or false", &s))
			return;
		if (parse_bool(s, &b) < 0)
			problem(r, n, DIAG_FILE, "%s: \"%.*s\" is neither true "
			    "nor false", f->key, STR_ARG(s));
		else if (f->type != S_TRI)
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

static void
read_commas(struct reader *r, const yaml_node_t *n, struct strlist *l)
{
	struct str s, rest, item;
	size_t count = 0;

	if (!read_scalar(r, n, "a text", &s))
		return;
	for (rest = s; str_next(&rest, ',', &item);)
		count++;
	if ((l->v = mem(r, count * sizeof(*l->v))) == NULL)
		return;
	while (str_next(&s, ',', &item))
		l->v[l->n++] = copy(r, item);
}

/* A list of texts; one text alone is a comma list, as Traefik reads it. */
static void
read_strlist(struct reader *r, const struct sfield *f, const yaml_node_t *n,
    struct strlist *l)
{
	struct str s;

	l->n = 0;
	if (n->type == YAML_SCALAR_NODE) {
		read_commas(r, n, l);
		return;
	}
	if (n->type != YAML_SEQUENCE_NODE) {
		problem(r, n, DIAG_FILE, "%s: expected a list", f->key);
		return;
	}
	l->v = mem(r, (size_t)(n->data.sequence.items.top -
	    n->data.sequence.items.start) * sizeof(*l->v));
	if (l->v == NULL)
		return;
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
	struct mapping m;
	struct str s;

	if (n->type != YAML_MAPPING_NODE) {
		problem(r, n, DIAG_FILE, "%s: expected a mapping", f->key);
		return;
	}
	m = pairs_of(r, n, false);
	l->n = 0;
	l->v = mem(r, m.n * sizeof(*l->v));
	for (unsigned i = 0; i < m.n && l->v != NULL; i++) {
		const yaml_node_t *k = m.v[i].k, *v = m.v[i].v;

		if (!read_scalar(r, k, "a name", &s))
			continue;
		l->v[l->n].name = copy(r, s);
		l->v[l->n].place = place_of(r, k);
		if (read_scalar(r, v, "a text", &s))
			l->v[l->n++].value = copy(r, is_null(v) ? STR("") : s);
	}
	mapping_fini(&m);
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
	l->n = 0;
	l->v = mem(r, (size_t)(n->data.sequence.items.top -
	    n->data.sequence.items.start) * f->sub->bytes);
	if (l->v == NULL)
		return;
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

/* What messages call an object: "router bi". */
static char *
object_text(const struct schema *s, struct str name)
{
	struct str what = str_c(s->what);

	if (str_has_prefix(what, STR("a ")))
		what = str_from(what, 2);
	else if (str_has_prefix(what, STR("an ")))
		what = str_from(what, 3);
	return xasprintf("%.*s %.*s", STR_ARG(what), STR_ARG(name));
}

/* A mapping with free keys: each entry begins with a struct object. */
static void
read_map(struct reader *r, const struct sfield *f, const yaml_node_t *n,
    struct any_list *l)
{
	char *outer = r->object;
	struct mapping m;
	struct str name;

	if (n->type != YAML_MAPPING_NODE) {
		problem(r, n, DIAG_FILE, "%s: expected a mapping of names",
		    f->key);
		return;
	}
	m = pairs_of(r, n, false);
	l->n = 0;
	l->v = mem(r, m.n * f->sub->bytes);
	for (unsigned i = 0; i < m.n && l->v != NULL; i++) {
		char *obj = l->v + l->n * f->sub->bytes;

		if (!read_scalar(r, m.v[i].k, "a name", &name))
			continue;
		r->object = object_text(f->sub, name);
		init(f->sub, r, m.v[i].k, obj);
		((struct object *)(void *)obj)->name = copy(r, name);
		if (!is_null(m.v[i].v))
			read_struct(r, f->sub, m.v[i].v, obj);
		free(r->object);
		r->object = outer;
		l->n++;
	}
	mapping_fini(&m);
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

	r->key = f->key;
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
		if (sub == NULL)
			return;
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

/* Private fields stand in documents that akkod made itself. */
static const struct sfield *
find_field(const struct reader *r, const struct schema *s, struct str key)
{
	for (unsigned i = 0; i < s->nfields; i++)
		if (str_caseeq(key, str_c(s->fields[i].key)) &&
		    (s->fields[i].type != S_PRIVATE || r->place != NULL))
			return &s->fields[i];
	return NULL;
}

/* Top-level keys are Traefik's to ignore; "x-..." are the user's own (A1). */
static void
unknown_key(struct reader *r, const struct schema *s, const yaml_node_t *n,
    struct str key)
{
	const char *words[96], *near;
	enum diag_class class = s == &schema_root ||
	    s == &schema_dynamic_file ? DIAG_WARNING : DIAG_FILE;

	if (class == DIAG_WARNING && str_has_caseprefix(key, STR("x-")))
		return;
	words[0] = NULL;
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

static void
read_pair(struct reader *r, const struct schema *s,
    const struct mapping_pair *p, char *obj)
{
	const struct sfield *f;
	struct str key;

	r->key = NULL;
	if (!read_scalar(r, p->k, "a key", &key))
		return;
	if ((f = find_field(r, s, key)) == NULL)
		unknown_key(r, s, p->k, key);
	else
		read_field(r, s, f, p->k, p->v, obj);
}

static void
read_struct(struct reader *r, const struct schema *s, const yaml_node_t *n,
    char *obj)
{
	struct mapping m;

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
	else {
		m = pairs_of(r, n, true);
		for (unsigned i = 0; i < m.n; i++)
			read_pair(r, s, &m.v[i], obj);
		mapping_fini(&m);
	}
	r->depth--;
}

/* Bytes that are no text are told by offset alone. */
static struct place
place_of_offset(const char *file, struct str text, size_t offset)
{
	struct place at = { file, 1, 1 };

	for (size_t i = 0; i < offset && i < text.n; i++) {
		at.column++;
		if (text.p[i] == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	return at;
}

static void
yaml_problem(struct reader *r, struct str text, const yaml_parser_t *p)
{
	struct place at = { r->file, (unsigned)p->problem_mark.line + 1,
	    (unsigned)p->problem_mark.column + 1 };

	if (p->error == YAML_READER_ERROR)
		at = place_of_offset(r->file, text, p->problem_offset);
	diag_add(r->d, DIAG_FILE, at, NULL, "not YAML: %s%s%s",
	    p->problem != NULL ? p->problem : "unreadable",
	    p->context != NULL ? " " : "",
	    p->context != NULL ? p->context : "");
}

/* The next document into r->doc. 1, 0 at the end, -EINVAL when told of. */
static int
next_document(struct reader *r, struct str text, yaml_parser_t *parser)
{
	struct document_problem why;
	struct place at;

	switch (document_read(parser, &r->doc, &why)) {
	case DOCUMENT_OK:
		return 1;
	case DOCUMENT_END:
		return 0;
	case DOCUMENT_NOT_YAML:
		yaml_problem(r, text, parser);
		return -EINVAL;
	case DOCUMENT_BAD:
		break;
	}
	at = (struct place){ r->file, (unsigned)why.at.line + 1,
	    (unsigned)why.at.column + 1 };
	diag_add(r->d, DIAG_FILE, at, NULL, "not YAML: %s", why.what);
	return -EINVAL;
}

/* Traefik reads the first document only; what follows would be lost. */
static void
read_rest(struct reader *r, struct str text, yaml_parser_t *parser)
{
	yaml_node_t *root;

	if (next_document(r, text, parser) <= 0)
		return;
	root = yaml_document_get_root_node(&r->doc);
	if (root != NULL && !is_null(root))
		problem(r, root, DIAG_FILE, "a second document in one file");
	yaml_document_delete(&r->doc);
}

int
reader_read(const struct schema *s, struct arena *a, const char *file,
    struct str text, void *obj, struct diags *d)
{
	struct reader r = { .a = a, .d = d, .file = file,
	    .budget = NODES_MAX };
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
	if (next_document(&r, text, &parser) > 0) {
		root = yaml_document_get_root_node(&r.doc);
		if (root != NULL && !is_null(root))
			read_struct(&r, s, root, obj);
		yaml_document_delete(&r.doc);
		if (r.budget == 0)
			diag_add(d, DIAG_FILE, (struct place){ file, 0, 0 },
			    NULL, r.problems > PROBLEMS_MAX ?
			    "too many problems: the others are not told" :
			    "the document is too large, or aliases make it "
			    "so");
		read_rest(&r, text, &parser);
	}
	yaml_parser_delete(&parser);
	return d->count[DIAG_FILE] > before ? -EINVAL : 0;
}

int
reader_read_document(const struct schema *s, struct arena *a,
    yaml_document_t *doc, reader_place_fn *place, void *arg, void *obj,
    struct diags *d)
{
	struct reader r = { .doc = *doc, .a = a, .d = d, .place = place,
	    .place_arg = arg, .budget = NODES_MAX };
	unsigned before = d->count[DIAG_FILE];
	yaml_node_t *root = yaml_document_get_root_node(&r.doc);

	memset(obj, 0, s->bytes);
	if (s->defaults != NULL)
		s->defaults(obj);
	if (root != NULL && !is_null(root)) {
		if (s->place != 0)
			*(struct place *)(void *)((char *)obj + s->place) =
			    place_of(&r, root);
		read_struct(&r, s, root, obj);
	}
	if (r.budget == 0)
		diag_add(d, DIAG_FILE, place(arg, 0), NULL,
		    "the object is too large or has too many problems");
	yaml_document_delete(&r.doc);
	return d->count[DIAG_FILE] > before ? -EINVAL : 0;
}
