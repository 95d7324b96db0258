# SPDX-License-Identifier: BSD-2-Clause
"""Passing requests on: what arrives at a service, what comes back."""
import json
import socket

import pytest

from harness.client import Client

FORWARDED = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
  six: {address: "[::1]:@six@"}
  trusting: {address: "127.0.0.1:@trusting@", forwardedHeaders: {insecure: true}}
  listed:
    address: "127.0.0.1:@listed@"
    forwardedHeaders: {trustedIPs: [127.0.0.0/30]}
  notus:
    address: "127.0.0.1:@notus@"
    forwardedHeaders: {trustedIPs: [10.0.0.0/8, "::1"]}
  noappend:
    address: "127.0.0.1:@noappend@"
    forwardedHeaders: {insecure: true, notAppendXForwardedFor: true}
  schemes:
    address: "127.0.0.1:@schemes@"
    forwardedHeaders: {addXForwardedSchemeHeaders: true}
  keeps:
    address: "127.0.0.1:@keeps@"
    forwardedHeaders: {connection: [X-Kept]}
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app, entryPoints:
          [web, six, trusting, listed, notus, noappend, schemes, keeps]}
    tls: {rule: "PathPrefix(`/`)", service: app, entryPoints: [tls], tls: {}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""

# What akkod says of a client that nobody trusts, port aside.
PLAIN = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "a.test",
         "X-Forwarded-Port": "80", "X-Forwarded-Proto": "http",
         "X-Forwarded-Server": socket.gethostname(), "X-Real-Ip": "127.0.0.1"}
MANAGED = ("X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Host",
           "X-Forwarded-Port", "X-Forwarded-Scheme", "X-Forwarded-Server",
           "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Prefix",
           "X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info",
           "X-Scheme", "X-Real-Ip")


def test_request_arrives(proxy):
    r = proxy.get("/a/b?c=d", host="a.test", headers=[("X-Own", "1")])
    assert r.status == 200
    seen = json.loads(r.body)
    assert seen["method"] == "GET" and seen["target"] == "/a/b?c=d"
    fields = dict(seen["fields"])
    assert fields["Host"] == "a.test" and fields["X-Own"] == "1"
    assert fields["X-Forwarded-Host"] == "a.test"
    assert fields["X-Forwarded-Proto"] == "http"
    assert fields["X-Forwarded-For"] == "127.0.0.1"


def test_keep_alive_both_sides(proxy):
    with proxy.client() as c:
        for n in range(20):
            r = c.request("POST", f"/{n}", body=b"x" * n)
            assert json.loads(r.body)["body"] == "x" * n
    assert len(proxy.upstream.connections) == 1


@pytest.fixture(scope="module")
def site(module_akkod, module_upstream):
    return module_akkod(FORWARDED, values={"upstream": module_upstream().port})


def ask(site, entry="web", headers=(), host="a.test", path="/", **kw):
    """The fields that arrive, as (name, value) pairs and as a dict of them."""
    r = site.get(path, host=host, entry_point=entry, headers=headers, **kw)
    assert r.status == 200, r
    pairs = [tuple(p) for p in json.loads(r.body)["fields"]]
    return pairs, dict(pairs)


def owned(fields):
    return {k: v for k, v in fields.items() if k in MANAGED}


@pytest.mark.parametrize("entry", ["web", "notus", "keeps"])
def test_nobody_trusted(site, entry):
    """Whatever an untrusted client says of itself goes."""
    evil = [(n, "evil") for n in MANAGED] + \
        [(n.replace("-", "_"), "evil") for n in MANAGED] + \
        [(n.lower(), "evil") for n in MANAGED] + [("Forwarded", "for=evil")]
    pairs, fields = ask(site, entry, evil)
    assert owned(fields) == PLAIN
    assert not [p for p in pairs if "evil" in p[1]]


@pytest.mark.parametrize("entry", ["trusting", "listed"])
def test_trusted(site, entry):
    """A trusted proxy's words stay; its own address is added at the end."""
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "b.test",
            "X-Forwarded-Port": "444", "X-Real-Ip": "192.0.2.1",
            "X-Forwarded-For": "192.0.2.1, 192.0.2.2", "X-Forwarded-Uri": "/u",
            "X-Forwarded-Method": "PUT", "X-Forwarded-Prefix": "/p"}
    _, fields = ask(site, entry, said.items())
    assert owned(fields) == {**said, "X-Forwarded-Server": socket.gethostname(),
                             "X-Forwarded-For": "192.0.2.1, 192.0.2.2, 127.0.0.1"}


def test_server_name_is_ours(site):
    _, fields = ask(site, "trusting", [("X-Forwarded-Server", "evil")])
    assert fields["X-Forwarded-Server"] == socket.gethostname()


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "X-Forwarded-Host",
                                  "X-Forwarded-Port", "X-Real-Ip",
                                  "X-Forwarded-For"])
def test_empty_is_absent(site, name):
    _, fields = ask(site, "trusting", [(name, "")])
    assert fields[name] == PLAIN[name]


@pytest.mark.parametrize("lines, want", [
    (["1.1.1.1", "2.2.2.2"], "1.1.1.1, 2.2.2.2, 127.0.0.1"),
    (["1.1.1.1", ""], None), (["", "2.2.2.2"], None),
    (["1.1.1.1,2.2.2.2"], "1.1.1.1,2.2.2.2, 127.0.0.1"),
    ([], "127.0.0.1"), (["unknown"], "unknown, 127.0.0.1")])
def test_forwarded_for_lines(site, lines, want):
    """Several lines become one."""
    pairs, fields = ask(site, "trusting", [("X-Forwarded-For", v) for v in lines])
    assert len([p for p in pairs if p[0] == "X-Forwarded-For"]) == 1
    if want is not None:
        assert fields["X-Forwarded-For"] == want
    else:
        assert fields["X-Forwarded-For"].endswith(", 127.0.0.1")


def test_not_appended(site):
    _, fields = ask(site, "noappend", [("X-Forwarded-For", "192.0.2.1")])
    assert fields["X-Forwarded-For"] == "192.0.2.1"


def test_scheme_fields(site):
    _, fields = ask(site, "schemes", [("X-Scheme", "evil"),
                                      ("X-Forwarded-Scheme", "evil")])
    assert fields["X-Scheme"] == fields["X-Forwarded-Scheme"] == "http"


@pytest.mark.parametrize("host, headers, want", [
    ("a.test", [], "80"), ("a.test:8080", [], "8080"), ("[::1]", [], "80"),
    ("[::1]:81", [], "81"), ("127.0.0.1:82", [], "82"),
    ("a.test", [("X-Forwarded-Proto", "https")], "443"),
    ("a.test", [("X-Forwarded-Proto", "wss")], "443"),
    ("a.test:83", [("X-Forwarded-Proto", "https")], "83"),
    ("a.test", [("X-Forwarded-Proto", "http")], "80")])
def test_forwarded_port(site, host, headers, want):
    _, fields = ask(site, "trusting", headers, host=host)
    assert fields["X-Forwarded-Port"] == want
    assert fields["X-Forwarded-Host"] == host


def test_over_tls(site):
    _, fields = ask(site, "tls", tls=True)
    assert owned(fields) == {**PLAIN, "X-Forwarded-Proto": "https",
                             "X-Forwarded-Port": "443"}


def test_from_an_ipv6_client(site):
    with Client(("::1", site.ports["six"])) as c:
        fields = dict(json.loads(c.request("GET", "/").body)["fields"])
    assert fields["X-Forwarded-For"] == fields["X-Real-Ip"] == "::1"


def test_connection_that_the_entry_point_keeps(site):
    """It is kept for middlewares; towards the server all of them go (N-04)."""
    headers = [("Connection", "X-Kept, X-Gone"), ("X-Kept", "1"), ("X-Gone", "1")]
    _, fields = ask(site, "keeps", headers)
    assert not {"X-Gone", "X-Kept", "Connection"} & set(fields)


@pytest.mark.parametrize("path, want", [
    ("/", "/"), ("/a//b", "/a/b"), ("/a/./b/../c", "/a/c"), ("/a/", "/a/"),
    ("/%41%2d%7E", "/A-~"), ("/a%2fb", "/a%2Fb"), ("/a?b=c;d=e", "/a?b=c&d=e"),
    ("/a?", "/a?"), ("/a?b??c", "/a?b??c"), ("/a?x=/../y", "/a?x=/../y"),
    ("/a%20b", "/a%20b"), ("/..", "/"), ("/a|b^c`d{e}", None)])
def test_target(site, path, want):
    """One canonical form is what rules match and what goes upstream."""
    r = site.get(path)
    assert r.status == 200
    got = json.loads(r.body)["target"]
    assert want is None or got == want


def test_order_and_spelling(site):
    """End-to-end fields arrive in their order and spelling (1.6)."""
    headers = [("x-LOWER", "1"), ("B", "2"), ("a", "3"), ("B", "4"), ("X-Empty", "")]
    pairs, _ = ask(site, headers=headers)
    assert pairs[0] == ("Host", "a.test")
    assert [p for p in pairs if p[0] in dict(headers)] == headers


@pytest.mark.parametrize("name", ["User-Agent", "Accept-Encoding", "Via",
                                  "Connection", "Te", "Accept"])
def test_nothing_is_added(site, name):
    """No field that the client did not send, but for those that are owned."""
    _, fields = ask(site)
    assert name not in fields
