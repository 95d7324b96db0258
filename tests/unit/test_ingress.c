/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ingress objects by the numbered cases of Traefik's behaviour (kubernetes.md
 * 6.1): what one Service, its slice and one Ingress become, and what a change
 * of any of them does.
 */
#include "kube_world.h"
#include "tls_pair.h"
#include "unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define META(ns, name)	"'metadata': {'namespace': '" ns "', 'name': '" name "'}"
#define METAX(ns, name, more)						\
	"'metadata': {'namespace': '" ns "', 'name': '" name "', " more "}"
#define ANN(a)		"'annotations': {" a "}"
#define T(key, value)	"'traefik.ingress.kubernetes.io/" key "': '" value "'"
#define SERVICE(meta, spec)						\
	"{'kind': 'Service', " meta ", 'spec': {" spec "}}"
#define WEB_SPEC	"'type': 'ClusterIP', 'clusterIP': '10.96.0.10', "	\
	"'ports': [{'port': 80, 'targetPort': 8080}]"
#define SLICE_OF(ns, name, service, ports, endpoints)			\
	"{'kind': 'EndpointSlice', " METAX(ns, name, "'labels': "	\
	"{'kubernetes.io/service-name': '" service "'}") ", 'ports': ["	\
	ports "], 'endpoints': [" endpoints "]}"
#define PORT(name, n)	"{'name': '" name "', 'port': " #n "}"
#define EP(ip)		"{'addresses': ['" ip "'], 'conditions': {'ready': true}}"
#define TWO		EP("10.1.0.1") ", " EP("10.1.0.2")
#define INGRESS(meta, spec)						\
	"{'kind': 'Ingress', " meta ", 'spec': {" spec "}}"
#define BACKEND(name, port)						\
	"'backend': {'service': {'name': '" name "', 'port': {" port "}}}"
#define PATH(path, type, backend)					\
	"{'path': '" path "', 'pathType': '" type "', " backend "}"
#define RULE(host, paths)						\
	"{'host': '" host "', 'http': {'paths': [" paths "]}}"
#define RULES(rules)	"'rules': [" rules "]"
#define WEB80		BACKEND("web", "'number': 80")
#define V1		PATH("/v1", "Prefix", WEB80)
#define FRONT_META	META("shop", "front")
#define FRONT_ANN(a)	METAX("shop", "front", ANN(a))
#define R_V1		RULES(RULE("a.demo.test", V1))
#define ANNOTATED(a)	"[" INGRESS(FRONT_ANN(a), R_V1) "]"
#define WEB_ANN(a)	"[" SERVICE(METAX("shop", "web", ANN(a)), WEB_SPEC) "]"
#define PATHS(paths)	"[" INGRESS(FRONT_META, RULES(RULE("a.demo.test", paths))) "]"
#define NEW_SLICE(ports, endpoints)					\
	"[" SLICE_OF("shop", "web-1", "web", ports, endpoints) "]"

static const char base[] = "["
    SERVICE(META("shop", "web"), WEB_SPEC) ", "
    SLICE_OF("shop", "web-1", "web", PORT("", 8080), TWO) ", "
    INGRESS(FRONT_META, R_V1) "]";

#define SERVERS	"http://10.1.0.1:8080 http://10.1.0.2:8080"
#define S_WEB	"S shop-web-80: " SERVERS "\n"
#define RULE_V1	"Host('a.demo.test') && PathPrefix('/v1')"
#define R_FRONT	"R shop-front-a-demo-test-v1: " RULE_V1 " -> shop-web-80"
#define R1	R_FRONT "\n" S_WEB

static const struct world_case rules[] = {
	{ "1", NULL, NULL, R1 },
	{ "3", NULL, "[" INGRESS(FRONT_META, RULES("{'host': 'a.demo.test'}"))
	    "]", "" },
	{ "4", NULL, "[" INGRESS(FRONT_META, RULES("{'http': {'paths': ["
	    V1 "]}}")) "]", "R shop-front-v1: PathPrefix('/v1') -> "
	    "shop-web-80\n" S_WEB },
	{ "5", NULL, PATHS(PATH("", "Prefix", WEB80)),
	    "R shop-front-a-demo-test: Host('a.demo.test') -> shop-web-80\n"
	    S_WEB },
	{ "6", NULL, "[" INGRESS(FRONT_META, RULES("{'http': {'paths': ["
	    PATH("", "Prefix", WEB80) "]}}")) "]",
	    "R shop-front:  -> shop-web-80 BROKEN\n" S_WEB },
	{ "7", NULL, PATHS(V1 ", " PATH("/v2", "Prefix", WEB80)), R_FRONT "\n"
	    "R shop-front-a-demo-test-v2: Host('a.demo.test') && "
	    "PathPrefix('/v2') -> shop-web-80\n" S_WEB },
	{ "8", NULL, "[" INGRESS(FRONT_META, RULES(RULE("a.demo.test", V1) ", "
	    RULE("b.demo.test", V1))) "]", R_FRONT "\n"
	    "R shop-front-b-demo-test-v1: Host('b.demo.test') && "
	    "PathPrefix('/v1') -> shop-web-80\n" S_WEB },
	{ "9", NULL, "[" SERVICE(META("shop", "web2"), "'ports': [{'port': "
	    "8082}]") ", " SLICE_OF("shop", "web2-1", "web2", PORT("", 9),
	    EP("10.1.0.9")) ", " INGRESS(FRONT_META, RULES(RULE("a.demo.test",
	    V1 ", " PATH("/v2", "Prefix", BACKEND("web2", "'number': 8082"))))
	    ) "]", R_FRONT "\nR shop-front-a-demo-test-v2: "
	    "Host('a.demo.test') && PathPrefix('/v2') -> shop-web2-8082\n"
	    S_WEB "S shop-web2-8082: http://10.1.0.9:9\n" },
	{ "10", NULL, "[" SERVICE(META("other", "web"), WEB_SPEC) ", "
	    SLICE_OF("other", "web-1", "web", PORT("", 8080), EP("10.1.9.1"))
	    ", " INGRESS(META("other", "front"), R_V1) "]",
	    "R other-front-a-demo-test-v1: " RULE_V1 " -> other-web-80\n"
	    R_FRONT "\nS other-web-80: http://10.1.9.1:8080\n" S_WEB },
	{ "11", NULL, "[" INGRESS(FRONT_META, RULES(RULE("demo.test",
	    PATH("/a", "Prefix", WEB80)) ", " RULE("*.demo.test", PATH("/a",
	    "Prefix", WEB80)))) "]",
	    "R shop-front-demo-test-a-12188e0ea42bc8065834: Host('demo.test')"
	    " && PathPrefix('/a') -> shop-web-80\n"
	    "R shop-front-demo-test-a-3dc5b0c1bd14b69c2d10: "
	    "Host('*.demo.test') && PathPrefix('/a') -> shop-web-80\n" S_WEB },
	{ "12", NULL, "[" INGRESS(FRONT_META, RULES("{'http': {'paths': ["
	    PATH("/x/y", "Prefix", WEB80) ", " PATH("/x-y", "Prefix", WEB80)
	    "]}}")) "]",
	    "R shop-front-x-y-363474e0e4c13f1d9cf9: PathPrefix('/x/y') -> "
	    "shop-web-80\nR shop-front-x-y-91af6031d1176cd7f461: "
	    "PathPrefix('/x-y') -> shop-web-80\n" S_WEB },
	{ "26", NULL, PATHS(PATH("/v1", "Exact", WEB80)),
	    "R shop-front-a-demo-test-v1: Host('a.demo.test') && Path('/v1') "
	    "-> shop-web-80\n" S_WEB },
	{ "27", NULL, PATHS("{'path': '/v1', " WEB80 "}"), R1 },
	{ "27b", NULL, "[" INGRESS(FRONT_ANN(T("router.pathmatcher", "Path")),
	    RULES(RULE("a.demo.test", "{'path': '/v1', " WEB80 "}"))) "]",
	    "R shop-front-a-demo-test-v1: Host('a.demo.test') && Path('/v1') "
	    "-> shop-web-80\n" S_WEB },
	{ "28", NULL, "[" INGRESS(FRONT_ANN(T("router.pathmatcher", "Path")),
	    RULES(RULE("a.demo.test", PATH("/v1", "ImplementationSpecific",
	    WEB80)))) "]", "R shop-front-a-demo-test-v1: Host('a.demo.test') "
	    "&& Path('/v1') -> shop-web-80\n" S_WEB },
	{ "28b", NULL, ANNOTATED(T("router.pathmatcher", "Path")), R1 },
	{ "29", NULL, "[" INGRESS(FRONT_ANN(T("router.pathmatcher",
	    "Host(`evil`) || PathPrefix")), RULES(RULE("a.demo.test",
	    "{'path': '/v1', " WEB80 "}"))) "]", S_WEB },
	{ "30", "{'strictPrefixMatching': true}", "[" INGRESS(FRONT_META,
	    RULES("{'http': {'paths': [" V1 "]}}")) "]", "R shop-front-v1: "
	    "(Path('/v1') || PathPrefix('/v1/')) -> shop-web-80\n" S_WEB },
	{ "30b", "{'strictPrefixMatching': true}", "[" INGRESS(FRONT_META,
	    RULES("{'http': {'paths': [" PATH("/v1/", "Prefix", WEB80)
	    "]}}")) "]", "R shop-front-v1: "
	    "(Path('/v1') || PathPrefix('/v1/')) -> shop-web-80\n" S_WEB },
	{ "31", "{'strictPrefixMatching': true}", NULL,
	    "R shop-front-a-demo-test-v1: Host('a.demo.test') && "
	    "(Path('/v1') || PathPrefix('/v1/')) -> shop-web-80\n" S_WEB },
	{ "33", NULL, "[" INGRESS(FRONT_META, RULES(RULE("*.demo.test",
	    PATH("/a", "Prefix", WEB80)))) "]", "R shop-front-demo-test-a: "
	    "Host('*.demo.test') && PathPrefix('/a') -> shop-web-80\n" S_WEB },
};

START_TEST(hosts_and_paths)
{
	world_check(rules, sizeof(rules) / sizeof(rules[0]), 0, base);
}
END_TEST

static const struct world_case annotations[] = {
	{ "14", NULL, ANNOTATED(T("router.entrypoints", "ep1,ep2") ", "
	    T("router.middlewares", "shop-m1@kubernetescrd, "
	    "shop-m2@kubernetescrd") ", " T("router.priority", "42")),
	    R_FRONT " prio=42 ep=ep1,ep2 "
	    "mw=shop-m1@kubernetescrd,shop-m2@kubernetescrd\n" S_WEB },
	{ "15", NULL, ANNOTATED(T("router.tls", "true") ", "
	    T("router.tls.certresolver", "acme") ", "
	    T("router.tls.options", "o@file") ", "
	    T("router.tls.domains.0.main", "d.test") ", "
	    T("router.tls.domains.0.sans", "x.d.test,y.d.test") ", "
	    T("router.tls.domains.1.main", "e.test")),
	    R_FRONT " tls=o@file resolver=acme domain=d.test/x.d.test,"
	    "y.d.test domain=e.test\n" S_WEB },
	{ "15b", NULL, ANNOTATED(T("router.tls.domains.2.main", "c") ", "
	    T("router.tls.domains.10.main", "b") ", "
	    T("router.tls.domains.0.main", "a")),
	    R_FRONT " tls domain=a domain=b domain=c\n" S_WEB },
	{ "16", NULL, ANNOTATED(T("router.tls.certresolver", "acme")),
	    R_FRONT " tls resolver=acme\n" S_WEB },
	{ "17", NULL, ANNOTATED(T("router.tls", "false") ", "
	    T("router.tls.certresolver", "acme")), R1 },
	{ "17b", NULL, ANNOTATED(T("router.tls", "TRUE")), R_FRONT " tls\n"
	    S_WEB },
	{ "17c", NULL, ANNOTATED(T("router.tls", "")), R_FRONT " tls\n"
	    S_WEB },
	{ "18", NULL, ANNOTATED(T("router.observability.accesslogs", "FALSE")
	    ", " T("router.observability.metrics", "t")),
	    R_FRONT " logs=0 metrics=1\n" S_WEB },
	{ "18b", NULL, ANNOTATED(T("router.observability.metrics", "yes")),
	    "" },
	{ "19", NULL, WEB_ANN(T("service.serversscheme", "https") ", "
	    T("service.serverstransport", "shop-t@kubernetescrd") ", "
	    T("service.passhostheader", "false")), R_FRONT
	    "\nS shop-web-80: https://10.1.0.1:8080 https://10.1.0.2:8080 "
	    "host=no transport=shop-t@kubernetescrd\n" },
	{ "19b", NULL, WEB_ANN(T("service.sticky.cookie", "") ", "
	    T("service.sticky.cookie.name", "lb") ", "
	    T("service.sticky.cookie.secure", "true") ", "
	    T("service.sticky.cookie.httponly", "1")),
	    R_FRONT "\nS shop-web-80: " SERVERS
	    " sticky=lb;path=/;secure;http\n" },
	{ "19c", NULL, WEB_ANN(T("service.sticky.cookie.samesite", "Lax") ", "
	    T("service.sticky.cookie.maxage", "-5") ", "
	    T("service.sticky.cookie.path", "/app") ", "
	    T("service.sticky.cookie.domain", "demo.test")),
	    R_FRONT "\nS shop-web-80: " SERVERS
	    " sticky=;path=/app;site=Lax;domain=demo.test;age=-5\n" },
	{ "20", NULL, WEB_ANN(T("service.sticky.cookie", "true")),
	    R_FRONT "\nS shop-web-80: " SERVERS " sticky=;path=/\n" },
	{ "20b", NULL, WEB_ANN(T("service.sticky", "false") ", "
	    T("service.sticky.cookie.name", "lb")), R1 },
	{ "20c", NULL, WEB_ANN(T("service.sticky.cookie", "no") ", "
	    T("service.sticky", "") ", " T("service.sticky.cookie.name",
	    "lb")), R_FRONT "\nS shop-web-80: " SERVERS " sticky\n" },
	{ "20d", NULL, WEB_ANN(T("service.sticky.cookie.secure", "maybe")),
	    "" },
	/* What no browser would take back: the service answers 503. */
	{ "20e", NULL, WEB_ANN(T("service.sticky.cookie.path", "/;x")),
	    R_FRONT "\nS shop-web-80: " SERVERS
	    " sticky=;path=/;x BROKEN\n" },
	{ "21", NULL, WEB_ANN(T("service.middlewares", "shop-m1@kubernetescrd, "
	    "m2@file")), R_FRONT "\nS shop-web-80: " SERVERS
	    " mw=shop-m1@kubernetescrd,m2@file\n" },
	{ "22", NULL, ANNOTATED(T("foo", "x")), R1 },
	{ "23", NULL, ANNOTATED(T("router.foo", "x")), "" },
	{ "23b", NULL, WEB_ANN(T("service.foo", "x")), "" },
	{ "23c", NULL, ANNOTATED(T("router.priority", "high")), "" },
	{ "23d", NULL, ANNOTATED(T("router.priority", "1.5")), "" },
	{ "23e", NULL, ANNOTATED(T("router..tls", "true")), "" },
	{ "23f", NULL, ANNOTATED(T("router.tls.domains.[0].main", "x")), "" },
	{ "24", NULL, ANNOTATED(T("router.entryPoints", "web")),
	    R_FRONT " ep=web\n" S_WEB },
	{ "71", NULL, ANNOTATED(T("router.middlewares", "m@file")),
	    R_FRONT " mw=m@file\n" S_WEB },
	{ "71b", "{'crossProviderNamespaces': []}",
	    ANNOTATED(T("router.middlewares", "m@file")), "" },
	{ "71c", "{'crossProviderNamespaces': ['shop']}",
	    ANNOTATED(T("router.middlewares", "m@file")),
	    R_FRONT " mw=m@file\n" S_WEB },
	{ "71d", "{'crossProviderNamespaces': ['other']}",
	    ANNOTATED(T("router.middlewares", "m@file")), "" },
	{ "71e", "{'crossProviderNamespaces': []}", NULL, R1 },
	{ "72", "{'crossProviderNamespaces': []}",
	    ANNOTATED(T("router.tls.options", "o@file")), "" },
	{ "72b", "{'crossProviderNamespaces': ['shop']}",
	    ANNOTATED(T("router.tls.options", "o@file")),
	    R_FRONT " tls=o@file\n" S_WEB },
	{ "73", "{'crossProviderNamespaces': []}",
	    WEB_ANN(T("service.serverstransport", "t@file")), "" },
	{ "73b", "{'crossProviderNamespaces': ['shop']}",
	    WEB_ANN(T("service.serverstransport", "t@file")),
	    R_FRONT "\nS shop-web-80: " SERVERS " transport=t@file\n" },
};

START_TEST(every_annotation)
{
	world_check(annotations, sizeof(annotations) / sizeof(annotations[0]),
	    0, base);
}
END_TEST

#define NAMED(meta)							\
	SERVICE(meta, "'ports': [{'name': 'http', 'port': 80}, "	\
	    "{'name': 'metrics', 'port': 9090}]")
#define COND(ip, c)	"{'addresses': ['" ip "'], 'conditions': {" c "}}"

static const struct world_case services[] = {
	{ "35", NULL, "[" NAMED(META("shop", "web")) ", "
	    SLICE_OF("shop", "web-1", "web", PORT("http", 8080), TWO) ", "
	    INGRESS(FRONT_META, RULES(RULE("a.demo.test", PATH("/v1",
	    "Prefix", BACKEND("web", "'name': 'http'"))))) "]",
	    "R shop-front-a-demo-test-v1: " RULE_V1 " -> shop-web-http\n"
	    "S shop-web-http: " SERVERS "\n" },
	{ "36", NULL, "[" NAMED(META("shop", "web")) ", "
	    SLICE_OF("shop", "web-1", "web", PORT("http", 8080) ", "
	    PORT("metrics", 9), EP("10.1.0.1")) ", " INGRESS(FRONT_META,
	    RULES(RULE("a.demo.test", PATH("/v1", "Prefix", BACKEND("web",
	    "'name': 'http'")) ", " PATH("/m", "Prefix", BACKEND("web",
	    "'name': 'metrics'"))))) "]",
	    "R shop-front-a-demo-test-m: Host('a.demo.test') && "
	    "PathPrefix('/m') -> shop-web-metrics\n"
	    "R shop-front-a-demo-test-v1: " RULE_V1 " -> shop-web-http\n"
	    "S shop-web-http: http://10.1.0.1:8080\n"
	    "S shop-web-metrics: http://10.1.0.1:9\n" },
	{ "37", NULL, "[" NAMED(META("shop", "web")) ", "
	    SLICE_OF("shop", "web-1", "web", PORT("http", 8080),
	    EP("10.1.0.1")) ", " INGRESS(FRONT_META,
	    RULES(RULE("a.demo.test", PATH("/v1", "Prefix", BACKEND("web",
	    "'name': 'http'")) ", " PATH("/m", "Prefix", BACKEND("web",
	    "'name': 'metrics'"))))) "]",
	    "R shop-front-a-demo-test-v1: " RULE_V1 " -> shop-web-http\n"
	    "S shop-web-http: http://10.1.0.1:8080\n" },
	{ "38", NULL, PATHS(PATH("/v1", "Prefix", BACKEND("web",
	    "'number': 8089"))), "" },
	{ "38b", NULL, PATHS(PATH("/v1", "Prefix", BACKEND("web",
	    "'name': 'nope'"))), "" },
	{ "39", NULL, "[" NAMED(META("shop", "web")) ", "
	    SLICE_OF("shop", "web-1", "web", PORT("http", 8080), TWO) "]",
	    R1 },
	{ "40", NULL, PATHS(PATH("/v1", "Prefix", BACKEND("gone",
	    "'number': 80"))), "" },
	{ "40b", "{'allowEmptyServices': true}", PATHS(PATH("/v1", "Prefix",
	    BACKEND("gone", "'number': 80"))), "" },
	{ "41", NULL, NEW_SLICE(PORT("", 8080), ""), "" },
	{ "41b", "{'allowEmptyServices': true}", NEW_SLICE(PORT("", 8080),
	    ""), R_FRONT "\nS shop-web-80: (none)\n" },
	{ "43", "{'allowEmptyServices': true}", NEW_SLICE("{'port': 8080}",
	    TWO), R_FRONT "\nS shop-web-80: (none)\n" },
	{ "44", "{'allowEmptyServices': true}", NEW_SLICE("{'name': ''}",
	    TWO), R_FRONT "\nS shop-web-80: (none)\n" },
	{ "45", NULL, NEW_SLICE(PORT("", 8080), COND("10.1.0.1", "'ready': "
	    "false, 'serving': true, 'terminating': true")), R_FRONT
	    "\nS shop-web-80: http://10.1.0.1:8080~\n" },
	{ "47", NULL, NEW_SLICE(PORT("", 8080), COND("10.1.0.1", "'serving': "
	    "true, 'terminating': true") ", " COND("10.1.0.2",
	    "'terminating': true")), R_FRONT "\nS shop-web-80: "
	    "http://10.1.0.1:8080~ http://10.1.0.2:8080~\n" },
	{ "46", NULL, NEW_SLICE(PORT("", 8080), COND("10.1.0.1", "'serving': "
	    "false") ", " COND("10.1.0.2", "'ready': false") ", "
	    COND("10.1.0.3", "")), R_FRONT "\nS shop-web-80: "
	    "http://10.1.0.2:8080 http://10.1.0.3:8080\n" },
	{ "48", NULL, "[" SLICE_OF("shop", "web-2", "web", PORT("", 8080),
	    EP("10.1.0.2") ", " EP("10.1.0.3")) "]", R_FRONT
	    "\nS shop-web-80: " SERVERS " http://10.1.0.3:8080\n" },
	{ "49", NULL, NEW_SLICE(PORT("", 8080), EP("2001:db8::7")), R_FRONT
	    "\nS shop-web-80: http://[2001:db8::7]:8080\n" },
	{ "50", NULL, PATHS("{'path': '/v1', 'pathType': 'Prefix', 'backend':"
	    " {'resource': {'kind': 'X', 'name': 'y'}}}"), "" },
	{ "50b", NULL, PATHS("{'path': '/v1', 'pathType': 'Prefix', "
	    "'backend': {}}"), "" },
	{ "51", NULL, "[" INGRESS(FRONT_META, "'defaultBackend': {'service': "
	    "{'name': 'web', 'port': {'number': 80}}}") "]",
	    "R default-router: PathPrefix('/') -> default-backend "
	    "prio=-2147483648\nS default-backend: " SERVERS "\n" },
	{ "52", NULL, "[" INGRESS(FRONT_META, R_V1 ", 'defaultBackend': "
	    "{'service': {'name': 'web', 'port': {'number': 80}}}") "]", R1 },
	{ "53", NULL, "[" INGRESS(FRONT_META, "'defaultBackend': {'service': "
	    "{'name': 'web', 'port': {'number': 80}}}") ", "
	    INGRESS(META("shop", "second"), "'defaultBackend': {'service': "
	    "{'name': 'web', 'port': {'number': 80}}}") "]",
	    "R default-router: PathPrefix('/') -> default-backend "
	    "prio=-2147483648\nS default-backend: " SERVERS "\n" },
	{ "54", NULL, "[" INGRESS(FRONT_META, "'defaultBackend': {}") "]",
	    "" },
	{ "55", NULL, "[" INGRESS(FRONT_ANN(T("router.priority", "5") ", "
	    T("router.middlewares", "m@file")), "'defaultBackend': "
	    "{'service': {'name': 'web', 'port': {'number': 80}}}") "]",
	    "R default-router: PathPrefix('/') -> default-backend "
	    "prio=-2147483648 mw=m@file\nS default-backend: " SERVERS "\n" },
	{ "56", NULL, "[" SERVICE(META("shop", "web"), "'ports': [{'port': "
	    "443}]") ", " INGRESS(FRONT_META, RULES(RULE("a.demo.test",
	    PATH("/v1", "Prefix", BACKEND("web", "'number': 443"))))) "]",
	    "R shop-front-a-demo-test-v1: " RULE_V1 " -> shop-web-443\n"
	    "S shop-web-443: https://10.1.0.1:8080 https://10.1.0.2:8080\n" },
	{ "56b", NULL, "[" SERVICE(META("shop", "web"), "'ports': [{'port': "
	    "80, 'name': 'https-x'}]") ", " SLICE_OF("shop", "web-1", "web",
	    PORT("https-x", 8080), EP("10.1.0.1")) "]", R_FRONT
	    "\nS shop-web-80: https://10.1.0.1:8080\n" },
	{ "57", NULL, "[" SERVICE(META("shop", "web"), "'type': "
	    "'ExternalName', 'externalName': 'ext.test', 'ports': [{'port': "
	    "80}]") "]", "" },
	{ "57b", "{'allowExternalNameServices': true}", "[" SERVICE(META(
	    "shop", "web"), "'type': 'ExternalName', 'externalName': "
	    "'ext.test', 'ports': [{'port': 80}]") "]", R_FRONT
	    "\nS shop-web-80: http://ext.test:80\n" },
	{ "57c", "{'allowExternalNameServices': true}", "[" SERVICE(META(
	    "shop", "web"), "'type': 'ExternalName', 'externalName': "
	    "'2001:db8::9', 'ports': [{'port': 80}]") "]", R_FRONT
	    "\nS shop-web-80: http://[2001:db8::9]:80\n" },
	{ "58", NULL, WEB_ANN(T("service.nativelb", "true")), R_FRONT
	    "\nS shop-web-80: http://10.96.0.10:80\n" },
	{ "58b", NULL, "[" SERVICE(METAX("shop", "web", ANN(T(
	    "service.nativelb", "true"))), "'clusterIP': 'None', 'ports': "
	    "[{'port': 80}]") "]", "" },
	{ "59", "{'nativeLBByDefault': true}", NULL, R_FRONT
	    "\nS shop-web-80: http://10.96.0.10:80\n" },
	{ "59b", "{'nativeLBByDefault': true}", WEB_ANN(T("service.nativelb",
	    "false")), R1 },
	{ "60", NULL, "[" SERVICE(METAX("shop", "web", ANN(T(
	    "service.nodeportlb", "true"))), "'type': 'NodePort', 'ports': "
	    "[{'port': 80, 'nodePort': 32456}]") ", {'kind': 'Node', "
	    "'metadata': {'name': 'n1'}, 'status': {'addresses': [{'type': "
	    "'Hostname', 'address': 'n1'}, {'type': 'InternalIP', 'address': "
	    "'172.16.4.4'}]}}]", R_FRONT
	    "\nS shop-web-80: http://172.16.4.4:32456\n" },
	{ "60b", "{'disableClusterScopeResources': true}", "[" SERVICE(METAX(
	    "shop", "web", ANN(T("service.nodeportlb", "true"))), "'type': "
	    "'NodePort', 'ports': [{'port': 80, 'nodePort': 32456}]") "]",
	    "" },
	/* S-311: no pod has such an address. */
	{ "S-311", NULL, NEW_SLICE(PORT("", 8080), EP("127.0.0.1") ", "
	    EP("169.254.169.254") ", " EP("::1") ", " EP("pod.name") ", "
	    EP("10.1.0.1")), R_FRONT "\nS shop-web-80: "
	    "http://10.1.0.1:8080\n" },
};

START_TEST(services_and_endpoints)
{
	world_check(services, sizeof(services) / sizeof(services[0]), 0,
	    base);
}
END_TEST

#define CLASS(name, controller)						\
	"{'kind': 'IngressClass', 'metadata': {'name': '" name "'}, "	\
	"'spec': {'controller': '" controller "'}}"
#define OURS	CLASS("edge", "traefik.io/ingress-controller")
#define CLASS_ANN(c)							\
	"[" INGRESS(FRONT_ANN("'kubernetes.io/ingress.class': '" c "'"), R_V1) "]"
#define OF_CLASS(c)	INGRESS(FRONT_META, "'ingressClassName': '" c "', " R_V1)

static const struct world_case classes[] = {
	{ "61", NULL, CLASS_ANN("traefik"), R1 },
	{ "61b", NULL, CLASS_ANN("nginx"), "" },
	{ "62", "{'ingressClass': 'edge'}", CLASS_ANN("traefik"), "" },
	{ "62b", "{'ingressClass': 'edge'}", NULL, "" },
	{ "62c", "{'ingressClass': 'edge'}", CLASS_ANN("edge"), R1 },
	{ "63", NULL, "[" OURS ", " OF_CLASS("edge") "]", R1 },
	{ "63b", NULL, "[" CLASS("edge", "nginx.org/x") ", " OF_CLASS("edge")
	    "]", "" },
	{ "63c", NULL, "[" OF_CLASS("edge") "]", "" },
	{ "64", "{'ingressClass': 'edge'}", "[" OURS ", " CLASS("two",
	    "traefik.io/ingress-controller") ", " OF_CLASS("edge") ", "
	    INGRESS(META("shop", "other"), "'ingressClassName': 'two', " R_V1)
	    "]", R1 },
	{ "65", NULL, "[" OURS ", " INGRESS(FRONT_ANN(
	    "'kubernetes.io/ingress.class': 'nginx'"), "'ingressClassName': "
	    "'edge', " R_V1) "]", R1 },
	{ "66", "{'disableIngressClassLookup': true}", "[" OURS ", "
	    OF_CLASS("edge") "]", "" },
	{ "66b", "{'disableClusterScopeResources': true}",
	    CLASS_ANN("traefik"), R1 },
	{ "66c", "{'namespaces': ['other']}", NULL, "" },
};

START_TEST(class_selection)
{
	world_check(classes, sizeof(classes) / sizeof(classes[0]), 0, base);
}
END_TEST

/* ---- What changes --------------------------------------------------------------------- */

static void
fresh(void)
{
	world_new("{}", NULL);
	world_put(base);
	ck_assert_uint_eq(world_changes(), 0);	/* not before all is listed */
	world_listed();
	ck_assert_uint_eq(world_changes(), 2);
}

START_TEST(only_what_changed_is_told)
{
	fresh();
	world_put(base);
	ck_assert_uint_eq(world_changes(), 0);
	/* Case 84: annotations and conditions that are the default. */
	world_put("[" "{'kind': 'EndpointSlice', " METAX("shop", "web-1",
	    "'annotations': {'x': 'y'}, 'labels': "
	    "{'kubernetes.io/service-name': 'web'}") ", 'ports': ["
	    PORT("", 8080) "], 'endpoints': [" TWO "]}]");
	ck_assert_uint_eq(world_changes(), 0);
	world_put(NEW_SLICE(PORT("", 8080), EP("10.1.0.1") ", "
	    COND("10.1.0.2", "'serving': true, 'terminating': false")));
	ck_assert_uint_eq(world_changes(), 0);
	world_put(NEW_SLICE(PORT("", 8080), EP("10.1.0.1")));
	ck_assert_uint_eq(world_changes(), 1);
	world_put(NEW_SLICE(PORT("", 8081), EP("10.1.0.1")));
	ck_assert_uint_eq(world_changes(), 1);
	ck_assert_str_eq(world_told(), world_quotes(R_FRONT
	    "\nS shop-web-80: http://10.1.0.1:8081\n"));
	/* Case 85: the same version again is nothing. */
	world_put("[" INGRESS(METAX("shop", "front",
	    "'resourceVersion': '7'"), RULES(RULE("b.demo.test", V1))) "]");
	ck_assert_uint_eq(world_changes(), 2);	/* one goes, one comes */
	world_put("[" INGRESS(METAX("shop", "front",
	    "'resourceVersion': '7'"), RULES(RULE("c.demo.test", V1))) "]");
	ck_assert_uint_eq(world_changes(), 0);
	/* Case 2: all routes are withdrawn. */
	world_remove("{'kind': 'Ingress', " FRONT_META "}");
	ck_assert_uint_eq(world_changes(), 2);
	ck_assert_str_eq(world_told(), "");
	world_free();
}
END_TEST

START_TEST(what_is_missing_comes_later)
{
	world_new("{}", NULL);
	world_put("[" INGRESS(FRONT_META, R_V1) "]");
	world_listed();
	ck_assert_str_eq(world_told(), "");
	ck_assert_str_eq(world_refused(), "Ingress shop/front: "
	    "a.demo.test/v1: Service shop/web does not exist\n");
	world_put("[" SERVICE(META("shop", "web"), "'ports': [{'name': "
	    "'http', 'port': 8088}]") "]");
	ck_assert_str_eq(world_refused(), "Ingress shop/front: "
	    "a.demo.test/v1: Service shop/web has no port 80; it has "
	    "http:8088\n");
	world_put(base);
	ck_assert_str_eq(world_told(), world_quotes(R1));
	ck_assert_str_eq(world_refused(), "");
	world_remove("{'kind': 'EndpointSlice', " META("shop", "web-1") "}");
	ck_assert_str_eq(world_told(), "");
	ck_assert_str_eq(world_refused(), "Ingress shop/front: "
	    "a.demo.test/v1: Service shop/web has no endpoint\n");
	world_free();
}
END_TEST

/* The routes of one provider need what the other one says. */
START_TEST(providers_begin_together)
{
	world_new("{}", "{}");
	world_put(base);
	world_listed_kind("Ingress IngressClass Service EndpointSlice Secret "
	    "Node ConfigMap");
	ck_assert_uint_eq(world_changes(), 0);
	world_listed();
	ck_assert_uint_eq(world_changes(), 2);
	world_free();
}
END_TEST

/* Nothing more than once in this time, and the last state in any case. */
START_TEST(throttled)
{
	struct timespec wait = { 0, 60 * 1000 * 1000 };

	world_new("{'throttleDuration': '50ms'}", NULL);
	world_put(base);
	world_listed();
	ck_assert_uint_eq(world_changes(), 2);
	world_put(NEW_SLICE(PORT("", 8081), EP("10.1.0.1")));
	world_put(NEW_SLICE(PORT("", 8082), EP("10.1.0.1")));
	ck_assert_uint_eq(world_changes(), 0);
	(void)nanosleep(&wait, NULL);
	ck_assert_uint_eq(world_changes(), 1);
	ck_assert_str_eq(world_told(), world_quotes(R_FRONT
	    "\nS shop-web-80: http://10.1.0.1:8082\n"));
	world_free();
}
END_TEST

/* What no master would take is told by name and harms nobody. */
START_TEST(too_large)
{
	static char text[200000], path[3000];
	int n;

	fresh();
	for (unsigned s = 0; s < 66; s++) {
		n = snprintf(text, sizeof(text), "[{'kind': 'EndpointSlice', "
		    "'metadata': {'namespace': 'shop', 'name': 's%u', "
		    "'labels': {'kubernetes.io/service-name': 'web'}}, "
		    "'ports': [{'name': '', 'port': 8}], 'endpoints': [", s);
		for (unsigned i = 0; i < 1000; i++)
			n += snprintf(text + n, sizeof(text) - (size_t)n,
			    "%s{'addresses': ['10.%u.%u.%u']}", i == 0 ? "" :
			    ",", 2 + s, i / 250, i % 250 + 1);
		snprintf(text + n, sizeof(text) - (size_t)n, "]}]");
		world_put(text);
	}
	ck_assert_str_eq(world_told(), world_quotes(R_FRONT
	    "\nS shop-web-80:  BROKEN\n"));
	ck_assert_str_eq(world_refused(), "Ingress shop/front: service "
	    "shop-web-80 is too large, or names a file\n");
	/* A name of any length gets a shorter one of its own. */
	memset(path, 'x', sizeof(path) - 1);
	snprintf(text, sizeof(text), "[" INGRESS(FRONT_META, RULES(RULE("h",
	    "{'path': '/%s', " WEB80 "}"))) "]", path);
	fresh();
	world_put(text);
	ck_assert_ptr_nonnull(strstr(world_told(), "R shop-front-h-xxx"));
	ck_assert_str_eq(world_refused(), "");
	world_free();
}
END_TEST

/* One object with thousands of paths is no slow build. */
START_TEST(many_paths)
{
	static char text[1 << 20];
	struct timespec a, b;
	int n;

	fresh();
	n = snprintf(text, sizeof(text), "[{'kind': 'Ingress', " FRONT_META
	    ", 'spec': {'rules': [{'host': 'h', 'http': {'paths': [");
	for (unsigned i = 0; i < 5000; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s{'path': "
		    "'/%u', " WEB80 "}", i == 0 ? "" : ",", i);
	snprintf(text + n, sizeof(text) - (size_t)n, "]}}]}}]");
	world_put(text);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	/* The old one goes. */
	ck_assert_uint_eq(world_changes(), 5001);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	printf("5000 paths: %.0f ms\n", (double)(b.tv_sec - a.tv_sec) * 1e3 +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e6);
	world_free();
}
END_TEST

/* Case 74: two objects, one name; the older has it, then by namespace. */
START_TEST(who_has_the_name)
{
	static const char two[] = "["
	    SERVICE(META("x-y", "web"), WEB_SPEC) ", "
	    SLICE_OF("x-y", "w", "web", PORT("", 8080), EP("10.1.1.1")) ", "
	    SERVICE(META("x", "web"), WEB_SPEC) ", "
	    SLICE_OF("x", "w", "web", PORT("", 8080), EP("10.1.2.2")) ", "
	    INGRESS(METAX("x-y", "a", "'creationTimestamp': "
	    "'2024-01-02T03:04:05Z'"), R_V1) ", "
	    INGRESS(METAX("x", "y-a", "'creationTimestamp': "
	    "'2024-01-02T03:04:04Z'"), R_V1) "]";

	world_new("{}", NULL);
	world_put(two);
	world_listed();
	ck_assert_ptr_nonnull(strstr(world_told(), world_quotes(
	    "R x-y-a-a-demo-test-v1: " RULE_V1 " -> x-web-80\n")));
	ck_assert_str_eq(world_refused(), "Ingress x-y/a: router "
	    "x-y-a-a-demo-test-v1 is that of Ingress x/y-a\n");
	/* The other one takes over. */
	world_remove("{'kind': 'Ingress', " META("x", "y-a") "}");
	ck_assert_ptr_nonnull(strstr(world_told(), world_quotes(
	    "R x-y-a-a-demo-test-v1: " RULE_V1 " -> x-y-web-80\n")));
	ck_assert_str_eq(world_refused(), "");
	world_free();
}
END_TEST

#define NODE(n, type, ip)						\
	"{'kind': 'Node', 'metadata': {'name': '" n "'}, 'status': "	\
	"{'addresses': [{'type': '" type "', 'address': '" ip "'}]}}"
#define LB(spec, status)						\
	"[{'kind': 'Service', " META("shop", "lb") ", 'spec': {" spec "}, " \
	"'status': {" status "}}]"
#define PUBLISHED "{'ingressEndpoint': {'publishedService': 'shop/lb'}}"
#define LB_PORTS "'ports': [{'port': 443, 'nodePort': 31443, "		\
	"'protocol': 'TCP'}]"

/* Cases 75 to 81. */
START_TEST(addresses_in_the_status)
{
	static const struct { const char *options, *objects, *want; } rows[] = {
		{ "{}", NULL, "" },
		{ "{'ingressEndpoint': {'ip': '1.2.3.4'}}", NULL,
		    "[{'ip':'1.2.3.4'}]" },
		{ "{'ingressEndpoint': {'ip': '1.2.3.4', 'hostname': 'h'}}",
		    NULL, "[{'hostname':'h','ip':'1.2.3.4'}]" },
		{ PUBLISHED, NULL, "" },
		{ PUBLISHED, LB("'type': 'LoadBalancer'", "'loadBalancer': "
		    "{'ingress': [{'ip': '9.9.9.9', 'ipMode': 'VIP'}]}"),
		    "[{'ip':'9.9.9.9'}]" },
		{ PUBLISHED, LB("'type': 'LoadBalancer'", "'loadBalancer': "
		    "{}"), "" },
		{ PUBLISHED, LB("'type': 'ClusterIP', 'externalIPs': "
		    "['5.5.5.5'], " LB_PORTS, ""), "[{'ip':'5.5.5.5','ports':"
		    "[{'port':443,'protocol':'TCP'}]}]" },
		{ PUBLISHED, "[" NODE("n1", "ExternalIP", "6.6.6.6") ", "
		    "{'kind': 'Service', " META("shop", "lb") ", 'spec': "
		    "{'type': 'NodePort', " LB_PORTS "}}]", "[{'ip':'6.6.6.6',"
		    "'ports':[{'port':31443,'protocol':'TCP'}]}]" },
		{ PUBLISHED, LB("'type': 'ExternalName', 'externalName': "
		    "'e.test'", ""), "[{'hostname':'e.test'}]" },
		{ "{'ingressEndpoint': {'publishedService': 'lb'}}", NULL,
		    "" },
		{ "{'reportNodeInternalIPs': true}", "[" NODE("n1",
		    "InternalIP", "10.0.0.1") ", " NODE("n2", "InternalIP",
		    "10.0.0.2") "]", "[{'ip':'10.0.0.1'},{'ip':'10.0.0.2'}]" },
		{ "{'reportNodeInternalIPs': true}", NULL, "" },
		/* It says so already. */
		{ "{'ingressEndpoint': {'ip': '1.2.3.4'}}", "[{'kind': "
		    "'Ingress', " FRONT_META ", 'spec': {" R_V1 "}, 'status': "
		    "{'loadBalancer': {'ingress': [{'ip': '1.2.3.4', 'ports': "
		    "[{'port': 1}]}]}}}]", "" },
		{ "{'ingressEndpoint': {'ip': '1.2.3.4'}}", "[{'kind': "
		    "'Ingress', " FRONT_META ", 'spec': {" R_V1 "}, 'status': "
		    "{'loadBalancer': {'ingress': [{'ip': '1.2.3.5'}]}}}]",
		    "[{'ip':'1.2.3.4'}]" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got;

		world_new(rows[i].options, NULL);
		world_put(base);
		if (rows[i].objects != NULL)
			world_put(rows[i].objects);
		world_listed();
		got = world_status();
		ck_assert_msg(strcmp(got, world_quotes(rows[i].want)) == 0,
		    "row %zu: got %s, want %s", i, got, rows[i].want);
		ck_assert_str_eq(world_status(), "");
	}
	world_free();
}
END_TEST

/* ---- Certificates -------------------------------------------------------------------- */

static char b64[2][16384];

static const char *
base64(unsigned slot, const char *text)
{
	size_t n = strlen(text);

	ck_assert_uint_lt(n, sizeof(b64[0]) / 2);
	EVP_EncodeBlock((unsigned char *)b64[slot],
	    (const unsigned char *)text, (int)n);
	return b64[slot];
}

/* A Secret of shop; NULL leaves a key out. */
static void
put_secret(const char *name, const char *crt, const char *key)
{
	static char text[65536];
	int n = snprintf(text, sizeof(text), "[{'kind': 'Secret', 'metadata': "
	    "{'namespace': 'shop', 'name': '%s'}, 'data': {'x': 'eA=='", name);

	if (crt != NULL)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    ", 'tls.crt': '%s'", base64(0, crt));
	if (key != NULL)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    ", 'tls.key': '%s'", base64(1, key));
	snprintf(text + n, sizeof(text) - (size_t)n, "}}]");
	world_put(text);
}

#define WITH_TLS(name, tls)						\
	"[" INGRESS(META("shop", name), R_V1 ", 'tls': [" tls "]") "]"
#define C_LINE(name)	"C shop-" name ": -----BEGIN CERTIFICATE-----\n"

/* Cases 67 to 70. */
START_TEST(certificates)
{
	struct pki *pki = pki_new("root");
	struct leaf *a = pki_leaf(pki, "a.demo.test", "DNS:a.demo.test",
	    TLS_KEY_EC, 30);
	struct leaf *b = pki_leaf(pki, "b.demo.test", "DNS:b.demo.test",
	    TLS_KEY_EC, 30);
	struct leaf *old = pki_leaf(pki, "a.demo.test", "DNS:a.demo.test",
	    TLS_KEY_EC, -1);

	world_new("{}", NULL);
	world_put(base);
	world_put(WITH_TLS("front", "{'secretName': 's2'}, {'secretName': ''}"
	    ", {'secretName': 's1'}"));
	put_secret("s1", a->cert_pem, a->key_pem);
	put_secret("s2", b->cert_pem, b->key_pem);
	world_listed();
	/* No TLS comes of it, and the names order them. */
	ck_assert_str_eq(world_told(), world_quotes(C_LINE("s1") C_LINE("s2")
	    R1));
	/* Case 69: each of them is told and takes no good one's place. */
	(void)world_changes();
	put_secret("s1", a->cert_pem, b->key_pem);
	ck_assert_ptr_nonnull(strstr(world_refused(), "Ingress shop/front: "
	    "spec.tls: Secret shop/s1: "));
	put_secret("s1", NULL, a->key_pem);
	ck_assert_ptr_nonnull(strstr(world_refused(), "Secret shop/s1 has no "
	    "tls.crt"));
	put_secret("s1", a->cert_pem, NULL);
	ck_assert_ptr_nonnull(strstr(world_refused(), "Secret shop/s1 has no "
	    "tls.key"));
	put_secret("s1", "/etc/ssl/certs/x.pem", "/etc/shadow");
	ck_assert_ptr_nonnull(strstr(world_refused(), "Secret shop/s1: "));
	ck_assert_str_eq(world_told(), world_quotes(C_LINE("s1") C_LINE("s2")
	    R1));
	put_secret("s1", old->cert_pem, old->key_pem);
	ck_assert_ptr_nonnull(strstr(world_refused(), "Secret shop/s1: the "
	    "certificate has expired"));
	ck_assert_uint_eq(world_changes(), 5);	/* all of them notes */
	/* A good one does, at once. */
	put_secret("s1", b->cert_pem, b->key_pem);
	ck_assert_str_eq(world_refused(), "");
	/* A Secret that is gone takes its certificate along. */
	world_remove("{'kind': 'Secret', " META("shop", "s1") "}");
	ck_assert_str_eq(world_told(), world_quotes(C_LINE("s2") R1));
	ck_assert_str_eq(world_refused(), "Ingress shop/front: spec.tls: "
	    "Secret shop/s1 does not exist\n");
	world_free();
	leaf_free(a);
	leaf_free(b);
	leaf_free(old);
	pki_free(pki);
}
END_TEST

UNIT_MAIN("ingress", providers_begin_together, many_paths, too_large, certificates, addresses_in_the_status, throttled, hosts_and_paths, every_annotation,
    services_and_endpoints, class_selection, only_what_changed_is_told,
    what_is_missing_comes_later, who_has_the_name)
