# SPDX-License-Identifier: BSD-2-Clause
"""akkod certs and akkod dump."""
import json
import subprocess

import pytest
import yaml
from cryptography import x509

from harness.akkod import PROGRAM

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@", transport: {lifeCycle: {graceTimeOut: 90s}}}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
providers: {file: {directory: @dir@/routes}}
http:
  routers:
    a: {rule: "Host(`a.test`)", service: app, middlewares: [auth]}
    b: {rule: "Host(`b.test`)", service: app, entryPoints: [websecure]}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}
  middlewares:
    auth: {basicAuth: {users: ["alice:$apr1$x$N6oYXF.y.mHUfgGZVsuUJ1"]}}
    fwd: {forwardAuth: {address: "http://127.0.0.1:9/", tls: {insecureSkipVerify: true}}}
tls:
  certificates:
    - {certFile: @crt@, keyFile: @key@}
    - {certFile: @oldcrt@, keyFile: @oldkey@}
    - {certFile: @crt@, keyFile: @oldkey@}
"""

MORE = """
http:
  routers:
    c: {rule: "Host(`c.test`)", service: more}
  services:
    more: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}
"""


@pytest.fixture
def site(akkod, authority, tmp_path):
    crt, key = authority.leaf("*.test", "c.test", file="wild")
    old = authority.leaf("old.test", days=-1, start=-9, file="old")
    routes = tmp_path / "akkod0" / "routes"
    routes.mkdir(parents=True)
    (routes / "more.yaml").write_text(MORE)
    return akkod(CONFIG, values={"crt": crt, "key": key, "oldcrt": old[0],
                                 "oldkey": old[1]})


def asked(a, *args):
    done = a.command(*args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_certs(site):
    wild, old, wrong, local = asked(site, "certs")["certificates"]
    with open(site.values["crt"], "rb") as f:
        real = x509.load_pem_x509_certificate(f.read())
    assert wild["names"] == ["*.test", "any.test", "c.test"]
    assert int(wild["serial"], 16) == real.serial_number
    assert wild["notAfter"] == real.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert wild["status"] == "valid" and wild["daysLeft"] in (88, 89, 90)
    assert wild["keyType"] == "EC" and wild["default"] is False
    assert wild["hosts"] == {"websecure": ["a.test", "b.test", "c.test"]}
    assert wild["object"].startswith(f"{site.config}:")
    assert "akkod test root" in wild["issuer"] and wild["ocsp"] == "none"
    assert old["status"] == "expired" and old["hosts"] == {}
    assert wrong["status"] == "disabled" and "hosts" not in wrong
    assert local["object"] == "local CA" and local["default"] is True
    for again, c in zip(asked(site, "routes")["tls"]["certificates"],
                        [wild, old, wrong, local], strict=True):
        # A day may have ended in between.
        again.pop("daysLeft", None)
        assert again == {k: v for k, v in c.items() if k != "daysLeft"}


def test_certs_text(site):
    text = site.command("certs").stdout
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["NAMES", "STATUS", "EXPIRES"]
    assert "websecure:a.test,b.test,c.test" in lines[1]
    assert "expired" in lines[2] and "disabled" in lines[3]


def test_dump_is_what_is_in_use(site):
    text = site.command("dump").stdout
    assert "apr1" not in text
    said = yaml.safe_load(text)
    assert said["entryPoints"]["web"] == {
        "address": f"127.0.0.1:{site.ports['web']}",
        "transport": {"lifeCycle": {"graceTimeOut": "1m30s"}}}
    assert set(said["http"]["routers"]) == {"a", "b", "c"}
    assert said["http"]["middlewares"]["auth"]["basicAuth"]["users"] == \
        ["alice:***"]
    assert asked(site, "dump") == said


def test_dump_is_a_configuration(site, tmp_path):
    """What is printed is taken, and says the same again."""
    for options in ([], ["--defaults"]):
        text = site.command("dump", *options).stdout
        again = tmp_path / "again.yaml"
        # The mask is no password hash, and what stands beside it is there.
        again.write_text(text.replace("***", "$2y$05$" + "a" * 53)
                         .replace("directory:", "filename: /none #"))
        said = subprocess.run([PROGRAM, "check", "-c", again], text=True,
                              capture_output=True, timeout=30).stdout
        assert "unknown" not in said and "is not a" not in said, said


def test_defaults(site):
    plain, full = (yaml.safe_load(site.command("dump", *o).stdout)
                   for o in ([], ["--defaults"]))
    assert "log" not in plain and full["log"]["maxSize"] == 100
    ep = full["entryPoints"]["web"]
    assert ep["transport"]["respondingTimeouts"]["idleTimeout"] == "3m"
    assert ep["http2"]["maxConcurrentStreams"] == 250

    def inside(small, large):
        if isinstance(small, dict):
            return all(inside(v, large[k]) for k, v in small.items())
        if isinstance(small, list):
            return len(small) == len(large) and \
                all(inside(a, b) for a, b in zip(small, large))
        return small == large
    assert inside(plain, full)
