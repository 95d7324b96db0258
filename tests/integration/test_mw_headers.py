# SPDX-License-Identifier: BSD-2-Clause
"""headers: custom, CORS and security headers (proxy.md 4.13)."""
import re

import pytest

from harness.site import site

CORS = {"accessControlAllowMethods": ["GET", "PUT"],
        "accessControlAllowHeaders": ["X-A", "X-B"],
        "accessControlAllowOriginList": ["https://one.test", "https://two.test"],
        "accessControlAllowOriginListRegex": [r"^https://[a-z]+\.re\.test$"],
        "accessControlExposeHeaders": ["X-E", "X-F"],
        "accessControlMaxAge": 100, "addVaryHeader": True}
SECURE = {"stsSeconds": 300, "stsIncludeSubdomains": True, "stsPreload": True,
          "frameDeny": True, "contentTypeNosniff": True,
          "browserXssFilter": True, "referrerPolicy": "no-referrer",
          "permissionsPolicy": "camera=()",
          "contentSecurityPolicy": "script-src $NONCE",
          "contentSecurityPolicyReportOnly": "img-src $NONCE",
          "publicKey": "pin"}
HEADERS = {
    "request": {"customRequestHeaders": {"X-New": "n", "X-Set": "s",
                                         "x-gone": "", "X-Empty": ""}},
    "host": {"customRequestHeaders": {"HOST": "inner.test"}},
    "badhost": {"customRequestHeaders": {"Host": "a b"}},
    "badhost2": {"customRequestHeaders": {"Host": "a\r\nX-Evil: 1"}},
    "badname": {"customRequestHeaders": {"X Y": "1"}},
    "badvalue": {"customRequestHeaders": {"X-Y": "1\x01"}},
    "lines": {"contentSecurityPolicy": "default-src 'self';\nimg-src *\n",
              "customRequestHeaders": {"X-Long": " a\nb\n"},
              "customResponseHeaders": {"X-Long": "one\r\nX-Evil: 1"}},
    "xff": {"customRequestHeaders": {"X-Forwarded-For": ""}},
    "response": {"customResponseHeaders": {"X-Up": "changed", "Server": "",
                                           "X-Added": "a"}},
    "cors": CORS,
    "star": {"accessControlAllowOriginList": ["*"],
             "accessControlAllowMethods": ["*"],
             "accessControlAllowHeaders": ["*"],
             "accessControlExposeHeaders": ["*"]},
    "cred": {"accessControlAllowOriginList": ["*"],
             "accessControlAllowMethods": ["*"],
             "accessControlAllowHeaders": ["*"],
             "accessControlExposeHeaders": ["*"],
             "accessControlAllowCredentials": True},
    "secure": SECURE,
    "forced": {"stsSeconds": 5, "forceSTSHeader": True},
    "proxied": {"stsSeconds": 5, "sslProxyHeaders": {"X-Proto": "https"}},
    "frame": {"frameDeny": True, "customFrameOptionsValue": "SAMEORIGIN",
              "browserXssFilter": True, "customBrowserXSSValue": "1; report"},
    "allowed": {"allowedHosts": ["allowed.test", "other.test:81"],
                "hostsProxyHeaders": ["X-Real-Host"]},
    "dev": {"allowedHosts": ["none.test"], "isDevelopment": True,
            "stsSeconds": 5, "forceSTSHeader": True},
    "nothing": {"frameDeny": False},
}
CONFIG = site(
    middlewares={k: {"headers": v} for k, v in HEADERS.items()},
    routers={k: [k] for k in HEADERS} |
            {"tls": {"middlewares": ["secure"], "entryPoints": ["websecure"],
                     "tls": {}}})


def serve(c, r):
    """Answers with the headers that the request asks for."""
    c.body(r)
    fields = [("X-Up", "up"), ("Server", "up/1")]
    for value in r.all("X-Answer"):
        fields.append(tuple(value.split("=", 1)))
    c.answer(200, fields, b"x", method=r.method)


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream(serve)
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


def test_request_headers(a):
    a.get("/", host="request.test", headers=[
        ("X-Set", "1"), ("x-set", "2"), ("X-Gone", "g"), ("X-Kept", "k")])
    r = a.upstream.last
    assert r.all("X-Set") == ["s"] and r.all("X-New") == ["n"]
    assert r["X-Gone"] is None and r["X-Kept"] == "k" and r["X-Empty"] is None


def test_host(a):
    assert a.get("/", host="host.test").status == 200
    assert a.upstream.last.all("Host") == ["inner.test"]


@pytest.mark.parametrize("host", ["badname", "badvalue", "badhost", "badhost2"])
def test_no_header_at_all(a, host):
    """Names and values that cannot stand in a message never do (N-03)."""
    n = len(a.upstream.requests)
    assert a.get("/", host=f"{host}.test").status == 503
    assert len(a.upstream.requests) == n


def test_values_over_several_lines(a):
    """Line ends become blanks, as from Traefik; policies are written so."""
    r = a.get("/", host="lines.test")
    assert r["Content-Security-Policy"] == "default-src 'self'; img-src *"
    assert r["X-Long"] == "one  X-Evil: 1" and r["X-Evil"] is None
    assert a.upstream.last["X-Long"] == "a b"


def test_response_headers(a):
    r = a.get("/", host="response.test")
    assert (r["X-Up"], r["Server"], r["X-Added"]) == ("changed", None, "a")


def test_no_forwarded_for(module_akkod, module_upstream):
    u = module_upstream(serve, owned=False)
    b = module_akkod(CONFIG, values={"upstream": u.port})
    assert b.get("/", host="xff.test").status == 200
    assert u.last["X-Forwarded-For"] is None


# -- CORS --------------------------------------------------------------------

def preflight(a, host, origin="https://one.test", method="PUT", headers=None):
    fields = [("Origin", origin), ("Access-Control-Request-Method", method)]
    if headers:
        fields.append(("Access-Control-Request-Headers", headers))
    n = len(a.upstream.requests)
    with a.client() as c:
        r = c.request("OPTIONS", "/x", host=f"{host}.test", headers=fields)
    assert len(a.upstream.requests) == n, "a preflight never goes upstream"
    return r


def allow(r, name):
    return r["Access-Control-" + name]


def test_preflight(a):
    r = preflight(a, "cors")
    assert r.status == 200 and r["Content-Length"] == "0"
    assert allow(r, "Allow-Methods") == "GET,PUT"
    assert allow(r, "Allow-Headers") == "X-A,X-B"
    assert allow(r, "Allow-Origin") == "https://one.test"
    assert allow(r, "Max-Age") == "100"
    assert allow(r, "Allow-Credentials") is None
    assert a.logged(RequestMethod="OPTIONS")["Reason"] == "cors-preflight"


@pytest.mark.parametrize("origin,want", [
    ("https://two.test", "https://two.test"),
    ("https://abc.re.test", "https://abc.re.test"),
    ("https://ONE.test", None),
    ("https://one.test.evil", None),
    ("https://1.re.test", None),
    ("null", None),
])
def test_preflight_origin(a, origin, want):
    r = preflight(a, "cors", origin)
    assert r.status == 200 and allow(r, "Allow-Origin") == want


def test_preflight_star(a):
    r = preflight(a, "star", "https://any.test", headers="X-Q")
    assert allow(r, "Allow-Origin") == "*"
    assert allow(r, "Allow-Methods") == "*"
    assert allow(r, "Allow-Headers") == "*"


def test_preflight_star_with_credentials(a):
    r = preflight(a, "cred", "https://any.test", "DELETE", "X-Q, X-R")
    assert allow(r, "Allow-Origin") == "https://any.test"
    assert allow(r, "Allow-Methods") == "DELETE"
    assert allow(r, "Allow-Headers") == "X-Q, X-R"
    assert allow(r, "Allow-Credentials") == "true"
    assert allow(preflight(a, "cred"), "Allow-Headers") is None


@pytest.mark.parametrize("fields", [
    [], [("Origin", "https://one.test")],
    [("Access-Control-Request-Method", "PUT")],
    [("Origin", ""), ("Access-Control-Request-Method", "PUT")],
])
def test_options_that_is_no_preflight(a, fields):
    n = len(a.upstream.requests)
    with a.client() as c:
        assert c.request("OPTIONS", "/", host="cors.test",
                         headers=fields).status == 200
    assert len(a.upstream.requests) == n + 1


def test_cors_answer(a):
    r = a.get("/", host="cors.test", headers=[("Origin", "https://one.test")])
    assert allow(r, "Allow-Origin") == "https://one.test"
    assert allow(r, "Expose-Headers") == "X-E,X-F"
    assert r["Vary"] == "Origin"


@pytest.mark.parametrize("vary,want", [
    ("Accept", "Accept,Origin"), ("Origin", "Origin")])
def test_vary(a, vary, want):
    r = a.get("/", host="cors.test", headers=[("X-Answer", f"Vary={vary}")])
    assert r["Vary"] == want


def test_cors_answer_to_another_origin(a):
    r = a.get("/", host="cors.test", headers=[
        ("Origin", "https://evil.test"),
        ("X-Answer", "Access-Control-Allow-Origin=https://up.test")])
    assert allow(r, "Allow-Origin") == "https://up.test"
    r = a.get("/", host="cors.test", headers=[
        ("Origin", "https://one.test"),
        ("X-Answer", "Access-Control-Allow-Origin=https://up.test")])
    assert allow(r, "Allow-Origin") == "https://one.test"


def test_cors_star_answers(a):
    r = a.get("/", host="star.test")
    assert allow(r, "Allow-Origin") == "*" and allow(r, "Expose-Headers") == "*"
    r = a.get("/", host="cred.test", headers=[("Origin", "https://x.test")])
    assert allow(r, "Allow-Origin") == "https://x.test"
    assert allow(r, "Allow-Credentials") == "true"
    assert allow(r, "Expose-Headers") is None


# -- security headers ----------------------------------------------------------

def test_secure_over_plain_http(a):
    r = a.get("/", host="secure.test", headers=[
        ("X-Answer", "X-Frame-Options=ALLOW"),
        ("X-Answer", "Strict-Transport-Security=max-age=1")])
    assert r["X-Frame-Options"] == "DENY"
    assert r["X-Content-Type-Options"] == "nosniff"
    assert r["X-XSS-Protection"] == "1; mode=block"
    assert r["Referrer-Policy"] == "no-referrer"
    assert r["Permissions-Policy"] == "camera=()"
    assert r["Public-Key-Pins"] is None
    assert r["Strict-Transport-Security"] == "max-age=1"	# the server's own


def test_nonce(a):
    seen = set()
    for _ in range(3):
        r = a.get("/", host="secure.test")
        m = re.fullmatch(r"script-src 'nonce-([A-Za-z0-9+/=]{16,})'",
                         r["Content-Security-Policy"])
        assert m
        assert r["Content-Security-Policy-Report-Only"] == \
            f"img-src 'nonce-{m[1]}'"
        seen.add(m[1])
    assert len(seen) == 3


def test_secure_over_tls(a):
    r = a.get("/", host="tls.test", entry_point="websecure", tls=True)
    assert r["Strict-Transport-Security"] == \
        "max-age=300; includeSubDomains; preload"
    assert r["Public-Key-Pins"] == "pin"


def test_sts_conditions(a):
    def sts(host, **kw):
        return a.get("/", host=f"{host}.test", **kw)["Strict-Transport-Security"]
    assert sts("forced") == "max-age=5"
    assert sts("proxied") is None
    assert sts("proxied", headers=[("X-Proto", "https")]) == "max-age=5"
    assert sts("dev") is None


def test_custom_values_win(a):
    r = a.get("/", host="frame.test")
    assert r["X-Frame-Options"] == "SAMEORIGIN"
    assert r["X-XSS-Protection"] == "1; report"


def test_allowed_hosts(a):
    assert a.get("/", host="allowed.test").status == 200
    r = a.get("/", host="allowed.test", headers=[("X-Real-Host", "evil.test")])
    assert r.status == 500 and r.text == "Bad Host\n"
    assert a.logged(DownstreamStatus=500)["Reason"] == "host-denied"
    r = a.get("/", host="allowed.test:81")
    assert r.status == 500
    r = a.get("/", host="allowed.test:81",
              headers=[("X-Real-Host", "OTHER.test:81")])
    assert r.status == 200
    assert a.get("/", host="dev.test").status == 200


def test_nothing_configured_breaks_router(a):
    assert a.get("/", host="nothing.test").status == 503
