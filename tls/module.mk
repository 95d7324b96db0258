# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libtls.a
libtls_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS)
libtls_a_SOURCES =
