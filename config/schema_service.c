/* SPDX-License-Identifier: BSD-2-Clause */
/* The schema of services; see schema.h. */
#include "schema_impl.h"

static void
server_defaults(void *obj)
{
	((struct server *)obj)->weight = 1;
}

static const struct sfield server_fields[] = {
	F("url", S_STR, server, url),
	F("weight", S_INT, server, weight),
	F("preservePath", S_BOOL, server, preserve_path),
	{ "fenced", S_PRIVATE, OFF(server, fenced), S_NO_ARG, NULL, 0 },
};
static const struct schema server = { "a server", N(server_fields),
    sizeof(struct server), .defaults = server_defaults,
    .place = OFF(server, place) };

static const struct sfield forwarding_fields[] = {
	F("flushInterval", S_DURATION, response_forwarding, flush_interval),
};
SCHEMA(forwarding, response_forwarding, "responseForwarding",
    .may_stand_alone = true);

static const struct sfield cookie_fields[] = {
	F("name", S_STR, sticky_cookie, name),
	F("secure", S_BOOL, sticky_cookie, secure),
	F("httpOnly", S_BOOL, sticky_cookie, http_only),
	F("sameSite", S_STR, sticky_cookie, same_site),
	F("maxAge", S_INT, sticky_cookie, max_age),
	F("path", S_STR, sticky_cookie, path),
	F("domain", S_STR, sticky_cookie, domain),
};
SCHEMA(cookie, sticky_cookie, "cookie", .may_stand_alone = true);

static const struct sfield sticky_fields[] = {
	SUB("cookie", S_OBJECT, sticky, cookie, cookie),
};
SCHEMA(sticky, sticky, "sticky", .may_stand_alone = true);

static void
health_defaults(void *obj)
{
	struct health_check *h = obj;

	h->interval = 30 * NSEC_SEC;
	h->timeout = 5 * NSEC_SEC;
	h->follow_redirects = true;
}

static const struct sfield health_fields[] = {
	F("scheme", S_STR, health_check, scheme),
	F("mode", S_STR, health_check, mode),
	F("path", S_STR, health_check, path),
	F("method", S_STR, health_check, method),
	F("status", S_INT, health_check, status),
	F("port", S_INT, health_check, port),
	F("interval", S_DURATION, health_check, interval),
	F("unhealthyInterval", S_DURATION, health_check, unhealthy_interval),
	F("timeout", S_DURATION, health_check, timeout),
	F("hostname", S_STR, health_check, hostname),
	F("followRedirects", S_BOOL, health_check, follow_redirects),
	FS("headers", S_PAIRS, health_check, headers, SECRET_FIELDS),
};
SCHEMA(health, health_check, "healthCheck", .defaults = health_defaults,
    .may_stand_alone = true);

static void
passive_defaults(void *obj)
{
	struct passive_health_check *p = obj;

	p->failure_window = 10 * NSEC_SEC;
	p->max_failed_attempts = 1;
}

static const struct sfield passive_fields[] = {
	F("failureWindow", S_DURATION, passive_health_check, failure_window),
	F("maxFailedAttempts", S_INT, passive_health_check,
	    max_failed_attempts),
};
SCHEMA(passive, passive_health_check, "passiveHealthCheck",
    .defaults = passive_defaults, .may_stand_alone = true);

static void
lb_defaults(void *obj)
{
	struct load_balancer *lb = obj;

	lb->response_forwarding.flush_interval = 100 * NSEC_MSEC;
}

static const struct sfield load_balancer_fields[] = {
	SUB("servers", S_LIST, load_balancer, servers, server),
	F("strategy", S_STR, load_balancer, strategy),
	F("passHostHeader", S_TRI, load_balancer, pass_host_header),
	F("serversTransport", S_STR, load_balancer, servers_transport),
	SUB("responseForwarding", S_STRUCT, load_balancer, response_forwarding,
	    forwarding),
	SUB("sticky", S_OBJECT, load_balancer, sticky, sticky),
	SUB("healthCheck", S_OBJECT, load_balancer, health_check, health),
	SUB("passiveHealthCheck", S_OBJECT, load_balancer,
	    passive_health_check, passive),
};
static const struct schema load_balancer = { "a loadBalancer",
    N(load_balancer_fields), sizeof(struct load_balancer),
    .defaults = lb_defaults, .may_stand_alone = true };

/* healthCheck of a group: that it is there says all. */
static const struct schema nothing = { "healthCheck", NULL, 0, 0,
    .may_stand_alone = true };
#define HEALTH(type) \
	{ "healthCheck", S_STRUCT, 0, OFF(type, health_check), &nothing, 0 }

static void
share_defaults(void *obj)
{
	((struct service_share *)obj)->weight = 1;
}

static const struct sfield share_fields[] = {
	F("name", S_STR, service_share, name),
	F("weight", S_INT, service_share, weight),
};
SCHEMA(share, service_share, "a weighted service",
    .defaults = share_defaults, .place = OFF(service_share, place));

static const struct sfield weighted_fields[] = {
	SUB("services", S_LIST, weighted, services, share),
	HEALTH(weighted),
	SUB("sticky", S_OBJECT, weighted, sticky, sticky),
};
SCHEMA(weighted, weighted, "weighted", .may_stand_alone = true);

static const struct sfield random_weight_fields[] = {
	SUB("services", S_LIST, weighted, services, share),
	HEALTH(weighted),
};
SCHEMA(random_weight, weighted, "highestRandomWeight",
    .may_stand_alone = true);

static const struct sfield mirror_fields[] = {
	F("name", S_STR, mirror, name),
	F("percent", S_INT, mirror, percent),
};
SCHEMA(mirror, mirror, "a mirror", .place = OFF(mirror, place));

static void
mirroring_defaults(void *obj)
{
	struct mirroring *m = obj;

	m->mirror_body = true;
	m->max_body_size = -1;
}

static const struct sfield mirroring_fields[] = {
	F("service", S_STR, mirroring, service),
	F("mirrorBody", S_BOOL, mirroring, mirror_body),
	F("maxBodySize", S_INT, mirroring, max_body_size),
	SUB("mirrors", S_LIST, mirroring, mirrors, mirror),
	HEALTH(mirroring),
};
SCHEMA(mirroring, mirroring, "mirroring", .defaults = mirroring_defaults);

static void
failover_errors_defaults(void *obj)
{
	((struct failover_errors *)obj)->max_body_size = -1;
}

static const struct sfield failover_errors_fields[] = {
	F("status", S_STRLIST, failover_errors, status),
	F("maxRequestBodyBytes", S_INT, failover_errors, max_body_size),
};
SCHEMA(failover_errors, failover_errors, "errors",
    .defaults = failover_errors_defaults);

static const struct sfield failover_fields[] = {
	F("service", S_STR, failover, service),
	F("fallback", S_STR, failover, fallback),
	HEALTH(failover),
	SUB("errors", S_OBJECT, failover, errors, failover_errors),
};
SCHEMA(failover, failover, "failover", .defaults = NULL);

static const struct sfield service_fields[] = {
	SUB("loadBalancer", S_OBJECT, service, load_balancer, load_balancer),
	SUB("weighted", S_OBJECT, service, weighted, weighted),
	SUB("mirroring", S_OBJECT, service, mirroring, mirroring),
	SUB("failover", S_OBJECT, service, failover, failover),
	SUB("highestRandomWeight", S_OBJECT, service, random_weight,
	    random_weight),
	F("middlewares", S_STRLIST, service, middlewares),
};
const struct schema schema_service_object = { "a service",
    N(service_fields), sizeof(struct service),
    .place = OFF(service, o.place), .may_stand_alone = true };
