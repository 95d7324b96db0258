# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libmaster.a
libmaster_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_MASTER)
libmaster_a_SOURCES =
