/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the controller says, one part per Kubernetes provider: named objects
 * that were decoded, checked and confined when they came. A batch is kept aside
 * until it is committed, so the world never sees half of a change; whatever
 * does not fit ends the conversation and leaves the parts as they are.
 */
#ifndef PARTS_H
#define PARTS_H

#include "change.h"
#include "world.h"

struct parts;

/* At most so much of one controller; beyond, it is out of its mind. */
#define PARTS_OBJECTS_MAX	400000
#define PARTS_BYTES_MAX		(256u << 20)

struct parts *parts_new(void);
void	parts_free(struct parts *p);

/*
 * Takes bytes of the stream. 0, or -EPROTO with static text in *why: the
 * controller is not to be listened to any more. *ret_changed is set when a
 * commit changed what the world is made of.
 */
int	parts_feed(struct parts *p, struct str bytes, bool *ret_changed,
	    const char **why);
/* A controller starts anew: half records and open batches are forgotten. */
void	parts_restart(struct parts *p);

/*
 * Appends all that synchronised parts hold, as one who starts anew would say
 * it; certificates with their keys.
 */
void	parts_save(const struct parts *p, struct buf *out);
/*
 * Takes what was saved, for each part that no controller has synchronised yet;
 * it counts until one does. All of it must be in order: -EPROTO with static
 * text in *why, and nothing is taken.
 */
int	parts_restore(struct parts *p, struct str bytes, const char **why);

/* The parts that are synchronised or restored; borrowed until the next feed. */
unsigned parts_world(struct parts *p, struct world_part out[CHANGE_PARTS]);
/* Has the part been synchronised once? */
bool	parts_synced(const struct parts *p, enum change_part part);
/* Is it what a snapshot said? */
bool	parts_restored(const struct parts *p, enum change_part part);
unsigned parts_count(const struct parts *p, enum change_part part,
	    enum change_kind kind);
/* Calls fn for each note: an object that was refused, and why. */
void	parts_notes(const struct parts *p, enum change_part part,
	    void (*fn)(void *arg, const char *name, const char *why),
	    void *arg);
/* Calls fn for each watch of the controller and what it says of it. */
void	parts_states(const struct parts *p, void (*fn)(void *arg,
	    const char *name, const char *state, const char *version,
	    const struct change_state *count), void *arg);

#endif
