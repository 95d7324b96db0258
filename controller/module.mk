# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libcontroller.a
libcontroller_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONTROLLER)
libcontroller_a_CFLAGS = $(AM_CFLAGS) $(CARES_CFLAGS) $(JANSSON_CFLAGS)
libcontroller_a_SOURCES = \
	controller/annotation.c controller/annotation.h \
	controller/controller.c controller/controller.h \
	controller/crd.c controller/crd.h controller/crd_impl.h \
	controller/crd_middleware.c controller/crd_ref.c \
	controller/crd_route.c controller/crd_service.c \
	controller/crd_tls.c \
	controller/dns.c controller/dns.h \
	controller/ingress.c controller/ingress.h \
	controller/ingress_status.c controller/ingress_status.h \
	controller/kube.c controller/kube.h \
	controller/kube_client.c controller/kube_client.h \
	controller/kube_events.c controller/kube_events.h \
	controller/kube_http.c controller/kube_http.h \
	controller/kube_json.c controller/kube_json.h \
	controller/kube_writer.c controller/kube_writer.h \
	controller/kube_names.c controller/kube_names.h \
	controller/kube_out.c controller/kube_out.h \
	controller/kube_resource.c \
	controller/kube_server.c controller/kube_server.h \
	controller/kube_secret.c controller/kube_secret.h \
	controller/kube_service.c controller/kube_service.h \
	controller/kube_store.c controller/kube_store.h \
	controller/orders.c controller/orders.h \
	controller/outbox.c controller/outbox.h \
	controller/provider.c controller/provider.h

CONTROLLER_TEST_LIBS = libcontroller.a libconfig.a libauth.a libtls.a \
	libshm.a libbase.a $(ALL_LIBS) $(CHECK_LIBS)
UNIT_TESTS += tests/unit/test_ingress
tests_unit_test_ingress_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONTROLLER) \
	-I$(srcdir)/tests/unit
tests_unit_test_ingress_SOURCES = tests/unit/test_ingress.c \
	tests/unit/kube_world.c tests/unit/kube_world.h \
	tests/unit/tls_pair.c tests/unit/tls_pair.h tests/unit/unit.h
tests_unit_test_ingress_LDADD = $(CONTROLLER_TEST_LIBS)
UNIT_TESTS += tests/unit/test_crd
tests_unit_test_crd_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONTROLLER) \
	-I$(srcdir)/tests/unit
tests_unit_test_crd_SOURCES = tests/unit/test_crd.c \
	tests/unit/kube_world.c tests/unit/kube_world.h tests/unit/unit.h
tests_unit_test_crd_LDADD = $(CONTROLLER_TEST_LIBS)
UNIT_TESTS += tests/unit/test_kube_json
tests_unit_test_kube_json_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONTROLLER) \
	-I$(srcdir)/tests/unit
tests_unit_test_kube_json_SOURCES = tests/unit/test_kube_json.c \
	tests/unit/unit.h
tests_unit_test_kube_json_LDADD = $(CONTROLLER_TEST_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_kube_json
tests_fuzz_fuzz_kube_json_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONTROLLER)
tests_fuzz_fuzz_kube_json_SOURCES = tests/fuzz/fuzz_kube_json.c $(FUZZ_MAIN)
tests_fuzz_fuzz_kube_json_LDADD = libcontroller.a libconfig.a libauth.a \
	libtls.a libshm.a libbase.a $(ALL_LIBS)
tests_fuzz_fuzz_kube_json_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
