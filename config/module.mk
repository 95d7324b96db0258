# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libconfig.a
libconfig_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONFIG) -I$(builddir)/config
libconfig_a_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS) $(JANSSON_CFLAGS)
libconfig_a_SOURCES = \
	config/validate.c config/validate.h config/validate_impl.h \
	config/validate_service.c \
	config/validate_balancer.c \
	config/change.c config/change.h \
	config/confine.c config/confine.h \
	config/diag.c config/diag.h \
	config/document.c config/document.h \
	config/fields.c config/fields.h \
	config/json.c config/json.h \
	config/load.c config/load.h \
	config/mapping.c config/mapping.h \
	config/model.h \
	config/reader.c config/reader.h \
	config/rule.c config/rule.h \
	config/schema.c config/schema.h config/schema_impl.h \
	config/schema_service.c \
	config/wire.c config/wire.h \
	config/writer.c config/writer.h

EXTRA_DIST += config/embedded.yaml
BUILT_SOURCES += config/embedded.inc
CLEANFILES += config/embedded.inc
config/libconfig_a-load.$(OBJEXT): config/embedded.inc
config/embedded.inc: config/embedded.yaml
	$(AM_V_GEN)$(MKDIR_P) config && sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' \
	    -e 's/^/"/' -e 's/$$/\\n"/' $(srcdir)/config/embedded.yaml > $@

CONFIG_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONFIG) -I$(srcdir)/tests/unit
CONFIG_TEST_LDADD = libconfig.a libauth.a libtls.a libbase.a $(YAML_LIBS) \
	$(JANSSON_LIBS) $(PCRE2_LIBS) $(OPENSSL_LIBS) $(CRYPT_LIBS)
UNIT_TESTS += tests/unit/test_rule tests/unit/test_diag \
	tests/unit/test_reader tests/unit/test_validate tests/unit/test_load \
	tests/unit/test_json tests/unit/test_wire \
	tests/unit/test_writer
tests_unit_test_writer_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_writer_SOURCES = tests/unit/test_writer.c tests/unit/unit.h
tests_unit_test_writer_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_validate_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_validate_SOURCES = tests/unit/test_validate.c \
	tests/unit/config_said.h tests/unit/unit.h
tests_unit_test_validate_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_load_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_load_SOURCES = tests/unit/test_load.c tests/unit/unit.h
tests_unit_test_load_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_reader_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_reader_SOURCES = tests/unit/test_reader.c \
	tests/unit/config_said.h tests/unit/unit.h
tests_unit_test_reader_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_rule_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_rule_SOURCES = tests/unit/test_rule.c tests/unit/unit.h
tests_unit_test_rule_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_diag_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_diag_SOURCES = tests/unit/test_diag.c tests/unit/unit.h
tests_unit_test_diag_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)

tests_unit_test_json_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_json_SOURCES = tests/unit/test_json.c tests/unit/unit.h
tests_unit_test_json_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)
tests_unit_test_wire_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_wire_SOURCES = tests/unit/test_wire.c tests/unit/unit.h
tests_unit_test_wire_LDADD = $(CONFIG_TEST_LDADD) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_rule tests/fuzz/fuzz_yaml tests/fuzz/fuzz_wire
tests_fuzz_fuzz_wire_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz_wire.c $(FUZZ_MAIN)
tests_fuzz_fuzz_wire_LDADD = $(CONFIG_TEST_LDADD)
tests_fuzz_fuzz_wire_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_rule_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_fuzz_fuzz_rule_SOURCES = tests/fuzz/fuzz_rule.c $(FUZZ_MAIN)
tests_fuzz_fuzz_rule_LDADD = $(CONFIG_TEST_LDADD)
tests_fuzz_fuzz_rule_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_yaml_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_fuzz_fuzz_yaml_SOURCES = tests/fuzz/fuzz_yaml.c $(FUZZ_MAIN)
tests_fuzz_fuzz_yaml_LDADD = $(CONFIG_TEST_LDADD)
tests_fuzz_fuzz_yaml_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
