/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The objects of the API server as far as they are watched, and who has looked
 * at which. Internal to kube.c and what it is made of.
 */
#ifndef KUBE_STORE_H
#define KUBE_STORE_H

#include "kube.h"
#include "map.h"

struct kube_cached {
	struct kube_object o;	/* first: a kube_object is one of these */
	char *version;		/* resourceVersion */
	char *service;		/* of an EndpointSlice, or NULL */
	unsigned watch, at;	/* its place in the watch's list */
	uint64_t round;
};

struct kube_list {
	struct kube_cached **v;
	unsigned n, cap;
	bool sorted;		/* of slices: when they are asked for */
};

struct kube_store {
	struct map objects;	/* by kind, namespace and name */
	struct map slices;	/* struct kube_list by namespace and Service */
};

/* What was looked at while something was built: hashes, see kube_dep(). */
struct kube_deps { uint64_t *v; unsigned n, cap; };

struct cert_store;

struct kube_view {
	const struct kube_store *store;
	struct kube_deps *deps;		/* NULL: not remembered */
	const struct kube_list *lists;	/* of all watches, for kube_all() */
	const struct kube_watch *watches;
	unsigned nwatches;
	const struct kube_object **all;	/* the last list given out */
	struct cert_store *certs;	/* certificates parsed before */
};

/*
 * The number under which a look at an object is remembered. An empty name: at
 * all objects of the kind; for EndpointSlices the name is their Service's.
 */
uint64_t kube_dep(enum kube_kind kind, const char *ns, const char *name);
void	kube_deps_add(struct kube_deps *d, uint64_t dep);

/* A new object takes the reference; its namespace and name are copied. */
struct kube_cached *kube_store_add(struct kube_store *s, enum kube_kind kind,
	    const char *ns, const char *name);
struct kube_cached *kube_store_get(const struct kube_store *s,
	    enum kube_kind kind, const char *ns, const char *name);
/* Takes the object out and frees it. */
void	kube_store_drop(struct kube_store *s, struct kube_cached *c);
/* Its content, which is stolen; the index of slices follows. */
void	kube_store_set(struct kube_store *s, struct kube_cached *c,
	    json_t *json);
void	kube_store_fini(struct kube_store *s);

/* Frees what the view itself holds. */
void	kube_view_fini(struct kube_view *v);

/* Older first, then by namespace and name. */
int	kube_order(const struct kube_object *a, const struct kube_object *b);

#endif
