# SPDX-License-Identifier: BSD-2-Clause
"""gRPC end to end: grpc-go's interoperability suite, and akkod's own answers."""
import subprocess
import time
from pathlib import Path

import pytest

from harness.akkod import accepts
from harness.h2 import H2
from harness.h2_upstream import H2Upstream
from harness.ports import free_port

RIG = Path(__file__).parents[1] / "rig/grpc-interop/build"

# All that need neither credentials of Google's nor servers with names of their
# own (pick_first_unary).
CASES = ["empty_unary", "large_unary", "client_streaming", "server_streaming",
         "ping_pong", "empty_stream", "timeout_on_sleeping_server",
         "cancel_after_begin", "cancel_after_first_response",
         "status_code_and_message", "special_status_message",
         "custom_metadata", "unimplemented_method", "unimplemented_service",
         "orca_per_rpc", "orca_oob", "rpc_soak", "channel_soak"]

CONFIG = """
http:
  routers:
    clear: {rule: "Host(`clear.test`)", service: clear}
    tls: {rule: "Host(`tls.test`)", service: tls}
  services:
    clear: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:@clear@"}]}}
    tls:
      loadBalancer: {serversTransport: own, servers: [{url: "https://localhost:@tls@"}]}
  serversTransports:
    own: {rootCAs: [@ca@], serverName: tls.test}
tls:
  certificates: [{certFile: @crt@, keyFile: @key@}]
"""


@pytest.fixture(scope="module")
def programs():
    """Where grpc-go's client and server are; built on first use."""
    done = subprocess.run([RIG], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def servers(programs, authority):
    """Interop servers, in clear and over TLS: their ports."""
    crt, key = authority.leaf("tls.test", "clear.test", file="grpc")
    ports = {"clear": free_port(), "tls": free_port()}
    running = [
        subprocess.Popen([programs / "server", f"-port={ports['clear']}"],
                         stderr=subprocess.DEVNULL),
        subprocess.Popen([programs / "server", f"-port={ports['tls']}",
                          "-use_tls", f"-tls_cert_file={crt}",
                          f"-tls_key_file={key}"], stderr=subprocess.DEVNULL)]
    end = time.monotonic() + 20
    while not all(accepts(p) for p in ports.values()):
        assert time.monotonic() < end, "the servers do not start"
        time.sleep(0.05)
    yield ports
    for p in running:
        p.kill()
        p.wait()


@pytest.fixture(scope="module")
def proxied(servers, module_akkod, authority):
    crt, key = authority.leaf("tls.test", "clear.test", file="grpc-front")
    return module_akkod(CONFIG, values={
        **servers, "ca": authority.file, "crt": crt, "key": key})


def run(programs, case, port, ca=None, host="tls.test"):
    """The client's verdict on a case: its status and what it said."""
    args = [programs / "client", f"-test_case={case}", f"-server_port={port}",
            "-server_host=127.0.0.1", f"-server_host_override={host}",
            "-soak_iterations=30", "-soak_num_threads=5"]
    if case.startswith("orca"):
        args.append('-service_config_json={"loadBalancingConfig":'
                    '[{"test_backend_metrics_load_balancer":{}}]}')
    if ca is not None:
        args += ["-use_tls", "-use_test_ca", f"-ca_file={ca}"]
    done = subprocess.run(args, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def direct(programs, servers, authority):
    """Verdicts without a proxy between; made once."""
    return {case: run(programs, case, servers["tls"], authority.file)[0]
            for case in CASES}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("host", ["clear.test", "tls.test"])
def test_interop(programs, proxied, direct, authority, case, host):
    """The same verdict through akkod, whose servers speak h2c or TLS."""
    code, said = run(programs, case, proxied.ports["websecure"],
                     authority.file, host)
    assert code == direct[case] == 0, said


def test_interop_without_tls(programs, akkod, servers):
    """From a client that knows beforehand, in clear all the way."""
    a = akkod("""
http:
  routers: {all: {rule: "PathPrefix(`/`)", service: clear}}
  services: {clear: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:@clear@"}]}}}
""", values=servers)
    for case in ("ping_pong", "client_streaming", "timeout_on_sleeping_server"):
        code, said = run(programs, case, a.ports["web"], host="clear.test")
        assert code == 0, said


@pytest.mark.parametrize("service", [
    "mirroring: {service: clear, mirrors: [{name: again, percent: 100}]}",
    "failover: {service: clear, fallback: again, errors: {status: [500-599]}}",
    "weighted: {services: [{name: clear}, {name: again}]}, middlewares: [h]"])
def test_interop_with_services_of_services(programs, akkod, servers, service):
    """What is kept of a call does not hold it up: both sides talk at once."""
    a = akkod("""
http:
  routers: {all: {rule: "PathPrefix(`/`)", service: top}}
  middlewares: {h: {headers: {customRequestHeaders: {X-H: "1"}}}}
  services:
    top: {%s}
    clear: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:@clear@"}]}}
    again: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:@clear@"}]}}
""" % service, values=servers)
    for case in ("ping_pong", "client_streaming", "cancel_after_begin",
                 "status_code_and_message"):
        code, said = run(programs, case, a.ports["web"], host="clear.test")
        assert code == 0, said


# -- akkod's own answers ---------------------------------------------------------

OWN = """
akkod: {workers: 1}
http:
  routers:
    dead: {rule: "Path(`/dead`)", service: dead}
    slow: {rule: "Path(`/slow`)", service: slow}
    auth: {rule: "Path(`/auth`)", service: slow, middlewares: [auth]}
    ip: {rule: "Path(`/ip`)", service: slow, middlewares: [ip]}
    rate: {rule: "Path(`/rate`)", service: fine, middlewares: [rate]}
    empty: {rule: "Path(`/empty`)", service: empty}
    fine: {rule: "PathPrefix(`/fine`)", service: fine}
  middlewares:
    auth: {basicAuth: {users: ["a:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"]}}
    ip: {ipAllowList: {sourceRange: ["10.9.9.9"]}}
    rate: {rateLimit: {average: 1, burst: 1, period: 1m}}
  services:
    dead: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:@dead@"}]}}
    empty: {loadBalancer: {servers: []}}
    fine: {loadBalancer: {servers: [{url: "h2c://127.0.0.1:@upstream@"}]}}
    slow:
      loadBalancer:
        serversTransport: hasty
        servers: [{url: "h2c://127.0.0.1:@upstream@"}]
  serversTransports:
    hasty: {forwardingTimeouts: {responseHeaderTimeout: 300ms}}
"""


def serve(call):
    if call.target == "/slow":
        call.wait(lambda c: c.reset is not None)
    elif call.target == "/fine/only":
        call.head(200, [("content-type", "application/grpc"),
                        ("grpc-status", "5"), ("grpc-message", "no%20such")],
                  end=True)
    elif call.target == "/fine/http":
        call.whole()
        call.answer(503, [("content-type", "text/plain")], "busy")
    elif call.target == "/fine/half":
        call.head(200, [("content-type", "application/grpc")])
        call.data(b"\0\0\0\0\0")
        call.rst(2)
    elif call.target.startswith("/fine/reset"):
        call.rst(int(call.target[11:]))
    else:
        call.whole()
        call.head(200, [("content-type", "application/grpc")])
        call.data(call.body)
        call.trailers([("grpc-status", "0")])


@pytest.fixture(scope="module")
def own(module_akkod):
    u = H2Upstream(serve)
    a = module_akkod(OWN, values={"upstream": u.port})
    a.upstream = u
    yield a
    u.close()


def call(a, path, content_type="application/grpc", body=b"\0\0\0\0\0"):
    with H2(("127.0.0.1", a.ports["websecure"])) as h:
        s = h.start("POST", path, end=False, fields=[
            ("content-type", content_type), ("te", "trailers")])
        h.data(s, body, end=True)
        return h.response(s)


# Path -> HTTP status that others get, grpc-status, reason.
ERRORS = {
    "/none": (404, 12, "route-no-host"),
    "/dead": (502, 14, "upstream-refused"),
    "/slow": (504, 4, "upstream-timeout"),
    "/auth": (401, 16, "basic-auth"),
    "/ip": (403, 7, "ip-denied"),
    "/empty": (503, 14, "service-no-server"),
}


@pytest.mark.parametrize("path", ERRORS)
@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto",
                                  "application/grpc-web"])
def test_errors_are_mapped(own, path, kind):
    """Trailers only: one HEADERS frame that ends the stream."""
    status, code, reason = ERRORS[path]
    r = call(own, path, kind)
    assert r.status == 200 and r.ended and r.body == b"" and not r.trailers
    assert r["grpc-status"] == str(code) and r["grpc-message"]
    # A client of gRPC-Web reads only what is called that.
    assert r["content-type"] == kind.removesuffix("+proto")
    assert r["content-length"] is None
    assert own.logged(RequestPath=path, DownstreamStatus=200)["Reason"] == reason


@pytest.mark.parametrize("path", ERRORS)
def test_errors_of_others_are_not(own, path):
    for kind in ("application/json", "application/grpcx"):
        r = call(own, path, kind)
        assert r.status == ERRORS[path][0]
        assert r["grpc-status"] is None and r.body


def test_rate_limit(own):
    answers = [call(own, "/rate")["grpc-status"] for _ in range(3)]
    assert answers[0] is None and answers[-1] == "14"


def test_trailers_only(own):
    """An answer that is its own end passes as one."""
    r = call(own, "/fine/only")
    assert r.status == 200 and r.ended and r.body == b"" and not r.trailers
    assert r["grpc-status"] == "5" and r["grpc-message"] == "no%20such"
    assert r["content-length"] is None


def test_status_in_trailers(own):
    r = call(own, "/fine/x")
    assert r.body == b"\0\0\0\0\0" and r.trailers == [("grpc-status", "0")]
    assert own.upstream.last["te"] == "trailers"


def test_the_servers_own_http_error_passes(own):
    """It is not akkod's to judge; clients map it themselves."""
    r = call(own, "/fine/http")
    assert r.status == 503 and r.body == b"busy"
    assert r["grpc-status"] is None


def test_cut_answer_is_reset(own):
    r = call(own, "/fine/half")
    assert r.reset == 2 and not r.trailers


@pytest.mark.parametrize("code", [1, 2, 7, 8, 11, 12])
def test_the_servers_reset_passes(own, code):
    """Clients read a status from its code, such as that a deadline is over."""
    r = call(own, f"/fine/reset{code}")
    assert r.status is None and r.reset == code
    line = own.logged(RequestPath=f"/fine/reset{code}")
    assert line["DownstreamStatus"] == 502 and line["Reason"]
    r = call(own, f"/fine/reset{code}", "text/plain")
    assert r.status == 502 and r.reset is None
