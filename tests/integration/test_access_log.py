# SPDX-License-Identifier: BSD-2-Clause
"""The access log: fields, formats, reasons, filters, and what it never does:
hold up a worker (proxy.md 6.1)."""
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from harness.client import Client
from harness.site import balancer, site

STATIC = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  front: {address: "127.0.0.1:@front@", forwardedHeaders: {insecure: true}}
  tight:
    address: "127.0.0.1:@tight@"
    http:
      underscoreHeadersStrategy: reject
      encodedCharacters: {allowEncodedSlash: false}
  websecure: {address: "127.0.0.1:@websecure@"}
ping: {entryPoint: web}
serversTransport: {forwardingTimeouts: {responseHeaderTimeout: 1s, dialTimeout: 2s}}
log: {level: DEBUG}
"""
MIDDLEWARES = {
    "limit": {"rateLimit": {"average": 1, "period": "1h"}},
    "ip": {"ipAllowList": {"sourceRange": ["10.0.0.1"]}},
    "host": {"headers": {"allowedHosts": ["x.test"]}},
    "cors": {"headers": {"accessControlAllowMethods": ["GET"]}},
    "basic": {"basicAuth": {"users": ["u:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs="]}},
    "go": {"redirectScheme": {"scheme": "https"}},
    "strip": {"stripPrefix": {"prefixes": ["/api"]}},
    "add": {"addPrefix": {"prefix": "/added"}},
    "page": {"errors": {"status": ["500"], "service": "pages", "query": "/page"}},
    "zip": {"compress": {}},
    "set": {"headers": {"customRequestHeaders": {"X-Set": "set"}}},
}
DYNAMIC = dict(
    middlewares=MIDDLEWARES,
    routers={m: [m] for m in MIDDLEWARES} | {
        "app": {}, "broken": ["nosuch"], "refused": {"service": "refused"},
        "closed": {"service": "closed"}, "garbage": {"service": "garbage"},
        "huge": {"service": "huge"}, "cut": {"service": "cut"},
        "slow": {"service": "slow"}, "notls": {"service": "notls"},
        "noname": {"service": "noname"}, "empty": {"service": "empty"},
        "quiet": {"observability": {"accessLogs": False}},
        "admin": {"rule": "Host(`amb.test`) && PathPrefix(`/admin`)",
                  "middlewares": ["ip"]},
        "amb": {}, "mtls": {"tls": {"options": "other"}}, "tls": {"tls": {}}},
    services={name: balancer(f"http://127.0.0.1:@{name}@")
              for name in ("refused", "closed", "garbage", "huge", "cut", "slow",
                           "pages")} |
             {"notls": balancer("https://127.0.0.1:@clear@"),
              "noname": balancer("http://nothing.invalid:80"),
              "empty": {"loadBalancer": {"servers": []}}},
    tls={"options": {"other": {"minVersion": "VersionTLS13"}}})


def log(**options):
    return STATIC + "accessLog: " + json.dumps(
        {"filePath": "@dir@/access.log", **options}) + "\n" + site(**DYNAMIC)


def app(c, r):
    c.body(r)
    if r["X-Sleep"]:
        time.sleep(float(r["X-Sleep"]))
    size = int(r["X-Size"] or 5)
    c.answer(int(r["X-Status"] or 200), [("X-Up", "one"), ("X-Up", "two"),
                                         ("Set-Cookie", "session=s3cret")],
             b"x" * size, method=r.method)


def raw(data, wait=0):
    """A service that says just these bytes."""
    def serve(c, r):
        if wait:
            time.sleep(wait)
        c.send(data)
        return False
    return serve


@pytest.fixture(scope="module")
def servers(module_upstream):
    what = {"upstream": app, "closed": raw(b""), "garbage": raw(b"garbage\r\n\r\n"),
            "huge": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n"),
            "cut": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            "slow": raw(b"", 3)}
    ports = {k: module_upstream(v).port for k, v in what.items()}
    clear = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=no_tls, args=(clear,), daemon=True).start()
    yield ports | {"pages": module_upstream(app, owned=False).port,
                   "clear": clear.getsockname()[1]}
    clear.close()


def no_tls(listener):
    """What a server without TLS says to a ClientHello."""
    while True:
        try:
            s, _ = listener.accept()
        except OSError:
            return
        s.recv(4096)
        s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        s.close()


@pytest.fixture(scope="module")
def a(module_akkod, servers):
    return module_akkod(log(
        format="json", fields={"headers": {"defaultMode": "keep"}}),
        values=servers)


def ask(a, host, path="/", method="GET", headers=(), body=None, **kw):
    with a.client(**kw) as c:
        return c.request(method, path, host=f"{host}.test", headers=headers,
                         body=body)


# -- fields ---------------------------------------------------------------------

def test_every_field(a):
    with a.client("front") as c:
        port = c.sock.getsockname()[1]
        before = time.time()
        r = c.request("POST", "/f?q=1", host="app.test:8080", body=b"twelve bytes",
                      headers=[("X-Forwarded-For", "1.2.3.4"), ("X-Size", "7")])
        assert r.status == 200
    line = a.logged(RequestPath="/f?q=1")
    start = line.pop("StartUTC")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z", start)
    assert abs(time.mktime(time.strptime(start[:19], "%Y-%m-%dT%H:%M:%S")) -
               time.timezone - before) < 5
    assert line.pop("StartLocal")
    assert re.fullmatch(r"20\d\d-\S+(Z|[+-]\d\d:\d\d)", line.pop("time"))
    duration, origin, over = (line.pop(k) for k in (
        "Duration", "OriginDuration", "Overhead"))
    assert 0 < origin <= duration < 5e9 and over == duration - origin
    count = line.pop("RequestCount")
    assert isinstance(count, int) and count > 0
    server = line["ServiceAddr"]
    assert {k: v for k, v in line.items() if "_" not in k} == {
        "level": "info", "msg": "", "entryPointName": "front",
        "ClientAddr": f"127.0.0.1:{port}", "ClientHost": "1.2.3.4",
        "ClientPort": str(port), "ClientUsername": "-",
        "RequestAddr": "app.test:8080", "RequestHost": "app.test",
        "RequestPort": "8080", "RequestMethod": "POST", "RequestPath": "/f?q=1",
        "RequestProtocol": "HTTP/1.1", "RequestScheme": "http",
        "RequestContentSize": 12,
        "OriginStatus": 200, "OriginContentSize": 7,
        "DownstreamStatus": 200, "DownstreamContentSize": 7,
        "RetryAttempts": 0, "RouterName": "app@file", "ServiceName": "app@file",
        "ServiceURL": f"http://{server}", "ServiceAddr": server}


def test_keys_are_sorted(a):
    ask(a, "app", "/sorted")
    a.logged(RequestPath="/sorted")
    for text in a.access_path.read_text().splitlines():
        keys = list(json.loads(text))
        assert keys == sorted(keys)


def test_tls_fields(a):
    ask(a, "tls", "/tls", entry_point="websecure", tls=True, sni="tls.test")
    line = a.logged(RequestPath="/tls")
    assert line["TLSVersion"] == "1.3" and line["RequestScheme"] == "https"
    assert line["TLSCipher"] == "TLS_AES_128_GCM_SHA256"
    assert "TLSClientSubject" not in line


def test_headers(a):
    ask(a, "set", "/headers", headers=[("x-twice", "a"), ("X-TWICE", "b"),
                                       ("User-Agent", "me")])
    line = a.logged(RequestPath="/headers")
    assert line["request_X-Twice"] == "a,b" and line["request_User-Agent"] == "me"
    assert line["request_X-Set"] == "set"	# as middlewares left it
    assert line["origin_X-Up"] == "one,two"
    assert line["downstream_X-Up"] == "one,two"
    assert line["downstream_Content-Length"] == "5"


def test_secrets_are_masked(a):
    """Credentials are kept only when each is named (S-707)."""
    ask(a, "app", "/secret", headers=[
        ("Authorization", "Bearer s3cret"), ("Cookie", "c=s3cret"),
        ("Proxy-Authorization", "Basic s3cret")])
    a.logged(RequestPath="/secret")
    assert "s3cret" not in a.access_path.read_text()
    line = a.logged(RequestPath="/secret")
    assert line["request_Authorization"] == "REDACTED"
    assert line["request_Cookie"] == "REDACTED"
    assert line["downstream_Set-Cookie"] == "REDACTED"


@pytest.mark.parametrize("query,want", [
    ("token=s3cret", "token=REDACTED"), ("a=1&Access_Token=s3cret&b",
     "a=1&Access_Token=REDACTED&b"), ("password=&x", "password=REDACTED&x"),
    ("tokens=1&a=token", "tokens=1&a=token"), ("", ""), ("&", "&"), ("a&", "a&"),
    ("token", "token"), ("a==b=&&", "a==b=&&")])
def test_secrets_of_the_query(a, query, want):
    ask(a, "app", f"/query?{query}")
    assert a.logged(RequestPath=f"/query?{want}")


def test_injection(a):
    """Nothing that a client sends makes a second line or field."""
    ask(a, "app", '/x"y%0a{"z":1}%22\\', headers=[
        ("X-Evil", 'a"b\\c\t{"d":1}'), ("User-Agent", "\xe9\xff<script>")])
    ask(a, "app", "/after")
    a.logged(RequestPath="/after")
    for text in a.access_path.read_text().splitlines():
        json.loads(text)


def test_path_before_middlewares(a):
    ask(a, "add", "/orig/%61?x")
    assert a.logged(RequestAddr="add.test")["RequestPath"] == "/orig/a?x"


def test_compressed_sizes(a):
    r = ask(a, "zip", "/zip", headers=[("Accept-Encoding", "gzip"),
                                       ("X-Size", "50000")])
    line = a.logged(RequestPath="/zip")
    assert line["OriginContentSize"] == 50000
    assert line["DownstreamContentSize"] == len(r.body)
    assert line["GzipRatio"] == pytest.approx(50000 / len(r.body))


def test_head(a):
    ask(a, "app", "/head", "HEAD")
    line = a.logged(RequestPath="/head")
    assert line["DownstreamContentSize"] == 0 and line["OriginStatus"] == 200


def test_counts_go_up(a):
    for n in range(3):
        ask(a, "app", f"/count{n}")
    counts = [a.logged(RequestPath=f"/count{n}")["RequestCount"] for n in range(3)]
    assert counts == sorted(counts) and len(set(counts)) == 3


# -- reasons ------------------------------------------------------------------------

AUTH = [("Authorization", "Basic dTp3cm9uZw==")]
PREFLIGHT = [("Origin", "http://o.test"), ("Access-Control-Request-Method", "GET")]


@pytest.mark.parametrize("host,path,status,reason,extra", [
    ("app", "/", 200, None, {}),
    ("unknown", "/", 404, "route-no-host", {}),
    ("broken", "/", 503, "router-broken", {}),
    ("empty", "/", 503, "service-no-server", {}),
    ("ip", "/", 403, "ip-denied", {}),
    ("host", "/", 500, "host-denied", {}),
    ("basic", "/", 401, "basic-auth", {"headers": AUTH}),
    ("go", "/", 302, "redirect", {}),
    ("cors", "/", 200, "cors-preflight", {"method": "OPTIONS",
                                          "headers": PREFLIGHT}),
    ("page", "/", 500, "error-page", {"headers": [("X-Status", "500")]}),
    ("strip", "/api../x", 400, "path-rewrite", {}),
    ("amb", "/x%2F..%2Fadmin", 400, "path-ambiguous", {}),
    ("app", "/a%2Fb", 400, "bad-path", {"entry_point": "tight"}),
    ("app", "/a%00b", 400, "bad-path", {}),
    ("app", "/", 400, "underscore-header", {"entry_point": "tight",
                                            "headers": [("a_b", "c")]}),
    ("refused", "/", 502, "upstream-refused", {}),
    ("closed", "/", 502, "upstream-closed", {}),
    ("garbage", "/", 502, "upstream-malformed", {}),
    ("huge", "/", 502, "upstream-head-too-large", {}),
    ("slow", "/", 504, "upstream-timeout", {}),
    ("notls", "/", 500, "upstream-tls", {}),
    ("noname", "/", 502, "upstream-unresolved", {}),
    ("mtls", "/", 421, "misdirected", {"entry_point": "websecure", "tls": True,
                                       "sni": "tls.test"}),
])
def test_reason(a, host, path, status, reason, extra):
    n = len(a.access())
    r = ask(a, host, path, **extra)
    assert r.status == status
    line = a.access(n + 1)[-1]
    assert line["DownstreamStatus"] == status
    assert line.get("Reason") == reason
    assert line["DownstreamContentSize"] == len(r.body)


def test_reason_of_a_limit(a):
    assert ask(a, "limit").status == 200
    assert ask(a, "limit", "/second").status == 429
    assert a.logged(RequestPath="/second")["Reason"] == "rate-limit"


@pytest.mark.parametrize("data,status,reason", [
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad-host"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "bad-host"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400, "bad-request"),
    (b"GET /\r\n\r\n", 400, "bad-request"),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "version-unsupported"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n", 400, "bad-framing"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501,
     "transfer-coding"),
    (b"GET /" + b"x" * 17000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri-too-long"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 33000 + b"\r\n\r\n", 431,
     "head-too-large"),
    (b"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-path"),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method-not-allowed"),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501, "method-unsupported"),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n",
     417, "expectation-failed"),
], ids=lambda x: x if isinstance(x, str) else "")
def test_reason_before_routing(akkod, servers, data, status, reason):
    """Not in the access log, as no router had it; the general log names it."""
    a = akkod(log(format="json"), values=servers)
    with a.client() as c:
        c.send(data)
        assert c.response().status == status
    a.wait_log(f"refused a request of 127.0.0.1: {status} {reason}")
    assert a.access() == []


def test_cut_answer(a):
    with a.client() as c:
        with pytest.raises((EOFError, ConnectionResetError)):
            c.request("GET", "/cut", host="cut.test")
    line = a.logged(RequestPath="/cut")
    assert line["Reason"] == "upstream-truncated"
    assert line["DownstreamContentSize"] == 4


def test_client_gone(a):
    with a.client() as c:
        c.send(b"GET /gone HTTP/1.1\r\nHost: slow.test\r\n\r\n")
        time.sleep(0.1)
        c.reset()
    line = a.logged(RequestPath="/gone")
    assert line["Reason"] == "client-gone" and line["DownstreamStatus"] == 499


def test_every_word_is_documented():
    top = os.path.join(os.path.dirname(__file__), "../..")
    with open(os.path.join(top, "shm/reason.def")) as f:
        words = re.findall(r'^REASON\(\w+, "([a-z0-9-]+)"', f.read(), re.M)
    with open(os.path.join(top, "man/akkod.yaml.5")) as f:
        manual = f.read().replace("\\-", "-")
    assert len(words) > 50
    assert [w for w in words if w not in manual] == []


# -- what is logged ---------------------------------------------------------------------

def test_internals_and_observability(a):
    assert a.get("/ping", host="x.test").text == "OK"
    ask(a, "quiet", "/quiet")
    ask(a, "app", "/loud")
    a.logged(RequestPath="/loud")
    paths = [x["RequestPath"] for x in a.access()]
    assert "/ping" not in paths and "/quiet" not in paths


@pytest.mark.parametrize("filters,want", [
    ({"statusCodes": ["404", "500-599"]}, ["/404", "/500"]),
    ({"minDuration": "500ms"}, ["/slow"]),
    ({"statusCodes": ["404"], "minDuration": "500ms"}, ["/404", "/slow"]),
    ({"retryAttempts": True}, []),
])
def test_filters(akkod, servers, filters, want):
    a = akkod(log(format="json", filters=filters), values=servers)
    ask(a, "app", "/200")
    ask(a, "app", "/404", headers=[("X-Status", "404")])
    ask(a, "app", "/500", headers=[("X-Status", "500")])
    ask(a, "app", "/slow", headers=[("X-Sleep", "0.7")])
    assert a.stop() == 0
    assert sorted(x["RequestPath"] for x in a.access()) == want


def test_add_internals(akkod, servers):
    a = akkod(log(format="json", addInternals=True), values=servers)
    a.get("/ping", host="x.test")
    line = a.logged(RequestPath="/ping")
    assert line["Reason"] == "internal-service"
    assert line["RouterName"] == "ping@internal"


def test_fields_modes(akkod, servers):
    a = akkod(log(format="json", fields={
        "defaultMode": "drop",
        "names": {"requestpath": "keep", "DownstreamStatus": "keep",
                  "ClientHost": "redact"},
        "headers": {"defaultMode": "redact", "names": {
            "x-kept": "keep", "X-Gone": "drop", "Authorization": "keep"}},
        "queryParameters": {"defaultMode": "drop"}}), values=servers)
    ask(a, "app", "/f?secret=1", headers=[("X-Kept", "k"), ("X-Gone", "g"),
                                          ("X-Else", "e"), ("Authorization", "me")])
    line = a.access(1)[0]
    own = {k: v for k, v in line.items() if "_" not in k}
    assert own.pop("level") == "info" and own.pop("msg") == ""
    own.pop("time", None)
    assert own == {"RequestPath": "/f", "DownstreamStatus": 200,
                   "ClientHost": "REDACTED"}
    assert line["request_X-Kept"] == "k" and line["request_X-Else"] == "REDACTED"
    assert line["request_Authorization"] == "me"
    assert "request_X-Gone" not in line
    assert line["downstream_X-Up"] == "REDACTED"


# -- text -----------------------------------------------------------------------------------

def test_common(akkod, servers):
    a = akkod(log(fields={"headers": {"names": {"User-Agent": "keep",
                                                "Referer": "redact"}}}),
              values=servers)
    with a.client() as c:
        c.request("GET", "/c%22d?e=f", host="app.test", headers=[
            ("User-Agent", 'my "agent"'), ("Referer", "http://r.test")])
        c.request("HEAD", "/head", host="unknown.test")
    assert a.stop() == 0
    first, second = a.access_path.read_text().splitlines()
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/20\d\d:\d\d:\d\d:\d\d \+0000\] '
        r'"GET /c%22d\?e=f HTTP/1\.1" 200 5 "REDACTED" "my \\"agent\\"" '
        r'\d+ "app@file" "http://127\.0\.0\.1:\d+" \d+ms', first)
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[[^]]+\] "HEAD /head HTTP/1\.1" 404 0 "-" "-" '
        r'\d+ "-" "-" \d+ms route-no-host', second)


def test_generic_clf(akkod, servers):
    a = akkod(log(format="genericCLF"), values=servers)
    ask(a, "basic", "/x", headers=AUTH)
    assert a.stop() == 0
    assert re.fullmatch(
        r'127\.0\.0\.1 - u \[[^]]+\] "GET /x HTTP/1\.1" 401 17 "-" "-"\n',
        a.access_path.read_text())


def test_to_standard_output(akkod, servers):
    a = akkod(log(format="json").replace('"filePath": "@dir@/access.log", ', ""),
              values=servers)
    ask(a, "app", "/stdout")
    a.wait_log('"RequestPath":"/stdout"')


# -- files ------------------------------------------------------------------------------------

def test_reopening(akkod, servers):
    """SIGUSR1: lines go to a new file of the name, none is lost."""
    a = akkod(log(format="json"), values=servers)
    stop, sent = threading.Event(), []

    def run():
        with a.client() as c:
            while not stop.is_set():
                assert c.request("GET", f"/{len(sent)}", host="app.test").status == 200
                sent.append(1)

    t = threading.Thread(target=run, daemon=True)
    t.start()
    for n in range(5):
        time.sleep(0.1)
        a.access_path.rename(a.dir / f"old{n}.log")
        a.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 5
        while not a.access_path.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
    time.sleep(0.1)
    stop.set()
    t.join()
    assert a.stop() == 0
    files = [a.access_path, *(a.dir / f"old{n}.log" for n in range(5))]
    paths = [json.loads(x)["RequestPath"] for f in files
             for x in f.read_text().splitlines()]
    assert sorted(paths) == sorted(f"/{n}" for n in range(len(sent)))
    assert a.access_path.read_text()


def test_general_log_too(akkod, servers):
    a = akkod(log(format="json").replace(
        "log: {level: DEBUG}", 'log: {level: DEBUG, filePath: "@dir@/akkod.log"}'),
        values=servers)
    path = a.dir / "akkod.log"
    path.rename(a.dir / "akkod.old")
    a.process.send_signal(signal.SIGUSR1)
    a.reload()
    end = time.monotonic() + 5
    while not path.exists() or "configuration" not in path.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_changed_by_a_reload(akkod, servers):
    """Format, place and existence of the log change live."""
    a = akkod(log(format="json"), values=servers)
    ask(a, "app", "/one")
    a.logged(RequestPath="/one")
    a.reload(log(format="genericCLF", filePath="@dir@/second.log"))
    ask(a, "app", "/two")
    a.reload(STATIC + site(**DYNAMIC))
    ask(a, "app", "/three")
    a.reload(log(format="json"))
    ask(a, "app", "/four")
    assert a.stop() == 0
    assert sorted(x["RequestPath"] for x in a.access()) == ["/four", "/one"]
    second = (a.dir / "second.log").read_text().splitlines()
    assert len(second) == 1 and '"GET /two HTTP/1.1" 200' in second[0]


def test_buffered_lines_are_not_lost(akkod, servers):
    a = akkod(log(format="json", bufferingSize=1000), values=servers)
    for n in range(50):
        ask(a, "app", f"/{n}")
    assert a.stop() == 0
    assert len(a.access()) == 50


def test_lines_of_workers_do_not_mix(akkod, servers):
    a = akkod("akkod: {workers: 2}\n" + log(format="json"), values=servers)

    def run():
        with a.client() as c:
            for _ in range(100):
                c.request("GET", "/" + "y" * 3000, host="app.test")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert a.stop() == 0
    assert len(a.access()) == 800


def quick(a, n, host="app"):
    """n requests, each answered at once."""
    with a.client() as c:
        for i in range(n):
            start = time.monotonic()
            assert c.request("GET", f"/{i}", host=f"{host}.test").status == 200
            assert time.monotonic() - start < 1


def dropped(a):
    return sum(w["access_log_dropped"] for w in a.status()["workers"])


def test_full_disk(akkod, servers, tmp_path):
    """Lines are lost and counted; requests go on; room makes it work again."""
    small = tmp_path / "small"
    small.mkdir()
    a = akkod(log(format="json").replace("@dir@/access.log", f"{small}/access.log"),
              values=servers, prefix=["unshare", "-m", "sh", "-c",
                                      f"mount -t tmpfs -o size=64k none {small} && "
                                      'exec "$@"', "sh"])
    inside = f"/proc/{a.process.pid}/root{small}/access.log"
    quick(a, 400)
    assert dropped(a) > 0
    a.wait_log("lines are lost")
    os.truncate(inside, 0)
    lost = dropped(a)
    quick(a, 20)
    time.sleep(0.1)
    assert dropped(a) - lost <= 2
    with open(inside) as f:
        lines = f.read().splitlines()
    assert len(lines) >= 19
    for line in lines[1:]:
        json.loads(line)


@pytest.mark.parametrize("reader", [False, True])
def test_stuck_pipe(akkod, servers, tmp_path, reader):
    """A FIFO that nobody reads holds nobody up; whole lines come afterwards."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    r = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK) if reader else None
    a = akkod(log(format="json").replace("@dir@/access.log", str(fifo)),
              values=servers)
    quick(a, 400)
    assert dropped(a) > 0
    if r is None:
        r = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    data = b""
    try:
        while (more := os.read(r, 65536)):
            data += more
    except BlockingIOError:
        pass
    lines = data.decode().splitlines()
    assert len(lines) > 50
    for line in lines:
        json.loads(line)
    lost = dropped(a)
    quick(a, 10)
    time.sleep(0.1)
    assert dropped(a) == lost
    assert os.read(r, 65536).count(b"\n") == 10
    os.close(r)


@pytest.mark.parametrize("gone", [False, True])
def test_standard_output_is_stuck(akkod, servers, tmp_path, gone):
    """Nobody reads the pipe that it is, or the reader has left."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    r = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    a = akkod(log(format="json").replace('"filePath": "@dir@/access.log", ', ""),
              values=servers,
              prefix=["sh", "-c", f'exec "$@" >{fifo}', "sh"])
    if gone:
        os.close(r)
    quick(a, 400)
    assert dropped(a) > 0
    a.reload(log(format="json").replace('"filePath": "@dir@/access.log", ', "") +
             "x-note: 1\n")
    quick(a, 10)
    assert a.stop() == 0
    if not gone:
        os.close(r)


def test_unusable_file(akkod, servers):
    """A place that cannot be written is an error at the start, with its name."""
    a = akkod(log(format="json").replace("@dir@/access.log", "/proc/no/access.log"),
              values=servers, wait=False)
    assert a.process.wait(10) == 1
    assert "/proc/no/access.log" in a.log


def test_slow_reader_of_an_answer_is_not_in_the_way(a):
    """The line is written when the answer is done, not before."""
    c = Client(("127.0.0.1", a.ports["web"]))
    c.send(b"GET /big HTTP/1.1\r\nHost: app.test\r\nX-Size: 30000000\r\n\r\n")
    time.sleep(0.3)
    assert not [x for x in a.access() if x["RequestPath"] == "/big"]
    c.final()
    got = len(c.buffer)
    while got < 30000000:
        got += len(c.sock.recv(1 << 20))
    assert a.logged(RequestPath="/big")["DownstreamContentSize"] == 30000000
    c.close()
