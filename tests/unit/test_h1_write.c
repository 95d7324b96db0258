/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing heads: exact bytes, exact sizes, and parse(write(x)) == x. */
#include "h1.h"
#include "h1_write.h"
#include "token.h"
#include "unit.h"

#include <errno.h>

static const struct h1_limits limits = { 16384, 32768, 65536, 128 };
static struct field store[FIELDS_MAX], store2[FIELDS_MAX];

/* Writes into memory of exactly the announced size. */
static char *
write_request(const struct h1_out_request *q, size_t *ret_n)
{
	size_t n = h1_request_size(q);
	char *out = malloc(n + 1);

	*ret_n = h1_write_request(q, out);
	ck_assert_uint_eq(*ret_n, n);
	out[n] = '\0';
	return out;
}

static char *
write_response(const struct h1_out_response *a, size_t *ret_n)
{
	size_t n = h1_response_size(a);
	char *out = malloc(n + 1);

	*ret_n = h1_write_response(a, out);
	ck_assert_uint_eq(*ret_n, n);
	out[n] = '\0';
	return out;
}

START_TEST(test_request)	/* 1.6 */
{
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_out_request q = { .method = STR("POST"), .path = STR("/a%2F"),
	    .query = STR("b=c"), .has_query = true, .host = STR("x.test:81"),
	    .fields = &fs, .framing = H1_LENGTH, .length = 1234567890123 };
	char *out;
	size_t n;

	ck_assert_int_eq(fields_add(&fs, STR("x-LOWER"), STR("1")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("Gone"), STR("2")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("Empty"), STR("")), 0);
	ck_assert_int_eq(fields_add_id(&fs, FIELD_XFF, STR("1.2.3.4")), 0);
	/* N-02, N-03: never a second one. */
	ck_assert_int_eq(fields_add(&fs, STR("Host"), STR("b")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("content-length"), STR("1")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("Transfer-Encoding"), STR("x")),
	    0);
	fields_remove_name(&fs, STR("gone"));
	out = write_request(&q, &n);
	ck_assert_str_eq(out, "POST /a%2F?b=c HTTP/1.1\r\nHost: x.test:81\r\n"
	    "x-LOWER: 1\r\nEmpty: \r\nX-Forwarded-For: 1.2.3.4\r\n"
	    "Content-Length: 1234567890123\r\n\r\n");
	free(out);

	fs.n = 0;
	q = (struct h1_out_request){ .method = STR("PUT"), .path = STR("/"),
	    .has_query = true, .fields = &fs, .zero_length = true,
	    .te_trailers = true };
	out = write_request(&q, &n);
	ck_assert_str_eq(out, "PUT /? HTTP/1.1\r\nHost: \r\nTe: trailers\r\n"
	    "Content-Length: 0\r\n\r\n");
	free(out);

	q = (struct h1_out_request){ .method = STR("GET"), .path = STR("/"),
	    .host = STR("a"), .fields = &fs, .framing = H1_CHUNKED };
	out = write_request(&q, &n);
	ck_assert_str_eq(out, "GET / HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	free(out);
}
END_TEST

START_TEST(test_unsafe)	/* N-01, N-03 */
{
	static const struct str bad[] = { { "", 0 }, { "/a b", 4 },
	    { "/a\r\nX: y", 8 }, { "/a\n", 3 }, { "/\0", 2 }, { "/\x80", 2 },
	    { "/a#b", 4 } };
	struct fields fs = { store, 0, 4 };
	char out[8] = "";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct h1_out_request q = { .method = STR("GET"),
		    .path = bad[i], .host = STR("a"), .fields = &fs };

		ck_assert_uint_eq(h1_request_size(&q), 0);
		ck_assert_uint_eq(h1_write_request(&q, out), 0);
		q.path = STR("/");
		ck_assert_uint_gt(h1_request_size(&q), 0);
		q.method = bad[i];
		ck_assert_uint_eq(h1_request_size(&q), 0);
		q.method = STR("GET");
		if (i == 0)
			continue;
		q.host = bad[i];
		ck_assert_uint_eq(h1_request_size(&q), 0);
		q.host = STR("a");
		q.has_query = true;
		q.query = bad[i];
		ck_assert_uint_eq(h1_request_size(&q), 0);
	}
	ck_assert_int_eq(out[0], '\0');
	ck_assert_int_eq(fields_add(&fs, STR("A"), STR("b\r\nX: y")), -EINVAL);
	ck_assert_int_eq(fields_add(&fs, STR("A"), STR("b\n")), -EINVAL);
	ck_assert_int_eq(fields_add(&fs, STR("A"), STR("b\0")), -EINVAL);
	ck_assert_int_eq(fields_add(&fs, STR("A:"), STR("b")), -EINVAL);
	ck_assert_int_eq(fields_add(&fs, STR("A\n"), STR("b")), -EINVAL);
	ck_assert_int_eq(fields_add(&fs, STR(""), STR("b")), -EINVAL);
	ck_assert_int_eq(fields_add_id(&fs, FIELD_XFF, STR("\r")), -EINVAL);
	ck_assert_int_eq(fields_set_id(&fs, FIELD_XFF, STR("\r")), -EINVAL);
	ck_assert_uint_eq(fs.n, 0);
}
END_TEST

START_TEST(test_response)
{
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_out_response a = { .status = 503, .fields = &fs,
	    .has_length = true, .length = 0, .minor = 1, .close = true,
	    .date = "Sun, 06 Nov 1994 08:49:37 GMT" };
	char *out;
	size_t n;

	ck_assert_int_eq(fields_add(&fs, STR("Set-Cookie"), STR("a")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("set-cookie"), STR("b")), 0);
	out = write_response(&a, &n);
	ck_assert_str_eq(out, "HTTP/1.1 503 Service Unavailable\r\n"
	    "Set-Cookie: a\r\nset-cookie: b\r\n"
	    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n");
	free(out);

	fs.n = 0;
	a = (struct h1_out_response){ .status = 299, .fields = &fs,
	    .framing = H1_CHUNKED, .minor = 1 };
	out = write_response(&a, &n);
	ck_assert_str_eq(out, "HTTP/1.1 299 status code 299\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	free(out);

	a = (struct h1_out_response){ .status = 400, .fields = &fs,
	    .phrase = STR("Bad Request: x"), .keep_alive = true };
	out = write_response(&a, &n);
	ck_assert_str_eq(out, "HTTP/1.0 400 Bad Request: x\r\n"
	    "Connection: keep-alive\r\n\r\n");
	free(out);
}
END_TEST

START_TEST(test_phrases)
{
	static const struct { unsigned status; const char *text; } cases[] = {
		{ 100, "Continue" }, { 101, "Switching Protocols" },
		{ 103, "Early Hints" }, { 200, "OK" },
		{ 203, "Non-Authoritative Information" }, { 226, "IM Used" },
		{ 302, "Found" }, { 306, "" }, { 308, "Permanent Redirect" },
		{ 404, "Not Found" }, { 413, "Request Entity Too Large" },
		{ 414, "Request URI Too Long" }, { 418, "I'm a teapot" },
		{ 421, "Misdirected Request" }, { 429, "Too Many Requests" },
		{ 451, "Unavailable For Legal Reasons" },
		{ 502, "Bad Gateway" }, { 504, "Gateway Timeout" },
		{ 511, "Network Authentication Required" }, { 599, "" },
		{ 0, "" }, { 99, "" }, { 999, "" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_str_is(h1_status_text(cases[i].status), cases[i].text);
}
END_TEST

static void
same_fields(const struct fields *a, const struct fields *b)
{
	unsigned n = 0;

	FIELDS_EACH(a, f) {
		ck_assert_uint_lt(n, b->n);
		ck_assert(str_eq(field_name(f), field_name(&b->v[n])));
		ck_assert(str_eq(field_value(f), field_value(&b->v[n])));
		ck_assert_uint_eq(f->id, b->v[n].id);
		n++;
	}
	ck_assert_uint_eq(n, b->n);
}

START_TEST(test_round_trip)
{
	static const char raw[] = "PATCH /a//b%2f;c?x=%zz&\"y\" HTTP/1.1\r\n"
	    "hOST: A.test:8080\r\nAccept: */*\r\nX-Utf: \xc3\xa9\r\n"
	    "Cookie: a=\"b c\"\r\ncontent-length: 12\r\nX-Empty:\r\n"
	    "TE:  trailers \r\n\r\n";
	struct fields fs = { store, 0, FIELDS_MAX };
	struct fields fs2 = { store2, 0, FIELDS_MAX };
	struct h1_out_request out = { 0 };
	struct h1_request q, q2;
	struct h1_error err;
	size_t n;
	char *text;

	ck_assert_int_eq(h1_parse_request(&q, &fs, raw, sizeof(raw) - 1,
	    &limits, &err), 0);
	out = (struct h1_out_request){ .method = q.method, .path = q.path,
	    .query = q.query, .has_query = q.has_query, .host = q.host,
	    .fields = &fs, .framing = q.framing, .length = q.length };
	text = write_request(&out, &n);
	ck_assert_int_eq(h1_parse_request(&q2, &fs2, text, n, &limits, &err),
	    0);
	ck_assert(str_eq(q.method, q2.method));
	ck_assert(str_eq(q.path, q2.path));
	ck_assert(str_eq(q.query, q2.query));
	ck_assert(str_eq(q.host, q2.host));
	ck_assert_uint_eq(q2.framing, H1_LENGTH);
	ck_assert_uint_eq(q2.length, 12);
	same_fields(&fs, &fs2);
	free(text);
}
END_TEST

START_TEST(test_response_round_trip)
{
	struct fields fs = { store, 0, FIELDS_MAX };
	struct fields fs2 = { store2, 0, FIELDS_MAX };
	struct h1_scan scan = { .response = true };
	struct h1_error err;
	struct h1_response r;
	struct h1_out_response a = { .fields = &fs, .minor = 1,
	    .has_length = true };

	ck_assert_int_eq(fields_add(&fs, STR("Vary"), STR("a, b")), 0);
	ck_assert_int_eq(fields_add(&fs, STR("X"), STR("")), 0);
	for (a.status = 200; a.status <= 599; a.status++) {
		char *text;
		size_t n;

		a.length = a.status == 204 ? 0 : a.status;
		text = write_response(&a, &n);
		ck_assert_int_eq(h1_scan(&(struct h1_scan){ .response = true },
		    text, n, &limits, &err), (int)n);
		ck_assert_int_eq(h1_parse_response(&r, &fs2, text, n, &limits,
		    STR("HEAD")), 0);
		ck_assert_uint_eq(r.status, a.status);
		ck_assert(a.status == 204 ? !r.has_length :
		    r.length == a.length);
		ck_assert(r.keep_alive);
		same_fields(&fs, &fs2);
		free(text);
	}
	(void)scan;
}
END_TEST

START_TEST(test_trailers)
{
	struct fields fs = { store, 0, FIELDS_MAX };
	char out[64] = "";

	ck_assert_uint_eq(h1_write_trailers(&fs, out), 2);
	ck_assert_str_eq(out, "\r\n");
	ck_assert_int_eq(fields_add(&fs, STR("Grpc-Status"), STR("0")), 0);
	ck_assert_uint_eq(h1_trailers_size(&fs), 18);
	ck_assert_uint_eq(h1_write_trailers(&fs, out), 18);
	ck_assert_str_eq(out, "Grpc-Status: 0\r\n\r\n");
}
END_TEST

START_TEST(test_date)
{
	char out[32];

	http_date(784111777, out);
	ck_assert_str_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	http_date(0, out);
	ck_assert_str_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date(951782400, out);
	ck_assert_str_eq(out, "Tue, 29 Feb 2000 00:00:00 GMT");
}
END_TEST

UNIT_MAIN("h1_write", test_request, test_unsafe, test_response, test_phrases,
    test_round_trip, test_response_round_trip, test_trailers, test_date)
