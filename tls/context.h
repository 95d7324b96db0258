/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What connections share in one worker: a context per policy, built when first
 * used and kept by the policy's digest over generations; parsed certificates;
 * ticket keys; sessions with upstreams. Plain structs come in, so this folder
 * knows nothing of tables.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "addr.h"
#include "str.h"

struct tls_contexts;

#define TLS_DIGEST	32

/* Traefik's clientAuthType; the numbers are those of the table. */
enum tls_client_auth {
	TLS_CLIENT_NONE,
	TLS_CLIENT_REQUEST,		/* asked for, never verified */
	TLS_CLIENT_REQUIRE_ANY,		/* required, not verified */
	TLS_CLIENT_VERIFY_IF_GIVEN,
	TLS_CLIENT_REQUIRE_AND_VERIFY
};

/* tls.options of Traefik as numbers and OpenSSL's names. */
struct tls_policy {
	uint8_t digest[TLS_DIGEST];	/* of all below: cache key, session id context */
	uint16_t min_version, max_version;	/* 0x0303 = TLS 1.2; 0: built-in */
	struct str ciphers;		/* colon list for TLS 1.2; empty: built-in */
	struct str groups;		/* colon list; empty: built-in */
	const struct str *alpn;		/* in order */
	unsigned nalpn;			/* 0: built-in (h2, http/1.1) */
	bool sni_strict;
	bool no_tickets;
	bool client_auth_tickets;	/* tickets although client certificates are asked */
	uint8_t client_auth;		/* enum tls_client_auth */
	struct str client_cas;		/* DER certificates, concatenated */
};

/* Fills p->digest from the other fields. */
void	tls_policy_digest(struct tls_policy *p);

/* A certificate as the table holds it; all is borrowed during the call. */
#define TLS_CHAIN_MAX	8
enum tls_key_type { TLS_KEY_RSA, TLS_KEY_EC, TLS_KEY_ED25519 };

struct tls_cert {
	struct str chain[TLS_CHAIN_MAX];	/* DER, leaf first */
	unsigned nchain;
	struct str key;			/* DER (PKCS#8 or traditional) */
	uint8_t key_type;		/* enum tls_key_type */
	int64_t not_before, not_after;	/* unix seconds */
	uint8_t fingerprint[32];	/* SHA-256 of the leaf: cache key */
};

/* What a ClientHello says; valid during the callback. */
struct tls_hello {
	struct str sni;			/* lower case, checked; empty: none */
	struct addr local;		/* stands in for a missing name */
	bool acme;			/* offers acme-tls/1 */
};

struct tls_choice {
	const struct tls_policy *policy;	/* read before select returns to TLS's caller */
	uint32_t options;		/* handed back in struct tls_facts */
	uint64_t scope;			/* entry point: sessions do not cross scopes */
};

#define TLS_CANDIDATES	8
struct tls_candidates {
	unsigned n;			/* in order of preference */
	bool is_default;		/* no certificate matches the name */
	struct tls_cert v[TLS_CANDIDATES];
};

/*
 * The server's knowledge; `arg` is that of tls_accept_new(). Neither may wait.
 * What they hand out must stay valid until the tls_handshake() in which they
 * were called returns.
 */
struct tls_server {
	/* 0; -EACCES: the name's options are broken, close at once. */
	int (*select)(void *arg, const struct tls_hello *h,
	    struct tls_choice *ret);
	/* All certificates that fit the name, else the default one. 0 or -errno. */
	int (*certs)(void *arg, const struct tls_hello *h,
	    struct tls_candidates *ret);
};

/* Of a transport towards upstreams. */
struct tls_client_policy {
	uint64_t digest;		/* of all below */
	bool insecure;			/* no verification at all */
	bool system_roots;		/* roots is empty: the system's */
	struct str roots;		/* DER certificates, concatenated */
	const struct tls_cert *client_cert;	/* NULL: none */
	uint16_t min_version, max_version;	/* 0: built-in */
	struct str ciphers;		/* for TLS 1.2; empty: built-in */
	const struct str *peer_sans;	/* "dns:NAME" or "uri:URI": one must match, in place of the name */
	unsigned npeer_sans;
	const struct str *alpn;		/* offered; none by default */
	unsigned nalpn;
};

void	tls_client_policy_digest(struct tls_client_policy *p);

/*
 * To be called before anything else here, once per process: OpenSSL without
 * the machine's configuration file, with the allocator of memory.h.
 */
void	tls_init(void);

/* One per worker. NULL: no memory. */
struct tls_contexts *tls_contexts_new(void);
/* No connection may be left. */
void	tls_contexts_free(struct tls_contexts *set);

/* Same layout as struct ticket_key of the shared segment. */
struct tls_ticket_key {
	uint8_t name[16];
	uint8_t aes[32];
	uint8_t hmac[32];
};
#define TLS_TICKET_KEYS	3
/*
 * The first key seals, all open; a session under an older one is renewed.
 * Copied. Until called no tickets are given.
 */
void	tls_contexts_set_tickets(struct tls_contexts *set,
	    const struct tls_ticket_key key[TLS_TICKET_KEYS]);

/*
 * Whether TLS 1.3 connections that begin from now on leave OpenSSL after their
 * handshake (layer.h); they do until this says otherwise.
 */
void	tls_contexts_own_records(struct tls_contexts *set, bool own);

/*
 * Builds the context of a policy now, so that its faults are found before a
 * connection needs it. 0 or -errno with a reason in why.
 */
int	tls_contexts_check(struct tls_contexts *set, const struct tls_policy *p,
	    char *why, size_t why_size);
int	tls_contexts_check_client(struct tls_contexts *set,
	    const struct tls_client_policy *p, char *why, size_t why_size);
/* Which candidate suits best; exposed for tests. -1: none. */
int	tls_cert_choose(const struct tls_candidates *c, bool ecdsa_ok,
	    bool rsa_ok, bool ed25519_ok, int64_t now);

/* Drops what is cached for policies and certificates that nothing uses now. */
void	tls_contexts_trim(struct tls_contexts *set);

struct tls_stats {
	unsigned contexts, certs, sessions;	/* cached */
	uint64_t full, resumed, failed;		/* handshakes as server */
	/* Open now, handshake done, by what their records are made of. */
	uint64_t own, openssl;
};
void	tls_contexts_stats(const struct tls_contexts *set,
	    struct tls_stats *ret);

#endif
