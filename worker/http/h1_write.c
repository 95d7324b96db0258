/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing HTTP/1 heads; see h1_write.h. One walk both counts and writes: with
 * a NULL cursor it only counts, so size and bytes cannot disagree.
 */
#include "h1_write.h"

#include "token.h"

struct out {
	char *p;	/* NULL: count only */
	size_t n;
};

static inline void
put(struct out *o, struct str s)
{
	if (o->p != NULL && s.n != 0)
		memcpy(o->p + o->n, s.p, s.n);
	o->n += s.n;
}

static void
put_u64(struct out *o, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put(o, str_n(text + at, sizeof(text) - at));
}

/*
 * Framing is written from the model alone: a field of that name, which some
 * middleware may have been told to set, would be a second one (N-02).
 */
static inline bool
is_framing(const struct field *f)
{
	return f->id == FIELD_CONTENT_LENGTH || f->id == FIELD_TRANSFER_ENCODING;
}

static void
put_fields(struct out *o, const struct fields *fs, bool request)
{
	char *p = o->p != NULL ? o->p + o->n : NULL;

	FIELDS_EACH(fs, f) {
		if (is_framing(f) || (request && f->id == FIELD_HOST))
			continue;
		o->n += (size_t)f->name_n + f->value_n + 4;
		if (p == NULL)
			continue;
		memcpy(p, f->name, f->name_n);
		p += f->name_n;
		memcpy(p, ": ", 2);
		p += 2;
		memcpy(p, f->value, f->value_n);
		p += f->value_n;
		memcpy(p, "\r\n", 2);
		p += 2;
	}
}

static void
put_framing(struct out *o, bool chunked, bool has_length, uint64_t length)
{
	if (chunked)
		put(o, STR("Transfer-Encoding: chunked\r\n"));
	else if (has_length) {
		put(o, STR("Content-Length: "));
		put_u64(o, length);
		put(o, STR("\r\n"));
	}
}

static const struct str upgrade_lines = {
	"Connection: Upgrade\r\nUpgrade: websocket\r\n", 41
};

static size_t
walk_request(const struct h1_out_request *q, char *p)
{
	struct out o = { p, 0 };

	put(&o, q->method);
	put(&o, STR(" "));
	put(&o, q->path);
	if (q->has_query) {
		put(&o, STR("?"));
		put(&o, q->query);
	}
	put(&o, STR(" HTTP/1.1\r\nHost: "));
	put(&o, q->host);
	put(&o, STR("\r\n"));
	put_fields(&o, q->fields, true);
	if (q->te_trailers)
		put(&o, STR("Te: trailers\r\n"));
	if (q->websocket)
		put(&o, upgrade_lines);
	put_framing(&o, q->framing == H1_CHUNKED, q->framing == H1_LENGTH ||
	    q->zero_length, q->framing == H1_LENGTH ? q->length : 0);
	put(&o, STR("\r\n"));
	return o.n;
}

/*
 * Whether the parts of the request line and Host hold one place each: a last
 * look at what middlewares made of them, because a blank or a line end here
 * would make two requests of one (N-01, N-03).
 */
static bool
request_safe(const struct h1_out_request *q)
{
	return token_valid(q->method, TOKEN_CHAR) &&
	    (q->path.n == 0 || q->path.p[0] == '/' ||
	    str_eq(q->path, STR("*"))) &&
	    token_valid(q->path, TOKEN_TARGET) &&
	    (q->query.n == 0 || token_valid(q->query, TOKEN_TARGET)) &&
	    (q->host.n == 0 || token_valid(q->host, TOKEN_TARGET));
}

size_t
h1_request_size(const struct h1_out_request *q)
{
	return request_safe(q) ? walk_request(q, NULL) : 0;
}

size_t
h1_write_request(const struct h1_out_request *q, char *out)
{
	return request_safe(q) ? walk_request(q, out) : 0;
}

/* ---- Responses --------------------------------------------------------- */

static const struct { uint16_t status; struct str text; } phrases[] = {
#define P(code, lit) { code, { lit, sizeof(lit) - 1 } }
	P(100, "Continue"), P(101, "Switching Protocols"), P(102, "Processing"),
	P(103, "Early Hints"), P(200, "OK"), P(201, "Created"),
	P(202, "Accepted"), P(203, "Non-Authoritative Information"),
	P(204, "No Content"), P(205, "Reset Content"),
	P(206, "Partial Content"), P(207, "Multi-Status"),
	P(208, "Already Reported"), P(226, "IM Used"),
	P(300, "Multiple Choices"), P(301, "Moved Permanently"),
	P(302, "Found"), P(303, "See Other"), P(304, "Not Modified"),
	P(305, "Use Proxy"), P(307, "Temporary Redirect"),
	P(308, "Permanent Redirect"), P(400, "Bad Request"),
	P(401, "Unauthorized"), P(402, "Payment Required"),
	P(403, "Forbidden"), P(404, "Not Found"),
	P(405, "Method Not Allowed"), P(406, "Not Acceptable"),
	P(407, "Proxy Authentication Required"), P(408, "Request Timeout"),
	P(409, "Conflict"), P(410, "Gone"), P(411, "Length Required"),
	P(412, "Precondition Failed"), P(413, "Request Entity Too Large"),
	P(414, "Request URI Too Long"), P(415, "Unsupported Media Type"),
	P(416, "Requested Range Not Satisfiable"),
	P(417, "Expectation Failed"), P(418, "I'm a teapot"),
	P(421, "Misdirected Request"), P(422, "Unprocessable Entity"),
	P(423, "Locked"), P(424, "Failed Dependency"), P(425, "Too Early"),
	P(426, "Upgrade Required"), P(428, "Precondition Required"),
	P(429, "Too Many Requests"),
	P(431, "Request Header Fields Too Large"),
	P(451, "Unavailable For Legal Reasons"),
	P(499, "Client Closed Request"), P(500, "Internal Server Error"),
	P(501, "Not Implemented"), P(502, "Bad Gateway"),
	P(503, "Service Unavailable"), P(504, "Gateway Timeout"),
	P(505, "HTTP Version Not Supported"),
	P(506, "Variant Also Negotiates"), P(507, "Insufficient Storage"),
	P(508, "Loop Detected"), P(510, "Not Extended"),
	P(511, "Network Authentication Required"),
#undef P
};

struct str
h1_status_text(unsigned status)
{
	unsigned lo = 0, hi = ARRAY_SIZE(phrases);

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (phrases[mid].status == status)
			return phrases[mid].text;
		if (phrases[mid].status < status)
			lo = mid + 1;
		else
			hi = mid;
	}
	return STR_NONE;
}

static void
put_status_line(struct out *o, const struct h1_out_response *a)
{
	struct str text = a->phrase.n != 0 ? a->phrase :
	    h1_status_text(a->status);

	put(o, a->minor == 0 ? STR("HTTP/1.0 ") : STR("HTTP/1.1 "));
	put_u64(o, a->status);
	put(o, STR(" "));
	if (text.n != 0)
		put(o, text);
	else {
		put(o, STR("status code "));
		put_u64(o, a->status);
	}
	put(o, STR("\r\n"));
}

static size_t
walk_response(const struct h1_out_response *a, char *p)
{
	struct out o = { p, 0 };

	put_status_line(&o, a);
	put_fields(&o, a->fields, false);
	if (a->date != NULL) {
		put(&o, STR("Date: "));
		put(&o, (struct str){ a->date, 29 });
		put(&o, STR("\r\n"));
	}
	put_framing(&o, a->framing == H1_CHUNKED, a->has_length, a->length);
	if (a->websocket)
		put(&o, upgrade_lines);
	else if (a->close)
		put(&o, STR("Connection: close\r\n"));
	else if (a->keep_alive)
		put(&o, STR("Connection: keep-alive\r\n"));
	put(&o, STR("\r\n"));
	return o.n;
}

size_t
h1_response_size(const struct h1_out_response *a)
{
	return walk_response(a, NULL);
}

size_t
h1_write_response(const struct h1_out_response *a, char *out)
{
	return walk_response(a, out);
}

/* ---- Trailers ------------------------------------------------------------ */

static size_t
walk_trailers(const struct fields *fs, char *p)
{
	struct out o = { p, 0 };

	put_fields(&o, fs, false);
	put(&o, STR("\r\n"));
	return o.n;
}

size_t
h1_trailers_size(const struct fields *fs)
{
	return walk_trailers(fs, NULL);
}

size_t
h1_write_trailers(const struct fields *fs, char *out)
{
	return walk_trailers(fs, out);
}
