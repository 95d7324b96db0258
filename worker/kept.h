/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request that is kept, so that it can be served more than once: its head as it
 * was, and what was read of its body. The body goes on as it comes; who serves
 * the request first waits for nothing.
 */
#ifndef KEPT_H
#define KEPT_H

#include "buf.h"
#include "exchange.h"

/* Bytes of one body, where the configuration sets no bound, and of all. */
#define KEPT_BODY_MAX	(16u << 20)
#define KEPT_MAX	(256u << 20)

struct kept {
	struct source s;		/* in the place of `from` */
	struct source *from;		/* NULL: nothing comes any more */
	struct exchange *x;
	struct request req;		/* with fields of its own */
	struct buf body;
	size_t given;			/* of body, this time */
	size_t max;
	bool lost;			/* something of the body was not kept */
	bool no_room;			/* since others have taken all */
	int failed;			/* -errno of reading it; 0 */
};

/*
 * Keeps x's request from now on, at most max bytes of body (-1: KEPT_BODY_MAX),
 * until kept_end(), which is due in any case. 0 or -ENOMEM.
 */
int	kept_begin(struct kept *k, struct exchange *x, int64_t max);
/*
 * Reads the whole body now. -EMSGSIZE when it is too long, -ENOMEM when there is
 * no room; when the client fails, who serves the request hears of that.
 */
int	kept_fill(struct fiber *f, struct kept *k);
/* Whether it can be served once more, or be copied. */
bool	kept_whole(const struct kept *k);
/* x's request is again what it was. 0 or -ENOBUFS. */
int	kept_again(struct kept *k);
/* Gives x its body back and frees what was kept. */
void	kept_end(struct kept *k);

/*
 * Makes it the request of another exchange, which shares no memory with it; a
 * body of none unless with_body. What was kept of the body is taken away. 0 or
 * -ENOMEM; to be ended in any case.
 */
int	kept_copy(struct kept *to, struct exchange *x, struct kept *from,
	    bool with_body);

#endif
