/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Response heads: security rows H1-R. What is ambiguous is refused, because a
 * misread length would hand one user's bytes to another.
 */
#include "h1_head.h"
#include "token.h"

/* "HTTP/1.1 200 reason"; the reason phrase is dropped (R08). */
static int
parse_line(struct h1_response *a, struct str line)
{
	if (line.n < 12 || !str_has_prefix(line, STR("HTTP/1.")) ||
	    line.p[7] < '0' || line.p[7] > '9' || line.p[8] != ' ' ||
	    (line.n > 12 && line.p[12] != ' '))
		return -EBADMSG;
	for (int i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return -EBADMSG;
		a->status = a->status * 10 + (unsigned)(line.p[i] - '0');
	}
	if (line.n > 12 && !token_valid(str_from(line, 12), TOKEN_VALUE))
		return -EBADMSG;
	/* A later 1.x speaks the language of 1.1 (RFC 9110 6.2). */
	a->minor = line.p[7] != '0';
	return a->status >= 100 && a->status <= 599 ? 0 : -EBADMSG;
}

int
h1_check_status_line(struct str head)
{
	struct h1_response a = { .status = 0 };
	struct str line;
	bool bare;

	return h1_read_line(&head, &bare, &line) < 0 ? -EBADMSG :
	    parse_line(&a, line);
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
	a->equal_lengths |= a->has_length;
	a->has_length = true;
	a->length = n;
	return 0;
}

static int
take_field(struct h1_response *a, struct head *h, const struct h1_line *l)
{
	enum field_id id = field_lookup(l->name);
	struct str list = l->value, item;

	if (id == FIELD_CONTENT_LENGTH)
		return take_length(a, l->value);
	if (id == FIELD_TRANSFER_ENCODING) {
		h->chunked = str_caseeq(l->value, STR("chunked"));
		h->tes++;
		return 0;
	}
	if (id == FIELD_CONNECTION)
		while (str_next(&list, ',', &item)) {
			h->close |= str_caseeq(item, STR("close"));
			h->keep |= str_caseeq(item, STR("keep-alive"));
		}
	return fields_push(a->fields, id, l->name, l->value);
}

static int
settle(struct h1_response *a, const struct head *h, struct str method)
{
	bool never = a->status < 200 || a->status == 204;
	bool bodyless = never || a->status == 304 ||
	    str_eq(method, STR("HEAD"));

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
		a->framing = H1_UNTIL_CLOSE;			/* R04 */
		a->keep_alive = false;
	}
	/*
	 * A body announced where none may be: the length means nothing and the
	 * bytes may still come, so the connection is not used again (R07).
	 */
	if (never) {
		if (h->tes > 0 || (a->has_length && a->length > 0))
			a->keep_alive = false;
		a->has_length = false;
	}
	return 0;
}

int
h1_parse_response(struct h1_response *a, struct fields *fields, const char *p,
    size_t n, const struct h1_limits *lim, struct str method)
{
	struct str rest = { p, n }, line;
	struct head h = { .tes = 0 };
	struct h1_line l;
	unsigned lines = 0;
	int r;

	*a = (struct h1_response){ .fields = fields };
	fields->n = 0;
	if (h1_read_line(&rest, &a->bare_lf, &line) < 0 ||
	    parse_line(a, line) < 0)
		return -EBADMSG;
	while ((r = h1_read_field(&rest, &a->bare_lf, &l)) > 0) {
		if (lines++ >= lim->fields)
			return -EMSGSIZE;
		if (take_field(a, &h, &l) < 0)
			return -EBADMSG;
	}
	return r < 0 ? -EBADMSG : settle(a, &h, method);
}
