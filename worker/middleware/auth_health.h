/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether an auth server is worth asking: after five transport failures in a
 * row it rests for a second, then one request at a time probes (S-505). What is
 * not asked is denied. Each worker keeps its own count.
 */
#ifndef AUTH_HEALTH_H
#define AUTH_HEALTH_H

#include "clock.h"
#include "str.h"

/* True: ask. False: it rests. */
bool	auth_health_ask(struct str address, nsec_t now);
/* What came of asking: any answer, or a transport failure. */
void	auth_health_note(struct str address, nsec_t now, bool answered);

#endif
