/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions with upstreams: the newest one per key, in a table of fixed size
 * with a few places per hash value, of which the longest unused is replaced.
 */
#include "tls_impl.h"

#include <stdlib.h>

#define SETS	128
#define WAYS	4

struct slot {
	uint64_t key;		/* 0: empty */
	uint64_t used;
	SSL_SESSION *s;
};

struct sessions {
	uint64_t clock;
	unsigned count;
	struct slot slot[SETS][WAYS];
};

struct sessions *
sessions_new(void)
{
	return calloc(1, sizeof(struct sessions));
}

void
sessions_free(struct sessions *ss)
{
	if (ss == NULL)
		return;
	for (unsigned i = 0; i < SETS; i++)
		for (unsigned k = 0; k < WAYS; k++)
			SSL_SESSION_free(ss->slot[i][k].s);
	free(ss);
}

void
sessions_put(struct sessions *ss, uint64_t key, SSL_SESSION *s)
{
	struct slot *set = ss->slot[(key >> 32) % SETS], *at = &set[0];

	for (unsigned k = 0; k < WAYS; k++) {
		if (set[k].key == key) {
			at = &set[k];
			break;
		}
		if (set[k].used < at->used)
			at = &set[k];
	}
	if (at->s == NULL)
		ss->count++;
	SSL_SESSION_free(at->s);
	*at = (struct slot){ key, ++ss->clock, s };
}

SSL_SESSION *
sessions_get(struct sessions *ss, uint64_t key)
{
	struct slot *set = ss->slot[(key >> 32) % SETS];

	for (unsigned k = 0; k < WAYS; k++) {
		if (set[k].key != key || set[k].s == NULL)
			continue;
		set[k].used = ++ss->clock;
		if (SSL_SESSION_up_ref(set[k].s) != 1)
			return NULL;
		return set[k].s;
	}
	return NULL;
}

unsigned
sessions_count(const struct sessions *ss)
{
	return ss->count;
}
