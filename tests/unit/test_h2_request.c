/* SPDX-License-Identifier: BSD-2-Clause */
/* Request heads of HTTP/2 and its frame heads. */
#include "h2_frames.h"
#include "h2_request.h"

#include "unit.h"

#include <string.h>

struct pair { const char *name, *value; };

struct row {
	const char *id, *method, *scheme, *authority, *path;
	struct pair fields[4];
	bool ended;
	int status;		/* -1: accepted; 0: malformed */
};

static int
parse_with(const struct row *c, const char *protocol, struct h1_request *q,
    struct fields *fs)
{
	struct h2_head head = { .method = str_c(c->method),
	    .scheme = str_c(c->scheme), .path = str_c(c->path),
	    .has_authority = c->authority != NULL, .tls = true,
	    .ended = c->ended };
	struct h1_error err;

	if (c->authority != NULL)
		head.authority = str_c(c->authority);
	if ((head.has_protocol = protocol != NULL))
		head.protocol = str_c(protocol);
	fs->n = 0;
	for (const struct pair *p = c->fields; p->name != NULL; p++)
		ck_assert_int_eq(fields_push(fs, FIELD_OTHER, str_c(p->name),
		    str_c(p->value)), 0);
	return h2_parse_request(q, fs, &head, &err) == 0 ? -1 :
	    (int)err.status;
}

static int
parse(const struct row *c, struct h1_request *q, struct fields *fs)
{
	return parse_with(c, NULL, q, fs);
}

START_TEST(rows)
{
	static const struct row cases[] = {
		{ "plain", "GET", "https", "a.test", "/", { { 0 } }, true, -1 },
		{ "H05 token", "GE T", "https", "a", "/", { { 0 } }, true, 0 },
		{ "H05 case", "get", "https", "a", "/", { { 0 } }, true, 501 },
		{ "H05 trace", "TRACE", "https", "a", "/", { { 0 } }, true,
		    405 },
		{ "H05 connect", "CONNECT", "https", "a", "/", { { 0 } }, true,
		    501 },
		{ "H06 empty", "GET", "https", "a", "", { { 0 } }, true, 0 },
		{ "H06 relative", "GET", "https", "a", "b", { { 0 } }, true,
		    0 },
		{ "H06 absolute", "GET", "https", "a", "https://a/", { { 0 } },
		    true, 0 },
		{ "H06 star", "GET", "https", "a", "*", { { 0 } }, true, 0 },
		{ "H06 options", "OPTIONS", "https", "a", "*", { { 0 } }, true,
		    -1 },
		{ "H06 escape", "GET", "https", "a", "/%zz", { { 0 } }, true,
		    0 },
		{ "H07 other", "GET", "http", "a", "/", { { 0 } }, true, 421 },
		{ "H07 ftp", "GET", "ftp", "a", "/", { { 0 } }, true, 0 },
		{ "H08", "GET", "https", "u@a", "/", { { 0 } }, true, 0 },
		{ "H09 both", "GET", "https", "a.test:443", "/",
		    { { "Host", "A.test" } }, true, -1 },
		{ "H09 differ", "GET", "https", "a", "/", { { "Host", "b" } },
		    true, 400 },
		{ "H09 neither", "GET", "https", NULL, "/", { { 0 } }, true,
		    400 },
		{ "H09 host", "GET", "https", NULL, "/", { { "Host", "b" } },
		    true, -1 },
		{ "H11", "POST", "https", "a", "/", { { "Content-Length", "5" } },
		    true, 0 },
		{ "H10 sign", "POST", "https", "a", "/", { { "Content-Length",
		    "+5" } }, false, 400 },
		{ "H13", "POST", "https", "a", "/", { { "Expect", "x" } }, false,
		    417 },
		{ "H17 two", "GET", "https", "a", "/", { { "Authorization", "a" },
		    { "Authorization", "a" } }, true, 400 },
	};
	static struct field store[FIELDS_MAX];
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_request q;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = parse(&cases[i], &q, &fs);

		ck_assert_msg(r == cases[i].status, "%s: got %d, want %d",
		    cases[i].id, r, cases[i].status);
	}
}
END_TEST

START_TEST(connect)
{
	static const struct { struct row row; const char *protocol; } cases[] = {
		{ { "H16", "CONNECT", "https", "a", "/",
		    { { 0 } }, false, -1 }, "websocket" },
		{ { "H16 case", "CONNECT", "https", "a", "/",
		    { { 0 } }, false, 501 }, "WebSocket" },
		{ { "H16 empty", "CONNECT", "https", "a", "/",
		    { { 0 } }, false, 501 }, "" },
		{ { "H16 get", "GET", "https", "a", "/",
		    { { 0 } }, false, 0 }, "websocket" },
		{ { "H16 authority", "CONNECT", "https", NULL, "/",
		    { { "Host", "a" } }, false, 0 }, "websocket" },
		{ { "H16 path", "CONNECT", "https", "a", "b",
		    { { 0 } }, false, 0 }, "websocket" },
		{ { "H16 ended", "CONNECT", "https", "a", "/",
		    { { 0 } }, true, 400 }, "websocket" },
		{ { "H16 length", "CONNECT", "https", "a", "/",
		    { { "Content-Length", "5" } }, false, 0 }, "websocket" },
	};
	static struct field store[FIELDS_MAX];
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_request q;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(parse_with(&cases[i].row, cases[i].protocol, &q,
		    &fs) == cases[i].row.status, "%s", cases[i].row.id);
	ck_assert_int_eq(parse_with(&cases[0].row, "websocket", &q, &fs), -1);
	ck_assert(str_eq(q.method, STR("GET")) && q.framing == H1_NONE);
}
END_TEST

START_TEST(framing)
{
	static const struct row cases[] = {
		{ "none", "GET", "https", "a", "/", { { 0 } }, true, H1_NONE },
		{ "open", "POST", "https", "a", "/", { { 0 } }, false,
		    H1_CHUNKED },
		{ "length", "POST", "https", "a", "/", { { "Content-Length",
		    "5" } }, false, H1_LENGTH },
		{ "zero", "POST", "https", "a", "/", { { "Content-Length",
		    "0" } }, true, H1_NONE },
	};
	static struct field store[FIELDS_MAX];
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_request q;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(parse(&cases[i], &q, &fs), -1);
		ck_assert_msg(q.framing == cases[i].status, "%s",
		    cases[i].id);
		ck_assert_ptr_null(fields_find(&fs, FIELD_CONTENT_LENGTH));
	}
}
END_TEST

START_TEST(fields_are_known_by_number)
{
	static const struct row c = { "", "GET", "https", "a", "/?x=1",
	    { { "Cookie", "a=1" }, { "X_Forwarded_For", "1.2.3.4" },
	    { "X-Own", "1" } }, true, -1 };
	static struct field store[FIELDS_MAX];
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_request q;

	ck_assert_int_eq(parse(&c, &q, &fs), -1);
	ck_str_is(fields_get(&fs, FIELD_COOKIE), "a=1");
	ck_str_is(q.query, "x=1");
	ck_str_is(q.path, "/");
	/* An alias of an owned name never gets through (H13). */
	ck_assert_ptr_null(fields_find_name(&fs, STR("X_Forwarded_For")));
	ck_assert_ptr_nonnull(fields_find_name(&fs, STR("X-Own")));
}
END_TEST

START_TEST(frame_heads)
{
	static const size_t steps[] = { 1, 2, 5, 9, 1000 };
	uint8_t bytes[H2_PREFACE + 9 + 300 + 9 + 9 + 4];
	uint8_t *p = bytes;

	memset(bytes, 'P', sizeof(bytes));
	p += H2_PREFACE;
	memcpy(p, "\0\1\x2c\x01\x04\0\0\0\x07", 9);	/* HEADERS of 300 */
	p += 9 + 300;
	memcpy(p, "\0\0\0\x04\x01\0\0\0\0", 9);	/* SETTINGS ack */
	p += 9;
	memcpy(p, "\0\0\x04\x03\0\x80\0\0\x07", 9);	/* RST_STREAM */
	for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
		struct h2_frames w = { .left = H2_PREFACE };
		struct h2_frame f[4];
		unsigned n = 0;

		for (size_t at = 0; at < sizeof(bytes); at += steps[k]) {
			const uint8_t *q = bytes + at;
			size_t left = sizeof(bytes) - at < steps[k] ?
			    sizeof(bytes) - at : steps[k];

			while (h2_frames_next(&w, &q, &left, &f[n]) > 0)
				ck_assert_uint_lt(++n, 4);
			ck_assert_uint_eq(left, 0);
		}
		ck_assert_uint_eq(n, 3);
		ck_assert_uint_eq(f[0].length, 300);
		ck_assert_int_eq(f[0].stream, 7);
		ck_assert_uint_eq(f[1].type, 4);
		ck_assert_uint_eq(f[1].flags, 1);
		ck_assert_uint_eq(f[2].type, 3);
		ck_assert_int_eq(f[2].stream, 7);	/* reserved bit apart */
		ck_assert_uint_eq(w.left, 0);
	}
}
END_TEST

UNIT_MAIN("h2_request", rows, connect, framing, fields_are_known_by_number,
    frame_heads)
