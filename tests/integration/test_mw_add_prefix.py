# SPDX-License-Identifier: BSD-2-Clause
"""addPrefix (proxy.md 4.1)."""
import pytest

from harness.site import site

CONFIG = site(
    middlewares={"plain": {"addPrefix": {"prefix": "/pre"}},
                 "bare": {"addPrefix": {"prefix": "pre"}},
                 "slash": {"addPrefix": {"prefix": "/a/"}},
                 "odd": {"addPrefix": {"prefix": "/p?q#r s"}},
                 "none": {"addPrefix": {"prefix": ""}}},
    routers={"plain": ["plain"], "bare": ["bare"], "slash": ["slash"],
             "none": ["none"], "odd": ["odd"], "two": ["plain", "bare"]})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,target,want", [
    ("plain", "/", "/pre/"),
    ("plain", "/x?q=1&q=2", "/pre/x?q=1&q=2"),
    ("plain", "/a%2Fb", "/pre/a%2Fb"),
    ("plain", "/a%20b", "/pre/a%20b"),
    ("bare", "/x", "/pre/x"),
    ("two", "/x", "/pre/pre/x"),
    ("slash", "/b", "/a//b"),
    ("odd", "/x?y", "/p%3Fq%23r%20s/x?y"),
])
def test_prefix(a, host, target, want):
    assert a.get(target, host=f"{host}.test").status == 200
    assert a.upstream.last.target == want


def test_empty_prefix_breaks_router(a):
    assert a.get("/", host="none.test").status == 503
    assert "prefix is missing" in a.log
