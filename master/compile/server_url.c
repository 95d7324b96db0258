/* SPDX-License-Identifier: BSD-2-Clause */
/* URLs of servers; see server_url.h. */
#include "server_url.h"

#include <errno.h>

/* "host", "host:port", "[v6]", "[v6]:port". */
static int
parse_authority(struct server_url *u, const char **ret_why)
{
	struct str s = u->authority, port = STR_NONE;
	ptrdiff_t end;
	uint64_t n;

	if (s.n != 0 && s.p[0] == '[') {
		*ret_why = "a '[' without its ']'";
		if ((end = str_chr(s, ']')) < 0)
			return -EINVAL;
		u->host = str_n(s.p + 1, (size_t)end - 1);
		port = str_from(s, (size_t)end + 1);
		if (port.n != 0 && port.p[0] != ':')
			return -EINVAL;
	} else {
		if ((end = str_rchr(s, ':')) < 0)
			end = (ptrdiff_t)s.n;
		u->host = str_head(s, (size_t)end);
		port = str_from(s, (size_t)end);
	}
	*ret_why = "the host is missing";
	if (u->host.n == 0)
		return -EINVAL;
	*ret_why = "the host has a character that no host has";
	for (size_t i = 0; i < u->host.n; i++) {
		unsigned char c = (unsigned char)u->host.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}/?#@", c))
			return -EINVAL;
	}
	u->port = u->tls ? 443 : 80;
	if (port.n <= 1)
		return 0;
	*ret_why = "the port must be a number from 1 to 65535";
	if (str_u64(str_from(port, 1), &n) < 0 || n == 0 || n > 65535)
		return -EINVAL;
	u->port = (uint16_t)n;
	return 0;
}

int
server_url_parse(struct str text, struct server_url *ret, const char **ret_why)
{
	ptrdiff_t colon = str_find(text, STR("://")), at;
	struct str rest;
	size_t end = 0;

	*ret = (struct server_url){ 0 };
	*ret_why = "the URL must begin with http:// or https://";
	if (colon < 0)
		return -EINVAL;
	ret->scheme = str_head(text, (size_t)colon);
	ret->tls = str_caseeq(ret->scheme, STR("https"));
	ret->h2c = str_caseeq(ret->scheme, STR("h2c"));
	if (!ret->tls && !ret->h2c && !str_caseeq(ret->scheme, STR("http")))
		return -EINVAL;
	rest = str_from(text, (size_t)colon + 3);
	while (end < rest.n && strchr("/?#", rest.p[end]) == NULL)
		end++;
	ret->authority = str_head(rest, end);
	rest = str_from(rest, end);
	/* Credentials in a URL are not used (and would end up in logs). */
	if ((at = str_rchr(ret->authority, '@')) >= 0)
		ret->authority = str_from(ret->authority, (size_t)at + 1);
	if ((at = str_chr(rest, '#')) >= 0)
		rest = str_head(rest, (size_t)at);
	ret->target = rest;
	at = str_chr(rest, '?');
	ret->path = at < 0 ? rest : str_head(rest, (size_t)at);
	return parse_authority(ret, ret_why);
}
