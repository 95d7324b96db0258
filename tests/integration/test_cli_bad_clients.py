# SPDX-License-Identifier: BSD-2-Clause
"""The control socket: clients that do not behave cost nobody else anything."""
import json
import socket
import time

import pytest

from harness.proc import alive, children, fds, until

MANY = "".join(f"    r{i}: {{rule: \"Host(`h{i}.test`)\", service: s}}\n"
               for i in range(5000))
CONFIG = ("entryPoints: {web: {address: \"127.0.0.1:@web@\"}}\n"
          "ping: {entryPoint: web}\nakkod: {workers: 1}\nhttp:\n  routers:\n" +
          MANY + "  services:\n    s: {loadBalancer: {servers: "
          "[{url: \"http://127.0.0.1:9\"}]}}\n")


@pytest.fixture
def site(akkod):
    return akkod(CONFIG)


@pytest.fixture(scope="module")
def small(module_akkod):
    return module_akkod(CONFIG.replace(MANY, MANY[:MANY.index("\n") + 1]))


def client(a, data=b"", timeout=20):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(a.run_dir / "akkod.sock"))
    s.settimeout(timeout)
    if data:
        s.sendall(data)
    return s


def answer(s):
    data = b""
    while not data.endswith(b"\n"):
        more = s.recv(65536)
        if not more:
            break
        data += more
    return data


def quick(a, limit=3):
    """The master answers, and in time."""
    start = time.monotonic()
    assert a.status()["state"] == "running"
    assert time.monotonic() - start < limit
    assert a.get("/ping").status == 200


@pytest.mark.parametrize("data, text", [
    (b"garbage\n", "a JSON object"),
    (b"\x00\xff\xfe\n", "a JSON object"),
    (b"[" * 3000 + b"\n", "a JSON object"),
    (b'{"command": {"command": "stop"}}\n', "a JSON object"),
    (b'{"command": "dance"}\n', "unknown command"),
    (b'{"command": "explain"}\n', "the URL has no host"),
    (b'{"command": "explain", "url": 7}\n', "the URL has no host"),
    (b'{"command": "explain", "url": "http://a/", "headers": [{}, 3]}\n',
     "no header field"),
    (b'{"command": "explain", "url": "http://a/", "client": "::::"}\n',
     "no address"),
    (b'{"command": "explain", "url": "http://a/' + b"x" * 9000 + b'"}\n',
     "too long"),
    (b"x" * 9000, "too long"),
])
def test_what_is_no_request(small, data, text):
    with client(small, data) as s:
        said = json.loads(answer(s))
    assert said["ok"] is False and text in said["error"]
    quick(small)


def test_odd_requests_are_explained(small):
    for path in "/%00", "/%zz", "/" + "%2e%2e/" * 500, "/\u2603?\u2603=;":
        line = json.dumps({"command": "explain", "url": f"http://h0.test{path}",
                           "method": "", "headers": ["a:", "b: \u2603"]})
        with client(small, line.encode() + b"\n") as s:
            assert json.loads(answer(s))["ok"] is True, path
    quick(small)


def test_clients_that_do_not_read(site):
    """Each asked for megabytes; none is waited for but by its own copy."""
    silent = [client(site, b'{"command": "routes"}\n') for _ in range(8)]
    until(lambda: len(children(site.process.pid)) >= 9, 10, "copies")
    quick(site)
    # There is a bound, which is told.
    with client(site, b'{"command": "routes"}\n') as s:
        assert b"too many are asking" in answer(s)
    quick(site)
    for s in silent:
        s.close()
    until(lambda: len(children(site.process.pid)) == 1, 20, "their end")
    assert len(json.loads(site.command("routes", "--json").stdout)["routers"]) \
        == 5000 + 2		# ping and readyz


def test_one_that_leaves(site):
    for _ in range(20):
        client(site, b'{"command": "routes"}\n').close()
        client(site, b'{"command": "status"}\n').close()
        client(site, b'{"command": "connections"}\n').close()
    until(lambda: len(children(site.process.pid)) == 1, 20, "their end")
    quick(site)


def test_a_thousand_connections(site):
    open_before = len(fds(site.process.pid))
    many = [client(site) for _ in range(300)]
    for _ in range(700):
        client(site).close()
    # The first ones hold all places until their time is over or they leave.
    assert len(fds(site.process.pid)) <= open_before + 40
    assert site.get("/ping").status == 200
    for s in many:
        s.close()
    until(lambda: site.command("status").returncode == 0, 10, "an answer")
    quick(site)
    until(lambda: len(fds(site.process.pid)) <= open_before, 5, "closing")


def test_copies_hold_nothing(site):
    """A copy has its client's socket and the table, and no port."""
    silent = client(site, b'{"command": "routes"}\n')
    until(lambda: len(children(site.process.pid)) == 2, 10, "a copy")
    time.sleep(0.3)
    copy, = [p for p in children(site.process.pid)
             if p not in {w["pid"] for w in site.status()["workers"]}]
    assert len(fds(copy)) <= 6
    site.stop()
    # It goes with its master, and nothing of it is left.
    until(lambda: not alive(copy), 5, "its end")
    silent.close()


def test_a_long_list_of_faults_is_cut(akkod):
    """Status answers, however much is wrong."""
    routers = "\n".join(f"    r{i}: {{rule: 'Path(`/{i}`)', service: {'x' * 9000}}}"
                        for i in range(1000))
    a = akkod("entryPoints: {web: {address: \"127.0.0.1:@web@\"}}\n"
              f"http:\n  routers:\n{routers}\n")
    told = a.status()["routers"]
    assert 50 < len(told["broken"]) < 150
    assert len(told["broken"]) + told["more"] == 1000
    text = a.command("status").stdout
    assert "1000 broken" in text and f"and {told['more']} more" in text
