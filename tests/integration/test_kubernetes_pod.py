# SPDX-License-Identifier: BSD-2-Clause
"""As in a pod: the rights of deploy/kubernetes/rbac.yaml, tokens that end."""
import json
import os
import signal
import ssl
import threading
import time
from pathlib import Path

import pytest

from harness.akkod import Akkod
from harness.pki import Authority
from test_kubernetes import (Account, Cluster, CONFIG, app, cluster, ingress, middleware,  # noqa: F401
                             namespace, objects, ready, router, service, status,
                             until)

pytestmark = pytest.mark.kubernetes
# In a pod time is given to others to learn of the end; here nobody needs it.
POD = CONFIG.replace('@"', '@", transport: {lifeCycle: {'
                     'requestAcceptGraceTimeout: 0s}}')
RBAC = Path(__file__).parents[2] / "deploy/kubernetes/rbac.yaml"
EVENTS = RBAC.with_name("rbac-events.yaml")


@pytest.fixture
def account(cluster, tmp_path_factory, module_io):  # noqa: F811
    cluster.apply(RBAC.read_text())
    a = Account(cluster.dir / f"account-{time.monotonic_ns()}",
                cluster.authority.file)
    a.put(cluster.token("akkod"))
    return a


@pytest.fixture
def start(cluster, account, app, tmp_path, module_io):  # noqa: F811
    cluster.apply(objects(service("app", app), ingress("pod", "pod.test")))
    running = []

    def start_one():
        a = Akkod(tmp_path / f"akkod{len(running)}", module_io, POD,
                  host="10.99.0.1", prefix=account.prefix,
                  env={"KUBERNETES_SERVICE_HOST": Cluster.address,
                       "KUBERNETES_SERVICE_PORT": "6443"})
        running.append(a)
        until(lambda: ready(a), 20)
        return a
    yield start_one
    for a in running:
        a.close()


@pytest.fixture
def pod(start):
    return start()


def test_the_rights_that_are_shipped_are_enough(pod, cluster):  # noqa: F811
    """And no more than kubernetes.md 1.7 asks for."""
    cluster.apply(objects(
        middleware("pod", {"addPrefix": {"prefix": "/p"}}),
        ingress("pod", "pod.test", annotations=router(
            middlewares="default-pod@kubernetescrd"))))
    until(lambda: status(pod, "pod.test") == 200 and json.loads(
        pod.get("/x", host="pod.test").body)["target"] == "/p/x")
    path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses/pod"
    until(lambda: cluster.get(path)["status"]["loadBalancer"].get("ingress")
          == [{"ip": "10.99.0.77"}])
    watches = pod.status()["kubernetes"]["watches"]
    assert len(watches) == 17
    assert {w["state"] for w in watches.values()} == {"watching"}
    assert "does not allow" not in pod.log
    rules = cluster.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/akkod")
    assert {v for r in rules["rules"] for v in r["verbs"]} == \
        {"get", "list", "watch", "update"}
    assert [r["resources"] for r in rules["rules"] if "update" in r["verbs"]] \
        == [["ingresses/status"]]
    cluster.kubectl("delete", "middleware.traefik.io", "pod")


class Asking:
    """Asks for a route without end; every answer must be 200."""

    def __init__(self, a, host):
        self.a, self.host = a, host
        self.bad, self.good, self.over = [], 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over:
            try:
                s = status(self.a, self.host)
            except OSError as e:
                s = e
            if s == 200:
                self.good += 1
            else:
                self.bad.append(s)
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(10)
        assert self.good > 20 and not self.bad, self.bad[:5]


def test_another_token_and_another_ca(pod, cluster, account):  # noqa: F811
    """All tokens are refused and the server's CA is not known; then come new ones."""
    old = cluster.server_cert, cluster.context
    authority = Authority(cluster.dir / f"pki-{time.monotonic_ns()}", "another root")
    with Asking(pod, "pod.test"):
        cluster.kill_api()
        cluster.new_signing_key()
        cluster.server_cert = authority.leaf(Cluster.address)
        cluster.context = ssl.create_default_context(cafile=authority.file)
        cluster.context.load_cert_chain(*cluster.admin)
        try:
            cluster.start_api()
            pod.wait_log(r"certificate|SSL", 10)
            account.ca = authority.file.read_text()
            account.put("not.a.token")
            pod.wait_log(r"the API server answers 401", 10)
            assert not pod.status()["kubernetes"]["snapshot"]["in_use"]
            cluster.post("/apis/networking.k8s.io/v1/namespaces/default/ingresses",
                         ingress("rotated", "rotated.test"))
            account.put(cluster.token("akkod"))
            # Within five seconds: a back-off ends after two.
            assert until(lambda: status(pod, "rotated.test") == 200) < 5
        finally:
            cluster.kill_api()
            cluster.server_cert, cluster.context = old
            cluster.start_api()
            account.ca = cluster.authority.file.read_text()
            account.put(cluster.token("akkod"))
    cluster.kubectl("delete", "ingress", "rotated")
    assert until(lambda: status(pod, "rotated.test") == 404) < 5


def test_a_history_that_is_gone(pod, cluster):  # noqa: F811
    """The controller sleeps; what it missed was compacted, the server is new."""
    cluster.apply(objects(ingress("going", "going.test")))
    until(lambda: status(pod, "going.test") == 200)
    sleeper = controller_of(pod)
    with Asking(pod, "pod.test"):
        os.kill(sleeper, signal.SIGSTOP)
        try:
            cluster.kubectl("delete", "ingress", "going")
            cluster.apply(objects(ingress("coming", "coming.test")))
            cluster.compact()
            cluster.kill_api()
            assert status(pod, "going.test") == 200
            cluster.start_api()
        finally:
            os.kill(sleeper, signal.SIGCONT)
        assert until(lambda: status(pod, "coming.test") == 200 and
                     status(pod, "going.test") == 404) < 5
    pod.wait_log(r"the server has forgotten what came after")
    # And nothing was begun anew for it.
    assert controller_of(pod) == sleeper
    cluster.kubectl("delete", "ingress", "coming")


def controller_of(a):
    """The controller's process number."""
    for p in Path("/proc").glob("[0-9]*/cmdline"):
        words = p.read_bytes().split(b"\0")
        if words[1:2] == [b"controller"] and int(Path(
                p.parent, "stat").read_text().split(")")[1].split()[1]) == \
                int((a.run_dir / "akkod.pid").read_text()):
            return int(p.parent.name)
    raise AssertionError("no controller")


def events(cluster, name):  # noqa: F811
    """Those of an Ingress: (reason, note, count)."""
    found = cluster.get("/apis/events.k8s.io/v1/namespaces/default/events")
    return sorted((e["reason"], e["note"], e.get("series", {}).get("count", 1))
                  for e in found["items"] if e["regarding"]["name"] == name)


def wrong(name, priority):
    return ingress(name, f"{name}.test", annotations=router(priority=priority))


def test_refusals_become_events_where_that_is_allowed(start, cluster, module_io):  # noqa: F811
    """One per object and reason, counted; elsewhere it is said once that not."""
    # Events outlive their objects.
    names = [f"wrong-{module_io}-{n}" for n in range(4)]
    cluster.apply(objects(*(wrong(n, "much") for n in names)))
    a = start()
    a.wait_log(r"the role does not allow to create and patch events")
    assert not events(cluster, names[0])
    assert a.log.count("patch events") == 1
    assert a.stop() == 0

    cluster.apply(EVENTS.read_text())
    b = start()
    until(lambda: all(events(cluster, n) for n in names), 20)
    first, = events(cluster, names[0])
    assert first[0] == "Refused" and first[2] == 1
    assert "priority" in first[1]
    # It goes and comes again: the same Event, counted.
    cluster.apply(objects(wrong(names[0], "1")))
    until(lambda: status(b, names[0] + ".test") == 200)
    cluster.apply(objects(wrong(names[0], "much")))
    until(lambda: events(cluster, names[0]) == [first[:2] + (2,)])
    assert "Refused" in cluster.kubectl("describe", "ingress", names[1])
    cluster.kubectl("delete", "ingress", *names)
    cluster.kubectl("delete", "-f", str(EVENTS))
