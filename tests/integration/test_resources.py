# SPDX-License-Identifier: BSD-2-Clause
"""What runs out: descriptors, the disk of the logs, the runtime directory."""
import itertools
import json
import os
import signal
import subprocess
import time

import pytest

from harness.akkod import PROGRAM
from harness.proc import cpu, fds, until

BACK = """
http:
  routers:
    own: {rule: "Path(`/own`)", service: noop@internal, priority: 99}
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""
STATIC = """
entryPoints: {web: {address: "127.0.0.1:@web@"}}
akkod: {workers: 1}
"""


@pytest.fixture
def serve(akkod, upstream):
    def start(static, **options):
        u = upstream()
        a = akkod(static + BACK, values={"upstream": u.port}, **options)
        a.upstream = u
        return a
    return start


def test_disk_of_the_access_log_is_full(serve):
    """Lines are lost and counted, requests are not."""
    a = serve(STATIC + "log: {level: WARN}\n"
              "accessLog: {filePath: /dev/full}\n")
    with a.client() as c:
        for n in range(50):
            assert c.request("GET", f"/{n}").status == 200
    worker, = a.status()["workers"]
    until(lambda: a.status()["workers"][0]["access_log_dropped"] == 50,
          what="the count of lost lines")
    assert worker["restarts"] == 0
    assert "No space left on device: lines are lost" in a.log


def test_disk_of_the_log_is_full(serve):
    a = serve(STATIC + "log: {level: DEBUG, filePath: /dev/full}\n")
    assert a.get("/").status == 200
    a.reload()
    assert a.get("/").status == 200
    assert a.status()["log_dropped"] > 0
    assert "log: " in a.command("status").stdout


def test_log_is_opened_again(serve, tmp_path):
    """SIGUSR1 after somebody made room: lines are written again."""
    link = tmp_path / "a.log"
    link.symlink_to("/dev/full")
    a = serve(STATIC + f"accessLog: {{filePath: {link}}}\n")
    assert a.get("/before").status == 200
    until(lambda: a.status()["workers"][0]["access_log_dropped"] == 1,
          what="the lost line")
    link.unlink()
    a.process.send_signal(signal.SIGUSR1)
    until(link.exists, what="the new file")
    n = itertools.count()
    until(lambda: a.get(f"/after{next(n)}").status == 200 and
          "/after" in link.read_text(), what="a line in it")
    assert "/before" not in link.read_text()


def crowd(a, n):
    """Many connections that say nothing, as many as there can be."""
    clients = []
    for _ in range(n):
        try:
            clients.append(a.client(timeout=2))
        except OSError:
            break
    return clients


def works(a):
    try:
        return a.get("/works").status == 200
    except OSError:
        return False


def test_few_descriptors_bound_the_connections(serve):
    """A low limit leaves room for servers and for the master's messages."""
    a = serve(STATIC + "log: {level: INFO}\n",
              prefix=["prlimit", "--nofile=160:160"])
    assert "the limit of open files allows 41 connections per worker" in a.log
    with a.client() as first:
        assert first.request("GET", "/1").status == 200
        clients = crowd(a, 100)
        until(lambda: "41 connections: no more are taken" in a.log)
        assert first.request("GET", "/2").status == 200
        a.reload()
        for c in clients:
            c.close()
    until(lambda: works(a), what="service after the crowd has gone")
    assert a.status()["workers"][0]["restarts"] == 0


def test_descriptors_run_out(akkod, upstream):
    """Idle connections to servers make room; reloads get through."""
    def slow(c, r):
        time.sleep(0.2)
        c.answer(200)

    servers = [upstream(slow) for _ in range(5)]
    routers = "".join(
        f"    r{n}: {{rule: \"Host(`s{n}.test`)\", service: s{n}}}\n"
        for n in range(5))
    services = "".join(
        f"    s{n}: {{loadBalancer: {{servers: [{{url: \"{u.url}\"}}]}}}}\n"
        for n, u in enumerate(servers))

    def text(path):
        return STATIC + f"""log: {{level: WARN}}
http:
  routers:
    own: {{rule: "Path(`{path}`)", service: noop@internal, priority: 99}}
{routers}  services:
{services}"""

    a = akkod(text("/own"), prefix=["prlimit", "--nofile=160:160"])
    pid, = a.worker_pids()
    clients = [a.client() for _ in range(35)]
    most = 0
    for turn in range(2):
        for n in range(5):
            for c in clients:
                c.send(f"GET /{turn} HTTP/1.1\r\nHost: s{n}.test\r\n\r\n".encode())
            for c in clients:
                assert c.response("GET").status == 200
            most = max(most, len(fds(pid)))
            a.reload(text(f"/own{turn}{n}"))
            assert clients[0].request("GET", f"/own{turn}{n}").status == 418
    assert most > 140, "the limit was not reached"
    # Eight are kept for messages; with what came they are kept again.
    assert len(fds(pid)) <= 160
    start, before = time.monotonic(), cpu(pid)
    time.sleep(0.5)
    assert cpu(pid) - before < 0.5 * (time.monotonic() - start)
    for c in clients:
        c.close()
    worker, = a.status()["workers"]
    assert worker["restarts"] == 0 and worker["pid"] == pid


def test_runtime_directory_cannot_be_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    done = subprocess.run(
        [PROGRAM, "start", "--runtime-dir", f"{file}/run", "--state-dir",
         str(tmp_path / "state")], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f'runtime directory "{file}/run": Not a directory (choose another ' \
        "with --runtime-dir)" in done.stderr


def test_state_directory_cannot_be_written(serve, tmp_path):
    """The local CA lives in memory then, and the log says so."""
    a = serve(STATIC.replace('"127.0.0.1:@web@"', '"127.0.0.1:@web@", http: {tls: {}}')
              + "log: {level: WARN}\n", args=["--state-dir", "/proc/nope"])
    assert a.get("/own", tls=True).status == 418
    assert "the local CA lives in memory only" in a.log
    assert not os.path.exists("/proc/nope")


def test_local_ca_that_is_broken_is_not_overwritten(akkod, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "local-ca.pem").write_text("broken\n")
    (state / "local-ca.key").write_text("broken\n")
    a = akkod("""
entryPoints: {web: {address: "127.0.0.1:@web@", http: {tls: {}}}}
log: {level: WARN}
http: {routers: {own: {rule: "Path(`/own`)", service: noop@internal}}}
""", args=["--state-dir", str(state)])
    assert a.get("/own", tls=True).status == 418
    assert "the local CA lives in memory only" in a.log
    assert (state / "local-ca.pem").read_text() == "broken\n"
    done = subprocess.run([PROGRAM, "ca", "--state-dir", str(state)],
                          capture_output=True, text=True)
    assert done.returncode == 1 and f'local CA in "{state}"' in done.stderr
    json.loads(a.command("status", "--json").stdout)
