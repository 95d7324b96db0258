/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of entry points as the configuration writes them. */
#ifndef ENTRY_ADDRESS_H
#define ENTRY_ADDRESS_H

#include "str.h"

#include <sys/socket.h>

/*
 * Reads "[host]:port[/tcp]"; the host is an address, "localhost" or nothing
 * (every address, IPv6 and IPv4). 0, or -EINVAL with static text.
 */
int	entry_address(struct str address, struct sockaddr_storage *ret,
	    socklen_t *ret_len, const char **ret_why);

#endif
