/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers that came over HTTP/2 (RFC 9113 8.3.2), under the rules of HTTP/1:
 * rows H1-R and H2-H19. libnghttp2 has checked the order of things by then; what
 * decides where a message ends and what passes on is judged here.
 */
#ifndef H2_RESPONSE_H
#define H2_RESPONSE_H

#include "h1.h"

/*
 * Reads a head with its :status; `ended` says that no body follows. fields
 * holds what else was received, in order, as FIELD_OTHER, and is rewritten in
 * place. The framing is H1_NONE where no body may follow, H1_LENGTH, or
 * H1_CHUNKED for a length that only the end tells. 0 or -EBADMSG.
 */
int	h2_parse_response(struct h1_response *ret, struct fields *fields,
	    struct str status, bool ended, struct str method);
/*
 * The same for trailers: those that may not stand there are left out. 0 or
 * -EBADMSG.
 */
int	h2_parse_trailers(struct fields *fields);

#endif
