/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why akkod itself answered or ended something: one word each, the same in
 * log, metrics and manual. The rows stand in reason.def.
 */
#ifndef REASON_H
#define REASON_H

enum reason {
#define REASON(name, word, status, text)	REASON_##name,
#include "reason.def"
#undef REASON
	REASONS
};

/* The word ("" for REASON_NONE and unknown numbers). */
const char *reason_word(enum reason r);
/* The status that goes with it, 0 when it depends. */
unsigned reason_status(enum reason r);
const char *reason_text(enum reason r);

#endif
