# SPDX-License-Identifier: BSD-2-Clause
"""WebSocket: the handshake on both sides, then bytes both ways, untouched."""
import asyncio
import base64
import hashlib
import os
import signal
import ssl
import threading
import time

import pytest
import websockets

from conftest import ONE_SERVICE
from harness.proc import state, until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASK = [("Connection", "Upgrade"), ("Upgrade", "websocket"),
       ("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")]


def accept_key(key):
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(key.encode() + guid).digest()).decode()


def agree(c, r, extra=(), accept=None, after=b""):
    """A server's 101, with bytes right behind it."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket",
             "Connection: Upgrade",
             f"Sec-WebSocket-Accept: {accept or accept_key(r['Sec-WebSocket-Key'])}",
             *(f"{k}: {v}" for k, v in extra)]
    c.send(("\r\n".join(lines) + "\r\n\r\n").encode() + after)


def echo_bytes(c, r):
    """Agrees, then sends back what comes, until the end of it."""
    agree(c, r)
    while c.buffer or c.more():
        data, c.buffer = c.buffer, b""
        c.send(data)
    return False


def start(akkod, upstream, serve):
    u = upstream(serve)
    a = akkod(ONE_SERVICE, values={"upstream": u.port})
    a.upstream = u
    return a


def open_tunnel(c, early=b"", headers=ASK, target="/ws"):
    lines = [f"GET {target} HTTP/1.1", "Host: a.test",
             *(f"{k}: {v}" for k, v in headers)]
    c.send(("\r\n".join(lines) + "\r\n\r\n").encode() + early)
    return c.head()


def test_handshake_reaches_the_server(akkod, upstream):
    a = start(akkod, upstream, echo_bytes)
    with a.client() as c:
        r = open_tunnel(c)
        assert r.status == 101
        assert r["Upgrade"] == "websocket" and r["Connection"] == "Upgrade"
        assert r["Sec-WebSocket-Accept"] == accept_key(KEY)
        seen = a.upstream.last
        assert seen["Upgrade"] == "websocket"
        assert seen["Connection"] == "Upgrade"
        assert seen["Sec-WebSocket-Key"] == KEY
        assert seen["X-Forwarded-Proto"] == "ws"
        c.send(b"\x81\x85abcd12345")
        assert c.exactly(11) == b"\x81\x85abcd12345"


def test_frames_with_the_handshake_arrive_once(akkod, upstream):
    def serve(c, r):
        agree(c, r, after=b"\x81\x05early")
        c.send(b"\x82\x03" + c.exactly(6)[:3])
        return False
    a = start(akkod, upstream, serve)
    with a.client() as c:
        assert open_tunnel(c, early=b"abcdef").status == 101
        assert c.rest() == b"\x81\x05early\x82\x03abc"


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_both_ways_at_once(akkod, upstream, tls):
    """An echo of 8 MB to a client that reads while it sends; nothing is lost."""
    a = start(akkod, upstream, echo_bytes)
    data = os.urandom(8 << 20)
    with a.client("websecure" if tls else "web", tls=tls) as c:
        assert open_tunnel(c).status == 101
        sender = threading.Thread(target=c.send, args=(data,))
        sender.start()
        assert c.exactly(len(data)) == data
        sender.join()


def test_a_server_that_talks_while_it_is_written_to(akkod, upstream):
    """Both sides send 4 MB before they read: neither may block the other."""
    data = os.urandom(4 << 20)

    def serve(c, r):
        agree(c, r)
        talker = threading.Thread(target=c.send, args=(data,))
        talker.start()
        got = c.exactly(len(data))
        talker.join()
        c.send(hashlib.sha1(got).digest())
        return False
    a = start(akkod, upstream, serve)
    with a.client() as c:
        assert open_tunnel(c).status == 101
        talker = threading.Thread(target=c.send, args=(data,))
        talker.start()
        assert c.exactly(len(data)) == data
        talker.join()
        assert c.exactly(20) == hashlib.sha1(data).digest()


def test_half_close_each_way(akkod, upstream):
    def serve(c, r):
        agree(c, r)
        while c.more():
            pass
        c.send(b"got %d" % len(c.buffer))
        return False
    a = start(akkod, upstream, serve)
    with a.client() as c:
        assert open_tunnel(c).status == 101
        c.send(b"x" * 1000)
        c.fin()
        assert c.rest() == b"got 1000"


@pytest.mark.parametrize("change", [
    {"Sec-WebSocket-Key": "short"},
    {"Sec-WebSocket-Key": None},
    {"Sec-WebSocket-Key": KEY + "\r\nSec-WebSocket-Key: " + KEY},
    {"Sec-WebSocket-Version": None},
], ids=["short-key", "no-key", "two-keys", "no-version"])
def test_bad_request(akkod, upstream, change):
    a = start(akkod, upstream, echo_bytes)
    headers = [(k, change.get(k, v)) for k, v in ASK if change.get(k, v)]
    with a.client() as c:
        assert open_tunnel(c, headers=headers).status == 400
    assert not a.upstream.requests
    assert a.access(1)[0]["Reason"] == "bad-websocket"


def test_other_version(akkod, upstream):
    a = start(akkod, upstream, echo_bytes)
    headers = [(k, "8" if k.endswith("Version") else v) for k, v in ASK]
    with a.client() as c:
        r = open_tunnel(c, headers=headers)
        assert r.status == 426 and r["Sec-WebSocket-Version"] == "13"
    assert not a.upstream.requests


@pytest.mark.parametrize("lie", [
    dict(accept=accept_key("AAAAAAAAAAAAAAAAAAAAAA==")),
    dict(extra=[("Sec-WebSocket-Protocol", "unasked")]),
    dict(extra=[("Sec-WebSocket-Extensions", "permessage-deflate")]),
], ids=["accept-key", "protocol", "extension"])
def test_a_wrong_101_opens_nothing(akkod, upstream, lie):
    def serve(c, r):
        agree(c, r, **lie, after=b"stolen")
        return False
    a = start(akkod, upstream, serve)
    with a.client() as c:
        r = open_tunnel(c)
        assert r.status == 502
        assert b"stolen" not in c.rest()


def test_101_unasked(akkod, upstream):
    def serve(c, r):
        c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               b"Connection: Upgrade\r\n\r\nstolen")
        return False
    a = start(akkod, upstream, serve)
    r = a.get("/")
    assert r.status == 502 and b"stolen" not in r.body


def test_a_refusal_stays_http(akkod, upstream):
    def serve(c, r):
        c.answer(403, [("X-Why", "no")], b"not you", reason="Forbidden")
    a = start(akkod, upstream, serve)
    with a.client() as c:
        r = open_tunnel(c, early=b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert r.status == 403
        assert c.rest() == b"not you"
    assert [q.target for q in a.upstream.requests] == ["/ws"]


@pytest.mark.parametrize("token", ["h2c", "TLS/1.3", "foo"])
def test_other_upgrades_are_plain_requests(akkod, upstream, token):
    def serve(c, r):
        assert r["Upgrade"] is None and r["HTTP2-Settings"] is None
        c.answer(200, body=b"plain")
    a = start(akkod, upstream, serve)
    headers = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", token),
               ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    r = a.get("/", headers=headers)
    assert r.status == 200 and r.body == b"plain"


def test_quiet_tunnels_cost_no_fiber_and_no_generation(akkod, upstream):
    a = start(akkod, upstream, echo_bytes)
    clients = [a.client() for _ in range(20)]
    for c in clients:
        assert open_tunnel(c).status == 101
    a.reload(ONE_SERVICE.replace("all:", "every:"))
    time.sleep(0.2)
    workers = a.status()["workers"]
    assert sum(w["connections"] for w in workers) >= 20
    assert all(w["fibers"] == 0 for w in workers), workers
    assert all(w["old_generations"] == 0 for w in workers), workers
    for n, c in enumerate(clients):
        c.send(b"%04d" % n)
    for n, c in enumerate(clients):
        assert c.exactly(4) == b"%04d" % n
        c.close()


def test_one_line_of_access_log_at_the_end(akkod, upstream):
    a = start(akkod, upstream, echo_bytes)
    with a.client() as c:
        assert open_tunnel(c).status == 101
        c.send(b"12345")
        assert c.exactly(5) == b"12345"
        time.sleep(0.3)
        assert a.access() == []
    line = a.access(1)[0]
    assert line["DownstreamStatus"] == 101
    assert line["DownstreamContentSize"] == 5
    assert line["RequestContentSize"] == 5
    assert line["Duration"] > 250_000_000
    assert line["RouterName"] == "all@file"


def test_drain_says_goodbye(akkod, upstream):
    a = start(akkod, upstream, echo_bytes)
    with a.client() as c:
        assert open_tunnel(c).status == 101
        c.send(b"\x81\x02hi")
        assert c.exactly(4) == b"\x81\x02hi"
        a.process.send_signal(signal.SIGTERM)
        c.sock.settimeout(30)
        assert c.rest() == b"\x88\x02\x03\xe9"
    assert a.process.wait(30) == 0


async def talk(uri, context):
    """Fragments, pings between them, large and empty messages, a close code."""
    async with websockets.connect(uri, ssl=context, max_size=None) as ws:
        for message in ("", "text \u00e4", b"\0" * 126, b"x" * 70000,
                        os.urandom(1 << 20)):
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send([b"one", b"two", b"three"])
        assert await ws.recv() == b"onetwothree"
        await (await ws.ping(b"ping"))
        await ws.close(4001, "done")
    assert ws.close_code == 4001


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_real_library(akkod, tls):
    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async def run():
        async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            a = await asyncio.to_thread(akkod, ONE_SERVICE,
                                        values={"upstream": port})
            context = None
            if tls:
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            scheme, ep = ("wss", "websecure") if tls else ("ws", "web")
            await talk(f"{scheme}://127.0.0.1:{a.ports[ep]}/", context)
    asyncio.run(run())


def test_a_lost_client_leaves_no_tunnel_in_the_pool(akkod, upstream):
    """The client is gone when the 101 is passed on: nobody else may meet it."""
    asked, go = threading.Event(), threading.Event()

    def serve(c, r):
        if r.target != "/ws":
            c.answer(200, body=b"plain")
            return None
        asked.set()
        go.wait(10)
        agree(c, r)
        return c.more() or False
    u = upstream(serve)
    a = akkod("akkod: {workers: 1}\n" + ONE_SERVICE, values={"upstream": u.port})
    pid = a.worker_pids()[0]
    with a.client() as c:
        lines = ["GET /ws HTTP/1.1", "Host: a.test",
                 *(f"{k}: {v}" for k, v in ASK)]
        c.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert asked.wait(10)
        os.kill(pid, signal.SIGSTOP)
        until(lambda: state(pid) == "T", what="the stop")
        try:
            go.set()
            time.sleep(0.1)
            c.reset()
            time.sleep(0.1)
        finally:
            os.kill(pid, signal.SIGCONT)
    time.sleep(0.2)
    r = a.get("/next")
    assert r.status == 200 and r.body == b"plain"
    assert u.last.connection is not u.requests[0].connection


PAGES = """
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app, middlewares: [page]}
    denied: {rule: "PathPrefix(`/denied`)", service: app, middlewares: [page, nobody]}
  middlewares:
    page: {errors: {status: ["100-599"], service: pages, query: "/{status}"}}
    nobody: {ipAllowList: {sourceRange: ["10.0.0.1"]}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    pages: {loadBalancer: {servers: [{url: "http://127.0.0.1:@pages@"}]}}
"""


def test_error_pages_are_not_for_tunnels(akkod, upstream):
    """A 101 is no error, and the page in place of one is asked for as a page."""
    u = upstream(echo_bytes)
    pages = upstream(lambda c, r: c.answer(200, body=b"the page"), owned=False)
    a = akkod(PAGES, values={"upstream": u.port, "pages": pages.port})
    with a.client() as c:
        assert open_tunnel(c).status == 101
        c.send(b"\x81\x02hi")
        assert c.exactly(4) == b"\x81\x02hi"
    assert not pages.requests
    with a.client() as c:
        r = open_tunnel(c, target="/denied")
        assert r.status == 403
        assert c.exactly(8) == b"the page"
    q = pages.last
    assert q.target == "/403" and q["Upgrade"] is None and q["Connection"] is None
