/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers: started by fork and exec, told everything over their control socket,
 * started again when they die.
 *
 *            exec            READY               TABLE_ACK n
 *   (none) ------> starting -------> ring runs ------------> serves n
 *      ^                                                         |
 *      +---- at once, or after 1..30 s when it dies too often ---+
 *
 * A message that the socket does not take is queued with duplicates of its
 * descriptors; a worker that does not read is found by its heartbeat. Workers
 * notice our death by end of file on the same socket.
 */
#include "master.h"

#include "alloc.h"
#include "inherit.h"
#include "local_ca.h"
#include "log.h"
#include "privdrop.h"
#include "report.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRASH_WINDOW	(60 * NSEC_SEC)	/* S-201 */
#define CRASH_LIMIT	5
#define BACKOFF_MAX_S	30
#define START_CRASHES	3		/* before the first generation is up */
#define QUEUE_MAX	1024		/* messages to one worker */
#define SILENT_ASK	3		/* seconds until a worker is asked */
#define SILENT_ADOPT	2		/* and until a neighbour accepts for it */
#define SILENT_ABORT	10		/* and until it is taken for hanging (S-202) */
#define SILENT_KILL	15

/* ---- Sending ------------------------------------------------------------------------ */

struct outgoing {
	struct outgoing *next;
	enum msg_type type;
	unsigned nfds;
	int fds[MSG_FDS_MAX];
	size_t bytes;
	_Alignas(8) char payload[];
};

static void
outgoing_free(struct outgoing *o)
{
	for (unsigned i = 0; i < o->nfds; i++)
		(void)close(o->fds[i]);
	explicit_bzero(o->payload, o->bytes);	/* there may be a key in it */
	free(o);
}

static void
queue_clear(struct worker_slot *s)
{
	while (s->out != NULL) {
		struct outgoing *o = s->out;

		s->out = o->next;
		outgoing_free(o);
	}
}

static void
queue_flush(struct worker_slot *s)
{
	while (s->out != NULL) {
		struct outgoing *o = s->out;
		int r = msg_send(s->control, o->type, o->payload, o->fds);

		if (r == -EAGAIN)
			break;
		s->out = o->next;
		outgoing_free(o);
	}
	loop_change(s->m->loop, &s->watch,
	    s->out != NULL ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void
supervise_send(struct worker_slot *s, enum msg_type type, const void *payload,
    size_t bytes, const int *fds, unsigned nfds)
{
	struct outgoing *o, **tail = &s->out;
	unsigned n = 0;

	if (s->control < 0)
		return;
	if (s->out == NULL && msg_send(s->control, type, payload, fds) !=
	    -EAGAIN)
		return;		/* sent, or its end is near */
	for (; *tail != NULL; tail = &(*tail)->next)
		n++;
	if (n >= QUEUE_MAX)
		return;		/* it hangs; a new one is told everything */
	o = xcalloc(1, sizeof(*o) + bytes);
	o->type = type;
	o->bytes = bytes;
	if (bytes != 0)
		memcpy(o->payload, payload, bytes);
	for (unsigned i = 0; i < nfds; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			log_error("worker %u: %s", s->id, strerror(errno));
			outgoing_free(o);
			return;
		}
		o->fds[o->nfds++] = fd;
	}
	*tail = o;
	loop_change(s->m->loop, &s->watch, EPOLLIN | EPOLLOUT);
}

void
supervise_send_all(struct master *m, enum msg_type type, const void *payload,
    size_t bytes, const int *fds, unsigned nfds)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		supervise_send(&m->slots[i], type, payload, bytes, fds, nfds);
}

/* `slot` is the worker in whose name the socket was made. */
static struct msg_listener
listener_msg(const struct listener *l, unsigned slot)
{
	struct msg_listener msg = { .entry_point = l->id, .address = slot };

	snprintf(msg.name, sizeof(msg.name), "%s", l->name);
	return msg;
}

static void
send_listener(struct worker_slot *s, const struct listener *l, unsigned slot)
{
	struct msg_listener msg = listener_msg(l, slot);

	if (slot < l->nfds)
		supervise_send(s, MSG_LISTENER, &msg, sizeof(msg),
		    &l->fds[slot], 1);
}

static void
send_listener_gone(struct worker_slot *s, const struct listener *l,
    unsigned slot)
{
	struct msg_listener msg = listener_msg(l, slot);

	supervise_send(s, MSG_LISTENER_GONE, &msg, sizeof(msg), NULL, 0);
}

void
supervise_send_listener(struct master *m, const struct listener *l)
{
	for (unsigned i = 0; i < m->nworkers; i++) {
		send_listener(&m->slots[i], l, i);
		if (m->slots[i].adopter != NULL)
			send_listener(m->slots[i].adopter, l, i);
	}
}

void
supervise_listener_gone(struct master *m, const struct listener *l)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		send_listener_gone(&m->slots[i], l, i);
		if (m->slots[i].adopter != NULL)
			send_listener_gone(m->slots[i].adopter, l, i);
	}
}

/*
 * While a slot has no worker its sockets still get their share of the new
 * connections: a neighbour takes them (security 5.2).
 */
static void
adopt(struct worker_slot *s)
{
	struct master *m = s->m;

	for (unsigned i = 1; i <= m->nworkers && s->adopter == NULL; i++) {
		struct worker_slot *next = &m->slots[(s->id + i) %
		    m->nworkers];

		if (next != s && next->pid != 0 && next->ready &&
		    !next->leaving)
			s->adopter = next;
	}
	for (struct listener *l = m->listeners.first; l != NULL &&
	    s->adopter != NULL; l = l->next)
		send_listener(s->adopter, l, s->id);
}

/* The slot serves again. */
static void
adopt_end(struct worker_slot *s)
{
	for (struct listener *l = s->m->listeners.first; l != NULL &&
	    s->adopter != NULL; l = l->next)
		send_listener_gone(s->adopter, l, s->id);
	s->adopter = NULL;
}

/* Its adopter died too: somebody else is found, if there is one. */
static void
adopt_again(struct worker_slot *dead)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (dead->m->slots[i].adopter == dead) {
			dead->m->slots[i].adopter = NULL;
			adopt(&dead->m->slots[i]);
		}
}

static void
send_unready(struct worker_slot *s)
{
	struct msg_drain msg = { .stage = s->m->unready ? DRAIN_UNREADY :
	    DRAIN_NOT };

	supervise_send(s, MSG_DRAIN, &msg, sizeof(msg), NULL, 0);
}

void
supervise_unready(struct master *m, bool unready)
{
	m->unready = unready;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		send_unready(&m->slots[i]);
}

/* Everything a new worker needs, in the order it needs it. */
static void
send_everything(struct worker_slot *s)
{
	struct master *m = s->m;
	struct msg_hello hello = {
		.id = m->live_base + s->id, .workers = m->nworkers, .io = m->io,
		.max_conns = m->max_conns,
		.max_per_address = m->max_per_address,
		.max_fibers = m->max_fibers,
		.max_per_server = (uint32_t)m->limits.per_server,
		.handshake_ns = m->limits.handshake,
		.first_byte_ns = m->limits.first_byte,
		.head_ns = m->limits.head, .body_gap_ns = m->limits.body,
		.write_gap_ns = m->limits.write,
		.tunnel_idle_ns = m->limits.tunnel,
		.log_level = log_level(),
		.log_format = m->log_format,
	};

	if (gethostname(hello.hostname, sizeof(hello.hostname) - 1) < 0)
		hello.hostname[0] = '\0';
	supervise_send(s, MSG_HELLO, &hello, sizeof(hello), NULL, 0);
	logs_send(s);
	supervise_send(s, MSG_TICKETS, NULL, 0, &m->tickets_fd, 1);
	for (const struct listener *l = m->listeners.first; l != NULL;
	    l = l->next)
		send_listener(s, l, s->id);
	if (m->unready)
		send_unready(s);
	will_send(s);
	publish_to(s);
}

/* ---- Receiving ------------------------------------------------------------------------ */

static void
on_ready(struct worker_slot *s, const struct msg_ready *msg)
{
	s->ready = true;
	s->backend = msg->backend;
	memcpy(s->why, msg->why, sizeof(s->why));
	s->why[sizeof(s->why) - 1] = '\0';
	s->silent = 0;
}

static void
on_ack(struct worker_slot *s, const struct msg_table_ack *msg)
{
	if (msg->generation > s->m->now.number)
		return;
	if (msg->error == 0) {
		s->acked = msg->generation;
		if (!s->leaving)
			adopt_end(s);
	} else {
		s->refused = msg->generation;
		memcpy(s->refusal, msg->text, sizeof(s->refusal));
		s->refusal[sizeof(s->refusal) - 1] = '\0';
		log_error("worker %u did not take generation %llu: %s", s->id,
		    (unsigned long long)msg->generation, s->refusal);
	}
	publish_progress(s->m);
}

static void
on_status(struct worker_slot *s, const struct msg_status *msg)
{
	s->status = *msg;
	s->status.why[sizeof(s->status.why) - 1] = '\0';
	s->answered = true;
	s->silent = 0;
	status_progress(s->m);
}

/*
 * Making an RSA key takes a fraction of a second and most clients never need
 * it: the local CA makes one when the first client wants it, and keeps it.
 */
static void
on_want_rsa(struct worker_slot *s)
{
	struct master *m = s->m;
	char why[CERT_WHY];

	if (m->ca == NULL || local_ca_has_rsa(m->ca))
		return;
	if (local_ca_make_rsa(m->ca, why) < 0) {
		log_warn("local CA: %s", why);
		return;
	}
	log_info("local CA: a certificate with an RSA key, for a client that "
	    "takes no other");
	loop_at(m->loop, &m->renew_timer, clock_mono());
}

/* What a worker may say; anything else ends it. */
static bool
dispatch(struct worker_slot *s, const struct msg *msg)
{
	const void *p = msg->payload;

	switch (msg->type) {
	case MSG_READY:
		on_ready(s, p);
		return true;
	case MSG_TABLE_ACK:
		on_ack(s, p);
		return true;
	case MSG_STATUS_REPLY:
		on_status(s, p);
		return true;
	case MSG_CONNECTIONS_REPLY:
		connections_answer(s, p);
		return true;
	case MSG_WANT_RSA:
		on_want_rsa(s);
		return true;
	default:
		for (unsigned i = 0; i < msg->nfds; i++)
			(void)close(msg->fds[i]);
		return false;
	}
}

static void
control_closed(struct worker_slot *s)
{
	int fd = s->watch.fd;

	loop_remove(s->m->loop, &s->watch);
	if (fd >= 0)
		(void)close(fd);
	s->control = -1;
	queue_clear(s);
}

static void
control_ready(struct watch *w, uint32_t events)
{
	/* Too large for the stack; the loop runs one handler at a time. */
	static struct msg msg;
	struct worker_slot *s = w->arg;
	int r;

	if ((events & EPOLLOUT) != 0)
		queue_flush(s);
	while (s->control >= 0) {
		r = msg_recv(s->control, &msg);
		if (r == -EAGAIN)
			return;
		if (r == 1 && dispatch(s, &msg))
			continue;
		if (r != 0) {
			log_error("worker %u sent what no worker sends; it is "
			    "killed", s->id);
			if (s->pid > 0)
				(void)kill(s->pid, SIGKILL);
		}
		/* SIGCHLD follows. */
		control_closed(s);
	}
}

/* ---- Starting ------------------------------------------------------------------------- */

static void __attribute__((noreturn))
child(struct worker_slot *s, int control)
{
	struct master *m = s->m;
	struct jail jail = {
		.uid = m->worker_uid,
		.gid = m->worker_gid,
		.max_files = 2 * m->max_conns + 1024,
	};
	const char *what = "executing itself";
	int r = privdrop(&jail, &what);

	if (r == 0)
		r = inherit_exec("worker", s->id, control, m->live_fd,
		    m->log.fd);
	log_error("worker %u cannot start: %s: %s", s->id, what, strerror(-r));
	_exit(127);
}

static void
respawn_later(struct worker_slot *s, nsec_t delay)
{
	loop_at(s->m->loop, &s->respawn, clock_mono() + delay);
}

static void
check_live(struct master *m)
{
	if (live_repair(m->live))
		log_error("the header of the live state was overwritten: it "
		    "is repaired, and what it counts may be wrong");
}

static void
spawn(struct worker_slot *s)
{
	int pair[2] = { -1, -1 }, r = msg_pair(pair);
	pid_t pid;

	check_live(s->m);
	pid = r == 0 ? fork() : -1;
	if (pid == 0)
		child(s, pair[1]);
	if (pid < 0) {
		log_error("worker %u cannot be started: %s", s->id,
		    strerror(r < 0 ? -r : errno));
		if (r == 0) {
			(void)close(pair[0]);
			(void)close(pair[1]);
		}
		respawn_later(s, NSEC_SEC);
		return;
	}
	(void)close(pair[1]);
	s->pid = pid;
	s->control = pair[0];
	s->started = clock_mono();
	s->ready = s->answered = s->aborted = s->leaving = false;
	s->acked = s->refused = 0;
	s->silent = 0;
	s->beat = 0;
	memset(&s->status, 0, sizeof(s->status));
	if (loop_add(s->m->loop, &s->watch, s->control, EPOLLIN) < 0) {
		log_error("worker %u: epoll: %s", s->id, strerror(errno));
		(void)kill(pid, SIGKILL);
		return;
	}
	send_everything(s);
}

static void
respawn_fire(struct timer_at *t)
{
	struct worker_slot *s = t->arg;

	if (s->pid == 0 && s->id < s->m->nworkers &&
	    s->m->phase <= PHASE_RUNNING)
		spawn(s);
}

/* Descriptors for as many connections as the worker may have. */
static void
raise_files(struct master *m)
{
	rlim_t want = 2 * (rlim_t)m->max_conns + 1024;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	if (l.rlim_max < want) {
		struct rlimit more = { want, want };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
	}
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_max < want) {
		/* A connection may need two; half are kept at most. */
		m->max_conns = l.rlim_max > 2048 ?
		    (unsigned)(l.rlim_max - 1024) / 2 :
		    (unsigned)l.rlim_max / 4 + 1;
		log_info("the limit of open files allows %u connections per "
		    "worker", m->max_conns);
	}
}

/*
 * Kernels count a ring's memory, about half a megabyte, as locked, and all of a
 * user's processes together: other programs of it and the workers of a drained
 * generation count as well.
 */
static void
raise_locked(void)
{
	/* For as many workers as a reload may ask for. */
	rlim_t want = (64 + 4 * (rlim_t)WORKERS_MAX) << 20;
	struct rlimit l, more = { want, want };

	if (getrlimit(RLIMIT_MEMLOCK, &l) < 0 || (l.rlim_max >= want &&
	    l.rlim_cur >= want) || setrlimit(RLIMIT_MEMLOCK, &more) == 0)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &l);
}

int
supervise_init(struct master *m)
{
	raise_files(m);
	raise_locked();
	m->slots = xcalloc(WORKERS_MAX, sizeof(*m->slots));
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct worker_slot *s = &m->slots[i];

		s->m = m;
		s->id = i;
		s->control = -1;
		s->watch = (struct watch){ .fd = -1, .ready = control_ready,
		    .arg = s };
		s->respawn = (struct timer_at){ .at = NSEC_NEVER,
		    .fire = respawn_fire, .arg = s };
	}
	return 0;
}

void
supervise_start(struct master *m)
{
	/* One that is still leaving its slot is followed when it has ended. */
	for (unsigned i = 0; i < m->nworkers; i++)
		if (m->slots[i].pid == 0 &&
		    m->slots[i].respawn.at == NSEC_NEVER)
			spawn(&m->slots[i]);
}

void
supervise_leave(struct worker_slot *s)
{
	nsec_t grace = s->m->now.info.grace_ns;
	/* Others serve on, so idle clients need not hurry. */
	struct msg_drain msg = { .stage = DRAIN_END, .grace_ns = grace,
	    .idle_ns = grace };

	loop_at(s->m->loop, &s->respawn, NSEC_NEVER);
	s->leaving = s->pid != 0;
	adopt(s);
	supervise_send(s, MSG_DRAIN, &msg, sizeof(msg), NULL, 0);
}

void
supervise_left(struct worker_slot *s)
{
	adopt_end(s);
}

/* ---- Dying ------------------------------------------------------------------------------ */

static unsigned
recent_crashes(const struct worker_slot *s, nsec_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->ncrashes && i < CRASHES_KEPT; i++)
		if (now - s->crashes[(s->ncrashes - 1 - i) % CRASHES_KEPT] <
		    CRASH_WINDOW)
			n++;
	return n;
}

static void
describe_end(int status, char out[48])
{
	if (WIFSIGNALED(status))
		snprintf(out, 48, "was ended by signal %d (SIG%s)",
		    WTERMSIG(status), sigabbrev_np(WTERMSIG(status)) != NULL ?
		    sigabbrev_np(WTERMSIG(status)) : "?");
	else
		snprintf(out, 48, "ended with status %d", WEXITSTATUS(status));
}

static void
worker_ended(struct worker_slot *s, int status)
{
	struct master *m = s->m;
	nsec_t now = clock_mono(), delay = 0;
	unsigned recent;
	pid_t pid = s->pid;
	char how[48];

	s->pid = 0;
	control_closed(s);
	/* What it counted as open must not stay. */
	live_worker_reset(m->live, m->live_base + s->id, m->live_servers.n);
	describe_end(status, how);
	if (m->phase >= PHASE_STOPPING) {
		log_debug("worker %u (pid %d) %s", s->id, (int)pid, how);
		return;
	}
	if (s->leaving || s->id >= m->nworkers) {
		log_info("worker %u (pid %d) has left", s->id, (int)pid);
		adopt_again(s);
		if (s->id < m->nworkers)
			spawn(s);
		publish_progress(m);
		return;
	}
	s->crashes[s->ncrashes++ % CRASHES_KEPT] = now;
	recent = recent_crashes(s, now);
	if (m->phase == PHASE_STARTING && (recent >= START_CRASHES ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == 127))) {
		master_fail(m, "worker %u %s before it served; see the log",
		    s->id, how);
		return;
	}
	if (recent >= CRASH_LIMIT) {
		unsigned shift = recent - CRASH_LIMIT;

		delay = (shift >= 5 ? BACKOFF_MAX_S : 1 << shift) * NSEC_SEC;
	}
	if (delay == 0)
		log_error("worker %u (pid %d) %s; a new one takes its place",
		    s->id, (int)pid, how);
	else
		log_error("worker %u (pid %d) %s, %u times within a minute; "
		    "the next try is in %d s", s->id, (int)pid, how, recent,
		    (int)(delay / NSEC_SEC));
	adopt_again(s);
	if (delay == 0) {
		spawn(s);
	} else {
		adopt(s);
		respawn_later(s, delay);
	}
	publish_progress(m);
}

void
supervise_reap(struct master *m)
{
	int status;
	pid_t pid;

	/* All of them: as process 1 of a container we inherit orphans. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool known = dns_reaped(m, pid) ||
		    upgrade_reaped(m, pid, status) || report_reaped(m, pid);

		for (unsigned i = 0; i < WORKERS_MAX && !known; i++)
			if (m->slots[i].pid == pid) {
				worker_ended(&m->slots[i], status);
				known = true;
			}
		if (!known)
			log_debug("reaped process %d", (int)pid);
	}
	status_progress(m);
	connections_progress(m);
}

/* ---- Watching ------------------------------------------------------------------------------ */

/*
 * A worker without work does not turn its loop, so one that was quiet for a
 * while is asked for its status, and only silence after that counts. Ticks are
 * counted rather than times compared: after a SIGSTOP of the master nobody is
 * to be killed for what it did not hear.
 */
static void
check_heartbeat(struct worker_slot *s)
{
	int64_t beat = atomic_load(&live_worker_of(s)->heartbeat);

	if (s->pid == 0)
		return;
	if (beat != s->beat) {
		s->beat = beat;
		s->silent = 0;
		if (s->acked != 0 && !s->leaving)
			adopt_end(s);	/* it was only held up */
		return;
	}
	s->silent++;
	if (s->silent == SILENT_ASK)
		supervise_send(s, MSG_STATUS, NULL, 0, NULL, 0);
	if (s->silent == SILENT_ADOPT + SILENT_ASK && s->adopter == NULL &&
	    !s->leaving) {
		log_warn("worker %u (pid %d) does not answer", s->id,
		    (int)s->pid);
		adopt(s);
	}
	if (s->silent == SILENT_ABORT + SILENT_ASK && !s->aborted) {
		log_error("worker %u (pid %d) has not turned its loop for "
		    "%d s; it is aborted", s->id, (int)s->pid, SILENT_ABORT);
		s->aborted = true;
		(void)kill(s->pid, SIGABRT);
	}
	if (s->silent >= SILENT_KILL + SILENT_ASK)
		(void)kill(s->pid, SIGKILL);
}

void
supervise_tick(struct master *m)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		check_heartbeat(&m->slots[i]);
}

struct live_worker *
live_worker_of(const struct worker_slot *s)
{
	return &s->m->live->workers[s->m->live_base + s->id];
}

unsigned
supervise_alive(const struct master *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORKERS_MAX; i++)
		n += m->slots[i].pid != 0;
	return n;
}

struct ho_health
supervise_health(const struct master *m)
{
	struct ho_health h = { .workers = m->nworkers };

	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		h.serving += i < m->nworkers && m->slots[i].acked != 0 &&
		    m->slots[i].silent < SILENT_ASK + SILENT_ADOPT;
		h.died += m->slots[i].ncrashes;
	}
	return h;
}

void
supervise_kill(struct master *m, int sig)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (m->slots[i].pid > 0)
			(void)kill(m->slots[i].pid, sig);
}

void
supervise_fini(struct master *m)
{
	for (unsigned i = 0; m->slots != NULL && i < WORKERS_MAX; i++) {
		control_closed(&m->slots[i]);
		loop_at(m->loop, &m->slots[i].respawn, NSEC_NEVER);
		json_decref(m->slots[i].connections);
	}
	free(m->slots);
	m->slots = NULL;
}
