/* SPDX-License-Identifier: BSD-2-Clause */
/* URI references: the examples of RFC 3986 and what is malformed. */
#include "uri.h"

#include "unit.h"

#include <errno.h>

static struct arena a;

/* RFC 3986 5.4 */
START_TEST(resolving)
{
	static const struct { const char *ref, *out; } rows[] = {
		{ "g:h", "g:h" }, { "g", "http://a/b/c/g" },
		{ "./g", "http://a/b/c/g" }, { "g/", "http://a/b/c/g/" },
		{ "/g", "http://a/g" }, { "//g", "http://g" },
		{ "?y", "http://a/b/c/d;p?y" }, { "g?y", "http://a/b/c/g?y" },
		{ "#s", "http://a/b/c/d;p?q#s" }, { "g#s", "http://a/b/c/g#s" },
		{ "g?y#s", "http://a/b/c/g?y#s" }, { ";x", "http://a/b/c/;x" },
		{ "g;x", "http://a/b/c/g;x" },
		{ "g;x?y#s", "http://a/b/c/g;x?y#s" },
		{ "", "http://a/b/c/d;p?q" }, { ".", "http://a/b/c/" },
		{ "./", "http://a/b/c/" }, { "..", "http://a/b/" },
		{ "../", "http://a/b/" }, { "../g", "http://a/b/g" },
		{ "../..", "http://a/" }, { "../../", "http://a/" },
		{ "../../g", "http://a/g" }, { "../../../g", "http://a/g" },
		{ "../../../../g", "http://a/g" }, { "/./g", "http://a/g" },
		{ "/../g", "http://a/g" }, { "g.", "http://a/b/c/g." },
		{ ".g", "http://a/b/c/.g" }, { "g..", "http://a/b/c/g.." },
		{ "..g", "http://a/b/c/..g" }, { "./../g", "http://a/b/g" },
		{ "./g/.", "http://a/b/c/g/" }, { "g/./h", "http://a/b/c/g/h" },
		{ "g/../h", "http://a/b/c/h" },
		{ "g;x=1/./y", "http://a/b/c/g;x=1/y" },
		{ "g;x=1/../y", "http://a/b/c/y" },
		{ "g?y/./x", "http://a/b/c/g?y/./x" },
		{ "g?y/../x", "http://a/b/c/g?y/../x" },
		{ "g#s/./x", "http://a/b/c/g#s/./x" },
		{ "http:g", "http:g" },
		{ "https://x:1/../y", "https://x:1/y" },
		/* A path stays a path. */
		{ "/.//x", "http://a//x" }, { "g:/.//x", "g:/.//x" },
		{ "g:/a/..//x", "g:/.//x" },
	};

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_str_is(uri_resolve(&a, STR("http://a/b/c/d;p?q"),
		    str_c(rows[i].ref)), rows[i].out);
	ck_str_is(uri_resolve(&a, STR("http://auth:4181"), STR("/in?x=1")),
	    "http://auth:4181/in?x=1");
	ck_str_is(uri_resolve(&a, STR("http://auth:4181"), STR("in")),
	    "http://auth:4181/in");
	ck_assert_ptr_null(uri_resolve(&a, STR("http://a/"), STR(" x")).p);
	ck_assert_ptr_null(uri_resolve(&a, STR("http://a b/"), STR("x")).p);
	arena_fini(&a);
	arena_init(&a, 0);
	ck_assert_ptr_null(uri_resolve(&a, STR("http://a/"), STR("x")).p);
	arena_fini(&a);
}
END_TEST

START_TEST(splitting)
{
	struct uri u;

	ck_assert_int_eq(uri_split(STR("HTTPS://u@[::1]:8443/p%20q?a=b?c#d#e"),
	    &u), 0);
	ck_str_is(u.scheme, "HTTPS");
	ck_str_is(u.authority, "u@[::1]:8443");
	ck_str_is(u.path, "/p%20q");
	ck_str_is(u.query, "a=b?c");
	ck_str_is(u.fragment, "d#e");
	ck_assert_int_eq(uri_split(STR("//h"), &u), 0);
	ck_assert(u.has_authority && !u.has_scheme && u.path.n == 0);
	ck_assert_int_eq(uri_split(STR("/a:b"), &u), 0);
	ck_str_is(u.path, "/a:b");
	ck_assert_int_eq(uri_split(STR("?"), &u), 0);
	ck_assert(u.has_query && u.query.n == 0);
	ck_assert_int_eq(uri_split(STR("/\xc3\xa9"), &u), 0);
}
END_TEST

START_TEST(malformed)
{
	static const char *const bad[] = { "a b", " ", "a\tb", "\n", "/a\rb",
	    "\x7f", "/%", "/%4", "/%zz", ":x", "1http://x", "a_b:c", "-x:y",
	    "http://a:b", "http://a:8x/", "http://<a>/", "http://a\"b/",
	    "http://a\\b/", "//a:x" };
	struct uri u;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(uri_split(str_c(bad[i]), &u) == -EINVAL, "%s",
		    bad[i]);
	ck_assert_int_eq(uri_split(STR("/a\0b"), &u), -EINVAL);
}
END_TEST

START_TEST(dots)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" }, { "/", "/" }, { "/a/b/c/./../../g", "/a/g" },
		{ "/..", "/" }, { "/.", "/" }, { "/../..", "/" },
		{ "/a/..", "/" }, { "/a//b", "/a//b" }, { "/a/...", "/a/..." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *exact = malloc(strlen(rows[i].in) + 1);

		ck_str_is(uri_remove_dots(str_c(rows[i].in), exact),
		    rows[i].out);
		free(exact);
	}
}
END_TEST

UNIT_MAIN("uri", resolving, splitting, malformed, dots)
