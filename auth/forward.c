/* SPDX-License-Identifier: BSD-2-Clause */
/* Forward authentication, decisions; see forward.h. */
#include "forward.h"

#include "uri.h"

#include <errno.h>

#define VALUE_MAX	8192	/* of a field that is copied (S-506) */
#define ANSWER_FIELDS	128

static bool
is_proof(struct str name)
{
	return str_caseeq(name, STR("Authorization")) ||
	    str_caseeq(name, STR("Cookie"));
}

static bool
regex_names(const struct forward_config *c, struct str name)
{
	char canonical[256];

	if (c->matches == NULL)
		return false;
	/* What cannot be told apart is not the client's to say. */
	if (name.n > sizeof(canonical))
		return true;
	header_canonical(name, canonical);
	return c->matches(c->arg, str_n(canonical, name.n));
}

/* Whether the auth server's answer may set this field of the request. */
static bool
is_answer_field(const struct forward_config *c, struct str name)
{
	return header_in_list(name, c->response_headers,
	    c->nresponse_headers) || regex_names(c, name);
}

bool
forward_owned(const struct forward_config *c, const struct auth_field *f)
{
	if (f->classes & AUTH_IDENTITY)
		return true;
	for (unsigned i = 0; i < c->nresponse_headers; i++)
		if (header_is_alias(f->name, c->response_headers[i]))
			return true;
	return !is_proof(f->name) && is_answer_field(c, f->name);
}

/* ---- The question -------------------------------------------------------------- */

struct out { struct auth_field *v; unsigned n, cap; bool full; };

static void
add(struct out *o, struct str name, struct str value)
{
	if (o->n == o->cap) {
		o->full = true;
		return;
	}
	o->v[o->n++] = (struct auth_field){ name, value, 0 };
}

static struct str
get(const struct auth_field *fs, unsigned n, struct str name)
{
	for (unsigned i = 0; i < n; i++)
		if (str_caseeq(fs[i].name, name))
			return fs[i].value;
	return STR_NONE;
}

/* Never to the auth server (proxy.md 4.12 step 4; framing is written anew). */
static bool
never_sent(const struct auth_field *f)
{
	return (f->classes & AUTH_FRAMING) != 0 ||
	    str_caseeq(f->name, STR("Connection")) ||
	    str_caseeq(f->name, STR("Keep-Alive")) ||
	    str_caseeq(f->name, STR("Te")) ||
	    str_caseeq(f->name, STR("Trailer")) ||
	    str_caseeq(f->name, STR("Trailers")) ||
	    str_caseeq(f->name, STR("Upgrade")) ||
	    str_caseeq(f->name, STR("Expect"));
}

static bool
may_send(const struct forward_config *c, const struct auth_field *f)
{
	bool managed = (f->classes & AUTH_MANAGED) != 0;

	if (never_sent(f) || (managed && c->trust == FORWARD_DISTRUST))
		return false;
	if (c->nrequest_headers == 0)
		return true;
	return header_in_list(f->name, c->request_headers,
	    c->nrequest_headers) || (managed && c->trust == FORWARD_TRUST);
}

static struct str
port_of(const struct forward_client *k, struct str proto)
{
	ptrdiff_t colon = str_rchr(k->host, ':');

	if (colon >= 0 && str_chr(str_from(k->host, (size_t)colon), ']') < 0)
		return str_from(k->host, (size_t)colon + 1);
	return k->tls || str_eq(proto, STR("https")) ||
	    str_eq(proto, STR("wss")) ? STR("443") : STR("80");
}

/* Written by us: what of it the client may have said depends on the trust. */
static bool
ours(const struct forward_config *c, struct str name)
{
	static const char *const names[] = { "X-Forwarded-Method",
	    "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri",
	    "X-Forwarded-For" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_caseeq(name, str_c(names[i])))
			return true;
	return c->trust != FORWARD_UNSET &&
	    str_caseeq(name, STR("X-Forwarded-Port"));
}

static struct str
keep(const struct forward_config *c, struct str had, struct str value)
{
	return c->trust == FORWARD_TRUST && had.n != 0 ? had : value;
}

int
forward_request(const struct forward_config *c,
    const struct forward_client *k, const struct auth_field *in, unsigned n,
    struct auth_field *out, unsigned cap, struct arena *a)
{
	struct out o = { out, 0, cap, false };
	struct str proto = k->tls ? STR("https") : STR("http"), had, uri, xff;

	for (unsigned i = 0; i < n; i++)
		if (may_send(c, &in[i]) && !ours(c, in[i].name))
			add(&o, in[i].name, in[i].value);
	had = get(in, n, STR("X-Forwarded-For"));
	xff = c->trust == FORWARD_TRUST && had.n != 0 ? arena_printf(a,
	    "%.*s, %.*s", STR_ARG(had), STR_ARG(k->peer_ip)) : k->peer_ip;
	uri = k->has_query ? arena_printf(a, "%.*s?%.*s", STR_ARG(k->path),
	    STR_ARG(k->query)) : k->path;
	if (xff.p == NULL || uri.p == NULL)
		return -ENOMEM;
	add(&o, STR("X-Forwarded-For"), xff);
	add(&o, STR("X-Forwarded-Method"), keep(c, get(in, n,
	    STR("X-Forwarded-Method")), k->method));
	had = get(in, n, STR("X-Forwarded-Proto"));
	if (c->trust != FORWARD_UNSET)
		add(&o, STR("X-Forwarded-Port"), keep(c, get(in, n,
		    STR("X-Forwarded-Port")), port_of(k, c->trust ==
		    FORWARD_TRUST ? had : STR_NONE)));
	add(&o, STR("X-Forwarded-Proto"), keep(c, had, proto));
	add(&o, STR("X-Forwarded-Host"), keep(c, get(in, n,
	    STR("X-Forwarded-Host")), k->host));
	add(&o, STR("X-Forwarded-Uri"), keep(c, get(in, n,
	    STR("X-Forwarded-Uri")), uri));
	return o.full ? -ENOBUFS : (int)o.n;
}

/* ---- The verdict ------------------------------------------------------------------ */

/* Names whose repetition is how lists are written. */
static bool
may_repeat(struct str name)
{
	return str_caseeq(name, STR("Set-Cookie")) ||
	    str_has_suffix(name, STR("Groups")) ||
	    str_has_suffix(name, STR("groups")) ||
	    str_has_suffix(name, STR("Roles")) ||
	    str_has_suffix(name, STR("roles"));
}

static bool
copy_is_clear(const struct forward_config *c, const struct auth_field *fs,
    unsigned n, unsigned i)
{
	if (!is_answer_field(c, fs[i].name) &&
	    !str_caseeq(fs[i].name, c->header_field))
		return true;
	if (fs[i].value.n > VALUE_MAX)
		return false;
	for (size_t k = 0; k < fs[i].value.n; k++) {
		unsigned char b = (unsigned char)fs[i].value.p[k];

		if ((b < 0x20 && b != '\t') || b == 0x7f)
			return false;
	}
	for (unsigned k = i + 1; k < n && !may_repeat(fs[i].name); k++)
		if (str_caseeq(fs[k].name, fs[i].name) &&
		    !str_eq(fs[k].value, fs[i].value))
			return false;
	return true;
}

enum forward_verdict
forward_judge(const struct forward_config *c, unsigned status,
    const struct auth_field *fs, unsigned n)
{
	if (status == 401 && c->signin_url.n != 0)
		return FORWARD_SIGNIN;
	if (status < 200 || status > 299)
		return FORWARD_DENY;
	if (n > ANSWER_FIELDS)
		return FORWARD_MALFORMED;
	for (unsigned i = 0; i < n; i++)
		if (!copy_is_clear(c, fs, n, i))
			return FORWARD_MALFORMED;
	return FORWARD_ALLOW;
}

struct str
forward_user(const struct forward_config *c, const struct auth_field *auth,
    unsigned n)
{
	return c->header_field.n != 0 ? get(auth, n, c->header_field) :
	    STR_NONE;
}

/* ---- What is passed on -------------------------------------------------------------- */

static bool
passes(const struct auth_field *f)
{
	return (f->classes & (AUTH_HOP | AUTH_FRAMING)) == 0;
}

int
forward_copy(const struct forward_config *c, const struct auth_field *in,
    unsigned n, const struct auth_field *auth, unsigned nauth,
    struct auth_field *out, unsigned cap)
{
	struct out o = { out, 0, cap, false };

	for (unsigned i = 0; i < n; i++) {
		bool alias = false;

		for (unsigned k = 0; k < c->nresponse_headers && !alias; k++)
			alias = header_is_alias(in[i].name,
			    c->response_headers[k]);
		if (!alias && !is_answer_field(c, in[i].name))
			add(&o, in[i].name, in[i].value);
	}
	for (unsigned i = 0; i < nauth; i++) {
		bool again = false;

		if (!passes(&auth[i]) || !is_answer_field(c, auth[i].name))
			continue;
		for (unsigned k = 0; k < i && !again; k++)
			again = str_caseeq(auth[k].name, auth[i].name) &&
			    str_eq(auth[k].value, auth[i].value);
		if (!again)
			add(&o, auth[i].name, auth[i].value);
	}
	return o.full ? -ENOBUFS : (int)o.n;
}

int
forward_relay(const struct forward_config *c, const struct auth_field *auth,
    unsigned n, struct auth_field *out, unsigned cap, struct arena *a)
{
	struct out o = { out, 0, cap, false };

	for (unsigned i = 0; i < n; i++) {
		struct str value = auth[i].value;

		if (never_sent(&auth[i]))
			continue;
		if (str_caseeq(auth[i].name, STR("Location")) &&
		    !c->preserve_location) {
			value = uri_resolve(a, c->address, value);
			if (value.p == NULL)
				return -EINVAL;
		}
		add(&o, auth[i].name, value);
	}
	return o.full ? -ENOBUFS : (int)o.n;
}

struct str
forward_signin(const struct forward_config *c, const struct forward_client *k,
    struct arena *a)
{
	struct uri u;
	struct str base;
	ptrdiff_t slash;

	if (uri_split(c->signin_url, &u) < 0)
		return STR_NONE;
	if (u.has_scheme || u.has_authority || (u.path.n != 0 &&
	    u.path.p[0] == '/'))
		return c->signin_url;
	/* Relative to the directory of the request's path. */
	slash = str_rchr(k->path, '/');
	base = arena_printf(a, "%.*s", STR_ARG(str_head(k->path,
	    (size_t)(slash + 1))));
	return arena_printf(a, "%.*s%.*s", STR_ARG(base),
	    STR_ARG(c->signin_url));
}

static struct str
cookie_name(struct str value)
{
	ptrdiff_t eq = str_chr(value, '=');

	return eq > 0 ? str_trim(str_head(value, (size_t)eq)) : STR_NONE;
}

static bool
cookie_listed(const struct forward_config *c, const struct auth_field *f)
{
	struct str name = cookie_name(f->value);

	if (!str_caseeq(f->name, STR("Set-Cookie")))
		return false;
	for (unsigned i = 0; i < c->ncookies; i++)
		if (str_eq(name, c->cookies[i]))
			return true;
	return false;
}

int
forward_cookies(const struct forward_config *c, const struct auth_field *in,
    unsigned n, const struct auth_field *auth, unsigned nauth,
    struct auth_field *out, unsigned cap)
{
	struct out o = { out, 0, cap, false };
	bool any = get(auth, nauth, STR("Set-Cookie")).p != NULL;

	for (unsigned i = 0; i < n; i++)
		if (!any || !cookie_listed(c, &in[i]))
			add(&o, in[i].name, in[i].value);
	for (unsigned i = 0; i < nauth; i++)
		if (cookie_listed(c, &auth[i]))
			add(&o, auth[i].name, auth[i].value);
	return o.full ? -ENOBUFS : (int)o.n;
}
