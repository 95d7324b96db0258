# SPDX-License-Identifier: BSD-2-Clause
"""What is not a matter of rounds: memory, allocations, time until live."""
import ctypes
import json
import os
import re
import socket
import statistics
import struct
import subprocess
import time

from proxies import Akkod, HAProxy, Nginx

IDLE = 4000             # connections
CHANGES = 20


# ---- Memory of idle connections ---------------------------------------------

def pss(pids):
    """User memory in bytes, shared pages counted by their share."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += int(re.search(r"^Pss: +(\d+)", f.read(), re.M)[1]) * 1024
    return total


def idle_cost(proxy, tools, tls):
    """Bytes per connection that did one request and waits."""
    more = ["-T"] if tls else []
    # What serving needs at all is there before.
    tools.load(proxy, "-r", "500", "-t", "1", *more).communicate()
    time.sleep(1)
    before = pss(proxy.pids())
    load = tools.load(proxy, "-i", "-c", str(IDLE), "-r", "1500", *more,
                      stdin=subprocess.PIPE)
    result = json.loads(load.stdout.readline())
    time.sleep(2)
    after = pss(proxy.pids())
    load.stdin.close()
    load.wait()
    if result["done"] != IDLE:
        raise RuntimeError(f"{proxy.name}: only {result['done']} connections")
    time.sleep(0.5)
    return (after - before) / IDLE


def memory(opt, tools, folder):
    kinds = [lambda n, io=io: Akkod(n, folder, tools.port, opt.akkod, io)
             for io in opt.io] + [lambda n: Nginx(n, folder, tools.port),
                                  lambda n: HAProxy(n, folder, tools.port)]
    for i, make in enumerate(kinds):
        # A process each: what one kind left behind would serve the other.
        cost = {}
        for tls in False, True:
            p = make(f"memory-{i}-{'tls' if tls else 'plain'}").start()
            try:
                cost[tls] = idle_cost(p, tools, tls)
            finally:
                p.stop()
        name = f"akkod {p.io}" if i < len(opt.io) else type(p).__name__
        print(f"memory per idle connection, {name}: plain "
              f"{cost[False]:.0f} B [1024], TLS {cost[True] / 1024:.1f} KB "
              "[15]", flush=True)


# ---- Allocations per request ---------------------------------------------------

def libc_offsets(pid, names):
    """The library's path and the places of functions in its file."""
    with open(f"/proc/{pid}/maps") as f:
        path = re.search(r"\S+/libc\.so\.6$", f.read(), re.M)[0]
    segments = subprocess.run(["readelf", "-lW", path], check=True, text=True,
                              capture_output=True).stdout
    loads = [tuple(int(n, 16) for n in m) for m in re.findall(
        r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", segments)]
    symbols = subprocess.run(["nm", "-D", path], check=True, text=True,
                             capture_output=True).stdout
    offsets = {}
    for name in names:
        at = int(re.search(rf"^(\w+) [TW] {name}(@|$)", symbols, re.M)[1], 16)
        for offset, address, size in loads:
            if address <= at < address + size:
                offsets[name] = at - address + offset
    return path, offsets


class Uprobe:
    """Counts how often a process comes by a place of a file."""

    def __init__(self, pid, path, offset):
        kind = int(open("/sys/bus/event_source/devices/uprobe/type").read())
        self.path = ctypes.create_string_buffer(path.encode())
        attr = bytearray(128)
        struct.pack_into("II", attr, 0, kind, len(attr))
        struct.pack_into("QQ", attr, 56, ctypes.addressof(self.path), offset)
        self.fd = ctypes.CDLL(None, use_errno=True).syscall(
            298, (ctypes.c_char * len(attr)).from_buffer(attr), pid, -1, -1, 0)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "perf_event_open")

    def count(self):
        return struct.unpack("Q", os.read(self.fd, 8))[0]

    def close(self):
        os.close(self.fd)


MALLOCS = ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc",
           "memalign")


def mallocs(opt, tools, folder):
    for io in opt.io:
        p = Akkod(f"mallocs-{io}", folder, tools.port, opt.akkod, io).start()
        try:
            mallocs_of(p, tools, io)
        finally:
            p.stop()


def mallocs_of(proxy, tools, io):
    """In the worker, while connections of both sides stay the same."""
    pids = [p for p in proxy.pids() if b"worker" in
            open(f"/proc/{p}/cmdline", "rb").read()]
    path, offsets = libc_offsets(pids[0], MALLOCS)
    load = tools.load(proxy, "-r", "4000", "-c", "16", "-t", "3", "-w", "0")
    time.sleep(1)
    try:
        probes = [Uprobe(p, path, o) for p in pids for o in offsets.values()]
    except OSError as e:
        print(f"mallocs: cannot be counted here: {e}")
        load.wait()
        return
    before = sum(p.count() for p in probes)
    time.sleep(1)
    count = sum(p.count() for p in probes) - before
    for p in probes:
        p.close()
    load.communicate()
    print(f"mallocs per HTTP/1 request ({io}): {count / 4000:.3f} [0]",
          flush=True)


# ---- Time until a change is live --------------------------------------------------

class Asker:
    """A connection that asks which version a route is at."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def version(self):
        self.s.sendall(b"GET /1 HTTP/1.1\r\nHost: change.test\r\n\r\n")
        got = b""
        while not got.endswith(b"\r\n\r\n{"):
            part = self.s.recv(4096)
            if not part:
                raise RuntimeError("connection lost")
            got += part
        return int(re.search(rb"x-version: (\d+)", got, re.I)[1])


def put_change(proxy, version):
    text = f"""
http:
  routers:
    change: {{rule: Host(`change.test`), service: origin, middlewares: [v]}}
  middlewares:
    v: {{headers: {{customResponseHeaders: {{X-Version: "{version}"}}}}}}
"""
    proxy.write(".change", text)
    os.rename(proxy.dir / ".change", proxy.dir / "dynamic" / "change.yaml")


def publish(opt, tools, folder):
    """From the rename of a file to the last worker that serves its content."""
    for io in opt.io:
        p = Akkod(f"publish-{io}", folder, tools.port, opt.akkod, io, 10000,
                  workers=2)
        p.configure = lambda: (Akkod.configure(p), put_change(p, 0))
        p.start()
        try:
            with tools.server():
                took = [publish_once(p, v) for v in range(1, CHANGES + 1)]
        finally:
            p.stop()
        took.sort()
        print(f"a change among 10,000 routes is live in 2 workers ({io}): "
              f"{statistics.median(took):.1f} ms "
              f"({took[0]:.1f}-{took[-1]:.1f}) [10]", flush=True)


def publish_once(proxy, version):
    askers = [Asker(proxy.plain) for _ in range(8)]     # on both workers
    for a in askers:
        a.version()
    start = time.perf_counter()
    put_change(proxy, version)
    for a in askers:
        while a.version() != version:
            if time.perf_counter() - start > 10:
                raise RuntimeError("the change is never live")
    took = (time.perf_counter() - start) * 1000
    time.sleep(0.1)
    return took


CHECKS = {"memory": memory, "mallocs": mallocs, "publish": publish}
