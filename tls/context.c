/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The set of contexts of a worker, and what all contexts have in common.
 */
#include "tls_impl.h"

#include "memory.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/err.h>

/* ~20 KB each when parsed. */
#define CERTS_MAX	512

/* AEAD and forward secrecy only; AES-128 first, it is the fastest. */
#define CIPHERS								\
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"	\
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"	\
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* What TLS 1.0 and 1.1 need; added only when they are configured. */
#define CIPHERS_OLD							\
	":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"			\
	"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
#define CIPHERS_13							\
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"		\
	"TLS_CHACHA20_POLY1305_SHA256"

void
tls_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	(void)tls_memory_install();	/* libc serves as well */
	/* The machine's openssl.cnf must not change what is configured here. */
	(void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
	    NULL);
}

void
context_error(char *why, size_t why_size, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	if (why != NULL && why_size > 0)
		(void)snprintf(why, why_size, "%s: %s", what,
		    reason != NULL ? reason : "not accepted");
}

static int
setup_ciphers(SSL_CTX *ctx, bool old, struct str ciphers, char *why,
    size_t why_size)
{
	char *list = ciphers.n != 0 ? str_dup(ciphers) : NULL;
	const char *use = list != NULL ? list : old ? CIPHERS CIPHERS_OLD :
	    CIPHERS;
	int ok;

	if (ciphers.n != 0 && list == NULL)
		return -ENOMEM;
	/* SHA-1 and MD5 in signatures, which old versions need, are level 0. */
	SSL_CTX_set_security_level(ctx, old ? 0 : 2);
	ok = SSL_CTX_set_cipher_list(ctx, use);
	free(list);
	if (ok != 1) {
		context_error(why, why_size, "cipher suites");
		return -EINVAL;
	}
	if (SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) != 1) {
		context_error(why, why_size, "TLS 1.3 cipher suites");
		return -EINVAL;
	}
	return 0;
}

int
context_setup(SSL_CTX *ctx, uint16_t min, uint16_t max, struct str ciphers,
    char *why, size_t why_size)
{
	if (min == 0)
		min = max != 0 && max < TLS1_2_VERSION ? max : TLS1_2_VERSION;
	if (SSL_CTX_set_min_proto_version(ctx, min) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, max) != 1 ||
	    (max != 0 && max < min)) {
		context_error(why, why_size, "TLS versions");
		return -EINVAL;
	}
	SSL_CTX_clear_options(ctx, ~UINT64_C(0));
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA |
	    SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
	/* Without NO_AUTO_CHAIN a lone leaf costs a search of the store. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	/* The caller holds the bytes; see tls.h. */
	SSL_CTX_set_read_ahead(ctx, 0);
	SSL_CTX_set_max_early_data(ctx, 0);
	takeover_context(ctx);
	return setup_ciphers(ctx, min < TLS1_2_VERSION, ciphers, why, why_size);
}

struct tls_contexts *
tls_contexts_new(void)
{
	struct tls_contexts *set;

	tls_init();
	if ((set = calloc(1, sizeof(*set))) == NULL)
		return NULL;
	/* Fetched once: an implicit fetch costs more than the encryption. */
	set->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	set->certs = certcache_new(CERTS_MAX);
	set->sessions = sessions_new();
	set->suites = suites_new();
	set->own_records = true;
	if (set->ticket_cipher == NULL || set->certs == NULL ||
	    set->sessions == NULL) {
		tls_contexts_free(set);
		return NULL;
	}
	return set;
}

void
tls_contexts_free(struct tls_contexts *set)
{
	struct tls_context *x;
	struct tls_client_context *cx;

	if (set == NULL)
		return;
	while ((x = set->servers) != NULL) {
		set->servers = x->next;
		server_context_free(x);
	}
	while ((cx = set->clients) != NULL) {
		set->clients = cx->next;
		client_context_free(cx);
	}
	certcache_free(set->certs);
	sessions_free(set->sessions);
	X509_STORE_free(set->system_roots);
	EVP_CIPHER_free(set->ticket_cipher);
	suites_free(set->suites);
	OPENSSL_cleanse(set->ticket, sizeof(set->ticket));
	free(set);
}

void
tls_contexts_set_tickets(struct tls_contexts *set,
    const struct tls_ticket_key key[TLS_TICKET_KEYS])
{
	memcpy(set->ticket, key, sizeof(set->ticket));
	set->has_tickets = true;
}

void
tls_contexts_own_records(struct tls_contexts *set, bool own)
{
	set->own_records = own;
}

int
tls_contexts_check(struct tls_contexts *set, const struct tls_policy *p,
    char *why, size_t why_size)
{
	return server_context_get(set, p, why, why_size) != NULL ?
	    0 : -EINVAL;
}

int
tls_contexts_check_client(struct tls_contexts *set,
    const struct tls_client_policy *p, char *why, size_t why_size)
{
	return client_context_get(set, p, why, why_size) != NULL ?
	    0 : -EINVAL;
}

void
tls_contexts_trim(struct tls_contexts *set)
{
	set->recent = NULL;
	for (struct tls_context **at = &set->servers, *x; (x = *at) != NULL;) {
		if (x->refs > 0) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		set->nservers--;
		server_context_free(x);
	}
	for (struct tls_client_context **at = &set->clients, *x;
	    (x = *at) != NULL;) {
		if (x->refs > 0) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		set->nclients--;
		client_context_free(x);
	}
}

void
tls_contexts_stats(const struct tls_contexts *set, struct tls_stats *ret)
{
	*ret = set->stats;
	ret->contexts = set->nservers + set->nclients;
	ret->certs = certcache_count(set->certs);
	ret->sessions = sessions_count(set->sessions);
}
