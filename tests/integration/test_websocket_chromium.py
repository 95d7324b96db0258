# SPDX-License-Identifier: BSD-2-Clause
"""A browser's WebSocket as a stream of the HTTP/2 connection that it has."""
import asyncio
import threading

import pytest
import websockets

from harness.pki import Authority
from login_chromium import Chromium

SITE = """
entryPoints:
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}},
              http2: {webSocket: @offered@}}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
http:
  routers:
    page: {rule: "Host(`a.akko.test`)", service: page}
    ws: {rule: "Host(`a.akko.test`) && Path(`/ws`)", service: ws}
  services:
    page: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    ws: {loadBalancer: {servers: [{url: "http://127.0.0.1:@echo@"}]}}
tls:
  certificates: [{certFile: "@cert@", keyFile: "@key@"}]
"""

SCRIPT = """
return new Promise(done => {
const ws = new WebSocket("wss://" + location.host + "/ws");
const got = [];
ws.binaryType = "arraybuffer";
ws.onopen = () => { ws.send("hello"); ws.send(new Uint8Array(300000)); };
ws.onmessage = m => { got.push(m.data.length || m.data.byteLength);
                      if (got.length === 2) ws.close(4001, "done"); };
ws.onclose = e => done([...got, e.code]);
});
"""


@pytest.fixture
def echo():
    """A real server in a thread of its own: its port."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    box = {}

    async def serve(ws):
        async for message in ws:
            await ws.send(message)

    async def run():
        box["stop"] = asyncio.Event()
        async with websockets.serve(serve, "127.0.0.1", 0) as server:
            box["port"] = server.sockets[0].getsockname()[1]
            ready.set()
            await box["stop"].wait()
    t = threading.Thread(target=loop.run_until_complete, args=(run(),))
    t.start()
    assert ready.wait(5)
    yield box["port"]
    loop.call_soon_threadsafe(box["stop"].set)
    t.join()


@pytest.mark.parametrize("offered", ["true", "false"])
def test_chromium(akkod_each, upstream, echo, tmp_path, offered):
    authority = Authority(tmp_path / "pki")
    cert, key = authority.leaf("a.akko.test")
    u = upstream(lambda c, r: c.answer(200, [("Content-Type", "text/html")],
                                       b"<!DOCTYPE html><title>page</title>"))
    running = akkod_each(SITE, values={"upstream": u.port, "echo": echo,
                                       "cert": cert, "key": key,
                                       "offered": offered})
    chromium = Chromium(tmp_path / "chromium", authority.file)
    try:
        for a in running:
            chromium.open(f"https://a.akko.test:{a.ports['websecure']}/")
            assert chromium.run(SCRIPT) == [5, 300000, 4001]
            line = a.logged(RequestPath="/ws")
            assert line["RequestProtocol"] == (
                "HTTP/2.0" if offered == "true" else "HTTP/1.1")
    finally:
        chromium.close()
