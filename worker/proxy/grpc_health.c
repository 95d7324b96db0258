/* SPDX-License-Identifier: BSD-2-Clause */
/* grpc.health.v1; see grpc_health.h. */
#include "grpc_health.h"

#include <errno.h>
#include <stdint.h>

/* A message without bytes: service is "". */
struct str
grpc_health_question(void)
{
	return str_n("\0\0\0\0\0", 5);
}

static bool
take_varint(struct str *in, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; shift < 64 && in->n > 0; shift += 7) {
		uint8_t b = (uint8_t)in->p[0];

		*in = str_from(*in, 1);
		*ret |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return true;
	}
	return false;
}

/* What later versions may have added. */
static bool
skip_value(struct str *in, unsigned type)
{
	uint64_t n;

	switch (type) {
	case 0:
		return take_varint(in, &n);
	case 1:
		n = 8;
		break;
	case 2:
		if (!take_varint(in, &n))
			return false;
		break;
	case 5:
		n = 4;
		break;
	default:
		return false;
	}
	if (n > in->n)
		return false;
	*in = str_from(*in, (size_t)n);
	return true;
}

int
grpc_health_parse(struct str body)
{
	const uint8_t *p = (const uint8_t *)body.p;
	uint64_t key, status = 0;
	struct str in;

	/* Not compressed; one message and no more. */
	if (body.n < 5 || p[0] != 0 || ((uint32_t)p[1] << 24 |
	    (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4]) != body.n - 5)
		return -EBADMSG;
	in = str_from(body, 5);
	while (in.n > 0) {
		if (!take_varint(&in, &key) || key >> 3 == 0)
			return -EBADMSG;
		if (key == (1 << 3 | 0)) {
			if (!take_varint(&in, &status))
				return -EBADMSG;
		} else if (!skip_value(&in, (unsigned)(key & 7))) {
			return -EBADMSG;
		}
	}
	return status <= 99 ? (int)status : -EBADMSG;
}
