/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocation for start-up and the control plane, where running out of memory
 * ends the process with a message. Request handling never calls these.
 */
#ifndef ALLOC_H
#define ALLOC_H

#include <stddef.h>

/* Never NULL; the caller owns the result and frees it with free(). */
void   *xmalloc(size_t n);
void   *xcalloc(size_t count, size_t n);
void   *xrealloc(void *p, size_t n);
/* Like reallocarray(3). */
void   *xreallocarray(void *p, size_t count, size_t n);
char   *xstrdup(const char *s);
char   *xstrndup(const char *s, size_t n);
char   *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
