/* SPDX-License-Identifier: BSD-2-Clause */
/* Reasons; see reason.h. */
#include "reason.h"

static const struct {
	const char *word, *text;
	unsigned status;
} rows[] = {
#define REASON(name, word_, status_, text_) \
	[REASON_##name] = { .word = word_, .text = text_, .status = status_ },
#include "reason.def"
#undef REASON
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == REASONS, "one row each");

const char *
reason_word(enum reason r)
{
	return (unsigned)r < REASONS ? rows[r].word : "";
}

unsigned
reason_status(enum reason r)
{
	return (unsigned)r < REASONS ? rows[r].status : 0;
}

const char *
reason_text(enum reason r)
{
	return (unsigned)r < REASONS ? rows[r].text : "";
}
