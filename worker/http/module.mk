# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libhttp.a
libhttp_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
libhttp_a_SOURCES = \
	worker/http/chunked.c worker/http/chunked.h \
	worker/http/cookie.c worker/http/cookie.h \
	worker/http/field.c worker/http/field.h worker/http/field.def \
	worker/http/h1.h \
	worker/http/h1_error.c \
	worker/http/h1_head.c worker/http/h1_head.h \
	worker/http/h1_hop.c \
	worker/http/h1_host.c \
	worker/http/h1_request.c \
	worker/http/h1_response.c \
	worker/http/h1_write.c worker/http/h1_write.h \
	worker/http/token.c worker/http/token.h
