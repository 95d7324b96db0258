/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a master.
 *
 *   read configuration ---- file errors: printed, exit 1
 *   take the runtime directory (lock)
 *   open logs, bind every address, compile generation 1
 *   drop what is not needed any more, start workers
 *   STARTING --- all workers acknowledged ---> RUNNING  ("akkod start" returns)
 *   STOPPING --- workers drained or killed --> ENDED
 *
 * After the start no error ends the master but a failed allocation: whatever is
 * wrong with a new configuration, the last good generation stays.
 */
#include "master.h"

#include "alloc.h"
#include "cert_store.h"
#include "local_ca.h"
#include "log.h"
#include "notify.h"
#include "report.h"
#include "settings.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP_BYTES	(32 << 20)
#define IDLE_TIME	NSEC_SEC	/* of idle clients after the stop */
#define SYNC_LOOK	(20 * NSEC_MSEC)
#define SYNC_TIME	(8 * NSEC_SEC)	/* for the cluster, after orphans */
#define RESCUE_GAP	(10 * NSEC_SEC)
#define STOP_EXTRA	(2 * NSEC_SEC)	/* beyond the workers' own limit */

/* ---- Start and failure ---------------------------------------------------------------- */

static void
say_ready(struct master *m, const char *text)
{
	if (m->opt.successor && m->phase <= PHASE_STARTING)
		succeed_refuse(text);
	if (m->opt.ready_fd < 0)
		return;
	(void)!write(m->opt.ready_fd, text, strlen(text));
	(void)close(m->opt.ready_fd);
	m->opt.ready_fd = -1;
}

void
master_fail(struct master *m, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	if (m->failure != NULL)
		return;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	m->failure = xasprintf("%.*s", STR_ARG(buf_str(&b)));
	buf_fini(&b);
	m->exit_status = 1;
	log_error("%s", m->failure);
	if (m->opt.ready_fd >= 0 || m->opt.successor)
		say_ready(m, m->failure);
	m->phase = PHASE_STOPPING;
	supervise_kill(m, SIGKILL);
}

/* What was found wrong, then that it runs all the same. */
static void
say_started(struct master *m)
{
	char *found = source_diag_text(&m->first_diags, DIAG_WARNING);
	char *text = xasprintf("%s%sok\n", found, found[0] != '\0' ? "\n" : "");

	say_ready(m, text);
	free(text);
	free(found);
}

void
master_started(struct master *m)
{
	if (m->phase != PHASE_STARTING)
		return;
	m->phase = PHASE_RUNNING;
	log_info("akkod %s runs with %u worker%s", PACKAGE_VERSION,
	    m->nworkers, m->nworkers == 1 ? "" : "s");
	will_update(m);
	if (m->before != NULL)
		succeed_ready(m);
	if (m->opt.successor)
		return;
	/* Orphans were as many as before; it may be another number now. */
	resize_workers(m, settings_workers(&m->source->config->akkod));
	notify_send("READY=1\nMAINPID=%d\nSTATUS=serving generation %llu\n",
	    (int)getpid(), (unsigned long long)m->now.number);
	say_started(m);
}

/* ---- Stop ------------------------------------------------------------------------------- */

static void
stop_late(struct timer_at *t)
{
	struct master *m = t->arg;

	log_warn("%u workers have not ended in time; they are killed",
	    supervise_alive(m));
	supervise_kill(m, SIGKILL);
}

/*
 * requestAcceptGraceTimeout is over. Workers close their duplicates when they
 * are told; the port is free when the last reference goes.
 */
static void
stop_accepting(struct timer_at *t)
{
	struct master *m = t->arg;
	struct msg_drain msg = { .stage = DRAIN_END,
	    .grace_ns = m->now.info.grace_ns, .idle_ns = IDLE_TIME };

	will_fini(m);
	supervise_send_all(m, MSG_DRAIN, &msg, sizeof(msg), NULL, 0);
	listen_close_all(&m->listeners);
}

void
master_stop(struct master *m, bool now, uint64_t client)
{
	const struct compiled *c = &m->now.info;

	if (client != 0 && m->nstop_clients < WAITERS_MAX)
		m->stop_clients[m->nstop_clients++] = client;
	upgrade_stop(m);
	if (m->phase >= PHASE_STOPPING || now) {
		log_info("stopping at once");
		m->phase = PHASE_STOPPING;
		supervise_kill(m, SIGKILL);
		return;
	}
	log_info("stopping: requests in flight have %d s to end",
	    (int)((c->grace_ns + c->accept_grace_ns) / NSEC_SEC));
	if (m->phase == PHASE_STARTING)
		say_ready(m, "stopped before it had started");
	m->phase = PHASE_STOPPING;
	notify_send("STOPPING=1\n");
	watch_fini(m);
	m->stop_timer = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = stop_late, .arg = m };
	loop_at(m->loop, &m->stop_timer, clock_mono() + c->grace_ns +
	    c->accept_grace_ns + STOP_EXTRA);
	m->accept_timer = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = stop_accepting, .arg = m };
	if (c->accept_grace_ns <= 0) {
		stop_accepting(&m->accept_timer);
		return;
	}
	/* Ping turns at once, so that nobody sends new clients here (L-07). */
	supervise_unready(m, true);
	loop_at(m->loop, &m->accept_timer, clock_mono() + c->accept_grace_ns);
}

void
master_step_down(struct master *m)
{
	const struct compiled *c = &m->now.info;
	/* Others accept here, so clients need not hurry. */
	struct msg_drain msg = { .stage = DRAIN_END, .grace_ns = c->grace_ns,
	    .idle_ns = c->grace_ns };

	m->phase = PHASE_STOPPING;
	m->stepped_down = true;
	watch_fini(m);
	m->stop_timer = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = stop_late, .arg = m };
	loop_at(m->loop, &m->stop_timer, clock_mono() + c->grace_ns +
	    STOP_EXTRA);
	will_fini(m);
	supervise_send_all(m, MSG_DRAIN, &msg, sizeof(msg), NULL, 0);
	listen_close_all(&m->listeners);
}

static void
answer_stop(struct master *m)
{
	for (unsigned i = 0; i < m->nstop_clients; i++)
		control_end(m->control, m->stop_clients[i],
		    json_pack("{s:b}", "ok", 1));
	control_flush(m->control);
}

/* ---- Commands and signals ------------------------------------------------------------------ */

/* As SIGHUP does it, and the command. */
static int
reload(struct master *m, json_t **ret_notes)
{
	int r;

	notify_send("RELOADING=1\nMONOTONIC_USEC=%lld\n",
	    (long long)(clock_mono() / 1000));
	r = reload_all(m, ret_notes);
	notify_send("READY=1\nSTATUS=serving generation %llu%s\n",
	    (unsigned long long)m->now.number, r < 0 ?
	    "; the newest configuration was not taken" : "");
	return r;
}

static void
command_drain(struct master *m, uint64_t client, bool undo)
{
	if (m->phase != PHASE_RUNNING) {
		control_fail(m->control, client, "akkod is not running yet or "
		    "any more");
		return;
	}
	log_info(undo ? "ready again" : "draining: ping says no from now on");
	supervise_unready(m, !undo);
	control_end(m->control, client, json_pack("{s:b}", "ok", 1));
}

static void
command_reload(struct master *m, uint64_t client)
{
	json_t *notes;

	if (m->phase != PHASE_RUNNING || m->upgrade != NULL) {
		control_fail(m->control, client, m->upgrade != NULL ?
		    "an upgrade is under way" : "akkod is not running yet or "
		    "any more");
		return;
	}
	if (reload(m, &notes) < 0) {
		control_fail(m->control, client, m->config_error != NULL ?
		    m->config_error : "the configuration was not taken");
		return;
	}
	if (m->config_error != NULL)
		json_object_set_new(notes, "kept",
		    json_string(m->config_error));
	publish_wait(m, client, notes);
}

static void
on_command(void *arg, uint64_t client, const char *command,
    const json_t *request)
{
	struct master *m = arg;

	if (report_start(m, client, command, request))
		return;
	if (strcmp(command, "status") == 0)
		status_ask(m, client);
	else if (strcmp(command, "connections") == 0)
		connections_ask(m, client);
	else if (strcmp(command, "reload") == 0)
		command_reload(m, client);
	else if (strcmp(command, "upgrade") == 0)
		upgrade_start(m, client, json_string_value(json_object_get(
		    request, "binary")));
	else if (strcmp(command, "drain") == 0)
		command_drain(m, client,
		    json_is_true(json_object_get(request, "undo")));
	else if (strcmp(command, "stop") == 0)
		master_stop(m, json_is_true(json_object_get(request, "now")),
		    client);
	else
		control_fail(m->control, client, "unknown command");
}

static void
on_signal(struct watch *w, uint32_t events)
{
	struct master *m = w->arg;
	struct signalfd_siginfo info;
	json_t *notes = NULL;

	(void)events;
	while (read(w->fd, &info, sizeof(info)) == sizeof(info))
		switch (info.ssi_signo) {
		case SIGCHLD:
			supervise_reap(m);
			break;
		case SIGHUP:
			if (m->phase == PHASE_RUNNING && m->upgrade == NULL &&
			    reload(m, &notes) == 0)
				json_decref(notes);
			break;
		case SIGUSR1:
			logs_reopen(m);
			break;
		case SIGUSR2:
			upgrade_start(m, 0, NULL);
			break;
		case SIGQUIT:
			master_stop(m, true, 0);
			break;
		default:
			master_stop(m, false, 0);
		}
}

void
master_open_heir(struct master *m)
{
	int r = runtime_open_heir(&m->runtime);

	if (r < 0)
		log_warn("\"%s\": %s: nobody could take over if this process "
		    "were killed", m->runtime.heir_path, strerror(-r));
	else
		will_update(m);
}

void
master_commit(struct master *m)
{
	runtime_take(&m->runtime);
	m->control = control_new(m->loop, m->runtime.socket_fd, on_command, m);
	notify_send("READY=1\nMAINPID=%d\nSTATUS=serving generation %llu\n",
	    (int)getpid(), (unsigned long long)m->now.number);
	log_info("took over with generation %llu", (unsigned long long)
	    m->now.number);
	/* The configuration may want another number than there was. */
	resize_workers(m, settings_workers(&m->source->config->akkod));
}

static int
open_signals(struct master *m)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    (fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return -errno;
	m->signals = (struct watch){ .fd = -1, .ready = on_signal, .arg = m };
	return loop_add(m->loop, &m->signals, fd, EPOLLIN);
}

static void
on_tick(struct timer_at *t)
{
	struct master *m = t->arg;

	loop_at(m->loop, t, clock_mono() + NSEC_SEC);
	if (m->phase <= PHASE_RUNNING) {
		supervise_tick(m);
		watch_tick(m);
	}
	logs_tick(m);
}

static void
on_watchdog(struct timer_at *t)
{
	struct master *m = t->arg;

	notify_send("WATCHDOG=1\n");
	loop_at(m->loop, t, clock_add(clock_mono(), notify_watchdog()));
}

/* ---- Putting together ------------------------------------------------------------------------ */

static int
complain(struct master *m, const char *text)
{
	if (m->opt.ready_fd >= 0 || m->opt.successor)
		say_ready(m, text);
	else
		fprintf(stderr, "akkod: %s\n", text);
	return -EINVAL;
}

static int
load_first(struct master *m)
{
	struct diags d = { 0 };
	char *text;

	m->source = source_load(m->opt.config_path, NULL, &d);
	text = source_diag_text(&d, m->source == NULL ? DIAG_WARNING :
	    DIAG_FILE);
	if (m->source == NULL && m->opt.successor)
		succeed_refuse(text);
	else if (m->source == NULL)
		fprintf(stderr, "%s\nakkod: the configuration cannot be "
		    "used\n", text);
	else
		m->first_diags = d;
	free(text);
	if (m->source == NULL)
		diags_fini(&d);
	return m->source != NULL ? 0 : -EINVAL;
}

static const char *
first_of(const char *a, const char *b, const char *c)
{
	return a != NULL ? a : b != NULL && b[0] != '\0' ? b : c;
}

/*
 * Without a terminal and without log.filePath the log goes beside the socket.
 * So does all that this process and its children might still say: whoever
 * reads the output of "akkod start" must see its end.
 */
static int
detach_log(struct master *m, char *err, size_t err_size)
{
	char *path;
	int fd;

	if (!m->opt.detached)
		return 0;
	path = xasprintf("%s/akkod.log", m->runtime.dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
	    0640);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    dup2(fd, STDERR_FILENO) < 0) {
		snprintf(err, err_size, "log file \"%s\": %s", path,
		    strerror(errno));
		free(path);
		return -EINVAL;
	}
	(void)close(fd);
	free(path);
	return 0;
}

/* What a first start makes and a successor is given. 0 or -errno. */
static int
make_shared(struct master *m)
{
	int r;

	registry_init(&m->live_services, LIVE_SERVICES);
	registry_init(&m->live_servers, LIVE_SERVERS);
	registry_init(&m->live_limits, UINT32_MAX - 1);
	dns_init(m);
	cluster_init(m);
	if ((r = tickets_start(m)) < 0)
		return r;
	if (m->opt.successor || succeed_find_orphans(m))
		return succeed_take(m);
	m->live_fd = live_create(&m->live);
	return m->live_fd < 0 ? m->live_fd : 0;
}

static int
claim(struct master *m, char *err, size_t err_size)
{
	if (m->opt.successor) {
		succeed_runtime(m);
		return 0;
	}
	return runtime_claim(&m->runtime, first_of(m->opt.runtime_dir,
	    m->source->config->akkod.runtime_directory, RUNTIME_DIR_DEFAULT),
	    err, err_size);
}

/* Everything up to the workers. A message was given on failure. */
static int
prepare(struct master *m)
{
	char err[512];
	int r;

	m->listeners.given = given_from_environment();
	if ((m->opt.successor && succeed_begin(m) < 0) || load_first(m) < 0)
		return -EINVAL;
	if (settings_apply(m, err, sizeof(err)) < 0)
		return complain(m, err);
	m->state_dir = xstrdup(first_of(m->opt.state_dir,
	    m->source->config->akkod.state_directory, STATE_DIR_DEFAULT));
	if (claim(m, err, sizeof(err)) < 0)
		return complain(m, err);
	if (detach_log(m, err, sizeof(err)) < 0 ||
	    logs_open(m, err, sizeof(err)) < 0)
		return complain(m, err);
	log_set_role("master");
	if ((r = open_signals(m)) < 0 || (r = make_shared(m)) < 0)
		return complain(m, strerror(-r));
	(void)supervise_init(m);
	if ((r = reload_first(m)) == 0)
		given_complain(m->listeners.given);
	return r;
}

static void
finish(struct master *m)
{
	if (m->phase >= PHASE_STOPPING && m->failure == NULL)
		log_info(m->stepped_down ? "the workers of before have ended" :
		    "stopped");
	if (m->control != NULL)
		answer_stop(m);
	watch_fini(m);
	dns_fini(m);
	cluster_fini(m);
	upgrade_fini(m);
	succeed_fini(m);
	will_fini(m);
	free(m->said.v);
	cert_store_free(m->certs);
	control_free(m->control);
	supervise_fini(m);
	listen_close_all(&m->listeners);
	publish_fini(m);
	tickets_fini(m);
	logs_fini(m);
	registry_fini(&m->live_services);
	registry_fini(&m->live_servers);
	registry_fini(&m->live_limits);
	live_detach(m->live);
	if (m->ca != NULL)
		local_ca_close(m->ca);
	source_free(m->source);
	runtime_release(&m->runtime);
	diags_fini(&m->first_diags);
	free(m->state_dir);
	free(m->config_error);
	free(m->waiting);
	free(m->failure);
	loop_free(m->loop);
}

/*
 * Whoever takes over is to know as much as the one before: what the cluster
 * says is waited for, since routes that are not there yet would be answered
 * with 404. Orphans serve for a while only, so there it is not waited for ever.
 */
static void
start_workers(struct timer_at *t)
{
	struct master *m = t->arg;

	if (m->phase != PHASE_STARTING)
		return;
	if (m->before != NULL && !cluster_synced(m) &&
	    clock_mono() < m->sync_until) {
		loop_at(m->loop, t, clock_mono() + SYNC_LOOK);
		return;
	}
	supervise_start(m);
	publish_wait(m, 0, NULL);
}

/* A master that was killed is followed by another, unless it just began. */
static void
child_ended(struct master *m, int status, nsec_t *last)
{
	nsec_t now = clock_mono();

	m->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	if (!rescue_needed(status) || now < clock_add(*last, RESCUE_GAP))
		return;
	*last = now;
	rescue_start(m);
}

/*
 * The first process of a container ends the container: after another one took
 * over it passes signals on, and looks after whoever is master, until the last
 * one of its children has ended.
 */
static void
as_init(struct master *m)
{
	nsec_t last = -RESCUE_GAP;
	pid_t pid, serves = runtime_pid(m->runtime.dir);
	sigset_t set;
	int status, sig;

	(void)sigprocmask(SIG_BLOCK, NULL, &set);
	control_stop(m->control);
	runtime_unlock(&m->runtime);
	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == serves)
				child_ended(m, status, &last);
		if (pid < 0 && errno == ECHILD)
			return;
		if (sigwait(&set, &sig) != 0)
			continue;
		if ((pid = runtime_pid(m->runtime.dir)) > 1)
			serves = pid;
		if (sig != SIGCHLD && pid > 1)
			(void)kill(pid, sig);
	}
}

int
master_run(const struct run_options *opt)
{
	static struct master m;

	m = (struct master){ .opt = *opt, .runtime = RUNTIME_INIT,
	    .log = LOGFILE_INIT, .access_log = LOGFILE_INIT,
	    .live_fd = -1, .tickets_fd = -1, .will_fd = -1,
	    .now = { .table_fd = -1, .keys_fd = -1 },
	    .waiter_timer.at = NSEC_NEVER, .renew_timer.at = NSEC_NEVER, .status_timer.at = NSEC_NEVER,
	    .connections_timer.at = NSEC_NEVER,
	    .started = clock_wall() };
	/* Each compilation uses what the last one freed: no faults again. */
	(void)mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	m.loop = loop_new();
	if (prepare(&m) < 0) {
		m.exit_status = 1;
	} else {
		settings_drop(&m);
		if (!m.opt.successor) {
			m.control = control_new(m.loop, m.runtime.socket_fd,
			    on_command, &m);
			master_open_heir(&m);
		}
		m.tick = (struct timer_at){ .at = NSEC_NEVER, .fire = on_tick,
		    .arg = &m };
		loop_at(m.loop, &m.tick, clock_mono() + NSEC_SEC);
		m.watchdog = (struct timer_at){ .at = NSEC_NEVER,
		    .fire = on_watchdog, .arg = &m };
		loop_at(m.loop, &m.watchdog, clock_add(clock_mono(),
		    notify_watchdog()));
		m.start_timer = (struct timer_at){ .at = NSEC_NEVER,
		    .fire = start_workers, .arg = &m };
		m.sync_until = m.opt.successor ? NSEC_NEVER :
		    clock_mono() + SYNC_TIME;
		start_workers(&m.start_timer);
		watch_sources(&m);
		while (m.phase < PHASE_STOPPING || supervise_alive(&m) != 0)
			loop_turn(m.loop, NSEC_NEVER);
		if (m.stepped_down && getpid() == 1)
			as_init(&m);
	}
	finish(&m);
	return m.exit_status;
}
