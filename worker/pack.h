/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between connections and parcels (parcel.h). Packing changes nothing and keeps
 * nothing: a parcel names bytes of the connection, or of this file until the
 * next one is packed.
 */
#ifndef PACK_H
#define PACK_H

#include "parcel.h"

struct conn;
struct stream;
struct worker;

/*
 * A quiet connection that was settled (stream_settle()), idle until then. 0;
 * -ENOTSUP: it cannot move, -EMSGSIZE: too much of it is buffered.
 */
int	pack_conn(struct conn *c, nsec_t until, struct parcel *ret);
/*
 * The connection of a parcel. The descriptors are the callee's, `server` only
 * that of a tunnel. Nothing is received before unpack_begin(), and conn_gone()
 * leaves no trace. NULL with the reason.
 */
struct conn *unpack_conn(struct worker *w, const struct parcel *p, int fd,
	    int server, const char **ret_why);
void	unpack_begin(struct conn *c, nsec_t left);

/* One side; for tunnels. 0 or as above; `which` is 0 or 1. */
int	pack_side(struct stream *st, unsigned which, struct parcel_side *ret);
/* Fills a fresh stream. 0 or -ENOMEM. */
int	unpack_side(struct worker *w, struct stream *st,
	    const struct parcel_side *side);

#endif
