# SPDX-License-Identifier: BSD-2-Clause
"""When a pod is ready: every provider has spoken, or a snapshot did for it."""
import re
import time

import pytest

from harness.akkod import Akkod
from test_kubernetes import (CONFIG, app, cluster, ingress, namespace,  # noqa: F401
                             objects, ready, router, served_certificate,
                             service, status, tls_secret, until)

pytestmark = pytest.mark.kubernetes
PROVIDERS = "kubernetes", "kubernetescrd"


@pytest.fixture
def start(cluster, tmp_path, module_io):  # noqa: F811
    """akkod in the cluster, again and again in one directory."""
    running = []

    def start_one(config=CONFIG, kubeconfig=cluster.kubeconfig):
        a = Akkod(tmp_path / "akkod", module_io, config, host="10.99.0.1",
                  env={"KUBECONFIG": str(kubeconfig)})
        running.append(a)
        return a
    yield start_one
    for a in running:
        a.close()


def readyz(a):
    r = a.get("/readyz", entry_point="traefik")
    return r.status, r.body.decode()


def states(a):
    sources = a.status()["sources"]
    return [sources[p]["state"] for p in PROVIDERS]


def test_not_before_every_provider_has_spoken(start, cluster, app):  # noqa: F811
    """Never a 404 for a route that exists."""
    cluster.apply(objects(service("app", app), ingress("there", "there.test")))
    directory = cluster.dir / "ready"
    directory.mkdir(mode=0o755, exist_ok=True)
    later = directory / "kubeconfig"
    later.unlink(missing_ok=True)
    a = start(kubeconfig=later)
    assert readyz(a) == (503, "waiting for kubernetes, kubernetescrd")
    assert a.get("/ping", entry_point="traefik").status == 200
    r = a.get("/", host="there.test")
    assert r.status == 503 and r["Retry-After"] == "1"
    told = a.status()
    assert told["ready"] is False and states(a) == ["waiting"] * 2
    assert told["waiting"] == "kubernetes, kubernetescrd"
    assert "waiting for kubernetes" in a.command("status").stdout
    later.write_text(cluster.kubeconfig.read_text())
    later.chmod(0o644)
    seen = set()

    def routed():
        seen.add(status(a, "there.test"))
        return 200 in seen
    until(routed, 15)
    until(lambda: readyz(a) == (200, "OK"))
    assert 404 not in seen
    assert status(a, "other.test") == 404
    assert a.status()["ready"] is True and states(a) == ["synced"] * 2
    # While it drains nobody new is to come.
    assert a.command("drain").returncode == 0
    until(lambda: readyz(a) == (503, "draining"))
    assert a.command("drain", "--undo").returncode == 0
    until(lambda: readyz(a) == (200, "OK"))


def test_what_status_tells(start, cluster, app):  # noqa: F811
    """Each source and each watch: state, age, objects, errors, refusals."""
    cluster.apply(objects(
        service("app", app), ingress("told", "told.test"),
        ingress("wrong", "wrong.test", annotations=router(priority="much"))))
    a = start()
    until(lambda: ready(a))
    told = a.status()
    ingresses = told["sources"]["kubernetes"]
    assert ingresses["objects"]["router"] >= 1
    assert [x["object"] for x in ingresses["refused"]] == \
        ["Ingress default/wrong"]
    assert ingresses["errors"] == 1
    until(lambda: a.status()["kubernetes"]["watches"]["Ingress"]["objects"] >= 2)
    watch = a.status()["kubernetes"]["watches"]["Ingress"]
    assert watch["state"] == "watching" and int(watch["resourceVersion"]) > 0
    assert 0 <= watch["age"] < 20 and watch["errors"] == 0
    cluster.kubectl("delete", "ingress", "wrong")
    until(lambda: a.status()["sources"]["kubernetes"]["errors"] == 0)


def test_a_start_without_the_api_server(start, cluster, app, authority):  # noqa: F811
    """The snapshot serves, certificates included, until the server is back."""
    cert = authority.leaf("kept.test")
    cluster.apply(objects(
        service("app", app), tls_secret("kept", cert),
        ingress("kept", "kept.test"),
        ingress("kept-tls", "kept.test", tls="kept",
                annotations=router(tls="true"))))
    a = start()
    until(lambda: status(a, "kept.test") == 200)
    snapshot = a.state_dir / "kubernetes.snapshot"
    until(snapshot.exists, 15)
    assert snapshot.stat().st_mode & 0o7777 == 0o600
    assert a.status()["kubernetes"]["snapshot"] == {"in_use": False}
    cluster.kill_api()
    try:
        time.sleep(0.5)
        assert readyz(a) == (200, "OK")		# it stays
        assert a.stop() == 0
        b = start()
        assert readyz(b)[0] == 503 and status(b, "kept.test") == 503
        until(lambda: ready(b))
        assert status(b, "kept.test") == 200
        assert served_certificate(b, "kept.test", authority) is not None
        assert status(b, "no.test") == 404
        assert states(b) == ["snapshot"] * 2
        told = b.status()["kubernetes"]["snapshot"]
        assert told["in_use"] and 0 < told["age"] < 60
        assert b.stop() == 0

        # One that is damaged is no snapshot.
        data = bytearray(snapshot.read_bytes())
        data[len(data) // 2] ^= 1
        snapshot.write_bytes(data)
        c = start()
        c.wait_log(r"snapshot in .* is not used: it is damaged")
        assert status(c, "kept.test") == 503 and readyz(c)[0] == 503
        assert c.status()["kubernetes"]["snapshot"]["error"] == "it is damaged"
        assert c.stop() == 0

        data[len(data) // 2] ^= 1
        snapshot.write_bytes(data)
        d = start()
        until(lambda: ready(d))
    finally:
        cluster.start_api()
    # What has changed meanwhile is taken up, and nothing is missing before.
    cluster.apply(objects(ingress("new", "new.test")))
    until(lambda: status(d, "kept.test") == 200 and
          status(d, "new.test") == 200)
    until(lambda: states(d) == ["synced"] * 2)
    assert not d.status()["kubernetes"]["snapshot"]["in_use"]


def test_no_keys_on_disk_where_none_are_wanted(start, cluster, app):  # noqa: F811
    a = start()
    until((a.state_dir / "kubernetes.snapshot").exists, 15)
    assert a.stop() == 0
    b = start(CONFIG + "akkod: {kubernetesSnapshot: false}\n")
    until(lambda: ready(b))
    assert b.status()["kubernetes"]["snapshot"] is None
    assert not [x for x in b.state_dir.iterdir()
                if re.search("snapshot", x.name)]


def test_no_keys_on_disk_once_none_are_wanted(start, cluster, app):  # noqa: F811
    """A reload is enough, also when a snapshot was about to be written."""
    off = CONFIG + "akkod: {kubernetesSnapshot: false}\n"

    def snapshots():
        return [x.name for x in a.state_dir.iterdir() if "snapshot" in x.name]
    a = start()
    until(lambda: ready(a))
    a.reload(off)		# before the first one
    time.sleep(3.5)
    assert snapshots() == []
    a.reload(CONFIG)
    until(lambda: snapshots() == ["kubernetes.snapshot"], 15)
    a.reload(off)
    assert snapshots() == []
    assert a.status()["kubernetes"]["snapshot"] is None
