/* SPDX-License-Identifier: BSD-2-Clause */
/* Kubernetes in the controller; see kube.h. */
#include "kube.h"

#include "alloc.h"
#include "cert_store.h"
#include "crd.h"
#include "ingress.h"
#include "log.h"
#include "provider.h"

#include <errno.h>
#include <stdlib.h>

#define PARTS	2
#define TOGETHER	(3 * NSEC_SEC)
#define COUNTS	(5 * NSEC_SEC)	/* how often mere numbers are told */
#define EVENT_NOTE	1000	/* bytes; the API server takes 1,024 */
#define SWEEP	1024	/* flushes between two looks for unused certificates */

struct watched {
	uint64_t round;		/* of the list that is going on, or was */
	bool listed;		/* one has ended */
	unsigned parts;		/* who needs it: KUBE_FOR_* */
	char *absent;		/* why it is not there, or NULL */
	char *state, *version;
	uint64_t errors;		/* requests that failed, ever */
	nsec_t heard;			/* the server's last word; 0: none */
	bool state_told;		/* all of it */
	bool state_new;			/* more than numbers are untold */
	nsec_t told;			/* when it was told last */
};

struct kube {
	const struct kube_settings *s;
	kube_send_fn *send;
	void *arg;
	struct kube_store store;
	struct kube_watch *watches;
	struct watched *watched;
	struct kube_list *lists;	/* objects by watch */
	unsigned n;
	struct provider *provider[PARTS];
	bool released[PARTS];		/* its first lists have ended */
	nsec_t complete[PARTS];		/* since when they have; 0: not yet */
	nsec_t built[PARTS];		/* when it was built last */
	struct buf stream;
	struct cert_store *certs;
	unsigned flushes;
};

static unsigned
bit_of(unsigned part)
{
	return part == PART_INGRESS ? KUBE_FOR_INGRESS : KUBE_FOR_CRD;
}

static const struct kube_provider *
options(const struct kube *k, unsigned part)
{
	return part == PART_INGRESS ? k->s->ingress : k->s->crd;
}

/* ---- Watches ------------------------------------------------------------------ */

static void
add_watch(struct kube *k, enum kube_kind kind, const char *ns,
    const char *selector, unsigned parts)
{
	for (unsigned i = 0; i < k->n; i++)
		if (k->watches[i].kind == kind && str_eq(str_c(k->watches[i].
		    ns), str_c(ns))) {
			k->watched[i].parts |= parts;
			return;
		}
	k->watches = xreallocarray(k->watches, k->n + 1,
	    sizeof(*k->watches));
	k->watched = xreallocarray(k->watched, k->n + 1,
	    sizeof(*k->watched));
	k->lists = xreallocarray(k->lists, k->n + 1, sizeof(*k->lists));
	k->watches[k->n] = (struct kube_watch){ kind, ns, selector };
	k->watched[k->n] = (struct watched){ .parts = parts };
	k->lists[k->n++] = (struct kube_list){ .v = NULL };
}

/* All namespaces when one of its users wants all, else each that is named. */
static void
add_kind(struct kube *k, enum kube_kind kind)
{
	const struct kube_resource *r = &kube_resources[kind];
	const char *selector = r->selector;
	bool all = !r->namespaced;
	unsigned parts = 0;

	for (unsigned i = 0; i < PARTS; i++) {
		const struct kube_provider *o = options(k, i);

		if (o == NULL || (r->providers & bit_of(i)) == 0 ||
		    (!r->namespaced && o->no_cluster_scope))
			continue;
		parts |= bit_of(i);
		all |= o->namespaces.n == 0;
		if (str_c(o->label_selector).n != 0 && (kind == KUBE_INGRESS ||
		    kind >= KUBE_INGRESS_ROUTE))
			selector = o->label_selector;
	}
	if (parts == 0)
		return;
	if (all) {
		add_watch(k, kind, NULL, selector, parts);
		return;
	}
	for (unsigned i = 0; i < PARTS; i++)
		for (unsigned n = 0; (parts & bit_of(i)) != 0 &&
		    n < options(k, i)->namespaces.n; n++)
			add_watch(k, kind, options(k, i)->namespaces.v[n],
			    selector, bit_of(i));
}

unsigned
kube_watches(const struct kube *k, const struct kube_watch **ret)
{
	*ret = k->watches;
	return k->n;
}

struct kube *
kube_new(const struct kube_settings *s, kube_send_fn *send, void *arg)
{
	struct kube *k = xcalloc(1, sizeof(*k));

	k->s = s;
	k->send = send;
	k->arg = arg;
	k->certs = cert_store_new();
	for (int kind = 0; kind < KUBE_KINDS; kind++)
		add_kind(k, (enum kube_kind)kind);
	if (s->ingress != NULL)
		k->provider[PART_INGRESS] = provider_new(PART_INGRESS,
		    s->ingress, 1u << KUBE_INGRESS, ingress_build);
	if (s->crd != NULL)
		k->provider[PART_CRD] = provider_new(PART_CRD, s->crd,
		    CRD_ROOTS, crd_build);
	return k;
}

void
kube_free(struct kube *k)
{
	if (k == NULL)
		return;
	for (unsigned i = 0; i < PARTS; i++)
		provider_free(k->provider[i]);
	for (unsigned i = 0; i < k->n; i++) {
		free(k->lists[i].v);
		free(k->watched[i].absent);
		free(k->watched[i].state);
		free(k->watched[i].version);
	}
	free(k->lists);
	free(k->watches);
	free(k->watched);
	kube_store_fini(&k->store);
	buf_fini(&k->stream);
	cert_store_free(k->certs);
	free(k);
}

/* ---- Objects --------------------------------------------------------------------- */

static void
dep(struct kube *k, uint64_t number)
{
	for (unsigned i = 0; i < PARTS; i++)
		if (k->provider[i] != NULL)
			provider_dep_changed(k->provider[i], number);
}

/* Who is about the object, or has looked at it, is built again. */
static void
changed(struct kube *k, const struct kube_cached *c)
{
	const struct kube_object *o = &c->o;

	if (o->kind == KUBE_ENDPOINT_SLICE) {
		if (c->service != NULL)
			dep(k, kube_dep(o->kind, o->ns, c->service));
		return;
	}
	dep(k, kube_dep(o->kind, o->ns, o->name));
	if (!kube_resources[o->kind].namespaced)
		dep(k, kube_dep(o->kind, "", ""));
	for (unsigned i = 0; i < PARTS; i++)
		if (k->provider[i] != NULL)
			provider_changed(k->provider[i], o->kind, o->ns,
			    o->name);
}

static void
list_in(struct kube *k, unsigned watch, struct kube_cached *c)
{
	struct kube_list *l = &k->lists[watch];

	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 16 : l->cap * 2;
		l->v = xreallocarray(l->v, l->cap,
		    sizeof(struct kube_cached *));
	}
	c->watch = watch;
	c->at = l->n;
	l->v[l->n++] = c;
}

static void
drop(struct kube *k, struct kube_cached *c)
{
	struct kube_list *l = &k->lists[c->watch];

	changed(k, c);
	l->v[c->at] = l->v[--l->n];
	l->v[c->at]->at = c->at;
	kube_store_drop(&k->store, c);
}

/* "namespace" and "name" of an object's metadata; false when it has none. */
static bool
name_of(const struct kube *k, unsigned watch, const json_t *object,
    const char **ret_ns, const char **ret_name)
{
	const struct kube_watch *w = &k->watches[watch];
	const json_t *m = json_object_get(object, "metadata");
	const char *ns = json_string_value(json_object_get(m, "namespace"));
	const char *name = json_string_value(json_object_get(m, "name"));

	if (str_c(name).n == 0 || str_c(name).n > 253 || str_c(ns).n > 253)
		return false;
	*ret_name = name;
	*ret_ns = ns != NULL ? ns : "";
	if (!kube_resources[w->kind].namespaced)
		return str_c(ns).n == 0;
	return str_c(ns).n != 0 && (w->ns == NULL || strcmp(w->ns, ns) == 0);
}

static bool
writes_status(const struct kube *k)
{
	const struct kube_provider *o = k->s->ingress;

	return o->report_node_ips || str_c(o->status.ip).n != 0 ||
	    str_c(o->status.hostname).n != 0 ||
	    str_c(o->status.published_service).n != 0;
}

/* What nobody reads makes up half of an object. */
static void
trim(enum kube_kind kind, json_t *object, bool written)
{
	json_t *m = json_object_get(object, "metadata");

	json_object_del(m, "managedFields");
	/* It is written back, whole, with its status. */
	if (written)
		return;
	json_object_del(m, "ownerReferences");
	json_object_del(m, "finalizers");
	json_object_del(json_object_get(m, "annotations"),
	    "kubectl.kubernetes.io/last-applied-configuration");
	if (kind == KUBE_NODE) {
		json_object_del(object, "spec");
		json_object_del(json_object_get(object, "status"), "images");
	}
	if (kind == KUBE_ENDPOINT_SLICE) {
		json_t *list = json_object_get(object, "endpoints"), *e;
		size_t i;

		json_array_foreach(list, i, e) {
			json_object_del(e, "targetRef");
			json_object_del(e, "nodeName");
			json_object_del(e, "zone");
			json_object_del(e, "hints");
		}
	}
}

int
kube_put(struct kube *k, unsigned watch, json_t *object)
{
	enum kube_kind kind = k->watches[watch].kind;
	const char *ns, *name, *version = json_string_value(json_object_get(
	    json_object_get(object, "metadata"), "resourceVersion"));
	struct kube_cached *c;

	if (!json_is_object(object) || !name_of(k, watch, object, &ns, &name))
		return -EINVAL;
	c = kube_store_get(&k->store, kind, ns, name);
	if (c == NULL) {
		c = kube_store_add(&k->store, kind, ns, name);
		list_in(k, watch, c);
	} else {
		c->round = k->watched[watch].round;
		if (version != NULL && c->version != NULL &&
		    strcmp(version, c->version) == 0)
			return 0;
		/* A slice may have moved from another Service. */
		if (kind == KUBE_ENDPOINT_SLICE)
			changed(k, c);
	}
	c->round = k->watched[watch].round;
	free(c->version);
	c->version = version != NULL ? xstrdup(version) : NULL;
	trim(kind, object, kind == KUBE_INGRESS && writes_status(k));
	kube_store_set(&k->store, c, json_incref(object));
	changed(k, c);
	return 0;
}

int
kube_remove(struct kube *k, unsigned watch, const json_t *object)
{
	const char *ns, *name;
	struct kube_cached *c;

	if (!json_is_object(object) || !name_of(k, watch, object, &ns, &name))
		return -EINVAL;
	c = kube_store_get(&k->store, k->watches[watch].kind, ns, name);
	if (c != NULL)
		drop(k, c);
	return 0;
}

void
kube_list_begin(struct kube *k, unsigned watch)
{
	k->watched[watch].round++;
}

void
kube_list_end(struct kube *k, unsigned watch)
{
	struct kube_list *l = &k->lists[watch];
	struct watched *w = &k->watched[watch];

	for (unsigned i = l->n; i-- > 0;)
		if (l->v[i]->round != w->round)
			drop(k, l->v[i]);
	w->listed = true;
	free(w->absent);
	w->absent = NULL;
}

static char *
watch_text(const struct kube_watch *w)
{
	return xasprintf("%s%s%s", kube_resources[w->kind].kind, w->ns != NULL
	    ? " in namespace " : "", w->ns != NULL ? w->ns : "");
}

void
kube_absent(struct kube *k, unsigned watch, const char *why)
{
	struct watched *w = &k->watched[watch];
	char *name = watch_text(&k->watches[watch]);
	bool told = w->absent != NULL && strcmp(w->absent, why) == 0;

	kube_list_begin(k, watch);
	kube_list_end(k, watch);
	w->absent = xstrdup(why);
	w->errors++;
	w->heard = clock_mono();
	if (!told)
		log_warn("%s: %s; there are none for akkod, it is tried again "
		    "now and then", name, why);
	free(name);
	kube_state(k, watch, why, "");
}

void
kube_state(struct kube *k, unsigned watch, const char *state,
    const char *resource_version)
{
	struct watched *w = &k->watched[watch];

	if (resource_version == NULL)
		resource_version = "";
	if (w->state != NULL && strcmp(w->state, state) == 0 &&
	    strcmp(w->version, resource_version) == 0)
		return;
	w->state_new |= w->state == NULL || strcmp(w->state, state) != 0;
	free(w->state);
	w->state = xstrdup(state);
	free(w->version);
	w->version = xstrdup(resource_version);
	w->state_told = false;
}

void
kube_heard(struct kube *k, unsigned watch, const char *resource_version)
{
	struct watched *w = &k->watched[watch];

	w->heard = clock_mono();
	w->state_told = false;
	if (w->state != NULL && resource_version != NULL &&
	    strcmp(w->version, resource_version) != 0) {
		free(w->version);
		w->version = xstrdup(resource_version);
	}
}

void
kube_lost(struct kube *k, unsigned watch, const char *why,
    const char *resource_version)
{
	char *text = xasprintf("lost: %s", why);

	k->watched[watch].errors++;
	k->watched[watch].state_told = false;
	kube_state(k, watch, text, resource_version);
	free(text);
}

/* ---- Sending ------------------------------------------------------------------------- */

static bool
complete(const struct kube *k, unsigned part)
{
	for (unsigned i = 0; i < k->n; i++)
		if ((k->watched[i].parts & bit_of(part)) != 0 &&
		    !k->watched[i].listed)
			return false;
	return true;
}

static void
tell_state(struct kube *k, unsigned watch)
{
	struct watched *w = &k->watched[watch];
	struct change_state count = { k->lists[watch].n, w->errors, w->heard };
	char *name = watch_text(&k->watches[watch]);
	struct buf body = BUF_INIT;

	change_put_state(&body, &count);
	(void)change_put(&k->stream, &(struct change){ .op = CHANGE_STATE,
	    .kind = CHANGE_NOTE, .name = str_c(name), .why = str_c(w->state),
	    .origin = str_c(w->version), .body = buf_str(&body) });
	buf_fini(&body);
	free(name);
	w->state_told = true;
	w->state_new = false;
}

/* When the state of a watch is to be told: words at once, numbers now and then. */
static nsec_t
state_due(const struct watched *w)
{
	return w->state == NULL || w->state_told ? NSEC_NEVER :
	    w->state_new ? 0 : w->told + COUNTS;
}

static void
tell_states(struct kube *k, nsec_t now)
{
	for (unsigned i = 0; i < k->n; i++)
		if (state_due(&k->watched[i]) <= now) {
			tell_state(k, i);
			k->watched[i].told = now;
		}
}

/* The earliest time at which a provider that has changes may be built. */
static nsec_t
due(const struct kube *k, unsigned part)
{
	if (k->provider[part] == NULL || !k->released[part] ||
	    !provider_dirty(k->provider[part]))
		return NSEC_NEVER;
	return k->built[part] == 0 ? 0 : k->built[part] +
	    options(k, part)->throttle;
}

/*
 * Providers begin together, since the routes of one need the middlewares of the
 * other; but none waits long for another whose lists do not end.
 */
static void
release(struct kube *k, nsec_t now)
{
	bool all = true;

	for (unsigned i = 0; i < PARTS; i++) {
		if (k->provider[i] == NULL)
			continue;
		if (k->complete[i] == 0 && complete(k, i))
			k->complete[i] = now;
		all &= k->complete[i] != 0;
	}
	for (unsigned i = 0; i < PARTS; i++)
		if (k->complete[i] != 0 && (all ||
		    now - k->complete[i] >= TOGETHER))
			k->released[i] = true;
}

nsec_t
kube_next(const struct kube *k)
{
	nsec_t next = NSEC_NEVER;

	for (unsigned i = 0; i < PARTS; i++) {
		if (due(k, i) < next)
			next = due(k, i);
		if (k->complete[i] != 0 && !k->released[i] &&
		    k->complete[i] + TOGETHER < next)
			next = k->complete[i] + TOGETHER;
	}
	for (unsigned i = 0; i < k->n; i++)
		if (state_due(&k->watched[i]) < next)
			next = state_due(&k->watched[i]);
	return next;
}

void
kube_flush(struct kube *k)
{
	nsec_t now = clock_mono();
	struct kube_view v = { .store = &k->store, .lists = k->lists,
	    .watches = k->watches, .nwatches = k->n, .certs = k->certs };

	release(k, now);
	for (unsigned i = 0; i < PARTS; i++) {
		if (due(k, i) > now)
			continue;
		k->built[i] = now;
		provider_flush(k->provider[i], &v, &k->stream);
	}
	tell_states(k, now);
	kube_view_fini(&v);
	/* Not often: only what is built again is asked for. */
	if (++k->flushes % SWEEP == 0)
		cert_store_sweep(k->certs);
	if (k->stream.n != 0)
		k->send(k->arg, buf_str(&k->stream));
	/* A first synchronisation needs much more than any change. */
	if (k->stream.cap > 1u << 20)
		buf_fini(&k->stream);
	buf_reset(&k->stream);
}

json_t *
kube_take_status(struct kube *k)
{
	struct provider *p = k->provider[PART_INGRESS];
	const char *ns, *name;
	const struct kube_cached *c;
	json_t *status, *o;

	while (p != NULL && (status = provider_take_status(p, &ns, &name)) !=
	    NULL) {
		c = kube_store_get(&k->store, KUBE_INGRESS, ns, name);
		if (c == NULL) {
			json_decref(status);
			continue;
		}
		o = json_copy(c->o.json);
		json_object_set_new(o, "status", json_pack("{s:{s:o}}",
		    "loadBalancer", "ingress", status));
		return o;
	}
	return NULL;
}

static json_t *
event_json(enum kube_kind kind, json_t *metadata, const char *why)
{
	const struct kube_resource *r = &kube_resources[kind];
	json_t *regarding = json_pack("{s:s, s:o}", "kind", r->kind,
	    "apiVersion", json_sprintf("%s%s%s", r->group, r->group[0] != '\0'
	    ? "/" : "", r->version));
	static const char *const copied[] = { "namespace", "name", "uid",
	    "resourceVersion" };
	struct buf note = BUF_INIT;
	json_t *event;

	for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
		json_object_set(regarding, copied[i], json_object_get(metadata,
		    copied[i]));
	/* A cut may split a character. */
	buf_put_json(&note, str_head(str_c(why), EVENT_NOTE));
	event = json_pack("{s:o, s:o}", "regarding", regarding, "note",
	    json_loadb(note.p, note.n, JSON_DECODE_ANY, NULL));
	buf_fini(&note);
	return event;
}

json_t *
kube_take_event(struct kube *k)
{
	for (unsigned i = 0; i < PARTS; i++) {
		struct notice n;

		while (k->provider[i] != NULL &&
		    provider_take_notice(k->provider[i], &n)) {
			const struct kube_cached *c = kube_store_get(&k->store,
			    n.kind, n.ns, n.name);
			json_t *m = c != NULL ? json_object_get(c->o.json,
			    "metadata") : NULL, *event = NULL;

			if (m != NULL)
				event = event_json(n.kind, m, n.text);
			free(n.ns);
			free(n.name);
			free(n.text);
			if (event != NULL)
				return event;
		}
	}
	return NULL;
}

bool
kube_synced(const struct kube *k)
{
	for (unsigned i = 0; i < PARTS; i++)
		if (k->provider[i] != NULL && !k->released[i])
			return false;
	return true;
}
