# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libtls.a
libtls_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_TLS)
libtls_a_SOURCES = \
	tls/certcache.c \
	tls/certificate.c tls/certificate.h \
	tls/client.c \
	tls/clienthello.c tls/clienthello.h \
	tls/context.c tls/context.h \
	tls/engine.c tls/tls.h tls/tls_impl.h \
	tls/hello.c \
	tls/local_ca.c tls/local_ca.h \
	tls/memory.c tls/memory.h \
	tls/names.c tls/names.h \
	tls/policy.c \
	tls/roots.c \
	tls/server.c \
	tls/session.c \
	tls/ticket.c
