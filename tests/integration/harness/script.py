# SPDX-License-Identifier: BSD-2-Clause
"""An upstream whose answers each test writes: one function per path."""
from .upstream import echo


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
