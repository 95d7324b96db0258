/* SPDX-License-Identifier: BSD-2-Clause */
/* One probe; see probe.h. */
#include "probe.h"

#include "grpc_health.h"
#include "h2_call.h"
#include "live.h"
#include "redirect.h"
#include "upstream.h"
#include "worker.h"

#include <errno.h>

#define REDIRECTS_MAX	10		/* as Go's client */
#define BODY_MAX	(64 * 1024)	/* read of an answer, out of politeness */
#define BODY_TIME	(100 * NSEC_MSEC)

struct asking {
	const struct tcheck *k;
	const struct tserver *sv;
	const struct ttransport *tr;
	struct str method, host, target;
	struct upstream *u;
	enum reason why;
};

/* What the configuration wants sent; a name that comes twice counts once. */
static int
set_fields(struct exchange *x, const struct tcheck *k)
{
	const struct tpair *v = TABLE_VEC(x->t, k->headers, struct tpair);
	struct fields *fs = &x->req.fields;
	int r = fields_set_id(fs, FIELD_USER_AGENT, STR("akkod"));

	if (r == 0 && k->grpc)
		r = fields_set_id(fs, FIELD_CONTENT_TYPE,
		    STR("application/grpc"));
	for (uint32_t i = 0; i < k->headers.n && r == 0; i++)
		r = fields_set(fs, table_str(x->t, v[i].name),
		    table_str(x->t, v[i].value));
	return r;
}

static int
read_final_head(struct fiber *f, struct asking *a)
{
	int r;

	do {
		r = upstream_read_head(f, a->u, a->method, NULL);
	} while (r == 0 && a->u->resp.status < 200 && a->u->resp.status != 101);
	if (r == 0 && a->u->resp.status == 101)
		r = -EBADMSG;
	if (r < 0)
		a->why = upstream_failure(a->u, r);
	return r;
}

/* Up to the final head; `body` is sent with it. 0, or -errno with a->why. */
static int
ask(struct fiber *f, struct exchange *x, struct asking *a, struct str body)
{
	struct h1_out_request q = { .method = a->method, .path = a->target,
	    .host = a->host, .fields = &x->req.fields,
	    .framing = body.n != 0 ? H1_LENGTH : H1_NONE, .length = body.n,
	    .te_trailers = a->k->grpc };
	ptrdiff_t mark = str_chr(a->target, '?');
	int r = upstream_open(f, x, a->sv, a->tr, UPSTREAM_FRESH, &a->u,
	    &a->why);

	if (r < 0)
		return r;
	a->u->broken = true;		/* each probe connects anew */
	if (mark >= 0) {
		q.has_query = true;
		q.query = str_from(q.path, (size_t)mark + 1);
		q.path = str_head(q.path, (size_t)mark);
	}
	r = upstream_send_head(f, a->u, &q, STR_NONE);
	if (r == 0 && body.n != 0)
		r = upstream_send_body(f, a->u, H1_LENGTH, body, true);
	if (r == -EINVAL || r == -ENOMEM) {
		a->why = r == -EINVAL ? REASON_INTERNAL : REASON_NO_MEMORY;
		return r;
	}
	/* A server that closes may have answered before. */
	return read_final_head(f, a);
}

/* Servers log it as a fault when a client leaves in the middle. */
static void
finish(struct fiber *f, struct asking *a)
{
	nsec_t before = fiber_get_deadline(f), soon;
	struct str data;
	size_t n = 0;
	bool last;

	if (a->u == NULL)
		return;
	soon = ring_now(a->u->w->ring) + BODY_TIME;
	(void)fiber_deadline(f, soon < before ? soon : before);
	while (!a->u->body_done && n < BODY_MAX &&
	    upstream_read_body(f, a->u, &data, &last) > 0)
		n += data.n;
	fiber_deadline(f, before);
	upstream_done(f, a->u);
	a->u = NULL;
}

static void
failed(const struct asking *a, struct probe_answer *ret)
{
	ret->up = false;
	ret->unknown = a->why == REASON_OVERLOAD || a->why ==
	    REASON_NO_MEMORY || a->why == REASON_INTERNAL ||
	    a->why == REASON_CLIENT_GONE;
	ret->result = LIVE_RESULT_REASON + (uint32_t)a->why;
}

/* ---- HTTP ------------------------------------------------------------------- */

/* Where the answer sends us; p NULL: it is final. */
static struct str
next_target(struct exchange *x, struct asking *a)
{
	const struct redirect_from from = { a->sv->scheme == TSCHEME_HTTPS ?
	    STR("https") : STR("http"), { a->host, table_str(x->t,
	    a->sv->authority) }, a->target };
	unsigned status = a->u->resp.status;

	if (!a->k->follow_redirects || (status != 301 && status != 302 &&
	    status != 303 && status != 307 && status != 308))
		return STR_NONE;
	if (status <= 303 && !str_eq(a->method, STR("HEAD")))
		a->method = STR("GET");
	return redirect_within(&x->arena, &from, fields_get(&a->u->fields,
	    FIELD_LOCATION));
}

static void
ask_http(struct fiber *f, struct exchange *x, struct asking *a,
    struct probe_answer *ret)
{
	const struct tcheck *k = a->k;
	struct str next;
	unsigned status;

	for (unsigned n = 0;; n++) {
		if (ask(f, x, a, STR_NONE) < 0) {
			failed(a, ret);
			return;
		}
		status = a->u->resp.status;
		next = next_target(x, a);
		if (next.p == NULL)
			break;
		finish(f, a);
		a->target = next;
		if (n == REDIRECTS_MAX) {
			*ret = (struct probe_answer){ .result = status };
			return;
		}
	}
	ret->result = status;
	ret->up = k->status != 0 ? status == k->status :
	    status >= 200 && status < 400;
}

/* ---- gRPC ------------------------------------------------------------------- */

/* The whole body; -EMSGSIZE when it is longer than any that is meant. */
static int
read_body(struct fiber *f, struct asking *a, char out[GRPC_HEALTH_MAX],
    struct str *ret)
{
	bool last = a->u->body_done;
	struct str data;
	size_t n = 0;
	int r;

	while (!last) {
		if ((r = upstream_read_body(f, a->u, &data, &last)) < 0) {
			a->why = r == -ETIMEDOUT ? REASON_UPSTREAM_TIMEOUT :
			    REASON_UPSTREAM_TRUNCATED;
			return r;
		}
		if (data.n > GRPC_HEALTH_MAX - n) {
			a->why = REASON_UPSTREAM_MALFORMED;
			return -EMSGSIZE;
		}
		if (data.n != 0)
			memcpy(out + n, data.p, data.n);
		n += data.n;
	}
	*ret = str_n(out, n);
	return 0;
}

/* In the trailers, or in the head where nothing else comes. -1: none. */
static int
grpc_status(const struct upstream *u)
{
	const struct fields *all[] = { &u->h2->trailers, &u->fields };
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct field *fd = all[i]->n == 0 ? NULL :
		    fields_find_name(all[i], STR("grpc-status"));

		if (fd != NULL)
			return str_u64(field_value(fd), &v) == 0 && v < 1000 ?
			    (int)v : -1;
	}
	return -1;
}

static void
ask_grpc(struct fiber *f, struct exchange *x, struct asking *a,
    struct probe_answer *ret)
{
	char bytes[GRPC_HEALTH_MAX];
	struct str body;
	int status, serving;

	a->method = STR("POST");
	a->target = STR(GRPC_HEALTH_PATH);
	if (ask(f, x, a, grpc_health_question()) < 0) {
		failed(a, ret);
		return;
	}
	ret->result = a->u->resp.status;
	a->why = REASON_UPSTREAM_MALFORMED;
	if (a->u->resp.status != 200)
		return;
	if (a->u->h2 == NULL || read_body(f, a, bytes, &body) < 0 ||
	    (status = grpc_status(a->u)) < 0) {
		failed(a, ret);
		return;
	}
	if (status != 0) {
		ret->result = LIVE_RESULT_GRPC + (uint32_t)status;
		return;
	}
	if ((serving = grpc_health_parse(body)) < 0) {
		failed(a, ret);
		return;
	}
	ret->result = LIVE_RESULT_SERVING + (uint32_t)serving;
	ret->up = serving == GRPC_SERVING;
}

void
probe_ask(struct fiber *f, struct exchange *x, const struct tcheck *k,
    const struct tprobe *p, struct probe_answer *ret)
{
	const struct tserver *sv = table_server(x->t, p->server);
	struct asking a = { .k = k, .sv = sv, .why = REASON_NO_MEMORY,
	    .tr = table_transport(x->t, table_service(x->t,
	    k->service)->transport), .method = table_str(x->t, k->method),
	    .host = table_str(x->t, k->host.n != 0 ? k->host : sv->authority),
	    .target = table_str(x->t, p->target) };

	*ret = (struct probe_answer){ .result = 0 };
	if (set_fields(x, k) < 0) {
		failed(&a, ret);
		return;
	}
	(void)fiber_deadline(f, clock_add(ring_now(x->w->ring),
	    k->timeout_ns));
	if (k->grpc)
		ask_grpc(f, x, &a, ret);
	else
		ask_http(f, x, &a, ret);
	finish(f, &a);
	(void)fiber_deadline(f, NSEC_NEVER);
}
