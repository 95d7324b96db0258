# SPDX-License-Identifier: BSD-2-Clause
"""How many workers: by configuration, by quota, changed while requests run."""
import os
import threading
import time
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.load import Load

CGROUP = Path("/sys/fs/cgroup")


def with_workers(n):
    return f"akkod: {{workers: {n}}}\n" + ONE_SERVICE


def running(a):
    return [w for w in a.status()["workers"] if w["state"] == "running"]


def test_up_and_down_under_load(akkod, upstream):
    """T-14: from one to four and back, twice."""
    u = upstream()
    a = akkod(with_workers(1), values={"upstream": u.port})
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=6, fresh=6) as load:
        for n in (4, 1, 3, 2):
            a.reload(with_workers(n))
            assert len(running(a)) == n
            load.wait(60)
        # Until the sockets of those that left are closed, and after.
        time.sleep(2.2)
        load.wait(60)
    load.check(u)
    assert [w["id"] for w in running(a)] == [0, 1]


def test_all_workers_take_part_after_a_growth(akkod, upstream):
    u = upstream()
    a = akkod(with_workers(1), values={"upstream": u.port})
    a.reload(with_workers(4))
    for _ in range(60):
        assert a.get().status == 200
    assert all(w["requests"] for w in a.status()["workers"])
    listening = len([x for x in proc.fds(a.process.pid).values()
                     if x.startswith("socket:")])
    a.reload(with_workers(1))
    for _ in range(20):
        assert a.get().status == 200
    # Two entry points with three sockets less each; three control sockets.
    proc.until(lambda: len([
        x for x in proc.fds(a.process.pid).values()
        if x.startswith("socket:")]) == listening - 9, 5, "sockets close")
    assert len(a.status()["workers"]) == 1


def test_a_leaving_worker_ends_what_it_has(akkod, upstream):
    """A request in flight there ends; its table is the newest meanwhile."""
    go = threading.Event()

    def slow(c, r):
        c.body(r)
        if r.target == "/slow":
            go.wait(10)
        c.answer(200, body=r.target)

    u = upstream(slow)
    a = akkod(with_workers(2), values={"upstream": u.port})
    while True:
        c = a.client()
        before = a.status()["workers"][1]["requests"]
        assert c.request("GET", "/").status == 200
        if a.status()["workers"][1]["requests"] > before:
            break
        c.close()
    pid = a.worker_pids()[1]
    c.send(b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
    proc.until(lambda: u.last.target == "/slow")
    a.reload(with_workers(1))
    w = a.status()["workers"]
    assert [x["state"] for x in w] == ["running", "leaving"]
    assert w[1]["pid"] == pid and w[1]["draining"]
    a.reload(ONE_SERVICE.replace("all:", "every:") +
             "akkod: {workers: 1}\n")
    proc.until(lambda: [x["generation"] for x in a.status()["workers"]] ==
               [2, 2], what="it follows the table")
    go.set()
    r = c.response()
    assert r.text == "/slow" and r["Connection"] is None
    proc.until(lambda: not proc.alive(pid), what="it ends")
    assert c.request("GET", "/").status == 200	# on the same connection
    a.wait_log(r"worker 1 \(pid \d+\) has left")
    assert a.status()["workers"][0]["restarts"] == 0


def test_growth_takes_a_slot_that_is_still_being_left(akkod, upstream):
    go = threading.Event()

    def slow(c, r):
        c.body(r)
        if r.target == "/slow":
            go.wait(10)
        c.answer(200)

    u = upstream(slow)
    a = akkod(with_workers(2), values={"upstream": u.port})
    clients = [a.client() for _ in range(8)]
    for c in clients:
        c.send(b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
    u.wait(8)
    old = a.worker_pids()
    a.reload(with_workers(1))
    a.reload(with_workers(2))
    for _ in range(10):
        assert a.get().status == 200	# a neighbour serves the second slot
    go.set()
    for c in clients:
        assert c.response().status == 200
        c.close()
    proc.until(lambda: len(running(a)) == 2 and
               a.worker_pids()[1] != old[1], 15, "a new one in the slot")
    assert a.worker_pids()[0] == old[0]
    for _ in range(10):
        assert a.get().status == 200


def test_one_per_cpu_by_default(akkod, upstream):
    u = upstream()
    a = akkod(ONE_SERVICE, values={"upstream": u.port})
    assert len(running(a)) <= len(os.sched_getaffinity(0))
    b = akkod(ONE_SERVICE, values={"upstream": u.port},
              prefix=("taskset", "-c", "0"))
    assert len(running(b)) == 1


@pytest.fixture
def quota():
    """A control group with a quota of CPU: its path, and a way to set it."""
    if (CGROUP / "cgroup.controllers").exists():
        group, v1 = CGROUP / "akkod-test", False
    else:
        group, v1 = CGROUP / "cpu" / "akkod-test", True
    inner = group / "inner"
    try:
        group.mkdir(exist_ok=True)
        inner.mkdir(exist_ok=True)
        if not v1:
            (CGROUP / "cgroup.subtree_control").write_text("+cpu")
    except OSError as e:
        pytest.skip(f"no control group can be made: {e}")

    def limit(cpus):
        if v1:
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text(str(int(cpus * 100000)))
        else:
            (group / "cpu.max").write_text(f"{int(cpus * 100000)} 100000")

    try:
        limit(0.7)
    except OSError as e:
        pytest.skip(f"no quota can be set: {e}")
    yield inner, limit
    for path in (inner, group):
        proc.until(lambda: not path.joinpath("cgroup.procs").read_text(),
                   what="the group is empty")
        path.rmdir()


def test_the_quota_of_a_group_around(akkod, upstream, quota):
    """A worker for each CPU that the quota pays for; a reload looks again."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU only")
    group, limit = quota
    u = upstream()
    a = akkod(ONE_SERVICE, values={"upstream": u.port}, prefix=(
        "sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"))
    assert len(running(a)) == 1
    limit(1.2)
    a.reload()
    assert len(running(a)) == 2
    a.stop()
