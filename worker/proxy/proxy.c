/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proxying: the request is written anew from the model, its body streams up
 * while the answer is watched for, the answer streams down through the sinks.
 * Nothing is buffered beyond one receive in each direction; who is slow slows
 * the other side.
 */
#include "proxy.h"

#include "conn.h"
#include "delivery.h"
#include "h2_call.h"
#include "live.h"
#include "tunnel.h"
#include "upload.h"
#include "upstream.h"
#include "websocket.h"

#include <errno.h>

/* ---- The request ---------------------------------------------------------- */

/* X-Forwarded-For is completed here, so that middlewares see it without us. */
static int
add_forwarded_for(struct exchange *x)
{
	struct fields *fs = &x->req.fields;
	struct str have = fields_get(fs, FIELD_XFF), all;
	char text[ADDR_TEXT];
	const char *peer = addr_text(&x->c->peer, text);

	if (x->req.drop_xff) {
		fields_remove(fs, FIELD_XFF);
		return 0;
	}
	if (x->ep->not_append_xff)
		return 0;
	all = have.n != 0 ? arena_printf(&x->arena, "%.*s, %s", STR_ARG(have),
	    peer) : arena_dup(&x->arena, str_c(peer));
	return all.p == NULL ? -ENOMEM : fields_set_id(fs, FIELD_XFF, all);
}

/* ';' separates nothing for us, so nothing behind us may split at it. */
static struct str
plain_query(struct exchange *x)
{
	struct str q = x->req.query;
	char *p;

	if (str_chr(q, ';') < 0)
		return q;
	if ((p = arena_alloc(&x->arena, q.n)) == NULL)
		return STR_NONE;
	for (size_t i = 0; i < q.n; i++)
		p[i] = q.p[i] == ';' ? '&' : q.p[i];
	return str_n(p, q.n);
}

static struct str
server_path(struct exchange *x, const struct tserver *sv)
{
	struct str base = table_str(x->t, sv->path);

	if (base.n == 0)
		return x->req.path.n != 0 ? x->req.path : STR("/");
	if (base.p[base.n - 1] == '/' && x->req.path.n > 0)
		base.n--;
	return arena_printf(&x->arena, "%.*s%.*s", STR_ARG(base),
	    STR_ARG(x->req.path));
}

static bool
wants_length(struct str method)
{
	return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
	    str_eq(method, STR("PATCH"));
}

/* What Connection lists is for this hop only (H1-H21, R15). */
static void
strip_listed(struct fields *fs)
{
	FIELDS_EACH(fs, c) {
		struct str list = field_value(c), item;

		if (c->id != FIELD_CONNECTION)
			continue;
		while (str_next(&list, ',', &item))
			if (item.n != 0 && !str_caseeq(item,
			    STR("connection")))
				fields_remove_name(fs, item);
	}
}

static int
prepare(struct exchange *x, const struct tservice *sv, const struct tserver *to,
    struct h1_out_request *q)
{
	strip_listed(&x->req.fields);
	fields_remove_classes(&x->req.fields, CLASS_HOP);
	if (add_forwarded_for(x) < 0)
		return -ENOMEM;
	*q = (struct h1_out_request){ .method = x->req.method,
	    .path = server_path(x, to), .has_query = x->req.has_query,
	    .query = plain_query(x), .fields = &x->req.fields,
	    .framing = x->req.framing, .length = x->req.length,
	    .te_trailers = x->req.te_trailers,
	    .zero_length = x->req.framing == FRAMING_NONE &&
	    wants_length(x->req.method), .websocket = x->req.websocket };
	/* A request of 1.0 may have none: then the server's own (H1-H08). */
	q->host = sv->pass_host_header && x->req.host.n != 0 ? x->req.host :
	    table_str(x->t, to->authority);
	return q->path.p == NULL || (q->query.p == NULL && x->req.query.n != 0) ?
	    -ENOMEM : 0;
}

/* ---- Failure ------------------------------------------------------------------ */

/* Which status Traefik gives it (proxy.md 3.10), through the sinks. */
static int
fail(struct fiber *f, struct exchange *x, enum reason why)
{
	unsigned status = reason_status(why);

	if (why == REASON_CLIENT_GONE) {
		x->client_gone = true;
		x->reason = why;
		if (!x->head_sent)
			x->resp.status = status;
		return -ECONNABORTED;
	}
	if (x->head_sent)
		return -EPROTO;
	respond_begin(x);
	if (why == REASON_OVERLOAD && fields_add_id(&x->resp.fields,
	    FIELD_RETRY_AFTER, STR("1")) < 0)
		return -ENOBUFS;
	return respond_text(f, x, status, why, status_text(status));
}

/* ---- The answer ------------------------------------------------------------------ */

/* The fields that may pass: not hop-by-hop, not listed in Connection. */
static int
take_fields(struct exchange *x, struct upstream *u)
{
	struct str trailer = fields_get(&u->fields, FIELD_TRAILER);

	strip_listed(&u->fields);
	fields_remove_classes(&u->fields, CLASS_HOP);
	if (exchange_keep_fields(x, &u->fields,
	    &x->facts.origin_fields) < 0)
		return -ENOMEM;
	/* Trailers are passed on, so their announcement is made anew. */
	if (trailer.n != 0 && u->resp.framing == H1_CHUNKED &&
	    fields_add_id(&x->resp.fields, FIELD_TRAILER, trailer) < 0)
		return -ENOBUFS;
	/* Fields set before the answer (cookies of a balancer) stay. */
	FIELDS_EACH(&u->fields, c)
		if (fields_push(&x->resp.fields, (enum field_id)c->id,
		    field_name(c), field_value(c)) < 0)
			return -ENOBUFS;
	return 0;
}

static int
relay_interim(struct fiber *f, struct exchange *x, struct upstream *u)
{
	int r;

	if (u->resp.status == 100)	/* answered by us already (R11) */
		return 0;
	x->resp.status = u->resp.status;
	respond_begin(x);
	if ((r = take_fields(x, u)) == 0)
		r = sink_interim(f, x, x->sink);
	respond_begin(x);
	return r;
}

/* Reads heads until a final one; passes 1xx on (at most 8, R12). */
static int
read_answer(struct fiber *f, struct exchange *x, struct upstream *u,
    const struct ttransport *tr)
{
	struct stream *client = x->body->done ? x->client : NULL;
	int r;

	fiber_deadline(f, tr->response_header_timeout_ns > 0 ?
	    ring_now(x->w->ring) + tr->response_header_timeout_ns :
	    NSEC_NEVER);
	for (unsigned n = 0;; n++) {
		if ((r = upstream_read_head(f, u, x->req.method, client)) < 0)
			break;
		if (u->resp.status >= 200)
			break;
		/* What speaks another protocol now is nobody else's. */
		u->broken |= u->resp.status == 101;
		if (u->resp.status == 101 && x->req.websocket &&
		    websocket_check_answer(&x->req.fields, &u->fields))
			break;
		if (u->resp.status == 101 || n == 8) {	/* R13, R12 */
			u->broken = true;
			x->close |= x->req.websocket;
			r = -EBADMSG;
			break;
		}
		if ((r = relay_interim(f, x, u)) < 0)
			break;
	}
	fiber_deadline(f, NSEC_NEVER);
	return r;
}

static int
take_trailers(struct exchange *x, struct upstream *u)
{
	struct h1_limits lim = { .fields = 32 };
	struct field *v;

	if (u->h2 != NULL) {
		x->resp.trailers = u->h2->trailers;
		return 0;
	}
	if (u->trailers.n <= 2)		/* the empty line alone */
		return 0;
	if ((v = arena_alloc(&x->arena, 32 * sizeof(*v))) == NULL)
		return -ENOMEM;
	x->resp.trailers = (struct fields){ v, 0, 32 };
	if (h1_parse_trailers(&x->resp.trailers, u->trailers.p, u->trailers.n,
	    &lim) < 0)
		return -EPROTO;
	fields_remove_classes(&x->resp.trailers, CLASS_HOP | CLASS_FRAMING);
	return 0;
}

/* What is there of a long body goes on uncopied. 1 at its end, else 0, -errno. */
static int
relay_spliced(struct fiber *f, struct exchange *x, struct upstream *u)
{
	ssize_t n;

	while ((n = upstream_splice(f, x, u)) > 0)
		x->facts.origin_bytes += (size_t)n;
	if (n < 0 || !u->body_done)
		return (int)n;
	return sink_body(f, x, x->sink, STR_NONE, true) < 0 ? -EPROTO : 1;
}

static int
relay_body(struct fiber *f, struct exchange *x, struct upstream *u)
{
	struct str data;
	bool last = false;
	int r;

	if (u->body_done)
		return sink_body(f, x, x->sink, STR_NONE, true);
	u->relayed = true;
	u->client = x->client;
	/* Who streams may take a while to begin: the head does not wait. */
	if (u->resp.framing != H1_LENGTH && !upstream_has_more(u) &&
	    (r = sink_body(f, x, x->sink, STR_NONE, false)) < 0)
		return r;
	while (!last) {
		r = upstream_read_body(f, u, &data, &last);
		if (r == -ECONNABORTED)
			return fail(f, x, REASON_CLIENT_GONE);
		if (r < 0) {
			x->reason = REASON_UPSTREAM_TRUNCATED;
			return r;
		}
		x->facts.origin_bytes += data.n;
		if (last && (r = take_trailers(x, u)) < 0)
			return r;
		if ((r = sink_body(f, x, x->sink, data, last)) < 0) {
			u->broken = true;
			return r;
		}
		if (x->enough && !last) {
			u->broken = true;
			return 0;
		}
		if (!last && (r = relay_spliced(f, x, u)) != 0)
			return r < 0 ? r : 0;
	}
	return 0;
}

/* The connection goes on as a tunnel, which takes the server's side along. */
static int
upgrade(struct fiber *f, struct exchange *x, struct upstream *u)
{
	int r = sink_body(f, x, x->sink, STR_NONE, true);

	if (r < 0)
		return r;
	stream_consume(&u->st, u->given);
	u->given = 0;
	x->tunnel = tunnel_new(x, &u->st);
	return x->tunnel == NULL ? -ENOMEM : 0;
}

static int
relay(struct fiber *f, struct exchange *x, struct upstream *u)
{
	int r;

	x->facts.origin_status = u->resp.status;
	x->facts.origin_end = ring_now(x->w->ring);
	x->resp.status = u->resp.status;
	x->resp.length = u->resp.has_length ? (int64_t)u->resp.length :
	    u->body_done && u->resp.status != 304 && !x->req.grpc &&
	    !str_eq(x->req.method, STR("HEAD")) ? 0 : -1;
	x->resp.no_body = u->body_done && u->resp.has_length &&
	    u->resp.length > 0;
	if ((r = take_fields(x, u)) < 0)
		return fail(f, x, REASON_UPSTREAM_TOO_LARGE);
	x->upgraded = u->resp.status == 101;
	/* Frames sent too early are no request (C12). */
	x->close |= x->req.websocket && !x->upgraded && x->req.major == 1 &&
	    stream_has_unread(&x->c->st);
	if ((r = sink_head(f, x, x->sink)) == 0)
		r = x->upgraded ? upgrade(f, x, u) : relay_body(f, x, u);
	x->facts.origin_end = ring_now(x->w->ring);
	return r;
}

/* ---- One attempt ------------------------------------------------------------------- */

struct attempt {
	const struct tserver *server;
	const struct ttransport *transport;
	struct h1_out_request q;
	struct upstream *u;
	struct upload up;
	enum reason why;
	unsigned how;			/* of upstream_open() */
};

/* Up to the final head. 0, or -errno with a->why. */
static int
attempt_once(struct fiber *f, struct exchange *x, struct attempt *a)
{
	int r = upstream_open(f, x, a->server, a->transport, a->how, &a->u,
	    &a->why);

	if (r < 0)
		return r;
	r = upstream_send_head(f, a->u, &a->q, STR_NONE);
	if (r == -EINVAL || r == -ENOMEM) {	/* nothing was asked */
		a->u->broken = true;
		a->why = r == -EINVAL ? REASON_INTERNAL : REASON_NO_MEMORY;
		return r;
	}
	if (r == 0 && x->req.framing != FRAMING_NONE)
		r = upload_send(f, &a->up, a->u);
	if (r == -EREMOTEIO) {
		a->u->broken = true;
		a->why = a->up.why;
		return r;
	}
	/* A server that closes may have answered before: read, then judge. */
	a->u->broken |= r < 0;
	r = read_answer(f, x, a->u, a->transport);
	if (r < 0)
		a->why = upstream_failure(a->u, r);
	return r;
}

/*
 * Once more, on a fresh connection, where nothing can happen twice: not when
 * the server may have read the request (C16).
 */
static bool
may_retry(const struct exchange *x, const struct attempt *a, int err)
{
	static const char *const idempotent[] = { "GET", "HEAD", "OPTIONS",
	    "PUT", "DELETE" };
	const struct h2_call *c;

	if (a->u == NULL || (err != -EPIPE && err != -ECONNRESET))
		return false;
	/* HTTP/2 can tell for sure; then the method does not matter. */
	if ((c = a->u->h2) != NULL && c->unprocessed)
		return upload_repeatable(&a->up);
	if (!a->u->reused || x->req.framing != FRAMING_NONE || (c != NULL ?
	    !c->undelivered : a->u->sent_all &&
	    delivery_complete(a->u->st.s->fd)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(idempotent); i++)
		if (str_eq(x->req.method, str_c(idempotent[i])))
			return true;
	return false;
}

/*
 * A client of gRPC reads a status from the code with which its server resets a
 * call: that a deadline has passed, that it may ask again.
 */
static bool
passes_reset(const struct exchange *x, const struct attempt *a)
{
	return x->req.grpc && x->req.major == 2 && a->u != NULL &&
	    a->u->h2 != NULL && a->u->h2->reset_code != 0;
}

/* What the handshake must have is checked before a server is asked (C10). */
static int
refuse_websocket(struct fiber *f, struct exchange *x)
{
	int r = (x->req.major == 1 && x->req.minor == 0) || x->req.framing != FRAMING_NONE ||
	    !str_eq(x->req.method, STR("GET")) ? -EBADMSG :
	    websocket_check_request(&x->req.fields);

	if (r == 0)
		return 0;
	x->close = true;
	if (r != -EPROTONOSUPPORT)
		r = respond_error(f, x, 400, REASON_BAD_WEBSOCKET,
		    STR("Bad Request"));
	else if ((r = fields_set_id(&x->resp.fields,
	    FIELD_SEC_WEBSOCKET_VERSION, STR("13"))) == 0)
		r = respond_error(f, x, 426, REASON_BAD_WEBSOCKET,
		    STR("Upgrade Required"));
	return r < 0 ? r : 1;
}

int
proxy_serve(struct fiber *f, struct exchange *x, const struct tservice *sv,
    const struct tserver *server)
{
	struct attempt a = { .server = server, .why = REASON_NO_MEMORY,
	    .transport = table_transport(x->t, sv->transport),
	    .how = x->req.websocket ? UPSTREAM_HTTP1 : 0, .up.x = x };
	int r;

	if (x->req.websocket && (r = refuse_websocket(f, x)) != 0)
		return r < 0 ? r : 0;
	x->facts.server = server;
	x->facts.origin_start = ring_now(x->w->ring);
	if (prepare(x, sv, server, &a.q) < 0)
		return fail(f, x, REASON_NO_MEMORY);
	r = attempt_once(f, x, &a);
	if (r < 0 && may_retry(x, &a, r)) {
		if (a.u->h2 != NULL && a.u->h2->wants_http1)
			a.how |= UPSTREAM_HTTP1;
		a.how |= UPSTREAM_FRESH;
		upstream_done(f, a.u);
		a.u = NULL;
		r = attempt_once(f, x, &a);
	}
	if (r < 0 && passes_reset(x, &a)) {
		x->reason = a.why;
		x->resp.status = reason_status(a.why);
	} else
		r = r < 0 ? fail(f, x, a.why) : relay(f, x, a.u);
	if (r < 0 && passes_reset(x, &a))
		x->reset_code = a.u->h2->reset_code;
	if (r < 0 && a.up.why != REASON_NONE)
		x->reason = a.up.why;
	upload_stop(f, &a.up);
	upstream_done(f, a.u);
	return r;
}
