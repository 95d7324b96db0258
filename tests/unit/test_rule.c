/* SPDX-License-Identifier: BSD-2-Clause */
/* Routing rules: grammar, arguments, messages, negation. */
#include "rule.h"

#include "buf.h"
#include "unit.h"

#include <stdio.h>

static struct arena a;
static char why[320];

static struct rule *
parse_str(struct str text)
{
	why[0] = '\0';
	return rule_parse(&a, text, why, sizeof(why));
}

static void
write_rule(const struct rule *r, struct buf *out)
{
	static const char *const names[RULE_KINDS] = { [RULE_HOST] = "Host",
	    [RULE_HOST_REGEXP] = "HostRegexp", [RULE_PATH] = "Path",
	    [RULE_PATH_PREFIX] = "PathPrefix",
	    [RULE_PATH_REGEXP] = "PathRegexp", [RULE_METHOD] = "Method",
	    [RULE_HEADER] = "Header", [RULE_HEADER_REGEXP] = "HeaderRegexp",
	    [RULE_QUERY] = "Query", [RULE_QUERY_REGEXP] = "QueryRegexp",
	    [RULE_CLIENT_IP] = "ClientIP" };

	switch (r->kind) {
	case RULE_NOT:
		buf_putc(out, '!');
		write_rule(r->a, out);
		return;
	case RULE_AND:
	case RULE_OR:
		buf_putc(out, '(');
		write_rule(r->a, out);
		buf_printf(out, " %c ", r->kind == RULE_AND ? '&' : '|');
		write_rule(r->b, out);
		buf_putc(out, ')');
		return;
	default:
		buf_printf(out, "%s[%.*s", names[r->kind], STR_ARG(r->arg[0]));
		if (r->nargs > 1)
			buf_printf(out, ",%.*s", STR_ARG(r->arg[1]));
		buf_putc(out, ']');
	}
}

static const char *
shown(const struct rule *r)
{
	static struct buf out;

	ck_assert_msg(r != NULL, "%s", why);
	buf_reset(&out);
	write_rule(r, &out);
	return buf_cstr(&out);
}

START_TEST(grammar)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "Host(`a`)", "Host[a]" },
		{ "Path(`/a`) && Path(`/b`) || Path(`/c`)",
		    "((Path[/a] & Path[/b]) | Path[/c])" },
		{ "Path(`/a`) || Path(`/b`) && Path(`/c`)",
		    "(Path[/a] | (Path[/b] & Path[/c]))" },
		{ "(Path(`/a`) || Path(`/b`)) && Path(`/c`)",
		    "((Path[/a] | Path[/b]) & Path[/c])" },
		{ "Path(`/a`) && Path(`/b`) && Path(`/c`)",
		    "((Path[/a] & Path[/b]) & Path[/c])" },
		{ "!Path(`/a`) && Path(`/b`)", "(!Path[/a] & Path[/b])" },
		{ "!(Path(`/a`) || Path(`/b`))", "!(Path[/a] | Path[/b])" },
		{ "!!Path(`/a`)", "!!Path[/a]" },
		{ "((((Path(`/a`)))))", "Path[/a]" },
		/* White space is free, before operators too. */
		{ "  Host(\t`a`\n)\n\n  && \r\n Path ( `/n` ) ",
		    "(Host[a] & Path[/n])" },
		{ "Host(`a`)&&Path(`/n`)", "(Host[a] & Path[/n])" },
		/* Literals. */
		{ "Path(`/a\\b\"c`)", "Path[/a\\b\"c]" },
		{ "Path(`/a\nb`)", "Path[/a\nb]" },
		{ "Path(\"/a`b\")", "Path[/a`b]" },
		{ "Path(\"/\\\\\\\"\\n\\t\")", "Path[/\\\"\n\t]" },
		{ "Path(\"/\\x41\\u00e9\\u20ac\\U0001F600\\101\")",
		    "Path[/A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
		    "A]" },
		/* Names. */
		{ "PathPrefix(`/`)", "PathPrefix[/]" },
		{ "pathprefix(`/`)", "PathPrefix[/]" },
		{ "PATHPREFIX(`/`)", "PathPrefix[/]" },
		{ "Pathprefix(`/`)", "PathPrefix[/]" },
		{ "Clientip(`10.0.0.1`)", "ClientIP[10.0.0.1]" },
		/* Arguments. */
		{ "Host(`A.Test`)", "Host[a.test]" },
		{ "Host(`a.test.`)", "Host[a.test]" },
		{ "Host(`*`)", "Host[*]" },
		{ "Host(`*.A.test`)", "Host[*.a.test]" },
		{ "HostRegexp(`^[A-Z]+$`)", "HostRegexp[^[A-Z]+$]" },
		{ "Method(`get`)", "Method[GET]" },
		{ "Header(`X-A`, `1`)", "Header[X-A,1]" },
		{ "HeaderRegexp(`X-A`, `^1`)", "HeaderRegexp[X-A,^1]" },
		{ "Query(`k`)", "Query[k]" },
		{ "Query(`k`, `v`)", "Query[k,v]" },
		{ "Query(`k`, `v`,)", "Query[k,v]" },
		{ "QueryRegexp(`k`)", "QueryRegexp[k]" },
		{ "QueryRegexp(`k`, `^v`)", "QueryRegexp[k,^v]" },
		{ "ClientIP(`10.0.0.0/8`)", "ClientIP[10.0.0.0/8]" },
		{ "ClientIP(`::1`)", "ClientIP[::1]" },
		{ "Path(`/\xc3\xa9`)", "Path[/\xc3\xa9]" },
	};

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(shown(parse_str(str_c(rows[i].in))),
		    rows[i].out);
	arena_fini(&a);
}
END_TEST

START_TEST(mistakes)
{
	static const struct { const char *in, *why; } rows[] = {
		{ "", "the rule is empty" },
		{ "  \t ", "the rule is empty" },
		{ "Host", "expected '(' after Host at byte 5" },
		{ "Host(`a`", "expected ')' at byte 9" },
		{ "(Host(`a`)", "expected ')' at byte 11" },
		{ "Host(`a`))", "expected \"&&\" or \"||\", not \")\" at byte 10"
		},
		{ "Host(`a`) Host(`b`)", "not \"Host(`b`)\" at byte 11" },
		{ "Host(`a`) & Host(`b`)", "expected \"&&\" or \"||\"" },
		{ "Host(`a`) && ", "expected a matcher such as" },
		{ "&& Host(`a`)", "expected a matcher" },
		{ "!", "expected a matcher" },
		{ "Host(`a) && Path(`/`)", "at byte" },
		{ "Host(`a", "a string has no end" },
		{ "Host(\"a", "a string has no end" },
		{ "Host(\"a\n\")", "a string has no end" },
		{ "Host(\"a\n  \")", "a string has no end" },
		{ "Host('a')", "not 'text'" },
		{ "Host(a)", "expected a `text`" },
		{ "Host(1)", "expected a `text`" },
		{ "Path(`/a` + `b`)", "expected ')'" },
		{ "true", "unknown matcher \"true\"" },
		{ "Host(``)", "an argument of Host is empty" },
		{ "Host(\"\")", "an argument of Host is empty" },
		{ "Host()", "Host needs 1 argument at byte" },
		{ "Host(`a`, `b`)", "Host takes 1 argument at byte" },
		{ "Header(`a`)", "Header needs 2 arguments at byte" },
		{ "Query(`a`, `b`, `c`)", "Query takes 2 arguments" },
		{ "Host(,)", "expected a `text`" },
		{ "Headers(`a`, `b`)", "unknown matcher \"Headers\"" },
		{ "  hOST(`a`)", "did you mean \"Host\"? at byte 3" },
		{ "pathPrefix(`/`)", "did you mean \"PathPrefix\"?" },
		{ "Path(`a`)", "a path must begin with '/'" },
		{ "PathPrefix(`a/`)", "a path must begin with '/'" },
		{ "Host(`\xc3\xa9`)", "Host must be ASCII" },
		{ "HostRegexp(`\xc3\xa9`)", "HostRegexp must be ASCII" },
		{ "Host(`a.*.b`)", "a wildcard host is" },
		{ "Host(`*.`)", "a wildcard host is" },
		{ "Host(`**`)", "a wildcard host is" },
		{ "Host(`*.*.a`)", "a wildcard host is" },
		{ "Host(`a*`)", "a wildcard host is" },
		{ "ClientIP(`10.0.0.256`)", "is not an address or range" },
		{ "ClientIP(`10.0.0.0/33`)", "is not an address or range" },
		{ "ClientIP(`::1/129`)", "is not an address or range" },
		{ "PathRegexp(`(`)", "regular expression \"(\"" },
		{ "PathRegexp(`(?=a)`)", "look-around" },
		{ "HostRegexp(`[`)", "regular expression \"[\"" },
		{ "HeaderRegexp(`a`, `*`)", "regular expression \"*\"" },
		{ "QueryRegexp(`a`, `*`)", "regular expression \"*\"" },
		{ "Path(\"/\\q\")", "unknown escape" },
		{ "Path(\"/\\x4\")", "unknown escape" },
		{ "Path(\"/\\ud800\")", "unknown escape" },
		{ "Path(\"/\\U00110000\")", "unknown escape" },
		{ "Path(\"/\\400\")", "unknown escape" },
		{ "Path(\"/\\", "" },
	};

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(parse_str(str_c(rows[i].in)) == NULL,
		    "taken: %s", rows[i].in);
		ck_assert_msg(strstr(why, rows[i].why) != NULL &&
		    why[0] != '\0', "%s: \"%s\", want \"%s\"", rows[i].in, why,
		    rows[i].why);
	}
	/* NUL is no white space. */
	ck_assert_ptr_null(parse_str(STR("Host(`a`)\0")));
	ck_assert_ptr_null(parse_str(STR("\0Host(`a`)")));
	arena_fini(&a);
}
END_TEST

static struct str
times(const char *part, unsigned n, const char *then, const char *end)
{
	static char text[RULE_TEXT_MAX + 64];
	size_t at = 0;

	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s",
		    part);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", then);
	for (unsigned i = 0; i < n && *end != '\0'; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s",
		    end);
	return str_n(text, at);
}

START_TEST(limits)
{
	struct rule *r;

	arena_init(&a, 64 << 20);
	ck_assert_ptr_nonnull(parse_str(times("(", 60, "Path(`/`)", ")")));
	ck_assert_ptr_null(parse_str(times("(", 64, "Path(`/`)", ")")));
	ck_assert_ptr_nonnull(strstr(why, "nests too deeply"));
	ck_assert_ptr_null(parse_str(times("!", 64, "Path(`/`)", "")));
	/* Long chains are fine, and so is walking them. */
	r = parse_str(times("Path(`/`)&&", 5900, "Path(`/`)", ""));
	ck_assert_msg(r != NULL, "%s", why);
	ck_assert_ptr_nonnull(rule_push_not(&a, r));
	ck_assert_ptr_null(parse_str(times("Path(`/`)||", 5958, "Path(`/`)",
	    "")));
	ck_assert_ptr_nonnull(strstr(why, "too long"));
	arena_fini(&a);
	arena_init(&a, 200);
	ck_assert_ptr_null(parse_str(times("Path(`/`)&&", 20, "Path(`/`)",
	    "")));
	ck_assert_ptr_nonnull(strstr(why, "too large"));
	arena_fini(&a);
	/* A short room for the message is respected. */
	arena_init(&a, 1 << 20);
	ck_assert_ptr_null(rule_parse(&a, STR("nonsense(`a`)"), why, 10));
	ck_assert_uint_lt(strlen(why), 10);
	arena_fini(&a);
}
END_TEST

START_TEST(negation)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "Path(`/a`)", "Path[/a]" },
		{ "!Path(`/a`)", "!Path[/a]" },
		{ "!!Path(`/a`)", "Path[/a]" },
		{ "!(Path(`/a`) && Path(`/b`))", "(!Path[/a] | !Path[/b])" },
		{ "!(Path(`/a`) || !Path(`/b`))", "(!Path[/a] & Path[/b])" },
		{ "!(Path(`/a`) && !(Path(`/b`) || Path(`/c`)))",
		    "(!Path[/a] | (Path[/b] | Path[/c]))" },
	};

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(shown(rule_push_not(&a, parse_str(
		    str_c(rows[i].in)))), rows[i].out);
	arena_fini(&a);
}
END_TEST

static void
on_host(void *arg, struct str host)
{
	buf_puts(arg, host);
	buf_putc(arg, ' ');
}

START_TEST(hosts)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "Path(`/a`)", "" },
		{ "Host(`a`) && (Host(`b`) || Path(`/`))", "a b " },
		{ "!Host(`a`) && Host(`b`)", "b " },
		{ "!(Host(`a`) || !Host(`b`))", "b " },
		{ "Host(`*.a`) || HostRegexp(`x`) || Host(`*`)", "*.a * " },
	};

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = BUF_INIT;

		rule_hosts(parse_str(str_c(rows[i].in)), on_host, &out);
		ck_assert_str_eq(buf_cstr(&out), rows[i].out);
		buf_fini(&out);
	}
	arena_fini(&a);
}
END_TEST

UNIT_MAIN("rule", grammar, mistakes, limits, negation, hosts)
