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
	base/regexp.c base/regexp.h \
	base/str.c base/str.h
