/* SPDX-License-Identifier: BSD-2-Clause */
/* Idle connections to servers; see pool.h. */
#include "pool.h"

#include "h2_upstream.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define LISTS	1024	/* chains of lists; power of two */

struct pool_list {
	struct pool_list *chain;
	uint64_t key;
	struct upstream *idle;
	unsigned n;
	unsigned busy;		/* requests on their way */
	struct h2_upstream *h2;
	struct pool_waiter *waiters;	/* for the fiber that connects */
	uint32_t h2_limit;		/* 0: not known yet */
	uint8_t protocol;		/* enum pool_protocol */
	bool dialing;
};

struct pool {
	struct worker *w;
	struct pool_list *lists[LISTS];
	unsigned shed;		/* where pool_shed() looked last */
};

struct pool *
pool_new(struct worker *w)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p != NULL)
		p->w = w;
	return p;
}

struct pool_list *
pool_list(struct pool *p, uint64_t key)
{
	struct pool_list **at = &p->lists[key & (LISTS - 1)], *l;

	for (l = *at; l != NULL; l = l->chain)
		if (l->key == key)
			return l;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->key = key;
	l->chain = *at;
	*at = l;
	return l;
}

bool
pool_enter(struct pool_list *l, unsigned most)
{
	if (l == NULL)		/* short of memory: nothing is counted */
		return true;
	if (l->busy >= most)
		return false;
	l->busy++;
	return true;
}

void
pool_leave(struct pool_list *l)
{
	if (l != NULL)
		l->busy--;
}

static void
pool_unlink(struct upstream *u)
{
	*u->prev = u->next;
	if (u->next != NULL)
		u->next->prev = u->prev;
	u->list->n--;
}

static void
pool_drop(struct upstream *u)
{
	pool_unlink(u);
	upstream_free(u);
}

/* Unasked bytes or the end: either way it is of no use (H1-R06). */
static void
on_idle_event(struct sock *s)
{
	pool_drop(s->arg);
}

static void
on_idle_timeout(struct timer *t)
{
	pool_drop((struct upstream *)
	    ((char *)t - offsetof(struct upstream, timer)));
}

static struct upstream *
pool_oldest(const struct pool_list *l)
{
	struct upstream *u = l->idle;

	while (u->next != NULL)
		u = u->next;
	return u;
}

bool
pool_park(struct pool_list *l, struct upstream *u, unsigned max_idle,
    nsec_t idle_timeout)
{
	struct ring *r = u->w->ring;

	if (l->n >= max_idle && u->proxied && max_idle > 0)
		pool_drop(pool_oldest(l));
	if (l->n >= max_idle)
		return false;
	u->list = l;
	u->next = l->idle;
	u->prev = &l->idle;
	if (u->next != NULL)
		u->next->prev = &u->next;
	l->idle = u;
	l->n++;
	u->st.s->notify = on_idle_event;
	u->st.s->arg = u;
	u->timer.fn = on_idle_timeout;
	timer_set(r, &u->timer, idle_timeout > 0 ?
	    clock_add(ring_now(r), idle_timeout) : NSEC_NEVER);
	stream_park(&u->st);
	return true;
}

struct upstream *
pool_take(struct pool_list *l, struct fiber *f,
    const struct proxy_header *whose)
{
	struct upstream *u, *next;

	for (u = l->idle; u != NULL; u = next) {
		next = u->next;
		if (whose != NULL && !proxy_header_eq(&u->whose, whose))
			continue;
		pool_unlink(u);
		timer_stop(u->w->ring, &u->timer);
		if (stream_peek(&u->st) == 0) {
			sock_hold(u->st.s, f);
			return u;
		}
		upstream_free(u);
	}
	return NULL;
}

/* Closes what waits the longest in one list. */
static bool
list_shed(struct pool_list *l)
{
	struct h2_upstream *h = l->h2;

	if (l->idle != NULL) {
		pool_drop(pool_oldest(l));
		return true;
	}
	while (h != NULL && h->f != NULL)
		h = h->next;
	if (h != NULL)
		h2_upstream_drop(h);
	return h != NULL;
}

bool
pool_shed(struct pool *p)
{
	for (unsigned i = 0; i < LISTS; i++) {
		p->shed = (p->shed + 1) & (LISTS - 1);
		for (struct pool_list *l = p->lists[p->shed]; l != NULL;
		    l = l->chain)
			if (list_shed(l))
				return true;
	}
	return false;
}

/* ---- HTTP/2 ------------------------------------------------------------------ */

enum pool_protocol
pool_protocol(const struct pool_list *l)
{
	return (enum pool_protocol)l->protocol;
}

void
pool_set_protocol(struct pool_list *l, enum pool_protocol p)
{
	l->protocol = (uint8_t)p;
}

void
pool_h2_add(struct pool_list *l, struct h2_upstream *h)
{
	h->list = l;
	h->next = l->h2;
	h->prev = &l->h2;
	if (h->next != NULL)
		h->next->prev = &h->next;
	l->h2 = h;
}

void
pool_h2_remove(struct h2_upstream *h)
{
	*h->prev = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	h->list = NULL;
}

uint32_t
pool_h2_limit(const struct pool_list *l)
{
	return l->h2_limit != 0 ? l->h2_limit : UINT32_MAX;
}

void
pool_set_h2_limit(struct pool_list *l, uint32_t n)
{
	l->h2_limit = n != 0 ? n : 1;
}

/* Where its name points to another place now, it is left to its calls. */
static bool
leads_to(const struct h2_upstream *h, const struct addr *addrs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (addr_eq(&h->addr, &addrs[i]))
			return true;
	return false;
}

struct h2_upstream *
pool_h2_find(struct pool_list *l, const struct addr *addrs, uint32_t n)
{
	struct h2_upstream *h, *next;

	for (h = l->h2; h != NULL; h = next) {
		next = h->next;
		if (!leads_to(h, addrs, n) || !h2_upstream_takes(h))
			continue;
		if (h->f != NULL || stream_peek(&h->st) >= 0)
			return h;
		h2_upstream_drop(h);	/* it ended a moment ago */
	}
	return NULL;
}

bool
pool_dialing(const struct pool_list *l)
{
	return l->dialing;
}

void
pool_dial_begin(struct pool_list *l)
{
	assert(!l->dialing);
	l->dialing = true;
}

void
pool_dial_end(struct pool_list *l, int r, enum reason why)
{
	struct pool_waiter *v = l->waiters, *next;

	l->dialing = false;
	l->waiters = NULL;
	for (; v != NULL; v = next) {
		next = v->next;
		/* Who was cancelled has found nothing out. */
		v->r = r == -ECANCELED ? 0 : r;
		v->why = why;
		v->done = true;
		fiber_wake(v->f);
	}
}

int
pool_dial_join(struct fiber *f, struct pool_list *l, struct pool_waiter *v)
{
	struct pool_waiter **p;
	int r = 0;

	*v = (struct pool_waiter){ .next = l->waiters, .f = f };
	l->waiters = v;
	while (!v->done && (r = fiber_wait(f)) == 0)
		;
	if (v->done)
		return v->r;
	for (p = &l->waiters; *p != v; p = &(*p)->next)
		;
	*p = v->next;
	v->why = r == -ETIMEDOUT ? REASON_UPSTREAM_CONNECT_TIMEOUT :
	    REASON_CLIENT_GONE;
	return r;
}

/* ---- The end -------------------------------------------------------------------- */

void
pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < LISTS; i++) {
		struct pool_list *l;

		while ((l = p->lists[i]) != NULL) {
			while (l->idle != NULL)
				pool_drop(l->idle);
			while (l->h2 != NULL)
				h2_upstream_drop(l->h2);
			p->lists[i] = l->chain;
			free(l);
		}
	}
	free(p);
}
