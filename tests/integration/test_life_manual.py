# SPDX-License-Identifier: BSD-2-Clause
"""The examples of akkod-upgrade(7), run as they stand there."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ONE_SERVICE
from harness import proc
from harness.akkod import PROGRAM
from harness.load import Load
from harness.service import Service

PAGE = Path(__file__).parents[2] / "man/akkod-upgrade.7"
EXAMPLES = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", PAGE.read_text(),
                      re.M | re.S)


@pytest.fixture
def service(io, tmp_path, upstream):
    u = upstream()
    s = Service(tmp_path / "akkod", io, "akkod: {workers: 2}\n" + ONE_SERVICE,
                values={"upstream": u.port})
    s.upstream = u
    assert s.start().returncode == 0
    yield s
    s.close()


def test_the_page_has_examples():
    assert len(EXAMPLES) >= 4
    assert all("akkod" in x for x in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example(service, tmp_path, example):
    """Each line succeeds, and nothing is lost unless akkod is stopped."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("akkod", "akkod-next"):
        shutil.copy(PROGRAM, programs / name)
    for there, here in (("/run/akkod", service.run_dir),
                        ("/etc/akkod/akkod.yaml", service.config),
                        ("/opt/akkod-next", programs / "akkod-next"),
                        ("/usr/bin/akkod", programs / "akkod")):
        example = example.replace(there + " ", f"{here} ") \
            .replace(there + "\n", f"{here}\n").replace(there + "/", f"{here}/")
    stops = "stop" in example
    address = ("127.0.0.1", service.ports["web"])
    with Load(address, keep_alive=2, fresh=0 if stops else 2) as load:
        for line in example.splitlines():
            done = subprocess.run(
                line, shell=True, capture_output=True, text=True, timeout=40,
                env={**service.env, "PATH": f"{programs}:{os.environ['PATH']}"})
            assert done.returncode == 0, (line, done.stderr)
            if stops and "sleep" in line:
                load.stopping = True
            if "upgrade" in line:
                proc.until(lambda: service.status()["old_workers"] is None, 15)
        if not stops:
            load.wait(20)
    load.check(service.upstream)
    assert (service.command("status").returncode == 3) == stops
