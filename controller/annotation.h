/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Annotations "traefik.ingress.kubernetes.io/..." as the objects of the dynamic
 * configuration that they stand for.
 */
#ifndef ANNOTATION_H
#define ANNOTATION_H

#include "buf.h"

#include <jansson.h>

/*
 * All annotations of an object below "router." or "service.", as
 * {"entryPoints": [...], "tls": {...}, ...}: names as the configuration spells
 * them. NULL with the reason in why when one is not known or not right. The
 * caller owns the result.
 */
json_t *annotation_router(const json_t *annotations, struct buf *why);
json_t *annotation_service(const json_t *annotations, struct buf *why);

#endif
