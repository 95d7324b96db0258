# SPDX-License-Identifier: BSD-2-Clause
"""The numbered cases of traefik.io/v1alpha1 (kubernetes.md 6.3 and 6.4).

World W2 and changes; each row has the namespaces shop and other to itself, and
of the Services of W2 those that it names; see kubernetes_table.
"""
import base64
import json

from harness.kube import ep, obj, service, slice_of
from kubernetes_table import Case, elsewhere

M = "Host(`a.demo.test`) && PathPrefix(`/v1`)"
K = "shop-front-route-8fcb5cbdd5af3156a464"
B = "Host(`b.demo.test`)"
KB = "shop-front-route-337c02ff3bc175bbd4c4"
API = {"name": "api", "port": 80}
API2 = {"name": "api2", "port": 8080}
OTHER_API = {"name": "api", "namespace": "other", "port": 80}


def external(name, *ports):
    return service(name, *ports, type="ExternalName",
                   externalName="ext.demo.test")


# Services of W2 by the name that a service entry has.
SERVICES = {
    "api": [service("api", ("web", 80)),
            slice_of("api", [("web", 80)], "10.2.0.1", "10.2.0.2")],
    "api2": [service("api2", ("web", 8080)),
             slice_of("api2", [("web", 8080)], "10.2.0.3", "10.2.0.4")],
    "sec": [service("sec", ("websecure", 443)),
            slice_of("sec", [("websecure", 8443)], "10.2.0.5")],
    "sec2": [service("sec2", ("websecure2", 8443)),
             slice_of("sec2", [("websecure2", 8443)], "10.2.0.6")],
    "ext": [external("ext")],
    "ext80": [external("ext80", ("http", 80))],
    "ext443": [external("ext443", ("https", 443))],
    "empty": [service("empty", ("web", 80)), slice_of("empty", [("web", 80)])],
}
IN_OTHER = [service("api", ("web", 80), ns="other"),
            slice_of("api", [("web", 80)], "10.3.0.1", ns="other")]


def route(match=M, *services, **more):
    return {"match": match, "kind": "Rule", "priority": 12,
            "services": list(services) or [API], **more}


def front(*routes, **spec):
    annotations = spec.pop("annotations", None)
    return obj("IngressRoute", "front.route", {
        "entryPoints": ["web"], **spec, "routes": list(routes) or [route()]},
        annotations=annotations)


def to(*services, **more):
    """The base route with these services."""
    return front(route(M, *services, **more))


def case(number, want, *objects, options=None, **kw):
    if not any(o["kind"] == "IngressRoute" and
               o["metadata"]["name"] == "front.route" for o in objects) \
            and not kw.pop("no_route", False):
        objects = (*objects, front())
    said = json.dumps(objects)
    base = [o for name, objects_ in SERVICES.items()
            if f'"name": "{name}"' in said for o in objects_]
    if '"namespace": "other"' in said:
        base += IN_OTHER
    n = int(number.split("-")[0])
    section = 3 if n < 130 else 4 if n < 140 else 6
    return Case(f"6.{section}-{number}", want, base, objects, options, "crd",
                **kw)


def tsvc(name, ns="shop", **spec):
    return obj("TraefikService", name, spec, ns=ns)


def ref(name, **more):
    return {"name": name, "kind": "TraefikService", **more}


def middleware(name, ns="shop", **spec):
    return obj("Middleware", name, spec, ns=ns)


def secret(name, kind="Opaque", ns="shop", **data):
    return obj("Secret", name, ns=ns, type=kind, data={
        k.replace("__", "."): base64.b64encode(v.encode()).decode()
        for k, v in data.items()})


# ---- Lines ---------------------------------------------------------------------

URLS = "http://10.2.0.1:80 http://10.2.0.2:80"
URLS2 = "http://10.2.0.3:8080 http://10.2.0.4:8080"


def r(more="", key=K, rule=M, to=None):
    return f"R {key}: {rule} -> {to or key} prio=12 ep=web{more}\n"


def s(text=URLS, key=K):
    return f"S {key}: {text}\n"


def both(text=URLS, more=""):
    return r(more) + s(text)


R2 = both()
RB = r(key=KB, rule=B) + s(key=KB)
S_API = s(key="shop-api-80")
S_API2 = s(URLS2, "shop-api2-8080")
S_OTHER = s("http://10.3.0.1:80", "other-api-80")
PREFIX = {"addPrefix": {"prefix": "/x"}}


def m(name, **config):
    text = " ".join(f"{k} {json.dumps(v, sort_keys=True)}"
                    for k, v in config.items())
    return f"M {name}: {text}\n"


M_MW = m("shop-mw", **PREFIX)
M_OTHER = m("other-mw", **PREFIX)
MW, OTHER_MW = middleware("mw", **PREFIX), middleware("mw", "other", **PREFIX)
CROSS = {"allowCrossNamespace": True}
EXTERNAL = {"allowExternalNameServices": True}
EMPTY = {"allowEmptyServices": True}

ROUTES = [
    case("89", R2),
    case("89-observed", both(more=" logs=0 metrics=1 tracing=0"),
         front(route(observability={"accessLogs": False, "metrics": True,
                                    "tracing": False,
                                    "traceVerbosity": "minimal"}))),
    case("90", "", front(route("")),
         notes=[r"IngressRoute shop/front.route: spec.routes\[0\]: match is "
                "empty"]),
    case("90-none", R2, front({"match": M, "priority": 12, "services": [API]})),
    case("90-other", "", front(route(kind="Other")), refused="Rule"),
    case("91", R2 + RB, front(route(), route(B))),
    case("92", r() + s("weighted shop-api-80=1 shop-api2-8080=1") + S_API
         + S_API2, to(API, API2)),
    case("92-weights", r() + s("weighted shop-api-80=10 shop-api2-8080=1")
         + S_API + S_API2, to({**API, "weight": 10}, API2)),
    case("93", R2),
    case("93-option", "", options={"ingressClass": "edge"}),
    case("93-equal", R2, front(ingressClassName="edge"),
         options={"ingressClass": "edge"}),
    case("93-wins", R2, front(ingressClassName="edge", annotations={
        "kubernetes.io/ingress.class": "nginx"}),
         options={"ingressClass": "edge"}),
    case("93-annotation", R2, front(annotations={
        "kubernetes.io/ingress.class": "edge"}),
         options={"ingressClass": "edge"}),
    case("93-traefik", R2, front(ingressClassName="traefik")),
    case("93-nginx", "", front(ingressClassName="nginx")),
    case("94", both(more=" mw=shop-mw") + M_MW, MW,
         front(route(middlewares=[{"name": "mw"}]))),
    case("94-other", both(more=" mw=other-mw") + M_OTHER, OTHER_MW,
         front(route(middlewares=[{"name": "mw", "namespace": "other"}])),
         options=CROSS),
    case("94-file", both(more=" mw=mw@file BROKEN"),
         front(route(middlewares=[{"name": "mw@file"}]))),
    case("94-dash", both(more=" mw=shop-multi-dash")
         + m("shop-multi-dash", **PREFIX), middleware("multi---dash", **PREFIX),
         front(route(middlewares=[{"name": "multi---dash"}]))),
]

W1 = tsvc("w1", weighted={"services": [API]})
S_W1 = s("weighted shop-api-80=1", "shop-w1")

COMPOSED = [
    case("96", r(to="shop-w1") + S_W1 + S_API, W1, to(ref("w1"))),
    case("97", S_W1 + S_API, W1, no_route=True),
    case("98", r(to="shop-w1") + s("weighted shop-w2=1", "shop-w1")
         + s("weighted shop-api-80=1", "shop-w2") + S_API,
         tsvc("w1", weighted={"services": [ref("w2")]}),
         tsvc("w2", weighted={"services": [API]}), to(ref("w1"))),
    case("98-mixed", r(to="shop-w1")
         + s("weighted shop-api2-8080=1 shop-w2=2 shop-m=3", "shop-w1")
         + s("weighted shop-api-80=1", "shop-w2")
         + s("mirroring shop-api-80 +shop-api2-8080=50", "shop-m")
         + S_API + S_API2,
         tsvc("w1", weighted={"services": [
             API2, ref("w2", weight=2), ref("m", weight=3)]}),
         tsvc("w2", weighted={"services": [API]}),
         tsvc("m", mirroring={**API, "mirrors": [{**API2, "percent": 50}]}),
         to(ref("w1"))),
    case("99", r(to="shop-m") + s("mirroring shop-api-80 +shop-api2-8080=20 "
                                  "+shop-sec2-8443=10", "shop-m")
         + S_API + S_API2 + s("http://10.2.0.6:8443", "shop-sec2-8443"),
         tsvc("m", mirroring={**API, "mirrors": [
             {**API2, "percent": 20},
             {"name": "sec2", "port": 8443, "percent": 10}]}), to(ref("m"))),
    case("99-weighted", r(to="shop-m")
         + s("mirroring shop-w1 +shop-w2=20", "shop-m") + S_W1
         + s("weighted shop-api2-8080=1", "shop-w2") + S_API + S_API2, W1,
         tsvc("w2", weighted={"services": [API2]}),
         tsvc("m", mirroring={**ref("w1"), "mirrors": [
             {**ref("w2"), "percent": 20}]}), to(ref("m"))),
    case("100", r() + r(key=KB, rule=B)
         + s("weighted shop-api-80=1 shop-api2-8080=1")
         + s("weighted shop-api-80=1 shop-api2-8080=1", KB) + S_API + S_API2,
         front(route(M, API, API2), route(B, API, API2))),
    case("101", r(to="shop-w1") + s("weighted other-api-80=1 other-w1=1",
                                    "shop-w1")
         + s("weighted other-api-80=1", "other-w1") + S_OTHER,
         tsvc("w1", weighted={"services": [OTHER_API,
                                           ref("w1", namespace="other")]}),
         tsvc("w1", "other", weighted={"services": [OTHER_API]}),
         to(ref("w1")), options=CROSS),
    case("101-mirror", r(to="shop-m")
         + s("mirroring other-api-80 +other-w1=20", "shop-m")
         + s("weighted other-api-80=1", "other-w1") + S_OTHER,
         tsvc("m", mirroring={**OTHER_API, "mirrors": [
             {**ref("w1", namespace="other"), "percent": 20}]}),
         tsvc("w1", "other", weighted={"services": [OTHER_API]}),
         to(ref("m")), options=CROSS),
    case("102", r(to="shop-w1") + S_W1
         + s(URLS + " mw=shop-mw", "shop-api-80") + M_MW, MW,
         tsvc("w1", weighted={"services": [
             {**API, "middlewares": [{"name": "mw"}]}]}), to(ref("w1"))),
    case("103", r(to="shop-h") + s("hrw shop-api-80=10 shop-api2-8080=20",
                                   "shop-h") + S_API + S_API2,
         tsvc("h", highestRandomWeight={"services": [
             {**API, "weight": 10}, {**API2, "weight": 20}]}), to(ref("h"))),
    case("104", r(to="shop-f") + s("failover shop-api2-8080 / shop-api-80 "
                                   "status=500-504,404 most=1048576", "shop-f")
         + S_API + S_API2,
         tsvc("f", failover={"service": API2, "fallback": API, "errors": {
             "status": ["500-504", "404"], "maxRequestBodyBytes": 1048576}}),
         to(ref("f"))),
    case("104-weighted", r(to="shop-f") + s("failover shop-w1 / shop-w2 "
                                            "status=500", "shop-f")
         + S_W1 + s("weighted shop-api2-8080=1", "shop-w2") + S_API + S_API2,
         W1, tsvc("w2", weighted={"services": [API2]}),
         tsvc("f", failover={"service": ref("w1"), "fallback": ref("w2"),
                             "errors": {"status": ["500"]}}), to(ref("f"))),
    case("104-none", "", tsvc("f", failover={"service": API2,
                                             "fallback": API}),
         refused="errors"),
]

CHECK = {"healthCheck": {"path": "/x", "interval": "15s"}}
# timeout and followRedirects have their defaults, which are not shown.
CHECKED = " check=path:/x,interval:15s,unhealthyInterval:15s"

ENTRIES = [
    case("105", both("https://ext.demo.test:443" + CHECKED),
         to({"name": "ext443", "port": 443, **CHECK}), options=EXTERNAL),
    case("106", r() + s("weighted shop-ext443-443=1 shop-ext80-80=1")
         + s("https://ext.demo.test:443" + CHECKED, "shop-ext443-443")
         + s("http://ext.demo.test:80" + CHECKED, "shop-ext80-80"),
         to({"name": "ext443", "port": 443, **CHECK},
            {"name": "ext80", "port": 80, **CHECK}), options=EXTERNAL),
    case("107", s("https://ext.demo.test:443" + CHECKED, "shop-ext443-443"),
         to({"name": "ext443", "port": 443, **CHECK}, {**API, **CHECK}),
         options=EXTERNAL,
         notes=["healthCheck is for Services of type ExternalName only"]),
    case("113", both("https://10.2.0.5:8443"), to({"name": "sec", "port": 443})),
    case("113-scheme", both("https://10.2.0.6:8443"),
         to({"name": "sec2", "port": 8443, "scheme": "https"})),
    # The name begins with "websecure", not with "https".
    case("113-none", both("http://10.2.0.6:8443"),
         to({"name": "sec2", "port": 8443})),
    case("114", both("h2c://10.2.0.1:80 h2c://10.2.0.2:80"),
         to({**API, "scheme": "h2c"})),
    case("114-foo", "", to({**API, "scheme": "foo"}),
         notes=[r'spec.routes\[0\]: Service shop/api: scheme "foo"']),
    case("115", R2, to({"name": "api", "port": "web"})),
    case("115-none", "", to({"name": "api"}), notes=["no port is given"]),
    case("115-zero", "", to({"name": "api", "port": 0})),
    case("115-gone", "", to({"name": "gone", "port": 80}),
         notes=["Service shop/gone does not exist"]),
    case("115-quoted", "", to({"name": "api", "port": "80"}),
         notes=['Service shop/api has no port "80"; it has web:80']),
    case("115-unlisted", "", to({"name": "api", "port": 81}),
         notes=["Service shop/api has no port 81; it has web:80"]),
    case("120", both(URLS + " host=no flush=10s"),
         to({**API, "passHostHeader": False,
             "responseForwarding": {"flushInterval": "10s"}})),
    case("122", both("http://ext.demo.test:8000"),
         to({"name": "ext", "port": 8000}), options=EXTERNAL),
    case("122-80", both("http://ext.demo.test:80"),
         to({"name": "ext80", "port": 80}), options=EXTERNAL),
    case("122-443", both("https://ext.demo.test:443"),
         to({"name": "ext443", "port": 443}), options=EXTERNAL),
    case("122-none", "", to({"name": "ext"}), options=EXTERNAL),
    case("122-name", "", to({"name": "ext80", "port": "nope"}),
         options=EXTERNAL, notes=['Service shop/ext80 has no port "nope"']),
    case("124", "", to({"name": "empty", "port": 80}),
         notes=["Service shop/empty has no endpoint"]),
    case("124-allowed", both("(none)"), to({"name": "empty", "port": 80}),
         options=EMPTY),
    case("124-child", r(to="shop-w1") + s("weighted shop-empty-80=1", "shop-w1")
         + s("(none)", "shop-empty-80"),
         tsvc("w1", weighted={"services": [{"name": "empty", "port": 80}]}),
         to(ref("w1")), options=EMPTY),
    case("124-child-off", r(" BROKEN", to="shop-w1"),
         tsvc("w1", weighted={"services": [{"name": "empty", "port": 80}]}),
         to(ref("w1")),
         notes=["TraefikService shop/w1: .*Service shop/empty has no endpoint"]),
    case("124-mirror", r(to="shop-m")
         + s("mirroring shop-api-80 +shop-empty-80=20", "shop-m") + S_API
         + s("(none)", "shop-empty-80"),
         tsvc("m", mirroring={**API, "mirrors": [
             {"name": "empty", "port": 80, "percent": 20}]}), to(ref("m")),
         options=EMPTY),
    case("124-errors", R2 + s("(none)", "shop-err-errorpage-service")
         + m("shop-err", errors={"service": "shop-err-errorpage-service",
                                 "status": ["500"]}),
         middleware("err", errors={"status": ["500"], "service": {
             "name": "empty", "port": 80}}), front(), options=EMPTY),
    case("125", both("(none)"), service("api", ("web", 80)),
         slice_of("api", [{"port": 80}], "10.2.0.1"), options=EMPTY),
    case("125-number", both("(none)"),
         slice_of("api", [{"name": "web"}], "10.2.0.1"), options=EMPTY),
    case("126", both("http://10.2.0.1:80~ http://10.2.0.3:80 "
                     "http://10.2.0.4:80 http://10.2.0.5:80"),
         slice_of("api", [("web", 80)],
                  ep("10.2.0.1", ready=False, serving=True, terminating=True),
                  ep("10.2.0.2", serving=False), ep("10.2.0.3", ready=False),
                  {"addresses": ["10.2.0.4"]}),
         slice_of("api", [("web", 80)], "10.2.0.4", "10.2.0.5", n=2)),
    case("127", both(URLS + " sticky=c,secure,httponly,samesite=lax,path=/"),
         to({**API, "sticky": {"cookie": {"name": "c", "secure": True,
                                          "httpOnly": True,
                                          "sameSite": "lax"}}})),
    case("127-path", both(URLS + " sticky=,maxage=42,path=/p,domain=d.test"),
         to({**API, "sticky": {"cookie": {"path": "/p", "maxAge": 42,
                                          "domain": "d.test"}}})),
    case("127-weighted", r(to="shop-w1") + s("weighted shop-api-80=1 sticky=w,"
                                             "path=/", "shop-w1") + S_API,
         tsvc("w1", weighted={"services": [API], "sticky": {
             "cookie": {"name": "w"}}}), to(ref("w1"))),
    *(case(f"128-{name}", both(f"{URLS} strategy={name}"),
           to({**API, "strategy": name}))
      for name in ("leasttime", "p2c", "hrw")),
    case("128-RoundRobin", R2, to({**API, "strategy": "RoundRobin"})),
    case("128-bad", "", to({**API, "strategy": "nonsense"}),
         refused="strategy"),
]


# ---- TLS, middlewares, transports ------------------------------------------------


def host(name):
    """A route of its own host: TLS options go by host."""
    return f"Host(`{name}.demo.test`)"


def host_r(name, more=""):
    import hashlib
    key = "shop-front-route-" + hashlib.sha256(
        host(name).encode()).hexdigest()[:20]
    return r(more, key, host(name)) + s(key=key)


def opt(name, ns="shop", **spec):
    return obj("TLSOption", name, spec, ns=ns)


def o(name, more="", **spec):
    return f"O {name}: {json.dumps(spec, sort_keys=True)}{more}\n"


def x(name, **spec):
    return f"X {name}: {json.dumps(spec, sort_keys=True)}\n"


TLS = [
    case("108", both(more=" tls"), front(tls={})),
    case("109", host_r("c109", " tls=shop-opt")
         + o("shop-opt", minVersion="VersionTLS13"),
         opt("opt", minVersion="VersionTLS13"),
         front(route(host("c109")), tls={"options": {"name": "opt"}})),
    case("109-other", host_r("c109x", " tls=other-opt")
         + o("other-opt", minVersion="VersionTLS13"),
         opt("opt", "other", minVersion="VersionTLS13"),
         front(route(host("c109x")), tls={"options": {
             "name": "opt", "namespace": "other"}}), options=CROSS),
    case("109-unknown", host_r("c109u", " tls=shop-gone BROKEN"),
         front(route(host("c109u")), tls={"options": {"name": "gone"}})),
    case("112", both(more=" tls resolver=le domain=d.test/x.d.test"),
         front(tls={"certResolver": "le", "domains": [
             {"main": "d.test", "sans": ["x.d.test"]}]})),
]

# "user:pass1", an empty line, "bob:pass2"; and a basic-auth Secret.
LINES = secret("users", any="user:$apr1$lD9wOTRq$a/gOpWrrBr4FtKTEQVvuE.\n\n"
               "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
BASIC = secret("users", "kubernetes.io/basic-auth", username="user",
               password="s3cret")
USERS = {"basicAuth": {"secret": "users"}}

MIDDLEWARES = [
    # Redis is not supported, so the limit would not be what it says.
    case("95", both(more=" mw=shop-r BROKEN")
         + m("shop-r", rateLimit={"average": 7, "redis": {}}).replace("\n", " BROKEN\n"),
         middleware("r", rateLimit={"average": 7, "redis": {
             "endpoints": ["redis.test:6379"], "secret": "redis",
             "tls": {"caSecret": "ca", "certSecret": "pair"}}}),
         front(route(middlewares=[{"name": "r"}])),
         notes=["Middleware shop/r: .*redis.* not supported"]),
    case("116", R2 + m("shop-a", basicAuth={"users": ["user:***", "bob:***"]}),
         LINES, middleware("a", **USERS)),
    case("116-basic", R2 + m("shop-a", basicAuth={"users": ["user:***"]}),
         BASIC, middleware("a", **USERS)),
    case("116-gone", R2 + "M shop-a: BROKEN\n", middleware("a", **USERS),
         notes=["Middleware shop/a: basicAuth: Secret shop/users does not "
                "exist"]),
    case("116-two", R2 + "M shop-a: BROKEN\n", secret("users", a="x", b="y"),
         middleware("a", **USERS),
         notes=["Secret shop/users must have one key with users"]),
    case("117", R2 + m("shop-f", forwardAuth={
        "address": "http://auth.test/", "tls": {
            "ca": "certificate", "cert": "certificate", "key": "***"}}),
         middleware("f", forwardAuth={
             "address": "http://auth.test/",
             "tls": {"caSecret": "ca", "certSecret": "pair"}}),
         pki={"ca": "any", "pair": "tls"}),
    case("117-gone", R2 + "M shop-f: BROKEN\n", middleware("f", forwardAuth={
        "address": "http://auth.test/", "tls": {"caSecret": "gone"}}),
         notes=["Middleware shop/f: forwardAuth: Secret shop/gone does not "
                "exist"]),
    case("118", both(more=" mw=shop-p BROKEN") + "M shop-p: plugin {} BROKEN\n",
         middleware("p", plugin={"x": {"a": "urn:k8s:secret:users:any",
                                       "b": [{"c": "urn:k8s:secret:u:k"}]}}),
         front(route(middlewares=[{"name": "p"}])),
         notes=["Middleware shop/p: .*plugin"]),
    case("119", R2 + s(key="shop-err-errorpage-service")
         + m("shop-err", errors={
             "status": ["500-599"], "service": "shop-err-errorpage-service",
             "query": "/{status}", "statusRewrites": {"418": "404"},
             "errorRequestHeaders": ["X-A"]}),
         middleware("err", errors={
             "status": ["500-599"], "service": API, "query": "/{status}",
             "statusRewrites": {"418": 404}, "errorRequestHeaders": ["X-A"]})),
    case("119-ref", R2 + m("shop-err", errors={
        "status": ["500"], "service": "shop-w1"}) + S_W1 + S_API, W1,
         middleware("err", errors={"status": ["500"], "service": ref("w1")})),
    case("119-gone", R2 + "M shop-err: BROKEN\n", middleware("err", errors={
        "status": ["500"], "service": {"name": "gone", "port": 80}}),
         notes=["Middleware shop/err: errors: Service shop/gone does not "
                "exist"]),
]

TRANSPORTS = [
    case("110", R2 + o("shop-opt", clientAuth={
        "caFiles": ["certificate"], "clientAuthType": "VerifyClientCertIfGiven"}),
         opt("opt", clientAuth={"secretNames": ["ca", "gone"],
                                "clientAuthType": "VerifyClientCertIfGiven"}),
         pki={"ca": "ca.crt"},
         notes=["TLSOption shop/opt: .*Secret shop/gone does not exist"]),
    case("123", R2 + x("shop-test", serverName="x", insecureSkipVerify=True,
                       rootCAs=["certificate"] * 3, disableHTTP2=True,
                       certificates=[{"certFile": "certificate",
                                      "keyFile": "***"}], maxIdleConnsPerHost=7,
                       cipherSuites=["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
                       minVersion="VersionTLS12", maxVersion="VersionTLS13",
                       forwardingTimeouts={
                           "dialTimeout": "42s", "responseHeaderTimeout": "42s",
                           "idleConnTimeout": "42ms", "readIdleTimeout": "1m30s",
                           "pingTimeout": "1s"}),
         obj("ServersTransport", "test", {
             "serverName": "x", "insecureSkipVerify": True,
             "rootCAsSecrets": ["one"], "rootCAs": [
                 {"secret": "both"}, {"configMap": "map"}, {"secret": "gone"}],
             "certificatesSecrets": ["pair", "gone"],
             "maxIdleConnsPerHost": 7, "disableHTTP2": True,
             "cipherSuites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
             "minVersion": "VersionTLS12", "maxVersion": "VersionTLS13",
             "forwardingTimeouts": {
                 "dialTimeout": "42s", "responseHeaderTimeout": 42,
                 "idleConnTimeout": "42ms", "readIdleTimeout": "1m30s",
                 "pingTimeout": "1"}}),
         pki={"one": "any", "both": "tls.ca", "map": "map", "pair": "tls"},
         notes=["ServersTransport shop/test: .*Secret shop/gone does not "
                "exist"]),
    case("123-name", R2 + x("shop-shop-test", serverName="y"),
         obj("ServersTransport", "shop-test", {"serverName": "y"})),
    case("123-both", "", obj("ServersTransport", "test", {"rootCAs": [
        {"secret": "a", "configMap": "b"}]}), refused="not both"),
]

PARENT = obj("IngressRoute", "parent", {"routes": [
    {"match": host("parent"), "kind": "Rule"},
    {"match": host("second"), "kind": "Rule"}]})


def child(*parents):
    return obj("IngressRoute", "child", {
        "parentRefs": [{"name": p} for p in parents],
        "routes": [route("Path(`/`)")]})


PARENTS = [
    case("129-missing", R2, child("gone"),
         notes=["IngressRoute shop/child: spec.parentRefs: IngressRoute "
                "shop/gone does not exist"]),
    case("129-denied", R2, obj("IngressRoute", "child", {
        "parentRefs": [{"name": "parent", "namespace": "other"}],
        "routes": [route("Path(`/`)")]}),
         notes=["IngressRoute shop/child: spec.parentRefs: .*"
                "allowCrossNamespace"]),
]

# ---- 6.4 -------------------------------------------------------------------------

T_OTHER = obj("ServersTransport", "t", {"serverName": "y"}, ns="other")
OWN_TRANSPORT = {**API, "serversTransport": "other-t@kubernetescrd"}
OTHER_OPTION = {"options": {"name": "opt", "namespace": "other"}}
FILE_MW = both(more=" mw=m@file BROKEN")
NODE_PORT = service("api", {"name": "web", "port": 80, "nodePort": 32458},
                    type="NodePort")


def each_policy(number, kept, *objects):
    """Unset, nobody, this namespace, another: who may name other providers'."""
    return [case(f"{number}-{name}", kept if good else "", *objects,
                 options=options) for name, good, options in (
        ("unset", True, None),
        ("none", False, {"crossProviderNamespaces": []}),
        ("shop", True, {"crossProviderNamespaces": ["shop"]}),
        ("elsewhere", False, {"crossProviderNamespaces": ["elsewhere"]}))]


POLICIES = [
    case("130", RB + M_OTHER, OTHER_MW,
         front(route(middlewares=[{"name": "mw", "namespace": "other"}]),
               route(B)),
         notes=[r'IngressRoute shop/front.route: spec.routes\[0\]: "mw" is in '
                r"namespace other \(allowCrossNamespace\)"]),
    case("130-chain", R2 + M_OTHER + "M shop-c: BROKEN\n", OTHER_MW,
         middleware("c", chain={"middlewares": [
             {"name": "mw", "namespace": "other"}]}),
         notes=["Middleware shop/c: chain: .*allowCrossNamespace"]),
    case("130-qualified", RB, front(
        route(middlewares=[{"name": "other-mw@kubernetescrd"}]), route(B))),
    case("131", S_API, to(API, OTHER_API),
         notes=["IngressRoute shop/front.route: .*allowCrossNamespace"]),
    case("131-built", r(to="shop-w1", more=" BROKEN")
         + s("weighted other-api-80=1", "other-w1") + S_OTHER,
         tsvc("w1", weighted={"services": [ref("w1", namespace="other")]}),
         tsvc("w1", "other", weighted={"services": [OTHER_API]}),
         to(ref("w1")),
         notes=["TraefikService shop/w1: .*allowCrossNamespace"]),
    case("132", x("other-t", serverName="y"), T_OTHER, to(OWN_TRANSPORT)),
    case("132-option", s() + o("other-opt", minVersion="VersionTLS13"),
         opt("opt", "other", minVersion="VersionTLS13"),
         front(tls=OTHER_OPTION)),
    case("133-130", both(more=" mw=other-mw,other-mw") + M_OTHER
         + m("shop-c", chain={"middlewares": ["other-mw"]}), OTHER_MW,
         middleware("c", chain={"middlewares": [
             {"name": "mw", "namespace": "other"}]}),
         front(route(middlewares=[{"name": "mw", "namespace": "other"},
                                  {"name": "other-mw@kubernetescrd"}])),
         options=CROSS),
    case("133-131", both("http://10.3.0.1:80"), to(OTHER_API), options=CROSS),
    case("133-132", both(URLS + " transport=other-t")
         + x("other-t", serverName="y"), T_OTHER, to(OWN_TRANSPORT),
         options=CROSS),
    case("133-errors", R2 + s("http://10.3.0.1:80",
                              "shop-err-errorpage-service")
         + m("shop-err", errors={"service": "shop-err-errorpage-service",
                                 "status": ["500"]}),
         middleware("err", errors={"status": ["500"], "service": OTHER_API}),
         front(), options=CROSS),
    case("133-errors-off", R2 + "M shop-err: BROKEN\n",
         middleware("err", errors={"status": ["500"], "service": OTHER_API}),
         notes=["Middleware shop/err: errors: .*allowCrossNamespace"]),
    *each_policy("134", FILE_MW, front(route(middlewares=[{"name": "m@file"}]))),
    case("135", r(to="shop-m", more=" BROKEN")
         + s("mirroring other-w BROKEN", "shop-m"),
         tsvc("m", mirroring={**ref("w", namespace="other"), "mirrors": []}),
         tsvc("w", "other", weighted={"services": [ref("svc@file")]}),
         to(ref("m")), options={**CROSS, "crossProviderNamespaces": ["shop"]},
         notes=["TraefikService other/w: .*crossProviderNamespaces"]),
    *each_policy("136", both(URLS + " transport=t@file").replace(
        "\n", " BROKEN\n"), to({**API, "serversTransport": "t@file"})),
    case("137", "", to({"name": "ext80", "port": 80}),
         notes=["Service shop/ext80 is of type ExternalName"]),
    case("137-on", both("http://ext.demo.test:80"),
         to({"name": "ext80", "port": 80}), options=EXTERNAL),
    case("138", both("http://10.96.138.1:80"),
         service("api", ("web", 80), clusterIP="10.96.138.1"),
         to({**API, "nativeLB": True})),
    case("138-default", both("http://10.96.138.2:80"),
         service("api", ("web", 80), clusterIP="10.96.138.2"),
         options={"nativeLBByDefault": True}),
    case("138-off", R2, to({**API, "nativeLB": False}),
         options={"nativeLBByDefault": True}),
    case("139", both("http://172.16.4.4:32458"), NODE_PORT,
         to({**API, "nodePortLB": True})),
    case("139-scope", "", service(
        "api", {"name": "web", "port": 80, "nodePort": 32459},
        type="NodePort"), to({**API, "nodePortLB": True}),
         options={"disableClusterScopeResources": True},
         notes=["nodes are not read"]),
]

# Names that the whole cluster has once: each of these has akkod to itself.
ALONE = [
    case("111", R2 + o("default", minVersion="VersionTLS12"),
         opt("default", minVersion="VersionTLS12"), alone=True),
    case("111-two", R2 + o("shop-own-opt", sniStrict=True), opt("default"),
         opt("default", "other"), opt("own.opt", sniStrict=True), alone=True,
         notes=["TLSOption (shop|other)/default: "]),
]

L4 = [
    ("IngressRouteTCP", "db.route", {"entryPoints": ["db"], "routes": [
        {"match": "HostSNI(`db.demo.test`)", "services": [
            {"name": "api", "port": 80, "serversTransport": "t@file"}]}],
        "tls": {"options": {"name": "opt"}}}),
    ("IngressRouteUDP", "dns.route", {"entryPoints": ["dns"], "routes": [
        {"services": [{"name": "api", "port": 80}]}]}),
    ("MiddlewareTCP", "few", {"inFlightConn": {"amount": 10}}),
    ("ServersTransportTCP", "slow", {"dialTimeout": "42s"}),
]

# What is not supported is named and refused, beside everything else.
REFUSED = [
    case(f"136-139-{kind}", R2, obj(kind, name, spec),
         notes=[f"{kind} shop/{name}: .*not supported"])
    for kind, name, spec in L4
]

DASHBOARD = "PathPrefix(`/dashboard`) || PathPrefix(`/api`)"

WHOLE = [
    case("155", "R shop-rel-dashboard-d012b7f875133eeab4e5: "
         f"{DASHBOARD} -> api@internal ep=web BROKEN\n",
         obj("IngressRoute", "rel-dashboard", {
             "entryPoints": ["web"], "routes": [{
                 "match": DASHBOARD, "kind": "Rule",
                 "services": [ref("api@internal")]}]}), no_route=True),
]

CRD = ROUTES + COMPOSED + ENTRIES + TLS + MIDDLEWARES + TRANSPORTS + PARENTS \
    + POLICIES + REFUSED + WHOLE + ALONE

ELSEWHERE = [
    elsewhere("6.3-95", "test_kubernetes_cases.py", "test_case",
              "redis is not supported: the row shows that it is refused"),
    elsewhere("6.3-108 (certificate)", "test_kubernetes_run.py",
              "test_certificates_of_routes_and_stores"),
    elsewhere("6.3-116 (what a user is)", "test_kubernetes_run.py",
              "test_users_of_secrets"),
    elsewhere("6.3-118", "test_kubernetes_cases.py", "test_case",
              "there are no plugins: the row shows that it is refused"),
    elsewhere("6.3-121", "test_kubernetes_run.py",
              "test_certificates_of_routes_and_stores"),
    elsewhere("6.3-125 (null)", "tests/unit/test_crd.c", "service_entries",
              "the API server makes \"\" of it"),
    elsewhere("6.4-136..139 (TCP and UDP)", "test_kubernetes_cases.py",
              "test_case", "routers of TCP and UDP are not supported: the "
              "rows show that they are refused by name"),
    elsewhere("6.6-150", "test_kubernetes_run.py", "test_precedence"),
    elsewhere("6.6-151", "test_kubernetes_run.py",
              "test_a_name_without_provider"),
    elsewhere("6.6-152", "test_kubernetes_run.py", "test_users_of_secrets"),
    elsewhere("6.6-153", "test_kubernetes_run.py",
              "test_default_tls_options_by_name"),
    elsewhere("6.6-154", "test_kubernetes_run.py",
              "test_no_client_ca_is_no_open_door"),
    elsewhere("6.6-156", "test_kubernetes_run.py",
              "test_redirection_comes_first"),
    elsewhere("6.6-157", "test_kubernetes.py",
              "test_what_is_forbidden_counts_as_empty"),
    elsewhere("6.6-158", "test_kubernetes_run.py",
              "test_a_burst_is_few_generations"),
]
