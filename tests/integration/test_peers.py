# SPDX-License-Identifier: BSD-2-Clause
"""nginx and HAProxy: as servers behind akkod, and as proxies in front of it."""
import hashlib
import os
import subprocess
import time

import pytest

from harness.akkod import accepts
from harness.ports import free_port
from harness.rows import head
from harness.script import Script
from harness.client import Client

CONFIG = """
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    forwardedHeaders: {trustedIPs: ["127.0.0.1"]}
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
accessLog: {filePath: @dir@/access.log, format: json}
http:
  routers:
    app: {rule: "Host(`app.test`)", service: app, entryPoints: [web]}
    nginx: {rule: "Host(`nginx.test`)", service: nginx, entryPoints: [web]}
    nginxs: {rule: "Host(`nginxs.test`)", service: nginxs, entryPoints: [web]}
    haproxy: {rule: "Host(`haproxy.test`)", service: haproxy, entryPoints: [web]}
    haproxys: {rule: "Host(`haproxys.test`)", service: haproxys, entryPoints: [web]}
    tls: {rule: "PathPrefix(`/`)", service: app, entryPoints: [tls], tls: {}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
    nginx: {loadBalancer: {servers: [{url: "http://127.0.0.1:@nginx@"}]}}
    haproxy: {loadBalancer: {servers: [{url: "http://127.0.0.1:@haproxy@"}]}}
    nginxs: {loadBalancer: {serversTransport: ours,
                            servers: [{url: "https://127.0.0.1:@nginxs@"}]}}
    haproxys: {loadBalancer: {serversTransport: ours,
                              servers: [{url: "https://127.0.0.1:@haproxys@"}]}}
  serversTransports:
    ours: {rootCAs: [@ca@]}
tls:
  stores: {default: {defaultCertificate: {certFile: @crt@, keyFile: @key@}}}
"""

NGINX = """
daemon off;
user root;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  client_max_body_size 0;
  gzip on; gzip_types *; gzip_proxied any;
  server {{
    listen 127.0.0.1:{nginx};
    listen 127.0.0.1:{nginxs} ssl;
    ssl_certificate {crt}; ssl_certificate_key {key};
    root {dir}/www;
    keepalive_requests 20;
    location = /echo {{ return 200 "$request_method $host $http_x_forwarded_for"; }}
    location = /nothing {{ return 204; }}
    location = /gone {{ return 444; }}
    location = /go {{ return 302 /there; }}
    location = /small {{ client_max_body_size 10; proxy_pass http://127.0.0.1:{upstream}; }}
    location /app/ {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1;
                      proxy_request_buffering off; proxy_buffering off; }}
  }}
  upstream akkod {{ server 127.0.0.1:{web}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass http://akkod; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host app.test;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_request_buffering off; }}
    location /old/ {{ proxy_pass http://akkod/; proxy_set_header Host app.test; }}
    location /tls/ {{
      proxy_pass https://127.0.0.1:{tls}/; proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {ca}; proxy_ssl_name 127.0.0.1; }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 400
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend server
  bind 127.0.0.1:{haproxy}
  bind 127.0.0.1:{haproxys} ssl crt {dir}/haproxy.pem
  http-request return status 200 content-type text/plain lf-string "%[method] %[req.hdr(host)] %[req.hdr(x-forwarded-for)]" if {{ path /echo }}
  http-request return status 204 if {{ path /nothing }}
  http-request redirect location /there if {{ path /go }}
  default_backend app
backend app
  server app 127.0.0.1:{upstream}
frontend front
  bind 127.0.0.1:{hfront}
  option forwardfor
  use_backend secure if {{ path_beg /tls/ }}
  default_backend akkod
backend akkod
  http-reuse always
  http-request set-header Host app.test
  server akkod 127.0.0.1:{web}
backend secure
  http-request set-path %[path,regsub(^/tls,)]
  server akkod 127.0.0.1:{tls} ssl verify required ca-file {ca}
"""


def mirror(c, r):
    c.body(r)
    c.answer(200, body=r.body)


@pytest.fixture(scope="module")
def site(module_akkod, module_upstream, authority, tmp_path_factory):
    crt, key = authority.leaf("127.0.0.1", file="peers")
    script = Script()
    u = module_upstream(script)
    behind = module_upstream(script, checked=False)
    where = tmp_path_factory.mktemp("peers")
    ports = {name: free_port() for name in
             ("nginx", "nginxs", "haproxy", "haproxys", "front", "hfront")}
    a = module_akkod(CONFIG, values={
        **ports, "upstream": u.port, "ca": authority.file, "crt": crt, "key": key})
    a.upstream, a.on, a.peers = u, script.on, ports
    script.on("/mirror", mirror)
    script.on("/app/mirror", mirror)
    fill = {**ports, **a.ports, "dir": where, "upstream": behind.port,
            "ca": authority.file, "crt": crt, "key": key}
    (where / "www").mkdir()
    (where / "www/file").write_bytes(os.urandom(3 << 20))
    (where / "www/text").write_text("compress me\n" * 5000)
    a.www = where / "www"
    (where / "haproxy.pem").write_bytes(crt.read_bytes() + key.read_bytes())
    (where / "nginx.conf").write_text(NGINX.format(**fill))
    (where / "haproxy.cfg").write_text(HAPROXY.format(**fill))
    running = [subprocess.Popen(command, stderr=open(where / "peers.log", "ab"))
               for command in (
                   ["/usr/sbin/nginx", "-p", where, "-c", where / "nginx.conf"],
                   ["/usr/sbin/haproxy", "-db", "-f", where / "haproxy.cfg"])]
    end = time.monotonic() + 10
    while not all(accepts(p) for p in ports.values()):
        assert time.monotonic() < end, (where / "peers.log").read_text() + \
            (where / "nginx.log").read_text()
        time.sleep(0.02)
    yield a
    for p in running:
        p.terminate()
    for p in running:
        p.wait(10)


# ---- Behind akkod ------------------------------------------------------------------


SERVERS = ["nginx.test", "nginxs.test", "haproxy.test", "haproxys.test"]
servers = pytest.mark.parametrize("host", SERVERS)


@servers
def test_plain_requests(site, host):
    with site.client() as c:
        for n in range(50):	# more than nginx lets on one connection
            r = c.request("GET", "/echo", host=host)
            assert r.status == 200 and r.text == f"GET {host} 127.0.0.1", n
        assert c.request("GET", "/nothing", host=host).status == 204
        r = c.request("GET", "/go", host=host)
        assert r.status == 302 and r["Location"].endswith("/there")
        assert c.request("HEAD", "/echo", host=host).status == 200


@servers
def test_bodies_up_and_down(site, host):
    with site.client() as c:
        for size in (0, 1, 5000, 3 << 20):
            body = os.urandom(size)
            r = c.request("POST", "/app/mirror", host=host, body=body)
            assert r.status == 200 and r.body == body
        body = os.urandom(200000)
        c.send(head(b"PUT /app/mirror HTTP/1.1", b"Transfer-Encoding: chunked",
                    host=host.encode()))
        for at in range(0, len(body), 30000):
            part = body[at:at + 30000]
            c.send(b"%x\r\n" % len(part) + part + b"\r\n")
        c.send(b"0\r\n\r\n")
        assert c.response().body == body


@pytest.mark.parametrize("host", ["nginx.test", "nginxs.test"])
def test_files(site, host):
    """Whole, by parts, compressed and not modified."""
    want = (site.www / "file").read_bytes()
    with site.client() as c:
        r = c.request("GET", "/file", host=host)
        assert hashlib.sha256(r.body).digest() == hashlib.sha256(want).digest()
        tag = r["ETag"]
        r = c.request("GET", "/file", host=host, headers=[("Range", "bytes=5-9")])
        assert r.status == 206 and r.body == want[5:10]
        r = c.request("GET", "/file", host=host, headers=[("If-None-Match", tag)])
        assert r.status == 304 and r.body == b""
        r = c.request("GET", "/text", host=host,
                      headers=[("Accept-Encoding", "gzip")])
        assert r["Content-Encoding"] == "gzip" and r["Transfer-Encoding"] == "chunked"
        r = c.request("HEAD", "/file", host=host)
        assert r["Content-Length"] == str(len(want))
        assert c.request("GET", "/no", host=host).status == 404


@pytest.mark.parametrize("host", ["nginx.test", "nginxs.test"])
def test_dropped(site, host):
    """A server that just closes: 502, and the next request is served."""
    assert site.get("/gone", host=host).status == 502
    assert site.get("/echo", host=host).status == 200


def test_refused_upload(site):
    """nginx answers 413 before the body and closes."""
    for _ in range(3):
        with site.client() as c:
            c.send(head(b"POST /small HTTP/1.1", b"Content-Length: 3000000",
                        host=b"nginx.test"))
            try:
                for _ in range(30):
                    c.send(b"x" * 100000)
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert c.response().status == 413


@servers
def test_refusals_of_the_server(site, host):
    """What the peer refuses is relayed as its own answer."""
    r = site.get("/" + "x" * 9000, host=host)
    assert r.status in (200, 400, 414)
    assert site.get("/echo", host=host).status == 200


# ---- In front of akkod -----------------------------------------------------------------


FRONTS = [("front", ""), ("front", "/old"), ("front", "/tls"), ("hfront", ""),
          ("hfront", "/tls")]
fronts = pytest.mark.parametrize("front, prefix", FRONTS)


@fronts
def test_through_a_proxy(site, front, prefix):
    with Client(("127.0.0.1", site.peers[front])) as c:
        for n in range(20):
            r = c.request("GET", f"{prefix}/a?b={n}", host="app.test")
            assert r.status == 200
        seen = site.upstream.last
        assert seen.target == "/a?b=19"
        assert seen["X-Forwarded-Proto"] == ("https" if prefix == "/tls" else "http")
        # A proxy of ours that is trusted tells the client's address.
        own = prefix in ("", ) or front == "hfront"
        want = "127.0.0.1, 127.0.0.1" if own and prefix != "/tls" else "127.0.0.1"
        assert seen["X-Forwarded-For"] == want
        assert c.request("HEAD", f"{prefix}/", host="app.test").status == 200


@fronts
def test_bodies_through_a_proxy(site, front, prefix):
    with Client(("127.0.0.1", site.peers[front])) as c:
        for size in (0, 1, 5000, 2 << 20):
            body = os.urandom(size) if size < 1 << 20 else b"y" * size
            if front == "front" and size > 1 << 20:
                body = body[:900000]	# the limit of nginx itself
            r = c.request("POST", f"{prefix}/mirror", host="app.test", body=body)
            assert r.status == 200 and r.body == body


@pytest.mark.parametrize("front", ["front", "hfront"])
def test_chunked_through_a_proxy(site, front):
    def serve(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
               b"".join(b"%x\r\n" % 999 + b"z" * 999 + b"\r\n" for _ in range(99)) +
               b"0\r\n\r\n")
    site.on("/chunks", serve)
    with Client(("127.0.0.1", site.peers[front])) as c:
        for _ in range(3):
            c.send(head(b"POST /chunks HTTP/1.1", b"Transfer-Encoding: chunked",
                        host=b"app.test") + b"3\r\nabc\r\n0\r\n\r\n")
            assert c.response().body == b"z" * 999 * 99
    assert site.upstream.last.body == b"abc"


@pytest.mark.parametrize("front", ["front", "hfront"])
def test_a_cut_answer_stays_cut(site, front):
    """N-09 as another proxy sees it: it cuts too."""
    def serve(c, r):
        c.body(r)
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        time.sleep(0.05)
        return False
    site.on("/cut", serve)
    with Client(("127.0.0.1", site.peers[front])) as c:
        c.send(head(b"GET /cut HTTP/1.1", host=b"app.test"))
        with pytest.raises((EOFError, ConnectionResetError)):
            c.response()
