/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsed certificates of one worker. Parsing costs a third of a millisecond
 * and 20 KB, so it happens at the first handshake that needs one, and the
 * longest unused make room.
 */
#include "tls_impl.h"

#include "hash.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>

#define BUCKETS	256

struct entry {
	struct entry *next;		/* in the bucket */
	struct entry *newer, *older;	/* by use */
	uint64_t key;
	uint8_t fingerprint[32];
	struct parsed_cert pc;
};

struct certcache {
	struct entry *bucket[BUCKETS];
	struct entry *newest, *oldest;
	unsigned count, max;
};

struct certcache *
certcache_new(unsigned max)
{
	struct certcache *cc = calloc(1, sizeof(*cc));

	if (cc != NULL)
		cc->max = max;
	return cc;
}

static void
entry_free(struct entry *e)
{
	X509_free(e->pc.leaf);
	sk_X509_pop_free(e->pc.chain, X509_free);
	EVP_PKEY_free(e->pc.key);
	free(e);
}

void
certcache_free(struct certcache *cc)
{
	if (cc == NULL)
		return;
	for (struct entry *e = cc->newest, *older; e != NULL; e = older) {
		older = e->older;
		entry_free(e);
	}
	free(cc);
}

unsigned
certcache_count(const struct certcache *cc)
{
	return cc->count;
}

/*
 * The leaf's fingerprint and the ends of the issuers (their signatures): the
 * same leaf with another chain is another entry.
 */
static uint64_t
key_of(const struct tls_cert *c)
{
	uint64_t key = c->nchain;

	for (unsigned i = 1; i < c->nchain; i++) {
		struct str d = c->chain[i];

		key = hash_str(d.n > 32 ? str_from(d, d.n - 32) : d, key + d.n);
	}
	return hash_bytes(c->fingerprint, sizeof(c->fingerprint), key);
}

static void
unlink_use(struct certcache *cc, struct entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &cc->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &cc->oldest) = e->newer;
}

static void
link_newest(struct certcache *cc, struct entry *e)
{
	e->newer = NULL;
	e->older = cc->newest;
	*(cc->newest != NULL ? &cc->newest->newer : &cc->oldest) = e;
	cc->newest = e;
}

static void
drop_oldest(struct certcache *cc)
{
	struct entry *e = cc->oldest;
	struct entry **at = &cc->bucket[e->key % BUCKETS];

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	unlink_use(cc, e);
	entry_free(e);
	cc->count--;
}

static X509 *
parse_x509(struct str der)
{
	const unsigned char *p = (const unsigned char *)der.p;

	return d2i_X509(NULL, &p, (long)der.n);
}

static bool
parse(struct parsed_cert *pc, const struct tls_cert *c)
{
	const unsigned char *p = (const unsigned char *)c->key.p;

	if (c->nchain == 0 || c->nchain > TLS_CHAIN_MAX || c->key.n == 0)
		return false;
	if ((pc->leaf = parse_x509(c->chain[0])) == NULL ||
	    (pc->key = d2i_AutoPrivateKey(NULL, &p, (long)c->key.n)) == NULL)
		return false;
	if (c->nchain > 1 && (pc->chain = sk_X509_new_null()) == NULL)
		return false;
	for (unsigned i = 1; i < c->nchain; i++) {
		X509 *x = parse_x509(c->chain[i]);

		if (x == NULL)
			return false;
		if (sk_X509_push(pc->chain, x) == 0) {
			X509_free(x);
			return false;
		}
	}
	return true;
}

const struct parsed_cert *
certcache_get(struct certcache *cc, const struct tls_cert *c)
{
	uint64_t key = key_of(c);
	struct entry *e;

	for (e = cc->bucket[key % BUCKETS]; e != NULL; e = e->next)
		if (e->key == key && memcmp(e->fingerprint, c->fingerprint,
		    sizeof(e->fingerprint)) == 0)
			break;
	if (e != NULL) {
		unlink_use(cc, e);
		link_newest(cc, e);
		return &e->pc;
	}
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return NULL;
	if (!parse(&e->pc, c)) {
		ERR_clear_error();
		entry_free(e);
		return NULL;
	}
	if (cc->count >= cc->max)
		drop_oldest(cc);
	e->key = key;
	memcpy(e->fingerprint, c->fingerprint, sizeof(e->fingerprint));
	e->next = cc->bucket[key % BUCKETS];
	cc->bucket[key % BUCKETS] = e;
	link_newest(cc, e);
	cc->count++;
	return &e->pc;
}
