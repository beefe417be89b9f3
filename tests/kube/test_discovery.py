"""Discovery: in two requests from new servers, one by one from old ones."""

import asyncio

from oc_gpu.kube import Discovery, Resource
from tests.kube.fake import answer, client
from tests.kube.server import Exchange, serve, status
from tests.kube.wires import connected

PODS = Resource("", "v1", "pods", "Pod")
POLICY = Resource("nvidia.com", "v1", "clusterpolicies", "ClusterPolicy", namespaced=False)


def aggregated(group: str, *versions: tuple[str, str, list[Resource]]) -> dict[str, object]:
    return {
        "metadata": {"name": group},
        "versions": [
            {
                "version": version,
                "freshness": freshness,
                "resources": [
                    {
                        "resource": item.plural,
                        "responseKind": {"kind": item.kind},
                        "scope": "Namespaced" if item.namespaced else "Cluster",
                        "subresources": [{"subresource": "status"}],
                    }
                    for item in resources
                ],
            }
            for version, freshness, resources in versions
        ],
    }


def test_a_new_server_is_asked_twice() -> None:
    old = Resource("nvidia.com", "v1alpha1", "clusterpolicies", "ClusterPolicy", namespaced=False)
    kind = "APIGroupDiscoveryList"
    kube, sent = client(
        answer({"kind": kind, "items": [aggregated("", ("v1", "Current", [PODS]))]}),
        answer(
            {
                "kind": kind,
                "items": [
                    aggregated(
                        "nvidia.com", ("v1", "Current", [POLICY]), ("v1alpha1", "Current", [old])
                    ),
                    aggregated("metrics.k8s.io", ("v1beta1", "Stale", [])),
                ],
            }
        ),
    )
    found = asyncio.run(kube.discover())
    assert found == Discovery((PODS, POLICY, old), ("metrics.k8s.io/v1beta1",))
    assert found.find("nvidia.com", "ClusterPolicy") == POLICY
    assert found.find("nvidia.com", "Missing") is None
    assert [request.path for request in sent.sent] == ["/api", "/apis"]
    assert "as=APIGroupDiscoveryList" in sent.sent[0].headers["accept"]


def test_an_old_server_is_asked_for_each_group_and_version() -> None:
    group = {
        "name": "nvidia.com",
        "versions": [
            {"groupVersion": "nvidia.com/v1alpha1", "version": "v1alpha1"},
            {"groupVersion": "nvidia.com/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "nvidia.com/v1", "version": "v1"},
    }
    broken = {"name": "metrics.k8s.io", "versions": [{"groupVersion": "metrics.k8s.io/v1beta1"}]}
    policies = {"name": "clusterpolicies", "kind": "ClusterPolicy", "namespaced": False}
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [group, broken]},
        "/api/v1": {
            "resources": [
                {"name": "pods", "kind": "Pod", "namespaced": True},
                {"name": "pods/log", "kind": "Pod", "namespaced": True},
            ]
        },
        "/apis/nvidia.com/v1": {"resources": [policies]},
        "/apis/nvidia.com/v1alpha1": {"resources": [policies]},
    }

    async def handle(exchange: Exchange) -> None:
        found = answers.get(exchange.path)
        if found is None:
            await exchange.reply(403, status(403, "Forbidden", "no"))
        else:
            await exchange.reply(200, found)

    async def go() -> Discovery:
        async with serve(handle) as server, connected(server.url) as kube:
            return await kube.discover()

    found = asyncio.run(go())
    assert found.resources[:2] == (PODS, POLICY)
    assert [item.version for item in found.resources] == ["v1", "v1", "v1alpha1"]
    assert found.failed == ("metrics.k8s.io/v1beta1",)
