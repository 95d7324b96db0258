# SPDX-License-Identifier: BSD-2-Clause
"""Tables of Kubernetes objects and what akkod makes of them; see Case, Board."""
import base64
import hashlib
import json
import re
import time
from pathlib import Path

from harness.akkod import Akkod
from harness.kube import Api, Refused, namespace, obj, refusals, synced

TESTS = Path(__file__).parents[1]

CONFIG = """
entryPoints:
  web: {address: "10.99.0.1:@web@"}
  websecure: {address: "10.99.0.1:@websecure@"}
  ep1: {address: "10.99.0.1:@ep1@"}
  ep2: {address: "10.99.0.1:@ep2@"}
log: {level: DEBUG}
akkod: {workers: 1}
providers:
"""
DEFAULT_EPS = ["ep1", "ep2", "web", "websecure"]

# Options that one of the two providers alone has; the others count for both.
INGRESS_ONLY = {"strictPrefixMatching", "disableIngressClassLookup"}
CRD_ONLY = {"allowCrossNamespace"}


class Case:
    """One row: the objects of a base world and others in addition or in place.

    In all of it `shop` and `other` stand for namespaces of its own. `want` is
    what akkod makes of them, by show(); `notes` are patterns that each match
    something that it says against an object. `refused`: the API server itself
    does not take one of the objects, and says so. `pki`: Secrets and ConfigMaps
    by name with certificates that fit, see pki_object().
    """

    def __init__(self, number, want, base, objects, options, provider,
                 notes=(), refused=None, alone=False, without=(), sha=None,
                 pki=None):
        self.number, self.options = number, options or {}
        self.refused, self.alone, self.pki = refused, alone, pki or {}
        self.shop, self.other = (
            "".join(c for c in f"{letter}{number.lower()}" if c.isalnum())
            for letter in ("s", "o"))
        self.provider = provider
        if sha is not None:
            want = want.replace("@sha@",
                                hashlib.sha256(sha.encode()).hexdigest()[:20])
        self.want = self.named(want)
        self.notes = [self.named(n) for n in notes]
        world = {}
        for o in [*base, *objects]:
            world[o["kind"], o["metadata"].get("namespace"),
                  o["metadata"]["name"]] = o
        gone = [tuple(w.split()) for w in without]
        self.objects = json.loads(self.named(json.dumps(
            [o for (kind, _, name), o in world.items()
             if (kind, name) not in gone])))

    def named(self, text):
        """Text with the namespaces of this case."""
        text = re.sub(r"(?<![A-Za-z0-9])shop(?![A-Za-z0-9])", self.shop, text)
        return re.sub(r"(?<![A-Za-z0-9])other(?![A-Za-z0-9])", self.other, text)

    def namespaces(self):
        return sorted({o["metadata"]["namespace"] for o in self.objects
                       if "namespace" in o["metadata"]})

    def __repr__(self):
        return self.number


class Elsewhere:
    """A case that this table cannot show: which test does, and why not here."""

    def __init__(self, number, file, test, why):
        self.number, self.test, self.why = number, test, why
        self.file = TESTS / ("unit" if file.endswith(".c") else "integration") \
            / Path(file).name

    def __str__(self):
        return f"{self.number}: {self.test} of {self.file.name}" + \
            (f" ({self.why})" if self.why else "")


def elsewhere(number, file, test, why=""):
    return Elsewhere(number, file, test, why)


# ---- What akkod says, as lines ---------------------------------------------------


def words(pairs):
    return "".join(f" {k}={','.join(v) if isinstance(v, list) else v}"
                   for k, v in pairs if v not in (None, [], ""))


def tls_words(tls):
    if tls is None:
        return ""
    text = " tls" + (f"={tls['options']}" if tls.get("options") else "")
    text += words([("resolver", tls.get("certResolver"))])
    for d in tls.get("domains") or []:
        text += f" domain={d.get('main', '')}" + \
            "".join(f"/{','.join(d['sans'])}" for _ in [0] if d.get("sans"))
    return text


def flags(of, names):
    return "".join(f" {short}={int(of[key])}" for key, short in names.items()
                   if of.get(key) is not None)


def verdict(o):
    return " BROKEN" if o.get("status") == "disabled" else ""


def short(v):
    """PEM texts by what they are."""
    if isinstance(v, dict):
        return {k: short(x) for k, x in v.items()}
    if isinstance(v, list):
        return [short(x) for x in v]
    if isinstance(v, str) and v.startswith("-----BEGIN "):
        return v[11:v.index("-", 11)].lower()
    return v


def show_router(name, r, provider):
    own = "@" + provider

    def cut(text):
        return text[:-len(own)] if text.endswith(own) else text

    eps = sorted(r.get("entryPoints") or [])
    priority = r.get("priority", 0)
    tls = r.get("tls")
    if tls and tls.get("options"):
        tls = {**tls, "options": cut(tls["options"])}
    text = f"R {cut(name)}: {r.get('rule', '')} -> {cut(r.get('service', ''))}"
    if priority != len(r.get("rule", "").encode()):
        text += f" prio={priority}"
    text += words([("ep", [] if eps == DEFAULT_EPS else eps),
                   ("mw", [cut(m) for m in r.get("middlewares") or []])])
    text += tls_words(tls)
    text += flags(r.get("observability") or {}, {
        "accessLogs": "logs", "metrics": "metrics", "tracing": "tracing"})
    text += words([("parents", [cut(p) for p in r.get("parentRefs") or []])])
    return text + verdict(r)


def sticky_words(sticky):
    if not sticky:
        return ""
    c = sticky.get("cookie") or {}
    text = f" sticky={c.get('name', '')}"
    text += ",secure" if c.get("secure") else ""
    text += ",httponly" if c.get("httpOnly") else ""
    for key in ("sameSite", "maxAge", "path", "domain"):
        if c.get(key):
            text += f",{key.lower()}={c[key]}"
    return text


def show_servers(lb, cut):
    text = " ".join(s["url"] + ("~" if s.get("fenced") else "")
                    for s in lb.get("servers") or []) or "(none)"
    text += words([("strategy", lb["strategy"] if lb.get("strategy") not in
                    (None, "", "wrr") else None)])
    if lb.get("passHostHeader") is False:
        text += " host=no"
    text += words([("transport", cut(lb.get("serversTransport") or ""))])
    flush = (lb.get("responseForwarding") or {}).get("flushInterval")
    text += words([("flush", flush if flush != "100ms" else None)])
    text += sticky_words(lb.get("sticky"))
    check = lb.get("healthCheck")
    if check:
        text += " check=" + ",".join(f"{k}:{check[k]}" for k in (
            "path", "interval", "unhealthyInterval", "timeout",
            "followRedirects") if k in check)
    return text


def show_service(name, s, provider):
    own = "@" + provider

    def cut(text):
        return text[:-len(own)] if text.endswith(own) else text

    def children(key):
        return " ".join(f"{cut(c['name'])}={c.get('weight', 1)}"
                        for c in s[key].get("services") or [])

    text = f"S {cut(name)}:"
    if s.get("loadBalancer") is not None:
        text += " " + show_servers(s["loadBalancer"], cut)
    if s.get("weighted") is not None:
        text += " weighted " + children("weighted")
        text += sticky_words(s["weighted"].get("sticky"))
    if s.get("highestRandomWeight") is not None:
        text += " hrw " + children("highestRandomWeight")
    if s.get("mirroring") is not None:
        m = s["mirroring"]
        text += f" mirroring {cut(m.get('service', '-'))}" + "".join(
            f" +{cut(x['name'])}={x.get('percent', 0)}"
            for x in m.get("mirrors") or [])
    if s.get("failover") is not None:
        f = s["failover"]
        text += f" failover {cut(f.get('service', '-'))} / {cut(f.get('fallback', '-'))}"
        if f.get("errors"):
            text += words([("status", f["errors"].get("status")),
                           ("most", f["errors"].get("maxRequestBodyBytes"))])
    text += words([("mw", [cut(m) for m in s.get("middlewares") or []])])
    return text + verdict(s)


COMMON = {"status", "error", "object", "usedBy", "name"}


def show_other(letter):
    def shown(name, o, provider):
        own = "@" + provider
        text = f"{letter} {name[:-len(own)] if name.endswith(own) else name}:"
        config = {k: short(v) for k, v in o.items() if k not in COMMON}
        if letter == "M":
            text += "".join(f" {k} {json.dumps(v, sort_keys=True)}"
                            for k, v in config.items())
        elif config:
            text += " " + json.dumps(config, sort_keys=True)
        return text.replace(own, "") + verdict(o)
    return shown


def show(routes, provider, belongs):
    """The lines of what a provider made."""
    kinds = [(routes["routers"], show_router),
             (routes["services"], show_service)]
    if provider == "kubernetescrd":
        kinds += [(routes["middlewares"], show_other("M")),
                  (routes["tls"]["options"], show_other("O")),
                  (routes["serversTransports"], show_other("X"))]
    return [shown(name, o, provider) for all_of, shown in kinds
            for name, o in all_of.items()
            if (name.endswith("@" + provider) or name == "default")
            and belongs(name)]


def pki_object(authority, case, name, what):
    """A CA in that key of a Secret, or in a ConfigMap; or a pair of files."""
    def text(path):
        return base64.b64encode(path.read_bytes()).decode()

    if what == "map":
        return obj("ConfigMap", name, ns=case.shop,
                   data={"ca.crt": authority.file.read_text()})
    if what == "tls":
        files = authority.leaf(f"{name}.{case.shop}.test")
        return obj("Secret", name, ns=case.shop, type="kubernetes.io/tls",
                   data={"tls.crt": text(files[0]), "tls.key": text(files[1])})
    return obj("Secret", name, ns=case.shop, type="Opaque",
               data={what: text(authority.file)})


# ---- Running ---------------------------------------------------------------------


class Board:
    """All cases of a table in one API server, and akkods that look at them."""

    PROVIDERS = {"ingress": "kubernetes", "crd": "kubernetescrd"}

    def __init__(self, cluster, tables, io, directory):
        self.api = Api(cluster)
        self.cluster, self.io, self.dir = cluster, io, directory
        self.cases = tables
        self.running = {}
        self.before = {}
        self._create()

    def _create(self):
        """Everything of all cases that share an akkod, as fast as it goes."""
        spaces = sorted({n for c in self.cases for n in c.namespaces()})
        self.api.create_all([namespace(n) for n in spaces])
        shared, seen = [], set()
        for c in self.cases:
            if c.alone or c.refused:
                continue
            c.objects += [pki_object(self.cluster.authority, c, *p)
                          for p in c.pki.items()]
            for o in c.objects:
                key = self.api.path(o)
                if key not in seen:
                    seen.add(key)
                    shared.append(o)
        self.refusals = {o: e for o, e in zip(
            map(self.api.path, shared), self.api.each(self._try, shared)) if e}
        # The one Node, for all who ask for its address.
        node = obj("Node", "node", {})
        self.api.put(node)
        self.api.call("PATCH", self.api.path(node) + "/status", {"status": {
            "addresses": [{"type": "InternalIP", "address": "172.16.4.4"}]}},
            kind="application/merge-patch+json")

    def _try(self, o):
        try:
            self.api.create(o)
        except Refused as e:
            return e
        return None

    # -- options -----------------------------------------------------------

    def config(self, options):
        """The text for provider options; [shop] stands for all shops."""
        def value(v):
            if v == ["shop"]:
                return [c.shop for c in self.cases if c.options == options]
            return v

        text = CONFIG
        for name, skip in (("kubernetesIngress", CRD_ONLY),
                           ("kubernetesCRD", INGRESS_ONLY)):
            own = {k: value(v) for k, v in options.items() if k not in skip}
            text += f"  {name}: {json.dumps(own)}\n"
        return text

    def akkod(self, options):
        """The one with these options; it is started when it is first wanted."""
        key = json.dumps(options, sort_keys=True)
        if key not in self.running:
            a = Akkod(self.dir / f"akkod{len(self.running)}", self.io,
                      self.config(options), host="10.99.0.1",
                      env={"KUBECONFIG": str(self.cluster.kubeconfig)})
            self.running[key] = a
            self.wait(lambda: synced(a))
        return self.running[key]

    @staticmethod
    def wait(works, seconds=15):
        end = time.monotonic() + seconds
        while not works():
            assert time.monotonic() < end, "not within the time limit"
            time.sleep(0.05)

    # -- cases ---------------------------------------------------------------

    def routes(self, a):
        done = a.command("routes", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lines(self, case, routes):
        def belongs(name):
            return case.alone or name.startswith(
                (case.shop + "-", case.other + "-"))

        before = self.before if case.alone else {}
        return "".join(sorted(
            line + "\n" for line in show(
                routes, self.PROVIDERS[case.provider], belongs)
            if line not in before))

    def check(self, case):
        """Fails when akkod makes something else of the case."""
        refused = [str(self.refusals[p]) for o in case.objects
                   if (p := self.api.path(o)) in self.refusals]
        assert not refused, refused
        want = "".join(sorted(case.want.splitlines(True)))
        a = self.akkod(case.options)
        end = time.monotonic() + (5 if case.alone else 1)
        while True:
            got = self.lines(case, self.routes(a))
            if got == want or time.monotonic() > end:
                break
            time.sleep(0.05)
        notes = refusals(a)
        own = [n for n in notes if case.shop in n or case.other in n]
        assert got == want, "\n".join(
            [f"case {case}", "got:", got, "want:", want, "and says:", *own])
        for pattern in case.notes:
            assert any(re.search(pattern, n) for n in own), \
                f"no {pattern!r} in {own}"

    def check_alone(self, case):
        """As check(), for what the whole cluster has only once."""
        a = self.akkod(case.options)
        self.before = set(show(self.routes(a), self.PROVIDERS[case.provider],
                               lambda name: True))
        self.api.create_all(case.objects)
        try:
            self.check(case)
        finally:
            self.api.each(self.api.delete, case.objects)
        self.wait(lambda: not self.lines(case, self.routes(a)))

    def check_refused(self, case):
        """Fails when the API server takes all objects of the case."""
        said = []
        for o in case.objects:
            try:
                self.api.create(o)
            except Refused as e:
                said.append(str(e))
        assert any(re.search(case.refused, s) for s in said), said

    def close(self):
        for a in self.running.values():
            a.close()
