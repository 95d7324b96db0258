/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client of the Kubernetes API: lists and watches what kube.h asks for, as
 * client-go's reflector does (kubernetes.md 1.4), over libcurl.
 *
 *   LISTING --whole list--> WATCHING --end of stream--> WATCHING again
 *      ^                        |
 *      +------ 410, errors -----+        between tries: a back-off with jitter
 *
 * Nothing is cleared while the server is away. A kind that is forbidden or not
 * there counts as empty and is tried again slowly. No call waits but
 * kube_client_turn().
 */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include "clock.h"
#include "kube.h"
#include "kube_server.h"

#include <poll.h>

struct kube_client;

/*
 * For all watches of k. `server` is borrowed and must live as long. A name in
 * its URL is resolved here, before the process gives up helpers. NULL with a
 * message in why.
 */
struct kube_client *kube_client_new(struct kube *k, struct kube_server *server,
	    char why[KUBE_WHY]);
void	kube_client_free(struct kube_client *c);

/*
 * Waits for the API, for the extra descriptors, or for at most timeout_ms; then
 * does what there is to do for the API. revents of the extra ones are set.
 */
void	kube_client_turn(struct kube_client *c, struct pollfd *extra, unsigned n,
	    int timeout_ms);

#endif
