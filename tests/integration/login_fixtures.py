# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the login tests: one Keycloak for the whole run, a site per test."""
import pytest

from harness.ports import free_port
from login_browser import Browser
from login_relay import relay
from login_site import APP, AUTH, IDENTITY, servers, site


@pytest.fixture(scope="session")
def login_port():
    """The port of every akkod of these tests; it is part of all public URLs."""
    return free_port()


@pytest.fixture(scope="session")
def keycloak(login_port):
    with servers.Keycloak(f"https://{IDENTITY}:{login_port}") as k:
        yield k


@pytest.fixture(scope="session")
def login_certificate(authority):
    """For every host of the site."""
    return authority.leaf("*.akko.test")


@pytest.fixture
def oauth2_proxy(keycloak, login_port):
    """oauth2_proxy(flags, ...) starts one."""
    running = []

    def start(flags=None, **options):
        running.append(servers.OAuth2Proxy(keycloak, AUTH, login_port, flags,
                                           **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def new_browser(login_port, authority):
    """new_browser() opens one that knows nobody."""
    opened = []

    def start():
        opened.append(Browser(login_port, authority.file))
        return opened[-1]

    yield start
    for b in opened:
        b.close()


@pytest.fixture
def browser(new_browser):
    return new_browser()


@pytest.fixture
def open_site(akkod, upstream, oauth2_proxy, keycloak, login_port,
              login_certificate):
    """open_site(shape, flags, ...) starts application, OAuth2 Proxy and akkod.

    What akkod asks of the auth server goes by way of a recording hop, `asked`,
    which loses the fields in `drop`. With a number for `oauth` nothing is
    started there."""
    def start(shape, flags=None, serve=None, drop=(), oauth=None, **options):
        app = upstream(serve) if serve else upstream()
        server = None if oauth else oauth2_proxy(flags)
        port = oauth or server.port
        asked = upstream(relay(port, drop), owned=False)
        crt, key = login_certificate
        a = akkod(site(shape, **options), values={
            "port": login_port, "crt": crt, "key": key, "app": app.port,
            "auth": asked.port, "oauth": port, "keycloak": keycloak.port})
        a.app, a.asked, a.oauth = app, asked, server
        assert {w["backend"] for w in a.status()["workers"]} == {a.io}
        a.page = f"https://{APP}:{login_port}/superset/dashboard?id=7&q=a%20b%2Fc"
        return a

    return start
