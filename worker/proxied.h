/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For whom a balancer speaks (entryPoints.NAME.proxyProtocol): the first step of
 * a connection, before TLS.
 */
#ifndef PROXIED_H
#define PROXIED_H

#include <stdbool.h>

struct conn;
struct fiber;

/*
 * Takes the PROXY header, if the entry point knows it and one is there; from a
 * trusted peer its addresses become those of the connection. Waits for the
 * first bytes. 0, or -errno: malformed or too slow, the connection ends.
 */
int	proxied_accept(struct fiber *f, struct conn *c);
/* Whether the socket's peer is one that speaks for many clients. */
bool	proxied_peer_trusted(const struct conn *c);

#endif
