/* SPDX-License-Identifier: BSD-2-Clause */
/* The URL of a server or of an authentication service, taken apart. */
#ifndef SERVER_URL_H
#define SERVER_URL_H

#include "str.h"

struct server_url {
	struct str scheme;	/* as written */
	struct str authority;	/* host[:port] as written */
	struct str host;	/* without brackets */
	struct str target;	/* path and query, "" when there is none */
	struct str path;	/* of the target */
	uint16_t port;		/* given, or the scheme's */
	bool tls;
	bool h2c;
};

/* Slices of `text`. 0, or -EINVAL with static text in *ret_why. */
int	server_url_parse(struct str text, struct server_url *ret,
	    const char **ret_why);

#endif
