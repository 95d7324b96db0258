# SPDX-License-Identifier: BSD-2-Clause
"""Accidents under load, in short; tests/soak has them for long.

T-03, T-04 crashes, T-08 servers that come and go, T-09 certificates, T-11
processes that are stopped, T-12 full disks, T-13 clocks.
"""
import os
import random
import signal
import ssl
import threading
import time

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.client import Client
from harness.faults import YEAR, Clock, Disk, can_mount
from harness.kinds import Kinds, serve
from harness.load import Load
from harness.upstream import echo


def with_workers(n, more=""):
    return f"akkod: {{workers: {n}}}\n" + more + ONE_SERVICE


def kinds(a, **kw):
    return Kinds(a.ports["web"], a.ports["websecure"], **kw)


# -- crashes ---------------------------------------------------------------------

def connections_of(a, pid):
    return next(w["connections"] for w in a.status()["workers"]
                if w["pid"] == pid)


def test_what_a_killed_worker_loses(akkod, upstream, io):
    """The formula of akkod-upgrade(7): its connections, and on io_uring those
    that the kernel accepted for it and it had not seen."""
    u = upstream()
    a = akkod(with_workers(2), values={"upstream": u.port})
    fresh = 4
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=4, fresh=fresh) as load:
        for n in range(2):
            pid = a.worker_pids()[n]
            before = len(load.lost)
            os.kill(pid, signal.SIGSTOP)
            proc.until(lambda: proc.state(pid) == "T")
            held = connections_of(a, pid)
            os.kill(pid, signal.SIGKILL)
            proc.until(lambda: all(
                w["generation"] and w["pid"] not in (0, pid)
                for w in a.status()["workers"]))
            load.wait(40)
            lost = load.lost[before:]
            assert len(lost) <= held + (fresh if io == "uring" else 0), \
                (held, lost)
    assert not [x for x in load.lost if x[0] == 0], "nothing is refused"


def test_crashes_in_a_row(akkod, upstream):
    """T-04: workers die faster than they may be replaced; service goes on."""
    u = upstream()
    a = akkod(with_workers(3), values={"upstream": u.port})
    crashes = 9
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=2, fresh=4) as load:
        for _ in range(crashes):
            pids = [w["pid"] for w in a.status()["workers"]
                    if w["state"] == "running"]
            # Sanitizers would tell a long story of a SIGSEGV first.
            os.kill(random.choice(pids), signal.SIGABRT)
            time.sleep(0.3)
        load.wait(60)
    assert not [x for x in load.lost if x[0] == 0], load.lost
    assert len(load.lost) <= 6 * crashes


# -- servers and certificates ------------------------------------------------------

def servers(ports):
    urls = ", ".join(f'{{url: "http://127.0.0.1:{p}"}}' for p in ports)
    return ONE_SERVICE.replace('{url: "http://127.0.0.1:@upstream@"}', urls)


def test_servers_come_and_go(akkod, upstream):
    """T-08: 20 changes a second; one that leaves serves on for its grace."""
    all_of_them = [upstream() for _ in range(8)]
    ports = [u.port for u in all_of_them]
    a = akkod(servers(ports[:1]))
    here = ("127.0.0.1", a.ports["web"])
    with Load(here, keep_alive=3, fresh=2) as gets, \
            Load(here, keep_alive=2, fresh=1, method="POST") as posts:
        for n in (*range(1, 9), *range(7, 0, -1)) * 2:
            start = time.monotonic()
            a.write(servers(ports[:n]))
            a.process.send_signal(signal.SIGHUP)
            time.sleep(max(0, start + 0.05 - time.monotonic()))
    gets.check()
    posts.check()
    seen = {}
    for u in all_of_them:
        for r in u.requests:
            if r.method == "POST":
                seen[r.target] = seen.get(r.target, 0) + 1
    assert seen and max(seen.values()) == 1
    assert all(u.requests for u in all_of_them)


def test_certificates_change_ten_times_a_second(akkod, upstream, tmp_path,
                                                authority):
    """T-09: each handshake shows one that is valid for its name."""
    u = upstream()
    crt, key = authority.leaf("a.test", file=tmp_path / "first")
    text = ONE_SERVICE + f"""
tls:
  certificates: [{{certFile: {crt}, keyFile: {key}}}]
"""
    a = akkod(text, values={"upstream": u.port})
    context = ssl.create_default_context(cafile=str(authority.file))
    stop, serials, failed = threading.Event(), set(), []

    def client():
        while not stop.is_set():
            try:
                with Client(("127.0.0.1", a.ports["websecure"]), tls=True,
                            context=context) as c:
                    serials.add(c.sock.getpeercert()["serialNumber"])
                    assert c.request("GET", "/").status == 200
            except (OSError, EOFError, AssertionError) as e:
                failed.append(f"{type(e).__name__} {e}")

    threads = [threading.Thread(target=client) for _ in range(2)]
    for t in threads:
        t.start()
    good = [authority.leaf("a.test", file=tmp_path / f"n{n}")
            for n in range(12)]
    for n, (c, k) in enumerate(good):
        start = time.monotonic()
        # Every fourth is no certificate at all: the last good one stays.
        crt.write_bytes(b"-----BEGIN" if n % 4 == 3 else c.read_bytes())
        key.write_bytes(k.read_bytes())
        a.process.send_signal(signal.SIGHUP)
        time.sleep(max(0, start + 0.1 - time.monotonic()))
    proc.until(lambda: len(serials) > 2, 10, "new certificates")
    stop.set()
    for t in threads:
        t.join()
    assert not failed, failed[:3]
    # A file that is written before the other one is no certificate either.
    crt.write_bytes(good[1][0].read_bytes())
    key.write_bytes(good[0][1].read_bytes())
    assert "the private key does not belong to the certificate; the last " \
        "good one is served on" in a.reload()


# -- processes that stand still ----------------------------------------------------

NAMED = """
    named: {loadBalancer: {servers: [{url: "http://no-such-name.test"}]}}
"""


def test_a_controller_that_is_stopped(akkod, upstream):
    """T-11: requests and changes go on; it is continued or replaced."""
    u = upstream(serve)
    a = akkod(with_workers(2) + NAMED, values={"upstream": u.port})

    def controllers():
        return [k for k in proc.children(a.process.pid)
                if proc.alive(k) and proc.argv(k)[1:2] == ["controller"]]

    pid = proc.until(controllers)[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        with kinds(a) as load:
            a.reload(with_workers(2).replace("all:", "every:") + NAMED)
            load.wait(60)
            a.reload(with_workers(2) + NAMED)
            load.wait(30)
        load.check(u)
        assert (load.ended, load.cut) == (0, 0)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_master_that_is_stopped(akkod, upstream):
    """T-11, all kinds of clients; a worker that dies meanwhile comes later."""
    u = upstream(serve)
    a = akkod(with_workers(2), values={"upstream": u.port})
    with kinds(a) as load:
        os.kill(a.process.pid, signal.SIGSTOP)
        time.sleep(1)
        load.wait(60)
        os.kill(a.process.pid, signal.SIGCONT)
        a.reload()
        load.wait(30)
    load.check(u)
    assert (load.ended, load.cut) == (0, 0)


# -- disks and clocks -----------------------------------------------------------------

@pytest.mark.skipif(not can_mount(), reason="no file system can be mounted")
def test_full_disks(akkod, upstream, tmp_path):
    """T-12: of both logs and of the state; all is well when there is room."""
    disk = Disk(tmp_path / "disk")
    try:
        u = upstream(serve)
        a = akkod(with_workers(2, f"""
entryPoints:
  web: {{address: "127.0.0.1:@web@"}}
  websecure: {{address: "127.0.0.1:@websecure@", http: {{tls: {{}}}}}}
log: {{level: DEBUG, filePath: {disk.path}/akkod.log}}
accessLog: {{filePath: {disk.path}/access.log}}
"""), values={"upstream": u.port}, args=["--state-dir", str(disk.path / "st")])
        config = a.config.read_text()
        with kinds(a) as load:
            disk.full()
            load.wait(60)
            a.config.write_text(config.replace("all:", "every:"))
            a.reload()
            load.wait(60)
            proc.until(lambda: sum(w["access_log_dropped"]
                                   for w in a.status()["workers"]) > 0)
            disk.roomy()
            size = (disk.path / "access.log").stat().st_size
            load.wait(30)
            # Written again without anybody's help.
            proc.until(lambda: (disk.path / "access.log").stat().st_size >
                       size, what="lines of access log")
        load.check(u)
        assert (load.ended, load.cut) == (0, 0)
        a.config.write_text(config)
        a.reload()
        assert f"generation {a.status()['generation']}" in (disk.path / "akkod.log").read_text()
        a.close()
    finally:
        disk.close()


@pytest.fixture
def clock():
    c = Clock()
    yield c
    c.close()


def test_the_clock_is_set(akkod, upstream, clock):
    """T-13: ten years ahead, ten years back; time that passes is another."""
    u = upstream(serve)
    a = akkod(with_workers(2), values={"upstream": u.port},
              program=str(clock.program))
    with kinds(a) as load:
        for years in (10, -10, 0):
            clock.ahead(years * YEAR)
            load.wait(40)
            a.reload(with_workers(2).replace("all:", f"y{years % 7}:"))
            year = time.gmtime().tm_year + years
            with a.client() as c:
                assert f" {year} " in c.request("GET", "/")["Date"]
            load.wait(20)
    load.check(u)
    assert (load.ended, load.cut) == (0, 0)
    a.checked = True


def test_an_upgrade_after_the_clock_was_set(akkod, upstream, clock):
    """Limits and tickets go over: both count time that passes."""
    u = upstream()
    a = akkod(ONE_SERVICE.replace("service: app}", """service: app,
          middlewares: [limit]}
  middlewares:
    limit: {rateLimit: {average: 1, period: 1h, burst: 3}}"""),
              values={"upstream": u.port}, program=str(clock.program))
    assert [a.get().status for _ in range(2)] == [200] * 2
    clock.ahead(10 * YEAR)
    assert a.command("upgrade").returncode == 0
    assert [a.get().status for _ in range(2)] == [200, 429]
    pid = int((a.run_dir / "akkod.pid").read_text())
    assert a.process.wait(15) == 0
    assert a.command("stop").returncode == 0
    proc.until(lambda: not proc.alive(pid))
