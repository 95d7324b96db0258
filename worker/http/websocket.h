/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The opening handshake of WebSocket (RFC 6455 4) as a proxy sees it from both
 * sides, and where frames end, so that a close frame of ours can be put between
 * two of them. No I/O.
 */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include "field.h"

#include <stdbool.h>
#include <stdint.h>

#define WEBSOCKET_ACCEPT	28	/* characters of Sec-WebSocket-Accept */

/* Whether the fields ask for a WebSocket: Upgrade names it, Connection lists it. */
bool	websocket_asked(const struct fields *fs);
/*
 * Checks what the client must send besides (H1-C10). 0; -EBADMSG; or
 * -EPROTONOSUPPORT for another version than 13.
 */
int	websocket_check_request(const struct fields *fs);
/*
 * Whether a 101 is the right answer to that request (H1-C11): the accept key
 * fits, protocol and extensions are among those offered.
 */
bool	websocket_check_answer(const struct fields *request,
	    const struct fields *answer);
/* Sec-WebSocket-Accept of a key, not terminated. */
void	websocket_accept(struct str key, char out[WEBSOCKET_ACCEPT]);

/* Where in a frame one direction of a tunnel is; zero bytes: at a boundary. */
struct websocket_frames {
	uint64_t left;		/* payload bytes still to pass */
	uint8_t head[14];	/* of the frame that begins */
	uint8_t have;		/* bytes of it seen */
};

void	websocket_frames_pass(struct websocket_frames *w, const uint8_t *p,
	    size_t n);
bool	websocket_frames_boundary(const struct websocket_frames *w);

#endif
