"""Which tolerations let a pod onto a tainted node (Kubernetes, taints and tolerations)."""

from collections.abc import Iterable

from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Taint

BUILT_IN: RawObject = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
"""What the GPU Operator gives its operands by itself; a list of our own replaces it, so ours
starts with it."""


def parse(text: str) -> Taint:
    """Return the taint written as `key=value:Effect` or `key:Effect`."""
    left, _, effect = text.rpartition(":")
    key, _, value = left.partition("=")
    return Taint(key, value, effect)


def tolerates(tolerations: Iterable[RawObject], taint: Taint) -> bool:
    """Tell whether any of the tolerations matches a taint."""
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: RawObject, taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    key = toleration.get("key")
    if toleration.get("operator") == "Exists":
        return not key or bool(key == taint.key)
    return bool(key == taint.key and (toleration.get("value") or "") == taint.value)


def for_taint(taint: Taint) -> RawObject:
    """Return the toleration of exactly one taint."""
    if not taint.value:
        return {"key": taint.key, "operator": "Exists", "effect": taint.effect}
    return {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}


def with_taint(present: list[RawObject] | None, taint: Taint) -> list[RawObject]:
    """Return tolerations extended by a taint; an empty list stands for the built-in one."""
    base = list(present) if present else [BUILT_IN]
    return base if tolerates(base, taint) else [*base, for_taint(taint)]
