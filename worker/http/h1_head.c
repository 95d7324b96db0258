/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the end of a head, and reading its field lines; see h1.h. */
#include "h1_head.h"

#include "token.h"

#include <errno.h>

static int
fail(struct h1_error *err, unsigned status, enum reason reason)
{
	*err = (struct h1_error){ status, reason };
	return -EBADMSG;
}

/* A line that is too long must be refused before its end arrives. */
static int
check_open_line(const struct h1_scan *s, size_t n, const struct h1_limits *lim,
    struct h1_error *err)
{
	size_t len = n - s->line;

	if (s->lines == 0 && len > lim->line)
		return fail(err, 414, REASON_URI_TOO_LONG);
	if (s->lines > 0 && len > lim->field)
		return fail(err, 431, REASON_HEAD_TOO_LARGE);
	if (n > lim->head)
		return fail(err, 431, REASON_HEAD_TOO_LARGE);
	return 0;
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

	if (!crlf && !s->response)
		return fail(err, 400, REASON_BAD_REQUEST);
	if ((r = check_open_line(s, end, lim, err)) < 0)
		return r;
	if (len == (crlf ? 2u : 1u)) {
		if (s->lines > 0)
			return 1;
		/* One empty line before the request line is let pass (L01). */
		if (s->skip != 0 || s->response)
			return fail(err, 400, REASON_BAD_REQUEST);
		s->skip = (uint32_t)end;
	} else if (s->lines++ > lim->fields)
		return fail(err, 431, REASON_HEAD_TOO_LARGE);
	s->line = (uint32_t)end;
	return 0;
}

int
h1_scan(struct h1_scan *s, const char *p, size_t n, const struct h1_limits *lim,
    struct h1_error *err)
{
	int r;

	/* Binary junk, TLS for one, is told from its first byte. */
	if (s->lines == 0 && n > s->line && p[s->line] != '\r' &&
	    p[s->line] != '\n' &&
	    !token_is((unsigned char)p[s->line], TOKEN_CHAR))
		return fail(err, 400, REASON_BAD_REQUEST);
	while (s->at < n) {
		const char *lf = memchr(p + s->at, '\n', n - s->at);

		if (lf == NULL) {
			s->at = (uint32_t)n;
			break;
		}
		s->at = (uint32_t)(lf - p) + 1;
		if ((r = scan_line(s, p, s->at, lim, err)) != 0)
			return r < 0 ? r : (int)s->at;
	}
	return check_open_line(s, n, lim, err);
}

int
h1_next_line(struct str *rest, bool strict, struct str *ret)
{
	const char *lf = rest->n != 0 ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t len;

	if (lf == NULL)
		return -EBADMSG;
	len = (size_t)(lf - rest->p);
	*ret = str_head(*rest, len);
	*rest = str_from(*rest, len + 1);
	if (ret->n > 0 && ret->p[ret->n - 1] == '\r')
		ret->n--;
	else if (strict)
		return -EBADMSG;
	return 0;
}

int
h1_split_field(struct str line, struct str *ret_name, struct str *ret_value)
{
	size_t i = 0;
	struct str value;

	/* Also refuses obs-fold and blanks around the name (H01-H03). */
	while (i < line.n && token_is((unsigned char)line.p[i], TOKEN_CHAR))
		i++;
	if (i == 0 || i > 256 || i == line.n || line.p[i] != ':')
		return -EBADMSG;
	*ret_name = str_head(line, i);
	value = str_trim(str_from(line, i + 1));
	for (i = 0; i < value.n; i++)
		if (!token_is((unsigned char)value.p[i], TOKEN_VALUE))
			return -EBADMSG;
	*ret_value = value;
	return 0;
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
	struct str rest = { p, n }, line, name, value;
	int r;

	fields->n = 0;
	while ((r = h1_next_line(&rest, true, &line)) == 0 && line.n > 0) {
		if ((r = h1_split_field(line, &name, &value)) < 0)
			return r;
		if (fields->n >= lim->fields || fields_add(fields, name,
		    value) < 0)
			return -EBADMSG;
	}
	return r;
}
