/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts for connections from clients: one SSL_CTX per policy, since one
 * costs 130 us to make. What a context holds is exactly what the policy says,
 * so its digest is a safe name for it over all generations.
 */
#include "tls_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>

/* Beyond this the longest unused ones go. */
#define CONTEXTS_MAX	128

#define GROUPS	"X25519:P-256:P-384:P-521"

/* "Verified" without looking: the caller passes the certificate on. */
static int
accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static int
setup_client_auth(SSL_CTX *ctx, const struct tls_policy *p, char *why,
    size_t why_size)
{
	bool verify = p->client_auth == TLS_CLIENT_VERIFY_IF_GIVEN ||
	    p->client_auth == TLS_CLIENT_REQUIRE_AND_VERIFY;
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	STACK_OF(X509_NAME) *names;
	int mode = SSL_VERIFY_PEER;

	if (p->client_auth == TLS_CLIENT_NONE) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	if (p->client_auth > TLS_CLIENT_REQUIRE_AND_VERIFY ||
	    (verify && p->client_cas.n == 0)) {
		context_error(why, why_size, "client certificates");
		return -EINVAL;
	}
	if (p->client_cas.n != 0) {
		names = sk_X509_NAME_new_null();
		if (names == NULL ||
		    roots_add(store, names, p->client_cas) < 0) {
			sk_X509_NAME_pop_free(names, X509_NAME_free);
			context_error(why, why_size, "client CAs");
			return -EINVAL;
		}
		SSL_CTX_set_client_CA_list(ctx, names);
		/* Any certificate of the bundle is an anchor, as in Go. */
		X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	}
	if (!verify)
		SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
	if (p->client_auth == TLS_CLIENT_REQUIRE_ANY ||
	    p->client_auth == TLS_CLIENT_REQUIRE_AND_VERIFY)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, NULL);
	return 0;
}

/* The list in wire form, without what this process does not speak. */
static int
setup_alpn(struct tls_context *x, const struct tls_policy *p)
{
	static const struct str builtin[] = {
		{ "h2", 2 }, { "http/1.1", 8 }
	};
	const struct str *v = p->nalpn != 0 ? p->alpn : builtin;
	unsigned n = p->nalpn != 0 ? p->nalpn : ARRAY_SIZE(builtin);
	size_t size = 0;

	for (unsigned i = 0; i < n; i++)
		size += v[i].n + 1;
	if ((x->alpn = malloc(size)) == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		bool h2 = str_eq(v[i], STR("h2"));

		x->alpn_any_h2 |= h2;
		if (v[i].n == 0 || v[i].n > 255 ||
		    str_eq(v[i], STR("acme-tls/1")))
			continue;
		x->alpn[x->alpn_n++] = (uint8_t)v[i].n;
		memcpy(x->alpn + x->alpn_n, v[i].p, v[i].n);
		x->alpn_n += (unsigned)v[i].n;
	}
	return 0;
}

static void
setup_tickets(SSL_CTX *ctx, const struct tls_policy *p)
{
	bool off = p->no_tickets || (p->client_auth != TLS_CLIENT_NONE &&
	    !p->client_auth_tickets);

	/* No cache: it would keep even sessions that have tickets. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_callback);
	SSL_CTX_set_num_tickets(ctx, off ? 0 : 1);
	if (off)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_timeout(ctx, 24 * 3600);
}

static int
setup_groups(struct tls_context *x, struct str list, char *why,
    size_t why_size)
{
	static const struct { struct str name; int nid; } known[] = {
		{ { "X25519", 6 }, NID_X25519 },
		{ { "P-256", 5 }, NID_X9_62_prime256v1 },
		{ { "P-384", 5 }, NID_secp384r1 },
		{ { "P-521", 5 }, NID_secp521r1 },
	};
	struct str item;

	if (list.n == 0)
		list = STR(GROUPS);
	while (str_next(&list, ':', &item)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(known) && !str_eq(item, known[i].name))
			i++;
		if (i == ARRAY_SIZE(known) || x->ngroups == ARRAY_SIZE(x->groups))
			break;
		x->groups[x->ngroups++] = known[i].nid;
	}
	if (list.n == 0 && x->ngroups > 0 &&
	    SSL_CTX_set1_groups(x->ctx, x->groups, (int)x->ngroups) == 1)
		return 0;
	context_error(why, why_size, "curves");
	return -EINVAL;
}

static int
setup(struct tls_context *x, const struct tls_policy *p, char *why,
    size_t why_size)
{
	int err;

	if ((err = setup_groups(x, p->groups, why, why_size)) < 0 ||
	    (err = context_setup(x->ctx, p->min_version, p->max_version,
	    p->ciphers, why, why_size)) < 0 ||
	    (err = setup_client_auth(x->ctx, p, why, why_size)) < 0 ||
	    (err = setup_alpn(x, p)) < 0)
		return err;
	setup_tickets(x->ctx, p);
	/* Proper ids are set per connection; none at all would be an error. */
	(void)SSL_CTX_set_session_id_context(x->ctx, x->digest, SID_CTX_BYTES);
	SSL_CTX_set_client_hello_cb(x->ctx, hello_callback, NULL);
	SSL_CTX_set_cert_cb(x->ctx, hello_cert_callback, NULL);
	SSL_CTX_set_alpn_select_cb(x->ctx, hello_alpn_callback, NULL);
	return 0;
}

static struct tls_context *
build(const struct tls_policy *p, char *why, size_t why_size)
{
	struct tls_context *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	ERR_clear_error();
	memcpy(x->digest, p->digest, sizeof(x->digest));
	x->sni_strict = p->sni_strict;
	x->client_auth = p->client_auth;
	if ((x->ctx = SSL_CTX_new(TLS_server_method())) == NULL ||
	    setup(x, p, why, why_size) < 0) {
		server_context_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

static void
evict(struct tls_contexts *set)
{
	struct tls_context **oldest = NULL, *x;

	for (struct tls_context **at = &set->servers; *at != NULL;
	    at = &(*at)->next)
		if ((*at)->refs == 0 && *at != set->recent &&
		    (oldest == NULL || (*at)->used < (*oldest)->used))
			oldest = at;
	if (oldest == NULL)
		return;
	x = *oldest;
	*oldest = x->next;
	set->nservers--;
	server_context_free(x);
}

struct tls_context *
server_context_get(struct tls_contexts *set, const struct tls_policy *p,
    char *why, size_t why_size)
{
	struct tls_context **at, *x;

	for (at = &set->servers; (x = *at) != NULL; at = &x->next)
		if (memcmp(x->digest, p->digest, sizeof(x->digest)) == 0)
			break;
	if (x != NULL) {
		*at = x->next;
	} else {
		if (set->nservers >= CONTEXTS_MAX)
			evict(set);
		if ((x = build(p, why, why_size)) == NULL)
			return NULL;
		set->nservers++;
	}
	/* The list stands in the order of use. */
	x->next = set->servers;
	set->servers = x;
	x->used = ++set->clock;
	set->recent = x;
	return x;
}

void
server_context_unref(struct tls_contexts *set, struct tls_context *x)
{
	(void)set;
	x->refs--;
}

void
server_context_free(struct tls_context *x)
{
	SSL_CTX_free(x->ctx);
	free(x->alpn);
	free(x);
}
