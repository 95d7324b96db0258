# SPDX-License-Identifier: BSD-2-Clause
"""Ways to get a login wrong that a proxy can cause or prevent.

Each is shown twice where it can be: the mistake does what is known of it, and
the site without it works."""
import time

import pytest

from login_browser import Loop
from login_relay import Tunnel
from login_site import APP, AUTH, IDENTITY, OLD, SESSION, log_in, servers

pytest_plugins = ["login_fixtures"]
pytestmark = pytest.mark.keycloak

each_shape = pytest.mark.parametrize("shape", ("asks", "leads"))


def test_callback_behind_the_login_loops(open_site, browser):
    """Without a router of its own the callback is itself sent to the login."""
    s = open_site("leads", {"redirect-url": None}, login_router=False)
    page = browser.open(s.page)
    with pytest.raises(Loop):
        log_in(browser, page, "anna")
    assert not s.app.requests


@each_shape
def test_callback_at_the_protected_host(open_site, browser, shape):
    """With that router the login works even where nobody named the callback."""
    s = open_site(shape, {"redirect-url": None})
    page = log_in(browser, browser.open(s.page), "anna")
    assert (page.url, page.status) == (s.page, 200)
    callback, = [url for _, url in page.way if "/oauth2/callback?" in url]
    assert callback.startswith(browser.url(APP))


def test_callback_elsewhere_needs_a_cookie_domain(open_site, browser):
    s = open_site("leads", {"cookie-domain": None})
    page = log_in(browser, browser.open(s.page), "anna")
    assert (page.host, page.status) == (AUTH, 403)
    assert not s.app.requests


def test_callback_at_home_needs_no_cookie_domain(open_site, browser):
    s = open_site("leads", {"cookie-domain": None, "redirect-url": browser.url(
        APP, "/oauth2/callback")})
    page = log_in(browser, browser.open(s.page), "otto")
    assert (page.url, page.status) == (s.page, 200)


@pytest.mark.parametrize("lost, lands_at", [
    ("x-forwarded-proto", AUTH), ("x-forwarded-host", AUTH),
    ("x-forwarded-uri", APP)])
def test_forwarded_fields_lead_back(open_site, browser, lost, lands_at):
    """What the auth server must be told, or the way back is lost."""
    s = open_site("leads", drop=(lost,))
    page = log_in(browser, browser.open(s.page), "anna")
    assert page.host == lands_at and page.url != s.page


@pytest.mark.parametrize("flags", [
    {"whitelist-domain": ".akko.test"}, {"reverse-proxy": None}])
def test_auth_server_that_does_not_trust_them(open_site, browser, flags):
    s = open_site("leads", flags)
    page = log_in(browser, browser.open(s.page), "anna")
    assert page.host == AUTH


@each_shape
def test_forged_forwarded_fields_lead_nowhere(open_site, browser, shape):
    s = open_site(shape)
    page = browser.open(s.page, headers=[
        ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Uri", "/evil"), ("X-Forwarded-Port", "80"),
        ("X_Forwarded_Host", "evil.test"), ("X-Forwarded-Method", "OPTIONS"),
        ("X-Auth-Request-Redirect", "https://evil.test/"),
        ("Forwarded", "host=evil.test;proto=http"),
        ("X-Original-Url", "https://evil.test/")])
    page = log_in(browser, page, "anna")
    assert (page.url, page.status) == (s.page, 200)
    assert not any("evil" in url for _, url in page.way)


@each_shape
def test_refreshed_cookies_must_be_listed(open_site, browser, shape):
    """Unlisted, the new session stays between akkod and the auth server."""
    s = open_site(shape, {"cookie-refresh": "1s"}, cookies=())
    log_in(browser, browser.open(s.page), "otto")
    before = browser.jar.named("_oauth2_proxy")
    time.sleep(OLD)
    r = browser.fetch(s.page)
    assert (r.status, r.all("Set-Cookie")) == (200, [])
    assert browser.jar.named("_oauth2_proxy") == before


@each_shape
def test_half_of_a_refreshed_session_is_none(open_site, browser, shape):
    s = open_site(shape, {"cookie-refresh": "1s"}, cookies=SESSION[1:2])
    log_in(browser, browser.open(s.page), "otto")
    time.sleep(OLD)
    r = browser.fetch(s.page)
    assert r.status == 200
    assert [v.partition("=")[0] for v in r.all("Set-Cookie")] == [SESSION[1]]
    n = len(s.app.requests)
    r = browser.fetch(s.page, headers=[("Accept", "application/json")])
    assert r.status == {"asks": 302, "leads": 401}[shape]
    assert len(s.app.requests) == n


@each_shape
def test_preflights_are_not_skipped(open_site, browser, shape):
    """The auth server's exemption for OPTIONS sees a GET, so it never acts."""
    s = open_site(shape, {"skip-auth-preflight": "true"})
    r = browser.fetch(s.page, "OPTIONS", [
        ("Origin", "https://grafana.akko.test"),
        ("Access-Control-Request-Method", "GET")])
    assert r.status == 302
    assert not s.app.requests


def test_preflights_are_skipped_with_their_own_method(open_site, browser):
    """Where the method is kept, a preflight and nothing else gets through."""
    s = open_site("leads", {"skip-auth-preflight": "true"},
                  extra="preserveRequestMethod: true")
    preflight = [("Origin", "https://grafana.akko.test"),
                 ("Access-Control-Request-Method", "GET")]
    assert browser.fetch(s.page, "OPTIONS", preflight).status == 200
    assert s.app.last.method == "OPTIONS"
    assert browser.fetch(s.page, "GET", preflight).status == 302
    assert len(s.app.requests) == 1


DISCOVERY = {"skip-oidc-discovery": None, "login-url": None, "redeem-url": None,
             "oidc-jwks-url": None, "profile-url": None, "validate-url": None}


def test_issuer_must_be_the_public_one(oauth2_proxy, keycloak):
    with pytest.raises(RuntimeError, match="issuer did not match"):
        oauth2_proxy({**DISCOVERY, "oidc-issuer-url": keycloak.inner})


def test_discovery_through_akkod(open_site, oauth2_proxy, browser, authority):
    """OAuth2 Proxy finds the identity provider where browsers do."""
    port = servers.free_port()
    tunnel = Tunnel()
    try:
        s = open_site("asks", oauth=port)
        oauth2_proxy({**DISCOVERY, "provider-ca-file": authority.file}, port=port,
                     env={"HTTPS_PROXY": tunnel.url})
        page = log_in(browser, browser.open(s.page), "otto")
        assert (page.url, page.status) == (s.page, 200)
        assert IDENTITY in tunnel.names
    finally:
        tunnel.close()


@each_shape
def test_warning_about_cookie_domains_is_harmless(open_site, browser, shape):
    """It takes the port for a part of the host's name, and works all the same."""
    s = open_site(shape)
    page = log_in(browser, browser.open(s.page), "anna")
    assert (page.url, page.status) == (s.page, 200)
    assert "did not match any of the specific cookie domains" in s.oauth.log()


def test_error_page_without_a_rewrite_leads_nowhere(open_site, browser):
    """Browsers stay where they are at a 401, with or without a Location."""
    s = open_site("asks", rewrites=False)
    r = browser.fetch(s.page)
    assert r.status == 401
    assert r["Location"].startswith(browser.url(IDENTITY))
    assert not s.app.requests


def test_error_page_inside_the_login_never_acts(open_site, browser):
    s = open_site("asks", names="[login, sign-in]")
    r = browser.fetch(s.page)
    assert (r.status, r["Location"]) == (401, None)
    assert len(s.asked.requests) == 1 and not s.app.requests


def test_error_page_with_a_button(open_site, browser):
    """A page to click on is not a redirect: the 302 has no Location."""
    s = open_site("asks", {"skip-provider-button": None})
    r = browser.fetch(s.page)
    assert (r.status, r["Location"]) == (302, None)
    assert b"<form" in r.body


def test_sign_in_address_instead_of_an_error_page(open_site, browser):
    """It leads to the login too, and forgets which page was asked for."""
    s = open_site("asks", names="[login]", extra="authSigninURL: /oauth2/sign_in")
    r = browser.fetch(s.page)
    assert (r.status, r["Location"]) == (302, "/oauth2/sign_in")
    page = log_in(browser, browser.open(s.page), "anna")
    assert page.host == AUTH
    assert browser.open(s.page).way == [(200, s.page)]
