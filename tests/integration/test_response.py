# SPDX-License-Identifier: BSD-2-Clause
"""What an upstream may answer: security rows H1-R, truncation, reuse (N-07..N-09)."""
import itertools
import json
import threading
import time

import pytest

from harness.rows import GOOD, head
from harness.script import Script, mark_log
from harness.upstream import server_context

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
akkod: {workers: 1}
accessLog: {filePath: @dir@/access.log, format: json}
http:
  routers:
    app: {rule: "Host(`a.test`)", service: app}
    tls: {rule: "Host(`tls.test`)", service: tls}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    tls: {loadBalancer: {serversTransport: ours,
                         servers: [{url: "https://127.0.0.1:@secure@"}]}}
  serversTransports:
    ours: {insecureSkipVerify: true}
"""

MARKS = itertools.count()


@pytest.fixture(scope="module")
def whole(module_akkod, module_upstream, authority):
    script = Script()
    u = module_upstream(script)
    s = module_upstream(script, tls=server_context(*authority.leaf("127.0.0.1")))
    a = module_akkod(CONFIG, values={"upstream": u.port, "secure": s.port})
    a.upstream, a.secure, a.on = u, s, script.on
    return a


@pytest.fixture
def site(whole):
    for u in (whole.upstream, whole.secure):
        u.requests.clear()
        u.connections.clear()
        u.serve.off()
    # The pool begins empty: what the last test left is told to close.
    whole.on("/empty", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                       b"Content-Length: 0\r\n\r\n")
    mark_log(whole, "/empty?%d" % (next(MARKS)))
    whole.upstream.requests.clear()
    whole.upstream.connections.clear()
    return whole


def ends(data, how="keep"):
    """Sends data after the request, then keeps the connection, closes or resets."""
    def serve(c, r):
        c.body(r)
        c.send(data)
        if how == "reset":
            time.sleep(0.05)	# or the reset may overtake the data
            c.reset()
        return how == "keep"
    return serve


def response(*fields, line=b"HTTP/1.1 200 OK", body=b""):
    return b"\r\n".join([line, *fields, b"", b""]) + body


def cl(n):
    return b"Content-Length: %d" % n


CHUNKED = b"Transfer-Encoding: chunked"
CLOSED = 2		# seconds within which akkod closes a broken connection


def closed(connection):
    end = time.monotonic() + CLOSED
    while connection.sock.fileno() != -1 and time.monotonic() < end:
        time.sleep(0.005)
    return connection.sock.fileno() == -1


def reason(site):
    """Of the first request of the test, from the access log."""
    lines = site.access(site.mark + 1)[site.mark:]
    return lines[0].get("Reason")


# ---- Refused: 502, and the connection is closed ------------------------------------

REFUSED = {
    "R01-cl-te": response(cl(5), CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"),
    "R01-te-cl": response(CHUNKED, cl(5), body=b"5\r\nhello\r\n0\r\n\r\n"),
    "R02-differ": response(cl(5), cl(6), body=b"hello!"),
    "R02-list": response(b"Content-Length: 5, 5", body=b"hello"),
    "R02-list-differ": response(b"Content-Length: 5, 6", body=b"hello"),
    "R02-negative": response(b"Content-Length: -5", body=b"hello"),
    "R02-plus": response(b"Content-Length: +5", body=b"hello"),
    "R02-empty": response(b"Content-Length:", body=b"hello"),
    "R02-hex": response(b"Content-Length: 0x5", body=b"hello"),
    "R02-19-digits": response(b"Content-Length: " + b"1" * 19),
    "R02-text": response(b"Content-Length: five"),
    "R02-high": response(b"Content-Length: 5\xa0", body=b"hello"),
    "R02-204": response(b"Content-Length: x", line=b"HTTP/1.1 204 No"),
    "R03-gzip": response(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "R03-twice": response(b"Transfer-Encoding: chunked, chunked"),
    "R03-lines": response(CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "R03-identity": response(b"Transfer-Encoding: identity"),
    "R03-high": response(b"Transfer-Encoding: chunked\x85", body=b"0\r\n\r\n"),
    "R03-empty": response(b"Transfer-Encoding:"),
    "R03-10": response(CHUNKED, line=b"HTTP/1.0 200 OK", body=b"0\r\n\r\n"),
    "R08-2-digits": response(cl(0), line=b"HTTP/1.1 20 OK"),
    "R08-4-digits": response(cl(0), line=b"HTTP/1.1 2000 OK"),
    "R08-text": response(cl(0), line=b"HTTP/1.1 abc OK"),
    "R08-099": response(cl(0), line=b"HTTP/1.1 099 OK"),
    "R08-600": response(cl(0), line=b"HTTP/1.1 600 OK"),
    "R08-999": response(cl(0), line=b"HTTP/1.1 999 OK"),
    "R08-http2": response(cl(0), line=b"HTTP/2 200 OK"),
    "R08-http20": response(cl(0), line=b"HTTP/2.0 200 OK"),
    "R08-http09": b"hello world\r\n",
    "R08-lower": response(cl(0), line=b"http/1.1 200 OK"),
    "R08-no-sp": response(cl(0), line=b"HTTP/1.1200 OK"),
    "R08-two-sp": response(cl(0), line=b"HTTP/1.1  200 OK"),
    "R08-tab": response(cl(0), line=b"HTTP/1.1\t200 OK"),
    "R08-no-status": response(cl(0), line=b"HTTP/1.1"),
    "R08-joined": response(cl(0), line=b"HTTP/1.1 200OK"),
    "R08-icy": response(cl(0), line=b"ICY 200 OK"),
    "R08-ctl": response(cl(0), line=b"HTTP/1.1 200 O\x01K"),
    "R08-nul": response(cl(0), line=b"HTTP/1.1 200 O\0K"),
    "R08-cr": response(cl(0), line=b"HTTP/1.1 200 O\rK"),
    "R08-ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "R08-tls": b"\x15\x03\x03\0\x02\x02\x16",
    "R09-nul": response(cl(0), b"A: b\0c"), "R09-cr": response(cl(0), b"A: b\rc"),
    "R09-ctl": response(cl(0), b"A: \x01"), "R09-del": response(cl(0), b"A: \x7f"),
    "R09-name": response(cl(0), b"A(: b"), "R09-empty": response(cl(0), b": b"),
    "R09-sp-name": response(cl(0), b"A : b"), "R09-no-colon": response(cl(0), b"Abc"),
    "R09-high": response(cl(0), b"\xe4: b"),
    "R09-first": b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
    "R19-fold": response(cl(0), b"A: b", b" c"),
    "R19-fold-tab": response(cl(0), b"A: b", b"\tc"),
    "R19-fold-first": b"HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 0\r\n\r\n",
    "R13-101": response(b"Upgrade: foo", b"Connection: upgrade",
                        line=b"HTTP/1.1 101 Switching"),
    "R13-101-plain": response(line=b"HTTP/1.1 101 x"),
    "R12-then-bad": response(line=b"HTTP/1.1 103 x") +
    response(cl(0), line=b"HTTP/1.1 20 x"),
    "R12-interim-bad": response(b"A : b", line=b"HTTP/1.1 103 x"),
    "R14-head": response(cl(0), *(b"A: " + b"x" * 30000,) * 3),
    "R14-line": response(cl(0), b"A: " + b"x" * 33000),
    "R14-fields": response(cl(0), *(b"A: b",) * 129),
    "R14-reason": response(cl(0), line=b"HTTP/1.1 200 " + b"x" * 20000),
}


@pytest.mark.parametrize("how", ["keep", "close"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(site, name, how):
    site.on("/r", ends(REFUSED[name], how))
    with site.client() as c:
        r = c.request("GET", "/r")
        assert r.status == 502 and r.body == b"Bad Gateway", r
        assert [i.status for i in r.interim] in ([], [103])
        assert closed(site.upstream.last.connection)
        # The client's connection is good for more.
        assert c.request("GET", "/next").status == 200
    assert reason(site) == ("upstream-head-too-large" if name.startswith("R14")
                            else "upstream-malformed")
    assert len(site.upstream.requests) == 2


def test_refused_whatever_the_method(site):
    site.on("/r", ends(REFUSED["R01-cl-te"]))
    for method in ("HEAD", "POST", "DELETE"):
        with site.client() as c:
            assert c.request(method, "/r").status == 502


# ---- Accepted ------------------------------------------------------------------------

ACCEPTED = {
    "R02-equal": (response(cl(5), cl(5), body=b"hello"), b"hello"),
    "R08-no-reason": (response(cl(0), line=b"HTTP/1.1 200"), b""),
    "R08-empty-reason": (response(cl(0), line=b"HTTP/1.1 200 "), b""),
    "R08-high-reason": (response(cl(0), line=b"HTTP/1.1 200 \xe4"), b""),
    "R10-lf": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", b"hello"),
    "R10-mixed": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\nA: b\r\n\nhello",
                  b"hello"),
    "chunked": (response(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"), b"hello"),
    "chunked-case": (response(b"transfer-encoding: Chunked",
                              body=b"5;a=b\r\nhello\r\n00\r\n\r\n"), b"hello"),
    "R14-63k": (response(cl(0), *(b"Set-Cookie: " + b"x" * 3900,) * 16), b""),
    "R14-128": (response(cl(0), *(b"A: b",) * 127), b""),
    "R09-high-value": (response(cl(0), b"A: \xe4\xff"), b""),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(site, name):
    data, body = ACCEPTED[name]
    site.on("/r", ends(data))
    with site.client() as c:
        for _ in range(2):
            r = c.request("GET", "/r")
            assert r.status == 200 and r.body == body
    assert len(site.upstream.connections) == 1
    assert b"\n" not in r.head.replace(b"\r\n", b"")


def test_fields_pass_unchanged(site):
    """R15, R17: end-to-end fields as they came, in order; hop-by-hop ones not."""
    fields = [b"Location: http://x/%zz?a=\xe4 b", b"Set-Cookie: a=1; Path=/",
              b"refresh: 0;url=//x", b"Set-Cookie: b=2", b"Server: x",
              b"Alt-Svc: h3", b"X-Own: 1", b"Date: yesterday",
              b"Keep-Alive: timeout=5", b"Proxy-Authenticate: Basic",
              b"Proxy-Connection: keep-alive", b"Upgrade: h2c",
              b"Connection: X-Hop, upgrade", b"X-Hop: evil"]
    site.on("/r", ends(response(*fields, cl(0))))
    r = site.get("/r")
    got = [(k.lower(), v.encode("latin-1")) for k, v in r.fields]
    want = [tuple(f.split(b": ", 1)) for f in fields[:8]]
    want = [(k.decode().lower(), v) for k, v in want]
    assert [f for f in got if f[0] not in ("content-length",)] == want


def test_trailers_pass(site):
    """Response trailers, announced or not; framing names in them do not."""
    site.on("/r", ends(response(
        CHUNKED, b"Trailer: X-T", body=b"5\r\nhello\r\n0\r\nX-T: 1\r\nX-U: 2\r\n"
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: x\r\n\r\n")))
    with site.client() as c:
        for _ in range(2):
            r = c.request("GET", "/r")
            assert r.body == b"hello" and r["Trailer"] == "X-T"
            assert r.trailers == [("X-T", "1"), ("X-U", "2")]
    assert len(site.upstream.connections) == 1


# ---- Truncation never looks complete (N-09) --------------------------------------------

CUT = {
    "R05-length": (response(cl(100), body=b"hello"), "close"),
    "R05-length-reset": (response(cl(100), body=b"hello"), "reset"),
    "R05-length-large": (response(cl(1000000), body=b"x" * 999999), "close"),
    "R05-length-none": (response(cl(5)), "close"),
    "R05-chunk": (response(CHUNKED, body=b"5\r\nhel"), "close"),
    "R05-chunk-crlf": (response(CHUNKED, body=b"5\r\nhello"), "close"),
    "R05-no-last": (response(CHUNKED, body=b"5\r\nhello\r\n"), "close"),
    "R05-in-last": (response(CHUNKED, body=b"5\r\nhello\r\n0\r\n"), "close"),
    "R05-in-trailer": (response(CHUNKED, body=b"5\r\nhello\r\n0\r\nA: b\r\n"),
                       "close"),
    "R05-no-body": (response(CHUNKED), "close"),
    "R05-size": (response(CHUNKED, body=b"5\r\nhello\r\nxyz\r\n"), "keep"),
    "R05-size-0x": (response(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"), "keep"),
    "R05-size-large": (response(CHUNKED, body=b"ffffffffffffffff\r\nhello"),
                       "keep"),
    "R05-data-long": (response(CHUNKED, body=b"5\r\nhello!\r\n0\r\n\r\n"), "keep"),
    "R19-size-lf": (response(CHUNKED, body=b"5\nhello\r\n0\r\n\r\n"), "keep"),
    "R19-data-lf": (response(CHUNKED, body=b"5\r\nhello\n0\r\n\r\n"), "keep"),
    "R19-last-lf": (response(CHUNKED, body=b"5\r\nhello\r\n0\n\r\n"), "keep"),
    "R19-trailer-lf": (response(CHUNKED, body=b"5\r\nhello\r\n0\r\nA: b\n\r\n"),
                       "keep"),
    "R19-trailer-bad": (response(CHUNKED, body=b"5\r\nhello\r\n0\r\nA b\r\n\r\n"),
                        "keep"),
    "R05-trailers": (response(CHUNKED, body=b"5\r\nhello\r\n0\r\n" +
                              b"A: b\r\n" * 40 + b"\r\n"), "keep"),
    "R04-reset": (response(body=b"hello"), "reset"),
    "R04-reset-large": (response(body=b"x" * 500000), "reset"),
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", CUT)
def test_truncated(site, name, version):
    data, how = CUT[name]
    site.on("/t", ends(data, how))
    with site.client() as c:
        c.send(f"GET /t HTTP/{version}\r\nHost: a.test\r\n\r\n".encode() + GOOD)
        got = rest_of(c)
    assert b"\r\n0\r\n" not in got and got.count(b"HTTP/1.") <= 1
    start, _, body = got.partition(b"\r\n\r\n")
    if version == "1.0" and b"Content-Length" not in start and got:
        # Without a length only a reset tells that this is not the end.
        assert c.was_reset, got
    if b"Content-Length: " in start:
        assert len(body) < int(start.split(b"Content-Length: ")[1].split(b"\r")[0])
    assert closed(site.upstream.requests[0].connection)
    assert reason(site) == "upstream-truncated"
    assert site.get("/next").status == 200


def rest_of(c):
    """Everything up to the end; c.was_reset tells which end it was."""
    c.was_reset = False
    try:
        while c.more():
            pass
    except ConnectionResetError:
        c.was_reset = True
    return c.buffer


def test_read_to_close(site):
    """R04: a clean end is one, and is told in the client's framing."""
    site.on("/c", ends(response(body=b"hello" * 50000), "close"))
    with site.client() as c:
        r = c.request("GET", "/c")
        assert r["Transfer-Encoding"] == "chunked" and r.body == b"hello" * 50000
        c.send(head(b"GET /c HTTP/1.0", b"Connection: keep-alive"))
        r = c.response()
        assert r.body == b"hello" * 50000 and r["Connection"] != "keep-alive"


@pytest.mark.parametrize("clean", [True, False])
def test_read_to_close_over_tls(site, clean):
    """R04: TLS that ends without close_notify was cut by somebody."""
    def serve(c, r):
        c.body(r)
        c.send(response(body=b"hello"))
        if clean:
            try:
                c.sock.unwrap()
            except OSError:
                pass
        return False
    site.on("/c", serve)
    with site.client() as c:
        c.send(head(b"GET /c HTTP/1.1", host=b"tls.test"))
        got = rest_of(c) if not clean else c.response().body
    assert b"hello" in got and b"0\r\n\r\n" not in got
    if not clean:
        assert reason(site) == "upstream-truncated"


@pytest.mark.parametrize("host", ["a.test", "tls.test"])
def test_large_both_ways(site, host):
    body = bytes(range(256)) * 4000

    def serve(c, r):
        c.body(r)
        assert r.body == body
        c.answer(200, body=body)
    site.on("/large", serve)
    with site.client() as c:
        for _ in range(3):
            assert c.request("POST", "/large", host=host, body=body).body == body


# ---- Reuse (N-08) --------------------------------------------------------------------------

REUSE = {
    # name: answer, method, whether the connection may be used again
    "length": (response(cl(5), body=b"hello"), "GET", True),
    "empty": (response(cl(0)), "GET", True),
    "chunked": (response(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"), "GET", True),
    "trailers": (response(CHUNKED, body=b"0\r\nA: b\r\n\r\n"), "GET", True),
    "204": (response(line=b"HTTP/1.1 204 x"), "GET", True),
    "204-zero": (response(cl(0), line=b"HTTP/1.1 204 x"), "GET", True),
    "304": (response(line=b"HTTP/1.1 304 x"), "GET", True),
    "304-length": (response(cl(5), line=b"HTTP/1.1 304 x"), "GET", True),
    "head": (response(cl(5)), "HEAD", True),
    "head-chunked": (response(CHUNKED), "HEAD", True),
    "500": (response(cl(0), line=b"HTTP/1.1 500 x"), "GET", True),
    "103": (response(line=b"HTTP/1.1 103 x") + response(cl(0)), "GET", True),
    "100": (response(line=b"HTTP/1.1 100 x") + response(cl(0)), "GET", True),
    "10-keep": (response(cl(0), b"Connection: keep-alive",
                         line=b"HTTP/1.0 200 OK"), "GET", True),
    "close": (response(cl(0), b"Connection: close"), "GET", False),
    "close-list": (response(cl(0), b"Connection: x, CLOSE"), "GET", False),
    "close-two": (response(cl(0), b"Connection: keep-alive", b"Connection: close"),
                  "GET", False),
    "10": (response(cl(0), line=b"HTTP/1.0 200 OK"), "GET", False),
    "R06-extra": (response(cl(5), body=b"hello!"), "GET", False),
    "R06-extra-empty": (response(cl(0), body=b"\r\n"), "GET", False),
    "R06-extra-chunked": (response(CHUNKED, body=b"0\r\n\r\n\r\n"), "GET", False),
    "R06-second": (response(cl(0)) + response(cl(6), body=b"poison"), "GET", False),
    "R07-204-body": (response(cl(6), line=b"HTTP/1.1 204 x", body=b"poison"),
                     "GET", False),
    "R07-204-length": (response(cl(6), line=b"HTTP/1.1 204 x"), "GET", False),
    "R07-204-chunked": (response(CHUNKED, line=b"HTTP/1.1 204 x",
                                 body=b"6\r\npoison\r\n0\r\n\r\n"), "GET", False),
    "R07-304-body": (response(cl(6), line=b"HTTP/1.1 304 x", body=b"poison"),
                     "GET", False),
    "R07-head-body": (response(cl(6), body=b"poison"), "HEAD", False),
    "R07-head-chunked": (response(CHUNKED, body=b"6\r\npoison\r\n0\r\n\r\n"),
                         "HEAD", False),
    "R07-103-body": (response(cl(0), line=b"HTTP/1.1 103 x") + response(cl(0)),
                     "GET", True),
}


@pytest.mark.parametrize("name", REUSE)
def test_reuse(site, name):
    data, method, again = REUSE[name]
    site.on("/r", ends(data))
    with site.client() as c:
        r = c.request(method, "/r")
        assert b"poison" not in r.body and r.status < 502
        r = c.request("GET", "/next")
        assert json.loads(r.body)["target"] == "/next"
    first, last = site.upstream.requests
    assert (first.connection is last.connection) == again
    if not again:
        assert closed(first.connection)


@pytest.mark.parametrize("data", [
    response(cl(6), body=b"poison"), response(cl(0), line=b"HTTP/1.1 408 Timeout"),
    b"x", b"\r\n"])
def test_unasked_bytes(site, data):
    """R06: bytes on an idle connection end it, and reach nobody."""
    def serve(c, r):
        c.body(r)
        c.send(response(cl(0)))
        time.sleep(0.05)
        c.send(data)
    site.on("/first", serve)
    assert site.get("/first").status == 200
    assert closed(site.upstream.last.connection)
    for n in range(3):
        assert json.loads(site.get(f"/{n}").body)["target"] == f"/{n}"


def test_late_answer_reaches_nobody(site):
    """N-07: the answer to a client that left is thrown away with its connection."""
    go = threading.Event()

    def late(c, r):
        c.body(r)
        go.wait(5)
        try:
            c.send(response(cl(6), body=b"poison"))
        except OSError:
            pass
    site.on("/late", late)
    c = site.client()
    c.send(head(b"GET /late HTTP/1.1"))
    site.upstream.wait(1)
    c.reset()
    time.sleep(0.05)
    go.set()
    for n in range(5):
        assert json.loads(site.get(f"/{n}").body)["target"] == f"/{n}"
    assert closed(site.upstream.requests[0].connection)


def test_everybody_gets_their_own(site):
    """N-07 under load: answers with something behind them, many clients."""
    def rude(c, r):
        c.body(r)
        n = int(r.target.split("?")[1])
        own = r.target.encode()
        extra = [b"", b"\r\n", response(cl(6), body=b"poison"), b"HTTP/1.1 200"][n % 4]
        c.send(response(cl(len(own)), body=own) + extra)
    site.on("/n", rude)
    wrong = []

    def client(k):
        with site.client() as c:
            for n in range(60):
                t = f"/n?{n * 10 + k}"
                if c.request("GET", t).text != t:
                    wrong.append(t)
    threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# ---- Limits of an answer's head, at one below, at and one above (R14) ---------------------


def of_line(n):
    return response(cl(0), line=b"HTTP/1.1 200 " + b"r" * (n - 15))


def of_field(n):
    return response(cl(0), b"X: " + b"v" * (n - 5))


def of_head(n):
    fields = [b"X: " + b"v" * 20000] * 3
    have = len(response(cl(0), *fields, b"Y: "))
    return response(cl(0), *fields, b"Y: " + b"v" * (n - have))


def of_fields(n):
    return response(cl(0), *(b"X: v",) * (n - 1))


def of_name(n):
    return response(cl(0), b"N" * n + b": v")


@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("make, limit", [
    (of_line, 16 << 10), (of_field, 32 << 10), (of_head, 64 << 10),
    (of_fields, 128), (of_name, 256)])
def test_limits(site, make, limit, off):
    site.on("/limit", ends(make(limit + off)))
    r = site.get("/limit")
    assert r.status == (200 if off <= 0 else 502)
    if off > 0:
        assert closed(site.upstream.last.connection)
