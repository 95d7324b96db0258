/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forward authentication, decisions only (Traefik forwardAuth): what the auth
 * server is told, what its answer means, what of it the application gets. No
 * sockets; the worker fetches.
 *
 *   forward_owned()    before the call: fields of the client that only the
 *                      auth server may set leave the request (S-501, S-502)
 *   forward_request()  the auth request's fields
 *   forward_judge()    allow, deny and relay, or fail closed (S-503, S-506)
 *   forward_copy()     allowed: the answer's fields for the application
 *   forward_relay()    denied: the answer's fields for the client
 *   forward_cookies()  allowed: Set-Cookie of the application's answer
 *
 * All texts are borrowed unless an arena is given.
 */
#ifndef FORWARD_H
#define FORWARD_H

#include "arena.h"
#include "headers.h"

enum forward_trust { FORWARD_UNSET, FORWARD_DISTRUST, FORWARD_TRUST };

struct forward_config {
	uint8_t trust;			/* enum forward_trust: trustForwardHeader */
	bool forward_body;
	bool preserve_location;
	bool preserve_method;
	int64_t max_body;		/* bytes, -1: no bound */
	int64_t max_response_body;
	struct str address;		/* as configured */
	struct str signin_url;		/* empty: none */
	struct str header_field;	/* name whose value is the user, for logs */
	const struct str *response_headers;	/* authResponseHeaders */
	unsigned nresponse_headers;
	const struct str *request_headers;	/* authRequestHeaders; none: all */
	unsigned nrequest_headers;
	const struct str *cookies;	/* addAuthCookiesToResponse */
	unsigned ncookies;
	/* authResponseHeadersRegex on the canonical name; NULL: none. */
	bool (*matches)(void *arg, struct str name);
	void *arg;
};

/* What the connection and request line say. */
struct forward_client {
	struct str peer_ip;		/* text, without zone */
	struct str method;
	struct str host;		/* as received, with its port */
	struct str path;		/* current, escaped */
	struct str query;		/* without '?' */
	bool has_query;
	bool tls;
};

/*
 * Whether this field of the client must leave the request before the auth
 * server is asked: identity fields, what the auth server may set, and other
 * spellings of both. `Authorization` and `Cookie` stay although they may be
 * listed: the auth server needs them (they are replaced afterwards).
 */
bool	forward_owned(const struct forward_config *c,
	    const struct auth_field *f);

#define FORWARD_FIELDS_ADDED	16
/*
 * Fields of the auth request without Host and framing, written to out (cap at
 * least n + FORWARD_FIELDS_ADDED). Returns their number, -ENOBUFS, -ENOMEM.
 */
int	forward_request(const struct forward_config *c,
	    const struct forward_client *client, const struct auth_field *in,
	    unsigned n, struct auth_field *out, unsigned cap, struct arena *a);

enum forward_verdict {
	FORWARD_ALLOW,
	FORWARD_DENY,		/* relay the answer */
	FORWARD_SIGNIN,		/* 302 to the sign-in URL, empty body */
	FORWARD_MALFORMED	/* 502, reason auth-malformed, nothing copied */
};

/*
 * Judges a well-formed answer by its status and fields. FORWARD_MALFORMED
 * covers S-506: a field to be copied more than once with different values
 * (comma lists, cookies and groups excepted), control bytes, a value over
 * 8 KiB, over 128 fields.
 */
enum forward_verdict forward_judge(const struct forward_config *c,
	    unsigned status, const struct auth_field *fs, unsigned n);

/*
 * Allowed. `in` are the request's fields, `auth` the answer's; out (cap at
 * least n + nauth) becomes the request for the application: what the auth
 * server may set is removed and then copied from the answer, in order. Returns
 * the number or -ENOBUFS.
 */
int	forward_copy(const struct forward_config *c,
	    const struct auth_field *in, unsigned n,
	    const struct auth_field *auth, unsigned nauth,
	    struct auth_field *out, unsigned cap);
/* The user that header_field names, empty when absent. */
struct str forward_user(const struct forward_config *c,
	    const struct auth_field *auth, unsigned nauth);

/*
 * Denied. The answer's end-to-end fields, Location resolved against the
 * address. Returns the number, -ENOBUFS, -ENOMEM, or -EINVAL when Location
 * does not parse (500).
 */
int	forward_relay(const struct forward_config *c,
	    const struct auth_field *auth, unsigned nauth,
	    struct auth_field *out, unsigned cap, struct arena *a);

/* Location for FORWARD_SIGNIN; p NULL: no memory or not a reference. */
struct str forward_signin(const struct forward_config *c,
	    const struct forward_client *client, struct arena *a);

/*
 * Allowed, when the application's answer comes: its fields with the listed
 * cookies replaced by those of the auth answer. Without a Set-Cookie in the
 * auth answer everything stays. Returns the number or -ENOBUFS.
 */
int	forward_cookies(const struct forward_config *c,
	    const struct auth_field *in, unsigned n,
	    const struct auth_field *auth, unsigned nauth,
	    struct auth_field *out, unsigned cap);

#endif
