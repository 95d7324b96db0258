/* SPDX-License-Identifier: BSD-2-Clause */
/* From the table to TLS; see table_tls.h. */
#include "table_tls.h"

#include "server_name.h"

#include <errno.h>

void
table_tls_policy(const struct table *t, const struct ttls_options *o,
    struct str *alpn, unsigned n, struct tls_policy *ret)
{
	const struct tstr *v = TABLE_VEC(t, o->alpn, struct tstr);

	*ret = (struct tls_policy){ .min_version = o->min_version,
	    .max_version = o->max_version,
	    .ciphers = table_str(t, o->ciphers),
	    .groups = table_str(t, o->groups), .alpn = alpn,
	    .nalpn = o->alpn.n < n ? o->alpn.n : n,
	    .sni_strict = o->sni_strict, .no_tickets = o->no_tickets,
	    .client_auth = o->client_auth };
	memcpy(ret->digest, o->policy, sizeof(ret->digest));
	for (unsigned i = 0; i < ret->nalpn; i++)
		alpn[i] = table_str(t, v[i]);
	if (o->client_cas != TNONE)
		ret->client_cas = table_str(t, TABLE_REC(t, blobs,
		    struct tblob, o->client_cas)->data);
}

int
table_tls_cert(const struct table *t, const struct keys *keys, uint32_t cert,
    struct tls_cert *ret)
{
	const struct tcert *c = TABLE_REC(t, certs, struct tcert, cert);
	const struct tstr *v = TABLE_VEC(t, c->chain, struct tstr);

	*ret = (struct tls_cert){ .key = keys_get(keys, c->key_id),
	    .key_type = (uint8_t)c->key_type, .not_before = c->not_before,
	    .not_after = c->not_after };
	memcpy(ret->fingerprint, c->fingerprint, sizeof(ret->fingerprint));
	for (uint32_t i = 0; i < c->chain.n && i < TLS_CHAIN_MAX; i++)
		ret->chain[ret->nchain++] = table_str(t, v[i]);
	return ret->key.n != 0 && ret->nchain != 0 ? 0 : -ENOKEY;
}

int
table_tls_candidates(const struct table *t, const struct keys *keys,
    struct str name, struct tls_candidates *ret)
{
	uint32_t certs[TLS_CANDIDATES];
	unsigned n = server_name_certs(t, name, certs, TLS_CANDIDATES,
	    &ret->is_default);

	ret->n = 0;
	for (unsigned i = 0; i < n; i++)
		if (table_tls_cert(t, keys, certs[i], &ret->v[ret->n]) == 0)
			ret->n++;
	return ret->n != 0 ? 0 : -ENOENT;
}
