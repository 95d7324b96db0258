# SPDX-License-Identifier: BSD-2-Clause
"""akkod explain: what it says of a request is what becomes of it."""
import json
import re

import pytest

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {}}}
ping: {entryPoint: web}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
http:
  routers:
    app: {rule: "Host(`app.test`) && PathPrefix(`/a`)", service: app,
          middlewares: [set], entryPoints: [web]}
    post: {rule: "Host(`app.test`) && PathPrefix(`/a`) && Method(`POST`) && !Header(`X-No`, `1`)",
           service: app, entryPoints: [web]}
    lost: {rule: "Host(`lost.test`)", service: nowhere, entryPoints: [web]}
    half: {rule: "Host(`half.test`", service: app, entryPoints: [web]}
    bare: {rule: "Host(`bare.test`)", service: bare, entryPoints: [web]}
    name: {rule: "Host(`name.test`)", service: name, entryPoints: [web]}
    near: {rule: "Host(`near.test`) && (ClientIP(`10.0.0.0/8`) || ClientIP(`::1`))",
           service: app, entryPoints: [web]}
    shut: {rule: "Host(`shut.test`)", service: app, middlewares: [few],
           entryPoints: [web]}
    plain: {rule: "Host(`plain.test`)", service: app, middlewares: [secure],
            entryPoints: [web]}
    guarded: {rule: "Host(`odd.test`) && PathPrefix(`/admin`)", service: app,
              middlewares: [few], entryPoints: [web]}
    open: {rule: "Host(`odd.test`)", service: app, entryPoints: [web]}
    tls: {rule: "Host(`tls.test`)", service: app, entryPoints: [websecure]}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    bare: {loadBalancer: {servers: []}}
    name: {loadBalancer: {servers: [{url: "http://no-such-name.invalid"}]}}
  middlewares:
    set: {headers: {customRequestHeaders: {X-Team: blue}}}
    few: {ipAllowList: {sourceRange: [10.1.0.0/16]}}
    secure: {redirectScheme: {scheme: https, permanent: true}}
"""


@pytest.fixture
def site(akkod, upstream):
    a = akkod(CONFIG, values={"upstream": upstream().port})

    def explain(url, *args, code=0):
        done = a.command("explain", url, "--json", *args)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    a.explain = explain
    return a


def url(a, host, path="/"):
    return f"http://{host}:{a.ports['web']}{path}"


def test_what_it_says_is_what_happens(site):
    """Status and reason of each refusal, beside those of the access log."""
    cases = [("app.test", "/a/1", 0), ("app.test", "/b", 1),
             ("nobody.test", "/", 1), ("lost.test", "/", 1),
             ("half.test", "/", 1), ("bare.test", "/", 1),
             ("name.test", "/", 1), ("near.test", "/", 1),
             ("shut.test", "/", 1), ("plain.test", "/", 0),
             ("odd.test", "/x/..%2fadmin", 1), ("odd.test", "/fine", 0)]
    for n, (host, path, code) in enumerate(cases, 1):
        said = site.explain(url(site, host, path), code=code).get("answer")
        real = site.get(path, host=host).status
        line = site.access(n)[-1]
        assert line["DownstreamStatus"] == real
        if said is None:
            assert real == 200 and "Reason" not in line, (host, path)
        else:
            assert (said["status"], said["reason"]) == \
                (real, line["Reason"]), (host, path)
    said = site.explain(url(site, "app.test", "/a/%zz"), code=1)["answer"]
    assert (said["status"], said["reason"]) == (400, "bad-path")
    assert site.get("/a/%zz", host="app.test").status == 400


def test_a_route(site):
    said = site.explain(url(site, "app.test", "/a/./b/../1?q"))
    assert said["request"]["path"] == "/a/1"
    assert said["entryPoint"]["name"] == "web"
    assert said["router"]["name"] == "app@file"
    assert said["router"]["object"].startswith(f"{site.config}:")
    assert [(m["name"], m["kind"]) for m in said["middlewares"]] == \
        [("set@file", "headers")]
    assert said["service"]["name"] == "app@file"
    server, = said["service"]["servers"]
    assert server["state"] == "up" and server["addresses"] == ["127.0.0.1"]
    near, = said["considered"]
    assert near["name"] == "post@file"
    assert near["why"] == "Method(`POST`) does not hold: the method is GET"
    assert "answer" not in said


def test_method_header_and_client(site):
    where = url(site, "app.test", "/a")
    assert site.explain(where, "--method", "POST")["router"]["name"] == "post@file"
    said = site.explain(where, "--method", "POST", "--header", "x-no: 1")
    assert said["router"]["name"] == "app@file"
    assert said["considered"][0]["why"] == \
        '!Header(`X-No`, `1`) does not hold: the header is "1"'
    where = url(site, "near.test")
    assert "ClientIP(`::1/128`)" in site.explain(where, code=1)[
        "considered"][0]["why"]
    for client in "10.2.3.4", "::1":
        assert site.explain(where, "--client", client)["router"]["name"] == \
            "near@file"
    where = url(site, "shut.test")
    assert site.explain(where, "--client", "10.1.0.1").get("answer") is None
    said = site.explain(where, "--client", "10.2.0.1", code=1)
    assert said["answer"]["reason"] == "ip-denied"
    # A Host field counts more than the URL's.
    assert site.explain(url(site, "app.test"), "--header", "Host: tls.test",
                        code=1)["request"]["host"] == "tls.test"


def test_what_is_missing(site):
    def hints(host, path="/"):
        return "\n".join(site.explain(url(site, host, path), code=1)["hints"])
    assert 'the nearest host that has a router is "app.test"' in hints("ap.test")
    assert 'router "half@file"' in hints("half.test")
    assert "expected ')'" in hints("half.test")
    assert 'router "tls@file" would take it on entry point ' \
        '"websecure" over TLS' in hints("tls.test")
    assert "http://no-such-name.invalid has no address" in hints("name.test")
    said = site.explain(url(site, "lost.test"), code=1)
    assert said["answer"]["text"] == 'service "nowhere@file" does not exist'


def test_tls(site):
    said = site.explain(f"https://tls.test:{site.ports['websecure']}/")
    assert said["router"]["name"] == "tls@file"
    cert = said["tls"]["certificate"]
    assert "tls.test" in cert["names"] and cert["status"] == "valid"
    # The port of a Service in front of akkod is nobody's here.
    said = site.explain("https://tls.test/")
    assert said["router"]["name"] == "tls@file"
    assert "no entry point listens on port 443" in said["hints"][0]
    said = site.explain(f"https://other.test:{site.ports['websecure']}/", code=1)
    assert any("default one is presented" in h for h in said["hints"])
    said = site.explain(f"https://app.test:{site.ports['web']}/", code=1)
    assert said["answer"]["reason"] == "plain-on-tls"


def test_a_server_that_is_down(site, upstream):
    dead = upstream()
    dead.close()
    site.write(CONFIG.replace("http://no-such-name.invalid",
                              f"http://127.0.0.1:{dead.port}"))
    site.reload()
    for _ in range(5):
        assert site.get(host="name.test").status == 502
    said = site.explain(url(site, "name.test"))
    server, = said["service"]["servers"]
    assert server["fails"] >= 1 or server["state"] == "up"


def test_text(site):
    done = site.command("explain", url(site, "app.test", "/b"))
    assert done.returncode == 1
    assert "answer:      404 route-none: no router matches" in done.stdout
    assert 'PathPrefix(`/a`) does not hold: the path is "/b"' in done.stdout
    done = site.command("explain", url(site, "app.test", "/a"))
    assert done.returncode == 0
    assert "router:      app@file" in done.stdout
    assert "server:    http://127.0.0.1:" in done.stdout


@pytest.mark.parametrize("args, text", [
    (["ftp://a/"], '"ftp" is neither http nor https'),
    (["http:///x"], "the URL has no host"),
    (["http://a:0/"], "not between 1 and 65535"),
    (["http://a:99999/"], "not between 1 and 65535"),
    (["http://a/", "--client", "me"], '"me" is no address'),
    (["http://a/", "--header", "nocolon"], '"nocolon" is no header field'),
    # Cut in the middle of a character.
    (["http://a/", "--header", "a" * 63 + "\u00e9" * 9],
     'aaa?" is no header field'),
    (["a" + "\u00e9" * 40 + "://a/"], '?" is neither http nor https'),
    ([], "akkod explain needs a URL"),
    (["http://a/", "--haeder", "x"], 'did you mean "--header"?'),
])
def test_bad_questions(site, args, text):
    done = site.command("explain", *args)
    assert done.returncode in (1, 2) and text in done.stderr, done.stderr


LOGIN = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
http:
  routers:
    bi: {rule: "Host(`bi.akko.test`)", service: app, middlewares: [login]}
    auth: {rule: "Host(`@authhost@`)", service: oauth2-proxy}
    #more
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}
    oauth2-proxy: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}
  middlewares:
    login: {forwardAuth: {address: "http://127.0.0.1:9/oauth2/auth"}}
"""


def test_logins_that_loop(akkod):
    a = akkod(LOGIN, values={"authhost": "auth.akko.test"})

    def hints():
        done = a.command("explain", url(a, "bi.akko.test", "/"), "--json")
        return "\n".join(json.loads(done.stdout)["hints"])

    said = hints()
    assert "loops: /oauth2/callback meets forward-auth again" in said
    assert "Host(`bi.akko.test`) && PathPrefix(`/oauth2/`)" in said
    assert 'the login is at "auth.akko.test"' in said
    assert "the domain .akko.test" in said
    a.values["authhost"] = "login.other.example"
    a.reload(LOGIN)
    assert "no domain in common" in hints()
    # With a way back on its own host there is nothing to say.
    a.reload(LOGIN.replace("#more", "back: {rule: \"Host(`bi.akko.test`) && "
                           "PathPrefix(`/oauth2/`)\", service: oauth2-proxy}"))
    assert hints() == ""


ESCAPES = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
http:
  routers:
    steers: {rule: "Host(`esc.test`) && !Path(`/\\e]0;x\\a`)", service: s}
    faulty: {rule: "Host(`esc.test`) && Path(`/x`)", service: "\\e[2J\\u009b2J"}
  services:
    s: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}
"""


def test_no_text_of_a_tenant_steers_a_terminal(akkod):
    a = akkod(ESCAPES)
    for args in (["explain", url(a, "esc.test", "/")],
                 ["explain", url(a, "esc.test", "/x")], ["routes"], ["status"]):
        done = a.command(*args)
        assert "esc.test" in done.stdout or "faulty" in done.stdout
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout)
    assert "\\u001B]" in a.command("routes", "--json").stdout
