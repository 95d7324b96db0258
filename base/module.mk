# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libbase.a
libbase_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_BASE)
libbase_a_SOURCES = \
	base/addr.c base/addr.h \
	base/alloc.c base/alloc.h \
	base/arena.c base/arena.h \
	base/buf.c base/buf.h \
	base/clock.c base/clock.h \
	base/dir.c base/dir.h \
	base/hash.c base/hash.h \
	base/log.c base/log.h \
	base/map.c base/map.h \
	base/regexp.c base/regexp.h \
	base/str.c base/str.h

BASE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_BASE) -I$(srcdir)/tests/unit
BASE_TEST_LDADD = libbase.a $(PCRE2_LIBS) $(CHECK_LIBS)
UNIT_TESTS += tests/unit/test_str tests/unit/test_buf tests/unit/test_addr \
	tests/unit/test_regexp tests/unit/test_log
tests_unit_test_log_CPPFLAGS = $(BASE_TEST_CPPFLAGS)
tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/unit/unit.h
tests_unit_test_log_LDADD = $(BASE_TEST_LDADD)
tests_unit_test_str_CPPFLAGS = $(BASE_TEST_CPPFLAGS)
tests_unit_test_str_SOURCES = tests/unit/test_str.c tests/unit/unit.h
tests_unit_test_str_LDADD = $(BASE_TEST_LDADD)
tests_unit_test_buf_CPPFLAGS = $(BASE_TEST_CPPFLAGS)
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c tests/unit/unit.h
tests_unit_test_buf_LDADD = $(BASE_TEST_LDADD)
tests_unit_test_addr_CPPFLAGS = $(BASE_TEST_CPPFLAGS)
tests_unit_test_addr_SOURCES = tests/unit/test_addr.c tests/unit/unit.h
tests_unit_test_addr_LDADD = $(BASE_TEST_LDADD)
tests_unit_test_regexp_CPPFLAGS = $(BASE_TEST_CPPFLAGS)
tests_unit_test_regexp_SOURCES = tests/unit/test_regexp.c tests/unit/unit.h
tests_unit_test_regexp_LDADD = $(BASE_TEST_LDADD)
