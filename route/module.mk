# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libroute.a
libroute_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_ROUTE)
libroute_a_SOURCES =
