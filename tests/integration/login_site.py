# SPDX-License-Identifier: BSD-2-Clause
"""The site behind the login: its configuration, its users, its way in."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "rig"))

import servers				# noqa: E402

APP, AUTH, IDENTITY = "bi.akko.test", "auth.akko.test", "identity.akko.test"
FINANCE = "finance"
STEWARDS = [f"department-{i:02d}-data-stewards" for i in range(1, 81)]
USERS = {"anna": [FINANCE], "otto": STEWARDS}	# of tests/rig/keycloak/realm.json

STATIC = """\
entryPoints:
  websecure: {address: "127.0.0.1:@port@", http: {tls: {}}}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
tls:
  certificates: [{certFile: @crt@, keyFile: @key@}]
"""

SERVICES = """\
  services:
    bi: {loadBalancer: {servers: [{url: "http://127.0.0.1:@app@"}]}}
    oauth2-proxy: {loadBalancer: {servers: [{url: "http://127.0.0.1:@oauth@"}]}}
    keycloak: {loadBalancer: {servers: [{url: "http://127.0.0.1:@keycloak@"}]}}
"""

IDENTITY_ROUTERS = """\
    auth: {rule: Host(`auth.akko.test`), service: oauth2-proxy}
    identity: {rule: Host(`identity.akko.test`), service: keycloak}
"""

# Where the callback and the sign-in pages are, never behind the login itself.
LOGIN_ROUTER = """\
    bi-login:
      rule: Host(`bi.akko.test`) && PathPrefix(`/oauth2/`)
      service: oauth2-proxy
"""

# "asks": the auth server only says 202 or 401, an error page leads to the
# login. "leads": it answers 302 to the login by itself.
MIDDLEWARES = {
    "asks": ("[sign-in, login]", "/oauth2/auth"),
    "leads": ("[login]", "/"),
}

SIGN_IN = """\
    sign-in:
      errors:
        status: ["401"]
        service: oauth2-proxy
        query: /oauth2/sign_in?rd={url}
        statusRewrites: {"401": 302}
"""

RESPONSE_HEADERS = ("X-Auth-Request-User", "X-Auth-Request-Email",
                    "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username",
                    "Authorization")
OLD = 2.1		# seconds after which --cookie-refresh=1s surely acts
SESSION = ("_oauth2_proxy", "_oauth2_proxy_0", "_oauth2_proxy_1")


def site(shape, login_router=True, cookies=SESSION, extra="", names=None,
         rewrites=True):
    """The configuration for one shape of forward-auth.

    `cookies` may pass from the auth server to the browser; `extra` are
    further keys of the forwardAuth middleware, `names` other middlewares than
    usual; without `rewrites` the error page keeps its status."""
    usual, path = MIDDLEWARES[shape]
    names = names or usual
    sign_in = SIGN_IN if shape == "asks" else ""
    if not rewrites:
        sign_in = "".join(line for line in sign_in.splitlines(True)
                          if "statusRewrites" not in line)
    return (STATIC + "http:\n  routers:\n"
            f"    bi: {{rule: Host(`{APP}`), service: bi, middlewares: {names}}}\n"
            + (LOGIN_ROUTER if login_router else "") + IDENTITY_ROUTERS +
            "  middlewares:\n" + sign_in +
            "    login:\n      forwardAuth:\n"
            f"        address: http://127.0.0.1:@auth@{path}\n"
            f"        authResponseHeaders: [{', '.join(RESPONSE_HEADERS)}]\n" +
            (f"        addAuthCookiesToResponse: [{', '.join(cookies)}]\n"
             if cookies else "") +
            (f"        {extra}\n" if extra else "") + SERVICES)


def log_in(browser, page, user):
    """From the identity provider's form to the page that was asked for."""
    assert (page.host, page.status) == (IDENTITY, 200), page
    return browser.submit(page, username=user, password=f"{user}-secret")
