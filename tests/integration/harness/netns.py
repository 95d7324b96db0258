# SPDX-License-Identifier: BSD-2-Clause
"""A network namespace for this process and what it starts; see Namespace."""
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


class Namespace:
    """Entered by the calling thread, and by threads and programs it starts.

    Loopback is up and has the networks given, so that any address in them can
    be listened on. It may be left and entered again.
    """

    def __init__(self, *networks):
        self.networks = networks
        self.inside = None

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if self.inside is not None:
            _check(_libc.setns(self.inside, CLONE_NEWNET), "setns")
            return self
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        self.inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for network in self.networks:
            subprocess.run(["ip", "addr", "add", network, "dev", "lo"],
                           check=True)
        return self

    def __exit__(self, *_):
        _check(_libc.setns(self.before, CLONE_NEWNET), "setns")
        os.close(self.before)

    def close(self):
        """Forgets it, once it is left; processes in it keep it alive."""
        if self.inside is not None:
            os.close(self.inside)
            self.inside = None
