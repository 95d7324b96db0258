/* SPDX-License-Identifier: BSD-2-Clause */
/* The body of an HTTP/1 request as a source of clear bytes. */
#ifndef HTTP1_BODY_H
#define HTTP1_BODY_H

#include "chunked.h"
#include "exchange.h"

struct http1_body {
	struct source s;
	struct chunked chunked;
	bool is_chunked;	/* as received; a middleware may change what is sent */
	uint64_t left;		/* of a known length */
	size_t given;		/* bytes of st->in handed out, not consumed */
	nsec_t waited;		/* for the client, and what it sent meanwhile */
	uint64_t came;
	bool owes_continue;	/* the client waits for 100 */
};

/* Sets x->body. */
void	http1_body_init(struct http1_body *b, struct exchange *x);
/* Gives back what was handed out last; nobody may be sending it any more. */
void	http1_body_fini(struct http1_body *b, struct exchange *x);

#endif
