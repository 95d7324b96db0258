# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libshm.a
libshm_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_SHM)
libshm_a_SOURCES = \
	shm/build.c shm/build.h \
	shm/build_mux.c \
	shm/inherit.c shm/inherit.h \
	shm/keys.c shm/keys.h \
	shm/live.c shm/live.h \
	shm/memfd.c shm/memfd.h \
	shm/msg.c shm/msg.h \
	shm/privdrop.c shm/privdrop.h \
	shm/reason.c shm/reason.h shm/reason.def \
	shm/table.c shm/table.h \
	shm/table_abi.c \
	shm/tickets.c shm/tickets.h

TABLE_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_ROUTE) -I$(srcdir)/tests/unit
TABLE_TEST_LDADD = libroute.a libshm.a libbase.a $(PCRE2_LIBS)
TABLE_MAKE = tests/unit/table_make.c tests/unit/table_make.h
SHM_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_SHM) -I$(srcdir)/tests/unit
SHM_TEST_LDADD = libshm.a libbase.a $(CHECK_LIBS)
UNIT_TESTS += tests/unit/test_table tests/unit/test_live \
	tests/unit/test_live_threads tests/unit/test_msg \
	tests/unit/test_child
tests_unit_test_child_CPPFLAGS = $(SHM_TEST_CPPFLAGS)
tests_unit_test_child_SOURCES = tests/unit/test_child.c tests/unit/unit.h
tests_unit_test_child_LDADD = $(SHM_TEST_LDADD) $(CAPNG_LIBS)
tests_unit_test_msg_CPPFLAGS = $(SHM_TEST_CPPFLAGS)
tests_unit_test_msg_SOURCES = tests/unit/test_msg.c tests/unit/unit.h
tests_unit_test_msg_LDADD = $(SHM_TEST_LDADD)
tests_unit_test_live_CPPFLAGS = $(SHM_TEST_CPPFLAGS)
tests_unit_test_live_SOURCES = tests/unit/test_live.c tests/unit/unit.h
tests_unit_test_live_LDADD = $(SHM_TEST_LDADD)
tests_unit_test_live_threads_CPPFLAGS = $(SHM_TEST_CPPFLAGS)
tests_unit_test_live_threads_SOURCES = tests/unit/test_live_threads.c \
	tests/unit/unit.h
tests_unit_test_live_threads_LDADD = $(SHM_TEST_LDADD) -lpthread
tests_unit_test_table_CPPFLAGS = $(TABLE_TEST_CPPFLAGS)
tests_unit_test_table_SOURCES = tests/unit/test_table.c $(TABLE_MAKE) \
	tests/unit/unit.h
tests_unit_test_table_LDADD = $(TABLE_TEST_LDADD) $(CHECK_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_table tests/fuzz/fuzz_msg
tests_fuzz_fuzz_msg_CPPFLAGS = $(AM_CPPFLAGS) $(I_SHM)
tests_fuzz_fuzz_msg_SOURCES = tests/fuzz/fuzz_msg.c $(FUZZ_MAIN)
tests_fuzz_fuzz_msg_LDADD = libshm.a libbase.a
tests_fuzz_fuzz_msg_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_table_CPPFLAGS = $(TABLE_TEST_CPPFLAGS)
tests_fuzz_fuzz_table_SOURCES = tests/fuzz/fuzz_table.c $(TABLE_MAKE) \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_table_LDADD = $(TABLE_TEST_LDADD)
tests_fuzz_fuzz_table_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
