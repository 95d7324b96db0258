# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libshm.a
libshm_a_CPPFLAGS = $(AM_CPPFLAGS) $(I_SHM)
libshm_a_SOURCES =
