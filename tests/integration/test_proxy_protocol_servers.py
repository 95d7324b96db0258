# SPDX-License-Identifier: BSD-2-Clause
"""PROXY protocol towards servers: what they are told, and of whose connection."""
import json
import socket
import struct
import subprocess
import time

import pytest

from harness.akkod import accepts
from harness.h2 import H2
from harness.ports import free_port
from harness.site import balancer, site
from harness.upstream import Upstream, server_context

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
STATIC = """\
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
entryPoints:
  web: {address: "127.0.0.1:@web@", proxyProtocol: {trustedIPs: [127.0.0.1]}}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
"""


def read_header(read):
    """(command, source, destination) of what a connection begins with."""
    data = read(12)
    if data != SIGNATURE:
        while not data.endswith(b"\r\n"):
            data += read(1)
        words = data[:-2].decode().split(" ")
        assert words[0] == "PROXY" and len(data) <= 107
        if words[1] == "UNKNOWN":
            return "UNKNOWN", None, None
        assert len(words) == 6
        return words[1], (words[2], int(words[4])), (words[3], int(words[5]))
    command, family, n = struct.unpack("!BBH", read(4))
    rest = read(n)
    if command == 0x20:
        assert n == 0
        return "LOCAL", None, None
    assert command == 0x21
    kind, size = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}[family]
    assert n == 2 * size + 4
    ports = struct.unpack("!HH", rest[2 * size:])
    return (f"TCP{4 if size == 4 else 6}",
            (socket.inet_ntop(kind, rest[:size]), ports[0]),
            (socket.inet_ntop(kind, rest[size:2 * size]), ports[1]))


class Told(Upstream):
    """An upstream whose connections begin with a PROXY header, before TLS."""

    def __init__(self, tls=None, owned=True):
        self.told = {}			# by socket
        self.context = tls
        super().__init__(say, owned=owned)

    def run(self, sock):
        def read(n):
            data = b""
            while len(data) < n:
                piece = sock.recv(n - len(data))
                if not piece:
                    raise EOFError
                data += piece
            return data
        try:
            header = read_header(read)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
        except (EOFError, OSError):
            sock.close()
            return
        self.told[sock] = header
        super().run(sock)


def say(c, r):
    """Answers with the connection's number and what was told of it."""
    c.body(r)
    c.answer(200, [], json.dumps([c.server.connections.index(c),
                                  c.server.told[c.sock]]).encode())


def transport(version=2, **more):
    return {"proxyProtocol": {"version": version}, "maxIdleConnsPerHost": 20,
            **more}


HOSTS = {"one": "http://127.0.0.1:@one@", "two": "http://127.0.0.1:@two@",
         "small": "http://127.0.0.1:@small@",
         "secure": "https://127.0.0.1:@secure@"}
CONFIG = STATIC + site(
    routers={name: {"service": name} for name in [*HOSTS, "app"]},
    services={name: balancer(url, serversTransport=name)
              for name, url in HOSTS.items()},
    serversTransports={
        "one": transport(1), "two": {**transport(), "proxyProtocol": {}},
        "small": transport(maxIdleConnsPerHost=1),
        "secure": transport(insecureSkipVerify=True)})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream, authority):
    secure = server_context(*authority.leaf("127.0.0.1"))
    secure.set_alpn_protocols(["h2", "http/1.1"])
    servers = {"one": Told(), "two": Told(), "small": Told(),
               "secure": Told(secure)}
    a = module_akkod(CONFIG + "akkod: {workers: 1}\n", values={
        **{name: u.port for name, u in servers.items()},
        "upstream": module_upstream().port})
    a.servers = servers
    yield a
    for u in servers.values():
        u.close()


def ask(c, name):
    """[connection's number, [family, source, destination]]"""
    r = c.request("GET", "/", host=f"{name}.test")
    assert r.status == 200
    return json.loads(r.body)


def client_line(address, port):
    family = 6 if ":" in address else 4
    to = "2001:db8::9" if family == 6 else "9.9.9.9"
    return f"PROXY TCP{family} {address} {to} {port} 443\r\n".encode()


@pytest.mark.parametrize("name", ["one", "two", "small", "secure"])
@pytest.mark.parametrize("entry_point", ["web", "websecure"])
def test_the_clients_own_socket(a, name, entry_point):
    with a.client(entry_point, tls=entry_point == "websecure") as c:
        _, told = ask(c, name)
        assert told == ["TCP4", list(c.sock.getsockname()),
                        ["127.0.0.1", a.ports[entry_point]]]


@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize("line,want", [
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n",
     ["TCP4", ["1.2.3.4", 1000], ["5.6.7.8", 443]]),
    (b"PROXY TCP6 2001:db8::1 ::1 65535 1\r\n",
     ["TCP6", ["2001:db8::1", 65535], ["::1", 1]]),
    (b"PROXY TCP6 ::ffff:1.2.3.4 2001:db8::1 7 9\r\n",
     ["TCP6", ["::ffff:1.2.3.4", 7], ["2001:db8::1", 9]]),
    (b"PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 7 9\r\n",
     ["TCP4", ["1.2.3.4", 7], ["5.6.7.8", 9]])])
def test_a_client_that_was_told_of(a, name, line, want):
    with a.client() as c:
        c.send(line)
        assert ask(c, name)[1] == want


@pytest.mark.parametrize("name", ["one", "two", "secure"])
def test_used_again_for_the_same_client_only(a, name):
    lines = [client_line("10.0.0.1", 1), client_line("10.0.0.1", 2),
             client_line("10.0.0.2", 1), client_line("2001:db8::1", 1)]
    clients = [a.client() for _ in lines]
    for c, line in zip(clients, lines):
        c.send(line)
    rounds = [[ask(c, name) for c in clients] for _ in range(3)]
    assert rounds[0] == rounds[1] == rounds[2]
    assert len({n for n, _ in rounds[0]}) == len(lines)
    for (_, told), line in zip(rounds[0], lines):
        assert f" {told[1][0]} " in line.decode()
    for c in clients:
        c.close()


def test_streams_of_one_client(a):
    """They share its connections, and never those of another."""
    def said(h):
        streams = [h.start(host="two.test") for _ in range(4)]
        return [json.loads(h.response(n).body) for n in streams]

    address = ("127.0.0.1", a.ports["websecure"])
    with H2(address) as one, H2(address) as other:
        mine, others = said(one) + said(one), said(other) + said(other)
        for h, all in ((one, mine), (other, others)):
            assert {tuple(told[1]) for _, told in all} == {h.sock.getsockname()}
        assert not {n for n, _ in mine} & {n for n, _ in others}
        assert len({n for n, _ in mine}) < len(mine)


def test_one_client_makes_room_for_another(a):
    small = a.servers["small"]
    with a.client() as c, a.client() as d:
        c.send(client_line("10.0.1.1", 1))
        d.send(client_line("10.0.1.2", 1))
        first, _ = ask(c, "small")
        assert ask(c, "small")[0] == first
        second, _ = ask(d, "small")
        assert second != first and ask(d, "small")[0] == second
        assert ask(c, "small")[0] not in (first, second)
    end = time.monotonic() + 5
    while small.open() > 1:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_without_it_nothing_is_said(a):
    with a.client() as c:
        assert c.request("GET", "/", host="app.test").status == 200


@pytest.mark.parametrize("version,want", [(1, "UNKNOWN"), (2, "LOCAL")])
def test_a_health_check_speaks_for_nobody(akkod, version, want):
    u = Told(owned=False)
    a = akkod(STATIC + site(
        routers={"app": {}}, services={"app": balancer(
            u.url, serversTransport="t",
            healthCheck={"path": "/up", "interval": "100ms"})},
        serversTransports={"t": transport(version)}))
    u.wait(2)
    assert {told[0] for told in u.told.values()} == {want}
    with a.client() as c:
        assert ask(c, "app")[1][:2] == ["TCP4", list(c.sock.getsockname())]
    u.close()


@pytest.mark.parametrize("scheme,check", [("h2c", None), ("http", "grpc"),
                                          ("https", "grpc")])
def test_http2_is_refused(akkod, scheme, check):
    more = {"healthCheck": {"mode": check}} if check else {}
    a = akkod(STATIC + site(routers={"app": {}}, services={"app": balancer(
        f"{scheme}://127.0.0.1:1", serversTransport="t", **more)},
        serversTransports={"t": transport()}))
    a.wait_log("HTTP/2 is not spoken where the serversTransport has proxyProtocol")
    assert a.get("/", host="app.test").status == 503


def test_an_unknown_version(akkod, upstream):
    u = upstream()
    a = akkod(STATIC + site(
        routers={"app": {}},
        services={"app": balancer(u.url, serversTransport="t")},
        serversTransports={"t": transport(3)}))
    a.wait_log("serversTransport t: proxyProtocol: version is 3; it must be 1 or 2")
    assert a.get("/", host="app.test").status == 503
    assert not u.connections


def test_the_default_transport(akkod):
    """It is also what a forwardAuth without TLS of its own goes over."""
    auth, app = Told(owned=False), Told()
    a = akkod(STATIC + "serversTransport: {proxyProtocol: {version: 1}}\n" + site(
        middlewares={"auth": {"forwardAuth": {"address": auth.url}}},
        routers={"app": ["auth"]}, services={"app": balancer(app.url)}))
    with a.client() as c:
        c.send(client_line("10.0.0.1", 7))
        assert ask(c, "app")[1][:2] == ["TCP4", ["10.0.0.1", 7]]
    assert list(auth.told.values()) == [("TCP4", ("10.0.0.1", 7), ("9.9.9.9", 443))]
    auth.close()
    app.close()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_from_one_to_the_next(akkod, upstream, version, tls):
    u = upstream()
    inner = akkod("""\
entryPoints:
  web: {address: "127.0.0.1:@web@", proxyProtocol: {trustedIPs: [127.0.0.1]}}
  secure:
    address: "127.0.0.1:@secure@"
    proxyProtocol: {trustedIPs: [127.0.0.1]}
    http: {tls: {}}
""" + site(routers={"app": {}}), values={"upstream": u.port})
    url = f"https://127.0.0.1:{inner.ports['secure']}" if tls else \
        f"http://127.0.0.1:{inner.ports['web']}"
    outer = akkod(STATIC + site(
        routers={"app": {}},
        services={"app": balancer(url, serversTransport="t")},
        serversTransports={"t": transport(version, insecureSkipVerify=True)}))
    for address in ("1.2.3.4", "2001:db8::7"):
        with outer.client() as c:
            c.send(client_line(address, 7))
            for _ in range(2):
                assert c.request("GET", "/", host="app.test").status == 200
                assert u.last["X-Real-Ip"] == address


NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{
    listen 127.0.0.1:{port} proxy_protocol;
    location / {{ return 200
      "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr"; }}
  }}
}}
"""


def test_nginx_takes_it(akkod, tmp_path):
    port = free_port()
    (tmp_path / "nginx.conf").write_text(NGINX.format(dir=tmp_path, port=port))
    nginx = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf"), "-p",
                              str(tmp_path), "-e", str(tmp_path / "nginx.log")])
    try:
        url = f"http://127.0.0.1:{port}"
        a = akkod(STATIC + site(
            routers={"one": {"service": "one"}, "two": {"service": "two"}},
            services={"app": balancer(url),
                      "one": balancer(url, serversTransport="one"),
                      "two": balancer(url, serversTransport="two")},
            serversTransports={"one": transport(1), "two": transport(2)}))
        end = time.monotonic() + 10
        while not accepts(port):
            assert time.monotonic() < end
            time.sleep(0.02)
        for host in ("one.test", "two.test"):
            for address, to in (("1.2.3.4", "9.9.9.9"),
                                ("2001:db8::7", "2001:db8::9")):
                with a.client() as c:
                    c.send(client_line(address, 77))
                    r = c.request("GET", "/", host=host)
                    assert r.body.decode() == f"{address} 77 {to}"
    finally:
        nginx.terminate()
        nginx.wait(10)
