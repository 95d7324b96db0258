/* SPDX-License-Identifier: BSD-2-Clause */
/* See tls_pair.h. */
#include "tls_pair.h"

#include "alloc.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

struct pki {
	EVP_PKEY *key;
	X509 *cert;
	struct str der;
	long serial;
};

static EVP_PKEY *
make_key(enum tls_key_type type)
{
	/* One RSA key for all: making them is slow. */
	static EVP_PKEY *rsa;

	if (type == TLS_KEY_EC)
		return EVP_EC_gen("P-256");
	if (type == TLS_KEY_ED25519)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (rsa == NULL)
		rsa = EVP_RSA_gen(2048);
	EVP_PKEY_up_ref(rsa);
	return rsa;
}

static void
add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static X509 *
make_cert(struct pki *p, const char *cn, EVP_PKEY *key, int days)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++p->serial);
	if (cn != NULL)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		    (const unsigned char *)cn, -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(x), days < 0 ? 86400L * days * 2 :
	    -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days);
	X509_set_pubkey(x, key);
	X509_set_issuer_name(x, p->cert != NULL ?
	    X509_get_subject_name(p->cert) : name);
	return x;
}

struct pki *
pki_new(const char *cn)
{
	struct pki *p = xcalloc(1, sizeof(*p));
	unsigned char *der = NULL;
	X509 *x;
	int n;

	tls_init();
	p->key = make_key(TLS_KEY_EC);
	x = make_cert(p, cn, p->key, 100);
	add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE");
	add_ext(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
	ck_assert_int_gt(X509_sign(x, p->key, EVP_sha256()), 0);
	p->cert = x;
	n = i2d_X509(x, &der);
	p->der = str_n(der, (size_t)n);
	return p;
}

void
pki_free(struct pki *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
	OPENSSL_free((void *)(uintptr_t)p->der.p);
	free(p);
}

struct str
pki_root(const struct pki *p)
{
	return p->der;
}

static char *
bio_text(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);
	char *s = str_dup(str_n(p, (size_t)n));

	BIO_free(b);
	return s;
}

struct leaf *
pki_leaf(struct pki *p, const char *cn, const char *sans,
    enum tls_key_type type, int days)
{
	struct leaf *l = xcalloc(1, sizeof(*l));
	EVP_PKEY *key = make_key(type);
	X509 *x = make_cert(p, cn, key, days);
	char why[CERT_WHY];
	BIO *b;

	if (sans != NULL)
		add_ext(x, p->cert, NID_subject_alt_name, sans);
	ck_assert_int_gt(X509_sign(x, p->key, EVP_sha256()), 0);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, x);
	l->cert_pem = bio_text(b);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	l->key_pem = bio_text(b);
	X509_free(x);
	EVP_PKEY_free(key);
	ck_assert_msg(certificate_parse(str_c(l->cert_pem), str_c(l->key_pem),
	    (int64_t)time(NULL), &l->c, why) == 0, "%s", why);
	certificate_view(l->c, &l->view);
	return l;
}

void
leaf_free(struct leaf *l)
{
	free(l->cert_pem);
	free(l->key_pem);
	certificate_free(l->c);
	free(l);
}

/* ---- Server's answers ------------------------------------------------------ */

static int
do_select(void *arg, const struct tls_hello *h, struct tls_choice *ret)
{
	struct answers *a = arg;

	a->selects++;
	(void)snprintf(a->seen, sizeof(a->seen), "%.*s", STR_ARG(h->sni));
	ret->policy = a->policy;
	ret->options = a->options;
	ret->scope = a->scope;
	return a->select_err;
}

static int
do_certs(void *arg, const struct tls_hello *h, struct tls_candidates *ret)
{
	struct answers *a = arg;

	a->asked++;
	*ret = a->certs;
	if (a->name == NULL || str_eq(h->sni, str_c(a->name)))
		return 0;
	ret->n = 0;
	ret->is_default = true;
	if (a->fallback != NULL)
		ret->v[ret->n++] = a->fallback->view;
	return 0;
}

const struct tls_server pair_server = { do_select, do_certs };

struct tls_conn *
answers_accept(struct tls_contexts *set, struct answers *a)
{
	struct addr local;

	ck_assert_int_eq(addr_parse(STR("127.0.0.1"), &local), 0);
	return tls_accept_new(set, &pair_server, a, &local);
}

/* ---- Wire --------------------------------------------------------------------- */

static struct tls_io
io_of(struct end *self, const uint8_t *in, size_t n)
{
	return (struct tls_io){ .in = in, .in_n = n, .out = self->wire,
	    .out_n = self->wire_n, .out_cap = sizeof(self->wire) };
}

static void
took(struct end *from, size_t n)
{
	memmove(from->wire, from->wire + n, from->wire_n - n);
	from->wire_n -= n;
}

/* One step of `self` with bytes of `peer`. Every byte given must be taken. */
static void
handshake_step(struct end *self, struct end *peer, size_t step)
{
	size_t n = step == 0 || step > peer->wire_n ? peer->wire_n : step;
	uint8_t *copy = malloc(n + 1);
	struct tls_io io;

	/* In memory of its own, so that overruns show. */
	memcpy(copy, peer->wire, n);
	io = io_of(self, copy, n);
	self->err = tls_handshake(self->c, &io);
	self->wire_n = io.out_n;
	if (self->err == -EAGAIN)
		ck_assert_uint_eq(io.in_n, 0);
	took(peer, n - io.in_n);
	free(copy);
}

int
pair_handshake(struct pair *p, size_t step)
{
	p->client.err = p->server.err = -EAGAIN;
	handshake_step(&p->client, &p->server, 0);
	for (int i = 0; i < 100000; i++) {
		if (p->server.err == -EAGAIN && p->client.wire_n > 0)
			handshake_step(&p->server, &p->client, step);
		else if (p->client.err == -EAGAIN && p->server.wire_n > 0)
			handshake_step(&p->client, &p->server, step);
		else
			break;
	}
	return p->client.err != 0 ? p->client.err : p->server.err;
}

int
end_read(struct end *from, struct end *to, void *dst, size_t n, size_t step)
{
	size_t got = 0;
	int r = -EAGAIN;

	for (;;) {
		size_t k = step == 0 || step > from->wire_n ? from->wire_n :
		    step;
		uint8_t *copy = malloc(k + 1);
		struct tls_io io;

		memcpy(copy, from->wire, k);
		io = io_of(to, copy, k);
		r = tls_read(to->c, &io, (char *)dst + got, n - got);
		to->wire_n = io.out_n;
		took(from, k - io.in_n);
		free(copy);
		if (r > 0)
			got += (size_t)r;
		if (got == n || (r <= 0 && r != -EAGAIN) ||
		    (r == -EAGAIN && from->wire_n == 0))
			break;
	}
	return got > 0 ? (int)got : r;
}

void
pair_send(struct end *from, struct end *to, const void *p, size_t n,
    size_t step)
{
	struct iovec v = { (void *)(uintptr_t)p, n };
	struct tls_io io = io_of(from, NULL, 0);
	char *got = malloc(n);

	ck_assert_int_eq(tls_write(from->c, &io, &v, 1), (ssize_t)n);
	from->wire_n = io.out_n;
	ck_assert_int_eq(end_read(from, to, got, n, step), (int)n);
	ck_assert_mem_eq(got, p, n);
	free(got);
}

void
pair_free(struct pair *p)
{
	tls_free(p->client.c);
	tls_free(p->server.c);
	free(p);
}
