# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libauth.a
libauth_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_AUTH)
libauth_a_SOURCES = \
	auth/apr1.c auth/apr1.h \
	auth/basic.c auth/basic.h \
	auth/forward.c auth/forward.h \
	auth/headers.c auth/headers.h \
	auth/uri.c auth/uri.h

AUTH_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_AUTH) -I$(srcdir)/tests/unit
AUTH_TEST_LDADD = libauth.a libbase.a $(OPENSSL_LIBS) $(CRYPT_LIBS) \
	$(CHECK_LIBS)
UNIT_TESTS += tests/unit/test_basic tests/unit/test_uri \
	tests/unit/test_forward
tests_unit_test_forward_CPPFLAGS = $(AUTH_TEST_CPPFLAGS)
tests_unit_test_forward_SOURCES = tests/unit/test_forward.c tests/unit/unit.h
tests_unit_test_forward_LDADD = $(AUTH_TEST_LDADD)
tests_unit_test_basic_CPPFLAGS = $(AUTH_TEST_CPPFLAGS)
tests_unit_test_basic_SOURCES = tests/unit/test_basic.c tests/unit/unit.h
tests_unit_test_basic_LDADD = $(AUTH_TEST_LDADD)
tests_unit_test_uri_CPPFLAGS = $(AUTH_TEST_CPPFLAGS)
tests_unit_test_uri_SOURCES = tests/unit/test_uri.c tests/unit/unit.h
tests_unit_test_uri_LDADD = $(AUTH_TEST_LDADD)

FUZZ_TARGETS += tests/fuzz/fuzz_auth
tests_fuzz_fuzz_auth_CPPFLAGS = $(AM_CPPFLAGS) $(I_AUTH)
tests_fuzz_fuzz_auth_SOURCES = tests/fuzz/fuzz_auth.c $(FUZZ_MAIN)
tests_fuzz_fuzz_auth_LDADD = libauth.a libbase.a $(OPENSSL_LIBS) $(CRYPT_LIBS)
tests_fuzz_fuzz_auth_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
