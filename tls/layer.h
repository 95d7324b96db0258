/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record layer of a TLS 1.3 connection after its handshake, without I/O:
 * all of RFC 8446 that may still come (5, 4.6, 6). It has the functions of
 * tls.h, which pass on to it once the handshake is over and OpenSSL's object
 * is gone.
 *
 *   io->in --(part, if cut)--> record_open() --> dst, or l->clear
 *                                           \-> KeyUpdate, ticket, alert
 *   vector --> record_seal() --> io->out
 *
 * Idle, it is this struct and nothing else.
 */
#ifndef LAYER_H
#define LAYER_H

#include "record.h"
#include "tls.h"

/*
 * Records without data are paid for by records with data, of either side, so
 * that a flood of them ends the connection. So many are free, and so many can
 * be saved: JSSE at its limit asks for a new key with each record it reads
 * until it gets one.
 */
#define LAYER_CREDIT		32
#define LAYER_CREDIT_MAX	1024
/*
 * Records sealed under one key at most: below the 2^24.5 of AES-GCM (RFC 8446
 * 5.5); the others would allow more.
 */
#define LAYER_KEY_RECORDS	(UINT64_C(1) << 24)

struct layer {
	struct suites *suites;
	struct traffic rd, wr;
	uint8_t *part;		/* body that is not whole yet */
	uint8_t *clear;		/* opened, not yet read: what did not fit */
	uint16_t part_n, part_len;
	uint16_t clear_at, clear_n;
	uint32_t skip;		/* bytes of a ticket still to come */
	uint32_t small;		/* clear bytes still to leave in small records */
	uint8_t header[RECORD_HEADER], header_n;	/* of the part */
	uint8_t message[5], message_n;	/* KeyUpdate, or a message's header */
	uint16_t credit;
	int16_t alert;		/* that ended it; -1: none */
	bool server;
	bool owes_update;	/* the peer asked for a KeyUpdate */
	bool close_sent, peer_closed;
	bool broken;		/* by a fault of the peer or of ours */
	bool alerted;		/* by an alert of the peer */
};

/*
 * Secrets of the suite's hash length; rd_seq and wr_seq are the numbers of the
 * next records. NULL: no memory.
 */
struct layer *layer_new(struct suites *s, enum suite kind, bool server,
	    const uint8_t *rd, uint64_t rd_seq, const uint8_t *wr,
	    uint64_t wr_seq);
/* Wipes the keys; NULL is fine. */
void	layer_free(struct layer *l);

/* As tls_read(), tls_write(), tls_close_notify(), tls_pending(). */
int	layer_read(struct layer *l, struct tls_io *io, void *dst, size_t n);
ssize_t	layer_write(struct layer *l, struct tls_io *io, const struct iovec *iov,
	    unsigned n);
int	layer_close(struct layer *l, struct tls_io *io);
static inline size_t
layer_pending(const struct layer *l)
{
	return l->clear_n;
}

/* Room in io->out for a record of up to n clear bytes: how many of them fit. */
size_t	layer_room(struct tls_io *io, size_t n);

#endif
