/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This program takes the place of another master; this is the side that comes.
 * See handover.h for what is said and upgrade.c for the other side.
 *
 * What it gets stands for what a first start makes: the lock on the runtime
 * directory, listening sockets, live state with the names of its slots, ticket
 * keys, resolved names. Everything else is read from the configuration as at
 * any start. Until the other side says COMMIT, an end of this process for any
 * reason changes nothing for anybody.
 */
#include "master.h"

#include "alloc.h"
#include "handover.h"
#include "log.h"
#include "memfd.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STATE_TIME	(10 * NSEC_SEC)

struct predecessor {
	struct master *m;
	struct watch watch;
	struct ho_state state;
	struct ho_old old;
	struct handover *listeners;	/* as they came */
	unsigned nlisteners;
	int fds[HO_STATE_FDS];
	json_t *notes;
	bool committed;
	bool over;			/* its process has ended */
};

/* ---- Reading what is handed over --------------------------------------------------- */

/* The next message; waits. 1 or -errno. */
static int
receive(int sock, struct handover *h, nsec_t until)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int r;

	while ((r = handover_recv(sock, h)) == -EAGAIN) {
		nsec_t left = until - clock_mono();

		if (left <= 0)
			return -ETIMEDOUT;
		(void)poll(&p, 1, (int)(left / NSEC_MSEC) + 1);
	}
	return r == 0 ? -EPIPE : r;
}

static int
read_notes(struct predecessor *b)
{
	json_error_t e;
	const void *p;
	size_t n;
	int r = memfd_map(b->fds[HO_FD_NOTES], &p, &n);

	if (r < 0)
		return r;
	b->notes = json_loadb(p, n, 0, &e);
	memfd_unmap(p, n);
	return json_is_object(b->notes) ? 0 : -EPROTO;
}

/* All up to LAST. 0 or -errno. */
static int
read_state(struct predecessor *b, int sock)
{
	nsec_t until = clock_mono() + STATE_TIME;
	bool have_state = false;
	int r;

	for (;;) {
		struct handover *h;

		b->listeners = xreallocarray(b->listeners, b->nlisteners + 1,
		    sizeof(*b->listeners));
		h = &b->listeners[b->nlisteners];
		if ((r = receive(sock, h, until)) < 0)
			return r;
		if (h->type == HO_STATE && !have_state) {
			have_state = true;
			b->state = h->u.state;
			memcpy(b->fds, h->fds, sizeof(b->fds));
		} else if (h->type == HO_LISTENER) {
			b->nlisteners++;
		} else if (h->type == HO_LAST && have_state) {
			return read_notes(b);
		} else {
			handover_close_fds(h);
			return -EPROTO;
		}
	}
}

static const char *
note(const struct predecessor *b, const char *key)
{
	return json_string_value(json_object_get(b->notes, key));
}

static void
use_notes(struct master *m)
{
	const struct predecessor *b = m->before;

	m->opt.config_path = note(b, "config");
	m->opt.runtime_dir = note(b, "runtime_dir");
	m->opt.state_dir = note(b, "state_dir");
	m->opt.detached = json_is_true(json_object_get(b->notes, "detached"));
	m->unready = json_is_true(json_object_get(b->notes, "unready"));
}

int
succeed_begin(struct master *m)
{
	struct ho_hello hello = { .table_abi = TABLE_ABI,
	    .live_abi = LIVE_ABI, .version = PACKAGE_VERSION };
	struct predecessor *b = xcalloc(1, sizeof(*b));
	int r;

	for (int i = 0; i < HO_STATE_FDS; i++)
		b->fds[i] = -1;
	b->m = m;
	b->watch.fd = -1;
	m->before = b;
	(void)fcntl(HANDOVER_FD, F_SETFD, FD_CLOEXEC);
	r = handover_send(HANDOVER_FD, HO_HELLO, &hello, NULL, 0);
	if (r < 0 || (r = read_state(b, HANDOVER_FD)) < 0) {
		succeed_refuse(r == -EPROTONOSUPPORT ? "it hands over in "
		    "another version" : strerror(-r));
		return r;
	}
	use_notes(m);
	return 0;
}

void
succeed_refuse(const char *text)
{
	struct ho_refuse msg = { "" };

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	(void)handover_send(HANDOVER_FD, HO_REFUSE, &msg, NULL, 0);
}

/* ---- Taking it over ------------------------------------------------------------------- */

static void
take_names(struct registry *r, const json_t *list)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row) {
		const json_t *name = json_array_get(row, 1);

		if (json_is_string(name))
			registry_set(r, str_n(json_string_value(name),
			    json_string_length(name)), (uint32_t)
			    json_integer_value(json_array_get(row, 0)));
	}
}

/* The other half of the workers' slots; what ended there left its counts. */
static void
take_slots(struct master *m)
{
	m->live_base = m->before->state.live_base == 0 ? WORKERS_MAX : 0;
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct live_worker *w = &m->live->workers[m->live_base + i];

		atomic_store(&w->connections, 0);
		atomic_store(&w->in_flight, 0);
		atomic_store(&w->heartbeat, 0);
	}
}

/* A layout that differs cannot be shared: then limits and turns begin anew. */
static int
take_live(struct master *m)
{
	struct predecessor *b = m->before;

	if (live_attach(b->fds[HO_FD_LIVE], &m->live) < 0) {
		log_warn("the live state of the program before has another "
		    "layout: rate limits begin anew");
		m->live_fd = live_create(&m->live);
		return m->live_fd < 0 ? m->live_fd : 0;
	}
	m->live_fd = b->fds[HO_FD_LIVE];
	b->fds[HO_FD_LIVE] = -1;
	take_slots(m);
	take_names(&m->live_services, json_object_get(b->notes, "services"));
	take_names(&m->live_servers, json_object_get(b->notes, "servers"));
	take_names(&m->live_limits, json_object_get(b->notes, "limits"));
	return 0;
}

int
succeed_take(struct master *m)
{
	struct predecessor *b = m->before;
	int r = take_live(m);

	if (r < 0)
		return r;
	if (tickets_take(m, b->fds[HO_FD_TICKETS]) < 0)
		log_warn("the ticket keys of the program before are not "
		    "understood: sessions begin anew");
	else
		b->fds[HO_FD_TICKETS] = -1;
	dns_take(m, json_object_get(b->notes, "names"));
	m->now.number = b->state.generation;
	m->nworkers = m->listeners.nworkers = b->state.nworkers;
	if (m->nworkers == 0 || m->nworkers > WORKERS_MAX)
		return -EPROTO;
	for (unsigned i = 0; i < b->nlisteners; i++) {
		struct handover *h = &b->listeners[i];

		listen_take(&m->listeners, h->u.listener.name,
		    h->u.listener.address, h->fds, h->nfds);
		h->nfds = 0;
	}
	return 0;
}

void
succeed_runtime(struct master *m)
{
	struct predecessor *b = m->before;

	runtime_adopt(&m->runtime, m->opt.runtime_dir, b->fds[HO_FD_PID],
	    b->fds[HO_FD_SOCKET]);
	b->fds[HO_FD_PID] = b->fds[HO_FD_SOCKET] = -1;
}

/* ---- Afterwards --------------------------------------------------------------------------- */

static void
ended(struct predecessor *b)
{
	struct master *m = b->m;
	int fd = b->watch.fd;

	loop_remove(m->loop, &b->watch);
	(void)close(fd);
	b->over = true;
	if (!b->committed)
		master_fail(m, "the program before has ended the hand-over");
}

static void
on_message(struct watch *w, uint32_t events)
{
	static struct handover h;
	struct predecessor *b = w->arg;
	int r;

	(void)events;
	while (!b->over && (r = handover_recv(w->fd, &h)) != -EAGAIN) {
		if (r == 1 && h.type == HO_COMMIT && !b->committed) {
			b->committed = true;
			master_commit(b->m);
			(void)handover_send(w->fd, HO_TAKEN, NULL, NULL, 0);
		} else if (r == 1 && h.type == HO_OLD) {
			b->old = h.u.old;
		} else {
			if (r == 1)
				handover_close_fds(&h);
			ended(b);
		}
	}
}

void
succeed_ready(struct master *m)
{
	struct predecessor *b = m->before;

	b->watch = (struct watch){ .fd = -1, .ready = on_message, .arg = b };
	if (loop_add(m->loop, &b->watch, HANDOVER_FD, EPOLLIN) < 0 ||
	    handover_send(HANDOVER_FD, HO_READY, NULL, NULL, 0) < 0)
		master_fail(m, "the hand-over broke off");
}

void
succeed_published(struct master *m)
{
	struct predecessor *b = m->before;
	struct ho_table msg = { .generation = m->now.number };
	int fds[2] = { m->now.table_fd, m->now.keys_fd };

	if (b != NULL && b->committed && !b->over)
		(void)handover_send(b->watch.fd, HO_TABLE, &msg, fds, 2);
}

unsigned
succeed_old_workers(const struct master *m)
{
	const struct predecessor *b = m->before;

	return b == NULL || b->over ? 0 : b->old.workers + 1;
}

json_t *
succeed_status(const struct master *m)
{
	const struct predecessor *b = m->before;

	if (b == NULL || b->over)
		return json_null();
	return json_pack("{s:i, s:I, s:s}", "workers", (int)b->old.workers,
	    "connections", (json_int_t)b->old.connections, "table",
	    b->old.follows ? "current" : "kept");
}

void
succeed_fini(struct master *m)
{
	struct predecessor *b = m->before;

	if (b == NULL)
		return;
	if (b->watch.fd >= 0) {
		loop_remove(m->loop, &b->watch);
		(void)close(HANDOVER_FD);
	}
	for (unsigned i = 0; i < b->nlisteners; i++)
		handover_close_fds(&b->listeners[i]);
	for (int i = 0; i < HO_STATE_FDS; i++)
		if (b->fds[i] >= 0)
			(void)close(b->fds[i]);
	free(b->listeners);
	json_decref(b->notes);
	free(b);
	m->before = NULL;
}
