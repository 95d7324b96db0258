/* SPDX-License-Identifier: BSD-2-Clause */
/* Services; see service.h. */
#include "service.h"

#include "demo.h"
#include "live.h"
#include "proxy.h"
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
	struct live *live = x->w->live;
	uint64_t turn;

	if (sv->servers.n == 0)
		return NULL;
	if (sv->servers.n == 1)
		return table_server(x->t, TABLE_VEC(x->t, sv->servers,
		    uint32_t)[0]);
	turn = sv->live_slot < LIVE_SERVICES ?
	    live_add(live->services[sv->live_slot].turn, 1) : x->facts.number;
	return server_of_turn(x, sv, turn);
}

static int
balance(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	const struct tserver *server = pick_server(x, sv);

	if (server == NULL)
		return respond_error(f, x, 503, REASON_SERVICE_EMPTY,
		    STR("no available server"));
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

int
service_serve(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	x->facts.service = sv;
	switch (sv->kind) {
	case TSERVICE_LOAD_BALANCER:
		return balance(f, x, sv);
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
