# SPDX-License-Identifier: BSD-2-Clause
"""Keys that do what akkod.yaml(5) says: times, logs, limits."""
import gzip
import json
import time

import pytest

from harness.proc import until

BACK = """
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


@pytest.fixture
def serve(akkod, upstream):
    """serve(static): akkod with these keys in front of an upstream."""
    def start(static, behaviour=None):
        u = upstream(behaviour) if behaviour else upstream()
        a = akkod(static + BACK, values={"upstream": u.port})
        a.upstream = u
        return a
    return start


def entry(times):
    return f"""
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    transport: {{respondingTimeouts: {{{times}}}}}
accessLog: {{filePath: @dir@/access.log, format: json}}
"""


def slow_upload(c, pieces, gap):
    """A body in pieces; stops early when akkod has answered."""
    c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % pieces)
    start = time.monotonic()
    c.sock.settimeout(gap)
    for _ in range(pieces):
        try:
            if c.more():
                break
        except TimeoutError:
            pass
        c.send(b"x")
    c.sock.settimeout(10)
    return c.response("POST"), time.monotonic() - start


def test_read_timeout_is_for_the_whole_request(serve):
    """Explicit, it cuts a body that goes on but takes too long."""
    a = serve(entry("readTimeout: 1s"))
    with a.client() as c:
        r, took = slow_upload(c, 40, 0.15)
        assert r.status == 408 and 0.8 < took < 2.5
    assert a.access(1)[0]["Reason"] == "body-timeout"
    # In time it is none.
    with a.client() as c:
        r, _ = slow_upload(c, 3, 0.1)
        assert r.status == 200


@pytest.mark.parametrize("times", ["idleTimeout: 60s", "readTimeout: 0"])
def test_a_body_that_goes_on_may_take_long(serve, times):
    a = serve(entry(times))
    with a.client() as c:
        r, took = slow_upload(c, 12, 0.15)
        assert r.status == 200 and took > 1.5
    assert json.loads(r.body)["body"] == "x" * 12


def test_write_timeout_is_for_the_whole_answer(serve):
    size = 64 << 20

    def large(c, r):
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            c.send(b"x" * 65536)

    a = serve(entry("writeTimeout: 1s"), large)
    with a.client() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        start, got = time.monotonic(), 0
        # Takes a little all the time: no gap is long, the whole is.
        while data := c.sock.recv(65536):
            got += len(data)
            time.sleep(0.02)
            assert time.monotonic() - start < 12
        assert got < size
    assert a.access(1)[0]["Reason"] == "client-stalled"


def test_query_is_left_out(serve):
    for mode, want in (("keep", "/p?page=1"), ("drop", "/p")):
        a = serve(f"""
entryPoints: {{web: {{address: "127.0.0.1:@web@"}}}}
accessLog:
  filePath: @dir@/access.log
  format: json
  fields: {{queryParameters: {{defaultMode: {mode}}}}}
""")
        assert a.get("/p?page=1").status == 200
        assert a.access(1)[0]["RequestPath"] == want


@pytest.mark.parametrize("compress", [True, False])
def test_log_is_rotated(serve, tmp_path, compress):
    folder = tmp_path / "logs"
    folder.mkdir()
    full = b"an old line\n" * 100000
    (folder / "a.log").write_bytes(full)
    (folder / "a-2001-01-01T00-00-00.000.log").write_bytes(b"older\n")
    a = serve(f"""
entryPoints: {{web: {{address: "127.0.0.1:@web@"}}}}
log:
  level: INFO
  filePath: {folder}/a.log
  maxSize: 1
  maxBackups: 1
  compress: {str(compress).lower()}
""")

    def old():
        names = [p for p in folder.iterdir() if p.name != "a.log"]
        return names if len(names) == 1 and "2001" not in names[0].name and \
            names[0].suffix == (".gz" if compress else ".log") else None

    name, = until(old, 15, "the rotated file")
    read = gzip.open if compress else open
    with read(name, "rb") as f:
        assert f.read().startswith(full)
    assert (folder / "a.log").stat().st_size < 100000
    # Written on by the master, who has the new one.
    a.reload()
    assert "the configuration" in (folder / "a.log").read_text()


def test_log_in_json(serve):
    a = serve("""
entryPoints: {web: {address: "127.0.0.1:@web@"}}
log: {level: info, format: json}
""")
    for line in a.log.splitlines():
        words = json.loads(line)
        assert words.keys() == {"level", "process", "time", "message"}
    a.reload("log: {level: ERROR, format: common}\n"
             'entryPoints: {web: {address: "127.0.0.1:@web@"}}\n')
    size = len(a.log)
    a.reload('log: {level: ERROR}\nentryPoints: {web: {address: "127.0.0.1:@web@"}}\n'
             "http: {routers: {}}\n")
    assert len(a.log) == size


def test_fibers_bound_what_is_served_at_once(serve):
    """One more request waits until one of those before it is done."""
    def slow(c, r):
        time.sleep(0.7)
        c.answer(200)

    a = serve("""
entryPoints: {web: {address: "127.0.0.1:@web@"}}
akkod: {workers: 1, limits: {fibers: 2}}
""", slow)
    clients = [a.client() for _ in range(3)]
    start = time.monotonic()
    for c in clients:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    times = []
    for c in clients:
        assert c.response("GET").status == 200
        times.append(time.monotonic() - start)
        c.close()
    assert max(times) > 1.3 and min(times) < 1.2


def test_connections_of_one_address_are_bound(serve):
    a = serve("""
entryPoints: {web: {address: "127.0.0.1:@web@"}}
akkod: {workers: 1, limits: {perAddress: 3}}
""")
    clients = [a.client() for _ in range(5)]
    alive = 0
    for c in clients:
        try:
            alive += c.request("GET", "/").status == 200
        except (OSError, EOFError, AssertionError):
            pass
    assert alive == 3
    for c in clients:
        c.close()

    def room():
        try:
            return a.get("/").status == 200
        except OSError:
            return False

    until(room, what="room for another")


def test_a_trusted_proxy_speaks_for_many(serve):
    """One address, but many clients behind it: they are not bound together."""
    a = serve("""
entryPoints:
  web: {address: "127.0.0.1:@web@", forwardedHeaders: {trustedIPs: [127.0.0.1]}}
akkod: {workers: 1, limits: {perAddress: 3}}
""")
    clients = [a.client() for _ in range(8)]
    for c in clients:
        assert c.request("GET", "/").status == 200
    for c in clients:
        c.close()
