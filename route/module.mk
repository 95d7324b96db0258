# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libroute.a
libroute_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_ROUTE)
libroute_a_SOURCES = \
	route/path.c route/path.h \
	route/query.c route/query.h \
	route/route.c route/route.h \
	route/server_name.c route/server_name.h

ROUTE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_ROUTE) -I$(srcdir)/tests/unit
ROUTE_TEST_LDADD = libroute.a libshm.a libbase.a $(PCRE2_LIBS)
UNIT_TESTS += tests/unit/test_path tests/unit/test_query tests/unit/test_route
tests_unit_test_path_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_unit_test_path_SOURCES = tests/unit/test_path.c tests/unit/unit.h
tests_unit_test_path_LDADD = $(ROUTE_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_query_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_unit_test_query_SOURCES = tests/unit/test_query.c tests/unit/unit.h
tests_unit_test_query_LDADD = $(ROUTE_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_route_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_unit_test_route_SOURCES = tests/unit/test_route.c tests/unit/unit.h
tests_unit_test_route_LDADD = $(ROUTE_TEST_LDADD) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_path
tests_fuzz_fuzz_path_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz_path.c $(FUZZ_MAIN)
tests_fuzz_fuzz_path_LDADD = $(ROUTE_TEST_LDADD)
tests_fuzz_fuzz_path_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
