# SPDX-License-Identifier: BSD-2-Clause
"""grpcWeb: what browsers send, for servers that speak gRPC."""
import base64
import struct

import pytest

from harness.h2 import H2
from harness.h2_upstream import H2Upstream

CONFIG = """
http:
  routers:
    any: {rule: "Host(`any.test`)", service: app, middlewares: [any]}
    some: {rule: "Host(`some.test`)", service: app, middlewares: [some]}
    dead: {rule: "Host(`dead.test`)", service: dead, middlewares: [any]}
    old: {rule: "Host(`old.test`)", service: app}
  middlewares:
    any: {grpcWeb: {allowOrigins: ["*"]}}
    some: {grpcWeb: {allowOrigins: ["https://page.test", "https://two.test"]}}
  services:
    app: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:@upstream@"}]}}
    dead: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:1"}]}}
"""

MESSAGE = b"\0\0\0\0\x03abc"
ORIGIN = [("Origin", "https://page.test")]


def serve(call):
    path = call.target
    body = call.whole()
    if path == "/only":
        return call.answer(200, [("content-type", "application/grpc"),
                                 ("grpc-status", "5"), ("grpc-message", "none")])
    if path == "/page":
        return call.answer(404, [("content-type", "text/html")], b"a page")
    call.head(200, [("content-type", "application/grpc+proto"), ("x-own", "1"),
                    ("trailer", "grpc-status")])
    if path == "/two":
        call.data(MESSAGE)
        call.data(b"\0\0\0\0\x01z")
    else:
        call.data(body)
    return call.trailers([("grpc-status", "0"), ("Grpc-Message".lower(), "fine")])


@pytest.fixture(scope="module")
def site(module_akkod):
    u = H2Upstream(serve)
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    yield a
    u.close()


def post(a, path="/echo", host="any.test", body=MESSAGE,
         content_type="application/grpc-web+proto", headers=(), http2=False):
    fields = [("Content-Type", content_type), *headers]
    if http2:
        with H2(("127.0.0.1", a.ports["websecure"])) as h:
            s = h.start("POST", path, host=host, end=False,
                        fields=[(k.lower(), v) for k, v in fields])
            h.data(s, body, end=True)
            r = h.response(s)
            r.fields = [(k.title(), v) for k, v in r.fields]
            return r
    with a.client() as c:
        return c.request("POST", path, host=host, body=body, headers=fields)


def split(body):
    """The messages of a body and the lines of its last frame."""
    messages, lines = [], None
    while body:
        kind, n = struct.unpack(">BI", body[:5])
        data, body = body[5:5 + n], body[5 + n:]
        if kind == 0x80:
            lines = data.decode().split("\r\n")
            assert not body and lines.pop() == ""
        else:
            messages.append(data)
    return messages, lines


def text(body):
    """Padded texts in a row, each decoded by itself."""
    out = b""
    while body:
        n = body.find(b"=")
        n = len(body) if n < 0 else (n // 4 + 1) * 4
        out += base64.b64decode(body[:n], validate=True)
        body = body[n:]
    return out


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
def test_binary(site, http2):
    r = post(site, headers=ORIGIN, http2=http2)
    assert r.status == 200
    assert r["Content-Type"] == "application/grpc-web+proto"
    assert split(r.body) == ([b"abc"], ["grpc-status: 0", "grpc-message: fine"])
    assert r["Content-Length"] is None and r["Trailer"] is None
    assert r["Access-Control-Allow-Origin"] == "https://page.test"
    assert r["Access-Control-Allow-Credentials"] == "true"
    assert r["Vary"] == "Origin"
    exposed = {n.strip().lower() for n in
               r["Access-Control-Expose-Headers"].split(",")}
    assert {"grpc-status", "grpc-message", "x-own", "content-type"} <= exposed
    seen = site.upstream.last
    assert seen["content-type"] == "application/grpc+proto"
    assert seen["te"] == "trailers"


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 300000])
def test_text(site, http2, size):
    if http2 and size > 11000:
        size = 11000
    message = b"\0" + struct.pack(">I", size) + bytes(i & 255 for i in range(size))
    r = post(site, body=base64.b64encode(message),
             content_type="application/grpc-web-text", http2=http2)
    assert r.status == 200
    assert r["Content-Type"] == "application/grpc-web-text+proto"
    assert split(text(r.body)) == ([message[5:]],
                                   ["grpc-status: 0", "grpc-message: fine"])
    assert site.upstream.last["content-type"] == "application/grpc"


def test_text_in_padded_pieces(site):
    body = b"".join(base64.b64encode(MESSAGE[i:i + 2])
                    for i in range(0, len(MESSAGE), 2))
    with site.client() as c:
        c.send(b"POST /echo HTTP/1.1\r\nHost: any.test\r\n"
               b"Content-Type: application/grpc-web-text\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(body), 3):
            piece = body[i:i + 3]
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        c.send(b"0\r\n\r\n")
        r = c.response()
    assert split(text(r.body))[0] == [b"abc"]


@pytest.mark.parametrize("body", [b"AAA!", b"AAAAA", b"Zg=x", b"-_-_"])
def test_text_that_is_none(site, body):
    """The call is never made to look complete."""
    before = len(site.upstream.requests)
    r = post(site, body=body, content_type="application/grpc-web-text")
    assert r.status == 200 and r["Grpc-Status"] == "13"
    assert r["Content-Type"] == "application/grpc-web-text" and not r.body
    assert all(not c.ended for c in site.upstream.requests[before:])


def test_several_messages(site):
    r = post(site, "/two")
    assert split(r.body)[0] == [b"abc", b"z"]


def test_a_status_without_a_body(site):
    r = post(site, "/only", headers=ORIGIN)
    assert r["Grpc-Status"] == "5" and r["Grpc-Message"] == "none"
    assert r["Content-Type"] == "application/grpc-web" and r.body == b""


def test_what_is_no_grpc_passes(site):
    r = post(site, "/page", headers=ORIGIN)
    assert r.status == 404 and r.body == b"a page"
    assert r["Content-Type"] == "text/html"
    assert r["Access-Control-Allow-Origin"] == "https://page.test"


def test_own_errors(site):
    r = post(site, host="dead.test", headers=ORIGIN)
    assert r.status == 200 and r["Grpc-Status"] == "14"
    assert r["Content-Type"] == "application/grpc-web"
    assert r["Access-Control-Allow-Origin"] == "https://page.test"


@pytest.mark.parametrize("origin, allowed", [
    ("https://page.test", True), ("https://two.test", True),
    ("https://other.test", False), ("https://page.test.evil", False), (None, False)])
def test_origins(site, origin, allowed):
    headers = [("Origin", origin)] if origin else []
    r = post(site, host="some.test", headers=headers)
    assert r.status == 200 and split(r.body)[0] == [b"abc"]
    assert r["Access-Control-Allow-Origin"] == (origin if allowed else None)
    assert r["Access-Control-Allow-Credentials"] == ("true" if allowed else None)
    with site.client() as c:
        r = c.request("OPTIONS", "/echo", host="some.test", headers=[
            *headers, ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type,X-Grpc-Web,x-own")])
    assert r.status == 200 and r.body == b""
    assert r.all("Vary") == ["Origin", "Access-Control-Request-Method",
                             "Access-Control-Request-Headers"]
    assert r["Access-Control-Allow-Origin"] == (origin if allowed else None)
    assert r["Access-Control-Allow-Methods"] == ("POST" if allowed else None)
    assert r["Access-Control-Max-Age"] == ("600" if allowed else None)
    assert r["Access-Control-Allow-Headers"] == (
        "content-type,X-Grpc-Web,x-own" if allowed else None)


def test_others_pass_untouched(site):
    before = len(site.upstream.requests)
    r = post(site, content_type="application/grpc", http2=True)
    assert r["Content-Type"] == "application/grpc+proto" and r.body == MESSAGE
    assert dict(r.trailers)["grpc-status"] == "0"
    with site.client() as c:
        r = c.request("OPTIONS", "/page", host="any.test", headers=[
            ("Access-Control-Request-Headers", "content-type"), *ORIGIN])
        assert r.status == 404
    assert len(site.upstream.requests) == before + 2
