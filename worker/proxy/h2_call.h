/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A call: one request and its answer on a connection to a server that speaks
 * HTTP/2. An upstream (upstream.h) that has one passes its operations on here.
 * It lives until both its exchange and the codec are done with it.
 */
#ifndef H2_CALL_H
#define H2_CALL_H

#include "h2_upstream.h"
#include "h2_response.h"

struct exchange;
struct h1_out_request;
struct upstream;

/* A head that was received and not yet read; in the exchange's arena. */
struct h2_answer {
	struct h2_answer *next;
	struct h1_response resp;
	struct fields fields;
};

struct h2_call {
	struct h2_upstream *h;		/* NULL: the connection is lost */
	struct h2_call *next, **prev;	/* in h->calls */
	struct exchange *x;		/* NULL: it is done with this */
	struct fiber *f;		/* of the exchange */
	int32_t id;			/* of the stream; 0: not asked yet */
	/* The request. */
	struct str method;
	struct http2_outgoing out;
	uint64_t framed;		/* link.framed behind its head; 0: not framed */
	bool sent;			/* its end was framed */
	bool duplex;			/* goes on being sent while the answer comes */
	/* The answer. */
	struct h2_answer *heads, **heads_end;
	unsigned nheads;
	struct fields trailers;
	struct iobuf *in;		/* body received, not handed out */
	struct iobuf *given;		/* handed out last */
	uint64_t left;			/* of a known length */
	uint8_t framing;		/* enum h1_framing of the final head */
	bool final;			/* the final head has come */
	bool ended;			/* all of the answer has come */
	/* The end. */
	bool closed;			/* for the codec */
	bool malformed, too_large;
	bool unprocessed;		/* the server cannot have acted on it */
	bool undelivered;		/* very likely the same, but not for sure */
	bool wants_http1;		/* HTTP_1_1_REQUIRED */
	uint32_t reset_code;		/* the server's own; 0: none */
	bool alert;			/* TLS was refused after all */
};

/* ---- For upstream.c -------------------------------------------------------- */

/* A call of this exchange, woken on f. NULL: no memory. */
struct h2_call *h2_call_new(struct h2_upstream *h, struct exchange *x,
	    struct fiber *f);
/* As the functions of upstream.h by these names. */
int	h2_call_send_head(struct upstream *u, const struct h1_out_request *q);
int	h2_call_send_body(struct fiber *f, struct upstream *u, struct str data,
	    bool last);
int	h2_call_read_head(struct fiber *f, struct upstream *u,
	    struct stream *client);
int	h2_call_read_body(struct fiber *f, struct upstream *u, struct str *ret,
	    bool *ret_last);
/* Until what was given to h2_call_send_body() is framed. As that. */
int	h2_call_wait_sent(struct fiber *f, struct upstream *u);
/* A final answer, or the end, has come. */
bool	h2_call_answered(const struct h2_call *c);
/* The request cannot be finished: the answer ends as if it was cut. */
void	h2_call_cancel(struct h2_call *c);
/* The exchange is done with it: what is unfinished is cancelled. */
void	h2_call_done(struct h2_call *c);

/* ---- For the session ---------------------------------------------------------- */

/* A head begins; its fields; it is complete. */
void	h2_call_head_begin(struct h2_upstream *h);
void	h2_call_field(struct h2_call *c, struct str name, struct str value);
void	h2_call_head_end(struct h2_call *c, bool ended);
/* Bytes of the body. 0, or -errno: the stream has to be reset. */
int	h2_call_data(struct h2_call *c, const uint8_t *p, size_t n);
/* The end of the body. */
void	h2_call_body_end(struct h2_call *c);
/* Wakes whoever waits for it. */
void	h2_call_wake(struct h2_call *c);
/* The codec is done with it; it may be freed by this. */
void	h2_call_closed(struct h2_call *c, uint32_t code);
/* The connection is lost. The same. */
void	h2_call_lost(struct h2_call *c, bool undelivered, bool alert);

#endif
