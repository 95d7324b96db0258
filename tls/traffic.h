/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traffic keys of one direction of a TLS 1.3 connection (RFC 8446 7.3):
 * the secret they come from, key, IV, and the number of the next record.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include "suite.h"

struct traffic {
	struct suite_key key;
	uint64_t seq;			/* of the next record */
	uint8_t secret[SUITE_HASH_MAX];
	uint8_t iv[SUITE_NONCE];
	uint8_t suite;			/* enum suite */
};

/* From a secret of the suite's hash length, at record 0. 0 or -ENOMEM. */
int	traffic_init(struct traffic *t, struct suites *s, enum suite kind,
	    const uint8_t *secret);
/* The next generation (RFC 8446 7.2), at record 0. 0 or -ENOMEM. */
int	traffic_next(struct traffic *t, struct suites *s);
/* The nonce of record t->seq (RFC 8446 5.3). */
void	traffic_nonce(const struct traffic *t, uint8_t ret[SUITE_NONCE]);

#endif
