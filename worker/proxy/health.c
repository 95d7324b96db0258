/* SPDX-License-Identifier: BSD-2-Clause */
/* Health checks; see health.h. */
#include "health.h"

#include "generation.h"
#include "hash.h"
#include "live.h"
#include "log.h"
#include "probe.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_EVERY	(500 * NSEC_MSEC)	/* at the latest */
#define GONE_AFTER	(3 * NSEC_SEC)		/* without a look */
#define PROBES_MAX	16			/* of a worker at once */
#define PROBE_AGAIN	(100 * NSEC_MSEC)	/* when there was no room */
#define PLAN_SLACK	NSEC_SEC

/* ---- Probing one -------------------------------------------------------------- */

struct probing {
	struct worker *w;
	struct generation *gen;
	const struct tcheck *k;
	const struct tprobe *p;
	nsec_t started;
};

/* Up to a tenth early, so that they do not all come at once. */
static nsec_t
jittered(const struct worker *w, uint32_t slot, nsec_t pause, nsec_t now)
{
	uint64_t mix[2] = { slot, (uint64_t)now };

	return pause - (nsec_t)(hash_bytes(mix, sizeof(mix), w->live->seed) %
	    (uint64_t)(pause / 10 + 1));
}

static void
tell(const struct probing *p, const struct probe_answer *a)
{
	const struct table *t = &p->gen->table;
	struct str service = table_str(t, table_service(t,
	    p->k->service)->name);
	struct str url = table_str(t, table_server(t, p->p->server)->url);
	char text[LIVE_RESULT_TEXT];

	live_result_text(a->result, text);
	if (a->up)
		log_info("service %.*s: server %.*s is up again: %s",
		    STR_ARG(service), STR_ARG(url), text);
	else
		log_warn("service %.*s: server %.*s is down: %s",
		    STR_ARG(service), STR_ARG(url), text);
}

/* Whoever turns the state is the one who tells of it. */
static void
note(const struct probing *p, const struct probe_answer *a)
{
	struct live_server *s = &p->w->live->servers[p->p->live_slot];
	nsec_t now = ring_now(p->w->ring), pause, next;
	uint32_t down = !a->up;

	if (a->unknown) {
		atomic_store(&s->probe_at, now + PROBE_AGAIN);
		return;
	}
	atomic_store(&s->result, a->result);
	if (a->up)
		atomic_store(&s->fails, 0);
	if ((atomic_exchange(&s->down, down) != 0) != (down != 0)) {
		atomic_store(&s->changed, clock_wall());
		tell(p, a);
	}
	pause = jittered(p->w, p->p->live_slot, a->up ? p->k->interval_ns :
	    p->k->unhealthy_interval_ns, now);
	next = clock_add(p->started, pause);
	/* A slow server is not asked without a pause. */
	atomic_store(&s->probe_at, next > now + pause / 4 ? next :
	    now + pause / 4);
}

static void
probe_main(struct fiber *f, void *arg)
{
	struct probing *p = arg;
	struct probe_answer a = { .unknown = true };
	struct exchange *x = exchange_get(p->w);

	if (x != NULL) {
		x->gen = generation_ref(p->gen);
		x->t = &x->gen->table;
		probe_ask(f, x, p->k, p->p, &a);
	}
	note(p, &a);
	if (x != NULL)
		exchange_put(x);
	p->w->probes--;
	if (p->w->checker != NULL)	/* it has a new plan */
		fiber_wake(p->w->checker);
	generation_unref(p->gen);
	free(p);
}

static bool
probe_start(struct worker *w, const struct tcheck *k, const struct tprobe *p)
{
	struct probing *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return false;
	*v = (struct probing){ w, w->gen, k, p, ring_now(w->ring) };
	if (fiber_start(w->ring, probe_main, v, "probe") == NULL) {
		free(v);
		return false;
	}
	(void)generation_ref(v->gen);
	w->probes++;
	return true;
}

/* ---- Looking ------------------------------------------------------------------- */

struct look {
	struct worker *w;
	nsec_t now, next;
	unsigned n;			/* workers that look */
	uint8_t ids[LIVE_WORKERS];
};

static void
find_colleagues(struct look *l)
{
	struct live *live = l->w->live;

	atomic_store(&l->w->mine->checks, l->now);
	for (unsigned i = 0; i < LIVE_WORKERS; i++) {
		int64_t at = atomic_load(&live->workers[i].checks);

		if (at != 0 && at <= l->now + GONE_AFTER &&
		    at > l->now - GONE_AFTER)
			l->ids[l->n++] = (uint8_t)i;
	}
}

/* Whether its time has come, and it is for us to see to it. */
static bool
is_due(struct look *l, const struct tcheck *k, uint32_t slot, int64_t at)
{
	if (at > l->now) {
		if (at < l->next)
			l->next = at;
		return false;
	}
	/* Our own word of the live state may have been written over. */
	return l->n == 0 || l->ids[slot % l->n] == l->w->id ||
	    l->now - at > k->interval_ns + PLAN_SLACK;
}

static void
look_at(struct look *l, const struct tcheck *k, const struct tprobe *p)
{
	struct live_server *s = &l->w->live->servers[p->live_slot];
	int64_t at = atomic_load(&s->probe_at), to;
	nsec_t longest = (k->interval_ns > k->unhealthy_interval_ns ?
	    k->interval_ns : k->unhealthy_interval_ns) + k->timeout_ns;

	/* New, or planned with other times. */
	if (at <= 0 || at - l->now > longest + PLAN_SLACK) {
		to = clock_add(l->now, jittered(l->w, p->live_slot,
		    k->interval_ns, l->now));
		if (atomic_compare_exchange_strong(&s->probe_at, &at, to))
			at = to;
	}
	if (!is_due(l, k, p->live_slot, at))
		return;
	if (l->w->probes >= PROBES_MAX) {
		l->next = l->now + 10 * NSEC_MSEC;
		return;
	}
	/* Ours until it must have ended; then it is anybody's again. */
	to = clock_add(l->now, k->timeout_ns + k->interval_ns);
	if (!atomic_compare_exchange_strong(&s->probe_at, &at, to))
		return;
	if (!probe_start(l->w, k, p))
		atomic_store(&s->probe_at, l->now + PROBE_AGAIN);
}

static nsec_t
look(struct worker *w)
{
	const struct table *t = &w->gen->table;
	struct look l = { .w = w, .now = ring_now(w->ring) };

	l.next = l.now + LOOK_EVERY;
	find_colleagues(&l);
	for (uint32_t i = 0; i < t->hdr->checks.n; i++) {
		const struct tcheck *k = table_tcheck(t, i);
		const struct tprobe *v = TABLE_VEC(t, k->probes,
		    struct tprobe);

		for (uint32_t j = 0; j < k->probes.n; j++)
			if (v[j].live_slot < LIVE_SERVERS)
				look_at(&l, k, &v[j]);
	}
	return l.next;
}

static bool
is_wanted(const struct worker *w)
{
	return !w->draining && w->gen != NULL &&
	    w->gen->table.hdr->checks.n != 0;
}

static void
look_main(struct fiber *f, void *arg)
{
	struct worker *w = arg;

	do {
		(void)fiber_deadline(f, look(w));
	} while (fiber_wait(f) != -ECANCELED && is_wanted(w));
	atomic_store(&w->mine->checks, 0);
	w->checker = NULL;
}

void
health_tick(struct worker *w)
{
	if (w->checker == NULL && is_wanted(w))
		w->checker = fiber_start(w->ring, look_main, w, "health");
}
