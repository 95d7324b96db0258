# SPDX-License-Identifier: BSD-2-Clause
"""deploy/kubernetes/definitions.yaml: nothing that Traefik's objects say is lost."""
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.kube import Api, Refused, obj

pytestmark = pytest.mark.kubernetes
HERE = Path(__file__).parents[2] / "deploy/kubernetes"
DEFINITIONS = list(yaml.safe_load_all((HERE / "definitions.yaml").read_text()))
KINDS = [d["spec"]["names"]["kind"] for d in DEFINITIONS]


@pytest.fixture(scope="module")
def api(shared_cluster):
    return Api(shared_cluster)


def spec_of(d):
    return d["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][
        "spec"]


# Texts that a rule of the definitions wants.
WANTED = {"prefix": "/p"}


def filled(schema, name="", either="1m30s"):
    """A value with every field of the schema."""
    if schema.get("x-kubernetes-int-or-string"):
        return either
    if "enum" in schema:
        return schema["enum"][-1]
    if schema.get("type") == "object":
        if "additionalProperties" in schema:
            return {"any-key": filled(schema["additionalProperties"], name)}
        return {k: filled(v, k, either) for k, v in
                schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        # A root certificate has one of two places, see below.
        if name == "rootCAs":
            return [{"secret": "s"}, {"configMap": "m"}]
        return [filled(schema["items"], name, either)]
    if schema.get("type") == "boolean":
        return True
    if schema.get("type") == "integer":
        return min(7, schema.get("maximum", 7))
    if schema.get("type") == "string":
        return WANTED.get(name, f"text of {name}")
    # Anything at all: what a plugin has.
    return {"a": [1, {"b": "c"}], "d": {"e": 1.5, "f": [[]]}, "g": True}


@pytest.mark.parametrize("either", ["1m30s", 42], ids=["text", "number"])
@pytest.mark.parametrize("d", DEFINITIONS, ids=KINDS)
def test_every_field_comes_back(api, d, either):
    kind = d["spec"]["names"]["kind"]
    spec = filled(spec_of(d), either=either)
    o = obj(kind, f"full-{either}", spec, ns="default")
    made = api.put(o)
    assert made["spec"] == spec
    assert api.get(o)["spec"] == spec
    api.delete(o)


# What objects in the field look like, by the words of Traefik's documentation:
# each must be in the schema, by name and type, beyond what the schema says of
# itself.
SERVICE = {
    "name": "a", "namespace": "b", "kind": "Service", "port": "http",
    "scheme": "h2c", "weight": 1, "strategy": "RoundRobin",
    "passHostHeader": False, "responseForwarding": {"flushInterval": "1ms"},
    "serversTransport": "t", "middlewares": [{"name": "m", "namespace": "n"}],
    "sticky": {"cookie": {"name": "c", "secure": True, "httpOnly": True,
                          "sameSite": "none", "maxAge": 42, "path": "/",
                          "domain": "d"}},
    "nativeLB": True, "nodePortLB": True,
    "healthCheck": {"scheme": "http", "mode": "http", "path": "/x",
                    "method": "GET", "status": 200, "port": 80, "interval": 15,
                    "unhealthyInterval": "15s", "timeout": "1s",
                    "hostname": "h", "followRedirects": True,
                    "headers": {"X-A": "b"}},
    "passiveHealthCheck": {"failureWindow": "10s", "maxFailedAttempts": 3},
}
TLS = {"secretName": "s", "options": {"name": "o", "namespace": "n"},
       "store": {"name": "default"}, "certResolver": "r",
       "domains": [{"main": "m", "sans": ["a", "b"]}]}
L4 = {"name": "a", "namespace": "b", "port": 1, "weight": 2, "nativeLB": True,
      "nodePortLB": True}
FIELD = {
    "IngressRoute": {
        "entryPoints": ["web"], "ingressClassName": "c", "tls": TLS,
        "parentRefs": [{"name": "p", "namespace": "n"}],
        "routes": [{"match": "Host(`a`)", "kind": "Rule", "priority": -5,
                    "syntax": "v2", "middlewares": [{"name": "m"}],
                    "services": [SERVICE], "observability": {
                        "accessLogs": False, "metrics": True, "tracing": True,
                        "traceVerbosity": "detailed"}}]},
    "IngressRouteTCP": {
        "entryPoints": ["db"], "tls": {**TLS, "passthrough": True},
        "routes": [{"match": "HostSNI(`*`)", "priority": 3, "syntax": "v3",
                    "middlewares": [{"name": "m", "namespace": "n"}],
                    "services": [{**L4, "tls": True, "serversTransport": "t",
                                  "terminationDelay": 500,
                                  "proxyProtocol": {"version": 2}}]}]},
    "IngressRouteUDP": {"entryPoints": ["dns"], "routes": [{"services": [L4]}]},
    "TraefikService": {
        "weighted": {"services": [SERVICE], "sticky": SERVICE["sticky"]},
        "mirroring": {**SERVICE, "mirrorBody": False, "maxBodySize": -1,
                      "mirrors": [{**SERVICE, "percent": 10}]},
        "highestRandomWeight": {"services": [SERVICE]},
        "failover": {"service": SERVICE, "fallback": SERVICE, "errors": {
            "status": ["500-504"], "maxRequestBodyBytes": -1}}},
    "Middleware": {
        "rateLimit": {"average": 1, "burst": 2, "period": 3, "redis": {
            "endpoints": ["a:1"], "secret": "s", "db": 1, "poolSize": 1,
            "minIdleConns": 1, "maxActiveConns": 1, "readTimeout": "3s",
            "writeTimeout": 3, "dialTimeout": "5s", "tls": {
                "caSecret": "a", "certSecret": "b",
                "insecureSkipVerify": True}}},
        "errors": {"status": ["500-599"], "statusRewrites": {"418": 404},
                   "service": SERVICE, "query": "/{status}.html",
                   "errorRequestHeaders": []},
        "headers": {"customRequestHeaders": {"X-A": ""}, "stsSeconds": 31536000,
                    "accessControlMaxAge": 100},
        "plugin": {"p": {"x": {"y": [1, "urn:k8s:secret:a:b"]}}, "q": {}},
        "passTLSClientCert": {"pem": True, "info": {"subject": {
            "organizationalUnit": True}, "issuer": {"commonName": True}}},
        "compress": {"encodings": [], "minResponseBodyBytes": 0},
        "circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5",
                           "checkPeriod": "1ms", "responseCode": 503}},
    "MiddlewareTCP": {"inFlightConn": {"amount": 1},
                      "ipAllowList": {"sourceRange": ["10.0.0.0/8"]}},
    "TLSOption": {"minVersion": "VersionTLS12", "alpnProtocols": [],
                  "curvePreferences": ["X25519"], "sniStrict": True,
                  "clientAuth": {"secretNames": ["a"], "clientAuthType":
                                 "RequireAndVerifyClientCert"}},
    "TLSStore": {"certificates": [{"secretName": "a"}],
                 "defaultCertificate": {"secretName": "b"},
                 "defaultGeneratedCert": {"resolver": "r", "domain": {
                     "main": "m", "sans": ["s"]}}},
    "ServersTransport": {
        "serverName": "s", "insecureSkipVerify": False,
        "rootCAs": [{"secret": "s"}, {"configMap": "m"}],
        "rootCAsSecrets": ["s"], "certificatesSecrets": ["c"],
        "maxIdleConnsPerHost": 1, "disableHTTP2": True, "peerCertURI": "u",
        "peerCertSANs": ["p"], "cipherSuites": ["c"],
        "spiffe": {"ids": ["i"], "trustDomain": "t"},
        "forwardingTimeouts": {"dialTimeout": "42s",
                               "responseHeaderTimeout": 42,
                               "idleConnTimeout": "42ms", "readIdleTimeout": 1,
                               "pingTimeout": "15s"}},
    "ServersTransportTCP": {
        "dialTimeout": "1s", "dialKeepAlive": 15, "terminationDelay": "100ms",
        "proxyProtocol": {"version": 1}, "tls": {
            "serverName": "s", "insecureSkipVerify": True,
            "rootCAs": [{"secret": "s"}], "rootCAsSecrets": ["r"],
            "certificatesSecrets": ["c"], "peerCertURI": "u",
            "peerCertSANs": ["p"],
            "spiffe": {"ids": ["i"], "trustDomain": "t"}}},
}


def test_all_ten_kinds():
    assert sorted(KINDS) == sorted(FIELD)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_of_the_field_come_back(api, kind):
    o = obj(kind, "field", FIELD[kind], ns="default")
    assert api.put(o)["spec"] == FIELD[kind]
    api.delete(o)


def route(**more):
    return {"routes": [{"match": "Path(`/`)", **more}]}


BAD = {
    "kind": ("IngressRoute", route(kind="Other"), "Rule"),
    "priority": ("IngressRoute", route(priority=2**63), ""),
    "service-kind": ("IngressRoute", route(
        services=[{"name": "a", "kind": "Pod"}]), "TraefikService"),
    "strategy": ("IngressRoute", route(
        services=[{"name": "a", "strategy": "x"}]), "leasttime"),
    "weight": ("IngressRoute", route(services=[{"name": "a", "weight": -1}]),
               "greater than or equal to 0"),
    "same-site": ("IngressRoute", route(services=[{"name": "a", "sticky": {
        "cookie": {"sameSite": "LAX"}}}]), "strict"),
    "root": ("ServersTransport", {"rootCAs": [
        {"secret": "a", "configMap": "b"}]}, "not both"),
    "prefix": ("Middleware", {"addPrefix": {"prefix": "x"}},
               "must start with a '/'"),
    "failover": ("TraefikService", {"failover": {"service": {"name": "a"}}},
                 "failover.fallback: Required"),
    "type": ("Middleware", {"headers": {"frameDeny": "yes"}}, "boolean"),
}


@pytest.mark.parametrize("row", BAD)
def test_what_traefik_s_own_definitions_refuse(api, row):
    kind, spec, why = BAD[row]
    with pytest.raises(Refused) as e:
        api.create(obj(kind, "bad", spec, ns="default"))
    assert e.value.status in (400, 422) and why in str(e.value)


def test_the_file_is_what_the_script_makes():
    made = subprocess.run([HERE / "make-definitions"], check=True,
                          capture_output=True, text=True).stdout
    assert made == (HERE / "definitions.yaml").read_text()


def test_kubectl_takes_it_twice(shared_cluster):
    """As an operator applies it, the second time over the first."""
    for _ in range(2):
        said = shared_cluster.kubectl(
            "apply", "--server-side", "--force-conflicts",
            "-f", str(HERE / "definitions.yaml"))
        assert len(said.splitlines()) == len(KINDS)
    described = json.loads(shared_cluster.kubectl(
        "get", "crd", "middlewares.traefik.io", "-o", "json"))
    conditions = {c["type"]: c["status"]
                  for c in described["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"
