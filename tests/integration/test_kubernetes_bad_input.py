# SPDX-License-Identifier: BSD-2-Clause
"""What tenants write by mistake or in bad faith, through the real API server.

It is plain data or refused by name, what others have goes on beside it, and it
costs next to nothing. The controller and the master decide this, so it runs on
one I/O backend.
"""
import os
import re
import time

import pytest

from conftest import BACKENDS
from harness.kube import ann, path, refusals
from test_kubernetes import until
from test_kubernetes_run import World

pytestmark = pytest.mark.kubernetes
LARGE = 250 * 1024

TEXTS = {
    "brace": "}", "semicolon": ";", "newline": "a\nb\r\nc", "template": "{{x}}",
    "variable": "${HOME}$(id)`id`", "quotes": "\"'`\\", "nul": "a\0b",
    "percent": "%s%n%00", "markup": "<script>", "strange": "\u202e\ufeff\U0001f600",
    "large": "x" * LARGE, "commas": "," * LARGE, "names": "x," * (LARGE // 2),
}
# Key of an annotation: what any of the texts makes of its router.
CLOSED = {"middlewares"}			# it keeps its match and answers 503
GONE = {"entrypoints", "priority", "pathmatcher", "observability__accesslogs"}
TLS = {"tls__options"}			# closed as well, and for TLS alone
PLAIN = {"tls", "rulesyntax"}			# another word than those known
ALL = sorted(CLOSED | GONE | TLS | PLAIN)
# A list of nothing but commas; one that is too long, whose match is closed.
EMPTY = {("entrypoints", "commas"), ("middlewares", "commas"),
         ("entrypoints", "names")}


def name_of(key, text):
    return f"{key}-{text}".replace("__", "-")


@pytest.fixture(scope="module")
def w(shared_cluster, tmp_path_factory):
    world = World(shared_cluster, BACKENDS[0], tmp_path_factory.mktemp("bad"),
                  name="bad")
    # Broader than anything below, and without any middleware.
    world.put(world.route("broad", "PathPrefix(`/`)", route={"priority": 1}))
    world.comes("anybody.test")
    yield world
    world.close()


@pytest.fixture(scope="module")
def annotated(w):
    """All texts in all annotations, beside one that is as it should be."""
    before = cpu(w)
    for key in ALL:
        for text, value in TEXTS.items():
            name = name_of(key, text)
            w.put(w.front(name, f"{name}.test", path(
                "/", kind="ImplementationSpecific"),
                annotations=ann(**{key: value})))
    w.put(w.front("last", "last.test", annotations=ann(entrypoints="web")))
    until(lambda: f"{w.ns}-last-last-test@kubernetes" in w.routes()["routers"])
    w.cost = cpu(w) - before
    return refusals(w.akkod), w.routes()["routers"]


def cpu(w):
    """Seconds of CPU that master and controller have used."""
    total = 0
    for pid in (w.akkod.process.pid, w.controller()):
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


@pytest.mark.parametrize("key", ALL)
@pytest.mark.parametrize("text", TEXTS)
def test_texts_in_annotations(w, annotated, key, text):
    said, routers = annotated
    name = name_of(key, text)
    own = [n for n in said if n.startswith(f"Ingress {w.ns}/{name}: ")]
    mine = {k: r for k, r in routers.items()
            if k.startswith(f"{w.ns}-{name}-{name}-test@")}
    errors = [e for r in mine.values() for e in r.get("error", [])]
    # Nobody reads a quarter of a megabyte.
    assert all(len(n) < 4096 for n in own)
    status = w.status(f"{name}.test")
    if key in CLOSED and (key, text) not in EMPTY:
        assert status == 503 and errors
    elif key in GONE and (key, text) not in EMPTY:
        # Without a match of its own, as with Traefik; and it is told why.
        assert status == 200 and (own or errors)
    elif key in TLS:
        assert status == 200 and errors
        assert w.tls(f"{name}.test") in (None, 503)
    else:
        assert status in (200, 503)


def test_the_log_has_lines(w, annotated):
    """Each begins with its time: no text has made one of its own."""
    assert annotated
    for line in w.akkod.log.splitlines():
        assert re.match(r"20\d\d-\d\d-\d\dT", line), line[:200]


def test_what_it_costs(w, annotated):
    """A hundred of them, a third with a quarter of a megabyte each."""
    assert annotated
    limit = 0.05 * len(TEXTS) * len(ALL)
    assert w.cost < limit * (10 if "asan" in os.environ.get("AKKOD", "") else 1)


PATHS = {"quote": '/a"b', "backslash": "/a\\b", "backquote": "/a`b",
         "newline": "/a\nb", "nul": "/a\0b", "template": "/{{x}}",
         "variable": "/${x}", "semicolon": "/a;b", "brace": "/a}b",
         "call": '/a") || PathPrefix("/', "large": "/" + "x" * 100000}


@pytest.mark.parametrize("name", PATHS)
def test_texts_in_paths(w, name):
    """A path is a text in a rule, and cannot become a part of it."""
    w.put(w.front(f"path-{name}", f"path-{name}.test", path(PATHS[name]),
                  annotations=ann(priority="100")))
    key = f"{w.ns}-path-{name}-path-{name}-test"
    until(lambda: any(k.startswith(key) for k in w.routes()["routers"])
          or any(f"path-{name}" in n for n in refusals(w.akkod)))
    assert w.akkod.get("/other", host=f"path-{name}.test").status == 200
    assert w.akkod.get("/", host="anybody.test").status == 200
    # What would match everything, were it a part of the rule, matches nothing.
    for k, r in w.routes()["routers"].items():
        if k.startswith(key) and r["status"] == "enabled":
            assert w.akkod.logged(RequestHost=f"path-{name}.test")[
                "RouterName"] != k


REGEXES = {
    "nested": "(a+)+$", "alternatives": "(a|aa)+$", "twice": "(.*a){25}$",
    "repeat": "(a{1,1000}){1,1000}", "open": "(" * 5000, "class": "[" * 5000,
    "look": "(?=a)a", "back": r"(a)\1", "large": "a?" * 50000 + "a" * 5,
    "nothing": "", "nul": "a\0b",
}
LONG = "/" + "a" * 4000 + "!"


@pytest.mark.parametrize("name", REGEXES)
def test_regular_expressions(w, name):
    """Refused or bounded, in an Ingress, a rule and a middleware."""
    text, host = REGEXES[name], f"re-{name}.test"
    before = cpu(w)
    w.put(w.front(f"re-{name}", host, path("/" + text.replace(
        "\\", "\\\\"), kind="ImplementationSpecific"),
        annotations=ann(pathmatcher="PathRegexp")),
        w.route(f"re-{name}", f"Host(`r{host}`) && PathRegexp(`{text}`)"),
        w.middleware(f"re-{name}", replacePathRegex={
            "regex": text, "replacement": "/x"}),
        w.front(f"mw-{name}", f"m{host}", annotations=ann(
            middlewares=f"{w.ns}-re-{name}@kubernetescrd")))
    until(lambda: any(k.startswith(f"{w.ns}-mw-{name}-")
                      for k in w.routes()["routers"]))
    for h in (host, f"r{host}", f"m{host}"):
        began = time.monotonic()
        assert w.akkod.get(LONG, host=h).status in (200, 400, 404, 500, 503), h
        assert time.monotonic() - began < 5
    assert cpu(w) - before < 2


def test_two_claim_one_place(w):
    """Both are there; by their names one answers, always the same."""
    w.put(*w.service("other", w.app),
          w.front("claim-b", "claim.test", path("/", ("other", 80))),
          w.front("claim-a", "claim.test", path("/", ("web", 80))))
    w.comes("claim.test")
    names = [f"{w.ns}-claim-{c}-claim-test@kubernetes" for c in "ab"]
    until(lambda: all(n in w.routes()["routers"] for n in names))

    def winner():
        assert w.status("claim.test", "/who") == 200
        return w.akkod.logged(RequestHost="claim.test",
                              RequestPath="/who")["RouterName"]

    assert {winner() for _ in range(5)} == {names[0]}
    w.put(w.front("aside", "aside.test"))
    w.comes("aside.test")
    assert winner() == names[0]


MIDDLEWARES = {
    "empty": {}, "two": {"addPrefix": {"prefix": "/x"},
                         "compress": {}},
    "range": {"ipAllowList": {"sourceRange": ["not an address"]}},
    "regex": {"redirectRegex": {"regex": "(", "replacement": "x"}},
    "users": {"basicAuth": {"secret": "gone"}},
    "file": {"basicAuth": {}},
    "address": {"forwardAuth": {"address": "not a URL"}},
    "chain": {"chain": {"middlewares": [{"name": "gone"}]}},
    "itself": {"chain": {"middlewares": [{"name": "mw-itself"}]}},
    "abroad": {"chain": {"middlewares": [{"name": "x", "namespace": "y"}]}},
    "number": {"plugin": {"x": {"n": 100000000000000000000.0}}},
    "service": {"errors": {"status": ["500"], "service": {
        "name": "gone", "port": 80}}},
}


@pytest.mark.parametrize("name", MIDDLEWARES)
def test_a_middleware_that_cannot_be(w, name):
    """503 with a reason; the broader router is open and must not answer."""
    w.put(w.middleware(f"mw-{name}", **MIDDLEWARES[name]),
          w.front(f"mw-{name}", f"mw-{name}.test", annotations=ann(
              middlewares=f"{w.ns}-mw-{name}@kubernetescrd")))
    w.comes(f"mw-{name}.test", 503)
    r = w.routes()["routers"][f"{w.ns}-mw-{name}-mw-{name}-test@kubernetes"]
    assert r["status"] == "disabled" and r["error"]


def test_objects_that_no_parser_takes(w):
    """A large number, NUL in a key: the others go on."""
    time.sleep(1.1)		# lines of a kind are told once a second
    for name, spec in (("large", {"plugin": {"p": {"n": 1e20}}}),
                       ("nul", {"headers": {"customRequestHeaders": {
                           "X-\0": "\0"}}})):
        w.put(w.middleware(f"odd-{name}", **spec))
        w.put(w.middleware(f"good-{name}", addPrefix={"prefix": "/p"}),
              w.front(f"odd-{name}", f"odd-{name}.test", annotations=ann(
                  middlewares=f"{w.ns}-odd-{name}@kubernetescrd")),
              w.front(f"good-{name}", f"good-{name}.test", annotations=ann(
                  middlewares=f"{w.ns}-good-{name}@kubernetescrd")))
        w.comes(f"good-{name}.test")
        w.comes(f"odd-{name}.test", 503)
    assert re.search(r"[Mm]iddleware.*odd-large cannot be read", w.akkod.log)
