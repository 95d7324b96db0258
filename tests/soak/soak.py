# SPDX-License-Identifier: BSD-2-Clause
"""The life cycle for long: nothing that was asked may be lost.

    make soak                          everything, on both backends
    AKKOD=... soak.py uring T-01 T-06  one backend, some of it
    AKKOD_OTHER=PROGRAM                built otherwise: every second upgrade
    soak.py --short                    a few rounds of everything

Prints one row of a table per trial; ends with 1 when something was lost that
its formula does not allow, or grew. tests/soak/README.md has the last results.
"""
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from harness import proc  # noqa: E402
from harness.kinds import Counted, Kinds, serve  # noqa: E402
from harness.service import Service  # noqa: E402
from harness.upstream import Upstream  # noqa: E402
from trials import TRIALS, text  # noqa: E402

HEAD = """\
| trial | backend | rounds | requests | messages | lost | cut | p50 / p99 ms | \
descriptors | MB | s |
|---|---|---|---|---|---|---|---|---|---|---|"""


class Run:
    """One akkod under all kinds of clients, and what a trial does to it.

    A trial sees `s`, the Service, `load`, `upstream`, `dir`, and adds to
    `allowed` what may be lost and to `notes` what else it has to say.
    """

    def __init__(self, io, directory, trial):
        self.io, self.dir, self.trial = io, Path(directory), trial
        self.allowed = 0
        self.notes = []
        self.upstream = Upstream(serve)
        self.upstream.requests = Counted()
        self.values = {"upstream": self.upstream.port}
        self.crashes = False

    def start(self, config=None, **kw):
        self.s = Service(self.dir / "akkod", self.io, config or text(2),
                         values=self.values)
        done = self.s.start(**kw)
        assert done.returncode == 0, done.stderr

    def held(self):
        """Descriptors and KB of the master and its workers."""
        pids = [self.s.pid, *(p for p in self.s.worker_pids() if p)]
        return (sum(len(proc.fds(p)) for p in pids),
                sum(int(proc.status(p)["VmRSS"].split()[0]) for p in pids))

    def go(self, rounds):
        trial = self.trial
        if trial.prepare is not None:
            trial.prepare(self)
        else:
            self.start()
        first = last = (0, 0)
        start = time.monotonic()
        try:
            ports = self.s.ports
            with Kinds(ports["web"], ports["websecure"]) as self.load:
                for n in range(rounds):
                    trial.step(self, n)
                    if n == min(10, rounds // 4):
                        first = self.held()
                last = self.held()
                if trial.end is not None:
                    trial.end(self)
        finally:
            self.s.close()
            self.upstream.close()
            if trial.clean is not None:
                trial.clean(self)
        return self.row(rounds, first, last, time.monotonic() - start)

    def row(self, rounds, first, last, seconds):
        load, trial = self.load, self.trial
        times = sorted(t for _, t in load.times)
        print(f"| {trial.id} {trial.name} | {self.io} | {rounds} | {load.done} "
              f"| {load.messages} | {len(load.lost)} of {self.allowed} allowed "
              f"| {load.cut + load.ended} "
              f"| {times[len(times) // 2] * 1000:.1f} / "
              f"{times[len(times) * 99 // 100] * 1000:.1f} "
              f"| {first[0]} -> {last[0]} "
              f"| {first[1] // 1024} -> {last[1] // 1024} "
              f"| {seconds:.0f} |", flush=True)
        bad = []
        if len(load.lost) > self.allowed:
            bad.append(f"lost: {load.lost[:3]}")
        # An answer that was lost may have been asked for all the same.
        if self.upstream.requests.twice:
            bad.append(f"arrived twice: {self.upstream.requests.twice[:3]}")
        unseen = [n for n in load.answers
                  if f"/load/{n}" not in self.upstream.requests.seen]
        if unseen:
            bad.append(f"answered and never asked for: {unseen[:3]}")
        if not trial.cuts and load.cut + load.ended:
            bad.append(f"tunnels: {load.ended} ended, {load.cut} cut")
        if "Assertion" in self.s.log or "AddressSanitizer" in self.s.log:
            bad.append("see the log")
        for line in (*self.notes, *(f"BAD: {b}" for b in bad)):
            print(f"  {trial.id}: {line}", file=sys.stderr, flush=True)
        return not bad


def main():
    words = [x for x in sys.argv[1:] if not x.startswith("-")]
    backends = [x for x in words if x in ("uring", "epoll")]
    wanted = [x for x in words if x not in backends]
    good = True
    print(HEAD, flush=True)
    for io in backends or ("uring", "epoll"):
        for trial in TRIALS:
            if wanted and trial.id not in wanted:
                continue
            rounds = trial.rounds
            if "--short" in sys.argv:
                rounds = max(2, rounds // 20)
            with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
                Path(d).chmod(0o755)
                try:
                    good &= Run(io, d, trial).go(rounds)
                except Exception:
                    traceback.print_exc()
                    good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
