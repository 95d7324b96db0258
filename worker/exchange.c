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
	x->c = NULL;
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
	arena.max = w->limits.arena_bytes;
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

int
exchange_keep_fields(struct exchange *x, const struct fields *fs,
    struct fields *ret)
{
	const struct taccess_log *a;
	struct field *v;

	if (x->t == NULL || x->t->hdr->access_log.n == 0)
		return 0;
	a = TABLE_REC(x->t, access_log, struct taccess_log, 0);
	if (a->headers_mode == TLOG_DROP && a->headers.n == 0)
		return 0;
	/* One more: whoever sends may add the length. */
	if ((v = arena_alloc(&x->arena, (fs->n + 1) * sizeof(*v))) == NULL)
		return -ENOMEM;
	*ret = (struct fields){ v, 0, fs->n + 1 };
	FIELDS_EACH(fs, c)
		if (fields_push(ret, c->id, arena_dup(&x->arena,
		    field_name(c)), arena_dup(&x->arena, field_value(c))) < 0)
			return -ENOMEM;
	return 0;
}

/* For the log: what the client gets, with the length that the codec adds. */
static void
keep_sent(struct exchange *x, bool with_length)
{
	struct fields *sent = &x->facts.sent_fields;

	if (exchange_keep_fields(x, &x->resp.fields, sent) == 0 &&
	    sent->v != NULL && with_length)
		(void)fields_push(sent, FIELD_CONTENT_LENGTH,
		    field_canonical(FIELD_CONTENT_LENGTH), arena_printf(
		    &x->arena, "%lld", (long long)x->resp.length));
}


bool
respond_settle(struct exchange *x)
{
	struct response *a = &x->resp;
	unsigned st = a->status;
	bool known;

	live_bump(x->w->mine->responses[st / 100 < 6 ? st / 100 : 0], 1);
	a->no_body |= st == 204 || st == 304 || st < 200 ||
	    str_eq(x->req.method, STR("HEAD"));
	if (st == 304)
		fields_remove(&a->fields, FIELD_CONTENT_TYPE);
	known = a->length >= 0 && st != 204 && st != 304 && st >= 200;
	keep_sent(x, known);
	return known;
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
