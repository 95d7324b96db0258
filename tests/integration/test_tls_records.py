# SPDX-License-Identifier: BSD-2-Clause
"""Records of TLS 1.3 after the handshake, with other people's TLS on both sides.

Clients and servers of OpenSSL, GnuTLS, NSS, Go and Java, with each suite; key
updates from either side; records cut at every byte; and records that somebody
altered, dropped, repeated, reordered or cut off on the way.
"""
import contextlib
import hashlib
import os
import re
import select
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.client import Client
from harness.upstream import server_context
from login_chromium import Chromium

PEERS = Path(__file__).parent / "peers"
RIG = Path(__file__).parents[1] / "rig"
SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
          "TLS_CHACHA20_POLY1305_SHA256"]

CONFIG = """
entryPoints:
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
http:
  routers:
    plain: {rule: "Host(`a.test`)", service: plain}
    tls: {rule: "Host(`b.test`)", service: tls}
    relayed: {rule: "Host(`c.test`)", service: relayed}
    peer: {rule: "Host(`d.test`)", service: peer}
  services:
    plain: {loadBalancer: {servers: [{url: "http://127.0.0.1:@plain@"}]}}
    tls: {loadBalancer: {serversTransport: any, servers: [{url: "https://127.0.0.1:@upstream@"}]}}
    relayed: {loadBalancer: {serversTransport: any, servers: [{url: "https://127.0.0.1:@relay@"}]}}
    peer: {loadBalancer: {serversTransport: any, servers: [{url: "https://127.0.0.1:@peer@"}]}}
  serversTransports:
    any: {insecureSkipVerify: true}
tls:
  stores: {default: {defaultCertificate: {certFile: @crt@, keyFile: @key@}}}
akkod: {workers: 1, tls: {records: @records@}}
"""
TLS_SMALL = 65536	# bytes that leave in small records
ASK = b"GET /%s HTTP/1.1\r\nHost: %s.test\r\n\r\n"


def mirror(c, r):
    c.body(r)
    c.answer(200, body=r.body or b"nothing")


LONG = os.urandom(1 << 20)	# a hundred times


def long(c, r):
    """Takes 100 MB and sends as much, holding none of it."""
    if r.target != "/long":
        return mirror(c, r)
    left, digest = int(r["Content-Length"]), hashlib.sha256()
    while left > 0:
        data = c.buffer or c.sock.recv(1 << 18)
        assert data
        c.buffer = b""
        digest.update(data)
        left -= len(data)
    c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Digest: %s\r\n\r\n" %
           (len(LONG) * 100, digest.hexdigest().encode()))
    for _ in range(100):
        c.send(LONG)
    return True


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream, authority):
    crt, key = authority.leaf("a.test", "b.test", "127.0.0.1", file="records")
    plain = module_upstream(long)
    tls = module_upstream(long, tls=server_context(crt, key))
    a = module_akkod(CONFIG, values={
        "plain": plain.port, "upstream": tls.port, "crt": crt, "key": key,
        "records": "own"})
    a.plain, a.tls, a.crt, a.key, a.ca = plain, tls, crt, key, authority.file
    a.at = ("127.0.0.1", a.ports["tls"])
    return a


def on(a):
    """How many connections run on which records."""
    w = a.status()["workers"][0]["tls_records"]
    return w["own"], w["openssl"]


def context(suite=None, highest=ssl.TLSVersion.TLSv1_3):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.maximum_version = highest
    return ctx


# ---- Which records ------------------------------------------------------------------


def wait_on(a, own, openssl):
    end = time.monotonic() + 5
    while on(a) != (own, openssl):
        assert time.monotonic() < end, on(a)
        time.sleep(0.02)


def test_status_counts_and_reload_chooses(a):
    with contextlib.ExitStack() as stack:
        def connect(version=ssl.TLSVersion.TLSv1_3):
            c = stack.enter_context(Client(a.at, tls=True, sni="a.test",
                                           context=context(highest=version)))
            assert c.request("GET", "/", host="a.test").status == 200
            return c
        own, openssl = on(a)
        first = connect()
        wait_on(a, own + 1, openssl)
        connect(ssl.TLSVersion.TLSv1_2)
        wait_on(a, own + 1, openssl + 1)
        try:
            a.reload(a.config.read_text().replace("records: own",
                                                  "records: openssl"))
            connect()
            wait_on(a, own + 1, openssl + 2)
            assert first.request("GET", "/", host="a.test").status == 200
        finally:
            a.reload(a.config.read_text().replace("records: openssl",
                                                  "records: own"))
        connect()
        wait_on(a, own + 2, openssl + 2)
        # Towards a server too.
        assert first.request("GET", "/", host="b.test").status == 200
        wait_on(a, own + 3, openssl + 2)
    wait_on(a, own + 1, openssl)


def test_a_word_that_is_none(akkod, tmp_path):
    bad = akkod("akkod: {tls: {records: kernel}}\n", wait=False)
    assert bad.process.wait(20) == 1
    assert 'akkod.tls.records' in bad.log
    bad.checked = False


# ---- Other people's clients ------------------------------------------------------------


class Talk:
    """A client program with a terminal: write() to it, wait for its words."""

    def __init__(self, *args):
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.said = b""

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait(self, word, seconds=15):
        """Until `word`; what came before it and it."""
        end = time.monotonic() + seconds
        while (at := self.said.find(word)) < 0:
            left = end - time.monotonic()
            assert left > 0, (word, self.said[-2000:])
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, (word, self.said[-2000:])
                self.said += data
        got, self.said = self.said[:at + len(word)], self.said[at + len(word):]
        return got

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.mark.parametrize("suite", SUITES)
def test_s_client_updates_its_keys(a, suite):
    with Talk("openssl", "s_client", "-connect", f"127.0.0.1:{a.at[1]}", "-tls1_3",
              "-ciphersuites", suite, "-servername", "a.test") as c:
        c.wait(b"Verify return code")
        c.wait(b"---\n")
        for k in range(6):
            c.write(b"Kk"[k % 2:k % 2 + 1] + b"\n")	# with and without an answer
            c.wait(b"KEYUPDATE")
            time.sleep(0.02)
            c.write(ASK % (b"k", b"a"))
            c.wait(b"nothing")


GNUTLS = ["AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"]


@pytest.mark.parametrize("suite", GNUTLS)
def test_gnutls_client_updates_its_keys(a, suite):
    with Talk("gnutls-cli", "--no-ca-verification", "--inline-commands",
              "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{suite}",
              "--sni-hostname", "a.test", "-p", str(a.at[1]), "127.0.0.1") as c:
        c.wait(b"Simple Client Mode")
        for _ in range(3):
            c.write(ASK % (b"g", b"a"))
            c.wait(b"nothing")
            c.write(b"^rekey^\n")
            c.wait(b"ekey")


@pytest.mark.parametrize("suite", ["1301", "1302", "1303"])
def test_nss_client(a, suite):
    # It never ends when its input does.
    with Talk("tstclnt", "-h", "127.0.0.1", "-p", str(a.at[1]), "-a", "a.test", "-o",
              "-D", "-V", "tls1.3:tls1.3", "-c", f":{suite}") as c:
        for _ in range(3):
            c.write(ASK % (b"n", b"a"))
            c.wait(b"HTTP/1.1 200")
            c.wait(b"nothing")


@pytest.fixture(scope="session")
def go_peer(tmp_path_factory):
    out = tmp_path_factory.mktemp("go") / "tls"
    go = subprocess.run([PEERS.parents[1] / "rig/find-go"], check=True,
                        capture_output=True, text=True).stdout.strip()
    subprocess.run([go, "build", "-o", out, PEERS / "tls.go"], check=True,
                   timeout=300, env={**os.environ, "GOTOOLCHAIN": "local",
                                     "GOFLAGS": ""})
    return out


@pytest.mark.parametrize("host", ["a.test", "b.test"])
def test_go_client(a, go_peer, host):
    done = subprocess.run([go_peer, "client", f"127.0.0.1:{a.at[1]}", host],
                          capture_output=True, timeout=60, text=True)
    assert done.returncode == 0 and done.stdout == "ok\n", done


@pytest.mark.parametrize("suite", SUITES)
def test_java_client_updates_its_keys(a, suite, tmp_path):
    """JSSE renews its keys by an amount of bytes, here a small one."""
    limits = tmp_path / "limits"
    limits.write_text("jdk.tls.keyLimits=AES/GCM/NoPadding KeyUpdate 2^18, "
                      "ChaCha20-Poly1305 KeyUpdate 2^18\n")
    done = subprocess.run(
        ["java", f"-Djava.security.properties={limits}", "-XX:TieredStopAtLevel=1",
         "-Djavax.net.debug=ssl:handshake",
         str(PEERS / "Tls.java"), "127.0.0.1", str(a.at[1]), suite, "a.test"],
        capture_output=True, timeout=60, text=True)
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), \
        done.stdout[-3000:] + done.stderr[-3000:]
    assert "KeyUpdate" in done.stderr + done.stdout


@pytest.fixture(scope="module")
def rustls_peer():
    return subprocess.run([RIG / "rustls/build"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("host", ["a.test", "b.test"])
def test_rustls_client(a, rustls_peer, host, suite):
    done = subprocess.run([rustls_peer, "client", f"127.0.0.1:{a.at[1]}", host, a.ca,
                           suite], capture_output=True, timeout=60, text=True)
    assert done.returncode == 0 and done.stdout == "ok\n", done


def test_chromium(a, tmp_path, authority):
    """A browser's own scripts: a megabyte up and down, four at a time."""
    c = Chromium(tmp_path, authority.file, "*.test")
    try:
        c.open(f"https://a.test:{a.at[1]}/page")
        same = c.run("""
            const body = new Uint8Array(1 << 20).map((_, i) => i * 7 + (i >> 8));
            const one = async () => {
                const r = await fetch("/chromium", {method: "POST", body});
                const got = new Uint8Array(await r.arrayBuffer());
                return got.length === body.length &&
                    got.every((v, i) => v === body[i]);
            };
            return Promise.all([one(), one(), one(), one()]);""")
        assert same == [True] * 4, same
        own, openssl = on(a)
        assert own >= 1 and openssl == 0
        version = c.run("return performance.getEntriesByType('navigation')[0]"
                        ".nextHopProtocol")
        assert version == "h2"
    finally:
        c.close()


# ---- Other people's servers ------------------------------------------------------------


@contextlib.contextmanager
def served(a, *args):
    """A server program on the port of the service `peer`."""
    with Talk(*args) as s:
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", a.ports["peer"]), 1).close()
                break
            assert time.monotonic() < end and s.process.poll() is None, \
                s.process.poll()
            time.sleep(0.05)
        yield s


def asked(a, n=3, path="/"):
    with Client(a.at, tls=True, sni="a.test", context=context()) as c:
        return [c.request("GET", path, host="d.test") for _ in range(n)]


@pytest.mark.parametrize("suite", SUITES)
def test_s_server_updates_its_keys(a, suite):
    with served(a, "openssl", "s_server", "-accept", f"127.0.0.1:{a.ports['peer']}",
                "-cert", str(a.crt), "-key", str(a.key), "-tls1_3", "-ciphersuites",
                suite) as s, \
            Client(a.at, tls=True, sni="a.test", context=context()) as c:
        for k in range(4):
            c.send(ASK % (b"s", b"d"))
            s.wait(b"GET /s HTTP/1.1")
            s.wait(b"\r\n\r\n")
            s.write(b"Kk"[k % 2:k % 2 + 1] + b"\n")
            time.sleep(0.05)		# a line of its own
            s.write(b"HTTP/1.1 200 OK\nContent-Length: 4\n\nHi%02d" % k)
            assert c.response().body == b"Hi%02d" % k
        assert on(a)[1] == 0, on(a)


@pytest.mark.parametrize("suite", GNUTLS)
def test_gnutls_server(a, suite):
    with served(a, "gnutls-serv", "--http", "-p", str(a.ports["peer"]),
                "--x509certfile", str(a.crt), "--x509keyfile", str(a.key),
                "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{suite}"):
        for r in asked(a):
            assert r.status == 200 and b"TLS1.3" in r.body, r


@pytest.mark.parametrize("suite", ["1301", "1302", "1303"])
def test_nss_server(a, suite, tmp_path):
    p12 = tmp_path / "leaf.p12"
    for args in (["openssl", "pkcs12", "-export", "-in", a.crt, "-inkey", a.key,
                  "-name", "leaf", "-out", p12, "-passout", "pass:x"],
                 ["certutil", "-N", "-d", tmp_path, "--empty-password"],
                 ["pk12util", "-i", p12, "-d", tmp_path, "-W", "x"]):
        subprocess.run([str(x) for x in args], check=True, capture_output=True,
                       timeout=30)
    with served(a, "selfserv", "-p", str(a.ports["peer"]), "-d", str(tmp_path), "-n",
                "leaf", "-V", "tls1.3:tls1.3", "-c", f":{suite}"):
        for r in asked(a):
            assert r.status == 200, r


def test_go_server(a, go_peer):
    with served(a, go_peer, "server", f"127.0.0.1:{a.ports['peer']}", a.crt, a.key):
        for r in asked(a, path="/big"):
            assert r.status == 200 and len(r.body) == 1 << 20, r


@pytest.mark.parametrize("suite", SUITES)
def test_rustls_server(a, rustls_peer, suite):
    with served(a, rustls_peer, "server", f"127.0.0.1:{a.ports['peer']}", a.crt,
                a.key, suite):
        for r in asked(a, path="/big"):
            assert r.status == 200 and r.body == b"r" * (1 << 20), r


@pytest.mark.parametrize("suite", SUITES)
def test_java_server(a, suite, tmp_path):
    """JSSE as a server, which renews its keys by amount as well."""
    limits = tmp_path / "limits"
    limits.write_text("jdk.tls.keyLimits=AES/GCM/NoPadding KeyUpdate 2^18, "
                      "ChaCha20-Poly1305 KeyUpdate 2^18\n")
    store = tmp_path / "leaf.p12"
    subprocess.run(["openssl", "pkcs12", "-export", "-in", a.crt, "-inkey", a.key,
                    "-name", "leaf", "-out", store, "-passout", "pass:secret"],
                   check=True, capture_output=True, timeout=30)
    with served(a, "java", f"-Djava.security.properties={limits}",
                "-XX:TieredStopAtLevel=1", str(PEERS / "TlsServer.java"),
                str(a.ports["peer"]), suite, str(store)):
        for r in asked(a, path="/big"):
            assert r.status == 200 and r.body == b"j" * (1 << 20), r


# ---- Long bodies ---------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["a.test", "b.test"])
def test_100_mb_both_ways(a, host, tmp_path):
    """b.test is own records on both sides."""
    digest = hashlib.sha256()
    with open(tmp_path / "body", "wb") as f:
        for _ in range(100):
            f.write(LONG)
            digest.update(LONG)
    done = subprocess.run(
        ["curl", "-sSk", "--http1.1", "--tlsv1.3", "--connect-to",
         f"{host}:443:127.0.0.1:{a.at[1]}", "-X", "PUT", "-T", tmp_path / "body",
         "-H", "Expect:", f"https://{host}/long", "-o", tmp_path / "out", "-D", "-"],
        timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert digest.hexdigest() in done.stdout
    with open(tmp_path / "out", "rb") as f:
        assert hashlib.file_digest(f, "sha256").digest() == digest.digest()


# ---- A relay that knows where records begin -----------------------------------------------------


class Relay:
    """Passes TLS on record by record, each as act(to_server, i, record, socket)
    says: a list of what to send, None to end both; i counts protected records.
    """

    def __init__(self, target, act, port=0):
        self.target, self.act = target, act
        self.listener = socket.create_server(("127.0.0.1", port))
        self.at = self.listener.getsockname()
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
                self.sockets += near, far
                for s in near, far:
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in (near, far, True), (far, near, False):
                    threading.Thread(target=self.run, args=pair,
                                     daemon=True).start()

    def run(self, source, sink, to_server):
        i = 0
        with contextlib.suppress(OSError, EOFError):
            f = source.makefile("rb")
            while head := f.read(5):
                body = f.read(int.from_bytes(head[3:5], "big"))
                pieces = [head + body]
                if head[0] == 23:
                    pieces = self.act(to_server, i, head + body)
                    i += 1
                for k, piece in enumerate(pieces or ()):
                    if k:
                        time.sleep(0.001)
                    sink.sendall(piece)
                if pieces is None:
                    break
        for s in source, sink:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR if s is sink else socket.SHUT_RD)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # akkod would use a connection again.
        for s in self.listener, *self.sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def cuts(to_server, i, record):
    """The i-th record is cut behind its i-th byte, so each place has its turn."""
    k = i % len(record)
    return [record[:k], record[k:]] if k else [record]


def single(to_server, i, record):
    return [record[k:k + 1] for k in range(len(record))]


def test_records_cut_at_every_byte(a):
    with Relay(a.at, cuts) as relay, \
            Client(relay.at, tls=True, sni="a.test", context=context()) as c:
        for i in range(130):
            r = c.request("POST", f"/{i:03}", host="a.test", body=b"%03d" % i)
            assert r.status == 200 and r.body == b"%03d" % i
    with Relay(a.at, single) as relay, \
            Client(relay.at, tls=True, sni="a.test", context=context()) as c:
        assert c.request("POST", "/", host="a.test", body=b"x").body == b"x"


def test_records_of_a_server_cut_at_every_byte(a):
    with Relay(("127.0.0.1", a.tls.port), cuts, a.ports["relay"]), \
            Client(a.at, tls=True, sni="a.test", context=context()) as c:
        for i in range(200):
            r = c.request("POST", f"/{i:03}", host="c.test", body=b"%03d" % i)
            assert r.status == 200 and r.body == b"%03d" % i


def sizes(a, pause):
    """Of the records of three answers, the last one after a pause."""
    seen = []

    def act(to_server, i, record):
        if not to_server:
            seen.append(len(record) - 22)
        return [record]
    with Relay(a.at, act) as relay, \
            Client(relay.at, tls=True, sni="a.test", context=context()) as c:
        for body in b"s" * 3000, b"l" * 100000, b"s" * 3000:
            if len(seen) > 10:
                time.sleep(pause)
            seen.append("answer")
            r = c.request("POST", "/", host="a.test", body=body)
            assert r.status == 200 and r.body == body
    answers = " ".join(map(str, seen)).split("answer")[1:]
    return [[int(n) for n in answer.split()] for answer in answers]


@pytest.mark.parametrize("pause", [0, 1.2])
def test_small_records_first(a, pause):
    """From the given round trip on, which here is none; and never nearby."""
    near = sizes(a, 0)
    assert all(max(answer) > 1400 for answer in near)
    text = a.config.read_text()
    try:
        a.reload(text.replace("records: own", "records: own, smallRecordsFrom: 0s"))
        first, long, last = sizes(a, pause)
    finally:
        a.reload(text)
    assert max(first) == 1400
    small = long[:long.index(max(long))]
    assert max(small) <= 1400 and max(long) > 1400
    assert TLS_SMALL - 1400 <= sum(first) + sum(small) <= TLS_SMALL + 1400
    assert (max(last) == 1400) == (pause > 1)


def flip(at):
    def act(record):
        out = bytearray(record)
        out[at % len(out)] ^= 1
        return [bytes(out)]
    return act


DAMAGE = {
    **{f"byte {k}": flip(k) for k in (0, 1, 2, 5, 6, 20, -1, -16, -17)},
    "longer": lambda r: [r[:3] + (int.from_bytes(r[3:5], "big") + 1).to_bytes(
        2, "big") + r[5:] + b"\0"],
    "shorter": lambda r: [r[:3] + (int.from_bytes(r[3:5], "big") - 1).to_bytes(
        2, "big") + r[5:-1]],
    "dropped": lambda r: [],
    "repeated": lambda r: [r, r],
    "cut off": lambda r: None,
    "cut short": lambda r: [r[:-1], None],
    "plain": lambda r: [b"\x17\x03\x03\x00\x05hello"],
    "alert in clear": lambda r: [b"\x15\x03\x03\x00\x02\x02\x28"],
    "old cipher spec": lambda r: [b"\x14\x03\x03\x00\x01\x01", r],
    "huge": lambda r: [b"\x17\x03\x03\x50\x00" + b"x" * 0x5000],
}


def damages(how, direction, nth):
    def act(to_server, i, record):
        if to_server != direction or i < nth:
            return [record]
        if how == "reordered":
            if i == nth:
                act.held = record
                return []
            return [record, act.held] if i == nth + 1 else [record]
        if how == "dropped" and i > nth:
            return [record]
        if i > nth:
            return None if how == "cut short" else []
        out = DAMAGE[how](record)
        if out and out[-1] is None:
            return out[:1]
        return out
    return act


@pytest.mark.parametrize("how", [*DAMAGE, "reordered"])
def test_damage_on_the_way_to_akkod(a, how):
    """Records 0 is Finished, 1 the first request, 2 its successor."""
    with Relay(a.at, damages(how, True, 2)) as relay, \
            Client(relay.at, tls=True, sni="a.test", context=context()) as c:
        assert c.request("GET", "/one", host="a.test").status == 200
        a.plain.requests.clear()
        with contextlib.suppress(OSError):
            c.send(ASK % (b"two", b"a"))
            c.send(ASK % (b"three", b"a"))
            c.send(ASK % (b"four", b"a"))
            if how in ("cut off", "cut short"):
                c.sock.shutdown(socket.SHUT_WR)
        said = b""
        with contextlib.suppress(OSError):
            while data := c.sock.recv(65536):
                said += data
    # What was whole before the damage may be served; of a repeated record that is
    # so, but the end may come before the server is asked.
    asked = [r.target for r in a.plain.requests]
    assert asked in ([], ["/two"] if how == "repeated" else [])
    assert said.count(b"HTTP/1.1") <= len(asked)


@pytest.mark.parametrize("how", [*DAMAGE, "reordered"])
def test_damage_on_the_way_from_a_server(a, how):
    """A body of several records, of which the third is damaged."""
    sent = os.urandom(60000)

    def serve(c, r):
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        for k in range(0, 60000, 10000):
            c.send(sent[k:k + 10000])
            time.sleep(0.01)
    before, a.tls.serve = a.tls.serve, serve
    # At most six of the handshake, the head, then a record for each piece.
    try:
        with Relay(("127.0.0.1", a.tls.port), damages(how, False, 8),
                   a.ports["relay"]), \
                Client(a.at, tls=True, sni="a.test", context=context()) as c:
            c.send(ASK % (b"", b"c"))
            said = b""
            with contextlib.suppress(OSError):
                while data := c.sock.recv(65536):
                    said += data
    finally:
        a.tls.serve = before
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert len(body) % 10000 == 0 and 0 < len(body) < 60000
    assert sent.startswith(body)


@pytest.mark.parametrize("end", ["client", "server"])
def test_close_from_either_side(a, end):
    with Client(a.at, tls=True, sni="a.test", context=context()) as c:
        if end == "client":
            assert c.request("GET", "/", host="a.test").status == 200
            c.sock.unwrap()	# close_notify both ways, or it raises
        else:
            c.send(ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") %
                   (b"", b"a"))
            assert c.response().status == 200
            # A clean end: without close_notify this raises.
            assert c.sock.recv(1) == b""


def test_http2(a):
    """A hundred downloads at once on one connection."""
    done = subprocess.run(
        ["curl", "-sSk", "--http2", "--tlsv1.3", "-Z", "--parallel-max", "100",
         "--connect-to", f"a.test:443:127.0.0.1:{a.at[1]}", "-o", "/dev/null",
         "-w", "%{http_code}%{http_version} ", "https://a.test/[1-100]"],
        timeout=60, capture_output=True, text=True)
    assert re.findall(r"\S+", done.stdout) == ["2002"] * 100, done
