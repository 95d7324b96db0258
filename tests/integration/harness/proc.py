# SPDX-License-Identifier: BSD-2-Clause
"""What /proc tells of processes."""
import os
import time
from pathlib import Path


def children(pid):
    """Pids of the direct children, also of those that have ended."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return sorted(found)


def status(pid):
    """/proc/PID/status as a dict of stripped strings."""
    text = Path(f"/proc/{pid}/status").read_text()
    return {k: v.strip() for k, _, v in
            (line.partition(":") for line in text.splitlines())}


def state(pid):
    """One letter, as in ps; None when there is no such process."""
    try:
        return status(pid)["State"][0]
    except OSError:
        return None


def alive(pid):
    return state(pid) not in (None, "Z", "X")


def fds(pid):
    """Descriptors and what they are: {3: "socket:[...]"}."""
    found = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except OSError:
            pass
    return found


def argv(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def maps(pid):
    """How many mappings a process has."""
    return len(Path(f"/proc/{pid}/maps").read_text().splitlines())


def cpu(pid):
    """Seconds of CPU that a process has used."""
    f = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def until(test, seconds=5, what="it"):
    """Waits until test() is true: its value."""
    end = time.monotonic() + seconds
    while not (value := test()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.005)
    return value
