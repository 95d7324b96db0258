/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections by client; see clients.h. */
#include "clients.h"

#include "hash.h"

#include <stdlib.h>

#define BUCKETS		1024	/* power of two */
#define SUBSCRIBER	64	/* bits of an IPv6 address */

struct client {
	struct client *next, **prev;
	struct addr addr;
	unsigned n;
};

struct clients {
	uint64_t seed;
	struct client *bucket[BUCKETS];
};

struct clients *
clients_new(uint64_t seed)
{
	struct clients *v = calloc(1, sizeof(*v));

	if (v != NULL)
		v->seed = seed;
	return v;
}

void
clients_free(struct clients *v)
{
	for (unsigned i = 0; v != NULL && i < BUCKETS; i++)
		while (v->bucket[i] != NULL) {
			struct client *c = v->bucket[i];

			v->bucket[i] = c->next;
			free(c);
		}
	free(v);
}

struct client *
client_enter(struct clients *v, const struct addr *a, unsigned max)
{
	struct addr key = *a;
	struct client **at, *c;

	addr_mask_v6(&key, SUBSCRIBER);
	at = &v->bucket[hash_bytes(&key, sizeof(key), v->seed) &
	    (BUCKETS - 1)];
	for (c = *at; c != NULL && !addr_eq(&c->addr, &key);)
		c = c->next;
	if (c == NULL) {
		if (max == 0 || (c = malloc(sizeof(*c))) == NULL)
			return NULL;
		*c = (struct client){ .next = *at, .prev = at, .addr = key };
		if (c->next != NULL)
			c->next->prev = &c->next;
		*at = c;
	} else if (c->n >= max)
		return NULL;
	c->n++;
	return c;
}

void
client_leave(struct client *c)
{
	if (c == NULL || --c->n > 0)
		return;
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	free(c);
}
