/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The path of a request (Traefik's path sanitising and matching). One canonical
 * form is made once: what rules match, what an auth server is told and what
 * goes upstream all derive from it (N-06).
 */
#ifndef PATH_H
#define PATH_H

#include "arena.h"
#include "str.h"

/*
 * Escapes of unreserved bytes decoded, others in upper case, what may not stand
 * raw escaped; with sanitize also "." ".." and "//" resolved, a trailing slash
 * kept. 0, -EBADMSG for a bad escape or %00 (unless allow_nul), -ENOMEM.
 */
int	path_canonical(struct arena *a, struct str raw, bool sanitize,
	    bool allow_nul, struct str *ret);
/* "." and ".." segments and doubled slashes resolved; never climbs above "/". */
struct str path_clean(struct arena *a, struct str path);
/*
 * The form that rules match: every escape decoded but those of reserved
 * characters. p NULL without memory.
 */
struct str path_routing(struct arena *a, struct str canonical);
/* All escapes decoded; p NULL for a bad escape or without memory. */
struct str path_decode(struct arena *a, struct str path);
/* Escapes what may not stand raw in a path. */
struct str path_encode(struct arena *a, struct str path);
/* Whether the path holds a denied escape (TENC_* of table.h), in any case. */
bool	path_denied(struct str canonical, unsigned denied);
/* Query with ';' as %3B (encode) or '&'. */
struct str path_query_semicolons(struct arena *a, struct str query, bool encode);
/* Whether something in the raw path could be read in two ways (S-603). */
bool	path_ambiguous(struct str raw);
/*
 * The other readings of an ambiguous path, each cleaned: ret has room for
 * PATH_READINGS; returns their number, or -ENOMEM.
 */
#define PATH_READINGS	4
int	path_readings(struct arena *a, struct str canonical,
	    struct str ret[PATH_READINGS]);

#endif
