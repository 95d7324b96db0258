/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request heads of HTTP/2, from lines "name TAB value": what is accepted is as
 * clean as on HTTP/1 and can be written as such a head.
 */
#include "h1_check.h"
#include "h1_write.h"
#include "h2_request.h"

static struct field store[FIELDS_MAX];

static void
take_line(struct h2_head *head, struct fields *fs, struct str line)
{
	ptrdiff_t tab = str_chr(line, '\t');
	struct str name, value;

	if (tab < 0)
		return;
	name = str_head(line, (size_t)tab);
	value = str_from(line, (size_t)tab + 1);
	if (str_eq(name, STR(":method")))
		head->method = value;
	else if (str_eq(name, STR(":scheme")))
		head->scheme = value;
	else if (str_eq(name, STR(":path")))
		head->path = value;
	else if (str_eq(name, STR(":authority"))) {
		head->authority = value;
		head->has_authority = true;
	} else if (str_eq(name, STR(":protocol"))) {
		head->protocol = value;
		head->has_protocol = true;
	} else if (fs->n < FIELDS_RECEIVED && field_name_valid(name) &&
	    str_trim(value).n == value.n &&
	    field_value_valid(value))
		(void)fields_push(fs, FIELD_OTHER, name, value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h2_head head = { .tls = true, .ended = size & 1 };
	struct h1_out_request out;
	struct h1_request q;
	struct h1_error err;
	char *copy = check_copy(data, size);
	struct str rest = str_n(copy, size), line;

	while (str_next(&rest, '\n', &line))
		take_line(&head, &fs, line);
	if (h2_parse_request(&q, &fs, &head, &err) < 0) {
		CLAIM(err.status == 0 || (err.status >= 400 &&
		    err.status <= 505));
	} else {
		check_fields(q.fields);
		CLAIM(q.has_host && h1_check_host(q.host) == 0);
		CLAIM(fields_find(q.fields, FIELD_HOST) == NULL);
		CLAIM(fields_find(q.fields, FIELD_CONTENT_LENGTH) == NULL);
		CLAIM(fields_find(q.fields, FIELD_TRANSFER_ENCODING) == NULL);
		/* An accepted CONNECT is the GET of a WebSocket by now. */
		CLAIM(!str_eq(q.method, STR("CONNECT")));
		CLAIM(!head.has_protocol || (q.framing == H1_NONE &&
		    str_eq(q.method, STR("GET"))));
		CLAIM(head.ended ? q.framing == H1_NONE :
		    q.framing != H1_UNTIL_CLOSE);
		out = (struct h1_out_request){ .method = q.method,
		    .path = q.path, .query = q.query, .has_query = q.has_query,
		    .host = q.host, .fields = q.fields, .framing = q.framing,
		    .length = q.length };
		CLAIM(h1_request_size(&out) > 0);
	}
	free(copy);
	return 0;
}
