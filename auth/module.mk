# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libauth.a
libauth_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_AUTH)
libauth_a_SOURCES =
