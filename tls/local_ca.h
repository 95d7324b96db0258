/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local CA: one root per state directory, made once, whose leaves are the
 * default certificate where none is configured. It replaces Traefik's
 * self-signed default: same role, but a browser that trusts the root accepts
 * it. Control plane only; writes files.
 *
 *   STATE/local-ca.pem     root and its key: 10 years, CA:TRUE pathlen:0
 *   STATE/local-rsa.pem    the key of leaves for clients that take RSA only
 *
 * Every file is written beside its place, synced and linked. Where the
 * directory cannot be written the CA lives in memory.
 */
#ifndef LOCAL_CA_H
#define LOCAL_CA_H

#include "buf.h"
#include "certificate.h"
#include "context.h"
#include "str.h"

struct local_ca;

/* Lifetime of a leaf; browsers refuse more than 398 days. */
#define LOCAL_CA_LEAF_DAYS	397
/* Names in a leaf: clients refuse certificates that are much larger. */
#define LOCAL_CA_NAMES		500

/*
 * Reads the CA of a state directory, or makes it. An unreadable or broken one
 * is never overwritten: the CA then lives in memory. Always gives a CA but
 * without memory (-ENOMEM); *ret_why says why it is not kept, "" if it is.
 */
int	local_ca_open(const char *state_dir, int64_t now, struct local_ca **ret,
	    char why[CERT_WHY]);
void	local_ca_close(struct local_ca *ca);
bool	local_ca_in_memory(const struct local_ca *ca);
/* The root as PEM, NUL-terminated; owned by the CA. */
const char *local_ca_pem(const struct local_ca *ca);
/* SHA-256 of the root, colon-separated upper-case hex; owned by the CA. */
const char *local_ca_fingerprint(const struct local_ca *ca);

/*
 * A leaf for the names (the first LOCAL_CA_NAMES DNS names or addresses;
 * wildcards allowed; those that cannot stand in a certificate are left out) and
 * always for localhost, *.localhost, 127.0.0.1, ::1, akko.local and
 * *.akko.local. The kept leaf is given again while it covers the names and two
 * thirds of its life are not over. 0 or -errno.
 */
int	local_ca_leaf(struct local_ca *ca, enum tls_key_type type,
	    const struct str *names, unsigned n, int64_t now,
	    struct certificate **ret, char why[CERT_WHY]);
/* Whether leaves with RSA keys can be had; making the key may take a second. */
bool	local_ca_has_rsa(const struct local_ca *ca);
int	local_ca_make_rsa(struct local_ca *ca, char why[CERT_WHY]);
/* When the leaf should be made again: two thirds of its life. */
int64_t	local_ca_renew_at(const struct certificate *leaf);

/* What `akkod ca` prints: how to trust the root, which `command` prints. */
void	local_ca_trust_text(const struct local_ca *ca, const char *command,
	    struct buf *out);

#endif
