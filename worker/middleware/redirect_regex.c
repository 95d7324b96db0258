/* SPDX-License-Identifier: BSD-2-Clause */
/* redirectRegex: rewrites the whole URL and sends the client there. */
#include "middleware.h"

#include "regexp.h"
#include "route.h"
#include "uri.h"

#include <errno.h>

int
redirect_regex_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_regex_replace *c = MW_CONFIG(x, mw,
	    struct tmw_regex_replace);
	const struct regexp *re = route_regexp(x->t, c->regexp);
	struct str url = arena_printf(&x->arena, "%.*s://%.*s%.*s%s%.*s",
	    STR_ARG(x->scheme), STR_ARG(x->req.host), STR_ARG(x->req.path),
	    x->req.has_query ? "?" : "", STR_ARG(x->req.query)), target;
	bool get = str_eq(x->req.method, STR("GET"));
	struct uri parts;
	int r;

	if (url.p == NULL)
		return -ENOMEM;
	r = re == NULL ? -ENOMEM : regexp_replace(re, &x->arena, url,
	    table_str(x->t, c->replacement), &target);
	if (r < 0)
		return respond_text(f, x, 400, REASON_REGEX_LIMIT, STR_NONE);
	if (r == 0 || str_eq(url, target))
		return chain_next(f, x, next);
	if (uri_split(target, &parts) < 0)
		return respond_text(f, x, 502, REASON_REDIRECT,
		    STR("Bad Gateway"));
	return respond_redirect(f, x, c->permanent ? get ? 301 : 308 :
	    get ? 302 : 307, target);
}
