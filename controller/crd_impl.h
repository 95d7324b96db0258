/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files behind crd.h share. */
#ifndef CRD_IMPL_H
#define CRD_IMPL_H

#include "kube_out.h"
#include "kube_service.h"

/* One object that is being built. */
struct crd {
	struct kube_view *v;
	const struct kube_provider *opt;
	const struct kube_object *o;
	struct kube_out *out;
	const json_t *spec;
};

/* ---- References, in crd_ref.c: keys owned by the caller, NULL with why ------- */

/* A middleware or TLS options, said in namespace `from`. */
char   *crd_ref(const struct crd *c, const char *from, const json_t *ref,
	    struct buf *why);
/* The same for each {name, namespace} of a list; NULL with why. */
json_t *crd_refs(const struct crd *c, const char *from, const json_t *list,
	    struct buf *why);
char   *crd_transport_ref(const struct crd *c, const char *from,
	    const char *name, struct buf *why);
/* A TraefikService. */
char   *crd_service_ref(const struct crd *c, const json_t *ref,
	    struct buf *why);
/* The namespace of a reference when it may be used, else NULL. */
const char *crd_namespace(const struct crd *c, const json_t *ref,
	    struct buf *why);

/* ---- Services, in crd_service.c -------------------------------------------- */

/*
 * The key of a service entry (of a route, a TraefikService, errors). A Service
 * is built and emitted under `as`, or with NULL its own name; `native` is what
 * an entry without nativeLB has. NULL with why.
 */
char   *crd_entry(const struct crd *c, const json_t *entry, const char *as,
	    bool native, struct buf *why);
/* {weighted: {services}} of several entries; NULL with why. */
json_t *crd_weighted(const struct crd *c, const json_t *entries, bool native,
	    struct buf *why);
void	crd_traefik_service(const struct crd *c);

/* ---- The other kinds --------------------------------------------------------- */

void	crd_route(const struct crd *c);
void	crd_middleware(const struct crd *c);
void	crd_transport(const struct crd *c);
void	crd_tls_option(const struct crd *c);
void	crd_tls_store(const struct crd *c);
/* The certificate of a Secret of this namespace, for the store (NULL: any). */
void	crd_certificate(const struct crd *c, const char *secret,
	    const char *store);

#endif
