/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forwardAuth: asks another server whether the request may pass. Everything that
 * is not a clear yes is a no (N-10). What is asked and what the answer means is
 * decided in auth/forward.c; this file does the talking.
 */
#include "middleware.h"

#include "auth_health.h"
#include "conn.h"
#include "forward.h"
#include "regexp.h"
#include "route.h"
#include "upstream.h"

#include <errno.h>

#define AUTH_TIMEOUT	(30 * NSEC_SEC)	/* as Traefik's */
#define ALLOW_BODY_MAX	(64 * 1024)	/* read of an allowing answer (S-503) */

/* One call: what was configured, the connection, the answer's fields. */
struct call {
	const struct tmw_forward_auth *c;
	struct forward_config cfg;
	struct forward_client client;
	struct upstream *u;
	struct str body;		/* of the client, with forwardBody */
	struct auth_field *answer;
	unsigned nanswer;
	enum reason why;
};

/* ---- Between fields and auth_fields ------------------------------------------ */

_Static_assert((int)AUTH_HOP == (int)CLASS_HOP && (int)AUTH_FRAMING ==
    (int)CLASS_FRAMING && (int)AUTH_MANAGED == (int)CLASS_MANAGED &&
    (int)AUTH_CLAIM == (int)CLASS_CLAIM && (int)AUTH_IDENTITY ==
    (int)CLASS_IDENTITY, "one set of classes");

static struct auth_field *
to_auth(struct exchange *x, const struct fields *fs, unsigned *ret_n)
{
	struct auth_field *v = arena_alloc(&x->arena, (fs->n + 1) * sizeof(*v));
	unsigned n = 0;

	if (v == NULL)
		return NULL;
	FIELDS_EACH(fs, f)
		v[n++] = (struct auth_field){ field_name(f), field_value(f),
		    field_all_classes(f) };
	*ret_n = n;
	return v;
}

static int
from_auth(struct fields *fs, const struct auth_field *v, unsigned n)
{
	fs->n = 0;
	for (unsigned i = 0; i < n; i++)
		if (fields_add(fs, v[i].name, v[i].value) < 0)
			return -ENOBUFS;
	return 0;
}

static struct auth_field *
room(struct exchange *x, unsigned n)
{
	return arena_alloc(&x->arena, (n + 1) * sizeof(struct auth_field));
}

/* ---- Configuration -------------------------------------------------------------- */

static const struct str *
strs(struct exchange *x, struct tvec v)
{
	const struct tstr *t = TABLE_VEC(x->t, v, struct tstr);
	struct str *out = arena_alloc(&x->arena, (v.n + 1) * sizeof(*out));

	for (uint32_t i = 0; out != NULL && i < v.n; i++)
		out[i] = table_str(x->t, t[i]);
	return out;
}

/* An expression that gives up counts as a match: the header is taken away. */
static bool
matches(void *arg, struct str name)
{
	return arg == NULL || regexp_exec(arg, name, 0, NULL) != 0;
}

static int
call_init(struct call *k, struct exchange *x, const struct tmw_forward_auth *c)
{
	char text[ADDR_TEXT];

	*k = (struct call){ .c = c, .why = REASON_AUTH_MALFORMED };
	k->cfg = (struct forward_config){ .trust = c->trust_forward_header,
	    .forward_body = c->forward_body,
	    .preserve_location = c->preserve_location,
	    .preserve_method = c->preserve_method, .max_body = c->max_body,
	    .max_response_body = c->max_response_body,
	    .address = table_str(x->t, c->address),
	    .signin_url = table_str(x->t, c->signin_url),
	    .header_field = table_str(x->t, c->header_field),
	    .response_headers = strs(x, c->response_headers),
	    .nresponse_headers = c->response_headers.n,
	    .request_headers = strs(x, c->request_headers),
	    .nrequest_headers = c->request_headers.n,
	    .cookies = strs(x, c->auth_cookies),
	    .ncookies = c->auth_cookies.n };
	if (c->response_headers_regexp != TNONE) {
		k->cfg.matches = matches;
		k->cfg.arg = (void *)(size_t)route_regexp(x->t,
		    c->response_headers_regexp);
	}
	k->client = (struct forward_client){
	    .peer_ip = arena_dup(&x->arena, str_c(addr_text(&x->c->peer,
	    text))), .method = x->req.method, .host = x->req.host,
	    .path = x->req.path, .query = x->req.query,
	    .has_query = x->req.has_query, .tls = exchange_is_tls(x) };
	return k->cfg.response_headers == NULL ||
	    k->cfg.request_headers == NULL || k->cfg.cookies == NULL ||
	    k->client.peer_ip.p == NULL ? -ENOMEM : 0;
}

/* ---- The client's body, kept for both ---------------------------------------------- */

struct kept_body {
	struct source s;
	struct str data;
};

static int
read_kept(struct fiber *f, struct exchange *x, struct source *src,
    struct upstream *watch, struct str *ret)
{
	struct kept_body *k = (struct kept_body *)src;

	(void)f;
	(void)x;
	(void)watch;
	*ret = k->data;
	k->data = STR_NONE;
	src->done = true;
	return ret->n > 0;
}

/*
 * Reads the whole body (a limit counts, and so does the arena) and puts a
 * source in its place that gives it again. 0, -EMSGSIZE, -errno.
 */
static int
keep_body(struct fiber *f, struct exchange *x, struct call *k)
{
	struct kept_body *kept = arena_zalloc(&x->arena, sizeof(*kept));
	struct buf all = { .max = x->w->limits.arena_bytes / 2 };
	struct str piece;
	int r = 0;

	if (kept == NULL)
		return -ENOMEM;
	if (k->c->max_body >= 0 && (int64_t)x->req.length > k->c->max_body)
		return -EMSGSIZE;
	while (r >= 0 && (r = x->body->read(f, x, x->body, NULL, &piece)) > 0) {
		buf_puts(&all, piece);
		if (buf_failed(&all) || (k->c->max_body >= 0 &&
		    (int64_t)all.n > k->c->max_body))
			r = -EMSGSIZE;
		else if (x->body->done)
			break;
	}
	if (r >= 0) {
		k->body = kept->data = arena_dup(&x->arena, buf_str(&all));
		r = kept->data.p == NULL ? -ENOMEM : 0;
		kept->s.read = read_kept;
		kept->s.done = all.n == 0;
		x->req.framing = all.n > 0 ? FRAMING_LENGTH : FRAMING_NONE;
		x->req.length = all.n;
		x->body = &kept->s;
	}
	buf_fini(&all);
	return r;
}

/* ---- The call ------------------------------------------------------------------------- */

static enum reason
failure(int err)
{
	switch (err) {
	case -ETIMEDOUT:
		return REASON_AUTH_TIMEOUT;
	case -EBADMSG:
	case -EMSGSIZE:
		return REASON_AUTH_MALFORMED;
	case -ECONNABORTED:
	case -ECANCELED:	/* a stream that the client reset */
		return REASON_CLIENT_GONE;
	default:
		return REASON_AUTH_REFUSED;
	}
}

static int
send_request(struct fiber *f, struct exchange *x, struct call *k,
    const struct tserver *sv, const struct fields *fs)
{
	struct h1_out_request q = { .method = k->c->preserve_method ?
	    x->req.method : STR("GET"), .path = table_str(x->t, k->c->target),
	    .host = table_str(x->t, sv->authority), .fields = fs,
	    .framing = k->body.n > 0 ? H1_LENGTH : H1_NONE,
	    .length = k->body.n, .zero_length = k->body.n == 0 &&
	    k->c->preserve_method && !str_eq(x->req.method, STR("GET")) &&
	    !str_eq(x->req.method, STR("HEAD")) };
	ptrdiff_t mark = str_chr(q.path, '?');
	int r;

	if (mark >= 0) {
		q.has_query = true;
		q.query = str_from(q.path, (size_t)mark + 1);
		q.path = str_head(q.path, (size_t)mark);
	}
	if (q.path.n == 0)
		q.path = STR("/");
	r = upstream_send_head(f, k->u, &q, k->body);
	k->u->sent_all = r == 0;
	if (r < 0)
		return r;
	/* Interim answers say nothing; 101 is no answer to this (S-503). */
	do {
		r = upstream_read_head(f, k->u, q.method, x->body->done ?
		    x->client : NULL);
	} while (r == 0 && k->u->resp.status < 200 &&
	    k->u->resp.status != 101);
	if (r == 0 && k->u->resp.status == 101) {
		k->u->broken = true;
		return -EBADMSG;
	}
	return r;
}

/* Up to the answer's head. 0 or -errno with k->why. */
static int
call_auth(struct fiber *f, struct exchange *x, struct call *k)
{
	const struct tserver *sv = table_server(x->t, k->c->server);
	const struct ttransport *tr = table_transport(x->t, k->c->transport);
	const unsigned cap = x->req.fields.n + FORWARD_FIELDS_ADDED;
	struct fields fs = { arena_alloc(&x->arena, cap *
	    sizeof(struct field)), 0, cap };
	struct auth_field *in, *out = room(x, cap);
	unsigned n;
	int r, got;

	if (fs.v == NULL || out == NULL ||
	    (in = to_auth(x, &x->req.fields, &n)) == NULL)
		return -ENOMEM;
	got = forward_request(&k->cfg, &k->client, in, n, out, cap,
	    &x->arena);
	if (got < 0 || from_auth(&fs, out, (unsigned)got) < 0)
		return -ENOBUFS;
	for (int try = 0; try < 2; try++) {
		r = upstream_open(f, x, sv, tr, UPSTREAM_HTTP1 |
		    (try > 0 ? UPSTREAM_FRESH : 0), &k->u, &k->why);
		if (r < 0) {
			k->why = k->why == REASON_UPSTREAM_TLS ||
			    k->why == REASON_UPSTREAM_TLS_ALERT ?
			    REASON_AUTH_TLS : failure(r);
			return r;
		}
		if ((r = send_request(f, x, k, sv, &fs)) == 0)
			break;
		k->why = failure(r);
		/* Only a parked connection that had died is tried again. */
		if (!k->u->reused || (r != -EPIPE && r != -ECONNRESET))
			return r;
		upstream_done(f, k->u);
		k->u = NULL;
	}
	if (r < 0)
		return r;
	k->answer = to_auth(x, &k->u->fields, &k->nanswer);
	return k->answer == NULL ? -ENOMEM : 0;
}

/* ---- No ------------------------------------------------------------------------------- */

/* A limit counts before the answer begins: a body of unknown length is kept. */
static int
relay_bounded(struct fiber *f, struct exchange *x, struct call *k)
{
	struct buf all = { .max = x->w->limits.arena_bytes / 2 };
	struct str data;
	bool last = false;
	int r = 0;

	while (!last && r >= 0) {
		if ((r = upstream_read_body(f, k->u, &data, &last)) < 0)
			break;
		buf_puts(&all, data);
		if (buf_failed(&all) ||
		    (int64_t)all.n > k->c->max_response_body)
			r = -EMSGSIZE;
	}
	if (r < 0) {
		respond_begin(x);
		r = r == -EMSGSIZE ?
		    respond_text(f, x, 401, REASON_AUTH_TOO_LARGE, STR_NONE) :
		    respond_text(f, x, 500, REASON_AUTH_MALFORMED, STR_NONE);
	} else {
		x->resp.length = (int64_t)all.n;
		if ((r = sink_head(f, x, x->sink)) == 0)
			r = sink_body(f, x, x->sink, buf_str(&all), true);
	}
	buf_fini(&all);
	return r;
}

/* The auth server's answer goes to the client as it is, streamed. */
static int
relay(struct fiber *f, struct exchange *x, struct call *k)
{
	struct auth_field *out = room(x, k->nanswer);
	struct upstream *u = k->u;
	int n = out == NULL ? -ENOMEM : forward_relay(&k->cfg, k->answer,
	    k->nanswer, out, k->nanswer, &x->arena), r;
	struct str data;
	bool last = false;

	if (n < 0 || from_auth(&x->resp.fields, out, (unsigned)n) < 0) {
		respond_begin(x);
		return respond_text(f, x, 500, REASON_AUTH_MALFORMED, STR_NONE);
	}
	if (k->c->max_response_body >= 0 && u->resp.has_length &&
	    (int64_t)u->resp.length > k->c->max_response_body) {
		respond_begin(x);
		return respond_text(f, x, 401, REASON_AUTH_TOO_LARGE, STR_NONE);
	}
	x->reason = REASON_AUTH_DENIED;
	x->resp.status = u->resp.status;
	x->resp.length = u->resp.has_length ? (int64_t)u->resp.length :
	    u->body_done ? 0 : -1;
	if (k->c->max_response_body >= 0 && x->resp.length < 0)
		return relay_bounded(f, x, k);
	if ((r = sink_head(f, x, x->sink)) < 0)
		return r;
	if (u->body_done)
		return sink_body(f, x, x->sink, STR_NONE, true);
	while (!last) {
		if ((r = upstream_read_body(f, u, &data, &last)) < 0)
			return r;
		if ((r = sink_body(f, x, x->sink, data, last)) < 0)
			return r;
		if (x->enough && !last) {
			u->broken = true;
			return 0;
		}
	}
	return 0;
}

static int
signin(struct fiber *f, struct exchange *x, struct call *k)
{
	struct str to = forward_signin(&k->cfg, &k->client, &x->arena);

	if (to.p == NULL || fields_set_id(&x->resp.fields, FIELD_LOCATION,
	    to) < 0)
		return respond_text(f, x, 500, REASON_AUTH_MALFORMED, STR_NONE);
	return respond_text(f, x, 302, REASON_AUTH_DENIED, STR_NONE);
}

/* ---- Yes ------------------------------------------------------------------------------- */

/* The body of a yes is of no interest; a long one ends the connection. */
static int
skip_body(struct fiber *f, struct call *k)
{
	struct str data;
	bool last = k->u->body_done;
	int64_t total = 0;
	int r;

	while (!last) {
		if ((r = upstream_read_body(f, k->u, &data, &last)) < 0)
			return r;
		total += (int64_t)data.n;
		if (k->c->max_response_body >= 0 &&
		    total > k->c->max_response_body)
			return -EMSGSIZE;
		if (total > ALLOW_BODY_MAX) {
			k->u->broken = true;
			return 0;
		}
	}
	return 0;
}

/* What the yes says about the user becomes part of the request. */
static int
accept_answer(struct exchange *x, struct call *k)
{
	struct fields *fs = &x->req.fields;
	const unsigned cap = fs->n + k->nanswer;
	struct auth_field *in, *out = room(x, cap);
	unsigned n;
	int got;

	if (out == NULL || (in = to_auth(x, fs, &n)) == NULL)
		return -ENOMEM;
	got = forward_copy(&k->cfg, in, n, k->answer, k->nanswer, out, cap);
	if (got < 0)
		return got;
	/* The answer's buffer goes back to its pool: values are copied. */
	for (int i = 0; i < got; i++) {
		out[i].value = arena_dup(&x->arena, out[i].value);
		out[i].name = arena_dup(&x->arena, out[i].name);
		if (out[i].value.p == NULL || out[i].name.p == NULL)
			return -ENOMEM;
	}
	return from_auth(fs, out, (unsigned)got);
}

struct cookie_sink {
	struct sink s;
	struct call *k;
};

static int
on_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct call *k = ((struct cookie_sink *)sink)->k;
	const unsigned cap = x->resp.fields.n + k->nanswer;
	struct auth_field *in, *out = room(x, cap);
	unsigned n;
	int got;

	if (out == NULL || (in = to_auth(x, &x->resp.fields, &n)) == NULL)
		return -ENOMEM;
	got = forward_cookies(&k->cfg, in, n, k->answer, k->nanswer, out, cap);
	if (got < 0 || from_auth(&x->resp.fields, out, (unsigned)got) < 0)
		return -ENOBUFS;
	return sink_head(f, x, sink->out);
}

/* Keeps the answer's cookies after its connection went back to the pool. */
static int
keep_cookies(struct exchange *x, struct call *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->nanswer; i++) {
		struct auth_field *a = &k->answer[i];

		if (!str_caseeq(a->name, STR("Set-Cookie")))
			continue;
		a->name = STR("Set-Cookie");
		a->value = arena_dup(&x->arena, a->value);
		if (a->value.p == NULL)
			return -ENOMEM;
		k->answer[n++] = *a;
	}
	k->nanswer = n;
	return 0;
}

static int
go_on(struct fiber *f, struct exchange *x, struct call *k, struct chain next)
{
	struct cookie_sink s = { .s.head = on_head, .k = k };
	int r;

	if (k->c->auth_cookies.n == 0 || k->nanswer == 0)
		return chain_next(f, x, next);
	sink_push(x, &s.s);
	r = chain_next(f, x, next);
	x->sink = s.s.out;
	return r;
}

/* ---- The middleware ---------------------------------------------------------------------- */

static int
fail(struct fiber *f, struct exchange *x, enum reason why)
{
	if (why == REASON_AUTH_DOWN && fields_set_id(&x->resp.fields,
	    FIELD_RETRY_AFTER, STR("1")) < 0)
		return -ENOBUFS;
	if (why == REASON_CLIENT_GONE) {
		x->client_gone = true;
		x->reason = why;
		return -ECONNABORTED;
	}
	return respond_text(f, x, reason_status(why), why, STR_NONE);
}

static void
note_health(struct exchange *x, const struct call *k, int r)
{
	bool answered = r == 0 || k->why == REASON_AUTH_MALFORMED;

	if (answered || k->why == REASON_AUTH_REFUSED ||
	    k->why == REASON_AUTH_TIMEOUT || k->why == REASON_AUTH_TLS)
		auth_health_note(k->cfg.address, ring_now(x->w->ring),
		    answered);
}

int
forward_auth_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_forward_auth *c = MW_CONFIG(x, mw,
	    struct tmw_forward_auth);
	struct call k;
	enum forward_verdict verdict;
	int r;

	if (call_init(&k, x, c) < 0)
		return fail(f, x, REASON_NO_MEMORY);
	if (!auth_health_ask(k.cfg.address, ring_now(x->w->ring)))
		return fail(f, x, REASON_AUTH_DOWN);
	if (c->forward_body && x->req.framing != FRAMING_NONE &&
	    (r = keep_body(f, x, &k)) < 0)
		return fail(f, x, r == -EMSGSIZE ? REASON_AUTH_TOO_LARGE :
		    REASON_AUTH_MALFORMED);
	fiber_deadline(f, ring_now(x->w->ring) + AUTH_TIMEOUT);
	r = call_auth(f, x, &k);
	fiber_deadline(f, r < 0 ? NSEC_NEVER : fiber_get_deadline(f));
	note_health(x, &k, r);
	if (r < 0) {
		upstream_done(f, k.u);
		return fail(f, x, k.why);
	}
	verdict = forward_judge(&k.cfg, k.u->resp.status, k.answer, k.nanswer);
	x->facts.client_user = arena_dup(&x->arena, forward_user(&k.cfg,
	    k.answer, k.nanswer));
	if (verdict == FORWARD_ALLOW) {
		if ((r = skip_body(f, &k)) == 0 &&
		    (r = accept_answer(x, &k)) == 0)
			r = keep_cookies(x, &k);
		fiber_deadline(f, NSEC_NEVER);
		upstream_done(f, k.u);
		if (r < 0)
			return fail(f, x, r == -EMSGSIZE ?
			    REASON_AUTH_TOO_LARGE : REASON_AUTH_MALFORMED);
		return go_on(f, x, &k, next);
	}
	fiber_deadline(f, NSEC_NEVER);
	r = verdict == FORWARD_DENY ? relay(f, x, &k) :
	    verdict == FORWARD_SIGNIN ? signin(f, x, &k) :
	    respond_text(f, x, 502, REASON_AUTH_MALFORMED, STR_NONE);
	upstream_done(f, k.u);
	return r;
}
