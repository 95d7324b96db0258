# SPDX-License-Identifier: BSD-2-Clause
"""The numbered cases of Kubernetes that requests show (kubernetes.md 6.1-6.6).

What the controller alone decides runs on one I/O backend, what workers do on
both.
"""
import base64
import hashlib
import json
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.request

import pytest

from conftest import BACKENDS
from harness.akkod import Akkod
from harness.kube import (Api, ann, ep, ingress, namespace, obj, path,
                          refusals, rule, service, slice_of)
from harness.upstream import Upstream, echo
from test_kubernetes import served_certificate, until

pytestmark = pytest.mark.kubernetes

CONFIG = """
entryPoints:
  web: {address: "10.99.0.1:@web@"}
  websecure: {address: "10.99.0.1:@websecure@", http: {tls: {}}}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
providers:
  kubernetesIngress:
    namespaces: [@ns@, @ns@-y, second]
    allowEmptyServices: true
    strictPrefixMatching: true
  kubernetesCRD:
    namespaces: [@ns@, @ns@-y, second]
    allowEmptyServices: true
"""


class World:
    """An akkod, a namespace of its own and an application in it."""

    def __init__(self, cluster, io, directory, name="run", config=CONFIG):
        self.cluster, self.api = cluster, Api(cluster)
        self.io, self.authority = io, cluster.authority
        self.ns = f"{name}{io}"
        self.app = Upstream(echo, host="10.99.6.1")
        self.akkod = Akkod(directory, io, config, host="10.99.0.1",
                           env={"KUBECONFIG": str(cluster.kubeconfig)},
                           values={"ns": self.ns})
        self.put(namespace(self.ns), *self.service("web", self.app))

    def service(self, name, *upstreams, **kw):
        return [service(name, 80, ns=self.ns, **kw),
                self.slice(name, *upstreams)]

    def slice(self, name, *upstreams, n=1):
        """An upstream, or (upstream, conditions)."""
        pairs = [u if isinstance(u, tuple) else (u, {"ready": True})
                 for u in upstreams]
        return slice_of(name, [("", pairs[0][0].port if pairs else 1)],
                        *(ep(u.host, **c) for u, c in pairs), ns=self.ns, n=n)

    def front(self, name, host, *paths, ns=None, annotations=None, **spec):
        return ingress(name, rule(host, *(paths or [path("/")])),
                       ns=ns or self.ns, annotations=annotations, **spec)

    def route(self, name, match, *services, ns=None, **spec):
        return obj("IngressRoute", name, {
            "routes": [{"match": match, "services": list(services) or
                        [{"name": "web", "port": 80}],
                        **spec.pop("route", {})}], **spec}, ns=ns or self.ns)

    def middleware(self, name, **spec):
        return obj("Middleware", name, spec, ns=self.ns)

    def put(self, *objects):
        for o in objects:
            self.api.put(o)

    def remove(self, *objects):
        for o in objects:
            self.api.delete(o)

    def status(self, host, target="/", **kw):
        return self.akkod.get(target, host=host, **kw).status

    def tls(self, host, target="/", **kw):
        """The status over TLS; None: no handshake."""
        try:
            return self.status(host, target, entry_point="websecure", tls=True,
                               sni=host, **kw)
        except (ssl.SSLError, OSError):
            return None

    def comes(self, host, status=200, target="/", **kw):
        until(lambda: self.status(host, target, **kw) == status)

    def routes(self):
        done = self.akkod.command("routes", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def says(self, pattern):
        pattern = pattern.replace("@ns@", self.ns)
        until(lambda: any(re.search(pattern, n) for n in refusals(self.akkod)))

    def secret(self, name, kind="Opaque", **data):
        return obj("Secret", name, ns=self.ns, type=kind, data={
            k.replace("__", "."): base64.b64encode(
                v if isinstance(v, bytes) else v.encode()).decode()
            for k, v in data.items()})

    def pair(self, name, *hosts):
        files = self.authority.leaf(*hosts)
        return self.secret(name, "kubernetes.io/tls",
                           tls__crt=files[0].read_bytes(),
                           tls__key=files[1].read_bytes())

    def controller(self):
        """Its process."""
        return int(subprocess.run(
            ["pgrep", "-P", str(self.akkod.process.pid), "-f", "controller"],
            capture_output=True, text=True, check=True).stdout.split()[0])

    def certificate(self, host):
        """The serial number of one of ours that is served, or None."""
        return served_certificate(self.akkod, host, self.authority)

    def close(self):
        self.akkod.close()
        self.app.close()


@pytest.fixture(scope="module")
def w(shared_cluster, module_io, tmp_path_factory):
    world = World(shared_cluster, module_io, tmp_path_factory.mktemp("run"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def one(shared_cluster, tmp_path_factory):
    """On one backend alone."""
    world = World(shared_cluster, BACKENDS[0], tmp_path_factory.mktemp("one"),
                  name="one")
    yield world
    world.close()


def bearer(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return [("Authorization", f"Basic {text}")]


# ---- Requests, on both backends ---------------------------------------------------


def test_all_of_it_goes(w):
    """6.1-2: no Ingress at all withdraws what was there."""
    f = w.front("gone", "gone.test")
    w.put(f)
    w.comes("gone.test")
    w.remove(f)
    w.comes("gone.test", 404)
    assert f"{w.ns}-gone-gone-test@kubernetes" not in w.routes()["routers"]


def test_an_empty_rule_matches_nothing(w):
    """6.1-6: no host and no path; the router is there and has no match."""
    w.put(w.front("empty", None, path("", kind="ImplementationSpecific")),
          w.front("beside", "beside.test"))
    w.comes("beside.test")
    assert w.routes()["routers"][f"{w.ns}-empty@kubernetes"]["status"] == \
        "disabled"
    assert w.status("nobody.test") == 404


def test_whole_elements(w):
    """6.1-32: strictPrefixMatching."""
    w.put(w.front("strict", "strict.test", path("/v1"), path("/aaa/bb"),
                  path("/aaa/bbb")), w.front("all", "all.test", path("/")))
    w.comes("strict.test", target="/v1")
    w.comes("all.test")
    for target, status in (("/v1", 200), ("/v1/", 200), ("/v1/x", 200),
                           ("/v1x", 404), ("/aaa/bb", 200), ("/aaa/bbb", 200),
                           ("/aaa/bbb/ccc", 200), ("/aaa/bbbxyz", 404),
                           ("/aaa", 404)):
        assert w.status("strict.test", target) == status, target
    for target in ("/", "/x", "/x/y/", "/xyz"):
        assert w.status("all.test", target) == 200, target


def test_no_server_at_all(w):
    """6.1-41: an empty Service that is allowed answers 503."""
    w.put(*w.service("none"), w.front("none", "none.test", path("/", (
        "none", 80))))
    w.comes("none.test", 503)
    assert w.akkod.get("/", host="none.test").body == b"no available server\n"


def test_endpoints_that_end(w):
    """6.1-45 and 47: nothing new goes to a server that is terminating."""
    a, b = (Upstream(echo, host=f"10.99.6.{n}", port=18080) for n in (2, 3))
    ends = {"ready": False, "serving": True, "terminating": True}
    try:
        w.put(*w.service("ends", a, b), w.front("ends", "ends.test", path(
            "/", ("ends", 80))))
        w.comes("ends.test")
        until(lambda: w.status("ends.test") == 200 and a.requests
              and b.requests)
        w.put(w.slice("ends", (a, ends), b))
        name = f"{w.ns}-ends-80@kubernetes"
        until(lambda: [s.get("fenced") for s in w.routes()["services"][name][
            "loadBalancer"]["servers"]].count(True) == 1)
        until(lambda: not a.requests.clear() and [
            w.status("ends.test") for _ in range(10)] == [200] * 10
            and not a.requests)
        w.put(w.slice("ends", (a, ends), (b, ends)))
        w.comes("ends.test", 503)
    finally:
        a.close()
        b.close()


def test_a_cookie_of_an_annotation(w):
    """6.1-20: the name comes of the service's; it holds, and holds on."""
    a, b = (Upstream(echo, host=f"10.99.6.{n}", port=18082) for n in (8, 9))
    ends = {"ready": False, "serving": True, "terminating": True}
    try:
        w.put(*w.service("sticky", a, b, annotations=ann(
            "service", sticky__cookie="true")),
            w.front("sticky", "sticky.test", path("/", ("sticky", 80))))
        w.comes("sticky.test")
        r = w.akkod.get("/", host="sticky.test")
        digest = hashlib.sha1(f"_TRAEFIK_BACKEND_{w.ns}-sticky-80@kubernetes"
                              .encode()).hexdigest()
        name, value = r["Set-Cookie"].split(";")[0].split("=", 1)
        assert name == "_" + digest[:5]
        assert "Path=/" in r["Set-Cookie"].replace("path=", "Path=")
        cookie = [("Cookie", f"{name}={value}")]
        for u in (a, b):
            u.requests.clear()
        assert [w.status("sticky.test", headers=cookie)
                for _ in range(6)] == [200] * 6
        used, other = (a, b) if a.requests else (b, a)
        assert len(used.requests) == 6 and not other.requests
        # 47: it ends, and keeps those that it has while it does.
        w.put(w.slice("sticky", (used, ends), (other, ends)))
        w.comes("sticky.test", 503)
        assert w.status("sticky.test", headers=cookie) == 200
    finally:
        a.close()
        b.close()


def test_certificates(w):
    """6.1-67 to 70: Secrets of Ingresses; TLS comes of them for no router."""
    hosts = [f"c{n}.test" for n in (1, 2)]
    w.put(w.pair("s1", hosts[0]), w.pair("s2", hosts[1]),
          w.front("c1", hosts[0], tls=[{"secretName": "s2"}, {"hosts": ["x"]},
                                       {"secretName": "s1"}]),
          w.front("c2", hosts[1], tls=[{"secretName": "gone"}]))
    for h in hosts:
        until(lambda h=h: w.certificate(h))
        w.comes(h)
        assert w.tls(h) == 200		# by the entry point's own http.tls
        r = w.routes()["routers"][
            f"{w.ns}-{h[:2]}-{h.replace('.', '-')}@kubernetes"]
        assert "tls" not in r
    w.says("Ingress @ns@/c2: spec.tls: Secret @ns@/gone does not exist")
    assert w.certificate("c3.test") is None
    # 69: each of these is named, and none disturbs the others.
    for name, data, why in (
            ("no-crt", {"tls__key": "x"}, "has no tls.crt"),
            ("no-key", {"tls__crt": "x"}, "has no tls.key"),
            ("neither", {"other": "x"}, "has no tls.crt"),
            ("no-pem", {"tls__crt": "/etc/passwd", "tls__key": "/x"}, "PEM")):
        w.put(w.secret(name, **data),
              w.front(name, f"{name}.test", tls=[{"secretName": name}]))
        w.says(f"Ingress @ns@/{name}: spec.tls: Secret @ns@/{name}.*{why}")
        w.comes(f"{name}.test")
    assert w.certificate(hosts[0]) and w.certificate(hosts[1])


def test_certificates_of_routes_and_stores(w):
    """6.3-108 and 121: of IngressRoute and of the store named default."""
    w.put(w.pair("route", "route.test"),
          w.route("route", "Host(`route.test`)", tls={"secretName": "route"}))
    until(lambda: w.certificate("route.test"))
    assert w.tls("route.test") == 200
    w.put(w.route("late", "Host(`late.test`)", tls={"secretName": "late"}))
    w.says("IngressRoute @ns@/late: .*Secret @ns@/late does not exist")
    assert w.certificate("late.test") is None and w.tls("late.test") == 200
    # The default certificate is for all names that have none of their own.
    w.put(w.pair("default", "any.test", "*.any.test"), w.pair("more", "more.test"))
    store = obj("TLSStore", "default", {
        "defaultCertificate": {"secretName": "default"},
        "certificates": [{"secretName": "more"}]}, ns=w.ns)
    w.put(store)
    try:
        until(lambda: w.certificate("x.any.test"))
        until(lambda: w.certificate("more.test"))
        # Of two nobody knows which one is meant.
        w.put(namespace("second"))
        second = obj("TLSStore", "default", {}, ns="second")
        w.put(second)
        until(lambda: w.certificate("x.any.test") is None)
        w.remove(second)
        until(lambda: w.certificate("x.any.test"))
    finally:
        w.remove(store)


def test_users_of_secrets(w):
    """6.3-116 and 6.6-152: users in two forms; without them it is closed."""
    lines = w.secret("lines", any="ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n\n"
                     "bob:{SHA}/vNB+F2HQ559kaLUZbmHHvZrXpg=\n")
    basic = w.secret("basic", "kubernetes.io/basic-auth", username="cat",
                     password="s3cret")
    w.put(lines, basic, w.middleware("lines", basicAuth={"secret": "lines"}),
          w.middleware("basic", basicAuth={"secret": "basic"}),
          w.route("lines", "Host(`lines.test`)",
                  route={"middlewares": [{"name": "lines"}]}),
          w.route("basic", "Host(`basic.test`)",
                  route={"middlewares": [{"name": "basic"}]}),
          w.route("broad", "HostRegexp(`^l`)"))
    w.comes("lines.test", 401)
    w.comes("basic.test", 401)
    for host, user, password in (("lines.test", "ann", "password"),
                                 ("lines.test", "bob", "s3cret"),
                                 ("basic.test", "cat", "s3cret")):
        assert w.status(host, headers=bearer(user, password)) == 200, user
        assert w.status(host, headers=bearer(user, "wrong")) == 401
    w.remove(lines)
    # Not even the broader router, which has no password, may answer.
    w.comes("lines.test", 503, headers=bearer("ann", "password"))
    w.put(lines)
    w.comes("lines.test", 200, headers=bearer("ann", "password"))


def test_two_of_one_name(w):
    """6.1-74: one name of two Ingresses; one has it, and always the same."""
    a, b = f"{w.ns}-y", w.ns
    w.put(namespace(a), service("web", 80, ns=a),
          slice_of("web", [("", w.app.port)], w.app.host, ns=a))
    first = w.front("a", "name.test", ns=a)
    second = w.front("y-a", "name.test", ns=b)
    w.put(first, second)
    name = f"{w.ns}-y-a-name-test@kubernetes"
    w.comes("name.test")
    until(lambda: any("is that of Ingress" in n for n in refusals(w.akkod)))
    owner = w.routes()["routers"][name]["object"]
    note, = [n for n in refusals(w.akkod) if "is that of" in n]
    kind, ns, named = owner.split("/")
    assert note.endswith(f"is that of {kind} {ns}/{named}")
    # It stays with that one, and goes to the other when that one goes.
    w.put(w.front("aside", "aside.test"))
    w.comes("aside.test")
    assert w.routes()["routers"][name]["object"] == owner
    w.remove(first if ns == a else second)
    until(lambda: w.routes()["routers"].get(name, {}).get("object")
          == note.split(": ")[0].replace(" ", "/"))
    assert w.status("name.test") == 200


def test_a_name_without_provider(w):
    """6.6-151: it means one of Ingress's own provider, which has none."""
    w.put(w.front("bare", "bare.test", path("/"), annotations=ann(
        middlewares="auth")), w.route("wide", "HostRegexp(`^bare`)"),
        w.middleware("auth", addPrefix={"prefix": "/x"}))
    w.comes("bare.test", 503)
    r = w.routes()["routers"][f"{w.ns}-bare-bare-test@kubernetes"]
    assert r["status"] == "disabled"
    assert any('"auth@kubernetes" does not exist' in e for e in r["error"])


def test_default_tls_options_by_name(w):
    """6.6-153: `default` is the default options, in any namespace."""
    w.put(w.route("default", "Host(`default.test`)",
                  tls={"options": {"name": "default"}}))
    until(lambda: w.tls("default.test") == 200)


def test_no_client_ca_is_no_open_door(w):
    """6.6-154: options whose CAs are all missing close, unlike Traefik's."""
    w.put(obj("TLSOption", "mutual", {"clientAuth": {"secretNames": ["gone"]}},
              ns=w.ns),
          w.route("mutual", "Host(`mutual.test`)",
                  tls={"options": {"name": "mutual"}}))
    w.says("TLSOption @ns@/mutual: .*Secret @ns@/gone does not exist")
    until(lambda: f"{w.ns}-mutual@kubernetescrd" in w.routes()["tls"]["options"])
    assert w.tls("mutual.test") is None
    w.put(w.secret("gone", ca__crt=w.authority.file.read_bytes()))
    # Now a certificate is asked for, and who has none is turned away.
    until(lambda: not any("gone does not exist" in n for n in refusals(w.akkod)))
    until(lambda: handshake(w, "mutual.test") == 200)
    assert w.tls("mutual.test") is None


def handshake(w, host):
    """The status that a client with a certificate gets; None: none."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*w.authority.leaf("client.test", client=True))
    try:
        with w.akkod.client("websecure", tls=True, sni=host,
                            context=context) as c:
            return c.request("GET", "/", host=host).status
    except (ssl.SSLError, OSError):
        return None


def test_a_burst_is_few_generations(w):
    """6.6-158: fifty changes of a slice; the last one counts."""
    a, b = (Upstream(echo, host=f"10.99.6.{n}", port=18081) for n in (4, 5))
    try:
        w.put(*w.service("burst", a), w.front("burst", "burst.test", path(
            "/", ("burst", 80))))
        w.comes("burst.test")
        before = w.akkod.status()["generation"]
        began = time.monotonic()
        for n in range(50):
            w.put(w.slice("burst", *((a, b) if n % 2 else (b,))))
        took = time.monotonic() - began
        w.put(w.slice("burst", b))
        until(lambda: not a.requests.clear() and [
            w.status("burst.test") for _ in range(6)] == [200] * 6
            and not a.requests)
        # The first at once, then at most one in 30 ms.
        made = w.akkod.status()["generation"] - before
        assert made <= took / 0.03 + 3, (made, took)
    finally:
        a.close()
        b.close()


def test_redirection_comes_first(w, tmp_path):
    """6.6-156: the entry point's own redirection, before any router."""
    w.put(w.front("redirected", "redirected.test", annotations=ann(
        priority="2147483640")))
    a = Akkod(tmp_path, w.io, CONFIG.replace(
        '@web@"}', '@web@", http: {redirections: {entryPoint: '
        '{to: websecure}}}}', 1), host="10.99.0.1",
        env={"KUBECONFIG": str(w.cluster.kubeconfig)}, values={"ns": w.ns})
    try:
        until(lambda: a.get("/x", host="redirected.test", entry_point=
                            "websecure", tls=True, sni="redirected.test"
                            ).status == 200)
        r = a.get("/x", host="redirected.test")
        assert r.status == 301
        assert r["Location"].startswith("https://redirected.test")
    finally:
        a.close()


# ---- What the controller and the master decide, on one backend ----------------------


def test_precedence(one):
    """6.6-150: of equal priority the CRD's wins, or whom the order names."""
    w = one
    first, second = (Upstream(echo, host=f"10.99.6.{n}") for n in (6, 7))
    try:
        # `Host("p.test")` and `Host(`p.test`)` are as long.
        w.put(*w.service("ing", first), *w.service("crd", second),
              w.front("p", "p.test", path("", ("ing", 80), "Implementation"
                                          "Specific")),
              w.route("p", "Host(`p.test`)", {"name": "crd", "port": 80}))
        w.comes("p.test")
        until(lambda: w.status("p.test") == 200 and second.requests)
        first.requests.clear()
        assert [w.status("p.test") for _ in range(5)] == [200] * 5
        assert not first.requests
        w.akkod.reload(CONFIG + "  precedence: [kubernetes, kubernetescrd]\n")
        second.requests.clear()
        until(lambda: w.status("p.test") == 200 and first.requests)
        second.requests.clear()
        assert [w.status("p.test") for _ in range(5)] == [200] * 5
        assert not second.requests
        w.akkod.reload(CONFIG)
    finally:
        first.close()
        second.close()


def test_a_secret_of_helm(one):
    """6.2-83: Helm's own Secrets are not even read."""
    w = one
    pair = w.pair("release", "helm.test")
    pair["metadata"]["labels"] = {"owner": "helm"}
    w.put(pair, w.front("helm", "helm.test", tls=[{"secretName": "release"}]))
    w.says("Ingress @ns@/helm: spec.tls: Secret @ns@/release does not exist")
    assert w.certificate("helm.test") is None


def test_what_of_a_slice_counts(one):
    """6.2-84 and 86: a new table for what changes it, once, and else none."""
    w = one
    w.put(*w.service("slice", w.app), w.front("slice", "slice.test", path(
        "/", ("slice", 80))))
    w.comes("slice.test")
    base = w.slice("slice", w.app)

    def after(change, grown):
        before = w.akkod.status()["generation"]
        w.api.merge(base, change)
        # Another change, which is in the table, says that this one was seen.
        if not grown:
            time.sleep(0.3)
        until(lambda: w.akkod.status()["generation"] == before + grown, 3)
        time.sleep(0.1)
        assert w.akkod.status()["generation"] == before + grown, change

    def endpoints(address, **conditions):
        return {"endpoints": [{"addresses": [address],
                               "conditions": conditions}]}

    after({"metadata": {"annotations": {"x": "y"}}}, 0)
    after({"metadata": {"labels": {"x": "y"}}}, 0)
    after(endpoints("10.99.6.8", ready=True), 1)
    after({"ports": [{"name": "", "port": 18099}]}, 1)
    # ready is not looked at, and what is not there has its default.
    after(endpoints("10.99.6.8", ready=False), 0)
    after(endpoints("10.99.6.8"), 0)
    after(endpoints("10.99.6.8", serving=True, terminating=False), 0)
    after(endpoints("10.99.6.8", terminating=True), 1)
    after(endpoints("10.99.6.8", serving=False), 1)


def test_order_of_slices(one):
    """6.2-87: by age, then by name; those of other Services do not count."""
    w = one
    w.put(service("order", 80, ns=w.ns), w.front("order", "order.test", path(
        "/", ("order", 80))))
    w.put(slice_of("order", [("", 1)], "10.99.7.2", ns=w.ns, n=2),
          slice_of("order", [("", 1)], "10.99.7.3", ns=w.ns, n=3),
          slice_of("elsewhere", [("", 1)], "10.99.7.9", ns=w.ns, n=1))
    created = {int(w.api.get(slice_of("order", [], ns=w.ns, n=n))["metadata"][
        "creationTimestamp"][-3:-1]) for n in (2, 3)}
    while time.time() % 60 // 1 in created:
        time.sleep(0.1)
    w.put(slice_of("order", [("", 1)], "10.99.7.1", ns=w.ns, n=1))
    name = f"{w.ns}-order-80@kubernetes"

    def servers():
        s = w.routes()["services"].get(name, {}).get("loadBalancer", {})
        return [x["url"][7:].split(":")[0] for x in s.get("servers", [])]

    until(lambda: servers() == ["10.99.7.2", "10.99.7.3", "10.99.7.1"])


def test_options_that_exclude_each_other(one, tmp_path):
    """6.2-80: such a configuration does not start."""
    for more in ("ingressEndpoint: {ip: 1.2.3.4}",
                 "disableClusterScopeResources: true"):
        file = tmp_path / "akkod.yaml"
        file.write_text("providers:\n  kubernetesIngress: "
                        f"{{reportNodeInternalIPs: true, {more}}}\n")
        done = one.akkod.command("check", "-c", str(file))
        assert done.returncode != 0
        assert "reportNodeInternalIPs" in done.stdout + done.stderr


def test_a_version_that_is_too_old(one):
    """6.2-88: 410 for a watch whose changes were compacted away meanwhile."""
    w = one
    stays, goes = w.front("stays", "stays.test"), w.front("goes", "goes.test")
    w.put(stays, goes)
    w.comes("stays.test")
    w.comes("goes.test")
    pid = w.controller()
    os.kill(pid, signal.SIGSTOP)
    try:
        w.remove(goes)
        w.put(w.front("comes", "comes.test"))
        compact(int(w.api.get(stays)["metadata"]["resourceVersion"]) + 2)
        w.cluster.kill_api()
        # Without its cache the server asks the store, which has forgotten.
        w.cluster.start_api("--watch-cache=false")
    finally:
        os.kill(pid, signal.SIGCONT)
    try:
        end = time.monotonic() + 30
        while w.status("comes.test") != 200 or w.status("goes.test") != 404:
            assert w.status("stays.test") == 200
            assert time.monotonic() < end
        assert w.status("stays.test") == 200
    finally:
        w.cluster.kill_api()
        w.cluster.start_api()


def compact(revision):
    """Has the store forget everything before the revision."""
    body = json.dumps({"revision": str(revision), "physical": True}).encode()
    with urllib.request.urlopen("http://127.0.0.1:2379/v3/kv/compaction",
                                body, timeout=10) as r:
        assert r.status == 200
