/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers on a hierarchical wheel: level 0 has a slot for each of the next 64
 * ticks, level 1 for each of the next 64 turns of level 0, and so on. A timer
 * is put where its distance says and moves down a level when its slot's turn
 * comes, so each is touched at most once per level.
 *
 * Rejected: a heap (log n and pointer chasing at each request's deadline), one
 * flat hashed wheel (10,000 idle connections would wake the worker every tick).
 */
#include "ring_impl.h"

#include <assert.h>

#define SHIFT	6	/* log2(WHEEL_SLOTS) */

/* `first` is the earliest tick that may still fire. */
static void
wheel_put(struct wheel *w, struct timer *t, int64_t first)
{
	int64_t tick = (t->at + TIMER_TICK - 1) / TIMER_TICK;
	int64_t delta;
	unsigned level = 0, slot;

	if (tick < first)
		tick = first;
	delta = tick - w->tick;
	while (level + 1 < WHEEL_LEVELS &&
	    delta >= (int64_t)1 << (SHIFT * (level + 1)))
		level++;
	if (delta >= (int64_t)1 << (SHIFT * WHEEL_LEVELS))
		tick = w->tick + ((int64_t)1 << (SHIFT * WHEEL_LEVELS)) - 1;
	slot = (unsigned)(tick >> (SHIFT * level)) & (WHEEL_SLOTS - 1);
	t->next = w->slot[level][slot];
	t->prev = &w->slot[level][slot];
	if (t->next != NULL)
		t->next->prev = &t->next;
	*t->prev = t;
	w->used[level] |= UINT64_C(1) << slot;
}

static void
timer_unlink(struct timer *t)
{
	*t->prev = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	t->next = NULL;
	t->prev = NULL;
}

void
timer_set(struct ring *r, struct timer *t, nsec_t at)
{
	assert(t->fn != NULL);
	if (t->prev != NULL)
		timer_unlink(t);
	t->at = at;
	if (at != NSEC_NEVER)
		wheel_put(&r->wheel, t, r->wheel.tick + 1);
}

void
timer_stop(struct ring *r, struct timer *t)
{
	(void)r;	/* a slot's bit may stay: it is cleared when its turn comes */
	if (t->prev != NULL)
		timer_unlink(t);
}

/* Takes a slot's list; its timers point to *head from now on. */
static struct timer *
slot_take(struct wheel *w, unsigned level, unsigned slot, struct timer **head)
{
	*head = w->slot[level][slot];
	w->slot[level][slot] = NULL;
	w->used[level] &= ~(UINT64_C(1) << slot);
	if (*head != NULL)
		(*head)->prev = head;
	return *head;
}

static void
wheel_cascade(struct wheel *w, unsigned level)
{
	unsigned slot = (unsigned)(w->tick >> (SHIFT * level)) &
	    (WHEEL_SLOTS - 1);
	struct timer *head, *t;

	slot_take(w, level, slot, &head);
	/* Those due at this very tick go to the slot that fires next. */
	while ((t = head) != NULL) {
		timer_unlink(t);
		wheel_put(w, t, w->tick);
	}
}

static void
wheel_tick(struct wheel *w)
{
	struct timer *head, *t;

	w->tick++;
	for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
		if ((w->tick & (((int64_t)1 << (SHIFT * level)) - 1)) != 0)
			break;
		wheel_cascade(w, level);
	}
	slot_take(w, 0, (unsigned)w->tick & (WHEEL_SLOTS - 1), &head);
	while ((t = head) != NULL) {
		timer_unlink(t);
		t->fn(t);
	}
}

/* Ticks from now to the next slot in use of a level, -1 when it has none. */
static int64_t
level_next(const struct wheel *w, unsigned level)
{
	unsigned pos = (unsigned)(w->tick >> (SHIFT * level)) &
	    (WHEEL_SLOTS - 1);
	uint64_t used = w->used[level];
	int64_t ahead, unit = (int64_t)1 << (SHIFT * level);

	if (used == 0)
		return -1;
	/* Rotate so that bit 0 is the slot after the current one. */
	pos = (pos + 1) & (WHEEL_SLOTS - 1);
	if (pos != 0)
		used = used >> pos | used << (WHEEL_SLOTS - pos);
	ahead = __builtin_ctzll(used) + 1;
	return ((w->tick / unit) + ahead) * unit - w->tick;
}

nsec_t
wheel_next(const struct ring *r)
{
	const struct wheel *w = &r->wheel;
	int64_t best = -1;

	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		int64_t n = level_next(w, level);

		if (n >= 0 && (best < 0 || n < best))
			best = n;
	}
	return best < 0 ? NSEC_NEVER : (w->tick + best) * TIMER_TICK;
}

void
wheel_advance(struct ring *r)
{
	struct wheel *w = &r->wheel;
	int64_t now = r->now / TIMER_TICK;

	while (w->tick < now) {
		nsec_t next = wheel_next(r);

		/* Nothing is due before: jump, but never over a slot in use. */
		if (next / TIMER_TICK > now || next == NSEC_NEVER) {
			w->tick = now;
			break;
		}
		if (next / TIMER_TICK > w->tick + 1)
			w->tick = next / TIMER_TICK - 1;
		wheel_tick(w);
	}
}
