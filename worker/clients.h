/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients by address: how many connections each holds. An IPv6 client is its
 * /64, which is what one subscriber gets.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "addr.h"

struct client;
struct clients;

/* The seed keys the table: clients choose their addresses. NULL: no memory. */
struct clients *clients_new(uint64_t seed);
void	clients_free(struct clients *v);
/*
 * One more connection of an address. The client, to be given back with
 * client_leave(); NULL when it holds `max` already or memory is short.
 */
struct client *client_enter(struct clients *v, const struct addr *a,
	    unsigned max);
/* NULL is allowed. */
void	client_leave(struct client *c);

#endif
