# SPDX-License-Identifier: BSD-2-Clause
"""How connections behave: security rows H1-C, HEAD, 1xx, HTTP/1.0, keep-alive."""
import json
import select
import socket
import threading
import time

import pytest

from harness.rows import GOOD, head
from harness.script import Script

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  few:
    address: "127.0.0.1:@few@"
    transport: {keepAliveMaxRequests: 3}
  brief:
    address: "127.0.0.1:@brief@"
    transport: {keepAliveMaxTime: 300ms}
  idle:
    address: "127.0.0.1:@idle@"
    transport: {respondingTimeouts: {idleTimeout: 300ms}}
  impatient:
    address: "127.0.0.1:@impatient@"
    transport: {respondingTimeouts: {readTimeout: 400ms}}
akkod: {workers: 1}
accessLog: {filePath: @dir@/access.log, format: json}
http:
  routers:
    app: {rule: "Host(`a.test`)", service: app}
    gone: {rule: "Host(`gone.test`)", service: gone}
    auth: {rule: "Host(`auth.test`)", service: app, middlewares: [auth]}
  middlewares:
    auth: {basicAuth: {users: ["u:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"]}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    gone: {loadBalancer: {servers: [{url: "http://127.0.0.1:@closed@"}]}}
"""


@pytest.fixture(scope="module")
def whole(module_akkod, module_upstream):
    script = Script()
    u = module_upstream(script)
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream, a.on = u, script.on
    return a


@pytest.fixture
def site(whole):
    """One akkod, with the upstream's records emptied for each test."""
    whole.upstream.requests.clear()
    whole.upstream.serve.off()
    return whole


def targets(site):
    return [r.target for r in site.upstream.requests]


def eventually(check, seconds=3):
    end = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
    return result


# ---- Pipelining ------------------------------------------------------------------


def test_pipelined_in_order(site):
    """C01: one after another, whatever each of them takes."""
    working, most = [0], [0]

    def slow(c, r):
        working[0] += 1
        most[0] = max(most[0], working[0])
        c.body(r)
        time.sleep(0.03 if r.target.endswith("1") else 0)
        working[0] -= 1
        c.answer(200, body=r.target)
    for n in range(8):
        site.on(f"/p{n}", slow)
    with site.client() as c:
        c.send(b"".join(head(b"GET /p%d HTTP/1.1" % n) for n in range(8)))
        assert [c.response().text for _ in range(8)] == \
            [f"/p{n}" for n in range(8)]
    assert most[0] == 1 and targets(site) == [f"/p{n}" for n in range(8)]


def test_pipelined_mixed(site):
    """Bodies of every framing, HEAD and errors in one pipeline."""
    with site.client() as c:
        c.send(head(b"POST /a HTTP/1.1", b"Content-Length: 3") + b"abc" +
               head(b"HEAD /b HTTP/1.1") +
               head(b"PUT /c HTTP/1.1", b"Transfer-Encoding: chunked") +
               b"2\r\nde\r\n0\r\nT: x\r\n\r\n" +
               head(b"GET /d HTTP/1.1", host=b"none.test") +
               head(b"GET /e HTTP/1.1", b"Connection: close") + GOOD)
        assert json.loads(c.response().body)["body"] == "abc"
        assert c.response("HEAD").status == 200
        assert json.loads(c.response().body)["body"] == "de"
        assert c.response().status == 404
        assert json.loads(c.response().body)["target"] == "/e"
        assert not c.more()
    assert targets(site) == ["/a", "/b", "/c", "/e"]


def test_read_ahead_is_bounded(site):
    """C01: a client cannot fill memory with a pipeline behind a slow answer."""
    go = threading.Event()

    def wait(c, r):
        c.body(r)
        go.wait(10)
        c.answer(200)
    site.on("/wait", wait)
    pid = site.worker_pids()[0]
    before = resident(pid)
    with site.client() as c:
        c.send(head(b"GET /wait HTTP/1.1"))
        site.upstream.wait(1)
        c.sock.setblocking(False)
        data, sent = GOOD * 4096, 0
        try:
            while sent < 32 << 20:
                sent += c.sock.send(data)
        except BlockingIOError:
            pass
        time.sleep(0.2)
        assert resident(pid) - before < 1 << 20
        assert targets(site) == ["/wait"]
        c.reset()
    go.set()


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096


@pytest.mark.parametrize("bad", [b"GET / HTTP/1.1\r\nA : b\r\n\r\n", b"\0",
                                 b"GET / HTTP/3.0\r\n\r\n", b"get / HTTP/1.1\r\n\r\n"])
def test_invalid_behind_valid(site, bad):
    """C02: the answer before it is finished, then the refusal, then the end."""
    def slow(c, r):
        c.body(r)
        time.sleep(0.05)
        c.answer(200, body=b"x" * 100000)
    site.on("/first", slow)
    with site.client() as c:
        c.send(head(b"GET /first HTTP/1.1") + bad + GOOD)
        assert len(c.response().body) == 100000
        r = c.response()
        assert r.status >= 400 and r["Connection"] == "close"
        assert not c.more()
    assert targets(site) == ["/first"]


# ---- Expect -------------------------------------------------------------------------


def expecting(path=b"/", host=b"a.test", value=b"100-continue", version=b"1.1",
              framing=b"Content-Length: 3"):
    return head(b"POST " + path + b" HTTP/" + version, framing,
                b"Expect: " + value, host=host)


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b"100-CONTINUE"])
@pytest.mark.parametrize("framing, body", [
    (b"Content-Length: 3", b"abc"),
    (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")])
def test_expect_continue(site, value, framing, body):
    """C03: akkod answers it itself; the upstream never hears of it."""
    with site.client() as c:
        c.send(expecting(value=value, framing=framing))
        r = c.head()
        assert r.status == 100 and not r.fields
        c.send(body)
        r = c.response()
        assert r.status == 200 and json.loads(r.body)["body"] == "abc"
        assert c.request("GET", "/next").status == 200
    assert site.upstream.requests[0]["Expect"] is None


def test_expect_without_waiting(site):
    """The body that comes at once is taken; 100 may be sent or not."""
    with site.client() as c:
        c.send(expecting() + b"abc" + head(b"GET /next HTTP/1.1"))
        assert json.loads(c.response().body)["body"] == "abc"
        assert json.loads(c.response().body)["target"] == "/next"


@pytest.mark.parametrize("host, status", [
    (b"auth.test", 401), (b"none.test", 404), (b"gone.test", 502)])
def test_no_continue_before_a_refusal(site, host, status):
    """C03, C06: 100 only after auth, and only when a server is there."""
    with site.client() as c:
        c.send(expecting(host=host))
        r = c.response()
        assert r.status == status and not r.interim
        assert r["Connection"] == "close"
        c.send(GOOD)
        assert not c.more()
    assert targets(site) == []


@pytest.mark.parametrize("fields", [
    [b"Expect: 200-ok"], [b"Expect: 100-continue, x"], [b"Expect: "],
    [b"Expect: 100-continue", b"Expect: 100-continue"],
    [b"Expect: 100-continue;q=1"], [b"Expect: 100 continue"]])
def test_other_expectations(site, fields):
    """C04"""
    with site.client() as c:
        c.send(head(b"POST / HTTP/1.1", b"Content-Length: 3", *fields) + b"abc" +
               GOOD)
        r = c.response()
        assert r.status == 417 and r["Connection"] == "close"
        assert not c.more()
    assert targets(site) == []


@pytest.mark.parametrize("data", [
    head(b"GET / HTTP/1.1", b"Expect: 100-continue"),
    head(b"POST / HTTP/1.1", b"Content-Length: 0", b"Expect: 100-continue"),
    head(b"POST / HTTP/1.0", b"Content-Length: 3", b"Expect: 100-continue") +
    b"abc"])
def test_expect_ignored(site, data):
    """C05: no body, or HTTP/1.0."""
    with site.client() as c:
        c.send(data)
        r = c.response()
        assert r.status == 200 and not r.interim
    assert site.upstream.requests[0]["Expect"] is None


# ---- Answers before the body --------------------------------------------------------


@pytest.mark.parametrize("host, status", [("auth.test", 401), ("none.test", 404)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_after_a_refusal(site, host, status, framing):
    """C06: what comes after the answer is a body, never a request."""
    field = b"Content-Length: %d" % (len(GOOD) * 2000) if framing == "length" \
        else b"Transfer-Encoding: chunked"
    with site.client() as c:
        c.send(head(b"POST / HTTP/1.1", field, host=host.encode()))
        r = c.response()
        assert r.status == status and r["Connection"] == "close"
        try:
            for _ in range(200):
                c.send(GOOD * 10)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert not c.buffer and not c.more()
    assert targets(site) == []


def test_short_body_with_its_head(site):
    """A body that is there already need not cost the connection."""
    with site.client() as c:
        c.send(head(b"POST / HTTP/1.1", b"Content-Length: %d" % len(GOOD),
                    host=b"none.test") + GOOD + head(b"GET /next HTTP/1.1"))
        r = c.response()
        assert r.status == 404
        if r["Connection"] != "close":
            assert json.loads(c.response().body)["target"] == "/next"
    assert "/good" not in targets(site)


@pytest.mark.parametrize("status", [200, 302, 401, 413, 500])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upstream_answers_early(site, status, framing):
    """C07: the answer passes; neither connection is used again."""
    def early(c, r):
        c.answer(status, body=b"early")
        while c.more():		# reads on, as a polite server does
            c.buffer = b""
    site.on("/early", early)
    field = b"Content-Length: 1000000" if framing == "length" \
        else b"Transfer-Encoding: chunked"
    with site.client() as c:
        c.send(head(b"POST /early HTTP/1.1", field))
        if framing == "chunked":
            c.send(b"5\r\nhello\r\n")
        r = c.response()
        assert r.status == status and r.body == b"early"
        assert r["Connection"] == "close"
        c.send(b"x" * 1000 + GOOD)
        assert not c.more()
    connection = site.upstream.last.connection
    eventually(lambda: connection.sock.fileno() == -1)
    assert targets(site) == ["/early"]


def test_upstream_answers_early_and_closes(site):
    """C07, R18: a server that answers and stops reading is heard all the same."""
    def rude(c, r):
        c.answer(413, body=b"too much")
        return False
    site.on("/rude", rude)
    for _ in range(2):
        with site.client() as c:
            c.send(head(b"POST /rude HTTP/1.1", b"Content-Length: 50000000"))
            try:
                for _ in range(100):
                    c.send(b"x" * 100000)
            except (BrokenPipeError, ConnectionResetError):
                pass
            r = c.response()
            assert r.status == 413 and r.body == b"too much"


def test_early_answer_is_streamed(site):
    """The answer may go on long after the request stopped being read."""
    def early(c, r):
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            c.send(b"4\r\nabcd\r\n")
            time.sleep(0.005)
        c.send(b"0\r\n\r\n")
    site.on("/stream", early)
    with site.client() as c:
        c.send(head(b"POST /stream HTTP/1.1", b"Content-Length: 10") + b"abc")
        assert c.response().body == b"abcd" * 20
        assert not c.more()


# ---- Upgrade ---------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [
    [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
     b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    [b"Connection: Upgrade", b"Upgrade: h2c"], [b"Upgrade: h2c"],
    [b"Connection: upgrade", b"Upgrade: TLS/1.0"],
    [b"Connection: upgrade", b"Upgrade: foo, h2c"],
    [b"Connection: HTTP2-Settings", b"HTTP2-Settings: x"]])
def test_other_upgrades(site, fields):
    """C08: stripped, served as plain HTTP, the connection goes on."""
    with site.client() as c:
        c.send(head(b"GET /up HTTP/1.1", *fields))
        r = c.response()
        assert r.status == 200 and r["Upgrade"] is None
        assert c.request("GET", "/next").status == 200
    seen = site.upstream.requests[0]
    for name in ("Upgrade", "Connection", "HTTP2-Settings"):
        assert seen[name] is None


# ---- HTTP/1.0 and keep-alive -------------------------------------------------------------


def test_http10_closes(site):
    """C13: without the token the connection ends."""
    with site.client() as c:
        c.send(head(b"GET / HTTP/1.0") + GOOD)
        r = c.response()
        assert r.version == "HTTP/1.0" and r.status == 200
        assert not c.buffer and not c.more()
    assert len(site.upstream.requests) == 1


def test_http10_keep_alive(site):
    with site.client() as c:
        for n in range(3):
            c.send(head(b"GET /%d HTTP/1.0" % n, b"Connection: Keep-Alive"))
            r = c.response()
            assert r.version == "HTTP/1.0" and r["Connection"] == "keep-alive"
            assert json.loads(r.body)["target"] == f"/{n}"


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"])
def test_http10_without_length(site, answer):
    """A body of unknown length ends with the connection, and is not chunked."""
    def unknown(c, r):
        c.send(answer)
        return b"chunked" in answer
    site.on("/unknown", unknown)
    with site.client() as c:
        c.send(head(b"GET /unknown HTTP/1.0", b"Connection: keep-alive"))
        r = c.response()
        assert r.body == b"hello" and r["Transfer-Encoding"] is None
        assert r["Connection"] != "keep-alive" and not c.more()


def test_keep_alive_limit(site):
    """keepAliveMaxRequests: the last answer says that it is the last."""
    with site.client("few") as c:
        answers = [c.request("GET", f"/{n}") for n in range(3)]
        assert [r["Connection"] for r in answers] == [None, None, "close"]
        assert not c.more()


def test_keep_alive_age(site):
    with site.client("brief") as c:
        assert c.request("GET", "/")["Connection"] is None
        time.sleep(0.35)
        assert c.request("GET", "/")["Connection"] == "close"
        assert not c.more()


def test_idle_connection_ends(site):
    with site.client("idle") as c:
        assert c.request("GET", "/").status == 200
        start = time.monotonic()
        assert not c.more()
        assert 0.2 < time.monotonic() - start < 1.5


def test_silent_connection_ends(site):
    """S-101: a client that says nothing, and one that stops in its head."""
    with site.client("impatient") as c, site.client("impatient") as d:
        d.send(b"GET / HTTP/1.1\r\nHost: a.te")
        start = time.monotonic()
        r = d.response()
        assert r.status == 408 and r["Connection"] == "close"
        assert not d.more() and not c.more()
        assert time.monotonic() - start < 2


def test_trickling_head_ends(site):
    """S-101: single bytes do not prolong the time a head has."""
    with site.client("impatient") as c:
        start = time.monotonic()
        for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100:
            c.send(bytes([byte]))
            if select.select([c.sock], [], [], 0.02)[0]:
                break
        assert 0.3 < time.monotonic() - start < 2
        assert c.response().status == 408


def test_many_requests_on_one_connection(site):
    """Keep-alive on both sides: one connection each for all of them."""
    with site.client() as c:
        for n in range(200):
            assert c.request("POST", f"/{n}", body=b"x" * (n % 7)).status == 200
    assert len({id(r.connection) for r in site.upstream.requests}) == 1


# ---- HEAD, bodyless answers, 1xx ------------------------------------------------------------


@pytest.mark.parametrize("fields, length", [
    (b"Content-Length: 5\r\n", "5"), (b"Transfer-Encoding: chunked\r\n", None),
    (b"", None), (b"Content-Length: 0\r\n", "0")])
def test_head(site, fields, length):
    """HEAD has the fields of GET and no body; the connection goes on."""
    site.on("/h", b"HTTP/1.1 200 OK\r\nX: y\r\n" + fields + b"\r\n")
    with site.client() as c:
        c.send(head(b"HEAD /h HTTP/1.1"))
        r = c.response("HEAD")
        assert r.status == 200 and r["X"] == "y"
        assert r["Content-Length"] == length
        assert json.loads(c.request("GET", "/next").body)["target"] == "/next"


@pytest.mark.parametrize("status, fields", [
    (204, b""), (204, b"Content-Length: 0\r\n"), (304, b""),
    (304, b"Content-Length: 5\r\nETag: x\r\n")])
def test_no_body(site, status, fields):
    """R07: neither has a length; of a 304 it is left out as Traefik does."""
    site.on("/n", b"HTTP/1.1 %d X\r\n%s\r\n" % (status, fields))
    with site.client() as c:
        r = c.request("GET", "/n")
        assert r.status == status and r.body == b""
        assert r["Transfer-Encoding"] is None
        assert r["Content-Length"] is None
        assert c.request("GET", "/next").status == 200


def interim(*heads):
    def serve(c, r):
        c.body(r)
        for h in heads:
            c.send(b"HTTP/1.1 " + h + b"\r\n\r\n")
        c.answer(200, body=b"done")
    return serve


def test_interim_answers_pass(site):
    """R12: 102 and 103 with their fields; R11: 100 does not."""
    site.on("/i", interim(b"100 Continue", b"103 Early Hints\r\nLink: </a>",
                          b"102 Processing", b"103 x\r\nLink: </b>\r\nConnection: "
                          b"close\r\nKeep-Alive: x"))
    with site.client() as c:
        r = c.request("GET", "/i")
        assert [i.status for i in r.interim] == [103, 102, 103]
        assert [i["Link"] for i in r.interim] == ["</a>", None, "</b>"]
        for i in r.interim:
            assert i["Connection"] is None and i["Keep-Alive"] is None
            assert i["Content-Length"] is None
        assert r.body == b"done" and r["Link"] is None
        c.send(head(b"GET /i HTTP/1.0", b"Connection: keep-alive"))
        assert c.head().status == 200


@pytest.mark.parametrize("n, status", [(8, 200), (9, 502)])
def test_interim_answers_are_few(site, n, status):
    site.on("/i", interim(*[b"103 x"] * n))
    with site.client() as c:
        assert c.request("GET", "/i").status == status


# ---- Clients that leave ------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 0.3])
@pytest.mark.parametrize("data", [
    head(b"GET /late HTTP/1.1"),
    head(b"POST /late HTTP/1.1", b"Content-Length: 3") + b"abc"])
def test_half_close(site, delay, data):
    """C14: the answer is delivered although the client said its last."""
    def late(c, r):
        c.body(r)
        time.sleep(delay)
        c.answer(200, body=b"late" * 10000)
    site.on("/late", late)
    with site.client() as c:
        c.send(data)
        c.fin()
        assert c.response().body == b"late" * 10000
        assert not c.more()


def test_half_close_behind_a_pipeline(site):
    with site.client() as c:
        c.send(b"".join(head(b"GET /%d HTTP/1.1" % n) for n in range(5)))
        c.fin()
        for n in range(5):
            assert json.loads(c.response().body)["target"] == f"/{n}"
        assert not c.more()


@pytest.mark.parametrize("how", ["reset", "close"])
def test_client_leaves_before_the_answer(site, how):
    """C15: the server is let go within a second."""
    left = threading.Event()

    def wait(c, r):
        c.body(r)
        c.sock.settimeout(5)
        try:
            c.more()
        except ConnectionResetError:
            pass
        left.set()
        return False
    site.on("/wait", wait)
    c = site.client()
    c.send(head(b"GET /wait HTTP/1.1"))
    site.upstream.wait(1)
    start = time.monotonic()
    c.reset() if how == "reset" else c.close()
    assert left.wait(3) and time.monotonic() - start < 1.3


@pytest.mark.parametrize("how", ["reset", "close"])
def test_client_leaves_in_the_answer(site, how):
    """C15: mid-response too, whether bytes flow or not."""
    left = threading.Event()

    def stream(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        try:
            for _ in range(100):
                c.send(b"5\r\nhello\r\n")
                time.sleep(0.02)
        except OSError:
            left.set()
        return False
    site.on("/s", stream)
    c = site.client()
    c.send(head(b"GET /s HTTP/1.1"))
    c.final()
    start = time.monotonic()
    c.reset() if how == "reset" else c.close()
    assert left.wait(3) and time.monotonic() - start < 1.3


@pytest.mark.parametrize("data", [
    head(b"GET /q HTTP/1.1"),
    head(b"POST /q HTTP/1.1", b"Content-Length: 10") + b"abc"])
def test_client_leaves_a_quiet_answer(site, data):
    """C15: the upstream sends nothing more, so only the client's end tells."""
    left = threading.Event()

    def quiet(c, r):
        if r.method == "GET":
            c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        c.sock.settimeout(5)
        try:
            while c.more():
                pass
            left.set()
        except ConnectionResetError:
            left.set()
        except OSError:
            pass
        return False
    site.on("/q", quiet)
    c = site.client()
    c.send(data)
    c.final()
    start = time.monotonic()
    c.reset()
    assert left.wait(4) and time.monotonic() - start < 1.3


@pytest.mark.parametrize("how", ["reset", "close"])
def test_client_leaves_in_its_body(site, how):
    """F17, N-09: the message stays unfinished upstream."""
    with site.client() as c:
        c.send(head(b"POST /b HTTP/1.1", b"Transfer-Encoding: chunked") +
               b"5\r\nhello\r\n")
        r = eventually(lambda: site.upstream.requests and
                       site.upstream.requests[0])
        eventually(lambda: b"hello" in r.connection.received)
        c.reset() if how == "reset" else c.close()
    eventually(lambda: r.connection.sock.fileno() == -1)
    assert not r.complete and b"0\r\n\r\n" not in r.connection.received


def test_request_counts_return(site):
    """Nothing of all this is left: connections, fibers."""
    eventually(lambda: site.status()["workers"][0]["connections"] == 0)
    with socket.create_connection(("127.0.0.1", site.ports["web"])):
        eventually(lambda: site.status()["workers"][0]["connections"] == 1)
    eventually(lambda: site.status()["workers"][0]["connections"] == 0)


@pytest.mark.parametrize("host", [b"none.test", b"a.test"])
def test_endless_pipeline(site, host):
    """S-114: who pipelines without end does not keep others waiting."""
    over = threading.Event()
    data = head(b"GET /x HTTP/1.1", host=host) * 500

    def send(c):
        try:
            while not over.is_set():
                c.send(data)
        except OSError:
            pass

    def receive(c):
        try:
            while c.sock.recv(1 << 20):
                pass
        except OSError:
            pass
    hogs = [site.client() for _ in range(3)]
    threads = [threading.Thread(target=f, args=(c,))
               for c in hogs for f in (send, receive)]
    for t in threads:
        t.start()
    worst = 0
    try:
        with site.client() as c:
            for _ in range(20):
                start = time.monotonic()
                assert c.request("GET", "/", host="none.test").status == 404
                worst = max(worst, time.monotonic() - start)
                time.sleep(0.01)
    finally:
        over.set()
        for c in hogs:
            c.sock.shutdown(socket.SHUT_RDWR)
        for t in threads:
            t.join()
    assert worst < 0.3, worst
