/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first bytes of a connection, before anything takes them: is it TLS, and
 * which name does it ask for? For ports that carry both, and for logs. The
 * handshake itself never relies on this parser.
 */
#ifndef CLIENTHELLO_H
#define CLIENTHELLO_H

#include "str.h"

enum hello_kind {
	HELLO_MORE,		/* not enough bytes to tell */
	HELLO_TLS,		/* a TLS handshake record */
	HELLO_PLAIN		/* anything else */
};

/* One byte is enough: 0x16 never begins an HTTP request. */
enum hello_kind hello_peek(const void *p, size_t n);

/*
 * Finds the server name in a ClientHello, which may be spread over several
 * records. HELLO_TLS: *ret_sni is the name in buf, as sent, empty when there
 * is none. HELLO_MORE: incomplete. HELLO_PLAIN: not a well-formed ClientHello.
 */
enum hello_kind hello_sni(const void *p, size_t n, char buf[256],
	    struct str *ret_sni);

/*
 * Lower-cases a server name in place and checks it (RFC 6066 3): labels of
 * letters, digits, '-' and '_', no empty label, no trailing dot, at most 253
 * bytes, no address. False: the handshake must not go on (S-404).
 */
bool	hello_name_valid(char *name, size_t n);

#endif
