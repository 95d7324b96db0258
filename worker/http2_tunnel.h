/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WebSocket over HTTP/2 (RFC 8441): an extended CONNECT becomes the handshake of
 * HTTP/1 that the pipeline and servers know; a stream whose handshake they have
 * agreed to becomes the client's end of a tunnel.
 */
#ifndef HTTP2_TUNNEL_H
#define HTTP2_TUNNEL_H

struct exchange;
struct fiber;
struct http2_stream;
struct tunnel;

/* Adds what a handshake of HTTP/1 has, with a key of our own. 0 or -errno. */
int	http2_tunnel_ask(struct exchange *x);
/* From the server's 101 to what the client gets. */
void	http2_tunnel_agree(struct exchange *x);
/* As tunnel_run(), for the stream. */
void	http2_tunnel_run(struct fiber *f, struct http2_stream *s,
	    struct tunnel *t);
/* nghttp2 has closed the stream of a tunnel. */
void	http2_tunnel_closed(struct http2_stream *s);

#endif
