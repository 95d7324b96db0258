/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes status.loadBalancer of Ingresses (kubernetes.md 2.12), one at a time.
 * A conflict is no error: the newer object comes by the watch and is looked at
 * again.
 */
#ifndef KUBE_WRITER_H
#define KUBE_WRITER_H

#include "kube.h"
#include "kube_http.h"

struct kube_writer;

struct kube_writer *kube_writer_new(struct kube *k, struct kube_http *h);
/* NULL is allowed. */
void	kube_writer_free(struct kube_writer *w);
/* Starts what there is to write; the timeout, shorter when a retry is due. */
int	kube_writer_start(struct kube_writer *w, int timeout_ms);
/* Its request has ended. */
void	kube_writer_ended(struct kube_writer *w, CURLcode result);

#endif
