# SPDX-License-Identifier: BSD-2-Clause
"""A program that took over and then fails; tables of another layout (L-06)."""
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import PROGRAM
from harness.load import Load
from harness.service import Service
from test_life_upgrade import (old_ones, staying,  # noqa: F401
                               upgradable, with_workers)

OTHER_ABI = Path(PROGRAM).parent / "tests/akkod-other-abi"


class Asked(threading.Thread):
    """`akkod upgrade`, while something happens."""

    def __init__(self, a, *args):
        super().__init__(daemon=True)
        self.a, self.args = a, args
        self.start()

    def run(self):
        self.done = self.a.command("upgrade", *self.args)

    def answer(self):
        self.join(40)
        return self.done.returncode, self.done.stdout + self.done.stderr


def successor(a):
    """The pid of the one that has just taken over."""
    a.wait_log("took over with generation", 20)
    return proc.until(lambda: a.pid != a.process.pid and a.pid)


# -- in its trial --------------------------------------------------------------

@pytest.mark.slow
def test_one_that_hangs_after_it_took_over(upgradable):  # noqa: F811
    a = upgradable(with_workers(2))
    workers = a.worker_pids()
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=3, fresh=2) as load:
        asked = Asked(a)
        pid = successor(a)
        os.kill(pid, signal.SIGSTOP)
        code, said = asked.answer()
        assert code == 1, said
        assert "it took over and does not answer any more" in said
        load.wait(20)
    load.check(a.upstream)
    assert a.pid == a.process.pid and a.worker_pids() == workers
    proc.until(lambda: not proc.alive(pid))
    a.upgrade()
    assert a.get().status == 200


def test_one_whose_workers_die(upgradable):  # noqa: F811
    """Its first real requests kill them: the old one takes all back."""
    a = upgradable(with_workers(2))
    workers = a.worker_pids()
    asked = Asked(a)
    pid = successor(a)
    victim = [k for k in proc.children(pid) if proc.argv(k)[1] == "worker"][0]
    os.kill(victim, signal.SIGABRT)
    code, said = asked.answer()
    assert code == 1
    assert "1 of its workers died as soon as it had taken over" in said, said
    assert a.pid == a.process.pid and a.worker_pids() == workers
    assert a.get().status == 200


# -- afterwards ----------------------------------------------------------------

def kept_busy(a):
    """A request in flight, so that the old program has something to end."""
    c = a.client()
    c.send(b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
    a.upstream.wait(1)
    return c


@pytest.mark.parametrize("detached", [False, True])
def test_killed_while_the_old_one_is_there(io, tmp_path, upstream, detached,
                                           upgradable):  # noqa: F811
    """The old program starts itself anew and takes over from the orphans."""
    go = threading.Event()

    def serve(c, r):
        c.body(r)
        if r.target == "/slow":
            go.wait(20)
        c.answer(200, body='{"target": "%s"}' % r.target)

    if detached:
        u = upstream(serve)
        a = Service(tmp_path / "service", io, with_workers(2),
                    values={"upstream": u.port})
        a.upstream = u
        assert a.start().returncode == 0
    else:
        a = upgradable(with_workers(2), serve=serve)
    first = a.pid
    try:
        slow = kept_busy(a)
        assert a.command("upgrade").returncode == 0
        second = a.pid
        with Load(("127.0.0.1", a.ports["web"]), keep_alive=3, fresh=3) as load:
            os.kill(second, signal.SIGKILL)
            proc.until(lambda: a.pid not in (None, first, second) and
                       a.command("status").returncode == 0, 15, "a third one")
            load.wait(40)
        load.check()
        assert "this one is started anew (pid" in a.log
        go.set()
        assert slow.response().status == 200
        proc.until(lambda: not proc.alive(first), 15, "the first one ends")
        a.reload(with_workers(1))
        assert a.get().status == 200
    finally:
        go.set()
        if detached:
            a.close()


def test_stopped_while_the_old_one_is_there(upgradable):  # noqa: F811
    """What is told to end is not started anew."""
    go = threading.Event()

    def serve(c, r):
        c.body(r)
        if r.target == "/slow":
            go.wait(20)
        c.answer(200)

    a = upgradable(with_workers(1), serve=serve)
    slow = kept_busy(a)
    a.upgrade()
    second = a.pid
    assert a.command("stop").returncode == 0
    proc.until(lambda: not proc.alive(second))
    go.set()
    assert slow.response().status == 200
    assert a.process.wait(15) == 0
    assert "started anew" not in a.log
    assert a.command("status").returncode == 3


def test_hangs_when_the_old_one_is_gone(upgradable):  # noqa: F811
    """Nobody notices but who asks it; killed, the next start takes over."""
    a = upgradable(with_workers(2))
    a.upgrade()
    assert a.process.wait(15) == 0
    pid, workers = a.pid, a.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=3, fresh=3) as load:
        load.wait(30)
        os.kill(pid, signal.SIGKILL)
        proc.until(lambda: not proc.alive(pid))
        done = a.command("start", "-c", str(a.config))
        assert done.returncode == 0, done.stderr
        load.wait(30)
        for w in workers:
            proc.until(lambda: not proc.alive(w), 15, "an orphan ends")
    load.check(a.upstream)
    assert a.pid != pid


def test_killed_as_the_child_of_a_containers_first_process(
        upgradable):  # noqa: F811
    """The first process looks after whoever is master, for ever."""
    a = upgradable(with_workers(1), prefix=(
        "unshare", "-pf", "--kill-child", "--mount-proc"), wait=False)
    proc.until(a.answers, 10)
    inner = proc.children(a.process.pid)[0]
    a.upgrade()

    def masters():
        return [k for k in proc.children(inner) if proc.alive(k) and
                "worker" not in proc.argv(k)]

    proc.until(lambda: len(proc.children(inner)) == 1, 15, "the drain")
    second = masters()[0]
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=2, fresh=2) as load:
        os.kill(second, signal.SIGKILL)
        proc.until(lambda: masters() not in ([], [second]) and
                   a.command("status").returncode == 0, 15, "a third one")
        load.wait(30)
    load.check(a.upstream)
    os.kill(inner, signal.SIGTERM)
    assert a.process.wait(20) == 0


# -- tables of another layout --------------------------------------------------

def test_old_workers_keep_a_table_of_another_layout(upgradable):  # noqa: F811
    """They could not read the new ones: what they had is served to the end."""
    a = upgradable(with_workers(1))
    with staying(a) as c, Load(("127.0.0.1", a.ports["web"])) as load:
        assert c.request("GET", "/").status == 200
        a.upgrade("--binary", str(OTHER_ABI))
        assert os.readlink(f"/proc/{a.pid}/exe") == str(OTHER_ABI)
        old = old_ones(a)
        assert old["table"] == "kept" and old["workers"] == 1
        assert "keep the configuration of before" in \
            a.command("status").stdout
        load.stopping = True
        a.reload(with_workers(1, "http: {routers: {}}\n"))
        assert a.get().status == 404
        r = c.request("GET", "/")
        assert r.status == 200 and r["Connection"] == "close"
    load.check(a.upstream)


def test_orphans_keep_a_table_of_another_layout(io, tmp_path, upstream):
    u = upstream()
    s = Service(tmp_path / "akkod", io, with_workers(1),
                values={"upstream": u.port})
    try:
        assert s.start().returncode == 0
        with staying(s) as c:
            assert c.request("GET", "/").status == 200
            pid = s.pid
            os.kill(pid, signal.SIGKILL)
            proc.until(lambda: not proc.alive(pid))
            done = s.start(program=str(OTHER_ABI))
            assert done.returncode == 0, done.stderr
            assert s.status()["old_workers"] == {"workers": 1, "table": "kept"}
            s.reload(with_workers(1, "http: {routers: {}}\n"))
            assert s.get().status == 404
            assert c.request("GET", "/").status == 200
    finally:
        s.close()


def test_and_back_again(upgradable):  # noqa: F811
    """A roll-back to the layout of before is an upgrade like any other."""
    a = upgradable(with_workers(2))
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=3, fresh=3) as load:
        for binary in (str(OTHER_ABI), PROGRAM):
            a.upgrade("--binary", binary)
            load.wait(20)
            end = time.monotonic() + 15
            while old_ones(a) is not None:
                assert time.monotonic() < end
                time.sleep(0.05)
    load.check(a.upstream)
