/* SPDX-License-Identifier: BSD-2-Clause */
/* The first bytes of a connection, server names, and Traefik's TLS words. */
#include "clienthello.h"

#include "context.h"
#include "names.h"
#include "unit.h"

#include <openssl/ssl.h>

/* A ClientHello of OpenSSL, in one record. */
static size_t
client_hello(const char *sni, int version, uint8_t *out, size_t cap)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());
	int n;

	SSL_set_max_proto_version(ssl, version);
	if (sni != NULL)
		SSL_set_tlsext_host_name(ssl, sni);
	SSL_set_bio(ssl, in, wire);
	(void)SSL_connect(ssl);
	n = BIO_read(wire, out, (int)cap);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ck_assert_int_gt(n, 100);
	return (size_t)n;
}

static enum hello_kind
sni(const uint8_t *p, size_t n, struct str *ret)
{
	static char buf[256];
	uint8_t *exact = malloc(n != 0 ? n : 1);
	enum hello_kind kind;

	memcpy(exact, p, n);
	kind = hello_sni(exact, n, buf, ret);
	free(exact);
	return kind;
}

START_TEST(real_ones)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const char *const names[] = { "a.test", "x.b.example.org",
	    NULL };
	uint8_t hello[2048];
	struct str got;

	for (size_t v = 0; v < 2; v++)
		for (size_t i = 0; i < 3; i++) {
			size_t n = client_hello(names[i], versions[v], hello,
			    sizeof(hello));

			ck_assert_int_eq(sni(hello, n, &got), HELLO_TLS);
			ck_str_is(got, names[i] != NULL ? names[i] : "");
			for (size_t cut = 0; cut < n; cut++)
				ck_assert_int_eq(sni(hello, cut, &got),
				    HELLO_MORE);
		}
}
END_TEST

/* The same message cut into records of every size. */
START_TEST(records)
{
	static uint8_t cut[16384];
	uint8_t hello[2048];
	size_t n = client_hello("a.test", TLS1_3_VERSION, hello,
	    sizeof(hello)), msg = n - 5;
	struct str got;

	for (size_t piece = 1; piece < 200; piece++) {
		size_t out = 0;

		for (size_t at = 0; at < msg; at += piece) {
			size_t k = msg - at < piece ? msg - at : piece;

			cut[out++] = 0x16;
			cut[out++] = 3;
			cut[out++] = 1;
			cut[out++] = (uint8_t)(k >> 8);
			cut[out++] = (uint8_t)k;
			memcpy(cut + out, hello + 5 + at, k);
			out += k;
		}
		ck_assert_int_eq(sni(cut, out, &got), HELLO_TLS);
		ck_str_is(got, "a.test");
	}
}
END_TEST

START_TEST(others)
{
	static const struct { struct str in; enum hello_kind want; } rows[] = {
		{ { "", 0 }, HELLO_MORE },
		{ { "\x16", 1 }, HELLO_MORE },
		{ { "\x16\x03\x01\x00", 4 }, HELLO_MORE },
		{ { "GET / HTTP/1.1\r\n", 16 }, HELLO_PLAIN },
		{ { "G", 1 }, HELLO_PLAIN },
		{ { "\x16\x02\x01\x00\x05", 5 }, HELLO_PLAIN },
		{ { "\x16\x03\x01\x00\x00", 5 }, HELLO_PLAIN },
		{ { "\x16\x03\x01\xff\xff", 5 }, HELLO_PLAIN },
		{ { "\x15\x03\x01\x00\x02\x01\x00", 7 }, HELLO_PLAIN },
		/* A ServerHello; a hello of 16 MB; one that says it is empty. */
		{ { "\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9 }, HELLO_PLAIN },
		{ { "\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9 }, HELLO_PLAIN },
		{ { "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9 }, HELLO_PLAIN },
	};
	struct str got;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(sni((const uint8_t *)rows[i].in.p, rows[i].in.n,
		    &got) == rows[i].want, "row %zu", i);
	ck_assert_int_eq(hello_peek("", 0), HELLO_MORE);
	ck_assert_int_eq(hello_peek("\x16", 1), HELLO_TLS);
	ck_assert_int_eq(hello_peek("G", 1), HELLO_PLAIN);
}
END_TEST

START_TEST(server_names)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "A.Test", "a.test" }, { "localhost", "localhost" },
		{ "x_y-z.1.test", "x_y-z.1.test" }, { "a", "a" },
		{ "1.2.3", "1.2.3" },
	};
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b",
	    "127.0.0.1", "::1", "a b", "a\tb", "*.a", "a/b", "a:1", "\xc3\xa9",
	    "a\x7f",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	char name[300];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		strcpy(name, rows[i].in);
		ck_assert(hello_name_valid(name, strlen(name)));
		ck_assert_str_eq(name, rows[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		strcpy(name, bad[i]);
		ck_assert_msg(!hello_name_valid(name, strlen(name)), "%s",
		    bad[i]);
	}
	memcpy(name, "a\0b", 3);
	ck_assert(!hello_name_valid(name, 3));
	for (size_t i = 0; i < 254; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	ck_assert(hello_name_valid(name, 253));
	ck_assert(!hello_name_valid(name, 254));
}
END_TEST

/* Every cipher and curve that has a name of ours is one that OpenSSL takes. */
START_TEST(words)
{
	static const char *const ciphers[] = {
	    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	    "TLS_RSA_WITH_AES_128_GCM_SHA256",
	    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" };
	static const char *const groups[] = { "CurveP256", "CurveP384",
	    "CurveP521", "X25519", "secp256r1" };
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
		ck_assert_msg(SSL_CTX_set_cipher_list(ctx, tls_cipher_by_name(
		    str_c(ciphers[i]))) == 1, "%s", ciphers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		ck_assert_msg(SSL_CTX_set1_groups_list(ctx, tls_group_by_name(
		    str_c(groups[i]))) == 1, "%s", groups[i]);
	SSL_CTX_free(ctx);
	/* Known to Traefik, without effect here. */
	ck_assert_str_eq(tls_cipher_by_name(STR("TLS_AES_128_GCM_SHA256")),
	    "");
	ck_assert_str_eq(tls_group_by_name(STR("X25519MLKEM768")), "");
	ck_assert_ptr_null(tls_cipher_by_name(STR("TLS_NONE")));
	ck_assert_ptr_null(tls_cipher_by_name(STR("")));
	ck_assert_ptr_null(tls_group_by_name(STR("P-256x")));
	ck_assert_uint_eq(tls_version_by_name(STR("VersionTLS10")), 0x0301);
	ck_assert_uint_eq(tls_version_by_name(STR("VersionTLS11")), 0x0302);
	ck_assert_uint_eq(tls_version_by_name(STR("VersionTLS12")), 0x0303);
	ck_assert_uint_eq(tls_version_by_name(STR("VersionTLS13")), 0x0304);
	ck_assert_uint_eq(tls_version_by_name(STR("TLS1.2")), 0);
	ck_assert_int_eq(tls_client_auth_by_name(STR("NoClientCert")),
	    TLS_CLIENT_NONE);
	ck_assert_int_eq(tls_client_auth_by_name(STR("RequestClientCert")),
	    TLS_CLIENT_REQUEST);
	ck_assert_int_eq(tls_client_auth_by_name(STR("RequireAnyClientCert")),
	    TLS_CLIENT_REQUIRE_ANY);
	ck_assert_int_eq(tls_client_auth_by_name(STR(
	    "VerifyClientCertIfGiven")), TLS_CLIENT_VERIFY_IF_GIVEN);
	ck_assert_int_eq(tls_client_auth_by_name(STR(
	    "RequireAndVerifyClientCert")), TLS_CLIENT_REQUIRE_AND_VERIFY);
	ck_assert_int_eq(tls_client_auth_by_name(STR("requireany")), -1);
}
END_TEST

UNIT_MAIN("clienthello", real_ones, records, others, server_names, words)
