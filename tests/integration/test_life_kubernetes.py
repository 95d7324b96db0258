# SPDX-License-Identifier: BSD-2-Clause
"""A change of program or master where the routes come from a cluster."""
import os
import signal

import pytest

from harness import proc
from harness.load import Load
from test_kubernetes import app, cluster, ingress, kube, namespace, objects, \
    status, until  # noqa: F401

pytestmark = pytest.mark.kubernetes


def pid(a):
    return int((a.run_dir / "akkod.pid").read_text())


def load(a):
    return Load((a.host, a.ports["web"]), keep_alive=3, fresh=3, host="up.test")


def test_whoever_takes_over_knows_the_cluster(kube):  # noqa: F811
    """No route is missing while the new one asks the API server anew."""
    kube.cluster.apply(objects(ingress("up", "up.test")))
    until(lambda: status(kube, "up.test") == 200)
    with load(kube) as clients:
        done = kube.command("upgrade")
        assert done.returncode == 0, done.stderr + kube.log
        clients.wait(40)
    clients.check()
    assert kube.process.wait(15) == 0

    # And so does one that follows a master that was killed.
    with load(kube) as clients:
        os.kill(pid(kube), signal.SIGKILL)
        clients.wait(20)
        done = kube.command("start", "-c", str(kube.config))
        assert done.returncode == 0, done.stderr
        clients.wait(40)
    clients.check()
    last = pid(kube)
    kube.cluster.apply(objects(ingress("more", "more.test")))
    until(lambda: status(kube, "more.test") == 200)
    assert kube.command("stop").returncode == 0
    proc.until(lambda: not proc.alive(last))
