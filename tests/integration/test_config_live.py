# SPDX-License-Identifier: BSD-2-Clause
"""Bad configuration while akkod serves: what stays, what goes, what is said."""
import json
import re
import shutil
import socket
import subprocess
import time

import pytest

from harness.akkod import PROGRAM, accepts
from harness.ports import free_port
from harness.proc import until

SERVICES = """
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""
GOOD = """
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
""" + SERVICES


@pytest.fixture
def serve(akkod, upstream):
    """serve(config): akkod in front of a recording upstream."""
    def start(config, **options):
        u = upstream()
        a = akkod(config, values={"upstream": u.port}, **options)
        a.upstream = u
        return a
    return start


# ---- Object errors: 404 or 503 ------------------------------------------------

# Every router is beside a broader one, which may serve only where the other
# has no match at all.
BROAD = """
http:
  routers:
    broad: {rule: "Host(`a.test`)", service: app}
    narrow: {rule: "Host(`a.test`) && PathPrefix(`/narrow`)", service: app, %s}
    alone: {rule: "Host(`b.test`)", service: app, %s}
  middlewares:
    good: {addPrefix: {prefix: /x}}
    broken: {redirectRegex: {regex: "("}}
    unknown: {retry: {attempts: 2}}
    nested: {chain: {middlewares: [good, broken]}}
""" + SERVICES

BROKEN = {
    "middlewares: [missing]": 'middleware "missing@file" does not exist',
    "middlewares: [good, broken]": 'middleware "broken@file" cannot be used: '
                                   'regex: "(": missing closing parenthesis at '
                                   'offset 1',
    "middlewares: [nested]": 'middleware "nested@file" cannot be used: '
                             'middleware "broken@file" cannot be used: regex: '
                             '"(": missing closing parenthesis at offset 1',
    "middlewares: [unknown]": 'middleware "unknown@file" cannot be used: retry '
                              'is not supported yet',
}


@pytest.mark.parametrize("keys", BROKEN)
def test_broken_router_keeps_its_match(serve, keys):
    a = serve(BROAD % (keys, keys))
    assert a.get("/", host="a.test").status == 200
    for host, path in (("a.test", "/narrow"), ("b.test", "/")):
        r = a.get(path, host=host)
        assert (r.status, r.text) == (503, "Service Unavailable\n")
    assert len(a.upstream.requests) == 1
    line, = [x for x in a.access(3) if x.get("RouterName") == "narrow@file"]
    assert line["Reason"] == "router-broken" and line["OriginStatus"] == 0
    broken = {b["name"]: b for b in a.status()["routers"]["broken"]}
    assert {"narrow@file", "alone@file"} <= broken.keys()
    assert broken["alone@file"]["error"] == BROKEN[keys]
    assert broken["alone@file"]["matches"] is True
    assert f"router narrow@file: {BROKEN[keys]}" in a.log


def test_broken_service_keeps_the_match(serve):
    a = serve("""
http:
  routers:
    broad: {rule: "Host(`a.test`)", service: app}
    none: {rule: "Host(`a.test`) && Path(`/none`)", service: nope}
    odd: {rule: "Host(`a.test`) && Path(`/odd`)", service: odd}
    bad: {rule: "Host(`a.test`) && Path(`/bad`)", service: bad}
""" + SERVICES + """
    odd: {loadBalancer: {healthCheck: {mode: odd}}}
    bad: {loadBalancer: {servers: [{url: "gopher://x"}]}}
""")
    assert a.get("/").status == 200
    for path in ("/none", "/odd", "/bad"):
        assert a.get(path).status == 503, path
    assert sorted(x.get("Reason", "") for x in a.access(4)) == \
        ["", *["router-broken"] * 3]


@pytest.mark.parametrize("keys", [
    "rule: \"Host(`a.test`) && PathPrefix(`/narrow`\"",
    "rule: \"Host(`a.test`) && PathPrefix(`/narrow`)\", entryPoints: [nope]",
    "rule: \"Host(`a.test`) && PathPrefix(`/narrow`)\", parentRefs: [x]",
    "rule: \"Host(`a.test`) && PathPrefix(`/narrow`)\", "
    "priority: 9223372036854775807"])
def test_unusable_router_has_no_match(serve, keys):
    a = serve(f"""
entryPoints: {{web: {{address: "127.0.0.1:@web@"}}}}
http:
  routers:
    broad: {{rule: "Host(`a.test`)", service: app, priority: 1}}
    narrow: {{service: app, {keys}}}
    alone: {{service: app, {keys.replace('a.test', 'b.test')}}}
""" + SERVICES)
    assert a.get("/narrow", host="a.test").status == 200
    assert a.get("/narrow", host="b.test").status == 404
    broken = a.status()["routers"]["broken"]
    assert broken and not any(b["matches"] for b in broken)


def test_broken_tls_options_close_the_connections(serve):
    a = serve("""
http:
  routers:
    broad: {rule: "PathPrefix(`/`)", service: app, tls: {}, priority: 1}
    strict: {rule: "Host(`s.test`)", service: app, tls: {options: mutual}}
""" + SERVICES + """
tls:
  options:
    mutual: {clientAuth: {caFiles: [/nonexistent]}}
""")
    assert a.get(host="a.test", entry_point="websecure", tls=True).status == 200
    with pytest.raises(OSError):
        a.get(host="s.test", entry_point="websecure", tls=True, sni="s.test")
    # The name of another in the handshake does not help.
    assert a.get(host="s.test", entry_point="websecure", tls=True).status == 503
    why = "caFiles: /nonexistent: No such file or directory"
    assert f"TLS options mutual@file: {why}" in a.log
    assert {b["error"] for b in a.status()["routers"]["broken"]} == {
        f'TLS options "mutual@file" cannot be used: {why}'}


def test_bad_certificate_disables_itself_only(serve, authority, tmp_path):
    good, key = authority.leaf("good.test")
    _, other = authority.leaf("other.test")
    a = serve(f"""
http:
  routers:
    all: {{rule: "PathPrefix(`/`)", service: app, tls: {{}}}}
{SERVICES}
tls:
  certificates:
    - {{certFile: {good}, keyFile: {other}}}
    - {{certFile: {good}, keyFile: {key}}}
""")
    r = a.get(host="good.test", entry_point="websecure", tls=True,
              sni="good.test", cafile=str(authority.file))
    assert r.status == 200
    assert "the private key does not belong to the certificate" in a.log
    # A name without a certificate gets that of the local CA.
    local = subprocess.run([PROGRAM, "ca", "--pem", *a.options()], check=True,
                           capture_output=True).stdout
    root = tmp_path / "local.pem"
    root.write_bytes(local)
    assert a.get(host="localhost", entry_point="websecure", tls=True,
                 sni="localhost", cafile=str(root)).status == 200


# ---- Starting -------------------------------------------------------------------

def start(a, text=None):
    """`akkod start` beside a harness's files, which is not running."""
    if text is not None:
        a.write(text)
    return a.command("start", "-c", a.config)


@pytest.fixture
def stopped(akkod):
    """An akkod of which only the files and ports are used."""
    a = akkod(GOOD, values={"upstream": 1})
    assert a.stop() == 0
    yield a
    if (a.run_dir / "akkod.pid").exists():
        a.command("stop", "--now")


def test_port_in_use(stopped):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", stopped.ports["websecure"]))
        s.listen()
        done = start(stopped)
    assert done.returncode == 1 and done.stdout == ""
    assert re.search(rf'akkod: entry point "websecure": '
                     rf'.*127\.0\.0\.1:{stopped.ports["websecure"]}.*'
                     rf'Address already in use', done.stderr), done.stderr
    assert not accepts(stopped.ports["web"])
    done = start(stopped)
    assert done.returncode == 0, done.stderr
    assert accepts(stopped.ports["web"])


def test_two_entry_points_on_one_address(stopped):
    done = start(stopped, """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  other: {address: "127.0.0.1:@web@"}
""")
    assert done.returncode == 1
    assert 'entry point "other"' in done.stderr
    assert not accepts(stopped.ports["web"])


def test_second_start_in_one_directory(stopped):
    assert start(stopped).returncode == 0
    done = start(stopped)
    assert done.returncode == 1
    assert f'akkod is already running in "{stopped.run_dir}" (pid ' in done.stderr
    assert accepts(stopped.ports["web"])


def test_object_errors_do_not_keep_it_from_starting(stopped):
    done = start(stopped, """
http:
  routers:
    good: {rule: "Path(`/good`)", service: noop@internal}
    bad: {rule: "Path(`/bad`", service: noop@internal}
""")
    assert done.returncode == 0 and done.stdout.startswith("akkod runs (pid ")
    # What `akkod check` says.
    assert done.stderr == (f"{stopped.config}:10:5: error: router bad: expected "
                           "')' at byte 12 of the rule\n")
    assert stopped.get("/good").status == 418
    assert stopped.get("/bad").status == 404


def test_log_cannot_be_opened(stopped):
    for section in ("log: {filePath: /proc/nope/a.log}\n",
                    "accessLog: {filePath: /proc/nope/a.log}\n"):
        done = start(stopped, 'entryPoints: {web: {address: "127.0.0.1:@web@"}}\n'
                     + section)
        assert done.returncode == 1
        assert 'log file "/proc/nope/a.log": No such file or directory' in \
            done.stderr


def test_user_is_unknown(stopped):
    done = start(stopped, 'entryPoints: {web: {address: "127.0.0.1:@web@"}}\n'
                 "akkod: {user: nosuchuser}\n")
    assert done.returncode == 1
    assert 'akkod.user: there is no user "nosuchuser"' in done.stderr


def test_io_is_unknown(stopped):
    stopped.env["AKKOD_IO"] = "kqueue"
    done = start(stopped)
    assert done.returncode == 1
    assert 'AKKOD_IO is "kqueue"; it must be auto, uring or epoll' in done.stderr


# ---- Reloading ---------------------------------------------------------------------

BAD_RELOADS = {
    "not YAML": "http: [\n",
    "unknown key": GOOD + "accessLog: {filepaths: x}\n",
    "static error": 'entryPoints: {web: {address: "127.0.0.1:@web@", http3: {}}}\n',
    "no port": 'entryPoints: {web: {address: "127.0.0.1:0"}}\n',
}


@pytest.mark.parametrize("name", BAD_RELOADS)
def test_bad_reload_changes_nothing(serve, name):
    a = serve(GOOD)
    generation = a.status()["generation"]
    with a.client() as c:
        assert c.request("GET", "/1").status == 200
        said = a.reload(BAD_RELOADS[name], code=1)
        assert re.search(rf"{re.escape(str(a.config))}:\d+:\d+: error: ", said)
        assert c.request("GET", "/2").status == 200
    assert a.get("/3").status == 200
    status = a.status()
    assert status["generation"] == generation
    assert str(a.config) in status["config"]["error"]
    assert f"generation {generation} stays" in a.log
    text = a.command("status").stdout
    assert "the newest was not taken: " in text
    # And back: the error is gone.
    a.reload(GOOD)
    assert a.status()["config"]["error"] is None


def test_reload_without_its_file(serve):
    a = serve(GOOD)
    a.config.unlink()
    assert "cannot be read: No such file or directory" in a.reload(code=1)
    assert a.get("/").status == 200


def test_reload_lists_object_errors_and_takes_the_rest(serve):
    a = serve(GOOD)
    said = a.reload("""
http:
  routers:
    new: {rule: "Path(`/new`)", service: app}
    bad: {rule: "Path(`/bad`", service: app}
    broken: {rule: "Path(`/broken`)", service: app, middlewares: [nope]}
""" + SERVICES)
    assert "error: router bad: expected ')' at byte 12 of the rule" in said
    assert 'error: router broken@file: middleware "nope@file" does not exist' in said
    assert "is served by every worker" in said
    assert a.get("/new").status == 200
    assert a.get("/bad").status == 404
    assert a.get("/broken").status == 503
    assert a.get("/").status == 404


def test_reload_by_signal(serve):
    a = serve(GOOD)
    a.write("http: [")
    a.process.send_signal(1)
    a.wait_log("the configuration was not taken")
    assert a.get("/").status == 200
    a.write("http: {}\n")
    a.process.send_signal(1)
    until(lambda: a.get("/").status == 404, what="the new configuration")


TWO = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  second: {address: "127.0.0.1:@second@"}
""" + GOOD


def test_entry_points_come_and_go(serve):
    a = serve(GOOD)
    with a.client() as c:
        assert c.request("GET", "/").status == 200
        a.reload(TWO)
        assert a.get(entry_point="second").status == 200
        until(lambda: not accepts(a.ports["websecure"]), what="the old one's end")
        # A connection outlives the reload.
        assert c.request("GET", "/").status == 200
    a.reload(TWO.replace("@second@", "@third@"))
    assert a.get(entry_point="third").status == 200
    until(lambda: not accepts(a.ports["second"]), what="the old address's end")
    names = {x["entry_point"]: x["port"] for x in a.status()["listeners"]}
    assert names == {"web": a.ports["web"], "second": a.ports["third"]}


def test_reload_to_a_port_in_use(serve):
    a = serve(GOOD)
    generation = a.status()["generation"]
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        a.values["taken"] = s.getsockname()[1]
        said = a.reload(TWO.replace("@second@", "@taken@"), code=1)
    assert 'entry point "second"' in said and "Address already in use" in said
    assert a.get("/").status == 200 and accepts(a.ports["websecure"])
    assert a.status()["generation"] == generation
    a.reload(TWO.replace("@second@", "@taken@"))
    with a.client() as c:
        assert c.request("GET", "/").status == 200


FIXED = {
    "io": "io: auto", "user": "user: daemon",
    "runtimeDirectory": "runtimeDirectory: /nowhere",
    "stateDirectory": "stateDirectory: /nowhere",
    "limits": "limits: {connections: 77}",
}


def test_keys_that_cannot_change_are_named(serve):
    a = serve(GOOD + "akkod: {io: epoll}\n")
    for key, text in FIXED.items():
        keys = text if key == "io" else f"io: epoll, {text}"
        said = a.reload(GOOD.replace("`/`", f"`/{key}`") + f"akkod: {{{keys}}}\n")
        assert f"warning: akkod.{key} cannot change while akkod runs; restart to " \
            "use the new value" in said
        # The rest applies.
        assert a.get(f"/{key}").status == 200


# ---- The file provider -------------------------------------------------------------

STATIC = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
log: {level: INFO}
ping: {entryPoint: web}
providers: {file: {%s}, providersThrottleDuration: 100ms}
http:
  routers:
    own: {rule: "Path(`/own`)", service: noop@internal}
"""


def route(path):
    return "http: {routers: {r: {rule: \"Path(`%s`)\", service: noop@internal}}}\n" \
        % path


@pytest.mark.parametrize("key,folder", [
    ("filename: @dir@/routes/r.yaml", True),
    ("filename: @dir@/routes/r.yaml", False),
    ("directory: @dir@/routes", False)])
def test_provider_comes_late(akkod, key, folder):
    """The rest is served, /ping says that something is missing."""
    a = akkod(STATIC % key, wait=False)
    routes = a.dir / "routes"
    if folder:
        routes.mkdir()
    a.wait_ready()
    assert a.get("/own").status == 418
    r = a.get("/ping")
    assert (r.status, r.text) == (503, "Service Unavailable")
    a.wait_log(r"cannot be read: No such file or directory")
    assert "cannot be read" in a.status()["config"]["error"]
    assert a.get("/late").status == 404
    routes.mkdir(exist_ok=True)
    (routes / "r.yaml").write_text(route("/late"))
    until(lambda: a.get("/late").status == 418, what="the provider's route")
    r = a.get("/ping")
    assert (r.status, r.text) == (200, "OK")
    assert a.status()["config"]["error"] is None


def test_provider_keeps_its_last_good_content(akkod):
    a = akkod(STATIC % "filename: @dir@/r.yaml", wait=False)
    file = a.dir / "r.yaml"
    file.write_text(route("/one"))
    a.reload() if a.answers() else a.wait_ready()
    until(lambda: a.get("/one").status == 418, what="the first content")

    def put(text):
        new = a.dir / "r.new"
        new.write_text(text)
        new.rename(file)

    for bad, words in (("http: [", "not YAML"),
                       ("http: {routes: {}}\n", 'unknown key "routes" in http'),
                       ("entryPoints: {}\n", "the file is empty"),
                       ("", "the file is empty"),
                       ("# nothing\n", "the file is empty")):
        put(bad)
        until(lambda: words in (a.status()["config"]["error"] or ""),
              what=f"word of {bad!r}")
        assert a.get("/one").status == 418
        assert a.get("/ping").status == 200
        said = a.reload(code=1)
        assert words in said
        assert "the provider's last good content stays" in said
        put(route("/one"))
        until(lambda: a.status()["config"]["error"] is None,
              what="the end of the error")
    put(route("/two"))
    until(lambda: a.get("/two").status == 418, what="the new content")
    assert a.get("/one").status == 404
    assert a.status()["config"]["error"] is None
    put("http: {}\n")
    until(lambda: a.get("/two").status == 404, what="the end of all routes")


def test_provider_folder_is_replaced(akkod):
    """A watched folder that is deleted and made again is watched again."""
    a = akkod(STATIC % "directory: @dir@/routes", wait=False)
    routes = a.dir / "routes"
    routes.mkdir()
    (routes / "a.yaml").write_text(route("/one"))
    a.wait_ready()
    until(lambda: a.get("/one").status == 418, what="the first content")
    shutil.rmtree(routes)
    time.sleep(0.5)
    assert a.get("/one").status == 418
    routes.mkdir()
    (routes / "a.yaml").write_text(route("/two"))
    until(lambda: a.get("/two").status == 418, what="the new folder's content")


def test_provider_is_not_watched(akkod):
    a = akkod(STATIC % "filename: @dir@/r.yaml, watch: false", wait=False)
    a.wait_ready()
    assert a.get("/ping").status == 503
    (a.dir / "r.yaml").write_text(route("/one"))
    time.sleep(1.2)
    assert a.get("/one").status == 404
    a.reload()
    assert a.get("/one").status == 418 and a.get("/ping").status == 200


def test_ping_while_stopping(akkod):
    a = akkod("""
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    transport: {lifeCycle: {requestAcceptGraceTimeout: 0, graceTimeOut: 5s}}
log: {level: INFO}
ping: {entryPoint: web, terminatingStatusCode: 418}
""")
    with a.client() as c:
        assert c.request("GET", "/ping").status == 200
        c.send(b"GET /ping HTTP/1.1\r\nHost: a\r\n")
        time.sleep(0.2)
        a.process.terminate()
        a.wait_log("stopping")
        time.sleep(0.2)
        c.send(b"\r\n")
        assert c.response("GET").status == 418


def test_ping_turns_before_the_entry_points_close(akkod):
    """L-07: load balancers look elsewhere while requests are still taken."""
    a = akkod("""
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    transport: {lifeCycle: {requestAcceptGraceTimeout: 2s, graceTimeOut: 5s}}
log: {level: INFO}
ping: {entryPoint: web}
http: {routers: {own: {rule: "Path(`/own`)", service: noop@internal}}}
""")
    assert a.get("/ping").status == 200
    with a.client() as kept:
        assert kept.request("GET", "/own").status == 418
        start = time.monotonic()
        a.process.terminate()
        until(lambda: a.get("/ping").status == 503, 1, "the other answer of ping")
        while time.monotonic() < start + 1.5:
            assert a.get("/own").status == 418
            assert kept.request("GET", "/own")["Connection"] is None
            time.sleep(0.1)
        until(lambda: not accepts(a.ports["web"]), 3, "the end of accepting")
        assert time.monotonic() > start + 1.9
    assert a.process.wait(5) == 0


def test_status_json_of_a_good_one(serve):
    a = serve(GOOD)
    s = json.loads(a.command("status", "--json").stdout)
    assert s["config"]["source"] == str(a.config)
    assert s["config"]["error"] is None and s["routers"]["broken"] == []
    assert free_port() not in {x["port"] for x in s["listeners"]}
