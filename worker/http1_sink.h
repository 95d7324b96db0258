/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last sink of a response: HTTP/1 on the client's connection. The head waits
 * for the first bytes of the body, so that both leave in one send.
 */
#ifndef HTTP1_SINK_H
#define HTTP1_SINK_H

#include "exchange.h"

struct http1_sink {
	struct sink s;
	struct iobuf *head;	/* written, not yet sent */
	uint64_t left;		/* of a known length */
	bool known;		/* length is known */
	bool chunked;
	bool until_close;
};

/* Sets x->sink. */
void	http1_sink_init(struct http1_sink *k, struct exchange *x);
/* After the chain: everything sent and complete? 0 or -errno. */
int	http1_sink_finish(struct fiber *f, struct exchange *x,
	    struct http1_sink *k);
void	http1_sink_fini(struct http1_sink *k, struct exchange *x);

#endif
