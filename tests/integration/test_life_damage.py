# SPDX-License-Identifier: BSD-2-Clause
"""Damage: a live state that was overwritten, clients that ask and do not read."""
import json
import os
import random
import signal
import socket
import time

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.load import Load
from test_life_upgrade import upgradable, with_workers  # noqa: F401

LIVE_FD = 4			# of a worker: shm/inherit.h


def scribble(pid, at, data):
    """As a worker that runs wild would."""
    fd = os.open(f"/proc/{pid}/fd/{LIVE_FD}", os.O_RDWR)
    try:
        assert os.pwrite(fd, data, at) == len(data)
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def replaced(a, pids):
    return proc.until(lambda: all(
        w["generation"] and w["pid"] not in pids
        for w in a.status()["workers"]), 10, "new workers")


@pytest.mark.parametrize("data", [b"\0" * 24, b"\xff" * 24],
                         ids=["zeroes", "ones"])
def test_the_header_of_the_live_state(upgradable, data):  # noqa: F811
    """Workers that are started afterwards can use it all the same."""
    a = upgradable(with_workers(2))
    pids = a.worker_pids()
    scribble(pids[0], 0, data)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    replaced(a, pids)
    a.wait_log("the header of the live state was overwritten")
    assert [a.get().status for _ in range(6)] == [200] * 6
    scribble(a.worker_pids()[0], 0, data)
    a.upgrade()
    assert a.get().status == 200
    assert "has another layout" not in a.log


def test_all_of_the_live_state(upgradable):  # noqa: F811
    """Turns, counts and states of servers are nonsense: nothing is lost."""
    a = upgradable(with_workers(2))
    noise = random.Random(1)
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=3, fresh=3) as load:
        pid = a.worker_pids()[0]
        size = scribble(pid, 0, b"")
        for at in range(0, size, 1 << 16):
            scribble(pid, at, noise.randbytes(min(1 << 16, size - at)))
        load.wait(60)
        # The next ones begin with counts of their own.
        pids = a.worker_pids()
        a.upgrade()
        load.wait(30)
        for pid in pids:
            proc.until(lambda: not proc.alive(pid), 15)
        load.wait(30)
    load.check(a.upstream)


def test_rate_limits_after_damage(akkod, upstream):
    """They hold again, at most a burst late: never open, never shut for ever."""
    u = upstream()
    a = akkod("""
akkod: {workers: 1}
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app, middlewares: [limit]}
  middlewares:
    limit: {rateLimit: {average: 20, period: 1s, burst: 2}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
""", values={"upstream": u.port})
    assert a.get().status == 200
    pid = a.worker_pids()[0]
    size = scribble(pid, 0, b"")
    buckets = 16 << 18			# they are the last: shm/live.h
    for at in range(size - buckets, size, 1 << 16):
        scribble(pid, at, b"\x7f" * (1 << 16))
    time.sleep(0.3)
    seen = [a.get().status for _ in range(12)]
    assert set(seen) <= {200, 429}
    end = time.monotonic() + 3
    while a.get().status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    seen = [a.get().status for _ in range(20)]
    assert 429 in seen


def test_a_client_that_stops_reading(akkod, upstream):
    """What it asked for is done; the next one is answered at once."""
    u = upstream()
    # An answer that fills the socket: many routers that are broken.
    broken = "".join(f"    r{n}: {{rule: \"Host(`{'x' * 60}{n}`)\", "
                     f"service: none{n}}}\n" for n in range(2500))
    a = akkod(ONE_SERVICE.replace("  services:", broken + "  services:"),
              values={"upstream": u.port})
    socks = []
    for _ in range(4):
        sock = socket.socket(socket.AF_UNIX)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(str(a.run_dir / "akkod.sock"))
        sock.sendall(b'{"command": "status"}\n')
        socks.append(sock)
    start = time.monotonic()
    with Load(("127.0.0.1", a.ports["web"])) as load:
        assert len(a.status()["routers"]["broken"]) >= 2500
        a.reload()
        load.wait(20)
    load.check(u)
    assert time.monotonic() - start < 5
    # And one that comes back to its answer has it whole.
    whole = socks[0].makefile("rb").read()
    assert json.loads(whole)["pid"] == a.process.pid
    for sock in socks:
        sock.close()


@pytest.mark.slow
def test_clients_that_never_read_are_given_up(akkod, upstream):
    """All places are theirs for a while, not for ever."""
    u = upstream()
    a = akkod(with_workers(1), values={"upstream": u.port})
    socks = []
    for _ in range(32):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(a.run_dir / "akkod.sock"))
        socks.append(sock)
    start = time.monotonic()
    assert a.command("status").returncode == 3
    a.wait_log("control socket: too many clients")
    # Signals need no place.
    a.write(with_workers(1).replace("all:", "every:"))
    os.kill(a.process.pid, signal.SIGHUP)
    a.wait_log("generation 2: ")
    proc.until(lambda: a.command("status").returncode == 0, 15)
    assert 8 < time.monotonic() - start < 13
    for sock in socks:
        sock.close()
