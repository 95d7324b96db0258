# SPDX-License-Identifier: BSD-2-Clause
"""Connections that outlive the worker they came to: idle ones and quiet tunnels
move to a worker of the program that takes over, or to one that stays."""
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import PROGRAM
from harness.client import Client
from harness.h2 import H2
from harness.upstream import echo, server_context
from test_life_orphans import kill, service  # noqa: F401
from test_life_upgrade import (Upgradable, old_ones,  # noqa: F401
                               upgradable, with_workers)
from test_websocket import agree, echo_bytes, open_tunnel

MANY = 40		# of each kind, where many are tried
FRAME = b"\x81\x85abcd12345"
SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
          "TLS_CHACHA20_POLY1305_SHA256"]


def serve(c, r):
    if r.target.startswith("/ws"):
        return echo_bytes(c, r)
    if r.target.startswith("/close"):
        agree(c, r)
        c.exactly(4)
        c.send(b"\x88\x02\x03\xe8")
        return False
    echo(c, r)
    return True


def moved(a):
    """How many came to the workers of now, and how many they could not give."""
    ws = [w["moved"] for w in a.status()["workers"]]
    return sum(w["in"] for w in ws), sum(w["kept"] for w in ws)


def upgrade(a, seconds=5):
    """Upgrades; the workers of before end although their clients stay."""
    workers = a.worker_pids()
    a.upgrade()
    proc.until(lambda: old_ones(a) is None and
               not any(map(proc.alive, workers)), seconds, "the old ones end")


def ask(c, target="/", host="a.test", headers=()):
    r = c.request("GET", target, host=host, headers=headers)
    assert r.status == 200 and r["Connection"] is None, r
    return json.loads(r.body)


def say(c, data=FRAME):
    c.send(data)
    assert c.exactly(len(data)) == data


def asked(a, clients, tls=False, **kw):
    """A client that has asked once and is idle."""
    c = clients.enter_context(a.client("websecure" if tls else "web",
                                       tls=bool(tls), **kw))
    ask(c)
    return c


def tunnelled(a, clients, tls=False):
    """A client with a tunnel that is quiet."""
    c = clients.enter_context(a.client("websecure" if tls else "web",
                                       tls=bool(tls)))
    assert open_tunnel(c).status == 101
    say(c)
    return c


def modern(version=ssl.TLSVersion.TLSv1_3, **kw):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.minimum_version = ctx.maximum_version = version
    return ctx


@pytest.fixture
def clients():
    with contextlib.ExitStack() as stack:
        yield stack


class Talkers:
    """Clients that never stop: every byte comes once and in order."""

    def __init__(self, a):
        self.a, self.lost, self.stop = a, [], threading.Event()
        self.rounds = [0] * 8
        self.threads = [threading.Thread(target=self.talk, args=(i,))
                        for i in range(8)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        self.wait(3)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(10)

    def wait(self, more):
        want = [n + more for n in self.rounds]
        proc.until(lambda: self.lost or
                   all(n >= w for n, w in zip(self.rounds, want)), 10)
        assert not self.lost, self.lost

    def talk(self, i):
        try:
            with self.a.client("websecure" if i % 2 else "web",
                               tls=bool(i % 2)) as c:
                if i < 4:
                    assert open_tunnel(c).status == 101
                while not self.stop.is_set():
                    n = self.rounds[i]
                    if i < 4:	# several frames in one go, then their echo
                        say(c, b"".join(
                            b"\x82\x88\0\0\0\0%08d" % (n * 9 + k)
                            for k in range(n % 9 + 1)))
                    else:
                        assert ask(c, f"/{i}/{n}")["target"] == f"/{i}/{n}"
                    self.rounds[i] += 1
                    time.sleep(0.001 * (i % 4))
        except (OSError, EOFError, AssertionError) as e:
            self.lost.append((i, self.rounds[i], repr(e)))


def test_many_of_all_kinds(upgradable, clients):
    """Twice in a row: no connection is closed, no old worker stays."""
    a = upgradable(with_workers(2), serve=serve)
    idle = [asked(a, clients, i % 2) for i in range(2 * MANY)]
    tunnels = [tunnelled(a, clients, i % 2) for i in range(MANY)]
    silent = [clients.enter_context(a.client()) for _ in range(10)]
    with Talkers(a) as talkers:
        for _ in range(2):
            upgrade(a)
            talkers.wait(3)
            assert moved(a) == (3 * MANY + 18, 0)
            for c in tunnels:
                say(c)
            for c in idle[::3]:	# the others are idle all along
                ask(c)
    for c in idle + silent:
        ask(c)
    for c in tunnels:
        say(c)
    tunnels[0].close()
    # The line of a tunnel is written at its end, by whoever has it then.
    line = a.logged(DownstreamStatus=101, DownstreamContentSize=4 * len(FRAME))
    assert line["RequestPath"] == "/ws"
    assert line["Duration"] > 2_000_000_000	# two trials


TLS_SITE = """
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {serversTransport: any, servers: [{url: "https://127.0.0.1:@secure@"}]}}
  serversTransports:
    any: {insecureSkipVerify: true}
"""


def test_tls_on_both_sides(io, upstream, authority, clients, tmp_path):
    crt, key = authority.leaf("a.test", "127.0.0.1", file="passage")
    u = upstream(serve, tls=server_context(crt, key))
    a = Upgradable(tmp_path / "both", io, with_workers(1, TLS_SITE),
                   values={"secure": u.port})
    try:
        cs = [tunnelled(a, clients, True) for _ in range(10)]
        for _ in range(2):
            upgrade(a)
            w = a.status()["workers"][0]
            assert w["moved"]["in"] == 10
            assert w["tls_records"] == {"own": 20, "openssl": 0}
            for c in cs:
                say(c, os.urandom(40_000))
        # The server's end, and its close_notify, come through.
        with a.client("websecure", tls=True) as c:
            assert open_tunnel(c, target="/close").status == 101
            upgrade(a)
            c.send(b"\x88\x80\0\0")
            assert c.rest() == b"\x88\x02\x03\xe8"
    finally:
        a.close()


# ---- TLS afterwards ------------------------------------------------------------------


class SClient:
    """openssl s_client with its command characters."""

    def __init__(self, a, *args):
        self.p = subprocess.Popen(
            ["openssl", "s_client", "-connect",
             f"127.0.0.1:{a.ports['websecure']}", "-servername", "a.test",
             "-tls1_3", *args], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.p.stdout.fileno(), False)
        self.said = b""

    def type(self, data):
        self.p.stdin.write(data)
        self.p.stdin.flush()

    def until(self, pattern, seconds=10):
        end = time.monotonic() + seconds
        while not (m := re.search(pattern, self.said, re.S)):
            assert time.monotonic() < end, self.said[-2000:]
            self.said += self.p.stdout.read() or b""
            time.sleep(0.01)
        self.said = self.said[m.end():]
        return m

    def ask(self, target):
        self.type(b"GET %s HTTP/1.1\nHost: a.test\n\n" % target)
        self.until(rb"HTTP/1.1 200 .*\"target\": ?\"" + target)

    def update(self, command):
        self.type(command + b"\n")
        self.until(rb"KEYUPDATE")

    def close(self):
        self.p.kill()
        self.p.wait(10)


def half_record(a, ctx, cut):
    """A tunnel that has the beginning of a record in hand, and the rest."""
    raw = socket.create_connection(("127.0.0.1", a.ports["websecure"]), 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    inc, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = Bio(raw, ctx.wrap_bio(inc, out, server_hostname="a.test"), inc, out)
    c.handshake()
    assert open_tunnel(c).status == 101
    data = os.urandom(3000)
    c.tls.write(data)
    record = out.read()
    raw.sendall(record[:cut])
    return c, data, record[cut:]


def test_tls_goes_on(upgradable, clients):
    """Keys that are updated before, between and after two moves; records and
    frames that are cut; tickets; an orderly end."""
    a = upgradable(with_workers(1), serve=serve)
    peers = [SClient(a, "-crlf", "-ciphersuites", x) for x in SUITES]
    for s in peers:
        clients.callback(s.close)
        s.until(rb"Verify return code")
        s.ask(b"/1")
        s.update(b"K")
        s.ask(b"/2")
    ctx = modern()
    resumer = asked(a, clients, True, context=ctx)
    halves = [half_record(a, ctx, n) for n in (1, 4, 5, 6, 20, 2000)]
    frame = clients.enter_context(a.client())
    assert open_tunnel(frame).status == 101
    say(frame, FRAME[:3])
    half = clients.enter_context(a.client())
    assert open_tunnel(half, target="/close").status == 101
    half.send(b"ab")
    time.sleep(0.1)
    for n in (b"/3", b"/4"):
        upgrade(a)
        assert moved(a) == (12, 0)
        for s in peers:
            s.update(b"k")
            s.ask(n)
            s.update(b"K")
            s.ask(n + b"b")
        ask(resumer)
    for c, data, rest in halves:
        c.raw.sendall(rest)
        assert c.exactly(3000) == data
        c.raw.close()
    say(frame, FRAME[3:])
    half.send(b"cd")
    assert half.rest() == b"\x88\x02\x03\xe8"
    with a.client("websecure", tls=True, context=ctx,
                  session=resumer.sock.session) as c:
        ask(c)
        assert c.sock.session_reused
    # Python raises unless close_notify comes back.
    resumer.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n"
                 b"Connection: close\r\n\r\n")
    assert resumer.response().status == 200 and resumer.closed()
    resumer.sock.unwrap()
    for s in peers:
        s.type(b"Q\n")
        assert s.p.wait(10) == 0


class Bio(Client):
    """A client whose records are in the test's hands."""

    def __init__(self, raw, tls, inc, out):
        self.raw, self.tls, self.inc, self.out = raw, tls, inc, out
        self.buffer = b""

    def pump(self, do):
        while True:
            try:
                return do()
            except ssl.SSLWantReadError:
                self.raw.sendall(self.out.read())
                self.inc.write(self.raw.recv(65536))
            finally:
                if self.out.pending:
                    self.raw.sendall(self.out.read())

    def handshake(self):
        self.pump(self.tls.do_handshake)

    def send(self, data):
        self.pump(lambda: self.tls.write(data))

    def more(self):
        data = self.pump(lambda: self.tls.read(65536))
        self.buffer += data
        return bool(data)


def test_one_side_is_over(upgradable, clients):
    """A client that has said all, its FIN a while after close_notify, is still
    told what comes; its tunnel moves as often as others do."""
    speak = threading.Event()

    def talk(c, r):
        agree(c, r)
        while c.more():
            pass
        assert speak.wait(30)
        c.send(b"\x82\x03abc")
        return False
    a = upgradable(with_workers(1), serve=talk)
    raw = socket.create_connection(("127.0.0.1", a.ports["websecure"]), 10)
    clients.callback(raw.close)
    inc, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = Bio(raw, modern().wrap_bio(inc, out, server_hostname="a.test"), inc,
            out)
    c.handshake()
    assert open_tunnel(c).status == 101
    with contextlib.suppress(ssl.SSLWantReadError):
        c.tls.unwrap()
    raw.sendall(out.read())
    time.sleep(0.2)
    raw.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    for _ in range(2):
        upgrade(a)
        assert moved(a) == (1, 0)
    speak.set()
    while data := raw.recv(65536):
        inc.write(data)
    assert c.tls.read(100) == b"\x82\x03abc"


# ---- What a connection is known by ---------------------------------------------------


def test_what_is_known_of_it(upgradable, authority, clients):
    """Addresses of a PROXY header, a client's certificate, requests so far and
    the time left go along."""
    crt, key = authority.leaf("client.test", file="passage-client", client=True)
    a = upgradable("""
akkod: {workers: 1}
entryPoints:
  web: {address: "127.0.0.1:@web@", proxyProtocol: {trustedIPs: [127.0.0.1]}}
  few: {address: "127.0.0.1:@few@", transport: {keepAliveMaxRequests: 4}}
  idle:
    address: "127.0.0.1:@idle@"
    transport: {respondingTimeouts: {idleTimeout: 4s}}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
accessLog: {filePath: @dir@/access.log, format: json}
tls:
  options: {default: {clientAuth: {clientAuthType: RequireAndVerifyClientCert, caFiles: [@ca@]}}}
""".replace("@ca@", str(authority.file)) + ONE_SERVICE, serve=serve)
    ctx = modern()
    ctx.load_cert_chain(crt, key)
    certified = clients.enter_context(a.client("websecure", tls=True,
                                               context=ctx))
    ask(certified, "/certified")
    web = clients.enter_context(a.client())
    web.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n")
    ask(web)
    few = clients.enter_context(a.client("few"))
    for _ in range(2):
        ask(few)
    idle = clients.enter_context(a.client("idle"))
    ask(idle)
    since = time.monotonic()
    upgrade(a)
    assert dict(ask(web, "/again")["fields"])["X-Forwarded-For"] == "1.2.3.4"
    assert a.logged(RequestPath="/again")["ClientAddr"] == "1.2.3.4:1000"
    ask(few)
    r = few.request("GET", "/")
    assert r.status == 200 and r["Connection"] == "close"
    ask(certified, "/certified2")
    before, after = (a.logged(RequestPath=p) for p in
                     ("/certified", "/certified2"))
    assert before["TLSClientSubject"] == after["TLSClientSubject"] != ""
    assert after["TLSVersion"] == "1.3"
    assert before["TLSCipher"] == after["TLSCipher"]
    assert idle.closed()
    assert 3.5 < time.monotonic() - since < 5.5


def test_what_servers_have_to_do(io, tmp_path, upstream, clients):
    """A tunnel counts for its server after it moved: the other one is asked."""
    us = [upstream(serve), upstream(serve)]
    a = Upgradable(tmp_path / "akkod", io, with_workers(1, """
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {strategy: p2c, servers: [{url: "http://127.0.0.1:@one@"}, {url: "http://127.0.0.1:@two@"}]}}
"""), values={"one": us[0].port, "two": us[1].port})
    try:
        of = []
        for _ in range(8):
            before = len(us[0].requests)
            c = tunnelled(a, clients)
            of.append((c, 0 if len(us[0].requests) > before else 1))
        gone = [c for c, i in of if i == 0]
        assert len(gone) == 4
        upgrade(a)
        for c in gone:
            c.close()
        proc.until(lambda: a.status()["workers"][0]["connections"] == 4)
        for _ in range(4):
            tunnelled(a, clients)
        assert [len(u.requests) for u in us] == [8, 4]
    finally:
        a.close()


# ---- What does not move --------------------------------------------------------------


def test_what_does_not_move(upgradable, clients):
    """TLS that OpenSSL has, HTTP/2, and what the new workers refuse: all of them
    have their time where they are, and the others go on meanwhile."""
    config = """
akkod: {workers: 1, tls: {records: RECORDS}}
log: {level: INFO}
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  more: {address: "127.0.0.1:@more@"}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
""" + ONE_SERVICE
    a = upgradable(config.replace("RECORDS", "openssl"), serve=serve)
    stay = [clients.enter_context(a.client("websecure", tls=True))]
    a.reload(config.replace("RECORDS", "own"))
    stay += [clients.enter_context(a.client("more")),
             clients.enter_context(a.client(
                 "websecure", tls=True,
                 context=modern(ssl.TLSVersion.TLSv1_2)))]
    h2 = clients.enter_context(H2(("127.0.0.1", a.ports["websecure"])))
    assert h2.get("GET", "/h2").status == 200
    cs = [clients.enter_context(a.client()) for _ in range(6)]
    for c in stay + cs:
        ask(c)
    a.write("akkod: {workers: 1, limits: {perAddress: 4}}\n" +
            config[config.index("log:"):].replace(
                '  more: {address: "127.0.0.1:@more@"}\n', ""))
    a.upgrade()
    proc.until(lambda: moved(a)[0] == 4)
    a.wait_log("a connection stays where it is: "
               "(no such entry point|too many connections of one address)")
    proc.until(lambda: old_ones(a)["connections"] == 6)
    for c in stay:
        r = c.request("GET", "/")
        assert r["Connection"] == "close" and c.closed()
        # Nothing is left of the entry point, in the old worker either.
        assert r.status == (404 if c is stay[1] else 200)
    said = [c.request("GET", "/") for c in cs]
    assert [r.status for r in said] == [200] * 6
    assert sorted(r["Connection"] or "" for r in said) == \
        [""] * 4 + ["close"] * 2
    h2.until(lambda: h2.goaway is not None)
    h2.sock.close()
    proc.until(lambda: old_ones(a) is None, 10, "the old ones end")


# ---- What comes altered --------------------------------------------------------------

RELAY = """#!{python}
import os, select, socket, struct, subprocess, sys, threading
sys.path.insert(0, "{tests}")
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PASSAGE = {passage}
old = socket.socket(fileno=3)
mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for s in (old, mine, theirs):
    s.setblocking(True)

def child():
    os.dup2(theirs.fileno(), 3)

new = subprocess.Popen(["{program}", "successor"], preexec_fn=child,
                       close_fds=False)
theirs.close()

def reseal(data, key, change):
    head, number = data[:16], struct.unpack("Q", data[8:16])[0]
    nonce, aad = data[8:16] + bytes(4), data[4:8] + b"\\0"
    clear = bytearray(AESGCM(key).decrypt(nonce, data[16:], aad))
    change(clear)
    return head + AESGCM(key).encrypt(nonce, bytes(clear), aad)

def flip(at):
    def change(data, fds, key):
        b = bytearray(data)
        b[at] ^= 1
        return bytes(b), fds
    return change

def kind(clear):
    clear[0] = 2

def name(clear):
    clear[5] = 10	# a line feed

def port(clear):
    clear[5:8] = b"no!"

# Refused, one connection each.
REFUSED = [
    flip(-1), flip(16), flip(40),
    lambda d, fds, key: (d[:-5], fds),
    lambda d, fds, key: (d + b"x", fds),
    lambda d, fds, key: (d, fds * 2),
    lambda d, fds, key: (d, []),
    lambda d, fds, key: (reseal(d, key, kind), fds),
    lambda d, fds, key: (reseal(d, key, name), fds),
    lambda d, fds, key: (reseal(d, key, port), fds),
]
# The end of a passage: number, magic, version, no head, silence, end of file.
ENDS = [flip(8), flip(0), flip(4), lambda d, fds, key: (d[:10], fds),
        lambda d, fds, key: None, None]

def pump(a, b, key, faults):
    n = 0
    while True:
        try:
            data, fds, _, _ = socket.recv_fds(a, 1 << 20, 8)
        except OSError:
            break
        if not data:
            break
        sent = data, fds
        if 0 < n <= len(faults):
            fault = faults[n - 1]
            sent = fault(data, fds, key) if fault else 0
        n += 1
        try:
            if sent:
                socket.send_fds(b, [sent[0]], sent[1])
        except OSError:
            break
        finally:
            for fd in fds:
                os.close(fd)
        if sent == 0:
            break
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

def interpose(data, fd, index):
    key = data[16:48]
    far = socket.socket(fileno=fd)
    far.setblocking(True)
    near, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.setblocking(False)
    faults = [REFUSED[2 * index % len(REFUSED)],
              REFUSED[(2 * index + 1) % len(REFUSED)], ENDS[index % len(ENDS)]]
    for way in ((far, near, key, faults), (near, far, key, [])):
        threading.Thread(target=pump, args=way, daemon=True).start()
    return end.detach()

index = 0
while True:
    for a in select.select([old, mine], [], [])[0]:
        data, fds, _, _ = socket.recv_fds(a, 1 << 16, 128)
        if not data:
            (mine if a is old else old).close()
            sys.exit(new.wait())
        if struct.unpack("H", data[12:14])[0] == PASSAGE:
            fds = [interpose(data, fds[0], index)]
            index += 1
        socket.send_fds(mine if a is old else old, [data], fds)
        for fd in fds:
            os.close(fd)
"""


def passage_number():
    """Of HO_PASSAGE, as the header has it."""
    text = (Path(__file__).parents[2] / "master/handover.h").read_text()
    names = re.findall(r"\bHO_[A-Z]+\b", re.search(
        r"enum handover_type \{(.*?)\}", text, re.S).group(1))
    return names.index("HO_PASSAGE") + 1


def test_altered_on_the_way(upgradable, clients, tmp_path):
    """Somebody between the workers alters, cuts and drops: each connection is
    served on by one of the two, and none is lost."""
    relay = tmp_path / "relay"
    relay.write_text(RELAY.replace("{python}", sys.executable)
                     .replace("{program}", PROGRAM)
                     .replace("{tests}", str(Path(__file__).parent))
                     .replace("{passage}", str(passage_number())))
    relay.chmod(0o755)
    # One old worker gives to all the new ones, so that each way has its fault.
    config = """
akkod: {workers: WORKERS}
log: {level: INFO}
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    transport: {lifeCycle: {graceTimeOut: 30s}}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
""" + ONE_SERVICE
    a = upgradable(config.replace("WORKERS", "1"), serve=serve)
    cs = [asked(a, clients, i % 2) for i in range(80)]
    tunnels = [tunnelled(a, clients) for _ in range(20)]
    a.write(config.replace("WORKERS", "6"))
    a.upgrade("--binary", str(relay))
    for c in tunnels:
        say(c)
    said = [c.request("GET", "/") for c in cs]
    assert [r.status for r in said] == [200] * 80
    # Each fault of a parcel has kept one at least, and most went over.
    took = moved(a)[0]
    assert 30 < took <= 88
    assert len([r for r in said if r["Connection"] == "close"]) > 0
    a.wait_log("a connection stays where it is: ")
    for c in tunnels:
        say(c)


# ---- Fewer workers, and orphans ------------------------------------------------------


def test_fewer_workers(akkod, upstream, clients):
    u = upstream(serve)
    a = akkod(with_workers(3), values={"upstream": u.port})
    idle = [asked(a, clients, i % 2) for i in range(40)]
    tunnels = [tunnelled(a, clients) for _ in range(20)]
    pids = a.worker_pids()
    for n in (2, 1):
        a.reload(with_workers(n))
        proc.until(lambda: not any(map(proc.alive, pids[n:])), 5,
                   "those that leave end")
        for c in idle:
            ask(c)
        for c in tunnels:
            say(c)
    assert a.status()["workers"][0]["connections"] == 60
    assert a.worker_pids() == pids[:1]


def test_workers_whose_master_was_killed(service, clients):
    s = service(with_workers(2))
    s.upstream.serve = serve
    cs = [asked(s, clients) for _ in range(10)]
    pids = s.worker_pids()
    kill(s)
    assert s.start().returncode == 0
    proc.until(lambda: not any(map(proc.alive, pids)), 5, "the old ones end")
    for c in cs:
        ask(c)
