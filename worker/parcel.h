/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A quiet connection as bytes, for another worker to go on with: what passage.c
 * sends beside the descriptors. No I/O, no cipher; the two workers may be of
 * different programs, so there is a version, a length before everything that
 * has one, and a range for every field.
 *
 * Times are durations: how old, how long still.
 */
#ifndef PARCEL_H
#define PARCEL_H

#include "addr.h"
#include "clock.h"
#include "live.h"
#include "state.h"

/* Whenever anything about the bytes changes. */
#define PARCEL_VERSION		2
#define PARCEL_MAX		((size_t)128 * 1024)
/* Of each kind of buffered bytes of one side; more means that it is not quiet. */
#define PARCEL_BYTES_MAX	((size_t)24 * 1024)
#define PARCEL_LINE_MAX		((size_t)24 * 1024)
#define PARCEL_NAME_MAX		119	/* of an entry point */
/* The longest time that a field may hold; NSEC_NEVER may be as well. */
#define PARCEL_TIME_MAX		(INT64_C(100000000) * NSEC_SEC)

/* One socket with what stands between it and the worker. */
struct parcel_side {
	bool has_tls;
	bool eof;			/* the peer's side is over */
	bool far;			/* TLS: small records first */
	struct tls_state tls;
	struct str in;			/* clear, to be read next */
	struct str raw;			/* received, to be opened next */
	struct str out;			/* sealed, to be sent next */
	uint64_t bytes_in, bytes_out;
};

/* What the connection has become, and its other side. */
struct parcel_tunnel {
	struct parcel_side server;
	bool up_over, down_over;	/* an end was passed on */
	uint64_t up_passed, down_passed;
	uint64_t frame_left;		/* struct websocket_frames */
	uint8_t frame_head[14], frame_have;
	nsec_t idle;
	uint32_t load;			/* counts for this server, from 1 on; 0 */
	uint64_t live;			/* the live state (its seed) that counts */
	bool has_line;			/* of the access log, for its end */
	nsec_t line_age;
	struct str line;
};

struct parcel {
	bool is_tunnel;
	bool counted;			/* among those of its address */
	bool tls_tried, had_request;
	struct str entry_point;
	struct addr peer, local;	/* as a PROXY header may have said */
	uint16_t peer_port, local_port;
	uint32_t requests;
	nsec_t age;			/* since it was accepted */
	nsec_t left;			/* until it has been idle for too long */
	uint64_t tls_options;
	struct parcel_side client;
	struct parcel_tunnel tunnel;
};

/* Into at most `max` bytes at out. Their number; -EMSGSIZE, or -ERANGE. */
ssize_t	parcel_write(const struct parcel *p, uint8_t *out, size_t max);
/*
 * 0, with strings that point into the bytes; -EPROTO with the name of the field
 * that is out of its range.
 */
int	parcel_read(struct parcel *p, const uint8_t *in, size_t n,
	    const char **ret_why);

/* For tests: a number among the bytes, and the largest that it may be. */
struct parcel_field {
	const char *name;
	size_t at, bytes;
	uint64_t max;
};
/* Those of a good parcel, at most m of them; returns their number. */
unsigned parcel_fields(const uint8_t *in, size_t n, struct parcel_field *ret,
	    unsigned m);

#endif
