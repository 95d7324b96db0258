# SPDX-License-Identifier: BSD-2-Clause
"""deploy/example/akko.yaml as it is, but for ports and addresses: ten hosts."""
import json
import ssl
from pathlib import Path

import pytest
import yaml

from harness.client import Client

EXAMPLE = Path(__file__).parents[2] / "deploy/example/akko.yaml"
# host: the service behind it, whether a login is asked for
HOSTS = {
    "akko.local": ("cockpit", False),
    "federation.akko.local": ("trino", True),
    "jupyterhub.akko.local": ("jupyterhub", False),
    "orchestrator.akko.local": ("airflow", False),
    "bi.akko.local": ("superset", True),
    "identity.akko.local": ("keycloak", False),
    "grafana.akko.local": ("grafana", False),
    "minio.akko.local": ("minio", False),
    "experiments.akko.local": ("mlflow", True),
    "auth.akko.local": ("oauth2-proxy", False),
}
PORTS = {"cockpit": 80, "trino": 8080, "jupyterhub": 8000, "airflow": 8080,
         "superset": 8088, "keycloak": 8080, "grafana": 3000, "minio": 9001,
         "mlflow": 5000, "oauth2-proxy": 4180}


def login(c, r):
    """Stands for OAuth2 Proxy: asked by akkod and visited by the browser."""
    c.body(r)
    if r["X-Forwarded-Uri"] is None or r.target.startswith("/oauth2/"):
        c.answer(200, [("X-Service", "oauth2-proxy")], r.target)
    elif "_oauth2_proxy=good" in (r["Cookie"] or ""):
        c.answer(202, [("X-Auth-Request-User", "alice"),
                       ("X-Auth-Request-Groups", "a,b"),
                       ("Authorization", "Bearer token"),
                       ("Set-Cookie", "_oauth2_proxy=fresh; Path=/"),
                       ("Set-Cookie", "internal=1")])
    else:
        c.answer(302, [("Location", "https://identity.akko.local/login"),
                       ("Set-Cookie", "_oauth2_proxy_csrf=x")], "Found")


def service(name):
    def serve(c, r):
        c.body(r)
        c.answer(200, [("X-Service", name), ("Content-Type", "application/json")],
                 json.dumps(r.echo()), method=r.method)
    return serve


def text():
    """The example with free ports and one recording server per service."""
    doc = yaml.safe_load(EXAMPLE.read_text())
    doc["entryPoints"]["web"]["address"] = "127.0.0.1:@web@"
    doc["entryPoints"]["websecure"]["address"] = "127.0.0.1:@websecure@"
    doc["accessLog"]["filePath"] = "@dir@/access.log"
    out = json.dumps(doc)
    for name, port in PORTS.items():
        assert f"http://{name}:{port}" in out, name
        word = name.replace("-", "").replace("2", "two")
        out = out.replace(f"http://{name}:{port}", f"http://127.0.0.1:@{word}@")
    out = out.replace('":8080"', '"127.0.0.1:@traefik@"')
    return "# entryPoints: are in it\n" + out


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    servers = {n: module_upstream(login if n == "oauth2-proxy" else service(n),
                                  owned=n != "oauth2-proxy") for n in PORTS}
    values = {n.replace("-", "").replace("2", "two"): u.port
              for n, u in servers.items()}
    a = module_akkod(text(), values=values)
    a.servers = servers
    a.ca = ssl.create_default_context(cadata=a.command("ca", "--pem").stdout)
    return a


def get(a, host, target="/", method="GET", headers=(), body=None):
    """Over TLS, verified against the local CA and the name."""
    with Client(("127.0.0.1", a.ports["websecure"]), tls=True, sni=host,
                context=a.ca) as c:
        return c.request(method, target, host=host, headers=headers, body=body)


GOOD = [("Cookie", "_oauth2_proxy=good")]


def test_is_valid(a):
    """The file as it stands is without a single remark."""
    done = a.command("check", "-c", str(EXAMPLE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning:" not in done.stdout + done.stderr


@pytest.mark.parametrize("host", HOSTS)
def test_plain_is_redirected(a, host):
    r = a.get("/x?y=z", host=host)
    assert r.status == 301
    assert r["Location"] == f"https://{host}:{a.ports['websecure']}/x?y=z"


@pytest.mark.parametrize("host,behind", HOSTS.items())
def test_each_host_reaches_its_service(a, host, behind):
    name, asked = behind
    n = {k: len(u.requests) for k, u in a.servers.items()}
    r = get(a, host, "/deep/path?q=1", "POST", GOOD if asked else (), b"body")
    assert r.status == 200 and r["X-Service"] == name
    want = dict(n)
    want[name] += 1
    if asked:
        want["oauth2-proxy"] += 1
    assert {k: len(u.requests) for k, u in a.servers.items()} == want
    seen = a.servers[name].last
    assert seen.target == "/deep/path?q=1" and seen.body == b"body"
    assert seen["Host"] == host and seen["X-Forwarded-Proto"] == "https"
    assert seen["X-Forwarded-Host"] == host


@pytest.mark.parametrize("host", [h for h, (_, asked) in HOSTS.items() if asked])
def test_login_is_asked(a, host):
    name = HOSTS[host][0]
    n = len(a.servers[name].requests)
    r = get(a, host, headers=[("X-Auth-Request-User", "root"),
                              ("Cookie", "_oauth2_proxy=stale")])
    assert r.status == 302
    assert r["Location"] == "https://identity.akko.local/login"
    assert r["Set-Cookie"] == "_oauth2_proxy_csrf=x"
    assert len(a.servers[name].requests) == n
    r = get(a, host, headers=GOOD + [("X-Auth-Request-User", "root"),
                                     ("X-Auth-Request-Email", "root@x")])
    assert r.status == 200
    seen = a.servers[name].last
    assert seen.all("X-Auth-Request-User") == ["alice"]
    assert seen.all("X-Auth-Request-Groups") == ["a,b"]
    assert seen["X-Auth-Request-Email"] is None
    assert seen.all("Authorization") == ["Bearer token"]
    assert r.all("Set-Cookie") == ["_oauth2_proxy=fresh; Path=/"]


def test_login_pages_are_open(a):
    r = get(a, "bi.akko.local", "/oauth2/callback?code=1")
    assert r.status == 200 and r["X-Service"] == "oauth2-proxy"
    assert a.servers["oauth2-proxy"].last.target == "/oauth2/callback?code=1"
    # The way there cannot be used to pass by the login.
    for target in ("/oauth2/../sql", "/oauth2/..%2fsql", "/oauth2/%2e%2e/sql"):
        n = len(a.servers["superset"].requests)
        assert get(a, "bi.akko.local", target).status in (302, 400)
        assert len(a.servers["superset"].requests) == n


def test_security_headers(a):
    r = get(a, "akko.local")
    assert r["Strict-Transport-Security"] == "max-age=31536000"
    assert r["X-Content-Type-Options"] == "nosniff"


def test_other_hosts(a):
    assert get(a, "nothing.akko.local").status == 404
    assert a.get("/", host="nothing.akko.local").status == 301
