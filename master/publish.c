/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generations: sealed, sent to every worker, acknowledged by each. Who waits
 * for one (a start, a reload) is answered when all workers serve it or when it
 * is known which does not and why.
 */
#include "master.h"

#include "alloc.h"
#include "log.h"
#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACK_TIME	(15 * NSEC_SEC)

/* ---- Publishing ------------------------------------------------------------------------- */

void
publish_to(struct worker_slot *s)
{
	const struct publication *p = &s->m->now;
	struct msg_table msg = { .generation = p->number };
	int fds[2] = { p->table_fd, p->keys_fd };

	if (p->table_fd >= 0)
		supervise_send(s, MSG_TABLE, &msg, sizeof(msg), fds, 2);
}

static void
drop_publication(struct publication *p)
{
	if (p->table_fd >= 0)
		(void)close(p->table_fd);
	if (p->keys_fd >= 0)
		(void)close(p->keys_fd);
	compiled_fini(&p->info);
}

int
publish_table(struct master *m, struct compiled *c)
{
	struct publication next = { .number = m->now.number + 1,
	    .content_hash = c->content_hash, .at = clock_wall() };

	if (m->now.number != 0 && m->now.content_hash == c->content_hash) {
		/* Served already; what was found wrong may be worded anew. */
		struct compiled old = m->now.info;

		m->now.info = *c;
		compiled_fini(&old);
		buf_fini(&m->now.info.image);
		return 0;
	}
	next.table_fd = memfd_seal("akkod-table", c->image.p, c->image.n);
	next.keys_fd = keys_seal(&c->keys);
	if (next.table_fd < 0 || next.keys_fd < 0) {
		int r = next.table_fd < 0 ? next.table_fd : next.keys_fd;

		log_error("the table cannot be sealed: %s", strerror(-r));
		compiled_fini(c);
		drop_publication(&next);
		return r;
	}
	buf_fini(&c->image);
	next.info = *c;
	drop_publication(&m->now);
	m->now = next;
	for (unsigned i = 0; i < WORKERS_MAX && m->slots != NULL; i++)
		publish_to(&m->slots[i]);
	succeed_published(m);
	will_update(m);
	return 1;
}

/* ---- Waiting ------------------------------------------------------------------------------ */

enum settled { SETTLED_NOT, SETTLED_GOOD, SETTLED_BAD };

/* What one worker has to say about a generation. */
static enum settled
slot_state(const struct worker_slot *s, uint64_t generation, bool late,
    char *text, size_t text_size)
{
	if (s->pid != 0 && s->acked >= generation)
		return SETTLED_GOOD;
	if (s->pid != 0 && s->refused >= generation) {
		snprintf(text, text_size, "worker %u did not take it: %s",
		    s->id, s->refusal);
		return SETTLED_BAD;
	}
	if (s->pid == 0 && s->respawn.at != NSEC_NEVER) {
		snprintf(text, text_size, "worker %u is not running: it died "
		    "too often and is tried again soon", s->id);
		return SETTLED_BAD;
	}
	if (late) {
		snprintf(text, text_size, "worker %u did not answer within "
		    "%d s", s->id, (int)(ACK_TIME / NSEC_SEC));
		return SETTLED_BAD;
	}
	return SETTLED_NOT;
}

static void
waiter_end(struct master *m, struct waiter *w, const struct buf *faults)
{
	json_t *notes = w->notes;
	uint64_t client = w->client;

	w->used = false;
	w->notes = NULL;
	if (client == 0) {
		if (faults->n != 0)
			master_fail(m, "%.*s", STR_ARG(buf_str(faults)));
		else
			master_started(m);
		return;
	}
	if (notes == NULL)
		notes = json_object();
	json_object_set_new(notes, "ok", json_boolean(faults->n == 0));
	json_object_set_new(notes, "generation",
	    json_integer((json_int_t)w->generation));
	if (faults->n != 0)
		json_object_set_new(notes, "error", json_stringn(faults->p,
		    faults->n));
	control_end(m->control, client, notes);
}

static void
waiter_check(struct master *m, struct waiter *w)
{
	bool late = clock_mono() >= w->deadline, open = false;
	struct buf faults = BUF_INIT;
	char text[300];

	for (unsigned i = 0; i < m->nworkers; i++)
		switch (slot_state(&m->slots[i], w->generation, late, text,
		    sizeof(text))) {
		case SETTLED_NOT:
			open = true;
			break;
		case SETTLED_BAD:
			if (faults.n != 0)
				buf_puts(&faults, STR("; "));
			buf_puts(&faults, str_c(text));
			break;
		case SETTLED_GOOD:
			break;
		}
	if (!open)
		waiter_end(m, w, &faults);
	buf_fini(&faults);
}

void
publish_progress(struct master *m)
{
	for (unsigned i = 0; i < WAITERS_MAX; i++)
		if (m->waiters[i].used)
			waiter_check(m, &m->waiters[i]);
}

static void
waiters_fire(struct timer_at *t)
{
	struct master *m = t->arg;

	publish_progress(m);
}

void
publish_wait(struct master *m, uint64_t client, json_t *notes)
{
	struct waiter *w = m->waiters;

	while (w < m->waiters + WAITERS_MAX && w->used)
		w++;
	if (w == m->waiters + WAITERS_MAX) {
		json_decref(notes);
		control_fail(m->control, client, "too many are waiting");
		return;
	}
	*w = (struct waiter){ .client = client, .generation = m->now.number,
	    .deadline = clock_mono() + ACK_TIME, .used = true,
	    .notes = notes };
	m->waiter_timer.fire = waiters_fire;
	m->waiter_timer.arg = m;
	loop_at(m->loop, &m->waiter_timer, w->deadline + NSEC_MSEC);
	waiter_check(m, w);
}

void
publish_fini(struct master *m)
{
	for (unsigned i = 0; i < WAITERS_MAX; i++)
		if (m->waiters[i].used)
			json_decref(m->waiters[i].notes);
	drop_publication(&m->now);
	m->now = (struct publication){ .table_fd = -1, .keys_fd = -1 };
}
