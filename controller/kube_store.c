/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects of the API server; see kube_store.h. */
#include "kube_store.h"

#include "alloc.h"
#include "hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEY_MAX	800	/* namespace 63, name 253 in any honest object */

static struct str
key_of(enum kube_kind kind, const char *ns, const char *name,
    char buf[KEY_MAX])
{
	int n = snprintf(buf, KEY_MAX, "%d/%s/%s", (int)kind, ns, name);

	return str_n(buf, n < KEY_MAX ? (size_t)n : KEY_MAX - 1);
}

uint64_t
kube_dep(enum kube_kind kind, const char *ns, const char *name)
{
	char buf[KEY_MAX];

	return hash_str(key_of(kind, ns, name, buf), 0x6b756265);
}

void
kube_deps_add(struct kube_deps *d, uint64_t dep)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->v[i] == dep)
			return;
	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 8 : d->cap * 2;
		d->v = xreallocarray(d->v, d->cap, sizeof(*d->v));
	}
	d->v[d->n++] = dep;
}

int
kube_order(const struct kube_object *a, const struct kube_object *b)
{
	int r;

	if (a->created != b->created)
		return a->created < b->created ? -1 : 1;
	r = strcmp(a->ns, b->ns);
	return r != 0 ? r : strcmp(a->name, b->name);
}

/* ---- Objects ------------------------------------------------------------------ */

struct kube_cached *
kube_store_get(const struct kube_store *s, enum kube_kind kind,
    const char *ns, const char *name)
{
	char buf[KEY_MAX];

	return map_get(&s->objects, key_of(kind, ns, name, buf));
}

struct kube_cached *
kube_store_add(struct kube_store *s, enum kube_kind kind, const char *ns,
    const char *name)
{
	char buf[KEY_MAX];
	struct kube_cached *c = xcalloc(1, sizeof(*c));

	c->o.kind = kind;
	c->o.ns = xstrdup(ns);
	c->o.name = xstrdup(name);
	*map_at(&s->objects, key_of(kind, ns, name, buf)) = c;
	return c;
}

static int
list_cmp(const void *a, const void *b)
{
	const struct kube_cached *const *x = a, *const *y = b;

	return kube_order(&(*x)->o, &(*y)->o);
}

static void
list_add(struct kube_list *l, struct kube_cached *c)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 2 : l->cap * 2;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = c;
	l->sorted = false;
}

static void
slice_out(struct kube_store *s, struct kube_cached *c)
{
	char buf[KEY_MAX];
	struct kube_list *l;
	struct str key;
	unsigned n = 0;

	if (c->service == NULL)
		return;
	key = key_of(KUBE_ENDPOINT_SLICE, c->o.ns, c->service, buf);
	l = map_get(&s->slices, key);
	for (unsigned i = 0; i < l->n; i++)
		if (l->v[i] != c)
			l->v[n++] = l->v[i];
	l->n = n;
	if (n == 0) {
		(void)map_take(&s->slices, key);
		free(l->v);
		free(l);
	}
	free(c->service);
	c->service = NULL;
}

static void
slice_in(struct kube_store *s, struct kube_cached *c)
{
	const char *service = json_string_value(json_object_get(
	    json_object_get(json_object_get(c->o.json, "metadata"), "labels"),
	    "kubernetes.io/service-name"));
	char buf[KEY_MAX];
	void **at;

	if (service == NULL || service[0] == '\0')
		return;
	c->service = xstrdup(service);
	at = map_at(&s->slices, key_of(KUBE_ENDPOINT_SLICE, c->o.ns, service,
	    buf));
	if (*at == NULL)
		*at = xcalloc(1, sizeof(struct kube_list));
	list_add(*at, c);
}

/* RFC 3339 in UTC, as the API server writes it; 0 when it is none. */
static int64_t
created_of(const json_t *json)
{
	const char *text = json_string_value(json_object_get(json_object_get(
	    json, "metadata"), "creationTimestamp"));
	struct tm tm = { 0 };

	if (text == NULL || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d",
	    &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
	    &tm.tm_sec) != 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

void
kube_store_set(struct kube_store *s, struct kube_cached *c, json_t *json)
{
	slice_out(s, c);
	json_decref(c->o.json);
	c->o.json = json;
	c->o.created = created_of(json);
	if (c->o.kind == KUBE_ENDPOINT_SLICE)
		slice_in(s, c);
}

static void
cached_free(void *arg, void *value)
{
	struct kube_cached *c = value;

	(void)arg;
	json_decref(c->o.json);
	free((char *)(size_t)c->o.ns);
	free((char *)(size_t)c->o.name);
	free(c->version);
	free(c->service);
	free(c);
}

void
kube_store_drop(struct kube_store *s, struct kube_cached *c)
{
	char buf[KEY_MAX];

	slice_out(s, c);
	(void)map_take(&s->objects, key_of(c->o.kind, c->o.ns, c->o.name,
	    buf));
	cached_free(NULL, c);
}

static void
list_free(void *arg, void *value)
{
	struct kube_list *l = value;

	(void)arg;
	free(l->v);
	free(l);
}

void
kube_store_fini(struct kube_store *s)
{
	map_each(&s->slices, list_free, NULL);
	map_fini(&s->slices);
	map_each(&s->objects, cached_free, NULL);
	map_fini(&s->objects);
}

/* ---- Looking --------------------------------------------------------------------- */

static void
remember(struct kube_view *v, enum kube_kind kind, const char *ns,
    const char *name)
{
	if (v->deps != NULL)
		kube_deps_add(v->deps, kube_dep(kind, ns, name));
}

const struct kube_object *
kube_get(struct kube_view *v, enum kube_kind kind, const char *ns,
    const char *name)
{
	struct kube_cached *c = kube_store_get(v->store, kind, ns, name);

	remember(v, kind, ns, name);
	return c != NULL ? &c->o : NULL;
}

static int
object_cmp(const void *a, const void *b)
{
	const struct kube_object *const *x = a, *const *y = b;

	return kube_order(*x, *y);
}

unsigned
kube_all(struct kube_view *v, enum kube_kind kind,
    const struct kube_object *const **ret)
{
	unsigned n = 0, total = 0;

	remember(v, kind, "", "");
	for (unsigned i = 0; i < v->nwatches; i++)
		if (v->watches[i].kind == kind)
			total += v->lists[i].n;
	v->all = xreallocarray(v->all, total + 1, sizeof(*v->all));
	for (unsigned i = 0; i < v->nwatches; i++)
		for (unsigned k = 0; v->watches[i].kind == kind &&
		    k < v->lists[i].n; k++)
			v->all[n++] = &v->lists[i].v[k]->o;
	qsort(v->all, n, sizeof(*v->all), object_cmp);
	*ret = (const void *)v->all;
	return n;
}

unsigned
kube_slices(struct kube_view *v, const char *ns, const char *service,
    const struct kube_object *const **ret)
{
	char buf[KEY_MAX];
	struct kube_list *l = map_get(&v->store->slices,
	    key_of(KUBE_ENDPOINT_SLICE, ns, service, buf));

	/* Once for a list of many, not with each that comes. */
	if (l != NULL && !l->sorted)
		qsort(l->v, l->n, sizeof(*l->v), list_cmp);
	if (l != NULL)
		l->sorted = true;
	remember(v, KUBE_ENDPOINT_SLICE, ns, service);
	*ret = l != NULL ? (const void *)l->v : NULL;
	return l != NULL ? l->n : 0;
}

void
kube_view_fini(struct kube_view *v)
{
	free(v->all);
	v->all = NULL;
}
