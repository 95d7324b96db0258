/* SPDX-License-Identifier: BSD-2-Clause */
/* A request's memory; see arena.h. */
#include "arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* With its header and that of malloc(3) two pages: most requests need less. */
#define ARENA_CHUNK	(8192 - 64)

struct arena_chunk {
	struct arena_chunk *next;	/* older chunk */
	size_t cap, n;
	_Alignas(16) char data[];
};

void
arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

static struct arena_chunk *
chunk_new(size_t cap)
{
	struct arena_chunk *c = malloc(sizeof(*c) + cap);

	if (c != NULL) {
		c->next = NULL;
		c->cap = cap;
		c->n = 0;
	}
	return c;
}

int
arena_reserve(struct arena *a, size_t n)
{
#ifndef WITH_ASAN
	if (a->first == NULL && (a->first = a->chunk = chunk_new(n)) == NULL)
		return -ENOMEM;
#else
	(void)a;
	(void)n;
#endif
	return 0;
}

static void
chunks_free(struct arena_chunk *c, struct arena_chunk *keep)
{
	while (c != NULL) {
		struct arena_chunk *next = c->next;

		if (c != keep)
			free(c);
		c = next;
	}
}

void
arena_fini(struct arena *a)
{
	chunks_free(a->chunk, a->first);
	free(a->first);
	arena_init(a, a->max);
}

void
arena_reset(struct arena *a)
{
#ifdef WITH_ASAN
	arena_fini(a);
#else
	chunks_free(a->chunk, a->first);
	a->chunk = a->first;
	if (a->first != NULL) {
		a->first->next = NULL;
		a->first->n = 0;
	}
	a->used = 0;
#endif
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunk;
	void *p;

	if (n > a->max || a->used + n > a->max)
		return NULL;
	n = (n + 15) & ~(size_t)15;
#ifdef WITH_ASAN
	c = NULL;
#endif
	if (c == NULL || c->cap - c->n < n) {
#ifdef WITH_ASAN
		c = chunk_new(n);
#else
		c = chunk_new(n > ARENA_CHUNK ? n : ARENA_CHUNK);
#endif
		if (c == NULL)
			return NULL;
		c->next = a->chunk;
		a->chunk = c;
		if (a->first == NULL)
			a->first = c;
	}
	p = c->data + c->n;
	c->n += n;
	a->used += n;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

struct str
arena_dup(struct arena *a, struct str s)
{
	char *p;

	if (s.n == 0)
		return (struct str){ "", 0 };
	if ((p = arena_alloc(a, s.n)) == NULL)
		return STR_NONE;
	memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || (p = arena_alloc(a, (size_t)n + 1)) == NULL)
		return STR_NONE;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct str){ p, (size_t)n };
}
