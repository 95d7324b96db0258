/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a chain: answers itself, picks a server, or hands on to another
 * service that it stands on.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "exchange.h"

int	service_serve(struct fiber *f, struct exchange *x,
	    const struct tservice *sv);
/*
 * Whether requests may go there: false when its health is known and it is down.
 * A group is down when all of its children are.
 */
bool	service_up(const struct exchange *x, const struct tservice *sv);
/* Counts the service's requests over all workers: 0, 1, ... */
uint64_t service_turn(const struct exchange *x, const struct tservice *sv);

#endif
