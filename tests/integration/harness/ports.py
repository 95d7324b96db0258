# SPDX-License-Identifier: BSD-2-Clause
"""Ports that nothing listens on, below the range the kernel hands out itself."""
import random
import socket

_given = set()


def free_port():
    """A loopback port that is free now and was not given before."""
    while True:
        port = random.randrange(10000, 32000)
        if port in _given:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
