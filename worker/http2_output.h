/* SPDX-License-Identifier: BSD-2-Clause */
/* The way of frames from the session to the socket. */
#ifndef HTTP2_OUTPUT_H
#define HTTP2_OUTPUT_H

#include <nghttp2/nghttp2.h>

struct http2;

/* Registers the callbacks that write frames. */
void	http2_output_callbacks(nghttp2_session_callbacks *cb);
/*
 * Lets the session write frames as long as there is room; what streams wait
 * with is taken by that. Not from within a callback of the session. 0 or -errno.
 */
int	http2_output_fill(struct http2 *h);
/* Fills and sends without waiting. 0 or -errno. */
int	http2_output_send(struct http2 *h);

#endif
