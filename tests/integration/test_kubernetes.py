# SPDX-License-Identifier: BSD-2-Clause
"""Routes, certificates and middlewares from a real API server, live."""
import base64
import collections
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from harness.akkod import Akkod
from harness.netns import Namespace
from harness.pki import Authority
from harness.upstream import Upstream, echo

sys.path.insert(0, str(Path(__file__).parents[1] / "rig"))
from kubernetes import Account, Cluster  # noqa: E402,F401

pytestmark = pytest.mark.kubernetes

CONFIG = """
entryPoints:
  web: {address: "10.99.0.1:@web@"}
  websecure: {address: "10.99.0.1:@websecure@", http: {tls: {}}}
  traefik: {address: "10.99.0.1:@traefik@"}
ping: {}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
providers:
  kubernetesIngress: {ingressEndpoint: {ip: 10.99.0.77}}
  kubernetesCRD: {}
"""


@pytest.fixture(scope="module")
def namespace():
    with Namespace("10.99.0.1/16") as n:
        yield n


@pytest.fixture(scope="module")
def cluster(namespace):
    # The controller, which is nobody, reads the kubeconfig and what it names;
    # pytest's own directories are closed to it.
    directory = tempfile.mkdtemp(prefix="akkod-cluster-")
    os.chmod(directory, 0o755)
    c = Cluster(directory, Authority(f"{directory}/pki"))
    try:
        yield c.start()
    finally:
        c.close()
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def app(namespace):
    u = Upstream(echo, host="10.99.1.1")
    yield u
    u.close()


@pytest.fixture(scope="module")
def kube(cluster, app, module_io, tmp_path_factory):
    """akkod in the cluster, with one Service that the app stands behind."""
    cluster.apply(objects(service("app", app), namespace_object("shop")))
    a = Akkod(tmp_path_factory.mktemp("akkod"), module_io, CONFIG,
              env={"KUBECONFIG": str(cluster.kubeconfig)}, host="10.99.0.1")
    a.cluster, a.app = cluster, app
    try:
        until(lambda: ready(a))
        yield a
    finally:
        a.close()


def objects(*all_objects):
    flat = []
    for o in all_objects:
        flat += o if isinstance(o, list) else [o]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": flat})


def namespace_object(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service(name, *upstreams, namespace="default", port=80):
    """A Service and its EndpointSlice."""
    return [
        {"apiVersion": "v1", "kind": "Service",
         "metadata": {"name": name, "namespace": namespace},
         "spec": {"ports": [{"name": "http", "port": port}]}},
        endpoint_slice(name, upstreams, namespace)]


def endpoint_slice(name, upstreams, namespace="default"):
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": namespace,
                     "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP",
                   "port": upstreams[0].port if upstreams else 1}],
        "endpoints": [{"addresses": [u.host], "conditions": {"ready": True}}
                      for u in upstreams]}


def ingress(name, host, path="/", backend="app", annotations=None, tls=None,
            namespace="default", ingress_class=None):
    spec = {"rules": [{"host": host, "http": {"paths": [{
        "path": path, "pathType": "Prefix",
        "backend": {"service": {"name": backend, "port": {"number": 80}}}}]}}]}
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": tls}]
    if ingress_class:
        spec["ingressClassName"] = ingress_class
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": namespace,
                         "annotations": annotations or {}},
            "spec": spec}


def router(**words):
    return {f"traefik.ingress.kubernetes.io/router.{k}": v
            for k, v in words.items()}


def middleware(name, spec, namespace="default"):
    return {"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def tls_secret(name, files, namespace="default"):
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": namespace},
            "data": {k: base64.b64encode(f.read_bytes()).decode()
                     for k, f in zip(("tls.crt", "tls.key"), files)}}


def until(works, seconds=10):
    """Calls until it gives something true: that, and how long it took."""
    began = time.monotonic()
    while True:
        result = works()
        took = time.monotonic() - began
        if result:
            return took
        assert took < seconds, "not within the time limit"
        time.sleep(0.005)


def ready(a):
    return a.get("/readyz", entry_point="traefik").status == 200


def status(a, host, path="/", **kw):
    return a.get(path, host=host, **kw).status


def test_an_ingress_is_live_and_goes(kube):
    assert status(kube, "one.test") == 404
    kube.cluster.apply(objects(ingress("one", "one.test")))
    until(lambda: status(kube, "one.test") == 200)
    r = kube.get("/x", host="one.test")
    assert json.loads(r.body)["target"] == "/x"
    line = kube.access()[-1]
    assert line["RouterName"] == "default-one-one-test@kubernetes"
    assert line["ServiceURL"] == kube.app.url
    kube.cluster.kubectl("delete", "ingress", "one")
    until(lambda: status(kube, "one.test") == 404)


def test_the_status_is_written(kube):
    path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses/told"
    kube.cluster.apply(objects(ingress("told", "told.test")))
    until(lambda: kube.cluster.get(path)["status"]["loadBalancer"].get("ingress")
          == [{"ip": "10.99.0.77"}])
    # And again after somebody else took it away; nothing else is touched.
    told = kube.cluster.get(path)
    assert told["spec"]["rules"][0]["host"] == "told.test"
    told["status"] = {"loadBalancer": {}}
    kube.cluster.call("PUT", path + "/status", told)
    until(lambda: kube.cluster.get(path)["status"]["loadBalancer"].get("ingress")
          == [{"ip": "10.99.0.77"}])


def test_a_change_is_live_in_milliseconds(kube):
    """From the API server's answer to the change to the first answer by it."""
    kube.cluster.apply(objects(ingress("quick", "quick.test", "/0")))
    until(lambda: status(kube, "quick.test", "/0") == 200)
    took = []
    for n in range(1, 11):
        body = ingress("quick", "quick.test", f"/{n}")
        kube.cluster.call(
            "PATCH", "/apis/networking.k8s.io/v1/namespaces/default/ingresses/quick",
            {"spec": body["spec"]}, kind="application/merge-patch+json")
        took.append(until(lambda n=n: status(kube, "quick.test", f"/{n}") == 200))
    took.sort()
    assert took[len(took) // 2] < 0.15, took


def test_middlewares_of_an_annotation(kube):
    kube.cluster.apply(objects(
        middleware("strip", {"stripPrefix": {"prefixes": ["/api"]}}),
        middleware("mark", {"headers": {"customRequestHeaders": {"X-Mark": "1"}}}),
        ingress("chained", "chained.test", annotations=router(
            entrypoints="web",
            middlewares="default-strip@kubernetescrd,default-mark@kubernetescrd"))))
    # The other backend's run has left what it changed last.
    until(lambda: status(kube, "chained.test", "/api/x") == 200 and json.loads(
        kube.get("/api/x", host="chained.test").body)["target"] == "/x")
    seen = json.loads(kube.get("/api/x", host="chained.test").body)
    assert ["X-Mark", "1"] in seen["fields"]
    assert kube.get("/", host="chained.test", entry_point="websecure",
                    tls=True).status == 404
    # A middleware's change is live too.
    kube.cluster.apply(objects(middleware("strip", {
        "stripPrefix": {"prefixes": ["/other"]}})))
    until(lambda: json.loads(kube.get("/other/y", host="chained.test").body)
          ["target"] == "/y")


def test_a_missing_middleware_is_503_never_open(kube):
    kube.cluster.apply(objects(ingress("late", "late.test", annotations=router(
        middlewares="default-late@kubernetescrd"))))
    until(lambda: status(kube, "late.test") == 503)
    kube.cluster.apply(objects(middleware("late", {"addPrefix": {"prefix": "/p"}})))
    until(lambda: status(kube, "late.test") == 200)
    kube.cluster.kubectl("delete", "middleware.traefik.io", "late")
    until(lambda: status(kube, "late.test") == 503)


def test_an_unknown_kind_of_middleware_is_503(kube):
    kube.cluster.apply(objects(
        middleware("odd", {"plugin": {"x": {}}}),
        ingress("odd", "odd.test", annotations=router(
            middlewares="default-odd@kubernetescrd"))))
    until(lambda: status(kube, "odd.test") == 503)


def served_certificate(a, host, authority):
    context = ssl.create_default_context(cafile=authority.file)
    try:
        with a.client("websecure", tls=True, sni=host, context=context) as c:
            return c.sock.getpeercert()["serialNumber"]
    except ssl.SSLError:
        return None


def test_a_certificate_comes_late_then_rotates(kube, authority):
    kube.cluster.apply(objects(ingress(
        "cert", "cert.test", tls="cert", annotations=router(tls="true"))))
    until(lambda: kube.get("/", host="cert.test", entry_point="websecure",
                           tls=True, sni="cert.test").status == 200)
    assert served_certificate(kube, "cert.test", authority) is None
    kube.cluster.apply(objects(tls_secret("cert", authority.leaf("cert.test"))))
    until(lambda: served_certificate(kube, "cert.test", authority))
    first = served_certificate(kube, "cert.test", authority)
    kube.cluster.apply(objects(tls_secret("cert", authority.leaf("cert.test"))))
    until(lambda: served_certificate(kube, "cert.test", authority) != first)
    second = served_certificate(kube, "cert.test", authority)
    # A broken one never replaces a good one.
    broken = tls_secret("cert", authority.leaf("cert.test"))
    broken["data"]["tls.key"] = base64.b64encode(
        authority.leaf("x.test")[1].read_bytes()).decode()
    kube.cluster.apply(objects(broken))
    kube.wait_log(r"cert")
    time.sleep(0.5)
    assert served_certificate(kube, "cert.test", authority) == second


def test_endpoints_follow(kube, namespace):
    one, two = (Upstream(echo, host=f"10.99.2.{n}", port=18080)
                for n in (1, 2))
    try:
        kube.cluster.apply(objects(service("moving", one),
                                   ingress("moving", "moving.test",
                                           backend="moving")))
        until(lambda: status(kube, "moving.test") == 200)
        kube.cluster.apply(objects(endpoint_slice("moving", [two])))
        until(lambda: status(kube, "moving.test") == 200 and two.requests)
        before = len(one.requests)
        assert all(status(kube, "moving.test") == 200 for _ in range(10))
        assert len(one.requests) == before
        kube.cluster.apply(objects(endpoint_slice("moving", [])))
        until(lambda: status(kube, "moving.test") in (503, 404))
    finally:
        one.close()
        two.close()


def test_ingress_route(kube):
    kube.cluster.apply(objects({
        "apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute",
        "metadata": {"name": "crd", "namespace": "default"},
        "spec": {"entryPoints": ["web"], "routes": [{
            "match": "Host(`crd.test`) && PathPrefix(`/in`)", "kind": "Rule",
            "services": [{"name": "app", "port": 80}]}]}}))
    until(lambda: status(kube, "crd.test", "/in/x") == 200)
    assert status(kube, "crd.test", "/out") == 404


def traefik_service(name, spec):
    return {"apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def test_services_of_services(kube):
    """Several services of a route, TraefikServices, and their middlewares."""
    one, two = Upstream(named("one"), host="10.99.3.1"), \
        Upstream(named("two"), host="10.99.3.2")

    def counts(host, n):
        return collections.Counter(
            kube.get("/x", host=host).text for _ in range(n))

    def route(host, *services):
        return {"match": f"Host(`{host}`)", "kind": "Rule",
                "services": list(services)}
    ones, twos = ({"name": x, "port": 80} for x in ("one", "two"))
    try:
        kube.cluster.apply(objects(
            service("one", one), service("two", two),
            middleware("below", {"addPrefix": {"prefix": "/below"}}),
            traefik_service("thirds", {"weighted": {"services": [
                ones, {**twos, "weight": 2}]}}),
            traefik_service("copied", {"mirroring": {
                **ones, "mirrors": [{**twos, "percent": 50}]}}),
            traefik_service("either", {"failover": {
                "service": ones, "fallback": twos,
                "errors": {"status": ["404"]}}}),
            {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute",
             "metadata": {"name": "tree", "namespace": "default"},
             "spec": {"entryPoints": ["web"], "routes": [
                 route("two.test", {**ones, "weight": 3}, twos),
                 route("thirds.test", {"name": "thirds",
                                       "kind": "TraefikService"}),
                 route("copied.test", {"name": "copied",
                                       "kind": "TraefikService"}),
                 route("either.test", {"name": "either",
                                       "kind": "TraefikService"}),
                 route("below.test", {**ones, "middlewares": [
                     {"name": "below"}]})]}}))
        until(lambda: status(kube, "two.test") == 200)
        until(lambda: status(kube, "below.test", "/x") == 200)
        assert counts("two.test", 8) == {"one /x": 6, "two /x": 2}
        assert counts("thirds.test", 6) == {"one /x": 2, "two /x": 4}
        assert counts("below.test", 2) == {"one /below/x": 2}
        before = len(two.requests)
        assert counts("copied.test", 4) == {"one /x": 4}
        two.wait(before + 2)
        assert kube.get("/404", host="either.test").text == "two /404"
        # Weights are live.
        kube.cluster.apply(objects(traefik_service("thirds", {
            "weighted": {"services": [ones]}})))
        until(lambda: counts("thirds.test", 3) == {"one /x": 3})
        # The annotation of a Service.
        annotated = service("one", one)
        annotated[0]["metadata"]["annotations"] = {
            "traefik.ingress.kubernetes.io/service.middlewares":
                "default-below@kubernetescrd"}
        kube.cluster.apply(objects(
            annotated, ingress("ann", "ann.test", backend="one")))
        until(lambda: kube.get("/x", host="ann.test").text == "one /below/x")
    finally:
        one.close()
        two.close()


def named(name):
    """Answers with its name and the path; "one" does not know /404."""
    def serve(c, r):
        c.body(r)
        c.answer(404 if (name, r.target) == ("one", "/404") else 200,
                 body=f"{name} {r.target}", method=r.method)
    return serve


def test_a_broken_object_harms_nobody_else(kube):
    kube.cluster.apply(objects(
        ingress("good", "good.test"),
        ingress("bad", "bad.test", annotations=router(priority="not a number"))))
    until(lambda: status(kube, "good.test") == 200)
    kube.wait_log(r"bad")


def test_the_api_server_goes_and_comes(kube):
    """Nothing is cleared while it is away; then changes are live again soon."""
    kube.cluster.apply(objects(ingress("stays", "stays.test")))
    until(lambda: status(kube, "stays.test") == 200)
    kube.cluster.kill_api()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert status(kube, "stays.test") == 200
        time.sleep(0.05)
    kube.cluster.start_api()
    kube.cluster.wait(lambda: kube.cluster.apply(objects(
        ingress("after", "after.test"))))
    assert until(lambda: status(kube, "after.test") == 200, 30) < 10
    assert status(kube, "stays.test") == 200


def test_a_dead_controller_is_not_noticed(kube):
    kube.cluster.apply(objects(ingress("calm", "calm.test")))
    until(lambda: status(kube, "calm.test") == 200)
    pid = int(subprocess.run(
        ["pgrep", "-P", str(kube.process.pid), "-f", "controller"],
        capture_output=True, text=True, check=True).stdout.split()[0])
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert status(kube, "calm.test") == 200
        time.sleep(0.02)
    kube.cluster.apply(objects(ingress("again", "again.test")))
    until(lambda: status(kube, "again.test") == 200, 20)


def test_a_kubeconfig_may_come_later(cluster, app, module_io, tmp_path_factory):
    """Nothing says where the API server is yet; the rest serves already."""
    directory = cluster.dir / f"late-{module_io}"
    directory.mkdir(mode=0o755)
    later = directory / "kubeconfig"
    a = Akkod(tmp_path_factory.mktemp("late"), module_io, CONFIG,
              env={"KUBECONFIG": str(later)}, host="10.99.0.1")
    try:
        a.wait_log(r"No such file")
        assert status(a, "later.test") == 503
        cluster.apply(objects(service("app", app), ingress("later", "later.test")))
        later.write_text(cluster.kubeconfig.read_text())
        later.chmod(0o644)
        until(lambda: status(a, "later.test") == 200, 15)
        assert a.log.count("controller ended") == 0
    finally:
        a.close()


def limited_user(cluster, name, rules):
    """A kubeconfig of a user who may do just that."""
    cluster.apply(objects(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
         "metadata": {"name": name}, "rules": rules},
        {"apiVersion": "rbac.authorization.k8s.io/v1",
         "kind": "ClusterRoleBinding", "metadata": {"name": name},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                     "kind": "ClusterRole", "name": name},
         "subjects": [{"kind": "User", "name": name,
                       "apiGroup": "rbac.authorization.k8s.io"}]}))
    config = cluster.dir / f"kubeconfig-{name}"
    config.write_text(cluster.config_of(cluster.user(name)))
    config.chmod(0o644)
    return config


def reads(group, *resources):
    return {"apiGroups": [group], "resources": list(resources),
            "verbs": ["get", "list", "watch"]}


def test_what_is_forbidden_counts_as_empty(cluster, app, module_io,
                                           tmp_path_factory):
    """A role of an old chart: no ConfigMaps, Nodes, classes, Middlewares."""
    name = f"poor-{module_io}"
    config = limited_user(cluster, name, [
        reads("", "services", "secrets"),
        reads("discovery.k8s.io", "endpointslices"),
        reads("networking.k8s.io", "ingresses"),
        reads("traefik.io", "ingressroutes")])
    cluster.apply(objects(service("app", app), ingress("poor", "poor.test")))
    a = Akkod(tmp_path_factory.mktemp("poor"), module_io, CONFIG,
              env={"KUBECONFIG": str(config)}, host="10.99.0.1")
    try:
        # The role is new, and what is refused first is asked for again later.
        until(lambda: status(a, "poor.test") == 200, 30)
        until(lambda: "middlewares.traefik.io" in a.log)
        # Allowed later, it is taken up by itself.
        limited_user(cluster, name, [
            reads("", "services", "secrets"),
            reads("discovery.k8s.io", "endpointslices"),
            reads("networking.k8s.io", "ingresses"),
            reads("traefik.io", "ingressroutes", "middlewares")])
        cluster.apply(objects(
            middleware("allowed", {"addPrefix": {"prefix": "/p"}}),
            ingress("poor", "poor.test", annotations=router(
                middlewares="default-allowed@kubernetescrd"))))
        until(lambda: status(a, "poor.test") == 503 or json.loads(
            a.get("/x", host="poor.test").body)["target"] == "/p/x")
        until(lambda: status(a, "poor.test") == 200 and json.loads(
            a.get("/x", host="poor.test").body)["target"] == "/p/x", 30)
    finally:
        a.close()


def test_watches_that_end_lose_nothing(kube):
    """The server ends each watch after some seconds; changes go on."""
    kube.cluster.kill_api()
    kube.cluster.start_api("--min-request-timeout=2")
    try:
        for n in range(12):
            kube.cluster.wait(lambda n=n: kube.cluster.apply(objects(
                ingress("ends", "ends.test", f"/{n}"))))
            until(lambda n=n: status(kube, "ends.test", f"/{n}") == 200)
            time.sleep(0.5)
    finally:
        kube.cluster.kill_api()
        kube.cluster.start_api()


def test_a_burst_of_ingresses(kube):
    """Three hundred as fast as the API server takes them, and away at once."""
    path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
    for n in range(300):
        one = ingress(f"many-{n}", f"many-{n}.test")
        one["metadata"]["labels"] = {"many": "yes"}
        kube.cluster.post(path, one)
    took = until(lambda: status(kube, "many-299.test") == 200, 30)
    assert all(status(kube, f"many-{n}.test") == 200 for n in range(0, 300, 29))
    assert took < 2, took
    before = kube.status()["generation"]
    kube.cluster.call("DELETE", path + "?labelSelector=many%3Dyes")
    until(lambda: status(kube, "many-0.test") == 404
          and status(kube, "many-299.test") == 404, 30)
    # Bursts become few generations.
    assert kube.status()["generation"] - before < 150
