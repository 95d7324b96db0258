/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a provider makes of one object: named items in the words of Traefik's
 * dynamic configuration, as JSON, and what it refused with the reason.
 */
#ifndef KUBE_OUT_H
#define KUBE_OUT_H

#include "change.h"
#include "map.h"

#include <jansson.h>

struct kube_item {
	enum change_kind kind;
	char *name;
	json_t *value;		/* NULL: only the name is claimed */
	char *broken;		/* why it answers 503, or NULL */
	bool exclusive;		/* claimed twice: nobody has it */
	bool keep;		/* what it was before stays, if it was */
};

struct kube_out {
	struct kube_item *v;
	unsigned n, cap;
	struct map index;	/* of kind and name in v, from 1 */
	char **refused;
	unsigned nrefused;
	json_t *status;		/* status.loadBalancer.ingress to be written */
};

/* Adds an item and returns it; value is stolen. The last of a name counts. */
struct kube_item *kube_emit(struct kube_out *o, enum change_kind kind,
	    const char *name, json_t *value);
/* The same with why it cannot be used. */
void	kube_emit_broken(struct kube_out *o, enum change_kind kind,
	    const char *name, json_t *value, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
bool	kube_emitted(const struct kube_out *o, enum change_kind kind,
	    const char *name);
/* A line for the operator; the same line counts once. */
void	kube_refuse(struct kube_out *o, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	kube_out_fini(struct kube_out *o);

#endif
