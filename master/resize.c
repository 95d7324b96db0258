/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The number of workers changes without a lost connection.
 *
 * More: each address gets further sockets, then their workers start; what the
 * kernel queues there meanwhile waits for them.
 *
 * Fewer: the kernel is told to send the sockets of the leaving slots nothing
 * new, a neighbour accepts from them what is still on its way, their workers
 * give away what they have or end it in their time, and the sockets close when they have been
 * empty for a while (security 5.2): closing any earlier would reset whatever
 * waits in them.
 */
#include "master.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EMPTY_TIME	(2 * NSEC_SEC)
#define CLOSED_TIME	NSEC_SEC

/* Whoever held duplicates has closed them by now: all that is left may serve. */
static void
steer_end(struct timer_at *t)
{
	struct master *m = t->arg;

	listen_steer(&m->listeners);
}

static void
close_left(struct timer_at *t)
{
	struct master *m = t->arg;

	for (unsigned i = m->nworkers; i < WORKERS_MAX; i++)
		supervise_left(&m->slots[i]);
	listen_shrink(&m->listeners);
	will_update(m);
	t->fire = steer_end;
	loop_at(m->loop, t, clock_mono() + CLOSED_TIME);
}

static void
fewer(struct master *m, unsigned was)
{
	listen_steer(&m->listeners);
	passages_resize(m, was);
	for (unsigned i = m->nworkers; i < was; i++)
		supervise_leave(&m->slots[i]);
	m->resize_timer.fire = close_left;
	m->resize_timer.arg = m;
	loop_at(m->loop, &m->resize_timer, clock_mono() + EMPTY_TIME);
}

void
resize_workers(struct master *m, unsigned n)
{
	unsigned was = m->nworkers;
	char err[400];

	if (n == was)
		return;
	m->nworkers = m->listeners.nworkers = n;
	if (n < was) {
		fewer(m, was);
	} else if (listen_grow(&m->listeners, err, sizeof(err)) < 0) {
		log_error("the number of workers stays %u: %s", was, err);
		m->nworkers = m->listeners.nworkers = was;
		listen_shrink(&m->listeners);
		listen_steer(&m->listeners);
		return;
	} else {
		if (m->resize_timer.fire != steer_end ||
		    m->resize_timer.at == NSEC_NEVER)
			listen_steer(&m->listeners);
		supervise_start(m);
	}
	will_update(m);
	log_info("%u workers, were %u", n, was);
}
