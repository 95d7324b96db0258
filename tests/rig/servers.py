# SPDX-License-Identifier: BSD-2-Clause
"""Starts the real OAuth2 Proxy and Keycloak on loopback ports for tests."""

import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REALM = "akko"
CLIENT_ID = "akko"
CLIENT_SECRET = "akko-client-secret"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build(what):
    """Builds a program if the cache lacks it; returns where it is."""
    run = subprocess.run([HERE / what / "build"], check=True,
                         stdout=subprocess.PIPE, text=True)
    return pathlib.Path(run.stdout.splitlines()[-1])


class Server:
    """A child in its own process group, with its log in its own folder."""

    def __init__(self, name, ready, wait_s, port=None):
        self.name = name
        self.port = port or free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"akkod-{name}-"))
        self.log_path = self.dir / "log"
        self.child = None
        self._ready = ready
        self._wait_s = wait_s

    def log(self):
        return self.log_path.read_text(errors="replace")

    def _spawn(self, args, env=None):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                [str(a) for a in args], cwd=self.dir, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, **(env or {})})
        end = time.monotonic() + self._wait_s
        while not self._answers():
            if self.child.poll() is not None or time.monotonic() > end:
                tail = self.log()[-3000:]
                self.stop()
                raise RuntimeError(f"{self.name} does not start:\n{tail}")
            time.sleep(0.05)

    def _answers(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            c.request("GET", self._ready)
            return c.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            c.close()

    def stop(self):
        """Ends the child and what it started; keeps nothing."""
        if self.child is not None:
            for sig, wait_s in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
                try:
                    os.killpg(self.child.pid, sig)
                    self.child.wait(wait_s)
                    break
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    pass
            self.child.wait()
            self.child = None
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class Keycloak(Server):
    """The identity provider; `public` is the URL that browsers see."""

    def __init__(self, public):
        super().__init__("keycloak", f"/realms/{REALM}", 180)
        pattern = build("keycloak")
        home = self.dir / "home"
        home.mkdir()
        for entry in pattern.iterdir():
            if entry.name != "data":
                (home / entry.name).symlink_to(entry)
        shutil.copytree(pattern / "data", home / "data")
        self.realm = f"{public}/realms/{REALM}"
        self.inner = f"http://127.0.0.1:{self.port}/realms/{REALM}"
        # With --cache=local nothing listens off loopback. The fast compiler is
        # the cheaper one for a server that lives for minutes.
        self._spawn([home / "bin/kc.sh", "start", "--optimized",
                     "--cache=local", "--http-enabled=true",
                     "--http-host=127.0.0.1", f"--http-port={self.port}",
                     f"--hostname={public}",
                     "--hostname-backchannel-dynamic=true",
                     "--proxy-headers=xforwarded",
                     "--proxy-trusted-addresses=127.0.0.1"],
                    {"JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
                     # kc.sh resolves links, so its own data would be the
                     # pattern's: locked while another run uses it.
                     "KC_DB_URL": f"jdbc:h2:file:{home}/data/h2/keycloakdb;"
                                  "NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE;"
                                  "DB_CLOSE_DELAY=0"})


class OAuth2Proxy(Server):
    """An OAuth2 Proxy as an auth server (its upstream answers 202).

    `flags` replace or add to the usual ones; a value of None drops one."""

    def __init__(self, keycloak, auth_host, public_port, flags=None, port=None,
                 env=None):
        super().__init__("oauth2-proxy", "/ping", 30, port)
        public = keycloak.realm + "/protocol/openid-connect"
        inner = keycloak.inner + "/protocol/openid-connect"
        usual = {
            "http-address": f"127.0.0.1:{self.port}",
            "provider": "keycloak-oidc",
            "oidc-issuer-url": keycloak.realm,
            "skip-oidc-discovery": "true",
            "login-url": public + "/auth",
            "redeem-url": inner + "/token",
            "oidc-jwks-url": inner + "/certs",
            "profile-url": inner + "/userinfo",
            "validate-url": inner + "/userinfo",
            "client-id": CLIENT_ID,
            "client-secret": CLIENT_SECRET,
            "code-challenge-method": "S256",
            "redirect-url":
                f"https://{auth_host}:{public_port}/oauth2/callback",
            "email-domain": "*",
            "skip-provider-button": "true",
            "cookie-secret": "0123456789abcdef0123456789abcdef",
            "cookie-domain": ".akko.test",
            "whitelist-domain": f".akko.test:{public_port}",
            "reverse-proxy": "true",
            "set-xauthrequest": "true",
            "set-authorization-header": "true",
            "upstream": "static://202",
        }
        usual.update(flags or {})
        self._spawn([build("oauth2-proxy")] +
                    [f"--{k}={v}" for k, v in usual.items() if v is not None], env)
