# SPDX-License-Identifier: BSD-2-Clause
"""Headless Chromium, driven over WebDriver's own HTTP; see Chromium."""
import http.client
import json
import os
import signal
import subprocess
import time

from harness.ports import free_port

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"	# W3C WebDriver section 12.1
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu",
    "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
]


class Chromium:
    """One fresh browser that trusts one authority and knows one site: the names
    are this machine, no other name exists."""

    def __init__(self, directory, cafile, names="*.akko.test"):
        self.dir, self.names = directory, names
        store = self.dir / ".pki/nssdb"
        store.mkdir(parents=True)
        for arguments in (["-N", "--empty-password"],
                          ["-A", "-t", "C,,", "-n", "test", "-i", cafile]):
            subprocess.run(["certutil", "-d", f"sql:{store}", *map(str, arguments)],
                           check=True, capture_output=True, timeout=60)
        self.port = free_port()
        self.session = None
        with open(self.dir / "driver.log", "wb") as log:
            self.driver = subprocess.Popen(
                ["chromedriver", f"--port={self.port}"], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "HOME": str(self.dir)})
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        end = time.monotonic() + 30
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    break
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < end, "chromedriver does not start"
                time.sleep(0.1)
        self.session = self._call("POST", "/session", {"capabilities": {
            "alwaysMatch": {"goog:chromeOptions": {"args": [
                *ARGUMENTS,
                f"--host-resolver-rules=MAP {self.names} 127.0.0.1, MAP * ~NOTFOUND",
                f"--user-data-dir={self.dir}/profile"]}}}})["sessionId"]

    def close(self):
        try:
            if self.session:
                self._call("DELETE", f"/session/{self.session}")
        finally:
            try:
                os.killpg(self.driver.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.driver.wait()

    def _call(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            c.request(method, path, None if body is None else json.dumps(body),
                      {"Content-Type": "application/json"})
            r = c.getresponse()
            value = json.loads(r.read())["value"]
        finally:
            c.close()
        assert r.status == 200, value
        return value

    def _do(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        """Goes there; returns when the page that it led to has loaded."""
        self._do("POST", "/url", {"url": url})

    @property
    def url(self):
        return self._do("GET", "/url")

    def run(self, script):
        """The value of a script's return statement, or of its promise."""
        return self._do("POST", "/execute/sync", {"script": script, "args": []})

    def cookies(self):
        """Those that this page's host would be sent, by name."""
        return {c["name"]: c for c in self._do("GET", "/cookie")}

    def find(self, selector, seconds=20):
        """The element; waits until the page has it."""
        end = time.monotonic() + seconds
        while True:
            found = self._do("POST", "/elements", {"using": "css selector",
                                                   "value": selector})
            if found:
                return found[0][ELEMENT]
            assert time.monotonic() < end, \
                f"no {selector} at {self.url}:\n{self.text()}"
            time.sleep(0.05)

    def text(self):
        return self.run("return document.body.innerText")

    def type(self, selector, text):
        self._do("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def click(self, selector):
        self._do("POST", f"/element/{self.find(selector)}/click", {})
