/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP Basic authentication (RFC 7617) against htpasswd hashes: bcrypt,
 * $1$, $apr1$ and {SHA}. No plain text.
 *
 * Checking bcrypt costs some 50 ms of CPU on purpose. Credentials that were
 * right are remembered for a while in this process, as an HMAC under a random
 * key of user, password and the stored hash, each with its length in front, so
 * that neither another split of the same bytes nor a changed hash can hit.
 * Failures are never remembered. An unknown user costs as much as a known one.
 */
#ifndef BASIC_H
#define BASIC_H

#include "buf.h"
#include "str.h"

struct basic_user { struct str name, hash; };

/*
 * Reads `Authorization`: scheme in any case, one space, padded base64. The
 * decoded pair is written to buf (value.n bytes are enough). 0 or -EINVAL.
 */
int	basic_parse(struct str value, char *buf, struct str *ret_user,
	    struct str *ret_password);

/*
 * 1 right, 0 wrong. users is sorted by name. Burns CPU: up to 50 ms for
 * bcrypt of cost 10, less than a microsecond when remembered.
 */
int	basic_check(const struct basic_user *users, unsigned n, struct str user,
	    struct str password);
/*
 * The same in two steps, for who computes the hash elsewhere. basic_recall()
 * returns 1 when the credentials were right a moment ago, 0 when they are wrong
 * whatever, else -EAGAIN: then ret->hash is to be compared, and basic_settle()
 * tells the outcome and remembers it.
 */
struct basic_asked {
	struct str hash;
	unsigned char mac[32];
	bool known, keyed;
};
int	basic_recall(const struct basic_user *users, unsigned n,
	    struct str user, struct str password, struct basic_asked *ret);
bool	basic_settle(const struct basic_asked *a, bool matches);
/* Comparing it takes so long that it is to be done aside. */
bool	basic_hash_slow(struct str hash);
/*
 * Whether `password` has this hash; no cache, no equal timing. Threads may
 * call it.
 */
bool	basic_hash_matches(struct str hash, struct str password);

/*
 * A line `name:hash` of a users list: exactly one colon, a known kind of hash.
 * 0 or -EINVAL.
 */
int	basic_parse_user(struct str line, struct basic_user *ret);
/*
 * The next user of an htpasswd text, cut off *rest: lines trimmed, '#' and
 * blank lines skipped. 1 found, 0 end, -EINVAL bad line (its text in ret->name).
 */
int	basic_next_user(struct str *rest, struct basic_user *ret);

#endif
