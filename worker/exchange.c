/* SPDX-License-Identifier: BSD-2-Clause */
/* Exchanges: their pool, and the answers that akkod makes itself. */
#include "exchange.h"

#include "conn.h"
#include "generation.h"
#include "h1_write.h"
#include "live.h"

#include <errno.h>
#include <stdlib.h>

struct exchange *
exchange_get(struct worker *w)
{
	struct exchange *x = w->free_exchanges;

	if (x != NULL)
		w->free_exchanges = (struct exchange *)(void *)x->c;
	else if ((x = calloc(1, sizeof(*x))) == NULL)
		return NULL;
	else
		arena_init(&x->arena, w->limits.arena_bytes);
	x->w = w;
	x->req.fields = (struct fields){ x->req_store, 0, FIELDS_MAX };
	x->resp.fields = (struct fields){ x->resp_store, 0, FIELDS_MAX };
	return x;
}

void
exchange_put(struct exchange *x)
{
	struct worker *w = x->w;
	struct arena arena;

	if (x->facts.number != 0)	/* counted when it began */
		live_bump(w->mine->in_flight, -1);
	if (x->gen != NULL)
		generation_unref(x->gen);
	iobuf_put(w->ring, x->head);
	arena_reset(&x->arena);
	arena = x->arena;
	/* The field stores need no clearing: their counts say what is valid. */
	memset(x, 0, offsetof(struct exchange, req_store));
	x->arena = arena;
	x->c = (struct conn *)(void *)w->free_exchanges;
	w->free_exchanges = x;
}

struct str
status_text(unsigned status)
{
	return h1_status_text(status);
}

void
respond_begin(struct exchange *x)
{
	x->resp.fields.n = 0;
	x->resp.trailers.n = 0;
	x->resp.no_body = false;
}

bool
respond_settle(struct exchange *x)
{
	struct response *a = &x->resp;
	unsigned st = a->status;

	live_bump(x->w->mine->responses[st / 100 < 6 ? st / 100 : 0], 1);
	a->no_body |= st == 204 || st == 304 || st < 200 ||
	    str_eq(x->req.method, STR("HEAD"));
	if (st == 304)
		fields_remove(&a->fields, FIELD_CONTENT_TYPE);
	return a->length >= 0 && st != 204 && st != 304 && st >= 200;
}

int
respond_text(struct fiber *f, struct exchange *x, unsigned status,
    enum reason why, struct str text)
{
	int r;

	x->reason = why;
	x->resp.status = status;
	x->resp.length = (int64_t)text.n;
	if ((r = sink_head(f, x, x->sink)) < 0)
		return r;
	return sink_body(f, x, x->sink, text, true);
}

int
respond_error(struct fiber *f, struct exchange *x, unsigned status,
    enum reason why, struct str text)
{
	struct str line = arena_printf(&x->arena, "%.*s\n", STR_ARG(text));

	if (line.p == NULL || fields_set_id(&x->resp.fields,
	    FIELD_CONTENT_TYPE, STR("text/plain; charset=utf-8")) < 0 ||
	    fields_set(&x->resp.fields, STR("X-Content-Type-Options"),
	    STR("nosniff")) < 0)
		return -ENOMEM;
	return respond_text(f, x, status, why, line);
}

int
respond_redirect(struct fiber *f, struct exchange *x, unsigned status,
    struct str location)
{
	if (fields_set_id(&x->resp.fields, FIELD_LOCATION, location) < 0)
		return -ENOMEM;
	return respond_text(f, x, status, REASON_REDIRECT,
	    status_text(status));
}
