# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libmaster.a
libmaster_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER)
libmaster_a_SOURCES = \
	master/compile.c master/compile.h master/compile_impl.h \
	master/compile_hosts.c master/compile_hosts.h \
	master/compile_mw.c \
	master/compile_router.c \
	master/compile_rule.c master/compile_rule.h \
	master/compile_service.c \
	master/compile_tls.c \
	master/control.c master/control.h \
	master/listen.c master/listen.h \
	master/logfile.c master/logfile.h \
	master/loop.c master/loop.h \
	master/name_map.c master/name_map.h \
	master/runtime.c master/runtime.h \
	master/server_url.c master/server_url.h \
	master/world.c master/world.h \
	master/world_eps.c \
	master/world_internal.c
