/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS towards a server: the handshake on a connected upstream. */
#ifndef UPSTREAM_TLS_H
#define UPSTREAM_TLS_H

#include "upstream.h"

/*
 * Within the fiber's deadline; `http2` is offered first if so. 0, or -errno with *ret_why: upstream-tls when
 * the certificate is not trusted or the peer speaks no TLS, upstream-tls-alert
 * when it refused us.
 */
int	upstream_tls(struct fiber *f, struct exchange *x, struct upstream *u,
	    const struct tserver *sv, const struct ttransport *tr, bool http2,
	    enum reason *ret_why);

#endif
