/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Highest random weight (rendezvous hashing): each candidate draws a number that
 * hangs on the client and itself alone, and the highest wins. Who loses a
 * candidate keeps all other clients where they are.
 */
#ifndef RANDOM_WEIGHT_H
#define RANDOM_WEIGHT_H

#include "str.h"

/* weight / -ln(h / 2^64), h = FNV-1a of client and name, as Traefik's. */
double	random_weight(struct str client, struct str name, uint32_t weight);

#endif
