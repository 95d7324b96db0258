/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sticky cookies: the client brings back to which server, or child of a group,
 * its session belongs. Values are the hashes that Traefik gives out; its older
 * ones are taken too and replaced.
 */
#ifndef STICKY_H
#define STICKY_H

#include "exchange.h"

/*
 * The index of the one that the request's cookie names; TNONE when there is none
 * or it is not known (any more). *ret_old: by an older value.
 */
uint32_t sticky_find(const struct exchange *x, const struct tsticky *t,
	    bool *ret_old);
/* The same of the bytes of a Cookie field. */
uint32_t sticky_find_in(const struct table *t, const struct tsticky *s,
	    struct str cookies, bool *ret_old);
/*
 * The answer will carry the cookie of this index, in front of what the server
 * sets; not where akkod itself fails to get one. It stands in the arena, and in
 * x->sink until that is put back. 0 or -ENOMEM.
 */
int	sticky_set(struct exchange *x, const struct tsticky *t, uint32_t index);

#endif
