/* SPDX-License-Identifier: BSD-2-Clause */
/* From the URL to the router, as a worker goes; see explain.h. */
#include "explain.h"

#include "alloc.h"
#include "master.h"
#include "path.h"
#include "server_name.h"
#include "writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX	(16u << 20)

/* ---- What is said ---------------------------------------------------------- */

static json_t * __attribute__((format(printf, 1, 0)))
format(const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT;
	json_t *o;

	buf_vprintf(&b, fmt, ap);
	o = write_text(buf_cstr(&b));
	buf_fini(&b);
	return o;
}

void
explain_hint(struct explain *x, const char *fmt, ...)
{
	json_t *new, *old;
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	new = format(fmt, ap);
	va_end(ap);
	json_array_foreach(x->hints, i, old)
		if (json_equal(old, new)) {
			json_decref(new);
			return;
		}
	json_array_append_new(x->hints, new);
}

void
explain_answer(struct explain *x, unsigned status, enum reason r,
    const char *fmt, ...)
{
	json_t *o = json_pack("{s:i, s:s}", "status", (int)status, "reason",
	    reason_word(r));
	va_list ap;

	va_start(ap, fmt);
	json_object_set_new(o, "text", format(fmt, ap));
	va_end(ap);
	json_object_set_new(x->out, "answer", o);
}

const struct world_router *
explain_world_router(const struct explain *x, uint32_t router)
{
	struct str name = table_str(x->t, table_router(x->t, router)->name);
	ptrdiff_t mark = str_find(name, STR("-conflicted-"));

	if (mark >= 0)
		name = str_from(name, (size_t)mark +
		    sizeof("-conflicted-") - 1);
	for (unsigned i = 0; i < x->v->w->nrouters; i++)
		if (str_eq(str_c(x->v->w->routers[i].r.o.name), name))
			return &x->v->w->routers[i];
	return NULL;
}

static json_t *
text(const struct explain *x, struct tstr s)
{
	char *copy = str_dup(table_str(x->t, s));
	json_t *o = write_text(copy);

	free(copy);
	return o;
}

/* ---- The request ----------------------------------------------------------- */

/* Cuts "https://host:port/path?query#part" into pieces. */
static int
read_url(struct explain *x, struct str url, char *err, size_t err_size)
{
	ptrdiff_t at = str_find(url, STR("://"));
	struct str scheme = at < 0 ? STR("https") : str_head(url, (size_t)at);
	uint64_t port;

	if (at >= 0)
		url = str_from(url, (size_t)at + 3);
	x->tls = str_caseeq(scheme, STR("https")) ||
	    str_caseeq(scheme, STR("wss"));
	if (!x->tls && !str_caseeq(scheme, STR("http")) &&
	    !str_caseeq(scheme, STR("ws"))) {
		(void)snprintf(err, err_size, "\"%.*s\" is neither http nor "
		    "https", STR_ARG(str_head(scheme, 32)));
		return -EINVAL;
	}
	if ((at = str_chr(url, '#')) >= 0)
		url = str_head(url, (size_t)at);
	if ((at = str_chr(url, '?')) >= 0) {
		x->query = str_from(url, (size_t)at + 1);
		url = str_head(url, (size_t)at);
	}
	at = str_chr(url, '/');
	x->path = at >= 0 ? str_from(url, (size_t)at) : STR("/");
	x->authority = at >= 0 ? str_head(url, (size_t)at) : url;
	at = str_rchr(x->authority, ':');
	x->port = x->tls ? 443 : 80;
	if (at >= 0 && str_chr(str_from(x->authority, (size_t)at), ']') < 0) {
		if (str_u64(str_from(x->authority, (size_t)at + 1), &port) < 0 ||
		    port == 0 || port > UINT16_MAX) {
			(void)snprintf(err, err_size, "the port of "
			    "the URL is not between 1 and 65535");
			return -EINVAL;
		}
		x->port = (uint16_t)port;
	}
	if (x->authority.n == 0 || at == 0) {
		(void)snprintf(err, err_size, "the URL has no host");
		return -EINVAL;
	}
	return 0;
}

static int
read_headers(struct explain *x, const json_t *list, char *err, size_t err_size)
{
	json_t *all = json_array(), *line;
	size_t i;

	x->headers = all;
	json_array_foreach(list, i, line) {
		struct str s = str_c(json_string_value(line)), name;
		ptrdiff_t colon = str_chr(s, ':');

		name = str_trim(str_head(s, colon > 0 ? (size_t)colon : 0));
		if (name.n == 0) {
			(void)snprintf(err, err_size, "\"%.*s\" is no header "
			    "field: \"Name: value\"",
			    STR_ARG(str_head(s, 64)));
			return -EINVAL;
		}
		s = str_trim(str_from(s, (size_t)colon + 1));
		if (str_caseeq(name, STR("Host")))
			x->authority = arena_dup(&x->arena, s);
		json_array_append_new(all, json_pack("{s:s%, s:s%}", "name",
		    name.p, name.n, "value", s.n != 0 ? s.p : "", s.n));
	}
	return 0;
}

static int
read_request(struct explain *x, const json_t *request, char *err,
    size_t err_size)
{
	const char *method = json_string_value(json_object_get(request,
	    "method"));
	const char *client = json_string_value(json_object_get(request,
	    "client"));
	static char host[256];

	x->method = str_c(method != NULL ? method : "GET");
	if (read_url(x, str_c(json_string_value(json_object_get(request,
	    "url"))), err, err_size) < 0 || read_headers(x,
	    json_object_get(request, "headers"), err, err_size) < 0)
		return -EINVAL;
	if (addr_parse(str_c(client != NULL ? client : "127.0.0.1"),
	    &x->client) < 0) {
		(void)snprintf(err, err_size, "\"%.64s\" is no address",
		    client);
		return -EINVAL;
	}
	x->host = route_host(x->authority, host);
	return 0;
}

static bool
next_header(void *arg, struct str name, const void **cursor, struct str *ret)
{
	const struct explain *x = arg;
	size_t i = (size_t)*cursor;

	for (; i < json_array_size(x->headers); i++) {
		const json_t *h = json_array_get(x->headers, i);

		if (!str_caseeq(name, str_c(json_string_value(
		    json_object_get(h, "name")))))
			continue;
		*ret = str_c(json_string_value(json_object_get(h, "value")));
		*cursor = (const void *)(i + 1);
		return true;
	}
	return false;
}

/* ---- The entry point --------------------------------------------------------- */

/*
 * The one on the URL's port. A Service in front may give it another one, so
 * without such the first that speaks what the URL asks for is taken.
 */
static int
find_entry_point(struct explain *x, char *err, size_t err_size)
{
	uint32_t n = x->t->hdr->entry_points.n;
	const struct tentry_point *ep;
	json_t *o;

	x->ep = TNONE;
	for (uint32_t i = 0; i < n && x->ep == TNONE; i++)
		if (table_entry_point(x->t, i)->port == x->port)
			x->ep = i;
	for (uint32_t i = 0; i < n && x->ep == TNONE; i++) {
		ep = table_entry_point(x->t, i);
		if (!str_eq(table_str(x->t, ep->name), STR("traefik")) &&
		    (x->tls ? ep->tls_expected != 0 : ep->plain_mux != TNONE))
			x->ep = i;
	}
	if (x->ep == TNONE) {
		(void)snprintf(err, err_size, "no entry point listens on port "
		    "%u, and none has a router for %s", x->port, x->tls ?
		    "https" : "http");
		return -ENOENT;
	}
	ep = table_entry_point(x->t, x->ep);
	x->mux = x->tls ? ep->tls_mux : ep->plain_mux;
	o = json_pack("{s:o, s:o, s:b}", "name", text(x, ep->name), "address",
	    text(x, ep->address), "tls", (int)x->tls);
	json_object_set_new(x->out, "entryPoint", o);
	if (ep->port != x->port)
		explain_hint(x, "no entry point listens on port %u; \"%.*s\" "
		    "(port %u) is taken, as if something in front passed the "
		    "request on", x->port, STR_ARG(table_str(x->t, ep->name)),
		    ep->port);
	return 0;
}

/* What a TLS client meets before its request is read. False: it ends there. */
static bool
follow_tls(struct explain *x)
{
	const struct tentry_point *ep = table_entry_point(x->t, x->ep);
	const struct ttls_host *h = server_name_options(x->t, ep, x->host);
	const struct ttls_options *options = TABLE_REC(x->t, tls_options,
	    struct ttls_options, h != NULL ? h->options :
	    ep->default_tls_options);
	uint32_t cert = certs_choose(x->v, x->host);
	json_t *o = json_pack("{s:o}", "options", text(x, options->name));

	json_object_set_new(x->out, "tls", o);
	if (!ep->tls_expected) {
		explain_answer(x, 400, REASON_PLAIN_ON_TLS, "entry point "
		    "\"%.*s\" has no router for TLS",
		    STR_ARG(table_str(x->t, ep->name)));
		return false;
	}
	if ((h != NULL && h->broken) || options->broken) {
		explain_answer(x, 0, REASON_TLS_HANDSHAKE, "the TLS options "
		    "\"%.*s\" of this host cannot be used: the connection is "
		    "closed", STR_ARG(table_str(x->t, options->name)));
		return false;
	}
	if (cert == TNONE) {
		explain_answer(x, 0, REASON_TLS_HANDSHAKE, "there is no "
		    "certificate for this host and no default one");
		return false;
	}
	json_object_set_new(o, "certificate", certs_json(x->v, cert));
	if (!certs_covers(x->v, cert, x->host))
		explain_hint(x, "no certificate is for \"%.*s\": the default "
		    "one is presented, which is not for this name",
		    STR_ARG(x->host));
	return true;
}

/* ---- The router ---------------------------------------------------------------- */

static void
set_router(struct explain *x)
{
	const struct trouter *r = table_router(x->t, x->router);
	const struct world_router *wr = explain_world_router(x, x->router);
	static const struct place nowhere;
	json_t *o = json_pack("{s:o, s:o, s:I, s:s, s:o}", "name",
	    text(x, r->name), "rule", text(x, r->rule), "priority",
	    (json_int_t)r->priority, "status", r->status == TSTATUS_BROKEN ?
	    "disabled" : "enabled", "object", view_object(wr != NULL ?
	    &wr->r.o.place : &nowhere));

	if (r->status == TSTATUS_BROKEN)
		json_object_set_new(o, "error", text(x, r->error));
	json_object_set_new(x->out, "router", o);
}

/* What a worker's router.c refuses although a router matches. */
static bool
is_refused(struct explain *x)
{
	const struct tentry_point *ep = table_entry_point(x->t, x->ep);
	const struct trouter *r = table_router(x->t, x->router);
	const json_t *object = json_object_get(json_object_get(x->out,
	    "router"), "object");

	if (!ep->ambiguous_allow && path_ambiguous(x->path) &&
	    route_readings(&x->arena, x->t, x->mux, &x->q, x->path, r) < 0) {
		explain_answer(x, 400, REASON_PATH_AMBIGUOUS, "%s",
		    reason_text(REASON_PATH_AMBIGUOUS));
		return true;
	}
	if (r->status == TSTATUS_BROKEN) {
		explain_answer(x, 503, REASON_ROUTER_BROKEN, "%.*s",
		    STR_ARG(table_str(x->t, r->error)));
		explain_notes(x, json_string_value(object));
		return true;
	}
	if (path_denied(x->path, r->denied_escapes)) {
		explain_answer(x, 400, REASON_BAD_PATH, "%s",
		    reason_text(REASON_BAD_PATH));
		return true;
	}
	return false;
}

static void
follow_route(struct explain *x)
{
	struct route_match m;

	if (route_find(x->t, x->mux, &x->q, &m) < 0) {
		explain_answer(x, 400, REASON_REGEX_LIMIT, "%s",
		    reason_text(REASON_REGEX_LIMIT));
		return;
	}
	x->router = m.router;
	explain_considered(x);
	if (m.router == TNONE) {
		explain_answer(x, 404, m.host_known ? REASON_ROUTE_NONE :
		    REASON_ROUTE_NO_HOST, "%s", reason_text(m.host_known ?
		    REASON_ROUTE_NONE : REASON_ROUTE_NO_HOST));
		explain_nothing(x, m.host_known);
		return;
	}
	set_router(x);
	if (is_refused(x))
		return;
	explain_after(x);
	explain_login(x);
}

static void
follow(struct explain *x)
{
	const struct tentry_point *ep = table_entry_point(x->t, x->ep);
	struct str path;

	if (x->tls && !follow_tls(x))
		return;
	if (path_canonical(&x->arena, x->path, ep->sanitize_path,
	    ep->allow_nul, &path) < 0 ||
	    (x->q.path = path_routing(&x->arena, path)).p == NULL) {
		explain_answer(x, 400, REASON_BAD_PATH, "%s",
		    reason_text(REASON_BAD_PATH));
		return;
	}
	x->path = path;
	json_object_set_new(json_object_get(x->out, "request"), "path",
	    json_stringn(path.p, path.n));
	if (x->query.n != 0 && str_chr(x->query, ';') >= 0)
		x->query = path_query_semicolons(&x->arena, x->query,
		    ep->encode_semicolons);
	x->q.host = x->authority;
	x->q.method = x->method;
	x->q.query = x->query;
	x->q.client = &x->client;
	x->q.header = next_header;
	x->q.arg = x;
	follow_route(x);
}

json_t *
explain_report(struct view *v, const json_t *request, char *err,
    size_t err_size)
{
	struct explain x = { .v = v, .t = &v->t, .router = TNONE,
	    .out = json_object(), .hints = json_array() };
	char client[ADDR_TEXT];

	arena_init(&x.arena, ARENA_MAX);
	if (read_request(&x, request, err, err_size) == 0 &&
	    find_entry_point(&x, err, err_size) == 0) {
		json_object_set_new(x.out, "request", json_pack(
		    "{s:s%, s:s%, s:s}", "method", x.method.p, x.method.n,
		    "host", x.host.p, x.host.n, "client",
		    addr_text(&x.client, client)));
		follow(&x);
		json_object_set(x.out, "hints", x.hints);
	} else {
		json_decref(x.out);
		x.out = NULL;
	}
	arena_fini(&x.arena);
	json_decref((json_t *)(size_t)x.headers);
	json_decref(x.hints);
	return x.out;
}
