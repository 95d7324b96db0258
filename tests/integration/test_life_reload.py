# SPDX-License-Identifier: BSD-2-Clause
"""Changes of configuration while requests run: nothing is lost (L-01, L-02)."""
import signal
import threading

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import accepts
from harness.load import Load

TWO_PORTS = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  %s: {address: "127.0.0.1:@%s@"}
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""


def with_router(n):
    return ONE_SERVICE.replace("  services:", f"""\
    extra{n}: {{rule: "Host(`h{n}.test`)", service: app}}
  services:""")


def test_twenty_reloads_under_load(proxy):
    """T-01: keep-alive and new connections over 20 generations."""
    with Load(("127.0.0.1", proxy.ports["web"]), keep_alive=8, fresh=4) as load:
        first = load.reconnects
        fresh = load.done
        for n in range(20):
            proxy.reload(with_router(n))
            load.wait(10)
    load.check(proxy.upstream)
    # No keep-alive connection was ended: each fresh request made one, and
    # they are a third of all.
    assert load.reconnects - first <= (load.done - fresh) * 0.8
    assert [w["generation"] for w in proxy.status()["workers"]] == \
        [21] * len(proxy.worker_pids())
    assert proxy.get(host="h19.test").status == 200


def test_a_connection_lives_over_reloads(proxy):
    with proxy.client() as c:
        for n in range(5):
            assert c.request("GET", f"/{n}").status == 200
            proxy.reload(with_router(n))
    assert len(proxy.upstream.connections) == 1


def test_bad_reloads_between_good_ones(proxy):
    """T-02: what is refused changes nothing and says where and why."""
    bad = [
        "http: [",
        "http: {routers: {a: {rule: 7, servcie: x}}}\n",
        "entryPoints: {web: {address: nonsense}}\n",
        "log: {level: {}}\nentryPoints: {}\n",
        "\tx: y\n",
        "http: {routers: &a {b: *c}}\n",
    ]
    with Load(("127.0.0.1", proxy.ports["web"]), keep_alive=3, fresh=2) as load:
        for n, text in enumerate(bad):
            proxy.config.write_text(text)
            done = proxy.command("reload")
            assert done.returncode == 1, text
            assert "akkod.yaml:" in done.stderr or "entry point" in \
                done.stderr, done.stderr
            assert proxy.status()["generation"] == n + 1
            proxy.reload(with_router(n))
    load.check(proxy.upstream)


def test_sighup_reloads(proxy):
    proxy.write(with_router(1))
    proxy.process.send_signal(signal.SIGHUP)
    proxy.wait_log(r"generation 2: ")
    proxy.write("http: [")
    proxy.process.send_signal(signal.SIGHUP)
    proxy.wait_log(r"generation 2 stays")
    assert proxy.get(host="h1.test").status == 200


def test_entry_points_come_go_and_move(proxy):
    with Load(("127.0.0.1", proxy.ports["web"])) as load:
        proxy.reload(TWO_PORTS % ("more", "more"))
        assert proxy.get(entry_point="more").status == 200
        # Changed: the same name on another port.
        old = proxy.ports["more"]
        proxy.reload(TWO_PORTS % ("more", "other"))
        assert proxy.get(entry_point="other").status == 200
        proc.until(lambda: not accepts(old), what="the old port closes")
        # Renamed: the same port under another name.
        proxy.reload(TWO_PORTS % ("renamed", "other"))
        assert proxy.get(entry_point="other").status == 200
        # Removed.
        proxy.reload(ONE_SERVICE.replace("http:", """
entryPoints: {web: {address: "127.0.0.1:@web@"}}
http:""", 1))
        proc.until(lambda: not accepts(proxy.ports["other"]),
                   what="the removed port closes")
    load.check(proxy.upstream)
    assert [x["entry_point"] for x in proxy.status()["listeners"]] == ["web"]


def test_connections_of_a_removed_entry_point_end_in_order(proxy):
    proxy.reload(TWO_PORTS % ("more", "more"))
    with proxy.client("more") as c:
        assert c.request("GET", "/1").status == 200
        proxy.reload(TWO_PORTS % ("third", "third"))
        # Its requests have no entry point any more: answered and closed, or
        # closed without an answer; never a reset.
        c.send(b"GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n")
        rest = c.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 ")


def test_a_port_that_is_taken_refuses_the_reload(proxy):
    taken = proxy.upstream.port
    text = (TWO_PORTS % ("more", "more")).replace("@more@", str(taken))
    proxy.write(text)
    done = proxy.command("reload")
    assert done.returncode == 1
    assert f"127.0.0.1:{taken}" in done.stderr and "in use" in done.stderr
    assert proxy.get().status == 200
    assert {x["entry_point"] for x in proxy.status()["listeners"]} == \
        {"web", "websecure"}


def test_a_request_ends_with_its_own_generation(akkod, upstream):
    """The table in use when a request begins is the one it ends with."""
    go = threading.Event()

    def slow(c, r):
        c.body(r)
        go.wait(10)
        c.answer(200, body="slow")

    u = upstream(slow)
    a = akkod(ONE_SERVICE, values={"upstream": u.port})
    c = a.client()
    c.send(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
    u.wait(1)
    for n in range(3):
        a.reload("http: {routers: {}}\n" if n % 2 == 0 else with_router(n))
    assert a.get().status == 404
    go.set()
    assert c.response().body == b"slow"
    assert c.request("GET", "/y").status == 404
    c.close()


def test_reloads_leave_nothing_behind(proxy):
    """Descriptors and mappings are where they were after 50 reloads."""
    def settled():
        return {pid: (sorted(proc.fds(pid).values()), proc.maps(pid))
                for pid in (proxy.process.pid, *proxy.worker_pids())}

    def kinds(links):
        return sorted(x.split(":")[0] for x in links)

    for n in range(4):			# warm
        proxy.reload(with_router(n))
        proxy.get()
    before = settled()
    for n in range(50):
        proxy.reload(with_router(n))
    after = settled()
    assert before.keys() == after.keys()
    for pid, (links, maps) in before.items():
        assert kinds(after[pid][0]) == kinds(links), pid
        assert after[pid][1] <= maps + 3, pid
    assert all(w["old_generations"] == 0 for w in proxy.status()["workers"])


@pytest.mark.parametrize("n", [10])
def test_reloads_at_once_all_return(proxy, n):
    """Several who ask at the same time are all answered."""
    done = []
    threads = [threading.Thread(
        target=lambda: done.append(proxy.command("reload").returncode))
        for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert done == [0] * n


def test_names_are_swapped_under_load(akkod, upstream):
    """Entry points exchange their names: sockets and connections stay."""
    u = upstream()
    text = """
entryPoints: {%s: {address: "127.0.0.1:@one@"}, %s: {address: "127.0.0.1:@two@"}}
http:
  routers:
    a: {rule: "PathPrefix(`/`)", service: app, entryPoints: [a]}
    b: {rule: "PathPrefix(`/`)", service: app, entryPoints: [b],
        middlewares: [b]}
  middlewares: {b: {headers: {customResponseHeaders: {X-B: "1"}}}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""
    a = akkod(text % ("a", "b"), values={"upstream": u.port})
    with Load(("127.0.0.1", a.ports["one"])) as load:
        with a.client("two") as c:
            assert c.request("GET", "/x")["X-B"] == "1"
            for n in range(6):
                a.reload(text % ("b", "a") if n % 2 == 0 else
                         text % ("a", "b"))
                load.wait(5)
                assert (c.request("GET", "/x")["X-B"] == "1") == (n % 2 == 1)
    load.check()


def test_an_address_widens_under_load(akkod, upstream):
    """From one address to all of them on the same port and back."""
    u = upstream()
    text = """
entryPoints: {web: {address: "%s:@web@"}}
http:
  routers:
    all: {rule: "PathPrefix(`/`)", service: app}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:@upstream@"}]}}
"""
    a = akkod(text % "127.0.0.1", values={"upstream": u.port})
    with Load(("127.0.0.1", a.ports["web"]), keep_alive=2, fresh=4) as load:
        for n in range(6):
            a.reload(text % ("" if n % 2 == 0 else "127.0.0.1"))
            load.wait(20)
    load.check(u)
