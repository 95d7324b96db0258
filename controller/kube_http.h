/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests to the API server over libcurl: how it is reached, as whom, and whom
 * to believe. What is asked and what is made of the answer is the caller's.
 */
#ifndef KUBE_HTTP_H
#define KUBE_HTTP_H

#include "kube_server.h"

#include <curl/curl.h>

struct kube_http;

/*
 * `server` is borrowed. A name in its URL is resolved here, once: libcurl would
 * do it on a thread, which this process may not start. NULL with why.
 */
struct kube_http *kube_http_new(struct kube_server *server,
	    char why[KUBE_WHY]);
void	kube_http_free(struct kube_http *h);
CURLM  *kube_http_multi(struct kube_http *h);
const char *kube_http_url(const struct kube_http *h);

/*
 * A request with token, certificates and transport set; *headers gets what must
 * be freed after its end. To be added to the multi handle by the caller.
 */
CURL   *kube_http_request(struct kube_http *h, const char *url,
	    struct curl_slist **headers);
/*
 * Sends a body, of whose answer only the status is of interest: added to the multi
 * handle, with at most 10 s. The body stays until its end; private is what
 * CURLINFO_PRIVATE gives back.
 */
CURL   *kube_http_send(struct kube_http *h, const char *method, const char *url,
	    const char *type, const char *body, struct curl_slist **headers,
	    void *private);
/* Takes it off the multi handle and frees it. */
void	kube_http_end(struct kube_http *h, CURL *easy);
/* The server answered 401. */
void	kube_http_refused(struct kube_http *h);

#endif
