# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libcontroller.a
libcontroller_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_CONTROLLER)
libcontroller_a_CFLAGS = $(AM_CFLAGS) $(CARES_CFLAGS)
libcontroller_a_SOURCES = \
	controller/controller.c controller/controller.h \
	controller/dns.c controller/dns.h \
	controller/kube.h \
	controller/kube_client.c controller/kube_client.h \
	controller/kube_server.c controller/kube_server.h
