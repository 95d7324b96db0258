/* SPDX-License-Identifier: BSD-2-Clause */
/* Mirroring; see mirror.h. */
#include "mirror.h"

#include "conn.h"
#include "generation.h"
#include "kept.h"
#include "log.h"
#include "service.h"

#include <stdlib.h>

/* A server that does not answer, or never ends to, is left to itself. */
#define COPY_TIME	(300 * NSEC_SEC)

/* The copies of one request. */
struct copies {
	struct sink drop;	/* takes what is answered */
	struct conn c;		/* where the request came from; no connection */
	struct exchange *x;
	struct kept kept;
	const struct tservice *sv;
	uint64_t turn;
	struct fiber *f;
	struct timer timer;
};

static const struct tchild *
children(const struct exchange *x, const struct tservice *sv)
{
	return TABLE_VEC(x->t, sv->children, struct tchild);
}

/*
 * Whether the n-th request, from 0, is copied: as soon as fewer than the
 * percent of all were. So of 10 percent the first is, the 11th, ...
 */
static bool
is_copied(uint64_t n, uint32_t percent)
{
	uint64_t before = n % 100;

	return (before * percent + 99) / 100 * 100 < (before + 1) * percent;
}

/* ---- The copies' fiber ------------------------------------------------------ */

static int
drop_head(struct fiber *f, struct exchange *x, struct sink *s)
{
	(void)f;
	(void)x;
	(void)s;
	return 0;
}

static int
drop_body(struct fiber *f, struct exchange *x, struct sink *s, struct str data,
    bool last)
{
	(void)f;
	(void)x;
	(void)s;
	(void)data;
	(void)last;
	return 0;
}

static void
too_late(struct timer *t)
{
	struct copies *k = (struct copies *)(void *)((char *)t -
	    offsetof(struct copies, timer));

	fiber_cancel(k->f);
}

static void
copies_free(struct copies *k)
{
	kept_end(&k->kept);
	exchange_put(k->x);
	free(k);
}

static void
send_copies(struct fiber *f, void *arg)
{
	struct copies *k = arg;
	struct exchange *x = k->x;
	struct worker *w = x->w;
	const struct tchild *v = children(x, k->sv);

	fiber_set_object(f, x);
	for (uint32_t i = 1; i < k->sv->children.n; i++) {
		if (!is_copied(k->turn, v[i].weight) || fiber_canceled(f) ||
		    kept_again(&k->kept) < 0)
			continue;
		respond_begin(x);
		x->sink = &k->drop;
		x->enough = x->head_sent = false;
		x->facts.start = ring_now(w->ring);
		timer_set(w->ring, &k->timer, x->facts.start + COPY_TIME);
		(void)service_serve(f, x, table_service(x->t, v[i].service));
		timer_stop(w->ring, &k->timer);
		log_debug("a copy for %.*s was answered %u",
		    STR_ARG(table_str(x->t, v[i].name)), x->resp.status);
	}
	w->copies--;
	copies_free(k);
}

/* ---- The request --------------------------------------------------------------- */

/* NULL: memory is short. */
static struct copies *
copies_new(struct exchange *x, const struct tservice *sv, uint64_t turn)
{
	struct copies *k = calloc(1, sizeof(*k));
	struct exchange *own = k != NULL ? exchange_get(x->w) : NULL;

	if (own == NULL) {
		free(k);
		return NULL;
	}
	*k = (struct copies){ .drop = { .interim = drop_head,
	    .head = drop_head, .body = drop_body }, .x = own, .sv = sv,
	    .turn = turn, .timer.fn = too_late, .c = { .w = x->c->w,
	    .l = x->c->l, .peer = x->c->peer, .local = x->c->local,
	    .peer_port = x->c->peer_port, .local_port = x->c->local_port,
	    .accepted = x->c->accepted, .tls_options = x->c->tls_options } };
	own->c = &k->c;
	own->gen = generation_ref(x->gen);
	own->t = x->t;
	own->ep = x->ep;
	own->router = x->router;
	own->scheme = x->scheme;
	return k;
}

/* Never fails the request; what cannot be is told. */
static void
start(struct exchange *x, const struct tservice *sv, uint64_t turn,
    struct kept *kept)
{
	struct worker *w = x->w;
	struct copies *k;

	/* What mirrors cannot take must not take what clients need. */
	if (w->copies >= w->limits.max_fibers / 4 ||
	    (k = copies_new(x, sv, turn)) == NULL) {
		log_warn("%.*s: no room for copies of a request",
		    STR_ARG(table_str(x->t, sv->name)));
		return;
	}
	if (kept_copy(&k->kept, k->x, kept, sv->mirror_body) == 0)
		k->f = fiber_start(w->ring, send_copies, k, "mirror");
	if (k->f != NULL)
		w->copies++;
	else
		copies_free(k);
}

int
mirror_serve(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	const struct tchild *v = children(x, sv);
	const struct tservice *first = table_service(x->t, v[0].service);
	uint64_t turn = service_turn(x, sv);
	struct kept kept;
	bool copied = false, body;
	int r;

	for (uint32_t i = 1; i < sv->children.n; i++)
		copied |= is_copied(turn, v[i].weight);
	/* What a 101 begins is no request that could be copied. */
	if (!copied || x->req.websocket)
		return service_serve(f, x, first);
	body = sv->mirror_body && x->req.framing != FRAMING_NONE;
	if (kept_begin(&kept, x, body ? sv->max_body : 0) < 0) {
		kept_end(&kept);
		return service_serve(f, x, first);
	}
	r = service_serve(f, x, first);
	if (!x->client_gone && (!body || (kept_whole(&kept) &&
	    kept.from->done)))
		start(x, sv, turn, &kept);
	kept_end(&kept);
	return r;
}
