/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection to a server, from the pool or fresh, and the HTTP/1 exchange on
 * it. Proxy and forward-auth share it.
 *
 *   upstream_open -> upstream_send... -> upstream_read_head -> read_body...
 *                 -> upstream_done: to the pool only if nothing can be left
 *                    over on it (N-08), else closed
 */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "buf.h"
#include "chunked.h"
#include "exchange.h"
#include "h1.h"
#include "h1_write.h"
#include "proxy_protocol.h"
#include "stream.h"

struct h2_call;

struct upstream {
	struct stream st;
	struct h2_call *h2;		/* a call on a shared connection: st is empty */
	struct worker *w;
	struct upstream *next, **prev;	/* parked: in its list of the pool */
	struct timer timer;		/* parked: idle bound */
	struct pool_list *list;
	struct iobuf *head;		/* holds what resp.fields point to */
	struct iobuf *out;		/* request bytes in flight */
	struct h1_response resp;
	struct fields fields;
	struct buf trailers;		/* raw trailer lines */
	struct chunked chunked;
	uint64_t left;
	size_t given;			/* bytes of st.in handed out */
	struct stream *client;		/* whose leaving ends the body, or NULL */
	unsigned max_idle;		/* of its transport */
	nsec_t idle_timeout;
	struct h1_limits limits;	/* of heads */
	struct iovec iov[3];		/* body bytes in flight */
	char size[20];			/* their chunk line */
	bool relayed;			/* its body goes on as it comes; see upstream_read_body() */
	bool quiet;			/* private: nothing came for a moment */
	bool reused;			/* came from the pool */
	bool sent_all;			/* the request is fully written */
	bool body_done;			/* the answer is fully read */
	bool broken;			/* not to be used again */
	bool proxied;			/* it began with a PROXY header */
	struct field store[FIELDS_MAX];
	struct proxy_header whose;	/* if proxied: what that said */
};

/* How to open one. */
enum {
	UPSTREAM_FRESH = 1,	/* not an idle one of the pool */
	UPSTREAM_HTTP1 = 2	/* for what HTTP/2 is not used for */
};

/*
 * A connection for one exchange, or a call on one that speaks HTTP/2. 0, or
 * -errno with *ret_why set. The fiber holds it afterwards.
 */
int	upstream_open(struct fiber *f, struct exchange *x,
	    const struct tserver *sv, const struct ttransport *tr, unsigned how,
	    struct upstream **ret, enum reason *ret_why);
/* Frees one that is in no list of the pool. */
void	upstream_free(struct upstream *u);

/* Sends a head and, in the same call, the first bytes of a body. */
int	upstream_send_head(struct fiber *f, struct upstream *u,
	    const struct h1_out_request *q, struct str body);
/*
 * Sends a piece of the body in the request's framing; `last` ends it. -EINTR
 * when an answer began before all of it was taken: then read that, and send no
 * more (H1-C07).
 */
int	upstream_send_body(struct fiber *f, struct upstream *u, uint8_t framing,
	    struct str data, bool last);

/*
 * Whether an answer has begun, or the connection's end: for those who do
 * something else meanwhile. upstream_watch() sees to it that the fiber is woken.
 */
void	upstream_watch(struct upstream *u);
bool	upstream_answered(struct upstream *u);

/*
 * Waits until ready(u). With a client to watch: its reset ends the wait at once,
 * its clean end a second later (it may only be a half-close, H1-C14, or it may
 * be gone, H1-C15), with -ECONNABORTED.
 */
int	upstream_wait(struct fiber *f, struct upstream *u,
	    struct stream *client, bool (*ready)(struct upstream *u));
/* Bytes of the answer are there to be read. */
bool	upstream_has_more(const struct upstream *u);

/*
 * Reads one response head (also 1xx). 0; -EBADMSG malformed; -EMSGSIZE too
 * large; -ECONNRESET/-EPIPE closed before a byte; -ETIMEDOUT; with a client to
 * watch also -ECONNABORTED when it is gone.
 */
int	upstream_read_head(struct fiber *f, struct upstream *u, struct str method,
	    struct stream *client);
/*
 * The next piece of the body: 1 with *ret (not empty unless *ret_last), valid
 * until the next call; -EPROTO when it is truncated or malformed,
 * -ECONNABORTED when u->client left. Where it is relayed, an empty piece says
 * that the server takes its time: what is held back may go on.
 */
int	upstream_read_body(struct fiber *f, struct upstream *u, struct str *ret,
	    bool *ret_last);

/*
 * Without waiting: passes on what is there of a long body, copying none, by
 * sink_splice(). Bytes, 0 when the rest is to be read, -errno; u->body_done
 * tells the end.
 */
ssize_t	upstream_splice(struct fiber *f, struct exchange *x,
	    struct upstream *u);

/* Gives it back: pooled when that is safe. NULL is allowed. */
void	upstream_done(struct fiber *f, struct upstream *u);

/* Reason and status of a failed open or read. */
enum reason upstream_reason(int err);
/* The same for a connection that was open. */
enum reason upstream_failure(const struct upstream *u, int err);

#endif
