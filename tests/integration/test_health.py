# SPDX-License-Identifier: BSD-2-Clause
"""Servers that are down: found by probes, or by requests that fail."""
import json
import os
import re
import signal
import struct
import time

import pytest

from harness.client import head
from harness.h2_upstream import H2Upstream
from harness.proc import until
from harness.site import balancer, site
from harness.upstream import Upstream, server_context
from test_life_upgrade import upgradable  # noqa: F401 (a fixture)
from test_upstream import BlackHole

QUICK = {"interval": "100ms", "timeout": "3s"}
PROBE = "/health"


class Server(Upstream):
    """Answers probes and requests with a status each."""

    def __init__(self, **options):
        self.health, self.status, self.fields = 200, 200, []
        super().__init__(Server.act, owned=False, **options)

    @staticmethod
    def act(c, r):
        c.body(r)
        self = c.server
        probe = r.target.startswith(PROBE)
        status = self.health if probe else self.status
        if status is None:
            time.sleep(1)
            return False
        c.answer(status, self.fields if probe else [], reason="X", method=r.method)

    @property
    def probes(self):
        return [r for r in self.requests if r.target.startswith(PROBE)]

    @property
    def served(self):
        return len(self.requests) - len(self.probes)


@pytest.fixture
def server():
    """server(**options) starts one."""
    running = []

    def start(cls=Server, **options):
        running.append(cls(**options))
        return running[-1]

    yield start
    for u in running:
        assert u.broken == []
        u.close()


def checked(*urls, check=(), **options):
    """A router x to a service x with a health check of these servers."""
    return site(routers={"x": {"service": "x"}}, services={"x": balancer(
        *urls, healthCheck={"path": PROBE, **QUICK, **dict(check)}, **options)})


def servers_of(a):
    return {s["url"]: s for s in a.status()["servers"]}


def is_up(a, url):
    return servers_of(a)[url]["up"]


def wait_down(a, url):
    until(lambda: not is_up(a, url), what=f"{url} is down")


def wait_up(a, url):
    until(lambda: is_up(a, url), what=f"{url} is up")


def none_left(a):
    r = a.get(host="x.test")
    assert (r.status, r.body) == (503, b"no available server\n")
    assert a.logged(Reason="service-no-server")["DownstreamStatus"] == 503


# -- probes ------------------------------------------------------------------

def test_a_server_goes_down_and_comes_back(akkod, server):
    a, b = server(), server()
    k = akkod(checked(a.url, b.url))
    until(lambda: a.probes and b.probes)
    assert is_up(k, a.url) and is_up(k, b.url)
    assert servers_of(k)[a.url] == {"service": "x@file", "url": a.url, "up": True,
                                    "probe": "answered 200", "since": None}
    a.health = 500
    began = time.monotonic()
    wait_down(k, a.url)
    assert time.monotonic() - began < 2
    assert servers_of(k)[a.url]["probe"] == "answered 500"
    assert abs(servers_of(k)[a.url]["since"] - time.time()) < 5
    assert f"server {a.url} of x@file: down, answered 500" in k.command("status").stdout
    before = a.served
    assert {k.get(host="x.test").status for _ in range(6)} == {200}
    assert a.served == before
    b.health = 404
    wait_down(k, b.url)
    none_left(k)
    a.health = b.health = 204
    wait_up(k, a.url)
    wait_up(k, b.url)
    for _ in range(4):
        k.get(host="x.test")
    assert a.served > before
    for u, why in ((a, "answered 500"), (b, "answered 404")):
        assert k.log.count(f"server {u.url} is down: {why}") == 1
        assert k.log.count(f"server {u.url} is up again: answered 204") == 1


def test_explain_tells_of_it(akkod, server):
    a = server()
    k = akkod(checked(a.url))
    a.health = 500
    wait_down(k, a.url)
    done = k.command("explain", f"http://x.test:{k.ports['web']}/", "--json")
    said = json.loads(done.stdout)
    assert said["service"]["servers"][0]["probe"] == "answered 500"
    assert (said["answer"]["status"], said["answer"]["reason"]) == \
        (503, "service-no-server")
    assert f"server {a.url} is down: answered 500" in said["hints"]


def test_the_first_probe_comes_after_an_interval(akkod, server):
    a = server()
    a.health = 500
    k = akkod(checked(a.url, check={"interval": "1500ms"}))
    assert k.get(host="x.test").status == 200
    assert a.probes == []
    wait_down(k, a.url)


def test_one_worker_probes(akkod, server):
    a = server()
    k = akkod("akkod: {workers: 4}\n" + checked(a.url, check={"interval": "200ms"}))
    until(lambda: a.probes)
    before, began = len(a.probes), time.monotonic()
    time.sleep(1.5)
    n, most = len(a.probes) - before, (time.monotonic() - began) / 0.18 + 1
    assert 4 <= n <= most
    assert k.get(host="x.test").status == 200


def test_another_worker_takes_over(akkod, server):
    servers = [server() for _ in range(3)]
    k = akkod("akkod: {workers: 2}\n" + checked(*(u.url for u in servers)))
    until(lambda: all(u.probes for u in servers))
    os.kill(k.status()["workers"][0]["pid"], signal.SIGKILL)
    k.checked = False
    for u in servers:
        u.health = 500
    for u in servers:
        wait_down(k, u.url)


def test_what_a_probe_says(akkod, server):
    a, other = server(), server()
    k = akkod(checked(a.url, check={
        "port": other.port, "method": "POST", "hostname": "h.test:80",
        "headers": {"X-Key": "v", "user-agent": "mine"}, "path": PROBE + "?a=b"}))
    until(lambda: other.probes)
    r = other.probes[0]
    assert (r.method, r.target, r["Host"]) == ("POST", PROBE + "?a=b", "h.test:80")
    assert r["X-Key"] == "v" and r.all("User-Agent") == ["mine"]
    assert a.probes == []
    # What they tell is about the server, not about the port.
    assert k.get(host="x.test").status == 200 and a.served == 1
    other.health = 500
    wait_down(k, a.url)


def many(akkod, table):
    """One akkod with a service for each balancer; waits until all are probed."""
    names = {f"x{i}": lb for i, lb in enumerate(table)}
    k = akkod(site(routers={n: {"service": n} for n in names}, services=names))

    def found():
        got = {s["service"]: s for s in k.status()["servers"]}
        assert len(got) == len(names)
        return all(s["probe"] for s in got.values()) and \
            [got[f"{n}@file"] for n in names]
    return until(found, 10)


def check_of(url, **check):
    return balancer(url, healthCheck={"path": PROBE, **QUICK, **check})


def test_a_path_is_seen_from_the_server(akkod, server):
    rows = [("", PROBE, PROBE), ("/base/", "../health", PROBE),
            ("/health/", "now", PROBE + "/now"), ("/health/a?q", "", PROBE + "/a?q"),
            ("", "", "/"), ("/a", "?health", "/a?health")]
    servers = [server() for _ in rows]
    many(akkod, [check_of(u.url + url, path=path)
                 for u, (url, path, _) in zip(servers, rows)])
    assert [u.requests[0].target for u in servers] == [t for _, _, t in rows]


def test_what_counts_as_up(akkod, server):
    no = {"followRedirects": False}
    rows = [({}, 399, True), ({}, 400, False), ({"status": 418}, 418, True),
            ({"status": 418}, 200, False), (no, 302, True),
            ({"status": 200, **no}, 302, False)]
    servers = [server() for _ in rows]
    for u, (_, health, _) in zip(servers, rows):
        u.health = health
    found = many(akkod, [check_of(u.url, **check)
                         for u, (check, _, _) in zip(servers, rows)])
    assert [s["up"] for s in found] == [up for _, _, up in rows]


def test_redirections_stay_with_the_server(akkod, server):
    rows = [("/good", True, ["/good"]), ("good", True, ["/good"]),
            ("@/good", True, ["/good"]), ("/bad", False, ["/bad"]),
            (PROBE, False, [PROBE] * 10),
            # Not a server that anybody has configured.
            ("http://evil.test/", False, []), ("//evil.test/", False, []),
            ("https://127.0.0.1:1/", False, []), ("http://[", False, [])]
    servers = [server() for _ in rows]
    for u, (location, _, _) in zip(servers, rows):
        u.health, u.status = 302, 503 if location == "/bad" else 200
        u.fields = [("Location", location.replace("@", u.url))]
    found = many(akkod, [check_of(u.url, status=200, timeout="5s", interval="300ms")
                         for u in servers])
    for u, s, (location, up, asked) in zip(servers, found, rows):
        assert s["up"] == up, location
        # The first probe, up to where the next one begins.
        assert [r.target for r in u.requests[:len(asked) + 1]] == [PROBE, *asked]


def test_a_server_that_says_nothing(akkod, server):
    a, b, hole = server(), server(), BlackHole()
    silent = f"http://127.0.0.1:{hole.port}"
    k = akkod(checked(a.url, b.url, silent, check={"timeout": "300ms"}))
    closed, b.health = a.url, None
    a.close()
    for url, why in ((closed, "upstream-refused"), (b.url, "upstream-timeout"),
                     (silent, "upstream-connect-timeout")):
        wait_down(k, url)
        assert servers_of(k)[url]["probe"] == why
    none_left(k)
    hole.close()


def test_unhealthy_interval(akkod, server):
    a = server()
    a.health = 500
    k = akkod(checked(a.url, check={"interval": "100ms", "unhealthyInterval": "20s"}))
    wait_down(k, a.url)
    n = len(a.probes)
    time.sleep(0.6)
    assert len(a.probes) == n


def test_over_tls(akkod, server, authority):
    crt, key = authority.leaf("s.test", file="health")
    a = server(tls=server_context(crt, key))
    plain = server()

    def text(**transport):
        return site(routers={"x": {"service": "x"}}, services={"x": balancer(
            a.url, plain.url, serversTransport="t",
            healthCheck={"path": PROBE, "scheme": "https", **QUICK})},
            serversTransports={"t": transport})
    k = akkod(text(rootCAs=[str(authority.file)], serverName="s.test"))
    until(lambda: a.probes)
    assert is_up(k, a.url)
    # scheme: that of the probes, whatever the server's own is.
    wait_down(k, plain.url)
    k.reload(text(rootCAs=[str(authority.file)], serverName="other.test"))
    wait_down(k, a.url)
    assert servers_of(k)[a.url]["probe"] == "upstream-tls"


# -- gRPC --------------------------------------------------------------------

def message(*parts):
    body = b"".join(parts)
    return b"\0" + struct.pack(">I", len(body)) + body


def serving(n):
    return message(bytes([8, n]))


def health_service(state):
    """grpc.health.v1 with the answer (body, trailers) that stands in state."""
    def serve(call):
        state["asked"] = (call.method, call.target, call["content-type"], call["te"],
                          call.whole())
        if call.target != "/grpc.health.v1.Health/Check":
            call.answer(404)
            return
        body, trailers = state["answer"]
        call.head(200, [("content-type", "application/grpc")])
        if body:
            call.data(body)
        call.trailers(trailers)
    return serve


OK = [("grpc-status", "0")]


def test_grpc(akkod, h2_server):
    rows = [((serving(1), OK), True, "answered SERVING"),
            ((serving(2), OK), False, "answered NOT_SERVING"),
            ((serving(3), OK), False, "answered SERVICE_UNKNOWN"),
            ((message(), OK), False, "answered UNKNOWN"),
            ((message(b"\x12\x01a\x08\x01"), OK), True, "answered SERVING"),
            ((b"", [("grpc-status", "5")]), False, "answered grpc-status 5"),
            ((b"", OK), False, "upstream-malformed"),
            ((serving(1), [("x", "y")]), False, "upstream-malformed"),
            ((b"\1" + serving(1)[1:], OK), False, "upstream-malformed"),
            ((serving(1) * 100, OK), False, "upstream-malformed")]
    states = [{"answer": answer} for answer, _, _ in rows]
    servers = [h2_server(health_service(state)) for state in states]
    # http means clear HTTP/2 here; a path means nothing.
    found = many(akkod, [check_of(f"{scheme}://127.0.0.1:{u.port}", mode="grpc")
                         for scheme, u in zip(("h2c", "http") * 5, servers)])
    assert [(s["up"], s["probe"]) for s in found] == \
        [(up, probe) for _, up, probe in rows]
    for state in states:
        assert state["asked"] == ("POST", "/grpc.health.v1.Health/Check",
                                  "application/grpc", "trailers", bytes(5))


@pytest.fixture
def h2_server():
    running = []

    def start(serve, **options):
        running.append(H2Upstream(serve, **options))
        return running[-1]

    yield start
    for u in running:
        assert u.broken == [] and u.failed == []
        u.close()


def test_grpc_over_tls_and_its_changes(akkod, h2_server, authority):
    crt, key = authority.leaf("localhost", file="grpc-health")
    context = server_context(crt, key)
    context.set_alpn_protocols(["h2"])
    state = {"answer": (serving(1), OK)}
    url = f"https://localhost:{h2_server(health_service(state), tls=context).port}"
    k = akkod(site(
        routers={"x": {"service": "x"}},
        services={"x": balancer(url, serversTransport="t",
                                healthCheck={"mode": "grpc", **QUICK})},
        serversTransports={"t": {"rootCAs": [str(authority.file)]}}))
    until(lambda: "asked" in state)
    assert is_up(k, url)
    state["answer"] = (serving(2), OK)
    wait_down(k, url)
    state["answer"] = (serving(1), OK)
    wait_up(k, url)


def test_grpc_needs_http2(akkod, server, authority):
    a = server(tls=server_context(*authority.leaf("s.test", file="grpc-http1")))
    k = akkod(site(
        routers={"x": {"service": "x"}},
        services={"x": balancer(a.url, serversTransport="t",
                                healthCheck={"mode": "grpc", **QUICK})},
        serversTransports={"t": {"insecureSkipVerify": True}}))
    wait_down(k, a.url)
    assert servers_of(k)[a.url]["probe"] in ("answered 200", "upstream-malformed")


# -- what stays ----------------------------------------------------------------

def test_over_a_reload(akkod, server):
    a, b, c = server(), server(), server()
    k = akkod(checked(a.url, b.url))
    a.health = 500
    wait_down(k, a.url)
    n = len(a.probes)
    k.reload(checked(a.url, b.url, c.url))
    assert not is_up(k, a.url) and is_up(k, c.url)
    for _ in range(4):
        k.get(host="x.test")
    assert a.served == 0
    until(lambda: len(a.probes) > n + 2 and c.probes)
    assert k.log.count(f"server {a.url} is down") == 1
    # Without a check nobody minds any more.
    k.reload(site(routers={"x": {"service": "x"}},
                  services={"x": balancer(a.url, b.url)}))
    assert k.status()["servers"] == []
    for _ in range(4):
        k.get(host="x.test")
    assert a.served == 2


def test_over_an_upgrade(upgradable, server):  # noqa: F811
    a, b = server(), server()
    k = upgradable("akkod: {workers: 2}\n" + checked(a.url, b.url))
    a.health = 500
    wait_down(k, a.url)
    k.upgrade()
    assert not is_up(k, a.url)
    for _ in range(4):
        k.get(host="x.test")
    assert a.served == 0
    a.health = 200
    wait_up(k, a.url)
    assert k.log.count(f"server {a.url} is down") == 1
    assert k.log.count(f"server {a.url} is up again") == 1


def test_a_shorter_interval_counts_at_once(akkod, server):
    a = server()
    k = akkod(checked(a.url, check={"interval": "1h"}))
    k.reload(checked(a.url))
    until(lambda: a.probes)


def test_a_session_moves_when_its_server_is_down(akkod, server):
    a, b = server(), server()
    k = akkod(checked(a.url, b.url, sticky={"cookie": {"name": "lb"}}))
    pairs = {}
    for _ in range(2):
        before = a.served
        pair = k.get(host="x.test")["Set-Cookie"].split(";")[0]
        pairs[a if a.served > before else b] = pair
    a.health = 500
    wait_down(k, a.url)
    r = k.get(host="x.test", headers=[("Cookie", pairs[a])])
    assert r.status == 200 and r["Set-Cookie"].split(";")[0] == pairs[b]


@pytest.mark.parametrize("strategy", ["wrr", "p2c", "hrw", "leasttime"])
def test_every_strategy_passes_over(akkod, server, strategy):
    a, b, c = server(), server(), server()
    k = akkod(checked(a.url, b.url, c.url, strategy=strategy))
    a.health = b.health = 500
    wait_down(k, a.url)
    wait_down(k, b.url)
    before = a.served, b.served
    for _ in range(6):
        assert k.get(host="x.test").status == 200
    assert (a.served, b.served) == before
    c.health = 500
    wait_down(k, c.url)
    none_left(k)


# -- requests that fail ------------------------------------------------------------

def passive(*urls, **check):
    return site(routers={"x": {"service": "x"}}, services={"x": balancer(
        *urls, passiveHealthCheck=check)})


def test_failed_requests_take_a_server_out(akkod, server):
    a = server()
    k = akkod(passive(a.url, failureWindow="1s", maxFailedAttempts=2))

    def get(status, want=None):
        a.status = status
        assert k.get(host="x.test").status == want or status
    get(500)
    get(200)	# in between: all is forgiven
    get(500)
    get(499)
    get(502)
    assert is_up(k, a.url)
    get(503)
    assert not is_up(k, a.url)
    n = a.served
    none_left(k)
    assert a.served == n
    assert re.search(rf"server {a.url} is down for 1000 ms: requests failed", k.log)
    a.status = 200
    until(lambda: k.get(host="x.test").status == 200)
    assert servers_of(k)[a.url]["probe"] is None


def test_one_that_cannot_be_reached_is_out_at_once(akkod, server):
    a, b = server(), server()
    k = akkod(passive(a.url, b.url, failureWindow="30s"))
    a.close()
    statuses = [k.get(host="x.test").status for _ in range(8)]
    assert statuses.count(502) == 1 and statuses.count(200) == 7


def test_failures_long_ago_do_not_count(akkod, server):
    a = server()
    a.status = 500
    k = akkod(passive(a.url, failureWindow="300ms", maxFailedAttempts=3))
    for pause in (0, 0.35, 0):
        time.sleep(pause)
        assert k.get(host="x.test").status == 500
    assert is_up(k, a.url)
    k.get(host="x.test")
    assert not is_up(k, a.url)


def test_a_client_that_leaves_takes_nobody_out(akkod, server):
    a = server()
    k = akkod(passive(a.url, failureWindow="30s"))
    a.status = None
    for _ in range(3):
        with k.client() as c:
            c.send(head("GET", "/", host="x.test"))
            until(lambda n=len(a.requests): len(a.requests) >= n)
            c.reset()
    time.sleep(0.1)
    assert is_up(k, a.url)


def test_only_a_probe_brings_one_back_that_is_probed(akkod, server):
    a = server()
    text = site(routers={"x": {"service": "x"}}, services={"x": balancer(
        a.url, passiveHealthCheck={"failureWindow": "100ms"},
        healthCheck={"path": PROBE, "interval": "1500ms"})})
    k = akkod(text)
    until(lambda: a.probes)
    a.status = 500
    k.get(host="x.test")
    assert not is_up(k, a.url)
    time.sleep(0.3)
    none_left(k)
    a.status = 200
    wait_up(k, a.url)
    assert k.get(host="x.test").status == 200


# -- configuration -----------------------------------------------------------------

WRONG = [
    ({"strategy": "p2d"}, 'strategy: "p2d" is not one of wrr, p2c, hrw, leasttime; did '
                          'you mean "p2c"?'),
    ({"healthCheck": {"path": "http://evil/"}}, "names another server"),
    ({"healthCheck": {"path": "//evil/"}}, "names another server"),
    ({"healthCheck": {"path": "evil:80"}}, "names another server"),
    ({"healthCheck": {"path": "/a b"}}, "cannot stand in a request"),
    ({"healthCheck": {"mode": "tcp"}}, 'mode: "tcp" is not one of http, grpc'),
    ({"healthCheck": {"scheme": "ftp"}}, 'scheme: "ftp" is not one of'),
    ({"healthCheck": {"port": 65536}}, "port: 65536 is not from 1 to 65535"),
    ({"healthCheck": {"status": 99}}, "status: 99 is not from 100 to 599"),
    ({"healthCheck": {"method": "G T"}}, "is no method"),
    ({"healthCheck": {"hostname": "a/b"}}, "is no host"),
    ({"healthCheck": {"headers": {"Host": "a"}}}, "hostname sets it"),
    ({"healthCheck": {"headers": {"a:b": "c"}}}, "cannot be sent"),
    ({"healthCheck": {"interval": "-1s"}}, "interval must be positive; 30 s is used"),
    ({"passiveHealthCheck": {"maxFailedAttempts": 0}}, "from 1 to 1000000"),
    ({"passiveHealthCheck": {"failureWindow": "0s"}}, "must be positive"),
    ({"sticky": {"cookie": {"path": "/;a"}}}, "cannot stand in a cookie"),
    ({"sticky": {"cookie": {"domain": "a b"}}}, "is no domain"),
    ({"sticky": {"cookie": {"sameSite": "some"}}}, "it is left out"),
    ({"sticky": {"cookie": {"sameSite": "none"}}}, "browsers drop"),
]


def test_what_cannot_be(akkod):
    services = {f"x{i}": balancer("http://127.0.0.1:1", **lb)
                for i, (lb, _) in enumerate(WRONG)}
    k = akkod(site(routers={n: {"service": n} for n in services}, services=services))
    broken = {b["name"] for b in k.status()["routers"]["broken"]}
    for i, (lb, says) in enumerate(WRONG):
        lines = [line for line in k.log.splitlines() if f"service x{i}: " in line]
        assert any(says in line for line in lines), (lb, lines)
        warned = says.endswith(("used", "left out", "drop"))
        assert (f"x{i}@file" in broken) != warned, lb
    assert k.get(host="x0.test").status == 503
