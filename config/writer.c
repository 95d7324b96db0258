/* SPDX-License-Identifier: BSD-2-Clause */
/* Structs in the words of the file; see writer.h. */
#include "writer.h"

#include "alloc.h"
#include "fields.h"
#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* ---- Text ----------------------------------------------------------------- */

/* A controller that was taken over may say what is no UTF-8. */
static char *
ascii(const char *v)
{
	char *copy = xstrdup(v);

	for (char *p = copy; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return copy;
}

json_t *
write_text(const char *v)
{
	json_t *o = json_string(v);
	char *copy;

	if (o != NULL)
		return o;
	copy = ascii(v);
	o = json_string(copy);
	free(copy);
	return o;
}

void
write_member(json_t *o, const char *key, json_t *value)
{
	char *copy;

	json_incref(value);
	if (json_object_set_new(o, key, value) < 0) {
		copy = ascii(key);
		json_object_set(o, copy, value);
		free(copy);
	}
	json_decref(value);
}

/* ---- Secrets -------------------------------------------------------------- */

/* Header fields that carry what lets somebody in. */
static bool
is_secret_field(const char *name)
{
	static const char *const parts[] = { "authorization", "cookie",
	    "token", "secret", "password", "api-key", "apikey" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(name, parts[i]) != NULL)
			return true;
	return false;
}

static json_t *
user(const char *v, const char *colon)
{
	char *shown = xasprintf("%.*s:" WRITE_MASK, (int)(colon - v), v);
	json_t *o = write_text(shown);

	free(shown);
	return o;
}

/* One text; `name` is that of a pair, or NULL. */
static json_t *
text(const char *v, enum secrecy secret, const char *name)
{
	const char *colon;
	bool mask = false;

	switch (secret) {
	case SECRET_NOT:
		break;
	case SECRET_VALUE:
		mask = v[0] != '\0' && v[0] != '/';
		break;
	case SECRET_PEM:
		mask = strstr(v, "-----BEGIN") != NULL;
		break;
	case SECRET_FIELDS:
		mask = v[0] != '\0' && name != NULL && is_secret_field(name);
		break;
	case SECRET_USERS:
		colon = strchr(v, ':');
		if (colon != NULL)
			return user(v, colon);
		mask = true;
	}
	return mask ? json_string(WRITE_MASK) : write_text(v);
}

/* ---- Values --------------------------------------------------------------- */

void
write_duration(nsec_t t, struct buf *out)
{
	static const struct { nsec_t n; const char *unit; } units[] = {
		{ 3600 * NSEC_SEC, "h" }, { 60 * NSEC_SEC, "m" },
		{ NSEC_SEC, "s" }, { NSEC_MSEC, "ms" }, { 1000, "us" },
		{ 1, "ns" },
	};

	if (t == 0)
		buf_puts(out, STR("0s"));
	if (t < 0)
		buf_putc(out, '-');
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		nsec_t n = t / units[i].n;

		if (n != 0)
			buf_printf(out, "%llu%s", (unsigned long long)(n < 0 ?
			    -n : n), units[i].unit);
		t %= units[i].n;
	}
}

static json_t *
duration(nsec_t t)
{
	struct buf b = BUF_INIT;
	json_t *o;

	write_duration(t, &b);
	o = json_stringn(b.p, b.n);
	buf_fini(&b);
	return o;
}

static json_t *
strings(const struct strlist *l, enum secrecy secret)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < l->n; i++)
		json_array_append_new(list, text(l->v[i], secret, NULL));
	return list;
}

static json_t *
pairs(const struct pairlist *l, enum secrecy secret)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < l->n; i++)
		write_member(o, l->v[i].name, text(l->v[i].value, secret,
		    l->v[i].name));
	return o;
}

static json_t *
elements(const struct schema *s, const struct any_list *l, unsigned flags)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < l->n; i++)
		json_array_append_new(list, write_json(s, l->v + i * s->bytes,
		    flags));
	return list;
}

static json_t *
named(const struct schema *s, const struct any_list *l, unsigned flags)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < l->n; i++) {
		const void *at = l->v + i * s->bytes;

		write_member(o, ((const struct object *)at)->name,
		    write_json(s, at, flags));
	}
	return o;
}

/* ---- Structs -------------------------------------------------------------- */

static json_t *structure(const struct schema *s, const char *obj,
    const char *plain, unsigned flags);

static json_t *
value(const struct sfield *f, const char *at, const char *plain,
    unsigned flags)
{
	enum secrecy secret = (enum secrecy)f->secret;

	switch ((enum stype)f->type) {
	case S_STR:
		return text(*(char *const *)(const void *)at, secret, NULL);
	case S_BOOL:
	case S_PRIVATE:
		return json_boolean(*(const bool *)(const void *)at);
	case S_TRI:
		return json_boolean(*(const enum tri *)(const void *)at ==
		    TRI_TRUE);
	case S_INT:
		return json_integer(*(const int64_t *)(const void *)at);
	case S_DURATION:
		return duration(*(const nsec_t *)(const void *)at);
	case S_STRLIST:
		return strings((const struct strlist *)(const void *)at,
		    secret);
	case S_PAIRS:
		return pairs((const struct pairlist *)(const void *)at,
		    secret);
	case S_STRUCT:
		return structure(f->sub, at, plain, flags);
	case S_OBJECT:
		return write_json(f->sub, *(char *const *)(const void *)at,
		    flags);
	case S_LIST:
		return elements(f->sub, (const struct any_list *)(const void *)
		    at, flags);
	case S_MAP:
		return named(f->sub, (const struct any_list *)(const void *)at,
		    flags);
	default:
		return json_object();	/* known and not supported yet */
	}
}

/* Has the field a value that is worth a word? */
static bool
is_written(const struct schema *s, const struct sfield *f, const char *obj,
    const char *plain, unsigned flags)
{
	const char *at = obj + f->off;
	bool said = f->type == S_MAP ?
	    ((const struct any_list *)(const void *)at)->n != 0 :
	    fields_said(s, f, obj, plain);

	if (f->type == S_PRIVATE)
		return said && (flags & WRITE_PRIVATE) != 0;
	if (said || (flags & WRITE_DEFAULTS) == 0)
		return said;
	switch ((enum stype)f->type) {
	case S_BOOL:
		return true;
	case S_INT:
	case S_DURATION:
		/* Below 0 stands for what cannot be said as a number. */
		return *(const int64_t *)(const void *)at >= 0;
	default:
		return false;
	}
}

static json_t *
structure(const struct schema *s, const char *obj, const char *plain,
    unsigned flags)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < s->nfields; i++) {
		const struct sfield *f = &s->fields[i];
		bool there = f->arg != S_NO_ARG &&
		    *(const bool *)(const void *)(obj + f->arg);
		json_t *v;

		if (!is_written(s, f, obj, plain, flags))
			continue;
		v = value(f, obj + f->off, plain + f->off, flags);
		if (f->type == S_STRUCT && !there && json_object_size(v) == 0)
			json_decref(v);
		else
			json_object_set_new(o, f->key, v);
	}
	return o;
}

json_t *
write_json(const struct schema *s, const void *obj, unsigned flags)
{
	char *plain = fields_plain(s);
	json_t *o = structure(s, obj, plain, flags);

	free(plain);
	return o;
}

/* ---- YAML ----------------------------------------------------------------- */

/* May it stand without quotes and still be read as a text? */
static bool
is_plain(const char *v)
{
	static const char *const taken[] = { "true", "false", "null", "yes",
	    "no", "on", "off", "y", "n" };
	size_t n = strlen(v);

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (strcasecmp(v, taken[i]) == 0)
			return false;
	/* A number with a unit at its end is none. */
	return (isalpha((unsigned char)v[0]) || v[0] == '/' ||
	    (n > 1 && isdigit((unsigned char)v[0]) &&
	    strchr("smh", v[n - 1]) != NULL)) && v[strspn(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_-./@")] == '\0';
}

static int
put_scalar(yaml_emitter_t *e, const char *v, bool is_text)
{
	bool plain = !is_text || is_plain(v);
	yaml_event_t ev;

	return yaml_scalar_event_initialize(&ev, NULL, NULL,
	    (const yaml_char_t *)v, (int)strlen(v), plain, !plain, plain ?
	    YAML_PLAIN_SCALAR_STYLE : strchr(v, '\n') != NULL ?
	    YAML_LITERAL_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE) &&
	    yaml_emitter_emit(e, &ev);
}

static int put_node(yaml_emitter_t *e, const json_t *v);

static int
put_array(yaml_emitter_t *e, const json_t *v)
{
	yaml_event_t ev;
	const json_t *item;
	bool flow = true;
	size_t i;
	int ok;

	json_array_foreach(v, i, item)
		flow &= !json_is_object(item) && !json_is_array(item);
	ok = yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, flow ?
	    YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE) &&
	    yaml_emitter_emit(e, &ev);
	json_array_foreach(v, i, item)
		ok = ok && put_node(e, item);
	return ok && yaml_sequence_end_event_initialize(&ev) &&
	    yaml_emitter_emit(e, &ev);
}

static int
put_object(yaml_emitter_t *e, const json_t *v)
{
	yaml_event_t ev;
	const char *key;
	json_t *item;
	int ok = yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1,
	    YAML_BLOCK_MAPPING_STYLE) && yaml_emitter_emit(e, &ev);

	json_object_foreach((json_t *)(size_t)v, key, item)
		ok = ok && put_scalar(e, key, true) && put_node(e, item);
	return ok && yaml_mapping_end_event_initialize(&ev) &&
	    yaml_emitter_emit(e, &ev);
}

static int
put_node(yaml_emitter_t *e, const json_t *v)
{
	char number[32];

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return put_object(e, v);
	case JSON_ARRAY:
		return put_array(e, v);
	case JSON_STRING:
		return put_scalar(e, json_string_value(v), true);
	case JSON_TRUE:
		return put_scalar(e, "true", false);
	case JSON_FALSE:
		return put_scalar(e, "false", false);
	case JSON_NULL:
		return put_scalar(e, "null", false);
	case JSON_REAL:
		(void)snprintf(number, sizeof(number), "%.17g",
		    json_real_value(v));
		return put_scalar(e, number, false);
	default:
		(void)snprintf(number, sizeof(number), "%lld",
		    (long long)json_integer_value(v));
		return put_scalar(e, number, false);
	}
}

static int
put_bytes(void *arg, unsigned char *p, size_t n)
{
	buf_put(arg, p, n);
	return !buf_failed(arg);
}

int
write_yaml(const json_t *v, struct buf *out)
{
	yaml_emitter_t e;
	yaml_event_t ev;
	int ok;

	if (!yaml_emitter_initialize(&e))
		return -ENOMEM;
	yaml_emitter_set_output(&e, put_bytes, out);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, 100);
	ok = yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING) &&
	    yaml_emitter_emit(&e, &ev) &&
	    yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1) &&
	    yaml_emitter_emit(&e, &ev) && put_node(&e, v) &&
	    yaml_document_end_event_initialize(&ev, 1) &&
	    yaml_emitter_emit(&e, &ev) &&
	    yaml_stream_end_event_initialize(&ev) &&
	    yaml_emitter_emit(&e, &ev);
	yaml_emitter_delete(&e);
	return ok ? 0 : -ENOMEM;
}
