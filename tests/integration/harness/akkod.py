# SPDX-License-Identifier: BSD-2-Clause
"""One akkod with its own directory, ports and log; see Akkod."""
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from .client import Client
from .ports import free_port

PROGRAM = os.environ.get("AKKOD", str(Path(__file__).parents[3] / "build/akkod"))

# Used where a test's configuration names no entry points of its own.
STATIC = """\
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
"""

# Words of a sanitizer or of a failed assertion; none may ever be in a log.
BROKEN = re.compile(r"AddressSanitizer|UndefinedBehavior|runtime error:|"
                    r"LeakSanitizer|ThreadSanitizer|Assertion .* failed|"
                    r"killed by signal (4|6|7|8|11)\b")


class Akkod:
    """Runs `akkod run` on a configuration text.

    In the text @dir@ stands for the test's directory and @word@ for a port
    that is chosen on first use and found again in `ports`; `values` fills
    other words.
    """

    host = "127.0.0.1"		# where its entry points listen

    def __init__(self, directory, io, config, values=None, args=(), env=None,
                 prefix=(), wait=True, program=PROGRAM, host=None,
                 pass_fds=()):
        if host is not None:
            self.host = host
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.io = io
        self.ports = {}
        self.values = dict(values or {})
        self.config = self.dir / "akkod.yaml"
        self.log_path = self.dir / "stderr.log"
        self.run_dir = self.dir / "run"
        self.state_dir = self.dir / "state"
        self.access_path = self.dir / "access.log"
        self.env = {**os.environ, "AKKOD_IO": io, **(env or {})}
        self.checked = True
        self.write(config)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, program, "run", "-c", str(self.config),
                 *self.options(), *args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                pass_fds=pass_fds)
        if not wait:
            return
        try:
            self.wait_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def options(self):
        return ["--runtime-dir", str(self.run_dir),
                "--state-dir", str(self.state_dir)]

    def fill(self, text):
        """Text with its @words@ replaced."""
        def value(match):
            word = match.group(1)
            if word == "dir":
                return str(self.dir)
            if word in self.values:
                return str(self.values[word])
            return str(self.ports.setdefault(word, free_port()))
        return re.sub(r"@([a-z][a-z0-9]*)@", value, text)

    def write(self, config):
        """Puts a new configuration in place, as an editor does."""
        if "entryPoints:" not in config:
            config = STATIC + config
        new = self.dir / "akkod.yaml.new"
        new.write_text(self.fill(config))
        new.rename(self.config)

    # -- the command line --------------------------------------------------

    def command(self, *args, timeout=60):
        """Runs another akkod command for this one: a CompletedProcess."""
        return subprocess.run([PROGRAM, *args, *self.options()], timeout=timeout,
                              env=self.env, capture_output=True, text=True)

    def status(self):
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def reload(self, config=None, code=0):
        """Reloads, with a new text if given; returns what the command said."""
        if config is not None:
            self.write(config)
        done = self.command("reload")
        assert done.returncode == code, done.stdout + done.stderr + self.log
        return done.stdout + done.stderr

    # -- life --------------------------------------------------------------

    def wait_ready(self, seconds=20):
        """Until the workers serve; fails with the log when akkod ends."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"akkod ended with {self.process.returncode}:"
                                     f"\n{self.log}")
            if self.answers():
                return
            time.sleep(0.02)
        raise AssertionError(f"akkod is not ready:\n{self.log}")

    def answers(self):
        """All workers of this akkod run."""
        if not (self.run_dir / "akkod.pid").exists():
            return False
        done = self.command("status", "--json")
        if done.returncode != 0:
            return False
        workers = json.loads(done.stdout)["workers"]
        return bool(workers) and all(w["state"] == "running" for w in workers)

    def stop(self, seconds=30):
        """SIGTERM, and waits: the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"akkod does not stop:\n{self.log}") from None

    def close(self):
        """Ends akkod and checks what every test expects of it."""
        alive = self.process.poll() is None
        code = self.stop()
        log = self.log
        assert not BROKEN.search(log), log
        if alive and self.checked:
            assert code == 0, f"exit status {code}:\n{log}"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, seconds=5):
        """Until the log has a match of the pattern: the match."""
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self.log)):
            assert time.monotonic() < end, f"no {pattern!r} in:\n{self.log}"
            time.sleep(0.02)
        return match

    # -- traffic -----------------------------------------------------------

    def client(self, entry_point="web", **kw):
        """A new connection to an entry point."""
        return Client((self.host, self.ports[entry_point]), **kw)

    def get(self, path="/", host="a.test", entry_point="web", headers=(), **kw):
        """One request on a connection of its own: the response."""
        with self.client(entry_point, **kw) as c:
            return c.request("GET", path, host=host, headers=headers)

    def access(self, n=None, seconds=5):
        """The access log's lines as dicts; waits until there are n."""
        end = time.monotonic() + seconds
        while True:
            lines = []
            if self.access_path.exists():
                text = self.access_path.read_text()
                lines = text[:text.rfind("\n") + 1].splitlines()
            if n is None or len(lines) >= n:
                return [json.loads(line) for line in lines]
            assert time.monotonic() < end, \
                f"{len(lines)} lines of access log, {n} wanted"
            time.sleep(0.02)

    def logged(self, seconds=5, **want):
        """The latest access log line with these values; waits for it."""
        end = time.monotonic() + seconds
        while True:
            for line in reversed(self.access()):
                if all(line.get(k) == v for k, v in want.items()):
                    return line
            assert time.monotonic() < end, f"no line with {want}"
            time.sleep(0.02)

    def worker_pids(self):
        return [w["pid"] for w in self.status()["workers"]]


def accepts(port):
    """Whether something listens there."""
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
