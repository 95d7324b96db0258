/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One Kubernetes provider: for each object that it is about (an Ingress, a
 * Middleware, ...) what was made of it and what was looked at meanwhile. Only
 * what has changed is built again. Where two objects make an item of the same
 * name, the older one has it, then by namespace and name.
 */
#ifndef PROVIDER_H
#define PROVIDER_H

#include "kube_out.h"
#include "kube_store.h"

/* Makes items of one object; pure. */
typedef void provider_fn(struct kube_view *v, const struct kube_provider *opt,
	    const struct kube_object *o, struct kube_out *out);

struct provider;

/* roots: bits of the kinds that it is about. opt is borrowed. */
struct provider *provider_new(enum change_part part,
	    const struct kube_provider *opt, uint32_t roots,
	    provider_fn *build);
void	provider_free(struct provider *p);
/* An object came, changed or went. */
void	provider_changed(struct provider *p, enum kube_kind kind,
	    const char *ns, const char *name);
/* What was looked at under this number has changed. */
void	provider_dep_changed(struct provider *p, uint64_t dep);
/* Is there anything to build? */
bool	provider_dirty(const struct provider *p);
/*
 * Builds what has changed and appends it to the stream, with a commit when
 * there is anything. The first time also says that it is all there is.
 */
void	provider_flush(struct provider *p, struct kube_view *v,
	    struct buf *stream);
/*
 * The next status.loadBalancer.ingress to be written, NULL: none; the caller
 * owns it. The names are valid until the next flush.
 */
json_t *provider_take_status(struct provider *p, const char **ret_ns,
	    const char **ret_name);

/* A reason for which an object was refused that was not there before. */
struct notice {
	enum kube_kind kind;
	char *ns, *name, *text;		/* owned by who takes it */
};
/* The next one; false: none. */
bool	provider_take_notice(struct provider *p, struct notice *ret);

#endif
