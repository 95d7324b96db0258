# SPDX-License-Identifier: BSD-2-Clause
"""Objects of Kubernetes for tests, and a fast way to an API server."""
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor

TRAEFIK = "traefik.io/v1alpha1"

# Kind: where it lives, and whether in a namespace.
RESOURCES = {
    "Namespace": ("v1", "namespaces", False),
    "Node": ("v1", "nodes", False),
    "Service": ("v1", "services", True),
    "Secret": ("v1", "secrets", True),
    "ConfigMap": ("v1", "configmaps", True),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices", True),
    "Ingress": ("networking.k8s.io/v1", "ingresses", True),
    "IngressClass": ("networking.k8s.io/v1", "ingressclasses", False),
}


def resource(kind):
    """apiVersion, plural and whether the kind has a namespace."""
    return RESOURCES.get(kind) or (TRAEFIK, kind.lower() + "s", True)


class Refused(Exception):
    """What the API server said against an object."""

    def __init__(self, status, body):
        self.status = status
        try:
            body = json.loads(body)["message"]
        except (ValueError, KeyError):
            pass
        super().__init__(f"{status}: {body}")


class Api:
    """Connections to a Cluster that are kept, one for each thread."""

    def __init__(self, cluster, threads=6):
        self.cluster = cluster
        self.local = threading.local()
        self.threads = threads

    def call(self, method, path, body=None, kind="application/json"):
        data = None if body is None else json.dumps(body)
        for _ in range(2):
            c = getattr(self.local, "connection", None)
            if c is None:
                c = self.local.connection = http.client.HTTPSConnection(
                    self.cluster.address, 6443, context=self.cluster.context,
                    timeout=20)
            try:
                c.request(method, path, data, {"Content-Type": kind})
                r = c.getresponse()
                text = r.read()
                break
            except (http.client.HTTPException, OSError):
                # It may have gone while it was idle.
                c.close()
                self.local.connection = None
        else:
            raise OSError("the API server does not answer")
        if r.status >= 300:
            raise Refused(r.status, text)
        return json.loads(text)

    def path(self, o, name=True):
        version, plural, scoped = resource(o["kind"])
        ns = o["metadata"].get("namespace", "default")
        return ("/api/" if "/" not in version else "/apis/") + version + \
            (f"/namespaces/{ns}" if scoped else "") + f"/{plural}" + \
            (f"/{o['metadata']['name']}" if name else "")

    def create(self, o):
        return self.call("POST", self.path(o, name=False), o)

    def get(self, o):
        return self.call("GET", self.path(o))

    def put(self, o):
        """Creates the object or replaces it."""
        try:
            return self.create(o)
        except Refused as e:
            if e.status != 409:
                raise
        return self.call("PATCH", self.path(o) + "?fieldManager=test&force=true",
                         o, kind="application/apply-patch+yaml")

    def merge(self, o, change):
        """Merges a change into an object that is there."""
        return self.call("PATCH", self.path(o), change,
                         kind="application/merge-patch+json")

    def delete(self, o):
        try:
            return self.call("DELETE", self.path(o))
        except Refused as e:
            if e.status != 404:
                raise

    def create_all(self, objects):
        """Creates many, namespaces first, in several threads."""
        first = [o for o in objects if o["kind"] == "Namespace"]
        rest = [o for o in objects if o["kind"] != "Namespace"]
        for some in first, rest:
            self.each(self.create, some)

    def each(self, do, objects):
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(do, objects))


# ---- Objects -------------------------------------------------------------------


def obj(kind, name, spec=None, ns="shop", **more):
    """An object; annotations, labels and the rest of metadata by name."""
    version, _, scoped = resource(kind)
    meta = {"name": name}
    if scoped:
        meta["namespace"] = ns
    for key in ("annotations", "labels", "creationTimestamp"):
        if more.get(key) is not None:
            meta[key] = more.pop(key)
    o = {"apiVersion": version, "kind": kind, "metadata": meta}
    if spec is not None:
        o["spec"] = spec
    o.update((k, v) for k, v in more.items() if v is not None)
    return o


def namespace(name):
    return obj("Namespace", name)


def service(name, *ports, ns="shop", annotations=None, **spec):
    """A Service; a port is a number, (name, number) or a whole object."""
    return obj("Service", name, {"ports": [port(p) for p in ports], **spec},
               ns=ns, annotations=annotations)


def port(p):
    if isinstance(p, dict):
        return p
    if isinstance(p, int):
        return {"port": p}
    return {"name": p[0], "port": p[1]}


def slice_of(name, ports, *endpoints, ns="shop", n=1, family="IPv4"):
    """The n-th EndpointSlice of a Service; an endpoint may be an address."""
    return obj("EndpointSlice", f"{name}-{n}", ns=ns,
               labels={"kubernetes.io/service-name": name}, addressType=family,
               ports=[port(p) for p in ports],
               endpoints=[ep(e) if isinstance(e, str) else e
                          for e in endpoints])


def ep(*addresses, **conditions):
    return {"addresses": list(addresses),
            "conditions": conditions or {"ready": True}}


def backend(name, p):
    key = "number" if isinstance(p, int) else "name"
    return {"service": {"name": name, "port": {key: p}}}


def path(text, to=("web", 80), kind="Prefix"):
    """A path of an Ingress; None leaves a field out."""
    p = {"path": text, "pathType": kind,
         "backend": to if isinstance(to, dict) else backend(*to)}
    return {k: v for k, v in p.items() if v is not None}


def rule(host, *paths):
    r = {"host": host, "http": {"paths": list(paths)} if paths else None}
    return {k: v for k, v in r.items() if v is not None}


def ingress(name, *rules, ns="shop", annotations=None, **spec):
    return obj("Ingress", name, {**({"rules": list(rules)} if rules else {}),
                                 **spec}, ns=ns, annotations=annotations)


def ann(kind="router", **words):
    """Annotations below router. or service.; __ stands for a dot."""
    return {f"traefik.ingress.kubernetes.io/{kind}.{k.replace('__', '.')}": v
            for k, v in words.items()}


# ---- What akkod says of them ------------------------------------------------------


def sources(akkod):
    """What the status has of the Kubernetes providers."""
    return [v for k, v in akkod.status()["sources"].items()
            if k.startswith("kubernetes")]


def synced(akkod):
    return all(s["state"] == "synced" for s in sources(akkod))


def refusals(akkod):
    """What was said against objects: "Ingress shop/front: why"."""
    return [f"{n['object']}: {n['error']}" for s in sources(akkod)
            for n in s["refused"]]
