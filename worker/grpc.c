/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers for gRPC; see grpc.h. */
#include "grpc.h"

#include "grpc_web.h"

#include <errno.h>

enum {
	GRPC_UNKNOWN = 2, GRPC_DEADLINE_EXCEEDED = 4, GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8, GRPC_UNIMPLEMENTED = 12, GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14, GRPC_UNAUTHENTICATED = 16
};

bool
grpc_is_call(const struct request *req)
{
	static const struct str type = { "application/grpc", 16 };
	struct str v;

	if (!str_eq(req->method, STR("POST")))
		return false;
	v = fields_get(&req->fields, FIELD_CONTENT_TYPE);
	if (v.n < type.n || !str_caseeq(str_head(v, type.n), type))
		return false;
	return v.n == type.n || v.p[type.n] == '+' || v.p[type.n] == '-' ||
	    v.p[type.n] == ';';
}

/* As gRPC's own mapping of HTTP statuses, but for what is known better here. */
unsigned
grpc_status(enum reason why, unsigned status)
{
	if (why == REASON_UPSTREAM_TIMEOUT || why == REASON_BODY_TIMEOUT)
		return GRPC_DEADLINE_EXCEEDED;
	if (why == REASON_AUTH_DENIED && status < 400)	/* off to a login */
		return GRPC_UNAUTHENTICATED;
	switch (status) {
	case 401:
		return GRPC_UNAUTHENTICATED;
	case 403:
		return GRPC_PERMISSION_DENIED;
	case 404:
	case 405:
	case 501:
		return GRPC_UNIMPLEMENTED;
	case 413:
	case 431:
		return GRPC_RESOURCE_EXHAUSTED;
	case 400:
	case 500:
		return GRPC_INTERNAL;
	case 421:
	case 429:
	case 502:
	case 503:
	case 504:
		return GRPC_UNAVAILABLE;
	default:
		return GRPC_UNKNOWN;
	}
}

static bool
is_ours(const struct exchange *x)
{
	return x->reason != REASON_NONE &&
	    x->reason != REASON_INTERNAL_SERVICE;
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *s)
{
	struct grpc_sink *k = (struct grpc_sink *)s;
	struct fields *fs = &x->resp.fields;
	struct str code;

	if (!is_ours(x))
		return sink_head(f, x, s->out);
	code = arena_printf(&x->arena, "%u", grpc_status(x->reason,
	    x->resp.status));
	fields_remove_name(fs, STR("X-Content-Type-Options"));
	if (code.p == NULL ||
	    fields_set_id(fs, FIELD_CONTENT_TYPE, k->type) < 0 ||
	    fields_set(fs, STR("Grpc-Status"), code) < 0 ||
	    fields_set(fs, STR("Grpc-Message"), str_c(reason_text(x->reason))) <
	    0)
		return -ENOMEM;
	k->mapped = true;
	x->resp.status = 200;
	x->resp.length = -1;
	return sink_head(f, x, s->out);
}

static int
on_body(struct fiber *f, struct exchange *x, struct sink *s, struct str data,
    bool last)
{
	struct grpc_sink *k = (struct grpc_sink *)s;

	if (k->mapped)
		data = STR_NONE;
	return k->mapped && !last ? 0 : sink_body(f, x, s->out, data, last);
}

void
grpc_sink_push(struct exchange *x, struct grpc_sink *k)
{
	struct str rest;
	enum grpc_web_form form = grpc_web_form(fields_get(&x->req.fields,
	    FIELD_CONTENT_TYPE), &rest);

	*k = (struct grpc_sink){ .s = { .head = on_head, .body = on_body } };
	k->type = form != GRPC_WEB_NONE ? grpc_web_type(form) :
	    STR("application/grpc");
	sink_push(x, &k->s);
}
