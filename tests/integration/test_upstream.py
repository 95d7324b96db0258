# SPDX-License-Identifier: BSD-2-Clause
"""Reaching servers: failures and their reasons, time limits, retries, weights, TLS."""
import collections
import itertools
import json
import os
import signal
import socket
import ssl
import struct
import threading
import time

import pytest

from harness.pki import Authority
from harness.ports import free_port
from harness.proc import state, until
from harness.rows import head
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
    hole: {rule: "Host(`hole.test`)", service: hole}
    refused: {rule: "Host(`refused.test`)", service: refused}
    name: {rule: "Host(`name.test`)", service: name}
    empty: {rule: "Host(`empty.test`)", service: empty}
    weights: {rule: "Host(`weights.test`)", service: weights}
    equal: {rule: "Host(`equal.test`)", service: equal}
    half: {rule: "Host(`half.test`)", service: half}
    own: {rule: "Host(`own.test`)", service: own}
    path: {rule: "Host(`path.test`)", service: path}
    single: {rule: "Host(`single.test`)", service: single}
    none: {rule: "Host(`none.test`)", service: none}
    brief: {rule: "Host(`brief.test`)", service: brief}
  services:
    app: {loadBalancer: {serversTransport: quick,
                         servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    hole: {loadBalancer: {serversTransport: quick,
                          servers: [{url: "http://127.0.0.1:@hole@"}]}}
    refused: {loadBalancer: {servers: [{url: "http://127.0.0.1:@closed@"}]}}
    name: {loadBalancer: {servers: [{url: "http://no-such-name.invalid:80"}]}}
    empty: {loadBalancer: {servers: []}}
    weights:
      loadBalancer:
        servers:
          - {url: "http://127.0.0.1:@upstream@", weight: 3}
          - {url: "http://127.0.0.1:@second@"}
          - {url: "http://127.0.0.1:@closed@", weight: 0}
    equal:
      loadBalancer:
        servers: [{url: "http://127.0.0.1:@upstream@"},
                  {url: "http://127.0.0.1:@second@"}]
    half:
      loadBalancer:
        servers: [{url: "http://127.0.0.1:@upstream@"},
                  {url: "http://127.0.0.1:@closed@"}]
    own: {loadBalancer: {passHostHeader: false,
                         servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    path: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@/base/",
                                     preservePath: true}]}}
    single: {loadBalancer: {serversTransport: single,
                            servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    none: {loadBalancer: {serversTransport: none,
                          servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    brief: {loadBalancer: {serversTransport: brief,
                           servers: [{url: "http://127.0.0.1:@upstream@"}]}}
  serversTransports:
    quick: {forwardingTimeouts: {dialTimeout: 300ms, responseHeaderTimeout: 400ms}}
    single: {maxIdleConnsPerHost: 1}
    none: {maxIdleConnsPerHost: -1}
    brief: {forwardingTimeouts: {idleConnTimeout: 200ms}}
"""


class BlackHole:
    """Listens, and lets nobody in: the queue of the listener is full."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fill = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.fill.append(s)

    def close(self):
        for s in (*self.fill, self.listener):
            s.close()


MARKS = itertools.count()


@pytest.fixture(scope="module")
def whole(module_akkod, module_upstream):
    script = Script()
    u, second, hole = module_upstream(script), module_upstream(script), BlackHole()
    a = module_akkod(CONFIG, values={"upstream": u.port, "second": second.port,
                                     "hole": hole.port})
    a.upstream, a.second, a.on = u, second, script.on
    yield a
    hole.close()


@pytest.fixture
def site(whole):
    for u in (whole.upstream, whole.second):
        u.requests.clear()
        u.connections.clear()
        u.serve.off()
    whole.on("/empty", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                       b"Content-Length: 0\r\n\r\n")
    for host in ("a.test", "equal.test", "equal.test"):
        mark_log(whole, f"/empty?{next(MARKS)}", host)
    for u in (whole.upstream, whole.second):
        u.requests.clear()
        u.connections.clear()
    return whole


def line(site):
    """The access log's line of the first request of the test."""
    return site.access(site.mark + 1)[site.mark]


def check_failure(site, r, status, reason):
    text = {502: b"Bad Gateway", 504: b"Gateway Timeout",
            500: b"Internal Server Error"}[status]
    assert r.status == status and r.body == text, r
    entry = line(site)
    assert entry["Reason"] == reason and entry["DownstreamStatus"] == status


# ---- Failures -------------------------------------------------------------------


def test_refused(site):
    check_failure(site, site.get(host="refused.test"), 502, "upstream-refused")


def test_dial_timeout(site):
    start = time.monotonic()
    r = site.get(host="hole.test")
    assert 0.25 < time.monotonic() - start < 1.5
    check_failure(site, r, 504, "upstream-connect-timeout")


def test_name_without_address(site):
    check_failure(site, site.get(host="name.test"), 502, "upstream-unresolved")


def test_service_without_server(site):
    r = site.get(host="empty.test")
    assert r.status == 503 and r.body == b"no available server\n"
    assert line(site)["Reason"] == "service-no-server"


def test_closed_before_the_answer(site):
    site.on("/x", lambda c, r: False)
    check_failure(site, site.get("/x"), 502, "upstream-closed")
    assert len(site.upstream.requests) == 1


def test_reset_before_the_answer(site):
    def serve(c, r):
        c.body(r)
        c.reset()
        return False
    site.on("/x", serve)
    check_failure(site, site.get("/x"), 502, "upstream-closed")
    assert len(site.upstream.requests) == 1


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\n",
                                  b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"])
def test_closed_in_the_head(site, part):
    def serve(c, r):
        c.body(r)
        c.send(part)
        return False
    site.on("/x", serve)
    check_failure(site, site.get("/x"), 502, "upstream-malformed")


@pytest.mark.parametrize("part", [
    b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 103 x\r\n\r\n",
    b"HTTP/1.1 100 x\r\n\r\n"])
def test_header_timeout(site, part):
    """responseHeaderTimeout is for the final head, whatever comes before."""
    def serve(c, r):
        c.body(r)
        c.send(part)
        c.sock.settimeout(5)
        try:
            c.more()
        except OSError:
            pass
        return False
    site.on("/x", serve)
    start = time.monotonic()
    check_failure(site, site.get("/x"), 504, "upstream-timeout")
    assert 0.3 < time.monotonic() - start < 1.5


def test_header_timeout_after_a_body(site):
    """It begins when the request is written."""
    def serve(c, r):
        c.body(r)
        c.answer(200, body=r.body)
    site.on("/x", serve)
    with site.client() as c:
        c.send(head(b"POST /x HTTP/1.1", b"Content-Length: 3") + b"a")
        time.sleep(0.5)
        c.send(b"bc")
        assert c.response().body == b"abc"


def test_slow_body_is_not_cut(site):
    """The gap inside an answer has no limit, as Traefik has none."""
    def serve(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        time.sleep(0.7)
        c.send(b"world")
    site.on("/x", serve)
    assert site.get("/x").body == b"helloworld"


def test_others_are_not_held_up(site):
    """S-103: many that wait for a black hole, one that does not."""
    waiting = [site.client() for _ in range(100)]
    for c in waiting:
        c.send(head(b"GET / HTTP/1.1", host=b"hole.test"))
    with site.client() as c:
        for _ in range(20):
            start = time.monotonic()
            assert c.request("GET", "/").status == 200
            assert time.monotonic() - start < 0.2
    for c in waiting:
        assert c.response().status == 504
        c.close()


def test_client_leaves_while_dialling(site):
    with site.client() as c:
        c.send(head(b"GET / HTTP/1.1", host=b"hole.test"))
        time.sleep(0.05)
        c.reset()
    end = time.monotonic() + 2
    while site.status()["workers"][0]["connections"] > 0:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_client_leaves_after_its_body(site):
    """C15: who sent a body and left holds no server either."""
    ended = threading.Event()

    def wait(c, r):
        c.body(r)
        c.sock.settimeout(10)
        if not c.more():
            ended.set()
        return False
    site.on("/wait", wait)
    with site.client() as c:
        c.send(head(b"POST /wait HTTP/1.1", b"Content-Length: 5") + b"hello")
        site.upstream.wait(1)
        time.sleep(0.1)
        c.reset()
    assert ended.wait(3)


# ---- Retries (C16) ---------------------------------------------------------------------


def stale(site, method, body=None, path="/again"):
    """A request that meets a connection which its server has just let go.

    The worker is stopped while the request comes and the server closes, so
    that it writes before it can know.
    """
    with site.client() as c:
        assert c.request("GET", "/first").status == 200
        first = site.upstream.last.connection
        pid = site.worker_pids()[0]
        os.kill(pid, signal.SIGSTOP)
        until(lambda: state(pid) == "T", what="the stop")
        try:
            data = f"{method} {path} HTTP/1.1\r\nHost: a.test\r\n".encode()
            if body is not None:
                data += b"Content-Length: %d\r\n" % len(body)
            c.send(data + b"\r\n" + (body or b""))
            time.sleep(0.02)
            first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
            first.sock.shutdown(socket.SHUT_RD)
            first.sock.close()
            time.sleep(0.02)
        finally:
            os.kill(pid, signal.SIGCONT)
        return c.response(method)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"])
def test_stale_connection(site, method):
    """Idempotent and without a body: once more, on a fresh connection."""
    r = stale(site, method)
    assert r.status == 200
    assert [q.target for q in site.upstream.requests] == ["/first", "/again"]
    assert len(site.upstream.connections) == 2


def read_then(how):
    """A server that answers once, reads the next request and is gone."""
    def serve(c, r):
        c.body(r)
        if c.requests == 1:
            c.answer(200)
            return True
        time.sleep(0.1)
        if how == "reset":
            c.reset()
        return False
    return serve


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("method, body", [
    ("GET", None), ("POST", None), ("POST", b"abc"), ("PUT", b"abc")])
def test_what_was_read_is_not_sent_twice(site, how, method, body):
    site.on("/r", read_then(how))
    with site.client() as c:
        assert c.request("GET", "/r").status == 200
        assert c.request(method, "/r", body=body).status == 502
    assert len(site.upstream.requests) == 2
    assert len(site.upstream.connections) == 1


def test_no_retry_after_a_byte(site):
    """Never after a byte of an answer."""
    def serve(c, r):
        c.body(r)
        if c.requests == 1:
            c.answer(200)
            return True
        c.send(b"H")
        return False
    site.on("/r", serve)
    with site.client() as c:
        assert c.request("GET", "/r").status == 200
        assert c.request("GET", "/r").status == 502
    assert len(site.upstream.requests) == 2


def test_closed_while_idle(site):
    """A server that closes idle connections costs nobody anything."""
    def serve(c, r):
        c.body(r)
        c.answer(200)
        return False
    site.on("/once", serve)
    with site.client() as c:
        for n in range(30):
            assert c.request("POST" if n % 2 else "GET", "/once").status == 200
            time.sleep(0.002)


# ---- The pool -----------------------------------------------------------------------------


def test_pool_is_used(site):
    for _ in range(10):
        assert site.get("/").status == 200
    assert len(site.upstream.connections) == 1


def parallel(site, host, n=4):
    """n requests at once; returns when all are answered and given back."""
    gate = threading.Barrier(n)

    def serve(c, r):
        c.body(r)
        gate.wait(5)
        c.answer(200)
    site.on("/gate", serve)
    clients = [site.client() for _ in range(n)]
    for c in clients:
        c.send(head(b"GET /gate HTTP/1.1", host=host.encode()))
    for c in clients:
        assert c.response().status == 200
        c.close()
    time.sleep(0.1)


@pytest.mark.parametrize("host, kept", [("single.test", 1), ("none.test", 0),
                                        ("own.test", 4)])
def test_idle_connections(site, host, kept):
    """maxIdleConnsPerHost; 200 when nothing is said."""
    parallel(site, host)
    assert sum(c.sock.fileno() != -1 for c in site.upstream.connections) == kept


def test_idle_timeout(site):
    assert site.get("/", host="brief.test").status == 200
    c = site.upstream.last.connection
    assert c.sock.fileno() != -1
    time.sleep(0.5)
    assert c.sock.fileno() == -1
    assert site.get("/", host="brief.test").status == 200


# ---- Several servers -----------------------------------------------------------------------


def test_weights(site):
    """3:1 over each round; weight 0 gets nothing."""
    for n in range(1, 4):
        for _ in range(8):
            assert site.get(host="weights.test").status == 200
        assert len(site.upstream.requests) == 6 * n
        assert len(site.second.requests) == 2 * n


def test_equal_servers_in_turn(site):
    for n in range(1, 6):
        for _ in range(2):
            assert site.get(host="equal.test").status == 200
        assert len(site.upstream.requests) == len(site.second.requests) == n


def test_a_dead_server_costs_its_share(site):
    """No health check: its requests fail, the others do not."""
    got = collections.Counter(site.get(host="half.test").status
                              for _ in range(20))
    assert got == {200: 10, 502: 10}


def test_host_of_the_server(site):
    """passHostHeader false."""
    seen = dict(json.loads(site.get(host="own.test").body)["fields"])
    assert seen["Host"] == site.upstream.address
    assert seen["X-Forwarded-Host"] == "own.test"


def test_path_of_the_server(site):
    seen = json.loads(site.get("/a/b?c", host="path.test").body)
    assert seen["target"] == "/base/a/b?c"


# ---- How many at once ----------------------------------------------------------------------

CROWD = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
accessLog: {filePath: @dir@/access.log, format: json}
akkod: {workers: 1, limits: {perServer: 4}}
http:
  routers:
    app: {rule: "Host(`a.test`)", service: app}
    other: {rule: "Host(`b.test`)", service: other}
    hole: {rule: "Host(`hole.test`)", service: hole}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    other: {loadBalancer: {servers: [{url: "http://127.0.0.1:@second@"}]}}
    hole: {loadBalancer: {serversTransport: quick,
                          servers: [{url: "http://127.0.0.1:@hole@"}]}}
  serversTransports:
    quick: {forwardingTimeouts: {dialTimeout: 300ms}}
"""


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_requests_at_once(akkod, upstream, extra):
    """S-103: more than perServer are told to come again; others are served."""
    script, go, hole = Script(), threading.Event(), BlackHole()
    first, second = upstream(script), upstream()

    def wait(c, r):
        c.body(r)
        go.wait(10)
        c.answer(200)
    script.on("/wait", wait)
    a = akkod(CROWD, values={"upstream": first.port, "second": second.port,
                             "hole": hole.port})
    clients = [a.client() for _ in range(3 + extra)]
    for c in clients:
        c.send(head(b"GET /wait HTTP/1.1"))
    first.wait(3 + extra)
    r = a.get("/")
    if extra < 1:
        assert r.status == 200
    else:
        assert r.status == 503 and r["Retry-After"] == "1"
        assert a.access(1)[0]["Reason"] == "overload"
    assert a.get("/", host="b.test").status == 200
    go.set()
    for c in clients:
        assert c.response().status == 200
        c.close()
    for _ in range(6):		# everyone who came has left
        assert a.get("/").status == 200
    for _ in range(2):		# and who never got in counts no more
        dialling = [a.client() for _ in range(6)]
        for c in dialling:
            c.send(head(b"GET / HTTP/1.1", host=b"hole.test"))
        got = collections.Counter(c.response().status for c in dialling)
        assert got == {504: 4, 503: 2}
        for c in dialling:
            c.close()
    hole.close()


# ---- HTTPS -----------------------------------------------------------------------------------

TLS_CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
akkod: {workers: 1}
accessLog: {filePath: @dir@/access.log, format: json}
http:
  routers:
@routers@
  services:
@services@
  serversTransports:
    skip: {insecureSkipVerify: true}
    ours: {rootCAs: [@ca@]}
    named: {rootCAs: [@ca@], serverName: app.internal}
    misnamed: {rootCAs: [@ca@], serverName: other.internal}
    theirs: {rootCAs: [@otherca@]}
    client: {rootCAs: [@ca@], certificates: [{certFile: @crt@, keyFile: @key@}]}
    old: {rootCAs: [@ca@], minVersion: VersionTLS12, maxVersion: VersionTLS12}
    quick: {insecureSkipVerify: true, forwardingTimeouts: {dialTimeout: 400ms}}
    missing: {rootCAs: [/no/such/file]}
"""

# host: server, transport, status, reason
TLS = {
    "default": ("good", None, 500, "upstream-tls"),
    "skip": ("good", "skip", 200, None),
    "ours": ("good", "ours", 200, None),
    "theirs": ("good", "theirs", 500, "upstream-tls"),
    "named": ("named", "named", 200, None),
    "misnamed": ("named", "misnamed", 500, "upstream-tls"),
    "wrongname": ("named", "ours", 500, "upstream-tls"),
    "expired": ("expired", "ours", 500, "upstream-tls"),
    "early": ("early", "ours", 500, "upstream-tls"),
    "skipexpired": ("expired", "skip", 200, None),
    "clientuse": ("clientuse", "ours", 500, "upstream-tls"),
    "plaintext": ("plain", "skip", 500, "upstream-tls"),
    "chatty": ("chatty", "skip", 500, "upstream-tls"),
    "wants": ("wants", "ours", 502, "upstream-tls-alert"),
    "wants12": ("wants12", "ours", 502, "upstream-tls-alert"),
    "client": ("wants", "client", 200, None),
    "old": ("good", "old", 200, None),
    "silent": ("silent", "quick", 504, "upstream-connect-timeout"),
    "closing": ("closing", "skip", 502, "upstream-closed"),
}


class Peer:
    """A listener that says `data` to whoever comes, then waits or closes."""

    def __init__(self, data=b"", wait=True):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.data, self.wait = data, wait
        self.open = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            s.sendall(self.data)
            if self.wait:
                self.open.append(s)
            else:
                s.recv(1)
                s.close()


@pytest.fixture(scope="module")
def secure(module_akkod, module_upstream, tmp_path_factory):
    ours = Authority(tmp_path_factory.mktemp("ours"))
    theirs = Authority(tmp_path_factory.mktemp("theirs"), name="another root")
    crt, key = ours.leaf("akkod.internal", client=True, file="client")

    def server(*names, **options):
        return module_upstream(tls=server_context(*ours.leaf(*names, **options)))
    wants, wants12 = (server_context(*ours.leaf("127.0.0.1", file="wants"))
                      for _ in range(2))
    for context in (wants, wants12):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ours.file)
    wants12.maximum_version = ssl.TLSVersion.TLSv1_2
    servers = {
        "good": server("127.0.0.1"), "named": server("app.internal"),
        "expired": server("127.0.0.1", days=-1, start=-10, file="expired"),
        "early": server("127.0.0.1", start=2, file="early"),
        "clientuse": server("127.0.0.1", client=True, file="clientuse"),
        "wants": module_upstream(tls=wants),
        "wants12": module_upstream(tls=wants12),
        "plain": Peer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        "silent": Peer(), "closing": Peer(wait=False),
        "chatty": Peer(b"220 mail.test ESMTP\r\n")}
    routers = "".join(
        f"    {n}: {{rule: \"Host(`{n}.test`)\", service: {n}}}\n" for n in TLS)
    services = ""
    for name, (server_name, transport, _, _) in TLS.items():
        option = f"serversTransport: {transport}, " if transport else ""
        services += f"    {name}: {{loadBalancer: {{{option}servers: [{{url: " \
            f"\"https://127.0.0.1:{servers[server_name].port}\"}}]}}}}\n"
    a = module_akkod(TLS_CONFIG.replace("@routers@\n", routers)
                     .replace("@services@\n", services),
                     values={"ca": ours.file, "otherca": theirs.file,
                             "crt": crt, "key": key})
    a.servers = servers
    return a


@pytest.mark.parametrize("name", TLS)
def test_https(secure, name):
    server, _, status, reason = TLS[name]
    mark = len(secure.access())
    for n in range(2):
        r = secure.get("/", host=f"{name}.test")
        assert r.status == status, secure.log
        entry = secure.access(mark + n + 1)[mark + n]
        # In 1.3 the alert comes late, and a reset may overtake it.
        assert entry.get("Reason") == reason or \
            (name == "wants" and entry["Reason"] == "upstream-closed")
    if status == 200:
        assert dict(json.loads(r.body)["fields"])["X-Forwarded-Proto"] == "http"
    elif hasattr(secure.servers[server], "requests"):
        assert not [q for q in secure.servers[server].requests
                    if dict(q.fields)["Host"] == f"{name}.test"]


def test_https_connections_are_kept(secure):
    u = secure.servers["good"]
    before = len(u.connections)
    with secure.client() as c:
        for n in range(10):
            assert c.request("POST", "/", host="ours.test", body=b"x" * n).status == 200
    assert len(u.connections) <= before + 1


def test_trust_is_not_shared(secure):
    """A connection made without verification serves nobody who asks for it."""
    for _ in range(3):
        assert secure.get(host="skip.test").status == 200
        assert secure.get(host="default.test").status == 500
        assert secure.get(host="theirs.test").status == 500


def test_free_port_is_closed():
    """The harness: nothing listens on a port that it gave out."""
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", free_port())) != 0


def early_answer(c, r):
    """Answers when nothing more can be sent to it: it never reads the body."""
    time.sleep(1)
    c.answer(413, body=b"too much", reason="Too Large")
    time.sleep(8)
    return False


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_early_answer_over_tls(akkod, upstream, authority, how):
    """C07: what the server says while the body is on its way is passed on."""
    u = upstream(early_answer, tls=server_context(*authority.leaf("127.0.0.1")))
    a = akkod("""
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {serversTransport: t, servers: [{url: "https://127.0.0.1:@upstream@"}]}}
  serversTransports:
    t: {rootCAs: ["@ca@"]}
""", values={"upstream": u.port, "ca": authority.file})
    with a.client() as c:
        c.sock.settimeout(0.5)
        kind = b"Content-Length: 100000000" if how == "length" else \
            b"Transfer-Encoding: chunked"
        c.send(head(b"POST / HTTP/1.1", kind))
        piece = b"x" * 65536
        if how == "chunked":
            piece = b"10000\r\n" + piece + b"\r\n"
        try:
            for _ in range(400):
                c.send(piece)
        except OSError:		# nobody takes it any more, as it should be
            pass
        c.sock.settimeout(5)
        assert c.head().status == 413
