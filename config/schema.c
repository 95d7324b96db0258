/* SPDX-License-Identifier: BSD-2-Clause */
/* The schema of Traefik's configuration as far as akkod knows it; see schema.h. */
#include "schema_impl.h"

#include <stdlib.h>

/* ---- Routers ------------------------------------------------------------- */

static const struct sfield domain_fields[] = {
	F("main", S_STR, domain, main),
	F("sans", S_STRLIST, domain, sans),
};
SCHEMA(domain, domain, "a domain", .defaults = NULL);

static const struct sfield router_tls_fields[] = {
	F("options", S_STR, router_tls, options),
	F("certResolver", S_STR, router_tls, cert_resolver),
	SUB("domains", S_LIST, router_tls, domains, domain),
};
SCHEMA(router_tls, router_tls, "tls", .may_stand_alone = true);

static const struct sfield observability_fields[] = {
	F("accessLogs", S_TRI, router_observability, access_logs),
	F("metrics", S_TRI, router_observability, metrics),
	F("tracing", S_TRI, router_observability, tracing),
	IGNORED("traceVerbosity"),
};
SCHEMA(observability, router_observability, "observability",
    .may_stand_alone = true);

static const struct sfield router_fields[] = {
	F("entryPoints", S_STRLIST, router, entry_points),
	F("rule", S_STR, router, rule_text),
	F("ruleSyntax", S_STR, router, rule_syntax),
	F("priority", S_INT, router, priority),
	F("maxHeaderBytes", S_INT, router, max_header_bytes),
	F("service", S_STR, router, service),
	F("middlewares", S_STRLIST, router, middlewares),
	SUB("tls", S_OBJECT, router, tls, router_tls),
	SUB("observability", S_STRUCT, router, observability, observability),
	LATER("parentRefs"),
};
static const struct schema router_schema = { "a router", N(router_fields),
    sizeof(struct router), .place = OFF(router, o.place),
    .may_stand_alone = true, .later = OFF(router, later) };

/* ---- Middlewares ---------------------------------------------------------------- */

static const struct sfield prefix_fields[] = {
	F("prefix", S_STR, mw_prefix, prefix),
};
SCHEMA(prefix, mw_prefix, "addPrefix", .defaults = NULL);

static const struct sfield strip_prefix_fields[] = {
	F("prefixes", S_STRLIST, mw_strip_prefix, prefixes),
	F("forceSlash", S_BOOL, mw_strip_prefix, force_slash),
};
SCHEMA(strip_prefix, mw_strip_prefix, "stripPrefix", .defaults = NULL);

static const struct sfield strip_prefix_regex_fields[] = {
	F("regex", S_STRLIST, mw_strip_prefix_regex, regex),
};
SCHEMA(strip_prefix_regex, mw_strip_prefix_regex, "stripPrefixRegex",
    .defaults = NULL);

static const struct sfield replace_path_fields[] = {
	F("path", S_STR, mw_replace_path, path),
};
SCHEMA(replace_path, mw_replace_path, "replacePath", .defaults = NULL);

static const struct sfield replace_path_regex_fields[] = {
	F("regex", S_STR, mw_replace_path_regex, regex),
	F("replacement", S_STR, mw_replace_path_regex, replacement),
};
SCHEMA(replace_path_regex, mw_replace_path_regex, "replacePathRegex",
    .defaults = NULL);

static const struct sfield redirect_regex_fields[] = {
	F("regex", S_STR, mw_redirect_regex, regex),
	F("replacement", S_STR, mw_redirect_regex, replacement),
	F("permanent", S_BOOL, mw_redirect_regex, permanent),
};
SCHEMA(redirect_regex, mw_redirect_regex, "redirectRegex", .defaults = NULL);

static const struct sfield redirect_scheme_fields[] = {
	F("scheme", S_STR, mw_redirect_scheme, scheme),
	F("port", S_STR, mw_redirect_scheme, port),
	F("permanent", S_BOOL, mw_redirect_scheme, permanent),
};
SCHEMA(redirect_scheme, mw_redirect_scheme, "redirectScheme", .defaults = NULL);

static const struct sfield chain_fields[] = {
	F("middlewares", S_STRLIST, mw_chain, middlewares),
};
SCHEMA(chain, mw_chain, "chain", .may_stand_alone = true);

static const struct sfield headers_fields[] = {
	FS("customRequestHeaders", S_PAIRS, mw_headers, custom_request_headers,
	    SECRET_FIELDS),
	FS("customResponseHeaders", S_PAIRS, mw_headers,
	    custom_response_headers, SECRET_FIELDS),
	F("accessControlAllowCredentials", S_BOOL, mw_headers, allow_credentials),
	F("accessControlAllowHeaders", S_STRLIST, mw_headers, allow_headers),
	F("accessControlAllowMethods", S_STRLIST, mw_headers, allow_methods),
	F("accessControlAllowOriginList", S_STRLIST, mw_headers, allow_origin_list),
	F("accessControlAllowOriginListRegex", S_STRLIST, mw_headers,
	    allow_origin_list_regex),
	F("accessControlExposeHeaders", S_STRLIST, mw_headers, expose_headers),
	FA("accessControlMaxAge", S_INT, mw_headers, max_age, max_age_set),
	F("addVaryHeader", S_BOOL, mw_headers, add_vary_header),
	F("allowedHosts", S_STRLIST, mw_headers, allowed_hosts),
	F("hostsProxyHeaders", S_STRLIST, mw_headers, hosts_proxy_headers),
	F("sslProxyHeaders", S_PAIRS, mw_headers, ssl_proxy_headers),
	F("stsSeconds", S_INT, mw_headers, sts_seconds),
	F("stsIncludeSubdomains", S_BOOL, mw_headers, sts_include_subdomains),
	F("stsPreload", S_BOOL, mw_headers, sts_preload),
	F("forceSTSHeader", S_BOOL, mw_headers, force_sts_header),
	F("frameDeny", S_BOOL, mw_headers, frame_deny),
	F("customFrameOptionsValue", S_STR, mw_headers, custom_frame_options_value),
	F("contentTypeNosniff", S_BOOL, mw_headers, content_type_nosniff),
	F("browserXssFilter", S_BOOL, mw_headers, browser_xss_filter),
	F("customBrowserXSSValue", S_STR, mw_headers, custom_browser_xss_value),
	F("contentSecurityPolicy", S_STR, mw_headers, content_security_policy),
	F("contentSecurityPolicyReportOnly", S_STR, mw_headers,
	    content_security_policy_report_only),
	F("publicKey", S_STR, mw_headers, public_key),
	F("referrerPolicy", S_STR, mw_headers, referrer_policy),
	F("permissionsPolicy", S_STR, mw_headers, permissions_policy),
	F("isDevelopment", S_BOOL, mw_headers, is_development),
	F("featurePolicy", S_STR, mw_headers, feature_policy),
	F("sslRedirect", S_BOOL, mw_headers, ssl_redirect),
	F("sslTemporaryRedirect", S_BOOL, mw_headers, ssl_temporary_redirect),
	F("sslHost", S_STR, mw_headers, ssl_host),
	F("sslForceHost", S_BOOL, mw_headers, ssl_force_host),
};
SCHEMA(headers, mw_headers, "headers", .defaults = NULL);

static const struct sfield ip_strategy_fields[] = {
	F("depth", S_INT, ip_strategy, depth),
	F("excludedIPs", S_STRLIST, ip_strategy, excluded_ips),
	F("ipv6Subnet", S_INT, ip_strategy, ipv6_subnet),
};
SCHEMA(ip_strategy, ip_strategy, "ipStrategy", .may_stand_alone = true);

static const struct sfield source_fields[] = {
	SUB("ipStrategy", S_OBJECT, source_criterion, ip_strategy, ip_strategy),
	F("requestHeaderName", S_STR, source_criterion, request_header_name),
	F("requestHost", S_BOOL, source_criterion, request_host),
};
SCHEMA(source, source_criterion, "sourceCriterion", .may_stand_alone = true);

static void
ip_allow_defaults(void *obj)
{
	((struct mw_ip_allow_list *)obj)->reject_status_code = 403;
}

static const struct sfield ip_allow_list_fields[] = {
	F("sourceRange", S_STRLIST, mw_ip_allow_list, source_range),
	SUB("ipStrategy", S_OBJECT, mw_ip_allow_list, ip_strategy, ip_strategy),
	F("rejectStatusCode", S_INT, mw_ip_allow_list, reject_status_code),
};
SCHEMA(ip_allow_list, mw_ip_allow_list, "ipAllowList",
    .defaults = ip_allow_defaults);

static void
rate_defaults(void *obj)
{
	struct mw_rate_limit *r = obj;

	r->period = NSEC_SEC;
	r->burst = 1;
}

static const struct sfield rate_limit_fields[] = {
	F("average", S_INT, mw_rate_limit, average),
	F("burst", S_INT, mw_rate_limit, burst),
	F("period", S_DURATION, mw_rate_limit, period),
	SUB("sourceCriterion", S_OBJECT, mw_rate_limit, source_criterion, source),
	LATER("redis"),
};
static const struct schema rate_limit = { "rateLimit", N(rate_limit_fields),
    sizeof(struct mw_rate_limit), .defaults = rate_defaults,
    .may_stand_alone = true, .later = OFF(mw_rate_limit, later) };

static const struct sfield basic_auth_fields[] = {
	FS("users", S_STRLIST, mw_basic_auth, users, SECRET_USERS),
	F("usersFile", S_STR, mw_basic_auth, users_file),
	F("realm", S_STR, mw_basic_auth, realm),
	F("headerField", S_STR, mw_basic_auth, header_field),
	F("removeHeader", S_BOOL, mw_basic_auth, remove_header),
};
SCHEMA(basic_auth, mw_basic_auth, "basicAuth", .defaults = NULL);

static const struct sfield client_tls_fields[] = {
	F("ca", S_STR, client_tls, ca), F("cert", S_STR, client_tls, cert),
	FS("key", S_STR, client_tls, key, SECRET_PEM),
	F("insecureSkipVerify", S_BOOL, client_tls, insecure_skip_verify),
	F("caOptional", S_TRI, client_tls, ca_optional),
};
SCHEMA(client_tls, client_tls, "tls", .may_stand_alone = true);

static void
forward_auth_defaults(void *obj)
{
	struct mw_forward_auth *a = obj;

	a->max_body_size = a->max_response_body_size = -1;
}

static const struct sfield forward_auth_fields[] = {
	F("address", S_STR, mw_forward_auth, address),
	SUB("tls", S_OBJECT, mw_forward_auth, tls, client_tls),
	F("trustForwardHeader", S_TRI, mw_forward_auth, trust_forward_header),
	F("authResponseHeaders", S_STRLIST, mw_forward_auth,
	    auth_response_headers),
	F("authResponseHeadersRegex", S_STR, mw_forward_auth,
	    auth_response_headers_regex),
	F("authRequestHeaders", S_STRLIST, mw_forward_auth,
	    auth_request_headers),
	F("addAuthCookiesToResponse", S_STRLIST, mw_forward_auth,
	    add_auth_cookies_to_response),
	F("headerField", S_STR, mw_forward_auth, header_field),
	F("forwardBody", S_BOOL, mw_forward_auth, forward_body),
	F("maxBodySize", S_INT, mw_forward_auth, max_body_size),
	F("maxResponseBodySize", S_INT, mw_forward_auth, max_response_body_size),
	F("preserveLocationHeader", S_BOOL, mw_forward_auth,
	    preserve_location_header),
	F("preserveRequestMethod", S_BOOL, mw_forward_auth,
	    preserve_request_method),
	F("authSigninURL", S_STR, mw_forward_auth, auth_signin_url),
};
SCHEMA(forward_auth, mw_forward_auth, "forwardAuth",
    .defaults = forward_auth_defaults);

static const struct sfield errors_fields[] = {
	F("status", S_STRLIST, mw_errors, status),
	F("statusRewrites", S_PAIRS, mw_errors, status_rewrites),
	F("service", S_STR, mw_errors, service),
	F("query", S_STR, mw_errors, query),
	FA("errorRequestHeaders", S_STRLIST, mw_errors, error_request_headers,
	    error_request_headers_set),
};
SCHEMA(errors, mw_errors, "errors", .defaults = NULL);

static void
compress_defaults(void *obj)
{
	((struct mw_compress *)obj)->min_response_body_bytes = 1024;
}

static const struct sfield compress_fields[] = {
	F("excludedContentTypes", S_STRLIST, mw_compress,
	    excluded_content_types),
	F("includedContentTypes", S_STRLIST, mw_compress,
	    included_content_types),
	F("encodings", S_STRLIST, mw_compress, encodings),
	F("minResponseBodyBytes", S_INT, mw_compress, min_response_body_bytes),
	F("defaultEncoding", S_STR, mw_compress, default_encoding),
};
SCHEMA(compress, mw_compress, "compress", .defaults = compress_defaults,
    .may_stand_alone = true);

static const struct sfield grpc_web_fields[] = {
	F("allowOrigins", S_STRLIST, mw_grpc_web, allow_origins),
};
SCHEMA(grpc_web, mw_grpc_web, "grpcWeb", .defaults = NULL);

static const struct sfield middleware_fields[] = {
	SUB("addPrefix", S_OBJECT, middleware, add_prefix, prefix),
	SUB("stripPrefix", S_OBJECT, middleware, strip_prefix, strip_prefix),
	SUB("stripPrefixRegex", S_OBJECT, middleware, strip_prefix_regex,
	    strip_prefix_regex),
	SUB("replacePath", S_OBJECT, middleware, replace_path, replace_path),
	SUB("replacePathRegex", S_OBJECT, middleware, replace_path_regex,
	    replace_path_regex),
	SUB("redirectRegex", S_OBJECT, middleware, redirect_regex,
	    redirect_regex),
	SUB("redirectScheme", S_OBJECT, middleware, redirect_scheme,
	    redirect_scheme),
	SUB("headers", S_OBJECT, middleware, headers, headers),
	SUB("ipAllowList", S_OBJECT, middleware, ip_allow_list, ip_allow_list),
	SUB("ipWhiteList", S_OBJECT, middleware, ip_white_list, ip_allow_list),
	SUB("rateLimit", S_OBJECT, middleware, rate_limit, rate_limit),
	SUB("basicAuth", S_OBJECT, middleware, basic_auth, basic_auth),
	SUB("forwardAuth", S_OBJECT, middleware, forward_auth, forward_auth),
	SUB("errors", S_OBJECT, middleware, errors, errors),
	SUB("compress", S_OBJECT, middleware, compress, compress),
	SUB("grpcWeb", S_OBJECT, middleware, grpc_web, grpc_web),
	SUB("chain", S_OBJECT, middleware, chain, chain),
	LATER("buffering"), LATER("circuitBreaker"), LATER("contentType"),
	LATER("digestAuth"), LATER("encodedCharacters"),
	LATER("inFlightReq"), LATER("passTLSClientCert"), LATER("plugin"),
	LATER("retry"),
};
static const struct schema middleware_schema = { "a middleware",
    N(middleware_fields), sizeof(struct middleware),
    .place = OFF(middleware, o.place), .later = OFF(middleware, later),
    .may_stand_alone = true };

/* ---- Transports, TLS -------------------------------------------------------------- */

static const struct sfield cert_files_fields[] = {
	F("certFile", S_STR, cert_files, cert_file),
	FS("keyFile", S_STR, cert_files, key_file, SECRET_PEM),
	F("stores", S_STRLIST, cert_files, stores),
};
static const struct schema cert_files = { "a certificate",
    N(cert_files_fields), sizeof(struct cert_files),
    .place = OFF(cert_files, place) };

static void
timeouts_defaults(void *obj)
{
	struct forwarding_timeouts *t = obj;

	t->dial = 30 * NSEC_SEC;
	t->idle_conn = 90 * NSEC_SEC;
	t->ping = 15 * NSEC_SEC;
}

static const struct sfield timeouts_fields[] = {
	F("dialTimeout", S_DURATION, forwarding_timeouts, dial),
	F("responseHeaderTimeout", S_DURATION, forwarding_timeouts,
	    response_header),
	F("idleConnTimeout", S_DURATION, forwarding_timeouts, idle_conn),
	F("readIdleTimeout", S_DURATION, forwarding_timeouts, read_idle),
	F("pingTimeout", S_DURATION, forwarding_timeouts, ping),
};
SCHEMA(timeouts, forwarding_timeouts, "forwardingTimeouts",
    .defaults = timeouts_defaults, .may_stand_alone = true);

static void
proxy_to_defaults(void *obj)
{
	((struct proxy_to *)obj)->version = 2;
}

static const struct sfield proxy_to_fields[] = {
	F("version", S_INT, proxy_to, version),
};
SCHEMA(proxy_to, proxy_to, "proxyProtocol", .defaults = proxy_to_defaults,
    .may_stand_alone = true);

static const struct sfield transport_fields[] = {
	F("serverName", S_STR, servers_transport, server_name),
	F("insecureSkipVerify", S_BOOL, servers_transport, insecure_skip_verify),
	F("rootCAs", S_STRLIST, servers_transport, root_cas),
	SUB("certificates", S_LIST, servers_transport, certificates, cert_files),
	F("cipherSuites", S_STRLIST, servers_transport, cipher_suites),
	F("minVersion", S_STR, servers_transport, min_version),
	F("maxVersion", S_STR, servers_transport, max_version),
	F("maxIdleConnsPerHost", S_INT, servers_transport,
	    max_idle_conns_per_host),
	SUB("forwardingTimeouts", S_OBJECT, servers_transport,
	    forwarding_timeouts, timeouts),
	F("disableHTTP2", S_BOOL, servers_transport, disable_http2),
	F("peerCertURI", S_STR, servers_transport, peer_cert_uri),
	SUB("proxyProtocol", S_OBJECT, servers_transport, proxy_protocol,
	    proxy_to),
	LATER("peerCertSANs"), LATER("spiffe"),
};
static const struct schema transport_schema = { "a serversTransport",
    N(transport_fields), sizeof(struct servers_transport),
    .place = OFF(servers_transport, o.place), .may_stand_alone = true,
    .later = OFF(servers_transport, later) };

static const struct sfield client_auth_fields[] = {
	F("caFiles", S_STRLIST, client_cert_auth, ca_files),
	F("clientAuthType", S_STR, client_cert_auth, type),
};
SCHEMA(client_auth, client_cert_auth, "clientAuth", .may_stand_alone = true);

static const struct sfield tls_options_fields[] = {
	F("minVersion", S_STR, tls_options, min_version),
	F("maxVersion", S_STR, tls_options, max_version),
	F("cipherSuites", S_STRLIST, tls_options, cipher_suites),
	F("curvePreferences", S_STRLIST, tls_options, curve_preferences),
	FA("alpnProtocols", S_STRLIST, tls_options, alpn_protocols, alpn_set),
	SUB("clientAuth", S_STRUCT, tls_options, client_auth, client_auth),
	F("sniStrict", S_BOOL, tls_options, sni_strict),
	F("disableSessionTickets", S_BOOL, tls_options, disable_session_tickets),
	F("preferServerCipherSuites", S_TRI, tls_options,
	    prefer_server_cipher_suites),
};
static const struct schema tls_options_schema = { "TLS options",
    N(tls_options_fields), sizeof(struct tls_options),
    .place = OFF(tls_options, o.place), .may_stand_alone = true };

static const struct sfield tls_store_fields[] = {
	SUB("defaultCertificate", S_OBJECT, tls_store, default_certificate,
	    cert_files),
	LATER("defaultGeneratedCert"),
};
static const struct schema tls_store_schema = { "a TLS store",
    N(tls_store_fields), sizeof(struct tls_store),
    .place = OFF(tls_store, o.place), .may_stand_alone = true,
    .later = OFF(tls_store, later) };

const struct schema *const schema_router = &router_schema;
const struct schema *const schema_service = &schema_service_object;
const struct schema *const schema_middleware = &middleware_schema;
const struct schema *const schema_transport = &transport_schema;
const struct schema *const schema_tls_options = &tls_options_schema;
const struct schema *const schema_tls_store = &tls_store_schema;
const struct schema *const schema_certificate = &cert_files;

/* ---- The dynamic part ---------------------------------------------------------------- */

static const struct sfield http_fields[] = {
	SUB("routers", S_MAP, dynamic, routers, router_schema),
	SUB("services", S_MAP, dynamic, services, schema_service_object),
	SUB("middlewares", S_MAP, dynamic, middlewares, middleware_schema),
	SUB("serversTransports", S_MAP, dynamic, transports, transport_schema),
	IGNORED("models"),
};
SCHEMA(http, dynamic, "http", .may_stand_alone = true);

static const struct sfield tls_fields[] = {
	SUB("certificates", S_LIST, dynamic, certificates, cert_files),
	SUB("options", S_MAP, dynamic, tls_options, tls_options_schema),
	SUB("stores", S_MAP, dynamic, tls_stores, tls_store_schema),
};
SCHEMA(tls, dynamic, "tls", .may_stand_alone = true);

static const struct sfield dynamic_file_fields[] = {
	{ "http", S_STRUCT, 0, OFF(dynamic, http_present), &http, 0 },
	{ "tls", S_STRUCT, 0, S_NO_ARG, &tls, 0 },
	STATIC_LATER("tcp"), STATIC_LATER("udp"),
};
const struct schema schema_dynamic_file = { "a provider's file",
    N(dynamic_file_fields), sizeof(struct dynamic), .may_stand_alone = true };

/* The inline structs of an entry point all read into the entry point itself. */
#define EP(key, s)	{ key, S_STRUCT, 0, S_NO_ARG, &s, 0 }

/* ---- Entry points ----------------------------------------------------------------------- */

static const struct sfield redirect_fields[] = {
	F("to", S_STR, redirection, to), F("scheme", S_STR, redirection, scheme),
	F("permanent", S_TRI, redirection, permanent),
	F("priority", S_INT, redirection, priority),
};
SCHEMA(redirect, redirection, "entryPoint", .defaults = NULL);

static const struct sfield redirections_fields[] = {
	SUB("entryPoint", S_OBJECT, entry_point, redirection, redirect),
};
SCHEMA(redirections, entry_point, "redirections", .may_stand_alone = true);

static const struct sfield encoded_fields[] = {
	F("allowEncodedSlash", S_TRI, encoded_characters, slash),
	F("allowEncodedBackSlash", S_TRI, encoded_characters, backslash),
	F("allowEncodedNullCharacter", S_TRI, encoded_characters, nul),
	F("allowEncodedSemicolon", S_TRI, encoded_characters, semicolon),
	F("allowEncodedPercent", S_TRI, encoded_characters, percent),
	F("allowEncodedQuestionMark", S_TRI, encoded_characters, question),
	F("allowEncodedHash", S_TRI, encoded_characters, hash),
};
SCHEMA(encoded, encoded_characters, "encodedCharacters",
    .may_stand_alone = true);

static const struct sfield ep_http_fields[] = {
	EP("redirections", redirections),
	F("middlewares", S_STRLIST, entry_point, middlewares),
	SUB("tls", S_OBJECT, entry_point, tls, router_tls),
	F("encodeQuerySemicolons", S_BOOL, entry_point, encode_query_semicolons),
	F("sanitizePath", S_TRI, entry_point, sanitize_path),
	SUB("encodedCharacters", S_OBJECT, entry_point, encoded_characters,
	    encoded),
	F("maxHeaderBytes", S_INT, entry_point, max_header_bytes),
	F("underscoreHeadersStrategy", S_STR, entry_point, underscore_strategy),
	F("ambiguousPaths", S_STR, entry_point, ambiguous_paths),
};
SCHEMA(ep_http, entry_point, "http", .may_stand_alone = true);

static const struct sfield ep_timeouts_fields[] = {
	F("readTimeout", S_DURATION, entry_point, timeouts.read),
	F("writeTimeout", S_DURATION, entry_point, timeouts.write),
	F("idleTimeout", S_DURATION, entry_point, timeouts.idle),
};
SCHEMA(ep_timeouts, entry_point, "respondingTimeouts", .may_stand_alone = true);

static const struct sfield ep_life_fields[] = {
	F("requestAcceptGraceTimeout", S_DURATION, entry_point, accept_grace),
	F("graceTimeOut", S_DURATION, entry_point, grace),
};
SCHEMA(ep_life, entry_point, "lifeCycle", .may_stand_alone = true);

static const struct sfield ep_transport_fields[] = {
	EP("respondingTimeouts", ep_timeouts), EP("lifeCycle", ep_life),
	F("keepAliveMaxRequests", S_INT, entry_point, keep_alive_max_requests),
	F("keepAliveMaxTime", S_DURATION, entry_point, keep_alive_max_time),
};
SCHEMA(ep_transport, entry_point, "transport", .may_stand_alone = true);

static const struct sfield ep_forwarded_fields[] = {
	F("insecure", S_BOOL, entry_point, forwarded.insecure),
	F("trustedIPs", S_STRLIST, entry_point, forwarded.trusted_ips),
	F("connection", S_STRLIST, entry_point, forwarded.connection),
	F("notAppendXForwardedFor", S_BOOL, entry_point,
	    forwarded.not_append_xff),
	F("addXForwardedSchemeHeaders", S_BOOL, entry_point,
	    forwarded.add_scheme_headers),
};
SCHEMA(ep_forwarded, entry_point, "forwardedHeaders", .may_stand_alone = true);

static const struct sfield http2_fields[] = {
	F("maxConcurrentStreams", S_INT, entry_point, http2_max_streams),
	F("webSocket", S_BOOL, entry_point, http2_websocket),
	IGNORED("maxDecoderHeaderTableSize"),
	IGNORED("maxEncoderHeaderTableSize"),
};
SCHEMA(http2, entry_point, "http2", .may_stand_alone = true);

static bool
in_pod(void)
{
	return getenv("KUBERNETES_SERVICE_HOST") != NULL;
}

nsec_t
default_grace(void)
{
	return (in_pod() ? 25 : 10) * NSEC_SEC;
}

nsec_t
default_accept_grace(void)
{
	return in_pod() ? 4500 * NSEC_MSEC : 0;
}

static void
ep_defaults(void *obj)
{
	struct entry_point *e = obj;

	e->timeouts.read = -1;		/* unset: see akkod.yaml(5) */
	e->timeouts.idle = 180 * NSEC_SEC;
	e->grace = default_grace();
	e->accept_grace = default_accept_grace();
	e->http2_max_streams = 250;
	e->http2_websocket = true;
}

static const struct sfield proxy_protocol_fields[] = {
	F("insecure", S_BOOL, proxy_protocol, insecure),
	F("trustedIPs", S_STRLIST, proxy_protocol, trusted_ips),
};
SCHEMA(proxy_protocol, proxy_protocol, "proxyProtocol", .defaults = NULL);

static const struct sfield entry_point_fields[] = {
	F("address", S_STR, entry_point, address),
	F("asDefault", S_BOOL, entry_point, as_default),
	F("reusePort", S_BOOL, entry_point, reuse_port),
	F("allowACMEByPass", S_BOOL, entry_point, allow_acme_bypass),
	EP("transport", ep_transport), EP("forwardedHeaders", ep_forwarded),
	EP("http", ep_http), EP("http2", http2),
	SUB("observability", S_STRUCT, entry_point, observability,
	    observability),
	SUB("proxyProtocol", S_OBJECT, entry_point, proxy_protocol,
	    proxy_protocol),
	STATIC_LATER("http3"),
	IGNORED("udp"),
};
static const struct schema entry_point_schema = { "an entry point",
    N(entry_point_fields), sizeof(struct entry_point),
    .defaults = ep_defaults, .place = OFF(entry_point, o.place),
    .may_stand_alone = true };

/* ---- Logs ----------------------------------------------------------------------------------- */

static void
log_defaults(void *obj)
{
	struct log_config *l = obj;

	l->max_size = 100;
	l->compress = true;
}

static const struct sfield log_fields_[] = {
	F("level", S_STR, log_config, level),
	F("format", S_STR, log_config, format),
	F("filePath", S_STR, log_config, file_path),
	F("noColor", S_BOOL, log_config, no_color),
	F("maxSize", S_INT, log_config, max_size),
	F("maxAge", S_INT, log_config, max_age),
	F("maxBackups", S_INT, log_config, max_backups),
	F("compress", S_BOOL, log_config, compress),
	STATIC_LATER("otlp"),
};
static const struct schema log_schema = { "log", N(log_fields_),
    sizeof(struct log_config), .defaults = log_defaults,
    .place = OFF(log_config, place), .may_stand_alone = true };

static const struct sfield filters_fields[] = {
	F("statusCodes", S_STRLIST, access_log_config, filters.status_codes),
	F("retryAttempts", S_BOOL, access_log_config, filters.retry_attempts),
	F("minDuration", S_DURATION, access_log_config, filters.min_duration),
};
SCHEMA(filters, access_log_config, "filters", .may_stand_alone = true);

static const struct sfield log_headers_fields[] = {
	F("defaultMode", S_STR, access_log_config, fields.headers.default_mode),
	F("names", S_PAIRS, access_log_config, fields.headers.names),
};
SCHEMA(log_headers, access_log_config, "headers", .may_stand_alone = true);

static const struct sfield log_query_fields[] = {
	F("defaultMode", S_STR, access_log_config, fields.query.default_mode),
	STATIC_LATER("names"),
};
SCHEMA(log_query, access_log_config, "queryParameters",
    .may_stand_alone = true);

static const struct sfield access_fields_fields[] = {
	F("defaultMode", S_STR, access_log_config, fields.default_mode),
	F("names", S_PAIRS, access_log_config, fields.names),
	{ "headers", S_STRUCT, 0, S_NO_ARG, &log_headers, 0 },
	{ "queryParameters", S_STRUCT, 0, S_NO_ARG, &log_query, 0 },
};
SCHEMA(access_fields, access_log_config, "fields", .may_stand_alone = true);

static const struct sfield access_log_fields[] = {
	F("filePath", S_STR, access_log_config, file_path),
	F("format", S_STR, access_log_config, format),
	{ "filters", S_STRUCT, 0, S_NO_ARG, &filters, 0 },
	{ "fields", S_STRUCT, 0, S_NO_ARG, &access_fields, 0 },
	F("bufferingSize", S_INT, access_log_config, buffering_size),
	F("addInternals", S_BOOL, access_log_config, add_internals),
	STATIC_LATER("otlp"), IDLE("dualOutput"),
};
SCHEMA(access_log, access_log_config, "accessLog",
    .place = OFF(access_log_config, place), .may_stand_alone = true);

/* ---- The rest of the static part ------------------------------------------------------------- */

static const struct sfield file_fields[] = {
	F("filename", S_STR, file_provider, filename),
	F("directory", S_STR, file_provider, directory),
	F("watch", S_TRI, file_provider, watch),
	IGNORED("debugLogGeneratedTemplate"),
};
static const struct schema file = { "file", N(file_fields),
    sizeof(struct file_provider), .place = OFF(file_provider, place) };

static const struct sfield kube_status_fields[] = {
	F("ip", S_STR, kube_provider, status.ip),
	F("hostname", S_STR, kube_provider, status.hostname),
	F("publishedService", S_STR, kube_provider, status.published_service),
};
SCHEMA(kube_status, kube_provider, "ingressEndpoint", .may_stand_alone = true);

#define KUBE_FIELDS							\
	F("endpoint", S_STR, kube_provider, endpoint),			\
	FS("token", S_STR, kube_provider, token, SECRET_VALUE),		\
	F("certAuthFilePath", S_STR, kube_provider, ca_file),		\
	F("namespaces", S_STRLIST, kube_provider, namespaces),		\
	F("labelSelector", S_STR, kube_provider, label_selector),	\
	F("ingressClass", S_STR, kube_provider, ingress_class),		\
	F("throttleDuration", S_DURATION, kube_provider, throttle),	\
	F("allowEmptyServices", S_BOOL, kube_provider,			\
	    allow_empty_services),					\
	F("allowExternalNameServices", S_BOOL, kube_provider,		\
	    allow_external_names),					\
	F("nativeLBByDefault", S_BOOL, kube_provider, native_lb),	\
	F("disableClusterScopeResources", S_BOOL, kube_provider,	\
	    no_cluster_scope),						\
	FA("crossProviderNamespaces", S_STRLIST, kube_provider,		\
	    cross_provider, cross_provider_set)

static const struct sfield kube_ingress_fields[] = {
	KUBE_FIELDS,
	{ "ingressEndpoint", S_STRUCT, 0, S_NO_ARG, &kube_status, 0 },
	F("disableIngressClassLookup", S_BOOL, kube_provider, no_class_lookup),
	F("strictPrefixMatching", S_BOOL, kube_provider, strict_prefix),
	F("reportNodeInternalIPs", S_BOOL, kube_provider, report_node_ips),
};
const struct schema schema_kube_ingress = { "kubernetesIngress",
    N(kube_ingress_fields), sizeof(struct kube_provider),
    .place = OFF(kube_provider, place), .may_stand_alone = true };

static const struct sfield kube_crd_fields[] = {
	KUBE_FIELDS,
	F("allowCrossNamespace", S_BOOL, kube_provider, allow_cross_namespace),
};
const struct schema schema_kube_crd = { "kubernetesCRD",
    N(kube_crd_fields), sizeof(struct kube_provider),
    .place = OFF(kube_provider, place), .may_stand_alone = true };

static const struct sfield providers_fields[] = {
	SUB("file", S_OBJECT, config, file, file),
	SUB("kubernetesIngress", S_OBJECT, config, kube_ingress,
	    schema_kube_ingress),
	SUB("kubernetesCRD", S_OBJECT, config, kube_crd, schema_kube_crd),
	F("providersThrottleDuration", S_DURATION, config, throttle),
	F("precedence", S_STRLIST, config, precedence),
	STATIC_LATER("kubernetesGateway"), STATIC_LATER("docker"),
	STATIC_LATER("swarm"), STATIC_LATER("consul"),
	STATIC_LATER("consulCatalog"), STATIC_LATER("nomad"),
	STATIC_LATER("ecs"), STATIC_LATER("etcd"), STATIC_LATER("redis"),
	STATIC_LATER("zooKeeper"), STATIC_LATER("http"),
	STATIC_LATER("rest"), STATIC_LATER("plugin"),
};
SCHEMA(providers, config, "providers", .place = OFF(config, providers_place),
    .may_stand_alone = true);

static void
ping_defaults(void *obj)
{
	((struct ping_config *)obj)->terminating_status = 503;
}

static const struct sfield ping_fields[] = {
	F("entryPoint", S_STR, ping_config, entry_point),
	F("manualRouting", S_BOOL, ping_config, manual_routing),
	F("terminatingStatusCode", S_INT, ping_config, terminating_status),
};
SCHEMA(ping, ping_config, "ping", .defaults = ping_defaults,
    .place = OFF(ping_config, place), .may_stand_alone = true);

static const struct sfield limits_fields[] = {
	F("connections", S_INT, akkod_limits, connections),
	F("perAddress", S_INT, akkod_limits, per_address),
	F("fibers", S_INT, akkod_limits, fibers),
	F("perServer", S_INT, akkod_limits, per_server),
	F("handshakeTime", S_DURATION, akkod_limits, handshake),
	F("firstByteTime", S_DURATION, akkod_limits, first_byte),
	F("headTime", S_DURATION, akkod_limits, head),
	F("bodyGap", S_DURATION, akkod_limits, body),
	F("writeGap", S_DURATION, akkod_limits, write),
	F("tunnelIdle", S_DURATION, akkod_limits, tunnel),
};
SCHEMA(limits, akkod_limits, "limits", .may_stand_alone = true);

static const struct sfield akkod_tls_fields[] = {
	F("records", S_STR, akkod_tls, records),
	F("smallRecordsFrom", S_DURATION, akkod_tls, small_records_from),
};
SCHEMA(akkod_tls, akkod_tls, "tls", .may_stand_alone = true);

static const struct sfield akkod_fields[] = {
	F("workers", S_INT, akkod_config, workers),
	F("io", S_STR, akkod_config, io),
	F("user", S_STR, akkod_config, user),
	F("runtimeDirectory", S_STR, akkod_config, runtime_directory),
	F("stateDirectory", S_STR, akkod_config, state_directory),
	F("orphanGrace", S_DURATION, akkod_config, orphan_grace),
	F("kubernetesSnapshot", S_BOOL, akkod_config, kubernetes_snapshot),
	SUB("limits", S_STRUCT, akkod_config, limits, limits),
	SUB("tls", S_STRUCT, akkod_config, tls, akkod_tls),
};
SCHEMA(akkod, akkod_config, "akkod", .place = OFF(akkod_config, place),
    .may_stand_alone = true);

static const struct sfield core_fields[] = {
	F("defaultRuleSyntax", S_STR, config, default_rule_syntax),
};
SCHEMA(core, config, "core", .place = OFF(config, core_place),
    .may_stand_alone = true);

static const struct sfield api_fields[] = {
	F("basePath", S_STR, config, api_base_path),
	IDLE("insecure"), IDLE("dashboard"), IDLE("debug"),
	IGNORED("disableDashboardAd"), IGNORED("dashboardName"),
};
SCHEMA(api, config, "api", .place = OFF(config, api_place),
    .may_stand_alone = true);

static void
root_defaults(void *obj)
{
	struct config *c = obj;

	c->throttle = 2 * NSEC_SEC;
	c->akkod.orphan_grace = 10 * NSEC_SEC;
	c->akkod.tls.small_records_from = 20 * NSEC_MSEC;
	c->akkod.kubernetes_snapshot = true;
	c->default_transport.max_idle_conns_per_host = 200;
	log_defaults(&c->log);
}

static const struct sfield root_fields[] = {
	SUB("entryPoints", S_MAP, config, entry_points, entry_point_schema),
	SUB("log", S_STRUCT, config, log, log_schema),
	SUB("accessLog", S_OBJECT, config, access_log, access_log),
	{ "providers", S_STRUCT, 0, S_NO_ARG, &providers, 0 },
	SUB("ping", S_OBJECT, config, ping, ping),
	SUB("serversTransport", S_STRUCT, config, default_transport,
	    transport_schema),
	SUB("akkod", S_STRUCT, config, akkod, akkod),
	{ "http", S_STRUCT, OFF(config, dynamic),
	    OFF(config, dynamic.http_present), &http, 0 },
	SUB("tls", S_STRUCT, config, dynamic, tls),
	{ "core", S_STRUCT, 0, S_NO_ARG, &core, 0 },
	{ "api", S_STRUCT, 0, S_NO_ARG, &api, 0 },
	IGNORED("global"), IDLE("metrics"), IGNORED("tcpServersTransport"),
	STATIC_LATER("tcp"), STATIC_LATER("udp"),
	STATIC_LATER("certificatesResolvers"), STATIC_LATER("tracing"),
	STATIC_LATER("hostResolver"), STATIC_LATER("experimental"),
	STATIC_LATER("spiffe"), STATIC_LATER("ocsp"),
};
const struct schema schema_root = { "the configuration", N(root_fields),
    sizeof(struct config), .defaults = root_defaults,
    .may_stand_alone = true };
