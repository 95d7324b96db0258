/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which API server, and as whom (kubernetes.md 1.1): from inside a pod, from a
 * kubeconfig, or as the configuration says.
 */
#ifndef KUBE_SERVER_H
#define KUBE_SERVER_H

#include "clock.h"
#include "model.h"

#define KUBE_WHY	512

struct kube_server {
	char *url;		/* without a slash at its end */
	char *ca_file;		/* read again when it changes; NULL: ca or the system's roots */
	char *ca;		/* PEM */
	char *token_file;	/* read again each minute and after a 401 */
	char *token;		/* NULL: none */
	nsec_t token_read;	/* monotonic; 0: never */
	char *cert, *key;	/* PEM of a client certificate, or NULL */
	bool insecure;		/* insecure-skip-tls-verify of a kubeconfig */
};

/*
 * Finds out. 0, or -errno with a message in why: a required file cannot be
 * read, nothing says which server.
 */
int	kube_server_find(struct kube_server *s, const struct kube_provider *p,
	    char why[KUBE_WHY]);
void	kube_server_fini(struct kube_server *s);

/*
 * The token to send now, NULL for none. A file that cannot be read any more or
 * is empty leaves the last one.
 */
const char *kube_server_token(struct kube_server *s, nsec_t now);
/* The server refused it: read the file before the next request. */
void	kube_server_token_refused(struct kube_server *s);

#endif
