/* SPDX-License-Identifier: BSD-2-Clause */
/* Middlewares, service and servers of a request; see explain.h. */
#include "explain.h"

#include "alloc.h"
#include "master.h"
#include "writer.h"

#include <stdlib.h>

/* ---- Middlewares ------------------------------------------------------------- */

static const struct middleware *
world_middleware(const struct explain *x, struct str name)
{
	uint32_t i = names_get(&x->v->w->mw_names, name);

	return i == NAMES_NONE ? NULL : &x->v->w->middlewares[i];
}

/* The key of its kind: the only one that it has. */
static json_t *
kind_of(const struct middleware *m)
{
	json_t *o = write_json(schema_middleware, m, 0);
	json_t *kind = json_string(json_object_iter_key(json_object_iter(o)));

	json_decref(o);
	return kind != NULL ? kind : json_null();
}

/* Is the client's own address outside all ranges? */
static bool
is_denied(const struct explain *x, const struct tmw *mw)
{
	const struct tmw_ip_allow_list *l = table_at(x->t, mw->config);
	const struct cidr *v = TABLE_VEC(x->t, l->ranges, struct cidr);

	if (l->source.kind != TSOURCE_IP || l->source.depth != 0 ||
	    l->source.excluded.n != 0)
		return false;
	for (uint32_t i = 0; i < l->ranges.n; i++)
		if (cidr_has(&v[i], &x->client))
			return false;
	return true;
}

/* True when it certainly answers by itself. */
static bool
middleware_answers(struct explain *x, const struct tmw *mw)
{
	struct str name = table_str(x->t, mw->name);
	char client[ADDR_TEXT];

	if (mw->kind == TMW_IP_ALLOW_LIST && is_denied(x, mw)) {
		const struct tmw_ip_allow_list *l = table_at(x->t, mw->config);

		explain_answer(x, l->reject_status, REASON_IP_DENIED,
		    "middleware \"%.*s\" does not let %s in", STR_ARG(name),
		    addr_text(&x->client, client));
		return true;
	}
	if (mw->kind == TMW_REDIRECT_SCHEME) {
		const struct tmw_redirect_scheme *r = table_at(x->t,
		    mw->config);
		struct str to = table_str(x->t, r->scheme);

		if (str_caseeq(to, x->tls ? STR("https") : STR("http")))
			return false;
		explain_answer(x, x->method.n == 3 ? r->permanent ? 301 : 302 :
		    r->permanent ? 308 : 307, REASON_REDIRECT,
		    "middleware \"%.*s\" redirects to %.*s", STR_ARG(name),
		    STR_ARG(to));
		return true;
	}
	return false;
}

/* True when one of them answers. */
static bool
follow_middlewares(struct explain *x)
{
	const struct trouter *r = table_router(x->t, x->router);
	const uint32_t *v = TABLE_VEC(x->t, r->middlewares, uint32_t);
	json_t *list = json_array();
	bool ends = false;

	json_object_set_new(x->out, "middlewares", list);
	for (uint32_t i = 0; i < r->middlewares.n; i++) {
		const struct tmw *mw = table_mw(x->t, v[i]);
		const struct middleware *m = world_middleware(x,
		    table_str(x->t, mw->name));
		char *name = str_dup(table_str(x->t, mw->name));
		json_t *o = json_pack("{s:o}", "name", write_text(name));

		free(name);
		if (m != NULL) {
			json_object_set_new(o, "kind", kind_of(m));
			json_object_set_new(o, "object",
			    view_object(&m->o.place));
		}
		json_array_append_new(list, o);
		ends = ends || middleware_answers(x, mw);
	}
	return ends;
}

/* ---- Servers ------------------------------------------------------------------- */

/* What the workers have found out about it. */
static void
add_live(const struct live *live, const struct tservice *sv, uint32_t slot,
    json_t *o)
{
	const struct live_server *l = &live->servers[slot];
	uint32_t result = atomic_load(&l->result);
	nsec_t now = clock_mono();
	char text[LIVE_RESULT_TEXT];

	if (atomic_load(&l->counted) != 0)
		json_object_set_new(o, "inFlight", json_integer(
		    live_server_load(live, slot)));
	json_object_set_new(o, "fails", json_integer(atomic_load(&l->fails)));
	if (sv->check != TNONE && result != 0)
		json_object_set_new(o, "probe", json_string(live_result_text(
		    result, text)));
	if (sv->check == TNONE && live_server_is_out(l, sv->failure_window_ns,
	    now))
		json_object_set_new(o, "retryIn", json_integer((atomic_load(
		    &l->down_until) - now) / NSEC_MSEC));
}

static json_t *
server_json(const struct explain *x, const struct tservice *sv,
    const struct tserver *s)
{
	const struct live *live = x->v->m->live;
	const struct live_server *l = s->live_slot < LIVE_SERVERS &&
	    live != NULL ? &live->servers[s->live_slot] : NULL;
	const struct addr *a = TABLE_VEC(x->t, s->addrs, struct addr);
	char *url = str_dup(table_str(x->t, s->url)), text[ADDR_TEXT];
	json_t *addrs = json_array(), *o = json_pack("{s:o, s:i, s:s}", "url",
	    write_text(url), "weight", (int)s->weight, "state",
	    view_server(x->v, sv, s));

	free(url);
	for (uint32_t i = 0; i < s->addrs.n; i++)
		json_array_append_new(addrs, json_string(addr_text(&a[i],
		    text)));
	json_object_set_new(o, "addresses", addrs);
	if (s->fenced)
		json_object_set_new(o, "fenced", json_true());
	if (l != NULL)
		add_live(live, sv, s->live_slot, o);
	return o;
}

static const struct service *
world_service(const struct explain *x, struct str name)
{
	uint32_t i = names_get(&x->v->w->service_names, name);

	return i == NAMES_NONE ? NULL : &x->v->w->services[i];
}

static void
no_server(struct explain *x, const struct service *ws, struct str name)
{
	json_t *object = ws != NULL ? view_object(&ws->o.place) : NULL;

	explain_answer(x, 503, REASON_SERVICE_EMPTY, "service \"%.*s\" has no "
	    "server", STR_ARG(name));
	explain_notes(x, json_string_value(object));
	explain_notes(x, json_string_value(json_object_get(json_object_get(
	    x->out, "router"), "object")));
	json_decref(object);
}

/* What becomes of it when no server is up. */
static void
judge_servers(struct explain *x, const json_t *servers, struct str name)
{
	size_t i, up = 0, unresolved = 0;
	json_t *s;

	json_array_foreach(servers, i, s) {
		const char *state = json_string_value(json_object_get(s,
		    "state"));

		up += strcmp(state, "up") == 0 && !json_is_true(
		    json_object_get(s, "fenced"));
		unresolved += strcmp(state, "unresolved") == 0;
		if (strcmp(state, "unresolved") == 0)
			explain_hint(x, "the name of server %s has no address; "
			    "akkod status tells what the resolver said",
			    json_string_value(json_object_get(s, "url")));
		if (strcmp(state, "down") == 0)
			explain_hint(x, "server %s is down: %s",
			    json_string_value(json_object_get(s, "url")),
			    json_object_get(s, "probe") != NULL ?
			    json_string_value(json_object_get(s, "probe")) :
			    "requests failed");
	}
	if (up == 0 && unresolved == json_array_size(servers))
		explain_answer(x, 502, REASON_UPSTREAM_UNRESOLVED, "no server "
		    "of service \"%.*s\" has an address", STR_ARG(name));
	else if (up + unresolved == 0)
		explain_answer(x, 503, REASON_SERVICE_EMPTY, "no server of "
		    "service \"%.*s\" takes new requests", STR_ARG(name));
}

/* With all below it; services stand in each other a bounded number of times. */
static json_t *
service_json(const struct explain *x, uint32_t i)
{
	const struct tservice *s = table_service(x->t, i);
	const struct tchild *c = TABLE_VEC(x->t, s->children, struct tchild);
	const struct service *ws = world_service(x, table_str(x->t, s->name));
	static const struct place nowhere;
	char *name = str_dup(table_str(x->t, s->name));
	json_t *servers = json_array(), *below = json_array(), *config;
	json_t *o = json_pack("{s:o, s:o, s:o}", "name", write_text(name),
	    "object", view_object(ws != NULL ? &ws->o.place : &nowhere),
	    "servers", servers);

	free(name);
	if (ws != NULL) {
		config = write_json(schema_service, ws, 0);
		json_object_set_new(o, "kind", json_string(
		    json_object_iter_key(json_object_iter(config))));
		json_decref(config);
	}
	for (uint32_t k = 0; k < s->servers.n; k++)
		json_array_append_new(servers, server_json(x, s, table_server(
		    x->t, TABLE_VEC(x->t, s->servers, uint32_t)[k])));
	for (uint32_t k = 0; k < s->children.n; k++) {
		json_t *child = service_json(x, c[k].service);

		json_object_set_new(child, "share", json_integer(c[k].weight));
		json_array_append_new(below, child);
	}
	if (s->children.n != 0)
		json_object_set(o, "services", below);
	json_decref(below);
	return o;
}

static void
follow_service(struct explain *x)
{
	const struct trouter *r = table_router(x->t, x->router);
	const struct tservice *s = table_service(x->t, r->service);
	struct str name = table_str(x->t, s->name);
	const struct service *ws = world_service(x, name);
	json_t *o = service_json(x, r->service);

	json_object_set_new(x->out, "service", o);
	if (ws == NULL)
		explain_answer(x, 0, REASON_INTERNAL_SERVICE, "%s",
		    reason_text(REASON_INTERNAL_SERVICE));
	else if (s->kind != TSERVICE_LOAD_BALANCER)
		return;
	else if (s->servers.n == 0)
		no_server(x, ws, name);
	else
		judge_servers(x, json_object_get(o, "servers"), name);
}

void
explain_after(struct explain *x)
{
	bool ends = follow_middlewares(x);
	json_t *answer = json_object_get(x->out, "answer");

	json_incref(answer);
	follow_service(x);
	/* The service stays unasked. */
	if (ends)
		json_object_set(x->out, "answer", answer);
	json_decref(answer);
}
