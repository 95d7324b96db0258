/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * grpcWeb: browsers, which see no trailers and may send text alone, call gRPC
 * servers (PROTOCOL-WEB of grpc). The body is translated piece by piece.
 */
#include "grpc_web.h"

#include "middleware.h"
#include "worker.h"

#include <errno.h>

/* The request's body, from base64. */
struct text_source {
	struct source s;
	struct source *from;
	struct grpc_web_decoder decoder;
	struct iobuf *out;	/* handed out last */
};

struct web_sink {
	struct sink s;
	const struct tmw_grpc_web *c;
	struct str origin;	/* allowed to read the answer; empty: none */
	enum grpc_web_form form;
	bool translates;	/* the answer is one of gRPC */
};

/* ---- Across origins ------------------------------------------------------------ */

/* The request's Origin if it may ask, else empty. */
static struct str
allowed_origin(const struct exchange *x, const struct tmw_grpc_web *c)
{
	const struct tstr *v = TABLE_VEC(x->t, c->allow_origins, struct tstr);
	struct str origin = fields_get(&x->req.fields, FIELD_ORIGIN);

	for (uint32_t i = 0; i < c->allow_origins.n; i++) {
		struct str one = table_str(x->t, v[i]);

		if (str_eq(one, STR("*")) || str_eq(one, origin))
			return origin;
	}
	return STR_NONE;
}

static int
say_origin(struct exchange *x, struct str origin)
{
	struct fields *fs = &x->resp.fields;

	if (fields_add_id(fs, FIELD_VARY, STR("Origin")) < 0)
		return -ENOBUFS;
	if (origin.n == 0)
		return 0;
	return fields_set_id(fs, FIELD_AC_ALLOW_ORIGIN, origin) < 0 ||
	    fields_set_id(fs, FIELD_AC_ALLOW_CREDENTIALS, STR("true")) < 0 ?
	    -ENOBUFS : 0;
}

static bool
has_word(struct str in, struct str word)
{
	for (size_t i = 0; i + word.n <= in.n; i++)
		if (str_caseeq(str_n(in.p + i, word.n), word))
			return true;
	return false;
}

static bool
is_preflight(const struct exchange *x)
{
	return str_eq(x->req.method, STR("OPTIONS")) &&
	    has_word(fields_get(&x->req.fields, FIELD_AC_REQUEST_HEADERS),
	    STR("x-grpc-web"));
}

/* Any field may be sent, by the methods of simple requests. */
static int
answer_preflight(struct fiber *f, struct exchange *x,
    const struct tmw_grpc_web *c)
{
	struct str origin = allowed_origin(x, c),
	    method = fields_get(&x->req.fields, FIELD_AC_REQUEST_METHOD);
	struct fields *fs = &x->resp.fields;
	bool simple = str_eq(method, STR("POST")) ||
	    str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));

	if (!simple)
		origin = STR_NONE;
	if (say_origin(x, origin) < 0 || fields_add_id(fs, FIELD_VARY,
	    STR("Access-Control-Request-Method")) < 0 || fields_add_id(fs,
	    FIELD_VARY, STR("Access-Control-Request-Headers")) < 0)
		return -ENOBUFS;
	if (origin.n != 0 && (fields_set_id(fs, FIELD_AC_ALLOW_METHODS,
	    method) < 0 || fields_set_id(fs, FIELD_AC_ALLOW_HEADERS,
	    fields_get(&x->req.fields, FIELD_AC_REQUEST_HEADERS)) < 0 ||
	    fields_set_id(fs, FIELD_AC_MAX_AGE, STR("600")) < 0))
		return -ENOBUFS;
	return respond_text(f, x, 200, REASON_CORS_PREFLIGHT, STR_NONE);
}

/* ---- The request ------------------------------------------------------------------ */

static int
read_text(struct fiber *f, struct exchange *x, struct source *src,
    struct upstream *watch, struct str *ret)
{
	struct text_source *t = (struct text_source *)src;
	struct str in;
	ssize_t n = 0;
	int r = 0;

	iobuf_put(x->w->ring, t->out);
	t->out = NULL;
	while (n == 0 && !src->done &&
	    (r = t->from->read(f, x, t->from, watch, &in)) > 0) {
		iobuf_put(x->w->ring, t->out);
		t->out = iobuf_get(x->w->ring, GRPC_WEB_DECODED(in.n));
		if (t->out == NULL)
			return -ENOMEM;
		if ((n = grpc_web_decode(&t->decoder, in, t->out->data)) < 0)
			return (int)n;
		src->done = t->from->done;
	}
	if (r < 0)
		return r;
	src->done |= t->from->done;
	if (src->done && !grpc_web_decoded(&t->decoder))
		return -EBADMSG;
	*ret = n > 0 ? str_n((const char *)t->out->data, (size_t)n) : STR_NONE;
	return n > 0;
}

/* To the type and body that gRPC knows. */
static int
translate_request(struct exchange *x, struct text_source *t,
    enum grpc_web_form form, struct str rest)
{
	struct str type = arena_printf(&x->arena, "application/grpc%.*s",
	    STR_ARG(rest));

	if (type.p == NULL || fields_set_id(&x->req.fields, FIELD_CONTENT_TYPE,
	    type) < 0)
		return -ENOMEM;
	x->req.te_trailers = true;
	if (form != GRPC_WEB_TEXT || x->req.framing == FRAMING_NONE)
		return 0;
	*t = (struct text_source){ .s = { .read = read_text,
	    .done = x->body->done, .duplex = x->body->duplex },
	    .from = x->body };
	x->body = &t->s;
	x->req.framing = FRAMING_CHUNKED;
	return 0;
}

/* ---- The answer ---------------------------------------------------------------------- */

/* A page that runs elsewhere may read all of them. */
static int
expose(struct exchange *x)
{
	struct fields *fs = &x->resp.fields;
	struct str all = STR("grpc-status, grpc-message");

	FIELDS_EACH(fs, f)
		if (f->id != FIELD_VARY)
			all = arena_printf(&x->arena, "%.*s, %.*s",
			    STR_ARG(field_name(f)), STR_ARG(all));
	return all.p == NULL ? -ENOMEM : fields_set_id(fs,
	    FIELD_AC_EXPOSE_HEADERS, all);
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *s)
{
	static const struct str grpc = { "application/grpc", 16 };
	struct web_sink *k = (struct web_sink *)s;
	struct str type = fields_get(&x->resp.fields, FIELD_CONTENT_TYPE);

	k->translates = type.n >= grpc.n &&
	    str_caseeq(str_head(type, grpc.n), grpc);
	if (k->translates) {
		fields_remove(&x->resp.fields, FIELD_TRAILER);
		x->resp.length = -1;
		type = arena_printf(&x->arena, "%.*s%.*s",
		    STR_ARG(grpc_web_type(k->form)),
		    STR_ARG(str_from(type, grpc.n)));
		if (type.p == NULL || fields_set_id(&x->resp.fields,
		    FIELD_CONTENT_TYPE, type) < 0)
			return -ENOMEM;
	}
	if (expose(x) < 0 || say_origin(x, k->origin) < 0)
		return -ENOMEM;
	return sink_head(f, x, s->out);
}

/* In text each piece is padded, so that it can be read as it comes. */
static int
pass(struct fiber *f, struct exchange *x, struct web_sink *k, struct str data,
    bool last)
{
	struct iobuf *b;
	int r;

	if (k->form != GRPC_WEB_TEXT || data.n == 0)
		return sink_body(f, x, k->s.out, data, last);
	b = iobuf_get(x->w->ring, GRPC_WEB_ENCODED(data.n));
	if (b == NULL)
		return -ENOMEM;
	r = sink_body(f, x, k->s.out, str_n((const char *)b->data,
	    grpc_web_encode(data, (char *)b->data)), last);
	iobuf_put(x->w->ring, b);
	return r;
}

static int
on_body(struct fiber *f, struct exchange *x, struct sink *s, struct str data,
    bool last)
{
	struct web_sink *k = (struct web_sink *)s;
	struct fields *fs = &x->resp.trailers;
	size_t n;
	uint8_t *frame;
	int r;

	if (!k->translates)
		return sink_body(f, x, s->out, data, last);
	if (!last || fs->n == 0)
		return pass(f, x, k, data, last);
	if (data.n > 0 && (r = pass(f, x, k, data, false)) < 0)
		return r;
	n = grpc_web_trailers_size(fs);
	if ((frame = arena_alloc(&x->arena, n)) == NULL)
		return -ENOMEM;
	grpc_web_trailers(fs, frame);
	fs->n = 0;
	return pass(f, x, k, str_n((const char *)frame, n), true);
}

int
grpc_web_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	struct web_sink k = { .s = { .head = on_head, .body = on_body },
	    .c = MW_CONFIG(x, mw, struct tmw_grpc_web) };
	struct text_source text = { .from = NULL };
	struct source *body = x->body;
	struct str rest;
	int r;

	if (is_preflight(x))
		return answer_preflight(f, x, k.c);
	k.form = grpc_web_form(fields_get(&x->req.fields, FIELD_CONTENT_TYPE),
	    &rest);
	if (k.form == GRPC_WEB_NONE || !str_eq(x->req.method, STR("POST")))
		return chain_next(f, x, next);
	k.origin = allowed_origin(x, k.c);
	if (translate_request(x, &text, k.form, rest) < 0)
		return -ENOMEM;
	sink_push(x, &k.s);
	r = chain_next(f, x, next);
	x->sink = k.s.out;
	x->body = body;
	iobuf_put(x->w->ring, text.out);
	return r;
}
