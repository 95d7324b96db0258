# SPDX-License-Identifier: BSD-2-Clause
"""A real Kubernetes API server with its store; see Cluster."""
import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization

HERE = Path(__file__).parent
DEFINITIONS = HERE.parents[1] / "deploy/kubernetes/definitions.yaml"


def programs():
    """The directory of etcd, kube-apiserver and kubectl; built when missing."""
    return Path(subprocess.run([HERE / "kubernetes/build"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip())


def definitions():
    """The kinds of traefik.io as users install them."""
    return list(yaml.safe_load_all(DEFINITIONS.read_text()))


class Cluster:
    """etcd and kube-apiserver on 10.99.0.1, to be used inside a Namespace.

    `authority` makes the certificates (tests/integration/harness/pki.py).
    """
    address = "10.99.0.1"
    url = f"https://{address}:6443"

    def __init__(self, directory, authority):
        self.dir = Path(directory)
        self.bin = programs()
        self.authority = authority
        self.server_cert = authority.leaf(self.address, "127.0.0.1", "localhost")
        self.admin = self.user("admin", ["system:masters"])
        self.issue = 0
        self.new_signing_key()
        self.processes = {}
        self.context = ssl.create_default_context(cafile=authority.file)
        self.context.load_cert_chain(*self.admin)
        self.kubeconfig = self.dir / "kubeconfig"
        self.kubeconfig.write_text(self.config_of(self.admin))
        self.kubeconfig.chmod(0o644)

    def user(self, name, groups=()):
        """Certificate and key of a user."""
        return self.authority.leaf(name, file=f"user-{name}", client=True,
                                   groups=groups)

    def new_signing_key(self):
        """From the API server's next start on all tokens of before are refused."""
        self.issue += 1
        self.signing = self.authority.leaf(f"service-account-{self.issue}",
                                           kind="rsa")
        key = serialization.load_pem_private_key(
            self.signing[1].read_bytes(), None).public_key()
        self.public = self.dir / "service-account.pub"
        self.public.write_bytes(key.public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo))

    def config_of(self, files):
        """A kubeconfig for a client certificate."""
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test",
                          "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": self.url,
                "certificate-authority": str(self.authority.file)}}],
            "users": [{"name": "test", "user": {
                "client-certificate": str(files[0]),
                "client-key": str(files[1])}}]})

    # -- processes -----------------------------------------------------------

    def _spawn(self, name, *args):
        with open(self.dir / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [self.bin / name, *args], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

    def start(self):
        self._spawn("etcd", "--data-dir", str(self.dir / "etcd"),
                    "--unsafe-no-fsync", "--log-level", "error",
                    "--listen-client-urls", "http://127.0.0.1:2379",
                    "--advertise-client-urls", "http://127.0.0.1:2379",
                    "--listen-peer-urls", "http://127.0.0.1:2380",
                    "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
                    "--initial-cluster", "default=http://127.0.0.1:2380")
        self.start_api()
        for d in definitions():
            self.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                      d)
        for d in definitions():
            self.wait(lambda s=d["spec"]: self.get(
                f"/apis/{s['group']}/{s['versions'][0]['name']}/"
                f"{s['names']['plural']}"))
        return self

    def start_api(self, *extra):
        crt, key = self.server_cert
        self._spawn(
            "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
            f"--bind-address={self.address}",
            f"--advertise-address={self.address}", "--secure-port=6443",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--tls-cert-file={crt}", f"--tls-private-key-file={key}",
            f"--client-ca-file={self.authority.file}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self.public}",
            f"--service-account-signing-key-file={self.signing[1]}", *extra)
        self.wait(lambda: self.get("/readyz", raw=True))

    def kill_api(self):
        server = self.processes.pop("kube-apiserver")
        server.kill()
        server.wait()

    def wait(self, works, seconds=60):
        end = time.monotonic() + seconds
        while True:
            for name, p in self.processes.items():
                if p.poll() is not None:
                    raise AssertionError(
                        f"{name} ended:\n{(self.dir / (name + '.log')).read_text()[-2000:]}")
            try:
                return works()
            except (urllib.error.URLError, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def close(self):
        for p in self.processes.values():
            p.kill()
        for p in self.processes.values():
            p.wait()

    # -- the API -------------------------------------------------------------

    def call(self, method, path, body=None, kind="application/json", raw=False):
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Content-Type": kind},
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10,
                                    context=self.context) as r:
            data = r.read()
        return data if raw else json.loads(data)

    def token(self, account, namespace="akkod"):
        """A token of a ServiceAccount that lasts ten minutes, the least."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return self.post(path, {"spec": {"expirationSeconds": 600}})["status"]["token"]

    def compact(self):
        """The store forgets all revisions but the newest."""
        def ask(path, body):
            with urllib.request.urlopen(urllib.request.Request(
                    "http://127.0.0.1:2379/v3/" + path,
                    data=json.dumps(body).encode()), timeout=10) as r:
                return json.loads(r.read())
        now = ask("kv/range", {"key": "Lw=="})["header"]["revision"]
        ask("kv/compaction", {"revision": now, "physical": True})

    def get(self, path, raw=False):
        return self.call("GET", path, raw=raw)

    def post(self, path, body):
        return self.call("POST", path, body)

    def kubectl(self, *args, stdin=None):
        """Runs kubectl: its output."""
        done = subprocess.run(
            [self.bin / "kubectl", "--kubeconfig", str(self.kubeconfig), *args],
            input=stdin, capture_output=True, text=True, timeout=60,
            env={**os.environ, "HOME": str(self.dir)})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, text):
        """kubectl apply of YAML or JSON text."""
        return self.kubectl("apply", "--server-side", "--force-conflicts",
                            "-f", "-", stdin=text)


class Account:
    """The files of a ServiceAccount as a pod sees them, to be replaced at once.

    `prefix` runs a program in a file system where they have their place.
    """

    def __init__(self, directory, cafile):
        self.dir = Path(directory)
        self.dir.mkdir(mode=0o755, parents=True)
        self.dir.chmod(0o755)
        self.serial = 0
        self.ca = Path(cafile).read_text()
        place = "/run/secrets/kubernetes.io/serviceaccount"
        self.prefix = ["unshare", "-m", "sh", "-c",
                       f"mount -t tmpfs tmpfs /run && mkdir -p {place} && "
                       f"mount --bind '{self.dir}' {place} && exec \"$@\"", "sh"]

    def put(self, token):
        """As the kubelet does it: a link to a new directory takes the old place."""
        self.serial += 1
        new = self.dir / f"..data-{self.serial}"
        new.mkdir()
        new.chmod(0o755)
        for name, text in (("token", token), ("ca.crt", self.ca),
                           ("namespace", "akkod")):
            (new / name).write_text(text)
            (new / name).chmod(0o644)
            link = self.dir / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        link = self.dir / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(self.dir / "..data")
