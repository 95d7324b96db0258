# SPDX-License-Identifier: BSD-2-Clause
"""akkod as `akkod start` leaves it: in the background; see Service."""
import os
import signal
import subprocess
import time

from .akkod import PROGRAM, Akkod


class Service(Akkod):
    """The same files and commands as Akkod, but nothing runs until start().

    The master is nobody's child here, so tests see what a service manager
    sees: exit statuses of commands, the pid file, the control socket.
    """

    def __init__(self, directory, io, config, values=None, env=None):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.io = io
        self.ports = {}
        self.values = dict(values or {})
        self.config = self.dir / "akkod.yaml"
        self.run_dir = self.dir / "run"
        self.state_dir = self.dir / "state"
        self.access_path = self.dir / "access.log"
        self.log_path = self.run_dir / "akkod.log"
        self.env = {**os.environ, "AKKOD_IO": io, **(env or {})}
        if config is not None:
            self.write(config)

    def start(self, *args, prefix=(), program=PROGRAM, **kw):
        """Runs `akkod start`: a CompletedProcess."""
        return subprocess.run(
            [*prefix, program, "start", "-c", str(self.config),
             *self.options(), *args],
            env=self.env, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, **kw)

    @property
    def pid(self):
        """The master's number; None without a pid file."""
        try:
            return int((self.run_dir / "akkod.pid").read_text())
        except (OSError, ValueError):
            return None

    @property
    def log(self):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def close(self):
        """Ends it, whatever state it is in."""
        if self.pid is None:
            return
        self.command("stop", "--now")
        end = time.monotonic() + 10
        while (pid := self.pid) is not None and alive(pid):
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError(f"akkod does not stop:\n{self.log}")
            time.sleep(0.02)


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
