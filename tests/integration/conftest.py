# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of every integration test; each test runs on both I/O backends."""
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from harness.akkod import Akkod
from harness.netns import Namespace
from harness.pki import Authority
from harness.upstream import Upstream, echo

sys.path.insert(0, str(Path(__file__).parents[1] / "rig"))

BACKENDS = os.environ.get("AKKOD_TEST_IO", "uring,epoll").split(",")


@pytest.fixture(params=BACKENDS)
def io(request):
    """The backend under test: uring or epoll."""
    return request.param


@pytest.fixture
def akkod(io, tmp_path):
    """akkod(config, **options) starts one; all are stopped and checked."""
    running = []

    def start(config, **options):
        a = Akkod(tmp_path / f"akkod{len(running)}", io, config, **options)
        running.append(a)
        return a

    yield start
    for a in running:
        if a.process.poll() is None:
            a.process.terminate()
    for a in running:
        a.close()


@pytest.fixture
def upstream():
    """upstream(serve, ...) starts a recording server; see harness.upstream."""
    running = []

    def start(serve=echo, **options):
        u = Upstream(serve, **options)
        running.append(u)
        return u

    yield start
    for u in running:
        u.close()


@pytest.fixture
def proxy(akkod, upstream):
    """One akkod that passes everything on to one recording upstream."""
    u = upstream()
    a = akkod(ONE_SERVICE, values={"upstream": u.port})
    a.upstream = u
    return a


ONE_SERVICE = """
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


@pytest.fixture(scope="module", params=BACKENDS)
def module_io(request):
    """As io, for fixtures that serve a whole module."""
    return request.param


@pytest.fixture(scope="module")
def module_akkod(module_io, tmp_path_factory):
    """As akkod, for a whole module."""
    running = []

    def start(config, **options):
        running.append(Akkod(tmp_path_factory.mktemp("akkod"), module_io,
                             config, **options))
        return running[-1]

    yield start
    for a in running:
        if a.process.poll() is None:
            a.process.terminate()
    for a in running:
        a.close()


@pytest.fixture(scope="module")
def module_upstream():
    """As upstream, for a whole module."""
    running = []

    def start(serve=echo, **options):
        running.append(Upstream(serve, **options))
        return running[-1]

    yield start
    for u in running:
        u.close()


@pytest.fixture
def akkod_each(tmp_path):
    """One akkod per backend at the same time, for tests that wait long."""
    running = []

    def start(config, **options):
        for io in BACKENDS:
            running.append(Akkod(tmp_path / io, io, config, **options))
        return running

    yield start
    for a in running:
        a.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority for the whole run."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def _cluster_of_session():
    """A Kubernetes API server in a network namespace of its own, for them all."""
    from kubernetes import Cluster

    # The controller, which is nobody, reads the kubeconfig and what it names;
    # pytest's own directories are closed to it.
    directory = tempfile.mkdtemp(prefix="akkod-cluster-")
    os.chmod(directory, 0o755)
    inside = Namespace("10.99.0.1/16")
    c = Cluster(directory, Authority(f"{directory}/pki"))
    try:
        with inside:
            c.start()
        yield inside, c
    finally:
        c.close()
        inside.close()
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def shared_cluster(_cluster_of_session):
    """The API server that modules share; each is in its network meanwhile.

    What a module leaves there, others see: it takes namespaces of its own and
    removes what the whole cluster has only once.
    """
    inside, c = _cluster_of_session
    with inside:
        yield c
