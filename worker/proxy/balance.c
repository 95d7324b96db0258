/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside one load balancer; see balance.h. */
#include "balance.h"

#include "conn.h"
#include "hash.h"
#include "live.h"
#include "log.h"
#include "proxy.h"
#include "random_weight.h"
#include "service.h"
#include "sticky.h"

#include <math.h>

/* A request that failed says as much about a server as one this slow. */
#define FAILURE_TIME	NSEC_SEC

static const struct tserver *
server_at(const struct exchange *x, const struct tservice *sv, uint32_t i)
{
	return table_server(x->t, TABLE_VEC(x->t, sv->servers, uint32_t)[i]);
}

static struct live_server *
live_of(const struct exchange *x, const struct tserver *s)
{
	return s->live_slot < LIVE_SERVERS ?
	    &x->w->live->servers[s->live_slot] : NULL;
}

/* ---- Health ------------------------------------------------------------------- */

static bool
is_up(const struct exchange *x, const struct tservice *sv,
    const struct tserver *s)
{
	const struct live_server *l;

	if ((sv->check == TNONE && sv->failure_window_ns == 0) ||
	    (l = live_of(x, s)) == NULL)
		return true;
	return sv->check != TNONE ? atomic_load_explicit(&l->down,
	    memory_order_relaxed) == 0 : !live_server_is_out(l,
	    sv->failure_window_ns, ring_now(x->w->ring));
}

static bool
takes_new(const struct exchange *x, const struct tservice *sv,
    const struct tserver *s)
{
	return !s->fenced && is_up(x, sv, s);
}

bool
balance_up(const struct exchange *x, const struct tservice *sv)
{
	for (uint32_t i = 0; i < sv->servers.n; i++)
		if (takes_new(x, sv, server_at(x, sv, i)))
			return true;
	return false;
}

/* ---- Strategies ----------------------------------------------------------------- */

/* By weight: whose turn the n-th request is. */
static uint32_t
pick_turn(const struct exchange *x, const struct tservice *sv)
{
	uint64_t total = 0, at;
	uint32_t last = TNONE;

	for (uint32_t i = 0; i < sv->servers.n; i++) {
		const struct tserver *s = server_at(x, sv, i);

		if (!takes_new(x, sv, s))
			continue;
		total += s->weight;
		last = i;
	}
	if (last == TNONE)
		return TNONE;
	at = service_turn(x, sv) % total;
	for (uint32_t i = 0; i < sv->servers.n; i++) {
		const struct tserver *s = server_at(x, sv, i);

		if (!takes_new(x, sv, s))
			continue;
		if (at < s->weight)
			return i;
		at -= s->weight;
	}
	return last;	/* one went down just now */
}

/* The n-th of those that take new requests. */
static uint32_t
nth(const struct exchange *x, const struct tservice *sv, uint32_t n)
{
	uint32_t last = TNONE;

	for (uint32_t i = 0; i < sv->servers.n; i++)
		if (takes_new(x, sv, server_at(x, sv, i))) {
			last = i;
			if (n-- == 0)
				break;
		}
	return last;
}

static unsigned
load_of(const struct exchange *x, const struct tserver *s)
{
	return s->live_slot < LIVE_SERVERS ?
	    live_server_load(x->w->live, s->live_slot) : 0;
}

/* Two by chance; the one with less to do, else the first. */
static uint32_t
pick_two(const struct exchange *x, const struct tservice *sv)
{
	uint64_t dice = hash_bytes(&x->facts.number, sizeof(x->facts.number),
	    x->w->live->seed);
	uint32_t n = 0, a, b;

	for (uint32_t i = 0; i < sv->servers.n; i++)
		n += takes_new(x, sv, server_at(x, sv, i));
	if (n < 2)
		return nth(x, sv, 0);
	a = (uint32_t)(dice % n);
	b = (uint32_t)((dice >> 32) % (n - 1));
	b += b >= a;
	a = nth(x, sv, a);
	b = nth(x, sv, b);
	if (a == TNONE || b == TNONE)
		return a != TNONE ? a : b;
	return load_of(x, server_at(x, sv, b)) < load_of(x, server_at(x, sv,
	    a)) ? b : a;
}

/* The client's address decides. */
static uint32_t
pick_by_client(const struct exchange *x, const struct tservice *sv)
{
	char text[ADDR_TEXT];
	struct str client = str_c(addr_text(&x->c->peer, text));
	double highest = -1;
	uint32_t best = TNONE;

	for (uint32_t i = 0; i < sv->servers.n; i++) {
		const struct tserver *s = server_at(x, sv, i);
		double w;

		if (!takes_new(x, sv, s))
			continue;
		w = random_weight(client, table_str(x->t, s->url), s->weight);
		if (w > highest) {
			highest = w;
			best = i;
		}
	}
	return best;
}

/*
 * Who was the quickest to answer and has the least to do. One that has not
 * answered yet is taken to be quick; equal ones take turns.
 */
static uint32_t
pick_quickest(const struct exchange *x, const struct tservice *sv)
{
	uint32_t n = sv->servers.n, best = TNONE;
	uint32_t first = n != 0 ? (uint32_t)(service_turn(x, sv) % n) : 0;
	double least = INFINITY;

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = (first + k) % n;
		const struct tserver *s = server_at(x, sv, i);
		const struct live_server *l = live_of(x, s);
		uint64_t t = l != NULL ? atomic_load_explicit(&l->first_byte,
		    memory_order_relaxed) : 0;
		double score;

		if (!takes_new(x, sv, s))
			continue;
		score = (double)(t + 1) * (1 + load_of(x, s)) / s->weight;
		if (score < least) {
			least = score;
			best = i;
		}
	}
	return best;
}

static uint32_t
pick_new(const struct exchange *x, const struct tservice *sv)
{
	switch (sv->strategy) {
	case TSTRATEGY_P2C:
		return pick_two(x, sv);
	case TSTRATEGY_HRW:
		return pick_by_client(x, sv);
	case TSTRATEGY_LEASTTIME:
		return pick_quickest(x, sv);
	default:
		return pick_turn(x, sv);
	}
}

/* A session's own server first, as long as it is up. TNONE: there is none. */
static int
pick(struct exchange *x, const struct tservice *sv, uint32_t *ret)
{
	const struct tsticky *t = TABLE_VEC(x->t, sv->sticky, struct tsticky);
	bool old = true;

	*ret = sv->sticky.n != 0 ? sticky_find(x, t, &old) : TNONE;
	if (*ret != TNONE && !is_up(x, sv, server_at(x, sv, *ret)))
		*ret = TNONE;
	if (*ret != TNONE && !old)
		return 0;
	if (*ret == TNONE)
		*ret = pick_new(x, sv);
	return *ret == TNONE || sv->sticky.n == 0 ? 0 : sticky_set(x, t, *ret);
}

/* ---- What comes of it ------------------------------------------------------------ */

/* Innermost: sees what the server says before anybody changes it. */
struct outcome {
	struct sink s;
	const struct tservice *sv;
	const struct tserver *server;
	unsigned status;		/* of the server's answer; 0: none came */
};

static int
on_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct outcome *o = (struct outcome *)sink;
	struct live_server *l = live_of(x, o->server);

	o->status = x->facts.origin_status;
	if (o->status != 0 && o->sv->strategy == TSTRATEGY_LEASTTIME &&
	    l != NULL)
		live_server_timed(l, ring_now(x->w->ring) -
		    x->facts.origin_start);
	return sink_head(f, x, sink->out);
}

/* The server is to blame, neither the client nor a limit of our own. */
static bool
is_servers_fault(enum reason why)
{
	switch ((unsigned)why) {
	case REASON_UPSTREAM_REFUSED:
	case REASON_UPSTREAM_CLOSED:
	case REASON_UPSTREAM_UNRESOLVED:
	case REASON_UPSTREAM_UNREACHABLE:
	case REASON_UPSTREAM_CONNECT_TIMEOUT:
	case REASON_UPSTREAM_TIMEOUT:
	case REASON_UPSTREAM_TLS:
	case REASON_UPSTREAM_TLS_ALERT:
	case REASON_UPSTREAM_MALFORMED:
	case REASON_UPSTREAM_TOO_LARGE:
		return true;
	default:
		return false;
	}
}

/* Failed requests take a server out: for a while, or until a probe succeeds. */
static void
take_out(struct exchange *x, const struct tservice *sv,
    const struct tserver *s, struct live_server *l)
{
	nsec_t now = ring_now(x->w->ring);
	bool was = sv->check != TNONE ? atomic_exchange(&l->down, 1) != 0 :
	    live_server_is_out(l, sv->failure_window_ns, now);

	atomic_store(&l->fails, 0);
	if (sv->check == TNONE)
		atomic_store(&l->down_until, now + sv->failure_window_ns);
	if (was)
		return;
	atomic_store(&l->changed, clock_wall());
	if (sv->check != TNONE)
		log_warn("service %.*s: server %.*s is down: requests failed",
		    STR_ARG(table_str(x->t, sv->name)),
		    STR_ARG(table_str(x->t, s->url)));
	else
		log_warn("service %.*s: server %.*s is down for %lld ms: "
		    "requests failed", STR_ARG(table_str(x->t, sv->name)),
		    STR_ARG(table_str(x->t, s->url)),
		    (long long)(sv->failure_window_ns / NSEC_MSEC));
}

static void
judge(struct exchange *x, const struct outcome *o)
{
	const struct tservice *sv = o->sv;
	struct live_server *l = live_of(x, o->server);
	bool failed = o->status == 0 && is_servers_fault(x->reason);

	if (l == NULL || (o->status == 0 && !failed))
		return;
	if (failed && sv->strategy == TSTRATEGY_LEASTTIME)
		live_server_timed(l, FAILURE_TIME);
	if (sv->failure_window_ns == 0)
		return;
	if (!failed && o->status < 500) {
		if (atomic_load_explicit(&l->fails, memory_order_relaxed) != 0)
			atomic_store(&l->fails, 0);
	} else if (live_server_failed(x->w->live, o->server->live_slot,
	    sv->failures, sv->failure_window_ns, ring_now(x->w->ring))) {
		take_out(x, sv, o->server, l);
	}
}

/*
 * One more to do for the server. A tunnel takes the count over when it begins
 * (x->load is NULL then).
 */
static _Atomic uint16_t *
load_begin(struct exchange *x, const struct tservice *sv,
    const struct tserver *s)
{
	_Atomic uint16_t *load;

	if ((sv->strategy != TSTRATEGY_P2C && sv->strategy !=
	    TSTRATEGY_LEASTTIME) || s->live_slot >= LIVE_SERVERS)
		return NULL;
	load = &x->w->live->loads[s->live_slot].in_flight[x->w->id];
	if (atomic_load_explicit(load, memory_order_relaxed) == UINT16_MAX)
		return NULL;
	live_bump(*load, 1);
	return load;
}

static int
no_server(struct fiber *f, struct exchange *x)
{
	return respond_error(f, x, 503, REASON_SERVICE_EMPTY,
	    STR("no available server"));
}

/* With care. */
static int
serve_picked(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	struct outcome o = { .s.head = on_head, .sv = sv };
	_Atomic uint16_t *before = x->load;
	struct sink *sinks = x->sink;
	uint32_t i;
	int r = pick(x, sv, &i);

	if (r < 0 || i == TNONE) {
		x->sink = sinks;
		return r < 0 ? r : no_server(f, x);
	}
	o.server = server_at(x, sv, i);
	sink_push(x, &o.s);
	x->facts.origin_status = 0;
	x->load = load_begin(x, sv, o.server);
	r = proxy_serve(f, x, sv, o.server);
	judge(x, &o);
	if (x->load != NULL)
		live_bump(*x->load, -1);
	x->load = before;
	x->sink = sinks;
	return r;
}

int
balance_serve(struct fiber *f, struct exchange *x, const struct tservice *sv)
{
	uint32_t i = 0;

	if (!sv->by_turns)
		return serve_picked(f, x, sv);
	if (sv->servers.n == 0)
		return no_server(f, x);
	if (sv->servers.n > 1 && (i = pick_turn(x, sv)) == TNONE)
		return no_server(f, x);
	return proxy_serve(f, x, sv, server_at(x, sv, i));
}
