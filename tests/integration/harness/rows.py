# SPDX-License-Identifier: BSD-2-Clause
"""Tables of raw requests: bytes, the status they get, what arrives upstream."""
import random
import time

import pytest

GOOD = b"GET /good HTTP/1.1\r\nHost: a.test\r\n\r\n"


class Row:
    """A case of a table: its name, the bytes to send, what is expected.

    `closes`: the connection ends behind the answer. `seen` is None when nothing
    may reach the upstream, else it is called with each request that did, or is
    True. A refusal always closes; what stands behind it is never parsed.
    """

    def __init__(self, name, data, status, closes=None, seen=None, entry="web",
                 method=None, tls=False):
        self.name, self.data, self.status = name, data, status
        self.seen, self.entry, self.tls = seen, entry, tls
        self.closes = status >= 400 if closes is None else closes
        word = data.lstrip(b"\r\n").split(b" ")[0]
        self.method = method or word.decode("latin-1")


def head(line=b"GET / HTTP/1.1", *fields, host=b"a.test"):
    """A head from its lines."""
    lines = [line]
    if host is not None:
        lines.append(b"Host: " + host)
    return b"\r\n".join([*lines, *fields, b"", b""])


def refused(row, cases, status=400, **kw):
    """One Row per case (a dict of names or a list); good bytes follow each."""
    if not isinstance(cases, dict):
        cases = {f"{n:02}": case for n, case in enumerate(cases)}
    return [Row(f"{row}-{name}", data + GOOD, status, **kw)
            for name, data in cases.items()]


def passed(row, cases, status=200, closes=False, seen=True, **kw):
    """As refused(), for what arrives upstream; the connection stays usable."""
    if not isinstance(cases, dict):
        cases = {f"{n:02}": case for n, case in enumerate(cases)}
    return [Row(f"{row}-{name}", data, status, closes=closes, seen=seen, **kw)
            for name, data in cases.items()]


def table(*parts):
    """A parametrize mark over rows; names must be unique."""
    rows = [r for part in parts for r in part]
    names = [r.name for r in rows]
    assert len(set(names)) == len(names), \
        {n for n in names if names.count(n) > 1}
    return pytest.mark.parametrize("row", rows, ids=names)


# How bytes are cut on their way: at once, byte by byte, in random pieces.
CUTS = pytest.mark.parametrize("cut", ["whole", "bytes", "random"])


def send_cut(client, data, cut, seed=0):
    """Sends data cut in that way; the other side may close meanwhile."""
    if cut == "whole" or len(data) < 2:
        pieces = [data]
    elif cut == "bytes":
        # Long runs of filling are sent in one piece, the ends byte by byte.
        if len(data) > 600:
            pieces = [data[i:i + 1] for i in range(200)] + [data[200:-200]] + \
                [data[i:i + 1] for i in range(len(data) - 200, len(data))]
        else:
            pieces = [data[i:i + 1] for i in range(len(data))]
    else:
        at = sorted(random.Random(seed).sample(
            range(1, len(data)), min(3, len(data) - 1)))
        pieces = [data[a:b] for a, b in zip([0, *at], [*at, len(data)])]
    try:
        for piece in pieces:
            client.send(piece)
            if cut == "random":
                time.sleep(0.0005)
    except (BrokenPipeError, ConnectionResetError):
        pass


def check_row(akkod, upstream, row, cut="whole"):
    """Sends a row and holds it to what it says."""
    before = len(upstream.requests)
    with akkod.client(row.entry, tls=row.tls) as c:
        send_cut(c, row.data, cut, seed=len(row.data))
        r = c.response(row.method)
        assert r.status == row.status, r
        if row.closes:
            check_closed(c, r)
        else:
            again = c.request("GET", "/again")
            assert again.status in (200, 404), again
    seen = upstream.requests[before:]
    if row.seen is None:
        seen = [s for s in seen if s.target != "/again"]
        assert not seen, seen[0].head
        return r
    assert seen, "nothing arrived"
    assert not row.closes or len(seen) == 1, [s.head for s in seen]
    assert len(seen) <= 2
    if row.seen is not True:
        assert row.seen(seen[0]) is not False, seen[0].head
    return r


def check_closed(c, r):
    """No byte follows an answer that ends the connection, and it says so."""
    if r.version == "HTTP/1.1":
        assert r["Connection"] == "close", r
    assert c.buffer == b"" and not c.more(), c.buffer
