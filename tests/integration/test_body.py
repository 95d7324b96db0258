# SPDX-License-Identifier: BSD-2-Clause
"""Bodies: streamed both ways in bounded memory, at the pace of the slower side."""
import hashlib
import os
import random
import threading
import time
from pathlib import Path

import pytest

from harness.rows import head
from harness.script import Script, mark_log
from harness.upstream import server_context

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
  limited:
    address: "127.0.0.1:@limited@"
    transport: {respondingTimeouts: {readTimeout: 500ms}}
  writes:
    address: "127.0.0.1:@writes@"
    transport: {respondingTimeouts: {writeTimeout: 700ms}}
akkod: {workers: 1}
accessLog: {filePath: @dir@/access.log, format: json}
http:
  routers:
    app: {rule: "Host(`a.test`)", service: app,
          entryPoints: [web, limited, writes]}
    tls: {rule: "Host(`a.test`)", service: tls, entryPoints: [tls], tls: {}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    tls: {loadBalancer: {serversTransport: skip,
                         servers: [{url: "https://127.0.0.1:@secure@"}]}}
  serversTransports:
    skip: {insecureSkipVerify: true}
"""

MB = 1 << 20
LARGE = 100 * MB
PIECE = random.Random(1).randbytes(MB)
# What a worker may grow by while one body of any size passes (S-105), with
# room for what the allocator keeps.
BOUND = 2 * MB
# What sockets hold on their way: ours, the kernel's, the other side's. The
# kernel may let two of them grow to what this machine allows.
GROWN = int(Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2])
PIPE = max(24 * MB, 2 * GROWN + 12 * MB)


@pytest.fixture(scope="module")
def whole(module_akkod, module_upstream, authority):
    script = Script()
    u = module_upstream(script)
    s = module_upstream(script, tls=server_context(*authority.leaf("127.0.0.1")))
    # A sanitizer keeps what is freed for a while; here memory is measured.
    options = os.environ.get("ASAN_OPTIONS", "detect_leaks=0") + \
        ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
    a = module_akkod(CONFIG, values={"upstream": u.port, "secure": s.port},
                     env={"ASAN_OPTIONS": options})
    a.upstream, a.secure, a.on = u, s, script.on
    a.pid, a.marks = a.worker_pids()[0], 0
    for entry in ("web", "tls"):	# warm: buffers that stay are there
        with a.client(entry, tls=entry == "tls") as c:
            assert c.request("POST", "/", body=b"x" * MB).status == 200
    return a


@pytest.fixture
def site(whole):
    whole.upstream.serve.off()
    whole.marks += 1
    mark_log(whole, f"/mark-{whole.marks}")
    whole.upstream.requests.clear()
    whole.secure.requests.clear()
    return whole


def reason(site):
    return site.access(site.mark + 1)[site.mark].get("Reason")


class Memory:
    """The most that a process grew by while this was open."""

    def __init__(self, pid):
        self.path = f"/proc/{pid}/statm"

    def now(self):
        with open(self.path, encoding="ascii") as f:
            return int(f.read().split()[1]) * 4096

    def __enter__(self):
        self.start = self.most = self.now()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.005):
            self.most = max(self.most, self.now())

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.grown = self.most - self.start


def pour(send, total):
    """Sends total bytes of the pattern."""
    for _ in range(total // MB):
        send(PIECE)


def drain(c, total):
    """Reads total bytes of body and checks them against the pattern."""
    h = hashlib.sha256()
    got, data, c.buffer = 0, c.buffer, b""
    while got < total:
        data = data or c.sock.recv(min(262144, total - got))
        assert data, f"{got} of {total} bytes"
        h.update(data)
        got += len(data)
        data = b""
    return h.hexdigest()


def pattern(total):
    h = hashlib.sha256()
    for _ in range(total // MB):
        h.update(PIECE)
    return h.hexdigest()


# ---- Memory and back-pressure --------------------------------------------------------


@pytest.mark.parametrize("entry", ["web", "tls"])
def test_large_download(site, entry):
    """A reader that pauses stops the server; memory does not grow."""
    total = LARGE if entry == "web" else LARGE // 2
    sent = [0]

    def serve(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total // MB):
            c.send(PIECE)
            sent[0] += MB
    site.on("/down", serve)
    with site.client(entry, tls=entry == "tls") as c, Memory(site.pid) as m:
        c.send(head(b"GET /down HTTP/1.1"))
        assert c.final()["Content-Length"] == str(total)
        time.sleep(0.4)
        paused = sent[0]
        time.sleep(0.2)
        assert sent[0] == paused < PIPE
        assert drain(c, total) == pattern(total)
    assert m.grown < BOUND, m.grown


@pytest.mark.parametrize("entry", ["web", "tls"])
def test_large_upload(site, entry):
    """A server that pauses stops the client; memory does not grow."""
    total = LARGE if entry == "web" else LARGE // 2
    go, digest = threading.Event(), []

    def serve(c, r):
        go.wait(10)
        digest.append(drain(c, total))
        c.answer(200)
    site.on("/up", serve)
    sent = [0]
    with site.client(entry, tls=entry == "tls") as c, Memory(site.pid) as m:
        c.send(head(b"PUT /up HTTP/1.1", b"Content-Length: %d" % total))

        def client():
            for _ in range(total // MB):
                c.send(PIECE)
                sent[0] += MB
        t = threading.Thread(target=client)
        t.start()
        time.sleep(0.4)
        paused = sent[0]
        time.sleep(0.2)
        assert sent[0] == paused < PIPE
        go.set()
        t.join()
        assert c.response().status == 200
    assert digest == [pattern(total)]
    assert m.grown < BOUND, m.grown


def test_many_slow_readers(site):
    """Fifty of them cost a large buffer each, and little beside."""
    def serve(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (16 * MB))
        pour(c.send, 16 * MB)
    site.on("/down", serve)
    clients = [site.client() for _ in range(50)]
    with Memory(site.pid) as m:
        for c in clients:
            c.send(head(b"GET /down HTTP/1.1"))
        time.sleep(1)
    for c in clients:
        c.reset()
    site.access(site.mark + 50)
    assert m.grown < 50 * 384 * 1024, m.grown


# ---- Chunks and trailers -----------------------------------------------------------------


def chunks(data, seed, trailers=b""):
    """Data in chunks of random sizes, and the pieces to send them in."""
    rng = random.Random(seed)
    out, at = [], 0
    while at < len(data):
        n = rng.choice((1, 2, 15, 16, 17, 255, 4095, 4096, 16384, 70000))
        piece = data[at:at + n]
        size = b"%x" % len(piece)
        out.append(rng.choice((size, size.upper(), b"00" + size)) +
                   rng.choice((b"", b";a=b")) * (n > 4000) + b"\r\n" + piece +
                   b"\r\n")
        at += n
    whole = b"".join(out) + b"0\r\n" + trailers + b"\r\n"
    cut = sorted(rng.sample(range(1, len(whole)), 20))
    return [whole[a:b] for a, b in zip([0, *cut], [*cut, len(whole)])]


@pytest.mark.parametrize("seed", range(6))
def test_chunked_both_ways(site, seed):
    data = random.Random(seed).randbytes(300000 + seed)

    def serve(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
               b"Trailer: X-Sum\r\n\r\n")
        for piece in chunks(r.body, seed + 100, b"X-Sum: 1\r\n"):
            c.send(piece)
    site.on("/c", serve)
    with site.client() as c:
        c.send(head(b"POST /c HTTP/1.1", b"Transfer-Encoding: chunked"))
        for piece in chunks(data, seed, b"X-Req: evil\r\n"):
            c.send(piece)
        r = c.response()
        assert r.body == data and r.trailers == [("X-Sum", "1")]
        assert c.request("GET", "/next").status == 200
    assert site.upstream.requests[0].body == data
    assert b"evil" not in site.upstream.requests[0].connection.received


def test_length_in_small_pieces(site):
    data = random.Random(7).randbytes(50000)
    with site.client() as c:
        c.send(head(b"POST / HTTP/1.1", b"Content-Length: %d" % len(data)))
        for at in range(0, len(data), 499):
            c.send(data[at:at + 499])
        assert c.response().status == 200
    assert site.upstream.last.body == data


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 16383, 16384, 16385,
                                  65535, 65536, 65537, 131072, 1000000])
@pytest.mark.parametrize("entry", ["web", "tls"])
def test_sizes_around_buffers(site, entry, size):
    data = PIECE[:size]

    def serve(c, r):
        c.body(r)
        c.answer(200, body=r.body)
    site.on("/s", serve)
    with site.client(entry, tls=entry == "tls") as c:
        for _ in range(2):
            assert c.request("POST", "/s", body=data).body == data


@pytest.mark.parametrize("entry", ["web", "tls"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_pieces_pass_at_once(site, entry, framing):
    """Nothing is held back: an event is there before the next is made."""
    step = threading.Event()

    def serve(c, r):
        c.body(r)
        fields = {"length": b"Content-Length: 50\r\n", "close": b"",
                  "chunked": b"Transfer-Encoding: chunked\r\n"}[framing]
        c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
               fields + b"\r\n")
        for n in range(10):
            c.send(b"5\r\nev:%02d\r\n" % n if framing == "chunked"
                   else b"ev:%02d" % n)
            if not step.wait(2):
                return False
            step.clear()
        if framing == "chunked":
            c.send(b"0\r\n\r\n")
        return False
    site.on("/events", serve)
    with site.client(entry, tls=entry == "tls") as c:
        c.send(head(b"GET /events HTTP/1.1"))
        c.final()
        for n in range(10):
            while b"ev:%02d" % n not in c.buffer:
                assert c.more()
            step.set()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload_pieces_pass_at_once(site, framing):
    """The same upwards: the server sees each piece before the next is sent."""
    seen = threading.Semaphore(0)

    def serve(c, r):
        got = 0
        while got < 10:
            if b"ev" not in c.buffer and not c.more():
                return False
            n = c.buffer.count(b"ev")
            c.buffer = c.buffer.replace(b"ev", b"")
            got += n
            for _ in range(n):
                seen.release()
        while framing == "chunked" and b"0\r\n\r\n" not in c.buffer and c.more():
            pass
        c.answer(200)
        return False
    site.on("/up", serve)
    with site.client() as c:
        c.send(head(b"POST /up HTTP/1.1", b"Content-Length: 20"
                    if framing == "length" else b"Transfer-Encoding: chunked"))
        for _ in range(10):
            c.send(b"ev" if framing == "length" else b"2\r\nev\r\n")
            assert seen.acquire(timeout=2)
        if framing == "chunked":
            c.send(b"0\r\n\r\n")
        assert c.response().status == 200


# ---- Time ----------------------------------------------------------------------------------


def test_slow_upload_passes(site):
    """Unset, readTimeout cuts nobody who goes on sending."""
    with site.client() as c:
        c.send(head(b"POST / HTTP/1.1", b"Content-Length: 12"))
        for _ in range(12):
            time.sleep(0.1)
            c.send(b"x")
        assert c.response().status == 200
    assert site.upstream.last.body == b"x" * 12


@pytest.mark.parametrize("framing", [b"Content-Length: 1000",
                                     b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("trickle", [False, True])
def test_body_timeout(site, framing, trickle):
    """An explicit readTimeout is for the whole request: 408 and its reason."""
    with site.client("limited") as c:
        start = time.monotonic()
        c.send(head(b"POST / HTTP/1.1", framing) + b"1\r\nx\r\n")
        if trickle:
            threading.Thread(target=trickling, args=(c,), daemon=True).start()
        r = c.response()
        assert 0.4 < time.monotonic() - start < 1.5
        assert r.status == 408 and r["Connection"] == "close"
    assert reason(site) == "body-timeout"
    seen = site.upstream.requests[0]
    end = time.monotonic() + 2
    while seen.connection.sock.fileno() != -1 and time.monotonic() < end:
        time.sleep(0.01)
    assert not seen.complete and seen.connection.sock.fileno() == -1
    assert not seen.connection.received.endswith(b"0\r\n\r\n")


def trickling(c):
    try:
        for _ in range(30):
            c.send(b"1\r\nx\r\n")
            time.sleep(0.05)
    except OSError:
        pass


def test_body_timeout_waits_for_nobody_else(site):
    """A request that is complete in time may be answered later."""
    def serve(c, r):
        c.body(r)
        time.sleep(0.7)
        c.answer(200, body=b"late")
    site.on("/late", serve)
    with site.client("limited") as c:
        assert c.request("POST", "/late", body=b"abc").body == b"late"


def test_write_timeout(site):
    """S-102: a client that does not read is cut, its server let go."""
    left = threading.Event()

    def serve(c, r):
        c.body(r)
        try:
            c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            pour(c.send, LARGE)
        except OSError:
            left.set()
        return False
    site.on("/down", serve)
    with site.client("writes") as c:
        start = time.monotonic()
        c.send(head(b"GET /down HTTP/1.1"))
        assert left.wait(5) and 0.5 < time.monotonic() - start < 3
    assert reason(site) == "client-stalled"


def test_bad_chunk_is_told(site):
    """The reason of a body that turns out malformed."""
    with site.client() as c:
        c.send(head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") +
               b"3\r\nabc\r\nxyz\r\n")
        assert c.response().status == 400
    assert reason(site) == "bad-chunk"


def test_sizes_are_logged(site):
    """Bytes of both bodies, as they were in clear."""
    site.on("/l", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"5\r\nhello\r\n0\r\n\r\n")
    with site.client() as c:
        assert c.request("POST", "/l", body=b"abc").body == b"hello"
    line = site.access(site.mark + 1)[site.mark]
    assert line["RequestContentSize"] == 3
    assert line["DownstreamContentSize"] == line["OriginContentSize"] == 5


# ---- Times that akkod.limits sets ------------------------------------------------------------

LIMITS = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
accessLog: {filePath: @dir@/access.log, format: json}
akkod:
  workers: 1
  limits: {handshakeTime: 300ms, firstByteTime: 400ms, headTime: 300ms,
           bodyGap: 500ms, writeGap: 600ms}
http:
  routers:
    app: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


@pytest.fixture(scope="module")
def limited(module_akkod, module_upstream):
    script = Script()
    u = module_upstream(script)
    a = module_akkod(LIMITS, values={"upstream": u.port})
    a.upstream, a.on = u, script.on
    return a


@pytest.mark.parametrize("entry, data, least, most", [
    ("web", b"", 0.35, 1.2), ("tls", b"", 0.35, 1.2),
    ("tls", b"\x16\x03\x01\x02\x00", 0.25, 1), ("web", b"GET / HT", 0.25, 1)])
def test_silence(limited, entry, data, least, most):
    """First byte, handshake and head each have their time."""
    with limited.client(entry) as c:
        start = time.monotonic()
        c.send(data)
        try:
            while c.more():
                pass
        except ConnectionResetError:
            pass
        assert least < time.monotonic() - start < most
        assert (b"408" in c.buffer) == data.startswith(b"GET")


@pytest.mark.parametrize("piece, pause", [(0, 1), (1, 0.1), (20, 0.15)])
def test_stalled_upload(limited, piece, pause):
    """No byte for bodyGap, or too few of them over it: 408."""
    mark_log(limited, f"/mark-{piece}")
    with limited.client() as c:
        start = time.monotonic()
        c.send(head(b"POST / HTTP/1.1", b"Content-Length: 100000"))
        c.sock.settimeout(pause)
        while True:
            try:
                c.send(b"x" * piece)
                assert c.more()
                break
            except TimeoutError:
                assert time.monotonic() - start < 3
        c.sock.settimeout(2)
        assert c.response().status == 408
        assert 0.45 < time.monotonic() - start < 1.5
    assert limited.access(limited.mark + 1)[limited.mark]["Reason"] == "body-timeout"


def test_upload_at_the_least_rate(limited):
    """Slow, but not too slow; a slow server is not the client's fault."""
    def serve(c, r):
        time.sleep(0.8)
        c.body(r)
        c.answer(200, body=r.body)
    limited.on("/slow", serve)
    with limited.client() as c:
        c.send(head(b"POST /slow HTTP/1.1", b"Content-Length: 1000"))
        for _ in range(20):
            c.send(b"x" * 50)
            time.sleep(0.07)
        assert c.response().body == b"x" * 1000


def test_stalled_reader(limited):
    left = threading.Event()

    def serve(c, r):
        c.body(r)
        try:
            c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            pour(c.send, LARGE)
        except OSError:
            left.set()
        return False
    limited.on("/down", serve)
    mark_log(limited, "/mark-reader")
    with limited.client() as c:
        start = time.monotonic()
        c.send(head(b"GET /down HTTP/1.1"))
        assert left.wait(5) and 0.5 < time.monotonic() - start < 3
    assert limited.access(limited.mark + 1)[limited.mark]["Reason"] == "client-stalled"


@pytest.mark.parametrize("entry", ["web", "tls"])
@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n", b"",
                                     b"Transfer-Encoding: chunked\r\n"])
def test_head_does_not_wait_for_the_body(site, entry, framing):
    """A head is there although the first byte of its body takes its time."""
    go = threading.Event()

    def serve(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
               framing + b"\r\n")
        assert go.wait(5)
        c.send(b"5\r\nhello\r\n0\r\n\r\n" if b"chunked" in framing else b"hello")
        return framing != b""
    site.on("/late", serve)
    with site.client(entry, tls=entry == "tls", timeout=2) as c:
        c.send(head(b"GET /late HTTP/1.1"))
        assert c.final().status == 200
        go.set()
        while b"hello" not in c.buffer:
            assert c.more()
