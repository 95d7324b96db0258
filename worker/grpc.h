/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What akkod itself says to a client of gRPC: it understands a grpc-status, not
 * a page, so the answers that akkod makes are turned into "trailers only" ones.
 */
#ifndef GRPC_H
#define GRPC_H

#include "exchange.h"

struct grpc_sink {
	struct sink s;
	struct str type;	/* what the client reads: gRPC or gRPC-Web */
	bool mapped;		/* the body is left out */
};

/* Whether a request is a gRPC call. */
bool	grpc_is_call(const struct request *req);
/* The status of gRPC for an answer that akkod made. */
unsigned grpc_status(enum reason why, unsigned status);
/* Turns akkod's own answers; to be the outermost sink. */
void	grpc_sink_push(struct exchange *x, struct grpc_sink *k);

#endif
