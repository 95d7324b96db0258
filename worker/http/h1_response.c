/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Response heads: security rows H1-R. What is ambiguous is refused, because a
 * misread length would hand one user's bytes to another.
 */
#include "h1_head.h"
#include "token.h"

#include <errno.h>

/* "HTTP/1.1 200 reason"; the reason phrase is dropped (R08). */
static int
parse_line(struct h1_response *a, struct str line)
{
	if (line.n < 12 || !str_has_prefix(line, STR("HTTP/1.")) ||
	    line.p[7] < '0' || line.p[7] > '1' || line.p[8] != ' ' ||
	    (line.n > 12 && line.p[12] != ' '))
		return -EBADMSG;
	for (int i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return -EBADMSG;
		a->status = a->status * 10 + (unsigned)(line.p[i] - '0');
	}
	for (size_t i = 12; i < line.n; i++)
		if (!token_is((unsigned char)line.p[i], TOKEN_VALUE))
			return -EBADMSG;
	a->minor = (uint8_t)(line.p[7] - '0');
	return a->status >= 100 ? 0 : -EBADMSG;
}

struct head { unsigned tes; bool close, keep, chunked; };

static int
take_length(struct h1_response *a, struct str value)
{
	uint64_t n;

	if (h1_parse_length(value, &n) < 0)
		return -EBADMSG;
	if (a->has_length && n != a->length)			/* R02 */
		return -EBADMSG;
	a->has_length = true;
	a->length = n;
	return 0;
}

static int
take_field(struct h1_response *a, struct head *h, struct str name,
    struct str value)
{
	enum field_id id = field_lookup(name);
	struct str list = value, item;

	if (id == FIELD_CONTENT_LENGTH)
		return take_length(a, value);
	if (id == FIELD_TRANSFER_ENCODING) {
		h->chunked = str_caseeq(value, STR("chunked"));
		h->tes++;
		return 0;
	}
	if (id == FIELD_CONNECTION)
		while (str_next(&list, ',', &item)) {
			h->close |= str_caseeq(item, STR("close"));
			h->keep |= str_caseeq(item, STR("keep-alive"));
		}
	return fields_add(a->fields, name, value) < 0 ? -EBADMSG : 0;
}

static int
settle(struct h1_response *a, const struct head *h, struct str method)
{
	bool bodyless = a->status < 200 || a->status == 204 ||
	    a->status == 304 || str_eq(method, STR("HEAD"));

	if (h->tes > 0 && (h->tes > 1 || !h->chunked || a->minor == 0 ||
	    a->has_length))					/* R01, R03 */
		return -EBADMSG;
	a->keep_alive = a->minor == 1 ? !h->close : h->keep && !h->close;
	if (bodyless)
		a->framing = H1_NONE;
	else if (h->tes > 0)
		a->framing = H1_CHUNKED;
	else if (a->has_length)
		a->framing = a->length > 0 ? H1_LENGTH : H1_NONE;
	else {
		a->framing = H1_UNTIL_CLOSE;
		a->keep_alive = false;
	}
	/* A length that goes with no body on 1xx and 204 means nothing (R07). */
	if (a->status < 200 || a->status == 204)
		a->has_length = false;
	return 0;
}

int
h1_parse_response(struct h1_response *a, struct fields *fields, const char *p,
    size_t n, const struct h1_limits *lim, struct str method)
{
	struct str rest = { p, n }, line, name, value;
	struct head h = { .tes = 0 };

	*a = (struct h1_response){ .fields = fields };
	fields->n = 0;
	if (h1_next_line(&rest, false, &line) < 0 || parse_line(a, line) < 0)
		return -EBADMSG;
	while (h1_next_line(&rest, false, &line) == 0) {
		if (line.n == 0)
			return settle(a, &h, method);
		if (h1_split_field(line, &name, &value) < 0 ||
		    fields->n >= lim->fields ||
		    take_field(a, &h, name, value) < 0)
			return -EBADMSG;
	}
	return -EBADMSG;
}
