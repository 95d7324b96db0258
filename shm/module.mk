# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libshm.a
libshm_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_SHM)
libshm_a_SOURCES = \
	shm/build.c shm/build.h \
	shm/build_mux.c \
	shm/inherit.c shm/inherit.h \
	shm/keys.c shm/keys.h \
	shm/live.c shm/live.h \
	shm/memfd.c shm/memfd.h \
	shm/msg.c shm/msg.h \
	shm/privdrop.c shm/privdrop.h \
	shm/reason.c shm/reason.h shm/reason.def \
	shm/table.c shm/table.h \
	shm/tickets.c shm/tickets.h
