/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects of traefik.io/v1alpha1; see crd.h. */
#include "crd.h"

#include "crd_impl.h"

#define CLASS_KEY	"kubernetes.io/ingress.class"

/* IngressClass objects are not looked at. */
static bool
is_ours(const struct crd *c)
{
	const char *spec = kube_text_at(c->spec, "ingressClassName");
	struct str class = str_c(spec != NULL ? spec : json_string_value(
	    json_object_get(kube_at(c->o->json, "metadata.annotations"),
	    CLASS_KEY)));

	if (str_eq(class, str_c(c->opt->ingress_class)))
		return true;
	return str_c(c->opt->ingress_class).n == 0 &&
	    str_eq(class, STR("traefik"));
}

static bool
in_namespaces(const struct crd *c)
{
	for (unsigned i = 0; i < c->opt->namespaces.n; i++)
		if (strcmp(c->opt->namespaces.v[i], c->o->ns) == 0)
			return true;
	return c->opt->namespaces.n == 0;
}

void
crd_build(struct kube_view *v, const struct kube_provider *opt,
    const struct kube_object *o, struct kube_out *out)
{
	struct crd c = { .v = v, .opt = opt, .o = o, .out = out,
	    .spec = json_object_get(o->json, "spec") };

	if (!in_namespaces(&c))
		return;
	switch (o->kind) {
	case KUBE_INGRESS_ROUTE:
		if (is_ours(&c))
			crd_route(&c);
		return;
	case KUBE_INGRESS_ROUTE_TCP:
	case KUBE_INGRESS_ROUTE_UDP:
		if (is_ours(&c))
			kube_refuse(out, "%s is not supported yet",
			    kube_resources[o->kind].kind);
		return;
	/* No router that could use one is there either. */
	case KUBE_MIDDLEWARE_TCP:
	case KUBE_SERVERS_TRANSPORT_TCP:
		kube_refuse(out, "%s is not supported yet",
		    kube_resources[o->kind].kind);
		return;
	case KUBE_MIDDLEWARE:
		crd_middleware(&c);
		return;
	case KUBE_TLS_OPTION:
		crd_tls_option(&c);
		return;
	case KUBE_TLS_STORE:
		crd_tls_store(&c);
		return;
	case KUBE_TRAEFIK_SERVICE:
		crd_traefik_service(&c);
		return;
	case KUBE_SERVERS_TRANSPORT:
		crd_transport(&c);
		return;
	default:
		return;
	}
}
