/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table: one generation of everything a worker needs to route and serve,
 * as a flat image without pointers in a sealed memfd. The master writes it
 * (build.h), workers map it read-only and use it in place.
 *
 *   +--------+---------------------------------------------------------+
 *   | header | records of each kind as arrays | small vectors | strings |
 *   +--------+---------------------------------------------------------+
 *
 * References are byte offsets from the start of the image (struct tstr,
 * struct tvec) or indexes into one of the header's arrays; TNONE means none.
 * table_check() proves every reference before the image is used, so readers
 * need not. Everything is in host byte order: both ends run on one machine
 * and compare TABLE_ABI, which changes with the layout and only then.
 *
 * Rejected: pointers plus a fixed mapping address (no ASLR), copy-on-write
 * trees (a full build of 10,000 routes takes a millisecond).
 */
#ifndef TABLE_H
#define TABLE_H

#include "addr.h"
#include "clock.h"
#include "str.h"

#define TABLE_MAGIC	UINT64_C(0x0a656c6261746b61)	/* "aktable\n" */
#define TABLE_ABI	8
#define TNONE		UINT32_MAX

extern const uint32_t table_abi;	/* TABLE_ABI; see table_abi.c */

struct tstr { uint32_t off, n; };	/* bytes, not NUL-terminated */
struct tvec { uint32_t off, n; };	/* n records of a type the field names */

struct table_hdr {
	uint64_t magic;
	uint32_t abi;
	uint32_t hdr_bytes;
	uint64_t bytes;			/* of the whole image */
	uint64_t checksum;		/* hash_bytes() of all after the header */
	uint64_t generation;		/* 1, 2, ... */
	uint64_t content_hash;		/* equal content, equal hash */
	int64_t built_wall_ns;
	int64_t tls_small_from_ns;	/* round trip from which records are small at first */
	struct tvec entry_points;	/* struct tentry_point */
	struct tvec muxes;		/* struct tmux */
	struct tvec routers;		/* struct trouter, by priority: see tmux */
	struct tvec rules;		/* struct trule */
	struct tvec services;		/* struct tservice */
	struct tvec servers;		/* struct tserver */
	struct tvec middlewares;	/* struct tmw */
	struct tvec transports;		/* struct ttransport */
	struct tvec tls_options;	/* struct ttls_options, [0] is "default" */
	struct tvec certs;		/* struct tcert, by descending key text */
	struct tvec cert_names;		/* struct tcert_name, by name */
	struct tvec regexps;		/* struct tregexp */
	struct tvec access_log;		/* struct taccess_log, none or one */
	struct tvec blobs;		/* struct tblob: CA bundles and chains, DER */
	struct tvec checks;		/* struct tcheck */
	uint32_t default_cert;		/* index in certs */
	uint32_t tls_records;		/* enum trecords */
};

/* What the records of TLS 1.3 are made of after the handshake. */
enum trecords { TRECORDS_OWN, TRECORDS_OPENSSL };

struct trange { uint32_t from, to; };	/* inclusive, e.g. status codes */

/* ---- Entry points (Traefik entryPoints.NAME) ------------------------- */

enum tunderscore { TUNDERSCORE_KEEP, TUNDERSCORE_DELETE, TUNDERSCORE_REJECT };

/* Escapes that a path may not hold (encodedCharacters), as a bit set. */
enum {
	TENC_SLASH = 1, TENC_BACKSLASH = 2, TENC_NUL = 4, TENC_SEMICOLON = 8,
	TENC_PERCENT = 16, TENC_QUESTION = 32, TENC_HASH = 64
};

struct tentry_point {
	struct tstr name;
	struct tstr address;		/* as configured */
	uint16_t port;			/* what it listens on */
	uint8_t forwarded_insecure;
	uint8_t not_append_xff;
	uint8_t add_scheme_headers;
	uint8_t sanitize_path;
	uint8_t encode_semicolons;
	uint8_t underscore;		/* enum tunderscore */
	uint8_t allow_nul;		/* %00 allowed: allowEncodedNullCharacter written */
	uint8_t ambiguous_allow;	/* ambiguousPaths: allow (S-603) */
	uint8_t denied_escapes;		/* TENC_*, 0 without an encodedCharacters block */
	uint8_t read_timeout_set;	/* Traefik's meaning: the whole request */
	struct tvec trusted;		/* struct cidr */
	struct tvec proxy_trusted;	/* struct cidr: whose PROXY header counts */
	struct tvec keep_connection;	/* struct tstr: forwardedHeaders.connection, lower case */
	uint32_t http2_streams;		/* at once on one connection */
	int64_t read_timeout_ns;	/* 0 = none */
	int64_t write_timeout_ns;
	int64_t idle_timeout_ns;
	int64_t accept_grace_ns;	/* lifeCycle.requestAcceptGraceTimeout */
	int64_t grace_ns;		/* lifeCycle.graceTimeOut */
	int64_t keep_alive_max_ns;	/* 0 = no bound */
	uint64_t keep_alive_max_requests;
	uint32_t max_header_bytes;	/* whole head */
	uint32_t plain_mux;		/* index in muxes; TNONE: no plain router */
	uint32_t tls_mux;
	uint32_t default_tls_options;	/* index in tls_options */
	struct tvec tls_hosts;		/* struct ttls_host sorted by name */
	uint8_t tls_expected;		/* any TLS router: a ClientHello is welcome */
	uint8_t observe_access_log;
	uint8_t proxy_protocol;		/* a PROXY header may come first */
	uint8_t proxy_insecure;		/* and counts, whoever sends it */
	uint8_t http2_websocket;	/* extended CONNECT may be asked for */
	uint8_t incomplete;		/* a provider has not said its routes yet */
	uint8_t reserved[2];
};

/* Which TLS options a server name gets on an entry point (proxy.md 5.4). */
struct ttls_host {
	struct tstr name;		/* lower case; "*.d" covers one label */
	uint32_t options;		/* index in tls_options */
	uint32_t broken;		/* 1: close at once, options unusable */
};

/* ---- Routing ---------------------------------------------------------- */

/*
 * A mux holds the routers of one entry point for plain or for TLS
 * connections. Routers stand in the header's array in order of decreasing
 * priority, so of several candidates the one with the smallest index wins and
 * candidate lists are merged by index.
 *
 *   host --hash--> thost --+                +--> router indexes
 *   parent domain of "*.d" +--> tprefix ----+
 *   no host in the rule  --+   (longest known prefix of the path, then its
 *                               parents)
 *
 * A list may hold routers whose rule does not match; the rule decides.
 */
struct tmux {
	uint32_t entry_point;
	uint32_t nhosts;
	struct tvec host_slots;		/* uint32_t: index+1 in hosts, 0 empty; power of two, linear probing, hash_str(name, 0) */
	struct tvec hosts;		/* struct thost with an exact name */
	struct tvec wild_slots;		/* the same for "*.d", keyed by "d" */
	struct tvec wild_hosts;		/* struct thost, name without "*." */
	struct tvec any;		/* struct thost, none or one: rules without a host */
};

struct thost {
	struct tstr name;		/* lower case, no trailing dot */
	struct tvec prefixes;		/* struct tprefix sorted by text; [0] is "" */
};

/*
 * Most prefixes of one host that one path can have. Deeper ones are filed under
 * the one above (build_mux.c), so a search merges a bounded number of lists.
 */
#define TPREFIX_DEPTH	16

struct tprefix {
	struct tstr text;
	uint32_t parent;		/* index of the longest proper prefix in the same vector, TNONE at [0] */
	struct tvec routers;		/* uint32_t ascending */
};

enum tstatus {
	TSTATUS_ENABLED,
	TSTATUS_BROKEN			/* keeps its match and answers 503 (S-517) */
};

/* A rule without entry (rule_n == 0) matches everything. */
struct trouter {
	struct tstr name;		/* qualified: "bi@file" */
	struct tstr rule;		/* its text */
	struct tstr error;		/* why it is broken, for log and explain */
	int64_t priority;
	uint32_t rule_first;		/* index in rules */
	uint32_t rule_n;
	uint32_t service;		/* index in services; TNONE when broken */
	uint32_t tls_options;		/* index; TNONE on a plain router */
	struct tvec middlewares;	/* uint32_t: index in middlewares, outermost first, chains flattened */
	uint64_t access_policy;		/* hash of the refusing middlewares and TLS options (S-603) */
	uint16_t status;		/* enum tstatus */
	uint16_t reason;		/* enum reason when broken */
	uint8_t has_auth;		/* an auth middleware: identity fields are owned (S-501 R, I) */
	uint8_t internal;		/* made by akkod itself: not logged by default */
	uint8_t access_log;		/* observability.accessLogs */
	uint8_t denied_escapes;		/* TENC_*: entry point's and the router's */
	uint32_t metrics_slot;		/* in the live state; TNONE = not counted */
	uint32_t max_header_bytes;	/* of request and answer; 0: as usual */
	struct tvec owned;		/* struct tstr lower case: header names that an auth middleware of this router sets */
	struct tvec owned_regexps;	/* uint32_t: the same by authResponseHeadersRegex */
};

/*
 * One step of a rule. Rules are jump programs: every step tests one thing and
 * goes on at yes or no; TRULE_ACCEPT and TRULE_REJECT end. Jumps only go
 * forward, so a program of n steps ends after n steps.
 */
#define TRULE_ACCEPT	0xfffffffeu
#define TRULE_REJECT	0xffffffffu

enum trule_op {
	TRULE_TRUE,			/* Host(`*`) */
	TRULE_HOST,			/* text: lower case, no trailing dot */
	TRULE_HOST_WILD,		/* text: "d" of "*.d" */
	TRULE_HOST_REGEXP,
	TRULE_PATH,
	TRULE_PATH_PREFIX,
	TRULE_PATH_REGEXP,
	TRULE_METHOD,
	TRULE_HEADER,			/* name, text */
	TRULE_HEADER_REGEXP,
	TRULE_QUERY,			/* name, text ("" when one argument) */
	TRULE_QUERY_REGEXP,
	TRULE_CLIENT_IP,
	TRULE_OPS
};

struct trule {
	uint32_t op;
	uint32_t yes, no;		/* index relative to rule_first, or ACCEPT/REJECT */
	uint32_t regexp;		/* index in regexps, TNONE */
	struct tstr name;
	struct tstr text;
	struct cidr cidr;
};

/* Compiled lazily by each worker and cached by text (base/regexp.h). */
struct tregexp {
	struct tstr text;
};

/* ---- Services ---------------------------------------------------------- */

enum tservice_kind {
	TSERVICE_LOAD_BALANCER,
	TSERVICE_WEIGHTED,		/* its children by turns */
	TSERVICE_RANDOM_WEIGHT,		/* the child that the client's address chooses */
	TSERVICE_MIRRORING,		/* [0] answers, the others get copies */
	TSERVICE_FAILOVER,		/* [0]; [1] where that cannot */
	TSERVICE_MIDDLEWARES,		/* they run before the one child */
	TSERVICE_NOOP,			/* noop@internal: 418 */
	TSERVICE_PING,
	TSERVICE_READYZ,		/* readyz@internal: have all providers spoken? */
	TSERVICE_DEMO,			/* demo@internal: tells what it received */
	TSERVICE_DEMO_LOGIN,		/* demo-login@internal: form, cookie, verdict */
	TSERVICE_KINDS
};

/* How deep services may stand in each other, and how many in one. */
#define TSERVICE_DEPTH	16
#define TSERVICE_BELOW	4096

/*
 * Services refer to services, each to such of less depth only: so there is no
 * circle, and whoever follows them does so a bounded number of times.
 */
struct tservice {
	struct tstr name;		/* qualified */
	uint16_t kind;			/* enum tservice_kind */
	uint8_t pass_host_header;
	uint8_t not_ready;		/* ping: no provider has loaded yet */
	uint32_t transport;		/* index in transports */
	int64_t flush_interval_ns;	/* responseForwarding; negative: after each write */
	struct tvec servers;		/* uint32_t: index in servers, only those of weight > 0 */
	uint32_t live_slot;		/* balancer state in the live state; TNONE */
	uint32_t metrics_slot;
	uint32_t ping_status;		/* ping: while the worker stops */
	uint8_t depth;			/* above that of every service it refers to */
	uint8_t health;			/* whether it is up is known: healthCheck all the way down */
	uint8_t mirror_body;		/* mirroring: copies have the body */
	uint8_t reserved;
	struct tvec children;		/* struct tchild */
	struct tvec middlewares;	/* uint32_t: index in middlewares, outermost first */
	struct tvec statuses;		/* struct trange: answers of a failover's [0] that do not count */
	int64_t max_body;		/* mirroring, failover: kept of a request; -1: no bound */
	uint32_t below;			/* services that a walk through all children meets */
	uint32_t reserved2;
	struct tstr waiting;		/* readyz: for which providers; empty: none */
	/* Load balancers. */
	uint8_t by_turns;		/* servers take turns, and none is ever passed over */
	uint8_t strategy;		/* enum tstrategy */
	uint8_t reserved3[2];
	uint32_t check;			/* index in checks; TNONE */
	int64_t failure_window_ns;	/* passiveHealthCheck; 0: none */
	uint32_t failures;		/* requests in it after which a server is out */
	uint32_t reserved4;
	struct tvec sticky;		/* struct tsticky, none or one */
};

struct tchild {
	struct tstr name;		/* as configured: what hashes and cookies are made of */
	uint32_t service;		/* index in services */
	uint32_t weight;		/* of turns, above 0; of a mirror the percent */
};

enum tstrategy {
	TSTRATEGY_WRR, TSTRATEGY_P2C, TSTRATEGY_HRW, TSTRATEGY_LEASTTIME,
	TSTRATEGIES
};

/* A cookie that leads a client back to a server or child service. */
struct tsticky {
	struct tstr name;
	struct tstr attributes;		/* "; Path=/; Secure", as they go out */
	struct tvec keys;		/* struct tsticky_key: one for each, in their order */
};

/* Values of the cookie: 16 hexadecimal digits, and what Traefik once gave out. */
struct tsticky_key {
	uint64_t value;
	uint64_t fnv, fnv_fnv;		/* older: without leading zeros */
	struct tstr plain;		/* oldest: the URL or name itself */
};

/* An active health check. */
struct tcheck {
	uint32_t service;		/* index in services */
	uint16_t status;		/* that counts as up; 0: 200 to 399 */
	uint8_t grpc;			/* asks as grpc.health.v1 */
	uint8_t follow_redirects;
	struct tvec probes;		/* struct tprobe */
	struct tvec headers;		/* struct tpair */
	struct tstr method;
	struct tstr host;		/* empty: the server's own */
	int64_t interval_ns, unhealthy_interval_ns, timeout_ns;
};

struct tprobe {
	uint32_t server;		/* index in servers: whom to ask */
	uint32_t live_slot;		/* of the server that it tells about */
	struct tstr target;		/* path and query */
};

enum tscheme { TSCHEME_HTTP, TSCHEME_HTTPS, TSCHEME_H2C };

struct tserver {
	struct tstr url;		/* as configured, for logs */
	struct tstr authority;		/* host[:port] for Host when passHostHeader is false, ServiceAddr in the log */
	struct tstr host;		/* name or address alone: TLS name */
	struct tstr path;		/* only with preservePath, else empty */
	uint16_t port;
	uint8_t scheme;			/* enum tscheme */
	uint8_t resolved;		/* addrs is usable; 0: the name has no address (yet) */
	uint32_t weight;
	struct tvec addrs;		/* struct addr, tried in order */
	uint64_t pool_key;		/* equal key, equal upstream: scheme, host, port, transport */
	uint32_t live_slot;		/* health and in-flight count; TNONE */
	uint8_t fenced;			/* it ends: keeps its clients, gets no new ones */
	uint8_t reserved[3];
};

struct ttransport {
	struct tstr name;
	struct tstr server_name;	/* SNI and name to verify; empty: the server's host */
	uint8_t insecure_skip_verify;
	uint8_t system_roots;		/* no rootCAs given */
	uint8_t broken;			/* its TLS cannot be built: 500, never without verification */
	uint8_t disable_http2;		/* not offered */
	uint32_t root_cas;		/* index in blobs (concatenated DER certificates), TNONE */
	uint32_t client_cert;		/* index in certs of the client certificate, TNONE */
	uint16_t min_version, max_version;	/* 0x0303 = TLS 1.2; 0 = default */
	struct tstr ciphers;		/* OpenSSL list for TLS 1.2; empty: default */
	struct tvec peer_sans;		/* struct tstr: "dns:name" or "uri:..." */
	int64_t dial_timeout_ns;
	int64_t response_header_timeout_ns;	/* 0 = none */
	int64_t idle_conn_timeout_ns;
	int64_t read_idle_ns;		/* HTTP/2: then a ping; 0: none */
	int64_t ping_timeout_ns;	/* and its answer must come in */
	uint32_t max_idle_per_host;	/* 0: no reuse */
	uint32_t proxy_protocol;	/* version of the header that is sent; 0: none */
	uint64_t policy;		/* hash of what shapes TLS: one SSL_CTX each */
};

/* ---- TLS towards clients ----------------------------------------------- */

enum tclient_auth {
	TCLIENT_NONE, TCLIENT_REQUEST, TCLIENT_REQUIRE_ANY,
	TCLIENT_VERIFY_IF_GIVEN, TCLIENT_REQUIRE_AND_VERIFY
};

struct ttls_options {
	struct tstr name;		/* qualified: "mtls@file"; "default" */
	uint16_t min_version, max_version;	/* 0 = no bound beyond the built-in */
	uint8_t sni_strict;
	uint8_t no_tickets;
	uint8_t client_auth;		/* enum tclient_auth */
	uint8_t broken;
	struct tstr ciphers;		/* OpenSSL names, colon list; empty: built-in */
	struct tstr groups;		/* OpenSSL group list; empty: built-in */
	struct tvec alpn;		/* struct tstr in order; empty: built-in */
	uint32_t client_cas;		/* index in blobs, TNONE */
	uint32_t reserved;
	uint8_t policy[32];		/* digest of all above: session id context (S-407) */
};

struct tcert {
	struct tstr key_text;		/* sorted names joined by ',' (proxy.md 5.2) */
	struct tstr source;		/* file or object it came from, for messages */
	struct tvec chain;		/* struct tstr: DER, leaf first */
	uint32_t key_id;		/* in the key segment (keys.h) */
	uint32_t key_type;		/* 0 RSA, 1 EC, 2 Ed25519 */
	int64_t not_before;		/* unix seconds */
	int64_t not_after;
	uint8_t fingerprint[32];	/* SHA-256 of the leaf: cache key */
};

/* Sorted by (name, cert); "*.d" stands under its own text. */
struct tcert_name {
	struct tstr name;
	uint32_t cert;
	uint32_t reserved;
};

struct tblob {
	struct tstr data;
};

/* ---- Middlewares -------------------------------------------------------- */

enum tmw_kind {
	TMW_ADD_PREFIX,
	TMW_STRIP_PREFIX,
	TMW_STRIP_PREFIX_REGEX,
	TMW_REPLACE_PATH,
	TMW_REPLACE_PATH_REGEX,
	TMW_REDIRECT_SCHEME,
	TMW_REDIRECT_REGEX,
	TMW_HEADERS,
	TMW_IP_ALLOW_LIST,
	TMW_RATE_LIMIT,
	TMW_BASIC_AUTH,
	TMW_FORWARD_AUTH,
	TMW_ERRORS,
	TMW_COMPRESS,
	TMW_GRPC_WEB,
	TMW_KINDS
};

/* `config` is the offset of the kind's struct below. */
struct tmw {
	struct tstr name;		/* qualified */
	uint32_t kind;			/* enum tmw_kind */
	uint32_t config;
	uint32_t live_id;		/* rate limits: stable id of this instance in the live state; TNONE */
	uint32_t reserved;
};

struct tpair { struct tstr name, value; };

struct tmw_add_prefix { struct tstr prefix; };

struct tmw_strip_prefix {
	struct tvec prefixes;		/* struct tstr */
	uint32_t force_slash;
	uint32_t reserved;
};

struct tmw_strip_prefix_regex { struct tvec regexps; /* uint32_t */ };

struct tmw_replace_path { struct tstr path; };

/* Also redirectRegex. */
struct tmw_regex_replace {
	uint32_t regexp;
	uint32_t permanent;
	struct tstr replacement;	/* Go syntax: $1 ${name} $$ */
};

struct tmw_redirect_scheme {
	struct tstr scheme;
	struct tstr port;		/* empty: none */
	uint32_t permanent;
	uint32_t entry_point_redirect;	/* made by http.redirections */
};

struct tmw_headers {
	struct tvec request;		/* struct tpair; empty value deletes */
	struct tvec response;		/* struct tpair */
	uint8_t cors;			/* any accessControl* field is set */
	uint8_t allow_credentials;
	uint8_t max_age_set;
	uint8_t add_vary;
	uint8_t secure;			/* any field of the secure part is set */
	uint8_t sts_include_subdomains;
	uint8_t sts_preload;
	uint8_t force_sts;
	uint8_t frame_deny;
	uint8_t nosniff;
	uint8_t browser_xss;
	uint8_t is_development;
	uint8_t reserved[4];
	int64_t max_age;
	int64_t sts_seconds;
	struct tvec allow_headers;	/* struct tstr, all of these */
	struct tvec allow_methods;
	struct tvec allow_origins;
	struct tvec allow_origin_regexps;	/* uint32_t */
	struct tvec expose_headers;
	struct tvec allowed_hosts;	/* struct tstr */
	struct tvec hosts_proxy_headers;
	struct tvec ssl_proxy_headers;	/* struct tpair */
	struct tstr frame_options;
	struct tstr xss_value;
	struct tstr csp;
	struct tstr csp_report_only;
	struct tstr public_key;
	struct tstr referrer_policy;
	struct tstr permissions_policy;
};

/* How a client's address or key is found (ipStrategy, sourceCriterion). */
enum tsource_kind { TSOURCE_IP, TSOURCE_HEADER, TSOURCE_HOST };

struct tsource {
	uint32_t kind;			/* enum tsource_kind */
	uint32_t depth;			/* 0: unused */
	uint32_t ipv6_subnet;		/* 0: unused */
	uint32_t reserved;
	struct tvec excluded;		/* struct cidr */
	struct tstr header;
};

struct tmw_ip_allow_list {
	struct tvec ranges;		/* struct cidr */
	struct tsource source;
	uint32_t reject_status;
	uint32_t reserved;
};

struct tmw_rate_limit {
	int64_t average;		/* 0: no limit */
	int64_t period_ns;
	int64_t burst;
	struct tsource source;
};

struct tmw_basic_auth {
	struct tvec users;		/* struct tpair: name, hash; sorted by name */
	struct tstr realm;
	struct tstr header_field;
	uint32_t remove_header;
	uint32_t reserved;
};

enum ttristate { TTRI_UNSET, TTRI_FALSE, TTRI_TRUE };

struct tmw_forward_auth {
	uint32_t server;		/* index in servers */
	uint32_t transport;		/* index in transports */
	struct tstr target;		/* path and query of the address */
	struct tstr address;		/* whole, to resolve a relative Location */
	uint8_t trust_forward_header;	/* enum ttristate */
	uint8_t forward_body;
	uint8_t preserve_location;
	uint8_t preserve_method;
	uint8_t reserved[4];
	int64_t max_body;		/* -1: no bound */
	int64_t max_response_body;
	struct tvec response_headers;	/* struct tstr */
	uint32_t response_headers_regexp;	/* TNONE */
	uint32_t reserved2;
	struct tvec request_headers;	/* struct tstr; empty: all */
	struct tvec auth_cookies;	/* struct tstr */
	struct tstr header_field;
	struct tstr signin_url;
};

struct tmw_errors {
	struct tvec status;		/* struct trange */
	struct tvec rewrites;		/* struct trewrite, narrowest range first */
	uint32_t service;		/* index in services */
	uint32_t all_request_headers;	/* errorRequestHeaders unset */
	struct tvec request_headers;	/* struct tstr */
	struct tstr query;
};

struct trewrite { struct trange match; uint32_t status; uint32_t reserved; };

enum tencoding { TENCODING_GZIP, TENCODING_BR, TENCODING_ZSTD, TENCODINGS };

struct tmw_compress {
	struct tvec excluded;		/* struct tstr, lower-case media types */
	struct tvec included;
	uint32_t min_bytes;
	uint8_t encodings[4];		/* enum tencoding in order of preference */
	uint8_t nencodings;
	uint8_t default_encoding;	/* enum tencoding, 0xff: none */
	uint8_t reserved[6];
};

struct tmw_grpc_web { struct tvec allow_origins; /* struct tstr */ };

/* ---- Access log ---------------------------------------------------------- */

enum tlog_mode { TLOG_KEEP, TLOG_DROP, TLOG_REDACT };
enum tlog_format { TLOG_COMMON, TLOG_GENERIC_CLF, TLOG_JSON };

struct tlog_name {
	struct tstr name;		/* field or canonical header name */
	uint32_t mode;			/* enum tlog_mode */
	uint32_t reserved;
};

/* Proxy.md 6.1. Absent from the table: no access log. */
struct taccess_log {
	uint8_t format;			/* enum tlog_format */
	uint8_t fields_mode;		/* enum tlog_mode */
	uint8_t headers_mode;
	uint8_t query_mode;
	uint8_t add_internals;
	uint8_t filter;			/* any filter is set */
	uint8_t filter_retries;
	uint8_t reserved;
	int64_t min_duration_ns;	/* 0: unset */
	struct tvec statuses;		/* struct trange */
	struct tvec fields;		/* struct tlog_name */
	struct tvec headers;		/* struct tlog_name */
};

/* ---- Reading ------------------------------------------------------------- */

/* An image that table_check() has accepted; the mapping is borrowed. */
struct table {
	const uint8_t *base;
	size_t bytes;
	const struct table_hdr *hdr;
};

/*
 * Proves magic, ABI, size, checksum and every reference of an image of
 * foreign origin. 0, or -EPROTO with a short reason in *ret_why (static text).
 */
int	table_check(const void *image, size_t bytes, struct table *ret,
	    const char **ret_why);

static inline struct str
table_str(const struct table *t, struct tstr s)
{
	return (struct str){ (const char *)t->base + s.off, s.n };
}

static inline const void *
table_at(const struct table *t, uint32_t off)
{
	return t->base + off;
}

/* The i-th element of a vector of `type`: TABLE_VEC(t, v, struct x)[i]. */
#define TABLE_VEC(t, vec, type)						\
	((const type *)(const void *)((t)->base + (vec).off))
#define TABLE_REC(t, field, type, i)					\
	(&TABLE_VEC((t), (t)->hdr->field, type)[i])

static inline const struct trouter *
table_router(const struct table *t, uint32_t i)
{
	return TABLE_REC(t, routers, struct trouter, i);
}

static inline const struct tservice *
table_service(const struct table *t, uint32_t i)
{
	return TABLE_REC(t, services, struct tservice, i);
}

static inline const struct tserver *
table_server(const struct table *t, uint32_t i)
{
	return TABLE_REC(t, servers, struct tserver, i);
}

static inline const struct tcheck *
table_tcheck(const struct table *t, uint32_t i)
{
	return TABLE_REC(t, checks, struct tcheck, i);
}

static inline const struct tmw *
table_mw(const struct table *t, uint32_t i)
{
	return TABLE_REC(t, middlewares, struct tmw, i);
}

static inline const struct ttransport *
table_transport(const struct table *t, uint32_t i)
{
	return TABLE_REC(t, transports, struct ttransport, i);
}

static inline const struct tentry_point *
table_entry_point(const struct table *t, uint32_t i)
{
	return TABLE_REC(t, entry_points, struct tentry_point, i);
}

#endif
