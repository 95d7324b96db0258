/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errors: replaces the body of answers with listed statuses by a page of another
 * service. An error page is never an answer of its own: the status stays, or
 * becomes what statusRewrites says (S-504).
 */
#include "middleware.h"

#include "conn.h"
#include "service.h"
#include "uri.h"

#include <errno.h>

#define DROP_MAX	(64 * 1024)	/* of a body that a page replaces */

struct errors_sink {
	struct sink s;
	const struct tmw_errors *c;
	unsigned status;	/* caught: 0 none */
	size_t dropped;
};

/* Of the page: whatever the service says, the status is ours. */
struct page_sink {
	struct sink s;
	unsigned status;
	bool no_body;		/* the client's request is a HEAD */
};

static bool
listed(const struct exchange *x, const struct tmw_errors *c, unsigned status)
{
	const struct trange *v = TABLE_VEC(x->t, c->status, struct trange);

	for (uint32_t i = 0; i < c->status.n; i++)
		if (status >= v[i].from && status <= v[i].to)
			return true;
	return false;
}

static unsigned
rewritten(const struct exchange *x, const struct tmw_errors *c, unsigned status)
{
	const struct trewrite *v = TABLE_VEC(x->t, c->rewrites,
	    struct trewrite);

	for (uint32_t i = 0; i < c->rewrites.n; i++)
		if (status >= v[i].match.from && status <= v[i].match.to)
			return v[i].status;
	return status;
}

static int
on_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct errors_sink *s = (struct errors_sink *)sink;

	/* What a 101 begins is no answer to be replaced. */
	if (x->resp.status >= 200 && listed(x, s->c, x->resp.status)) {
		s->status = x->resp.status;
		return 0;
	}
	return sink_head(f, x, sink->out);
}

static int
on_body(struct fiber *f, struct exchange *x, struct sink *sink,
    struct str data, bool last)
{
	struct errors_sink *s = (struct errors_sink *)sink;

	if (s->status == 0)
		return sink_body(f, x, sink->out, data, last);
	/* A short one is read to its end, so that the connection stays. */
	s->dropped += data.n;
	x->enough |= s->dropped > DROP_MAX;
	return 0;
}

static int
on_page_head(struct fiber *f, struct exchange *x, struct sink *sink)
{
	struct page_sink *s = (struct page_sink *)sink;

	x->resp.status = s->status;
	x->resp.no_body |= s->no_body;
	return sink_head(f, x, sink->out);
}

/* Puts value where {name} stands. */
static struct str
replace(struct exchange *x, struct str text, struct str name, struct str value)
{
	ptrdiff_t at;

	while ((at = str_find(text, name)) >= 0)
		text = arena_printf(&x->arena, "%.*s%.*s%.*s",
		    STR_ARG(str_head(text, (size_t)at)), STR_ARG(value),
		    STR_ARG(str_from(text, (size_t)at + name.n)));
	return text;
}

/* Go's url.QueryEscape: blanks as '+', all but unreserved escaped. */
static struct str
query_escape(struct exchange *x, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(&x->arena, s.n * 3 + 1);
	size_t n = 0;

	for (size_t i = 0; out != NULL && i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i], l = c | 0x20;

		if ((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '_' || c == '.' || c == '~')
			out[n++] = (char)c;
		else if (c == ' ')
			out[n++] = '+';
		else {
			out[n++] = '%';
			out[n++] = digits[c >> 4];
			out[n++] = digits[c & 15];
		}
	}
	return str_n(out, n);
}

/* The page's request: GET, same Host, path from the template. */
static int
make_request(struct exchange *x, const struct tmw_errors *c, unsigned status,
    unsigned shown)
{
	struct str url = arena_printf(&x->arena, "%.*s://%.*s%.*s%s%.*s",
	    STR_ARG(x->scheme), STR_ARG(x->req.host), STR_ARG(x->req.path),
	    x->req.has_query ? "?" : "", STR_ARG(x->req.query));
	struct str path = table_str(x->t, c->query);
	ptrdiff_t mark;

	path = replace(x, path, STR("{status}"), arena_printf(&x->arena, "%u",
	    shown));
	path = replace(x, path, STR("{originalStatus}"), arena_printf(
	    &x->arena, "%u", status));
	path = replace(x, path, STR("{url}"), query_escape(x, url));
	if (path.n != 0 && path.p[0] != '/')
		path = arena_printf(&x->arena, "/%.*s", STR_ARG(path));
	mark = str_chr(path, '?');
	x->req.has_query = mark >= 0;
	x->req.query = mark < 0 ? STR_NONE : str_from(path, (size_t)mark + 1);
	x->req.path = mark < 0 ? path : str_head(path, (size_t)mark);
	x->req.method = STR("GET");
	x->req.framing = FRAMING_NONE;
	x->req.length = 0;
	x->req.websocket = false;
	return url.p == NULL ? -ENOMEM : 0;
}

static void
keep_headers(struct exchange *x, const struct tmw_errors *c)
{
	const struct tstr *v = TABLE_VEC(x->t, c->request_headers, struct tstr);

	if (c->all_request_headers)
		return;
	FIELDS_EACH(&x->req.fields, f) {
		bool keep = false;

		for (uint32_t i = 0; i < c->request_headers.n && !keep; i++)
			keep = str_caseeq(field_name(f), table_str(x->t, v[i]));
		if (!keep)
			f->name_n = 0;
	}
}

int
errors_serve(struct fiber *f, struct exchange *x, const struct tmw *mw,
    struct chain next)
{
	const struct tmw_errors *c = MW_CONFIG(x, mw, struct tmw_errors);
	struct errors_sink s = { .s = { .head = on_head, .body = on_body },
	    .c = c };
	struct page_sink page = { .s.head = on_page_head };
	struct str xff = fields_get(&x->req.fields, FIELD_XFF);
	enum reason why;
	int r;

	sink_push(x, &s.s);
	r = chain_next(f, x, next);
	x->sink = s.s.out;
	x->enough = false;
	if (r < 0 || s.status == 0)
		return r;
	/* The proxy's own addition to X-Forwarded-For goes again. */
	if (xff.p != NULL)
		(void)fields_set_id(&x->req.fields, FIELD_XFF, xff);
	else
		fields_remove(&x->req.fields, FIELD_XFF);
	page.no_body = str_eq(x->req.method, STR("HEAD"));
	why = x->reason;
	page.status = rewritten(x, c, s.status);
	keep_headers(x, c);
	if ((r = make_request(x, c, s.status, page.status)) < 0)
		return r;
	respond_begin(x);
	x->req.drop_xff = true;
	sink_push(x, &page.s);
	r = service_serve(f, x, table_service(x->t, c->service));
	x->sink = page.s.out;
	x->reason = why != REASON_NONE ? why : REASON_ERRORS_SERVICE;
	return r;
}
