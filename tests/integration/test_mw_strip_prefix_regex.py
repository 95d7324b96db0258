# SPDX-License-Identifier: BSD-2-Clause
"""stripPrefixRegex (proxy.md 4.3)."""
import pytest

from harness.site import site

CONFIG = site(
    middlewares={"re": {"stripPrefixRegex": {"regex": ["/v[0-9]+/", " /api "]}},
                 "late": {"stripPrefixRegex": {"regex": ["[0-9]+"]}},
                 "empty": {"stripPrefixRegex": {"regex": ["x*"]}},
                 "bad": {"stripPrefixRegex": {"regex": ["(", "/ok"]}}},
    routers={"re": ["re"], "late": ["late"], "empty": ["empty"],
             "bad": ["bad"]})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,target,want,prefixes", [
    ("re", "/v12/x", "/x", ["/v12/"]),
    ("re", "/v12/x?v3/", "/x?v3/", ["/v12/"]),
    ("re", "/api/x", "/x", ["/api"]),
    ("re", "/x/v12/y", "/x/v12/y", []),
    ("re", "/vx/", "/vx/", []),
    ("re", "/%7612/a%2Fb", "/a%2Fb", ["/v12/"]),
    ("late", "/1/x", "/1/x", []),
    ("empty", "/x", "/x", []),
])
def test_strip(a, host, target, want, prefixes):
    assert a.get(target, host=f"{host}.test").status == 200
    assert a.upstream.last.target == want
    assert a.upstream.last.all("X-Forwarded-Prefix") == prefixes


@pytest.mark.parametrize("target", ["/api../x", "/api./"])
def test_not_canonical(a, target):
    n = len(a.upstream.requests)
    assert a.get(target, host="re.test").status == 400
    assert len(a.upstream.requests) == n


def test_bad_expression(a):
    assert a.get("/ok/x", host="bad.test").status == 503
    assert a.logged(RequestAddr="bad.test")["Reason"] == "router-broken"
