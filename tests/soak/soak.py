# SPDX-License-Identifier: BSD-2-Clause
"""The life cycle for long: nothing that was asked may be lost.

    make soak                    both backends
    AKKOD=... soak.py uring      one; AKKOD_OTHER is a program built otherwise,
                                 which every second upgrade goes to

Prints one row of a table per trial; ends with 1 when something was lost that
its formula does not allow. tests/soak/README.md has the last results.
"""
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from conftest import ONE_SERVICE  # noqa: E402
from harness import proc  # noqa: E402
from harness.akkod import PROGRAM  # noqa: E402
from harness.load import Load  # noqa: E402
from harness.service import Service  # noqa: E402
from harness.upstream import Upstream  # noqa: E402

OTHER = os.environ.get("AKKOD_OTHER", PROGRAM)


def text(workers, router="all"):
    return f"akkod: {{workers: {workers}}}\nlog: {{level: INFO}}\n" \
        "entryPoints: {web: {address: \"127.0.0.1:@web@\"}}\n" + \
        ONE_SERVICE.replace("all:", f"{router}:")


def memory(pids):
    return sum(int(proc.status(p)["VmRSS"].split()[0]) for p in pids)


class Trial:
    """One akkod under load; rounds() of something are done to it."""

    def __init__(self, name, io, rounds, allowed=lambda t: 0, workers=2):
        self.name, self.io, self.rounds = name, io, rounds
        self.allowed, self.workers = allowed, workers

    def run(self, step):
        upstream = Upstream()
        upstream.requests = Few()
        with tempfile.TemporaryDirectory() as d:
            s = Service(Path(d) / "akkod", self.io, text(self.workers),
                        values={"upstream": upstream.port})
            done = s.start()
            assert done.returncode == 0, done.stderr
            start = time.monotonic()
            try:
                with Load(("127.0.0.1", s.ports["web"]), keep_alive=6,
                          fresh=4) as load:
                    for n in range(self.rounds):
                        step(s, n)
                        if n == min(10, self.rounds // 4):
                            first = self.held(s)
                    last = self.held(s)
            finally:
                s.close()
        upstream.close()
        lost, allowed = len(load.lost), self.allowed(self)
        times = sorted(t for _, t in load.times)
        print(f"| {self.name} | {self.io} | {self.rounds} | {load.done} | "
              f"{lost} of {allowed} allowed | "
              f"{times[len(times) // 2] * 1000:.1f} / "
              f"{times[len(times) * 99 // 100] * 1000:.1f} | "
              f"{first[0]} -> {last[0]} | "
              f"{first[1] // 1024} -> {last[1] // 1024} | "
              f"{time.monotonic() - start:.0f} |", flush=True)
        for n, why in load.lost[:3] if lost > allowed else ():
            print("lost:", n, why)
        return lost <= allowed

    @staticmethod
    def held(s):
        """Descriptors and KB of the master and its workers."""
        pids = [s.pid, *(p for p in s.worker_pids() if p)]
        return sum(len(proc.fds(p)) for p in pids), memory(pids)


class Few(list):
    """A list of requests that does not grow for ever."""

    def append(self, x):
        if len(self) < 10:
            super().append(x)


def reload(s, n):
    if n % 3 == 2:
        s.config.write_text("http: [")
        assert s.command("reload").returncode == 1
    s.reload(text(2, f"r{n}"))
    time.sleep(random.random() / 4)


def resize(s, n):
    s.reload(text(random.choice((1, 2, 3, 4))))
    time.sleep(random.random())


def upgrade(s, n):
    done = s.command("upgrade", "--binary", OTHER if n % 2 == 0 else PROGRAM)
    assert done.returncode == 0, done.stderr
    proc.until(lambda: s.status()["old_workers"] is None, 30, "the old ones")


def kill_worker(s, n):
    pids = s.worker_pids()
    pid = pids[n % 2]
    if pid:
        os.kill(pid, signal.SIGKILL)
    # Fewer than five a minute and worker: no back-off.
    time.sleep(13)


def kill_master(s, n):
    os.kill(s.pid, signal.SIGKILL)
    time.sleep(random.random() * 2)
    done = s.start()
    assert done.returncode == 0, done.stderr
    proc.until(lambda: s.status()["old_workers"] is None, 30, "the orphans")


def main():
    good = True
    short = "--short" in sys.argv
    which = [x for x in sys.argv[1:] if not x.startswith("-")]
    print("| trial | backend | rounds | requests | lost | p50 / p99 ms | "
          "descriptors | MB | s |\n"
          "|---|---|---|---|---|---|---|---|---|", flush=True)
    for io in which or ("uring", "epoll"):
        for name, step, rounds, allowed in (
                ("T-01, T-02 reload", reload, 200, lambda t: 0),
                ("T-14 number of workers", resize, 60, lambda t: 0),
                ("T-06 upgrade", upgrade, 100, lambda t: 0),
                # One request of each client, and what a dying ring accepts.
                ("T-03 worker killed", kill_worker, 6, lambda t: 10 * t.rounds),
                ("T-05 master killed", kill_master, 20, lambda t: 0)):
            if short:
                rounds = max(2, rounds // 20)
            good &= Trial(name, io, rounds, allowed).run(step)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
