/* SPDX-License-Identifier: BSD-2-Clause */
/* addPrefix: puts a prefix in front of the path. */
#include "middleware.h"

#include "path.h"

#include <errno.h>

int
add_prefix_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_add_prefix *c = MW_CONFIG(x, mw, struct tmw_add_prefix);
	struct str prefix = path_encode(&x->arena, table_str(x->t, c->prefix));
	struct str path = arena_printf(&x->arena, "%s%.*s%.*s",
	    str_has_prefix(prefix, STR("/")) ? "" : "/", STR_ARG(prefix),
	    STR_ARG(x->req.path));

	if (prefix.p == NULL || path.p == NULL)
		return -ENOMEM;
	x->req.path = path;
	return chain_next(f, x, next);
}
