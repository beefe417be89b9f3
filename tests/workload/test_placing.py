"""Where a request can run: tolerations, refusals, the image; all from what was read."""

from typing import Any

import pytest

from oc_gpu.kube import OcGpuError
from oc_gpu.kube.errors import UsageError
from oc_gpu.manifests.jobs import Limits, Site
from oc_gpu.snapshot.kinds import Meta, Node, NodeSpec, NodeStatus, Taint
from oc_gpu.snapshot.model import Snapshot, Unread
from oc_gpu.workload import placing
from oc_gpu.workload.model import Request

GPU, MIG = "nvidia.com/gpu", "nvidia.com/mig-1g.5gb"


def node(name: str, offers: dict[str, str] | None = None, *taints: Taint, **labels: str) -> Node:
    return Node(
        metadata=Meta(name=name, labels=labels),
        spec=NodeSpec(taints=list(taints)),
        status=NodeStatus(allocatable=offers or {}),
    )


OURS = Taint("nodetype", "gpu", "NoSchedule")
OTHER = Taint("team", "x", "NoExecute")
NODES = (
    node("cpu", None, Taint("cpu-only", "", "NoSchedule")),
    node("one", {GPU: "1"}, OURS, OTHER, zone="a"),
    node(
        "two", {GPU: "2"}, OURS, Taint("node.kubernetes.io/not-ready", "", "NoSchedule"), zone="b"
    ),
    node("cut", {MIG: "7"}, Taint("soft", "", "PreferNoSchedule")),
)


def snapshot(*nodes: Node, **more: Any) -> Snapshot:
    namespaces = ({"metadata": {"name": "me", "labels": more.pop("labels", {})}},)
    return Snapshot("https://c", tables={"nodes": nodes, "namespaces": namespaces, **more})


def request(gpus: dict[str, int] | None = None, **more: Any) -> Request:
    limits = Limits({GPU: 1} if gpus is None else gpus)
    return Request(title="t", namespace="me", limits=limits, **more)


def test_a_pod_tolerates_what_keeps_others_off_the_nodes_that_suit_it() -> None:
    found = placing.site(request(), snapshot(*NODES)).tolerations
    assert [t["key"] for t in found] == ["nodetype", "team"]
    only = placing.site(request(node_selector={"zone": "b"}), snapshot(*NODES)).tolerations
    assert [t["key"] for t in only] == ["nodetype"]


def test_a_pod_without_gpus_tolerates_nothing_unless_it_is_sent_to_a_node() -> None:
    assert placing.site(request({GPU: 0}), snapshot(*NODES)).tolerations == ()
    sent = placing.site(request({GPU: 0}, node="one"), snapshot(*NODES))
    assert [t["key"] for t in sent.tolerations] == ["nodetype", "team"]


def test_where_nodes_may_not_be_read_nothing_is_refused() -> None:
    unread = Snapshot("https://c", unread={"nodes": Unread("forbidden")})
    placing.refuse(request({GPU: 100}), unread)
    (toleration,) = placing.site(request(), unread).tolerations
    assert toleration["key"] == GPU


@pytest.mark.parametrize(
    ("wanted", "says", "hint"),
    [
        (
            request({"nvidia.com/gpu.shared": 1}),
            "no node offers nvidia.com/gpu.shared",
            f"{GPU} (3)",
        ),
        (request({GPU: 3}), "3 nvidia.com/gpu are asked for, and the largest node has 2", "fewer"),
        (
            request({GPU: 2}, node_selector={"zone": "a"}),
            "no node that matches zone=a offers 2 nvidia.com/gpu",
            "these offer some: one, two",
        ),
        (request({GPU: 0}, node_selector={"zone": "c"}), "no node matches zone=c", "show-labels"),
        (request(node="cpu"), "no node that matches cpu offers 1", "one, two"),
    ],
)
def test_what_no_node_can_run_is_refused(wanted: Request, says: str, hint: str) -> None:
    with pytest.raises(OcGpuError) as caught:
        placing.refuse(wanted, snapshot(*NODES))
    assert str(caught.value).startswith(says)
    assert any(hint in one for one in caught.value.hints)


def test_a_cluster_without_any_gpu_is_sent_to_status() -> None:
    with pytest.raises(placing.NoGpuError) as caught:
        placing.refuse(request(), snapshot(node("cpu")))
    assert "oc-gpu status" in caught.value.hints[0]


def test_what_some_node_can_run_is_not_refused() -> None:
    for wanted in (request(), request({GPU: 2}), request({MIG: 7}), request({GPU: 0})):
        placing.refuse(wanted, snapshot(*NODES))


def test_the_image_fits_the_oldest_driver() -> None:
    def image(*majors: str) -> str:
        nodes = [
            node(f"n{major}", {GPU: "1"}, **{"nvidia.com/cuda.driver.major": major})
            for major in majors
        ]
        return placing.pytorch_image(request(), snapshot(*nodes))

    assert "cuda12" in image("580", "550")
    assert "cuda11" in image("580", "470")
    assert image("470") == image("450")
    assert image() == image("580") == image("odd")


def test_the_cluster_tells_proxy_certificates_and_how_strict_it_is() -> None:
    proxy = {
        "spec": {"trustedCA": {"name": "user-ca"}},
        "status": {"httpsProxy": "http://proxy:3128", "noProxy": ".svc"},
    }
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    found = placing.site(request(), snapshot(proxies=(proxy,), labels=strict))
    assert found.ca
    assert found.strict
    assert {"name": "https_proxy", "value": "http://proxy:3128"} in found.env
    bare = placing.site(request(), snapshot())
    assert bare == Site(tolerations=bare.tolerations)


def test_a_namespace_that_is_not_there_is_refused_unless_it_may_not_be_seen() -> None:
    elsewhere = Request(title="t", namespace="you")
    with pytest.raises(UsageError, match="no namespace you"):
        placing.refuse_namespace(elsewhere, snapshot())
    placing.refuse_namespace(elsewhere, Snapshot("x", unread={"namespaces": Unread("forbidden")}))
