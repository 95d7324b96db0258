/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON of the API server; see kube_json.h. */
#include "kube_json.h"

#include "log.h"
#include "str.h"

#include <string.h>

/* U+FFFD for U+0000, which is as long and which C strings can hold. */
static void
scrub(char *p, size_t n)
{
	char *end = p + n;

	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL &&
	    end - p >= 2) {
		if (end - p >= 6 && memcmp(p + 1, "u0000", 5) == 0)
			memcpy(p + 2, "fffd", 4);
		p += 2;
	}
}

/* ---- Slices of text, without a tree ------------------------------------------ */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_space(struct str *s)
{
	while (s->n != 0 && is_space(s->p[0]))
		*s = str_from(*s, 1);
}

/* The length of the string that begins with this quote; 0: it has no end. */
static size_t
string_length(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '"')
			return i + 1;
		if (s.p[i] == '\\')
			i++;
	}
	return 0;
}

/* Takes one value off *s, however deep it is; false: it has no end. */
static bool
next_value(struct str *s, struct str *ret)
{
	size_t i = 0, depth = 0;

	skip_space(s);
	while (i < s->n) {
		char c = s->p[i];
		size_t n = c == '"' ? string_length(str_from(*s, i)) : 1;
		bool ends = c == '"' || c == '}' || c == ']';

		if (n == 0)
			return false;
		if (depth == 0 && (c == '}' || c == ']' || c == ',' ||
		    c == ':' || is_space(c)))
			break;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		i += n;
		if (ends && depth == 0)
			break;
	}
	*ret = str_head(*s, i);
	*s = str_from(*s, i);
	return i != 0 && depth == 0;
}

static bool
eat(struct str *s, char c)
{
	skip_space(s);
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_from(*s, 1);
	return true;
}

/* Takes a member off what is left of an object; false: there is none more. */
static bool
next_member(struct str *rest, struct str *key, struct str *value)
{
	struct str s = *rest;

	(void)eat(&s, ',');
	if (!next_value(&s, key) || key->n < 2 || !eat(&s, ':') ||
	    !next_value(&s, value))
		return false;
	*rest = s;
	return true;
}

static bool
is_key(struct str key, const char *name)
{
	return str_eq(str_head(str_from(key, 1), key.n - 2), str_c(name));
}

static bool
find_member(struct str object, const char *name, struct str *ret)
{
	struct str key;

	(void)eat(&object, '{');
	while (next_member(&object, &key, ret))
		if (is_key(key, name))
			return true;
	return false;
}

/* ---- What can be read of it ----------------------------------------------------- */

static json_t *
load(struct str s, json_error_t *err)
{
	return json_loadb(s.p, s.n, JSON_DECODE_ANY, err);
}

/* Takes the value over; what is no string is no key either. */
static void
set_member(json_t *to, struct str key, json_t *value)
{
	json_error_t err;
	json_t *name = load(key, &err);

	if (json_is_string(name))
		(void)json_object_set_new(to, json_string_value(name), value);
	else
		json_decref(value);
	json_decref(name);
}

/* Of metadata what can be read: managedFields are as deep as the object. */
static json_t *
metadata_of(struct str object)
{
	struct str inner, key, value;
	json_error_t err;
	json_t *out, *v;

	if (!find_member(object, "metadata", &inner) || !eat(&inner, '{'))
		return NULL;
	out = json_object();
	while (next_member(&inner, &key, &value))
		if (!is_key(key, "managedFields") && (v = load(value, &err)) !=
		    NULL)
			set_member(out, key, v);
	return out;
}

/* NULL: nothing of it can be read. */
static json_t *
object_of(struct str s)
{
	json_error_t err, other;
	json_t *o = load(s, &err), *kind = NULL;
	struct str value;
	const char *ns, *name;

	if (o != NULL)
		return o;
	if ((o = metadata_of(s)) == NULL) {
		log_limited(LOG_WARN, "kubernetes: an object that cannot be "
		    "read is left out: %s", err.text);
		return NULL;
	}
	if (find_member(s, "kind", &value))
		kind = load(value, &other);
	ns = json_string_value(json_object_get(o, "namespace"));
	name = json_string_value(json_object_get(o, "name"));
	log_limited(LOG_WARN, "%s %s/%s cannot be read and counts as empty: "
	    "%s", json_is_string(kind) ? json_string_value(kind) : "object",
	    ns != NULL ? ns : "", name != NULL ? name : "", err.text);
	json_decref(kind);
	return json_pack("{s:o}", "metadata", o);
}

static json_t *
items_of(struct str s)
{
	json_t *list = json_array(), *o;
	struct str item;

	(void)eat(&s, '[');
	while (next_value(&s, &item)) {
		if ((o = object_of(item)) != NULL)
			json_array_append_new(list, o);
		if (!eat(&s, ','))
			break;
	}
	return list;
}

/* The list or event of parts, each read by itself. */
static json_t *
mend(struct str s)
{
	json_t *out, *v;
	json_error_t err;
	struct str key, value;

	if (!eat(&s, '{'))
		return NULL;
	out = json_object();
	while (next_member(&s, &key, &value)) {
		if (is_key(key, "items"))
			v = items_of(value);
		else if (is_key(key, "object"))
			v = object_of(value);
		else
			v = load(value, &err);
		if (v != NULL)
			set_member(out, key, v);
	}
	/* What is cut short is no list. */
	if (eat(&s, '}'))
		return out;
	json_decref(out);
	return NULL;
}

json_t *
kube_json_load(char *p, size_t n, json_error_t *err)
{
	json_t *v;

	scrub(p, n);
	if ((v = json_loadb(p, n, 0, err)) == NULL)
		v = mend(str_n(p, n));
	return v;
}
