/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns: who counts requests over all workers shares them out without knowing
 * what was shared out before.
 */
#ifndef TURN_H
#define TURN_H

#include <stdint.h>

/*
 * Where turn n stands in a round of `total` places, from 0. Each round meets every
 * place once, and neighbours in time are far from each other, so shares mix.
 */
uint64_t turn_place(uint64_t n, uint64_t total);

#endif
