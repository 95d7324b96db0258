/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services that give each request to one of their children: by turns, exact over
 * all workers, or to the one that the client's address chooses. Children that
 * are down are passed over where the group is told of it.
 */
#ifndef WEIGHTED_H
#define WEIGHTED_H

#include "exchange.h"

/*
 * NULL when there is no child that may be used. Where the group is sticky, the
 * client's cookie comes first, and a new one is set (sticky.h).
 */
int	weighted_pick(struct exchange *x, const struct tservice *sv,
	    const struct tchild **ret);
const struct tchild *random_weight_pick(const struct exchange *x,
	    const struct tservice *sv);

#endif
