/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time in nanoseconds. Deadlines and durations use the monotonic clock only,
 * so that setting the wall clock never fires a timer (S-208); the wall clock
 * is read for logs, dates and certificates.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

typedef int64_t nsec_t;

#define NSEC_MSEC	INT64_C(1000000)
#define NSEC_SEC	INT64_C(1000000000)
#define NSEC_NEVER	INT64_MAX

nsec_t	clock_mono(void);
/* Nanoseconds since 1970 UTC. */
nsec_t	clock_wall(void);
/* t + d without overflow; NSEC_NEVER stays. */
nsec_t	clock_add(nsec_t t, nsec_t d);

#endif
