/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of servers to addresses, for as long as the master wants to know them:
 * hosts file, then DNS, asked again when the answer's TTL has passed. A name
 * that cannot be resolved any more keeps its last addresses for an hour
 * (S-210) and is tried again after 1 to 30 seconds.
 */
#ifndef DNS_H
#define DNS_H

#include "addr.h"
#include "clock.h"

#include <poll.h>

#define DNS_FDS		16	/* descriptors that c-ares has at once */
#define DNS_ADDRS	16	/* struct msg_resolved */
#define DNS_NAMES_MAX	4096

struct resolver;

/* Tells a change: addresses (n > 0) or none any more. Returns 0, or -EAGAIN to be told again later. */
typedef int dns_fn(void *arg, const char *name, const struct addr *addrs,
	    unsigned n);

/* NULL when c-ares cannot start. */
struct resolver *dns_new(dns_fn *tell, void *arg);
void	dns_free(struct resolver *r);
/* Begins to follow a name; nothing happens when it is followed already. */
void	dns_follow(struct resolver *r, const char *name);
/*
 * Asks what is due and says what to wait for: descriptors, at most DNS_FDS of
 * them, and for how long at most. Returns how many.
 */
unsigned dns_prepare(struct resolver *r, struct pollfd *p, int *ret_timeout);
/* After the wait: does what there is to do. */
void	dns_work(struct resolver *r, const struct pollfd *p, unsigned n);
/* Tells what could not be told before. */
void	dns_retell(struct resolver *r);

#endif
