# SPDX-License-Identifier: BSD-2-Clause
"""Another program takes over while requests run (L-06, T-06)."""
import os
import re
import shutil
import signal
import ssl
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import PROGRAM, Akkod
from harness.load import Load


class Upgradable(Akkod):
    """An akkod whose process changes; `pid` is the one that serves."""

    @property
    def pid(self):
        return int((self.run_dir / "akkod.pid").read_text())

    def upgrade(self, *args, code=0):
        done = self.command("upgrade", *args)
        assert done.returncode == code, done.stdout + done.stderr + self.log
        return done.stdout + done.stderr

    def stop(self, seconds=30):
        """The first process, and whoever came after it."""
        last = self.pid if (self.run_dir / "akkod.pid").exists() else None
        if last is not None and last != self.process.pid:
            self.command("stop", "--now")
            proc.until(lambda: not proc.alive(last), 10, "the last one ends")
        return super().stop(seconds)


@pytest.fixture
def upgradable(io, tmp_path, upstream):
    running = []

    def start(config=ONE_SERVICE, serve=None, **kw):
        u = upstream(serve) if serve else upstream()
        a = Upgradable(tmp_path / f"akkod{len(running)}", io, config,
                       values={"upstream": u.port}, **kw)
        a.upstream = u
        running.append(a)
        return a

    yield start
    for a in running:
        a.close()


def with_workers(n, config=ONE_SERVICE):
    return f"akkod: {{workers: {n}}}\n" + config


def staying(a):
    """A client whose connection cannot move to another worker."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return a.client("websecure", tls=True, context=context)


def old_ones(a):
    return a.status()["old_workers"]


def test_upgrade_under_load(upgradable):
    a = upgradable(with_workers(2))
    first, workers = a.pid, a.worker_pids()
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=6, fresh=4) as load:
        said = a.upgrade()
        load.wait(60)
    load.check(a.upstream)
    assert a.pid != first and f"(pid {a.pid})" in said
    assert not set(a.worker_pids()) & set(workers)
    assert a.status()["pid"] == a.pid
    assert a.status()["generation"] == 2
    assert a.process.wait(15) == 0
    for pid in workers:
        assert not proc.alive(pid)
    proc.until(lambda: old_ones(a) is None, what="the end of the old ones")
    assert a.get().status == 200


def test_five_in_a_row(upgradable):
    """T-06: nothing is lost, and nothing is left behind."""
    a = upgradable(with_workers(2))
    counts = []
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=4, fresh=3) as load:
        for _ in range(5):
            a.upgrade()
            load.wait(30)
            # Idle clients of the old ones come over with their next request.
            proc.until(lambda: old_ones(a) is None, 20, "the old ones end")
            counts.append((len(proc.fds(a.pid)),
                           [len(proc.fds(p)) for p in a.worker_pids()]))
    load.check(a.upstream)
    assert counts[-1][0] == counts[0][0], counts
    a.reload(with_workers(2, ONE_SERVICE.replace("all:", "every:")))
    assert a.get().status == 200


# -- what goes over ------------------------------------------------------------------

def test_live_state_goes_over(upgradable):
    """Rate limits, counters and the names of their slots."""
    a = upgradable("""
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
    assert [a.get().status for _ in range(2)] == [200, 200]
    assert a.get(host="b.test").status == 200
    a.upgrade()
    assert [a.get().status for _ in range(2)] == [200, 429]
    assert a.get(host="b.test").status == 429
    # Each worker writes its own lines.
    assert sorted(x["RequestCount"] for x in a.access(6)) == \
        [1, 2, 3, 4, 5, 6]


def test_sessions_are_resumed_after_it(upgradable):
    """Ticket keys go over, so a client needs no full handshake."""
    import socket
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    a = upgradable()

    def connect(session=None):
        sock = socket.create_connection(("127.0.0.1", a.ports["websecure"]))
        s = context.wrap_socket(sock, server_hostname="a.test",
                                session=session)
        s.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
        return s

    with connect() as s:
        session = s.session
    with connect(session) as s:
        assert s.session_reused
    a.upgrade()
    with connect(session) as s:
        assert s.session_reused


def test_names_that_were_resolved_go_over(upgradable):
    """No request finds a service without servers because names are new."""
    a = upgradable(ONE_SERVICE.replace("127.0.0.1:@upstream@",
                                       "akkod.test:@upstream@"), wait=False)
    a.checked = False
    a.wait_ready()
    # Nobody answers for this name here; as if somebody had once.
    assert a.status()["names"].get("akkod.test", []) == []
    a.upgrade()
    assert "akkod.test" in a.status()["names"]


def test_requests_in_flight_end(upgradable):
    go = threading.Event()

    def slow(c, r):
        c.body(r)
        go.wait(10)
        c.answer(200, body="whole")

    a = upgradable(serve=slow)
    workers = a.worker_pids()
    with a.client() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        a.upstream.wait(1)
        a.upgrade()
        proc.until(lambda: (old_ones(a) or {}).get("connections") == 1,
                   what="the old connection is shown")
        assert old_ones(a)["workers"] >= 1
        # A second one would have no room for its workers.
        said = a.upgrade(code=1)
        assert "the workers of the last upgrade have not ended yet" in said
        go.set()
        r = c.response()
        assert r.body == b"whole" and r["Connection"] is None
        # Idle now, the connection moves: nothing keeps the old ones.
        for pid in workers:
            proc.until(lambda: not proc.alive(pid), what="an old worker ends")
        assert c.request("GET", "/").status == 200


def test_old_workers_follow_the_table(upgradable):
    """A change made afterwards applies to connections from before as well."""
    a = upgradable(with_workers(1))
    with staying(a) as c:
        assert c.request("GET", "/").status == 200
        a.upgrade()
        assert old_ones(a)["table"] == "current"
        a.reload(with_workers(1, "http: {routers: {}}\n"))
        time.sleep(0.1)
        r = c.request("GET", "/")
        assert r.status == 404 and r["Connection"] == "close"


def test_the_configuration_is_read_anew(upgradable):
    a = upgradable(with_workers(1))
    a.write("""
akkod: {workers: 3}
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  more: {address: "127.0.0.1:@more@"}
""" + ONE_SERVICE)
    a.upgrade()
    proc.until(lambda: [w["state"] for w in a.status()["workers"]] ==
               ["running"] * 3, what="as many workers as configured")
    for name in ("web", "more"):
        assert a.get(entry_point=name).status == 200
    assert {x["entry_point"] for x in a.status()["listeners"]} == \
        {"web", "more"}


def test_signal_and_service_manager(upgradable, tmp_path):
    from test_life_drain import Manager
    m = Manager(str(tmp_path / "notify"))
    a = upgradable(env={"NOTIFY_SOCKET": m.path})
    assert m.next("MAINPID")["MAINPID"] == str(a.process.pid)
    a.process.send_signal(signal.SIGUSR2)
    pid = m.next("MAINPID")["MAINPID"]
    assert m.next("READY")["MAINPID"] == pid != str(a.process.pid)
    proc.until(lambda: a.pid == int(pid))
    assert a.process.wait(15) == 0
    os.kill(int(pid), signal.SIGTERM)
    m.next("STOPPING")
    proc.until(lambda: not proc.alive(int(pid)), 15)
    m.sock.close()


def test_a_new_file_in_the_old_place(upgradable, tmp_path):
    """What a package manager does: the program is replaced, then upgraded."""
    mine = tmp_path / "akkod-program"
    shutil.copy(PROGRAM, mine)
    a = upgradable(program=str(mine))
    shutil.copy(PROGRAM, tmp_path / "new")
    (tmp_path / "new").rename(mine)
    a.upgrade()
    assert os.readlink(f"/proc/{a.pid}/exe") == str(mine)
    assert os.stat(f"/proc/{a.pid}/exe").st_ino == mine.stat().st_ino


def test_as_the_first_process_of_a_container(upgradable):
    """It must stay for as long as the container is to run."""
    a = upgradable(prefix=("unshare", "-pf", "--kill-child", "--mount-proc"),
                   wait=False)
    proc.until(a.answers, 10)
    inner = proc.children(a.process.pid)[0]
    assert proc.status(inner)["NSpid"].split()[-1] == "1"
    a.upgrade()
    with a.client() as c:
        assert c.request("GET", "/").status == 200
    assert a.pid != 1
    time.sleep(0.5)
    assert proc.alive(inner)
    assert a.get().status == 200
    # A signal for the first process is for whoever serves.
    os.kill(inner, signal.SIGTERM)
    assert a.process.wait(20) == 0


# -- what does not take over -----------------------------------------------------------

HANDOVER_H = Path(__file__).parents[2] / "master/handover.h"


def numbered(text):
    """With numbers for the names that stand in handover.h."""
    header = HANDOVER_H.read_text()
    names = re.search(r"enum handover_type {(.*?)}", header, re.S).group(1)
    number = {name: n for n, name in enumerate(
        re.findall(r"\bHO_\w+", names), 1)}
    number["HANDOVER_VERSION"] = re.search(
        r"HANDOVER_VERSION\s+(\d+)", header).group(1)
    return re.sub(r"\b(HO_[A-Z]+|HANDOVER_VERSION)\b",
                  lambda m: str(number[m.group()]), text)


FAKE = """#!{python}
import os, socket, struct, sys, time
s = socket.socket(fileno=3)
s.setblocking(True)

def send(kind, payload=b"", version=HANDOVER_VERSION):
    s.send(struct.pack("QIHH", 0x726f76646e61686b, version, kind,
                       len(payload)) + payload)

def hello(**kw):
    send(HO_HELLO, struct.pack("II32s", 1, 1, b"9.9"), **kw)

def until(kind):
    while True:
        data, fds, _, _ = socket.recv_fds(s, 4096, 64)
        if not data:
            sys.exit(9)
        for fd in fds:
            os.close(fd)
        if struct.unpack("QIHH", data[:16])[2] == kind:
            return

"""

BAD = {
    "missing": (None, "it cannot be executed: No such file or directory"),
    "not executable": ("", "it cannot be executed: Permission denied"),
    "no program": ("x", "it cannot be executed: Exec format error"),
    "a script that ends": ("#!/bin/sh\nexit 3\n", "it ended with status 3"),
    "a script that is killed": ("#!/bin/sh\nkill -9 $$\n",
                                "it was ended by signal 9"),
    "another version": (FAKE + "hello(version=7)\ntime.sleep(9)\n",
                        "it hands over in version 7, this program in HANDOVER_VERSION"),
    "garbage": (FAKE + "s.send(b'x' * 900)\ntime.sleep(9)\n",
                "it says what no akkod says"),
    "out of turn": (FAKE + "hello()\nsend(HO_TAKEN)\ntime.sleep(9)\n",
                    "it says what no akkod says"),
    "ends after hello": (FAKE + "hello()\nuntil(HO_LAST)\nsys.exit(5)\n",
                         "it ended with status 5"),
    "refuses": (FAKE + "hello()\nuntil(HO_LAST)\nsend(HO_REFUSE, b'no.'.ljust(1000, b'\\0'))"
                "\ntime.sleep(9)\n", "no."),
    "ends when it is its turn": (
        FAKE + "hello()\nuntil(HO_LAST)\nsend(HO_READY)\nuntil(HO_COMMIT)\nsys.exit(6)\n",
        "it ended with status 6"),
    "ends after it took over": (
        FAKE + "hello()\nuntil(HO_LAST)\nsend(HO_READY)\nuntil(HO_COMMIT)\nsend(HO_TAKEN)\n"
        "time.sleep(.2)\nos.kill(os.getpid(), 11)\n",
        "it was ended by signal 11"),
    "whose workers die": (
        FAKE + "hello()\nuntil(HO_LAST)\nsend(HO_READY)\nuntil(HO_COMMIT)\n"
        "send(HO_TAKEN)\nuntil(HO_PROBE)\n"
        "send(HO_HEALTH, struct.pack('III', 2, 2, 3))\ntime.sleep(9)\n",
        "3 of its workers died as soon as it had taken over"),
}


@pytest.mark.parametrize("name", BAD)
def test_roll_back(upgradable, tmp_path, name):
    """The old one goes on as if nothing had happened, and says why."""
    text, why = BAD[name]
    why = numbered(why)
    path = tmp_path / "program"
    if text is not None:
        path.write_text(numbered(text.replace("{python}", sys.executable)))
        path.chmod(0o755 if text else 0o644)
    a = upgradable(with_workers(2))
    pid, workers = a.pid, a.worker_pids()
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=3, fresh=2) as load:
        said = a.upgrade("--binary", str(path), code=1)
        assert why in said and "this program serves on" in said, said
        load.wait(20)
    load.check(a.upstream)
    assert a.pid == pid == a.process.pid and a.worker_pids() == workers
    assert a.status()["state"] == "running"
    # And it can still be reloaded and upgraded.
    a.reload(with_workers(2, ONE_SERVICE.replace("all:", "every:")))
    if name in ("ends after it took over", "whose workers die"):
        a.upgrade()
        assert a.get().status == 200 and a.pid != pid


@pytest.mark.slow
def test_one_that_says_nothing(upgradable, tmp_path):
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    a = upgradable()
    start = time.monotonic()
    said = a.upgrade("--binary", str(path), code=1)
    assert "did not say within 5 s that it is an akkod" in said
    assert time.monotonic() - start < 7
    assert a.get().status == 200


def test_a_configuration_that_the_new_one_cannot_read(upgradable):
    a = upgradable()
    good = a.config.read_text()
    a.config.write_text("http: [")
    said = a.upgrade(code=1)
    assert "akkod.yaml:2:1: error: not YAML" in said and "serves on" in said
    assert a.get().status == 200
    a.config.write_text(good)
    a.upgrade()
    assert a.get().status == 200


def test_a_port_that_the_new_one_cannot_have(upgradable):
    a = upgradable()
    a.write("""
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  more: {address: "127.0.0.1:@upstream@"}
""" + ONE_SERVICE)
    said = a.upgrade(code=1)
    assert 'entry point "more": cannot listen' in said
    assert a.get().status == 200


def test_stop_during_an_upgrade(upgradable, tmp_path):
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    a = upgradable()
    done = []
    t = threading.Thread(target=lambda: done.append(
        a.command("upgrade", "--binary", str(path))))
    t.start()
    a.wait_log("is to take over")
    assert "an upgrade is under way" in a.upgrade(code=1)
    assert a.command("reload").returncode == 1
    a.process.send_signal(signal.SIGTERM)
    assert a.process.wait(15) == 0
    t.join(5)
    assert done[0].returncode == 1 and "told to stop" in done[0].stderr


def test_a_new_one_that_is_killed_later(upgradable):
    """Its workers end in order; nothing of the old one comes back."""
    a = upgradable("akkod: {orphanGrace: 0}\n" + ONE_SERVICE)
    a.upgrade()
    assert a.process.wait(15) == 0
    pid, workers = a.pid, a.worker_pids()
    os.kill(pid, signal.SIGKILL)
    for w in workers:
        proc.until(lambda: not proc.alive(w), 15, "a worker ends")
    assert a.command("status").returncode == 3
    assert Path(a.run_dir / "akkod.pid").exists()
