/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an entry point does to every request before it is routed: names in odd
 * spellings, the canonical path, X-Forwarded-*, and what Connection lists.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include "exchange.h"

/* 0: go on. 1: answered already. -errno: the connection must close. */
int	entry_apply(struct fiber *f, struct exchange *x);
/* "443", "80" or the port of the Host, as X-Forwarded-Port has it. */
struct str entry_port(const struct exchange *x);

#endif
