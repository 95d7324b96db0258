/* SPDX-License-Identifier: BSD-2-Clause */
/* Cross-origin resource sharing; see headers_cors.h. */
#include "headers_cors.h"

#include "regexp.h"
#include "route.h"

#include <errno.h>

bool
cors_is_preflight(const struct exchange *x)
{
	return str_eq(x->req.method, STR("OPTIONS")) &&
	    fields_get(&x->req.fields, FIELD_AC_REQUEST_METHOD).n != 0 &&
	    fields_get(&x->req.fields, FIELD_ORIGIN).n != 0;
}

static struct str
join(struct exchange *x, struct tvec list)
{
	const struct tstr *v = TABLE_VEC(x->t, list, struct tstr);
	struct str all = STR_NONE;

	for (uint32_t i = 0; i < list.n; i++) {
		struct str one = table_str(x->t, v[i]);

		all = i == 0 ? one : arena_printf(&x->arena, "%.*s,%.*s",
		    STR_ARG(all), STR_ARG(one));
	}
	return all;
}

static bool
has_star(const struct exchange *x, struct tvec list)
{
	const struct tstr *v = TABLE_VEC(x->t, list, struct tstr);

	for (uint32_t i = 0; i < list.n; i++)
		if (str_eq(table_str(x->t, v[i]), STR("*")))
			return true;
	return false;
}

/* Whether an origin is allowed, and what is said then. */
static bool
allowed_origin(const struct exchange *x, const struct tmw_headers *c,
    struct str *ret)
{
	const struct tstr *v = TABLE_VEC(x->t, c->allow_origins, struct tstr);
	const uint32_t *re = TABLE_VEC(x->t, c->allow_origin_regexps, uint32_t);
	struct str origin = fields_get(&x->req.fields, FIELD_ORIGIN);

	for (uint32_t i = 0; i < c->allow_origins.n; i++) {
		struct str one = table_str(x->t, v[i]);

		if (str_eq(one, STR("*"))) {
			*ret = c->allow_credentials ? origin : one;
			return true;
		}
		if (origin.n != 0 && str_eq(one, origin)) {
			*ret = origin;
			return true;
		}
	}
	for (uint32_t i = 0; i < c->allow_origin_regexps.n; i++) {
		const struct regexp *rx = route_regexp(x->t, re[i]);

		if (origin.n != 0 && rx != NULL &&
		    regexp_exec(rx, origin, 0, NULL) > 0) {
			*ret = origin;
			return true;
		}
	}
	return false;
}

static int
set_origin(struct exchange *x, const struct tmw_headers *c)
{
	struct str origin;

	return allowed_origin(x, c, &origin) ? fields_set_id(&x->resp.fields,
	    FIELD_AC_ALLOW_ORIGIN, origin) : 0;
}

static int
set_credentials(struct exchange *x, const struct tmw_headers *c)
{
	return c->allow_credentials ? fields_set_id(&x->resp.fields,
	    FIELD_AC_ALLOW_CREDENTIALS, STR("true")) : 0;
}

/* A list, or with "*" and credentials what the client asked for. */
static int
set_list(struct exchange *x, const struct tmw_headers *c, enum field_id id,
    struct tvec list, enum field_id asked)
{
	struct str value = c->allow_credentials && has_star(x, list) ?
	    fields_get(&x->req.fields, asked) : join(x, list);

	return value.n == 0 ? 0 : fields_set_id(&x->resp.fields, id, value);
}

int
cors_preflight(struct fiber *f, struct exchange *x, const struct tmw_headers *c)
{
	struct str age;

	if (set_credentials(x, c) < 0 ||
	    set_list(x, c, FIELD_AC_ALLOW_HEADERS, c->allow_headers,
	    FIELD_AC_REQUEST_HEADERS) < 0 ||
	    set_list(x, c, FIELD_AC_ALLOW_METHODS, c->allow_methods,
	    FIELD_AC_REQUEST_METHOD) < 0 || set_origin(x, c) < 0)
		return -ENOBUFS;
	if (c->max_age_set) {
		age = arena_printf(&x->arena, "%lld", (long long)c->max_age);
		if (fields_set_id(&x->resp.fields, FIELD_AC_MAX_AGE, age) < 0)
			return -ENOBUFS;
	}
	return respond_text(f, x, 200, REASON_CORS_PREFLIGHT, STR_NONE);
}

/* All Vary lines become one with Origin in it. */
static int
add_vary(struct exchange *x)
{
	struct fields *fs = &x->resp.fields;
	struct str all = STR_NONE;

	FIELDS_EACH(fs, f)
		if (f->id == FIELD_VARY)
			all = all.n == 0 ? field_value(f) : arena_printf(
			    &x->arena, "%.*s,%.*s", STR_ARG(all),
			    STR_ARG(field_value(f)));
	if (all.n == 0 || str_eq(all, STR("Origin")))
		all = STR("Origin");
	else
		all = arena_printf(&x->arena, "%.*s,Origin", STR_ARG(all));
	return fields_set_id(fs, FIELD_VARY, all);
}

int
cors_response(struct exchange *x, const struct tmw_headers *c)
{
	struct str expose = join(x, c->expose_headers);

	if (set_origin(x, c) < 0 || set_credentials(x, c) < 0)
		return -ENOBUFS;
	if (expose.n != 0 && !(c->allow_credentials &&
	    has_star(x, c->expose_headers)) && fields_set_id(&x->resp.fields,
	    FIELD_AC_EXPOSE_HEADERS, expose) < 0)
		return -ENOBUFS;
	return c->add_vary ? add_vary(x) : 0;
}
