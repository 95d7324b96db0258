/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request heads: security rows H1-L (request line), H1-H (fields) and H1-F
 * (framing). Each check names its row.
 */
#include "h1_head.h"
#include "token.h"

#include <errno.h>

static int
fail(struct h1_error *err, unsigned status, enum reason reason)
{
	*err = (struct h1_error){ status, reason };
	return -EBADMSG;
}

/* ---- Host ---------------------------------------------------------------- */

static int
check_port(struct str port)
{
	uint64_t n;

	if (port.n == 0 || port.n > 5 || str_u64(port, &n) < 0)
		return -EBADMSG;
	return n >= 1 && n <= 65535 ? 0 : -EBADMSG;
}

static int
check_v6(struct str host)
{
	ptrdiff_t close = str_chr(host, ']');
	struct str rest;

	if (close < 2)
		return -EBADMSG;
	for (ptrdiff_t i = 1; i < close; i++) {
		char c = str_lower(host.p[i]);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
		    c == ':' || c == '.'))
			return -EBADMSG;
	}
	rest = str_from(host, (size_t)close + 1);
	if (rest.n == 0)
		return 0;
	return rest.p[0] == ':' ? check_port(str_from(rest, 1)) : -EBADMSG;
}

int
h1_check_host(struct str host)
{
	ptrdiff_t colon;
	struct str name;

	if (host.n > 255 || host.n == 0)
		return -EBADMSG;
	if (host.p[0] == '[')
		return check_v6(host);
	colon = str_chr(host, ':');
	name = colon < 0 ? host : str_head(host, (size_t)colon);
	if (colon >= 0 && check_port(str_from(host, (size_t)colon + 1)) < 0)
		return -EBADMSG;
	if (!token_valid(name, TOKEN_HOST) || name.p[0] == '.' ||
	    str_find(name, STR("..")) >= 0 || str_chr(name, '[') >= 0 ||
	    str_chr(name, ']') >= 0)
		return -EBADMSG;
	return 0;
}

/* ---- Request line ----------------------------------------------------------- */

static int
parse_method(struct h1_request *q, struct h1_error *err)
{
	if (!token_valid(q->method, TOKEN_CHAR))		/* L09 */
		return fail(err, 400, REASON_BAD_REQUEST);
	if (q->method.n > 32 || !token_valid(q->method, TOKEN_METHOD))
		return fail(err, 501, REASON_METHOD_UNKNOWN);	/* L09, L10 */
	if (str_eq(q->method, STR("CONNECT")))			/* L13 */
		return fail(err, 501, REASON_METHOD_UNKNOWN);
	if (str_eq(q->method, STR("TRACE")) ||
	    str_eq(q->method, STR("TRACK")))			/* L12 */
		return fail(err, 405, REASON_METHOD_DENIED);
	return 0;
}

static int
parse_version(struct h1_request *q, struct str v, struct h1_error *err)
{
	if (v.n != 8 || !str_has_prefix(v, STR("HTTP/")) || v.p[6] != '.' ||
	    v.p[5] < '0' || v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9')
		return fail(err, 400, REASON_BAD_REQUEST);	/* L08 */
	if (v.p[5] != '1' || v.p[7] > '1')			/* L07 */
		return fail(err, 505, REASON_VERSION);
	q->minor = (uint8_t)(v.p[7] - '0');
	return 0;
}

/* Takes scheme and authority off an absolute form (L16-L19). */
static int
parse_absolute(struct h1_request *q, struct str *target, struct h1_error *err)
{
	size_t scheme = str_has_caseprefix(*target, STR("https://")) ? 8 :
	    str_has_caseprefix(*target, STR("http://")) ? 7 : 0;
	size_t end;

	if (scheme == 0)
		return fail(err, 400, REASON_BAD_REQUEST);	/* L15 */
	q->scheme = str_head(*target, scheme - 3);
	*target = str_from(*target, scheme);
	for (end = 0; end < target->n && target->p[end] != '/' &&
	    target->p[end] != '?'; end++)
		continue;
	q->host = str_head(*target, end);
	q->has_host = true;
	if (h1_check_host(q->host) < 0)				/* L19 */
		return fail(err, 400, REASON_BAD_HOST);
	*target = str_from(*target, end);
	return 0;
}

static int
check_target(struct h1_request *q, struct h1_error *err)
{
	for (size_t i = 0; i < q->path.n; i++)			/* L20 */
		if (!token_is((unsigned char)q->path.p[i], TOKEN_PATH))
			return fail(err, 400, REASON_BAD_PATH);
	for (size_t i = 0; i < q->query.n; i++)
		if (!token_is((unsigned char)q->query.p[i], TOKEN_TARGET))
			return fail(err, 400, REASON_BAD_REQUEST);
	return 0;
}

static int
parse_target(struct h1_request *q, struct str target, struct h1_error *err)
{
	ptrdiff_t mark;
	int r;

	if (str_eq(target, STR("*"))) {				/* L14, L15 */
		q->path = target;
		return str_eq(q->method, STR("OPTIONS")) ? 0 :
		    fail(err, 400, REASON_BAD_REQUEST);
	}
	if (target.n == 0)
		return fail(err, 400, REASON_BAD_REQUEST);
	if (target.p[0] != '/' && (r = parse_absolute(q, &target, err)) < 0)
		return r;
	mark = str_chr(target, '?');
	q->has_query = mark >= 0;
	q->path = mark < 0 ? target : str_head(target, (size_t)mark);
	q->query = mark < 0 ? STR_NONE : str_from(target, (size_t)mark + 1);
	if (q->path.n == 0)
		q->path = STR("/");
	return check_target(q, err);
}

static int
parse_line(struct h1_request *q, struct str line, struct h1_error *err)
{
	ptrdiff_t a = str_chr(line, ' '), b;
	struct str rest;
	int r;

	if (a < 0)						/* L05 */
		return fail(err, 400, REASON_BAD_REQUEST);
	q->method = str_head(line, (size_t)a);
	rest = str_from(line, (size_t)a + 1);
	/* Exactly one SP on both sides (L03): what is left has no blank. */
	b = str_chr(rest, ' ');
	if (b < 0)
		return fail(err, 400, REASON_BAD_REQUEST);
	if ((r = parse_version(q, str_from(rest, (size_t)b + 1), err)) < 0 ||
	    (r = parse_method(q, err)) < 0)
		return r;
	return parse_target(q, str_head(rest, (size_t)b), err);
}

/* ---- Fields -------------------------------------------------------------------- */

/* What is collected on the way through the fields. */
struct head {
	struct str host, te;
	unsigned hosts, lengths, tes, expects, authorizations;
	struct str expect;
};

/* Bytes that only honest text holds: no obs-text where it decides (H06). */
static bool
ascii_only(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static int
take_framing(struct h1_request *q, struct head *h, enum field_id id,
    struct str value, struct h1_error *err)
{
	if (!ascii_only(value))
		return fail(err, 400, id == FIELD_HOST ? REASON_BAD_HOST :
		    REASON_BAD_FRAMING);
	if (id == FIELD_HOST) {
		h->host = value;
		h->hosts++;
	} else if (id == FIELD_CONTENT_LENGTH) {
		h->lengths++;					/* F03, F04 */
		if (h1_parse_length(value, &q->length) < 0)
			return fail(err, 400, REASON_BAD_FRAMING);
	} else {
		h->te = value;
		h->tes++;
	}
	return 0;
}

/* Names that would read as a framing name behind us (H13 a). */
static int
check_alias(struct str name, struct h1_error *err)
{
	char folded[256];
	unsigned classes = field_alias_classes(name, folded);

	return classes & (CLASS_HOP | CLASS_FRAMING) ?
	    fail(err, 400, REASON_OWNED_HEADER) : 0;
}

static int
take_field(struct h1_request *q, struct head *h, struct str name,
    struct str value, struct h1_error *err)
{
	enum field_id id = field_lookup(name);

	switch (id) {
	case FIELD_HOST:
	case FIELD_CONTENT_LENGTH:
	case FIELD_TRANSFER_ENCODING:
		return take_framing(q, h, id, value, err);
	case FIELD_EXPECT:
		h->expect = value;
		h->expects++;
		return 0;
	case FIELD_AUTHORIZATION:				/* H17 */
		if (h->authorizations++ > 0)
			return fail(err, 400, REASON_BAD_REQUEST);
		break;
	case FIELD_CONNECTION:
	case FIELD_UPGRADE:
	case FIELD_FORWARDED:
		if (!ascii_only(value))				/* H06 */
			return fail(err, 400, REASON_BAD_REQUEST);
		break;
	case FIELD_OTHER:
		if (check_alias(name, err) < 0)
			return -EBADMSG;
		break;
	default:
		break;
	}
	if (fields_add(q->fields, name, value) < 0)
		return fail(err, 431, REASON_HEAD_TOO_LARGE);
	return 0;
}

/* Host's port is left out when it is the scheme's own. */
static struct str
without_default_port(struct str host, struct str scheme)
{
	struct str port = str_caseeq(scheme, STR("https")) ? STR(":443") :
	    STR(":80");

	return str_has_suffix(host, port) ? str_head(host, host.n - port.n) :
	    host;
}

static int
settle_host(struct h1_request *q, const struct head *h, struct h1_error *err)
{
	if (h->hosts > 1)					/* H09 */
		return fail(err, 400, REASON_BAD_HOST);
	if (h->hosts == 0 && q->minor == 1)			/* H07 */
		return fail(err, 400, REASON_BAD_HOST);
	if (h->hosts == 1 && (h->host.n > 0 || q->has_host) &&
	    h1_check_host(h->host) < 0)				/* H10 */
		return fail(err, 400, REASON_BAD_HOST);
	if (q->has_host) {					/* L17 */
		if (h->hosts == 1 && !str_caseeq(
		    without_default_port(q->host, q->scheme),
		    without_default_port(h->host, q->scheme)))
			return fail(err, 400, REASON_BAD_HOST);
		return 0;
	}
	if (h->hosts == 1 && h->host.n == 0)			/* H10 */
		return fail(err, 400, REASON_BAD_HOST);
	q->host = h->host;
	q->has_host = h->hosts == 1;
	return 0;
}

static int
settle_framing(struct h1_request *q, const struct head *h, struct h1_error *err)
{
	if ((h->lengths > 0 && h->tes > 0) || h->lengths > 1 || h->tes > 1 ||
	    (h->tes > 0 && q->minor == 0))		/* F01, F02, F07, F09 */
		return fail(err, 400, REASON_BAD_FRAMING);
	if (h->tes > 0) {
		if (str_caseeq(h->te, STR("chunked"))) {	/* F06 */
			q->framing = H1_CHUNKED;
			return 0;
		}
		/* A well-formed list of other codings is merely unsupported. */
		if (str_caseeq(h->te, STR("identity")) ||
		    str_caseeq(h->te, STR("gzip, chunked")) ||
		    str_caseeq(h->te, STR("deflate, chunked")) ||
		    str_caseeq(h->te, STR("compress, chunked")) ||
		    str_caseeq(h->te, STR("gzip")))		/* F08 */
			return fail(err, 501, REASON_CODING);
		return fail(err, 400, REASON_BAD_FRAMING);	/* F07 */
	}
	q->framing = h->lengths > 0 && q->length > 0 ? H1_LENGTH : H1_NONE;
	return 0;
}

static int
settle_expect(struct h1_request *q, const struct head *h, struct h1_error *err)
{
	if (h->expects == 0 || q->minor == 0 || q->framing == H1_NONE)
		return 0;					/* C05 */
	if (h->expects > 1 || !str_caseeq(h->expect, STR("100-continue")))
		return fail(err, 417, REASON_EXPECT);		/* C04 */
	q->expect_continue = true;
	return 0;
}

static int
settle_connection(struct h1_request *q, struct h1_error *err)
{
	bool close = false, keep = false;

	FIELDS_EACH(q->fields, f) {
		struct str list = field_value(f), item;

		if (f->id != FIELD_CONNECTION)
			continue;
		while (str_next(&list, ',', &item)) {
			close |= str_caseeq(item, STR("close"));
			keep |= str_caseeq(item, STR("keep-alive"));
			if (str_caseeq(item, STR("host")) ||	/* H14 */
			    str_caseeq(item, STR("content-length")) ||
			    str_caseeq(item, STR("transfer-encoding")))
				return fail(err, 400, REASON_BAD_FRAMING);
		}
	}
	q->keep_alive = q->minor == 1 ? !close : keep && !close; /* C13 */
	return 0;
}

int
h1_parse_request(struct h1_request *q, struct fields *fields, const char *p,
    size_t n, const struct h1_limits *lim, struct h1_error *err)
{
	struct str rest = { p, n }, line, name, value;
	struct head h = { .hosts = 0 };
	int r;

	*q = (struct h1_request){ .fields = fields };
	fields->n = 0;
	if (rest.n >= 2 && rest.p[0] == '\r')			/* L01 */
		rest = str_from(rest, 2);
	if (h1_next_line(&rest, true, &line) < 0)
		return fail(err, 400, REASON_BAD_REQUEST);
	if ((r = parse_line(q, line, err)) < 0)
		return r;
	for (;;) {
		if (h1_next_line(&rest, true, &line) < 0)	/* H04 */
			return fail(err, 400, REASON_BAD_REQUEST);
		if (line.n == 0)
			break;
		if (h1_split_field(line, &name, &value) < 0)
			return fail(err, 400, REASON_BAD_REQUEST);
		if (fields->n >= lim->fields)
			return fail(err, 431, REASON_HEAD_TOO_LARGE);
		if ((r = take_field(q, &h, name, value, err)) < 0)
			return r;
	}
	if ((r = settle_host(q, &h, err)) < 0 ||
	    (r = settle_framing(q, &h, err)) < 0 ||
	    (r = settle_connection(q, err)) < 0)
		return r;
	return settle_expect(q, &h, err);
}
