# SPDX-License-Identifier: BSD-2-Clause
"""chain, order, and routers whose middleware is missing or broken (4.0, 4.7)."""
import pytest

from harness.site import site


def add(value):
    return {"addPrefix": {"prefix": value}}


CONFIG = site(
    middlewares={
        "a": add("/a"), "b": add("/b"), "c": add("/c"),
        "ab": {"chain": {"middlewares": ["a", "b"]}},
        "abc": {"chain": {"middlewares": ["ab", "c@file"]}},
        "none": {"chain": {"middlewares": []}},
        "self": {"chain": {"middlewares": ["a", "self"]}},
        "x": {"chain": {"middlewares": ["y"]}},
        "y": {"chain": {"middlewares": ["x"]}},
        "holey": {"chain": {"middlewares": ["a", "nosuch"]}},
        "rotten": {"chain": {"middlewares": ["broken", "a"]}},
        "broken": {"ipAllowList": {"sourceRange": ["nonsense"]}},
        "two": {"addPrefix": {"prefix": "/p"}, "stripPrefix": {"prefixes": ["/q"]}},
        "later": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5"}},
        "up": {"headers": {"customRequestHeaders": {"X-Order": "up"},
                           "customResponseHeaders": {"X-Order": "up"}}},
        "down": {"headers": {"customRequestHeaders": {"X-Order": "down"},
                             "customResponseHeaders": {"X-Order": "down"}}}},
    routers={
        "one": ["a"], "ab": ["a", "b"], "ba": ["b", "a"], "chain": ["ab"],
        "nested": ["abc", "a"], "none": ["none"], "self": ["self"],
        "loop": ["x"], "holey": ["holey"], "rotten": ["rotten"],
        "missing": ["a", "nosuch"], "broken": ["broken"], "two": ["two"],
        "later": ["later"], "order": ["up", "down"],
        "foreign": ["a@nowhere"],
        # A broader router that must never stand in for a broken one.
        "broad": {"rule": "HostRegexp(`^.*$`)", "priority": 1}})
BROKEN = ["self", "loop", "holey", "rotten", "missing", "broken", "two",
          "later", "foreign"]


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,want", [
    ("one", "/a/x"), ("ab", "/b/a/x"), ("ba", "/a/b/x"), ("chain", "/b/a/x"),
    ("nested", "/a/c/b/a/x"), ("none", "/x"), ("unknown", "/x")])
def test_order_of_requests(a, host, want):
    assert a.get("/x", host=f"{host}.test").status == 200
    assert a.upstream.last.target == want


def test_order_of_responses(a):
    """The last one changes the request last and the response first."""
    r = a.get("/", host="order.test")
    assert a.upstream.last.all("X-Order") == ["down"]
    assert r.all("X-Order") == ["up"]


@pytest.mark.parametrize("host", BROKEN)
def test_broken_is_never_served(a, host):
    n = len(a.upstream.requests)
    for method in ("GET", "POST", "OPTIONS"):
        with a.client() as c:
            assert c.request(method, "/x", host=f"{host}.test").status == 503
    assert len(a.upstream.requests) == n
    assert a.logged(RequestAddr=f"{host}.test")["Reason"] == "router-broken"


def test_each_is_named(a):
    done = a.command("check", "-c", str(a.config))
    assert done.returncode == 1
    text = done.stdout + done.stderr
    for name in BROKEN:
        assert f"router {name}@file" in text, (name, text)
    assert "router one@file" not in text


def test_a_mended_one_serves_again(akkod, upstream):
    """Broken at first, mended by a reload, broken again: never in between."""
    u = upstream()
    bad = site(middlewares={"m": {"ipAllowList": {"sourceRange": ["x"]}}},
               routers={"a": ["m"]})
    good = bad.replace('"x"', '"127.0.0.1"')
    a = akkod(bad, values={"upstream": u.port})
    assert a.get("/").status == 503
    a.reload(good)
    assert a.get("/").status == 200
    a.write(bad)
    a.command("reload")
    assert a.get("/").status == 503
    assert len(u.requests) == 1
