/* SPDX-License-Identifier: BSD-2-Clause */
/* Redirections of probes; see redirect.h. */
#include "redirect.h"

#include "uri.h"

struct str
redirect_within(struct arena *a, const struct redirect_from *from,
    struct str location)
{
	struct str base = arena_printf(a, "%.*s://%.*s%.*s",
	    STR_ARG(from->scheme), STR_ARG(from->names[0]),
	    STR_ARG(from->target)), all;
	struct uri u;

	if (base.p == NULL || location.n == 0)
		return STR_NONE;
	all = uri_resolve(a, base, location);
	if (all.p == NULL || uri_split(all, &u) < 0 ||
	    !str_caseeq(u.scheme, from->scheme))
		return STR_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(from->names); i++)
		if (str_caseeq(u.authority, from->names[i]))
			return arena_printf(a, "%s%.*s%s%.*s",
			    u.path.n == 0 ? "/" : "", STR_ARG(u.path),
			    u.has_query ? "?" : "", STR_ARG(u.query));
	return STR_NONE;
}
