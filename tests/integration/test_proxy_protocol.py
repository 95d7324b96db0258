# SPDX-License-Identifier: BSD-2-Clause
"""PROXY protocol on an entry point: whose word counts, and what is malformed."""
import json
import socket
import ssl
import struct

import pytest

SITE = """\
log: {level: INFO}
entryPoints:
  web: {address: "127.0.0.1:@web@", proxyProtocol: {trustedIPs: [127.0.0.1]}}
  other: {address: "127.0.0.1:@other@", proxyProtocol: {trustedIPs: [10.0.0.1]}}
  anyone: {address: "127.0.0.1:@anyone@", proxyProtocol: {insecure: true}}
  plain: {address: "127.0.0.1:@plain@"}
  secure:
    address: "127.0.0.1:@secure@"
    proxyProtocol: {trustedIPs: [127.0.0.1]}
    http: {tls: {}}
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""
V1 = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n"
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12 + 7) +
      bytes([1, 2, 3, 4, 5, 6, 7, 8]) + struct.pack("!HH", 1000, 443) +
      b"\x04\x00\x04abcd")


@pytest.fixture(scope="module")
def site(module_akkod, module_upstream):
    return module_akkod(SITE, values={"upstream": module_upstream().port})


def client_of(c):
    """The address that the service is told."""
    r = c.request("GET", "/")
    assert r.status == 200
    return dict(json.loads(r.body)["fields"])["X-Real-Ip"]


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("entry_point,want", [
    ("web", "1.2.3.4"), ("anyone", "1.2.3.4"), ("other", "127.0.0.1")])
def test_whose_word_counts(site, header, entry_point, want):
    with site.client(entry_point) as c:
        c.send(header)
        assert client_of(c) == want
        assert client_of(c) == want	# for the whole connection


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_byte_by_byte_and_in_front_of_tls(site, header):
    with site.client("web") as c:
        for n in range(len(header)):
            c.send(header[n:n + 1])
        assert client_of(c) == "1.2.3.4"
    raw = socket.create_connection(("127.0.0.1", site.ports["secure"]), 10)
    raw.sendall(header)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(raw, server_hostname="a.test") as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        data = b""
        while (piece := s.recv(65536)):
            data += piece
    assert b'"X-Real-Ip", "1.2.3.4"' in data


@pytest.mark.parametrize("header", [
    b"", b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"],
    ids=["none", "unknown", "local"])
def test_the_socket_s_own_address(site, header):
    with site.client("web") as c:
        c.send(header)
        assert client_of(c) == "127.0.0.1"


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 1.2.3.4 5.6.7.8 70000 443\r\n",
    b"PROXY TCP4 1.2.3.4\r\n",
    b"PROXY " + b"x" * 200,
    b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c" + b"x" * 12,
], ids=["port", "short", "endless", "version"])
def test_malformed_ends_the_connection(site, header):
    with site.client("web") as c:
        c.send(header)
        assert c.closed()
    site.wait_log("malformed PROXY header")


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_unasked_it_is_a_malformed_request(site, header):
    with site.client("plain") as c:
        c.send(header + b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert c.head().status == 400


def test_a_block_that_trusts_nobody_is_an_error(akkod):
    a = akkod("entryPoints: {web: {address: '127.0.0.1:@web@', "
              "proxyProtocol: {}}}\n", wait=False)
    assert a.process.wait(10) == 1
    assert "proxyProtocol" in a.log
