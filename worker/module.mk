# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libworker.a
libworker_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_WORKER)
libworker_a_SOURCES =
include worker/io/module.mk
include worker/http/module.mk
