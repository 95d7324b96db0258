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
	worker/io/ring_uring.c worker/io/ring_uring.h \
	worker/io/ring_uring_recv.c \
	worker/io/splice.c \
	worker/io/stream.c worker/io/stream.h worker/io/stream_impl.h \
	worker/io/stream_tls.c \
	worker/io/timer.c worker/io/timer.h
if FIBER_X86_64
libio_a_SOURCES += worker/io/fiber_x86_64.S
else
libio_a_SOURCES += worker/io/fiber_aarch64.S
endif

IO_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER) -I$(srcdir)/tests/unit
IO_TEST_LIBS = libio.a libbase.a $(URING_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_fiber
tests_unit_test_fiber_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_unit_test_fiber_SOURCES = tests/unit/test_fiber.c tests/unit/unit.h
tests_unit_test_fiber_LDADD = $(IO_TEST_LIBS)

UNIT_TESTS += tests/unit/test_timer
tests_unit_test_timer_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_unit_test_timer_SOURCES = tests/unit/test_timer.c tests/unit/unit.h
tests_unit_test_timer_LDADD = $(IO_TEST_LIBS)

UNIT_TESTS += tests/unit/test_ring
tests_unit_test_ring_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_unit_test_ring_SOURCES = tests/unit/test_ring.c tests/unit/io_test.h \
	tests/unit/unit.h
tests_unit_test_ring_LDADD = $(IO_TEST_LIBS)

UNIT_TESTS += tests/unit/test_ring_traps
tests_unit_test_ring_traps_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_unit_test_ring_traps_SOURCES = tests/unit/test_ring_traps.c \
	tests/unit/io_test.h tests/unit/unit.h
tests_unit_test_ring_traps_LDADD = $(IO_TEST_LIBS)

UNIT_TESTS += tests/unit/test_splice
tests_unit_test_splice_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_unit_test_splice_SOURCES = tests/unit/test_splice.c \
	tests/unit/io_test.h tests/unit/unit.h
tests_unit_test_splice_LDADD = $(IO_TEST_LIBS)

UNIT_TESTS += tests/unit/test_stream
tests_unit_test_stream_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_unit_test_stream_SOURCES = tests/unit/test_stream.c \
	tests/unit/tls_pair.c tests/unit/tls_pair.h \
	tests/unit/io_test.h tests/unit/unit.h
tests_unit_test_stream_LDADD = libio.a libtls.a libbase.a $(URING_LIBS) \
	$(OPENSSL_LIBS) $(CHECK_LIBS)

# By hand: make tests/bench/micro_ring && ./tests/bench/micro_ring 64
EXTRA_PROGRAMS = tests/bench/micro_ring
tests_bench_micro_ring_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
tests_bench_micro_ring_SOURCES = tests/bench/micro_ring.c
tests_bench_micro_ring_LDADD = libio.a libbase.a $(URING_LIBS)
