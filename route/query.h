/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a query string as Go does (net/url ParseQuery). */
#ifndef QUERY_H
#define QUERY_H

#include "str.h"

/*
 * The next pair, decoded into key_buf and value_buf (cap bytes each); pairs
 * that do not decode, hold a ';' or do not fit are passed over. False at the
 * end.
 */
bool	query_next(struct str *rest, char *key_buf, char *value_buf, size_t cap,
	    struct str *ret_key, struct str *ret_value);

#endif
