/* SPDX-License-Identifier: BSD-2-Clause */
/* Traefik's names of versions, ciphers, curves and modes; see names.h. */
#include "names.h"

#include "context.h"

struct name { const char *theirs, *ours; };

/* TLS 1.3 suites may be named but are never chosen by it. */
static const struct name ciphers[] = {
	{ "TLS_AES_128_GCM_SHA256", "" },
	{ "TLS_AES_256_GCM_SHA384", "" },
	{ "TLS_CHACHA20_POLY1305_SHA256", "" },
	{ "TLS_RSA_WITH_RC4_128_SHA", "" },
	{ "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "" },
	{ "TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA" },
	{ "TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA" },
	{ "TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256" },
	{ "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256" },
	{ "TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384" },
	{ "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", "" },
	{ "TLS_ECDHE_RSA_WITH_RC4_128_SHA", "" },
	{ "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA" },
	{ "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA" },
	{ "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
	    "ECDHE-ECDSA-AES128-SHA256" },
	{ "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256" },
	{ "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	    "ECDHE-RSA-AES128-GCM-SHA256" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	    "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	    "ECDHE-RSA-AES256-GCM-SHA384" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	    "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
	    "ECDHE-RSA-CHACHA20-POLY1305" },
	{ "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	    "ECDHE-RSA-CHACHA20-POLY1305" },
	{ "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
	    "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	    "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ "TLS_FALLBACK_SCSV", "" },
};

/* The hybrids with ML-KEM need a newer OpenSSL. */
static const struct name groups[] = {
	{ "CurveP256", "P-256" }, { "CurveP384", "P-384" },
	{ "CurveP521", "P-521" }, { "secp256r1", "P-256" },
	{ "secp384r1", "P-384" }, { "secp521r1", "P-521" },
	{ "X25519", "X25519" }, { "x25519", "X25519" },
	{ "X25519MLKEM768", "" }, { "SecP256r1MLKEM768", "" },
	{ "SecP384r1MLKEM1024", "" },
};

static const char *
find(const struct name *v, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_c(v[i].theirs)))
			return v[i].ours;
	return NULL;
}

uint16_t
tls_version_by_name(struct str name)
{
	if (str_eq(name, STR("VersionTLS10")))
		return 0x0301;
	if (str_eq(name, STR("VersionTLS11")))
		return 0x0302;
	if (str_eq(name, STR("VersionTLS12")))
		return 0x0303;
	return str_eq(name, STR("VersionTLS13")) ? 0x0304 : 0;
}

const char *
tls_cipher_by_name(struct str iana)
{
	return find(ciphers, ARRAY_SIZE(ciphers), iana);
}

const char *
tls_group_by_name(struct str name)
{
	return find(groups, ARRAY_SIZE(groups), name);
}

int
tls_client_auth_by_name(struct str name)
{
	static const struct str names[] = {
		[TLS_CLIENT_NONE] = { "NoClientCert", 12 },
		[TLS_CLIENT_REQUEST] = { "RequestClientCert", 17 },
		[TLS_CLIENT_REQUIRE_ANY] = { "RequireAnyClientCert", 20 },
		[TLS_CLIENT_VERIFY_IF_GIVEN] = { "VerifyClientCertIfGiven", 23 },
		[TLS_CLIENT_REQUIRE_AND_VERIFY] =
		    { "RequireAndVerifyClientCert", 26 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(name, names[i]))
			return (int)i;
	return -1;
}
