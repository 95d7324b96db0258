/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this folder share and nobody else sees: the structs behind
 * the opaque names, and OpenSSL's types.
 */
#ifndef TLS_IMPL_H
#define TLS_IMPL_H

#include "context.h"
#include "tls.h"

#include <openssl/ssl.h>

struct certcache;
struct layer;
struct sessions;
struct suites;
struct takeover;

#define SID_CTX_BYTES	32	/* SSL_MAX_SID_CTX_LENGTH */

/* A server context: everything that follows from a policy. */
struct tls_context {
	struct tls_context *next;
	SSL_CTX *ctx;
	uint8_t digest[TLS_DIGEST];
	uint8_t *alpn;		/* what is negotiated, in wire form */
	unsigned alpn_n;
	bool alpn_any_h2;	/* the configured list names h2 */
	int groups[8];		/* NIDs, for connections that switch here */
	unsigned ngroups;
	bool sni_strict;
	uint8_t client_auth;
	unsigned refs;		/* connections */
	uint64_t used;		/* value of set->clock at the last use */
};

/* A context towards upstreams. */
struct tls_client_context {
	struct tls_client_context *next;
	SSL_CTX *ctx;
	uint64_t digest;
	char **sans;		/* peer SANs, NULL-terminated; NULL: none */
	unsigned refs;
	uint64_t used;
};

struct tls_contexts {
	struct tls_context *servers;
	struct tls_context *recent;	/* new connections start with it */
	struct tls_client_context *clients;
	struct certcache *certs;
	struct sessions *sessions;
	X509_STORE *system_roots;	/* NULL until needed */
	EVP_CIPHER *ticket_cipher;
	struct suites *suites;		/* NULL: all records are OpenSSL's */
	bool own_records;		/* for connections from now on */
	struct tls_ticket_key ticket[TLS_TICKET_KEYS];
	bool has_tickets;
	unsigned nservers, nclients;
	uint64_t clock;
	struct tls_stats stats;
};

struct tls_conn {
	SSL *ssl;			/* NULL once `own` has taken over */
	struct layer *own;
	struct takeover *takeover;	/* until then, where it may happen */
	struct tls_io *io;		/* during a call only */
	struct tls_contexts *set;
	struct tls_context *ctx;	/* server: chosen by the ClientHello */
	struct tls_client_context *cctx;	/* client */
	const struct tls_server *srv;
	void *arg;
	uint64_t session_key;		/* client */
	struct tls_facts facts;
	char *sni;			/* facts.sni, or the name to verify */
	char *alpn;			/* facts.alpn when not a known word */
	char *text;			/* of the failure */
	struct str *peer;		/* DER, made when asked for */
	unsigned npeer;
	char *subject;			/* of the peer, made when asked for */
	struct addr local;
	int16_t alert;
	uint8_t failure;		/* enum tls_failure */
	bool server, done, first_seen;
	bool acme;
	bool mute;			/* drop output: close without an alert */
	bool close_sent, peer_closed;
	bool got_session;		/* client: a ticket came */
};

/* engine.c: the BIO; one method per process. */
BIO	*engine_bio_new(struct tls_conn *c);
struct tls_conn *engine_conn(const SSL *ssl);
/* Notes the first failure. text may be NULL. */
void	engine_fail(struct tls_conn *c, enum tls_failure why, const char *text);
/* Frees the SSL object without a word to the peer. */
void	engine_ssl_free(struct tls_conn *c);
/* Keeps the peer's certificates; they die with the SSL object. 0 or -ENOMEM. */
int	engine_keep_peer(struct tls_conn *c);

/* takeover.c: from OpenSSL's records to those of layer.h. */
void	takeover_context(SSL_CTX *ctx);
/* Prepares a connection for it, where it is wanted. */
void	takeover_begin(struct tls_conn *c);
/* The BIO gave out n bytes. */
void	takeover_input(struct tls_conn *c, size_t n);
/* The handshake is over: records are counted from here. */
void	takeover_handshake_done(struct tls_conn *c);
/* Takes over now if that can be; else all stays as it is. */
void	takeover_try(struct tls_conn *c);
void	takeover_free(struct takeover *t);

/* server.c */
struct tls_context *server_context_get(struct tls_contexts *set,
	    const struct tls_policy *p, char *why, size_t why_size);
void	server_context_unref(struct tls_contexts *set, struct tls_context *x);
void	server_context_free(struct tls_context *x);
/* hello.c: callbacks that every server context has. */
int	hello_callback(SSL *ssl, int *alert, void *arg);
int	hello_cert_callback(SSL *ssl, void *arg);
int	hello_alpn_callback(SSL *ssl, const unsigned char **out,
	    unsigned char *outlen, const unsigned char *in,
	    unsigned int inlen, void *arg);
/* ticket.c */
int	ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv,
	    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing);

/* client.c */
struct tls_client_context *client_context_get(struct tls_contexts *set,
	    const struct tls_client_policy *p, char *why, size_t why_size);
void	client_context_unref(struct tls_contexts *set,
	    struct tls_client_context *x);
void	client_context_free(struct tls_client_context *x);

/* session.c: sessions with upstreams by key. */
struct sessions *sessions_new(void);
void	sessions_free(struct sessions *ss);
/* Takes over the reference. */
void	sessions_put(struct sessions *ss, uint64_t key, SSL_SESSION *s);
/* A reference of its own, or NULL. */
SSL_SESSION *sessions_get(struct sessions *ss, uint64_t key);
unsigned sessions_count(const struct sessions *ss);

/* certcache.c: parsed certificates. */
struct parsed_cert {
	X509 *leaf;
	STACK_OF(X509) *chain;	/* without the leaf; NULL: none */
	EVP_PKEY *key;
};
struct certcache *certcache_new(unsigned max);
void	certcache_free(struct certcache *cc);
/* Owned by the cache, valid until its next call. NULL: broken or no memory. */
const struct parsed_cert *certcache_get(struct certcache *cc,
	    const struct tls_cert *c);
unsigned certcache_count(const struct certcache *cc);

/* roots.c: trust anchors. */
/* Adds concatenated DER certificates; their number or -EINVAL. */
int	roots_add(X509_STORE *store, STACK_OF(X509_NAME) *names, struct str der);
/* The system's, loaded once; borrowed. NULL: none could be read. */
X509_STORE *roots_system(struct tls_contexts *set);

/* hello extension: -1 malformed, 0 no name, 1 found (clienthello.c). */
int	hello_parse_name(const uint8_t *p, size_t n, struct str *ret);

/* Options, modes and ciphers that both sides have; 0 or -EINVAL. */
int	context_setup(SSL_CTX *ctx, uint16_t min, uint16_t max,
	    struct str ciphers, char *why, size_t why_size);
/* Copies the oldest OpenSSL error of this thread as text; clears the queue. */
void	context_error(char *why, size_t why_size, const char *what);

#endif
