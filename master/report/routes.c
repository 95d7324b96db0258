/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * akkod routes: routers, middlewares, services and TLS as they are served, in
 * the shape of Traefik's /api/rawdata, each with the object it came from.
 */
#include "report.h"

#include "alloc.h"
#include "master.h"
#include "writer.h"

#include <stdlib.h>

/* Status, faults and origin: what each kind has. */
static void
add_common(const struct view *v, json_t *o, const char *kind,
    const struct object *from, json_t *errors)
{
	json_object_set_new(o, "status", json_string(view_status(v, kind, from,
	    errors)));
	if (json_array_size(errors) != 0)
		json_object_set(o, "error", errors);
	json_decref(errors);
	json_object_set_new(o, "object", view_object(&from->place));
}

/* ---- Who uses what -------------------------------------------------------- */

/* Names of users by the name of what they use. */
static void
add_user(json_t *users, const char *used, const char *user)
{
	json_t *list = json_object_get(users, used);

	if (list == NULL) {
		list = json_array();
		write_member(users, used, list);
	}
	json_array_append_new(list, write_text(user));
}

/* Services that refer to services. */
static void
add_parents(const struct view *v, json_t *users)
{
	const struct table *t = &v->t;

	for (uint32_t i = 0; i < t->hdr->services.n; i++) {
		const struct tservice *s = table_service(t, i);
		const struct tchild *c = TABLE_VEC(t, s->children,
		    struct tchild);
		char *name = str_dup(table_str(t, s->name));

		for (uint32_t k = 0; k < s->children.n; k++) {
			char *child = str_dup(table_str(t, table_service(t,
			    c[k].service)->name));

			add_user(users, child, name);
			free(child);
		}
		free(name);
	}
}

static json_t *
users_of(const struct view *v, bool services)
{
	json_t *users = json_object();

	if (services)
		add_parents(v, users);
	for (unsigned i = 0; i < v->w->nrouters; i++) {
		const struct router *r = &v->w->routers[i].r;

		if (services && r->service != NULL)
			add_user(users, r->service, r->o.name);
		for (unsigned k = 0; !services && k < r->middlewares.n; k++)
			add_user(users, r->middlewares.v[k], r->o.name);
	}
	return users;
}

static void
set_users(json_t *o, const json_t *users, const char *name)
{
	json_t *list = json_object_get(users, name);

	if (list != NULL)
		json_object_set(o, "usedBy", list);
}

/* ---- Routers -------------------------------------------------------------- */

/* Also why one of its records in the table is broken. */
static json_t *
router_errors(const struct view *v, const struct world_router *wr,
    const json_t *broken)
{
	json_t *errors = view_errors(v, "router", &wr->r.o);
	json_t *why = json_object_get(broken, wr->r.o.name), *old;
	size_t i;

	json_array_foreach(errors, i, old)
		if (why != NULL && json_equal(old, why))
			why = NULL;
	if (why != NULL)
		json_array_append(errors, why);
	return errors;
}

static json_t *
router_json(const struct view *v, const struct world_router *wr,
    const json_t *broken)
{
	json_t *o = write_json(schema_router, &wr->r, WRITE_PRIVATE);
	json_t *using = json_array();
	int64_t priority = wr->r.priority != 0 ? wr->r.priority :
	    (int64_t)str_c(wr->r.rule_text).n;

	json_object_set_new(o, "priority", json_integer(priority));
	add_common(v, o, "router", &wr->r.o, router_errors(v, wr, broken));
	for (unsigned i = 0; i < wr->neps; i++)
		json_array_append_new(using, write_text(
		    v->w->eps[wr->eps[i]].o.name));
	json_object_set_new(o, "using", using);
	return o;
}

/* Why by name; a record of its own on one entry point counts for its router. */
static json_t *
broken_json(const struct view *v)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < v->made.nbroken; i++) {
		const struct broken_router *b = &v->made.broken[i];
		const char *mark = strstr(b->name, "-conflicted-");

		if (b->why[0] != '\0')
			write_member(o, mark != NULL ? mark +
			    strlen("-conflicted-") : b->name,
			    write_text(b->why));
	}
	return o;
}

static json_t *
routers_json(const struct view *v)
{
	json_t *all = json_object(), *broken = broken_json(v);

	for (unsigned i = 0; i < v->w->nrouters; i++)
		write_member(all, v->w->routers[i].r.o.name,
		    router_json(v, &v->w->routers[i], broken));
	json_decref(broken);
	return all;
}

/* ---- Middlewares ---------------------------------------------------------- */

static json_t *
middlewares_json(const struct view *v)
{
	json_t *all = json_object(), *users = users_of(v, false);

	for (unsigned i = 0; i < v->w->nmiddlewares; i++) {
		const struct middleware *m = &v->w->middlewares[i];
		json_t *o = write_json(schema_middleware, m, WRITE_PRIVATE);

		add_common(v, o, "middleware", &m->o, view_errors(v,
		    "middleware", &m->o));
		set_users(o, users, m->o.name);
		write_member(all, m->o.name, o);
	}
	json_decref(users);
	return all;
}

/* ---- Services ------------------------------------------------------------- */

/* "up" and so on of each server that is in the table, by its URL. */
static json_t *
states_of(const struct view *v, const char *service)
{
	uint32_t i = view_service(v, service);
	const struct tservice *s;
	json_t *o = json_object();

	if (i == TNONE)
		return o;
	s = table_service(&v->t, i);
	for (uint32_t k = 0; k < s->servers.n; k++) {
		const struct tserver *sv = table_server(&v->t,
		    TABLE_VEC(&v->t, s->servers, uint32_t)[k]);
		char *url = str_dup(table_str(&v->t, sv->url));

		write_member(o, url, json_string(view_server(v, s, sv)));
		free(url);
	}
	return o;
}

static void
default_member(json_t *o, const char *key, json_t *value)
{
	if (json_object_get(o, key) == NULL)
		json_object_set(o, key, value);
	json_decref(value);
}

static void
finish_load_balancer(json_t *lb, json_t *states, json_t *status)
{
	json_t *server;
	size_t i;

	default_member(lb, "strategy", json_string("wrr"));
	default_member(lb, "passHostHeader", json_true());
	json_array_foreach(json_object_get(lb, "servers"), i, server) {
		const char *url = json_string_value(json_object_get(server,
		    "url"));
		json_t *state = json_object_get(states, url != NULL ? url : "");

		default_member(server, "weight", json_integer(1));
		default_member(server, "fenced", json_false());
		if (url == NULL)
			continue;
		write_member(status, url, json_string(state != NULL &&
		    strcmp(json_string_value(state), "up") == 0 ? "UP" :
		    "DOWN"));
		if (state != NULL)
			json_object_set(server, "state", state);
	}
}

static json_t *
service_json(const struct view *v, const struct service *s)
{
	json_t *o = write_json(schema_service, s, WRITE_PRIVATE);
	json_t *lb = json_object_get(o, "loadBalancer");
	json_t *states, *status;

	add_common(v, o, "service", &s->o, view_errors(v, "service", &s->o));
	if (lb == NULL)
		return o;
	states = states_of(v, s->o.name);
	status = json_object();
	finish_load_balancer(lb, states, status);
	json_object_set_new(o, "serverStatus", status);
	json_decref(states);
	return o;
}

static void
add_internal(const struct view *v, json_t *all, const json_t *users)
{
	for (uint32_t i = 0; i < v->t.hdr->services.n; i++) {
		const struct tservice *s = table_service(&v->t, i);
		char *name;
		json_t *o;

		if (s->kind == TSERVICE_LOAD_BALANCER || !str_has_suffix(
		    table_str(&v->t, s->name), STR("@internal")))
			continue;
		name = str_dup(table_str(&v->t, s->name));
		o = json_pack("{s:s, s:s}", "status", "enabled", "object",
		    "akkod");
		set_users(o, users, name);
		write_member(all, name, o);
		free(name);
	}
}

static json_t *
services_json(const struct view *v)
{
	json_t *all = json_object(), *users = users_of(v, true);

	for (unsigned i = 0; i < v->w->nservices; i++) {
		const struct service *s = &v->w->services[i];
		json_t *o = service_json(v, s);

		set_users(o, users, s->o.name);
		write_member(all, s->o.name, o);
	}
	add_internal(v, all, users);
	json_decref(users);
	return all;
}

/* ---- Transports and TLS --------------------------------------------------- */

static json_t *
transports_json(const struct view *v)
{
	json_t *all = json_object();

	for (unsigned i = 0; i < v->w->ntransports; i++) {
		const struct servers_transport *t = &v->w->transports[i];
		json_t *o = write_json(schema_transport, t, WRITE_PRIVATE);

		add_common(v, o, "serversTransport", &t->o, view_errors(v,
		    "serversTransport", &t->o));
		write_member(all, t->o.name, o);
	}
	return all;
}

static json_t *
options_json(const struct view *v)
{
	json_t *all = json_object();

	for (unsigned i = 0; i < v->w->ntls_options; i++) {
		const struct tls_options *t = &v->w->tls_options[i];
		json_t *o = write_json(schema_tls_options, t, WRITE_PRIVATE);

		add_common(v, o, "TLS options", &t->o, view_errors(v,
		    "TLS options", &t->o));
		write_member(all, t->o.name, o);
	}
	return all;
}

json_t *
routes_report(struct view *v, const json_t *request, char *err,
    size_t err_size)
{
	json_t *tls = json_object();

	(void)request;
	(void)err;
	(void)err_size;
	json_object_set_new(tls, "certificates", certs_all(v));
	json_object_set_new(tls, "options", options_json(v));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "routers",
	    routers_json(v), "middlewares", middlewares_json(v), "services",
	    services_json(v), "serversTransports", transports_json(v), "tls",
	    tls);
}
