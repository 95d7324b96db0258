/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker does without a master: it serves on for a while, and gives the
 * will (master/will.c) to the master that comes.
 */
#ifndef ORPHAN_H
#define ORPHAN_H

#include "msg.h"

struct worker;

/* A new will: descriptors of it and of the socket to wait at; takes them. */
void	orphan_will(struct worker *w, const struct msg_will *m,
	    const int *fds);
/* The master is gone. False: nobody is to come, so drain. */
bool	orphan_begin(struct worker *w);
/* It waited long enough. */
bool	orphan_expired(const struct worker *w);
/* There is nothing to hand over any more. */
void	orphan_end(struct worker *w);

#endif
