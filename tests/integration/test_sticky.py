# SPDX-License-Identifier: BSD-2-Clause
"""Sticky cookies, strategies, and servers that are about to end."""
import collections
import hashlib
import re
import threading
import time

import pytest

from harness.client import head
from harness.h2 import H2
from harness.proc import until
from harness.site import balancer, site
from harness.upstream import Upstream
from test_websocket import ASK, echo_bytes

U = ("http://127.0.0.1:@upstream@", "http://127.0.0.1:@second@")
COOKIE = re.compile(r"(?P<name>[^=]+)=(?P<value>[0-9a-f]{16})(?P<rest>.*)")


def sticky(**cookie):
    return balancer(*U, sticky={"cookie": cookie})


def fnv1(text):
    h = 0xcbf29ce484222325
    for c in text.encode():
        h = h * 0x100000001b3 & (1 << 64) - 1 ^ c
    return f"{h:x}"


SERVICES = {
    "plain": sticky(),
    "backend": sticky(),
    "named": sticky(name="/my/BACKEND-v1.0~rc1"),
    "attrs": sticky(name="lb", secure=True, httpOnly=True, sameSite="none", maxAge=60,
                    path="/p", domain=".c.test"),
    "expire": sticky(name="lb", maxAge=-1, sameSite="bogus", path=""),
    "nothing": balancer(*U, sticky={}),
    "single": balancer(U[0], sticky={"cookie": {"name": "lb"}}),
    "dead": balancer("http://127.0.0.1:@closed@", sticky={"cookie": {"name": "lb"}}),
    "hrw": balancer(*U, strategy="hrw", sticky={"cookie": {"name": "lb"}}),
    "p2c": balancer(*U, strategy="p2c"),
    "leasttime": balancer(*U, strategy="leasttime"),
    "leastweight": {"loadBalancer": {"strategy": "leasttime", "servers": [
        {"url": U[0], "weight": 1000000}, {"url": U[1]}]}},
    "first": balancer(U[0], sticky={"cookie": {"name": "inner"}}),
    "second": balancer(U[1]),
    "group": {"weighted": {"services": [{"name": "first"}, {"name": "second"},
                                        {"name": "plain", "weight": 0}],
                           "sticky": {"cookie": {"name": "outer", "httpOnly": True}}}},
    "zero": {"loadBalancer": {"strategy": "p2c", "sticky": {"cookie": {}}, "servers": [
        {"url": U[0], "weight": 0}, {"url": U[1]}]}},
}


@pytest.fixture(scope="module")
def whole(module_akkod):
    servers = [Upstream(), Upstream()]
    a = module_akkod(site(routers={name: {"service": name} for name in SERVICES},
                          services=SERVICES),
                     values={"upstream": servers[0].port, "second": servers[1].port})
    a.servers = servers
    yield a
    for u in servers:
        assert u.broken == []
        u.close()


@pytest.fixture
def akk(whole):
    for u in whole.servers:
        u.requests.clear()
    return whole


def hits(a):
    return [len(u.requests) for u in a.servers]


def cookie_of(answer):
    got = [v for v in answer.all("Set-Cookie") if COOKIE.fullmatch(v)]
    assert len(got) <= 1, got
    return COOKIE.fullmatch(got[0]) if got else None


def key(url):
    return hashlib.sha256(url.encode()).hexdigest()[:16]


# -- cookies -----------------------------------------------------------------

def test_a_new_client_gets_one_and_comes_back(akk):
    first = akk.get(host="plain.test")
    c = cookie_of(first)
    name = hashlib.sha1(b"_TRAEFIK_BACKEND_plain@file").hexdigest()
    assert (c["name"], c["rest"]) == ("_" + name[:5], "; Path=/")
    where = hits(akk).index(1)
    assert c["value"] == key(akk.servers[where].url)
    for _ in range(6):
        again = akk.get(host="plain.test",
                        headers=[("Cookie", f"a=b; {c['name']}={c['value']}; z")])
        assert again.status == 200 and cookie_of(again) is None
    assert hits(akk)[where] == 7


def test_the_turns_of_new_clients_go_on(akk):
    seen = collections.Counter(cookie_of(akk.get(host="plain.test"))["value"]
                               for _ in range(8))
    assert sorted(seen.values()) == [4, 4]


def test_a_name_becomes_a_token(akk):
    assert cookie_of(akk.get(host="named.test"))["name"] == "_my_BACKEND-v1.0~rc1"


@pytest.mark.parametrize("host, rest", [
    ("attrs.test", "; Path=/p; Domain=c.test; Max-Age=60; HttpOnly; Secure; SameSite=None"),
    ("expire.test", "; Max-Age=0"),
])
def test_attributes(akk, host, rest):
    assert cookie_of(akk.get(host=host))["rest"] == rest


@pytest.mark.parametrize("value", [
    lambda url: url, lambda url: f'"{url}"', fnv1, lambda url: fnv1(fnv1(url))])
def test_what_traefik_once_gave_out_is_replaced(akk, value):
    for u in akk.servers:
        before = len(u.requests)
        r = akk.get(host="attrs.test", headers=[("Cookie", f"lb={value(u.url)}")])
        assert len(u.requests) == before + 1
        assert cookie_of(r)["value"] == key(u.url)


@pytest.mark.parametrize("cookie", [
    "lb=0000000000000000", "lb=", "lb", "lb=http://127.0.0.1:1", "LB=@", "xlb=@",
    "lb=0000000000000000; lb=@"])
def test_what_names_no_server_gets_a_new_one(akk, cookie):
    cookie = cookie.replace("@", key(akk.servers[0].url))
    assert cookie_of(akk.get(host="attrs.test", headers=[("Cookie", cookie)]))


def test_the_value_may_be_quoted(akk):
    r = akk.get(host="attrs.test",
                headers=[("Cookie", f'lb="{key(akk.servers[1].url)}"')])
    assert cookie_of(r) is None and hits(akk) == [0, 1]


def test_several_cookie_lines_are_one(akk):
    r = akk.get(host="attrs.test", headers=[
        ("Cookie", "a=1"), ("Cookie", f"lb={key(akk.servers[1].url)}")])
    assert cookie_of(r) is None and hits(akk) == [0, 1]
    assert akk.servers[1].requests[0].all("Cookie") == \
        [f"a=1; lb={key(akk.servers[1].url)}"]


def test_sticky_without_a_cookie_is_nothing(akk):
    assert akk.get(host="nothing.test").all("Set-Cookie") == []
    assert "sticky without a cookie does nothing" in akk.log


def test_it_stands_before_the_servers_own(akk, monkeypatch):
    def own(c, r):
        c.body(r)
        c.answer(200, [("Set-Cookie", "u=1"), ("X-A", "b"), ("Set-Cookie", "v=2")])
    monkeypatch.setattr(akk.servers[0], "serve", own)
    got = akk.get(host="single.test").all("Set-Cookie")
    assert got[1:] == ["u=1", "v=2"] and got[0].startswith("lb=")


def test_it_survives_an_interim_answer(akk, monkeypatch):
    def hint(c, r):
        c.body(r)
        c.answer(103, [("Link", "</a>")], reason="Early Hints")
        c.answer(200)
    monkeypatch.setattr(akk.servers[0], "serve", hint)
    r = akk.get(host="single.test")
    assert [i.status for i in r.interim] == [103] and r.status == 200
    assert cookie_of(r.interim[0]) is None and cookie_of(r)


def test_no_session_with_a_server_that_cannot_be_reached(akk):
    r = akk.get(host="dead.test")
    assert r.status == 502 and r.all("Set-Cookie") == []


def test_over_http2(akk):
    with H2((akk.host, akk.ports["websecure"])) as h:
        first = h.get(host="plain.test")
        pair = first["set-cookie"].split(";")[0]
        again = h.get(host="plain.test", fields=[("cookie", "a=b"), ("cookie", pair)])
        assert (first.status, again.status) == (200, 200)
        assert again["set-cookie"] is None
    assert sorted(hits(akk)) == [0, 2]


def test_in_a_websocket_handshake(akk, monkeypatch):
    monkeypatch.setattr(akk.servers[0], "serve", echo_bytes)
    with akk.client() as c:
        c.send(head("GET", "/", host="single.test", headers=ASK))
        r = c.head()
        assert r.status == 101 and cookie_of(r)
        c.send(b"bytes")
        assert c.exactly(5) == b"bytes"


def test_a_group_has_a_cookie_for_its_services(akk):
    seen = {}
    for _ in range(4):
        got = akk.get(host="group.test").all("Set-Cookie")
        seen[got[0]] = [c.split("=")[0] for c in got]
    first, second = (f"outer={key(n)}; Path=/; HttpOnly" for n in ("first", "second"))
    assert seen == {first: ["outer", "inner"], second: ["outer"]}
    for u in akk.servers:
        u.requests.clear()
    for _ in range(4):
        r = akk.get(host="group.test", headers=[("Cookie", f"outer={key('second')}")])
        assert r.all("Set-Cookie") == []
    assert hits(akk) == [0, 4]
    # The older value, and a service without weight.
    got = akk.get(host="group.test", headers=[("Cookie", "outer=second")])
    assert got.all("Set-Cookie") == [second]
    assert akk.get(host="group.test", headers=[
        ("Cookie", f"outer={key('plain')}")]).all("Set-Cookie")[0] in (first, second)


# -- strategies --------------------------------------------------------------

def test_hrw_keeps_a_client_and_gives_no_cookie(akk):
    for _ in range(5):
        assert akk.get(host="hrw.test").all("Set-Cookie") == []
    assert sorted(hits(akk)) == [0, 5]
    assert "sticky does nothing with the strategy hrw" in akk.log


def test_p2c_takes_the_one_with_less_to_do(akk, monkeypatch):
    gate = threading.Event()

    def wait(c, r):
        c.body(r)
        gate.wait(20)
        c.answer(200)
    for u in akk.servers:
        monkeypatch.setattr(u, "serve", wait)
    clients = [akk.client() for _ in range(6)]
    try:
        for n, c in enumerate(clients):
            c.send(head("GET", "/", host="p2c.test"))
            until(lambda n=n: sum(hits(akk)) == n + 1)
            assert abs(hits(akk)[0] - hits(akk)[1]) <= 1
    finally:
        gate.set()
    for c in clients:
        assert c.response().status == 200
        c.close()
    assert hits(akk) == [3, 3]


def test_leasttime_takes_the_quicker(akk, monkeypatch):
    def slow(c, r):
        c.body(r)
        time.sleep(0.05)
        c.answer(200)
    monkeypatch.setattr(akk.servers[0], "serve", slow)
    for _ in range(10):
        assert akk.get(host="leasttime.test").status == 200
    assert hits(akk)[0] == 1 and hits(akk)[1] == 9


def test_leasttime_minds_the_weight(akk):
    for _ in range(10):
        akk.get(host="leastweight.test")
    assert hits(akk)[0] >= 9


def test_a_server_without_weight_gets_nothing(akk):
    for _ in range(6):
        r = akk.get(host="zero.test", headers=[
            ("Cookie", f"{cookie_name('zero@file')}={key(akk.servers[0].url)}")])
        assert cookie_of(r)["value"] == key(akk.servers[1].url)
    assert hits(akk) == [0, 6]


def cookie_name(service):
    return "_" + hashlib.sha1(f"_TRAEFIK_BACKEND_{service}".encode()).hexdigest()[:5]


# -- reload -------------------------------------------------------------------

def test_sessions_outlive_a_reload(akkod, upstream):
    a, b, c = upstream(), upstream(), upstream()
    urls = [u.url for u in (a, b, c)]
    text = site(routers={"s": {"service": "s"}},
                services={"s": balancer(*urls[:2], sticky={"cookie": {"name": "lb"}})})
    k = akkod(text, values={"upstream": 1})
    pair = k.get(host="s.test").all("Set-Cookie")[0].split(";")[0]
    home = a if pair == f"lb={key(a.url)}" else b
    k.reload(site(routers={"s": {"service": "s"}},
                  services={"s": balancer(*urls, sticky={"cookie": {"name": "lb"}})}))
    for _ in range(5):
        assert k.get(host="s.test", headers=[("Cookie", pair)]).all("Set-Cookie") == []
    assert len(home.requests) == 6
    # Its server is gone: the session goes on elsewhere, with a cookie of its own.
    left = [u.url for u in (a, b, c) if u is not home]
    k.reload(site(routers={"s": {"service": "s"}},
                  services={"s": balancer(*left, sticky={"cookie": {"name": "lb"}})}))
    assert len(k.get(host="s.test", headers=[("Cookie", pair)]).all("Set-Cookie")) == 1
    assert len(home.requests) == 6
