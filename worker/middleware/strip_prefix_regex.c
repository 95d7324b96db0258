/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stripPrefixRegex: as stripPrefix, with the first expression that matches at
 * the start of the path.
 */
#include "middleware.h"

#include "path.h"
#include "regexp.h"
#include "rewrite.h"
#include "route.h"

#include <errno.h>

static int
strip(struct fiber *f, struct exchange *x, struct str prefix)
{
	struct str rest = str_from(x->req.path, rewrite_skip(x->req.path,
	    prefix.n));

	if (rest.n == 0)
		rest = (struct str){ "", 0 };
	else if (rest.p[0] != '/')
		rest = arena_printf(&x->arena, "/%.*s", STR_ARG(rest));
	prefix = arena_dup(&x->arena, prefix);
	if (rest.p == NULL || prefix.p == NULL || rewrite_note(x,
	    STR("X-Forwarded-Prefix"), prefix) < 0)
		return -ENOMEM;
	return rewrite_path(f, x, rest);
}

int
strip_prefix_regex_serve(struct fiber *f, struct exchange *x,
    const struct tmw *mw, struct chain next)
{
	const struct tmw_strip_prefix_regex *c = MW_CONFIG(x, mw,
	    struct tmw_strip_prefix_regex);
	const uint32_t *v = TABLE_VEC(x->t, c->regexps, uint32_t);
	struct str path = path_decode(&x->arena, x->req.path);
	struct regexp_match m;
	int r;

	if (path.p == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->regexps.n; i++) {
		const struct regexp *re = route_regexp(x->t, v[i]);

		r = re == NULL ? -ENOMEM : regexp_exec(re, path, 0, &m);
		if (r < 0)
			return respond_text(f, x, 400, REASON_REGEX_LIMIT,
			    STR_NONE);
		if (r == 0 || m.group[0].from != 0 || m.group[0].to == 0)
			continue;
		if ((r = strip(f, x, str_head(path, m.group[0].to))) != 0)
			return r < 0 ? r : 0;
		break;
	}
	return chain_next(f, x, next);
}
