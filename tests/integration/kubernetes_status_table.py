# SPDX-License-Identifier: BSD-2-Clause
"""The numbered cases of addresses in an Ingress's status (kubernetes.md 6.2)."""
import json
import re
import time

from harness.akkod import Akkod
from harness.kube import (Api, ingress, namespace, obj, path, refusals, rule,
                          service, slice_of, sources)
from kubernetes_table import elsewhere

CONFIG = """
entryPoints:
  web: {address: "10.99.0.1:@web@"}
akkod: {workers: 1}
providers:
  kubernetesIngress: """


class Row:
    """A Service `lb` (with its status), Nodes, and what the status gets.

    With `want` None nothing is written; `error` is what is said then.
    """

    def __init__(self, number, options, want, lb=None, status=None, nodes=(),
                 error=None):
        self.number, self.options, self.want = number, options, want
        self.lb, self.status, self.nodes = lb, status, nodes
        self.error = error

    def __repr__(self):
        return "6.2-" + self.number


LB = {"ingressEndpoint": {"publishedService": "@ns@/lb"}}
PORT = {"port": 443, "protocol": "TCP"}
NODES = {"reportNodeInternalIPs": True}


def node_port(n):
    return service("lb", {"port": 443, "nodePort": n}, type="NodePort")


STATUS = [
    Row("75", LB, [{"ip": "9.9.9.9"}],
        service("lb", 443, type="LoadBalancer"),
        {"loadBalancer": {"ingress": [{"ip": "9.9.9.9"}]}}),
    Row("75-pending", LB, None, service("lb", 443, type="LoadBalancer")),
    Row("76", LB, [{"ip": "5.5.5.5", "ports": [PORT]},
                   {"ip": "5.5.5.6", "ports": [PORT]}],
        service("lb", 443, externalIPs=["5.5.5.5", "5.5.5.6"])),
    Row("77", LB, [{"ip": "6.6.6.6", "ports": [{"port": 31443,
                                               "protocol": "TCP"}]}],
        node_port(31443), nodes=[("ExternalIP", "6.6.6.6")]),
    Row("77-scope", {**LB, "disableClusterScopeResources": True}, None,
        node_port(31444), nodes=[("ExternalIP", "6.6.6.6")],
        error="Nodes are not read"),
    Row("78", LB, [{"hostname": "e.test"}],
        service("lb", type="ExternalName", externalName="e.test")),
    Row("79", NODES, [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}],
        nodes=[("InternalIP", "10.0.0.1"), ("InternalIP", "10.0.0.2")]),
    Row("79-none", NODES, None, nodes=[("ExternalIP", "6.6.6.6")],
        error="InternalIP"),
    Row("79-zero", NODES, None, error="InternalIP"),
    Row("endpoint", {"ingressEndpoint": {"ip": "1.2.3.4",
                                         "hostname": "h.test"}},
        [{"ip": "1.2.3.4", "hostname": "h.test"}]),
    Row("missing", LB, None, error="Service @ns@/lb does not exist"),
]


class Addresses:
    """One akkod, told other options for each row."""

    def __init__(self, cluster, io, directory):
        self.api = Api(cluster)
        # A Node of another module would be one more address.
        for n in self.api.call("GET", "/api/v1/nodes")["items"]:
            self.api.delete({**n, "kind": "Node"})
        self.akkod = Akkod(directory, io, CONFIG + "{}\n", host="10.99.0.1",
                           env={"KUBECONFIG": str(cluster.kubeconfig)})

    def check(self, row):
        ns = "a" + row.number.replace("-", "")
        world = [service("web", 80, ns=ns),
                 slice_of("web", [("", 80)], "10.1.0.1", ns=ns),
                 ingress("front", rule("a.demo.test", path("/")), ns=ns)]
        if row.lb is not None:
            row.lb["metadata"]["namespace"] = ns
            world.append(row.lb)
        nodes = [obj("Node", f"{ns}-{i}") for i in range(len(row.nodes))]
        self.api.create_all([namespace(ns), *nodes, *world])
        for n, (kind, address) in zip(nodes, row.nodes):
            self.set_status(n, {"addresses": [{"type": kind,
                                               "address": address}]})
        if row.status is not None:
            self.set_status(row.lb, row.status)
        try:
            self.akkod.reload(CONFIG + json.dumps(
                {**row.options, "namespaces": [ns]}).replace("@ns@", ns) + "\n")
            self.wait(row, world[2], ns)
        finally:
            self.api.each(self.api.delete, nodes)

    def wait(self, row, front, ns):
        end = time.monotonic() + 10
        while True:
            o = self.api.get(front)
            have = o.get("status", {}).get("loadBalancer", {}).get("ingress")
            source, = sources(self.akkod)
            notes = refusals(self.akkod)
            if row.want is not None:
                done = have == row.want
            else:
                done = source["objects"]["router"] == 1 and (row.error is None or any(
                    re.search(row.error.replace("@ns@", ns), n)
                    for n in notes if f"Ingress {ns}/front" in n))
            if done:
                break
            assert time.monotonic() < end, (have, notes)
            time.sleep(0.05)
        # Nothing more comes: what stands there is not written again.
        time.sleep(0.3)
        again = self.api.get(front)
        assert again.get("status", {}).get("loadBalancer", {}).get(
            "ingress") == row.want
        assert again["metadata"]["resourceVersion"] == \
            o["metadata"]["resourceVersion"]

    def set_status(self, o, status):
        self.api.call("PATCH", self.api.path(o) + "/status",
                      {"status": status}, kind="application/merge-patch+json")

    def close(self):
        self.akkod.close()


ELSEWHERE = [
    elsewhere("6.2-79 (list error)", "tests/unit/test_ingress.c",
              "addresses_in_the_status",
              "a list that fails counts as empty, as without any Node"),
    elsewhere("6.2-80", "test_kubernetes_run.py",
              "test_options_that_exclude_each_other"),
    elsewhere("6.2-81", "tests/unit/test_ingress.c", "addresses_in_the_status",
              "and each row of this table shows that nothing is written twice"),
    elsewhere("6.2-82", "tests/unit/test_ingress.c",
              "what_is_missing_comes_later",
              "objects are looked up in the cache, which has them or not"),
    elsewhere("6.2-83", "test_kubernetes_run.py", "test_a_secret_of_helm"),
    elsewhere("6.2-84", "test_kubernetes_run.py",
              "test_what_of_a_slice_counts"),
    elsewhere("6.2-85", "tests/unit/test_ingress.c",
              "only_what_changed_is_told",
              "the API server gives no two events one resourceVersion"),
    elsewhere("6.2-86", "test_kubernetes_run.py",
              "test_what_of_a_slice_counts"),
    elsewhere("6.2-87", "test_kubernetes_run.py", "test_order_of_slices"),
    elsewhere("6.2-88", "test_kubernetes_run.py",
              "test_a_version_that_is_too_old"),
    elsewhere("6.2-88 (server down)", "test_kubernetes.py",
              "test_the_api_server_goes_and_comes"),
]
