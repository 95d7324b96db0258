/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1 heads (RFC 9112), strict wherever a recipient may be: the cost of
 * leniency is paid by whatever parser sits behind. No I/O and no memory of its
 * own: spans point into the caller's buffer.
 *
 * Reading is in two steps, so that bytes which trickle in cost linear time:
 * h1_scan() looks at new bytes only and finds the end of the head or the first
 * fault that can be known early; h1_parse_request() then reads the whole head.
 * The result of both together does not depend on how the bytes were cut.
 */
#ifndef H1_H
#define H1_H

#include "field.h"
#include "reason.h"

enum h1_framing { H1_NONE, H1_LENGTH, H1_CHUNKED, H1_UNTIL_CLOSE };

/* In bytes with the line ends. */
struct h1_limits {
	uint32_t line;		/* request line */
	uint32_t field;		/* one field line */
	uint32_t head;		/* whole head */
	uint32_t fields;	/* number of fields, at most FIELDS_RECEIVED */
};

/* State of a scan; zero bytes start a new head. */
struct h1_scan {
	uint32_t at;		/* bytes looked at */
	uint32_t line;		/* where the current line begins */
	uint32_t lines;		/* complete lines */
	uint32_t skip;		/* an empty line before the request line */
	bool response;		/* set by the caller for a response head */
	bool checked;		/* the first line was looked into */
};

/* Why a head is refused, and with which status. */
struct h1_error {
	unsigned status;
	enum reason reason;
	const char *detail;	/* Go's words after "400 Bad Request: ", or NULL */
};

/*
 * The answer's body in Go's words ("400 Bad Request: missing required Host
 * header"), written to out; and its reason phrase, empty for the standard one.
 */
struct str h1_error_body(const struct h1_error *err, char out[128]);
struct str h1_error_phrase(const struct h1_error *err, char out[128]);

/*
 * Looks at p[0..n), of which the first scan->at bytes were seen before.
 * Positive: bytes of the whole head with its empty line. 0: more is needed.
 * -EBADMSG with *err.
 */
int	h1_scan(struct h1_scan *scan, const char *p, size_t n,
	    const struct h1_limits *lim, struct h1_error *err);

/*
 * The value of the first Host line among the complete lines of a head's
 * beginning, unchecked; empty when there is none.
 */
struct str h1_peek_host(struct str head);

struct h1_request {
	struct str method;
	struct str path;	/* raw, without query; "*" for OPTIONS * */
	struct str query;
	struct str host;	/* of the Host line or the absolute form */
	struct str scheme;	/* of an absolute form, else empty */
	struct fields *fields;	/* all but Host, Content-Length, Transfer-Encoding, Expect */
	uint64_t length;	/* H1_LENGTH */
	int32_t max_forwards;	/* of OPTIONS, else -1; clamped (H19) */
	uint16_t aliases;	/* fields dropped as aliases of owned ones (H13) */
	uint8_t framing;	/* enum h1_framing, never H1_UNTIL_CLOSE */
	uint8_t minor;
	bool odd_names;		/* some name has a byte for field_has_odd_bytes() */
	bool nul_escape;	/* the path has %00: refuse unless allowed (L21) */
	bool has_query;
	bool has_host;
	bool h2;		/* came over HTTP/2 (h2_request.h) */
	bool open;		/* and its stream is not ended: a body follows */
	bool keep_alive;
	bool expect_continue;
};

/*
 * Reads a complete head of n bytes (from h1_scan). fields is the caller's
 * storage, emptied first. 0, or -EBADMSG with *err. Left to the caller, as they
 * depend on configuration: L14 (OPTIONS *), L18 (scheme and listener), H08,
 * nul_escape, odd_names.
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
	bool bare_lf;		/* counted: a line ended in LF alone (R10) */
	bool equal_lengths;	/* counted: Content-Length repeated (R02) */
};

/*
 * The head of an answer to a request with `method`. 0, -EMSGSIZE for too many
 * fields, else -EBADMSG.
 */
int	h1_parse_response(struct h1_response *ret, struct fields *fields,
	    const char *p, size_t n, const struct h1_limits *lim,
	    struct str method);

/* What was found in the hop-by-hop fields that h1_strip_hop() removed. */
struct h1_hop {
	bool te_trailers;	/* TE has "trailers" */
	bool upgrade;		/* Connection lists upgrade, with an Upgrade line */
	bool websocket;		/* that line has "websocket" */
};

/*
 * Removes the hop-by-hop fields and those that Connection lists (H14-H16, H21,
 * R15). Names in `kept` stay although listed; so do owned names of a request,
 * which a client may not talk us out of (H15).
 */
void	h1_strip_hop(struct fields *fs, bool request, const struct str *kept,
	    unsigned nkept, struct h1_hop *ret);

/*
 * Checks a Host value (H1-H10). 0 or -EBADMSG. An empty one is for the caller.
 */
int	h1_check_host(struct str host);

/*
 * The trailer lines p[0..n) up to and with the empty line, into fields; those
 * that may not stand in trailers (framing, hop-by-hop) are left out.
 */
int	h1_parse_trailers(struct fields *fields, const char *p, size_t n,
	    const struct h1_limits *lim);

#endif
