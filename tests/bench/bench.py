#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures akkod against Debian's nginx and HAProxy; see README.md here.

What is compared is CPU time per request of all of a proxy's processes, at the
same fixed rate of requests, in rounds: in each round every proxy does the same
work once, in an order that changes, and only ratios within a round count.
"""
import argparse
import json
import pathlib
import random
import shutil
import statistics
import sys
import tempfile

import checks
import h2
from proxies import Akkod, HAProxy, Nginx, Tools, make_certificate

# name: (load's arguments, what the issue asks of io_uring and epoll)
WORK = {
    "h1-200": ("-h bench.test -p /200 -r 8000", 0.80, 0.95),
    "h1-10k": ("-h bench.test -p /10240 -r 4000", 0.85, 0.95),
    "tls-200": ("-h bench.test -p /200 -r 6000 -T", 0.85, 0.95),
    "tls-new": ("-h bench.test -p /200 -r 400 -T -N", 0.75, 0.75),
    "tls-resumed": ("-h bench.test -p /200 -r 400 -T -R", 0.75, 0.75),
    "auth-200": ("-h auth.test -p /200 -r 4000", 0.85, 0.95),
    "body-1m": ("-h bench.test -p /1048576 -r 120 -c 16", 0.50, 0.50),
    "body-1m-tls": ("-h bench.test -p /1048576 -r 120 -c 16 -T", 0.85, 0.85),
    "gzip-10k": (["-h", "gzip.test", "-p", "/10240", "-r", "2000", "-H",
                  "Accept-Encoding: gzip"], 1.0, 1.0),
    "body-100m": ("-h bench.test -p /104857600 -r 4 -c 2 -t 3", 1.0, 1.0),
    "ws-echo": ("-h bench.test -p /ws -r 1000 -c 16 -W", 0.9, 0.9),
    "h2-200": ({"tls": True, "path": "/200", "clients": 16, "rate": 6000,
                "more": ["-m", "10"]}, 0.85, 1.0),
    "upload-1m": ({"tls": False, "path": "/200", "clients": 16, "rate": 120,
                   "more": ["--h1", "-d", "BODY"]}, 1.0, 1.0),
}
WAITED_MOST = 0.1       # of its CPU time that a proxy was runnable only
ROUTES = (10, 1000, 10000)
ROUTES_MOST = 1.05      # 10,000 routes against 10


def sample(proxy, tools, args, seconds):
    """One sample; once more when others kept the proxy from running."""
    for _ in range(2):
        result = sample_once(proxy, tools, args, seconds)
        if result["waited"] < WAITED_MOST and not result["saturated"]:
            break
    return result


def sample_once(proxy, tools, args, seconds):
    if isinstance(args, dict):
        return h2.sample_once(proxy, tools, args, seconds)
    args = args.split() if isinstance(args, str) else args
    out, _ = tools.load(proxy, "-t", str(seconds), *args).communicate()
    result = json.loads(out)
    wanted = float(args[args.index("-r") + 1]) * result["seconds"]
    result["saturated"] = result["done"] < 0.97 * wanted
    if result["errors"]:
        print(f"  {proxy.name}: {result['errors']} errors", file=sys.stderr)
    return result


def rounds(proxies, tools, work, opt):
    """CPU us per request: a list per proxy, one figure a round."""
    cost = {p.name: [] for p in proxies}
    for _ in range(opt.rounds):
        result = {}
        for p in random.sample(proxies, len(proxies)):
            result[p.name] = sample(p, tools, work, opt.seconds)
            if opt.verbose:
                print(f"  {p.name}: {result[p.name]}", flush=True)
        if min(r["done"] for r in result.values()) == 0:
            continue            # one of them had no processor at all
        for name, r in result.items():
            cost[name].append(r["cpu_us"])
    if min(map(len, cost.values())) < 2:
        raise RuntimeError("the machine is too busy to measure anything")
    return cost


def ratio(a, b):
    """Round by round: median and the quartiles around it."""
    r = [x / y for x, y in zip(a, b)]
    low, middle, high = statistics.quantiles(r, n=4, method="inclusive")
    return middle, low, high


def show(r):
    return f"{r[0]:.2f} ({r[1]:.2f}-{r[2]:.2f})"


def compare(opt, tools, folder):
    peers = [Nginx("nginx", folder, tools.port),
             HAProxy("haproxy", folder, tools.port)]
    ours = [Akkod(f"akkod-{io}", folder, tools.port, opt.akkod, io)
            for io in opt.io]
    proxies = []
    try:
        for p in peers + ours:
            proxies.append(p.start())
        print("| work | " + " | ".join(p.name for p in proxies) + " | " +
              " | ".join(f"{o.name} / better peer (wanted)" for o in ours) +
              " |", flush=True)
        print("|" + "---|" * (1 + len(proxies) + len(ours)))
        for name in opt.work:
            if name in WORK:
                compare_one(name, proxies, ours, tools, opt)
    finally:
        for p in proxies:
            p.stop()


def compare_one(name, proxies, ours, tools, opt):
    args, uring, epoll = WORK[name]
    # HAProxy has no forward-auth of its own.
    able = [p for p in proxies if name != "auth-200" or p.name != "haproxy"]
    cost = rounds(able, tools, args, opt)
    median = {n: statistics.median(c) for n, c in cost.items()}
    better = min((n for n in median if not n.startswith("akkod")),
                 key=median.get)
    cells = [f"{median[p.name]:.1f}" if p.name in median else "-"
             for p in proxies]
    for o in ours:
        wanted = uring if o.io == "uring" else epoll
        cells.append(f"{show(ratio(cost[o.name], cost[better]))} "
                     f"[{wanted:.2f}]")
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def compare_routes(opt, tools, folder):
    """Requests to hosts at random among 10, 1,000 and 10,000."""
    for io in opt.io:
        proxies = []
        try:
            for n in ROUTES:
                proxies.append(Akkod(f"routes-{n}-{io}", folder, tools.port,
                                     opt.akkod, io, n).start())
            cost = {p.name: [] for p in proxies}
            for _ in range(opt.rounds):
                for p in random.sample(proxies, len(proxies)):
                    load = f"-h %u.routes.test -n {p.routes} -p /200 -r 8000"
                    cost[p.name].append(sample(
                        p, tools, load, opt.seconds)["cpu_us"] or 1)
            base = cost[proxies[0].name]
            print(f"routes ({io}): " + ", ".join(
                f"{p.routes:,}: {statistics.median(cost[p.name]):.1f} us = "
                f"{show(ratio(cost[p.name], base))}" for p in proxies) +
                f" [{ROUTES_MOST}]", flush=True)
        finally:
            for p in proxies:
                p.stop()


def options():
    every = [*WORK, "routes", *checks.CHECKS]
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--akkod", default="./akkod", help="the program to measure")
    p.add_argument("--work", action="append", metavar="NAME",
                   help="one of " + " ".join(every) + "; may be repeated")
    p.add_argument("--rounds", type=int)
    p.add_argument("--seconds", type=float, help="of each sample")
    p.add_argument("--io", action="append", choices=["uring", "epoll"])
    p.add_argument("--quick", action="store_true",
                   help="3 rounds of half a second: for a first look")
    p.add_argument("--verbose", action="store_true")
    opt = p.parse_args()
    opt.io = opt.io or ["uring", "epoll"]
    opt.work = opt.work or every
    for w in opt.work:
        if w not in every:
            p.error(f"no work is named {w}")
    opt.rounds = opt.rounds or (3 if opt.quick else 15)
    opt.seconds = opt.seconds or (0.5 if opt.quick else 1.5)
    opt.akkod = str(pathlib.Path(opt.akkod).resolve(strict=True))
    return opt


def main():
    opt = options()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    make_certificate(folder)
    tools = Tools(folder)
    try:
        if any(w in WORK for w in opt.work):
            compare(opt, tools, folder)
        if "routes" in opt.work:
            compare_routes(opt, tools, folder)
        for name, check in checks.CHECKS.items():
            if name in opt.work:
                check(opt, tools, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
