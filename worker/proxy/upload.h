/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The body of a request on its way to the server, while the answer is watched
 * for. One that begins early ends the upload on HTTP/1 (H1-C07). Where both
 * sides speak HTTP/2, the two directions are independent, as gRPC needs it: the
 * upload then goes on with a fiber of its own.
 */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "exchange.h"

struct upstream;

struct upload {
	struct exchange *x;
	struct upstream *u;
	struct fiber *f;	/* goes on by itself; NULL: does not */
	struct fiber *owner;	/* waits for its end, or NULL */
	enum reason why;	/* the client's side failed; REASON_NONE */
	struct str piece;	/* the first, and how many there were */
	unsigned pieces;
};

/*
 * Streams the body to u. 0 when all of it is sent or the answer has begun;
 * -EREMOTEIO when the client's side failed (then p->why), other -errno when
 * the server's did. On a second call all is sent once more: only where
 * upload_repeatable().
 */
int	upload_send(struct fiber *f, struct upload *p, struct upstream *u);
/* All that was read of the body is still here. */
bool	upload_repeatable(const struct upload *p);
/* Ends what goes on by itself; waits for that. */
void	upload_stop(struct fiber *f, struct upload *p);

#endif
