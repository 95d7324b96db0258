/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the router of an exchange, and runs its chain. */
#ifndef ROUTER_H
#define ROUTER_H

#include "exchange.h"

/*
 * Matches and checks what goes with the match: denied escapes, ambiguous paths,
 * the TLS options in use. 0: x->router may run. 1: answered. -errno.
 */
int	router_select(struct fiber *f, struct exchange *x);
/* Removes what only an auth middleware may set, then runs the chain. */
int	router_run(struct fiber *f, struct exchange *x);

#endif
