/* SPDX-License-Identifier: BSD-2-Clause */
/* The local CA: its root, its leaves, who keeps it and where it cannot be. */
#include "local_ca.h"

#include "tls.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAY	86400

static char why[CERT_WHY];
static char dir[64];

static void
begin(void)
{
	tls_init();
	strcpy(dir, "/tmp/akkod-ca-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
end(void)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static int64_t
now(void)
{
	return (int64_t)time(NULL);
}

static struct local_ca *
open_ca(const char *d, int64_t at)
{
	struct local_ca *ca;

	ck_assert_int_eq(local_ca_open(d, at, &ca, why), 0);
	return ca;
}

static struct certificate *
leaf(struct local_ca *ca, enum tls_key_type type, const struct str *names,
    unsigned n, int64_t at)
{
	struct certificate *c;

	ck_assert_msg(local_ca_leaf(ca, type, names, n, at, &c, why) == 0,
	    "%s", why);
	return c;
}

static X509 *
root_of(const struct local_ca *ca)
{
	BIO *b = BIO_new_mem_buf(local_ca_pem(ca), -1);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

	BIO_free(b);
	ck_assert_ptr_nonnull(x);
	return x;
}

static X509 *
x509_of(const struct certificate *c)
{
	const unsigned char *p = (const unsigned char *)c->chain[0].p;
	X509 *x = d2i_X509(NULL, &p, (long)c->chain[0].n);

	ck_assert_ptr_nonnull(x);
	return x;
}

/* As a client does: chain, purpose, time and name. */
static int
verify(X509 *root, X509 *x, const char *host, int64_t at)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int err;

	X509_STORE_add_cert(store, root);
	X509_STORE_CTX_init(ctx, store, x, NULL);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)at);
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
		X509_VERIFY_PARAM_set1_host(param, host, 0);
	err = X509_verify_cert(ctx) == 1 ? 0 : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return err;
}

START_TEST(root)
{
	struct local_ca *ca = (begin(), open_ca(dir, now()));
	X509 *x = root_of(ca);
	ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)now());
	unsigned char digest[32];
	char hex[96] = "";
	unsigned n;
	int days, secs;

	ck_assert_str_eq(why, "");
	ck_assert(!local_ca_in_memory(ca));
	ck_assert_int_eq(X509_check_ca(x), 1);
	ck_assert_int_eq(X509_get_pathlen(x), 0);
	ck_assert_uint_eq(X509_get_key_usage(x), KU_KEY_CERT_SIGN |
	    KU_CRL_SIGN);
	ck_assert_int_eq(X509_verify(x, X509_get0_pubkey(x)), 1);
	ck_assert_int_eq(EVP_PKEY_get_base_id(X509_get0_pubkey(x)),
	    EVP_PKEY_EC);
	ck_assert_int_eq(ASN1_TIME_diff(&days, &secs, t,
	    X509_get0_notAfter(x)), 1);
	ck_assert_int_ge(days, 3600);
	ck_assert_int_lt(ASN1_TIME_compare(X509_get0_notBefore(x), t), 0);
	ck_assert_int_eq(X509_digest(x, EVP_sha256(), digest, &n), 1);
	for (unsigned i = 0; i < 32; i++)
		snprintf(hex + 3 * i, 4, i < 31 ? "%02X:" : "%02X", digest[i]);
	ck_assert_str_eq(local_ca_fingerprint(ca), hex);
	ASN1_TIME_free(t);
	X509_free(x);
	local_ca_close(ca);
	local_ca_close(NULL);
	end();
}
END_TEST

START_TEST(leaves)
{
	static const struct str names[] = { STR("bi.akko.test"),
	    STR("*.w.test"), STR("10.1.2.3"), STR("2001:db8::1"),
	    STR("bad name"), STR("a,DNS:evil.test"), STR("x\ny"), STR(""),
	    STR("evil.test\0.w.test") };
	static const struct { const char *host; bool want; } rows[] = {
		{ "bi.akko.test", true }, { "a.w.test", true },
		{ "w.test", false }, { "b.a.w.test", false },
		{ "10.1.2.3", true }, { "2001:db8::1", true },
		{ "10.1.2.4", false }, { "localhost", true },
		{ "127.0.0.1", true },
		{ "::1", true }, { "akko.local", true },
		{ "grafana.akko.local", true }, { "evil.test", false },
		{ "akkod", false },
	};
	struct local_ca *ca = (begin(), open_ca(dir, now()));
	X509 *r = root_of(ca), *other_root;
	struct local_ca *other = open_ca(NULL, now());

	other_root = root_of(other);
	ck_assert_int_eq(local_ca_make_rsa(ca, why), 0);
	for (int type = TLS_KEY_RSA; type <= TLS_KEY_EC; type++) {
		struct certificate *c = leaf(ca, (enum tls_key_type)type,
		    names, ARRAY_SIZE(names), now());
		X509 *x = x509_of(c);

		ck_assert_int_eq(c->key_type, type);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			ck_assert_msg((verify(r, x, rows[i].host, now()) ==
			    0) == rows[i].want, "%s", rows[i].host);
		ck_assert_int_ne(verify(other_root, x, "localhost", now()),
		    0);
		ck_assert_int_eq(X509_check_ca(x), 0);
		ck_assert_uint_eq(X509_get_extended_key_usage(x),
		    XKU_SSL_SERVER);
		ck_assert_uint_eq(X509_get_key_usage(x),
		    KU_DIGITAL_SIGNATURE);
		/* Browsers refuse what lives for more than 398 days. */
		ck_assert_int_le(c->not_after - c->not_before, 397 * DAY);
		ck_assert_int_ge(c->not_after - now(), 396 * DAY);
		ck_assert_int_lt(c->not_before, now());
		X509_free(x);
		certificate_free(c);
	}
	X509_free(r);
	X509_free(other_root);
	local_ca_close(other);
	local_ca_close(ca);
	end();
}
END_TEST

static bool
same(const struct certificate *a, const struct certificate *b)
{
	return memcmp(a->fingerprint, b->fingerprint, 32) == 0;
}

START_TEST(renewal)
{
	static const struct str names[] = { STR("a.test"), STR("*.b.test"),
	    STR("c.test"), STR("*.d.test") };
	struct local_ca *ca = (begin(), open_ca(dir, now()));
	struct certificate *c = leaf(ca, TLS_KEY_EC, names, 2, now()), *d;
	int64_t renew = local_ca_renew_at(c);
	X509 *r = root_of(ca), *x;

	ck_assert_int_lt(llabs(renew - c->not_before - 397 * DAY * 2 / 3),
	    10);
	/* The same while it covers the names and is young. */
	d = leaf(ca, TLS_KEY_EC, names, 2, renew - 1);
	ck_assert(same(c, d));
	certificate_free(d);
	d = leaf(ca, TLS_KEY_EC, names, 1, now());
	ck_assert(same(c, d));
	certificate_free(d);
	d = leaf(ca, TLS_KEY_EC, names, 3, now());	/* one name more */
	ck_assert(!same(c, d));
	ck_assert(certificate_covers(d, names[2]));
	certificate_free(c);
	c = leaf(ca, TLS_KEY_EC, names, 4, now());	/* a wildcard more */
	ck_assert(!same(c, d));
	ck_assert(certificate_covers(c, STR("x.d.test")));
	certificate_free(d);
	/* After two thirds of its life it is made again, and is good. */
	renew = local_ca_renew_at(c);
	d = leaf(ca, TLS_KEY_EC, names, 4, renew);
	ck_assert(!same(c, d));
	x = x509_of(d);
	ck_assert_int_eq(verify(r, x, "x.d.test", renew), 0);
	ck_assert_int_ge(d->not_after, renew + 396 * DAY);
	X509_free(x);
	X509_free(r);
	certificate_free(c);
	certificate_free(d);
	local_ca_close(ca);
	end();
}
END_TEST

/* More names than a client would take: the first ones are in. */
START_TEST(many_names)
{
	static char text[2000][16];
	static struct str names[2000];
	struct local_ca *ca = open_ca(NULL, now());
	struct certificate *c, *d;

	tls_init();
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text[i], sizeof(text[i]), "h%u.test", i);
		names[i] = str_c(text[i]);
	}
	c = leaf(ca, TLS_KEY_EC, names, ARRAY_SIZE(names), now());
	ck_assert_uint_lt(c->chain[0].n, 32768);
	ck_assert(certificate_covers(c, names[LOCAL_CA_NAMES - 1]));
	ck_assert(!certificate_covers(c, names[LOCAL_CA_NAMES]));
	d = leaf(ca, TLS_KEY_EC, names, ARRAY_SIZE(names), now());
	ck_assert(same(c, d));
	certificate_free(c);
	certificate_free(d);
	local_ca_close(ca);
}
END_TEST

START_TEST(kept)
{
	struct local_ca *ca = (begin(), open_ca(dir, now())), *again;
	char path[100], deep[100];
	struct stat st;

	ck_assert(!local_ca_has_rsa(ca));
	ck_assert_int_eq(local_ca_make_rsa(ca, why), 0);
	again = open_ca(dir, now());
	ck_assert_str_eq(local_ca_fingerprint(ca),
	    local_ca_fingerprint(again));
	ck_assert(local_ca_has_rsa(again));
	/* The key is nobody else's to read. */
	snprintf(path, sizeof(path), "%s/local-ca.pem", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/local-rsa.pem", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	local_ca_close(again);
	local_ca_close(ca);
	/* A state directory that is not there yet is made. */
	snprintf(deep, sizeof(deep), "%s/a/b", dir);
	ca = open_ca(deep, now());
	ck_assert(!local_ca_in_memory(ca));
	local_ca_close(ca);
	end();
}
END_TEST

static void
in_memory(const char *d, const char *want)
{
	struct local_ca *ca = open_ca(d, now());
	struct certificate *c;

	ck_assert(local_ca_in_memory(ca));
	ck_assert_msg(strstr(why, want) != NULL, "\"%s\", want \"%s\"", why,
	    want);
	/* It serves all the same. */
	c = leaf(ca, TLS_KEY_EC, NULL, 0, now());
	ck_assert(certificate_covers(c, STR("localhost")));
	certificate_free(c);
	local_ca_close(ca);
}

/* What is broken is never overwritten. */
START_TEST(not_kept)
{
	static const char *const texts[] = { "", "garbage",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" };
	char path[100], back[200];
	FILE *fp;

	begin();
	in_memory(NULL, "no state directory");
	in_memory("/proc/akkod-state", "local-ca.pem:");
	in_memory("/dev/null/x", "local-ca.pem: Not a directory");
	snprintf(path, sizeof(path), "%s/local-ca.pem", dir);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		fp = fopen(path, "w");
		fputs(texts[i], fp);
		fclose(fp);
		in_memory(dir, "not a certificate with its key");
		memset(back, 0, sizeof(back));
		fp = fopen(path, "r");
		ck_assert_uint_eq(fread(back, 1, sizeof(back) - 1, fp),
		    strlen(texts[i]));
		fclose(fp);
		ck_assert_str_eq(back, texts[i]);
	}
	/* A root whose key is another's. */
	{
		struct local_ca *a = open_ca(NULL, now());

		fp = fopen(path, "w");
		fputs(local_ca_pem(a), fp);
		fclose(fp);
		local_ca_close(a);
		in_memory(dir, "not a certificate with its key");
	}
	end();
	/* An unprivileged user in a directory of somebody else. */
	begin();
	ck_assert_int_eq(chmod(dir, 0555), 0);
	if (geteuid() == 0) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			struct local_ca *ca;

			if (setgid(65534) < 0 || setuid(65534) < 0 ||
			    local_ca_open(dir, now(), &ca, why) < 0)
				_exit(2);
			_exit(local_ca_in_memory(ca) && strstr(why,
			    "Permission denied") != NULL ? 0 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	} else
		in_memory(dir, "Permission denied");
	end();
}
END_TEST

#define STARTERS	8

/* Several start at once: one CA for all, whole, and nothing left behind. */
START_TEST(at_once)
{
	char prints[STARTERS][96], cmd[200];
	int gate[2], out[STARTERS][2];
	pid_t pids[STARTERS];

	begin();
	ck_assert_int_eq(pipe(gate), 0);
	for (unsigned i = 0; i < STARTERS; i++) {
		ck_assert_int_eq(pipe(out[i]), 0);
		if ((pids[i] = fork()) == 0) {
			struct local_ca *ca;
			char c;

			close(gate[1]);
			(void)!read(gate[0], &c, 1);
			if (local_ca_open(dir, now(), &ca, why) < 0 ||
			    local_ca_in_memory(ca))
				_exit(1);
			(void)!write(out[i][1], local_ca_fingerprint(ca), 95);
			_exit(0);
		}
	}
	close(gate[1]);		/* go */
	for (unsigned i = 0; i < STARTERS; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
		ck_assert_int_eq(read(out[i][0], prints[i], 95), 95);
		prints[i][95] = '\0';
		ck_assert_str_eq(prints[i], prints[0]);
	}
	snprintf(cmd, sizeof(cmd), "test \"$(ls -A %s)\" = local-ca.pem", dir);
	ck_assert_int_eq(system(cmd), 0);
	end();
}
END_TEST

START_TEST(trust)
{
	struct local_ca *ca = open_ca(NULL, now());
	struct buf b = BUF_INIT;

	local_ca_trust_text(ca, "akkod ca --pem", &b);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), local_ca_fingerprint(ca)));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), "update-ca-certificates"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), "certutil"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), "security add-trusted-cert"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b),
	    "akkod ca --pem > akkod-ca.pem\n"));
	ck_assert_ptr_null(strstr(buf_cstr(&b), "local-ca.pem"));
	buf_fini(&b);
	local_ca_close(ca);
}
END_TEST

UNIT_MAIN("local_ca", root, leaves, renewal, many_names, kept, not_kept,
    at_once, trust)
