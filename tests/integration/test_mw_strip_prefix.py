# SPDX-License-Identifier: BSD-2-Clause
"""stripPrefix (proxy.md 4.2)."""
import pytest

from harness.site import site

CONFIG = site(
    middlewares={"api": {"stripPrefix": {"prefixes": ["/api", " /second ", "/a b"]}},
                 "slash": {"stripPrefix": {"prefixes": ["/api"],
                                           "forceSlash": True}},
                 "other": {"stripPrefix": {"prefixes": ["/v1"]}}},
    routers={"api": ["api"], "slash": ["slash"], "two": ["api", "other"]})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,target,want,prefixes", [
    ("api", "/api/x", "/x", ["/api"]),
    ("api", "/api", "/", ["/api"]),
    ("api", "/api/", "/", ["/api"]),
    ("api", "/api?q", "/?q", ["/api"]),
    ("api", "/apix", "/x", ["/api"]),
    ("api", "/second/y?q=1", "/y?q=1", ["/second"]),
    ("api", "/other/api", "/other/api", []),
    ("api", "/API/x", "/API/x", []),
    ("api", "/a%20b/c", "/c", ["/a b"]),
    ("api", "/api/a%2Fb", "/a%2Fb", ["/api"]),
    ("api", "/%61pi/x", "/x", ["/api"]),
    ("slash", "/api", "/", ["/api"]),
    ("slash", "/apix", "/x", ["/api"]),
    ("two", "/api/v1/x", "/x", ["/api", "/v1"]),
])
def test_strip(a, host, target, want, prefixes):
    assert a.get(target, host=f"{host}.test").status == 200
    assert a.upstream.last.target == want
    assert a.upstream.last.all("X-Forwarded-Prefix") == prefixes


def test_client_prefix_header_goes(a):
    a.get("/api/x", host="api.test", headers=[("X-Forwarded-Prefix", "/evil")])
    assert a.upstream.last.all("X-Forwarded-Prefix") == ["/api"]


def test_escape_of_slash_is_kept(a):
    """Traefik loses the escape here; what is left stays as it was sent."""
    a.get("/api%2Fx", host="api.test")
    assert a.upstream.last.target == "/%2Fx"


@pytest.mark.parametrize("target", ["/api../admin", "/api./x", "/api.."])
def test_not_canonical(a, target):
    n = len(a.upstream.requests)
    r = a.get(target, host="api.test")
    assert r.status == 400
    assert len(a.upstream.requests) == n
    line = a.logged(DownstreamStatus=400, RequestPath=target)
    assert line["Reason"] == "path-rewrite"
