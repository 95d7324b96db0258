/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Kubernetes providers as the master sees them: it tells the controller
 * what to watch, takes its changes and publishes what they make. The first
 * change goes out at once, those that follow in the next 30 ms together. While
 * the controller is away or starts anew, the last good world serves.
 */
#include "master.h"

#include "alloc.h"
#include "log.h"
#include "parts.h"
#include "source.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COALESCE	(30 * NSEC_MSEC)
#define FILE_MAX	(1u << 20)

_Static_assert((int)CHANGE_PARTS <= SOURCE_MORE, "room in a world");

struct cluster {
	struct master *m;
	struct parts *parts;
	struct buf settings;	/* as told last, or to be told */
	bool changed;		/* since the last publication */
	nsec_t last;		/* of the last publication */
	struct timer_at publish;
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

void
cluster_settings(struct master *m)
{
	struct cluster *k = m->cluster;
	struct buf now = BUF_INIT;
	bool had = k->settings.n != 0;

	put_settings(m->source->config, &now);
	if (str_eq(buf_str(&now), buf_str(&k->settings))) {
		buf_fini(&now);
		return;
	}
	buf_fini(&k->settings);
	k->settings = now;
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
	m->cluster = k;
}

void
cluster_fini(struct master *m)
{
	struct cluster *k = m->cluster;

	if (k == NULL)
		return;
	loop_at(m->loop, &k->publish, NSEC_NEVER);
	parts_free(k->parts);
	buf_fini(&k->settings);
	free(k);
	m->cluster = NULL;
}

/* ---- Status ----------------------------------------------------------------- */

static void
add_note(void *arg, const char *name, const char *why)
{
	json_array_append_new(arg, json_pack("{s:s, s:s}", "object", name,
	    "error", why));
}

static void
add_state(void *arg, const char *name, const char *state, const char *version)
{
	json_object_set_new(arg, name, json_pack("{s:s, s:s}", "state", state,
	    "resourceVersion", version));
}

static json_t *
part_json(const struct parts *p, enum change_part part)
{
	json_t *o = json_pack("{s:b}", "synced", parts_synced(p, part));
	json_t *notes = json_array();

	for (int k = 0; k < CHANGE_NOTE; k++)
		json_object_set_new(o, change_words[k], json_integer(
		    parts_count(p, part, (enum change_kind)k)));
	parts_notes(p, part, add_note, notes);
	json_object_set_new(o, "refused", notes);
	return o;
}

json_t *
cluster_status(const struct master *m)
{
	const struct config *c = m->source->config;
	const struct parts *p = m->cluster->parts;
	json_t *o = json_object(), *watches = json_object();

	if (c->kube_ingress != NULL)
		json_object_set_new(o, change_providers[PART_INGRESS],
		    part_json(p, PART_INGRESS));
	if (c->kube_crd != NULL)
		json_object_set_new(o, change_providers[PART_CRD],
		    part_json(p, PART_CRD));
	parts_states(p, add_state, watches);
	json_object_set_new(o, "watches", watches);
	return o;
}
