"""How far pods and DaemonSets are, in words."""

from collections.abc import Iterable, Sequence

from oc_gpu.kube.errors import clean
from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import ContainerStatus, DaemonSet, Pod
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Progress, State

KEEPS_FAILING = 3
"""Restarts after which a crashing container is reported instead of waited for: the kubelet's
back-off has then grown to 40 s and what fails every time has shown itself."""


def pod(snapshot: Snapshot, namespace: str, name: str) -> Pod | None:
    """Return a pod by name."""
    pods = snapshot.pods_by_namespace.get(namespace, ())
    return next((item for item in pods if item.metadata.name == name), None)


@kept
def is_ready(item: Pod) -> bool:
    """Tell whether a pod runs and is ready."""
    return any(c.type == "Ready" and c.status == "True" for c in item.status.conditions)


def waiting_reason(item: Pod) -> str:
    """Say in a word what a pod does, as `kubectl get pods` would."""
    for number, status in enumerate(item.status.init_container_statuses):
        if status.state.terminated is not None and status.state.terminated.exit_code == 0:
            continue
        reason = _reason(status)
        total = len(item.status.init_container_statuses)
        return f"Init:{reason}" if reason not in ("", "Running") else f"Init:{number}/{total}"
    for status in item.status.container_statuses:
        reason = _reason(status)
        if not status.ready and reason:
            return "runs, is not ready yet" if reason == "Running" else reason
    return item.status.reason or item.status.phase or "Pending"


def _reason(status: ContainerStatus) -> str:
    if status.state.waiting is not None:
        return status.state.waiting.reason
    if status.state.terminated is not None:
        return status.state.terminated.reason or "Error"
    return "Running"


@kept
def ready_since(item: Pod) -> str:
    """Return when a pod became ready (RFC 3339, which orders as text), empty when it is not."""
    times = (
        c.last_transition_time or ""
        for c in item.status.conditions
        if c.type == "Ready" and c.status == "True"
    )
    return next(times, "")


def unscheduled(item: Pod) -> str:
    """Return what the scheduler says of a pod that it cannot place, empty for any other."""
    for condition in item.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.message or condition.reason
    return ""


def crash(item: Pod, since: str = "") -> Progress | None:
    """Return FAILED when a container of a pod keeps failing or its image cannot be had.

    Args:
        item: The pod.
        since: When all that it needs was there (RFC 3339); what failed before does not count.
    """
    for status in (*item.status.init_container_statuses, *item.status.container_statuses):
        waiting = status.state.waiting
        reason = waiting.reason if waiting is not None else ""
        ended = status.last_state.terminated
        if reason == "CrashLoopBackOff" and status.restart_count >= KEEPS_FAILING:
            if ended is not None and (ended.exit_code == 0 or (ended.finished_at or "") <= since):
                continue
            return _failed(item, status.name, f"fails again and again ({status.restart_count}x)")
        if reason in ("ImagePullBackOff", "InvalidImageName"):
            said = f": {clean(waiting.message)}" if waiting is not None and waiting.message else ""
            return _failed(item, status.name, f"cannot get its image {status.image}{said}")
    return None


def _failed(item: Pod, container: str, what: str) -> Progress:
    meta = item.metadata
    return Progress(
        State.FAILED,
        f"container {container} of {meta.name} on {item.spec.node_name} {what}",
        hints=(
            f"oc logs -n {meta.namespace} {meta.name} -c {container} --previous",
            f"oc describe pod -n {meta.namespace} {meta.name}",
        ),
        objects=(f"Pod/{meta.name}",),
    )


def proof(snapshot: Snapshot, namespace: str, name: str, sign: str) -> Progress:
    """Say how far a proof pod is; only its log counts as proof.

    Args:
        snapshot: What is known.
        namespace: Namespace of the pod.
        name: Name of the pod.
        sign: Start of the log line that proves it.
    """
    item = pod(snapshot, namespace, name)
    if item is None:
        return Progress(State.WAITING, f"pod {name} starts")
    if item.status.phase not in ("Succeeded", "Failed"):
        return crash(item) or Progress(State.WAITING, f"pod {name}: {waiting_reason(item)}")
    unlogged = snapshot.unlogged.get(f"{namespace}/{name}")
    if unlogged is not None:
        return Progress(
            State.BLOCKED,
            f"the log of pod {name} is the proof and may not be read: {clean(unlogged)}",
            hints=(f"oc auth can-i get pods --subresource=log -n {namespace}",),
            objects=(f"Pod/{name}",),
        )
    log = snapshot.logs.get(f"{namespace}/{name}")
    if log is None:
        return Progress(State.WAITING, f"log of pod {name} is read")
    if any(line.startswith(sign) for line in log.splitlines()):
        return Progress(State.DONE)
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "nothing")
    return Progress(
        State.FAILED,
        f"pod {name} found no {sign} package; its log ends: {clean(last.strip())[:120]}",
        hints=(f"oc logs -n {namespace} {name}", f"oc delete pod -n {namespace} {name}"),
        cause="entitlement-stale",
        objects=(f"Pod/{name}",),
    )


def observed(daemon_set: DaemonSet) -> bool:
    """Tell whether the controller has seen the DaemonSet's present spec."""
    return daemon_set.status.observed_generation == daemon_set.metadata.generation


def is_replacing(daemon_set: DaemonSet) -> bool:
    """Tell whether a DaemonSet still has pods of an older template, or its spec is not seen yet."""
    status = daemon_set.status
    outdated = status.updated_number_scheduled < status.desired_number_scheduled
    return outdated or not observed(daemon_set)


def settled(daemon_set: DaemonSet) -> bool:
    """Tell whether a DaemonSet has observed its spec and all its pods are there and ready."""
    status = daemon_set.status
    return (
        observed(daemon_set)
        and status.number_ready == status.desired_number_scheduled
        and status.updated_number_scheduled == status.desired_number_scheduled
    )


def pods_on(snapshot: Snapshot, namespace: str, node: str) -> Sequence[Pod]:
    """Return the pods of a namespace that run on a node."""
    return snapshot.pods_by_node(namespace).get(node, ())


def first_crash(pods: Iterable[Pod]) -> Progress | None:
    """Return the first pod's trouble, if any has one."""
    for item in pods:
        trouble = crash(item)
        if trouble is not None:
            return trouble
    return None
