/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The running master: one struct that its parts share. Each part owns the
 * members under its name; the loop runs them one at a time, so nothing here
 * needs a lock.
 *
 *   run.c        start, loop, signals, stop
 *   source.c     the configuration: file, provider's files, embedded default
 *   reload.c     from the source to a published table
 *   publish.c    sealing, sending, counting acknowledgements
 *   supervise.c  workers: fork, exec, respawn, heartbeat
 *   resize.c     more workers, or fewer
 *   passages.c   where the connections of workers that leave go
 *   watch.c      inotify on the provider's files
 *   logs.c       log descriptors of master and workers
 *   tickets_rotate.c  session ticket keys
 *   names_dns.c  the DNS child and what it found
 *   cluster.c    what the same child says of a Kubernetes cluster
 *   status.c     akkod status
 *   connections.c  akkod connections
 *   report.c     commands that only look, answered by a copy of the master
 *   notify.c     what the service manager is told
 *   upgrade.c    another program takes over from this one
 *   succeed.c    this one takes over from another
 *   rescue.c     the one that took over is killed: this program again
 *   will.c       what is left for a successor when this one is killed
 */
#ifndef MASTER_H
#define MASTER_H

#include "change.h"
#include "compile.h"
#include "control.h"
#include "handover.h"
#include "listen.h"
#include "live.h"
#include "logfile.h"
#include "loop.h"
#include "msg.h"
#include "name_map.h"
#include "runtime.h"
#include "tickets.h"

#include <sys/types.h>

struct local_ca;
struct source;
struct watcher;
struct dns;
struct cluster;
struct master;

/* What the command line says; the configuration may fill what it leaves. */
struct run_options {
	const char *config_path;	/* NULL: the usual places */
	const char *runtime_dir;	/* NULL: configured or the default */
	const char *state_dir;
	int ready_fd;			/* akkod start waits here; -1 */
	bool detached;			/* no terminal to log to */
	bool successor;			/* takes the place of another master */
};

/* ---- Workers ---------------------------------------------------------------------- */

#define CRASHES_KEPT	16

struct outgoing;
struct tservice;

struct worker_slot {
	struct master *m;
	unsigned id;
	pid_t pid;			/* 0: not running */
	int control;			/* -1 */
	struct watch watch;
	struct timer_at respawn;
	struct worker_slot *adopter;	/* accepts for it while it is down */
	struct outgoing *out;		/* messages that did not fit yet */
	nsec_t crashes[CRASHES_KEPT];	/* times, newest at ncrashes - 1 */
	unsigned ncrashes;		/* ever */
	nsec_t started;
	bool ready;			/* its ring runs */
	bool answered;			/* a status reply since it was asked */
	bool aborted;			/* SIGABRT was sent: it hangs */
	bool leaving;			/* there are fewer now: it drains */
	uint32_t backend;
	char why[120];			/* of the backend */
	uint64_t acked;			/* generation it serves */
	uint64_t refused;		/* generation it did not take */
	char refusal[200];
	struct msg_status status;	/* last reply */
	json_t *connections;		/* the same; NULL: it was not asked */
	unsigned silent;		/* ticks without a heartbeat */
	int64_t beat;			/* last heartbeat seen */
};

/* ---- Publishing --------------------------------------------------------------------- */

struct publication {
	uint64_t number;		/* generation; 0: none yet */
	uint64_t content_hash;
	int table_fd, keys_fd;		/* sealed; -1 */
	struct compiled info;		/* without image and keys */
	nsec_t at;			/* wall clock */
};

/* Somebody who wants to know when all workers serve a generation. */
struct waiter {
	uint64_t client;		/* of the control socket; 0: the start */
	uint64_t generation;
	nsec_t deadline;
	bool used;
	json_t *notes;			/* goes into the answer; may be NULL */
};

#define WAITERS_MAX	32
#define REPORTS_MAX	8

/* Hashes of the diagnostics that were logged last, sorted. */
struct said { uint64_t *v; unsigned n; };

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING, PHASE_ENDED };

struct master {
	struct run_options opt;
	enum phase phase;
	int exit_status;
	char *failure;			/* why the start failed */
	struct loop *loop;
	struct runtime runtime;
	struct control *control;
	char *state_dir;
	nsec_t started;			/* wall clock */

	struct source *source;
	struct diags first_diags;	/* of the first load, until they are logged */
	struct watcher *watcher;
	char *config_error;		/* of the last load, NULL: it was good */
	nsec_t config_loaded;		/* wall clock, last good load */
	struct said said;

	struct live *live;
	int live_fd;
	unsigned live_base;		/* the slot there of worker 0 */
	struct registry live_services, live_servers, live_limits;

	struct listeners listeners;
	struct worker_slot *slots;	/* WORKERS_MAX of them */
	unsigned nworkers;		/* the first so many are in use */
	struct timer_at resize_timer, close_timer;
	unsigned max_conns, max_per_address, max_fibers;
	struct akkod_limits limits;	/* as they were at the start */
	uint32_t io;			/* as enum ring_backend: 0 auto, 1 uring, 2 epoll */
	uid_t worker_uid;
	gid_t worker_gid;
	bool drop_user;			/* the master is root */

	struct publication now;
	struct waiter waiters[WAITERS_MAX];
	struct timer_at waiter_timer;
	struct timer_at renew_timer;

	struct logfile log, access_log;
	bool has_access_log;
	uint32_t log_format;		/* enum log_format */

	struct tickets tickets;
	int tickets_fd;
	struct timer_at tickets_timer;

	struct local_ca *ca;
	struct cert_store *certs;
	struct dns *dns;

	struct predecessor *before;	/* whose place this one takes; NULL */
	int will_fd;			/* see will.c; -1 */
	struct timer_at will_timer;
	struct upgrade *upgrade;	/* who takes the place of this one; NULL */
	bool stepped_down;		/* it has */
	struct cluster *cluster;

	struct watch signals;
	struct timer_at tick;		/* every second: heartbeat, log sizes */
	struct timer_at stop_timer, accept_timer;
	struct timer_at watchdog;
	struct timer_at start_timer;
	nsec_t sync_until;		/* how long the workers wait for a cluster */
	bool unready;			/* drained: ping says no */
	char *waiting;			/* which providers have not spoken, or NULL */
	uint64_t stop_clients[WAITERS_MAX];	/* who asked for the stop */
	unsigned nstop_clients;
	uint64_t status_clients[WAITERS_MAX];
	unsigned nstatus_clients;
	struct timer_at status_timer;
	uint64_t connections_clients[WAITERS_MAX];
	unsigned nconnections_clients;
	struct timer_at connections_timer;
	pid_t reports[REPORTS_MAX];	/* see report.c; 0: none */
};

/* ---- run.c ------------------------------------------------------------------------------ */

/* Runs until told to stop; returns the exit status. */
int	master_run(const struct run_options *opt);
/* The start cannot succeed: says so to whoever waits and ends. */
void	master_fail(struct master *m, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* Every worker serves the first generation. */
void	master_started(struct master *m);
void	master_stop(struct master *m, bool now, uint64_t client);
/* From now on somebody may come after us, should we be killed. */
void	master_open_heir(struct master *m);
/* From now on this is the akkod of the runtime directory. */
void	master_commit(struct master *m);
/* Another one is: what is in flight here ends, then this process. */
void	master_step_down(struct master *m);

/* ---- supervise.c ------------------------------------------------------------------------- */

int	supervise_init(struct master *m);
/* Starts the workers that there are to be and are not. */
void	supervise_start(struct master *m);
/* This slot is no longer in use: its worker ends what it has, and ends. */
void	supervise_leave(struct worker_slot *s);
/* Nobody accepts from the sockets of a slot that was left any more. */
void	supervise_left(struct worker_slot *s);
/* After SIGCHLD. */
void	supervise_reap(struct master *m);
/* Queues one message to a worker; descriptors are borrowed. */
void	supervise_send(struct worker_slot *s, enum msg_type type,
	    const void *payload, size_t bytes, const int *fds, unsigned nfds);
void	supervise_send_all(struct master *m, enum msg_type type,
	    const void *payload, size_t bytes, const int *fds, unsigned nfds);
/* Whether ping says no; also to workers that start later. */
void	supervise_unready(struct master *m, bool unready);
void	supervise_send_listener(struct master *m, const struct listener *l);
void	supervise_listener_gone(struct master *m, const struct listener *l);
void	supervise_tick(struct master *m);
/* The words in the live state that are written by the worker of a slot. */
struct live_worker *live_worker_of(const struct worker_slot *s);
unsigned supervise_alive(const struct master *m);
/* What a predecessor wants to know before it goes. */
struct ho_health supervise_health(const struct master *m);
void	supervise_kill(struct master *m, int sig);
void	supervise_fini(struct master *m);

/* ---- resize.c ------------------------------------------------------------------------------- */

/* There are to be n workers from now on. */
void	resize_workers(struct master *m, unsigned n);

/* ---- passages.c ----------------------------------------------------------------------------- */

/* From the workers beyond m->nworkers, up to `was`, to those that stay. */
void	passages_resize(struct master *m, unsigned was);
/* From all workers to those of the successor, who has so many. */
void	passages_upgrade(struct master *m, int sock, unsigned workers);
/* The end that came from the predecessor goes to a worker; fd is the callee's. */
void	passages_take(struct master *m, unsigned n, const uint8_t key[32],
	    int fd);
/* From orphan i of n, whose control socket is given. */
void	passages_orphan(struct master *m, int control, unsigned i, unsigned n);

/* ---- publish.c ---------------------------------------------------------------------------- */

/*
 * Seals and sends, unless the content is what is served already. Takes the
 * contents of *c. 1 published, 0 unchanged, -errno.
 */
int	publish_table(struct master *m, struct compiled *c);
void	publish_to(struct worker_slot *s);
/* Answers client once every worker serves the current generation or failed. */
void	publish_wait(struct master *m, uint64_t client, json_t *notes);
/* After anything that may settle a waiter. */
void	publish_progress(struct master *m);
void	publish_fini(struct master *m);

/* ---- reload.c ------------------------------------------------------------------------------ */

/*
 * Reads the configuration again (whole: also the -c file) and publishes. 0, or
 * -EINVAL with the message that is also in m->config_error; the last good
 * generation then stays. *ret_notes gets warnings for the one who asked.
 */
int	reload_all(struct master *m, json_t **ret_notes);
/* Only the provider's files changed. */
void	reload_files(struct master *m);
/* Nothing was read anew: names resolved, certificates near their end. */
void	reload_compile(struct master *m);
/* Publishes what m->source was loaded with: listeners, first table. */
int	reload_first(struct master *m);

/* ---- watch.c -------------------------------------------------------------------------------- */

/* Watches the provider's files of the source in use. */
void	watch_sources(struct master *m);
/* Every second: watches a folder that was not there before. */
void	watch_tick(struct master *m);
void	watch_fini(struct master *m);

/* ---- logs.c --------------------------------------------------------------------------------- */

int	logs_open(struct master *m, char *err, size_t err_size);
void	logs_send(struct worker_slot *s);
void	logs_reopen(struct master *m);
void	logs_tick(struct master *m);
void	logs_fini(struct master *m);

/* ---- tickets_rotate.c ------------------------------------------------------------------------ */

int	tickets_start(struct master *m);
/* Goes on with sealed keys; takes the descriptor over. 0 or -errno. */
int	tickets_take(struct master *m, int fd);
void	tickets_fini(struct master *m);

/* ---- names_dns.c ------------------------------------------------------------------------------ */

void	dns_init(struct master *m);
/* Begins with what another one had found, as dns_status() tells it. */
void	dns_take(struct master *m, const json_t *names);
unsigned dns_resolve(void *arg, struct str name, struct addr out[RESOLVED_MAX]);
/* That of the controller; 0: it does not run. */
pid_t	dns_pid(const struct master *m);
/* True when the pid was that of the DNS child. */
bool	dns_reaped(struct master *m, pid_t pid);
void	dns_fini(struct master *m);
json_t *dns_status(const struct master *m);
/* The controller runs from now on, also without a name to resolve. */
void	controller_need(struct master *m);
/* Ends it; a new one follows at once. */
void	controller_restart(struct master *m);

/* ---- cluster.c --------------------------------------------------------------------------------- */

void	cluster_init(struct master *m);
void	cluster_fini(struct master *m);
/* After a configuration was taken: are other settings to be told? */
void	cluster_settings(struct master *m);
bool	cluster_wanted(const struct master *m);
/* A new controller listens on control. 0 or -errno: it cannot be told. */
int	cluster_started(struct master *m, int control);
/* False when the controller is not to be listened to any more. */
bool	cluster_receive(struct master *m, const struct msg_bytes *msg);
/* All that stood in the socket was received. */
void	cluster_received(struct master *m);
/* What Kubernetes adds to the world of a configuration; how many parts. */
unsigned cluster_world(struct master *m, const struct config *c,
	    struct world_part *out);
/* Has every configured provider been synchronised once? */
bool	cluster_synced(const struct master *m);
/* One provider: state, objects, what was refused. */
json_t *cluster_source(const struct master *m, enum change_part part);
/* The watches that providers share, and the snapshot. */
json_t *cluster_status(const struct master *m);

/* ---- status.c ---------------------------------------------------------------------------------- */

void	status_ask(struct master *m, uint64_t client);
/* A worker has answered. */
void	status_progress(struct master *m);

/* ---- connections.c -------------------------------------------------------------------------------- */

void	connections_ask(struct master *m, uint64_t client);
/* A worker has answered, or ended. */
void	connections_answer(struct worker_slot *s,
	    const struct msg_connections *msg);
void	connections_progress(struct master *m);

/* ---- servers_status.c ----------------------------------------------------------------------------- */

/* Of every server that is probed, or judged by its answers: is it up? */
json_t *servers_status(const struct master *m);
/* As a worker sees a server of this service, which has this slot. */
bool	server_up(const struct master *m, const struct tservice *sv,
	    uint32_t slot);

/* ---- upgrade.c ------------------------------------------------------------------------------------ */

/* Starts another program (NULL: the own path) that is to take over. */
void	upgrade_start(struct master *m, uint64_t client, const char *binary);
/* True when the pid was that of the other program. */
bool	upgrade_reaped(struct master *m, pid_t pid, int status);
/* Breaks it off, unless it is over. */
void	upgrade_stop(struct master *m);
/* The other one has taken over, or is about to. */
bool	upgrade_committed(const struct master *m);
void	upgrade_fini(struct master *m);
/*
 * Writes all that a successor needs, from STATE to LAST, into a socket. The
 * descriptors stand for the lock and the control socket. 0 or -errno.
 */
int	handover_write(const struct master *m, int sock, int pid_fd,
	    int socket_fd);

/* ---- succeed.c ------------------------------------------------------------------------------------- */

/* Receives everything; waits. 0 or -errno. */
int	succeed_begin(struct master *m);
/* Why it does not come to that. */
void	succeed_refuse(const char *text);
/* The lock and the socket of the runtime directory. */
void	succeed_runtime(struct master *m);
/* Live state, tickets, names, listeners, instead of new ones. 0 or -errno. */
int	succeed_take(struct master *m);
/* The workers serve. */
void	succeed_ready(struct master *m);
/* An entry point has another name: old workers could not use the table. */
void	succeed_renamed(struct master *m);
/* The old workers are to have the new table as well. */
void	succeed_published(struct master *m);
/* How many processes of before there are; 0 when none. */
unsigned succeed_old_workers(const struct master *m);
json_t *succeed_status(const struct master *m);
void	succeed_fini(struct master *m);
/*
 * Finds what a killed master left: true when there is something to take over
 * by succeed_take(). May wait a moment.
 */
bool	succeed_find_orphans(struct master *m);

/* ---- rescue.c --------------------------------------------------------------------------------------- */

/* Whoever ended like that was not told to, and nobody else looks after it. */
bool	rescue_needed(int status);
/*
 * Starts this program anew, beside this process, which has stepped down: it
 * takes over from the workers that the dead master left.
 */
void	rescue_start(struct master *m);

/* ---- will.c ------------------------------------------------------------------------------------------ */

/* Something changed that a successor must know. */
void	will_update(struct master *m);
/* The current one to a worker that starts. */
void	will_send(struct worker_slot *s);
void	will_fini(struct master *m);

#endif
