/* SPDX-License-Identifier: BSD-2-Clause */
/* Byte slices; see str.h. */
#include "str.h"

#include <errno.h>
#include <stdlib.h>

struct str
str_c(const char *c)
{
	return c != NULL ? (struct str){ c, strlen(c) } : STR_NONE;
}

bool
str_caseeq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (str_lower(a.p[i]) != str_lower(b.p[i]))
			return false;
	return true;
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n != 0 ? memcmp(a.p, b.p, n) : 0;

	if (r != 0)
		return r;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool
str_has_prefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_head(s, prefix.n), prefix);
}

bool
str_has_suffix(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	    str_eq(str_from(s, s.n - suffix.n), suffix);
}

bool
str_has_caseprefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_caseeq(str_head(s, prefix.n), prefix);
}

ptrdiff_t
str_chr(struct str s, char c)
{
	const char *q = s.n != 0 ? memchr(s.p, c, s.n) : NULL;

	return q != NULL ? q - s.p : -1;
}

ptrdiff_t
str_rchr(struct str s, char c)
{
	const char *q = s.n != 0 ? memrchr(s.p, c, s.n) : NULL;

	return q != NULL ? q - s.p : -1;
}

ptrdiff_t
str_find(struct str s, struct str needle)
{
	const char *q;

	if (needle.n == 0)
		return 0;
	q = s.n != 0 ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return q != NULL ? q - s.p : -1;
}

struct str
str_from(struct str s, size_t from)
{
	if (from > s.n)
		from = s.n;
	return (struct str){ s.n != 0 ? s.p + from : s.p, s.n - from };
}

struct str
str_head(struct str s, size_t n)
{
	return (struct str){ s.p, n < s.n ? n : s.n };
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
str_next(struct str *rest, char sep, struct str *ret_item)
{
	ptrdiff_t at;

	if (rest->p == NULL)
		return false;
	at = str_chr(*rest, sep);
	if (at < 0) {
		*ret_item = str_trim(*rest);
		*rest = STR_NONE;
		return true;
	}
	*ret_item = str_trim(str_head(*rest, (size_t)at));
	rest->p += at + 1;
	rest->n -= (size_t)at + 1;
	return true;
}

int
str_u64(struct str s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

char *
str_dup(struct str s)
{
	char *c = malloc(s.n + 1);

	if (c == NULL)
		return NULL;
	if (s.n != 0)
		memcpy(c, s.p, s.n);
	c[s.n] = '\0';
	return c;
}
