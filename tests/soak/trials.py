# SPDX-License-Identifier: BSD-2-Clause
"""What is done to an akkod under load; see soak.py. One function per round."""
import hashlib
import os
import random
import resource
import signal
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import PROGRAM
from harness.client import Client
from harness.faults import YEAR, Clock, Disk
from harness.kinds import STREAMS, serve
from harness.pki import Authority
from harness.upstream import Upstream, echo

OTHER = os.environ.get("AKKOD_OTHER", PROGRAM)
CLIENTS = 3 + 2 + STREAMS + 1		# of Kinds: requests that may be under way
STATIC = """\
log: {level: INFO}
entryPoints:
  web: {address: "127.0.0.1:@web@", transport: &t {lifeCycle: {graceTimeOut: 5s}}}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}, transport: *t}
"""


@dataclass
class Trial:
    id: str
    name: str
    rounds: int
    step: Callable
    prepare: Callable = None
    end: Callable = None
    clean: Callable = None
    cuts: bool = False		# tunnels may end: another process serves


def text(workers, router="all", more=""):
    return STATIC + f"akkod: {{workers: {workers}}}\n" + more + \
        ONE_SERVICE.replace("all:", f"{router}:")


def settled(run):
    """Nothing of a process of before is there."""
    proc.until(lambda: run.s.status()["old_workers"] is None, 40, "the old ones")


def running(run, n):
    return proc.until(lambda: sum(
        w["generation"] > 0 for w in run.s.status()["workers"]) == n, 60,
        f"{n} workers")


# -- configuration ---------------------------------------------------------------

# Twenty kinds of mistakes, each of which refuses the whole reload.
WRONG = [
    "http: [", "\tx: y\n", "{", "http: {routers: 7}\n", "entryPoints: 7\n",
    "entryPoints: {web: {address: nonsense}}\n",
    "entryPoints: {web: {address: ':0'}}\n",
    "entryPoints: {web: {address: ':80/udp'}}\n",
    "entryPoints: {web: {adress: ':80'}}\n",
    "log: {level: {}}\n", "log: []\n", "akkod: {workers: 65}\n",
    "akkod: {workers: -1}\n", "akkod: {orphanGrace: -1s}\n",
    "akkod: {io: kqueue}\n", "http: {routers: {a: {rulle: x}}}\n",
    "http: &a {routers: *b}\n", "a: 1\na: 2\n", "? [a]: b\n",
    "http: {services: {a: {loadBalancer: {servers: {}}}}}\n",
]


def reload(run, n):
    if n % 2 == 1:
        bad = WRONG[n // 2 % len(WRONG)]
        run.s.config.write_text(bad)
        done = run.s.command("reload")
        assert done.returncode == 1, (bad, done.stdout)
        assert done.stderr.strip(), bad
    run.s.reload(text(2, f"r{n}"))
    time.sleep(random.random() / 2)


def resize(run, n):
    run.s.reload(text(random.choice((1, 2, 3, 4))))
    time.sleep(random.random())


def churn_text(run, n):
    """The first n of the servers, and one of its own for the tunnel."""
    urls = ", ".join(f'{{url: "http://127.0.0.1:{u.port}"}}'
                     for u in run.servers[:n])
    return STATIC + f"""akkod: {{workers: 2}}
http:
  routers:
    all: {{rule: "PathPrefix(`/`)", service: app}}
    ws: {{rule: "PathPrefix(`/ws`)", service: ws}}
  services:
    app: {{loadBalancer: {{servers: [{urls}]}}}}
    ws: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:@upstream@"}}]}}}}
"""


def churn_start(run):
    run.servers = [Upstream(echo) for _ in range(50)]
    for u in run.servers:
        u.requests = run.upstream.requests
    run.start(churn_text(run, 1))


def churn(run, n):
    """1 to 50 and back, 20 changes a second; who leaves serves on."""
    for k in (*range(1, 51), *range(49, 0, -1)):
        start = time.monotonic()
        run.s.write(churn_text(run, k))
        os.kill(run.s.pid, signal.SIGHUP)
        time.sleep(max(0, start + 0.05 - time.monotonic()))


def churn_clean(run):
    for u in run.servers:
        u.close()


def certificates_start(run):
    run.ca = Authority(run.dir / "pki")
    run.made = [run.ca.leaf("a.test", file=run.dir / f"pki/n{n}")
                for n in range(20)]
    run.pair = run.ca.leaf("a.test", file=run.dir / "pki/used")
    run.start(text(2, more=f"""
tls:
  certificates: [{{certFile: {run.pair[0]}, keyFile: {run.pair[1]}}}]
"""))
    run.serials, run.failed, run.stop = set(), [], threading.Event()
    run.shaken = 0
    context = ssl.create_default_context(cafile=str(run.ca.file))

    def client():
        while not run.stop.is_set():
            try:
                with Client(("127.0.0.1", run.s.ports["websecure"]), tls=True,
                            context=context) as c:
                    run.serials.add(c.sock.getpeercert()["serialNumber"])
                    assert c.request("GET", "/").status == 200
                    run.shaken += 1
            except (OSError, EOFError, AssertionError) as e:
                run.failed.append(f"{type(e).__name__} {e}")

    run.client = threading.Thread(target=client)
    run.client.start()


def certificates(run, n):
    """Ten changes in a second; every fourth is broken or half written."""
    for k in range(10):
        start = time.monotonic()
        crt, key = run.made[(10 * n + k) % len(run.made)]
        if k % 4 == 3:
            run.pair[0].write_bytes(b"-----BEGIN")
        else:
            run.pair[0].write_bytes(crt.read_bytes())
            if k % 4 != 2:
                run.pair[1].write_bytes(key.read_bytes())
        os.kill(run.s.pid, signal.SIGHUP)
        time.sleep(max(0, start + 0.1 - time.monotonic()))


def certificates_end(run):
    run.stop.set()
    run.client.join()
    run.load.lost += [(0, x) for x in run.failed]
    run.notes.append(f"{run.shaken} verified handshakes, "
                     f"{len(run.serials)} certificates seen")


# -- processes -------------------------------------------------------------------

def upgrade(run, n):
    done = run.s.command("upgrade", "--binary",
                         OTHER if n % 2 == 0 else PROGRAM)
    assert done.returncode == 0, done.stderr
    settled(run)


def failing_upgrade(run, n):
    """One that ends at once, one that hangs."""
    path = run.dir / "program"
    path.write_text("#!/bin/sh\n" + ("exit 1" if n % 2 else "exec sleep 99"))
    path.chmod(0o755)
    done = run.s.command("upgrade", "--binary", str(path))
    assert done.returncode == 1 and "serves on" in done.stderr, done.stderr


def victims(run):
    return [w for w in run.s.status()["workers"] if w["state"] == "running"]


def kill_worker(run, n):
    """Stopped, counted, killed: as many connections as it has may be lost."""
    start = time.monotonic()
    pid = random.choice(victims(run))["pid"]
    os.kill(pid, signal.SIGSTOP)
    proc.until(lambda: proc.state(pid) == "T")
    held = next(w for w in run.s.status()["workers"] if w["pid"] == pid)
    os.kill(pid, signal.SIGKILL)
    # The one of HTTP/2 carries many; io_uring may have accepted some more.
    run.allowed += held["connections"] + STREAMS - 1 + \
        (2 if run.io == "uring" else 0)
    time.sleep(max(0, start + 2 - time.monotonic()))


def crash_worker(run, n):
    os.kill(random.choice(victims(run))["pid"], signal.SIGSEGV)
    run.allowed += CLIENTS
    time.sleep(0.5)


def four_workers(run):
    run.start(text(4))


def crash_end(run):
    running(run, 4)


def kill_master(run, n):
    os.kill(run.s.pid, signal.SIGKILL)
    time.sleep(random.random() * 2)
    done = run.s.start()
    assert done.returncode == 0, done.stderr
    settled(run)


def controller_start(run):
    run.start(text(2, more="") + """
    named: {loadBalancer: {servers: [{url: "http://no-such-name.test"}]}}
""")


def stand_still(run, n):
    """The master or the controller for a minute; with what a master does."""
    pid = run.s.pid
    if n % 2:
        pid = [k for k in proc.children(pid) if proc.alive(k) and
               proc.argv(k)[1:2] == ["controller"]][0]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(60)
    os.kill(pid, signal.SIGCONT)
    run.s.reload()
    running(run, 2)


def front(run, n):
    """A balancer that sends for 4 s after readiness dropped; then the end."""
    s, load = run.s, run.load
    start = time.monotonic()
    os.kill(s.pid, signal.SIGTERM)
    pid = s.pid
    proc.until(lambda: s.get("/ping", entry_point="ping").status == 503)
    time.sleep(4)
    # Its clients go to another one now.
    load.stopping = True
    for t in load.threads:
        t.join(30)
    proc.until(lambda: not proc.alive(pid), 30, "the end")
    run.notes.append(f"ended {time.monotonic() - start:.1f} s after SIGTERM")
    assert s.start().returncode == 0
    load.stopping = False
    load.threads = again(load)
    for t in load.threads:
        t.start()
    load.wait(60)


def again(load):
    """A thread runs once: others with the same work."""
    return [threading.Thread(target=f, daemon=True) for f in
            [load.keep_alive] * 3 + [load.fresh] * 2 + [load.h2, load.tunnel]]


def front_start(run):
    life = "transport: {lifeCycle: {requestAcceptGraceTimeout: 5s, " \
        "graceTimeOut: 10s}}"
    run.start(f"""\
log: {{level: INFO}}
entryPoints:
  web: {{address: "127.0.0.1:@web@", {life}}}
  websecure: {{address: "127.0.0.1:@websecure@", http: {{tls: {{}}}}, {life}}}
  ping: {{address: "127.0.0.1:@ping@", {life}}}
ping: {{entryPoint: ping}}
akkod: {{workers: 2}}
""" + ONE_SERVICE)


# -- machine -----------------------------------------------------------------------

def disk_start(run):
    run.disk = Disk(run.dir / "disk", "4m")
    run.start(text(2, more=f"accessLog: {{filePath: {run.disk.path}/a.log}}\n")
              .replace("level: INFO", f"level: DEBUG, filePath: "
                       f"{run.disk.path}/akkod.log"))


def disk(run, n):
    """Full for a minute; when there is room lines are written again."""
    run.disk.full()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        run.s.reload(text(2, f"d{n}", more="accessLog: {filePath: "
                          f"{run.disk.path}/a.log}}\n").replace(
            "level: INFO", f"level: DEBUG, filePath: {run.disk.path}/akkod.log"))
        time.sleep(5)
    dropped = sum(w["access_log_dropped"] for w in run.s.status()["workers"])
    assert dropped > 0
    for name in ("a.log", "akkod.log"):
        (run.disk.path / name).write_bytes(b"")
    run.disk.roomy()
    proc.until(lambda: (run.disk.path / "a.log").stat().st_size > 0)
    run.notes.append(f"{dropped} lines of access log lost")


def disk_clean(run):
    run.disk.close()


def clock_start(run):
    run.clock = Clock()
    run.start(program=str(run.clock.program))


def set_clock(run, n):
    """Ten years ahead, ten back, and in between anything."""
    years = (10, -10, random.uniform(-10, 10), 0)[n % 4]
    run.clock.ahead(int(years * YEAR))
    run.load.wait(200)
    run.s.reload(text(2, f"c{n}"))
    run.load.wait(200)
    if n % 4 == 2:
        assert run.s.command("upgrade", "--binary",
                             str(run.clock.program)).returncode == 0
        settled(run)


def clock_clean(run):
    run.clock.close()


def descriptors_start(run):
    run.start(prefix=("prlimit", "--nofile=400:400"))


def descriptors(run, n):
    """A crowd takes all that there are; those who are served stay so."""
    crowd = []
    for _ in range(300):
        try:
            crowd.append(Client(("127.0.0.1", run.s.ports["web"]), timeout=1))
        except OSError:
            break
    time.sleep(0.5)
    run.s.reload(text(2, f"f{n}"))
    for c in crowd:
        c.close()
    run.load.wait(100)


def descriptors_end(run):
    assert "connections: no more are taken" in run.s.log
    # Who connects while it is full is closed at once: that is the limit.
    run.allowed = sum(n == 0 for n, _ in run.load.lost)


GROUP = Path(f"/sys/fs/cgroup/akkod-soak-{os.getpid()}")
GROUP_V1 = Path(f"/sys/fs/cgroup/memory/akkod-soak-{os.getpid()}")


def memory_start(run):
    run.group = GROUP if Path("/sys/fs/cgroup/cgroup.controllers").exists() \
        else GROUP_V1
    if run.group == GROUP:
        Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+memory")
    run.group.mkdir(exist_ok=True)
    run.start(prefix=("sh", "-c", f'echo $$ > {run.group}/cgroup.procs; '
                      'exec "$@"', "sh"))


def squeeze(run, n):
    """The group may have hardly more than it uses, and gives back what it can."""
    v2 = run.group == GROUP
    limit = run.group / ("memory.high" if v2 else "memory.limit_in_bytes")
    used = int((run.group / ("memory.current" if v2 else
                             "memory.usage_in_bytes")).read_text())
    limit.write_text(str(used + (2 << 20)))
    try:
        if v2:
            (run.group / "memory.reclaim").write_text(str(used // 4))
        else:
            (run.group / "memory.force_empty").write_text("0")
    except OSError:
        pass				# less could be had than was asked for
    run.load.wait(300)
    run.s.reload(text(2, f"m{n}"))
    run.load.wait(100)
    limit.write_text("max" if v2 else "-1")


def memory_clean(run):
    proc.until(lambda: not (run.group / "cgroup.procs").read_text(), 20)
    run.group.rmdir()


# -- transfers ----------------------------------------------------------------------

GIB = 1 << 30
RATE = 64 << 20				# bytes/s, so that it lasts


def transfer_serve(c, r):
    if r.target == "/down":
        piece, left = os.urandom(1 << 20), r_size(r)
        digest = hashlib.sha256()
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Sum: " % left +
               hashlib.sha256(piece).hexdigest().encode() + b"\r\n\r\n")
        start, sent = time.monotonic(), 0
        while left > 0:
            c.send(piece)
            digest.update(piece)
            left -= len(piece)
            sent += len(piece)
            pace(start, sent)
        transfer_serve.sent = digest.hexdigest()
        return None
    return serve(c, r)


def r_size(r):
    return int(r["X-Size"] or GIB)


def pace(start, sent):
    ahead = sent / RATE - (time.monotonic() - start)
    if ahead > 0.005:
        time.sleep(ahead)


class Sink:
    """A server that takes an upload and tells its digest; reads as it comes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        head = b""
        while b"\r\n\r\n" not in head:
            head += c.recv(65536)
        head, _, data = head.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
        digest, left = hashlib.sha256(data), size - len(data)
        while left > 0:
            data = c.recv(1 << 20)
            if not data:
                return
            digest.update(data)
            left -= len(data)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" +
                  digest.hexdigest().encode())
        c.close()


def transfer_start(run):
    run.sink = Sink()
    run.upstream.serve = transfer_serve
    run.values["sink"] = run.sink.port
    run.text = text(2).replace("graceTimeOut: 5s", "graceTimeOut: 120s") \
        .replace("  services:", """\
    up: {rule: "PathPrefix(`/up`)", service: sink}
  services:
    sink: {loadBalancer: {servers: [{url: "http://127.0.0.1:@sink@"}]}}""")
    run.start(run.text)


def upload(run, result):
    piece = os.urandom(1 << 20)
    digest = hashlib.sha256()
    with Client(("127.0.0.1", run.s.ports["web"]), timeout=120) as c:
        c.send(b"POST /up HTTP/1.1\r\nHost: a.test\r\n"
               b"Content-Length: %d\r\n\r\n" % GIB)
        start = time.monotonic()
        for n in range(GIB // len(piece)):
            c.send(piece)
            digest.update(piece)
            pace(start, (n + 1) * len(piece))
        r = c.response("POST")
        result["up"] = r.status == 200 and r.text == digest.hexdigest()


def download(run, result):
    digest, left = hashlib.sha256(), GIB
    with Client(("127.0.0.1", run.s.ports["websecure"]), tls=True,
                timeout=120) as c:
        c.send(b"GET /down HTTP/1.1\r\nHost: a.test\r\n\r\n")
        r = c.head()
        assert r.status == 200
        data, c.buffer = c.buffer, b""
        while True:
            digest.update(data)
            left -= len(data)
            if left <= 0:
                break
            data = c.sock.recv(1 << 20)
            if not data:
                break
    proc.until(lambda: hasattr(transfer_serve, "sent"), 10)
    result["down"] = left == 0 and digest.hexdigest() == transfer_serve.sent


def transfer(run, n):
    """1 GiB each way over reloads, an upgrade, and the end with its drain."""
    result = {}
    vars(transfer_serve).pop("sent", None)
    threads = [threading.Thread(target=f, args=(run, result), daemon=True)
               for f in (upload, download)]
    for t in threads:
        t.start()
    time.sleep(1)
    if n % 3 == 0:
        for k in range(10):
            run.s.reload(run.text.replace("all:", f"t{k}:"))
            time.sleep(0.5)
    elif n % 3 == 1:
        assert run.s.command("upgrade").returncode == 0
    else:
        run.load.stopping = True
        for t in run.load.threads:
            t.join(30)
        done = run.s.command("stop", timeout=200)
        assert done.returncode == 0, done.stderr
    for t in threads:
        t.join(200)
    assert result == {"up": True, "down": True}, result
    if n % 3 == 1:
        proc.until(lambda: run.s.status()["old_workers"] is None, 150)
    elif n % 3 == 2:
        assert run.s.start().returncode == 0
        run.load.stopping = False
        run.load.threads = again(run.load)
        for t in run.load.threads:
            t.start()
        run.load.wait(50)


def no_core_files():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


no_core_files()

TRIALS = [
    Trial("T-01", "and T-02: reloads, every second after a bad one", 200,
          reload),
    Trial("T-03", "a worker killed every 2 s", 30, kill_worker, four_workers,
          crash_end, cuts=True),
    Trial("T-04", "20 crashes in 10 s", 20, crash_worker, four_workers,
          crash_end, cuts=True),
    Trial("T-05", "master killed", 20, kill_master, cuts=True),
    Trial("T-06", "upgrades, half of them to another build", 100, upgrade,
          cuts=True),
    Trial("T-06b", "upgrades to what ends or hangs", 10, failing_upgrade),
    Trial("T-07", "SIGTERM behind a balancer", 3, front, front_start,
          cuts=True),
    Trial("T-08", "1 to 50 servers and back", 6, churn, churn_start,
          clean=churn_clean),
    Trial("T-09", "certificates every 100 ms", 60, certificates,
          certificates_start, certificates_end),
    Trial("T-11", "master, then controller stopped for 60 s", 2, stand_still,
          controller_start),
    Trial("T-12", "full disks for 60 s", 1, disk, disk_start,
          clean=disk_clean),
    Trial("T-13", "the clock set by up to 10 years", 40, set_clock,
          clock_start, clean=clock_clean, cuts=True),
    Trial("T-14", "number of workers", 60, resize, cuts=True),
    Trial("T-16", "1 GiB each way over reloads, upgrade, stop", 3, transfer,
          transfer_start, cuts=True),
    Trial("files", "no descriptor is left", 20, descriptors,
          descriptors_start, descriptors_end, cuts=True),
    Trial("memory", "memory pressure", 30, squeeze, memory_start,
          clean=memory_clean),
]
