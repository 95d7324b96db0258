/* SPDX-License-Identifier: BSD-2-Clause */
/* The codec of grpc.health.v1.Health/Check: one question, one word for answer. */
#ifndef GRPC_HEALTH_H
#define GRPC_HEALTH_H

#include "str.h"

#define GRPC_HEALTH_PATH	"/grpc.health.v1.Health/Check"
#define GRPC_HEALTH_MAX		256	/* bytes of an answer */

enum grpc_serving { GRPC_UNKNOWN, GRPC_SERVING, GRPC_NOT_SERVING };

/* The question, framed: how is the server as a whole? */
struct str grpc_health_question(void);
/* The status in a framed answer, -EBADMSG when it is none. */
int	grpc_health_parse(struct str body);

#endif
