/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rateLimit: a token bucket per source, shared by all workers in the live
 * state. A request that is only a little early waits for its token.
 */
#include "middleware.h"

#include "hash.h"
#include "live.h"
#include "source_address.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>

/* "1.5s", "250ms": as Go prints a duration. */
static struct str
duration_text(struct exchange *x, nsec_t d)
{
	if (d >= NSEC_SEC)
		return arena_printf(&x->arena, "%.9gs", (double)d / 1e9);
	if (d >= NSEC_MSEC)
		return arena_printf(&x->arena, "%.6gms", (double)d / 1e6);
	return arena_printf(&x->arena, "%.4gus", (double)d / 1e3);
}

static int
refuse(struct fiber *f, struct exchange *x, nsec_t wait)
{
	struct str after = arena_printf(&x->arena, "%lld",
	    (long long)((wait + NSEC_SEC - 1) / NSEC_SEC));
	struct str in = duration_text(x, wait);

	if (fields_set_id(&x->resp.fields, FIELD_RETRY_AFTER, after) < 0 ||
	    fields_set(&x->resp.fields, STR("X-Retry-In"), in) < 0)
		return -ENOMEM;
	return respond_text(f, x, 429, REASON_RATE_LIMIT,
	    STR("Too Many Requests"));
}

int
rate_limit_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_rate_limit *c = MW_CONFIG(x, mw,
	    struct tmw_rate_limit);
	struct live_rate rate = { c->average, c->period_ns, c->burst };
	struct worker *w = x->w;
	nsec_t wait, now = ring_now(w->ring);
	int r;

	if (c->average <= 0)
		return chain_next(f, x, next);
	r = live_rate_take(w->live, mw->live_id, hash_str(source_key(x,
	    &c->source), w->live->seed), &rate, now, &wait);
	if (r < 0)
		return refuse(f, x, wait);
	if (r > 0 && (r = fiber_sleep_until(f, now + wait)) < 0)
		return r;
	return chain_next(f, x, next);
}
