/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stripPrefix: takes the first of its prefixes off the path and tells the
 * server in X-Forwarded-Prefix.
 */
#include "middleware.h"

#include "path.h"
#include "rewrite.h"

#include <errno.h>

/* The escaped path without its first `skip` bytes, with a slash in front. */
static struct str
rest_of(struct exchange *x, size_t skip, bool force_slash)
{
	struct str rest = str_from(x->req.path, skip);

	if ((rest.n > 0 && rest.p[0] != '/') || (rest.n == 0 && force_slash))
		return arena_printf(&x->arena, "/%.*s", STR_ARG(rest));
	return rest.n != 0 ? rest : (struct str){ "", 0 };
}

int
strip_prefix_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_strip_prefix *c = MW_CONFIG(x, mw,
	    struct tmw_strip_prefix);
	const struct tstr *v = TABLE_VEC(x->t, c->prefixes, struct tstr);
	struct str path = path_decode(&x->arena, x->req.path), rest;
	int r;

	if (path.p == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->prefixes.n; i++) {
		struct str prefix = table_str(x->t, v[i]);

		if (!str_has_prefix(path, prefix))
			continue;
		rest = rest_of(x, rewrite_skip(x->req.path, prefix.n),
		    c->force_slash);
		if (rest.p == NULL || rewrite_note(x,
		    STR("X-Forwarded-Prefix"), prefix) < 0)
			return -ENOMEM;
		if ((r = rewrite_path(f, x, rest)) != 0)
			return r < 0 ? r : 0;
		break;
	}
	return chain_next(f, x, next);
}
