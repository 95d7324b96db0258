/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that came over HTTP/2 (RFC 9113 8.3), under the rules of HTTP/1: one
 * path, one Host, one meaning, whatever the version. The HPACK layer has checked
 * names, values, pseudo-fields and connection-specific fields by then.
 */
#ifndef H2_REQUEST_H
#define H2_REQUEST_H

#include "h1.h"

struct h2_head {
	struct str method, scheme, authority, path, protocol;
	bool has_authority, has_protocol;
	bool ended;		/* END_STREAM: no body */
	bool tls;		/* the connection's own scheme is https */
};

/*
 * Reads the head; fields holds what was received, in order, as FIELD_OTHER, and
 * is rewritten in place. An extended CONNECT for WebSocket (RFC 8441) reads as the
 * GET that it is in HTTP/1, but for the fields of the handshake. 0, or -EBADMSG with *err, whose status 0 means a
 * malformed request: the stream is reset.
 */
int	h2_parse_request(struct h1_request *ret, struct fields *fields,
	    const struct h2_head *head, struct h1_error *err);

#endif
