/* SPDX-License-Identifier: BSD-2-Clause */
/* What the master says a Kubernetes provider shall do: once, whole, then fixed. */
#ifndef ORDERS_H
#define ORDERS_H

#include "kube.h"

struct orders;

struct orders *orders_new(void);
void	orders_free(struct orders *o);
/*
 * Takes bytes of the stream of settings. 1 when they are complete, 0 when more
 * must come, -EPROTO when they are not what a master says.
 */
int	orders_feed(struct orders *o, struct str bytes);
/* The settings; valid as long as o is. */
const struct kube_settings *orders_settings(const struct orders *o);

#endif
