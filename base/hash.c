/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fast 64-bit hash; see hash.h. Eight bytes at a time through a 64x64->128
 * bit multiplication whose halves are folded together.
 */
#include "hash.h"

#define K0 UINT64_C(0x9e3779b97f4a7c15)
#define K1 UINT64_C(0xd6e8feb86659fd93)

static inline uint64_t
mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t
load(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

uint64_t
hash_bytes(const void *data, size_t n, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = seed ^ K0 ^ mix(n + 1, K1);

	while (n >= 8) {
		h = mix(h ^ load(p, 8), K1);
		p += 8;
		n -= 8;
	}
	if (n != 0)
		h = mix(h ^ load(p, n), K0);
	return mix(h ^ K1, K0);
}

uint64_t
hash_casestr(struct str s, uint64_t seed)
{
	char low[64];
	uint64_t h = seed;

	do {
		size_t n = s.n < sizeof(low) ? s.n : sizeof(low);

		for (size_t i = 0; i < n; i++)
			low[i] = str_lower(s.p[i]);
		h = hash_bytes(low, n, h);
		s = str_from(s, n);
	} while (s.n != 0);
	return h;
}
