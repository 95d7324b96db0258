# SPDX-License-Identifier: BSD-2-Clause
"""Which router a request meets, and what its server sees (proxy.md 2, 0.2;
security.md 3.6). Each router marks its requests with its name."""
import json
import time

import pytest

from harness.site import balancer, site


def marked(routers, **kw):
    """Routers that name themselves in X-Router."""
    table, mws = {}, dict(kw.pop("middlewares", {}))
    for name, r in routers.items():
        r = {"rule": r} if isinstance(r, str) else dict(r)
        mws[f"mark-{name}"] = {"headers": {"customRequestHeaders": {
            "X-Router": name}}}
        r["middlewares"] = [*r.get("middlewares", []), f"mark-{name}"]
        table[name] = r
    return site(middlewares=mws, routers=table, **kw)


def request(a, host, target="/", method="GET", headers=(), **kw):
    with a.client(**kw) as c:
        return c.request(method, target, host=host, headers=headers)


def routed(a, host, target="/", method="GET", headers=(), **kw):
    """The name of the router that served, or the status."""
    r = request(a, host, target, method, headers, **kw)
    if r.status != 200:
        return r.status
    return dict(json.loads(r.body)["fields"])["X-Router"] if method != "HEAD" \
        else 200


# -- the rule language --------------------------------------------------------------

RULES = {
    "host": "Host(`one.test`)",
    "or": "Host(`or1.test`) || Host(`or2.test`)",
    "and": "Host(`and.test`) && PathPrefix(`/p`)",
    "not": "Host(`not.test`) && !PathPrefix(`/no`)",
    "demorgan": "Host(`dm.test`) && !(Path(`/a`) || Path(`/b`))",
    "binds": "Host(`b1.test`) || Host(`b2.test`) && Path(`/x`)",
    "group": "(Host(`g1.test`) || Host(`g2.test`)) && Path(`/x`)",
    "newline": "Host(`nl.test`)\n  && Path(`/n`)",
    "double": 'Host("dq.test") && Path("/a\\x62")',
    "lower": "host(`low.test`) && pathprefix(`/`)",
    "upper": "HOST(`up.test`) && PATHPREFIX(`/`)",
    "hostre": "HostRegexp(`^re-[0-9]+\\.test$`)",
    "hostany": "Host(`*`) && Path(`/anyhost`)",
    "wild": "Host(`*.wild.test`)",
    "exact": "Host(`exact.wild.test`)",
    "dot": "Host(`dot.test.`)",
    "path": "Host(`path.test`) && Path(`/exact`)",
    "pathre": "Host(`path.test`) && PathRegexp(`^/re/[a-z]+$`)",
    "pathspace": "Host(`path.test`) && PathPrefix(`/a b`)",
    "pathslash": "Host(`path.test`) && Path(`/s%2Fs`)",
    "method": "Host(`m.test`) && Method(`post`)",
    "methods": "Host(`m.test`) && (Method(`GET`) || Method(`HEAD`))",
    "header": "Host(`h.test`) && Header(`x-key`, `val`)",
    "headerre": "Host(`h.test`) && HeaderRegexp(`X-Re`, `^v[0-9]`)",
    "hosthdr": "Host(`h.test`) && Header(`Host`, `h.test`)",
    "query": "Host(`q.test`) && Query(`k`, `v`)",
    "queryempty": "Host(`q.test`) && Query(`e`)",
    "queryre": "Host(`q.test`) && QueryRegexp(`r`, `^[0-9]+$`)",
    "client": "Host(`c.test`) && ClientIP(`127.0.0.0/8`)",
    "noclient": "Host(`c.test`) && ClientIP(`10.0.0.0/8`)",
    # Not rules: these match nothing.
    "x1": "Host('single.test')", "x2": "Host(`a.test`, `b.test`)",
    "x3": "Hosts(`x3.test`)", "x4": "Host(``)", "x5": "Path(`x5`)",
    "x6": "Host(`x6.test`) &&", "x7": "Host(`x7.test`) & Path(`/`)",
    "x8": "true", "x9": "HostRegexp(`(`)", "x10": "Host(`ünicode.test`)",
    "x11": "HOSt(`x11.test`)", "x12": "Host(`x12.test`) Path(`/`)",
    "x13": "PathPrefix(`/x13/{id}`) && Headers(`a`, `b`)",
}


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(marked(RULES), values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,target,want", [
    ("one.test", "/", "host"), ("ONE.Test", "/x", "host"),
    ("one.test:8080", "/", "host"), ("one.test.", "/", "host"),
    ("xone.test", "/", 404), ("one.test.x", "/", 404),
    ("or1.test", "/", "or"), ("or2.test", "/", "or"),
    ("and.test", "/p", "and"), ("and.test", "/", 404),
    ("not.test", "/", "not"), ("not.test", "/no", 404),
    ("dm.test", "/", "demorgan"), ("dm.test", "/a", 404), ("dm.test", "/b", 404),
    ("b1.test", "/", "binds"), ("b2.test", "/x", "binds"), ("b2.test", "/", 404),
    ("g1.test", "/", 404), ("g1.test", "/x", "group"), ("g2.test", "/x", "group"),
    ("nl.test", "/n", "newline"), ("dq.test", "/ab", "double"),
    ("low.test", "/", "lower"), ("up.test", "/", "upper"),
    ("re-12.test", "/", "hostre"), ("RE-1.test", "/", "hostre"),
    ("re-x.test", "/", 404), ("xre-1.test", "/", 404),
    ("whatever", "/anyhost", "hostany"),
    ("a.wild.test", "/", "wild"), ("wild.test", "/", 404),
    ("a.b.wild.test", "/", 404), ("exact.wild.test", "/", "exact"),
    ("dot.test", "/", "dot"), ("dot.test.", "/", "dot"),
    ("path.test", "/exact", "path"), ("path.test", "/exact/", 404),
    ("path.test", "/EXACT", 404), ("path.test", "/exact?q", "path"),
    ("path.test", "/%65xact", "path"), ("path.test", "/x/../exact", "path"),
    ("path.test", "/re/abc", "pathre"), ("path.test", "/re/ab1", 404),
    ("path.test", "/a%20b/c", "pathspace"),
    ("path.test", "/s%2Fs", "pathslash"), ("path.test", "/s%2fs", "pathslash"),
    ("path.test", "/s/s", 404),
])
def test_hosts_and_paths(a, host, target, want):
    assert routed(a, host, target) == want


@pytest.mark.parametrize("host,method,target,headers,want", [
    ("m.test", "POST", "/", [], "method"), ("m.test", "GET", "/", [], "methods"),
    ("m.test", "HEAD", "/", [], 200), ("m.test", "PUT", "/", [], 404),
    ("h.test", "GET", "/", [("X-Key", "val")], "header"),
    ("h.test", "GET", "/", [("X-Key", "other"), ("x-key", "val")], "header"),
    ("h.test", "GET", "/", [("X-Key", "val, other")], 404),
    ("h.test", "GET", "/", [("X-Key", "VAL")], 404),
    ("h.test", "GET", "/", [("X-Re", "v1x")], "headerre"),
    ("h.test", "GET", "/", [], 404),
    ("q.test", "GET", "/?k=v", [], "query"),
    ("q.test", "GET", "/?k=x&k=v", [], "query"),
    ("q.test", "GET", "/?%6B=%76", [], "query"),
    ("q.test", "GET", "/?k=v1", [], 404), ("q.test", "GET", "/?K=v", [], 404),
    ("q.test", "GET", "/?e", [], "queryempty"),
    ("q.test", "GET", "/?e=", [], "queryempty"),
    ("q.test", "GET", "/?e=1", [], 404),
    ("q.test", "GET", "/?r=12", [], "queryre"),
    ("q.test", "GET", "/?r=1a", [], 404),
    ("c.test", "GET", "/", [("X-Forwarded-For", "10.0.0.1")], "client"),
])
def test_other_matchers(a, host, method, target, headers, want):
    assert routed(a, host, target, method, headers) == want


@pytest.mark.parametrize("host", ["single.test", "a.test", "b.test", "x3.test",
                                  "x6.test", "x7.test", "x11.test", "x12.test"])
def test_broken_rules_match_nothing(a, host):
    assert routed(a, host) == 404


def test_broken_rules_are_named(a):
    done = a.command("check", "-c", str(a.config))
    assert done.returncode == 1
    text = done.stdout + done.stderr
    for n in range(1, 14):
        assert f"router x{n}@file" in text or f"router x{n}:" in text, n
    for name in RULES:
        if not name.startswith("x"):
            assert f"router {name}@file" not in text
            assert f"router {name}:" not in text


def test_no_route(a):
    r = request(a, "nobody.test")
    assert (r.status, r.text) == (404, "404 page not found\n")
    assert r["Content-Type"] == "text/plain; charset=utf-8"
    assert r["X-Content-Type-Options"] == "nosniff"


def test_absolute_form(a):
    """The authority of the target wins over Host, and it is what goes on."""
    with a.client() as c:
        r = c.request("GET", "http://one.test/abs?q", host="one.test")
    assert r.status == 200
    last = a.upstream.last
    assert last.target == "/abs?q" and last.all("Host") == ["one.test"]


# -- priorities ---------------------------------------------------------------------------

PRIORITIES = {
    "short": "PathPrefix(`/a`)",
    "long": "PathPrefix(`/a/longer`)",
    "first": {"rule": "Path(`/pri`) && Method(`GET`)", "priority": 5},
    "second": {"rule": "Path(`/pri`)", "priority": 10},
    "negative": {"rule": "PathPrefix(`/`)", "priority": -1},
    "tie-a": "Path(`/tie`)", "tie-b": "Path(`/tie`)",
    "toobig": {"rule": "Path(`/big`)", "priority": 9223372036854775000},
    "huge": {"rule": "Path(`/huge`)", "priority": 9223372036854774807},
}


@pytest.mark.parametrize("target,want", [
    ("/a", "short"), ("/a/longer/x", "long"), ("/pri", "second"),
    ("/tie", "tie-a"), ("/other", "negative"), ("/big", "negative"),
    ("/huge", "huge")])
def test_priorities(p, target, want):
    assert routed(p, "x.test", target) == want


@pytest.fixture(scope="module")
def p(module_akkod, module_upstream):
    return module_akkod(marked(PRIORITIES),
                        values={"upstream": module_upstream().port})


# -- paths ---------------------------------------------------------------------------------

PATHS = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  raw: {address: "127.0.0.1:@raw@", http: {sanitizePath: false}}
  deny:
    address: "127.0.0.1:@deny@"
    http: {encodedCharacters: {allowEncodedSlash: false, allowEncodedPercent: false}}
  semi: {address: "127.0.0.1:@semi@", http: {encodeQuerySemicolons: true}}
  loose: {address: "127.0.0.1:@loose@"}
""" + marked({
    "all": "Host(`a.test`)",
    "public": {"rule": "Host(`m.test`)"},
    "admin": {"rule": "Host(`m.test`) && PathPrefix(`/admin`)",
              "middlewares": ["deny"]},
}, middlewares={"deny": {"ipAllowList": {"sourceRange": ["10.0.0.1"]}}})


@pytest.fixture(scope="module")
def c(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(PATHS, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("sent,seen", [
    ("/a/../b/", "/b/"), ("/a/./b//c", "/a/b/c"), ("/%41%2e%2E/b", "/A../b"),
    ("/a/%2e%2e/b", "/b"), ("/a/%2E%2E%2Fb", "/a/..%2Fb"),
    ("/a/%252e%252e/b", "/a/%252e%252e/b"), ("/foo%2fbar//", "/foo%2Fbar/"),
    ("//host/path", "/host/path"), ("/../../x", "/x"), ("/x/..", "/"),
    ("/x/.", "/x"), ("/%7euser", "/~user"), ("/a%3fb?c%3fd", "/a%3Fb?c%3fd"),
    ("/a;b=c/d", "/a;b=c/d"), ("/a%3Bb", "/a%3Bb"), ("/%c3%a9", "/%C3%A9"),
    ("/x?a=b;c", "/x?a=b&c"), ("/x??a", "/x??a"), ("/x?", "/x?"),
    ("/a+b%2B", "/a+b%2B"), ("/a%20b", "/a%20b"), ("/!$&'()*+,=:@", "/!$&'()*+,=:@"),
    ("/%0d%0a", "/%0D%0A"),
    # Browsers send these raw (H1-L20); they go on escaped, as from Traefik.
    ("/a^b|c", "/a%5Eb%7Cc"), ("/{b}[c]", "/%7Bb%7D[c]"),
])
def test_canonical_path(c, sent, seen):
    """One form for the route and for the server (N-06)."""
    assert request(c, "a.test", sent).status == 200
    assert c.upstream.last.target == seen


@pytest.mark.parametrize("sent", [
    "/a%", "/a%2", "/a%zz", "/a#b", "/a%00b", "/a\\b", '/a"b', "/a<b", "/a>b",
    "/\xe9", "x", "http://", "*"])
def test_refused_targets(c, sent):
    n = len(c.upstream.requests)
    assert request(c, "a.test", sent).status == 400
    assert len(c.upstream.requests) == n


@pytest.mark.parametrize("sent", [
    "/admin", "/admin/x", "/administrator", "/x/../admin", "/x/%2e%2e/admin",
    "/%61dmin", "//admin", "/./admin", "/admin%2Fx", "/%2e/admin"])
def test_no_way_around(c, sent):
    n = len(c.upstream.requests)
    assert request(c, "m.test", sent).status in (403, 400)
    assert len(c.upstream.requests) == n


@pytest.mark.parametrize("sent", [
    "/x%2f..%2fadmin", "/x/..%2fadmin", "/x%5c..%5cadmin", "/;/admin",
    "/x;y/../admin", "/x/..;/admin", "/x/..;a=b/admin", "/%3b/admin",
    "/x/%252e%252e/admin", "/x/%252e%252e%252fadmin", "/%2fadmin", "/%5cadmin",
    "/%2561dmin", "/.;/admin", "/..%2fadmin", "/%2e%2e%2fadmin", "/%2fadmin%2fx",
    "/..%252fadmin", "/x%252f..%252fadmin"])
def test_readings(c, sent):
    """Another reading would meet another policy: refused (S-603)."""
    n = len(c.upstream.requests)
    r = request(c, "m.test", sent)
    assert r.status in (400, 403), r
    assert len(c.upstream.requests) == n


@pytest.mark.parametrize("sent", [
    "/x%2fy", "/a;b", "/repo%2Fname/tags", "/100%25", "/x%5cy", "/a%3Bb",
    "/x/..%2fy", "/x%2f..%2fy"])
def test_odd_paths_of_one_policy(c, sent):
    """Harmless ones go on as they are."""
    assert request(c, "m.test", sent).status == 200


def test_not_sanitised(c):
    """Dot segments and double slashes reach the server, checked all the same."""
    for sent in ("/a//b", "/a/./b", "/a/../b", "//x"):
        assert request(c, "a.test", sent, entry_point="raw").status == 200
        assert c.upstream.last.target == sent
    n = len(c.upstream.requests)
    for sent in ("/x/../admin", "//admin", "/./admin", "/x//../admin",
                 "/x/%2e%2e/admin"):
        assert request(c, "m.test", sent, entry_point="raw").status in (400, 403)
    assert len(c.upstream.requests) == n


@pytest.mark.parametrize("sent,status", [
    ("/a%2Fb", 400), ("/a%2fb", 400), ("/a%25b", 400), ("/a%5Cb", 200),
    ("/a?b=%2F", 200), ("/a", 200)])
def test_denied_escapes(c, sent, status):
    assert request(c, "a.test", sent, entry_point="deny").status == status


def test_semicolons_of_the_query(c):
    request(c, "a.test", "/x?a=b;c=d%3B", entry_point="semi")
    assert c.upstream.last.target == "/x?a=b%3Bc=d%3B"


# -- entry points -----------------------------------------------------------------------------

EPS = """
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    http:
      redirections:
        entryPoint: {to: websecure, permanent: false}
  alt:
    address: "127.0.0.1:@alt@"
    http:
      redirections:
        entryPoint: {to: ":9443", scheme: https, priority: 5}
  websecure:
    address: "127.0.0.1:@websecure@"
    asDefault: true
    http:
      tls: {}
      middlewares: [ep@file]
  second: {address: "127.0.0.1:@second@", http: {middlewares: [ep@file, ep2@file]}}
  bare: {address: "127.0.0.1:@bare@"}
""" + site(
    middlewares={"ep": {"headers": {"customRequestHeaders": {"X-Ep": "ep"}}},
                 "ep2": {"addPrefix": {"prefix": "/ep2"}},
                 "own": {"headers": {"customRequestHeaders": {"X-Ep": "own"}}}},
    routers={
        "default": {}, "own": ["own"],
        "multi": {"entryPoints": ["second", "bare"]},
        "altroute": {"entryPoints": ["alt"], "rule": "Host(`alt.test`)"},
        "nowhere": {"entryPoints": ["nosuch"]},
        "some": {"entryPoints": ["nosuch", "bare"]},
        "plainweb": {"entryPoints": ["web"]}})


@pytest.fixture(scope="module")
def e(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(EPS, values={"upstream": u.port})
    a.upstream = u
    return a


def test_redirection(e):
    port = e.ports["websecure"]
    for host, target in (("default.test", "/a?b"), ("unknown.test", "/"),
                         ("default.test:8000", "/x%2Fy"), ("plainweb.test", "/")):
        r = request(e, host, target)
        name = host.split(":")[0]
        assert (r.status, r["Location"]) == (302, f"https://{name}:{port}{target}")
    with e.client() as c:
        assert c.request("POST", "/", host="default.test").status == 307


def test_redirection_with_a_priority(e):
    assert request(e, "alt.test", entry_point="alt").status == 200
    r = request(e, "other.test", "/x", entry_point="alt")
    assert (r.status, r["Location"]) == (301, "https://other.test:9443/x")


def test_default_entry_points(e):
    """asDefault: a router without entry points stands there only."""
    tls = {"entry_point": "websecure", "tls": True}
    assert request(e, "default.test", **tls).status == 200
    assert e.upstream.last["X-Ep"] == "ep"
    assert request(e, "own.test", **tls).status == 200
    assert e.upstream.last["X-Ep"] == "own"	# its own come later
    for ep in ("second", "bare"):
        assert request(e, "default.test", entry_point=ep).status == 404


def test_middlewares_of_entry_points(e):
    assert request(e, "multi.test", "/x", entry_point="second").status == 200
    assert e.upstream.last.target == "/ep2/x"
    assert request(e, "multi.test", "/x", entry_point="bare").status == 200
    assert e.upstream.last.target == "/x" and e.upstream.last["X-Ep"] is None


def test_unknown_entry_points(e):
    for ep in ("second", "bare"):
        assert request(e, "nowhere.test", entry_point=ep).status == 404
    assert request(e, "some.test", entry_point="bare").status == 200


def test_tls_and_plain_do_not_mix(e):
    assert request(e, "default.test", entry_point="websecure").status in (400, 404)
    assert request(e, "multi.test", entry_point="bare", tls=True).status == 404


# -- expressions that give up ------------------------------------------------------------------

def test_regexp_limit(akkod, upstream):
    """It never counts as no match: a broader router must not answer (S-609)."""
    u = upstream()
    bad = "^/(a|aa|a+)+$"
    a = akkod(marked({
        "rule": f"Host(`rule.test`) && PathRegexp(`{bad}`)",
        "broad": {"rule": "PathPrefix(`/`)", "priority": 1},
        "replace": {"rule": "Host(`replace.test`)", "middlewares": ["replace"]},
        "redirect": {"rule": "Host(`redirect.test`)", "middlewares": ["redirect"]},
        "strip": {"rule": "Host(`strip.test`)", "middlewares": ["strip"]},
    }, middlewares={
        "replace": {"replacePathRegex": {"regex": bad, "replacement": "/x"}},
        "strip": {"stripPrefixRegex": {"regex": [bad]}},
        "redirect": {"redirectRegex": {"regex": "^.*/(a|aa|a+)+$",
                                       "replacement": "http://x.test/"}}}),
        values={"upstream": u.port})
    n = len(u.requests)
    for host in ("rule", "replace", "redirect", "strip"):
        start = time.monotonic()
        r = request(a, f"{host}.test", "/" + "a" * 3000 + "!")
        assert time.monotonic() - start < 2
        assert r.status == 400, host
        assert a.logged(RequestAddr=f"{host}.test")["Reason"] == "regex-limit"
    assert len(u.requests) == n
    assert routed(a, "other.test") == "broad"


# -- services -----------------------------------------------------------------------------------

def test_a_broken_router_stays_in_place(akkod, upstream):
    """No broader router answers for one that cannot be used (S-517)."""
    u = upstream()
    a = akkod(marked({
        "broad": "PathPrefix(`/`)",
        "nomw": {"rule": "Host(`nomw.test`)", "middlewares": ["nosuch"]},
        "nosvc": {"rule": "Host(`nosvc.test`)", "service": "nosuch"},
        "badsvc": {"rule": "Host(`badsvc.test`)", "service": "bad"},
        "badrule": "Host(`badrule.test`",
    }, services={"bad": balancer("gopher://x")}), values={"upstream": u.port})
    for host in ("nomw", "nosvc", "badsvc"):
        r = request(a, f"{host}.test")
        assert r.status == 503
        assert a.logged(RequestAddr=f"{host}.test")["Reason"] == "router-broken"
    assert routed(a, "badrule.test") == "broad"
    assert len(u.requests) == 1
    broken = {b["name"]: b["matches"] for b in a.status()["routers"]["broken"]
              if not b["name"].startswith("websecure-")}
    assert broken == {"nomw@file": True, "nosvc@file": True,
                      "badsvc@file": True, "badrule@file": False}
