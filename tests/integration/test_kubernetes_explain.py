# SPDX-License-Identifier: BSD-2-Clause
"""akkod routes and explain over a real API server: objects by their own names."""
import json

import pytest

from test_kubernetes import (app, cluster, ingress, kube, middleware,  # noqa: F401
                             namespace, objects, router, service, status,
                             until)

pytestmark = pytest.mark.kubernetes


def explain(kube, host, code, path="/"):  # noqa: F811
    url = f"http://{host}:{kube.ports['web']}{path}"
    done = kube.command("explain", url, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def routes(kube):  # noqa: F811
    done = kube.command("routes", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_route_names_its_objects(kube):  # noqa: F811
    kube.cluster.apply(objects(
        middleware("set", {"headers": {"customRequestHeaders": {"X-A": "b"}}},
                   namespace="shop"),
        service("front", kube.app, namespace="shop"),
        ingress("front", "front.test", backend="front", namespace="shop",
                annotations=router(middlewares="shop-set@kubernetescrd",
                                   entrypoints="web"))))
    until(lambda: status(kube, "front.test") == 200)
    all_routes = routes(kube)
    mine = [r for r in all_routes["routers"].values()
            if r["object"] == "Ingress/shop/front"]
    assert len(mine) == 1
    assert mine[0]["status"] == "enabled" and mine[0]["using"] == ["web"]
    assert mine[0]["middlewares"] == ["shop-set@kubernetescrd"]
    set_headers = all_routes["middlewares"]["shop-set@kubernetescrd"]
    assert set_headers["object"] == "Middleware/shop/set"
    back = all_routes["services"][mine[0]["service"]]
    assert [s["url"] for s in back["loadBalancer"]["servers"]] == \
        [f"http://{kube.app.host}:{kube.app.port}"]
    said = explain(kube, "front.test", 0, "/x")
    assert said["router"]["object"] == "Ingress/shop/front"
    assert said["middlewares"][0]["object"] == "Middleware/shop/set"
    assert said["service"]["servers"][0]["state"] == "up"


def test_what_an_ingress_lacks(kube):  # noqa: F811
    port = ingress("port", "port.test", backend="front", namespace="shop")
    backend = port["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    backend["service"]["port"] = {"number": 8089}
    kube.cluster.apply(objects(
        service("front", kube.app, namespace="shop"), port,
        ingress("lost", "lost.test", backend="nowhere", namespace="shop"),
        ingress("mw", "mw.test", backend="front", namespace="shop",
                annotations=router(middlewares="shop-gone@kubernetescrd")),
        service("nobody", namespace="shop"),
        ingress("nobody", "nobody.test", backend="nobody", namespace="shop")))
    until(lambda: status(kube, "mw.test") == 503)

    def words(host):
        until(lambda: status(kube, host) in (404, 503))
        said = explain(kube, host, 1)
        assert said["answer"]["status"] == status(kube, host)
        return json.dumps([said["answer"], said["hints"]])

    assert "Service shop/front has no port 8089; it has http:80" in \
        words("port.test")
    assert "shop/nowhere" in words("lost.test")
    assert "shop-gone@kubernetescrd" in words("mw.test")
    assert "nobody" in words("nobody.test")
    # In the text as well.
    url = f"http://port.test:{kube.ports['web']}/"
    assert "it has http:80" in kube.command("explain", url).stdout
