"""How far OLM is with an operator, and what stands in its way."""

from typing import Any

from oc_gpu.stages import operators
from oc_gpu.stages.model import Progress, State
from tests.stages.builders import meta, snapshot
from tests.stages.builders import pod as plain_pod

CSV = "gpu-operator-certified.v1"
REPLICASET = [{"kind": "ReplicaSet", "name": "gpu-operator-5d9f", "controller": True}]


def seen(*pods: Any, phase: str = "Installing", **status: str) -> Progress:
    sub = {
        "metadata": meta("gpu-operator-certified", namespace="ns"),
        "spec": {"name": "gpu-operator-certified"},
        "status": {"installedCSV": CSV},
    }
    csv = {
        "metadata": meta(CSV, namespace="ns"),
        "spec": {"install": {"spec": {"deployments": [{"name": "gpu-operator"}]}}},
        "status": {"phase": phase, **status},
    }
    tables = snapshot(subscriptions=[sub], csvs=[csv], pods=pods)
    return operators.installed(tables, "gpu-operator-certified")


def pod(reason: str, message: str = "", owner: Any = REPLICASET, **more: Any) -> Any:
    waiting = {"reason": reason, "message": message}
    state = {"name": "main", "image": "nvcr.io/x:1", "state": {"waiting": waiting}}
    given = {"containerStatuses": [state], "phase": "Pending", **more}
    return plain_pod("gpu-operator-5d9f-x", owners=owner, **given)


def test_a_pod_without_its_image_fails_the_installation_with_what_the_kubelet_says() -> None:
    progress = seen(pod("ImagePullBackOff", "manifest unknown"))
    assert progress.state is State.FAILED
    assert progress.detail.startswith(f"{CSV} is Installing: container main of gpu-operator-5d9f-x")
    assert "nvcr.io/x:1" in progress.detail
    assert "manifest unknown" in progress.detail
    assert progress.objects == ("Pod/gpu-operator-5d9f-x",)


def test_a_csv_that_failed_for_want_of_its_pod_names_the_pod() -> None:
    progress = seen(pod("ImagePullBackOff"), phase="Failed", reason="InstallCheckFailed")
    assert progress.state is State.FAILED
    assert f"{CSV} is Failed" in progress.detail
    assert "nvcr.io/x:1" in progress.detail


def test_a_failure_that_olm_takes_back_is_waited_for_with_its_reason() -> None:
    status = {"reason": "ComponentUnhealthy", "message": "deployment not available"}
    progress = seen(phase="Failed", **status)
    assert progress.state is State.WAITING
    assert "ComponentUnhealthy: deployment not available" in progress.detail
    assert "OLM tries again" in progress.detail


def test_a_pod_that_finds_no_node_is_waited_for_with_what_the_scheduler_says() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/6 nodes are available"}
    waiting = pod("", conditions=[condition], containerStatuses=[])
    progress = seen(waiting)
    assert progress.state is State.WAITING
    assert "gpu-operator-5d9f-x: 0/6 nodes are available" in progress.detail


def test_a_pod_of_another_deployment_is_not_the_operators() -> None:
    other = [{"kind": "ReplicaSet", "name": "other-5d9f", "controller": True}]
    assert seen(pod("ImagePullBackOff", owner=other)).state is State.WAITING
