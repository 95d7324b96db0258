# SPDX-License-Identifier: BSD-2-Clause
"""Which ring runs, and why: io, AKKOD_IO, and kernels that refuse io_uring."""
import sys
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc, seccomp
from harness.akkod import Akkod

DISABLED = Path("/proc/sys/kernel/io_uring_disabled")


@pytest.fixture
def started(tmp_path, upstream):
    """started(io, env, config...) runs akkod without a backend of the test's."""
    running = []
    u = upstream()

    def start(configured=None, env=None, prefix=()):
        text = "akkod: {workers: 2%s}\n" % (
            f", io: {configured}" if configured else "") + ONE_SERVICE
        a = Akkod(tmp_path / f"akkod{len(running)}", env or "", text,
                  values={"upstream": u.port}, prefix=prefix)
        running.append(a)
        return a

    yield start
    for a in running:
        a.close()


def backends(a):
    return [(w["backend"], w["why"]) for w in a.status()["workers"]]


def serves(a, backend, why):
    assert backends(a) == [(backend, why)] * 2
    assert a.log.count(f"ready on {backend}: {why}") == 2, a.log
    text = a.command("status").stdout
    assert f"{backend} ({why})" in text
    for _ in range(4):
        assert a.get().status == 200
    # What runs shows in what the workers hold open.
    for pid in a.worker_pids():
        links = proc.fds(pid).values()
        assert ("anon_inode:[io_uring]" in links) == (backend == "uring")
        assert ("anon_inode:[eventpoll]" in links) == (backend == "epoll")


@pytest.mark.parametrize("configured, env, backend, why", [
    (None, None, "uring", "io_uring is available"),
    ("auto", None, "uring", "io_uring is available"),
    ("uring", None, "uring", "as configured"),
    ("epoll", None, "epoll", "as configured"),
    # The environment overrides the configuration.
    ("epoll", "uring", "uring", "as configured"),
    ("uring", "epoll", "epoll", "as configured"),
    ("epoll", "auto", "uring", "io_uring is available"),
])
def test_choice(started, configured, env, backend, why):
    serves(started(configured, env), backend, why)


def test_unknown_word_in_the_environment(started):
    with pytest.raises(AssertionError, match='AKKOD_IO is "kqueue"; it must '
                       'be auto, uring or epoll'):
        started(None, "kqueue")


FORBIDDEN = "io_uring is forbidden (seccomp or kernel.io_uring_disabled)"
KILLS = "io_uring kills the process (seccomp)"


@pytest.mark.parametrize("configured", ["auto", "uring"])
@pytest.mark.parametrize("action, why", [
    ("errno", FORBIDDEN), ("kill", KILLS), ("trap", KILLS)])
def test_seccomp(started, configured, action, why):
    """Refused in any way means epoll, and a reason; never a failure."""
    a = started(configured,
                prefix=(sys.executable, seccomp.__file__, action))
    serves(a, "epoll", why)
    assert all(w["restarts"] == 0 for w in a.status()["workers"])


@pytest.mark.parametrize("configured", ["auto", "uring"])
def test_sysctl(started, configured):
    """kernel.io_uring_disabled = 2: for everybody."""
    try:
        was = DISABLED.read_text()
        DISABLED.write_text("2")
    except OSError as e:
        pytest.skip(f"kernel.io_uring_disabled cannot be set: {e}")
    try:
        a = started(configured)
    finally:
        DISABLED.write_text(was)
    serves(a, "epoll", FORBIDDEN)
