# SPDX-License-Identifier: BSD-2-Clause
"""Large bodies that are made as they are sent, and what they hash to."""
import hashlib
import os

MIB = 1 << 20


class Body:
    """mib MiB that no two pieces of are the same; iterable any number of times.

    It has a length, so that a client sends it with Content-Length.
    """

    def __init__(self, mib):
        self.mib, self.seed = mib, os.urandom(MIB - 8)

    def __len__(self):
        return self.mib * MIB

    def piece(self, i):
        return self.seed + i.to_bytes(8, "big")

    def __iter__(self):
        return (self.piece(i) for i in range(self.mib))

    def chunked(self):
        """The same for a client that is not told the length."""
        return iter(self)

    def sha256(self):
        h = hashlib.sha256()
        for p in self:
            h.update(p)
        return h.hexdigest()


def sha256_of(response):
    """Of a streamed answer of requests."""
    h = hashlib.sha256()
    for piece in response.iter_content(MIB):
        h.update(piece)
    return h.hexdigest()
