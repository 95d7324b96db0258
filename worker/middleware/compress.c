/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compress: gzip, brotli or zstd, as the client accepts and the response allows.
 * The head waits until enough of the body is there to decide.
 */
#include "middleware.h"

#include "buf.h"
#include "encoder.h"
#include "token.h"
#include "worker.h"

#include <errno.h>

#define WHOLE_MAX	(128 * 1024)

enum compress_state { HOLDING, PLAIN, ENCODING };

struct compress_sink {
	struct sink s;
	const struct tmw_compress *c;
	enum tencoding encoding;
	enum compress_state state;
	bool vary_only;		/* "*" chose gzip: announced, not done (quirk) */
	struct iobuf *held;	/* body bytes before the decision */
	struct encoder *enc;
};

static const char *const names[TENCODINGS] = {
	[TENCODING_GZIP] = "gzip", [TENCODING_BR] = "br",
	[TENCODING_ZSTD] = "zstd",
};

/* ---- Which encoding ------------------------------------------------------- */

/* Rank among equal weights: "*" first, then the order configured. */
static int
rank_of(const struct tmw_compress *c, struct str coding)
{
	if (str_eq(coding, STR("*")))
		return 0;
	for (unsigned i = 0; i < c->nencodings; i++)
		if (str_eq(coding, str_c(names[c->encodings[i]])))
			return (int)i + 1;
	return str_caseeq(coding, STR("identity")) ? 99 : -1;
}

/* The chosen encoding, -1 for none; *ret_star: "*" decided. */
static int
choose(const struct exchange *x, const struct tmw_compress *c, bool *ret_star)
{
	const struct field *f = fields_find(&x->req.fields,
	    FIELD_ACCEPT_ENCODING);
	struct str rest, coding;
	unsigned q, best_q = 0;
	int best = -1;

	*ret_star = false;
	if (f == NULL)
		return c->default_encoding != 0xff ? c->default_encoding : -1;
	rest = field_value(f);
	while (accept_next(&rest, &coding, &q)) {
		int rank = rank_of(c, coding);

		if (rank < 0 || q == 0 || q < best_q ||
		    (q == best_q && best >= 0 && rank >= best))
			continue;
		best = rank;
		best_q = q;
	}
	if (best < 0 || best == 99)
		return -1;
	*ret_star = best == 0;
	if (best == 0)
		return c->default_encoding != 0xff ? c->default_encoding :
		    c->encodings[0];
	return c->encodings[best - 1];
}

/* Gzip is only done when the client itself names it. */
static bool
names_gzip(const struct exchange *x)
{
	struct str rest = fields_get(&x->req.fields, FIELD_ACCEPT_ENCODING);
	struct str coding;
	unsigned q;

	while (accept_next(&rest, &coding, &q))
		if (str_caseeq(coding, STR("gzip")) && q > 0)
			return true;
	return false;
}

static bool
type_listed(const struct exchange *x, struct tvec list, struct str type)
{
	const struct tstr *v = TABLE_VEC(x->t, list, struct tstr);

	for (uint32_t i = 0; i < list.n; i++)
		if (str_caseeq(type, table_str(x->t, v[i])))
			return true;
	return false;
}

static bool
excluded_type(const struct exchange *x, const struct tmw_compress *c,
    struct str type)
{
	return str_caseeq(type, STR("application/grpc")) ||
	    type_listed(x, c->excluded, type);
}

/* ---- Whether the response may be encoded ------------------------------------ */

static bool
may_encode(const struct exchange *x, const struct compress_sink *s)
{
	const struct fields *fs = &x->resp.fields;
	struct str value = fields_get(fs, FIELD_CONTENT_TYPE), type;

	if (x->resp.no_body || x->resp.status < 200 ||
	    x->resp.status == 204 || x->resp.status == 304 ||
	    fields_find(fs, FIELD_CONTENT_ENCODING) != NULL ||
	    fields_find(fs, FIELD_CONTENT_RANGE) != NULL ||
	    (x->resp.length >= 0 && x->resp.length < s->c->min_bytes))
		return false;
	if (value.n == 0)	/* gzip's filter wants a type that is listed */
		return s->encoding != TENCODING_GZIP || s->c->included.n == 0;
	if (!media_type(value, &type) || excluded_type(x, s->c, type))
		return false;
	return s->c->included.n == 0 || type_listed(x, s->c->included, type);
}

/* ---- The sink ------------------------------------------------------------------ */

static int
on_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct compress_sink *s = (struct compress_sink *)sink;

	if (fields_add_id(&x->resp.fields, FIELD_VARY,
	    STR("Accept-Encoding")) < 0)
		return -ENOBUFS;
	if (s->encoding == TENCODING_GZIP && fields_find_name(&x->resp.fields,
	    STR("No-Gzip-Compression")) != NULL) {
		fields_remove_name(&x->resp.fields,
		    STR("No-Gzip-Compression"));
		s->vary_only = true;
	}
	if (!s->vary_only && may_encode(x, s))
		return 0;	/* the body decides */
	s->state = PLAIN;
	return sink_head(f, x, sink->out);
}

static int
send_plain(struct fiber *f, struct exchange *x, struct compress_sink *s,
    bool last)
{
	struct str held = { NULL, 0 };
	int r;

	s->state = PLAIN;
	if (s->held != NULL)
		held = str_n(s->held->data, s->held->tail);
	r = sink_head(f, x, s->s.out);
	if (r == 0 && (held.n > 0 || last))
		r = sink_body(f, x, s->s.out, held, last);
	return r;
}

/* Passes on what the encoder made of data. */
static int
encode(struct fiber *f, struct exchange *x, struct compress_sink *s,
    struct str data, bool last)
{
	struct str out;
	bool more;
	int r;

	do {
		r = encoder_run(s->enc, &data, last ? ENCODER_FINISH :
		    ENCODER_FLUSH, &out, &more);
		if (r < 0)
			return r;
		if (out.n > 0 || (last && !more))
			r = sink_body(f, x, s->s.out, out, last && !more);
	} while (r == 0 && more);
	return r;
}

/*
 * The whole body is there: encoded at once it has a length, and one send carries
 * it. Falls back to a stream when the result is large.
 */
static int
encode_whole(struct fiber *f, struct exchange *x, struct compress_sink *s,
    struct str body)
{
	struct buf all = { .max = WHOLE_MAX };
	struct str out;
	bool more = true;
	int r = 0;

	while (more && r == 0) {
		r = encoder_run(s->enc, &body, ENCODER_FINISH, &out, &more);
		if (r == 0)
			buf_puts(&all, out);
	}
	if (r == 0 && buf_failed(&all))
		r = -ENOMEM;
	/* Before the send: few are kept, and a new one costs more than its work. */
	encoder_free(s->enc);
	s->enc = NULL;
	x->resp.length = (int64_t)all.n;
	if (r == 0 && (r = sink_head(f, x, s->s.out)) == 0)
		r = sink_body(f, x, s->s.out, buf_str(&all), true);
	buf_fini(&all);
	return r;
}

static int
start_encoding(struct fiber *f, struct exchange *x, struct compress_sink *s,
    struct str data, bool last)
{
	int r;

	if ((s->enc = encoder_new(s->encoding)) == NULL)
		return send_plain(f, x, s, false);
	s->state = ENCODING;
	x->resp.length = -1;
	if (s->encoding == TENCODING_GZIP)
		fields_remove(&x->resp.fields, FIELD_ACCEPT_RANGES);
	if (fields_set_id(&x->resp.fields, FIELD_CONTENT_ENCODING,
	    str_c(names[s->encoding])) < 0)
		return -ENOBUFS;
	if (last && s->held == NULL && data.n <= WHOLE_MAX / 2)
		return encode_whole(f, x, s, data);
	r = sink_head(f, x, s->s.out);
	if (r == 0 && s->held != NULL && s->held->tail > 0)
		r = encode(f, x, s, str_n(s->held->data, s->held->tail), false);
	return r == 0 ? encode(f, x, s, data, last) : r;
}

/* Keeps a piece until there is enough to be worth encoding. */
static int
hold(struct fiber *f, struct exchange *x, struct compress_sink *s,
    struct str data, bool last)
{
	size_t have = s->held != NULL ? s->held->tail : 0;
	int r;

	if (have + data.n >= s->c->min_bytes) {
		r = start_encoding(f, x, s, data, last);
		return r == 0 && s->state == PLAIN ? sink_body(f, x, s->s.out,
		    data, last) : r;
	}
	if (data.n > 0) {
		if (s->held == NULL && (s->held = iobuf_get(x->w->ring,
		    s->c->min_bytes)) == NULL)
			return -ENOMEM;
		memcpy(s->held->data + s->held->tail, data.p, data.n);
		s->held->tail += (uint32_t)data.n;
	}
	if (last)
		return send_plain(f, x, s, true);
	/* Nobody waits for a stream's first bytes: it starts at once. */
	return x->resp.length < 0 && s->held != NULL ? start_encoding(f, x, s,
	    STR_NONE, false) : 0;
}

static int
on_body(struct fiber *f, struct exchange *x, struct sink *sink,
    struct str data, bool last)
{
	struct compress_sink *s = (struct compress_sink *)sink;

	if (s->state == PLAIN)
		return sink_body(f, x, sink->out, data, last);
	return s->state == HOLDING ? hold(f, x, s, data, last) :
	    encode(f, x, s, data, last);
}

int
compress_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_compress *c = MW_CONFIG(x, mw, struct tmw_compress);
	struct str ctype = fields_get(&x->req.fields, FIELD_CONTENT_TYPE), type;
	struct compress_sink s = { .s = { .head = on_head, .body = on_body },
	    .c = c };
	bool star;
	int encoding = choose(x, c, &star), r;

	if (encoding < 0 || str_eq(x->req.method, STR("HEAD")) ||
	    (media_type(ctype, &type) && excluded_type(x, c, type)))
		return chain_next(f, x, next);
	s.encoding = (enum tencoding)encoding;
	s.vary_only = encoding == TENCODING_GZIP && !names_gzip(x);
	sink_push(x, &s.s);
	r = chain_next(f, x, next);
	x->sink = s.s.out;
	encoder_free(s.enc);
	iobuf_put(x->w->ring, s.held);
	return r;
}
