# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libtls.a
libtls_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS)
libtls_a_SOURCES = \
	tls/cert_store.c tls/cert_store.h \
	tls/certcache.c \
	tls/certificate.c tls/certificate.h \
	tls/client.c \
	tls/clienthello.c tls/clienthello.h \
	tls/context.c tls/context.h \
	tls/cursor.h \
	tls/engine.c tls/tls.h tls/tls_impl.h \
	tls/hello.c \
	tls/layer.c tls/layer.h \
	tls/local_ca.c tls/local_ca.h \
	tls/memory.c tls/memory.h \
	tls/names.c tls/names.h \
	tls/policy.c \
	tls/record.c tls/record.h \
	tls/roots.c \
	tls/server.c \
	tls/session.c \
	tls/state.c tls/state.h \
	tls/suite.c tls/suite.h \
	tls/takeover.c \
	tls/ticket.c \
	tls/traffic.c tls/traffic.h

UNIT_TESTS += tests/unit/test_tls_handshake
tests_unit_test_tls_handshake_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS) \
	-I$(srcdir)/tests/unit
tests_unit_test_tls_handshake_SOURCES = tests/unit/test_tls_handshake.c \
	tests/unit/tls_pair.c tests/unit/tls_pair.h tests/unit/unit.h
tests_unit_test_tls_handshake_LDADD = libtls.a libbase.a $(OPENSSL_LIBS) \
	$(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_tls_record
tests_unit_test_tls_record_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS) \
	-I$(srcdir)/tests/unit
tests_unit_test_tls_record_SOURCES = tests/unit/test_tls_record.c \
	tests/unit/tls_craft.c tests/unit/tls_craft.h tests/unit/unit.h
tests_unit_test_tls_record_LDADD = libtls.a libbase.a $(OPENSSL_LIBS) \
	$(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_tls_takeover
tests_unit_test_tls_takeover_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS) \
	-I$(srcdir)/tests/unit
tests_unit_test_tls_takeover_SOURCES = tests/unit/test_tls_takeover.c \
	tests/unit/tls_craft.c tests/unit/tls_craft.h \
	tests/unit/tls_pair.c tests/unit/tls_pair.h tests/unit/unit.h
tests_unit_test_tls_takeover_LDADD = libtls.a libbase.a $(OPENSSL_LIBS) \
	$(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_certificate tests/unit/test_local_ca
tests_unit_test_certificate_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS) \
	-I$(srcdir)/tests/unit
tests_unit_test_certificate_SOURCES = tests/unit/test_certificate.c \
	tests/unit/tls_pair.c tests/unit/tls_pair.h tests/unit/unit.h
tests_unit_test_certificate_LDADD = libtls.a libbase.a $(OPENSSL_LIBS) \
	$(CHECK_LIBS)
tests_unit_test_local_ca_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS) \
	-I$(srcdir)/tests/unit
tests_unit_test_local_ca_SOURCES = tests/unit/test_local_ca.c \
	tests/unit/unit.h
tests_unit_test_local_ca_LDADD = libtls.a libbase.a $(OPENSSL_LIBS) \
	$(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_clienthello
tests_unit_test_clienthello_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS) \
	-I$(srcdir)/tests/unit
tests_unit_test_clienthello_SOURCES = tests/unit/test_clienthello.c \
	tests/unit/unit.h
tests_unit_test_clienthello_LDADD = libtls.a libbase.a $(OPENSSL_LIBS) \
	$(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_clienthello
tests_fuzz_fuzz_clienthello_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS)
tests_fuzz_fuzz_clienthello_SOURCES = tests/fuzz/fuzz_clienthello.c $(FUZZ_MAIN)
tests_fuzz_fuzz_clienthello_LDADD = libtls.a libbase.a $(OPENSSL_LIBS)
tests_fuzz_fuzz_clienthello_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/fuzz_record
EXTRA_DIST += tests/fuzz/corpus/record
tests_fuzz_fuzz_record_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS) \
	-I$(srcdir)/tests/unit
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz_record.c \
	tests/unit/tls_craft.c tests/unit/tls_craft.h $(FUZZ_MAIN)
tests_fuzz_fuzz_record_LDADD = libtls.a libbase.a $(OPENSSL_LIBS)
tests_fuzz_fuzz_record_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
