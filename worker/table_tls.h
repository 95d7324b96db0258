/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the table's records to what the TLS engine takes: policies and
 * certificates. Spans stay in the table.
 */
#ifndef TABLE_TLS_H
#define TABLE_TLS_H

#include "context.h"
#include "keys.h"
#include "table.h"

/* alpn is storage for up to n names. */
void	table_tls_policy(const struct table *t, const struct ttls_options *o,
	    struct str *alpn, unsigned n, struct tls_policy *ret);
/* A certificate with its key. 0 or -ENOKEY. */
int	table_tls_cert(const struct table *t, const struct keys *keys,
	    uint32_t cert, struct tls_cert *ret);
/*
 * All that fit the name (proxy.md 5.2: exact or one label under a wildcard, by
 * descending key text), else the default one. 0 or -ENOENT.
 */
int	table_tls_candidates(const struct table *t, const struct keys *keys,
	    struct str name, struct tls_candidates *ret);

#endif
