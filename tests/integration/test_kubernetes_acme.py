# SPDX-License-Identifier: BSD-2-Clause
"""What cert-manager does: a solver on port 80, a Secret that comes late, rotates
and breaks."""
import base64

import pytest

from harness.akkod import Akkod
from harness.upstream import Upstream, echo
from test_kubernetes import (CONFIG, app, cluster, ingress, namespace,  # noqa: F401
                             objects, ready, router, served_certificate,
                             service, status, tls_secret, until)

pytestmark = pytest.mark.kubernetes
HOST = "acme.test"
CHALLENGE = "/.well-known/acme-challenge/"
REDIRECTING = CONFIG.replace(
    '@web@"', '@web@", allowACMEByPass: true, '
    'http: {redirections: {entryPoint: {to: websecure}}}')


@pytest.fixture(scope="module")
def kube(cluster, app, module_io, tmp_path_factory):  # noqa: F811
    assert REDIRECTING != CONFIG
    cluster.apply(objects(service("app", app)))
    a = Akkod(tmp_path_factory.mktemp("acme"), module_io, REDIRECTING,
              env={"KUBECONFIG": str(cluster.kubeconfig)}, host="10.99.0.1")
    try:
        until(lambda: ready(a))
        yield a
    finally:
        a.close()


@pytest.fixture
def shop(kube, cluster):  # noqa: F811
    """An application that names a Secret which is not there yet."""
    cluster.kubectl("delete", "secret", "acme", "--ignore-not-found")
    cluster.apply(objects(ingress("acme", HOST, tls="acme", annotations=router(
        entrypoints="websecure"))))
    until(lambda: kube.get("/", host=HOST, entry_point="websecure", tls=True,
                           sni=HOST).status == 200)
    yield kube
    cluster.kubectl("delete", "ingress", "acme")


def test_the_solver_beside_the_redirection(shop, cluster):  # noqa: F811
    r = shop.get("/page", host=HOST)
    assert r.status == 301 and r["Location"].startswith(f"https://{HOST}:")
    assert shop.get(CHALLENGE + "token", host=HOST).status == 404
    solver = Upstream(echo, host="10.99.4.1")
    try:
        path = ingress("cm-acme-http-solver-x", HOST, CHALLENGE + "token",
                       "cm-acme-http-solver-y")
        path["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = "Exact"
        cluster.apply(objects(service("cm-acme-http-solver-y", solver), path))
        until(lambda: status(shop, HOST, CHALLENGE + "token") == 200)
        assert solver.requests
        # Nothing else has changed.
        assert shop.get(CHALLENGE + "other", host=HOST).status == 404
        assert shop.get("/page", host=HOST).status == 301
        cluster.kubectl("delete", "ingress", "cm-acme-http-solver-x")
        until(lambda: status(shop, HOST, CHALLENGE + "token") == 404)
    finally:
        solver.close()


def broken(good, **parts):
    """A Secret in whose place something else stands."""
    secret = tls_secret("acme", good)
    for name, content in parts.items():
        secret["data"][f"tls.{name}"] = base64.b64encode(content).decode()
    return secret


def test_a_secret_comes_late_rotates_and_breaks(shop, cluster, authority):  # noqa: F811
    assert served_certificate(shop, HOST, authority) is None
    cluster.apply(objects(tls_secret("acme", authority.leaf(HOST))))
    until(lambda: served_certificate(shop, HOST, authority))
    first = served_certificate(shop, HOST, authority)
    good = authority.leaf(HOST)
    cluster.apply(objects(tls_secret("acme", good)))
    until(lambda: served_certificate(shop, HOST, authority) not in (None, first))
    second = served_certificate(shop, HOST, authority)
    crt, key = (f.read_bytes() for f in good)
    other = authority.leaf("other.test")
    expired = authority.leaf(HOST, start=-9, days=-1, file="expired")
    for what in (broken(good, key=other[1].read_bytes()),	# of another
                 broken(good, crt=crt[:len(crt) // 2]),		# cut
                 broken(good, crt=b"", key=key),
                 broken(good, crt=b"nothing of the kind"),
                 broken(expired)):
        cluster.apply(objects(what))
        until(lambda: refusals(shop))
        assert "Secret default/acme" in refusals(shop)
        assert served_certificate(shop, HOST, authority) == second
        cluster.apply(objects(tls_secret("acme", good)))
        until(lambda: not refusals(shop))
    third = authority.leaf(HOST)
    cluster.apply(objects(tls_secret("acme", third)))
    until(lambda: served_certificate(shop, HOST, authority) not in (None, second))


def refusals(a):
    """What is said of the Ingress."""
    return "; ".join(x["error"] for x in a.status()["sources"]["kubernetes"]
                     ["refused"] if x["object"] == "Ingress default/acme")
