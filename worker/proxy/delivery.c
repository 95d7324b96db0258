/* SPDX-License-Identifier: BSD-2-Clause */
/* What TCP knows of delivery; see delivery.h. */
#include "delivery.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

bool
delivery_complete(int fd)
{
	struct tcp_info t = { .tcpi_state = 0 };
	socklen_t n = sizeof(t);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) < 0 ||
	    n < offsetof(struct tcp_info, tcpi_bytes_retrans) +
	    sizeof(t.tcpi_bytes_retrans))
		return true;
	/* The SYN counts as one byte acknowledged. */
	return t.tcpi_bytes_acked >= t.tcpi_bytes_sent -
	    t.tcpi_bytes_retrans + 1;
}
