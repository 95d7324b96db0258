# SPDX-License-Identifier: BSD-2-Clause
"""A WebSocket client of a test that does one thing at a time."""
import asyncio
import ssl

import websockets


class WebSocket:
    def __init__(self, url, ca, origin, headers):
        self.loop = asyncio.new_event_loop()
        self.ws = self._run(lambda: websockets.connect(
            url, origin=origin, ssl=ssl.create_default_context(cafile=ca),
            extra_headers=headers, max_size=None, open_timeout=60))

    def _run(self, start, seconds=60):
        async def bounded():
            return await asyncio.wait_for(start(), seconds)
        return self.loop.run_until_complete(bounded())

    def send(self, text):
        self._run(lambda: self.ws.send(text))

    def recv(self):
        return self._run(self.ws.recv)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._run(self.ws.close)
        self.loop.close()
