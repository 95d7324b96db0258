/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frame heads of an HTTP/2 connection as they come in (RFC 9113 4.1), for the
 * few of which libnghttp2 does not tell. No I/O.
 */
#ifndef H2_FRAMES_H
#define H2_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#define H2_PREFACE	24	/* bytes before the first frame */

/* Begin with .left = H2_PREFACE. */
struct h2_frames {
	uint32_t left;		/* bytes to pass over */
	uint8_t head[9];
	uint8_t have;		/* bytes of head */
};

struct h2_frame {
	uint32_t length;
	int32_t stream;
	uint8_t type, flags;
};

/*
 * Takes bytes off p[0..*n) up to and with the next whole frame head: 1 with
 * *ret, or 0 when the bytes are used up.
 */
int	h2_frames_next(struct h2_frames *w, const uint8_t **p, size_t *n,
	    struct h2_frame *ret);

#endif
