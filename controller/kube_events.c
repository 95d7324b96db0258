/* SPDX-License-Identifier: BSD-2-Clause */
/* Refused objects as Events; see kube_events.h. */
#include "kube_events.h"

#include "alloc.h"
#include "hash.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KNOWN		1024		/* events that are counted up; older ones are new again */
#define BURST		20		/* requests at once, then one per EVERY */
#define EVERY		NSEC_SEC
#define RETRY		(2 * NSEC_SEC)
#define TRIES		5
#define REFUSALS	3		/* in a row: the role does not allow it */
#define OFF		(600 * NSEC_SEC)

struct event {
	uint64_t key;			/* of object and reason */
	char *name;			/* of the Event */
	json_t *regarding, *note;
	uint64_t count;
	unsigned tries;
	bool made;			/* the server has it */
	bool due;
};

struct kube_events {
	struct kube *k;
	struct kube_http *http;
	struct event v[KNOWN];
	unsigned next;			/* place of the next new one */
	unsigned turn;			/* where the next due one is looked for */
	unsigned ndue;
	struct event *sent;		/* in flight */
	char *body;
	CURL *easy;
	struct curl_slist *headers;
	double tokens;
	nsec_t filled;			/* when tokens was right */
	nsec_t again;			/* not before */
	unsigned refusals;
	bool told;			/* that they are not allowed */
	char instance[100];
};

struct kube_events *
kube_events_new(struct kube *k, struct kube_http *h)
{
	struct kube_events *e = xcalloc(1, sizeof(*e));
	char host[80] = "";

	e->k = k;
	e->http = h;
	e->tokens = BURST;
	e->filled = clock_mono();
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(e->instance, sizeof(e->instance), "akkod-%s", host);
	return e;
}

/* ---- What is known ------------------------------------------------------------ */

static void
forget(struct kube_events *e, struct event *ev)
{
	e->ndue -= ev->due;
	free(ev->name);
	json_decref(ev->regarding);
	json_decref(ev->note);
	*ev = (struct event){ .name = NULL };
}

static void
set_due(struct kube_events *e, struct event *ev, bool due)
{
	e->ndue = e->ndue - ev->due + due;
	ev->due = due;
	ev->tries = 0;
}

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static struct event *
find(struct kube_events *e, uint64_t key)
{
	for (unsigned i = 0; i < KNOWN; i++)
		if (e->v[i].name != NULL && e->v[i].key == key)
			return &e->v[i];
	return NULL;
}

/* The oldest makes room, but not one that is being written. */
static struct event *
place(struct kube_events *e)
{
	struct event *ev = &e->v[e->next++ % KNOWN];

	if (ev == e->sent)
		ev = &e->v[e->next++ % KNOWN];
	if (ev->name != NULL)
		forget(e, ev);
	return ev;
}

static void
add(struct kube_events *e, json_t *what)
{
	json_t *regarding = json_object_get(what, "regarding"),
	    *note = json_object_get(what, "note");
	uint64_t key = hash_str(str_c(text(regarding, "kind")), 1);
	struct event *ev;

	key = hash_str(str_c(text(regarding, "namespace")), key);
	key = hash_str(str_c(text(regarding, "name")), key);
	key = hash_str(str_c(json_string_value(note)), key);
	if ((ev = find(e, key)) != NULL) {
		ev->count++;
	} else {
		ev = place(e);
		*ev = (struct event){ .key = key, .count = 1,
		    .note = json_incref(note),
		    .name = xasprintf("%.200s.%016llx", text(regarding,
		    "name"), (unsigned long long)key) };
	}
	json_decref(ev->regarding);
	ev->regarding = json_incref(regarding);
	set_due(e, ev, true);
}

/* ---- Requests ------------------------------------------------------------------ */

static json_t *
time_json(void)
{
	nsec_t now = clock_wall();
	time_t secs = (time_t)(now / NSEC_SEC);
	char day[32], out[48];
	struct tm tm;

	gmtime_r(&secs, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, sizeof(out), "%s.%06dZ", day,
	    (int)(now % NSEC_SEC / 1000));
	return json_string(out);
}

static json_t *
new_json(const struct kube_events *e, const struct event *ev)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:o, s:s, s:s, s:s, s:s, "
	    "s:s, s:O, s:O}", "apiVersion", "events.k8s.io/v1", "kind",
	    "Event", "metadata", "name", ev->name, "namespace",
	    text(ev->regarding, "namespace"), "eventTime", time_json(),
	    "type", "Warning", "reason", "Refused", "action", "Read",
	    "reportingController", "akkod", "reportingInstance", e->instance,
	    "regarding", ev->regarding, "note", ev->note);
}

static json_t *
more_json(const struct event *ev)
{
	return json_pack("{s:{s:I, s:o}}", "series", "count",
	    (json_int_t)ev->count, "lastObservedTime", time_json());
}

static void
send_event(struct kube_events *e, struct event *ev)
{
	/* Names are DNS labels, so the path needs no escapes. */
	char *url = xasprintf("%s/apis/events.k8s.io/v1/namespaces/%s/events"
	    "%s%s", kube_http_url(e->http), text(ev->regarding, "namespace"),
	    ev->made ? "/" : "", ev->made ? ev->name : "");
	json_t *body = ev->made ? more_json(ev) : new_json(e, ev);

	if (body == NULL || (e->body = json_dumps(body, JSON_COMPACT)) == NULL)
		abort();
	json_decref(body);
	e->sent = ev;
	e->easy = kube_http_send(e->http, ev->made ? "PATCH" : "POST", url,
	    ev->made ? "application/merge-patch+json" : "application/json",
	    e->body, &e->headers, e);
	free(url);
}

static struct event *
next_due(struct kube_events *e)
{
	for (unsigned i = 0; i < KNOWN; i++) {
		struct event *ev = &e->v[e->turn++ % KNOWN];

		if (ev->due)
			return ev;
	}
	return NULL;
}

static void
fill(struct kube_events *e, nsec_t now)
{
	e->tokens += (double)(now - e->filled) / EVERY;
	if (e->tokens > BURST)
		e->tokens = BURST;
	e->filled = now;
}

int
kube_events_start(struct kube_events *e, int timeout_ms)
{
	nsec_t now = clock_mono(), at = e->again;
	json_t *what;
	int left;

	while ((what = kube_take_event(e->k)) != NULL) {
		if (!e->told || now >= e->again)
			add(e, what);
		json_decref(what);
	}
	if (e->easy != NULL || e->ndue == 0)
		return timeout_ms;
	fill(e, now);
	if (e->tokens < 1 && at < now + EVERY)
		at = now + EVERY;
	if (at <= now) {
		e->tokens--;
		send_event(e, next_due(e));
		return 0;
	}
	left = (int)((at - now) / NSEC_MSEC) + 1;
	return left < timeout_ms ? left : timeout_ms;
}

/* ---- Ends of requests ------------------------------------------------------------ */

static void
request_done(struct kube_events *e)
{
	kube_http_end(e->http, e->easy);
	e->easy = NULL;
	curl_slist_free_all(e->headers);
	e->headers = NULL;
	free(e->body);
	e->body = NULL;
	e->sent = NULL;
}

/* One may be refused since its namespace ends; several in a row are the role. */
static void
forbidden(struct kube_events *e, struct event *ev)
{
	set_due(e, ev, false);
	if (++e->refusals < REFUSALS && e->ndue != 0)
		return;
	if (!e->told)
		log_info("kubernetes: the role does not allow to create and "
		    "patch events.events.k8s.io; refused objects stand in this "
		    "log only");
	e->told = true;
	e->again = clock_mono() + OFF;
	for (unsigned i = 0; i < KNOWN; i++)
		if (e->v[i].due)
			set_due(e, &e->v[i], false);
}

void
kube_events_ended(struct kube_events *e, CURLcode result)
{
	struct event *ev = e->sent;
	long status = 0;

	curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &status);
	request_done(e);
	if (status == 401)
		kube_http_refused(e->http);
	if (result == CURLE_OK && (status == 200 || status == 201)) {
		ev->made = true;
		e->refusals = 0;
		set_due(e, ev, false);
	} else if (status == 409 && !ev->made) {
		ev->made = true;	/* of a former life, or another pod */
		ev->count++;
	} else if (status == 404 && ev->made) {
		ev->made = false;	/* the server keeps them for an hour */
		ev->count = 1;
	} else if (status == 403) {
		forbidden(e, ev);
	} else if (status == 400 || status == 404 || status == 422 ||
	    ++ev->tries >= TRIES) {
		set_due(e, ev, false);
	} else {
		e->again = clock_mono() + RETRY;
	}
}

void
kube_events_free(struct kube_events *e)
{
	if (e == NULL)
		return;
	if (e->easy != NULL)
		request_done(e);
	for (unsigned i = 0; i < KNOWN; i++)
		if (e->v[i].name != NULL)
			forget(e, &e->v[i]);
	free(e);
}
