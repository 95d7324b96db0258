# SPDX-License-Identifier: BSD-2-Clause
"""Configurations from Python objects: one router per host; see site()."""
import json


def site(middlewares=None, routers=None, services=None, tls=None, **http):
    """The text of a dynamic configuration.

    `routers` maps a name to a list of middlewares or to a router's fields;
    unless they say otherwise router x serves the host x.test with the service
    app, which is the upstream of the word @upstream@.
    """
    table = {}
    for name, value in (routers or {}).items():
        r = {"rule": f"Host(`{name}.test`)", "service": "app"}
        r.update(value if isinstance(value, dict) else {"middlewares": value})
        table[name] = {k: v for k, v in r.items() if v not in (None, [])}
    http["routers"] = table
    if middlewares:
        http["middlewares"] = middlewares
    http["services"] = {"app": balancer("http://127.0.0.1:@upstream@"),
                        **(services or {})}
    text = f"http: {json.dumps(http)}\n"
    return text + (f"tls: {json.dumps(tls)}\n" if tls else "")


def balancer(*urls, **options):
    """A loadBalancer with these servers."""
    return {"loadBalancer": {"servers": [{"url": u} for u in urls], **options}}
