# SPDX-License-Identifier: BSD-2-Clause
"""A person logs in at bi.akko.test with the real OAuth2 Proxy and Keycloak.

The site is built in the two shapes that forward-auth has in practice; see
login_site."""
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from harness.client import head
from login_site import APP, IDENTITY, OLD, USERS, log_in

pytest_plugins = ["login_fixtures"]
pytestmark = pytest.mark.keycloak

each_shape = pytest.mark.parametrize("shape", ("asks", "leads"))
each_user = pytest.mark.parametrize("user", USERS)

# A client's words about who it is, in every spelling that a server behind
# might take for the real one.
FORGED = [
    ("X-Auth-Request-User", "root"),
    ("x-auth-request-user", "admin"),
    ("X-Auth-Request-Email", "root@akko.test"),
    ("X-Auth-Request-Groups", "admins"),
    ("X-AUTH-REQUEST-GROUPS", "owners"),
    ("X-Auth-Request-Preferred-Username", "root"),
    ("X-Auth-Request-Access-Token", "forged"),
    ("X_Auth_Request_User", "root"),
    ("X-Auth_Request-Groups", "admins"),
    ("X.Auth.Request.User", "root"),
    ("X-Forwarded-User", "root"),
    ("X_Forwarded_User", "root"),
    ("X-Forwarded-Email", "root@akko.test"),
    ("X-Forwarded-Groups", "admins"),
    ("X-Forwarded-Preferred-Username", "root"),
    ("X-Forwarded-Access-Token", "forged"),
    ("Remote-User", "root"),
    ("Remote_User", "root"),
    ("Remote-Groups", "admins"),
    ("Remote-Email", "root@akko.test"),
    ("Remote-Name", "root"),
    ("Authorization", "Bearer forged"),
]
FORGED_VALUES = {value for _, value in FORGED}


def assert_identity(request, user):
    """The application sees who it is, from the auth server alone."""
    assert request.all("X-Auth-Request-Email") == [f"{user}@akko.test"]
    assert request.all("X-Auth-Request-Preferred-Username") == [user]
    groups = ",".join(request.all("X-Auth-Request-Groups")).split(",")
    assert groups == USERS[user]
    subject, = request.all("X-Auth-Request-User")
    assert len(subject) == 36
    bearer, = request.all("Authorization")
    assert bearer.startswith("Bearer ey") and bearer.count(".") == 2
    for name, value in request.fields:
        assert value not in FORGED_VALUES, (name, value)


def assert_login_form(page):
    assert (page.host, page.status) == (IDENTITY, 200), page
    assert "username" in page.form()[1]


@each_shape
@each_user
def test_log_in(open_site, browser, shape, user):
    s = open_site(shape)
    page = browser.open(s.page)
    assert_login_form(page)
    assert not s.app.requests
    page = log_in(browser, page, user)
    assert (page.url, page.status) == (s.page, 200)
    r, = s.app.requests
    assert r.method == "GET" and s.page.endswith(APP + r["Host"][len(APP):] +
                                                r.target)
    assert_identity(r, user)
    # The way back led over the callback at the other host, once.
    assert sum("/oauth2/callback?" in url for _, url in page.way) == 1
    # The log tells of what was asked for, not of what was asked on its behalf.
    lines = s.access(browser.requests)
    for line in lines[0], lines[-1]:
        assert (line["RequestMethod"], line["RequestPath"]) == ("GET", r.target)


@each_shape
def test_eighty_groups_are_eleven_kilobytes(open_site, browser, shape):
    """The session of such a user needs two cookies, all of it gets through."""
    s = open_site(shape)
    log_in(browser, browser.open(s.page), "otto")
    cookies = browser.jar.named("_oauth2_proxy")
    assert set(cookies) == {"_oauth2_proxy_0", "_oauth2_proxy_1"}
    r = s.app.last
    for name, value in cookies.items():
        assert f"{name}={value}" in r["Cookie"]
    assert len(r["Authorization"]) > 4000
    assert len(r["X-Auth-Request-Groups"]) > 2000
    assert len(r.head) > 10_500
    # And again on the connection that is already there.
    assert browser.open(s.page).status == 200
    assert_identity(s.app.last, "otto")


@each_shape
def test_forged_identity_without_a_session(open_site, browser, shape):
    s = open_site(shape)
    page = browser.open(s.page, headers=FORGED)
    assert_login_form(page)
    r, = s.asked.requests
    for name, value in r.fields:
        if name.lower() != "authorization":
            assert value not in FORGED_VALUES, (name, value)
    assert not s.app.requests


@each_shape
def test_forged_identity_with_a_session(open_site, browser, shape):
    s = open_site(shape)
    log_in(browser, browser.open(s.page), "anna")
    assert browser.open(s.page, headers=FORGED).status == 200
    assert_identity(s.app.last, "anna")


@each_shape
def test_connection_field_takes_no_identity_away(open_site, browser, shape):
    """A client that names fields as hop-by-hop must not undo what auth sets."""
    s = open_site(shape)
    log_in(browser, browser.open(s.page), "anna")
    names = "close, X-Auth-Request-Email, Authorization, X-Forwarded-Proto"
    page = browser.open(s.page, headers=[("Connection", names)])
    assert page.status == 200
    assert_identity(s.app.last, "anna")


@each_shape
def test_what_the_auth_server_is_asked(open_site, browser, shape):
    """Always a GET without a body; the request itself is told in fields."""
    s = open_site(shape)
    log_in(browser, browser.open(s.page), "anna")
    body = b"\0\r\n" * 100_000
    target = "/api/v1/chart%2F7/?q=(a:!t)&b=%7B%7D"
    r = browser.fetch(browser.url(APP, target), "POST", [("TE", "trailers")], body)
    assert r.status == 200
    assert s.app.last.body == body and s.app.last.target == target
    asked = s.asked.last
    assert (asked.method, asked.body) == ("GET", b"")
    assert asked.target == {"asks": "/oauth2/auth", "leads": "/"}[shape]
    for name in ("Content-Length", "Transfer-Encoding", "Connection", "Upgrade",
                 "TE"):
        assert asked[name] is None, name
    authority = f"{APP}:{browser.port}"
    for name, value in (("Method", "POST"), ("Proto", "https"),
                        ("Host", authority), ("Uri", target),
                        ("For", "127.0.0.1")):
        assert asked.all("X-Forwarded-" + name) == [value]
    assert asked["Cookie"] == s.app.last["Cookie"]


@each_shape
def test_head_and_options_are_asked_about(open_site, browser, shape):
    s = open_site(shape)
    for method in ("HEAD", "OPTIONS", "POST", "DELETE"):
        r = browser.fetch(s.page, method)
        assert (r.status, r["Location"] is not None) == (302, True), method
        if method == "HEAD":
            assert r.body == b""
    assert not s.app.requests
    log_in(browser, browser.open(s.page), "anna")
    for method in ("HEAD", "OPTIONS", "DELETE"):
        assert browser.fetch(s.page, method).status == 200
        assert s.app.last.method == method
        assert_identity(s.app.last, "anna")


def test_scripts_get_an_answer_instead_of_a_login(open_site, browser):
    s = open_site("leads")
    r = browser.fetch(s.page, headers=[("Accept", "application/json")])
    assert (r.status, r.body.strip()) == (401, b"{}")
    # This one says nothing to OAuth2 Proxy.
    r = browser.fetch(s.page, headers=[("X-Requested-With", "XMLHttpRequest")])
    assert r.status == 302
    assert not s.app.requests


@each_shape
@each_user
def test_refresh(open_site, browser, shape, user):
    """A session is renewed under way and goes on with the new cookies."""
    s = open_site(shape, {"cookie-refresh": "1s"})
    log_in(browser, browser.open(s.page), user)
    cookies, bearer = browser.jar.named("_oauth2_proxy"), s.app.last["Authorization"]
    assert len(cookies) == {"anna": 1, "otto": 2}[user]
    time.sleep(OLD)
    page = browser.open(s.page)
    assert page.way == [(200, s.page)]
    fresh = browser.jar.named("_oauth2_proxy")
    assert set(fresh) == set(cookies)
    for name in cookies:
        assert fresh[name] != cookies[name]
    assert s.app.last["Authorization"] != bearer
    assert_identity(s.app.last, user)
    assert browser.open(s.page).way == [(200, s.page)]
    assert_identity(s.app.last, user)


def test_cookies_of_the_application_pass_a_refresh(open_site, browser):
    """Its own reach the browser; one that names the session's does not win."""
    own = [("Set-Cookie", "session=1; Path=/; HttpOnly")]

    def serve(c, r):
        c.body(r)
        c.answer(200, own, b"app")

    s = open_site("leads", {"cookie-refresh": "1s"}, serve=serve)
    log_in(browser, browser.open(s.page), "anna")
    own.append(("Set-Cookie", "_oauth2_proxy=mine; Path=/"))
    time.sleep(OLD)
    r = browser.fetch(s.page)
    assert (r.status, r.body) == (200, b"app")
    names = sorted(v.partition("=")[0] for v in r.all("Set-Cookie"))
    assert names == ["_oauth2_proxy", "session"]
    assert not any("mine" in v for v in r.all("Set-Cookie"))


@each_shape
def test_log_out(open_site, browser, shape):
    """Out of the application and of the identity provider."""
    s = open_site(shape)
    log_in(browser, browser.open(s.page), "otto")
    back = browser.url(APP, "/bye")
    out = (browser.url(IDENTITY, "/realms/akko/protocol/openid-connect/logout?") +
           urlencode({"client_id": "akko", "post_logout_redirect_uri": back}))
    page = browser.open(browser.url(APP, "/oauth2/sign_out?" +
                                    urlencode({"rd": out})))
    assert not browser.jar.named("_oauth2_proxy_0")
    assert not browser.jar.named("_oauth2_proxy_1")
    assert (page.host, page.status) == (IDENTITY, 200)
    n = len(s.app.requests)
    page = browser.submit(page)
    # It led back to a page of the application, hence to a form to log in.
    assert any(url == back for _, url in page.way)
    assert_login_form(page)
    assert len(s.app.requests) == n
    # Somebody else's turn.
    page = log_in(browser, page, "anna")
    assert (page.url, page.status) == (back, 200)
    assert_identity(s.app.last, "anna")


@each_shape
def test_auth_server_down(open_site, browser, shape):
    """Nobody gets in, and the log says why."""
    s = open_site(shape)
    log_in(browser, browser.open(s.page), "anna")
    n = len(s.app.requests)
    s.asked.listener.shutdown(socket.SHUT_RDWR)
    for c in s.asked.connections:
        c.sock.shutdown(socket.SHUT_RDWR)
    r = browser.fetch(s.page)
    assert (r.status, r.body) == (500, b"")
    assert len(s.app.requests) == n
    line = s.access(browser.requests)[-1]
    assert line["DownstreamStatus"] == 500
    assert line["Reason"].startswith("auth-")


def test_identities_do_not_mix(open_site, new_browser):
    """Many requests of two people at once: each answer is for who asked."""
    s = open_site("asks")
    sessions = {}
    for user in USERS:
        b = new_browser()
        log_in(b, b.open(s.page), user)
        sessions[user] = b.jar
    first = len(s.app.requests)

    def ask(user):
        b = new_browser()
        b.jar = sessions[user]
        for n in range(25):
            r = b.fetch(b.url(APP, f"/{user}/{n}"), headers=FORGED)
            assert r.status == 200
            fields = {k.lower(): v for k, v in r_json(r)["fields"]}
            assert fields["x-auth-request-email"] == f"{user}@akko.test"
            assert fields["x-auth-request-groups"] == ",".join(USERS[user])

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ask, user) for user in list(USERS) * 4]:
            done.result()
    assert len(s.app.requests) == first + 200
    for r in s.app.requests[first:]:
        assert_identity(r, r.target.split("/")[1])


def r_json(response):
    return json.loads(response.body)


def test_connections_to_the_auth_server_are_kept(open_site, browser):
    s = open_site("leads")
    log_in(browser, browser.open(s.page), "otto")
    for _ in range(30):
        assert browser.fetch(s.page).status == 200
    assert len(s.asked.requests) == 32
    assert len(s.asked.connections) <= len(s.worker_pids())
    assert len(s.app.connections) <= len(s.worker_pids())


WEBSOCKET = [("Connection", "Upgrade"), ("Upgrade", "websocket"),
             ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
             ("Sec-WebSocket-Version", "13")]


@each_shape
def test_websocket(open_site, browser, shape):
    """Asked about at its handshake, by an ordinary GET."""
    def serve(c, r):
        c.body(r)
        if r["Upgrade"]:
            c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                   b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
            c.send(c.exactly(4)[::-1])
            return False
        return c.answer(200, [], b"page")

    s = open_site(shape, serve=serve)
    ask = head("GET", "/ws", f"{APP}:{browser.port}", WEBSOCKET)
    with browser.connect(APP) as c:
        c.send(ask)
        assert c.response().status == 302
    assert not s.app.requests

    assert log_in(browser, browser.open(s.page), "otto").response.body == b"page"
    with browser.connect(APP) as c:
        c.send(head("GET", "/ws", f"{APP}:{browser.port}", [
            *WEBSOCKET, *FORGED, ("Cookie", browser.jar.field(APP, "/ws"))]))
        assert c.head().status == 101
        c.send(b"wxyz")
        assert c.exactly(4) == b"zyxw"
    assert_identity(s.app.last, "otto")
    asked = s.asked.last
    assert asked.method == "GET"
    assert asked["Upgrade"] is asked["Connection"] is None
    assert asked["X-Forwarded-Proto"] == "https"
    assert asked["X-Forwarded-Uri"] == "/ws"


def test_user_in_the_access_log(open_site, browser):
    s = open_site("leads", extra="headerField: X-Auth-Request-Preferred-Username")
    log_in(browser, browser.open(s.page, headers=FORGED), "anna")
    lines = s.access(browser.requests)
    assert lines[0]["ClientUsername"] == "-"
    assert lines[-1]["ClientUsername"] == "anna"
