/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request heads: security rows H1-L (request line), H1-H (fields) and H1-F
 * (framing). Each check names its row.
 */
#include "h1_head.h"
#include "token.h"

static int
bad(struct h1_error *err, enum reason reason)
{
	return h1_fail(err, 400, reason, NULL);
}

/* ---- Request line ---------------------------------------------------------- */

int
h1_check_method(struct h1_request *q, struct h1_error *err)
{
	if (!token_valid(q->method, TOKEN_CHAR))		/* L09 */
		return bad(err, REASON_BAD_REQUEST);
	if (q->method.n > 32 ||					/* L09 */
	    !token_valid(q->method, TOKEN_METHOD) ||		/* L10 */
	    str_eq(q->method, STR("CONNECT")))			/* L13 */
		return h1_fail(err, 501, REASON_METHOD_UNKNOWN, NULL);
	if (str_eq(q->method, STR("TRACE")) ||
	    str_eq(q->method, STR("TRACK")))			/* L12 */
		return h1_fail(err, 405, REASON_METHOD_DENIED, NULL);
	return 0;
}

static bool
version_valid(struct str v)
{
	return v.n == 8 && str_has_prefix(v, STR("HTTP/")) &&
	    v.p[5] >= '0' && v.p[5] <= '9' && v.p[6] == '.' &&
	    v.p[7] >= '0' && v.p[7] <= '9';
}

/* Takes scheme and authority off an absolute form (L16-L19). */
static int
parse_absolute(struct h1_request *q, struct str *target, struct h1_error *err)
{
	size_t scheme = str_has_caseprefix(*target, STR("https://")) ? 8 :
	    str_has_caseprefix(*target, STR("http://")) ? 7 : 0;
	size_t end;

	if (scheme == 0)
		return bad(err, REASON_BAD_REQUEST);		/* L15 */
	q->scheme = str_head(*target, scheme - 3);
	*target = str_from(*target, scheme);
	for (end = 0; end < target->n && target->p[end] != '/' &&
	    target->p[end] != '?'; end++)
		continue;
	q->host = str_head(*target, end);
	q->has_host = true;
	if (h1_check_host(q->host) < 0)				/* L19 */
		return bad(err, REASON_BAD_HOST);
	*target = str_from(*target, end);
	return 0;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
check_target(struct h1_request *q, struct h1_error *err)
{
	const char *p = q->path.p, *end = p + q->path.n;

	for (; p < end; p++) {
		if (!token_is((unsigned char)*p, TOKEN_PATH))	/* L20 */
			return bad(err, REASON_BAD_PATH);
		if (*p != '%')
			continue;
		if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0) /* L21 */
			return bad(err, REASON_BAD_PATH);
		q->nul_escape |= p[1] == '0' && p[2] == '0';
	}
	if (q->query.n != 0 && !token_valid(q->query, TOKEN_TARGET))
		return bad(err, REASON_BAD_REQUEST);
	return 0;
}

int
h1_take_target(struct h1_request *q, struct str target, struct h1_error *err)
{
	ptrdiff_t mark;
	int r;

	if (str_eq(target, STR("*"))) {				/* L14, L15 */
		q->path = target;
		return str_eq(q->method, STR("OPTIONS")) ? 0 :
		    bad(err, REASON_BAD_REQUEST);
	}
	if (target.n == 0)
		return bad(err, REASON_BAD_REQUEST);
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

/*
 * Exactly one SP on both sides (L03): a further blank is a bad byte of the
 * target or of the version.
 */
static int
parse_line(struct h1_request *q, struct str line, struct h1_error *err)
{
	ptrdiff_t a = str_chr(line, ' '), b = str_rchr(line, ' ');
	struct str version;
	int r;

	if (a < 0 || a == b)					/* L05 */
		return bad(err, REASON_BAD_REQUEST);
	q->method = str_head(line, (size_t)a);
	version = str_from(line, (size_t)b + 1);
	if (!version_valid(version))				/* L08 */
		return bad(err, REASON_BAD_REQUEST);
	if ((r = h1_check_method(q, err)) < 0)
		return r;
	if (version.p[5] != '1' || version.p[7] > '1')		/* L07, L23 */
		return h1_fail(err, 505, REASON_VERSION,
		    "unsupported protocol version");
	q->minor = (uint8_t)(version.p[7] - '0');
	return h1_take_target(q, str_n(line.p + a + 1, (size_t)(b - a) - 1),
	    err);
}

/* Takes the request line off *rest, and the empty line before it (L01). */
static int
take_line(struct h1_request *q, struct str *rest, struct h1_error *err)
{
	struct str line;

	if (str_has_prefix(*rest, STR("\r\n")))
		*rest = str_from(*rest, 2);
	if (h1_read_line(rest, NULL, &line) < 0)		/* L04 */
		return bad(err, REASON_BAD_REQUEST);
	return parse_line(q, line, err);
}

int
h1_check_request_line(struct str head, struct h1_error *err)
{
	struct h1_request q = { .minor = 0 };

	return take_line(&q, &head, err);
}

/* ---- Fields ----------------------------------------------------------------- */

/* No obs-text where a value decides something (H06). */
static bool
ascii_only(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static int
take_framing(struct h1_request *q, struct h1_facts *h, enum field_id id,
    struct str value, struct h1_error *err)
{
	if (!ascii_only(value))					/* H06 */
		return id == FIELD_HOST ? h1_fail(err, 400, REASON_BAD_HOST,
		    "malformed Host header") : bad(err, REASON_BAD_FRAMING);
	if (id == FIELD_HOST) {
		h->host = value;
		h->hosts++;
	} else if (id == FIELD_CONTENT_LENGTH) {
		h->lengths++;					/* F03, F04 */
		if (h1_parse_length(value, &q->length) < 0)
			return bad(err, REASON_BAD_FRAMING);
	} else if (id == FIELD_TRANSFER_ENCODING) {
		h->te = value;
		h->tes++;
	} else {
		h->expect = value;
		h->expects++;
	}
	return 0;
}

/*
 * A name that reads as another one behind us (H13): (a) a framing name is an
 * attack, (b) an owned name is dropped. 1: dropped.
 */
static int
take_odd_name(struct h1_request *q, struct str name, struct h1_error *err)
{
	char folded[256];
	unsigned classes = field_alias_classes(name, folded);

	q->odd_names = true;
	if (classes & (CLASS_HOP | CLASS_FRAMING))
		return bad(err, REASON_OWNED_HEADER);
	if (classes == 0)
		return 0;
	q->aliases++;
	return 1;
}

int
h1_take_field(struct h1_request *q, struct h1_facts *h, const struct h1_line *l,
    struct h1_error *err)
{
	enum field_id id = field_lookup(l->name);
	int r;

	switch ((unsigned)id) {
	case FIELD_HOST:
	case FIELD_CONTENT_LENGTH:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_EXPECT:
		return take_framing(q, h, id, l->value, err);
	case FIELD_AUTHORIZATION:				/* H17 */
		if (h->authorizations++ > 0)
			return bad(err, REASON_BAD_REQUEST);
		break;
	case FIELD_MAX_FORWARDS:
		h->forwards = l->value;
		h->forwardings++;
		break;
	case FIELD_CONNECTION:
		h->connections++;
		break;
	case FIELD_OTHER:
		if (l->odd && (r = take_odd_name(q, l->name, err)) != 0)
			return r < 0 ? r : 0;
		break;
	default:
		break;
	}
	if ((id == FIELD_CONNECTION || id == FIELD_UPGRADE ||
	    field_classes(id) & (CLASS_MANAGED | CLASS_CLAIM)) &&
	    !ascii_only(l->value))				/* H06 */
		return bad(err, REASON_BAD_REQUEST);
	if (fields_push(q->fields, id, l->name, l->value) < 0)
		return h1_fail(err, 431, REASON_HEAD_TOO_LARGE, NULL);
	return 0;
}

/* ---- What the fields mean together ------------------------------------------ */

/* Host's port is left out when it is the scheme's own. */
static struct str
without_default_port(struct str host, struct str scheme)
{
	struct str port = scheme.n == 5 ? STR(":443") : STR(":80");

	return str_has_suffix(host, port) ? str_head(host, host.n - port.n) :
	    host;
}

static int
settle_host(struct h1_request *q, const struct h1_facts *h, struct h1_error *err)
{
	if (h->hosts > 1)					/* H09 */
		return h1_fail(err, 400, REASON_BAD_HOST,
		    "too many Host headers");
	if (h->hosts == 0 && !(q->has_host && q->h2)) {
		/* In 1.0 the caller decides (H08); an absolute form has one. */
		return q->minor == 0 ? 0 : h1_fail(err, 400, REASON_BAD_HOST,
		    "missing required Host header");		/* H07 */
	}
	if (h->hosts == 0)
		return 0;
	if (h1_check_host(h->host) < 0)				/* H10 */
		return h1_fail(err, 400, REASON_BAD_HOST,
		    "malformed Host header");
	if (q->has_host && !str_caseeq(			/* L17 */
	    without_default_port(q->host, q->scheme),
	    without_default_port(h->host, q->scheme)))
		return bad(err, REASON_BAD_HOST);
	if (!q->has_host)
		q->host = h->host;
	q->has_host = true;
	return 0;
}

/* Parameters of a coding: *( ";" token "=" ( token / quoted ) ). */
static bool
parameters_valid(struct str rest)
{
	struct str param;

	while (str_next(&rest, ';', &param)) {
		ptrdiff_t eq = str_chr(param, '=');
		struct str v;

		if (eq <= 0 || !token_valid(str_trim(str_head(param,
		    (size_t)eq)), TOKEN_CHAR))
			return false;
		v = str_trim(str_from(param, (size_t)eq + 1));
		if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
			continue;
		if (!token_valid(v, TOKEN_CHAR))
			return false;
	}
	return true;
}

/*
 * A Transfer-Encoding other than plain "chunked": 501 when it is well-formed
 * and merely unknown (F08), 400 when anything about it is odd (F07).
 */
static int
refuse_coding(struct str te, struct h1_error *err)
{
	struct str item, name;
	bool chunked = false;

	do {
		if (chunked || !str_next(&te, ',', &item) ||
		    !str_next(&item, ';', &name) ||
		    !token_valid(name, TOKEN_CHAR) || !parameters_valid(item))
			return bad(err, REASON_BAD_FRAMING);
		chunked = str_caseeq(name, STR("chunked"));
		if (chunked && item.p != NULL)
			return bad(err, REASON_BAD_FRAMING);
	} while (te.p != NULL);
	return h1_fail(err, 501, REASON_CODING, NULL);
}

static int
settle_framing(struct h1_request *q, const struct h1_facts *h, struct h1_error *err)
{
	if ((h->lengths > 0 && h->tes > 0) || h->lengths > 1 || h->tes > 1 ||
	    (h->tes > 0 && q->minor == 0))		/* F01, F02, F07, F09 */
		return bad(err, REASON_BAD_FRAMING);
	if (h->tes == 0) {
		q->framing = h->lengths > 0 && q->length > 0 ? H1_LENGTH :
		    q->open && h->lengths == 0 ? H1_CHUNKED : H1_NONE;
		return 0;
	}
	if (!str_caseeq(h->te, STR("chunked")))			/* F06 */
		return refuse_coding(h->te, err);
	q->framing = H1_CHUNKED;
	return 0;
}

static int
settle_expect(struct h1_request *q, const struct h1_facts *h, struct h1_error *err)
{
	if (h->expects == 0 || q->minor == 0 || q->framing == H1_NONE)
		return 0;					/* C05 */
	if (h->expects > 1 || !str_caseeq(h->expect, STR("100-continue")))
		return h1_fail(err, 417, REASON_EXPECT, NULL);	/* C04 */
	q->expect_continue = true;
	return 0;
}

static int
settle_connection(struct h1_request *q, const struct h1_facts *h,
    struct h1_error *err)
{
	bool close = false, keep = false;

	for (unsigned i = 0; h->connections > 0 && i < q->fields->n; i++) {
		const struct field *f = &q->fields->v[i];
		struct str list = field_value(f), item;

		if (f->id != FIELD_CONNECTION)
			continue;
		while (str_next(&list, ',', &item)) {
			close |= str_caseeq(item, STR("close"));
			keep |= str_caseeq(item, STR("keep-alive"));
			if (str_caseeq(item, STR("host")) ||	/* H14 */
			    str_caseeq(item, STR("content-length")) ||
			    str_caseeq(item, STR("transfer-encoding")))
				return bad(err, REASON_BAD_FRAMING);
		}
	}
	q->keep_alive = q->minor == 1 ? !close : keep && !close; /* C13 */
	return 0;
}

static int
settle_forwards(struct h1_request *q, const struct h1_facts *h,
    struct h1_error *err)
{
	uint64_t n;

	if (h->forwardings == 0 || !str_eq(q->method, STR("OPTIONS")))
		return 0;
	if (h->forwardings > 1 || str_u64(h->forwards, &n) == -EINVAL)
		return bad(err, REASON_BAD_REQUEST);		/* H19 */
	if (str_u64(h->forwards, &n) < 0 || n > INT32_MAX)
		n = INT32_MAX;
	q->max_forwards = (int32_t)n;
	return 0;
}

int
h1_settle(struct h1_request *q, const struct h1_facts *h, struct h1_error *err)
{
	int r;

	if ((r = settle_host(q, h, err)) < 0 ||
	    (r = settle_framing(q, h, err)) < 0 ||
	    (r = settle_connection(q, h, err)) < 0 ||
	    (r = settle_forwards(q, h, err)) < 0)
		return r;
	return settle_expect(q, h, err);
}

/* Why a field line could not be read. */
static int
field_fault(int r, struct h1_error *err)
{
	if (r == -E2BIG)
		return h1_fail(err, 431, REASON_HEAD_TOO_LARGE, NULL);
	return h1_fail(err, 400, REASON_BAD_REQUEST,
	    r == -EINVAL ? "invalid header name" : NULL);
}

int
h1_parse_request(struct h1_request *q, struct fields *fields, const char *p,
    size_t n, const struct h1_limits *lim, struct h1_error *err)
{
	struct str rest = { p, n };
	struct h1_facts h = { .hosts = 0 };
	struct h1_line l;
	unsigned lines = 0;
	int r;

	*q = (struct h1_request){ .fields = fields, .max_forwards = -1 };
	fields->n = 0;
	if ((r = take_line(q, &rest, err)) < 0)
		return r;
	while ((r = h1_read_field(&rest, NULL, &l)) > 0) {
		if (lines++ >= lim->fields)			/* H11 */
			return h1_fail(err, 431, REASON_HEAD_TOO_LARGE, NULL);
		if ((r = h1_take_field(q, &h, &l, err)) < 0)
			return r;
	}
	if (r < 0)
		return field_fault(r, err);
	return h1_settle(q, &h, err);
}
