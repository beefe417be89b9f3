"""The Node object of a machine: registration, readiness, cards, the taint of a cordon."""

import uuid
from typing import Any

from oc_gpu.kube import ConflictError, RawObject
from oc_gpu.kube.resources import NODES
from oc_gpu.sim.actors.framework import ActorContext, EventSource
from oc_gpu.sim.actors.node.machine import Machine
from oc_gpu.sim.actors.objects import timestamp, with_condition
from oc_gpu.sim.machine_facts import NodeFacts
from oc_gpu.sim.scenario import Scenario

_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"
_RESERVED_MILLICPU = 500
_RESERVED_MIB = 1124
Offer = dict[str, tuple[int, int]]
"""How many devices of a resource there are, and how many of them are healthy."""
_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def node_object(scenario: Scenario, facts: NodeFacts, now: float) -> RawObject:
    """Return the Node that a kubelet registers, derived from the machine's facts."""
    labels = {
        "beta.kubernetes.io/arch": facts.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "node.openshift.io/os_id": facts.os_release.get("ID", ""),
        **{f"node-role.kubernetes.io/{role}": "" for role in facts.roles},
        **facts.labels,
    }
    taints: list[dict[str, str]] = list(facts.taints)
    if facts.roles == ("master",):
        taints.insert(0, {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"})
    if facts.off:
        taints.append({"key": _UNREACHABLE, "effect": "NoSchedule"})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": facts.name,
            "labels": labels,
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {"taints": taints} if taints else {},
        "status": _status(scenario, facts, now),
    }


def _status(scenario: Scenario, facts: NodeFacts, now: float) -> RawObject:
    capacity = {
        "cpu": str(facts.cpu),
        "ephemeral-storage": "125293548Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{facts.memory_mib * 1024}Ki",
        "pods": str(facts.pods),
    }
    allocatable = {
        **capacity,
        "cpu": f"{facts.cpu * 1000 - _RESERVED_MILLICPU}m",
        "memory": f"{(facts.memory_mib - _RESERVED_MIB) * 1024}Ki",
    }
    moment = timestamp(now)
    conditions = [
        {
            "type": kind,
            "status": "False",
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": moment,
            "lastTransitionTime": moment,
        }
        for kind, reason, message in _HEALTHY
    ]
    ready = _silent(now) if facts.off else _ready(ready=True, now=now)
    return {
        "addresses": [
            {"type": "InternalIP", "address": facts.address},
            {"type": "Hostname", "address": facts.name},
        ],
        "capacity": capacity,
        "allocatable": allocatable,
        "conditions": [*conditions, {**ready, "lastTransitionTime": moment}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": _info(scenario, facts),
    }


def _info(scenario: Scenario, facts: NodeFacts) -> RawObject:
    release = scenario.openshift
    return {
        "architecture": facts.architecture,
        "bootID": _identity(facts.name, "boot1"),
        "containerRuntimeVersion": release.container_runtime,
        "kernelVersion": facts.kernel,
        "kubeProxyVersion": release.kubernetes,
        "kubeletVersion": release.kubernetes,
        "machineID": _identity(facts.name, "machine").replace("-", ""),
        "operatingSystem": "linux",
        "osImage": facts.os_image,
        "systemUUID": _identity(facts.name, "system"),
    }


def _identity(node: str, what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{node}.{what}"))


def _ready(*, ready: bool, now: float) -> RawObject:
    return {
        "type": "Ready",
        "status": str(ready),
        "reason": "KubeletReady" if ready else "KubeletNotReady",
        "message": "kubelet is posting ready status" if ready else "node is shutting down",
        "lastHeartbeatTime": timestamp(now),
    }


def _silent(now: float) -> RawObject:
    """Return what the node controller writes of a node that it has not heard of for a while."""
    return {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastHeartbeatTime": timestamp(now),
    }


async def register(context: ActorContext, facts: NodeFacts) -> RawObject:
    """Create the Node of a machine, unless it exists."""
    wanted = node_object(context.scenario, facts, context.clock.now())
    existing = await context.client.find(NODES, facts.name)
    if existing is not None:
        context.informers.of(NODES).observe(existing)
        return existing
    created = await context.create(NODES, wanted)
    return await context.patch_status(NODES, created, wanted["status"])


async def report_gpus(
    context: ActorContext,
    node: RawObject,
    machine: Machine,
    *,
    offered: dict[str, Offer],
) -> None:
    """Write how many devices there are and how many can be asked for, once there were any.

    A resource that is offered no more stays with a count of zero, as a kubelet leaves it.
    """
    name = machine.facts.name
    before = offered.get(name, {})
    healthy_of = machine.schedulable
    now = {r: (len(d), len(healthy_of.get(r, ()))) for r, d in machine.registered.items()}
    counts = {**dict.fromkeys(before, (0, 0)), **now}
    if before == counts:
        return
    offered[name] = counts
    there = {resource: str(count) for resource, (count, _) in counts.items()}
    healthy = {resource: str(count) for resource, (_, count) in counts.items()}
    await context.patch(
        NODES, node, {"status": {"capacity": there, "allocatable": healthy}}, subresource="status"
    )


async def report_ready(context: ActorContext, name: str, *, ready: bool) -> None:
    """Write the Ready condition, and the taint that goes with its absence."""
    node = context.informers.of(NODES).get(name)
    if node is None:
        return
    now = context.clock.now()
    conditions = with_condition(node["status"].get("conditions"), _ready(ready=ready, now=now), now)
    node = await context.patch_status(NODES, node, {"conditions": conditions})
    await _set_taint(context, node, {"key": _NOT_READY, "effect": "NoSchedule"}, present=not ready)
    if ready:
        unreachable = {"key": _UNREACHABLE, "effect": "NoSchedule"}
        current = context.informers.of(NODES).get(name) or node
        await _set_taint(context, current, unreachable, present=False)
    word = "NodeReady" if ready else "NodeNotReady"
    text = f"Node {name} status is now: {word}"
    await context.event(node, word, text, source=EventSource("kubelet", name))


async def report_silence(context: ActorContext, name: str) -> None:
    """Write, as the node controller does, that a node's kubelet is heard no more."""
    node = context.informers.of(NODES).get(name)
    if node is None:
        return
    now = context.clock.now()
    conditions = with_condition(node["status"].get("conditions"), _silent(now), now)
    node = await context.patch_status(NODES, node, {"conditions": conditions})
    await _set_taint(context, node, {"key": _UNREACHABLE, "effect": "NoSchedule"}, present=True)
    text = f"Node {name} status is now: NodeNotReady"
    source = EventSource("node-controller")
    await context.event(node, "NodeNotReady", text, source=source)


async def report_given_up(context: ActorContext, name: str) -> None:
    """Tell, as the node controller does, that a silent node's pods are given up."""
    node = context.informers.of(NODES).get(name)
    if node is not None:
        source = EventSource("node-controller", warning=True)
        text = "Node is not ready, its pods are marked for deletion"
        await context.event(node, "NodeNotReady", text, source=source)


async def report_boot(context: ActorContext, name: str, boots: int) -> None:
    """Write the id of the machine's newest boot."""
    node = context.informers.of(NODES).get(name)
    if node is not None:
        info = {**node["status"]["nodeInfo"], "bootID": _identity(name, f"boot{boots}")}
        await context.patch_status(NODES, node, {"nodeInfo": info})


async def mirror_cordon(context: ActorContext, name: str) -> None:
    """Keep the taint of a cordoned node in step with spec.unschedulable."""
    node = context.informers.of(NODES).get(name)
    if node is None:
        return
    wanted = bool((node.get("spec") or {}).get("unschedulable"))
    taint = {"key": _UNSCHEDULABLE, "effect": "NoSchedule"}
    await _set_taint(context, node, taint, present=wanted)


async def _set_taint(
    context: ActorContext, node: RawObject, taint: dict[str, Any], *, present: bool
) -> None:
    """Set or take a taint; anew when another writer was faster, as node controllers are."""
    current: RawObject | None = node
    while current is not None and (patch := _taint_patch(current, taint, present=present)):
        try:
            await context.patch(NODES, current, patch)
        except ConflictError:
            current = await context.refresh(NODES, current)
        else:
            return


def _taint_patch(node: RawObject, taint: dict[str, Any], *, present: bool) -> RawObject | None:
    """Return the change that a taint needs, None when the node is as wanted."""
    taints: list[RawObject] = (node.get("spec") or {}).get("taints") or []
    if any(t.get("key") == taint["key"] for t in taints) == present:
        return None
    others = [t for t in taints if t.get("key") != taint["key"]]
    new = [*others, taint] if present else others
    return {
        "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
        "spec": {"taints": new or None},
    }
