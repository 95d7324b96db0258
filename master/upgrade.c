/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another program takes this one's place; this is the side that goes. See
 * handover.h for what is said and succeed.c for the other side.
 *
 * Both serve from the moment in which the new workers accept until the old
 * ones drain, from the same sockets, so nothing that the kernel queues there is
 * lost. Up to the end of a short trial the new side may fail in any way, and
 * this one takes everything back; what it serves was never touched. The trial
 * ends when the other master, asked, says that all of its workers live: one
 * that hangs, or whose workers die of the first real requests, has failed.
 *
 * Later this process only waits for its workers. While it is there and nobody
 * else watches (rescue.c), it starts itself anew if the other one is killed.
 */
#include "master.h"

#include "alloc.h"
#include "handover.h"
#include "log.h"
#include "memfd.h"
#include "notify.h"
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_TIME	(30 * NSEC_SEC)	/* until its workers serve (L-06) */
#define HELLO_TIME	(5 * NSEC_SEC)	/* until it says that it is an akkod */
#define TAKEN_TIME	(5 * NSEC_SEC)
#define TRIAL_TIME	NSEC_SEC
#define TELL_TIME	NSEC_SEC
#define PROBE_TIME	(5 * NSEC_SEC)	/* to say how it is */
#define PROBE_AGAIN	(100 * NSEC_MSEC)

enum step { STEP_HELLO, STEP_READY, STEP_TAKEN, STEP_TRIAL, STEP_PROBE,
	STEP_OVER };

struct upgrade {
	struct master *m;
	uint64_t client;
	char *path;
	pid_t pid;		/* 0: it has ended */
	int status;		/* then: how */
	struct watch watch;
	struct timer_at timer;
	enum step step;
	nsec_t limit;		/* when its workers must serve */
	bool follows;		/* old workers understand its tables */
	unsigned workers;	/* that it has */
};

/* ---- The end of it ----------------------------------------------------------------- */

static void
upgrade_free(struct upgrade *u)
{
	int fd = u->watch.fd;

	loop_remove(u->m->loop, &u->watch);
	loop_at(u->m->loop, &u->timer, NSEC_NEVER);
	if (fd >= 0)
		(void)close(fd);
	u->m->upgrade = NULL;
	free(u->path);
	free(u);
}

/* The new side failed; everything is as before. */
static void
fail(struct upgrade *u, const char *why)
{
	struct master *m = u->m;
	char *text = xasprintf("\"%s\" does not take over: %s; this program "
	    "serves on", u->path, why);

	log_error("%s", text);
	if (u->pid > 0)
		(void)kill(u->pid, SIGKILL);
	if (u->step >= STEP_TAKEN) {
		runtime_take(&m->runtime);
		control_pause(m->control, false);
		notify_send("MAINPID=%d\nREADY=1\n", (int)getpid());
	}
	control_fail(m->control, u->client, text);
	free(text);
	upgrade_free(u);
}

/* The trial is over: what is left here ends in its time. */
static void
step_down(struct upgrade *u)
{
	struct master *m = u->m;

	u->step = STEP_OVER;
	log_info("process %d serves now; the workers of before drain",
	    (int)u->pid);
	control_end(m->control, u->client, json_pack("{s:b, s:i}", "ok", 1,
	    "pid", (int)u->pid));
	control_flush(m->control);
	passages_upgrade(m, u->watch.fd, u->workers);
	master_step_down(m);
}

static void
tell_old(struct upgrade *u)
{
	struct master *m = u->m;
	struct ho_old old = { .workers = supervise_alive(m),
	    .follows = u->follows };

	for (unsigned i = 0; i < WORKERS_MAX; i++)
		old.connections += atomic_load(
		    &live_worker_of(&m->slots[i])->connections);
	(void)handover_send(u->watch.fd, HO_OLD, &old, NULL, 0);
	loop_at(m->loop, &u->timer, clock_mono() + TELL_TIME);
}

static void
next_step(struct upgrade *u, enum step step, nsec_t time)
{
	u->step = step;
	loop_at(u->m->loop, &u->timer, clock_mono() + time);
}

static void
on_timer(struct timer_at *t)
{
	struct upgrade *u = t->arg;

	switch (u->step) {
	case STEP_HELLO:
		fail(u, "it did not say within 5 s that it is an akkod");
		break;
	case STEP_READY:
		fail(u, "it was not ready within 30 s");
		break;
	case STEP_TAKEN:
		fail(u, "it did not take over within 5 s");
		break;
	case STEP_TRIAL:
		next_step(u, STEP_PROBE, PROBE_TIME);
		(void)handover_send(u->watch.fd, HO_PROBE, NULL, NULL, 0);
		break;
	case STEP_PROBE:
		fail(u, "it took over and does not answer any more");
		break;
	case STEP_OVER:
		tell_old(u);
		break;
	}
}

/* ---- What is handed over --------------------------------------------------------------- */

/* [[number, name], ...] */
static json_t *
registry_json(const struct registry *r)
{
	json_t *list = json_array();
	struct str name;

	for (uint32_t i = 0; i < r->n; i++)
		if (registry_name(r, i, &name))
			json_array_append_new(list, json_pack("[I, o]",
			    (json_int_t)i, json_stringn(name.p, name.n)));
	return list;
}

/* A sealed file of JSON; succeed.c reads it. Descriptor or -errno. */
static int
notes_fd(const struct master *m)
{
	json_t *o = json_pack("{s:s?, s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o}",
	    "config", m->opt.config_path, "runtime_dir", m->runtime.dir,
	    "state_dir", m->state_dir, "detached", m->opt.detached,
	    "unready", m->unready,
	    "services", registry_json(&m->live_services),
	    "servers", registry_json(&m->live_servers),
	    "limits", registry_json(&m->live_limits),
	    "names", dns_status(m));
	char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	int fd = text != NULL ? memfd_seal("akkod-notes", text, strlen(text)) :
	    -ENOMEM;

	free(text);
	json_decref(o);
	return fd;
}

int
handover_write(const struct master *m, int sock, int pid_fd, int socket_fd)
{
	struct ho_state state = { .generation = m->now.number,
	    .live_base = m->live_base, .nworkers = m->nworkers };
	int fds[HO_STATE_FDS] = { [HO_FD_LIVE] = m->live_fd,
	    [HO_FD_TICKETS] = m->tickets_fd, [HO_FD_PID] = pid_fd,
	    [HO_FD_SOCKET] = socket_fd, [HO_FD_NOTES] = notes_fd(m) };
	int r = fds[HO_FD_NOTES];

	if (r < 0)
		return r;
	(void)live_repair(m->live);
	r = handover_send(sock, HO_STATE, &state, fds, HO_STATE_FDS);
	(void)close(fds[HO_FD_NOTES]);
	for (const struct listener *l = m->listeners.first; l != NULL &&
	    r == 0; l = l->next) {
		struct ho_listener msg = { .nfds = l->nfds };

		if (l->closing)
			continue;
		snprintf(msg.name, sizeof(msg.name), "%s", l->name);
		snprintf(msg.address, sizeof(msg.address), "%s", l->address);
		r = handover_send(sock, HO_LISTENER, &msg, l->fds, l->nfds);
	}
	for (const struct given *g = m->listeners.given; g != NULL && r == 0;
	    g = g->next) {
		struct ho_given msg = { .name = "" };

		snprintf(msg.name, sizeof(msg.name), "%s", g->name);
		if (g->user != NULL && !g->user->closing)
			snprintf(msg.user, sizeof(msg.user), "%s",
			    g->user->name);
		r = handover_send(sock, HO_GIVEN, &msg, &g->fd, 1);
	}
	return r < 0 ? r : handover_send(sock, HO_LAST, NULL, NULL, 0);
}

/* ---- What is said ------------------------------------------------------------------------ */

static void
on_hello(struct upgrade *u, const struct ho_hello *h)
{
	char text[128];
	int r;

	u->follows = h->table_abi == table_abi;
	snprintf(text, sizeof(text), "akkod %s starts its workers", h->version);
	control_progress(u->m->control, u->client, text);
	next_step(u, STEP_READY, READY_TIME);
	u->limit = u->timer.at;
	if ((r = handover_write(u->m, u->watch.fd, u->m->runtime.pid_fd,
	    u->m->runtime.socket_fd)) < 0)
		fail(u, strerror(-r));
}

static void
on_ready(struct upgrade *u)
{
	struct master *m = u->m;

	control_progress(m->control, u->client, "its workers serve");
	control_pause(m->control, true);
	runtime_lend(&m->runtime);
	notify_send("MAINPID=%d\n", (int)u->pid);
	next_step(u, STEP_TAKEN, TAKEN_TIME);
	(void)handover_send(u->watch.fd, HO_COMMIT, NULL, NULL, 0);
}

static void
on_health(struct upgrade *u, const struct ho_health *h)
{
	char text[96];

	if (h->died != 0) {
		snprintf(text, sizeof(text), "%u of its workers died as soon "
		    "as it had taken over", h->died);
		fail(u, text);
	} else if (h->serving >= h->workers) {
		u->workers = h->workers;
		step_down(u);
		tell_old(u);
	} else if (clock_mono() >= u->limit) {
		snprintf(text, sizeof(text), "only %u of its %u workers serve",
		    h->serving, h->workers);
		fail(u, text);
	} else {
		next_step(u, STEP_TRIAL, PROBE_AGAIN);
	}
}

static void
on_table(struct upgrade *u, struct handover *h)
{
	struct master *m = u->m;
	struct msg_table msg = { .generation = h->u.table.generation };

	if (u->follows) {
		m->now.number = msg.generation;
		supervise_send_all(m, MSG_TABLE, &msg, sizeof(msg), h->fds, 2);
	}
	handover_close_fds(h);
}

/* False when the message does not belong here. */
static bool
dispatch(struct upgrade *u, struct handover *h)
{
	if (h->type == HO_HELLO && u->step == STEP_HELLO)
		on_hello(u, &h->u.hello);
	else if (h->type == HO_REFUSE && u->step < STEP_TRIAL)
		fail(u, h->u.refuse.text);
	else if (h->type == HO_READY && u->step == STEP_READY)
		on_ready(u);
	else if (h->type == HO_TAKEN && u->step == STEP_TAKEN)
		next_step(u, STEP_TRIAL, TRIAL_TIME);
	else if (h->type == HO_HEALTH && u->step == STEP_PROBE)
		on_health(u, &h->u.health);
	else if (h->type == HO_TABLE && u->step >= STEP_TAKEN)
		on_table(u, h);
	else
		return false;
	return true;
}

/*
 * The conversation is over. Its end of file may come before SIGCHLD, and how it
 * ended says more than that it did: worth a moment.
 */
static void
gone(struct upgrade *u, const char *why)
{
	char text[64];

	for (int i = 0; i < 50 && u->pid > 0; i++)
		if (waitpid(u->pid, &u->status, WNOHANG) == u->pid)
			u->pid = 0;
		else
			(void)usleep(2000);
	if (u->step == STEP_OVER) {
		/* The end of this process is near. */
		if (u->pid == 0 && rescue_needed(u->status))
			rescue_start(u->m);
		upgrade_free(u);
		return;
	}
	if (u->pid == 0) {
		if (WIFSIGNALED(u->status))
			snprintf(text, sizeof(text), "it was ended by signal "
			    "%d", WTERMSIG(u->status));
		else
			snprintf(text, sizeof(text), "it ended with status %d",
			    WEXITSTATUS(u->status));
		why = text;
	}
	fail(u, why);
}

static void
on_message(struct watch *w, uint32_t events)
{
	/* Too large for the stack; the loop runs one handler at a time. */
	static struct handover h;
	struct upgrade *u = w->arg;
	struct master *m = u->m;
	char text[96];
	int r;

	(void)events;
	while (m->upgrade == u) {
		r = handover_recv(w->fd, &h);
		if (r == -EAGAIN)
			return;
		if (r == 1 && dispatch(u, &h))
			continue;
		if (r == 1)
			handover_close_fds(&h);
		if (r == -EPROTONOSUPPORT)
			snprintf(text, sizeof(text), "it hands over in version "
			    "%u, this program in %u", h.version,
			    HANDOVER_VERSION);
		else
			snprintf(text, sizeof(text), r == 0 ? "it ended" :
			    "it says what no akkod says");
		if (m->upgrade == u)
			gone(u, text);
		return;
	}
}

/* ---- The beginning ------------------------------------------------------------------------- */

static void __attribute__((noreturn))
child(const char *path, int sock)
{
	char *argv[] = { (char *)(size_t)"akkod", (char *)(size_t)"successor",
	    NULL };
	struct ho_refuse refuse = { "" };
	sigset_t none;
	int high = fcntl(sock, F_DUPFD, HANDOVER_FD + 1);

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (high >= 0 && dup2(high, HANDOVER_FD) >= 0 &&
	    syscall(SYS_close_range, HANDOVER_FD + 1, ~0U,
	    CLOSE_RANGE_CLOEXEC) == 0)
		(void)execve(path, argv, environ);
	snprintf(refuse.text, sizeof(refuse.text), "it cannot be executed: %s",
	    strerror(errno));
	(void)handover_send(HANDOVER_FD, HO_REFUSE, &refuse, NULL, 0);
	_exit(127);
}

/* Where this program was; after an update another one is there. */
static char *
own_path(void)
{
	static const char deleted[] = " (deleted)";
	char path[2048];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	if ((size_t)n > sizeof(deleted) && strcmp(path + n -
	    (sizeof(deleted) - 1), deleted) == 0)
		path[n - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	return xstrdup(path);
}

static const char *
may_start(const struct master *m)
{
	if (m->phase != PHASE_RUNNING)
		return "akkod is not running yet or any more";
	if (m->upgrade != NULL)
		return "an upgrade is under way";
	if (succeed_old_workers(m) != 0)
		return "the workers of the last upgrade have not ended yet";
	return NULL;
}

void
upgrade_start(struct master *m, uint64_t client, const char *binary)
{
	const char *why = may_start(m);
	struct upgrade *u;
	int pair[2] = { -1, -1 };

	if (why != NULL || msg_pair(pair) < 0) {
		why = why != NULL ? why : strerror(errno);
		log_error("upgrade: %s", why);
		control_fail(m->control, client, why);
		return;
	}
	u = xcalloc(1, sizeof(*u));
	m->upgrade = u;
	u->m = m;
	u->client = client;
	u->path = binary != NULL ? xstrdup(binary) : own_path();
	u->watch = (struct watch){ .fd = -1, .ready = on_message, .arg = u };
	u->timer = (struct timer_at){ .at = NSEC_NEVER, .fire = on_timer,
	    .arg = u };
	log_info("upgrade: \"%s\" is to take over", u->path != NULL ? u->path :
	    "?");
	u->pid = u->path != NULL ? fork() : -1;
	if (u->pid == 0)
		child(u->path, pair[1]);
	(void)close(pair[1]);
	if (loop_add(m->loop, &u->watch, pair[0], EPOLLIN) < 0 || u->pid < 0) {
		u->pid = 0;
		if (u->watch.fd < 0)
			(void)close(pair[0]);
		fail(u, "no process can be started");
		return;
	}
	next_step(u, STEP_HELLO, HELLO_TIME);
}

bool
upgrade_reaped(struct master *m, pid_t pid, int status)
{
	struct upgrade *u = m->upgrade;

	if (u == NULL || u->pid != pid)
		return false;
	u->pid = 0;
	u->status = status;
	/* What it said before it ended counts first. */
	on_message(&u->watch, EPOLLIN);
	if (m->upgrade == u)
		gone(u, "it ended");
	return true;
}

void
upgrade_stop(struct master *m)
{
	if (m->upgrade != NULL && m->upgrade->step != STEP_OVER)
		fail(m->upgrade, "akkod is told to stop");
}

bool
upgrade_committed(const struct master *m)
{
	return m->upgrade != NULL && m->upgrade->step >= STEP_TAKEN;
}

void
upgrade_fini(struct master *m)
{
	if (m->upgrade != NULL)
		upgrade_free(m->upgrade);
}
