/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the end of a head, and reading its lines; see h1.h. */
#include "h1_head.h"

#include "token.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- The end of the head ------------------------------------------------- */

static int
too_large(const struct h1_scan *s, bool line, struct h1_error *err)
{
	if (s->response)
		return h1_fail(err, 502, REASON_UPSTREAM_TOO_LARGE, NULL);
	return line ? h1_fail(err, 414, REASON_URI_TOO_LONG, NULL) :
	    h1_fail(err, 431, REASON_HEAD_TOO_LARGE, NULL);
}

static int
malformed(const struct h1_scan *s, struct h1_error *err)
{
	return s->response ?
	    h1_fail(err, 502, REASON_UPSTREAM_MALFORMED, NULL) :
	    h1_fail(err, 400, REASON_BAD_REQUEST, NULL);
}

/*
 * The line that begins at s->line has bytes up to n so far. A line that is too
 * long is refused before its end arrives; whichever limit comes first names
 * the fault.
 */
static int
check_limits(const struct h1_scan *s, size_t n, const struct h1_limits *lim,
    struct h1_error *err)
{
	bool first = s->lines == 0;
	size_t line_max = s->line + (size_t)(first ? lim->line : lim->field);

	if (n > line_max && line_max <= lim->head)
		return too_large(s, first, err);
	return n > lim->head ? too_large(s, false, err) : 0;
}

/* What the first bytes tell: TLS or other protocols, before any line ends. */
static int
check_start(const struct h1_scan *s, const char *p, size_t n,
    struct h1_error *err)
{
	static const char version[] = "HTTP/1.";
	size_t have = n - s->line;

	if (s->response)
		return memcmp(p, version, have < 7 ? have : 7) == 0 ? 0 :
		    malformed(s, err);
	if (have == 0 || p[s->line] == '\r' || p[s->line] == '\n' ||
	    token_is((unsigned char)p[s->line], TOKEN_CHAR))
		return 0;
	if (p[s->line] == 0x16)					/* L25 */
		return h1_fail(err, 400, REASON_PLAIN_ON_TLS, NULL);
	return malformed(s, err);
}

/*
 * One complete line [s->line, end) with its LF at end - 1. Returns 1 when it
 * is the empty line that ends the head.
 */
static int
scan_line(struct h1_scan *s, const char *p, size_t end,
    const struct h1_limits *lim, struct h1_error *err)
{
	size_t len = end - s->line;
	bool crlf = len >= 2 && p[end - 2] == '\r';
	int r;

	if ((r = check_limits(s, end, lim, err)) < 0)
		return r;
	if (!crlf && !s->response)				/* L04, H04 */
		return malformed(s, err);
	if (len == (crlf ? 2u : 1u)) {
		if (s->lines > 0)
			return 1;
		/* One empty line before the request line is let pass (L01). */
		if (s->skip != 0 || s->response)		/* L02 */
			return malformed(s, err);
		s->skip = (uint32_t)end;
	} else if (s->lines++ > lim->fields)			/* H11 */
		return too_large(s, false, err);
	s->line = (uint32_t)end;
	return 0;
}

/*
 * Looks into the first line once it is there, so that its fault is told while
 * the client still waits, and wins over faults further on.
 */
static int
check_first_line(struct h1_scan *s, const char *p, size_t n,
    struct h1_error *err)
{
	struct str head = { p, n };

	if (s->checked || s->lines == 0)
		return 0;
	s->checked = true;
	if (!s->response)
		return h1_check_request_line(head, err);
	return h1_check_status_line(head) < 0 ? malformed(s, err) : 0;
}

int
h1_scan(struct h1_scan *s, const char *p, size_t n, const struct h1_limits *lim,
    struct h1_error *err)
{
	struct h1_error first;
	int r = 0;

	if (n == 0)
		return 0;
	while (r == 0) {
		const char *lf;

		if (s->lines == 0 && (r = check_start(s, p, n, err)) < 0)
			return r;
		lf = s->at < n ? memchr(p + s->at, '\n', n - s->at) : NULL;
		if (lf == NULL)
			break;
		s->at = (uint32_t)(lf - p) + 1;
		r = scan_line(s, p, s->at, lim, err);
	}
	if (r > 0)
		return (int)s->at;
	if (r == 0) {
		s->at = (uint32_t)n;
		r = check_limits(s, n, lim, err);
	}
	if (check_first_line(s, p, n, &first) < 0) {
		*err = first;
		r = -EBADMSG;
	}
	return r;
}

struct str
h1_peek_host(struct str head)
{
	struct str line;
	const char *lf;

	while ((lf = head.n > 0 ? memchr(head.p, '\n', head.n) : NULL) != NULL) {
		line = str_head(head, (size_t)(lf - head.p));
		head = str_from(head, line.n + 1);
		if (str_has_caseprefix(line, STR("host:")))
			return str_trim(str_from(line, 5).n > 0 &&
			    line.p[line.n - 1] == '\r' ? str_n(line.p + 5,
			    line.n - 6) : str_from(line, 5));
	}
	return STR_NONE;
}

/* ---- Lines ----------------------------------------------------------------- */

/* The first byte that no field value may hold, or end. */
static inline const char *
value_end(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i ctl = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'),
	    del = _mm_set1_epi8(0x7f);

	while (end - p >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, ctl), v);
		__m128i bad = _mm_or_si128(_mm_andnot_si128(
		    _mm_cmpeq_epi8(v, tab), low), _mm_cmpeq_epi8(v, del));
		unsigned m = (unsigned)_mm_movemask_epi8(bad);

		if (m != 0)
			return p + __builtin_ctz(m);
		p += 16;
	}
#endif
	while (p < end && token_is((unsigned char)*p, TOKEN_VALUE))
		p++;
	return p;
}

/* Steps over the line end at *p. */
static inline int
line_end(const char **p, const char *end, bool *bare)
{
	if (end - *p >= 2 && (*p)[0] == '\r' && (*p)[1] == '\n') {
		*p += 2;
		return 0;
	}
	if (bare == NULL || *p == end || **p != '\n')
		return -EBADMSG;
	*bare = true;
	*p += 1;
	return 0;
}

int
h1_read_line(struct str *rest, bool *bare, struct str *ret)
{
	const char *lf = rest->n != 0 ? memchr(rest->p, '\n', rest->n) : NULL;
	const char *p;

	if (lf == NULL)
		return -EBADMSG;
	p = lf > rest->p && lf[-1] == '\r' ? lf - 1 : lf;
	*ret = str_n(rest->p, (size_t)(p - rest->p));
	if (line_end(&p, lf + 1, bare) < 0)
		return -EBADMSG;
	*rest = str_n(p, rest->n - (size_t)(p - rest->p));
	return 0;
}

/* Why [name, p) is not followed by its colon. */
static int
name_fault(const char *name, const char *p, const char *end)
{
	const char *q = p;

	while (q < end && (*q == ' ' || *q == '\t'))
		q++;
	return q > p && p > name && q < end && *q == ':' ? -EINVAL : -EBADMSG;
}

int
h1_read_field(struct str *rest, bool *bare, struct h1_line *ret)
{
	const char *p = rest->p, *end = p + rest->n, *v;
	unsigned all = TOKEN_CHAR | TOKEN_PLAIN;

	if (p == end)
		return -EBADMSG;
	if (*p == '\r' || *p == '\n') {
		if (line_end(&p, end, bare) < 0)
			return -EBADMSG;
		*rest = str_n(p, (size_t)(end - p));
		return 0;
	}
	while (p < end && token_is((unsigned char)*p, TOKEN_CHAR))
		all &= token_class[(unsigned char)*p++];
	ret->name = str_n(rest->p, (size_t)(p - rest->p));
	if (ret->name.n == 0 || p == end || *p != ':')		/* H01-H03 */
		return name_fault(rest->p, p, end);
	if (ret->name.n > 256)					/* H11 */
		return -E2BIG;
	ret->odd = (all & TOKEN_PLAIN) == 0;
	for (p++; p < end && (*p == ' ' || *p == '\t'); p++)
		continue;
	v = p;
	p = value_end(p, end);
	*rest = str_n(p, (size_t)(end - p));
	for (; p > v && (p[-1] == ' ' || p[-1] == '\t'); p--)
		continue;
	ret->value = str_n(v, (size_t)(p - v));
	p = rest->p;
	if (line_end(&p, end, bare) < 0)			/* H04, H05 */
		return -EBADMSG;
	*rest = str_n(p, (size_t)(end - p));
	return 1;
}

int
h1_parse_length(struct str s, uint64_t *ret)
{
	if (s.n == 0 || s.n > 18 || (s.n > 1 && s.p[0] == '0'))
		return -EBADMSG;
	return str_u64(s, ret) < 0 ? -EBADMSG : 0;
}

int
h1_parse_trailers(struct fields *fields, const char *p, size_t n,
    const struct h1_limits *lim)
{
	struct str rest = { p, n };
	struct h1_line l;
	unsigned lines = 0;
	int r;

	fields->n = 0;
	while ((r = h1_read_field(&rest, NULL, &l)) > 0) {
		enum field_id id = field_lookup(l.name);

		if (lines++ >= lim->fields)
			return -EBADMSG;
		if (field_classes(id) & (CLASS_HOP | CLASS_FRAMING))
			continue;
		if (fields_push(fields, id, l.name, l.value) < 0)
			return -EBADMSG;
	}
	return r < 0 ? -EBADMSG : 0;
}
