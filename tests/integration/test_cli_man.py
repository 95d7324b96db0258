# SPDX-License-Identifier: BSD-2-Clause
"""What the manual shows is run as it stands, in a directory of its own."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.akkod import PROGRAM
from harness.ports import free_port

MAN = Path(__file__).parents[2] / "man"

CONFIG = """
entryPoints:
  web: {address: "127.0.0.1:PORT"}
  websecure: {address: "127.0.0.1:SECURE", http: {tls: {}}}
http:
  routers:
    bi: {rule: "Host(`bi.akko.local`)", service: bi}
  services:
    bi: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}
"""


def examples(page):
    """The literal blocks of a page's EXAMPLES, each a list of lines."""
    text = (MAN / page).read_text().split("\n.Sh EXAMPLES\n")[1]
    text = text.split("\n.Sh ")[0].replace("\\e", "\\")
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S)
    return [b.splitlines() for b in blocks]


@pytest.fixture
def shell(tmp_path, io):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/akkod").symlink_to(PROGRAM)
    (tmp_path / "akkod.yaml").write_text(
        CONFIG.replace("PORT", str(free_port())).replace("SECURE",
                                                         str(free_port())))

    def run(lines):
        text = "\n".join(lines).replace("/tmp/akkod", f"{tmp_path}/run")
        text = text.replace("/usr/local/share/ca-certificates", str(tmp_path))
        text = re.sub(r"akkod (check|start|ca)\b",
                      rf"akkod \1 --state-dir {tmp_path}/state", text)
        return subprocess.run(
            ["bash", "--norc", "-euo", "pipefail", "-c", text], cwd=tmp_path,
            capture_output=True, text=True, timeout=60,
            env={**os.environ, "AKKOD_IO": io,
                 "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})

    yield run
    run(["akkod stop --runtime-dir /tmp/akkod"])


def test_akkod_8(shell, tmp_path):
    done = []
    for block in examples("akkod.8"):
        # The trust store of the machine is left alone.
        block = [line for line in block if line != "update-ca-certificates"]
        result = shell(block)
        assert result.returncode == 0, (block, result.stdout, result.stderr)
        done += block
    assert len(done) >= 7
    assert (tmp_path / "akkod.crt").read_text().startswith("-----BEGIN CERT")


def test_akkod_reasons_7(shell, tmp_path):
    (tmp_path / "access.log").write_text(
        '{"Reason": "route-none"}\n{"DownstreamStatus": 200}\n'
        '{"Reason": "rate-limit"}\n{"Reason": "route-none"}\n')
    (block,) = examples("akkod-reasons.7")
    result = shell(block)
    assert result.stdout.split() == ["1", "rate-limit", "2", "route-none"]
