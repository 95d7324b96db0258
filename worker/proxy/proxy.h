/* SPDX-License-Identifier: BSD-2-Clause */
/* Passes an exchange on to a server and its answer back. */
#ifndef PROXY_H
#define PROXY_H

#include "exchange.h"

int	proxy_serve(struct fiber *f, struct exchange *x,
	    const struct tservice *sv, const struct tserver *server);

#endif
