# SPDX-License-Identifier: BSD-2-Clause
"""akkod routes: everything that is served, in the shape of /api/rawdata."""
import json

import pytest

CONFIG = r"""
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
ping: {entryPoint: web}
log: {level: DEBUG}
http:
  routers:
    app: {rule: "Host(`a.test`)", service: app, middlewares: [auth, set],
          entryPoints: [web], priority: 7}
    lost: {rule: "Host(`lost.test`)", service: nowhere, entryPoints: [web]}
    half: {rule: "Host(`half.test`", service: app, entryPoints: [web]}
    both: {rule: "Host(`both.test`)", service: app, middlewares: [wrong]}
  services:
    app:
      loadBalancer:
        servers:
          - {url: "http://127.0.0.1:@upstream@"}
          - {url: "http://no-such-name.invalid", weight: 3}
  middlewares:
    auth: {basicAuth: {users: ["alice:$apr1$x$N6oYXF.y.mHUfgGZVsuUJ1"]}}
    set:
      headers:
        customRequestHeaders: {X-Team: blue, Authorization: "Basic Zm9v"}
    wrong: {redirectRegex: {regex: "(", replacement: x}}
    spare: {rateLimit: {average: 5, period: 1m}}
  serversTransports:
    mine: {insecureSkipVerify: true}
tls:
  options:
    strict: {minVersion: VersionTLS13}
"""


def routes(a):
    done = a.command("routes", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def said(akkod, upstream):
    a = akkod(CONFIG, values={"upstream": upstream().port})
    return a, routes(a)


def line_of(a, word):
    text = a.config.read_text().splitlines()
    return 1 + next(i for i, line in enumerate(text) if word in line)


def test_routers(said):
    a, all = said
    app = all["routers"]["app@file"]
    assert app == {
        "entryPoints": ["web"], "rule": "Host(`a.test`)", "service": "app@file",
        "middlewares": ["auth@file", "set@file"], "priority": 7,
        "status": "enabled", "using": ["web"],
        "object": f"{a.config}:{line_of(a, 'app: {rule')}:5"}
    # Its entry point has TLS: a router of its own there, as Traefik makes it.
    secure = all["routers"]["websecure-both@file"]
    assert secure["tls"] == {} and secure["using"] == ["websecure"]
    assert "tls" not in all["routers"]["both@file"]
    # Unless set, the priority is the length of the rule.
    assert secure["priority"] == len("Host(`both.test`)")
    assert all["routers"]["ping@internal"]["object"] == "akkod"


def test_what_is_wrong(said):
    a, all = said
    wrong = {name: r["error"] for name, r in all["routers"].items()
             if r["status"] == "disabled"}
    assert wrong["lost@file"] == ['service "nowhere@file" does not exist']
    assert "expected ')'" in wrong["half@file"][0]
    assert "wrong@file" in wrong["both@file"][0]
    assert set(wrong) == {"lost@file", "half@file", "both@file",
                          "websecure-both@file"}
    m = all["middlewares"]["wrong@file"]
    assert m["status"] == "disabled" and "parenthesis" in m["error"][0]
    # The live table agrees.
    assert a.get(host="lost.test").status == 503
    assert a.get(host="half.test").status == 404
    text = a.command("routes").stdout
    assert "router lost@file" in text and 'service "nowhere@file"' in text


def test_middlewares_and_secrets(said):
    a, all = said
    mws = all["middlewares"]
    assert mws["auth@file"]["basicAuth"] == {"users": ["alice:***"]}
    assert mws["set@file"]["headers"]["customRequestHeaders"] == {
        "X-Team": "blue", "Authorization": "***"}
    assert mws["auth@file"]["usedBy"] == ["app@file"]
    assert mws["spare@file"]["rateLimit"] == {"average": 5, "period": "1m"}
    assert "usedBy" not in mws["spare@file"]
    done = a.command("routes", "--json").stdout + a.command("routes").stdout
    assert "apr1" not in done and "Zm9v" not in done


def test_services(said):
    a, all = said
    app = all["services"]["app@file"]
    good = f"http://127.0.0.1:{a.values['upstream']}"
    assert app["loadBalancer"] == {
        "strategy": "wrr", "passHostHeader": True, "servers": [
            {"url": good, "weight": 1, "fenced": False, "state": "up"},
            {"url": "http://no-such-name.invalid", "weight": 3,
             "fenced": False, "state": "unresolved"}]}
    assert app["serverStatus"] == {good: "UP",
                                   "http://no-such-name.invalid": "DOWN"}
    assert app["usedBy"][0] == "app@file"
    assert all["services"]["ping@internal"]["usedBy"] == ["ping@internal"]
    assert all["serversTransports"]["mine@file"]["insecureSkipVerify"] is True
    assert all["tls"]["options"]["strict@file"]["minVersion"] == "VersionTLS13"


def test_it_is_what_is_served_now(said):
    a, _ = said
    a.write(CONFIG.replace("host.test", "new.test").replace(
        "app: {rule: \"Host(`a.test`)\"", "app: {rule: \"Host(`b.test`)\""))
    # Written and not taken yet: the old one.
    assert routes(a)["routers"]["app@file"]["rule"] == "Host(`a.test`)"
    a.reload()
    assert routes(a)["routers"]["app@file"]["rule"] == "Host(`b.test`)"


def test_text_has_a_row_each(said):
    a, all = said
    lines = a.command("routes").stdout.splitlines()
    assert lines[0].split() == ["ROUTER", "ENTRY", "POINTS", "RULE",
                                "MIDDLEWARES", "SERVICE", "STATUS", "OBJECT"]
    rows = {line.split()[0] for line in lines[1:1 + len(all["routers"])]}
    assert rows == set(all["routers"])


def test_ten_thousand(akkod):
    many = "".join(
        f"    r{i}: {{rule: \"Host(`h{i}.test`)\", service: s{i % 100}}}\n"
        for i in range(10000))
    services = "".join(
        f"    s{i}: {{loadBalancer: {{servers: [{{url: \"http://127.0.0.1:9\"}}]}}}}\n"
        for i in range(100))
    a = akkod("entryPoints: {web: {address: \"127.0.0.1:@web@\"}}\n"
              f"http:\n  routers:\n{many}  services:\n{services}")
    before = a.status()["pid"]
    assert len(routes(a)["routers"]) == 10000
    assert a.status()["pid"] == before


def test_nobody_runs(akkod, tmp_path):
    a = akkod("entryPoints: {web: {address: \"127.0.0.1:@web@\"}}\n")
    a.stop()
    done = a.command("routes")
    assert done.returncode == 3 and "not running" in done.stderr
