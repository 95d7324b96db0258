/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cipher suites of TLS 1.3 (RFC 8446 B.4), with the contexts that all
 * connections of a worker share: one per algorithm and direction, into which
 * the key of whoever comes next is set. A connection itself keeps no more of
 * OpenSSL than the bytes of its keys.
 */
#ifndef SUITE_H
#define SUITE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum suite {
	SUITE_AES_128_GCM,
	SUITE_AES_256_GCM,
	SUITE_CHACHA20_POLY1305,
	SUITES
};

#define SUITE_KEY_MAX	32
#define SUITE_HASH_MAX	48
#define SUITE_NONCE	12
#define SUITE_TAG	16
#define SUITE_AAD	5	/* the record's header */

/* One per worker. NULL: no memory, or OpenSSL lacks an algorithm. */
struct suites *suites_new(void);
void	suites_free(struct suites *s);

/* By the number that TLS gives it (0x1301...); -1: none of these. */
int	suite_by_number(uint16_t number);
uint16_t suite_number(enum suite kind);
/* IANA's, static. */
const char *suite_name(enum suite kind);
size_t	suite_key_len(enum suite kind);
size_t	suite_hash_len(enum suite kind);

/*
 * HKDF-Expand-Label with an empty context (RFC 8446 7.1), for at most the
 * hash's length. 0 or -ENOMEM.
 */
int	suite_expand(struct suites *s, enum suite kind, const uint8_t *secret,
	    const char *label, uint8_t *ret, size_t n);

/* A key and a number that names it in this process and is never used again. */
struct suite_key {
	uint64_t id;
	uint8_t bytes[SUITE_KEY_MAX];
};
void	suite_key_name(struct suite_key *k);

/*
 * Seals the vector's bytes (n in all) and then the byte `last`; out gets n + 1
 * + SUITE_TAG bytes and does not overlap them. 0 or -ENOMEM.
 */
int	suite_seal(struct suites *s, enum suite kind, const struct suite_key *k,
	    const uint8_t *nonce, const uint8_t *aad, const struct iovec *iov,
	    size_t n, uint8_t last, uint8_t *out);
/*
 * Opens n bytes, the tag among them; out gets n - SUITE_TAG and may be `in`.
 * 0; -EBADMSG when the tag is wrong, out is wiped then; -ENOMEM.
 */
int	suite_open(struct suites *s, enum suite kind, const struct suite_key *k,
	    const uint8_t *nonce, const uint8_t *aad, const uint8_t *in,
	    size_t n, uint8_t *out);

#endif
