# SPDX-License-Identifier: BSD-2-Clause
"""ipAllowList and what counts as the client's address (proxy.md 4.14, S-518)."""
import pytest

from harness.site import site

LISTS = {
    "loop": {"sourceRange": ["127.0.0.0/8"]},
    "one": {"sourceRange": ["10.1.2.3", "10.9.0.0/16"]},
    "code": {"sourceRange": ["10.0.0.1"], "rejectStatusCode": 404},
    "depth1": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 1}},
    "depth2": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 2}},
    "excl": {"sourceRange": ["10.0.0.0/8"],
             "ipStrategy": {"excludedIPs": ["192.168.0.0/16", "172.16.0.1"]}},
    "v6": {"sourceRange": ["2001:db8::/32"], "ipStrategy": {"depth": 1}},
    "mapped": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 1}},
    "empty": {"sourceRange": []},
    "bad": {"sourceRange": ["10.0.0.0/33"]},
    "name": {"sourceRange": ["localhost"]},
    "nocode": {"sourceRange": ["127.0.0.1"], "rejectStatusCode": 299},
}
CONFIG = """
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    forwardedHeaders: {insecure: true}
  strict: {address: "127.0.0.1:@strict@"}
accessLog: {filePath: @dir@/access.log, format: json}
""" + site(middlewares={k: {"ipAllowList": v} for k, v in LISTS.items()} |
           {"old": {"ipWhiteList": {"sourceRange": ["127.0.0.1"]}}},
           routers={k: [k] for k in [*LISTS, "old"]})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,xff,status", [
    ("loop", None, 200),
    ("loop", "8.8.8.8", 200),			# only the peer counts
    ("old", None, 200),
    ("one", None, 403),
    ("one", "10.1.2.3", 403),
    ("code", None, 404),
    ("depth1", None, 403),
    ("depth1", "10.0.0.1", 200),
    ("depth1", "8.8.8.8, 10.0.0.1", 200),
    ("depth1", "10.0.0.1, 8.8.8.8", 403),
    ("depth1", "10.0.0.1:80", 200),
    ("depth1", "010.0.0.1", 403),
    ("depth1", "10.0.0.1,", 403),
    ("depth1", "unknown", 403),
    ("depth2", "10.0.0.1", 403),
    ("depth2", "10.0.0.1, 8.8.8.8", 200),
    ("depth2", "10.0.0.1,8.8.8.8", 200),
    ("depth2", "10.0.0.1, 8.8.8.8, 9.9.9.9", 403),
    ("excl", "10.0.0.1, 192.168.1.1", 200),
    ("excl", "10.0.0.1, 172.16.0.1, 192.168.1.1", 200),
    ("excl", "10.0.0.1, 8.8.8.8, 192.168.1.1", 403),
    ("excl", "192.168.1.1", 403),
    ("excl", None, 403),
    ("excl", "10.0.0.1, junk, 192.168.1.1", 403),
    ("v6", "2001:db8::1", 200),
    ("v6", "[2001:db8::1]:99", 200),
    ("v6", "2001:db9::1", 403),
    ("v6", "10.0.0.1", 403),
    ("mapped", "::ffff:10.0.0.1", 200),
    ("mapped", "::ffff:8.0.0.1", 403),
])
def test_source(a, host, xff, status):
    n = len(a.upstream.requests)
    r = a.get("/", host=f"{host}.test",
              headers=[("X-Forwarded-For", xff)] if xff else [])
    assert r.status == status
    assert len(a.upstream.requests) - n == (status == 200)
    if status == 403:
        assert r.text == "Forbidden" and r["Content-Type"] is None


def test_several_lines_are_one_list(a):
    r = a.get("/", host="depth2.test", headers=[
        ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "8.8.8.8")])
    assert r.status == 200


def test_untrusted_peer_cannot_say_who_it_is(a):
    r = a.get("/", host="depth1.test", entry_point="strict",
              headers=[("X-Forwarded-For", "10.0.0.1")])
    assert r.status == 403


def test_reason(a):
    a.get("/why", host="one.test")
    assert a.logged(RequestPath="/why")["Reason"] == "ip-denied"


@pytest.mark.parametrize("host", ["empty", "bad", "name", "nocode"])
def test_broken(a, host):
    """A list that cannot be used never lets anybody in (S-517)."""
    n = len(a.upstream.requests)
    assert a.get("/", host=f"{host}.test").status == 503
    assert len(a.upstream.requests) == n
