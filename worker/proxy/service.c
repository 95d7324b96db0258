/* SPDX-License-Identifier: BSD-2-Clause */
/* Services; see service.h. */
#include "service.h"

#include "balance.h"
#include "demo.h"
#include "failover.h"
#include "live.h"
#include "mirror.h"
#include "weighted.h"
#include "worker.h"

static int
no_server(struct fiber *f, struct exchange *x)
{
	return respond_error(f, x, 503, REASON_SERVICE_EMPTY,
	    STR("no available server"));
}

/* For load balancers in front: who may send requests here. */
static int
ping(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	if (x->w->unready)
		return respond_text(f, x, sv->ping_status,
		    REASON_INTERNAL_SERVICE, status_text(sv->ping_status));
	if (sv->not_ready)
		return respond_text(f, x, 503, REASON_NOT_READY,
		    status_text(503));
	return respond_text(f, x, 200, REASON_INTERNAL_SERVICE, STR("OK"));
}

/* For a pod's probe: true once no route can be missing (kubernetes.md 1.5). */
static int
readyz(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	if (x->w->unready)
		return respond_text(f, x, 503, REASON_INTERNAL_SERVICE,
		    STR("draining"));
	if (sv->waiting.n != 0)
		return respond_text(f, x, 503, REASON_NOT_READY,
		    arena_printf(&x->arena, "waiting for %.*s",
		    STR_ARG(table_str(x->t, sv->waiting))));
	return respond_text(f, x, 200, REASON_INTERNAL_SERVICE, STR("OK"));
}

/* ---- Services in services -------------------------------------------------- */

uint64_t
service_turn(const struct exchange *x, const struct tservice *sv)
{
	return sv->live_slot < LIVE_SERVICES ?
	    live_add(x->w->live->services[sv->live_slot].turn, 1) :
	    x->facts.number;
}

static bool
any_up(const struct exchange *x, const struct tservice *sv, uint32_t n)
{
	const struct tchild *v = TABLE_VEC(x->t, sv->children, struct tchild);

	for (uint32_t i = 0; i < n; i++)
		if (service_up(x, table_service(x->t, v[i].service)))
			return true;
	return false;
}

bool
service_up(const struct exchange *x, const struct tservice *sv)
{
	if (!sv->health)
		return true;
	switch (sv->kind) {
	case TSERVICE_WEIGHTED:
	case TSERVICE_RANDOM_WEIGHT:
	case TSERVICE_FAILOVER:
		return any_up(x, sv, sv->children.n);
	case TSERVICE_LOAD_BALANCER:
		return balance_up(x, sv);
	case TSERVICE_MIRRORING:
	case TSERVICE_MIDDLEWARES:
		return any_up(x, sv, 1);
	default:
		return true;
	}
}

/* The child of a group whose request this is; NULL: none may be used. */
static int
choose(struct exchange *x, const struct tservice *sv,
    const struct tservice **ret)
{
	const struct tchild *c;
	int r = 0;

	if (sv->kind == TSERVICE_WEIGHTED)
		r = weighted_pick(x, sv, &c);
	else
		c = random_weight_pick(x, sv);
	*ret = r == 0 && c != NULL ? table_service(x->t, c->service) : NULL;
	return r;
}

static int
run_middlewares(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	struct chain all = { TABLE_VEC(x->t, sv->middlewares, uint32_t),
	    sv->middlewares.n, TABLE_VEC(x->t, sv->children,
	    struct tchild)[0].service };

	return chain_next(f, x, all);
}

/* Built into akkod. */
static int
serve_internal(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	switch (sv->kind) {
	case TSERVICE_PING:
		return ping(f, x, sv);
	case TSERVICE_READYZ:
		return readyz(f, x, sv);
	case TSERVICE_DEMO:
		return demo_serve(f, x);
	case TSERVICE_DEMO_LOGIN:
		return demo_login_serve(f, x);
	default:
		return respond_text(f, x, 418, REASON_INTERNAL_SERVICE,
		    STR_NONE);
	}
}

static int
serve_tree(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	int r;

	while (sv->kind == TSERVICE_WEIGHTED ||
	    sv->kind == TSERVICE_RANDOM_WEIGHT) {
		x->facts.service = sv;
		if ((r = choose(x, sv, &sv)) < 0)
			return r;
		if (sv == NULL)
			return no_server(f, x);
	}
	x->facts.service = sv;
	switch (sv->kind) {
	case TSERVICE_LOAD_BALANCER:
		return balance_serve(f, x, sv);
	case TSERVICE_MIRRORING:
		return mirror_serve(f, x, sv);
	case TSERVICE_FAILOVER:
		return failover_serve(f, x, sv);
	case TSERVICE_MIDDLEWARES:
		return run_middlewares(f, x, sv);
	default:
		return serve_internal(f, x, sv);
	}
}

int
service_serve(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	struct sink *sinks = x->sink;	/* cookies of groups are put before it */
	int r = serve_tree(f, x, sv);

	x->sink = sinks;
	return r;
}
