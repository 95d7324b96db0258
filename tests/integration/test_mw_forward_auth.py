# SPDX-License-Identifier: BSD-2-Clause
"""forwardAuth against a scripted auth server (proxy.md 4.12, security.md 3.5)."""
import socket
import ssl
import threading
import time

import pytest
from hyperframe.frame import RstStreamFrame

from harness.client import Client
from harness.h2 import H2
from harness.site import balancer, site
from harness.upstream import Upstream, echo, server_context

AUTH = "http://127.0.0.1:@auth@/check?a=b"


def forward(**options):
    return {"forwardAuth": {"address": AUTH, **options}}


IDENTITY = ["X-Auth-User", "X-Groups"]
MIDDLEWARES = {
    "plain": forward(),
    "ident": forward(authResponseHeaders=IDENTITY),
    "regex": forward(authResponseHeadersRegex="^X-Id-"),
    "trust": forward(trustForwardHeader=True),
    "distrust": forward(trustForwardHeader=False),
    "only": forward(authRequestHeaders=["X-Case", "cookie"]),
    "cookies": forward(addAuthCookiesToResponse=["sid", "sid2"]),
    "body": forward(forwardBody=True, maxBodySize=10),
    "anybody": forward(forwardBody=True, preserveRequestMethod=True),
    "method": forward(preserveRequestMethod=True),
    "keep": forward(preserveLocationHeader=True),
    "signin": forward(authSigninURL="https://login.test/in?x=1"),
    "signinrel": forward(authSigninURL="login"),
    "user": forward(headerField="X-Auth-User"),
    "limit": forward(maxResponseBodySize=10),
    "down": {"forwardAuth": {"address": "http://127.0.0.1:@nothing@/"}},
    "tls": {"forwardAuth": {"address": "https://127.0.0.1:@clear@/"}},
    "strip": {"stripPrefix": {"prefixes": ["/p"]}},
    "badaddr": {"forwardAuth": {"address": "ftp://x/"}},
    "noaddr": {"forwardAuth": {"address": ""}},
    "badre": forward(authResponseHeadersRegex="("),
    "badca": {"forwardAuth": {"address": "https://127.0.0.1:@auth@/",
                              "tls": {"ca": "@dir@/nothing.pem"}}},
    "page": {"errors": {"status": ["401", "403", "500-599"], "service": "pages",
                        "query": "/page/{status}"}},
    "repage": {"errors": {"status": ["400-599"], "service": "pages",
                          "query": "/page/{status}",
                          "statusRewrites": {"401": 403, "403": 200,
                                             "500-599": 418}}},
}
BROKEN = ["badaddr", "noaddr", "badre", "badca"]
SIMPLE = [m for m in MIDDLEWARES if m not in ("strip", "page", "repage")]
CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  front: {address: "127.0.0.1:@front@", forwardedHeaders: {insecure: true}}
  websecure: {address: "127.0.0.1:@websecure@"}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
""" + site(
    middlewares=MIDDLEWARES,
    routers={m: {"middlewares": [m], "entryPoints": ["web", "front"]}
             for m in SIMPLE} |
            {"late": ["strip", "plain"], "early": ["plain", "strip"],
             "paged": ["page", "ident"], "rewritten": ["repage", "ident"],
             "https": {"middlewares": ["ident"], "tls": {},
                       "entryPoints": ["websecure"]},
             "open": {"priority": 1, "rule": "PathPrefix(`/`)"}},
    services={"pages": balancer("http://127.0.0.1:@pages@")})

YES = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
# What the auth server says to a request with this X-Case, to the byte.
RAW = {
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
              b"Connection: upgrade\r\n\r\n" + YES + b"\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "http09": b"yes, let them in\r\n\r\n",
    "clte": YES + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "cl2": YES + b"Content-Length: 5\r\n\r\nhello",
    "clbad": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "tegzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "status2": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status4": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "nocolon": YES + b"X-Auth-User alice\r\n\r\n",
    "fold": YES + b"X-Auth-User: a\r\n b\r\n\r\n",
    "nul": YES + b"X-Auth-User: a\0b\r\n\r\n",
    "close": b"",
    "half": b"HTTP/1.1 200 OK\r\nContent-Le",
    "headonly": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
    "badchunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "hugehead": YES + b"X-Big: " + b"x" * 80000 + b"\r\n\r\n",
    "hugefield": YES + b"X-Auth-User: " + b"u" * 9000 + b"\r\n\r\n",
    "many": YES + b"".join(b"X-F%d: 1\r\n" % i for i in range(140)) + b"\r\n",
    "twouser": YES + b"X-Auth-User: a\r\nX-Auth-User: b\r\n\r\n",
    "samecase": YES + b"X-Auth-User: a\r\nx-auth-user: b\r\n\r\n",
}


def auth(c, r):
    """The auth server: does what the field X-Case asks for."""
    case = r["X-Case"] or "ok"
    c.body(r)
    if case in RAW:
        c.send(RAW[case])
        return False
    if case == "reset":
        c.reset()
        return False
    if case.isdigit():
        c.answer(int(case), [
            ("Location", "../in?x"), ("Set-Cookie", "sid=1"),
            ("WWW-Authenticate", "Basic"), ("X-Own", "auth"),
            ("Content-Type", "text/x")], f"said {case}", method=r.method)
        return True
    if case == "slow":
        time.sleep(1)
        c.answer(200)
        return True
    if case == "chunked403":
        c.send(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"6\r\nabcdef\r\n")
        time.sleep(0.05)
        c.send(b"6\r\nghijkl\r\n0\r\n\r\n")
        return True
    if case.startswith("body"):
        size = int(case[4:])
        c.answer(200, [], b"x" * size, method=r.method)
        return True
    fields = {
        "ok": [("X-Auth-User", "alice"), ("X-Groups", "a"), ("X-Groups", "b"),
               ("X-Id-One", "1"), ("X-Other", "o")],
        "nouser": [],
        "equal": [("X-Auth-User", "alice"), ("X-Auth-User", "alice")],
        "setcookie": [("Set-Cookie", "sid=new; Path=/"),
                      ("Set-Cookie", "other=1")],
    }[case]
    c.answer(200, fields, b"ok", method=r.method)
    return True


def app(c, r):
    if r["X-Cookies"]:
        c.body(r)
        c.answer(200, [("Set-Cookie", "sid=old"), ("Set-Cookie", "app=1"),
                       ("Set-Cookie", "sid2=old")])
    else:
        echo(c, r)


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u, au = module_upstream(app), module_upstream(auth, owned=False)
    pages = module_upstream(lambda c, r: c.answer(
        200, [("X-Page", r.target)], "the page"), owned=False)
    clear = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=no_tls, args=(clear,), daemon=True).start()
    a = module_akkod(CONFIG, values={
        "upstream": u.port, "auth": au.port, "pages": pages.port,
        "clear": clear.getsockname()[1]})
    a.upstream, a.auth, a.pages = u, au, pages
    yield a
    clear.close()


def no_tls(listener):
    """What a server without TLS says to a ClientHello."""
    while True:
        try:
            s, _ = listener.accept()
        except OSError:
            return
        s.recv(4096)
        s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        s.close()


def ask(a, host, case="ok", target="/x?q", method="GET", headers=(), body=None,
        entry_point="web"):
    with a.client(entry_point) as c:
        return c.request(method, target, host=f"{host}.test", body=body,
                         headers=[("X-Case", case), *headers])


# -- what is asked ---------------------------------------------------------------

def test_question(a):
    assert ask(a, "distrust", target="/a%2Fb?q=1&r", method="POST", body=b"hello",
               headers=[("Cookie", "c=d"), ("Authorization", "Bearer t"),
                        ("Connection", "X-Hop"), ("X-Hop", "h"), ("TE", "trailers"),
                        ("X-Own", "mine")]).status == 200
    q = a.auth.last
    assert (q.method, q.target) == ("GET", "/check?a=b")
    assert q["Host"] == a.auth.address
    assert q["Content-Length"] is None and q.body == b""
    assert q["Cookie"] == "c=d" and q["Authorization"] == "Bearer t"
    assert q["X-Own"] == "mine"
    for gone in ("Connection", "X-Hop", "TE", "Transfer-Encoding",
                 "Accept-Encoding", "User-Agent"):
        assert q[gone] is None, gone
    assert q.all("X-Forwarded-Method") == ["POST"]
    assert q.all("X-Forwarded-Uri") == ["/a%2Fb?q=1&r"]
    assert q.all("X-Forwarded-Host") == ["distrust.test"]
    assert q.all("X-Forwarded-Proto") == ["http"]
    assert q.all("X-Forwarded-Port") == ["80"]
    assert q.all("X-Forwarded-For") == ["127.0.0.1"]
    assert a.upstream.last.body == b"hello"
    assert a.upstream.last.target == "/a%2Fb?q=1&r"


CLAIMS = [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Method", "DELETE"),
          ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "99"),
          ("X-Forwarded-Host", "claimed.test"), ("X-Forwarded-Uri", "/claimed"),
          ("X-Forwarded-Prefix", "/pre"), ("X-Real-Ip", "8.8.8.8")]


@pytest.mark.parametrize("host,want", [
    ("trust", {"For": "9.9.9.9, 127.0.0.1", "Method": "DELETE", "Proto": "https",
               "Port": "99", "Host": "claimed.test", "Uri": "/claimed",
               "Prefix": "/pre"}),
    ("distrust", {"For": "127.0.0.1", "Method": "GET", "Proto": "http",
                  "Port": "80", "Host": "distrust.test", "Uri": "/x?q",
                  "Prefix": None}),
    ("plain", {"For": "127.0.0.1", "Method": "GET", "Proto": "http",
               "Port": "99", "Host": "plain.test", "Uri": "/x?q",
               "Prefix": "/pre"}),
])
def test_forwarded_headers_of_a_trusted_peer(a, host, want):
    assert ask(a, host, entry_point="front", headers=CLAIMS).status == 200
    for name, value in want.items():
        assert a.auth.last.all("X-Forwarded-" + name) == \
            ([value] if value is not None else []), name


@pytest.mark.parametrize("host", ["trust", "distrust", "plain"])
def test_claims_of_an_untrusted_peer(a, host):
    """Whatever the middleware says, the entry point does not believe them."""
    assert ask(a, host, headers=CLAIMS + [
        ("X_Forwarded_For", "7.7.7.7"), ("X-Forwarded_Uri", "/alias"),
        ("Forwarded", "for=6.6.6.6"), ("X-Original-URL", "/orig")]).status == 200
    q = a.auth.last
    assert q.all("X-Forwarded-For")[0] in ("127.0.0.1",)
    assert q.all("X-Forwarded-Uri") == ["/x?q"]
    assert q.all("X-Forwarded-Method") == ["GET"]
    assert q.all("X-Forwarded-Host") == [f"{host}.test"]
    text = q.head.decode()
    for claim in ("9.9.9.9", "8.8.8.8", "7.7.7.7", "6.6.6.6", "claimed",
                  "alias", "/orig", "/pre"):
        assert claim not in text, claim


def test_only_listed_request_headers(a):
    ask(a, "only", headers=[("Cookie", "c=1"), ("X-Other", "o"),
                            ("Authorization", "x")])
    q = a.auth.last
    assert q["Cookie"] == "c=1" and q["X-Other"] is None
    assert q["Authorization"] is None
    assert q["X-Forwarded-Uri"] == "/x?q"
    assert a.upstream.last["X-Other"] == "o"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PURGE"])
def test_methods(a, method):
    """Each method is authenticated (S-510)."""
    n = len(a.upstream.requests)
    assert ask(a, "plain", "403", method=method).status == 403
    assert a.auth.last.method == "GET"
    assert a.auth.last["X-Forwarded-Method"] == method
    assert ask(a, "method", "403", method=method).status == 403
    assert a.auth.last.method == method
    assert len(a.upstream.requests) == n


def test_place_in_the_chain(a):
    ask(a, "late", target="/p/x")
    assert a.auth.last["X-Forwarded-Uri"] == "/x"
    assert a.upstream.last.target == "/x"
    ask(a, "early", target="/p/x")
    assert a.auth.last["X-Forwarded-Uri"] == "/p/x"
    assert a.upstream.last.target == "/x"


def test_auth_path_is_the_canonical_one(a):
    """What auth is told is what goes upstream (N-06, S-508)."""
    for target in ("/a/../b", "//x/./y", "/%61%2e%2E/z", "/a;b", "/q?x=..%2f"):
        r = ask(a, "plain", target=target)
        if r.status == 200:
            assert a.auth.last["X-Forwarded-Uri"] == a.upstream.last.target


# -- yes ---------------------------------------------------------------------------

def test_response_headers(a):
    ask(a, "ident", headers=[("X-Auth-User", "root"), ("x-auth-user", "root2"),
                             ("X_Auth_User", "root3"), ("X-Auth_User", "root4"),
                             ("X-Groups", "wheel"), ("X-Mine", "m")])
    up = a.upstream.last
    assert up.all("X-Auth-User") == ["alice"]
    assert up.all("X-Groups") == ["a", "b"]
    assert up["X-Other"] is None and up["X-Mine"] == "m"
    for text in (up.head, a.auth.last.head):
        assert b"root" not in text and b"wheel" not in text


def test_absent_in_the_answer(a):
    """The client's copy goes even then (S-502)."""
    ask(a, "ident", "nouser", headers=[("X-Auth-User", "root"),
                                       ("X-AUTH-USER", "root")])
    assert a.upstream.last["X-Auth-User"] is None


@pytest.mark.parametrize("name", [
    "X-Auth-Request-User", "X-Auth-Request-Access-Token", "X-Forwarded-User",
    "X-Forwarded-Email", "X-Forwarded-Groups", "Remote-User", "Remote-Groups",
    "x-forwarded-preferred-username", "X_Forwarded_User", "Remote_User"])
def test_identity_never_comes_from_the_client(a, name):
    """Also when no authResponseHeaders name it (S-501)."""
    assert ask(a, "plain", headers=[(name, "root")]).status == 200
    assert b"root" not in a.upstream.last.head
    assert b"root" not in a.auth.last.head


def test_spoofed_in_trailers(a):
    with a.client() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: ident.test\r\n"
               b"Transfer-Encoding: chunked\r\nTrailer: X-Auth-User\r\n\r\n"
               b"1\r\nx\r\n0\r\nX-Auth-User: root\r\n\r\n")
        assert c.response().status in (200, 400)
    assert b"root" not in a.upstream.last.connection.received


def test_regex_headers(a):
    ask(a, "regex", headers=[("X-Id-One", "evil"), ("x-id-two", "evil"),
                             ("X-Id_One", "evil")])
    up = a.upstream.last
    assert up.all("X-Id-One") == ["1"] and b"evil" not in up.head
    assert up["X-Auth-User"] is None


def test_equal_repeats(a):
    assert ask(a, "ident", "equal").status == 200
    assert a.upstream.last.all("X-Auth-User") == ["alice"]


def test_user_of_the_log(a):
    ask(a, "user", target="/logged")
    assert a.logged(RequestPath="/logged")["ClientUsername"] == "alice"
    assert a.upstream.last["X-Auth-User"] is None


def test_cookies(a):
    r = ask(a, "cookies", "setcookie", headers=[("X-Cookies", "1")])
    names = [v.split(";")[0] for v in r.all("Set-Cookie")]
    assert sorted(names) == ["app=1", "sid=new", "sid2=old"] or \
        sorted(names) == ["app=1", "sid=new"]
    r = ask(a, "cookies", headers=[("X-Cookies", "1")])
    assert r.all("Set-Cookie") == ["sid=old", "app=1", "sid2=old"]
    r = ask(a, "plain", "setcookie", headers=[("X-Cookies", "1")])
    assert r.all("Set-Cookie") == ["sid=old", "app=1", "sid2=old"]


@pytest.mark.parametrize("size", [0, 100, 65536, 200000])
def test_body_of_a_yes_is_of_no_interest(a, size):
    assert ask(a, "plain", f"body{size}").status == 200


def test_many_on_one_connection(a):
    n = len(a.auth.connections)
    with a.client() as c:
        for i in range(30):
            r = c.request("GET", f"/{i}", host="ident.test")
            assert r.status == 200
    assert len(a.auth.connections) - n <= 1


# -- no ------------------------------------------------------------------------------

@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 402, 403, 404, 429,
                                    500, 503, 599, 300, 304])
def test_denied(a, status):
    n = len(a.upstream.requests)
    r = ask(a, "plain", str(status), target=f"/denied{status}")
    assert r.status == status
    assert r["Location"] == f"http://{a.auth.address}/in?x"
    assert r["Set-Cookie"] == "sid=1" and r["WWW-Authenticate"] == "Basic"
    assert r["X-Own"] == "auth"
    if status != 304:
        assert r.text == f"said {status}"
    assert len(a.upstream.requests) == n
    assert a.logged(RequestPath=f"/denied{status}")["Reason"] == "auth-denied"


def test_location_as_it_came(a):
    assert ask(a, "keep", "302")["Location"] == "../in?x"


@pytest.mark.parametrize("host,target,want", [
    ("signin", "/a/b", "https://login.test/in?x=1"),
    ("signinrel", "/a/b?c", "/a/login"),
])
def test_signin(a, host, target, want):
    n = len(a.upstream.requests)
    r = ask(a, host, "401", target=target)
    assert (r.status, r["Location"], r.body) == (302, want, b"")
    assert ask(a, host, "403").status == 403
    assert len(a.upstream.requests) == n


@pytest.mark.parametrize("case", sorted(RAW) + ["reset"])
def test_fails_closed(a, case):
    """Everything that is not a clear yes is a no (N-10, S-503, S-506)."""
    n = len(a.upstream.requests)
    r = ask(a, "ident", case, target=f"/closed-{case}")
    assert r.status in (500, 502), r
    assert b"X-Auth-User" not in r.head
    assert len(a.upstream.requests) == n
    line = a.logged(RequestPath=f"/closed-{case}")
    assert line["Reason"] in ("auth-malformed", "auth-refused"), line
    assert line["OriginStatus"] == 0
    # The next answer is not mixed up with this one.
    assert ask(a, "ident", "403").status == 403


def test_down(a):
    n = len(a.upstream.requests)
    r = ask(a, "down", target="/down")
    assert (r.status, r.body) == (500, b"")
    assert a.logged(RequestPath="/down")["Reason"] == "auth-refused"
    assert ask(a, "tls", target="/tls").status == 500
    assert a.logged(RequestPath="/tls")["Reason"] == "auth-tls"
    assert len(a.upstream.requests) == n


def test_down_for_long(a):
    """After five failures in a row it is given a moment (S-505)."""
    seen = [ask(a, "down") for _ in range(30)]
    assert {r.status for r in seen} == {500, 503}
    for r in seen:
        assert r.status != 503 or r["Retry-After"] == "1"
    assert a.logged(RequestAddr="down.test", DownstreamStatus=503)["Reason"] == \
        "auth-down"


def test_back_again(akkod, upstream):
    """Within about a second after it is back it is asked again."""
    u = upstream()
    a = akkod("akkod: {workers: 1}\n" +
              site(middlewares={"m": {"forwardAuth": {
                  "address": "http://127.0.0.1:@auth@"}}}, routers={"a": ["m"]}),
              values={"upstream": u.port})
    assert [a.get("/").status for _ in range(8)] == [500] * 5 + [503] * 3
    assert not u.requests
    au = upstream(auth, owned=False, port=a.ports["auth"])
    end = time.monotonic() + 3
    while (status := a.get("/").status) != 200:
        assert status == 503 and time.monotonic() < end
        time.sleep(0.05)
    assert [a.get("/").status for _ in range(5)] == [200] * 5
    assert len(au.requests) == 6


def test_answer_too_large(a):
    n = len(a.upstream.requests)
    assert ask(a, "limit", "body10").status == 200
    r = ask(a, "limit", "body11", target="/large")
    assert (r.status, r.body) == (401, b"")
    assert a.logged(RequestPath="/large")["Reason"] == "auth-too-large"
    assert ask(a, "limit", "403").status == 403		# "said 403": 8 bytes
    r = ask(a, "limit", "chunked403")
    assert (r.status, r.body) == (401, b"")
    assert len(a.upstream.requests) == n + 1


@pytest.mark.parametrize("host", BROKEN)
def test_broken(a, host):
    n = len(a.upstream.requests)
    assert ask(a, host).status == 503
    assert len(a.upstream.requests) == n


# -- error pages -----------------------------------------------------------------------

@pytest.mark.parametrize("case,status", [
    ("401", 401), ("403", 403), ("500", 500), ("close", 500), ("garbage", 500)])
def test_error_page_never_allows(a, case, status):
    """A page changes the body of a no, never the no (S-504)."""
    n = len(a.upstream.requests)
    r = ask(a, "paged", case)
    assert (r.status, r.text, r["X-Page"]) == (status, "the page", f"/page/{status}")
    assert len(a.upstream.requests) == n
    assert r["Set-Cookie"] is None and r["Location"] is None


@pytest.mark.parametrize("case,status", [("401", 403), ("403", 200), ("500", 418)])
def test_error_page_with_another_status(a, case, status):
    """statusRewrites change what is told, not who is let in."""
    n = len(a.upstream.requests)
    r = ask(a, "rewritten", case)
    assert (r.status, r.text) == (status, "the page")
    assert len(a.upstream.requests) == n


def test_error_page_not_for_others(a):
    assert ask(a, "paged", "302").status == 302
    assert ask(a, "paged").status == 200


# -- TLS to the auth server ------------------------------------------------------------

def test_tls(akkod, upstream, authority, tmp_path):
    """Verified against its CA and name; a client certificate when given."""
    context = server_context(*authority.leaf("127.0.0.1"))
    asks = server_context(*authority.leaf("127.0.0.1"))
    asks.verify_mode = ssl.CERT_REQUIRED
    asks.load_verify_locations(authority.file)
    wrong = server_context(*authority.leaf("other.test"))
    cert, key = authority.leaf("akkod.test", client=True)
    ca = str(authority.file)
    u = upstream()
    servers = {n: upstream(auth, tls=c, owned=False) for n, c in (
        ("good", context), ("asks", asks), ("wrong", wrong))}

    def mw(server, **tls):
        return {"forwardAuth": {"address": servers[server].url,
                                "authResponseHeaders": ["X-Auth-User"],
                                **({"tls": tls} if tls else {})}}
    mws = {"ca": mw("good", ca=ca), "noca": mw("good"),
           "pem": mw("good", ca=authority.file.read_text()),
           "wrong": mw("wrong", ca=ca),
           "skip": mw("wrong", insecureSkipVerify=True),
           "client": mw("asks", ca=ca, cert=str(cert), key=str(key)),
           "noclient": mw("asks", ca=ca),
           "halfclient": mw("asks", ca=ca, cert=str(cert))}
    a = akkod(site(middlewares=mws, routers={m: [m] for m in mws}),
              values={"upstream": u.port})
    for host, status in (("ca", 200), ("pem", 200), ("skip", 200),
                         ("client", 200), ("noca", 500), ("wrong", 500),
                         ("noclient", 500), ("halfclient", 503)):
        n = len(u.requests)
        r = ask(a, host)
        assert r.status == status, host
        assert len(u.requests) - n == (status == 200), host
        if status == 500:
            assert a.logged(RequestAddr=f"{host}.test")["Reason"] in (
                "auth-tls", "auth-refused"), host
        if status == 200:
            assert u.last.all("X-Auth-User") == ["alice"]


# -- bodies ------------------------------------------------------------------------------

@pytest.mark.parametrize("host,body,status", [
    ("body", b"", 200), ("body", b"x" * 10, 200), ("body", b"x" * 11, 401),
    ("anybody", b"x" * 100_000, 200)])
@pytest.mark.parametrize("chunked", [False, True])
def test_forward_body(a, host, body, status, chunked):
    n = len(a.upstream.requests)
    with a.client() as c:
        if chunked:
            c.send(f"PUT / HTTP/1.1\r\nHost: {host}.test\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n".encode())
            for i in range(0, len(body), 40_000):
                piece = body[i:i + 40_000]
                c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            c.send(b"0\r\n\r\n")
            r = c.response()
        else:
            r = c.request("PUT", "/", host=f"{host}.test", body=body)
    assert r.status == status
    if status == 401:
        assert r.body == b"" and len(a.upstream.requests) == n
        return
    q = a.auth.last
    assert q.method == ("PUT" if host == "anybody" else "GET")
    assert q.body == body and a.upstream.last.body == body


def test_body_waits_for_the_yes(a):
    """Nothing of it is read for a request that is refused (S-514)."""
    n = len(a.upstream.requests)
    with a.client() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: plain.test\r\nX-Case: 403\r\n"
               b"Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
        r = c.response()
        assert r.status == 403 and not r.interim
    assert len(a.upstream.requests) == n


# -- time ----------------------------------------------------------------------------------

def test_slow_auth_delays_nobody_else(akkod, upstream):
    """Other routes have their answers while many wait for one (S-515)."""
    gate = threading.Event()

    def late(c, r):
        gate.wait(20)
        c.answer(200)

    u, au = upstream(), upstream(late, owned=False)
    a = akkod(site(middlewares={"m": {"forwardAuth": {"address": au.url}}},
                   routers={"slow": ["m"], "open": []}),
              values={"upstream": u.port})
    waiting = [a.client() for _ in range(50)]
    for c in waiting:
        c.send(b"GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n")
    au.wait(50)
    start = time.monotonic()
    for _ in range(20):
        assert a.get("/", host="open.test").status == 200
    assert time.monotonic() - start < 2
    # One client that goes away ends its question too.
    waiting.pop().close()
    assert a.logged(RequestAddr="slow.test")["Reason"] == "client-gone"
    assert len(u.requests) == 20
    gate.set()
    for c in waiting:
        assert c.response().status == 200
        c.close()


@pytest.mark.slow
def test_time_limit(akkod_each, tmp_path):
    """30 s in all: for an auth server that is silent and for one that drips."""
    def silent(c, r):
        time.sleep(40)
        return False

    def drip(c, r):
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 200:
            c.send(bytes([byte]))
            time.sleep(1)
        return False

    app_, mute, slow = Upstream(), Upstream(silent, owned=False), \
        Upstream(drip, owned=False)
    config = site(
        middlewares={"mute": {"forwardAuth": {"address": mute.url}},
                     "slow": {"forwardAuth": {"address": slow.url}}},
        routers={"mute": ["mute"], "slow": ["slow"]})
    running = akkod_each(config, values={"upstream": app_.port})
    start = time.monotonic()
    clients = []
    for a in running:
        for host in ("mute", "slow"):
            c = Client(("127.0.0.1", a.ports["web"]), timeout=40)
            c.send(f"GET / HTTP/1.1\r\nHost: {host}.test\r\n\r\n".encode())
            clients.append(c)
    for c in clients:
        r = c.response()
        assert (r.status, r.body) == (500, b"")
        assert 28 < time.monotonic() - start < 34
        c.close()
    for a in running:
        assert a.logged(RequestAddr="mute.test")["Reason"] == "auth-timeout"
    assert not app_.requests
    for u in (app_, mute, slow):
        u.close()


def test_clients_that_leave_say_nothing_about_the_auth_server(a):
    """Streams reset while auth is asked are no failures of the auth server."""
    with H2(("127.0.0.1", a.ports["websecure"]), sni="https.test") as h:
        for _ in range(8):
            before = len(a.auth.requests)
            s = h.start("GET", "/", host="https.test",
                        fields=[("x-case", "slow")])
            a.auth.wait(before + 1)
            h.send(RstStreamFrame(s, 8))
        time.sleep(0.2)
    assert ask(a, "ident").status == 200
