/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One probe of a health check: asks a server over its own transport and says how
 * it is. HTTP redirections are followed as long as they stay with the server;
 * one that leads elsewhere is the answer.
 */
#ifndef PROBE_H
#define PROBE_H

#include "exchange.h"

struct probe_answer {
	uint32_t result;	/* as live_server has it */
	bool up;
	bool unknown;		/* a limit of our own: says nothing */
};

/* Within the check's timeout. The exchange is nobody's request. */
void	probe_ask(struct fiber *f, struct exchange *x, const struct tcheck *k,
	    const struct tprobe *p, struct probe_answer *ret);

#endif
