/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cookie and Set-Cookie lines (RFC 6265), as far as a proxy looks into them.
 */
#ifndef COOKIE_H
#define COOKIE_H

#include "field.h"

/* Bytes that cookie_join() writes; 0 when there are not two lines to join. */
size_t	cookie_join_size(const struct fields *fs);
/*
 * Makes one line "a=1; b=2" of several Cookie lines in their order (H1-H20), at
 * the place of the first. out has cookie_join_size() bytes and must live as
 * long as the field.
 */
void	cookie_join(struct fields *fs, char *out);
/*
 * The next "name=value" of a Cookie value; pairs without '=' or name are
 * skipped, a value's double quotes are taken off. false at the end.
 */
bool	cookie_next(struct str *rest, struct str *ret_name,
	    struct str *ret_value);
/* The value of the first cookie of that name (exact case); false if absent. */
bool	cookie_get(const struct fields *fs, struct str name,
	    struct str *ret_value);
/* The name that a Set-Cookie value sets; false when it has none. */
bool	set_cookie_name(struct str value, struct str *ret_name);

#endif
