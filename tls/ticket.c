/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Session tickets under keys that all workers share (RFC 5077 4): AES-256-CBC
 * and HMAC-SHA256. What a ticket may resume is bound by the session id context
 * inside it, not by its key.
 */
#include "tls_impl.h"

#include <string.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

static int
use_key(struct tls_contexts *set, const struct tls_ticket_key *k,
    const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
    int sealing)
{
	char digest[] = "SHA256";
	uint8_t hmac[sizeof(k->hmac)];
	OSSL_PARAM params[3];
	int ok;

	memcpy(hmac, k->hmac, sizeof(hmac));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, hmac,
	    sizeof(hmac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	ok = EVP_MAC_CTX_set_params(mac, params) == 1 &&
	    EVP_CipherInit_ex(cipher, set->ticket_cipher, NULL, k->aes, iv,
	    sealing) == 1;
	OPENSSL_cleanse(hmac, sizeof(hmac));
	return ok;
}

/* 0: no ticket, or an unknown one; 1: fine; 2: fine, but renew; -1: error. */
int
ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	struct tls_contexts *set = engine_conn(ssl)->set;
	const struct tls_ticket_key *k = set->ticket;

	if (!set->has_tickets)
		return 0;
	if (sealing) {
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(
		    set->ticket_cipher)) != 1)
			return -1;
		memcpy(name, k->name, sizeof(k->name));
		return use_key(set, k, iv, cipher, mac, 1) ? 1 : -1;
	}
	for (unsigned i = 0; i < TLS_TICKET_KEYS; i++, k++) {
		if (memcmp(name, k->name, sizeof(k->name)) != 0)
			continue;
		if (!use_key(set, k, iv, cipher, mac, 0))
			return -1;
		/*
		 * A TLS 1.3 ticket is for one use (RFC 8446 C.4), so that each
		 * resumption needs the next one; OpenSSL makes it on a 2 only.
		 */
		return i == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
	}
	return 0;
}
