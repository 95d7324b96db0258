/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redirectScheme: sends the client to another scheme or port. The authority of
 * Location comes from the validated Host or the configuration only (S-704).
 */
#include "middleware.h"

#include <errno.h>

/* http or https, as the client came (a trusted proxy may know better). */
static struct str
current_scheme(const struct exchange *x)
{
	struct str proto = fields_get(&x->req.fields, FIELD_XF_PROTO);

	if (str_caseeq(proto, STR("https")) || str_caseeq(proto, STR("wss")))
		return STR("https");
	if (str_caseeq(proto, STR("http")) || str_caseeq(proto, STR("ws")))
		return STR("http");
	return x->scheme;
}

static struct str
without_port(struct str host, struct str *ret_port)
{
	ptrdiff_t colon = str_rchr(host, ':');

	*ret_port = STR_NONE;
	if (colon < 0 || str_chr(str_from(host, (size_t)colon), ']') >= 0)
		return host;
	*ret_port = str_from(host, (size_t)colon + 1);
	return str_head(host, (size_t)colon);
}

static bool
is_default_port(struct str scheme, struct str port)
{
	return port.n == 0 || (str_eq(scheme, STR("https")) &&
	    str_eq(port, STR("443"))) || (str_eq(scheme, STR("http")) &&
	    str_eq(port, STR("80")));
}

int
redirect_scheme_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_redirect_scheme *c = MW_CONFIG(x, mw,
	    struct tmw_redirect_scheme);
	struct str scheme = table_str(x->t, c->scheme), target;
	struct str port = table_str(x->t, c->port), have;
	struct str host = without_port(x->req.host, &have);
	bool get = str_eq(x->req.method, STR("GET"));

	/* There already: same scheme, and the port that is meant. */
	if (str_eq(current_scheme(x), scheme) && (port.n == 0 ||
	    str_eq(have, port) || (have.n == 0 && is_default_port(scheme,
	    port))))
		return chain_next(f, x, next);
	if (is_default_port(scheme, port))
		port = STR_NONE;
	target = arena_printf(&x->arena, "%.*s://%.*s%s%.*s%.*s%s%.*s",
	    STR_ARG(scheme), STR_ARG(host), port.n != 0 ? ":" : "",
	    STR_ARG(port), STR_ARG(x->req.path), x->req.has_query ? "?" : "",
	    STR_ARG(x->req.query));
	if (target.p == NULL)
		return -ENOMEM;
	return respond_redirect(f, x, c->permanent ? get ? 301 : 308 :
	    get ? 302 : 307, target);
}
