/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a request comes from, for lists and limits (ipStrategy, sourceCriterion). */
#ifndef SOURCE_ADDRESS_H
#define SOURCE_ADDRESS_H

#include "exchange.h"

/*
 * The client's address by the strategy: 1; 0 when X-Forwarded-For has too few
 * entries, -EINVAL when the entry is no address. Lists deny both.
 */
int	source_address(const struct exchange *x, const struct tsource *s,
	    struct addr *ret);
/* The text that limits count by; may be empty. From the arena or the request. */
struct str source_key(struct exchange *x, const struct tsource *s);

#endif
