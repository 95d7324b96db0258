/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header fields as decisions about authentication see them. The codec has
 * classified every name already; its class bits (worker/http/field.h) come in
 * with each field, so there is one table of names in the program.
 */
#ifndef HEADERS_H
#define HEADERS_H

#include "str.h"

/* Same bits as enum CLASS_* of the codec; the worker asserts it. */
enum {
	AUTH_HOP = 1,		/* hop-by-hop */
	AUTH_FRAMING = 2,	/* decides where messages end or who gets them */
	AUTH_MANAGED = 4,	/* set M: X-Forwarded-* and relatives */
	AUTH_CLAIM = 8,		/* other forwarding claims: Forwarded, X-Original-* */
	AUTH_IDENTITY = 16	/* set I: who the user is (S-501) */
};

struct auth_field {
	struct str name;
	struct str value;
	unsigned classes;	/* AUTH_* of the name */
};

/*
 * Whether `name` is another spelling of `owned` (lower case, dash form): equal
 * when case is folded and every byte but letters and digits counts as '-'
 * (H1-H13), and not equal to it when only case is folded.
 */
bool	header_is_alias(struct str name, struct str owned);
/* Whether the list has the name, in any case. */
bool	header_in_list(struct str name, const struct str *list, unsigned n);
/* Canonical MIME spelling of a name; out has name.n bytes. */
void	header_canonical(struct str name, char *out);

#endif
