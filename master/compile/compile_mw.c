/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Middlewares to records, one function per kind; see compile.h. Types were
 * checked when the file was read (config/); what values and references mean is
 * checked here.
 */
#include "compile_impl.h"

#include "alloc.h"
#include "basic.h"
#include "hash.h"
#include "regexp.h"
#include "server_url.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define USERS_FILE_MAX	(4u << 20)

/*
 * Builds the kind's configuration: its offset in the image, 0 with *ret_why
 * when the middleware cannot be used.
 */
typedef uint32_t kind_fn(struct compiler *c, const struct middleware *m,
	    char **ret_why);

static uint32_t
fail(struct compiler *c, char **ret_why, const char *text, const char *arg)
{
	*ret_why = arg != NULL ? world_printf(c->w, "%s: \"%s\"", text, arg) :
	    world_printf(c->w, "%s", text);
	return 0;
}

/* An expression's index; TNONE with *ret_why when it is none. */
static uint32_t
regexp(struct compiler *c, const char *key, struct str text, char **ret_why)
{
	char why[160];
	struct regexp *re = regexp_new(text, why, sizeof(why));

	if (re == NULL) {
		*ret_why = world_printf(c->w, "%s: \"%.*s\": %s", key,
		    STR_ARG(str_head(text, 80)), why);
		return TNONE;
	}
	regexp_free(re);
	return compile_regexp(c, text);
}

static int
regexps(struct compiler *c, const char *key, const struct strlist *l,
    struct tvec *ret, char **ret_why)
{
	uint32_t *v = xcalloc(l->n, sizeof(*v));
	int r = 0;

	for (unsigned i = 0; i < l->n && r == 0; i++)
		if ((v[i] = regexp(c, key, str_trim(str_c(l->v[i])),
		    ret_why)) == TNONE)
			r = -EINVAL;
	if (r == 0)
		*ret = build_vec(c->b, v, l->n, sizeof(*v));
	free(v);
	return r;
}

/* ---- Paths and redirects ------------------------------------------------------ */

static uint32_t
add_prefix(struct compiler *c, const struct middleware *m, char **ret_why)
{
	struct tmw_add_prefix t = {
		.prefix = build_cstr(c->b, m->add_prefix->prefix),
	};

	if (t.prefix.n == 0)
		return fail(c, ret_why, "prefix is missing", NULL);
	return build_rec(c->b, &t, sizeof(t));
}

static uint32_t
strip_prefix(struct compiler *c, const struct middleware *m, char **ret_why)
{
	const struct strlist *l = &m->strip_prefix->prefixes;
	struct tstr *v = xcalloc(l->n, sizeof(*v));
	struct tmw_strip_prefix t = {
		.force_slash = m->strip_prefix->force_slash,
	};

	(void)ret_why;
	for (unsigned i = 0; i < l->n; i++)
		v[i] = build_str(c->b, str_trim(str_c(l->v[i])));
	t.prefixes = build_vec(c->b, v, l->n, sizeof(*v));
	free(v);
	return build_rec(c->b, &t, sizeof(t));
}

static uint32_t
strip_prefix_regex(struct compiler *c, const struct middleware *m,
    char **ret_why)
{
	struct tmw_strip_prefix_regex t;

	return regexps(c, "regex", &m->strip_prefix_regex->regex, &t.regexps,
	    ret_why) < 0 ? 0 : build_rec(c->b, &t, sizeof(t));
}

static uint32_t
replace_path(struct compiler *c, const struct middleware *m, char **ret_why)
{
	struct tmw_replace_path t = {
		.path = build_cstr(c->b, m->replace_path->path),
	};

	(void)ret_why;
	return build_rec(c->b, &t, sizeof(t));
}

static uint32_t
regex_replace(struct compiler *c, struct str regex, struct str replacement,
    bool permanent, char **ret_why)
{
	struct tmw_regex_replace t = {
		.regexp = regexp(c, "regex", regex, ret_why),
		.permanent = permanent,
		.replacement = build_str(c->b, replacement),
	};

	return t.regexp == TNONE ? 0 : build_rec(c->b, &t, sizeof(t));
}

static uint32_t
replace_path_regex(struct compiler *c, const struct middleware *m,
    char **ret_why)
{
	return regex_replace(c, str_trim(str_c(m->replace_path_regex->regex)),
	    str_trim(str_c(m->replace_path_regex->replacement)), false,
	    ret_why);
}

static uint32_t
redirect_regex(struct compiler *c, const struct middleware *m, char **ret_why)
{
	if (str_c(m->redirect_regex->regex).n == 0)
		return fail(c, ret_why, "regex is missing", NULL);
	return regex_replace(c, str_c(m->redirect_regex->regex),
	    str_c(m->redirect_regex->replacement),
	    m->redirect_regex->permanent, ret_why);
}

static uint32_t
redirect_scheme(struct compiler *c, const struct middleware *m, char **ret_why)
{
	struct tmw_redirect_scheme t = {
		.scheme = build_cstr(c->b, m->redirect_scheme->scheme),
		.port = build_cstr(c->b, m->redirect_scheme->port),
		.permanent = m->redirect_scheme->permanent,
		.entry_point_redirect = strcmp(world_provider(m->o.name),
		    "internal") == 0,
	};

	if (t.scheme.n == 0)
		return fail(c, ret_why, "scheme is missing", NULL);
	return build_rec(c->b, &t, sizeof(t));
}

/* ---- Headers ------------------------------------------------------------------- */

static bool
any_cors(const struct mw_headers *h)
{
	return h->allow_credentials || h->allow_headers.n != 0 ||
	    h->allow_methods.n != 0 || h->allow_origin_list.n != 0 ||
	    h->allow_origin_list_regex.n != 0 || h->expose_headers.n != 0 ||
	    h->max_age != 0 || h->add_vary_header;
}

static bool
any_secure(const struct mw_headers *h)
{
	return h->allowed_hosts.n != 0 || h->hosts_proxy_headers.n != 0 ||
	    h->ssl_proxy_headers.n != 0 || h->sts_seconds != 0 ||
	    h->sts_include_subdomains || h->sts_preload ||
	    h->force_sts_header || h->frame_deny || h->content_type_nosniff ||
	    h->browser_xss_filter || h->is_development || h->ssl_redirect ||
	    h->ssl_temporary_redirect || h->ssl_force_host ||
	    str_c(h->custom_frame_options_value).n != 0 ||
	    str_c(h->custom_browser_xss_value).n != 0 ||
	    str_c(h->content_security_policy).n != 0 ||
	    str_c(h->content_security_policy_report_only).n != 0 ||
	    str_c(h->public_key).n != 0 || str_c(h->referrer_policy).n != 0 ||
	    str_c(h->permissions_policy).n != 0 ||
	    str_c(h->feature_policy).n != 0 || str_c(h->ssl_host).n != 0;
}

static int
headers_cors(struct compiler *c, const struct mw_headers *h,
    struct tmw_headers *t, char **ret_why)
{
	if (regexps(c, "accessControlAllowOriginListRegex",
	    &h->allow_origin_list_regex, &t->allow_origin_regexps,
	    ret_why) < 0)
		return -EINVAL;
	t->cors = any_cors(h);
	t->allow_credentials = h->allow_credentials;
	t->max_age_set = h->max_age_set;
	t->max_age = h->max_age;
	t->add_vary = h->add_vary_header;
	t->allow_headers = compile_strings(c, &h->allow_headers);
	t->allow_methods = compile_strings(c, &h->allow_methods);
	t->allow_origins = compile_strings(c, &h->allow_origin_list);
	t->expose_headers = compile_strings(c, &h->expose_headers);
	return 0;
}

/*
 * Line ends become blanks, as Go writes them (policies are often written over
 * several lines), and the ends are trimmed. False: other control bytes.
 */
static bool
tidy_value(char *s)
{
	struct str trimmed;

	if (s == NULL)
		return true;
	for (char *p = s; *p != '\0'; p++) {
		if (*p == '\n' || *p == '\r')
			*p = ' ';
		else if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return false;
	}
	trimmed = str_trim(str_c(s));
	memmove(s, trimmed.p, trimmed.n);
	s[trimmed.n] = '\0';
	return true;
}

static bool
is_name(const char *s)
{
	return s[0] != '\0' && strspn(s, "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
	    strlen(s);
}

static bool
tidy_pairs(struct compiler *c, const struct pairlist *l, char **ret_why)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct strpair *p = &l->v[i];

		if (!is_name(p->name)) {
			(void)fail(c, ret_why, "not the name of a header",
			    p->name);
			return false;
		}
		if (!tidy_value(p->value) || (p->value != NULL &&
		    strcasecmp(p->name, "Host") == 0 &&
		    strpbrk(p->value, " \t/?#@\\") != NULL)) {
			(void)fail(c, ret_why, "not a value of this header",
			    p->name);
			return false;
		}
	}
	return true;
}

static bool
tidy_headers(struct compiler *c, const struct mw_headers *h, char **ret_why)
{
	char *const values[] = { h->custom_frame_options_value,
	    h->custom_browser_xss_value, h->content_security_policy,
	    h->content_security_policy_report_only, h->public_key,
	    h->referrer_policy, h->permissions_policy };

	const struct strlist *const lists[] = { &h->allow_headers,
	    &h->allow_methods, &h->allow_origin_list, &h->expose_headers };
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		ok &= tidy_value(values[i]);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (unsigned k = 0; k < lists[i]->n; k++)
			ok &= tidy_value(lists[i]->v[k]);
	if (!ok) {
		(void)fail(c, ret_why, "a value with a control character",
		    NULL);
		return false;
	}
	return tidy_pairs(c, &h->custom_request_headers, ret_why) &&
	    tidy_pairs(c, &h->custom_response_headers, ret_why);
}

static uint32_t
headers_build(struct compiler *c, const struct mw_headers *h, char **ret_why)
{
	struct tmw_headers t = {
		.request = compile_pairs(c, &h->custom_request_headers),
		.response = compile_pairs(c, &h->custom_response_headers),
		.secure = any_secure(h),
		.sts_include_subdomains = h->sts_include_subdomains,
		.sts_preload = h->sts_preload,
		.force_sts = h->force_sts_header,
		.frame_deny = h->frame_deny,
		.nosniff = h->content_type_nosniff,
		.browser_xss = h->browser_xss_filter,
		.is_development = h->is_development,
		.sts_seconds = h->sts_seconds,
		.allowed_hosts = compile_strings(c, &h->allowed_hosts),
		.hosts_proxy_headers =
		    compile_strings(c, &h->hosts_proxy_headers),
		.ssl_proxy_headers = compile_pairs(c, &h->ssl_proxy_headers),
		.frame_options =
		    build_cstr(c->b, h->custom_frame_options_value),
		.xss_value = build_cstr(c->b, h->custom_browser_xss_value),
		.csp = build_cstr(c->b, h->content_security_policy),
		.csp_report_only = build_cstr(c->b,
		    h->content_security_policy_report_only),
		.public_key = build_cstr(c->b, h->public_key),
		.referrer_policy = build_cstr(c->b, h->referrer_policy),
		.permissions_policy = build_cstr(c->b, h->permissions_policy),
	};

	if (headers_cors(c, h, &t, ret_why) < 0)
		return 0;
	/* Errata A16: a block that says nothing is a mistake. */
	if (!t.cors && !t.secure && t.request.n == 0 && t.response.n == 0)
		return fail(c, ret_why, "headers: no field says anything",
		    NULL);
	return build_rec(c->b, &t, sizeof(t));
}

static uint32_t
headers(struct compiler *c, const struct middleware *m, char **ret_why)
{
	return tidy_headers(c, m->headers, ret_why) ?
	    headers_build(c, m->headers, ret_why) : 0;
}

/* ---- Who: addresses, limits, users ----------------------------------------------- */

static int
source(struct compiler *c, const struct ip_strategy *s, struct tsource *ret,
    char **ret_why)
{
	const char *bad;

	if (s == NULL)
		return 0;
	if (s->depth < 0 || s->depth > 1000) {
		(void)fail(c, ret_why, "ipStrategy.depth must be from 0 to "
		    "1000", NULL);
		return -EINVAL;
	}
	if (s->ipv6_subnet < 0 || s->ipv6_subnet > 128) {
		(void)fail(c, ret_why, "ipStrategy.ipv6Subnet must be from 1 "
		    "to 128", NULL);
		return -EINVAL;
	}
	ret->depth = (uint32_t)s->depth;
	ret->ipv6_subnet = (uint32_t)s->ipv6_subnet;
	if (compile_cidrs(c, &s->excluded_ips, &ret->excluded, &bad) == 0)
		return 0;
	(void)fail(c, ret_why, "excludedIPs: not an address or range", bad);
	return -EINVAL;
}

static int
criterion(struct compiler *c, const struct source_criterion *s,
    struct tsource *ret, char **ret_why)
{
	ret->excluded = build_vec(c->b, NULL, 0, 1);
	ret->header = build_cstr(c->b, "");
	if (s == NULL)
		return 0;
	if ((s->ip_strategy != NULL) + s->request_host +
	    (str_c(s->request_header_name).n != 0) > 1) {
		(void)fail(c, ret_why, "sourceCriterion takes one of "
		    "ipStrategy, requestHeaderName and requestHost", NULL);
		return -EINVAL;
	}
	if (s->request_host) {
		ret->kind = TSOURCE_HOST;
		return 0;
	}
	if (str_c(s->request_header_name).n != 0) {
		ret->kind = TSOURCE_HEADER;
		ret->header = build_cstr(c->b, s->request_header_name);
		return 0;
	}
	return source(c, s->ip_strategy, ret, ret_why);
}

/* Final statuses that RFC 9110 and its registry name. */
static bool
has_status_text(uint32_t status)
{
	static const struct { uint16_t from, to; } known[] = {
		{ 200, 208 }, { 226, 226 }, { 300, 305 }, { 307, 308 },
		{ 400, 418 }, { 421, 426 }, { 428, 429 }, { 431, 431 },
		{ 451, 451 }, { 500, 508 }, { 510, 511 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (status >= known[i].from && status <= known[i].to)
			return true;
	return false;
}

static uint32_t
ip_allow_list(struct compiler *c, const struct middleware *m, char **ret_why)
{
	const struct mw_ip_allow_list *l = m->ip_allow_list != NULL ?
	    m->ip_allow_list : m->ip_white_list;
	struct tmw_ip_allow_list t = {
		.reject_status = l->reject_status_code != 0 &&
		    m->ip_allow_list != NULL ?
		    (uint32_t)l->reject_status_code : 403,
	};
	const char *bad;

	if (!has_status_text(t.reject_status))
		return fail(c, ret_why, "rejectStatusCode is not a known "
		    "status of an answer", NULL);
	if (criterion(c, NULL, &t.source, ret_why) < 0 ||
	    source(c, l->ip_strategy, &t.source, ret_why) < 0)
		return 0;
	if (compile_cidrs(c, &l->source_range, &t.ranges, &bad) < 0)
		return fail(c, ret_why,
		    "sourceRange: not an address or range", bad);
	if (t.ranges.n == 0)
		return fail(c, ret_why, "sourceRange is empty", NULL);
	return build_rec(c->b, &t, sizeof(t));
}

static uint32_t
rate_limit(struct compiler *c, const struct middleware *m, char **ret_why)
{
	const struct mw_rate_limit *l = m->rate_limit;
	struct tmw_rate_limit t = {
		.average = l->average > 0 ? l->average : 0,
		.period_ns = l->period > 0 ? l->period : NSEC_SEC,
		.burst = l->burst > 1 ? l->burst : 1,
	};

	if (l->average < 0)
		return fail(c, ret_why, "average cannot be negative", NULL);
	if (l->period < 0)
		return fail(c, ret_why, "period cannot be negative", NULL);
	if (criterion(c, l->source_criterion, &t.source, ret_why) < 0)
		return 0;
	return build_rec(c->b, &t, sizeof(t));
}

static int
user_cmp(const void *a, const void *b)
{
	const struct strpair *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct users { struct strpair *v; unsigned n; };

/* A later entry of the same name wins (proxy.md 4.10). */
static int
add_user(struct compiler *c, struct users *u, struct str line)
{
	ptrdiff_t colon = str_chr(line, ':');
	char *name, *hash;

	if (colon <= 0 || str_chr(str_from(line, (size_t)colon + 1), ':') >= 0)
		return -EINVAL;
	name = world_printf(c->w, "%.*s", (int)colon, line.p);
	hash = world_printf(c->w, "%.*s",
	    STR_ARG(str_from(line, (size_t)colon + 1)));
	for (unsigned i = 0; i < u->n; i++)
		if (strcmp(u->v[i].name, name) == 0) {
			u->v[i].value = hash;
			return 0;
		}
	u->v = xreallocarray(u->v, u->n + 1, sizeof(*u->v));
	u->v[u->n++] = (struct strpair){ .name = name, .value = hash };
	return 0;
}

static int
users_file(struct compiler *c, const char *path, struct users *u,
    char **ret_why)
{
	struct buf b = BUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC), bad = 0;
	struct str rest, line;
	ssize_t n = 0;

	b.max = USERS_FILE_MAX;
	while (fd >= 0 && !buf_failed(&b)) {
		char piece[1024];

		if ((n = read(fd, piece, sizeof(piece))) <= 0)
			break;
		buf_put(&b, piece, (size_t)n);
	}
	if (fd < 0 || n < 0 || buf_failed(&b)) {
		*ret_why = world_printf(c->w, "usersFile \"%s\": %s", path,
		    fd < 0 || n < 0 ? strerror(errno) : "too large");
		bad = -EINVAL;
	}
	if (fd >= 0)
		(void)close(fd);
	rest = buf_str(&b);
	while (bad == 0 && str_next(&rest, '\n', &line)) {
		while (line.n != 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if ((bad = add_user(c, u, line)) < 0)
			*ret_why = world_printf(c->w, "usersFile \"%s\": a "
			    "line is not name:hash", path);
	}
	buf_fini(&b);
	return bad;
}

/* Traefik takes them too, and nobody can log in. */
static void
warn_unknown_hashes(struct compiler *c, const struct middleware *m,
    const struct users *u)
{
	struct basic_user parsed;

	for (unsigned i = 0; i < u->n; i++)
		if (basic_parse_user(str_c(world_printf(c->w, "%s:%s",
		    u->v[i].name, u->v[i].value)), &parsed) < 0)
			diag_add(c->diags, DIAG_WARNING, m->o.place,
			    world_printf(c->w, "middleware %s", m->o.name),
			    "the password of user \"%s\" is not hashed in a "
			    "way that is known (bcrypt, apr1, MD5, SHA): it "
			    "is always wrong", u->v[i].name);
}

static uint32_t
basic_auth(struct compiler *c, const struct middleware *m, char **ret_why)
{
	const struct mw_basic_auth *a = m->basic_auth;
	struct tmw_basic_auth t = {
		.header_field = build_cstr(c->b, a->header_field),
		.remove_header = a->remove_header,
	};
	struct users u = { NULL, 0 };
	struct tpair *v;

	if (str_c(a->header_field).n != 0 && !is_name(a->header_field))
		return fail(c, ret_why, "headerField is not the name of a "
		    "header", a->header_field);
	if (!tidy_value(a->realm))
		return fail(c, ret_why, "realm has a control character", NULL);
	if (str_c(a->users_file).n != 0 &&
	    users_file(c, a->users_file, &u, ret_why) < 0) {
		free(u.v);
		return 0;
	}
	for (unsigned i = 0; i < a->users.n; i++)
		if (add_user(c, &u, str_trim(str_c(a->users.v[i]))) < 0) {
			free(u.v);
			/* The hash stays out of the log. */
			return fail(c, ret_why, "users: an entry is not "
			    "name:hash", NULL);
		}
	if (u.n == 0)
		return fail(c, ret_why, "no user is given", NULL);
	t.realm = build_cstr(c->b, str_c(a->realm).n != 0 ? a->realm :
	    "traefik");
	warn_unknown_hashes(c, m, &u);
	qsort(u.v, u.n, sizeof(*u.v), user_cmp);
	v = xcalloc(u.n, sizeof(*v));
	for (unsigned i = 0; i < u.n; i++)
		v[i] = (struct tpair){ build_cstr(c->b, u.v[i].name),
		    build_cstr(c->b, u.v[i].value) };
	t.users = build_vec(c->b, v, u.n, sizeof(*v));
	free(v);
	free(u.v);
	return build_rec(c->b, &t, sizeof(t));
}

/* ---- forwardAuth ------------------------------------------------------------------ */

static uint8_t
tri(enum tri t)
{
	return t == TRI_UNSET ? TTRI_UNSET : t == TRI_TRUE ? TTRI_TRUE :
	    TTRI_FALSE;
}

static uint32_t
forward_auth(struct compiler *c, const struct middleware *m, char **ret_why)
{
	const struct mw_forward_auth *a = m->forward_auth;
	struct tmw_forward_auth t = {
		.address = build_cstr(c->b, a->address),
		.trust_forward_header = tri(a->trust_forward_header),
		.forward_body = a->forward_body,
		.preserve_location = a->preserve_location_header,
		.preserve_method = a->preserve_request_method,
		.max_body = a->max_body_size,
		.max_response_body = a->max_response_body_size,
		.response_headers =
		    compile_strings(c, &a->auth_response_headers),
		.response_headers_regexp = TNONE,
		.request_headers = compile_strings(c, &a->auth_request_headers),
		.auth_cookies =
		    compile_strings(c, &a->add_auth_cookies_to_response),
		.header_field = build_cstr(c->b, a->header_field),
		.signin_url = build_cstr(c->b, a->auth_signin_url),
	};
	const struct result *tr;
	struct server_url url;
	const char *why;

	if (server_url_parse(str_c(a->address), &url, &why) < 0)
		return fail(c, ret_why, why, a->address);
	if (url.h2c)
		return fail(c, ret_why, "the address must be http or https",
		    a->address);
	t.target = build_str(c->b, url.target);
	if (a->tls != NULL) {
		if (compile_client_tls(c, a->tls, m->o.name, &t.transport,
		    ret_why) < 0)
			return 0;
	} else {
		tr = compile_transport(c, "default@internal");
		t.transport = tr->index;
	}
	t.server = compile_server(c, str_c(a->address), t.transport, 1, false,
	    m->o.name, &why);
	if (t.server == TNONE)
		return fail(c, ret_why, why, a->address);
	if (str_c(a->auth_response_headers_regex).n != 0 &&
	    (t.response_headers_regexp = regexp(c, "authResponseHeadersRegex",
	    str_c(a->auth_response_headers_regex), ret_why)) == TNONE)
		return 0;
	return build_rec(c->b, &t, sizeof(t));
}

/* ---- Bodies: errors, compress ------------------------------------------------------ */

static int
rewrite_cmp(const void *a, const void *b)
{
	const struct trewrite *x = a, *y = b;
	uint32_t wx = x->match.to - x->match.from,
	    wy = y->match.to - y->match.from;

	if (wx != wy)
		return wx < wy ? -1 : 1;
	return x->match.from < y->match.from ? -1 :
	    x->match.from > y->match.from;
}

static uint32_t
errors(struct compiler *c, const struct middleware *m, char **ret_why)
{
	const struct mw_errors *e = m->errors;
	struct trange *status = xcalloc(e->status.n, sizeof(*status));
	struct trewrite *rw = xcalloc(e->status_rewrites.n, sizeof(*rw));
	const struct result *service = compile_service(c, e->service);
	struct tmw_errors t = {
		.all_request_headers = !e->error_request_headers_set,
		.request_headers =
		    compile_strings(c, &e->error_request_headers),
		.query = build_cstr(c->b, e->query),
	};
	const char *bad = NULL;
	uint64_t code;

	for (unsigned i = 0; i < e->status.n && bad == NULL; i++)
		if (compile_range(str_c(e->status.v[i]), &status[i]) < 0)
			bad = e->status.v[i];
	for (unsigned i = 0; i < e->status_rewrites.n && bad == NULL; i++) {
		const struct strpair *p = &e->status_rewrites.v[i];

		if (compile_range(str_c(p->name), &rw[i].match) < 0 ||
		    str_u64(str_c(p->value), &code) < 0 || code < 200 ||
		    code > 599)
			bad = p->name;
		else
			rw[i].status = (uint32_t)code;
	}
	if (bad == NULL && service->state == RESULT_GOOD) {
		if (e->status_rewrites.n != 0)
			qsort(rw, e->status_rewrites.n, sizeof(*rw),
			    rewrite_cmp);
		t.status = build_vec(c->b, status, e->status.n,
		    sizeof(*status));
		t.rewrites = build_vec(c->b, rw, e->status_rewrites.n,
		    sizeof(*rw));
		t.service = service->index;
	}
	free(status);
	free(rw);
	if (bad != NULL)
		return fail(c, ret_why, "not a status code or range", bad);
	if (service->state != RESULT_GOOD)
		return fail(c, ret_why, service->why, NULL);
	return build_rec(c->b, &t, sizeof(t));
}

static int
encoding(const char *s)
{
	if (strcmp(s, "gzip") == 0)
		return TENCODING_GZIP;
	if (strcmp(s, "br") == 0)
		return TENCODING_BR;
	return strcmp(s, "zstd") == 0 ? TENCODING_ZSTD : -1;
}

/* "text/html; charset=x" -> "text/html", lower case. */
static struct tvec
media_types(struct compiler *c, const struct strlist *l)
{
	struct tstr *v = xcalloc(l->n, sizeof(*v));
	struct tvec out;

	for (unsigned i = 0; i < l->n; i++) {
		struct str rest = str_c(compile_lower(c, l->v[i])), type;

		(void)str_next(&rest, ';', &type);
		v[i] = build_str(c->b, type);
	}
	out = build_vec(c->b, v, l->n, sizeof(*v));
	free(v);
	return out;
}

static uint32_t
compress(struct compiler *c, const struct middleware *m, char **ret_why)
{
	static char gzip[] = "gzip", br[] = "br", zstd[] = "zstd";
	static char *all[] = { gzip, br, zstd };
	const struct mw_compress *p = m->compress;
	struct strlist encodings = p->encodings;
	struct tmw_compress t = {
		.excluded = media_types(c, &p->excluded_content_types),
		.included = media_types(c, &p->included_content_types),
		.min_bytes = p->min_response_body_bytes <= 0 ? 1024 :
		    p->min_response_body_bytes > INT32_MAX ? INT32_MAX :
		    (uint32_t)p->min_response_body_bytes,
		.default_encoding = 0xff,
	};

	if (encodings.n == 0)
		encodings = (struct strlist){ all, 3 };
	if (t.excluded.n != 0 && t.included.n != 0)
		return fail(c, ret_why, "excludedContentTypes and "
		    "includedContentTypes exclude each other", NULL);
	for (unsigned i = 0; i < encodings.n; i++) {
		int e = encoding(encodings.v[i]);

		if (e < 0 || t.nencodings == sizeof(t.encodings))
			return fail(c, ret_why, "encodings: unknown or too "
			    "many", encodings.v[i]);
		if (str_eq(str_c(p->default_encoding),
		    str_c(encodings.v[i])))
			t.default_encoding = (uint8_t)e;
		t.encodings[t.nencodings++] = (uint8_t)e;
	}
	if (str_c(p->default_encoding).n != 0 && t.default_encoding == 0xff)
		return fail(c, ret_why, "defaultEncoding is not among the "
		    "encodings", p->default_encoding);
	return build_rec(c->b, &t, sizeof(t));
}

static uint32_t
grpc_web(struct compiler *c, const struct middleware *m, char **ret_why)
{
	struct tmw_grpc_web t = {
		.allow_origins = compile_strings(c,
		    &m->grpc_web->allow_origins),
	};

	(void)ret_why;
	return build_rec(c->b, &t, sizeof(t));
}

/* ---- All kinds ------------------------------------------------------------------- */

#define KIND(field, kind, fn) \
	{ offsetof(struct middleware, field), kind, fn }

static const struct {
	size_t at;		/* of the pointer in struct middleware */
	enum tmw_kind kind;
	kind_fn *fn;
} kinds[] = {
	KIND(add_prefix, TMW_ADD_PREFIX, add_prefix),
	KIND(strip_prefix, TMW_STRIP_PREFIX, strip_prefix),
	KIND(strip_prefix_regex, TMW_STRIP_PREFIX_REGEX, strip_prefix_regex),
	KIND(replace_path, TMW_REPLACE_PATH, replace_path),
	KIND(replace_path_regex, TMW_REPLACE_PATH_REGEX, replace_path_regex),
	KIND(redirect_regex, TMW_REDIRECT_REGEX, redirect_regex),
	KIND(redirect_scheme, TMW_REDIRECT_SCHEME, redirect_scheme),
	KIND(headers, TMW_HEADERS, headers),
	KIND(ip_allow_list, TMW_IP_ALLOW_LIST, ip_allow_list),
	KIND(ip_white_list, TMW_IP_ALLOW_LIST, ip_allow_list),
	KIND(rate_limit, TMW_RATE_LIMIT, rate_limit),
	KIND(basic_auth, TMW_BASIC_AUTH, basic_auth),
	KIND(forward_auth, TMW_FORWARD_AUTH, forward_auth),
	KIND(errors, TMW_ERRORS, errors),
	KIND(compress, TMW_COMPRESS, compress),
	KIND(grpc_web, TMW_GRPC_WEB, grpc_web),
};

static void
build_mw(struct compiler *c, struct middleware *m, struct result *res)
{
	struct tmw t = { .live_id = TNONE };
	char *why = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const void *p;

		memcpy(&p, (const char *)m + kinds[i].at, sizeof(p));
		if (p == NULL)
			continue;
		t.kind = kinds[i].kind;
		t.name = build_cstr(c->b, m->o.name);
		if ((t.config = kinds[i].fn(c, m, &why)) == 0)
			break;
		res->index = build_add(c->b, BUILD_MIDDLEWARES, &t);
		res->state = RESULT_GOOD;
		return;
	}
	compile_broken(c, &m->o, "middleware", res, "%s", why != NULL ? why :
	    m->later != NULL ? world_printf(c->w, "%s is not supported yet",
	    m->later) : "no kind is given");
}

const struct result *
compile_mw(struct compiler *c, const char *name)
{
	uint32_t i = names_get(&c->w->mw_names, str_c(name));
	struct middleware *m;
	struct result *res;

	if (i == NAMES_NONE)
		return NULL;
	m = &c->w->middlewares[i];
	res = &c->mws[i];
	if (res->state != RESULT_NONE)
		return res;
	res->state = RESULT_BUSY;
	res->index = TNONE;
	if (m->o.verdict != VERDICT_OK) {
		/* The reader has told why. */
		res->state = RESULT_BROKEN;
		res->why = m->o.why;
	} else if (m->chain != NULL) {
		struct mw_list none = { NULL, 0, 0 };
		char *why;

		if (compile_mw_list(c, &m->chain->middlewares, &none,
		    &why) < 0)
			compile_broken(c, &m->o, "middleware", res, "%s", why);
		else
			res->state = RESULT_GOOD;
		free(none.v);
	} else {
		build_mw(c, m, res);
	}
	return res;
}

static void
push(struct mw_list *l, uint32_t index, const struct middleware *m)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 8 : l->cap * 2;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = (struct mw_use){ index, m };
}

int
compile_mw_list(struct compiler *c, const struct strlist *names,
    struct mw_list *ret, char **ret_why)
{
	for (unsigned i = 0; i < names->n; i++) {
		const struct result *res = compile_mw(c, names->v[i]);
		const struct middleware *m;

		if (res == NULL || res->state != RESULT_GOOD) {
			*ret_why = world_printf(c->w, "middleware \"%s\" %s%s",
			    names->v[i], res == NULL ? "does not exist" :
			    res->state == RESULT_BUSY ?
			    "is part of itself" : "cannot be used: ",
			    res == NULL || res->state == RESULT_BUSY ? "" :
			    res->why);
			return -EINVAL;
		}
		m = &c->w->middlewares[res - c->mws];
		if (m->chain == NULL)
			push(ret, res->index, m);
		else if (compile_mw_list(c, &m->chain->middlewares, ret,
		    ret_why) < 0)
			return -EINVAL;
	}
	return 0;
}

uint32_t
compile_mw_instance(struct compiler *c, const struct mw_use *use,
    const char *router)
{
	struct tmw t;
	struct buf key = BUF_INIT;
	bool is_new;

	if (use->m->rate_limit == NULL || c->env->limits == NULL)
		return use->index;
	/*
	 * Each router has buckets of its own (proxy.md 4.16). Nothing but the
	 * names counts: a changed limit keeps its buckets.
	 */
	t = *(const struct tmw *)build_at(c->b, BUILD_MIDDLEWARES, use->index);
	buf_printf(&key, "%s\n%s", router, use->m->o.name);
	t.live_id = compile_slot(c, c->env->limits, buf_str(&key), &is_new);
	buf_fini(&key);
	return build_add(c->b, BUILD_MIDDLEWARES, &t);
}
