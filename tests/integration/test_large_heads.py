# SPDX-License-Identifier: BSD-2-Clause
"""Heads of a megabyte and more on the router that allows them, nowhere else."""
import subprocess

import pytest

from harness.site import site

ROUTERS = {
    "trino": {"rule": "Host(`trino.test`) && PathPrefix(`/v1/statement`)",
              "maxHeaderBytes": 2 << 20},
    "ui": {"rule": "Host(`trino.test`)"},
    "small": {"rule": "Host(`small.test`)", "maxHeaderBytes": 100000},
    "other": {"rule": "Host(`other.test`)"},
}


def serve(c, r):
    """Says the length of what came, and sends back one as long as asked for."""
    n = int(r["X-Want"] or 0)
    extra = [("X-Trino-Added-Prepare", "p" * n)] * int(r["X-Lines"] or 1) if n else []
    c.answer(200, extra, str(len(r["X-Trino-Prepared-Statement"] or "")).encode())


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream(serve)
    a = module_akkod(site(routers=ROUTERS), values={"upstream": u.port})
    a.upstream = u
    return a


def ask(a, n, host="trino.test", path="/v1/statement", want=0, lines=1, **kw):
    fields = [("X-Want", str(want))]
    fields += [("X-Trino-Prepared-Statement", "s" * (n // lines))] * lines
    return a.get(path, host=host, headers=fields, **kw)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("n", [1000, 40000, 70000, 1 << 20, (2 << 20) - 1000])
def test_both_ways(a, tls, n):
    way = {"entry_point": "websecure", "tls": True} if tls else {}
    r = ask(a, n, want=n, **way)
    assert r.status == 200 and r.body == str(n).encode()
    assert len(r["X-Trino-Added-Prepare"]) == n


def test_above_the_routers_own(a):
    assert ask(a, (2 << 20) + 1).status == 431
    assert ask(a, 99000, host="small.test").status == 200
    assert ask(a, 101000, host="small.test").status == 431


@pytest.mark.parametrize("n", [40000, 70000, 1 << 20])
def test_other_routers_as_before(a, n):
    before = len(a.upstream.requests)
    assert ask(a, n, path="/ui").status == 431
    assert ask(a, n, host="other.test").status == 431
    assert ask(a, n, host="none.test").status == 431
    assert len(a.upstream.requests) == before
    assert a.logged(RequestPath="/ui")["Reason"] == "head-too-large"


def test_an_answer_too_large_elsewhere(a):
    assert ask(a, 10, path="/ui", want=70000).status == 502
    assert ask(a, 10, want=(2 << 20) + 10).status == 502


def test_host_must_come_early(a):
    with a.client() as c:
        c.send(b"GET /v1/statement HTTP/1.1\r\nX-A: " + b"x" * 70000 +
               b"\r\nHost: trino.test\r\n\r\n")
        assert c.response().status == 431


def test_one_connection_goes_on(a):
    """What was large is given back; a next request is as any other."""
    with a.client() as c:
        for n in (1 << 20, 5, 1 << 20):
            r = c.request("GET", "/v1/statement", host="trino.test", headers=[
                ("X-Trino-Prepared-Statement", "s" * n)])
            assert r.status == 200 and r.body == str(n).encode()


def test_too_many_at_once(a):
    """Those who begin one and do not end it hold a bounded number."""
    held = []
    try:
        status = []
        for _ in range(80):
            c = a.client()
            held.append(c)
            c.send(b"GET /v1/statement HTTP/1.1\r\nHost: trino.test\r\nX-A: " +
                   b"x" * 70000)
        for c in held:
            c.sock.settimeout(0.05)
            try:
                status.append(c.response().status)
            except (TimeoutError, OSError):
                status.append(None)
        workers = len(a.worker_pids())
        assert status.count(503) >= 80 - 32 * workers
        assert set(status) <= {None, 503}
        assert a.get("/", host="other.test").status == 200
    finally:
        for c in held:
            c.close()


def test_http2_answers(a, tmp_path):
    """Where the client takes them: more than 64 KiB in several fields."""
    head = tmp_path / "head"
    done = subprocess.run([
        "curl", "-sk", "--http2", "-D", head, "-H", "Host: trino.test",
        "-H", "X-Want: 30000", "-H", "X-Lines: 3", "-w", "%{http_version}",
        "--resolve", f"trino.test:{a.ports['websecure']}:127.0.0.1",
        f"https://trino.test:{a.ports['websecure']}/v1/statement"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout == "02"
    lines = head.read_text().splitlines()
    assert lines[0].split()[1] == "200"
    assert sum(len(line) > 30000 for line in lines) == 3
