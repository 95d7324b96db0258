/* SPDX-License-Identifier: BSD-2-Clause */
/* See suite.h. */
#include "suite.h"

#include "str.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* Up to here bytes are gathered first: one call costs more than the copy. */
#define GATHER	1024

struct suites {
	/* [0] seals, [1] opens; the key in it, 0: none. */
	struct { EVP_CIPHER_CTX *ctx; uint64_t key; } aead[SUITES][2];
	EVP_MAC_CTX *mac[SUITES];	/* HMAC with the suite's hash */
};

static const struct {
	const char *name, *cipher, *hash;
	uint16_t number;
	uint8_t key_len, hash_len;
} suite[SUITES] = {
	[SUITE_AES_128_GCM] = { "TLS_AES_128_GCM_SHA256", "AES-128-GCM",
	    "SHA256", 0x1301, 16, 32 },
	[SUITE_AES_256_GCM] = { "TLS_AES_256_GCM_SHA384", "AES-256-GCM",
	    "SHA384", 0x1302, 32, 48 },
	[SUITE_CHACHA20_POLY1305] = { "TLS_CHACHA20_POLY1305_SHA256",
	    "ChaCha20-Poly1305", "SHA256", 0x1303, 32, 32 },
};

int
suite_by_number(uint16_t number)
{
	for (int i = 0; i < SUITES; i++)
		if (suite[i].number == number)
			return i;
	return -1;
}

uint16_t
suite_number(enum suite kind)
{
	return suite[kind].number;
}

const char *
suite_name(enum suite kind)
{
	return suite[kind].name;
}

size_t
suite_key_len(enum suite kind)
{
	return suite[kind].key_len;
}

size_t
suite_hash_len(enum suite kind)
{
	return suite[kind].hash_len;
}

static EVP_CIPHER_CTX *
aead_new(const char *name, int sealing)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = c != NULL ? EVP_CIPHER_CTX_new() : NULL;

	if (ctx != NULL && EVP_CipherInit_ex2(ctx, c, NULL, NULL, sealing,
	    NULL) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_CIPHER_free(c);
	return ctx;
}

static EVP_MAC_CTX *
mac_new(const char *hash)
{
	EVP_MAC *m = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = m != NULL ? EVP_MAC_CTX_new(m) : NULL;
	OSSL_PARAM params[2];

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    (char *)(uintptr_t)hash, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_MAC_free(m);
	return ctx;
}

struct suites *
suites_new(void)
{
	struct suites *s = calloc(1, sizeof(*s));
	bool ok = s != NULL;

	for (int i = 0; ok && i < SUITES; i++) {
		s->aead[i][0].ctx = aead_new(suite[i].cipher, 1);
		s->aead[i][1].ctx = aead_new(suite[i].cipher, 0);
		s->mac[i] = mac_new(suite[i].hash);
		ok = s->aead[i][0].ctx != NULL && s->aead[i][1].ctx != NULL &&
		    s->mac[i] != NULL;
	}
	ERR_clear_error();
	if (ok)
		return s;
	suites_free(s);
	return NULL;
}

void
suites_free(struct suites *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < SUITES; i++) {
		EVP_CIPHER_CTX_free(s->aead[i][0].ctx);
		EVP_CIPHER_CTX_free(s->aead[i][1].ctx);
		EVP_MAC_CTX_free(s->mac[i]);
	}
	free(s);
}

/* For n up to the hash's length HKDF-Expand is one HMAC (RFC 5869 2.3). */
int
suite_expand(struct suites *s, enum suite kind, const uint8_t *secret,
    const char *label, uint8_t *ret, size_t n)
{
	EVP_MAC_CTX *m = s->mac[kind];
	uint8_t info[64], block[SUITE_HASH_MAX];
	size_t k = strlen(label), i = 0, len = 0;
	int ok;

	assert(n <= suite[kind].hash_len && k + 11 <= sizeof(info));
	info[i++] = 0;
	info[i++] = (uint8_t)n;
	info[i++] = (uint8_t)(k + 6);
	memcpy(info + i, "tls13 ", 6);
	memcpy(info + i + 6, label, k);
	i += 6 + k;
	info[i++] = 0;		/* no context */
	info[i++] = 1;		/* the first block */
	ok = EVP_MAC_init(m, secret, suite[kind].hash_len, NULL) == 1 &&
	    EVP_MAC_update(m, info, i) == 1 &&
	    EVP_MAC_final(m, block, &len, sizeof(block)) == 1 && len >= n;
	if (ok)
		memcpy(ret, block, n);
	OPENSSL_cleanse(block, sizeof(block));
	ERR_clear_error();
	return ok ? 0 : -ENOMEM;
}

void
suite_key_name(struct suite_key *k)
{
	static uint64_t last;

	k->id = ++last;
}

/* The context with key and nonce set, and the record's header taken in. */
static EVP_CIPHER_CTX *
begin(struct suites *s, enum suite kind, int opening, const struct suite_key *k,
    const uint8_t *nonce, const uint8_t *aad)
{
	EVP_CIPHER_CTX *ctx = s->aead[kind][opening].ctx;
	uint64_t *at = &s->aead[kind][opening].key;
	bool same = *at == k->id;
	int n;

	*at = 0;
	if (EVP_CipherInit_ex2(ctx, NULL, same ? NULL : k->bytes, nonce, -1,
	    NULL) != 1 ||
	    EVP_CipherUpdate(ctx, NULL, &n, aad, SUITE_AAD) != 1)
		return NULL;
	*at = k->id;
	return ctx;
}

static bool
update(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t n)
{
	int k = 0;

	return EVP_CipherUpdate(ctx, out, &k, in, (int)n) == 1 &&
	    (size_t)k == n;
}

static bool
seal_clear(EVP_CIPHER_CTX *ctx, const struct iovec *iov, size_t n, uint8_t last,
    uint8_t *out)
{
	size_t done = 0;

	for (; done < n; iov++) {
		size_t k = iov->iov_len < n - done ? iov->iov_len : n - done;

		if (k == 0)
			continue;
		if (n <= GATHER)
			memcpy(out + done, iov->iov_base, k);
		else if (!update(ctx, out + done, iov->iov_base, k))
			return false;
		done += k;
	}
	out[n] = last;
	return n <= GATHER ? update(ctx, out, out, n + 1) :
	    update(ctx, out + n, out + n, 1);
}

int
suite_seal(struct suites *s, enum suite kind, const struct suite_key *k,
    const uint8_t *nonce, const uint8_t *aad, const struct iovec *iov, size_t n,
    uint8_t last, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = begin(s, kind, 0, k, nonce, aad);
	int end = 0;

	if (ctx != NULL && seal_clear(ctx, iov, n, last, out) &&
	    EVP_CipherFinal_ex(ctx, out + n + 1, &end) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SUITE_TAG,
	    out + n + 1) == 1)
		return 0;
	/* Nothing of it may leave: parts may still be in clear. */
	OPENSSL_cleanse(out, n + 1 + SUITE_TAG);
	ERR_clear_error();
	return -ENOMEM;
}

int
suite_open(struct suites *s, enum suite kind, const struct suite_key *k,
    const uint8_t *nonce, const uint8_t *aad, const uint8_t *in, size_t n,
    uint8_t *out)
{
	size_t clear = n - SUITE_TAG;
	uint8_t tag[SUITE_TAG], none[1];
	EVP_CIPHER_CTX *ctx;
	int end = 0, err = -ENOMEM;

	assert(n >= SUITE_TAG);
	memcpy(tag, in + clear, sizeof(tag));
	if ((ctx = begin(s, kind, 1, k, nonce, aad)) != NULL &&
	    (clear == 0 || update(ctx, out, in, clear)) &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SUITE_TAG, tag)
	    == 1) {
		if (EVP_CipherFinal_ex(ctx, none, &end) == 1)
			return 0;
		err = -EBADMSG;
	}
	/* What was not proved must not be seen. */
	OPENSSL_cleanse(out, clear);
	ERR_clear_error();
	return err;
}
