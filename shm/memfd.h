/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes handed to another process for reading: a memfd sealed against writing,
 * growing and shrinking (P-14), so that neither side can change it any more.
 */
#ifndef MEMFD_H
#define MEMFD_H

#include <stddef.h>

/* A sealed descriptor with a copy of the bytes, or -errno. */
int	memfd_seal(const char *name, const void *p, size_t n);
/* Maps a sealed descriptor read-only; -EPERM when a seal is missing. */
int	memfd_map(int fd, const void **ret, size_t *ret_n);
void	memfd_unmap(const void *p, size_t n);

#endif
