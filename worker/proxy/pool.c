/* SPDX-License-Identifier: BSD-2-Clause */
/* Idle connections to servers; see pool.h. */
#include "pool.h"

#include "worker.h"

#include <stdlib.h>

#define LISTS	1024	/* chains of lists; power of two */

struct pool_list {
	struct pool_list *chain;
	uint64_t key;
	struct upstream *idle;
	unsigned n;
	unsigned busy;		/* requests on their way */
	unsigned max_idle;
	nsec_t idle_timeout;
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

void
upstream_free(struct upstream *u)
{
	struct ring *r = u->w->ring;

	timer_stop(r, &u->timer);
	iobuf_put(r, u->head);
	iobuf_put(r, u->out);
	buf_fini(&u->trailers);
	if (u->st.s != NULL)
		stream_close(&u->st);
	free(u);
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

bool
pool_park(struct pool_list *l, struct upstream *u, unsigned max_idle,
    nsec_t idle_timeout)
{
	struct ring *r = u->w->ring;

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
pool_take(struct pool_list *l, struct fiber *f)
{
	struct upstream *u;

	while ((u = l->idle) != NULL) {
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

bool
pool_shed(struct pool *p)
{
	for (unsigned i = 0; i < LISTS; i++) {
		p->shed = (p->shed + 1) & (LISTS - 1);
		for (struct pool_list *l = p->lists[p->shed]; l != NULL;
		    l = l->chain) {
			struct upstream *u = l->idle;

			if (u == NULL)
				continue;
			while (u->next != NULL)
				u = u->next;
			pool_drop(u);
			return true;
		}
	}
	return false;
}

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
			p->lists[i] = l->chain;
			free(l);
		}
	}
	free(p);
}
