# SPDX-License-Identifier: BSD-2-Clause
"""T-10 for long: the API server is away, and its history compacted.

    AKKOD=... AKKOD_OUTAGE=600 python3 -m pytest -q tests/soak/test_outage.py
"""
import os
import sys
import threading
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS)]

from conftest import akkod, authority, io, module_io  # noqa: E402, F401
from harness.load import Load  # noqa: E402
from test_kubernetes import app, cluster, ingress, kube, namespace, objects, \
    status, until  # noqa: E402, F401

SECONDS = float(os.environ.get("AKKOD_OUTAGE", "600"))
ROUTES = 40


def test_outage(kube):  # noqa: F811
    """No request fails, no route is missing at any look, 10 a second."""
    hosts = [f"h{n}.out.test" for n in range(ROUTES)]
    kube.cluster.apply(objects(*(ingress(h.split(".")[0], h) for h in hosts)))
    until(lambda: all(status(kube, h) == 200 for h in hosts), 30)
    looks, missing, stop = [0], [], threading.Event()

    def look():
        while not stop.is_set():
            h = hosts[looks[0] % ROUTES]
            if (s := status(kube, h)) != 200:
                missing.append((h, s))
            looks[0] += 1
            time.sleep(0.1)

    looker = threading.Thread(target=look)
    with Load((kube.host, kube.ports["web"]), keep_alive=2, fresh=2, pause=0.02,
              host=hosts[0]) as load:
        looker.start()
        kube.cluster.kill_api()
        time.sleep(SECONDS)
        # What akkod last saw is no longer in the history: 410 Gone.
        kube.cluster.start_api()
        kube.cluster.wait(lambda: kube.cluster.apply(objects(
            ingress("late", "late.out.test"))))
        kube.cluster.compact()
        took = until(lambda: status(kube, "late.out.test") == 200, 60)
        time.sleep(2)
        stop.set()
        looker.join()
    load.check()
    assert not missing, missing[:5]
    print(f"\n| T-10 API server away for {SECONDS:.0f} s | {kube.io} | "
          f"{looks[0]} looks at {ROUTES} routes | {load.done} requests, 0 lost "
          f"| a new route after {took:.1f} s |")
