/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local CA; see local_ca.h. Of several akkods that start at once the first
 * to link a file wins, and the others read it.
 */
#include "local_ca.h"

#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY		INT64_C(86400)
#define ROOT_DAYS	3650
#define BACKDATE	3600	/* for clocks that are a little late */

struct local_ca {
	EVP_PKEY *key;
	X509 *root;
	char *pem;
	EVP_PKEY *rsa;			/* of RSA leaves, NULL: not wanted yet */
	char *dir;			/* NULL: nothing is kept */
	/* PEM of the last leaf of each kind, NULL: none yet. */
	struct {
		char *cert, *key;
		struct certificate *parsed;	/* of the two; NULL: none */
	} leaf[TLS_KEY_ED25519];
	char fingerprint[96];
	bool in_memory;
};

static const char *const always[] = { "localhost", "*.localhost", "127.0.0.1",
    "::1", "akko.local", "*.akko.local" };

/* ---- Making certificates ---------------------------------------------------- */

static bool
extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	if ((e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value)) == NULL)
		return false;
	ok = X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static bool
set_serial(X509 *x)
{
	unsigned char raw[16];
	BIGNUM *bn;
	bool ok;

	if (RAND_bytes(raw, sizeof(raw)) != 1)
		return false;
	raw[0] &= 0x7f;
	bn = BN_bin2bn(raw, sizeof(raw), NULL);
	ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) !=
	    NULL;
	BN_free(bn);
	return ok;
}

static X509 *
certificate_new(EVP_PKEY *key, const char *cn, int64_t now, int64_t days)
{
	X509 *x = X509_new();
	X509_NAME *name;

	if (x == NULL)
		return NULL;
	name = X509_get_subject_name(x);
	if (X509_set_version(x, 2) != 1 || !set_serial(x) ||
	    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now - BACKDATE)) ==
	    NULL || ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now -
	    BACKDATE + days * DAY)) == NULL || X509_set_pubkey(x, key) != 1 ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)cn, -1, -1, 0) != 1) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static bool
make_root(struct local_ca *ca, int64_t now)
{
	char cn[64], host[40] = "";

	(void)gethostname(host, sizeof(host) - 1);
	snprintf(cn, sizeof(cn), "akkod local CA %s", host);
	if ((ca->key = EVP_EC_gen("P-256")) == NULL || (ca->root =
	    certificate_new(ca->key, cn, now, ROOT_DAYS)) == NULL)
		return false;
	return X509_set_issuer_name(ca->root, X509_get_subject_name(
	    ca->root)) == 1 &&
	    extend(ca->root, ca->root, NID_basic_constraints,
	    "critical,CA:TRUE,pathlen:0") &&
	    extend(ca->root, ca->root, NID_key_usage,
	    "critical,keyCertSign,cRLSign") &&
	    extend(ca->root, ca->root, NID_subject_key_identifier, "hash") &&
	    X509_sign(ca->root, ca->key, EVP_sha256()) > 0;
}

/* ---- Files --------------------------------------------------------------------- */

static char *
pem_of(X509 *x, EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *data, *out = NULL;
	long n;

	if (b != NULL && (x != NULL ? PEM_write_bio_X509(b, x) :
	    PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL,
	    NULL)) == 1) {
		n = BIO_get_mem_data(b, &data);
		out = strndup(data, (size_t)n);
	}
	BIO_free(b);
	return out;
}

static int
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)fsync(fd);
	close(fd);
	return 0;
}

/* Writes aside; then the name appears whole, and never over another's file. */
static int
write_new(const char *dir, const char *name, const char *text, mode_t mode)
{
	char tmp[512], path[512];
	size_t n = strlen(text);
	uint64_t salt;
	int fd, err = 0;

	/* Not the process id: two containers may have the same. */
	if (RAND_bytes((unsigned char *)&salt, sizeof(salt)) != 1)
		return -EIO;
	if (snprintf(tmp, sizeof(tmp), "%s/.%s.%016llx", dir, name,
	    (unsigned long long)salt) >= (int)sizeof(tmp) || snprintf(path, sizeof(path), "%s/%s", dir,
	    name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    mode);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n || fsync(fd) < 0)
		err = errno != 0 ? -errno : -EIO;
	(void)fchmod(fd, mode);
	close(fd);
	if (err == 0 && link(tmp, path) < 0)
		err = -errno;
	(void)unlink(tmp);
	return err < 0 ? err : sync_dir(dir);
}

/* Root and key as one file: a half-written pair cannot be. */
static int
read_pair(struct local_ca *ca, const char *dir)
{
	char path[512];
	FILE *fp;

	snprintf(path, sizeof(path), "%s/local-ca.pem", dir);
	if ((fp = fopen(path, "re")) == NULL)
		return -errno;
	ca->root = PEM_read_X509(fp, NULL, NULL, NULL);
	ca->key = PEM_read_PrivateKey(fp, NULL, NULL, NULL);
	fclose(fp);
	return ca->root != NULL && ca->key != NULL && X509_check_private_key(
	    ca->root, ca->key) == 1 ? 0 : -EINVAL;
}

static int
write_pair(struct local_ca *ca, const char *dir)
{
	char *root = pem_of(ca->root, NULL), *key = pem_of(NULL, ca->key);
	struct buf both = BUF_INIT;
	int err = -ENOMEM;

	if (root != NULL && key != NULL) {
		buf_printf(&both, "%s%s", root, key);
		err = write_new(dir, "local-ca.pem", buf_cstr(&both), 0600);
		explicit_bzero(both.p, both.n);
		explicit_bzero(key, strlen(key));
	}
	buf_fini(&both);
	free(root);
	free(key);
	return err;
}

static void
forget(struct local_ca *ca)
{
	EVP_PKEY_free(ca->key);
	X509_free(ca->root);
	ca->key = NULL;
	ca->root = NULL;
}

/* Reads the pair, or makes and keeps one. 0 kept; -errno: in memory only. */
static int
read_or_make(struct local_ca *ca, const char *dir, int64_t now)
{
	int err = dir == NULL ? -ENOENT : read_pair(ca, dir);

	if (err == 0)
		return 0;
	forget(ca);
	if (!make_root(ca, now))
		return -ENOMEM;
	if (dir == NULL || err != -ENOENT)	/* broken: not overwritten */
		return err;
	if ((err = write_pair(ca, dir)) != -EEXIST)
		return err;
	/* Another akkod was first: its CA is the one. */
	forget(ca);
	if ((err = read_pair(ca, dir)) == 0)
		return 0;
	forget(ca);
	return make_root(ca, now) ? err : -ENOMEM;
}

static bool
describe(struct local_ca *ca)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (ca->root == NULL || (ca->pem = pem_of(ca->root, NULL)) == NULL ||
	    X509_digest(ca->root, EVP_sha256(), digest, &n) != 1)
		return false;
	for (unsigned i = 0; i < n; i++)
		snprintf(ca->fingerprint + 3 * i, 4, i + 1 < n ? "%02X:" :
		    "%02X", digest[i]);
	return true;
}

static void
forget_leaf(struct local_ca *ca, enum tls_key_type type)
{
	if (ca->leaf[type].key != NULL)
		explicit_bzero(ca->leaf[type].key, strlen(ca->leaf[type].key));
	free(ca->leaf[type].key);
	free(ca->leaf[type].cert);
	ca->leaf[type].key = ca->leaf[type].cert = NULL;
	certificate_free(ca->leaf[type].parsed);
	ca->leaf[type].parsed = NULL;
}

static EVP_PKEY *
read_rsa(const char *dir)
{
	char path[512];
	EVP_PKEY *key;
	FILE *fp;

	snprintf(path, sizeof(path), "%s/local-rsa.pem", dir);
	if ((fp = fopen(path, "re")) == NULL)
		return NULL;
	key = PEM_read_PrivateKey(fp, NULL, NULL, NULL);
	fclose(fp);
	if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

int
local_ca_open(const char *dir, int64_t now, struct local_ca **ret,
    char why[CERT_WHY])
{
	struct local_ca *ca = calloc(1, sizeof(*ca));
	int err;

	why[0] = '\0';
	if (ca == NULL)
		return -ENOMEM;
	if (dir != NULL)
		(void)dir_make(dir);	/* writing tells */
	err = read_or_make(ca, dir, now);
	if (!describe(ca)) {
		local_ca_close(ca);
		return -ENOMEM;
	}
	if (err == 0) {
		ca->dir = strdup(dir);
		ca->rsa = read_rsa(dir);
	} else {
		ca->in_memory = true;
		snprintf(why, CERT_WHY, "%s/local-ca.pem: %s", dir != NULL ?
		    dir : "(no state directory)", err == -EINVAL ?
		    "not a certificate with its key" : strerror(-err));
	}
	*ret = ca;
	return 0;
}

void
local_ca_close(struct local_ca *ca)
{
	if (ca == NULL)
		return;
	forget(ca);
	forget_leaf(ca, TLS_KEY_EC);
	forget_leaf(ca, TLS_KEY_RSA);
	EVP_PKEY_free(ca->rsa);
	free(ca->dir);
	free(ca->pem);
	free(ca);
}

bool
local_ca_in_memory(const struct local_ca *ca)
{
	return ca->in_memory;
}

const char *
local_ca_pem(const struct local_ca *ca)
{
	return ca->pem;
}

const char *
local_ca_fingerprint(const struct local_ca *ca)
{
	return ca->fingerprint;
}

/* ---- Leaves ------------------------------------------------------------------------ */

static bool
is_address(struct str s)
{
	struct addr a;

	return addr_parse(s, &a) == 0;
}

/* Names with other bytes would be read as more of the extension's syntax. */
static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = str_lower(s.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '.' || c == '-' || c == '_' || (c == '*' && i == 0)))
			return false;
	}
	return s.n > 0 && s.n < 254;
}

static void
add_name(struct buf *san, struct str name)
{
	if (is_address(name))
		buf_printf(san, "%sIP:%.*s", san->n != 0 ? "," : "",
		    STR_ARG(name));
	else if (is_name(name))
		buf_printf(san, "%sDNS:%.*s", san->n != 0 ? "," : "",
		    STR_ARG(name));
}

static X509 *
make_leaf(struct local_ca *ca, EVP_PKEY *key, const char *san, int64_t now)
{
	X509 *x = certificate_new(key, "akkod", now, LOCAL_CA_LEAF_DAYS);

	if (x != NULL && X509_set_issuer_name(x, X509_get_subject_name(
	    ca->root)) == 1 && extend(x, ca->root, NID_basic_constraints,
	    "critical,CA:FALSE") && extend(x, ca->root, NID_key_usage,
	    "critical,digitalSignature") && extend(x, ca->root,
	    NID_ext_key_usage, "serverAuth") && extend(x, ca->root,
	    NID_authority_key_identifier, "keyid") && extend(x, ca->root,
	    NID_subject_alt_name, san) && X509_sign(x, ca->key,
	    EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* The last leaf, while it covers the names and is not to be renewed. */
static bool
kept_leaf(struct local_ca *ca, enum tls_key_type type, const struct str *names,
    unsigned n, int64_t now, struct certificate **ret)
{
	if (ca->leaf[type].parsed == NULL)
		return false;
	*ret = certificate_copy(ca->leaf[type].parsed, now);
	for (unsigned i = 0; i < n; i++)
		if ((is_name(names[i]) || is_address(names[i])) &&
		    !certificate_covers(*ret, names[i])) {
			certificate_free(*ret);
			return false;
		}
	if (now < local_ca_renew_at(*ret))
		return true;
	certificate_free(*ret);
	return false;
}

bool
local_ca_has_rsa(const struct local_ca *ca)
{
	return ca->rsa != NULL;
}

int
local_ca_make_rsa(struct local_ca *ca, char why[CERT_WHY])
{
	char *text;

	snprintf(why, CERT_WHY, "an RSA key cannot be made");
	if ((ca->rsa = EVP_RSA_gen(2048)) == NULL)
		return -ENOMEM;
	/* Where it cannot be kept it is made again after the next start. */
	if (ca->dir != NULL && (text = pem_of(NULL, ca->rsa)) != NULL) {
		(void)write_new(ca->dir, "local-rsa.pem", text, 0600);
		explicit_bzero(text, strlen(text));
		free(text);
	}
	return 0;
}

static EVP_PKEY *
leaf_key(struct local_ca *ca, enum tls_key_type type)
{
	if (type == TLS_KEY_EC)
		return EVP_EC_gen("P-256");
	if (ca->rsa != NULL)
		EVP_PKEY_up_ref(ca->rsa);
	return ca->rsa;
}

int
local_ca_leaf(struct local_ca *ca, enum tls_key_type type,
    const struct str *names, unsigned n, int64_t now,
    struct certificate **ret, char why[CERT_WHY])
{
	EVP_PKEY *key;
	struct buf san = BUF_INIT;
	X509 *x = NULL;
	int err = -ENOMEM;

	if (n > LOCAL_CA_NAMES)
		n = LOCAL_CA_NAMES;
	if (kept_leaf(ca, type, names, n, now, ret))
		return 0;
	forget_leaf(ca, type);
	key = leaf_key(ca, type);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		add_name(&san, str_c(always[i]));
	for (unsigned i = 0; i < n; i++)
		add_name(&san, names[i]);
	snprintf(why, CERT_WHY, "the local CA cannot make a certificate");
	if (key != NULL && (x = make_leaf(ca, key, buf_cstr(&san), now)) !=
	    NULL && (ca->leaf[type].cert = pem_of(x, NULL)) != NULL &&
	    (ca->leaf[type].key = pem_of(NULL, key)) != NULL)
		err = certificate_parse(str_c(ca->leaf[type].cert),
		    str_c(ca->leaf[type].key), now, ret, why);
	if (err == 0)
		ca->leaf[type].parsed = certificate_copy(*ret, now);
	X509_free(x);
	EVP_PKEY_free(key);
	buf_fini(&san);
	return err;
}

int64_t
local_ca_renew_at(const struct certificate *leaf)
{
	return leaf->not_before + (leaf->not_after - leaf->not_before) / 3 * 2;
}

void
local_ca_trust_text(const struct local_ca *ca, const char *command,
    struct buf *out)
{
	/* Never the file of the state directory: it holds the key, too. */
	buf_printf(out, "SHA-256 %s\n\n"
	    "To trust this CA, save its certificate:\n"
	    "  %s > akkod-ca.pem\n"
	    "and then\n"
	    "  Debian        sudo cp akkod-ca.pem /usr/local/share/"
	    "ca-certificates/akkod.crt && sudo update-ca-certificates\n"
	    "  Firefox, Chromium (NSS)\n"
	    "                certutil -d sql:$HOME/.pki/nssdb -A -t C,, "
	    "-n akkod -i akkod-ca.pem\n"
	    "  macOS         sudo security add-trusted-cert -d -r trustRoot "
	    "-k /Library/Keychains/System.keychain akkod-ca.pem\n",
	    ca->fingerprint, command);
}
