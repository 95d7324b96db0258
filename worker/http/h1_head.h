/* SPDX-License-Identifier: BSD-2-Clause */
/* What requests and responses share in reading field lines; see h1.h. */
#ifndef H1_HEAD_H
#define H1_HEAD_H

#include "h1.h"

/*
 * Takes the next line without its end off *rest. With strict only CRLF ends a
 * line. -EBADMSG when there is none.
 */
int	h1_next_line(struct str *rest, bool strict, struct str *ret);
/* Splits "Name: value"; the value is trimmed and checked. 0 or -EBADMSG. */
int	h1_split_field(struct str line, struct str *ret_name,
	    struct str *ret_value);
/* Content-Length: digits only, no leading zero, at most 18. */
int	h1_parse_length(struct str s, uint64_t *ret);

#endif
