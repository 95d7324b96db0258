/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts for connections to upstreams: verified with the name unless the
 * transport says otherwise (S-410), one per transport policy.
 */
#include "tls_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define CONTEXTS_MAX	128

/* ---- Peer SANs ---------------------------------------------------------- */

static bool
has_uri(X509 *leaf, const char *uri)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(leaf, NID_subject_alt_name,
	    NULL, NULL);
	size_t n = strlen(uri);
	bool found = false;

	for (int i = 0; !found && i < sk_GENERAL_NAME_num(sans); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);
		const ASN1_STRING *s = g->d.uniformResourceIdentifier;

		found = g->type == GEN_URI &&
		    (size_t)ASN1_STRING_length(s) == n &&
		    memcmp(ASN1_STRING_get0_data(s), uri, n) == 0;
	}
	GENERAL_NAMES_free(sans);
	return found;
}

static bool
san_matches(X509 *leaf, const char *san)
{
	const unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

	if (strncmp(san, "uri:", 4) == 0)
		return has_uri(leaf, san + 4);
	if (strncmp(san, "dns:", 4) == 0)
		return X509_check_host(leaf, san + 4, 0, flags, NULL) == 1;
	return false;
}

/* The chain must hold, and the leaf carry one of the names asked for. */
static int
verify(X509_STORE_CTX *store, void *arg)
{
	const struct tls_client_context *x = arg;

	if (X509_verify_cert(store) != 1)
		return 0;
	if (x->sans == NULL)
		return 1;
	for (char **san = x->sans; *san != NULL; san++)
		if (san_matches(X509_STORE_CTX_get0_cert(store), *san))
			return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
	return 0;
}

static int
setup_sans(struct tls_client_context *x, const struct tls_client_policy *p)
{
	if (p->npeer_sans == 0)
		return 0;
	if ((x->sans = calloc(p->npeer_sans + 1, sizeof(*x->sans))) == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < p->npeer_sans; i++)
		if ((x->sans[i] = str_dup(p->peer_sans[i])) == NULL)
			return -ENOMEM;
	return 0;
}

/* ---- Building ------------------------------------------------------------ */

static int
setup_roots(struct tls_contexts *set, struct tls_client_context *x,
    const struct tls_client_policy *p, char *why, size_t why_size)
{
	X509_STORE *store;

	if (p->insecure) {
		SSL_CTX_set_verify(x->ctx, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	SSL_CTX_set_verify(x->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(x->ctx, verify, x);
	if (p->roots.n == 0 && p->system_roots) {
		if ((store = roots_system(set)) == NULL) {
			context_error(why, why_size, "system roots");
			return -EINVAL;
		}
		SSL_CTX_set1_cert_store(x->ctx, store);
		return 0;
	}
	store = SSL_CTX_get_cert_store(x->ctx);
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	if (roots_add(store, NULL, p->roots) < 0) {
		context_error(why, why_size, "root CAs");
		return -EINVAL;
	}
	return 0;
}

static int
setup_client_cert(struct tls_contexts *set, struct tls_client_context *x,
    const struct tls_client_policy *p, char *why, size_t why_size)
{
	const struct parsed_cert *pc;

	if (p->client_cert == NULL)
		return 0;
	pc = certcache_get(set->certs, p->client_cert);
	if (pc == NULL || SSL_CTX_use_cert_and_key(x->ctx, pc->leaf, pc->key,
	    pc->chain, 1) != 1) {
		context_error(why, why_size, "client certificate");
		return -EINVAL;
	}
	return 0;
}

static int
setup_alpn(struct tls_client_context *x, const struct tls_client_policy *p)
{
	uint8_t wire[256];
	unsigned n = 0;

	for (unsigned i = 0; i < p->nalpn; i++) {
		if (p->alpn[i].n == 0 || p->alpn[i].n >= sizeof(wire) - n)
			return -EINVAL;
		wire[n++] = (uint8_t)p->alpn[i].n;
		memcpy(wire + n, p->alpn[i].p, p->alpn[i].n);
		n += (unsigned)p->alpn[i].n;
	}
	/* This one returns 0 for success. */
	return n == 0 || SSL_CTX_set_alpn_protos(x->ctx, wire, n) == 0 ?
	    0 : -EINVAL;
}

static int
new_session(SSL *ssl, SSL_SESSION *s)
{
	struct tls_conn *c = engine_conn(ssl);

	if (c == NULL)
		return 0;
	c->got_session = true;
	if (c->session_key == 0 || !SSL_SESSION_is_resumable(s))
		return 0;
	sessions_put(c->set->sessions, c->session_key, s);
	return 1;	/* the reference is ours now */
}

static int
setup(struct tls_contexts *set, struct tls_client_context *x,
    const struct tls_client_policy *p, char *why, size_t why_size)
{
	int err;

	if ((err = context_setup(x->ctx, p->min_version, p->max_version,
	    p->ciphers, why, why_size)) < 0 ||
	    (err = setup_sans(x, p)) < 0 ||
	    (err = setup_roots(set, x, p, why, why_size)) < 0 ||
	    (err = setup_client_cert(set, x, p, why, why_size)) < 0)
		return err;
	if ((err = setup_alpn(x, p)) < 0) {
		context_error(why, why_size, "ALPN");
		return err;
	}
	SSL_CTX_set_session_cache_mode(x->ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(x->ctx, new_session);
	return 0;
}

static struct tls_client_context *
build(struct tls_contexts *set, const struct tls_client_policy *p, char *why,
    size_t why_size)
{
	struct tls_client_context *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	ERR_clear_error();
	x->digest = p->digest;
	if ((x->ctx = SSL_CTX_new(TLS_client_method())) == NULL ||
	    setup(set, x, p, why, why_size) < 0) {
		client_context_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

static void
evict(struct tls_contexts *set)
{
	struct tls_client_context **oldest = NULL, *x;

	for (struct tls_client_context **at = &set->clients; *at != NULL;
	    at = &(*at)->next)
		if ((*at)->refs == 0 &&
		    (oldest == NULL || (*at)->used < (*oldest)->used))
			oldest = at;
	if (oldest == NULL)
		return;
	x = *oldest;
	*oldest = x->next;
	set->nclients--;
	client_context_free(x);
}

struct tls_client_context *
client_context_get(struct tls_contexts *set, const struct tls_client_policy *p,
    char *why, size_t why_size)
{
	struct tls_client_context *x;

	for (x = set->clients; x != NULL; x = x->next)
		if (x->digest == p->digest)
			break;
	if (x == NULL) {
		if (set->nclients >= CONTEXTS_MAX)
			evict(set);
		if ((x = build(set, p, why, why_size)) == NULL)
			return NULL;
		x->next = set->clients;
		set->clients = x;
		set->nclients++;
	}
	x->used = ++set->clock;
	return x;
}

void
client_context_unref(struct tls_contexts *set, struct tls_client_context *x)
{
	(void)set;
	x->refs--;
}

void
client_context_free(struct tls_client_context *x)
{
	SSL_CTX_free(x->ctx);
	for (char **san = x->sans; san != NULL && *san != NULL; san++)
		free(*san);
	free(x->sans);
	free(x);
}
