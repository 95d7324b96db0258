# SPDX-License-Identifier: BSD-2-Clause
"""Connections that outlive their workers, at scale.

    AKKOD=... passage.py [uring] [epoll] [--idle 10000] [--tunnels 1000]

So many idle TLS connections and quiet wss tunnels, then two upgrades and fewer
workers: none of them may be closed, each must still serve, and the workers that
leave are gone within 5 s. Ends with 1 when that does not hold.
"""
import argparse
import asyncio
import resource
import ssl
import sys
import tempfile
import threading
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "integration"))

from harness import proc  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.service import Service  # noqa: E402
from test_websocket import accept_key, open_tunnel  # noqa: E402

LIMIT = 5		# seconds until the workers that leave are gone
FRAME = b"\x81\x88abcd12345678"

CONFIG = """\
log: {level: INFO}
entryPoints:
  websecure:
    address: "127.0.0.1:@websecure@"
    http: {tls: {}}
    transport: {respondingTimeouts: {idleTimeout: 1h}}
akkod: {workers: WORKERS, limits: {connections: 30000, perAddress: 100000}}
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@origin@"}]}}
"""


def text(workers=3):
    return CONFIG.replace("WORKERS", str(workers))


class Origin(threading.Thread):
    """Answers, or agrees to WebSocket and echoes; one thread for all."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ready = threading.Event()
        self.start()
        self.ready.wait()

    def run(self):
        asyncio.run(self.serve())

    async def serve(self):
        server = await asyncio.start_server(self.client, "127.0.0.1", 0,
                                            backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        async with server:
            await server.serve_forever()

    async def client(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(x.lower().split(": ", 1)
                              for x in head.split("\r\n")[1:-2])
                if "upgrade" not in fields:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                                 b"\r\nok")
                    continue
                key = next(x.split(": ", 1)[1] for x in head.split("\r\n")
                           if x.lower().startswith("sec-websocket-key"))
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: "
                             b"websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Accept: %s\r\n\r\n" %
                             accept_key(key).encode())
                while data := await reader.read(65536):
                    writer.write(data)
                break
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()


class Passage:
    def __init__(self, io, folder, opt):
        self.io, self.opt = io, opt
        self.origin = Origin()
        self.s = Service(Path(folder) / "akkod", io, text(),
                         values={"origin": self.origin.port})
        done = self.s.start()
        assert done.returncode == 0, done.stderr
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def connect(self, k):
        return Client(("127.0.0.1", self.s.ports["websecure"]), tls=True,
                      context=self.context, timeout=30,
                      source=f"127.0.{1 + k // 250 % 200}.{1 + k % 250}")

    def open(self):
        self.idle, self.tunnels = [], []
        for k in range(self.opt.idle):
            c = self.connect(k)
            c.tunnel = False
            assert c.request("GET", "/").status == 200
            self.idle.append(c)
        for k in range(self.opt.tunnels):
            c = self.connect(k)
            assert open_tunnel(c).status == 101
            c.tunnel = True
            self.tunnels.append(c)

    def check(self):
        """Closed ones: each that does not serve on."""
        closed = 0
        for c in self.tunnels + self.idle:
            try:
                closed += not self.serves(c)
            except (OSError, EOFError):
                closed += 1
        return closed

    @staticmethod
    def serves(c):
        if c.tunnel:
            c.send(FRAME)
            return c.exactly(len(FRAME)) == FRAME
        r = c.request("GET", "/")
        return r.status == 200 and r["Connection"] is None

    def step(self, name, change, leaving):
        pids = leaving()
        start = time.monotonic()
        change()
        told = time.monotonic() - start
        proc.until(lambda: not any(map(proc.alive, pids)), 60)
        gone = time.monotonic() - start
        moved = sum(w["moved"]["in"] for w in self.s.status()["workers"])
        closed = self.check()
        print(f"| {name} | {self.io} | {len(self.idle)} idle, "
              f"{len(self.tunnels)} wss | {moved} moved, {closed} closed | "
              f"command {told:.1f} s, {len(pids)} old workers gone "
              f"{gone - told:.1f} s later |", flush=True)
        return closed == 0 and gone - told < LIMIT

    def run(self):
        self.open()
        good = True
        for _ in range(2):
            good &= self.step("upgrade", self.upgrade, self.s.worker_pids)
        return good & self.step("3 workers to 2", self.fewer,
                                lambda: self.s.worker_pids()[2:])

    def upgrade(self):
        done = self.s.command("upgrade")
        assert done.returncode == 0, done.stderr

    def fewer(self):
        self.s.reload(text(2))

    def close(self):
        for c in [*self.idle, *self.tunnels]:
            c.close()
        self.s.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("io", nargs="*", default=["uring", "epoll"])
    p.add_argument("--idle", type=int, default=10000)
    p.add_argument("--tunnels", type=int, default=1000)
    opt = p.parse_args()
    want = max(20000, opt.idle + 3 * opt.tunnels + 2000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (want, max(
        want, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    good = True
    print("| what | backend | connections | outcome | time |\n"
          "|---|---|---|---|---|", flush=True)
    for io in opt.io:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
            s = Passage(io, d, opt)
            try:
                good &= s.run()
            finally:
                s.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
