# SPDX-License-Identifier: BSD-2-Clause
# compile/ makes a table of a world, cli/ is the command's side of the control
# socket, report/ what a running master answers there.
noinst_LIBRARIES += libmaster.a libcompile.a
libcompile_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_COMPILE)
libcompile_a_SOURCES = \
	master/compile/compile.c master/compile/compile.h \
	master/compile/compile_balance.c \
	master/compile/compile_hosts.c master/compile/compile_hosts.h \
	master/compile/compile_impl.h \
	master/compile/compile_mw.c \
	master/compile/compile_router.c \
	master/compile/compile_rule.c master/compile/compile_rule.h \
	master/compile/compile_service.c \
	master/compile/compile_tls.c \
	master/compile/compile_tree.c \
	master/compile/entry_address.c master/compile/entry_address.h \
	master/compile/name_map.c master/compile/name_map.h \
	master/compile/server_url.c master/compile/server_url.h \
	master/compile/world.c master/compile/world.h \
	master/compile/world_eps.c \
	master/compile/world_internal.c

libmaster_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER)
libmaster_a_SOURCES = \
	master/cli/cli.c master/cli/cli.h \
	master/cli/cli_ask.c \
	master/cli/cli_certs.c \
	master/cli/cli_completion.c \
	master/cli/cli_connections.c \
	master/cli/cli_dump.c \
	master/cli/cli_explain.c \
	master/cli/cli_mem.c \
	master/cli/cli_routes.c \
	master/cli/cli_run.c \
	master/cli/cli_table.c master/cli/cli_table.h \
	master/cli/cli_words.h \
	master/report/certs.c \
	master/report/connections.c \
	master/report/dump.c \
	master/report/explain.c master/report/explain.h \
	master/report/explain_after.c \
	master/report/explain_login.c \
	master/report/explain_why.c \
	master/report/mem.c \
	master/report/report.c master/report/report.h \
	master/report/routes.c \
	master/report/servers_status.c \
	master/report/status.c \
	master/report/view.c master/report/view.h \
	master/cluster.c \
	master/control.c master/control.h \
	master/cpus.c master/cpus.h \
	master/given.c master/given.h \
	master/handover.c master/handover.h \
	master/listen.c master/listen.h \
	master/logfile.c master/logfile.h \
	master/logs.c \
	master/loop.c master/loop.h \
	master/master.h \
	master/names_dns.c \
	master/notify.c master/notify.h \
	master/parts.c master/parts.h \
	master/passages.c \
	master/publish.c \
	master/reload.c \
	master/rescue.c \
	master/resize.c \
	master/run.c \
	master/runtime.c master/runtime.h \
	master/settings.c master/settings.h \
	master/snapshot.c master/snapshot.h \
	master/source.c master/source.h \
	master/succeed.c \
	master/supervise.c \
	master/tickets_rotate.c \
	master/upgrade.c \
	master/watch.c \
	master/will.c

bin_PROGRAMS += akkod
akkod_CPPFLAGS = $(AM_CPPFLAGS) $(I_ALL)
akkod_SOURCES = akkod.c
akkod_LDADD = libmaster.a libcompile.a libcontroller.a libworker.a libio.a libhttp.a libconfig.a libroute.a \
	libauth.a libtls.a libshm.a libbase.a $(ALL_LIBS)

# The same with another number for its tables, for the tests of upgrades.
noinst_PROGRAMS += tests/akkod-other-abi
tests_akkod_other_abi_CPPFLAGS = $(akkod_CPPFLAGS)
tests_akkod_other_abi_SOURCES = akkod.c tests/other_abi.c
tests_akkod_other_abi_LDADD = $(akkod_LDADD)

# And with a clock that tests set.
noinst_PROGRAMS += tests/akkod-other-clock
tests_akkod_other_clock_CPPFLAGS = $(akkod_CPPFLAGS)
tests_akkod_other_clock_SOURCES = akkod.c tests/other_clock.c
tests_akkod_other_clock_LDADD = $(akkod_LDADD)

UNIT_TESTS += tests/unit/test_compile tests/unit/test_master_cli \
	tests/unit/test_handover \
	tests/unit/test_master_control tests/unit/test_master_logfile
MASTER_TEST_LIBS = libmaster.a libcompile.a libconfig.a libroute.a libauth.a libtls.a \
	libshm.a libbase.a $(ALL_LIBS) $(CHECK_LIBS)
UNIT_TESTS += tests/unit/test_rule_program tests/unit/test_parts \
	tests/unit/test_cli_table
tests_unit_test_cli_table_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_cli_table_SOURCES = tests/unit/test_cli_table.c \
	tests/unit/unit.h
tests_unit_test_cli_table_LDADD = $(MASTER_TEST_LIBS)
UNIT_TESTS += tests/unit/test_snapshot
tests_unit_test_snapshot_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c \
	tests/unit/unit.h
tests_unit_test_snapshot_LDADD = $(MASTER_TEST_LIBS)
tests_unit_test_parts_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_parts_SOURCES = tests/unit/test_parts.c tests/unit/unit.h
tests_unit_test_parts_LDADD = $(MASTER_TEST_LIBS)
tests_unit_test_rule_program_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_rule_program_SOURCES = tests/unit/test_rule_program.c \
	tests/unit/unit.h
tests_unit_test_rule_program_LDADD = $(MASTER_TEST_LIBS)
tests_unit_test_compile_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_compile_SOURCES = tests/unit/test_compile.c tests/unit/unit.h
tests_unit_test_compile_LDADD = $(MASTER_TEST_LIBS)
tests_unit_test_master_cli_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_master_cli_SOURCES = tests/unit/test_master_cli.c \
	tests/unit/unit.h
tests_unit_test_master_cli_LDADD = $(MASTER_TEST_LIBS)
tests_unit_test_handover_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_handover_SOURCES = tests/unit/test_handover.c \
	tests/unit/unit.h
tests_unit_test_handover_LDADD = $(MASTER_TEST_LIBS)
tests_unit_test_master_control_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_master_control_SOURCES = tests/unit/test_master_control.c \
	tests/unit/unit.h
tests_unit_test_master_control_LDADD = $(MASTER_TEST_LIBS)
tests_unit_test_master_logfile_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER) \
	-I$(srcdir)/tests/unit
tests_unit_test_master_logfile_SOURCES = tests/unit/test_master_logfile.c \
	tests/unit/unit.h
tests_unit_test_master_logfile_LDADD = $(MASTER_TEST_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_parts
tests_fuzz_fuzz_parts_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER)
tests_fuzz_fuzz_parts_SOURCES = tests/fuzz/fuzz_parts.c $(FUZZ_MAIN)
tests_fuzz_fuzz_parts_LDADD = $(MASTER_TEST_LIBS)
tests_fuzz_fuzz_parts_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)

# The life cycle for long, about an hour; see tests/soak/README.md.
soak: all
	AKKOD=$(abs_top_builddir)/akkod /usr/bin/python3 \
	    $(srcdir)/tests/soak/soak.py
	AKKOD=$(abs_top_builddir)/akkod /usr/bin/python3 \
	    $(srcdir)/tests/soak/scale.py
	AKKOD=$(abs_top_builddir)/akkod /usr/bin/python3 -m pytest -q -s \
	    -p no:cacheprovider $(srcdir)/tests/soak/test_outage.py
.PHONY: soak

# Real applications for long, see tests/e2e/README.md.
e2e: akkod
	cd $(srcdir)/tests/e2e && AKKOD='$(abs_builddir)/akkod' \
	    /usr/bin/python3 -m pytest -q -s -o cache_dir=$$(mktemp -d)
.PHONY: e2e
