/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens when the master is killed: its workers serve on for a while
 * (akkod.orphanGrace), and a master that is started meanwhile in the same
 * runtime directory takes over their ports and the live state.
 *
 * Everything that a successor needs is written down beforehand as a hand-over
 * (handover.h) that waits, read by nobody, in a socket: the will. Each worker
 * holds that socket and another one, which listens as akkod.heir in the runtime
 * directory and which nobody reads either as long as there is a master. After
 * its end the workers accept there; whoever has the lock of the directory
 * connects, is given the will and becomes the master of that worker.
 *
 * The will holds listening sockets, so it is written anew when one is closed;
 * it never holds the lock.
 */
#include "master.h"

#include "handover.h"
#include "log.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UPDATE_DELAY	(5 * NSEC_MSEC)	/* changes come together */

static nsec_t
grace(const struct master *m)
{
	return m->source->config->akkod.orphan_grace;
}

void
will_send(struct worker_slot *s)
{
	struct msg_will msg = { .grace_ns = grace(s->m) };
	int fds[2] = { s->m->will_fd, s->m->runtime.heir_fd };

	if (fds[0] >= 0 && fds[1] >= 0)
		supervise_send(s, MSG_WILL, &msg, sizeof(msg), fds, 2);
}

static void
write_will(struct timer_at *t)
{
	struct master *m = t->arg;
	int pair[2], r;

	if (m->phase > PHASE_RUNNING || msg_pair(pair) < 0)
		return;
	/* The lock is nobody's to inherit: live state stands in its place. */
	r = handover_write(m, pair[0], m->live_fd, m->live_fd);
	(void)close(pair[0]);
	if (r < 0) {
		log_warn("nobody could take over if this process were killed: "
		    "%s", strerror(-r));
		(void)close(pair[1]);
		return;
	}
	will_fini(m);
	m->will_fd = pair[1];
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		will_send(&m->slots[i]);
}

void
will_update(struct master *m)
{
	if (m->runtime.heir_fd < 0 || (grace(m) <= 0 && m->will_fd < 0))
		return;
	m->will_timer.fire = write_will;
	m->will_timer.arg = m;
	loop_at(m->loop, &m->will_timer, clock_mono() + UPDATE_DELAY);
}

void
will_fini(struct master *m)
{
	if (m->will_fd >= 0)
		(void)close(m->will_fd);
	m->will_fd = -1;
	loop_at(m->loop, &m->will_timer, NSEC_NEVER);
}
