/* SPDX-License-Identifier: BSD-2-Clause */
/* replacePathRegex: rewrites the path where an expression matches. */
#include "middleware.h"

#include "path.h"
#include "regexp.h"
#include "rewrite.h"
#include "route.h"

#include <errno.h>

int
replace_path_regex_serve(struct fiber *f, struct exchange *x,
    const struct tmw *mw, struct chain next)
{
	const struct tmw_regex_replace *c = MW_CONFIG(x, mw,
	    struct tmw_regex_replace);
	const struct regexp *re = route_regexp(x->t, c->regexp);
	struct str before = x->req.path, path, text;
	int r = re == NULL ? -ENOMEM : regexp_replace(re, &x->arena, before,
	    table_str(x->t, c->replacement), &path);

	if (r < 0)
		return respond_text(f, x, 400, REASON_REGEX_LIMIT, STR_NONE);
	if (r == 0)
		return chain_next(f, x, next);
	if (rewrite_note(x, STR("X-Replaced-Path"), before) < 0)
		return -ENOBUFS;
	if (path_decode(&x->arena, path).p == NULL) {
		text = arena_printf(&x->arena, "invalid URL escape \"%.*s\"",
		    STR_ARG(rewrite_bad_escape(path)));
		return respond_error(f, x, 500, REASON_PATH_REWRITE, text);
	}
	/* A '?' or a blank in the replacement is a character of the path. */
	path = path_encode(&x->arena, path);
	if (path.p == NULL)
		return -ENOMEM;
	if ((r = rewrite_path(f, x, path)) != 0)
		return r < 0 ? r : 0;
	return chain_next(f, x, next);
}
