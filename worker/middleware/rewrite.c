/* SPDX-License-Identifier: BSD-2-Clause */
/* What the middlewares that change the path share; see rewrite.h. */
#include "rewrite.h"

#include "path.h"

#include <errno.h>

int
rewrite_path(struct fiber *f, struct exchange *x, struct str path)
{
	struct str clean = path_clean(&x->arena, path);
	int r;

	if (clean.p == NULL)
		return -ENOMEM;
	if (path.n == 0 || str_eq(clean, path)) {
		x->req.path = path;
		return 0;
	}
	x->close = true;
	r = respond_error(f, x, 400, REASON_PATH_REWRITE, STR("Bad Request"));
	return r < 0 ? r : 1;
}

int
rewrite_note(struct exchange *x, struct str header, struct str value)
{
	return fields_add(&x->req.fields, header, value);
}

size_t
rewrite_skip(struct str escaped, size_t n)
{
	size_t i = 0;

	for (; n > 0 && i < escaped.n; n--)
		i += escaped.p[i] == '%' && i + 2 < escaped.n ? 3 : 1;
	return i;
}

static bool
is_hex(char c)
{
	c = str_lower(c);
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

struct str
rewrite_bad_escape(struct str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '%' && (i + 2 >= path.n ||
		    !is_hex(path.p[i + 1]) || !is_hex(path.p[i + 2])))
			return str_head(str_from(path, i), 3);
	return STR_NONE;
}
