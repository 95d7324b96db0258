/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS with a client: looks at the first byte, and chooses options and
 * certificate by server name from the table.
 */
#ifndef TLS_ACCEPT_H
#define TLS_ACCEPT_H

struct conn;
struct fiber;

/*
 * Called once, when the first bytes are there. Plain text goes on as it is
 * where plain routers are; 0: go on, -errno: close.
 */
int	tls_accept(struct fiber *f, struct conn *c);

#endif
