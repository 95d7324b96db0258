# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/2 towards clients: answers, flow control, limits, the end."""
import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import hyperframe.frame as frames
import pytest

from conftest import ONE_SERVICE
from harness.h2 import ENHANCE_YOUR_CALM, H2
from harness.upstream import echo

PROTOCOL_ERROR, STREAM_CLOSED, REFUSED_STREAM = 1, 5, 7


def serve(c, r):
    """What the tests below ask for by path."""
    path = r.target
    if path.startswith("/big"):
        c.body(r)
        c.answer(200, body=b"x" * int(path[4:]))
    elif path == "/wait":
        c.server.waiting += 1
        c.server.release.wait(20)
        c.server.waiting -= 1
        try:
            c.answer(200, body=b"waited")
        except OSError:
            c.server.gone += 1
    elif path == "/hints":
        c.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        c.answer(200, body=b"hinted")
    elif path == "/trailers":
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
               b"Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n")
    elif path == "/cut":
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        return False
    elif path == "/slow-head":
        c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n")
        time.sleep(1)
        c.send(b"6\r\ndata:1\r\n0\r\n\r\n")
    elif path == "/early":
        c.answer(413, body=b"too much", reason="Too Large")
        return False
    else:
        echo(c, r)
    return None


@pytest.fixture(scope="module")
def site(module_akkod, module_upstream):
    u = module_upstream(serve)
    u.waiting, u.gone, u.release = 0, 0, threading.Event()
    a = module_akkod(ONE_SERVICE, values={"upstream": u.port})
    a.upstream = u
    return a


def connect(a, **kw):
    tls = kw.get("tls", True)
    return H2(("127.0.0.1", a.ports["websecure" if tls else "web"]), **kw)


def test_request_and_answer(site):
    with connect(site) as h:
        r = h.get("GET", "/a?b=c", fields=[("x-own", "1"), ("te", "trailers")])
        assert r.status == 200 and r.ended
        seen = json.loads(r.body)
        fields = dict(seen["fields"])
        assert seen["target"] == "/a?b=c"
        assert fields["Host"] == "a.test" and fields["X-Own"] == "1"
        assert fields["X-Forwarded-Proto"] == "https"
        assert r["content-length"] == str(len(r.body))
        assert "connection" not in dict(r.fields)


def test_prior_knowledge_in_clear(site):
    with connect(site, tls=False) as h:
        assert h.get("GET", "/").status == 200


def test_post_is_streamed(site):
    with connect(site) as h:
        s = h.start("POST", "/echo", end=False)
        for piece in (b"one ", b"two ", b"three"):
            h.data(s, piece)
        h.data(s, b"", end=True)
        r = h.response(s)
        seen = json.loads(r.body)
        assert seen["body"] == "one two three"
        assert ["Transfer-Encoding", "chunked"] in seen["fields"]


def test_post_with_length(site):
    with connect(site) as h:
        s = h.start("POST", "/echo", fields=[("content-length", "5")], end=False)
        h.data(s, b"12345", end=True)
        seen = json.loads(h.response(s).body)
        assert seen["body"] == "12345"
        assert ["Content-Length", "5"] in seen["fields"]


def test_many_streams_at_once(site):
    with connect(site) as h:
        streams = [h.start("GET", f"/{n}") for n in range(100)]
        for n, s in enumerate(streams):
            r = h.response(s)
            assert r.status == 200
            assert json.loads(r.body)["target"] == f"/{n}"


@pytest.mark.parametrize("size", [0, 1, 16384, 65535, 65536, 1 << 20, 5 << 20])
def test_sizes(site, size):
    with connect(site) as h:
        r = h.get("GET", f"/big{size}")
        assert len(r.body) == size and r.ended


def test_flow_control_holds_a_body_back(site):
    """Nothing beyond the window comes, and the rest when it opens."""
    with connect(site) as h:
        h.credit = False
        s = h.start("GET", "/big1000000")
        h.until(lambda: len(h.answer(s).body) >= 65535)
        h.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            h.frame()
        assert len(h.answer(s).body) == 65535
        h.sock.settimeout(10)
        h.send(frames.WindowUpdateFrame(0, window_increment=1000000),
               frames.WindowUpdateFrame(s, window_increment=1000000))
        assert len(h.response(s).body) == 1000000


def test_upload_waits_for_credit(site):
    """A body larger than all windows, sent as credit comes."""
    with connect(site) as h:
        s = h.start("POST", "/echo", end=False)
        window, sent, total = {0: 65535, s: 65535}, 0, 3 << 20
        while sent < total:
            n = min(16384, total - sent, window[0], window[s])
            if n > 0:
                h.data(s, b"y" * n, end=sent + n == total)
                sent += n
                window[0] -= n
                window[s] -= n
                continue
            f = h.frame()
            if isinstance(f, frames.WindowUpdateFrame):
                window[f.stream_id] += f.window_increment
        assert len(json.loads(h.response(s).body)["body"]) == total


def test_interim_and_trailers(site):
    with connect(site) as h:
        r = h.get("GET", "/hints")
        assert r.interim == [(103, [("link", "</a.css>")])]
        assert r.body == b"hinted"
        r = h.get("GET", "/trailers")
        assert r.body == b"abc" and r.trailers == [("x-sum", "6")]


def test_expect_continue(site):
    with connect(site) as h:
        s = h.start("POST", "/echo", fields=[("expect", "100-continue")],
                    end=False)
        h.until(lambda: h.answer(s).interim)
        assert h.answer(s).interim[0][0] == 100
        h.data(s, b"now", end=True)
        assert json.loads(h.response(s).body)["body"] == "now"


def test_head_and_no_content(site):
    with connect(site) as h:
        r = h.get("HEAD", "/big100")
        assert r.status == 200 and r.body == b"" and r.ended
        assert r["content-length"] == "100"


def test_a_cut_answer_is_reset(site):
    with connect(site) as h:
        r = h.get("GET", "/cut")
        assert r.reset == 2 and not r.ended
        assert h.get("GET", "/").status == 200


def test_early_answer(site):
    """The answer comes although the body does not end; then no more of it."""
    with connect(site) as h:
        s = h.start("POST", "/early", end=False)
        h.data(s, b"z" * 1000)
        r = h.response(s)
        assert r.status == 413 and r.body == b"too much"
        h.until(lambda: r.reset is not None)
        assert r.reset == 0


def test_head_of_a_stream_does_not_wait_for_its_body(site):
    with connect(site) as h:
        began = time.monotonic()
        s = h.start("GET", "/slow-head")
        h.until(lambda: h.answer(s).status)
        assert time.monotonic() - began < 0.7
        assert h.response(s).body == b"data:1"


def test_a_reset_stream_cancels_its_request(site):
    with connect(site) as h:
        s = h.start("GET", "/wait")
        end = time.monotonic() + 5
        while site.upstream.waiting == 0:
            assert time.monotonic() < end
            time.sleep(0.01)
        h.send(frames.RstStreamFrame(s, error_code=8))
        c = site.upstream.last.connection
        c.sock.settimeout(2)
        assert c.sock.recv(1) == b""	# akkod closed it
        site.upstream.release.set()
        assert h.get("GET", "/").status == 200
    site.upstream.release.clear()


# -- malformed requests (H2-H) ----------------------------------------------

BASE = [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"),
        (":path", "/")]


def without(name):
    return [p for p in BASE if p[0] != name]


def replaced(name, value):
    return [(k, value if k == name else v) for k, v in BASE]


MALFORMED = {
    "H01-upper-case": dict(fields=[("X-Upper", "1")]),
    "H01-space": dict(fields=[("x y", "1")]),
    "H01-colon": dict(fields=[("x:y", "1")]),
    "H01-empty": dict(fields=[("", "1")]),
    "H02-lf": dict(fields=[("x", "a\nb")]),
    "H02-nul": dict(fields=[("x", "a\0b")]),
    "H02-leading-space": dict(fields=[("x", " a")]),
    "H02-trailing-tab": dict(fields=[("x", "a\t")]),
    "H03-connection": dict(fields=[("connection", "close")]),
    "H03-keep-alive": dict(fields=[("keep-alive", "1")]),
    "H03-upgrade": dict(fields=[("upgrade", "h2c")]),
    "H03-transfer-encoding": dict(fields=[("transfer-encoding", "chunked")]),
    "H03-te": dict(fields=[("te", "gzip")]),
    "H04-late": dict(pseudo=[("x", "1"), *BASE]),
    "H04-unknown": dict(pseudo=[*BASE, (":other", "1")]),
    "H04-twice": dict(pseudo=[*BASE, (":path", "/b")]),
    "H04-no-method": dict(pseudo=without(":method")),
    "H04-no-scheme": dict(pseudo=without(":scheme")),
    "H04-no-path": dict(pseudo=without(":path")),
    "H04-status": dict(pseudo=[*BASE, (":status", "200")]),
    "H05-token": dict(pseudo=replaced(":method", "GE T")),
    "H06-empty": dict(pseudo=replaced(":path", "")),
    "H06-no-slash": dict(pseudo=replaced(":path", "a")),
    "H06-absolute": dict(pseudo=replaced(":path", "https://a.test/")),
    "H06-space": dict(pseudo=replaced(":path", "/a b")),
    "H06-fragment": dict(pseudo=replaced(":path", "/a#b")),
    "H06-high": dict(pseudo=replaced(":path", "/\xe9")),
    "H07-scheme": dict(pseudo=replaced(":scheme", "ftp")),
    "H08-userinfo": dict(pseudo=replaced(":authority", "u@a.test")),
    "H08-space": dict(pseudo=replaced(":authority", "a test")),
    "H09-neither": dict(pseudo=without(":authority")),
    "H09-two": dict(pseudo=without(":authority"),
                    fields=[("host", "a.test"), ("host", "a.test")]),
    "H10-two-lengths": dict(fields=[("content-length", "0"),
                                    ("content-length", "0")]),
    "H10-sign": dict(fields=[("content-length", "+1")]),
    "H11-length-without-body": dict(fields=[("content-length", "5")]),
}


@pytest.mark.parametrize("row", MALFORMED)
def test_malformed(site, row):
    before = len(site.upstream.requests)
    with connect(site) as h:
        r = h.get(**MALFORMED[row])
        assert r.reset == PROTOCOL_ERROR or h.goaway, (r.status, r.body)
        assert r.status is None
    assert len(site.upstream.requests) == before


ANSWERED = {
    "H05-lower-case": (501, dict(pseudo=replaced(":method", "get"))),
    "H05-trace": (405, dict(pseudo=replaced(":method", "TRACE"))),
    "H07-other-scheme": (421, dict(pseudo=replaced(":scheme", "http"))),
    "H09-different": (400, dict(fields=[("host", "b.test")])),
    "H13-expect": (417, dict(fields=[("expect", "more")], end=False)),
    "H14-alias": (400, dict(fields=[("content_length", "5")])),
    "H17-two-authorizations": (400, dict(fields=[("authorization", "Basic YTpi"),
                                                 ("authorization", "Basic YTpj")])),
    "too-many-fields": (431, dict(fields=[(f"x-{n}", "1") for n in range(200)])),
}


@pytest.mark.parametrize("row", ANSWERED)
def test_answered_without_the_service(site, row):
    status, what = ANSWERED[row]
    before = len(site.upstream.requests)
    with connect(site) as h:
        s = h.start(**what)
        h.until(lambda: h.answer(s).status or h.answer(s).reset)
        assert h.answer(s).status == status
    assert len(site.upstream.requests) == before


def test_host_alone_and_equal(site):
    with connect(site) as h:
        r = h.get(pseudo=without(":authority"), fields=[("host", "b.test")])
        assert dict(json.loads(r.body)["fields"])["Host"] == "b.test"
        r = h.get(host="a.test:443", fields=[("host", "A.test")])
        hosts = [v for k, v in json.loads(r.body)["fields"] if k == "Host"]
        assert len(hosts) == 1


def test_cookie_crumbs_become_one_line(site):
    with connect(site) as h:
        r = h.get(fields=[("cookie", "a=1"), ("cookie", "b=2")])
        cookies = [v for k, v in json.loads(r.body)["fields"] if k == "Cookie"]
        assert cookies == ["a=1; b=2"]


def test_trailers_of_a_request_are_dropped(site):
    with connect(site) as h:
        s = h.start("POST", "/echo", end=False)
        h.data(s, b"abc")
        f = frames.HeadersFrame(s)
        f.data = h.encoder.encode([("x-smuggled", "1")])
        f.flags.add("END_HEADERS")
        f.flags.add("END_STREAM")
        h.send(f)
        seen = json.loads(h.response(s).body)
        assert seen["body"] == "abc"
        assert "x-smuggled" not in str(seen).lower()


# -- floods (H2-A) ----------------------------------------------------------

def flood(h, send, n):
    """Sends n frames; whether the server had enough and said so.

    A server that cannot even send any more closes without a word (A08).
    """
    try:
        for k in range(n):
            send(k)
    except (BrokenPipeError, ConnectionResetError, OSError):
        pass
    h.rest()
    return h.ended and (h.goaway is None or h.goaway[1] == ENHANCE_YOUR_CALM)


def test_rapid_reset(site):
    with connect(site) as h:
        def send(_):
            s = h.start("GET", "/")
            h.send(frames.RstStreamFrame(s, error_code=8))
        assert flood(h, send, 400)
    assert site.get("/").status == 200


@pytest.mark.parametrize("kind", ["ping", "settings", "priority", "empty-data",
                                  "window", "unknown"])
def test_floods_of_cheap_frames(site, kind):
    with connect(site) as h:
        s = h.start("POST", "/echo", end=False)

        def send(n):
            if kind == "unknown":
                h.sock.sendall(b"\0\0\1\x42\0\0\0\0\0x")
                return
            h.send({
                "ping": lambda: frames.PingFrame(0, b"12345678"),
                "settings": lambda: frames.SettingsFrame(0, settings={4: 65535}),
                "priority": lambda: frames.PriorityFrame(2 * n + 101),
                "empty-data": lambda: frames.DataFrame(s, b""),
                "window": lambda: frames.WindowUpdateFrame(0, window_increment=1),
            }[kind]())
        assert flood(h, send, 1500), h.goaway


def test_malformed_flood(site):
    with connect(site) as h:
        assert flood(h, lambda _: h.start(pseudo=replaced(":path", "/a b")), 200)


def test_continuation_flood(site):
    with connect(site) as h:
        f = frames.HeadersFrame(1)
        f.data = h.encoder.encode(BASE)
        h.send(f)
        try:
            for _ in range(100):
                c = frames.ContinuationFrame(1)
                c.data = h.encoder.encode([("x", "y" * 10)])
                h.send(c)
        except OSError:
            pass
        h.rest()
        assert h.ended
    assert site.get("/").status == 200


def test_hpack_bomb(site):
    """A large field indexed once and named again by one byte a time."""
    with connect(site) as h:
        f = frames.HeadersFrame(1)
        f.data = h.encoder.encode([*BASE, ("x-big", "z" * 3900)]) + b"\xbe" * 12000
        f.flags.add("END_HEADERS")
        f.flags.add("END_STREAM")
        h.send(f)
        h.until(lambda: h.answer(1).status or h.answer(1).reset or h.goaway)
        assert h.answer(1).status in (None, 431)
    assert site.get("/").status == 200


def test_streams_wait_for_slots_and_are_refused_beyond(akkod, upstream):
    u = upstream(serve)
    u.waiting, u.gone, u.release = 0, 0, threading.Event()
    a = akkod("""
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure:
    address: "127.0.0.1:@websecure@"
    http: {tls: {}}
    http2: {maxConcurrentStreams: 10}
""" + ONE_SERVICE, values={"upstream": u.port})
    with connect(a) as h:
        streams = [h.start("GET", "/wait") for _ in range(10)]
        h.until(lambda: h.settings)
        assert h.settings[3] == 10
        u.wait(10)
        # Reset, they still hold their slots until their requests are undone.
        for s in streams:
            h.send(frames.RstStreamFrame(s, error_code=8))
        again = [h.start("GET", "/") for _ in range(10)]
        assert all(h.response(s).status == 200 for s in again)
    u.release.set()


# -- the end -----------------------------------------------------------------

def test_drain_says_goaway_twice(akkod, upstream):
    u = upstream(serve)
    u.waiting, u.gone, u.release = 0, 0, threading.Event()
    a = akkod(ONE_SERVICE, values={"upstream": u.port})
    with connect(a) as h, connect(a) as idle:
        assert idle.get("GET", "/").status == 200
        s = h.start("GET", "/wait")
        u.wait(2)
        a.process.send_signal(signal.SIGTERM)
        h.until(lambda: h.goaway)
        assert h.goaways[0] == (2**31 - 1, 0)
        u.release.set()
        assert h.response(s).body == b"waited"
        h.rest()
        assert h.goaways[-1] == (s, 0)
        idle.rest()
        assert idle.goaways[0] == (2**31 - 1, 0)
    assert a.process.wait(30) == 0


def test_http1_still_works_beside_it(site):
    with site.client("websecure", tls=True, alpn=("http/1.1",)) as c:
        assert c.request("GET", "/").status == 200


# -- other people's clients ---------------------------------------------------

def test_curl(site):
    done = subprocess.run(
        ["curl", "-sk", "--http2", "-w", "%{http_version}", "-o", "/dev/null",
         f"https://127.0.0.1:{site.ports['websecure']}/big100000"],
        capture_output=True, text=True, timeout=30)
    assert done.stdout == "2"


def test_nghttp_and_h2load(site):
    url = f"https://127.0.0.1:{site.ports['websecure']}/big2000"
    done = subprocess.run(["nghttp", "-s", url], capture_output=True, text=True,
                          timeout=30)
    assert " 200 " in done.stdout
    done = subprocess.run(["h2load", "-n", "2000", "-c", "10", "-m", "20", url],
                          capture_output=True, text=True, timeout=60)
    assert "2000 succeeded, 0 failed" in done.stdout, done.stdout


@pytest.fixture(scope="session")
def h2spec():
    """The program; built into the cache when it is missing."""
    build = Path(__file__).parents[1] / "rig/h2spec/build"
    return subprocess.run([build], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
def test_h2spec_strict(site, h2spec, tls):
    port = site.ports["websecure" if tls else "web"]
    done = subprocess.run(
        [h2spec, "-h", "127.0.0.1", "-p", str(port), "-S", "-o", "4",
         *(["-t", "-k"] if tls else [])],
        capture_output=True, text=True, errors="replace", timeout=120)
    failed = [line.strip() for line in done.stdout.partition("Failures:")[2]
              .splitlines() if line.strip().startswith("\u00d7")]
    # In clear the port speaks HTTP/1 as well: a preface that is none is a
    # malformed request, which is answered before the end of the connection.
    allowed = [] if tls else ["\u00d7 2: Sends invalid connection preface"]
    assert failed == allowed, done.stdout[-3000:]
    assert "146 tests" in done.stdout


def test_node(site):
    script = """
const http2 = require('http2');
const c = http2.connect(process.argv[1], {rejectUnauthorized: false});
let left = 50;
for (let i = 0; i < 50; i++) {
  const r = c.request({':path': '/big' + i * 1000});
  let n = 0;
  r.on('data', d => n += d.length);
  r.on('end', () => {
    if (n != i * 1000) process.exit(1);
    if (--left == 0) { console.log('fine'); c.close(); }
  });
}
"""
    done = subprocess.run(
        ["node", "-e", script, f"https://127.0.0.1:{site.ports['websecure']}"],
        capture_output=True, text=True, timeout=30)
    assert done.stdout == "fine\n", done.stderr


FRAMED = """
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app, middlewares: [set]}
  middlewares:
    set:
      headers:
        customResponseHeaders: {Content-Length: "3", Connection: "X-A",
                                Transfer-Encoding: chunked, Keep-Alive: "5"}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


def test_framing_is_not_for_middlewares(akkod, upstream):
    """Fields of HTTP/1 connections are no fields here (RFC 9113 8.2.2)."""
    u = upstream(serve)
    a = akkod(FRAMED, values={"upstream": u.port})
    with connect(a) as h:
        r = h.get("GET", "/big10")
        assert r.status == 200 and r.body == b"x" * 10
        names = [k for k, _ in r.fields]
        assert names.count("content-length") == 1
        assert r["content-length"] == "10"
        for gone in ("connection", "transfer-encoding", "keep-alive"):
            assert gone not in names, gone
