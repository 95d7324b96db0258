/* SPDX-License-Identifier: BSD-2-Clause */
/* Canonical paths: what rules match, what goes upstream, what is refused. */
#include "path.h"

#include "table.h"
#include "unit.h"

#include <errno.h>

static struct arena a;

static void
setup(void)
{
	arena_init(&a, 1 << 20);
}

struct row { const char *in, *out; };

static struct str
canonical(const char *in, bool sanitize)
{
	struct str s = STR_NONE;
	int r = path_canonical(&a, str_c(in), sanitize, false, &s);

	ck_assert_msg(r == 0, "%s: %d", in, r);
	return s;
}

/* Traefik's defaults: what is sent on, and what the router matches. */
START_TEST(sanitized)
{
	static const struct { const char *in, *out, *routing; } rows[] = {
		{ "/", "/", "/" },
		{ "", "/", "/" },
		{ "/a/../b/", "/b/", "/b/" },
		{ "/a/./b//c", "/a/b/c", "/a/b/c" },
		{ "/%41%2e%2E/b", "/A../b", "/A../b" },
		{ "/a/%2e%2e/b", "/b", "/b" },
		{ "/a/%2E%2E%2Fb", "/a/..%2Fb", "/a/..%2Fb" },
		{ "/a/%252e%252e/b", "/a/%252e%252e/b", "/a/%252e%252e/b" },
		{ "/foo%2fbar//", "/foo%2Fbar/", "/foo%2Fbar/" },
		{ "//host/path", "/host/path", "/host/path" },
		{ "/..", "/", "/" },
		{ "/../../etc/passwd", "/etc/passwd", "/etc/passwd" },
		{ "/a/b/../../../c", "/c", "/c" },
		{ "/a/b/..", "/a", "/a" },
		{ "/a/b/.", "/a/b", "/a/b" },
		{ "/a/b/../", "/a/", "/a/" },
		{ "/a/.../b", "/a/.../b", "/a/.../b" },
		{ "/..a/b..", "/..a/b..", "/..a/b.." },
		{ "/.%2e/x", "/x", "/x" },
		{ "/%2e/x", "/x", "/x" },
		{ "/foo%20bar", "/foo%20bar", "/foo bar" },
		{ "/foo bar", "/foo%20bar", "/foo bar" },
		{ "/%7euser", "/~user", "/~user" },
		{ "/\xc3\xa9", "/%C3%A9", "/\xc3\xa9" },
		{ "/%c3%a9", "/%C3%A9", "/\xc3\xa9" },
		{ "/a\\b", "/a%5Cb", "/a\\b" },
		{ "/\"<>^`{|}", "/%22%3C%3E%5E%60%7B%7C%7D", "/\"<>^`{|}" },
		{ "/a;x=1/b", "/a;x=1/b", "/a;x=1/b" },
		{ "/a%3bx", "/a%3Bx", "/a%3Bx" },
		{ "/%3a%2f%3f%23%5b%5d%40%21%24%26%27%28%29%2a%2b%2c%3b%3d%25",
		    "/%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25",
		    "/%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25"
		},
		{ "/:@!$&'()*+,;=", "/:@!$&'()*+,;=", "/:@!$&'()*+,;=" },
		{ "/\x7f\x01", "/%7F%01", "/\x7f\x01" },
		{ "a/b", "/a/b", "/a/b" },
	};

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str s = canonical(rows[i].in, true);

		ck_str_is(s, rows[i].out);
		ck_str_is(path_routing(&a, s), rows[i].routing);
		/* The canonical form of it is itself. */
		ck_str_is(canonical(rows[i].out, true), rows[i].out);
	}
	arena_fini(&a);
}
END_TEST

START_TEST(not_sanitized)
{
	static const struct row rows[] = {
		{ "/a/../b/", "/a/../b/" },
		{ "/a//b/./c", "/a//b/./c" },
		{ "/a/%2e%2e/b", "/a/../b" },
		{ "/%41%2f", "/A%2F" },
		{ "*", "*" },
		{ "", "" },
	};

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_str_is(canonical(rows[i].in, false), rows[i].out);
	arena_fini(&a);
}
END_TEST

START_TEST(refused)
{
	static const char *const bad[] = { "/%", "/%4", "/a%zz", "/%4g", "/%g4",
	    "/a%00b", "/%", "/%%41", "/% 41", "/a%2" };
	struct str s;

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (int sanitize = 0; sanitize < 2; sanitize++)
			ck_assert_msg(path_canonical(&a, str_c(bad[i]),
			    sanitize, false, &s) == -EBADMSG, "%s", bad[i]);
	ck_assert_int_eq(path_canonical(&a, STR("/a\0b"), true, false, &s),
	    -EBADMSG);
	/* allowEncodedNullCharacter */
	ck_assert_int_eq(path_canonical(&a, STR("/a%00b"), true, true, &s), 0);
	ck_str_is(s, "/a%00b");
	ck_assert_int_eq(path_canonical(&a, STR("/a\0b"), true, true, &s), 0);
	ck_str_is(s, "/a%00b");
	ck_assert(str_eq(path_routing(&a, s), STR("/a\0b")));
	arena_fini(&a);
}
END_TEST

START_TEST(no_memory)
{
	struct str s, ways[PATH_READINGS];

	arena_init(&a, 0);
	ck_assert_int_eq(path_canonical(&a, STR("/a"), true, false, &s),
	    -ENOMEM);
	ck_assert_ptr_null(path_clean(&a, STR("/a/../b")).p);
	ck_assert_ptr_null(path_decode(&a, STR("/%41")).p);
	ck_assert_ptr_null(path_encode(&a, STR("/ ")).p);
	ck_assert_ptr_null(path_query_semicolons(&a, STR("a;b"), true).p);
	ck_assert_int_eq(path_readings(&a, STR("/a"), ways), -ENOMEM);
	arena_fini(&a);
}
END_TEST

START_TEST(decode_and_encode)
{
	static const struct row decode[] = {
		{ "", "" }, { "/plain", "/plain" }, { "/%41%2F%25", "/A/%" },
		{ "/%c3%A9", "/\xc3\xa9" },
	};
	static const struct row encode[] = {
		{ "/a b", "/a%20b" }, { "/\xc3\xa9?#", "/%C3%A9%3F%23" },
		{ "/a%b", "/a%b" }, { "/a/;:@", "/a/;:@" },
	};

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(decode); i++)
		ck_str_is(path_decode(&a, str_c(decode[i].in)), decode[i].out);
	for (size_t i = 0; i < ARRAY_SIZE(encode); i++)
		ck_str_is(path_encode(&a, str_c(encode[i].in)), encode[i].out);
	ck_assert_ptr_null(path_decode(&a, STR("/%4")).p);
	ck_assert_ptr_null(path_decode(&a, STR("/%zz")).p);
	arena_fini(&a);
}
END_TEST

/* encodedCharacters: one bit each, in either case, and never in the query. */
START_TEST(denied)
{
	static const struct { const char *path; unsigned bit; } rows[] = {
		{ "/a%2Fb", TENC_SLASH }, { "/a%2fb", TENC_SLASH },
		{ "/a%5Cb", TENC_BACKSLASH }, { "/a%5cb", TENC_BACKSLASH },
		{ "/a\\b", TENC_BACKSLASH }, { "/a%00", TENC_NUL },
		{ "/a%3Bb", TENC_SEMICOLON }, { "/a%25b", TENC_PERCENT },
		{ "/a%3Fb", TENC_QUESTION }, { "/a%23b", TENC_HASH },
		{ "/%2F", TENC_SLASH }, { "%23", TENC_HASH },
	};
	static const char *const fine[] = { "/", "/a/b;c", "/a%20b", "/%2",
	    "/%C3%A9", "/a%2" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned bit = 1; bit < 128; bit <<= 1)
			ck_assert_msg(path_denied(str_c(rows[i].path), bit) ==
			    (bit == rows[i].bit), "%s with %u", rows[i].path,
			    bit);
	for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
		ck_assert(!path_denied(str_c(fine[i]), 127));
		ck_assert(!path_denied(str_c(fine[i]), 0));
	}
}
END_TEST

/* What a server behind may make of it (S-603). */
START_TEST(readings)
{
	static const struct { const char *path; bool odd; const char *ways[4]; }
	    rows[] = {
		{ "/a/b", false, { "/a/b", "/a/b", "/a/b", "/a/b" } },
		{ "/a/..%2Fadmin", true,
		    { "/admin", "/a/..%2Fadmin", "/a/..%2Fadmin", "/admin" } },
		{ "/a/..%5Cadmin", true,
		    { "/admin", "/a/..%5Cadmin", "/a/..%5Cadmin", "/admin" } },
		{ "/a/..;/admin", true,
		    { "/a/..;/admin", "/admin", "/a/..;/admin", "/admin" } },
		{ "/a/..%3B/admin", true,
		    { "/a/..%3B/admin", "/admin", "/a/..%3B/admin", "/admin" } },
		{ "/a/%252e%252e/admin", true,
		    { "/a/%252e%252e/admin", "/a/%252e%252e/admin", "/admin",
		    "/admin" } },
		{ "/a/..%252Fadmin", true,
		    { "/a/..%252Fadmin", "/a/..%252Fadmin", "/admin",
		    "/admin" } },
		{ "/a/..%255Cadmin", true,
		    { "/a/..%255Cadmin", "/a/..%255Cadmin", "/a/..\\admin",
		    "/admin" } },
		{ "/a/..%253Bx/admin", true,
		    { "/a/..%253Bx/admin", "/a/..%253Bx/admin", "/a/..;x/admin",
		    "/admin" } },
		{ "/a;p=1/b", true,
		    { "/a;p=1/b", "/a/b", "/a;p=1/b", "/a/b" } },
		{ "/a%25", true, { "/a%25", "/a%25", "/a%25", "/a%25" } },
	};
	struct str got[PATH_READINGS];

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(path_ambiguous(str_c(rows[i].path)) ==
		    rows[i].odd, "%s", rows[i].path);
		ck_assert_int_eq(path_readings(&a, str_c(rows[i].path), got),
		    PATH_READINGS);
		for (unsigned k = 0; k < PATH_READINGS; k++)
			ck_str_is(got[k], rows[i].ways[k]);
	}
	/* What sanitizePath: false leaves (S-602). */
	ck_assert(path_ambiguous(STR("/a//b")));
	ck_assert(path_ambiguous(STR("/a/../b")));
	ck_assert(path_ambiguous(STR("/a/./b")));
	ck_assert(path_ambiguous(STR("/..")));
	ck_assert(path_ambiguous(STR("/a/.")));
	ck_assert(!path_ambiguous(STR("/a/.../..b/.c/d..")));
	ck_assert_int_eq(path_readings(&a, STR("/open/../admin"), got),
	    PATH_READINGS);
	ck_str_is(got[0], "/admin");
	ck_assert(!path_ambiguous(STR("/a/b/")));
	arena_fini(&a);
}
END_TEST

START_TEST(semicolons)
{
	setup();
	ck_str_is(path_query_semicolons(&a, STR("a=1;b=2;"), true),
	    "a=1%3Bb=2%3B");
	ck_str_is(path_query_semicolons(&a, STR("a=1;b=2;"), false),
	    "a=1&b=2&");
	ck_str_is(path_query_semicolons(&a, STR(""), true), "");
	arena_fini(&a);
}
END_TEST

UNIT_MAIN("path", sanitized, not_sanitized, refused, no_memory,
    decode_and_encode, denied, readings, semicolons)
