/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mirroring: one service answers, others get copies of some of the requests. A
 * copy is an exchange of its own, on a fiber of its own, that begins when the
 * answer has ended; nobody hears what is answered to it.
 */
#ifndef MIRROR_H
#define MIRROR_H

#include "exchange.h"

int	mirror_serve(struct fiber *f, struct exchange *x,
	    const struct tservice *sv);

#endif
