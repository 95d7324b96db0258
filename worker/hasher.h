/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Password hashes are slow on purpose, some 50 ms of CPU and more. They are
 * computed on one helper thread, so that a wrong password costs who sends it and
 * not everybody whom this worker serves. The queue is bounded, and each client
 * address has its share of it.
 *
 *   fiber --job--> queue --> thread: basic_hash_matches() --> done --eventfd-->
 *   the worker's loop wakes the fiber
 *
 * The thread touches nothing but the job.
 */
#ifndef HASHER_H
#define HASHER_H

#include "addr.h"
#include "str.h"

struct fiber;
struct hasher;
struct ring;

/*
 * Starts the thread: before the process gives up making more. NULL when it
 * cannot be started.
 */
struct hasher *hasher_new(struct ring *r);
/*
 * Whether the password has that hash, which is waited for: 1 or 0; -EBUSY when
 * too many wait already; -ECANCELED, -ETIMEDOUT. Without a hasher it is
 * computed at once. The strings stay until it returns.
 */
int	hasher_matches(struct fiber *f, struct hasher *h,
	    const struct addr *client, struct str hash, struct str password);

#endif
