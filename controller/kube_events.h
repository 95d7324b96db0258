/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells of refused objects where their owners look: as Kubernetes Events
 * (events.k8s.io/v1), one per object and reason; what comes again counts it up.
 * They go out one at a time and few per second, hold nothing else up, and stop
 * where the role does not allow them.
 */
#ifndef KUBE_EVENTS_H
#define KUBE_EVENTS_H

#include "kube.h"
#include "kube_http.h"

struct kube_events;

struct kube_events *kube_events_new(struct kube *k, struct kube_http *h);
/* NULL is allowed. */
void	kube_events_free(struct kube_events *e);
/* Starts what is due; the timeout, shorter when something is due before. */
int	kube_events_start(struct kube_events *e, int timeout_ms);
/* Its request, whose CURLOPT_PRIVATE is e itself, has ended. */
void	kube_events_ended(struct kube_events *e, CURLcode result);

#endif
