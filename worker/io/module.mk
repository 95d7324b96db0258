# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libio.a
libio_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
libio_a_CFLAGS = $(AM_CFLAGS) $(URING_CFLAGS)
libio_a_SOURCES = \
	worker/io/fiber.c worker/io/fiber.h \
	worker/io/iobuf.c worker/io/iobuf.h \
	worker/io/ring.c worker/io/ring.h worker/io/ring_impl.h \
	worker/io/ring_epoll.c \
	worker/io/ring_sim.c worker/io/ring_sim.h \
	worker/io/ring_uring.c \
	worker/io/stream.c worker/io/stream.h \
	worker/io/timer.c worker/io/timer.h
if FIBER_X86_64
libio_a_SOURCES += worker/io/fiber_x86_64.S
else
libio_a_SOURCES += worker/io/fiber_aarch64.S
endif

UNIT_TESTS += tests/unit/test_ring
tests_unit_test_ring_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) -I$(srcdir)/tests/unit
tests_unit_test_ring_SOURCES = tests/unit/test_ring.c tests/unit/unit.h
tests_unit_test_ring_LDADD = libio.a libbase.a $(URING_LIBS) $(CHECK_LIBS)
