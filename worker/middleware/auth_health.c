/* SPDX-License-Identifier: BSD-2-Clause */
/* Auth servers that are down; see auth_health.h. */
#include "auth_health.h"

#include "hash.h"

#define SLOTS		64	/* power of two; of two in one the last counts */
#define FAILURES	5
#define REST		NSEC_SEC

struct slot { uint64_t key; unsigned failures; nsec_t until; };

static struct slot slots[SLOTS];

static struct slot *
slot_of(struct str address, uint64_t *ret_key)
{
	*ret_key = hash_str(address, 0);
	return &slots[*ret_key & (SLOTS - 1)];
}

bool
auth_health_ask(struct str address, nsec_t now)
{
	uint64_t key;
	struct slot *s = slot_of(address, &key);

	if (s->key != key || s->failures < FAILURES)
		return true;
	if (now < s->until)
		return false;
	s->until = now + REST;	/* the others wait for this probe */
	return true;
}

void
auth_health_note(struct str address, nsec_t now, bool answered)
{
	uint64_t key;
	struct slot *s = slot_of(address, &key);

	if (s->key != key) {
		if (answered)
			return;
		*s = (struct slot){ .key = key };
	}
	s->failures = answered ? 0 : s->failures + 1;
	if (s->failures >= FAILURES)
		s->until = now + REST;
}
