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
#define ORPHAN_TIME	(500 * NSEC_MSEC)	/* until one answers */

struct predecessor {
	struct master *m;
	struct watch watch;
	struct ho_state state;
	struct ho_old old;
	struct handover *listeners;	/* and what was given, as they came */
	unsigned nlisteners;
	int fds[HO_STATE_FDS];
	json_t *notes;
	struct orphan {			/* workers without a master */
		struct predecessor *b;
		struct watch watch;
		uint32_t table_abi;
		bool passages;		/* it can give connections away */
	} *orphans[WORKERS_MAX];
	unsigned norphans;
	bool renamed;			/* entry points are not called as there */
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
		} else if (h->type == HO_LISTENER || h->type == HO_GIVEN) {
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
	struct ho_hello hello = { .table_abi = table_abi,
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
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		live_worker_reset(m->live, m->live_base + i,
		    m->live_servers.n);
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
	take_names(&m->live_services, json_object_get(b->notes, "services"));
	take_names(&m->live_servers, json_object_get(b->notes, "servers"));
	take_names(&m->live_limits, json_object_get(b->notes, "limits"));
	take_slots(m);
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

		if (h->type == HO_LISTENER)
			listen_take(&m->listeners, h->u.listener.name,
			    h->u.listener.address, h->fds, h->nfds);
		else
			listen_give(&m->listeners, h->u.given.name,
			    h->u.given.user, h->fds[0]);
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

/* ---- Orphans --------------------------------------------------------------------------- */

/* Waits for what an orphan says; the will, or -errno. */
static int
ask_orphan(int fd, struct msg_orphan *ret)
{
	static struct msg msg;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	nsec_t until = clock_mono() + ORPHAN_TIME;
	int r;

	while ((r = msg_recv(fd, &msg)) == -EAGAIN) {
		if (clock_mono() >= until)
			return -ETIMEDOUT;
		(void)poll(&p, 1, 10);
	}
	if (r != 1)
		return r < 0 ? r : -EPIPE;
	if (msg.type != MSG_ORPHAN) {
		while (msg.nfds > 0)
			(void)close(msg.fds[--msg.nfds]);
		return -EPROTO;
	}
	memcpy(ret, msg.payload, sizeof(*ret));
	return msg.fds[0];
}

static void
orphan_free(struct orphan *o)
{
	int fd = o->watch.fd;

	loop_remove(o->b->m->loop, &o->watch);
	if (fd >= 0)
		(void)close(fd);
	free(o);
}

/* All that is of interest is its end. */
static void
on_orphan(struct watch *w, uint32_t events)
{
	static struct msg msg;
	struct orphan *o = w->arg;
	struct predecessor *b = o->b;
	int r;

	(void)events;
	while ((r = msg_recv(w->fd, &msg)) == 1)
		while (msg.nfds > 0)
			(void)close(msg.fds[--msg.nfds]);
	if (r == -EAGAIN)
		return;
	for (unsigned i = 0; i < b->norphans; i++)
		if (b->orphans[i] == o)
			b->orphans[i--] = b->orphans[--b->norphans];
	orphan_free(o);
	if (b->norphans == 0) {
		b->over = true;
		log_info("the workers of before have ended");
	}
}

static void
keep_orphan(struct predecessor *b, int fd, const struct msg_orphan *m)
{
	struct orphan *o = xcalloc(1, sizeof(*o));

	o->b = b;
	o->table_abi = m->table_abi;
	o->passages = m->passages != 0;
	o->watch = (struct watch){ .fd = -1, .ready = on_orphan, .arg = o };
	if (loop_add(b->m->loop, &o->watch, fd, EPOLLIN) < 0) {
		(void)close(fd);
		free(o);
		return;
	}
	b->orphans[b->norphans++] = o;
	log_info("worker with pid %d has no master: it is taken over",
	    (int)m->pid);
}

bool
succeed_find_orphans(struct master *m)
{
	struct predecessor *b = xcalloc(1, sizeof(*b));
	bool have = false;
	int fd;

	for (int i = 0; i < HO_STATE_FDS; i++)
		b->fds[i] = -1;
	b->m = m;
	b->watch.fd = -1;
	m->before = b;
	while (b->norphans < WORKERS_MAX &&
	    (fd = runtime_find_orphan(&m->runtime)) >= 0) {
		struct msg_orphan msg;
		int will = ask_orphan(fd, &msg);

		if (will < 0) {
			(void)close(fd);
			break;
		}
		if (!have)
			have = read_state(b, will) == 0;
		(void)close(will);
		keep_orphan(b, fd, &msg);
	}
	if (!have)
		succeed_fini(m);
	return have;
}

static void
publish_to_orphans(struct predecessor *b)
{
	const struct publication *p = &b->m->now;
	struct msg_table msg = { .generation = p->number };
	int fds[2] = { p->table_fd, p->keys_fd };

	for (unsigned i = 0; i < b->norphans; i++)
		if (b->orphans[i]->table_abi == table_abi)
			(void)msg_send(b->orphans[i]->watch.fd, MSG_TABLE, &msg,
			    fds);
}

/* The new workers serve: those of before may go. */
static void
drain_orphans(struct predecessor *b)
{
	nsec_t grace = b->m->now.info.grace_ns;
	struct msg_drain msg = { .stage = DRAIN_END, .grace_ns = grace,
	    .idle_ns = grace };

	b->committed = true;
	for (unsigned i = 0; i < b->norphans; i++)
		if (b->orphans[i]->passages)
			passages_orphan(b->m, b->orphans[i]->watch.fd, i,
			    b->norphans);
	for (unsigned i = 0; i < b->norphans; i++)
		(void)msg_send(b->orphans[i]->watch.fd, MSG_DRAIN, &msg, NULL);
	if (!b->renamed)
		publish_to_orphans(b);
}

/* ---- Afterwards --------------------------------------------------------------------------- */

/* The trial is over: from now on somebody may come after this one. */
static void
settle(struct master *m)
{
	if (m->runtime.heir_fd < 0)
		master_open_heir(m);
}

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
	else
		settle(m);
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
			succeed_published(b->m);
		} else if (r == 1 && h.type == HO_PASSAGE && b->committed) {
			passages_take(b->m, h.u.passage.worker,
			    h.u.passage.key, h.fds[0]);
			explicit_bzero(&h.u, sizeof(h.u));
		} else if (r == 1 && h.type == HO_OLD) {
			b->old = h.u.old;
			settle(b->m);
		} else if (r == 1 && h.type == HO_PROBE && b->committed) {
			struct ho_health msg = supervise_health(b->m);

			(void)handover_send(w->fd, HO_HEALTH, &msg, NULL, 0);
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

	if (b->norphans != 0) {
		drain_orphans(b);
		return;
	}
	b->watch = (struct watch){ .fd = -1, .ready = on_message, .arg = b };
	if (loop_add(m->loop, &b->watch, HANDOVER_FD, EPOLLIN) < 0 ||
	    handover_send(HANDOVER_FD, HO_READY, NULL, NULL, 0) < 0)
		master_fail(m, "the hand-over broke off");
}

void
succeed_renamed(struct master *m)
{
	if (m->before != NULL)
		m->before->renamed = true;
}

void
succeed_published(struct master *m)
{
	struct predecessor *b = m->before;
	struct ho_table msg = { .generation = m->now.number };
	int fds[2] = { m->now.table_fd, m->now.keys_fd };

	/* Before that, this one may know less than they do. */
	if (b == NULL || b->renamed || !b->committed)
		return;
	publish_to_orphans(b);
	if (b->watch.fd >= 0)
		(void)handover_send(b->watch.fd, HO_TABLE, &msg, fds, 2);
}

unsigned
succeed_old_workers(const struct master *m)
{
	const struct predecessor *b = m->before;

	if (b == NULL || b->over)
		return 0;
	return b->norphans != 0 ? b->norphans : b->old.workers + 1;
}

/* One that does not keeps its table, like all of them after a renaming. */
static bool
orphans_follow(const struct predecessor *b)
{
	for (unsigned i = 0; i < b->norphans; i++)
		if (b->orphans[i]->table_abi != table_abi)
			return false;
	return !b->renamed;
}

json_t *
succeed_status(const struct master *m)
{
	const struct predecessor *b = m->before;

	if (b == NULL || b->over)
		return json_null();
	if (b->norphans != 0)
		return json_pack("{s:i, s:s}", "workers", (int)b->norphans,
		    "table", orphans_follow(b) ? "current" : "kept");
	return json_pack("{s:i, s:I, s:s}", "workers", (int)b->old.workers,
	    "connections", (json_int_t)b->old.connections, "table",
	    b->old.follows && !b->renamed ? "current" : "kept");
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
	while (b->norphans > 0)
		orphan_free(b->orphans[--b->norphans]);
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
