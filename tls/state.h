/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TLS 1.3 connection on the record layer of layer.h as plain fields, so that
 * another process can go on with it: secrets, numbers of the next records, and
 * what was kept of the handshake. Keys follow from the secrets (RFC 8446 7.3).
 *
 * Whoever has these bytes has the connection: they belong in memory that no core
 * dump has, and are to be wiped after use.
 */
#ifndef STATE_H
#define STATE_H

#include "context.h"
#include "layer.h"
#include "tls.h"

struct tls_state {
	uint16_t suite;			/* its number in TLS */
	bool server;
	bool resumed;
	bool owes_update, close_sent, peer_closed;
	uint8_t rd[SUITE_HASH_MAX], wr[SUITE_HASH_MAX];
	uint64_t rd_seq, wr_seq;	/* of the next records */
	uint16_t credit;
	uint8_t message[5], message_n;	/* of a message that is cut */
	uint32_t skip;			/* of a ticket, client only */
	struct str sni, alpn;		/* facts */
	struct str peer[TLS_CHAIN_MAX];	/* certificates of the other side */
	unsigned npeer;
};

/* Bytes that the layer holds, in the order in which they came. */
struct tls_held {
	struct str clear;		/* opened, not yet read */
	struct str header, body;	/* of a record that is cut */
};

/*
 * Bounds that a state keeps, for whoever checks one from elsewhere: numbers of
 * records of either side, and the rest of a ticket.
 */
#define TLS_STATE_RD_MAX	(UINT64_MAX - 1)
#define TLS_STATE_WR_MAX	(LAYER_KEY_RECORDS + 16)
#define TLS_STATE_SKIP_MAX	(4 + 4 + 256 + 2 + 65535 + 2 + 65534)

/*
 * The state of a connection; strings point into it. It is not changed, and goes
 * on as before if nobody else takes it. 0; -ENOTSUP: OpenSSL has it, or it is
 * over.
 */
int	tls_state_get(const struct tls_conn *c, struct tls_state *ret,
	    struct tls_held *held);
/*
 * A connection that goes on from there; the state was checked by the caller and
 * is copied. What was held is to be read before anything else: clear bytes by
 * the caller, those of the cut record as input. NULL: no memory.
 */
struct tls_conn *tls_state_resume(struct tls_contexts *set,
	    const struct tls_state *s);
/* Whether there is a state to get, unless the connection is over. */
bool	tls_state_has(const struct tls_conn *c);
/* The bytes of the suite's secrets; 0: no such suite. */
size_t	tls_state_secret(uint16_t suite);

#endif
