# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/2 towards servers: h2c and ALPN, pooling, validation, flow, the end."""
import json
import socket
import ssl
import threading
import time

import hyperframe.frame as frames
import pytest

from harness.h2 import H2
from harness.h2_upstream import H2Upstream, echo, server_context
from harness.upstream import Upstream
from harness.upstream import server_context as http1_context

CANCEL, REFUSED_STREAM, HTTP_1_1_REQUIRED = 8, 7, 13

CONFIG = """
akkod: {workers: 1}
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app:
      loadBalancer:
        servers: [{url: "@scheme@://@host@:@upstream@"}]
        serversTransport: t
  serversTransports:
    t:
      insecureSkipVerify: true
      disableHTTP2: @disable@
      forwardingTimeouts: {idleConnTimeout: @idle@, readIdleTimeout: @read@, pingTimeout: 1s}
"""


def trailers(call):
    call.head(200, [("trailer", "x-sum")])
    call.data(b"abc")
    call.trailers([("x-sum", "6"), ("x-more", "7"),
                   ("content-length", "3")])


def trailers_with_length(call):
    call.head(200, [("content-length", "3")])
    call.data(b"abc")
    call.trailers([("x-sum", "6")])


def hints(call):
    call.head(103, [("link", "</a.css>")])
    call.head(100)
    call.answer(200, body=b"hinted")


def early(call):
    call.answer(413, body=b"too much")


def cut_by_reset(call):
    call.head(200)
    call.data(b"part")
    time.sleep(0.1)
    call.rst(2)


def cut_by_end(call):
    call.head(200)
    call.data(b"part")
    time.sleep(0.1)
    call.connection.sock.shutdown(socket.SHUT_RDWR)


def too_short(call):
    call.head(200, [("content-length", "10")])
    call.data(b"short", end=True)


def too_long(call):
    call.head(200, [("content-length", "3")])
    call.data(b"longer", end=True)


def drip(call):
    call.head(200, [("content-type", "text/event-stream")])
    call.data(b"data:1\n\n")
    time.sleep(0.5)
    call.data(b"data:2\n\n", end=True)


def wait(call):
    """Holds the answer until released; notes when akkod gave it up."""
    released = call.connection.server.release.is_set
    call.wait(lambda c: c.reset is not None or released(), 20)
    if call.reset is None:
        call.answer(200, body=b"waited")


def stream_without_end(call):
    call.head(200)
    while call.reset is None:
        call.data(b"x" * 1000)
        time.sleep(0.01)


BEHAVIOURS = {
    "/trailers": trailers, "/trailers-length": trailers_with_length,
    "/hints": hints, "/early": early, "/cut-reset": cut_by_reset,
    "/cut-end": cut_by_end, "/short": too_short, "/long": too_long,
    "/drip": drip, "/endless": stream_without_end,
}

# Answers that are none: fields of a head, or a function of the call.
MALFORMED = {
    "/m-upper": [(":status", "200"), ("X-Upper", "1")],
    "/m-connection": [(":status", "200"), ("connection", "close")],
    "/m-te": [(":status", "200"), ("transfer-encoding", "chunked")],
    "/m-keep": [(":status", "200"), ("keep-alive", "timeout=1")],
    "/m-upgrade": [(":status", "200"), ("upgrade", "websocket")],
    "/m-none": [("x-a", "b")],
    "/m-two": [(":status", "200"), (":status", "200")],
    "/m-late": [("x-a", "b"), (":status", "200")],
    "/m-pseudo": [(":status", "200"), (":path", "/")],
    "/m-short": [(":status", "20")],
    "/m-big": [(":status", "600")],
    "/m-word": [(":status", "abc")],
    "/m-101": [(":status", "101")],
    "/m-value": [(":status", "200"), ("x-a", "b\nc")],
    "/m-nul": [(":status", "200"), ("x-a", "b\0c")],
    "/m-blank": [(":status", "200"), ("x-a", " b")],
    "/m-name": [(":status", "200"), ("x a", "b")],
    "/m-lengths": [(":status", "200"), ("content-length", "1"),
                   ("content-length", "2")],
    "/m-sign": [(":status", "200"), ("content-length", "+1")],
    "/m-promise": [(":status", "200"), ("content-length", "5")],
}


def raw_head(call, fields, end=True):
    f = frames.HeadersFrame(call.stream)
    c = call.connection
    f.flags.add("END_HEADERS")
    if end:
        f.flags.add("END_STREAM")
    with c.lock:
        f.data = c.h2.encoder.encode(fields)
        c.raw(f)


def serve(call):
    path = call.target.split("?")[0]
    if path in BEHAVIOURS:
        BEHAVIOURS[path](call)
    elif path in MALFORMED:
        raw_head(call, MALFORMED[path])
    elif path.startswith("/big"):
        call.whole()
        call.answer(200, body=b"x" * int(path[4:]))
    elif path.startswith("/status"):
        call.head(int(path[7:]), end=True)
    elif path == "/huge-head":
        call.head(200, [(f"x-{n}", "v" * 1000) for n in range(80)], end=True)
    elif path == "/many-fields":
        call.head(200, [(f"x-{n}", "v") for n in range(140)], end=True)
    elif path == "/wait":
        wait(call)
    elif path == "/head-length":
        call.head(200, [("content-length", "1234")], end=True)
    else:
        echo(call)


class Site:
    """akkod in front of one HTTP/2 server."""

    def __init__(self, akkod, tls=None, u=None, idle="90s", read="0s",
                 disable="false", behaviour=serve, secure=None, **options):
        self.u = u or H2Upstream(behaviour, tls=tls, **options)
        if not hasattr(self.u, "release"):
            self.u.release = threading.Event()
        secure = secure or self.u.tls is not None
        self.a = akkod(CONFIG, values={
            "upstream": self.u.port, "scheme": "https" if secure else "h2c",
            "host": "127.0.0.1", "idle": idle, "read": read,
            "disable": disable})

    def get(self, path, **kw):
        return self.a.get(path, **kw)

    def h2(self, **kw):
        return H2(("127.0.0.1", self.a.ports["websecure"]), **kw)

    def release(self):
        """Lets /wait answer."""
        self.u.release.set()
        for c in self.u.connections:
            with c.changed:
                c.changed.notify_all()

    def close(self):
        self.u.close()


@pytest.fixture(scope="module")
def site(module_akkod):
    s = Site(module_akkod)
    yield s
    s.close()


@pytest.fixture
def new_site(akkod):
    made = []

    def start(**kw):
        made.append(Site(akkod, **kw))
        return made[-1]

    yield start
    for s in made:
        s.close()


# -- requests and answers ------------------------------------------------------

def test_request(site):
    r = site.get("/a%20b?c=d;e", headers=[("X-Own", "1"), ("Te", "trailers"),
                                          ("Cookie", "a=b; c=d")])
    seen = json.loads(r.body)
    assert r.status == 200
    assert seen["pseudo"] == {":method": "GET", ":scheme": "http",
                              ":authority": "a.test", ":path": "/a%20b?c=d&e"}
    fields = dict(seen["fields"])
    assert fields["x-own"] == "1" and fields["cookie"] == "a=b; c=d"
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert "content-length" not in fields
    assert r["Content-Type"] == "application/json"


@pytest.mark.parametrize("size", [0, 1, 16384, 65536, 1 << 20])
def test_upload_with_length(site, size):
    with site.a.client() as c:
        r = c.request("POST", "/p", host="a.test", body=b"u" * size)
    assert r.status == 200
    call = site.u.last
    assert len(call.body) == size and call["content-length"] == str(size)


def test_upload_chunked(site):
    with site.a.client() as c:
        c.send(b"POST /p HTTP/1.1\r\nHost: a.test\r\n"
               b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
               b"3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: secret\r\n\r\n")
        r = c.response()
    seen = json.loads(r.body)
    assert seen["body"] == "abcdef"
    assert not {"x-t", "content-length", "trailer"} & set(dict(seen["fields"]))


@pytest.mark.parametrize("size", [0, 1, 16384, 262144, 262145, 5 << 20])
def test_sizes(site, size):
    r = site.get(f"/big{size}")
    assert len(r.body) == size
    with site.h2() as h:
        r = h.get("GET", f"/big{size}")
        assert len(r.body) == size and r.ended


@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
def test_answers_without_a_body(site, status):
    r = site.get(f"/status{status}")
    assert r.status == status and r.body == b""
    with site.h2() as h:
        r = h.get("GET", f"/status{status}")
        assert r.status == status and r.ended


def test_head(site):
    with site.a.client() as c:
        r = c.request("HEAD", "/head-length", host="a.test")
        assert r["Content-Length"] == "1234"
        assert c.request("GET", "/x", host="a.test").status == 200


def test_trailers(site):
    with site.a.client() as c:
        r = c.request("GET", "/trailers", host="a.test")
        assert r.body == b"abc" and r["Trailer"] == "x-sum"
        assert ("X-Sum", "6") in r.trailers and ("X-More", "7") in r.trailers
        assert not [k for k, _ in r.trailers if k.lower() == "content-length"]
    with site.h2() as h:
        r = h.get("GET", "/trailers")
        assert r.body == b"abc"
        assert r.trailers == [("x-sum", "6"), ("x-more", "7")]
        r = h.get("GET", "/trailers-length")
        assert r.body == b"abc" and r.trailers == [("x-sum", "6")]
        assert r["content-length"] == "3"
    r = site.get("/trailers-length")	# no room for trailers there
    assert r.body == b"abc" and r["Content-Length"] == "3"


def test_interim(site):
    with site.h2() as h:
        r = h.get("GET", "/hints")
        assert [s for s, _ in r.interim] == [103] and r.body == b"hinted"
        assert ("link", "</a.css>") in r.interim[0][1]
    with site.a.client() as c:
        c.send(b"GET /hints HTTP/1.1\r\nHost: a.test\r\n\r\n")
        r = c.response()
        assert r.body == b"hinted"
        assert [i.status for i in r.interim] == [103]


def test_streamed_at_once(site):
    with site.a.client() as c:
        c.send(b"GET /drip HTTP/1.1\r\nHost: a.test\r\n\r\n")
        start = time.monotonic()
        got = b""
        while b"data:1" not in got:
            got += c.sock.recv(65536)
        assert time.monotonic() - start < 0.4
        while b"0\r\n\r\n" not in got:
            got += c.sock.recv(65536)
        assert b"data:2" in got


# -- what is not an answer -------------------------------------------------------

@pytest.mark.parametrize("path", MALFORMED)
def test_malformed(site, path):
    r = site.get(path)
    assert r.status == 502 and r.body == b"Bad Gateway"
    assert site.a.logged(RequestPath=path)["Reason"] == "upstream-malformed"
    assert site.get("/after").status == 200


@pytest.mark.parametrize("path", ["/huge-head", "/many-fields"])
def test_head_too_large(site, path):
    assert site.get(path).status == 502
    assert site.a.logged(RequestPath=path)["Reason"] == \
        "upstream-head-too-large"
    assert site.get("/after").status == 200


@pytest.mark.parametrize("path", ["/cut-reset", "/cut-end", "/short", "/long"])
def test_cut_never_looks_complete(site, path):
    with site.a.client() as c:
        c.send(f"GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
        got = b""
        try:
            while data := c.sock.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        head, _, body = got.partition(b"\r\n\r\n")
        if b"502" not in head.split(b"\r\n")[0]:
            if b"chunked" in head:
                assert not body.endswith(b"0\r\n\r\n")
            else:
                want = 10 if path == "/short" else 3
                assert len(body) < want or path == "/long"
    with site.h2() as h:
        r = h.get("GET", path)
        assert r.reset is not None or r.status == 502
    assert site.get("/after").status == 200


def test_early_answer(site):
    with site.a.client() as c:
        c.send(b"POST /early HTTP/1.1\r\nHost: a.test\r\n"
               b"Content-Length: 10000000\r\n\r\nbegin")
        r = c.response()
        assert r.status == 413 and r.body == b"too much"
        assert r["Connection"] == "close"
    call = site.u.last
    call.wait(lambda c: c.reset is not None)
    assert call.reset == CANCEL


# -- one connection, many calls -----------------------------------------------------

def test_calls_share_a_connection(new_site):
    s = new_site()
    clients = [s.a.client() for _ in range(30)]
    for c in clients:
        c.send(b"GET /wait HTTP/1.1\r\nHost: a.test\r\n\r\n")
    s.u.wait(30)
    assert len(s.u.connections) == 1 and s.u.connections[0].most == 30
    s.release()
    for c in clients:
        assert c.response().body == b"waited"
        c.close()
    assert s.get("/").status == 200
    assert len(s.u.connections) == 1


def test_limit_of_the_server(new_site):
    """Beyond its MAX_CONCURRENT_STREAMS other connections carry calls."""
    s = new_site(settings={3: 4})
    assert s.get("/").status == 200		# the limit is known then
    clients = [s.a.client() for _ in range(10)]
    for c in clients:
        c.send(b"GET /wait HTTP/1.1\r\nHost: a.test\r\n\r\n")
    s.u.wait(11)
    assert all(c.most <= 4 for c in s.u.connections)
    assert len(s.u.connections) == 3
    s.release()
    for c in clients:
        assert c.response().body == b"waited"
        c.close()


def test_slow_client_holds_up_nobody(new_site):
    """What one client does not read is bounded, and costs others nothing."""
    s = new_site()
    slow = [s.h2() for _ in range(8)]
    for h in slow:
        h.credit = False
        h.start("GET", "/big4000000")
    s.u.wait(8)
    time.sleep(0.3)
    start = time.monotonic()
    assert len(s.get("/big1000000").body) == 1000000
    assert time.monotonic() - start < 2
    assert len(s.u.connections) == 1
    sent = [c.h2.local_flow_control_window(i)
            for c in s.u.connections for i in list(c.calls)[:8]]
    assert all(w == 0 for w in sent)		# they wait for credit
    for h in slow:
        h.sock.close()


def test_credit_only_as_the_client_reads(new_site):
    s = new_site()
    with s.h2() as h:
        h.credit = False
        stream = h.start("GET", "/big10000000")
        h.until(lambda: len(h.answer(stream).body) >= 65535)
        time.sleep(0.3)
        assert s.u.last.connection.h2.local_flow_control_window(
            s.u.last.stream) == 0
        h.credit = True
        h.send(frames.WindowUpdateFrame(0, window_increment=1 << 20),
               frames.WindowUpdateFrame(stream, window_increment=1 << 20))
        assert len(h.response(stream).body) == 10000000


def test_upload_waits_for_the_servers_credit(new_site):
    def behaviour(call):
        time.sleep(0.5)
        held = len(call.body)
        call.connection.credit = True
        call.connection.do(lambda c: (
            c.increment_flow_control_window(1 << 20),
            c.increment_flow_control_window(1 << 20, call.stream)))
        call.whole()
        call.answer(200, body=f"{held} {len(call.body)}")

    s = new_site(behaviour=behaviour, credit=False)
    done = []

    def upload():
        with s.a.client() as c:
            done.append(c.request("POST", "/", host="a.test",
                                  body=b"y" * 1000000).body)

    t = threading.Thread(target=upload)
    t.start()
    t.join(20)
    held, total = map(int, done[0].split())
    assert held <= 65535 and total == 1000000


# -- the client leaves ------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/wait", "/endless"])
@pytest.mark.parametrize("client", ["http1", "http2"])
def test_client_leaves(site, path, client):
    n = len(site.u.requests)
    if client == "http1":
        c = site.a.client()
        c.send(f"GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
    else:
        c = site.h2()
        c.start("GET", path)
    site.u.wait(n + 1)
    time.sleep(0.2)
    left = time.monotonic()
    c.sock.close()
    call = site.u.last
    call.wait(lambda x: x.reset is not None, 3)
    assert call.reset == CANCEL and call.ended_at - left < 1.3
    assert site.get("/after").status == 200


# -- the server leaves ---------------------------------------------------------------------

def test_goaway_of_an_idle_server(new_site):
    s = new_site()
    assert s.get("/1").status == 200
    first = s.u.connections[0]
    first.raw(frames.GoAwayFrame(0, last_stream_id=1))
    time.sleep(0.2)
    assert s.get("/2").status == 200
    assert len(s.u.connections) == 2
    with first.changed:		# akkod closes what is of no more use
        assert first.changed.wait_for(lambda: first.over, 3)


def test_goaway_lets_calls_finish(new_site):
    s = new_site()
    with s.a.client() as c:
        c.send(b"GET /wait HTTP/1.1\r\nHost: a.test\r\n\r\n")
        s.u.wait(1)
        first = s.u.connections[0]
        f = frames.GoAwayFrame(0, last_stream_id=s.u.last.stream)
        first.raw(f)
        time.sleep(0.1)
        assert s.get("/other").status == 200
        assert len(s.u.connections) == 2
        s.release()
        assert c.response().body == b"waited"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["refused", "goaway"])
def test_unprocessed_is_retried_once(new_site, method, how):
    """Whatever the method: the server says that it did nothing (RFC 9113 8.7)."""
    def behaviour(call):
        if len(s.u.requests) > 1:
            echo(call)
        elif how == "refused":
            call.rst(REFUSED_STREAM)
        else:
            call.connection.raw(frames.GoAwayFrame(0, last_stream_id=0))

    s = new_site(behaviour=behaviour)
    with s.a.client() as c:
        r = c.request(method, "/", host="a.test",
                      body=b"once" if method == "POST" else b"")
    assert r.status == 200 and len(s.u.requests) == 2
    if method == "POST":
        assert json.loads(r.body)["body"] == "once"


def test_refused_twice(new_site):
    s = new_site(behaviour=lambda call: call.rst(REFUSED_STREAM))
    assert s.get("/").status == 502
    assert len(s.u.requests) == 2


def test_other_resets_are_not_retried(new_site):
    s = new_site(behaviour=lambda call: call.rst(2))
    assert s.get("/").status == 502
    assert len(s.u.requests) == 1


def test_end_of_the_connection_is_not_retried(new_site):
    def behaviour(call):
        call.connection.sock.shutdown(socket.SHUT_RDWR)

    s = new_site(behaviour=behaviour)
    assert s.get("/").status == 502
    assert s.a.logged(RequestPath="/")["Reason"] == "upstream-closed"
    assert len(s.u.requests) == 1


def test_idle_connection_is_closed(new_site):
    s = new_site(idle="1s")
    assert s.get("/").status == 200
    time.sleep(0.4)
    assert s.u.open() == 1
    assert s.a.status()["workers"][0]["fibers"] == 0
    end = time.monotonic() + 3
    while s.u.open() and time.monotonic() < end:
        time.sleep(0.05)
    assert s.u.open() == 0
    assert s.get("/").status == 200


def test_ping_of_a_quiet_server(new_site):
    s = new_site(read="1s")
    with s.a.client() as c:
        c.send(b"GET /wait HTTP/1.1\r\nHost: a.test\r\n\r\n")
        s.u.wait(1)
        time.sleep(2.5)
        assert s.u.connections[0].pings >= 1
        s.release()
        assert c.response().body == b"waited"


def test_dead_server_is_noticed(new_site):
    """No answer to a ping: its calls fail, the next go elsewhere."""
    def behaviour(call):
        if call.target == "/dead":
            with call.connection.lock:		# reads nothing any more
                time.sleep(4)
        else:
            echo(call)

    s = new_site(read="1s", behaviour=behaviour)
    start = time.monotonic()
    assert s.get("/dead").status == 502
    assert 1.5 < time.monotonic() - start < 4


# -- TLS -----------------------------------------------------------------------------------

def test_alpn(new_site, authority):
    s = new_site(tls=server_context(*authority.leaf("127.0.0.1")))
    for n in range(3):
        r = s.get(f"/{n}")
        assert json.loads(r.body)["pseudo"][":scheme"] == "https"
    assert len(s.u.connections) == 1


@pytest.mark.parametrize("disable", ["false", "true"])
def test_server_that_speaks_http1(new_site, authority, disable):
    """Nothing is offered with disableHTTP2; without, it takes http/1.1."""
    context = http1_context(*authority.leaf("127.0.0.1"))
    if disable == "false":
        context.set_alpn_protocols(["http/1.1"])
    else:
        context = server_context(*authority.leaf("127.0.0.1"))
    u = Upstream(tls=context)
    s = new_site(u=u, disable=disable)
    for _ in range(3):
        assert s.get("/").status == 200
    with s.h2() as h:
        streams = [h.start("GET", f"/{n}") for n in range(20)]
        assert all(h.response(n).status == 200 for n in streams)


def test_server_that_wants_a_certificate(new_site, authority):
    """TLS 1.3 tells only once the answer is due."""
    context = server_context(*authority.leaf("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    s = new_site(tls=context)
    assert s.get("/").status == 502
    # The server closes with our request unread, and the reset that this makes
    # may overtake its alert.
    assert s.a.logged(RequestPath="/")["Reason"] in ("upstream-tls-alert",
                                                     "upstream-closed")


def test_many_first_requests_share_a_handshake(new_site, authority):
    """One connects, the others wait for what it finds."""
    s = new_site(tls=server_context(*authority.leaf("127.0.0.1")))
    with s.h2() as h:
        streams = [h.start("GET", f"/{n}") for n in range(40)]
        assert all(h.response(n).status == 200 for n in streams)
    assert len(s.u.connections) == 1


def test_refused_connection_fails_all_who_wait(akkod):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    a = akkod(CONFIG, values={
        "upstream": port, "scheme": "h2c", "idle": "90s", "host": "127.0.0.1",
        "read": "0s", "disable": "false"})
    with H2(("127.0.0.1", a.ports["websecure"])) as h:
        streams = [h.start("GET", f"/{n}") for n in range(40)]
        assert all(h.response(n).status == 502 for n in streams)
    assert a.logged(RequestPath="/7")["Reason"] == "upstream-refused"


def test_http11_required(new_site, authority):
    """HTTP_1_1_REQUIRED: asked once more, over HTTP/1.1."""
    u = H2Upstream(lambda call: call.rst(HTTP_1_1_REQUIRED))
    u.http1 = 0
    tls = server_context(*authority.leaf("127.0.0.1"))

    def run(sock):
        sock = tls.wrap_socket(sock, server_side=True)
        if sock.selected_alpn_protocol() == "h2":
            H2Upstream.run(u, sock)
            return
        sock.recv(65536)
        u.http1 += 1
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        sock.close()

    u.run = run
    s = new_site(u=u, secure=True)
    assert s.get("/").body == b"ok" and u.http1 == 1


def test_websocket_goes_over_http1(akkod, upstream):
    """Also to a server of scheme h2c, which then is asked as an http one."""
    seen = []

    def behaviour(c, r):
        seen.append(r.version)
        c.answer(400, body=b"no")

    u = upstream(behaviour)
    s = Site(akkod, u=u)
    with s.a.client() as c:
        c.send(b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n"
               b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert c.response().status == 400
    assert seen == ["HTTP/1.1"]


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_server_that_speaks_no_http2(akkod, says):
    """h2c to a server of HTTP/1: an end, no hang."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        sock, _ = listener.accept()
        sock.recv(65536)
        sock.sendall(says)
        sock.close()

    threading.Thread(target=run, daemon=True).start()
    a = akkod(CONFIG, values={
        "upstream": listener.getsockname()[1], "scheme": "h2c", "idle": "90s",
        "host": "127.0.0.1", "read": "0s", "disable": "false"})
    assert a.get("/").status == 502
    listener.close()


# -- abuse --------------------------------------------------------------------------------------

@pytest.mark.parametrize("flood", ["ping", "settings", "empty"])
def test_floods_end_the_connection(new_site, flood):
    def behaviour(call):
        if call.target != "/flood":
            echo(call)
            return
        f = {"ping": frames.PingFrame(0, opaque_data=b"x" * 8),
             "settings": frames.SettingsFrame(0, settings={3: 100}),
             "empty": frames.DataFrame(call.stream, b"")}[flood]
        call.head(200)
        call.connection.raw(*[f] * 2000)

    s = new_site(behaviour=behaviour)
    with s.a.client() as c:
        c.send(b"GET /flood HTTP/1.1\r\nHost: a.test\r\n\r\n")
        try:
            while c.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert s.get("/after").status == 200


def test_push_is_refused(new_site):
    def behaviour(call):
        if call.target != "/push":
            echo(call)
            return
        f = frames.PushPromiseFrame(call.stream)
        f.promised_stream_id = 2
        f.flags.add("END_HEADERS")
        with call.connection.lock:
            f.data = call.connection.h2.encoder.encode([
                (":method", "GET"), (":scheme", "http"),
                (":authority", "a.test"), (":path", "/pushed")])
            call.connection.raw(f)

    s = new_site(behaviour=behaviour)
    assert s.get("/push").status == 502
    assert s.get("/after").status == 200


# -- both sides at once ---------------------------------------------------------------------------

def test_bidirectional(new_site):
    """The answer streams while the request does, on HTTP/2 both ways."""
    def behaviour(call):
        call.head(200)
        for n in range(5):
            call.wait(lambda c, n=n: len(c.body) >= 4 * (n + 1))
            call.data(b"pong")
        call.whole()
        call.data(b"", end=True)

    s = new_site(behaviour=behaviour)
    with s.h2() as h:
        stream = h.start("POST", "/", end=False)
        h.until(lambda: h.answer(stream).status == 200)
        for n in range(5):
            h.data(stream, b"ping")
            h.until(lambda n=n: len(h.answer(stream).body) == 4 * (n + 1))
        h.data(stream, b"", end=True)
        assert h.response(stream).ended
    assert s.u.last.body == b"ping" * 5


def test_many_at_once(site):
    with site.h2() as h:
        streams = [h.start("GET", f"/{n}") for n in range(200)]
        for n, stream in enumerate(streams):
            assert json.loads(h.response(stream).body)["target"] == f"/{n}"


def test_bidirectional_client_leaves(new_site):
    """Both directions end, the one that has a fiber of its own too."""
    def behaviour(call):
        call.head(200)
        call.wait(lambda c: c.reset is not None)

    s = new_site(behaviour=behaviour)
    with s.h2() as h:
        stream = h.start("POST", "/", end=False)
        h.until(lambda: h.answer(stream).status == 200)
        h.data(stream, b"x" * 1000)
        left = time.monotonic()
        h.send(frames.RstStreamFrame(stream, error_code=8))
        call = s.u.last
        call.wait(lambda c: c.reset is not None, 3)
        assert call.reset == CANCEL and call.ended_at - left < 1
    end = time.monotonic() + 3
    while s.a.status()["workers"][0]["fibers"] > 0:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_server_ends_before_the_upload(new_site):
    """A whole answer is one; the rest of the request is not wanted."""
    def behaviour(call):
        call.head(200)
        call.data(b"enough", end=True)
        call.rst(0)

    s = new_site(behaviour=behaviour)
    with s.h2() as h:
        stream = h.start("POST", "/", end=False)
        h.data(stream, b"x" * 1000)
        r = h.response(stream)
        assert r.status == 200 and r.body == b"enough" and r.ended
        h.until(lambda: h.answer(stream).reset is not None)
        assert h.answer(stream).reset == 0
        assert h.get("GET", "/").body == b"enough"


def test_stalled_upload_beside_an_answer(new_site):
    """A server that takes no more of the request may go on answering."""
    def behaviour(call):
        call.head(200)
        for _ in range(20):
            call.data(b"y" * 10000)
            time.sleep(0.02)
        call.data(b"", end=True)
        call.rst(0)

    s = new_site(behaviour=behaviour, credit=False)
    with s.h2() as h:
        stream = h.start("POST", "/", end=False)
        for _ in range(4):
            h.data(stream, b"x" * 16000)
        r = h.response(stream)
        assert len(r.body) == 200000 and r.ended
