# SPDX-License-Identifier: BSD-2-Clause
"""Clients that keep asking while something happens; see Load.

A request carries an id of its own; its answer must be whole, 200 and of that
id. Whatever else happens to a request that was sent is a lost request. Both
ends are joined at the end: what the upstream saw twice counts as well.
"""
import json
import socket
import threading
import time
from collections import Counter

from .client import Client


class Load:
    """Threads with keep-alive connections and with a new one per request."""

    def __init__(self, address, keep_alive=4, fresh=2, pause=0.002, host="a.test",
                 tls=False, method="GET", source=None):
        self.address = address
        self.host = host
        self.tls = tls
        self.method = method
        self.pause = pause
        self.source = source
        self.stopping = False
        self.lost = []			# (id, why)
        self.times = []			# (when, seconds) per answered request
        self.answers = {}		# by id: the parsed body
        self.reconnects = 0
        self.serial = 0
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=run, daemon=True) for run in
            [self.keep_alive] * keep_alive + [self.fresh] * fresh]

    def __enter__(self):
        for t in self.threads:
            t.start()
        self.wait(3 * len(self.threads))
        return self

    def __exit__(self, *_):
        self.stopping = True
        for t in self.threads:
            t.join(30)

    @property
    def done(self):
        return len(self.times)

    def wait(self, more, seconds=20):
        """Until so many more requests were answered or lost."""
        want = self.done + len(self.lost) + more
        end = time.monotonic() + seconds
        while self.done + len(self.lost) < want:
            assert time.monotonic() < end, f"{self.done} requests: {self.lost}"
            time.sleep(0.005)

    def connect(self):
        return Client(self.address, tls=self.tls, source=self.source)

    def one(self, c):
        """One request: whether the connection may be used again."""
        with self.lock:
            self.serial += 1
            n = self.serial
        start = time.monotonic()
        try:
            body = b"%08d" % n if self.method == "POST" else None
            r = c.request(self.method, f"/load/{n}", host=self.host, body=body)
            assert r.status == 200, r
            seen = json.loads(r.body)
            assert seen["target"] == f"/load/{n}", seen
            assert body is None or seen["body"] == body.decode(), seen
        except (OSError, EOFError, AssertionError, ValueError) as e:
            self.lost.append((n, f"{type(e).__name__} {e}"))
            return False
        self.times.append((start, time.monotonic() - start))
        self.answers[n] = seen
        return r["Connection"] != "close"

    def keep_alive(self):
        c = None
        while not self.stopping:
            # The proxy may end an idle connection: seen before a request is
            # sent, nothing is lost.
            if c is not None and ended(c.sock):
                c.close()
                c = None
            if c is None:
                c = self.open()
            if c is not None and not self.one(c):
                c.close()
                c = None
            time.sleep(self.pause)
        if c is not None:
            c.close()

    def fresh(self):
        while not self.stopping:
            c = self.open()
            if c is not None:
                self.one(c)
                c.close()
            time.sleep(self.pause)

    def open(self):
        try:
            c = self.connect()
        except OSError as e:
            self.lost.append((0, f"connect: {e}"))
            time.sleep(0.01)
            return None
        with self.lock:
            self.reconnects += 1
        return c

    def check(self, upstream=None):
        """Nothing was lost, and no request arrived twice."""
        assert not self.lost, f"{len(self.lost)} of {self.serial} lost: " \
            f"{self.lost[:5]}"
        assert self.done > 0
        if upstream is not None:
            seen = Counter(r.target for r in upstream.requests
                           if r.target.startswith("/load/"))
            assert max(seen.values()) == 1, seen.most_common(3)


def ended(sock):
    """Whether the other side has closed."""
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except (OSError, ValueError):
        # TLS has no peek; its sockets are not asked.
        return False
    finally:
        sock.settimeout(10)
