/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server decides from the ClientHello, inside OpenSSL's callbacks:
 *
 *   hello_callback       name -> options: the context of the connection
 *   hello_alpn_callback  application protocol
 *   hello_cert_callback  name, client's abilities -> certificate
 *
 * The first runs before version and session are looked at, so a session never
 * resumes under options other than those of its name.
 */
#include "tls_impl.h"

#include "clienthello.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Whether the ALPN extension (RFC 7301 3.1) lists the protocol. */
static bool
alpn_lists(const uint8_t *p, size_t n, struct str proto)
{
	for (size_t i = 2; i < n && i + 1 + p[i] <= n; i += 1 + p[i])
		if (str_eq(str_n(p + i + 1, p[i]), proto))
			return true;
	return false;
}

/* Takes the name out of the hello. 0, or -EINVAL when it is illegal. */
static int
read_hello(struct tls_conn *c, SSL *ssl)
{
	const unsigned char *p;
	struct str sni = STR_NONE;
	struct addr ip;
	size_t n;
	int r;

	if (SSL_client_hello_get0_ext(ssl,
	    TLSEXT_TYPE_application_layer_protocol_negotiation, &p, &n) == 1)
		c->acme = alpn_lists(p, n, STR("acme-tls/1"));
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1)
		return 0;
	if ((r = hello_parse_name(p, n, &sni)) < 0)
		return -EINVAL;
	/* Clients must not send addresses; some do and mean "no name". */
	if (r == 0 || addr_parse(sni, &ip) == 0)
		return 0;
	if ((c->sni = str_dup(sni)) == NULL)
		return -ENOMEM;
	if (strlen(c->sni) != sni.n || !hello_name_valid(c->sni, sni.n))
		return -EINVAL;
	c->facts.sni = str_n(c->sni, sni.n);
	return 0;
}

static struct tls_hello
hello_of(const struct tls_conn *c)
{
	return (struct tls_hello){ .sni = c->facts.sni, .local = c->local,
	    .acme = c->acme };
}

/* Everything that a switch of contexts does not carry over by itself. */
static int
use_context(SSL *ssl, struct tls_context *x)
{
	SSL_CTX *ctx = x->ctx;

	if (SSL_get_SSL_CTX(ssl) == ctx)
		return 0;
	if (SSL_set_SSL_CTX(ssl, ctx) == NULL)
		return -ENOMEM;
	(void)SSL_clear_options(ssl, ~UINT64_C(0));
	(void)SSL_set_options(ssl, SSL_CTX_get_options(ctx));
	if (SSL_set_min_proto_version(ssl,
	    SSL_CTX_get_min_proto_version(ctx)) != 1 ||
	    SSL_set_max_proto_version(ssl,
	    SSL_CTX_get_max_proto_version(ctx)) != 1 ||
	    SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx)) != 1)
		return -ENOMEM;
	SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), NULL);
	return SSL_set1_groups(ssl, x->groups, (int)x->ngroups) == 1 ?
	    0 : -ENOMEM;
}

static int
set_scope(SSL *ssl, const struct tls_context *x, uint64_t scope)
{
	uint8_t id[SID_CTX_BYTES];

	memcpy(id, x->digest, sizeof(id));
	for (size_t i = 0; i < sizeof(scope); i++)
		id[sizeof(id) - 1 - i] ^= (uint8_t)(scope >> (8 * i));
	return SSL_set_session_id_context(ssl, id, sizeof(id)) == 1 ?
	    0 : -ENOMEM;
}

/* sniStrict: a name without a certificate of its own is refused (5.2). */
static bool
name_has_cert(struct tls_conn *c)
{
	struct tls_hello h = hello_of(c);
	struct tls_candidates cands = { .n = 0 };

	return c->srv->certs(c->arg, &h, &cands) == 0 && cands.n > 0 &&
	    !cands.is_default;
}

static int
close_silently(struct tls_conn *c, enum tls_failure why, const char *text)
{
	engine_fail(c, why, text);
	c->mute = true;
	return SSL_CLIENT_HELLO_ERROR;
}

int
hello_callback(SSL *ssl, int *alert, void *unused)
{
	struct tls_conn *c = engine_conn(ssl);
	struct tls_choice choice = { .policy = NULL };
	struct tls_context *x;
	struct tls_hello h;

	(void)unused;
	*alert = SSL_AD_INTERNAL_ERROR;
	if (c->ctx != NULL)	/* the second hello after a retry request */
		return SSL_CLIENT_HELLO_SUCCESS;
	if (read_hello(c, ssl) < 0)
		return close_silently(c, TLS_FAIL_CLOSED, "illegal server name");
	h = hello_of(c);
	if (c->srv->select(c->arg, &h, &choice) < 0)
		return close_silently(c, TLS_FAIL_CLOSED,
		    "the name's TLS options are broken");
	x = server_context_get(c->set, choice.policy, NULL, 0);
	if (x == NULL || use_context(ssl, x) < 0 ||
	    set_scope(ssl, x, choice.scope) < 0)
		return close_silently(c, TLS_FAIL_POLICY,
		    "the TLS options cannot be used");
	c->ctx = x;
	x->refs++;
	c->facts.options = choice.options;
	if (x->sni_strict && !name_has_cert(c)) {
		engine_fail(c, TLS_FAIL_SNI, "no certificate for this name");
		c->alert = SSL_AD_UNRECOGNIZED_NAME;
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_CLIENT_HELLO_ERROR;
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

int
hello_alpn_callback(SSL *ssl, const unsigned char **out,
    unsigned char *outlen, const unsigned char *in, unsigned int inlen,
    void *unused)
{
	struct tls_conn *c = engine_conn(ssl);
	const struct tls_context *x = c->ctx;
	bool http1 = false;

	(void)unused;
	for (unsigned i = 0; i < x->alpn_n; i += 1u + x->alpn[i]) {
		struct str want = str_n(x->alpn + i + 1, x->alpn[i]);

		for (unsigned k = 0; k < inlen; k += 1u + in[k]) {
			if (!str_eq(want, str_n(in + k + 1, in[k])))
				continue;
			*out = in + k + 1;
			*outlen = in[k];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	for (unsigned k = 0; k < inlen; k += 1u + in[k])
		http1 |= str_eq(str_n(in + k + 1, in[k]), STR("http/1.1"));
	/* Only [h2] here, only http/1.1 there: HTTP/1 without ALPN, as Go. */
	if (x->alpn_any_h2 && http1)
		return SSL_TLSEXT_ERR_NOACK;
	engine_fail(c, TLS_FAIL_ALPN, NULL);
	c->alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- Certificate ------------------------------------------------------- */

struct abilities { bool ecdsa, rsa, ed25519; };

/* What the client can verify: signature algorithms, and ciphers below 1.3. */
static struct abilities
abilities_of(SSL *ssl)
{
	STACK_OF(SSL_CIPHER) *ciphers = SSL_get_client_ciphers(ssl);
	bool old = SSL_version(ssl) < TLS1_3_VERSION;
	bool ec_cipher = !old, rsa_cipher = !old;
	struct abilities a = { false, false, false };
	int n = SSL_get_shared_sigalgs(ssl, 0, NULL, NULL, NULL, NULL, NULL);

	for (int i = 0; old && i < sk_SSL_CIPHER_num(ciphers); i++) {
		int auth = SSL_CIPHER_get_auth_nid(
		    sk_SSL_CIPHER_value(ciphers, i));

		ec_cipher |= auth == NID_auth_ecdsa;
		rsa_cipher |= auth == NID_auth_rsa;
	}
	/* TLS 1.1 and older name no algorithms. */
	if (n <= 0)
		return (struct abilities){ ec_cipher, rsa_cipher, false };
	for (int i = 0; i < n; i++) {
		int sign = NID_undef;

		(void)SSL_get_shared_sigalgs(ssl, i, &sign, NULL, NULL, NULL,
		    NULL);
		a.ecdsa |= sign == EVP_PKEY_EC;
		a.rsa |= sign == EVP_PKEY_RSA || sign == EVP_PKEY_RSA_PSS;
		a.ed25519 |= sign == EVP_PKEY_ED25519;
	}
	a.ecdsa &= ec_cipher;
	a.ed25519 &= ec_cipher;
	a.rsa &= rsa_cipher;
	return a;
}

/*
 * Order: one the client can verify before one it cannot, one that is valid now
 * before one that is not (S-402), ECDSA before RSA, then the given order.
 */
int
tls_cert_choose(const struct tls_candidates *cands, bool ecdsa_ok, bool rsa_ok,
    bool ed25519_ok, int64_t now)
{
	int best = -1;
	unsigned best_score = 0;

	for (unsigned i = 0; i < cands->n && i < TLS_CANDIDATES; i++) {
		const struct tls_cert *v = &cands->v[i];
		bool ec = v->key_type != TLS_KEY_RSA;
		bool able = v->key_type == TLS_KEY_RSA ? rsa_ok :
		    v->key_type == TLS_KEY_EC ? ecdsa_ok : ed25519_ok;
		bool valid = v->not_before <= now && now < v->not_after;
		unsigned score = 1 + able * 4u + valid * 2u + ec * 1u;

		if (score > best_score) {
			best = (int)i;
			best_score = score;
		}
	}
	return best;
}

int
hello_cert_callback(SSL *ssl, void *unused)
{
	struct tls_conn *c = engine_conn(ssl);
	struct tls_hello h = hello_of(c);
	struct tls_candidates cands = { .n = 0 };
	struct abilities can = { true, true, true };
	const struct parsed_cert *pc;
	int i;

	(void)unused;
	if (c->srv->certs(c->arg, &h, &cands) < 0)
		cands.n = 0;
	if (cands.n > 1)
		can = abilities_of(ssl);
	i = tls_cert_choose(&cands, can.ecdsa, can.rsa, can.ed25519,
	    (int64_t)time(NULL));
	if (i < 0) {
		engine_fail(c, TLS_FAIL_NO_CERT, NULL);
		return 0;
	}
	if ((pc = certcache_get(c->set->certs, &cands.v[i])) == NULL ||
	    SSL_use_cert_and_key(ssl, pc->leaf, pc->key, pc->chain, 1) != 1) {
		engine_fail(c, TLS_FAIL_NO_CERT,
		    "the certificate cannot be used");
		return 0;
	}
	return 1;
}
