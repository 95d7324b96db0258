/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every unit test shares: one suite, one case, a main that runs it. In a
 * test file: define tests with START_TEST, list them in UNIT_MAIN.
 */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <stdlib.h>

#define UNIT_MAIN(name, ...)						\
int									\
main(void)								\
{									\
	const TTest *const tests[] = { __VA_ARGS__ };			\
	Suite *suite = suite_create(name);				\
	TCase *tcase = tcase_create(name);				\
	SRunner *runner;						\
	int failed;							\
									\
	tcase_set_timeout(tcase, 240);					\
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)	\
		tcase_add_test(tcase, tests[i]);			\
	suite_add_tcase(suite, tcase);					\
	runner = srunner_create(suite);					\
	srunner_run_all(runner, CK_NORMAL);				\
	failed = srunner_ntests_failed(runner);				\
	srunner_free(runner);						\
	return failed == 0 ? 0 : 1;					\
}

/* A byte slice equals a C string. */
#define ck_str_is(s, lit) do {						\
	struct str s_ = (s);						\
	ck_assert_msg(str_eq(s_, str_c(lit)), "got \"%.*s\", want \"%s\"",	\
	    STR_ARG(s_), (lit));					\
} while (0)

#endif
