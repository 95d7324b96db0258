/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fast 64-bit hash for tables inside one image or process. Not for secrets:
 * where a client could profit from collisions the caller keys it with a seed
 * that no client knows.
 */
#ifndef HASH_H
#define HASH_H

#include "str.h"

uint64_t	hash_bytes(const void *p, size_t n, uint64_t seed);

static inline uint64_t
hash_str(struct str s, uint64_t seed)
{
	return hash_bytes(s.p, s.n, seed);
}

/* ASCII case is folded first. */
uint64_t	hash_casestr(struct str s, uint64_t seed);

#endif
