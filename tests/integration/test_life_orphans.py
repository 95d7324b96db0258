# SPDX-License-Identifier: BSD-2-Clause
"""The master is killed, and another one takes its place (T-05)."""
import os
import signal
import time

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import accepts
from harness.load import Load
from harness.service import Service


@pytest.fixture
def service(io, tmp_path, upstream):
    made = []

    def make(config=ONE_SERVICE, **kw):
        u = upstream()
        s = Service(tmp_path / f"akkod{len(made)}", io, config,
                    values={"upstream": u.port}, **kw)
        s.upstream = u
        made.append(s)
        assert s.start().returncode == 0
        return s

    yield make
    for s in made:
        s.close()


def kill(s):
    """Ends the master the hard way: its pid and those of its workers."""
    pid, workers = s.pid, s.worker_pids()
    os.kill(pid, signal.SIGKILL)
    proc.until(lambda: not proc.alive(pid))
    return pid, workers


def test_a_new_master_takes_over_under_load(service):
    s = service("akkod: {workers: 2}\n" + ONE_SERVICE)
    with Load(("127.0.0.1", s.ports["web"]), keep_alive=5, fresh=4) as load:
        pid, workers = kill(s)
        load.wait(40)			# nobody is master
        assert s.command("status").returncode == 3
        done = s.start()
        assert done.returncode == 0, done.stderr
        load.wait(60)
        for w in workers:
            proc.until(lambda: not proc.alive(w), 15, "an old worker ends")
        load.wait(20)
    load.check(s.upstream)
    assert s.pid != pid and not set(s.worker_pids()) & set(workers)
    assert s.status()["old_workers"] is None
    assert s.log.count("has no master: it is taken over") == 2


def test_it_can_be_done_again(service):
    s = service("akkod: {workers: 2}\n" + ONE_SERVICE)
    with Load(("127.0.0.1", s.ports["web"]), keep_alive=2, fresh=3) as load:
        for _ in range(3):
            _, workers = kill(s)
            assert s.start().returncode == 0
            load.wait(20)
            for w in workers:
                proc.until(lambda: not proc.alive(w), 15, "it ends")
        s.reload("akkod: {workers: 1}\n" + ONE_SERVICE)
        done = s.command("upgrade")
        assert done.returncode == 0, done.stderr
        load.wait(20)
    load.check(s.upstream)


def test_live_state_is_taken_over(service):
    s = service("""
http:
  routers:
    b: {rule: "Host(`b.test`)", service: app, middlewares: [other]}
    a: {rule: "Host(`a.test`)", service: app, middlewares: [limit]}
  middlewares:
    limit: {rateLimit: {average: 1, period: 1h, burst: 3}}
    other: {rateLimit: {average: 1, period: 1h, burst: 1}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
""")
    assert [s.get().status for _ in range(2)] == [200] * 2
    kill(s)
    assert s.get().status == 200
    assert s.start().returncode == 0
    assert s.get().status == 429
    assert s.get(host="b.test").status == 200
    assert s.get(host="b.test").status == 429
    assert s.status()["generation"] == 2


def test_a_request_that_was_in_flight_all_along(service):
    import threading
    go = threading.Event()
    s = service()

    def slow(c, r):
        c.body(r)
        go.wait(10)
        c.answer(200, body="whole")

    s.upstream.serve = slow
    with s.client() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        s.upstream.wait(1)
        kill(s)
        assert s.start().returncode == 0
        assert s.status()["old_workers"]["workers"] >= 1
        go.set()
        r = c.response()
        # Idle now, it moves to the workers of the new one.
        assert r.body == b"whole" and r["Connection"] is None
        assert c.request("GET", "/").status == 200


def test_the_new_one_may_be_configured_otherwise(service):
    s = service("akkod: {workers: 3}\n" + ONE_SERVICE)
    kill(s)
    s.write("""
akkod: {workers: 1}
entryPoints:
  other: {address: "127.0.0.1:@web@"}
  more: {address: "127.0.0.1:@more@"}
""" + ONE_SERVICE)
    assert s.start().returncode == 0
    for name in ("web", "more"):
        assert s.get(entry_point=name).status == 200
    proc.until(lambda: [w["state"] for w in s.status()["workers"]] ==
               ["running"], 15)
    assert {x["entry_point"] for x in s.status()["listeners"]} == \
        {"other", "more"}
    proc.until(lambda: not accepts(s.ports["websecure"]),
               what="the old port closes")


def test_nobody_comes(service):
    """They serve for the grace, then end in order, and the port is free."""
    s = service("akkod: {orphanGrace: 1s}\n" + ONE_SERVICE)
    start = time.monotonic()
    _, workers = kill(s)
    while time.monotonic() - start < 0.8:
        assert s.get().status == 200
    for w in workers:
        proc.until(lambda: not proc.alive(w), 5, "an orphan ends")
    assert not accepts(s.ports["web"])
    assert "serving on for 1 s" in s.log
    assert s.start().returncode == 0
    assert s.status()["generation"] == 1
    assert s.get().status == 200


def test_a_stop_leaves_no_orphans(service):
    s = service()
    workers = s.worker_pids()
    assert s.command("stop").returncode == 0
    assert not any(proc.alive(w) for w in workers)
    assert not list(s.run_dir.glob("akkod.*[!g]"))
    assert s.start().returncode == 0


def test_a_stalled_orphan_does_not_hold_up_the_start(service):
    s = service("akkod: {workers: 1}\n" + ONE_SERVICE)
    _, workers = kill(s)
    os.kill(workers[0], signal.SIGSTOP)
    start = time.monotonic()
    done = s.start()
    assert time.monotonic() - start < 3
    # It has the port and cannot be asked: a clear error, no silence.
    assert done.returncode == 1 and "Address already in use" in done.stderr
    os.kill(workers[0], signal.SIGKILL)
    proc.until(lambda: not proc.alive(workers[0]))
    assert s.start().returncode == 0


def test_strangers_inherit_nothing(service):
    """Only the owner may connect where the heirs wait."""
    s = service()
    assert (s.run_dir / "akkod.heir").stat().st_mode & 0o777 == 0o600
