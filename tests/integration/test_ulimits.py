# SPDX-License-Identifier: BSD-2-Clause
"""Many connections and slow ones (S-101 to S-106)."""
import time

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.client import Client


def started(akkod, upstream, more="", **kw):
    u = upstream()
    return akkod("akkod: {workers: 1%s}\n" % more + ONE_SERVICE,
                 values={"upstream": u.port}, **kw)


def quiet(pid, seconds=1.0):
    """The CPU that a process uses meanwhile, as a share of one core."""
    before = proc.cpu(pid)
    time.sleep(seconds)
    return (proc.cpu(pid) - before) / seconds


def test_over_the_limit_of_connections(akkod, upstream):
    """S-106: closed at once; those that are served are left alone."""
    a = started(akkod, upstream, ", limits: {connections: 20}")
    clients = [a.client() for _ in range(20)]
    for c in clients:
        assert c.request("GET", "/").status == 200
    for _ in range(5):
        with a.client() as c:
            assert c.closed()
    a.wait_log("20 connections: no more are taken")
    assert clients[0].request("GET", "/").status == 200
    clients.pop().close()
    proc.until(lambda: a.status()["workers"][0]["connections"] == 19)
    assert a.get().status == 200
    for c in clients:
        c.close()


def test_over_the_limit_of_one_address(akkod, upstream):
    a = started(akkod, upstream, ", limits: {perAddress: 10}")
    clients = [a.client() for _ in range(10)]
    for c in clients:
        assert c.request("GET", "/").status == 200
    with a.client() as c:
        assert c.closed()
    assert a.get(source="127.0.0.2").status == 200
    for c in clients:
        c.close()


def test_two_thousand_idle_connections(akkod, upstream):
    """They hold neither fiber nor buffer, and others do not notice."""
    a = started(akkod, upstream)
    sources = [f"127.0.1.{n}" for n in range(1, 5)]
    clients = [Client(("127.0.0.1", a.ports["web"]),
                      source=sources[n % 4]) for n in range(2000)]
    for c in clients[:200]:
        assert c.request("GET", "/").status == 200
    proc.until(lambda: a.status()["workers"][0]["connections"] == 2000)
    w = a.status()["workers"][0]
    assert w["fibers"] == 0
    assert quiet(w["pid"], 0.5) < 0.1
    for c in (clients[0], clients[1999]):
        assert c.request("GET", "/").status == 200
    for c in clients:
        c.close()
    proc.until(lambda: a.status()["workers"][0]["connections"] == 0)


SLOW = """
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    transport: {respondingTimeouts: {readTimeout: 700ms}}
akkod: {workers: 1}
"""


@pytest.mark.parametrize("first", [
    b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: ",
    b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n123",
])
def test_slow_clients_are_given_up(akkod, upstream, first):
    """S-101: a drop now and then does not buy time."""
    u = upstream()
    a = akkod(SLOW + ONE_SERVICE, values={"upstream": u.port})
    with a.client() as c:
        start = time.monotonic()
        c.sock.settimeout(0.1)
        end = None
        c.send(first)
        while end is None and time.monotonic() - start < 5:
            try:
                data = c.sock.recv(4096)
                if data == b"":
                    end = time.monotonic() - start
            except TimeoutError:
                try:
                    if first:
                        c.sock.send(b"a")
                except OSError:
                    end = time.monotonic() - start
            except OSError:
                end = time.monotonic() - start
    assert end is not None and 0.4 < end < 3, end


def test_slow_ones_do_not_hinder_others(akkod, upstream):
    u = upstream()
    a = akkod(SLOW + ONE_SERVICE, values={"upstream": u.port})
    slow = [a.client() for _ in range(300)]
    for c in slow:
        c.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Slow: ")
    took = []
    for _ in range(20):
        start = time.monotonic()
        assert a.get().status == 200
        took.append(time.monotonic() - start)
    assert sorted(took)[10] < 0.1, took
    proc.until(lambda: a.status()["workers"][0]["connections"] == 0,
               what="the slow ones are given up")
    for c in slow:
        c.close()


@pytest.mark.parametrize("tls", [False, True], ids=["heads", "handshakes"])
def test_unfinished_ones_leave_room(akkod, upstream, tls):
    """0.4: what does not end takes no more than half of the fibers."""
    a = started(akkod, upstream, ", limits: {fibers: 400}")
    entry = "websecure" if tls else "web"
    address = ("127.0.0.1", a.ports[entry])
    with a.client() as known:
        assert known.request("GET", "/").status == 200
        slow = [Client(address) for _ in range(500)]
        for c in slow:
            c.send(b"\x16\x03\x01" if tls else b"GET / HT")
        a.wait_log("newcomers are turned away")
        time.sleep(0.5)
        left = a.status()["workers"][0]["connections"]
        assert 100 < left <= 201
        # Who was here before is served as ever, and newcomers in the end.
        for _ in range(20):
            assert known.request("GET", "/").status == 200
        for c in slow:
            c.close()

    def served():
        try:
            return a.get().status == 200
        except (OSError, EOFError):
            return False

    proc.until(served)
