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

struct conn;
struct exchange;
struct fiber;
struct stream;
struct tunnel;

/*
 * Makes the tunnel of an exchange whose 101 has come; takes the server's stream
 * over. NULL when memory is short: the stream stays the caller's.
 */
struct tunnel *tunnel_new(struct exchange *x, struct stream *server);
/* Frees one that was never run, closes its server's side. */
void	tunnel_free(struct tunnel *t);
/*
 * Carries bytes on the fiber that served the handshake until all is quiet; the
 * connection is the tunnel's from here on.
 */
void	tunnel_run(struct fiber *f, struct tunnel *t, struct conn *c);
/* Ends at the latest at `until`, with a close frame if one can be put in. */
void	tunnel_drain(struct tunnel *t, nsec_t until);
/* Ends a quiet one at once. */
void	tunnel_end(struct tunnel *t);

#endif
