/* SPDX-License-Identifier: BSD-2-Clause */
/* What tenants write that no parser takes: each object is lost alone. */
#include "kube_json.h"
#include "unit.h"

#include "buf.h"

#include <stdlib.h>
#include <string.h>

static json_t *
load(const char *text)
{
	json_error_t err;
	char *copy = strdup(text);
	json_t *v;

	ck_assert_ptr_nonnull(copy);
	v = kube_json_load(copy, strlen(copy), &err);
	free(copy);
	return v;
}

static char *
names_of(const json_t *list)
{
	struct buf b = BUF_INIT;
	json_t *o;
	size_t i;
	char *s;

	json_array_foreach(json_object_get(list, "items"), i, o)
		buf_printf(&b, "%s%s ", json_string_value(json_object_get(
		    json_object_get(o, "metadata"), "name")),
		    json_object_get(o, "spec") != NULL ? "" : "-");
	s = strdup(buf_cstr(&b));
	buf_fini(&b);
	return s;
}

#define ITEM(name, spec)						\
	"{\"kind\": \"K\", \"metadata\": {\"name\": \"" name "\", "	\
	"\"namespace\": \"n\"}, \"spec\": " spec "}"
#define LIST(items)							\
	"{\"kind\": \"List\", \"metadata\": {\"resourceVersion\": \"7\"}, " \
	"\"items\": [" items "]}"

START_TEST(one_of_a_list)
{
	static const struct { const char *items, *want; } rows[] = {
		{ "", "" },
		{ ITEM("a", "{}") ", " ITEM("b", "{\"x\": [1, 2]}"), "a b " },
		/* Beyond 64 bits. */
		{ ITEM("a", "{}") ", " ITEM("b", "{\"x\": "
		    "100000000000000000000}") ", " ITEM("c", "{}"), "a b- c " },
		{ ITEM("a", "{\"x\": 1e999}") "," ITEM("b", "1"), "a- b " },
		/* Brackets and quotes in texts. */
		{ ITEM("a", "{\"x\": \"}]\\\"{\", \"y\": "
		    "100000000000000000000}") ", " ITEM("c", "{\"\": []}"),
		    "a- c " },
		/* No metadata: nobody knows what it was. */
		{ "{\"x\": 100000000000000000000}, " ITEM("b", "2"), "b " },
		{ "{\"metadata\": 100000000000000000000}, " ITEM("b", "2"),
		    "b " },
		/* Only a part of the metadata. */
		{ "{\"metadata\": {\"managedFields\": "
		    "100000000000000000000, \"name\": \"a\"}}", "a- " },
		/* NUL, in values and in keys. */
		{ ITEM("a", "{\"x\\u0000\": \"y\\u0000z\"}"), "a " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2048], *got;
		json_t *v;

		snprintf(text, sizeof(text), "{\"kind\": \"List\", "
		    "\"metadata\": {\"resourceVersion\": \"7\"}, \"items\": "
		    "[%s]}", rows[i].items);
		v = load(text);
		ck_assert_ptr_nonnull(v);
		got = names_of(v);
		ck_assert_msg(strcmp(got, rows[i].want) == 0,
		    "row %zu: got \"%s\", want \"%s\"", i, got, rows[i].want);
		ck_assert_str_eq(json_string_value(json_object_get(
		    json_object_get(v, "metadata"), "resourceVersion")), "7");
		free(got);
		json_decref(v);
	}
}
END_TEST

START_TEST(too_deep)
{
	struct buf b = BUF_INIT;
	char *got;
	json_t *v;

	buf_printf(&b, "{\"metadata\": {}, \"items\": [" ITEM("a", "1") ", "
	    "{\"metadata\": {\"name\": \"b\", \"managedFields\": ");
	for (unsigned i = 0; i < 100000; i++)
		buf_printf(&b, "[{\"x\":");
	buf_putc(&b, '1');
	for (unsigned i = 0; i < 100000; i++)
		buf_printf(&b, "}]");
	buf_printf(&b, "}, \"spec\": 1}, " ITEM("c", "1") "]}");
	v = load(buf_cstr(&b));
	ck_assert_ptr_nonnull(v);
	got = names_of(v);
	ck_assert_str_eq(got, "a b- c ");
	free(got);
	json_decref(v);
	buf_fini(&b);
}
END_TEST

START_TEST(an_event)
{
	json_t *v = load("{\"type\": \"MODIFIED\", \"object\": "
	    ITEM("a", "{\"x\": 100000000000000000000}") "}"), *o;

	ck_assert_str_eq(json_string_value(json_object_get(v, "type")),
	    "MODIFIED");
	o = json_object_get(v, "object");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(o,
	    "metadata"), "name")), "a");
	ck_assert_ptr_null(json_object_get(o, "spec"));
	json_decref(v);
}
END_TEST

/* NUL becomes U+FFFD; an escaped backslash before it is another thing. */
START_TEST(no_nul)
{
	json_t *v = load("{\"a\": \"x\\u0000y\", \"b\": \"\\\\u0000\"}");

	ck_assert_str_eq(json_string_value(json_object_get(v, "a")),
	    "x\xef\xbf\xbdy");
	ck_assert_str_eq(json_string_value(json_object_get(v, "b")),
	    "\\u0000");
	json_decref(v);
}
END_TEST

/* What was cut is no list, wherever that was. */
START_TEST(every_cut)
{
	static const char text[] = LIST(ITEM("a", "{\"x\": "
	    "100000000000000000000}") ", " ITEM("b", "[\"\\\"\"]"));
	json_error_t err;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		char *copy = malloc(n + 1);
		json_t *v;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, n);
		v = kube_json_load(copy, n, &err);
		ck_assert_msg(v == NULL, "%zu bytes were taken", n);
		free(copy);
	}
	ck_assert_ptr_null(load("nonsense"));
	ck_assert_ptr_null(load("[]]"));
	ck_assert_ptr_null(load("{\"items\": }"));
}
END_TEST

UNIT_MAIN("kube_json", one_of_a_list, too_deep, an_event, no_nul, every_cut)
