/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside one load balancer: which of its servers gets a request. First the one
 * that the client's cookie names, then the strategy's, among those that are up
 * and not about to end. What is found out on the way (loads, times, failures) is
 * shared by all workers in the live state.
 */
#ifndef BALANCE_H
#define BALANCE_H

#include "exchange.h"

int	balance_serve(struct fiber *f, struct exchange *x,
	    const struct tservice *sv);
/* Whether a new request would find a server. */
bool	balance_up(const struct exchange *x, const struct tservice *sv);

#endif
