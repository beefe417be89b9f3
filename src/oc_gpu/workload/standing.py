"""How far a Job is, told from what its pod, the Job and their events say. Pure."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from oc_gpu.kube import Resource
from oc_gpu.kube.errors import clean
from oc_gpu.kube.resources import EVENTS, JOBS, PODS
from oc_gpu.manifests.jobs import FILES_IN, MAIN
from oc_gpu.snapshot.kinds import ContainerStatus, Event, Pod
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.sources import Source
from oc_gpu.stages import workloads

_HOPELESS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""What a container waits for that does not come by itself, as the kubelet calls it. An image that
could not be pulled once is tried again before the kubelet backs off."""
_PULLING = frozenset({"ImagePullBackOff", "ErrImagePull"})


class Stage(StrEnum):
    """How far a Job is."""

    WAITING = "waiting"
    FILES = "files"
    """It waits for its files."""
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"
    """It can never end as a program ends."""


class Standing(Struct, frozen=True):
    """How far a Job is.

    Attributes:
        stage: How far.
        detail: What it waits for, or why it is lost.
        pod: Its pod, None when it has none.
        hints: What to do about it.
        unscheduled: What the scheduler says of a pod that it cannot place.
    """

    stage: Stage
    detail: str = ""
    pod: Pod | None = None
    hints: tuple[str, ...] = ()
    unscheduled: str = ""


def sources(namespace: str, job: str) -> tuple[Source, ...]:
    """Return what has to be watched of a Job."""
    where = (namespace,)
    return (
        Source("pods", PODS, Pod, where, label_selector=f"job-name={job}"),
        _one("jobs", JOBS, where, job),
        Source("events", EVENTS, Event, where, field_selector="type=Warning"),
    )


def _one(name: str, resource: Resource, where: tuple[str, ...], job: str) -> Source:
    return Source(name, resource, namespaces=where, field_selector=f"metadata.name={job}")


def standing(snapshot: Snapshot, job: str) -> Standing:
    """Return how far a Job is."""
    pod = max(snapshot.pods, key=lambda p: p.metadata.creation_timestamp, default=None)
    if pod is None:
        return _without_pod(snapshot, job)
    main = container(pod, MAIN)
    if main is not None and main.state.terminated is not None:
        return Standing(Stage.ENDED, pod=pod)
    trouble = _trouble(snapshot, pod)
    if trouble is not None:
        return trouble
    if main is not None and main.state.running is not None:
        return Standing(Stage.RUNNING, pod=pod)
    files = container(pod, FILES_IN)
    if files is not None and files.state.running is not None:
        return Standing(Stage.FILES, "it waits for its files", pod)
    unscheduled = workloads.unscheduled(pod)
    return Standing(Stage.WAITING, _waits(snapshot, pod, job), pod, unscheduled=unscheduled)


def container(pod: Pod, name: str) -> ContainerStatus | None:
    """Return what the kubelet says of a container, None when it says nothing yet."""
    every = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return next((status for status in every if status.name == name), None)


def _without_pod(snapshot: Snapshot, job: str) -> Standing:
    jobs = snapshot.table("jobs")
    if not jobs:
        return Standing(Stage.LOST, f"Job {job} was deleted")
    for event in _told(snapshot, "Job", job):
        if event.reason == "FailedCreate":
            hints = (f"oc describe job -n {event.metadata.namespace} {job}",)
            return Standing(Stage.LOST, f"its pod is refused: {clean(event.message)}", hints=hints)
    if jobs[0]["spec"].get("suspend"):
        return Standing(Stage.WAITING, "its queue has not admitted it yet")
    return Standing(Stage.WAITING, "its pod is made")


def _trouble(snapshot: Snapshot, pod: Pod) -> Standing | None:
    """Return what keeps a pod from ever running its program to the end."""
    meta = pod.metadata
    describe = (f"oc describe pod -n {meta.namespace} {meta.name}",)
    if pod.status.phase == "Failed" or meta.deletion_timestamp is not None:
        told = clean(": ".join(filter(None, (pod.status.reason, pod.status.message))))
        what = f"was taken off {pod.spec.node_name}" if pod.spec.node_name else "was removed"
        if _failed(container(pod, FILES_IN)):
            what = "gave up waiting for its files"
        return Standing(Stage.LOST, f"{meta.name} {what}{told and f' ({told})'}", pod, describe)
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waits = status.state.waiting
        if waits is not None and waits.reason in _HOPELESS:
            why = _why(snapshot, pod, status)
            return Standing(Stage.LOST, why, pod, describe)
    return None


def _failed(status: ContainerStatus | None) -> bool:
    ended = status.state.terminated if status is not None else None
    return ended is not None and ended.exit_code != 0


def _why(snapshot: Snapshot, pod: Pod, status: ContainerStatus) -> str:
    """Return why a container does not start; of an image the event tells more than the status."""
    waits = status.state.waiting
    reason, message = (waits.reason, waits.message) if waits is not None else ("", "")
    failed = [e.message for e in _told(snapshot, "Pod", pod.metadata.name) if e.reason == "Failed"]
    if reason in _PULLING:
        pulls = [text for text in failed if text.startswith("Failed to pull image")]
        said = clean(next(iter(pulls), message))
        return f"the image {status.image} cannot be pulled on {pod.spec.node_name}: {said}"
    said = clean(message or next(iter(failed), ""))
    return f"container {status.name} does not start ({reason}): {said}"


def _waits(snapshot: Snapshot, pod: Pod, job: str) -> str:
    """Say what a pod waits for that still may come."""
    told = workloads.unscheduled(pod)
    if told:
        return f"no node takes it: {clean(told)}"
    main = container(pod, MAIN)
    waits = main.state.waiting if main is not None else None
    reason = waits.reason if waits is not None else pod.status.phase or "Pending"
    mounts = [e.message for e in _told(snapshot, "Pod", pod.metadata.name) if _tells(e, job)]
    more = f": {clean(mounts[0])}" if mounts else ""
    return f"{reason} on {pod.spec.node_name}{more}" if pod.spec.node_name else reason


def _tells(event: Event, job: str) -> bool:
    """Tell whether an event says which volume cannot be had.

    The Job's own ConfigMaps are made right after it, so that its kubelet may miss them at first.
    """
    return event.reason == "FailedMount" and f'configmap "{job}' not in event.message


def _told(snapshot: Snapshot, kind: str, name: str) -> Iterator[Event]:
    """Yield the warnings about an object, the newest first."""
    about = [
        event
        for event in snapshot.events
        if event.involved_object.kind == kind and event.involved_object.name == name
    ]
    return iter(sorted(about, key=_when, reverse=True))


def _when(event: Event) -> str:
    return event.last_timestamp or event.event_time or event.metadata.creation_timestamp
