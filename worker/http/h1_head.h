/* SPDX-License-Identifier: BSD-2-Clause */
/* What requests and responses share in reading heads; see h1.h. */
#ifndef H1_HEAD_H
#define H1_HEAD_H

#include "h1.h"

#include <errno.h>

static inline int
h1_fail(struct h1_error *err, unsigned status, enum reason reason,
    const char *detail)
{
	*err = (struct h1_error){ status, reason, detail };
	return -EBADMSG;
}

struct h1_line {
	struct str name, value;	/* the value without blanks around it */
	bool odd;		/* field_has_odd_bytes(name) */
};

/*
 * Takes the first line of a head, without its end, off *rest. With bare NULL
 * only CRLF ends a line, else *bare notes a bare LF. -EBADMSG.
 */
int	h1_read_line(struct str *rest, bool *bare, struct str *ret);
/*
 * Takes a field line off *rest and checks it (H01-H05). 1; 0: it was the empty
 * line; -EBADMSG; -EINVAL: blanks before the colon; -E2BIG: the name is too
 * long.
 */
int	h1_read_field(struct str *rest, bool *bare, struct h1_line *ret);
/* Content-Length: digits only, no leading zero, at most 18 (F03, F04). */
int	h1_parse_length(struct str s, uint64_t *ret);
/*
 * The steps of a request that both versions share. What is collected on the way
 * through the fields, zero bytes at first:
 */
struct h1_facts {
	struct str host, te, expect, forwards;
	unsigned hosts, lengths, tes, expects, authorizations, connections,
	    forwardings;
};
/* Method in q->method; target into path and query (L09-L21). */
int	h1_check_method(struct h1_request *q, struct h1_error *err);
int	h1_take_target(struct h1_request *q, struct str target,
	    struct h1_error *err);
/* One checked field; then what they mean together. */
int	h1_take_field(struct h1_request *q, struct h1_facts *h,
	    const struct h1_line *l, struct h1_error *err);
int	h1_settle(struct h1_request *q, const struct h1_facts *h,
	    struct h1_error *err);

/* The first line of a head of which more is to come. 0 or -EBADMSG. */
int	h1_check_request_line(struct str head, struct h1_error *err);
int	h1_check_status_line(struct str head);

#endif
