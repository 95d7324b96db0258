# SPDX-License-Identifier: BSD-2-Clause
"""The same login as in test_login, by a real browser."""
import json
import time
from urllib.parse import urlencode

import pytest

from login_chromium import Chromium
from login_site import APP, IDENTITY, OLD, STEWARDS

pytest_plugins = ["login_fixtures"]
pytestmark = pytest.mark.keycloak

PAGE = b"""<!DOCTYPE html><title>bi</title><link rel="stylesheet" href="/bi.css">
<p id="who">...</p><script>
fetch("/api/me", {method: "POST", body: "x".repeat(100000)})
  .then(r => r.json())
  .then(me => { const who = document.getElementById("who");
    who.textContent = me.email; who.className = "known"; });
</script>"""


def application(c, r):
    """A page, its style sheet, and what its script asks for."""
    c.body(r)
    path = r.target.partition("?")[0]
    if path == "/api/me":
        c.answer(200, [("Content-Type", "application/json")], json.dumps({
            "email": r["X-Auth-Request-Email"], "size": len(r.body)}))
    elif path == "/bi.css":
        c.answer(200, [("Content-Type", "text/css")], b"p { color: rgb(1, 2, 3) }")
    elif path == "/favicon.ico":
        c.answer(404, [], b"", "Not Found")
    else:
        c.answer(200, [("Content-Type", "text/html")], PAGE)


@pytest.fixture
def chromium(tmp_path, authority):
    c = Chromium(tmp_path / "chromium", authority.file)
    yield c
    c.close()


def log_in(chromium, user):
    chromium.type("#username", user)
    chromium.type("#password", f"{user}-secret")
    chromium.click("#kc-login")
    chromium.find("#who.known")


def test_log_in_and_out(open_site, chromium, login_port):
    s = open_site("asks", {"cookie-refresh": "1s"}, serve=application)
    chromium.open(s.page)
    assert chromium.url.startswith(f"https://{IDENTITY}:{login_port}/")
    assert not s.app.requests
    # All that the identity provider's page is made of came through akkod.
    parts = chromium.run("return performance.getEntriesByType('resource')"
                         ".map(e => [e.responseStatus, e.name])")
    assert len(parts) > 5 and {status for status, _ in parts} == {200}, parts

    log_in(chromium, "otto")
    assert chromium.url == s.page
    assert chromium.text() == "otto@akko.test"
    assert chromium.run("return getComputedStyle(who).color") == "rgb(1, 2, 3)"
    before = chromium.cookies()
    assert {"_oauth2_proxy_0", "_oauth2_proxy_1"} <= set(before)
    me = next(r for r in s.app.requests if r.target == "/api/me")
    assert me.body == b"x" * 100_000
    assert me["X-Auth-Request-Groups"].split(",") == STEWARDS

    time.sleep(OLD)
    chromium.open(s.page)
    chromium.find("#who.known")
    after = chromium.cookies()
    for name in ("_oauth2_proxy_0", "_oauth2_proxy_1"):
        assert after[name]["value"] != before[name]["value"]

    back = f"https://{APP}:{login_port}/"
    out = (f"https://{IDENTITY}:{login_port}/realms/akko/protocol/openid-connect"
           "/logout?" + urlencode({"client_id": "akko",
                                   "post_logout_redirect_uri": back}))
    chromium.open(back + "oauth2/sign_out?" + urlencode({"rd": out}))
    chromium.click("#kc-logout")
    n = len(s.app.requests)
    chromium.find("#username")
    assert len(s.app.requests) == n

    log_in(chromium, "anna")
    assert chromium.text() == "anna@akko.test"
    assert all(not r.all("X-Forwarded-User") for r in s.app.requests)
