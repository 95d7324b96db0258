/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading and checking certificates and keys; see certificate.h. */
#include "certificate.h"

#include "addr.h"
#include "alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define FILE_MAX	(4u << 20)

static int __attribute__((format(printf, 2, 3)))
say(char why[CERT_WHY], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, CERT_WHY, fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return -EINVAL;
}

/* ---- Names --------------------------------------------------------------- */

/* Printable ASCII only: names are compared, joined by ',' and logged. */
static void
name_add(struct certificate *c, const void *p, size_t n)
{
	const char *s = p;
	char *copy;

	if (n == 0 || n > 253)
		return;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 127 || s[i] == ',')
			return;
	copy = xmalloc(n);
	for (size_t i = 0; i < n; i++)
		copy[i] = str_lower(s[i]);
	c->names = xreallocarray(c->names, c->nnames + 1, sizeof(*c->names));
	c->names[c->nnames++] = str_n(copy, n);
}

static void
name_add_asn1(struct certificate *c, const ASN1_STRING *s)
{
	name_add(c, ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static void
name_add_ip(struct certificate *c, const ASN1_STRING *s)
{
	const uint8_t *p = ASN1_STRING_get0_data(s);
	int n = ASN1_STRING_length(s);
	struct addr a = { .ip = { [10] = 0xff, [11] = 0xff } };
	char text[ADDR_TEXT];

	if (n == 4)
		memcpy(a.ip + 12, p, 4);
	else if (n == 16)
		memcpy(a.ip, p, 16);
	else
		return;
	(void)addr_text(&a, text);
	name_add(c, text, strlen(text));
}

static int
by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void
names_sort(struct certificate *c)
{
	struct buf b = BUF_INIT;
	unsigned n = 0;

	if (c->nnames > 1)
		qsort(c->names, c->nnames, sizeof(*c->names), by_text);
	for (unsigned i = 0; i < c->nnames; i++) {
		if (n > 0 && str_eq(c->names[n - 1], c->names[i])) {
			free((void *)(uintptr_t)c->names[i].p);
			continue;
		}
		c->names[n++] = c->names[i];
	}
	c->nnames = n;
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(&b, ',');
		buf_puts(&b, c->names[i]);
	}
	c->key_text = str_n(b.p != NULL ? b.p : xstrdup(""), b.n);
}

/* Traefik counts the common name also where there are other names (5.2). */
static void
read_names(struct certificate *c, X509 *leaf)
{
	X509_NAME *subject = X509_get_subject_name(leaf);
	GENERAL_NAMES *sans;
	int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (i >= 0)
		name_add_asn1(c, X509_NAME_ENTRY_get_data(
		    X509_NAME_get_entry(subject, i)));
	sans = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);

		if (g->type == GEN_DNS)
			name_add_asn1(c, g->d.dNSName);
		else if (g->type == GEN_IPADD)
			name_add_ip(c, g->d.iPAddress);
	}
	GENERAL_NAMES_free(sans);
	names_sort(c);
}

/* ---- Chain ------------------------------------------------------------------ */

static int64_t
unix_time(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

static struct str
der_of(X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	char *copy;

	if (n <= 0)
		return STR_NONE;
	copy = xmalloc((size_t)n);
	memcpy(copy, der, (size_t)n);
	OPENSSL_free(der);
	return str_n(copy, (size_t)n);
}

static void
chain_add(struct certificate *c, X509 *x)
{
	c->chain = xreallocarray(c->chain, c->nchain + 1, sizeof(*c->chain));
	c->chain[c->nchain++] = der_of(x);
}

/* The line on which the n-th certificate of a text begins, for messages. */
static unsigned
line_of(struct str pem, unsigned nth)
{
	static const char mark[] = "-----BEGIN ";
	unsigned line = 1;

	for (size_t i = 0; i < pem.n; i++) {
		if (pem.p[i] == '\n')
			line++;
		else if (str_has_prefix(str_from(pem, i), str_c(mark)) &&
		    nth-- == 0)
			return line;
	}
	return line;
}

static bool
is_cert_label(const char *name)
{
	return strcmp(name, PEM_STRING_X509) == 0 ||
	    strcmp(name, PEM_STRING_X509_OLD) == 0 ||
	    strcmp(name, PEM_STRING_X509_TRUSTED) == 0;
}

/* One certificate out of a PEM block that claims to be one. */
static X509 *
block_parse(const char *name, const unsigned char *data, long n)
{
	const unsigned char *p = data;
	X509 *x = strcmp(name, PEM_STRING_X509_TRUSTED) == 0 ?
	    d2i_X509_AUX(NULL, &p, n) : d2i_X509(NULL, &p, n);

	if (x != NULL && p != data + n) {
		X509_free(x);
		x = NULL;
	}
	return x;
}

/* Calls `each` for every certificate of a text; their number or -EINVAL. */
static int
each_cert(struct str pem, void (*each)(void *arg, X509 *x), void *arg,
    char why[CERT_WHY])
{
	BIO *b = BIO_new_mem_buf(pem.p != NULL ? pem.p : "", (int)pem.n);
	char *name, *header;
	unsigned char *data;
	unsigned block = 0;
	int n = 0;
	long len;

	if (b == NULL)
		return say(why, "out of memory");
	while (n >= 0 && PEM_read_bio(b, &name, &header, &data, &len) == 1) {
		X509 *x;

		if (!is_cert_label(name))
			;
		else if ((x = block_parse(name, data, len)) == NULL) {
			n = say(why, "line %u: the certificate is broken",
			    line_of(pem, block));
		} else {
			each(arg, x);
			X509_free(x);
			n++;
		}
		block++;
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
	}
	if (n >= 0 && ERR_GET_REASON(ERR_peek_last_error()) !=
	    PEM_R_NO_START_LINE)
		n = say(why, "line %u: the PEM block is truncated or damaged",
		    line_of(pem, block));
	BIO_free(b);
	ERR_clear_error();
	return n;
}

static void
each_chain(void *arg, X509 *x)
{
	chain_add(arg, x);
}

static int
parse_chain(struct certificate *c, struct str pem, char why[CERT_WHY])
{
	int n;

	if (pem.n > FILE_MAX)
		return say(why, "certificate: too long");
	n = each_cert(pem, each_chain, c, why);
	if (n == 0)
		return say(why, "no certificate in PEM form");
	if (n > TLS_CHAIN_MAX)
		return say(why, "more than %d certificates in the chain",
		    TLS_CHAIN_MAX);
	return n < 0 ? n : 0;
}

/* ---- Key ----------------------------------------------------------------------- */

struct no_password { bool asked; };

static int
no_password(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	((struct no_password *)arg)->asked = true;
	return -1;
}

static EVP_PKEY *
parse_key(struct str pem, char why[CERT_WHY])
{
	struct no_password pw = { false };
	BIO *b = BIO_new_mem_buf(pem.p != NULL ? pem.p : "", (int)pem.n);
	EVP_PKEY *key = b != NULL ?
	    PEM_read_bio_PrivateKey(b, NULL, no_password, &pw) : NULL;
	bool any = str_find(pem, STR("PRIVATE KEY-----")) >= 0;

	BIO_free(b);
	if (key == NULL && pw.asked)
		(void)say(why, "the private key is encrypted");
	else if (key == NULL && any)
		(void)say(why, "the private key is broken or truncated");
	else if (key == NULL)
		(void)say(why, "no private key in PEM form");
	return key;
}

static int
key_type_of(const EVP_PKEY *key, char why[CERT_WHY])
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		if (EVP_PKEY_get_bits(key) < 2048)
			return say(why, "the RSA key has %d bits, 2048 are "
			    "the least", EVP_PKEY_get_bits(key));
		return TLS_KEY_RSA;
	case EVP_PKEY_EC:
		return TLS_KEY_EC;
	case EVP_PKEY_ED25519:
		return TLS_KEY_ED25519;
	default:
		return say(why, "keys of this type are not supported");
	}
}

static int
store_key(struct certificate *c, EVP_PKEY *key, char why[CERT_WHY])
{
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int n = p8 != NULL ? i2d_PKCS8_PRIV_KEY_INFO(p8, &der) : -1;
	char *copy;

	PKCS8_PRIV_KEY_INFO_free(p8);
	if (n <= 0)
		return say(why, "the private key cannot be encoded");
	copy = xmalloc((size_t)n);
	memcpy(copy, der, (size_t)n);
	OPENSSL_clear_free(der, (size_t)n);
	c->key = str_n(copy, (size_t)n);
	return 0;
}

static void
judge(struct certificate *c, int64_t now)
{
	c->not_yet_valid = now < c->not_before;
	c->expired = now >= c->not_after;
}

/* ---- Whole ---------------------------------------------------------------------- */

static int
check(struct certificate *c, EVP_PKEY *key, int64_t now, char why[CERT_WHY])
{
	const unsigned char *p = (const unsigned char *)c->chain[0].p;
	X509 *leaf = d2i_X509(NULL, &p, (long)c->chain[0].n);
	unsigned int n = 0;
	int type = key_type_of(key, why);

	if (leaf == NULL || type < 0) {
		X509_free(leaf);
		return type < 0 ? type : say(why, "the certificate is broken");
	}
	if (X509_check_private_key(leaf, key) != 1) {
		X509_free(leaf);
		return say(why, "the private key does not belong to the "
		    "certificate");
	}
	c->key_type = (uint8_t)type;
	c->not_before = unix_time(X509_get0_notBefore(leaf));
	c->not_after = unix_time(X509_get0_notAfter(leaf));
	judge(c, now);
	read_names(c, leaf);
	(void)EVP_Digest(c->chain[0].p, c->chain[0].n, c->fingerprint, &n,
	    EVP_sha256(), NULL);
	X509_free(leaf);
	return 0;
}

static struct str
copy_str(struct str s)
{
	char *p = xmalloc(s.n + 1);

	if (s.n != 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return str_n(p, s.n);
}

static struct str *
copy_list(const struct str *v, unsigned n)
{
	struct str *out = xcalloc(n, sizeof(*out));

	for (unsigned i = 0; i < n; i++)
		out[i] = copy_str(v[i]);
	return out;
}

struct certificate *
certificate_copy(const struct certificate *c, int64_t now)
{
	struct certificate *n = xcalloc(1, sizeof(*n));

	*n = *c;
	n->chain = copy_list(c->chain, c->nchain);
	n->names = copy_list(c->names, c->nnames);
	n->key = copy_str(c->key);
	n->key_text = copy_str(c->key_text);
	judge(n, now);
	return n;
}

int
certificate_parse(struct str cert_pem, struct str key_pem, int64_t now,
    struct certificate **ret, char why[CERT_WHY])
{
	struct certificate *c = xcalloc(1, sizeof(*c));
	EVP_PKEY *key = NULL;
	int err;

	*ret = NULL;
	why[0] = '\0';
	ERR_clear_error();
	if ((err = parse_chain(c, cert_pem, why)) < 0 ||
	    (key = parse_key(key_pem, why)) == NULL)
		err = -EINVAL;
	if (err == 0 && (err = check(c, key, now, why)) == 0)
		err = store_key(c, key, why);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (err < 0)
		certificate_free(c);
	else
		*ret = c;
	return err;
}

static void
free_list(struct str *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free((void *)(uintptr_t)v[i].p);
	free(v);
}

void
certificate_free(struct certificate *c)
{
	if (c == NULL)
		return;
	free_list(c->chain, c->nchain);
	free_list(c->names, c->nnames);
	if (c->key.p != NULL)
		OPENSSL_cleanse((void *)(uintptr_t)c->key.p, c->key.n);
	free((void *)(uintptr_t)c->key.p);
	free((void *)(uintptr_t)c->key_text.p);
	free(c);
}

void
certificate_view(const struct certificate *c, struct tls_cert *ret)
{
	*ret = (struct tls_cert){ .nchain = c->nchain, .key = c->key,
	    .key_type = c->key_type, .not_before = c->not_before,
	    .not_after = c->not_after };
	for (unsigned i = 0; i < c->nchain; i++)
		ret->chain[i] = c->chain[i];
	memcpy(ret->fingerprint, c->fingerprint, sizeof(ret->fingerprint));
}

bool
certificate_covers(const struct certificate *c, struct str name)
{
	ptrdiff_t dot = str_chr(name, '.');

	for (unsigned i = 0; i < c->nnames; i++) {
		struct str have = c->names[i];

		if (str_eq(have, name))
			return true;
		if (dot > 0 && have.n > 2 && have.p[0] == '*' &&
		    have.p[1] == '.' && str_eq(str_from(have, 1),
		    str_from(name, (size_t)dot)))
			return true;
	}
	return false;
}

/* ---- Files ----------------------------------------------------------------------- */

/* Traefik takes a path or the text itself in one field. */
static bool
is_inline(const char *s)
{
	return strstr(s, "-----BEGIN ") != NULL;
}

static int
read_text(int fd, struct buf *b, char why[CERT_WHY], const char *path)
{
	ssize_t n;
	char *p;

	while ((p = buf_space(b, 65536)) != NULL) {
		n = read(fd, p, 65536);
		b->n -= 65536 - (size_t)(n > 0 ? n : 0);
		if (n < 0) {
			int err = -errno;

			(void)say(why, "%.150s: %s", path, strerror(-err));
			return err;
		}
		if (n == 0)
			return 0;
		if (b->n > FILE_MAX)
			break;
	}
	(void)say(why, "%.150s: too long", path);
	return -EFBIG;
}

int
certificate_read(const char *s, struct buf *b, char why[CERT_WHY])
{
	struct stat st;
	int fd, err;

	if (is_inline(s)) {
		buf_puts(b, str_c(s));
		return 0;
	}
	fd = open(s, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		err = -errno;
		(void)say(why, "%.150s: %s", s[0] != '\0' ? s : "(no file)",
		    strerror(-err));
		return err;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)say(why, "%.150s: not a regular file", s);
		(void)close(fd);
		return -EINVAL;
	}
	err = read_text(fd, b, why, s);
	(void)close(fd);
	return err;
}

static void
wipe(struct buf *b)
{
	if (b->p != NULL)
		OPENSSL_cleanse(b->p, b->cap);
	buf_fini(b);
}

/* Puts the source in front of a reason. */
static void
name_source(char why[CERT_WHY], const char *source)
{
	char old[CERT_WHY];

	memcpy(old, why, sizeof(old));
	(void)say(why, "%.120s: %.130s", is_inline(source) ?
	    "inline certificate" : source, old);
}

int
certificate_load(const char *cert, const char *key, int64_t now,
    struct certificate **ret, char why[CERT_WHY])
{
	struct buf c = BUF_INIT, k = BUF_INIT;
	int err;

	*ret = NULL;
	if ((err = certificate_read(cert, &c, why)) == 0 &&
	    (err = certificate_read(key, &k, why)) == 0) {
		err = certificate_parse(buf_str(&c), buf_str(&k), now, ret,
		    why);
		if (err < 0)
			name_source(why, strstr(why, "private key") != NULL &&
			    strstr(why, "belong") == NULL ? key : cert);
	}
	buf_fini(&c);
	wipe(&k);
	return err;
}

static void
each_ca(void *arg, X509 *x)
{
	struct str der = der_of(x);

	buf_puts(arg, der);
	free((void *)(uintptr_t)der.p);
}

int
ca_bundle_parse(struct str pem, struct buf *der, char why[CERT_WHY])
{
	size_t before = der->n;
	int n;

	why[0] = '\0';
	ERR_clear_error();
	if (pem.n > FILE_MAX)
		return say(why, "too long");
	n = each_cert(pem, each_ca, der, why);
	if (n == 0)
		n = say(why, "no certificate in PEM form");
	if (n < 0)
		der->n = before;
	return n;
}

int
ca_bundle_load(const char *file_or_pem, struct buf *der, char why[CERT_WHY])
{
	struct buf b = BUF_INIT;
	int err = certificate_read(file_or_pem, &b, why);

	if (err == 0) {
		err = ca_bundle_parse(buf_str(&b), der, why);
		if (err < 0)
			name_source(why, file_or_pem);
	}
	buf_fini(&b);
	return err;
}
