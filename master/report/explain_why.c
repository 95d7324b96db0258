/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules in words: what matched, and what nearly did; see explain.h. */
#include "explain.h"

#include "alloc.h"
#include "master.h"
#include "writer.h"

#include <stdlib.h>

#define SHOWN_MAX	8	/* routers that are told of */

/* ---- Steps in words ---------------------------------------------------------- */

static bool
is_about_host(const struct trule *r)
{
	return r->op == TRULE_HOST || r->op == TRULE_HOST_WILD ||
	    r->op == TRULE_HOST_REGEXP;
}

static struct str
argument(const struct explain *x, const struct trule *r)
{
	return r->regexp != TNONE ? table_str(x->t, TABLE_REC(x->t, regexps,
	    struct tregexp, r->regexp)->text) : table_str(x->t, r->text);
}

/* As it stands in the rule: Header(`X-A`, `b`). */
static void
put_step(const struct explain *x, const struct trule *r, struct buf *b)
{
	static const char *const names[TRULE_OPS] = {
		[TRULE_TRUE] = "Host", [TRULE_HOST] = "Host",
		[TRULE_HOST_WILD] = "Host", [TRULE_HOST_REGEXP] = "HostRegexp",
		[TRULE_PATH] = "Path", [TRULE_PATH_PREFIX] = "PathPrefix",
		[TRULE_PATH_REGEXP] = "PathRegexp", [TRULE_METHOD] = "Method",
		[TRULE_HEADER] = "Header",
		[TRULE_HEADER_REGEXP] = "HeaderRegexp",
		[TRULE_QUERY] = "Query", [TRULE_QUERY_REGEXP] = "QueryRegexp",
		[TRULE_CLIENT_IP] = "ClientIP",
	};
	struct str name = table_str(x->t, r->name);
	struct addr a;
	char text[ADDR_TEXT];

	buf_printf(b, "%s(`", names[r->op]);
	if (name.n != 0)
		buf_printf(b, "%.*s`, `", STR_ARG(name));
	memcpy(a.ip, r->cidr.ip, sizeof(a.ip));
	if (r->op == TRULE_TRUE)
		buf_putc(b, '*');
	else if (r->op == TRULE_CLIENT_IP)
		buf_printf(b, "%s/%u", addr_text(&a, text), r->cidr.bits -
		    (addr_is_v4(&a) && r->cidr.bits >= 96 ? 96 : 0));
	else
		buf_printf(b, "%s%.*s", r->op == TRULE_HOST_WILD ? "*." : "",
		    STR_ARG(argument(x, r)));
	buf_puts(b, STR("`)"));
}

/* What the request has where the step looks. */
static void
put_fact(const struct explain *x, const struct trule *r, struct buf *b)
{
	struct str name = table_str(x->t, r->name), value;
	const void *cursor = NULL;
	char text[ADDR_TEXT];

	switch ((enum trule_op)r->op) {
	case TRULE_PATH:
	case TRULE_PATH_PREFIX:
	case TRULE_PATH_REGEXP:
		buf_printf(b, "the path is \"%.*s\"", STR_ARG(x->q.path));
		return;
	case TRULE_METHOD:
		buf_printf(b, "the method is %.*s", STR_ARG(x->method));
		return;
	case TRULE_HEADER:
	case TRULE_HEADER_REGEXP:
		if (x->q.header(x->q.arg, name, &cursor, &value))
			buf_printf(b, "the header is \"%.*s\"",
			    STR_ARG(value));
		else
			buf_puts(b, STR("the request has no such header; see "
			    "--header"));
		return;
	case TRULE_QUERY:
	case TRULE_QUERY_REGEXP:
		buf_printf(b, "the query is \"%.*s\"", STR_ARG(x->query));
		return;
	case TRULE_CLIENT_IP:
		buf_printf(b, "the client is %s; see --client",
		    addr_text(&x->client, text));
		return;
	default:
		buf_printf(b, "the host is \"%.*s\"", STR_ARG(x->host));
	}
}

/* "PathPrefix(`/x`) does not hold: the path is "/y"". */
static json_t *
why_not(const struct explain *x, uint32_t step)
{
	const struct trule *r = TABLE_REC(x->t, rules, struct trule, step);
	bool negated = r->yes == TRULE_REJECT && r->no != TRULE_REJECT;
	struct buf b = BUF_INIT;
	json_t *o;

	if (negated)
		buf_putc(&b, '!');
	put_step(x, r, &b);
	buf_puts(&b, STR(" does not hold: "));
	put_fact(x, r, &b);
	o = write_text(buf_cstr(&b));
	buf_fini(&b);
	return o;
}

/* ---- Routers of the same host ---------------------------------------------------- */

static json_t *
named(const struct explain *x, uint32_t i)
{
	const struct trouter *r = table_router(x->t, i);
	const struct world_router *wr = explain_world_router(x, i);
	static const struct place nowhere;
	char *name = str_dup(table_str(x->t, r->name));
	char *rule = str_dup(table_str(x->t, r->rule));
	json_t *o = json_pack("{s:o, s:o, s:I, s:o}", "name",
	    write_text(name), "rule", write_text(rule), "priority",
	    (json_int_t)r->priority, "object", view_object(wr != NULL ?
	    &wr->r.o.place : &nowhere));

	free(name);
	free(rule);
	return o;
}

void
explain_considered(struct explain *x)
{
	uint32_t n = x->t->hdr->routers.n, step;
	bool *members = xcalloc(n, sizeof(*members));
	json_t *list = json_array(), *o;

	route_members(x->t, x->mux, members);
	for (uint32_t i = 0; i < n && json_array_size(list) < SHOWN_MAX; i++) {
		int hit;

		if (!members[i] || i == x->router ||
		    table_router(x->t, i)->internal)
			continue;
		hit = route_try(x->t, i, &x->q, &step);
		if (hit == 0 && step != TNONE && is_about_host(TABLE_REC(x->t,
		    rules, struct trule, step)))
			continue;
		o = named(x, i);
		json_object_set_new(o, "why", hit > 0 ? json_string(
		    "it matches too, with a lower priority") : hit < 0 ?
		    json_string("a regular expression hit its limit") :
		    step == TNONE ? json_null() : why_not(x, step));
		json_array_append_new(list, o);
	}
	free(members);
	json_object_set_new(x->out, "considered", list);
}

/* ---- Nothing matches --------------------------------------------------------------- */

static void
nearest_host(struct explain *x)
{
	uint32_t n = x->t->hdr->rules.n;
	char **names = xcalloc(n + 1, sizeof(*names));
	const char *near;
	unsigned count = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct trule *r = TABLE_REC(x->t, rules, struct trule, i);

		if (r->op == TRULE_HOST)
			names[count++] = str_dup(table_str(x->t, r->text));
	}
	near = diag_nearest(x->host, (const char *const *)names);
	if (near != NULL && !str_eq(x->host, str_c(near)))
		explain_hint(x, "the nearest host that has a router is \"%s\"",
		    near);
	for (unsigned i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

/* The same request where other routers are. */
static void
elsewhere(struct explain *x)
{
	for (uint32_t i = 0; i < x->t->hdr->entry_points.n; i++) {
		const struct tentry_point *ep = table_entry_point(x->t, i);
		const uint32_t muxes[] = { ep->plain_mux, ep->tls_mux };

		for (unsigned k = 0; k < 2; k++) {
			struct route_match m;

			if (muxes[k] == x->mux || route_find(x->t, muxes[k],
			    &x->q, &m) < 0 || m.router == TNONE)
				continue;
			explain_hint(x, "router \"%.*s\" would take it on entry "
			    "point \"%.*s\" over %s", STR_ARG(table_str(x->t,
			    table_router(x->t, m.router)->name)),
			    STR_ARG(table_str(x->t, ep->name)), k == 0 ?
			    "plain HTTP" : "TLS");
		}
	}
}

/* Routers that match nothing, but whose rule names this host. */
static void
unusable(struct explain *x)
{
	for (unsigned i = 0; i < x->v->w->nrouters; i++) {
		const struct router *r = &x->v->w->routers[i].r;
		json_t *object;

		if (r->o.verdict != VERDICT_UNUSABLE ||
		    str_find(str_c(r->rule_text), x->host) < 0)
			continue;
		object = view_object(&r->o.place);
		explain_hint(x, "router \"%s\" (%s) names this host and matches "
		    "nothing: %s", r->o.name, json_string_value(object),
		    r->o.why != NULL ? r->o.why : "?");
		json_decref(object);
	}
}

/* ---- What the cluster refused ---------------------------------------------------------- */

/* Calls fn for each line that the controller said of an object. */
static void
each_note(struct explain *x, void (*fn)(struct explain *x, const char *object,
    const char *why, const char *wanted), const char *wanted)
{
	json_t *part, *note;
	size_t i;

	if (!cluster_wanted(x->v->m))
		return;
	for (int p = 0; p < CHANGE_PARTS; p++) {
		part = cluster_source(x->v->m, (enum change_part)p);
		json_array_foreach(json_object_get(part, "refused"), i, note)
			fn(x, json_string_value(json_object_get(note,
			    "object")), json_string_value(json_object_get(note,
			    "error")), wanted);
		json_decref(part);
	}
}

/* "Ingress shop/front" and "Ingress/shop/front" are the same object. */
static bool
same_object(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++)
		if (*a != *b && !(strchr(" /", *a) != NULL &&
		    strchr(" /", *b) != NULL))
			return false;
	return *a == *b;
}

static void
note_of(struct explain *x, const char *object, const char *why,
    const char *wanted)
{
	if (object != NULL && why != NULL && same_object(object, wanted))
		explain_hint(x, "%s: %s", object, why);
}

static void
note_with(struct explain *x, const char *object, const char *why,
    const char *host)
{
	if (object != NULL && why != NULL && strstr(why, host) != NULL)
		explain_hint(x, "%s: %s", object, why);
}

void
explain_notes(struct explain *x, const char *object)
{
	if (object != NULL)
		each_note(x, note_of, object);
}

void
explain_nothing(struct explain *x, bool host_known)
{
	char *host = str_dup(x->host);

	if (!host_known)
		nearest_host(x);
	elsewhere(x);
	unusable(x);
	each_note(x, note_with, host);
	if (cluster_wanted(x->v->m) && !cluster_synced(x->v->m))
		explain_hint(x, "the cluster has not been read yet; see akkod "
		    "status");
	free(host);
}
