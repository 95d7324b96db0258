# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libroute.a
libroute_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_ROUTE)
libroute_a_SOURCES = \
	route/path.c route/path.h \
	route/query.c route/query.h \
	route/route.c route/route.h
