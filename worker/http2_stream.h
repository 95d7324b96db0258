/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream of an HTTP/2 connection: one exchange on a fiber of its own. The
 * struct lives until both the fiber has ended and nghttp2 has closed the stream.
 */
#ifndef HTTP2_STREAM_H
#define HTTP2_STREAM_H

#include "exchange.h"
#include "h2_request.h"
#include "http2_link.h"

struct http2;
struct tunnel;

struct http2_stream {
	struct http2 *h;
	struct http2_stream *next, **prev;	/* in h->streams */
	struct http2_stream *next_queued;
	struct fiber *f;		/* serves it; NULL before and after */
	struct exchange *x;		/* NULL after the fiber's end, and in a tunnel */
	struct tunnel *tunnel;		/* what it has become, or NULL */
	int32_t id;
	/* The request. */
	struct h2_head head;
	uint32_t head_bytes;		/* decoded, 32 more per field (A04) */
	uint8_t refusal;		/* enum http2_refusal */
	struct source source;
	struct fiber *reader;		/* waits for its bytes, or NULL */
	struct iobuf *body;		/* received, not handed out */
	struct iobuf *given;		/* handed out last */
	bool body_ended;
	bool owes_continue;
	/* The answer. */
	struct sink sink;
	struct http2_outgoing out;	/* its body */
	uint64_t left;			/* of a known length */
	bool known;
	bool submitted;			/* the head went to nghttp2 */
	bool closed;			/* by nghttp2: nothing more arrives or leaves */
	bool queued;
};

enum http2_refusal {
	HTTP2_ACCEPTED,
	HTTP2_HEAD_MALFORMED,	/* RST_STREAM PROTOCOL_ERROR */
	HTTP2_HEAD_TOO_LARGE	/* 431 */
};

/* A stream whose head begins to arrive. NULL: no memory. */
struct http2_stream *http2_stream_new(struct http2 *h, int32_t id);
/* One field of its head; notes in s->refusal what is wrong. */
void	http2_stream_field(struct http2_stream *s, struct str name,
	    struct str value);
/* The head is complete: takes a slot, waits for one, or is refused. */
void	http2_stream_head_done(struct http2_stream *s, bool ended);
/* Somebody will read its bytes. */
bool	http2_stream_listens(const struct http2_stream *s);
/* Bytes of its body. 0 or -ENOMEM. */
int	http2_stream_data(struct http2_stream *s, const uint8_t *p, size_t n);
void	http2_stream_body_end(struct http2_stream *s);
/* nghttp2 is done with it. */
void	http2_stream_closed(struct http2_stream *s);
/* For http2_tunnel.c: resets it, unless nghttp2 is done with it. */
void	http2_stream_reset(struct http2_stream *s, uint32_t code);
/* Its exchange or tunnel has ended: the slot is free. It may be freed by this. */
void	http2_stream_leave(struct http2_stream *s);
/* Frees one that no fiber serves. */
void	http2_stream_free(struct http2_stream *s);

#endif
