/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chunked coding (RFC 9112 7.1). The decoder is fed spans and gives back
 * spans of clear data inside them; chunk lines are never passed on, the encoder
 * writes its own (N-01).
 */
#ifndef CHUNKED_H
#define CHUNKED_H

#include "str.h"

#define CHUNK_EXTENSION_MAX	256	/* bytes per chunk line from the first ; */
#define CHUNK_EXTENSIONS_MAX	4096	/* per body */
#define CHUNK_TRAILERS_MAX	8192	/* bytes with line ends */
#define CHUNK_TRAILER_FIELDS	32

struct buf;

struct chunked {
	uint64_t left;		/* of the current chunk */
	uint16_t extension;	/* bytes of the current line's extensions */
	uint16_t extensions;	/* bytes of all extensions */
	uint16_t trailers;	/* bytes of trailer lines so far */
	uint16_t name;		/* bytes of the current trailer's name */
	uint8_t state;
	uint8_t digits;		/* of the current size */
	uint8_t fields;		/* trailer lines begun */
};

void	chunked_init(struct chunked *c);
/*
 * Takes bytes off *in. 1: *ret_data is a span of clear data (not empty).
 * 0: *in is used up. 2: the body has ended, what is left in *in comes after
 * it. -EBADMSG: malformed, for good. When trailers is not NULL, the bytes of
 * trailer lines (with the empty line) are appended there; either way they have
 * the form of field lines.
 */
int	chunked_decode(struct chunked *c, struct str *in, struct str *ret_data,
	    struct buf *trailers);
bool	chunked_done(const struct chunked *c);
/* Writes "SIZE\r\n" and returns its length. */
unsigned chunk_head(char out[20], uint64_t size);

#endif
