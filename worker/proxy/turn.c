/* SPDX-License-Identifier: BSD-2-Clause */
/* Turns; see turn.h. */
#include "turn.h"

static uint64_t
common_divisor(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Steps of the golden section, made to meet all places. */
uint64_t
turn_place(uint64_t n, uint64_t total)
{
	uint64_t step = total * 5 / 8;

	while (common_divisor(step, total) != 1)
		step++;
	return n % total * step % total;
}
