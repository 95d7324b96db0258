/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds that are watched; see kube.h. */
#include "kube.h"

#define BOTH		(KUBE_FOR_INGRESS | KUBE_FOR_CRD)
#define TRAEFIK		"traefik.io", "v1alpha1"

const struct kube_resource kube_resources[KUBE_KINDS] = {
	[KUBE_INGRESS] = { "Ingress", "networking.k8s.io", "v1", "ingresses",
	    NULL, true, KUBE_FOR_INGRESS },
	[KUBE_INGRESS_CLASS] = { "IngressClass", "networking.k8s.io", "v1",
	    "ingressclasses", NULL, false, KUBE_FOR_INGRESS },
	[KUBE_SERVICE] = { "Service", "", "v1", "services", NULL, true, BOTH },
	[KUBE_ENDPOINT_SLICE] = { "EndpointSlice", "discovery.k8s.io", "v1",
	    "endpointslices", NULL, true, BOTH },
	/* Helm keeps its releases in Secrets, large ones. */
	[KUBE_SECRET] = { "Secret", "", "v1", "secrets", "owner!=helm", true,
	    BOTH },
	[KUBE_CONFIG_MAP] = { "ConfigMap", "", "v1", "configmaps", NULL, true,
	    KUBE_FOR_CRD },
	[KUBE_NODE] = { "Node", "", "v1", "nodes", NULL, false, BOTH },
	[KUBE_INGRESS_ROUTE] = { "IngressRoute", TRAEFIK, "ingressroutes",
	    NULL, true, KUBE_FOR_CRD },
	[KUBE_INGRESS_ROUTE_TCP] = { "IngressRouteTCP", TRAEFIK,
	    "ingressroutetcps", NULL, true, KUBE_FOR_CRD },
	[KUBE_INGRESS_ROUTE_UDP] = { "IngressRouteUDP", TRAEFIK,
	    "ingressrouteudps", NULL, true, KUBE_FOR_CRD },
	[KUBE_MIDDLEWARE] = { "Middleware", TRAEFIK, "middlewares", NULL,
	    true, KUBE_FOR_CRD },
	[KUBE_MIDDLEWARE_TCP] = { "MiddlewareTCP", TRAEFIK, "middlewaretcps",
	    NULL, true, KUBE_FOR_CRD },
	[KUBE_TLS_OPTION] = { "TLSOption", TRAEFIK, "tlsoptions", NULL, true,
	    KUBE_FOR_CRD },
	[KUBE_TLS_STORE] = { "TLSStore", TRAEFIK, "tlsstores", NULL, true,
	    KUBE_FOR_CRD },
	[KUBE_TRAEFIK_SERVICE] = { "TraefikService", TRAEFIK,
	    "traefikservices", NULL, true, KUBE_FOR_CRD },
	[KUBE_SERVERS_TRANSPORT] = { "ServersTransport", TRAEFIK,
	    "serverstransports", NULL, true, KUBE_FOR_CRD },
	[KUBE_SERVERS_TRANSPORT_TCP] = { "ServersTransportTCP", TRAEFIK,
	    "serverstransporttcps", NULL, true, KUBE_FOR_CRD },
};
