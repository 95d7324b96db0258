/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * akkod status: what master and workers know, as one JSON object. Workers are
 * asked first; one that does not answer within a second is shown with what the
 * shared state says of it.
 */
#include "master.h"

#include "log.h"
#include "source.h"

#include <string.h>
#include <unistd.h>

#define ANSWER_TIME	NSEC_SEC
#define LIST_BYTES	(1u << 20)	/* of what may be long, as JSON */

static const char *
backend_name(uint32_t b)
{
	/* As enum ring_backend; master and worker share no header. */
	static const char *const names[] = { "auto", "uring", "epoll",
	    "simulated" };

	return b < ARRAY_SIZE(names) ? names[b] : "?";
}

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
worker_json(const struct worker_slot *s)
{
	struct live_worker *l = live_worker_of(s);
	json_t *o = json_pack("{s:i, s:i, s:s, s:s, s:s}", "id", (int)s->id,
	    "pid", (int)s->pid, "state", s->pid == 0 ? "down" : s->leaving ?
	    "leaving" : s->ready ? "running" : "starting", "backend", backend_name(s->backend),
	    "why", s->why);
	const struct msg_status *st = &s->status;

	json_object_set_new(o, "generation", number(s->acked));
	if (s->refused > s->acked)
		json_object_set_new(o, "refused", json_string(s->refusal));
	json_object_set_new(o, "answered", json_boolean(s->answered));
	json_object_set_new(o, "restarts", number(s->ncrashes));
	json_object_set_new(o, "requests", number(atomic_load(&l->requests)));
	json_object_set_new(o, "accepted", number(atomic_load(&l->accepted)));
	json_object_set_new(o, "connections",
	    number(atomic_load(&l->connections)));
	json_object_set_new(o, "in_flight",
	    number(atomic_load(&l->in_flight)));
	json_object_set_new(o, "fibers", number(st->fibers));
	json_object_set_new(o, "fibers_most", number(st->fibers_most));
	json_object_set_new(o, "buffers", number(st->buffers));
	json_object_set_new(o, "tls_records", json_pack("{s:I, s:I}", "own",
	    (json_int_t)st->tls_own, "openssl", (json_int_t)st->tls_openssl));
	json_object_set_new(o, "moved", json_pack("{s:I, s:I, s:I}", "in",
	    (json_int_t)st->moved_in, "out", (json_int_t)st->moved_out,
	    "kept", (json_int_t)st->moved_not));
	json_object_set_new(o, "old_generations",
	    number(st->old_generations));
	json_object_set_new(o, "draining", json_boolean(st->draining));
	json_object_set_new(o, "log_dropped", number(st->log_dropped));
	json_object_set_new(o, "access_log_dropped",
	    number(st->access_log_dropped));
	return o;
}

static json_t *
listeners_json(const struct master *m)
{
	json_t *list = json_array();

	for (const struct listener *l = m->listeners.first; l != NULL;
	    l = l->next)
		if (!l->closing)
			json_array_append_new(list, json_pack(
			    "{s:s, s:s, s:i}", "entry_point", l->name,
			    "address", l->address, "port", (int)l->port));
	return list;
}

/*
 * There is always an answer (ANSWER_MAX of control.c), however much tenants
 * have that is wrong: of a list the first megabyte is told. How many are not.
 */
static unsigned
cut(json_t *list)
{
	size_t all = json_array_size(list), bytes = 0, keep = 0;

	while (keep < all && (bytes += json_dumpb(json_array_get(list, keep),
	    NULL, 0, JSON_COMPACT)) <= LIST_BYTES)
		keep++;
	for (size_t i = all; i > keep; i--)
		json_array_remove(list, i - 1);
	return (unsigned)(all - keep);
}

static json_t *
routers_json(const struct master *m)
{
	const struct compiled *c = &m->now.info;
	json_t *broken = json_array();
	unsigned unusable = 0;

	for (unsigned i = 0; i < c->nbroken; i++) {
		unusable += c->broken[i].unusable;
		json_array_append_new(broken, json_pack("{s:s, s:s, s:b}",
		    "name", c->broken[i].name, "error", c->broken[i].why,
		    "matches", !c->broken[i].unusable));
	}
	return json_pack("{s:i, s:i, s:o}", "ok", (int)(c->nrouters +
	    unusable - c->nbroken), "more", (int)cut(broken), "broken",
	    broken);
}

static json_t *
config_json(const struct master *m)
{
	const struct source *s = m->source;
	const struct file_provider *fp = s->config->file;
	json_t *o = json_pack("{s:s, s:I}", "source", s->path != NULL ?
	    s->path : "embedded default", "loaded",
	    (json_int_t)(m->config_loaded / NSEC_SEC));

	if (fp != NULL)
		json_object_set_new(o, "provider", json_string(
		    fp->directory != NULL ? fp->directory : fp->filename));
	json_object_set_new(o, "error", m->config_error != NULL ?
	    json_string(m->config_error) : json_null());
	return o;
}

static void
add_cluster(json_t *o, const struct master *m, enum change_part part)
{
	json_t *source = cluster_source(m, part);

	json_object_set_new(source, "more", json_integer(cut(json_object_get(
	    source, "refused"))));
	json_object_set_new(o, change_providers[part], source);
}

/* What the routes come from, and whether it is all there. */
static json_t *
sources_json(const struct master *m)
{
	const struct source *s = m->source;
	const struct dynamic *d = s->provided != NULL ? &s->provided->dynamic :
	    &s->config->dynamic;
	json_t *o = json_object();

	if (s->config->file != NULL)
		json_object_set_new(o, "file", json_pack(
		    "{s:s, s:{s:i, s:i, s:i, s:i}, s:i}", "state",
		    s->provided == NULL ? "waiting" : "synced", "objects",
		    "router", (int)d->routers.n, "service",
		    (int)d->services.n, "middleware", (int)d->middlewares.n,
		    "certificate", (int)d->certificates.n, "errors",
		    m->config_error != NULL ? 1 : 0));
	if (s->config->kube_ingress != NULL)
		add_cluster(o, m, PART_INGRESS);
	if (s->config->kube_crd != NULL)
		add_cluster(o, m, PART_CRD);
	return o;
}

static json_t *
status_json(const struct master *m)
{
	json_t *servers = servers_status(m);
	static const char *const phases[] = { "starting", "running",
	    "stopping", "ended" };
	json_t *workers = json_array(), *o;

	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (i < m->nworkers || m->slots[i].pid != 0)
			json_array_append_new(workers,
			    worker_json(&m->slots[i]));
	o = json_pack("{s:b, s:s, s:i, s:s, s:I, s:I}", "ok", 1, "version",
	    PACKAGE_VERSION, "pid", (int)getpid(), "state", phases[m->phase],
	    "uptime", (json_int_t)((clock_wall() - m->started) / NSEC_SEC),
	    "generation", (json_int_t)m->now.number);
	json_object_set_new(o, "ready", json_boolean(m->phase ==
	    PHASE_RUNNING && !m->unready && m->waiting == NULL));
	json_object_set_new(o, "draining", json_boolean(m->unready));
	json_object_set_new(o, "waiting", m->waiting != NULL ?
	    json_string(m->waiting) : json_null());
	json_object_set_new(o, "sources", sources_json(m));
	json_object_set_new(o, "config", config_json(m));
	json_object_set_new(o, "workers", workers);
	json_object_set_new(o, "old_workers", succeed_status(m));
	json_object_set_new(o, "listeners", listeners_json(m));
	json_object_set_new(o, "routers", routers_json(m));
	json_object_set_new(o, "servers", servers);
	json_object_set_new(o, "more_servers", json_integer(cut(servers)));
	json_object_set_new(o, "names", dns_status(m));
	if (cluster_wanted(m))
		json_object_set_new(o, "kubernetes", cluster_status(m));
	json_object_set_new(o, "log", json_string(m->log.path != NULL ?
	    m->log.path : "standard output"));
	json_object_set_new(o, "log_dropped", number(log_dropped()));
	return o;
}

static bool
all_answered(const struct master *m)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (m->slots[i].control >= 0 && !m->slots[i].answered)
			return false;
	return true;
}

static void
answer(struct master *m)
{
	loop_at(m->loop, &m->status_timer, NSEC_NEVER);
	for (unsigned i = 0; i < m->nstatus_clients; i++)
		control_end(m->control, m->status_clients[i], status_json(m));
	m->nstatus_clients = 0;
}

static void
late(struct timer_at *t)
{
	answer(t->arg);
}

void
status_ask(struct master *m, uint64_t client)
{
	if (m->nstatus_clients == ARRAY_SIZE(m->status_clients)) {
		control_fail(m->control, client, "too many are asking");
		return;
	}
	m->status_clients[m->nstatus_clients++] = client;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		m->slots[i].answered = false;
	supervise_send_all(m, MSG_STATUS, NULL, 0, NULL, 0);
	m->status_timer.fire = late;
	m->status_timer.arg = m;
	if (m->status_timer.at == NSEC_NEVER)
		loop_at(m->loop, &m->status_timer,
		    clock_mono() + ANSWER_TIME);
	status_progress(m);
}

void
status_progress(struct master *m)
{
	if (m->nstatus_clients != 0 && all_answered(m))
		answer(m);
}
