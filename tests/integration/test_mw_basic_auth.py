# SPDX-License-Identifier: BSD-2-Clause
"""basicAuth (proxy.md 4.10); the hashes are of "secret"."""
import base64
import hashlib
import threading
import time
import warnings

import pytest

from harness.site import site

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

BCRYPT = crypt.crypt("secret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
SHA = "{SHA}" + base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
MD5 = "$1$abcdefgh$" + crypt.crypt("secret", "$1$abcdefgh$").split("$")[-1]


def apr1(password, salt):
    """MD5-crypt with Apache's magic, written from its description."""
    magic = b"$apr1$"
    p, s = password.encode(), salt.encode()
    inner = hashlib.md5(p + s + p).digest()
    first = p + magic + s
    for i in range(len(p), 0, -16):
        first += inner[:min(16, i)]
    i = len(p)
    while i:
        first += b"\0" if i & 1 else p[:1]
        i >>= 1
    h = hashlib.md5(first).digest()
    for i in range(1000):
        h = hashlib.md5((p if i & 1 else h) + (s if i % 3 else b"") +
                        (p if i % 7 else b"") + (h if i & 1 else p)).digest()
    letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    out = ""
    for a, b, c in ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)):
        v = h[a] << 16 | h[b] << 8 | h[c]
        for _ in range(4):
            out += letters[v & 63]
            v >>= 6
    return f"$apr1${salt}${out}{letters[h[11] & 63]}{letters[h[11] >> 6]}"


USERS = ["bc:" + BCRYPT, "bx:" + BCRYPT.replace("$2b$", "$2y$"),
         "sha:" + SHA, "apr:" + apr1("secret", "saltsalt"), "md5:" + MD5,
         "clear:secret", "sha512:" + crypt.crypt("secret", "$6$abcdefgh$"),
         "des:" + crypt.crypt("secret", "ab")]
CONFIG = site(
    middlewares={
        "kinds": {"basicAuth": {"users": USERS}},
        "realm": {"basicAuth": {"users": ["u:" + SHA], "realm": "My \"place\"",
                                "headerField": "X-Auth-User",
                                "removeHeader": True}},
        "file": {"basicAuth": {"usersFile": "@dir@/users",
                               "users": ["both:" + SHA]}},
        "badfield": {"basicAuth": {"users": ["u:" + SHA],
                                   "headerField": "X Y"}},
        "badrealm": {"basicAuth": {"users": ["u:" + SHA], "realm": "a\x01b"}},
        "empty": {"basicAuth": {"users": []}},
        "colon": {"basicAuth": {"users": ["a:b:c"]}},
        "nohash": {"basicAuth": {"users": ["a"]}},
        "nofile": {"basicAuth": {"usersFile": "@dir@/nothing"}}},
    routers={x: [x] for x in ("kinds", "realm", "file", "badfield", "badrealm", "empty", "colon",
                              "nohash", "nofile")})
FILE = f"""# comment

  f1:{SHA}
both:{{SHA}}wrong
f2:{BCRYPT}
"""


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream, tmp_path_factory):
    u = module_upstream()
    where = tmp_path_factory.mktemp("users")
    (where / "users").write_text(FILE)
    a = module_akkod(CONFIG.replace("@dir@/users", str(where / "users")),
                     values={"upstream": u.port})
    a.upstream = u
    return a


def basic(user, password="secret", scheme="Basic"):
    code = base64.b64encode(f"{user}:{password}".encode()).decode()
    return ("Authorization", f"{scheme} {code}")


@pytest.mark.parametrize("user,password,status", [
    ("bc", "secret", 200), ("bx", "secret", 200), ("sha", "secret", 200),
    ("apr", "secret", 200), ("md5", "secret", 200),
    ("bc", "wrong", 401), ("bx", "Secret", 401), ("sha", "secre", 401),
    ("apr", "secret ", 401), ("md5", "", 401),
    ("clear", "secret", 401), ("sha512", "secret", 401), ("des", "secret", 401),
    ("nobody", "secret", 401), ("", "", 401), ("BC", "secret", 401),
])
def test_kinds(a, user, password, status):
    n = len(a.upstream.requests)
    r = a.get("/", host="kinds.test", headers=[basic(user, password)])
    assert r.status == status
    assert len(a.upstream.requests) - n == (status == 200)
    if status == 401:
        assert r["WWW-Authenticate"] == 'Basic realm="traefik"'
        assert r["Content-Type"] == "text/plain"
        assert r.text == "401 Unauthorized\n"
    else:
        assert a.upstream.last["Authorization"] == basic(user, password)[1]


@pytest.mark.parametrize("value,status", [
    (None, 401), ("", 401), ("Basic", 401), ("Basic ", 401),
    (basic("sha", scheme="bASIC")[1], 200),
    (basic("sha", scheme="Basic ")[1], 401),
    (basic("sha")[1].rstrip("=") + "=====", 401),
    (basic("sha", scheme="Bearer")[1], 401),
    ("Basic " + base64.b64encode(b"sha").decode(), 401),
    ("Basic !!!!", 401),
])
def test_header_forms(a, value, status):
    fields = [] if value is None else [("Authorization", value)]
    assert a.get("/", host="kinds.test", headers=fields).status == status


def test_two_lines_are_ambiguous(a):
    """This middleware and the application may pick different ones (H1-H17)."""
    both = [basic("sha"), basic("sha", "wrong")]
    assert a.get("/", host="kinds.test", headers=both).status == 400
    assert a.get("/", host="kinds.test", headers=both[::-1]).status == 400


def test_every_method(a):
    for method in ("HEAD", "OPTIONS", "POST", "PROPFIND"):
        with a.client() as c:
            assert c.request(method, "/", host="kinds.test").status == 401


def test_header_field(a):
    r = a.get("/", host="realm.test", headers=[
        basic("u"), ("X-Auth-User", "admin"), ("x-auth-user", "root"),
        ("X_Auth_User", "evil")])
    assert r.status == 200
    last = a.upstream.last
    assert [v for k, v in last.fields
            if k.lower().replace("_", "-") == "x-auth-user"] == ["u"]
    assert last["Authorization"] is None


def test_realm(a):
    r = a.get("/", host="realm.test")
    assert r.status == 401
    assert r["WWW-Authenticate"] in ('Basic realm="My "place""',
                                     r'Basic realm="My \"place\""')


@pytest.mark.parametrize("user,status", [
    ("f1", 200), ("f2", 200), ("both", 200), ("# comment", 401)])
def test_users_file(a, user, status):
    assert a.get("/", host="file.test", headers=[basic(user)]).status == status


def test_user_is_logged_even_on_failure(a):
    a.get("/fail", host="kinds.test", headers=[basic("mallory")])
    line = a.logged(RequestPath="/fail")
    assert line["ClientUsername"] == "mallory"
    assert line["Reason"] == "basic-auth"
    a.get("/good", host="kinds.test", headers=[basic("sha")])
    assert a.logged(RequestPath="/good")["ClientUsername"] == "sha"


@pytest.mark.parametrize("host", ["empty", "colon", "nohash", "nofile",
                                  "badfield", "badrealm"])
def test_broken(a, host):
    n = len(a.upstream.requests)
    r = a.get("/", host=f"{host}.test", headers=[basic("a", "b")])
    assert r.status == 503
    assert len(a.upstream.requests) == n


def test_hashes_are_not_in_the_log(a):
    assert SHA not in a.log and BCRYPT not in a.log


SLOW = crypt.crypt("secret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 10))


def test_a_wrong_password_delays_nobody_else(akkod, upstream):
    """Six guesses of some 80 ms each; other requests go on meanwhile."""
    u = upstream()
    a = akkod("akkod: {workers: 1}\n" + site(
        middlewares={"in": {"basicAuth": {"users": ["sue:" + SLOW]}}},
        routers={"in": ["in"], "open": []}), values={"upstream": u.port})
    status = []

    def guess(n):
        r = a.get("/", host="in.test", headers=[basic("sue", f"wrong{n}")])
        status.append(r.status)
    start = time.monotonic()
    guesses = [threading.Thread(target=guess, args=(n,)) for n in range(6)]
    for t in guesses:
        t.start()
    took = []
    with a.client() as c:
        while any(t.is_alive() for t in guesses):
            before = time.monotonic()
            assert c.request("GET", "/", host="open.test").status == 200
            took.append(time.monotonic() - before)
            time.sleep(0.01)
    assert status == [401] * 6
    assert time.monotonic() - start > 0.2, "too fast to tell"
    assert sorted(took)[len(took) * 9 // 10] < 0.1, sorted(took)[-5:]
    assert a.get("/", host="in.test", headers=[basic("sue")]).status == 200
    # One who is right, and remembered, waits for no guess.
    guesses = [threading.Thread(target=guess, args=(n,)) for n in range(6)]
    for t in guesses:
        t.start()
    before = time.monotonic()
    assert a.get("/", host="in.test", headers=[basic("sue")]).status == 200
    assert time.monotonic() - before < 0.3
    for t in guesses:
        t.join()


def test_too_many_guesses(akkod, upstream):
    """Of one address no more than a few wait; those who leave make room."""
    u = upstream()
    a = akkod("akkod: {workers: 1}\n" + site(
        middlewares={"in": {"basicAuth": {"users": ["sue:" + SLOW]}}},
        routers={"in": ["in"]}), values={"upstream": u.port})
    status = []

    def guess(n):
        r = a.get("/", host="in.test", headers=[basic("sue", f"wrong{n}")])
        status.append((r.status, r["Retry-After"]))
    guesses = [threading.Thread(target=guess, args=(n,)) for n in range(14)]
    for t in guesses:
        t.start()
    for t in guesses:
        t.join()
    assert {s for s, _ in status} == {401, 503}
    assert all(after == "1" for s, after in status if s == 503)
    assert sum(s == 401 for s, _ in status) >= 8
    a.logged(DownstreamStatus=503, Reason="overload")
