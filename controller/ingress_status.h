/* SPDX-License-Identifier: BSD-2-Clause */
/* Which addresses an Ingress should say that it is served at. */
#ifndef INGRESS_STATUS_H
#define INGRESS_STATUS_H

#include "buf.h"
#include "kube.h"

/*
 * The list for status.loadBalancer.ingress, owned by the caller. NULL: nothing
 * is to be written; then why is empty or says what is missing.
 */
json_t *ingress_status(struct kube_view *v, const struct kube_provider *opt,
	    struct buf *why);
/* Do two lists name the same? Ports are not compared, nor is the order. */
bool	ingress_status_same(const json_t *a, const json_t *b);

#endif
