/* SPDX-License-Identifier: BSD-2-Clause */
/* The host of a request, row H1-H10. */
#include "h1.h"

#include "token.h"

#include <arpa/inet.h>
#include <errno.h>

static int
check_port(struct str port)
{
	uint64_t n;

	if (port.n == 0 || port.n > 5 || str_u64(port, &n) < 0)
		return -EBADMSG;
	return n >= 1 && n <= 65535 ? 0 : -EBADMSG;
}

/* "[...]" with an optional port; no zone (inet_pton knows none). */
static int
check_v6(struct str host)
{
	char text[INET6_ADDRSTRLEN];
	ptrdiff_t close = str_chr(host, ']');
	unsigned char addr[16];
	struct str rest;

	if (close < 3 || close > (ptrdiff_t)sizeof(text))
		return -EBADMSG;
	memcpy(text, host.p + 1, (size_t)close - 1);
	text[close - 1] = '\0';
	if (strlen(text) != (size_t)close - 1 ||
	    inet_pton(AF_INET6, text, addr) != 1)
		return -EBADMSG;
	rest = str_from(host, (size_t)close + 1);
	if (rest.n == 0)
		return 0;
	return rest.p[0] == ':' ? check_port(str_from(rest, 1)) : -EBADMSG;
}

int
h1_check_host(struct str host)
{
	bool label = false;	/* a byte of the current label was seen */

	if (host.n > 255 || host.n == 0)
		return -EBADMSG;
	if (host.p[0] == '[')
		return check_v6(host);
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		/* One dot may end the name: "a.test." or "a.test.:80". */
		if (c == ':')
			return i > 0 ? check_port(str_from(host, i + 1)) :
			    -EBADMSG;
		if (!token_is((unsigned char)c, TOKEN_HOST) || c == '[' ||
		    c == ']' || (c == '.' && !label))
			return -EBADMSG;
		label = c != '.';
	}
	return 0;
}
