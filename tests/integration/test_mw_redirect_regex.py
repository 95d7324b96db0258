# SPDX-License-Identifier: BSD-2-Clause
"""redirectRegex (proxy.md 4.5)."""
import pytest

from harness.site import site

CONFIG = site(
    middlewares={
        "host": {"redirectRegex": {"regex": "^http://host.test/(.*)",
                                   "replacement": "http://new.test/$1"}},
        "moved": {"redirectRegex": {"regex": "^http://moved.test(.*)",
                                    "replacement": "https://moved.test${1}",
                                    "permanent": True}},
        "same": {"redirectRegex": {"regex": "(.*)", "replacement": "$1"}},
        "port": {"redirectRegex": {"regex": "^(https?)://port.test(:\\d+)?/(.*)",
                                   "replacement": "$1://other.test$2/$3"}},
        "late": {"redirectRegex": {"regex": "^http://late.test/x$",
                                   "replacement": "http://late.test/y"}},
        "strip": {"stripPrefix": {"prefixes": ["/p"]}},
        "unparsable": {"redirectRegex": {"regex": ".*",
                                         "replacement": "http://a b/%zz"}},
        "bad": {"redirectRegex": {"regex": "(", "replacement": "x"}},
        "ruleless": {"redirectRegex": {"replacement": "x"}}},
    routers={x: [x] for x in ("host", "moved", "same", "port", "unparsable",
                              "bad", "ruleless")} |
            {"late": ["strip", "late"]})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,target,status,location", [
    ("host.test", "/a?b=c", 302, "http://new.test/a?b=c"),
    ("host.test", "/a%2Fb", 302, "http://new.test/a%2Fb"),
    ("moved.test", "/a", 301, "https://moved.test/a"),
    ("port.test:81", "/x", 302, "http://other.test:81/x"),
    ("port.test", "/x", 302, "http://other.test/x"),
    ("late.test", "/p/x", 302, "http://late.test/y"),
])
def test_redirect(a, host, target, status, location):
    r = a.get(target, host=host)
    assert (r.status, r["Location"]) == (status, location)


@pytest.mark.parametrize("method,host,status", [
    ("POST", "host.test", 307), ("HEAD", "host.test", 307),
    ("DELETE", "moved.test", 308),
])
def test_other_methods_keep_theirs(a, method, host, status):
    with a.client() as c:
        assert c.request(method, "/x", host=host).status == status


def test_no_match_and_no_change_go_on(a):
    assert a.get("/a?b", host="same.test").status == 200
    assert a.upstream.last.target == "/a?b"
    assert a.get("/p/z", host="late.test").status == 200
    assert a.upstream.last.target == "/z"


def test_client_proto_is_not_the_subject(a):
    r = a.get("/x", host="host.test", headers=[("X-Forwarded-Proto", "https")])
    assert r.status == 302


def test_url_that_does_not_parse(a):
    assert a.get("/", host="unparsable.test").status == 502


@pytest.mark.parametrize("host", ["bad", "ruleless"])
def test_broken(a, host):
    assert a.get("/", host=f"{host}.test").status == 503
