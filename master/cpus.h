/* SPDX-License-Identifier: BSD-2-Clause */
/* How many CPUs this process may use. */
#ifndef CPUS_H
#define CPUS_H

/*
 * The lesser of its affinity and the quota of its control group and of every
 * group around that (both versions), rounded up; at least 1.
 */
unsigned cpus_usable(void);

#endif
