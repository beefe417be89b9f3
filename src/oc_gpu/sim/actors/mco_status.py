"""What a MachineConfigPool says of its machines: membership, counts, conditions. Pure."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import (
    annotations_of,
    is_true,
    labels_of,
    matches,
    name_of,
    with_condition,
)

PREFIX = "machineconfiguration.openshift.io"
CURRENT, DESIRED = f"{PREFIX}/currentConfig", f"{PREFIX}/desiredConfig"
STATE, REASON = f"{PREFIX}/state", f"{PREFIX}/reason"
DRAIN, DRAINED = f"{PREFIX}/desiredDrain", f"{PREFIX}/lastAppliedDrain"
_BUILT_IN = ("master", "worker")
_ZONE = "topology.kubernetes.io/zone"


class Machine(Struct, frozen=True, dict=True):
    """One node as the node controller of the machine-config-operator sees it.

    Nodes of caches never change in place, so that what is asked of one is worked out once.
    """

    node: RawObject
    target: str

    @cached_property
    def name(self) -> str:
        """Return the node's name."""
        return name_of(self.node)

    @cached_property
    def notes(self) -> dict[str, str]:
        """Return the node's annotations."""
        return annotations_of(self.node)

    @cached_property
    def is_updated(self) -> bool:
        """Tell whether the machine runs the target configuration and is done with it."""
        current, desired = self.notes.get(CURRENT), self.notes.get(DESIRED)
        return current == desired == self.target and self.notes.get(STATE) == "Done"

    @cached_property
    def is_asked(self) -> bool:
        """Tell whether the machine was told to go to the target configuration."""
        return self.notes.get(DESIRED) == self.target

    @cached_property
    def is_available(self) -> bool:
        """Tell whether pods can be scheduled to the machine."""
        cordoned = bool((self.node.get("spec") or {}).get("unschedulable"))
        return is_true(self.node, "Ready") and not cordoned

    @cached_property
    def is_degraded(self) -> bool:
        """Tell whether the machine's daemon gave up."""
        return self.notes.get(STATE) in {"Degraded", "Unreconcilable"}

    @cached_property
    def is_idle(self) -> bool:
        """Tell whether the machine is up and not on its way to any configuration."""
        settled = self.notes.get(CURRENT) == self.notes.get(DESIRED)
        return settled and self.is_available and self.notes.get(STATE) == "Done"

    @cached_property
    def place(self) -> tuple[str, str, str]:
        """Return by what machines are put in the order in which they are updated."""
        made = self.node["metadata"].get("creationTimestamp", "")
        return labels_of(self.node).get(_ZONE, ""), made, self.name


def in_order(machines: Iterable[Machine]) -> list[Machine]:
    """Return machines in the order in which they are updated: by zone, age, name."""
    return sorted(machines, key=lambda machine: machine.place)


def pool_of(node: RawObject, pools: Sequence[RawObject]) -> str | None:
    """Return the name of the pool that a node belongs to.

    A master is only in pool master; a node of a custom pool is not in pool worker.
    """
    fitting = [name_of(p) for p in pools if matches(p["spec"].get("nodeSelector"), labels_of(node))]
    custom = sorted(name for name in fitting if name not in _BUILT_IN)
    order = ("master", *custom, "worker")
    return next((name for name in order if name in fitting), None)


def candidates(pool: RawObject, machines: Sequence[Machine]) -> list[Machine]:
    """Return the machines that are to begin now, as many as maxUnavailable leaves room for."""
    if pool["spec"].get("paused"):
        return []
    busy = sum(not m.is_idle for m in machines)
    waiting = [m for m in machines if not m.is_asked and m.is_idle]
    return waiting[: max(0, max_unavailable(pool, len(machines)) - busy)]


def max_unavailable(pool: RawObject, count: int) -> int:
    """Return how many machines of a pool may be away at a time; at least one."""
    value = pool["spec"].get("maxUnavailable", 1)
    if isinstance(value, str) and value.endswith("%"):
        return max(1, count * int(value[:-1]) // 100)
    return max(1, int(value))


def status_of(pool: RawObject, machines: Sequence[Machine], now: float) -> RawObject:
    """Return the status that follows from a pool's machines."""
    updated = [m for m in machines if m.is_updated]
    # A machine that nothing can run on keeps its pool from being called updated, whatever it has.
    done = all(m.is_available for m in updated) and len(updated) == len(machines)
    wanted: RawObject = pool["spec"].get("configuration") or {}
    before: RawObject = pool.get("status") or {}
    conditions = before.get("conditions") or []
    for condition in _conditions(pool, machines, done=done):
        conditions = with_condition(conditions, condition, now)
    return {
        "configuration": wanted if done else before.get("configuration") or wanted,
        "conditions": conditions,
        "observedGeneration": pool["metadata"].get("generation", 1),
        "machineCount": len(machines),
        "updatedMachineCount": len(updated),
        "readyMachineCount": sum(m.is_available for m in updated),
        "unavailableMachineCount": sum(not m.is_available for m in machines),
        "degradedMachineCount": sum(m.is_degraded for m in machines),
    }


def _conditions(pool: RawObject, machines: Sequence[Machine], *, done: bool) -> list[RawObject]:
    target = (pool["spec"].get("configuration") or {}).get("name", "")
    paused = bool(pool["spec"].get("paused"))
    degraded = [m for m in machines if m.is_degraded]
    if done:
        updated = condition("Updated", f"All nodes are updated with {target}", holds=True)
        updating = condition("Updating", "", holds=False)
    elif paused:
        updated = condition("Updated", "", holds=False)
        text = f"Pool is paused; will not update to {target}"
        updating = condition("Updating", text, holds=False)
    else:
        updated = condition("Updated", "", holds=False)
        updating = condition("Updating", f"All nodes are updating to {target}", holds=True)
    text = ", ".join(f'Node {m.name} is reporting: "{m.notes.get(REASON, "")}"' for m in degraded)
    bad_nodes = condition("NodeDegraded", text, holds=bool(degraded))
    if degraded:
        bad_nodes["reason"] = f"{len(degraded)} nodes are reporting degraded status on sync"
    bad_render = is_true(pool, "RenderDegraded")
    return [
        updated,
        updating,
        bad_nodes,
        condition("Degraded", "", holds=bool(degraded) or bad_render),
    ]


def condition(kind: str, message: str, *, holds: bool) -> RawObject:
    """Return a pool's condition without its time."""
    return {"type": kind, "status": str(holds), "reason": "", "message": message}
