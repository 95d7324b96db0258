/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing the status of Ingresses; see kube_writer.h. */
#include "kube_writer.h"

#include "alloc.h"
#include "log.h"

#include <stdlib.h>

#define RETRY_FIRST	NSEC_SEC
#define RETRY_MOST	(60 * NSEC_SEC)

struct kube_writer {
	struct kube *k;
	struct kube_http *http;
	json_t *object;			/* being written, or to be tried again */
	char *body;			/* of the request in flight */
	CURL *easy;			/* NULL: none in flight */
	struct curl_slist *headers;
	nsec_t due, back_off;
};

struct kube_writer *
kube_writer_new(struct kube *k, struct kube_http *h)
{
	struct kube_writer *w = xcalloc(1, sizeof(*w));

	w->k = k;
	w->http = h;
	return w;
}

static void
drop(struct kube_writer *w)
{
	json_decref(w->object);
	w->object = NULL;
	w->back_off = 0;
	w->due = 0;
}

static void
request_done(struct kube_writer *w)
{
	kube_http_end(w->http, w->easy);
	w->easy = NULL;
	curl_slist_free_all(w->headers);
	w->headers = NULL;
	free(w->body);
	w->body = NULL;
}

void
kube_writer_free(struct kube_writer *w)
{
	if (w == NULL)
		return;
	if (w->easy != NULL)
		request_done(w);
	drop(w);
	free(w);
}

static const char *
meta(const struct kube_writer *w, const char *name)
{
	const char *s = json_string_value(json_object_get(json_object_get(
	    w->object, "metadata"), name));

	return s != NULL ? s : "";
}

static void
send_object(struct kube_writer *w)
{
	/* Names are DNS labels, so the path needs no escapes. */
	char *url = xasprintf("%s/apis/networking.k8s.io/v1/namespaces/%s/"
	    "ingresses/%s/status", kube_http_url(w->http), meta(w,
	    "namespace"), meta(w, "name"));

	if ((w->body = json_dumps(w->object, JSON_COMPACT)) == NULL)
		abort();
	w->easy = kube_http_send(w->http, "PUT", url, "application/json",
	    w->body, &w->headers, NULL);
	free(url);
}

int
kube_writer_start(struct kube_writer *w, int timeout_ms)
{
	nsec_t now = clock_mono();
	int left;

	if (w->easy != NULL)
		return timeout_ms;
	if (w->object == NULL)
		w->object = kube_take_status(w->k);
	if (w->object == NULL)
		return timeout_ms;
	if (w->due <= now) {
		send_object(w);
		return 0;
	}
	left = (int)((w->due - now) / NSEC_MSEC) + 1;
	return left < timeout_ms ? left : timeout_ms;
}

void
kube_writer_ended(struct kube_writer *w, CURLcode result)
{
	long status = 0;

	curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
	request_done(w);
	if (result == CURLE_OK && (status == 200 || status == 201 ||
	    status == 409 || status == 404)) {
		drop(w);	/* written; or what it was about has changed */
		return;
	}
	if (status == 401)
		kube_http_refused(w->http);
	log_limited(LOG_WARN, "kubernetes: the status of Ingress %s/%s cannot "
	    "be written: %s %ld", meta(w, "namespace"), meta(w, "name"),
	    result != CURLE_OK ? curl_easy_strerror(result) :
	    "the API server answers", status);
	if (status == 403 || status == 400 || status == 422) {
		drop(w);	/* trying again would not help */
		return;
	}
	w->back_off = w->back_off == 0 ? RETRY_FIRST : w->back_off * 2;
	if (w->back_off > RETRY_MOST)
		w->back_off = RETRY_MOST;
	w->due = clock_mono() + w->back_off;
}
