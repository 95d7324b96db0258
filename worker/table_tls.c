/* SPDX-License-Identifier: BSD-2-Clause */
/* From the table to TLS; see table_tls.h. */
#include "table_tls.h"

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

/* First entry with this name or the end. */
static uint32_t
names_from(const struct table *t, struct str name)
{
	const struct tcert_name *v = TABLE_VEC(t, t->hdr->cert_names,
	    struct tcert_name);
	uint32_t lo = 0, hi = t->hdr->cert_names.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (str_cmp(table_str(t, v[mid].name), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
name_at(const struct table *t, uint32_t i, struct str name)
{
	return i < t->hdr->cert_names.n && str_eq(table_str(t,
	    TABLE_REC(t, cert_names, struct tcert_name, i)->name), name);
}

int
table_tls_candidates(const struct table *t, const struct keys *keys,
    struct str name, struct tls_candidates *ret)
{
	ptrdiff_t dot = str_chr(name, '.');
	char wild[260] = "*";
	struct str parent = STR("\xff");
	uint32_t a, b;

	ret->n = 0;
	ret->is_default = false;
	if (dot > 0 && name.n - (size_t)dot < sizeof(wild) - 1) {
		parent = str_n(wild, 1 + name.n - (size_t)dot);
		memcpy(wild + 1, name.p + dot, name.n - (size_t)dot);
	}
	a = names_from(t, name);
	b = names_from(t, parent);
	/* Two lists in the order of certificates, merged. */
	while (ret->n < TLS_CANDIDATES) {
		uint32_t ca = name_at(t, a, name) ? TABLE_REC(t, cert_names,
		    struct tcert_name, a)->cert : TNONE;
		uint32_t cb = name_at(t, b, parent) ? TABLE_REC(t, cert_names,
		    struct tcert_name, b)->cert : TNONE;

		if (ca == TNONE && cb == TNONE)
			break;
		if (table_tls_cert(t, keys, ca <= cb ? ca : cb,
		    &ret->v[ret->n]) == 0)
			ret->n++;
		a += ca <= cb;
		b += cb <= ca;
	}
	if (ret->n > 0)
		return 0;
	ret->is_default = true;
	if (t->hdr->default_cert == TNONE || table_tls_cert(t, keys,
	    t->hdr->default_cert, &ret->v[0]) < 0)
		return -ENOENT;
	ret->n = 1;
	/* Under the empty name: the same with another kind of key. */
	if (name_at(t, 0, STR("")) && table_tls_cert(t, keys, TABLE_REC(t,
	    cert_names, struct tcert_name, 0)->cert, &ret->v[1]) == 0)
		ret->n = 2;
	return 0;
}
