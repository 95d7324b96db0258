# SPDX-License-Identifier: BSD-2-Clause
include worker/io/module.mk
include worker/http/module.mk

noinst_LIBRARIES += libworker.a
libworker_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
libworker_a_SOURCES = \
	worker/access_line.c worker/access_line.h \
	worker/access_log.c worker/access_log.h \
	worker/chain.c \
	worker/clients.c worker/clients.h \
	worker/conn.c worker/conn.h \
	worker/entry.c worker/entry.h \
	worker/exchange.c worker/exchange.h \
	worker/generation.c worker/generation.h \
	worker/grpc.c worker/grpc.h \
	worker/hasher.c worker/hasher.h \
	worker/http1.c worker/http1.h \
	worker/http1_body.c worker/http1_body.h \
	worker/http1_sink.c worker/http1_sink.h \
	worker/orphan.c worker/orphan.h \
	worker/pack.c worker/pack.h \
	worker/parcel.c worker/parcel.h \
	worker/passage.c worker/passage.h \
	worker/http2.c worker/http2.h \
	worker/http2_budget.c worker/http2_budget.h \
	worker/http2_link.c worker/http2_link.h \
	worker/http2_stream.c worker/http2_stream.h \
	worker/http2_tunnel.c worker/http2_tunnel.h \
	worker/kept.c worker/kept.h \
	worker/look.c worker/look.h \
	worker/middleware/add_prefix.c \
	worker/middleware/auth_health.c worker/middleware/auth_health.h \
	worker/middleware/basic_auth.c \
	worker/middleware/compress.c \
	worker/middleware/encoder.c worker/middleware/encoder.h \
	worker/middleware/errors.c \
	worker/middleware/forward_auth.c \
	worker/middleware/grpc_web.c \
	worker/middleware/headers.c \
	worker/middleware/headers_cors.c worker/middleware/headers_cors.h \
	worker/middleware/ip_allow_list.c \
	worker/middleware/middleware.h \
	worker/middleware/rate_limit.c \
	worker/middleware/redirect_regex.c \
	worker/middleware/redirect_scheme.c \
	worker/middleware/replace_path.c \
	worker/middleware/replace_path_regex.c \
	worker/middleware/rewrite.c worker/middleware/rewrite.h \
	worker/middleware/source_address.c worker/middleware/source_address.h \
	worker/middleware/strip_prefix.c \
	worker/middleware/strip_prefix_regex.c \
	worker/proxy/balance.c worker/proxy/balance.h \
	worker/proxy/delivery.c worker/proxy/delivery.h \
	worker/proxy/demo.c worker/proxy/demo.h \
	worker/proxy/failover.c worker/proxy/failover.h \
	worker/proxy/grpc_health.c worker/proxy/grpc_health.h \
	worker/proxy/h2_call.c worker/proxy/h2_call.h \
	worker/proxy/h2_upstream.c worker/proxy/h2_upstream.h \
	worker/proxy/health.c worker/proxy/health.h \
	worker/proxy/mirror.c worker/proxy/mirror.h \
	worker/proxy/pool.c worker/proxy/pool.h \
	worker/proxy/probe.c worker/proxy/probe.h \
	worker/proxy/proxy.c worker/proxy/proxy.h \
	worker/proxy/random_weight.c worker/proxy/random_weight.h \
	worker/proxy/redirect.c worker/proxy/redirect.h \
	worker/proxy/service.c worker/proxy/service.h \
	worker/proxy/sticky.c worker/proxy/sticky.h \
	worker/proxy/turn.c worker/proxy/turn.h \
	worker/proxy/upload.c worker/proxy/upload.h \
	worker/proxy/upstream.c worker/proxy/upstream.h \
	worker/proxy/upstream_open.c \
	worker/proxy/upstream_tls.c worker/proxy/upstream_tls.h \
	worker/proxy/weighted.c worker/proxy/weighted.h \
	worker/proxied.c worker/proxied.h \
	worker/router.c worker/router.h \
	worker/serve.c worker/serve.h \
	worker/sink.c \
	worker/table_tls.c worker/table_tls.h \
	worker/tls_accept.c worker/tls_accept.h \
	worker/tunnel.c worker/tunnel.h \
	worker/worker.c worker/worker.h

UNIT_TESTS += tests/unit/test_http2_budget
tests_unit_test_http2_budget_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) \
	-I$(srcdir)/tests/unit
tests_unit_test_http2_budget_SOURCES = tests/unit/test_http2_budget.c \
	tests/unit/unit.h
tests_unit_test_http2_budget_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_clients
tests_unit_test_clients_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) \
	-I$(srcdir)/tests/unit
tests_unit_test_clients_SOURCES = tests/unit/test_clients.c tests/unit/unit.h
tests_unit_test_clients_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_kept
tests_unit_test_kept_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) \
	-I$(srcdir)/tests/unit
tests_unit_test_kept_SOURCES = tests/unit/test_kept.c tests/unit/unit.h
tests_unit_test_kept_LDADD = libworker.a libhttp.a libshm.a libbase.a \
	$(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_turn
tests_unit_test_turn_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) \
	-I$(srcdir)/tests/unit
tests_unit_test_turn_SOURCES = tests/unit/test_turn.c tests/unit/unit.h
tests_unit_test_turn_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_grpc
tests_unit_test_grpc_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) \
	-I$(srcdir)/tests/unit
tests_unit_test_grpc_SOURCES = tests/unit/test_grpc.c tests/unit/unit.h
tests_unit_test_grpc_LDADD = libworker.a libhttp.a libshm.a libbase.a \
	$(CHECK_LIBS)

PARCEL_MAKE = tests/unit/parcel_make.c tests/unit/parcel_make.h
UNIT_TESTS += tests/unit/test_parcel
tests_unit_test_parcel_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) \
	-I$(srcdir)/tests/unit
tests_unit_test_parcel_SOURCES = tests/unit/test_parcel.c $(PARCEL_MAKE) \
	tests/unit/unit.h
tests_unit_test_parcel_LDADD = libworker.a libtls.a libbase.a \
	$(OPENSSL_LIBS) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_parcel
tests_fuzz_fuzz_parcel_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_parcel_SOURCES = tests/fuzz/fuzz_parcel.c $(FUZZ_MAIN)
tests_fuzz_fuzz_parcel_LDADD = libworker.a libtls.a libbase.a $(OPENSSL_LIBS)
tests_fuzz_fuzz_parcel_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)

BALANCE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) -I$(srcdir)/tests/unit
BALANCE_TEST_LDADD = libworker.a libhttp.a libauth.a $(TABLE_TEST_LDADD)
UNIT_TESTS += tests/unit/test_balance
tests_unit_test_balance_CPPFLAGS = $(BALANCE_TEST_CPPFLAGS)
tests_unit_test_balance_SOURCES = tests/unit/test_balance.c $(TABLE_MAKE) \
	tests/unit/unit.h
tests_unit_test_balance_LDADD = $(BALANCE_TEST_LDADD) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_balance
tests_fuzz_fuzz_balance_CPPFLAGS = $(BALANCE_TEST_CPPFLAGS)
tests_fuzz_fuzz_balance_SOURCES = tests/fuzz/fuzz_balance.c $(TABLE_MAKE) \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_balance_LDADD = $(BALANCE_TEST_LDADD)
tests_fuzz_fuzz_balance_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
