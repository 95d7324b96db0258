/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chain of a router: middlewares nest as functions call each other, and the
 * service stands at its end.
 */
#include "exchange.h"
#include "middleware.h"
#include "service.h"

const middleware_fn middlewares[TMW_KINDS] = {
	[TMW_ADD_PREFIX] = add_prefix_serve,
	[TMW_STRIP_PREFIX] = strip_prefix_serve,
	[TMW_STRIP_PREFIX_REGEX] = strip_prefix_regex_serve,
	[TMW_REPLACE_PATH] = replace_path_serve,
	[TMW_REPLACE_PATH_REGEX] = replace_path_regex_serve,
	[TMW_REDIRECT_SCHEME] = redirect_scheme_serve,
	[TMW_REDIRECT_REGEX] = redirect_regex_serve,
	[TMW_HEADERS] = headers_serve,
	[TMW_IP_ALLOW_LIST] = ip_allow_list_serve,
	[TMW_RATE_LIMIT] = rate_limit_serve,
	[TMW_BASIC_AUTH] = basic_auth_serve,
	[TMW_FORWARD_AUTH] = forward_auth_serve,
	[TMW_ERRORS] = errors_serve,
	[TMW_COMPRESS] = compress_serve,
	[TMW_GRPC_WEB] = grpc_web_serve,
};

int
chain_next(struct fiber *f, struct exchange *x, struct chain next)
{
	const struct tmw *mw;

	if (next.n == 0)
		return service_serve(f, x, table_service(x->t, next.service));
	mw = table_mw(x->t, next.mw[0]);
	next.mw++;
	next.n--;
	/* table_check() has proved the kind. */
	return middlewares[mw->kind](f, x, mw, next);
}
