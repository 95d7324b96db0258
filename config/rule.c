/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing rules; see rule.h. Parsing recurses at most RULE_DEPTH_MAX deep.
 * Walking what was parsed may go deeper, for a chain of "&&" leans to the left:
 * RULE_TEXT_MAX holds it below 6,000 matchers.
 */
#include "rule.h"

#include "regexp.h"

#include <stdarg.h>
#include <stdio.h>

static const struct matcher {
	const char *name;
	unsigned min, max;
} matchers[RULE_KINDS] = {
	[RULE_HOST] = { "Host", 1, 1 },
	[RULE_HOST_REGEXP] = { "HostRegexp", 1, 1 },
	[RULE_PATH] = { "Path", 1, 1 },
	[RULE_PATH_PREFIX] = { "PathPrefix", 1, 1 },
	[RULE_PATH_REGEXP] = { "PathRegexp", 1, 1 },
	[RULE_METHOD] = { "Method", 1, 1 },
	[RULE_HEADER] = { "Header", 2, 2 },
	[RULE_HEADER_REGEXP] = { "HeaderRegexp", 2, 2 },
	[RULE_QUERY] = { "Query", 1, 2 },
	[RULE_QUERY_REGEXP] = { "QueryRegexp", 1, 2 },
	[RULE_CLIENT_IP] = { "ClientIP", 1, 1 },
};

struct parser {
	struct arena *a;
	struct str text;
	size_t at;
	unsigned depth;
	char *why;
	size_t why_size;
	bool failed;
};

/* The first message stays: what follows is its consequence. */
static void * __attribute__((format(printf, 2, 3)))
fail(struct parser *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (p->failed)
		return NULL;
	p->failed = true;
	va_start(ap, fmt);
	n = vsnprintf(p->why, p->why_size, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < p->why_size)
		snprintf(p->why + n, p->why_size - (size_t)n,
		    " at byte %zu of the rule", p->at + 1);
	return NULL;
}

static struct rule *
node(struct parser *p, enum rule_kind kind, struct rule *a, struct rule *b)
{
	struct rule *r = arena_zalloc(p->a, sizeof(*r));

	if (r == NULL)
		return fail(p, "the rule is too large");
	r->kind = kind;
	r->a = a;
	r->b = b;
	return r;
}

static void
skip_space(struct parser *p)
{
	while (p->at < p->text.n && memchr(" \t\r\n", p->text.p[p->at], 4) !=
	    NULL)
		p->at++;
}

static bool
take(struct parser *p, const char *token)
{
	skip_space(p);
	if (!str_has_prefix(str_from(p->text, p->at), str_c(token)))
		return false;
	p->at += strlen(token);
	return true;
}

/* ---- Literals ------------------------------------------------------------ */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As UTF-8; 0 for what is no character: surrogates and beyond the last one. */
static size_t
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* The number of `digits` digits at p; false when they are not there. */
static bool
number(struct parser *p, unsigned digits, int base, uint32_t *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < digits; i++) {
		int d = p->at < p->text.n ? hex_digit(p->text.p[p->at]) : -1;

		if (d < 0 || d >= base)
			return false;
		p->at++;
		*ret = *ret * (uint32_t)base + (uint32_t)d;
	}
	return true;
}

/* A Go escape behind the backslash; bytes written, 0 when it is none. */
static size_t
unescape(struct parser *p, char *out)
{
	static const char from[] = "abfnrtv\\\"", to[] = "\a\b\f\n\r\t\v\\\"";
	char c = p->at < p->text.n ? p->text.p[p->at] : '\0';
	const char *known = c != '\0' ? strchr(from, c) : NULL;
	uint32_t v;

	if (c >= '0' && c <= '7') {
		if (!number(p, 3, 8, &v) || v > 255)
			return 0;
		*out = (char)v;
		return 1;
	}
	p->at++;
	if (known != NULL) {
		*out = to[known - from];
		return 1;
	}
	switch (c) {
	case 'x':
		if (!number(p, 2, 16, &v))
			return 0;
		*out = (char)v;
		return 1;
	case 'u':
	case 'U':
		return number(p, c == 'u' ? 4 : 8, 16, &v) ?
		    put_utf8(out, v) : 0;
	default:
		return 0;
	}
}

static struct str
quoted(struct parser *p)
{
	char *out = arena_alloc(p->a, p->text.n - p->at + 4);
	size_t n = 0;

	if (out == NULL)
		return fail(p, "the rule is too large"), STR_NONE;
	while (p->at < p->text.n && p->text.p[p->at] != '"') {
		char c = p->text.p[p->at];
		size_t k = 1;

		if (c == '\n')
			break;
		p->at++;
		if (c == '\\')
			k = unescape(p, out + n);
		else
			out[n] = c;
		if (k == 0)
			return fail(p, "unknown escape"), STR_NONE;
		n += k;
	}
	if (p->at >= p->text.n || p->text.p[p->at++] != '"')
		return fail(p, "a string has no end"), STR_NONE;
	return str_n(out, n);
}

static struct str
literal(struct parser *p)
{
	ptrdiff_t end;
	struct str rest;

	if (take(p, "\""))
		return quoted(p);
	if (!take(p, "`")) {
		skip_space(p);
		if (p->at < p->text.n && p->text.p[p->at] == '\'')
			return fail(p, "write `text` or \"text\", not 'text',"),
			    STR_NONE;
		return fail(p, "expected a `text` or \"text\""), STR_NONE;
	}
	rest = str_from(p->text, p->at);
	if ((end = str_chr(rest, '`')) < 0)
		return fail(p, "a string has no end"), STR_NONE;
	p->at += (size_t)end + 1;
	return str_head(rest, (size_t)end);
}

/* ---- Arguments --------------------------------------------------------------- */

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* A copy through a function per byte. */
static bool
map_arg(struct parser *p, struct str *s, char (*fn)(char))
{
	struct str copy = arena_dup(p->a, *s);

	if (copy.n != s->n)
		return fail(p, "the rule is too large") != NULL;
	for (size_t i = 0; i < copy.n; i++)
		((char *)(size_t)copy.p)[i] = fn(copy.p[i]);
	*s = copy;
	return true;
}

static char
to_lower(char c)
{
	return str_lower(c);
}

static char
to_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static bool
check_host(struct parser *p, struct rule *r)
{
	if (!is_ascii(r->arg[0]))
		return fail(p, "Host must be ASCII (write punycode)") != NULL;
	if (!map_arg(p, &r->arg[0], to_lower))
		return false;
	if (r->arg[0].n > 1 && r->arg[0].p[r->arg[0].n - 1] == '.' &&
	    !str_eq(r->arg[0], STR("*.")))	/* not "any host" */
		r->arg[0].n--;
	if (str_chr(r->arg[0], '*') >= 0 && !str_eq(r->arg[0], STR("*")) &&
	    !(str_has_prefix(r->arg[0], STR("*.")) &&
	    str_chr(str_from(r->arg[0], 1), '*') < 0 && r->arg[0].n > 2))
		return fail(p, "a wildcard host is \"*\" or \"*.domain\"") !=
		    NULL;
	return true;
}

static bool
check_regexp(struct parser *p, struct str pattern)
{
	char why[128];
	struct regexp *re = regexp_new(pattern, why, sizeof(why));

	if (re == NULL)
		return fail(p, "regular expression \"%.*s\": %s",
		    STR_ARG(str_head(pattern, 80)), why) != NULL;
	regexp_free(re);
	return true;
}

static bool
check_args(struct parser *p, struct rule *r)
{
	struct str last = r->arg[r->nargs - 1];

	switch (r->kind) {
	case RULE_HOST:
		return check_host(p, r);
	case RULE_HOST_REGEXP:
		if (!is_ascii(last))
			return fail(p, "HostRegexp must be ASCII") != NULL;
		return check_regexp(p, last);
	case RULE_PATH:
	case RULE_PATH_PREFIX:
		return last.p[0] == '/' ||
		    fail(p, "a path must begin with '/'") != NULL;
	case RULE_METHOD:
		return map_arg(p, &r->arg[0], to_upper);
	case RULE_PATH_REGEXP:
	case RULE_HEADER_REGEXP:
		return check_regexp(p, last);
	case RULE_QUERY_REGEXP:
		return r->nargs == 1 || check_regexp(p, last);
	case RULE_CLIENT_IP:
		return cidr_parse(last, &r->cidr) == 0 || fail(p,
		    "\"%.*s\" is not an address or range", STR_ARG(last)) !=
		    NULL;
	default:
		return true;
	}
}

/* ---- Grammar -------------------------------------------------------------------- */

/* As listed, all lower, all upper, or first upper and rest lower. */
static bool
spelled(struct str name, const char *want)
{
	struct str w = str_c(want);
	bool lower = true, upper = true, first = true;

	if (!str_caseeq(name, w))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		lower &= name.p[i] == str_lower(name.p[i]);
		upper &= name.p[i] == to_upper(name.p[i]);
		first &= i == 0 ? name.p[i] == to_upper(name.p[i]) :
		    name.p[i] == str_lower(name.p[i]);
	}
	return str_eq(name, w) || lower || upper || first;
}

static enum rule_kind
matcher_kind(struct parser *p, struct str name)
{
	for (int k = RULE_HOST; k < RULE_KINDS; k++) {
		if (spelled(name, matchers[k].name))
			return (enum rule_kind)k;
		if (str_caseeq(name, str_c(matchers[k].name))) {
			fail(p, "unknown matcher \"%.*s\"; did you mean "
			    "\"%s\"?", STR_ARG(name), matchers[k].name);
			return RULE_KINDS;
		}
	}
	fail(p, name.n == 0 ? "expected a matcher such as Host(`...`)" :
	    "unknown matcher \"%.*s\" (known: Host, HostRegexp, Path, "
	    "PathPrefix, PathRegexp, Method, Header, HeaderRegexp, Query, "
	    "QueryRegexp, ClientIP)", STR_ARG(name));
	return RULE_KINDS;
}

static struct rule *
matcher(struct parser *p)
{
	size_t start;
	struct str name;
	enum rule_kind kind;
	struct rule *r;

	skip_space(p);
	start = p->at;
	while (p->at < p->text.n && ((p->text.p[p->at] | 0x20) >= 'a' &&
	    (p->text.p[p->at] | 0x20) <= 'z'))
		p->at++;
	name = str_n(p->text.p + start, p->at - start);
	p->at = start;		/* that is what a message points at */
	if ((kind = matcher_kind(p, name)) == RULE_KINDS)
		return NULL;
	p->at += name.n;
	if (!take(p, "("))
		return fail(p, "expected '(' after %s", matchers[kind].name);
	if ((r = node(p, kind, NULL, NULL)) == NULL)
		return NULL;
	do {
		if (take(p, ")")) {
			p->at--;
			break;
		}
		if (r->nargs == matchers[kind].max)
			return fail(p, "%s takes %u argument%s",
			    matchers[kind].name, matchers[kind].max,
			    matchers[kind].max == 1 ? "" : "s");
		r->arg[r->nargs] = literal(p);
		if (p->failed)
			return NULL;
		if (r->arg[r->nargs++].n == 0)
			return fail(p, "an argument of %s is empty",
			    matchers[kind].name);
	} while (take(p, ","));
	if (!take(p, ")"))
		return fail(p, "expected ')'");
	if (r->nargs < matchers[kind].min)
		return fail(p, "%s needs %u argument%s", matchers[kind].name,
		    matchers[kind].min, matchers[kind].min == 1 ? "" : "s");
	return check_args(p, r) ? r : NULL;
}

static struct rule *or_rule(struct parser *p);

static struct rule *
unary(struct parser *p)
{
	struct rule *r;

	if (++p->depth > RULE_DEPTH_MAX)
		return fail(p, "the rule nests too deeply");
	if (take(p, "!")) {
		r = unary(p);
		r = r != NULL ? node(p, RULE_NOT, r, NULL) : NULL;
	} else if (take(p, "(")) {
		r = or_rule(p);
		if (r != NULL && !take(p, ")"))
			r = fail(p, "expected ')'");
	} else
		r = matcher(p);
	p->depth--;
	return r;
}

static struct rule *
and_rule(struct parser *p)
{
	struct rule *r = unary(p), *b;

	while (r != NULL && take(p, "&&")) {
		b = unary(p);
		r = b != NULL ? node(p, RULE_AND, r, b) : NULL;
	}
	return r;
}

static struct rule *
or_rule(struct parser *p)
{
	struct rule *r = and_rule(p), *b;

	while (r != NULL && take(p, "||")) {
		b = and_rule(p);
		r = b != NULL ? node(p, RULE_OR, r, b) : NULL;
	}
	return r;
}

struct rule *
rule_parse(struct arena *a, struct str text, char *why, size_t why_size)
{
	struct parser p = { .a = a, .text = text, .why = why,
	    .why_size = why_size };
	struct rule *r;

	if (text.n > RULE_TEXT_MAX)
		return fail(&p, "the rule is too long");
	if (str_trim(text).n == 0)
		return fail(&p, "the rule is empty");
	r = or_rule(&p);
	skip_space(&p);
	if (r != NULL && p.at < text.n)
		return fail(&p, "expected \"&&\" or \"||\", not \"%.*s\"",
		    STR_ARG(str_head(str_from(text, p.at), 10)));
	return r;
}

/* ---- Uses ---------------------------------------------------------------------------- */

static struct rule *
push(struct arena *a, const struct rule *r, bool negate)
{
	struct rule *copy;

	if (r->kind == RULE_NOT)
		return push(a, r->a, !negate);
	if ((copy = arena_alloc(a, sizeof(*copy))) == NULL)
		return NULL;
	*copy = *r;
	if (r->kind == RULE_AND || r->kind == RULE_OR) {
		if (negate)
			copy->kind = r->kind == RULE_AND ? RULE_OR : RULE_AND;
		copy->a = push(a, r->a, negate);
		copy->b = push(a, r->b, negate);
		return copy->a != NULL && copy->b != NULL ? copy : NULL;
	}
	if (negate) {
		struct rule *not = arena_zalloc(a, sizeof(*not));

		if (not == NULL)
			return NULL;
		not->kind = RULE_NOT;
		not->a = copy;
		return not;
	}
	return copy;
}

struct rule *
rule_push_not(struct arena *a, const struct rule *r)
{
	return push(a, r, false);
}

static void
hosts(const struct rule *r, bool negated, void (*fn)(void *, struct str),
    void *arg)
{
	if (r->kind == RULE_NOT)
		hosts(r->a, !negated, fn, arg);
	else if (r->kind == RULE_AND || r->kind == RULE_OR) {
		hosts(r->a, negated, fn, arg);
		hosts(r->b, negated, fn, arg);
	} else if (r->kind == RULE_HOST && !negated)
		fn(arg, r->arg[0]);
}

void
rule_hosts(const struct rule *r, void (*fn)(void *arg, struct str host),
    void *arg)
{
	hosts(r, false, fn, arg);
}
