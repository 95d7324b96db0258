# SPDX-License-Identifier: BSD-2-Clause
"""What processes may do: users, capabilities, limits (P-01 to P-17)."""
import os
import pwd
import re
import shutil
import signal
import stat
import tempfile
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import PROGRAM

NOBODY = pwd.getpwnam("nobody")

# No path in the test's own directory is written by akkod itself.
PLAIN = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  tls: {address: "127.0.0.1:@tls@", http: {tls: {}}}
ping: {entryPoint: web}
log: {level: DEBUG}
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def handshake(a):
    """TLS works; nothing is routed behind it."""
    return a.get(entry_point="tls", tls=True).status == 404


def workers(a):
    return [k for k in proc.children(a.process.pid)
            if proc.argv(k)[1:2] == ["worker"]]


def dumpable(pid):
    """/proc/PID belongs to root where a process of another user may not be
    traced; for processes of root themselves the name of the map tells."""
    return os.stat(f"/proc/{pid}/environ").st_uid == \
        int(proc.status(pid)["Uid"].split()[1])


def limits(pid):
    text = Path(f"/proc/{pid}/limits").read_text()
    return {m[1]: (m[2], m[3]) for m in re.finditer(
        r"^(Max [a-z ]+?) {2,}(\S+) +(\S+)", text, re.M)}


def capabilities(pid):
    return {k: int(v, 16) for k, v in proc.status(pid).items()
            if re.fullmatch("Cap(Inh|Prm|Eff|Bnd|Amb)", k)}


# -- as root -------------------------------------------------------------------

@pytest.fixture
def rooted(akkod, upstream):
    u = upstream()
    return akkod("""
akkod: {workers: 1}
""" + ONE_SERVICE + """
    named: {loadBalancer: {servers: [{url: "http://no-such-name.test"}]}}
""", values={"upstream": u.port})


def children(a):
    """One worker and the controller, once they gave up the last thing."""
    def settled():
        kids = proc.children(a.process.pid)
        return len(kids) == 2 and all(
            limits(k)["Max processes"] == ("96", "96") for k in kids)
    proc.until(settled, what="two children with all their limits")
    return proc.children(a.process.pid)


def test_children_are_another_user(rooted):
    """P-01: real, effective, saved and file system ids; no groups."""
    for pid in children(rooted):
        s = proc.status(pid)
        assert s["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert s["Gid"].split() == [str(NOBODY.pw_gid)] * 4
        assert s["Groups"] == ""


def test_children_have_no_capability(rooted):
    """P-02, P-03."""
    for pid in children(rooted):
        assert set(capabilities(pid).values()) == {0}, capabilities(pid)
        assert proc.status(pid)["NoNewPrivs"] == "1"


def test_nobody_may_look_inside(rooted):
    """P-04: not dumpable, no core."""
    if "asan" in PROGRAM:
        pytest.skip("sanitizers read their own process")
    for pid in children(rooted):
        assert not dumpable(pid), proc.argv(pid)
        assert limits(pid)["Max core file size"] == ("0", "0")
    assert limits(rooted.process.pid)["Max core file size"] == ("0", "0")


def test_limits_of_children(rooted):
    """P-05: explicit limits, hard as well as soft."""
    for pid in children(rooted):
        soft, hard = limits(pid)["Max open files"]
        assert soft == hard and int(soft) <= 1 << 21
        assert limits(pid)["Max processes"] == ("96", "96")


def test_signals_of_children(rooted):
    """P-16: SIGPIPE ends nobody; nothing is left blocked."""
    for pid in children(rooted):
        s = proc.status(pid)
        assert int(s["SigIgn"], 16) >> (signal.SIGPIPE - 1) & 1
        assert int(s["SigBlk"], 16) == 0


def test_no_page_is_writable_and_executable(rooted):
    """P-15."""
    for pid in (rooted.process.pid, *children(rooted)):
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        assert not [m for m in maps if m.split()[1].startswith("rwx")]


def test_tables_are_mapped_read_only(rooted):
    """P-14, P-17: of all shared memory only live state is written."""
    for pid in workers(rooted):
        maps = [m.split(None, 5) for m in
                Path(f"/proc/{pid}/maps").read_text().splitlines()]
        seen = {m[5]: m[1] for m in maps if len(m) == 6 and
                "memfd:akkod" in m[5]}
        modes = {re.search(r"akkod-(\w+)", k)[1]: v for k, v in seen.items()}
        assert modes["table"] == "r--s"
        assert modes["live"] == "rw-s"
        assert set(modes) <= {"table", "live", "keys"}
        assert modes.get("keys", "r--s") == "r--s"


def test_the_master_keeps_what_it_needs(rooted):
    """P-02: to bind, to give children another user, to signal them, to read
    keys; nothing to override what files forbid to write."""
    names = {1: "DAC_OVERRIDE", 2: "DAC_READ_SEARCH", 5: "KILL", 6: "SETGID",
             7: "SETUID", 8: "SETPCAP", 10: "NET_BIND_SERVICE",
             21: "SYS_ADMIN"}
    caps = capabilities(rooted.process.pid)
    have = {names.get(n, n) for n in range(64) if caps["CapEff"] >> n & 1}
    assert have == {"DAC_READ_SEARCH", "KILL", "SETGID", "SETUID", "SETPCAP",
                    "NET_BIND_SERVICE"}
    assert caps["CapInh"] == caps["CapAmb"] == 0
    assert caps["CapPrm"] == caps["CapEff"]


def test_respawn_works_after_the_drop(rooted):
    """What the master kept is enough to start, signal and end children."""
    pid = workers(rooted)[0]
    os.kill(pid, signal.SIGKILL)
    proc.until(lambda: workers(rooted) not in ([], [pid]) and
               rooted.status()["workers"][0]["generation"] > 0)
    s = proc.status(workers(rooted)[0])
    assert s["Uid"].split()[0] == str(NOBODY.pw_uid)
    assert set(capabilities(workers(rooted)[0]).values()) == {0}
    rooted.reload(rooted.config.read_text() + "\n# again\n")
    assert rooted.get().status == 200


def test_user_by_name(akkod, upstream):
    u = upstream()
    a = akkod("akkod: {workers: 1, user: daemon}\n" + ONE_SERVICE,
              values={"upstream": u.port})
    daemon = pwd.getpwnam("daemon")
    assert proc.status(workers(a)[0])["Uid"].split() == \
        [str(daemon.pw_uid)] * 4
    assert a.get().status == 200


def test_root_as_the_user_has_no_power(akkod, upstream):
    """akkod.user may say root: root by name, without a capability."""
    u = upstream()
    a = akkod("akkod: {workers: 1, user: root}\n" + ONE_SERVICE,
              values={"upstream": u.port})
    pid = workers(a)[0]
    assert proc.status(pid)["Uid"].split() == ["0"] * 4
    assert set(capabilities(pid).values()) == {0}
    assert a.get().status == 200


# -- as an ordinary user -----------------------------------------------------------

@pytest.fixture
def place():
    """A directory outside /tmp that others may read, with a copy of akkod."""
    path = Path(tempfile.mkdtemp(prefix="akkod-", dir="/var/tmp"))
    path.chmod(0o755)
    shutil.copy(PROGRAM, path / "program")
    for sub in ("run", "state"):
        (path / sub).mkdir()
        os.chown(path / sub, NOBODY.pw_uid, NOBODY.pw_gid)
    yield path
    shutil.rmtree(path)


AS_NOBODY = ("setpriv", f"--reuid={NOBODY.pw_uid}",
             f"--regid={NOBODY.pw_gid}", "--clear-groups",
             "--inh-caps=-all", "--bounding-set=-all")


@pytest.fixture
def ordinary(io, place):
    """ordinary(config, prefix) runs akkod as nobody, without capabilities."""
    from harness.akkod import Akkod
    running = []

    def start(config=PLAIN, prefix=(), **kw):
        a = Akkod(place, io, config, prefix=(*prefix, *AS_NOBODY),
                  program=str(place / "program"), **kw)
        running.append(a)
        return a

    yield start
    for a in running:
        a.close()


def test_as_an_ordinary_user(ordinary, place):
    a = ordinary()
    for pid in (a.process.pid, *workers(a)):
        s = proc.status(pid)
        assert s["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert set(capabilities(pid).values()) == {0}
        assert s["NoNewPrivs"] == "1"
        if "asan" not in PROGRAM:
            assert not dumpable(pid)
    assert a.get("/ping").status == 200
    assert handshake(a)
    assert (place / "state/local-ca.pem").stat().st_uid == NOBODY.pw_uid
    pid = workers(a)[0]
    os.kill(pid, signal.SIGKILL)
    proc.until(lambda: all(w["state"] == "running" and w["pid"] != pid and
                           w["generation"] for w in a.status()["workers"]))
    a.reload(PLAIN + "http: {routers: {}}\n# again\n")


def test_an_ordinary_user_upgrades(ordinary, place):
    """The new program has no more than the old one had."""
    a = ordinary()
    first = a.process.pid
    done = a.command("upgrade")
    assert done.returncode == 0, done.stderr + a.log
    pid = int((place / "run/akkod.pid").read_text())
    assert pid != first
    for p in (pid, *(w["pid"] for w in a.status()["workers"])):
        s = proc.status(p)
        assert s["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert set(capabilities(p).values()) == {0}
        assert s["NoNewPrivs"] == "1"
    assert a.get("/ping").status == 200 and handshake(a)
    assert a.command("stop").returncode == 0
    proc.until(lambda: not proc.alive(pid), 15)
    assert a.process.wait(15) == 0


def test_root_upgrades(akkod, upstream):
    """Root's successor keeps the same capabilities, and its workers none."""
    u = upstream()
    a = akkod(ONE_SERVICE, values={"upstream": u.port})
    before = capabilities(a.process.pid)
    assert a.command("upgrade").returncode == 0
    s = a.status()
    assert capabilities(s["pid"]) == before
    for w in s["workers"]:
        assert set(capabilities(w["pid"]).values()) == {0}
        assert proc.status(w["pid"])["Uid"].split()[0] == str(NOBODY.pw_uid)
    assert a.get().status == 200
    assert a.command("stop", "--now").returncode == 0
    proc.until(lambda: not proc.alive(s["pid"]), 15)


def test_a_low_port_needs_more(ordinary):
    low = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    if int(low) < 80:
        pytest.skip("this machine lets anybody bind low ports")
    a = ordinary(PLAIN.replace("@web@", "79"), wait=False)
    assert a.process.wait(10) == 1
    assert "ports below 1024 need root or CAP_NET_BIND_SERVICE" in a.log


READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind @dir@/run @dir@/run
mount -o remount,bind,ro /
mount -t tmpfs -o ro,size=4k none /tmp
mount -t tmpfs -o ro,size=4k none /var/lib
exec "$@"
"""


def read_only(place):
    return ("unshare", "-m", "sh", "-c",
            READ_ONLY.replace("@dir@", str(place)), "sh")


def test_read_only_root_and_no_tmp(ordinary, place):
    """Only the runtime directory can be written; the CA lives in memory."""
    if place.stat().st_dev != Path("/").stat().st_dev:
        pytest.skip("/var/tmp is a file system of its own")
    a = ordinary(prefix=read_only(place))
    assert a.get("/ping").status == 200
    assert handshake(a)
    assert handshake(a)
    a.wait_log(r"WRN master: the local CA lives in memory only: .*"
               r"Read-only file system")
    assert not list((place / "state").iterdir())
    a.reload(PLAIN + "http: {routers: {}}\n# again\n")
    assert not re.search(r"\bERR\b", a.log), a.log


def test_state_directory_that_cannot_be_written(ordinary, place):
    os.chown(place / "state", 0, 0)
    a = ordinary()
    a.wait_log(r"the local CA lives in memory only: .*Permission denied")
    assert handshake(a)
    done = a.command("ca")
    assert done.returncode in (0, 1)


def test_state_directory_that_does_not_exist(ordinary, place):
    """It is made where that is possible."""
    (place / "state").rmdir()
    (place / "run/state").mkdir()
    os.chown(place / "run/state", NOBODY.pw_uid, NOBODY.pw_gid)
    a = ordinary(args=("--state-dir", str(place / "run/state/deep/er")))
    assert handshake(a)
    made = place / "run/state/deep/er"
    assert stat.S_IMODE(made.stat().st_mode) & 0o022 == 0
    assert (made / "local-ca.pem").exists()
