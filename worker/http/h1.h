/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1 heads (RFC 9112), strict wherever a recipient may be: the cost of
 * leniency is paid by whatever parser sits behind. No I/O and no memory of its
 * own: spans point into the caller's buffer.
 *
 * Reading is in two steps, so that bytes which trickle in cost linear time:
 * h1_scan() looks at new bytes only and finds the end of the head or the first
 * fault that can be known early; h1_parse_request() then reads the whole head.
 */
#ifndef H1_H
#define H1_H

#include "field.h"
#include "reason.h"

enum h1_framing { H1_NONE, H1_LENGTH, H1_CHUNKED, H1_UNTIL_CLOSE };

struct h1_limits {
	uint32_t line;		/* request line */
	uint32_t field;		/* one field line */
	uint32_t head;		/* whole head */
	uint32_t fields;	/* number of fields */
};

/* State of a scan; zero bytes start a new head. */
struct h1_scan {
	uint32_t at;		/* bytes looked at */
	uint32_t line;		/* where the current line begins */
	uint32_t lines;		/* complete lines */
	uint32_t skip;		/* an empty line before the request line */
	bool response;		/* a bare LF may end a line (H1-R10) */
};

/* Why a head is refused, and with which status. */
struct h1_error {
	unsigned status;
	enum reason reason;
};

/*
 * Looks at p[0..n), of which the first scan->at bytes were seen before.
 * Positive: bytes of the whole head with its empty line. 0: more is needed.
 * -EBADMSG with *err.
 */
int	h1_scan(struct h1_scan *scan, const char *p, size_t n,
	    const struct h1_limits *lim, struct h1_error *err);

struct h1_request {
	struct str method;
	struct str path;	/* raw, without query; "*" for OPTIONS * */
	struct str query;
	struct str host;	/* of the Host line or the absolute form */
	struct str scheme;	/* of an absolute form, else empty */
	struct fields *fields;	/* all but Host, Content-Length, Transfer-Encoding, Expect */
	uint64_t length;	/* H1_LENGTH */
	uint8_t framing;	/* enum h1_framing, never H1_UNTIL_CLOSE */
	uint8_t minor;
	bool has_query;
	bool has_host;
	bool keep_alive;
	bool expect_continue;
	bool connect;		/* method CONNECT: nothing after it is parsed */
};

/*
 * Reads a complete head of n bytes (from h1_scan). fields is the caller's
 * storage, emptied first. 0, or -EBADMSG with *err.
 */
int	h1_parse_request(struct h1_request *ret, struct fields *fields,
	    const char *p, size_t n, const struct h1_limits *lim,
	    struct h1_error *err);

struct h1_response {
	unsigned status;
	struct fields *fields;	/* all but Transfer-Encoding and Content-Length */
	uint64_t length;
	bool has_length;	/* also where no body follows (HEAD, 304) */
	uint8_t framing;	/* enum h1_framing */
	uint8_t minor;
	bool keep_alive;	/* the connection may be used again */
};

/*
 * The head of an answer to a request with `method`. 0 or -EBADMSG; the reason
 * is always REASON_UPSTREAM_MALFORMED.
 */
int	h1_parse_response(struct h1_response *ret, struct fields *fields,
	    const char *p, size_t n, const struct h1_limits *lim,
	    struct str method);

/*
 * Checks a Host value (H1-H10). 0 or -EBADMSG. An empty one is for the caller.
 */
int	h1_check_host(struct str host);

/* The trailer lines p[0..n) up to and with the empty line, into fields. */
int	h1_parse_trailers(struct fields *fields, const char *p, size_t n,
	    const struct h1_limits *lim);

#endif
