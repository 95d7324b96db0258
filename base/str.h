/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Byte slices: a pointer and a length, not owned, not NUL-terminated. All text
 * that comes from outside travels in this form, so no C string function ever
 * sees bytes of a peer.
 */
#ifndef STR_H
#define STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit)	((struct str){ (lit), sizeof(lit) - 1 })
#define STR_NONE	((struct str){ NULL, 0 })
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s)	(int)(s).n, (s).n != 0 ? (s).p : ""
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* The slice of a C string; NULL gives the empty slice. */
struct str	str_c(const char *c);

static inline struct str
str_n(const void *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII only, independent of any locale. */
bool		str_caseeq(struct str a, struct str b);
int		str_cmp(struct str a, struct str b);
bool		str_has_prefix(struct str s, struct str prefix);
bool		str_has_suffix(struct str s, struct str suffix);
bool		str_has_caseprefix(struct str s, struct str prefix);
/* Offset of the first such byte or slice, -1 when there is none. */
ptrdiff_t	str_chr(struct str s, char c);
ptrdiff_t	str_rchr(struct str s, char c);
ptrdiff_t	str_find(struct str s, struct str needle);
/* The part from `from` (clamped to the end). */
struct str	str_from(struct str s, size_t from);
struct str	str_head(struct str s, size_t n);
/* Without SP and HTAB at both ends (RFC 9110 OWS). */
struct str	str_trim(struct str s);
/*
 * Cuts the next element of a list separated by `sep` off *rest and returns it
 * trimmed; false when nothing is left. Empty elements are returned as such.
 */
bool		str_next(struct str *rest, char sep, struct str *ret_item);
/* Decimal digits only, no sign, no blanks; -EINVAL or -ERANGE otherwise. */
int		str_u64(struct str s, uint64_t *ret);
/* Heap copy with a terminating NUL; the caller frees it; NULL when out of memory. */
char	       *str_dup(struct str s);

static inline char
str_lower(char c)
{
	return (c >= 'A' && c <= 'Z') ? (char)(c + 32) : c;
}

#endif
