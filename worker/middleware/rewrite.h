/* SPDX-License-Identifier: BSD-2-Clause */
/* What the middlewares that change the path share. */
#ifndef REWRITE_H
#define REWRITE_H

#include "exchange.h"

/*
 * The path becomes `path` (escaped form) if that is canonical; otherwise the
 * request is refused (S-605), because what a rule has let pass would become
 * something else. 0: go on. 1: answered. -errno.
 */
int	rewrite_path(struct fiber *f, struct exchange *x, struct str path);
/* Appends a header with an earlier value of the path. */
int	rewrite_note(struct exchange *x, struct str header, struct str value);
/*
 * Bytes of the escaped path whose decoded form has n bytes: an escape counts
 * as one.
 */
size_t	rewrite_skip(struct str escaped, size_t n);

/* The first '%' that begins no escape, with up to two bytes behind it. */
struct str rewrite_bad_escape(struct str path);

#endif
