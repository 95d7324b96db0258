/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects of traefik.io/v1alpha1; see crd.h. */
#include "crd.h"

void
crd_build(struct kube_view *v, const struct kube_provider *opt,
    const struct kube_object *o, struct kube_out *out)
{
	(void)v;
	(void)opt;
	(void)o;
	(void)out;
}
