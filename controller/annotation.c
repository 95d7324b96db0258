/* SPDX-License-Identifier: BSD-2-Clause */
/* Annotations; see annotation.h. */
#include "annotation.h"

#include <errno.h>
#include <stdlib.h>

#define PREFIX		"traefik.ingress.kubernetes.io/"

enum kind { TEXT, LIST, INT, BOOL, MARKER };

/* key: as written in lower case, '#' is a number; path: as the schema says. */
struct known { const char *key, *path; enum kind kind; };

static const struct known router_keys[] = {
	{ "entrypoints", "entryPoints", LIST },
	{ "middlewares", "middlewares", LIST },
	{ "priority", "priority", INT },
	{ "rulesyntax", "ruleSyntax", TEXT },
	{ "pathmatcher", "pathMatcher", TEXT },
	{ "tls", "tls", MARKER },
	{ "tls.certresolver", "tls.certResolver", TEXT },
	{ "tls.options", "tls.options", TEXT },
	{ "tls.domains.#.main", "tls.domains.#.main", TEXT },
	{ "tls.domains.#.sans", "tls.domains.#.sans", LIST },
	{ "observability", "observability", MARKER },
	{ "observability.accesslogs", "observability.accessLogs", BOOL },
	{ "observability.metrics", "observability.metrics", BOOL },
	{ "observability.tracing", "observability.tracing", BOOL },
	{ "observability.traceverbosity", "observability.traceVerbosity",
	    TEXT },
};

static const struct known service_keys[] = {
	{ "serversscheme", "serversScheme", TEXT },
	{ "serverstransport", "serversTransport", TEXT },
	{ "passhostheader", "passHostHeader", BOOL },
	{ "middlewares", "middlewares", LIST },
	{ "nativelb", "nativeLB", BOOL },
	{ "nodeportlb", "nodePortLB", BOOL },
	{ "sticky", "sticky", MARKER },
	{ "sticky.cookie", "sticky.cookie", MARKER },
	{ "sticky.cookie.name", "sticky.cookie.name", TEXT },
	{ "sticky.cookie.secure", "sticky.cookie.secure", BOOL },
	{ "sticky.cookie.httponly", "sticky.cookie.httpOnly", BOOL },
	{ "sticky.cookie.samesite", "sticky.cookie.sameSite", TEXT },
	{ "sticky.cookie.maxage", "sticky.cookie.maxAge", INT },
	{ "sticky.cookie.path", "sticky.cookie.path", TEXT },
	{ "sticky.cookie.domain", "sticky.cookie.domain", TEXT },
};

struct reader {
	const struct known *known;
	size_t n;
	json_t *out;
	const json_t *markers;	/* path to false: the object is turned off */
	struct buf *why;
	const char *key;	/* whole, for messages */
};

static int
complain(const struct reader *r, const char *what, const char *value)
{
	buf_printf(r->why, "annotation %.120s: %s", r->key, what);
	if (value != NULL)
		buf_printf(r->why, ": \"%.60s\"", value);
	return -EINVAL;
}

/* ---- Values ------------------------------------------------------------------ */

static int
parse_bool(const char *s, bool *ret)
{
	static const char *const words[] = { "0", "f", "F", "FALSE", "false",
	    "False", "1", "t", "T", "TRUE", "true", "True" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(s, words[i]) == 0) {
			*ret = i >= 6;
			return 0;
		}
	return -EINVAL;
}

static json_t *
list_of(const char *value)
{
	struct str rest = str_c(value), item;
	json_t *list = json_array();

	if (str_trim(rest).n == 0)
		return list;
	while (str_next(&rest, ',', &item))
		json_array_append_new(list, json_stringn(item.p != NULL ?
		    item.p : "", item.n));
	return list;
}

/* NULL when the value is not of that kind. */
static json_t *
value_of(enum kind kind, const char *text)
{
	char *end;
	bool b;
	long long v;

	switch (kind) {
	case TEXT:
		return json_string(text);
	case LIST:
		return list_of(text);
	case BOOL:
		return parse_bool(text, &b) < 0 ? NULL : json_boolean(b);
	case INT:
		errno = 0;
		v = strtoll(text, &end, 10);
		if (errno != 0 || end == text || *end != '\0' ||
		    text[0] == ' ' || text[0] == '\t')
			return NULL;
		return json_integer(v);
	default:
		return json_object();
	}
}

/* ---- Keys -------------------------------------------------------------------- */

static bool
is_number(struct str s)
{
	uint64_t v;

	return str_u64(s, &v) == 0;
}

/* "tls.domains.0.main" is what "tls.domains.#.main" stands for. */
static const struct known *
find(const struct reader *r, struct str key)
{
	for (size_t i = 0; i < r->n; i++) {
		struct str a = str_c(r->known[i].key), b = key, x, y;
		bool same = true;

		while (same && a.n != 0 && b.n != 0 && str_next(&a, '.', &x) &&
		    str_next(&b, '.', &y))
			same = str_eq(x, STR("#")) ? is_number(y) :
			    str_eq(x, y);
		if (same && a.n == 0 && b.n == 0)
			return &r->known[i];
	}
	return NULL;
}

/* Is an object on the way turned off by its marker? */
static bool
is_off(const struct reader *r, struct str key)
{
	char path[64];

	for (size_t i = 0; i <= key.n && i < sizeof(path); i++) {
		if (i < key.n && key.p[i] != '.')
			continue;
		memcpy(path, key.p, i);
		path[i] = '\0';
		if (json_object_get(r->markers, path) != NULL)
			return true;
	}
	return false;
}

/*
 * Puts the value at its path. Items of a list stand by their number for now,
 * under the list's name with a '#': its keys are sorted as texts.
 */
static void
put(json_t *at, struct str path, struct str key, json_t *value)
{
	struct str item, k;
	char name[80];

	while (str_next(&path, '.', &item) && str_next(&key, '.', &k)) {
		json_t *next;

		if (str_eq(item, STR("#")))
			item = k;
		memcpy(name, item.p, item.n < 79 ? item.n : 79);
		name[item.n < 79 ? item.n : 79] = '\0';
		if (path.n == 0) {
			/* A marker does not clear what its keys have said. */
			if (json_is_object(value) && json_object_size(value) ==
			    0 && json_object_get(at, name) != NULL)
				json_decref(value);
			else
				json_object_set_new(at, name, value);
			return;
		}
		next = json_object_get(at, name);
		if (next == NULL) {
			next = json_object();
			json_object_set_new(at, name, next);
		}
		at = next;
	}
	json_decref(value);
}

static int
read_one(struct reader *r, struct str key, const char *text)
{
	const struct known *k = find(r, key);
	json_t *v;

	if (k == NULL)
		return complain(r, "it is not known", NULL);
	if (is_off(r, key))
		return 0;
	if ((v = value_of(k->kind, text)) == NULL)
		return complain(r, k->kind == BOOL ? "neither true nor false" :
		    "no whole number", text);
	/* An empty list says nothing. */
	if (k->kind == LIST && json_array_size(v) == 0)
		json_decref(v);
	else
		put(r->out, str_c(k->path), key, v);
	return 0;
}

/* The part of a key after the prefix, in lower case; false: not one of ours. */
static bool
own_key(const char *key, const char *below, char out[160], struct str *ret)
{
	struct str s = str_c(key);
	size_t n;

	if (!str_has_prefix(s, STR(PREFIX)))
		return false;
	s = str_from(s, sizeof(PREFIX) - 1);
	if (!str_has_caseprefix(s, str_c(below)))
		return false;
	s = str_from(s, strlen(below));
	n = s.n < 159 ? s.n : 159;
	for (size_t i = 0; i < n; i++)
		out[i] = str_lower(s.p[i]);
	out[n] = '\0';
	*ret = str_n(out, n);
	return true;
}

/* Markers first: what they turn off is not even looked at. */
static json_t *
markers_of(const struct known *known, size_t n, const json_t *annotations,
    const char *below)
{
	json_t *off = json_object(), *v;
	const char *key;

	json_object_foreach((json_t *)(size_t)annotations, key, v) {
		const char *text = json_string_value(v);
		struct reader r = { .known = known, .n = n };
		const struct known *k;
		char lower[160];
		struct str s;

		if (text == NULL || !own_key(key, below, lower, &s) ||
		    (k = find(&r, s)) == NULL || k->kind != MARKER)
			continue;
		if (text[0] != '\0' && !str_caseeq(str_c(text), STR("true")))
			json_object_set_new(off, lower, json_false());
	}
	return off;
}

static int
text_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* {"0": x, "10": y, "2": z} to [x, y, z]. */
static void
make_list(json_t *parent, const char *name)
{
	json_t *object = json_object_get(parent, name), *v;
	json_t *list;
	const char **keys, *key;
	size_t n = 0;

	if (!json_is_object(object))
		return;
	keys = calloc(json_object_size(object) + 1, sizeof(*keys));
	list = json_array();
	if (keys == NULL)
		abort();
	json_object_foreach(object, key, v)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), text_cmp);
	for (size_t i = 0; i < n; i++)
		json_array_append(list, json_object_get(object, keys[i]));
	free(keys);
	json_object_set_new(parent, name, list);
}

static json_t *
read_all(const struct known *known, size_t n, const json_t *annotations,
    const char *below, struct buf *why)
{
	json_t *markers = markers_of(known, n, annotations, below), *v;
	struct reader r = { .known = known, .n = n, .out = json_object(),
	    .markers = markers, .why = why };
	const char *key;
	int bad = 0;

	json_object_foreach((json_t *)(size_t)annotations, key, v) {
		char lower[160];
		struct str s;

		if (bad < 0 || !json_is_string(v) ||
		    !own_key(key, below, lower, &s))
			continue;
		r.key = key;
		bad = read_one(&r, s, json_string_value(v));
	}
	json_decref(markers);
	if (bad == 0)
		return r.out;
	json_decref(r.out);
	return NULL;
}

json_t *
annotation_router(const json_t *annotations, struct buf *why)
{
	json_t *r = read_all(router_keys, ARRAY_SIZE(router_keys),
	    annotations, "router.", why);

	make_list(json_object_get(r, "tls"), "domains");
	return r;
}

json_t *
annotation_service(const json_t *annotations, struct buf *why)
{
	return read_all(service_keys, ARRAY_SIZE(service_keys), annotations,
	    "service.", why);
}
