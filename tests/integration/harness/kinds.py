# SPDX-License-Identifier: BSD-2-Clause
"""The four kinds of clients at once (security 5.4); see Kinds."""
import json
import threading
import time

from .client import Client
from .h2 import H2
from .load import Load
from .upstream import echo

STREAMS = 32
WEBSOCKET = (b"GET /ws HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n"
             b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def serve(c, r):
    """For the server behind: echoes requests and what tunnels carry."""
    if not r.target.startswith("/ws"):
        return echo(c, r)
    c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
           b"Connection: Upgrade\r\n"
           b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    while c.buffer or c.more():
        data, c.buffer = c.buffer, b""
        c.send(data)
    return False


class Kinds(Load):
    """Load over TLS for new connections, and HTTP/2 and WebSocket beside it.

    `plain` and `tls` are ports of the two entry points. A request that HTTP/2
    says was not taken (a stream above GOAWAY's last) is asked again, as clients
    do; it is not lost. A tunnel that ends between two messages is `tunnels`
    ended, and `cut` when a message was on its way.
    """

    def __init__(self, plain, tls, keep_alive=3, fresh=2, h2=1, tunnels=1, **kw):
        super().__init__(("127.0.0.1", plain), keep_alive=keep_alive,
                         fresh=fresh, **kw)
        self.tls_address = ("127.0.0.1", tls)
        self.again = self.ended = self.cut = self.messages = 0
        self.threads += [threading.Thread(target=run, daemon=True) for run in
                         [self.h2] * h2 + [self.tunnel] * tunnels]

    def fresh(self):
        while not self.stopping:
            try:
                c = Client(self.tls_address, tls=True)
            except OSError as e:
                self.lost.append((0, f"connect: {type(e).__name__} {e}"))
                time.sleep(0.01)
                continue
            self.reconnects += 1
            self.one(c)
            c.close()
            time.sleep(self.pause)

    def numbers(self, n):
        with self.lock:
            self.serial += n
            return range(self.serial - n + 1, self.serial + 1)

    def h2(self):
        wanted = []
        while not self.stopping or wanted:
            try:
                with H2(self.tls_address) as h:
                    while (not self.stopping or wanted) and not h.ended and \
                            h.goaway is None:
                        wanted = wanted or list(self.numbers(STREAMS))
                        wanted = self.streams(h, wanted)
                        time.sleep(self.pause)
            except (OSError, EOFError, AssertionError) as e:
                self.lost.append((0, f"h2: {type(e).__name__} {e}"))
                wanted = []
                time.sleep(0.01)

    def streams(self, h, wanted):
        """One request each; returns those that were not taken."""
        start, sent = time.monotonic(), {}
        for n in wanted:
            try:
                sent[n] = h.start("GET", f"/load/{n}")
            except OSError:
                break			# seen as an end by the reader
        done = [h.answer(s) for s in sent.values()]
        h.until(lambda: all(a.ended or a.reset is not None for a in done))
        last = h.goaway[0] if h.goaway is not None else None
        left = [n for n in wanted if n not in sent]
        for n, s in sent.items():
            a = h.answer(s)
            if a.ended and a.status == 200 and \
                    json.loads(a.body)["target"] == f"/load/{n}":
                self.times.append((start, time.monotonic() - start))
                self.answers[n] = None
            elif a.status is None and (a.reset == 7 or
                                       last is not None and s > last):
                self.again += 1
                left.append(n)
            else:
                self.lost.append((n, f"h2: {a.status} reset {a.reset} "
                                  f"goaway {h.goaway}"))
            del h.answers[s]
        return left

    def tunnel(self):
        while not self.stopping:
            try:
                with Client(self.address) as c:
                    c.send(WEBSOCKET)
                    if c.head().status != 101:
                        raise OSError("no tunnel")
                    self.talk(c)
            except (OSError, EOFError, AssertionError) as e:
                self.lost.append((0, f"tunnel: {type(e).__name__} {e}"))
                time.sleep(0.01)

    def talk(self, c):
        """Messages with numbers, which come back in order."""
        while not self.stopping:
            n = b"%08d" % self.messages
            try:
                c.send(b"\x81\x88\0\0\0\0" + n)
                back = c.exactly(14)
            except (OSError, EOFError):
                self.cut += 1
                return
            if back[0] != 0x81:		# a close frame
                self.ended += 1
                return
            assert back[-8:] == n, back
            self.messages += 1
            time.sleep(0.02)

    def check(self, upstream=None):
        super().check(upstream)
        assert self.messages > 0


class Counted(list):
    """Instead of an Upstream's list of requests: memory for long runs."""

    def __init__(self):
        super().__init__()
        self.seen = set()
        self.twice = []

    def append(self, r):
        if len(self) < 10:
            super().append(r)
        if not r.target.startswith("/load/"):
            return
        if r.target in self.seen:
            self.twice.append(r.target)
        self.seen.add(r.target)
