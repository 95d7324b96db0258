# SPDX-License-Identifier: BSD-2-Clause
"""X-Forwarded-*, Connection and the fields akkod owns (proxy.md 3.6)."""
import os

import pytest

from harness.site import site

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  any: {address: "127.0.0.1:@any@", forwardedHeaders: {insecure: true}}
  peer:
    address: "127.0.0.1:@peer@"
    forwardedHeaders: {trustedIPs: [127.0.0.2], connection: [X-Keep]}
  last:
    address: "127.0.0.1:@last@"
    forwardedHeaders: {insecure: true, notAppendXForwardedFor: true}
  scheme:
    address: "127.0.0.1:@scheme@"
    forwardedHeaders: {addXForwardedSchemeHeaders: true}
  del:
    address: "127.0.0.1:@del@"
    http: {underscoreHeadersStrategy: delete}
  websecure: {address: "127.0.0.1:@websecure@"}
""" + site(routers={
    "a": {}, "k": {"rule": "Host(`k.test`) && Header(`X-Keep`, `1`)"},
    "o": {"rule": "Host(`o.test`) && Header(`X-Own`, `1`)"}, "t": {"rule": "Host(`t.test`)", "tls": {}}})
MANAGED = ["X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Host",
           "X-Forwarded-Port", "X-Forwarded-Scheme", "X-Forwarded-Server",
           "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Prefix",
           "X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info",
           "X-Scheme", "X-Real-Ip", "Forwarded", "X-Original-URL",
           "X-Original-URI", "X-Original-Method"]


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


def seen(a, headers=(), host="a.test", **kw):
    kw.setdefault("entry_point", "web")
    assert a.get("/x?y", host=host, headers=headers, **kw).status == 200
    return a.upstream.last


def test_from_nobody(a):
    r = seen(a, host="a.test:8000")
    assert r.all("X-Real-Ip") == ["127.0.0.1"]
    assert r.all("X-Forwarded-For") == ["127.0.0.1"]
    assert r.all("X-Forwarded-Proto") == ["http"]
    assert r.all("X-Forwarded-Host") == ["a.test:8000"]
    assert r.all("X-Forwarded-Port") == ["8000"]
    assert r.all("X-Forwarded-Server") == [os.uname().nodename]
    assert r.all("Host") == ["a.test:8000"]
    assert {k for k, _ in r.fields} == {
        "Host", "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Proto",
        "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server"}
    assert seen(a)["X-Forwarded-Port"] == "80"


def test_over_tls(a):
    r = seen(a, host="t.test", entry_point="websecure", tls=True)
    assert r["X-Forwarded-Proto"] == "https" and r["X-Forwarded-Port"] == "443"


@pytest.mark.parametrize("name", MANAGED)
@pytest.mark.parametrize("spell", [
    lambda n: n, str.lower, str.upper, lambda n: n.replace("-", "_"),
    lambda n: n.replace("-", "_", 1), lambda n: n.replace("-", ".")])
def test_claims_are_removed(a, name, spell):
    """In any spelling, every duplicate (S-501, N-05)."""
    r = seen(a, [(spell(name), "claimed-1"), (spell(name), "claimed-2")])
    assert b"claimed" not in r.head


def test_claims_of_a_trusted_peer(a):
    claims = [(n, f"c-{n}") for n in MANAGED if n != "X-Forwarded-Server"]
    r = seen(a, claims, entry_point="any")
    for name, value in claims:
        want = f"{value}, 127.0.0.1" if name == "X-Forwarded-For" else value
        assert r.all(name) == [want]


def test_trusted_addresses(a):
    claims = [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Proto", "https")]
    r = seen(a, claims, entry_point="peer")
    assert r["X-Forwarded-For"] == "127.0.0.1"
    r = seen(a, claims, entry_point="peer", source="127.0.0.2")
    assert r["X-Forwarded-For"] == "9.9.9.9, 127.0.0.2"
    assert r["X-Forwarded-Proto"] == "https" and r["X-Forwarded-Port"] == "443"
    assert r["X-Real-Ip"] == "127.0.0.2"


def test_aliases_of_a_trusted_peer(a):
    """Even then: two spellings of one name would be two truths."""
    r = seen(a, [("X_Forwarded_For", "alias"), ("X-Forwarded_Proto", "alias")],
             entry_point="any")
    assert b"alias" not in r.head


def test_lines_are_merged(a):
    r = seen(a, [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")],
             entry_point="any")
    assert r.all("X-Forwarded-For") == ["1.1.1.1, 2.2.2.2, 127.0.0.1"]


def test_empty_counts_as_absent(a):
    r = seen(a, [(n, "") for n in ("X-Forwarded-For", "X-Forwarded-Proto",
                                   "X-Forwarded-Host", "X-Real-Ip",
                                   "X-Forwarded-Port")], entry_point="any")
    assert r.all("X-Forwarded-For") == ["127.0.0.1"]
    assert r.all("X-Forwarded-Proto") == ["http"]
    assert r.all("X-Forwarded-Host") == ["a.test"]
    assert r.all("X-Real-Ip") == ["127.0.0.1"]


def test_server_name_is_always_ours(a):
    r = seen(a, [("X-Forwarded-Server", "evil")], entry_point="any")
    assert r.all("X-Forwarded-Server") == [os.uname().nodename]


def test_not_appended(a):
    r = seen(a, [("X-Forwarded-For", "1.1.1.1")], entry_point="last")
    assert r.all("X-Forwarded-For") == ["1.1.1.1"]


def test_scheme_headers(a):
    r = seen(a, [("X-Scheme", "evil")], entry_point="scheme")
    assert r.all("X-Scheme") == ["http"]
    assert r.all("X-Forwarded-Scheme") == ["http"]


# -- Connection -----------------------------------------------------------------------

@pytest.mark.parametrize("listed", ["X-Own", "x-own", "close, X-Own", "X-Own,,"])
def test_listed_fields_go(a, listed):
    r = seen(a, [("Connection", listed), ("X-Own", "1"), ("X-Other", "2")])
    assert r["X-Own"] is None and r["X-Other"] == "2"
    assert r["Connection"] is None


def test_owned_fields_cannot_be_listed_away(a):
    r = seen(a, [("Connection", "X-Forwarded-For, X-Real-Ip, X-Forwarded-Proto")])
    assert r["X-Forwarded-For"] == "127.0.0.1" and r["X-Real-Ip"] == "127.0.0.1"
    assert r["X-Forwarded-Proto"] == "http"
    r = seen(a, [("Connection", "x-forwarded-for"), ("X-Forwarded-For", "1.1.1.1")],
             entry_point="any")
    assert r["X-Forwarded-For"] == "1.1.1.1, 127.0.0.1"


def test_kept_fields(a):
    """Rules and middlewares see them; the server never does (N-04)."""
    fields = [("Connection", "X-Keep, X-Own"), ("X-Keep", "1"), ("X-Own", "1")]
    r = seen(a, fields, host="k.test", entry_point="peer")
    assert r["X-Keep"] is None and r["X-Own"] is None
    assert a.get("/", host="k.test", headers=fields).status == 404
    assert a.get("/", host="o.test", headers=fields,
                 entry_point="peer").status == 404


@pytest.mark.parametrize("name", [
    "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate",
    "Trailer", "Upgrade", "HTTP2-Settings", "Proxy", "TE"])
def test_hop_by_hop_fields_go(a, name):
    assert seen(a, [(name, "gone")])[name] is None


def test_te_trailers(a):
    assert seen(a, [("TE", "trailers")])["TE"] in ("trailers", None)


def test_other_fields_pass(a):
    own = [("Accept", "*/*"), ("x-lower", "1"), ("X-Twice", "1"), ("X-Twice", "2"),
           ("Via", "1.1 x"), ("Cookie", "a=b"), ("X-Empty", ""),
           ("X-High", "caf\xe9"), ("With_Underscore", "u")]
    r = seen(a, own)
    for name in {k for k, _ in own}:
        assert r.all(name) == [v for k, v in own if k == name]
    assert r["User-Agent"] is None and r["Accept-Encoding"] is None


def test_underscores_as_the_entry_point_says(a):
    r = seen(a, [("a_b", "1"), ("a-b", "2")], entry_point="del")
    assert r["a_b"] is None and r["a-b"] == "2"
