/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls; see h2_call.h. */
#include "h2_call.h"

#include "upstream.h"
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_BYTES	(64 * 1024)	/* decoded, with 32 per field (R14) */
#define TRAILER_BYTES	(8 * 1024)
#define TRAILERS_MAX	32
#define HEADS_MAX	10		/* 1xx that nobody reads (R12) */

/* ---- Life ----------------------------------------------------------------- */

struct h2_call *
h2_call_new(struct h2_upstream *h, struct exchange *x, struct fiber *f)
{
	struct h2_call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->h = h;
	c->x = x;
	c->f = f;
	c->heads_end = &c->heads;
	c->next = h->calls;
	c->prev = &h->calls;
	if (c->next != NULL)
		c->next->prev = &c->next;
	h->calls = c;
	h->open++;
	h->used = true;
	return c;
}

static void
call_unlink(struct h2_call *c)
{
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->h = NULL;
}

static void
call_free(struct h2_call *c)
{
	if (c->h != NULL)
		call_unlink(c);
	free(c);
}

static void
reset(struct h2_call *c, uint32_t code)
{
	if (c->closed || c->h == NULL)
		return;
	nghttp2_submit_rst_stream(c->h->link.session, NGHTTP2_FLAG_NONE, c->id,
	    code);
	(void)h2_upstream_wake(c->h);
}

/* The credit for n bytes of an answer, to the server. */
static void
give_credit(struct h2_call *c, size_t n)
{
	if (n == 0 || c->h == NULL)
		return;
	if (c->closed || c->ended)
		nghttp2_session_consume_connection(c->h->link.session, n);
	else
		nghttp2_session_consume(c->h->link.session, c->id, n);
	(void)h2_upstream_wake(c->h);
}

/* What did not become a request. */
static void
never_asked(struct h2_call *c)
{
	if (!c->closed && c->h != NULL) {
		c->h->open--;
		(void)h2_upstream_wake(c->h);
	}
	c->closed = true;
	c->unprocessed = true;
}

void
h2_call_cancel(struct h2_call *c)
{
	c->malformed = true;
	reset(c, NGHTTP2_CANCEL);
	h2_call_wake(c);
}

void
h2_call_done(struct h2_call *c)
{
	struct ring *r = c->x->w->ring;

	give_credit(c, iobuf_len(c->in) + iobuf_len(c->given));
	iobuf_put(r, c->in);
	iobuf_put(r, c->given);
	c->in = c->given = NULL;
	c->x = NULL;
	c->f = NULL;
	if (c->id == 0)
		never_asked(c);
	if (c->closed || c->h == NULL) {
		call_free(c);
		return;
	}
	if (c->ended && c->sent)	/* what is left is the codec's */
		return;
	c->out = (struct http2_outgoing){ .dead = true };
	reset(c, NGHTTP2_CANCEL);
}

void
h2_call_wake(struct h2_call *c)
{
	if (c->f != NULL)
		fiber_wake(c->f);
	if (c->out.waiter != NULL)
		fiber_wake(c->out.waiter);
}

void
h2_call_closed(struct h2_call *c, uint32_t code)
{
	c->closed = true;
	c->h->open--;
	if (!c->ended && !c->malformed && !c->too_large)
		c->reset_code = code;
	if (code == NGHTTP2_REFUSED_STREAM)
		c->unprocessed = true;
	/* It says that nothing was done (RFC 9113 7). */
	if (code == NGHTTP2_HTTP_1_1_REQUIRED)
		c->wants_http1 = c->unprocessed = true;
	if (c->x == NULL)
		call_free(c);
	else
		h2_call_wake(c);
}

void
h2_call_lost(struct h2_call *c, bool undelivered, bool alert)
{
	if (!c->closed) {
		/* A head of which not all bytes left was not understood. */
		c->unprocessed = c->framed == 0 ||
		    c->framed > c->h->st.bytes_out;
		c->undelivered = undelivered;
		c->alert = alert;
	}
	c->closed = true;
	call_unlink(c);
	if (c->x == NULL)
		call_free(c);
	else
		h2_call_wake(c);
}

/* ---- The request ------------------------------------------------------------ */

/* What users must not find out about each other by what compresses well. */
static bool
is_secret(enum field_id id)
{
	return id == FIELD_AUTHORIZATION || id == FIELD_COOKIE;
}

static size_t
put_fields(nghttp2_nv *v, const struct fields *fs)
{
	size_t n = 0;

	FIELDS_EACH(fs, f) {
		if (f->id == FIELD_HOST || f->id == FIELD_CONTENT_LENGTH ||
		    f->id == FIELD_TRANSFER_ENCODING)
			continue;
		v[n] = http2_nv(field_name(f), field_value(f));
		if (is_secret((enum field_id)f->id))
			v[n].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
		n++;
	}
	return n;
}

static size_t
put_request(struct h2_call *c, const struct h1_out_request *q, nghttp2_nv *v,
    char length[24])
{
	struct str path = q->path;
	size_t n = 0;
	int k;

	if (q->has_query)
		path = arena_printf(&c->x->arena, "%.*s?%.*s",
		    STR_ARG(q->path), STR_ARG(q->query));
	v[n++] = http2_nv(STR(":method"), q->method);
	v[n++] = http2_nv(STR(":scheme"), c->h->tls ? STR("https") :
	    STR("http"));
	v[n++] = http2_nv(STR(":authority"), q->host);
	v[n++] = http2_nv(STR(":path"), path);
	n += put_fields(v + n, q->fields);
	if (q->te_trailers)
		v[n++] = http2_nv(STR("te"), STR("trailers"));
	if (q->framing == H1_LENGTH || q->zero_length) {
		k = snprintf(length, 24, "%llu", q->framing == H1_LENGTH ?
		    (unsigned long long)q->length : 0ULL);
		v[n++] = http2_nv(STR("content-length"), str_n(length,
		    (size_t)k));
	}
	return path.p == NULL ? 0 : n;
}

int
h2_call_send_head(struct upstream *u, const struct h1_out_request *q)
{
	static nghttp2_nv nv[FIELDS_MAX + 6];	/* used within this call */
	struct h2_call *c = u->h2;
	nghttp2_data_provider from = { .source.ptr = &c->out,
	    .read_callback = http2_link_read };
	bool body = q->framing != H1_NONE;
	char length[24];
	int32_t id;
	size_t n;

	if (h1_request_size(q) == 0) {	/* it could split a head behind us */
		never_asked(c);
		return -EINVAL;
	}
	if (c->h == NULL || (n = put_request(c, q, nv, length)) == 0 ||
	    (id = nghttp2_submit_request(c->h->link.session, NULL, nv, n,
	    body ? &from : NULL, c)) <= 0) {
		never_asked(c);
		return -ECONNRESET;
	}
	c->id = id;
	c->method = q->method;
	c->sent = !body;
	u->sent_all = !body;
	(void)h2_upstream_wake(c->h);	/* at the latest in a moment */
	return 0;
}

/* Why a call without an answer ended. */
static int
failure(const struct h2_call *c)
{
	return c->malformed ? -EBADMSG : c->too_large ? -EMSGSIZE :
	    -ECONNRESET;
}

int
h2_call_wait_sent(struct fiber *f, struct upstream *u)
{
	struct h2_call *c = u->h2;
	int r = 0;

	c->out.waiter = f;
	while (r == 0 && c->out.pending.n > 0) {
		if (c->closed)
			r = c->final ? -EINTR : failure(c);
		else if (!c->duplex && h2_call_answered(c))
			r = -EINTR;
		else
			r = fiber_wait(f);
	}
	c->out.waiter = NULL;
	if (r == 0 && c->out.last)
		u->sent_all = true;
	return r;
}

int
h2_call_send_body(struct fiber *f, struct upstream *u, struct str data,
    bool last)
{
	struct h2_call *c = u->h2;
	int r;

	if (c->closed)
		return c->final ? -EINTR : failure(c);
	c->out.pending = data;
	c->out.last = last;
	if (data.n == 0 && !last)
		return 0;
	(void)nghttp2_session_resume_data(c->h->link.session, c->id);
	if ((r = http2_link_fill(&c->h->link)) < 0)
		return r;
	(void)h2_upstream_wake(c->h);
	return h2_call_wait_sent(f, u);
}

/* ---- The answer, as it comes -------------------------------------------------- */

void
h2_call_head_begin(struct h2_upstream *h)
{
	h->fields = (struct fields){ h->store, 0, FIELDS_RECEIVED };
	h->status = STR_NONE;
	h->head_bytes = 0;
	h->head_clean = true;
}

void
h2_call_field(struct h2_call *c, struct str name, struct str value)
{
	struct h2_upstream *h = c->h;
	unsigned max = c->final ? TRAILERS_MAX : FIELDS_RECEIVED;

	if (c->x == NULL)
		return;
	/* Counted before anything is kept: small frames can name much. */
	h->head_bytes += (uint32_t)(name.n + value.n + 32);
	if (h->head_bytes > (c->final ? TRAILER_BYTES : HEAD_BYTES) ||
	    h->fields.n >= max)
		h->head_clean = false;
	if (!h->head_clean)
		return;
	value = arena_dup(&c->x->arena, value);
	if (str_eq(name, STR(":status"))) {
		h->status = value;
		return;
	}
	name = field_canonical_copy(&c->x->arena, name);
	if (name.p == NULL || value.p == NULL ||
	    fields_push(&h->fields, FIELD_OTHER, name, value) < 0)
		h->head_clean = false;
}

static void
refuse(struct h2_call *c)
{
	c->malformed = true;
	reset(c, NGHTTP2_PROTOCOL_ERROR);
	h2_call_wake(c);
}

/* A copy of the connection's collection, which is used anew. */
static int
keep_fields(struct h2_call *c, struct fields *ret)
{
	const struct fields *fs = &c->h->fields;
	size_t n = fs->n * sizeof(*fs->v);

	*ret = (struct fields){ arena_alloc(&c->x->arena, n + 1), fs->n,
	    fs->n };
	if (ret->v == NULL)
		return -ENOMEM;
	memcpy(ret->v, fs->v, n);
	return 0;
}

static void
take_trailers(struct h2_call *c, bool ended)
{
	if (!ended || !c->h->head_clean ||
	    h2_parse_trailers(&c->h->fields) < 0 ||
	    keep_fields(c, &c->trailers) < 0)
		refuse(c);
	else
		h2_call_body_end(c);
}

void
h2_call_head_end(struct h2_call *c, bool ended)
{
	struct h2_upstream *h = c->h;
	struct h2_answer *a;

	if (c->x == NULL)
		return;
	if (c->final) {
		take_trailers(c, ended);
		return;
	}
	if (!h->head_clean || ++c->nheads > HEADS_MAX ||
	    (a = arena_zalloc(&c->x->arena, sizeof(*a))) == NULL) {
		c->too_large = true;
		reset(c, NGHTTP2_CANCEL);
		h2_call_wake(c);
		return;
	}
	if (h2_parse_response(&a->resp, &h->fields, h->status, ended,
	    c->method) < 0 || keep_fields(c, &a->fields) < 0) {
		refuse(c);
		return;
	}
	*c->heads_end = a;
	c->heads_end = &a->next;
	c->final = a->resp.status >= 200;
	c->framing = a->resp.framing;
	c->left = a->resp.length;
	c->ended = ended;
	h2_call_wake(c);
}

int
h2_call_data(struct h2_call *c, const uint8_t *p, size_t n)
{
	struct ring *r = c->h->link.ring;
	struct iobuf *b = c->in, *more;
	size_t have = iobuf_len(b);

	if (n == 0)
		return 0;
	if (c->framing == H1_NONE || (c->framing == H1_LENGTH && n > c->left))
		return -EBADMSG;				/* R06, R07 */
	c->left -= c->framing == H1_LENGTH ? n : 0;
	if (b == NULL || iobuf_room(b) < n) {
		/* The window bounds it; nghttp2 has checked that. */
		more = iobuf_get(r, have + n > IOBUF_SMALL ? IOBUF_LARGE :
		    have + n);
		if (more == NULL || more->cap < have + n) {
			iobuf_put(r, more);
			return -ENOMEM;
		}
		if (have > 0)
			memcpy(more->data, b->data, have);
		more->tail = (uint32_t)have;
		iobuf_put(r, b);
		c->in = b = more;
	}
	memcpy(b->data + b->tail, p, n);
	b->tail += (uint32_t)n;
	if (c->f != NULL)
		fiber_wake(c->f);
	return 0;
}

void
h2_call_body_end(struct h2_call *c)
{
	if (c->framing == H1_LENGTH && c->left > 0) {		/* R05 */
		refuse(c);
		return;
	}
	c->ended = true;
	h2_call_wake(c);
}

/* ---- The answer, as it is read ------------------------------------------------- */

bool
h2_call_answered(const struct h2_call *c)
{
	return c->final || c->closed || c->malformed || c->too_large;
}

static bool
has_head(struct upstream *u)
{
	const struct h2_call *c = u->h2;

	return c->heads != NULL || c->closed || c->malformed || c->too_large;
}

static bool
has_body(struct upstream *u)
{
	const struct h2_call *c = u->h2;

	return c->in != NULL || c->ended || c->closed || c->malformed;
}

int
h2_call_read_head(struct fiber *f, struct upstream *u, struct stream *client)
{
	struct h2_call *c = u->h2;
	struct h2_answer *a;
	int r = upstream_wait(f, u, client, has_head);

	if (r == 0 && c->heads == NULL)
		r = failure(c);
	if (r < 0) {
		u->broken = true;
		return r;
	}
	a = c->heads;
	if ((c->heads = a->next) == NULL)
		c->heads_end = &c->heads;
	c->nheads--;
	u->resp = a->resp;
	u->fields.n = 0;
	if (fields_copy(&u->fields, &a->fields) < 0)
		return -ENOMEM;
	u->resp.fields = &u->fields;
	u->body_done = u->resp.framing == H1_NONE;
	return 0;
}

/* As fill_body() of upstream.c: -EAGAIN once when nothing comes for a moment. */
static int
wait_body(struct fiber *f, struct upstream *u)
{
	nsec_t soon = ring_now(u->w->ring) + 100 * NSEC_MSEC, before;
	int r;

	if (has_body(u))
		return 0;
	if (!u->relayed || soon >= fiber_get_deadline(f))
		return upstream_wait(f, u, u->client, has_body);
	before = fiber_deadline(f, u->quiet ? fiber_get_deadline(f) : soon);
	r = upstream_wait(f, u, u->quiet ? u->client : NULL, has_body);
	fiber_deadline(f, before);
	u->quiet = !u->quiet && r == -ETIMEDOUT;
	return u->quiet ? -EAGAIN : r;
}

int
h2_call_read_body(struct fiber *f, struct upstream *u, struct str *ret,
    bool *ret_last)
{
	struct h2_call *c = u->h2;
	int r;

	give_credit(c, iobuf_len(c->given));
	iobuf_put(u->w->ring, c->given);
	c->given = NULL;
	if ((r = wait_body(f, u)) == -EAGAIN) {
		*ret = STR_NONE;
		*ret_last = false;
		return 1;
	}
	if (r < 0) {
		u->broken = true;
		return r == -ETIMEDOUT || r == -ECANCELED ||
		    r == -ECONNABORTED ? r : -EPROTO;
	}
	c->given = c->in;
	c->in = NULL;
	/* What came before a cut is passed on first. */
	if (c->given == NULL && !c->ended) {
		u->broken = true;
		return -EPROTO;
	}
	*ret = c->given == NULL ? STR_NONE :
	    str_n((const char *)c->given->data, c->given->tail);
	*ret_last = c->ended;
	u->body_done = c->ended;
	return 1;
}
