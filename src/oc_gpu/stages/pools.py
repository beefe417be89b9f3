"""How far MachineConfigPools are with our MachineConfigs.

A pool still says `Updated` right after a MachineConfig was created, so its word alone is not
enough: its rendered configuration must name what we wait for, spec and status must agree, and all
its machines must have arrived (reference: machine-config-operator, pool status calculation).
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import clean
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot, spec_of
from oc_gpu.stages.model import Progress, State

_MCO = "machineconfiguration.openshift.io/"
ROLE = _MCO + "role"
_CAUSES = {
    "RenderDegraded": "mcp-bad-machineconfig",
    "NodeDegraded": "mcp-degraded-other",
    "Degraded": "mcp-degraded-other",
}
_DRIFTED = ("unexpected on-disk state", "content mismatch for file")
"""Words of a machine-config-daemon about a file that somebody else changed."""
_Rendered = Callable[[RawObject], bool]
"""A question about a pool's configuration: its rendered name and what that was made from."""


def selects(pool: RawObject, labels: Mapping[str, str]) -> bool:
    """Tell whether a pool takes MachineConfigs with these labels."""
    selector = spec_of(pool).get("machineConfigSelector") or {}
    exact = all(labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())
    return exact and all(
        _matches(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _matches(expression: RawObject, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    values = expression.get("values") or ()
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


def of_role(snapshot: Snapshot, role: str) -> tuple[RawObject, ...]:
    """Return the pools with machines that take MachineConfigs of a role, by name."""
    return tuple(
        pool
        for pool in sorted(snapshot.table("machineconfigpools"), key=_name)
        if selects(pool, {ROLE: role}) and _status(pool, "machineCount")
    )


def rolled_out(snapshot: Snapshot, role: str, names: Iterable[str]) -> Progress:
    """Say how far the pools of a role are with having all the named MachineConfigs.

    The names are not enough: after a MachineConfig changed, the pool still names it, while its
    nodes have the files of before.
    """
    wanted = frozenset(names)

    def rendered(part: RawObject) -> bool:
        return wanted <= _sources(part) and _holds_files(snapshot, part, wanted)

    return _all_pools(snapshot, role, rendered)


def rolled_back(snapshot: Snapshot, role: str, names: Iterable[str]) -> Progress:
    """Say how far the pools of a role are with having none of the named MachineConfigs."""
    unwanted = frozenset(names)
    return _all_pools(snapshot, role, lambda part: not unwanted & _sources(part))


def _holds_files(snapshot: Snapshot, part: RawObject, names: frozenset[str]) -> bool:
    """Tell whether a rendered configuration has the files that its sources have now.

    Of several sources with the same path the one that comes last by name wins.
    """
    ours = {path for name in names for path in files(snapshot.raw("machineconfigs", name))}
    merged: dict[str, str] = {}
    for name in sorted(_sources(part)):
        merged.update(files(snapshot.raw("machineconfigs", name)))
    rendered = (part.get("configuration") or {}).get("name", "")
    present = files(snapshot.raw("machineconfigs", rendered))
    return all(present.get(path) == merged.get(path) for path in ours)


def files(config: RawObject | None) -> dict[str, str]:
    """Return where a MachineConfig takes the content of its files from, by path."""
    storage = ((config or {}).get("spec", {}).get("config") or {}).get("storage") or {}
    return {
        file["path"]: (file.get("contents") or {}).get("source", "")
        for file in storage.get("files") or ()
    }


def mention(snapshot: Snapshot, role: str, names: Iterable[str]) -> bool:
    """Tell whether a pool of a role still has, or is to have, one of the named MachineConfigs."""
    wanted = frozenset(names)
    return any(
        wanted & (_sources(spec_of(pool)) | _sources(pool.get("status") or {}))
        for pool in of_role(snapshot, role)
    )


def _all_pools(snapshot: Snapshot, role: str, rendered: _Rendered) -> Progress:
    if not snapshot.known("machineconfigpools"):
        return Progress(State.BLOCKED, "MachineConfigPools could not be read")
    steps = [_pool(snapshot, pool, rendered) for pool in of_role(snapshot, role)]
    for state in (State.FAILED, State.BLOCKED, State.WAITING):
        for step in steps:
            if step.state is state:
                return step
    return Progress(State.DONE)


def _pool(snapshot: Snapshot, pool: RawObject, rendered: _Rendered) -> Progress:
    name = _name(pool)
    trouble = _trouble(pool)
    if trouble is not None:
        return trouble
    if not rendered(spec_of(pool)):
        return Progress(State.WAITING, f"pool {name}: configuration is rendered")
    if is_paused(pool):
        return Progress(
            State.BLOCKED,
            f"pool {name} is paused, so its nodes do not take the new configuration",
            hints=(unpausing(pool),),
            cause="mcp-paused",
            objects=(f"MachineConfigPool/{name}",),
        )
    if rendered(pool.get("status") or {}) and _settled(pool):
        return Progress(State.DONE)
    return Progress(State.WAITING, f"pool {name}: {_machines(snapshot, pool)}")


class Degraded(Struct, frozen=True):
    """Why a pool is degraded: the condition that says so, its words, and the cause's slug."""

    condition: str
    said: str
    cause: str


def degraded(pool: RawObject) -> Degraded | None:
    """Return why a pool is degraded, None when it is not."""
    for kind, cause in _CAUSES.items():
        condition = _condition(pool, kind)
        if condition and condition["status"] == "True":
            said = clean(condition.get("message") or condition.get("reason") or kind)
            drifted = any(word in said for word in _DRIFTED)
            return Degraded(kind, said, "mcp-config-drift" if drifted else cause)
    return None


def is_behind(pool: RawObject) -> bool:
    """Tell whether a pool has nodes that are still to take its configuration."""
    return _status(pool, "updatedMachineCount") < _status(pool, "machineCount")


def is_paused(pool: RawObject) -> bool:
    """Tell whether somebody keeps a pool's nodes from taking new configurations."""
    return bool(spec_of(pool).get("paused"))


def unpausing(pool: RawObject) -> str:
    """Return the command that lets a pool's nodes take new configurations again."""
    return f'oc patch mcp/{_name(pool)} --type=merge -p \'{{"spec":{{"paused":false}}}}\''


def _trouble(pool: RawObject) -> Progress | None:
    why = degraded(pool)
    if why is None:
        return None
    return Progress(
        State.FAILED,
        f"pool {_name(pool)} is degraded: {why.said}",
        hints=(f"oc describe mcp/{_name(pool)}",),
        cause=why.cause,
        objects=(f"MachineConfigPool/{_name(pool)}",),
    )


def _settled(pool: RawObject) -> bool:
    status = pool.get("status") or {}
    updated = _condition(pool, "Updated")
    count = _status(pool, "machineCount")
    return (
        updated is not None
        and updated["status"] == "True"
        and (status.get("configuration") or {}).get("name") == _target(pool)
        and _status(pool, "updatedMachineCount") == count
        and _status(pool, "readyMachineCount") == count
        and _status(pool, "unavailableMachineCount") == 0
        and _status(pool, "observedGeneration") == pool["metadata"].get("generation", 0)
    )


def _machines(snapshot: Snapshot, pool: RawObject) -> str:
    target = _target(pool)
    nodes = members(snapshot, pool)
    ready = [node for node in nodes if _annotation(node, "currentConfig") == target]
    text = f"{len(ready)} of {len(nodes)} nodes updated"
    rest = [node for node in nodes if node not in ready]
    busy = [f"{n.metadata.name} {_doing(n)}" for n in rest if _annotation(n, "state") != "Done"]
    return f"{text}, {', '.join(busy[:3])}" if busy else text


def _target(pool: RawObject) -> str:
    return str((spec_of(pool).get("configuration") or {}).get("name", ""))


def _doing(node: Node) -> str:
    if not node.is_ready:
        return "reboots"
    return "is cordoned" if node.spec.unschedulable else "updates"


def members(snapshot: Snapshot, pool: RawObject) -> tuple[Node, ...]:
    """Return the nodes of a pool; a custom pool takes its nodes away from `worker`."""
    return tuple(node for node in snapshot.nodes if _pool_of(node, snapshot) == _name(pool))


def _pool_of(node: Node, snapshot: Snapshot) -> str | None:
    matching = [
        _name(pool)
        for pool in snapshot.table("machineconfigpools")
        if _selects_node(pool, node.metadata.labels)
    ]
    custom = [name for name in matching if name not in ("master", "worker")]
    for name in (*custom, "master", "worker"):
        if name in matching:
            return name
    return None


def _selects_node(pool: RawObject, labels: Mapping[str, str]) -> bool:
    wanted = (spec_of(pool).get("nodeSelector") or {}).get("matchLabels") or {}
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _annotation(node: Node, key: str) -> str:
    return node.metadata.annotations.get(_MCO + key, "")


def _sources(part: RawObject) -> frozenset[str]:
    sources = (part.get("configuration") or {}).get("source") or ()
    return frozenset(source["name"] for source in sources)


def _condition(pool: RawObject, kind: str) -> RawObject | None:
    conditions = (pool.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), None)


def _status(pool: RawObject, key: str) -> int:
    return int((pool.get("status") or {}).get(key) or 0)


def _name(pool: RawObject) -> str:
    return str(pool["metadata"]["name"])
