/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * headers: custom request and response headers, CORS, and the security headers.
 * Custom and CORS stand outside, the security part inside, as in Traefik.
 */
#include "middleware.h"

#include "conn.h"
#include "headers_cors.h"
#include "regexp.h"
#include "route.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

struct headers_sink {
	struct sink s;
	const struct tmw_headers *c;
	struct str nonce;
};

static int
custom_request(struct exchange *x, const struct tmw_headers *c)
{
	const struct tpair *v = TABLE_VEC(x->t, c->request, struct tpair);
	struct fields *fs = &x->req.fields;

	for (uint32_t i = 0; i < c->request.n; i++) {
		struct str name = table_str(x->t, v[i].name);
		struct str value = table_str(x->t, v[i].value);

		if (str_caseeq(name, STR("Host"))) {
			x->req.host = value;
			continue;
		}
		x->req.drop_xff |= value.n == 0 &&
		    str_eq(name, STR("X-Forwarded-For"));
		fields_remove_name(fs, name);
		if (value.n != 0 && fields_add(fs, name, value) < 0)
			return -ENOBUFS;
	}
	return 0;
}

static int
custom_response(struct exchange *x, const struct tmw_headers *c)
{
	const struct tpair *v = TABLE_VEC(x->t, c->response, struct tpair);
	struct fields *fs = &x->resp.fields;

	for (uint32_t i = 0; i < c->response.n; i++) {
		struct str name = table_str(x->t, v[i].name);
		struct str value = table_str(x->t, v[i].value);

		fields_remove_name(fs, name);
		if (value.n != 0 && fields_add(fs, name, value) < 0)
			return -ENOBUFS;
	}
	return 0;
}

/* ---- Security --------------------------------------------------------------- */

static bool
is_secure(const struct exchange *x, const struct tmw_headers *c)
{
	const struct tpair *v = TABLE_VEC(x->t, c->ssl_proxy_headers,
	    struct tpair);

	if (exchange_is_tls(x))
		return true;
	for (uint32_t i = 0; i < c->ssl_proxy_headers.n; i++) {
		const struct field *f = fields_find_name(&x->req.fields,
		    table_str(x->t, v[i].name));

		if (f != NULL && str_eq(field_value(f), table_str(x->t,
		    v[i].value)))
			return true;
	}
	return false;
}

static bool
host_allowed(const struct exchange *x, const struct tmw_headers *c)
{
	const struct tstr *v = TABLE_VEC(x->t, c->allowed_hosts, struct tstr);
	const struct tstr *p = TABLE_VEC(x->t, c->hosts_proxy_headers,
	    struct tstr);
	struct str host = x->req.host;

	if (c->allowed_hosts.n == 0 || c->is_development)
		return true;
	for (uint32_t i = 0; i < c->hosts_proxy_headers.n; i++) {
		const struct field *f = fields_find_name(&x->req.fields,
		    table_str(x->t, p[i]));

		if (f != NULL && f->value_n != 0) {
			host = field_value(f);
			break;
		}
	}
	for (uint32_t i = 0; i < c->allowed_hosts.n; i++)
		if (str_caseeq(host, table_str(x->t, v[i])))
			return true;
	return false;
}

static int
set_if(struct exchange *x, const char *name, struct str value)
{
	return value.n == 0 ? 0 : fields_set(&x->resp.fields, str_c(name),
	    value);
}

/* "$NONCE" becomes 'nonce-...', fresh for each request. */
static struct str
with_nonce(struct exchange *x, struct headers_sink *s, struct str policy)
{
	ptrdiff_t at = str_find(policy, STR("$NONCE"));
	unsigned char random[16], text[32];

	if (at < 0)
		return policy;
	if (s->nonce.n == 0) {
		if (RAND_bytes(random, sizeof(random)) != 1)
			return STR_NONE;
		EVP_EncodeBlock(text, random, sizeof(random));
		s->nonce = arena_dup(&x->arena, str_c((char *)text));
	}
	return arena_printf(&x->arena, "%.*s'nonce-%.*s'%.*s",
	    STR_ARG(str_head(policy, (size_t)at)), STR_ARG(s->nonce),
	    STR_ARG(str_from(policy, (size_t)at + 6)));
}

static struct str
sts_value(struct exchange *x, const struct tmw_headers *c)
{
	if (c->sts_seconds == 0 || c->is_development ||
	    (!is_secure(x, c) && !c->force_sts))
		return STR_NONE;
	return arena_printf(&x->arena, "max-age=%lld%s%s",
	    (long long)c->sts_seconds, c->sts_include_subdomains ?
	    "; includeSubDomains" : "", c->sts_preload ? "; preload" : "");
}

static int
secure_response(struct exchange *x, struct headers_sink *s)
{
	const struct tmw_headers *c = s->c;
	struct str frame = table_str(x->t, c->frame_options);
	struct str xss = table_str(x->t, c->xss_value);

	if (frame.n == 0 && c->frame_deny)
		frame = STR("DENY");
	if (xss.n == 0 && c->browser_xss)
		xss = STR("1; mode=block");
	if (set_if(x, "Strict-Transport-Security", sts_value(x, c)) < 0 ||
	    set_if(x, "X-Frame-Options", frame) < 0 ||
	    set_if(x, "X-Content-Type-Options", c->nosniff ? STR("nosniff") :
	    STR_NONE) < 0 || set_if(x, "X-Xss-Protection", xss) < 0 ||
	    set_if(x, "Content-Security-Policy", with_nonce(x, s,
	    table_str(x->t, c->csp))) < 0 ||
	    set_if(x, "Content-Security-Policy-Report-Only", with_nonce(x, s,
	    table_str(x->t, c->csp_report_only))) < 0 ||
	    set_if(x, "Public-Key-Pins", exchange_is_tls(x) &&
	    !c->is_development ? table_str(x->t, c->public_key) :
	    STR_NONE) < 0 ||
	    set_if(x, "Referrer-Policy", table_str(x->t,
	    c->referrer_policy)) < 0 ||
	    set_if(x, "Permissions-Policy", table_str(x->t,
	    c->permissions_policy)) < 0)
		return -ENOBUFS;
	return 0;
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct headers_sink *s = (struct headers_sink *)sink;
	int r;

	if ((r = secure_response(x, s)) < 0 ||
	    (r = custom_response(x, s->c)) < 0 ||
	    (s->c->cors && (r = cors_response(x, s->c)) < 0))
		return r;
	return sink_head(f, x, sink->out);
}

int
headers_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_headers *c = MW_CONFIG(x, mw, struct tmw_headers);
	struct headers_sink s = { .s.head = on_head, .c = c };
	int r;

	if (c->cors && cors_is_preflight(x))
		return cors_preflight(f, x, c);
	if ((r = custom_request(x, c)) < 0)
		return r;
	sink_push(x, &s.s);
	if (!host_allowed(x, c))
		r = respond_error(f, x, 500, REASON_HOST_DENIED,
		    STR("Bad Host"));
	else
		r = chain_next(f, x, next);
	x->sink = s.s.out;
	return r;
}
