# SPDX-License-Identifier: BSD-2-Clause
"""akkod connections and akkod mem."""
import json
import os
import re
import signal
import threading

import pytest

from conftest import ONE_SERVICE
from harness.h2 import H2
from harness.proc import children, until
from harness.upstream import echo
from test_websocket import echo_bytes, open_tunnel

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
akkod: {workers: 2}
http:
  routers:
    plain: {rule: "PathPrefix(`/`)", service: app, entryPoints: [web]}
    tls: {rule: "Host(`a.test`)", service: app, entryPoints: [websecure]}
""" + ONE_SERVICE[ONE_SERVICE.index("  services:"):]


def asked(a, *args):
    done = a.command(*args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def busy(akkod, upstream):
    """Clients of every kind: akkod, and what ends them."""
    go = threading.Event()

    def serve(c, r):
        if r["Upgrade"]:
            return echo_bytes(c, r)
        if r.target == "/slow":
            go.wait(20)
        return echo(c, r)

    a = akkod(CONFIG, values={"upstream": upstream(serve).port})
    opened = []

    def client(*args, **kw):
        opened.append(a.client(*args, **kw))
        return opened[-1]

    for _ in range(3):
        assert client().request("GET", "/").status == 200
    assert client("websecure", tls=True).request("GET", "/").status == 200
    client().send(b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert open_tunnel(client()).status == 101
    opened.append(H2(("127.0.0.1", a.ports["websecure"])))
    yield a
    go.set()
    for c in opened:
        (c.sock if isinstance(c, H2) else c).close()


def total(answer, key):
    return sum(w[key] for w in answer["workers"])


def test_kinds(busy):
    until(lambda: total(asked(busy, "connections"), "active") >= 1, 5,
          "the slow one is served")
    said = asked(busy, "connections")
    assert [w["worker"] for w in said["workers"]] == [0, 1]
    assert total(said, "all") == 7
    assert total(said, "plain") == 5 and total(said, "tls") == 2
    assert total(said, "tlsOwn") + total(said, "tlsOpenSSL") == 2
    assert total(said, "http2") == 1 and total(said, "tunnels") == 1
    assert total(said, "idle") + total(said, "active") + \
        total(said, "tunnels") + total(said, "lingering") == 7
    oldest = [c for w in said["workers"] for c in w["oldest"]]
    assert len(oldest) == 7
    assert {c["client"] for c in oldest} == {"127.0.0.1"}
    assert sorted(c["entryPoint"] for c in oldest) == ["web"] * 5 + \
        ["websecure"] * 2
    for w in said["workers"]:
        ages = [c["age"] for c in w["oldest"]]
        assert ages == sorted(ages, reverse=True) and not w["partial"]


def test_text(busy):
    text = busy.command("connections").stdout
    head, *rows = text.splitlines()
    assert head.split()[:3] == ["WORKER", "ALL", "PLAIN"]
    assert [row.split()[0] for row in rows[:2]] == ["0", "1"]
    assert len(re.findall(r"127\.0\.0\.1 \d+ +web(secure)? +HTTP/[12]", text)) == 7
    text = busy.command("mem").stdout
    assert re.search(r"^master +\d+ +[\d.]+ MiB", text, re.M)
    assert len(re.findall(r"^worker [01] +\d+ +[\d.]+ MiB", text, re.M)) == 2


def test_the_oldest_are_bounded(akkod, upstream):
    a = akkod(CONFIG.replace("workers: 2", "workers: 1"),
              values={"upstream": upstream().port})
    clients = [a.client() for _ in range(50)]
    first = clients[0].sock.getsockname()[1]
    until(lambda: total(asked(a, "connections"), "all") == 50, 5, "all")
    worker, = asked(a, "connections")["workers"]
    assert len(worker["oldest"]) == 32
    assert worker["oldest"][0]["port"] == first
    for c in clients:
        c.close()


def test_a_late_answer_is_not_kept(akkod, upstream):
    """What a worker said after its time is not what it says next time."""
    a = akkod(CONFIG.replace("workers: 2", "workers: 1"),
              values={"upstream": upstream().port})
    worker = a.status()["workers"][0]["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        assert asked(a, "connections")["workers"] == []
    finally:
        os.kill(worker, signal.SIGCONT)
    assert a.status()["workers"][0]["pid"] == worker	# it has caught up
    clients = [a.client() for _ in range(5)]
    until(lambda: a.status()["workers"][0]["connections"] == 5, 5, "5")
    assert total(asked(a, "connections"), "all") == 5
    for c in clients:
        c.close()


def test_mem(busy):
    said = asked(busy, "mem")
    roles = [p["role"] for p in said["processes"]]
    assert roles == ["master", "worker", "worker"]
    assert said["processes"][0]["pid"] == busy.process.pid
    assert {p["pid"] for p in said["processes"][1:]} <= \
        set(children(busy.process.pid))
    for p in said["processes"]:
        assert p["rss"] >= p["private"] > 1 << 16
        if "pss" in p:
            assert p["pss"] <= p["rss"] + (1 << 20)
    assert sum(p["connections"] for p in said["processes"][1:]) == 7
    assert said["table"]["generation"] == 1 and said["table"]["bytes"] > 1000
    assert said["live"]["bytes"] > 1 << 20
