# SPDX-License-Identifier: BSD-2-Clause
"""The end: readiness, lame duck, requests in flight, service managers (L-07, L-08)."""
import os
import signal
import socket
import threading
import time

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import accepts
from harness.load import Load

LIFE = """
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    transport: {lifeCycle: {requestAcceptGraceTimeout: %s, graceTimeOut: %s}}
  ping:
    address: "127.0.0.1:@ping@"
    transport: {lifeCycle: {requestAcceptGraceTimeout: %s, graceTimeOut: %s}}
ping: {entryPoint: ping}
log: {level: DEBUG}
akkod: {workers: 2}
"""


class Gate:
    """A service that answers when it is told to."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        self.go.wait(20)
        c.send(b"67890")


def started(akkod, upstream, accept="0s", grace="5s", serve=None, **kw):
    u = upstream(serve) if serve else upstream()
    a = akkod(LIFE % (accept, grace, accept, grace) + ONE_SERVICE,
              values={"upstream": u.port}, **kw)
    a.upstream = u
    return a


def ask(c, path="/"):
    c.send(f"GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())


# -- stop -------------------------------------------------------------------------

def test_what_is_in_flight_ends(akkod, upstream):
    gate = Gate()
    a = started(akkod, upstream, serve=gate)
    with a.client() as c:
        ask(c)
        r = c.final()
        assert c.exactly(5) == b"12345"
        a.process.send_signal(signal.SIGTERM)
        proc.until(lambda: not accepts(a.ports["web"]), what="no more accepted")
        time.sleep(0.2)
        assert a.process.poll() is None
        gate.go.set()
        assert c.exactly(5) == b"67890" and r.status == 200
        assert c.closed(), "an end in order, not a reset"
    assert a.process.wait(5) == 0


def test_an_upload_in_flight_ends(akkod, upstream):
    a = started(akkod, upstream)
    body = b"x" * 300_000
    with a.client() as c:
        c.send(b"POST /up HTTP/1.1\r\nHost: a.test\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body) + body[:1000])
        a.upstream.wait(1)
        a.process.send_signal(signal.SIGTERM)
        a.wait_log("stopping: ")
        for n in range(1000, len(body), 30_000):
            c.send(body[n:n + 30_000])
            time.sleep(0.02)
        r = c.response("POST")
        assert r.status == 200 and r["Connection"] == "close"
        assert c.closed()
    assert a.process.wait(5) == 0
    assert len(a.upstream.last.body) == len(body)


def test_what_takes_longer_is_cut_and_that_shows(akkod, upstream):
    a = started(akkod, upstream, grace="1s", serve=Gate())
    with a.client() as c:
        ask(c)
        c.final()
        start = time.monotonic()
        a.process.send_signal(signal.SIGTERM)
        with pytest.raises((EOFError, ConnectionResetError)):
            c.exactly(10)
        assert 0.8 < time.monotonic() - start < 3
    assert a.process.wait(5) == 0


@pytest.mark.parametrize("signals", [
    (signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT),
    (signal.SIGQUIT,)])
def test_at_once(akkod, upstream, signals):
    """L-08: a second signal, or SIGQUIT; what is cut is seen to be cut."""
    a = started(akkod, upstream, grace="20s", serve=Gate())
    with a.client() as c:
        ask(c)
        c.final()
        for sig in signals:
            a.process.send_signal(sig)
            time.sleep(0.1)
        assert a.process.wait(1) == 0
        with pytest.raises((EOFError, ConnectionResetError)):
            c.exactly(10)


def test_stop_waits_and_stop_now_does_not(akkod, upstream):
    gate = Gate()
    a = started(akkod, upstream, grace="20s", serve=gate)
    with a.client() as c:
        ask(c)
        c.final()
        done = []
        t = threading.Thread(target=lambda: done.append(
            a.command("stop").returncode))
        t.start()
        a.wait_log("stopping: ")
        time.sleep(0.3)
        assert not done and a.process.poll() is None
        assert a.status()["state"] == "stopping"
        assert a.command("reload").returncode == 1
        assert a.command("stop", "--now").returncode == 0
        t.join(5)
    assert done == [0]
    assert a.process.wait(1) == 0


def test_idle_clients_are_not_closed_under_a_request(akkod, upstream):
    """L-13: the next request is still answered, with Connection: close."""
    a = started(akkod, upstream)
    with a.client() as one, a.client() as two:
        for c in (one, two):
            assert c.request("GET", "/1")["Connection"] is None
        a.process.send_signal(signal.SIGTERM)
        a.wait_log("stopping: ")
        time.sleep(0.3)
        r = one.request("GET", "/2")
        assert r.status == 200 and r["Connection"] == "close"
        assert one.closed()
        # And the one that stays idle is ended in order.
        start = time.monotonic()
        assert two.closed()
        assert time.monotonic() - start < 2
    assert a.process.wait(5) == 0


def test_a_balancer_in_front_loses_nothing(akkod, upstream):
    """T-07: it looks at readiness and needs a while to act on it."""
    a = started(akkod, upstream, accept="1200ms", grace="5s")
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=4, fresh=3) as load:
        a.process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        proc.until(lambda: a.get("/ping", entry_point="ping").status == 503,
                   what="ping says no")
        assert time.monotonic() - start < 0.5
        assert a.status()["ready"] is False
        time.sleep(0.7)
    load.check(a.upstream)
    assert accepts(a.ports["web"])
    assert a.process.wait(8) == 0
    assert time.monotonic() - start < 5


def test_in_a_pod(akkod):
    """All of the 30 s that Kubernetes gives."""
    a = akkod("""
entryPoints: {ping: {address: "127.0.0.1:@ping@"}}
ping: {entryPoint: ping}
log: {level: INFO}
""", env={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    a.process.send_signal(signal.SIGTERM)
    a.wait_log("stopping: requests in flight have 29 s to end")
    # The log line comes before the last worker has heard.
    end = time.monotonic() + 2
    while a.get("/ping", entry_point="ping").status != 503:
        assert time.monotonic() < end
    a.process.send_signal(signal.SIGQUIT)
    assert a.process.wait(2) == 0


# -- drain ----------------------------------------------------------------------------

def ping(a):
    return a.get("/ping", entry_point="ping").status


def test_drain_and_undo(akkod, upstream):
    a = started(akkod, upstream)
    assert ping(a) == 200 and a.status()["ready"] is True
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=2, fresh=1) as load:
        assert a.command("drain").returncode == 0
        assert [ping(a) for _ in range(6)] == [503] * 6
        assert a.status()["ready"] is False
        assert a.status()["state"] == "running"
        assert "not ready" in a.command("status").stdout
        # It stays over a reload and with workers that start later.
        a.reload()
    for pid in a.worker_pids():
        os.kill(pid, signal.SIGKILL)
    proc.until(lambda: all(w["generation"] for w in a.status()["workers"]))
    assert [ping(a) for _ in range(6)] == [503] * 6
    assert a.command("drain", "--undo").returncode == 0
    assert [ping(a) for _ in range(6)] == [200] * 6
    load.check(a.upstream)


# -- service managers ---------------------------------------------------------------------

class Manager:
    """The socket of a service manager, and what it was told."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path if path[0] != "@" else "\0" + path[1:])
        self.sock.settimeout(5)

    def next(self, name):
        """The next message with this name: all its values."""
        while True:
            lines = dict(x.split("=", 1) for x in
                         self.sock.recv(4096).decode().splitlines())
            if name in lines:
                return lines


@pytest.mark.parametrize("abstract", [False, True])
def test_service_manager(akkod, upstream, tmp_path, io, abstract):
    m = Manager(f"@akkod-{os.getpid()}-{io}" if abstract
                else str(tmp_path / "notify"))
    a = started(akkod, upstream, env={"NOTIFY_SOCKET": m.path})
    ready = m.next("READY")
    assert ready["READY"] == "1"
    assert ready["MAINPID"] == str(a.process.pid)
    before = time.monotonic_ns() // 1000
    a.reload()
    reloading = m.next("RELOADING")
    assert before <= int(reloading["MONOTONIC_USEC"]) <= \
        time.monotonic_ns() // 1000
    assert "generation" in m.next("READY")["STATUS"]
    a.config.write_text("http: [")
    a.process.send_signal(signal.SIGHUP)
    m.next("RELOADING")
    assert "not taken" in m.next("READY")["STATUS"]
    a.process.send_signal(signal.SIGTERM)
    assert m.next("STOPPING")["STOPPING"] == "1"
    m.sock.close()


def test_watchdog_of_the_manager(akkod, upstream, tmp_path):
    m = Manager(str(tmp_path / "notify"))
    a = started(akkod, upstream, env={"NOTIFY_SOCKET": m.path,
                                      "WATCHDOG_USEC": "200000"})
    start = time.monotonic()
    for _ in range(5):
        assert m.next("WATCHDOG")["WATCHDOG"] == "1"
    assert time.monotonic() - start < 1.5
    # A master that hangs says nothing more.
    os.kill(a.process.pid, signal.SIGSTOP)
    time.sleep(0.3)
    m.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        while True:
            m.next("WATCHDOG")
    m.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        m.next("WATCHDOG")
    os.kill(a.process.pid, signal.SIGCONT)
    m.next("WATCHDOG")
    m.sock.close()
