/* SPDX-License-Identifier: BSD-2-Clause */
/* Response heads and trailers of HTTP/2: row H2-H19. */
#include "h2_response.h"

#include "unit.h"

#include <errno.h>

struct pair { const char *name, *value; };

struct row {
	const char *id, *method, *status;
	struct pair fields[4];
	bool ended;
	int framing;		/* -1: refused */
	int length;		/* -1: none */
};

static struct field store[FIELDS_MAX];
static struct fields fs = { store, 0, FIELDS_MAX };

static void
fill(const struct pair *p)
{
	fs.n = 0;
	for (; p->name != NULL; p++)
		ck_assert_int_eq(fields_push(&fs, FIELD_OTHER, str_c(p->name),
		    str_c(p->value)), 0);
}

START_TEST(heads)
{
	static const struct row cases[] = {
		{ "plain", "GET", "200", { { 0 } }, false, H1_CHUNKED, -1 },
		{ "ended", "GET", "200", { { 0 } }, true, H1_NONE, -1 },
		{ "length", "GET", "200", { { "Content-Length", "5" } }, false,
		    H1_LENGTH, 5 },
		{ "empty", "GET", "200", { { "Content-Length", "0" } }, true,
		    H1_NONE, 0 },
		{ "empty, end to come", "GET", "200",
		    { { "Content-Length", "0" } }, false, H1_LENGTH, 0 },
		{ "R05 promise", "GET", "200", { { "Content-Length", "5" } },
		    true, -1, 0 },
		{ "R02 equal", "GET", "200", { { "Content-Length", "5" },
		    { "Content-Length", "5" } }, false, H1_LENGTH, 5 },
		{ "R02 differ", "GET", "200", { { "Content-Length", "5" },
		    { "Content-Length", "6" } }, false, -1, 0 },
		{ "R02 sign", "GET", "200", { { "Content-Length", "+5" } },
		    false, -1, 0 },
		{ "R02 list", "GET", "200", { { "Content-Length", "5, 5" } },
		    false, -1, 0 },
		{ "R07 head", "HEAD", "200", { { "Content-Length", "5" } },
		    true, H1_NONE, 5 },
		{ "R07 304", "GET", "304", { { "Content-Length", "5" } }, true,
		    H1_NONE, 5 },
		{ "R07 204", "GET", "204", { { "Content-Length", "5" } }, true,
		    H1_NONE, -1 },
		{ "R12 interim", "GET", "103", { { "Link", "<a>" } }, false,
		    H1_NONE, -1 },
		{ "R12 ends nothing", "GET", "103", { { 0 } }, true, -1, 0 },
		{ "R13", "GET", "101", { { 0 } }, false, -1, 0 },
		{ "R08 short", "GET", "20", { { 0 } }, false, -1, 0 },
		{ "R08 long", "GET", "2000", { { 0 } }, false, -1, 0 },
		{ "R08 none", "GET", "", { { 0 } }, false, -1, 0 },
		{ "R08 word", "GET", "2x0", { { 0 } }, false, -1, 0 },
		{ "R08 low", "GET", "099", { { 0 } }, false, -1, 0 },
		{ "R08 high", "GET", "600", { { 0 } }, false, -1, 0 },
		{ "R09 value", "GET", "200", { { "X-A", "a\nb" } }, false, -1,
		    0 },
		{ "R09 blank", "GET", "200", { { "X-A", " a" } }, false, -1,
		    0 },
		{ "R09 name", "GET", "200", { { "X A", "a" } }, false, -1, 0 },
		{ "connection", "GET", "200", { { "Connection", "close" } },
		    false, -1, 0 },
		{ "keep-alive", "GET", "200", { { "Keep-Alive", "1" } }, false,
		    -1, 0 },
		{ "coding", "GET", "200", { { "Transfer-Encoding", "chunked" } },
		    false, -1, 0 },
		{ "upgrade", "GET", "200", { { "Upgrade", "websocket" } },
		    false, -1, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct row *c = &cases[i];
		struct h1_response a;
		int r;

		fill(c->fields);
		r = h2_parse_response(&a, &fs, str_c(c->status), c->ended,
		    str_c(c->method));
		ck_assert_msg(r == (c->framing < 0 ? -EBADMSG : 0), "%s: %d",
		    c->id, r);
		if (r < 0)
			continue;
		ck_assert_msg(a.framing == c->framing, "%s: framing %u", c->id,
		    a.framing);
		ck_assert_msg(a.has_length == (c->length >= 0) &&
		    (!a.has_length || a.length == (uint64_t)c->length),
		    "%s: length", c->id);
		ck_assert_ptr_null(fields_find(&fs, FIELD_CONTENT_LENGTH));
	}
}
END_TEST

START_TEST(fields_are_numbered)
{
	static const struct pair some[] = { { "Set-Cookie", "a" },
	    { "Content-Type", "b" }, { "X-Own", "c" }, { NULL, NULL } };
	struct h1_response a;

	fill(some);
	ck_assert_int_eq(h2_parse_response(&a, &fs, STR("200"), false,
	    STR("GET")), 0);
	ck_assert(str_eq(fields_get(&fs, FIELD_CONTENT_TYPE), STR("b")));
	ck_assert(str_eq(fields_get(&fs, FIELD_SET_COOKIE), STR("a")));
	ck_assert_uint_eq(fs.n, 3);
}
END_TEST

START_TEST(trailers)
{
	static const struct pair some[] = { { "Grpc-Status", "0" },
	    { "Content-Length", "3" }, { "Connection", "x" }, { NULL, NULL } };
	static const struct pair bad[] = { { "X-A", "a\r" }, { NULL, NULL } };
	unsigned n = 0;

	fill(some);
	ck_assert_int_eq(h2_parse_trailers(&fs), 0);
	FIELDS_EACH(&fs, f) {
		ck_assert(str_eq(field_name(f), STR("Grpc-Status")));
		n++;
	}
	ck_assert_uint_eq(n, 1);
	fill(bad);
	ck_assert_int_eq(h2_parse_trailers(&fs), -EBADMSG);
}
END_TEST

UNIT_MAIN("h2_response", heads, fields_are_numbered, trailers)
