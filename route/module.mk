# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libroute.a
libroute_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_ROUTE)
libroute_a_SOURCES = \
	route/path.c route/path.h \
	route/query.c route/query.h \
	route/route.c route/route.h

ROUTE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_ROUTE) -I$(srcdir)/tests/unit
ROUTE_TEST_LDADD = libroute.a libshm.a libbase.a $(PCRE2_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_path
EXTRA_DIST += tests/fuzz/corpus/path
tests_fuzz_fuzz_path_CPPFLAGS = $(ROUTE_TEST_CPPFLAGS)
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz_path.c $(FUZZ_MAIN)
tests_fuzz_fuzz_path_LDADD = $(ROUTE_TEST_LDADD)
tests_fuzz_fuzz_path_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
