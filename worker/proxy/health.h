/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who probes which server when. The plan stands in the live state, so that it
 * outlives workers, reloads and upgrades: each server is the business of one of
 * the workers that look after health checks, and its next probe is claimed by a
 * compare-and-swap on the time for it. What a worker leaves undone, because it
 * died or has an older table, another one does.
 */
#ifndef HEALTH_H
#define HEALTH_H

struct worker;

/* To be called now and then: starts looking, where there is something to probe. */
void	health_tick(struct worker *w);

#endif
