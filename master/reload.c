/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a configuration to a published generation.
 *
 *   load -> world -> bind new addresses -> compile -> publish
 *     |                    |                            |
 *     +-- file errors      +-- cannot listen            +-- workers told; then
 *         the last good generation stays                    old addresses close
 *
 * Nothing that is in use is touched before everything that can fail has been
 * done.
 */
#include "master.h"

#include "alloc.h"
#include "cert_store.h"
#include "hash.h"
#include "local_ca.h"
#include "log.h"
#include "settings.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEAF_TIME	(200 * NSEC_MSEC)	/* of an address that closes */
#define RENEW_MAX	(24 * 3600 * NSEC_SEC)	/* looked at once a day at least */

static void renew_fire(struct timer_at *t);

/* ---- Reporting ------------------------------------------------------------------------- */

static int
hash_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
was_said(const struct master *m, uint64_t hash)
{
	return m->said.n != 0 && bsearch(&hash, m->said.v, m->said.n,
	    sizeof(hash), hash_cmp) != NULL;
}

/*
 * All of a reload; of a compilation that nobody asked for only what the last
 * one did not say. The last texts are known by their hashes.
 */
static void
log_diags(struct master *m, const struct diags *d, bool all)
{
	struct said said = { xcalloc(d->n, sizeof(uint64_t)), d->n };

	for (unsigned i = 0; i < d->n; i++) {
		struct buf b = BUF_INIT;

		diag_format(&d->v[i], &b);
		while (b.n != 0 && b.p[b.n - 1] == '\n')
			b.n--;
		said.v[i] = hash_str(buf_str(&b), 0);
		if (!all && was_said(m, said.v[i])) {
			buf_fini(&b);
			continue;
		}
		if (d->v[i].class == DIAG_WARNING)
			log_warn("%.*s", STR_ARG(buf_str(&b)));
		else
			log_error("%.*s", STR_ARG(buf_str(&b)));
		buf_fini(&b);
	}
	if (d->n != 0)
		qsort(said.v, said.n, sizeof(*said.v), hash_cmp);
	free(m->said.v);
	m->said = said;
}

/* The same for the one who asked. */
static json_t *
diags_json(const struct diags *d)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < d->n; i++) {
		struct buf b = BUF_INIT;

		diag_format(&d->v[i], &b);
		while (b.n != 0 && b.p[b.n - 1] == '\n')
			b.n--;
		json_array_append_new(list, json_stringn(b.p, b.n));
		buf_fini(&b);
	}
	return json_pack("{s:o}", "notes", list);
}

static void
set_error(struct master *m, char *text)
{
	free(m->config_error);
	m->config_error = text;
}

/* ---- Listeners ---------------------------------------------------------------------------- */

static void
undo_listeners(struct master *m, uint32_t first_new)
{
	struct listener *l, *next;

	for (l = m->listeners.first; l != NULL; l = next) {
		next = l->next;
		free(l->new_name);
		l->new_name = NULL;
		if (l->id >= first_new)
			listen_close(&m->listeners, l);
	}
}

/*
 * Opens what the world wants and is not open; an address whose entry point has
 * another name now keeps its sockets. On failure all of it is undone.
 */
static int
open_listeners(struct master *m, const struct world *w, char *err,
    size_t err_size)
{
	uint32_t first_new = m->listeners.next_id;
	struct listener *l;
	int r;

	for (l = m->listeners.first; l != NULL; l = l->next)
		l->wanted = false;
	for (unsigned i = 0; i < w->neps; i++)
		if ((l = listen_find(&m->listeners, str_c(w->eps[i].o.name),
		    str_c(w->eps[i].address))) != NULL)
			l->wanted = true;
	for (unsigned i = 0; i < w->neps; i++) {
		struct str name = str_c(w->eps[i].o.name);
		struct str address = str_c(w->eps[i].address);

		if (listen_find(&m->listeners, name, address) == NULL &&
		    name.n <= LISTEN_NAME_MAX &&
		    (l = listen_find_unwanted(&m->listeners, address)) != NULL) {
			if (l->closing)
				listen_deafen(l, false);
			l->new_name = xstrdup(w->eps[i].o.name);
			l->wanted = true;
		} else if ((r = listen_open(&m->listeners, name, address, &l,
		    err, err_size)) < 0) {
			undo_listeners(m, first_new);
			return r;
		} else {
			l->wanted = true;
		}
	}
	return 0;
}

/* Just before the table in which they have another name. */
static void
rename_listeners(struct master *m)
{
	for (struct listener *l = m->listeners.first; l != NULL; l = l->next) {
		if (l->new_name == NULL)
			continue;
		log_info("\"%s\" is entry point \"%s\" now, was \"%s\"",
		    l->address, l->new_name, l->name);
		succeed_renamed(m);
		free(l->name);
		l->name = l->new_name;
		l->new_name = NULL;
		if (m->slots != NULL)
			supervise_send_listener(m, l);
	}
}

/* What was deafened is empty now. */
static void
close_deaf(struct timer_at *t)
{
	struct master *m = t->arg;
	struct listener *l, *next;

	for (l = m->listeners.first; l != NULL; l = next) {
		next = l->next;
		if (!l->closing)
			continue;
		supervise_listener_gone(m, l);
		/* Workers hold duplicates until they have read that. */
		listen_close(&m->listeners, l);
	}
	will_update(m);
}

/* After the table: new ones to the workers, then the old ones end. */
static void
announce_listeners(struct master *m, uint32_t first_new)
{
	for (struct listener *l = m->listeners.first; l != NULL; l = l->next) {
		if (l->id >= first_new) {
			if (m->slots != NULL)
				supervise_send_listener(m, l);
			log_info("entry point \"%s\" listens on \"%s\"",
			    l->name, l->address);
		} else if (!l->wanted && !l->closing) {
			log_info("entry point \"%s\" no longer listens on "
			    "\"%s\"", l->name, l->address);
			listen_deafen(l, true);
			m->close_timer.fire = close_deaf;
			m->close_timer.arg = m;
			loop_at(m->loop, &m->close_timer, clock_mono() +
			    DEAF_TIME);
		}
	}
}

/* ---- What cannot change live ---------------------------------------------------------------- */

static bool
differ(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") != 0;
}

static void
fixed_key(struct diags *d, bool changed, const char *key)
{
	if (changed)
		diag_add(d, DIAG_WARNING, (struct place){ 0 }, NULL,
		    "%s cannot change while akkod runs; restart to use the "
		    "new value", key);
}

static void
check_fixed(const struct config *was, const struct config *now, struct diags *d)
{
	const struct akkod_config *a = &was->akkod, *b = &now->akkod;

	if (was == now)
		return;
	fixed_key(d, differ(a->io, b->io), "akkod.io");
	fixed_key(d, differ(a->user, b->user), "akkod.user");
	fixed_key(d, differ(a->runtime_directory, b->runtime_directory),
	    "akkod.runtimeDirectory");
	fixed_key(d, differ(a->state_directory, b->state_directory),
	    "akkod.stateDirectory");
	fixed_key(d, memcmp(&a->limits, &b->limits, sizeof(a->limits)) != 0,
	    "akkod.limits");
}

/* ---- Compiling and publishing ------------------------------------------------------------------ */

static bool
any_tls(const struct world *w)
{
	for (unsigned i = 0; i < w->neps; i++)
		if (w->eps[i].tls != NULL)
			return true;
	for (unsigned i = 0; i < w->nrouters; i++)
		if (w->routers[i].r.tls != NULL)
			return true;
	return false;
}

/*
 * A CA is opened when the first table needs one: where TLS is spoken and no
 * default certificate is given, or the given one cannot be read.
 */
static void
need_ca(struct master *m, const struct world *w)
{
	char why[CERT_WHY] = "";

	if (m->ca != NULL || !any_tls(w))
		return;
	if (local_ca_open(m->state_dir, clock_wall() / NSEC_SEC, &m->ca,
	    why) < 0) {
		log_error("local CA: %s", why);
		m->ca = NULL;
	} else if (local_ca_in_memory(m->ca)) {
		log_warn("the local CA lives in memory only: %s", why);
	}
}

static void
set_renewal(struct master *m, nsec_t renew_at)
{
	nsec_t left = renew_at == NSEC_NEVER ? NSEC_NEVER :
	    renew_at - clock_wall();

	m->renew_timer.fire = renew_fire;
	m->renew_timer.arg = m;
	if (left != NSEC_NEVER && left < 60 * NSEC_SEC)
		left = 60 * NSEC_SEC;
	/* The wall clock may be set, so it is read again now and then. */
	loop_at(m->loop, &m->renew_timer, clock_mono() +
	    (left < RENEW_MAX ? left : RENEW_MAX));
}

/* For status, and the log when a source is the last one to come. */
static void
set_waiting(struct master *m, const char *waiting)
{
	if (m->waiting != NULL && waiting == NULL)
		log_info("all providers have said what there is");
	free(m->waiting);
	m->waiting = waiting != NULL ? xstrdup(waiting) : NULL;
}

static int
compile_and_publish(struct master *m, struct world *w, struct diags *d)
{
	struct compile_env env = {
		.live = m->live,
		.services = &m->live_services,
		.servers = &m->live_servers,
		.limits = &m->live_limits,
		.resolve = dns_resolve,
		.resolve_arg = m,
	};
	struct compiled c;
	nsec_t renew_at;

	set_waiting(m, w->waiting);
	need_ca(m, w);
	env.ca = m->ca;
	if (m->certs == NULL)
		m->certs = cert_store_new();
	env.certs = m->certs;
	compile_world(w, m->now.number + 1, &env, d, &c);
	cert_store_sweep(m->certs);
	renew_at = c.renew_at;
	set_renewal(m, renew_at);
	rename_listeners(m);
	return publish_table(m, &c);
}

static void
tell_result(struct master *m, int published, nsec_t took)
{
	if (published == 0) {
		log_info("the configuration has not changed");
		return;
	}
	log_info("generation %llu: %u routers, %u of them broken; made in "
	    "%.1f ms", (unsigned long long)m->now.number,
	    m->now.info.nrouters, m->now.info.nbroken,
	    (double)took / (double)NSEC_MSEC);
}

/* Publishes a source; it is in use afterwards, or freed. */
static int
apply(struct master *m, struct source *next, struct diags *d, char **ret_why)
{
	nsec_t from = clock_mono();
	struct world_part more[SOURCE_MORE];
	struct world *w = source_world(next, more, cluster_world(m,
	    next->config, more), d);
	uint32_t first_new = m->listeners.next_id;
	char err[400];
	int r;

	if (d->count[DIAG_FILE] != 0) {
		*ret_why = source_diag_text(d, DIAG_FILE);
		r = -EINVAL;
	} else if ((r = open_listeners(m, w, err, sizeof(err))) < 0) {
		*ret_why = xstrdup(err);
	} else if ((r = compile_and_publish(m, w, d)) < 0) {
		*ret_why = xasprintf("the table cannot be published: %s",
		    strerror(-r));
	}
	world_free(w);
	if (r < 0) {
		source_free(next);
		return r;
	}
	source_commit(&m->source, next);
	announce_listeners(m, first_new);
	if (m->slots != NULL && m->phase == PHASE_RUNNING)
		resize_workers(m, settings_workers(&m->source->config->akkod));
	will_update(m);		/* the grace may be another one */
	m->config_loaded = clock_wall();
	set_error(m, next->provider_error != NULL ?
	    xstrdup(next->provider_error) : NULL);
	log_diags(m, d, true);
	cluster_settings(m);
	if (r != 0 || next->provider_error == NULL)
		tell_result(m, r, clock_mono() - from);
	return 0;
}

static int
refuse(struct master *m, const struct diags *d, char *why)
{
	log_diags(m, d, true);
	log_error("the configuration was not taken; generation %llu stays",
	    (unsigned long long)m->now.number);
	set_error(m, why);
	return -EINVAL;
}

int
reload_all(struct master *m, json_t **ret_notes)
{
	struct diags d = { 0 };
	struct source *next = source_load(m->opt.config_path, m->source, &d);
	char *why = NULL, err[256];
	int r = -EINVAL;

	*ret_notes = NULL;
	if (next == NULL) {
		r = refuse(m, &d, source_diag_text(&d, DIAG_FILE));
	} else {
		check_fixed(m->source->config, next->config, &d);
		if (apply(m, next, &d, &why) < 0) {
			log_error("%s", why);
			r = refuse(m, &d, why);
		} else {
			r = 0;
			watch_sources(m);
			if (logs_open(m, err, sizeof(err)) < 0)
				log_error("%s; the old one is kept", err);
		}
	}
	if (r == 0)
		*ret_notes = diags_json(&d);
	diags_fini(&d);
	return r;
}

void
reload_files(struct master *m)
{
	struct diags d = { 0 };
	struct source *next = source_load_files(m->source, &d);
	char *why = NULL;

	if (apply(m, next, &d, &why) < 0) {
		log_error("%s", why);
		(void)refuse(m, &d, why);
	}
	diags_fini(&d);
}

void
reload_compile(struct master *m)
{
	struct diags d = { 0 };
	nsec_t from = clock_mono();
	struct world_part more[SOURCE_MORE];
	struct world *w = source_world(m->source, more, cluster_world(m,
	    m->source->config, more), &d);

	if (compile_and_publish(m, w, &d) > 0)
		log_debug("generation %llu: %u routers, %u of them broken; "
		    "made in %.1f ms", (unsigned long long)m->now.number,
		    m->now.info.nrouters, m->now.info.nbroken,
		    (double)(clock_mono() - from) / (double)NSEC_MSEC);
	log_diags(m, &d, false);
	world_free(w);
	diags_fini(&d);
}

static void
renew_fire(struct timer_at *t)
{
	reload_compile(t->arg);
}

int
reload_first(struct master *m)
{
	struct source *next = m->source;
	char *why = NULL;
	int r;

	m->source = NULL;
	r = apply(m, next, &m->first_diags, &why);
	if (r < 0) {
		if (m->log.path != NULL && m->opt.ready_fd < 0)
			fprintf(stderr, "akkod: %s\n", why);
		master_fail(m, "%s", why);
	}
	free(why);
	return r;
}
