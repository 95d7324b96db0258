# SPDX-License-Identifier: BSD-2-Clause
"""The embedded default: every step that ./run invites to try."""
import gzip
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import netns
from harness.akkod import PROGRAM, Akkod
from harness.client import Client

RUN = Path(__file__).parents[2] / "run"
SITE = "localhost:8443"


class Default(Akkod):
    """akkod without a configuration file, on its fixed ports."""

    def __init__(self, directory, io):
        self.dir = directory
        self.io = io
        self.ports = {"web": 8000, "websecure": 8443, "traefik": 8080}
        self.log_path = directory / "stderr.log"
        self.run_dir = directory / "run"
        self.state_dir = directory / "state"
        self.env = {**os.environ, "AKKOD_IO": io}
        self.checked = True
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "run", *self.options()], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=self.env)
        self.wait_ready()

    def open(self, **kw):
        """A connection to the site over TLS."""
        return Client(("127.0.0.1", 8443), tls=True, sni="localhost", **kw)

    def site(self, path, headers=(), **kw):
        with self.open(**kw) as c:
            return c.request("GET", path, host=SITE, headers=headers)


@pytest.fixture(scope="module", params=("uring", "epoll"))
def default(request, tmp_path_factory):
    if os.path.exists("/etc/akkod/akkod.yaml"):
        pytest.skip("this machine has a configuration of its own")
    wanted = os.environ.get("AKKOD_TEST_IO", "uring,epoll").split(",")
    if request.param not in wanted:
        pytest.skip(f"only {wanted} are tested now")
    with netns.Namespace():
        a = Default(tmp_path_factory.mktemp("default"), request.param)
        yield a
        a.close()


def test_check_finds_nothing_wrong():
    done = subprocess.run([PROGRAM, "check"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("embedded default: good;")


def test_redirect_to_https(default):
    r = default.get("/a?b=c", host="localhost:8000")
    assert r.status in (301, 308)
    assert r["Location"] == f"https://{SITE}/a?b=c"


def test_tls_by_the_local_ca(default, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text(default.command("ca", "--pem").stdout)
    assert default.site("/", cafile=str(ca)).status == 200
    # Also for whoever knows it by address or not at all.
    with Client(("127.0.0.1", 8443), tls=True, sni=None) as c:
        assert c.request("GET", "/", host="127.0.0.1:8443").status == 200


def test_welcome_says_what_is_passed_on(default):
    r = default.site("/hello?x=1", headers=[("X-Own", "1")])
    assert r.status == 200 and r["Content-Type"].startswith("text/plain")
    assert r.text.startswith("GET /hello?x=1 HTTP/1.1\n")
    for line in ("X-Own: 1", f"X-Forwarded-Host: {SITE}",
                 "X-Forwarded-Proto: https", "X-Real-Ip: 127.0.0.1"):
        assert line in r.text.splitlines(), r.text
    assert r["X-Served-By"] == "akkod"
    assert r["X-Frame-Options"] == "DENY"
    assert r["X-Content-Type-Options"] == "nosniff"
    assert r["Strict-Transport-Security"] == "max-age=31536000"


def test_prefix_is_stripped(default):
    r = default.site("/api/hello")
    assert r.text.startswith("GET /hello ")
    assert "X-Forwarded-Prefix: /api" in r.text.splitlines()


def test_by_host(default):
    with default.open() as c:
        r = c.request("GET", "/", host="app.akko.local")
    # Another name than that of the handshake, but no options differ.
    assert r.status == 200 and r["X-Served-By"] is None


def test_compression(default):
    r = default.site("/large", headers=[("Accept-Encoding", "gzip")])
    assert r["Content-Encoding"] == "gzip" and r["Vary"] == "Accept-Encoding"
    assert len(r.body) < 6000
    assert b"line 399 of a text" in gzip.decompress(r.body)
    plain = default.site("/large")
    assert plain["Content-Encoding"] is None and len(plain.body) > 10000


def test_rate_limit(default):
    with default.open() as c:
        seen = [c.request("GET", "/limited", host=SITE).status
                for _ in range(7)]
    assert seen[:5] == [200] * 5 and 429 in seen
    time.sleep(0.6)
    assert default.site("/limited").status == 200


def test_login(default):
    """Sent to the form, given a cookie, and let in as who the cookie says."""
    r = default.site("/private")
    assert r.status == 302 and r["Location"] == f"https://{SITE}/login"
    page = default.site("/login")
    assert page.status == 200 and 'href="/login/in"' in page.text
    r = default.site("/login/in")
    assert r.status == 302 and r["Location"] == "/private"
    cookie = r["Set-Cookie"].split(";")[0]
    r = default.site("/private", headers=[("Cookie", cookie)])
    assert r.status == 200
    assert r.text.count("X-Auth-Request-User: demo") == 1


@pytest.mark.parametrize("name", [
    "X-Auth-Request-User", "x-auth-request-user", "X_Auth_Request_User",
    "X-Auth-Request_User"])
def test_nobody_says_who_he_is(default, name):
    """A header that names a user is not a login, nor does it survive one."""
    spoofed = (name, "root")
    assert default.site("/private", headers=[spoofed]).status == 302
    r = default.site("/private", headers=[
        spoofed, ("Cookie", "akkod_demo=demo")])
    assert r.status == 200 and "root" not in r.text
    assert len(re.findall("x.auth.request.user", r.text, re.I)) == 1


def test_a_cookie_that_was_not_given_is_no_login(default):
    for cookie in ("akkod_demo=", "akkod_demo=a b", "akkod_demo=" + "a" * 33,
                   "akkod_demo=%0d%0aX: y", "demo=demo"):
        r = default.site("/private", headers=[("Cookie", cookie)])
        assert r.status == 302, cookie


def test_ping_is_for_this_machine_only(default):
    r = default.get("/ping", host="127.0.0.1:8080", entry_point="traefik")
    assert r.status == 200 and r.body == b"OK"
    assert "GET /ping" in default.site("/ping").text
    addresses = {x["entry_point"]: x["address"]
                 for x in default.status()["listeners"]}
    assert addresses == {"web": ":8000", "websecure": ":8443",
                         "traefik": "127.0.0.1:8080"}


def test_ipv6_as_well(default):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6")
    with Client(("::1", 8000)) as c:
        assert c.request("GET", "/", host="localhost:8000").status in (301, 308)


def test_run_names_what_is_served(default):
    """Every address that ./run prints answers, as it says."""
    text = RUN.read_text()
    urls = re.findall(r"(https?)://(?:localhost|127\.0\.0\.1):(\d+)(/\S*)", text)
    assert {port for _, port, _ in urls} == {"8000", "8443", "8080"}
    assert len(urls) >= 6
    for scheme, port, path in urls:
        with Client(("127.0.0.1", int(port)), tls=scheme == "https",
                    sni="localhost") as c:
            r = c.request("GET", path, host=f"localhost:{port}")
            assert r.status in (200, 301, 302, 308, 429), (path, r)
    assert not subprocess.run(["sh", "-n", str(RUN)]).returncode
    for command in re.findall(r"build/akkod (\w+)", text):
        if command in ("ca", "status"):
            assert default.command(command).returncode == 0


def test_interrupt_ends_it(default):
    """What Control-C in ./run does; last, the module's akkod is gone then."""
    default.process.send_signal(signal.SIGINT)
    assert default.process.wait(15) == 0
