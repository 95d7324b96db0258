# SPDX-License-Identifier: BSD-2-Clause
"""MLflow behind akkod: a run, an artifact of 2 GiB up and down in bounded
memory, and early refusals that arrive whole."""
import time

import pytest
import requests

from bodies import Body, sha256_of
from harness import proc
from servers import Server, build

HOST = "experiments.akko.test"
CONFIG = f"""
entryPoints:
  websecure:
    address: "127.0.0.1:@websecure@"
    http: {{tls: {{}}}}
http:
  routers:
    mlflow: {{rule: "Host(`{HOST}`)", service: mlflow}}
  services:
    mlflow: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:@mlflow@"}}]}}}}
tls:
  stores: {{default: {{defaultCertificate: {{certFile: @crt@, keyFile: @key@}}}}}}
akkod: {{workers: 2}}
"""


class Mlflow(Server):
    def __init__(self, public):
        super().__init__("mlflow", "/health", 120)
        home = build("mlflow")
        self._spawn([home / "bin/mlflow", "server", "--host", "127.0.0.1",
                     "--port", self.port, "--workers", "2",
                     "--backend-store-uri", f"sqlite:///{self.dir}/mlflow.db",
                     "--serve-artifacts",
                     "--artifacts-destination", self.dir / "artifacts",
                     "--allowed-hosts", f"{HOST},{HOST}:*,127.0.0.1:*",
                     "--cors-allowed-origins", public],
                    {"PATH": f"{home}/bin:/usr/local/bin:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def mlflow(module_akkod, authority):
    crt, key = authority.leaf(HOST)
    a = module_akkod(CONFIG, values={"crt": crt, "key": key, "mlflow": 9})
    a.origin = f"https://{HOST}:{a.ports['websecure']}"
    with Mlflow(a.origin) as server:
        a.values["mlflow"] = server.port
        a.reload(CONFIG)
        a.http = requests.Session()
        a.http.verify, a.http.trust_env = str(authority.file), False
        yield a


def call(a, method, path, **kw):
    r = a.http.request(method, f"{a.origin}/api/2.0/mlflow/{path}", timeout=60,
                       headers={"Origin": a.origin}, **kw)
    assert r.ok, (r.status_code, r.text)
    return r.json()


def test_a_run(mlflow):
    name = f"tuning {mlflow.io}"
    made = call(mlflow, "POST", "experiments/create", json={"name": name})
    run = call(mlflow, "POST", "runs/create", json={
        "experiment_id": made["experiment_id"], "start_time": 1})["run"]
    run_id = run["info"]["run_id"]
    call(mlflow, "POST", "runs/log-batch", json={
        "run_id": run_id, "metrics": [
            {"key": "loss", "value": 1 / i, "timestamp": i, "step": i}
            for i in range(1, 501)]})
    got = call(mlflow, "GET", "metrics/get-history", params={
        "run_id": run_id, "metric_key": "loss"})
    assert len(got["metrics"]) == 500
    page = mlflow.http.get(mlflow.origin + "/", timeout=60)
    assert page.ok and "MLflow" in page.text


def resident(a):
    """MB of the largest worker."""
    return max(int(proc.status(w["pid"])["VmRSS"].split()[0]) / 1024
               for w in a.status()["workers"])


def test_an_artifact_of_2_gib(mlflow):
    url = f"{mlflow.origin}/api/2.0/mlflow-artifacts/artifacts/big-{mlflow.io}"
    body, before = Body(2048), resident(mlflow)
    begun = time.monotonic()
    r = mlflow.http.put(url, data=body, timeout=600,
                        headers={"Origin": mlflow.origin})
    assert r.ok, (r.status_code, r.text)
    up = time.monotonic() - begun
    with mlflow.http.get(url, stream=True, timeout=600) as r:
        assert r.ok
        assert sha256_of(r) == body.sha256()
    print(f"{mlflow.io}: 2 GiB up in {up:.1f} s, down in "
          f"{time.monotonic() - begun - up:.1f} s, worker {before:.0f} MB -> "
          f"{resident(mlflow):.0f} MB")
    assert resident(mlflow) < before + 8
    r = mlflow.http.delete(url, timeout=60, headers={"Origin": mlflow.origin})
    assert r.ok


def test_early_refusals_arrive_whole(mlflow):
    """It refuses a foreign Origin before it has read the body."""
    first = None
    for i in range(600):
        r = mlflow.http.post(f"{mlflow.origin}/api/2.0/mlflow/runs/create",
                             data=b"x" * (100 << i % 11), timeout=60,
                             headers={"Origin": "https://elsewhere.test",
                                      "Content-Type": "application/json"})
        assert r.status_code == 403, (i, r.status_code)
        first = first or r
        assert b"rigin" in first.content
        # Chunked: requests tells a cut answer by its missing last chunk.
        assert r.content == first.content, i
