# SPDX-License-Identifier: BSD-2-Clause
"""redirectScheme (proxy.md 4.6)."""
import pytest

from harness.site import site

CONFIG = site(
    middlewares={"https": {"redirectScheme": {"scheme": "https"}},
                 "moved": {"redirectScheme": {"scheme": "https",
                                              "permanent": True}},
                 "port": {"redirectScheme": {"scheme": "https", "port": "8443"}},
                 "dport": {"redirectScheme": {"scheme": "https",
                                              "port": "443"}},
                 "http": {"redirectScheme": {"scheme": "http"}},
                 "none": {"redirectScheme": {"permanent": True}}},
    routers={x: [x] for x in ("https", "moved", "port", "dport", "none")} |
            {"http": {"middlewares": ["http"], "entryPoints": ["websecure"]},
             "tls": {"middlewares": ["https"], "entryPoints": ["websecure"]},
             "six": {"rule": "Host(`::1`) || Host(`a~b.test`)",
                     "middlewares": ["port"]}})


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream):
    u = module_upstream()
    a = module_akkod(CONFIG, values={"upstream": u.port})
    a.upstream = u
    return a


@pytest.mark.parametrize("host,target,status,location", [
    ("https.test", "/", 302, "https://https.test/"),
    ("https.test:8000", "/a?b=c", 302, "https://https.test/a?b=c"),
    ("https.test", "/a%2Fb", 302, "https://https.test/a%2Fb"),
    ("moved.test", "/x", 301, "https://moved.test/x"),
    ("port.test", "/x", 302, "https://port.test:8443/x"),
    ("port.test:80", "/x", 302, "https://port.test:8443/x"),
    ("dport.test", "/x", 302, "https://dport.test/x"),
    ("[::1]", "/s", 302, "https://[::1]:8443/s"),
    ("[::1]:8000", "/s", 302, "https://[::1]:8443/s"),
    ("a~b.test", "/s", 302, "https://a~b.test:8443/s"),
])
def test_redirect(a, host, target, status, location):
    r = a.get(target, host=host)
    assert (r.status, r["Location"]) == (status, location)
    assert r.text == {301: "Moved Permanently", 302: "Found"}[status]


@pytest.mark.parametrize("method,host,status", [
    ("POST", "https.test", 307), ("HEAD", "https.test", 307),
    ("PUT", "moved.test", 308), ("HEAD", "moved.test", 308),
])
def test_other_methods_keep_theirs(a, method, host, status):
    with a.client() as c:
        r = c.request(method, "/", host=host)
    assert r.status == status


def test_from_https_to_http(a):
    r = a.get("/x", host="http.test", entry_point="websecure", tls=True)
    assert (r.status, r["Location"]) == (302, "http://http.test/x")


def test_already_there(a):
    r = a.get("/x", host="tls.test", entry_point="websecure", tls=True)
    assert r.status == 200


def test_untrusted_proto_does_not_count(a):
    """X-Forwarded-Proto of a peer that is not trusted is not believed."""
    r = a.get("/x", host="https.test", headers=[("X-Forwarded-Proto", "https")])
    assert r.status == 302


def test_path_is_no_authority(a):
    """Nothing in the path becomes the redirect's host (S-704)."""
    for target in ("//evil.test/x", "/%5Cevil.test", "/@evil.test", "/x%0d%0aY: z"):
        r = a.get(target.replace(" ", "%20"), host="https.test")
        if r.status != 400:
            assert r["Location"].startswith("https://https.test/"), r
            assert r["Y"] is None


def test_no_scheme_breaks_router(a):
    assert a.get("/", host="none.test").status == 503


def test_logged(a):
    a.get("/logged", host="https.test")
    line = a.logged(RequestPath="/logged")
    assert line["Reason"] == "redirect" and line["DownstreamStatus"] == 302


TRUSTED = """
entryPoints:
  web:
    address: "127.0.0.1:@web@"
    forwardedHeaders: {trustedIPs: [127.0.0.1]}
http:
  routers:
    all:
      rule: PathPrefix(`/`)
      service: app
      middlewares: [up]
  middlewares:
    up: {redirectScheme: {scheme: https}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


@pytest.mark.parametrize("proto,status", [
    ("https", 200), ("HTTPS", 200), ("wss", 200), ("http", 302), ("ws", 302),
    ("gopher", 302),
])
def test_trusted_proto(trusted, proto, status):
    assert trusted.get("/", headers=[("X-Forwarded-Proto", proto)]).status == status


@pytest.fixture(scope="module")
def trusted(module_akkod, module_upstream):
    return module_akkod(TRUSTED, values={"upstream": module_upstream().port})
