/* SPDX-License-Identifier: BSD-2-Clause */
/* What Secrets and ConfigMaps hold, checked before anybody else sees it. */
#ifndef KUBE_SECRET_H
#define KUBE_SECRET_H

#include "buf.h"
#include "kube.h"

/*
 * The value of a key of a Secret (base64) or ConfigMap (text) appended to out.
 * 0, -ENOENT when there is no such key or it is empty, -EINVAL.
 */
int	kube_data(const struct kube_object *o, const char *key,
	    struct buf *out);
/* The only key of a Secret; NULL when there are none or several. */
const char *kube_only_key(const struct kube_object *o);

/* What became of a Secret with a certificate. */
enum kube_found {
	KUBE_GONE,		/* it does not exist */
	KUBE_BAD,		/* nothing that can be used */
	KUBE_OLD,		/* expired: better than nothing, no more */
	KUBE_GOOD
};

/*
 * "tls.crt" and "tls.key" of a Secret as {certFile, keyFile}, a pair that
 * belongs together. NULL when it cannot be used; what is wrong is in why.
 */
json_t *kube_pair(struct kube_view *v, const char *ns, const char *name,
	    enum kube_found *ret, struct buf *why);
/*
 * The CA of a Secret or ConfigMap as PEM text: "tls.ca", else "ca.crt", else
 * with `any` the only key. NULL with the reason in why.
 */
json_t *kube_ca(struct kube_view *v, enum kube_kind kind, const char *ns,
	    const char *name, bool any, struct buf *why);

#endif
