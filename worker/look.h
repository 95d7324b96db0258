/* SPDX-License-Identifier: BSD-2-Clause */
/* What client connections a worker has, for akkod connections. */
#ifndef LOOK_H
#define LOOK_H

struct msg_connections;
struct worker;

/* Counts them by kind, and tells of the oldest. */
void	look_at_connections(const struct worker *w,
	    struct msg_connections *ret);

#endif
