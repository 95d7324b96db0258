/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An HTTP/2 connection (RFC 9113). libnghttp2 is the codec; one fiber feeds it
 * and sends what it makes, and each stream is an exchange on a fiber of its own:
 *
 *   socket --> session fiber --> nghttp2 --> stream: head, body --> serve.c
 *   socket <-- session fiber <-- output  <-- stream: head, body <--
 *
 * A stream's fiber is its work slot. The slot is free when the fiber has ended,
 * not when the stream was reset, so that resetting gains a client nothing. A
 * WebSocket (RFC 8441) keeps its slot and, while it is quiet, has no fiber; nor
 * has the session then.
 */
#ifndef HTTP2_H
#define HTTP2_H

#include "http2_link.h"

struct conn;
struct fiber;
struct http2_stream;

struct http2 {
	struct http2_link link;
	struct conn *c;
	struct fiber *f;		/* runs the session; NULL: parked */
	struct http2_stream *streams;	/* all that exist */
	struct http2_stream *queue, **queue_end;	/* wait for a slot */
	unsigned working, queued;	/* slots taken; streams waiting */
	unsigned quiet;			/* of the slots: tunnels without a fiber */
	unsigned slots;
	int32_t newest;			/* highest stream opened */
	int32_t reset_ids[32];		/* streams that we reset last */
	unsigned resets;
	nsec_t goaway_at;		/* draining: when the last word is said */
	bool goaway_sent;
	bool roused;			/* parked, and something is to be done */
	bool over;			/* no more frames either way */
};

/*
 * Whether a connection speaks HTTP/2: by ALPN, or in clear by the preface
 * (prior knowledge). May wait for its first bytes. 1, 0, -errno.
 */
int	http2_wanted(struct fiber *f, struct conn *c);
/* Makes c->h2. 0 or -ENOMEM. */
int	http2_open(struct conn *c);
/*
 * Runs the session until it is idle (0: park the connection) or over (1: close
 * after lingering; -errno: close at once). No stream is left then.
 */
int	http2_serve(struct fiber *f, struct conn *c);
/* Frees the session of a connection without streams. NULL is allowed. */
void	http2_free(struct http2 *h);
/* Announces the end: no new streams after a second (H2-A19, L-06). */
void	http2_drain(struct http2 *h);
/* And the tunnels on its streams. */
void	http2_drain_tunnels(struct http2 *h);
/* Streams are at work, so that it can not be freed. NULL: no. */
bool	http2_busy(const struct http2 *h);
/* There may be something to send or to end: wakes the session. */
void	http2_wake(struct http2 *h);

#endif
