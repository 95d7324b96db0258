# SPDX-License-Identifier: BSD-2-Clause
"""errors: pages of another service (proxy.md 4.20)."""
import time

import pytest

from harness.site import balancer, site


def errors(**options):
    return {"errors": {"service": "pages", "status": ["500-599", "404"],
                       "query": "/{status}.html", **options}}


MIDDLEWARES = {
    "plain": errors(),
    "url": errors(query="err?c={status}&o={originalStatus}&u={url}"),
    "noquery": errors(query=""),
    "rewrite": errors(status=["400-599"], statusRewrites={
        "404": 410, "500-599": 503, "502": 504, "418": 200}),
    "some": errors(errorRequestHeaders=["X-One", "x-two"]),
    "none": errors(errorRequestHeaders=[]),
    "gone": errors(service="nowhere"),
    "chainpage": errors(service="failing"),
    "strip": {"stripPrefix": {"prefixes": ["/p"]}},
    "limit": {"ipAllowList": {"sourceRange": ["10.0.0.1"],
                              "rejectStatusCode": 404}},
    "zip": {"compress": {"minResponseBodyBytes": 1}},
    "badrange": errors(status=["5xx"]),
    "badrewrite": errors(statusRewrites={"404": "100"}),
    "noservice": errors(service="nosuch"),
}
BROKEN = ["badrange", "badrewrite", "noservice"]
CONFIG = site(
    middlewares=MIDDLEWARES,
    routers={m: [m] for m in MIDDLEWARES if m not in ("strip", "limit", "zip")} |
            {"inner": ["plain", "limit"], "path": ["url", "strip"],
             "outer": ["limit", "plain"], "zipped": ["zip", "plain"],
             "tls": {"middlewares": ["url"], "tls": {},
                     "entryPoints": ["websecure"]},
             "dead": {"middlewares": ["plain"], "service": "nowhere"},
             "empty": {"middlewares": ["plain"], "service": "nobody"}},
    services={"pages": balancer("http://127.0.0.1:@pages@"),
              "nowhere": balancer("http://127.0.0.1:@nothing@"),
              "failing": balancer("http://127.0.0.1:@failing@"),
              "nobody": {"loadBalancer": {"servers": []}}})


def app(c, r):
    """Answers with the status in X-Status."""
    c.body(r)
    status = int(r["X-Status"] or 200)
    fields = [("X-App", "app"), ("Set-Cookie", "app=1"),
              ("WWW-Authenticate", "Basic"), ("Location", "/app")]
    if r["X-Interim"]:
        c.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    if r["X-Chunked"]:
        c.send(f"HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\napp\r\n0\r\n\r\n".encode())
    else:
        c.answer(status, fields, b"app body" * 1000, method=r.method)


def page(c, r):
    c.body(r)
    c.answer(203, [("X-Page", "page"), ("Content-Type", "text/html")],
             f"page {r.target}", method=r.method)


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream(app)
    pages = module_upstream(page, owned=False)
    failing = module_upstream(lambda c, r: c.answer(404, [], "no page"),
                              owned=False)
    a = module_akkod(CONFIG, values={"upstream": u.port, "pages": pages.port,
                                     "failing": failing.port})
    a.upstream, a.pages = u, pages
    return a


def ask(a, host, status=200, target="/x?q=1", method="GET", headers=(),
        body=None, **kw):
    with a.client(**kw) as c:
        return c.request(method, target, host=f"{host}.test", body=body,
                         headers=[("X-Status", status), *headers])


@pytest.mark.parametrize("status", [500, 503, 599, 404])
@pytest.mark.parametrize("chunked", [False, True])
def test_page(a, status, chunked):
    extra = [("X-Chunked", "1")] if chunked else []
    r = ask(a, "plain", status, headers=extra)
    assert (r.status, r.text) == (status, f"page /{status}.html")
    assert r["X-Page"] == "page" and r["Content-Type"] == "text/html"
    for name in ("X-App", "Set-Cookie", "WWW-Authenticate", "Location"):
        assert r[name] is None
    q = a.pages.last
    assert q.method == "GET" and q.all("Host") == ["plain.test"]


@pytest.mark.parametrize("status", [200, 204, 302, 401, 403, 405, 499])
def test_others_pass(a, status):
    n = len(a.pages.requests)
    r = ask(a, "plain", status)
    assert r.status == status and r["X-App"] == "app"
    assert len(a.pages.requests) == n


def test_interim_passes(a):
    r = ask(a, "plain", 200, headers=[("X-Interim", "1")])
    assert [i.status for i in r.interim] == [103]
    assert r.interim[0]["Link"] == "</a.css>"


def test_query(a):
    ask(a, "url", 500, target="/a%2Fb?q=1 &r".replace(" ", "+"))
    assert a.pages.last.target == ("/err?c=500&o=500&u=http%3A%2F%2Furl.test"
                                   "%2Fa%252Fb%3Fq%3D1%2B%26r")
    ask(a, "path", 500, target="/p/x")
    assert a.pages.last.target.endswith("http%3A%2F%2Fpath.test%2Fx")
    ask(a, "noquery", 500)
    assert a.pages.last.target == "/"
    ask(a, "tls", 500, target="/", entry_point="websecure", tls=True)
    assert a.pages.last.target.endswith("u=https%3A%2F%2Ftls.test%2F")


@pytest.mark.parametrize("status,want", [
    (404, 410), (500, 503), (502, 504), (599, 503), (418, 200), (400, 400)])
def test_rewrites(a, status, want):
    """The narrowest range wins."""
    r = ask(a, "rewrite", status)
    assert (r.status, r.text) == (want, f"page /{want}.html")


def test_request_headers(a):
    own = [("X-One", "1"), ("X-Two", "2"), ("X-Three", "3"), ("Cookie", "c=d"),
           ("Authorization", "Bearer t")]
    ask(a, "plain", 500, headers=own)
    assert a.pages.last["X-Three"] == "3" and a.pages.last["Cookie"] == "c=d"
    ask(a, "some", 500, headers=own)
    q = a.pages.last
    assert q["X-One"] == "1" and q["X-Two"] == "2"
    assert q["X-Three"] is None and q["Authorization"] is None
    assert q["Cookie"] is None
    ask(a, "none", 500, headers=own)
    q = a.pages.last
    assert not {k.lower() for k, _ in q.fields} & \
        {"x-one", "x-two", "x-three", "cookie", "authorization", "x-status"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_page_is_always_a_get(a, method):
    r = ask(a, "plain", 500, method=method, body=b"the body")
    assert (r.status, r.text) == (500, "page /500.html")
    q = a.pages.last
    assert q.method == "GET" and q.body == b""
    assert q["Content-Length"] is None and q["Transfer-Encoding"] is None
    assert a.upstream.last.body == b"the body"


def test_head(a):
    with a.client() as c:
        r = c.request("HEAD", "/", host="plain.test",
                      headers=[("X-Status", "500")])
        assert r.status == 500 and r["X-Page"] == "page" and r.body == b""
        assert c.request("GET", "/", host="plain.test").status == 200


@pytest.mark.parametrize("length", [True, False])
def test_endless_answer(akkod, upstream, length):
    """A body that never ends does not keep the page from the client."""
    ended = []

    def endless(c, r):
        c.send(b"HTTP/1.1 500 X\r\n" + (
            b"Content-Length: 99999999999\r\n\r\n" if length
            else b"Transfer-Encoding: chunked\r\n\r\n"))
        piece = b"x" * 10000 if length else b"2710\r\n" + b"x" * 10000 + b"\r\n"
        try:
            while True:
                c.send(piece)
        except OSError:
            ended.append(1)
        return False

    a = akkod(site(middlewares={"m": errors()}, routers={"a": ["m"]},
                   services={"pages": balancer("http://127.0.0.1:@pages@")}),
              values={"upstream": upstream(endless).port,
                      "pages": upstream(page, owned=False).port})
    with a.client() as c:
        for _ in range(3):
            r = c.request("GET", "/", host="a.test")
            assert (r.status, r.text) == (500, "page /500.html")
    end = time.monotonic() + 5
    while len(ended) < 3:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_connection_goes_on(a):
    with a.client() as c:
        for status in (500, 200, 404, 200):
            r = c.request("GET", "/", host="plain.test",
                          headers=[("X-Status", status)])
            assert r.status == status


def test_page_service_fails(a):
    r = ask(a, "gone", 500)
    assert (r.status, r.text) == (500, "Bad Gateway")
    r = ask(a, "chainpage", 500)
    assert (r.status, r.text) == (500, "no page")


def test_answers_of_akkod_itself(a):
    """From middlewares behind it and from the proxy; not from those before."""
    n = len(a.upstream.requests)
    r = ask(a, "inner")
    assert (r.status, r.text) == (404, "page /404.html")
    assert a.logged(RequestAddr="inner.test")["Reason"] == "ip-denied"
    assert ask(a, "outer").text == "Not Found"
    r = ask(a, "dead")
    assert (r.status, r.text) == (502, "page /502.html")
    assert a.logged(RequestAddr="dead.test")["Reason"] == "upstream-refused"
    r = ask(a, "empty")
    assert (r.status, r.text) == (503, "page /503.html")
    assert len(a.upstream.requests) == n


def test_compressed_page(a):
    r = ask(a, "zipped", 500, headers=[("Accept-Encoding", "br")])
    assert r.status == 500 and r["Content-Encoding"] == "br"


def test_log(a):
    ask(a, "plain", 503, target="/logged?x")
    line = a.logged(RequestPath="/logged?x")
    assert line["DownstreamStatus"] == 503 and line["RequestMethod"] == "GET"
    assert line["Reason"] == "error-page"


@pytest.mark.parametrize("host", BROKEN)
def test_broken(a, host):
    n = len(a.upstream.requests)
    assert ask(a, host).status == 503
    assert len(a.upstream.requests) == n
