# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the long runs: those of the integration tests, and names."""
import importlib.util
import socket
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "rig")]

spec = importlib.util.spec_from_file_location(
    "fixtures", TESTS / "integration/conftest.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
authority = fixtures.authority
module_io, module_akkod = fixtures.module_io, fixtures.module_akkod


@pytest.fixture(scope="session", autouse=True)
def names():
    """Names below akko.test are this machine, as a hosts file would say."""
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kw):
        text = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if str(text).endswith(".akko.test") else host,
                    *args, **kw)
    socket.getaddrinfo = getaddrinfo
    yield
    socket.getaddrinfo = real
