# SPDX-License-Identifier: BSD-2-Clause
"""deploy/example/akko-kubernetes.yaml in a real API server: ten hosts, served
with deploy/example/akkod-kubernetes.yaml."""
from pathlib import Path

import pytest

from harness.akkod import Akkod
from harness.upstream import Upstream
from test_example import HOSTS, PORTS, login, service as named
from test_kubernetes import (cluster, namespace, objects,  # noqa: F401
                             service, tls_secret, until)

pytestmark = pytest.mark.kubernetes
EXAMPLE = Path(__file__).parents[2] / "deploy/example/akko-kubernetes.yaml"
FRONT = EXAMPLE.with_name("akkod-kubernetes.yaml").read_text()
LOGIN = "http://oauth2-proxy.akko.svc.cluster.local:4180/"


@pytest.fixture(scope="module")
def world(cluster):  # noqa: F811
    """The manifests, and services behind them."""
    ups = {name: Upstream(login if name == "oauth2-proxy" else named(name),
                          host="10.99.3.1", owned=name != "oauth2-proxy")
           for name in PORTS}
    text = EXAMPLE.read_text()
    assert LOGIN in text
    cluster.apply(text.replace(LOGIN, ups["oauth2-proxy"].url + "/"))
    cluster.apply(objects(
        *(service(name, u, namespace="akko", port=PORTS[name])
          for name, u in ups.items()),
        tls_secret("akko-tls", cluster.authority.leaf("akko.local",
                                                      "*.akko.local"),
                   namespace="akko")))
    yield ups
    for u in ups.values():
        u.close()


@pytest.fixture(scope="module")
def akko(cluster, world, module_io, tmp_path_factory):  # noqa: F811
    text = FRONT
    for port, name in ("80", "web"), ("443", "websecure"), ("8080", "probes"):
        text = text.replace(f'":{port}"', f'"10.99.0.1:@{name}@"')
    assert text.count("@") == 6
    a = Akkod(tmp_path_factory.mktemp("akko"), module_io, text,
              env={"KUBECONFIG": str(cluster.kubeconfig)}, host="10.99.0.1")
    a.cafile = cluster.authority.file
    until(lambda: a.get("/", host="akko.local", entry_point="websecure",
                        tls=True, sni="akko.local").status == 200)
    yield a
    a.close()


def get(a, host, path="/", headers=()):
    return a.get(path, host=host, entry_point="websecure", tls=True, sni=host,
                 cafile=a.cafile, headers=headers)


@pytest.mark.parametrize("host", HOSTS)
def test_ten_hosts(akko, host):
    name, asks = HOSTS[host]
    r = get(akko, host)
    if asks:
        assert r.status == 302
        assert r["Location"] == "https://identity.akko.local/login"
        r = get(akko, host, headers=[("Cookie", "_oauth2_proxy=good"),
                                     ("X-Auth-Request-User", "root")])
    assert r.status == 200 and r["X-Service"] == name
    if asks:
        assert b"alice" in r.body and b"root" not in r.body


def test_the_login_s_own_pages_need_no_login(akko):
    r = get(akko, "bi.akko.local", "/oauth2/sign_in")
    assert r.status == 200 and r["X-Service"] == "oauth2-proxy"


def test_the_chain(akko):
    r = get(akko, "experiments.akko.local",
            headers=[("Cookie", "_oauth2_proxy=good")])
    assert r["Strict-Transport-Security"] == "max-age=31536000"


def test_the_configuration_s_own_entry_points(akko):
    assert akko.get("/readyz", host="probe", entry_point="probes").status == 200
    r = akko.get("/x?y", host="bi.akko.local", entry_point="web")
    assert r.status == 301
    assert r["Location"] == \
        f"https://bi.akko.local:{akko.ports['websecure']}/x?y"
