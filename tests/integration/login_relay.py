# SPDX-License-Identifier: BSD-2-Clause
"""Servers that stand between others: a recording hop, one that only passes on, a
name-mapping tunnel."""
import re
import socket
import threading

from harness.client import Client, head


def relay(port, drop=()):
    """A behaviour of harness.upstream: asks the server at a port instead.

    Fields named in `drop` (lower case) are lost on the way."""
    def serve(connection, request):
        connection.body(request)
        fields = [(k, v) for k, v in request.fields if k.lower() not in drop]
        with Client(("127.0.0.1", port)) as c:
            c.send(head(request.method, request.target, None, fields) +
                   request.body)
            r = c.response(request.method)
        kept = [(k, v) for k, v in r.fields
                if k.lower() not in ("content-length", "transfer-encoding",
                                     "connection")]
        connection.answer(r.status, kept, r.body, r.reason, request.method)
    return serve


class Hop:
    """Lets a server that listens on loopback be found at another address."""

    def __init__(self, port, host):
        self.to = port
        self.host = host
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.to))
            for ends in (near, far), (far, near):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join(10)
        self.listener.close()


class Tunnel:
    """An HTTP proxy for programs that know nothing of the test's host names:
    CONNECT *.akko.test:PORT leads to that port of this machine."""

    def __init__(self):
        self.names = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, near):
        with near:
            data = b""
            while b"\r\n\r\n" not in data:
                if not (more := near.recv(4096)):
                    return
                data += more
            match = re.match(rb"CONNECT ([a-z.]+\.akko\.test):(\d+) ", data)
            if not match:
                near.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            self.names.append(match[1].decode())
            with socket.create_connection(("127.0.0.1", int(match[2]))) as far:
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join(10)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join(10)
        self.listener.close()


def pump(source, sink):
    try:
        while (data := source.recv(65536)):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
