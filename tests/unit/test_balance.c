/* SPDX-License-Identifier: BSD-2-Clause */
/* What foreign bytes say to a balancer: cookies, answers to probes. */
#include "grpc_health.h"
#include "redirect.h"
#include "sticky.h"
#include "table_make.h"
#include "unit.h"

#include <errno.h>

/* ---- Cookies ------------------------------------------------------------------ */

static struct buf image;
static struct table t;

static const struct tsticky *
cookie(void)
{
	const char *why;

	if (image.p == NULL)
		table_make(&image);
	ck_assert_int_eq(table_check(image.p, image.n, &t, &why), 0);
	return TABLE_VEC(&t, table_service(&t, 0)->sticky, struct tsticky);
}

START_TEST(cookies)
{
	/* "lb": keys of value 1, b52e7b55edbbb02e and 1; older ones 2 and 3. */
	static const struct { const char *field; uint32_t at; bool old; } rows[] = {
		{ "lb=b52e7b55edbbb02e", 1, false },
		{ "lb=0000000000000001", 0, false },
		{ "a=b; lb=b52e7b55edbbb02e;c=d", 1, false },
		{ "a;lb=\"b52e7b55edbbb02e\"", 1, false },
		{ "lb=2", 0, true }, { "lb=3", 0, true },
		{ "lb=http://s", 0, true }, { "lb=\"http://s\"", 0, true },
		{ "lb=02", TNONE, true }, { "lb=1", TNONE, true },
		{ "lb=B52E7B55EDBBB02E", TNONE, true },
		{ "lb=b52e7b55edbbb02e0", TNONE, true },
		{ "lb=", TNONE, true }, { "lb=\"", TNONE, true },
		{ "lb=\"\"", TNONE, true }, { "lb=x; lb=2", TNONE, true },
		{ "", TNONE, false }, { "lb", TNONE, false },
		{ "LB=2", TNONE, false }, { "xlb=2", TNONE, false },
		{ ";;=;lb =2", TNONE, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool old = false;
		uint32_t at = sticky_find_in(&t, cookie(),
		    str_c(rows[i].field), &old);

		ck_assert_msg(at == rows[i].at && old == rows[i].old,
		    "%s: %u, %d", rows[i].field, at, old);
	}
	buf_fini(&image);
}
END_TEST

/* ---- gRPC ----------------------------------------------------------------------- */

START_TEST(grpc)
{
	static const struct { const char *p; size_t n; int want; } rows[] = {
#define B(s)	s, sizeof(s) - 1
		{ B("\0\0\0\0\0"), GRPC_UNKNOWN },
		{ B("\0\0\0\0\2\10\1"), GRPC_SERVING },
		{ B("\0\0\0\0\2\10\2"), GRPC_NOT_SERVING },
		{ B("\0\0\0\0\4\10\1\10\2"), GRPC_NOT_SERVING },
		/* Fields of tomorrow, of each type. */
		{ B("\0\0\0\0\4\20\5\10\1"), GRPC_SERVING },
		{ B("\0\0\0\0\5\22\1x\10\1"), GRPC_SERVING },
		{ B("\0\0\0\0\7\25abcd\10\1"), GRPC_SERVING },
		{ B("\0\0\0\0\13\21abcdefgh\10\1"), GRPC_SERVING },
		{ B("\0\0\0\0\3\20\200\200"), -EBADMSG },	/* cut */
		{ B("\0\0\0\0\2\10\200"), -EBADMSG },
		{ B("\0\0\0\0\3\22\5x"), -EBADMSG },
		{ B("\0\0\0\0\3\25ab"), -EBADMSG },
		{ B("\0\0\0\0\2\13\1"), -EBADMSG },	/* a group */
		{ B("\0\0\0\0\2\0\1"), -EBADMSG },	/* field 0 */
		{ B("\0\0\0\0\3\10\200\1"), -EBADMSG },	/* 128 */
		{ B("\1\0\0\0\2\10\1"), -EBADMSG },	/* compressed */
		{ B("\0\0\0\0\1\10\1"), -EBADMSG },
		{ B("\0\0\0\0\3\10\1"), -EBADMSG },
		{ B("\0\0\0\0"), -EBADMSG }, { B(""), -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(grpc_health_parse(str_n(rows[i].p, rows[i].n)) ==
		    rows[i].want, "row %zu", i);
	ck_assert_int_eq(grpc_health_parse(grpc_health_question()), 0);
}
END_TEST

/* ---- Redirections ----------------------------------------------------------------- */

START_TEST(redirections)
{
	/* From http://s/a/b, which was called h.test. */
	static const char *const rows[][2] = {
		{ "/c", "/c" }, { "c?d", "/a/c?d" }, { "?e", "/a/b?e" },
		{ "../..", "/" }, { "http://s/x", "/x" }, { "http://S", "/" },
		{ "http://h.test/x?y", "/x?y" }, { "//s/x", "/x" },
		{ "HTTP://h.test/x", "/x" }, { "/x#y", "/x" },
		{ "https://s/x", NULL }, { "http://s:81/x", NULL },
		{ "http://other/x", NULL }, { "//other", NULL },
		{ "http://s@other/", NULL }, { "ftp://s/", NULL },
		{ "http://[", NULL }, { "/%", NULL }, { "/a b", NULL },
		{ "", NULL },
	};
	const struct redirect_from from = { STR("http"),
	    { STR("h.test"), STR("s") }, STR("/a/b") };
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str to = redirect_within(&a, &from,
		    str_c(rows[i][0]));

		if (rows[i][1] == NULL)
			ck_assert_msg(to.p == NULL, "%s: %.*s", rows[i][0],
			    STR_ARG(to));
		else
			ck_str_is(to, rows[i][1]);
	}
	arena_fini(&a);
}
END_TEST

UNIT_MAIN("balance", cookies, grpc, redirections)
