/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The middlewares: one function and one file each, named after Traefik's kind.
 * chain.c has the table.
 */
#ifndef MIDDLEWARE_H
#define MIDDLEWARE_H

#include "exchange.h"

#define MIDDLEWARE(name) \
	int name(struct fiber *f, struct exchange *x, const struct tmw *mw, \
	    struct chain next)

MIDDLEWARE(add_prefix_serve);
MIDDLEWARE(strip_prefix_serve);
MIDDLEWARE(strip_prefix_regex_serve);
MIDDLEWARE(replace_path_serve);
MIDDLEWARE(replace_path_regex_serve);
MIDDLEWARE(redirect_scheme_serve);
MIDDLEWARE(redirect_regex_serve);
MIDDLEWARE(headers_serve);
MIDDLEWARE(ip_allow_list_serve);
MIDDLEWARE(rate_limit_serve);
MIDDLEWARE(basic_auth_serve);
MIDDLEWARE(forward_auth_serve);
MIDDLEWARE(errors_serve);
MIDDLEWARE(compress_serve);
MIDDLEWARE(grpc_web_serve);

#endif
