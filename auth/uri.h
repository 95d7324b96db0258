/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * URI references (RFC 3986): splitting and resolving against a base. Splitting
 * never copies; nothing is decoded or normalised beyond dot segments.
 */
#ifndef URI_H
#define URI_H

#include "arena.h"
#include "str.h"

struct uri {
	struct str scheme, authority, path, query, fragment;
	bool has_scheme, has_authority, has_query, has_fragment;
};

/* -EINVAL: control bytes, spaces, a bad escape, a bad scheme or authority. */
int	uri_split(struct str s, struct uri *ret);
/* RFC 3986 5.2.2 (strict), 5.3; p NULL: no memory or a malformed reference. */
struct str uri_resolve(struct arena *a, struct str base, struct str ref);
/* Without "." and ".." segments (5.2.4), written to out (path.n bytes). */
struct str uri_remove_dots(struct str path, char *out);

#endif
