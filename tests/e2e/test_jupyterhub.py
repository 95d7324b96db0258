# SPDX-License-Identifier: BSD-2-Clause
"""JupyterHub with JupyterLab behind akkod: login, a server of one's own, a
kernel and a terminal over WebSocket, uploads of 200 MiB."""
import base64
import contextlib
import json
import re
import time
import urllib.parse
import uuid

import pytest
import requests

from bodies import MIB, Body
from servers import Server, build, free_port
from websocket import WebSocket

HOST = "hub.akko.test"
CONFIG = f"""
entryPoints:
  websecure:
    address: "127.0.0.1:@websecure@"
    http: {{tls: {{}}}}
http:
  routers:
    hub: {{rule: "Host(`{HOST}`)", service: hub}}
  services:
    hub: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:@hub@"}}]}}}}
tls:
  stores: {{default: {{defaultCertificate: {{certFile: @crt@, keyFile: @key@}}}}}}
akkod: {{workers: 2}}
"""


class JupyterHub(Server):
    """The Hub and its inner proxy, which everything goes to."""

    def __init__(self, public):
        super().__init__("jupyterhub", "/hub/health", 60)
        home = build("jupyterhub")
        proxy = home / "node/node_modules/.bin/configurable-http-proxy"
        (self.dir / "hub.py").write_text(f"""
c.JupyterHub.bind_url = "http://127.0.0.1:{self.port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{free_port()}"
c.JupyterHub.public_url = "{public}/"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.cookie_secret_file = "{self.dir}/cookie"
c.JupyterHub.db_url = "sqlite:///{self.dir}/hub.sqlite"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{free_port()}"
c.ConfigurableHTTPProxy.auth_token = "{uuid.uuid4().hex}"
c.ConfigurableHTTPProxy.pid_file = "{self.dir}/proxy.pid"
c.Authenticator.allow_all = True
c.DummyAuthenticator.password = "pass word"
c.SimpleLocalProcessSpawner.home_dir_template = "{self.dir}/home/{{username}}"
c.Spawner.args = ["--allow-root",
    "--ZMQChannelsWebsocketConnection.iopub_data_rate_limit=1e9"]
c.Spawner.http_timeout = c.Spawner.start_timeout = 120
""")
        self._spawn([home / "bin/jupyterhub", "-f", self.dir / "hub.py"],
                    {"PATH": f"{home}/bin:/usr/local/bin:/usr/bin:/bin"})


class User:
    """A browser of one user, logged in, whose server runs."""

    def __init__(self, origin, ca, name):
        self.origin, self.ca, self.name = origin, str(ca), name
        self.http = requests.Session()
        self.http.verify, self.http.trust_env = self.ca, False
        # As a browser would spell it.
        self.base = f"{origin}/user/{urllib.parse.quote(name, safe='@')}"
        page = self.http.get(f"{origin}/hub/login", timeout=60)
        assert page.status_code == 200
        r = self.http.post(f"{origin}/hub/login", timeout=60, data={
            "username": name, "password": "pass word",
            "_xsrf": self.http.cookies["_xsrf"]}, headers={"Origin": origin})
        assert r.ok, r.text
        cookies = {c.name: c for c in self.http.cookies}
        assert cookies["jupyterhub-session-id"].secure
        self.spawn()

    def spawn(self):
        """Starts the server; its progress comes as events, the first at once."""
        hub = f"{self.origin}/hub/api/users/{urllib.parse.quote(self.name)}"
        xsrf = next(c.value for c in self.http.cookies
                    if c.name == "_xsrf" and c.path == "/hub/")
        r = self.http.post(f"{hub}/server", timeout=60, headers={
            "X-XSRFToken": xsrf, "Referer": f"{self.origin}/hub/home"})
        assert r.status_code in (201, 202), r.text
        if r.status_code == 202:
            begun = time.monotonic()
            with self.http.get(f"{hub}/server/progress", stream=True, timeout=120,
                               headers={"X-XSRFToken": xsrf}) as r:
                assert r.headers["content-type"] == "text/event-stream"
                events = []
                for line in r.iter_lines():
                    if not line.startswith(b"data:"):
                        continue
                    if not events:
                        assert time.monotonic() - begun < 2
                    events.append(json.loads(line[5:]))
                    if events[-1].get("ready"):
                        break
            assert events[-1]["ready"], events
        # Three redirects of OAuth, and the page.
        page = self.http.get(f"{self.base}/lab", timeout=60)
        assert page.status_code == 200 and "jupyter" in page.text
        assert len(page.history) >= 3

    def api(self, method, path, **kw):
        xsrf = next(c.value for c in self.http.cookies if c.name == "_xsrf" and
                    urllib.parse.unquote(c.path).startswith("/user/"))
        headers = {"X-XSRFToken": xsrf, "Origin": self.origin,
                   **kw.pop("headers", {})}
        r = self.http.request(method, f"{self.base}/api/{path}", timeout=300,
                              headers=headers, **kw)
        assert r.ok, (r.status_code, r.text[:500])
        return r

    def websocket(self, path):
        url = f"{self.base}/{path}"
        cookie = requests.cookies.get_cookie_header(
            self.http.cookies, requests.Request("GET", url))
        return WebSocket(url.replace("https:", "wss:"), self.ca, self.origin,
                         {"Cookie": cookie})


@pytest.fixture(scope="module")
def hub(module_akkod, authority):
    crt, key = authority.leaf(HOST)
    a = module_akkod(CONFIG, values={"crt": crt, "key": key, "hub": 9})
    a.origin = f"https://{HOST}:{a.ports['websecure']}"
    with JupyterHub(a.origin) as hub:
        a.values["hub"] = hub.port
        a.reload(CONFIG)
        a.ann = User(a.origin, authority.file, "ann@example.com")
        a.authority = authority.file
        yield a


# ---- Kernels ----------------------------------------------------------------------


def execute(ws, code):
    """Runs a cell: what it printed, when its kernel is idle again."""
    msg = uuid.uuid4().hex
    ws.send(json.dumps({
        "channel": "shell", "parent_header": {}, "metadata": {}, "buffers": [],
        "header": {"msg_id": msg, "msg_type": "execute_request", "version": "5.3",
                   "username": "", "session": "s", "date": ""},
        "content": {"code": code, "silent": False}}))
    out, idle, reply = "", False, False
    while not (idle and reply):
        m = json.loads(ws.recv())
        if m["parent_header"].get("msg_id") != msg:
            continue
        kind, content = m["msg_type"], m["content"]
        out += content["text"] if kind == "stream" else ""
        reply |= kind == "execute_reply" and content["status"] == "ok"
        idle |= kind == "status" and content["execution_state"] == "idle"
    return out


@contextlib.contextmanager
def kernel(user):
    made = user.api("POST", "kernels", json={"name": "python3"}).json()
    try:
        with user.websocket(f"api/kernels/{made['id']}/channels?session_id=s") as ws:
            yield ws
    finally:
        user.api("DELETE", f"kernels/{made['id']}")


def test_a_cell(hub):
    with kernel(hub.ann) as ws:
        assert execute(ws, "print(6 * 7)") == "42\n"
        out = execute(ws, "print('x' * 8_000_000)")
        assert len(out) == 8_000_001
        execute(ws, "y = 1")
        time.sleep(5)
        assert execute(ws, "print(y + 1)") == "2\n"


def test_a_user_whose_name_has_a_space(hub):
    user = User(hub.origin, hub.authority, "bob [x]")
    with kernel(user) as ws:
        assert execute(ws, "print('hello')") == "hello\n"


# ---- A terminal over reloads ---------------------------------------------------------


class Terminal:
    def __init__(self, ws):
        self.ws, self.seen = ws, ""

    def run(self, command, until):
        self.ws.send(json.dumps(["stdin", command + "\r"]))
        begun = len(self.seen)
        while not re.search(until, self.seen[begun:]):
            kind, *rest = json.loads(self.ws.recv())
            if kind == "stdout":
                self.seen += rest[0]
        return self.seen[begun:]


def test_a_terminal_over_20_reloads_and_an_upgrade(hub):
    name = hub.ann.api("POST", "terminals").json()["name"]
    with hub.ann.websocket(f"terminals/websocket/{name}") as ws:
        t = Terminal(ws)
        t.run("mark=$((6 * 7)); echo set-$mark", "set-42")
        for i in range(20):
            hub.reload(CONFIG.replace("hub: {{", f"hub{i}: {{"))
            t.run(f"echo {i}-$mark-", f"{i}-42-")
        done = hub.command("upgrade")
        assert done.returncode == 0, done.stderr
        t.run("echo after-$mark-", "after-42-")
        begun = len(t.seen)
        t.run("seq 200000; echo end-$mark-", "end-42-")
        assert len(t.seen) - begun > 1_300_000
    hub.ann.api("DELETE", f"terminals/{name}")
    hub.reload(CONFIG)


# ---- Uploads --------------------------------------------------------------------------


def content(body):
    """The JSON of one file, made as it is sent."""
    yield b'{"type": "file", "format": "base64", "content": "'
    left = b""
    for piece in body:
        piece = left + piece
        cut = len(piece) // 3 * 3
        left = piece[cut:]
        yield base64.b64encode(piece[:cut])
    yield base64.b64encode(left) + b'"}'


class Sized:
    """An iterator with a length: requests sends Content-Length."""

    def __init__(self, body):
        self.body = body
        self.n = sum(map(len, content(body)))

    def __len__(self):
        return self.n

    def __iter__(self):
        return content(self.body)


def stored(hub, name):
    """The hash of a file, taken by a kernel where it lies."""
    with kernel(hub.ann) as ws:
        return execute(ws, f"import hashlib, pathlib; print(hashlib.sha256("
                       f"(pathlib.Path.home() / '{name}').read_bytes())"
                       ".hexdigest())").strip()


@pytest.mark.parametrize("how", ["one", "chunked", "pieces"])
def test_upload_of_200_mib(hub, how):
    body, name = Body(200), f"{how}.bin"
    json_type = {"Content-Type": "application/json"}
    if how == "pieces":
        for i, piece in enumerate(body):
            last = i == body.mib - 1
            hub.ann.api("PUT", f"contents/{name}", json={
                "type": "file", "format": "base64", "chunk": -1 if last else i + 1,
                "content": base64.b64encode(piece).decode()})
    else:
        data = Sized(body) if how == "one" else content(body)
        hub.ann.api("PUT", f"contents/{name}", data=data, headers=json_type)
    assert stored(hub, name) == body.sha256()
    assert hub.ann.api("GET", f"contents/{name}?content=0").json()["size"] == \
        200 * MIB
    hub.ann.api("DELETE", f"contents/{name}")
