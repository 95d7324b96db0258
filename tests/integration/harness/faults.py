# SPDX-License-Identifier: BSD-2-Clause
"""What may go wrong around akkod: a disk that is full, a clock that is set."""
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from .akkod import PROGRAM

CLOCKED = Path(PROGRAM).parent / "tests/akkod-other-clock"
DAY = 24 * 3600
YEAR = 365 * DAY


class Disk:
    """A small file system at a path; full() and roomy()."""

    def __init__(self, path, size="512k"):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o777)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=777",
                        "none", str(self.path)], check=True,
                       capture_output=True)

    def full(self):
        with open(self.path / "ballast", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def roomy(self):
        (self.path / "ballast").unlink()

    def close(self):
        subprocess.run(["umount", "-l", str(self.path)], check=True)


class Clock:
    """A program whose clock is set; its children have the same."""

    def __init__(self):
        # Workers are of another user and open the file themselves.
        self.dir = Path(tempfile.mkdtemp(prefix="akkod-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.program = self.dir / "akkod"
        shutil.copy(CLOCKED, self.program)
        self.file = self.dir / "akkod.clock"
        self.ahead(0)
        self.file.chmod(0o644)

    def ahead(self, seconds):
        with open(self.file, "r+b" if self.file.exists() else "wb") as f:
            f.write(struct.pack("=q", seconds))

    def close(self):
        shutil.rmtree(self.dir)


def can_mount():
    """Whether Disk works here."""
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True).returncode == 0
