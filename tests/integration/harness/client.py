# SPDX-License-Identifier: BSD-2-Clause
"""An HTTP/1 client that sends exactly the bytes it is told to; see Client."""
import socket
import ssl


class Response:
    """A response as it came: status, reason, fields in order, body."""

    def __init__(self, version, status, reason, fields, head):
        self.version, self.status, self.reason = version, status, reason
        self.fields = fields
        self.head = head
        self.body = b""
        self.trailers = []
        self.interim = []		# responses before this one, 1xx

    def __getitem__(self, name):
        """The value of a field that occurs once; None without it."""
        values = self.all(name)
        assert len(values) < 2, f"{name} occurs {len(values)} times"
        return values[0] if values else None

    def all(self, name):
        return [v for k, v in self.fields if k.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:200]!r}>"


class Client:
    """One connection; every read has a time limit."""

    def __init__(self, address, tls=False, sni="a.test", alpn=("http/1.1",),
                 cafile=None, timeout=10, context=None, source=None,
                 session=None):
        self.sock = socket.create_connection(
            address, timeout, source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            if context is None:
                context = ssl.create_default_context(cafile=cafile)
                if cafile is None:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                context.set_alpn_protocols(list(alpn))
            self.sock = context.wrap_socket(self.sock, server_hostname=sni,
                                            session=session)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def fin(self):
        """Half-close: no more from us."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def request(self, method, target, host="a.test", headers=(), body=None):
        """Sends one request, reads its final response."""
        self.send(head(method, target, host, headers, body) + (body or b""))
        return self.response(method)

    # -- reading -------------------------------------------------------------

    def more(self):
        """Reads some bytes; False at the end of the stream."""
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def exactly(self, n):
        while len(self.buffer) < n:
            if not self.more():
                raise EOFError(f"{len(self.buffer)} of {n} bytes")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.more():
                raise EOFError(f"in a line: {self.buffer[:100]!r}")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        assert b"\n" not in line, line
        return line

    def head(self):
        """The next head, interim or final."""
        start = self.line()
        version, status, reason = (start.decode("latin-1") + " ").split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), start
        lines = [start]
        while lines[-1]:
            lines.append(self.line())
        return Response(version, int(status), reason.strip(),
                        [field(line) for line in lines[1:-1]],
                        b"\r\n".join(lines))

    def final(self):
        """The next final head, with the interim ones before it."""
        interim = []
        while (r := self.head()).status < 200:
            interim.append(r)
        r.interim = interim
        return r

    def response(self, method="GET"):
        """A whole response; EOFError when it is cut short."""
        r = self.final()
        if method == "HEAD" or r.status in (204, 304):
            return r
        if r["Transfer-Encoding"] is not None:
            assert r["Transfer-Encoding"] == "chunked"
            assert r["Content-Length"] is None
            self.chunked(r)
        elif r["Content-Length"] is not None:
            r.body = self.exactly(int(r["Content-Length"]))
        else:
            while self.more():
                pass
            r.body, self.buffer = self.buffer, b""
        return r

    def chunk(self):
        """The next chunk; b"" for the last."""
        size = int(self.line(), 16)
        if size == 0:
            return b""
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def chunked(self, r):
        while (data := self.chunk()):
            r.body += data
        while (line := self.line()):
            r.trailers.append(field(line))

    def rest(self):
        """Everything until the other side ends the stream."""
        try:
            while self.more():
                pass
        except ConnectionResetError:
            pass
        data, self.buffer = self.buffer, b""
        return data

    def closed(self):
        """True when the other side ends without a further byte."""
        return self.rest() == b""


def field(line):
    name, colon, value = line.decode("latin-1").partition(":")
    assert colon and name and name == name.strip(), line
    return name, value.strip(" \t")


def head(method, target, host="a.test", headers=(), body=None):
    """The head of a request as bytes."""
    lines = [f"{method} {target} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    if isinstance(headers, dict):
        headers = headers.items()
    lines += [f"{k}: {v}" for k, v in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
