/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Session ticket keys: made at the start, rotated every twelve hours; a key
 * opens tickets for one more period after it stopped sealing them (S-408).
 */
#include "master.h"

#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PERIOD		(12 * 3600 * NSEC_SEC)

static int
fill(struct ticket_key *k)
{
	/* Short reads do not happen below 256 bytes once seeded. */
	_Static_assert(sizeof(*k) <= 256, "one getrandom");
	return getrandom(k, sizeof(*k), 0) == sizeof(*k) ? 0 : -EIO;
}

static int
seal(struct master *m)
{
	int fd = tickets_seal(&m->tickets);

	if (fd < 0)
		return fd;
	if (m->tickets_fd >= 0)
		(void)close(m->tickets_fd);
	m->tickets_fd = fd;
	return 0;
}

static void
rotate(struct timer_at *t)
{
	struct master *m = t->arg;
	struct tickets next = m->tickets;
	int r;

	loop_at(m->loop, t, clock_mono() + PERIOD);
	memmove(&next.key[1], &next.key[0],
	    (TICKET_KEYS - 1) * sizeof(next.key[0]));
	next.epoch++;
	if ((r = fill(&next.key[0])) == 0) {
		m->tickets = next;
		r = seal(m);
	}
	explicit_bzero(&next, sizeof(next));
	if (r < 0) {
		log_error("ticket keys: %s; the old ones stay",
		    strerror(-r));
		return;
	}
	will_update(m);
	supervise_send_all(m, MSG_TICKETS, NULL, 0, &m->tickets_fd, 1);
}

int
tickets_start(struct master *m)
{
	int r = 0;

	m->tickets.epoch = 1;
	/* All three differ from the start, so none is a known value. */
	for (int i = 0; i < TICKET_KEYS && r == 0; i++)
		r = fill(&m->tickets.key[i]);
	if (r < 0 || (r = seal(m)) < 0)
		return r;
	m->tickets_timer = (struct timer_at){ .at = NSEC_NEVER, .fire = rotate,
	    .arg = m };
	loop_at(m->loop, &m->tickets_timer, clock_mono() + PERIOD);
	return 0;
}

int
tickets_take(struct master *m, int fd)
{
	struct tickets t;
	int r = tickets_read(fd, &t);

	if (r < 0)
		return r;
	m->tickets = t;
	explicit_bzero(&t, sizeof(t));
	(void)close(m->tickets_fd);
	m->tickets_fd = fd;
	return 0;
}

void
tickets_fini(struct master *m)
{
	explicit_bzero(&m->tickets, sizeof(m->tickets));
	if (m->tickets_fd >= 0)
		(void)close(m->tickets_fd);
	m->tickets_fd = -1;
}
