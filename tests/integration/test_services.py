# SPDX-License-Identifier: BSD-2-Clause
"""Services of services: shares, mirrors, failover, middlewares of services
(proxy.md 3.4)."""
import collections
import threading
import time

import pytest

from harness.h2 import H2
from harness.h2_upstream import H2Upstream
from harness.proc import until
from harness.site import balancer, site


def weighted(**shares):
    return {"weighted": {"services": [{"name": k, "weight": v}
                                      for k, v in shares.items()]}}


def random_weight(**shares):
    return {"highestRandomWeight": weighted(**shares)["weighted"]}


def mirroring(main, mirrors, **options):
    return {"mirroring": {"service": main, **options, "mirrors": [
        {"name": k, "percent": v} for k, v in mirrors.items()]}}


def failover(service, fallback, status=(), **errors):
    f = {"service": service, "fallback": fallback}
    if status or errors:
        f["errors"] = {"status": list(status), **errors}
    return {"failover": f}


SERVERS = {x: balancer(f"http://127.0.0.1:@{x}@") for x in ("one", "two", "three")}
MIDDLEWARES = {
    "add": {"addPrefix": {"prefix": "/add"}},
    "more": {"addPrefix": {"prefix": "/more"}},
    "stamp": {"headers": {"customResponseHeaders": {"X-Stamp": "yes"}}},
    "deny": {"ipAllowList": {"sourceRange": ["10.0.0.1"]}},
    "slow": {"rateLimit": {"average": 1, "period": "1h", "burst": 2}},
    "page": {"errors": {"status": ["503"], "service": "pages", "query": "/page"}},
}
SERVICES = {
    **SERVERS,
    "pages": balancer("http://127.0.0.1:@pages@"),
    "thirds": weighted(one=1, two=2),
    "spread": weighted(one=50, two=30, three=20),
    "zero": weighted(one=1, two=0, three=-1),
    "nothing": weighted(one=0),
    "nobody": {"weighted": {}},
    "nested": weighted(thirds=1, three=1),
    "hashed": random_weight(one=1, two=1, three=1),
    "heavy": random_weight(one=1, two=1000000, three=1),
    "added": {**SERVERS["one"], "middlewares": ["add", "more"]},
    "denied": {**SERVERS["one"], "middlewares": ["deny"]},
    "mixed": weighted(added=1, two=1),
    "stamped": {**weighted(one=1, two=1), "middlewares": ["stamp"]},
    "limited": {**SERVERS["one"], "middlewares": ["slow"]},
    "paged": {**weighted(one=0), "middlewares": ["page"]},
    "nothing-there": balancer("http://127.0.0.1:@closed@"),
    "half": mirroring("one", {"two": 50}),
    "tenth": mirroring("one", {"two": 10, "three": 100}),
    "never": mirroring("one", {"two": 0}),
    "all": mirroring("one", {"two": 100}),
    "small": mirroring("one", {"two": 100}, maxBodySize=5),
    "bare": mirroring("one", {"two": 100}, mirrorBody=False),
    "deadend": mirroring("one", {"nothing-there": 100, "two": 100}),
    "nowhere": mirroring("nothing-there", {"two": 100}),
    "shares": mirroring("thirds", {"added": 100}),
    "twice": mirroring("all", {"three": 100}),
    "stamps": mirroring("stamped-one", {"three": 100}),
    "stamped-one": {**SERVERS["one"], "middlewares": ["stamp", "add"]},
    "errors": failover("one", "two", ["500-599", "404"]),
    "bounded": failover("one", "two", ["500"], maxRequestBodyBytes=5),
    "down": failover("nothing-there", "two", ["502"]),
    "bothdown": failover("nothing-there", "nothing-there", ["502"]),
    "chained": failover("errors", "three", ["500"]),
    "changing": failover("stamped-one", "three", ["500"]),
    "sharing": failover("thirds", "three", ["500"]),
    "blind": failover("one", "two"),
    "badrange": failover("one", "two", ["5xx"]),
    "itself": weighted(one=1, itself=1),
    "absent": weighted(one=1, nosuch=1),
    "unwatched": {"weighted": {"services": [{"name": "one"}], "healthCheck": {}}},
    "unmade": {**SERVERS["one"], "middlewares": ["nosuch"]},
}
BROKEN = ["blind", "badrange", "itself", "absent", "unwatched", "unmade"]
CONFIG = site(middlewares=MIDDLEWARES, services=SERVICES,
              routers={s: {"service": s} for s in SERVICES} |
              {"front": {"service": "added", "middlewares": ["stamp"]}})


def named(name):
    """A server that answers with its name and the path it was asked for.

    X-Fail: NAMES STATUS lets those answer so, X-Slow: NAME SECONDS late.
    """
    def serve(c, r):
        c.body(r)
        late = (r["X-Slow"] or "").split()
        if late[:1] == [name]:
            time.sleep(float(late[1]))
        fail = (r["X-Fail"] or "").split()
        status = int(fail[1]) if fail and name in fail[0].split(",") else 200
        c.answer(status, [("X-Name", name), ("X-Path", r.target)],
                 name * int(r["X-Times"] or 1), method=r.method)
    return serve


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    servers = {x: module_upstream(named(x)) for x in SERVERS}
    ports = {x: u.port for x, u in servers.items()}
    ports["pages"] = module_upstream(named("pages"), owned=False).port
    a = module_akkod(CONFIG, values={**ports, "upstream": ports["one"]})
    a.servers = servers
    return a


def counts(a, host, n, **kw):
    """Who answered n requests."""
    with a.client(**kw) as c:
        return collections.Counter(
            c.request("GET", "/", host=f"{host}.test").text for _ in range(n))


# ---- Shares --------------------------------------------------------------------


def test_shares_are_exact(a):
    """Cases 104 and 69: over each whole round, wherever it begins."""
    for _ in range(4):
        assert counts(a, "thirds", 3) == {"one": 1, "two": 2}
    assert counts(a, "spread", 7).total() == 7
    for _ in range(3):
        assert counts(a, "spread", 10) == {"one": 5, "two": 3, "three": 2}


def test_shares_mix(a):
    """No one is asked for its whole share at once."""
    with a.client() as c:
        order = [c.request("GET", "/", host="spread.test").text
                 for _ in range(20)]
    longest = run = 1
    for one, next_ in zip(order, order[1:]):
        run = run + 1 if one == next_ else 1
        longest = max(longest, run)
    assert longest <= 2, order


def test_no_weight_no_requests(a):
    assert counts(a, "zero", 20) == {"one": 20}


@pytest.mark.parametrize("host", ["nothing", "nobody"])
def test_nobody_has_a_share(a, host):
    r = a.get(host=f"{host}.test")
    assert r.status == 503 and r.body == b"no available server\n"
    assert a.logged(RequestHost=f"{host}.test", Reason="service-no-server")


def test_nested_shares(a):
    assert counts(a, "nested", 12) == {"three": 6, "one": 2, "two": 4}
    for name in ("one", "two", "three"):
        assert a.logged(RequestHost="nested.test", ServiceName=f"{name}@file")


def test_address_decides(a):
    """The same client, the same service, on any connection."""
    who = counts(a, "hashed", 20)
    assert len(who) == 1
    assert counts(a, "hashed", 5).keys() == who.keys()
    assert counts(a, "heavy", 20) == {"two": 20}
    many = [counts(a, "hashed", 2, source=f"127.0.1.{i}") for i in range(40)]
    assert all(len(who) == 1 for who in many)
    assert sum(many, collections.Counter()).keys() == {"one", "two", "three"}


def test_weights_change_with_a_reload(akkod, upstream):
    u = {x: upstream(named(x)) for x in ("one", "two")}
    values = {"upstream": 1, **{x: u[x].port for x in u}}

    def config(**shares):
        return site(routers={"w": {"service": "w"}}, services={
            **{x: SERVERS[x] for x in u}, "w": weighted(**shares)})
    a = akkod(config(one=3, two=1), values=values)
    with a.client() as c:
        def ask(n):
            return collections.Counter(c.request(
                "GET", "/", host="w.test").text for _ in range(n))
        assert ask(8) == {"one": 6, "two": 2}
        a.reload(config(one=1, two=4))
        assert ask(10) == {"one": 2, "two": 8}
        a.reload(config(one=1))
        assert ask(3) == {"one": 3}


# ---- Middlewares ------------------------------------------------------------------


def test_middlewares_run_before_the_service(a):
    """In order, behind those of the router."""
    r = a.get("/x", host="added.test")
    assert r.text == "one" and r["X-Path"] == "/more/add/x"
    r = a.get("/x", host="front.test")
    assert r["X-Path"] == "/more/add/x" and r["X-Stamp"] == "yes"


def test_middlewares_of_one_child(a):
    with a.client() as c:
        got = {(r.text, r["X-Path"]) for r in (
            c.request("GET", "/x", host="mixed.test") for _ in range(4))}
    assert got == {("one", "/more/add/x"), ("two", "/x")}


def test_middlewares_of_a_group(a):
    with a.client() as c:
        all_ = [c.request("GET", "/", host="stamped.test") for _ in range(4)]
    assert {r.text for r in all_} == {"one", "two"}
    assert {r["X-Stamp"] for r in all_} == {"yes"}


def test_middlewares_refuse(a):
    n = len(a.servers["one"].requests)
    assert a.get(host="denied.test").status == 403
    assert len(a.servers["one"].requests) == n
    got = [a.get(host="limited.test").status for _ in range(4)]
    assert got == [200, 200, 429, 429]


def test_middlewares_see_akkods_own_answer(a):
    r = a.get(host="paged.test")
    assert r.status == 503 and r.text == "pages" and r["X-Path"] == "/page"


# ---- Mirrors ---------------------------------------------------------------------


@pytest.fixture
def fresh(a):
    """The servers forget what they were asked."""
    time.sleep(0.05)		# what former tests have mirrored
    for u in a.servers.values():
        u.requests.clear()
    return a


def settled(u, n):
    """The n requests that come to a server, and no more."""
    u.wait(n)
    time.sleep(0.1)
    assert len(u.requests) == n
    return u.requests


def test_percents_are_exact(fresh):
    """Case 105: front-loaded, and over time what was asked for."""
    assert counts(fresh, "half", 10) == {"one": 10}
    assert counts(fresh, "never", 5) == {"one": 5}
    settled(fresh.servers["two"], 5)
    for n, total in ((1, 1), (9, 1), (1, 2), (9, 2), (10, 3)):
        counts(fresh, "tenth", n)
        settled(fresh.servers["two"], 5 + total)
    settled(fresh.servers["three"], 30)


def test_copy_is_the_same_request(fresh):
    body = bytes(range(256)) * 300
    with fresh.client() as c:
        r = c.request("PUT", "/p?q=1", host="all.test", body=body,
                      headers=[("X-Mine", "a"), ("X-Mine", "b")])
        assert r.text == "one"
    copy = settled(fresh.servers["two"], 1)[0]
    main = fresh.servers["one"].last
    assert copy.body == main.body == body
    assert (copy.method, copy.target) == ("PUT", "/p?q=1")
    assert copy.fields == main.fields


def test_copy_of_a_chunked_body(fresh):
    with fresh.client() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: all.test\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        time.sleep(0.05)
        c.send(b"4\r\ndefg\r\n0\r\n\r\n")
        assert c.response().text == "one"
    copy = settled(fresh.servers["two"], 1)[0]
    assert copy.body == b"abcdefg" and copy["Content-Length"] == "7"


def test_slow_mirrors_delay_nobody(fresh):
    with fresh.client() as c:
        start = time.monotonic()
        for _ in range(5):
            assert c.request("GET", "/", host="all.test",
                             headers=[("X-Slow", "two 0.5")]).text == "one"
        assert time.monotonic() - start < 0.4
    settled(fresh.servers["two"], 5)


def test_mirrors_have_no_say(fresh):
    """What they answer is dropped, and that one is gone holds up no other."""
    r = fresh.get(host="all.test", headers=[("X-Fail", "two 500")])
    assert (r.status, r.text, r["X-Name"]) == (200, "one", "one")
    assert fresh.get(host="deadend.test").text == "one"
    assert len(settled(fresh.servers["two"], 2)) == 2
    r = fresh.get(host="all.test", headers=[("X-Times", "100000")])
    assert r.text == "one" * 100000
    settled(fresh.servers["two"], 3)


def test_main_service_that_is_gone(fresh):
    assert fresh.get(host="nowhere.test").status == 502
    settled(fresh.servers["two"], 1)


@pytest.mark.parametrize("host,body,copied", [
    ("small", b"12345", b"12345"), ("small", b"123456", None),
    ("small", b"", b""), ("bare", b"123456", b"")])
def test_bodies_of_copies(fresh, host, body, copied):
    """Case 106."""
    for framing in ("length", "chunked"):
        n = len(fresh.servers["two"].requests)
        with fresh.client() as c:
            if framing == "length":
                r = c.request("POST", "/", host=f"{host}.test", body=body)
            else:
                c.send(f"POST / HTTP/1.1\r\nHost: {host}.test\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n".encode() +
                       (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") +
                       b"0\r\n\r\n")
                r = c.response()
            assert r.text == "one"
        assert fresh.servers["one"].last.body == body
        if copied is None:
            time.sleep(0.1)
            assert len(fresh.servers["two"].requests) == n
        else:
            assert settled(fresh.servers["two"], n + 1)[-1].body == copied


def test_client_that_leaves_is_not_mirrored(fresh):
    with fresh.client() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: all.test\r\nX-Slow: one 0.3\r\n\r\n")
        fresh.servers["one"].wait(1)
        c.reset()
    settled(fresh.servers["two"], 0)


def test_trees_with_mirrors(fresh):
    """A mirror with middlewares of its own; mirrors of mirrors."""
    assert counts(fresh, "shares", 3) == {"one": 1, "two": 2}
    assert {r.target for r in settled(fresh.servers["one"], 4)} == \
        {"/", "/more/add/"}
    assert counts(fresh, "twice", 2) == {"one": 2}
    settled(fresh.servers["three"], 2)
    settled(fresh.servers["two"], 4)


def test_copies_know_nothing_of_the_main_service(fresh):
    """Its middlewares change its own request alone."""
    assert fresh.get("/x", host="stamps.test")["X-Path"] == "/add/x"
    assert settled(fresh.servers["three"], 1)[0].target == "/x"


# ---- Failover --------------------------------------------------------------------


@pytest.mark.parametrize("status,who", [
    (200, "one"), (500, "two"), (503, "two"), (404, "two"), (403, "one")])
@pytest.mark.parametrize("times", [1, 100000])
def test_failover_by_status(fresh, status, who, times):
    """Case 107: of an answer that does not count nothing is seen."""
    with fresh.client() as c:
        for _ in range(2):
            r = c.request("GET", "/x?y", host="errors.test", headers=[
                ("X-Fail", f"one {status}"), ("X-Times", times)])
            assert (r.status, r.text) == \
                (status if who == "one" else 200, who * times)
            assert r.all("X-Name") == [who] and r["X-Path"] == "/x?y"
    assert fresh.logged(RequestHost="errors.test", DownstreamStatus=r.status,
                        ServiceName=f"{who}@file", OriginStatus=r.status)
    one, two = fresh.servers["one"].last, fresh.servers["two"]
    if who == "two":
        assert two.last.fields == one.fields


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 100000])
def test_failover_repeats_the_body(fresh, size, chunked):
    body = b"x" * size
    with fresh.client() as c:
        if chunked:
            c.send(b"POST / HTTP/1.1\r\nHost: errors.test\r\nX-Fail: one 500"
                   b"\r\nTransfer-Encoding: chunked\r\n\r\n" +
                   (b"%x\r\n%s\r\n" % (size, body) if size else b"") +
                   b"0\r\n\r\n")
            r = c.response()
        else:
            r = c.request("POST", "/", host="errors.test", body=body,
                          headers=[("X-Fail", "one 500")])
        assert r.text == "two"
        assert c.request("GET", "/", host="errors.test").text == "one"
    assert fresh.servers["one"].requests[0].body == body
    assert fresh.servers["two"].last.body == body


def test_failover_of_what_is_gone(fresh):
    """akkod's own answers count as well."""
    r = fresh.get(host="down.test")
    assert (r.status, r.text) == (200, "two")
    assert "Reason" not in fresh.logged(RequestHost="down.test",
                                        DownstreamStatus=200)
    assert fresh.get(host="bothdown.test").status == 502
    with fresh.client() as c:
        r = c.request("POST", "/", host="down.test", body=b"abc" * 1000)
        assert r.text == "two"
    assert fresh.servers["two"].last.body == b"abc" * 1000


@pytest.mark.parametrize("body,status", [(b"12345", 200), (b"123456", 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_failover_bounds_the_body(fresh, body, status, chunked):
    """Case 108: and asks nobody."""
    with fresh.client() as c:
        if chunked:
            c.send(b"POST / HTTP/1.1\r\nHost: bounded.test\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
                   % (len(body), body))
            r = c.response()
        else:
            r = c.request("POST", "/", host="bounded.test", body=body)
    assert r.status == status
    if status == 413:
        assert r.body == b"Request body too large\n"
        assert fresh.logged(RequestHost="bounded.test",
                            Reason="body-too-large")
    assert len(fresh.servers["one"].requests) == (status == 200)
    assert not fresh.servers["two"].requests


def test_failover_in_failover(fresh):
    r = fresh.get(host="chained.test", headers=[("X-Fail", "one 500")])
    assert r.text == "two"
    r = fresh.get(host="chained.test", headers=[("X-Fail", "one,two 500")])
    assert r.text == "three"
    r = fresh.get(host="chained.test", headers=[("X-Fail", "one,two,three 500")])
    assert (r.status, r.text) == (500, "three")
    assert counts(fresh, "sharing", 3) == {"one": 1, "two": 2}


def test_failover_undoes_what_middlewares_did(fresh):
    r = fresh.get("/x", host="changing.test", headers=[("X-Fail", "one 500")])
    assert (r.text, r["X-Path"], r["X-Stamp"]) == ("three", "/x", None)
    r = fresh.get("/x", host="changing.test")
    assert (r.text, r["X-Path"], r["X-Stamp"]) == ("one", "/add/x", "yes")


# ---- Health -----------------------------------------------------------------------


def test_groups_hear_of_health(akkod, upstream):
    """Case 107, and 3.5: up to whoever asked, through every kind."""
    sick = set()

    def server(name):
        def serve(c, r):
            c.body(r)
            c.answer(500 if r.target == "/health" and name in sick else 200,
                     body=name)
        return upstream(serve, owned=False)
    u = {x: server(x) for x in SERVERS}

    def checked(x):
        return balancer(f"http://127.0.0.1:@{x}@", healthCheck={
            "path": "/health", "interval": "100ms", "timeout": "1s"})

    def watching(service):
        for kind in service.values():
            kind["healthCheck"] = {}
        return service
    services = {
        "c1": checked("one"), "c2": checked("two"), "three": SERVERS["three"],
        "group": watching(weighted(c1=1, c2=1)), "deaf": weighted(c1=1, c2=1),
        "drawn": watching(random_weight(c1=1000000, c2=1)),
        "plain": failover("c1", "c2"),
        "both": watching(failover("c1", "c2")),
        "outer": failover("group", "three"),
        "outer2": failover("both", "three"),
        "copier": watching(mirroring("c1", {"three": 0})),
        "copied": failover("copier", "three"),
        "stamped": {**checked("one"), "middlewares": ["stamp"]},
        "behind": failover("stamped", "three")}
    a = akkod(site(middlewares=MIDDLEWARES, services={**SERVERS, **services,
                                                      "pages": SERVERS["one"]},
                   routers={s: {"service": s} for s in services}),
              values={"upstream": u["one"].port,
                      **{x: u[x].port for x in u}})

    def says(host):
        return a.get(host=f"{host}.test").text
    assert counts(a, "group", 4) == counts(a, "deaf", 4) == {"one": 2, "two": 2}
    for host in ("plain", "both", "copied", "behind", "drawn"):
        assert says(host) == "one"
    sick.add("one")
    until(lambda: says("plain") == "two")
    until(lambda: says("behind") == "three")
    assert counts(a, "group", 6) == {"two": 6}
    assert counts(a, "deaf", 4) == {"no available server\n": 2, "two": 2}
    assert (says("both"), says("copied"), says("drawn"), says("outer")) == \
        ("two", "three", "two", "two")
    sick.add("two")
    until(lambda: a.get(host="both.test").status == 503)
    assert says("both") == "Service Unavailable\n"
    assert says("plain") == says("group") == says("drawn") == \
        "no available server\n"
    assert says("outer") == says("outer2") == "three"
    sick.clear()
    until(lambda: says("plain") == "one" and says("behind") == "one")
    until(lambda: counts(a, "group", 4) == {"one": 2, "two": 2})


# ---- HTTP/2 ------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["all", "errors", "chained"])
def test_http2_bodies(fresh, host):
    """Many at once, each in pieces: all of them arrive, twice."""
    with H2((fresh.host, fresh.ports["web"]), tls=False) as c:
        ids = [c.start("POST", f"/{i}", f"{host}.test", end=False,
                       fields=[("x-fail", "one 500")] if host != "all" else [])
               for i in range(5)]
        for part in range(3):
            for i in ids:
                c.data(i, b"%d" % part * 1000, end=part == 2)
        for i in ids:
            a = c.response(i)
            assert a.body == (b"one" if host == "all" else b"two"), a.status
    want = b"".join(b"%d" % part * 1000 for part in range(3))
    for name in ("one", "two"):
        got = settled(fresh.servers[name], 5)
        assert {r.target for r in got} == {f"/{i}" for i in range(5)}
        assert all(r.body == want for r in got)


def test_body_that_grows_behind_the_answer(akkod, upstream):
    """More than is kept comes when the first answer is dropped already: the
    fallback is not given the end of it."""
    begun = threading.Event()

    class Count:		# adding them up takes long
        n = 0

        def __iadd__(self, data):
            self.n += len(data)
            return self

    def fail(call):
        call.body = Count()
        call.head(500)
        begun.set()
        call.wait(lambda c: c.body.n > 16 << 20 or c.reset is not None, 20)
        call.data(b"no", end=True)

    first, other = H2Upstream(fail), upstream()
    a = akkod(site(routers={"all": {"service": "either"}}, services={
        "one": balancer(f"h2c://127.0.0.1:{first.port}"),
        "two": balancer(f"http://127.0.0.1:{other.port}"),
        "either": failover("one", "two", ["500-599"])}),
        values={"upstream": other.port})
    with H2((a.host, a.ports["web"]), tls=False) as c:
        i = c.start("POST", "/", "all.test", end=False)
        c.data(i, b"x")
        assert begun.wait(10)
        time.sleep(0.1)
        while not c.answer(i).ended and c.answer(i).reset is None:
            if c.room(i) >= 1 << 14:
                c.data(i, bytes(1 << 14))
            else:
                c.frame()
        assert c.answer(i).status == 413
    assert not other.requests
    first.close()


# ---- What cannot be -----------------------------------------------------------------


@pytest.mark.parametrize("host", BROKEN)
def test_broken_services_serve_nothing(a, host):
    r = a.get(host=f"{host}.test")
    assert r.status == 503 and r.body == b"Service Unavailable\n"
    assert a.logged(RequestHost=f"{host}.test", Reason="router-broken")
