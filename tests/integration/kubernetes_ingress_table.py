# SPDX-License-Identifier: BSD-2-Clause
"""The numbered cases of Ingress objects (kubernetes.md 6.1): world W1 and changes.

Each row has the namespaces shop and other to itself; see kubernetes_table.
"""
from harness.kube import (ann, backend, ep, ingress, obj, path, rule, service,
                          slice_of)
from kubernetes_table import Case, elsewhere

V1 = path("/v1")
WEB = ("web", 80)
CLASS = "kubernetes.io/ingress.class"
TRAEFIKS = "traefik.io/ingress-controller"

W1 = [
    service("web", 80),
    slice_of("web", [("", 8080)], "10.1.0.1", "10.1.0.2"),
    ingress("front", rule("a.demo.test", V1)),
]

SERVERS = "http://10.1.0.1:8080 http://10.1.0.2:8080"
S = f"S shop-web-80: {SERVERS}\n"
RULE = 'Host("a.demo.test") && PathPrefix("/v1")'
R = f"R shop-front-a-demo-test-v1: {RULE} -> shop-web-80"
R1 = f"{R}\n{S}"


def router(name, text, to="shop-web-80", more=""):
    return f"R shop-front{name}: {text} -> {to}{more}\n"


def case(number, want, *objects, options=None, **kw):
    return Case(f"6.1-{number}", want, W1, objects, options, "ingress", **kw)


def front(*rules, **kw):
    return ingress("front", *(rules or [rule("a.demo.test", V1)]), **kw)


def paths(*all_paths, host="a.demo.test", **kw):
    return front(rule(host, *all_paths), **kw)


def annotated(_host="a.demo.test", **words):
    return front(rule(_host, V1), annotations=ann(**words))


def web(*ports, **kw):
    words = {k[4:]: kw.pop(k) for k in list(kw) if k.startswith("ann_")}
    return service("web", *(ports or [80]), **kw,
                   annotations=ann("service", **words) if words else None)


def endpoints(*all_endpoints, ports=(("", 8080),), **kw):
    return slice_of("web", ports, *all_endpoints, **kw)


def ingress_class(name, controller=TRAEFIKS):
    return obj("IngressClass", name, {"controller": controller})


def of_class(name, **kw):
    return front(ingressClassName=name, **kw)


def by_annotation(name, **kw):
    return front(annotations={CLASS: name}, **kw)


HTTP = [web(("http", 80), ("metrics", 9090))]
BY_NAME = paths(path("/v1", ("web", "http")), path("/m", ("web", "metrics")))
DEFAULT = ingress("front", defaultBackend=backend("web", 80))
DEFAULT_R = 'R default-router: PathPrefix("/") -> default-backend ' \
    "prio=-2147483648"
DEFAULT_S = f"S default-backend: {SERVERS}\n"
EVIL = "Host(`evil`) || PathPrefix"

RULES = [
    case("1", R1),
    case("3", "", front({"host": "a.demo.test"})),
    case("4", router("-v1", 'PathPrefix("/v1")') + S, front(rule(None, V1))),
    case("5", router("-a-demo-test", 'Host("a.demo.test")') + S,
         paths(path("", kind="ImplementationSpecific"))),
    case("5-Prefix", "", paths(path("")), refused="must be an absolute path"),
    case("6", router("", "", more=" BROKEN") + S,
         paths(path("", kind="ImplementationSpecific"), host=None)),
    case("7", R1 + router("-a-demo-test-v2",
                          'Host("a.demo.test") && PathPrefix("/v2")'),
         paths(V1, path("/v2"))),
    case("8", R1 + router("-b-demo-test-v1",
                          'Host("b.demo.test") && PathPrefix("/v1")'),
         front(rule("a.demo.test", V1), rule("b.demo.test", V1))),
    case("9", R1 + router("-a-demo-test-v2",
                          'Host("a.demo.test") && PathPrefix("/v2")',
                          "shop-web2-8082")
         + "S shop-web2-8082: http://10.1.0.9:9\n",
         service("web2", 8082), slice_of("web2", [("", 9)], "10.1.0.9"),
         paths(V1, path("/v2", ("web2", 8082)))),
    case("10", R1 + f"R other-front-a-demo-test-v1: {RULE} -> other-web-80\n"
         "S other-web-80: http://10.1.9.1:8080\n",
         service("web", 80, ns="other"),
         slice_of("web", [("", 8080)], "10.1.9.1", ns="other"),
         ingress("front", rule("a.demo.test", V1), ns="other")),
    case("11", router("-demo-test-a-12188e0ea42bc8065834",
                      'Host("demo.test") && PathPrefix("/a")')
         + router("-demo-test-a-3dc5b0c1bd14b69c2d10",
                  'Host("*.demo.test") && PathPrefix("/a")') + S,
         front(rule("demo.test", path("/a")), rule("*.demo.test", path("/a")))),
    case("12", router("-x-y-363474e0e4c13f1d9cf9", 'PathPrefix("/x/y")')
         + router("-x-y-91af6031d1176cd7f461", 'PathPrefix("/x-y")') + S,
         paths(path("/x/y"), path("/x-y"), host=None)),
    case("13", f"R shop-front-a-demo-test-v1-@sha@: {RULE} -> shop-web-80\n{S}",
         paths(V1, V1), sha=RULE),
    case("26", router("-a-demo-test-v1", 'Host("a.demo.test") && Path("/v1")')
         + S, paths(path("/v1", kind="Exact"))),
    case("27", "", paths(path("/v1", kind=None)), refused="pathType"),
    case("28", router("-a-demo-test-v1", 'Host("a.demo.test") && Path("/v1")')
         + S, paths(path("/v1", kind="ImplementationSpecific"),
                    annotations=ann(pathmatcher="Path"))),
    case("28-Prefix", R1, annotated(pathmatcher="Path")),
    case("28-none", R1, paths(path("/v1", kind="ImplementationSpecific"))),
    case("29", S, paths(path("/v1", kind="ImplementationSpecific"),
                        annotations=ann(pathmatcher=EVIL)),
         notes=["Ingress shop/front: .*router.pathmatcher"]),
    case("30", router("-v1", '(Path("/v1") || PathPrefix("/v1/"))') + S,
         paths(V1, host=None), options={"strictPrefixMatching": True}),
    case("30-slash", router("-v1", '(Path("/v1") || PathPrefix("/v1/"))') + S,
         paths(path("/v1/"), host=None), options={"strictPrefixMatching": True}),
    case("30-root", router("", 'PathPrefix("/")') + S,
         paths(path("/"), host=None), options={"strictPrefixMatching": True}),
    case("31", router("-a-demo-test-v1", 'Host("a.demo.test") && '
                      '(Path("/v1") || PathPrefix("/v1/"))') + S,
         options={"strictPrefixMatching": True}),
    case("33", router("-demo-test-a", 'Host("*.demo.test") && '
                      'PathPrefix("/a")') + S,
         front(rule("*.demo.test", path("/a")))),
    # Rules of version 2 are not supported, so this one has no match at all.
    case("34", router("-demo-test-a", 'Host("*.demo.test") && '
                      'PathPrefix("/a")', more=" BROKEN") + S,
         front(rule("*.demo.test", path("/a")),
               annotations=ann(rulesyntax="v2")),
         notes=['Ingress shop/front: .*ruleSyntax "v2" is not supported']),
]

ANNOTATIONS = [
    case("14", f"{R} prio=42 ep=ep1,ep2 mw=shop-m1@kubernetescrd,"
         f"shop-m2@kubernetescrd\n{S}"
         + router("-a-demo-test-v2", 'Host("a.demo.test") && PathPrefix("/v2")',
                  more=" prio=42 ep=ep1,ep2 mw=shop-m1@kubernetescrd,"
                  "shop-m2@kubernetescrd"),
         *(obj("Middleware", m, {"addPrefix": {"prefix": "/" + m}})
           for m in ("m1", "m2")),
         paths(V1, path("/v2"), annotations=ann(
             entrypoints="ep1, ep2", priority="42", middlewares="shop-m1@"
             "kubernetescrd, shop-m2@kubernetescrd"))),
    case("15", router("-c15-demo-test-v1", 'Host("c15.demo.test") && '
                      'PathPrefix("/v1")', more=" tls=o@file resolver=acme "
                      "domain=d.test/x.d.test,y.d.test domain=e.test BROKEN")
         + S,
         annotated("c15.demo.test", tls="true", tls__certresolver="acme",
                   tls__options="o@file", tls__domains__0__main="d.test",
                   tls__domains__0__sans="x.d.test, y.d.test",
                   tls__domains__1__main="e.test")),
    case("16", f"{R} tls resolver=acme\n{S}",
         annotated(tls__certresolver="acme")),
    case("17", R1, annotated(tls="false", tls__certresolver="acme")),
    case("17-TRUE", f"{R} tls\n{S}", annotated(tls="TRUE")),
    case("17-empty", f"{R} tls\n{S}", annotated(tls="")),
    case("18", f"{R} logs=0 metrics=1 tracing=0\n{S}",
         annotated(observability__accesslogs="FALSE",
                   observability__metrics="1", observability__tracing="f")),
    case("18-bad", "", annotated(observability__metrics="yes"),
         notes=["Ingress shop/front: .*observability.metrics"]),
    case("19", R + "\nS shop-web-80: https://10.1.0.1:8080 "
         "https://10.1.0.2:8080 host=no transport=shop-t@kubernetescrd "
         "sticky=c,secure,httponly,path=/\n",
         obj("ServersTransport", "t", {"serverName": "x"}),
         web(ann_serversscheme="https", ann_passhostheader="false",
             ann_serverstransport="shop-t@kubernetescrd",
             ann_sticky__cookie__name="c", ann_sticky__cookie__secure="true",
             ann_sticky__cookie__httponly="true")),
    case("20", R + f"\nS shop-web-80: {SERVERS} sticky=,path=/\n",
         web(ann_sticky__cookie="true")),
    case("20-words", R + f"\nS shop-web-80: {SERVERS} sticky=,samesite=strict,"
         "maxage=42,path=/p,domain=d.test\n",
         web(ann_sticky__cookie__path="/p", ann_sticky__cookie__maxage="42",
             ann_sticky__cookie__samesite="strict",
             ann_sticky__cookie__domain="d.test")),
    case("21", R + f"\nS shop-web-80: {SERVERS} mw=shop-m2@kubernetescrd,"
         "shop-m1@kubernetescrd\n",
         *(obj("Middleware", m, {"addPrefix": {"prefix": "/" + m}})
           for m in ("m1", "m2")),
         web(ann_middlewares="shop-m2@kubernetescrd,shop-m1@kubernetescrd")),
    case("22", R1, front(annotations={"traefik.ingress.kubernetes.io/foo":
                                      "x"})),
    case("23", "", annotated(foo="x"),
         notes=["Ingress shop/front: .*router.foo"]),
    case("23-service", "", web(ann_foo="x"),
         notes=["Ingress shop/front: .*Service shop/web: .*service.foo"]),
    case("23-int", "", annotated(priority="high")),
    case("23-float", "", annotated(priority="1.5")),
    case("23-element", "", front(annotations={
        "traefik.ingress.kubernetes.io/router..tls": "true"})),
    case("24", f"{R} ep=web\n{S}", front(annotations={
        "traefik.ingress.kubernetes.io/router.entryPoints": "web"})),
    case("25", f"{R} tls domain=a domain=b domain=c\n{S}",
         annotated(tls__domains__2__main="c", tls__domains__10__main="b",
                   tls__domains__0__main="a")),
]

SERVICES = [
    case("35", f"R shop-front-a-demo-test-v1: {RULE} -> shop-web-http\n"
         f"S shop-web-http: {SERVERS}\n", *HTTP,
         endpoints("10.1.0.1", "10.1.0.2", ports=[("http", 8080)]),
         paths(path("/v1", ("web", "http")))),
    case("36", router("-a-demo-test-v1", RULE, "shop-web-http")
         + router("-a-demo-test-m", 'Host("a.demo.test") && PathPrefix("/m")',
                  "shop-web-metrics")
         + "S shop-web-http: http://10.1.0.1:8080\n"
         "S shop-web-metrics: http://10.1.0.1:9\n", *HTTP, BY_NAME,
         endpoints("10.1.0.1", ports=[("http", 8080), ("metrics", 9)])),
    case("37", router("-a-demo-test-v1", RULE, "shop-web-http")
         + "S shop-web-http: http://10.1.0.1:8080\n", *HTTP, BY_NAME,
         endpoints("10.1.0.1", ports=[("http", 8080)]),
         notes=["Ingress shop/front: a.demo.test/m: Service shop/web has no "
                "endpoint"]),
    case("37-two", router("-a-demo-test-v1", RULE, "shop-web-http")
         + router("-a-demo-test-m", 'Host("a.demo.test") && PathPrefix("/m")',
                  "shop-web-metrics")
         + "S shop-web-http: http://10.1.0.1:8080 http://10.1.0.2:8080\n"
         "S shop-web-metrics: http://10.1.0.2:9\n", *HTTP, BY_NAME,
         endpoints("10.1.0.1", ports=[("http", 8080)]),
         endpoints("10.1.0.2", ports=[("http", 8080), ("metrics", 9)], n=2)),
    case("38", "", paths(path("/v1", ("web", 8089))),
         notes=["Ingress shop/front: a.demo.test/v1: Service shop/web has no "
                "port 8089; it has 80"]),
    case("38-name", "", paths(path("/v1", ("web", "nope"))),
         notes=['Service shop/web has no port "nope"']),
    case("39", R1, *HTTP,
         endpoints("10.1.0.1", "10.1.0.2", ports=[("http", 8080)])),
    case("40", "", paths(path("/v1", ("gone", 80))),
         notes=["Ingress shop/front: a.demo.test/v1: Service shop/gone does "
                "not exist"]),
    case("40-empty", "", paths(path("/v1", ("gone", 80))),
         options={"allowEmptyServices": True}),
    case("41", "", endpoints(),
         notes=["Ingress shop/front: .*Service shop/web has no endpoint"]),
    case("41-allowed", R + "\nS shop-web-80: (none)\n", endpoints(),
         options={"allowEmptyServices": True}),
    case("42", "", without=["EndpointSlice web-1"],
         notes=["Service shop/web has no endpoint"]),
    # The API server makes "" of a slice port without a name, so the Service's
    # has one here; null itself is for tests/unit/test_ingress.c.
    case("43", R + "\nS shop-web-80: (none)\n", *HTTP,
         endpoints("10.1.0.1", ports=[{"port": 8080}]),
         options={"allowEmptyServices": True}),
    case("44", R + "\nS shop-web-80: (none)\n",
         endpoints("10.1.0.1", ports=[{"name": ""}]),
         options={"allowEmptyServices": True}),
    case("45", R + "\nS shop-web-80: http://10.1.0.1:8080~\n",
         endpoints(ep("10.1.0.1", ready=False, serving=True,
                      terminating=True))),
    case("46", R + "\nS shop-web-80: http://10.1.0.2:8080 "
         "http://10.1.0.3:8080\n",
         endpoints(ep("10.1.0.1", serving=False), ep("10.1.0.2", ready=False),
                   {"addresses": ["10.1.0.3"]})),
    case("48", f"{R}\nS shop-web-80: {SERVERS} http://10.1.0.3:8080\n",
         endpoints("10.1.0.2", "10.1.0.3", n=2)),
    case("49", R + "\nS shop-web-80: http://[2001:db8::7]:8080\n",
         endpoints("2001:db8::7", family="IPv6")),
    case("49-dual", R + f"\nS shop-web-80: {SERVERS} "
         "http://[2001:db8::7]:8080\n",
         endpoints("2001:db8::7", family="IPv6", n=2)),
    case("50", "", paths(path("/v1", {"resource": {
        "apiGroup": "x.test", "kind": "X", "name": "y"}})),
         notes=["Ingress shop/front: .*the backend is no Service"]),
    case("50-empty", "", paths(path("/v1", {})), refused="backend"),
    case("52", R1, front(defaultBackend=backend("web", 80))),
    case("56", router("-a-demo-test-v1", RULE, "shop-web-443")
         + "S shop-web-443: https://10.1.0.1:8080 https://10.1.0.2:8080\n",
         web(443), paths(path("/v1", ("web", 443)))),
    *(case(f"56-{name}", R + "\nS shop-web-80: https://10.1.0.1:8080\n",
           web((name, 80)), endpoints("10.1.0.1", ports=[(name, 8080)]))
      for name in ("https", "https-x")),
    case("57", "", web(type="ExternalName", externalName="ext.test"),
         notes=["Service shop/web is of type ExternalName"]),
    case("57-on", R + "\nS shop-web-80: http://ext.test:80\n",
         web(type="ExternalName", externalName="ext.test"),
         options={"allowExternalNameServices": True}),
    case("57-IPv6", "", web(type="ExternalName", externalName="2001:db8::9"),
         refused="externalName"),
    case("58", R + "\nS shop-web-80: http://10.96.58.1:80\n",
         web(ann_nativelb="true", clusterIP="10.96.58.1")),
    case("58-none", "", web(ann_nativelb="true", clusterIP="None"),
         notes=["Service shop/web has no cluster address"]),
    case("59", R + "\nS shop-web-80: http://10.96.59.1:80\n",
         web(clusterIP="10.96.59.1"), options={"nativeLBByDefault": True}),
    case("59-off", R1, web(ann_nativelb="false"),
         options={"nativeLBByDefault": True}),
    case("60", R + "\nS shop-web-80: http://172.16.4.4:32456\n",
         web({"port": 80, "nodePort": 32456}, type="NodePort",
             ann_nodeportlb="true")),
    case("60-scope", "", web({"port": 80, "nodePort": 32457}, type="NodePort",
                             ann_nodeportlb="true"),
         options={"disableClusterScopeResources": True},
         notes=["nodes are not read"]),
    # No pod has such an address, so no slice may name it (security.md S-311);
    # what the API server refuses by itself is for tests/unit/test_ingress.c.
    case("S-311", "", endpoints("127.0.0.1"),
         refused="may not be in the loopback range"),
]

CLASSES = [
    case("61", R1, by_annotation("traefik")),
    case("61-nginx", "", by_annotation("nginx")),
    case("62", "", by_annotation("traefik"), options={"ingressClass": "edge"}),
    case("62-none", "", options={"ingressClass": "edge"}),
    case("62-edge", R1, by_annotation("edge"),
         options={"ingressClass": "edge"}),
    case("63", R1, ingress_class("edge-63"), of_class("edge-63")),
    case("63-other", "", ingress_class("nginx-63", "nginx.org/ingress"),
         of_class("nginx-63")),
    case("63-missing", "", of_class("gone-63")),
    case("64", R1 + "R shop-back-b-demo-test-v1: Host(\"b.demo.test\") && "
         "PathPrefix(\"/v1\") -> shop-web-80\n",
         ingress_class("one-64"), ingress_class("two-64"), of_class("one-64"),
         ingress("back", rule("b.demo.test", V1), ingressClassName="two-64")),
    case("64-option", R1, ingress_class("edge"), ingress_class("edge-64"),
         of_class("edge"),
         ingress("back", rule("b.demo.test", V1), ingressClassName="edge-64"),
         options={"ingressClass": "edge"}),
    # Traefik ignores the annotation beside the name; so does akkod where older
    # objects have both.
    case("65", "", ingress_class("edge-65"),
         of_class("edge-65", annotations={CLASS: "nginx"}),
         refused="must match `ingressClassName`"),
    *(case(f"66-{option}", R1, ingress_class(f"edge-66{option[7].lower()}"),
           by_annotation("traefik"),
           ingress("back", rule("b.demo.test", V1),
                   ingressClassName=f"edge-66{option[7].lower()}"),
           options={option: True})
      for option in ("disableIngressClassLookup",
                     "disableClusterScopeResources")),
]

MIDDLEWARES = f"{R} mw=m@file BROKEN\n{S}"
TRANSPORT = f"{R}\nS shop-web-80: {SERVERS} transport=t@file\n"


def options_72(n):
    return router(f"-c72-{n}-demo-test-v1", f'Host("c72-{n}.demo.test") && '
                  'PathPrefix("/v1")', more=" tls=o@file BROKEN") + S


POLICIES = [
    *(case(f"71-{n}", MIDDLEWARES if kept else "",
           annotated(middlewares="m@file"), options=options)
      for n, kept, options in (
          ("unset", True, None),
          ("none", False, {"crossProviderNamespaces": []}),
          ("shop", True, {"crossProviderNamespaces": ["shop"]}),
          ("other", False, {"crossProviderNamespaces": ["other"]}))),
    *(case(f"72-{n}", options_72(n) if kept else "",
           annotated(f"c72-{n}.demo.test", tls__options="o@file"),
           options=options)
      for n, kept, options in (
          ("unset", True, None),
          ("none", False, {"crossProviderNamespaces": []}),
          ("shop", True, {"crossProviderNamespaces": ["shop"]}),
          ("other", False, {"crossProviderNamespaces": ["other"]}))),
    *(case(f"73-{n}", TRANSPORT.replace("\n", " BROKEN\n")
           if kept else "", web(ann_serverstransport="t@file"),
           options=options)
      for n, kept, options in (
          ("unset", True, None),
          ("none", False, {"crossProviderNamespaces": []}),
          ("shop", True, {"crossProviderNamespaces": ["shop"]}),
          ("other", False, {"crossProviderNamespaces": ["other"]}))),
    case("71-plain", R1, options={"crossProviderNamespaces": []}),
]

# Names that the whole cluster has once: each of these has akkod to itself.
ALONE = [
    case("51", f"{DEFAULT_R}\n{DEFAULT_S}", DEFAULT, alone=True),
    case("53", f"{DEFAULT_R}\n{DEFAULT_S}", DEFAULT,
         ingress("second", defaultBackend=backend("web", 80)), alone=True),
    case("54", "", ingress("front", defaultBackend={"resource": {
        "apiGroup": "x.test", "kind": "X", "name": "y"}}), alone=True),
    case("54-empty", "", ingress("front", defaultBackend={}),
         refused="defaultBackend"),
    case("55", f"{DEFAULT_R} mw=m@file BROKEN\n{DEFAULT_S}",
         ingress("front", defaultBackend=backend("web", 80),
                 annotations=ann(priority="5", middlewares="m@file")),
         alone=True),
]

INGRESS = RULES + ANNOTATIONS + SERVICES + CLASSES + POLICIES + ALONE

ELSEWHERE = [
    elsewhere("6.1-2", "test_kubernetes_run.py", "test_all_of_it_goes"),
    elsewhere("6.1-20 (name of the cookie)", "test_kubernetes_run.py",
              "test_a_cookie_of_an_annotation"),
    elsewhere("6.1-27", "tests/unit/test_ingress.c", "hosts_and_paths",
              "the API server takes no path without pathType"),
    elsewhere("6.1-32", "test_kubernetes_run.py", "test_whole_elements"),
    elsewhere("6.1-34", "test_kubernetes_cases.py", "test_case",
              "rules of version 2 are not supported: the row shows that they "
              "are refused by name"),
    elsewhere("6.1-43 (null)", "tests/unit/test_ingress.c",
              "services_and_endpoints", "the API server makes \"\" of it"),
    elsewhere("6.1-47", "test_kubernetes_run.py", "test_endpoints_that_end"),
    elsewhere("6.1-50, 54 ({})", "tests/unit/test_ingress.c",
              "services_and_endpoints", "the API server takes no such object"),
    elsewhere("6.1-57 (IPv6)", "tests/unit/test_ingress.c",
              "services_and_endpoints", "the API server takes no such name"),
    elsewhere("6.1-65", "tests/unit/test_ingress.c", "class_selection",
              "the API server takes no new object with both"),
    elsewhere("6.1-67..70", "test_kubernetes_run.py", "test_certificates"),
    elsewhere("6.1-69 (API error)", "tests/unit/test_ingress.c",
              "certificates", "the cache has no errors: a kind that cannot be "
              "read counts as empty"),
    elsewhere("6.1-74", "test_kubernetes_run.py", "test_two_of_one_name"),
]
