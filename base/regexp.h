/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regular expressions as Traefik's users write them (RE2 syntax), run by PCRE2:
 * interpreted, never compiled to machine code (P-15), and with limits on
 * matching, depth and memory, so that no pattern takes exponential time (S-609).
 * What the two read differently is refused when it is compiled. Bytes are
 * matched, so that no byte of a client can hide from a pattern by being no
 * UTF-8: "." is one byte, and a character beyond ASCII is several.
 */
#ifndef REGEXP_H
#define REGEXP_H

#include "arena.h"
#include "str.h"

#define REGEXP_GROUPS	32	/* groups that a replacement can name */
#define REGEXP_PATTERN_MAX	4096
#define REGEXP_SUBJECT_MAX	65536

struct regexp;

/*
 * NULL with a message in why (at most why_size bytes) when the pattern is
 * malformed or uses what RE2 has not. The caller owns the result.
 */
struct regexp *regexp_new(struct str pattern, char *why, size_t why_size);
void	regexp_free(struct regexp *re);

struct regexp_match {
	unsigned n;		/* groups set, [0] is the whole match */
	struct { size_t from, to; } group[REGEXP_GROUPS];	/* from == SIZE_MAX: unset */
};
/*
 * Leftmost match from offset `from`, unanchored. 1 matched (ret may be NULL),
 * 0 not, -E2BIG a limit was hit, -ENOMEM.
 */
int	regexp_exec(const struct regexp *re, struct str subject, size_t from,
	    struct regexp_match *ret);
/*
 * The replacement (Go syntax: $1, ${1}, ${name}, $$) for one match, appended
 * to what *out holds in the arena. 0 or -ENOMEM.
 */
int	regexp_expand(const struct regexp *re, struct arena *a,
	    struct str replacement, struct str subject,
	    const struct regexp_match *m, struct str *out);
/*
 * Replaces all matches, as Go does. 1: *ret is the new text; 0: no match and
 * *ret is the subject; -E2BIG or -ENOMEM.
 */
int	regexp_replace(const struct regexp *re, struct arena *a,
	    struct str subject, struct str replacement, struct str *ret);

#endif
