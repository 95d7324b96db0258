/* SPDX-License-Identifier: BSD-2-Clause */
/* The response's way through its sinks; see exchange.h. */
#include "exchange.h"

#include <assert.h>
#include <errno.h>

/* The nearest stage that has something to do with such a call. */
#define SKIP_TO(s, fn) do {		\
	while ((s)->fn == NULL)		\
		(s) = (s)->out;		\
} while (0)

void
sink_push(struct exchange *x, struct sink *s)
{
	s->out = x->sink;
	x->sink = s;
}

int
sink_interim(struct fiber *f, struct exchange *x, struct sink *s)
{
	SKIP_TO(s, interim);
	return s->interim(f, x, s);
}

int
sink_head(struct fiber *f, struct exchange *x, struct sink *s)
{
	SKIP_TO(s, head);
	return s->head(f, x, s);
}

int
sink_body(struct fiber *f, struct exchange *x, struct sink *s, struct str data,
    bool last)
{
	SKIP_TO(s, body);
	return s->body(f, x, s, data, last);
}

/* A stage that looks at bodies and knows no splice() needs the bytes. */
ssize_t
sink_splice(struct fiber *f, struct exchange *x, struct sink *s,
    struct stream *from, size_t n)
{
	SKIP_TO(s, body);
	return s->splice != NULL ? s->splice(f, x, s, from, n) : 0;
}
