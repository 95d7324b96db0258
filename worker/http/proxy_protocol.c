/* SPDX-License-Identifier: BSD-2-Clause */
/* PROXY protocol headers; see proxy_protocol.h. */
#include "proxy_protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V1_MAX	107	/* with its line end */
#define V2_HEAD	16

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };

static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- Version 1: one line of text ----------------------------------------- */

static int
parse_port(struct str s, uint16_t *ret)
{
	uint64_t v;

	if (s.n == 0 || s.n > 5 || (s.n > 1 && s.p[0] == '0') ||
	    str_u64(s, &v) < 0 || v > UINT16_MAX)
		return -EBADMSG;
	*ret = (uint16_t)v;
	return 0;
}

/* Exactly one blank between the words, as the specification has it. */
static bool
word(struct str *rest, struct str *ret)
{
	ptrdiff_t blank = str_chr(*rest, ' ');

	*ret = blank < 0 ? *rest : str_head(*rest, (size_t)blank);
	*rest = blank < 0 ? STR_NONE : str_from(*rest, (size_t)blank + 1);
	return ret->n > 0;
}

static int
parse_line(struct str line, struct proxy_header *h)
{
	struct str family, from, to, from_port, to_port;
	bool v4;

	if (!word(&line, &family))
		return -EBADMSG;
	if (str_eq(family, STR("UNKNOWN")))	/* whatever follows */
		return 0;
	v4 = str_eq(family, STR("TCP4"));
	if ((!v4 && !str_eq(family, STR("TCP6"))) || !word(&line, &from) ||
	    !word(&line, &to) || !word(&line, &from_port) ||
	    !word(&line, &to_port) || line.n != 0 ||
	    addr_parse(from, &h->from) < 0 || addr_parse(to, &h->to) < 0 ||
	    (v4 && (str_chr(from, ':') >= 0 || str_chr(to, ':') >= 0)) ||
	    (!v4 && (str_chr(from, ':') < 0 || str_chr(to, ':') < 0)) ||
	    parse_port(from_port, &h->from_port) < 0 ||
	    parse_port(to_port, &h->to_port) < 0)
		return -EBADMSG;
	h->known = true;
	return 0;
}

static int
parse_v1(struct str in, struct proxy_header *h)
{
	size_t max = in.n < V1_MAX ? in.n : V1_MAX;
	const char *end = memchr(in.p, '\r', max);
	size_t n;

	if (end == NULL || (size_t)(end - in.p) + 1 == max)
		return in.n < V1_MAX ? 0 : -EBADMSG;
	n = (size_t)(end - in.p);
	if (end[1] != '\n' || parse_line(str_n(in.p + 6, n - 6), h) < 0)
		return -EBADMSG;
	return (int)n + 2;
}

/* ---- Version 2: binary ----------------------------------------------------- */

static uint16_t
big_endian(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* IPv4 addresses are held in their mapped form (addr.h). */
static struct addr
address(const uint8_t *p, size_t n)
{
	struct addr a = { { 0 } };

	if (n == 4)
		a.ip[10] = a.ip[11] = 0xff;
	memcpy(a.ip + 16 - n, p, n);
	return a;
}

static int
parse_v2(const uint8_t *p, size_t n, struct proxy_header *h)
{
	size_t len, size;

	if (n < V2_HEAD)
		return 0;
	len = big_endian(p + 14);
	if ((p[12] != V2_LOCAL && p[12] != V2_PROXY) ||
	    V2_HEAD + len > PROXY_HEADER_MAX)
		return -EBADMSG;
	if (n < V2_HEAD + len)
		return 0;
	size = p[13] == V2_TCP4 ? 4 : p[13] == V2_TCP6 ? 16 : 0;
	if (p[12] == V2_LOCAL || size == 0)	/* its own probe; not TCP */
		return (int)(V2_HEAD + len);
	if (len < 2 * size + 4)
		return -EBADMSG;
	p += V2_HEAD;
	h->known = true;
	h->from = address(p, size);
	h->to = address(p + size, size);
	h->from_port = big_endian(p + 2 * size);
	h->to_port = big_endian(p + 2 * size + 2);
	return (int)(V2_HEAD + len);
}

/* Whether what is there so far could become `magic`. */
static bool
begins(const uint8_t *p, size_t n, const void *magic, size_t len)
{
	return memcmp(p, magic, n < len ? n : len) == 0;
}

int
proxy_header_parse(const uint8_t *p, size_t n, struct proxy_header *ret)
{
	*ret = (struct proxy_header){ .known = false };
	if (n == 0)
		return 0;
	if (begins(p, n, "PROXY ", 6))
		return n < 6 ? 0 : parse_v1(str_n((const char *)p, n), ret);
	if (begins(p, n, v2_signature, sizeof(v2_signature)))
		return parse_v2(p, n, ret);
	return -ENOENT;
}

/* ---- Writing ----------------------------------------------------------------- */

static bool
all_v4(const struct proxy_header *h)
{
	return addr_is_v4(&h->from) && addr_is_v4(&h->to);
}

/* The text of an IPv4 address in a line of IPv6 ones has colons, too. */
static const char *
text_of(const struct addr *a, bool v4, char out[ADDR_TEXT])
{
	char text[ADDR_TEXT];

	(void)addr_text(a, text);
	(void)snprintf(out, ADDR_TEXT, "%s%.39s", addr_is_v4(a) && !v4 ?
	    "::ffff:" : "", text);
	return out;
}

/* Addresses have up to 39 bytes here: with those of IPv6 it is 104 in all. */
static size_t
write_v1(const struct proxy_header *h, uint8_t out[PROXY_HEADER_WRITTEN])
{
	char line[V1_MAX + 1], from[ADDR_TEXT], to[ADDR_TEXT];
	bool v4 = all_v4(h);
	int n = h->known ? snprintf(line, sizeof(line),
	    "PROXY TCP%c %.39s %.39s %hu %hu\r\n", v4 ? '4' : '6',
	    text_of(&h->from, v4, from), text_of(&h->to, v4, to),
	    h->from_port, h->to_port) :
	    snprintf(line, sizeof(line), "PROXY UNKNOWN\r\n");

	memcpy(out, line, (size_t)n);
	return (size_t)n;
}

static uint8_t *
put_be16(uint8_t *p, size_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *
put_address(uint8_t *p, const struct addr *a, size_t size)
{
	memcpy(p, a->ip + 16 - size, size);
	return p + size;
}

static size_t
write_v2(const struct proxy_header *h, uint8_t out[PROXY_HEADER_WRITTEN])
{
	size_t size = !h->known ? 0 : all_v4(h) ? 4 : 16;
	uint8_t *p = out + sizeof(v2_signature);

	memcpy(out, v2_signature, sizeof(v2_signature));
	*p++ = h->known ? V2_PROXY : V2_LOCAL;
	*p++ = size == 0 ? 0 : size == 4 ? V2_TCP4 : V2_TCP6;
	p = put_be16(p, size == 0 ? 0 : 2 * size + 4);
	if (size == 0)
		return (size_t)(p - out);
	p = put_address(p, &h->from, size);
	p = put_address(p, &h->to, size);
	p = put_be16(p, h->from_port);
	p = put_be16(p, h->to_port);
	return (size_t)(p - out);
}

size_t
proxy_header_write(const struct proxy_header *h, unsigned version,
    uint8_t out[PROXY_HEADER_WRITTEN])
{
	return version == 1 ? write_v1(h, out) : write_v2(h, out);
}

bool
proxy_header_eq(const struct proxy_header *a, const struct proxy_header *b)
{
	if (!a->known || !b->known)
		return a->known == b->known;
	return addr_eq(&a->from, &b->from) && addr_eq(&a->to, &b->to) &&
	    a->from_port == b->from_port && a->to_port == b->to_port;
}
