/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header that a balancer puts in front of a connection to say for whom it
 * speaks: PROXY protocol, versions 1 and 2 (haproxy.org's specification of 2020).
 */
#ifndef PROXY_PROTOCOL_H
#define PROXY_PROTOCOL_H

#include "addr.h"

#include <stdbool.h>

#define PROXY_HEADER_MAX	(16 + 4096)	/* version 2 with its TLVs (L26) */

struct proxy_header {
	bool known;		/* false: UNKNOWN or LOCAL, the socket's addresses hold */
	struct addr from, to;
	uint16_t from_port, to_port;
};

/*
 * Reads the header at the start of p[0..n). Positive: its bytes. 0: more are
 * needed. -ENOENT: something else begins here. -EBADMSG: malformed or longer
 * than PROXY_HEADER_MAX.
 */
int	proxy_header_parse(const uint8_t *p, size_t n, struct proxy_header *ret);

#define PROXY_HEADER_WRITTEN	107	/* bytes of the longest that is written */

/*
 * Writes the header of version 1 or 2, without TLVs. Where one address is IPv4 and
 * the other IPv6, both are written as IPv6. Returns its bytes.
 */
size_t	proxy_header_write(const struct proxy_header *h, unsigned version,
	    uint8_t out[PROXY_HEADER_WRITTEN]);
/* Whether both say the same. */
bool	proxy_header_eq(const struct proxy_header *a,
	    const struct proxy_header *b);

#endif
