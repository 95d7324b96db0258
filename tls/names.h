/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traefik's words in tls.options as OpenSSL's names. Words that Traefik knows
 * but OpenSSL 3.0 does not have map to "" (accepted, without effect).
 */
#ifndef NAMES_H
#define NAMES_H

#include "str.h"

/* "VersionTLS12" -> 0x0303; 0: unknown. */
uint16_t tls_version_by_name(struct str name);
/* "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" -> OpenSSL's; NULL: unknown. */
const char *tls_cipher_by_name(struct str iana);
/* "CurveP256", "X25519" -> "P-256", "X25519"; NULL: unknown. */
const char *tls_group_by_name(struct str name);
/* "RequireAndVerifyClientCert" -> enum tls_client_auth; -1: unknown. */
int	tls_client_auth_by_name(struct str name);

#endif
