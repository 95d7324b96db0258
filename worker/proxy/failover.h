/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Failover: a service, and another one that serves while the first is down, or
 * where its answer has a status that does not count.
 */
#ifndef FAILOVER_H
#define FAILOVER_H

#include "exchange.h"

int	failover_serve(struct fiber *f, struct exchange *x,
	    const struct tservice *sv);

#endif
