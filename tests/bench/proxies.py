# SPDX-License-Identifier: BSD-2-Clause
"""The proxies that are compared: their configurations, starting and stopping.

All do the same work: one worker, keep-alive to the server, the same request
fields added, host names routed, no access log, one TLS 1.3 suite.
"""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
PROXY_CPU, LOAD_CPU = 0, 1


def pin(cpu):
    """A preexec function: the child stays on one processor."""
    return lambda: os.sched_setaffinity(0, {cpu})


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process=None, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended: {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}")


def tree(pid):
    """A process and all below it."""
    found = [pid]
    for p in found:
        for task in pathlib.Path(f"/proc/{p}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


class Proxy:
    """A proxy of one configuration; `name` stands in the report."""

    def __init__(self, name, folder, origin):
        self.name, self.origin = name, origin
        self.dir = folder / name
        self.dir.mkdir(parents=True)
        self.dir.chmod(0o755)
        self.folder = folder
        self.plain, self.tls = free_port(), free_port()

    def start(self):
        self.configure()
        with open(self.dir / "out", "w") as out:
            self.process = subprocess.Popen(
                self.command(), stdout=out, stderr=out, cwd=self.dir,
                preexec_fn=pin(PROXY_CPU))
        try:
            wait_port(self.plain, self.process)
            wait_port(self.tls, self.process)
        except RuntimeError:
            print((self.dir / "out").read_text())
            raise
        time.sleep(0.3)
        return self

    def pids(self):
        return tree(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        path.chmod(0o644)
        return path


class Nginx(Proxy):
    def configure(self):
        common = f"""
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Port $server_port;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Server bench;
            proxy_set_header X-Real-Ip $remote_addr;
            proxy_max_temp_file_size 0;"""
        listen = f"""
            listen 127.0.0.1:{self.plain};
            listen 127.0.0.1:{self.tls} ssl http2;"""
        self.config = self.write("nginx.conf", f"""
worker_processes 1;
daemon off;
pid {self.dir}/pid;
error_log {self.dir}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    ssl_certificate {self.folder}/cert.pem;
    ssl_certificate_key {self.folder}/key.pem;
    ssl_protocols TLSv1.3;
    client_max_body_size 0;
    proxy_request_buffering off;
    client_body_temp_path {self.dir}/body;
    proxy_temp_path {self.dir}/proxy;
    fastcgi_temp_path {self.dir}/fastcgi;
    uwsgi_temp_path {self.dir}/uwsgi;
    scgi_temp_path {self.dir}/scgi;
    upstream origin {{
        server 127.0.0.1:{self.origin};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    {common}
    server {{
        {listen}
        server_name bench.test;
        location / {{ proxy_pass http://origin; }}
        location = /ws {{
            {common.replace('Connection ""', "Connection upgrade")}
            proxy_set_header Upgrade $http_upgrade;
            proxy_pass http://origin;
        }}
    }}
    server {{
        {listen}
        server_name gzip.test;
        gzip on;
        gzip_types application/json;
        gzip_proxied any;
        location / {{ proxy_pass http://origin; }}
    }}
    server {{
        {listen}
        server_name auth.test;
        location / {{
            auth_request /-auth;
            auth_request_set $user $upstream_http_x_auth_user;
            {common}
            proxy_set_header X-Auth-User $user;
            proxy_pass http://origin;
        }}
        location = /-auth {{
            internal;
            {common}
            proxy_set_header X-Forwarded-Method $request_method;
            proxy_set_header X-Forwarded-Uri $request_uri;
            proxy_set_header Content-Length "";
            proxy_pass_request_body off;
            proxy_pass http://origin/auth;
        }}
    }}
}}
""")

    def command(self):
        return ["nginx", "-c", str(self.config), "-p", str(self.dir)]


class HAProxy(Proxy):
    def configure(self):
        pem = (self.folder / "cert.pem").read_text() + \
            (self.folder / "key.pem").read_text()
        bundle = self.write("bundle.pem", pem)
        self.config = self.write("haproxy.cfg", f"""
global
    nbthread 1
    maxconn 8192
    ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
    mode http
    timeout client 600s
    timeout server 600s
    timeout tunnel 600s
    timeout connect 5s
    timeout http-keep-alive 600s
    http-reuse always
frontend web
    bind 127.0.0.1:{self.plain}
    bind 127.0.0.1:{self.tls} ssl crt {bundle} alpn h2,http/1.1
    option forwardfor
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Server bench
    http-request set-header X-Real-Ip %[src]
    use_backend gzip if {{ req.hdr(host) -i gzip.test }}
    default_backend plain
backend plain
    server origin 127.0.0.1:{self.origin}
backend gzip
    compression algo gzip
    compression type application/json
    server origin 127.0.0.1:{self.origin}
""")

    def command(self):
        return ["haproxy", "-db", "-f", str(self.config)]


class Akkod(Proxy):
    """akkod with `routes` more routers and `workers` workers."""

    def __init__(self, name, folder, origin, program, io, routes=0, workers=1):
        super().__init__(name, folder, origin)
        self.program, self.io = program, io
        self.routes, self.workers = routes, workers

    def configure(self):
        dynamic = self.dir / "dynamic"
        dynamic.mkdir()
        self.config = self.write("akkod.yaml", f"""
entryPoints:
  plain: {{address: "127.0.0.1:{self.plain}", asDefault: true}}
  tls:
    address: "127.0.0.1:{self.tls}"
    http: {{tls: {{}}}}
providers:
  file: {{directory: {dynamic}, watch: true}}
  providersThrottleDuration: 0s
log: {{level: INFO}}
akkod:
  workers: {self.workers}
  io: {self.io}
  runtimeDirectory: {self.dir}/run
  stateDirectory: {self.dir}/state
  limits: {{perAddress: 8192}}
""")
        self.write("dynamic/routes.yaml", f"""
tls:
  stores:
    default:
      defaultCertificate:
        certFile: {self.folder}/cert.pem
        keyFile: {self.folder}/key.pem
http:
  routers:
    bench:
      entryPoints: [plain, tls]
      rule: Host(`bench.test`)
      service: origin
    gzip: {{rule: Host(`gzip.test`), service: origin, middlewares: [gzip]}}
    auth: {{rule: Host(`auth.test`), service: origin, middlewares: [auth]}}
{self.more_routes()}
  middlewares:
    gzip: {{compress: {{}}}}
    auth:
      forwardAuth:
        address: http://127.0.0.1:{self.origin}/auth
        authResponseHeaders: [X-Auth-User]
  services:
    origin:
      loadBalancer: {{servers: [{{url: "http://127.0.0.1:{self.origin}"}}]}}
""")

    def more_routes(self):
        return "\n".join(f"    r{i}: {{rule: Host(`{i}.routes.test`), "
                         "service: origin}" for i in range(self.routes))

    def command(self):
        return [self.program, "run", "-c", str(self.config)]

    def start(self):
        """Until all workers serve, and on what was asked for."""
        super().start()
        end = time.time() + 30
        while " runs with " not in (said := (self.dir / "out").read_text()):
            if time.time() > end:
                raise RuntimeError(f"akkod does not start: {said}")
            time.sleep(0.02)
        if said.count(f"ready on {self.io}") != self.workers:
            raise RuntimeError(f"not all workers run on {self.io}: {said}")
        return self


class Tools:
    """Our own program: load, and the server behind all proxies."""

    def __init__(self, folder):
        self.folder = folder
        self.program, self.port = folder / "load", free_port()
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.program,
                        HERE / "load.c", HERE / "origin.c",
                        "-lssl", "-lcrypto", "-lm"], check=True)

    def load(self, proxy, *args, **how):
        """The process, which is the server as well while it lasts."""
        port = proxy.tls if set(args) & {"-T"} else proxy.plain
        return subprocess.Popen(
            [self.program, "-o", str(self.port), "-a", f"127.0.0.1:{port}",
             "-P", ",".join(map(str, proxy.pids())), *args],
            stdout=subprocess.PIPE, preexec_fn=pin(LOAD_CPU), **how)

    @contextlib.contextmanager
    def server(self):
        process = subprocess.Popen([self.program, "-o", str(self.port)],
                                   preexec_fn=pin(LOAD_CPU))
        wait_port(self.port, process)
        yield
        process.terminate()
        process.wait()


def make_certificate(folder):
    """P-256, as most public certificates by now."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)
    (folder / "key.pem").chmod(0o644)
