/* SPDX-License-Identifier: BSD-2-Clause */
/* Which requests are gRPC calls, and what akkod's own answers are to them. */
#include "grpc.h"

#include "unit.h"

START_TEST(calls)
{
	static const struct { const char *method, *type; bool call; } rows[] = {
		{ "POST", "application/grpc", true },
		{ "POST", "application/grpc+proto", true },
		{ "POST", "application/grpc;charset=utf-8", true },
		{ "POST", "application/grpc-web+proto", true },
		{ "POST", "Application/GRPC", true },
		{ "POST", "application/grpcx", false },
		{ "POST", "application/grp", false },
		{ "POST", "application/json", false },
		{ "POST", "", false },
		{ "GET", "application/grpc", false },
	};
	struct field v[1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct request q = { .method = str_c(rows[i].method),
		    .fields = { v, 0, 1 } };

		ck_assert_int_eq(fields_add_id(&q.fields, FIELD_CONTENT_TYPE,
		    str_c(rows[i].type)), 0);
		ck_assert_msg(grpc_is_call(&q) == rows[i].call, "%s %s",
		    rows[i].method, rows[i].type);
		q.fields.n = 0;
		ck_assert(!grpc_is_call(&q));
	}
}
END_TEST

START_TEST(statuses)
{
	static const struct { enum reason why; unsigned status, code; } rows[] = {
		{ REASON_UPSTREAM_TIMEOUT, 504, 4 },
		{ REASON_UPSTREAM_CONNECT_TIMEOUT, 504, 14 },
		{ REASON_BODY_TIMEOUT, 408, 4 },
		{ REASON_AUTH_DENIED, 302, 16 },
		{ REASON_AUTH_DENIED, 403, 7 },
		{ REASON_REDIRECT, 302, 2 },
		{ REASON_BASIC_AUTH, 401, 16 },
		{ REASON_ROUTE_NONE, 404, 12 },
		{ REASON_METHOD_DENIED, 405, 12 },
		{ REASON_BODY_TOO_LARGE, 413, 8 },
		{ REASON_BAD_PATH, 400, 13 },
		{ REASON_UPSTREAM_TLS, 500, 13 },
		{ REASON_RATE_LIMIT, 429, 14 },
		{ REASON_UPSTREAM_REFUSED, 502, 14 },
		{ REASON_OVERLOAD, 503, 14 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(grpc_status(rows[i].why, rows[i].status) ==
		    rows[i].code, "%s", reason_word(rows[i].why));
}
END_TEST

UNIT_MAIN("grpc", calls, statuses)
