/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request heads: the result does not depend on how the bytes are cut, what is
 * accepted is clean, and writing it again and reading that gives the same.
 */
#include "h1_check.h"
#include "h1_write.h"

static struct field store[FIELDS_MAX], store2[FIELDS_MAX];

struct outcome {
	int r;			/* bytes of the head, 0 more, negative refused */
	struct h1_error err;
};

/* Fed in pieces of `step` bytes; q's spans point into *ret_copy. */
static struct outcome
feed(const uint8_t *data, size_t size, size_t step, struct h1_request *q,
    struct fields *fs, char **ret_copy)
{
	struct outcome o = { .r = 0 };
	struct h1_scan scan = { .at = 0 };

	*ret_copy = NULL;
	for (size_t have = 0; o.r == 0 && have < size;) {
		have = size - have > step ? have + step : size;
		free(*ret_copy);
		*ret_copy = check_copy(data, have);
		o.r = h1_scan(&scan, *ret_copy, have, &check_limits, &o.err);
		CLAIM(o.r <= (int)have);
		CLAIM(h1_peek_host(str_n(*ret_copy, have)).n <= have);
		if (o.r > 0 && h1_parse_request(q, fs, *ret_copy, (size_t)o.r,
		    &check_limits, &o.err) < 0)
			o.r = -1;
	}
	if (o.r < 0) {
		CLAIM(o.err.status >= 400 && o.err.status <= 505);
		CLAIM(o.err.reason != REASON_NONE);
	}
	return o;
}

static void
check_clean(const struct h1_request *q)
{
	check_fields(q->fields);
	CLAIM(q->fields->n <= check_limits.fields);
	CLAIM(token_valid(q->method, TOKEN_METHOD));
	CLAIM(token_valid(q->path, TOKEN_PATH));
	CLAIM(q->query.n == 0 || token_valid(q->query, TOKEN_TARGET));
	CLAIM(!q->has_host || h1_check_host(q->host) == 0);
	CLAIM(q->has_host || q->minor == 0);
	CLAIM(q->framing != H1_UNTIL_CLOSE);
	CLAIM(fields_find(q->fields, FIELD_HOST) == NULL);
	CLAIM(fields_find(q->fields, FIELD_CONTENT_LENGTH) == NULL);
	CLAIM(fields_find(q->fields, FIELD_TRANSFER_ENCODING) == NULL);
}

static void
check_round_trip(const struct h1_request *q)
{
	struct fields fs = { store2, 0, FIELDS_MAX };
	struct h1_out_request out = { .method = q->method, .path = q->path,
	    .query = q->query, .host = q->host, .fields = q->fields,
	    .length = q->length, .framing = q->framing,
	    .has_query = q->has_query };
	const struct h1_limits wide = { 65536, 65536, 65536, 128 };
	size_t n = h1_request_size(&out);
	char *text = check_alloc(n);
	struct h1_scan scan = { .at = 0 };
	struct h1_error err;
	struct h1_request back;

	CLAIM(n > 0 && h1_write_request(&out, text) == n);
	CLAIM(h1_scan(&scan, text, n, &wide, &err) == (int)n);
	if (q->has_host) {
		CLAIM(h1_parse_request(&back, &fs, text, n, &wide, &err) == 0);
		CLAIM(str_eq(back.method, q->method));
		CLAIM(str_eq(back.path, q->path));
		CLAIM(str_eq(back.query, q->query));
		CLAIM(str_eq(back.host, q->host));
		CLAIM(back.has_query == q->has_query);
		CLAIM(back.framing == q->framing);
		CLAIM(q->framing != H1_LENGTH || back.length == q->length);
		check_same_fields(q->fields, &fs);
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 2, 7, 64 };
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_request q, q2;
	struct outcome whole, part;
	struct h1_hop hop;
	char *copy, *copy2;

	if (size > 4096)
		size = 4096;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct fields fs2 = { store2, 0, FIELDS_MAX };

		whole = feed(data, size, size + 1, &q, &fs, &copy);
		part = feed(data, size, steps[i], &q2, &fs2, &copy2);
		CLAIM(whole.r == part.r || (whole.r < 0 && part.r < 0));
		if (whole.r < 0) {
			CLAIM(whole.err.status == part.err.status);
			CLAIM(whole.err.reason == part.err.reason);
			CLAIM(whole.err.detail == part.err.detail);
		} else if (whole.r > 0) {
			CLAIM(q.framing == q2.framing);
			CLAIM(q.length == q2.length);
			CLAIM(q.keep_alive == q2.keep_alive);
			check_same_fields(&fs, &fs2);
		}
		free(copy2);
		if (i + 1 < ARRAY_SIZE(steps))
			free(copy);
	}
	if (whole.r > 0) {
		check_clean(&q);
		check_round_trip(&q);
		h1_strip_hop(&fs, true, NULL, 0, &hop);
		check_fields(&fs);
		FIELDS_EACH(&fs, f)
			CLAIM((field_classes((enum field_id)f->id) &
			    CLASS_HOP) == 0);
	}
	free(copy);
	return 0;
}
