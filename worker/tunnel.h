/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tunnel: what a connection becomes once a server has agreed to WebSocket.
 * Bytes pass both ways, each direction at the pace of its slower end.
 *
 *   quiet   two armed receives and one timer: no fiber, no buffer
 *   busy    a fiber carries what there is, then leaves
 *
 * It holds nothing of its exchange, whose generation may go: the line of the
 * access log is written at the start, but for the figures of the end.
 */
#ifndef TUNNEL_H
#define TUNNEL_H

#include "clock.h"
#include "str.h"

struct conn;
struct exchange;
struct fiber;
struct parcel_tunnel;
struct stream;
struct tunnel;

/*
 * What a tunnel asks of one of its ends. Where a function has a fiber and is not
 * told to wait, it takes what is there already.
 */
struct tunnel_end_ops {
	/*
	 * What was received: 1 with *ret, which stays until it is consumed; 0
	 * when nothing is there, an event follows; -EPIPE at its end; -errno.
	 */
	int (*receive)(struct fiber *f, void *end, struct str *ret);
	/* n bytes of that have gone on. */
	void (*consume)(void *end, size_t n);
	/* Starts to send bytes that stay untouched until sent() is done. */
	int (*send)(void *end, struct str data);
	/* -EAGAIN while it is under way, an event follows; 0; -errno. */
	int (*sent)(void *end);
	/* Nothing more is sent; may wait for that to leave. */
	int (*shutdown)(struct fiber *f, void *end);
	/* Its events wake this fiber, or tunnel_wake() is to be called. */
	void (*hold)(void *end, struct fiber *f);
	/* Takes back what is being sent. f is NULL when nothing is. */
	void (*stop)(struct fiber *f, void *end);
	/* The last call. */
	void (*close)(void *end);
};

struct tunnel_end {
	const struct tunnel_end_ops *ops;
	void *p;
};

/*
 * Makes the tunnel of an exchange whose 101 has come; takes the server's stream
 * over. NULL when memory is short: the stream stays the caller's.
 */
struct tunnel *tunnel_new(struct exchange *x, struct stream *server);
/* Frees one that was never run, closes its server's side. */
void	tunnel_free(struct tunnel *t);
/*
 * Carries bytes on the fiber that served the handshake until all is quiet; the
 * client's end is the tunnel's from here on.
 */
void	tunnel_run(struct fiber *f, struct tunnel *t, struct tunnel_end client);
/* The same for all of an HTTP/1 connection. */
void	tunnel_run_conn(struct fiber *f, struct tunnel *t, struct conn *c);
/* Something happened at an end. */
void	tunnel_wake(struct tunnel *t);
/*
 * The worker drains: ends shortly before that does, with a close frame if one
 * can be put in.
 */
void	tunnel_drain(struct tunnel *t);
/* Ends a quiet one at once. */
void	tunnel_end(struct tunnel *t);

/*
 * Those of HTTP/1 connections can move to another worker; see passage.h. The
 * first gives a quiet one away, on any fiber; if it cannot, it goes on.
 */
void	tunnel_move(struct fiber *f, struct tunnel *t);
bool	tunnel_quiet(const struct tunnel *t);
struct stream *tunnel_server(struct tunnel *t);
/* As pack_conn() and unpack_conn(); fd is the callee's. 0 or -errno. */
int	tunnel_pack(struct tunnel *t, struct parcel_tunnel *ret);
int	tunnel_take(struct conn *c, const struct parcel_tunnel *p, int fd);
/* One that was taken begins, to end at `until` if all stays quiet. */
void	tunnel_begin(struct tunnel *t, nsec_t until);
/* Forgets it and its connection: another worker has both. */
void	tunnel_gone(struct tunnel *t);

#endif
