/* SPDX-License-Identifier: BSD-2-Clause */
/* The worker process; see worker.h. */
#include "worker.h"

#include "access_log.h"
#include "clients.h"
#include "conn.h"
#include "context.h"
#include "generation.h"
#include "hasher.h"
#include "health.h"
#include "inherit.h"
#include "live.h"
#include "log.h"
#include "look.h"
#include "msg.h"
#include "orphan.h"
#include "passage.h"
#include "pool.h"
#include "privdrop.h"
#include "tickets.h"
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct worker_limits default_limits = {
	.max_fibers = 4096,
	.max_per_server = 1024,
	.tls_handshake_ns = 10 * NSEC_SEC,
	.first_byte_ns = 30 * NSEC_SEC,
	.head_ns = 10 * NSEC_SEC,
	.body_gap_ns = 60 * NSEC_SEC,
	.write_gap_ns = 300 * NSEC_SEC,
	.tunnel_idle_ns = 3600 * NSEC_SEC,
	.linger_ns = 2 * NSEC_SEC,
	.linger_bytes = 256 * 1024,
	.arena_bytes = 2 << 20,
};

const char *
worker_date(struct worker *w)
{
	int64_t sec = clock_wall() / NSEC_SEC;

	if (sec != w->date_sec) {
		http_date(sec, w->date);
		w->date_sec = sec;
	}
	return w->date;
}

/* ---- Messages of the master ------------------------------------------------ */

static struct listener *
find_listener(const struct worker *w, const struct msg_listener *m)
{
	struct listener *l = w->listeners;

	while (l != NULL && (l->id != m->entry_point ||
	    l->address != m->address || l->fd < 0))
		l = l->next;
	return l;
}

static void
on_adopted(void *arg)
{
	struct listener *l = arg;
	int fd;

	while (l->fd >= 0 && (fd = accept4(l->fd, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_accepted(l, fd);
}

/*
 * The kernel wakes one of the rings that accept from a socket, and that may be
 * the one that hangs and for which this worker accepts. Whoever only watches is
 * woken in any case.
 */
static void
listener_accept(struct listener *l)
{
	struct worker *w = l->w;

	if (l->acceptor != NULL || l->watch != NULL)
		return;
	if (l->address == w->id % WORKERS_MAX)
		l->acceptor = acceptor_start(w->ring, l->fd, conn_accepted, l);
	else
		l->watch = watch_start(w->ring, l->fd, on_adopted, l);
}

static void
on_listener(struct worker *w, const struct msg_listener *m, int fd)
{
	struct listener *l = find_listener(w, m);
	char *name = strndup(m->name, sizeof(m->name));

	if (l != NULL) {
		/* The entry point gets another name; its connections stay. */
		free(l->next_name);
		l->next_name = name;
		close(fd);
		return;
	}
	if (name == NULL || (l = calloc(1, sizeof(*l))) == NULL) {
		free(name);
		close(fd);
		return;
	}
	l->name = name;
	l->w = w;
	l->id = m->entry_point;
	l->address = m->address;
	l->fd = fd;
	l->ep = TNONE;
	l->next = w->listeners;
	w->listeners = l;
	if (w->gen != NULL) {
		generation_rebind(w);
		listener_accept(l);
	}
}

/*
 * No more from this socket. What waits in its queue is served all the same:
 * closing would reset it (security 5.2). Connections keep their listener, so
 * it is not freed.
 */
static void
listener_close(struct listener *l)
{
	int fd;

	if (l->acceptor != NULL)
		acceptor_stop(l->acceptor);
	l->acceptor = NULL;
	if (l->watch != NULL)
		watch_stop(l->watch);
	l->watch = NULL;
	while (l->fd >= 0 && l->w->gen != NULL && (fd = accept4(l->fd, NULL,
	    NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_accepted(l, fd);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void
on_listener_gone(struct worker *w, const struct msg_listener *m)
{
	struct listener *l = find_listener(w, m);

	if (l != NULL)
		listener_close(l);
}

static void
start_accepting(struct worker *w)
{
	for (struct listener *l = w->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && !w->draining)
			listener_accept(l);
}

static void
on_table(struct worker *w, const struct msg_table *m, const int *fds)
{
	struct msg_table_ack ack = { .generation = m->generation };
	const char *why = "";

	ack.error = generation_install(w, fds[0], fds[1], &why);
	if (ack.error < 0) {
		snprintf(ack.text, sizeof(ack.text), "%s", why);
		log_error("table %llu is refused: %s",
		    (unsigned long long)m->generation, why);
	} else
		start_accepting(w);
	(void)msg_send(INHERIT_CONTROL, MSG_TABLE_ACK, &ack, NULL);
}

static void
on_tickets(struct worker *w, int fd)
{
	struct tls_ticket_key keys[TLS_TICKET_KEYS];
	struct tickets t;

	_Static_assert(sizeof(t.key) == sizeof(keys), "one layout");
	if (tickets_read(fd, &t) == 0) {
		memcpy(keys, t.key, sizeof(keys));
		tls_contexts_set_tickets(w->tls, keys);
		explicit_bzero(keys, sizeof(keys));
		explicit_bzero(&t, sizeof(t));
	}
	close(fd);
}

static void
on_log(struct worker *w, const struct msg_log *m, const int *fds)
{
	/* The old descriptor goes; the place named LOG stays the log's. */
	if (dup2(fds[0], INHERIT_LOG) >= 0)
		log_open(INHERIT_LOG, (enum log_level)m->level,
		    (enum log_format)m->format);
	close(fds[0]);
	if (m->has_access_log)
		access_log_set_fd(w->access_log, fds[1]);
	else {
		close(fds[1]);
		access_log_set_fd(w->access_log, -1);
	}
}

static void
on_drain(struct worker *w, const struct msg_drain *m)
{
	w->unready = m->stage != DRAIN_NOT;
	if (m->stage != DRAIN_END)
		return;
	w->draining = true;
	orphan_end(w);
	w->drain_until = ring_now(w->ring) + m->grace_ns;
	w->drain_idle = m->idle_ns;
	/*
	 * Closed, not only unwatched: once the master's own copy goes, the port
	 * is free, and nobody queues where nobody accepts.
	 */
	for (struct listener *l = w->listeners; l != NULL; l = l->next)
		listener_close(l);
	conn_drain(w);
}

static void
on_status(struct worker *w)
{
	struct msg_status s = { .connections = w->nconns,
	    .generation = w->gen != NULL ? w->gen->number : 0,
	    .requests = atomic_load(&w->mine->requests),
	    .accepted = atomic_load(&w->mine->accepted),
	    .log_dropped = log_dropped(),
	    .access_log_dropped = access_log_dropped(w->access_log),
	    .backend = (uint32_t)ring_backend(w->ring),
	    .draining = w->draining };
	struct fiber_stats fs;
	struct ring_stats rs;
	struct tls_stats ts;
	struct passage_stats ps;

	passage_stats(w, &ps);
	s.moved_in = ps.in;
	s.moved_out = ps.out;
	s.moved_not = ps.kept;
	tls_contexts_stats(w->tls, &ts);
	s.tls_own = ts.own;
	s.tls_openssl = ts.openssl;
	fiber_stats(w->ring, &fs);
	ring_stats(w->ring, &rs);
	s.fibers = fs.in_use;
	s.fibers_most = fs.most_in_use;
	s.buffers = rs.small_used + rs.large_used;
	s.turns = rs.turns;
	s.completions = rs.completions;
	snprintf(s.why, sizeof(s.why), "%s", w->why);
	(void)msg_send(INHERIT_CONTROL, MSG_STATUS_REPLY, &s, NULL);
}

static void
on_connections(struct worker *w)
{
	static struct msg_connections m;

	look_at_connections(w, &m);
	(void)msg_send(INHERIT_CONTROL, MSG_CONNECTIONS_REPLY, &m, NULL);
}

static void
dispatch(struct worker *w, const struct msg *m)
{
	const void *p = m->payload;

	switch (m->type) {
	case MSG_LISTENER:
		on_listener(w, p, m->fds[0]);
		break;
	case MSG_LISTENER_GONE:
		on_listener_gone(w, p);
		break;
	case MSG_TABLE:
		on_table(w, p, m->fds);
		break;
	case MSG_TICKETS:
		on_tickets(w, m->fds[0]);
		break;
	case MSG_LOG:
		on_log(w, p, m->fds);
		break;
	case MSG_DRAIN:
		on_drain(w, p);
		break;
	case MSG_STATUS:
		on_status(w);
		break;
	case MSG_CONNECTIONS:
		on_connections(w);
		break;
	case MSG_WILL:
		orphan_will(w, p, m->fds);
		break;
	case MSG_PASSAGE:
		passage_add(w, p, m->fds[0]);
		break;
	default:
		log_error("the master sent a message that is not for workers");
		w->stop = true;
	}
}

/*
 * Descriptors kept back. A message brings some along, and without room for them
 * it would be lost, and the worker with it: clients cannot take these.
 */
static int spare[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };

static void
spare_close(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(spare); i++) {
		if (spare[i] >= 0)
			close(spare[i]);
		spare[i] = -1;
	}
}

static void
spare_open(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(spare); i++)
		if (spare[i] < 0)
			spare[i] = fcntl(INHERIT_LIVE, F_DUPFD_CLOEXEC, 0);
}

/* Nobody will say any more when to end. */
static void
drain_alone(struct worker *w)
{
	if (!w->draining)
		log_info("the master is gone: draining");
	on_drain(w, &(struct msg_drain){ .stage = DRAIN_END,
	    .grace_ns = 10 * NSEC_SEC, .idle_ns = NSEC_SEC });
}

/* The master's end of file ends the worker in order (S-203), or orphans it. */
static void
on_control(void *arg)
{
	struct worker *w = arg;
	static struct msg m;	/* too large for a stack; one at a time */
	int r;

	spare_close();
	while ((r = msg_recv(INHERIT_CONTROL, &m)) > 0) {
		dispatch(w, &m);
		if (m.type == MSG_PASSAGE)	/* there is a key in it */
			explicit_bzero(m.payload, sizeof(m.payload));
	}
	if (r == -EAGAIN) {
		spare_open();
		return;
	}
	watch_stop(w->control);
	w->control = NULL;
	if (!orphan_begin(w))
		drain_alone(w);
}

void
worker_obey(struct worker *w)
{
	w->control = watch_start(w->ring, INHERIT_CONTROL, on_control, w);
	if (w->control == NULL)
		drain_alone(w);
}

/* ---- Start ------------------------------------------------------------------ */

/* The first message says who this worker is; it waits for it without a ring. */
static int
read_hello(struct msg_hello *ret)
{
	static struct msg m;
	int r;

	while ((r = msg_recv(INHERIT_CONTROL, &m)) == -EAGAIN)
		usleep(200);
	if (r <= 0 || m.type != MSG_HELLO)
		return -EPROTO;
	memcpy(ret, m.payload, sizeof(*ret));
	ret->hostname[sizeof(ret->hostname) - 1] = '\0';
	return 0;
}

static enum ring_backend
backend_wanted(const struct msg_hello *h)
{
	const char *io = getenv("AKKOD_IO");

	if (io != NULL && strcmp(io, "uring") == 0)
		return RING_URING;
	if (io != NULL && strcmp(io, "epoll") == 0)
		return RING_EPOLL;
	return h->io <= RING_EPOLL ? (enum ring_backend)h->io : RING_AUTO;
}

static int
make_ring(struct worker *w, const struct msg_hello *h)
{
	struct ring_options o = { .backend = backend_wanted(h),
	    .max_socks = w->limits.max_conns * 2 + 64,
	    .max_fibers = w->limits.max_fibers,
	    .small_buffers = 8192, .large_buffers = 256 };
	int r = ring_new(&o, &w->ring, &w->why);

	if (r < 0 && o.backend == RING_URING) {
		/* Asked for and refused is a reason for epoll, not an end. */
		const char *why = w->why;

		log_warn("%s: epoll is used", why);
		o.backend = RING_EPOLL;
		if ((r = ring_new(&o, &w->ring, &w->why)) == 0)
			w->why = why;
	}
	return r;
}

static void
set_times(struct worker_limits *l, const struct msg_hello *h)
{
	const struct { nsec_t *time; int64_t given; } times[] = {
		{ &l->tls_handshake_ns, h->handshake_ns },
		{ &l->first_byte_ns, h->first_byte_ns },
		{ &l->head_ns, h->head_ns },
		{ &l->body_gap_ns, h->body_gap_ns },
		{ &l->write_gap_ns, h->write_gap_ns },
		{ &l->tunnel_idle_ns, h->tunnel_idle_ns },
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		if (times[i].given > 0)
			*times[i].time = times[i].given;
}

static int
worker_init(struct worker *w, const struct msg_hello *h)
{
	int r;

	w->limits = default_limits;
	w->limits.max_conns = h->max_conns != 0 ? h->max_conns : 16384;
	w->limits.max_per_address = h->max_per_address != 0 ?
	    h->max_per_address : 1024;
	if (h->max_fibers != 0)
		w->limits.max_fibers = h->max_fibers;
	if (h->max_per_server != 0)
		w->limits.max_per_server = h->max_per_server;
	set_times(&w->limits, h);
	snprintf(w->hostname, sizeof(w->hostname), "%s", h->hostname);
	if ((r = live_attach(INHERIT_LIVE, &w->live)) < 0)
		return r;
	if (h->id >= LIVE_WORKERS)
		return -EINVAL;
	w->id = h->id;
	w->mine = &w->live->workers[h->id];
	if ((r = make_ring(w, h)) < 0)
		return r;
	w->hasher = hasher_new(w->ring);	/* threads are processes, too */
	if ((r = privdrop_processes()) < 0)
		return r;
	tls_init();
	w->tls = tls_contexts_new();
	w->pool = pool_new(w);
	w->passages = passages_new();
	w->clients = clients_new(w->live->seed);
	w->access_log = access_log_new(w);
	spare_open();
	w->control = watch_start(w->ring, INHERIT_CONTROL, on_control, w);
	return w->tls == NULL || w->pool == NULL || w->clients == NULL ||
	    w->passages == NULL ||
	    w->access_log == NULL || w->control == NULL ? -ENOMEM : 0;
}

static void
say_ready(struct worker *w)
{
	struct msg_ready m = { .backend = (uint32_t)ring_backend(w->ring) };

	snprintf(m.why, sizeof(m.why), "%s", w->why);
	log_info("ready on %s: %s", ring_backend_name(ring_backend(w->ring)),
	    w->why);
	(void)msg_send(INHERIT_CONTROL, MSG_READY, &m, NULL);
}

/* ---- The loop ------------------------------------------------------------------ */

static bool
drained(const struct worker *w)
{
	return w->draining && (w->nconns == 0 ||
	    ring_now(w->ring) >= w->drain_until);
}

static int
worker_loop(struct worker *w)
{
	int r = 0;

	while (r == 0 && !w->stop && !drained(w)) {
		nsec_t until = ring_now(w->ring) + NSEC_SEC;

		if (w->draining && w->drain_until < until)
			until = w->drain_until;
		health_tick(w);
		r = ring_turn(w->ring, until);
		if (orphan_expired(w))
			drain_alone(w);
		access_log_flush(w->access_log);
		atomic_store_explicit(&w->mine->heartbeat,
		    ring_now(w->ring), memory_order_relaxed);
	}
	return r;
}

int
worker_main(int argc, char **argv)
{
	static struct worker w = { .will_fd = -1, .heir_fd = -1,
	    .orphan_until = NSEC_NEVER };
	struct jail jail = { .max_files = 1 << 20 };
	struct msg_hello hello;
	const char *what;
	char role[32];
	int r;

	snprintf(role, sizeof(role), "worker %s", argc > 2 ? argv[2] : "?");
	log_set_role(role);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);	/* the master says when to end */
	if (inherit_check() < 0) {
		fprintf(stderr, "akkod worker: started by hand\n");
		return 2;
	}
	log_open(INHERIT_LOG, LOG_INFO, LOG_COMMON);
	if ((r = read_hello(&hello)) < 0)
		return 1;
	log_open(INHERIT_LOG, (enum log_level)hello.log_level,
	    (enum log_format)hello.log_format);
	/* The ids were changed before this program was executed. */
	jail.uid = getuid();
	jail.gid = getgid();
	if ((r = privdrop(&jail, &what)) < 0) {
		log_error("%s: %s", what, strerror(-r));
		return 1;
	}
	if ((r = worker_init(&w, &hello)) < 0) {
		log_error("cannot start: %s", strerror(-r));
		return 1;
	}
	say_ready(&w);
	if ((r = worker_loop(&w)) < 0)
		log_error("the ring failed: %s", strerror(-r));
	access_log_free(w.access_log);
	/* What is open ends with the process; its memory as well. */
	return r < 0;
}
