/* SPDX-License-Identifier: BSD-2-Clause */
/* From a Service and its port to the servers behind it. */
#ifndef KUBE_SERVICE_H
#define KUBE_SERVICE_H

#include "buf.h"
#include "kube.h"

/* One entry of a Service's spec.ports. */
struct kube_port {
	int64_t number, node_port;
	const char *name;		/* "" when it has none */
};

/*
 * The port of that number or name (0 and NULL: not asked for). False, with what
 * the Service has instead in why.
 */
bool	kube_port_find(const struct kube_object *service, int64_t number,
	    const char *name, struct kube_port *ret, struct buf *why);

/* Where the servers are taken from, see kubernetes.md 2.9 and 4.4. */
struct kube_reach {
	const struct kube_provider *opt;
	const char *scheme;		/* NULL: by the port */
	bool native;			/* the cluster address */
	bool nodes;			/* Nodes and the node port */
};

/* The scheme that a port means by itself: "http" or "https". */
const char *kube_scheme(const struct kube_port *port);
/*
 * A list of {url} and {url, fenced}. NULL with the reason in why when there is
 * no way to the Service; an empty list when it has no endpoint.
 */
json_t *kube_servers(struct kube_view *v, const struct kube_object *service,
	    const struct kube_port *port, const struct kube_reach *reach,
	    struct buf *why);
bool	kube_is_external(const struct kube_object *service);

/* Does opt let this namespace name objects of other providers? */
bool	kube_may_cross(const struct kube_provider *opt, const char *ns);
/* "spec.a.b" of JSON, by path elements; NULL when something is missing. */
json_t *kube_at(const json_t *json, const char *path);
const char *kube_text_at(const json_t *json, const char *path);

#endif
