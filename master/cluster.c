/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Kubernetes providers as the master sees them: it tells the controller
 * what to watch, takes its changes and publishes what they make. The first
 * change goes out at once, those that follow in the next 30 ms together. While
 * the controller is away or starts anew, the last good world serves. At a start
 * without the API server a snapshot of it does, until the server has spoken.
 */
#include "master.h"

#include "alloc.h"
#include "log.h"
#include "hash.h"
#include "parts.h"
#include "snapshot.h"
#include "source.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COALESCE	(30 * NSEC_MSEC)
#define FILE_MAX	(1u << 20)
#define RECALL		(3 * NSEC_SEC)	/* how long the API server has, at a start */
#define SAVE_SOON	(2 * NSEC_SEC)	/* after a change */
#define SAVE_OFTEN	(30 * NSEC_SEC)	/* between two snapshots */
#define SAVE_DISK	NSEC_SEC		/* what the disk has before it is waited for */

_Static_assert((int)CHANGE_PARTS <= SOURCE_MORE, "room in a world");

struct cluster {
	struct master *m;
	struct parts *parts;
	struct buf settings;	/* as told last, or to be told */
	bool changed;		/* since the last publication */
	nsec_t last;		/* of the last publication */
	struct timer_at publish;
	struct timer_at recall;	/* is the snapshot needed? */
	struct timer_at save, finish;
	nsec_t saved;		/* when the last one was written; 0: never */
	nsec_t taken;		/* wall clock, of the one in use; 0: none is */
	char *unused;		/* why there is one that cannot be used, or NULL */
};

/* ---- Settings -------------------------------------------------------------- */

/* What the controller may not be allowed to read itself; missing: empty. */
static void
read_file(const char *path, struct buf *out)
{
	int fd = path != NULL && path[0] == '/' ?
	    open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	char piece[2048];
	ssize_t n;

	out->max = FILE_MAX;
	while (fd >= 0 && (n = read(fd, piece, sizeof(piece))) > 0)
		buf_put(out, piece, (size_t)n);
	if (fd >= 0)
		(void)close(fd);
	if (buf_failed(out))
		buf_reset(out);
}

/* A value and, when it names a file, what stands in it. */
static void
put_value(struct buf *out, enum change_part part, const char *name,
    const char *value, bool file)
{
	struct buf content = BUF_INIT;

	if (value == NULL || value[0] == '\0')
		return;
	if (file)
		read_file(value, &content);
	(void)change_put(out, &(struct change){ .op = CHANGE_SETTINGS,
	    .part = part, .kind = CHANGE_NOTE, .name = str_c(name),
	    .why = str_c(value), .body = buf_str(&content) });
	buf_fini(&content);
}

static void
put_provider(struct buf *out, enum change_part part,
    const struct schema *schema, const struct kube_provider *k)
{
	struct buf body = BUF_INIT;

	if (k == NULL)
		return;
	wire_encode(schema, k, &body);
	(void)change_put(out, &(struct change){ .op = CHANGE_SETTINGS,
	    .part = part, .body = buf_str(&body) });
	buf_fini(&body);
	put_value(out, part, "token", k->token, true);
	put_value(out, part, "certAuthFilePath", k->ca_file, true);
}

static void
put_settings(const struct config *c, struct buf *out)
{
	static const char *const from_env[] = { "KUBERNETES_SERVICE_HOST",
	    "KUBERNETES_SERVICE_PORT", "KUBECONFIG" };

	if (c->kube_ingress == NULL && c->kube_crd == NULL)
		return;
	put_provider(out, PART_INGRESS, &schema_kube_ingress,
	    c->kube_ingress);
	put_provider(out, PART_CRD, &schema_kube_crd, c->kube_crd);
	for (size_t i = 0; i < ARRAY_SIZE(from_env); i++)
		put_value(out, PART_INGRESS, from_env[i],
		    getenv(from_env[i]), strcmp(from_env[i],
		    "KUBECONFIG") == 0);
	(void)change_put(out, &(struct change){ .op = CHANGE_COMMIT });
}

/*
 * What a snapshot depends on. Tokens and the like are left out: they change and
 * what may be seen with them stays.
 */
static uint64_t
settings_hash(const struct config *c)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	struct buf b = BUF_INIT;
	uint64_t h;

	for (int i = 0; i < CHANGE_PARTS; i++) {
		const struct kube_provider *k = i == PART_INGRESS ?
		    c->kube_ingress : c->kube_crd;
		struct kube_provider copy;

		buf_putc(&b, k != NULL ? '1' : '0');
		if (k == NULL)
			continue;
		copy = *k;
		copy.token = NULL;
		wire_encode(i == PART_INGRESS ? &schema_kube_ingress :
		    &schema_kube_crd, &copy, &b);
	}
	h = hash_str(buf_str(&b), hash_str(str_c(host), 1));
	buf_fini(&b);
	return h;
}

static void plan_save(struct cluster *k);

/* Also what was about to be written. */
static void
forget_snapshot(struct cluster *k)
{
	struct loop *l = k->m->loop;

	loop_at(l, &k->recall, NSEC_NEVER);
	loop_at(l, &k->save, NSEC_NEVER);
	loop_at(l, &k->finish, NSEC_NEVER);
	k->saved = 0;
	snapshot_remove(k->m->state_dir);
}

void
cluster_settings(struct master *m)
{
	struct cluster *k = m->cluster;
	struct buf now = BUF_INIT;
	bool had = k->settings.n != 0;

	put_settings(m->source->config, &now);
	if (now.n == 0 || !m->source->config->akkod.kubernetes_snapshot)
		forget_snapshot(k);
	if (str_eq(buf_str(&now), buf_str(&k->settings))) {
		if (now.n != 0 && k->saved == 0)
			plan_save(k);	/* it may have been off */
		buf_fini(&now);
		return;
	}
	buf_fini(&k->settings);
	k->settings = now;
	if (k->settings.n != 0 && !had && !m->opt.successor &&
	    m->source->config->akkod.kubernetes_snapshot)
		loop_at(m->loop, &k->recall, clock_mono() + RECALL);
	if (had)
		controller_restart(m);
	else
		controller_need(m);
}

bool
cluster_wanted(const struct master *m)
{
	return m->cluster != NULL && m->cluster->settings.n != 0;
}

int
cluster_started(struct master *m, int control)
{
	struct cluster *k = m->cluster;
	struct str rest = buf_str(&k->settings);
	static struct msg_bytes msg;
	int r = 0;

	parts_restart(k->parts);
	while (rest.n != 0 && r == 0) {
		memset(&msg, 0, sizeof(msg));
		msg.n = (uint32_t)(rest.n < sizeof(msg.data) ? rest.n :
		    sizeof(msg.data));
		memcpy(msg.data, rest.p, msg.n);
		rest = str_from(rest, msg.n);
		r = msg_send(control, MSG_SETTINGS, &msg, NULL);
	}
	return r;
}

/* ---- The snapshot ------------------------------------------------------------ */

static void
finish_fire(struct timer_at *t)
{
	struct cluster *k = t->arg;
	int r = snapshot_finish(k->m->state_dir);

	if (r < 0 && r != -ENOENT)
		log_limited(LOG_WARN, "snapshot in \"%s\": %s",
		    k->m->state_dir, strerror(-r));
}

static void
save_fire(struct timer_at *t)
{
	struct cluster *k = t->arg;
	struct master *m = k->m;
	struct snapshot_info info = { settings_hash(m->source->config),
	    clock_wall() };
	struct buf b = BUF_INIT;
	int r;

	if (m->phase > PHASE_RUNNING || !cluster_synced(m))
		return;
	parts_save(k->parts, &b);
	r = buf_failed(&b) ? -ENOMEM : snapshot_write(m->state_dir, &info,
	    buf_str(&b));
	if (b.p != NULL)
		explicit_bzero(b.p, b.n);	/* keys */
	buf_fini(&b);
	k->saved = clock_mono();
	if (r < 0)
		log_limited(LOG_WARN, "snapshot in \"%s\": %s",
		    m->state_dir, strerror(-r));
	else
		loop_at(m->loop, &k->finish, k->saved + SAVE_DISK);
}

/* After a change; one that waits already will have it, too. */
static void
plan_save(struct cluster *k)
{
	nsec_t at = clock_mono() + SAVE_SOON;

	if (!k->m->source->config->akkod.kubernetes_snapshot ||
	    !cluster_synced(k->m))
		return;
	k->taken = 0;
	if (k->save.at != NSEC_NEVER)
		return;
	if (k->saved != 0 && at < k->saved + SAVE_OFTEN)
		at = k->saved + SAVE_OFTEN;
	loop_at(k->m->loop, &k->save, at);
}

static void
set_unused(struct cluster *k, const char *why)
{
	free(k->unused);
	k->unused = why != NULL ? xstrdup(why) : NULL;
	if (why != NULL)
		log_error("the snapshot in \"%s\" is not used: %s",
		    k->m->state_dir, why);
}

/* The API server has had its time. */
static void
recall_fire(struct timer_at *t)
{
	struct cluster *k = t->arg;
	struct master *m = k->m;
	struct snapshot_info info = { settings_hash(m->source->config), 0 };
	struct buf b = BUF_INIT;
	char text[160];
	const char *why = text;
	int r;

	if (m->phase > PHASE_RUNNING || !cluster_wanted(m) ||
	    cluster_synced(m))
		return;
	r = snapshot_read(m->state_dir, &info, &b, text, sizeof(text));
	if (r == 0)
		r = parts_restore(k->parts, buf_str(&b), &why);
	if (b.p != NULL)
		explicit_bzero(b.p, b.n);
	buf_fini(&b);
	if (r < 0) {
		if (r != -ENOENT)
			set_unused(k, why);
		return;
	}
	k->taken = info.taken;
	log_warn("the Kubernetes API is not there; what it said %lld s ago "
	    "serves", (long long)((clock_wall() - info.taken) / NSEC_SEC));
	reload_compile(m);
	k->last = clock_mono();
}

/* ---- Changes ---------------------------------------------------------------- */

static void
publish_fire(struct timer_at *t)
{
	struct cluster *k = t->arg;

	if (!k->changed || k->m->phase > PHASE_RUNNING ||
	    k->m->source == NULL)
		return;
	k->changed = false;
	reload_compile(k->m);
	k->last = clock_mono();
	plan_save(k);
}

bool
cluster_receive(struct master *m, const struct msg_bytes *msg)
{
	struct cluster *k = m->cluster;
	const char *why;

	if (msg->n > sizeof(msg->data) || !cluster_wanted(m)) {
		log_error("the controller sent changes that nobody wants");
		return false;
	}
	if (parts_feed(k->parts, str_n(msg->data, msg->n), &k->changed,
	    &why) < 0) {
		log_error("the controller sent what cannot be: %s", why);
		return false;
	}
	return true;
}

void
cluster_received(struct master *m)
{
	struct cluster *k = m->cluster;
	nsec_t now = clock_mono(), at = k->last + COALESCE;

	if (k->changed && k->publish.at == NSEC_NEVER)
		loop_at(m->loop, &k->publish, k->last == 0 || at < now ? now :
		    at);
}

unsigned
cluster_world(struct master *m, const struct config *c,
    struct world_part *out)
{
	struct world_part all[CHANGE_PARTS];
	unsigned n = 0, total;

	if (m->cluster == NULL)
		return 0;
	total = parts_world(m->cluster->parts, all);
	for (unsigned i = 0; i < total; i++) {
		bool ingress = strcmp(all[i].provider,
		    change_providers[PART_INGRESS]) == 0;

		/* A provider that is turned off takes its routes along. */
		if ((ingress ? c->kube_ingress : c->kube_crd) != NULL)
			out[n++] = all[i];
	}
	return n;
}

bool
cluster_synced(const struct master *m)
{
	const struct config *c = m->source->config;
	const struct parts *p = m->cluster->parts;

	return (c->kube_ingress == NULL || parts_synced(p, PART_INGRESS)) &&
	    (c->kube_crd == NULL || parts_synced(p, PART_CRD));
}

/* ---- Life ------------------------------------------------------------------- */

void
cluster_init(struct master *m)
{
	struct cluster *k = xcalloc(1, sizeof(*k));

	k->m = m;
	k->parts = parts_new();
	k->publish = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = publish_fire, .arg = k };
	k->recall = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = recall_fire, .arg = k };
	k->save = (struct timer_at){ .at = NSEC_NEVER, .fire = save_fire,
	    .arg = k };
	k->finish = (struct timer_at){ .at = NSEC_NEVER,
	    .fire = finish_fire, .arg = k };
	m->cluster = k;
}

void
cluster_fini(struct master *m)
{
	struct cluster *k = m->cluster;

	if (k == NULL)
		return;
	loop_at(m->loop, &k->publish, NSEC_NEVER);
	loop_at(m->loop, &k->recall, NSEC_NEVER);
	loop_at(m->loop, &k->save, NSEC_NEVER);
	if (k->finish.at != NSEC_NEVER)
		finish_fire(&k->finish);
	loop_at(m->loop, &k->finish, NSEC_NEVER);
	free(k->unused);
	parts_free(k->parts);
	buf_fini(&k->settings);
	free(k);
	m->cluster = NULL;
}

/* ---- Status ----------------------------------------------------------------- */

/* Words of a watch's state that mean that nothing is wrong. */
static bool
is_well(const char *state)
{
	return strcmp(state, "watching") == 0 || strcmp(state, "listing") == 0;
}

struct states {
	json_t *watches;
	unsigned lost;		/* watches that are not well */
	uint64_t objects, errors;
	nsec_t heard;		/* of the one heard last longest ago; 0: never */
};

static json_t *
age_json(nsec_t since, nsec_t now)
{
	return since == 0 ? json_null() : json_real(since > now ? 0 :
	    (double)((now - since) / NSEC_MSEC) / 1000);
}

static void
add_note(void *arg, const char *name, const char *why)
{
	json_array_append_new(arg, json_pack("{s:s, s:s}", "object", name,
	    "error", why));
}

static void
add_state(void *arg, const char *name, const char *state, const char *version,
    const struct change_state *count)
{
	struct states *s = arg;

	json_object_set_new(s->watches, name, json_pack(
	    "{s:s, s:s, s:o, s:I, s:I}", "state", state, "resourceVersion",
	    version, "age", age_json(count->heard, clock_mono()), "objects",
	    (json_int_t)count->objects, "errors", (json_int_t)count->errors));
	s->lost += !is_well(state);
	s->objects += count->objects;
	s->errors += count->errors;
	if (count->heard < s->heard)
		s->heard = count->heard;
}

json_t *
cluster_source(const struct master *m, enum change_part part)
{
	const struct parts *p = m->cluster->parts;
	json_t *notes = json_array(), *counts = json_object();

	for (int k = 0; k < CHANGE_NOTE; k++)
		json_object_set_new(counts, change_words[k], json_integer(
		    parts_count(p, part, (enum change_kind)k)));
	parts_notes(p, part, add_note, notes);
	return json_pack("{s:s, s:o, s:i, s:o}", "state",
	    parts_synced(p, part) ? "synced" : parts_restored(p, part) ?
	    "snapshot" : "waiting", "objects", counts, "errors",
	    (int)json_array_size(notes), "refused", notes);
}

static json_t *
snapshot_json(const struct cluster *k)
{
	json_t *o;

	if (!k->m->source->config->akkod.kubernetes_snapshot)
		return json_null();
	o = json_pack("{s:b}", "in_use", k->taken != 0);
	if (k->taken != 0)
		json_object_set_new(o, "age", age_json(k->taken,
		    clock_wall()));
	if (k->unused != NULL)
		json_object_set_new(o, "error", json_string(k->unused));
	return o;
}

json_t *
cluster_status(const struct master *m)
{
	struct states s = { .watches = json_object(), .heard = NSEC_NEVER };

	parts_states(m->cluster->parts, add_state, &s);
	if (s.heard == NSEC_NEVER)
		s.heard = 0;	/* there is no watch */
	return json_pack("{s:o, s:o, s:I, s:I, s:i, s:o}", "snapshot",
	    snapshot_json(m->cluster), "age", age_json(s.heard,
	    clock_mono()), "objects", (json_int_t)s.objects, "errors",
	    (json_int_t)s.errors, "lost", (int)s.lost, "watches", s.watches);
}
