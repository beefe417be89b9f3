"""How far a Job is, from what kubelet, scheduler and Job controller say of it."""

from typing import Any

import msgspec
import pytest

from oc_gpu.snapshot.kinds import Event, Pod
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.workload.standing import Stage, Standing, standing

JOB = "oc-gpu-run-x"
NAME = f"{JOB}-abcde"


def pod(main: dict[str, Any] | None, *others: dict[str, Any], **status: Any) -> Pod:
    statuses = [{"name": "main", "image": "quay.io/a/b:1", "state": main}] if main else []
    raw = {
        "metadata": {"name": NAME, "namespace": "me", **status.pop("metadata", {})},
        "spec": {"nodeName": status.pop("node", "gpu-0")},
        "status": {"phase": "Pending", "containerStatuses": statuses, **status},
    }
    raw["status"]["initContainerStatuses"] = list(others)
    return msgspec.convert(raw, Pod)


def event(reason: str, message: str, kind: str = "Pod", name: str = NAME, at: str = "1") -> Event:
    about = {"kind": kind, "name": name}
    raw = {"involvedObject": about, "reason": reason, "message": message, "lastTimestamp": at}
    return msgspec.convert(raw, Event)


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def files(state: dict[str, Any]) -> dict[str, Any]:
    return {"name": "files-in", "image": "quay.io/a/b:1", "state": state}


RUNNING = {"running": {"startedAt": "x"}}


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


def seen(
    *pods: Pod, events: tuple[Event, ...] = (), suspend: bool = False, gone: bool = False
) -> Standing:
    jobs = () if gone else ({"metadata": {"name": JOB}, "spec": {"suspend": suspend}},)
    return standing(Snapshot("x", tables={"pods": pods, "jobs": jobs, "events": events}), JOB)


@pytest.mark.parametrize(
    ("found", "stage", "says"),
    [
        (seen(), Stage.WAITING, "its pod is made"),
        (seen(suspend=True), Stage.WAITING, "its queue has not admitted it yet"),
        (seen(gone=True), Stage.LOST, "was deleted"),
        (
            seen(
                events=(event("FailedCreate", "pods is forbidden: exceeded quota: q", "Job", JOB),)
            ),
            Stage.LOST,
            "its pod is refused: pods is forbidden: exceeded quota: q",
        ),
        (seen(pod(waiting("ContainerCreating"))), Stage.WAITING, "ContainerCreating on gpu-0"),
        (seen(pod(waiting("ErrImagePull"))), Stage.WAITING, "ErrImagePull on gpu-0"),
        (
            seen(
                pod(waiting("ImagePullBackOff", "Back-off pulling image")),
                events=(
                    event("Failed", "Error: ErrImagePull", at="3"),
                    event("Failed", 'Failed to pull image "quay.io/a/b:1": unauthorized', at="2"),
                    event("Failed", 'Failed to pull image "other": old', name="other", at="9"),
                ),
            ),
            Stage.LOST,
            'cannot be pulled on gpu-0: Failed to pull image "quay.io/a/b:1": unauthorized',
        ),
        (
            seen(pod(waiting("InvalidImageName", "couldn't parse image name"))),
            Stage.LOST,
            "container main does not start (InvalidImageName): couldn't parse image name",
        ),
        (
            seen(pod(waiting("CreateContainerConfigError", "image will run as root"))),
            Stage.LOST,
            "image will run as root",
        ),
        (
            seen(pod(waiting("PodInitializing"), files(waiting("ImagePullBackOff", "no such")))),
            Stage.LOST,
            "cannot be pulled on gpu-0: no such",
        ),
        (seen(pod(waiting("PodInitializing"), files(RUNNING))), Stage.FILES, "waits for its files"),
        (
            seen(pod(waiting("PodInitializing"), files(ended(1)), phase="Failed")),
            Stage.LOST,
            "gave up waiting for its files",
        ),
        (
            seen(
                pod(waiting("ContainerCreating")),
                events=(event("FailedMount", 'volume "ca": references non-existent config key'),),
            ),
            Stage.WAITING,
            "ContainerCreating on gpu-0: volume",
        ),
        (
            seen(
                pod(waiting("ContainerCreating")),
                events=(event("FailedMount", f'configmap "{JOB}" not found'),),
            ),
            Stage.WAITING,
            "ContainerCreating on gpu-0",
        ),
        (seen(pod(RUNNING, phase="Running")), Stage.RUNNING, ""),
        (seen(pod(ended(3), phase="Failed")), Stage.ENDED, ""),
        (
            seen(
                pod(None, phase="Failed", reason="Evicted", message="The node was low on memory.")
            ),
            Stage.LOST,
            "was taken off gpu-0 (Evicted: The node was low on memory)",
        ),
        (
            seen(pod(RUNNING, metadata={"deletionTimestamp": "now"})),
            Stage.LOST,
            "was taken off gpu-0",
        ),
    ],
)
def test_a_job_stands_where_its_pod_says(found: Standing, stage: Stage, says: str) -> None:
    assert found.stage is stage
    assert says in found.detail
    if says == "ContainerCreating on gpu-0":
        assert found.detail == says


def test_the_schedulers_word_is_kept_apart() -> None:
    told = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient x"}
    found = seen(pod(None, node="", conditions=[told]))
    assert found.stage is Stage.WAITING
    assert found.unscheduled == "0/3 nodes: Insufficient x"
