/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration as plain C, after reading and before any merging: what the
 * YAML says, defaults filled in, durations in nanoseconds. Schema.c describes
 * each struct here once; that description reads, checks and diagnoses.
 *
 * Everything lives in the arena of its `struct config` and is freed with it.
 */
#ifndef MODEL_H
#define MODEL_H

#include "arena.h"
#include "clock.h"
#include "str.h"

struct rule;

struct place {
	const char *file;
	unsigned line, column;		/* from 1; 0: not from a file */
};

struct strlist { char **v; unsigned n; };
struct strpair { char *name, *value; struct place place; };
struct pairlist { struct strpair *v; unsigned n; };
#define LIST(type) struct { struct type *v; unsigned n; }

enum tri { TRI_UNSET, TRI_FALSE, TRI_TRUE };

/* What came of an object. */
enum verdict {
	VERDICT_OK,
	VERDICT_BROKEN,		/* keeps its match, answers 503 */
	VERDICT_UNUSABLE	/* a router without match */
};

/* First member of everything that has a name. */
struct object {
	char *name;		/* as written; qualified ("x@file") by the world */
	struct place place;
	enum verdict verdict;
	char *why;		/* the first reason; all are in the diagnostics */
};

/* ---- Dynamic part ------------------------------------------------------- */

struct domain { char *main; struct strlist sans; };

struct router_tls {
	char *options;
	char *cert_resolver;
	struct { struct domain *v; unsigned n; } domains;
};

struct router_observability { enum tri access_logs, metrics, tracing; };

struct router {
	struct object o;
	struct strlist entry_points;
	char *rule_text;
	char *rule_syntax;
	int64_t priority;
	char *service;
	struct strlist middlewares;
	struct router_tls *tls;
	struct router_observability observability;
	int64_t max_header_bytes;	/* akkod; 0: as the entry point */
	struct rule *rule;		/* parsed; NULL when unusable */
	char *later;			/* an option that is not supported yet */
	bool internal;			/* made by akkod itself */
	uint8_t denied_escapes;		/* TENC_* of its entry point */
};

struct server {
	char *url;
	int64_t weight;			/* default 1 */
	bool preserve_path;
	bool fenced;			/* ends: nothing new is sent there */
	struct place place;
};

struct response_forwarding { nsec_t flush_interval; };

struct sticky_cookie {
	char *name, *same_site, *path, *domain;
	bool secure, http_only;
	int64_t max_age;
};
struct sticky { struct sticky_cookie *cookie; };

struct health_check {
	char *scheme, *mode, *path, *method, *hostname;
	int64_t status, port;		/* 0: any from 200 to 399; the server's */
	nsec_t interval, unhealthy_interval, timeout;	/* 0: the default */
	bool follow_redirects;
	struct pairlist headers;
};

struct passive_health_check {
	nsec_t failure_window;
	int64_t max_failed_attempts;
};

struct load_balancer {
	struct { struct server *v; unsigned n; } servers;
	char *strategy;
	enum tri pass_host_header;
	char *servers_transport;
	struct response_forwarding response_forwarding;
	struct sticky *sticky;
	struct health_check *health_check;
	struct passive_health_check *passive_health_check;
};

/* A share of the requests: a service by the name as written. */
struct service_share {
	char *name;
	int64_t weight;			/* default 1; below 1 it gets none */
	struct place place;
};

/* Also highestRandomWeight. */
struct weighted {
	LIST(service_share) services;
	bool health_check;		/* tells who refers to it how it is */
	struct sticky *sticky;		/* not of highestRandomWeight */
};

struct mirror { char *name; int64_t percent; struct place place; };

struct mirroring {
	char *service;
	bool mirror_body;
	int64_t max_body_size;		/* -1: no bound */
	LIST(mirror) mirrors;
	bool health_check;
};

struct failover_errors { struct strlist status; int64_t max_body_size; };

struct failover {
	char *service, *fallback;
	bool health_check;
	struct failover_errors *errors;
};

/* Exactly one kind is set. The names in it are as written. */
struct service {
	struct object o;
	struct load_balancer *load_balancer;
	struct weighted *weighted, *random_weight;
	struct mirroring *mirroring;
	struct failover *failover;
	struct strlist middlewares;
};

struct ip_strategy {
	int64_t depth;
	struct strlist excluded_ips;
	int64_t ipv6_subnet;
};

struct source_criterion {
	struct ip_strategy *ip_strategy;
	char *request_header_name;
	bool request_host;
};

struct mw_prefix { char *prefix; };
struct mw_strip_prefix { struct strlist prefixes; bool force_slash; };
struct mw_strip_prefix_regex { struct strlist regex; };
struct mw_replace_path { char *path; };
struct mw_replace_path_regex { char *regex, *replacement; };
struct mw_redirect_regex { char *regex, *replacement; bool permanent; };
struct mw_redirect_scheme { char *scheme, *port; bool permanent; };
struct mw_chain { struct strlist middlewares; };

struct mw_headers {
	struct pairlist custom_request_headers, custom_response_headers;
	bool allow_credentials;
	struct strlist allow_headers, allow_methods, allow_origin_list,
	    allow_origin_list_regex, expose_headers;
	int64_t max_age;
	bool max_age_set;
	bool add_vary_header;
	struct strlist allowed_hosts, hosts_proxy_headers;
	struct pairlist ssl_proxy_headers;
	int64_t sts_seconds;
	bool sts_include_subdomains, sts_preload, force_sts_header;
	bool frame_deny, content_type_nosniff, browser_xss_filter;
	char *custom_frame_options_value, *custom_browser_xss_value;
	char *content_security_policy, *content_security_policy_report_only;
	char *public_key, *referrer_policy, *permissions_policy;
	bool is_development;
	/* Deprecated, without effect; they count as "something is set". */
	char *feature_policy, *ssl_host;
	bool ssl_redirect, ssl_temporary_redirect, ssl_force_host;
};

struct mw_ip_allow_list {
	struct strlist source_range;
	struct ip_strategy *ip_strategy;
	int64_t reject_status_code;
};

struct mw_rate_limit {
	int64_t average, burst;
	nsec_t period;
	struct source_criterion *source_criterion;
	char *later;
};

struct mw_basic_auth {
	struct strlist users;
	char *users_file, *realm, *header_field;
	bool remove_header;
};

struct client_tls {
	char *ca, *cert, *key;
	bool insecure_skip_verify;
	enum tri ca_optional;
};

struct mw_forward_auth {
	char *address;
	struct client_tls *tls;
	enum tri trust_forward_header;
	struct strlist auth_response_headers, auth_request_headers,
	    add_auth_cookies_to_response;
	char *auth_response_headers_regex, *header_field, *auth_signin_url;
	bool forward_body, preserve_location_header, preserve_request_method;
	int64_t max_body_size, max_response_body_size;
};

struct mw_errors {
	struct strlist status;
	struct pairlist status_rewrites;
	char *service, *query;
	struct strlist error_request_headers;
	bool error_request_headers_set;
};

struct mw_compress {
	struct strlist excluded_content_types, included_content_types, encodings;
	int64_t min_response_body_bytes;
	char *default_encoding;
};

struct mw_grpc_web { struct strlist allow_origins; };

/* Exactly one kind is set. */
struct middleware {
	struct object o;
	struct mw_prefix *add_prefix;
	struct mw_strip_prefix *strip_prefix;
	struct mw_strip_prefix_regex *strip_prefix_regex;
	struct mw_replace_path *replace_path;
	struct mw_replace_path_regex *replace_path_regex;
	struct mw_redirect_regex *redirect_regex;
	struct mw_redirect_scheme *redirect_scheme;
	struct mw_headers *headers;
	struct mw_ip_allow_list *ip_allow_list;
	struct mw_ip_allow_list *ip_white_list;
	struct mw_rate_limit *rate_limit;
	struct mw_basic_auth *basic_auth;
	struct mw_forward_auth *forward_auth;
	struct mw_errors *errors;
	struct mw_compress *compress;
	struct mw_grpc_web *grpc_web;
	struct mw_chain *chain;
	char *later;			/* a kind that is not supported yet */
};

struct cert_files { char *cert_file, *key_file; struct strlist stores; struct place place; };
struct certlist { struct cert_files *v; unsigned n; };

struct forwarding_timeouts {
	nsec_t dial, response_header, idle_conn, read_idle, ping;
};

struct proxy_to { int64_t version; };

struct servers_transport {
	struct object o;
	char *server_name;
	bool insecure_skip_verify;
	struct strlist root_cas;
	struct certlist certificates;
	struct strlist cipher_suites;
	char *min_version, *max_version;
	int64_t max_idle_conns_per_host;
	struct forwarding_timeouts *forwarding_timeouts;
	bool disable_http2;
	char *peer_cert_uri;
	struct proxy_to *proxy_protocol;	/* akkod; NULL: none is sent */
	char *later;
};

struct client_cert_auth { struct strlist ca_files; char *type; };

struct tls_options {
	struct object o;
	char *min_version, *max_version;
	struct strlist cipher_suites, curve_preferences, alpn_protocols;
	bool alpn_set;
	struct client_cert_auth client_auth;
	bool sni_strict, disable_session_tickets;
	enum tri prefer_server_cipher_suites;
};

struct tls_store {
	struct object o;
	struct cert_files *default_certificate;
	char *later;
};

struct dynamic {
	LIST(router) routers;
	LIST(service) services;
	LIST(middleware) middlewares;
	LIST(servers_transport) transports;
	struct certlist certificates;
	LIST(tls_options) tls_options;
	LIST(tls_store) tls_stores;
	bool http_present;		/* an `http:` section stands there */
};

/* ---- Static part ------------------------------------------------------------ */

struct redirection { char *to, *scheme; enum tri permanent; int64_t priority; };

struct encoded_characters {
	enum tri slash, backslash, nul, semicolon, percent, question, hash;
};

struct proxy_protocol { bool insecure; struct strlist trusted_ips; };

struct entry_point {
	struct object o;
	char *address;
	bool as_default, reuse_port;
	struct {
		nsec_t read, write, idle;
	} timeouts;
	nsec_t accept_grace, grace;
	int64_t keep_alive_max_requests;
	nsec_t keep_alive_max_time;
	struct {
		bool insecure, not_append_xff, add_scheme_headers;
		struct strlist trusted_ips, connection;
	} forwarded;
	struct proxy_protocol *proxy_protocol;
	struct strlist middlewares;
	struct router_tls *tls;
	struct redirection *redirection;
	bool allow_acme_bypass;		/* challenges are not redirected */
	bool encode_query_semicolons;
	enum tri sanitize_path;
	struct encoded_characters *encoded_characters;
	int64_t max_header_bytes;
	char *underscore_strategy;
	char *ambiguous_paths;		/* akkod: allow|check */
	struct router_observability observability;
	int64_t http2_max_streams;
	bool http2_websocket;		/* akkod: RFC 8441 */
};

struct log_config {
	char *level, *format, *file_path;
	bool no_color;
	int64_t max_size, max_age, max_backups;
	bool compress;
	struct place place;
};

struct log_fields {
	char *default_mode;
	struct pairlist names;
	struct { char *default_mode; struct pairlist names; } headers;
	struct { char *default_mode; } query;
};

struct access_log_config {
	char *file_path, *format;
	struct {
		struct strlist status_codes;
		bool retry_attempts;
		nsec_t min_duration;
	} filters;
	struct log_fields fields;
	int64_t buffering_size;
	bool add_internals;
	struct place place;
};

struct file_provider {
	char *filename, *directory;
	enum tri watch;
	struct place place;
};

/* One Kubernetes provider's options; each of the two uses what it knows. */
struct kube_provider {
	char *endpoint, *token, *ca_file;
	struct strlist namespaces;	/* none: all */
	char *label_selector, *ingress_class;
	nsec_t throttle;
	bool allow_empty_services, allow_external_names, native_lb;
	bool no_cluster_scope;		/* neither Nodes nor IngressClasses */
	struct strlist cross_provider;
	bool cross_provider_set;	/* unset: every namespace may */
	/* kubernetesIngress alone */
	bool no_class_lookup, strict_prefix, report_node_ips;
	struct {
		char *ip, *hostname, *published_service;
	} status;
	/* kubernetesCRD alone */
	bool allow_cross_namespace;
	struct place place;
};

struct ping_config {
	char *entry_point;
	bool manual_routing;
	int64_t terminating_status;
	struct place place;
};

/* 0: the default. */
struct akkod_limits {
	int64_t connections, per_address, fibers, per_server;
	nsec_t handshake, first_byte, head, body, write, tunnel;
};

struct akkod_tls {
	char *records;			/* own, openssl; NULL: own */
	nsec_t small_records_from;	/* round trip to the client */
};

struct akkod_config {
	int64_t workers;		/* 0: one per CPU */
	char *io, *user, *runtime_directory, *state_directory;
	struct akkod_limits limits;
	nsec_t orphan_grace;		/* how long workers serve without a master */
	bool kubernetes_snapshot;	/* keep what Kubernetes said on disk */
	struct akkod_tls tls;
	struct place place;
};

struct config {
	struct arena arena;
	LIST(entry_point) entry_points;
	struct log_config log;
	struct access_log_config *access_log;
	struct file_provider *file;
	struct kube_provider *kube_ingress, *kube_crd;
	nsec_t throttle;
	struct ping_config *ping;
	char *default_rule_syntax, *api_base_path;
	struct strlist precedence;
	struct place providers_place, core_place, api_place;
	struct servers_transport default_transport;
	struct akkod_config akkod;
	struct dynamic dynamic;		/* the dynamic part of the same document */
};

/*
 * How long requests may go on after the stop, and how long new connections are
 * taken before that, where the configuration does not say: in a pod as much as
 * Kubernetes grants (30 s together), with time for others to learn of the end.
 */
nsec_t	default_grace(void);
nsec_t	default_accept_grace(void);

#endif
