# SPDX-License-Identifier: BSD-2-Clause
"""Listening sockets of a service manager; its unit files (sd_listen_fds(3))."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import PROGRAM, Akkod, accepts
from harness.load import Load
from harness.ports import free_port
from test_life_upgrade import Upgradable, upgradable  # noqa: F401

UNITS = Path(__file__).parents[2] / "deploy/systemd"

TWO = """
akkod: {workers: 2}
log: {level: DEBUG}
entryPoints:
  web: {address: "127.0.0.1:@web@"}
""" + ONE_SERVICE

# What a manager does between fork and exec.
ACTIVATE = """
n=3
for fd in $1; do eval "exec $n<&$fd $fd<&-"; n=$((n + 1)); done
export LISTEN_FDS=$((n - 3)) LISTEN_FDNAMES=$2 LISTEN_PID=${3:-$$}
shift 3; exec "$@"
"""


class Given(list):
    """Sockets, and how an akkod is started with them."""

    def __init__(self, *sockets, names=(), pid=""):
        super().__init__(sockets)
        # Out of the way of 3, 4, ...
        self.high = []
        for s in self:
            self.high.append(os.dup2(s.fileno(), 40 + len(self.high)))
        self.names, self.pid = names, pid

    def options(self):
        return {"pass_fds": self.high, "prefix": (
            "bash", "-c", ACTIVATE, "bash", " ".join(map(str, self.high)),
            ":".join(self.names), str(self.pid))}

    def close(self):
        for fd in self.high:
            os.close(fd)
        for s in self:
            s.close()


@pytest.fixture
def given():
    """given(addresses or sockets, names=..., pid=...)"""
    made = []

    def make(*what, **kw):
        made.append(Given(*(x if isinstance(x, socket.socket) else
                            socket.create_server(("127.0.0.1", x or 0))
                            for x in what), **kw))
        return made[-1]

    yield make
    for g in made:
        g.close()


def port(s):
    return s.getsockname()[1]


def inode(s):
    return f"socket:[{os.fstat(s.fileno()).st_ino}]"


def test_by_name(akkod, upstream, given):
    """Whatever its address: the manager knows better, and the log says so."""
    u = upstream()
    g = given(0, names=["web"])
    a = akkod(TWO, values={"upstream": u.port}, **g.options())
    assert not accepts(a.ports["web"])
    a.ports["web"] = port(g[0])
    assert [a.get().status for _ in range(4)] == [200] * 4
    a.wait_log('entry point "web": the service manager\'s socket of that name '
               "has another address")


@pytest.mark.parametrize("names", [(), ("akkod.socket",)])
def test_by_address(akkod, upstream, given, names):
    """It is the first worker's; the others get sockets of their own."""
    u = upstream()
    g = given(0, names=names)
    a = akkod(TWO, values={"upstream": u.port, "web": port(g[0])},
              **g.options())
    a.ports["web"] = port(g[0])
    for _ in range(40):
        assert a.get().status == 200
    assert all(w["requests"] for w in a.status()["workers"])
    assert inode(g[0]) in proc.fds(a.worker_pids()[0]).values()
    assert inode(g[0]) not in proc.fds(a.worker_pids()[1]).values()
    assert "belongs to" not in a.log and "is not used" not in a.log
    # Their number changes as ever.
    for n in (4, 1, 2):
        a.reload(TWO.replace("workers: 2", f"workers: {n}"))
        for _ in range(8):
            assert a.get().status == 200


def test_clients_wait_while_it_is_stopped(akkod, upstream, given):
    """Nothing is refused from one start to the next, under load."""
    u = upstream()
    g = given(0)
    values = {"upstream": u.port, "web": port(g[0])}
    a = akkod(TWO, values=values, **g.options())
    with Load(("127.0.0.1", port(g[0])), keep_alive=0, fresh=5) as load:
        assert a.command("stop").returncode == 0
        b = akkod(TWO, values=values, **g.options())
        load.wait(40)
    load.check(u)
    b.ports["web"] = port(g[0])
    assert b.get().status == 200


def test_an_entry_point_goes_and_comes_back(upgradable, given):  # noqa: F811
    """Also after an upgrade: nobody could bind the address anew."""
    g = given(0)
    a = upgradable(TWO, **g.options())
    number = port(g[0])
    a.values["web"] = number
    none = TWO.replace("@web@", "@other@")
    for _ in range(2):
        a.reload(TWO)
        a.ports["web"] = number
        assert [a.get().status for _ in range(6)] == [200] * 6
        a.reload(none)
        a.upgrade()
        proc.until(lambda: a.status()["old_workers"] is None, 15)
    a.reload(TWO)
    assert [a.get().status for _ in range(6)] == [200] * 6
    assert inode(g[0]) in proc.fds(a.pid).values()


def test_a_restart_after_a_crash(upgradable, given):  # noqa: F811
    """Orphans serve; the next one is given the same sockets again."""
    g = given(0)
    a = upgradable(TWO, **g.options())
    number = port(g[0])
    a.values["web"] = number
    a.reload(TWO)
    try:
        with Load(("127.0.0.1", number), keep_alive=3, fresh=3) as load:
            os.kill(a.process.pid, signal.SIGKILL)
            a.process.wait(5)
            b = Upgradable(a.dir, a.io, TWO, values=a.values, **g.options())
            load.wait(40)
            proc.until(lambda: b.status()["old_workers"] is None, 15)
            load.wait(20)
        load.check(a.upstream)
    finally:
        b.close()


def test_what_does_not_fit_is_named(akkod, upstream, given, tmp_path):
    u = upstream()
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "sock"))
    local.listen()
    g = given(0, local, socket.socket(), names=["wbe", "local", "idle"])
    a = akkod(TWO, values={"upstream": u.port}, **g.options())
    assert a.get().status == 200
    a.wait_log(rf'socket "wbe" of the service manager \(127.0.0.1, port '
               rf"{port(g[0])}\) is not used: no entry point has its name")
    a.wait_log('socket "local" of the service manager: it is not a TCP socket')
    a.wait_log('socket "idle" of the service manager: it does not listen')


def test_what_is_for_another_process_is_left_alone(akkod, upstream, given):
    u = upstream()
    g = given(0, names=["web"], pid=1)
    a = akkod(TWO, values={"upstream": u.port}, **g.options())
    assert a.get().status == 200
    assert "service manager" not in a.log


@pytest.fixture
def place():
    """A directory of nobody's, with a copy of the program."""
    path = Path(tempfile.mkdtemp(prefix="akkod-", dir="/var/tmp"))
    shutil.copy(PROGRAM, path / "program")
    os.chown(path, 65534, 65534)
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_port_that_the_user_may_not_bind(io, upstream, given, place):
    """All workers accept from the one socket there is."""
    u = upstream()
    for number in range(600, 700):
        try:
            g = given(number)
            break
        except OSError:
            continue
    options = g.options()
    options["prefix"] += ("setpriv", "--reuid=65534", "--regid=65534",
                          "--clear-groups", "--bounding-set=-all")
    a = Akkod(place, io, TWO, values={"upstream": u.port, "web": number},
              program=str(place / "program"), **options)
    a.ports["web"] = number
    try:
        for n in (2, 3, 1):
            a.reload(TWO.replace("workers: 2", f"workers: {n}"))
            assert len(a.worker_pids()) >= n
            for _ in range(10):
                assert a.get().status == 200
        assert a.stop() == 0
    finally:
        a.close()


def test_by_the_managers_own_tool(akkod, upstream):
    """systemd-socket-activate starts it with the first client."""
    u = upstream()
    number = free_port()
    a = akkod(TWO, values={"upstream": u.port, "web": number}, wait=False,
              prefix=("systemd-socket-activate", "-E", "AKKOD_IO", "-l",
                      f"127.0.0.1:{number}", "--fdname=web"))
    a.ports["web"] = number
    proc.until(lambda: accepts(number))
    # systemd-socket-activate takes the word of the first one only.
    proc.until(a.answers, 15)
    assert [a.get().status for _ in range(6)] == [200] * 6


def test_unit_files(tmp_path):
    """As systemd reads them; the program stands where it was built."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/akkod", PROGRAM)
        # A build may stand where ProtectHome= hides it.
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
         *map(str, tmp_path.iterdir())], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"akkod\.(service|socket):\d+", done.stderr), \
        done.stderr
