/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of entry points; see entry_address.h. */
#include "entry_address.h"

#include "addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static bool
has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

/* Cuts "/tcp" off; other words are refused. */
static int
cut_protocol(struct str *s, const char **ret_why)
{
	ptrdiff_t slash = str_rchr(*s, '/');

	if (slash < 0)
		return 0;
	*ret_why = "UDP entry points are not supported yet";
	if (str_caseeq(str_from(*s, (size_t)slash + 1), STR("udp")))
		return -EINVAL;
	*ret_why = "the protocol after '/' must be tcp";
	if (!str_caseeq(str_from(*s, (size_t)slash + 1), STR("tcp")))
		return -EINVAL;
	*s = str_head(*s, (size_t)slash);
	return 0;
}

int
entry_address(struct str address, struct sockaddr_storage *ret,
    socklen_t *ret_len, const char **ret_why)
{
	struct addr a = { { 0 } };
	ptrdiff_t colon;
	struct str host, port;
	uint64_t n;

	if (cut_protocol(&address, ret_why) < 0)
		return -EINVAL;
	*ret_why = "an address is written [host]:port";
	if ((colon = str_rchr(address, ':')) < 0)
		return -EINVAL;
	host = str_head(address, (size_t)colon);
	port = str_from(address, (size_t)colon + 1);
	*ret_why = "the port must be a number from 1 to 65535";
	if (str_u64(port, &n) < 0 || n == 0 || n > 65535)
		return -EINVAL;
	if (host.n == 0) {
		/* All of both families in one socket, where IPv6 exists. */
		memset(ret, 0, sizeof(*ret));
		if (has_ipv6()) {
			struct sockaddr_in6 *s6 = (void *)ret;

			s6->sin6_family = AF_INET6;
			s6->sin6_port = htons((uint16_t)n);
			*ret_len = sizeof(*s6);
		} else {
			struct sockaddr_in *s4 = (void *)ret;

			s4->sin_family = AF_INET;
			s4->sin_port = htons((uint16_t)n);
			*ret_len = sizeof(*s4);
		}
		return 0;
	}
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_n(host.p + 1, host.n - 2);
	if (str_caseeq(host, STR("localhost")))
		host = STR("127.0.0.1");
	*ret_why = "the host must be an IP address or localhost";
	if (addr_parse(host, &a) < 0)
		return -EINVAL;
	*ret_len = addr_to_sockaddr(&a, (uint16_t)n, ret);
	return 0;
}
