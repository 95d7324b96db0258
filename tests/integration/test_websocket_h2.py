# SPDX-License-Identifier: BSD-2-Clause
"""WebSocket over HTTP/2 (RFC 8441), to servers that know HTTP/1 alone."""
import base64
import hashlib
import os
import signal
import threading
import time

import hyperframe.frame as frames
import pytest

from conftest import ONE_SERVICE
from harness.h2 import H2
from harness.proc import state, until
from test_websocket import accept_key, agree, echo_bytes

ENABLE_CONNECT_PROTOCOL = 8
PROTOCOL_ERROR, NO_ERROR, CANCEL = 1, 0, 8


def start(akkod, upstream, serve=echo_bytes, config=ONE_SERVICE, **kw):
    u = upstream(serve)
    a = akkod(config, values={"upstream": u.port}, **kw)
    a.upstream = u
    return a


def connect(a, tls=True, **kw):
    h = H2(("127.0.0.1", a.ports["websecure" if tls else "web"]), tls=tls, **kw)
    h.until(lambda: h.settings)
    return h


def ask(h, path="/ws", fields=(("sec-websocket-version", "13"),),
        protocol="websocket", method="CONNECT", end=False, host="a.test"):
    return h.start(fields=fields, end=end, pseudo=[
        (":method", method), (":protocol", protocol), (":scheme", h.scheme),
        (":path", path), (":authority", host)])


def open_tunnel(h, **kw):
    s = ask(h, **kw)
    h.until(lambda: h.answer(s).status is not None or h.answer(s).reset is not None)
    assert h.answer(s).status == 200 and not h.answer(s).ended
    return s


def exactly(h, stream, n):
    a = h.answer(stream)
    h.until(lambda: len(a.body) >= n or a.ended or a.reset is not None)
    data, a.body = a.body[:n], a.body[n:]
    return data



@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_handshake_and_frames(akkod, upstream, tls):
    a = start(akkod, upstream)
    with connect(a, tls) as h:
        assert h.settings[ENABLE_CONNECT_PROTOCOL] == 1
        s = open_tunnel(h, fields=[("sec-websocket-version", "13"),
                                   ("sec-websocket-key", "ours"),
                                   ("origin", "https://a.test")])
        names = {k for k, _ in h.answer(s).fields}
        assert not names & {"sec-websocket-accept", "upgrade", "connection",
                            "content-length", "transfer-encoding"}
        seen = a.upstream.last
        assert seen.method == "GET" and seen.target == "/ws"
        assert seen["Upgrade"] == "websocket" and seen["Connection"] == "Upgrade"
        assert seen["Sec-WebSocket-Version"] == "13"
        assert len(base64.b64decode(seen["Sec-WebSocket-Key"])) == 16
        assert len(seen.all("Sec-WebSocket-Key")) == 1
        assert seen["X-Forwarded-Proto"] == ("wss" if tls else "ws")
        assert seen["Origin"] == "https://a.test" and seen["Host"] == "a.test"
        h.data(s, b"\x81\x85abcd12345")
        assert exactly(h, s, 11) == b"\x81\x85abcd12345"
        # Other streams go on beside it.
        assert h.response(ask(h, protocol="connect-udp")).status == 501
        h.data(s, b"", end=True)
        assert h.response(s).ended and h.answer(s).reset is None
    line = next(r for r in a.access(2) if r["RequestPath"] == "/ws"
                and r["DownstreamStatus"] == 200)
    assert line["RequestMethod"] == "GET"
    assert line["RequestProtocol"] == "HTTP/2.0"


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_both_ways_at_once(akkod, upstream, tls):
    """An echo of 4 MB on one stream, byte by byte the same, beside requests."""
    def serve(c, r):
        if r.target != "/ws":
            return c.answer(200, body=b"plain")
        return echo_bytes(c, r)
    a = start(akkod, upstream, serve)
    data = os.urandom(4 << 20)
    with connect(a, tls) as h:
        s = open_tunnel(h)
        r, sent = h.answer(s), 0
        while len(r.body) < len(data) and not h.ended:
            while sent < len(data) and h.room(s) >= 16384:
                h.data(s, data[sent:sent + 16384])
                sent += 16384
            h.frame()
        assert r.body == data
        assert h.get("GET", "/plain").body == b"plain"


def test_a_client_that_reads_nothing_holds_the_server_back(akkod, upstream):
    """Flow control reaches the server's socket: it cannot write on for ever."""
    stuck = threading.Event()

    def serve(c, r):
        agree(c, r)
        c.sock.settimeout(1)
        try:
            while True:
                c.sent = getattr(c, "sent", 0) + c.sock.send(b"x" * 65536)
                c.server.sent = c.sent
        except TimeoutError:
            stuck.set()
        c.sock.settimeout(10)
        while c.more():
            pass
        return False
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        h.credit = False
        s = open_tunnel(h)
        assert stuck.wait(20)
        h.until(lambda: len(h.answer(s).body) >= 65535)
        h.send(frames.WindowUpdateFrame(s, window_increment=1000),
               frames.WindowUpdateFrame(0, window_increment=1000))
        h.until(lambda: len(h.answer(s).body) >= 66535)
        assert len(h.answer(s).body) == 66535


def test_a_server_that_reads_nothing_holds_the_client_back(akkod, upstream):
    go = threading.Event()

    def serve(c, r):
        agree(c, r)
        go.wait(20)
        n = len(c.buffer)
        c.buffer = b""
        while c.more():
            n += len(c.buffer)
            c.buffer = b""
        c.send(b"%d" % n)
        return False
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        s = open_tunnel(h)
        sent = 0

        def send_until(n):
            nonlocal sent
            while sent < n:
                while h.room(s) < 16384:
                    h.frame()
                h.data(s, b"y" * 16384)
                sent += 16384
        h.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            send_until(32 << 20)
        go.set()
        h.sock.settimeout(10)
        send_until(sent + (4 << 20))
        h.data(s, b"", end=True)
        assert h.response(s).body == b"%d" % sent


def test_half_close_each_way(akkod, upstream):
    def serve(c, r):
        agree(c, r)
        while c.more():
            pass
        c.send(b"got %d" % len(c.buffer))
        return False
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        s = open_tunnel(h)
        h.data(s, b"x" * 1000)
        h.data(s, b"", end=True)
        r = h.response(s)
        assert r.body == b"got 1000" and r.ended and r.reset is None


def test_frames_before_the_answer_arrive_after_it(akkod, upstream):
    """They are held until the server has agreed, then come once (H1-C12)."""
    def serve(c, r):
        time.sleep(0.2)
        assert not c.buffer
        return echo_bytes(c, r)
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        s = ask(h)
        h.data(s, b"early")
        assert exactly(h, s, 5) == b"early"
        assert h.answer(s).status == 200


@pytest.mark.parametrize("end", ["reset", "cut"])
def test_a_client_that_leaves(akkod, upstream, end):
    gone = threading.Event()

    def serve(c, r):
        agree(c, r)
        try:
            while c.more():
                pass
        finally:
            gone.set()
        return False
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        s = open_tunnel(h)
        if end == "reset":
            h.send(frames.RstStreamFrame(s, error_code=CANCEL))
            assert gone.wait(5)
            assert h.response(ask(h, protocol="x")).status == 501
        else:
            h.sock.close()
            assert gone.wait(5)
    a.logged(RequestPath="/ws", DownstreamStatus=200)
    until(lambda: a.status()["workers"][0]["fibers"] == 0)


@pytest.mark.parametrize("ends", [False, True], ids=["reset", "connection"])
def test_a_client_that_had_said_all_and_leaves(akkod, upstream, ends):
    """Its side is over, the server is silent: a reset, alone or with the end of
    the connection at once, leaves nothing behind."""
    over = threading.Event()

    def serve(c, r):
        agree(c, r)
        while c.more():
            pass
        over.wait(30)
        return False
    a = start(akkod, upstream, serve)
    with connect(a, tls=False) as h:
        s = open_tunnel(h)
        h.data(s, b"", end=True)
        time.sleep(0.2)
        last = [frames.GoAwayFrame(0)] if ends else []
        h.send(frames.RstStreamFrame(s, error_code=CANCEL), *last)
        a.logged(RequestPath="/ws", DownstreamStatus=200)
        left = [0, 0 if ends else 1]
        until(lambda: [sum(w[k] for w in a.status()["workers"])
                       for k in ("fibers", "connections")] == left)
    over.set()


def test_a_server_that_cuts(akkod, upstream):
    """A reset of its connection is a reset of the stream, no end (N-09)."""
    def serve(c, r):
        agree(c, r, after=b"part")
        time.sleep(0.1)
        c.reset()
        return False
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        s = open_tunnel(h)
        r = h.response(s)
        assert r.reset == CANCEL and not r.ended


@pytest.mark.parametrize("lie", [
    dict(accept=accept_key("AAAAAAAAAAAAAAAAAAAAAA==")),
    dict(extra=[("Sec-WebSocket-Protocol", "unasked")]),
], ids=["accept-key", "protocol"])
def test_a_wrong_101_opens_nothing(akkod, upstream, lie):
    def serve(c, r):
        agree(c, r, **lie, after=b"stolen")
        return False
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        r = h.response(ask(h))
        assert r.status == 502 and b"stolen" not in r.body


def test_a_refusal_stays_http(akkod, upstream):
    def serve(c, r):
        c.answer(403, [("X-Why", "no")], b"not you", reason="Forbidden")
    a = start(akkod, upstream, serve)
    with connect(a) as h:
        s = ask(h)
        h.data(s, b"frames that nobody wants")
        r = h.response(s)
        assert r.status == 403 and r.body == b"not you" and r["x-why"] == "no"


@pytest.mark.parametrize("change, status", [
    (dict(fields=[]), 400),
    (dict(fields=[("sec-websocket-version", "8")]), 426),
    (dict(end=True), 400),
    (dict(protocol="connect-udp"), 501),
    (dict(protocol="WebSocket"), 501),
    (dict(fields=[("sec-websocket-version", "13"), ("content-length", "5")]), None),
    (dict(method="GET"), None),
    (dict(protocol=""), None),
], ids=["no-version", "version-8", "ended", "other", "case", "length", "get",
        "empty"])
def test_bad_handshakes(akkod, upstream, change, status):
    a = start(akkod, upstream)
    with connect(a) as h:
        r = h.response(ask(h, **change))
        assert r.status == status
        if status is None:
            assert r.reset == PROTOCOL_ERROR
        if status == 426:
            assert r["sec-websocket-version"] == "13"
    assert not a.upstream.requests


GUARDED = """
http:
  routers:
    all: {rule: "Host(`a.test`)", service: app, middlewares: [ask, tag]}
    closed: {rule: "Host(`closed.test`)", service: app, middlewares: [nobody]}
  middlewares:
    ask: {forwardAuth: {address: "http://127.0.0.1:@auth@/auth",
                        authResponseHeaders: [X-Auth-User]}}
    tag: {headers: {customRequestHeaders: {X-Tag: "yes"}}}
    nobody: {ipAllowList: {sourceRange: ["10.0.0.1"]}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


def test_middlewares_and_auth_as_for_any_request(akkod, upstream):
    auth = upstream(lambda c, r: c.answer(
        200 if r["Cookie"] == "s=1" else 401, [("X-Auth-User", "eve")], b"no"),
        owned=False)
    u = upstream(echo_bytes)
    a = akkod(GUARDED, values={"upstream": u.port, "auth": auth.port})
    version = ("sec-websocket-version", "13")
    with connect(a) as h:
        assert h.response(ask(h, fields=[version])).status == 401
        assert h.response(ask(h, host="closed.test")).status == 403
        assert h.response(ask(h, host="b.test")).status == 404
        assert not u.requests
        s = open_tunnel(h, fields=[version, ("cookie", "s=1"),
                                   ("x-auth-user", "root")])
        assert u.last["X-Auth-User"] == "eve" and u.last["X-Tag"] == "yes"
        assert auth.last["X-Forwarded-Method"] == "GET"
        assert auth.last["X-Forwarded-Host"] == "a.test"
        h.data(s, b"hello")
        assert exactly(h, s, 5) == b"hello"


def test_quiet_tunnels_cost_no_fiber_and_no_generation(akkod, upstream):
    a = start(akkod, upstream, config="akkod: {workers: 1}\n" + ONE_SERVICE)
    with connect(a) as h:
        streams = [open_tunnel(h) for _ in range(40)]
        a.reload("akkod: {workers: 1}\n" + ONE_SERVICE.replace("all:", "every:"))
        until(lambda: a.status()["workers"][0]["fibers"] == 0)
        worker = a.status()["workers"][0]
        assert worker["old_generations"] == 0 and worker["connections"] == 1
        for n, s in enumerate(streams):
            h.data(s, b"%04d" % n)
        for n, s in enumerate(streams):
            assert exactly(h, s, 4) == b"%04d" % n
        # One ends, the others go on; a request comes while they are quiet.
        until(lambda: a.status()["workers"][0]["fibers"] == 0)
        h.data(streams[0], b"", end=True)
        assert h.response(streams[0]).ended
        h.data(streams[1], b"after")
        assert exactly(h, streams[1], 5) == b"after"


def test_a_server_speaks_first(akkod, upstream):
    """What a server says wakes a connection that nobody holds."""
    go = threading.Event()

    def serve(c, r):
        agree(c, r)
        go.wait(10)
        c.send(b"news")
        while c.more():
            pass
        return False
    a = start(akkod, upstream, serve, "akkod: {workers: 1}\n" + ONE_SERVICE)
    with connect(a) as h:
        s = open_tunnel(h)
        until(lambda: a.status()["workers"][0]["fibers"] == 0)
        go.set()
        assert exactly(h, s, 4) == b"news"


def test_idle_tunnels_end_with_a_word(akkod, upstream):
    u = upstream(echo_bytes)
    a = akkod("akkod: {limits: {tunnelIdle: 1s}}\n" + ONE_SERVICE,
              values={"upstream": u.port})
    with connect(a) as h:
        s = open_tunnel(h)
        r = h.response(s)
        assert r.body == b"\x88\x02\x03\xe9" and r.ended
        assert h.response(ask(h, protocol="x")).status == 501


def test_drain_says_goodbye(akkod, upstream):
    a = start(akkod, upstream)
    with connect(a) as h:
        s = open_tunnel(h)
        h.data(s, b"\x81\x02hi")
        assert exactly(h, s, 4) == b"\x81\x02hi"
        a.process.send_signal(signal.SIGTERM)
        h.sock.settimeout(30)
        h.until(lambda: h.answer(s).ended)
        assert h.answer(s).body == b"\x88\x02\x03\xe9"
        h.data(s, b"", end=True)
        assert h.rest()[1] == NO_ERROR
    assert a.process.wait(30) == 0


def test_clients_that_leave_as_the_drain_begins(akkod, upstream):
    """The worker hears of both at once."""
    a = start(akkod, upstream)
    hs = [connect(a, tls=False) for _ in range(8)]
    workers = a.worker_pids()
    for p in workers:
        os.kill(p, signal.SIGSTOP)
    for h in hs:
        h.sock.close()
    a.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    for p in workers:
        os.kill(p, signal.SIGCONT)
    assert a.process.wait(10) == 0
    assert "ended with status 1" not in a.log


def test_switched_off(akkod, upstream):
    u = upstream(echo_bytes)
    a = akkod("""
entryPoints:
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}},
              http2: {webSocket: false}}
""" + ONE_SERVICE, values={"upstream": u.port})
    with connect(a) as h:
        assert not h.settings.get(ENABLE_CONNECT_PROTOCOL)
        assert h.response(ask(h)).reset == PROTOCOL_ERROR
    assert not u.requests


def test_100_tunnels_of_one_client_that_is_cut(akkod, upstream):
    """Busy ones and quiet ones end with their connection, none is left."""
    a = start(akkod, upstream, config="akkod: {workers: 1}\n" + ONE_SERVICE)
    h = connect(a)
    h.credit = False
    streams = [open_tunnel(h) for _ in range(100)]
    for s in streams[::2]:
        h.data(s, b"x" * 600)
    h.sock.close()
    until(lambda: a.status()["workers"][0]["connections"] == 0)
    until(lambda: a.status()["workers"][0]["fibers"] == 0)
    assert len(a.access(100)) == 100
