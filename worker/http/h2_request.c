/* SPDX-License-Identifier: BSD-2-Clause */
/* Request heads of HTTP/2: security rows H2-H; see h2_request.h. */
#include "h2_request.h"

#include "h1_head.h"

static int
malformed(struct h1_error *err, enum reason reason)
{
	return h1_fail(err, 0, reason, NULL);
}

static int
check_scheme(const struct h2_head *head, struct h1_error *err)
{
	bool https = str_eq(head->scheme, STR("https"));

	if (!https && !str_eq(head->scheme, STR("http")))	/* H07 */
		return malformed(err, REASON_BAD_REQUEST);
	return https == head->tls ? 0 :
	    h1_fail(err, 421, REASON_MISDIRECTED, NULL);
}

/* A path, or * with OPTIONS; never an absolute URI (H06). */
static int
take_path(struct h1_request *q, const struct h2_head *head,
    struct h1_error *err)
{
	bool star = str_eq(head->path, STR("*")) &&
	    str_eq(q->method, STR("OPTIONS"));

	if (!star && (head->path.n == 0 || head->path.p[0] != '/'))
		return malformed(err, REASON_BAD_PATH);
	if (h1_take_target(q, head->path, err) < 0)
		return malformed(err, REASON_BAD_PATH);
	return 0;
}

static int
take_authority(struct h1_request *q, const struct h2_head *head,
    struct h1_error *err)
{
	if (!head->has_authority)
		return 0;
	q->host = head->authority;
	q->has_host = true;
	return h1_check_host(q->host) < 0 ?			/* H08 */
	    malformed(err, REASON_BAD_HOST) : 0;
}

/* Each is read where it stands and written behind those kept so far. */
static int
take_fields(struct h1_request *q, struct h1_facts *h, struct h1_error *err)
{
	unsigned n = q->fields->n;
	int r;

	q->fields->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct field f = q->fields->v[i];
		struct h1_line l = { .name = field_name(&f),
		    .value = field_value(&f) };

		l.odd = field_has_odd_bytes(l.name);
		if ((r = h1_take_field(q, h, &l, err)) < 0)
			return r;
	}
	return 0;
}

/*
 * WebSocket alone may be asked for; what comes behind the head are its frames,
 * no body (H16).
 */
static int
take_protocol(struct h1_request *q, const struct h2_head *head,
    struct h1_error *err)
{
	if (!str_eq(head->method, STR("CONNECT")) || !head->has_authority)
		return malformed(err, REASON_BAD_REQUEST);
	if (!str_eq(head->protocol, STR("websocket")))
		return h1_fail(err, 501, REASON_METHOD_UNKNOWN, NULL);
	if (head->ended)	/* nothing could be said in it */
		return h1_fail(err, 400, REASON_BAD_WEBSOCKET, NULL);
	q->method = STR("GET");
	q->open = false;
	return 0;
}

int
h2_parse_request(struct h1_request *q, struct fields *fields,
    const struct h2_head *head, struct h1_error *err)
{
	struct h1_facts h = { .hosts = 0 };
	int r;

	*q = (struct h1_request){ .fields = fields, .max_forwards = -1,
	    .minor = 1, .h2 = true, .open = !head->ended,
	    .method = head->method };
	q->scheme = head->tls ? STR("https") : STR("http");
	if (head->has_protocol && (r = take_protocol(q, head, err)) < 0)
		return r;
	if ((r = h1_check_method(q, err)) < 0) {
		if (err->status == 400)				/* H05 */
			err->status = 0;
		return r;
	}
	if ((r = check_scheme(head, err)) < 0 ||
	    (r = take_path(q, head, err)) < 0 ||
	    (r = take_authority(q, head, err)) < 0 ||
	    (r = take_fields(q, &h, err)) < 0)
		return r;
	if (h.lengths > 0 && (head->ended || head->has_protocol) && q->length > 0)	/* H11 */
		return malformed(err, REASON_BAD_FRAMING);
	return h1_settle(q, &h, err);
}
