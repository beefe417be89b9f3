"""Why a Job finds no place: who holds the GPUs, or what the doctor finds."""

from collections.abc import Iterable

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.doctor import diagnose
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.kube import Client, OcGpuError
from oc_gpu.kube.errors import clean
from oc_gpu.rollout.examining import examine
from oc_gpu.rollout.holders import holders, lacks_gpu
from oc_gpu.snapshot.kinds import Node
from oc_gpu.workload.placing import NoGpuError

_REMEDIES = 2
"""Commands of a remedy that are shown; the doctor shows all."""
_DOCTOR = "`oc-gpu doctor` says more"


async def why_none(client: Client, error: NoGpuError) -> NoGpuError:
    """Return the same error with the root cause that the doctor finds, if it finds one."""
    try:
        cause = _root(diagnose(Case(await examine(client))))
    except OcGpuError:
        return error
    if cause is None:
        return NoGpuError(str(error), hints=(*error.hints, _DOCTOR))
    hints = (*error.hints, *cause.remedy[:_REMEDIES], _DOCTOR)
    return NoGpuError(f"{error}: {cause.title}", hints=hints)


def _root(found: Iterable[Finding]) -> Finding | None:
    sure = (f for f in found if f.severity is Severity.ERROR and f.confidence >= SURE)
    return next(sure, None)


async def why_waiting(
    client: Client, unscheduled: str, resource: str, nodes: Iterable[Node]
) -> str:
    """Say why the scheduler places a pod nowhere, and who holds the GPUs where it lacks one.

    Args:
        client: The cluster.
        unscheduled: What the scheduler says.
        resource: What the pod needs.
        nodes: The nodes that would suit it.
    """
    if not (resource and lacks_gpu(unscheduled, resource)):
        return f"no node takes it: {clean(unscheduled)}; {_DOCTOR}"
    held = [await _on(client, node, resource) for node in nodes]
    told = "; ".join(held) or clean(unscheduled)
    return f"no {resource} is free, so this waits for one: {told}"


async def _on(client: Client, node: Node, resource: str) -> str:
    name = node.metadata.name
    who = ", ".join(await holders(client, name, resource)) or "nobody who still runs"
    return f"those of {name} ({node.offers(resource)}) are held by {who}"
