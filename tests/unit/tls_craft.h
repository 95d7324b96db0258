/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records as no honest peer makes them, sealed with the right keys, for tests
 * of the TLS 1.3 record layer. A program is pairs of bytes, (what, how); any
 * bytes are one, so that fuzzers can write them.
 */
#ifndef TLS_CRAFT_H
#define TLS_CRAFT_H

#include "record.h"

#include <stdbool.h>

enum craft_op {
	CRAFT_DATA,		/* `how` bytes */
	CRAFT_DATA_LONG,	/* up to the longest */
	CRAFT_PADDED,
	CRAFT_EMPTY,
	CRAFT_UPDATE,		/* KeyUpdate; odd: asks for one */
	CRAFT_UPDATE_CUT,	/* over two records */
	CRAFT_CANCELED,
	CRAFT_CLOSE,
	CRAFT_HARMLESS,		/* so many do no harm by themselves */
	/* From here on the connection ends. */
	CRAFT_ALERT = CRAFT_HARMLESS,	/* `how` */
	CRAFT_ALERT_SHORT,
	CRAFT_ALERT_EMPTY,
	CRAFT_FLIP,		/* a bit, anywhere in the record */
	CRAFT_DROP,		/* a record that does not arrive */
	CRAFT_REPEAT,		/* the record before, again */
	CRAFT_INNER_TYPE,
	CRAFT_NO_TYPE,		/* padding only */
	CRAFT_OUTER_TYPE,
	CRAFT_TOO_LONG,		/* clear bytes */
	CRAFT_LENGTH,		/* beyond what a header may say */
	CRAFT_SHORT,		/* less than a tag */
	CRAFT_UPDATE_VALUE,
	CRAFT_UPDATE_LENGTH,
	CRAFT_UPDATE_TWO,	/* in one record */
	CRAFT_UPDATE_AND_DATA,	/* data between its pieces */
	CRAFT_MESSAGE,		/* of another type */
	CRAFT_MESSAGE_EMPTY,
	CRAFT_OLD_ALERT,	/* not sealed at all */
	CRAFT_OPS
};

struct crafted {
	uint8_t *wire;		/* room for 1 << 18 */
	size_t n;
	uint8_t *clear;		/* the data before the first fault; same room */
	size_t nclear;
	bool faulty;		/* a fault or an end is among them */
	bool canceled;
	int first;		/* the first op that ends it; -1: none */
	size_t last;		/* where the last record begins */
};

/* One record of any shape: `type` < 0 gives none, pad zeros follow. */
size_t	craft_record(struct suites *s, struct traffic *t, int type,
	    const void *content, size_t n, size_t pad, uint8_t *out);
/* Runs one step, or as many as have room; c starts as zeros but buffers. */
void	craft_step(struct suites *s, struct traffic *t, uint8_t what,
	    uint8_t how, struct crafted *c);

#endif
