/* SPDX-License-Identifier: BSD-2-Clause */
/* Built-in services to try akkod with; see demo.h. */
#include "demo.h"

#include "buf.h"
#include "cookie.h"
#include "exchange.h"

#include <errno.h>

#define LARGE_LINES	400	/* of /large, for compress to work on */

static int
answer(struct fiber *f, struct exchange *x, unsigned status, struct str type,
    struct buf *b)
{
	struct str body = arena_dup(&x->arena, buf_str(b));
	bool failed = buf_failed(b) || (body.p == NULL);

	buf_fini(b);
	if (failed || fields_set_id(&x->resp.fields, FIELD_CONTENT_TYPE,
	    type) < 0)
		return -ENOMEM;
	return respond_text(f, x, status, REASON_INTERNAL_SERVICE, body);
}

int
demo_serve(struct fiber *f, struct exchange *x)
{
	struct buf b = { .max = 128 * 1024 };

	buf_printf(&b, "%.*s %.*s%s%.*s HTTP/%u.%u\nHost: %.*s\n",
	    STR_ARG(x->req.method), STR_ARG(x->req.path),
	    x->req.has_query ? "?" : "", STR_ARG(x->req.query), x->req.major,
	    x->req.minor,
	    STR_ARG(x->req.host));
	FIELDS_EACH(&x->req.fields, c)
		buf_printf(&b, "%.*s: %.*s\n", STR_ARG(field_name(c)),
		    STR_ARG(field_value(c)));
	if (str_has_prefix(x->req.path, STR("/large")))
		for (unsigned i = 0; i < LARGE_LINES; i++)
			buf_printf(&b, "line %u of a text that compresses "
			    "well\n", i);
	return answer(f, x, 200, STR("text/plain; charset=utf-8"), &b);
}

/* The user a demo cookie names; letters and digits only. */
static bool
demo_user(struct exchange *x, struct str *ret)
{
	if (!cookie_get(&x->req.fields, STR("akkod_demo"), ret) ||
	    ret->n == 0 || ret->n > 32)
		return false;
	for (size_t i = 0; i < ret->n; i++) {
		char c = str_lower(ret->p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return false;
	}
	return true;
}

/* What forward-auth asks: 200 with the user, or off to the form. */
static int
check(struct fiber *f, struct exchange *x)
{
	struct str user, target;

	if (demo_user(x, &user)) {
		if (fields_add(&x->resp.fields, STR("X-Auth-Request-User"),
		    user) < 0)
			return -ENOBUFS;
		return respond_text(f, x, 200, REASON_INTERNAL_SERVICE,
		    STR("OK"));
	}
	target = arena_printf(&x->arena, "%.*s://%.*s/login",
	    STR_ARG(fields_get(&x->req.fields, FIELD_XF_PROTO)),
	    STR_ARG(fields_get(&x->req.fields, FIELD_XF_HOST)));
	return target.p == NULL ? -ENOMEM : respond_redirect(f, x, 302, target);
}

int
demo_login_serve(struct fiber *f, struct exchange *x)
{
	struct buf b = BUF_INIT;

	if (str_eq(x->req.path, STR("/login/check")))
		return check(f, x);
	if (str_eq(x->req.path, STR("/login/in"))) {
		if (fields_add_id(&x->resp.fields, FIELD_SET_COOKIE,
		    STR("akkod_demo=demo; Path=/; HttpOnly; SameSite=Lax")) < 0)
			return -ENOBUFS;
		return respond_redirect(f, x, 302, STR("/private"));
	}
	buf_puts(&b, STR("<!doctype html><title>akkod demo login</title>"
	    "<h1>Demo login</h1><p><a href=\"/login/in\">Log in as "
	    "<b>demo</b></a>, then see <a href=\"/private\">/private</a>."));
	return answer(f, x, 200, STR("text/html; charset=utf-8"), &b);
}
