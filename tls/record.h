/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One protected record of TLS 1.3 (RFC 8446 5.2):
 *
 *   | 23 | 0x0303 | length | sealed: content | type | zeros... | tag |
 *
 * Where an alert is returned it is that of RFC 8446 6.2, negated.
 */
#ifndef RECORD_H
#define RECORD_H

#include "traffic.h"

#define RECORD_HEADER		5
#define RECORD_CLEAR_MAX	16384	/* content */
#define RECORD_BODY_MAX		(RECORD_CLEAR_MAX + 256)
/* What a record that is made here adds to its content. */
#define RECORD_ADDED		(RECORD_HEADER + 1 + SUITE_TAG)

enum record_type {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23
};

/* Those of RFC 8446 6 that are used here. */
enum record_alert {
	ALERT_CLOSE_NOTIFY = 0,
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_RECORD_OVERFLOW = 22,
	ALERT_ILLEGAL_PARAMETER = 47,
	ALERT_DECODE_ERROR = 50,
	ALERT_INTERNAL_ERROR = 80,
	ALERT_USER_CANCELED = 90
};

/* The length of the body that follows a header, or an alert. */
int	record_body(const uint8_t header[RECORD_HEADER]);

/*
 * Seals n bytes of the vector, at most RECORD_CLEAR_MAX, into out, which has
 * room for n + RECORD_ADDED. Returns the record's length; -ENOMEM: none was
 * made, and the key must not be used again.
 */
int	record_seal(struct suites *s, struct traffic *t, enum record_type type,
	    const struct iovec *iov, size_t n, uint8_t *out);

/*
 * Opens a body of n bytes into out, which has room for them. Returns the content's
 * length, with its type, or an alert.
 */
int	record_open(struct suites *s, struct traffic *t,
	    const uint8_t header[RECORD_HEADER], const uint8_t *body, size_t n,
	    uint8_t *out, uint8_t *ret_type);

#endif
