/* SPDX-License-Identifier: BSD-2-Clause */
/* See record.h. */
#include "record.h"

#include <assert.h>
#include <errno.h>

/*
 * The version is not looked at (RFC 8446 5.1), but it is sealed as a part of
 * the header. After the handshake all records are protected: whatever else
 * stands outside, change_cipher_spec among it, is unexpected (RFC 8446 5).
 */
int
record_body(const uint8_t header[RECORD_HEADER])
{
	int n = header[3] << 8 | header[4];

	if (header[0] != RECORD_DATA)
		return -ALERT_UNEXPECTED_MESSAGE;
	return n <= RECORD_BODY_MAX ? n : -ALERT_RECORD_OVERFLOW;
}

int
record_seal(struct suites *s, struct traffic *t, enum record_type type,
    const struct iovec *iov, size_t n, uint8_t *out)
{
	size_t body = n + 1 + SUITE_TAG;
	uint8_t nonce[SUITE_NONCE];

	assert(n <= RECORD_CLEAR_MAX);
	if (t->seq == UINT64_MAX)
		return -ENOMEM;
	out[0] = RECORD_DATA;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(body >> 8);
	out[4] = (uint8_t)body;
	traffic_nonce(t, nonce);
	if (suite_seal(s, (enum suite)t->suite, &t->key, nonce, out, iov, n,
	    (uint8_t)type, out + RECORD_HEADER) < 0)
		return -ENOMEM;
	t->seq++;
	return (int)(RECORD_HEADER + body);
}

int
record_open(struct suites *s, struct traffic *t,
    const uint8_t header[RECORD_HEADER], const uint8_t *body, size_t n,
    uint8_t *out, uint8_t *ret_type)
{
	uint8_t nonce[SUITE_NONCE];
	int r;

	if (n < SUITE_TAG)
		return -ALERT_BAD_RECORD_MAC;
	/* Numbers never wrap (RFC 8446 5.3). */
	if (t->seq == UINT64_MAX)
		return -ALERT_INTERNAL_ERROR;
	traffic_nonce(t, nonce);
	r = suite_open(s, (enum suite)t->suite, &t->key, nonce, header, body, n,
	    out);
	if (r < 0)
		return r == -EBADMSG ? -ALERT_BAD_RECORD_MAC :
		    -ALERT_INTERNAL_ERROR;
	t->seq++;
	n -= SUITE_TAG;
	if (n > RECORD_CLEAR_MAX + 1)
		return -ALERT_RECORD_OVERFLOW;
	/* Padding, then the type (RFC 8446 5.4). */
	while (n > 0 && out[n - 1] == 0)
		n--;
	if (n == 0)
		return -ALERT_UNEXPECTED_MESSAGE;
	*ret_type = out[n - 1];
	return (int)(n - 1);
}
