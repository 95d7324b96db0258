# SPDX-License-Identifier: BSD-2-Clause
"""A recording HTTP/2 server; see H2Upstream.

Behaviours are written frame by frame: what no library would send, such as a
malformed answer, has to be sent here.
"""
import json
import socket
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

# What must never come in (RFC 9113 8.2.2); te only as "trailers".
CONNECTION_FIELDS = {"connection", "keep-alive", "proxy-connection", "upgrade",
                     "transfer-encoding", "http2-settings", "expect",
                     "trailer", "host"}


class Call:
    """One request as it came, and the way to answer it."""

    def __init__(self, connection, stream, fields):
        self.connection, self.stream = connection, stream
        self.fields = [(k, v) for k, v in fields if not k.startswith(":")]
        self.pseudo = {k: v for k, v in fields if k.startswith(":")}
        self.target, self.method = self.pseudo[":path"], self.pseudo[":method"]
        self.body = b""
        self.ended = False		# END_STREAM came
        self.reset = None		# error code of a RST_STREAM
        self.ended_at = None

    def __getitem__(self, name):
        values = [v for k, v in self.fields if k == name]
        return values[0] if values else None

    def head(self, status=200, fields=(), end=False):
        self.connection.headers(self.stream, [(":status", str(status)), *fields],
                                end)

    def data(self, data, end=False):
        """Sends a body as the windows allow."""
        self.connection.data(self.stream, data, end)

    def trailers(self, fields):
        self.connection.headers(self.stream, list(fields), True)

    def answer(self, status=200, fields=(), body=b""):
        if isinstance(body, str):
            body = body.encode()
        self.head(status, [("content-length", str(len(body))), *fields],
                  end=not body)
        if body:
            self.data(body, end=True)

    def rst(self, code):
        self.connection.do(lambda c: c.reset_stream(self.stream, code))

    def wait(self, done, seconds=10):
        """Until done(self) holds; other frames are read meanwhile."""
        end = time.monotonic() + seconds
        with self.connection.changed:
            while not done(self):
                left = end - time.monotonic()
                assert left > 0, f"nothing after {seconds} s: {self.target}"
                self.connection.changed.wait(left)

    def whole(self):
        """Waits for the end of the request's body."""
        self.wait(lambda c: c.ended or c.reset is not None)
        return self.body


class H2Connection:
    """One connection from akkod: a thread reads, behaviours write."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        config = h2.config.H2Configuration(
            client_side=False, header_encoding="latin-1",
            validate_outbound_headers=False, normalize_outbound_headers=False,
            validate_inbound_headers=True)
        self.h2 = h2.connection.H2Connection(config)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.calls = {}
        self.pings = 0
        self.goaway = None
        self.over = False
        self.credit = server.credit
        self.settings = {}
        self.most = 0			# streams open at once

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def do(self, action):
        with self.lock:
            action(self.h2)
            self.flush()

    def raw(self, *frames):
        """Frames that h2 would not send."""
        with self.lock:
            self.sock.sendall(b"".join(f.serialize() for f in frames))

    def headers(self, stream, fields, end):
        self.do(lambda c: c.send_headers(stream, fields, end_stream=end))

    def data(self, stream, data, end=False):
        while True:
            with self.changed:
                if not data:
                    if end:
                        self.do(lambda c: c.end_stream(stream))
                    return
                room = min(self.h2.local_flow_control_window(stream),
                           self.h2.max_outbound_frame_size)
                if room > 0:
                    piece, data = data[:room], data[room:]
                    self.do(lambda c: c.send_data(
                        stream, piece, end_stream=end and not data))
                    if not data:
                        return
                elif self.over or self.calls[stream].reset is not None:
                    raise OSError("akkod left")
                else:
                    self.changed.wait(10)

    def run(self):
        self.h2.initiate_connection()
        self.h2.update_settings(self.server.settings)
        self.flush()
        while data := self.sock.recv(65536):
            with self.changed:
                for event in self.h2.receive_data(data):
                    self.note(event)
                self.flush()
                self.changed.notify_all()

    def note(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.begin(event)
        elif isinstance(event, h2.events.DataReceived):
            call = self.calls[event.stream_id]
            call.body += event.data
            if self.credit and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length,
                                                  event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.calls[event.stream_id].ended = True
        elif isinstance(event, h2.events.StreamReset):
            call = self.calls.get(event.stream_id)
            if call is not None:
                call.reset = event.error_code
                call.ended_at = time.monotonic()
        elif isinstance(event, h2.events.PingAckReceived):
            self.pings += 1
        elif isinstance(event, h2.events.PingReceived):
            self.pings += 1
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings.update({k: v.new_value for k, v in
                                  event.changed_settings.items()})

    def begin(self, event):
        call = Call(self, event.stream_id, event.headers)
        self.server.check(call)
        self.calls[event.stream_id] = call
        self.most = max(self.most, self.h2.open_inbound_streams)
        self.server.requests.append(call)
        threading.Thread(target=self.server.serve_safely, args=(call,),
                         daemon=True).start()


def echo(call):
    """Answers with what arrived, as JSON."""
    call.whole()
    call.answer(200, [("content-type", "application/json")], json.dumps(
        {"method": call.method, "target": call.target, "fields": call.fields,
         "pseudo": call.pseudo, "body": call.body.decode("latin-1")}))


class H2Upstream:
    """A listening server; `serve(call)` answers a request on its own thread."""

    def __init__(self, serve=echo, tls=None, settings=None, credit=True):
        self.serve = serve
        self.tls = tls
        self.settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100,
                         **(settings or {})}
        self.credit = credit		# give it as data comes
        self.requests = []
        self.connections = []
        self.broken = []
        self.failed = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def check(self, call):
        """What a proxy must never send on HTTP/2."""
        names = [k for k, _ in call.fields]
        if bad := CONNECTION_FIELDS & set(names):
            self.broken.append(f"connection fields {bad}")
        if call["te"] not in (None, "trailers"):
            self.broken.append(f"te: {call['te']}")
        if any(k != k.lower() for k in names):
            self.broken.append("upper case names")
        if set(call.pseudo) != {":method", ":scheme", ":authority", ":path"}:
            self.broken.append(f"pseudo fields {call.pseudo}")

    def serve_safely(self, call):
        try:
            self.serve(call)
        except (OSError, h2.exceptions.ProtocolError):
            pass
        except Exception as e:		# a test's own fault is not to be lost
            self.failed.append(repr(e))

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.run, args=(sock,), daemon=True).start()

    def run(self, sock):
        c = None
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
                if sock.selected_alpn_protocol() != "h2":
                    return
            c = H2Connection(self, sock)
            self.connections.append(c)
            c.run()
        except (OSError, ssl.SSLError):
            pass
        except h2.exceptions.ProtocolError as e:
            self.broken.append(repr(e))
        finally:
            if c is not None:
                with c.changed:
                    c.over = True
                    c.changed.notify_all()
            sock.close()

    @property
    def last(self):
        return self.requests[-1]

    def wait(self, n, seconds=5):
        end = time.monotonic() + seconds
        while len(self.requests) < n:
            assert time.monotonic() < end, \
                f"{len(self.requests)} requests, {n} wanted"
            time.sleep(0.01)

    def open(self):
        """How many connections akkod holds open now."""
        return sum(not c.over for c in self.connections)

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.acceptor.join(10)
        self.listener.close()
        for c in self.connections:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        assert not self.broken, self.broken
        assert not self.failed, self.failed


def server_context(certificate, key, protocols=("h2", "http/1.1")):
    """TLS for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(list(protocols))
    return context
