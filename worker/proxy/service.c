/* SPDX-License-Identifier: BSD-2-Clause */
/* Services; see service.h. */
#include "service.h"

#include "demo.h"
#include "failover.h"
#include "live.h"
#include "mirror.h"
#include "proxy.h"
#include "weighted.h"
#include "worker.h"

/* Weighted round robin over all workers: whose turn the n-th request is. */
static const struct tserver *
server_of_turn(const struct exchange *x, const struct tservice *sv,
    uint64_t turn)
{
	const uint32_t *v = TABLE_VEC(x->t, sv->servers, uint32_t);
	uint64_t total = 0;

	for (uint32_t i = 0; i < sv->servers.n; i++)
		total += table_server(x->t, v[i])->weight;
	turn %= total;
	for (uint32_t i = 0; i < sv->servers.n; i++) {
		const struct tserver *s = table_server(x->t, v[i]);

		if (turn < s->weight)
			return s;
		turn -= s->weight;
	}
	return NULL;	/* not reached: the turns add up to the total */
}

static const struct tserver *
pick_server(const struct exchange *x, const struct tservice *sv)
{
	if (sv->servers.n == 0)
		return NULL;
	if (sv->servers.n == 1)
		return table_server(x->t, TABLE_VEC(x->t, sv->servers,
		    uint32_t)[0]);
	return server_of_turn(x, sv, service_turn(x, sv));
}

static int
no_server(struct fiber *f, struct exchange *x)
{
	return respond_error(f, x, 503, REASON_SERVICE_EMPTY,
	    STR("no available server"));
}

static int
balance(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	const struct tserver *server = pick_server(x, sv);

	if (server == NULL)
		return no_server(f, x);
	return proxy_serve(f, x, sv, server);
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
	case TSERVICE_MIRRORING:
	case TSERVICE_MIDDLEWARES:
		return any_up(x, sv, 1);
	default:
		return true;
	}
}

/* The child of a group whose request this is; NULL: none may be used. */
static const struct tservice *
choose(const struct exchange *x, const struct tservice *sv)
{
	const struct tchild *c = sv->kind == TSERVICE_WEIGHTED ?
	    weighted_pick(x, sv) : random_weight_pick(x, sv);

	return c != NULL ? table_service(x->t, c->service) : NULL;
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

int
service_serve(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	while (sv->kind == TSERVICE_WEIGHTED ||
	    sv->kind == TSERVICE_RANDOM_WEIGHT) {
		x->facts.service = sv;
		if ((sv = choose(x, sv)) == NULL)
			return no_server(f, x);
	}
	x->facts.service = sv;
	switch (sv->kind) {
	case TSERVICE_LOAD_BALANCER:
		return balance(f, x, sv);
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
