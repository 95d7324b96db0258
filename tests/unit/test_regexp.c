/* SPDX-License-Identifier: BSD-2-Clause */
/* Regular expressions: RE2's language, Go's replacements, limits. */
#include "regexp.h"

#include "clock.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

static char why[128];

static struct regexp *
make(const char *pattern)
{
	struct regexp *re = regexp_new(str_c(pattern), why, sizeof(why));

	ck_assert_msg(re != NULL, "%s: %s", pattern, why);
	return re;
}

START_TEST(matching)
{
	static const struct { const char *re, *in; int from, to; } rows[] = {
		{ "", "", 0, 0 }, { "", "abc", 0, 0 },
		{ "b", "abc", 1, 2 }, { "^b", "abc", -1, 0 },
		{ "c$", "abc", 2, 3 }, { "c$", "abc\n", -1, 0 },
		{ "a.c", "a\nc", -1, 0 }, { "(?s)a.c", "a\nc", 0, 3 },
		{ "(?i)ABC", "xabc", 1, 4 }, { "a|ab", "ab", 0, 1 },
		{ "a+?", "aaa", 0, 1 }, { "(?U)a+", "aaa", 0, 1 },
		{ "[a-c]+", "xxabcx", 2, 5 }, { "[^/]+$", "/a/b", 3, 4 },
		{ "[[:alpha:]]+", "12ab", 2, 4 }, { "\\d{2,3}", "a1234", 1, 4 },
		{ "\\bfoo\\b", "a foo b", 2, 5 }, { "\\Qa.b\\E", "xa.b", 1, 4 },
		{ "(?P<x>a)(?:b)", "ab", 0, 2 }, { "(?<x>a)", "a", 0, 1 },
		{ "\\x41", "A", 0, 1 }, { "\\.", "a.b", 1, 2 },
		{ "\\pL", "1a", 1, 2 }, { "[]a]", "]", 0, 1 },
		{ "[^]]", "]a", 1, 2 }, { "a{,3}", "a{,3}", 0, 5 },
		{ "\xc3\xa9", "caf\xc3\xa9", 3, 5 }, { "\\z", "ab", 2, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct regexp *re = make(rows[i].re);
		struct regexp_match m;
		int r = regexp_exec(re, str_c(rows[i].in), 0, &m);

		ck_assert_msg(r == (rows[i].from >= 0), "%s on %s: %d",
		    rows[i].re, rows[i].in, r);
		if (r > 0) {
			ck_assert_uint_eq(m.group[0].from,
			    (size_t)rows[i].from);
			ck_assert_uint_eq(m.group[0].to, (size_t)rows[i].to);
		}
		ck_assert_int_eq(regexp_exec(re, str_c(rows[i].in), 0, NULL),
		    r);
		regexp_free(re);
	}
	regexp_free(NULL);
}
END_TEST

START_TEST(groups)
{
	struct regexp *re = make("(a)(x)?(b)");
	struct regexp_match m;

	ck_assert_int_eq(regexp_exec(re, STR("_ab"), 0, &m), 1);
	ck_assert_uint_eq(m.n, 4);
	ck_assert_uint_eq(m.group[1].from, 1);
	ck_assert_uint_eq(m.group[2].from, SIZE_MAX);
	ck_assert_uint_eq(m.group[3].to, 3);
	ck_assert_int_eq(regexp_exec(re, STR("ab_ab"), 1, &m), 1);
	ck_assert_uint_eq(m.group[0].from, 3);
	ck_assert_int_eq(regexp_exec(re, STR("ab"), 2, &m), 0);
	regexp_free(re);
}
END_TEST

/* What RE2 has not, or reads otherwise, is refused with a reason. */
START_TEST(foreign)
{
	static const struct { const char *re, *why; } rows[] = {
		{ "(?=a)", "look-around" }, { "(?!a)", "look-around" },
		{ "(?<=a)", "look-around" }, { "(?<!a)", "look-around" },
		{ "(?>a)", "look-around" }, { "(?|a)", "look-around" },
		{ "(?R)", "look-around" }, { "(?1)", "look-around" },
		{ "(?P=x)", "look-around" }, { "(?P>x)", "look-around" },
		{ "(?C1)", "look-around" }, { "(?#c)", "look-around" },
		{ "(?x)a", "look-around" }, { "(?(1)a)", "look-around" },
		{ "(?^a)", "look-around" }, { "(?", "look-around" },
		{ "(*FAIL)", "verbs" }, { "(*UTF)a", "verbs" },
		{ "(a)\\1", "back-references" }, { "\\g1", "back-references" },
		{ "(?P<n>a)\\k<n>", "back-references" },
		{ "a++", "possessive" }, { "a*+", "possessive" },
		{ "a?+", "possessive" }, { "a{2}+", "possessive" },
		{ "\\K", "escape" }, { "a\\Gb", "escape" }, { "\\R", "escape" },
		{ "\\X", "escape" }, { "\\N", "escape" }, { "\\h", "escape" },
		{ "\\Z", "escape" }, { "[\\h]", "escape" }, { "\\ca", "escape" },
		{ "\\C", "" }, { "(", "offset" }, { ")", "offset" },
		{ "[", "offset" }, { "*", "offset" }, { "a**", "offset" },
		{ "a{2,1}", "offset" }, { "\\", "offset" }, { "[b-a]", "offset" },
		{ "[]", "offset" }, { "(?P<1>a)", "offset" },
		{ "(?P<x>a)(?P<x>b)", "offset" },
		{ "[\xc3\xa9]", "beyond ASCII" }, { "\xc3\xa9+", "beyond ASCII" },
		{ "\xc3\xa9{2}", "beyond ASCII" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct regexp *re = regexp_new(str_c(rows[i].re), why,
		    sizeof(why));

		ck_assert_msg(re == NULL, "taken: %s", rows[i].re);
		ck_assert_msg(strstr(why, rows[i].why) != NULL, "%s: %s",
		    rows[i].re, why);
	}
	/* Not fooled by brackets and quotes. */
	regexp_free(make("[(?=]"));
	regexp_free(make("\\(?=a"));
	regexp_free(make("[a]\\(*"));
}
END_TEST

START_TEST(limits)
{
	static char text[REGEXP_SUBJECT_MAX + 2];
	struct regexp *re;
	struct regexp_match m;
	nsec_t start = clock_mono();

	memset(text, 'a', sizeof(text));
	ck_assert_ptr_null(regexp_new(str_n(text, REGEXP_PATTERN_MAX + 1),
	    why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "too long"));
	re = regexp_new(str_n(text, REGEXP_PATTERN_MAX), why, sizeof(why));
	ck_assert_ptr_nonnull(re);
	regexp_free(re);
	re = make("a$");
	ck_assert_int_eq(regexp_exec(re, str_n(text, REGEXP_SUBJECT_MAX + 1),
	    0, NULL), -E2BIG);
	regexp_free(re);
	/* No pattern takes exponential time; it gives up (S-609). */
	text[64] = 'b';
	re = make("^(a+)+$");
	ck_assert_int_eq(regexp_exec(re, str_n(text, 65), 0, &m), -E2BIG);
	regexp_free(re);
	re = make("^(a|a)*$");
	ck_assert_int_eq(regexp_exec(re, str_n(text, 65), 0, &m), -E2BIG);
	regexp_free(re);
	re = make("(x+x+)+[yz]");
	memset(text, 'x', 4000);
	ck_assert_int_eq(regexp_exec(re, str_n(text, 4000), 0, &m), -E2BIG);
	regexp_free(re);
	ck_assert_int_lt(clock_mono() - start, 2 * NSEC_SEC);
}
END_TEST

START_TEST(replacing)
{
	static const struct { const char *re, *in, *by, *out; } rows[] = {
		{ "b", "abcb", "X", "aXcX" },
		{ "z", "abc", "X", NULL },
		{ "^/api/(.*)", "/api/a/b", "/$1", "/a/b" },
		{ "^/(\\w+)/(\\w+)", "/a/b/c", "/$2/$1", "/b/a/c" },
		{ "(a)(b)?", "a", "[$1|$2|$3]", "[a||]" },
		{ "a", "a", "$0$0", "aa" },
		{ "(?P<x>a)", "a", "${x}${x}!", "aa!" },
		/* The longest name counts: "$1x" is the group named "1x". */
		{ "(a)", "a", "$1x", "" }, { "(a)", "a", "${1}x", "ax" },
		{ "(a)", "a", "$1-", "a-" }, { "(a)", "a", "$$1", "$1" },
		{ "a", "a", "$", "$" }, { "a", "a", "${", "${" },
		{ "a", "a", "${}", "${}" }, { "a", "a", "${x", "${x" },
		{ "a", "a", "${x-y}", "${x-y}" }, { "a", "a", "$-", "$-" },
		{ "a", "a", "$99", "" }, { "a", "a", "$99999999999999999999",
		    "" },
		/* Empty matches, as Go has them. */
		{ "", "abc", "-", "-a-b-c-" }, { "", "", "-", "-" },
		{ "a*", "baaac", "x", "xbxcx" },
		{ "[a-c]*", "defabcdef", "x", "xdxexfxdxexfx" },
		{ "$", "abc", "!", "abc!" }, { "^", "abc", "!", "!abc" },
		{ "b*", "abbb", "x", "xax" },
		{ "a", "aaa", "", "" },
		{ "(?m)^", "a\nb\n", "-", "-a\n-b\n-" },
		{ "(?m)$", "a\nb\n", "-", "a-\nb-\n-" },
	};
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct regexp *re = make(rows[i].re);
		struct str out;
		int r = regexp_replace(re, &a, str_c(rows[i].in),
		    str_c(rows[i].by), &out);

		ck_assert_int_eq(r, rows[i].out != NULL);
		ck_assert_msg(str_eq(out, str_c(rows[i].out != NULL ?
		    rows[i].out : rows[i].in)), "%s on %s by %s: \"%.*s\"",
		    rows[i].re, rows[i].in, rows[i].by, STR_ARG(out));
		regexp_free(re);
	}
	arena_fini(&a);
}
END_TEST

/* Many matches cost memory that grows with the text, not with its square. */
START_TEST(replacing_much)
{
	static char text[REGEXP_SUBJECT_MAX];
	struct regexp *re = make("a");
	struct arena a;
	struct str out;

	memset(text, 'a', sizeof(text));
	arena_init(&a, 4 * 3 * sizeof(text));
	ck_assert_int_eq(regexp_replace(re, &a, str_n(text, sizeof(text)),
	    STR("bc"), &out), 1);
	ck_assert_uint_eq(out.n, 2 * sizeof(text));
	ck_assert_uint_eq(out.p[out.n - 1], 'c');
	arena_fini(&a);
	arena_init(&a, 1000);
	ck_assert_int_eq(regexp_replace(re, &a, str_n(text, sizeof(text)),
	    STR("bc"), &out), -ENOMEM);
	arena_fini(&a);
	regexp_free(re);
	re = make("^(a+)+$");
	text[64] = 'b';
	arena_init(&a, 1000);
	ck_assert_int_eq(regexp_replace(re, &a, str_n(text, 65), STR("x"),
	    &out), -E2BIG);
	arena_fini(&a);
	regexp_free(re);
}
END_TEST

START_TEST(expanding)
{
	struct regexp *re = make("(\\d+)");
	struct regexp_match m;
	struct arena a;
	struct str out = STR("had ");

	arena_init(&a, 1 << 16);
	ck_assert_int_eq(regexp_exec(re, STR("ab12"), 0, &m), 1);
	ck_assert_int_eq(regexp_expand(re, &a, STR("<$1>"), STR("ab12"), &m,
	    &out), 0);
	ck_str_is(out, "had <12>");
	arena_fini(&a);
	regexp_free(re);
}
END_TEST

UNIT_MAIN("regexp", matching, groups, foreign, limits, replacing,
    replacing_much, expanding)
