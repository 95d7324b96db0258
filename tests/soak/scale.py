# SPDX-License-Identifier: BSD-2-Clause
"""The life cycle at scale: what it costs, in time and memory.

    AKKOD=... scale.py [uring] [epoll] [--idle 10000] [--rate 2000]

- an upgrade with so many idle TLS connections and so many requests a second:
  none may fail, memory stays below 2.2 times what it was, and the command
  returns within 5 s;
- reloads under load: p99 while they go on is below twice the p99 before;
- 1,000 reloads leave descriptors, mappings and memory where they were (2 %).

Ends with 1 when one of these does not hold. tests/soak/README.md has results.
"""
import argparse
import json
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "integration"))

from harness import proc  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.service import Service  # noqa: E402

CONFIG = """\
log: {level: INFO}
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
akkod: {workers: 2, limits: {connections: 20000, perAddress: 100000}}
http:
  routers:
    ROUTER: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@origin@"}]}}
"""


def text(router="all"):
    return CONFIG.replace("ROUTER", router)


class Scale:
    def __init__(self, io, folder, opt):
        self.io, self.dir, self.opt = io, Path(folder), opt
        self.program = self.dir / "load"
        bench = TESTS / "bench"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.program,
                        bench / "load.c", bench / "origin.c",
                        "-lssl", "-lcrypto", "-lm"], check=True)
        port = free_port()
        self.origin = subprocess.Popen([self.program, "-o", str(port)])
        self.s = Service(self.dir / "akkod", io, text(), values={"origin": port})
        done = self.s.start()
        assert done.returncode == 0, done.stderr

    def close(self):
        self.s.close()
        self.origin.terminate()
        self.origin.wait()

    def load(self, seconds, rate):
        return subprocess.Popen(
            [self.program, "-o", str(free_port()), "-d", "-a",
             f"127.0.0.1:{self.s.ports['web']}", "-r", str(rate),
             "-t", str(seconds), "-c", "64"], stdout=subprocess.PIPE)

    def processes(self):
        """Every process of this akkod, of before and now."""
        found = []
        for pid in map(int, (p.name for p in Path("/proc").iterdir()
                             if p.name.isdigit())):
            try:
                if str(self.s.run_dir) in " ".join(proc.argv(pid)) or \
                        proc.argv(pid)[:1] == ["akkod"] and \
                        self.mine(pid):
                    found.append(pid)
            except (OSError, UnicodeDecodeError):
                pass
        return found

    def mine(self, pid):
        """A worker or a successor: its parents lead to one with our name."""
        for _ in range(4):
            pid = int(proc.status(pid)["PPid"])
            if pid in self.roots:
                return True
            if pid <= 1:
                return False
        return False

    def memory(self):
        """Bytes, what is shared counted once (PSS)."""
        total = 0
        for pid in self.processes():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += int(next(x for x in f if x.startswith("Pss:"))
                                 .split()[1]) << 10
            except (OSError, StopIteration):
                pass
        return total

    # -- the three -----------------------------------------------------------

    def upgrade(self):
        self.roots = {self.s.pid}
        idle = self.connect_idle(self.opt.idle)
        time.sleep(1)
        steady = self.memory()
        peaks, stop = [steady], threading.Event()

        def watch():
            while not stop.is_set():
                peaks.append(self.memory())
                time.sleep(0.05)

        load = self.load(12, self.opt.rate)
        time.sleep(3)
        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.monotonic()
        done = self.s.command("upgrade")
        took = time.monotonic() - start
        assert done.returncode == 0, done.stderr
        self.roots.add(self.s.pid)
        proc.until(lambda: self.s.status()["old_workers"] is None, 40)
        whole = time.monotonic() - start
        stop.set()
        watcher.join()
        result = json.loads(load.communicate()[0])
        ended = sum(1 for c in idle if self.ended(c))
        for c in idle:
            c.close()
        print(f"| upgrade, {len(idle)} idle TLS connections, {self.opt.rate} "
              f"requests/s | {self.io} | {result['done']} requests, "
              f"{result['errors']} failed; {ended} idle connections ended by "
              f"the drain | command {took:.1f} s, old workers gone after "
              f"{whole:.1f} s | memory {steady >> 20} MB, at most "
              f"{max(peaks) >> 20} MB: {max(peaks) / steady:.2f} times |",
              flush=True)
        return result["errors"] == 0 and max(peaks) < 2.2 * steady and took < 5

    def connect_idle(self, n):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        idle = []
        for k in range(n):
            c = Client(("127.0.0.1", self.s.ports["websecure"]), tls=True,
                       context=context, timeout=30,
                       source=f"127.0.{1 + k // 250 % 200}.{1 + k % 250}")
            assert c.request("GET", "/200", host="idle.test").status == 200
            idle.append(c)
        return idle

    @staticmethod
    def ended(c):
        c.sock.setblocking(False)
        try:
            return c.sock.recv(1) == b""
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True

    def reloads(self, pairs=5, seconds=4):
        """Quiet and not, in turn: on a busy machine only the median tells."""
        ratios, before, during, n, failed, done = [], [], [], 0, 0, 0
        for _ in range(pairs):
            quiet = json.loads(self.load(seconds, self.opt.rate)
                               .communicate()[0])
            load, end = self.load(seconds, self.opt.rate), \
                time.monotonic() + seconds - 0.3
            while time.monotonic() < end:
                self.s.reload(text(f"r{n}"))
                n += 1
                time.sleep(0.3)
            swaps = json.loads(load.communicate()[0])
            before.append(quiet["p99_us"] / 1000)
            during.append(swaps["p99_us"] / 1000)
            ratios.append(during[-1] / before[-1])
            failed += swaps["errors"] + quiet["errors"]
            done += swaps["done"] + quiet["done"]
        ratio = statistics.median(ratios)
        print(f"| {n} reloads in {pairs} times {seconds} s, {self.opt.rate} "
              f"requests/s | {self.io} | {done} requests, {failed} failed "
              f"| p99 {statistics.median(before):.1f} ms before, "
              f"{statistics.median(during):.1f} ms meanwhile: {ratio:.2f} times "
              f"({min(ratios):.2f} to {max(ratios):.2f}) | |", flush=True)
        return failed == 0 and ratio < 2

    def thousand(self, n=1000):
        def held():
            pids = [self.s.pid, *self.s.worker_pids()]
            return [sum(len(proc.fds(p)) for p in pids),
                    sum(proc.maps(p) for p in pids),
                    sum(int(proc.status(p)["VmRSS"].split()[0])
                        for p in pids)]

        def some(k, at):
            for i in range(k):
                self.s.reload(text(f"n{at}x{i}"))
                self.s.get()

        some(50, 0)
        before = held()
        start = time.monotonic()
        some(n, 1)
        took = time.monotonic() - start
        after = held()
        print(f"| {n} reloads | {self.io} | {took:.0f} s | descriptors "
              f"{before[0]} -> {after[0]}, mappings {before[1]} -> {after[1]} "
              f"| memory {before[2] >> 10} -> {after[2] >> 10} MB "
              f"({100 * after[2] / before[2] - 100:+.1f} %) |", flush=True)
        return all(b <= a * 1.02 + 1 for a, b in zip(before, after))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("io", nargs="*", default=["uring", "epoll"])
    p.add_argument("--idle", type=int, default=10000)
    p.add_argument("--rate", type=int, default=2000)
    p.add_argument("--only", choices=("upgrade", "reloads", "thousand"))
    opt = p.parse_args()
    want = opt.idle + 2000
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (max(want, 20000), max(want, 20000)))
    good = True
    print("| what | backend | requests | time | memory |\n"
          "|---|---|---|---|---|", flush=True)
    for io in opt.io:
        for name in ("upgrade", "reloads", "thousand"):
            if opt.only not in (None, name):
                continue
            with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
                s = Scale(io, d, opt)
                try:
                    good &= getattr(s, name)()
                finally:
                    s.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
