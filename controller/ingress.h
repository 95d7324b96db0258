/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ingress objects to routers, services and certificates, with the annotations
 * of Ingresses and Services, as Traefik's provider "kubernetes" reads them.
 */
#ifndef INGRESS_H
#define INGRESS_H

#include "provider.h"

provider_fn ingress_build;

#endif
