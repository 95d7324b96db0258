# SPDX-License-Identifier: BSD-2-Clause
"""Every kind of client at once, over whatever may change live (T-16, L-12)."""
import hashlib
import os
import threading
import time

import pytest

from conftest import ONE_SERVICE
from harness.h2 import H2
from harness.load import Load
from harness.upstream import echo
from test_life_upgrade import Upgradable
from test_websocket import echo_bytes, open_tunnel

PIECE = os.urandom(20_000)
PIECES = 60
WHOLE = hashlib.sha256(PIECE * PIECES).hexdigest()


def serve(c, r):
    if r.target.startswith("/ws"):
        return echo_bytes(c, r)
    if r.target.startswith("/up"):
        c.body(r)
        c.answer(200, body=hashlib.sha256(r.body).hexdigest())
    elif r.target.startswith("/down"):
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" %
               (len(PIECE) * PIECES))
        for _ in range(PIECES):
            c.send(PIECE)
            time.sleep(0.02)
    else:
        echo(c, r)


class Clients:
    """Threads for what Load has not; their failures are in `lost`."""

    def __init__(self, a):
        self.a = a
        self.stopping = False
        self.lost = []
        self.done = dict.fromkeys(("h2", "ws", "up", "down"), 0)
        self.threads = [threading.Thread(target=self.run, args=(f,), daemon=True)
                        for f in (self.h2, self.ws, self.up, self.down)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for t in self.threads:
            t.join(30)

    def run(self, kind):
        try:
            while not self.stopping:
                kind()
        except (OSError, EOFError, AssertionError) as e:
            self.lost.append(f"{kind.__name__}: {type(e).__name__} {e}")

    def h2(self):
        """Requests on one connection until it is told to use another."""
        with H2(("127.0.0.1", self.a.ports["websecure"])) as h:
            while not self.stopping and h.goaway is None:
                r = h.get("GET", f"/h2/{self.done['h2']}")
                if r.status is None and h.goaway is not None:
                    return		# it was not taken any more: again
                assert r.status == 200 and r.ended, (r.status, h.goaway)
                self.done["h2"] += 1
                time.sleep(0.005)

    def ws(self):
        """One tunnel for the whole time: what is said comes back in order."""
        with self.a.client() as c:
            assert open_tunnel(c).status == 101
            while not self.stopping:
                n = b"%08d" % self.done["ws"]
                # A masked text frame of eight bytes.
                c.send(b"\x81\x88\0\0\0\0" + n)
                assert c.exactly(14)[-8:] == n
                self.done["ws"] += 1
                time.sleep(0.01)

    def up(self):
        with self.a.client() as c:
            c.send(b"POST /up HTTP/1.1\r\nHost: a.test\r\n"
                   b"Content-Length: %d\r\n\r\n" % (len(PIECE) * PIECES))
            for _ in range(PIECES):
                c.send(PIECE)
                time.sleep(0.02)
            r = c.response("POST")
            assert r.status == 200 and r.text == WHOLE
            self.done["up"] += 1

    def down(self):
        with self.a.client() as c:
            r = c.request("GET", "/down")
            assert hashlib.sha256(r.body).hexdigest() == WHOLE
            self.done["down"] += 1


@pytest.mark.slow
def test_all_kinds_over_all_changes(io, tmp_path, upstream):
    u = upstream(serve)

    def text(workers, router):
        return f"akkod: {{workers: {workers}}}\n" + \
            ONE_SERVICE.replace("all:", f"{router}:")

    a = Upgradable(tmp_path / "akkod", io, text(2, "a"),
                   values={"upstream": u.port})
    try:
        with Clients(a) as clients, \
                Load(("127.0.0.1", a.ports["websecure"]), keep_alive=2,
                     fresh=2, tls=True) as load:
            for workers, router in ((2, "b"), (3, "b"), (2, "c")):
                a.reload(text(workers, router))
                load.wait(20)
            a.upgrade()
            load.wait(20)
            a.reload(text(2, "d"))
            load.wait(20)
            # Longer than a transfer, shorter than the time to drain.
            end = time.monotonic() + 8
            while min(clients.done.values()) < 1 or clients.done["up"] < 2:
                assert time.monotonic() < end and not clients.lost, \
                    (clients.done, clients.lost)
                time.sleep(0.05)
        assert not clients.lost, clients.lost
        load.check()
        assert min(clients.done.values()) > 0
    finally:
        a.close()
