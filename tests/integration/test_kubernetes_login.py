# SPDX-License-Identifier: BSD-2-Clause
"""A person logs in through deploy/example/akko-kubernetes.yaml in a real API
server, with the real OAuth2 Proxy and Keycloak behind it."""
import pytest

from harness.akkod import Akkod
from harness.ports import free_port
from harness.upstream import Upstream, echo
from login_browser import Browser
from login_relay import Hop
from login_site import APP, AUTH, IDENTITY, USERS, log_in, servers
from test_kubernetes import (cluster, namespace, objects, ready,  # noqa: F401
                             service, tls_secret, until)
from test_kubernetes_example import EXAMPLE, LOGIN
from test_login import FORGED, assert_identity, assert_login_form

pytestmark = [pytest.mark.kubernetes, pytest.mark.keycloak]
CONFIG = """
entryPoints:
  websecure: {address: "127.0.0.1:@port@", http: {tls: {}}}
  traefik: {address: "127.0.0.1:@traefik@"}
ping: {}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
providers: {kubernetesIngress: {}, kubernetesCRD: {}}
"""


@pytest.fixture(scope="module")
def port():
    """Part of all public URLs."""
    return free_port()


@pytest.fixture(scope="module")
def world(cluster, port):  # noqa: F811
    """The manifests under the tests' domain, and what stands behind them."""
    with servers.Keycloak(f"https://{IDENTITY}:{port}") as k, \
            servers.OAuth2Proxy(k, AUTH, port) as o:
        # Both listen on loopback, which no EndpointSlice may name.
        hops = {"superset": Upstream(echo, host="10.99.3.1"),
                "oauth2-proxy": Hop(o.port, "10.99.3.2"),
                "keycloak": Hop(k.port, "10.99.3.3")}
        text = EXAMPLE.read_text().replace("akko.local", "akko.test")
        cluster.apply(text.replace(LOGIN, hops["oauth2-proxy"].url + "/"))
        ports = {"superset": 8088, "oauth2-proxy": 4180, "keycloak": 8080}
        cluster.apply(objects(
            *(service(name, u, namespace="akko", port=ports[name])
              for name, u in hops.items()),
            tls_secret("akko-tls", cluster.authority.leaf(
                "akko.test", "*.akko.test"), namespace="akko")))
        yield hops
        for u in hops.values():
            u.close()


@pytest.fixture
def site(cluster, world, port, module_io, tmp_path):  # noqa: F811
    a = Akkod(tmp_path / "akkod", module_io, CONFIG, {"port": port},
              env={"KUBECONFIG": str(cluster.kubeconfig)})
    a.app, a.page = world["superset"], f"https://{APP}:{port}/superset?id=7"
    try:
        until(lambda: ready(a))
        yield a
    finally:
        a.close()


@pytest.mark.parametrize("user", USERS)
def test_log_in(site, cluster, port, user):  # noqa: F811
    browser = Browser(port, cluster.authority.file)
    before = len(site.app.requests)
    try:
        page = browser.open(site.page)
        assert_login_form(page)
        assert len(site.app.requests) == before
        page = log_in(browser, page, user)
        assert (page.url, page.status) == (site.page, 200)
        assert_identity(site.app.requests[-1], user)
        # What a client says of itself is not believed, logged in or not.
        page = browser.open(site.page, headers=FORGED)
        assert page.status == 200
        assert_identity(site.app.requests[-1], user)
        line = site.logged(RouterName="akko-bi-bi-akko-test@kubernetes")
        assert line["DownstreamStatus"] == 200
    finally:
        browser.close()
