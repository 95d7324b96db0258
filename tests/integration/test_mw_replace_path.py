# SPDX-License-Identifier: BSD-2-Clause
"""replacePath and replacePathRegex (proxy.md 4.4)."""
import pytest

from harness.site import site

CONFIG = site(
    middlewares={"fix": {"replacePath": {"path": "/fixed"}},
                 "escape": {"replacePath": {"path": "/a%20b%2Fc"}},
                 "broken": {"replacePath": {"path": "/%zz"}},
                 "re": {"replacePathRegex": {"regex": "^/old/(.*)",
                                             "replacement": "/new/$1"}},
                 "named": {"replacePathRegex": {
                     "regex": " ^/(?P<a>[a-z]+)/([0-9]+) ",
                     "replacement": " /${2}-${a}/$$ "}},
                 "many": {"replacePathRegex": {"regex": "o",
                                               "replacement": "0"}},
                 "dots": {"replacePathRegex": {"regex": "^/x/(.*)",
                                               "replacement": "/$1/../y"}},
                 "wrong": {"replacePathRegex": {"regex": "^/w",
                                                "replacement": "/%zz"}},
                 "group": {"replacePathRegex": {"regex": "^/(g)",
                                                "replacement": "/$1x"}},
                 "noslash": {"replacePath": {"path": "noslash"}},
                 "odd": {"replacePath": {"path": "/a?b#c d"}},
                 "oddre": {"replacePathRegex": {"regex": "^/(.*)",
                                                "replacement": "/x?$1#z w"}},
                 "void": {"replacePathRegex": {"regex": "^.*$",
                                               "replacement": ""}},
                 "relative": {"replacePathRegex": {"regex": "^/(.*)",
                                                   "replacement": "$1"}},
                 "bad": {"replacePathRegex": {"regex": "(",
                                              "replacement": "/"}}},
    routers={x: [x] for x in ("fix", "escape", "broken", "re", "named", "many",
                              "dots", "wrong", "group", "bad", "noslash", "odd",
                              "oddre", "void", "relative")})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,target,want,old", [
    ("fix", "/x/y?q=1", "/fixed?q=1", ["/x/y"]),
    ("fix", "/a%20b", "/fixed", ["/a%20b"]),
    ("escape", "/", "/a%20b%2Fc", ["/"]),
    ("re", "/old/a%2Fb?c", "/new/a%2Fb?c", ["/old/a%2Fb"]),
    ("re", "/other/old/", "/other/old/", []),
    ("named", "/abc/12/z", "/12-abc/$/z", ["/abc/12/z"]),
    ("many", "/foo/bo?o", "/f00/b0?o", ["/foo/bo"]),
    ("group", "/g/h", "//h", ["/g/h"]),
    # What is configured is a path: nothing in it ends the path.
    ("noslash", "/x?q", "/noslash?q", ["/x"]),
    ("odd", "/x?q", "/a%3Fb%23c%20d?q", ["/x"]),
    ("oddre", "/v?q", "/x%3Fv%23z%20w?q", ["/v"]),
    ("void", "/v?q", "/?q", ["/v"]),
])
def test_replace(a, host, target, want, old):
    if want.startswith("//"):		# $1x is the group named 1x, and empty
        assert a.get(target, host=f"{host}.test").status == 400
        return
    assert a.get(target, host=f"{host}.test").status == 200
    assert a.upstream.last.target == want
    assert a.upstream.last.all("X-Replaced-Path") == old


@pytest.mark.parametrize("host,target,status", [
    ("dots", "/x/a", 400),
    ("wrong", "/w", 500),
    ("relative", "/x/y", 400),
    ("bad", "/", 503),
])
def test_refused(a, host, target, status):
    n = len(a.upstream.requests)
    assert a.get(target, host=f"{host}.test").status == status
    assert len(a.upstream.requests) == n


def test_path_that_does_not_decode(a):
    """Traefik answers 500 to each request; akkod may refuse it at load."""
    assert a.get("/", host="broken.test").status in (500, 503)
