/* SPDX-License-Identifier: BSD-2-Clause */
/* See traffic.h. */
#include "traffic.h"

#include <string.h>
#include <openssl/crypto.h>

int
traffic_init(struct traffic *t, struct suites *s, enum suite kind,
    const uint8_t *secret)
{
	int err;

	t->suite = (uint8_t)kind;
	t->seq = 0;
	memcpy(t->secret, secret, suite_hash_len(kind));
	suite_key_name(&t->key);
	if ((err = suite_expand(s, kind, secret, "key", t->key.bytes,
	    suite_key_len(kind))) < 0)
		return err;
	return suite_expand(s, kind, secret, "iv", t->iv, sizeof(t->iv));
}

int
traffic_next(struct traffic *t, struct suites *s)
{
	enum suite kind = (enum suite)t->suite;
	uint8_t secret[SUITE_HASH_MAX];
	int err;

	if ((err = suite_expand(s, kind, t->secret, "traffic upd", secret,
	    suite_hash_len(kind))) == 0)
		err = traffic_init(t, s, kind, secret);
	OPENSSL_cleanse(secret, sizeof(secret));
	return err;
}

void
traffic_nonce(const struct traffic *t, uint8_t ret[SUITE_NONCE])
{
	memcpy(ret, t->iv, SUITE_NONCE);
	for (unsigned i = 0; i < 8; i++)
		ret[SUITE_NONCE - 1 - i] ^= (uint8_t)(t->seq >> (8 * i));
}
