"""Layer machine-config: pools that do not take their configuration, and nodes that do not drain."""

from collections.abc import Collection

from oc_gpu.checks import components
from oc_gpu.checks.ages import is_rolling
from oc_gpu.checks.case import Case, conditions, spec, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, cause, find, holds, result, shown
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Node

_FAMILY = "mcp-and-drain"
_NOTE = "machineconfiguration.openshift.io/"


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


def _pools(case: Case) -> list[RawObject]:
    return [pool for pool in case.snapshot.table("machineconfigpools") if not settled(pool)]


def _degraded(case: Case) -> list[RawObject]:
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
        reason = node.metadata.annotations.get(f"{_NOTE}reason", "")
        if reason:
            where = f"annotation {_NOTE}reason of Node/{node.metadata.name}"
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


def _matching(case: Case, phrases: Collection[str]) -> list[Evidence]:
    return [
        Evidence(one.where, shown(one.quote))
        for one in words(case)
        if any(holds(one.quote, phrase) for phrase in phrases)
    ]


def _daemons(case: Case, phrases: Collection[str]) -> list[Quote]:
    """Return what the daemons and the controller say while a pool is not settled."""
    if not _pools(case) and not _degraded(case) and not _moving(case):
        return []
    by = (components.MCO,)
    return [q for q in find(case, phrases, by, ("log", "event", "state")) if q.live]


def _moving(case: Case) -> list[Node]:
    """Return the nodes that have another configuration than they should."""
    found = []
    for node in case.snapshot.nodes:
        notes = node.metadata.annotations
        state = notes.get(f"{_NOTE}state", "Done")
        if notes.get(f"{_NOTE}currentConfig") != notes.get(
            f"{_NOTE}desiredConfig"
        ) or state not in (
            "Done",
            "",
        ):
            found.append(node)
    return found


def _told(
    case: Case, says: str, phrases: Collection[str], at: float, *, more: tuple[Evidence, ...] = ()
) -> Results:
    direct = _matching(case, phrases)
    quotes = _daemons(case, phrases)
    if not direct and not quotes:
        return ()
    if quotes:
        return (result(says, quotes, at=at, more=(*direct[:2], *more)),)
    pools = tuple(f"MachineConfigPool/{p['metadata']['name']}" for p in _degraded(case))
    evidence = (*direct[:3], *more)
    return (Result(Severity.ERROR, says, None, pools, evidence, confidence=at),)


_REFUSED = ("cannot evict pod*disruption budget", "violate the pod's disruption budget")
"""How the API server refuses an eviction, whoever asks for it."""
_EVICTION = (
    *_REFUSED,
    "error when evicting pod",
    "failed to drain node",
    "drain exceeded timeout",
    "error when waiting for pod*terminating",
    "failed to drain",
    "drain did not complete",
    "cannot delete pods with local storage",
    "cannot delete pods not managed",
    "cannot delete pods declare no controller",
    "global timeout reached",
    "unable to drain node",
)


def _drain(case: Case, says: str) -> Results:
    blocking = _blocking(case)
    stuck = [
        node
        for node in case.snapshot.nodes
        if node.spec.unschedulable and (_is_moving(node) or _upgrading(node))
    ]
    quotes = [q for q in find(case, _EVICTION, (components.MCO,)) if q.live]
    ours = (components.DRIVER, components.OPERATOR)
    quotes += [q for q in find(case, _REFUSED, ours) if q.live]
    quotes += [q for q in find(case, _EVICTION, None, ("client",)) if q not in quotes]
    quotes += find(case, ("mcddrainerror", "mccdrainerror", "drain failed on"), None, ("alert",))
    settled_now = not _pools(case) and not stuck and not _moving(case)
    if settled_now:
        quotes = [q for q in quotes if q.component != components.MCO]
    direct = [] if settled_now else _matching(case, _EVICTION)
    if quotes:
        return (result(says, quotes, at=0.93, more=(*direct[:1], *blocking[:2])),)
    if direct or (stuck and blocking):
        nodes = tuple(f"Node/{node.metadata.name}" for node in stuck)
        evidence = (*direct[:2], *blocking[:2])
        told = {"node": stuck[0].metadata.name} if stuck else {}
        at = 0.92 if direct else 0.85
        return (Result(Severity.ERROR, says, None, nodes, evidence, confidence=at, about=told),)
    return ()


def _is_moving(node: Node) -> bool:
    notes = node.metadata.annotations
    drain = notes.get(f"{_NOTE}desiredDrain", "")
    return (
        notes.get(f"{_NOTE}state") in ("Working", "Degraded")
        or notes.get(f"{_NOTE}currentConfig") != notes.get(f"{_NOTE}desiredConfig")
        or (drain.startswith("drain-") and drain != notes.get(f"{_NOTE}lastAppliedDrain"))
    )


def _upgrading(node: Node) -> bool:
    state = node.metadata.labels.get("nvidia.com/gpu-driver-upgrade-state", "")
    return state in ("drain-required", "pod-deletion-required", "upgrade-failed")


def _blocking(case: Case) -> list[Evidence]:
    found = []
    for raw in case.snapshot.table("poddisruptionbudgets"):
        now = status(raw)
        if now.get("disruptionsAllowed") == 0 and int(now.get("expectedPods") or 0) > 0:
            meta = raw["metadata"]
            where = f"PodDisruptionBudget/{meta['name']} in {meta.get('namespace')}"
            found.append(
                Evidence(where, f"disruptionsAllowed: 0 of {now.get('expectedPods')} pods")
            )
    return found


def _pressure(case: Case, says: str) -> Results:
    found, names = [], []
    for node in case.snapshot.nodes:
        for one in node.status.conditions:
            if one.type == "DiskPressure" and one.status == "True":
                where = f"condition DiskPressure of Node/{node.metadata.name}"
                found.append(Evidence(where, one.message or one.reason))
                names.append(node.metadata.name)
        if any(t.key == "node.kubernetes.io/disk-pressure" for t in node.spec.taints):
            names.append(node.metadata.name)
            where = f"taints of Node/{node.metadata.name}"
            found.append(Evidence(where, "node.kubernetes.io/disk-pressure"))
    phrases = (
        "low on resource: ephemeral-storage",
        "low on resource: imagefs",
        "no space left on device",
    )
    quotes = find(case, phrases, None, ("state", "event", "log"))
    if found:
        objects = tuple(f"Node/{name}" for name in dict.fromkeys(names))
        evidence = (*found[:2], *(q.evidence for q in quotes[:1]))
        told = {"node": names[0]}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.93, about=told),)
    quotes = [q for q in quotes if q.live]
    return (result(says, quotes, at=0.86),) if quotes else ()


def _paused(case: Case, says: str) -> Results:
    for pool in case.snapshot.table("machineconfigpools"):
        if not spec(pool).get("paused"):
            continue
        name = pool["metadata"]["name"]
        if settled(pool) and conditions(pool).get("Updated", {}).get("status") != "False":
            continue
        evidence = (Evidence(f"MachineConfigPool/{name}", "spec.paused: true"),)
        objects = (f"MachineConfigPool/{name}",)
        told = {"pool": name}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.93, about=told),)
    return ()


_DRIFT = (
    "content mismatch for file",
    "content mismatch",
    "unexpected on-disk state",
    "config drift detected",
    "configdriftdetected",
    "mode mismatch for file",
    "expected target osimageurl",
    "unexpected*on disk",
    "permission mismatch",
)


def _drift(case: Case, says: str) -> Results:
    return _told(case, says, _DRIFT, 0.94)


_NO_RENDERED = (
    'machineconfig.machineconfiguration.openshift.io "rendered-*not found',
    'machineconfig.machineconfiguration.openshift.io \\"rendered-*not found',
    "machineconfigs.machineconfiguration.openshift.io*rendered-*not found",
    "missing machineconfig rendered-",
    "could not find rendered",
)


def _rendered(case: Case, says: str) -> Results:
    found = _told(case, says, _NO_RENDERED, 0.95)
    known = {raw["metadata"]["name"] for raw in case.snapshot.table("machineconfigs")}
    if found or not any(name.startswith("rendered-") for name in known):
        return found
    for node in case.snapshot.nodes:
        for field in ("currentConfig", "desiredConfig"):
            wanted = node.metadata.annotations.get(_NOTE + field, "")
            if wanted and wanted not in known and (_degraded(case) or _moving(case)):
                where = f"annotation {_NOTE}{field} of Node/{node.metadata.name}"
                evidence = (
                    Evidence(where, wanted),
                    Evidence("MachineConfigs", "it does not exist"),
                )
                objects = (f"Node/{node.metadata.name}",)
                return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.9),)
    return ()


_BAD = (
    "failed to create directory",
    "not a directory",
    "can't reconcile config",
    "cannot reconcile",
    "unreconcilable",
    "parsing ignition config",
    "could not parse ignition",
    "unknown version. supported",
    "error: ignition",
    "passwd section contains unsupported changes",
    "ignition*section contains",
    "failed to write file",
    "failed to run*systemctl",
    "unit*does not exist",
    "error enabling unit",
    "failed to enable",
    "error merging",
    "could not generate rendered",
    "failed to apply*kernel argument",
    "updating kargs failed",
    "invalid kernel argument",
    "unsupported kerneltype",
    "no such file or directory*writing",
    "failed to update os to",
    "error installing extensions",
    "invalid extensions",
    "read-only file system",
)
_BAD_IN_SHORT = ("invalid config", "is not valid", "could not convert", "illegal file", "data url")
"""Words that count where a pool or node gives them as its reason; a log holds them anyhow."""


def _bad(case: Case, says: str) -> Results:
    found = _told(case, says, _BAD, 0.88)
    if found:
        return found
    short = _matching(case, _BAD_IN_SHORT)
    if short:
        pools = tuple(f"MachineConfigPool/{p['metadata']['name']}" for p in _degraded(case))
        evidence = tuple(short[:3])
        return (Result(Severity.ERROR, says, None, pools, evidence, confidence=0.86),)
    for pool in case.snapshot.table("machineconfigpools"):
        one = conditions(pool).get("RenderDegraded", {})
        if one.get("status") == "True":
            name = pool["metadata"]["name"]
            where = f"condition RenderDegraded of MachineConfigPool/{name}"
            evidence = (Evidence(where, shown(str(one.get("message") or "True"))),)
            objects = (f"MachineConfigPool/{name}",)
            return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.86),)
    return ()


def _other(case: Case, says: str) -> Results:
    for pool in _degraded(case):
        name = pool["metadata"]["name"]
        evidence = tuple(
            Evidence(one.where, shown(one.quote)) for one in words(case) if one.quote.strip()
        )[:3]
        objects = (f"MachineConfigPool/{name}",)
        shown_or = evidence or (Evidence(f"MachineConfigPool/{name}", "Degraded"),)
        return (Result(Severity.ERROR, says, None, objects, shown_or, confidence=0.7),)
    for raw in case.snapshot.table("clusteroperators"):
        one = conditions(raw).get("Degraded", {})
        if raw["metadata"]["name"] == "machine-config" and one.get("status") == "True":
            where = "condition Degraded of ClusterOperator/machine-config"
            evidence = (Evidence(where, shown(str(one.get("message") or ""))),)
            return (Result(Severity.ERROR, says, evidence=evidence, confidence=0.68),)
    return ()


def _stuck(case: Case, says: str) -> Results:
    for pool in _pools(case):
        if spec(pool).get("paused") or pool in _degraded(case):
            continue
        name = pool["metadata"]["name"]
        now = status(pool)
        counts = f"{now.get('updatedMachineCount')} of {now.get('machineCount')} machines updated"
        evidence = (Evidence(f"status of MachineConfigPool/{name}", counts),)
        moving = tuple(f"Node/{node.metadata.name}" for node in _moving(case))
        objects = (f"MachineConfigPool/{name}", *moving[:3])
        if is_rolling(case, pool):
            under_way = f"MachineConfigPool {name} is updating, and not for long yet"
            return (Result(Severity.WARNING, under_way, None, objects, evidence, confidence=0.4),)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.66),)
    return ()


_LOOK = (
    "oc get mcp",
    (
        "oc get nodes -o custom-columns=NAME:.metadata.name,"
        "STATE:.metadata.annotations.machineconfiguration\\.openshift\\.io/state,"
        "REASON:.metadata.annotations.machineconfiguration\\.openshift\\.io/reason"
    ),
)

DRAIN = cause(
    "OCG0420",
    "drain-blocked-by-pdb",
    _FAMILY,
    "machine-config",
    title="nodes can be drained",
    says="a node cannot be drained, because eviction of a pod on it is refused",
    means="A PodDisruptionBudget that allows no disruption refuses the eviction, and the rollout "
    "waits: for "
    "ever, as nothing fails. A single replica with minAvailable 1 is the usual case.",
    remedy=(
        "oc get pdb -A   # ALLOWED DISRUPTIONS 0",
        "oc scale deployment NAME -n NAMESPACE --replicas=2",
        "oc adm drain {node} --dry-run=server --ignore-daemonsets --delete-emptydir-data",
    ),
    look=_drain,
)
PRESSURE = cause(
    "OCG0421",
    "node-disk-pressure",
    _FAMILY,
    "machine-config",
    title="nodes have room for images and logs",
    says="the node is short of ephemeral storage and evicts pods",
    means="Images of drivers and CUDA are large. Under disk pressure the kubelet evicts pods and "
    "lets no new ones in.",
    remedy=(
        "oc debug node/{node} -- chroot /host df -h /var /var/lib/containers",
        "oc debug node/{node} -- chroot /host crictl rmi --prune",
    ),
    look=_pressure,
)
PAUSED = cause(
    "OCG0422",
    "mcp-paused",
    _FAMILY,
    "machine-config",
    title="no pool with changes ahead is paused",
    says="the MachineConfigPool is paused, so configuration does not reach its nodes",
    means="A paused pool never takes new configuration, such as a renewed entitlement or a new "
    "kernel argument.",
    remedy=(
        'oc patch mcp POOL --type merge -p \'{"spec":{"paused":false}}\'   # its nodes may reboot',
    ),
    look=_paused,
)
DRIFT = cause(
    "OCG0423",
    "mcp-config-drift",
    _FAMILY,
    "machine-config",
    title="files that the MCO manages are as it left them",
    says="a file that the MCO manages was changed on the node, so that the pool is degraded",
    means="The daemon compares files with the configuration before each change, and stops where "
    "they differ.",
    remedy=(
        (
            "oc debug node/{node} -- chroot /host touch /run/machine-config-daemon-force   # takes "
            "the pool's version"
        ),
        *_LOOK,
    ),
    look=_drift,
)
RENDERED = cause(
    "OCG0424",
    "mcp-rendered-config-missing",
    _FAMILY,
    "machine-config",
    title="every rendered configuration that nodes refer to exists",
    says="nodes refer to a rendered MachineConfig that does not exist",
    means="The rendered configuration was deleted, or the one made at installation differs from "
    "what the "
    "controller renders now.",
    remedy=("oc get machineconfigs | grep rendered-", *_LOOK),
    look=_rendered,
)
BAD = cause(
    "OCG0425",
    "mcp-bad-machineconfig",
    _FAMILY,
    "machine-config",
    title="every MachineConfig can be applied",
    says="the content of a MachineConfig cannot be applied on the node",
    means="The controller cannot render it, or the daemon cannot write what it says.",
    remedy=(
        "oc get machineconfigs --sort-by=.metadata.creationTimestamp",
        "oc delete machineconfig NAME   # the one that was added last; the pool then goes back",
        *_LOOK,
    ),
    look=_bad,
)
OTHER = cause(
    "OCG0426",
    "mcp-degraded-other",
    _FAMILY,
    "machine-config",
    title="no MachineConfigPool is degraded",
    says="the MachineConfigPool is degraded",
    means="A node of the pool could not take its configuration; the evidence shows what it says "
    "of it.",
    remedy=(
        *_LOOK,
        "oc logs -n openshift-machine-config-operator -l k8s-app=machine-config-daemon",
    ),
    look=_other,
)
STUCK = cause(
    "OCG0427",
    "mcp-stuck-updating",
    _FAMILY,
    "machine-config",
    title="no MachineConfigPool keeps updating",
    says="the MachineConfigPool keeps updating, and nothing says why it does not end",
    means="A rollout takes 10 to 40 minutes a node. Where it takes much longer, a drain or a "
    "reboot hangs.",
    remedy=(
        *_LOOK,
        "oc logs -n openshift-machine-config-operator deployment/machine-config-controller",
    ),
    look=_stuck,
)

CAUSES = (DRAIN, PRESSURE, PAUSED, DRIFT, RENDERED, BAD, OTHER, STUCK)
