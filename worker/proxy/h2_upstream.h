/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to a server that speaks HTTP/2: many requests at once, each a
 * call (h2_call.h). libnghttp2 is the codec; one fiber feeds it and sends what it
 * makes, while the fibers of the exchanges wait for their calls.
 *
 *   BUSY    calls are under way: a session fiber
 *   PARKED  none is: an armed receive and a timer, no fiber, no buffer
 *   LEAVING GOAWAY came or went: the calls end, no new ones, then it closes
 *
 * The pool has it until it leaves. A call outlives it: it is told that its
 * connection is lost.
 */
#ifndef H2_UPSTREAM_H
#define H2_UPSTREAM_H

#include "addr.h"
#include "http2_link.h"

struct h2_call;
struct pool_list;
struct worker;

#define H2_CALLS_MAX	100		/* at once on one connection, at most */
#define H2_CALL_WINDOW	IOBUF_LARGE	/* bytes of one answer that may wait */

struct h2_upstream {
	struct http2_link link;
	struct stream st;
	struct worker *w;
	struct pool_list *list;		/* that has it; NULL: it leaves */
	struct h2_upstream *next, **prev;	/* there */
	struct fiber *f;		/* runs the session; NULL: parked */
	struct h2_call *calls;		/* all that exist */
	unsigned open;			/* those that the server has still open */
	struct addr addr;		/* of the server */
	bool tls;
	bool keep;			/* park it when it is idle */
	bool used;			/* by a call before */
	bool greeted;			/* the server's SETTINGS have come */
	/* Times: of its transport, and when what happened. */
	struct timer timer;		/* parked: the next thing to do */
	nsec_t idle_timeout, read_idle, ping_timeout;
	nsec_t idle_until;
	nsec_t heard;			/* a frame */
	nsec_t ping_sent;		/* 0: none is unanswered */
	/* The head that is being received. */
	struct str status;
	uint32_t head_bytes;
	bool head_clean;		/* and within the limits */
	struct fields fields;
	struct field store[FIELDS_RECEIVED];
};

/*
 * Takes a connected stream over (*st is empty afterwards) and greets the
 * server. NULL: no memory, the stream is still the caller's.
 */
struct h2_upstream *h2_upstream_new(struct worker *w, struct stream *st,
	    const struct addr *a);
/* Whether one more call may begin on it. */
bool	h2_upstream_takes(const struct h2_upstream *h);
/*
 * There is something to send or to end: wakes the session or starts it. -ENOMEM
 * when no fiber is free; it is then tried again later.
 */
int	h2_upstream_wake(struct h2_upstream *h);
/* Closes one that no session fiber runs, at once; its calls are lost. */
void	h2_upstream_drop(struct h2_upstream *h);

#endif
