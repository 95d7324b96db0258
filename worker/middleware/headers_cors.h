/* SPDX-License-Identifier: BSD-2-Clause */
/* Cross-origin resource sharing of the headers middleware. */
#ifndef HEADERS_CORS_H
#define HEADERS_CORS_H

#include "exchange.h"

bool	cors_is_preflight(const struct exchange *x);
/* Answers a preflight itself: 200 and the headers that apply. */
int	cors_preflight(struct fiber *f, struct exchange *x,
	    const struct tmw_headers *c);
/* Adds to an ordinary response. */
int	cors_response(struct exchange *x, const struct tmw_headers *c);

#endif
