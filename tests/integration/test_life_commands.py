# SPDX-License-Identifier: BSD-2-Clause
"""The commands: exit statuses, what they wait for, what they say."""
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from harness.akkod import PROGRAM, accepts
from harness.ports import free_port
from harness.proc import alive, until
from harness.service import Service

PING = """
entryPoints: {web: {address: "127.0.0.1:@web@"}}
ping: {entryPoint: web}
"""


def akkod(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True,
                          timeout=30)


@pytest.fixture
def service(tmp_path):
    """service(config, ...) makes one that is not started yet."""
    made = []

    def make(config=PING, io="epoll", **kw):
        made.append(Service(tmp_path / f"akkod{len(made)}", io, config, **kw))
        return made[-1]

    yield make
    for s in made:
        s.close()


# -- words ---------------------------------------------------------------------

def test_version():
    done = akkod("version")
    assert done.returncode == 0
    assert re.match(r"akkod \d+\.\d+\S* \(OpenSSL ", done.stdout)
    assert akkod("--version").stdout == done.stdout


@pytest.mark.parametrize("args, text", [
    ((), "a command is missing"),
    (("strat",), 'did you mean "start"?'),
    (("start", "--colour"), 'akkod start does not take "--colour"'),
    (("status", "-c"), "-c needs a FILE|--config needs a FILE"),
    (("reload", "now"), 'akkod reload does not take "now"'),
])
def test_usage(args, text):
    done = akkod(*args)
    assert done.returncode == 2
    assert re.search(text, done.stderr), done.stderr


def test_help_names_every_command():
    overview = akkod("help")
    assert overview.returncode == 0
    for command in ("run", "start", "stop", "reload", "status", "check", "ca",
                    "version"):
        assert re.search(rf"^  {command} ", overview.stdout, re.M)
        assert akkod("help", command).stdout == \
            akkod(command, "--help").stdout
    assert akkod("help", "dance").returncode == 2


# -- nothing runs ----------------------------------------------------------------

def test_without_one_running(service):
    s = service()
    assert s.command("status").returncode == 3
    for command in ("stop", "reload"):
        done = s.command(command)
        assert done.returncode == 1, command
        assert "akkod" in done.stderr and str(s.run_dir) in done.stderr


# -- start and stop ----------------------------------------------------------------

def test_start_returns_when_all_is_served(service, io):
    s = service(PING + "akkod: {workers: 4}\n", io=io)
    done = s.start()
    assert done.returncode == 0, done.stderr
    # No retry: every listener accepts and every worker has acknowledged.
    for _ in range(16):
        assert s.get("/ping").status == 200
    assert f"(pid {s.pid})" in done.stdout
    status = s.status()
    assert status["state"] == "running" and status["pid"] == s.pid
    assert [w["generation"] for w in status["workers"]] == [1] * 4
    assert {w["backend"] for w in status["workers"]} == {io}
    pid = s.pid
    done = s.command("stop")
    assert done.returncode == 0, done.stderr
    assert not accepts(s.ports["web"])
    until(lambda: not alive(pid), 1, "its last step")
    assert not (s.run_dir / "akkod.pid").exists()
    assert not (s.run_dir / "akkod.sock").exists()
    assert s.command("status").returncode == 3


def test_status_text_and_json_agree(service):
    s = service()
    assert s.start().returncode == 0
    text = s.command("status").stdout
    for w in s.status()["workers"]:
        assert re.search(rf"worker {w['id']}: running, pid {w['pid']}\b", text)
    assert f"entry point web: 127.0.0.1:{s.ports['web']}" in text


def test_second_in_one_runtime_directory(service):
    s = service()
    assert s.start().returncode == 0
    pid = s.pid
    again = s.start()
    assert again.returncode == 1
    assert f'already running in "{s.run_dir}" (pid {pid})' in again.stderr
    assert s.pid == pid and s.get("/ping").status == 200


def test_stale_files_are_taken_over(service):
    s = service()
    s.run_dir.mkdir(parents=True)
    (s.run_dir / "akkod.pid").write_text("1\n")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(s.run_dir / "akkod.sock"))
    assert s.command("status").returncode == 3
    assert s.start().returncode == 0
    assert s.pid != 1 and s.command("status").returncode == 0


def test_port_in_use(service):
    s = service()
    s.ports["web"] = free_port()
    with socket.create_server(("127.0.0.1", s.ports["web"])):
        s.write(PING)
        done = s.start()
    assert done.returncode == 1
    assert 'entry point "web": cannot listen on' in done.stderr
    assert "Address already in use" in done.stderr
    assert s.pid is None


def test_port_of_another_akkod(service):
    """SO_REUSEPORT must not let two of one user share a port in silence."""
    one, two = service(), service()
    assert one.start().returncode == 0
    two.ports["web"] = one.ports["web"]
    two.write(PING)
    done = two.start()
    assert done.returncode == 1 and "Address already in use" in done.stderr
    assert one.get("/ping").status == 200


@pytest.mark.parametrize("config, text", [
    ("entryPoints: {web: {address: ':0x50'}}\n",
     "the port must be a number from 1 to 65535"),
    ("entryPoints: {web: {adress: ':80'}}\n", r'1:\d+: .*adress.*address'),
    ("entryPoints: [\n", r"akkod.yaml:\d+"),
    ("akkod: {user: nobody-of-that-name}\n", "there is no user"),
    ("akkod: {workers: 65}\n", "akkod.workers must be"),
    ("akkod: {io: kqueue}\n", r"akkod.yaml:\d+:\d+: .*not one of auto, uring, epoll"),
])
def test_bad_configuration(service, config, text):
    s = service(None)
    s.config.write_text(config)
    done = s.start()
    assert done.returncode == 1
    assert re.search(text, done.stderr), done.stderr
    assert s.command("status").returncode == 3


def test_missing_configuration(service):
    s = service(None)
    done = s.start()
    assert done.returncode == 1
    assert "akkod.yaml" in done.stderr and "No such file" in done.stderr


def test_unusable_runtime_directory(service):
    s = service()
    s.run_dir = s.dir / "file"
    s.run_dir.write_text("")
    done = s.start()
    assert done.returncode == 1
    assert f'runtime directory "{s.run_dir}"' in done.stderr
    assert "--runtime-dir" in done.stderr
    s.run_dir = s.dir / "none"


# -- check ----------------------------------------------------------------------------

def test_check(service):
    s = service()
    done = akkod("check", "-c", str(s.config))
    assert done.returncode == 0 and ": good;" in done.stdout
    s.config.write_text("""
entryPoints: {web: {address: ":80"}}
http:
  routers:
    a: {rule: "Hots(`a`)", service: none}
    b: {rule: "Host(`b`)", service: none}
""")
    done = akkod("check", "-c", str(s.config))
    assert done.returncode == 1
    assert re.search(r"akkod.yaml:5:\d+: .*Hots", done.stdout), done.stdout
    assert re.search(r"akkod.yaml:6:\d+: .*none", done.stdout), done.stdout
    assert re.search(r"^\d+ errors, ", done.stdout, re.M)


def test_check_binds_nothing(service):
    s = service()
    assert s.start().returncode == 0
    assert s.command("check", "-c", str(s.config)).returncode == 0
    assert s.get("/ping").status == 200


# -- ca -----------------------------------------------------------------------------------

TLS = """
entryPoints: {web: {address: "127.0.0.1:@web@", http: {tls: {}}}}
ping: {entryPoint: web}
"""


def test_no_local_ca_where_none_is_needed(service):
    s = service(PING)
    assert s.start().returncode == 0
    assert s.command("stop").returncode == 0
    assert not s.state_dir.exists() or not list(s.state_dir.iterdir())


def test_ca(service):
    s = service(TLS)
    assert s.start().returncode == 0
    pem = s.command("ca", "--pem")
    assert pem.returncode == 0
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ext",
         "basicConstraints,keyUsage"], input=pem.stdout, text=True,
        capture_output=True).stdout
    assert "CA:TRUE, pathlen:0" in text and "Certificate Sign" in text
    # What it prints is what verifies the running one.
    ca = s.dir / "ca.pem"
    ca.write_text(pem.stdout)
    assert s.get("/ping", tls=True, cafile=str(ca), sni="localhost").status \
        == 200
    words = s.command("ca").stdout
    for hint in ("update-ca-certificates", "certutil", "security add-trusted"):
        assert hint in words, words
    assert words.startswith(pem.stdout)
    # What it says to type gives the certificate away and nothing else.
    save = next(line for line in words.splitlines() if ">" in line)
    kept = (s.state_dir / "local-ca.pem").read_bytes()
    subprocess.run(save.strip().replace("akkod", PROGRAM, 1), shell=True,
                   cwd=s.dir, check=True)
    assert (s.dir / "akkod-ca.pem").read_text() == pem.stdout
    assert (s.state_dir / "local-ca.pem").read_bytes() == kept
    assert str(s.state_dir) not in words.replace(save, "")
    assert (s.state_dir / "local-ca.pem").stat().st_mode & 0o077 == 0


def test_two_start_at_once_on_one_state_directory(service):
    both = [service(TLS) for _ in range(2)]
    for s in both:
        s.state_dir = both[0].dir / "state"
    done = [None, None]

    def start(n):
        done[n] = both[n].start()

    threads = [threading.Thread(target=start, args=(n,)) for n in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [d.returncode for d in done] == [0, 0], done
    ca = both[0].dir / "ca.pem"
    ca.write_text(both[0].command("ca", "--pem").stdout)
    for s in both:
        assert s.get("/ping", tls=True, cafile=str(ca),
                     sni="localhost").status == 200


# -- reload -------------------------------------------------------------------------------

def test_reload_says_what_is_wrong_and_keeps_the_rest(service):
    s = service()
    assert s.start().returncode == 0
    good = s.config.read_text()
    done = s.command("reload")
    assert done.returncode == 0 and "is served by every worker" in done.stdout
    s.config.write_text(good + "http: {routers: {a: {rulle: x}}}\n")
    done = s.command("reload")
    assert done.returncode == 1 and re.search(r"akkod.yaml:\d+:\d+: .*rulle",
                                              done.stderr), done.stderr
    assert s.get("/ping").status == 200
    assert s.status()["config"]["error"] is not None
    s.config.write_text(good)
    assert s.command("reload").returncode == 0
    assert s.status()["config"]["error"] is None


def test_reload_names_what_cannot_change(service):
    s = service(PING + "akkod: {io: epoll}\n")
    assert s.start().returncode == 0
    s.write(PING + "akkod: {io: uring}\nhttp: {routers: {}}\n")
    done = s.command("reload")
    assert done.returncode == 0
    assert "akkod.io cannot change while akkod runs" in done.stderr


def test_control_socket_is_private(service):
    s = service()
    assert s.start().returncode == 0
    assert (s.run_dir / "akkod.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("garbage", [
    b"\n", b"{}\n", b"[1]\n", b'{"command": 7}\n', b'{"command": "dance"}\n',
    b"\0" * 5000, b"{" * 100000, b"\xff\xfe\n",
], ids=range(8))
def test_control_socket_survives_garbage(service, garbage):
    s = service()
    assert s.start().returncode == 0
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(s.run_dir / "akkod.sock"))
        try:
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.makefile("rb").read()
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    if answer:
        assert json.loads(answer.splitlines()[-1])["ok"] is False
    assert s.get("/ping").status == 200
    assert s.command("status").returncode == 0


def test_clients_that_do_not_read_do_no_harm(service):
    s = service()
    assert s.start().returncode == 0
    idle = []
    for _ in range(40):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(1)
        try:
            sock.connect(str(s.run_dir / "akkod.sock"))
            sock.sendall(b'{"command": "status"}\n' if len(idle) % 2 else
                         b'{"comm')
        except OSError:
            pass
        idle.append(sock)
    assert s.get("/ping").status == 200
    for sock in idle:
        sock.close()
    until(lambda: s.command("status").returncode == 0, what="status")
