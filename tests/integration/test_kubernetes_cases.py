# SPDX-License-Identifier: BSD-2-Clause
"""The numbered cases of Kubernetes objects against the real API server.

What the providers make does not depend on the I/O backend, so this runs on one
of those asked for, the first. What happens to requests is in
test_kubernetes_run.py, on both.
"""
import re

import pytest

import kubernetes_crd_table as crd
import kubernetes_ingress_table as ing
import kubernetes_status_table as status
from conftest import BACKENDS
from kubernetes_table import Board

pytestmark = pytest.mark.kubernetes

TABLE = ing.INGRESS + crd.CRD
ELSEWHERE = ing.ELSEWHERE + status.ELSEWHERE + crd.ELSEWHERE


@pytest.fixture(scope="module")
def board(shared_cluster, tmp_path_factory):
    b = Board(shared_cluster, TABLE, BACKENDS[0],
              tmp_path_factory.mktemp("board"))
    yield b
    b.close()


# Those that share an akkod come one after another.
ORDER = sorted(TABLE, key=lambda c: (c.alone, repr(sorted(c.options))))


@pytest.mark.parametrize("case", ORDER, ids=repr)
def test_case(board, case):
    if case.refused:
        board.check_refused(case)
    elif case.alone:
        board.check_alone(case)
    else:
        board.check(case)


@pytest.mark.parametrize("row", status.STATUS, ids=repr)
def test_status(addresses, row):
    addresses.check(row)


@pytest.fixture(scope="module")
def addresses(shared_cluster, tmp_path_factory):
    s = status.Addresses(shared_cluster, BACKENDS[0],
                         tmp_path_factory.mktemp("addresses"))
    yield s
    s.close()


def test_numbers_are_unique():
    numbers = [c.number for c in TABLE]
    assert len(set(numbers)) == len(numbers), \
        {n for n in numbers if numbers.count(n) > 1}


# Everything that kubernetes.md 6.1 to 6.4 and 6.6 number.
ALL = [*range(1, 140), *range(150, 159)]


def numbers_of(text):
    """"6.1-67..70" and "6.1-50, 54 ({})" to numbers."""
    text = re.sub(r"\(.*?\)", "", text.split("-", 1)[1])
    for part in text.split(","):
        found = [int(n) for n in re.findall(r"\d+", part)]
        if found and "S" not in part:
            yield from range(found[0], (found[1] if ".." in part
                                        else found[0]) + 1)


def test_every_case_is_somewhere(capsys):
    """A number that no row has is named with the test that shows it, and why."""
    have = {int(m.group(1)) for c in [*TABLE, *status.STATUS]
            if (m := re.match(r"6\.\d-(\d+)", repr(c)))}
    with capsys.disabled():
        print()
        for e in ELSEWHERE:
            print(f"  case {e}")
    for e in ELSEWHERE:
        assert re.search(rf"\b{e.test}\b", e.file.read_text()), str(e)
        have |= set(numbers_of(e.number))
    assert not set(ALL) - have, sorted(set(ALL) - have)
