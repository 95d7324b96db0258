/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table image with at least one record of every kind, for tests that damage
 * it, and a reader that touches all of an accepted one.
 */
#ifndef TABLE_MAKE_H
#define TABLE_MAKE_H

#include "build.h"

/* Into out, which the caller frees. The same bytes on every call. */
void	table_make(struct buf *out);
/* Sets the checksum right again after the image was changed. */
void	table_resum(struct buf *image);
/*
 * Reads every string and routes a few requests through every mux, as workers
 * would; a sum keeps the compiler from leaving it out.
 */
uint64_t table_use(const struct table *t);

#endif
