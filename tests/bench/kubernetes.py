#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""akkod as the controller of a real API server with thousands of Ingresses.

As root: a network namespace of its own, etcd and kube-apiserver as the
integration tests build them.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE.parent / "rig")]
from harness.client import Client  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.pki import Authority  # noqa: E402
from harness.upstream import Upstream, echo  # noqa: E402
from kubernetes import Cluster  # noqa: E402

CONFIG = """
entryPoints:
  web: {address: "10.99.0.1:@web@"}
  traefik: {address: "10.99.0.1:@traefik@"}
ping: {}
log: {level: INFO}
akkod: {workers: 2}
providers: {kubernetesIngress: {}, kubernetesCRD: {}}
"""
NETWORKING = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


# ---- The program ---------------------------------------------------------------

def service(n):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": f"s{n}", "namespace": "default"},
            "spec": {"ports": [{"name": "http", "port": 80}]}}


def endpoints(n, port, addresses):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": f"s{n}-1", "namespace": "default",
                         "labels": {"kubernetes.io/service-name": f"s{n}"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "protocol": "TCP", "port": port}],
            "endpoints": [{"addresses": [a], "conditions": {"ready": True}}
                          for a in addresses]}


def ingress(n, services, path="/"):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": f"i{n}", "namespace": "default"},
            "spec": {"rules": [{"host": f"h{n}.bench.test", "http": {"paths": [{
                "path": path, "pathType": "Prefix", "backend": {"service": {
                    "name": f"s{n % services}", "port": {"number": 80}}}}]}}]}}


class Api:
    """One connection to the API server that stays."""

    def __init__(self, cluster):
        self.c = http.client.HTTPSConnection(Cluster.address, 6443, timeout=60,
                                             context=cluster.context)

    def call(self, method, path, body, kind="application/json"):
        self.c.request(method, path, json.dumps(body), {"Content-Type": kind})
        r = self.c.getresponse()
        data = r.read()
        assert r.status < 300, data
        return data

    def patch(self, path, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")


def fill(cluster, port, opt):
    work = [("/api/v1/namespaces/default/services", service(n))
            for n in range(opt.services)]
    work += [(SLICES, endpoints(n, port, ["10.99.1.1"]))
             for n in range(opt.services)]
    work += [(NETWORKING, ingress(n, opt.services))
             for n in range(opt.ingresses)]

    def run(part):
        api = Api(cluster)
        for path, body in part:
            api.call("POST", path, body)
    threads = [threading.Thread(target=run, args=(work[i::4],))
               for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


# ---- What is looked at ------------------------------------------------------------

def cpu(pid):
    """CPU time of a process in seconds."""
    return sum(int((t / "schedstat").read_text().split()[0])
               for t in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def memory(pid):
    """Resident memory of its own and its share of others', in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+)", text, re.M)[1]) / 1024


def controller_of(master):
    for p in Path("/proc").glob("[0-9]*"):
        try:
            words = (p / "cmdline").read_bytes().split(b"\0")
            parent = int((p / "stat").read_text().rsplit(")")[-1].split()[1])
        except (OSError, ValueError):
            continue
        if parent == master and words[1:2] == [b"controller"]:
            return int(p.name)
    raise RuntimeError("no controller")


class Load:
    """Requests for many hosts; what is not 200 is counted."""

    def __init__(self, a, opt):
        self.bad, self.good, self.over = [], 0, False
        self.threads = [threading.Thread(target=self.run, args=(a, opt, n))
                        for n in range(2)]

    def run(self, a, opt, first):
        n = first
        while not self.over:
            # A connection takes ten thousand requests.
            with Client((a.host, a.ports["web"])) as c:
                for _ in range(1000):
                    n = (n + 7919) % opt.ingresses
                    r = c.request("GET", "/", host=f"h{n}.bench.test")
                    if r.status == 200:
                        self.good += 1
                    else:
                        self.bad.append(r.status)
                    time.sleep(0.002)
                    if self.over:
                        return

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for t in self.threads:
            t.join()


# ---- Figures ----------------------------------------------------------------------

def endpoint_changes(cluster, a, pids, port, opt):
    """CPU of one endpoint change, in ms: master, controller."""
    api = Api(cluster)
    time.sleep(7)		# the snapshot of the first state is written
    before = [cpu(p) for p in pids]
    idle = time.monotonic()
    for n in range(opt.changes):
        addresses = ["10.99.1.1", "10.99.1.2"][:1 + (n + 1) % 2]
        api.patch(f"{SLICES}/s{n % opt.services}-1", {
            "endpoints": [{"addresses": [x], "conditions": {"ready": True}}
                          for x in addresses]})
        time.sleep(0.15)
    spent = [(cpu(p) - b) / opt.changes * 1000 for p, b in zip(pids, before)]
    return spent, (time.monotonic() - idle) / opt.changes


def until_live(cluster, a, opt):
    """Milliseconds from the reply to a write to the first answer by it."""
    took, api = [], Api(cluster)
    with Load(a, opt) as load:
        for n in range(opt.writes):
            began = time.monotonic()
            host = f"new{n}.bench.test"
            one = ingress(opt.ingresses + n, opt.services)
            one["spec"]["rules"][0]["host"] = host
            api.call("POST", NETWORKING, one)
            written = time.monotonic()
            with Client((a.host, a.ports["web"])) as c:
                while c.request("GET", "/", host=host).status != 200:
                    time.sleep(0.001)
                    assert time.monotonic() < written + 30
            took.append((time.monotonic() - written) * 1000)
            time.sleep(max(0, 0.05 - (time.monotonic() - began)))
    for n in range(opt.writes):
        api.call("DELETE", f"{NETWORKING}/i{opt.ingresses + n}", {})
    return sorted(took), load


def first_sync(make):
    began = time.monotonic()
    a = make()
    while a.get("/readyz", entry_point="traefik").status != 200:
        time.sleep(0.02)
        assert time.monotonic() < began + 120, a.log
    return a, time.monotonic() - began


def report(opt, cluster, make, port):
    a, sync = first_sync(make)
    last = f"h{opt.ingresses - 1}.bench.test"
    assert a.get("/", host=last).status == 200
    print(f"first synchronisation: {sync:.1f} s", flush=True)
    try:
        pids = (a.process.pid, controller_of(a.process.pid))
        print("CPU of it: master %.2f s, controller %.2f s" %
              tuple(cpu(p) for p in pids), flush=True)
        spent, _ = endpoint_changes(cluster, a, pids, port, opt)
        print("an endpoint change: master %.1f ms, controller %.1f ms, "
              "together %.1f ms of CPU" % (*spent, sum(spent)), flush=True)
        took, load = until_live(cluster, a, opt)
        print("a new Ingress live after %.0f ms (median), %.0f ms (p99), "
              "%.0f ms (most); %d requests meanwhile, %d failed" %
              (statistics.median(took), took[int(len(took) * 0.99)], took[-1],
               load.good, len(load.bad)), flush=True)
        print("memory: master %.0f MiB, controller %.0f MiB" %
              tuple(memory(p) for p in pids), flush=True)
        if opt.hold:
            input(f"master {pids[0]}, controller {pids[1]}; Enter ends: ")
    finally:
        a.close()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--akkod", required=True)
    p.add_argument("--ingresses", type=int, default=10000)
    p.add_argument("--services", type=int, default=1000)
    p.add_argument("--changes", type=int, default=60)
    p.add_argument("--writes", type=int, default=100)
    p.add_argument("--io", default="uring")
    p.add_argument("--hold", action="store_true", help="wait before the end")
    opt = p.parse_args()
    os.environ["AKKOD"] = str(Path(opt.akkod).resolve())
    from harness.akkod import Akkod
    directory = tempfile.mkdtemp(prefix="akkod-bench-")
    os.chmod(directory, 0o755)
    with Namespace("10.99.0.1/16"):
        cluster = Cluster(directory, Authority(f"{directory}/pki"))
        up = Upstream(echo, host="10.99.1.1")
        also = Upstream(echo, host="10.99.1.2", port=up.port)
        try:
            cluster.start()
            began = time.monotonic()
            fill(cluster, up.port, opt)
            print(f"{opt.ingresses} Ingresses on {opt.services} Services, "
                  f"written in {time.monotonic() - began:.0f} s", flush=True)
            report(opt, cluster, lambda: Akkod(
                f"{directory}/akkod", opt.io, CONFIG, host="10.99.0.1",
                env={"KUBECONFIG": str(cluster.kubeconfig)}), up.port)
        finally:
            also.close()
            up.close()
            cluster.close()
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
