/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entry point's part of a request; see entry.h. The order is Traefik's
 * (documented as "forwardedHeaders" and "encoded characters"), the strictness
 * akkod's own.
 */
#include "entry.h"

#include "conn.h"
#include "cookie.h"
#include "path.h"
#include "token.h"
#include "websocket.h"

#include <errno.h>

static int
answer(struct fiber *f, struct exchange *x, unsigned status, enum reason why,
    struct str text)
{
	int r;

	x->close |= status == 400;
	r = respond_text(f, x, status, why, text);
	return r < 0 ? r : 1;
}

/* OPTIONS * is about this hop: nothing behind it is asked (H1-L14). */
static bool
is_options_star(const struct exchange *x)
{
	return x->req.path.n == 1 && x->req.path.p[0] == '*';
}

/*
 * An OPTIONS that may go no further is answered here; another one has a hop
 * less to go (H1-H19). 1 when it is answered.
 */
static int
count_forwards(struct fiber *f, struct exchange *x)
{
	struct str left;

	if (x->req.max_forwards == 0)
		return answer(f, x, 200, REASON_INTERNAL_SERVICE, STR_NONE);
	left = arena_printf(&x->arena, "%d", x->req.max_forwards - 1);
	return left.p == NULL ? -ENOMEM : fields_set_id(&x->req.fields,
	    FIELD_MAX_FORWARDS, left);
}

/* ---- Names --------------------------------------------------------------- */

static bool
has_odd_byte(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = str_lower(name.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-'))
			return true;
	}
	return false;
}

/*
 * Aliases of names that akkod owns go always (H1-H13 b); other names with an
 * underscore as the entry point says (H1-H12). False: reject.
 */
static bool
check_names(struct exchange *x)
{
	char folded[256];

	FIELDS_EACH(&x->req.fields, c) {
		struct str name = field_name(c);

		if (c->id != FIELD_OTHER || !has_odd_byte(name))
			continue;
		if (field_alias_classes(name, folded) != 0)
			c->name_n = 0;
		else if (str_chr(name, '_') < 0 ||
		    x->ep->underscore == TUNDERSCORE_KEEP)
			continue;
		else if (x->ep->underscore == TUNDERSCORE_REJECT)
			return false;
		else
			c->name_n = 0;
	}
	return true;
}

/* ---- Path ------------------------------------------------------------------- */

static int
canonical_path(struct exchange *x)
{
	struct str path;
	int r = path_canonical(&x->arena, x->req.path, x->ep->sanitize_path,
	    x->ep->allow_nul, &path);

	if (r < 0)
		return r;
	x->req.path = path;
	if (x->req.has_query && str_chr(x->req.query, ';') >= 0) {
		struct str q = path_query_semicolons(&x->arena, x->req.query,
		    x->ep->encode_semicolons);

		if (q.p == NULL)
			return -ENOMEM;
		x->req.query = q;
	}
	return 0;
}

/* ---- X-Forwarded-* ------------------------------------------------------------- */

static bool
trusted(const struct exchange *x)
{
	const struct cidr *v = TABLE_VEC(x->t, x->ep->trusted, struct cidr);

	if (x->ep->forwarded_insecure)
		return true;
	for (uint32_t i = 0; i < x->ep->trusted.n; i++)
		if (cidr_has(&v[i], &x->c->peer))
			return true;
	return false;
}

struct str
entry_port(const struct exchange *x)
{
	struct str host = x->req.host, proto;
	ptrdiff_t colon = str_rchr(host, ':');

	if (colon >= 0 && str_chr(str_from(host, (size_t)colon), ']') < 0 &&
	    (host.p[0] == '[' || str_chr(host, ':') == colon))
		return str_from(host, (size_t)colon + 1);
	proto = fields_get(&x->req.fields, FIELD_XF_PROTO);
	if (str_eq(proto, STR("https")) || str_eq(proto, STR("wss")) ||
	    conn_is_tls(x->c))
		return STR("443");
	return STR("80");
}

/* Sets a field unless a trusted peer gave a value; empty counts as absent. */
static int
fill(struct exchange *x, enum field_id id, struct str value)
{
	const struct field *f = fields_find(&x->req.fields, id);

	if (f == NULL)
		return fields_add_id(&x->req.fields, id, value);
	return f->value_n != 0 ? 0 : fields_set_id(&x->req.fields, id, value);
}

/* Several lines become one; none is made of nothing (errata A12). */
static int
merge_forwarded_for(struct exchange *x)
{
	struct fields *fs = &x->req.fields;
	struct str all = STR_NONE;
	unsigned lines = 0;

	FIELDS_EACH(fs, c) {
		if (c->id != FIELD_XFF)
			continue;
		lines++;
		all = all.n == 0 ? field_value(c) : arena_printf(&x->arena,
		    "%.*s, %.*s", STR_ARG(all), STR_ARG(field_value(c)));
		if (all.p == NULL)	/* half of them would name another */
			return -ENOMEM;
	}
	if (lines == 0)
		return 0;
	if (all.n == 0) {
		fields_remove(fs, FIELD_XFF);
		return 0;
	}
	return lines > 1 ? fields_set_id(fs, FIELD_XFF, all) : 0;
}

static int
set_forwarded(struct exchange *x)
{
	struct fields *fs = &x->req.fields;
	bool tls = conn_is_tls(x->c), ws = x->req.websocket;
	char text[ADDR_TEXT];
	struct str peer, proto = ws ? (tls ? STR("wss") : STR("ws")) :
	    x->scheme;

	if (!trusted(x))
		fields_remove_classes(fs, CLASS_MANAGED | CLASS_CLAIM);
	peer = arena_dup(&x->arena, str_c(addr_text(&x->c->peer, text)));
	if (peer.p == NULL || fill(x, FIELD_X_REAL_IP, peer) < 0 ||
	    fill(x, FIELD_XF_PROTO, proto) < 0 ||
	    fill(x, FIELD_XF_PORT, entry_port(x)) < 0 ||
	    fill(x, FIELD_XF_HOST, x->req.host) < 0 ||
	    merge_forwarded_for(x) < 0)
		return -ENOBUFS;
	if (x->ep->add_scheme_headers) {
		proto = fields_get(fs, FIELD_XF_PROTO);
		if (fields_set_id(fs, FIELD_XF_SCHEME, proto) < 0 ||
		    fields_set_id(fs, FIELD_X_SCHEME, proto) < 0)
			return -ENOBUFS;
	}
	return fields_set_id(fs, FIELD_XF_SERVER, str_c(x->w->hostname));
}

/* ---- Connection ------------------------------------------------------------------- */

static bool
kept_connection(const struct exchange *x, struct str token)
{
	const struct tstr *v = TABLE_VEC(x->t, x->ep->keep_connection,
	    struct tstr);

	for (uint32_t i = 0; i < x->ep->keep_connection.n; i++)
		if (str_caseeq(table_str(x->t, v[i]), token))
			return true;
	return false;
}

/*
 * What Connection lists concerns this hop only: it goes before rules and auth
 * look (H1-H21), except names that akkod owns (H1-H15) or the entry point
 * keeps. Upgrade is for the tunnels, which strip it themselves.
 */
static void
strip_connection(struct exchange *x)
{
	struct fields *fs = &x->req.fields;
	struct str kept = STR_NONE;

	x->req.te_trailers = token_in_list(fields_get(fs, FIELD_TE),
	    STR("trailers"));
	FIELDS_EACH(fs, c) {
		struct str list = field_value(c), token;

		if (c->id != FIELD_CONNECTION)
			continue;
		while (str_next(&list, ',', &token)) {
			unsigned classes = field_name_classes(token);

			if (token.n == 0 || classes & (CLASS_MANAGED |
			    CLASS_CLAIM) || str_caseeq(token,
			    STR("connection")))
				continue;
			if (!kept_connection(x, token))
				fields_remove_name(fs, token);
			else
				kept = kept.n == 0 ? token : arena_printf(
				    &x->arena, "%.*s, %.*s", STR_ARG(kept),
				    STR_ARG(token));
		}
	}
	/* What is kept is for this proxy's middlewares, not for the server. */
	fields_remove(fs, FIELD_CONNECTION);
	if (kept.n != 0)
		(void)fields_add_id(fs, FIELD_CONNECTION, kept);
}

/* Several Cookie lines become one, as auth and server both read it (H1-H20). */
static int
join_cookies(struct exchange *x)
{
	size_t n = cookie_join_size(&x->req.fields);
	char *out;

	if (n == 0)
		return 0;
	if ((out = arena_alloc(&x->arena, n)) == NULL)
		return -ENOMEM;
	cookie_join(&x->req.fields, out);
	return 0;
}

int
entry_apply(struct fiber *f, struct exchange *x)
{
	int r;

	if (is_options_star(x))
		return answer(f, x, 200, REASON_INTERNAL_SERVICE, STR_NONE);
	if (x->req.max_forwards >= 0 && (r = count_forwards(f, x)) != 0)
		return r;
	if (!check_names(x)) {
		x->close = true;
		r = respond_error(f, x, 400, REASON_UNDERSCORE,
		    STR("Bad Request"));
		return r < 0 ? r : 1;
	}
	if ((r = canonical_path(x)) < 0)
		return answer(f, x, 400, REASON_BAD_PATH, STR_NONE);
	x->req.websocket = websocket_asked(&x->req.fields);
	if (set_forwarded(x) < 0)
		return answer(f, x, 431, REASON_HEAD_TOO_LARGE, STR_NONE);
	strip_connection(x);
	return join_cookies(x);
}
