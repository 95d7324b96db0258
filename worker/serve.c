/* SPDX-License-Identifier: BSD-2-Clause */
/* The pipeline; see serve.h. */
#include "serve.h"

#include "conn.h"
#include "entry.h"
#include "exchange.h"
#include "generation.h"
#include "grpc.h"
#include "h1.h"
#include "live.h"
#include "router.h"

void
serve_take(struct exchange *x, const struct h1_request *q)
{
	x->req.method = q->method;
	x->req.path = q->path;
	x->req.query = q->query;
	x->req.has_query = q->has_query;
	x->req.host = q->host;
	x->req.length = q->length;
	x->req.framing = q->framing;
	x->req.expect_continue = q->expect_continue;
	x->req.max_forwards = q->max_forwards;
}

void
serve_begin(struct exchange *x, struct conn *c)
{
	struct worker *w = c->w;

	x->facts.start = ring_now(w->ring);
	x->facts.number = live_add(w->live->request_number, 1) + 1;
	x->scheme = conn_is_tls(c) ? STR("https") : STR("http");
	live_bump(w->mine->requests, 1);
	live_bump(w->mine->in_flight, 1);
	c->had_request = true;
	c->requests++;
	if (w->gen != NULL && c->l->ep != TNONE) {
		x->gen = generation_ref(w->gen);
		x->t = &x->gen->table;
		x->ep = table_entry_point(x->t, c->l->ep);
	}
}

static int
serve(struct fiber *f, struct exchange *x)
{
	int r;

	if (x->ep == NULL)	/* nothing published yet */
		return respond_error(f, x, 404, REASON_NOT_READY,
		    STR("404 page not found"));
	if ((r = entry_apply(f, x)) != 0)
		return r < 0 ? r : 0;
	if ((r = router_select(f, x)) != 0)
		return r < 0 ? r : 0;
	return router_run(f, x);
}

int
serve_exchange(struct fiber *f, struct exchange *x)
{
	struct grpc_sink k;
	int r;

	fiber_deadline(f, NSEC_NEVER);
	x->req.grpc = grpc_is_call(&x->req);
	if (!x->req.grpc)
		return serve(f, x);
	grpc_sink_push(x, &k);
	r = serve(f, x);
	x->sink = k.s.out;
	return r;
}
