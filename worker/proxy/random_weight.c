/* SPDX-License-Identifier: BSD-2-Clause */
/* Highest random weight; see random_weight.h. */
#include "random_weight.h"

#include <math.h>

static uint64_t
fnv1a(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

double
random_weight(struct str client, struct str name, uint32_t weight)
{
	uint64_t h = fnv1a(fnv1a(UINT64_C(0xcbf29ce484222325), client), name);

	/* The ends give 0 and infinity, which compare well. */
	return weight / -log((double)h / 0x1p64);
}
