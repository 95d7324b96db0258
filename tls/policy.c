/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Digests of policies: the cache key of contexts and, for servers, what binds
 * a session to the options under which it was made (S-407).
 */
#include "context.h"

#include <assert.h>
#include <openssl/evp.h>

struct hasher { EVP_MD_CTX *md; };

/* Every item has its length in front, so no two lists read alike. */
static void
put(struct hasher *h, struct str s)
{
	uint64_t n = s.n;
	int ok = EVP_DigestUpdate(h->md, &n, sizeof(n)) == 1 &&
	    (n == 0 || EVP_DigestUpdate(h->md, s.p, s.n) == 1);

	assert(ok);
}

static void
put_number(struct hasher *h, uint64_t v)
{
	put(h, str_n(&v, sizeof(v)));
}

static void
begin(struct hasher *h, const char *what)
{
	int ok;

	h->md = EVP_MD_CTX_new();
	ok = h->md != NULL &&
	    EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) == 1;
	assert(ok);
	put(h, str_c(what));
}

static void
end(struct hasher *h, uint8_t out[32])
{
	int ok = EVP_DigestFinal_ex(h->md, out, NULL) == 1;

	assert(ok);
	EVP_MD_CTX_free(h->md);
}

void
tls_policy_digest(struct tls_policy *p)
{
	struct hasher h;

	begin(&h, "server 1");
	put_number(&h, p->min_version);
	put_number(&h, p->max_version);
	put(&h, p->ciphers);
	put(&h, p->groups);
	put_number(&h, p->nalpn);
	for (unsigned i = 0; i < p->nalpn; i++)
		put(&h, p->alpn[i]);
	put_number(&h, p->sni_strict);
	put_number(&h, p->no_tickets);
	put_number(&h, p->client_auth_tickets);
	put_number(&h, p->client_auth);
	put(&h, p->client_cas);
	end(&h, p->digest);
}

void
tls_client_policy_digest(struct tls_client_policy *p)
{
	struct hasher h;
	uint8_t out[32];

	begin(&h, "client 1");
	put_number(&h, p->insecure);
	put_number(&h, p->system_roots);
	put(&h, p->roots);
	put(&h, p->client_cert != NULL ?
	    str_n(p->client_cert->fingerprint, 32) : STR_NONE);
	put_number(&h, p->min_version);
	put_number(&h, p->max_version);
	put(&h, p->ciphers);
	put_number(&h, p->npeer_sans);
	for (unsigned i = 0; i < p->npeer_sans; i++)
		put(&h, p->peer_sans[i]);
	put_number(&h, p->nalpn);
	for (unsigned i = 0; i < p->nalpn; i++)
		put(&h, p->alpn[i]);
	end(&h, out);
	memcpy(&p->digest, out, sizeof(p->digest));
}
