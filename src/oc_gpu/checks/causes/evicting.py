"""Layer machine-config: nodes that do not drain, and nodes that evict."""

from oc_gpu.checks import components
from oc_gpu.checks.ages import age, is_rolling
from oc_gpu.checks.case import Case, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.pools import FAMILY, NOTE, behind, matching, unsettled
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, cause, find, result
from oc_gpu.snapshot.kinds import Node

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
    settled_now = not unsettled(case) and not stuck and not behind(case)
    if settled_now:
        quotes = [q for q in quotes if q.component != components.MCO]
    direct = [] if settled_now else matching(case, _EVICTION)
    cordoned = [node for node in case.snapshot.nodes if node.spec.unschedulable]
    if cordoned or not settled_now:
        said = find(case, _EVICTION, (components.OTHER,), ("event",))
        quotes += [q for q in said if " of Node/" in q.evidence.where]
    if quotes:
        return (result(says, quotes, at=0.93, more=(*direct[:1], *blocking[:2])),)
    if direct or (stuck and blocking):
        nodes = tuple(f"Node/{node.metadata.name}" for node in stuck)
        evidence = (*direct[:2], *blocking[:2])
        told = {"node": stuck[0].metadata.name} if stuck else {}
        at = 0.92 if direct else 0.85
        return (Result(Severity.ERROR, says, None, nodes, evidence, confidence=at, about=told),)
    late = [pool for pool in unsettled(case) if not is_rolling(case, pool)]
    return _held_up(says, cordoned, blocking) if late else ()


def _held_up(says: str, cordoned: list[Node], blocking: list[Evidence]) -> Results:
    """Guess where nodes of a late pool are cordoned and budgets refuse evictions.

    Whose pods stand on which node is not looked at.
    """
    if not cordoned or not blocking:
        return ()
    name = cordoned[0].metadata.name
    evidence = (Evidence(f"Node/{name}", "spec.unschedulable: true"), *blocking[:2])
    objects, told = (f"Node/{name}",), {"node": name}
    return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.7, about=told),)


def _is_moving(node: Node) -> bool:
    notes = node.metadata.annotations
    drain = notes.get(f"{NOTE}desiredDrain", "")
    return (
        notes.get(f"{NOTE}state") in ("Working", "Degraded")
        or notes.get(f"{NOTE}currentConfig") != notes.get(f"{NOTE}desiredConfig")
        or (drain.startswith("drain-") and drain != notes.get(f"{NOTE}lastAppliedDrain"))
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
    phrases = ("low on resource: ephemeral-storage", "low on resource: imagefs")
    quotes = find(case, phrases, None, ("state", "event"))
    quotes += find(case, (_FULL,), None, ("event",))
    quotes += find(case, (_FULL,), _ON_ROOT, ("state", "log"))
    if found:
        objects = tuple(f"Node/{name}" for name in dict.fromkeys(names))
        evidence = (*found[:2], *(q.evidence for q in quotes[:1]))
        told = {"node": names[0]}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.93, about=told),)
    quotes = [q for q in quotes if q.live and not _is_long_over(case, q)]
    if not quotes:
        return ()
    if all(_is_somebodys(q) for q in quotes):
        return (result(says, quotes, at=0.45, severity=Severity.WARNING),)
    return (result(says, quotes, at=0.86),)


_DAY = 24 * 3600.0


def _is_long_over(case: Case, quote: Quote) -> bool:
    """Tell whether it is about a pod of days ago: what was evicted stays listed."""
    since = None if quote.pod is None else age(case, quote.pod.metadata.creation_timestamp)
    ended = quote.pod is not None and quote.pod.has_ended
    return ended and since is not None and since > _DAY


def _is_somebodys(quote: Quote) -> bool:
    """Tell whether it is about a program of others, which may have filled its own share."""
    system = quote.pod is None or quote.pod.metadata.namespace.startswith(("kube-", "openshift-"))
    return quote.component == components.OTHER and not system


_FULL = "no space left on device"
_ON_ROOT = (*components.GPU_STACK, *components.NFD, components.MCO)
"""Programs that write to a node's own file systems; what is full for another may be its volume."""


DRAIN = cause(
    "OCG0420",
    "drain-blocked-by-pdb",
    FAMILY,
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
    FAMILY,
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


CAUSES = (DRAIN, PRESSURE)
