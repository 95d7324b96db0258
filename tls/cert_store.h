/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Certificates and CA bundles that were parsed before, by their content: each
 * compilation asks for all of them, and parsing one takes milliseconds.
 */
#ifndef CERT_STORE_H
#define CERT_STORE_H

#include "certificate.h"

struct cert_store;

struct cert_store *cert_store_new(void);
/* Wipes the keys. */
void	cert_store_free(struct cert_store *s);
/*
 * As certificate_load() and ca_bundle_load(); files are read each time. What
 * does not parse is not kept. With NULL for s nothing is.
 *
 * Files that were good when they were last asked for, and are not any more, as
 * while somebody writes them one after the other, give what they gave then: 1,
 * and `why` says what is wrong.
 */
int	cert_store_load(struct cert_store *s, const char *cert,
	    const char *key, int64_t now, struct certificate **ret,
	    char why[CERT_WHY]);
int	cert_store_bundle(struct cert_store *s, const char *file_or_pem,
	    struct buf *der, char why[CERT_WHY]);
/* Forgets what nobody has asked for since the last sweep. */
void	cert_store_sweep(struct cert_store *s);
/* How many are kept, for tests. */
unsigned cert_store_count(const struct cert_store *s);

#endif
