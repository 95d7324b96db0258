/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The small grammars of HTTP: tokens, lists, media types, quality values and
 * dates (RFC 9110 5.6, 8.3, 12.4.2).
 */
#ifndef TOKEN_H
#define TOKEN_H

#include "str.h"

/* Byte classes. */
enum {
	TOKEN_CHAR = 1,		/* tchar */
	TOKEN_VALUE = 2,	/* allowed in a field value: VCHAR, SP, HTAB, obs-text */
	TOKEN_TARGET = 4,	/* allowed raw in a request target (H1-L20) */
	TOKEN_PATH = 8,		/* allowed raw in its path */
	TOKEN_HOST = 16,	/* allowed in a Host */
	TOKEN_METHOD = 32,	/* [A-Z0-9_-] */
	TOKEN_PLAIN = 64	/* [A-Za-z0-9-]: what an honest field name is of */
};
extern const uint8_t token_class[256];

static inline bool
token_is(unsigned char c, unsigned class)
{
	return (token_class[c] & class) != 0;
}

bool	token_valid(struct str s, unsigned class);
/* Whether a comma list has the token, in any case. */
bool	token_in_list(struct str list, struct str token);
/*
 * Cuts the next element off a comma list, commas in quoted strings apart, and
 * returns it trimmed; empty elements are skipped (RFC 9110 5.6.1.2). false at
 * the end.
 */
bool	list_next(struct str *rest, struct str *ret_item);
/* Type and subtype without parameters; false when it does not parse. */
bool	media_type(struct str value, struct str *ret);
/*
 * The next element of an Accept-Encoding list: its coding and weight in
 * thousandths; false at the end. Elements that do not parse are skipped.
 */
bool	accept_next(struct str *rest, struct str *ret_coding,
	    unsigned *ret_q);
/* IMF-fixdate of unix seconds: 29 bytes and a NUL. */
void	http_date(int64_t sec, char out[32]);

#endif
