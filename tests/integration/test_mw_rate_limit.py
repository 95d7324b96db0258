# SPDX-License-Identifier: BSD-2-Clause
"""rateLimit: exact over all workers (proxy.md 4.16)."""
import collections
import os
import re
import signal
import threading
import time

import pytest

from harness.client import Client
from harness.site import site


def limit(average, burst=1, period="1h", **source):
    r = {"average": average, "burst": burst, "period": period}
    if source:
        r["sourceCriterion"] = source
    return {"rateLimit": r}


MIDDLEWARES = {
    "many": limit(1, 100),
    "few": limit(1, 5), "twin": limit(1, 5), "again": limit(1, 5),
    "header": limit(1, 2, requestHeaderName="X-Key"),
    "host": limit(1, 2, requestHost=True),
    "depth": limit(1, 2, ipStrategy={"depth": 1}),
    "excl": limit(1, 2, ipStrategy={"excludedIPs": ["192.168.0.0/16"]}),
    "v6": limit(1, 2, ipStrategy={"depth": 1, "ipv6Subnet": 64}),
    "off": {"rateLimit": {"burst": 1}},
    "fast": limit(10, 1, "1s"),
    "retry": limit(1, 1, "1m"),
    "negative": limit(1, 1, "-1s"),
    "both": limit(1, 1, "1s", requestHost=True, requestHeaderName="X-A"),
}
CONFIG = """
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    forwardedHeaders: {insecure: true}
akkod: {workers: 2}
accessLog: {filePath: @dir@/access.log, format: json}
""" + site(middlewares=MIDDLEWARES,
           routers={m: [m] for m in MIDDLEWARES} |
                   {"shared": ["twin"],
                    "hosts": {"rule": "HostRegexp(`^h[0-9].test$`)",
                              "middlewares": ["host"]}})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


def statuses(a, host, n, headers=()):
    return collections.Counter(
        a.get("/", host=host, headers=headers).status for _ in range(n))


def test_exact_over_workers(a):
    """400 requests on 40 connections, as good as at once: 100 pass."""
    before = len(a.upstream.requests)
    got, lock = collections.Counter(), threading.Lock()

    def run():
        with a.client() as c:
            for _ in range(10):
                r = c.request("GET", "/", host="many.test")
                with lock:
                    got[r.status] += 1

    threads = [threading.Thread(target=run) for _ in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == {200: 100, 429: 300}
    assert len(a.upstream.requests) - before == 100
    used = [w for w in a.status()["workers"] if w["requests"] > 0]
    assert len(used) == 2, "both workers had a share"


def test_refusal(a):
    assert a.get("/", host="retry.test").status == 200
    r = a.get("/refused", host="retry.test")
    assert (r.status, r.text) == (429, "Too Many Requests")
    assert r["Content-Type"] is None
    assert 58 <= int(r["Retry-After"]) <= 60
    m = re.fullmatch(r"(\d+(\.\d+)?)s", r["X-Retry-In"])
    assert m and 58 < float(m[1]) <= 60
    assert a.logged(RequestPath="/refused")["Reason"] == "rate-limit"


def test_a_little_early_waits(a):
    """10 a second: a wait of up to 50 ms is taken, a longer one refused."""
    end = time.monotonic() + 5
    while True:
        assert a.get("/", host="fast.test").status in (200, 429)
        time.sleep(0.3)			# full again: one token
        assert a.get("/", host="fast.test").status == 200
        assert a.get("/", host="fast.test").status == 429
        time.sleep(0.065)
        start = time.monotonic()
        r = a.get("/", host="fast.test")
        took = time.monotonic() - start
        if r.status == 200 and took > 0.005:
            assert took < 0.06 + 0.1
            return
        assert time.monotonic() < end, "never delayed"


def test_each_router_has_its_own(a):
    assert statuses(a, "twin.test", 7) == {200: 5, 429: 2}
    assert statuses(a, "shared.test", 7) == {200: 5, 429: 2}


@pytest.mark.parametrize("host,keys", [
    ("header.test", [[("X-Key", "a")], [("X-Key", "b")], []]),
    ("depth.test", [[("X-Forwarded-For", "1.1.1.1")],
                    [("X-Forwarded-For", "9.9.9.9, 1.1.1.2")], []]),
    ("excl.test", [[("X-Forwarded-For", "1.1.1.1, 192.168.1.1")],
                   [("X-Forwarded-For", "1.1.1.2, 192.168.1.2")]]),
    ("v6.test", [[("X-Forwarded-For", "2001:db8:0:1::1")],
                 [("X-Forwarded-For", "2001:db8:0:2::1")]]),
])
def test_sources(a, host, keys):
    for headers in keys:
        assert statuses(a, host, 4, headers) == {200: 2, 429: 2}, headers


@pytest.mark.parametrize("host,xff", [("depth", "1.1.1.1, nobody"),
                                      ("excl", "nobody, 192.168.1.9")])
def test_what_is_no_address_counts_for_the_peer(a, host, xff):
    """S-518: nonsense in X-Forwarded-For is no key that all share."""
    got = {}
    for peer in ("127.0.1.1", "127.0.1.2"):
        got[peer] = collections.Counter(
            a.get("/", host=f"{host}.test", source=peer,
                  headers=[("X-Forwarded-For", xff)]).status for _ in range(3))
    assert list(got.values()) == [{200: 2, 429: 1}] * 2


def test_same_network_is_one_source(a):
    got = collections.Counter()
    for i in range(4):
        got += statuses(a, "v6.test", 1, [
            ("X-Forwarded-For", f"2001:db8:0:9::{i}")])
    assert got == {200: 2, 429: 2}


def test_host_as_source(a):
    for i in range(3):
        assert statuses(a, f"h{i}.test", 3) == {200: 2, 429: 1}


def test_off(a):
    assert statuses(a, "off.test", 20) == {200: 20}


@pytest.mark.parametrize("host", ["negative", "both"])
def test_broken(a, host):
    assert a.get("/", host=f"{host}.test").status == 503


def test_reload_and_crash_keep_the_count(a):
    """Buckets survive a new generation and the death of a worker."""
    assert statuses(a, "again.test", 3) == {200: 3}
    a.reload(CONFIG.replace("accessLog:", "x-note: 1\naccessLog:"))
    assert statuses(a, "again.test", 1) == {200: 1}
    old = a.worker_pids()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while len(set(a.worker_pids()) - set(old)) < 2 or not a.answers():
        assert time.monotonic() < end
        time.sleep(0.05)
    a.checked = False
    assert statuses(a, "again.test", 3) == {200: 1, 429: 2}


def test_many_sources(a):
    """Each has its own bucket, and nobody spends another's."""
    with a.client() as c:
        for _ in range(2):
            for i in range(300):
                r = c.request("GET", "/", host="header.test",
                              headers=[("X-Key", f"source-{i}")])
                assert r.status == 200
        for i in range(300):
            r = c.request("GET", "/", host="header.test",
                          headers=[("X-Key", f"source-{i}")])
            assert r.status == 429


def test_client_that_does_not_wait(a):
    """It leaves while its request waits for a token: nothing is forwarded."""
    n = len(a.upstream.requests)
    clients = [Client(("127.0.0.1", a.ports["web"])) for _ in range(10)]
    for c in clients:
        c.send(b"GET /gone HTTP/1.1\r\nHost: fast.test\r\n\r\n")
        c.reset()
    time.sleep(0.3)
    assert len(a.upstream.requests) - n <= 2
    assert a.get("/", host="off.test").status == 200


def test_waiting_holds_nobody_up(a):
    """A worker serves others while requests wait for their token."""
    clients = [Client(("127.0.0.1", a.ports["web"])) for _ in range(20)]
    for c in clients:
        c.send(b"GET / HTTP/1.1\r\nHost: fast.test\r\n\r\n")
    assert statuses(a, "off.test", 10) == {200: 10}
    assert {c.response().status for c in clients} <= {200, 429}
    for c in clients:
        c.close()
