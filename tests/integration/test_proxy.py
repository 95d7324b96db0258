# SPDX-License-Identifier: BSD-2-Clause
"""Passing requests on: what arrives at a service, what comes back."""
import json


def test_request_arrives(proxy):
    r = proxy.get("/a/b?c=d", host="a.test", headers=[("X-Own", "1")])
    assert r.status == 200
    seen = json.loads(r.body)
    assert seen["method"] == "GET" and seen["target"] == "/a/b?c=d"
    fields = dict(seen["fields"])
    assert fields["Host"] == "a.test" and fields["X-Own"] == "1"
    assert fields["X-Forwarded-Host"] == "a.test"
    assert fields["X-Forwarded-Proto"] == "http"
    assert fields["X-Forwarded-For"] == "127.0.0.1"


def test_keep_alive_both_sides(proxy):
    with proxy.client() as c:
        for n in range(20):
            r = c.request("POST", f"/{n}", body=b"x" * n)
            assert json.loads(r.body)["body"] == "x" * n
    assert len(proxy.upstream.connections) == 1
