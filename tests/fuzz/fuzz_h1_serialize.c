/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing heads from any model: whatever middlewares may have put into it, the
 * bytes are one head, and reading them gives the model back. The input is a
 * list of parts that end in a byte 0xfe: method, path, query, host,
 * then names and values in turn; the first byte chooses the framing.
 */
#include "h1_check.h"
#include "h1_write.h"

static struct field store[FIELDS_MAX], store2[FIELDS_MAX];

static struct str
part(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *q = *p != end ? memchr(*p, 0xfe, (size_t)(end - *p)) :
	    NULL;
	struct str s = { (const char *)*p, (size_t)((q != NULL ? q : end) -
	    *p) };

	*p = q != NULL ? q + 1 : end;
	return s;
}

/* CRLF ends each of `lines` lines, and no control byte stands elsewhere. */
static void
check_lines(const char *p, size_t n, unsigned lines)
{
	unsigned count = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\r') {
			CLAIM(i + 1 < n && p[i + 1] == '\n');
			count++;
			i++;
		} else
			CLAIM(token_is((unsigned char)p[i], TOKEN_VALUE));
	}
	CLAIM(count == lines);
	CLAIM(n >= 4 && memcmp(p + n - 4, "\r\n\r\n", 4) == 0);
}

static void
check_request(const struct h1_out_request *q, unsigned lines)
{
	const struct h1_limits wide = { 65536, 65536, 1 << 20, 128 };
	struct fields fs = { store2, 0, FIELDS_MAX };
	size_t n = h1_request_size(q);
	char *text = check_alloc(n);
	struct h1_scan scan = { .at = 0 };
	struct h1_error err;
	struct h1_request back;

	CLAIM(h1_write_request(q, text) == n);
	if (n > 0) {
		check_lines(text, n, lines);
		CLAIM(h1_scan(&scan, text, n, &wide, &err) == (int)n);
	}
	if (n > 0 && h1_parse_request(&back, &fs, text, n, &wide,
	    &err) == 0 && back.aliases == 0 && back.scheme.n == 0) {
		CLAIM(str_eq(back.method, q->method));
		CLAIM(str_eq(back.path, q->path) && str_eq(back.host, q->host));
		CLAIM(str_eq(back.query, q->has_query ? q->query : STR("")));
		CLAIM(back.framing == q->framing ||
		    (q->framing == H1_LENGTH && q->length == 0));
		CLAIM(q->framing != H1_LENGTH || back.length == q->length);
	}
	free(text);
}

static void
check_response(struct fields *fs, const struct h1_out_request *q,
    unsigned lines)
{
	struct h1_out_response a = { .fields = fs, .minor = 1,
	    .status = 100 + (unsigned)q->length % 900, .length = q->length,
	    .has_length = true };
	size_t n = h1_response_size(&a);
	char *text = check_alloc(n);

	CLAIM(h1_write_response(&a, text) == n);
	check_lines(text, n, lines);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	struct fields fs = { store, 0, 64 };
	struct h1_out_request q = { .fields = &fs };
	unsigned added = 0, framing = 0, hosts = 0;

	if (size < 9 || size > 16384)
		return 0;
	q.framing = *p % 3;
	q.has_query = *p & 4;
	memcpy(&q.length, p + 1, 8);
	p += 9;
	q.method = part(&p, end);
	q.path = part(&p, end);
	q.query = part(&p, end);
	q.host = part(&p, end);
	/* "/a?b" would be read as a path and a query, "/" as "/": not equal. */
	if (str_chr(q.path, '?') >= 0)
		return 0;
	while (p < end) {
		struct str name = part(&p, end), value = part(&p, end);
		enum field_id id = field_lookup(name);

		if (fields_add(&fs, name, value) < 0)
			continue;
		added++;
		framing += id == FIELD_CONTENT_LENGTH ||
		    id == FIELD_TRANSFER_ENCODING;
		hosts += id == FIELD_HOST;
	}
	CLAIM(added == fs.n);
	for (unsigned i = 0; i < fs.n; i++)
		CLAIM(field_name_valid(field_name(&fs.v[i])) &&
		    field_value_valid(field_value(&fs.v[i])));
	added -= framing;
	/* Request line, Host, fields, framing, the empty line. */
	check_request(&q, 3 + added - hosts + (q.framing != H1_NONE));
	/* Status line, fields, Content-Length, the empty line. */
	check_response(&fs, &q, 3 + added);
	return 0;
}
