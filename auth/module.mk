# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libauth.a
libauth_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_AUTH)
libauth_a_SOURCES = \
	auth/apr1.c auth/apr1.h \
	auth/basic.c auth/basic.h \
	auth/forward.c auth/forward.h \
	auth/headers.c auth/headers.h \
	auth/uri.c auth/uri.h
