/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a TLS client gets for the name it asks for: options and certificates, as
 * the table has them. Worker and `akkod explain` share it.
 */
#ifndef SERVER_NAME_H
#define SERVER_NAME_H

#include "table.h"

/* NULL: the entry point's default options are its. */
const struct ttls_host *server_name_options(const struct table *t,
	    const struct tentry_point *ep, struct str name);
/*
 * The numbers of at most `max` certificates that fit the name (proxy.md 5.2:
 * exact or one label under a wildcard, by descending key text), else of the
 * default ones.
 */
unsigned server_name_certs(const struct table *t, struct str name,
	    uint32_t *ret, unsigned max, bool *ret_default);

#endif
