/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's side of name resolution: which names servers have, what the
 * controller found for them. The controller is started with the first name and
 * parses what comes from the network; here only fixed messages arrive, and a
 * name that nobody asked for ends it.
 */
#include "master.h"

#include "alloc.h"
#include "inherit.h"
#include "log.h"
#include "privdrop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define NAMES_LIMIT	4096
#define COALESCE	(10 * NSEC_MSEC)	/* names resolve in bursts */
#define AGAIN		(50 * NSEC_MSEC)	/* when its socket is full */
#define FILES		256
#define TURN		256			/* messages between two looks at others */

struct known {
	char *name;
	struct addr addrs[RESOLVED_MAX];
	unsigned n;
	bool unasked;		/* the controller's socket was full */
};

struct dns {
	struct master *m;
	pid_t pid;
	int control;
	struct watch watch;
	struct timer_at respawn, changed, again;
	struct names index;
	struct known *v;
	unsigned n;
	bool planned;		/* its end was asked for */
};

static void
ask(struct dns *d, struct known *k)
{
	struct msg_name msg;

	if (d->control < 0)
		return;
	memset(&msg, 0, sizeof(msg));
	memcpy(msg.name, k->name, strlen(k->name));
	k->unasked = msg_send(d->control, MSG_RESOLVE, &msg, NULL) == -EAGAIN;
	if (k->unasked && d->again.at == NSEC_NEVER)
		loop_at(d->m->loop, &d->again, clock_mono() + AGAIN);
}

static void
again_fire(struct timer_at *t)
{
	struct dns *d = t->arg;

	for (unsigned i = 0; i < d->n; i++)
		if (d->v[i].unasked)
			ask(d, &d->v[i]);
}

static void
close_control(struct dns *d)
{
	int fd = d->watch.fd;

	loop_remove(d->m->loop, &d->watch);
	if (fd >= 0)
		(void)close(fd);
	d->control = -1;
}

static bool
on_resolved(struct dns *d, const struct msg_resolved *msg)
{
	struct known *k;
	uint32_t i;

	if (memchr(msg->name, '\0', sizeof(msg->name)) == NULL ||
	    msg->n > RESOLVED_MAX)
		return false;
	i = names_get(&d->index, str_c(msg->name));
	if (i == NAMES_NONE)
		return false;
	k = &d->v[i];
	if (k->n == msg->n && memcmp(k->addrs, msg->addrs,
	    msg->n * sizeof(k->addrs[0])) == 0)
		return true;
	memcpy(k->addrs, msg->addrs, sizeof(k->addrs));
	k->n = msg->n;
	log_info("name \"%s\" has %u address%s", k->name, k->n,
	    k->n == 1 ? "" : "es");
	if (d->changed.at == NSEC_NEVER)
		loop_at(d->m->loop, &d->changed, clock_mono() + COALESCE);
	return true;
}

static bool
on_message(struct dns *d, const struct msg *msg)
{
	for (unsigned i = 0; i < msg->nfds; i++)
		(void)close(msg->fds[i]);
	if (msg->type == MSG_RESOLVED)
		return on_resolved(d, (const void *)msg->payload);
	if (msg->type == MSG_CHANGES)
		return cluster_receive(d->m, (const void *)msg->payload);
	return false;
}

static void
ready(struct watch *w, uint32_t events)
{
	static struct msg msg;
	struct dns *d = w->arg;
	int r = -EAGAIN;

	(void)events;
	/* Bounded: who sends without end does not keep the master. */
	for (unsigned i = 0; i < TURN && (r = msg_recv(d->control, &msg)) ==
	    1; i++)
		if (!on_message(d, &msg)) {
			r = -EPROTO;
			break;
		}
	cluster_received(d->m);
	if (r == -EAGAIN || r == 1)
		return;
	if (r != 0 && d->pid > 0) {
		log_error("the controller sent what no controller sends; it "
		    "is killed");
		(void)kill(d->pid, SIGKILL);
	}
	close_control(d);
}

static void __attribute__((noreturn))
child(struct dns *d, int control)
{
	struct master *m = d->m;
	struct jail jail = { .uid = m->worker_uid, .gid = m->worker_gid,
	    .max_files = FILES };
	const char *what = "executing itself";
	int r = privdrop(&jail, &what);

	/* It has no business with the live state: the log stands in for it. */
	if (r == 0)
		r = inherit_exec("controller", cluster_wanted(m), control, m->log.fd,
		    m->log.fd);
	log_error("the controller cannot start: %s: %s", what, strerror(-r));
	_exit(127);
}

static void
spawn(struct dns *d)
{
	int pair[2];
	pid_t pid;

	if (msg_pair(pair) < 0)
		return;
	pid = fork();
	if (pid == 0)
		child(d, pair[1]);
	(void)close(pair[1]);
	if (pid < 0 || loop_add(d->m->loop, &d->watch, pair[0], EPOLLIN) < 0) {
		log_error("the controller cannot be started: %s",
		    strerror(errno));
		(void)close(pair[0]);
		return;
	}
	d->pid = pid;
	d->control = pair[0];
	d->planned = false;
	if (cluster_started(d->m, d->control) < 0) {
		log_error("the controller cannot be told what to watch");
		(void)kill(d->pid, SIGKILL);
	}
	for (unsigned i = 0; i < d->n; i++)
		ask(d, &d->v[i]);
}

static void
respawn_fire(struct timer_at *t)
{
	struct dns *d = t->arg;

	if (d->pid == 0 && d->m->phase <= PHASE_RUNNING)
		spawn(d);
}

static void
changed_fire(struct timer_at *t)
{
	struct dns *d = t->arg;

	if (d->m->phase <= PHASE_RUNNING)
		reload_compile(d->m);
}

void
dns_init(struct master *m)
{
	struct dns *d = xcalloc(1, sizeof(*d));

	d->m = m;
	d->control = -1;
	d->watch = (struct watch){ .fd = -1, .ready = ready, .arg = d };
	d->respawn = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = respawn_fire, .arg = d };
	d->changed = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = changed_fire, .arg = d };
	d->again = (struct timer_at){ .at = NSEC_NEVER, .fire = again_fire,
	    .arg = d };
	m->dns = d;
}

unsigned
dns_resolve(void *arg, struct str name, struct addr out[RESOLVED_MAX])
{
	struct master *m = arg;
	struct dns *d = m->dns;
	struct known *k;
	uint32_t i;

	if (name.n == 0 || name.n >= sizeof(((struct msg_name *)0)->name))
		return 0;
	i = names_get(&d->index, name);
	if (i == NAMES_NONE) {
		if (d->n == NAMES_LIMIT)
			return 0;
		d->v = xreallocarray(d->v, d->n + 1, sizeof(*d->v));
		i = names_add(&d->index, name, d->n++);
		d->v[i] = (struct known){ .name = xasprintf("%.*s",
		    STR_ARG(name)) };
		if (d->pid == 0 && d->respawn.at == NSEC_NEVER)
			loop_at(m->loop, &d->respawn, clock_mono());
		else
			ask(d, &d->v[i]);
	}
	k = &d->v[i];
	memcpy(out, k->addrs, k->n * sizeof(out[0]));
	return k->n;
}

void
dns_take(struct master *m, const json_t *names)
{
	struct dns *d = m->dns;
	struct addr out[RESOLVED_MAX];
	const char *name;
	json_t *list, *text;
	size_t i;

	json_object_foreach((json_t *)(size_t)names, name, list) {
		uint32_t at;

		/* Asking makes it known, and has it looked up again. */
		(void)dns_resolve(m, str_c(name), out);
		if ((at = names_get(&d->index, str_c(name))) == NAMES_NONE)
			continue;
		json_array_foreach(list, i, text)
			if (i < RESOLVED_MAX && json_is_string(text) &&
			    addr_parse(str_c(json_string_value(text)),
			    &d->v[at].addrs[d->v[at].n]) == 0)
				d->v[at].n++;
	}
}

pid_t
dns_pid(const struct master *m)
{
	return m->dns != NULL ? m->dns->pid : 0;
}

bool
dns_reaped(struct master *m, pid_t pid)
{
	struct dns *d = m->dns;

	if (d == NULL || pid != d->pid)
		return false;
	d->pid = 0;
	close_control(d);
	if (m->phase <= PHASE_RUNNING && d->planned) {
		loop_at(m->loop, &d->respawn, clock_mono());
	} else if (m->phase <= PHASE_RUNNING) {
		log_error("the controller ended; a new one follows");
		loop_at(m->loop, &d->respawn, clock_mono() + NSEC_SEC);
	}
	return true;
}

void
controller_need(struct master *m)
{
	struct dns *d = m->dns;

	if (d->pid != 0)
		controller_restart(m);
	else if (d->respawn.at == NSEC_NEVER)
		loop_at(m->loop, &d->respawn, clock_mono());
}

void
controller_restart(struct master *m)
{
	struct dns *d = m->dns;

	if (d->pid == 0)
		return;
	d->planned = true;
	(void)kill(d->pid, SIGKILL);
}

json_t *
dns_status(const struct master *m)
{
	json_t *o = json_object();
	char text[ADDR_TEXT];

	for (unsigned i = 0; m->dns != NULL && i < m->dns->n; i++) {
		const struct known *k = &m->dns->v[i];
		json_t *list = json_array();

		for (unsigned a = 0; a < k->n; a++)
			json_array_append_new(list,
			    json_string(addr_text(&k->addrs[a], text)));
		json_object_set_new(o, k->name, list);
	}
	return o;
}

void
dns_fini(struct master *m)
{
	struct dns *d = m->dns;

	if (d == NULL)
		return;
	loop_at(m->loop, &d->respawn, NSEC_NEVER);
	loop_at(m->loop, &d->changed, NSEC_NEVER);
	loop_at(m->loop, &d->again, NSEC_NEVER);
	close_control(d);
	for (unsigned i = 0; i < d->n; i++)
		free(d->v[i].name);
	free(d->v);
	names_fini(&d->index);
	free(d);
	m->dns = NULL;
}
