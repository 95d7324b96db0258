/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Response heads of HTTP/2, from lines "name TAB value": what is accepted is as
 * clean as on HTTP/1 and reads back the same from such a head. The first byte
 * tells the request's method, H for HEAD; in lower case the stream ends.
 */
#include "h1_check.h"
#include "h1_write.h"
#include "h2_response.h"

static struct field store[FIELDS_MAX], store2[FIELDS_MAX];

static void
take_line(struct str *status, struct fields *fs, struct str line)
{
	ptrdiff_t tab = str_chr(line, '\t');
	struct str name, value;

	if (tab < 0)
		return;
	name = str_head(line, (size_t)tab);
	value = str_from(line, (size_t)tab + 1);
	if (str_eq(name, STR(":status")))
		*status = value;
	/* Room for the framing line, which HTTP/1 counts as one. */
	else if (fs->n < FIELDS_RECEIVED - 1 && name.n <= UINT16_MAX)
		(void)fields_push(fs, FIELD_OTHER, name, value);
}

static void
check_as_http1(const struct h1_response *a, struct str method)
{
	static const struct h1_limits wide = { 65536, 65536, 65536, 128 };
	struct fields fs = { store2, 0, FIELDS_MAX };
	struct h1_out_response out = { .status = a->status,
	    .fields = a->fields, .length = a->length,
	    .has_length = a->has_length, .minor = 1,
	    .framing = a->framing == H1_CHUNKED ? H1_CHUNKED : H1_NONE };
	size_t n = h1_response_size(&out);
	char *text = check_alloc(n);
	struct h1_response back;

	CLAIM(h1_write_response(&out, text) == n);
	CLAIM(h1_parse_response(&back, &fs, text, n, &wide, method) == 0);
	CLAIM(back.status == a->status);
	CLAIM(back.has_length == a->has_length);
	check_same_fields(a->fields, &fs);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fields fs = { store, 0, FIELDS_MAX };
	struct str status = STR_NONE, method, rest, line;
	struct h1_response a;
	bool ended;
	char *copy;

	if (size == 0)
		return 0;
	method = (data[0] | 0x20) == 'h' ? STR("HEAD") : STR("GET");
	ended = data[0] & 0x20;
	size = size > 4096 ? 4095 : size - 1;
	copy = check_copy(data + 1, size);
	rest = str_n(copy, size);
	while (str_next(&rest, '\n', &line))
		take_line(&status, &fs, line);
	if (h2_parse_response(&a, &fs, status, ended, method) == 0) {
		check_fields(&fs);
		CLAIM(a.status >= 100 && a.status <= 599 && a.status != 101);
		CLAIM(a.framing != H1_UNTIL_CLOSE);
		CLAIM(!ended || (a.framing == H1_NONE && a.status >= 200));
		CLAIM(a.framing != H1_LENGTH || a.has_length);
		CLAIM(fields_find(&fs, FIELD_CONTENT_LENGTH) == NULL);
		CLAIM(fields_find(&fs, FIELD_TRANSFER_ENCODING) == NULL);
		CLAIM(fields_find(&fs, FIELD_CONNECTION) == NULL);
		check_as_http1(&a, method);
		CLAIM(h2_parse_trailers(&fs) == 0);
		check_fields(&fs);
	}
	free(copy);
	return 0;
}
