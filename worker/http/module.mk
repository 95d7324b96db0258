# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libhttp.a
libhttp_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
libhttp_a_SOURCES = \
	worker/http/chunked.c worker/http/chunked.h \
	worker/http/cookie.c worker/http/cookie.h \
	worker/http/field.c worker/http/field.h worker/http/field.def \
	worker/http/grpc_web.c worker/http/grpc_web.h \
	worker/http/h1.h \
	worker/http/h1_error.c \
	worker/http/h1_head.c worker/http/h1_head.h \
	worker/http/h1_hop.c \
	worker/http/h1_host.c \
	worker/http/h1_request.c \
	worker/http/h1_response.c \
	worker/http/h1_write.c worker/http/h1_write.h \
	worker/http/h2_frames.c worker/http/h2_frames.h \
	worker/http/h2_request.c worker/http/h2_request.h \
	worker/http/h2_response.c worker/http/h2_response.h \
	worker/http/proxy_protocol.c worker/http/proxy_protocol.h \
	worker/http/token.c worker/http/token.h \
	worker/http/websocket.c worker/http/websocket.h

H1_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) -I$(srcdir)/tests/unit
H1_TEST_LDADD = libhttp.a libshm.a libbase.a
UNIT_TESTS += tests/unit/test_grpc_web
tests_unit_test_grpc_web_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_grpc_web_SOURCES = tests/unit/test_grpc_web.c tests/unit/unit.h
tests_unit_test_grpc_web_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_grpc_web
tests_fuzz_fuzz_grpc_web_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_grpc_web_SOURCES = tests/fuzz/fuzz_grpc_web.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_grpc_web_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_grpc_web_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
UNIT_TESTS += tests/unit/test_h1_chunked tests/unit/test_h1_field \
	tests/unit/test_h1_request tests/unit/test_h1_response \
	tests/unit/test_h1_write
tests_unit_test_h1_chunked_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_h1_chunked_SOURCES = tests/unit/test_h1_chunked.c tests/unit/unit.h
tests_unit_test_h1_chunked_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_h1_field_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_h1_field_SOURCES = tests/unit/test_h1_field.c tests/unit/unit.h
tests_unit_test_h1_field_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_h1_request_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_h1_request_SOURCES = tests/unit/test_h1_request.c tests/unit/unit.h
tests_unit_test_h1_request_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_h1_response_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_h1_response_SOURCES = tests/unit/test_h1_response.c tests/unit/unit.h
tests_unit_test_h1_response_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_h1_write_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_h1_write_SOURCES = tests/unit/test_h1_write.c tests/unit/unit.h
tests_unit_test_h1_write_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_chunked tests/fuzz/fuzz_h1_request \
	tests/fuzz/fuzz_h1_response tests/fuzz/fuzz_h1_serialize
tests_fuzz_fuzz_chunked_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_chunked_SOURCES = tests/fuzz/fuzz_chunked.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_chunked_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_chunked_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_h1_request_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_h1_request_SOURCES = tests/fuzz/fuzz_h1_request.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_h1_request_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_h1_request_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_h1_response_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_h1_response_SOURCES = tests/fuzz/fuzz_h1_response.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_h1_response_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_h1_response_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_h1_serialize_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_h1_serialize_SOURCES = tests/fuzz/fuzz_h1_serialize.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_h1_serialize_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_h1_serialize_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)

UNIT_TESTS += tests/unit/test_websocket tests/unit/test_h2_request \
	tests/unit/test_h2_response
tests_unit_test_websocket_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_websocket_SOURCES = tests/unit/test_websocket.c tests/unit/unit.h
tests_unit_test_websocket_LDADD = $(H1_TEST_LDADD) $(OPENSSL_LIBS) $(CHECK_LIBS)
tests_unit_test_h2_request_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_h2_request_SOURCES = tests/unit/test_h2_request.c tests/unit/unit.h
tests_unit_test_h2_request_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_h2_response_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_h2_response_SOURCES = tests/unit/test_h2_response.c tests/unit/unit.h
tests_unit_test_h2_response_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_websocket tests/fuzz/fuzz_h2_request \
	tests/fuzz/fuzz_h2_response
tests_fuzz_fuzz_websocket_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_websocket_SOURCES = tests/fuzz/fuzz_websocket.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_websocket_LDADD = $(H1_TEST_LDADD) $(OPENSSL_LIBS)
tests_fuzz_fuzz_websocket_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_h2_request_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_h2_request_SOURCES = tests/fuzz/fuzz_h2_request.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_h2_request_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_h2_request_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_h2_response_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_h2_response_SOURCES = tests/fuzz/fuzz_h2_response.c tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_h2_response_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_h2_response_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)

UNIT_TESTS += tests/unit/test_proxy_protocol
tests_unit_test_proxy_protocol_CPPFLAGS = $(H1_TEST_CPPFLAGS)
tests_unit_test_proxy_protocol_SOURCES = tests/unit/test_proxy_protocol.c \
	tests/unit/unit.h
tests_unit_test_proxy_protocol_LDADD = $(H1_TEST_LDADD) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_proxy_protocol
tests_fuzz_fuzz_proxy_protocol_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_fuzz_fuzz_proxy_protocol_SOURCES = tests/fuzz/fuzz_proxy_protocol.c \
	tests/fuzz/h1_check.h $(FUZZ_MAIN)
tests_fuzz_fuzz_proxy_protocol_LDADD = $(H1_TEST_LDADD)
tests_fuzz_fuzz_proxy_protocol_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
