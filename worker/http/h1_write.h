/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing HTTP/1 heads from the model (N-01): no range of received bytes is
 * spliced in, each field is written anew. Sizes are exact, so the caller gets a
 * buffer first and the writer never fails.
 */
#ifndef H1_WRITE_H
#define H1_WRITE_H

#include "field.h"
#include "h1.h"

struct h1_out_request {
	struct str method;
	struct str path, query;
	struct str host;		/* empty: an empty Host line */
	const struct fields *fields;	/* written but Host and framing ones */
	uint64_t length;
	uint8_t framing;		/* H1_NONE, H1_LENGTH, H1_CHUNKED */
	bool has_query;
	bool zero_length;		/* H1_NONE: write Content-Length: 0 (F10) */
	bool te_trailers;
	bool websocket;			/* Connection and Upgrade of a handshake */
};

struct h1_out_response {
	unsigned status;
	const struct fields *fields;	/* written but framing ones */
	uint64_t length;		/* written when has_length */
	const char *date;		/* 29 bytes, NULL: none */
	struct str phrase;		/* empty: the status's own */
	uint8_t minor;			/* of the client's request */
	uint8_t framing;		/* H1_CHUNKED writes Transfer-Encoding */
	bool has_length;
	bool close;			/* Connection: close */
	bool keep_alive;		/* Connection: keep-alive for HTTP/1.0 */
	bool websocket;			/* Connection and Upgrade of a 101 */
};

/* 0 when method, target or host could split the head; then nothing is written. */
size_t	h1_request_size(const struct h1_out_request *q);
/* Returns the number of bytes written, equal to the size. */
size_t	h1_write_request(const struct h1_out_request *q, char *out);
size_t	h1_response_size(const struct h1_out_response *a);
size_t	h1_write_response(const struct h1_out_response *a, char *out);
/* Trailer lines and the empty line, after the last chunk's "0\r\n". */
size_t	h1_trailers_size(const struct fields *fs);
size_t	h1_write_trailers(const struct fields *fs, char *out);
/* Go's phrase: "Not Found"; empty when the status has none. */
struct str h1_status_text(unsigned status);

#endif
