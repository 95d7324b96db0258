# SPDX-License-Identifier: BSD-2-Clause
"""What a request head may look like: security rows H1-L, H1-H and H1-F.

Every row is sent at once, byte by byte and in random pieces; the answer may not
depend on it. What is refused is never seen by the upstream, nor is the good
request that follows it on the same connection.
"""
import time

import pytest

from harness.rows import (CUTS, GOOD, Row, check_row, head, passed, refused,
                          send_cut, table)

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
  bare: {address: "127.0.0.1:@bare@"}
  delete:
    address: "127.0.0.1:@delete@"
    http: {underscoreHeadersStrategy: delete}
  reject:
    address: "127.0.0.1:@reject@"
    http: {underscoreHeadersStrategy: reject}
  nul:
    address: "127.0.0.1:@nul@"
    http: {encodedCharacters: {allowEncodedNullCharacter: true}}
  big:
    address: "127.0.0.1:@big@"
    http: {maxHeaderBytes: 200000}
  trusting:
    address: "127.0.0.1:@trusting@"
    forwardedHeaders: {insecure: true}
akkod: {workers: 1}
http:
  routers:
    all:
      rule: "PathPrefix(`/`)"
      service: app
      entryPoints: [web, delete, reject, nul, big, trusting]
    secure:
      rule: "PathPrefix(`/`)"
      service: app
      entryPoints: [tls]
      tls: {}
    named:
      rule: "Host(`a.test`)"
      service: app
      entryPoints: [bare]
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


@pytest.fixture(scope="module")
def site(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


def target(want):
    return lambda r: r.target == want


def method(want):
    return lambda r: r.method == want


def host(want):
    return lambda r: r["Host"] == want


def value(name, want):
    return lambda r: r.all(name) == ([want] if isinstance(want, str) else want)


def body(want):
    return lambda r: r.body == want


def line(data):
    """A head with that request line and Host."""
    return data + b"\r\nHost: a.test\r\n\r\n"


# ---- H1-L: start of message and request line --------------------------------

LINE = [
    passed("L01", [b"\r\n" + GOOD], seen=target("/good")),
    refused("L02", {
        "two-crlf": b"\r\n\r\n", "lf": b"\n", "sp": b" ", "tab": b"\t",
        "cr": b"\r", "crlf-lf": b"\r\n\n", "crlf-sp": b"\r\n ", "vt": b"\x0b",
        "nul": b"\0"}),
    refused("L03", {
        "two-sp-target": line(b"GET  / HTTP/1.1"),
        "two-sp-version": line(b"GET /  HTTP/1.1"),
        "tab-target": line(b"GET\t/ HTTP/1.1"),
        "tab-version": line(b"GET /\tHTTP/1.1"),
        "tab-both": line(b"GET\t/\tHTTP/1.1"),
        "vt": line(b"GET\x0b/ HTTP/1.1"), "ff": line(b"GET /\x0cHTTP/1.1"),
        "cr": line(b"GET\r/ HTTP/1.1"), "cr-version": line(b"GET /\rHTTP/1.1"),
        "sp-end": line(b"GET / HTTP/1.1 "), "tab-end": line(b"GET / HTTP/1.1\t"),
        "sp-in-target": line(b"GET /a b HTTP/1.1"),
        "nel": line(b"GET /\x85HTTP/1.1")}),
    refused("L04", {
        "lf": b"GET / HTTP/1.1\nHost: a.test\r\n\r\n",
        "all-lf": b"GET / HTTP/1.1\nHost: a.test\n\n",
        "cr-cr-lf": b"GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n"}),
    refused("L05", {
        "no-target": line(b"GET HTTP/1.1"), "no-target-sp": line(b"GET  HTTP/1.1"),
        "no-version": line(b"GET /"), "no-version-sp": line(b"GET / "),
        "simple": b"GET /\r\n", "simple-http09": b"GET /\r\n\r\n",
        "method-only": line(b"GET")}),
    passed("L06", [line(b"GET / HTTP/1.1")]),
    passed("L06-10", [line(b"GET / HTTP/1.0")], closes=True),
    refused("L07", {v: line(b"GET / HTTP/" + v.encode()) for v in
                    ("1.2", "2.0", "0.9", "3.0", "9.9", "0.0", "1.9")},
            status=505),
    refused("L08", {
        "lower": line(b"GET / http/1.1"), "mixed": line(b"GET / Http/1.1"),
        "110": line(b"GET / HTTP/1.10"), "x": line(b"GET / HTTP/1.1x"),
        "sp": line(b"GET / HTTP/ 1.1"), "01": line(b"GET / HTTP/01.1"),
        "one": line(b"GET / HTTP/1"), "dot": line(b"GET / HTTP/1."),
        "nodot": line(b"GET / HTTP/11"), "comma": line(b"GET / HTTP/1,1"),
        "plus": line(b"GET / HTTP/+1.1"), "hex": line(b"GET / HTTP/a.1"),
        "other": line(b"GET / HTTQ/1.1"), "sips": line(b"GET / SIP/2.0"),
        "minus": line(b"GET / HTTP/-1.1"), "full-width":
        line("GET / HTTP/\uff11.1".encode())}),
    refused("L09", {
        "quote": line(b'G=":" / HTTP/1.1'), "colon": line(b"GET: / HTTP/1.1"),
        "slash": line(b"G/T / HTTP/1.1"), "nul": line(b"G\0T / HTTP/1.1"),
        "high": line(b"G\xc9T / HTTP/1.1"), "comma": line(b"GET,POST / HTTP/1.1"),
        "at": line(b"@GET / HTTP/1.1"), "del": line(b"GET\x7f / HTTP/1.1"),
        "brace": line(b"{GET} / HTTP/1.1"), "empty": line(b" / HTTP/1.1")}),
    refused("L09-long", {"33": line(b"A" * 33 + b" / HTTP/1.1"),
                         "200": line(b"A" * 200 + b" / HTTP/1.1")}, status=501),
    passed("L09-32", [line(b"A" * 32 + b" / HTTP/1.1")],
           seen=method("A" * 32)),
    refused("L10", {m: line(m.encode() + b" / HTTP/1.1") for m in
                    ("get", "GeT", "Post", "gET", "M.SEARCH", "FOO~")},
            status=501),
    passed("L11", {m: line(m.encode() + b" /x HTTP/1.1") for m in
                   ("PROPFIND", "QUERY", "FOO", "M-SEARCH", "A_B9", "PRIX")},
           seen=lambda r: r.method not in ("GET", "") and r.target == "/x"),
    passed("L11-body", [head(b"QUERY / HTTP/1.1", b"Content-Length: 3") +
                        b"abc"], seen=body(b"abc")),
    refused("L12", {m: line(m.encode() + b" / HTTP/1.1")
                    for m in ("TRACE", "TRACK")}, status=405),
    refused("L13", {
        "authority": line(b"CONNECT a.test:443 HTTP/1.1"),
        "origin": line(b"CONNECT / HTTP/1.1"),
        "http10": line(b"CONNECT a.test:443 HTTP/1.0"),
        "absolute": line(b"CONNECT http://a.test/ HTTP/1.1"),
        "length": head(b"CONNECT a.test:80 HTTP/1.1", b"Content-Length: 5")},
            status=501),
    [Row("L14", line(b"OPTIONS * HTTP/1.1"), 200, closes=False)],
    refused("L15", {
        "star-get": line(b"GET * HTTP/1.1"),
        "star-post": line(b"POST * HTTP/1.1"),
        "star-more": line(b"OPTIONS *x HTTP/1.1"),
        "star-query": line(b"OPTIONS *?a HTTP/1.1"),
        "authority": line(b"GET a.test:80 HTTP/1.1"),
        "authority-options": line(b"OPTIONS a.test HTTP/1.1"),
        "name": line(b"GET good HTTP/1.1"), "query": line(b"GET ?a=b HTTP/1.1"),
        "dot": line(b"GET ./a HTTP/1.1"), "backslash": line(b"GET \\a HTTP/1.1"),
        "fragment": line(b"GET # HTTP/1.1"),
        "half-scheme": line(b"GET http:/a.test/ HTTP/1.1"),
        "no-slashes": line(b"GET http:a.test HTTP/1.1")}),
    passed("L16", {
        "plain": line(b"GET http://a.test/x?y HTTP/1.1"),
        "case": line(b"GET HTTP://A.TEST/x?y HTTP/1.1"),
        "port": line(b"GET http://a.test:80/x?y HTTP/1.1"),
        "host-port": head(b"GET http://a.test/x?y HTTP/1.1", host=b"a.test:80")},
           seen=lambda r: r.target == "/x?y" and
           r["Host"].lower().removesuffix(":80") == "a.test"),
    passed("L16-empty", [line(b"GET http://a.test HTTP/1.1")], seen=target("/")),
    passed("L16-query", [line(b"GET http://a.test?q HTTP/1.1")],
           seen=target("/?q")),
    passed("L16-other-port", [
        head(b"GET http://a.test:8080/ HTTP/1.1", host=b"a.test:8080")],
           seen=host("a.test:8080")),
    refused("L17", {
        "name": line(b"GET http://b.test/ HTTP/1.1"),
        "port": line(b"GET http://a.test:8080/ HTTP/1.1"),
        "host-port": head(b"GET http://a.test/ HTTP/1.1", host=b"a.test:8080"),
        "443": head(b"GET http://a.test/ HTTP/1.1", host=b"a.test:443"),
        "sub": line(b"GET http://x.a.test/ HTTP/1.1"),
        "no-host": head(b"GET http://a.test/ HTTP/1.1", host=None)}),
    refused("L18", {
        "https": line(b"GET https://a.test/ HTTP/1.1"),
        "case": line(b"GET HTTPS://a.test/ HTTP/1.1"),
        "options": line(b"OPTIONS https://a.test HTTP/1.1")}, status=421),
    refused("L18-tls", {"http": line(b"GET http://a.test/ HTTP/1.1")},
            status=421, entry="tls", tls=True),
    passed("L18-tls-same", [line(b"GET https://a.test/ HTTP/1.1")],
           entry="tls", tls=True, seen=target("/")),
    refused("L19", {
        "userinfo": line(b"GET http://u@a.test/ HTTP/1.1"),
        "password": line(b"GET http://u:p@a.test/ HTTP/1.1"),
        "only-at": line(b"GET http://@a.test/ HTTP/1.1"),
        "host": head(host=b"u@a.test"), "empty": line(b"GET http:/// HTTP/1.1"),
        "empty-port": line(b"GET http://:80/ HTTP/1.1"),
        "ftp": line(b"GET ftp://a.test/ HTTP/1.1"),
        "ws": line(b"GET ws://a.test/ HTTP/1.1"),
        "httpx": line(b"GET httpx://a.test/ HTTP/1.1"),
        "file": line(b"GET file:///etc/passwd HTTP/1.1")}),
    refused("L20", {
        f"{b:02x}": b"GET /a" + bytes([b]) + b"b HTTP/1.1\r\nHost: a.test\r\n\r\n"
        for b in [*range(0x21), 0x7f, 0x80, 0x85, 0xa0, 0xc3, 0xff, *b'#"<>\\']}),
    refused("L20-query", {
        f"{b:02x}": b"GET /?a" + bytes([b]) + b"b HTTP/1.1\r\nHost: a.test\r\n\r\n"
        for b in [0, 9, 0xb, 0xd, 0x1f, 0x20, 0x7f, 0x80, 0xff, *b"#"]}),
    passed("L20-query-odd", [line(b"GET /?\"<>\\|^`{}[] HTTP/1.1")],
           seen=target("/?\"<>\\|^`{}[]")),
    refused("L21", {
        "end": line(b"GET /% HTTP/1.1"), "one": line(b"GET /%2 HTTP/1.1"),
        "zz": line(b"GET /%zz HTTP/1.1"), "half": line(b"GET /%2g HTTP/1.1"),
        "twice": line(b"GET /%%20 HTTP/1.1"), "u": line(b"GET /%u0041 HTTP/1.1"),
        "nul": line(b"GET /a%00b HTTP/1.1"), "nul-end": line(b"GET /%00 HTTP/1.1")}),
    passed("L21-query", [line(b"GET /?a=%zz&b=%&c=%0 HTTP/1.1")],
           seen=target("/?a=%zz&b=%&c=%0")),
    passed("L21-allowed", [line(b"GET /a%00b HTTP/1.1")], entry="nul",
           seen=target("/a%00b")),
    refused("L26", {
        "v1": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "v1-unknown": b"PROXY UNKNOWN\r\n",
        "v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x01" * 12}),
]

# ---- H1-H: field lines -------------------------------------------------------


def f(*fields, **kw):
    return head(b"GET / HTTP/1.1", *fields, **kw)


NAME_BYTES = [0, 1, 0x1f, 0x7f, 0x80, 0x85, 0xa0, 0xff, *b'(),/;<=>?@[\\]{}" ']
VALUE_BYTES = [b for b in [*range(0x20), 0x7f] if b not in b"\t"]
HOSTS = {
    "empty": b"", "sp": b"a b", "slash": b"a/b", "query": b"a?b",
    "hash": b"a#b", "at": b"a@b", "backslash": b"a\\b", "percent": b"a%41",
    "comma": b"a,b", "ctl": b"a\x01b", "tab": b"a\tb", "high": b"a\xe4b",
    "del": b"a\x7fb", "dots": b"a..b", "dot-first": b".a", "dot": b".",
    "two-dots-end": b"a..", "long": b"a" * 256, "port-empty": b"a:",
    "port-text": b"a:http", "port-0": b"a:0", "port-big": b"a:65536",
    "port-sign": b"a:+80", "port-minus": b"a:-1", "port-two": b"a:80:80",
    "port-long": b"a:0000080", "port-sp": b"a: 80", "port-only": b":80",
    "v6-bare": b"::1", "v6-open": b"[::1", "v6-close": b"::1]",
    "v6-zone": b"[fe80::1%25eth0]", "v6-zone-raw": b"[fe80::1%eth0]",
    "v6-bad": b"[::g]", "v6-empty": b"[]", "v6-more": b"[::1]x",
    "v6-port": b"[::1]:", "v4-in-brackets": b"[127.0.0.1]",
    "scheme": b"http://a.test", "quote": b'"a"',
    "brackets-inside": b"a[b]c"}
GOOD_HOSTS = {
    "plain": b"a.test", "port": b"a.test:8080", "dot": b"a.test.",
    "dot-port": b"a.test.:80", "case": b"A.TeSt", "v4": b"127.0.0.1:80",
    "v6": b"[::1]", "v6-port": b"[2001:db8::1]:8443", "underscore": b"a_b.test",
    "255": b".".join([b"a" * 63] * 3 + [b"a" * 63]),
    "port-65535": b"a.test:65535", "port-1": b"a.test:1", "idn": b"xn--bcher-kva.test"}

FIELDS = [
    refused("H01", {
        "sp": f(b"A: b", b" c"), "tab": f(b"A: b", b"\tc"),
        "first": b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
        "first-tab": b"GET / HTTP/1.1\r\n\tX: y\r\nHost: a.test\r\n\r\n",
        "last-empty": f(b"A: b", b" "), "host": f(b" b.test"),
        "colon": f(b"A: b", b" Transfer-Encoding: chunked")}),
    refused("H02", {
        "sp": f(b"A : b"), "tab": f(b"A\t: b"),
        "length": f(b"Content-Length : 5"),
        "coding": f(b"Transfer-Encoding : chunked"),
        "before": f(b"A: b", b" X: y"), "nbsp": f(b"A\xa0: b")}),
    refused("H03", {
        "no-colon": f(b"Abc"), "no-colon-sp": f(b"Abc def"),
        "empty-name": f(b": b"), "only-colon": f(b":"),
        **{f"name-{b:02x}": f(b"X" + bytes([b]) + b"Y: z") for b in NAME_BYTES},
        **{f"first-{b:02x}": f(bytes([b]) + b"X: z") for b in NAME_BYTES}}),
    refused("H04", {
        "lf": b"GET / HTTP/1.1\r\nHost: a.test\nA: b\r\n\r\n",
        "lf-end": b"GET / HTTP/1.1\r\nHost: a.test\r\n\n",
        "lf-lf": b"GET / HTTP/1.1\r\nHost: a.test\n\n",
        "cr-in-value": f(b"A: b\rc"), "cr-in-name": f(b"A\rB: c"),
        "cr-only": b"GET / HTTP/1.1\r\nHost: a.test\rA: b\r\n\r\n",
        "cr-cr": f(b"A: b\r"), "end-cr-x":
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\rX: y\r\n\r\n",
        "end-cr-cr": b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\r\n\r\n"}),
    refused("H05", {f"{b:02x}": f(b"A: b" + bytes([b]) + b"c")
                    for b in VALUE_BYTES}),
    passed("H05-tab", [f(b"A: b\tc")], seen=value("A", "b\tc")),
    passed("H05-ows", [f(b"A: \t b \t")], seen=value("A", "b")),
    passed("H05-empty", [f(b"A:"), f(b"A: "), f(b"A:\t ")],
           seen=value("A", "")),
    passed("H06", {f"{b:02x}": f(b"A: " + bytes([b]) + b"b" + bytes([b]))
                   for b in (0x80, 0x85, 0xa0, 0xff)},
           seen=lambda r: len(r.all("A")[0]) == 3),
    refused("H06-strict", {
        "host": f(host=b"a.test\xa0"),
        "length": f(b"Content-Length: 5\xa0"),
        "coding": f(b"Transfer-Encoding: chunked\x85"),
        "coding-first": f(b"Transfer-Encoding: \xa0chunked"),
        "connection": f(b"Connection: close\xa0"),
        "upgrade": f(b"Upgrade: websocket\x85"),
        "expect": f(b"Expect: 100-continue\xa0", b"Content-Length: 1"),
        "forwarded": f(b"Forwarded: for=\xff"),
        "xff": f(b"X-Forwarded-For: 1.2.3.4\x85"),
        "xfh": f(b"X-Forwarded-Host: \xe4")}),
    refused("H07", {"none": f(host=None), "other": f(b"Hots: a.test", host=None)}),
    refused("H09", {
        "equal": f(b"Host: a.test"), "differ": f(b"Host: b.test"),
        "case": f(b"hOST: a.test"), "empty": f(b"Host:"),
        "list": f(host=b"a.test, b.test"), "list-equal": f(host=b"a.test,a.test"),
        "apart": f(b"A: b", b"C: d", b"Host: a.test"),
        "http10": head(b"GET / HTTP/1.0", b"Host: b.test")}),
    refused("H10", {n: f(host=h) for n, h in HOSTS.items()}),
    passed("H10-good", {n: f(host=h) for n, h in GOOD_HOSTS.items()}),
    refused("H12-reject", {"under": f(b"X_Y: z"), "end": f(b"Xy_: z")},
            entry="reject"),
    passed("H12-reject-dash", [f(b"X-Y: z")], entry="reject",
           seen=value("X-Y", "z")),
    passed("H12-delete", [f(b"X_Y: z", b"X-Y: w")], entry="delete",
           seen=lambda r: r["X_Y"] is None and r["X-Y"] == "w"),
    passed("H12-keep", [f(b"X_Y: z")], seen=value("X_Y", "z")),
    refused("H13a", {
        "length": f(b"Content_Length: 5"), "coding": f(b"Transfer_Encoding: chunked"),
        "dot": f(b"Transfer.Encoding: chunked"), "tilde": f(b"Content~Length: 5"),
        "case": f(b"content_LENGTH: 5"), "proxy": f(b"Proxy_Connection: x"),
        "keep": f(b"Keep_Alive: x"), "settings": f(b"HTTP2_Settings: x"),
        "bang": f(b"Transfer!Encoding: x"), "auth": f(b"Proxy_Authorization: x")}),
    passed("H13b", {n: f(n.encode() + b": evil") for n in (
        "X_Forwarded_For", "X_Forwarded-Proto", "X.Forwarded.Host",
        "x_real_ip", "X-Forwarded_Port", "X~Forwarded~Server", "X_Forwarded_Uri",
        "X_Original_URL", "X_Auth_Request_User", "Remote_User",
        "X.Auth.Request.Groups")},
           seen=lambda r: b"evil" not in r.head),
    passed("H13b-trusting", {n: f(n.encode() + b": evil") for n in (
        "X_Forwarded_For", "X.Forwarded.Host", "x_real_ip")},
           seen=lambda r: b"evil" not in r.head, entry="trusting"),
    refused("H14", {
        "host": f(b"Connection: Host"), "length": f(b"Connection: content-length"),
        "coding": f(b"Connection: close, Transfer-Encoding"),
        "second": f(b"Connection: keep-alive", b"Connection: host")}),
    passed("H15", {
        "for": f(b"Connection: X-Forwarded-For"),
        "case": f(b"connection: x-FORWARDED-proto, X-Real-IP, x-forwarded-host")},
           seen=lambda r: r["X-Forwarded-For"] == "127.0.0.1" and
           r["X-Forwarded-Proto"] == "http" and r["X-Real-Ip"] == "127.0.0.1"),
    passed("H21", {
        "own": f(b"Connection: X-Own", b"X-Own: evil"),
        "cookie": f(b"Cookie: a=evil", b"Connection: cookie"),
        "auth": f(b"Authorization: evil", b"Connection: Authorization"),
        "list": f(b"X-A: evil", b"X-B: evil", b"Connection: x-a, keep-alive ,X-B"),
        "two-lines": f(b"Connection: x-a", b"X-A: evil", b"X-B: evil",
                       b"Connection: x-b"),
        "twice": f(b"X-A: evil", b"Connection: x-a", b"x-A: evil")},
           seen=lambda r: b"evil" not in r.head),
    passed("H16", {
        "all": f(b"Keep-Alive: timeout=evil", b"Proxy-Connection: evil",
                 b"Proxy-Authenticate: evil", b"Proxy-Authorization: evil",
                 b"Trailer: evil", b"Upgrade: evil", b"HTTP2-Settings: evil",
                 b"Proxy: evil", b"TE: evil"),
        "upgrade": f(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                     b"HTTP2-Settings: evil")},
           seen=lambda r: b"evil" not in r.head and r["Te"] is None and
           r["Upgrade"] is None),
    passed("H16-te", {
        "one": f(b"TE: trailers"), "list": f(b"TE: gzip;q=0.5, trailers"),
        "listed": f(b"Connection: TE", b"TE: trailers")},
           seen=value("TE", "trailers")),
    refused("H17", {
        "differ": f(b"Authorization: Basic YQ==", b"Authorization: Bearer x"),
        "equal": f(b"Authorization: Bearer x", b"authorization: Bearer x")}),
    passed("H17-others", [f(b"Accept: a", b"X: 1", b"Accept: b", b"X: 2")],
           seen=lambda r: r.all("Accept") == ["a", "b"] and
           r.all("X") == ["1", "2"]),
    [Row("H19-0", head(b"OPTIONS /x HTTP/1.1", b"Max-Forwards: 0"), 200,
         closes=False)],
    passed("H19", {
        "1": head(b"OPTIONS / HTTP/1.1", b"Max-Forwards: 1"),
        "10": head(b"OPTIONS / HTTP/1.1", b"max-forwards: 10")},
           seen=lambda r: r.all("Max-Forwards") in (["0"], ["9"])),
    passed("H19-big", [head(b"OPTIONS / HTTP/1.1",
                            b"Max-Forwards: 99999999999999999999999")],
           seen=lambda r: len(r.all("Max-Forwards")) == 1),
    passed("H19-get", [f(b"Max-Forwards: 0")], seen=value("Max-Forwards", "0")),
    refused("H19-bad", {
        "text": head(b"OPTIONS / HTTP/1.1", b"Max-Forwards: x"),
        "minus": head(b"OPTIONS / HTTP/1.1", b"Max-Forwards: -1"),
        "plus": head(b"OPTIONS / HTTP/1.1", b"Max-Forwards: +1"),
        "empty": head(b"OPTIONS / HTTP/1.1", b"Max-Forwards:"),
        "two": head(b"OPTIONS / HTTP/1.1", b"Max-Forwards: 1",
                    b"Max-Forwards: 1")}),
    passed("H20", [f(b"Cookie: a=1", b"X: y", b"cookie: b=2", b"COOKIE: c=3")],
           seen=value("Cookie", "a=1; b=2; c=3")),
]

# ---- H1-F: framing -------------------------------------------------------------


def post(*fields, data=b"", line=b"POST / HTTP/1.1"):
    return head(line, *fields) + data


def chunked(data, *fields):
    return post(b"Transfer-Encoding: chunked", *fields, data=data)


LENGTHS = {
    "empty": b"", "plus": b"+5", "minus": b"-0", "hex": b"0x10",
    "underscore": b"1_0", "dot": b"5.0", "sp": b"5 5", "full-width":
    "\uff15".encode(), "text": b"five", "comma": b"5,", "comma-first": b",5",
    "semicolon": b"5;", "quote": b'"5"', "exponent": b"5e0", "minus-5": b"-5",
    "tab": b"5\t5"}
CODINGS = {
    "twice": b"chunked, chunked", "not-last": b"chunked, gzip",
    "comma-first": b", chunked", "comma-last": b"chunked,",
    "param": b"chunked;q=1", "quoted": b'"chunked"', "sp": b"x chunked",
    "empty": b"", "prefix": b"xchunked\x01", "vt": b"\x0bchunked",
    "high": b"chunked\x85", "cr": b"chun\rked", "semicolon": b"chunked;",
    "gzip-twice": b"gzip, chunked, chunked", "nul": b"chunked\0",
    "empty-item": b"gzip,,chunked"}
SIZES = {
    "17-digits": b"0" * 16 + b"5", "2^63": b"8000000000000000",
    "2^64": b"ffffffffffffffff", "0x": b"0x5", "plus": b"+5", "minus": b"-5",
    "underscore": b"1_0", "sp-before": b" 5", "tab-before": b"\t5",
    "sp-after": b"5 ", "tab-after": b"5\t", "empty": b"", "text": b"g",
    "sp-inside": b"1 0", "dot": b"5.0", "nul": b"5\0", "high": b"5\xa0",
    "semicolon-only": b";", "h": b"5h"}
EXTENSIONS = {
    "no-name": b";", "no-name-value": b";=b", "no-value": b";a=",
    "quote-open": b';a="b', "quote-after": b';a="b"c', "ctl": b";a\x01",
    "nul": b";a=\0", "cr": b";a\rb", "lf": b";a\nb", "quote-ctl": b';a="\x01"',
    "sp-before": b" ;a", "sp-end": b";a ", "two-semicolons": b";;",
    "colon": b";a:b", "high": b";\xe4"}
GOOD_EXTENSIONS = {
    "name": b";a", "value": b";a=b", "quoted": b';a="b c;d=e"',
    "escaped": b';a="\\"\\\\"', "two": b";a=b;c=d",
    "bws": b"; a = b ; c", "max": b";" + b"a" * 255}


def chunk(ext):
    return chunked(b"3" + ext + b"\r\nabc\r\n0\r\n\r\n")


FRAMING = [
    refused("F01", {
        "cl-te": post(b"Content-Length: 5", b"Transfer-Encoding: chunked",
                      data=b"0\r\n\r\n"),
        "te-cl": post(b"Transfer-Encoding: chunked", b"Content-Length: 5",
                      data=b"0\r\n\r\n"),
        "zero": post(b"Content-Length: 0", b"Transfer-Encoding: chunked",
                     data=b"0\r\n\r\n"),
        "gzip": post(b"Content-Length: 5", b"Transfer-Encoding: gzip"),
        "get": head(b"GET / HTTP/1.1", b"Content-Length: 0",
                    b"transfer-encoding: Chunked"),
        "identity": post(b"Content-Length: 5", b"Transfer-Encoding: identity")}),
    refused("F02", {
        "equal": post(b"Content-Length: 3", b"Content-Length: 3", data=b"abc"),
        "differ": post(b"Content-Length: 3", b"Content-Length: 4", data=b"abc"),
        "list": post(b"Content-Length: 3, 3", data=b"abc"),
        "list-differ": post(b"Content-Length: 3,4", data=b"abc"),
        "zero": post(b"Content-Length: 0", b"content-length: 0")}),
    refused("F03", {n: post(b"Content-Length: " + v)
                    for n, v in LENGTHS.items()}),
    refused("F03-nul", {"nul": post(b"Content-Length: 5\0")}),
    refused("F04", {
        "zero-first": post(b"Content-Length: 010"), "00": post(b"Content-Length: 00"),
        "19": post(b"Content-Length: " + b"1" * 19),
        "40": post(b"Content-Length: " + b"9" * 40)}),
    passed("F04-zero", [post(b"Content-Length: 0")],
           seen=value("Content-Length", "0")),
    passed("F06", {
        "plain": chunked(b"3\r\nabc\r\n0\r\n\r\n"),
        "case": post(b"transfer-encoding: ChUnKeD", data=b"3\r\nabc\r\n0\r\n\r\n"),
        "ows": post(b"Transfer-Encoding: \tchunked \t",
                    data=b"3\r\nabc\r\n0\r\n\r\n"),
        "pieces": chunked(b"1\r\na\r\n001\r\nb\r\n0000000000000001\r\nc\r\n000\r\n\r\n")},
           seen=body(b"abc")),
    refused("F07", {
        "two-lines": post(b"Transfer-Encoding: chunked",
                          b"Transfer-Encoding: chunked", data=b"0\r\n\r\n"),
        "two-codings": post(b"Transfer-Encoding: gzip",
                            b"Transfer-Encoding: chunked", data=b"0\r\n\r\n"),
        **{n: post(b"Transfer-Encoding: " + v, data=b"0\r\n\r\n")
           for n, v in CODINGS.items()}}),
    refused("F08", {
        "gzip": post(b"Transfer-Encoding: gzip, chunked"),
        "identity": post(b"Transfer-Encoding: identity"),
        "identity-chunked": post(b"Transfer-Encoding: identity, chunked"),
        "unknown": post(b"Transfer-Encoding: foo, chunked"),
        "apostrophe": post(b"Transfer-Encoding: 'chunked")}, status=501),
    refused("F09", {"chunked": post(b"Transfer-Encoding: chunked",
                                    line=b"POST / HTTP/1.0", data=b"0\r\n\r\n"),
                    "keep": post(b"Transfer-Encoding: chunked",
                                 b"Connection: keep-alive", data=b"0\r\n\r\n",
                                 line=b"POST / HTTP/1.0")}),
    passed("F10", {m: head(m.encode() + b" / HTTP/1.1")
                   for m in ("POST", "PUT", "PATCH")},
           seen=value("Content-Length", "0")),
    passed("F10-none", {m: head(m.encode() + b" / HTTP/1.1")
                        for m in ("GET", "DELETE", "OPTIONS", "FOO")},
           seen=value("Content-Length", [])),
    passed("F11", {m: head(m.encode() + b" / HTTP/1.1", b"Content-Length: 3") +
                   b"abc" for m in ("GET", "HEAD", "DELETE", "OPTIONS")},
           seen=lambda r: r.body == b"abc" and r["Content-Length"] == "3"),
    passed("F11-chunked", {
        m: head(m.encode() + b" / HTTP/1.1", b"Transfer-Encoding: chunked") +
        b"3\r\nabc\r\n0\r\n\r\n" for m in ("GET", "HEAD", "DELETE")},
           seen=lambda r: r.body == b"abc" and
           r["Transfer-Encoding"] == "chunked"),
    passed("F14", {n: chunk(e) for n, e in GOOD_EXTENSIONS.items()},
           seen=body(b"abc")),
    passed("F16", {
        "plain": chunked(b"1\r\na\r\n0\r\nX-T: evil\r\nX-U: evil\r\n\r\n"),
        "announced": chunked(b"1\r\na\r\n0\r\nX-T: evil\r\n\r\n",
                             b"Trailer: X-T"),
        "owned": chunked(b"0\r\nX-Forwarded-For: evil\r\nHost: evil\r\n"
                         b"Content-Length: 3\r\n\r\n")},
           seen=lambda r: b"evil" not in r.head and r["Trailer"] is None and
           r["X-T"] is None),
]

# A body that turns out malformed: the head has gone out by then, so what counts
# is the answer, the end, and that upstream the message stays unfinished.
CHUNKS = [
    refused("F12", {n: chunked(b"3\r\nabc\r\n" + v + b"\r\n12345\r\n0\r\n\r\n")
                    for n, v in SIZES.items()}),
    refused("F12-first", {n: chunked(v + b"\r\n12345\r\n0\r\n\r\n")
                          for n, v in SIZES.items()}),
    refused("F13", {n: chunk(e) for n, e in EXTENSIONS.items()}),
    refused("F13-size", {
        "one": chunk(b";" + b"a" * 256),
        "all": chunked(b"".join(b"1;" + b"a" * 250 + b"\r\nx\r\n"
                                for _ in range(17)) + b"0\r\n\r\n")}),
    refused("F15", {
        "size-lf": chunked(b"3\nabc\r\n0\r\n\r\n"),
        "size-cr": chunked(b"3\rabc\r\n0\r\n\r\n"),
        "size-crx": chunked(b"3\r\rabc\r\n0\r\n\r\n"),
        "data-lf": chunked(b"3\r\nabc\n0\r\n\r\n"),
        "data-none": chunked(b"3\r\nabc0\r\n\r\n"),
        "data-cr": chunked(b"3\r\nabc\rX0\r\n\r\n"),
        "data-xx": chunked(b"3\r\nabcXX0\r\n\r\n"),
        "data-long": chunked(b"3\r\nabcd\r\n0\r\n\r\n"),
        "ext-lf": chunked(b"3;a\nabc\r\n0\r\n\r\n"),
        "last-lf": chunked(b"3\r\nabc\r\n0\n\r\n"),
        "end-lf": chunked(b"3\r\nabc\r\n0\r\n\n"),
        "end-cr": chunked(b"3\r\nabc\r\n0\r\n\rX"),
        "trailer-lf": chunked(b"0\r\nX: y\n\r\n"),
        "trailer-end-lf": chunked(b"0\r\nX: y\r\n\n")}),
    refused("F16", {
        "fold": chunked(b"0\r\nX: y\r\n z\r\n\r\n"),
        "no-colon": chunked(b"0\r\nXy\r\n\r\n"),
        "sp-name": chunked(b"0\r\nX : y\r\n\r\n"),
        "empty-name": chunked(b"0\r\n: y\r\n\r\n"),
        "ctl": chunked(b"0\r\nX: \x01\r\n\r\n"),
        "cr": chunked(b"0\r\nX: a\rb\r\n\r\n"),
        "nul": chunked(b"0\r\nX: \0\r\n\r\n"),
        "33": chunked(b"0\r\n" + b"X: y\r\n" * 33 + b"\r\n"),
        "size": chunked(b"0\r\nX: " + b"y" * 8192 + b"\r\n\r\n")}),
]


@CUTS
@table(*LINE)
def test_request_line(site, row, cut):
    check_row(site, site.upstream, row, cut)


@CUTS
@table(*FIELDS)
def test_fields(site, row, cut):
    check_row(site, site.upstream, row, cut)


@CUTS
@table(*FRAMING)
def test_framing(site, row, cut):
    check_row(site, site.upstream, row, cut)


@CUTS
@table(*CHUNKS)
def test_chunks(site, row, cut):
    """Refused; upstream nothing, or a request that never becomes complete."""
    before = len(site.upstream.requests)
    with site.client() as c:
        send_cut(c, row.data, cut, seed=len(row.data))
        r = c.response("POST")
        assert r.status == 400 and r["Connection"] == "close", r
        assert not c.more()
    for seen in site.upstream.requests[before:]:
        assert not seen.complete and seen.target == "/", seen.head


def arrived(site):
    """Whole requests: one that was cut is told by its connection a moment late."""
    return [r for r in site.upstream.requests if r.complete]


def test_second_request(site):
    """F19: what follows a message is a request of its own, parsed afresh."""
    before = arrived(site)
    with site.client() as c:
        c.send(post(b"Content-Length: 3", data=b"abc") +
               chunked(b"3\r\ndef\r\n0\r\n\r\n") + head(b"GET /third HTTP/1.1"))
        assert [c.response().status for _ in range(3)] == [200] * 3
    seen = arrived(site)[len(before):]
    assert [(r.target, r.body) for r in seen] == \
        [("/", b"abc"), ("/", b"def"), ("/third", b"")]


@pytest.mark.parametrize("rest", [GOOD, b"xxxx", b"\0", b"0\r\n\r\n" + GOOD])
def test_bytes_behind_the_last(site, rest):
    """F18: behind a message with Connection: close nothing is parsed."""
    before = arrived(site)
    with site.client() as c:
        c.send(post(b"Content-Length: 3", b"Connection: close", data=b"abc") +
               rest)
        r = c.response()
        assert r.status == 200 and r["Connection"] == "close"
        assert not c.more()
    assert len(arrived(site)) == len(before) + 1


@pytest.mark.parametrize("entry, status", [("web", 200), ("bare", 404)])
@pytest.mark.parametrize("keep", [b"Connection: keep-alive", b"A: b"])
def test_no_host_in_http10(site, entry, status, keep):
    """H08: a catch-all route serves it, under the server's own name."""
    before = arrived(site)
    with site.client(entry) as c:
        c.send(head(b"GET /x HTTP/1.0", keep, host=None))
        r = c.response()
        assert r.status == status and r.version == "HTTP/1.0"
        if status == 404:
            assert not c.more()
    seen = arrived(site)[len(before):]
    assert [s["Host"] for s in seen] == \
        ([site.upstream.address] if status == 200 else [])


@pytest.mark.parametrize("data", [
    line(b"PRI * HTTP/2.0"), b"PRI * HTTP/2.0\r\n\r\n" + GOOD,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX" + GOOD, line(b"PRI / HTTP/2.0"),
    line(b"PRI * HTTP/1.1") + GOOD, b"PRI " + GOOD])
def test_not_quite_a_preface(site, data):
    """L23: PRI begins HTTP/2; where that does not follow all ends."""
    before = arrived(site)
    with site.client() as c:
        c.send(data)
        try:
            while c.more():
                pass
        except ConnectionResetError:
            pass
        assert b"HTTP/1" not in c.buffer
    assert arrived(site) == before


@pytest.mark.parametrize("status", [400, 505])
def test_preface_on_tls(site, status):
    """L24: without ALPN h2, the preface of HTTP/2 is no request."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    before = arrived(site)
    with site.client("tls", tls=True, alpn=("http/1.1",)) as c:
        c.send(preface if status == 505 else b"\0\0\0\4\0\0\0\0\0" + GOOD)
        assert c.response().status == status
        assert not c.more()
    assert arrived(site) == before


def test_plain_on_tls_port(site):
    """L25: plain text on a TLS entry point meets no TLS router."""
    before = arrived(site)
    with site.client("tls") as c:
        assert c.request("GET", "/").status == 404
    assert arrived(site) == before


def test_tls_on_plain_port(site):
    """L25: TLS is spoken wherever it comes, and meets no plain router."""
    before = arrived(site)
    with site.client("web", tls=True) as c:
        assert c.request("GET", "/").status == 404
    assert arrived(site) == before


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x00\x05hello", b"\x16" + GOOD, b"\x16\x03\x01\xff\xff" + b"a" * 300,
    b"\x80\x2e\x01\x00\x02", b"\x15\x03\x03\x00\x02\x02\x28"])
@pytest.mark.parametrize("entry", ["web", "tls"])
def test_broken_tls(site, entry, data):
    """Neither TLS nor HTTP: it ends, and nothing was asked upstream."""
    before = arrived(site)
    with site.client(entry) as c:
        c.send(data)
        c.fin()
        try:
            while c.more():
                pass
        except ConnectionResetError:
            pass
        assert not c.buffer.startswith(b"HTTP/1.1 2")
    assert arrived(site) == before


# ---- Limits: one below, at, and one above each (0.4) ---------------------------


def padded(lines, name, size, whole):
    """A head with a field line, or a whole head, of exactly size bytes."""
    data = head(lines, name + b": ")
    have = len(data) if whole else len(name) + 4
    return head(lines, name + b": " + b"v" * (size - have))


def of_line(size):
    data = line(b"GET / HTTP/1.1")
    start = data.index(b"\r\n") + 2
    return line(b"GET /" + b"p" * (size - start) + b" HTTP/1.1")


def of_field(size):
    return padded(b"GET / HTTP/1.1", b"X-Long", size, False)


def of_head(size):
    """Many lines below their own limit."""
    fields = [b"X-%d: " % n + b"v" * 20000 for n in range((size - 200) // 20010)]
    have = len(head(b"GET / HTTP/1.1", *fields, b"X: "))
    return head(b"GET / HTTP/1.1", *fields, b"X: " + b"v" * (size - have))


def of_fields(n):
    return head(b"GET / HTTP/1.1", *(b"X-%d: y" % i for i in range(n - 1)))


def of_cookies(n):
    """Cookie lines count one each, before they are joined."""
    return head(b"GET / HTTP/1.1", *(b"Cookie: c%d=1" % i for i in range(n - 1)))


def of_name(n):
    return f(b"N" * n + b": v")


def of_host(n):
    return f(host=b"h" * n)


def of_trailers(n):
    return chunked(b"0\r\n" + b"".join(b"T-%d: x\r\n" % i for i in range(n)) +
                   b"\r\n")


def of_trailer_bytes(n):
    """The trailer section with its empty line."""
    return chunked(b"0\r\nT: " + b"x" * (n - 7) + b"\r\n\r\n")


def of_extension(n):
    return chunk(b";" + b"e" * (n - 1))


def of_extensions(n):
    """All chunk extensions of a body together."""
    sizes = [200] * (n // 200) + [n % 200]
    return chunked(b"".join(b"1;" + b"e" * (s - 1) + b"\r\nx\r\n"
                            for s in sizes) + b"0\r\n\r\n")


def of_digits(n):
    return chunked(b"0" * (n - 1) + b"3\r\nabc\r\n0\r\n\r\n")


LIMITS = {
    "request-line": (of_line, 16 << 10, 414), "field-line": (of_field, 32 << 10, 431),
    "head": (of_head, 64 << 10, 431), "fields": (of_fields, 128, 431),
    "cookies": (of_cookies, 128, 431), "name": (of_name, 256, 431),
    "host": (of_host, 255, 400), "trailers": (of_trailers, 32, 400),
    "trailer-bytes": (of_trailer_bytes, 8 << 10, 400),
    "extension": (of_extension, 256, 400),
    "extensions": (of_extensions, 4096, 400), "chunk-size": (of_digits, 16, 400)}


@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("name", LIMITS)
@CUTS
def test_limit(site, name, off, cut):
    make, limit, status = LIMITS[name]
    data = make(limit + off)
    before = arrived(site)
    with site.client() as c:
        send_cut(c, data, cut, seed=off)
        r = c.response()
        assert r.status == (200 if off <= 0 else status)
        if off > 0:
            assert r["Connection"] == "close" and not c.more()
    seen = arrived(site)[len(before):]
    assert len(seen) == (off <= 0)


@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("make", [of_head, of_field])
def test_limit_of_the_entry_point(site, make, off):
    """An explicit maxHeaderBytes is honoured, for a line as for the head."""
    data = make(200000 + off)
    if make is of_field:
        have = len(data) - 200000 - off
        data = make(200000 + off - have)
    assert len(data) == 200000 + off
    with site.client("big") as c:
        c.send(data)
        assert c.response().status == (200 if off <= 0 else 431)


@pytest.mark.parametrize("kind", ["line", "field", "head", "name", "fields"])
def test_refused_before_the_end(site, kind):
    """What is over a limit is refused while it is still coming."""
    endless = {"line": b"GET /" + b"a" * 20000, "field": f()[:-2] + b"X: " +
               b"a" * 40000, "head": f()[:-2] + b"X: %s\r\n" % (b"a" * 20000) * 4,
               "name": f()[:-2] + b"N" * 40000, "fields": f()[:-2] + b"A:b\r\n" * 200}
    with site.client() as c:
        try:
            c.send(endless[kind])
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert c.response().status == (414 if kind == "line" else 431)


def test_refusals_leave_nothing(site):
    """After all of them, the connections are gone."""
    before = site.status()["workers"][0]["connections"]
    for _ in range(50):
        with site.client() as c:
            c.send(b"GET / HTTP/9.9\r\n\r\n")
            c.response()
    end = site.status()["workers"][0]["connections"]
    assert end <= before + 1


def test_refusal_is_seen(akkod):
    """N-13: the log names the reason and the client, not the client's bytes."""
    a = akkod("http: {}\n")
    with a.client() as c:
        c.send(b"GET /secret HTTP/1.1\r\nHost: a.test\r\nA : b\r\n\r\n")
        assert b"secret" not in c.response().body
    m = a.wait_log(r".*refused a request of 127\.0\.0\.1: 400 bad-request.*")
    assert "secret" not in m.group(0)


def test_memory_of_unfinished_heads(site):
    """S-104: what a head may hold back is bounded for each connection."""
    pid = site.worker_pids()[0]

    def resident():
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096
    # A sanitizer's stacks and guards come on top.
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        bound = (256 if "libasan" in maps.read() else 128) << 10
    before = resident()
    clients = [site.client() for _ in range(100)]
    part = b"GET / HTTP/1.1\r\nHost: a.test\r\n" + b"X: %s\r\n" % (b"v" * 20000) * 3
    for c in clients:
        c.send(part)
    time.sleep(0.3)
    grown = resident() - before
    assert grown < 100 * bound, grown
    for c in clients:
        c.send(b"\r\n")
    assert [c.response().status for c in clients] == [200] * 100
    for c in clients:
        c.close()
