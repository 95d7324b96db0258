/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Response heads: as for requests. The first byte tells the request's method,
 * H for HEAD.
 */
#include "h1_check.h"
#include "h1_write.h"

static struct field store[FIELDS_MAX], store2[FIELDS_MAX];

static int
feed(const uint8_t *data, size_t size, size_t step, struct str method,
    struct h1_response *a, struct fields *fs, char **ret_copy)
{
	struct h1_scan scan = { .response = true };
	struct h1_error err;
	int r = 0;

	*ret_copy = NULL;
	for (size_t have = 0; r == 0 && have < size;) {
		have = size - have > step ? have + step : size;
		free(*ret_copy);
		*ret_copy = check_copy(data, have);
		r = h1_scan(&scan, *ret_copy, have, &check_limits, &err);
		CLAIM(r <= (int)have);
		if (r < 0) {
			CLAIM(err.status == 502);
			return err.reason == REASON_UPSTREAM_TOO_LARGE ? -2 :
			    -1;
		}
		if (r > 0 && h1_parse_response(a, fs, *ret_copy, (size_t)r,
		    &check_limits, method) < 0)
			return -1;
	}
	return r;
}

static void
check_round_trip(const struct h1_response *a, struct str method)
{
	struct fields fs = { store2, 0, FIELDS_MAX };
	struct h1_out_response out = { .status = a->status,
	    .fields = a->fields, .length = a->length,
	    .has_length = a->has_length, .framing = a->framing, .minor = 1 };
	const struct h1_limits wide = { 65536, 65536, 65536, 128 };
	size_t n = h1_response_size(&out);
	char *text = check_alloc(n);
	struct h1_scan scan = { .response = true };
	struct h1_response back;
	struct h1_error err;

	CLAIM(h1_write_response(&out, text) == n);
	CLAIM(h1_scan(&scan, text, n, &wide, &err) == (int)n);
	CLAIM(h1_parse_response(&back, &fs, text, n, &wide, method) == 0);
	CLAIM(back.status == a->status);
	CLAIM(back.framing == a->framing);
	CLAIM(back.has_length == a->has_length);
	CLAIM(!a->has_length || back.length == a->length);
	check_same_fields(a->fields, &fs);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 2, 7, 64 };
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_response a, b;
	struct str method;
	struct h1_hop hop;
	char *copy, *copy2;
	int r;

	if (size == 0)
		return 0;
	method = data[0] == 'H' ? STR("HEAD") : STR("GET");
	data++;
	size = size > 4096 ? 4095 : size - 1;
	r = feed(data, size, size + 1, method, &a, &fs, &copy);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct fields fs2 = { store2, 0, FIELDS_MAX };

		CLAIM(feed(data, size, steps[i], method, &b, &fs2,
		    &copy2) == r);
		if (r > 0)
			check_same_fields(&fs, &fs2);
		free(copy2);
	}
	if (r > 0) {
		check_fields(&fs);
		CLAIM(a.status >= 100 && a.status <= 599);
		CLAIM(a.framing != H1_UNTIL_CLOSE || !a.keep_alive);
		CLAIM(a.framing == H1_NONE || !str_eq(method, STR("HEAD")));
		check_round_trip(&a, method);
		h1_strip_hop(&fs, false, NULL, 0, &hop);
		check_fields(&fs);
	}
	free(copy);
	return 0;
}
