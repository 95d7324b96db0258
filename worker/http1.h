/* SPDX-License-Identifier: BSD-2-Clause */
/* One HTTP/1 request on a connection, from its first byte to its log line. */
#ifndef HTTP1_H
#define HTTP1_H

struct conn;
struct fiber;

#define HTTP1_TUNNEL	2

/*
 * Serves the next request. 0: the connection may go on. 1: close it after
 * lingering. HTTP1_TUNNEL: it belongs to a tunnel now. -errno: close it at once.
 */
int	http1_serve(struct fiber *f, struct conn *c);

#endif
