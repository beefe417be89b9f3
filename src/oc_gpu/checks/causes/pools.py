"""What pools, nodes and the daemons tell of a configuration that does not arrive."""

from collections.abc import Collection

from oc_gpu.checks import components
from oc_gpu.checks.case import Case, conditions, spec, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, find, holds, result, shown
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Node

FAMILY = "mcp-and-drain"


NOTE = "machineconfiguration.openshift.io/"


def settled(pool: RawObject) -> bool:
    """Tell whether a pool has brought its configuration to all of its nodes."""
    made, now = conditions(pool), status(pool)
    if made.get("Degraded", {}).get("status") == "True":
        return False
    wanted = (spec(pool).get("configuration") or {}).get("name")
    has = (now.get("configuration") or {}).get("name")
    total, updated = now.get("machineCount"), now.get("updatedMachineCount")
    behind = isinstance(total, int) and isinstance(updated, int) and updated < total
    moved = bool(wanted and has and wanted != has)
    return not (behind or moved or made.get("Updating", {}).get("status") == "True")


def unsettled(case: Case) -> list[RawObject]:
    """Return the pools that have not brought their configuration to all of their nodes."""
    return [pool for pool in case.snapshot.table("machineconfigpools") if not settled(pool)]


def degraded(case: Case) -> list[RawObject]:
    """Return the pools that call themselves degraded."""
    kinds = ("Degraded", "NodeDegraded", "RenderDegraded")
    return [
        pool
        for pool in case.snapshot.table("machineconfigpools")
        if any(conditions(pool).get(kind, {}).get("status") == "True" for kind in kinds)
    ]


def _of_pool(pool: RawObject) -> list[Evidence]:
    found = []
    for kind, one in conditions(pool).items():
        text = f"{one.get('reason') or ''}: {one.get('message') or ''}".strip(": ")
        if one.get("status") == "True" and kind != "Updated" and text:
            where = f"condition {kind} of MachineConfigPool/{pool['metadata']['name']}"
            found.append(Evidence(where, text))
    return found


def words(case: Case) -> list[Evidence]:
    """Return what pools, nodes, the operator and the daemons say of trouble."""
    found = [told for pool in case.snapshot.table("machineconfigpools") for told in _of_pool(pool)]
    for node in case.snapshot.nodes:
        reason = node.metadata.annotations.get(f"{NOTE}reason", "")
        if reason:
            where = f"annotation {NOTE}reason of Node/{node.metadata.name}"
            found.append(Evidence(where, reason))
    for raw in case.snapshot.table("clusteroperators"):
        if raw["metadata"]["name"] == "machine-config":
            for kind, one in conditions(raw).items():
                if one.get("message") and (kind == "Degraded") == (one.get("status") == "True"):
                    found.append(
                        Evidence(
                            f"condition {kind} of ClusterOperator/machine-config", one["message"]
                        )
                    )
    return found


def matching(case: Case, phrases: Collection[str]) -> list[Evidence]:
    """Return what pools, nodes and the operator say of some phrases."""
    return [
        Evidence(one.where, shown(one.quote))
        for one in words(case)
        if any(holds(one.quote, phrase) for phrase in phrases)
    ]


def daemons(case: Case, phrases: Collection[str]) -> list[Quote]:
    """Return what the daemons and the controller say while a pool is not settled."""
    if not unsettled(case) and not degraded(case) and not behind(case):
        return []
    by = (components.MCO,)
    return [q for q in find(case, phrases, by, ("log", "event", "state")) if q.live]


def behind(case: Case) -> list[Node]:
    """Return the nodes that have another configuration than they should."""
    found = []
    for node in case.snapshot.nodes:
        notes = node.metadata.annotations
        state = notes.get(f"{NOTE}state", "Done")
        if notes.get(f"{NOTE}currentConfig") != notes.get(f"{NOTE}desiredConfig") or state not in (
            "Done",
            "",
        ):
            found.append(node)
    return found


def told_of(
    case: Case, says: str, phrases: Collection[str], at: float, *, more: tuple[Evidence, ...] = ()
) -> Results:
    """Return a finding of what was said of some phrases, by objects and by daemons."""
    direct = matching(case, phrases)
    quotes = daemons(case, phrases)
    if not direct and not quotes:
        return ()
    if quotes:
        return (result(says, quotes, at=at, more=(*direct[:2], *more)),)
    pools = tuple(f"MachineConfigPool/{p['metadata']['name']}" for p in degraded(case))
    evidence = (*direct[:3], *more)
    return (Result(Severity.ERROR, says, None, pools, evidence, confidence=at),)
