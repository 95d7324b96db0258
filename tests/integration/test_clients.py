# SPDX-License-Identifier: BSD-2-Clause
"""Other people's clients through akkod: curl, Python, Go and Node."""
import hashlib
import http.client
import json
import os
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import requests

from harness.script import Script

CLIENTS = Path(__file__).parent / "clients"

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
http:
  routers:
    plain: {rule: "PathPrefix(`/`)", service: app, entryPoints: [web]}
    secure: {rule: "PathPrefix(`/`)", service: app, entryPoints: [tls], tls: {}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
tls:
  stores: {default: {defaultCertificate: {certFile: @crt@, keyFile: @key@}}}
"""


def mirror(c, r):
    c.body(r)
    c.answer(200, body=r.body)


def cut(data):
    def serve(c, r):
        c.body(r)
        c.send(data)
        time.sleep(0.02)
        return False
    return serve


def early(c, r):
    c.answer(413, body=b"no")
    return False


def slow(c, r):
    c.body(r)
    c.sock.settimeout(3)
    try:
        c.more()
    except OSError:
        pass
    return False


@pytest.fixture(scope="module")
def site(module_akkod, module_upstream, authority):
    script = Script()
    crt, key = authority.leaf("127.0.0.1", "localhost", file="clients")
    u = module_upstream(script)
    a = module_akkod(CONFIG, values={"upstream": u.port, "crt": crt, "key": key})
    a.upstream, a.ca = u, str(authority.file)
    a.urls = {"http": f"http://127.0.0.1:{a.ports['web']}",
              "https": f"https://127.0.0.1:{a.ports['tls']}"}
    script.on("/mirror", mirror)
    script.on("/early", early)
    script.on("/slow", slow)
    script.on("/trailer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
              b"Trailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
    script.on("/hints", b"HTTP/1.1 103 x\r\nLink: </a>\r\n\r\n" * 2 +
              b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    script.on("/cut-length", cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"))
    script.on("/cut-chunked", cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                                  b"\r\n\r\n3\r\nabc\r\n"))
    return a


scheme = pytest.mark.parametrize("scheme", ["http", "https"])


# ---- curl ---------------------------------------------------------------------------


def curl(site, url, *args, code=0, stdin=None):
    done = subprocess.run(
        ["curl", "-sS", "--http1.1", "--max-time", "20", "--cacert", site.ca,
         *args, url], input=stdin, capture_output=True, timeout=30)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout


@scheme
@pytest.mark.parametrize("args, want", [
    ([], {"method": "GET"}),
    (["-d", "a=b"], {"method": "POST", "body": "a=b"}),
    (["-X", "PATCH", "-d", "x"], {"method": "PATCH", "body": "x"}),
    (["-T", "-", "-X", "POST"], {"method": "POST", "body": "piped"}),
    (["-H", "Transfer-Encoding: chunked", "-d", "x"], {"body": "x"}),
    (["-H", "Expect: 100-continue", "-d", "x"], {"body": "x"}),
    (["-0"], {"method": "GET"}),
    (["-0", "-d", "x"], {"body": "x"}),
    (["--compressed"], {"method": "GET"}),
    (["--path-as-is", "-g"], {"method": "GET"}),
    (["-X", "OPTIONS"], {"method": "OPTIONS"}),
    (["-X", "DELETE"], {"method": "DELETE"})])
def test_curl(site, scheme, args, want):
    if "-0" in args:	# it would offer http/1.0 alone, which nobody speaks
        args = [*args, "--no-alpn"]
    seen = json.loads(curl(site, site.urls[scheme] + "/p?q", *args, stdin=b"piped"))
    assert {k: seen[k] for k in want} == want and seen["target"] == "/p?q"


@scheme
def test_curl_large(site, scheme, tmp_path):
    """Over 1 MB curl waits for 100 by itself."""
    body = os.urandom(3 << 20)
    (tmp_path / "body").write_bytes(body)
    out = curl(site, site.urls[scheme] + "/mirror", "-T", str(tmp_path / "body"))
    assert hashlib.sha256(out).digest() == hashlib.sha256(body).digest()


@scheme
def test_curl_reuses(site, scheme):
    url = site.urls[scheme]
    out = curl(site, url + "/1", "-w", "%{num_connects}\n", "-o", "/dev/null",
               "-o", "/dev/null", "-o", "/dev/null", url + "/2", url + "/3")
    assert out.split() == [b"1", b"0", b"0"]


@scheme
def test_curl_head_and_trailers(site, scheme):
    assert b"200 OK" in curl(site, site.urls[scheme], "-I")
    out = curl(site, site.urls[scheme] + "/trailer", "-i")
    assert out.endswith(b"helloX-Sum: 1\r\n") or b"X-Sum: 1" in out
    assert curl(site, site.urls[scheme] + "/hints", "-i").count(b"HTTP/1.1 103") == 2


@scheme
@pytest.mark.parametrize("path", ["/cut-length", "/cut-chunked"])
def test_curl_sees_a_cut(site, scheme, path):
    """Exit 18: a file that is not whole; 56: a failed receive."""
    for code in (18, 56):
        try:
            curl(site, site.urls[scheme] + path, code=code)
            return
        except AssertionError:
            continue
    raise AssertionError("curl took it for whole")


# ---- Python ----------------------------------------------------------------------------


@scheme
def test_http_client(site, scheme):
    port = site.ports["tls" if scheme == "https" else "web"]
    if scheme == "https":
        c = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=10,
            context=ssl.create_default_context(cafile=site.ca))
    else:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sockets = set()
    for method, body in (("GET", None), ("POST", b"abc"), ("PUT", iter([b"a", b"bc"])),
                         ("DELETE", None), ("HEAD", None), ("GET", None)):
        c.request(method, "/x", body, encode_chunked=body is not None and
                  not isinstance(body, bytes),
                  headers={"Transfer-Encoding": "chunked"}
                  if body is not None and not isinstance(body, bytes) else {})
        r = c.getresponse()
        data = r.read()
        assert r.status == 200
        if method in ("POST", "PUT"):
            assert json.loads(data)["body"] == "abc"
        sockets.add(id(c.sock))
    assert len(sockets) == 1
    for path in ("/cut-length", "/cut-chunked"):
        c.request("GET", path)
        with pytest.raises(http.client.IncompleteRead):
            c.getresponse().read()
        c.close()


@scheme
def test_requests(site, scheme):
    url = site.urls[scheme]
    with requests.Session() as s:
        s.verify, s.trust_env = site.ca, False
        assert s.get(url + "/a", params={"b": "c d"}).json()["target"] == "/a?b=c+d"
        assert s.post(url, data={"k": "v"}).json()["body"] == "k=v"
        assert s.post(url, data=iter([b"a", b"b"])).json()["body"] == "ab"
        assert s.put(url, json={"x": 1}).json()["body"] == '{"x": 1}'
        assert s.head(url).headers["Content-Length"] != "0"
        body = os.urandom(2 << 20)
        assert s.post(url + "/mirror", data=body).content == body
        with s.get(url + "/mirror", data=body, stream=True) as r:
            assert b"".join(r.iter_content(1000)) == body
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            s.get(url + "/cut-chunked")
        # It does not compare lengths by itself.
        r = s.get(url + "/cut-length")
        assert len(r.content) < int(r.headers["Content-Length"])


# ---- Go and Node ---------------------------------------------------------------------------


def run_cases(command, cases):
    """Runs a client program; every case must be told as good."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert not [line for line in lines if not line.startswith("ok ")], done.stdout
    assert done.returncode == 0, done.stderr
    assert len(lines) == cases


@pytest.fixture(scope="session")
def go_client(tmp_path_factory):
    """Built once a run; Go keeps the rest in its cache."""
    out = tmp_path_factory.mktemp("go") / "client"
    go = subprocess.run([CLIENTS.parents[1] / "rig/find-go"], check=True,
                        capture_output=True, text=True).stdout.strip()
    subprocess.run([go, "build", "-o", out, CLIENTS / "client.go"], check=True,
                   env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""})
    return out


@scheme
def test_go(site, scheme, go_client):
    run_cases([go_client, site.urls[scheme], site.ca], 14)


@scheme
def test_node(site, scheme):
    run_cases(["node", CLIENTS / "client.js", site.urls[scheme], site.ca], 11)
