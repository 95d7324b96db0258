/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenSSL's memory: a full handshake allocates several hundred small objects
 * and frees them in another order. Size classes in slabs, without locks and
 * without headers, make that cheap. For processes with one thread.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/*
 * Before the first call of OpenSSL. -ENOMEM: no address space, -EBUSY: too
 * late; libc's malloc is used then. No-op under the address sanitizer.
 */
int	tls_memory_install(void);

struct tls_memory_stats { size_t slabs, slab_bytes, live, live_bytes; };
void	tls_memory_stats(struct tls_memory_stats *ret);

/* The functions themselves, for tests. */
void   *tls_memory_alloc(size_t n);
void   *tls_memory_realloc(void *p, size_t n);
void	tls_memory_free(void *p);

#endif
