/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TLS connection as an engine without I/O: received records go in, clear
 * bytes come out, and the other way round. The caller owns every buffer and
 * does all sending and receiving, so nothing here ever waits.
 *
 *      received --> io.in  --+            +--> tls_read()  --> clear
 *                            +-- engine --+
 *      to send <-- io.out <--+            +<-- tls_write() <-- clear
 *
 * The engine keeps no pointer into the caller's buffers after a call returns,
 * and takes no more input than the call needs (no read-ahead): whatever TLS
 * lies beneath may be exchanged after the handshake without the caller
 * noticing.
 */
#ifndef TLS_H
#define TLS_H

#include "addr.h"
#include "str.h"

#include <sys/uio.h>

struct tls_conn;
struct tls_contexts;
struct tls_client_policy;
struct tls_server;

/* Clear bytes of the largest record (RFC 8446 5.1). */
#define TLS_RECORD_MAX	16384
/* A record's bytes beyond its clear bytes, at most. */
#define TLS_OVERHEAD	96
/*
 * A record of tls_small_first(): with its 22 bytes, TCP's timestamps and an
 * IPv6 header it fits one packet of 1,500 bytes.
 */
#define TLS_SMALL_RECORD	1400
#define TLS_SMALL_MAX		65536
/* Enough for the sealed form of n clear bytes. */
#define TLS_SEALED_MAX(n)						\
	((n) + ((n) / TLS_RECORD_MAX + 1) * (size_t)TLS_OVERHEAD +	\
	((n) < TLS_SMALL_MAX ? (n) : TLS_SMALL_MAX) / TLS_SMALL_RECORD * 22)

/*
 * The buffers of one call, usually on the caller's stack. The engine advances
 * `in` over what it took and appends to `out`. What stands in `out` must be
 * sent in order, also when the call failed (it may be an alert).
 */
struct tls_io {
	const uint8_t *in;	/* received, not yet opened */
	size_t in_n;
	uint8_t *out;		/* sealed, to be sent */
	size_t out_n;		/* bytes in use */
	size_t out_cap;
	/*
	 * Makes room for `more` bytes behind out_n; may move `out`. 0, or
	 * -errno, which ends the connection except in tls_write(). NULL: the
	 * buffer never grows.
	 */
	int (*grow)(struct tls_io *io, size_t more);
	void *arg;		/* the caller's */
};

/* Why a connection failed. */
enum tls_failure {
	TLS_FAIL_NONE,
	TLS_FAIL_NOT_TLS,	/* the peer's first bytes are not TLS */
	TLS_FAIL_PROTOCOL,	/* malformed, out of order, bad tag */
	TLS_FAIL_NO_SHARED,	/* no version, cipher or group in common */
	TLS_FAIL_ALPN,		/* no application protocol in common */
	TLS_FAIL_ALERT,		/* the peer ended the handshake by an alert */
	TLS_FAIL_VERIFY,	/* the peer's certificate is not accepted */
	TLS_FAIL_NO_CLIENT_CERT, /* a client certificate is required */
	TLS_FAIL_SNI,		/* no certificate for the name (sniStrict) */
	TLS_FAIL_CLOSED,	/* illegal name or broken options: no alert */
	TLS_FAIL_NO_CERT,	/* the server has no usable certificate */
	TLS_FAIL_POLICY,	/* a context cannot be built from the policy */
	TLS_FAIL_MEMORY,
	TLS_FAILURES
};

/* Valid after the handshake; texts live as long as the connection. */
struct tls_facts {
	uint16_t version;	/* 0x0303 = TLS 1.2, 0x0304 = TLS 1.3 */
	bool resumed;
	bool has_peer_cert;
	const char *version_name;	/* "1.2", "1.3" as in access logs */
	const char *cipher;	/* IANA name */
	struct str sni;		/* lower case; empty: none */
	struct str alpn;	/* empty: none */
	uint32_t options;	/* index that the select callback gave */
};

/*
 * The server's side of a connection. `srv` and `arg` are asked while the
 * handshake runs and must live as long as the connection; local is the
 * connection's own address (it stands in for a missing name). NULL: no memory.
 */
struct tls_conn *tls_accept_new(struct tls_contexts *set,
	    const struct tls_server *srv, void *arg, const struct addr *local);

/*
 * The client's side. The policy is read during this call only. `name` is what
 * is verified and, unless it is an address, sent as SNI; session_key names the
 * upstream for resumption, 0: never resume. NULL with a failure in *ret_why.
 */
struct tls_conn *tls_connect_new(struct tls_contexts *set,
	    const struct tls_client_policy *p, struct str name,
	    uint64_t session_key, enum tls_failure *ret_why);

/* Frees everything; NULL is fine. Sends nothing. */
void	tls_free(struct tls_conn *c);

/*
 * One step of the handshake: takes input, makes output. 0: done (input may be
 * left, it belongs to tls_read()). -EAGAIN: send io->out, then call again with
 * more input; all input was taken. Other -errno: failed, see tls_failure();
 * send io->out, then close.
 */
int	tls_handshake(struct tls_conn *c, struct tls_io *io);
bool	tls_handshake_done(const struct tls_conn *c);

/*
 * Opens records until there are clear bytes: copies up to n of them to dst and
 * returns their number. 0: the peer said close_notify. -EAGAIN: all input was
 * taken and more is needed. Other -errno: the connection is over. io->out may
 * get something to send (answers to key updates, alerts).
 */
int	tls_read(struct tls_conn *c, struct tls_io *io, void *dst, size_t n);
/* Clear bytes that tls_read() can give without further input. */
size_t	tls_pending(const struct tls_conn *c);
/* close_notify was received: an end of file now is clean. */
bool	tls_peer_closed(const struct tls_conn *c);

/*
 * Seals the vector's bytes, gathered into as few records as possible, and
 * returns how many of them are in io->out now: all, unless io->out could not
 * grow. -ENOBUFS: not even one byte fitted. Other -errno: the connection is
 * over. The vector is not changed.
 */
ssize_t	tls_write(struct tls_conn *c, struct tls_io *io,
	    const struct iovec *iov, unsigned n);

/*
 * The next n clear bytes, at most TLS_SMALL_MAX, leave in small records: over a
 * long way each can be used when its packet is there, which of a full record
 * only the last packet allows. Without effect where OpenSSL makes the records.
 */
void	tls_small_first(struct tls_conn *c, size_t n);

/* Appends close_notify once; nothing may be written afterwards. 0 or -errno. */
int	tls_close_notify(struct tls_conn *c, struct tls_io *io);

const struct tls_facts *tls_facts(const struct tls_conn *c);
/*
 * The peer's certificates in DER, leaf first; returns their number, at most
 * max. After resumption the leaf only. Owned by the connection.
 */
unsigned tls_peer_chain(struct tls_conn *c, struct str *ret, unsigned max);

/*
 * The subject of the peer's certificate as RFC 2253 writes it, cut to the size;
 * "" without a certificate. Returns its length.
 */
size_t	tls_peer_subject(struct tls_conn *c, char *out, size_t size);

enum tls_failure tls_failure(const struct tls_conn *c);
/* For logs: one line without bytes of the peer; never NULL. */
const char *tls_failure_text(const struct tls_conn *c);
/* The alert received, or sent, with a failure; -1: none. */
int	tls_failure_alert(const struct tls_conn *c);

#endif
