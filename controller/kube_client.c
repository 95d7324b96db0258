/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists and watches of the Kubernetes API; see kube_client.h. */
#include "kube_client.h"

#include "alloc.h"
#include "buf.h"
#include "kube_events.h"
#include "kube_http.h"
#include "kube_json.h"
#include "kube_writer.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE		500		/* objects of a list at once */
#define PAGE_BYTES	(256 << 20)	/* one page of large Secrets */
#define EVENT_BYTES	(16 << 20)	/* one event; etcd's objects have 1.5 MB */
#define WATCH_SECS	300		/* a watch lasts so long, up to twice that */
#define WATCH_SLACK	(30 * NSEC_SEC)	/* then it is a half-open one */
#define BACK_OFF	(200 * NSEC_MSEC)
#define BACK_OFF_MAX	(1300 * NSEC_MSEC)	/* 2 s with jitter: a server that is back is seen soon */
#define ABSENT		(2 * NSEC_SEC)	/* a kind we may not see, at first */
#define ABSENT_MAX	(60 * NSEC_SEC)
#define REFUSALS	3		/* in a row: roles come late at a server's start */
#define SHORT_WATCH	NSEC_SEC	/* without an event: as an error */
#define LOOK_AGAIN	500		/* milliseconds, see kube_client_turn() */

enum state { WAITING, LISTING, WATCHING };

/* One collection of objects. */
struct watcher {
	struct kube_client *c;
	unsigned index;			/* for kube_*() */
	const struct kube_watch *what;
	enum state state;
	enum state next;		/* WAITING: what to do then */
	nsec_t due;			/* WAITING: when */
	nsec_t back_off;		/* the last one; 0 after a success */
	nsec_t began;			/* the request in flight */
	nsec_t give_up;			/* when it counts as lost */
	CURL *easy;
	struct curl_slist *headers;
	struct buf body;		/* a page of a list, a line of a watch */
	char *version;			/* resourceVersion; NULL: the newest */
	char *more;			/* continue token of a list */
	char error[CURL_ERROR_SIZE];
	unsigned refusals;		/* 403 or 404 in a row */
	bool listed;			/* a whole list came once */
	bool begun;			/* kube_list_begin() was called */
	bool events;			/* the watch brought something */
	bool failed;			/* it brought an ERROR, or nonsense */
	bool expired;			/* that was 410: the version is too old */
};

struct kube_client {
	struct kube *k;
	struct kube_http *http;
	struct kube_writer *writer;
	struct kube_events *events;
	struct watcher *v;
	unsigned n;
	bool moved;	/* something came since the last look at it */
};

/* ---- Time -------------------------------------------------------------------- */

/* Up to half of it more, so that many clients do not come in step. */
static nsec_t
jitter(nsec_t t)
{
	return t + (nsec_t)((uint64_t)random() % (uint64_t)(t / 2 + 1));
}

static void
wait_then(struct watcher *w, enum state next, nsec_t first, nsec_t most)
{
	w->back_off = w->back_off < first ? first : w->back_off * 2;
	if (w->back_off > most)
		w->back_off = most;
	w->state = WAITING;
	w->next = next;
	w->due = clock_mono() + jitter(w->back_off);
}

static void
at_once(struct watcher *w, enum state next)
{
	w->state = WAITING;
	w->next = next;
	w->due = 0;
}

static void
tell(struct watcher *w, const char *state)
{
	kube_state(w->c->k, w->index, state, w->version);
}

/* ---- Requests ------------------------------------------------------------------ */

static void
forget_version(struct watcher *w)
{
	free(w->version);
	w->version = NULL;
}

static void
set_text(char **to, const char *value)
{
	free(*to);
	*to = value != NULL && value[0] != '\0' ? xstrdup(value) : NULL;
}

static void
put_escaped(struct buf *url, const char *name, const char *value)
{
	char *text;

	if (value == NULL || (text = curl_easy_escape(NULL, value, 0)) == NULL)
		return;
	buf_printf(url, "&%s=%s", name, text);
	curl_free(text);
}

/* The label selectors of the kind and of the configuration together. */
static void
put_selector(struct watcher *w, struct buf *url)
{
	const char *a = kube_resources[w->what->kind].selector,
	    *b = w->what->selector;
	char *both = a != NULL && b != NULL ? xasprintf("%s,%s", a, b) : NULL;

	put_escaped(url, "labelSelector", both != NULL ? both :
	    a != NULL ? a : b);
	free(both);
}

static void
make_url(struct watcher *w, struct buf *url)
{
	const struct kube_resource *r = &kube_resources[w->what->kind];

	buf_printf(url, "%s/%s%s%s/%s", kube_http_url(w->c->http),
	    r->group[0] == '\0' ? "api" : "apis/", r->group,
	    r->group[0] == '\0' ? "" : "", r->version);
	if (w->what->ns != NULL)
		buf_printf(url, "/namespaces/%s", w->what->ns);
	buf_printf(url, "/%s?", r->plural);
	if (w->next == LISTING) {
		buf_printf(url, "limit=%d", PAGE);
		put_escaped(url, "continue", w->more);
		if (w->more == NULL)
			put_escaped(url, "resourceVersion",
			    w->version != NULL ? w->version : "");
	} else {
		buf_printf(url, "watch=true&allowWatchBookmarks=true&"
		    "timeoutSeconds=%ld", WATCH_SECS + random() % WATCH_SECS);
		put_escaped(url, "resourceVersion", w->version);
	}
	put_selector(w, url);
}

static size_t	on_bytes(char *p, size_t size, size_t n, void *arg);

/* Sends the list or watch that is due. */
static void
request(struct watcher *w)
{
	struct buf url = BUF_INIT;

	make_url(w, &url);
	curl_slist_free_all(w->headers);
	w->headers = NULL;
	w->easy = kube_http_request(w->c->http, buf_cstr(&url), &w->headers);
	buf_fini(&url);
	curl_easy_setopt(w->easy, CURLOPT_ERRORBUFFER, w->error);
	curl_easy_setopt(w->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(w->easy, CURLOPT_WRITEDATA, w);
	curl_easy_setopt(w->easy, CURLOPT_PRIVATE, w);
	buf_reset(&w->body);
	w->body.max = w->next == LISTING ? PAGE_BYTES : EVENT_BYTES;
	w->error[0] = '\0';
	w->events = w->failed = w->expired = false;
	w->began = clock_mono();
	w->give_up = w->began + (w->next == LISTING ? 60 * NSEC_SEC :
	    2 * WATCH_SECS * NSEC_SEC + WATCH_SLACK);
	w->state = w->next;
	tell(w, w->state == LISTING ? "listing" : "watching");
	if (w->state == LISTING && !w->begun) {
		kube_list_begin(w->c->k, w->index);
		w->begun = true;
	}
	curl_multi_add_handle(kube_http_multi(w->c->http), w->easy);
}

/* ---- Watching ------------------------------------------------------------------- */

static const char *
string_at(const json_t *o, const char *a, const char *b)
{
	return json_string_value(json_object_get(json_object_get(o, a), b));
}

/* An ERROR event carries a Status. */
static void
take_error(struct watcher *w, const json_t *status)
{
	w->failed = true;
	w->expired = json_integer_value(json_object_get(status, "code")) == 410;
	snprintf(w->error, sizeof(w->error), "%s", json_string_value(
	    json_object_get(status, "message")) != NULL ? json_string_value(
	    json_object_get(status, "message")) : "an error without a message");
}

static void
take_event(struct watcher *w, json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type")),
	    *version;
	json_t *object = json_object_get(event, "object");
	int r = 0;

	if (type == NULL || object == NULL) {
		w->failed = true;
		return;
	}
	if (strcmp(type, "ERROR") == 0) {
		take_error(w, object);
		return;
	}
	w->events = true;
	version = string_at(object, "metadata", "resourceVersion");
	if (version != NULL)
		set_text(&w->version, version);
	kube_heard(w->c->k, w->index, w->version);
	if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
		r = kube_put(w->c->k, w->index, object);
	else if (strcmp(type, "DELETED") == 0)
		r = kube_remove(w->c->k, w->index, object);
	else if (strcmp(type, "BOOKMARK") != 0)
		log_limited(LOG_WARN, "kubernetes: an event of type \"%.40s\" "
		    "is ignored", type);
	if (r < 0)
		log_limited(LOG_WARN, "kubernetes: an object that is not of "
		    "kind %s is ignored", kube_resources[w->what->kind].kind);
}

static void
take_line(struct watcher *w, char *line, size_t n)
{
	json_error_t err;
	json_t *event;

	if (str_trim(str_n(line, n)).n == 0)
		return;
	if ((event = kube_json_load(line, n, &err)) == NULL) {
		w->failed = true;
		snprintf(w->error, sizeof(w->error), "an event is not JSON: %s",
		    err.text);
		return;
	}
	take_event(w, event);
	json_decref(event);
}

/* Whole lines of a watch go at once; the rest waits for its end. */
static void
take_lines(struct watcher *w)
{
	struct str rest = buf_str(&w->body);
	ptrdiff_t end;

	while (!w->failed && (end = str_chr(rest, '\n')) >= 0) {
		take_line(w, w->body.p + (rest.p - w->body.p), (size_t)end);
		rest = str_from(rest, (size_t)end + 1);
	}
	if (rest.n > 0 && rest.p != w->body.p)
		memmove(w->body.p, rest.p, rest.n);
	w->body.n = rest.n;
}

static long
http_status(const struct watcher *w)
{
	long status = 0;

	curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t
on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct watcher *w = arg;

	(void)size;	/* is 1 */
	w->c->moved = true;
	buf_put(&w->body, p, n);
	if (buf_failed(&w->body)) {
		snprintf(w->error, sizeof(w->error), "more than %zu bytes",
		    w->body.max);
		return 0;
	}
	if (w->state == WATCHING && http_status(w) == 200)
		take_lines(w);
	return w->failed ? 0 : n;
}

/* ---- Ends of requests ------------------------------------------------------------ */

/* A page of a list. 0 or -EINVAL. */
static int
take_page(struct watcher *w)
{
	static char none[1];
	json_error_t err;
	json_t *list = kube_json_load(w->body.p != NULL ? w->body.p : none,
	    w->body.n, &err), *items = json_object_get(list, "items");
	const struct kube_resource *r = &kube_resources[w->what->kind];
	size_t i;
	json_t *o;

	if (!json_is_array(items)) {
		snprintf(w->error, sizeof(w->error), "the list is not one: %s",
		    list == NULL ? err.text : "no items");
		json_decref(list);
		return -EINVAL;
	}
	json_array_foreach(items, i, o)
		/* Items of a list do not repeat their kind. */
		if (kube_put(w->c->k, w->index, o) < 0)
			log_limited(LOG_WARN, "kubernetes: an object that is "
			    "not of kind %s is ignored", r->kind);
	set_text(&w->more, string_at(list, "metadata", "continue"));
	set_text(&w->version, string_at(list, "metadata", "resourceVersion"));
	json_decref(list);
	return 0;
}

static void
list_ended(struct watcher *w)
{
	if (take_page(w) < 0) {
		log_limited(LOG_WARN, "kubernetes: listing %s: %s",
		    kube_resources[w->what->kind].plural, w->error);
		set_text(&w->more, NULL);
		w->begun = false;
		wait_then(w, LISTING, BACK_OFF, BACK_OFF_MAX);
		return;
	}
	w->back_off = 0;
	if (w->more != NULL) {
		at_once(w, LISTING);
		return;
	}
	w->begun = false;
	w->listed = true;
	w->refusals = 0;
	kube_heard(w->c->k, w->index, w->version);
	kube_list_end(w->c->k, w->index);
	at_once(w, WATCHING);
}

/* Not allowed, or not there: no reason to hold the rest up. */
static void
absent(struct watcher *w, long status)
{
	const struct kube_resource *r = &kube_resources[w->what->kind];
	char why[160];

	snprintf(why, sizeof(why), "%s.%s: %s", r->plural, r->group[0] != '\0' ?
	    r->group : "core", status == 403 ?
	    "the role does not allow to list and watch them" :
	    "the server does not know them");
	w->begun = false;
	forget_version(w);
	set_text(&w->more, NULL);
	kube_absent(w->c->k, w->index, why);
	wait_then(w, LISTING, ABSENT, ABSENT_MAX);
}

static void
lost(struct watcher *w, enum state next, const char *why)
{
	kube_lost(w->c->k, w->index, why, w->version);
	log_limited(LOG_WARN, "kubernetes: %s: %s; what was known keeps "
	    "serving", kube_resources[w->what->kind].plural, why);
	if (next == LISTING) {
		w->begun = false;
		set_text(&w->more, NULL);
	}
	wait_then(w, next, BACK_OFF, BACK_OFF_MAX);
}

/* Too old a version: a new list, from the newest if even that is too old. */
static void
expired(struct watcher *w)
{
	if (w->state == LISTING || w->version == NULL) {
		forget_version(w);
		w->begun = false;
		set_text(&w->more, NULL);
		wait_then(w, LISTING, BACK_OFF, BACK_OFF_MAX);
		return;
	}
	log_limited(LOG_INFO, "kubernetes: %s: the server has forgotten what "
	    "came after version %s; they are listed anew",
	    kube_resources[w->what->kind].plural, w->version);
	forget_version(w);
	at_once(w, LISTING);
}

static void
refused(struct watcher *w, long status)
{
	char why[120];

	/* What was known before is not given up for it. */
	if ((status == 403 || status == 404) && !w->listed &&
	    ++w->refusals >= REFUSALS) {
		absent(w, status);
		return;
	}
	if (status == 410 || status == 504) {
		expired(w);
		return;
	}
	if (status == 401)
		kube_http_refused(w->c->http);
	snprintf(why, sizeof(why), "the API server answers %ld", status);
	/* Neither loses anything: the watch goes on from where it was. */
	lost(w, status == 429 || status == 401 ? w->state : LISTING, why);
}

static void
watch_ended(struct watcher *w)
{
	nsec_t took = clock_mono() - w->began;

	if (w->events || took >= SHORT_WATCH) {
		w->back_off = 0;
		at_once(w, WATCHING);
	} else
		wait_then(w, WATCHING, BACK_OFF, BACK_OFF_MAX);
}

static void
ended(struct watcher *w, CURLcode result)
{
	long status = http_status(w);
	enum state was = w->state;

	kube_http_end(w->c->http, w->easy);
	w->easy = NULL;
	if (w->failed && w->expired)
		expired(w);
	else if (w->failed)
		lost(w, LISTING, w->error);
	else if (status >= 400)
		refused(w, status);
	else if (was == WATCHING && w->events)
		watch_ended(w);		/* however it ended, nothing is lost */
	else if (result != CURLE_OK)
		lost(w, was, w->error[0] != '\0' ? w->error :
		    curl_easy_strerror(result));
	else if (was == LISTING)
		list_ended(w);
	else
		watch_ended(w);
}

/* ---- The loop --------------------------------------------------------------------- */

/* Starts what is due and drops what is lost; milliseconds to the next. */
static int
start_due(struct kube_client *c, int most)
{
	nsec_t now = clock_mono(), next = now + (nsec_t)most * NSEC_MSEC;

	for (unsigned i = 0; i < c->n; i++) {
		struct watcher *w = &c->v[i];

		if (w->state == WAITING && w->due <= now)
			request(w);
		else if (w->state != WAITING && w->give_up <= now) {
			snprintf(w->error, sizeof(w->error),
			    "no end within the time limit");
			ended(w, CURLE_OPERATION_TIMEDOUT);
		}
		if (w->state == WAITING && w->due < next)
			next = w->due;
		else if (w->state != WAITING && w->give_up < next)
			next = w->give_up;
	}
	return next <= now ? 0 : (int)((next - now) / NSEC_MSEC) + 1;
}

static void
perform(struct kube_client *c)
{
	struct watcher *w;
	CURLMsg *m;
	int left;

	(void)curl_multi_perform(kube_http_multi(c->http), &left);
	while ((m = curl_multi_info_read(kube_http_multi(c->http), &left)) != NULL)
		if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle,
		    CURLINFO_PRIVATE, (char **)&w) == CURLE_OK) {
			c->moved = true;
			if ((void *)w == c->events)
				kube_events_ended(c->events, m->data.result);
			else if (w != NULL)
				ended(w, m->data.result);
			else
				kube_writer_ended(c->writer, m->data.result);
		}
}

void
kube_client_turn(struct kube_client *c, struct pollfd *extra, unsigned n,
    int timeout_ms)
{
	struct curl_waitfd fds[64];

	timeout_ms = kube_writer_start(c->writer, start_due(c, timeout_ms));
	timeout_ms = kube_events_start(c->events, timeout_ms);
	/*
	 * What one stream of a connection reads may be for another, which has it
	 * only now, and no socket will tell: then there is no wait, and in any
	 * case none that is long (libcurl 7.88 loses sight of some).
	 */
	c->moved = false;
	perform(c);
	if (c->moved)
		timeout_ms = 0;
	else if (timeout_ms > LOOK_AGAIN)
		timeout_ms = LOOK_AGAIN;
	for (unsigned i = 0; i < n && i < ARRAY_SIZE(fds); i++)
		fds[i] = (struct curl_waitfd){ extra[i].fd, extra[i].events,
		    0 };
	(void)curl_multi_poll(kube_http_multi(c->http), fds, n, timeout_ms, NULL);
	for (unsigned i = 0; i < n && i < ARRAY_SIZE(fds); i++)
		extra[i].revents = fds[i].revents;
	perform(c);
}

struct kube_client *
kube_client_new(struct kube *k, struct kube_server *server, char why[KUBE_WHY])
{
	struct kube_client *c = xcalloc(1, sizeof(*c));
	const struct kube_watch *watches;

	c->k = k;
	if ((c->http = kube_http_new(server, why)) == NULL) {
		kube_client_free(c);
		return NULL;
	}
	c->writer = kube_writer_new(k, c->http);
	c->events = kube_events_new(k, c->http);
	c->n = kube_watches(k, &watches);
	c->v = xcalloc(c->n, sizeof(*c->v));
	for (unsigned i = 0; i < c->n; i++) {
		c->v[i] = (struct watcher){ .c = c, .index = i,
		    .what = &watches[i] };
		/* From the server's cache, which is what all watch (1.4). */
		c->v[i].version = xstrdup("0");
		at_once(&c->v[i], LISTING);
	}
	return c;
}

void
kube_client_free(struct kube_client *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < c->n; i++) {
		struct watcher *w = &c->v[i];

		if (w->easy != NULL)
			kube_http_end(c->http, w->easy);
		curl_slist_free_all(w->headers);
		buf_fini(&w->body);
		free(w->version);
		free(w->more);
	}
	kube_writer_free(c->writer);
	kube_events_free(c->events);
	kube_http_free(c->http);
	free(c->v);
	free(c);
}
