/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client and a server engine wired together in memory, with certificates
 * made on the spot, for tests of the TLS layer.
 */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include "certificate.h"
#include "context.h"
#include "tls.h"

/* A certificate authority and what it signed; OpenSSL stays in tls_pair.c. */
struct pki;

struct leaf {
	char *cert_pem, *key_pem;	/* the chain is the leaf alone */
	struct certificate *c;
	struct tls_cert view;
};

struct pki *pki_new(const char *cn);
void	pki_free(struct pki *p);
/* DER of the root, borrowed. */
struct str pki_root(const struct pki *p);
/* names: "DNS:a.test,IP:127.0.0.1,URI:..." or NULL; days may be negative. */
struct leaf *pki_leaf(struct pki *p, const char *cn, const char *sans,
	    enum tls_key_type type, int days);
void	leaf_free(struct leaf *l);

/* One end and the bytes that it has sent but the other has not got. */
struct end {
	struct tls_conn *c;
	uint8_t wire[1 << 18];
	size_t wire_n;
	int err;		/* outcome of the handshake */
};

struct pair { struct end client, server; };

/* Answers of the test server: set before the handshake. */
struct answers {
	const struct tls_policy *policy;
	uint32_t options;
	uint64_t scope;
	int select_err;
	struct tls_candidates certs;
	const struct leaf *fallback;	/* default certificate, NULL: none */
	const char *name;		/* the certs fit this name only; NULL: any */
	char seen[256];			/* name that was asked for */
	unsigned selects, asked;
};
extern const struct tls_server pair_server;

struct tls_conn *answers_accept(struct tls_contexts *set, struct answers *a);

/*
 * Runs both handshakes, handing at most `step` bytes over at a time (0: all).
 * 0 when both are done, else the first error.
 */
int	pair_handshake(struct pair *p, size_t step);
/* Sends text from one end to the other and checks that it arrives. */
void	pair_send(struct end *from, struct end *to, const void *p, size_t n,
	    size_t step);
/* Reads what has arrived so far: bytes, 0, -errno as tls_read(). */
int	end_read(struct end *from, struct end *to, void *dst, size_t n,
	    size_t step);
void	pair_free(struct pair *p);

#endif
