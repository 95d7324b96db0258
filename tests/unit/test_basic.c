/* SPDX-License-Identifier: BSD-2-Clause */
/* Basic authentication: the field, the hashes, the lists of users. */
#include "basic.h"

#include "apr1.h"
#include "clock.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define BCRYPT(p) "$" p "$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm"

START_TEST(field)
{
	static const struct { const char *in, *user, *password; } rows[] = {
		{ "Basic YTpi", "a", "b" },			/* a:b */
		{ "basic YTpi", "a", "b" }, { "BASIC YTpi", "a", "b" },
		{ "Basic YTpiOmM=", "a", "b:c" },		/* a:b:c */
		{ "Basic YTo=", "a", "" }, { "Basic OmI=", "", "b" },
		{ "Basic Og==", "", "" },
		{ "Basic dXNlcjpww6Rzcw==", "user", "p\xc3\xa4ss" },
		{ "Basic YTo/Pz8/", "a", "????" },
		{ "Basic YTo+Pj4+", "a", ">>>>" },
	};
	static const char *const bad[] = { "", "Basic", "Basic ", "Basic  YTpi",
	    "Basic YTpi ", "Basic\tYTpi", "Bearer YTpi", "YTpi", "BasicYTpi",
	    "Basic YTpiOmM", "Basic YTp", "Basic YTpi=", "Basic YT==pi==",
	    "Basic YQ=a", "Basic ====", "Basic YTpi----", "Basic YTo_Pz8_",
	    "Basic YTpi\n", "Basic YT\npi", "Basic YWI=", "Basic YTo=YTo=",
	    "Basic YTpi,", "Basic =YTo" };
	static char long_one[9000], buf[9000];
	struct str user, password;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(basic_parse(str_c(rows[i].in), buf, &user,
		    &password) == 0, "%s", rows[i].in);
		ck_str_is(user, rows[i].user);
		ck_str_is(password, rows[i].password);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* The exact room that the header asks for. */
		char *exact = malloc(strlen(bad[i]) + 1);

		ck_assert_msg(basic_parse(str_c(bad[i]), exact, &user,
		    &password) == -EINVAL, "%s", bad[i]);
		free(exact);
	}
	memset(long_one, 'A', sizeof(long_one));
	memcpy(long_one, "Basic ", 6);
	ck_assert_int_eq(basic_parse(str_n(long_one, 6 + 8196), buf, &user,
	    &password), -EINVAL);
}
END_TEST

START_TEST(hashes)
{
	static const struct { const char *hash, *password; bool want; }
	    rows[] = {
		{ BCRYPT("2a"), "password", true },
		{ BCRYPT("2b"), "password", true },
		{ BCRYPT("2x"), "password", true },
		{ BCRYPT("2y"), "password", true },
		{ BCRYPT("2y"), "passwore", false },
		{ BCRYPT("2y"), "", false },
		{ "$2y$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq",
		    "", true },
		{ "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1", "password", true },
		{ "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1", "Password", false },
		{ "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE", "password", false },
		{ "$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie.", "", true },
		{ "$apr1$abcdefgh$G8IsPsylW5ROvIKsQMRG61", "a", true },
		{ "$apr1$abcdefgh$NriZ3KceyQFy368Ufp8U./", "pass word", true },
		{ "$apr1$abcdefgh$925utl16ci09ZNd9QD9XR1",
		    "\xc3\xbcn\xc3\xaf", true },
		{ "$apr1$abcdefgh$xe0/u8PPbW7KZ5ZfwUvgj0",
		    "0123456789012345678901234567890123456789", true },
		{ "$apr1$x$JzZzpGvcyRmaRIUjVzP42/", "password", true },
		{ "$1$abcdefgh$G//4keteveJp0qb8z2DxG/", "password", true },
		{ "$1$abcdefgh$G//4keteveJp0qb8z2DxG/", "pass", false },
		{ "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password", true },
		{ "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g", "password", false },
		{ "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "passwor", false },
		/* No plain text, nothing that libcrypt would take besides. */
		{ "password", "password", false }, { "", "", false },
		{ "*", "password", false }, { "$2y$", "", false },
		{ "$2y$04$short", "password", false },
		{ "$2z$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm",
		    "password", false },
		{ "$apr1$", "", false }, { "$apr1$$", "", false },
		{ "{SHA}", "", false },
		{ "abJnggxhB/yWI", "password", false },		/* DES */
		{ "$6$rounds=1000$abc$x", "password", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(basic_hash_matches(str_c(rows[i].hash),
		    str_c(rows[i].password)) == rows[i].want, "row %zu: %s",
		    i, rows[i].hash);
	/* bcrypt and MD5-crypt read C strings: NUL would end the password. */
	ck_assert(!basic_hash_matches(STR(BCRYPT("2y")), STR("password\0x")));
	{
		char longest[600];

		memset(longest, 'a', sizeof(longest));
		ck_assert(!basic_hash_matches(STR(BCRYPT("2y")),
		    str_n(longest, sizeof(longest))));
	}
}
END_TEST

START_TEST(apache)
{
	char out[APR1_TEXT];

	ck_assert_int_eq(apr1(STR("$apr1$abcdefgh$whatever"), STR("password"),
	    out), 0);
	ck_assert_str_eq(out, "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1");
	/* The salt is eight bytes at most. */
	ck_assert_int_eq(apr1(STR("$apr1$abcdefghijkl"), STR("password"),
	    out), 0);
	ck_assert_str_eq(out, "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1");
}
END_TEST

START_TEST(checking)
{
	static const struct basic_user users[] = {
		{ STR("ann"), STR(BCRYPT("2y")) },
		{ STR("bob"), STR("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=") },
		{ STR("eve"), STR("$1$abcdefgh$G//4keteveJp0qb8z2DxG/") },
	};
	static const struct basic_user changed[] = {
		{ STR("ann"), STR("{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA=") },
	};
	static const struct { const char *user, *password; int want; } rows[] = {
		{ "ann", "password", 1 }, { "bob", "password", 1 },
		{ "eve", "password", 1 }, { "ann", "passwor", 0 },
		{ "anna", "password", 0 }, { "", "password", 0 },
		{ "ANN", "password", 0 }, { "zoe", "password", 0 },
		{ "ann", "", 0 }, { "annp", "assword", 0 },
	};

	/* Twice: what is remembered must not let anybody else in. */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			ck_assert_msg(basic_check(users, 3, str_c(
			    rows[i].user), str_c(rows[i].password)) ==
			    rows[i].want, "row %zu", i);
	ck_assert_int_eq(basic_check(users, 0, STR("ann"), STR("password")),
	    0);
	/* A changed hash is not the one that was right. */
	ck_assert_int_eq(basic_check(changed, 1, STR("ann"), STR("password")),
	    0);
}
END_TEST

/* What this process has computed, whatever else runs on the machine. */
static nsec_t
cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_SEC + t.tv_nsec;
}

/* An unknown user costs as much; a right one is remembered. */
START_TEST(costs)
{
	static const struct basic_user slow[] = { { STR("ann"),
	    STR("$2y$10$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm")
	} };
	static const struct basic_user fast[] = { { STR("ann"),
	    STR(BCRYPT("2y")) } };
	nsec_t start = cpu_time(), wrong, unknown;

	ck_assert_int_eq(basic_check(slow, 1, STR("ann"), STR("x")), 0);
	wrong = cpu_time() - start;
	start = cpu_time();
	ck_assert_int_eq(basic_check(slow, 1, STR("zoe"), STR("x")), 0);
	unknown = cpu_time() - start;
	ck_assert_int_gt(unknown, wrong / 4);
	ck_assert_int_eq(basic_check(fast, 1, STR("ann"), STR("password")), 1);
	start = cpu_time();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(basic_check(fast, 1, STR("ann"),
		    STR("password")), 1);
	/* A hundred bcrypts of cost 4 would take 100 ms. */
	ck_assert_int_lt(cpu_time() - start, 50 * NSEC_MSEC);
}
END_TEST

START_TEST(lists)
{
	static const char text[] = "# comment\n\n  ann:" BCRYPT("2y") "  \r\n"
	    "bob:{SHA}x\n\t\nbad line\neve:$1$a$b";
	static const char *const bad[] = { "", "ann", "ann:", ":{SHA}x",
	    "ann:password", "ann:{SHA}x:y", "ann:$5$a$b", "ann:$2z$04$x",
	    "ann:$2", "ann:{sha}x" };
	struct str rest = STR(text);
	struct basic_user u;

	ck_assert_int_eq(basic_next_user(&rest, &u), 1);
	ck_str_is(u.name, "ann");
	ck_str_is(u.hash, BCRYPT("2y"));
	ck_assert_int_eq(basic_next_user(&rest, &u), 1);
	ck_str_is(u.name, "bob");
	ck_assert_int_eq(basic_next_user(&rest, &u), -EINVAL);
	ck_str_is(u.name, "bad line");
	ck_assert_int_eq(basic_next_user(&rest, &u), 1);
	ck_str_is(u.hash, "$1$a$b");
	ck_assert_int_eq(basic_next_user(&rest, &u), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(basic_parse_user(str_c(bad[i]), &u) == -EINVAL,
		    "%s", bad[i]);
}
END_TEST

UNIT_MAIN("basic", field, hashes, apache, checking, costs, lists)
