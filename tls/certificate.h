/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Certificates and keys from PEM text, checked once when they are loaded and
 * kept as DER, as the table wants them. Control plane only: reads files.
 */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include "buf.h"
#include "context.h"
#include "str.h"

/* Room for one line that says what is wrong and where. */
#define CERT_WHY	256

struct certificate {
	struct str *chain;		/* DER, leaf first */
	unsigned nchain;
	struct str key;			/* PKCS#8 DER; wiped by certificate_free() */
	struct str *names;		/* lower case, sorted, unique: CN, DNS and IP SANs */
	unsigned nnames;
	struct str key_text;		/* names joined by ',': index key (Traefik) */
	uint8_t key_type;		/* enum tls_key_type */
	bool expired;			/* both are flags, not faults: a broken */
	bool not_yet_valid;		/* client is better than a dead one (S-402) */
	int64_t not_before, not_after;	/* unix seconds */
	uint8_t fingerprint[32];	/* SHA-256 of the leaf */
};

/*
 * PEM texts of a chain (leaf first, blocks that are not certificates are
 * skipped) and its private key. The leaf must belong to the key. 0, or
 * -EINVAL with the reason in why. The caller frees *ret.
 */
int	certificate_parse(struct str cert_pem, struct str key_pem, int64_t now,
	    struct certificate **ret, char why[CERT_WHY]);
/*
 * The same from files or inline PEM, as Traefik takes either in one field.
 * -errno of the file, or -EINVAL; why names the file.
 */
int	certificate_load(const char *cert, const char *key, int64_t now,
	    struct certificate **ret, char why[CERT_WHY]);
void	certificate_free(struct certificate *c);
/* A copy that is its own, judged at another time. */
struct certificate *certificate_copy(const struct certificate *c, int64_t now);
/* Appends a file, or the text itself where one is given. 0 or -errno. */
int	certificate_read(const char *file_or_pem, struct buf *b,
	    char why[CERT_WHY]);
/* Borrowing view for struct tls_client_policy and the like. */
void	certificate_view(const struct certificate *c, struct tls_cert *ret);

/* Whether the name (lower case) is covered, "*.d" for exactly one label. */
bool	certificate_covers(const struct certificate *c, struct str name);

/*
 * Appends the certificates of a PEM text (or file) as DER, one after the
 * other. Returns their number; -EINVAL when there is none or one is broken.
 */
int	ca_bundle_parse(struct str pem, struct buf *der, char why[CERT_WHY]);
int	ca_bundle_load(const char *file_or_pem, struct buf *der,
	    char why[CERT_WHY]);

#endif
