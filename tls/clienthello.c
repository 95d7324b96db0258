/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ClientHello read without a TLS library (RFC 8446 4.1.2, 5.1; RFC 6066 3).
 * The handshake message may be cut over several records at any byte, so a
 * small reader hides the record headers.
 */
#include "clienthello.h"

#include "addr.h"
#include "tls_impl.h"

/* The rest of a message: a span of a longer one. */
struct span { const uint8_t *p; size_t n; };

static bool
take(struct span *s, size_t n, struct span *ret)
{
	if (s->n < n)
		return false;
	*ret = (struct span){ s->p, n };
	s->p += n;
	s->n -= n;
	return true;
}

/* A vector with `width` bytes of length in front. */
static bool
take_vector(struct span *s, unsigned width, struct span *ret)
{
	struct span head;
	size_t n = 0;

	if (!take(s, width, &head))
		return false;
	for (unsigned i = 0; i < width; i++)
		n = n << 8 | head.p[i];
	return take(s, n, ret);
}

int
hello_parse_name(const uint8_t *p, size_t n, struct str *ret)
{
	struct span ext = { p, n }, list, type, name;
	bool found = false;

	if (!take_vector(&ext, 2, &list) || ext.n != 0 || list.n == 0)
		return -1;
	while (list.n > 0) {
		if (!take(&list, 1, &type) || !take_vector(&list, 2, &name))
			return -1;
		if (type.p[0] != 0)
			continue;
		if (found || name.n == 0 || name.n > 255)
			return -1;	/* one name of each type */
		*ret = str_n(name.p, name.n);
		found = true;
	}
	return found;
}

enum hello_kind
hello_peek(const void *p, size_t n)
{
	if (n == 0)
		return HELLO_MORE;
	return *(const uint8_t *)p == 0x16 ? HELLO_TLS : HELLO_PLAIN;
}

/* ---- Over records -------------------------------------------------------- */

#define MESSAGE_MAX	16384	/* a longer hello is nobody's */

/* Copies the handshake message out of its records. */
static enum hello_kind
gather(struct span in, uint8_t *msg, struct span *ret)
{
	size_t have = 0, want = 4;

	while (have < want) {
		struct span head, body;
		size_t n;

		if (in.n < 5)
			return in.n > 0 && in.p[0] != 0x16 ? HELLO_PLAIN :
			    HELLO_MORE;
		(void)take(&in, 5, &head);
		n = (size_t)head.p[3] << 8 | head.p[4];
		if (head.p[0] != 0x16 || head.p[1] != 3 || n == 0 ||
		    n > TLS_RECORD_MAX)
			return HELLO_PLAIN;
		if (n > in.n)
			n = in.n;
		(void)take(&in, n, &body);
		if (n > MESSAGE_MAX - have)
			n = MESSAGE_MAX - have;
		memcpy(msg + have, body.p, n);
		have += n;
		if (have >= 4) {
			if (msg[0] != 1)
				return HELLO_PLAIN;
			want = 4 + ((size_t)msg[1] << 16 |
			    (size_t)msg[2] << 8 | msg[3]);
			if (want > MESSAGE_MAX)
				return HELLO_PLAIN;
		}
		if (have < want && in.n == 0)
			return HELLO_MORE;
	}
	*ret = (struct span){ msg + 4, want - 4 };
	return HELLO_TLS;
}

/* Positions *ret at the extensions; none is fine too. */
static bool
skip_to_extensions(struct span m, struct span *ret)
{
	struct span skip;

	if (!take(&m, 2 + 32, &skip) ||		/* version, random */
	    !take_vector(&m, 1, &skip) ||	/* session id */
	    !take_vector(&m, 2, &skip) ||	/* cipher suites */
	    !take_vector(&m, 1, &skip))		/* compression */
		return false;
	*ret = (struct span){ NULL, 0 };
	return m.n == 0 || (take_vector(&m, 2, ret) && m.n == 0);
}

enum hello_kind
hello_sni(const void *p, size_t n, char buf[256], struct str *ret_sni)
{
	static uint8_t msg[MESSAGE_MAX];	/* used up before returning */
	struct span in = { p, n }, m, exts, type, body;
	struct str name;
	enum hello_kind kind = gather(in, msg, &m);

	*ret_sni = STR_NONE;
	if (kind != HELLO_TLS)
		return kind;
	if (!skip_to_extensions(m, &exts))
		return HELLO_PLAIN;
	while (exts.n > 0) {
		if (!take(&exts, 2, &type) || !take_vector(&exts, 2, &body))
			return HELLO_PLAIN;
		if (type.p[0] != 0 || type.p[1] != 0)
			continue;
		switch (hello_parse_name(body.p, body.n, &name)) {
		case 1:
			memcpy(buf, name.p, name.n);
			*ret_sni = str_n(buf, name.n);
			return HELLO_TLS;
		case 0:
			return HELLO_TLS;
		default:
			return HELLO_PLAIN;
		}
	}
	return HELLO_TLS;
}

bool
hello_name_valid(char *name, size_t n)
{
	struct addr ip;
	size_t label = 0;

	if (n == 0 || n > 253 || addr_parse(str_n(name, n), &ip) == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i] = str_lower(name[i]);

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '_') || ++label > 63)
			return false;
	}
	return label > 0;
}
