# SPDX-License-Identifier: BSD-2-Clause
"""A server that records every byte and holds akkod to its promises.

What a proxy must never send upstream (security invariants N-02 to N-05, N-08)
is checked on every request that any test makes; `broken` lists violations and
the fixture fails the test on them.
"""
import json
import re
import socket
import ssl
import threading
import time

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "upgrade",
              "proxy-authenticate", "proxy-authorization", "trailer",
              "http2-settings", "proxy", "expect"}
# Sent by akkod itself, each exactly once.
OWNED = ("x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
         "x-forwarded-server", "x-forwarded-for", "x-real-ip")
FRAMING = ("content-length", "transfer-encoding", "host")


class Broken(Exception):
    """akkod sent what it must never send."""


class Request:
    """One request as it arrived."""

    def __init__(self, head):
        self.head = head
        lines = head.split(b"\r\n")
        self.method, self.target, self.version = \
            lines[0].decode("latin-1").split(" ", 2)
        self.fields = [tuple(part.decode("latin-1").strip(" \t")
                             for part in line.split(b":", 1))
                       for line in lines[1:] if line]
        self.body = b""
        self.complete = False		# the body came to its end
        self.connection = None

    def __getitem__(self, name):
        values = self.all(name)
        return values[0] if values else None

    def all(self, name):
        return [v for k, v in self.fields if k.lower() == name.lower()]

    def echo(self):
        return {"method": self.method, "target": self.target,
                "fields": self.fields, "body": self.body.decode("latin-1")}


def check_head(head, owned=True):
    """Raises Broken unless the bytes of a head are beyond reproach."""
    if re.search(rb"(?<!\r)\n|\r(?!\n)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]", head):
        raise Broken(f"N-03 control byte: {head!r}")
    lines = head[:-4].split(b"\r\n")
    if not re.fullmatch(rb"[A-Z0-9_-]+ (/[^ ]*|\*) HTTP/1\.1", lines[0]):
        raise Broken(f"N-03 request line: {lines[0]!r}")
    seen = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name):
            raise Broken(f"N-03 field line: {line!r}")
        if not value.startswith(b" ") or value.strip(b" \t") != value[1:]:
            raise Broken(f"N-03 white space around a value: {line!r}")
        seen.setdefault(name.decode().lower(), []).append(value[1:].decode("latin-1"))
    for name in FRAMING:
        if len(seen.get(name, ())) > 1:
            raise Broken(f"N-03 {name} occurs twice")
    if "host" not in seen:
        raise Broken("N-03 no Host")
    if "content-length" in seen and "transfer-encoding" in seen:
        raise Broken("N-02 two framings")
    if seen.get("transfer-encoding", ["chunked"]) != ["chunked"]:
        raise Broken(f"N-02 {seen['transfer-encoding']}")
    if not re.fullmatch(r"\d+", seen.get("content-length", ["0"])[0]):
        raise Broken(f"N-02 {seen['content-length']}")
    hops = HOP_BY_HOP & set(seen)
    if seen.get("upgrade") == ["websocket"]:
        hops -= {"upgrade", "connection"}
    if hops or seen.get("te", ["trailers"]) != ["trailers"]:
        raise Broken(f"N-04 hop-by-hop fields {hops or 'te'}")
    for name in OWNED if owned else ():
        if len(seen.get(name, ())) != 1:
            raise Broken(f"N-05 {name}: {seen.get(name)}")
        for other in seen:
            if other != name and re.sub("[^a-z0-9]", "-", other) == name:
                raise Broken(f"N-05 {other} stands for {name}")


class Connection:
    """One connection from akkod, as the server's code sees it."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.buffer = b""
        self.received = b""
        self.requests = 0

    def more(self):
        data = self.sock.recv(65536)
        self.buffer += data
        self.received += data
        return bool(data)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                raise EOFError
        data, mark, self.buffer = self.buffer.partition(mark)
        return data + mark

    def exactly(self, n):
        while len(self.buffer) < n:
            if not self.more():
                raise EOFError
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def request(self):
        """The next head; None when akkod closed the connection."""
        while not self.buffer:
            if not self.more():
                return None
        head = self.until(b"\r\n\r\n")
        if self.server.checked:
            check_head(head, self.server.owned)
        r = Request(head)
        r.connection = self
        self.requests += 1
        return r

    def body(self, r):
        """Reads the rest of a request."""
        if r["Transfer-Encoding"]:
            while True:
                line = self.until(b"\r\n")
                if self.server.checked and \
                        not re.fullmatch(rb"[0-9a-f]+\r\n", line):
                    raise Broken(f"N-03 chunk line {line!r}")
                size = int(line, 16)
                r.body += self.exactly(size)
                if self.exactly(2) != b"\r\n":
                    raise Broken("N-02 chunk without its end")
                if size == 0:
                    break
        else:
            want = int(r["Content-Length"] or 0)
            while len(r.body) < want:
                if not self.buffer and not self.more():
                    raise EOFError
                n = want - len(r.body)
                r.body += self.buffer[:n]
                self.buffer = self.buffer[n:]
        r.complete = True

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, status=200, fields=(), body=b"", reason="OK", method="GET"):
        """Sends one whole response with a Content-Length."""
        if isinstance(body, str):
            body = body.encode()
        head = [f"HTTP/1.1 {status} {reason}", *(f"{k}: {v}" for k, v in fields)]
        if not any(k.lower() == "content-length" for k, _ in fields) and \
                status >= 200 and status not in (204, 304):
            head.append(f"Content-Length: {len(body)}")
        if method == "HEAD":
            body = b""
        self.send(("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()


def echo(c, r):
    """The usual behaviour: answers with what arrived, as JSON."""
    c.body(r)
    c.answer(200, [("Content-Type", "application/json")],
             json.dumps(r.echo()), method=r.method)


class Upstream:
    """A listening server; `serve(connection, request)` answers a request.

    A behaviour that returns False ends the connection. `owned` is False for
    what akkod asks on its own account, such as a forward-auth server; nothing
    is checked of requests that another proxy wrote (`checked` False).
    """

    def __init__(self, serve=echo, tls=None, owned=True, backlog=128,
                 checked=True, port=0, host="127.0.0.1"):
        self.host = host
        self.serve = serve
        self.owned = owned
        self.checked = checked
        self.requests = []
        self.broken = []
        self.connections = []
        self.tls = tls
        self.listener = socket.create_server((host, port), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        self.closing = False
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.run, args=(sock,), daemon=True).start()

    def run(self, sock):
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            c = Connection(self, sock)
            self.connections.append(c)
            while (r := c.request()) is not None:
                self.requests.append(r)
                if self.serve(c, r) is False:
                    break
        except Broken as e:
            self.broken.append(str(e))
        except (OSError, EOFError):
            pass
        finally:
            sock.close()

    @property
    def last(self):
        return self.requests[-1]

    def wait(self, n, seconds=5):
        """Until n requests have come."""
        end = time.monotonic() + seconds
        while len(self.requests) < n:
            assert time.monotonic() < end, \
                f"{len(self.requests)} requests, {n} wanted"
            time.sleep(0.01)

    def open(self):
        """How many connections akkod holds open now."""
        return sum(c.sock.fileno() != -1 for c in self.connections)

    def close(self):
        # A thread left in accept() holds the port, and may go on with the
        # descriptor of a later server.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:			# closed before
            pass
        self.acceptor.join(10)
        self.listener.close()
        for c in self.connections:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        assert not self.broken, self.broken


def server_context(certificate, key):
    """TLS for an upstream."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
