/* SPDX-License-Identifier: BSD-2-Clause */
/* IP addresses and ranges; see addr.h. */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

int
addr_parse(struct str s, struct addr *ret)
{
	char text[ADDR_TEXT];
	struct in_addr v4;

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, 0, s.n) != NULL)
		return -EINVAL;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1) {
		memcpy(ret->ip, v4_prefix, 12);
		memcpy(ret->ip + 12, &v4, 4);
		return 0;
	}
	return inet_pton(AF_INET6, text, ret->ip) == 1 ? 0 : -EINVAL;
}

static void
mask(uint8_t ip[16], unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits >= (i + 1) * 8 ? 8 :
		    bits > i * 8 ? bits - i * 8 : 0;

		ip[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int
cidr_parse(struct str s, struct cidr *ret)
{
	ptrdiff_t slash = str_chr(s, '/');
	struct addr a;
	uint64_t bits = 128;
	int r;

	if (slash < 0) {
		if ((r = addr_parse(s, &a)) < 0)
			return r;
	} else {
		struct str host = str_head(s, (size_t)slash);

		if ((r = addr_parse(host, &a)) < 0 ||
		    (r = str_u64(str_from(s, (size_t)slash + 1), &bits)) < 0)
			return r;
		if (str_chr(host, ':') < 0) {
			if (bits > 32)
				return -EINVAL;
			bits += 96;
		} else if (bits > 128)
			return -EINVAL;
	}
	memcpy(ret->ip, a.ip, 16);
	ret->bits = (uint32_t)bits;
	mask(ret->ip, ret->bits);
	return 0;
}

bool
cidr_has(const struct cidr *c, const struct addr *a)
{
	struct addr m = *a;

	mask(m.ip, c->bits <= 128 ? c->bits : 128);
	return memcmp(m.ip, c->ip, 16) == 0;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->ip, b->ip, 16) == 0;
}

bool
addr_is_v4(const struct addr *a)
{
	return memcmp(a->ip, v4_prefix, 12) == 0;
}

/* Each request needs it, and inet_ntop(3) goes through sprintf(3). */
static void
v4_text(const uint8_t ip[4], char *p)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned v = ip[i];

		if (v >= 100)
			*p++ = (char)('0' + v / 100);
		if (v >= 10)
			*p++ = (char)('0' + v / 10 % 10);
		*p++ = (char)('0' + v % 10);
		*p++ = i < 3 ? '.' : '\0';
	}
}

const char *
addr_text(const struct addr *a, char out[ADDR_TEXT])
{
	if (addr_is_v4(a))
		v4_text(a->ip + 12, out);
	else
		inet_ntop(AF_INET6, a->ip, out, ADDR_TEXT);
	return out;
}

void
addr_mask_v6(struct addr *a, unsigned bits)
{
	if (!addr_is_v4(a))
		mask(a->ip, bits);
}

int
addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret,
    uint16_t *ret_port)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		memcpy(ret->ip, v4_prefix, 12);
		memcpy(ret->ip + 12, &in->sin_addr, 4);
		*ret_port = ntohs(in->sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(ret->ip, &in6->sin6_addr, 16);
		*ret_port = ntohs(in6->sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}

socklen_t
addr_to_sockaddr(const struct addr *a, uint16_t port,
    struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is_v4(a)) {
		struct sockaddr_in *in = (void *)ret;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->ip + 12, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (void *)ret;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}
