/* SPDX-License-Identifier: BSD-2-Clause */
/* replacePath: puts a fixed path in place of the request's. */
#include "middleware.h"

#include "path.h"
#include "rewrite.h"

#include <errno.h>

int
replace_path_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_replace_path *c = MW_CONFIG(x, mw,
	    struct tmw_replace_path);
	struct str path = table_str(x->t, c->path), text;

	if (rewrite_note(x, STR("X-Replaced-Path"), x->req.path) < 0)
		return -ENOBUFS;
	if (path_decode(&x->arena, path).p == NULL) {
		text = arena_printf(&x->arena, "invalid URL escape \"%.*s\"",
		    STR_ARG(rewrite_bad_escape(path)));
		return respond_error(f, x, 500, REASON_PATH_REWRITE, text);
	}
	path = path_encode(&x->arena, path);
	if (path.p != NULL && !str_has_prefix(path, STR("/")))
		path = arena_printf(&x->arena, "/%.*s", STR_ARG(path));
	x->req.path = path;
	return path.p == NULL ? -ENOMEM : chain_next(f, x, next);
}
