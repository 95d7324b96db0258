# SPDX-License-Identifier: BSD-2-Clause
"""TLS towards clients (proxy.md 2.5, 5.1-5.4; security.md S-401 to S-409)."""
import os
import signal
import socket
import ssl
import subprocess
import time

import pytest

from harness.akkod import Akkod
from harness.client import Client, head
from harness.site import site


def config(files, **http):
    """Hosts with options of their own; `files` maps words to certificates."""
    options = {
        "old": {"maxVersion": "VersionTLS12"},
        "new": {"minVersion": "VersionTLS13"},
        "suite": {"maxVersion": "VersionTLS12", "cipherSuites": [
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]},
        "curve": {"curvePreferences": ["CurveP384"]},
        "h1only": {"alpnProtocols": ["http/1.1"]},
        "h2only": {"alpnProtocols": ["h2"]},
        "noticket": {"disableSessionTickets": True},
        "strict": {"sniStrict": True},
        "broken": {"minVersion": "VersionTLS99"},
        "badca": {"clientAuth": {"caFiles": ["/nonexistent.pem"],
                                 "clientAuthType": "RequireAndVerifyClientCert"}},
        "noca": {"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}},
    }
    for kind in ("RequestClientCert", "RequireAnyClientCert",
                 "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"):
        options[kind.lower()] = {"clientAuth": {
            "clientAuthType": kind, "caFiles": [str(files["client_ca"])]}}
    options["defaultauth"] = {"clientAuth": {
        "caFiles": [str(files["client_ca"])]}}
    routers = {name: {"tls": {"options": name}} for name in options}
    routers |= {
        "a": {"tls": {}}, "b": {"tls": {}}, "rsa": {"tls": {}},
        "two": {"tls": {}}, "expired": {"tls": {}}, "noname": {"tls": {}},
        "wild": {"rule": "Host(`x.wild.test`)", "tls": {}},
        "wildany": {"rule": "Host(`*.other.test`)", "tls": {"options": "old"}},
        "confa": {"rule": "Host(`conf.test`) && PathPrefix(`/a`)",
                  "tls": {"options": "requireandverifyclientcert"}},
        "confb": {"rule": "Host(`conf.test`)", "tls": {}},
        "missing": {"tls": {"options": "nosuch"}},
    }
    for r in routers.values():
        r["entryPoints"] = ["websecure"]
    routers["plain"] = {"entryPoints": ["web", "websecure"]}
    certificates = [{"certFile": str(c), "keyFile": str(k)}
                    for c, k in files["certificates"]]
    return """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure: {address: "127.0.0.1:@websecure@"}
akkod: {workers: 2}
log: {level: DEBUG}
accessLog: {filePath: @dir@/access.log, format: json}
""" + site(routers=routers, tls={"options": options,
                                 "certificates": certificates}, **http)


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    from harness.pki import Authority
    clients = Authority(tmp_path_factory.mktemp("clients"), "client root")
    others = Authority(tmp_path_factory.mktemp("others"), "other root")
    names = ["a.test", "h1only.test", "h2only.test", "old.test", "new.test",
             "suite.test", "curve.test", "noticket.test", "strict.test",
             "conf.test", "plain.test", "127.0.0.1"]
    return {
        "root": authority, "client_ca": clients.file,
        "client": clients.leaf("client.test", client=True),
        "stranger": others.leaf("stranger.test", client=True),
        "certificates": [
            authority.leaf(*names), authority.leaf("b.test"),
            authority.leaf("rsa.test", kind="rsa"),
            authority.leaf("two.test", file="two-ec"),
            authority.leaf("two.test", "also.test", kind="rsa", file="two-rsa"),
            authority.leaf("*.wild.test"),
            authority.leaf("*.other.test"),
            authority.leaf("expired.test", days=-1, start=-10),
        ]}


@pytest.fixture(scope="module")
def a(module_akkod, module_upstream, files):
    u = module_upstream()
    a = module_akkod(config(files), values={"upstream": u.port})
    a.upstream, a.files = u, files
    return a


def context(a=None, verify=True, lowest=None, highest=None, ciphers=None,
            alpn=(), cert=None, curve=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if a is not None and verify:
        c.load_verify_locations(a.files["root"].file)
    else:
        c.check_hostname = False
        c.verify_mode = ssl.CERT_NONE
    if lowest:
        c.minimum_version = lowest
    if highest:
        c.maximum_version = highest
    if ciphers:
        c.set_ciphers(ciphers)
    if alpn:
        c.set_alpn_protocols(alpn)
    if cert:
        c.load_cert_chain(*cert)
    if curve:
        c.set_ecdh_curve(curve)
    return c


V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def connect(a, sni="a.test", ctx=None, **kw):
    return Client(("127.0.0.1", a.ports["websecure"]), tls=True, sni=sni,
                  context=ctx or context(a, **kw))


def get(a, host, sni=None, ctx=None, path="/", **kw):
    with connect(a, sni or host, ctx, **kw) as c:
        return c.request("GET", path, host=host)


def names(c):
    """The DNS names of the certificate that a connection got, verified or not."""
    from cryptography import x509
    cert = x509.load_der_x509_certificate(c.sock.getpeercert(True))
    san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return san.value.get_values_for_type(x509.DNSName)


def alert(fn):
    """The reason of the handshake failure that fn() ends in."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as e:
        fn()
    return getattr(e.value, "reason", None) or "closed"


# -- certificates ------------------------------------------------------------------

@pytest.mark.parametrize("sni,first", [
    ("a.test", "a.test"), ("b.test", "b.test"), ("rsa.test", "rsa.test"),
    ("B.TEST", "b.test"), ("x.wild.test", "*.wild.test"),
    ("y.wild.test", "*.wild.test")])
def test_choice_by_name(a, sni, first):
    with connect(a, sni) as c:		# verified against name and root
        assert names(c)[0] == first


@pytest.mark.parametrize("sni", ["unknown.test", "wild.test", "x.y.wild.test",
                                 "notwild.test"])
def test_default_certificate(a, sni):
    with connect(a, sni, verify=False) as c:
        assert "localhost" in names(c)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(a, sni)


def test_without_name(a):
    """The certificate that has the address, as no name is given."""
    ctx = context(a)
    ctx.check_hostname = False
    with connect(a, sni=None, ctx=ctx) as c:
        assert names(c)[0] == "a.test"
        assert c.request("GET", "/", host="a.test").status == 200


def test_ecdsa_before_rsa(a):
    def kind(**kw):
        with connect(a, "two.test", highest=V12, **kw) as c:
            return c.sock.cipher()[0].split("-")[1]
    assert kind() == "ECDSA"
    assert kind(ciphers="ECDHE-RSA-AES128-GCM-SHA256") == "RSA"
    assert kind(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256") == "ECDSA"


def test_expired_is_served_and_told(a):
    with connect(a, "expired.test", verify=False) as c:
        assert names(c) == ["expired.test"]
    assert "has expired" in a.log


# -- the local CA ----------------------------------------------------------------------

def local_context(a):
    pem = a.command("ca", "--pem").stdout
    assert pem.startswith("-----BEGIN CERTIFICATE-----")
    c = ssl.create_default_context(cadata=pem)
    return c


@pytest.mark.parametrize("sni", [
    "localhost", "akko.local", "bi.akko.local", "noname.test"])
def test_local_ca(a, sni):
    with connect(a, sni, local_context(a)) as c:
        cert = c.sock.getpeercert()
    start, end = (ssl.cert_time_to_seconds(cert[k])
                  for k in ("notBefore", "notAfter"))
    assert end - start <= 397 * 86400
    assert start < time.time() < end


@pytest.mark.parametrize("args", [
    ["-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-tls1_2"],
    ["-sigalgs", "rsa_pss_rsae_sha256:RSA+SHA256", "-tls1_3"],
    ["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-tls1_2"],
    ["-sigalgs", "ECDSA+SHA256", "-tls1_3"]])
def test_local_ca_for_every_client(a, args, tmp_path):
    """Clients that know only one of RSA and ECDSA find a certificate."""
    root = tmp_path / "root.pem"
    root.write_text(a.command("ca", "--pem").stdout)
    end = time.monotonic() + 10
    while True:
        done = openssl(a, "noname.test", "-CAfile", str(root), *args)
        if "Peer signature type" in done:
            break
        # The RSA one is made when the first client wants it.
        assert time.monotonic() < end, done
        time.sleep(0.2)
    assert "Verification: OK" in done
    rsa = "Peer signature type: RSA" in done
    assert rsa != any("ECDSA" in x for x in args)


def test_local_ca_keeps_its_rsa_key(akkod, upstream):
    """Made once: after a restart the first client finds a certificate."""
    text = site(routers={"a": {"tls": {}, "entryPoints": ["websecure"]}})
    a = akkod(text, values={"upstream": upstream().port})
    rsa = ["-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-tls1_2"]
    end = time.monotonic() + 10
    while "Peer signature type: RSA" not in openssl(a, "a.test", *rsa):
        assert time.monotonic() < end
        time.sleep(0.1)
    pem = a.command("ca", "--pem").stdout
    key = a.state_dir / "local-rsa.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    assert a.stop() == 0
    b = Akkod(a.dir, a.io, text, values=a.values)
    assert "Peer signature type: RSA" in openssl(b, "a.test", *rsa)
    assert b.command("ca", "--pem").stdout == pem
    b.close()


def openssl(a, name, *args, port=None):
    done = subprocess.run(
        ["openssl", "s_client", "-connect",
         f"127.0.0.1:{port or a.ports['websecure']}", "-servername", name, *args],
        input=b"", capture_output=True, timeout=20)
    return (done.stdout + done.stderr).decode("latin-1")


# -- versions, suites, curves ----------------------------------------------------------

@pytest.mark.parametrize("host", ["a.test", "rsa.test"])
@pytest.mark.parametrize("version", [V12, V13])
def test_versions(a, host, version):
    with connect(a, host, lowest=version, highest=version) as c:
        assert c.sock.version() == {V12: "TLSv1.2", V13: "TLSv1.3"}[version]
        assert c.request("GET", "/", host=host).status == 200
    line = a.logged(RequestAddr=host, TLSVersion={V12: "1.2", V13: "1.3"}[version])
    assert line["TLSCipher"].startswith("TLS_")


def test_below_1_2_is_off(a):
    done = openssl(a, "a.test", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in done or "unsupported protocol" in done


def test_maximum_and_minimum(a):
    with connect(a, "old.test") as c:
        assert c.sock.version() == "TLSv1.2"
    assert "VERSION" in alert(lambda: connect(a, "old.test", lowest=V13))
    with connect(a, "new.test") as c:
        assert c.sock.version() == "TLSv1.3"
    assert "VERSION" in alert(lambda: connect(a, "new.test", highest=V12))


def test_cipher_suites(a):
    with connect(a, "suite.test") as c:
        assert c.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert "HANDSHAKE_FAILURE" in alert(lambda: connect(
        a, "suite.test", highest=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "AES128-SHA",
                                     "ECDHE-RSA-AES128-SHA",
                                     "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_suites_are_off(a, ciphers):
    """No static RSA, CBC-SHA1 or finite fields (S-409)."""
    assert "HANDSHAKE_FAILURE" in alert(lambda: connect(
        a, "rsa.test", highest=V12, ciphers=ciphers + ":@SECLEVEL=0"))


def test_curves(a):
    assert get(a, "curve.test", curve="secp384r1").status == 200
    assert "HANDSHAKE_FAILURE" in alert(
        lambda: connect(a, "curve.test", curve="prime256v1"))
    with connect(a, "a.test", curve="prime256v1"):
        pass
    done = openssl(a, "curve.test", "-curves", "X25519:P-384")	# a retry request
    assert "P-384" in done or "secp384r1" in done


# -- ALPN ------------------------------------------------------------------------------

@pytest.mark.parametrize("sni,alpn,want", [
    ("a.test", ["http/1.1"], "http/1.1"), ("a.test", [], None),
    ("h1only.test", ["h2", "http/1.1"], "http/1.1"),
    ("h2only.test", ["http/1.1"], None)])
def test_alpn(a, sni, alpn, want):
    with connect(a, sni, alpn=alpn) as c:
        assert c.sock.selected_alpn_protocol() == want
        assert c.request("GET", "/", host=sni).status == 200


@pytest.mark.parametrize("sni,alpn", [
    ("a.test", ["http/1.0"]), ("a.test", ["spdy/3"]), ("h1only.test", ["h2"])])
def test_no_common_protocol(a, sni, alpn):
    assert "SSL alert number 120" in openssl(a, sni, "-alpn", ",".join(alpn))


# -- names that are refused --------------------------------------------------------------

def test_sni_strict(a):
    """Strict options need a certificate of that name; it has one."""
    assert get(a, "strict.test").status == 200


STRICT = """
tls:
  options: {default: {sniStrict: true}}
  certificates: [{certFile: @crt@, keyFile: @key@}]
"""


def test_sni_strict_everywhere(akkod, upstream, files):
    crt, key = files["certificates"][1]
    a = akkod(site(routers={"b": {"tls": {}, "entryPoints": ["websecure"]}}) +
              STRICT, values={"upstream": upstream().port, "crt": crt, "key": key})
    a.files = files
    assert get(a, "b.test").status == 200
    for sni in ("c.test", "localhost", None):
        assert alert(lambda: connect(a, sni, ctx=context())) == \
            "TLSV1_UNRECOGNIZED_NAME"


@pytest.mark.parametrize("sni", ["broken.test", "badca.test", "noca.test",
                                 "missing.test", "a.test.", "ä.test"])
def test_closed_at_once(a, sni):
    """Broken options and illegal names: no alert, no waiting, no answer."""
    if sni in ("a.test.", "ä.test"):
        hello = client_hello(sni.encode("latin-1"))
    else:
        hello = client_hello(sni.encode())
    with socket.create_connection(("127.0.0.1", a.ports["websecure"])) as s:
        s.settimeout(5)
        start = time.monotonic()
        s.sendall(hello)
        assert s.recv(100) == b""
        assert time.monotonic() - start < 1


def client_hello(name):
    """A ClientHello for a name that a library would not send."""
    placeholder = b"x" * len(name)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = context().wrap_bio(incoming, outgoing, server_hostname=placeholder.decode())
    with pytest.raises(ssl.SSLWantReadError):
        o.do_handshake()
    hello = outgoing.read()
    assert hello.count(placeholder) == 1
    return hello.replace(placeholder, name)


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_hello_in_pieces(a, piece):
    """Split over segments it is understood all the same (S-404)."""
    with socket.create_connection(("127.0.0.1", a.ports["websecure"])) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.settimeout(5)
        hello = client_hello(b"a.test")
        for i in range(0, len(hello), piece):
            s.sendall(hello[i:i + piece])
            if piece > 1 or i % 50 == 0:
                time.sleep(0.001)
        assert s.recv(3)[:2] == b"\x16\x03"


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 2000,
    b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", b"\x16" * 100,
    b"\x80\x2e\x01\x03\x01", b"\x16\x03\x01\x00\x00"])
def test_garbage_for_a_hello(a, data):
    """Closed or answered with an alert, never with HTTP or other options."""
    with socket.create_connection(("127.0.0.1", a.ports["websecure"])) as s:
        s.settimeout(15)
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while (more := s.recv(1000)):
                got += more
        except ConnectionResetError:
            pass
        assert got == b"" or got[0] == 0x15 or \
            (data[0] == 0x80 and got.startswith(b"HTTP/1.1 400")), got
    assert get(a, "a.test").status == 200


# -- client certificates --------------------------------------------------------------------

NONE, OURS, FOREIGN = None, "client", "stranger"


@pytest.mark.parametrize("kind,cert,ok", [
    ("requestclientcert", NONE, True), ("requestclientcert", OURS, True),
    ("requestclientcert", FOREIGN, True),
    ("requireanyclientcert", NONE, False), ("requireanyclientcert", OURS, True),
    ("requireanyclientcert", FOREIGN, True),
    ("verifyclientcertifgiven", NONE, True),
    ("verifyclientcertifgiven", OURS, True),
    ("verifyclientcertifgiven", FOREIGN, False),
    ("requireandverifyclientcert", NONE, False),
    ("requireandverifyclientcert", OURS, True),
    ("requireandverifyclientcert", FOREIGN, False),
    ("defaultauth", NONE, False), ("defaultauth", OURS, True),
    ("defaultauth", FOREIGN, False)])
@pytest.mark.parametrize("version", [V12, V13])
def test_client_certificates(a, kind, cert, ok, version):
    n = len(a.upstream.requests)
    host = f"{kind}.test"

    def run():
        with connect(a, host, verify=False, lowest=version, highest=version,
                     cert=cert and a.files[cert]) as c:
            return c.request("GET", "/", host=host)
    if ok:
        assert run().status == 200
    else:
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            run()
        assert len(a.upstream.requests) == n


def test_subject_in_the_log(a):
    host = "requireandverifyclientcert.test"
    with connect(a, host, verify=False, cert=a.files["client"]) as c:
        assert c.request("GET", "/subject", host=host).status == 200
    assert a.logged(RequestPath="/subject")["TLSClientSubject"] == \
        "CN=client.test"


def test_no_resumption_past_a_client_certificate(a):
    """A session of another name never stands in for a certificate (S-407)."""
    for version in (V12, V13):
        ctx = context(lowest=version, highest=version)
        with connect(a, "b.test", ctx) as c:
            assert c.request("GET", "/", host="b.test").status == 200
            session = c.sock.session
        raw = socket.create_connection(("127.0.0.1", a.ports["websecure"]), 10)
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            s = ctx.wrap_socket(raw, session=session,
                                server_hostname="requireandverifyclientcert.test")
            s.sendall(head("GET", "/", "requireandverifyclientcert.test"))
            if not s.recv(100):
                raise EOFError
        raw.close()


# -- server name and Host ----------------------------------------------------------------------

@pytest.mark.parametrize("sni,host,status", [
    ("a.test", "a.test", 200), ("a.test", "b.test", 200),
    ("unknown.test", "a.test", 200),
    ("a.test", "old.test", 421), ("old.test", "a.test", 421),
    ("old.test", "old.test", 200), ("old.test", "OLD.test:443", 200),
    ("OLD.TEST", "old.test", 200), ("unknown.test", "old.test", 421),
    ("old.test", "new.test", 421),
    ("p.other.test", "q.other.test", 200), ("p.other.test", "p.other.test", 200),
    ("p.other.test", "old.test", 200),		# the same options
    ("a.test", "requireandverifyclientcert.test", 421),
    ("a.test", "unknown.test", 404), ("a.test", "plain.test", 404),
    # A broken router keeps its match, whatever the name of the connection.
    ("a.test", "broken.test", 503), ("a.test", "missing.test", 503)])
def test_host_of_another_name(a, sni, host, status):
    n = len(a.upstream.requests)
    ctx = context()
    r = get(a, host, sni, ctx)
    assert r.status == status
    assert len(a.upstream.requests) - n == (status == 200)
    if status == 421:
        assert r.text == "Misdirected Request\n"
        assert a.logged(DownstreamStatus=421)["Reason"] == "misdirected"


def test_no_name_and_host(a):
    assert get(a, "old.test", None, context()).status in (200, 421)
    with connect(a, None, context()) as c:
        assert c.request("GET", "/", host="old.test").status == 421
        assert c.request("GET", "/", host="a.test").status == 200


def test_conflict_takes_the_strictest(a):
    """Routers of one host that disagree: the certificate is asked (S-407)."""
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        get(a, "conf.test", ctx=context())
    for path in ("/a", "/b"):
        assert get(a, "conf.test", path=path,
                   ctx=context(cert=a.files["client"])).status == 200


DEFAULT = """
entryPoints:
  web: {address: "127.0.0.1:@web@"}
  websecure: {address: "127.0.0.1:@websecure@", http: {tls: {options: ep}}}
"""


def test_default_and_entry_point_options(akkod, upstream, files):
    """`default` holds for names nobody claims; the entry point's for its routers."""
    u = upstream()
    tls = {"options": {"default": {"minVersion": "VersionTLS13"},
                       "ep": {"maxVersion": "VersionTLS12"},
                       "own": {"minVersion": "VersionTLS12"}}}
    a = akkod(DEFAULT + site(tls=tls, routers={
        "a": {"entryPoints": ["websecure"]},
        "own": {"entryPoints": ["websecure"], "tls": {"options": "own"}},
        "dflt": {"entryPoints": ["websecure"], "tls": {}}}),
        values={"upstream": u.port})
    a.files = files

    def version(sni):
        with connect(a, sni, context()) as c:
            assert c.request("GET", "/", host=sni).status == 200
            return c.sock.version()
    assert version("a.test") == "TLSv1.2"
    assert version("own.test") == "TLSv1.3"
    assert version("dflt.test") == "TLSv1.3"
    assert "VERSION" in alert(lambda: connect(a, "dflt.test",
                                              context(highest=V12)))


# -- resumption -----------------------------------------------------------------------------------

def served(a):
    return [w["accepted"] for w in a.status()["workers"]]


def resumed(a, ctx, session, n=20, sni="a.test"):
    """How many of n new connections resume; each makes a request."""
    count = 0
    for _ in range(n):
        raw = socket.create_connection(("127.0.0.1", a.ports["websecure"]), 10)
        s = ctx.wrap_socket(raw, server_hostname=sni, session=session)
        s.sendall(head("GET", "/", sni))
        assert s.recv(15) == b"HTTP/1.1 200 OK"
        count += s.session_reused
        s.close()
    return count


@pytest.mark.parametrize("version", [V12, V13])
def test_resumed_by_every_worker(akkod, upstream, files, version):
    a = akkod(config(files), values={"upstream": upstream().port})
    a.files, a.checked = files, False
    ctx = context(a, lowest=version, highest=version)
    with connect(a, "a.test", ctx) as c:
        assert c.request("GET", "/", host="a.test").status == 200
        session = c.sock.session
    before = served(a)
    assert resumed(a, ctx, session) == 20
    assert all(x > y for x, y in zip(served(a), before)), "both workers"
    # Another worker after a crash, and a new generation, know the keys.
    old = a.worker_pids()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while set(a.worker_pids()) & set(old) or not a.answers():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert resumed(a, ctx, session) == 20
    a.reload(config(files).replace("log:", "x-note: 1\nlog:", 1))
    assert resumed(a, ctx, session) == 20


def test_tickets_can_be_off(a):
    for version in (V12, V13):
        ctx = context(a, lowest=version, highest=version)
        with connect(a, "noticket.test", ctx) as c:
            assert c.request("GET", "/", host="noticket.test").status == 200
            session = c.sock.session
        if session is not None:
            assert resumed(a, ctx, session, 3, "noticket.test") == 0


# -- both kinds on one port --------------------------------------------------------------------

def test_plain_http_on_the_tls_port(a):
    """Routers without tls serve it; those with tls are not there."""
    r = a.get("/", host="plain.test", entry_point="websecure")
    assert r.status == 200
    r = a.get("/", host="a.test", entry_point="websecure")
    assert r.status in (400, 404)


def test_tls_on_the_plain_port(a):
    """Default options; no router for TLS is there."""
    with Client(("127.0.0.1", a.ports["web"]), tls=True, context=context()) as c:
        assert c.request("GET", "/", host="plain.test").status == 404


# -- live changes ------------------------------------------------------------------------------------

def test_certificate_reload(akkod, upstream, authority, files, tmp_path):
    crt, key = authority.leaf("live.test", file="live-1")
    here = tmp_path / "live.crt", tmp_path / "live.key"
    for src, dst in zip((crt, key), here):
        dst.write_bytes(src.read_bytes())
    text = site(routers={"live": {"tls": {}, "entryPoints": ["websecure"]}},
                tls={"certificates": [{"certFile": str(here[0]),
                                       "keyFile": str(here[1])}]})
    a = akkod(text, values={"upstream": upstream().port})
    a.files = files

    def serial():
        with connect(a, "live.test") as c:
            return c.sock.getpeercert()["serialNumber"]

    first = serial()
    with connect(a, "live.test") as kept:
        assert kept.request("GET", "/", host="live.test").status == 200
        crt, key = authority.leaf("live.test", file="live-2")
        for src, dst in zip((crt, key), here):
            dst.write_bytes(src.read_bytes())
        a.reload()
        second = serial()
        assert second != first
        assert kept.request("GET", "/", host="live.test").status == 200
    # A key that does not fit: said with its place, the old one goes on.
    here[1].write_bytes(files["certificates"][0][1].read_bytes())
    a.command("reload")
    with connect(a, "live.test", context()) as c:
        assert c.request("GET", "/", host="live.test").status == 200
    done = a.command("check", "-c", str(a.config))
    assert done.returncode == 1 and "live" in done.stdout + done.stderr


def test_default_certificate_configured(akkod, upstream, authority, files):
    crt, key = authority.leaf("fallback.test", kind="rsa")
    a = akkod(site(routers={"any": {"rule": "PathPrefix(`/`)", "tls": {},
                                    "entryPoints": ["websecure"]}}) +
              "tls: {stores: {default: {defaultCertificate: "
              "{certFile: @crt@, keyFile: @key@}}}}\n",
              values={"upstream": upstream().port, "crt": crt, "key": key})
    a.files = files
    for sni in ("whatever.test", None):
        with connect(a, sni, context()) as c:
            assert names(c) == ["fallback.test"]
            assert c.request("GET", "/", host="x.test").status == 200
