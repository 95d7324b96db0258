# SPDX-License-Identifier: BSD-2-Clause
"""Samples made with h2load: what our own load does not speak, and uploads.

Server and load are processes of their own here and sleep between requests, so
each proxy pays for waking them; opening the connections is in the figure too.
"""
import pathlib
import re
import subprocess
import time

from proxies import LOAD_CPU, pin


def cpu_of(pids):
    """CPU time and time runnable of all threads, in us."""
    ran = waited = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            a, b, _ = (task / "schedstat").read_text().split()
            ran, waited = ran + int(a) / 1000, waited + int(b) / 1000
    return ran, waited


def sample_once(proxy, tools, work, seconds):
    """As bench.sample_once(); work: tls, path, clients, rate, more of h2load's."""
    scheme, port = ("https", proxy.tls) if work["tls"] else ("http", proxy.plain)
    clients, rate = work["clients"], work["rate"]
    body = tools.folder / "upload"
    if not body.exists():
        body.write_bytes(bytes(1 << 20))
    args = [str(body) if a == "BODY" else a for a in work["more"]]
    with tools.server():
        before = cpu_of(proxy.pids())
        start = time.monotonic()
        done = subprocess.run(
            ["h2load", "-c", str(clients), f"--rps={rate / clients}",
             "-n", str(int(rate * seconds)), *args,
             f"--connect-to=127.0.0.1:{port}",
             f"{scheme}://bench.test:{port}{work['path']}"],
            check=True, capture_output=True, text=True, timeout=60,
            preexec_fn=pin(LOAD_CPU)).stdout
        took = time.monotonic() - start
        after = cpu_of(proxy.pids())
    good = int(re.search(r"^status codes: (\d+) 2xx", done, re.M)[1])
    total = int(re.search(r"^requests: (\d+) total", done, re.M)[1])
    ran = after[0] - before[0]
    return {"done": good, "errors": total - good, "seconds": took,
            "cpu_us": ran / good if good else 0,
            "waited": (after[1] - before[1]) / ran if ran else 0,
            # It is to keep up, by and large.
            "saturated": took > 2 * seconds + 0.5}
