# SPDX-License-Identifier: BSD-2-Clause
"""compress: gzip, brotli and zstd (proxy.md 4.21)."""
import gzip
import hashlib
import json
import random
import time
import zlib

import brotli
import pytest
import zstandard

from harness.site import site

MIDDLEWARES = {
    "all": {"compress": {}},
    "order": {"compress": {"encodings": ["br", "gzip"]}},
    "zonly": {"compress": {"encodings": ["zstd"]}},
    "deflt": {"compress": {"defaultEncoding": "br"}},
    "dgzip": {"compress": {"defaultEncoding": "gzip"}},
    "small": {"compress": {"minResponseBodyBytes": 10}},
    "excl": {"compress": {"excludedContentTypes": ["image/png", "text/x; a=b"]}},
    "incl": {"compress": {"includedContentTypes": ["text/html"]}},
    "both": {"compress": {"includedContentTypes": ["a/b"],
                          "excludedContentTypes": ["c/d"]}},
    "unknown": {"compress": {"encodings": ["deflate"]}},
    "foreign": {"compress": {"encodings": ["br"], "defaultEncoding": "gzip"}},
}
BROKEN = ["both", "unknown", "foreign"]
CONFIG = site(middlewares=MIDDLEWARES, routers={m: [m] for m in MIDDLEWARES} |
              {"plain": []})
ALL = "gzip, br, zstd"


R = random.Random(7)
TEXT = b"".join(b"%d " % R.randrange(1000) for _ in range(300_000)) * 3


def text(n):
    """Compressible, and different at each place."""
    assert n <= len(TEXT)
    return TEXT[:n]


def app(c, r):
    """X-Size bytes, with the fields of X-Fields; X-Pieces streams them."""
    c.body(r)
    body = text(int(r["X-Size"] or 5000))
    status = int(r["X-Status"] or 200)
    fields = json.loads(r["X-Fields"] or '[["Content-Type", "text/html"]]')
    if not r["X-Pieces"]:
        c.answer(status, fields, body, method=r.method)
        return
    head = "".join(f"{k}: {v}\r\n" for k, v in fields)
    c.send(f"HTTP/1.1 {status} OK\r\n{head}Transfer-Encoding: chunked\r\n\r\n"
           .encode())
    pieces = int(r["X-Pieces"])
    step = -(-len(body) // pieces)
    for i in range(0, len(body), step):
        piece = body[i:i + step]
        c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        if r["X-Pause"]:
            time.sleep(float(r["X-Pause"]))
    c.send(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream(app)
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


def plain(r):
    """The body as it was, and the length if there is one."""
    how = r["Content-Encoding"]
    if how == "gzip":
        return gzip.decompress(r.body)
    if how == "br":
        return brotli.decompress(r.body)
    if how == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(r.body)
    assert how is None
    return r.body


def ask(a, host, accept=ALL, size=5000, method="GET", fields=None, **extra):
    headers = [("X-Size", size)]
    if accept is not None:
        headers.append(("Accept-Encoding", accept))
    if fields is not None:
        headers.append(("X-Fields", json.dumps(fields)))
    headers += [("X-" + k, v) for k, v in extra.items()]
    with a.client() as c:
        r = c.request(method, "/", host=f"{host}.test", headers=headers)
    if method == "GET" and r.status == 200:
        assert plain(r) == text(size)
    return r


@pytest.mark.parametrize("host,accept,want", [
    ("all", "gzip", "gzip"), ("all", "br", "br"), ("all", "zstd", "zstd"),
    ("all", ALL, "gzip"), ("all", "br, gzip", "gzip"),
    ("all", "zstd, br", "br"),
    ("order", ALL, "br"), ("order", "gzip", "gzip"), ("order", "zstd", None),
    ("zonly", ALL, "zstd"), ("zonly", "gzip, br", None),
    ("all", "gzip;q=0.5, br", "br"), ("all", "gzip;q=0.5, br;q=0.4", "gzip"),
    ("all", "gzip;q=0, br", "br"), ("all", "gzip;q=0", None),
    ("all", "gzip ; q=0.1 , br ; q=0.2", "br"),
    ("all", "GZip", None), ("all", "x, BR", None),	# as Traefik: exact
    ("all", "gzip;q=1.0;x=y, br;q=0.5", "gzip"), ("all", "gzip;q=0.000", None),
    ("all", "gzip;q=2", None), ("all", "gzip;q=x, br;q=0.1", "br"),
    ("all", ",,gzip,", "gzip"),
    ("all", "identity", None), ("all", "identity, gzip;q=0.5", None),
    ("all", "identity;q=0.5, gzip;q=0.5", "gzip"),
    ("all", "deflate", None), ("all", "", None), ("all", None, None),
    ("all", "*", None), ("order", "*", "br"), ("zonly", "*", "zstd"),
    ("all", "*;q=0", None), ("all", "*;q=0.1, zstd", "zstd"),
    ("deflt", None, "br"), ("deflt", "*", "br"), ("deflt", "gzip", "gzip"),
    ("deflt", "", None), ("dgzip", None, None), ("dgzip", "gzip", "gzip"),
    ("plain", ALL, None),
])
def test_choice(a, host, accept, want):
    r = ask(a, host, accept)
    assert r["Content-Encoding"] == want
    if want:
        assert r["Vary"] == "Accept-Encoding"
        assert len(r.body) < 4000
    else:
        assert r["Content-Length"] == "5000"


@pytest.mark.parametrize("accept", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("host,size,encoded", [
    ("all", 1023, False), ("all", 1024, True), ("all", 0, False),
    ("small", 9, False), ("small", 10, True)])
def test_threshold(a, accept, host, size, encoded):
    r = ask(a, host, accept, size)
    assert (r["Content-Encoding"] is not None) == encoded
    assert r["Vary"] == "Accept-Encoding"


def test_head_is_not_touched(a):
    r = ask(a, "all", method="HEAD")
    assert r["Content-Encoding"] is None and r["Content-Length"] == "5000"
    assert r["Vary"] is None


@pytest.mark.parametrize("accept", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("host,fields,encoded", [
    ("all", [["Content-Type", "image/png"]], True),
    ("all", [["Content-Type", "application/grpc"]], False),
    ("all", [["Content-Type", "application/grpc; x=y"]], False),
    ("all", [["Content-Type", "text/html; charset=utf-8"]], True),
    ("all", [["Content-Encoding", "gzip"]], None),
    ("all", [["Content-Encoding", "x-own"]], None),
    ("excl", [["Content-Type", "image/png"]], False),
    ("excl", [["Content-Type", "IMAGE/PNG"]], False),
    ("excl", [["Content-Type", "text/x; other=1"]], False),
    ("excl", [["Content-Type", "image/jpeg"]], True),
    ("incl", [["Content-Type", "text/html; charset=x"]], True),
    ("incl", [["Content-Type", "text/plain"]], False),
    ("all", [["Content-Type", "a/b"], ["ETag", '"x"'],
             ["Last-Modified", "Wed, 25 Nov 2026 10:00:00 GMT"]], True),
])
def test_types(a, accept, host, fields, encoded):
    names = [k for k, _ in fields]
    if encoded is None:
        with a.client() as c:
            r = c.request("GET", "/", host=f"{host}.test", headers=[
                ("Accept-Encoding", accept), ("X-Size", 5000),
                ("X-Fields", json.dumps(fields))])
        assert r.all("Content-Encoding") == [fields[0][1]]
        assert r.body == text(5000)
        return
    r = ask(a, host, accept, fields=fields)
    assert r["Content-Encoding"] == (accept if encoded else None)
    for name in names:
        assert r[name] == dict(fields)[name]


def test_no_type(a):
    assert ask(a, "all", "gzip", fields=[])["Content-Encoding"] == "gzip"
    assert ask(a, "all", "br", fields=[])["Content-Encoding"] == "br"


def test_request_with_grpc_type(a):
    with a.client() as c:
        r = c.request("POST", "/", host="all.test", body=b"x", headers=[
            ("Accept-Encoding", "br"), ("X-Size", 5000),
            ("Content-Type", "application/grpc+proto")])
        assert r["Content-Encoding"] == "br"
        r = c.request("POST", "/", host="all.test", body=b"x", headers=[
            ("Accept-Encoding", "br"), ("X-Size", 5000),
            ("Content-Type", "application/grpc")])
        assert r["Content-Encoding"] is None


def test_gzip_peculiarities(a):
    r = ask(a, "all", "gzip", fields=[["No-Gzip-Compression", "1"]])
    assert r["Content-Encoding"] is None and r["No-Gzip-Compression"] is None
    r = ask(a, "all", "gzip", fields=[["Accept-Ranges", "bytes"]])
    assert r["Content-Encoding"] == "gzip" and r["Accept-Ranges"] is None
    assert zlib.crc32(text(5000)) == int.from_bytes(r.body[-8:-4], "little")


def test_range_is_left_alone(a):
    r = ask(a, "all", "gzip", Status=206, fields=[
        ["Content-Range", "bytes 0-4999/9000"], ["Content-Type", "text/html"]])
    assert r.status == 206 and r["Content-Encoding"] is None
    assert r.body == text(5000)


@pytest.mark.parametrize("status", [204, 304])
def test_no_body(a, status):
    r = ask(a, "small", "gzip", size=0, Status=status)
    assert r.status == status and r["Content-Encoding"] is None


def test_vary_is_kept(a):
    r = ask(a, "all", "gzip", fields=[["Vary", "Origin"]])
    assert sorted(", ".join(r.all("Vary")).split(", ")) == \
        ["Accept-Encoding", "Origin"]


def test_errors_are_compressed_too(a):
    with a.client() as c:
        r = c.request("GET", "/", host="all.test", headers=[
            ("Accept-Encoding", "gzip"), ("X-Status", "500")])
    assert r.status == 500 and plain(r) == text(5000)
    assert r["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("accept", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("pieces", [1, 7, 200])
@pytest.mark.parametrize("size", [3_000_000, 100_000, 2000])
def test_stream(a, accept, pieces, size):
    r = ask(a, "all", accept, size, Pieces=pieces)
    assert r["Content-Encoding"] == accept
    if size > 2000:		# all of a small one may be there at once
        assert r["Content-Length"] is None


@pytest.mark.parametrize("accept", ["gzip", "br", "zstd"])
def test_large_with_length(a, accept):
    r = ask(a, "all", accept, 3_000_000)
    assert r["Content-Encoding"] == accept
    assert hashlib.sha1(plain(r)).digest() == hashlib.sha1(text(3_000_000)).digest()


@pytest.mark.parametrize("accept", ["gzip", "br", "zstd"])
def test_stream_is_not_held_up(a, accept):
    """What the server has sent can be read at once, piece by piece."""
    decode = {"gzip": lambda d=zlib.decompressobj(31): d.decompress,
              "br": lambda d=brotli.Decompressor(): d.process,
              "zstd": lambda: zstandard.ZstdDecompressor().decompressobj()
              .decompress}[accept]()
    with a.client() as c:
        c.send(f"GET / HTTP/1.1\r\nHost: all.test\r\nAccept-Encoding: {accept}\r\n"
               "X-Size: 3000\r\nX-Pieces: 3\r\nX-Pause: 0.2\r\n\r\n".encode())
        r = c.final()
        assert r["Content-Encoding"] == accept
        got, seen, start = b"", [], time.monotonic()
        while (chunk := c.chunk()):
            got += decode(chunk)
            seen.append((len(got), time.monotonic() - start))
    assert got == text(3000)
    assert any(n >= 1000 and t < 0.15 for n, t in seen), seen
    assert any(n >= 2000 and t < 0.35 for n, t in seen), seen


def test_one_connection_many_encodings(a):
    """Encoders are used again; nothing of one answer is in the next."""
    with a.client() as c:
        for i in range(60):
            accept = ["gzip", "br", "zstd"][i % 3]
            r = c.request("GET", "/", host="all.test", headers=[
                ("Accept-Encoding", accept), ("X-Size", 2000 + i)])
            assert r["Content-Encoding"] == accept
            assert plain(r) == text(2000 + i)


def test_cut_answer_stays_cut(akkod, upstream):
    """A truncated answer is not made to look whole (N-09)."""
    def cut(c, r):
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + text(5000))
        return False

    a = akkod(site(middlewares={"m": {"compress": {}}}, routers={"a": ["m"]}),
              values={"upstream": upstream(cut).port})
    for accept in ("gzip", "br", "zstd"):
        with a.client() as c:
            with pytest.raises((EOFError, ConnectionResetError)):
                c.request("GET", "/", headers=[("Accept-Encoding", accept)])


def test_log_has_the_true_sizes(a):
    r = ask(a, "all", "gzip", 50_000)
    line = a.logged(RequestAddr="all.test", OriginContentSize=50_000)
    assert line["DownstreamContentSize"] == len(r.body)
    assert abs(line["GzipRatio"] - 50_000 / len(r.body)) < 0.01


@pytest.mark.parametrize("host", BROKEN)
def test_broken(a, host):
    n = len(a.upstream.requests)
    with a.client() as c:
        assert c.request("GET", "/", host=f"{host}.test").status == 503
    assert len(a.upstream.requests) == n
