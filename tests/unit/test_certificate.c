/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and keys: what is read from them, and what is refused. */
#include "cert_store.h"

#include "tls_pair.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char why[CERT_WHY];

static int64_t
now(void)
{
	return (int64_t)time(NULL);
}

static const char *
cat(const char *a, const char *b, const char *c)
{
	static char text[65536];

	snprintf(text, sizeof(text), "%s%s%s", a, b, c);
	return text;
}

/* A key of this many bits, as PEM. */
static char *
rsa_pem(unsigned bits)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);
	BIO *b = BIO_new(BIO_s_mem());
	char *p, *out;
	long n;

	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(b, &p);
	out = strndup(p, (size_t)n);
	BIO_free(b);
	EVP_PKEY_free(key);
	return out;
}

START_TEST(types_and_names)
{
	static const struct { enum tls_key_type type; const char *cn, *sans,
	    *text; unsigned n; } rows[] = {
		{ TLS_KEY_EC, "A.test", NULL, "a.test", 1 },
		{ TLS_KEY_RSA, "b.test", "DNS:C.test,DNS:*.b.test,DNS:b.test,"
		    "IP:127.0.0.1,IP:::1,URI:x:y",
		    "*.b.test,127.0.0.1,::1,b.test,c.test", 5 },
		{ TLS_KEY_ED25519, NULL, "DNS:only.test", "only.test", 1 },
		{ TLS_KEY_EC, "not a host, at all", "DNS:x", "x", 1 },
		{ TLS_KEY_EC, NULL, NULL, "", 0 },
	};
	struct pki *p = pki_new("ca");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct leaf *l = pki_leaf(p, rows[i].cn, rows[i].sans,
		    rows[i].type, 30);

		ck_assert_int_eq(l->c->key_type, rows[i].type);
		ck_str_is(l->c->key_text, rows[i].text);
		ck_assert_uint_eq(l->c->nnames, rows[i].n);
		ck_assert_uint_eq(l->c->nchain, 1);
		ck_assert(!l->c->expired && !l->c->not_yet_valid);
		ck_assert_int_lt(llabs(l->c->not_after - now() - 30 * 86400),
		    100);
		ck_assert_uint_gt(l->c->key.n, 0);
		leaf_free(l);
	}
	pki_free(p);
}
END_TEST

START_TEST(covering)
{
	static const struct { const char *name; bool want; } rows[] = {
		{ "a.test", true }, { "x.w.test", true },
		{ "w.test", false }, { "y.x.w.test", false },
		{ ".w.test", false }, { "b.test", false }, { "", false },
		{ "127.0.0.1", true }, { "*.w.test", true },
	};
	struct pki *p = pki_new("ca");
	struct leaf *l = pki_leaf(p, NULL, "DNS:a.test,DNS:*.w.test,"
	    "IP:127.0.0.1", TLS_KEY_EC, 30);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(certificate_covers(l->c, str_c(rows[i].name)) ==
		    rows[i].want, "%s", rows[i].name);
	leaf_free(l);
	pki_free(p);
}
END_TEST

/* A broken client is better than a dead one: flags, not faults (S-402). */
START_TEST(times)
{
	struct pki *p = pki_new("ca");
	struct leaf *old = pki_leaf(p, "a", NULL, TLS_KEY_EC, -3);
	struct leaf *good = pki_leaf(p, "a", NULL, TLS_KEY_EC, 3);
	struct certificate *c;

	ck_assert(old->c->expired && !old->c->not_yet_valid);
	ck_assert_int_eq(certificate_parse(str_c(good->cert_pem),
	    str_c(good->key_pem), now() - 86400, &c, why), 0);
	ck_assert(c->not_yet_valid && !c->expired);
	certificate_free(c);
	ck_assert_int_eq(certificate_parse(str_c(good->cert_pem),
	    str_c(good->key_pem), good->c->not_after, &c, why), 0);
	ck_assert(c->expired);
	certificate_free(c);
	certificate_free(NULL);
	leaf_free(old);
	leaf_free(good);
	pki_free(p);
}
END_TEST

static void
refused(const char *cert, const char *key, const char *want)
{
	struct certificate *c = (void *)1;

	ck_assert_int_eq(certificate_parse(str_c(cert), str_c(key), now(), &c,
	    why), -EINVAL);
	ck_assert_ptr_null(c);
	ck_assert_msg(strstr(why, want) != NULL, "\"%s\", want \"%s\"", why,
	    want);
}

START_TEST(mistakes)
{
	struct pki *p = pki_new("ca");
	struct leaf *ec = pki_leaf(p, "a", NULL, TLS_KEY_EC, 30);
	struct leaf *ec2 = pki_leaf(p, "b", NULL, TLS_KEY_EC, 30);
	struct leaf *rsa = pki_leaf(p, "c", NULL, TLS_KEY_RSA, 30);
	char *weak = rsa_pem(1024), *other = rsa_pem(2048), *cut;

	refused(ec->cert_pem, ec2->key_pem, "does not belong");
	refused(ec->cert_pem, rsa->key_pem, "does not belong");
	refused(rsa->cert_pem, ec->key_pem, "does not belong");
	refused(rsa->cert_pem, other, "does not belong");
	refused(ec->cert_pem, weak, "1024 bits");
	refused("", ec->key_pem, "no certificate in PEM form");
	refused("hello", ec->key_pem, "no certificate in PEM form");
	refused(ec->key_pem, ec->key_pem, "no certificate in PEM form");
	refused(ec->cert_pem, "", "no private key in PEM form");
	refused(ec->cert_pem, ec->cert_pem, "no private key in PEM form");
	refused(ec->cert_pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n"
	    "-----END PRIVATE KEY-----\n", "broken or truncated");
	refused(ec->cert_pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n",
	    "broken or truncated");
	refused("-----BEGIN CERTIFICATE-----\nAAAA\n"
	    "-----END CERTIFICATE-----\n", ec->key_pem,
	    "line 1: the certificate is broken");
	refused(cat(ec->cert_pem, "\n\n-----BEGIN CERTIFICATE-----\nAAAA\n"
	    "-----END CERTIFICATE-----\n", ""), ec->key_pem,
	    "the certificate is broken");
	/* Cut anywhere: never taken, always with a reason. */
	for (size_t n = 0; n < strlen(ec->cert_pem) - 1; n += 7) {
		struct certificate *c;

		cut = strndup(ec->cert_pem, n);
		ck_assert_msg(certificate_parse(str_c(cut), str_c(
		    ec->key_pem), now(), &c, why) == -EINVAL, "cut at %zu", n);
		ck_assert_uint_gt(strlen(why), 0);
		free(cut);
	}
	for (size_t n = 0; n < strlen(ec->key_pem) - 1; n += 5) {
		struct certificate *c;

		cut = strndup(ec->key_pem, n);
		ck_assert_msg(certificate_parse(str_c(ec->cert_pem),
		    str_c(cut), now(), &c, why) == -EINVAL, "cut at %zu", n);
		free(cut);
	}
	free(weak);
	free(other);
	leaf_free(ec);
	leaf_free(ec2);
	leaf_free(rsa);
	pki_free(p);
}
END_TEST

/* An encrypted key is told as such, and nobody is asked for a password. */
START_TEST(encrypted)
{
	struct pki *p = pki_new("ca");
	struct leaf *l = pki_leaf(p, "a", NULL, TLS_KEY_EC, 30);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *b = BIO_new(BIO_s_mem());
	char *text, *copy;
	long n;

	ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(b, key,
	    EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
	n = BIO_get_mem_data(b, &text);
	copy = strndup(text, (size_t)n);
	refused(l->cert_pem, copy, "the private key is encrypted");
	free(copy);
	BIO_free(b);
	EVP_PKEY_free(key);
	leaf_free(l);
	pki_free(p);
}
END_TEST

START_TEST(chains)
{
	struct pki *p = pki_new("ca");
	struct leaf *l = pki_leaf(p, "a", NULL, TLS_KEY_EC, 30);
	struct leaf *other = pki_leaf(p, "b", NULL, TLS_KEY_EC, 30);
	struct certificate *c;
	struct buf many = BUF_INIT, der = BUF_INIT;
	const char *text;

	/* Leaf first; what is no certificate is passed over. */
	text = cat(l->key_pem, l->cert_pem, other->cert_pem);
	ck_assert_int_eq(certificate_parse(str_c(text), str_c(text), now(),
	    &c, why), 0);
	ck_assert_uint_eq(c->nchain, 2);
	certificate_free(c);
	ck_assert_int_eq(certificate_parse(str_c(cat(l->cert_pem,
	    "a comment\n", other->cert_pem)), str_c(l->key_pem), now(), &c,
	    why), 0);
	ck_assert_uint_eq(c->nchain, 2);
	ck_str_is(c->key_text, "a");
	ck_assert_mem_eq(c->fingerprint, l->c->fingerprint, 32);
	certificate_free(c);
	refused(cat(other->cert_pem, l->cert_pem, ""), l->key_pem,
	    "does not belong");
	for (unsigned i = 0; i <= TLS_CHAIN_MAX; i++)
		buf_printf(&many, "%s", l->cert_pem);
	refused(buf_cstr(&many), l->key_pem, "more than");
	ck_assert_int_eq(ca_bundle_parse(buf_str(&many), &der, why),
	    TLS_CHAIN_MAX + 1);
	ck_assert_uint_eq(der.n, (TLS_CHAIN_MAX + 1) * l->c->chain[0].n);
	/* A broken bundle leaves what was there before. */
	ck_assert_int_eq(ca_bundle_parse(str_c(cat(l->cert_pem, "-----BEGIN "
	    "CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "")), &der,
	    why), -EINVAL);
	ck_assert_int_eq(ca_bundle_parse(STR("nothing"), &der, why), -EINVAL);
	ck_assert_uint_eq(der.n, (TLS_CHAIN_MAX + 1) * l->c->chain[0].n);
	buf_fini(&many);
	buf_fini(&der);
	leaf_free(l);
	leaf_free(other);
	pki_free(p);
}
END_TEST

static char dir[] = "/tmp/akkod-cert-XXXXXX";

static const char *
put(const char *name, const char *text)
{
	static char path[16][256];
	static unsigned turn;
	char *p = path[turn++ % 16];
	FILE *fp;

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	fp = fopen(p, "w");
	ck_assert_ptr_nonnull(fp);
	fputs(text, fp);
	fclose(fp);
	return p;
}

static void
load_refused(const char *cert, const char *key, int want, const char *say)
{
	struct certificate *c;

	ck_assert_int_eq(certificate_load(cert, key, now(), &c, why), want);
	ck_assert_msg(strstr(why, say) != NULL, "\"%s\", want \"%s\"", why,
	    say);
}

/* The message names the file that is to blame. */
START_TEST(files)
{
	struct pki *p = pki_new("ca");
	struct leaf *l = pki_leaf(p, "a", NULL, TLS_KEY_EC, 30);
	struct leaf *other = pki_leaf(p, "b", NULL, TLS_KEY_EC, 30);
	struct buf der = BUF_INIT;
	const char *cert, *key;
	struct certificate *c;
	char cmd[300];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	cert = put("cert.pem", l->cert_pem);
	key = put("key.pem", l->key_pem);
	ck_assert_int_eq(certificate_load(cert, key, now(), &c, why), 0);
	certificate_free(c);
	/* Inline, as Traefik takes it. */
	ck_assert_int_eq(certificate_load(l->cert_pem, key, now(), &c, why),
	    0);
	certificate_free(c);
	load_refused("/nonexistent/a.pem", key, -ENOENT,
	    "/nonexistent/a.pem: No such file");
	load_refused(cert, "/nonexistent/k.pem", -ENOENT,
	    "/nonexistent/k.pem: No such file");
	load_refused("", key, -ENOENT, "(no file)");
	load_refused(dir, key, -EINVAL, "not a regular file");
	load_refused("/dev/zero", key, -EINVAL, "not a regular file");
	load_refused(cert, put("other.pem", other->key_pem), -EINVAL,
	    "cert.pem: the private key does not belong");
	load_refused(cert, put("empty.pem", ""), -EINVAL,
	    "empty.pem: no private key");
	load_refused(put("bad.pem", "x"), key, -EINVAL,
	    "bad.pem: no certificate");
	load_refused(l->cert_pem, put("empty.pem", ""), -EINVAL, "empty.pem");
	ck_assert_int_eq(ca_bundle_load(cert, &der, why), 1);
	ck_assert_int_eq(ca_bundle_load("/nonexistent/ca", &der, why),
	    -ENOENT);
	ck_assert_int_eq(ca_bundle_load(put("bad.pem", "x"), &der, why),
	    -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "bad.pem: no certificate"));
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
	buf_fini(&der);
	leaf_free(l);
	leaf_free(other);
	pki_free(p);
}
END_TEST

START_TEST(parsed_once)
{
	struct cert_store *s = cert_store_new();
	struct pki *pki = pki_new("root");
	struct leaf *l = pki_leaf(pki, "a.test", "DNS:a.test", TLS_KEY_EC, 5);
	struct certificate *one, *two;
	struct buf der[2] = { BUF_INIT, BUF_INIT };

	ck_assert_int_eq(cert_store_load(s, l->cert_pem, l->key_pem, now(),
	    &one, why), 0);
	ck_assert_uint_eq(cert_store_count(s), 1);
	/* Another time, another judgement; the rest is the same. */
	ck_assert_int_eq(cert_store_load(s, l->cert_pem, l->key_pem, now() +
	    9 * 86400, &two, why), 0);
	ck_assert_uint_eq(cert_store_count(s), 1);
	ck_assert(!one->expired && two->expired);
	ck_assert(str_eq(one->key, two->key));
	ck_assert(str_eq(one->key_text, two->key_text));
	ck_assert_uint_eq(one->nchain, two->nchain);
	ck_assert(str_eq(one->chain[0], two->chain[0]));
	ck_assert_int_eq(memcmp(one->fingerprint, two->fingerprint, 32), 0);
	certificate_free(one);
	certificate_free(two);
	ck_assert_int_eq(cert_store_bundle(s, l->cert_pem, &der[0], why), 1);
	ck_assert_uint_eq(cert_store_count(s), 2);
	ck_assert_int_eq(cert_store_bundle(s, l->cert_pem, &der[1], why), 1);
	ck_assert(str_eq(buf_str(&der[0]), buf_str(&der[1])));
	/* What does not parse says so each time and is not kept. */
	ck_assert_int_lt(cert_store_load(s, "-----BEGIN x", l->key_pem, now(),
	    &one, why), 0);
	ck_assert_int_lt(cert_store_load(s, "/nowhere", l->key_pem, now(),
	    &one, why), 0);
	ck_assert_ptr_nonnull(strstr(why, "/nowhere"));
	ck_assert_uint_eq(cert_store_count(s), 2);
	cert_store_sweep(s);
	ck_assert_uint_eq(cert_store_count(s), 2);
	cert_store_sweep(s);
	ck_assert_uint_eq(cert_store_count(s), 0);
	buf_fini(&der[0]);
	buf_fini(&der[1]);
	leaf_free(l);
	pki_free(pki);
	cert_store_free(s);
}
END_TEST

/* Two files are written one after the other: the pair of before stays. */
START_TEST(last_good)
{
	struct cert_store *s = cert_store_new();
	struct pki *pki = pki_new("root");
	struct leaf *l = pki_leaf(pki, "a.test", "DNS:a.test", TLS_KEY_EC, 5);
	struct leaf *next = pki_leaf(pki, "a.test", "DNS:a.test", TLS_KEY_EC,
	    5);
	struct certificate *one, *two;
	const char *cert, *key;
	char cmd[300];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	cert = put("cert.pem", "x");
	key = put("key.pem", l->key_pem);
	ck_assert_int_lt(cert_store_load(s, cert, key, now(), &one, why), 0);
	cert = put("cert.pem", l->cert_pem);
	ck_assert_int_eq(cert_store_load(s, cert, key, now(), &one, why), 0);
	for (int i = 0; i < 3; i++) {
		cert_store_sweep(s);
		cert = put("cert.pem", next->cert_pem);
		ck_assert_int_eq(cert_store_load(s, cert, key, now(), &two,
		    why), 1);
		ck_assert_ptr_nonnull(strstr(why, "does not belong"));
		ck_assert(str_eq(one->chain[0], two->chain[0]));
		certificate_free(two);
	}
	key = put("key.pem", next->key_pem);
	ck_assert_int_eq(cert_store_load(s, cert, key, now(), &two, why), 0);
	ck_assert(!str_eq(one->chain[0], two->chain[0]));
	certificate_free(two);
	/* Gone from the configuration for a while: forgotten. */
	cert_store_sweep(s);
	cert_store_sweep(s);
	key = put("key.pem", "");
	ck_assert_int_lt(cert_store_load(s, cert, key, now(), &two, why), 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
	certificate_free(one);
	leaf_free(l);
	leaf_free(next);
	pki_free(pki);
	cert_store_free(s);
}
END_TEST

UNIT_MAIN("certificate", parsed_once, last_good, types_and_names, covering, times, mistakes,
    encrypted, chains, files)
