"""Pods that are in trouble: which container, in which state, and whether it fails or waits."""

from collections.abc import Iterator

from msgspec import Struct

from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import ContainerStatus, Pod

FAILS = frozenset(
    {
        "CrashLoopBackOff",
        "Error",
        "OOMKilled",
        "ContainerCannotRun",
        "StartError",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "InvalidImageName",
        "CreateContainerError",
        "CreateContainerConfigError",
        "RunContainerError",
        "DeadlineExceeded",
    }
)
PULLING = frozenset({"ImagePullBackOff", "ErrImagePull", "RegistryUnavailable"})
CREATING = frozenset({"CreateContainerError", "RunContainerError", "StartError"})
_OFTEN = 5
"""Restarts from which a container that runs right now is called unsteady."""


class Trouble(Struct, frozen=True):
    """What is wrong with one pod, by its status.

    Attributes:
        pod: The pod.
        container: Container that fails or is waited for; empty when the pod as a whole is meant.
        state: As kubectl names it: CrashLoopBackOff, Pending, Evicted, PodInitializing, ...
        message: What the status says of it.
        init: True when it is a container of the initialisation.
        restarts: How often it was restarted.
        fails: True when it fails by itself; False when it waits for something.
        image: Image of the container.
        exit_code: How it ended the last time; 0 when it did not.
        ended: Reason of its last end.
    """

    pod: Pod
    container: str
    state: str
    message: str = ""
    init: bool = False
    restarts: int = 0
    fails: bool = True
    image: str = ""
    exit_code: int = 0
    ended: str = ""


@kept
def of(pod: Pod) -> Trouble | None:
    """Return the trouble of a pod, None when there is none."""
    status = pod.status
    if status.phase == "Succeeded":
        return None
    if status.phase == "Failed" and (status.reason or not status.container_statuses):
        return Trouble(pod, "", status.reason or "Failed", status.message)
    for one, init in _statuses(pod):
        found = _of_container(pod, one, init=init)
        if found is not None:
            return found
    if status.phase == "Pending":
        return _pending(pod)
    return _unready(pod)


def _statuses(pod: Pod) -> Iterator[tuple[ContainerStatus, bool]]:
    """Yield the containers, those that fail first: the others only wait for them."""
    every = [
        *((one, True) for one in pod.status.init_container_statuses),
        *((one, False) for one in pod.status.container_statuses),
    ]
    yield from sorted(every, key=lambda pair: _reason(pair[0]) not in FAILS)


def _reason(one: ContainerStatus) -> str:
    if one.state.waiting is not None:
        return one.state.waiting.reason
    if one.state.terminated is not None and one.state.terminated.exit_code != 0:
        return one.state.terminated.reason or "Error"
    return ""


def _of_container(pod: Pod, one: ContainerStatus, *, init: bool) -> Trouble | None:
    reason = _reason(one)
    last = one.last_state.terminated or one.state.terminated
    code, ended = (last.exit_code, last.reason) if last is not None else (0, "")
    said = one.state.waiting.message if one.state.waiting is not None else ""
    said = said or (last.message if last is not None else "")

    def made(state: str, *, fails: bool) -> Trouble:
        return Trouble(
            pod, one.name, state, said, init, one.restart_count, fails, one.image, code, ended
        )

    if reason:
        return made(reason, fails=reason in FAILS) if reason != "PodInitializing" else None
    if init and one.state.running is not None and not one.ready:
        return made("Init", fails=False) if not _sidecar(one) else None
    if not init and one.state.running is not None and not one.ready:
        return made("not ready", fails=one.restart_count >= _OFTEN)
    return None


def _sidecar(one: ContainerStatus) -> bool:
    return one.ready


def _pending(pod: Pod) -> Trouble:
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return Trouble(pod, "", "Unschedulable", condition.message, fails=False)
    state = "PodInitializing" if pod.status.init_container_statuses else "ContainerCreating"
    return Trouble(pod, "", state, pod.status.message, fails=False)


def _unready(pod: Pod) -> Trouble | None:
    ready = next((c.status for c in pod.status.conditions if c.type == "Ready"), "True")
    if ready == "True" or pod.status.phase != "Running":
        return None
    return Trouble(pod, "", "not ready", fails=False)
