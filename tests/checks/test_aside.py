"""What stands beside the GPUs, or was set aside on purpose, is no cause of their trouble."""

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Severity
from tests.checks.patient import NODE, Patient

_DEPLOY = "nvidia.com/gpu.deploy."


def _sure(made: Patient) -> set[str | None]:
    return {one.cause for one in made.diagnosis() if one.confidence >= SURE}


def _neighbour(made: Patient, why: str = "toomanyrequests") -> Patient:
    """Add a pod of somebody else that waits for its image."""
    made.pod("etl-0", "etl", {"containers": [{"name": "etl", "image": "etl:1"}], "nodeName": NODE})
    made.fails("etl-0", "ImagePullBackOff")
    return made.event("etl-0", f'Failed to pull image "docker.io/acme/etl:1": {why}')


def test_an_image_that_a_neighbour_waits_for_does_not_stop_the_driver() -> None:
    assert "registry-rate-limited" not in _sure(_neighbour(Patient().fails("driver")))
    waits = _neighbour(Patient().fails("driver", "ImagePullBackOff"))
    assert "registry-rate-limited" in _sure(waits)


def test_a_neighbour_without_its_image_is_a_hint_where_the_gpus_are_well() -> None:
    for why in ("toomanyrequests", "x509: certificate signed by unknown authority"):
        (found,) = _neighbour(Patient(), why).diagnosis()
        assert found.severity is Severity.WARNING


def test_a_catalog_that_nothing_here_comes_from_stops_nothing() -> None:
    made = Patient().fails("driver")
    state = {"connectionState": {"lastObservedState": "TRANSIENT_FAILURE"}}
    made.add("catalogsources", "community-operators", "openshift-marketplace", status=state)
    assert "olm-catalogsource-unhealthy" not in _sure(made)


def test_a_label_that_leaves_a_node_to_the_driver_of_its_host_is_meant() -> None:
    assert Patient().labels(**{f"{_DEPLOY}driver": "pre-installed"}).diagnosis() == ()


def test_what_is_paused_for_a_change_that_failed_is_not_the_cause() -> None:
    made = Patient().policy(sandboxWorkloads={"enabled": True})
    paused = {f"{_DEPLOY}sandbox-validator": "paused-for-vgpu-change"}
    made.labels(**paused, **{"nvidia.com/vgpu.config.state": "failed"})
    assert "gpu-deploy-labels-wrong" not in _sure(made)
    made.labels(**{"nvidia.com/vgpu.config.state": "success"})
    assert "gpu-deploy-labels-wrong" in _sure(made)


def test_a_worker_of_nfd_that_fails_leaves_open_why_nodes_have_no_labels() -> None:
    gone = [
        name for name in Patient().one("nodes", NODE)["metadata"]["labels"] if "feature" in name
    ]
    made = Patient().labels(*gone).fails("nfd-worker")
    assert "nfd-labels-missing" not in _sure(made)


def test_a_digest_that_cannot_be_pulled_says_nothing_of_a_tag() -> None:
    made = Patient().fails("driver", "ImagePullBackOff", image="nvcr.io/nvidia/driver@sha256:aa")
    assert "driver-image-tag-missing" not in _sure(made)


def test_a_daemonset_without_pods_and_events_leaves_open_who_refuses_them() -> None:
    made = Patient()
    for item in made.tables["daemonsets"]:
        item["status"]["currentNumberScheduled"] = 0
        item["status"]["numberReady"] = 0
    assert "scc-rejected" not in _sure(made)
