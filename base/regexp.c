/* SPDX-License-Identifier: BSD-2-Clause */
/* Regular expressions; see regexp.h. */
#include "regexp.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

struct regexp {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

/* Constructs behind "(?" that RE2 knows: flags, plain and named groups. */
static bool
group_known(struct str rest)
{
	size_t i = 0;

	if (rest.n == 0)
		return false;
	if (rest.p[0] == 'P')
		return rest.n > 1 && rest.p[1] == '<';
	if (rest.p[0] == '<')
		return rest.n > 1 && rest.p[1] != '=' && rest.p[1] != '!';
	while (i < rest.n && strchr("imsU-", rest.p[i]) != NULL)
		i++;
	return i < rest.n && (rest.p[i] == ':' || rest.p[i] == ')');
}

/*
 * What PCRE2 takes and RE2 does not, or takes in another sense: look-around,
 * back-references, atomic and possessive matching, recursion, callouts. Bytes
 * are matched, so a character beyond ASCII is several of them: it can stand for
 * itself, but neither in a class nor before a quantifier.
 */
static const char *
foreign(struct str p)
{
	bool class = false;

	for (size_t i = 0; i < p.n; i++) {
		char c = p.p[i], next = i + 1 < p.n ? p.p[i + 1] : '\0';

		if (c == '\\') {
			if (!class && ((next >= '1' && next <= '9') ||
			    next == 'k' || next == 'g'))
				return "back-references are not supported";
			if (next != '\0' &&
			    strchr("KGRXNhHvVZcoe", next) != NULL)
				return "this escape is not supported";
			i++;
		} else if ((unsigned char)c >= 0x80 && (class ||
		    (next != '\0' && strchr("*+?{", next) != NULL)))
			return "a character beyond ASCII can neither be "
			    "repeated nor stand in a class";
		else if (class)
			class = c != ']';
		else if (c == '[') {
			class = true;
			if (next == '^')
				i++;
			if (i + 1 < p.n && p.p[i + 1] == ']')
				i++;
		} else if (c == '(' && next == '?' &&
		    !group_known(str_from(p, i + 2)))
			return "look-around and other Perl groups are not "
			    "supported";
		else if (c == '(' && next == '*')
			return "verbs are not supported";
		else if (strchr("*+?}", c) != NULL && next == '+')
			return "possessive matching is not supported";
	}
	return NULL;
}

struct regexp *
regexp_new(struct str pattern, char *why, size_t why_size)
{
	const char *bad = pattern.n > REGEXP_PATTERN_MAX ?
	    "the pattern is too long" : foreign(pattern);
	struct regexp *re;
	PCRE2_SIZE at;
	int err;

	if (bad != NULL) {
		snprintf(why, why_size, "%s", bad);
		return NULL;
	}
	if ((re = calloc(1, sizeof(*re))) == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	re->code = pcre2_compile((PCRE2_SPTR)(pattern.n != 0 ? pattern.p : ""),
	    pattern.n, PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
	    PCRE2_NEVER_BACKSLASH_C, &err, &at, NULL);
	if (re->code == NULL) {
		PCRE2_UCHAR text[128];

		pcre2_get_error_message(err, text, sizeof(text));
		snprintf(why, why_size, "%s at offset %zu", (char *)text, at);
		regexp_free(re);
		return NULL;
	}
	re->data = pcre2_match_data_create(REGEXP_GROUPS, NULL);
	re->limits = pcre2_match_context_create(NULL);
	if (re->data == NULL || re->limits == NULL) {
		snprintf(why, why_size, "out of memory");
		regexp_free(re);
		return NULL;
	}
	pcre2_set_match_limit(re->limits, 100000);
	pcre2_set_depth_limit(re->limits, 1000);
	pcre2_set_heap_limit(re->limits, 256);	/* KiB */
	return re;
}

void
regexp_free(struct regexp *re)
{
	if (re == NULL)
		return;
	pcre2_code_free(re->code);
	pcre2_match_data_free(re->data);
	pcre2_match_context_free(re->limits);
	free(re);
}

int
regexp_exec(const struct regexp *re, struct str subject, size_t from,
    struct regexp_match *ret)
{
	const PCRE2_SIZE *v;
	int n;

	if (subject.n > REGEXP_SUBJECT_MAX)
		return -E2BIG;
	n = pcre2_match(re->code, (PCRE2_SPTR)(subject.n != 0 ? subject.p : ""),
	    subject.n, from, 0, re->data, re->limits);
	if (n == PCRE2_ERROR_NOMATCH)
		return 0;
	if (n == PCRE2_ERROR_NOMEMORY)
		return -ENOMEM;
	if (n < 0)
		return -E2BIG;
	if (ret == NULL)
		return 1;
	v = pcre2_get_ovector_pointer(re->data);
	ret->n = n == 0 ? REGEXP_GROUPS : (unsigned)n;
	for (unsigned i = 0; i < ret->n; i++) {
		ret->group[i].from = v[2 * i] == PCRE2_UNSET ? SIZE_MAX :
		    v[2 * i];
		ret->group[i].to = v[2 * i + 1];
	}
	return 1;
}

/* ---- Replacing --------------------------------------------------------- */

/* Text that grows in an arena, by doubling: what is outgrown stays there. */
struct text { struct arena *a; char *p; size_t n, cap; };

static int
append(struct text *t, struct str s)
{
	size_t cap = t->cap < 64 ? 64 : t->cap;
	char *p;

	if (s.n == 0)
		return 0;
	if (s.n > t->cap - t->n) {
		while (cap - t->n < s.n)
			cap *= 2;
		if ((p = arena_alloc(t->a, cap)) == NULL)
			return -ENOMEM;
		if (t->n != 0)
			memcpy(p, t->p, t->n);
		t->p = p;
		t->cap = cap;
	}
	memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
	return 0;
}

static struct str
text_str(const struct text *t)
{
	return t->n != 0 ? str_n(t->p, t->n) : (struct str){ "", 0 };
}

static bool
word_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '_';
}

/* The name behind '$': "x" or "{x}"; its length in *ret_used. */
static struct str
reference(struct str rest, size_t *ret_used)
{
	size_t i = 0;
	bool brace = rest.n > 0 && rest.p[0] == '{';

	*ret_used = 0;
	if (brace)
		rest = str_from(rest, 1);
	while (i < rest.n && word_byte(rest.p[i]))
		i++;
	if (i == 0 || (brace && (i == rest.n || rest.p[i] != '}')))
		return STR_NONE;
	*ret_used = brace ? i + 2 : i;
	return str_head(rest, i);
}

static int
group_number(const struct regexp *re, struct str name)
{
	char text[64];
	uint64_t n;

	if (str_u64(name, &n) == 0)
		return n < REGEXP_GROUPS ? (int)n : -1;
	if (name.n >= sizeof(text))
		return -1;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return pcre2_substring_number_from_name(re->code, (PCRE2_SPTR)text);
}

static int
expand(const struct regexp *re, struct str replacement, struct str subject,
    const struct regexp_match *m, struct text *out)
{
	ptrdiff_t dollar;
	int r;

	while ((dollar = str_chr(replacement, '$')) >= 0) {
		struct str rest = str_from(replacement, (size_t)dollar + 1);
		struct str name, value = STR("$");
		size_t used;
		int g;

		if ((r = append(out, str_head(replacement,
		    (size_t)dollar))) < 0)
			return r;
		name = reference(rest, &used);
		if (name.n != 0) {	/* an unknown group is empty */
			g = group_number(re, name);
			value = g >= 0 && (unsigned)g < m->n &&
			    m->group[g].from != SIZE_MAX ? str_n(subject.p +
			    m->group[g].from, m->group[g].to -
			    m->group[g].from) : STR_NONE;
		} else if (rest.n > 0 && rest.p[0] == '$')
			used = 1;
		if ((r = append(out, value)) < 0)
			return r;
		replacement = str_from(rest, used);
	}
	return append(out, replacement);
}

int
regexp_expand(const struct regexp *re, struct arena *a, struct str replacement,
    struct str subject, const struct regexp_match *m, struct str *out)
{
	struct text t = { .a = a };
	int r = append(&t, *out);

	if (r == 0 && (r = expand(re, replacement, subject, m, &t)) == 0)
		*out = text_str(&t);
	return r;
}

int
regexp_replace(const struct regexp *re, struct arena *a, struct str subject,
    struct str replacement, struct str *ret)
{
	struct text out = { .a = a };
	struct regexp_match m;
	size_t from = 0, copied = 0;
	bool any = false;
	int r = 0;

	while (from <= subject.n && (r = regexp_exec(re, subject, from,
	    &m)) > 0) {
		size_t at = m.group[0].from, end = m.group[0].to;

		/* As Go: an empty match right behind another is none. */
		if (end > at || !any || at > copied) {
			if (append(&out, str_n(subject.p + copied,
			    at - copied)) < 0 || expand(re, replacement,
			    subject, &m, &out) < 0)
				return -ENOMEM;
			any = true;
			copied = end;
		}
		/* An empty match must not be found again. */
		from = end > at ? end : end + 1;
	}
	if (r < 0)
		return r;
	if (!any) {
		*ret = subject;
		return 0;
	}
	if (append(&out, str_from(subject, copied)) < 0)
		return -ENOMEM;
	*ret = text_str(&out);
	return 1;
}
