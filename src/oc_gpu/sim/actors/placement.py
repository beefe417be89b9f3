"""Where a pod fits: node selection as kube-scheduler and the DaemonSet controller do it. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import expression_holds, labels_of, name_of

_FACTORS = {
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}
_SUFFIXES = tuple(sorted(_FACTORS, key=len, reverse=True))
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_TAINT_NAMED_SINCE = 20
_UNTOLERATED_SINCE = 24
_AFFINITY_WORDS_SINCE = 20


def quantity(text: Any) -> float:
    """Return a resource quantity such as 500m, 2Gi or 4 as a number."""
    value = str(text)
    for suffix in _SUFFIXES:
        if value.endswith(suffix):
            return float(value.removesuffix(suffix)) * _FACTORS[suffix]
    return float(value)


def requests_of(pod: RawObject) -> dict[str, float]:
    """Return what a pod asks for: containers summed, or the largest init container."""
    total: dict[str, float] = {}
    for container in pod["spec"].get("containers") or []:
        _add(total, _asked(container))
    for container in pod["spec"].get("initContainers") or []:
        for name, amount in _asked(container).items():
            total[name] = max(total.get(name, 0.0), amount)
    return {"pods": 1.0, **total}


def _add(total: dict[str, float], more: Mapping[str, float]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0.0) + amount


def _asked(container: Mapping[str, Any]) -> dict[str, float]:
    resources = container.get("resources") or {}
    merged = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {k: quantity(v) for k, v in merged.items()}


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Tell whether one of the tolerations accepts a taint."""
    return any(_tolerates(t, taint) for t in tolerations)


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key = toleration.get("key")
    if key and key != taint.get("key"):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(
    pod: RawObject, node: RawObject, effects: Sequence[str] = ("NoSchedule", "NoExecute")
) -> RawObject | None:
    """Return the first taint of these effects that the pod does not tolerate."""
    tolerations = pod["spec"].get("tolerations") or []
    taints: list[RawObject] = (node.get("spec") or {}).get("taints") or []
    return next(
        (t for t in taints if t.get("effect") in effects and not tolerates(tolerations, t)), None
    )


def selects(pod: RawObject, node: RawObject) -> bool:
    """Tell whether nodeSelector and required node affinity accept a node."""
    labels = labels_of(node)
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(k) != v for k, v in wanted.items()):
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    fields = {"metadata.name": name_of(node)}
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(expression_holds(e, labels) for e in term.get("matchExpressions") or [])
        and all(expression_holds(e, fields) for e in term.get("matchFields") or [])
        for term in required.get("nodeSelectorTerms") or []
    )


class Placement(Struct, frozen=True):
    """The node for a pod, or why there is none, in the scheduler's words."""

    node: str | None
    message: str = ""


class Cluster:
    """What placement looks at: nodes, and what pods there that have not ended ask for.

    Args:
        nodes: All nodes.
        pods_on: Returns the pods of a node that have not ended; asked for once a node, and only
            for those that come into question.
        kubernetes_minor: Minor release of Kubernetes, which words refusals.
    """

    def __init__(
        self,
        nodes: Sequence[RawObject],
        pods_on: Callable[[str], Iterable[RawObject]],
        kubernetes_minor: int = 30,
    ) -> None:
        self.nodes = {name_of(n): n for n in nodes}
        self.kubernetes_minor = kubernetes_minor
        self._pods_on = pods_on
        self._used: dict[str, dict[str, float]] = {}

    def used(self, node: str) -> dict[str, float]:
        """Return what the pods of a node ask for."""
        if node not in self._used:
            self._used[node] = {}
            for pod in self._pods_on(node):
                _add(self._used[node], requests_of(pod))
        return self._used[node]

    def bind(self, pod: RawObject, node: str) -> None:
        """Count a pod as bound to a node; to be called before it shows there."""
        _add(self.used(node), requests_of(pod))

    def refusals(self, pod: RawObject, node: str) -> list[str]:
        """Return why a node does not take a pod; nothing when it does."""
        barred = _barred(pod, self.nodes[node], self.kubernetes_minor)
        return [barred] if barred else _short(pod, self.nodes[node], self.used(node))


def place(pod: RawObject, cluster: Cluster) -> Placement:
    """Choose a node: every filter must accept it; the least loaded one wins."""
    pinned = _pinned(pod)
    if pinned in cluster.nodes and not cluster.refusals(pod, pinned):
        return Placement(pinned)
    reasons: Counter[str] = Counter()
    fitting = []
    for name in cluster.nodes:
        found = cluster.refusals(pod, name)
        if not found:
            fitting.append(name)
        reasons.update(found)
    if not fitting:
        return Placement(None, _message(len(cluster.nodes), reasons, cluster.kubernetes_minor))
    nodes, used = cluster.nodes, cluster.used
    best = min(fitting, key=lambda n: (_avoided(pod, nodes[n]), used(n).get("pods", 0.0), n))
    return Placement(best)


def _pinned(pod: RawObject) -> str:
    """Return the only node that a pod asks for by name, as those of DaemonSets do."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or []
    fields = terms[0].get("matchFields") or [] if len(terms) == 1 else []
    return str(fields[0]["values"][0]) if fields else ""


def _avoided(pod: RawObject, node: RawObject) -> bool:
    return untolerated(pod, node, ("PreferNoSchedule",)) is not None


def _barred(pod: RawObject, node: RawObject, minor: int) -> str:
    """Return why a node takes no pod like this one whatever room it has, empty when it does."""
    tolerations = pod["spec"].get("tolerations") or []
    cordon = {"key": _UNSCHEDULABLE, "effect": "NoSchedule"}
    if (node.get("spec") or {}).get("unschedulable") and not tolerates(tolerations, cordon):
        return "node(s) were unschedulable"
    taint = untolerated(pod, node)
    if taint is not None:
        return _taint_words(taint, minor)
    if not selects(pod, node):
        new = minor >= _AFFINITY_WORDS_SINCE
        words = "didn't match Pod's node affinity/selector" if new else "didn't match node selector"
        return f"node(s) {words}"
    return ""


def _short(pod: RawObject, node: RawObject, used: Mapping[str, float]) -> list[str]:
    """Return what a node has too little of for a pod."""
    free = (node.get("status") or {}).get("allocatable") or {}
    return [
        "Too many pods" if name == "pods" else f"Insufficient {name}"
        for name, amount in requests_of(pod).items()
        if amount > 0 and used.get(name, 0.0) + amount > quantity(free.get(name, 0)) + 1e-9
    ]


def _taint_words(taint: Mapping[str, Any], minor: int) -> str:
    if minor < _TAINT_NAMED_SINCE:
        return "node(s) had taints that the pod didn't tolerate"
    text = f"{{{taint['key']}: {taint.get('value') or ''}}}"
    if minor < _UNTOLERATED_SINCE:
        return f"node(s) had taint {text}, that the pod didn't tolerate"
    return f"node(s) had untolerated taint {text}"


def _message(total: int, reasons: Counter[str], minor: int) -> str:
    if total == 0:
        return "no nodes available to schedule pods"
    text = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    message = f"0/{total} nodes are available: {text}."
    if minor < _UNTOLERATED_SINCE:
        return message
    short = sum(c for r, c in reasons.items() if r.startswith("Insufficient"))
    parts = {"No preemption victims found for incoming pod": short}
    parts["Preemption is not helpful for scheduling"] = total - min(short, total)
    rest = ", ".join(f"{count} {words}" for words, count in parts.items() if count)
    return f"{message} preemption: 0/{total} nodes are available: {rest}."
