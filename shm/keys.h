/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key segment: private keys (DER) apart from the table, which names them by
 * id. A process that need not sign does not map it.
 *
 *   u64 magic, u32 count, u32 bytes, count x {u32 off, u32 n}, key bytes
 */
#ifndef KEYS_H
#define KEYS_H

#include "buf.h"
#include "str.h"

struct keys;

/* Building: ids are 0, 1, ... in the order of adding. The buffer holds secrets: wipe it. */
struct keys_builder { struct buf index, data; unsigned n; };
unsigned keys_add(struct keys_builder *b, struct str der);
/* A sealed descriptor or -errno; the builder is wiped and freed. */
int	keys_seal(struct keys_builder *b);

/* Maps and checks a sealed segment. -EPROTO when it is malformed. */
int	keys_open(int fd, struct keys **ret);
void	keys_close(struct keys *k);
/* Empty when there is no such id. */
struct str keys_get(const struct keys *k, unsigned id);

#endif
