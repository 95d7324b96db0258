# SPDX-License-Identifier: BSD-2-Clause
"""Services of services: shares, mirrors, failover, middlewares of services
(proxy.md 3.4)."""
import collections

import pytest

from harness.site import balancer, site


def weighted(**shares):
    return {"weighted": {"services": [{"name": k, "weight": v}
                                      for k, v in shares.items()]}}


def random_weight(**shares):
    return {"highestRandomWeight": weighted(**shares)["weighted"]}


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
    "itself": weighted(one=1, itself=1),
    "absent": weighted(one=1, nosuch=1),
    "unwatched": {"weighted": {"services": [{"name": "one"}], "healthCheck": {}}},
    "unmade": {**SERVERS["one"], "middlewares": ["nosuch"]},
}
BROKEN = ["itself", "absent", "unwatched", "unmade"]
CONFIG = site(middlewares=MIDDLEWARES, services=SERVICES,
              routers={s: {"service": s} for s in SERVICES} |
              {"front": {"service": "added", "middlewares": ["stamp"]}})


def named(name):
    """A server that answers with its name and the path it was asked for."""
    def serve(c, r):
        c.body(r)
        c.answer(200, [("X-Name", name), ("X-Path", r.target)], name,
                 method=r.method)
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
    entry = a.logged(RequestHost=f"{host}.test")
    assert entry["Reason"] == "service-no-server"


def test_nested_shares(a):
    assert counts(a, "nested", 12) == {"three": 6, "one": 2, "two": 4}
    assert a.logged(RequestHost="nested.test")["ServiceName"] in (
        "one@file", "two@file", "three@file")


def test_address_decides(a):
    """The same client, the same service; over HTTP/2 and TLS as well."""
    who = counts(a, "hashed", 20)
    assert len(who) == 1
    assert counts(a, "hashed", 5, entry_point="web") .keys() == who.keys()
    assert counts(a, "heavy", 20) == {"two": 20}


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


# ---- What cannot be -----------------------------------------------------------------


@pytest.mark.parametrize("host", BROKEN)
def test_broken_services_serve_nothing(a, host):
    r = a.get(host=f"{host}.test")
    assert r.status == 503 and r.body == b"Service Unavailable\n"
    assert a.logged(RequestHost=f"{host}.test")["Reason"] == "router-broken"
