/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kubernetes as the controller sees it: a cache of API objects, and behind it
 * the providers that turn them into named changes for the master.
 *
 *   kube_client ---- kube_put(), kube_remove(), kube_list_end() ----> kube
 *   (lists and                                                         |
 *    watches, I/O)                            kube_flush(): changes <--+
 *
 * The client asks kube_watches() what to list and watch, and feeds each watch
 * by its number. Nothing here does I/O or waits. An object is built again only
 * when it or something that it looked up has changed.
 */
#ifndef KUBE_H
#define KUBE_H

#include "clock.h"
#include "model.h"
#include "str.h"

#include <jansson.h>

enum kube_kind {
	/* Kinds of the API server itself. */
	KUBE_INGRESS, KUBE_INGRESS_CLASS, KUBE_SERVICE, KUBE_ENDPOINT_SLICE,
	KUBE_SECRET, KUBE_CONFIG_MAP, KUBE_NODE,
	/* traefik.io/v1alpha1 */
	KUBE_INGRESS_ROUTE, KUBE_INGRESS_ROUTE_TCP, KUBE_INGRESS_ROUTE_UDP,
	KUBE_MIDDLEWARE, KUBE_MIDDLEWARE_TCP, KUBE_TLS_OPTION, KUBE_TLS_STORE,
	KUBE_TRAEFIK_SERVICE, KUBE_SERVERS_TRANSPORT,
	KUBE_SERVERS_TRANSPORT_TCP,
	KUBE_KINDS
};

/* Bits: which provider needs a kind. */
#define KUBE_FOR_INGRESS	1u
#define KUBE_FOR_CRD		2u

struct kube_resource {
	const char *kind;	/* "Ingress" */
	const char *group;	/* "" is the core group */
	const char *version, *plural;
	const char *selector;	/* label selector that always applies, or NULL */
	bool namespaced;
	unsigned providers;
};
extern const struct kube_resource kube_resources[KUBE_KINDS];

/*
 * What the master says. Where a value names a file, `content` is what stood in
 * it when the master, who may read more, looked; empty when it could not.
 */
struct kube_value { const char *value; struct str content; };
struct kube_settings {
	const struct kube_provider *ingress, *crd;	/* NULL: not configured */
	const char *service_host, *service_port;	/* NULL: not in a cluster */
	struct kube_value kubeconfig, token, ca;
};

struct kube;

/* Takes a piece of the stream of changes (config/change.h) for the master. */
typedef void kube_send_fn(void *arg, struct str bytes);

struct kube *kube_new(const struct kube_settings *s, kube_send_fn *send,
	    void *arg);
void	kube_free(struct kube *k);

/* ---- For the API client ---------------------------------------------------- */

struct kube_watch {
	enum kube_kind kind;
	const char *ns;		/* NULL: all namespaces, or a cluster kind */
	const char *selector;	/* label selector, NULL: none */
};

/* What to list and watch, for the life of k; returns how many. */
unsigned kube_watches(const struct kube *k, const struct kube_watch **ret);

/*
 * A list: begin, then kube_put() per object of all its pages, then end, which
 * removes what did not come. When the list breaks off the next one begins anew
 * and nothing is removed before it ends. Both take the number of the watch.
 */
void	kube_list_begin(struct kube *k, unsigned watch);
void	kube_list_end(struct kube *k, unsigned watch);
/*
 * One object, listed, ADDED or MODIFIED; a reference is taken and the object
 * may be trimmed in place. An equal resourceVersion changes nothing. -EINVAL
 * when it is no object of this kind (wrong types, no name, foreign namespace).
 */
int	kube_put(struct kube *k, unsigned watch, json_t *object);
/* DELETED; only its metadata is looked at. -EINVAL as above. */
int	kube_remove(struct kube *k, unsigned watch, const json_t *object);
/*
 * The kind is forbidden or not there (403, 404): it counts as an empty list
 * that is complete. `why` is told once until it changes.
 */
void	kube_absent(struct kube *k, unsigned watch, const char *why);
/*
 * The connection of a watch, for status: "listing", "watching";
 * the version may be NULL.
 */
void	kube_state(struct kube *k, unsigned watch, const char *state,
	    const char *resource_version);
/* The server has said something; for status. The version may be NULL. */
void	kube_heard(struct kube *k, unsigned watch,
	    const char *resource_version);
/* A request failed; what is known stays. */
void	kube_lost(struct kube *k, unsigned watch, const char *why,
	    const char *resource_version);

/*
 * Builds what has changed and sends it; nothing of a provider before all its
 * watches have ended their first list, and then those of the other one too, or
 * three seconds have passed. To be called at the end of every turn
 * of the loop.
 */
void	kube_flush(struct kube *k);
/* When to call it again though nothing has come (throttleDuration), monotonic. */
nsec_t	kube_next(const struct kube *k);
/* Have all watches of all providers ended their first list? */
bool	kube_synced(const struct kube *k);

/*
 * An Ingress whose status is to be written: the object with its new
 * status.loadBalancer, for PUT on its /status; the caller owns it. NULL: none.
 * Once given it is not given again before something changes.
 */
json_t *kube_take_status(struct kube *k);

/*
 * An object that was refused, once per reason, for its owner to hear of: what
 * it is, as "regarding", and the reason, as "note"; the caller owns it. NULL:
 * none.
 */
json_t *kube_take_event(struct kube *k);

/* ---- For the providers: objects in the cache --------------------------------- */

struct kube_object {
	enum kube_kind kind;
	const char *ns, *name;	/* ns "" for a cluster kind */
	int64_t created;	/* unix seconds */
	json_t *json;		/* the whole object, without what nobody reads */
};

/*
 * What a provider reads through: it remembers what was asked for, so that the
 * one who asked is built again when that changes.
 */
struct kube_view;

/* NULL when there is none. */
const struct kube_object *kube_get(struct kube_view *v, enum kube_kind kind,
	    const char *ns, const char *name);
/* All of a cluster kind, oldest first, then by name; valid until the next call. */
unsigned kube_all(struct kube_view *v, enum kube_kind kind,
	    const struct kube_object *const **ret);
/* The EndpointSlices of a Service, oldest first, then by name; as above. */
unsigned kube_slices(struct kube_view *v, const char *ns, const char *service,
	    const struct kube_object *const **ret);

#endif
