# SPDX-License-Identifier: BSD-2-Clause
"""An upstream whose answers each test writes: one function per path."""
import time

from .upstream import echo


def mark_log(akkod, path, host="a.test"):
    """Sets akkod.mark to how many lines the access log has; waits for the last."""
    akkod.get(path, host=host)
    end = time.monotonic() + 5
    while True:
        lines = [line["RequestPath"] for line in akkod.access()]
        if path in lines:
            akkod.mark = len(lines)
            return
        assert time.monotonic() < end, f"{path} is not logged"
        time.sleep(0.005)


class Script:
    """`serve` of an Upstream: what was set for the path of a request, else echo."""

    def __init__(self):
        self.paths = {}

    def __call__(self, c, r):
        return self.paths.get(r.target.split("?")[0], echo)(c, r)

    def on(self, path, serve):
        """serve(connection, request), or bytes to send after the request."""
        if isinstance(serve, (bytes, str)):
            data = serve.encode() if isinstance(serve, str) else serve

            def serve(c, r):
                c.body(r)
                c.send(data)
        self.paths[path] = serve
        return path

    def off(self):
        self.paths.clear()
