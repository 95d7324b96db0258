/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request's memory: small allocations from chunks, freed all at once. The
 * first chunk is kept over resets, so a usual request never calls malloc. With
 * the address sanitizer every allocation is a malloc of its own.
 */
#ifndef ARENA_H
#define ARENA_H

#include "str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk;	/* the one allocated from */
	struct arena_chunk *first;	/* kept over resets */
	size_t used;			/* bytes handed out in all chunks */
	size_t max;			/* hard cap of `used` */
};

/* No allocation yet; max is the cap in bytes. */
void	arena_init(struct arena *a, size_t max);
/*
 * Room for exactly n bytes in the first chunk of an empty arena, for what is
 * kept long and whose size is known. 0 or -ENOMEM.
 */
int	arena_reserve(struct arena *a, size_t n);
void	arena_fini(struct arena *a);
/* Frees all but the first chunk. */
void	arena_reset(struct arena *a);
/* Aligned to 16 bytes, not cleared; NULL at the cap or without memory. */
void   *arena_alloc(struct arena *a, size_t n);
void   *arena_zalloc(struct arena *a, size_t n);
/* A copy of s; p is NULL (with n 0) on failure unless s is empty. */
struct str arena_dup(struct arena *a, struct str s);
/* Formatted text, NUL-terminated beyond its length; p NULL on failure. */
struct str arena_printf(struct arena *a, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#endif
