# SPDX-License-Identifier: BSD-2-Clause
"""Bad configuration: what `akkod check` and a start say, word by word.

Every table row is a configuration and the complete list of what must be said
about it: "line:column: class: text", in the order of the places.
"""
import os
import re
import subprocess

import pytest

from harness.akkod import PROGRAM


def run(*args, **kw):
    return subprocess.run([PROGRAM, *map(str, args)], capture_output=True,
                          text=True, timeout=60, **kw)


def check(path):
    """`akkod check`: exit status and its lines without the file's name."""
    done = run("check", "-c", path)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    return done.returncode, [x.removeprefix(f"{path}:") for x in lines[:-1]], lines[-1]


@pytest.fixture
def config(tmp_path):
    """config(text): the path of a file with it."""
    def write(text):
        path = tmp_path / "akkod.yaml"
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text)
        return path
    return write


def start_fails(path, tmp_path):
    """Starting with this file: what it says; nothing may be left of it."""
    done = run("start", "-c", path, "--runtime-dir", tmp_path / "run",
               "--state-dir", tmp_path / "state")
    assert done.returncode == 1 and done.stdout == ""
    assert not (tmp_path / "run/akkod.pid").exists()
    assert not (tmp_path / "run/akkod.sock").exists()
    assert done.stderr.endswith("akkod: it was not started\n")
    return done.stderr


# ---- All of them in one run ---------------------------------------------------

def test_both_classes_at_once(config):
    """A file error hides no reference, URL or certificate that is wrong, too."""
    code, got, last = check(config("""\
entryPoints: {web: {address: ":18000", htttp: {}}}
http:
  routers:
    a: {rule: "Host(`a`)", service: s, entryPoints: [web, webb], middlewares: [gone]}
  services:
    s: {loadBalancer: {servers: [{url: "ftp://x"}]}}
  middlewares:
    m: {forwardAuth: {adress: "http://a"}}
tls:
  certificates: [{certFile: /no.crt, keyFile: /no.key}]
"""))
    assert code == 1 and last == "6 errors, 0 warnings"
    same(got, [
        '1:40: error: entry point web: unknown key "htttp" in an entry point; '
        'did you mean "http"?',
        '4:5: error: router a@file: unknown entry point "webb"',
        '4:5: error: router a@file: middleware "gone@file" does not exist',
        '6:5: error: service s@file: server "ftp://x": the URL must begin with '
        'http:// or https://',
        '8:23: error: middleware m: unknown key "adress" in forwardAuth; did you '
        'mean "address"?',
        '10:18: error: certificate: /no.crt: No such file or directory'])


# ---- File errors ------------------------------------------------------------

# Refuse the file: a start fails with the same words.
FILE_ERRORS = {
    "open list": ("http:\n  routers: [a\n", [
        "3:1: error: not YAML: did not find expected ',' or ']' while parsing "
        "a flow sequence"]),
    "tab": ("http:\n\trouters: {}\n", [
        "2:1: error: not YAML: found character that cannot start any token "
        "while scanning for the next token"]),
    "no anchor": ("http: {routers: *nope}\n", [
        "1:17: error: not YAML: found undefined alias"]),
    "no UTF-8": (b'http: "\xff\xfe"\n', [
        "1:8: error: not YAML: invalid leading UTF-8 octet"]),
    "no mapping": ("hello\n", [
        "1:1: error: the configuration: expected a mapping"]),
    "second document": ("http: {}\n---\nhttp: {nosuch: 1}\n", [
        "3:1: error: a second document in one file"]),
    "unknown keys, each with the nearest": ("""\
entryPoints:
  web:
    address: ":80"
    htp: {}
    http:
      redirection: {}
http:
  router: {}
  services:
    s:
      loadBalancer:
        server: []
  middlewares:
    m: {forwardAuth: {adress: "http://127.0.0.1:1/"}}
    n: {zzz: {}}
accessLog: {fields: {header: {}}}
akkod: {worker: 2, limits: {conections: 1}}
""", [
        '4:5: error: entry point web: unknown key "htp" in an entry point; '
        'did you mean "http"?',
        '6:7: error: entry point web: unknown key "redirection" in http; '
        'did you mean "redirections"?',
        '8:3: error: unknown key "router" in http; did you mean "routers"?',
        '12:9: error: service s: unknown key "server" in a loadBalancer; '
        'did you mean "servers"?',
        '14:23: error: middleware m: unknown key "adress" in forwardAuth; '
        'did you mean "address"?',
        '15:9: error: middleware n: unknown key "zzz" in a middleware',
        '15:5: error: middleware n: no kind is given (such as headers or '
        'rateLimit)',
        '16:22: error: unknown key "header" in fields; did you mean "headers"?',
        '17:9: error: unknown key "worker" in akkod; did you mean "workers"?',
        '17:29: error: unknown key "conections" in limits; did you mean '
        '"connections"?']),
    "types": ("""\
entryPoints:
  web:
    address: ":80"
    asDefault: yes
    transport:
      respondingTimeouts: {readTimeout: tomorrow}
      keepAliveMaxRequests: 1.5
    forwardedHeaders: {trustedIPs: {a: b}}
log: none
http:
  routers: []
  services:
    t: {loadBalancer: {servers: {url: x}}}
  middlewares:
    m: {headers: {customRequestHeaders: [a]}}
    n: {rateLimit: {average: [1], period: 1 day}}
    o: {basicAuth: {realm: {a: b}}}
akkod: {limits: {connections: -}}
""", [
        '4:16: error: entry point web: asDefault: "yes" is neither true nor '
        'false',
        '6:41: error: entry point web: readTimeout: "tomorrow" is not a '
        'duration (10s, 100ms, 1h30m, or seconds)',
        '7:29: error: entry point web: keepAliveMaxRequests: "1.5" is not a '
        'whole number',
        '8:36: error: entry point web: trustedIPs: expected a list',
        '9:6: error: log: expected a mapping',
        '11:12: error: routers: expected a mapping of names',
        '13:33: error: service t: servers: expected a list',
        '15:41: error: middleware m: customRequestHeaders: expected a mapping',
        '16:30: error: middleware n: average: expected a number, found a list',
        '16:43: error: middleware n: period: "1 day" is not a duration (10s, '
        '100ms, 1h30m, or seconds)',
        '17:28: error: middleware o: realm: expected a text, found a mapping',
        '18:31: error: connections: "-" is not a whole number']),
    "entry points": ("""\
entryPoints:
  a: {address: ":0"}
  b: {address: "80"}
  c: {address: ":80/udp"}
  d: {address: "example.org:80"}
  e: {}
  f: {address: ":80", http3: {}}
  g: {address: ":80", http: {underscoreHeadersStrategy: bogus}}
  h: {address: ":80", http: {maxHeaderBytes: 99999999}}
  i: {address: ":80", forwardedHeaders: {trustedIPs: [10.0.0.0/33]}}
  j: {address: ":80/sctp"}
""", [
        "2:3: error: entry point a: address: the port must be a number from 1 "
        "to 65535",
        '3:3: error: entry point b: address: a port is missing (":8000")',
        "4:3: error: entry point c: address: UDP is not supported yet",
        "5:3: error: entry point d: address: the host must be an IP address "
        "or localhost",
        "6:3: error: entry point e: address: an address is missing",
        '7:23: error: entry point f: "http3" is not supported yet',
        '8:3: error: underscoreHeadersStrategy: "bogus" is not one of keep, '
        'delete, reject',
        "9:3: error: entry point h: maxHeaderBytes must be from 0 to 1048576",
        '10:3: error: i: trustedIPs: "10.0.0.0/33" is not an address or range',
        "11:3: error: entry point j: address: the protocol must be tcp or "
        "udp"]),
    "the static part": ("""\
providers: {file: {watch: true}, docker: {}}
certificatesResolvers: {}
tcp: {}
core: {defaultRuleSyntax: v2}
api: {basePath: x}
akkod: {workers: 65, io: uringg}
ping: {terminatingStatusCode: 99}
""", [
        "1:13: error: providers.file needs a filename or a directory",
        '1:34: error: "docker" is not supported yet',
        '2:1: error: "certificatesResolvers" is not supported yet',
        '3:1: error: "tcp" is not supported yet',
        '4:1: error: core.defaultRuleSyntax: "v2" is not one of v3; did you '
        'mean "v3"?',
        '5:1: error: api.basePath: "x" must begin with \'/\'',
        '6:1: error: akkod.io: "uringg" is not one of auto, uring, epoll; did '
        'you mean "uring"?',
        "6:1: error: akkod.workers must be from 0 (one per CPU) to 64",
        "7:1: error: ping.terminatingStatusCode must be from 200 to 599"]),
}


def same(got, want):
    """All said, and nothing else; what has one place may come in any order."""
    assert sorted(got) == sorted(want)
    places = [tuple(map(int, re.match(r"(\d+):(\d+):", x).groups())) for x in got]
    assert places == sorted(places)


@pytest.mark.parametrize("name", FILE_ERRORS)
def test_file_error(config, tmp_path, name):
    text, want = FILE_ERRORS[name]
    path = config(text)
    code, got, last = check(path)
    assert code == 1
    same(got, want)
    assert last == f"{len(want)} error{'s' * (len(want) > 1)}, 0 warnings"
    said = start_fails(path, tmp_path)
    for line in want:
        assert f"{path}:{line}\n" in said
    assert "the configuration cannot be used\n" in said


def test_file_is_missing(tmp_path):
    path = tmp_path / "nope.yaml"
    code, got, _ = check(path)
    assert code == 1 and got == [" error: cannot be read: No such file or directory"]
    assert f"{path}: error: cannot be read: No such file or directory\n" in \
        start_fails(path, tmp_path)


def test_file_is_a_directory(tmp_path):
    code, got, _ = check(tmp_path)
    assert code == 1 and got == [" error: cannot be read: Is a directory"]


def test_file_cannot_be_read(config):
    path = config("http: {}\n")
    path.chmod(0)
    done = run("check", "-c", path, preexec_fn=None) if os.geteuid() else \
        subprocess.run([*WITHOUT_POWERS, PROGRAM, "check", "-c", path],
                       capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{path}: error: cannot be read: Permission denied\n" in done.stdout


# Root, but without the right to read what its owner may not.
WITHOUT_POWERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
                  "--inh-caps=-all"]


# ---- Warnings ------------------------------------------------------------------

WARNINGS = {
    "top-level keys": ("htpp: {}\nx-anchors: {a: 1}\nX-more: 1\nnosuchkey: {a: b}\n", [
        '1:1: warning: unknown key "htpp" in the configuration; did you mean '
        '"http"?',
        '4:1: warning: unknown key "nosuchkey" in the configuration']),
    "words of logs": ("""\
log: {level: NOPE, format: xml}
accessLog:
  format: xml
  fields:
    defaultMode: never
    names: {ClientHost: perhaps}
    headers: {defaultMode: mask}
""", [
        '1:1: warning: log.format: "xml" is not known; "common" is used',
        '1:1: warning: log.level: "NOPE" is not one of TRACE, DEBUG, INFO, '
        'WARN, ERROR, FATAL, PANIC; ERROR is used',
        '2:1: warning: accessLog.format: "xml" is not known; "common" is used',
        '2:1: warning: accessLog.fields.defaultMode: "never" is not known; '
        '"drop" is used',
        '2:1: warning: accessLog.fields.headers.defaultMode: "mask" is not '
        'known; "drop" is used',
        '6:13: warning: accessLog.fields.names: "perhaps" is not known; '
        '"drop" is used']),
    "no effect yet": ("metrics: {}\napi: {insecure: true}\n", [
        '1:1: warning: "metrics" has no effect yet',
        '2:7: warning: "insecure" has no effect yet']),
    "redirections": ("""\
entryPoints:
  web: {address: ":80", http: {redirections: {entryPoint: {to: nope}}}}
  alt: {address: ":81", http: {redirections: {entryPoint: {scheme: https}}}}
""", [
        '2:3: warning: web: redirections.entryPoint.to: there is no entry '
        'point "nope"; nothing is redirected',
        '3:3: warning: alt: redirections.entryPoint.to is missing; nothing is '
        'redirected']),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warning(config, name):
    text, want = WARNINGS[name]
    code, got, last = check(config(text))
    same(got, want)
    assert code == 0 and last.endswith(
        f"{len(want)} warning{'s' * (len(want) > 1)}")


# ---- Object errors --------------------------------------------------------------

SERVICE = 's: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}]}}'

# A router's line (the fourth) -> what is said of router r.
ROUTERS = {
    'rule: "Host(`x`"': "expected ')' at byte 9 of the rule",
    'rule: "Hots(`x`)"':
        'unknown matcher "Hots" (known: Host, HostRegexp, Path, PathPrefix, '
        'PathRegexp, Method, Header, HeaderRegexp, Query, QueryRegexp, '
        'ClientIP) at byte 1 of the rule',
    'rule: "hOST(`x`)"':
        'unknown matcher "hOST"; did you mean "Host"? at byte 1 of the rule',
    'rule: "Host(\'x\')"':
        'write `text` or "text", not \'text\', at byte 6 of the rule',
    'rule: "Host(`x`,`y`)"': "Host takes 1 argument at byte 10 of the rule",
    'rule: "Header(`x`)"': "Header needs 2 arguments at byte 12 of the rule",
    'rule: "Host(``)"': "an argument of Host is empty at byte 8 of the rule",
    'rule: "Host(`a.*.b`)"':
        'a wildcard host is "*" or "*.domain" at byte 14 of the rule',
    'rule: "Path(`x`)"': "a path must begin with '/' at byte 10 of the rule",
    'rule: "PathRegexp(`(`)"':
        'regular expression "(": missing closing parenthesis at offset 1 at '
        'byte 16 of the rule',
    'rule: "PathRegexp(`(?=x)`)"':
        'regular expression "(?=x)": look-around and other Perl groups are '
        'not supported at byte 20 of the rule',
    'rule: "ClientIP(`300.1.1.1`)"':
        '"300.1.1.1" is not an address or range at byte 22 of the rule',
    'rule: "Host(`x`) Host(`y`)"':
        'expected "&&" or "||", not "Host(`y`)" at byte 11 of the rule',
    'rule: "Host(`x`) &&"': "expected a matcher such as Host(`...`) at byte 13 "
                            "of the rule",
    'rule: ""': "the rule is empty at byte 1 of the rule",
    'priority: 1': "a rule is missing",
    'rule: "Path(`/`)", priority: 9223372036854775807':
        "the priority is above 9223372036854774807, which is kept for akkod's "
        "own",
    'rule: "Path(`/`)", ruleSyntax: v2':
        'ruleSyntax "v2" is not supported: only v3',
}


@pytest.mark.parametrize("keys", ROUTERS)
def test_router(config, keys):
    code, got, _ = check(config(
        f"http:\n  services: {{{SERVICE}}}\n  routers:\n"
        f"    r: {{service: s, {keys}}}\n"))
    assert code == 1
    assert got == [f"4:5: error: router r: {ROUTERS[keys]}"]


# What only the whole shows; the name is qualified then.
REFERENCES = {
    'service: nope': ['service "nope@file" does not exist'],
    'service: s, middlewares: [nope]': ['middleware "nope@file" does not exist'],
    'service: s, middlewares: [x@other]': ['middleware "x@other" does not exist'],
    'service: s, tls: {options: nope}': ['TLS options "nope@file" do not exist'],
    'service: s, entryPoints: [nope]': ['unknown entry point "nope"',
                                        'no usable entry point'],
    'service: s, entryPoints: [http, nope]': ['unknown entry point "nope"'],
    'service: api@internal':
        ['service "api@internal" is not supported yet'],
}


@pytest.mark.parametrize("keys", REFERENCES)
def test_reference(config, keys):
    code, got, _ = check(config(
        f"http:\n  services: {{{SERVICE}}}\n  routers:\n"
        f'    r: {{rule: "Path(`/`)", {keys}}}\n'))
    assert code == 1
    assert got == [f"4:5: error: router r@file: {x}" for x in REFERENCES[keys]]


# A line below `http:` -> what is said of it; ^ marks its place.
OBJECTS = {
    'services: {^a: {}}': "error: service a: no kind is given (such as "
        "loadBalancer or weighted)",
    'services: {^a: {weighted: {}, loadBalancer: {}}}':
        "error: service a: more than one kind is given",
    'services: {^a: {weighted: {services: [{name: b}]}}}':
        'error: service a@file: weighted: service "b@file" does not exist',
    'services: {^a: {weighted: {services: [{name: a}]}}}':
        'error: service a@file: weighted: service "a@file" is part of itself',
    'services: {^a: {weighted: {sticky: {cookie: {path: ";"}}}}}':
        'error: service a: sticky.cookie.path: ";" cannot stand in a cookie',
    'services: {^a: {mirroring: {service: a, mirrors: [{name: b, percent: 200}]}}}':
        'error: service a: mirroring: percent of "b" must be from 0 to 100, '
        'not 200',
    'services: {^a: {loadBalancer: {servers: [{url: "ftp://x"}]}}}':
        'error: service a@file: server "ftp://x": the URL must begin with '
        'http:// or https://',
    'services: {^a: {loadBalancer: {servers: [{url: "http://x:99999"}]}}}':
        'error: service a@file: server "http://x:99999": the port must be '
        'a number from 1 to 65535',
    'services: {^a: {loadBalancer: {serversTransport: no, servers: []}}}':
        'error: service a@file: serversTransport "no@file" does not exist',
    'services: {^a: {loadBalancer: {strategy: wrrr, servers: []}}}':
        'error: service a: strategy: "wrrr" is not one of wrr, p2c, hrw, '
        'leasttime; did you mean "wrr"?',
    'services: {^a: {loadBalancer: {healthCheck: {path: "http://evil/"}}}}':
        'error: service a: healthCheck.path: "http://evil/" names another '
        'server; a path such as /health is meant',
    'middlewares: {^a: {}}':
        "error: middleware a: no kind is given (such as headers or "
        "rateLimit)",
    'middlewares: {a: {^retry: {attempts: 2}}}':
        'error: middleware a: "retry" is not supported yet',
    'middlewares: {^a: {addPrefix: {prefix: /a}, compress: {}}}':
        "error: middleware a: more than one kind is given",
    'middlewares: {^a: {addPrefix: {prefix: ""}}}':
        "error: middleware a@file: prefix is missing",
    'middlewares: {^a: {chain: {middlewares: [a]}}}':
        'error: middleware a@file: middleware "a@file" is part of itself',
    'middlewares: {^a: {errors: {status: [abc], service: no}}}':
        'error: middleware a@file: not a status code or range: "abc"',
    'middlewares: {^a: {errors: {status: ["500"], service: no}}}':
        'error: middleware a@file: service "no@file" does not exist',
    'middlewares: {^a: {ipAllowList: {sourceRange: [bogus]}}}':
        'error: middleware a@file: sourceRange: not an address or range: '
        '"bogus"',
    'middlewares: {^a: {ipAllowList: {ipStrategy: {depth: 1}}}}':
        "error: middleware a@file: sourceRange is empty",
    'middlewares: {^a: {ipAllowList: {sourceRange: ["::1"], '
    'rejectStatusCode: 999}}}':
        "error: middleware a@file: rejectStatusCode is not a known status of "
        "an answer",
    'middlewares: {^a: {rateLimit: {average: 1, sourceCriterion: '
    '{requestHost: true, requestHeaderName: X}}}}':
        "error: middleware a@file: sourceCriterion takes one of "
        "ipStrategy, requestHeaderName and requestHost",
    'middlewares: {^a: {rateLimit: {average: 1, period: -1s}}}':
        "error: middleware a@file: period cannot be negative",
    'middlewares: {a: {rateLimit: {average: 1, ^redis: {}}}}':
        'error: middleware a: "redis" is not supported yet',
    'middlewares: {^a: {forwardAuth: {address: "ldap://x"}}}':
        'error: middleware a@file: the URL must begin with http:// or '
        'https://: "ldap://x"',
    'middlewares: {^a: {forwardAuth: {address: "http://x", tls: {cert: /x}}}}':
        "error: middleware a@file: tls.cert and tls.key are both needed",
    'middlewares: {^a: {compress: {encodings: [lzma]}}}':
        'error: middleware a@file: encodings: unknown or too many: "lzma"',
    'middlewares: {^a: {basicAuth: {users: [nocolon]}}}':
        "error: middleware a@file: users: an entry is not name:hash",
    'middlewares: {^a: {basicAuth: {usersFile: /nonexistent}}}':
        'error: middleware a@file: usersFile "/nonexistent": No such file '
        'or directory',
    'middlewares: {^a: {headers: {frameDeny: false}}}':
        "error: middleware a@file: headers: no field says anything",
    'middlewares: {^a: {redirectScheme: {port: "80"}}}':
        "error: middleware a@file: scheme is missing",
    'serversTransports: {^a: {rootCAs: [/nonexistent]}}':
        "error: serversTransport a@file: rootCAs: /nonexistent: No such "
        "file or directory",
    'serversTransports: {^a: {minVersion: TLS12}}':
        'error: serversTransport a@file: unknown minVersion "TLS12"',
}
for _kind in ('redirectRegex: {regex: "("}', 'replacePathRegex: {regex: "("}',
              'stripPrefixRegex: {regex: ["("]}'):
    OBJECTS[f"middlewares: {{^a: {{{_kind}}}}}"] = \
        'error: middleware a@file: regex: "(": missing closing ' \
        'parenthesis at offset 1'


@pytest.mark.parametrize("line", OBJECTS)
def test_object(config, line):
    text, column = line.replace("^", ""), line.index("^") + 3
    code, got, last = check(config(f"http:\n  {text}\n"))
    assert code == 1 and last == "1 error, 0 warnings"
    assert got == [f"2:{column}: {OBJECTS[line]}"]


TLS_OPTIONS = {
    'minVersion: SSL3': 'unknown minVersion "SSL3"',
    'minVersion: VersionTLS13, maxVersion: VersionTLS12':
        "minVersion is above maxVersion",
    'cipherSuites: [FOO]': 'unknown cipher suite "FOO"',
    'curvePreferences: [P-256]': 'unknown curve "P-256"',
    'clientAuth: {clientAuthType: Always}': 'unknown clientAuthType "Always"',
    'clientAuth: {clientAuthType: RequireAndVerifyClientCert}':
        "clientAuthType RequireAndVerifyClientCert needs caFiles",
    'clientAuth: {caFiles: [/nonexistent]}':
        "caFiles: /nonexistent: No such file or directory",
}


@pytest.mark.parametrize("keys", TLS_OPTIONS)
def test_tls_options(config, keys):
    code, got, _ = check(config(f"tls:\n  options:\n    o: {{{keys}}}\n"))
    assert code == 1
    assert got == [f"3:5: error: TLS options o@file: {TLS_OPTIONS[keys]}"]


def test_several_errors_at_once(config):
    """One run names all of them, in the order of the file."""
    code, got, last = check(config("""\
http:
  routers:
    a: {rule: "Host(`a`", service: s}
    b: {rule: "Host(`b`)", service: nope}
    c: {rule: "Host(`c`)", service: s, middlewares: [m]}
  middlewares:
    m: {circuitBreaker: {expression: x}}
  services:
    s: {loadBalancer: {servers: [{url: "gopher://x"}]}}
tls:
  certificates:
    - {certFile: /nonexistent.crt, keyFile: /nonexistent.key}
    - {certFile: /nonexistent.crt}
"""))
    assert code == 1 and last == "7 errors, 0 warnings"
    assert got == [
        "3:5: error: router a: expected ')' at byte 9 of the rule",
        '4:5: error: router b@file: service "nope@file" does not exist',
        '5:5: error: router c@file: middleware "m@file" cannot be used: '
        'circuitBreaker is not supported yet',
        '7:9: error: middleware m: "circuitBreaker" is not supported yet',
        '9:5: error: service s@file: server "gopher://x": the URL must begin '
        'with http:// or https://',
        "12:7: error: certificate: /nonexistent.crt: No such file or directory",
        "13:7: error: certificate: certFile and keyFile are both needed"]


# ---- Certificates ------------------------------------------------------------------

def certificate(config, crt, key):
    code, got, _ = check(config(
        f"tls:\n  certificates:\n    - {{certFile: {crt}, keyFile: {key}}}\n"))
    return code, got


def test_certificate_is_good(config, authority):
    crt, key = authority.leaf("good.test")
    assert certificate(config, crt, key) == (0, [])


def test_key_of_another_certificate(config, authority):
    crt, _ = authority.leaf("one.test")
    _, key = authority.leaf("two.test")
    assert certificate(config, crt, key) == (1, [
        f"3:7: error: certificate: {crt}: the private key does not belong to "
        f"the certificate"])


def test_certificate_is_truncated(config, authority, tmp_path):
    crt, key = authority.leaf("cut.test")
    cut = tmp_path / "cut.crt"
    cut.write_text(crt.read_text()[:300])
    assert certificate(config, cut, key) == (1, [
        f"3:7: error: certificate: {cut}: line 1: the PEM block is truncated or "
        f"damaged"])


def test_second_of_a_chain_is_truncated(config, authority, tmp_path):
    crt, key = authority.leaf("chain.test")
    text = crt.read_text()
    cut = tmp_path / "chain.crt"
    cut.write_text(text + authority.file.read_text()[:200] + "\n")
    lines = text.count("\n")
    assert certificate(config, cut, key) == (1, [
        f"3:7: error: certificate: {cut}: line {lines + 1}: the PEM block is "
        f"truncated or damaged"])


def test_certificate_is_none(config, authority, tmp_path):
    _, key = authority.leaf("none.test")
    text = tmp_path / "text.crt"
    text.write_text("hello\n")
    assert certificate(config, text, key) == (1, [
        f"3:7: error: certificate: {text}: no certificate in PEM form"])


def test_key_is_truncated(config, authority, tmp_path):
    crt, key = authority.leaf("key.test")
    cut = tmp_path / "cut.key"
    cut.write_text(key.read_text()[:120] + "\n-----END PRIVATE KEY-----\n")
    code, got = certificate(config, crt, cut)
    assert code == 1 and got == [
        f"3:7: error: certificate: {cut}: the private key is broken or "
        f"truncated"]


def test_key_has_a_password(config, authority, tmp_path):
    crt, key = authority.leaf("locked.test")
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in",
                    key, "-passout", "pass:x", "-out", locked], check=True)
    assert certificate(config, crt, locked) == (1, [
        f"3:7: error: certificate: {locked}: the private key is encrypted"])


def test_key_is_short(config, tmp_path):
    crt, key = tmp_path / "short.crt", tmp_path / "short.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes",
                    "-subj", "/CN=short.test", "-keyout", key, "-out", crt],
                   check=True, capture_output=True)
    code, got = certificate(config, crt, key)
    assert code == 1 and len(got) == 1
    assert "the RSA key has 1024 bits, 2048 are the least" in got[0]


def test_certificate_files_are_missing(config, authority, tmp_path):
    crt, key = authority.leaf("missing.test")
    nope = tmp_path / "nope"
    for pair in ((nope, key), (crt, nope)):
        assert certificate(config, *pair) == (1, [
            f"3:7: error: certificate: {nope}: No such file or directory"])
    assert certificate(config, tmp_path, key) == (1, [
        f"3:7: error: certificate: {tmp_path}: not a regular file"])


def test_key_cannot_be_read(config, authority):
    crt, key = authority.leaf("secret.test")
    path = config(
        f"tls:\n  certificates:\n    - {{certFile: {crt}, keyFile: {key}}}\n")
    key.chmod(0)
    prefix = [] if os.geteuid() else WITHOUT_POWERS
    done = subprocess.run([*prefix, PROGRAM, "check", "-c", path],
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{path}:3:7: error: certificate: {key}: Permission denied\n" in \
        done.stdout


@pytest.mark.parametrize("days,start,what", [
    (-1, -10, "has expired"), (10, 5, "is not valid yet")])
def test_certificate_out_of_its_time(config, authority, days, start, what):
    """Served all the same, as Traefik does, but not in silence."""
    crt, key = authority.leaf("time.test", days=days, start=start)
    assert certificate(config, crt, key) == (0, [
        f'3:7: warning: certificate: "{crt}" {what}; it is served all the same'])


def test_default_certificate_is_bad(config, tmp_path):
    nope = tmp_path / "nope"
    code, got, _ = check(config(
        f"tls:\n  stores:\n    default:\n      defaultCertificate:\n"
        f"        certFile: {nope}\n        keyFile: {nope}\n"))
    assert code == 1 and got == [
        f"4:7: error: certificate: {nope}: No such file or directory"]


# ---- Files of the provider ------------------------------------------------------------

def provider(config, tmp_path, **files):
    folder = tmp_path / "routes"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    code, got, _ = check(config(f"providers: {{file: {{directory: {folder}}}}}\n"))
    return code, [x.replace(f"{folder}/", "") for x in got]


def test_provider_errors_have_their_file(config, tmp_path):
    code, got = provider(
        config, tmp_path,
        a_yaml=f'http:\n  routers:\n    r: {{rule: "Host(`x`", service: s}}\n'
               f'  services: {{{SERVICE}}}\n',
        b_yml="http:\n  routers:\n    r: {rule: `x`, servce: s}\n",
        c_yaml="htpp: {}\nentryPoints: {}\n",
        d_toml="[http]\n", e_txt="{{{")
    assert code == 1
    assert sorted(got) == sorted([
        "a.yaml:3:5: error: router r: expected ')' at byte 9 of the rule",
        "b.yml:3:15: error: not YAML: found character that cannot start any "
        "token while scanning for the next token",
        'c.yaml:1:1: warning: unknown key "htpp" in a provider\'s file; did '
        'you mean "http"?',
        'c.yaml:2:1: warning: unknown key "entryPoints" in a provider\'s file',
        "d.toml: error: TOML is not supported: write YAML"])


def test_provider_names_twice(config, tmp_path):
    route = f'http:\n  services: {{{SERVICE}}}\n  routers:\n' \
            f'    r: {{rule: "Host(`x`)", service: s}}\n'
    code, got = provider(config, tmp_path, a_yaml=route, b_yaml=route)
    assert code == 0 and got == [
        "b.yaml:2:14: warning: s@file: this service is defined more than once; "
        "the first one counts",
        "b.yaml:4:5: warning: r@file: this router is defined more than once; "
        "the first one counts"]


def test_provider_template(config, tmp_path):
    code, got = provider(config, tmp_path,
                         a_yaml='http: {}\n# {{ env "X" }}\n')
    assert code == 0 and got == [
        'a.yaml: warning: "{{...}}" is taken as it stands: Go templates are not '
        'supported']


def test_provider_is_missing(config, tmp_path):
    nope = tmp_path / "nope"
    for key in ("filename", "directory"):
        code, got, _ = check(config(f"providers: {{file: {{{key}: {nope}}}}}\n"))
        assert code == 1 and got == [
            f"{nope}: error: cannot be read: No such file or directory"]
