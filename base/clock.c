/* SPDX-License-Identifier: BSD-2-Clause */
/* Time in nanoseconds; see clock.h. */
#include "clock.h"

#include <time.h>

static nsec_t
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (nsec_t)ts.tv_sec * NSEC_SEC + ts.tv_nsec;
}

nsec_t
clock_mono(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

nsec_t
clock_wall(void)
{
	return clock_read(CLOCK_REALTIME);
}

nsec_t
clock_add(nsec_t t, nsec_t d)
{
	nsec_t sum;

	return __builtin_add_overflow(t, d, &sum) ? NSEC_NEVER : sum;
}
