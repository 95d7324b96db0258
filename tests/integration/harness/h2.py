# SPDX-License-Identifier: BSD-2-Clause
"""An HTTP/2 client that sends exactly the frames it is told to; see H2."""
import socket
import ssl

import hpack
import hyperframe.frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENHANCE_YOUR_CALM = 11


class Answer:
    """What came on one stream."""

    def __init__(self):
        self.status = None
        self.fields = []
        self.interim = []
        self.trailers = []
        self.body = b""
        self.ended = False
        self.reset = None		# error code of a RST_STREAM

    def __getitem__(self, name):
        return dict(self.fields).get(name)


class H2:
    """One connection; frames are sent as built, answers collected by stream."""

    def __init__(self, address, tls=True, sni="a.test", timeout=10,
                 settings=None, window=None):
        self.sock = socket.create_connection(address, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.sock = context.wrap_socket(self.sock, server_hostname=sni)
            assert self.sock.selected_alpn_protocol() == "h2"
        self.scheme = "https" if tls else "http"
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.answers = {}
        self.goaway = None		# (last stream, error code)
        self.goaways = []
        self.settings = {}		# the server's
        self.pings = []
        self.ended = False
        self.credit = True		# WINDOW_UPDATE as data comes
        self.windows = {0: 65535}	# what the server takes of ours
        self.next_id = 1
        self.sock.sendall(PREFACE)
        self.send(frames.SettingsFrame(0, settings=settings or {}))
        if window:
            self.send(frames.WindowUpdateFrame(0, window_increment=window))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *all_frames):
        self.sock.sendall(b"".join(f.serialize() for f in all_frames))

    def headers(self, method="GET", path="/", host="a.test", fields=(),
                end=True, pseudo=None, stream=None):
        """A HEADERS frame of a new stream; pseudo replaces the usual four."""
        if stream is None:
            stream = self.next_id
            self.next_id += 2
        if pseudo is None:
            pseudo = [(":method", method), (":scheme", self.scheme),
                      (":authority", host), (":path", path)]
        f = frames.HeadersFrame(stream)
        f.data = self.encoder.encode([*pseudo, *fields])
        f.flags.add("END_HEADERS")
        if end:
            f.flags.add("END_STREAM")
        return f

    def start(self, *args, **kw):
        """Sends a HEADERS frame: the stream's number."""
        f = self.headers(*args, **kw)
        self.send(f)
        return f.stream_id

    def data(self, stream, data, end=False):
        f = frames.DataFrame(stream, data)
        if end:
            f.flags.add("END_STREAM")
        for k in (0, stream):
            self.windows[k] = self.windows.get(k, 65535) - len(data)
        self.send(f)

    def room(self, stream):
        """Bytes that the server takes on a stream now."""
        return min(self.windows[0], self.windows.get(stream, 65535))

    def answer(self, stream):
        return self.answers.setdefault(stream, Answer())

    # -- reading -------------------------------------------------------------

    def frame(self):
        """Reads one frame and notes it; None at the end of the stream."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(
                self.buffer[:3], "big"):
            try:
                data = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                data = b""
            if not data:
                self.ended = True
                return None
            self.buffer += data
        f, n = frames.Frame.parse_frame_header(memoryview(self.buffer[:9]))
        f.parse_body(memoryview(self.buffer[9:9 + n]))
        self.buffer = self.buffer[9 + n:]
        self.note(f)
        return f

    def reply(self, frame):
        """Sends what a client owes; a server that has left need not get it."""
        try:
            self.send(frame)
        except OSError:
            pass

    def note(self, f):
        if isinstance(f, frames.HeadersFrame):
            assert "END_HEADERS" in f.flags
            self.note_headers(self.answer(f.stream_id),
                              self.decoder.decode(f.data))
        elif isinstance(f, frames.DataFrame):
            self.answer(f.stream_id).body += f.data
            if self.credit and f.data:
                self.reply(frames.WindowUpdateFrame(0, window_increment=len(f.data)))
                if "END_STREAM" not in f.flags:
                    self.reply(frames.WindowUpdateFrame(
                        f.stream_id, window_increment=len(f.data)))
        elif isinstance(f, frames.RstStreamFrame):
            self.answer(f.stream_id).reset = f.error_code
        elif isinstance(f, frames.GoAwayFrame):
            self.goaway = (f.last_stream_id, f.error_code)
            self.goaways.append(self.goaway)
        elif isinstance(f, frames.SettingsFrame) and "ACK" not in f.flags:
            self.settings.update(f.settings)
            self.reply(frames.SettingsFrame(0, flags=["ACK"]))
        elif isinstance(f, frames.WindowUpdateFrame):
            self.windows[f.stream_id] = self.windows.get(
                f.stream_id, 65535) + f.window_increment
        elif isinstance(f, frames.PingFrame) and "ACK" in f.flags:
            self.pings.append(f.opaque_data)
        if "END_STREAM" in f.flags:
            self.answer(f.stream_id).ended = True

    def note_headers(self, a, fields):
        status = dict(fields).get(":status")
        plain = [(k, v) for k, v in fields if not k.startswith(":")]
        if a.status is not None and a.status >= 200:
            a.trailers = plain
        elif int(status) < 200:
            a.interim.append((int(status), plain))
        else:
            a.status, a.fields = int(status), plain

    def until(self, done):
        """Reads frames until done() or the connection's end."""
        while not done() and self.frame() is not None:
            pass

    def response(self, stream):
        a = self.answer(stream)
        self.until(lambda: a.ended or a.reset is not None)
        return a

    def get(self, *args, **kw):
        return self.response(self.start(*args, **kw))

    def rest(self):
        """Reads to the end of the connection: the last GOAWAY, if any."""
        self.until(lambda: False)
        return self.goaway
