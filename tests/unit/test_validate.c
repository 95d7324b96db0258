/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of single objects: what refuses a file, what disables an object. */
#include "config_said.h"

#include <string.h>

/* Each text says exactly one thing. */
static void
one(const char *const rows[][2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *got = config_said(str_c(rows[i][0]));
		const char *line = strchr(got, '\n');

		if (rows[i][1][0] == '\0') {
			ck_assert_msg(got[0] == '\0', "%s says %s", rows[i][0],
			    got);
			continue;
		}
		ck_assert_msg(strstr(got, rows[i][1]) != NULL,
		    "%s\ngot  %swant %s", rows[i][0], got, rows[i][1]);
		ck_assert_msg(line != NULL && line[1] == '\0',
		    "%s\nsays more: %s", rows[i][0], got);
	}
}

START_TEST(entry_points)
{
#define EP(address)	"entryPoints: {web: {address: '" address "'}}"
#define EP_HTTP(x)	"entryPoints: {web: {address: ':80', http: {" x "}}}"
	static const char *const rows[][2] = {
		{ EP(":80"), "" }, { EP("127.0.0.1:80"), "" },
		{ EP("[::1]:80"), "" }, { EP("localhost:80"), "" },
		{ EP(":80/tcp"), "" }, { EP(":65535"), "" },
		{ "entryPoints: {web: {}}", "entry point web: address: an "
		    "address is missing" },
		{ EP("80"), "f.yml:1:15: error: entry point web: address: a "
		    "port is missing" },
		{ EP(":"), "the port must be a number" },
		{ EP(":http"), "the port must be a number" },
		{ EP(":0"), "the port must be a number" },
		{ EP(":65536"), "the port must be a number" },
		{ EP(":-1"), "the port must be a number" },
		{ EP(":80/udp"), "UDP is not supported yet" },
		{ EP(":80/sctp"), "the protocol must be tcp or udp" },
		{ EP("example.com:80"), "the host must be an IP address" },
		{ EP("1.2.3.256:80"), "the host must be an IP address" },
		{ "entryPoints: {web: {address: ':80', forwardedHeaders: "
		    "{trustedIPs: [10.0.0.0/33]}}}",
		    "trustedIPs: \"10.0.0.0/33\" is not an address or range" },
		{ EP_HTTP("maxHeaderBytes: -1"), "maxHeaderBytes must be" },
		{ EP_HTTP("maxHeaderBytes: 1048577"), "maxHeaderBytes must be" },
		{ EP_HTTP("maxHeaderBytes: 1048576"), "" },
		{ EP_HTTP("underscoreHeadersStrategy: drop"),
		    "is not one of keep, delete, reject" },
		{ EP_HTTP("underscoreHeadersStrategy: REJECT"), "" },
		{ EP_HTTP("ambiguousPaths: chek"), "did you mean \"check\"?" },
		{ "entryPoints: {web: {address: ':80', http2: "
		    "{maxConcurrentStreams: -1}}}", "cannot be negative" },
	};

	one(rows, ARRAY_SIZE(rows));
}
END_TEST

START_TEST(static_part)
{
	static const char *const rows[][2] = {
		{ "akkod: {io: uring}", "" }, { "akkod: {io: AUTO}", "" },
		{ "akkod: {io: iouring}", "akkod.io: \"iouring\" is not one of "
		    "auto, uring, epoll; did you mean \"uring\"?" },
		{ "akkod: {workers: 64}", "" },
		{ "akkod: {workers: 65}", "akkod.workers must be" },
		{ "akkod: {workers: -1}", "akkod.workers must be" },
		{ "core: {defaultRuleSyntax: v2}", "is not one of v3" },
		{ "api: {basePath: x}", "must begin with '/'" },
		{ "providers: {file: {watch: true}}",
		    "needs a filename or a directory" },
		{ "providers: {precedence: [fil]}", "did you mean \"file\"?" },
		{ "log: {level: LOUD}", "warning: log.level: \"LOUD\"" },
		{ "log: {level: debug}", "" },
		{ "ping: {terminatingStatusCode: 199}", "from 200 to 599" },
		{ "accessLog: {format: xml}", "warning: accessLog.format" },
		{ "akkod: {limits: {connections: -1}}", "connections" },
		{ "akkod: {limits: {perAddress: -1}}", "perAddress" },
		{ "akkod: {limits: {fibers: -1}}", "fibers" },
		{ "akkod: {limits: {connections: 5000000000}}", "connections" },
		{ "akkod: {limits: {connections: 0, fibers: 10}}", "" },
	};

	one(rows, ARRAY_SIZE(rows));
}
END_TEST

#define ROUTER(x)	"http: {routers: {r: {" x "}}}"

START_TEST(routers)
{
	static const char *const rows[][2] = {
		{ ROUTER("rule: Path(`/`), service: s"), "" },
		{ ROUTER("service: s"), "f.yml:1:18: error: router r: a rule "
		    "is missing" },
		{ ROUTER("rule: '', service: s"), "the rule is empty" },
		{ ROUTER("rule: 'Host(', service: s"), "router r: expected a" },
		{ ROUTER("rule: Path(`/`)"), "a service is missing" },
		{ ROUTER("rule: Path(`/`), service: s, ruleSyntax: v2"),
		    "only v3" },
		{ ROUTER("rule: Path(`/`), service: s, ruleSyntax: v3"), "" },
		{ ROUTER("rule: Path(`/`), service: s, "
		    "priority: 9223372036854774807"), "" },
		{ ROUTER("rule: Path(`/`), service: s, "
		    "priority: 9223372036854774808"), "the priority is above" },
		{ ROUTER("rule: Path(`/`), service: s, priority: -1000"), "" },
		{ ROUTER("rule: Path(`/`), service: s, parentRefs: [a]"),
		    "\"parentRefs\" is not supported yet" },
	};

	one(rows, ARRAY_SIZE(rows));
}
END_TEST

START_TEST(balancers)
{
#define LB(x)		"http: {services: {s: {loadBalancer: {" x "}}}}"
#define COOKIE(x)	LB("sticky: {cookie: {" x "}}")
#define CHECK_OF(x)	LB("healthCheck: {" x "}")
	static const char *const rows[][2] = {
		{ LB("sticky: {}"), "warning: service s: sticky without" },
		{ COOKIE(""), "" },
		{ COOKIE("name: 'a b;c', secure: true, httpOnly: true, "
		    "sameSite: NONE, maxAge: -1, path: /a, domain: .a.test"),
		    "" },
		{ COOKIE("sameSite: none"), "warning: service s: sticky.cookie"
		    ": browsers drop" },
		{ COOKIE("sameSite: odd"), "it is left out" },
		{ COOKIE("path: '/a;b'"), "error: service s: sticky.cookie" },
		{ COOKIE("path: '/a b'"), "cannot stand in a cookie" },
		{ COOKIE("domain: a..test"), "is no domain" },
		{ COOKIE("domain: a_b.test"), "is no domain" },
		{ COOKIE("nome: a"), "did you mean \"name\"" },
		{ LB("strategy: hrw, sticky: {cookie: {}}"),
		    "warning: service s: sticky does nothing" },
		{ CHECK_OF(""), "" },
		{ CHECK_OF("path: /a/b?c=d&e, scheme: https, mode: grpc, port: "
		    "8080, status: 204, method: HEAD, hostname: 'a.test:80', "
		    "followRedirects: false, headers: {X-A: 'b c'}, interval: "
		    "10, unhealthyInterval: 1s, timeout: 500ms"), "" },
		{ CHECK_OF("path: a/b:c"), "" },
		{ CHECK_OF("path: '?a:b/c'"), "" },
		{ CHECK_OF("path: 'a:b/c'"), "names another server" },
		{ CHECK_OF("path: '//a/c'"), "names another server" },
		{ CHECK_OF("path: 'http://a/c'"), "names another server" },
		{ CHECK_OF("path: '/a#b'"), "cannot stand in a request" },
		{ CHECK_OF("path: '/a b'"), "cannot stand in a request" },
		{ CHECK_OF("mode: gRPC"), "did you mean \"grpc\"" },
		{ CHECK_OF("scheme: HTTPS"), "not one of http, https, h2c" },
		{ CHECK_OF("port: -1"), "-1 is not from 1 to 65535" },
		{ CHECK_OF("status: 600"), "600 is not from 100 to 599" },
		{ CHECK_OF("method: 'GET /'"), "is no method" },
		{ CHECK_OF("hostname: 'a b'"), "is no host" },
		{ CHECK_OF("headers: {Content-Length: 1}"), "cannot be sent" },
		{ CHECK_OF("headers: {'X Y': 1}"), "cannot be sent" },
		{ CHECK_OF("headers: {host: a}"), "hostname sets it" },
		{ CHECK_OF("interval: 0s"), "interval must be positive; 30 s" },
		{ CHECK_OF("timeout: -1s"), "timeout must be positive; 5 s" },
		{ CHECK_OF("unhealthyInterval: -1s, interval: 7s"),
		    "unhealthyInterval must be positive; 7 s" },
		{ LB("passiveHealthCheck: {}"), "" },
		{ LB("passiveHealthCheck: {failureWindow: 0}"),
		    "failureWindow must be positive" },
		{ LB("passiveHealthCheck: {maxFailedAttempts: 0}"),
		    "maxFailedAttempts must be from 1" },
	};

	one(rows, ARRAY_SIZE(rows));
}
END_TEST

START_TEST(services_and_middlewares)
{
#define SERVICE(x)	"http: {services: {s: {" x "}}}"
#define MW(x)		"http: {middlewares: {m: {" x "}}}"
	static const char *const rows[][2] = {
		{ SERVICE(""), "no kind is given" },
		{ SERVICE("middlewares: [m]"), "no kind is given" },
		{ SERVICE("weighted: {}, loadBalancer: {}"),
		    "more than one kind is given" },
		{ SERVICE("loadBalancer: {}"), "" },
		{ SERVICE("loadBalancer: {strategy: p2c}"), "" },
		{ SERVICE("loadBalancer: {strategy: ''}"), "" },
		{ SERVICE("loadBalancer: {strategy: p2d}"), "\"p2d\" is not "
		    "one of wrr, p2c, hrw, leasttime; did you mean \"p2c\"" },
		{ SERVICE("loadBalancer: {}, middlewares: [m]"), "" },
		{ SERVICE("weighted: {services: [{name: a, weight: 0}], "
		    "healthCheck: {}}"), "" },
		{ SERVICE("weighted: {services: [{weight: 2}]}"),
		    "weighted: the name of service 1 is missing" },
		{ SERVICE("weighted: {sticky: {cookie: {}}}"), "" },
		{ SERVICE("weighted: {sticky: {}}"), "does nothing" },
		{ SERVICE("weighted: {sticky: {cookie: {path: ';'}}}"),
		    "cannot stand in a cookie" },
		{ SERVICE("weighted: {healthCheck: {path: /}}"),
		    "unknown key \"path\" in healthCheck" },
		{ SERVICE("highestRandomWeight: {services: [{name: a}]}"), "" },
		{ SERVICE("highestRandomWeight: {services: [{weight: 1}]}"),
		    "highestRandomWeight: the name of service 1" },
		{ SERVICE("highestRandomWeight: {sticky: {}}"),
		    "unknown key \"sticky\" in highestRandomWeight" },
		{ SERVICE("mirroring: {mirrorBody: true}"),
		    "mirroring: service is missing" },
		{ SERVICE("mirroring: {service: a, mirrors: [{name: b, "
		    "percent: 100}, {name: c}]}"), "" },
		{ SERVICE("mirroring: {service: a, mirrors: [{percent: 1}]}"),
		    "mirroring: the name of mirror 1 is missing" },
		{ SERVICE("mirroring: {service: a, mirrors: [{name: b, "
		    "percent: 101}]}"), "mirroring: percent of \"b\" must be "
		    "from 0 to 100, not 101" },
		{ SERVICE("mirroring: {service: a, mirrors: [{name: b, "
		    "percent: -1}]}"), "must be from 0 to 100, not -1" },
		{ SERVICE("failover: {service: a, fallback: b}"), "" },
		{ SERVICE("failover: {service: a}"),
		    "failover: fallback is missing" },
		{ SERVICE("failover: {fallback: b}"),
		    "failover: service is missing" },
		{ MW(""), "no kind is given" },
		{ MW("compress: {}"), "" },
		{ MW("compress: {}, chain: {}"), "more than one kind is given" },
		{ MW("digestAuth: {users: []}"), "\"digestAuth\" is not" },
		{ MW("rateLimit: {redis: {}}"), "\"redis\" is not supported" },
		{ "http: {serversTransports: {t: {spiffe: {}}}}",
		    "\"spiffe\" is not supported yet" },
		{ "http: {serversTransports: {t: {proxyProtocol: {}}}}", "" },
		{ "http: {serversTransports: {t: {proxyProtocol: {version: 1}}}}",
		    "" },
		{ "http: {serversTransports: {t: {proxyProtocol: {version: 3}}}}",
		    "proxyProtocol: version is 3; it must be 1 or 2" },
		{ "http: {serversTransports: {t: {proxyProtocol: {version: 0}}}}",
		    "proxyProtocol: version is 0; it must be 1 or 2" },
		{ "http: {serversTransports: {t: {proxyProtocol: {verson: 2}}}}",
		    "\"version\"" },
		{ "serversTransport: {proxyProtocol: {version: 3}}",
		    "serversTransport.proxyProtocol: version must be 1 or 2" },
	};

	one(rows, ARRAY_SIZE(rows));
}
END_TEST

/* An object error disables that object, whatever else is in the file. */
START_TEST(verdicts)
{
	static const char text[] =
	    "http:\n"
	    "  routers:\n"
	    "    good: {rule: Path(`/`), service: s}\n"
	    "    norule: {service: s}\n"
	    "    noservice: {rule: Path(`/`)}\n"
	    "  services:\n"
	    "    s: {loadBalancer: {}}\n"
	    "    w: {loadBalancer: {strategy: odd}}\n"
	    "  middlewares:\n"
	    "    two: {compress: {}, chain: {}}\n";
	struct diags d = { 0 };
	struct config *c;

	ck_assert_int_eq(config_load_text("f", STR(text), &c, &d), 0);
	ck_assert_uint_eq(d.count[DIAG_OBJECT], 4);
	ck_assert_int_eq(c->dynamic.routers.v[0].o.verdict, VERDICT_OK);
	ck_assert_ptr_nonnull(c->dynamic.routers.v[0].rule);
	ck_assert_int_eq(c->dynamic.routers.v[1].o.verdict, VERDICT_UNUSABLE);
	ck_assert_int_eq(c->dynamic.routers.v[2].o.verdict, VERDICT_BROKEN);
	ck_assert_ptr_nonnull(c->dynamic.routers.v[2].rule);
	ck_assert_int_eq(c->dynamic.services.v[0].o.verdict, VERDICT_OK);
	ck_assert_int_eq(c->dynamic.services.v[1].o.verdict, VERDICT_BROKEN);
	ck_assert_int_eq(c->dynamic.middlewares.v[0].o.verdict,
	    VERDICT_BROKEN);
	ck_assert_ptr_nonnull(strstr(c->dynamic.services.v[1].o.why,
	    "strategy"));
	config_free(c);
	diags_fini(&d);
}
END_TEST

UNIT_MAIN("validate", entry_points, static_part, routers,
    services_and_middlewares, balancers, verdicts)
