/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of traefik.io/v1alpha1 by the numbered cases of Traefik's behaviour
 * (kubernetes.md 6.3 and 6.4).
 */
#include "kube_world.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define META(ns, name)	"'metadata': {'namespace': '" ns "', 'name': '" name "'}"
#define OBJ(kind, ns, name, spec)					\
	"{'kind': '" kind "', " META(ns, name) ", 'spec': {" spec "}}"
#define PORTS(p)	"'ports': [" p "]"
#define P(name, n)	"{'name': '" name "', 'port': " #n "}"
#define EP(ip)		"{'addresses': ['" ip "'], 'conditions': {'ready': true}}"
#define SLICE(ns, service, ports, endpoints)				\
	"{'kind': 'EndpointSlice', 'metadata': {'namespace': '" ns	\
	"', 'name': '" service "-1', 'labels': {"			\
	"'kubernetes.io/service-name': '" service "'}}, 'ports': ["	\
	ports "], 'endpoints': [" endpoints "]}"
#define EXT(name, ports)						\
	OBJ("Service", "shop", name, "'type': 'ExternalName', "		\
	"'externalName': 'ext.demo.test', " PORTS(ports))
#define M	"Host(`a.demo.test`) && PathPrefix(`/v1`)"
#define ROUTE_X(match, services, more)					\
	"{'match': '" match "', 'kind': 'Rule', 'priority': 12, "	\
	"'services': [" services "]" more "}"
#define FRONT(more, routes)						\
	OBJ("IngressRoute", "shop", "front.route", "'entryPoints': ['web'], " \
	more "'routes': [" routes "]")
#define API	"{'name': 'api', 'port': 80}"
#define API2	"{'name': 'api2', 'port': 8080}"
#define WITH(services)	"[" FRONT("", ROUTE_X(M, services, "")) "]"
#define MORE(more)	"[" FRONT("", ROUTE_X(M, API, more)) "]"
#define SPEC(more)	"[" FRONT(more, ROUTE_X(M, API, "")) "]"
#define WITH_AND(services, objects)					\
	"[" objects ", " FRONT("", ROUTE_X(M, services, "")) "]"
#define TS(name, spec)	OBJ("TraefikService", "shop", name, spec)
#define TSREF(name)	"{'name': '" name "', 'kind': 'TraefikService'}"
#define MW(ns, name, spec)	OBJ("Middleware", ns, name, spec)
#define SECRET(name, type, data)					\
	"{'kind': 'Secret', 'type': '" type "', " META("shop", name)	\
	", 'data': {" data "}}"

static const char base[] = "["
    OBJ("Service", "shop", "api", PORTS(P("web", 80))) ", "
    SLICE("shop", "api", P("web", 80), EP("10.2.0.1") ", " EP("10.2.0.2"))
    ", " OBJ("Service", "shop", "api2", PORTS(P("web", 8080))) ", "
    SLICE("shop", "api2", P("web", 8080), EP("10.2.0.3") ", "
    EP("10.2.0.4")) ", "
    OBJ("Service", "shop", "sec", PORTS(P("websecure", 443))) ", "
    SLICE("shop", "sec", P("websecure", 8443), EP("10.2.0.5")) ", "
    OBJ("Service", "shop", "sec2", PORTS(P("websecure2", 8443))) ", "
    SLICE("shop", "sec2", P("websecure2", 8443), EP("10.2.0.6")) ", "
    OBJ("Service", "other", "api", PORTS(P("web", 80))) ", "
    SLICE("other", "api", P("web", 80), EP("10.3.0.1")) ", "
    EXT("ext", "") ", " EXT("ext80", P("http", 80)) ", "
    EXT("ext443", P("https", 443)) ", "
    OBJ("Service", "shop", "empty", PORTS(P("web", 80))) ", "
    SLICE("shop", "empty", P("web", 80), "") ", "
    FRONT("", ROUTE_X(M, API, "")) "]";

#define K	"shop-front-route-8fcb5cbdd5af3156a464"
#define RK	"R " K ": " M " -> " K " prio=12 ep=web"
#define RX(service)	"R " K ": " M " -> " service " prio=12 ep=web\n"
#define S_API	"http://10.2.0.1:80 http://10.2.0.2:80"
#define SK	"S " K ": " S_API "\n"
#define R2	RK "\n" SK
#define L_API	"S shop-api-80: " S_API "\n"
#define L_API2	"S shop-api2-8080: http://10.2.0.3:8080 http://10.2.0.4:8080\n"
#define ONE(url)	RK "\nS " K ": " url "\n"

static const struct world_case routes[] = {
	{ "89", NULL, NULL, R2 },
	{ "89b", NULL, MORE(", 'observability': {'accessLogs': false}"),
	    RK " logs=0\n" SK },
	{ "90", NULL, "[" FRONT("", ROUTE_X("", API, "")) "]", "" },
	{ "90b", NULL, "[" FRONT("", "{'match': '" M "', 'services': [" API
	    "], 'priority': 12}") "]", R2 },
	{ "90c", NULL, "[" FRONT("", "{'match': '" M "', 'kind': 'Other', "
	    "'services': [" API "]}") "]", "" },
	{ "91", NULL, "[" FRONT("", ROUTE_X(M, API, "") ", "
	    ROUTE_X("Host(`b.demo.test`)", API, "")) "]",
	    "R shop-front-route-337c02ff3bc175bbd4c4: Host(`b.demo.test`) -> "
	    "shop-front-route-337c02ff3bc175bbd4c4 prio=12 ep=web\n" RK "\n"
	    "S shop-front-route-337c02ff3bc175bbd4c4: " S_API "\n" SK },
	{ "93", "{'ingressClass': 'tchou'}", NULL, "" },
	{ "93b", "{'ingressClass': 'tchou'}", SPEC("'ingressClassName': "
	    "'tchou', "), R2 },
	{ "93c", NULL, SPEC("'ingressClassName': 'nginx', "), "" },
	{ "93d", NULL, SPEC("'ingressClassName': 'traefik', "), R2 },
	{ "94", NULL, MORE(", 'middlewares': [{'name': 'mw'}]"),
	    RK " mw=shop-mw\n" SK },
	{ "94b", "{'allowCrossNamespace': true}", MORE(", 'middlewares': "
	    "[{'name': 'mw', 'namespace': 'other'}]"), RK " mw=other-mw\n"
	    SK },
	{ "94c", NULL, MORE(", 'middlewares': [{'name': 'mw@file'}]"),
	    RK " mw=mw@file\n" SK },
	{ "94d", NULL, MORE(", 'middlewares': [{'name': 'multi---dash'}]"),
	    RK " mw=shop-multi-dash\n" SK },
	{ "108", NULL, SPEC("'tls': {}, "), RK " tls\n" SK },
	{ "109", NULL, SPEC("'tls': {'options': {'name': 'opt'}}, "),
	    RK " tls=shop-opt\n" SK },
	{ "109b", "{'allowCrossNamespace': true}", SPEC("'tls': {'options': "
	    "{'name': 'opt', 'namespace': 'other'}}, "), RK
	    " tls=other-opt\n" SK },
	{ "112", NULL, SPEC("'tls': {'certResolver': 'le', 'domains': "
	    "[{'main': 'd', 'sans': ['x.d']}]}, "), RK
	    " tls resolver=le domain=d/x.d\n" SK },
	{ "129", NULL, "[" OBJ("IngressRoute", "shop", "child",
	    "'parentRefs': [{'name': 'gone'}], 'routes': [" ROUTE_X("Path(`/`)",
	    API, "") "]") "]", R2 },
};

START_TEST(ingress_routes)
{
	world_check(routes, sizeof(routes) / sizeof(routes[0]), 1, base);
}
END_TEST

static const struct world_case services[] = {
	{ "113", NULL, WITH("{'name': 'sec', 'port': 443}"),
	    ONE("https://10.2.0.5:8443") },
	{ "113b", NULL, WITH("{'name': 'sec2', 'port': 8443, 'scheme': "
	    "'https'}"), ONE("https://10.2.0.6:8443") },
	{ "113c", NULL, WITH("{'name': 'sec2', 'port': 8443}"),
	    ONE("http://10.2.0.6:8443") },
	{ "114", NULL, WITH("{'name': 'api', 'port': 80, 'scheme': 'h2c'}"),
	    ONE("h2c://10.2.0.1:80 h2c://10.2.0.2:80") },
	{ "114b", NULL, WITH("{'name': 'api', 'port': 80, 'scheme': 'foo'}"),
	    "" },
	{ "115", NULL, WITH("{'name': 'api'}"), "" },
	{ "115b", NULL, WITH("{'name': 'api', 'port': 0}"), "" },
	{ "115c", NULL, WITH("{'name': 'api', 'port': 'web'}"), R2 },
	{ "115d", NULL, WITH("{'name': 'api', 'port': '80'}"), "" },
	{ "115e", NULL, WITH("{'name': 'api', 'port': 81}"), "" },
	{ "115f", NULL, WITH("{'name': 'gone', 'port': 80}"), "" },
	{ "120", NULL, WITH("{'name': 'api', 'port': 80, 'passHostHeader': "
	    "false, 'responseForwarding': {'flushInterval': '10s'}}"),
	    ONE(S_API " host=no flush=10000ms") },
	{ "120b", NULL, WITH("{'name': 'api', 'port': 80, "
	    "'responseForwarding': {'flushInterval': '2'}}"),
	    ONE(S_API " flush=2000ms") },
	{ "122", "{'allowExternalNameServices': true}",
	    WITH("{'name': 'ext', 'port': 8000}"),
	    ONE("http://ext.demo.test:8000") },
	{ "122b", "{'allowExternalNameServices': true}",
	    WITH("{'name': 'ext80', 'port': 80}"),
	    ONE("http://ext.demo.test:80") },
	{ "122c", "{'allowExternalNameServices': true}",
	    WITH("{'name': 'ext443', 'port': 443}"),
	    ONE("https://ext.demo.test:443") },
	{ "122d", "{'allowExternalNameServices': true}",
	    WITH("{'name': 'ext'}"), "" },
	{ "122e", "{'allowExternalNameServices': true}",
	    WITH("{'name': 'ext80', 'port': 'nope'}"), "" },
	{ "124", NULL, WITH("{'name': 'empty', 'port': 80}"), "" },
	{ "124b", "{'allowEmptyServices': true}",
	    WITH("{'name': 'empty', 'port': 80}"), ONE("(none)") },
	{ "137", NULL, WITH("{'name': 'ext80', 'port': 80}"), "" },
	{ "138", NULL, "[" OBJ("Service", "shop", "api", "'clusterIP': "
	    "'10.96.0.9', " PORTS(P("web", 80))) ", " FRONT("", ROUTE_X(M,
	    "{'name': 'api', 'port': 80, 'nativeLB': true}", "")) "]",
	    ONE("http://10.96.0.9:80") },
	{ "138b", "{'nativeLBByDefault': true}", "[" OBJ("Service", "shop",
	    "api", "'clusterIP': '10.96.0.9', " PORTS(P("web", 80))) "]",
	    ONE("http://10.96.0.9:80") },
	{ "138c", "{'nativeLBByDefault': true}", "[" OBJ("Service", "shop",
	    "api", "'clusterIP': '10.96.0.9', " PORTS(P("web", 80))) ", "
	    FRONT("", ROUTE_X(M, "{'name': 'api', 'port': 80, 'nativeLB': "
	    "false}", "")) "]", R2 },
	{ "139", NULL, "[" OBJ("Service", "shop", "api", "'type': 'NodePort', "
	    "'ports': [{'name': 'web', 'port': 80, 'nodePort': 32456}]")
	    ", {'kind': 'Node', 'metadata': {'name': 'n'}, 'status': "
	    "{'addresses': [{'type': 'InternalIP', 'address': '172.16.4.4'}]}"
	    "}, " FRONT("", ROUTE_X(M, "{'name': 'api', 'port': 80, "
	    "'nodePortLB': true}", "")) "]", ONE("http://172.16.4.4:32456") },
	{ "139b", "{'disableClusterScopeResources': true}", "[" OBJ("Service",
	    "shop", "api", "'type': 'NodePort', 'ports': [{'name': 'web', "
	    "'port': 80, 'nodePort': 32456}]") ", " FRONT("", ROUTE_X(M,
	    "{'name': 'api', 'port': 80, 'nodePortLB': true}", "")) "]", "" },
	{ "4.4", NULL, WITH("{'name': 'api', 'port': 80, 'strategy': "
	    "'nonsense'}"), "" },
	{ "105", "{'allowExternalNameServices': true}", WITH("{'name': "
	    "'ext443', 'port': 443, 'healthCheck': {'path': '/up', "
	    "'interval': '15s'}}"), ONE("https://ext.demo.test:443 check=/up "
	    "interval 15/15 timeout 5") },
	{ "105b", "{'allowExternalNameServices': true}", WITH("{'name': "
	    "'ext443', 'port': 443, 'healthCheck': {'path': '/', 'interval': "
	    "7, 'unhealthyInterval': '2s', 'timeout': '1s', "
	    "'followRedirects': false}}"), ONE("https://ext.demo.test:443 "
	    "check=/ interval 7/2 timeout 1 as is") },
	{ "105c", "{'allowExternalNameServices': true}", WITH("{'name': "
	    "'ext443', 'port': 443, 'healthCheck': {'path': "
	    "'http://evil/'}}"), ONE("https://ext.demo.test:443 "
	    "check=http://evil/ interval 30/30 timeout 5 BROKEN") },
	{ "106", "{'allowExternalNameServices': true}", WITH("{'name': "
	    "'ext443', 'port': 443, 'healthCheck': {'path': '/a'}}, {'name': "
	    "'ext80', 'port': 80, 'healthCheck': {'path': '/b'}}"), RK "\n"
	    "S shop-ext443-443: https://ext.demo.test:443 check=/a interval "
	    "30/30 timeout 5\nS shop-ext80-80: http://ext.demo.test:80 "
	    "check=/b interval 30/30 timeout 5\n"
	    "S " K ": weighted shop-ext443-443*1 shop-ext80-80*1\n" },
	{ "107", NULL, WITH("{'name': 'api', 'port': 80, 'healthCheck': "
	    "{'path': '/x'}}"), "" },
	{ "107b", "{'allowExternalNameServices': true}", WITH("{'name': "
	    "'ext443', 'port': 443, 'healthCheck': {'path': '/a'}}, {'name': "
	    "'api', 'port': 80, 'healthCheck': {'path': '/x'}}"),
	    "S shop-ext443-443: https://ext.demo.test:443 check=/a interval "
	    "30/30 timeout 5\n" },
	{ "4.4b", NULL, WITH("{'name': 'api', 'port': 80, "
	    "'passiveHealthCheck': {'maxFailedAttempts': 3, 'failureWindow': "
	    "'2s'}}"), ONE(S_API " passive 3 in 2") },
	{ "4.4c", NULL, WITH("{'name': 'api', 'port': 80, "
	    "'passiveHealthCheck': {}}"), ONE(S_API " passive 1 in 10") },
	{ "127", NULL, WITH("{'name': 'api', 'port': 80, 'sticky': "
	    "{'cookie': {'name': 'lb', 'secure': true, 'httpOnly': true, "
	    "'sameSite': 'none', 'maxAge': 60}}}"),
	    ONE(S_API " sticky=lb;path=/;secure;http;site=none;age=60") },
	{ "127b", NULL, WITH("{'name': 'api', 'port': 80, 'sticky': "
	    "{'cookie': {'path': '/app', 'domain': 'demo.test'}}}"),
	    ONE(S_API " sticky=;path=/app;domain=demo.test") },
	{ "128", NULL, WITH("{'name': 'api', 'port': 80, 'strategy': "
	    "'leasttime'}"), ONE(S_API " leasttime") },
	{ "128b", NULL, WITH("{'name': 'api', 'port': 80, 'strategy': "
	    "'RoundRobin'}"), R2 },
	{ "128c", NULL, WITH("{'name': 'api', 'port': 80, 'strategy': "
	    "'p2c'}"), ONE(S_API " p2c") },
};

START_TEST(service_entries)
{
	world_check(services, sizeof(services) / sizeof(services[0]), 1,
	    base);
}
END_TEST

static const struct world_case policies[] = {
	{ "130", NULL, "[" FRONT("", ROUTE_X(M, API, ", 'middlewares': "
	    "[{'name': 'mw', 'namespace': 'other'}]") ", "
	    ROUTE_X("Host(`b.demo.test`)", API, "")) "]",
	    "R shop-front-route-337c02ff3bc175bbd4c4: Host(`b.demo.test`) -> "
	    "shop-front-route-337c02ff3bc175bbd4c4 prio=12 ep=web\n"
	    "S shop-front-route-337c02ff3bc175bbd4c4: " S_API "\n" },
	{ "130b", NULL, MORE(", 'middlewares': [{'name': "
	    "'other-mw@kubernetescrd'}]"), "" },
	{ "130c", NULL, "[" MW("shop", "c", "'chain': {'middlewares': "
	    "[{'name': 'x', 'namespace': 'other'}]}") "]",
	    "M shop-c:  BROKEN\n" R2 },
	{ "130d", NULL, "[" MW("shop", "c", "'chain': {'middlewares': "
	    "[{'name': 'x'}, {'name': 'y@file'}]}") "]",
	    "M shop-c: chain shop-x,y@file\n" R2 },
	{ "131", NULL, WITH("{'name': 'api', 'namespace': 'other', 'port': "
	    "80}"), "" },
	{ "132", NULL, WITH("{'name': 'api', 'port': 80, 'serversTransport': "
	    "'other-t@kubernetescrd'}"), "" },
	{ "132b", NULL, SPEC("'tls': {'options': {'name': 'opt', "
	    "'namespace': 'other'}}, "), SK },
	{ "132c", NULL, WITH("{'name': 'api', 'port': 80, 'serversTransport':"
	    " 'test'}"), ONE(S_API " transport=shop-test") },
	{ "133", "{'allowCrossNamespace': true}", WITH("{'name': 'api', "
	    "'namespace': 'other', 'port': 80}"), ONE("http://10.3.0.1:80") },
	{ "134", "{'crossProviderNamespaces': []}", MORE(", 'middlewares': "
	    "[{'name': 'm@file'}]"), "" },
	{ "134b", "{'crossProviderNamespaces': ['shop']}", MORE(
	    ", 'middlewares': [{'name': 'm@file'}]"), RK " mw=m@file\n" SK },
	{ "134c", "{'crossProviderNamespaces': ['other']}", MORE(
	    ", 'middlewares': [{'name': 'm@file'}]"), "" },
	{ "136", "{'crossProviderNamespaces': []}", WITH("{'name': 'api', "
	    "'port': 80, 'serversTransport': 't@file'}"), "" },
};

START_TEST(who_may_refer)
{
	world_check(policies, sizeof(policies) / sizeof(policies[0]), 1,
	    base);
}
END_TEST

static const struct world_case middlewares[] = {
	{ "prefix", NULL, "[" MW("shop", "p", "'addPrefix': {'prefix': "
	    "'/x'}") "]", "M shop-p: addPrefix /x\n" R2 },
	{ "rate", NULL, "[" MW("shop", "r", "'rateLimit': {'average': 7, "
	    "'period': '1m'}") "]", "M shop-r: rateLimit 7/60000ms\n" R2 },
	{ "rate-int", NULL, "[" MW("shop", "r", "'rateLimit': {'average': 7, "
	    "'period': 2}") "]", "M shop-r: rateLimit 7/2000ms\n" R2 },
	{ "unknown", NULL, "[" MW("shop", "r", "'rateLimit': {'averag': 7}")
	    "]", "M shop-r: rateLimit 0/1000ms BROKEN\n" R2 },
	{ "two", NULL, "[" MW("shop", "b", "'addPrefix': {'prefix': '/x'}, "
	    "'rateLimit': {'average': 7}") "]", "M shop-b: addPrefix /x"
	    "rateLimit 7/1000ms BROKEN\n" R2 },
	/* "user:pass1\n\nbob:pass2\n" */
	{ "116", NULL, "[" SECRET("users", "Opaque", "'any': "
	    "'dXNlcjpwYXNzMQoKYm9iOnBhc3MyCg=='") ", " MW("shop", "a",
	    "'basicAuth': {'secret': 'users'}") "]",
	    "M shop-a: basicAuth user:pass1,bob:pass2\n" R2 },
	{ "116b", NULL, "[" SECRET("users", "kubernetes.io/basic-auth",
	    "'username': 'dXNlcg==', 'password': 'czNjcmV0'") ", " MW("shop",
	    "a", "'basicAuth': {'secret': 'users'}") "]", "M shop-a: "
	    "basicAuth user:{SHA}/vNB+F2HQ559kaLUZbmHHvZrXpg=\n" R2 },
	{ "116c", NULL, "[" MW("shop", "a", "'basicAuth': {'secret': "
	    "'gone'}") "]", "M shop-a:  BROKEN\n" R2 },
	{ "116d", NULL, "[" SECRET("users", "Opaque", "'a': 'eA==', 'b': "
	    "'eA=='") ", " MW("shop", "a", "'basicAuth': {'secret': 'users'}")
	    "]", "M shop-a:  BROKEN\n" R2 },
	/* What a file may say and an object may not. */
	{ "file", NULL, "[" MW("shop", "a", "'basicAuth': {'usersFile': "
	    "'/etc/shadow'}") "]", "M shop-a:  BROKEN\n" R2 },
	{ "file2", NULL, "[" MW("shop", "f", "'forwardAuth': {'address': "
	    "'http://x', 'tls': {'ca': '/etc/shadow', 'cert': '/a', 'key': "
	    "'/b'}}") "]", "M shop-f: forwardAuth http://x\n" R2 },
	{ "117", NULL, "[" MW("shop", "f", "'forwardAuth': {'address': "
	    "'http://x', 'tls': {'caSecret': 'gone'}}") "]",
	    "M shop-f:  BROKEN\n" R2 },
	{ "119", NULL, "[" MW("shop", "err", "'errors': {'status': ['500'], "
	    "'query': '/{status}', 'service': " API "}") "]",
	    "M shop-err: errors shop-err-errorpage-service\n" RK "\n"
	    "S shop-err-errorpage-service: " S_API "\n" SK },
	{ "119b", NULL, "[" MW("shop", "err", "'errors': {'status': ['500'], "
	    "'service': " TSREF("w1") "}") "]",
	    "M shop-err: errors shop-w1\n" R2 },
	{ "119c", NULL, "[" MW("shop", "err", "'errors': {'status': ['500'], "
	    "'service': {'name': 'gone', 'port': 80}}") "]",
	    "M shop-err:  BROKEN\n" R2 },
	{ "none", NULL, "[" MW("shop", "n", "") "]", "M shop-n:  BROKEN\n"
	    R2 },
};

START_TEST(middleware_kinds)
{
	world_check(middlewares, sizeof(middlewares) /
	    sizeof(middlewares[0]), 1, base);
}
END_TEST

static const struct world_case others[] = {
	{ "96", NULL, WITH(TSREF("w1")), RX("shop-w1") },
	{ "111", NULL, "[" OBJ("TLSOption", "shop", "default", "'minVersion':"
	    " 'VersionTLS12'") "]", "O default: min=VersionTLS12 cas=0\n" R2 },
	{ "111b", NULL, "[" OBJ("TLSOption", "shop", "default", "") ", "
	    OBJ("TLSOption", "other", "default", "") ", "
	    OBJ("TLSOption", "shop", "own.opt", "'sniStrict': true") "]",
	    "O shop-own-opt: min= cas=0\n" R2 },
	/* Traefik would stop to ask for certificates; akkod closes. */
	{ "154", NULL, "[" OBJ("TLSOption", "shop", "m", "'clientAuth': "
	    "{'secretNames': ['gone']}") "]", "O shop-m: min= cas=0 BROKEN\n"
	    R2 },
	{ "121", NULL, "[" OBJ("TLSStore", "shop", "default", "") "]",
	    "B default: \n" R2 },
	{ "121b", NULL, "[" OBJ("TLSStore", "shop", "default", "") ", "
	    OBJ("TLSStore", "other", "default", "") "]", R2 },
	{ "123", NULL, "[" OBJ("ServersTransport", "shop", "test",
	    "'serverName': 'x', 'insecureSkipVerify': true, 'rootCAs': "
	    "[{'secret': 'a', 'configMap': 'b'}, {'secret': 'gone'}], "
	    "'forwardingTimeouts': {'dialTimeout': '42ms'}") "]",
	    R2 "X shop-test: name=x roots=0 certs=0 insecure dial=42ms\n" },
	{ "123b", NULL, "[" OBJ("ServersTransport", "shop", "shop-test",
	    "'forwardingTimeouts': {'dialTimeout': 42}") "]",
	    R2 "X shop-shop-test: name= roots=0 certs=0 dial=42000ms\n" },
	{ "tcp", NULL, "[" OBJ("IngressRouteTCP", "shop", "db", "'routes': "
	    "[]") ", " OBJ("MiddlewareTCP", "shop", "few", "") ", "
	    OBJ("ServersTransportTCP", "shop", "slow", "") "]", R2 },
};

START_TEST(other_kinds)
{
	world_check(others, sizeof(others) / sizeof(others[0]), 1, base);
}
END_TEST

#define SHARED	"S shop-front-route-337c02ff3bc175bbd4c4: "
#define TWO(children)	WITH_AND(TSREF("t"), TS("t", children))
#define TOLD(t, more)	RX("shop-t") t "S shop-t: " more "\n"

/* Children come before their parent in the alphabet, or not: as told, sorted. */
static const struct world_case trees[] = {
	{ "92", NULL, WITH(API ", " API2), RK "\n" L_API L_API2
	    "S " K ": weighted shop-api-80*1 shop-api2-8080*1\n" },
	{ "92b", NULL, WITH("{'name': 'api', 'port': 80, 'weight': 10}, " API2),
	    RK "\n" L_API L_API2
	    "S " K ": weighted shop-api-80*10 shop-api2-8080*1\n" },
	{ "92c", NULL, WITH(API ", {'name': 'gone', 'port': 80}"), L_API },
	{ "97", NULL, "[" TS("t", "'weighted': {'services': [" API "]}") "]",
	    RK "\n" L_API "S " K ": " S_API "\n"
	    "S shop-t: weighted shop-api-80*1\n" },
	{ "98", NULL, TWO("'weighted': {'services': [" TSREF("w2") "]}"),
	    RX("shop-t") "S shop-t: weighted shop-w2*1\n" },
	{ "98b", NULL, TWO("'weighted': {'services': [" API2 ", " TSREF("w2")
	    ", " TSREF("m") "]}"), RX("shop-t") L_API2 "S shop-t: weighted "
	    "shop-api2-8080*1 shop-w2*1 shop-m*1\n" },
	{ "99", NULL, TWO("'mirroring': {'name': 'api', 'port': 80, "
	    "'mirrors': [{'name': 'api2', 'port': 8080, 'percent': 20}, "
	    "{'name': 'sec', 'port': 443, 'percent': 10}]}"), RX("shop-t")
	    L_API L_API2 "S shop-sec-443: https://10.2.0.5:8443\n"
	    "S shop-t: mirror shop-api-80 20%shop-api2-8080 "
	    "10%shop-sec-443\n" },
	{ "99b", NULL, TWO("'mirroring': {'name': 'w1', 'kind': "
	    "'TraefikService', 'mirrorBody': false, 'maxBodySize': 9, "
	    "'mirrors': [{'name': 'w2', 'kind': 'TraefikService', "
	    "'percent': 1}]}"), RX("shop-t")
	    "S shop-t: mirror shop-w1 1%shop-w2 body=no max=9\n" },
	{ "100", NULL, "[" FRONT("", ROUTE_X(M, API ", " API2, "") ", "
	    ROUTE_X("Host(`b.demo.test`)", API ", " API2, "")) "]",
	    "R shop-front-route-337c02ff3bc175bbd4c4: Host(`b.demo.test`) -> "
	    "shop-front-route-337c02ff3bc175bbd4c4 prio=12 ep=web\n" RK "\n"
	    L_API L_API2 SHARED "weighted shop-api-80*1 shop-api2-8080*1\n"
	    "S " K ": weighted shop-api-80*1 shop-api2-8080*1\n" },
	{ "101", "{'allowCrossNamespace': true}", TWO("'weighted': "
	    "{'services': [{'name': 'api', 'namespace': 'other', 'port': 80}, "
	    "{'name': 'w1', 'namespace': 'other', 'kind': 'TraefikService'}"
	    "]}"), RX("shop-t") "S other-api-80: http://10.3.0.1:80\n"
	    "S shop-t: weighted other-api-80*1 other-w1*1\n" },
	{ "101b", NULL, TWO("'weighted': {'services': [{'name': 'w1', "
	    "'namespace': 'other', 'kind': 'TraefikService'}]}"),
	    RX("shop-t") },
	{ "102", NULL, TWO("'weighted': {'services': [{'name': 'api', "
	    "'port': 80, 'middlewares': [{'name': 'mw'}]}]}"), RX("shop-t")
	    "S shop-api-80: " S_API " mw=shop-mw\n"
	    "S shop-t: weighted shop-api-80*1\n" },
	{ "102b", NULL, WITH("{'name': 'api', 'port': 80, 'middlewares': "
	    "[{'name': 'mw'}, {'name': 'm@file'}]}"),
	    ONE(S_API " mw=shop-mw,m@file") },
	{ "103", NULL, TWO("'highestRandomWeight': {'services': [{'name': "
	    "'api', 'port': 80, 'weight': 10}, {'name': 'api2', 'port': 8080,"
	    " 'weight': 20}]}"), RX("shop-t") L_API L_API2
	    "S shop-t: hrw shop-api-80*10 shop-api2-8080*20\n" },
	{ "104", NULL, TWO("'failover': {'service': " API2 ", 'fallback': "
	    API "}"), RX("shop-t") L_API L_API2
	    "S shop-t: failover shop-api2-8080 or shop-api-80\n" },
	{ "104b", NULL, TWO("'failover': {'service': " TSREF("w1")
	    ", 'fallback': " TSREF("w2") "}"), RX("shop-t")
	    "S shop-t: failover shop-w1 or shop-w2\n" },
	{ "104c", NULL, TWO("'failover': {'service': " API2 ", 'fallback': "
	    API ", 'errors': {'status': ['500-504', '404'], "
	    "'maxRequestBodyBytes': 1048576}}"), RX("shop-t") L_API L_API2
	    "S shop-t: failover shop-api2-8080 or shop-api-80 on 500-504,404 "
	    "max=1048576\n" },
	{ "104d", NULL, TWO("'failover': {'service': " API2 "}"),
	    RX("shop-t") L_API2 },
	{ "124c", NULL, TWO("'weighted': {'services': [" API ", {'name': "
	    "'empty', 'port': 80}]}"), RX("shop-t") L_API },
	{ "124d", "{'allowEmptyServices': true}", TWO("'mirroring': {'name': "
	    "'api', 'port': 80, 'mirrors': [{'name': 'empty', 'port': 80}]}"),
	    RX("shop-t") L_API "S shop-empty-80: (none)\n"
	    "S shop-t: mirror shop-api-80 0%shop-empty-80\n" },
	{ "135", "{'crossProviderNamespaces': []}", TWO("'weighted': "
	    "{'services': [{'name': 'svc@file', 'kind': 'TraefikService'}]}"),
	    RX("shop-t") },
	{ "135b", "{'crossProviderNamespaces': ['shop']}", TWO("'weighted': "
	    "{'services': [{'name': 'svc@file', 'kind': 'TraefikService'}]}"),
	    RX("shop-t") "S shop-t: weighted svc@file*1\n" },
	{ "127d", NULL, TWO("'weighted': {'services': [" API "], 'sticky': "
	    "{'cookie': {'name': 'foo'}}}"), RX("shop-t") L_API
	    "S shop-t: weighted shop-api-80*1 sticky=foo;path=/\n" },
	{ "127e", NULL, TWO("'weighted': {'services': [" API "], 'sticky': "
	    "{'cookie': {'path': '/app', 'maxAge': 60}}}"), RX("shop-t") L_API
	    "S shop-t: weighted shop-api-80*1 sticky=;path=/app;age=60\n" },
	{ "none", NULL, TWO("'sticky': {}"), RX("shop-t") },
};

START_TEST(services_of_services)
{
	world_check(trees, sizeof(trees) / sizeof(trees[0]), 1, base);
}
END_TEST

/* Case 152: a Secret goes and comes back. */
START_TEST(secret_of_users)
{
	static const char secret[] = "[" SECRET("users", "Opaque",
	    "'any': 'dXNlcjpwYXNzMQ=='") "]";

	world_new(NULL, "{}");
	world_put(base);
	world_put(secret);
	world_put("[" MW("shop", "a", "'basicAuth': {'secret': 'users'}") "]");
	world_listed();
	ck_assert_ptr_nonnull(strstr(world_told(),
	    "M shop-a: basicAuth user:pass1\n"));
	world_remove("{'kind': 'Secret', " META("shop", "users") "}");
	ck_assert_ptr_nonnull(strstr(world_told(), "M shop-a:  BROKEN\n"));
	ck_assert_str_eq(world_refused(), "Middleware shop/a: basicAuth: "
	    "Secret shop/users does not exist\n");
	world_put(secret);
	ck_assert_ptr_nonnull(strstr(world_told(),
	    "M shop-a: basicAuth user:pass1\n"));
	ck_assert_str_eq(world_refused(), "");
	world_free();
}
END_TEST

START_TEST(what_is_refused_is_told)
{
	static const struct { const char *objects, *want; } rows[] = {
		{ WITH("{'name': 'api', 'port': 81}"),
		    "IngressRoute shop/front.route: spec.routes[0]: Service "
		    "shop/api has no port 81; it has web:80\n" },
		{ "[" MW("shop", "r", "'rateLimit': {'averag': 7}") "]",
		    "Middleware shop/r: spec.rateLimit.averag: unknown key "
		    "\"averag\" in rateLimit; did you mean \"average\"?\n" },
		{ "[" OBJ("IngressRouteTCP", "shop", "db", "") "]",
		    "IngressRouteTCP shop/db: IngressRouteTCP is not "
		    "supported yet\n" },
		{ "[" OBJ("MiddlewareTCP", "shop", "few", "") "]",
		    "MiddlewareTCP shop/few: MiddlewareTCP is not supported "
		    "yet\n" },
		{ MORE(", 'middlewares': [{'name': 'm', 'namespace': "
		    "'other'}]"), "IngressRoute shop/front.route: "
		    "spec.routes[0]: \"m\" is in namespace other "
		    "(allowCrossNamespace)\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_new(NULL, "{}");
		world_put(base);
		world_put(rows[i].objects);
		world_listed();
		ck_assert_str_eq(world_refused(), rows[i].want);
	}
	world_free();
}
END_TEST

UNIT_MAIN("crd", ingress_routes, service_entries, who_may_refer,
    middleware_kinds, other_kinds, services_of_services, secret_of_users,
    what_is_refused_is_told)
