/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a chain: picks a server of a service, or answers itself. */
#ifndef SERVICE_H
#define SERVICE_H

#include "exchange.h"

int	service_serve(struct fiber *f, struct exchange *x,
	    const struct tservice *sv);

#endif
