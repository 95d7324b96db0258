/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What gRPC-Web has of its own: base64 in pieces, and trailers as a last frame of
 * the body. No I/O.
 */
#ifndef GRPC_WEB_H
#define GRPC_WEB_H

#include "field.h"

#include <stdint.h>
#include <sys/types.h>

/* The forms of a body, by its Content-Type. */
enum grpc_web_form { GRPC_WEB_NONE, GRPC_WEB_BINARY, GRPC_WEB_TEXT };

/* By "application/grpc-web" or "...-text", in any case; the rest is `ret_rest`. */
enum grpc_web_form grpc_web_form(struct str type, struct str *ret_rest);
/* The type without its rest: "application/grpc-web-text". */
struct str grpc_web_type(enum grpc_web_form form);

/* Base64 being decoded: several padded texts in a row are one. Zero at first. */
struct grpc_web_decoder {
	uint32_t bits;		/* of the letters seen, six each */
	uint8_t letters;	/* of a group of four */
	uint8_t pads;
};
/* Room for what n letters decode to. */
#define GRPC_WEB_DECODED(n)	((n) / 4 * 3 + 3)
/* Writes what the letters decode to, line ends skipped: bytes, or -EBADMSG. */
ssize_t	grpc_web_decode(struct grpc_web_decoder *d, struct str in,
	    uint8_t *out);
/* Between two groups: the text may end. */
bool	grpc_web_decoded(const struct grpc_web_decoder *d);

/* One padded text; characters written, without a NUL. */
#define GRPC_WEB_ENCODED(n)	(((n) + 2) / 3 * 4)
size_t	grpc_web_encode(struct str in, char *out);

/* Bytes of the frame that carries these trailers; writes it. */
size_t	grpc_web_trailers_size(const struct fields *fs);
void	grpc_web_trailers(const struct fields *fs, uint8_t *out);

#endif
