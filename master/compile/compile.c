/* SPDX-License-Identifier: BSD-2-Clause */
/* The order in which a table is made, entry points and access log; see compile.h. */
#include "compile_impl.h"

#include "alloc.h"
#include "entry_address.h"
#include "hash.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_BYTES		(64u << 10)	/* security 0.4 */
#define HEAD_BYTES_MAX		(1u << 20)
#define KEEP_ALIVE_REQUESTS	10000
#define KEEP_ALIVE_TIME		(3600 * NSEC_SEC)

/* ---- Helpers ------------------------------------------------------------------------ */

int
compile_broken(struct compiler *c, struct object *o, const char *kind,
    struct result *res, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	res->why = world_printf(c->w, "%.1024s", buf_cstr(&b));
	res->state = RESULT_BROKEN;
	res->index = TNONE;
	buf_fini(&b);
	diag_object(c->diags, o, kind, VERDICT_BROKEN, "%s", res->why);
	return -EINVAL;
}

char *
compile_lower(struct compiler *c, const char *s)
{
	char *copy = world_printf(c->w, "%s", s != NULL ? s : "");

	for (char *p = copy; *p != '\0'; p++)
		*p = str_lower(*p);
	return copy;
}

static struct tvec
strings(struct compiler *c, const struct strlist *l, bool lower)
{
	struct tstr *v = xcalloc(l->n, sizeof(*v));
	struct tvec out;

	for (unsigned i = 0; i < l->n; i++)
		v[i] = build_cstr(c->b, lower ? compile_lower(c, l->v[i]) :
		    l->v[i]);
	out = build_vec(c->b, v, l->n, sizeof(*v));
	free(v);
	return out;
}

struct tvec
compile_strings(struct compiler *c, const struct strlist *l)
{
	return strings(c, l, false);
}

struct tvec
compile_lower_strings(struct compiler *c, const struct strlist *l)
{
	return strings(c, l, true);
}

struct tvec
compile_pairs(struct compiler *c, const struct pairlist *l)
{
	struct tpair *v = xcalloc(l->n, sizeof(*v));
	struct tvec out;

	for (unsigned i = 0; i < l->n; i++)
		v[i] = (struct tpair){ build_cstr(c->b, l->v[i].name),
		    build_cstr(c->b, l->v[i].value) };
	out = build_vec(c->b, v, l->n, sizeof(*v));
	free(v);
	return out;
}

uint32_t
compile_regexp(struct compiler *c, struct str text)
{
	uint32_t i = names_get(&c->regexps, text);
	struct tregexp r;

	if (i != NAMES_NONE)
		return i;
	r.text = build_str(c->b, text);
	return names_add(&c->regexps, text,
	    build_add(c->b, BUILD_REGEXPS, &r));
}

int
compile_cidrs(struct compiler *c, const struct strlist *l, struct tvec *ret,
    const char **ret_bad)
{
	struct cidr *v = xcalloc(l->n, sizeof(*v));

	for (unsigned i = 0; i < l->n; i++)
		if (cidr_parse(str_trim(str_c(l->v[i])), &v[i]) < 0) {
			*ret_bad = l->v[i];
			free(v);
			return -EINVAL;
		}
	*ret = build_vec(c->b, v, l->n, sizeof(*v));
	free(v);
	return 0;
}

int
compile_range(struct str s, struct trange *ret)
{
	ptrdiff_t dash = str_chr(s, '-');
	struct str to = dash < 0 ? s : str_from(s, (size_t)dash + 1);
	uint64_t a, b;

	if (str_u64(dash < 0 ? s : str_head(s, (size_t)dash), &a) < 0 ||
	    str_u64(to, &b) < 0 || a > b || b > 999 || a == 0)
		return -EINVAL;
	*ret = (struct trange){ (uint32_t)a, (uint32_t)b };
	return 0;
}

uint32_t
compile_slot(struct compiler *c, struct registry *r, struct str name,
    bool *ret_new)
{
	uint32_t i;

	(void)c;
	*ret_new = false;
	if (r == NULL)
		return TNONE;
	i = registry_get(r, name, ret_new);
	return i != NAMES_NONE ? i : TNONE;
}

/* ---- Entry points --------------------------------------------------------------------- */

static uint8_t
underscore(const char *word)
{
	if (word != NULL && strcmp(word, "delete") == 0)
		return TUNDERSCORE_DELETE;
	if (word != NULL && strcmp(word, "reject") == 0)
		return TUNDERSCORE_REJECT;
	return TUNDERSCORE_KEEP;
}

static uint16_t
port_of(const char *address)
{
	struct sockaddr_storage sa;
	const char *why;
	socklen_t n;

	if (entry_address(str_c(address), &sa, &n, &why) < 0)
		return 0;
	/* Both families keep the port at the same place. */
	return ntohs(((struct sockaddr_in *)(void *)&sa)->sin_port);
}

static void
entry_point_escapes(const struct entry_point *e, struct tentry_point *t)
{
	const struct encoded_characters *x = e->encoded_characters;

	if (x == NULL)
		return;
	t->allow_nul = x->nul == TRI_TRUE;
	t->denied_escapes = (uint8_t)(
	    (x->slash == TRI_FALSE ? TENC_SLASH : 0) |
	    (x->backslash == TRI_FALSE ? TENC_BACKSLASH : 0) |
	    (x->nul == TRI_FALSE ? TENC_NUL : 0) |
	    (x->semicolon == TRI_FALSE ? TENC_SEMICOLON : 0) |
	    (x->percent == TRI_FALSE ? TENC_PERCENT : 0) |
	    (x->question == TRI_FALSE ? TENC_QUESTION : 0) |
	    (x->hash == TRI_FALSE ? TENC_HASH : 0));
}

static void
entry_point_limits(const struct entry_point *e, struct tentry_point *t)
{
	t->read_timeout_set = e->timeouts.read >= 0;
	t->read_timeout_ns = e->timeouts.read >= 0 ? e->timeouts.read : 0;
	t->write_timeout_ns = e->timeouts.write;
	t->idle_timeout_ns = e->timeouts.idle;
	t->accept_grace_ns = e->accept_grace;
	t->grace_ns = e->grace;
	t->keep_alive_max_ns = e->keep_alive_max_time > 0 ?
	    e->keep_alive_max_time : KEEP_ALIVE_TIME;
	t->keep_alive_max_requests = e->keep_alive_max_requests > 0 ?
	    (uint64_t)e->keep_alive_max_requests : KEEP_ALIVE_REQUESTS;
	t->http2_streams = (uint32_t)e->http2_max_streams;
	t->http2_websocket = e->http2_websocket;
	t->max_header_bytes = e->max_header_bytes <= 0 ? HEAD_BYTES :
	    e->max_header_bytes > HEAD_BYTES_MAX ? HEAD_BYTES_MAX :
	    (uint32_t)e->max_header_bytes;
}

/* The reader refuses a file with a bad one; never trust by mistake. */
static struct tvec
trusted_ranges(struct compiler *c, const struct entry_point *e,
    const struct strlist *l)
{
	struct tvec v;
	const char *bad;

	if (compile_cidrs(c, l, &v, &bad) == 0)
		return v;
	diag_add(c->diags, DIAG_FILE, e->o.place, NULL,
	    "trustedIPs: \"%s\" is not an address or range", bad);
	return build_vec(c->b, NULL, 0, 1);
}

static void
entry_point(struct compiler *c, const struct entry_point *e)
{
	static const struct strlist none;
	struct tentry_point t = {
		.name = build_cstr(c->b, e->o.name),
		.address = build_cstr(c->b, e->address),
		.port = port_of(e->address),
		.forwarded_insecure = e->forwarded.insecure,
		.not_append_xff = e->forwarded.not_append_xff,
		.add_scheme_headers = e->forwarded.add_scheme_headers,
		.sanitize_path = e->sanitize_path != TRI_FALSE,
		.encode_semicolons = e->encode_query_semicolons,
		.underscore = underscore(e->underscore_strategy),
		.ambiguous_allow = e->ambiguous_paths != NULL &&
		    strcmp(e->ambiguous_paths, "allow") == 0,
		.keep_connection =
		    compile_lower_strings(c, &e->forwarded.connection),
		.plain_mux = TNONE,
		.tls_mux = TNONE,
		.tls_hosts = build_vec(c->b, NULL, 0, 1),
		.observe_access_log =
		    e->observability.access_logs != TRI_FALSE,
		.proxy_protocol = e->proxy_protocol != NULL,
		.proxy_insecure = e->proxy_protocol != NULL &&
		    e->proxy_protocol->insecure,
		.incomplete = c->w->incomplete,
	};

	t.trusted = trusted_ranges(c, e, &e->forwarded.trusted_ips);
	t.proxy_trusted = trusted_ranges(c, e, e->proxy_protocol != NULL ?
	    &e->proxy_protocol->trusted_ips : &none);
	entry_point_escapes(e, &t);
	entry_point_limits(e, &t);
	if (e->grace > c->out->grace_ns)
		c->out->grace_ns = e->grace;
	if (e->accept_grace > c->out->accept_grace_ns)
		c->out->accept_grace_ns = e->accept_grace;
	(void)build_add(c->b, BUILD_ENTRY_POINTS, &t);
}

/* ---- Access log ----------------------------------------------------------------------- */

static uint8_t
log_mode(const char *word, uint8_t unset)
{
	if (word == NULL || word[0] == '\0')
		return unset;
	if (strcmp(word, "keep") == 0)
		return TLOG_KEEP;
	return strcmp(word, "redact") == 0 ? TLOG_REDACT : TLOG_DROP;
}

/* "x-auth-user" -> "X-Auth-User" */
static char *
canonical(struct compiler *c, const char *name)
{
	char *copy = compile_lower(c, name);
	bool up = true;

	for (char *p = copy; *p != '\0'; p++) {
		if (up && *p >= 'a' && *p <= 'z')
			*p = (char)(*p - 32);
		up = *p == '-';
	}
	return copy;
}

static struct tvec
log_names(struct compiler *c, const struct pairlist *l, bool header)
{
	struct tlog_name *v = xcalloc(l->n, sizeof(*v));
	struct tvec out;

	for (unsigned i = 0; i < l->n; i++)
		v[i] = (struct tlog_name){ .name = build_cstr(c->b, header ?
		    canonical(c, l->v[i].name) : l->v[i].name),
		    .mode = log_mode(l->v[i].value, TLOG_KEEP) };
	out = build_vec(c->b, v, l->n, sizeof(*v));
	free(v);
	return out;
}

static struct tvec
log_statuses(struct compiler *c, const struct strlist *l)
{
	struct trange *v = xcalloc(l->n, sizeof(*v));
	struct tvec out;
	unsigned n = 0;

	for (unsigned i = 0; i < l->n; i++)
		if (compile_range(str_c(l->v[i]), &v[n]) == 0)
			n++;
		else
			diag_add(c->diags, DIAG_WARNING, (struct place){ 0 },
			    "accessLog", "filters.statusCodes: \"%s\" is not "
			    "a status code or range", l->v[i]);
	out = build_vec(c->b, v, n, sizeof(*v));
	free(v);
	return out;
}

static void
access_log(struct compiler *c)
{
	const struct access_log_config *a = c->w->config->access_log;
	struct taccess_log t;

	if (a == NULL)
		return;
	t = (struct taccess_log){
		.format = a->format != NULL && strcmp(a->format, "json") == 0 ?
		    TLOG_JSON : a->format != NULL &&
		    strcmp(a->format, "genericCLF") == 0 ? TLOG_GENERIC_CLF :
		    TLOG_COMMON,
		.fields_mode = log_mode(a->fields.default_mode, TLOG_KEEP),
		.headers_mode = log_mode(a->fields.headers.default_mode,
		    TLOG_DROP),
		.query_mode = log_mode(a->fields.query.default_mode,
		    TLOG_KEEP),
		.add_internals = a->add_internals,
		.filter = a->filters.status_codes.n != 0 ||
		    a->filters.retry_attempts || a->filters.min_duration > 0,
		.filter_retries = a->filters.retry_attempts,
		.min_duration_ns = a->filters.min_duration,
		.statuses = log_statuses(c, &a->filters.status_codes),
		.fields = log_names(c, &a->fields.names, false),
		.headers = log_names(c, &a->fields.headers.names, true),
	};
	(void)build_add(c->b, BUILD_ACCESS_LOG, &t);
}

/* ---- All ------------------------------------------------------------------------------- */

static uint64_t
image_hash(const struct buf *image)
{
	return ((const struct table_hdr *)(const void *)image->p)->content_hash;
}

static void
set_records(const struct config *config, struct buf *image)
{
	struct table_hdr *h = (void *)image->p;
	const char *word = config->akkod.tls.records;

	h->tls_records = word != NULL && strcmp(word, "openssl") == 0 ?
	    TRECORDS_OPENSSL : TRECORDS_OWN;
	h->tls_small_from_ns = config->akkod.tls.small_records_from;
	/* They stand in the header, which the hash leaves out. */
	h->content_hash += h->tls_records +
	    hash_bytes(&h->tls_small_from_ns, sizeof(h->tls_small_from_ns), 0);
}

/* What nobody uses is built too: its faults are to be told all the same. */
static void
build_unused(struct compiler *c)
{
	for (unsigned i = 0; i < c->w->nservices; i++)
		(void)compile_service(c, c->w->services[i].o.name);
	for (unsigned i = 0; i < c->w->nmiddlewares; i++)
		(void)compile_mw(c, c->w->middlewares[i].o.name);
	for (unsigned i = 0; i < c->w->ntransports; i++)
		(void)compile_transport(c, c->w->transports[i].o.name);
}

void
compile_world(struct world *w, uint64_t generation,
    const struct compile_env *env, struct diags *diags, struct compiled *ret)
{
	struct compiler c = { .w = w, .b = build_new(), .diags = diags,
	    .env = env, .out = ret };
	struct registry *regs[] = { env->services, env->servers, env->limits };
	uint32_t default_cert = TNONE;

	*ret = (struct compiled){ .renew_at = NSEC_NEVER };
	/* Name, rule, host, path and service of a router, not all of its own. */
	build_expect(c.b, w->nrouters * 4, (size_t)w->nrouters * 300);
	c.services = xcalloc(w->nservices, sizeof(*c.services));
	c.walked = xcalloc(w->nservices, sizeof(*c.walked));
	c.mws = xcalloc(w->nmiddlewares, sizeof(*c.mws));
	c.transports = xcalloc(w->ntransports, sizeof(*c.transports));
	c.options = xcalloc(w->ntls_options, sizeof(*c.options));
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (regs[i] != NULL)
			registry_begin(regs[i]);
	for (unsigned i = 0; i < w->neps; i++)
		entry_point(&c, &w->eps[i]);
	compile_all_options(&c);
	(void)compile_transport(&c, NULL);
	compile_routers(&c, &default_cert);
	build_unused(&c);
	access_log(&c);
	build_finish(c.b, generation, default_cert, &ret->image);
	set_records(w->config, &ret->image);
	ret->content_hash = image_hash(&ret->image);
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (regs[i] != NULL)
			registry_sweep(regs[i]);
	build_free(c.b);
	free(c.services);
	free(c.walked);
	free(c.mws);
	free(c.transports);
	free(c.options);
	names_fini(&c.regexps);
	names_fini(&c.blobs);
	names_fini(&c.internal_names);
}

void
compiled_fini(struct compiled *c)
{
	buf_fini(&c->image);
	if (c->keys.data.p != NULL)
		explicit_bzero(c->keys.data.p, c->keys.data.cap);
	buf_fini(&c->keys.data);
	buf_fini(&c->keys.index);
	for (unsigned i = 0; i < c->nbroken; i++) {
		free(c->broken[i].name);
		free(c->broken[i].why);
	}
	free(c->broken);
	c->broken = NULL;
	c->nbroken = 0;
}
