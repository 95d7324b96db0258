/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of traefik.io/v1alpha1 to routers, services, middlewares, transports,
 * TLS options, stores and certificates, as Traefik's provider "kubernetescrd"
 * reads them.
 */
#ifndef CRD_H
#define CRD_H

#include "provider.h"

/* The kinds that it makes something of, or says that it cannot. */
#define CRD_ROOTS							\
	(1u << KUBE_INGRESS_ROUTE | 1u << KUBE_INGRESS_ROUTE_TCP |	\
	1u << KUBE_INGRESS_ROUTE_UDP | 1u << KUBE_MIDDLEWARE |		\
	1u << KUBE_TLS_OPTION | 1u << KUBE_TLS_STORE |			\
	1u << KUBE_TRAEFIK_SERVICE | 1u << KUBE_SERVERS_TRANSPORT |	\
	1u << KUBE_MIDDLEWARE_TCP | 1u << KUBE_SERVERS_TRANSPORT_TCP)

provider_fn crd_build;

#endif
