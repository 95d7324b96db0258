/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes for the master that its socket has no room for yet. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include "buf.h"

#define OUTBOX_MAX	(512u << 20)	/* beyond, the master is not reading */

struct outbox { struct buf b; size_t at; };

#define OUTBOX_INIT	{ BUF_INIT, 0 }

/* Appends bytes; outbox_flush() sends them. */
void	outbox_put(struct outbox *o, struct str bytes);
/* Sends as MSG_CHANGES what fits. 0 all, -EAGAIN, or -errno: no master. */
int	outbox_flush(struct outbox *o, int sock);
bool	outbox_empty(const struct outbox *o);

#endif
