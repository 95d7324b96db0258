/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of the dynamic part in binary, as the controller gives them to the
 * master. The schema that reads YAML also writes and reads this form:
 *
 *   struct = { u8 field number from 1, ascending; value } 0
 *   text   = u32 n, n bytes without NUL
 *   list   = u32 n, n elements
 *   number = 8 bytes, bool and tri 1 byte; all little-endian
 *
 * A field that has its default is left out. The reader takes nothing on trust.
 */
#ifndef WIRE_H
#define WIRE_H

#include "arena.h"
#include "buf.h"
#include "schema.h"

#define WIRE_DEPTH_MAX	16
#define WIRE_LIST_MAX	65536

/* Appends obj. What the schema has no field for is not in it (names, places). */
void	wire_encode(const struct schema *s, const void *obj, struct buf *out);
/*
 * The object that all of `bytes` describe, into obj, which is cleared first;
 * its memory is the arena's. 0, or -EINVAL (also when the arena is full).
 */
int	wire_decode(const struct schema *s, struct arena *a, struct str bytes,
	    void *obj);

#endif
