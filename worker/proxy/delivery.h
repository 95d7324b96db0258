/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a server has got what was sent to it: the one thing that tells a
 * connection that was closed before a request came from one that was closed
 * because of it.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include <stdbool.h>

/*
 * True when the peer's kernel has acknowledged every byte sent on the
 * connection so far, or when that cannot be known. A peer that closed before
 * answers later bytes with a reset and acknowledges none.
 */
bool	delivery_complete(int fd);

#endif
