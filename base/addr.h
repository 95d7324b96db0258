/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IP addresses and address ranges. IPv4 is kept as IPv4-mapped IPv6, so the
 * two spellings of one address are equal everywhere.
 */
#ifndef ADDR_H
#define ADDR_H

#include "str.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct addr {
	uint8_t ip[16];		/* network order, IPv4 as ::ffff:a.b.c.d */
};

struct cidr {
	uint8_t ip[16];		/* host bits cleared */
	uint32_t bits;		/* 0..128, counted in the mapped form */
};

#define ADDR_TEXT	48	/* bytes of the longest text with its NUL */

/*
 * Parses an IPv4 or IPv6 address without port, zone or brackets. Octets with
 * leading zeros are refused. 0 or -EINVAL.
 */
int	addr_parse(struct str s, struct addr *ret);
/* An address alone means a range of one. 0 or -EINVAL. */
int	cidr_parse(struct str s, struct cidr *ret);
bool	cidr_has(const struct cidr *c, const struct addr *a);
bool	addr_eq(const struct addr *a, const struct addr *b);
bool	addr_is_v4(const struct addr *a);
/* Writes the usual text (IPv4 dotted) and returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT]);
/* Zeroes all but the first `bits` of an IPv6 address; IPv4 is untouched. */
void	addr_mask_v6(struct addr *a, unsigned bits);
/* From and to the kernel's form; the port is in host order. */
int	addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret,
	    uint16_t *ret_port);
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port,
	    struct sockaddr_storage *ret);

#endif
