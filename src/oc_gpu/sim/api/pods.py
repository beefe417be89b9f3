"""What only nodes can answer, through their kubelets, and what can be asked of pods only."""

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import deleting, objects, reading
from oc_gpu.sim.api.backend import Backend, KubeletApi, LogOptions
from oc_gpu.sim.api.errors import bad_request, conflict, method_not_allowed, no_such_path
from oc_gpu.sim.api.messages import ApiResponse, ApiStream, StatusError, success
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.selectors import selects
from oc_gpu.sim.api.store import Entry

_TEXT = "text/plain; charset=utf-8"
_PDB = ("policy", "poddisruptionbudgets")


async def logs(backend: Backend, call: Call) -> ApiStream:
    """Answer with what a container printed.

    Raises:
        StatusError: There is no such container, or it has not printed yet.
    """
    params = call.request.params
    try:
        options = LogOptions(
            follow=call.request.flag("follow"),
            previous=call.request.flag("previous"),
            tail_lines=_number(params.get("tailLines")),
            since_seconds=_number(params.get("sinceSeconds")),
            timestamps=call.request.flag("timestamps"),
        )
    except ValueError as error:
        message = f"the log options cannot be understood: {error}"
        raise bad_request(message) from error
    pod = reading.found(backend, call).decode()
    container = container_of(pod, params.get("container", ""))
    kubelet = kubelet_of(backend, pod)
    pieces = await kubelet.logs(pod, container, options)
    return ApiStream(200, _told(backend, call, pieces), _TEXT)


def _number(text: str | None) -> int | None:
    return int(text) if text else None


async def _told(backend: Backend, call: Call, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece
        backend.clock.touch(external=call.request.external)


def kubelet_of(backend: Backend, pod: RawObject) -> KubeletApi:
    """Return the kubelet that runs a pod.

    Raises:
        StatusError: 400, the pod has no node yet; 500, no node actor runs.
    """
    if not pod["spec"].get("nodeName"):
        message = f"pod {pod['metadata']['name']} does not have a host assigned"
        raise bad_request(message)
    if backend.kubelet is None:
        raise StatusError(500, "InternalError", "no kubelet answers in this simulation")
    return backend.kubelet


def container_of(pod: RawObject, wanted: str) -> str:
    """Return the container that is meant; without a name the only one.

    Raises:
        StatusError: 400.
    """
    spec, name = pod["spec"], pod["metadata"]["name"]
    known = [c["name"] for c in spec["containers"]]
    if not wanted:
        if len(known) == 1:
            return str(known[0])
        choice = " ".join(known)
        message = f"a container name must be specified for pod {name}, choose one of: [{choice}]"
        raise bad_request(message)
    if wanted not in known and wanted not in [c["name"] for c in spec.get("initContainers") or []]:
        message = f"container {wanted} is not valid for pod {name}"
        raise bad_request(message)
    return wanted


class ExecCall(Struct, frozen=True):
    """A command that is to run in a container."""

    kubelet: KubeletApi
    pod: RawObject
    container: str
    command: tuple[str, ...]
    stdin: bool


def exec_call(backend: Backend, call: Call) -> ExecCall:
    """Return the command that a request asks for.

    Raises:
        StatusError: It cannot run.
    """
    command = call.request.values("command")
    if not command:
        raise bad_request("you must specify at least one command for the container")
    pod = reading.found(backend, call).decode()
    container = container_of(pod, call.request.params.get("container", ""))
    kubelet = kubelet_of(backend, pod)
    phase = (pod.get("status") or {}).get("phase")
    if phase in {"Succeeded", "Failed"}:
        message = f"cannot exec into a container in a completed pod; current phase is {phase}"
        raise bad_request(message)
    return ExecCall(kubelet, pod, container, tuple(command), call.request.flag("stdin"))


def bind(backend: Backend, call: Call) -> ApiResponse:
    """Give a pod its node.

    Raises:
        StatusError: 409, it has one already.
    """
    binding: Any = objects.decode(call)
    entry = reading.found(backend, call)
    pod = entry.decode()
    node = ((binding or {}).get("target") or {}).get("name")
    if not node:
        raise bad_request("target.name: Required value")
    if pod["spec"].get("nodeName"):
        why = f"pod {call.name} is already assigned to node {pod['spec']['nodeName']!r}"
        raise conflict(call.kind.resource, call.name, why)
    pod["spec"]["nodeName"] = node
    status = pod.setdefault("status", {})
    others = [c for c in status.get("conditions") or [] if c["type"] != "PodScheduled"]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": backend.timestamp(),
    }
    status["conditions"] = [*others, scheduled]
    if not call.request.dry_run:
        backend.put(call.kind, pod)
    done = success({"name": call.name, "kind": "pods"})
    return ApiResponse(201, done.body)


def evict(backend: Backend, call: Call) -> ApiResponse:
    """Delete a pod unless a disruption budget forbids it.

    Raises:
        StatusError: 429, a budget would be broken.
    """
    eviction: Any = objects.decode(call)
    entry = reading.found(backend, call)
    for budget in _budgets(backend, entry):
        if (budget.get("status") or {}).get("disruptionsAllowed", 0) <= 0:
            text = "Cannot evict pod as it would violate the pod's disruption budget."
            cause = {
                "reason": "DisruptionBudget",
                "message": f"The disruption budget {budget['metadata']['name']} needs more pods",
            }
            raise StatusError(429, "TooManyRequests", text, {"causes": [cause]})
    given = (eviction or {}).get("deleteOptions") or {}
    options = deleting.parse_options(given, dry_run=call.request.dry_run)
    deleting.delete_entry(backend, call, entry, options)
    return ApiResponse(201, success({"name": call.name, "kind": "pods"}).body)


def _budgets(backend: Backend, pod: Entry) -> list[RawObject]:
    budgets = [e.decode() for e in backend.store.of(_PDB).select(pod.namespace)]
    return [b for b in budgets if selects(b["spec"].get("selector"), pod.labels)]


async def journal(backend: Backend, call: Call) -> ApiResponse:
    """Answer with lines of a node's journal, as the kubelet of OpenShift does under /logs/journal.

    Raises:
        StatusError: The path is not served, or the node does not answer.
    """
    reading.found(backend, call)
    if call.path != "logs/journal":
        raise no_such_path()
    pattern = call.request.params.get("grep", "")
    text = await backend.kubelet.journal(call.name, pattern) if backend.kubelet else None
    if text is None:
        message = f"error trying to reach service: dial tcp: node {call.name} does not answer"
        raise StatusError(503, "ServiceUnavailable", message)
    return ApiResponse(200, text.encode(), _TEXT)


async def answer(backend: Backend, call: Call) -> ApiResponse | ApiStream:
    """Answer a request for a pod's own subresources, or for a node's."""
    match (call.subresource, call.verb):
        case ("proxy", "get"):
            return await journal(backend, call)
        case ("log", "get"):
            return await logs(backend, call)
        case ("binding", "create"):
            return bind(backend, call)
        case ("eviction", "create"):
            return evict(backend, call)
        case ("exec", "get" | "create"):
            exec_call(backend, call)
            raise bad_request("Upgrade request required")
    raise method_not_allowed()
